//! The queue between a stream of market data and its listener: bounded, and honest about what did not
//! fit.

use std::collections::{BTreeSet, VecDeque};
use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use conclave_domain::alpaca::stream::{BarKind, DataMessage};
use tokio::sync::Notify;

/// What is heard of a market.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Heard {
    /// The stream is listened to from now on: what happened before must be asked for.
    Connected {
        /// The how manieth connection it is, from 1.
        nth: u64,
    },
    /// A bar, a quote, a trade, a text of strangers, or the letter of a message that cannot be read.
    Message(DataMessage),
    /// Bars of these symbols did not fit, because the listener was slow: they must be asked for.
    Gap {
        /// The symbols, in order.
        symbols: Vec<String>,
    },
    /// The stream is not listened to until the next `Connected`.
    Lost {
        /// Why.
        why: String,
    },
}

#[derive(Debug)]
struct Queue {
    waiting: VecDeque<Heard>,
    gaps: BTreeSet<String>,
    listener_is_gone: bool,
    stream_is_gone: bool,
}

#[derive(Debug)]
struct Shared {
    queue: Mutex<Queue>,
    room: NonZeroUsize,
    news: Notify,
    gone: Notify,
}

impl Shared {
    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The stream's end of the queue.
#[derive(Debug)]
pub struct Inbox(Arc<Shared>);

/// The listener's end of the queue.
#[derive(Debug)]
pub struct Listener(Arc<Shared>);

impl Inbox {
    /// A queue that holds so many messages.
    pub fn new(room: NonZeroUsize) -> (Self, Listener) {
        let queue = Queue {
            waiting: VecDeque::new(),
            gaps: BTreeSet::new(),
            listener_is_gone: false,
            stream_is_gone: false,
        };
        let (news, gone) = (Notify::new(), Notify::new());
        let shared = Arc::new(Shared { queue: Mutex::new(queue), room, news, gone });
        (Self(shared.clone()), Listener(shared))
    }

    /// Puts something in. Where there is no room the oldest of what is worth least goes: quotes and
    /// trades before bars, an older bar of the same symbol before one of another. A bar that goes
    /// leaves its symbol behind as a gap.
    pub(super) fn put(&self, heard: Heard) {
        let mut queue = self.0.queue();
        if queue.waiting.len() >= self.0.room.get() {
            queue.make_room(&heard);
        }
        queue.waiting.push_back(heard);
        drop(queue);
        self.0.news.notify_one();
    }

    /// Waits until nobody listens.
    pub(super) async fn closed(&self) {
        loop {
            let gone = self.0.gone.notified();
            if self.0.queue().listener_is_gone {
                return;
            }
            gone.await;
        }
    }
}

impl Queue {
    fn make_room(&mut self, new: &Heard) {
        let place = self
            .waiting
            .iter()
            .position(is_passing)
            .or_else(|| self.waiting.iter().position(|old| is_same_bar(old, new)))
            .or_else(|| self.waiting.iter().position(|old| bar_of(old).is_some()))
            // Nothing but connections and losses: the oldest says nothing any more.
            .unwrap_or(0);
        let Some(gone) = self.waiting.remove(place) else { return };
        metrics::counter!("conclave_stream_conflated_total").increment(1);
        if let Some((symbol, _)) = bar_of(&gone) {
            self.gaps.insert(symbol.to_owned());
        }
    }
}

/// Whether it is worth nothing once a newer one is there.
const fn is_passing(heard: &Heard) -> bool {
    matches!(heard, Heard::Message(DataMessage::Quote { .. } | DataMessage::Trade { .. }))
}

fn bar_of(heard: &Heard) -> Option<(&str, BarKind)> {
    match heard {
        Heard::Message(DataMessage::Bar { symbol, kind, .. }) => Some((symbol, *kind)),
        _ => None,
    }
}

fn is_same_bar(old: &Heard, new: &Heard) -> bool {
    bar_of(old).is_some_and(|bar| bar_of(new) == Some(bar))
}

impl Listener {
    /// The next thing that was heard; what did not fit comes first. `None` once the stream is not
    /// followed any more and nothing is left.
    pub async fn next(&mut self) -> Option<Heard> {
        loop {
            let news = self.0.news.notified();
            {
                let mut queue = self.0.queue();
                if !queue.gaps.is_empty() {
                    let symbols = std::mem::take(&mut queue.gaps).into_iter().collect();
                    return Some(Heard::Gap { symbols });
                }
                if let Some(heard) = queue.waiting.pop_front() {
                    return Some(heard);
                }
                if queue.stream_is_gone {
                    return None;
                }
            }
            news.await;
        }
    }
}

impl Drop for Inbox {
    fn drop(&mut self) {
        self.0.queue().stream_is_gone = true;
        self.0.news.notify_one();
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.0.queue().listener_is_gone = true;
        self.0.gone.notify_one();
    }
}
