//! RSI and MACD of closes.

use serde::{Deserialize, Serialize};

use super::average::{Ema, Wilder};

/// Relative strength index: 100 × mean gain ÷ (mean gain + mean loss), both Wilder's averages.
///
/// Source: J. W. Wilder, *New Concepts in Technical Trading Systems*, 1978, section VI.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Rsi {
    former: Option<f64>,
    gains: Wilder,
    losses: Wilder,
}

impl Rsi {
    pub(crate) fn new(period: u16) -> Self {
        Self { former: None, gains: Wilder::new(period), losses: Wilder::new(period) }
    }

    pub(crate) fn update(&mut self, close: f64) {
        if let Some(former) = self.former.replace(close) {
            self.gains.update((close - former).max(0.0));
            self.losses.update((former - close).max(0.0));
        }
    }

    /// 0 to 100, from close `period` + 1 on; `None` also where the price never moved.
    pub(crate) fn value(&self) -> Option<f64> {
        let (gain, loss) = (self.gains.value()?, self.losses.value()?);
        let moved = gain + loss;
        (moved > 0.0).then(|| 100.0 * gain / moved)
    }
}

/// Moving average convergence divergence: EMA(12) − EMA(26), and its EMA(9) as signal line.
///
/// Source: G. Appel, *Technical Analysis: Power Tools for Active Investors*, 2005, chapter 8.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct MacdState {
    fast: Ema,
    slow: Ema,
    signal: Ema,
    value: Option<(f64, f64)>,
}

impl MacdState {
    pub(crate) fn new() -> Self {
        Self { fast: Ema::new(12), slow: Ema::new(26), signal: Ema::new(9), value: None }
    }

    pub(crate) fn update(&mut self, close: f64) {
        let (fast, slow) = (self.fast.update(close), self.slow.update(close));
        let line = fast.zip(slow).map(|(fast, slow)| fast - slow);
        self.value = line.and_then(|line| self.signal.update(line).map(|signal| (line, signal)));
    }

    /// Line and signal line in the price's currency, from close 34 on.
    pub(crate) fn value(&self) -> Option<(f64, f64)> {
        self.value
    }
}
