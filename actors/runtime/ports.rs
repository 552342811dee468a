//! Ports: how the actors reach the world.
//!
//! A port never blocks the caller: it takes a message and answers through [`Done`], from whatever
//! thread does the work. [`Store`] is the exception: it blocks, and only a writer's own plain thread
//! and the code that opens a store may call it.

use std::fmt;
use std::sync::Arc;

use conclave_domain::away::Outgoing;
use conclave_domain::budget::ledger::Want;
use conclave_domain::code::Code;
use conclave_domain::context::{BookKind, Part};
use conclave_domain::custody::Happening;
use conclave_domain::fixed::Money;
use conclave_domain::record::{Anchor, Record, RecordError, Stream};
use conclave_domain::time::Time;

use crate::broker::Pass;
use crate::journal::Piece;
use crate::safety::SafetyRecord;

/// An answer that is owed. It is given exactly once: whoever drops it unanswered answers that the
/// other side is gone.
pub struct Done<T, E: Gone>(Option<Answer<T, E>>);

type Answer<T, E> = Box<dyn FnOnce(Result<T, E>) + Send>;

/// An error type that can say that nobody is there to answer.
pub trait Gone {
    /// The other side is gone.
    fn gone() -> Self;
}

impl<T, E: Gone> Done<T, E> {
    /// `answer` is called once, on the thread that did the work; it must not block.
    pub fn new(answer: impl FnOnce(Result<T, E>) + Send + 'static) -> Self {
        Self(Some(Box::new(answer)))
    }

    /// Gives the answer.
    pub fn answer(mut self, result: Result<T, E>) {
        if let Some(answer) = self.0.take() {
            answer(result);
        }
    }
}

impl<T, E: Gone> Drop for Done<T, E> {
    fn drop(&mut self) {
        if let Some(answer) = self.0.take() {
            answer(Err(E::gone()));
        }
    }
}

impl<T, E: Gone> fmt::Debug for Done<T, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "Done(owed)" } else { "Done(given)" })
    }
}

/// Where the audit's records are written: in order, chained, in groups.
pub trait AuditSink: fmt::Debug + Send + Sync {
    /// Takes a batch; batches are written in the order in which they were taken. Never blocks: a
    /// sink that has too much to do answers [`AuditError::Busy`].
    ///
    /// Where a batch that somebody waits for cannot be written, none of it is in the log and its
    /// error is answered. One of [`Safety::Written`] is kept and written before the next batch, so
    /// that no record of something that has happened is lost to a disk that was full for a while.
    fn submit(&self, batch: Batch);

    /// Takes batches that come together, which may be written as one group.
    fn submit_all(&self, batches: Vec<Batch>) {
        for batch in batches {
            self.submit(batch);
        }
    }
}

/// How safe a batch must be before it is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Safety {
    /// Handed to the operating system, or refused at once: whoever offers it does without.
    Offered,
    /// Handed to the operating system: survives the end of the process.
    Written,
    /// The stream of decisions is on the disk: survives the loss of power.
    Synced,
    /// Both streams are on the disk.
    AllSynced,
}

/// Records that are written together or not at all.
#[derive(Debug)]
pub struct Batch {
    /// The records, in order; none is a plain request to sync.
    pub records: Vec<Record>,
    /// What the answer promises.
    pub safety: Safety,
    /// Who waits.
    pub done: Done<Committed, AuditError>,
}

/// A batch that was written.
#[derive(Clone, Debug)]
pub struct Committed {
    /// The batch's lines, those of observations too.
    pub lines: Vec<Written>,
    /// Both streams' ends behind the batch.
    pub head: Anchor,
    /// What is known to be on the disk.
    pub synced: Anchor,
}

/// One line as it stands in the log, without its line feed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Written {
    /// The stream.
    pub stream: Stream,
    /// Its number there.
    pub seq: u64,
    /// The line.
    pub text: Arc<str>,
}

/// Why records were not written.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AuditError {
    /// A record could not be made.
    #[error("the record cannot be written")]
    Record(#[from] RecordError),
    /// Too much is waiting.
    #[error("the audit has more to write than it may hold")]
    Busy,
    /// The disk is full; the audit goes on once there is room.
    #[error("the disk of the audit is full")]
    DiskFull,
    /// The disk refused to write; the log was brought back to its last good record.
    #[error("the audit could not be written: {what}")]
    Disk {
        /// What the operating system said.
        what: String,
    },
    /// The log's end is not known any more: nothing is written until a restart has checked it.
    #[error("the audit is closed until a restart has checked it: {what}")]
    Broken {
        /// What made it so.
        what: String,
    },
    /// The log is being played again, and this is not what stands in it.
    #[error("record {seq} is not the one that stands in the log")]
    Differs {
        /// The first one that is not.
        seq: u64,
    },
    /// Nobody writes any more.
    #[error("the audit is not running")]
    Closed,
}

impl Gone for AuditError {
    fn gone() -> Self {
        Self::Closed
    }
}

/// A key with its value.
pub type Entry = (Vec<u8>, Vec<u8>);

/// An embedded key-value store: named trees of ordered bytes. Every call may block.
///
/// A `put` or `delete` is atomic: after a crash all of its entries are there or none. It is durable
/// only after the next [`Store::flush`] has returned.
pub trait Store: fmt::Debug + Send + Sync {
    /// The value of a key.
    ///
    /// # Errors
    /// When the store cannot be read.
    fn get(&self, tree: &str, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError>;

    /// Writes entries into one tree; a later entry of the same key wins.
    ///
    /// # Errors
    /// When the store cannot be written; nothing was.
    fn put(&self, tree: &str, entries: &[Entry]) -> Result<(), StoreError>;

    /// Removes keys from one tree; a key that is not there is no error.
    ///
    /// # Errors
    /// When the store cannot be written; nothing was.
    fn delete(&self, tree: &str, keys: &[Vec<u8>]) -> Result<(), StoreError>;

    /// The entries whose keys begin with `prefix`, in the order of their keys.
    ///
    /// # Errors
    /// When the store cannot be read.
    fn scan(&self, tree: &str, prefix: &[u8]) -> Result<Vec<Entry>, StoreError>;

    /// Returns when everything written so far survives the loss of power.
    ///
    /// # Errors
    /// When it is not known to.
    fn flush(&self) -> Result<(), StoreError>;

    /// Flushes, and refuses everything afterwards.
    ///
    /// # Errors
    /// As [`Store::flush`].
    fn close(&self) -> Result<(), StoreError>;
}

/// Why the store did not do what it was asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// The disk is full; the store goes on once there is room.
    #[error("the disk of the store is full")]
    DiskFull,
    /// The store's engine or the disk failed.
    #[error("the store failed: {what}")]
    Engine {
        /// What it said.
        what: String,
    },
    /// What lies in the store is not what was written.
    #[error("the store is damaged: {what}")]
    Damaged {
        /// What was found.
        what: String,
    },
    /// A newer version of this program wrote it.
    #[error("the store holds `{what}` of schema {found}; this version reads up to {known}")]
    Newer {
        /// What it holds.
        what: &'static str,
        /// Its schema.
        found: u16,
        /// The newest schema that is read.
        known: u16,
    },
    /// Something has no bytes.
    #[error("`{what}` cannot be stored: {why}")]
    Unwritable {
        /// What it is.
        what: &'static str,
        /// Why not.
        why: String,
    },
    /// Too much is waiting.
    #[error("the store has more to write than it may hold")]
    Busy,
    /// The store was closed.
    #[error("the store is closed")]
    Closed,
}

impl Gone for StoreError {
    fn gone() -> Self {
        Self::Closed
    }
}

/// Where the context's parts are written down, on a thread of its own.
pub trait ContextSink: fmt::Debug + Send + Sync {
    /// Takes a commit; commits are written in the order in which they were taken. Never blocks: a
    /// sink that has too much to do answers [`StoreError::Busy`].
    fn submit(&self, commit: Commit);
}

/// Parts that are written together; answered once they would survive the loss of power.
#[derive(Debug)]
pub struct Commit {
    /// The parts.
    pub parts: Vec<Part>,
    /// The audit's end as it is known to be on the disk, kept beside them.
    pub anchor: Option<Anchor>,
    /// Who waits.
    pub done: Done<(), StoreError>,
}

/// Where budgets, modes and the trading state survive the process.
///
/// Saves are carried out in the order in which they were taken, each whole or not at all.
pub trait SafetyStore: fmt::Debug + Send + Sync {
    /// Writes the record over the former one; answers once it survives the loss of power.
    fn save(&self, record: SafetyRecord, done: Done<(), StoreError>);

    /// The last record that was saved; `None` in a store that never had one.
    fn load(&self, done: Done<Option<SafetyRecord>, StoreError>);
}

/// What all runs of one user on one machine spend on models: the caps of an hour and of a day hold over
/// it. Never blocks.
pub trait SpendLedger: fmt::Debug + Send + Sync {
    /// Reserves each call on the first of its models that fits under the caps; answers in order, once
    /// the reservations survive the loss of power.
    fn reserve(&self, wants: Vec<Want>, done: Done<Vec<Result<Booked, Code>>, LedgerError>);

    /// The call of this number is over and has cost this much. One that is never settled counts in full.
    fn settle(&self, call: u64, cost: Money);
}

/// A call that the ledger has reserved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Booked {
    /// The number by which it is settled.
    pub call: u64,
    /// The model that is reserved for, counted from the best.
    pub rung: usize,
}

/// Why the ledger did not reserve anything.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LedgerError {
    /// It cannot be read or written.
    #[error("the ledger cannot be used: {what}")]
    Disk {
        /// What the operating system said.
        what: String,
    },
    /// Nobody writes it any more.
    #[error("the ledger is closed")]
    Closed,
}

impl Gone for LedgerError {
    fn gone() -> Self {
        Self::Closed
    }
}

/// Where what only reports need is appended, on a thread of its own; see [`crate::journal`].
pub trait Journal: fmt::Debug + Send + Sync {
    /// Appends to a book's journal; answered once it is handed to the operating system. Pieces are
    /// written in the order in which they were taken. Never blocks.
    ///
    /// What cannot be written is kept and written before the next piece.
    fn append(&self, book: BookKind, piece: Piece, done: Done<(), StoreError>);

    /// Answers once everything taken so far survives the loss of power.
    fn sync(&self, done: Done<(), StoreError>);
}

/// Sees what the broker does to an account, before anybody else hears of it: an independent witness
/// beside the audit. Called from the broker's actor: must be quick and must not block.
pub trait BrokerWitness: fmt::Debug + Send + Sync {
    /// These things have just happened, in this order.
    fn saw(&self, book: BookKind, happened: &[Happening]);
}

/// The way to a broker outside. What becomes of an order comes back through
/// [`crate::broker::BrokerHandle::heard`], from whoever carries it and from the broker's own stream.
///
/// Whoever carries orders owes an answer for each: what it could not send it denies
/// ([`conclave_domain::away::Said::Denied`]), what it may have sent it looks for by its id.
pub trait OrderRoute: fmt::Debug + Send + Sync {
    /// Takes what is to be asked of the broker, in order. Never blocks. What comes in here is written
    /// down already, and an entry has passed the fence a moment ago; who keeps one waiting asks its pass
    /// again.
    fn send(&self, outgoing: Vec<Outgoing>, pass: Pass);
}

/// The two clocks of the council: wall time for money and records, market time for everything else.
pub trait Clock: fmt::Debug + Send + Sync {
    /// Wall time.
    fn wall(&self) -> Time;

    /// The trading clock: wall time when live, the last bar's close in a replay.
    fn trading(&self) -> Time;

    /// How late it is at the market, as far as anybody knows: later than the trading clock while bars
    /// are played that somebody had missed. What age of data is measured by.
    fn market(&self) -> Time {
        self.trading()
    }
}
