//! What happened, for whoever watches: the audit's lines, once they are on the disk.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use conclave_actors::audit::{AuditHandle, Published};
use conclave_domain::record::{Line, Stream};

use crate::http::events::{Event, Hub};

/// Events that wait for the disk before anybody sees them; a watcher skips those beyond.
const FEED_MAX: usize = 4_096;
/// How long an event may wait for somebody else's flush.
const FEED_PATIENCE: Duration = Duration::from_secs(1);

/// Hands the audit's decision lines to whoever watches, once they are on the disk: what a watcher has
/// seen is acknowledged, and survives the loss of power.
pub(super) async fn feed(hub: Arc<Hub>, audit: AuditHandle) {
    use tokio::sync::broadcast::error::RecvError;
    let mut lines = audit.subscribe();
    let mut waiting: VecDeque<Waiting> = VecDeque::new();
    loop {
        let patience = if waiting.is_empty() { Duration::MAX } else { FEED_PATIENCE };
        let Ok(line) = tokio::time::timeout(patience, lines.recv()).await else {
            // Nobody else flushes; a disk that is full keeps the events back.
            let _ = audit.sync().await;
            release(&hub, &mut waiting, audit.synced().decisions.count);
            continue;
        };
        match line {
            Ok(line) => {
                if waiting.len() == FEED_MAX {
                    waiting.pop_front();
                }
                waiting.extend(Waiting::of(&line));
            }
            Err(RecvError::Lagged(_)) => {}
            Err(RecvError::Closed) => return,
        }
        release(&hub, &mut waiting, audit.synced().decisions.count);
    }
}

/// A line that nobody sees before its record is on the disk.
enum Waiting {
    /// A record of the decisions.
    Event(Event),
    /// What was observed beside record `of`.
    Observation { of: u64, text: Arc<str> },
}

impl Waiting {
    /// `None` for an observation that belongs to no record.
    fn of(line: &Published) -> Option<Self> {
        let text = Arc::clone(&line.text);
        let read = Line::read(&text);
        Some(match line.stream {
            Stream::Decisions => {
                let name = read.map_or("unreadable", |line| line.step.name());
                Self::Event(Event { id: line.seq, name: name.into(), data: text })
            }
            Stream::Observations => {
                let of = read.ok()?.of?;
                Self::Observation { of, text }
            }
        })
    }

    /// The record that must be on the disk first.
    fn after(&self) -> u64 {
        match self {
            Self::Event(event) => event.id,
            Self::Observation { of, .. } => *of,
        }
    }
}

/// Hands on what belongs to records up to `synced`.
fn release(hub: &Hub, waiting: &mut VecDeque<Waiting>, synced: u64) {
    while let Some(next) = waiting.pop_front_if(|next| next.after() <= synced) {
        match next {
            Waiting::Event(event) => hub.publish(event),
            Waiting::Observation { text, .. } => hub.talks().observe(&text),
        }
    }
}

#[cfg(test)]
mod tests {
    use conclave_actors::audit::{Audit, audit, record};
    use conclave_actors::testkit::memory_audit::MemoryAudit;
    use conclave_domain::record::{Record, Step};
    use conclave_domain::time::Time;
    use ractor::Actor as _;

    use super::*;

    fn digest(nth: i64) -> Record {
        record(Step::SessionDigest, None, Time::from_ms(nth), &nth).unwrap()
    }

    fn seen(hub: &Hub) -> Vec<u64> {
        hub.after(0).iter().map(|event| event.id).collect()
    }

    /// C-1: what a watcher has seen is on the disk: a record that was only written waits for the next
    /// flush, and brings one about when nobody else does.
    #[tokio::test(start_paused = true)]
    #[expect(clippy::disallowed_methods, reason = "a test is its own supervisor")]
    async fn nobody_sees_a_record_before_it_is_on_the_disk() {
        let log = Arc::new(MemoryAudit::default());
        let (handle, args) = audit(log.clone(), log.anchor(), 8);
        let (actor, _) = Audit::spawn(None, Audit, args).await.unwrap();
        let hub = Arc::new(Hub::default());
        let moment = Duration::from_millis(10);
        let work = async {
            tokio::time::sleep(moment).await;
            handle.note(digest(1)).await.unwrap();
            tokio::time::sleep(moment).await;
            assert_eq!((seen(&hub), log.syncs()), (vec![], 0), "it is not synced");
            handle.append(vec![digest(2)]).await.unwrap();
            tokio::time::sleep(moment).await;
            assert_eq!((seen(&hub), log.syncs()), (vec![1, 2], 1));
            handle.note(digest(3)).await.unwrap();
            tokio::time::sleep(FEED_PATIENCE + moment).await;
            assert_eq!((seen(&hub), log.syncs()), (vec![1, 2, 3], 2), "its own flush");
        };
        tokio::select! {
            () = feed(Arc::clone(&hub), handle.clone()) => unreachable!("the log goes on"),
            () = work => {}
        }
        actor.stop(None);
    }
}
