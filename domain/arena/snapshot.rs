//! What everybody is shown at a tick: one value, one hash.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Serialize;

use super::market::MarketKind;
use super::words::TickId;
use crate::fixed::Price;
use crate::market::bar::{Bar, Timeframe};
use crate::market::door::PRICE_MAX;
use crate::market::series::Series;
use crate::market::symbol::{AssetClass, Symbol};
use crate::record::Digest;
use crate::time::Time;

/// A close this many times the former one, or this part of it, is believed of nobody's book.
const JUMP_MAX: i64 = 10;

/// The last bar of a symbol.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Quote {
    /// The bar.
    pub last: Bar,
    /// The close before it.
    pub before: Option<Price>,
    /// Bars so far.
    pub bars: u32,
    /// A chain over all bars so far, so that no earlier bar can be another.
    pub so_far: Digest,
    /// Whether the bar is not believed: nothing is filled or valued by it.
    pub suspect: bool,
}

impl Quote {
    /// The quote after one more bar.
    pub fn after(former: Option<&Self>, bar: &Bar) -> Self {
        let mut bytes = Vec::with_capacity(88);
        bytes.extend(former.map_or([0; 32], |former| *former.so_far.bytes()));
        for number in bar.numbers() {
            bytes.extend(number.to_le_bytes());
        }
        let before = former.map(Self::believed);
        Self {
            last: *bar,
            before,
            bars: former.map_or(0, |former| former.bars).saturating_add(1),
            so_far: Digest::of(&bytes),
            suspect: is_suspect(bar, before),
        }
    }

    /// The last close that may be believed.
    pub fn believed(&self) -> Price {
        match self.before {
            Some(before) if self.suspect => before,
            _ => self.last.close,
        }
    }
}

/// Whether a bar makes no sense after a close: a wrong column, a token's id, a forgotten split.
fn is_suspect(bar: &Bar, before: Option<Price>) -> bool {
    let prices = [bar.open, bar.high, bar.low, bar.close];
    let is_odd = |price: &Price| {
        price.raw() <= 0
            || *price > PRICE_MAX
            || before.is_some_and(|before| {
                price.raw() / JUMP_MAX > before.raw() || before.raw() / JUMP_MAX > price.raw()
            })
    };
    prices.iter().any(is_odd)
}

/// What everybody is shown.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Snapshot {
    /// The tick.
    pub tick: TickId,
    /// The market.
    pub market: MarketKind,
    /// The hash of its rules.
    pub rules: Digest,
    /// The last bars.
    pub quotes: BTreeMap<Symbol, Quote>,
    /// The hash of the texts and statements that are known by now; none where there are none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub library: Option<Digest>,
}

impl Snapshot {
    /// The symbols whose bar made the tick and may be believed: those that everybody is asked about.
    pub fn asked(&self) -> impl Iterator<Item = &Symbol> {
        let is_new = |quote: &Quote| quote.last.close_time == self.tick.at && !quote.suspect;
        self.quotes.iter().filter(move |(_, quote)| is_new(quote)).map(|(symbol, _)| symbol)
    }

    /// BLAKE3 of its JSON.
    ///
    /// # Errors
    /// Never, as long as it holds what JSON can.
    pub fn hash(&self) -> Result<Digest, serde_json::Error> {
        Ok(Digest::of(&serde_json::to_vec(self)?))
    }
}

/// All bars up to a moment, and no way to those after it. Cheap to clone.
///
/// - L-1: nothing with a later close can be had from it.
#[derive(Clone, Debug)]
pub struct MarketView {
    series: Arc<[Series]>,
    until: Time,
}

impl MarketView {
    /// The bars that were closed at `until`.
    pub const fn new(series: Arc<[Series]>, until: Time) -> Self {
        Self { series, until }
    }

    /// The same view as somebody had it at `until`; never a later one.
    #[must_use]
    pub fn until(self, until: Time) -> Self {
        Self { until: until.min(self.until), ..self }
    }

    /// A symbol's bars, oldest first; none for an unknown symbol.
    pub fn bars(&self, symbol: &Symbol) -> &[Bar] {
        let Some(series) = self.series.iter().find(|series| series.symbol == *symbol) else {
            return &[];
        };
        let end = series.bars.partition_point(|bar| bar.close_time <= self.until);
        series.bars.get(..end).unwrap_or(&[])
    }

    /// A symbol's series without its bars: class and timeframe.
    pub fn kind(&self, symbol: &Symbol) -> Option<(AssetClass, Timeframe)> {
        let series = self.series.iter().find(|series| series.symbol == *symbol)?;
        Some((series.class, series.timeframe))
    }
}
