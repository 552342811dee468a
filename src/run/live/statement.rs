//! Reads the account at the broker as a whole, and brings ours to it.

use std::sync::Arc;
use std::time::Duration;

use conclave_actors::council::Council;
use conclave_actors::runtime::ports::Clock;
use conclave_domain::alpaca::{Order, is_same_symbol, ours};
use conclave_domain::brief::trading::TradingState;
use conclave_domain::fixed::Qty;
use conclave_domain::market::symbol::Symbol;
use conclave_domain::mode::By;
use conclave_domain::order::ClientOrderId;
use conclave_domain::reconcile::{InFlight, StatedOrder, StatedState, Statement};
use conclave_domain::time::Time;

use crate::adapters::alpaca_http::{Alpaca, OrdersQuery, Venue};
use crate::adapters::clock::now;

/// How often a statement is read that something has happened in the middle of.
const TRIES: u32 = 5;
/// How often it is looked whether orders of a former run are gone.
const LETS_GO: u32 = 10;
/// How long is waited between two of them.
const PAUSE: Duration = Duration::from_millis(300);

/// How far our clock may be from the broker's.
const SKEW_MAX: Duration = Duration::from_secs(2);

/// By how much a clock is wrong, where that is more than is taken: ours and the broker's, which differ, or
/// that of an exchange on this machine, which has a time of its own and may not be behind the bars that it
/// has told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Skew {
    /// This machine's clock and the broker's are so far apart.
    Apart(Duration),
    /// The exchange's clock is so far behind its own bars.
    Behind(Duration),
}

impl Skew {
    /// What a statement or a start looks at. `told` is the close of the newest bar.
    pub(super) fn of(venue: Venue, theirs: Time, ours: Time, told: Option<Time>) -> Option<Self> {
        let wrong = |by: Duration| Some(by).filter(|by| SKEW_MAX < *by);
        if venue == Venue::Here {
            return wrong(told?.since(theirs)).map(Self::Behind);
        }
        wrong(Duration::from_millis(theirs.ms().abs_diff(ours.ms()))).map(Self::Apart)
    }
}

impl std::fmt::Display for Skew {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let most = SKEW_MAX.as_millis();
        match self {
            Self::Apart(by) => write!(
                f,
                "this machine's clock is {} ms from the broker's, and may be {most} ms: set it",
                by.as_millis(),
            ),
            Self::Behind(by) => write!(
                f,
                "the exchange's clock is {} ms behind the bars that it has told, and may be {most} ms",
                by.as_millis(),
            ),
        }
    }
}

/// Who reads it.
#[derive(Clone, Debug)]
pub(super) struct Reader {
    pub(super) alpaca: Arc<Alpaca>,
    pub(super) council: Council,
    /// The symbols that are traded.
    pub(super) symbols: Vec<Symbol>,
    /// Market time.
    pub(super) clock: Arc<dyn Clock>,
    /// Whether somebody carries orders: what the broker does not know may then be on its way.
    pub(super) is_carried: bool,
}

impl Reader {
    /// Brings the account to what the broker says; says what differed.
    ///
    /// # Errors
    /// When it could not be read, or makes no sense; nothing was changed.
    pub(super) async fn reconcile(&self) -> Result<(), String> {
        self.look_at_the_clock().await?;
        let mut why = String::new();
        for _ in 0..TRIES {
            match self.statement().await {
                Ok(Some(statement)) => match self.council.reconcile(statement).await {
                    Ok(done) => {
                        for adjustment in &done.adjustments {
                            tracing::warn!(?adjustment, "the account was brought to the broker's");
                        }
                        return Ok(());
                    }
                    Err(error) => why = chain(&error),
                },
                Ok(None) => "orders changed while it was read".clone_into(&mut why),
                Err(error) => why = error,
            }
            tokio::time::sleep(PAUSE).await;
        }
        Err(why)
    }

    /// No new risk is taken by a clock that is wrong: what is old would pass for new.
    async fn look_at_the_clock(&self) -> Result<(), String> {
        // Before the question, because bars go on while it is answered.
        let told = self.clock.market();
        let theirs = self.alpaca.clock().await.map_err(|error| error.to_string())?;
        let theirs = theirs.timestamp.time();
        let standing = self.council.safety.standing().trading_state;
        if let Some(skew) = Skew::of(self.alpaca.venue(), theirs, now(), Some(told))
            && standing == TradingState::Active
        {
            let why = skew.to_string();
            tracing::error!(why, "no new risk is taken until somebody has looked");
            let by = By::Rule("clock");
            // In force whatever this returns; safety tells the audit.
            if let Err(code) = self.council.safety.set_state(TradingState::Reducing, by, &why).await
            {
                tracing::error!(code = code.as_str(), "new risk stopped but not stored");
            }
        }
        Ok(())
    }

    /// Cancels what a former run has left open in the symbols that are traded: this one would hear nothing
    /// of it, and it holds what exits must sell. What the broker does not let go in time stays, and is
    /// named.
    ///
    /// # Errors
    /// When the orders cannot be asked for.
    pub(super) async fn take_back(&self) -> Result<(), String> {
        let known = self.council.broker.in_flight().await.map_err(|error| chain(&error))?;
        let mut left = self.left_behind(&known).await?;
        for order in &left {
            let (id, symbol) = (&order.client_order_id, &order.symbol);
            tracing::warn!(order = id, symbol, "an order of a former run is canceled");
            if let Err(error) = self.alpaca.cancel(&order.id).await {
                tracing::warn!(order = id, %error, "not canceled");
            }
        }
        for _ in 0..LETS_GO {
            if left.is_empty() {
                return Ok(());
            }
            tokio::time::sleep(PAUSE).await;
            left = self.left_behind(&known).await?;
        }
        for order in &left {
            let (id, symbol) = (&order.client_order_id, &order.symbol);
            tracing::error!(
                order = id,
                symbol,
                "an order of a former run stays and may hold exits up"
            );
        }
        Ok(())
    }

    /// Open orders of ours in the symbols that are traded, of which this account does not know.
    async fn left_behind(&self, known: &InFlight) -> Result<Vec<Order>, String> {
        let open = self.alpaca.orders(&OrdersQuery::default()).await;
        let mut open: Vec<Order> = open.map_err(|error| error.to_string())?;
        open.retain(|order| {
            let is_traded = |ours: &Symbol| is_same_symbol(ours.as_str(), &order.symbol);
            let id = ours::our_id(&order.client_order_id);
            id.is_some_and(|id| known.orders.iter().all(|sent| sent.order != id))
                && self.symbols.iter().any(is_traded)
        });
        Ok(open)
    }

    /// Asks for every order that may have changed unheard. Whether all could be asked.
    pub(super) async fn catch_up(&self) -> bool {
        let Ok(InFlight { orders, .. }) = self.council.broker.in_flight().await else {
            return false;
        };
        let mut is_whole = true;
        for sent in orders {
            match self.alpaca.order_by_client_id(sent.order.as_str()).await {
                // Who carries it says so where it never arrived.
                Ok(found) => {
                    let at = self.clock.trading();
                    let stated = found.and_then(|order| ours::stated(&order, at));
                    let reports = stated.map(|stated| stated.reports()).unwrap_or_default();
                    let doubts = self.council.broker.heard(reports).await;
                    is_whole &= doubts.is_ok_and(|doubts| doubts.is_empty());
                }
                Err(error) => {
                    tracing::warn!(order = %sent.order, %error, "an order cannot be asked for");
                    is_whole = false;
                }
            }
        }
        is_whole
    }

    /// One reading; nothing where the orders at its end are not those at its beginning.
    async fn statement(&self) -> Result<Option<Statement>, String> {
        let failed = |error: crate::adapters::alpaca_http::AlpacaError| error.to_string();
        let in_flight = self.council.broker.in_flight().await.map_err(|error| chain(&error))?;
        let before = self.orders(&in_flight).await?;
        let account = self.alpaca.account().await.map_err(failed)?;
        let positions = self.alpaca.positions().await.map_err(failed)?;
        let after = self.orders(&in_flight).await?;
        let (Some(before), Some(after)) = (before, after) else { return Ok(None) };
        if before != after {
            return Ok(None);
        }
        let of = (in_flight.changes, self.clock.trading());
        ours::statement(of, &account, &positions, after, &self.symbols)
            .map(Some)
            .map_err(|error| error.to_string())
    }

    /// Orders of ours that are in flight or open there, and how many others are open; nothing while one
    /// is on its way.
    async fn orders(
        &self,
        in_flight: &InFlight,
    ) -> Result<Option<(Vec<StatedOrder>, u32)>, String> {
        // One moment for all that say none, so that two readings of the same are equal.
        let now = Time::EPOCH;
        let open = self.alpaca.orders(&OrdersQuery::default()).await;
        let open: Vec<Order> = open.map_err(|error| error.to_string())?;
        let mut stated: Vec<StatedOrder> =
            open.iter().filter_map(|order| ours::stated(order, now)).collect();
        let foreign = u32::try_from(open.len() - stated.len()).unwrap_or(u32::MAX);
        for sent in &in_flight.orders {
            if stated.iter().any(|known| known.order == sent.order) {
                continue;
            }
            let found = self.alpaca.order_by_client_id(sent.order.as_str()).await;
            let found = found.map_err(|error| error.to_string())?;
            match found.and_then(|order| ours::stated(&order, now)) {
                Some(order) => stated.push(order),
                None if self.is_carried => return Ok(None),
                None => stated.push(never_arrived(sent.order.clone(), now)),
            }
        }
        stated.sort_by(|one, two| one.order.cmp(&two.order));
        Ok(Some((stated, foreign)))
    }
}

/// An order that the broker does not know.
pub(super) fn never_arrived(order: ClientOrderId, at: Time) -> StatedOrder {
    StatedOrder {
        order,
        venue_order_id: None,
        at,
        filled: Qty::ZERO,
        average: None,
        state: StatedState::Unknown,
    }
}

fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Remedy of a clock that is wrong: no new risk. A venue with a time of its own may be ahead of its
    /// bars, because nothing trades at night, and never behind them.
    #[test]
    fn a_clock_that_is_more_than_two_seconds_off_is_skewed() {
        let ours = Time::from_ms(1_700_000_000_000);
        let off = |ms: i64| Time::from_ms(ours.ms() + ms);
        for venue in [Venue::Paper, Venue::Live, Venue::Elsewhere] {
            for (ms, is_skewed) in
                [(0, false), (2_000, false), (-2_000, false), (2_001, true), (-90_000, true)]
            {
                let skew = Skew::of(venue, off(ms), ours, None);
                assert_eq!(skew.is_some(), is_skewed, "{venue:?} {ms}");
            }
        }
        let here = |ms, told| Skew::of(Venue::Here, off(ms), Time::EPOCH, told);
        for (ms, is_skewed) in [(90_000, false), (0, false), (-2_000, false), (-2_001, true)] {
            assert_eq!(here(ms, Some(ours)).is_some(), is_skewed, "{ms}");
        }
        assert_eq!(here(-90_000, None), None, "it has told nothing yet");
        for skew in [Skew::of(Venue::Paper, off(-90_000), ours, None), here(-90_000, Some(ours))] {
            let said = skew.map(|skew| skew.to_string()).unwrap_or_default();
            assert!(said.contains("90000 ms") && said.contains("2000 ms"), "{said}");
        }
        let (first, last) = (Time::from_ms(i64::MIN), Time::from_ms(i64::MAX));
        assert!(Skew::of(Venue::Paper, last, first, None).is_some());
    }
}
