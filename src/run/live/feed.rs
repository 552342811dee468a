//! The feed of an open market: bars of the stream, gaps filled from the market's history, handed on as
//! slices.
//!
//! - L-1: closed bars only, each once and in order; what comes late is turned away and counted.
//!
//! A bar of a gap is as old as the market's own clock says: a gate sees that, and no new risk is decided
//! on what is stale, while exits are.
//!
//! After every connection the history since the last slice is asked for, because a stream says nothing
//! of what happened while nobody listened. A history that cannot be had is asked for again at the next
//! bar: until then there is no new slice, so nothing is decided on a gap.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use conclave_actors::runtime::ports::Clock as _;
use conclave_domain::brief::trading::Session;
use conclave_domain::deliberation::session_of;
use conclave_domain::market::bar::{Bar, Timeframe};
use conclave_domain::market::gather::{Gathered, Gatherer};
use conclave_domain::market::symbol::{AssetClass, Symbol};
use conclave_domain::market::tape::{Chunk, Instrument, Tick};
use conclave_domain::time::Time;
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;

use crate::adapters::clock::now;
use crate::run::clock::ReplayClock;

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
    /// How late it is at the market, and the closed bars of all symbols that close behind `after`,
    /// oldest first.
    fn since(
        &self,
        after: Time,
    ) -> impl Future<Output = Result<(Time, Vec<(Symbol, Bar)>), String>> + Send;
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
    clock: Arc<ReplayClock>,
    classes: BTreeSet<AssetClass>,
    /// When anything was last heard.
    heard_at: Instant,
}

impl<P: Past> LiveFeed<P> {
    /// A feed that goes on behind `closed`.
    pub(in crate::run) fn new(
        heard: mpsc::Receiver<Heard>,
        past: P,
        instruments: &Arc<[Instrument]>,
        (closed, clock): (Time, Arc<ReplayClock>),
    ) -> Self {
        let places = instruments.iter().zip(0..).map(|(of, place)| (of.symbol.clone(), place));
        Self {
            heard,
            past,
            places: places.collect(),
            gatherer: Gatherer::new(instruments, Timeframe::Minute, closed, PATIENCE),
            gap: Some(Instant::now()),
            late: 0,
            clock,
            classes: instruments.iter().map(|of| of.class).collect(),
            heard_at: Instant::now(),
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
            let heard = tokio::select! {
                biased;
                // Nobody can ask any more where the sender is gone; then only the stream ends it.
                Ok(_) = stop.wait_for(|stop| *stop) => return None,
                heard = self.heard.recv() => Some(heard?),
                () = tokio::time::sleep_until(until) => None,
            };
            if let Some(heard) = heard {
                self.take(heard);
                continue;
            }
            tokio::select! {
                biased;
                // A history may take long, and a stop waits for nobody.
                Ok(_) = stop.wait_for(|stop| *stop) => return None,
                () = self.look_again() => {}
            }
        }
    }

    fn wakes(&self) -> Instant {
        let until = |due: Time| u64::try_from(due.ms() - now().ms()).unwrap_or(0);
        let wait = self.gatherer.due().map_or(QUIET, |due| Duration::from_millis(until(due)));
        self.gap.unwrap_or_else(|| Instant::now() + wait)
    }

    fn take(&mut self, heard: Heard) {
        self.heard_at = Instant::now();
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
                Ok((market, bars)) => {
                    // Before they are handed on: how old each of them is decides what may follow from it.
                    self.clock.see_market(market);
                    for (symbol, bar) in bars {
                        self.gather(&symbol, bar);
                    }
                }
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
        if self.gatherer.due().is_some() {
            return;
        }
        let (closed, seconds) = (self.gatherer.closed(), self.heard_at.elapsed().as_secs());
        if self.owed().is_open() {
            let text = "no bar has come although the market is open: nothing new is decided";
            tracing::warn!(%closed, seconds, "{text}");
        } else {
            tracing::info!(%closed, seconds, "no bar has come for a while");
        }
    }

    /// How long the slice behind the last one is owed, from now on.
    pub(in crate::run) fn owed(&self) -> Owed {
        let (clock, classes) = (Arc::clone(&self.clock), self.classes.clone());
        Owed { clock, classes, closed: self.gatherer.closed(), since: Instant::now() }
    }
}

/// How long a slice is owed that has not come: nothing is while no session goes on, so a night is no
/// silence, and neither is the first minute of a morning.
#[derive(Debug)]
pub(in crate::run) struct Owed {
    clock: Arc<ReplayClock>,
    classes: BTreeSet<AssetClass>,
    /// Until when everything is known.
    closed: Time,
    since: Instant,
}

impl Owed {
    /// How long until this moment; looked at again and again while the slice is waited for.
    pub(in crate::run) fn age(&mut self) -> Duration {
        if !self.is_open() {
            self.since = Instant::now();
        }
        self.since.elapsed()
    }

    /// Whether anything that is traded has its session now.
    fn is_open(&self) -> bool {
        let now = self.clock.market().max(self.closed);
        let mut sessions = self.classes.iter().map(|&class| session_of(class, now));
        sessions.any(|session| session == Session::Regular)
    }
}

#[cfg(test)]
mod tests;
