//! The account as a decision and an adviser on exits see it.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{Custody, CustodyError, PositionEvent, PositionNews};
use crate::account::{Account, Holding, OpenOrder};
use crate::brief::trading::OpenPosition;
use crate::fixed::{Price, Qty};
use crate::market::symbol::{AssetClass, Symbol};
use crate::market::tape::{Instrument, Tick};
use crate::order::{Purpose, Side};
use crate::ratio::Ratio;
use crate::risk::DailyReturns;
use crate::signal::Direction;
use crate::time::Time;
use crate::watch::{MarketSnapshot, Pulse, SymbolSnapshot};

/// Probability from which a regime counts as turned.
const REGIME_TURNED: f64 = 0.60;
/// Gain in units of risk from which a turn of momentum is news.
const GAIN_R: f64 = 3.0;
/// Bars after which a position that has not gained is news, and again after as many.
const STALLED_BARS: u32 = 20;
/// Gain in units of risk below which a position has gone nowhere.
const STALLED_R: f64 = 0.5;

/// What was raised already for the position that was opened at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Noticed {
    opened_at: Time,
    regime_turned: bool,
    gain_at_risk: bool,
    stalled_at_bars: u32,
}

impl Noticed {
    const fn of(opened_at: Time) -> Self {
        Self { opened_at, regime_turned: false, gain_at_risk: false, stalled_at_bars: 0 }
    }
}

impl Custody {
    /// The account at this moment, with the market's figures of the same moment.
    ///
    /// # Errors
    /// On overflow.
    pub fn account(
        &self,
        instruments: &[Instrument],
        market: &MarketSnapshot,
    ) -> Result<Account, CustodyError> {
        let book = self.book();
        let figures = |symbol: &Symbol| {
            let index = instruments.iter().position(|of| &of.symbol == symbol);
            index.and_then(|index| market.symbols.get(index))
        };
        let holdings = book.positions().iter().map(|(symbol, position)| {
            let stop = self.stop(symbol);
            let class = self.class_of(symbol).unwrap_or_default();
            holding(symbol, class, position.signed_qty(), position.mark, figures(symbol), stop)
        });
        let entries = self.resting().filter(|(order, _)| order.purpose == Purpose::Entry);
        let pending = entries.map(|(order, left)| {
            let qty = if order.side == Side::Sell { left.negated() } else { left };
            let class = self.class_of(&order.symbol).unwrap_or_default();
            holding(&order.symbol, class, qty, order.reference, figures(&order.symbol), None)
        });
        let open_orders = self.resting().map(|(order, _)| OpenOrder {
            symbol: order.symbol.clone(),
            is_exit: matches!(order.purpose, Purpose::Exit { .. }),
        });
        Ok(Account {
            equity: book.equity()?,
            cash: book.cash(),
            peak_equity: self.halt.peak(),
            daily_pnl_pct: self.daily_pnl_pct(),
            holdings: holdings.collect(),
            pending: pending.collect(),
            open_orders: open_orders.collect(),
        })
    }

    /// Where the stop of a position stands now.
    pub fn stop(&self, symbol: &Symbol) -> Option<Price> {
        self.guards.of(symbol).map(|guard| guard.stop(self.guards.rules()).0)
    }

    /// The position in a symbol as the agents see it.
    pub fn open_position(&self, symbol: &Symbol) -> Option<OpenPosition> {
        let position = self.book().position(symbol)?;
        let entry_price = position.entry_price().ok()?;
        let gained = position.mark.to_f64() / entry_price.to_f64() - 1.0;
        let risk = self.guards.of(symbol).map(|guard| guard.plan().stop_distance.get());
        let r_multiple = risk
            .filter(|risk| *risk > 0.0)
            .map(|risk| Ratio::or_zero(position.direction.sign() * gained / risk));
        Some(OpenPosition {
            direction: position.direction,
            qty: position.qty,
            entry_price,
            r_multiple: r_multiple.unwrap_or(Ratio::ZERO),
            bars_held: position.bars_held,
        })
    }

    /// Finds what an adviser on exits should hear of; each thing once.
    pub(super) fn notice(
        &mut self,
        instruments: &[Instrument],
        ticks: &[Tick],
        pulses: &[Pulse],
        events: &mut Vec<PositionEvent>,
    ) {
        for (tick, pulse) in ticks.iter().zip(pulses) {
            let Some(of) = instruments.get(usize::from(tick.instrument)) else { continue };
            let Some(position) = self.open_position(&of.symbol) else {
                self.noticed.remove(&of.symbol);
                continue;
            };
            if self.leaving(&of.symbol).next().is_some() || self.is_leaving_away(&of.symbol) {
                continue;
            }
            let opened_at = self.book().position(&of.symbol).map_or(self.now, |p| p.opened_at);
            let noticed = self.noticed.entry(of.symbol.clone()).or_insert(Noticed::of(opened_at));
            if noticed.opened_at != opened_at {
                *noticed = Noticed::of(opened_at);
            }
            if let Some(news) = news(noticed, &position, pulse) {
                let symbol = of.symbol.clone();
                events.push(PositionEvent { symbol, news, at: self.now, position, pulse: *pulse });
            }
        }
    }
}

fn holding(
    symbol: &Symbol,
    class: AssetClass,
    qty: Qty,
    price: Price,
    figures: Option<&SymbolSnapshot>,
    stop: Option<Price>,
) -> Holding {
    let returns = figures.map(|figures| Arc::clone(&figures.returns));
    Holding {
        symbol: symbol.clone(),
        class,
        qty,
        price,
        stop,
        atr_pct: figures.and_then(|figures| figures.atr_pct),
        returns: returns.unwrap_or_else(|| Arc::new(DailyReturns::default())),
    }
}

/// The first thing that is new about a position at this bar.
fn news(noticed: &mut Noticed, position: &OpenPosition, pulse: &Pulse) -> Option<PositionNews> {
    let regime = &pulse.regime;
    let against = match position.direction {
        Direction::Long => regime.bear.get() + regime.crash.get(),
        Direction::Short => regime.bull.get(),
    };
    let is_turned = against > REGIME_TURNED;
    let was_turned = std::mem::replace(&mut noticed.regime_turned, is_turned);
    let momentum = pulse.features.ret_5.map_or(0.0, Ratio::get) * position.direction.sign();
    let at_risk = position.r_multiple.get() >= GAIN_R && momentum <= 0.0;
    noticed.gain_at_risk &= at_risk;
    let waited = position.bars_held >= noticed.stalled_at_bars + STALLED_BARS;
    if is_turned && !was_turned {
        return Some(PositionNews::RegimeTurned);
    }
    // Noted only once it is told: two things at one bar are told at two.
    if at_risk && !noticed.gain_at_risk {
        noticed.gain_at_risk = true;
        return Some(PositionNews::GainAtRisk);
    }
    if waited {
        noticed.stalled_at_bars = position.bars_held;
        return (position.r_multiple.get() < STALLED_R).then_some(PositionNews::Stalled);
    }
    None
}
