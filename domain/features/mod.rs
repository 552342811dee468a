//! The one streaming feature engine: bars in, figures out, the same in back-test, training and live.
//!
//! Causal by construction: the engine is only ever given closed bars, one at a time, and keeps no
//! more than it has seen. A figure whose window is not yet full, or that is undefined (a z-score of
//! equal values), is `None`; nothing neutral stands in for it. [`Needs`] says what is computed, so a
//! back-test of one strategy pays for its own indicators alone; nothing is allocated per bar.
//!
//! Formulas and their sources stand at the indicators: `average`, `oscillators`, `range`, `spread`.

mod average;
mod oscillators;
mod range;
mod ring;
mod spread;
mod window;

use std::cmp::Ordering;

use serde::{Deserialize, Serialize};

use self::average::Sma;
use self::oscillators::{MacdState, Rsi};
use self::range::{Adx, Atr, Prices};
use self::ring::z_score;
pub(crate) use self::ring::{Moments, Ring, as_float};
use self::spread::Spread;
use crate::fixed::{Money, Price, Volume};
use crate::market::bar::Bar;
use crate::ratio::Ratio;
use crate::signal::Features;

/// Closes that the brief's figures and [`Extended`] look back on, with the newest.
const BRIEF_CLOSES: u16 = 101;
/// Log returns in `vol_20`.
pub(crate) const VOL_WINDOW: usize = 20;
/// Former values of `vol_20` that `vol_z` stands against.
const VOL_HISTORY: usize = 250;

/// Which indicators an engine computes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Needs {
    /// Everything in [`Features`] and [`Extended`].
    pub brief: bool,
    /// The average true range, for [`FeatureEngine::atr_pct`].
    pub atr: bool,
    /// The periods of simple moving averages, in bars.
    pub smas: Vec<u16>,
    /// How many closes to keep, with the newest, for returns and z-scores of any window.
    pub closes: u16,
}

impl Needs {
    /// The same, and all that a brief shows.
    #[must_use]
    pub fn with_brief(mut self) -> Self {
        self.brief = true;
        self.atr = true;
        self.closes = self.closes.max(BRIEF_CLOSES);
        self
    }
}

/// MACD(12, 26, 9), as fractions of the close.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Macd {
    /// EMA(12) − EMA(26).
    pub line: Ratio,
    /// EMA(9) of the line.
    pub signal: Ratio,
    /// Line − signal.
    pub histogram: Ratio,
}

/// Bollinger bands over 20 closes at 2 population standard deviations, without a unit.
///
/// Source: J. Bollinger, *Bollinger on Bollinger Bands*, 2001, chapters 7 and 8.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Bollinger {
    /// Where the close stands: 0 at the lower band, 1 at the upper.
    pub percent_b: Ratio,
    /// Upper less lower band, fraction of the middle.
    pub bandwidth: Ratio,
}

/// Figures beside those of the brief, for strategies and policies.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Extended {
    /// Trend of the closes; from close 34 on.
    pub macd: Option<Macd>,
    /// Band around the closes; from close 20 on.
    pub bollinger: Option<Bollinger>,
    /// Close against its 50-bar mean, in population standard deviations.
    pub zscore_50: Option<Ratio>,
    /// Close against its 100-bar mean, in population standard deviations.
    pub zscore_100: Option<Ratio>,
}

/// Streaming indicators of one symbol. Its state is a value: clone or (de)serialise it to keep it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FeatureEngine {
    bars: u64,
    closes: Ring<i64>,
    smas: Vec<Sma>,
    atr: Option<Atr>,
    brief: Option<Box<BriefState>>,
}

/// What only a brief needs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct BriefState {
    annual: f64,
    gap: Option<f64>,
    log_returns: Ring<f64>,
    vols: Ring<f64>,
    rsi: Rsi,
    adx: Adx,
    macd: MacdState,
    spread: Spread,
    traded: Ring<i64>,
    traded_sum: i128,
}

impl BriefState {
    fn new(bars_per_year: Ratio) -> Self {
        Self {
            annual: bars_per_year.get().max(1.0).sqrt(),
            gap: None,
            log_returns: Ring::new(VOL_WINDOW),
            vols: Ring::new(VOL_HISTORY),
            rsi: Rsi::new(14),
            adx: Adx::new(14),
            macd: MacdState::new(),
            spread: Spread::new(),
            traded: Ring::new(20),
            traded_sum: 0,
        }
    }

    fn update(&mut self, bar: &Bar, prices: Prices, former_close: Option<f64>) {
        self.gap = former_close.map(|former| bar.open.to_f64() / former - 1.0);
        if let Some(former) = former_close {
            self.log_returns.push((prices.close / former).ln());
            if let Some(vol) = self.vol_of_window() {
                self.vols.push(vol);
            }
        }
        self.rsi.update(prices.close);
        self.adx.update(prices);
        self.macd.update(prices.close);
        self.spread.update(prices);
        let traded = traded_value(bar);
        let leaving = self.traded.push(traded).unwrap_or(0);
        self.traded_sum += i128::from(traded) - i128::from(leaving);
    }

    fn vol_of_window(&self) -> Option<f64> {
        let moments =
            Moments::of(self.log_returns.iter()).filter(|_| self.log_returns.is_full())?;
        moments.sample_sd().map(|sd| sd * self.annual)
    }

    fn vol_z(&self) -> Option<f64> {
        let newest = self.vols.back(0).filter(|_| self.vols.is_full())?;
        z_score(newest, self.vols.iter())
    }

    fn dollar_volume(&self) -> Option<Money> {
        let mean = self.traded.is_full().then_some(self.traded_sum / 20)?;
        i64::try_from(mean).ok().map(Money::from_raw)
    }
}

/// Close times volume in raw [`Money`], at most its largest value.
fn traded_value(bar: &Bar) -> i64 {
    let product = i128::from(bar.close.raw()) * i128::from(bar.volume.raw());
    i64::try_from(product / i128::from(Volume::SCALE)).unwrap_or(i64::MAX)
}

/// Whether a bar is one that statistics can be made of: the door lets no other pass.
fn is_sound(bar: &Bar) -> bool {
    let (low, high) = (bar.low, bar.high);
    let inside = |price: Price| low <= price && price <= high;
    low > Price::ZERO && inside(bar.open) && inside(bar.close) && bar.volume >= Volume::ZERO
}

impl FeatureEngine {
    /// An engine that has seen nothing. `bars_per_year` annualises the volatility; see
    /// [`Timeframe::bars_per_year`](crate::market::bar::Timeframe::bars_per_year).
    pub fn new(needs: &Needs, bars_per_year: Ratio) -> Self {
        Self {
            bars: 0,
            closes: Ring::new(usize::from(needs.closes)),
            smas: needs.smas.iter().map(|&period| Sma::new(period)).collect(),
            atr: needs.atr.then(|| Atr::new(14)),
            brief: needs.brief.then(|| Box::new(BriefState::new(bars_per_year))),
        }
    }

    /// Takes the next closed bar; returns whether it was taken.
    ///
    /// A bar that the door would refuse (a price not above zero, one outside low to high, a negative
    /// volume) changes nothing.
    pub fn update(&mut self, bar: &Bar) -> bool {
        if !is_sound(bar) {
            return false;
        }
        if let Some(brief) = &mut self.brief {
            let former = self.closes.back(0).map(|raw| Price::from_raw(raw).to_f64());
            brief.update(bar, prices_of(bar), former);
        }
        if let Some(atr) = &mut self.atr {
            atr.update(prices_of(bar));
        }
        for sma in &mut self.smas {
            sma.update(bar.close);
        }
        self.closes.push(bar.close.raw());
        self.bars += 1;
        true
    }

    /// Bars taken so far.
    pub fn bars(&self) -> u64 {
        self.bars
    }

    /// The last close.
    pub fn close(&self) -> Option<Price> {
        self.closes.back(0).map(Price::from_raw)
    }

    /// The simple moving average over `period` bars, rounded half to even; `None` until its window
    /// is full, or when it was not among the needs.
    pub fn sma(&self, period: u16) -> Option<Price> {
        self.find_sma(period)?.value()
    }

    /// The exact order of the averages over `fast` and `slow` bars; `None` until both exist.
    pub fn compare_smas(&self, fast: u16, slow: u16) -> Option<Ordering> {
        self.find_sma(fast)?.compare(self.find_sma(slow)?)
    }

    fn find_sma(&self, period: u16) -> Option<&Sma> {
        self.smas.iter().find(|sma| sma.period() == usize::from(period))
    }

    /// Simple return over `bars` bars; `None` until there are `bars` + 1 closes, or when fewer are
    /// kept than that.
    pub fn return_over(&self, bars: u16) -> Option<Ratio> {
        let former = Price::from_raw(self.closes.back(usize::from(bars))?).to_f64();
        Ratio::new(self.close()?.to_f64() / former - 1.0).ok()
    }

    /// The close against the mean of the last `window` closes in population standard deviations;
    /// `None` until there are as many, or when they are all equal.
    pub fn zscore(&self, window: u16) -> Option<Ratio> {
        let newest = self.close()?.to_f64();
        let closes = self.closes.last(usize::from(window))?;
        let score = z_score(newest, closes.map(|raw| Price::from_raw(raw).to_f64()))?;
        Ratio::new(score).ok()
    }

    /// Mean of the last `window` closes against the last close, less one: where the price would move
    /// if it went back to its mean.
    pub fn distance_to_mean(&self, window: u16) -> Option<Ratio> {
        let closes = self.closes.last(usize::from(window))?;
        let moments = Moments::of(closes.map(|raw| Price::from_raw(raw).to_f64()))?;
        Ratio::new(moments.mean / self.close()?.to_f64() - 1.0).ok()
    }

    /// Average true range over 14 bars, fraction of the close.
    pub fn atr_pct(&self) -> Option<Ratio> {
        self.as_share_of_close(self.atr.as_ref()?.value()?)
    }

    /// The same before its window is full: the mean true range so far.
    pub fn atr_so_far_pct(&self) -> Option<Ratio> {
        self.as_share_of_close(self.atr.as_ref()?.so_far()?)
    }

    fn as_share_of_close(&self, amount: f64) -> Option<Ratio> {
        Ratio::new(amount / self.close()?.to_f64()).ok()
    }

    /// The brief's figures; all `None` unless [`Needs::brief`] is set.
    pub fn features(&self) -> Features {
        let Some(brief) = &self.brief else { return Features::default() };
        let ratio = |value: Option<f64>| value.and_then(|value| Ratio::new(value).ok());
        Features {
            ret_1: self.return_over(1),
            ret_5: self.return_over(5),
            ret_20: self.return_over(20),
            vol_20: ratio(brief.vol_of_window()),
            vol_z: ratio(brief.vol_z()),
            atr14_pct: self.atr_pct(),
            rsi14: ratio(brief.rsi.value()),
            adx14: ratio(brief.adx.value()),
            zscore_20: self.zscore(20),
            spread_bp: ratio(brief.spread.value().map(|share| share * 10_000.0)),
            gap_pct: ratio(brief.gap),
            dollar_volume_20: brief.dollar_volume(),
        }
    }

    /// The other figures; all `None` unless [`Needs::brief`] is set.
    pub fn extended(&self) -> Extended {
        let Some(brief) = &self.brief else { return Extended::default() };
        Extended {
            macd: self.macd_of(brief),
            bollinger: self.bollinger(),
            zscore_50: self.zscore(50),
            zscore_100: self.zscore(100),
        }
    }

    fn macd_of(&self, brief: &BriefState) -> Option<Macd> {
        let (line, signal) = brief.macd.value()?;
        Some(Macd {
            line: self.as_share_of_close(line)?,
            signal: self.as_share_of_close(signal)?,
            histogram: self.as_share_of_close(line - signal)?,
        })
    }

    pub(crate) fn bollinger(&self) -> Option<Bollinger> {
        let closes = self.closes.last(20)?.map(|raw| Price::from_raw(raw).to_f64());
        let moments = Moments::of(closes)?;
        let half_band = 2.0 * moments.population_sd();
        if half_band <= 0.0 {
            return None;
        }
        let lower = moments.mean - half_band;
        Some(Bollinger {
            percent_b: Ratio::new((self.close()?.to_f64() - lower) / (2.0 * half_band)).ok()?,
            bandwidth: Ratio::new(2.0 * half_band / moments.mean).ok()?,
        })
    }
}

/// High, low and close as floats.
fn prices_of(bar: &Bar) -> Prices {
    Prices { high: bar.high.to_f64(), low: bar.low.to_f64(), close: bar.close.to_f64() }
}

#[cfg(test)]
mod tests;
