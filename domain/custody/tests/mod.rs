//! Tests of custody: exits, halts, duplicates and events by hand, then anything at all.

mod anything;
mod away;
mod faults;
mod leaving;

use super::*;
use crate::clearance::Validity;
use crate::fixed::{Bp, Price, Qty, Volume};
use crate::market::bar::Bar;
use crate::market::tape::Tick;
use crate::mode::Person;
use crate::order::{
    ClientOrderId, DecisionId, ExitPlan, ExitReason, Fill, OrderKind, Side, TimeInForce,
};
use crate::order_state::{Order, Status};
use crate::recent::REMEMBERED;
use crate::signal::{Features, Regime};
use crate::sim_broker::FillAt;

const HOUR_MS: i64 = 3_600_000;
/// 2012-03-01T00:00:00Z, a Thursday.
const DAY_ZERO_MS: i64 = 1_330_560_000_000;

fn price(text: &str) -> Price {
    text.parse().unwrap()
}

fn bar(day: i64, [open, high, low, close]: [Price; 4]) -> Bar {
    let midnight = DAY_ZERO_MS + day * 24 * HOUR_MS;
    Bar {
        open_time: Time::from_ms(midnight + 14 * HOUR_MS + HOUR_MS / 2),
        close_time: Time::from_ms(midnight + 21 * HOUR_MS),
        open,
        high,
        low,
        close,
        volume: Volume::from_units(1_000).unwrap(),
    }
}

fn flat(at: &str) -> [Price; 4] {
    [price(at); 4]
}

fn ohlc(text: &str) -> [Price; 4] {
    let prices: Vec<Price> = text.split(' ').map(price).collect();
    prices.try_into().unwrap()
}

fn free(fill_at: FillAt) -> SimConfig {
    SimConfig::raw(fill_at, Bp::ZERO)
}

fn plan(stop: f64, target: f64) -> ExitPlan {
    ExitPlan { stop_distance: Ratio::of(stop), target_distance: Ratio::of(target) }
}

/// An account of 10,000 for AAA and BBB, and the day that comes next.
#[derive(Clone, Debug)]
struct Desk {
    custody: Custody,
    limits: Limits,
    instruments: Arc<[Instrument]>,
    day: i64,
    pulse: Pulse,
}

impl Desk {
    /// After one day at 100.
    fn new(sim: SimConfig) -> Self {
        Self::of(AssetClass::Equity, sim)
    }

    fn of(class: AssetClass, sim: SimConfig) -> Self {
        let symbol = |name| Symbol::new(name).unwrap();
        let instruments: Arc<[Instrument]> =
            ["AAA", "BBB"].map(|name| Instrument { symbol: symbol(name), class }).into();
        let exits = ExitRules { time_stop_bars: 1_000, ..ExitRules::default() };
        let cash = Money::from_units(10_000).unwrap();
        let config = CustodyConfig { sim, exits, guarded: true, cash };
        let custody = Custody::new(&config, &instruments).unwrap();
        let pulse = Pulse { features: Features::default(), regime: Regime::default() };
        let limits = Limits::default();
        let mut desk = Self { custody, limits, instruments, day: 0, pulse };
        desk.days(&[flat("100")]);
        desk
    }

    fn chunk(&mut self, prices: [Price; 4]) -> Chunk {
        let bar = bar(self.day, prices);
        self.day += 1;
        Chunk::of_slice((0..2).map(|instrument| Tick { instrument, bar }).collect())
    }

    /// One day for both symbols.
    fn day(&mut self, prices: [Price; 4]) -> Step {
        let chunk = self.chunk(prices);
        let pulses = [self.pulse; 2];
        self.custody.advance(&self.instruments, &chunk, &pulses, 0..1, &self.limits).unwrap()
    }

    fn days(&mut self, days: &[[Price; 4]]) -> Vec<Happening> {
        days.iter().flat_map(|&prices| self.day(prices).happenings).collect()
    }

    fn symbol(&self, nth: usize) -> Symbol {
        self.instruments[nth].symbol.clone()
    }

    fn entry(
        &self,
        nth: usize,
        side: Side,
        qty: i64,
        kind: OrderKind,
        exits: ExitPlan,
    ) -> OrderIntent {
        let (symbol, at) = (self.symbol(nth), self.custody.now());
        let decision = DecisionId::new(&symbol, at, "entry");
        OrderIntent {
            client_order_id: ClientOrderId::derive(&decision, side, 0),
            decision,
            reference: self.custody.broker.last(&symbol).unwrap().close,
            symbol,
            side,
            qty: Qty::from_units(qty).unwrap(),
            kind,
            time_in_force: TimeInForce::Gtc,
            extended_hours: false,
            purpose: Purpose::Entry,
            at,
            exits: Some(exits),
        }
    }

    fn send(&mut self, intent: OrderIntent) -> Vec<Happening> {
        let validity = Validity { epoch: 0, expires_at: Time::from_ms(i64::MAX) };
        let cleared = Cleared::by_person(Person::authenticated("ada", "cli"), intent, validity);
        self.custody.submit(cleared, &self.limits).unwrap()
    }

    /// Buys (or sells) at the market; it fills with the next day.
    fn open(&mut self, nth: usize, side: Side, qty: i64, exits: ExitPlan) {
        let intent = self.entry(nth, side, qty, OrderKind::Market, exits);
        self.send(intent);
    }

    fn flatten(&mut self, only: Option<&Symbol>, reason: ExitReason) -> Vec<Happening> {
        self.custody.flatten(only, reason, &self.limits).unwrap()
    }

    fn exits_resting(&self, symbol: &Symbol) -> usize {
        let resting = self.custody.resting();
        resting.filter(|(o, _)| &o.symbol == symbol && o.purpose != Purpose::Entry).count()
    }
}

fn exits_sent(happenings: &[Happening]) -> Vec<ExitReason> {
    let reason = |happening: &Happening| match happening {
        Happening::Submitted { intent } => match intent.purpose {
            Purpose::Exit { reason } => Some(reason),
            Purpose::Entry => None,
        },
        _ => None,
    };
    happenings.iter().filter_map(reason).collect()
}

fn fills(happenings: &[Happening]) -> Vec<&Fill> {
    let fills = happenings.iter().filter_map(|happening| match happening {
        Happening::Filled { fill } => Some(fill),
        _ => None,
    });
    fills.collect()
}

fn closed(happenings: &[Happening]) -> Vec<(ExitReason, String)> {
    let trade = |happening: &Happening| match happening {
        Happening::TradeClosed { trade, .. } => {
            Some((trade.exit_reason, trade.exit_price.to_string()))
        }
        _ => None,
    };
    happenings.iter().filter_map(trade).collect()
}

#[track_caller]
fn leaves(side: Side, days: &[&str], expected: (ExitReason, &str)) {
    let mut desk = Desk::new(free(FillAt::NextOpen));
    desk.open(0, side, 10, plan(0.08, 0.20));
    let days: Vec<[Price; 4]> = days.iter().map(|day| ohlc(day)).collect();
    let happenings = desk.days(&days);
    let (reason, at) = expected;
    assert_eq!(closed(&happenings), [(reason, at.to_owned())], "{side:?} {days:?}");
    assert_eq!(exits_sent(&happenings), [reason]);
    assert!(desk.custody.book().positions().is_empty());
}

/// O-4: exits are never blocked: nothing was asked, and the stop went within its own bar.
#[test]
fn a_stop_within_a_bar_fills_at_its_trigger_or_at_the_gapped_open() {
    leaves(Side::Buy, &["100 101 99 100", "100 101 90 95"], (ExitReason::Stop, "92"));
    leaves(Side::Buy, &["100 101 99 100", "85 88 84 86"], (ExitReason::Stop, "85"));
    leaves(Side::Buy, &["100 101 90 95"], (ExitReason::Stop, "92"));
    leaves(Side::Sell, &["100 101 99 100", "100 110 99 109"], (ExitReason::Stop, "108"));
    leaves(Side::Sell, &["100 101 99 100", "115 116 112 113"], (ExitReason::Stop, "115"));
    leaves(Side::Buy, &["100 101 99 100", "101 125 101 124"], (ExitReason::TakeProfit, "120"));
    leaves(Side::Sell, &["100 101 99 100", "99 100 79 80"], (ExitReason::TakeProfit, "80"));
    // The path within a bar is unknown: the worse of the two is taken.
    leaves(Side::Buy, &["100 101 99 100", "100 125 90 124"], (ExitReason::Stop, "92"));
}

#[test]
fn a_round_trip_within_a_day_is_a_day_trade_of_a_share_and_none_of_a_coin() {
    for (class, day_trades) in [(AssetClass::Equity, 1), (AssetClass::Crypto, 0)] {
        let mut desk = Desk::of(class, free(FillAt::NextOpen));
        desk.open(0, Side::Buy, 10, plan(0.05, 0.5));
        let happenings = desk.days(&[ohlc("100 101 90 92")]);
        assert_eq!(closed(&happenings).len(), 1, "{class:?}: {happenings:?}");
        assert_eq!(desk.custody.protections().day_trades(), day_trades, "{class:?}");
    }
}

#[test]
fn the_end_of_data_cancels_what_rests_and_closes_what_is_open() {
    let mut desk = Desk::new(SimConfig { delay_bars: 5, ..free(FillAt::NextOpen) });
    desk.open(0, Side::Buy, 10, plan(0.08, 0.20));
    desk.days(&[flat("100"); 6]);
    desk.days(&[flat("90")]);
    desk.open(1, Side::Buy, 10, plan(0.08, 0.20));
    assert_eq!(desk.exits_resting(&desk.symbol(0)), 1);
    let happenings = desk.flatten(None, ExitReason::EndOfData);
    assert_eq!(closed(&happenings), [(ExitReason::EndOfData, "90".to_owned())]);
    assert!(desk.custody.book().positions().is_empty());
    assert_eq!(desk.custody.orders().open().count(), 0, "the entry in BBB is canceled too");
    assert_eq!(desk.flatten(None, ExitReason::EndOfData), []);
}

#[test]
fn flattening_one_symbol_leaves_the_other_and_cancels_its_own_entries() {
    let mut desk = Desk::new(free(FillAt::NextOpen));
    desk.open(0, Side::Buy, 10, plan(0.08, 0.20));
    desk.open(1, Side::Sell, 10, plan(0.08, 0.20));
    desk.days(&[flat("100")]);
    let limit = OrderKind::Limit { limit: price("50") };
    let more = desk.entry(0, Side::Buy, 5, limit, plan(0.08, 0.20));
    let id = more.client_order_id.clone();
    desk.send(more);
    let symbol = desk.symbol(0);
    let happenings = desk.flatten(Some(&symbol), ExitReason::Person);
    assert_eq!(exits_sent(&happenings), [ExitReason::Person]);
    assert_eq!(desk.custody.orders().get(&id).unwrap().status(), Status::Canceled);
    desk.days(&[flat("101")]);
    let left: Vec<&Symbol> = desk.custody.book().positions().keys().collect();
    assert_eq!(left, [&desk.symbol(1)]);
    let happenings = desk.flatten(None, ExitReason::Halt);
    assert_eq!(exits_sent(&happenings), [ExitReason::Halt]);
    desk.days(&[flat("101")]);
    assert!(desk.custody.book().positions().is_empty());
}

/// O-3: the halt is sticky: it falls due once, and only a person lifts it.
#[test]
fn a_halt_falls_due_at_its_limit_and_stops_the_clock_behind_its_slice() {
    let mut desk = Desk::new(free(FillAt::NextOpen));
    desk.open(0, Side::Buy, 90, plan(0.50, 0.90));
    desk.days(&[flat("100")]);
    // 90 of 10,000 at 100: 83.34 is 15 % of the peak, to the cent above and below it.
    assert_eq!(desk.day(flat("83.34")).halt_due, None);
    let entry = desk.entry(1, Side::Buy, 1, OrderKind::Limit { limit: price("1") }, plan(0.1, 0.2));
    desk.send(entry);
    let bars: Vec<Bar> = ["84", "83.33", "83", "90"]
        .map(|at| {
            desk.day += 1;
            bar(desk.day, flat(at))
        })
        .to_vec();
    let series = crate::market::series::Series {
        symbol: desk.symbol(0),
        class: AssetClass::Equity,
        timeframe: crate::market::bar::Timeframe::Day,
        bars,
    };
    let chunk = crate::market::tape::Tape::new(vec![series]).unwrap().next_chunk(9).unwrap();
    let custody = &mut desk.custody;
    let step = custody.advance(&desk.instruments, &chunk, &[], 0..4, &desk.limits).unwrap();
    assert_eq!(step.through, 2);
    assert!(step.halt_due.is_some_and(|fall| fall >= Ratio::of(0.15)), "{:?}", step.halt_due);
    assert_eq!(custody.halt_rule().halted_at(), Some(custody.now()));
    let canceled = custody.cancel_all_entries(&desk.limits).unwrap();
    assert!(matches!(&canceled[..], [Happening::Order { .. }]), "{canceled:?}");
    assert_eq!(custody.orders().open().count(), 0);
    let step = custody.advance(&desk.instruments, &chunk, &[], 2..4, &desk.limits).unwrap();
    assert_eq!((step.through, step.halt_due), (4, None));
    assert!(custody.halt_rule().halted_at().is_some());
    custody.lift_halt();
    assert_eq!((custody.halt_rule().halted_at(), custody.drawdown()), (None, Ratio::ZERO));
}

/// O-2: one intent, at most one live order.
#[test]
fn a_known_order_is_answered_with_where_it_stands_and_changes_nothing() {
    let mut desk = Desk::new(free(FillAt::NextOpen));
    let intent = desk.entry(0, Side::Buy, 10, OrderKind::Market, plan(0.08, 0.20));
    assert_eq!(desk.send(intent.clone()).len(), 2, "submitted and accepted");
    for (status, then) in
        [(Status::Accepted, "100"), (Status::Filled, "90"), (Status::Filled, "90")]
    {
        let before = desk.custody.clone();
        let order = intent.client_order_id.clone();
        assert_eq!(desk.send(intent.clone()), [Happening::Duplicate { order, status }]);
        assert_eq!(desk.custody, before);
        desk.days(&[flat(then)]);
    }
    assert_eq!(desk.custody.orders().len(), 2, "the entry and its stop");
    let forged = OrderIntent { qty: Qty::from_units(11).unwrap(), ..intent };
    let validity = Validity { epoch: 0, expires_at: Time::from_ms(i64::MAX) };
    let cleared = Cleared::by_person(Person::authenticated("ada", "cli"), forged, validity);
    assert!(matches!(desk.custody.submit(cleared, &desk.limits), Err(CustodyError::Order(_))));
}

/// Fills and closes round trips of BBB, each two orders in two days.
fn churn(desk: &mut Desk, times: usize) -> Vec<Happening> {
    let mut happenings = Vec::new();
    for _ in 0..times {
        desk.open(1, Side::Buy, 1, plan(0.5, 0.9));
        happenings.extend(desk.days(&[flat("100")]));
        let symbol = desk.symbol(1);
        desk.flatten(Some(&symbol), ExitReason::Advised);
        happenings.extend(desk.days(&[flat("100")]));
    }
    happenings
}

/// O-2: an order that has left memory is not made again, and late news of it book nothing; both are
/// said with a code. O-4: an exit of the same age passes.
#[test]
fn what_comes_of_a_forgotten_order_is_refused_and_changes_nothing() {
    let mut desk = Desk::new(free(FillAt::NextOpen));
    let intent = desk.entry(0, Side::Buy, 10, OrderKind::Market, plan(0.5, 0.9));
    desk.send(intent.clone());
    let first = desk.days(&[flat("100")]);
    let late = News::Fill { fill: fills(&first)[0].clone() };
    let (order, old) = (intent.client_order_id.clone(), desk.custody.now());
    let event = OrderEvent { order: order.clone(), at: old, news: late };
    churn(&mut desk, REMEMBERED / 2 + 1);
    assert_eq!(desk.custody.orders().get(&order), None);
    let (before, cash) = (desk.custody.orders().len(), desk.custody.book().cash());
    let code = Code::OrderForgotten;
    let decision = Some(intent.decision.clone());
    let refused = Happening::Refused { order: order.clone(), decision, code };
    assert_eq!(desk.send(intent), [refused]);
    let mut told = Vec::new();
    desk.custody.take_in(vec![event], &desk.limits.clone(), &mut told).unwrap();
    assert_eq!(told, [Happening::Refused { order, decision: None, code }]);
    assert_eq!((desk.custody.orders().len(), desk.custody.book().cash()), (before, cash));

    let position = desk.custody.book().position(&desk.symbol(0)).unwrap().clone();
    let symbol = desk.symbol(0);
    let mut exit = desk.entry(0, Side::Sell, 10, OrderKind::Market, plan(0.5, 0.9));
    exit.decision = DecisionId::new(&symbol, old, "exit");
    exit.client_order_id = ClientOrderId::derive(&exit.decision, Side::Sell, 0);
    (exit.purpose, exit.at) = (Purpose::Exit { reason: ExitReason::Person }, old);
    let cleared = Cleared::by_exit(exit, position.direction, position.qty).unwrap();
    let sent = desk.custody.submit(cleared, &desk.limits).unwrap();
    assert_eq!(exits_sent(&sent), [ExitReason::Person]);
}

/// What is over leaves memory once somebody takes it, and nothing is lost or told twice.
#[test]
fn an_account_keeps_no_more_than_what_may_still_matter() {
    let mut desk = Desk::new(free(FillAt::NextOpen));
    let mut taken = Closed::default();
    let mut sizes = Vec::new();
    for _ in 0..4 {
        let happenings = churn(&mut desk, REMEMBERED);
        assert_eq!(closed(&happenings).len(), REMEMBERED);
        let Closed { trades, orders } = desk.custody.take_closed();
        taken.trades.extend(trades);
        taken.orders.extend(orders);
        sizes.push(serde_json::to_string(&desk.custody).unwrap().len());
        assert_eq!(desk.custody.take_closed(), Closed::default());
    }
    assert!(sizes[3] < sizes[0] + 1_000, "{sizes:?}");
    assert_eq!(desk.custody.book().closed(), 4 * REMEMBERED);
    assert_eq!(taken.trades.len(), 4 * REMEMBERED);
    let all: Vec<u64> =
        taken.orders.iter().chain(desk.custody.orders().iter()).map(Order::number).collect();
    assert_eq!(all, (0..8 * REMEMBERED as u64).collect::<Vec<_>>(), "in order, each once");
    assert_eq!(desk.custody.orders().len(), all.len());
}

/// An account that an earlier version stored, with every order and trade in it, goes on.
#[test]
fn an_account_of_an_earlier_version_is_read() {
    let mut desk = Desk::new(free(FillAt::NextOpen));
    churn(&mut desk, 200);
    let mut text = serde_json::to_value(&desk.custody).unwrap();
    let orders = &mut text["orders"];
    let all: Vec<Order> = desk.custody.orders().iter().cloned().collect();
    let by_id: BTreeMap<_, _> = all.iter().map(|o| (o.intent.client_order_id.clone(), o)).collect();
    let made: Vec<_> = all.iter().map(|order| order.intent.client_order_id.clone()).collect();
    *orders = serde_json::json!({"by_id": by_id, "made": made, "open": []});
    for (_, order) in orders["by_id"].as_object_mut().unwrap() {
        order.as_object_mut().unwrap().remove("number");
    }
    let book = text.pointer_mut("/broker/book").unwrap().as_object_mut().unwrap();
    book.remove("taken");
    let booked: Vec<(String, serde_json::Value)> =
        serde_json::from_value(book["booked"].clone()).unwrap();
    book["booked"] = serde_json::json!(booked.into_iter().collect::<BTreeMap<_, _>>());
    let mut read: Custody = serde_json::from_value(text).unwrap();
    assert_eq!(read.orders(), desk.custody.orders());
    assert_eq!(read.take_closed(), desk.custody.take_closed());
    assert_eq!(read.orders().len(), 400);
}

#[test]
fn a_broker_that_rejects_again_and_again_makes_entries_rest() {
    let mut desk = Desk::new(SimConfig { rejection: Ratio::ONE, ..free(FillAt::NextOpen) });
    for _ in 0..desk.limits.risk.rejection_streak_max {
        desk.open(0, Side::Buy, 10, plan(0.08, 0.20));
        desk.days(&[flat("100")]);
    }
    assert!(desk.custody.protections().rests(crate::protections::Protection::RejectionStreak));
    assert!(desk.custody.book().positions().is_empty());
}

/// The news of days with these closes and pulses, by the number of the day.
fn news(
    desk: &mut Desk,
    days: usize,
    at: impl Fn(usize) -> (String, Pulse),
) -> Vec<(usize, PositionNews)> {
    let mut all = Vec::new();
    for day in 1..=days {
        let (close, pulse) = at(day);
        desk.pulse = pulse;
        let step = desk.day(flat(&close));
        all.extend(step.events.into_iter().map(|event| (day, event.news)));
    }
    all
}

fn pulse(bear: f64, ret_5: f64) -> Pulse {
    let features = Features { ret_5: Some(Ratio::of(ret_5)), ..Features::default() };
    let left = Ratio::of((1.0 - bear) / 2.0);
    let regime = Regime {
        bear: Ratio::of(bear),
        bull: left,
        sideways: left,
        crash: Ratio::ZERO,
        bars_in_regime: 0,
    };
    Pulse { features, regime }
}

#[test]
fn a_position_that_goes_nowhere_is_news_every_twenty_bars() {
    let mut desk = Desk::new(free(FillAt::NextOpen));
    desk.open(0, Side::Buy, 10, plan(0.08, 0.20));
    let heard = news(&mut desk, 45, |_| ("100".to_owned(), pulse(0.2, 0.01)));
    let expected = [(20, PositionNews::Stalled), (40, PositionNews::Stalled)];
    assert_eq!(heard, expected);
}

#[test]
fn a_turned_regime_is_news_once_until_it_turns_again() {
    let mut desk = Desk::new(free(FillAt::NextOpen));
    desk.open(0, Side::Buy, 10, plan(0.08, 0.20));
    let bear = |day| if (3..6).contains(&day) || day == 8 { 0.7 } else { 0.2 };
    let heard = news(&mut desk, 12, |day| ("100".to_owned(), pulse(bear(day), 0.01)));
    assert_eq!(heard, [(3, PositionNews::RegimeTurned), (8, PositionNews::RegimeTurned)]);
}

#[test]
fn a_gain_at_risk_is_news_once() {
    let mut desk = Desk::new(free(FillAt::NextOpen));
    desk.open(0, Side::Buy, 10, plan(0.02, 0.50));
    let close = |day: usize| if day < 3 { "100" } else { "107" }.to_owned();
    let momentum = |day| if day < 5 { 0.01 } else { -0.01 };
    let heard = news(&mut desk, 8, |day| (close(day), pulse(0.2, momentum(day))));
    assert_eq!(heard, [(5, PositionNews::GainAtRisk)]);
}

#[test]
fn two_things_at_one_bar_are_told_one_after_the_other() {
    let mut desk = Desk::new(free(FillAt::NextOpen));
    desk.open(0, Side::Buy, 10, plan(0.02, 0.50));
    let close = |day: usize| if day < 3 { "100" } else { "107" }.to_owned();
    let heard = news(&mut desk, 8, |day| {
        (close(day), if day < 5 { pulse(0.2, 0.01) } else { pulse(0.7, -0.01) })
    });
    assert_eq!(heard, [(5, PositionNews::RegimeTurned), (6, PositionNews::GainAtRisk)]);
}
