//! The engine's windows as plain numbers, for the columns of a policy's observation.

use super::range::Prices;
use super::{FeatureEngine, Moments, Price, VOL_WINDOW, as_float};

/// What the columns of an observation are made of; only whole windows.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Window {
    /// The last 20 log returns, newest first.
    pub(crate) returns: [f64; VOL_WINDOW],
    /// Their sample standard deviation, per bar, above zero.
    pub(crate) vol: f64,
    /// High, low and close of the last bar.
    pub(crate) bar: Prices,
    /// The last bar's traded value against its 20-bar mean: x ÷ (x + mean), 0 to 1.
    pub(crate) traded: f64,
}

impl FeatureEngine {
    /// The windows at the last bar; `None` while one is not full, and where prices have not moved or
    /// nothing was traded for 20 bars, because nothing can be measured by nothing.
    pub(crate) fn window(&self) -> Option<Window> {
        let brief = self.brief.as_ref()?;
        let newest_first = brief.log_returns.iter().rev();
        let mut returns = [0.0; VOL_WINDOW];
        if !brief.log_returns.is_full() {
            return None;
        }
        returns.iter_mut().zip(newest_first).for_each(|(place, value)| *place = value);
        let vol = Moments::of(returns.iter().copied())?.sample_sd().filter(|vol| *vol > 0.0)?;
        #[expect(clippy::cast_precision_loss, reason = "a ratio of two amounts of money")]
        let (newest, sum) = (brief.traded.back(0)? as f64, brief.traded_sum as f64);
        let mean = sum / as_float(brief.traded.capacity());
        let traded = (brief.traded.is_full() && mean > 0.0).then(|| newest / (newest + mean))?;
        Some(Window { returns, vol, bar: brief.adx.last()?, traded })
    }

    /// Log return over `bars` bars; `None` until there are `bars` + 1 closes.
    pub(crate) fn log_return_over(&self, bars: usize) -> Option<f64> {
        let former = Price::from_raw(self.closes.back(bars)?).to_f64();
        Some((self.close()?.to_f64() / former).ln())
    }

    /// Where the close stands between the lowest (−1) and the highest (1) of the last `bars` closes;
    /// `None` until there are as many, or when they are all equal.
    pub(crate) fn channel(&self, bars: usize) -> Option<f64> {
        let (low, high) = self
            .closes
            .last(bars)?
            .fold((i64::MAX, i64::MIN), |(low, high), close| (low.min(close), high.max(close)));
        let at = |raw| Price::from_raw(raw).to_f64();
        let (low, high, close) = (at(low), at(high), self.close()?.to_f64());
        (low < high).then(|| ((close - low) - (high - close)) / (high - low))
    }

    /// MACD line and histogram as fractions of the close.
    pub(crate) fn macd_shares(&self) -> Option<(f64, f64)> {
        let macd = self.macd_of(self.brief.as_ref()?)?;
        Some((macd.line.get(), macd.histogram.get()))
    }
}
