//! Tests of the council in one thread, over synthetic markets.

use conclave_domain::budget::BudgetConfig;
use conclave_domain::custody::CustodyConfig;
use conclave_domain::exits::ExitRules;
use conclave_domain::fixed::{Price, Volume};
use conclave_domain::market::bar::Timeframe;
use conclave_domain::market::series::Series;
use conclave_domain::market::synth::{Preset, SynthConfig, generate};
use conclave_domain::market::tape::Tape;
use conclave_domain::order::Purpose;
use conclave_domain::sim_broker::SimConfig;
use conclave_domain::strategy::StrategyConfig;

use super::*;
use crate::driver;

/// What the guardian's hard limits are called.
const HARD: [Code; 9] = [
    Code::GuardPosition,
    Code::GuardExposure,
    Code::GuardCash,
    Code::GuardVar,
    Code::GuardCvar,
    Code::GuardDrawdown,
    Code::GuardStops,
    Code::GuardDailyLoss,
    Code::GuardTradingState,
];

/// How a council is set up in a test.
#[derive(Clone)]
struct Setup {
    cash: i64,
    chunk: usize,
    limits: Limits,
    sim: SimConfig,
    strategy: StrategyConfig,
}

impl Default for Setup {
    fn default() -> Self {
        Self {
            cash: 100_000,
            chunk: 64,
            limits: Limits::default(),
            sim: SimConfig::default(),
            strategy: StrategyConfig::SmaCross { fast: 10, slow: 20 },
        }
    }
}

fn market(preset: Preset, symbols: usize, bars: usize, seed: u64) -> Vec<Series> {
    let config = SynthConfig { symbols, bars, ..SynthConfig::of(preset) };
    generate(&config, seed).unwrap().series
}

/// A council that has seen all of the series; positions stay open.
fn played(series: &[Series], setup: &Setup) -> InlineCouncil {
    let mut tape = Tape::new(series.to_vec()).unwrap();
    let instruments = Arc::clone(tape.instruments());
    let watch = MarketWatch::new(&instruments, Timeframe::Day, &setup.strategy, true).unwrap();
    let config = CustodyConfig {
        sim: setup.sim.clone(),
        exits: ExitRules::default(),
        guarded: true,
        cash: Money::from_units(setup.cash).unwrap(),
    };
    let custody = Custody::new(&config, &instruments).unwrap();
    let budgets = Budgets::new(BudgetConfig::default()).unwrap();
    let enabled = trading::TEAM.iter().map(|entry| entry.role.name).collect();
    let limits = setup.limits.clone();
    let mut council =
        InlineCouncil::new(instruments, watch, custody, budgets, limits, enabled, false);
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(driver::play(&mut tape, setup.chunk, &mut council)).unwrap();
    council
}

/// Vetoes by the guardian's hard limits.
fn hard_vetoes(council: &InlineCouncil) -> BTreeMap<Code, u64> {
    let vetoes = council.stats().vetoes.clone();
    vetoes.into_iter().filter(|(code, _)| HARD.contains(code)).collect()
}

/// The entries that were sent, in order.
fn entries(council: &InlineCouncil) -> Vec<&OrderIntent> {
    let intents = council.happenings().iter().filter_map(|happening| match happening {
        Happening::Submitted { intent } if intent.purpose == Purpose::Entry => Some(intent),
        _ => None,
    });
    intents.collect()
}

/// Limits under which the guardian never objects by judgement.
fn without_judgement() -> Limits {
    let mut limits = Limits::default();
    limits.soft.correlation_max = Ratio::of(2.0);
    limits.soft.crash_max = Ratio::ONE;
    limits.soft.regime_clear = Ratio::ONE;
    limits.soft.loss_streak_max = u32::MAX - 1;
    limits.soft.drawdown_max = Ratio::ONE;
    limits
}

#[test]
fn a_calm_market_never_meets_a_hard_limit_of_the_guardian() {
    for (symbols, seed) in [(1, 1), (8, 1), (8, 2), (8, 3), (24, 4), (24, 5)] {
        for name in StrategyConfig::NAMES {
            let strategy = StrategyConfig::by_name(name).unwrap();
            let setup = Setup { strategy, ..Setup::default() };
            let council = played(&market(Preset::Calm, symbols, 400, seed), &setup);
            let about = format!("{symbols} symbols, seed {seed}, {name}");
            assert_eq!(hard_vetoes(&council), BTreeMap::new(), "{about}");
            assert_eq!(council.trading_state(), TradingState::Active, "{about}");
            assert!(council.stats().rounds.contains_key("act"), "{about}");
        }
    }
}

/// The caps leave the guardian nothing to object to but the tails, which no cap looks at.
#[test]
fn a_hard_veto_can_be_reached_and_is_never_appealed() {
    let mut limits = without_judgement();
    (limits.risk.var_max, limits.risk.cvar_max) = (Ratio::of(0.006), Ratio::of(0.008));
    let setup = Setup { limits, ..Setup::default() };
    let council = played(&market(Preset::Default, 24, 500, 1), &setup);
    let hard = hard_vetoes(&council);
    assert!(hard.contains_key(&Code::GuardVar) || hard.contains_key(&Code::GuardCvar), "{hard:?}");
    assert_eq!(hard, council.stats().vetoes, "judgement is switched off");
    assert_eq!(council.stats().appeals, 0);
    assert!(council.stats().denials.keys().all(|code| !code.as_str().starts_with("appeal.")));
}

/// A change of the limits.
type Narrow = fn(&mut Limits);

#[test]
fn every_objection_by_judgement_occurs_in_some_run() {
    let cases: [(Code, Narrow); 5] = [
        (Code::GuardCorrelation, |limits| limits.soft.correlation_max = Ratio::of(0.3)),
        (Code::GuardCrash, |limits| limits.soft.crash_max = Ratio::of(0.1)),
        (Code::GuardRegime, |limits| limits.soft.regime_clear = Ratio::of(0.7)),
        (Code::GuardLossStreak, |limits| limits.soft.loss_streak_max = 3),
        (Code::GuardWinRate, |limits| {
            limits.soft.win_rate_min = Ratio::of(0.9);
            limits.soft.win_rate_trades = 1;
            limits.soft.drawdown_max = Ratio::of(0.001);
        }),
    ];
    let series = market(Preset::Default, 12, 500, 1);
    for (code, narrow) in cases {
        let mut limits = without_judgement();
        narrow(&mut limits);
        let council = played(&series, &Setup { limits, ..Setup::default() });
        let vetoes = &council.stats().vetoes;
        assert!(vetoes.contains_key(&code), "{code:?}: {vetoes:?}");
        assert_eq!(vetoes.len(), 1, "{code:?}: {vetoes:?}");
    }
}

/// The same bars with so many times the volume.
fn deeper(series: &[Series], times: i64) -> Vec<Series> {
    let mut series = series.to_vec();
    for bar in series.iter_mut().flat_map(|one| &mut one.bars) {
        bar.volume = Volume::from_raw(bar.volume.raw() * times);
    }
    series
}

/// Sizes are fractions of equity, so cash decides nothing but lots: with enough of it that a whole
/// share is less than a thousandth of an order, every decision is the same. The market is deeper by
/// as much, because the Execution Timer looks at the order's part of the volume, and fixed fees are
/// left out, because they are a larger part of a smaller account.
#[test]
fn ten_or_a_hundred_times_the_cash_decides_the_same() {
    let sim = SimConfig { fee_per_trade: Money::ZERO, ..SimConfig::default() };
    let series = market(Preset::Default, 8, 500, 2);
    let of = |times| {
        let setup = Setup { cash: 20_000_000 * times, sim: sim.clone(), ..Setup::default() };
        played(&deeper(&series, 1_000 * times), &setup)
    };
    let one = of(1);
    assert!(entries(&one).len() > 50, "{}", entries(&one).len());
    for times in [10_i64, 100] {
        let more = of(times);
        let (left, right) = (one.stats(), more.stats());
        assert_eq!(left.rounds, right.rounds, "{times} times");
        assert_eq!(left.vetoes, right.vetoes, "{times} times");
        assert_eq!(left.denials, right.denials, "{times} times");
        assert_eq!(left.agents, right.agents, "{times} times");
        let (few, many) = (entries(&one), entries(&more));
        assert_eq!(few.len(), many.len());
        for (small, large) in few.into_iter().zip(many) {
            assert_eq!((&small.decision, small.side), (&large.decision, large.side));
            #[expect(clippy::cast_precision_loss, reason = "10 or 100")]
            let ratio = large.qty.to_f64() / small.qty.to_f64() / times as f64;
            assert!((ratio - 1.0).abs() < 0.002, "{}: {ratio}", small.decision);
        }
    }
}

/// L-1: cutting the data after a day changes nothing up to that day.
#[test]
fn what_comes_later_changes_nothing_before() {
    let series = market(Preset::Default, 6, 400, 3);
    let whole = played(&series, &Setup::default());
    for bars in [150, 277, 333] {
        let cut: Vec<Series> = series
            .iter()
            .map(|one| Series { bars: one.bars[..bars].to_vec(), ..one.clone() })
            .collect();
        let cut = played(&cut, &Setup::default());
        assert!(entries(&cut).len() > 5, "{bars} bars");
        // Times of different symbols are the same sessions, so the cut is one of time.
        assert_eq!(whole.happenings()[..cut.happenings().len()], *cut.happenings(), "{bars} bars");
    }
}

/// D-1: the same bars under the same settings are the same run, however they are handed over.
#[test]
fn a_run_repeats_itself_whatever_the_chunk() {
    let series = market(Preset::Default, 6, 300, 4);
    let first = played(&series, &Setup::default());
    assert!(entries(&first).len() > 20);
    for chunk in [64, 1, 7, 1_000] {
        let again = played(&series, &Setup { chunk, ..Setup::default() });
        assert_eq!(first.stats(), again.stats(), "chunks of {chunk}");
        assert_eq!(first.happenings(), again.happenings(), "chunks of {chunk}");
        assert_eq!(first.custody(), again.custody(), "chunks of {chunk}");
    }
}

/// The prices of all but every fourth symbol fall by two thirds at the open of a session.
fn crashing(mut series: Vec<Series>, session: usize) -> Vec<Series> {
    let fallen = |price: Price| Price::from_raw(price.raw() / 3);
    let falling = series.iter_mut().enumerate().filter(|(index, _)| index % 4 != 0);
    for bar in falling.flat_map(|(_, one)| one.bars.iter_mut().skip(session)) {
        (bar.open, bar.high) = (fallen(bar.open), fallen(bar.high));
        (bar.low, bar.close) = (fallen(bar.low), fallen(bar.close));
    }
    series
}

/// O-3: after HALTED no entry leaves; O-4: what is open is still left by its exits.
#[test]
fn a_halt_stops_entries_and_leaves_exits_alone() {
    let series = crashing(market(Preset::Calm, 16, 400, 2), 300);
    let council = played(&series, &Setup::default());
    assert_eq!(council.trading_state(), TradingState::Halted);
    let since = council.custody().halt_rule().halted_at().unwrap();
    let late = entries(&council).into_iter().filter(|intent| intent.at >= since);
    assert_eq!(late.count(), 0);
    assert!(council.stats().denials[&Code::GateTradingState] > 0);
    let mut exits = 0;
    for happening in council.happenings() {
        if let Happening::Filled { fill } = happening
            && fill.at > since
        {
            let order = council.custody().orders().get(&fill.client_order_id).unwrap();
            assert_ne!(order.intent.purpose, Purpose::Entry, "{fill:?}");
            exits += 1;
        }
    }
    assert!(exits > 0, "something was open when the halt came");
    assert!(council.custody().book().positions().is_empty());
}

#[test]
fn the_end_of_data_leaves_nothing_open() {
    let mut council = played(&market(Preset::Calm, 8, 203, 6), &Setup::default());
    assert!(!council.custody().book().positions().is_empty());
    council.finish().unwrap();
    assert!(council.custody().book().positions().is_empty());
    assert_eq!(council.custody().orders().open().count(), 0);
    let last = council.custody().book().trades().last().unwrap();
    assert_eq!(last.exit_reason, ExitReason::EndOfData);
}

/// The record that a brief shows is made of trades that are over.
#[test]
fn outcomes_are_counted_for_those_who_voted_for_them() {
    let council = played(&market(Preset::Default, 8, 400, 7), &Setup::default());
    let closed = council.custody().book().trades().len() as u64;
    let analyst = &council.stats().agents["signal_analyst"];
    assert!(analyst.settled > 0 && analyst.won < analyst.settled, "{analyst:?}");
    assert!(analyst.settled <= closed, "{analyst:?}: {closed}");
    assert!(analyst.track_record().hit_rate.is_some());
}
