//! `chaos --kill N`: runs of this very binary are killed by SIGKILL at seeded moments, go on, and are
//! checked after each kill and at each end, from the outside.
//!
//! - C-1: an acknowledged context update survives `kill -9`: a run goes on from no checkpoint that is
//!   older than the last one that was acknowledged before the kill.
//! - D-1: the record hash at the end is that of the same run without a kill.
//!
//! The other invariants are checked in [`journal`] and [`record`], and what a person orders in
//! [`person`]. A run that fails a check stays
//! where it is, so that it can be looked at.

mod journal;
mod life;
mod person;
mod record;

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Serialize;
use serde_json::Value;

use self::journal::{Findings, Journal};
use self::life::{Ended, Life, Plan};
use self::record::Record;
use crate::cli::error::{CliError, ExitCode};
use crate::cli::format::{Format, Table, write_json};
use crate::cli::progress::Progress;
use crate::run::Room;

/// A process lives this long at most after it serves, before it is killed.
const LIFE_MS: u64 = 400;
/// One kill in this many comes before the process serves.
const EARLY: u64 = 4;
/// In one run of this many a person acts before each kill, in the first one to begin with.
const ACTED: u32 = 4;
/// With fewer kills than this nobody acts: the other runs would not come to their turn.
const ACTED_FROM: u32 = 10;
/// Cash of the runs, US dollars: the default.
const CASH: &str = "100000";

/// What the kills came to.
#[derive(Debug, Default, Serialize)]
struct Outcome {
    schema: &'static str,
    seed: u64,
    runs: u32,
    kills: u32,
    /// Orders of a person that were acknowledged, each before a kill.
    acts: u32,
    /// Processes that went on, by the way.
    resumed: BTreeMap<String, u64>,
    /// From the start of a process to the first record of a new bar, milliseconds.
    served_ms_median: Option<u64>,
    served_ms_max: Option<u64>,
    orders: usize,
    fills: usize,
    rounds: u64,
    /// How often each invariant was checked.
    checks: BTreeMap<&'static str, u64>,
    /// What was wrong.
    wrong: Vec<String>,
    /// Where a run with something wrong is left.
    left: Option<PathBuf>,
}

/// Seeded numbers, by the method that is called `SplitMix64`.
#[derive(Debug)]
struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % limit.max(1)
    }
}

/// Kills runs until `kills` are reached, and says what was found.
///
/// # Errors
/// When a promise was broken, or a process could not be started.
pub(super) fn run(
    kills: u32,
    seed: u64,
    synth: &str,
    format: Format,
    out: &mut (dyn Write + Send),
) -> Result<(), CliError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let room = Room::new()?;
    let mut harness = Harness {
        synth: synth.to_owned(),
        random: Random(seed),
        served: Vec::new(),
        progress: Progress::bars(u64::from(kills)),
        outcome: Outcome { schema: "chaos-kill/1", seed, ..Outcome::default() },
    };
    runtime.block_on(async {
        while harness.outcome.kills < kills && harness.outcome.wrong.is_empty() {
            harness.run(room.path(), kills).await?;
        }
        Ok::<(), CliError>(())
    })?;
    let mut outcome = harness.finish();
    if !outcome.wrong.is_empty() {
        outcome.left = Some(room.leave());
    }
    tell(&outcome, format, out)?;
    match outcome.wrong.first() {
        None => Ok(()),
        Some(first) => {
            Err(CliError::new(ExitCode::Failure, format!("a promise was broken: {first}")))
        }
    }
}

/// The run that is being killed.
struct Victim {
    dir: PathBuf,
    journal: Journal,
    record: Record,
    found: Findings,
}

struct Harness {
    synth: String,
    random: Random,
    served: Vec<u64>,
    progress: Progress,
    outcome: Outcome,
}

impl Harness {
    /// One run from its first bar to its last, killed on the way, beside one that is not.
    async fn run(&mut self, room: &Path, kills: u32) -> Result<(), CliError> {
        let nth = self.outcome.runs;
        self.outcome.runs += 1;
        let seed = (self.outcome.seed + u64::from(nth)).to_string();
        let mode = if nth.is_multiple_of(2) { "autonomous" } else { "advisory" };
        let room = room.join(format!("run-{nth}"));
        std::fs::create_dir(&room)?;
        let (calm, dir) = (room.join("calm"), room.join("run"));
        let args = ["--synth", &self.synth, "--seed", &seed, "--mode", mode].map(str::to_owned);
        if nth.is_multiple_of(ACTED) && kills >= ACTED_FROM {
            let victim = self.acted((&room, &dir), &args, kills).await?;
            return self.close(victim, &room);
        }
        let life = |dir: &Path| Life::new(dir, &room, &args);
        let ended = life(&calm).live(Plan::ToTheEnd).await?;
        let mut victim = Victim::of(&dir);
        if let Ended::Failed(why) = ended.how {
            victim.found.check("run", false, || format!("the run without a kill failed: {why}"));
        }
        let mut acknowledged = None;
        while victim.found.wrong.is_empty() {
            let plan = if self.outcome.kills < kills { self.plan() } else { Plan::ToTheEnd };
            let lived = life(&dir).live(plan).await?;
            self.served.extend(lived.served_ms.filter(|_| acknowledged.is_some()));
            if let Some(way) = &lived.way {
                *self.outcome.resumed.entry(way.clone()).or_default() += 1;
            }
            victim.look(lived.from, &mut acknowledged);
            match lived.how {
                Ended::Killed => {
                    self.killed();
                    victim.verify(&room)?;
                }
                Ended::InOrder => break,
                Ended::Failed(why) => {
                    victim.found.check("run", false, || format!("it did not go on: {why}"));
                }
            }
        }
        if victim.found.wrong.is_empty() {
            victim.verify(&room)?;
            victim.end(&calm);
        }
        self.close(victim, &room)
    }

    fn killed(&mut self) {
        self.outcome.kills += 1;
        self.progress.advance(1);
    }

    /// Takes what was found, and the run's room away where nothing was.
    fn close(&mut self, victim: Victim, room: &Path) -> Result<(), CliError> {
        self.take(victim);
        if self.outcome.wrong.is_empty() {
            std::fs::remove_dir_all(room)?;
        }
        Ok(())
    }

    fn plan(&mut self) -> Plan {
        let ms = self.random.below(LIFE_MS);
        if self.random.below(EARLY) == 0 {
            Plan::KillAfterStart(Duration::from_millis(ms))
        } else {
            Plan::KillAfterServing(Duration::from_millis(ms))
        }
    }

    fn take(&mut self, victim: Victim) {
        for (id, count) in victim.found.checked {
            *self.outcome.checks.entry(id).or_default() += count;
        }
        self.outcome.wrong.extend(victim.found.wrong);
        let (orders, fills) = victim.journal.counts();
        self.outcome.orders += orders;
        self.outcome.fills += fills;
        self.outcome.rounds += victim.record.rounds;
    }

    fn finish(mut self) -> Outcome {
        self.served.sort_unstable();
        self.outcome.served_ms_median = self.served.get(self.served.len() / 2).copied();
        self.outcome.served_ms_max = self.served.last().copied();
        self.outcome
    }
}

impl Victim {
    fn of(dir: &Path) -> Self {
        Self {
            dir: dir.to_owned(),
            journal: Journal::default(),
            record: Record::default(),
            found: Findings::default(),
        }
    }

    /// Reads what there is now; `from` is where the last process went on.
    fn look(&mut self, from: Option<u64>, acknowledged: &mut Option<u64>) {
        let journal = std::fs::read_to_string(self.dir.with_file_name("run.journal"));
        self.journal.follow(&journal.unwrap_or_default(), &mut self.found);
        let bytes = life::segments(&self.dir, "audit");
        self.record.follow(&bytes, &self.journal, &mut self.found);
        if let (Some(from), Some(acknowledged)) = (from, *acknowledged) {
            self.found.check("C-1", from >= acknowledged, || {
                format!("it went on from record {from}, and {acknowledged} was acknowledged")
            });
        }
        let taken = life::observed(&self.dir, "checkpoint.taken");
        let last = taken.iter().filter_map(|record| record["body"]["seq"].as_u64()).max();
        // Something was acknowledged as soon as there is a log: that there is a run.
        *acknowledged = last.or(*acknowledged).or((!bytes.is_empty()).then_some(0));
    }

    /// `audit verify` by the binary itself, unless the last line is torn: the next start cuts that.
    fn verify(&mut self, room: &Path) -> Result<(), CliError> {
        let is_torn = ["audit", "observations"].iter().any(|stream| {
            life::segments(&self.dir, stream).last().is_some_and(|byte| *byte != b'\n')
        });
        if is_torn || life::segments(&self.dir, "audit").is_empty() {
            return Ok(());
        }
        let said = life::verify(&self.dir, room)?;
        self.found.check("A-2", said.is_ok(), || said.err().unwrap_or_default());
        Ok(())
    }

    /// The run has ended: everything must be as if nothing had happened.
    fn end(&mut self, calm: &Path) {
        self.record.ended(&mut self.found);
        let hash = |dir: &Path| {
            let text = std::fs::read_to_string(dir.join("run.json")).unwrap_or_default();
            let run: Value = serde_json::from_str(&text).unwrap_or_default();
            run["record_hash"].clone()
        };
        let (ours, theirs) = (hash(&self.dir), hash(calm));
        self.found.check("D-1", ours.is_string() && ours == theirs, || {
            format!("record hash {ours}, without a kill {theirs}")
        });
        for file in ["trades.csv", "orders.csv", "equity.csv", "summary.json"] {
            let same =
                std::fs::read(self.dir.join(file)).ok() == std::fs::read(calm.join(file)).ok();
            self.found.check("D-1", same, || format!("{file} is another one than without a kill"));
        }
        let curve = std::fs::read_to_string(self.dir.join("equity.csv")).unwrap_or_default();
        let cash = curve.lines().next_back().and_then(|row| row.split(',').nth(2));
        let book = if self.journal.has("real") { "real" } else { "shadow" };
        self.journal.conserve(book, cash.unwrap_or_default(), CASH, &mut self.found);
    }
}

fn tell(outcome: &Outcome, format: Format, out: &mut dyn Write) -> Result<(), CliError> {
    if format != Format::Text {
        return write_json(outcome, format, out);
    }
    let mut table = Table::pairs();
    let mut row = |name: &str, value: String| {
        table.row([name.to_owned(), value]);
    };
    row("kills", outcome.kills.to_string());
    row("runs", outcome.runs.to_string());
    row("acts of a person", outcome.acts.to_string());
    for (way, count) in &outcome.resumed {
        row(&format!("resumed, {way}"), count.to_string());
    }
    let ms = |ms: Option<u64>| ms.map_or("-".to_owned(), |ms| format!("{ms} ms"));
    row("start to first new bar, median", ms(outcome.served_ms_median));
    row("start to first new bar, max", ms(outcome.served_ms_max));
    row(
        "orders, fills, rounds",
        format!("{}, {}, {}", outcome.orders, outcome.fills, outcome.rounds),
    );
    for (id, count) in &outcome.checks {
        row(&format!("checked {id}"), count.to_string());
    }
    row("broken", outcome.wrong.len().to_string());
    write!(out, "{table}")?;
    for wrong in outcome.wrong.iter().take(20) {
        writeln!(out, "  {wrong}")?;
    }
    if let Some(left) = &outcome.left {
        writeln!(out, "left in {}", left.display())?;
    }
    Ok(())
}
