//! The world of a run: its directory, lock, store, log, writers and fence.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use conclave_actors::broker::Account;
use conclave_actors::runtime::compare::Expected;
use conclave_actors::runtime::ports::{AuditSink, BrokerWitness, Clock, Store, StoreError};
use conclave_domain::context::{BookKind, Context};
use conclave_domain::record::{Anchor, Chain, Head, Line, Step, Stream};
use serde::Deserialize;

use super::checkpoint::{self, Found};
use super::money;
use crate::adapters::audit_files::{self, AuditFiles, LogError, LogOptions, has_log};
use crate::adapters::context_redb::RedbStore;
use crate::adapters::context_sled::SledStore;
use crate::adapters::control_http::{HALT_FILE, LATEST_FILE};
use crate::adapters::heartbeat::Heartbeat;
use crate::adapters::journal_files::JournalFiles;
use crate::adapters::lock::{LockError, MoneyKind, StoreDir};
use crate::adapters::safety_store::{Block, Replayed, SafetyDisk, SafetyWriter, newest};
use crate::adapters::store_reopen::ReopeningStore;
use crate::adapters::store_writer::{Loaded, StoreWriter, load};
use crate::cli::error::{CliError, ExitCode};
use crate::config::Config;

/// Bytes of the log behind the checkpoint that are compared; a longer tail is played the old way.
const TAIL_MAX: usize = 256 << 20;

/// An opened directory of a run. Dropping it closes everything and lets go of the lock.
#[derive(Debug)]
pub(super) struct Opened {
    pub(super) dir: PathBuf,
    pub(super) audit: Arc<AuditFiles>,
    /// What stands before the log: a repetition compares there.
    pub(super) sink: Arc<dyn AuditSink>,
    pub(super) head: Anchor,
    pub(super) store: Arc<StoreWriter>,
    pub(super) context: Context,
    /// What there is to go on from.
    pub(super) found: Found,
    /// The decisions behind it.
    pub(super) tail: Tail,
    /// The last save of safety that is on the disk.
    pub(super) newest: Option<Block>,
    /// Whether this goes on with a run that was there.
    pub(super) is_resumed: bool,
    /// Who sees what the broker sees, if anybody does.
    pub(super) witness: Option<Arc<dyn BrokerWitness>>,
    /// Where safety is written.
    disk: SafetyDisk,
    /// The hash of the bars that were played before, if any were.
    data_hash: Option<String>,
    _lock: StoreDir,
}

/// The decisions behind a checkpoint.
#[derive(Debug)]
pub(super) enum Tail {
    /// All of them.
    Whole(Arc<[Expected]>),
    /// More than are kept in memory.
    TooLong,
}

/// Gathers the tail while the log is read.
struct Tailing {
    behind: Head,
    lines: Vec<Expected>,
    bytes: usize,
    /// Whether the checkpoint's head is not a record of this log.
    is_strange: bool,
}

impl Tailing {
    fn behind(found: &Found) -> Self {
        let start = Chain::new(Stream::Decisions).head();
        let behind = match found {
            Found::Checkpoint(checkpoint) => checkpoint.moment.head,
            Found::Nothing => start,
            // Accounts alone say nothing of what came behind them.
            Found::Accounts(_) => Head { count: u64::MAX, ..start },
        };
        Self { behind, lines: Vec::new(), bytes: 0, is_strange: false }
    }

    /// The first record that is looked at.
    const fn from(&self) -> u64 {
        self.behind.count
    }

    fn line(&mut self, line: &Line<'_>) {
        if line.seq == self.behind.count {
            self.is_strange = line.hash != self.behind.hash;
        }
        if line.seq > self.behind.count && self.bytes <= TAIL_MAX {
            self.bytes += line.payload.len();
            self.lines.push(line.into());
        }
    }

    fn whole(self, dir: &Path, end: u64) -> Result<Tail, CliError> {
        let is_missing = end < self.behind.count && self.behind.count < u64::MAX;
        if self.is_strange || is_missing {
            let text = format!(
                "the checkpoint in {} stands at record {}, which is not in its log: restore both \
                 from one backup, or start another run",
                dir.display(),
                self.behind.count
            );
            return Err(CliError::new(ExitCode::Data, text));
        }
        let is_whole = self.bytes <= TAIL_MAX;
        Ok(if is_whole { Tail::Whole(self.lines.into()) } else { Tail::TooLong })
    }
}

/// Where a run without a directory of its own goes: `runs/ID`, or `runs/live/ID` in real money, named
/// in `runs/latest`.
pub(super) fn fresh_dir(id: &str, money: MoneyKind) -> Result<PathBuf, CliError> {
    let runs = Path::new("runs");
    let id = money::below(money, id);
    let dir = runs.join(&id);
    std::fs::create_dir_all(&dir).map_err(|error| {
        CliError::new(ExitCode::Failure, format!("{} cannot be made: {error}", dir.display()))
    })?;
    std::fs::write(runs.join(LATEST_FILE), id)?;
    Ok(dir)
}

/// Opens a run's directory. A fresh run refuses one that holds a run already.
pub(super) fn open(
    dir: &Path,
    config: &Config,
    resume: bool,
    clock: Arc<dyn Clock>,
) -> Result<Opened, CliError> {
    open_through(dir, config, resume, clock, |log| log)
}

/// [`open`] with a sink of one's own before the log.
pub(super) fn open_through(
    dir: &Path,
    config: &Config,
    resume: bool,
    clock: Arc<dyn Clock>,
    through: impl FnOnce(Arc<dyn AuditSink>) -> Arc<dyn AuditSink>,
) -> Result<Opened, CliError> {
    agree(dir, resume)?;
    let lock = hold(dir, money::of(config), clock.as_ref())?;
    refuse_emptied(dir, config)?;
    let store = open_store(dir, config)?;
    let Loaded { mut context, anchor } = load(store.as_ref()).map_err(store_error)?;
    let options = LogOptions {
        segment_bytes: config.audit.segment_mb << 20,
        keep_segments: config.audit.keep_segments,
        ..LogOptions::default()
    };
    let found = checkpoint::read(&context)?;
    let tailing = Tailing::behind(&found);
    let from = tailing.from();
    let mut told = Told { data_hash: None, last_block: None, broken: None, tailing };
    let wants = |line: &Line<'_>| line.seq >= from || Told::wants(line);
    let log = AuditFiles::open_reading(dir, anchor.as_ref(), options, &wants, &mut |line| {
        told.hear(&mut context, line);
    });
    let log = log.map_err(log_error)?;
    for cut in &log.cut {
        tracing::warn!(segment = cut.segment, bytes = cut.bytes, "torn tail cut");
    }
    let Told { data_hash, last_block, broken, tailing } = told;
    if let Some((seq, why)) = broken {
        let text = format!("the context cannot be repaired from record {seq}: {why}");
        return Err(CliError::new(ExitCode::Data, text));
    }
    let last_block = last_block.and_then(|body| serde_json::from_str::<Block>(&body).ok());
    let tail = tailing.whole(dir, log.head.decisions.count)?;
    let audit = Arc::new(log.files);
    let sink = through(audit.clone());
    let log_sink = Arc::clone(&sink);
    let newest = newest(store.as_ref(), last_block.clone()).map_err(store_error)?;
    let (raw, replayed) = (Arc::clone(&store), None);
    let disk = SafetyDisk { store: raw, log: log_sink, last_block, clock, replayed };
    let writer = StoreWriter::start(store).map_err(store_error)?;
    Ok(Opened {
        dir: dir.to_owned(),
        audit,
        sink,
        head: log.head,
        store: Arc::new(writer),
        context,
        found,
        tail,
        newest,
        is_resumed: resume,
        witness: None,
        disk,
        data_hash,
        _lock: lock,
    })
}

/// The last save of safety that the store or the log in `dir` holds, while no process has them open.
pub(super) fn newest_safety(dir: &Path, config: &Config) -> Result<Option<Block>, CliError> {
    let _lock = StoreDir::open_as_it_is(dir).map_err(|error| lock_error(&error))?;
    refuse_emptied(dir, config)?;
    let store = open_store(dir, config)?;
    let block = audit_files::last(dir, Step::BudgetBlock).map_err(log_error)?;
    let last_block = block.and_then(|body| serde_json::from_str(&body).ok());
    newest(store.as_ref(), last_block).map_err(store_error)
}

/// Takes the directory, and says so to whoever watches: the end of the process before this one must
/// not be taken for the end of this one, whatever refuses from here on.
fn hold(dir: &Path, money: MoneyKind, clock: &dyn Clock) -> Result<StoreDir, CliError> {
    let lock = StoreDir::open(dir, money).map_err(|error| lock_error(&error))?;
    if let Err(error) = Heartbeat::now(clock.wall(), false).write(dir) {
        tracing::warn!(%error, "the first heartbeat was not written");
    }
    Ok(lock)
}

/// What the log tells when it is opened, in the one pass that verifies it.
struct Told {
    /// The bars of the last start.
    data_hash: Option<String>,
    /// The last block of permits, as it stands there.
    last_block: Option<String>,
    /// The first record that does not fit the context.
    broken: Option<(u64, String)>,
    /// The decisions behind the checkpoint.
    tailing: Tailing,
}

impl Told {
    fn wants(line: &Line<'_>) -> bool {
        matches!(line.step, Step::RunStarted | Step::BudgetBlock)
            || line.body.contains("\"updates\":")
    }

    fn hear(&mut self, context: &mut Context, line: &Line<'_>) {
        self.tailing.line(line);
        if line.step == Step::RunStarted {
            let header = serde_json::from_str::<Header>(line.body);
            self.data_hash = header.ok().map(|body| body.data_hash);
        }
        if line.step == Step::BudgetBlock {
            self.last_block = Some(line.body.to_owned());
        }
        if let Err(error) = conclave_actors::context::repair(context, line) {
            self.broken.get_or_insert((line.seq, error.to_string()));
        }
    }
}

/// A fresh run takes a directory without a run, a resumed one goes on with the run that is there.
fn agree(dir: &Path, resume: bool) -> Result<(), CliError> {
    if !resume && has_log(dir) {
        let text = format!(
            "{} holds a run already: choose another --out, or go on with it by --resume",
            dir.display()
        );
        return Err(CliError::new(ExitCode::Failure, text));
    }
    if resume && !has_log(dir) {
        let text = format!("{} holds no run to go on with", dir.display());
        return Err(CliError::new(ExitCode::NotFound, text));
    }
    Ok(())
}

impl Opened {
    /// The journal of what only the report needs, as far as the accounts of one try to go on count it.
    ///
    /// # Errors
    /// When it is shorter than they say, or cannot be opened.
    pub(super) fn journal(
        &self,
        accounts: &BTreeMap<BookKind, Account>,
    ) -> Result<JournalFiles, CliError> {
        let extents = accounts.iter().map(|(book, account)| (*book, account.journaled)).collect();
        JournalFiles::open(&self.dir, &extents).map_err(store_error)
    }

    /// Safety's writer for one try to go on.
    ///
    /// # Errors
    /// When there is no thread to be had.
    pub(super) fn safety(&self, replayed: Option<Replayed>) -> Result<SafetyWriter, CliError> {
        let SafetyDisk { store, log, last_block, clock, .. } = &self.disk;
        let log: Arc<dyn AuditSink> = match &replayed {
            Some(replayed) => replayed.until.clone(),
            None => Arc::clone(log),
        };
        let disk = SafetyDisk {
            store: Arc::clone(store),
            log,
            last_block: last_block.clone(),
            clock: Arc::clone(clock),
            replayed,
        };
        SafetyWriter::start(disk).map_err(store_error)
    }

    /// A run goes on with the bars that it was begun with, or not at all.
    pub(super) fn agree_on(&self, data_hash: &str) -> Result<(), CliError> {
        let Some(before) = self.data_hash.as_deref().filter(|before| *before != data_hash) else {
            return Ok(());
        };
        let text = format!(
            "{} was played on other data (hash {before}, now {data_hash}): resume it with the same \
             --data, --splits, --synth, --news and --seed",
            self.dir.display()
        );
        Err(CliError::new(ExitCode::Data, text))
    }
}

/// What of a run's header is looked at again.
#[derive(Deserialize)]
struct Header {
    data_hash: String,
}

/// A log with records has a store beside it, which was on the disk before the first of them: one that
/// is new was emptied, and with it budgets, modes and halts would be forgotten (C-1, G-2).
fn refuse_emptied(dir: &Path, config: &Config) -> Result<(), CliError> {
    let is_redb = config.store.engine == "redb";
    let store = if is_redb { dir.join("context.redb") } else { dir.join("context") };
    let mark = if is_redb { store.clone() } else { store.join("ready") };
    let is_other = dir.join(if is_redb { "context" } else { "context.redb" }).exists();
    if mark.exists() || is_other || !has_log(dir) {
        return Ok(());
    }
    let text = format!(
        "{} has an audit, but its store {} was emptied: restore both from one backup, or start \
         another run and keep this directory",
        dir.display(),
        store.display()
    );
    Err(CliError::new(ExitCode::Data, text))
}

fn open_store(dir: &Path, config: &Config) -> Result<Arc<dyn Store>, CliError> {
    let (sled, redb) = (dir.join("context"), dir.join("context.redb"));
    let (is_redb, name) = (config.store.engine == "redb", &config.store.engine);
    let other = if is_redb { &sled } else { &redb };
    if other.exists() {
        let text = format!(
            "the run keeps its context in {}, which store.engine = \"{name}\" does not read",
            other.display()
        );
        return Err(CliError::new(ExitCode::Data, text));
    }
    if is_redb {
        let store = ReopeningStore::new(move || RedbStore::open(&redb));
        return Ok(Arc::new(store.map_err(store_error)?));
    }
    let store = ReopeningStore::new(move || SledStore::open(&sled));
    Ok(Arc::new(store.map_err(store_error)?))
}

/// The log's end as the store of a run knows it; `None` where there is no store, it cannot be read, or
/// a process holds it.
pub(crate) fn stored_anchor(dir: &Path) -> Option<Anchor> {
    let (sled, redb) = (dir.join("context"), dir.join("context.redb"));
    if !sled.exists() && !redb.exists() {
        return None;
    }
    let _lock = StoreDir::open_as_it_is(dir).ok()?;
    let store: Box<dyn Store> = if redb.exists() {
        Box::new(RedbStore::open(&redb).ok()?)
    } else {
        Box::new(SledStore::open(&sled).ok()?)
    };
    let loaded = load(store.as_ref());
    if let Err(error) = store.close() {
        tracing::warn!(error = &error as &dyn std::error::Error, "the store was not closed");
    }
    loaded.ok()?.anchor
}

/// The flag file on the order path: while it is there no entry leaves. Unreadable means halted.
pub(super) fn stop_flag(dir: &Path) -> Box<dyn Fn() -> bool + Send + Sync> {
    let path = dir.join(HALT_FILE);
    Box::new(move || path.try_exists().unwrap_or(true))
}

fn lock_error(error: &LockError) -> CliError {
    CliError::new(ExitCode::Failure, error.to_string())
}

#[expect(clippy::needless_pass_by_value, reason = "used with map_err")]
fn store_error(error: StoreError) -> CliError {
    let what_to_do = match error {
        StoreError::Newer { .. } => {
            "; run it with the version that wrote it, restore the directory from a backup that is older, \
             or start another run"
        }
        StoreError::Damaged { .. } => {
            "; restore the directory from a backup, or start another run and keep this directory as it is"
        }
        _ => "",
    };
    CliError::new(ExitCode::Data, format!("{error}{what_to_do}"))
}

fn log_error(error: LogError) -> CliError {
    use LogError::{Bad, Summary, Unvouched};
    let is_damage = matches!(error, Bad(_) | Summary { .. } | Unvouched { .. });
    let code = if is_damage { ExitCode::Data } else { ExitCode::Failure };
    let what_to_do = match code {
        ExitCode::Data => {
            "; restore the directory from a backup, or start another run and keep this directory as \
             it is: docs/OPERATIONS.md says how"
        }
        _ => "",
    };
    CliError::new(code, format!("{error}{what_to_do}")).caused_by(error)
}
