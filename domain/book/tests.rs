//! Tests of the ledger: tables by hand, then any sequence of fills.

use proptest::prelude::*;

use super::*;
use crate::order::ExitReason;
use crate::time::Time;

const ENTRY: Purpose = Purpose::Entry;
const STOP: Purpose = Purpose::Exit { reason: ExitReason::Stop };

fn money(text: &str) -> Money {
    text.parse().unwrap()
}

fn symbol() -> Symbol {
    Symbol::new("GOOG").unwrap()
}

fn fill(order: u32, side: Side, qty: &str, price: &str, fee: &str) -> Fill {
    let decision = DecisionId::new(&symbol(), Time::from_ms(i64::from(order)), "entry");
    Fill {
        client_order_id: ClientOrderId::derive(&decision, side, order),
        nth: 0,
        symbol: symbol(),
        side,
        qty: qty.parse().unwrap(),
        price: price.parse().unwrap(),
        fee: money(fee),
        at: Time::from_ms(i64::from(order) * 1_000),
    }
}

fn book() -> Book {
    Book::new(money("100000")).unwrap()
}

#[test]
fn a_long_round_trip_makes_one_trade_whose_profit_is_after_both_fees() {
    let mut book = book();
    book.apply(&fill(1, Side::Buy, "10", "100", "1"), ENTRY, None).unwrap();
    assert_eq!(book.cash(), money("98999"));
    assert_eq!(book.equity().unwrap(), money("99999"));
    book.close_bar(&symbol(), "110".parse().unwrap()).unwrap();
    assert_eq!(book.settle().unwrap(), money("100099"));
    let applied = book.apply(&fill(2, Side::Sell, "10", "90", "1"), STOP, None).unwrap();

    assert_eq!(applied.realised, money("-102"));
    let trade = &book.trades()[applied.trade.unwrap()];
    assert_eq!((trade.pnl, trade.fees), (money("-102"), money("2")));
    assert_eq!((trade.exit_reason, trade.bars_held), (ExitReason::Stop, 1));
    assert!(book.positions().is_empty());
    assert_eq!(book.settle().unwrap(), money("99898"));
    assert_eq!(book.peak(), money("100099"));
    assert!((book.drawdown().get() - 201.0 / 100_099.0).abs() < 1e-12);
}

/// P-1: lesson B13: opening a short once lowered somebody's net asset value.
#[test]
fn opening_a_short_leaves_the_net_asset_value_as_it_was() {
    let mut book = book();
    book.apply(&fill(1, Side::Sell, "100", "50", "0"), ENTRY, None).unwrap();
    assert_eq!(book.cash(), money("105000"));
    assert_eq!(book.equity().unwrap(), money("100000"));
    assert_eq!(book.free_cash().unwrap(), money("95000"));
    book.mark(&symbol(), "40".parse().unwrap()).unwrap();
    assert_eq!(book.equity().unwrap(), money("101000"));
    book.apply(&fill(2, Side::Buy, "100", "40", "0"), STOP, None).unwrap();
    assert_eq!(book.cash(), money("101000"));
    assert_eq!(book.trades()[0].direction, Direction::Short);
}

#[test]
fn a_fill_larger_than_the_position_closes_it_and_opens_the_other_direction() {
    let mut book = book();
    book.apply(&fill(1, Side::Buy, "10", "100", "1"), ENTRY, None).unwrap();
    let decision = DecisionId::new(&symbol(), Time::from_ms(2), "entry");
    let turn = fill(2, Side::Sell, "25", "120", "2.5");
    let applied = book.apply(&turn, ENTRY, Some(&decision)).unwrap();

    assert_eq!(
        (applied.closed.to_string(), applied.opened.to_string()),
        ("10".into(), "15".into())
    );
    assert_eq!(applied.position, "-15".parse().unwrap());
    assert_eq!(applied.realised, money("198"));
    let held = book.position(&symbol()).unwrap();
    assert_eq!((held.direction, held.fees), (Direction::Short, money("1.5")));
    assert_eq!(held.decision.as_ref(), Some(&decision));
    assert_eq!(book.trades()[0].exit_reason, ExitReason::SignalFlip);
}

#[test]
fn a_position_closed_in_parts_makes_a_trade_of_each_part_with_its_share_of_cost_and_fees() {
    let mut book = book();
    book.apply(&fill(1, Side::Buy, "1", "100", "0.02"), ENTRY, None).unwrap();
    book.apply(&fill(2, Side::Buy, "2", "101", "0.01"), ENTRY, None).unwrap();
    let shown = book.position(&symbol()).unwrap().entry_price().unwrap();
    assert_eq!(shown.to_string(), "100.66666667");
    for order in 3..6 {
        book.apply(&fill(order, Side::Sell, "1", "102", "0"), STOP, None).unwrap();
    }
    let pnl: Vec<String> = book.trades().iter().map(|trade| trade.pnl.to_string()).collect();
    assert_eq!(pnl, ["1.32333333", "1.32333334", "1.32333333"]);
    assert_eq!(book.realised(), money("4"));
    assert_eq!(book.cash(), money("100003.97"));
}

#[test]
fn a_duplicate_fill_is_a_no_op_with_the_first_answer() {
    let mut book = book();
    let buy = fill(1, Side::Buy, "10", "100", "1");
    let first = book.apply(&buy, ENTRY, None).unwrap();
    let before = book.clone();
    let again = book.apply(&buy, ENTRY, None).unwrap();
    assert_eq!(again, Applied { duplicate: true, ..first });
    assert_eq!(book, before);
    let other = Fill { qty: "11".parse().unwrap(), ..buy.clone() };
    assert!(matches!(book.apply(&other, ENTRY, None), Err(BookError::Conflict { nth: 0, .. })));
    let second = Fill { nth: 1, ..buy };
    assert!(!book.apply(&second, ENTRY, None).unwrap().duplicate);
}

#[test]
fn what_makes_no_sense_is_refused_and_changes_nothing() {
    assert!(Book::new(Money::ZERO).is_err());
    let mut book = book();
    book.apply(&fill(1, Side::Sell, "5", "100", "1"), ENTRY, None).unwrap();
    let before = book.clone();
    let good = fill(2, Side::Buy, "10", "100", "1");
    let bad = [
        Fill { qty: Qty::ZERO, ..good.clone() },
        Fill { qty: Qty::from_raw(-1), ..good.clone() },
        Fill { price: Price::ZERO, ..good.clone() },
        Fill { price: Price::from_raw(i64::MIN), ..good.clone() },
        Fill { fee: Money::from_raw(-1), ..good.clone() },
        Fill { fee: Money::from_raw(i64::MAX), ..good.clone() },
        Fill { qty: Qty::from_raw(i64::MAX), price: Price::from_raw(i64::MAX), ..good },
    ];
    for fill in bad {
        assert!(book.apply(&fill, ENTRY, None).is_err(), "{fill:?}");
        assert_eq!(book, before);
    }
    for price in [Price::ZERO, Price::from_raw(-1)] {
        assert!(book.mark(&symbol(), price).is_err());
    }
    let far = Fill { symbol: Symbol::new("BIG").unwrap(), ..fill(3, Side::Buy, "9", "1", "0") };
    book.apply(&far, ENTRY, None).unwrap();
    let before = book.clone();
    assert!(book.mark(&far.symbol, Price::from_raw(i64::MAX)).is_err());
    assert_eq!(book, before);
}

/// P-1: sums that do not agree are found in a book that was read from a disk.
#[test]
fn a_book_whose_sums_do_not_agree_is_found() {
    let mut book = book();
    book.apply(&fill(1, Side::Buy, "10", "100", "1"), ENTRY, None).unwrap();
    let text = serde_json::to_string(&book).unwrap();
    let same: Book = serde_json::from_str(&text).unwrap();
    assert_eq!(same, book);
    same.check().unwrap();
    let forged = text.replace("\"cash\":\"98999\"", "\"cash\":\"99999\"");
    let forged: Book = serde_json::from_str(&forged).unwrap();
    assert_eq!(forged.check(), Err(BookError::NotConserved { off: money("1000") }));
}

#[test]
fn what_is_lost_beyond_everything_is_a_drawdown_of_one() {
    let mut book = book();
    book.apply(&fill(1, Side::Sell, "1000", "100", "0"), ENTRY, None).unwrap();
    book.mark(&symbol(), "500".parse().unwrap()).unwrap();
    assert!(book.settle().unwrap().raw() < 0);
    assert!(book.is_ruined());
    assert_eq!((book.drawdown(), book.drawdown_max()), (Ratio::ONE, Ratio::ONE));
    assert_eq!(book.exposure().unwrap(), Ratio::ONE);
}

#[derive(Clone, Debug)]
struct Step {
    symbol: usize,
    side: Side,
    qty: i64,
    price: i64,
    fee: i64,
    mark: i64,
}

fn step() -> impl Strategy<Value = Step> {
    let side = prop_oneof![Just(Side::Buy), Just(Side::Sell)];
    (0..2_usize, side, 1..40_i64, 1..9_000_000_000_i64, 0..5_000_000_i64, 1..9_000_000_000_i64)
        .prop_map(|(symbol, side, qty, price, fee, mark)| Step {
            symbol,
            side,
            // Whole units and odd fractions.
            qty: if qty % 2 == 0 { qty * Qty::SCALE } else { qty * 333_333_333 },
            price,
            fee,
            mark,
        })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// P-1: cash + positions at cost + fees is conserved at every fill; NAV is continuous but for
    /// fees; the trades and what is open explain all of the equity.
    #[test]
    fn any_sequence_of_fills_conserves_the_account(
        steps in proptest::collection::vec(step(), 1..60),
    ) {
        let names = [Symbol::new("AAA").unwrap(), Symbol::new("BBB").unwrap()];
        let mut book = Book::new(Money::from_units(1_000_000).unwrap()).unwrap();
        for (nth, step) in (0_u32..).zip(&steps) {
            let symbol = names[step.symbol].clone();
            let side = step.side;
            let (qty, price) = (Qty::from_raw(step.qty), Price::from_raw(step.price));
            let fill = Fill {
                symbol: symbol.clone(),
                qty,
                price,
                fee: Money::from_raw(step.fee),
                ..fill(nth, side, "1", "1", "0")
            };
            book.mark(&symbol, price).unwrap();
            let before = book.equity().unwrap();
            book.apply(&fill, ENTRY, None).unwrap();
            let lost = before.minus(book.equity().unwrap()).unwrap().minus(fill.fee).unwrap();
            // Splitting a fraction's value may round by one step each side.
            prop_assert!(lost.raw().abs() <= 2, "NAV jumped by {lost}");
            book.mark(&symbol, Price::from_raw(step.mark)).unwrap();
            book.settle().unwrap();
            book.check().unwrap();
            let drawdown = book.drawdown().get();
            prop_assert!((0.0..=1.0).contains(&drawdown));
        }
        let closed: i64 = book.trades().iter().map(|trade| trade.pnl.raw()).sum();
        let open: i64 = book
            .positions()
            .values()
            .map(|held| held.unrealised().unwrap().raw() - held.fees.raw())
            .sum();
        let explained = book.start().raw() + closed + open;
        prop_assert_eq!(book.equity().unwrap().raw(), explained);
    }

    /// Lesson A24: what may be invested never falls because a position gains.
    #[test]
    fn free_cash_does_not_fall_when_a_position_gains(
        side in prop_oneof![Just(Side::Buy), Just(Side::Sell)],
        low in 1..1_000_i64,
        more in 0..1_000_i64,
    ) {
        let mut book = book();
        book.apply(&fill(1, side, "10", "500", "0"), ENTRY, None).unwrap();
        let (worse, better) = match side {
            Side::Buy => (low, low + more),
            Side::Sell => (low + more, low),
        };
        book.mark(&symbol(), Price::from_units(worse).unwrap()).unwrap();
        let before = book.free_cash().unwrap();
        book.mark(&symbol(), Price::from_units(better).unwrap()).unwrap();
        prop_assert!(before <= book.free_cash().unwrap());
    }
}
