//! An account at a broker outside: its news, its protective stops, its exits.
//!
//! - O-2: one intent, at most one live order: a position has at most one exit that may fill. Another one
//!   is asked for only behind the news that the first is over, for what is left of the position, or in
//!   the first one's place, which the broker does in one step.
//! - O-4: exits are never blocked: nobody is asked here, and what is wanted stays wanted, at every bar,
//!   until the position is gone.
//!
//! Behind an entry a stop rests at the broker, so that a process that is dead leaves nothing
//! unprotected. It follows the rules' stop and the position's size. The other exits are found by rule at
//! a bar, or ordered by somebody: the stop is taken back, and once that is confirmed the position leaves
//! at the market. Where the stop fills instead, that is the exit.

use std::collections::BTreeSet;

use super::venue::Venue;
use super::{Custody, CustodyError, Happening};
use crate::away::{Doubt, Outgoing, Report};
use crate::book::Position;
use crate::clearance::Cleared;
use crate::code::Code;
use crate::decide::plan_without_advice;
use crate::exits::{Exit, exit_at};
use crate::fixed::{Price, Qty};
use crate::limits::Limits;
use crate::market::bar::Bar;
use crate::market::symbol::{AssetClass, Symbol};
use crate::order::{
    ClientOrderId, DecisionId, ExitReason, OrderIntent, OrderKind, Purpose, Side, TimeInForce,
};
use crate::order_state::{Added, News, Order, OrderEvent, Status};
use crate::ratio::Ratio;
use crate::reconcile::{InFlight, Sent};

/// What came of news.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Heard {
    /// What happened, in order.
    pub happenings: Vec<Happening>,
    /// What made no sense: the account is to be compared with a statement.
    pub doubts: Vec<Doubt>,
}

/// An exit that may fill, as far as another one looks at it.
struct Leaving {
    order: ClientOrderId,
    /// Submitted is one of which the broker has said nothing yet.
    status: Status,
    /// Whether the broker would take another one in its place.
    is_replaceable: bool,
    is_market: bool,
    stop: Option<Price>,
    open: Qty,
    side: Side,
}

impl Leaving {
    fn is_being_canceled(&self) -> bool {
        self.status == Status::PendingCancel
    }
}

impl Custody {
    /// Takes news of orders from the broker outside.
    ///
    /// # Errors
    /// When there is none, or the ledger breaks. News that make no sense are no error but a doubt.
    pub fn hear(&mut self, reports: &[Report], limits: &Limits) -> Result<Heard, CustodyError> {
        let mut heard = Heard::default();
        let mut touched = BTreeSet::new();
        for report in reports {
            touched.extend(self.hear_one(report, limits, &mut heard)?);
        }
        for symbol in touched {
            self.tend_behind_news(&symbol, limits, &mut heard.happenings)?;
        }
        Ok(heard)
    }

    /// Takes one report; returns the symbol where the broker's orders may have to follow.
    fn hear_one(
        &mut self,
        report: &Report,
        limits: &Limits,
        heard: &mut Heard,
    ) -> Result<Option<Symbol>, CustodyError> {
        let Venue::Away(away) = &mut self.broker else { return Err(CustodyError::NotAway) };
        let Heard { happenings, doubts } = heard;
        let refused =
            |code| Happening::Refused { order: report.order.clone(), decision: None, code };
        let Some(order) = self.orders.get(&report.order) else {
            happenings.push(refused(Code::OrderForgotten));
            let why = "it is not known".to_owned();
            doubts.push(Doubt { order: report.order.clone(), why });
            return Ok(None);
        };
        let (was, symbol) = (order.status(), order.intent.symbol.clone());
        let is_entry = order.intent.purpose == Purpose::Entry;
        let event = match away.hear(&self.orders, order, report) {
            Ok(Some(event)) => event,
            Ok(None) => {
                happenings.push(Happening::Duplicate { order: report.order.clone(), status: was });
                return Ok(None);
            }
            Err(doubt) => {
                happenings.push(refused(Code::BrokerDoubt));
                doubts.push(doubt);
                return Ok(None);
            }
        };
        let is_fill = matches!(event.news, News::Fill { .. });
        let is_answer = !is_entry && matches!(event.news, News::Accepted { .. });
        self.take_in(vec![event], limits, happenings)?;
        let is = self.orders.get(&report.order).map_or(was, Order::status);
        let has_ended = is.is_final() && !was.is_final();
        // An exit that the broker did not take is not thrown at it again at once: the next bar does.
        let was_awaited = matches!(was, Status::PendingCancel | Status::PendingReplace) || is_entry;
        Ok((is_fill || is_answer || (has_ended && was_awaited)).then_some(symbol))
    }

    /// What is to be asked of the broker outside now, in order; handed out once.
    pub fn take_outgoing(&mut self) -> Vec<Outgoing> {
        match &mut self.broker {
            Venue::Sim(_) => Vec::new(),
            Venue::Away(away) => away.take_outgoing(),
        }
    }

    /// Whether the account is at a broker outside.
    pub const fn is_away(&self) -> bool {
        matches!(self.broker, Venue::Away(_))
    }

    /// The orders that the broker outside may still say something of.
    pub fn in_flight(&self) -> InFlight {
        let Venue::Away(away) = &self.broker else { return InFlight::default() };
        let sent = |order: &Order| Sent {
            order: order.intent.client_order_id.clone(),
            venue_order_id: order.venue_order_id().map(str::to_owned),
            symbol: order.intent.symbol.clone(),
        };
        let orders = self.orders.open().filter(|order| order.is_live()).map(sent).collect();
        InFlight { changes: away.changes(), orders }
    }

    /// Takes up orders that a former process had written down and that this account, which was stored
    /// before them, does not know. They count as sent; what came of them the broker says.
    ///
    /// # Errors
    /// When there is no broker outside, or an order is another one than what has its id here.
    pub fn recall(&mut self, intents: Vec<OrderIntent>) -> Result<usize, CustodyError> {
        if !self.is_away() {
            return Err(CustodyError::NotAway);
        }
        let mut taken = 0;
        for intent in intents {
            let (id, at) = (intent.client_order_id.clone(), intent.at);
            if matches!(self.orders.add(intent)?, Added::New(_)) {
                self.orders.apply(&OrderEvent { order: id, at, news: News::Submitted })?;
                taken += 1;
            }
        }
        Ok(taken)
    }

    /// The protective stops apart, what waits at the broker outside.
    pub(super) fn resting_away(&self) -> impl Iterator<Item = (&OrderIntent, Qty)> {
        let live = self.orders.open().filter(|order| order.is_live() && !guards(&order.intent));
        live.map(|order| (&order.intent, order.open_qty()))
    }

    /// Whether an order in the symbol would meet an exit of ours at the broker: it takes no orders on
    /// the other side of one that waits, and sells nothing that another order may sell.
    pub(super) fn is_behind_exit(&self, symbol: &Symbol) -> bool {
        let Venue::Away(away) = &self.broker else { return false };
        away.wants_out(symbol).is_some() || !self.exits_that_may_fill(symbol).is_empty()
    }

    /// Whether a position is being left for good.
    pub(super) fn is_leaving_away(&self, symbol: &Symbol) -> bool {
        matches!(&self.broker, Venue::Away(away) if away.wants_out(symbol).is_some())
    }

    /// Leaves a position for a reason that needs nobody's leave, and stays at it. What is still being
    /// bought of it is taken back.
    pub(super) fn leave_away(
        &mut self,
        symbol: &Symbol,
        reason: ExitReason,
        limits: &Limits,
        happenings: &mut Vec<Happening>,
    ) -> Result<(), CustodyError> {
        if let Venue::Away(away) = &mut self.broker {
            away.want_out(symbol, reason);
        }
        self.cancel_entries(symbol, limits, happenings)?;
        self.tend(symbol, limits, happenings)
    }

    /// Plays a bar to what guards a position at a broker outside.
    pub(super) fn protect_away(
        &mut self,
        symbol: &Symbol,
        bar: &Bar,
        limits: &Limits,
        happenings: &mut Vec<Happening>,
    ) -> Result<(), CustodyError> {
        let found = self.guards.on_bar(symbol, bar, self.broker.book(), None);
        let reason = found.as_ref().and_then(|intent| match intent.purpose {
            Purpose::Exit { reason } => Some((intent.kind, reason)),
            Purpose::Entry => None,
        });
        match reason {
            // The stop at the broker was reached by the same prices: it has the first word, and the
            // next bar the second.
            Some((OrderKind::Stop { .. }, _)) if self.was_reached(symbol, bar) => Ok(()),
            Some((_, reason)) => self.leave_away(symbol, reason, limits, happenings),
            None => self.tend(symbol, limits, happenings),
        }
    }

    /// Whether a bar has reached the stop that the broker holds for a position.
    fn was_reached(&self, symbol: &Symbol, bar: &Bar) -> bool {
        let holds =
            |order: &Order| matches!(order.status(), Status::Accepted | Status::PartiallyFilled);
        let mut stops = self.orders.open_for(symbol).filter(|order| holds(order));
        stops.any(|order| match (stop_of(order.intent.kind), order.intent.side) {
            (Some(stop), Side::Sell) => bar.low <= stop,
            (Some(stop), Side::Buy) => stop <= bar.high,
            (None, _) => false,
        })
    }

    /// [`Custody::tend`] where an entry is not still being filled: the stop would be replaced at every
    /// part of it, and the next bar looks again.
    fn tend_behind_news(
        &mut self,
        symbol: &Symbol,
        limits: &Limits,
        happenings: &mut Vec<Happening>,
    ) -> Result<(), CustodyError> {
        let fills = |order: &Order| order.is_live() && order.intent.purpose == Purpose::Entry;
        let fills = self.orders.open_for(symbol).any(fills);
        let has_exits = !self.exits_that_may_fill(symbol).is_empty();
        if fills && !has_exits && !self.is_leaving_away(symbol) {
            return Ok(());
        }
        self.tend(symbol, limits, happenings)
    }

    /// Brings the exits at the broker to what is wanted of the symbol's position: none without one, one
    /// market order where it is to be left, else the protective stop.
    pub(super) fn tend(
        &mut self,
        symbol: &Symbol,
        limits: &Limits,
        happenings: &mut Vec<Happening>,
    ) -> Result<(), CustodyError> {
        let Venue::Away(away) = &mut self.broker else { return Ok(()) };
        let Some(position) = away.book().position(symbol).cloned() else {
            away.is_out(symbol);
            return self.take_back(symbol, limits, happenings);
        };
        let wanted = away.wants_out(symbol);
        let side = Side::closing(position.direction);
        let exits = self.exits_that_may_fill(symbol);
        if exits.iter().any(|it| it.is_market && it.side == side && !it.is_being_canceled()) {
            return Ok(());
        }
        let intent = match wanted {
            Some(reason) => {
                Some(self.exit_away(symbol, &position, Exit { reason, kind: OrderKind::Market }))
            }
            None => self.guard_of(symbol, &position),
        };
        let Some(intent) = intent else { return Ok(()) };
        if self.stands(&exits, &intent) {
            return Ok(());
        }
        if wanted.is_none() {
            match &exits[..] {
                [one] if one.is_replaceable && one.side == side && replaces(&intent) => {
                    let former = one.order.clone();
                    return self.replace(&former, intent, &position, limits, happenings);
                }
                // It can be moved once the broker has it, and its news bring us here again.
                [one]
                    if one.status == Status::Submitted && one.side == side && replaces(&intent) =>
                {
                    return Ok(());
                }
                // One of them stands. Where the former is left alone, it was not replaced.
                [_, _, ..] if self.is_replacing(symbol) => return Ok(()),
                _ => {}
            }
        }
        self.take_back(symbol, limits, happenings)?;
        // What the broker has is asked for only; its news brings us here again.
        if !self.exits_that_may_fill(symbol).is_empty() {
            return Ok(());
        }
        let intent = self.unused(intent);
        let cleared = Cleared::by_exit(intent, position.direction, position.qty)?;
        self.send(cleared, limits, happenings)
    }

    /// Asks for a protective stop in the place of the one that rests: the position has one throughout.
    /// Where the broker refuses, the former is canceled at the next look, and a new one sent behind it.
    fn replace(
        &mut self,
        former: &ClientOrderId,
        intent: OrderIntent,
        position: &Position,
        limits: &Limits,
        happenings: &mut Vec<Happening>,
    ) -> Result<(), CustodyError> {
        let intent = self.unused(intent);
        let id = intent.client_order_id.clone();
        let cleared = Cleared::by_exit(intent, position.direction, position.qty)?;
        self.send(cleared, limits, happenings)?;
        let Venue::Away(away) = &mut self.broker else { return Ok(()) };
        let former = self.orders.get(former);
        let event = former.and_then(|former| away.in_place_of(&id, former, self.now));
        self.take_in(event.into_iter().collect(), limits, happenings)
    }

    /// Whether an order was to take the place of one that still stands.
    pub(super) fn is_replacement(&self, order: &ClientOrderId) -> bool {
        let order = self.orders.get(order).filter(|it| it.intent.purpose != Purpose::Entry);
        order.is_some_and(|order| self.is_replacing(&order.intent.symbol))
    }

    /// Whether a stop of the symbol is about to take another one's place.
    fn is_replacing(&self, symbol: &Symbol) -> bool {
        self.exits_that_may_fill(symbol).iter().any(|it| it.status == Status::PendingReplace)
    }

    /// Whether the broker would take another order in the place of this one: a stop for whole shares that
    /// it has taken and nothing was filled of.
    fn is_replaceable(&self, order: &Order) -> bool {
        let is_share = self.class_of(&order.intent.symbol) == Some(AssetClass::Equity);
        is_share
            && order.status() == Status::Accepted
            && order.venue_order_id().is_some()
            && replaces(&order.intent)
    }

    /// Whether the one exit that rests is what is wanted, or near enough.
    fn stands(&self, exits: &[Leaving], wanted: &OrderIntent) -> bool {
        let Venue::Away(away) = &self.broker else { return false };
        let ([rests], Some(stop)) = (exits, stop_of(wanted.kind)) else { return false };
        let Some(at) = rests.stop else { return false };
        let off = (at.to_f64() - stop.to_f64()).abs();
        !rests.is_being_canceled()
            && rests.side == wanted.side
            && rests.open == wanted.qty
            && off <= away.terms().stop_slack.get() * stop.to_f64()
    }

    /// The protective stop that a position should have, if its entry came with a plan.
    fn guard_of(&self, symbol: &Symbol, position: &Position) -> Option<OrderIntent> {
        let guard = self.guards.of(symbol)?;
        if guard.direction() != position.direction {
            return None;
        }
        let (stop, reason) = guard.stop(self.guards.rules());
        let kind = match (self.class_of(symbol).unwrap_or_default(), &self.broker) {
            (AssetClass::Crypto, Venue::Away(away)) => {
                let gap = away.terms().stop_gap.get() * position.direction.sign();
                let limit = stop.scaled(Ratio::or_zero((1.0 - gap).max(0.0))).unwrap_or(stop);
                OrderKind::StopLimit { stop, limit: limit.max(Price::from_raw(1)) }
            }
            _ => OrderKind::Stop { stop },
        };
        let mut intent = self.exit_away(symbol, position, Exit { reason, kind });
        intent.decision = DecisionId::new(symbol, intent.at, "guard");
        intent.client_order_id = ClientOrderId::derive(&intent.decision, intent.side, 0);
        Some(self.broker.fitted(intent))
    }

    /// An exit that is sent now.
    fn exit_away(&self, symbol: &Symbol, position: &Position, exit: Exit) -> OrderIntent {
        let heard_at =
            if let Venue::Away(away) = &self.broker { away.heard_at() } else { self.now };
        let at = self.now.max(heard_at);
        let mut intent = exit_at(symbol, position, exit, at, position.mark);
        let is_share = self.class_of(symbol).unwrap_or_default() == AssetClass::Equity;
        if is_share && position.qty.raw() % Qty::SCALE != 0 {
            // Fractions of shares are taken for the day only; the next bar sends it anew.
            intent.time_in_force = TimeInForce::Day;
        }
        intent
    }

    fn exits_that_may_fill(&self, symbol: &Symbol) -> Vec<Leaving> {
        let exits = self.orders.open_for(symbol).filter(|order| order.is_live());
        let exits = exits.filter(|order| order.intent.purpose != Purpose::Entry);
        let leaving = |order: &Order| Leaving {
            order: order.intent.client_order_id.clone(),
            status: order.status(),
            is_replaceable: self.is_replaceable(order),
            is_market: order.intent.kind == OrderKind::Market,
            stop: stop_of(order.intent.kind),
            open: order.open_qty(),
            side: order.intent.side,
        };
        exits.map(leaving).collect()
    }

    /// Asks for the cancellation of every exit of the symbol that it was not asked for yet.
    fn take_back(
        &mut self,
        symbol: &Symbol,
        limits: &Limits,
        happenings: &mut Vec<Happening>,
    ) -> Result<(), CustodyError> {
        for exit in self.exits_that_may_fill(symbol) {
            if !exit.is_being_canceled() {
                let events = self.cancel(&exit.order);
                self.take_in(events, limits, happenings)?;
            }
        }
        Ok(())
    }

    /// Cancels an order, wherever it is.
    pub(super) fn cancel(&mut self, id: &ClientOrderId) -> Vec<OrderEvent> {
        match &mut self.broker {
            Venue::Sim(broker) => broker.cancel(id, self.now),
            Venue::Away(away) => {
                let order = self.orders.get(id).filter(|order| order.is_live());
                let order = order.filter(|order| order.status() != Status::PendingCancel);
                order.map(|order| away.cancel(order, self.now)).into_iter().collect()
            }
        }
    }

    /// Guards a position that was adopted from a statement and that no entry of ours has planned for.
    pub(super) fn guard_adopted(
        &mut self,
        symbol: &Symbol,
        limits: &Limits,
    ) -> Result<(), CustodyError> {
        let Some(position) = self.book().position(symbol).cloned() else { return Ok(()) };
        let guard = self.guards.of(symbol);
        if guard.is_none_or(|guard| guard.direction() != position.direction) {
            let plan = plan_without_advice(limits);
            self.guards.guard(symbol, &position, plan)?;
        }
        Ok(())
    }
}

/// Whether an order is a protective stop that rests at a broker outside.
const fn guards(intent: &OrderIntent) -> bool {
    matches!(intent.purpose, Purpose::Exit { .. }) && stop_of(intent.kind).is_some()
}

/// Whether an order may stand in another's place: a plain stop for whole units that stays.
const fn replaces(intent: &OrderIntent) -> bool {
    matches!(intent.kind, OrderKind::Stop { .. })
        && matches!(intent.time_in_force, TimeInForce::Gtc)
        && intent.qty.raw() % Qty::SCALE == 0
}

const fn stop_of(kind: OrderKind) -> Option<Price> {
    match kind {
        OrderKind::Stop { stop } | OrderKind::StopLimit { stop, .. } => Some(stop),
        _ => None,
    }
}
