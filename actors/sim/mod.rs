//! Deterministic simulation: whole councils in small worlds, one seed each, on paused time.
//!
//! A seed is a market, a configuration, minds, people, and everything that goes wrong: agents,
//! disks, clock, broker, feed, crashes of the whole process. The actors are the real ones; only the
//! world around them is made up. A checker of its own (`checker`) looks at what can be seen from
//! outside after every slice, and holds it against the invariants.
//!
//! - D-1: a seed gives the same log to the byte, however often it is run and on whatever thread.
//!
//! What a seed has done wrong to its council is a [`Schedule`]: it can be printed, shrunk
//! ([`shrink`]) and given back.

mod brains;
mod checker;
mod dice;
mod disk;
mod life;
mod person;
mod plan;
mod seen;
mod shrink;
mod stage;
mod world;

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;

use conclave_domain::book::Book;
use conclave_domain::context::BookKind;
use conclave_domain::faults::{Port, Schedule};
use conclave_domain::market::series::Series;
use serde_json::{Value, json};

use checker::Found;
use dice::Dice;
use disk::Opened;
use life::End;
use plan::{Plan, WATCHED};
use world::World;

pub use shrink::shrink;

/// The broker's place in schedules.
const BROKER: Port = Port::Broker;
/// Lives after which a world has had its chances.
const LIVES_MAX: u64 = 24;
/// One in so many seeds is run twice.
const TWICE: u64 = 16;
/// One in so many is run once more with another future.
const OTHER_FUTURE: u64 = 16;

/// What came of one seed.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// The seed.
    pub seed: u64,
    /// What was found to be broken: the invariant's name, then what was seen. Empty is good.
    pub violations: Vec<String>,
    /// How often each invariant was checked.
    pub checks: BTreeMap<&'static str, u64>,
    /// What went wrong on request: the same again when it is given back.
    pub schedule: Schedule,
    /// Lives of the process.
    pub lives: u64,
    /// Crashes of the process.
    pub crashes: u64,
    /// Restarts of single actors.
    pub restarts: u64,
    /// Lines that a crash tore.
    pub torn: u64,
    /// Rounds, entries, exits and fills.
    pub tallied: BTreeMap<&'static str, u64>,
    /// BLAKE3 over the decisions' contents.
    pub record_hash: String,
}

impl Outcome {
    fn impossible(seed: u64, why: String) -> Self {
        Self {
            seed,
            violations: vec![why],
            checks: BTreeMap::new(),
            schedule: Schedule::default(),
            lives: 0,
            crashes: 0,
            restarts: 0,
            torn: 0,
            tallied: BTreeMap::new(),
            record_hash: String::new(),
        }
    }

    /// Whether nothing was found to be broken.
    pub fn is_good(&self) -> bool {
        self.violations.is_empty()
    }
}

/// Runs a seed. With a `schedule` just that goes wrong in its world; otherwise what the seed has
/// drawn. Some seeds are run again, to see that they repeat themselves and foresee nothing.
pub fn run(seed: u64, schedule: Option<&Schedule>) -> Outcome {
    let plan = match Plan::of(seed) {
        Ok(plan) => plan,
        Err(error) => return Outcome::impossible(seed, format!("no market: {error}")),
    };
    let schedule = schedule.unwrap_or(&plan.schedule).clone();
    let cut = (seed % OTHER_FUTURE == 1).then(|| Cut::of(&plan)).flatten();
    let (mut outcome, early) = once(plan.clone(), schedule.clone(), cut.as_ref());
    if outcome.is_good() && seed.is_multiple_of(TWICE) {
        let (again, _) = once(plan.clone(), schedule.clone(), None);
        *outcome.checks.entry("D-1").or_default() += 1;
        if again.record_hash != outcome.record_hash || again.violations != outcome.violations {
            outcome.violations.push("D-1: run again, the seed wrote another log".to_owned());
        }
    }
    if let Some(cut) = cut.filter(|_| outcome.is_good()) {
        foresees_nothing(plan, schedule, (&cut, early), &mut outcome);
    }
    outcome
}

/// Where another future begins.
struct Cut {
    /// The first bar that is another one.
    bar: usize,
    /// When it opens, as records write it.
    until: String,
}

impl Cut {
    /// In the middle of what is played.
    fn of(plan: &Plan) -> Option<Self> {
        let bars = &plan.series.first()?.bars;
        let bar = WATCHED + (bars.len() - WATCHED.min(bars.len())) / 2;
        Some(Self { bar, until: bars.get(bar)?.open_time.to_string() })
    }
}

/// L-1: with another future, everything that is written before it begins is the same.
fn foresees_nothing(
    mut plan: Plan,
    schedule: Schedule,
    (cut, early): (&Cut, Vec<Value>),
    outcome: &mut Outcome,
) {
    plan.series.iter_mut().for_each(|series| other_future(series, cut.bar));
    let (other, other_early) = once(plan, schedule, Some(cut));
    *outcome.checks.entry("L-1").or_default() += 1;
    if early != other_early {
        let until = &cut.until;
        outcome
            .violations
            .push(format!("L-1: what comes after {until} changed what was before it"));
    }
    let elsewhere = other.violations.into_iter();
    outcome.violations.extend(elsewhere.map(|it| format!("{it} (with another future)")));
}

/// From a day on every price is a tenth higher than the day before would have it.
fn other_future(series: &mut Series, from: usize) {
    for bar in series.bars.iter_mut().skip(from) {
        for price in [&mut bar.open, &mut bar.high, &mut bar.low, &mut bar.close] {
            let raw = price.raw();
            *price = conclave_domain::fixed::Price::from_raw(raw.saturating_add(raw / 10));
        }
    }
}

/// What came of a world's lives.
struct Lived {
    end: End,
    lives: u64,
    crashes: u64,
    torn: u64,
}

/// Starts the world again after every crash, until its data end or something is broken.
fn live(world: &World) -> Lived {
    let mut lived = Lived { end: End::Crashed, lives: 0, crashes: 0, torn: 0 };
    let mut has_crashed = false;
    lived.end = loop {
        lived.lives += 1;
        let opened = match world.disks.open(lived.lives) {
            Ok(opened) => opened,
            Err(damage) => break End::Broke(format!("A-2: the disks are damaged: {damage:?}")),
        };
        lived.torn += opened.torn;
        world.check(|checker| checker.told("A-2", true, String::new));
        let end = one_life(world, opened, has_crashed);
        has_crashed = end == End::Crashed;
        lived.crashes += u64::from(has_crashed);
        let fine = world.look();
        match end {
            End::Data | End::Broke(_) => break end,
            _ if !fine => break end,
            End::GaveUp(why) if lived.lives >= LIVES_MAX => {
                break End::Broke(format!("after {} lives: {why}", lived.lives));
            }
            _ => {}
        }
        if lived.lives >= LIVES_MAX {
            break End::Broke(format!("{} lives were not enough", lived.lives));
        }
    };
    lived
}

/// Runs a world once; beside its outcome stands what was written before the cut, if there is one.
fn once(plan: Plan, schedule: Schedule, cut: Option<&Cut>) -> (Outcome, Vec<Value>) {
    let seed = plan.seed;
    let world = match World::new(plan, schedule) {
        Ok(world) => world,
        Err(why) => return (Outcome::impossible(seed, why), Vec::new()),
    };
    if let Some(cut) = cut {
        world.check(|checker| checker.remember_until(&cut.until));
    }
    let Lived { end, lives, crashes, torn } = live(&world);
    let early = world.check(checker::Checker::take_early);
    let restarts = world.restarts.load(Ordering::SeqCst);
    let record_hash = world.disks.record_hash();
    let of_broker = world.journal.injected();
    let injected = world.faults.injected();
    let schedule = Schedule::new(injected.items().iter().cloned().chain(of_broker));
    let (findings, tallied) = world.into_findings();
    let mut violations = findings.violations;
    if let End::Broke(why) = end
        && !why.is_empty()
    {
        violations.push(why);
    }
    let checks = findings.counts;
    let outcome = Outcome {
        seed,
        violations,
        checks,
        schedule,
        lives,
        crashes,
        restarts,
        torn,
        tallied,
        record_hash,
    };
    (outcome, early)
}

/// One life on a runtime of its own: when it crashes, the runtime is dropped with everything in it.
fn one_life(world: &World, opened: Opened, crashed: bool) -> End {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(error) => return End::Broke(format!("no runtime: {error}")),
    };
    let nobody = tracing::subscriber::NoSubscriber::default();
    let _silence = tracing::subscriber::set_default(nobody);
    let end = runtime.block_on(async {
        world.clock.begin_life();
        let end = life::live(world, opened, crashed).await;
        let down_ms = Dice::lot(world.plan.seed, "down", world.slice()) % 60_000;
        world.clock.end_life(i64::try_from(down_ms).unwrap_or(0));
        end
    });
    drop(runtime);
    end
}

/// What of a book can be seen, without its history.
fn shown(book: &Book) -> Value {
    json!({
        "start": book.start(), "cash": book.cash(), "realised": book.realised(),
        "fees": book.fees(), "positions": book.positions(),
    })
}

/// What a process finds, as the checker sees it.
fn found(opened: &Opened, serial: Option<u64>, crashed: bool) -> Found {
    let book = |kind: BookKind| {
        let state = opened.context.book(kind)?;
        Some((kind.name().to_owned(), shown(&state.book)))
    };
    let books: serde_json::Map<String, Value> =
        BookKind::ALL.into_iter().filter_map(book).collect();
    Found { lines: opened.lines, books: json!(books), serial, crashed }
}

#[cfg(test)]
mod tests;
