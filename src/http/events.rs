//! The stream of events: what happened, in order, resumable by its id.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::{Arc, Mutex, PoisonError};

use axum::response::sse;
use futures_util::Stream;
use futures_util::stream::unfold;
use tokio::sync::broadcast;

/// Events that a reader who was away may still catch up with.
const KEPT: usize = 2_048;

/// One event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// Its number; strictly increasing within a process.
    pub id: u64,
    /// What kind of thing happened: an audit step's name.
    pub name: Arc<str>,
    /// JSON, one line.
    pub data: Arc<str>,
}

/// Keeps the last events and hands new ones to every reader. A slow reader skips, nobody waits.
#[derive(Debug)]
pub struct Hub {
    kept: Mutex<VecDeque<Event>>,
    live: broadcast::Sender<Event>,
}

impl Default for Hub {
    fn default() -> Self {
        Self { kept: Mutex::default(), live: broadcast::channel(KEPT).0 }
    }
}

impl Hub {
    /// Publishes one event.
    pub fn publish(&self, event: Event) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() == KEPT {
            kept.pop_front();
        }
        kept.push_back(event.clone());
        // Sending inside the lock keeps the order of the ring and of the stream the same.
        let _ = self.live.send(event);
    }

    /// The kept events after `last`, newest last.
    pub fn after(&self, last: u64) -> Vec<Event> {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.iter().filter(|event| event.id > last).cloned().collect()
    }

    /// The kept events with this name, newest last.
    pub fn named(&self, name: &str) -> Vec<Event> {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.iter().filter(|event| &*event.name == name).cloned().collect()
    }

    /// A stream that starts after `last`, catches up, and then follows.
    pub fn stream(
        self: Arc<Self>,
        last: u64,
    ) -> impl Stream<Item = Result<sse::Event, Infallible>> + Send + 'static {
        // Subscribing before reading the ring: an event may come twice and is told by its id, but
        // none can fall between.
        let live = self.live.subscribe();
        let backlog: VecDeque<Event> = self.after(last).into();
        unfold((backlog, live, last), |(mut backlog, mut live, mut last)| async move {
            loop {
                let event = match backlog.pop_front() {
                    Some(event) => event,
                    None => match live.recv().await {
                        Ok(event) => event,
                        Err(broadcast::error::RecvError::Lagged(_)) => continue,
                        Err(broadcast::error::RecvError::Closed) => return None,
                    },
                };
                if event.id > last {
                    last = event.id;
                    let sent = sse::Event::default()
                        .id(event.id.to_string())
                        .event(&*event.name)
                        .data(&*event.data);
                    return Some((Ok(sent), (backlog, live, last)));
                }
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(id: u64) -> Event {
        Event { id, name: "round.closed".into(), data: "{}".into() }
    }

    #[test]
    fn a_reader_catches_up_from_the_last_event_it_saw() {
        let hub = Hub::default();
        (1..=3).for_each(|id| hub.publish(event(id)));
        let seen: Vec<u64> = hub.after(1).iter().map(|event| event.id).collect();
        assert_eq!(seen, [2, 3]);
    }

    #[test]
    fn what_is_kept_is_bounded() {
        let hub = Hub::default();
        (1..=3_000).for_each(|id| hub.publish(event(id)));
        assert_eq!(hub.after(0).len(), KEPT);
        assert_eq!(hub.after(0).first().map(|event| event.id), Some(953));
    }
}
