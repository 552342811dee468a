//! The account and the market as a decision sees them: plain snapshots, borrowed, without a clock.
//!
//! Whoever keeps the books converts them into these once per decision; return windows are shared
//! behind an [`Arc`], so that a snapshot copies no history.
//!
//! A short position binds its proceeds and as much again as collateral, so that free cash is what
//! is left of equity after every position is paid in full: there is no leverage on either side.

use std::sync::Arc;
use std::time::Duration;

use crate::brief::trading::{OpenPosition, Session, TradingState};
use crate::fixed::{Money, Price, Qty};
use crate::limits::RiskLimits;
use crate::market::symbol::{AssetClass, Symbol};
use crate::protections::Protections;
use crate::ratio::Ratio;
use crate::risk::DailyReturns;
use crate::signal::{Direction, Signal};
use crate::strategy::SourceRecord;
use crate::time::Time;

/// What a share of an equity that is gone counts as: far above every limit.
const RUIN: f64 = 1e6;

/// One position, or one entry order that has not filled yet.
#[derive(Clone, Debug, PartialEq)]
pub struct Holding {
    /// The symbol.
    pub symbol: Symbol,
    /// What kind of thing it is.
    pub class: AssetClass,
    /// How much; negative is short.
    pub qty: Qty,
    /// The last price.
    pub price: Price,
    /// Where its stop stands, if it has one.
    pub stop: Option<Price>,
    /// Average true range over 14 bars, fraction of the price.
    pub atr_pct: Option<Ratio>,
    /// The symbol's daily returns.
    pub returns: Arc<DailyReturns>,
}

impl Holding {
    /// Long or short.
    pub fn direction(&self) -> Direction {
        if self.qty < Qty::ZERO { Direction::Short } else { Direction::Long }
    }

    /// Its value with the sign of its direction; for shares of equity, never for bookkeeping.
    pub(crate) fn signed_value(&self) -> f64 {
        self.price.to_f64() * self.qty.to_f64()
    }
}

/// An order that waits at the broker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenOrder {
    /// Its symbol.
    pub symbol: Symbol,
    /// Whether it can only shrink a position.
    pub is_exit: bool,
}

/// The account at one moment.
#[derive(Clone, Debug, PartialEq)]
pub struct Account {
    /// Cash plus positions at the last prices, unrealised profit included.
    pub equity: Money,
    /// The ledger's cash, proceeds of short sales included.
    pub cash: Money,
    /// The equity that drawdown is measured from: [`crate::protections::HaltRule::peak`].
    pub peak_equity: Money,
    /// Profit or loss of the present session, fraction of its opening equity.
    pub daily_pnl_pct: Ratio,
    /// The positions.
    pub holdings: Vec<Holding>,
    /// Entry orders that have not filled yet, as the positions that they would become.
    pub pending: Vec<Holding>,
    /// All orders that wait at the broker, entries and exits.
    pub open_orders: Vec<OpenOrder>,
}

/// How much of the equity is in use, fractions of equity.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Usage {
    /// The size of the position in the symbol that is asked about, pending entries included.
    pub symbol: Ratio,
    /// The sum of the sizes of all positions and pending entries, long and short alike.
    pub exposure: Ratio,
    /// Cash that is bound by no short position and no pending entry.
    pub free_cash: Ratio,
    /// The size of all positions and pending entries in coins.
    pub crypto: Ratio,
}

impl Usage {
    /// The usage after `share` of equity more is put into the symbol.
    #[must_use]
    pub(crate) fn plus(self, share: f64, class: AssetClass) -> Self {
        let coins = if class == AssetClass::Crypto { share } else { 0.0 };
        Self {
            symbol: Ratio::or_zero(self.symbol.get() + share),
            exposure: Ratio::or_zero(self.exposure.get() + share),
            free_cash: Ratio::or_zero(self.free_cash.get() - share),
            crypto: Ratio::or_zero(self.crypto.get() + coins),
        }
    }

    /// Whether every cap holds. Position and coins may reach their limit, exposure must stay below
    /// it, cash may fall to its buffer: as the guardian judges it.
    pub(crate) fn is_within(&self, class: AssetClass, risk: &RiskLimits) -> bool {
        self.symbol <= risk.position_max
            && self.exposure < risk.exposure_max
            && self.free_cash >= risk.cash_min
            && (class == AssetClass::Equity || self.crypto <= risk.crypto_max)
    }
}

/// Fall of `equity` from `peak`, 0 to 1; all of it when there is nothing left or never was.
///
/// The fall is taken in fixed point before it is divided, so that a tenth is exactly a tenth.
pub(crate) fn drawdown(equity: Money, peak: Money) -> Ratio {
    if equity <= Money::ZERO || peak <= Money::ZERO {
        return Ratio::ONE;
    }
    let fall = Money::from_raw(peak.raw().saturating_sub(equity.raw()));
    Ratio::within_unit(fall.to_f64() / peak.to_f64())
}

impl Account {
    /// Fall of equity from its peak, 0 to 1; all of it when there is nothing left or never was.
    pub fn drawdown(&self) -> Ratio {
        drawdown(self.equity, self.peak_equity)
    }

    /// The position in a symbol, if there is one.
    pub fn holding(&self, symbol: &Symbol) -> Option<&Holding> {
        self.holdings.iter().find(|holding| &holding.symbol == symbol && !holding.qty.is_zero())
    }

    /// Whether an entry in `direction` turns an open position round. Its exit half goes first and
    /// is never blocked; its entry half is a critical action.
    pub fn is_reversal(&self, symbol: &Symbol, direction: Direction) -> bool {
        self.holding(symbol).is_some_and(|holding| holding.direction() != direction)
    }

    /// An amount as a share of equity; far above every limit when there is no equity.
    pub(crate) fn share(&self, value: f64) -> f64 {
        if self.equity > Money::ZERO {
            value / self.equity.to_f64()
        } else if value > 0.0 {
            RUIN
        } else {
            0.0
        }
    }

    /// The positions that stay when `symbol` is entered in `direction`, and the pending entries:
    /// all but the one that the entry turns round.
    pub(crate) fn staying(
        &self,
        symbol: &Symbol,
        direction: Direction,
    ) -> impl Iterator<Item = &Holding> {
        let leaves =
            move |holding: &&Holding| &holding.symbol == symbol && holding.direction() != direction;
        let held = self.holdings.iter().filter(move |holding| !leaves(holding));
        held.chain(&self.pending).filter(|holding| !holding.qty.is_zero())
    }

    /// How much of the equity is in use when `symbol` is entered in `direction`, before that entry
    /// and after the exit half of a reversal.
    pub fn usage(&self, symbol: &Symbol, direction: Direction) -> Usage {
        let (mut of_symbol, mut gross, mut coins) = (0.0, 0.0, 0.0);
        for holding in self.staying(symbol, direction) {
            let value = holding.signed_value().abs();
            gross += value;
            of_symbol += if &holding.symbol == symbol { value } else { 0.0 };
            coins += if holding.class == AssetClass::Crypto { value } else { 0.0 };
        }
        let mut free = self.cash.to_f64();
        for holding in self.holdings.iter().filter(|holding| !holding.qty.is_zero()) {
            let value = holding.signed_value();
            let leaves = &holding.symbol == symbol && holding.direction() != direction;
            // A position that leaves pays its value back; a short that stays binds it twice.
            free += if leaves { value } else { 2.0 * value.min(0.0) };
        }
        free -= self.pending.iter().map(|entry| entry.signed_value().abs()).sum::<f64>();
        let share = |value: f64| Ratio::or_zero(self.share(value));
        Usage {
            symbol: share(of_symbol),
            exposure: share(gross),
            free_cash: share(free),
            crypto: share(coins),
        }
    }
}

/// The market around the candidate's symbol at one moment.
#[derive(Clone, Debug, PartialEq)]
pub struct Market {
    /// Volatility level of the index or the universe, annualised, percent; `None` while unknown.
    pub vix_level: Option<Ratio>,
    /// Where the symbol's market stands in its day. A decision at a bar's close belongs to the
    /// session that closes with it.
    pub session: Session,
    /// What the council's trading state permits.
    pub trading_state: TradingState,
    /// How long ago the symbol's last bar closed.
    pub last_bar_age: Duration,
    /// The market time of the decision.
    pub now: Time,
}

/// A signal that asks for an entry, with what the caller knows about its source and its symbol.
#[derive(Clone, Debug)]
pub struct Candidate<'a> {
    /// The signal.
    pub signal: &'a Signal,
    /// What kind of thing its symbol is: from the table of assets, never from the name.
    pub class: AssetClass,
    /// Share of the source's calls on this symbol that were right so far, shrunken to one half.
    pub hit_rate: Ratio,
    /// How well the source has called lately.
    pub record: SourceRecord,
    /// How many actions the policy chooses from; `None` for a strategy.
    pub actions: Option<u32>,
    /// The share of the size that the policy's action asks for; `None` for a strategy.
    pub bucket: Option<Ratio>,
    /// The symbol's daily returns.
    pub returns: Arc<DailyReturns>,
    /// The present position in the symbol, as the agents shall see it.
    pub open_position: Option<OpenPosition>,
}

/// What a decision looks at.
#[derive(Clone, Copy, Debug)]
pub struct View<'a> {
    /// The account. For a reversal: as it is before the exit half.
    pub account: &'a Account,
    /// Cooldowns, streaks, day trades.
    pub protections: &'a Protections,
    /// The market.
    pub market: &'a Market,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{account, holding, symbol};

    #[track_caller]
    fn check(account: &Account, direction: Direction, expected: [f64; 4]) {
        let usage = account.usage(&symbol("AAPL"), direction);
        let got = [usage.symbol, usage.exposure, usage.free_cash, usage.crypto].map(Ratio::get);
        for (got, expected) in got.into_iter().zip(expected) {
            assert!((got - expected).abs() < 1e-12, "{usage:?}, expected {expected}");
        }
    }

    #[test]
    fn usage_counts_longs_shorts_coins_and_pending_entries() {
        let mut book = account(100_000);
        check(&book, Direction::Long, [0.0, 0.0, 1.0, 0.0]);
        book.holdings = vec![holding("AAPL", 100, 100)];
        book.cash = Money::from_units(90_000).unwrap();
        check(&book, Direction::Long, [0.10, 0.10, 0.90, 0.0]);
        book.holdings.push(holding("MSFT", -100, 200));
        book.cash = Money::from_units(110_000).unwrap();
        check(&book, Direction::Long, [0.10, 0.30, 0.70, 0.0]);
        book.pending = vec![Holding { class: AssetClass::Crypto, ..holding("BTC/USD", 1, 5_000) }];
        check(&book, Direction::Long, [0.10, 0.35, 0.65, 0.05]);
        book.pending.push(holding("IBM", -50, 100));
        check(&book, Direction::Long, [0.10, 0.40, 0.60, 0.05]);
    }

    #[test]
    fn a_reversal_is_seen_after_its_exit_half() {
        let mut book = account(100_000);
        book.holdings = vec![holding("AAPL", 100, 100)];
        book.cash = Money::from_units(90_000).unwrap();
        assert!(book.is_reversal(&symbol("AAPL"), Direction::Short));
        assert!(!book.is_reversal(&symbol("AAPL"), Direction::Long));
        assert!(!book.is_reversal(&symbol("MSFT"), Direction::Short));
        check(&book, Direction::Short, [0.0, 0.0, 1.0, 0.0]);
        book.holdings = vec![holding("AAPL", -100, 100)];
        book.cash = Money::from_units(110_000).unwrap();
        check(&book, Direction::Long, [0.0, 0.0, 1.0, 0.0]);
        check(&book, Direction::Short, [0.10, 0.10, 0.90, 0.0]);
    }

    #[test]
    fn drawdown_is_a_share_of_the_peak_and_ruin_is_all_of_it() {
        for (equity, peak, drawdown) in
            [(90, 100, 0.10), (100, 100, 0.0), (110, 100, 0.0), (0, 100, 1.0), (-5, 100, 1.0)]
        {
            let mut book = account(equity);
            book.peak_equity = Money::from_units(peak).unwrap();
            assert!((book.drawdown().get() - drawdown).abs() < 1e-12, "{equity} of {peak}");
        }
    }
}
