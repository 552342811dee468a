//! The order in which a tape is played: the same in a back-test without actors and through them.
//!
//! - D-1: bars of one time in symbol order, one decision after the other, and nothing of the next
//!   slice before every effect of this one is booked.
//!
//! Work moves in chunks, decisions do not: the account is advanced exactly to the slice of a signal
//! before that signal is decided.
//!
//! What is done behind a slice is one span, `bar`: the root of everything that it led to. A slice that
//! asks nothing of anybody has none.

use std::future::Future;
use std::ops::Range;
use std::sync::Arc;

use conclave_domain::market::tape::{Chunk, Tape};
use conclave_domain::policy::caller::Look;
use conclave_domain::time::Time;
use conclave_domain::watch::{Pulse, Raised, Seen};
use tracing::{Instrument as _, Span};

use crate::spans;

/// Where slices come from: the tape, or something around it.
pub trait Feed: Send {
    /// The next slices, at most `slices` of them; `None` at the end. A chunk without slices says
    /// that nothing has come yet.
    fn next_chunk(&mut self, slices: usize) -> Option<Chunk>;
}

impl Feed for Tape {
    fn next_chunk(&mut self, slices: usize) -> Option<Chunk> {
        Self::next_chunk(self, slices)
    }
}

/// A chunk with the pulses of its bars; cheap to clone.
#[derive(Clone, Debug)]
pub struct Played {
    /// The bars.
    pub chunk: Arc<Chunk>,
    /// One pulse per bar, or none.
    pub pulses: Arc<[Pulse]>,
}

/// How far the account was advanced.
#[derive(Clone, Debug, PartialEq)]
pub struct Advanced<E> {
    /// The slices before this index are done.
    pub through: usize,
    /// What happened in the last of them that somebody must attend to before time goes on.
    pub events: Vec<E>,
}

/// The three stations of a bar, and what is in between.
pub trait Stations: Send {
    /// What somebody must attend to: an event of a position, a halt that is due.
    type Event: Send;
    /// Why the run cannot go on.
    type Error: Send;

    /// Steps 1 and 2: features and signals.
    fn watch(
        &mut self,
        chunk: &Arc<Chunk>,
    ) -> impl Future<Output = Result<Seen, Self::Error>> + Send;

    /// Steps 7 and 8 of what rests: fills, exits, marks. May stop early, behind a slice with events.
    fn advance(
        &mut self,
        played: &Played,
        slices: Range<usize>,
    ) -> impl Future<Output = Result<Advanced<Self::Event>, Self::Error>> + Send;

    /// Attends to one event.
    fn attend(
        &mut self,
        event: Self::Event,
    ) -> impl Future<Output = Result<(), Self::Error>> + Send;

    /// Steps 3 to 8 of one signal.
    fn decide(&mut self, raised: Raised) -> impl Future<Output = Result<(), Self::Error>> + Send;

    /// Asks a policy about one bar, and does what it says.
    fn consider(&mut self, look: Look) -> impl Future<Output = Result<(), Self::Error>> + Send;

    /// The slices of a chunk behind which somebody looks at the run as a whole, in order.
    fn reviews(&mut self, chunk: &Arc<Chunk>) -> Vec<usize>;

    /// Looks at the run as a whole; what is changed holds from the next slice on.
    fn review(&mut self, at: Time) -> impl Future<Output = Result<(), Self::Error>> + Send;

    /// A chunk is over, with everything that followed from it.
    fn rest(&mut self);

    /// Whether somebody asked to stop; looked at between chunks.
    fn is_stopped(&self) -> bool;
}

/// Plays a feed to its end, or until somebody asks to stop; returns the bars played.
///
/// # Errors
/// When a station cannot go on.
pub async fn play<S: Stations>(
    feed: &mut impl Feed,
    slices: usize,
    stations: &mut S,
) -> Result<usize, S::Error> {
    let mut bars = 0;
    while !stations.is_stopped() {
        let Some(chunk) = feed.next_chunk(slices) else { break };
        bars += chunk.bars();
        play_chunk(Arc::new(chunk), stations).await?;
        stations.rest();
    }
    Ok(bars)
}

async fn play_chunk<S: Stations>(chunk: Arc<Chunk>, stations: &mut S) -> Result<(), S::Error> {
    let seen = stations.watch(&chunk).await?;
    let played = Played { chunk, pulses: seen.pulses.into() };
    let mut raised = seen.raised.into_iter().peekable();
    let mut looks = seen.looks.into_iter().peekable();
    let mut reviews = stations.reviews(&played.chunk).into_iter().peekable();
    let mut next = 0;
    while next < played.chunk.len() {
        let of_bars =
            [raised.peek().map(|signal| signal.slice), looks.peek().map(|look| look.slice)];
        let due = of_bars.into_iter().chain([reviews.peek().copied()]);
        let first = due.flatten().min();
        let until = first.map_or(played.chunk.len(), |slice| slice + 1);
        let Advanced { through, events } = stations.advance(&played, next..until).await?;
        // A station that does not move would never end.
        next = through.max(next + 1);
        let is_quiet = events.is_empty() && first.is_none_or(|slice| next <= slice);
        let span = if is_quiet { Span::none() } else { spans::bar(&played.chunk, next - 1) };
        let settling = async {
            for event in events {
                stations.attend(event).await?;
            }
            while let Some(signal) = raised.next_if(|signal| signal.slice < next) {
                stations.decide(signal).await?;
            }
            while let Some(look) = looks.next_if(|look| look.slice < next) {
                stations.consider(look).await?;
            }
            while let Some(slice) = reviews.next_if(|slice| *slice < next) {
                if let Some(tick) = played.chunk.slice(slice).first() {
                    stations.review(tick.bar.close_time).await?;
                }
            }
            Ok(())
        };
        settling.instrument(span).await?;
    }
    Ok(())
}
