//! The disks of a simulated world: they outlive the process, and know what was synced.
//!
//! Whatever was written and not synced when the process crashes survives in part: each file keeps
//! what was synced and some lines more, and the line behind those may be torn. What an orderly end
//! leaves is whole. Every call may be the one at which the process crashes: before it was carried
//! out, in the middle of it, or behind it and before anybody was told.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use conclave_domain::context::{Context, Part, PartKey};
use conclave_domain::faults::{Fault, Port};
use conclave_domain::record::{
    Anchor, BadRecord, Chain, Line, Place, Record, Step, Stream, Verifier,
};
use conclave_domain::time::Time;
use tokio::sync::{Notify, mpsc};

use super::dice::Dice;
use super::seen::{Journal, Seen};
use crate::audit::record;
use crate::context::{RepairError, repair};
use crate::runtime::faults::FaultPlan;
use crate::runtime::ports::{
    AuditError, AuditSink, Batch, Commit, Committed, ContextSink, Done, Safety, SafetyStore,
    StoreError,
};
use crate::safety::SafetyRecord;
use crate::safety::saves::{self, Block, Writes};

/// One file of lines.
#[derive(Debug)]
struct File {
    stream: Stream,
    chain: Chain,
    lines: Vec<String>,
    synced: usize,
}

impl File {
    fn new(stream: Stream) -> Self {
        Self { stream, chain: Chain::new(stream), lines: Vec::new(), synced: 0 }
    }

    /// What is left of the file after a crash, checked like any log that is opened.
    fn survive(&mut self, lot: u64) -> Result<bool, BadRecord> {
        let unsynced = self.lines.len().saturating_sub(self.synced);
        let kept = self.synced + usize::try_from(lot % (unsynced as u64 + 1)).unwrap_or(0);
        let is_torn = kept < self.lines.len() && lot & (1 << 40) != 0;
        self.lines.truncate(kept);
        self.synced = kept;
        let mut verifier = Verifier::new(self.stream, Vec::new());
        for (nth, line) in self.lines.iter().enumerate() {
            verifier.line(Place { segment: "memory".to_owned(), line: nth as u64 + 1 }, line)?;
        }
        self.chain = verifier.finish()?.1;
        Ok(is_torn)
    }
}

#[derive(Debug)]
struct State {
    files: [File; 2],
    parts: BTreeMap<PartKey, Part>,
    safety: Option<Block>,
    /// What was last saved or loaded in this life, and the number of its block.
    last: Option<Block>,
    calls: u64,
    is_frozen: bool,
}

/// All disks of one world.
#[derive(Debug)]
pub(super) struct Disks {
    seed: u64,
    disk_ms: u64,
    state: Mutex<State>,
    faults: FaultPlan,
    journal: Arc<Journal>,
    /// Wakes whoever runs the process when it has crashed.
    pub(super) crash: Notify,
}

/// What a process finds that starts now.
#[derive(Debug)]
pub(super) struct Opened {
    pub(super) head: Anchor,
    pub(super) context: Context,
    /// Lines of decisions that are there.
    pub(super) lines: u64,
    pub(super) torn: u64,
}

/// Why a process cannot start: the disks hold what must not be there.
#[derive(Debug, thiserror::Error)]
pub(super) enum Damage {
    #[error("the chain does not verify")]
    Chain(#[from] BadRecord),
    #[error("the context cannot be repaired")]
    Repair(#[from] RepairError),
}

/// What a disk is asked.
#[derive(Debug)]
enum Job {
    Batch(Batch),
    Commit(Commit),
    Save(Box<SafetyRecord>, Time, Done<(), StoreError>),
    Load(Done<Option<SafetyRecord>, StoreError>),
}

/// When the process crashes at a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Lives,
    Before,
    Within,
    Behind,
}

impl Disks {
    pub(super) fn new(seed: u64, disk_ms: u64, faults: FaultPlan, journal: Arc<Journal>) -> Self {
        let state = State {
            files: Stream::ALL.map(File::new),
            parts: BTreeMap::new(),
            safety: None,
            last: None,
            calls: 0,
            is_frozen: false,
        };
        let (state, crash) = (Mutex::new(state), Notify::new());
        Self { seed, disk_ms, state, faults, journal, crash }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// BLAKE3 over the contents of the decisions.
    pub(super) fn record_hash(&self) -> String {
        self.state().files[0].chain.record_hash().to_string()
    }

    /// Opens the disks for a new process.
    pub(super) fn open(&self, life: u64) -> Result<Opened, Damage> {
        let mut state = self.state();
        let mut torn = 0;
        if state.is_frozen {
            for (nth, file) in state.files.iter_mut().enumerate() {
                let lot = Dice::lot(self.seed, "survival", life * 2 + nth as u64);
                torn += u64::from(file.survive(lot)?);
            }
        }
        state.is_frozen = false;
        let mut context = Context::restore(state.parts.values().cloned());
        let mut block = None;
        for text in &state.files[0].lines {
            let Ok(read) = Line::read(text) else { continue };
            if read.step == Step::BudgetBlock {
                block = serde_json::from_str::<Block>(read.body).ok().or(block);
            }
            repair(&mut context, &read)?;
        }
        state.last = saves::newest(state.safety.clone(), block);
        let [decisions, observations] = &state.files;
        let head = Anchor {
            decisions: decisions.chain.head(),
            observations: observations.chain.head(),
            record_hash: decisions.chain.record_hash(),
        };
        let lines = decisions.lines.len() as u64;
        self.journal.open();
        Ok(Opened { head, context, lines, torn })
    }

    /// One device that does one job after the other, for as long as the process lives.
    fn device(self: &Arc<Self>) -> mpsc::UnboundedSender<Job> {
        let (sender, mut jobs) = mpsc::unbounded_channel();
        let disks = Arc::clone(self);
        // A disk is no part of the actor tree: it ends with its runtime.
        drop(tokio::runtime::Handle::current().spawn(async move {
            while let Some(job) = jobs.recv().await {
                let nth = disks.state().calls;
                let lot = Dice::lot(disks.seed, "disk", nth);
                let pause_ms = lot.checked_rem(disks.disk_ms + 1).unwrap_or(0);
                if pause_ms > 0 {
                    tokio::time::sleep(Duration::from_millis(pause_ms)).await;
                }
                disks.carry_out(job);
            }
        }));
        sender
    }

    /// The ports of a new process.
    pub(super) fn ports(self: &Arc<Self>) -> Ports {
        Ports { log: Device(self.device()), store: Device(self.device()) }
    }

    /// What becomes of the process at this call.
    fn fate(&self, state: &mut State) -> Fate {
        state.calls += 1;
        if self.faults.planned(Port::Process, state.calls, &[Fault::Crash]).is_none() {
            return Fate::Lives;
        }
        state.is_frozen = true;
        match Dice::lot(self.seed, "fate", state.calls) % 3 {
            0 => Fate::Before,
            1 => Fate::Within,
            _ => Fate::Behind,
        }
    }

    fn carry_out(&self, job: Job) {
        let mut state = self.state();
        if state.is_frozen {
            return;
        }
        let fate = self.fate(&mut state);
        if fate != Fate::Before {
            let answer = self.perform(&mut state, job, fate);
            // Outside of the lock: an answer may look at the disks.
            drop(state);
            if fate == Fate::Lives {
                answer();
                return;
            }
        }
        self.journal.close();
        self.crash.notify_one();
    }

    fn perform(&self, state: &mut State, job: Job, fate: Fate) -> Box<dyn FnOnce()> {
        match job {
            Job::Batch(batch) => {
                let (done, committed) = self.write(state, batch, fate);
                Box::new(move || done.answer(Ok(committed)))
            }
            Job::Commit(Commit { parts, done, .. }) => {
                if fate != Fate::Within {
                    let parts = parts.into_iter().map(|part| (part.key.clone(), part));
                    state.parts.extend(parts);
                }
                Box::new(move || done.answer(Ok(())))
            }
            Job::Save(record, at, done) => self.save(state, *record, at, done, fate),
            Job::Load(done) => {
                let record = state.last.as_ref().map(|last| last.record.clone());
                Box::new(move || done.answer(Ok(record)))
            }
        }
    }

    /// Writes a batch; in the middle of it means that it was not synced.
    fn write(
        &self,
        state: &mut State,
        batch: Batch,
        fate: Fate,
    ) -> (Done<Committed, AuditError>, Committed) {
        for record in &batch.records {
            self.line(state, record);
        }
        let [decisions, observations] = &mut state.files;
        if fate != Fate::Within && batch.safety >= Safety::Synced {
            decisions.synced = decisions.lines.len();
            self.journal.note(Seen::Synced { count: decisions.synced as u64 });
        }
        if fate != Fate::Within && batch.safety >= Safety::AllSynced {
            observations.synced = observations.lines.len();
        }
        let head = Anchor {
            decisions: decisions.chain.head(),
            observations: observations.chain.head(),
            record_hash: decisions.chain.record_hash(),
        };
        // Nothing keeps an anchor in this world, so the head may stand for what is synced.
        (batch.done, Committed { lines: Vec::new(), head, synced: head })
    }

    fn line(&self, state: &mut State, record: &Record) {
        let stream = record.step().stream();
        let of = self.append(state, stream, record, None);
        if let Some(observation) = record.observation() {
            let of = (stream == Stream::Decisions).then_some(of);
            self.append(state, Stream::Observations, &observation, of);
        }
    }

    fn append(&self, state: &mut State, stream: Stream, record: &Record, of: Option<u64>) -> u64 {
        let file = &mut state.files[usize::from(stream == Stream::Observations)];
        let mut text = String::new();
        let seq = file.chain.append(record, of, &mut text);
        if stream == Stream::Decisions {
            let synced = file.synced as u64;
            self.journal.note(Seen::Line { text: text.clone(), synced });
        }
        file.lines.push(text);
        seq
    }

    /// A block goes to the log, like the real store's; a change and what is paid go to the store and are
    /// durable.
    fn save(
        &self,
        state: &mut State,
        saved: SafetyRecord,
        at: Time,
        done: Done<(), StoreError>,
        fate: Fate,
    ) -> Box<dyn FnOnce()> {
        let last = state.last.as_ref();
        let save = last.map_or(0, |last| last.save);
        let Writes { is_change, is_paid, block } =
            Writes::of(last.map(|last| &last.record), &saved);
        if (is_change || is_paid) && fate != Fate::Within {
            state.safety = Some(Block { save, record: saved.clone() });
        }
        let save = save + u64::from(block.is_some());
        state.last = Some(Block { save, record: saved });
        let Some(record_of_block) = block else {
            return Box::new(move || done.answer(Ok(())));
        };
        let block = Block { save, record: record_of_block };
        let records: Vec<Record> =
            record(Step::BudgetBlock, None, at, &block).into_iter().collect();
        let batch = Batch { records, safety: Safety::Written, done: Done::new(|_| ()) };
        drop(self.write(state, batch, fate));
        Box::new(move || done.answer(Ok(())))
    }
}

/// The devices of one process.
#[derive(Debug)]
pub(super) struct Ports {
    pub(super) log: Device,
    pub(super) store: Device,
}

/// A device's queue. Jobs that nobody carries out any more are answered with a failure.
#[derive(Clone, Debug)]
pub(super) struct Device(mpsc::UnboundedSender<Job>);

impl Device {
    fn submit(&self, job: Job) {
        // A dropped job says by itself that nobody is there.
        let _ = self.0.send(job);
    }
}

impl AuditSink for Device {
    fn submit(&self, batch: Batch) {
        self.submit(Job::Batch(batch));
    }
}

impl ContextSink for Device {
    fn submit(&self, commit: Commit) {
        self.submit(Job::Commit(commit));
    }
}

/// Safety's store: its blocks carry market time.
#[derive(Debug)]
pub(super) struct SafetyDevice {
    pub(super) device: Device,
    pub(super) clock: Arc<dyn crate::runtime::ports::Clock>,
}

impl SafetyStore for SafetyDevice {
    fn save(&self, record: SafetyRecord, done: Done<(), StoreError>) {
        self.device.submit(Job::Save(Box::new(record), self.clock.trading(), done));
    }

    fn load(&self, done: Done<Option<SafetyRecord>, StoreError>) {
        self.device.submit(Job::Load(done));
    }
}
