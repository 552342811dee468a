//! Validations against what is known of a world, and against the domain's forward pass.

use std::sync::Arc;

use conclave_domain::policy::action::ActionSet;
use conclave_domain::ratio::Ratio;

use super::*;
use crate::actor_critic::ActorCritic;
use crate::env::trade::MarketData;
use crate::layout::{Layout, Shape};
use crate::testing::{World, series};

fn view(worlds: &[World], bars: usize) -> View {
    let series: Vec<_> = (0_u64..)
        .zip(worlds)
        .map(|(n, &world)| series(&format!("S{n}"), world, bars, n + 10))
        .collect();
    let data = Arc::new(MarketData::new(&series).unwrap());
    let spans = data.spans().to_vec();
    View::fitted(data, &spans).unwrap()
}

fn run(view: &View, count: usize, decide: &mut dyn Decide) -> Report {
    let windows = windows(view.data.spans(), count);
    Trial { view, windows: &windows, terms: &Terms::default() }.run(decide).unwrap()
}

#[test]
fn windows_are_of_one_length_and_do_not_overlap() {
    let span = |instrument, rows| Span { instrument, rows };
    let cut = windows(&[span(0, 10..1_011), span(1, 2_000..2_101)], 11);
    assert_eq!(cut.len(), 11);
    assert!(cut.iter().all(|window| window.steps() == 100));
    assert_eq!((cut[0].rows.clone(), cut[9].rows.clone()), (10..111, 910..1_011));
    // Two windows share the row between them: the last state of one is the first of the other.
    assert_eq!(cut[1].rows.start + 1, cut[0].rows.end);
    assert_eq!(windows(&[span(0, 0..15)], 4), [span(0, 0..15)], "a short span is one window");
    assert!(windows(&[span(0, 0..1)], 4).is_empty() && windows(&[], 4).is_empty());
    assert_eq!(windows(&[span(0, 0..193)], 16).len(), 9, "no window is shorter than twenty steps");
}

#[test]
fn who_does_nothing_has_a_fitness_of_zero_and_a_rising_market_is_good_to_who_buys() {
    let rising = view(&[World::RISING], 1_500);
    let hold = run(&rising, 8, &mut Scripted::Hold);
    assert_eq!(
        (hold.fitness, hold.mean_return, hold.consistency),
        (Ratio::ZERO, Ratio::ZERO, Ratio::ZERO)
    );
    assert_eq!((hold.sharpe, hold.profit_factor, hold.win_rate), (None, None, None));
    assert_eq!(hold.action_shares["HOLD"], Ratio::ONE);
    let buy = run(&rising, 8, &mut Scripted::Buy);
    assert!(buy.fitness.get() > 0.6 && buy.consistency.get() > 0.8, "{buy:?}");
    assert!(buy.direction_accuracy.unwrap().get() > 0.55);
    assert!((buy.trade_rate.get() - 8.0 / 1_432.0).abs() < 1e-3, "one entry a window");
    let all_in = run(&rising, 8, &mut Scripted::BuyAndHold);
    assert!(all_in.mean_return > buy.mean_return);
    let random = run(&rising, 8, &mut Scripted::random(1));
    assert!(random.mean_return < buy.mean_return);
    let sum: f64 = random.action_shares.values().map(|share| share.get()).sum();
    assert!((sum - 1.0).abs() < 1e-12);
}

#[test]
fn the_figures_are_those_of_the_curve() {
    let seen = Seen {
        steps: 4,
        entries: 1,
        calls: 4,
        right: 3,
        trades: vec![300.0, -100.0],
        drawdown: 0.02,
        ..Seen::default()
    };
    let report = Report::of(&seen, &[&[0.01, -0.02], &[0.03, 0.0]], 100.0, Ratio::of(252.0));
    let mean = 0.005;
    let squares: f64 = [0.01, -0.02, 0.03, 0.0_f64].iter().map(|r| (r - mean).powi(2)).sum();
    let sharpe = mean / (squares / 3.0).sqrt() * 252.0_f64.sqrt();
    assert!((report.sharpe.unwrap().get() - sharpe).abs() < 1e-9);
    assert_eq!(report.profit_factor, Some(Ratio::of(3.0)));
    assert_eq!((report.win_rate, report.consistency), (Some(Ratio::of(0.5)), Ratio::of(0.5)));
    assert_eq!(report.direction_accuracy, Some(Ratio::of(0.75)));
    let fitness = 0.5 + 0.2 * 0.5 + 0.3 * 0.0 - 0.5 * 0.02;
    assert!((report.fitness.get() - fitness).abs() < 1e-9, "sharpe {sharpe}: {:?}", report.fitness);
}

#[test]
fn a_rule_follows_what_a_planted_drift_does_and_looks_back_only() {
    let planted = view(&[World::PLANTED; 3], 2_000);
    let best = benchmarks(
        &Trial {
            view: &planted,
            windows: &windows(planted.data.spans(), 12),
            terms: &Terms::default(),
        },
        1,
    )
    .unwrap();
    let names: Vec<&str> = best.iter().map(|row| &*row.name).collect();
    assert_eq!(names[..4], ["always-hold", "always-buy", "random", "buy-and-hold"]);
    assert!(names[4].starts_with("momentum") && names[5] == "sma-cross 10/20");
    assert!(best[4].report.mean_return.get() > 0.05, "{:?}", best[4]);
    let mut out = [Action::Hold; 2];
    let first = planted.data.spans()[0].rows.start;
    let key = |row: usize| Key { row: u32::try_from(row).unwrap(), ..Key::default() };
    Rule::Momentum(5).decide(&planted, &[key(first + 4), key(first + 5)], &mut out);
    assert!(out[0] == Action::Hold && out[1] != Action::Hold, "no close before the span");
}

/// The batched forward pass of a validation and the scalar one that trades agree on every action, but
/// for ties within rounding.
#[test]
fn the_trainers_and_the_traders_forward_pass_choose_the_same_actions() {
    let planted = view(&[World::PLANTED], 600);
    let shape = Shape { observation: 32, hidden: vec![64, 64], actions: 8 };
    let net = ActorCritic::new(Layout::new(&shape).unwrap(), 3);
    let policy = crate::export::policy(&net, ActionSet::Eight, planted.normalisation()).unwrap();
    let keys: Vec<Key> =
        (0..500_u32).map(|row| Key { row, account: [0.5, 0.01, 0.3, 0.0] }).collect();
    let mut rows = vec![0.0; keys.len() * 32];
    planted.observe(&keys, &mut rows);
    let mut room = net.room(500);
    let batched = net.logits(&rows, 500, &mut room).to_vec();
    for (row, logits) in rows.chunks_exact(32).zip(batched.chunks_exact(8)) {
        for (one, other) in policy.logits(row).iter().zip(logits) {
            assert!((one - other).abs() < 2e-5, "{one} {other}");
        }
    }
}
