//! The stream of events: what happened, in order, resumable by its id.
//!
//! An event's id is the number of its record, its name the record's step, its data the record. Whoever
//! comes back with `Last-Event-ID` goes on behind it. What is no longer kept, or came faster than a
//! reader took it, is told by one event `gap` with `{"missed":N,"after":ID,"before":ID}`; the records
//! themselves are in the audit. A reader without an id starts with what is kept, and hears of no gap.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::{Arc, Mutex, PoisonError};

use axum::response::sse;
use conclave_domain::record::Step;
use futures_util::Stream;
use futures_util::stream::unfold;
use tokio::sync::broadcast;

use super::talks::Talks;

/// Events that a reader who was away may still catch up with.
const KEPT: usize = 2_048;

/// Closed rounds that are kept beside the events, however many of those come between them.
const ROUNDS: usize = 50;

/// The name of the event that stands for those that a reader has missed.
const GAP: &str = "gap";

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

/// Keeps the last events and hands new ones to every reader. A slow reader skips and is told, nobody waits.
#[derive(Debug)]
pub struct Hub {
    kept: Mutex<VecDeque<Event>>,
    rounds: Mutex<VecDeque<Event>>,
    talks: Talks,
    live: broadcast::Sender<Event>,
}

impl Default for Hub {
    fn default() -> Self {
        let (kept, rounds, talks) = Default::default();
        Self { kept, rounds, talks, live: broadcast::channel(KEPT).0 }
    }
}

impl Hub {
    /// Publishes one event.
    pub fn publish(&self, event: Event) {
        if *event.name == *Step::RoundClosed.name() {
            let mut rounds = self.rounds.lock().unwrap_or_else(PoisonError::into_inner);
            if rounds.len() == ROUNDS {
                rounds.pop_front();
            }
            rounds.push_back(event.clone());
        }
        self.talks.hear(&event.name, &event.data);
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() == KEPT {
            kept.pop_front();
        }
        kept.push_back(event.clone());
        // Sending inside the lock keeps the order of the ring and of the stream the same.
        let _ = self.live.send(event);
    }

    /// What each agent was last asked and said.
    pub fn talks(&self) -> &Talks {
        &self.talks
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

    /// The last closed rounds of this process, newest last.
    pub fn rounds(&self) -> Vec<Event> {
        self.rounds.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect()
    }

    /// The last `most` events, newest first.
    pub fn newest_first(&self, most: usize) -> Vec<Event> {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.iter().rev().take(most).cloned().collect()
    }

    /// Every event from now on; whoever is too slow is told how many went by.
    pub fn follow(&self) -> broadcast::Receiver<Event> {
        self.live.subscribe()
    }

    /// The newest kept event's number.
    pub fn newest(&self) -> Option<u64> {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.back().map(|event| event.id)
    }

    /// A stream that starts after `last`, catches up, and then follows; without `last` it starts with
    /// what is kept. Numbers follow each other, so where one is missing a `gap` says how many are.
    pub fn stream(
        self: Arc<Self>,
        last: Option<u64>,
    ) -> impl Stream<Item = Result<sse::Event, Infallible>> + Send + 'static {
        // Subscribing before reading the ring: an event may come twice and is told by its id, but
        // none can fall between.
        let live = self.live.subscribe();
        // A number that is not given out yet is another log's: nothing of this one was seen.
        let strange = last.is_some_and(|last| self.newest().is_some_and(|newest| newest < last));
        let last = if strange { Some(0) } else { last };
        let backlog: VecDeque<Event> = self.after(last.unwrap_or(0)).into();
        unfold((backlog, live, last), |(mut backlog, mut live, mut last)| async move {
            loop {
                let event = match backlog.pop_front() {
                    Some(event) => event,
                    None => match live.recv().await {
                        Ok(event) => event,
                        // The next event's number tells how many are missing.
                        Err(broadcast::error::RecvError::Lagged(_)) => continue,
                        Err(broadcast::error::RecvError::Closed) => return None,
                    },
                };
                let before = last.unwrap_or(event.id.saturating_sub(1));
                if event.id <= before {
                    continue;
                }
                let next = if before + 1 < event.id {
                    last = Some(event.id - 1);
                    let sent = gap(before, event.id);
                    backlog.push_front(event);
                    sent
                } else {
                    last = Some(event.id);
                    sse::Event::default()
                        .id(event.id.to_string())
                        .event(&*event.name)
                        .data(&*event.data)
                };
                return Some((Ok(next), (backlog, live, last)));
            }
        })
    }
}

/// Says that the events between two numbers were missed. Its own number is the last of them, so that
/// a reader who comes back with it goes on behind the gap.
fn gap(after: u64, before: u64) -> sse::Event {
    let missed = before - after - 1;
    let data = format!("{{\"missed\":{missed},\"after\":{after},\"before\":{before}}}");
    sse::Event::default().id((before - 1).to_string()).event(GAP).data(data)
}

#[cfg(test)]
mod tests {
    use futures_util::StreamExt as _;

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

    /// What a reader who has seen `last` gets of what is there, each as the wire shows it.
    async fn told(hub: &Arc<Hub>, last: Option<u64>, count: usize) -> Vec<String> {
        let events = Arc::clone(hub).stream(last).take(count);
        events.map(|event| format!("{:?}", event.unwrap())).collect().await
    }

    #[tokio::test]
    async fn a_reader_hears_of_what_it_has_missed() {
        let hub = Arc::new(Hub::default());
        (101..=3_000).for_each(|id| hub.publish(event(id)));
        let first = 3_000 - KEPT as u64 + 1;
        let seen = told(&hub, Some(105), 2).await;
        let missed = format!("missed\\\":{}", first - 106);
        assert!(seen[0].contains("event: gap") && seen[0].contains(&missed), "{seen:?}");
        assert!(seen[0].contains(&format!("id: {}", first - 1)), "{seen:?}");
        assert!(seen[1].contains(&format!("id: {first}")), "{seen:?}");
        for last in [None, Some(first - 1), Some(2_990)] {
            let seen = told(&hub, last, 10).await;
            assert!(!seen.concat().contains("gap"), "{last:?}: {seen:?}");
        }
        let seen = told(&hub, Some(9_999), 1).await;
        assert!(seen[0].contains("gap"), "a number of another log: {seen:?}");
    }

    #[tokio::test]
    async fn a_reader_who_is_too_slow_hears_of_what_went_by() {
        let hub = Arc::new(Hub::default());
        hub.publish(event(1));
        let mut stream = Box::pin(Arc::clone(&hub).stream(None));
        assert!(format!("{:?}", stream.next().await).contains("id: 1"));
        (2..=5_000).for_each(|id| hub.publish(event(id)));
        let gap = format!("{:?}", stream.next().await);
        let missed = format!("missed\\\":{}", 5_000 - KEPT - 1);
        assert!(gap.contains("event: gap") && gap.contains(&missed), "{gap}");
        let next = format!("{:?}", stream.next().await);
        assert!(next.contains(&format!("id: {}", 5_000 - KEPT + 1)), "{next}");
    }

    #[test]
    fn what_is_kept_is_bounded() {
        let hub = Hub::default();
        (1..=3_000).for_each(|id| hub.publish(event(id)));
        assert_eq!(hub.after(0).len(), KEPT);
        assert_eq!(hub.after(0).first().map(|event| event.id), Some(953));
    }
}
