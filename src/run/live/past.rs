//! Bars of the broker: its history by questions, its stream by messages, both as bars of ours.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use conclave_domain::alpaca::stream::{BarKind, DataMessage};
use conclave_domain::market::bar::{Bar, Timeframe};
use conclave_domain::market::door::Door;
use conclave_domain::market::series::Series;
use conclave_domain::market::symbol::{AssetClass, Symbol};
use conclave_domain::time::Time;
use tokio::sync::mpsc::Sender;

use super::feed::{Heard, Past};
use super::stamp;
use crate::adapters::alpaca_http::{Alpaca, BarsQuery};
use crate::adapters::alpaca_stream::{Heard as Streamed, Listener};

/// How far back the market is warmed up: the volatility level takes twenty sessions, holidays between.
const WARM_UP: Duration = Duration::from_hours(24 * 45);

/// The history of some symbols.
#[derive(Clone, Debug)]
pub(in crate::run) struct History {
    pub(super) alpaca: Arc<Alpaca>,
    pub(super) symbols: BTreeMap<Symbol, AssetClass>,
    pub(super) timeframe: Timeframe,
}

impl History {
    /// Closed bars of each symbol up to `until`, through the door; a symbol without bars has an empty
    /// series.
    pub(super) async fn warm_up(&self, until: Time) -> Result<Vec<Series>, String> {
        let back = i64::try_from(WARM_UP.as_millis()).unwrap_or(i64::MAX);
        let from = Time::from_ms(until.ms().saturating_sub(back));
        let mut by_symbol = self.between(from, until).await?;
        let series = self.symbols.iter().map(|(symbol, &class)| {
            let mut door = Door::new(class, self.timeframe);
            let mut bars = by_symbol.remove(symbol).unwrap_or_default();
            bars.retain(|bar| match door.admit(bar) {
                Ok(_) => true,
                Err(error) => {
                    tracing::warn!(%symbol, %error, "bar refused at the door");
                    false
                }
            });
            Series { symbol: symbol.clone(), class, timeframe: self.timeframe, bars }
        });
        Ok(series.collect())
    }

    /// Bars that open at or behind `from` and are closed at `until`.
    async fn between(&self, from: Time, until: Time) -> Result<BTreeMap<Symbol, Vec<Bar>>, String> {
        let mut found = BTreeMap::new();
        for class in [AssetClass::Equity, AssetClass::Crypto] {
            let symbols: BTreeMap<&str, &Symbol> = self
                .symbols
                .iter()
                .filter(|(_, of)| **of == class)
                .map(|(symbol, _)| (symbol.as_str(), symbol))
                .collect();
            if symbols.is_empty() {
                continue;
            }
            let query = BarsQuery {
                symbols: symbols.keys().map(|&name| name.to_owned()).collect(),
                class,
                timeframe: self.timeframe,
                from: stamp(from),
                to: stamp(until),
                adjustment: "split",
            };
            let told = self.alpaca.bars(&query).await.map_err(|error| error.to_string())?;
            for (name, bars) in told {
                let Some(&symbol) = symbols.get(name.as_str()) else { continue };
                let bars = bars.iter().map(|bar| bar.closed(self.timeframe, class));
                let closed = bars.filter(|bar| bar.close_time <= until);
                found.insert(symbol.clone(), closed.collect());
            }
        }
        Ok(found)
    }
}

impl Past for History {
    async fn since(&self, after: Time) -> Result<(Time, Vec<(Symbol, Bar)>), String> {
        // The broker's own clock: that of an exchange on this machine may stand anywhere.
        let clock = self.alpaca.clock().await.map_err(|error| error.to_string())?;
        let until = clock.timestamp.time();
        let found = self.between(after, until).await?;
        let bars = found.into_iter().flat_map(|(symbol, bars)| {
            bars.into_iter().map(move |bar| (symbol.clone(), bar)).collect::<Vec<_>>()
        });
        let mut bars: Vec<_> = bars.filter(|(_, bar)| bar.close_time > after).collect();
        bars.sort_by(|(one, a), (two, b)| (a.close_time, one).cmp(&(b.close_time, two)));
        Ok((until, bars))
    }
}

/// Tells the feed what a stream says. A stream that is lost needs no word: its next connection is one.
pub(super) async fn translate(
    mut listener: Listener,
    (class, timeframe): (AssetClass, Timeframe),
    out: Sender<Heard>,
) {
    while let Some(streamed) = listener.next().await {
        let heard = match streamed {
            Streamed::Connected { .. } | Streamed::Gap { .. } => Heard::Connected,
            Streamed::Message(DataMessage::Bar { symbol, kind: BarKind::Minute, bar }) => {
                let Ok(symbol) = Symbol::new(&symbol) else { continue };
                Heard::Bar(symbol, bar.closed(timeframe, class))
            }
            Streamed::Message(_) | Streamed::Lost { .. } => continue,
        };
        if out.send(heard).await.is_err() {
            return;
        }
    }
}
