//! Questions: asked again, with pauses, until they are answered or the deadline is over.

use std::collections::BTreeMap;

use conclave_domain::alpaca::{
    Account, Ask, Asset, CalendarDay, Clock, LatestBars, LatestQuotes, LatestTrades, Order,
    Position, Quote, Remedy, Trade, Trouble, data,
};
use conclave_domain::market::symbol::AssetClass;
use jiff::civil::Date;
use reqwest::Method;
use serde::de::DeserializeOwned;

use super::line::{Call, Line, Reply};
use super::patience::Patience;
use super::{Alpaca, AlpacaError};

/// Shares whose snapshots are asked for at once: their names fit into an address.
const SNAPSHOTS_A_CALL: usize = 400;
/// Refusals of snapshots after which it is not for single names.
const REFUSALS_MAX: usize = 200;
/// What a question is asked again for.
const AGAIN: &[Remedy] = &[Remedy::Retry, Remedy::WaitUntilReset];

impl Alpaca {
    /// The account.
    ///
    /// # Errors
    /// When nobody could be asked, or the venue refused. So with every question below.
    pub async fn account(&self) -> Result<Account, AlpacaError> {
        self.ask(&self.trading, &Call::get(&["v2", "account"])).await
    }

    /// The venue's time, and whether the market of shares is open.
    ///
    /// # Errors
    /// As [`Alpaca::account`].
    pub async fn clock(&self) -> Result<Clock, AlpacaError> {
        self.ask(&self.trading, &Call::get(&["v2", "clock"])).await
    }

    /// The sessions of shares from one day to another, both included.
    ///
    /// # Errors
    /// As [`Alpaca::account`].
    pub async fn calendar(&self, from: Date, to: Date) -> Result<Vec<CalendarDay>, AlpacaError> {
        let midnight = |day: Date| format!("{day}T00:00:00Z");
        let call = Call::get(&["v2", "calendar"]);
        let call = call.query("start", midnight(from)).query("end", midnight(to));
        self.ask(&self.trading, &call).await
    }

    /// Every position.
    ///
    /// # Errors
    /// As [`Alpaca::account`].
    pub async fn positions(&self) -> Result<Vec<Position>, AlpacaError> {
        self.ask(&self.trading, &Call::get(&["v2", "positions"])).await
    }

    /// What is known of a thing that is traded; `None` where there is no such thing.
    ///
    /// # Errors
    /// As [`Alpaca::account`].
    pub async fn asset(&self, symbol: &str) -> Result<Option<Asset>, AlpacaError> {
        let call = Call::one(Ask::Read, Method::GET, &["v2", "assets"], symbol)?;
        maybe(self.ask(&self.trading, &call).await)
    }

    /// Everything of a class that the venue lists and that is not delisted.
    ///
    /// # Errors
    /// As [`Alpaca::account`].
    pub async fn assets(&self, class: AssetClass) -> Result<Vec<Asset>, AlpacaError> {
        let word = match class {
            AssetClass::Equity => "us_equity",
            AssetClass::Crypto => "crypto",
        };
        let call =
            Call::get(&["v2", "assets"]).query("status", "active").query("asset_class", word);
        self.ask(&self.trading, &call).await
    }

    /// Shares at a glance, by symbol; one of which the venue knows nothing is left out. A name that the
    /// data side does not take, though the trading side lists it, costs its part halves until it is alone.
    ///
    /// # Errors
    /// As [`Alpaca::account`], and where more than some are not taken.
    pub async fn snapshots(
        &self,
        symbols: &[&str],
    ) -> Result<BTreeMap<String, data::Snapshot>, AlpacaError> {
        let mut all = BTreeMap::new();
        let mut parts: Vec<&[&str]> = symbols.chunks(SNAPSHOTS_A_CALL).rev().collect();
        let mut refusals = 0;
        while let Some(part) = parts.pop() {
            match self.snapshots_of(part).await {
                Ok(found) => {
                    all.extend(found.into_iter().filter_map(|(symbol, it)| Some((symbol, it?))));
                }
                Err(error) if is_refused(&error) && refusals < REFUSALS_MAX => {
                    refusals += 1;
                    if part.len() > 1 {
                        let (one, other) = part.split_at(part.len() / 2);
                        parts.extend([other, one]);
                    }
                }
                Err(error) => return Err(error),
            }
        }
        Ok(all)
    }

    async fn snapshots_of(
        &self,
        part: &[&str],
    ) -> Result<BTreeMap<String, Option<data::Snapshot>>, AlpacaError> {
        let call = Call::get(&["v2", "stocks", "snapshots"])
            .query("symbols", part.join(","))
            .query("feed", &self.settings.feed);
        self.ask(&self.data, &call).await
    }

    /// An order by the broker's id of it; `None` where there is none.
    ///
    /// # Errors
    /// As [`Alpaca::account`].
    pub async fn order(&self, id: &str) -> Result<Option<Order>, AlpacaError> {
        let call = Call::one(Ask::Read, Method::GET, &["v2", "orders"], id)?;
        maybe(self.ask(&self.trading, &call).await)
    }

    /// An order by our own id of it; `None` where there is none.
    ///
    /// # Errors
    /// As [`Alpaca::account`].
    pub async fn order_by_client_id(&self, id: &str) -> Result<Option<Order>, AlpacaError> {
        let mut patience = Patience::new(self.settings.deadline, &[id]);
        self.order_by_client_id_within(id, &mut patience).await
    }

    pub(super) async fn order_by_client_id_within(
        &self,
        id: &str,
        patience: &mut Patience,
    ) -> Result<Option<Order>, AlpacaError> {
        let call = Call::get(&["v2", "orders:by_client_order_id"]).query("client_order_id", id);
        let reply = self.reply(&self.trading, &call, patience, AGAIN).await;
        maybe(reply.and_then(|reply| reply.read(&call)))
    }

    /// The latest closed minute of each symbol.
    ///
    /// # Errors
    /// As [`Alpaca::account`].
    pub async fn latest_bars(
        &self,
        class: AssetClass,
        symbols: &[&str],
    ) -> Result<BTreeMap<String, data::Bar>, AlpacaError> {
        let call = self.latest(class, "bars", symbols);
        Ok(self.ask::<LatestBars>(&self.data, &call).await?.bars)
    }

    /// The best prices of each symbol.
    ///
    /// # Errors
    /// As [`Alpaca::account`].
    pub async fn latest_quotes(
        &self,
        class: AssetClass,
        symbols: &[&str],
    ) -> Result<BTreeMap<String, Quote>, AlpacaError> {
        let call = self.latest(class, "quotes", symbols);
        Ok(self.ask::<LatestQuotes>(&self.data, &call).await?.quotes)
    }

    /// The latest trade of each symbol.
    ///
    /// # Errors
    /// As [`Alpaca::account`].
    pub async fn latest_trades(
        &self,
        class: AssetClass,
        symbols: &[&str],
    ) -> Result<BTreeMap<String, Trade>, AlpacaError> {
        let call = self.latest(class, "trades", symbols);
        Ok(self.ask::<LatestTrades>(&self.data, &call).await?.trades)
    }

    fn latest(&self, class: AssetClass, what: &str, symbols: &[&str]) -> Call {
        match class {
            AssetClass::Equity => Call::get(&["v2", "stocks", what, "latest"])
                .query("symbols", symbols.join(","))
                .query("feed", &self.settings.feed),
            AssetClass::Crypto => Call::get(&["v1beta3", "crypto", "us", "latest", what])
                .query("symbols", symbols.join(",")),
        }
    }

    /// Asks, and reads what comes back.
    pub(super) async fn ask<T: DeserializeOwned>(
        &self,
        line: &Line,
        call: &Call,
    ) -> Result<T, AlpacaError> {
        self.ask_until(line, call, AGAIN).await
    }

    /// Asks, again for each of these remedies, and reads what comes back. A body that cannot be read
    /// is not asked for again: it would be the same.
    pub(super) async fn ask_until<T: DeserializeOwned>(
        &self,
        line: &Line,
        call: &Call,
        again: &[Remedy],
    ) -> Result<T, AlpacaError> {
        let mut patience = Patience::new(self.settings.deadline, &[&call.what()]);
        self.reply(line, call, &mut patience, again).await?.read(call)
    }

    /// Asks for something whose answer has no body.
    pub(super) async fn ask_for_nothing(
        &self,
        line: &Line,
        call: &Call,
    ) -> Result<(), AlpacaError> {
        let mut patience = Patience::new(self.settings.deadline, &[&call.what()]);
        self.reply(line, call, &mut patience, AGAIN).await.map(drop)
    }

    async fn reply(
        &self,
        line: &Line,
        call: &Call,
        patience: &mut Patience,
        again: &[Remedy],
    ) -> Result<Reply, AlpacaError> {
        loop {
            let error = match line.once(call, patience.until).await {
                Ok(reply) => return Ok(reply),
                Err(error) => error,
            };
            let remedy = error.remedy();
            if !again.contains(&remedy) || !patience.again(remedy, &line.rate).await {
                return Err(error);
            }
            // Whoever waits for the answer sees why it takes so long.
            tracing::warn!(error = %error, "asked again");
        }
    }
}

/// What is not there is no failure.
fn maybe<T>(answer: Result<T, AlpacaError>) -> Result<Option<T>, AlpacaError> {
    match answer {
        Ok(found) => Ok(Some(found)),
        Err(error) if error.trouble() == Some(&Trouble::NotFound) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Whether the venue understood who asks and refused what is asked.
fn is_refused(error: &AlpacaError) -> bool {
    matches!(error.trouble(), Some(Trouble::BadRequest { status: 400 | 422, .. }))
        || matches!(error.trouble(), Some(Trouble::NotPossible { .. }))
}
