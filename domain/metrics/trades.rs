//! Metrics of closed trades, and what else only a run knows: fees, turnover, exposure.

use super::numerics::{float, is_constant, mean, sample_sd, sum};
use super::{Metric, Metrics, Reason};
use crate::book::Trade;
use crate::fixed::{FixedError, Money, notional};
use crate::ratio::Ratio;
use crate::time::Time;

/// What a closed round trip gives to the metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TradeStat {
    /// The result after both fees.
    pub pnl: Money,
    /// The size of the entry: price times quantity, positive for shorts too.
    pub entry_value: Money,
    /// When it was entered.
    pub entry_time: Time,
    /// When it was left.
    pub exit_time: Time,
}

impl TradeStat {
    /// The figures of a closed trade.
    ///
    /// # Errors
    /// When price times quantity is outside the range of [`Money`].
    pub fn of(trade: &Trade) -> Result<Self, FixedError> {
        Ok(Self {
            pnl: trade.pnl,
            entry_value: notional(trade.entry_price, trade.qty)?,
            entry_time: trade.entry_time,
            exit_time: trade.exit_time,
        })
    }
}

/// What a run did, beside its equity.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Activity<'a> {
    /// Closed trades in order of exit.
    pub trades: &'a [TradeStat],
    /// The sizes of all fills added up, entries and exits.
    pub traded_notional: Money,
    /// All fees, those of trades still open included.
    pub fees: Money,
    /// Bars in the run.
    pub bars: u64,
    /// Bars during which there was a position, from the entry's to the exit's inclusive.
    pub bars_exposed: u64,
}

/// A float that must be finite.
pub(super) fn finite(value: f64) -> Metric {
    Ratio::new(value).map_err(|_| Reason::OutOfRange)
}

/// Fills in the metrics of trades, fees and exposure. `mean_equity` and `years` are of the series.
pub(super) fn fill(into: &mut Metrics, activity: &Activity<'_>, mean_equity: f64, years: f64) {
    let trades = activity.trades;
    into.trades = finite(float(trades.len()));
    into.fees_paid = finite(activity.fees.to_f64());
    into.exposure_time = share(activity.bars_exposed, activity.bars);
    into.turnover = if years > 0.0 && mean_equity > 0.0 {
        finite(activity.traded_notional.to_f64() / mean_equity / years)
    } else {
        Err(Reason::TooFewObservations)
    };
    let pnl: Vec<f64> = trades.iter().map(|trade| trade.pnl.to_f64()).collect();
    results(into, &pnl);
    per_trade(into, trades);
}

/// A part of a whole, or why there is none.
fn share(part: u64, whole: u64) -> Metric {
    #[expect(clippy::cast_precision_loss, reason = "bars stay far below 2^53")]
    let share = part.min(whole) as f64 / whole as f64;
    if whole == 0 { Err(Reason::TooFewObservations) } else { finite(share) }
}

/// The metrics that need only the results in currency.
fn results(into: &mut Metrics, pnl: &[f64]) {
    let wins: Vec<f64> = pnl.iter().copied().filter(|&pnl| pnl > 0.0).collect();
    let losses: Vec<f64> = pnl.iter().copied().filter(|&pnl| pnl < 0.0).collect();
    let none = pnl.is_empty();
    let unless_none = |metric: Metric| if none { Err(Reason::NoTrades) } else { metric };

    let win_rate = float(wins.len()) / float(pnl.len());
    into.win_rate = unless_none(finite(win_rate));
    into.profit_factor = unless_none(if losses.is_empty() {
        Err(Reason::NoLosingTrade)
    } else {
        finite(sum(wins.iter().copied()) / -sum(losses.iter().copied()))
    });
    let payoff = if losses.is_empty() {
        Err(Reason::NoLosingTrade)
    } else if wins.is_empty() {
        Err(Reason::NoWinningTrade)
    } else {
        finite(mean(&wins) / -mean(&losses))
    };
    into.payoff_ratio = unless_none(payoff);
    into.kelly =
        unless_none(payoff.and_then(|payoff| finite(win_rate - (1.0 - win_rate) / payoff.get())));
    into.expectancy = unless_none(finite(mean(pnl)));
    into.sqn = unless_none(quality(pnl));
    let streak = |sign: f64| unless_none(finite(float(longest_run(pnl, sign))));
    into.max_consecutive_wins = streak(1.0);
    into.max_consecutive_losses = streak(-1.0);
}

/// The system quality number.
fn quality(pnl: &[f64]) -> Metric {
    let scale = pnl.iter().fold(0.0_f64, |scale, pnl| scale.max(pnl.abs()));
    if pnl.len() < 2 {
        Err(Reason::TooFewObservations)
    } else if is_constant(pnl, scale) {
        Err(Reason::ZeroVariance)
    } else {
        finite(float(pnl.len()).sqrt() * mean(pnl) / sample_sd(pnl))
    }
}

/// The most results in a row on one side of zero.
fn longest_run(pnl: &[f64], sign: f64) -> usize {
    let mut longest = 0;
    let mut run = 0;
    for pnl in pnl {
        run = if pnl * sign > 0.0 { run + 1 } else { 0 };
        longest = longest.max(run);
    }
    longest
}

/// The metrics of returns on entry value and of holding times.
fn per_trade(into: &mut Metrics, trades: &[TradeStat]) {
    let returns: Vec<f64> =
        trades.iter().map(|trade| trade.pnl.to_f64() / trade.entry_value.to_f64().abs()).collect();
    let seconds: Vec<f64> =
        trades.iter().map(|trade| trade.exit_time.since(trade.entry_time).as_secs_f64()).collect();
    let of = |value: f64| if trades.is_empty() { Err(Reason::NoTrades) } else { finite(value) };
    into.avg_trade = of(mean(&returns));
    into.best_trade = of(returns.iter().copied().fold(f64::NEG_INFINITY, f64::max));
    into.worst_trade = of(returns.iter().copied().fold(f64::INFINITY, f64::min));
    into.avg_trade_duration_s = of(mean(&seconds));
}
