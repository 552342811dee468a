//! ATR and ADX: what highs and lows say about range and direction.
//!
//! Source of both: J. W. Wilder, *New Concepts in Technical Trading Systems*, 1978, sections III and
//! IV; their first values are plain means, as in his worksheets.

use serde::{Deserialize, Serialize};

use super::average::Wilder;

/// A bar's high, low and close as floats, for statistics.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Prices {
    pub(crate) high: f64,
    pub(crate) low: f64,
    pub(crate) close: f64,
}

impl Prices {
    /// The largest of high − low, |high − former close| and |low − former close|.
    fn true_range(self, former_close: f64) -> f64 {
        self.high.max(former_close) - self.low.min(former_close)
    }
}

/// Average true range, in the price's currency. The first bar's range is its high less its low.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Atr {
    former_close: Option<f64>,
    average: Wilder,
}

impl Atr {
    pub(crate) fn new(period: u16) -> Self {
        Self { former_close: None, average: Wilder::new(period) }
    }

    pub(crate) fn update(&mut self, bar: Prices) {
        let former = self.former_close.replace(bar.close);
        self.average.update(former.map_or(bar.high - bar.low, |close| bar.true_range(close)));
    }

    /// From bar `period` on.
    pub(crate) fn value(&self) -> Option<f64> {
        self.average.value()
    }

    /// The mean true range of the bars so far, however few.
    pub(crate) fn so_far(&self) -> Option<f64> {
        self.average.so_far()
    }
}

/// Average directional index, 0 to 100, from bar 2 × `period` on.
///
/// A bar without any directional movement in its window has a directional index of zero.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Adx {
    former: Option<Prices>,
    range: Wilder,
    up: Wilder,
    down: Wilder,
    index: Wilder,
}

impl Adx {
    pub(crate) fn new(period: u16) -> Self {
        let average = || Wilder::new(period);
        Self { former: None, range: average(), up: average(), down: average(), index: average() }
    }

    pub(crate) fn update(&mut self, bar: Prices) {
        let Some(former) = self.former.replace(bar) else { return };
        let (rise, fall) = (bar.high - former.high, former.low - bar.low);
        self.range.update(bar.true_range(former.close));
        self.up.update(if rise > fall { rise.max(0.0) } else { 0.0 });
        self.down.update(if fall > rise { fall.max(0.0) } else { 0.0 });
        // The range cancels out of |+DI − −DI| ÷ (+DI + −DI).
        if let (Some(up), Some(down)) = (self.up.value(), self.down.value()) {
            let moved = up + down;
            self.index.update(if moved > 0.0 { 100.0 * (up - down).abs() / moved } else { 0.0 });
        }
    }

    pub(crate) fn value(&self) -> Option<f64> {
        self.index.value()
    }

    /// The last bar.
    pub(crate) fn last(&self) -> Option<Prices> {
        self.former
    }
}
