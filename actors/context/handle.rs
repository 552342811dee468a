//! How everybody else reaches the context: snapshots to read, updates to send.

use std::sync::Arc;

use conclave_domain::context::{Context, ContextError, Lasting, Update};
use ractor::ActorRef;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::sync::{Semaphore, oneshot, watch};

use super::ContextMsg;
use crate::runtime::ports::StoreError;

/// Why an update was not acknowledged.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum Refusal {
    /// It makes no sense, or the context had moved on.
    #[error("the context refused the update")]
    Context(#[source] ContextError),
    /// It was applied but is not known to be on the disk.
    #[error("the update could not be written")]
    Store(#[source] StoreError),
    /// The context is not running.
    #[error("the context is not running")]
    Closed,
}

/// Why a document could not be kept or read.
#[derive(Debug, thiserror::Error)]
pub enum DocumentError {
    /// It has no JSON form, or the stored text has another form than was asked for.
    #[error("the document `{name}` does not have the expected form")]
    Form {
        /// The document.
        name: String,
        /// What the serializer said.
        source: serde_json::Error,
    },
    /// It was not acknowledged.
    #[error(transparent)]
    Refused(#[from] Refusal),
}

/// How to reach the context. Cheap to clone; survives restarts of the actor.
#[derive(Clone, Debug)]
pub struct ContextHandle {
    actor: watch::Receiver<Option<ActorRef<ContextMsg>>>,
    snapshot: watch::Receiver<Arc<Context>>,
    room: Arc<Semaphore>,
    capacity: usize,
}

impl ContextHandle {
    pub(super) fn new(
        actor: watch::Receiver<Option<ActorRef<ContextMsg>>>,
        snapshot: watch::Receiver<Arc<Context>>,
        capacity: usize,
    ) -> Self {
        let capacity = capacity.max(1);
        Self { actor, snapshot, room: Arc::new(Semaphore::new(capacity)), capacity }
    }

    /// The last snapshot. Marks that were only told may be up to
    /// [`PUBLISH_EVERY`](super::PUBLISH_EVERY) younger; what was acknowledged is in it.
    pub fn snapshot(&self) -> Arc<Context> {
        Arc::clone(&self.snapshot.borrow())
    }

    /// Every snapshot from now on; the latest wins.
    pub fn watch(&self) -> watch::Receiver<Arc<Context>> {
        self.snapshot.clone()
    }

    /// A snapshot with everything that this caller has told before.
    ///
    /// # Errors
    /// When the context is not running.
    pub async fn fresh(&self) -> Result<Arc<Context>, Refusal> {
        let (reply, waiting) = oneshot::channel();
        self.cast(ContextMsg::Publish { reply })?;
        waiting.await.map_err(|_| Refusal::Closed)
    }

    /// Sends updates that nobody waits for, such as marks: one message, no snapshot, no disk. Waits
    /// while the mailbox is full. What is refused is counted and logged.
    ///
    /// # Errors
    /// When the context is not running.
    pub async fn tell(&self, updates: Vec<Update>) -> Result<(), Refusal> {
        self.send(updates, None, None, None).await
    }

    /// [`ContextHandle::tell`] for somebody who cannot wait. For what is rare.
    ///
    /// # Errors
    /// When the context is not running, or its mailbox is full.
    pub fn tell_at_once(&self, updates: Vec<Update>) -> Result<(), Refusal> {
        let room = Arc::clone(&self.room).try_acquire_owned().map_err(|_| Refusal::Closed)?;
        self.cast(ContextMsg::Apply { updates, seq: None, expected: None, reply: None, room })
    }

    /// Applies updates in order and returns the version behind them; the snapshot has them then.
    /// `seq` is the audit record that they stand in. The first refused update ends them; those
    /// before it stay applied.
    ///
    /// # Errors
    /// When one was refused, or what must last is not known to be on the disk.
    pub async fn apply(&self, updates: Vec<Update>, seq: Option<u64>) -> Result<u64, Refusal> {
        let (reply, waiting) = oneshot::channel();
        self.send(updates, seq, None, Some(reply)).await?;
        waiting.await.unwrap_or(Err(Refusal::Closed))
    }

    /// [`ContextHandle::apply`] for a caller that has read version `expected` and decided on it.
    ///
    /// # Errors
    /// As [`ContextHandle::apply`], and when the context has moved on.
    pub async fn apply_at(
        &self,
        expected: u64,
        updates: Vec<Update>,
        seq: Option<u64>,
    ) -> Result<u64, Refusal> {
        let (reply, waiting) = oneshot::channel();
        self.send(updates, seq, Some(expected), Some(reply)).await?;
        waiting.await.unwrap_or(Err(Refusal::Closed))
    }

    /// Keeps a document under a name.
    ///
    /// # Errors
    /// When it has no JSON form, or was not acknowledged.
    pub async fn keep<T: Serialize>(
        &self,
        name: &str,
        document: &T,
        lasting: Lasting,
    ) -> Result<(), DocumentError> {
        let json = serde_json::to_string(document)
            .map_err(|source| DocumentError::Form { name: name.to_owned(), source })?;
        let update = Update::Document { name: name.into(), json: Some(json.into()), lasting };
        self.apply(vec![update], None).await?;
        Ok(())
    }

    /// Reads a document from the last snapshot; `None` where there is none.
    ///
    /// # Errors
    /// When its text has another form.
    pub fn document<T: DeserializeOwned>(&self, name: &str) -> Result<Option<T>, DocumentError> {
        let snapshot = self.snapshot();
        let Some(json) = snapshot.documents.get(name) else { return Ok(None) };
        let read = serde_json::from_str(json).map(Some);
        read.map_err(|source| DocumentError::Form { name: name.to_owned(), source })
    }

    /// Brings every part to the disk.
    ///
    /// # Errors
    /// When it is not known to be there.
    pub async fn flush(&self) -> Result<(), StoreError> {
        let (reply, waiting) = oneshot::channel();
        self.cast(ContextMsg::Flush { reply }).map_err(|_| StoreError::Closed)?;
        waiting.await.unwrap_or(Err(StoreError::Closed))
    }

    /// Messages in the mailbox.
    pub fn depth(&self) -> usize {
        self.capacity.saturating_sub(self.room.available_permits())
    }

    async fn send(
        &self,
        updates: Vec<Update>,
        seq: Option<u64>,
        expected: Option<u64>,
        reply: Option<oneshot::Sender<Result<u64, Refusal>>>,
    ) -> Result<(), Refusal> {
        let room = Arc::clone(&self.room).acquire_owned().await.map_err(|_| Refusal::Closed)?;
        self.cast(ContextMsg::Apply { updates, seq, expected, reply, room })
    }

    fn cast(&self, message: ContextMsg) -> Result<(), Refusal> {
        let Some(actor) = self.actor.borrow().clone() else { return Err(Refusal::Closed) };
        actor.cast(message).map_err(|_| Refusal::Closed)
    }
}
