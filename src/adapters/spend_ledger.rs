//! The ledger of what all runs of one user spend on models: one file of JSON lines that every process
//! appends to, under a lock that they share.
//!
//! - G-1: what may still be spent is looked at and taken under one lock.
//! - G-2: a restart gives nothing back: what a dead process had reserved counts in full for its day.
//! - G-3: a reservation is on the disk before its call leaves.
//!
//! A thread of its own does the work, for everybody who waits at that moment at once. Each turn reads
//! what others have appended since, and appends. A line that a crash has torn is closed by whoever writes
//! next and passed over. Lines that count no more are dropped now and then: the file is written anew
//! beside the old one and takes its place, and whoever holds the old one opens the new one.

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::Duration;

use conclave_actors::runtime::ports::{Booked, Done, LedgerError, SpendLedger};
use conclave_domain::budget::BudgetConfig;
use conclave_domain::budget::ledger::{Caller, LedgerLine, Want, What};
use conclave_domain::code::Code;
use conclave_domain::fixed::Money;
use conclave_domain::time::Time;

mod file;

use self::file::Shared;
use super::clock::now;

/// Jobs that may wait; beyond that nothing is reserved, and what is not settled counts in full.
const QUEUE: usize = 4_096;
/// Jobs that are done in one turn.
const TURN: usize = 256;
/// How long its user waits for a turn where nothing else can be done.
const PATIENCE: Duration = Duration::from_secs(10);

/// How often this process has opened a ledger, which may be more than once in a moment.
static OPENED: AtomicU64 = AtomicU64::new(0);

/// The ledger's name below the folder of its user's state.
const FILE: &str = "conclave/spend.jsonl";

/// Where the ledger of this user lies: in `XDG_STATE_HOME`, or below the home folder; `None` where the
/// environment names neither.
pub fn of_user() -> Option<PathBuf> {
    let folder = |name: &str| std::env::var_os(name).map(PathBuf::from);
    let absolute = |name: &str| folder(name).filter(|path| path.is_absolute());
    let state = absolute("XDG_STATE_HOME");
    let state = state.or_else(|| absolute("HOME").map(|home| home.join(".local/state")));
    state.map(|state| state.join(FILE))
}

type Answers = Vec<Result<Booked, Code>>;

enum Job {
    Reserve(Vec<Want>, Done<Answers, LedgerError>),
    Settle(u64, Money),
    Rest(SyncSender<io::Result<()>>),
}

/// The ledger, as one process uses it.
pub struct SpendFile {
    queue: Option<SyncSender<Job>>,
    thread: Option<JoinHandle<()>>,
}

impl fmt::Debug for SpendFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SpendFile")
    }
}

impl SpendFile {
    /// Opens the ledger at `path`, or begins it, for a run under these caps.
    ///
    /// # Errors
    /// When it cannot be made, read or locked, or there is no thread to be had.
    pub fn open(path: &Path, run: &str, caps: &BudgetConfig) -> io::Result<Self> {
        let shared = Shared::new(path);
        let nth = OPENED.fetch_add(1, Ordering::SeqCst);
        let life = format!("{}-{}-{nth}", std::process::id(), now().ms());
        let desk = Desk {
            shared,
            caps: caps.clone(),
            run: run.to_owned(),
            life,
            calls: 0,
            under_way: BTreeMap::new(),
        };
        let (queue, jobs) = sync_channel(QUEUE);
        let thread = std::thread::Builder::new()
            .name("spend-ledger".to_owned())
            .spawn(move || desk.work(&jobs))?;
        let ledger = Self { queue: Some(queue), thread: Some(thread) };
        // Whether it can be used is known before anybody needs it.
        ledger.finish()?;
        Ok(ledger)
    }

    /// Waits until everything that was handed over so far is written. Blocks.
    ///
    /// # Errors
    /// When the ledger cannot be used now, or another process holds its lock for seconds.
    pub fn finish(&self) -> io::Result<()> {
        let (told, heard) = sync_channel(1);
        self.submit(Job::Rest(told));
        let held = |_| io::Error::new(io::ErrorKind::TimedOut, "another process holds its lock");
        heard.recv_timeout(PATIENCE).map_err(held)?
    }

    fn submit(&self, job: Job) {
        // What cannot be queued is dropped: a reservation is then answered by `Gone`, and a settlement
        // leaves its reservation as it is.
        let _ = self.queue.as_ref().map(|queue| queue.try_send(job));
    }
}

impl SpendLedger for SpendFile {
    fn reserve(&self, wants: Vec<Want>, done: Done<Answers, LedgerError>) {
        self.submit(Job::Reserve(wants, done));
    }

    fn settle(&self, call: u64, cost: Money) {
        self.submit(Job::Settle(call, cost));
    }
}

impl Drop for SpendFile {
    /// Writes what is still to be settled. A thread that waits for a lock is left to itself.
    fn drop(&mut self) {
        let is_held = self.finish().is_err_and(|error| error.kind() == io::ErrorKind::TimedOut);
        self.queue = None;
        if let Some(thread) = self.thread.take().filter(|_| !is_held) {
            // A panic of the thread was logged by the panic hook; there is nobody to tell here.
            let _ = thread.join();
        }
    }
}

/// The thread and what it remembers.
struct Desk {
    shared: Shared,
    caps: BudgetConfig,
    run: String,
    /// Another word in every process.
    life: String,
    /// Calls that were reserved so far.
    calls: u64,
    /// Who asks what model, by the number of the call.
    under_way: BTreeMap<u64, (String, String)>,
}

impl Desk {
    fn work(mut self, jobs: &Receiver<Job>) {
        while let Ok(first) = jobs.recv() {
            let mut turn = vec![first];
            turn.extend(std::iter::from_fn(|| jobs.try_recv().ok()).take(TURN - 1));
            self.turn(turn);
        }
    }

    /// Does jobs under one lock and with one sync, in their order.
    fn turn(&mut self, jobs: Vec<Job>) {
        let at = now();
        let locked = self.shared.lock(at);
        let (mut text, mut waiting, mut resting) = (String::new(), Vec::new(), Vec::new());
        for job in jobs {
            match job {
                Job::Settle(call, cost) => self.settle(at, (call, cost), &mut text),
                Job::Reserve(wants, done) if locked.is_ok() => {
                    let reserve = |want| self.reserve(at, want, &mut text);
                    let answers: Answers = wants.into_iter().map(reserve).collect();
                    waiting.push((done, answers));
                }
                Job::Reserve(_, done) => waiting.push((done, Vec::new())),
                Job::Rest(told) => resting.push(told),
            }
        }
        let written = locked.and_then(|()| self.shared.append(&text));
        let is_awaited = !waiting.is_empty();
        let written = written.and_then(|()| if is_awaited { self.shared.sync() } else { Ok(()) });
        for (done, answers) in waiting {
            done.answer(match &written {
                Ok(()) => Ok(answers),
                Err(error) => Err(LedgerError::Disk { what: error.to_string() }),
            });
        }
        if let (Err(error), true) = (&written, resting.is_empty()) {
            tracing::error!(error = error as &dyn std::error::Error, "the ledger is not written");
        }
        let mut written = Some(written);
        for told in resting {
            // Whoever has gone does not wait.
            let _ = told.send(written.take().unwrap_or(Ok(())));
        }
    }

    fn reserve(&mut self, at: Time, want: Want, text: &mut String) -> Result<Booked, Code> {
        let rung = self.shared.sums().choose(&want, &self.caps, at)?;
        let granted = want.rungs.get(rung).ok_or(Code::SafetyUnknownPrice)?;
        self.calls += 1;
        let (call, most) = (self.calls, granted.at_most.unwrap_or(Money::ZERO));
        let who = (want.agent, granted.model.clone());
        self.write((at, What::Reserved), &who, (call, most), text);
        self.under_way.insert(call, who);
        Ok(Booked { call, rung })
    }

    fn settle(&mut self, at: Time, (call, cost): (u64, Money), text: &mut String) {
        if let Some(who) = self.under_way.remove(&call) {
            self.write((at, What::Settled), &who, (call, cost), text);
        }
    }

    fn write(
        &mut self,
        (at, what): (Time, What),
        (agent, model): &(String, String),
        (call, money): (u64, Money),
        text: &mut String,
    ) {
        let caller = Caller {
            run: self.run.clone(),
            life: self.life.clone(),
            agent: agent.clone(),
            model: model.clone(),
        };
        let line = LedgerLine::new(at, what, caller, call, money);
        self.shared.sums().take(&line);
        // Texts and numbers have a form in JSON.
        text.push_str(&serde_json::to_string(&line).unwrap_or_default());
        text.push('\n');
    }
}

#[cfg(test)]
mod tests;
