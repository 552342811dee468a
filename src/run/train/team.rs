//! Who guides a training run: chosen on the command line, seated, and proved to be asked at all.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::str::FromStr;
use std::time::Duration;

use conclave_actors::consensus::Patience;
use conclave_actors::training::TEAM;
use conclave_actors::training::run::TrainingAgent;
use conclave_domain::brief::training::TrainingBrief;
use conclave_domain::feasibility::{AgentPlan, JobPlan, Proof, prove};
use conclave_domain::role::AgentName;

use crate::brains::{Minds, REST_MAX};
use crate::cli::error::{CliError, ExitCode};
use crate::config::Config;

/// How long a round of rules brains may take before nothing comes of it: they take microseconds.
const WATCHDOG: Duration = Duration::from_mins(1);
/// A brief of the usual size, for what a question costs.
const EXAMPLE: &str = include_str!("../../../tests/briefs/training.json");

/// What `--agents` says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AgentChoice {
    /// Those that the configuration enables.
    On,
    /// Nobody.
    Off,
    /// These and no others.
    Named(Vec<String>),
}

impl FromStr for AgentChoice {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let names = || text.split(',').map(|name| name.trim().replace('-', "_"));
        match text {
            "on" => Ok(Self::On),
            "off" => Ok(Self::Off),
            _ => {
                let known: Vec<AgentName> = TEAM.iter().map(|entry| entry.role.name).collect();
                let stranger = names().find(|name| !known.contains(&name.as_str()));
                stranger.map_or_else(
                    || Ok(Self::Named(names().collect())),
                    |name| Err(format!("`{name}` is neither on, off nor of {}", known.join(", "))),
                )
            }
        }
    }
}

impl AgentChoice {
    /// The names of those who guide, in roster order, under a configuration.
    pub(super) fn names(&self, config: &Config) -> Vec<AgentName> {
        let is_on = |name: AgentName| match self {
            Self::On => config.agents.get(name).is_some_and(|agent| agent.enabled),
            Self::Off => false,
            Self::Named(names) => names.iter().any(|named| named == name),
        };
        TEAM.iter().map(|entry| entry.role.name).filter(|name| is_on(name)).collect()
    }
}

/// Those who guide, with their brains.
#[derive(Clone, Debug)]
pub(super) struct Team {
    /// Each with its interval.
    pub(super) agents: BTreeMap<AgentName, TrainingAgent>,
    /// How long a round waits for them.
    pub(super) patience: Patience,
    /// What of the proof a reader should know before the run.
    pub(super) proof: Proof,
}

impl Team {
    /// Seats those who are named, and proves that each can be asked in a run of this size.
    ///
    /// # Errors
    /// With exit code 3, naming every agent that never could be and the key to change, or when their
    /// brains cannot be had.
    pub(super) fn seat(
        names: &[AgentName],
        minds: &Minds,
        config: &Config,
        job: &JobPlan,
    ) -> Result<Self, CliError> {
        refuse_mute(names, config)?;
        let mut agents = BTreeMap::new();
        let mut slowest = Duration::ZERO;
        for entry in TEAM.iter().filter(|entry| names.contains(&entry.role.name)) {
            let name = entry.role.name;
            let settings = config.agents.get(name);
            let every = settings.and_then(|agent| agent.interval).unwrap_or(1);
            let permits = settings.map_or(1, |agent| agent.permits);
            let permits = usize::try_from(permits).unwrap_or(usize::MAX);
            let brain = minds.brain(*entry, config)?;
            if !brain.is_free() {
                let tier = settings.map_or(entry.role.tier, |agent| agent.tier);
                slowest = slowest.max(REST_MAX + config.models.deadline(tier));
            }
            agents.insert(name, TrainingAgent { brain, permits, every });
        }
        let proof = proof(&agents, config, job)?;
        let patience = match slowest {
            Duration::ZERO => Patience::Watchdog(WATCHDOG),
            slowest => Patience::Deadline(slowest),
        };
        Ok(Self { agents, patience, proof })
    }

    /// Tells on stderr what models are expected to be asked and to cost; nothing where nobody asks one.
    pub(super) fn tell(&self, config: &Config) {
        if self.is_free() {
            return;
        }
        let mut err = std::io::stderr();
        for row in self.proof.expected.iter().filter(|row| row.model.is_some()) {
            let model = row.model.as_deref().unwrap_or_default();
            let _ = writeln!(
                err,
                "{}: {model}, {} proposals expected, {} calls at most, ${} a call at most",
                row.agent, row.calls, row.calls_at_most, row.each
            );
        }
        for shortfall in &self.proof.shortfalls {
            let _ = writeln!(err, "note: {shortfall}");
        }
        let cap = config.budgets.usd_per_run;
        let _ = writeln!(err, "`budgets.usd_per_run` is ${cap}, and nothing is spent beyond it");
    }

    /// Whether nobody of them costs anything.
    pub(super) fn is_free(&self) -> bool {
        self.agents.values().all(|agent| agent.brain.is_free())
    }
}

/// Fewer voters than a quorum could propose for ever and never act.
fn refuse_mute(names: &[AgentName], config: &Config) -> Result<(), CliError> {
    let voters = TEAM
        .iter()
        .filter(|entry| entry.role.authority.votes() && names.contains(&entry.role.name))
        .count();
    let quorum = usize::try_from(config.limits.consensus.quorum_min).unwrap_or(usize::MAX);
    if voters >= quorum {
        return Ok(());
    }
    let text = format!(
        "{voters} of the training team guide the run, but a quorum takes {quorum}: none of their \
         levers could ever move; name more with --agents, or guide by nobody with --agents off"
    );
    Err(CliError::new(ExitCode::Config, text))
}

fn proof(
    agents: &BTreeMap<AgentName, TrainingAgent>,
    config: &Config,
    job: &JobPlan,
) -> Result<Proof, CliError> {
    let brief: TrainingBrief = serde_json::from_str(EXAMPLE)
        .map_err(|error| CliError::new(ExitCode::Failure, error.to_string()))?;
    let plans: Vec<AgentPlan> = TEAM
        .iter()
        .filter_map(|entry| agents.get(entry.role.name).map(|agent| (entry, agent)))
        .map(|(entry, agent)| AgentPlan {
            agent: entry.role.name,
            team: entry.role.team,
            every: agent.every,
            occasions: None,
            // In every cycle in which somebody proposes, everybody may be asked to vote.
            more: job.occasions(),
            paid: agent.brain.paid(&brief, &config.limits),
        })
        .collect();
    prove(job, &plans, &config.budgets).map_err(|infeasible| {
        let lines: Vec<String> = infeasible.iter().map(ToString::to_string).collect();
        let text = format!(
            "the run is too short for its agents:\n  {}\n  or make it longer with --steps, or guide \
             it by others with --agents",
            lines.join("\n  ")
        );
        CliError::new(ExitCode::Config, text)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seat(choice: &str, job: &JobPlan) -> Result<Team, CliError> {
        let config = Config::default();
        let names = choice.parse::<AgentChoice>().unwrap().names(&config);
        Team::seat(&names, &Minds::Rules, &config, job)
    }

    /// Goal: the failure of others, intervals that are never met, is refused before the first step, by
    /// the settings that it happened with.
    #[test]
    fn a_run_whose_agents_would_never_be_asked_is_refused_with_agent_and_setting() {
        let job = JobPlan::Training {
            steps: 50_000_000,
            envs: 1_024,
            steps_per_update: 512,
            updates_per_validation: 20,
        };
        let refused = seat("on", &job).unwrap_err();
        assert_eq!(refused.code, ExitCode::Config);
        let text = refused.chain();
        for word in
            ["hyperparameter_tuner", "agents.reward_engineer.interval", "4 validation cycles"]
        {
            assert!(text.contains(word), "{text}");
        }
        let long = JobPlan::Training {
            steps: 50_000_000,
            envs: 8,
            steps_per_update: 128,
            updates_per_validation: 2_441,
        };
        let team = seat("on", &long).unwrap();
        assert!(team.is_free() && team.patience == Patience::Watchdog(WATCHDOG));
        assert!(team.proof.expected.iter().all(|row| row.calls >= 1), "{:?}", team.proof);
    }

    #[test]
    fn agents_are_chosen_by_name_and_a_choice_that_cannot_act_is_refused() {
        let config = Config::default();
        let names = |text: &str| text.parse::<AgentChoice>().unwrap().names(&config);
        assert_eq!(names("off"), Vec::<AgentName>::new());
        assert_eq!(names("risk-analyst, data_monitor"), ["risk_analyst", "data_monitor"]);
        let on_by_default = TEAM.iter().filter(|entry| entry.on_by_default).count();
        assert_eq!(names("on").len(), on_by_default);
        assert!("risk_guardian".parse::<AgentChoice>().unwrap_err().contains("risk_analyst"));
        let job = JobPlan::Rounds { expected: 100 };
        let refused = seat("risk_analyst", &job).unwrap_err();
        assert!(refused.chain().contains("a quorum takes 2"), "{}", refused.chain());
    }
}
