//! The context's actor: the only writer of the shared context.
//!
//! Readers take a snapshot and never wait for the writer. Updates that nobody may lose (mode, trading
//! state, documents kept at once) are on the disk before they are acknowledged; everything else is
//! either repaired from the audit's tail or seen again, and is flushed once a second and at the end.
//!
//! - C-1: an acknowledged context update survives `kill -9`: a flush happens before the answer, or
//!   the update stands in a synced audit record and is repaired from there ([`repair`]).
//!
//! The store is never ahead of the audit: the audit is synced before parts are handed to the store.
//! After a restart the actor goes on from the last snapshot; updates that were told and neither
//! acknowledged nor published by then are forgotten.

mod handle;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use conclave_domain::context::{Context, ContextError, Part, PartKey, Update};
use conclave_domain::record::{Anchor, Line};
use ractor::{Actor, ActorProcessingErr, ActorRef};
use serde::Deserialize;
use tokio::sync::{OwnedSemaphorePermit, oneshot, watch};
use tokio::task::JoinSet;

use crate::audit::AuditHandle;
use crate::runtime::ports::{Commit, ContextSink, Done, StoreError};

pub use handle::{ContextHandle, DocumentError, Refusal};

/// How long chatty parts may wait for the store.
pub const FLUSH_EVERY: Duration = Duration::from_secs(1);
/// How long marks that nobody asked for may wait for their snapshot.
pub const PUBLISH_EVERY: Duration = Duration::from_millis(20);
/// Updates after which a snapshot is published whatever the time.
const PUBLISH_AFTER: usize = 8_192;

/// What the context takes. [`ContextHandle`] sends it.
#[derive(Debug)]
pub enum ContextMsg {
    /// Change something.
    Apply {
        /// The updates, in order; the first refused one ends them.
        updates: Vec<Update>,
        /// The audit record that they stand in.
        seq: Option<u64>,
        /// The version that the context must be at.
        expected: Option<u64>,
        /// Who waits.
        reply: Option<oneshot::Sender<Result<u64, Refusal>>>,
        /// The place in the mailbox that the message takes.
        room: OwnedSemaphorePermit,
    },
    /// Publish what has changed and answer with it.
    Publish {
        /// Who waits.
        reply: oneshot::Sender<Arc<Context>>,
    },
    /// Bring everything to the disk.
    Flush {
        /// Who waits.
        reply: oneshot::Sender<Result<(), StoreError>>,
    },
    /// The time to publish has come.
    PublishDue,
    /// The time to flush has come.
    FlushDue,
    /// The audit is on the disk up to where these parts are.
    AuditSynced {
        /// The parts.
        parts: Vec<(u64, Part)>,
        /// The audit's end, or `None` where it could not be synced.
        anchor: Option<Anchor>,
        /// Who waits.
        waiting: Vec<oneshot::Sender<Result<(), StoreError>>>,
    },
    /// Parts could not be written and are dirty again.
    NotWritten {
        /// Their names.
        keys: Vec<PartKey>,
    },
}

/// What a context actor is started with, and started again after a failure.
#[derive(Clone, Debug)]
pub struct ContextArgs {
    sink: Arc<dyn ContextSink>,
    audit: Option<AuditHandle>,
    me: watch::Sender<Option<ActorRef<ContextMsg>>>,
    snapshot: watch::Sender<Arc<Context>>,
}

/// Prepares a context: a handle for everybody, arguments for the supervisor.
///
/// `restored` is what came back from the store and was repaired. Without `audit` the store does not
/// wait for the audit: for tests, and for runs that keep none.
pub fn context(
    restored: Context,
    sink: Arc<dyn ContextSink>,
    audit: Option<AuditHandle>,
    capacity: usize,
) -> (ContextHandle, ContextArgs) {
    let (snapshot, reader) = watch::channel(Arc::new(restored));
    let (me, actor) = watch::channel(None);
    let handle = ContextHandle::new(actor, reader, capacity);
    (handle, ContextArgs { sink, audit, me, snapshot })
}

/// Applies to `context` what a line of the audit carries under the key `updates`: how a context
/// that came back from the store is brought up to date. Lines without the key change nothing.
///
/// # Errors
/// When the updates cannot be read, or make no sense for what was stored.
pub fn repair(context: &mut Context, line: &Line<'_>) -> Result<(), RepairError> {
    #[derive(Deserialize)]
    struct Body {
        #[serde(default)]
        updates: Vec<Update>,
    }
    if !line.body.contains("\"updates\":") {
        return Ok(());
    }
    let body: Body = serde_json::from_str(line.body)
        .map_err(|error| RepairError::Unreadable { seq: line.seq, why: error.to_string() })?;
    context
        .repair(line.seq, body.updates)
        .map_err(|source| RepairError::Refused { seq: line.seq, source })
}

/// Why a context could not be repaired.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum RepairError {
    /// A record's updates cannot be read.
    #[error("the updates of audit record {seq} cannot be read: {why}")]
    Unreadable {
        /// The record.
        seq: u64,
        /// What is wrong.
        why: String,
    },
    /// A record's updates do not fit what was stored.
    #[error("the updates of audit record {seq} do not fit the stored context")]
    Refused {
        /// The record.
        seq: u64,
        /// Why.
        source: ContextError,
    },
}

/// The context's actor.
#[derive(Debug, Default)]
pub struct ContextActor;

/// What the actor holds.
#[derive(Debug)]
pub struct ContextState {
    args: ContextArgs,
    context: Context,
    /// Parts that differ from the store.
    dirty: BTreeSet<PartKey>,
    /// The version at which parts were handed to the store at once, while a flush had taken its own and
    /// waited for the audit: what it took of them is older.
    handed: BTreeMap<PartKey, u64>,
    /// Updates since the last snapshot.
    unpublished: usize,
    publish_is_due: bool,
    flush_is_due: bool,
    /// Waits for the audit before a flush.
    syncing: JoinSet<()>,
    waiting: Vec<oneshot::Sender<Result<(), StoreError>>>,
}

impl Actor for ContextActor {
    type Msg = ContextMsg;
    type State = ContextState;
    type Arguments = ContextArgs;

    async fn pre_start(
        &self,
        myself: ActorRef<ContextMsg>,
        args: ContextArgs,
    ) -> Result<ContextState, ActorProcessingErr> {
        args.me.send_replace(Some(myself));
        let context = Context::clone(&args.snapshot.borrow());
        // What was dirty when a former actor died is not known, so everything is.
        let dirty = context.keys().collect();
        Ok(ContextState {
            args,
            context,
            dirty,
            handed: BTreeMap::new(),
            unpublished: 0,
            publish_is_due: false,
            flush_is_due: false,
            syncing: JoinSet::new(),
            waiting: Vec::new(),
        })
    }

    async fn handle(
        &self,
        myself: ActorRef<ContextMsg>,
        message: ContextMsg,
        state: &mut ContextState,
    ) -> Result<(), ActorProcessingErr> {
        match message {
            ContextMsg::Apply { updates, seq, expected, reply, room } => {
                drop(room);
                state.apply(&myself, updates, seq, expected, reply);
            }
            ContextMsg::Publish { reply } => {
                state.publish();
                let _ = reply.send(Arc::clone(&state.args.snapshot.borrow()));
            }
            ContextMsg::PublishDue => {
                state.publish_is_due = false;
                state.publish();
            }
            ContextMsg::Flush { reply } => {
                state.waiting.push(reply);
                state.flush(&myself);
            }
            ContextMsg::FlushDue => {
                state.flush_is_due = false;
                state.flush(&myself);
            }
            ContextMsg::AuditSynced { parts, anchor, waiting } => {
                state.hand_over(&myself, parts, anchor, waiting);
            }
            ContextMsg::NotWritten { keys } => {
                state.dirty.extend(keys);
                state.arm_flush(&myself);
            }
        }
        Ok(())
    }

    /// Brings everything to the disk before the audit, which stops later, is closed.
    async fn post_stop(
        &self,
        _: ActorRef<ContextMsg>,
        state: &mut ContextState,
    ) -> Result<(), ActorProcessingErr> {
        state.publish();
        state.syncing.shutdown().await;
        let anchor = match &state.args.audit {
            Some(audit) => Some(audit.sync().await.map(|_| audit.synced())?),
            None => None,
        };
        // What an aborted flush had taken may not have been written: everything once more.
        let parts = state.context.keys().map(|key| state.context.part(&key)).collect();
        let (answer, written) = oneshot::channel();
        let done = Done::new(move |result| drop(answer.send(result)));
        state.args.sink.submit(Commit { parts, anchor, done });
        written.await??;
        Ok(())
    }
}

impl ContextState {
    fn apply(
        &mut self,
        myself: &ActorRef<ContextMsg>,
        updates: Vec<Update>,
        seq: Option<u64>,
        expected: Option<u64>,
        reply: Option<oneshot::Sender<Result<u64, Refusal>>>,
    ) {
        let found = self.context.version;
        let mut at_once = Vec::new();
        let mut refused = expected
            .filter(|&expected| expected != found)
            .map(|expected| ContextError::Stale { expected, found });
        for update in updates {
            if refused.is_some() {
                break;
            }
            self.unpublished += 1;
            let (key, must_last) = (update.key(), update.must_last());
            match self.context.apply(update, seq) {
                Ok(()) if must_last => at_once.extend(key),
                Ok(()) => self.soil(key),
                Err(error) => refused = Some(error),
            }
        }
        let must_publish = reply.is_some() || !at_once.is_empty();
        if must_publish || self.unpublished >= PUBLISH_AFTER {
            self.publish();
        } else {
            self.arm_publish(myself);
        }
        let answer = match refused {
            None => Ok(self.context.version),
            Some(error) => {
                metrics::counter!("conclave_context_refusals_total").increment(1);
                if reply.is_none() {
                    tracing::warn!(error = &error as &dyn std::error::Error, "update refused");
                }
                Err(Refusal::Context(error))
            }
        };
        if at_once.is_empty() {
            if let Some(reply) = reply {
                // Whoever asked may have stopped waiting.
                let _ = reply.send(answer);
            }
        } else {
            self.write_at_once(myself, at_once, answer, reply);
        }
        if !self.dirty.is_empty() {
            self.arm_flush(myself);
        }
    }

    /// Remembers which parts differ from the store.
    fn soil(&mut self, key: Option<PartKey>) {
        match key {
            Some(key) => drop(self.dirty.insert(key)),
            // A mark changes the books' values only; they are seen again at the next mark.
            None if self.dirty.is_empty() => {
                self.dirty.extend(self.context.opened_books().map(PartKey::Book));
            }
            None => {}
        }
    }

    /// Hands parts to the store and answers once they are on the disk.
    fn write_at_once(
        &mut self,
        myself: &ActorRef<ContextMsg>,
        keys: Vec<PartKey>,
        answer: Result<u64, Refusal>,
        reply: Option<oneshot::Sender<Result<u64, Refusal>>>,
    ) {
        let version = self.context.version;
        if !self.syncing.is_empty() {
            self.handed.extend(keys.iter().map(|key| (key.clone(), version)));
        }
        let parts = keys.iter().map(|key| self.context.part(key)).collect();
        let myself = myself.clone();
        let done = Done::new(move |result: Result<(), StoreError>| {
            let answer = match result {
                Ok(()) => answer,
                Err(error) => {
                    failed(&error);
                    // The actor may be gone; then everything is dirty at the next start.
                    let _ = myself.cast(ContextMsg::NotWritten { keys });
                    Err(Refusal::Store(error))
                }
            };
            if let Some(reply) = reply {
                let _ = reply.send(answer);
            }
        });
        self.args.sink.submit(Commit { parts, anchor: None, done });
    }

    fn publish(&mut self) {
        if self.unpublished > 0 {
            self.unpublished = 0;
            self.args.snapshot.send_replace(Arc::new(self.context.clone()));
        }
    }

    fn arm_publish(&mut self, myself: &ActorRef<ContextMsg>) {
        if self.unpublished > 0 && !self.publish_is_due {
            self.publish_is_due = true;
            drop(myself.send_after(PUBLISH_EVERY, || ContextMsg::PublishDue));
        }
    }

    fn arm_flush(&mut self, myself: &ActorRef<ContextMsg>) {
        if !self.flush_is_due {
            self.flush_is_due = true;
            drop(myself.send_after(FLUSH_EVERY, || ContextMsg::FlushDue));
        }
    }

    /// Takes what is dirty and waits for the audit to be on the disk up to there.
    fn flush(&mut self, myself: &ActorRef<ContextMsg>) {
        while self.syncing.try_join_next().is_some() {}
        if !self.syncing.is_empty() {
            // One flush at a time: the next one takes what is dirty then.
            self.arm_flush(myself);
            return;
        }
        let version = self.context.version;
        let dirty = std::mem::take(&mut self.dirty);
        let parts = dirty.iter().map(|key| (version, self.context.part(key))).collect();
        let waiting = std::mem::take(&mut self.waiting);
        let (myself, audit) = (myself.clone(), self.args.audit.clone());
        self.syncing.spawn(async move {
            let anchor = match &audit {
                Some(audit) => audit.sync().await.ok().map(|_| audit.synced()),
                None => None,
            };
            let message = if audit.is_some() && anchor.is_none() {
                for reply in waiting {
                    let _ = reply.send(Err(StoreError::Closed));
                }
                ContextMsg::NotWritten { keys: dirty.into_iter().collect() }
            } else {
                ContextMsg::AuditSynced { parts, anchor, waiting }
            };
            // The actor may be gone; then everything is dirty at the next start.
            let _ = myself.cast(message);
        });
    }

    /// Hands the parts of a flush to the store, but for those that were handed over newer meanwhile.
    fn hand_over(
        &mut self,
        myself: &ActorRef<ContextMsg>,
        parts: Vec<(u64, Part)>,
        anchor: Option<Anchor>,
        waiting: Vec<oneshot::Sender<Result<(), StoreError>>>,
    ) {
        let handed = std::mem::take(&mut self.handed);
        let is_newest = |(version, part): &(u64, Part)| {
            handed.is_empty() || handed.get(&part.key).is_none_or(|handed| handed <= version)
        };
        let fresh = parts.into_iter().filter(is_newest);
        let fresh: Vec<Part> = fresh.map(|(_, part)| part).collect();
        let keys: Vec<PartKey> = fresh.iter().map(|part| part.key.clone()).collect();
        let myself = myself.clone();
        let done = Done::new(move |result: Result<(), StoreError>| {
            if let Err(error) = &result {
                failed(error);
                // The actor may be gone; then everything is dirty at the next start.
                let _ = myself.cast(ContextMsg::NotWritten { keys });
            }
            for reply in waiting {
                let _ = reply.send(result.clone());
            }
        });
        self.args.sink.submit(Commit { parts: fresh, anchor, done });
    }
}

fn failed(error: &StoreError) {
    metrics::counter!("conclave_context_failures_total").increment(1);
    tracing::error!(error = error as &dyn std::error::Error, "the context was not written");
}

#[cfg(test)]
mod tests;
