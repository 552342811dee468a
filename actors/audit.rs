//! The audit: every record goes through here, in order, into the chained log.
//!
//! A mover: it hands batches to the [`AuditSink`], which writes on a thread of its own, and the
//! answer goes straight from there to whoever waits. No runtime thread ever waits for a disk.
//!
//! - every verdict has its complete record chain: the steps of a decision are one batch, which
//!   is in the log whole or not at all.
//! - the chain verifies: only the sink gives numbers and hashes, in the order of the mailbox.
//!
//! After a restart it forgets nothing: the state is the sink's.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use conclave_domain::order::DecisionId;
use conclave_domain::record::{Anchor, Record, RecordError, Step};
use conclave_domain::time::Time;
use ractor::{Actor, ActorProcessingErr, ActorRef};
use serde::Serialize;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, broadcast, oneshot, watch};

use crate::runtime::ports::{AuditError, AuditSink, Batch, Committed, Done, Safety, Written};

/// What the audit takes.
#[derive(Debug)]
pub enum AuditMsg {
    /// Write these.
    Append(Batch),
    /// Write these, as one group where that can be.
    AppendAll(Vec<Batch>),
}

/// A record of a decision or an observation, from anything that can be written as JSON.
///
/// # Errors
/// When the body cannot be written as JSON, or is too large.
pub fn record(
    step: Step,
    decision: Option<&DecisionId>,
    at: Time,
    body: &impl Serialize,
) -> Result<Record, RecordError> {
    let body = json(step, "body", body)?;
    Record::from_json(step, decision.cloned(), at, body)
}

/// The same record with volatile fields: wall times, latencies, cost, process.
///
/// # Errors
/// When they cannot be written as JSON, or are too large.
pub fn volatile(record: Record, fields: &impl Serialize) -> Result<Record, RecordError> {
    let fields = json(record.step(), "volatile part", fields)?;
    record.with_volatile(fields)
}

fn json(step: Step, part: &'static str, value: &impl Serialize) -> Result<String, RecordError> {
    serde_json::to_string(value).map_err(|error| RecordError::Unwritable {
        step,
        part,
        why: error.to_string(),
    })
}

/// Where a written batch stands in the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ack {
    /// The number of the last decision's line in the log, this batch included.
    pub seq: u64,
    /// Both streams' ends behind the batch.
    pub head: Anchor,
}

/// A line for whoever watches; `Arc` inside, cheap to clone.
pub type Published = Arc<Written>;

/// How to reach the audit. Cheap to clone; survives restarts of the actor.
#[derive(Clone, Debug)]
pub struct AuditHandle {
    actor: watch::Receiver<Option<ActorRef<AuditMsg>>>,
    ends: watch::Receiver<Ends>,
    board: Arc<Board>,
}

/// Where the log ends: as written, and as it is known to be on the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Ends {
    head: Anchor,
    synced: Anchor,
}

/// What handle and actor share.
#[derive(Debug)]
struct Board {
    /// One permit per batch in flight that somebody waits for.
    asked: Arc<Semaphore>,
    /// One permit per batch in flight that nobody waits for; apart, because a full disk keeps them.
    noted: Arc<Semaphore>,
    capacity: usize,
    lines: broadcast::Sender<Published>,
    ends: watch::Sender<Ends>,
    /// Why the last batch could not be written; `None` while all is well.
    trouble: watch::Sender<Option<AuditError>>,
    /// Records of what has happened that are not in the log and never will be.
    lost: AtomicU64,
}

/// What an audit actor is started with, and started again after a failure.
#[derive(Clone, Debug)]
pub struct AuditArgs {
    sink: Arc<dyn AuditSink>,
    me: watch::Sender<Option<ActorRef<AuditMsg>>>,
    board: Arc<Board>,
}

/// How long a caller waits for room before it hears that there is none.
pub const PATIENCE: Duration = Duration::from_secs(5);

/// How often a note that waits for room has the disk tried again.
const RETRY: Duration = Duration::from_secs(1);

/// Lines that a slow watcher may lag behind before it misses some.
const WATCHERS_LAG: usize = 1_024;

/// Prepares an audit: a handle for everybody, arguments for the supervisor.
///
/// `head` is the log's end when it was opened; `capacity` is the number of batches in flight (those
/// that somebody waits for, and as many others), over which callers wait.
pub fn audit(sink: Arc<dyn AuditSink>, head: Anchor, capacity: usize) -> (AuditHandle, AuditArgs) {
    let (me, actor) = watch::channel(None);
    let (ends_tx, ends) = watch::channel(Ends { head, synced: head });
    let capacity = capacity.max(1);
    let board = Arc::new(Board {
        asked: Arc::new(Semaphore::new(capacity)),
        noted: Arc::new(Semaphore::new(capacity)),
        capacity,
        lines: broadcast::Sender::new(WATCHERS_LAG),
        ends: ends_tx,
        trouble: watch::Sender::new(None),
        lost: AtomicU64::new(0),
    });
    let handle = AuditHandle { actor, ends, board: Arc::clone(&board) };
    (handle, AuditArgs { sink, me, board })
}

impl AuditHandle {
    /// Writes the records as one batch and returns once it would survive the loss of power: at most
    /// one `fdatasync`, shared with whoever else waits at this moment.
    ///
    /// # Errors
    /// When it was not written, or is not known to be on the disk.
    pub async fn append(&self, records: Vec<Record>) -> Result<Ack, AuditError> {
        self.ask(records, Safety::Synced).await
    }

    /// Writes a record that rides in the next batch: it survives the end of the process at once and
    /// the loss of power after the next [`AuditHandle::append`]. Returns when it has its place: where a
    /// full disk keeps as many as there is room for, it waits, because what has happened must not be
    /// missing. So do the bars of a replay, behind whoever waits here.
    ///
    /// # Errors
    /// When the audit is not running, or is closed for good. A failure of the disk is counted and
    /// logged; the sink keeps the record and writes it before the next batch.
    pub async fn note(&self, record: Record) -> Result<(), AuditError> {
        self.note_all(vec![record]).await
    }

    /// [`AuditHandle::note`] for several records that are written together.
    ///
    /// # Errors
    /// As [`AuditHandle::note`].
    pub async fn note_all(&self, records: Vec<Record>) -> Result<(), AuditError> {
        let count = records.len();
        let permit = self.room_for_a_note().await.inspect_err(|_| self.board.lose(count))?;
        let written = self.board.kept(count);
        let done = Done::new(move |result| {
            drop(permit);
            written.answer(result);
        });
        self.cast(AuditMsg::Append(Batch { records, safety: Safety::Written, done }))
    }

    /// Takes records from somebody who cannot wait: their place is certain when this returns, and they
    /// are synced with the next group. For what is rare: it asks nobody for room.
    ///
    /// # Errors
    /// When the audit is not running. A failure of the disk is counted and logged; the sink keeps the
    /// records and writes them before the next batch.
    pub fn tell(&self, records: Vec<Record>) -> Result<(), AuditError> {
        let board = Arc::clone(&self.board);
        self.keep_and_sync(records, Done::new(move |result| drop(board.settle(result, 0))))
    }

    /// [`AuditHandle::tell`] for somebody who must know it on the disk before going on.
    ///
    /// # Errors
    /// When it is not known to be there. What has happened is kept all the same, but where the audit is
    /// not running.
    pub async fn tell_and_sync(&self, records: Vec<Record>) -> Result<Ack, AuditError> {
        let permit = self.room().await;
        let (answer, waiting) = oneshot::channel();
        let board = Arc::clone(&self.board);
        // Whoever finds no room is not answered; what has happened is told all the same.
        let error = permit.as_ref().err().cloned();
        let done = Done::new(move |result| {
            drop(permit);
            drop(answer.send(board.settle(result, 0)));
        });
        self.keep_and_sync(records, done)?;
        match error {
            Some(error) => Err(error),
            None => waiting.await.unwrap_or(Err(AuditError::Closed)),
        }
    }

    /// In two batches, so that a full disk refuses the sync and keeps what has happened; together, so
    /// that nobody writes the one and then wakes for the other.
    fn keep_and_sync(
        &self,
        records: Vec<Record>,
        done: Done<Committed, AuditError>,
    ) -> Result<(), AuditError> {
        let kept = self.board.kept(records.len());
        self.cast(AuditMsg::AppendAll(vec![
            Batch { records, safety: Safety::Written, done: kept },
            Batch { records: Vec::new(), safety: Safety::Synced, done },
        ]))
    }

    /// Waits until everything so far is on the disk.
    ///
    /// # Errors
    /// When it is not known to be.
    pub async fn sync(&self) -> Result<Ack, AuditError> {
        self.ask(Vec::new(), Safety::Synced).await
    }

    /// [`AuditHandle::sync`] for both streams: the end of a run, whose anchor goes to `run.json`.
    ///
    /// # Errors
    /// When it is not known to be on the disk.
    pub async fn finish(&self) -> Result<Anchor, AuditError> {
        Ok(self.ask(Vec::new(), Safety::AllSynced).await?.head)
    }

    /// The log's end as it was last written.
    pub fn head(&self) -> Anchor {
        self.ends.borrow().head
    }

    /// The log's end as it is known to be on the disk: what may be anchored elsewhere.
    pub fn synced(&self) -> Anchor {
        self.ends.borrow().synced
    }

    /// Why nothing can be written at this moment: no new risk is taken meanwhile, and exits go on.
    pub fn trouble(&self) -> Option<AuditError> {
        self.board.trouble.borrow().clone()
    }

    /// Resolves when the log is closed for good, and says why. A log that may be written again, such as
    /// one on a full disk, is waited for.
    pub(crate) fn closed_for_good(&self) -> impl Future<Output = String> + Send + use<> {
        let mut trouble = self.board.trouble.subscribe();
        async move {
            loop {
                if let Some(error @ AuditError::Broken { .. }) = &*trouble.borrow_and_update() {
                    return error.to_string();
                }
                if trouble.changed().await.is_err() {
                    // Nobody writes any more who could break anything.
                    std::future::pending::<()>().await;
                }
            }
        }
    }

    /// Records of what has happened that are missing in the log: an error that a run ends with.
    pub fn lost(&self) -> u64 {
        self.board.lost.load(Ordering::SeqCst)
    }

    /// Every line from now on. A watcher that lags is told how many lines it missed.
    pub fn subscribe(&self) -> broadcast::Receiver<Published> {
        self.board.lines.subscribe()
    }

    /// Batches that are being written or wait.
    pub fn depth(&self) -> usize {
        let free = |room: &Semaphore| room.available_permits();
        (2 * self.board.capacity).saturating_sub(free(&self.board.asked) + free(&self.board.noted))
    }

    async fn ask(&self, records: Vec<Record>, safety: Safety) -> Result<Ack, AuditError> {
        let permit = self.room().await?;
        let (answer, waiting) = oneshot::channel();
        let (board, count) = (Arc::clone(&self.board), records.len());
        let done = Done::new(move |result| {
            drop(permit);
            drop(answer.send(board.settle(result, count)));
        });
        self.cast(AuditMsg::Append(Batch { records, safety, done }))?;
        waiting.await.unwrap_or(Err(AuditError::Closed))
    }

    async fn room(&self) -> Result<OwnedSemaphorePermit, AuditError> {
        let free = Arc::clone(&self.board.asked).acquire_owned();
        let permit = tokio::time::timeout(PATIENCE, free).await;
        permit.map_err(|_| AuditError::Busy)?.map_err(|_| AuditError::Closed)
    }

    /// Waits as long as it takes. A sink tries again what it owes when the next batch comes, and while
    /// everybody waits here nobody else brings one.
    async fn room_for_a_note(&self) -> Result<OwnedSemaphorePermit, AuditError> {
        let mut has_told = false;
        loop {
            let free = Arc::clone(&self.board.noted).acquire_owned();
            if let Ok(permit) = tokio::time::timeout(RETRY, free).await {
                return permit.map_err(|_| AuditError::Closed);
            }
            if !has_told {
                has_told = true;
                let owed = self.board.capacity;
                tracing::error!(
                    owed,
                    "the audit owes all that it may: waiting until it is written"
                );
            }
            let tried = self.sync().await;
            if let Err(error @ (AuditError::Broken { .. } | AuditError::Closed)) = tried {
                return Err(error);
            }
        }
    }

    fn cast(&self, message: AuditMsg) -> Result<(), AuditError> {
        let Some(actor) = self.actor.borrow().clone() else { return Err(AuditError::Closed) };
        actor.cast(message).map_err(|_| AuditError::Closed)
    }
}

impl Board {
    /// The answer to records that the sink keeps until it has written them.
    fn kept(self: &Arc<Self>, records: usize) -> Done<Committed, AuditError> {
        let board = Arc::clone(self);
        Done::new(move |result| {
            if result.is_err() {
                board.lose(records);
            }
            drop(board.settle(result, records));
        })
    }

    /// Counts what is missing in the log.
    fn lose(&self, records: usize) {
        self.lost.fetch_add(records as u64, Ordering::SeqCst);
    }

    /// Says once what goes on and what does not, however many batches are refused.
    fn failed(&self, error: &AuditError, records: usize) {
        let is_news = self.trouble.send_if_modified(|trouble| {
            // What is closed for good stays so, whatever is said afterwards.
            let is_closed = matches!(trouble, Some(AuditError::Broken { .. }));
            let is_news = !is_closed && trouble.as_ref() != Some(error);
            if is_news {
                *trouble = Some(error.clone());
            }
            is_news
        });
        let error = error as &dyn std::error::Error;
        if is_news {
            tracing::error!(
                error,
                "the audit cannot be written: no new risk is taken until it can, exits go on"
            );
        } else {
            tracing::debug!(error, records, "audit failed");
        }
    }

    /// Tells everybody what became of a batch; runs on the sink's thread.
    fn settle(
        &self,
        result: Result<Committed, AuditError>,
        records: usize,
    ) -> Result<Ack, AuditError> {
        let committed = match result {
            Ok(committed) => committed,
            Err(error) => {
                metrics::counter!("conclave_audit_failures_total").increment(1);
                self.failed(&error, records);
                return Err(error);
            }
        };
        // A batch without records may have had nothing to write.
        let ends = |trouble: &mut Option<AuditError>| {
            !matches!(trouble, Some(AuditError::Broken { .. })) && trouble.take().is_some()
        };
        if records > 0 && self.trouble.send_if_modified(ends) {
            tracing::warn!("the audit is written again: new risk may be taken");
        }
        metrics::counter!("conclave_audit_records_total").increment(records as u64);
        let Committed { lines, head, synced } = committed;
        // A plain sync is answered before what was written in front of it.
        self.ends.send_if_modified(|ends| {
            let is_newer = ends.head.decisions.count <= head.decisions.count
                && ends.head.observations.count <= head.observations.count;
            if is_newer {
                *ends = Ends { head, synced };
            }
            is_newer
        });
        if self.lines.receiver_count() > 0 {
            for line in lines {
                // Nobody listening any more is no failure.
                let _ = self.lines.send(Arc::new(line));
            }
        }
        Ok(Ack { seq: head.decisions.count, head })
    }
}

/// The audit's actor. It moves batches to the sink; there is nothing in it to lose.
#[derive(Debug, Default)]
pub struct Audit;

impl Actor for Audit {
    type Msg = AuditMsg;
    type State = AuditArgs;
    type Arguments = AuditArgs;

    async fn pre_start(
        &self,
        myself: ActorRef<AuditMsg>,
        args: AuditArgs,
    ) -> Result<AuditArgs, ActorProcessingErr> {
        args.me.send_replace(Some(myself));
        Ok(args)
    }

    async fn handle(
        &self,
        _: ActorRef<AuditMsg>,
        message: AuditMsg,
        state: &mut AuditArgs,
    ) -> Result<(), ActorProcessingErr> {
        match message {
            AuditMsg::Append(batch) => state.sink.submit(batch),
            AuditMsg::AppendAll(batches) => state.sink.submit_all(batches),
        }
        Ok(())
    }

    /// Brings everything to the disk before the process may end.
    async fn post_stop(
        &self,
        myself: ActorRef<AuditMsg>,
        state: &mut AuditArgs,
    ) -> Result<(), ActorProcessingErr> {
        state.me.send_if_modified(|actor| {
            let mine = actor.as_ref().is_some_and(|actor| actor.get_id() == myself.get_id());
            if mine {
                *actor = None;
            }
            mine
        });
        let (answer, waiting) = oneshot::channel();
        let board = Arc::clone(&state.board);
        let done = Done::new(move |result| drop(answer.send(board.settle(result, 0))));
        state.sink.submit(Batch { records: Vec::new(), safety: Safety::AllSynced, done });
        waiting.await??;
        Ok(())
    }
}

#[cfg(test)]
mod tests;
