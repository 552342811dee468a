//! The checker: what a simulated council was seen to do, held against the invariants.
//!
//! It shares no code with what it checks. It reads the lines of the log as JSON, what the broker did
//! as JSON, and adds up in integers of its own; thresholds and bounds stand here a second time, as
//! the specification has them. What it takes on trust: that the disks hand over what was written,
//! and the chain of hashes, which is checked where the disks are opened.

mod books;
mod budgets;
mod json;
mod orders;
mod rounds;

use std::collections::BTreeMap;

use conclave_domain::budget::BudgetConfig;
use conclave_domain::faults::{Fault, Item, Place, Port, Schedule};
use serde_json::Value;

use super::seen::Seen;
use books::Books;
use budgets::Budgets;
use json::text;
use orders::Orders;
use rounds::Rounds;

/// Violations that are worth telling; behind them a world is only noise.
const VIOLATIONS_MAX: usize = 8;

/// What was checked how often, and what was found.
#[derive(Clone, Debug, Default)]
pub(super) struct Findings {
    pub(super) counts: BTreeMap<&'static str, u64>,
    pub(super) violations: Vec<String>,
    /// Nothing counts while a state is built up again.
    silent: bool,
}

impl Findings {
    /// Counts a check of an invariant, and notes where it failed.
    pub(super) fn check(&mut self, id: &'static str, good: bool, why: impl FnOnce() -> String) {
        if self.silent {
            return;
        }
        *self.counts.entry(id).or_default() += 1;
        if !good && self.violations.len() < VIOLATIONS_MAX {
            self.violations.push(format!("{id}: {}", why()));
        }
    }
}

/// Where the market is, as the outside knows.
#[derive(Clone, Debug, Default)]
struct Now {
    at: String,
    trading_ms: i64,
    /// The closes of every slice so far, by its time.
    closes: BTreeMap<String, BTreeMap<String, String>>,
    /// Every slice's time, by its name.
    times: BTreeMap<String, i64>,
}

/// What of the accounts goes back with them when a process begins anew.
#[derive(Clone, Debug, Default)]
struct Accounts {
    orders: Orders,
    books: Books,
    /// Market time of each entry. One that is undone with its account was none.
    entries: Vec<i64>,
}

/// An hour of market time, less a little: a permit is given before its entry leaves.
const HOUR_MS: i64 = 3_540_000;

impl Accounts {
    fn entries_within_the_hour(&self, now_ms: i64) -> usize {
        self.entries.iter().filter(|at| (now_ms - HOUR_MS..=now_ms).contains(at)).count()
    }
}

/// The checker of one world.
#[derive(Debug)]
pub(super) struct Checker {
    findings: Findings,
    now: Now,
    /// The lines that are in the log, parsed.
    lines: Vec<Value>,
    rounds: Rounds,
    accounts: Accounts,
    /// The accounts as they were stored, by number.
    kept: BTreeMap<u64, Accounts>,
    acknowledged: u64,
    budgets: Budgets,
    /// Whether the broker never knows more than it has said.
    answers_in_time: bool,
    /// The lines are remembered when the market first comes here.
    until: Option<String>,
    early: Vec<Value>,
    /// The latest market time that was seen.
    latest_ms: i64,
    synced: u64,
    /// Rounds, entries and fills, for the table.
    pub(super) tallied: BTreeMap<&'static str, u64>,
}

/// What a process finds when it begins, as the checker sees it.
#[derive(Debug)]
pub(super) struct Found {
    /// Lines of decisions that are in the log.
    pub(super) lines: u64,
    /// The books of the repaired context, by kind.
    pub(super) books: Value,
    /// The number of the accounts that it goes on with.
    pub(super) serial: Option<u64>,
    /// Whether the process before it had crashed.
    pub(super) crashed: bool,
}

impl Checker {
    pub(super) fn new(budgets: &BudgetConfig, schedule: &Schedule) -> Self {
        let never = |port: Port, faults: &[Fault]| {
            let place = Place::Port(port);
            let is_one = |item: &Item| item.place == place && faults.contains(&item.fault);
            !schedule.items().iter().any(is_one)
        };
        let clock_is_true = never(Port::Clock, &[Fault::Forward, Fault::Back]);
        Self {
            findings: Findings::default(),
            now: Now::default(),
            lines: Vec::new(),
            rounds: Rounds::default(),
            accounts: Accounts::default(),
            kept: BTreeMap::new(),
            acknowledged: 0,
            budgets: Budgets::new(budgets, clock_is_true),
            until: None,
            early: Vec::new(),
            latest_ms: i64::MIN,
            answers_in_time: never(Port::Broker, &[Fault::Timeout]),
            synced: 0,
            tallied: BTreeMap::new(),
        }
    }

    /// Has the log remembered as it is when the market first comes to this time.
    pub(super) fn remember_until(&mut self, until: &str) {
        self.until = Some(until.to_owned());
    }

    /// What was remembered.
    pub(super) fn take_early(&mut self) -> Vec<Value> {
        std::mem::take(&mut self.early)
    }

    pub(super) fn violations(&self) -> &[String] {
        &self.findings.violations
    }

    pub(super) fn into_findings(self) -> Findings {
        self.findings
    }

    /// A check that somebody else has made.
    pub(super) fn told(&mut self, id: &'static str, good: bool, why: impl FnOnce() -> String) {
        self.findings.check(id, good, why);
    }

    pub(super) fn see(&mut self, seen: Seen) {
        match seen {
            Seen::Line { text, synced } => {
                self.synced = self.synced.max(synced);
                match serde_json::from_str::<Value>(&text) {
                    Ok(line) => self.line(line),
                    Err(error) => {
                        self.findings.check("A-2", false, || format!("unreadable line: {error}"));
                    }
                }
            }
            Seen::Synced { count } => self.synced = self.synced.max(count),
            Seen::Broker { book, what } => self.broker(book, &what),
            Seen::Asked { call, team, at_most, wall_ms } => {
                self.budgets.asked((call, team, at_most), wall_ms, &mut self.findings);
            }
            Seen::Paid { call, cost } => self.budgets.paid(call, cost),
            Seen::Guarded { decision, objects } => self.rounds.guarded(decision, objects),
            Seen::Slice { at, trading_ms, closes } => {
                self.latest_ms = self.latest_ms.max(trading_ms);
                if self.until.as_ref().is_some_and(|until| *until <= at) {
                    self.until = None;
                    self.early.clone_from(&self.lines);
                }
                self.now.closes.insert(at.clone(), closes);
                self.now.times.insert(at.clone(), trading_ms);
                (self.now.at, self.now.trading_ms) = (at, trading_ms);
            }
            Seen::Begun { act } => self.accounts.orders.begun(act),
            Seen::Done { act, good, mode } => {
                self.accounts.orders.done(act, good, mode, &mut self.findings);
            }
            Seen::Accounts { books } => {
                self.accounts.books.accounts(&books, self.answers_in_time, &mut self.findings);
            }
            Seen::Books { books } if self.answers_in_time => {
                self.accounts.books.shown(&books, "P-1", &mut self.findings);
            }
            Seen::Books { .. } => {}
            Seen::Budgets { rows, wall_ms, trading_ms, fresh } => {
                // A resumed process plays bars again: what was spent at a later hour says nothing of
                // an earlier one, in which nobody decides any more.
                self.latest_ms = self.latest_ms.max(trading_ms);
                let is_now = trading_ms == self.latest_ms;
                let entries = is_now.then(|| self.accounts.entries_within_the_hour(trading_ms));
                self.budgets.report(&rows, wall_ms, entries, fresh, &mut self.findings);
            }
            Seen::Held { rounds } => self.rounds.held(rounds, &mut self.findings),
            Seen::Keeping { serial } => drop(self.kept.insert(serial, self.accounts.clone())),
            Seen::Kept { serial } => self.acknowledged = self.acknowledged.max(serial),
        }
    }

    fn line(&mut self, line: Value) {
        let step = text(&line, "step");
        if step == "round.closed" {
            *self.tallied.entry("rounds").or_default() += 1;
        }
        self.rounds.line(&line, &self.now, &mut self.findings);
        self.accounts.orders.line(&line, &mut self.findings);
        self.lines.push(line);
    }

    fn broker(&mut self, book: &'static str, what: &Value) {
        let happened = text(what, "happened");
        let is_entry = text(what, "intent/purpose/purpose") == "entry";
        match happened {
            "submitted" => {
                let kind = if is_entry { "entries" } else { "exits" };
                *self.tallied.entry(kind).or_default() += 1;
                if is_entry {
                    // One that a new process sends again, before it has seen a bar, is of its former time.
                    let of = self.now.times.get(text(what, "intent/at")).copied();
                    self.accounts.entries.push(of.unwrap_or(self.now.trading_ms));
                }
            }
            "filled" => *self.tallied.entry("fills").or_default() += 1,
            _ => {}
        }
        let seen = (self.synced, self.answers_in_time);
        self.accounts.orders.broker(book, what, seen, &mut self.findings);
        if happened == "filled" {
            self.accounts.books.filled(book, &what["fill"]);
        }
    }

    /// A process begins: what it found must be what was promised.
    pub(super) fn reborn(&mut self, found: &Found) {
        let there = usize::try_from(found.lines).unwrap_or(usize::MAX);
        self.findings.check("A-2", there <= self.lines.len() && self.synced <= found.lines, || {
            format!(
                "{} lines were on the disk, {} were written, {there} are left",
                self.synced,
                self.lines.len()
            )
        });
        self.lines.truncate(there);
        let serial = found.serial.unwrap_or(0);
        self.findings.check("C-1", serial >= self.acknowledged, || {
            format!("accounts {} were acknowledged, {serial} came back", self.acknowledged)
        });
        self.acknowledged = serial;
        let logged = Books::of_lines(&self.lines);
        logged.shown(&found.books, "C-1", &mut self.findings);
        self.rebuild(serial, found.crashed);
    }

    /// Goes back to where the stored accounts and the surviving log are.
    fn rebuild(&mut self, serial: u64, crashed: bool) {
        let mut accounts = self.kept.get(&serial).cloned().unwrap_or_default();
        accounts.orders.inherit(&self.accounts.orders, crashed);
        self.accounts = accounts;
        self.findings.silent = true;
        self.rounds.forget();
        self.accounts.orders.forget_lines();
        for line in &self.lines {
            self.accounts.orders.line(line, &mut self.findings);
        }
        self.findings.silent = false;
    }

    /// The end of a world: the log is read once more from its beginning, as anybody would.
    pub(super) fn end(&mut self) {
        rounds::whole(&self.lines, &mut self.findings);
    }
}
