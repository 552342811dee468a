//! Statements: what is refused, what is taken over, and what becomes of the orders behind it.

use super::*;
use crate::reconcile::{StatedOrder, StatedPosition, StatedState, Statement, StatementError};

impl Desk {
    /// What a broker would say that agrees with us.
    fn statement(&self) -> Statement {
        let custody = &self.custody;
        let flying = custody.in_flight();
        let positions = custody.book().positions().iter().map(|(symbol, held)| StatedPosition {
            symbol: symbol.clone(),
            class: AssetClass::Equity,
            qty: held.signed_qty(),
            average: held.entry_price().unwrap(),
            price: held.mark,
        });
        let orders = flying.orders.iter().map(|sent| {
            let order = custody.orders().get(&sent.order).unwrap();
            StatedOrder {
                order: sent.order.clone(),
                venue_order_id: sent.venue_order_id.clone(),
                at: custody.now(),
                filled: order.filled(),
                average: order.mean_price().unwrap(),
                state: StatedState::Open,
            }
        });
        Statement {
            changes: flying.changes,
            at: custody.now(),
            cash: custody.book().cash(),
            equity: Some(custody.book().equity().unwrap()),
            positions: positions.collect(),
            orders: orders.collect(),
            foreign_orders: 0,
        }
    }

    #[track_caller]
    fn reconcile(&mut self, statement: &Statement) -> Reconciled {
        self.custody.reconcile(statement, &self.limits).unwrap().unwrap()
    }
}

#[test]
fn a_statement_that_agrees_changes_nothing() {
    let (mut desk, _) = Desk::guarded();
    let statement = desk.statement();
    assert_eq!(desk.reconcile(&statement), Reconciled::default());
    let before = desk.custody.clone();
    assert_eq!(desk.reconcile(&statement), Reconciled::default());
    assert_eq!(desk.custody, before);
    assert_eq!(desk.asked(), [""; 0]);
}

/// Whatever is wrong with a statement, it changes nothing.
#[test]
fn a_statement_that_cannot_be_taken_changes_nothing() {
    let (desk, stop) = Desk::guarded();
    let good = desk.statement();
    let behind = |filled: &str, average: Option<&str>, state| {
        let order = StatedOrder {
            filled: filled.parse().unwrap(),
            average: average.map(price),
            state,
            ..good.orders[0].clone()
        };
        Statement { orders: vec![order], ..good.clone() }
    };
    let mut twice = good.clone();
    twice.positions.push(good.positions[0].clone());
    let table = [
        ("stale", Statement { changes: good.changes - 1, ..good.clone() }),
        ("incomplete", Statement { orders: Vec::new(), ..good.clone() }),
        ("torn", Statement { cash: Money::ZERO, ..good.clone() }),
        ("senseless", twice),
        ("overfilled", behind("11", Some("90"), StatedState::Open)),
        ("a fill without a price", behind("1", None, StatedState::Open)),
        ("filled and unknown", behind("1", Some("90"), StatedState::Unknown)),
    ];
    for (what, statement) in table {
        let mut desk = desk.clone();
        let before = desk.custody.clone();
        let answer = desk.custody.reconcile(&statement, &desk.limits).unwrap();
        assert!(answer.is_err(), "{what}: {answer:?}");
        assert_eq!(desk.custody, before, "{what}");
    }
    let mut desk = desk;
    desk.fill(&stop, "4", "91", "4");
    let statement = Statement { changes: desk.statement().changes, ..good };
    let answer = desk.custody.reconcile(&statement, &desk.limits).unwrap();
    assert_eq!(answer, Err(StatementError::Behind { order: stop }));
}

/// O-2: a fill that was missed and that a statement tells is a fill, and known when its news comes late.
#[test]
fn a_fill_that_a_statement_tells_first_is_no_adjustment() {
    let (mut desk, stop) = Desk::guarded();
    let mut statement = desk.statement();
    statement.orders[0].filled = "10".parse().unwrap();
    statement.orders[0].average = Some(price("91"));
    statement.orders[0].state = StatedState::Filled;
    statement.positions.clear();
    statement.cash = Money::from_units(9_910).unwrap();
    statement.equity = None;
    let told = desk.reconcile(&statement);
    assert_eq!((told.adjustments, told.is_material), (Vec::new(), false));
    assert_eq!(closed(&told.happenings), [(ExitReason::Stop, "91".to_owned())]);
    let late = desk.fill(&stop, "10", "91", "10");
    assert!(matches!(late.happenings[..], [Happening::Duplicate { .. }]), "{late:?}");
    assert_eq!((desk.held().as_str(), desk.asked()), ("0", Vec::new()));
}

/// What a statement says of orders that ended here, or that were never ours, does not stand in its way.
#[test]
fn orders_that_ended_or_are_not_ours_do_not_stand_in_the_way() {
    let (mut desk, stop) = Desk::guarded();
    let order = desk.statement().orders[0].clone();
    desk.hear_of(&stop, Said::Expired);
    let mut statement = desk.statement();
    let foreign = ClientOrderId::parse("somebody-elses").unwrap();
    let theirs = StatedOrder { order: foreign, ..order.clone() };
    statement.orders = vec![StatedOrder { state: StatedState::Canceled, ..order.clone() }, theirs];
    assert_eq!(desk.reconcile(&statement).adjustments, []);
    assert_eq!(desk.asked(), ["sell 10 stop 92"], "and what is missing is asked for");

    // It had filled a part that nobody has heard of.
    let (average, filled) = (Some(price("91")), "4".parse().unwrap());
    let late = StatedOrder { filled, average, state: StatedState::Canceled, ..order };
    let mut statement = desk.statement();
    statement.orders.push(late);
    statement.positions[0].qty = "6".parse().unwrap();
    statement.cash = Money::from_units(9_364).unwrap();
    statement.equity = None;
    assert_eq!(desk.reconcile(&statement).adjustments, []);
    assert_eq!(desk.held(), "6");
}

/// What somebody has done at the broker by hand is taken over, and stops and exits follow it.
#[test]
fn what_was_done_by_hand_is_taken_over_and_guarded() {
    let (mut desk, stop) = Desk::guarded();
    let mut statement = desk.statement();
    let own = |nth: usize, qty: &str| StatedPosition {
        symbol: desk.symbol(nth),
        class: AssetClass::Equity,
        qty: qty.parse().unwrap(),
        average: price("100"),
        price: price("100"),
    };
    let foreign = StatedPosition { symbol: Symbol::new("ZZZ").unwrap(), ..own(0, "3") };
    statement.positions = vec![own(0, "4"), own(1, "-5"), foreign];
    statement.cash = Money::from_units(9_800).unwrap();
    statement.equity = None;
    let told = desk.reconcile(&statement);
    assert!(told.is_material);
    assert_eq!(told.adjustments.len(), 4, "cash and three positions: {told:?}");
    assert!(told.happenings.iter().any(|it| matches!(it, Happening::Adjusted { .. })));
    // The stop of ten is too large for four; the other one is new; nobody touches ZZZ.
    assert_eq!(desk.asked(), ["sell 4 stop 92 for sell 10 stop 92", "buy 5 stop 115"]);
    desk.hear_of(&stop, Said::Replaced);
    assert_eq!(desk.asked(), [""; 0]);
    let again = Statement { changes: desk.statement().changes, ..desk.statement() };
    let again = Statement { positions: statement.positions.clone(), ..again };
    let again = Statement { cash: statement.cash, equity: None, ..again };
    assert_eq!(desk.reconcile(&again).adjustments, [], "once");

    desk.flatten(None, ExitReason::Person);
    let sent: Vec<String> = desk.asked();
    assert!(sent.contains(&"sell 3 market".to_owned()), "a person leaves everything: {sent:?}");
}

/// O-4: what a run takes over as it begins is guarded at once, and not only behind the next difference
/// that there happens to be: here no bar has come yet.
#[test]
fn a_position_that_is_taken_over_before_the_first_bar_is_guarded() {
    let mut desk = Desk::outside();
    let held = |symbol, qty: &str| StatedPosition {
        symbol,
        class: AssetClass::Equity,
        qty: qty.parse().unwrap(),
        average: price("100"),
        price: price("100"),
    };
    let mut statement = desk.statement();
    statement.positions = vec![held(desk.symbol(0), "4"), held(Symbol::new("ZZZ").unwrap(), "3")];
    statement.cash = Money::from_units(9_300).unwrap();
    statement.equity = None;
    let told = desk.reconcile(&statement);
    assert!(told.is_material, "a person looks before anything is added");
    assert_eq!(desk.asked(), ["sell 4 stop 85"], "nobody touches ZZZ");
}

/// O-2, O-4: what was lost on its way is asked for again: a cancellation, and an exit that never arrived.
#[test]
fn what_was_lost_on_its_way_is_asked_for_again() {
    let (mut desk, stop) = Desk::guarded();
    desk.flatten(None, ExitReason::Person);
    assert_eq!(desk.asked(), ["cancel sell 10 stop 92"]);
    let statement = desk.statement();
    desk.reconcile(&statement);
    assert_eq!(desk.asked(), ["cancel sell 10 stop 92"]);
    desk.hear_of(&stop, Said::Canceled);
    assert_eq!(desk.asked(), ["sell 10 market"]);
    let mut statement = desk.statement();
    statement.orders[0].state = StatedState::Unknown;
    let told = desk.reconcile(&statement);
    assert_eq!(told.adjustments, []);
    assert_eq!(desk.asked(), ["sell 10 market"], "under an id of its own");
}

/// The first statement says what the account begins with, and drawdown is measured from there.
#[test]
fn an_account_begins_with_what_its_first_statement_says() {
    let mut desk = Desk::outside();
    let mut statement = desk.statement();
    statement.cash = Money::from_units(4_000).unwrap();
    statement.equity = None;
    let told = desk.reconcile(&statement);
    assert_eq!((told.adjustments.len(), told.is_material), (1, false));
    let book = desk.custody.book();
    let expected = Money::from_units(4_000).unwrap();
    assert_eq!((book.start(), book.realised()), (expected, Money::ZERO));
    assert_eq!(desk.custody.drawdown(), Ratio::ZERO);
    assert_eq!(desk.day(flat("100")).halt_due, None);
    let mut statement = desk.statement();
    statement.cash = Money::from_units(3_900).unwrap();
    statement.equity = None;
    let told = desk.reconcile(&statement);
    assert!(told.is_material, "and then it is a difference");
    assert_eq!(desk.custody.book().realised(), Money::from_units(-100).unwrap());
}

/// O-2: an order that was given up and arrives after all is taken back and never sent again; what it has
/// filled by then is taken over, protected, and shown to a person.
#[test]
fn an_order_that_arrives_after_it_was_given_up_is_taken_back_or_what_it_bought_is_protected() {
    let mut desk = Desk::outside();
    desk.open(0, Side::Buy, 10, plan(0.08, 0.20));
    assert_eq!(desk.asked(), ["buy 10 market"]);
    let entry = desk.last_open();
    let text = Code::BrokerUnknown.cause().to_owned();
    desk.hear_of(&entry, Said::Rejected { code: Code::BrokerUnknown, text });
    let arrived = StatedOrder {
        order: entry.clone(),
        venue_order_id: Some("late".to_owned()),
        at: desk.custody.now(),
        filled: Qty::ZERO,
        average: None,
        state: StatedState::Open,
    };
    let mut statement = desk.statement();
    statement.orders.push(arrived.clone());
    let told = desk.reconcile(&statement);
    assert_eq!((told.adjustments, told.is_material), (Vec::new(), false));
    assert_eq!(desk.asked(), ["cancel buy 10 market"]);

    let mut statement = desk.statement();
    let (filled, average) = ("10".parse().unwrap(), Some(price("100")));
    statement.orders.push(StatedOrder { filled, average, state: StatedState::Filled, ..arrived });
    statement.positions.push(StatedPosition {
        symbol: desk.symbol(0),
        class: AssetClass::Equity,
        qty: filled,
        average: price("100"),
        price: price("100"),
    });
    statement.cash = Money::from_units(9_000).unwrap();
    statement.equity = None;
    let told = desk.reconcile(&statement);
    assert!(told.is_material);
    assert_eq!(desk.held(), "10");
    let asked = desk.asked();
    assert!(matches!(&asked[..], [stop] if stop.starts_with("sell 10 stop")), "{asked:?}");
    assert_eq!(desk.custody.orders().get(&entry).unwrap().status(), Status::Rejected);
}
