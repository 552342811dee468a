//! The memory of a guided run: validations, who is owed a turn, and the ledger of verified advice with
//! what earlier runs have left of theirs.
//!
//! It is kept with the run's checkpoint, so that a run that goes on remembers what the one before it
//! knew at that moment, and nothing else.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::Standing;
use crate::brief::trading::TrackRecord;
use crate::brief::training::{
    EarlierAdvice, LedgerEntry, LedgerOutcome, Proposed, TrainingBrief, Validation,
};
use crate::code::Code;
use crate::ratio::Ratio;
use crate::role::AgentName;
use crate::time::Time;

/// Validation cycles after a change in which no other may be made: its verification comes first.
pub const GRACE_CYCLES: u32 = 1;
/// Validations that a brief shows.
const VALIDATIONS: usize = 10;
/// Advice that a brief shows; the newest, so that a long run does not fill the model's window.
const SHOWN: usize = 40;
/// Advice that is remembered; the audit has all of it.
const REMEMBERED: usize = 4_096;

/// One advice and what became of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Advised {
    /// As the agents are shown it.
    #[serde(flatten)]
    pub entry: LedgerEntry,
    /// Why it was not carried out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refused: Option<Code>,
    /// The cycle in which it was carried out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub applied_in: Option<u32>,
    /// Fitness at that moment: what its verification compares with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fitness_before: Option<Ratio>,
}

/// What a validation says of an advice that was carried out before it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Judged {
    /// Who asked for it.
    pub agent: String,
    /// What was done, by its name.
    pub lever: String,
    /// The cycle in which it was done.
    pub applied_in: u32,
    /// Change of fitness since then.
    pub fitness_change: Ratio,
    /// Whether fitness did not fall.
    pub helped: bool,
}

/// What was counted in one run, over all processes that went on with it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// How often each agent was asked to propose.
    pub asked: BTreeMap<String, u64>,
    /// Changes that were made: what a treated run differs from an untreated one by.
    pub applied: u64,
    /// Checkpoints and pauses that were asked for and done; they change nothing that is learned.
    #[serde(default)]
    pub protected: u64,
    /// Levers that were not, by the reason.
    pub dropped: BTreeMap<Code, u64>,
    /// Changes after which fitness did not fall.
    pub helped: u64,
    /// Changes after which it fell.
    pub harmed: u64,
}

/// The memory of one run.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Guide {
    run: String,
    cycle: u32,
    validations: Vec<Validation>,
    best_fitness: Option<Ratio>,
    ledger: Vec<Advised>,
    last_change: Option<u32>,
    owed: BTreeSet<String>,
    /// What earlier runs have left, as it was known when this one began.
    #[serde(default)]
    earlier: Vec<EarlierAdvice>,
    /// Outcomes of each agent's advice: verified ones that helped, and all verified ones.
    judged: BTreeMap<String, (u64, u64)>,
    counts: Counts,
}

impl Guide {
    /// A run that has not had a validation yet.
    pub fn new(run: &str) -> Self {
        Self { run: run.to_owned(), ..Self::default() }
    }

    /// The same with what earlier runs have left.
    #[must_use]
    pub fn with_earlier(self, earlier: Vec<EarlierAdvice>) -> Self {
        Self { earlier, ..self }
    }

    /// What earlier runs had left when this one began.
    pub fn earlier(&self) -> &[EarlierAdvice] {
        &self.earlier
    }

    /// The run's name.
    pub fn run(&self) -> &str {
        &self.run
    }

    /// Validations so far: the number of the present cycle, from 1.
    pub const fn cycle(&self) -> u32 {
        self.cycle
    }

    /// Market time of the last validation.
    pub fn last_at(&self) -> Time {
        self.validations.last().map_or(Time::EPOCH, |last| last.at)
    }

    /// All advice that is remembered, oldest first.
    pub fn ledger(&self) -> &[Advised] {
        &self.ledger
    }

    /// What was counted so far.
    pub const fn counts(&self) -> &Counts {
        &self.counts
    }

    /// These are asked to propose.
    pub fn asked(&mut self, agents: &[AgentName]) {
        for agent in agents {
            *self.counts.asked.entry((*agent).to_owned()).or_default() += 1;
        }
    }

    /// A validation has ended: what was changed before it is judged by it.
    pub fn heard(&mut self, validation: &Validation) -> Vec<Judged> {
        self.cycle = self.cycle.saturating_add(1);
        self.validations.push(validation.clone());
        let surplus = self.validations.len().saturating_sub(VALIDATIONS);
        self.validations.drain(..surplus);
        self.best_fitness = self.best_fitness.max_of(validation.fitness);
        let mut all = Vec::new();
        for advised in &mut self.ledger {
            let (Some(applied_in), Some(before)) = (advised.applied_in, advised.fitness_before)
            else {
                continue;
            };
            let waits = advised.entry.outcome == LedgerOutcome::Pending;
            if !waits || applied_in >= self.cycle {
                continue;
            }
            let change = Ratio::or_zero(validation.fitness.get() - before.get());
            let helped = change >= Ratio::ZERO;
            advised.entry.outcome =
                if helped { LedgerOutcome::Verified } else { LedgerOutcome::Failed };
            advised.entry.fitness_change = Some(change);
            let (good, known) = self.judged.entry(advised.entry.agent.clone()).or_default();
            *good += u64::from(helped);
            *known += 1;
            self.counts.helped += u64::from(helped);
            self.counts.harmed += u64::from(!helped);
            all.push(Judged {
                agent: advised.entry.agent.clone(),
                lever: advised.entry.lever.name(),
                applied_in,
                fitness_change: change,
                helped,
            });
        }
        all
    }

    /// Who is to be asked in this cycle: whose interval it meets, and who was owed a turn.
    pub fn due(&mut self, team: &[(AgentName, u32)]) -> Vec<AgentName> {
        let cycle = self.cycle;
        let owed = std::mem::take(&mut self.owed);
        let is_due = |(name, every): &&(AgentName, u32)| {
            owed.contains(*name) || (cycle > 0 && cycle.is_multiple_of((*every).max(1)))
        };
        team.iter().filter(is_due).map(|(name, _)| *name).collect()
    }

    /// These could not be asked in their turn because others were still thinking: they are asked next.
    pub fn owe(&mut self, agents: &[AgentName]) {
        self.owed.extend(agents.iter().map(|name| (*name).to_owned()));
    }

    /// Cycles in which no change may be made yet.
    pub fn grace_cycles_left(&self) -> u32 {
        self.last_change
            .map_or(0, |changed| changed.saturating_add(GRACE_CYCLES).saturating_sub(self.cycle))
    }

    /// What agents are told: with an empty proposal they propose, otherwise they vote on it.
    pub fn brief(&self, standing: &Standing, proposal: &[Proposed]) -> TrainingBrief {
        TrainingBrief {
            as_of: self.last_at(),
            run: self.run.clone(),
            progress: standing.progress,
            policy_version: standing.policy_version,
            steps: standing.steps,
            grace_cycles_left: self.grace_cycles_left(),
            best_fitness: standing.best_fitness.or(self.best_fitness),
            validations: self.validations.clone(),
            update: standing.update,
            reward_parts: standing.reward_parts.clone(),
            columns: standing.columns.clone(),
            zero_volume_share: standing.zero_volume_share,
            multipliers: standing.multipliers,
            ledger: self.shown(),
            earlier: self.earlier.clone(),
            proposal: proposal.to_vec(),
            track_record: TrackRecord::default(),
        }
    }

    /// The newest advice, and before it the last verified use of every lever that has none among the
    /// newest: whatever comes after a failure, the failure is not forgotten.
    fn shown(&self) -> Vec<LedgerEntry> {
        let (older, newest) = self.ledger.split_at(self.ledger.len().saturating_sub(SHOWN));
        let judged = |advised: &&Advised| advised.entry.is_judged();
        let mut known: BTreeSet<String> =
            newest.iter().filter(judged).map(|advised| advised.entry.lever.name()).collect();
        let last_uses = older.iter().rev().filter(judged);
        let mut shown: Vec<&Advised> =
            last_uses.filter(|advised| known.insert(advised.entry.lever.name())).collect();
        shown.reverse();
        shown.into_iter().chain(newest).map(|advised| advised.entry.clone()).collect()
    }

    /// An agent's record with the share of its verified advice that helped, shrunken to one half as by
    /// ten outcomes.
    pub fn with_hits(&self, agent: &str, record: TrackRecord) -> TrackRecord {
        let Some((good, known)) = self.judged.get(agent).copied() else { return record };
        #[expect(clippy::cast_precision_loss, reason = "counts stay far below 2^53")]
        let rate = (good as f64 + 5.0) / (known as f64 + 10.0);
        TrackRecord { hit_rate: Some(Ratio::or_zero(rate)), ..record }
    }

    /// Advice was carried out at this moment. A change is judged by the next validation; what only
    /// protects is as good as done.
    pub fn applied(&mut self, proposed: &Proposed, asked_in: u32) {
        let is_change = proposed.lever.is_change();
        let outcome = if is_change { LedgerOutcome::Pending } else { LedgerOutcome::Verified };
        let fitness = self.validations.last().map(|last| last.fitness);
        if is_change {
            self.last_change = Some(self.cycle);
        }
        self.counts.applied += u64::from(is_change);
        self.counts.protected += u64::from(!is_change);
        let entry = self.entry(proposed, asked_in, outcome);
        let applied_in = Some(self.cycle);
        let fitness_before = fitness.filter(|_| is_change);
        self.push(Advised { entry, refused: None, applied_in, fitness_before });
    }

    /// Advice was not carried out.
    pub fn dropped(&mut self, proposed: &Proposed, asked_in: u32, why: Code) {
        *self.counts.dropped.entry(why).or_default() += 1;
        let entry = self.entry(proposed, asked_in, LedgerOutcome::Dropped);
        let refused = Some(why);
        self.push(Advised { entry, refused, applied_in: None, fitness_before: None });
    }

    fn entry(&self, proposed: &Proposed, cycle: u32, outcome: LedgerOutcome) -> LedgerEntry {
        LedgerEntry {
            at: self.last_at(),
            cycle,
            agent: proposed.by.clone(),
            lever: proposed.lever.clone(),
            outcome,
            fitness_change: None,
        }
    }

    fn push(&mut self, advised: Advised) {
        if self.ledger.len() >= REMEMBERED {
            self.ledger.remove(0);
        }
        self.ledger.push(advised);
    }
}

/// The larger of what is known and what has just come.
trait MaxOf {
    fn max_of(self, new: Ratio) -> Self;
}

impl MaxOf for Option<Ratio> {
    fn max_of(self, new: Ratio) -> Self {
        Some(self.map_or(new, |old| if new > old { new } else { old }))
    }
}
