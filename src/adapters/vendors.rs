//! Vendors of data for the arena: one question at a time, before a season begins, never during a tick.
//!
//! Nothing is asked again by itself: who is throttled says so, and the next vendor of the chain is asked. A
//! key stands in an address here, as its vendor wants it: no text of an error holds an address, and the key
//! is taken out of whatever comes back.

use std::time::Duration;

use conclave_domain::alpaca::{News, Stamp};
use conclave_domain::arena::gate::RawStatement;
use conclave_domain::arena::vendor::{History, VendorError, alpha_vantage, yahoo};
use conclave_domain::market::bar::{Bar, Timeframe};
use conclave_domain::market::calendar::Calendar;
use conclave_domain::market::splits::Split;
use conclave_domain::market::symbol::{AssetClass, Symbol};
use conclave_domain::news::door::RawItem;
use conclave_domain::time::Time;
use reqwest::{Client, Url};

use super::alpaca_http::{Alpaca, AlpacaError, BarsQuery};
use super::model_http::{self, Key, ModelError};

/// The variable that holds the key of Alpha Vantage.
pub const ALPHA_VANTAGE_KEY: &str = "ALPHAVANTAGE_API_KEY";
/// The longest answer that is read, bytes: decades of daily bars have less.
const ANSWER_MAX: usize = 16 << 20;

/// Why a vendor did not give what it was asked for.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// It has no such thing at all.
    #[error("it has no {0}")]
    HasNone(&'static str),
    /// It has such things, and none of what is wanted.
    #[error("it has none in these days")]
    Nothing,
    /// It was not reached, or did not end its answer.
    #[error("it cannot be heard: {0}")]
    Unheard(String),
    /// Its answer is longer than is read.
    #[error("its answer is longer than {ANSWER_MAX} bytes")]
    TooLong,
    /// It answered with a status that is no answer.
    #[error("it answered with status {0}")]
    Status(u16),
    /// What it said is a refusal, or cannot be read.
    #[error(transparent)]
    Said(#[from] VendorError),
    /// Alpaca's own ways to fail.
    #[error(transparent)]
    Alpaca(#[from] AlpacaError),
}

/// A place that is asked with a query.
#[derive(Clone)]
pub struct Web {
    client: Client,
    base: Url,
    key: Option<Key>,
    patience: Duration,
}

impl std::fmt::Debug for Web {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Web({})", self.base)
    }
}

impl Web {
    /// Makes ready to ask below an address.
    ///
    /// # Errors
    /// When the address is not taken.
    pub fn new(base: &str, key: Option<Key>, patience: Duration) -> Result<Self, ModelError> {
        let base = model_http::address(base, "")?;
        Ok(Self { client: model_http::client(&base)?, base, key, patience })
    }

    async fn get(&self, path: &[&str], query: &[(&str, &str)]) -> Result<String, FetchError> {
        let mut url = self.base.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().extend(path);
        }
        url.query_pairs_mut().extend_pairs(query);
        if let Some(key) = &self.key {
            url.query_pairs_mut().append_pair("apikey", key.reveal());
        }
        let unheard = |error: reqwest::Error| FetchError::Unheard(model_http::cause(error));
        let asked = self.client.get(url).timeout(self.patience).send();
        let mut response = asked.await.map_err(unheard)?;
        match response.status().as_u16() {
            429 | 503 => {
                let why = "too many questions".to_owned();
                return Err(VendorError::Held { why }.into());
            }
            status if !response.status().is_success() => return Err(FetchError::Status(status)),
            _ => {}
        }
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(unheard)? {
            if body.len() + chunk.len() > ANSWER_MAX {
                return Err(FetchError::TooLong);
            }
            body.extend_from_slice(&chunk);
        }
        let body = String::from_utf8_lossy(&body).into_owned();
        Ok(self.key.as_ref().map_or_else(|| body.clone(), |key| key.scrub(body.clone())))
    }
}

/// What is asked for: daily, of one symbol, between two moments.
#[derive(Clone, Debug)]
pub struct Wanted<'a> {
    /// Of whom.
    pub symbol: &'a Symbol,
    /// What kind of thing it is.
    pub class: AssetClass,
    /// From when on.
    pub from: Time,
    /// Until when; bars that had not closed then are left out.
    pub to: Time,
    /// When it is asked, not before `to`: what a vendor adjusts its prices for reaches until then.
    pub now: Time,
}

/// A vendor.
#[derive(Debug)]
pub enum Vendor {
    /// Alpaca: bars and news.
    Alpaca(Box<Alpaca>),
    /// Alpha Vantage: bars and news of shares, statements.
    AlphaVantage(Web),
    /// Yahoo's chart format: bars.
    Yahoo(Web),
}

impl Vendor {
    /// Daily bars as they were paid, oldest first, and the splits in their time.
    ///
    /// A price in shares of today would tell of splits that were not known on its day.
    ///
    /// # Errors
    /// When there are none of this vendor.
    pub async fn bars(&self, wanted: &Wanted<'_>) -> Result<History, FetchError> {
        let mut history = match self {
            Self::Alpaca(alpaca) => paid_at_alpaca(alpaca, wanted).await?,
            Self::AlphaVantage(_) if wanted.class == AssetClass::Crypto => {
                return Err(FetchError::HasNone("daily bars of coins here"));
            }
            Self::AlphaVantage(web) => {
                let symbol = wanted.symbol.as_str();
                let query =
                    [("function", "TIME_SERIES_DAILY"), ("symbol", symbol), ("outputsize", "full")];
                let bars = alpha_vantage::daily(&web.get(&["query"], &query).await?, wanted.to)?;
                let query = [("function", "SPLITS"), ("symbol", symbol)];
                let splits = web.get(&["query"], &query).await?;
                History { bars, splits: alpha_vantage::splits(&splits, wanted.symbol)? }
            }
            Self::Yahoo(web) => {
                // Classes of shares and coins are written with a dash there.
                let symbol = wanted.symbol.as_str().replace(['.', '/'], "-");
                let seconds = |time: Time| time.ms().div_euclid(1_000).to_string();
                // Up to now: its prices are adjusted until then, and it names splits of these days only.
                let (from, now) = (seconds(wanted.from), seconds(wanted.now));
                let query = [
                    ("period1", from.as_str()),
                    ("period2", &now),
                    ("interval", "1d"),
                    ("events", "split"),
                ];
                let text = web.get(&["v8", "finance", "chart", &symbol], &query).await?;
                yahoo::daily(&text, (wanted.symbol, wanted.class), wanted.to)?
            }
        };
        let is_wanted = |bar: &Bar| wanted.from <= bar.open_time && bar.close_time <= wanted.to;
        history.bars.retain(is_wanted);
        let calendar = Calendar::of(wanted.class);
        let day_of = |bar: &Bar| calendar.session_date(bar.open_time);
        let (Some(first), Some(last)) =
            (history.bars.first().map(day_of), history.bars.last().map(day_of))
        else {
            return Err(FetchError::Nothing);
        };
        let is_own = |split: &Split| {
            split.symbol == *wanted.symbol && first < split.date && split.date <= last
        };
        history.splits.retain(is_own);
        // Told twice is once; two ratios of one day would multiply.
        history.splits.dedup();
        if let Some(date) = history.splits.windows(2).find_map(|pair| match pair {
            [one, other] if one.date == other.date => Some(one.date),
            _ => None,
        }) {
            let why = format!("it tells of two splits on {date}");
            return Err(VendorError::Unreadable { why }.into());
        }
        Ok(history)
    }

    /// News, each stamped with when its vendor says it was known.
    ///
    /// # Errors
    /// When there are none of this vendor.
    pub async fn news(&self, wanted: &Wanted<'_>) -> Result<Vec<RawItem>, FetchError> {
        let items: Vec<RawItem> = match self {
            Self::Alpaca(alpaca) => {
                let news = alpaca.news(&[wanted.symbol.as_str()], Stamp::from(wanted.from)).await?;
                news.into_iter().filter_map(News::item).collect()
            }
            Self::AlphaVantage(web) => {
                let minute = |time: Time| time.timestamp().strftime("%Y%m%dT%H%M").to_string();
                let (from, to) = (minute(wanted.from), minute(wanted.to));
                let query = [
                    ("function", "NEWS_SENTIMENT"),
                    ("tickers", wanted.symbol.as_str()),
                    ("time_from", &from),
                    ("time_to", &to),
                    ("sort", "EARLIEST"),
                    ("limit", "1000"),
                ];
                alpha_vantage::news(&web.get(&["query"], &query).await?)?
            }
            Self::Yahoo(_) => return Err(FetchError::HasNone("news")),
        };
        let is_wanted = |item: &RawItem| item.known_at.is_none_or(|at| at <= wanted.to);
        some(items.into_iter().filter(is_wanted).collect())
    }

    /// Statements; what does not say when it was filed comes without.
    ///
    /// # Errors
    /// When there are none of this vendor.
    pub async fn statements(&self, wanted: &Wanted<'_>) -> Result<Vec<RawStatement>, FetchError> {
        let Self::AlphaVantage(web) = self else { return Err(FetchError::HasNone("statements")) };
        let symbol = wanted.symbol;
        let ask = |function: &'static str| async move {
            web.get(&["query"], &[("function", function), ("symbol", symbol.as_str())]).await
        };
        let mut all = alpha_vantage::income(&ask("INCOME_STATEMENT").await?, symbol)?;
        all.extend(alpha_vantage::earnings(&ask("EARNINGS").await?, symbol)?);
        some(all)
    }
}

/// Raw bars, and what happened to shares in their time.
async fn paid_at_alpaca(alpaca: &Alpaca, wanted: &Wanted<'_>) -> Result<History, FetchError> {
    let (symbol, class) = (wanted.symbol.as_str(), wanted.class);
    let query = BarsQuery {
        symbols: vec![symbol.to_owned()],
        class,
        timeframe: Timeframe::Day,
        from: Stamp::from(wanted.from),
        to: Stamp::from(wanted.to),
        adjustment: "raw",
    };
    let found = alpaca.bars(&query).await?.remove(symbol).unwrap_or_default();
    let bars = found.iter().map(|bar| bar.closed(Timeframe::Day, class)).collect();
    let splits = match class {
        AssetClass::Equity => {
            let day = |time: Time| Calendar::of(class).session_date(time);
            alpaca.splits(&[symbol], (day(wanted.from), day(wanted.to))).await?
        }
        AssetClass::Crypto => Vec::new(),
    };
    Ok(History { bars, splits })
}

fn some<T>(found: Vec<T>) -> Result<Vec<T>, FetchError> {
    if found.is_empty() { Err(FetchError::Nothing) } else { Ok(found) }
}

#[cfg(test)]
mod tests;
