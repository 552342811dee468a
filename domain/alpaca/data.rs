//! Market data: bars, quotes, trades and news, by page and by message.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::number::{Stamp, maybe_plain, or_default, plain};
use crate::fixed::{Money, Price, Qty, Volume, div_half_even};
use crate::market::asset::Asset;
use crate::market::bar::{self, Timeframe};
use crate::market::calendar::Calendar;
use crate::market::symbol::AssetClass;
use crate::news::door::{RawId, RawItem, Source};
use crate::selection::prefilter::Glance;

/// A bar's length in the words of the data API.
pub const fn timeframe_word(timeframe: Timeframe) -> &'static str {
    match timeframe {
        Timeframe::Minute => "1Min",
        Timeframe::FiveMinutes => "5Min",
        Timeframe::QuarterHour => "15Min",
        Timeframe::HalfHour => "30Min",
        Timeframe::Hour => "1Hour",
        Timeframe::FourHours => "4Hour",
        Timeframe::Day => "1Day",
        Timeframe::Week => "1Week",
    }
}

/// A bar. Its stamp is the moment at which it began; of days and weeks, midnight at the market.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bar {
    /// When it began.
    #[serde(rename = "t")]
    pub at: Stamp,
    /// First price.
    #[serde(rename = "o", with = "plain")]
    pub open: Price,
    /// Highest price.
    #[serde(rename = "h", with = "plain")]
    pub high: Price,
    /// Lowest price.
    #[serde(rename = "l", with = "plain")]
    pub low: Price,
    /// Last price.
    #[serde(rename = "c", with = "plain")]
    pub close: Price,
    /// Shares or coins traded, rounded to 1e-4.
    #[serde(rename = "v", with = "plain")]
    pub volume: Volume,
    /// Number of trades.
    #[serde(rename = "n", default)]
    pub trades: Option<u64>,
    /// Mean price by volume.
    #[serde(rename = "vw", with = "maybe_plain", default)]
    pub mean: Option<Price>,
}

impl Bar {
    /// As a bar of ours. A daily bar opens and closes with its session, as everywhere here; the last
    /// bar of a session ends with it where that is before its own length is over. Whether it can be
    /// true is for the door to say.
    pub fn closed(&self, timeframe: Timeframe, class: AssetClass) -> bar::Bar {
        let (open_time, close_time) = Calendar::of(class).hours_of_bar(timeframe, self.at.time());
        bar::Bar {
            open_time,
            close_time,
            open: self.open,
            high: self.high,
            low: self.low,
            close: self.close,
            volume: self.volume,
        }
    }
}

/// The best prices. A price of zero is no price: that side is empty.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Quote {
    /// When.
    #[serde(rename = "t")]
    pub at: Stamp,
    /// The best price to sell at; zero where there is none.
    #[serde(rename = "bp", with = "plain")]
    pub bid: Price,
    /// How much is wanted there.
    #[serde(rename = "bs", with = "plain")]
    pub bid_size: Qty,
    /// The best price to buy at; zero where there is none.
    #[serde(rename = "ap", with = "plain")]
    pub ask: Price,
    /// How much is offered there.
    #[serde(rename = "as", with = "plain")]
    pub ask_size: Qty,
}

impl Quote {
    /// The best price to sell at.
    pub fn bid(&self) -> Option<Price> {
        Some(self.bid).filter(|price| price.raw() > 0)
    }

    /// The best price to buy at.
    pub fn ask(&self) -> Option<Price> {
        Some(self.ask).filter(|price| price.raw() > 0)
    }
}

/// A trade.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trade {
    /// When.
    #[serde(rename = "t")]
    pub at: Stamp,
    /// At which price.
    #[serde(rename = "p", with = "plain")]
    pub price: Price,
    /// How much.
    #[serde(rename = "s", with = "plain")]
    pub size: Qty,
}

/// What is known of a symbol at a glance: one of `GET /v2/stocks/snapshots`. Every part may be missing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Snapshot {
    /// The last trade.
    pub latest_trade: Option<Trade>,
    /// The bar of this day, or of the last one.
    pub daily_bar: Option<Bar>,
    /// The bar of the day before that.
    pub prev_daily_bar: Option<Bar>,
}

impl Snapshot {
    /// The last price that is known.
    pub fn price(&self) -> Option<Price> {
        let closed = || self.daily_bar.or(self.prev_daily_bar).map(|bar| bar.close);
        let price = self.latest_trade.map(|trade| trade.price).or_else(closed);
        price.filter(|price| price.raw() > 0)
    }

    /// What was traded on the last day that is whole for certain: its volume at its mean price, or at its
    /// close where the venue tells no mean. `None` where there was none, or no amount holds it.
    pub fn day_value(&self) -> Option<Money> {
        let bar = self.prev_daily_bar.or(self.daily_bar)?;
        let price = bar.mean.filter(|mean| mean.raw() > 0).unwrap_or(bar.close);
        let product = i128::from(price.raw()) * i128::from(bar.volume.raw());
        let raw = div_half_even(product, i128::from(Volume::SCALE));
        i64::try_from(raw).ok().filter(|&raw| raw > 0).map(Money::from_raw)
    }

    /// As selection looks at it.
    pub fn glance(&self, asset: Asset, tradable: bool) -> Glance {
        Glance { asset, tradable, price: self.price(), day_value: self.day_value() }
    }
}

/// A text of strangers: it goes through `domain/news` before anything reads it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct News {
    /// Its number.
    pub id: i64,
    /// Its headline.
    #[serde(deserialize_with = "or_default", default)]
    pub headline: String,
    /// A few sentences of it.
    #[serde(deserialize_with = "or_default", default)]
    pub summary: String,
    /// All of it, as HTML.
    #[serde(deserialize_with = "or_default", default)]
    pub content: String,
    /// Who wrote it.
    #[serde(deserialize_with = "or_default", default)]
    pub author: String,
    /// When it was published.
    pub created_at: Stamp,
    /// When it was last changed: the moment from which this text may be known.
    pub updated_at: Stamp,
    /// What it is about, as its source says.
    #[serde(deserialize_with = "or_default", default)]
    pub symbols: Vec<String>,
    /// Where it comes from.
    #[serde(deserialize_with = "or_default", default)]
    pub source: String,
    /// Where it can be read.
    #[serde(default)]
    pub url: Option<String>,
    /// Pictures; their text is never looked at.
    #[serde(deserialize_with = "or_default", default)]
    pub images: Vec<serde_json::Value>,
}

impl News {
    /// The item as the door of the news takes it: known from when its text was last changed. Pictures,
    /// authors and whole texts stay outside. `None` for an id below zero.
    pub fn item(self) -> Option<RawItem> {
        Some(RawItem {
            id: RawId::Number(u64::try_from(self.id).ok()?),
            known_at: Some(self.updated_at.time()),
            event_at: Some(self.created_at.time()),
            headline: self.headline,
            body: self.summary,
            source: Source::News,
            symbols: self.symbols,
            ..RawItem::default()
        })
    }
}

/// A page of bars, by symbol.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BarsPage {
    /// The bars, oldest first unless asked otherwise.
    #[serde(deserialize_with = "or_default", default)]
    pub bars: BTreeMap<String, Vec<Bar>>,
    /// What the next page is asked with; nothing on the last.
    #[serde(default)]
    pub next_page_token: Option<String>,
}

/// A page of news.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewsPage {
    /// The items.
    #[serde(deserialize_with = "or_default", default)]
    pub news: Vec<News>,
    /// What the next page is asked with; nothing on the last.
    #[serde(default)]
    pub next_page_token: Option<String>,
}

/// The latest bar of each symbol.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LatestBars {
    /// By symbol.
    #[serde(deserialize_with = "or_default", default)]
    pub bars: BTreeMap<String, Bar>,
}

/// The latest quote of each symbol.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LatestQuotes {
    /// By symbol.
    #[serde(deserialize_with = "or_default", default)]
    pub quotes: BTreeMap<String, Quote>,
}

/// The latest trade of each symbol.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LatestTrades {
    /// By symbol.
    #[serde(deserialize_with = "or_default", default)]
    pub trades: BTreeMap<String, Trade>,
}
