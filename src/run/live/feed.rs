//! The feed of an open market: bars of the stream, gaps filled from the market's history, handed on as
//! slices.
//!
//! - L-1: closed bars only, each once and in order; what comes late is turned away and counted.
//!
//! After every connection the history since the last slice is asked for, because a stream says nothing
//! of what happened while nobody listened. A history that cannot be had is asked for again at the next
//! bar: until then there is no new slice, so nothing is decided on a gap.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use conclave_domain::market::bar::{Bar, Timeframe};
use conclave_domain::market::gather::{Gathered, Gatherer};
use conclave_domain::market::symbol::Symbol;
use conclave_domain::market::tape::{Chunk, Instrument, Tick};
use conclave_domain::time::Time;
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;

use crate::adapters::clock::now;

/// How long a slice that lacks a symbol waits for it.
const PATIENCE: Duration = Duration::from_secs(2);
/// How long to wait before a history that could not be had is asked for again.
const AGAIN: Duration = Duration::from_secs(5);
/// How often somebody is told that nothing has come.
const QUIET: Duration = Duration::from_mins(3);

/// What the stream says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::run) enum Heard {
    /// It is connected, for the first time or again: what happened meanwhile is not known.
    Connected,
    /// A bar has closed.
    Bar(Symbol, Bar),
}

/// Where the past is asked for.
pub(in crate::run) trait Past {
    /// Closed bars of all symbols that close behind `after`, oldest first.
    fn since(&self, after: Time)
    -> impl Future<Output = Result<Vec<(Symbol, Bar)>, String>> + Send;
}

/// The feed.
#[derive(Debug)]
pub(in crate::run) struct LiveFeed<P> {
    heard: mpsc::Receiver<Heard>,
    past: P,
    places: BTreeMap<Symbol, u16>,
    gatherer: Gatherer,
    /// When the past behind the last slice is to be asked for, where it is not known.
    gap: Option<Instant>,
    late: u64,
}

impl<P: Past> LiveFeed<P> {
    /// A feed that goes on behind `closed`.
    pub(in crate::run) fn new(
        heard: mpsc::Receiver<Heard>,
        past: P,
        instruments: &Arc<[Instrument]>,
        closed: Time,
    ) -> Self {
        let places = instruments.iter().zip(0..).map(|(of, place)| (of.symbol.clone(), place));
        Self {
            heard,
            past,
            places: places.collect(),
            gatherer: Gatherer::new(instruments, Timeframe::Minute, closed, PATIENCE),
            gap: Some(Instant::now()),
            late: 0,
        }
    }

    /// The next slice; `None` once somebody asks to stop, or the stream is over for good.
    pub(in crate::run) async fn next(&mut self, stop: &mut watch::Receiver<bool>) -> Option<Chunk> {
        loop {
            if *stop.borrow() {
                return None;
            }
            if self.gap.is_none()
                && let Some(Gathered { chunk, refused }) = self.gatherer.next(now())
            {
                for refused in refused {
                    metrics::counter!("conclave_bars_refused_total").increment(1);
                    tracing::warn!(symbol = %refused.symbol, error = %refused.error, "bar refused");
                }
                if chunk.is_empty() {
                    continue;
                }
                return Some(chunk);
            }
            let until = self.wakes();
            tokio::select! {
                biased;
                // Nobody can ask any more where the sender is gone; then only the stream ends it.
                Ok(_) = stop.wait_for(|stop| *stop) => return None,
                heard = self.heard.recv() => self.take(heard?),
                () = tokio::time::sleep_until(until) => self.look_again().await,
            }
        }
    }

    fn wakes(&self) -> Instant {
        let until = |due: Time| u64::try_from(due.ms() - now().ms()).unwrap_or(0);
        let wait = self.gatherer.due().map_or(QUIET, |due| Duration::from_millis(until(due)));
        self.gap.unwrap_or_else(|| Instant::now() + wait)
    }

    fn take(&mut self, heard: Heard) {
        match heard {
            Heard::Connected => self.gap = Some(Instant::now()),
            Heard::Bar(symbol, bar) => self.gather(&symbol, bar),
        }
    }

    fn gather(&mut self, symbol: &Symbol, bar: Bar) {
        let Some(&instrument) = self.places.get(symbol) else { return };
        if !self.gatherer.take(Tick { instrument, bar }, now()) {
            self.late += 1;
            metrics::counter!("conclave_bars_refused_total").increment(1);
            tracing::debug!(%symbol, close = %bar.close_time, "bar came behind its slice");
        }
    }

    /// Nothing was heard in time: a gap is filled, or a quiet feed is named.
    async fn look_again(&mut self) {
        if self.gap.take().is_some() {
            match self.past.since(self.gatherer.closed()).await {
                Ok(bars) => bars.into_iter().for_each(|(symbol, bar)| self.gather(&symbol, bar)),
                Err(error) => {
                    tracing::warn!(
                        error,
                        "the bars of a gap cannot be had; nothing is decided yet"
                    );
                    self.gap = Some(Instant::now() + AGAIN);
                }
            }
            return;
        }
        if self.gatherer.due().is_none() {
            tracing::info!(closed = %self.gatherer.closed(), "no bar has come for a while");
        }
    }
}
