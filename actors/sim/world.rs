//! What of a simulated world outlives its process: disks, clock, brains, market, and the checker.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use conclave_domain::faults::{FaultSource, Schedule};
use conclave_domain::market::bar::Timeframe;
use conclave_domain::market::tape::Tape;
use conclave_domain::role::AgentName;
use conclave_domain::time::Time;
use conclave_domain::watch::MarketWatch;
use tokio::time::Instant;

use super::brains::SimBrain;
use super::checker::{Checker, Findings};
use super::disk::Disks;
use super::plan::{Plan, WATCHED};
use super::seen::{Journal, Seen};
use crate::council::Council;
use crate::runtime::faults::FaultPlan;
use crate::runtime::faults::ports::FaultyClock;
use crate::runtime::ports::Clock;

/// Where wall time begins: some morning of the year 2030.
const BEGINS_MS: i64 = 1_893_488_400_000;

/// The clock of a world: wall time passes with the runtime's paused time, market time with the bars.
#[derive(Debug)]
pub(super) struct SimClock {
    /// Wall time at the start of the present life.
    wall_ms: AtomicI64,
    life: Mutex<Option<Instant>>,
    trading_ms: AtomicI64,
}

impl SimClock {
    fn new() -> Self {
        let (wall_ms, trading_ms) = (AtomicI64::new(BEGINS_MS), AtomicI64::new(0));
        Self { wall_ms, life: Mutex::new(None), trading_ms }
    }

    pub(super) fn set_trading(&self, time: Time) {
        self.trading_ms.store(time.ms(), Ordering::SeqCst);
    }

    pub(super) fn trading_now(&self) -> Time {
        Time::from_ms(self.trading_ms.load(Ordering::SeqCst))
    }

    /// A new runtime begins, whose time has nothing to do with the last one's.
    pub(super) fn begin_life(&self) {
        *self.life.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
    }

    /// The runtime is about to end; the process is down for a while.
    pub(super) fn end_life(&self, down_ms: i64) {
        let now = self.wall().ms();
        *self.life.lock().unwrap_or_else(PoisonError::into_inner) = None;
        self.wall_ms.store(now.saturating_add(down_ms), Ordering::SeqCst);
    }
}

impl Clock for SimClock {
    fn wall(&self) -> Time {
        let life = *self.life.lock().unwrap_or_else(PoisonError::into_inner);
        let passed = life.map_or(0, |began| began.elapsed().as_millis());
        let passed = i64::try_from(passed).unwrap_or(i64::MAX);
        Time::from_ms(self.wall_ms.load(Ordering::SeqCst).saturating_add(passed))
    }

    fn trading(&self) -> Time {
        self.trading_now()
    }
}

/// One world.
pub(super) struct World {
    pub(super) plan: Plan,
    pub(super) faults: FaultPlan,
    pub(super) journal: Arc<Journal>,
    pub(super) disks: Arc<Disks>,
    pub(super) clock: Arc<SimClock>,
    pub(super) wall: Arc<FaultyClock>,
    pub(super) brains: BTreeMap<AgentName, Arc<SimBrain>>,
    /// The days that are played.
    pub(super) tape: Tape,
    /// Market time before the first of them.
    pub(super) begins: Option<Time>,
    /// The watch before the first of them.
    pub(super) watch: MarketWatch,
    checker: Mutex<Checker>,
    slices: AtomicU64,
    serials: AtomicU64,
    pub(super) restarts: AtomicU64,
}

impl World {
    /// The world of a plan, with these faults.
    pub(super) fn new(plan: Plan, schedule: Schedule) -> Result<Self, String> {
        let checker = Mutex::new(Checker::new(&plan.budgets, &schedule));
        let faults = FaultPlan::of(FaultSource::listed(schedule));
        let (journal, clock) = (Arc::<Journal>::default(), Arc::new(SimClock::new()));
        let wall = Arc::new(FaultyClock::new(clock.clone(), faults.clone()));
        let disks = Disks::new(plan.seed, plan.disk_ms, faults.clone(), Arc::clone(&journal));
        let mut tape = Tape::new(plan.series.clone()).map_err(|error| error.to_string())?;
        let watch = MarketWatch::new(tape.instruments(), Timeframe::Day, &plan.strategy, true);
        let mut watch = watch.map_err(|error| error.to_string())?;
        let mut begins = None;
        for _ in 0..WATCHED {
            let Some(chunk) = tape.next_chunk(1) else { break };
            begins = chunk.ticks().first().map(|tick| tick.bar.close_time);
            watch.on_chunk(&chunk);
        }
        let calls = Arc::<AtomicU64>::default();
        let brain = |(agent, mind): (&AgentName, &super::plan::Mind)| {
            let brain = SimBrain {
                seed: plan.seed,
                agent,
                mind: mind.clone(),
                journal: Arc::clone(&journal),
                clock: Arc::clone(&wall),
                calls: Arc::clone(&calls),
                asked: AtomicU64::new(0),
            };
            (*agent, Arc::new(brain))
        };
        let brains = plan.minds.iter().map(brain).collect();
        Ok(Self {
            faults,
            journal,
            disks: Arc::new(disks),
            clock,
            wall,
            brains,
            tape,
            begins,
            watch,
            checker,
            slices: AtomicU64::new(0),
            serials: AtomicU64::new(0),
            restarts: AtomicU64::new(0),
            plan,
        })
    }

    /// Lets the checker at something.
    pub(super) fn check<T>(&self, check: impl FnOnce(&mut Checker) -> T) -> T {
        check(&mut self.checker.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Has everything checked that was seen meanwhile; whether it is all right.
    pub(super) fn look(&self) -> bool {
        let seen = self.journal.take();
        self.check(|checker| {
            for seen in seen {
                checker.see(seen);
            }
            checker.violations().is_empty()
        })
    }

    /// What the checker has found in the end, and what it has counted.
    pub(super) fn into_findings(self) -> (Findings, BTreeMap<&'static str, u64>) {
        let mut checker = self.checker.into_inner().unwrap_or_else(PoisonError::into_inner);
        checker.end();
        let tallied = checker.tallied.clone();
        (checker.into_findings(), tallied)
    }

    pub(super) fn next_slice(&self) -> u64 {
        self.slices.fetch_add(1, Ordering::SeqCst) + 1
    }

    pub(super) fn slice(&self) -> u64 {
        self.slices.load(Ordering::SeqCst)
    }

    pub(super) fn next_serial(&self) -> u64 {
        self.serials.fetch_add(1, Ordering::SeqCst) + 1
    }

    /// Notes how the budgets stand. `fresh` is the first look of a life.
    pub(super) async fn report_budgets(&self, council: &Council, fresh: bool) {
        let Some(report) = council.safety.report().await else { return };
        let row =
            |row: conclave_domain::budget::Remaining| (row.budget, row.limit.get(), row.left.get());
        let rows = report.remaining.into_iter().map(row).collect();
        let (wall_ms, trading_ms) = (self.wall.reading().ms(), self.clock.trading_now().ms());
        self.journal.note(Seen::Budgets { rows, wall_ms, trading_ms, fresh });
    }
}
