//! A trainer that learns nothing and remembers what was done to it, and a council that guides it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use conclave_domain::brief::training::{TrainingBrief, TrainingLever, Validation};
use conclave_domain::budget::BudgetConfig;
use conclave_domain::context::Context;
use conclave_domain::guidance::{Boundary, Guide, Simulated, Standing};
use conclave_domain::limits::Limits;
use conclave_domain::ratio::Ratio;
use conclave_domain::role::AgentName;
use tokio::runtime::Handle;

use super::brains::ScriptedBrain;
use super::clock::ManualClock;
use super::memory_audit::MemoryAudit;
use super::memory_safety::MemorySafety;
use super::memory_store::MemoryContext;
use crate::consensus::Patience;
use crate::council::World;
use crate::runtime::agent::Cadence;
use crate::runtime::brain::Brain;
use crate::runtime::faults::FaultPlan;
use crate::runtime::fence::Fence;
use crate::runtime::shell::PERMITS;
use crate::training::TEAM;
use crate::training::run::port::{Approver, LeverRefused, TrainerFault, TrainerPort};
use crate::training::run::{TrainingAgent, TrainingRun, TrainingSetup};

/// What was done to a [`FakeTrainer`].
#[derive(Clone, Debug, Default)]
pub struct Done {
    /// Each call of `apply` that was taken.
    pub applied: Vec<Vec<TrainingLever>>,
    /// Each call of `simulate`.
    pub simulated: Vec<Vec<TrainingLever>>,
    /// Checkpoints that were written.
    pub kept: u32,
    /// What was remembered with the last of them.
    pub guide: Option<Guide>,
    /// Boundaries that were reached.
    pub boundaries: u32,
}

/// A trainer by script. Clones share what was done.
#[derive(Clone, Debug)]
pub struct FakeTrainer {
    /// Validations of the whole run.
    pub boundaries: u32,
    /// Fitness at each of them; the last goes on.
    pub fitness: Vec<f64>,
    /// How the run stands, whatever is done.
    pub standing: Standing,
    /// What a simulation says, if it is cheap.
    pub simulates: Option<Simulated>,
    /// Why every lever is refused, if it is.
    pub refuses: Option<String>,
    /// What happens before a boundary is reached, by its number; each once.
    pub faults: BTreeMap<u32, Vec<TrainerFault>>,
    done: Arc<Mutex<Done>>,
}

/// The example brief that everything is taken from.
fn example() -> TrainingBrief {
    #[expect(clippy::expect_used, reason = "an example that cannot be read has failed the test")]
    serde_json::from_str(include_str!("../../tests/briefs/training.json")).expect("the example")
}

impl FakeTrainer {
    /// A calm run in which nobody wants anything changed.
    pub fn calm(boundaries: u32) -> Self {
        let brief = example();
        let mut update = brief.update;
        update.kl = Some(Ratio::of(update.kl_target.get()));
        update.explained_variance = Some(Ratio::of(0.5));
        update.entropy = Some(Ratio::of(0.5 * f64::from(update.actions).ln()));
        let sound = |mut column: conclave_domain::brief::training::ColumnStats| {
            (column.is_constant, column.is_zero, column.non_finite_count) = (false, false, 0);
            column.drift_z = Some(Ratio::ZERO);
            column
        };
        let standing = Standing {
            progress: brief.progress,
            steps: brief.steps,
            policy_version: brief.policy_version,
            best_fitness: None,
            update,
            reward_parts: brief.reward_parts,
            columns: brief.columns.into_iter().map(sound).collect(),
            zero_volume_share: Ratio::ZERO,
            multipliers: conclave_domain::brief::training::Multipliers::default(),
        };
        Self {
            boundaries,
            fitness: vec![0.2],
            standing,
            simulates: None,
            refuses: None,
            faults: BTreeMap::new(),
            done: Arc::default(),
        }
    }

    /// A run whose updates are so large that the tuner wants them smaller.
    pub fn hasty(boundaries: u32) -> Self {
        let mut fake = Self::calm(boundaries);
        fake.standing.update.kl = Some(Ratio::of(3.0 * fake.standing.update.kl_target.get()));
        fake
    }

    /// What was done so far.
    pub fn done(&self) -> Done {
        self.lock().clone()
    }

    fn lock(&self) -> MutexGuard<'_, Done> {
        self.done.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The next boundary.
    pub fn boundary(&self) -> Boundary {
        let nth = {
            let mut done = self.lock();
            done.boundaries += 1;
            done.boundaries
        };
        let at = usize::try_from(nth - 1).unwrap_or(usize::MAX);
        let fitness = self.fitness.get(at).or(self.fitness.last()).copied().unwrap_or_default();
        let first = example().validations[0].clone();
        let mut standing = self.standing.clone();
        standing.progress = Ratio::within_unit(f64::from(nth) / f64::from(self.boundaries));
        standing.policy_version = u64::from(nth) * 10;
        let validation = Validation {
            cycle: nth,
            fitness: Ratio::or_zero(fitness),
            training_reward: Ratio::or_zero(f64::from(nth)),
            drawdown: Ratio::of(0.05),
            ..first
        };
        Boundary { standing, validation, is_done: nth >= self.boundaries }
    }
}

impl TrainerPort for FakeTrainer {
    fn advance(&mut self) -> Result<Boundary, TrainerFault> {
        let next = self.lock().boundaries + 1;
        if let Some(faults) = self.faults.get_mut(&next).filter(|faults| !faults.is_empty()) {
            return Err(faults.remove(0));
        }
        Ok(self.boundary())
    }

    fn simulate(&mut self, levers: &[TrainingLever]) -> Option<Simulated> {
        self.lock().simulated.push(levers.to_vec());
        self.simulates
    }

    fn apply(&mut self, levers: &[TrainingLever]) -> Result<(), LeverRefused> {
        if let Some(why) = &self.refuses {
            return Err(LeverRefused { why: why.clone() });
        }
        self.lock().applied.push(levers.to_vec());
        Ok(())
    }

    fn keep(&mut self, guide: Option<&Guide>) -> Result<(), TrainerFault> {
        let mut done = self.lock();
        done.kept += 1;
        done.guide = guide.cloned();
        Ok(())
    }

    fn fingerprint(&self) -> [u8; 32] {
        let mut hash = [0; 32];
        hash[0] = u8::try_from(self.lock().applied.len()).unwrap_or(u8::MAX);
        hash
    }
}

/// What a guided run is started with.
#[derive(Debug)]
pub struct GuidedPlan {
    /// What it remembers.
    pub guide: Guide,
    /// The budgets.
    pub budgets: BudgetConfig,
    /// Whether agents that are off by default are on.
    pub everybody: bool,
    /// The one interval of all agents, instead of their own.
    pub every: Option<u32>,
    /// Agents that are off.
    pub off: Vec<AgentName>,
    /// One brain per agent; whoever has none here gets a free one that follows the rules.
    pub brains: Vec<(AgentName, ScriptedBrain)>,
    /// Faults on request.
    pub faults: FaultPlan,
    /// How long a round waits.
    pub patience: Duration,
    /// The person of supervised mode.
    pub approver: Option<Arc<dyn Approver>>,
    /// The disk that safety writes to: hand over a former run's for a restart.
    pub disk: Arc<MemorySafety>,
}

impl Default for GuidedPlan {
    fn default() -> Self {
        Self {
            guide: Guide::new("test"),
            budgets: BudgetConfig::default(),
            everybody: true,
            every: None,
            off: Vec::new(),
            brains: Vec::new(),
            faults: FaultPlan::default(),
            patience: Duration::from_secs(30),
            approver: None,
            disk: Arc::default(),
        }
    }
}

/// A guided run in memory.
#[derive(Debug)]
pub struct Guided {
    /// Its actors.
    pub run: TrainingRun,
    /// Its log.
    pub audit: Arc<MemoryAudit>,
    /// The disk that safety writes to.
    pub disk: Arc<MemorySafety>,
    /// The wall clock.
    pub clock: Arc<ManualClock>,
    brains: BTreeMap<AgentName, Arc<ScriptedBrain>>,
}

#[expect(clippy::expect_used, reason = "a test that cannot be set up has failed")]
impl Guided {
    /// Starts it on the present runtime.
    ///
    /// # Panics
    /// When it does not start.
    pub async fn start(mut plan: GuidedPlan) -> Self {
        let (audit, store) = (Arc::<MemoryAudit>::default(), Arc::<MemoryContext>::default());
        let (disk, clock) = (Arc::clone(&plan.disk), Arc::<ManualClock>::default());
        let mut brains = BTreeMap::new();
        for entry in TEAM {
            let name = entry.role.name;
            if plan.off.contains(&name) || !(plan.everybody || entry.on_by_default) {
                continue;
            }
            let at = plan.brains.iter().position(|(of, _)| *of == name);
            let brain = at.map(|at| plan.brains.swap_remove(at).1).unwrap_or_default();
            brains.insert(name, Arc::new(brain));
        }
        let agent = |(name, brain): (&AgentName, &Arc<ScriptedBrain>)| {
            let entry = TEAM.iter().find(|entry| entry.role.name == *name).expect("a member");
            let own = match entry.cadence {
                Cadence::EveryCycles(cycles) => cycles,
                _ => 1,
            };
            let every = plan.every.unwrap_or(own);
            let brain = Arc::clone(brain) as Arc<dyn Brain<TrainingBrief>>;
            (*name, TrainingAgent { brain, permits: PERMITS, every })
        };
        let setup = TrainingSetup {
            agents: brains.iter().map(agent).collect(),
            guide: plan.guide,
            limits: Arc::new(Limits::default()),
            budgets: plan.budgets,
            faults: Arc::new(plan.faults),
            patience: Patience::Deadline(plan.patience),
            approver: plan.approver,
            approval_expiry: Duration::from_mins(5),
        };
        let world = World {
            audit: audit.clone(),
            head: audit.anchor(),
            store,
            context: Context::default(),
            journal: None,
            safety: disk.clone(),
            ledger: None,
            clock: clock.clone(),
            fence: Fence::without_flag(),
            events: Arc::new(|_| {}),
            runtime: Handle::current(),
            witness: None,
            outside: None,
        };
        let run = TrainingRun::start(setup, world).await.expect("a guided run");
        Self { run, audit, disk, clock, brains }
    }

    /// An agent's brain.
    ///
    /// # Panics
    /// When the team has no such agent.
    pub fn brain(&self, agent: &str) -> &ScriptedBrain {
        self.brains.get(agent).expect("the team has this agent")
    }

    /// The bodies of the records of one step, in order, once all that was noted is written.
    ///
    /// # Panics
    /// When the log is closed.
    pub async fn bodies(&self, step: &str) -> Vec<serde_json::Value> {
        self.run.audit.sync().await.expect("an open log");
        let records = self.audit.records().into_iter();
        let of = records.filter(|record| record["step"] == step);
        of.map(|record| record["body"].clone()).collect()
    }
}
