//! How well a series of equity or prices, and the trades behind it, did.
//!
//! The formulas are those of empyrical and quantstats where these agree, and each is stated at its
//! metric; what is undefined is absent with its [`Reason`], never a number, because a number would
//! be sorted to the top of some table. No NaN and no infinity leaves this module. Sums are
//! compensated and in the order of the series, so equal input gives equal bits.
//!
//! Ratios are annualised by the number of periods, never by wall-clock gaps, and printed with their
//! [`Basis`]. An account's intraday curve is sampled at session closes first ([`session_closes`]),
//! so that a Sharpe ratio does not depend on the size of a bar; drawdowns use every point.

use std::fmt;

use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};

use crate::market::bar::Timeframe;
use crate::market::symbol::AssetClass;
use crate::ratio::Ratio;

mod compute;
pub(crate) mod numerics;
mod series;
mod text;
mod trades;

#[cfg(test)]
mod tests;

pub use compute::{Curve, Input, MetricsError, session_closes};
pub use trades::{Activity, TradeStat};

/// Why a metric has no value. The word stands in `reasons`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, thiserror::Error)]
pub enum Reason {
    /// It takes more returns, or more trades, than there are.
    #[error("too_few_observations")]
    TooFewObservations,
    /// All returns, or all results, are the same number.
    #[error("zero_variance")]
    ZeroVariance,
    /// No period lost anything.
    #[error("no_downside")]
    NoDownside,
    /// The series never fell below its peak.
    #[error("no_drawdown")]
    NoDrawdown,
    /// No trade was closed.
    #[error("no_trades")]
    NoTrades,
    /// No trade gained.
    #[error("no_winning_trade")]
    NoWinningTrade,
    /// No trade lost.
    #[error("no_losing_trade")]
    NoLosingTrade,
    /// There is no benchmark to compare with.
    #[error("no_benchmark")]
    NoBenchmark,
    /// The series has no times.
    #[error("no_times")]
    NoTimes,
    /// The series stands alone: nothing is known of trades, fees or exposure.
    #[error("no_trade_record")]
    NoTradeRecord,
    /// The result is beyond what a float holds.
    #[error("out_of_range")]
    OutOfRange,
}

/// A number, or why there is none.
pub type Metric = Result<Ratio, Reason>;

/// The unit of a metric, which says how it is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A fraction; percent in text.
    Fraction,
    /// A pure number.
    Number,
    /// An amount of the account's currency.
    Money,
    /// A whole number of things.
    Count,
    /// Seconds; days and hours in text.
    Seconds,
}

/// One metric with what is needed to show it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Shown {
    /// The name in JSON: `max_drawdown`.
    pub key: &'static str,
    /// The name for people: `Max Drawdown`.
    pub title: &'static str,
    /// Its unit.
    pub kind: Kind,
    /// Whether it depends on [`Basis`], which then stands beside it.
    pub on_basis: bool,
    /// The number, or why there is none.
    pub metric: Metric,
}

macro_rules! metrics {
    ($($(#[$doc:meta])* $key:ident, $title:literal, $kind:ident, $on_basis:literal;)*) => {
        /// Every metric of a run or a series. Losses are negative, the value at risk too.
        #[derive(Clone, Debug, PartialEq)]
        pub struct Metrics {
            $($(#[$doc])* pub $key: Metric,)*
            /// What the ratios stand on.
            pub basis: Basis,
            /// Whether the series fell to zero or below; it ends there at −100 %.
            pub ruined: bool,
        }

        impl Metrics {
            /// The names in JSON, in order.
            pub const KEYS: &'static [&'static str] = &[$(stringify!($key),)*];

            /// Every metric in the order of [`Self::KEYS`].
            pub fn shown(&self) -> Vec<Shown> {
                vec![$(Shown {
                    key: stringify!($key),
                    title: $title,
                    kind: Kind::$kind,
                    on_basis: $on_basis,
                    metric: self.$key,
                },)*]
            }

            /// Nothing known, all for this reason.
            fn unknown(basis: Basis, reason: Reason) -> Self {
                Self { $($key: Err(reason),)* basis, ruined: false }
            }
        }
    };
}

metrics! {
    /// `W − 1`, where `W` is the last value over the first.
    total_return, "Total Return", Fraction, false;
    /// `W^(P/n) − 1`: by the count of periods, not by the calendar.
    cagr, "CAGR", Fraction, true;
    /// Sample deviation of returns times `√P`.
    annual_volatility, "Annual Volatility", Fraction, true;
    /// `mean(r − f) / sd(r − f) · √P`.
    sharpe, "Sharpe Ratio", Number, true;
    /// `mean(r − f) / √(Σ min(r − f, 0)² / n) · √P`; n counts all periods.
    sortino, "Sortino Ratio", Number, true;
    /// CAGR over the size of the maximum drawdown.
    calmar, "Calmar Ratio", Number, true;
    /// The deepest fall from a former peak, −1 to 0; the first value is a peak.
    max_drawdown, "Max Drawdown", Fraction, false;
    /// The longest time from a peak until it is reached again, or until the end.
    max_drawdown_duration_s, "Max Drawdown Duration", Seconds, false;
    /// Mean of the deepest points of all drawdowns, each from its peak until its recovery.
    avg_drawdown, "Avg Drawdown", Fraction, false;
    /// Sum of gains over sum of losses of the periods, threshold 0.
    omega, "Omega Ratio", Number, false;
    /// `√(Σ drawdown² / (n − 1))`.
    ulcer_index, "Ulcer Index", Number, false;
    /// The 5th percentile of the period's returns, historical, linear; negative for a loss.
    value_at_risk_95, "Value at Risk 95 %", Fraction, false;
    /// Mean of the `⌊0.05·(n − 1)⌋ + 1` smallest returns.
    cvar_95, "CVaR 95 %", Fraction, false;
    /// Skewness of the returns, corrected for bias.
    skew, "Skew", Number, false;
    /// Excess kurtosis of the returns, corrected for bias.
    kurtosis, "Kurtosis", Number, false;
    /// 95th percentile over 5th, without sign.
    tail_ratio, "Tail Ratio", Number, false;
    /// `(1 + mean((r − f) − beta·(b − f)))^P − 1`, as empyrical annualises it.
    alpha, "Alpha", Fraction, true;
    /// Covariance with the benchmark over the benchmark's variance.
    beta, "Beta", Number, false;
    /// `mean(r − b) / sd(r − b)`, not annualised.
    information_ratio, "Information Ratio", Number, false;
    /// Bars with a position over all bars.
    exposure_time, "Exposure Time", Fraction, false;
    /// Traded notional over mean equity over years; years are `n / P`.
    turnover, "Turnover", Number, true;
    /// Closed trades: round trips.
    trades, "Trades", Count, false;
    /// Trades that gained over all trades; a result of zero is not won.
    win_rate, "Win Rate", Fraction, false;
    /// Sum of gains over sum of losses, in currency.
    profit_factor, "Profit Factor", Number, false;
    /// Mean gain over mean loss, in currency.
    payoff_ratio, "Payoff Ratio", Number, false;
    /// Mean result of a trade, in currency.
    expectancy, "Expectancy", Money, false;
    /// System quality number: `√N · mean(result) / sd(result)`.
    sqn, "SQN", Number, false;
    /// `win rate − (1 − win rate) / payoff ratio`.
    kelly, "Kelly", Fraction, false;
    /// Mean of result over entry value.
    avg_trade, "Avg Trade", Fraction, false;
    /// Best result over entry value.
    best_trade, "Best Trade", Fraction, false;
    /// Worst result over entry value.
    worst_trade, "Worst Trade", Fraction, false;
    /// Mean time from entry to exit.
    avg_trade_duration_s, "Avg Trade Duration", Seconds, false;
    /// Most trades in a row that gained, in order of exit.
    max_consecutive_wins, "Max Consecutive Wins", Count, false;
    /// Most trades in a row that lost, in order of exit; a result of zero ends both kinds of run.
    max_consecutive_losses, "Max Consecutive Losses", Count, false;
    /// All fees.
    fees_paid, "Fees Paid", Money, false;
    /// The first value.
    start_equity, "Start Equity", Money, false;
    /// The last value, or the one that ruined the account.
    end_equity, "End Equity", Money, false;
    /// The benchmark's last value over its first, less one.
    benchmark_return, "Benchmark Return", Fraction, false;
}

/// Where the observations come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sampling {
    /// Values at session closes.
    Sessions,
    /// Values at the close of weekly bars.
    Weeks,
    /// The rows of a file, whatever they are.
    Rows,
}

impl Sampling {
    /// How an account that trades bars of this length is sampled: at session closes, or weekly.
    pub const fn of_bars(timeframe: Timeframe) -> Self {
        if matches!(timeframe, Timeframe::Week) { Self::Weeks } else { Self::Sessions }
    }

    /// The conventional number of such samples in a year: 252 sessions of an exchange, 365 days of a
    /// market that never closes, 52 weeks.
    pub const fn periods_per_year(self, class: AssetClass) -> Ratio {
        match (self, class) {
            (Self::Weeks, _) => Ratio::of(52.0),
            (Self::Sessions | Self::Rows, AssetClass::Equity) => Ratio::of(252.0),
            (Self::Sessions | Self::Rows, AssetClass::Crypto) => Ratio::of(365.0),
        }
    }

    /// The word beside a ratio.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Sessions => "daily",
            Self::Weeks => "weekly",
            Self::Rows => "per row",
        }
    }
}

impl Serialize for Sampling {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

/// What the ratios are to stand on, as the caller chooses.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Terms {
    /// Periods per year, above 0 (see [`Sampling::periods_per_year`]).
    pub periods_per_year: Ratio,
    /// The riskless rate per year, a fraction above −1.
    pub rf: Ratio,
    /// Where the values come from.
    pub sampling: Sampling,
}

impl Terms {
    /// The usual terms for an account that trades bars of this length: no riskless rate.
    pub const fn usual(timeframe: Timeframe, class: AssetClass) -> Self {
        let sampling = Sampling::of_bars(timeframe);
        Self { periods_per_year: sampling.periods_per_year(class), rf: Ratio::ZERO, sampling }
    }
}

/// What the ratios stand on; it is printed beside each of them.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Basis {
    /// Periods per year, `P`.
    pub periods_per_year: Ratio,
    /// The riskless rate per year, a fraction; per period it is `f = (1 + rf)^(1/P) − 1`.
    pub rf: Ratio,
    /// The number of returns, `n`.
    pub observations: u64,
    /// Where they come from.
    pub sampling: Sampling,
}

impl fmt::Display for Basis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { periods_per_year, rf, observations, sampling } = self;
        write!(f, "{}, rf {rf}, {periods_per_year}/yr, n={observations}", sampling.name())
    }
}

/// One flat object: every key as a number or null, `reasons` for the nulls, `basis` and `ruined`.
/// Counts and whole seconds are written as integers.
impl Serialize for Metrics {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let shown = self.shown();
        let mut map = serializer.serialize_map(Some(shown.len() + 3))?;
        let mut reasons = std::collections::BTreeMap::new();
        for Shown { key, kind, metric, .. } in shown {
            match metric {
                Ok(value) => match whole(kind, value) {
                    Some(integer) => map.serialize_entry(key, &integer)?,
                    None => map.serialize_entry(key, &value)?,
                },
                Err(reason) => {
                    map.serialize_entry(key, &None::<f64>)?;
                    reasons.insert(key, reason.to_string());
                }
            }
        }
        map.serialize_entry("reasons", &reasons)?;
        map.serialize_entry("basis", &self.basis)?;
        map.serialize_entry("ruined", &self.ruined)?;
        map.end()
    }
}

/// The integer that a count or a whole number of seconds is written as.
fn whole(kind: Kind, value: Ratio) -> Option<i64> {
    let value = value.get();
    let is_whole = value.fract() == 0.0 && value.abs() < 9e15;
    #[expect(clippy::cast_possible_truncation, reason = "whole and within range, checked above")]
    (matches!(kind, Kind::Count | Kind::Seconds) && is_whole).then_some(value as i64)
}
