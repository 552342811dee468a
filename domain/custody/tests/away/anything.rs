//! A broker outside that does anything at all: accepts late, fills in parts, refuses, cancels or does
//! not, and says it twice, late and out of order.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::fixed::notional;
use crate::reconcile::{Adjustment, StatedOrder, StatedPosition, StatedState, Statement};

/// One order at the broker.
#[derive(Clone, Debug)]
struct Standing {
    intent: OrderIntent,
    filled: Qty,
    worth: i128,
    state: StatedState,
    cancel_asked: bool,
}

impl Standing {
    fn open(&self) -> i64 {
        if self.state == StatedState::Open { self.intent.qty.raw() - self.filled.raw() } else { 0 }
    }

    fn average(&self) -> Option<Price> {
        let filled = i128::from(self.filled.raw());
        (filled > 0).then(|| Price::from_raw(i64::try_from(self.worth / filled).unwrap()))
    }

    fn stated(&self, at: Time) -> StatedOrder {
        StatedOrder {
            order: self.intent.client_order_id.clone(),
            venue_order_id: Some("v".to_owned()),
            at,
            filled: self.filled,
            average: self.average(),
            state: self.state.clone(),
        }
    }
}

/// The broker: the truth that the account has to arrive at.
#[derive(Clone, Debug)]
struct Floor {
    orders: BTreeMap<ClientOrderId, Standing>,
    position: i64,
    cash: Money,
    /// What is still to be said; each is heard as a whole.
    unsaid: Vec<Vec<Report>>,
    executions: u32,
}

impl Floor {
    fn take(&mut self, outgoing: Vec<Outgoing>) {
        for asked in outgoing {
            match asked {
                Outgoing::Submit { intent, replaces } => {
                    let id = intent.client_order_id.clone();
                    let state = replaces.map_or(StatedState::Open, |of| self.make_room(&of.order));
                    if intent.side == Side::Sell && state == StatedState::Open {
                        let sold: i64 = self.selling().map(Standing::open).sum();
                        let left = self.position - sold;
                        assert!(intent.qty.raw() <= left, "O-2: oversold: {intent:?} of {left}");
                    }
                    let standing = Standing {
                        intent: *intent,
                        filled: Qty::ZERO,
                        worth: 0,
                        state,
                        cancel_asked: false,
                    };
                    if standing.state != StatedState::Open {
                        self.unsaid.push(standing.stated(Time::EPOCH).reports());
                    }
                    assert!(self.orders.insert(id, standing).is_none(), "O-2: sent twice");
                }
                Outgoing::Cancel { order, .. } => {
                    if let Some(order) = self.orders.get_mut(&order) {
                        order.cancel_asked = true;
                    }
                }
            }
        }
    }

    /// Replaces an order, or does not: how the one stands that was to take its place.
    fn make_room(&mut self, former: &ClientOrderId) -> StatedState {
        let refuses = self.orders.len().is_multiple_of(3);
        let former = self.orders.get_mut(former).unwrap();
        if refuses || former.open() == 0 || former.filled.raw() > 0 {
            return StatedState::Rejected { text: "not replaceable".to_owned() };
        }
        former.state = StatedState::Replaced;
        self.unsaid.push(former.stated(Time::EPOCH).reports());
        StatedState::Open
    }

    fn selling(&self) -> impl Iterator<Item = &Standing> {
        self.orders.values().filter(|order| order.intent.side == Side::Sell)
    }

    fn nth_open(&self, nth: usize) -> Option<ClientOrderId> {
        let open: Vec<_> = self.orders.iter().filter(|(_, order)| order.open() > 0).collect();
        let (id, _) = open.get(nth.checked_rem(open.len())?)?;
        Some((*id).clone())
    }

    fn accept(&mut self, nth: usize, at: Time) {
        if let Some(order) = self.nth_open(nth) {
            let said = Said::Accepted { venue_order_id: Some("v".to_owned()) };
            self.unsaid.push(vec![Report { order, at, said }]);
        }
    }

    fn fill(&mut self, nth: usize, share: u32, cents: i64, at: Time) {
        let Some(id) = self.nth_open(nth) else { return };
        let order = self.orders.get_mut(&id).unwrap();
        let qty = (order.open() / 4 * i64::from(share)).max(1).min(order.open());
        let (qty, at_price) = (Qty::from_raw(qty), Price::from_raw(cents * Price::SCALE / 100));
        order.filled = order.filled.plus(qty).unwrap();
        order.worth += i128::from(qty.raw()) * i128::from(at_price.raw());
        let money = notional(at_price, qty).unwrap();
        let buys = order.intent.side == Side::Buy;
        self.cash = if buys { self.cash.minus(money) } else { self.cash.plus(money) }.unwrap();
        self.position += if buys { qty.raw() } else { -qty.raw() };
        if order.filled == order.intent.qty {
            order.state = StatedState::Filled;
        }
        let filled = order.filled;
        self.executions += 1;
        let id_of = format!("e{}", self.executions);
        let execution = Execution { id: id_of, qty, price: at_price, fee: Money::ZERO, filled };
        self.unsaid.push(vec![Report { order: id, at, said: Said::Executed { execution } }]);
    }

    /// An end that nobody asked for, or one that was.
    fn end(&mut self, nth: usize, state: StatedState, at: Time) {
        let Some(id) = self.nth_open(nth) else { return };
        let order = self.orders.get_mut(&id).unwrap();
        if matches!(state, StatedState::Rejected { .. }) && order.filled.raw() > 0 {
            return;
        }
        order.state = state;
        self.unsaid.push(order.stated(at).reports());
    }

    /// Answers the cancellations that were asked for.
    fn answer(&mut self, yes: bool, at: Time) {
        for (id, order) in &mut self.orders {
            if std::mem::take(&mut order.cancel_asked) {
                if order.open() > 0 && yes {
                    order.state = StatedState::Canceled;
                    self.unsaid.push(order.stated(at).reports());
                } else {
                    let said = Said::CancelRejected;
                    self.unsaid.push(vec![Report { order: id.clone(), at, said }]);
                }
            }
        }
    }

    fn statement(&self, desk: &Desk) -> Statement {
        let at = desk.custody.now();
        let price = desk.custody.broker.last(&desk.symbol(0)).unwrap().close;
        let position = StatedPosition {
            symbol: desk.symbol(0),
            class: AssetClass::Equity,
            qty: Qty::from_raw(self.position),
            average: price,
            price,
        };
        Statement {
            changes: desk.custody.in_flight().changes,
            at,
            cash: self.cash,
            equity: None,
            positions: if self.position == 0 { Vec::new() } else { vec![position] },
            orders: self.orders.values().map(|order| order.stated(at)).collect(),
            foreign_orders: 0,
        }
    }
}

#[derive(Clone, Debug)]
enum Move {
    Day(i32),
    Enter(i64),
    Flatten,
    Accept(usize),
    Fill(usize, u32, i64),
    End(usize, bool),
    Answer(bool),
    /// Says one of what is unsaid, perhaps not for the last time.
    Say(usize, bool),
    Statement,
}

fn moves() -> impl Strategy<Value = Move> {
    prop_oneof![
        3 => (-9..10).prop_map(Move::Day),
        2 => (1..30_i64).prop_map(Move::Enter),
        1 => Just(Move::Flatten),
        2 => (0..4_usize).prop_map(Move::Accept),
        4 => (0..4_usize, 1..5_u32, 8_000..12_000_i64).prop_map(|(n, s, c)| Move::Fill(n, s, c)),
        1 => (0..4_usize, any::<bool>()).prop_map(|(n, by)| Move::End(n, by)),
        3 => any::<bool>().prop_map(Move::Answer),
        8 => (0..6_usize, any::<bool>()).prop_map(|(n, again)| Move::Say(n, again)),
        1 => Just(Move::Statement),
    ]
}

fn play(desk: &mut Desk, floor: &mut Floor, now: &Move) {
    let at = desk.custody.now();
    match *now {
        Move::Day(percent) => {
            let last = desk.custody.broker.last(&desk.symbol(0)).unwrap().close;
            let factor = Ratio::of(1.0 + f64::from(percent) / 100.0);
            let close = last.scaled(factor).unwrap().max(Price::from_raw(Price::SCALE));
            desk.day([last, last.max(close), last.min(close), close]);
        }
        Move::Enter(qty) => {
            let entry = desk.entry(0, Side::Buy, qty, OrderKind::Market, plan(0.08, 0.20));
            if desk.custody.orders().get(&entry.client_order_id).is_none() {
                desk.send(entry);
            }
        }
        Move::Flatten => {
            desk.flatten(None, ExitReason::Person);
        }
        Move::Accept(nth) => floor.accept(nth, at),
        Move::Fill(nth, share, cents) => floor.fill(nth, share, cents, at),
        Move::End(nth, expired) => {
            let text = "no".to_owned();
            let state = if expired { StatedState::Expired } else { StatedState::Rejected { text } };
            floor.end(nth, state, at);
        }
        Move::Answer(yes) => floor.answer(yes, at),
        Move::Say(nth, again) => {
            if let Some(nth) = nth.checked_rem(floor.unsaid.len()) {
                let said = floor.unsaid[nth].clone();
                if !again {
                    floor.unsaid.remove(nth);
                }
                desk.custody.hear(&said, &desk.limits).unwrap();
            }
        }
        Move::Statement => {
            let statement = floor.statement(desk);
            let told = desk.custody.reconcile(&statement, &desk.limits).unwrap().unwrap();
            assert!(!told.is_material, "every fill is some order's: {told:?}");
        }
    }
    floor.take(desk.custody.take_outgoing());
    desk.custody.book().check().unwrap();
    assert!(floor.position >= 0, "O-2: sold more than there was");
}

/// The broker answers and says everything, and a day passes.
fn settle(desk: &mut Desk, floor: &mut Floor) {
    play(desk, floor, &Move::Answer(true));
    while !floor.unsaid.is_empty() {
        play(desk, floor, &Move::Say(0, false));
    }
    play(desk, floor, &Move::Day(0));
}

/// Whether what is held has an exit at the broker.
fn is_guarded(desk: &Desk, floor: &Floor) -> bool {
    let held = desk.custody.book().position(&desk.symbol(0)).map_or(0, |p| p.qty.raw());
    let exits: i64 = floor.selling().map(Standing::open).sum();
    // An exit that leaves while its entry was still being filled is followed by another.
    let leaves = floor.selling().any(|it| it.open() > 0 && it.intent.kind == OrderKind::Market);
    exits == held || (leaves && 0 < exits && exits < held)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    /// O-2: whatever the broker does and in whatever order it says so, nothing is sent twice and nothing
    /// oversold. P-1: once everything was said the account is the broker's. O-4: then a position that is
    /// left has an exit at the broker.
    #[test]
    fn anything_at_all_ends_where_the_broker_is(
        script in proptest::collection::vec(moves(), 1..80),
    ) {
        let mut desk = Desk::outside();
        let cash = desk.custody.book().cash();
        let mut floor = Floor {
            orders: BTreeMap::new(),
            position: 0,
            cash,
            unsaid: Vec::new(),
            executions: 0,
        };
        for now in &script {
            play(&mut desk, &mut floor, now);
        }
        for _ in 0..4 {
            settle(&mut desk, &mut floor);
        }
        // A stop that the broker has not confirmed is not moved: then news, or a statement, has to come.
        let waits = |order: &Order| order.status() == Status::Submitted && order.intent.side == Side::Sell;
        let waits = desk.custody.orders().open().any(waits);
        let statement = floor.statement(&desk);
        let told = desk.custody.reconcile(&statement, &desk.limits).unwrap().unwrap();
        for adjustment in &told.adjustments {
            match adjustment {
                Adjustment::Cash { ours, theirs } => {
                    let off = (ours.raw() - theirs.raw()).abs();
                    prop_assert!(off < Money::SCALE / 100, "means are rounded: {off}");
                }
                Adjustment::Position { .. } => prop_assert!(false, "{told:?}"),
            }
        }
        let held = desk.custody.book().position(&desk.symbol(0)).map_or(0, |p| p.qty.raw());
        prop_assert_eq!(held, floor.position);
        let guarded = is_guarded(&desk, &floor);
        prop_assert!(guarded || waits, "a position that nobody protects: {:#?}", floor.orders);
        floor.take(desk.custody.take_outgoing());
        // The second round takes back a stop that the broker did not replace in the first.
        for _ in 0..2 {
            settle(&mut desk, &mut floor);
        }
        let guarded = is_guarded(&desk, &floor);
        prop_assert!(guarded, "a position that nobody protects: {:#?}", floor.orders);
    }
}
