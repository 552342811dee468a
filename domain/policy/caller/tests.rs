//! What a policy's words become, with hand-made weights.

use super::*;
use crate::engine::{Directions, RawDesk, RawTerms, Size, run_raw};
use crate::fixed::{Bp, Money};
use crate::market::bar::Timeframe;
use crate::market::csv::{CsvOptions, read_csv};
use crate::market::series::Series;
use crate::market::tape::Tape;
use crate::policy::action::ActionSet;
use crate::policy::network::{Layer, PolicyParts};
use crate::policy::normalisation::Normalisation;
use crate::policy::observation::{COLUMNS, WARM_UP, columns};
use crate::sim_broker::{FillAt, SimConfig};
use crate::watch::MarketWatch;

/// One layer: a bias for some actions, and what the share that is held adds to them.
fn policy(bias: &[(Action, f32)], position: &[(Action, f32)]) -> Arc<Policy> {
    let actions = ActionSet::Eight.actions();
    let index = |action| actions.iter().position(|one| *one == action).unwrap();
    let (mut weights, mut biases) = (vec![0.0; COLUMNS * 8], vec![0.0; 8]);
    for (action, value) in bias {
        biases[index(*action)] = *value;
    }
    for (action, value) in position {
        weights[MARKET * 8 + index(*action)] = *value;
    }
    let parts = PolicyParts {
        columns: columns().map(str::to_owned).collect(),
        actions: ActionSet::Eight,
        normalisation: Normalisation::new(vec![0.0; COLUMNS], vec![1.0; COLUMNS]).unwrap(),
        actor: vec![Layer::new(COLUMNS, weights, biases).unwrap()],
        critic: Vec::new(),
    };
    Arc::new(Policy::new(parts).unwrap())
}

const BUY: Action = Action::Buy(crate::policy::action::Bucket::Half);
const SELL: Action = Action::Sell(crate::policy::action::Bucket::Quarter);

fn goog(bars: usize) -> Series {
    let options = CsvOptions::new(Symbol::new("GOOG").unwrap());
    let text = include_bytes!("../../../data/GOOG.csv").as_slice();
    let mut series = read_csv(text, &options).unwrap().series;
    series.bars.truncate(bars);
    series
}

fn looks(series: &Series, policy: &Arc<Policy>, full: bool, slices: usize) -> Vec<Look> {
    let mut tape = Tape::new(vec![series.clone()]).unwrap();
    let instruments = Arc::clone(tape.instruments());
    let source = crate::strategy::Source::Policy(Arc::clone(policy));
    let mut watch = MarketWatch::new(&instruments, Timeframe::Day, &source, full).unwrap();
    let mut looks = Vec::new();
    while let Some(chunk) = tape.next_chunk(slices) {
        let seen = watch.on_chunk(&chunk);
        assert!(seen.raised.is_empty(), "it calls where the account is");
        looks.extend(seen.looks);
    }
    looks
}

/// F-2: raw or full, whatever is handed over at once: the same bars with the same bits.
#[test]
fn what_a_policy_is_shown_is_the_same_bits_raw_and_full_and_in_any_chunk() {
    let (series, policy) = (goog(300), policy(&[], &[]));
    let bits = |full, slices| {
        let looks = looks(&series, &policy, full, slices).into_iter();
        let bits =
            |look: Look| (look.bar, look.row.map(|row| row.map(f32::to_bits)), look.magnitude);
        looks.map(bits).collect::<Vec<_>>()
    };
    let one = bits(true, 1);
    assert_eq!(one.len(), 300);
    assert!(one[..WARM_UP - 1].iter().all(|look| look.1.is_none()));
    assert!(one[WARM_UP - 1..].iter().all(|look| look.1.is_some() && look.2 > Ratio::ZERO));
    assert_eq!(one, bits(false, 64));
    assert_eq!(one, bits(true, 7));
}

fn terms(size: Size, fill_at: FillAt) -> RawTerms {
    let broker = SimConfig::raw(fill_at, Bp::ZERO);
    let cash = Money::from_units(100_000).unwrap();
    RawTerms { size, directions: Directions::LongShort, broker, cash }
}

/// A ledger that holds ten units, or minus ten, or none.
fn book(held: Option<Direction>) -> Book {
    let series = goog(1);
    let symbols = [(series.symbol.clone(), series.class)];
    let mut desk = RawDesk::new(terms(Size::Units(10), FillAt::Close), symbols).unwrap();
    desk.close(&series.symbol, &series.bars[0]).unwrap();
    if let Some(direction) = held {
        desk.call(&series.symbol, direction, &series.bars[0]).unwrap();
    }
    desk.book().clone()
}

#[test]
fn a_word_depends_on_what_is_held() {
    let series = goog(WARM_UP);
    let says = |action, held, may_short| {
        let policy = policy(&[(action, 4.0)], &[]);
        let look = looks(&series, &policy, true, 1).pop().unwrap();
        Caller::new(100).consider(look, &book(held), may_short).unwrap()
    };
    let (long, short) = (Some(Direction::Long), Some(Direction::Short));
    for held in [None, long, short] {
        assert_eq!(says(Action::Hold, held, true), Word::Keep);
    }
    assert_eq!(says(Action::Close, None, true), Word::Keep);
    assert_eq!(says(Action::Close, short, true), Word::Close);
    assert_eq!(says(BUY, long, true), Word::Keep, "nothing is added to");
    assert_eq!(says(SELL, long, false), Word::Close, "who may not short only closes");
    assert_eq!(says(SELL, None, false), Word::Keep);
    for (action, held, direction, bucket) in [
        (BUY, None, Direction::Long, 0.5),
        (BUY, short, Direction::Long, 0.5),
        (SELL, long, Direction::Short, 0.25),
    ] {
        let Word::Call(raised) = says(action, held, true) else { panic!("{action}") };
        assert_eq!((raised.signal.direction, &*raised.signal.source), (direction, NAME));
        let call = raised.call.unwrap();
        assert_eq!((call.bucket, call.actions), (Ratio::of(bucket), 8));
        let share = 4.0_f64.exp() / (4.0_f64.exp() + 7.0);
        assert!((raised.signal.confidence.get() - share).abs() < 1e-6);
    }
}

/// Calls are judged at their horizon though nothing is traded, and holding is counted.
#[test]
fn health_is_learned_from_words_that_are_not_traded() {
    let series = goog(300);
    for (action, holds) in [(BUY, 0.0), (Action::Hold, 1.0)] {
        let mut caller = Caller::new(20);
        for look in looks(&series, &policy(&[(action, 4.0)], &[]), true, 64) {
            caller.consider(look, &book(None), true).unwrap();
        }
        let record = caller.record();
        assert_eq!(record.hold_share, Some(Ratio::of(holds)), "{action}");
        assert_eq!(record.accuracy.is_some(), action == BUY, "{action}");
        let text = serde_json::to_string(&caller).unwrap();
        assert_eq!(serde_json::from_str::<Caller>(&text).unwrap(), caller);
        if let Some(accuracy) = record.accuracy {
            let close = |at: usize| series.bars[at].close;
            let right = (260..280).filter(|&at| close(at + 20) > close(at)).count();
            assert!(
                (accuracy.get() * 20.0 - f64::from(u32::try_from(right).unwrap())).abs() < 1e-9
            );
        }
    }
}

#[test]
fn a_policy_whose_numbers_are_not_finite_is_mute_and_counts_as_holding() {
    let mut look = looks(&goog(WARM_UP), &policy(&[(BUY, 4.0)], &[]), true, 1).pop().unwrap();
    look.row = Some(Box::new([f32::NAN; MARKET]));
    let mut caller = Caller::new(1);
    assert_eq!(caller.consider(look, &book(None), true).unwrap(), Word::Mute);
    assert_eq!(caller.record().hold_share, Some(Ratio::ONE));
}

#[test]
fn a_hash_is_of_the_weights() {
    let one = policy(&[(BUY, 4.0)], &[]);
    assert_eq!(one.hash(), policy(&[(BUY, 4.0)], &[]).hash());
    for other in [policy(&[(BUY, 4.000_001)], &[]), policy(&[(SELL, 4.0)], &[])] {
        assert_ne!(one.hash(), other.hash());
    }
    assert_eq!(in_words(one.hash()).len(), "policy ".len() + 12);
}

/// Flat it buys half, long it closes: the raw engine trades every other bar, each time half of equity.
#[test]
fn the_raw_engine_does_what_the_policy_says() {
    let series = goog(400);
    let source = crate::strategy::Source::Policy(policy(
        &[(BUY, 4.0)],
        &[(BUY, -100.0), (Action::Close, 100.0)],
    ));
    let terms = terms(Size::AllIn, FillAt::NextOpen);
    let result = run_raw(std::slice::from_ref(&series), &source, &terms).unwrap();
    let trades = result.book.trades();
    // The first call is at the last bar of the warm-up; from then on a trade lasts for two bars.
    assert_eq!(trades.len(), (400 - WARM_UP) / 2 + (400 - WARM_UP) % 2);
    for (nth, trade) in trades.iter().enumerate() {
        assert_eq!(trade.direction, Direction::Long);
        assert_eq!(trade.entry_time, series.bars[WARM_UP + 2 * nth].open_time);
        let at = WARM_UP + 2 * nth - 1;
        let equity = result.equity[at].equity.to_f64();
        let spent = trade.qty.to_f64() * trade.entry_price.to_f64();
        assert!(spent <= equity * 0.5 && spent > equity * 0.5 - trade.entry_price.to_f64());
    }
}
