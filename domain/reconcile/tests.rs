//! Statements that cannot be, and what is left of a difference once it was taken over.

use proptest::prelude::*;

use super::*;
use crate::order::{Fill, Purpose, Side};

fn symbol(nth: usize) -> Symbol {
    Symbol::new(["AAA", "BBB", "CCC", "DDD"][nth % 4]).unwrap()
}

fn position(nth: usize, qty: i64, average: i64, price: i64) -> StatedPosition {
    StatedPosition {
        symbol: symbol(nth),
        class: AssetClass::Equity,
        qty: Qty::from_raw(qty),
        average: Price::from_raw(average),
        price: Price::from_raw(price),
    }
}

fn statement(cash: i64, positions: Vec<StatedPosition>) -> Statement {
    Statement {
        changes: 0,
        at: Time::from_ms(7),
        cash: Money::from_raw(cash),
        equity: None,
        positions,
        orders: Vec::new(),
        foreign_orders: 0,
    }
}

/// A book that has bought or sold some of the four.
fn book(trades: &[(usize, i64, i64)]) -> Book {
    let mut book = Book::new(Money::from_units(100_000).unwrap()).unwrap();
    for (nth, &(of, qty, price)) in trades.iter().enumerate() {
        let fill = Fill {
            client_order_id: ClientOrderId::parse(&format!("order-{nth}")).unwrap(),
            nth: 0,
            symbol: symbol(of),
            side: if qty > 0 { Side::Buy } else { Side::Sell },
            qty: Qty::from_raw(qty.abs().max(1)),
            price: Price::from_raw(price),
            fee: Money::from_raw(3),
            at: Time::EPOCH,
        };
        book.apply(&fill, Purpose::Entry, None).unwrap();
    }
    book
}

#[test]
fn a_statement_that_cannot_be_is_refused() {
    let one = position(0, 5, 100, 110);
    let table = [
        (vec![one.clone(), one.clone()], "it is stated twice"),
        (vec![position(0, 0, 100, 110)], "it is of nothing"),
        (vec![position(0, 5, 0, 110)], "its entry price is not positive"),
        (vec![position(0, -5, 100, -1)], "its price is not positive"),
    ];
    for (positions, expected) in table {
        match statement(1, positions).check() {
            Err(StatementError::Senseless { why, .. }) => assert_eq!(why, expected),
            other => panic!("{expected}: {other:?}"),
        }
    }
    let huge = position(0, i64::MAX, 1, i64::MAX);
    assert!(matches!(statement(1, vec![huge]).check(), Err(StatementError::Range(_))));
    let mut torn = statement(1_000 * Money::SCALE, Vec::new());
    for (equity, is_torn) in [(1_000, false), (1_009, false), (1_100, true), (-1_000, true)] {
        torn.equity = Some(Money::from_units(equity).unwrap());
        assert_eq!(torn.check().is_err(), is_torn, "{equity}");
    }
}

/// What was sold by hand is profit, what was charged at night is loss, and a position that the broker
/// does not have is gone.
#[test]
fn a_difference_is_named_with_both_sides_and_booked_as_realised() {
    let ten = 10 * Qty::SCALE;
    let ours = book(&[(0, ten, 100 * Price::SCALE), (1, ten, 50 * Price::SCALE)]);
    let cash = ours.cash().raw();
    let kept = position(1, ten, 50 * Price::SCALE, 55 * Price::SCALE);
    let theirs = statement(cash + 1_100 * Money::SCALE, vec![kept]);
    let found = compare(&ours, &theirs).unwrap();
    assert_eq!(found.len(), 2, "{found:?}");
    assert!(is_material(&found, ours.equity().unwrap(), false));
    let gone = Adjustment::Position {
        symbol: symbol(0),
        ours: Held { qty: Qty::from_raw(ten), average: Some("100".parse().unwrap()) },
        theirs: Held::default(),
    };
    assert_eq!(found[1], gone);
    let after = adjusted(&ours, &theirs, &found, false).unwrap();
    assert_eq!(after.realised(), Money::from_units(100).unwrap());
    assert_eq!(after.positions().len(), 1);
    assert_eq!(after.position(&symbol(1)).unwrap(), ours.position(&symbol(1)).unwrap());

    let fee = statement(
        cash - Money::SCALE,
        vec![position(0, ten, 100 * Price::SCALE, 1), position(1, ten, 50 * Price::SCALE, 1)],
    );
    let found = compare(&ours, &fee).unwrap();
    assert_eq!(found.len(), 1);
    assert!(!is_material(&found, ours.equity().unwrap(), false), "a fee stops nobody");
    let after = adjusted(&ours, &fee, &found, false).unwrap();
    assert_eq!(after.realised(), Money::from_units(-1).unwrap());
    let taken = [Adjustment::Cash { ours: ours.cash(), theirs: Money::ZERO }];
    assert!(is_material(&taken, ours.equity().unwrap(), false));
}

fn trades() -> impl Strategy<Value = Vec<(usize, i64, i64)>> {
    let qty = prop_oneof![-50_000_000_000_i64..-1, 1..50_000_000_000_i64];
    proptest::collection::vec((0..4_usize, qty, 1_i64..50_000_000_000), 0..6)
}

fn stated() -> impl Strategy<Value = Statement> {
    let one = (
        prop_oneof![-90_000_000_000_i64..-1, 1..90_000_000_000_i64],
        1_i64..90_000_000_000,
        1_i64..90_000_000_000,
    );
    let many = proptest::collection::vec(proptest::option::of(one), 4);
    (-1_000_000_000_000_i64..20_000_000_000_000, many).prop_map(|(cash, many)| {
        let positions = many.into_iter().enumerate().filter_map(|(nth, one)| {
            one.map(|(qty, average, price)| position(nth, qty, average, price))
        });
        statement(cash, positions.collect())
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    /// P-1: whatever the two sides are, the book equals the statement behind it, adds up, and a second
    /// look finds nothing.
    #[test]
    fn behind_a_statement_the_book_equals_it(
        trades in trades(),
        stated in stated(),
        begins in any::<bool>(),
    ) {
        let ours = book(&trades);
        prop_assume!(stated.check().is_ok());
        let found = compare(&ours, &stated).unwrap();
        let after = adjusted(&ours, &stated, &found, begins).unwrap();
        after.check().unwrap();
        prop_assert_eq!(after.cash(), stated.cash);
        prop_assert_eq!(after.positions().len(), stated.positions.len());
        for position in &stated.positions {
            let held = after.position(&position.symbol).unwrap();
            prop_assert_eq!(held.signed_qty(), position.qty);
        }
        prop_assert_eq!(compare(&after, &stated).unwrap(), vec![]);
        prop_assert_eq!(found.is_empty(), after == ours);
    }
}
