//! What a policy sees: the one list of columns, and how they are made. Pure.
//!
//! Market columns come from the shared feature engine and have no unit: returns are counted in the
//! 20-bar volatility of one bar, so that a cheap share, a dear coin and another century look alike.
//! A column whose window is not full makes the whole observation `None`; nothing neutral ever stands
//! in for it. Where nothing was traded for 20 bars, or the price never moved, there is none either.
//!
//! # Invariants
//!
//! - F-2: the columns at a bar are the same bits in training, back-test and live.

use crate::book::Book;
use crate::features::{FeatureEngine, Needs};
use crate::fixed::Money;
use crate::market::symbol::Symbol;

/// Number of market columns.
pub const MARKET: usize = 28;
/// Number of account columns.
pub const ACCOUNT: usize = 4;
/// Numbers in one observation: market columns, then account columns.
pub const COLUMNS: usize = MARKET + ACCOUNT;
/// Bars after which the first observation can be made.
pub const WARM_UP: usize = 61;

/// Single-bar returns that are seen one by one.
const LAGS: usize = 8;
/// Windows of the momenta, in bars; the longest is the warm-up.
const MOMENTA: [usize; 4] = [5, 10, 20, WARM_UP - 1];

/// The market columns in order.
///
/// `return_n` is the log return of the n-th newest bar, `momentum_n` that of n bars over √n; both in
/// volatilities of a bar, as are `atr_14`, the MACD columns, `gap`, `range` and `bollinger_width`.
pub const MARKET_COLUMNS: [&str; MARKET] = [
    "return_1",
    "return_2",
    "return_3",
    "return_4",
    "return_5",
    "return_6",
    "return_7",
    "return_8",
    "momentum_5",
    "momentum_10",
    "momentum_20",
    "momentum_60",
    "vol_20",
    "vol_5_to_20",
    "atr_14",
    "rsi_14",
    "adx_14",
    "zscore_20",
    "zscore_50",
    "macd_line",
    "macd_histogram",
    "bollinger_width",
    "gap",
    "volume",
    "range",
    "close_in_range",
    "channel_20",
    "autocorrelation_20",
];

/// The place of the annualised volatility among the market columns.
pub const VOL_20: usize = 12;

/// The account columns in order; see [`AccountView::columns`].
pub const ACCOUNT_COLUMNS: [&str; ACCOUNT] = ["position", "unrealised", "bars_held", "drawdown"];

/// The names of all columns in order.
pub fn columns() -> impl Iterator<Item = &'static str> {
    MARKET_COLUMNS.into_iter().chain(ACCOUNT_COLUMNS)
}

/// What the feature engine must compute for a policy.
pub fn needs() -> Needs {
    Needs::default().with_brief()
}

/// The market columns at the engine's last bar; `None` until every window is full. The engine must
/// compute at least [`needs`].
pub fn market(engine: &FeatureEngine) -> Option<[f32; MARKET]> {
    let window = engine.window()?;
    let features = engine.features();
    let (vol, bar) = (window.vol, window.bar);
    let mut row = [0.0_f32; MARKET];
    let mut places = row.iter_mut();
    // A number that an f32 does not hold is as good as none.
    let mut put = |value: f64| {
        #[expect(clippy::cast_possible_truncation, reason = "checked below")]
        let value = value as f32;
        *places.next()? = value;
        value.is_finite().then_some(())
    };
    for lag in &window.returns[..LAGS] {
        put(lag / vol)?;
    }
    for bars in MOMENTA {
        let steps = f64::from(u32::try_from(bars).ok()?).sqrt();
        put(engine.log_return_over(bars)? / (vol * steps))?;
    }
    put(features.vol_20?.get())?;
    let recent = &window.returns[..5];
    put((recent.iter().map(|value| value * value).sum::<f64>() / 5.0).sqrt() / vol)?;
    put(features.atr14_pct?.get() / vol)?;
    put((features.rsi14?.get() - 50.0) / 50.0)?;
    put(features.adx14?.get() / 100.0)?;
    put(features.zscore_20?.get())?;
    put(engine.zscore(50)?.get())?;
    let (line, histogram) = engine.macd_shares()?;
    put(line / vol)?;
    put(histogram / vol)?;
    put(engine.bollinger()?.bandwidth.get() / vol)?;
    put(features.gap_pct?.get() / vol)?;
    put(window.traded)?;
    put((bar.high / bar.low).ln() / vol)?;
    put(((bar.close - bar.low) - (bar.high - bar.close)) / (bar.close * vol))?;
    put(engine.channel(20)?)?;
    put(autocorrelation(&window.returns)?)?;
    Some(row)
}

/// Autocorrelation at one step; `None` for equal values.
fn autocorrelation(values: &[f64]) -> Option<f64> {
    let count = f64::from(u32::try_from(values.len()).ok()?);
    let mean = values.iter().sum::<f64>() / count;
    let whole: f64 = values.iter().map(|value| (value - mean) * (value - mean)).sum();
    let pairs: f64 = values.windows(2).map(|pair| (pair[0] - mean) * (pair[1] - mean)).sum();
    (whole > 0.0).then(|| pairs / whole)
}

/// What a policy is told of the account and of its position in the symbol that it is asked about.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AccountView {
    /// Cash plus all positions at their marks.
    pub equity: Money,
    /// The highest equity so far.
    pub peak: Money,
    /// The position's value, negative for a short, zero for none.
    pub value: Money,
    /// What it cost, with the sign of its value.
    pub cost: Money,
    /// Closed bars since it was opened.
    pub bars_held: u32,
}

impl AccountView {
    /// The view of a ledger from one symbol.
    ///
    /// # Errors
    /// On overflow of the equity.
    pub fn of(book: &Book, symbol: &Symbol) -> Result<Self, crate::book::BookError> {
        let (equity, peak) = (book.equity()?, book.peak());
        let nothing = Self { equity, peak, ..Self::default() };
        Ok(book.position(symbol).map_or(nothing, |held| Self {
            value: held.signed_value(),
            cost: held.signed_cost(),
            bars_held: held.bars_held,
            ..nothing
        }))
    }

    /// The account columns: the position's value as a share of equity with its sign, −1 to 1; its
    /// profit as a share of its cost, −1 to 1; n ÷ (n + 20) of the n bars held; the fall of equity
    /// from its peak, 0 to 1.
    pub fn columns(&self) -> [f32; ACCOUNT] {
        let raw = |money: Money| money.to_f64();
        let (equity, peak) = (raw(self.equity), raw(self.peak));
        let (value, cost) = (raw(self.value), raw(self.cost));
        let position = if value.abs() > 0.0 { value / equity.max(value.abs()) } else { 0.0 };
        let unrealised = if cost.abs() > 0.0 { (value - cost) / cost.abs() } else { 0.0 };
        let held = f64::from(self.bars_held);
        let drawdown = if peak > 0.0 { 1.0 - equity.max(0.0) / peak } else { 0.0 };
        #[expect(clippy::cast_possible_truncation, reason = "all are within -1 to 1")]
        let column = |value: f64| within(-1.0, value, 1.0) as f32;
        [
            column(position),
            column(unrealised),
            column(held / (held + 20.0)),
            column(drawdown.max(0.0)),
        ]
    }
}

/// A finite number moved into an interval.
fn within(low: f64, value: f64, high: f64) -> f64 {
    if value < low {
        low
    } else if value > high {
        high
    } else {
        value
    }
}

#[cfg(test)]
mod tests;
