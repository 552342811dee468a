//! The store's writer: one plain thread that writes what waits as one group and flushes once.
//!
//! - C-1: an acknowledged context update survives `kill -9`: the answer comes after the flush.

use std::fmt;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread::JoinHandle;

use conclave_actors::runtime::ports::{Commit, ContextSink, Store, StoreError};
use conclave_domain::context::{Context, PartValue};
use conclave_domain::record::Anchor;

use super::context_sled::{decode_anchor, decode_part, encode_anchor, encode_part};

/// Commits that may wait for the writer.
const QUEUE: usize = 4_096;
/// Commits that are written as one group.
const GROUP_MAX: usize = 256;

/// The tree of the context's parts; a part's key is its name.
const PARTS: &str = "context";
/// The tree of what is known of other files.
const ANCHORS: &str = "anchors";
/// The audit's end.
const AUDIT: &[u8] = b"audit";

/// What a store held when it was opened.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Loaded {
    /// The context, as old as its parts are.
    pub context: Context,
    /// The audit's end as it was last written down.
    pub anchor: Option<Anchor>,
}

/// Reads everything. Blocks: call it before the runtimes start.
///
/// # Errors
/// When the store cannot be read, is damaged, or was written by a newer version.
pub fn load(store: &dyn Store) -> Result<Loaded, StoreError> {
    let mut parts = Vec::new();
    for (key, value) in store.scan(PARTS, b"")? {
        let name = String::from_utf8_lossy(&key).into_owned();
        let key = name.parse().map_err(|_| StoreError::Damaged {
            what: format!("`{name}` is no part of the context"),
        })?;
        parts.push(decode_part(key, &value)?);
    }
    let anchor = store.get(ANCHORS, AUDIT)?.map(|bytes| decode_anchor(&bytes)).transpose()?;
    Ok(Loaded { context: Context::restore(parts), anchor })
}

/// The writer. Dropping it writes what waits, closes the store and waits for both.
pub struct StoreWriter {
    queue: Option<SyncSender<Commit>>,
    thread: Option<JoinHandle<()>>,
}

impl fmt::Debug for StoreWriter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("StoreWriter")
    }
}

impl StoreWriter {
    /// Starts the writer's thread.
    ///
    /// # Errors
    /// When there is no thread to be had.
    pub fn start(store: Arc<dyn Store>) -> Result<Self, StoreError> {
        let (queue, commits) = sync_channel(QUEUE);
        let thread = std::thread::Builder::new()
            .name("store-writer".to_owned())
            .spawn(move || run(store.as_ref(), &commits))
            .map_err(|error| StoreError::Engine { what: error.to_string() })?;
        Ok(Self { queue: Some(queue), thread: Some(thread) })
    }
}

impl ContextSink for StoreWriter {
    fn submit(&self, commit: Commit) {
        let Some(queue) = &self.queue else { return };
        match queue.try_send(commit) {
            Ok(()) => {}
            Err(TrySendError::Full(commit)) => commit.done.answer(Err(StoreError::Busy)),
            // The writer is gone; dropping the commit says so.
            Err(TrySendError::Disconnected(commit)) => drop(commit),
        }
    }
}

impl Drop for StoreWriter {
    fn drop(&mut self) {
        self.queue = None;
        if let Some(thread) = self.thread.take() {
            // A panic of the writer was logged by the panic hook; there is nobody to tell here.
            let _ = thread.join();
        }
    }
}

fn run(store: &dyn Store, commits: &Receiver<Commit>) {
    while let Ok(first) = commits.recv() {
        let mut group = vec![first];
        while group.len() < GROUP_MAX
            && let Ok(commit) = commits.try_recv()
        {
            group.push(commit);
        }
        let result = write(store, &group);
        for commit in group {
            commit.done.answer(result.clone());
        }
    }
    if let Err(error) = store.close() {
        tracing::error!(error = &error as &dyn std::error::Error, "the store was not closed");
    }
}

/// Writes a group's parts, the latest of each name, and flushes once.
fn write(store: &dyn Store, group: &[Commit]) -> Result<(), StoreError> {
    let mut entries = Vec::new();
    let mut removed = Vec::new();
    for part in group.iter().flat_map(|commit| &commit.parts) {
        let key = part.key.to_string().into_bytes();
        if part.value == PartValue::Removed {
            entries.retain(|(name, _)| *name != key);
            removed.push(key);
        } else {
            removed.retain(|name| *name != key);
            entries.push((key, encode_part(part)?));
        }
    }
    if !entries.is_empty() {
        store.put(PARTS, &entries)?;
    }
    if !removed.is_empty() {
        store.delete(PARTS, &removed)?;
    }
    if let Some(anchor) = group.iter().rev().find_map(|commit| commit.anchor) {
        store.put(ANCHORS, &[(AUDIT.to_vec(), encode_anchor(&anchor)?)])?;
    }
    store.flush()
}

#[cfg(test)]
#[path = "store_tests.rs"]
mod tests;
