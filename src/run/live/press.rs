//! The news of an open market: asked for every minute, and stocked in the newsroom.
//!
//! - L-1: an item may be known from when its text was last changed; what is older than a brief looks back
//!   is forgotten.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use conclave_actors::news::Newsroom;
use conclave_actors::runtime::ports::Clock;
use conclave_domain::alpaca::{News, Stamp};
use conclave_domain::market::symbol::Symbol;
use conclave_domain::news::door::{Press, RawId, RawItem};
use conclave_domain::news::view::WINDOW;
use conclave_domain::time::Time;

use crate::adapters::alpaca_http::Alpaca;

/// How often somebody asks for news.
const EVERY: Duration = Duration::from_mins(1);
/// Items that are kept at most; of more the oldest are forgotten.
const KEPT_MAX: usize = 5_000;

/// Who asks for news, and which there are.
#[derive(Debug)]
pub(super) struct NewsDesk {
    alpaca: Arc<Alpaca>,
    room: Newsroom,
    clock: Arc<dyn Clock>,
    symbols: Vec<Symbol>,
    /// By the time from which they are known, and their number.
    kept: BTreeMap<(Time, u64), RawItem>,
}

impl NewsDesk {
    /// A desk that knows of no news yet.
    pub(super) fn new(
        alpaca: Arc<Alpaca>,
        room: Newsroom,
        clock: Arc<dyn Clock>,
        symbols: Vec<Symbol>,
    ) -> Self {
        Self { alpaca, room, clock, symbols, kept: BTreeMap::new() }
    }

    /// Asks for ever.
    pub(super) async fn follow(mut self) {
        loop {
            tokio::time::sleep(EVERY).await;
            self.ask().await;
        }
    }

    /// Asks for what is new. Without an answer the news are those that were known.
    pub(super) async fn ask(&mut self) {
        let now = self.clock.trading();
        let window = i64::try_from(WINDOW.as_millis()).unwrap_or(i64::MAX);
        let oldest = Time::from_ms(now.ms().saturating_sub(window));
        let since = self.kept.keys().next_back().map_or(oldest, |(at, _)| (*at).max(oldest));
        let symbols: Vec<&str> = self.symbols.iter().map(Symbol::as_str).collect();
        let told = match self.alpaca.news(&symbols, Stamp::from(since)).await {
            Ok(told) => told,
            Err(error) => {
                tracing::warn!(%error, "no news could be had");
                return;
            }
        };
        let known = self.kept.len();
        for raw in told.into_iter().filter_map(News::item) {
            if let (Some(at), RawId::Number(id)) = (raw.known_at, &raw.id) {
                self.kept.entry((at, *id)).or_insert(raw);
            }
        }
        let is_new = known != self.kept.len();
        self.kept.retain(|(at, _), _| oldest <= *at);
        while self.kept.len() > KEPT_MAX {
            self.kept.pop_first();
        }
        if is_new {
            let press = Press::of(self.kept.values().cloned().collect(), &self.symbols);
            tracing::debug!(items = press.items().len(), refused = press.refused.len(), "news");
            self.room.restock(press);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_item_is_known_from_when_its_text_was_last_changed() {
        let told = r#"{"id":24843171,"headline":"AAPL rises","summary":"It does.",
            "content":"<p>all of it</p>","author":"A","created_at":"2024-02-08T12:00:00Z",
            "updated_at":"2024-02-08T13:30:00Z","symbols":["AAPL"],"source":"benzinga"}"#;
        let read = |text: &str| serde_json::from_str::<News>(text).unwrap().item();
        let raw = read(told).unwrap();
        assert_eq!(raw.known_at, Some("2024-02-08T13:30:00Z".parse().unwrap()));
        assert_eq!((raw.headline.as_str(), raw.body.as_str()), ("AAPL rises", "It does."));
        assert!(read(&told.replace("24843171", "-1")).is_none());
        let press = Press::of(vec![raw], &["AAPL".parse().unwrap()]);
        assert_eq!((press.items().len(), press.refused.len()), (1, 0));
    }
}
