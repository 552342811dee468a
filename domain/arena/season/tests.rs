//! Whole seasons of made-up bars and made-up answers.

use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::arena::board::board;
use crate::arena::market::{MarketKind, Refusal};
use crate::arena::words::{Decision, Rating};
use crate::fixed::{Qty, Volume, notional};
use crate::market::calendar::Calendar;
use crate::order::Side;
use crate::ratio::Ratio;

const RATINGS: [Rating; 5] =
    [Rating::Buy, Rating::Overweight, Rating::Hold, Rating::Underweight, Rating::Sell];

fn symbol(name: &str) -> Symbol {
    Symbol::new(name).unwrap()
}

fn name(text: &str) -> ContestantName {
    text.parse().unwrap()
}

fn spec(market: MarketKind, shorts: bool, names: &[&str]) -> SeasonSpec {
    let contestants = names.iter().map(|one| ContestantSpec {
        name: name(one),
        kind: ContestantKind::Rule(Rule::BuyAndHold {}),
        cash: Money::from_units(10_000).unwrap(),
    });
    SeasonSpec {
        season: "test".to_owned(),
        market,
        symbols: vec![symbol("AAA"), symbol("BBB")],
        slot: Ratio::of(0.4),
        shorts,
        contestants: contestants.collect(),
    }
}

/// The bar of the `nth` session, with these prices in cents.
fn bar(nth: usize, open: i64, close: i64) -> Bar {
    let mut day = jiff::civil::date(2012, 1, 3);
    for _ in 0..nth {
        day = Calendar::Xnys.next_session(day).unwrap();
    }
    let (open_time, close_time) = Calendar::Xnys.open_close(day).unwrap();
    let price = |cents: i64| Price::from_raw(cents * Price::SCALE / 100);
    Bar {
        open_time,
        close_time,
        open: price(open),
        high: price(open.max(close)),
        low: price(open.min(close)),
        close: price(close),
        volume: Volume::ZERO,
    }
}

fn slice(nth: usize, prices: [(i64, i64); 2]) -> (Time, Vec<(Symbol, Bar)>) {
    let bars = [("AAA", prices[0]), ("BBB", prices[1])];
    let bars = bars.map(|(name, (open, close))| (symbol(name), bar(nth, open, close)));
    (bars[0].1.close_time, bars.into())
}

fn says(rating: Rating) -> Brought {
    Brought::Decided(Decision::new(rating, Ratio::of(0.6), "because").unwrap())
}

fn both(first: Rating, second: Rating) -> Answered {
    let brought = [(symbol("AAA"), says(first)), (symbol("BBB"), says(second))];
    Answered { brought: brought.into(), ..Answered::default() }
}

/// One tick in which all say the same; what was done at its opening comes back.
fn tick(season: &mut Season, nth: usize, prices: [(i64, i64); 2], said: &Answered) -> OpenedTick {
    let (at, bars) = slice(nth, prices);
    let opened = season.on_slice(at, &bars).unwrap();
    let brought = season.books().keys().map(|name| (name.clone(), said.clone())).collect();
    season.close_tick(brought).unwrap();
    opened
}

#[test]
fn what_is_decided_at_a_close_is_filled_at_the_next_opening_and_not_before() {
    let mut season = Season::new(spec(MarketKind::Us, false, &["a"])).unwrap();
    let hold = both(Rating::Hold, Rating::Hold);
    let opened =
        tick(&mut season, 0, [(1_000, 1_100), (1_000, 1_000)], &both(Rating::Buy, Rating::Hold));
    assert!(opened.entries.is_empty());
    let opened = tick(&mut season, 1, [(1_200, 1_300), (1_000, 1_000)], &hold);
    let entry = &opened.entries[&name("a")][0];
    // Four tenths of 10,000 at the close of 11 are 363 shares; the opening of 12 and 5 bp pay for them.
    assert_eq!((entry.wanted, entry.filled), (Qty::from_units(363).unwrap(), entry.wanted));
    assert_eq!(entry.price.unwrap().to_string(), "12.006");
    let book = season.books()[&name("a")].ledger();
    assert_eq!(book.cash().to_string(), "5641.822");
    assert_eq!(book.equity().unwrap().to_string(), "10360.822");
}

#[test]
fn a_wish_without_a_bar_dies_and_says_so() {
    let mut season = Season::new(spec(MarketKind::Us, false, &["a"])).unwrap();
    tick(&mut season, 0, [(1_000, 1_000), (1_000, 1_000)], &both(Rating::Hold, Rating::Buy));
    for nth in 1..=5 {
        let (at, bars) = slice(nth, [(1_000, 1_000), (1_000, 1_000)]);
        season.on_slice(at, &bars[..1]).unwrap();
        // Nobody is asked about what has no bar.
        let said = Answered::all([&symbol("AAA")], &says(Rating::Hold));
        let closed = season.close_tick([(name("a"), said)].into()).unwrap();
        assert_eq!(closed.aggregates.len(), 1);
    }
    let history = season.books()[&name("a")].history();
    assert_eq!((history.len(), history[0].success), (1, false));
    assert_eq!(history[0].reason, Some(Refusal::NoPrice));
}

#[test]
fn a_price_that_is_not_believed_moves_no_book_and_takes_its_holders_out_of_rank() {
    let mut season = Season::new(spec(MarketKind::Us, false, &["a", "b"])).unwrap();
    let (at, bars) = slice(0, [(1_000, 1_000), (1_000, 1_000)]);
    season.on_slice(at, &bars).unwrap();
    let said = [
        (name("a"), both(Rating::Buy, Rating::Hold)),
        (name("b"), both(Rating::Hold, Rating::Buy)),
    ];
    season.close_tick(said.into()).unwrap();
    let hold = both(Rating::Hold, Rating::Hold);
    tick(&mut season, 1, [(1_000, 1_000), (1_000, 1_000)], &hold);
    let before = season.books()[&name("a")].ledger().equity().unwrap();
    tick(&mut season, 2, [(1_000, 77_000_000), (1_000, 1_000)], &hold);
    let after = season.books()[&name("a")].ledger().equity().unwrap();
    assert_eq!(before, after);
    let doubted = board(&season, "").unwrap();
    let ranks: Vec<_> = doubted.rows.iter().map(|row| (row.name.as_str(), row.rank)).collect();
    assert_eq!(ranks, [("b", Some(1)), ("a", None)]);
    assert!(doubted.rows[1].suspect && !doubted.rows[0].suspect);
    // A price that is believed again gives the rank back.
    tick(&mut season, 3, [(1_000, 1_001), (1_000, 1_000)], &hold);
    let board = board(&season, "").unwrap();
    assert!(board.rows.iter().all(|row| row.rank.is_some() && !row.suspect));
}

#[test]
fn who_brings_nothing_has_failed_and_who_is_excluded_keeps_its_book() {
    let mut season = Season::new(spec(MarketKind::Us, false, &["a", "b"])).unwrap();
    let (at, bars) = slice(0, [(1_000, 1_000), (1_000, 1_000)]);
    season.on_slice(at, &bars).unwrap();
    let all = both(Rating::Buy, Rating::Buy);
    let closed = season.close_tick([(name("a"), all.clone())].into()).unwrap();
    let outcomes: Vec<_> =
        closed.aggregates[0].individual_decisions.iter().map(|one| one.outcome).collect();
    assert_eq!(outcomes, ["decided", "failed"]);
    assert_eq!(season.books()[&name("b")].errors().failed, 2);
    season.exclude(&name("a"), "given up", at).unwrap();
    season.exclude(&name("a"), "again", at).unwrap();
    assert_eq!(season.exclusions().len(), 1);
    // Whatever the excluded sends is not looked at, and its wish is gone.
    tick(&mut season, 1, [(1_000, 1_000), (1_000, 1_000)], &all);
    let book = &season.books()[&name("a")];
    assert_eq!((book.excluded(), book.history().len()), (Some("given up"), 0));
    assert_eq!(book.curve().len(), 2);
    let stranger = [(name("z"), all)].into();
    let (at, bars) = slice(2, [(1_000, 1_000), (1_000, 1_000)]);
    season.on_slice(at, &bars).unwrap();
    assert!(matches!(season.close_tick(stranger), Err(SeasonError::Unknown(_))));
}

/// Goal: what cannot be read, and what a budget refused, moves nothing; what thinking took is counted beside
/// the book and never out of it.
#[test]
fn what_is_for_review_moves_nothing_and_thinking_is_counted_beside_the_book() {
    let mut season = Season::new(spec(MarketKind::Us, false, &["a"])).unwrap();
    let review = Brought::Review { why: "Do not buy here".to_owned() };
    let denied = Brought::Denied { code: "safety.no_model".to_owned() };
    let brought = [(symbol("AAA"), review), (symbol("BBB"), denied)].into();
    let answered = Answered {
        brought,
        calls: 24,
        cost: "0.25".parse().unwrap(),
        leaks: [("later_than_as_of".to_owned(), 2)].into(),
        ..Answered::default()
    };
    for nth in 0..2 {
        let opened = tick(&mut season, nth, [(1_000, 1_000), (1_000, 1_000)], &answered);
        assert!(opened.entries.is_empty());
    }
    let board = board(&season, "").unwrap();
    let row = &board.rows[0];
    assert_eq!((row.errors.review, row.errors.denied), (2, 2));
    assert!(row.ratings.is_empty() && row.positions.is_empty(), "it is not HOLD either");
    // A contestant by rule has no such columns, whatever it sends; its book says what was counted.
    assert_eq!((row.calls, row.model_cost), (None, None));
    let book = &season.books()[&name("a")];
    assert_eq!((book.thinking().calls, book.thinking().cost), (48, "0.5".parse().unwrap()));
    assert_eq!(book.thinking().leaks["later_than_as_of"], 4);
    assert_eq!(book.ledger().cash(), Money::from_units(10_000).unwrap());
}

#[test]
fn time_does_not_go_back_and_a_tick_closes_once() {
    let mut season = Season::new(spec(MarketKind::Us, false, &["a"])).unwrap();
    assert!(matches!(season.close_tick(BTreeMap::new()), Err(SeasonError::NotOpen)));
    let (at, bars) = slice(1, [(1_000, 1_000), (1_000, 1_000)]);
    season.on_slice(at, &bars).unwrap();
    season.close_tick(BTreeMap::new()).unwrap();
    assert!(matches!(season.close_tick(BTreeMap::new()), Err(SeasonError::NotOpen)));
    let earlier = at - Duration::from_secs(1);
    assert!(matches!(season.on_slice(earlier, &bars), Err(SeasonError::Order { .. })));
}

#[derive(Clone, Debug)]
struct Step {
    prices: [(i64, i64); 2],
    ratings: Vec<(usize, usize)>,
}

fn steps(contestants: usize) -> impl Strategy<Value = Vec<Step>> {
    let price = || (400_i64..1_900, 400_i64..1_900);
    let ratings = prop::collection::vec((0..5_usize, 0..5_usize), contestants);
    let step = (price(), price(), ratings)
        .prop_map(|(first, second, ratings)| Step { prices: [first, second], ratings });
    prop::collection::vec(step, 1..12)
}

/// Everything that a season says, as text, when its contestants were entered in this order.
fn told(steps: &[Step], shorts: bool, names: &[&str]) -> String {
    let mut sorted = names.to_vec();
    sorted.sort_unstable();
    let mut season = Season::new(spec(MarketKind::Us, shorts, &sorted)).unwrap();
    let mut text = String::new();
    for (nth, step) in steps.iter().enumerate() {
        let (at, bars) = slice(nth, step.prices);
        let opened = season.on_slice(at, &bars).unwrap();
        let said = names.iter().map(|one| {
            let at = sorted.iter().position(|other| other == one).unwrap();
            let (first, second) = step.ratings[at];
            (name(one), both(RATINGS[first], RATINGS[second]))
        });
        let closed = season.close_tick(said.collect()).unwrap();
        text +=
            &serde_json::to_string(&(&opened.entries, closed.aggregates, closed.chats)).unwrap();
    }
    text + &serde_json::to_string(&board(&season, "").unwrap()).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// D-1: the order in which contestants answer reaches nothing.
    #[test]
    fn the_order_of_contestants_does_not_matter(steps in steps(3), shorts: bool) {
        let told_so = told(&steps, shorts, &["a", "b", "c"]);
        prop_assert_eq!(&told_so, &told(&steps, shorts, &["c", "a", "b"]));
    }

    /// P-1: at every fill the book's value changes by its fee and its slippage and by nothing else, long,
    /// short, flipped or in part; without shorts the cash never falls below zero.
    #[test]
    fn a_fill_costs_its_fee_and_its_slippage_and_nothing_else(steps in steps(1), shorts: bool) {
        let mut season = Season::new(spec(MarketKind::Us, shorts, &["a"])).unwrap();
        for (nth, step) in steps.iter().enumerate() {
            let (at, bars) = slice(nth, step.prices);
            let view = season.books()[&name("a")].view().unwrap();
            let opened = season.on_slice(at, &bars).unwrap();
            // What the former book would be worth at the openings and closes of this slice, exactly.
            let close_of = |of: &Symbol| bars.iter().find(|(one, _)| one == of).unwrap().1;
            let mut due = view.cash;
            for (symbol, held) in &view.held {
                due = due.plus(notional(close_of(symbol).close, *held).unwrap()).unwrap();
            }
            for entry in opened.entries.values().flatten().filter(|entry| entry.success) {
                let sign = if entry.side == Side::Buy { entry.filled } else { entry.filled.negated() };
                let worth = notional(close_of(&entry.symbol).close, sign).unwrap();
                let paid = notional(entry.price.unwrap(), sign).unwrap();
                due = due.plus(worth).unwrap().minus(paid).unwrap().minus(entry.fee).unwrap();
            }
            let book = season.books()[&name("a")].ledger();
            prop_assert_eq!(book.equity().unwrap(), due);
            prop_assert!(book.check().is_ok());
            prop_assert!(shorts || book.cash().raw() >= 0);
            prop_assert!(shorts || book.positions().values().all(|held| held.signed_qty().raw() > 0));
            let (first, second) = step.ratings[0];
            season.close_tick([(name("a"), both(RATINGS[first], RATINGS[second]))].into()).unwrap();
        }
    }
}
