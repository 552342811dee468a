//! An account at a broker outside against the broker's statement.
//!
//! - P-1: cash + positions at cost + fees is conserved: see [`crate::reconcile`].
//!
//! First the statement's orders are heard, so that fills that were missed are fills and the broker's
//! later news of them is known; what cash and positions still differ by is taken over. All of it happens
//! or nothing does. The first statement says what the account begins with: profit and drawdown are
//! measured from there.

use std::collections::BTreeSet;

use super::venue::Venue;
use super::{Custody, CustodyError, Happening, Heard};
use crate::away::{Doubt, Report, Said};
use crate::limits::Limits;
use crate::market::symbol::Symbol;
use crate::order_state::Status;
use crate::reconcile::{
    Adjustment, StatedOrder, StatedState, Statement, StatementError, adjusted, compare, is_material,
};

/// What came of a statement.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Reconciled {
    /// What happened, in order.
    pub happenings: Vec<Happening>,
    /// In what the account differed.
    pub adjustments: Vec<Adjustment>,
    /// Whether nobody should take new risk before a person has looked.
    pub is_material: bool,
}

impl Custody {
    /// Takes the broker's statement for the truth. The inner error is why it was not taken; the account
    /// is then as it was.
    ///
    /// # Errors
    /// When there is no broker outside, or the ledger breaks.
    pub fn reconcile(
        &mut self,
        statement: &Statement,
        limits: &Limits,
    ) -> Result<Result<Reconciled, StatementError>, CustodyError> {
        if let Err(refused) = self.may_be_right(statement) {
            return Ok(Err(refused));
        }
        let Venue::Away(away) = &self.broker else { return Err(CustodyError::NotAway) };
        let begins = !away.is_stated();
        let mut next = self.clone();
        let Heard { mut happenings, doubts } = next.hear(&self.news_in(statement), limits)?;
        if let Some(Doubt { order, why }) = doubts.into_iter().next() {
            return Ok(Err(StatementError::Contradiction { order, why }));
        }
        happenings.retain(|happening| !matches!(happening, Happening::Duplicate { .. }));
        let adjustments = match next.take_over(statement, begins) {
            Ok(adjustments) => adjustments,
            Err(refused) => return Ok(Err(refused)),
        };
        if !adjustments.is_empty() {
            happenings.push(Happening::Adjusted { adjustments: adjustments.clone() });
        }
        next.follow(statement, &adjustments, limits, &mut happenings)?;
        let equity = next.book().equity()?;
        next.last_equity = equity;
        if begins && !adjustments.is_empty() {
            next.halt.lift(equity);
        }
        *self = next;
        let is_material = is_material(&adjustments, equity, begins);
        Ok(Ok(Reconciled { happenings, adjustments, is_material }))
    }

    /// What is news in a statement: everything of orders that live here, and of those that ended what they
    /// have filled meanwhile. What is said of others is not ours, and cash and positions hold what it did.
    fn news_in(&self, statement: &Statement) -> Vec<Report> {
        let news = |stated: &StatedOrder| match self.orders.get(&stated.order) {
            Some(ours) if ours.is_live() => {
                let mut reports = stated.reports();
                // Its order was for less, as one that took the place of a partly filled one may be.
                if stated.state == StatedState::Filled && stated.filled < ours.intent.qty {
                    let (order, at) = (stated.order.clone(), stated.at);
                    reports.push(Report { order, at, said: Said::Canceled });
                }
                reports
            }
            Some(ours) if matches!(ours.status(), Status::Canceled | Status::Expired) => {
                let mut reports = stated.reports();
                reports.retain(|report| matches!(report.said, Said::Total { .. }));
                reports
            }
            _ => Vec::new(),
        };
        statement.orders.iter().flat_map(news).collect()
    }

    /// Whether the statement can be right, and is not older than what is known here.
    fn may_be_right(&self, statement: &Statement) -> Result<(), StatementError> {
        statement.check()?;
        let flying = self.in_flight();
        if flying.changes != statement.changes {
            return Err(StatementError::Stale);
        }
        for sent in flying.orders {
            let stated = statement.order(&sent.order);
            let Some(stated) = stated else {
                return Err(StatementError::Incomplete { order: sent.order });
            };
            let ours = self.orders.get(&sent.order);
            if ours.is_some_and(|ours| stated.filled < ours.filled()) {
                return Err(StatementError::Behind { order: sent.order });
            }
            if stated.filled.raw() > 0 && stated.average.is_none() {
                let why = "a fill without a price".to_owned();
                return Err(StatementError::Contradiction { order: sent.order, why });
            }
        }
        Ok(())
    }

    fn take_over(
        &mut self,
        statement: &Statement,
        begins: bool,
    ) -> Result<Vec<Adjustment>, StatementError> {
        let Venue::Away(away) = &mut self.broker else { return Ok(Vec::new()) };
        away.see(statement.at);
        away.state();
        for position in &statement.positions {
            away.list_held(position.symbol.clone(), position.class);
        }
        let adjustments = compare(away.book(), statement)?;
        if !adjustments.is_empty() {
            let book = adjusted(away.book(), statement, &adjustments, begins)?;
            away.replace_book(book);
        }
        Ok(adjustments)
    }

    /// Brings the broker's orders to what the account is now: stops, exits that wait, cancellations that
    /// may have been lost, and orders that came later than anybody waited for them.
    fn follow(
        &mut self,
        statement: &Statement,
        adjustments: &[Adjustment],
        limits: &Limits,
        happenings: &mut Vec<Happening>,
    ) -> Result<(), CustodyError> {
        let is_open =
            |order| statement.order(order).is_some_and(|stated| stated.state == StatedState::Open);
        if let Venue::Away(away) = &mut self.broker {
            let pending = self.orders.open().filter(|it| it.status() == Status::PendingCancel);
            for order in pending.filter(|it| is_open(&it.intent.client_order_id)) {
                away.ask_to_cancel(order);
            }
            // One that was given up and has arrived after all: nobody waits for it any more.
            let given_up = statement.orders.iter().filter(|it| it.state == StatedState::Open);
            for order in given_up.filter_map(|it| self.orders.get(&it.order)) {
                if order.status().is_final() {
                    away.ask_to_cancel(order);
                }
            }
        }
        for adjustment in adjustments {
            if let Adjustment::Position { symbol, .. } = adjustment
                && self.is_ours(symbol)
            {
                self.guard_adopted(symbol, limits)?;
            }
        }
        let held = self.book().positions().keys();
        let flying = self.orders.open().map(|order| &order.intent.symbol);
        let symbols: BTreeSet<Symbol> = held.chain(flying).cloned().collect();
        for symbol in symbols {
            self.tend(&symbol, limits, happenings)?;
        }
        Ok(())
    }

    /// Whether we trade the symbol. What somebody else holds in the same account is counted and left alone.
    fn is_ours(&self, symbol: &Symbol) -> bool {
        matches!(&self.broker, Venue::Away(away) if away.is_traded(symbol))
    }
}
