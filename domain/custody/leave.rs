//! How positions are left: protective exits, flattening, and entries that are taken back.
//!
//! - O-4: exits are never blocked: nobody is asked here, and one is on its way at most once.

use super::venue::Venue;
use super::{Custody, CustodyError, Happening};
use crate::book::Position;
use crate::clearance::Cleared;
use crate::exits::{self, exit_intent};
use crate::fixed::Qty;
use crate::limits::Limits;
use crate::market::bar::Bar;
use crate::market::symbol::Symbol;
use crate::order::{ClientOrderId, ExitReason, OrderIntent, OrderKind, Purpose, Side};

impl Custody {
    /// Closes one position, or all of them, for a reason that needs nobody's leave. Entries of the
    /// same symbol that rest are canceled; with the data's end all of them are, held or not.
    ///
    /// # Errors
    /// When the ledger or an order's life breaks.
    pub fn flatten(
        &mut self,
        only: Option<&Symbol>,
        reason: ExitReason,
        limits: &Limits,
    ) -> Result<Vec<Happening>, CustodyError> {
        let held: Vec<Symbol> = self.book().positions().keys().cloned().collect();
        let mut happenings = Vec::new();
        if reason == ExitReason::EndOfData && only.is_none() {
            happenings = self.cancel_all_entries(limits)?;
        }
        for symbol in held.into_iter().filter(|symbol| only.is_none_or(|only| only == symbol)) {
            if self.is_away() {
                self.leave_away(&symbol, reason, limits, &mut happenings)?;
                continue;
            }
            self.cancel_entries(&symbol, limits, &mut happenings)?;
            if reason == ExitReason::EndOfData {
                self.cancel_exits(&symbol, limits, &mut happenings)?;
            } else if self.leaves_already(&symbol, limits, &mut happenings)? {
                continue;
            }
            let Some(position) = self.book().position(&symbol) else { continue };
            let Some(bar) = self.broker.last(&symbol) else { continue };
            let exit = exits::Exit { reason, kind: OrderKind::Market };
            let intent = self.unused(exit_intent(&symbol, position, exit, bar));
            let cleared = Cleared::by_exit(intent, position.direction, position.qty)?;
            self.send(cleared, limits, &mut happenings)?;
        }
        Ok(happenings)
    }

    /// Cancels every entry order that has not filled: what a halt leaves behind.
    ///
    /// # Errors
    /// When an order's life breaks.
    pub fn cancel_all_entries(&mut self, limits: &Limits) -> Result<Vec<Happening>, CustodyError> {
        let mut happenings = Vec::new();
        let symbols: Vec<Symbol> =
            self.resting().map(|(intent, _)| intent.symbol.clone()).collect();
        for symbol in symbols {
            self.cancel_entries(&symbol, limits, &mut happenings)?;
        }
        Ok(happenings)
    }

    /// An exit with an id of its own: a position that was left and opened again at one bar may be
    /// left again for the same reason.
    pub(super) fn unused(&self, mut intent: OrderIntent) -> OrderIntent {
        let mut nth = 0;
        while self.is_known(&intent.client_order_id) {
            nth += 1;
            intent.client_order_id = ClientOrderId::derive(&intent.decision, intent.side, nth);
        }
        intent
    }

    fn is_known(&self, id: &ClientOrderId) -> bool {
        self.orders.get(id).is_some() || self.broker.knows(id)
    }

    /// Orders that wait, in the order of submission: each intent with what is left of it. Protective
    /// stops that only stand by at a broker outside are no part of it.
    pub(super) fn resting(&self) -> impl Iterator<Item = (&OrderIntent, Qty)> {
        let (here, there) = match &self.broker {
            Venue::Sim(broker) => (Some(broker.resting()), None),
            Venue::Away(_) => (None, Some(self.resting_away())),
        };
        here.into_iter().flatten().chain(there.into_iter().flatten())
    }

    /// The exits of the symbol that rest, each with what is left of it.
    pub(super) fn leaving(&self, symbol: &Symbol) -> impl Iterator<Item = (&OrderIntent, Qty)> {
        self.resting().filter(move |(order, _)| {
            &order.symbol == symbol && matches!(order.purpose, Purpose::Exit { .. })
        })
    }

    /// The position as it will be when the exits have filled that rest: what the entry half of a
    /// reversal meets.
    pub(super) fn position_after_exits(&self, symbol: &Symbol) -> Qty {
        let position = self.book().position(symbol);
        let position = position.map_or(Qty::ZERO, Position::signed_qty);
        let sign = |side: Side| if side == Side::Buy { 1 } else { -1 };
        let leaving: i64 =
            self.leaving(symbol).map(|(order, open)| sign(order.side) * open.raw()).sum();
        Qty::from_raw(position.raw().saturating_add(leaving))
    }

    /// Whether an exit of the symbol is on its way for sure: a market order that rests. A second one
    /// would sell more than there is. An exit with a price may never fill, so it is taken back here,
    /// for the one that takes its place.
    fn leaves_already(
        &mut self,
        symbol: &Symbol,
        limits: &Limits,
        happenings: &mut Vec<Happening>,
    ) -> Result<bool, CustodyError> {
        #[cfg(feature = "mutants")]
        if crate::mutants::is(crate::mutants::Mutant::SendsExitsTwice) {
            return Ok(false);
        }
        if self.leaving(symbol).any(|(order, _)| order.kind == OrderKind::Market) {
            return Ok(true);
        }
        self.cancel_exits(symbol, limits, happenings)?;
        Ok(false)
    }

    pub(super) fn cancel_entries(
        &mut self,
        symbol: &Symbol,
        limits: &Limits,
        happenings: &mut Vec<Happening>,
    ) -> Result<(), CustodyError> {
        self.cancel_where(symbol, limits, happenings, |purpose| *purpose == Purpose::Entry)
    }

    fn cancel_exits(
        &mut self,
        symbol: &Symbol,
        limits: &Limits,
        happenings: &mut Vec<Happening>,
    ) -> Result<(), CustodyError> {
        self.cancel_where(symbol, limits, happenings, |purpose| *purpose != Purpose::Entry)
    }

    fn cancel_where(
        &mut self,
        symbol: &Symbol,
        limits: &Limits,
        happenings: &mut Vec<Happening>,
        which: fn(&Purpose) -> bool,
    ) -> Result<(), CustodyError> {
        let entries: Vec<_> = self
            .resting()
            .filter(|(intent, _)| &intent.symbol == symbol && which(&intent.purpose))
            .map(|(intent, _)| intent.client_order_id.clone())
            .collect();
        for id in entries {
            let events = self.cancel(&id);
            self.take_in(events, limits, happenings)?;
        }
        Ok(())
    }

    /// Sends what a protective rule demands at this bar.
    pub(super) fn protect(
        &mut self,
        symbol: &Symbol,
        bar: &Bar,
        limits: &Limits,
        happenings: &mut Vec<Happening>,
    ) -> Result<(), CustodyError> {
        if self.is_away() {
            return self.protect_away(symbol, bar, limits, happenings);
        }
        let Some(intent) = self.guards.on_bar(symbol, bar, self.broker.book(), None) else {
            return Ok(());
        };
        if self.leaves_already(symbol, limits, happenings)? {
            return Ok(());
        }
        let mut intent = self.unused(intent);
        if self.broker.is_delayed() {
            // The price that was reached lies behind when the order arrives: a stop has triggered.
            intent.kind = OrderKind::Market;
        }
        let Some(position) = self.book().position(symbol) else { return Ok(()) };
        let cleared = Cleared::by_exit(intent, position.direction, position.qty)?;
        self.send(cleared, limits, happenings)
    }
}
