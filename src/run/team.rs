//! Who is asked in a run, and what that means for it.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use conclave_actors::council::AgentSetup;
use conclave_actors::selection::run::SelectionAgent;
use conclave_actors::trading;
use conclave_domain::role::AgentName;

use super::prepare::Prepared;
use crate::brains::REST_MAX;
use crate::config::Config;

impl Prepared {
    /// How long the slowest model may take, its provider's rest included; nothing where nobody asks one.
    pub(super) fn slowest(&self) -> Duration {
        let trading = self.agents.iter().map(|(name, it)| (name, it.brain.repeats_itself()));
        let selection = self.selectors().map(|(name, agent)| (name, agent.brain.repeats_itself()));
        let asks = trading.chain(selection).filter(|(_, repeats)| !repeats);
        let tiers = asks.filter_map(|(name, _)| self.config.agents.get(name)).map(|it| it.tier);
        tiers.map(|tier| REST_MAX + self.config.models.deadline(tier)).max().unwrap_or_default()
    }

    /// Names of the agents that are asked.
    pub(super) fn enabled(&self) -> BTreeSet<AgentName> {
        self.agents.keys().chain(self.selectors().map(|(name, _)| name)).copied().collect()
    }

    /// The selection team, where the run has a universe to ask it about.
    pub(super) fn selectors(&self) -> impl Iterator<Item = (&AgentName, &SelectionAgent)> {
        self.universe.iter().flat_map(|universe| &universe.agents)
    }

    /// Whether nobody of its agents is paid; the reader of news apart.
    pub(super) fn is_free(&self) -> bool {
        self.agents.values().all(|agent| agent.brain.is_free())
            && self.selectors().all(|(_, agent)| agent.brain.is_free())
    }

    /// Whether every agent would say the same again.
    pub(super) fn repeats_itself(&self) -> bool {
        self.agents.values().all(|agent| agent.brain.repeats_itself())
            && self.selectors().all(|(_, agent)| agent.brain.repeats_itself())
    }
}

/// The enabled agents of the trading team, by their rules.
pub(super) fn team(config: &Config) -> BTreeMap<AgentName, AgentSetup> {
    let members = trading::TEAM.iter().filter_map(|entry| {
        let settings = config.agents.get(entry.role.name)?;
        let permits = usize::try_from(settings.permits).unwrap_or(usize::MAX);
        settings.enabled.then(|| (entry.role.name, AgentSetup { permits, ..AgentSetup::default() }))
    });
    members.collect()
}
