//! When a position is left: stop, take-profit, break-even, trailing, time, and what is said from
//! outside. Pure: a closed bar and a position in, at most one exit out.
//!
//! # Invariants
//!
//! - O-4: exits are never blocked by agents: nothing here asks anybody, and an exit that was found
//!   stays due at every bar, once a bar, until the position is gone, whatever became of its order.
//!
//! The path within a bar is not known: levels are those that stood before the bar, the stop is looked
//! at before the target, and break-even and trailing move after the bar.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::book::{Book, Position, Trade};
use crate::fixed::Price;
use crate::market::bar::Bar;
use crate::market::symbol::Symbol;
use crate::order::{
    ClientOrderId, DecisionId, ExitPlan, ExitReason, OrderIntent, OrderKind, Purpose, Side,
    TimeInForce,
};
use crate::ratio::Ratio;
use crate::signal::Direction;
use crate::time::Time;

/// When exits act by themselves. Fractions of the entry price.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ExitRules {
    /// Gain from which the stop stands at the entry price.
    pub break_even_at: Ratio,
    /// Distance of the trailing stop from the best price; it begins once the gain is as large.
    pub trailing: Ratio,
    /// Bars after which a position leaves that has not gained `break_even_at`.
    pub time_stop_bars: u32,
}

impl Default for ExitRules {
    fn default() -> Self {
        let (break_even_at, trailing) = (Ratio::of(0.02), Ratio::of(0.05));
        Self { break_even_at, trailing, time_stop_bars: 60 }
    }
}

/// An exit that is due.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Exit {
    /// Why.
    pub reason: ExitReason,
    /// How: a stop or a limit at the level that was reached, or a market order.
    pub kind: OrderKind,
}

/// What guards one position.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Protection {
    direction: Direction,
    entry: Price,
    plan: ExitPlan,
    /// The best price since the entry, of bars that are over.
    best: Price,
    /// An exit that was found and has not gone through.
    due: Option<ExitReason>,
}

impl Protection {
    /// Guards a position that was entered at `entry`.
    pub const fn new(direction: Direction, entry: Price, plan: ExitPlan) -> Self {
        Self { direction, entry, plan, best: entry, due: None }
    }

    /// The direction of the position that it guards.
    pub const fn direction(&self) -> Direction {
        self.direction
    }

    /// Where its exits were planned to stand.
    pub const fn plan(&self) -> ExitPlan {
        self.plan
    }

    /// The stop that stands now and why: the tightest of the plan's, break-even and trailing.
    pub fn stop(&self, rules: &ExitRules) -> (Price, ExitReason) {
        let mut tightest = (self.off(self.entry, -self.plan.stop_distance.get()), ExitReason::Stop);
        let gained = self.gain(self.best);
        let others = [
            (rules.break_even_at, self.entry, ExitReason::BreakEven),
            (rules.trailing, self.off(self.best, -rules.trailing.get()), ExitReason::TrailingStop),
        ];
        for (from, level, reason) in others {
            if from.get() <= gained && self.is_better(level, tightest.0) {
                tightest = (level, reason);
            }
        }
        tightest
    }

    /// Where profit is taken.
    pub fn target(&self) -> Price {
        self.off(self.entry, self.plan.target_distance.get())
    }

    /// Plays a closed bar. `position` is the position after the broker had the bar; `said` is a
    /// reason to leave that comes from outside, looked at after what happened within the bar.
    pub fn on_bar(
        &mut self,
        rules: &ExitRules,
        bar: &Bar,
        position: &Position,
        said: Option<ExitReason>,
    ) -> Option<Exit> {
        let market = |reason| Exit { reason, kind: OrderKind::Market };
        let found = self
            .due
            .map(market)
            .or_else(|| self.within(rules, bar, position))
            .or_else(|| said.map(market))
            .or_else(|| self.too_long(rules, bar, position).then(|| market(ExitReason::TimeStop)));
        self.due = found.map(|exit| exit.reason);
        let entered_within = bar.open_time < position.opened_at;
        let best = match self.direction {
            _ if entered_within => bar.close,
            Direction::Long => bar.high,
            Direction::Short => bar.low,
        };
        if self.is_better(best, self.best) {
            self.best = best;
        }
        found
    }

    /// What the bar reached.
    fn within(&self, rules: &ExitRules, bar: &Bar, position: &Position) -> Option<Exit> {
        let (worst, best) = match self.direction {
            Direction::Long => (bar.low, bar.high),
            Direction::Short => (bar.high, bar.low),
        };
        let (stop, reason) = self.stop(rules);
        if worst == stop || self.is_better(stop, worst) {
            return Some(Exit { reason, kind: OrderKind::Stop { stop } });
        }
        // The best price of the bar may lie before an entry within it.
        let entered_within = bar.open_time < position.opened_at;
        let limit = self.target();
        if !entered_within && (best == limit || self.is_better(best, limit)) {
            return Some(Exit { reason: ExitReason::TakeProfit, kind: OrderKind::Limit { limit } });
        }
        None
    }

    fn too_long(&self, rules: &ExitRules, bar: &Bar, position: &Position) -> bool {
        rules.time_stop_bars <= position.bars_held
            && self.gain(bar.close) < rules.break_even_at.get()
    }

    /// A price moved by a fraction in the position's direction.
    fn off(&self, price: Price, by: f64) -> Price {
        let factor = Ratio::or_zero(self.direction.sign().mul_add(by, 1.0).max(0.0));
        price.scaled(factor).unwrap_or(Price::from_raw(i64::MAX)).max(Price::from_raw(1))
    }

    /// Gain of a price over the entry, fraction, negative for a loss.
    fn gain(&self, price: Price) -> f64 {
        self.direction.sign() * (price.to_f64() / self.entry.to_f64() - 1.0)
    }

    fn is_better(&self, price: Price, than: Price) -> bool {
        match self.direction {
            Direction::Long => than < price,
            Direction::Short => price < than,
        }
    }
}

/// What guards all positions of a book.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Protections {
    rules: ExitRules,
    by_symbol: BTreeMap<Symbol, Protection>,
}

impl Protections {
    /// Guards nothing yet.
    pub const fn new(rules: ExitRules) -> Self {
        Self { rules, by_symbol: BTreeMap::new() }
    }

    /// The rules.
    pub const fn rules(&self) -> &ExitRules {
        &self.rules
    }

    /// What guards a symbol's position.
    pub fn of(&self, symbol: &Symbol) -> Option<&Protection> {
        self.by_symbol.get(symbol)
    }

    /// Guards a position by the plan of the entry that opened it or added to it.
    ///
    /// # Errors
    /// When the mean entry price is out of range.
    pub fn guard(
        &mut self,
        symbol: &Symbol,
        position: &Position,
        plan: ExitPlan,
    ) -> Result<(), crate::fixed::FixedError> {
        let entry = position.entry_price()?;
        let protection = Protection::new(position.direction, entry, plan);
        self.by_symbol.insert(symbol.clone(), protection);
        Ok(())
    }

    /// Plays a closed bar after the broker had it: the exit order that is due for the symbol, at most
    /// one a bar. Whoever sends it first cancels an exit of an earlier bar that still rests. What
    /// guards nothing any more is forgotten.
    pub fn on_bar(
        &mut self,
        symbol: &Symbol,
        bar: &Bar,
        book: &Book,
        said: Option<ExitReason>,
    ) -> Option<OrderIntent> {
        let Some(position) = book.position(symbol) else {
            self.by_symbol.remove(symbol);
            return None;
        };
        let guard = self.by_symbol.get_mut(symbol);
        let guard = guard.filter(|guard| guard.direction == position.direction);
        let exit = match guard {
            Some(guard) => guard.on_bar(&self.rules, bar, position, said),
            None => said.map(|reason| Exit { reason, kind: OrderKind::Market }),
        }?;
        Some(exit_intent(symbol, position, exit, bar))
    }
}

/// The order that carries an exit out: all of the position, until canceled.
pub fn exit_intent(symbol: &Symbol, position: &Position, exit: Exit, bar: &Bar) -> OrderIntent {
    exit_at(symbol, position, exit, bar.close_time, bar.close)
}

/// [`exit_intent`] between two bars, at a time and with the last price that is known.
pub fn exit_at(
    symbol: &Symbol,
    position: &Position,
    exit: Exit,
    at: Time,
    reference: Price,
) -> OrderIntent {
    let decision = DecisionId::new(symbol, at, exit.reason.name());
    let side = Side::closing(position.direction);
    OrderIntent {
        client_order_id: ClientOrderId::derive(&decision, side, 0),
        decision,
        symbol: symbol.clone(),
        side,
        qty: position.qty,
        kind: exit.kind,
        time_in_force: TimeInForce::Gtc,
        extended_hours: false,
        purpose: Purpose::Exit { reason: exit.reason },
        at,
        reference,
        exits: None,
    }
}

/// What became of the prediction that opened a position.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Outcome {
    /// Whether the price went the predicted way, fees apart.
    pub hit: bool,
    /// The price's move in the predicted direction, fraction.
    pub gain: Ratio,
}

impl Outcome {
    /// The outcome that a closed trade shows.
    pub fn of(trade: &Trade) -> Self {
        let moved = trade.exit_price.to_f64() / trade.entry_price.to_f64() - 1.0;
        let hit = match trade.direction {
            Direction::Long => trade.entry_price < trade.exit_price,
            Direction::Short => trade.exit_price < trade.entry_price,
        };
        Self { hit, gain: Ratio::or_zero(trade.direction.sign() * moved) }
    }
}

#[cfg(test)]
mod tests;
