//! Lists that come in pages: orders, activities, bars, news. Every one of them has an end.

use std::collections::{BTreeMap, BTreeSet};

use conclave_domain::alpaca::actions::{ActionsPage, SplitAction};
use conclave_domain::alpaca::{Activity, BarsPage, News, NewsPage, Order, Stamp, data};
use conclave_domain::market::bar::Timeframe;
use conclave_domain::market::splits::Split;
use conclave_domain::market::symbol::AssetClass;
use jiff::civil::Date;

use super::line::Call;
use super::{Alpaca, AlpacaError};

/// Orders and activities on a page, the most that the venue gives.
const ORDERS_A_PAGE: usize = 500;
const ACTIVITIES_A_PAGE: usize = 100;
/// Bars on a page, the most that the venue gives.
const BARS_A_PAGE: usize = 10_000;
/// News on a page, the most that the venue gives.
const NEWS_A_PAGE: usize = 50;
/// Corporate actions on a page, the most that the venue gives.
const ACTIONS_A_PAGE: usize = 1_000;
/// The most pages of one list: a hundred thousand orders, two million bars.
const PAGES_MAX: usize = 200;

/// Which orders are asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OrdersQuery {
    /// Those that are over too.
    pub all: bool,
    /// Only what was sent after this.
    pub after: Option<Stamp>,
    /// Only of these symbols; of all where there are none.
    pub symbols: Vec<String>,
    /// With the legs below their entry, instead of beside it.
    pub nested: bool,
}

/// Which bars are asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BarsQuery {
    /// Of what.
    pub symbols: Vec<String>,
    /// What kind of thing that is.
    pub class: AssetClass,
    /// How long each is.
    pub timeframe: Timeframe,
    /// From when on.
    pub from: Stamp,
    /// Until when.
    pub to: Stamp,
    /// What prices of shares are adjusted for: `raw`, `split`, `dividend` or `all`.
    pub adjustment: &'static str,
}

impl Alpaca {
    /// Orders, oldest first.
    ///
    /// # Errors
    /// As [`Alpaca::account`], and where there are more than can be read.
    pub async fn orders(&self, query: &OrdersQuery) -> Result<Vec<Order>, AlpacaError> {
        let (mut orders, mut seen) = (Vec::new(), BTreeSet::new());
        let mut after = query.after;
        for _ in 0..PAGES_MAX {
            let mut call = Call::get(&["v2", "orders"])
                .query("status", if query.all { "all" } else { "open" })
                .query("limit", ORDERS_A_PAGE)
                .query("direction", "asc")
                .query("nested", query.nested);
            if let Some(after) = after {
                call = call.query("after", after);
            }
            if !query.symbols.is_empty() {
                call = call.query("symbols", query.symbols.join(","));
            }
            let page: Vec<Order> = self.ask(&self.trading, &call).await?;
            let (length, known) = (page.len(), orders.len());
            let last = page.last().and_then(|order| order.submitted_at);
            orders.extend(page.into_iter().filter(|order| seen.insert(order.id.clone())));
            if length < ORDERS_A_PAGE {
                return Ok(orders);
            }
            // The legs of a bracket are sent at one moment, which a page may cut in two: the next page
            // begins just before it, and what is known already is left out.
            after = last.and_then(just_before);
            if after.is_none() || orders.len() == known {
                return Err(AlpacaError::TooMuch { what: call.what() });
            }
        }
        Err(AlpacaError::TooMuch { what: "GET /v2/orders".to_owned() })
    }

    /// What happened to the account, oldest first: fills with `FILL`, or everything.
    ///
    /// # Errors
    /// As [`Alpaca::orders`].
    pub async fn activities(
        &self,
        kind: Option<&str>,
        after: Option<Stamp>,
    ) -> Result<Vec<Activity>, AlpacaError> {
        let mut activities: Vec<Activity> = Vec::new();
        for _ in 0..PAGES_MAX {
            let mut call = Call::get(&["v2", "account", "activities"])
                .query("direction", "asc")
                .query("page_size", ACTIVITIES_A_PAGE);
            if let Some(kind) = kind {
                call = call.query("activity_types", kind);
            }
            if let Some(after) = after {
                call = call.query("after", after);
            }
            let token = activities.last().map(|last| last.id.clone());
            if let Some(token) = &token {
                call = call.query("page_token", token);
            }
            let page: Vec<Activity> = self.ask(&self.trading, &call).await?;
            let length = page.len();
            if token.is_some() && page.last().map(|last| &last.id) == token.as_ref() {
                return Err(AlpacaError::TooMuch { what: call.what() });
            }
            activities.extend(page);
            if length < ACTIVITIES_A_PAGE {
                return Ok(activities);
            }
        }
        Err(AlpacaError::TooMuch { what: "GET /v2/account/activities".to_owned() })
    }

    /// Bars by symbol, oldest first, the one that is still open too.
    ///
    /// # Errors
    /// As [`Alpaca::orders`].
    pub async fn bars(
        &self,
        query: &BarsQuery,
    ) -> Result<BTreeMap<String, Vec<data::Bar>>, AlpacaError> {
        let mut bars: BTreeMap<String, Vec<data::Bar>> = BTreeMap::new();
        let mut token = None;
        for _ in 0..PAGES_MAX {
            let call = self.bars_call(query, token.as_deref());
            let page: BarsPage = self.ask(&self.data, &call).await?;
            for (symbol, more) in page.bars {
                bars.entry(symbol).or_default().extend(more);
            }
            match page.next_page_token {
                None => return Ok(bars),
                same if same == token => return Err(AlpacaError::TooMuch { what: call.what() }),
                next => token = next,
            }
        }
        Err(AlpacaError::TooMuch { what: "bars".to_owned() })
    }

    fn bars_call(&self, query: &BarsQuery, token: Option<&str>) -> Call {
        let call = match query.class {
            AssetClass::Equity => Call::get(&["v2", "stocks", "bars"])
                .query("adjustment", query.adjustment)
                .query("feed", &self.settings.feed),
            AssetClass::Crypto => Call::get(&["v1beta3", "crypto", "us", "bars"]),
        };
        let call = call
            .query("symbols", query.symbols.join(","))
            .query("timeframe", data::timeframe_word(query.timeframe))
            .query("start", query.from)
            .query("end", query.to)
            .query("limit", BARS_A_PAGE)
            .query("sort", "asc");
        match token {
            Some(token) => call.query("page_token", token),
            None => call,
        }
    }

    /// Splits of shares between two days, by day. One whose rates are no ratio fails: without it prices
    /// before and after it could not be compared.
    ///
    /// # Errors
    /// As [`Alpaca::orders`].
    pub async fn splits(
        &self,
        symbols: &[&str],
        (from, to): (Date, Date),
    ) -> Result<Vec<Split>, AlpacaError> {
        let (mut splits, mut token) = (Vec::new(), None);
        for _ in 0..PAGES_MAX {
            let mut call = Call::get(&["v1", "corporate-actions"])
                .query("symbols", symbols.join(","))
                .query("types", "forward_split,reverse_split")
                .query("start", from)
                .query("end", to)
                .query("limit", ACTIONS_A_PAGE)
                .query("sort", "asc");
            if let Some(token) = &token {
                call = call.query("page_token", token);
            }
            let page: ActionsPage = self.ask(&self.data, &call).await?;
            let actions = page.corporate_actions;
            for action in actions.forward_splits.iter().chain(&actions.reverse_splits) {
                splits.push(action.split().ok_or_else(|| no_ratio(action))?);
            }
            match page.next_page_token {
                None => {
                    splits.sort_by(|a, b| (a.date, &a.symbol).cmp(&(b.date, &b.symbol)));
                    return Ok(splits);
                }
                same if same == token => return Err(AlpacaError::TooMuch { what: call.what() }),
                next => token = next,
            }
        }
        Err(AlpacaError::TooMuch { what: "GET /v1/corporate-actions".to_owned() })
    }

    /// News of these symbols that were changed since `after`, oldest first. They are texts of
    /// strangers.
    ///
    /// # Errors
    /// As [`Alpaca::orders`].
    pub async fn news(&self, symbols: &[&str], after: Stamp) -> Result<Vec<News>, AlpacaError> {
        let (mut news, mut token) = (Vec::new(), None);
        for _ in 0..PAGES_MAX {
            let mut call = Call::get(&["v1beta1", "news"])
                .query("symbols", symbols.join(","))
                .query("start", after)
                .query("sort", "asc")
                .query("limit", NEWS_A_PAGE)
                .query("include_content", false);
            if let Some(token) = &token {
                call = call.query("page_token", token);
            }
            let page: NewsPage = self.ask(&self.data, &call).await?;
            news.extend(page.news);
            match page.next_page_token {
                None => return Ok(news),
                same if same == token => return Err(AlpacaError::TooMuch { what: call.what() }),
                next => token = next,
            }
        }
        Err(AlpacaError::TooMuch { what: "GET /v1beta1/news".to_owned() })
    }
}

fn no_ratio(action: &SplitAction) -> AlpacaError {
    let SplitAction { symbol, new_rate, old_rate, ex_date } = action;
    let [symbol, ex_date] = [symbol, ex_date].map(|it| it.chars().take(20).collect::<String>());
    AlpacaError::NoRatio(format!("{new_rate} for {old_rate} of `{symbol}` on {ex_date}"))
}

/// A nanosecond earlier.
fn just_before(stamp: Stamp) -> Option<Stamp> {
    let earlier = stamp.timestamp().checked_sub(jiff::SignedDuration::from_nanos(1));
    earlier.ok().map(Stamp::from)
}
