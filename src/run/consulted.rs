//! What the agents of a run were asked, what became of it and what it cost: observed in the log where the
//! run ends, so that whoever reads it later says the same as the report.

use std::collections::BTreeMap;
use std::path::Path;

use conclave_actors::council::Council;
use conclave_domain::budget::RunCosts;
use conclave_domain::fixed::Money;
use conclave_domain::record::{Line, Step, Stream};
use conclave_domain::stats::{AgentStats, Parts};
use serde::{Deserialize, Serialize};

use crate::adapters::audit_files::lines;
use crate::cli::error::CliError;
use crate::report::RunReport;

/// Everybody's part, over all processes of the run.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Consulted {
    agents: BTreeMap<String, AgentStats>,
    cost_usd: Money,
    cost_usd_by_agent: BTreeMap<String, Money>,
}

/// All agents together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Asked {
    /// How often they were asked.
    pub(crate) consultations: u64,
    /// What became of that.
    #[serde(flatten)]
    pub(crate) parts: Parts,
    /// How often rules answered in the place of a model; among the parts.
    pub(crate) by_rules: u64,
    /// What it cost, in USD.
    pub(crate) cost_usd: Money,
}

impl Consulted {
    /// What a council has counted up to now, and what safety has booked.
    pub(super) async fn of(council: &Council) -> Self {
        let costs = council.safety.report().await.map(|report| report.costs);
        let RunCosts { total, by_agent } = costs.unwrap_or_default();
        let agents = council.score.stats().agents.into_iter();
        let agents = agents.map(|(name, stats)| (name.to_owned(), stats)).collect();
        Self { agents, cost_usd: total, cost_usd_by_agent: by_agent }
    }

    /// What the log in `dir` tells at its last end of a run; `None` where it tells nothing.
    ///
    /// # Errors
    /// When the log cannot be read.
    pub(crate) fn read(dir: &Path) -> Result<Option<Self>, CliError> {
        let mut found = None;
        for raw in lines(dir, Stream::Observations)? {
            let raw = raw?;
            let line = Line::read(&raw.text).ok().filter(|line| line.step == Step::RunCounted);
            let told = line.and_then(|line| serde_json::from_str(line.body).ok());
            found = told.or(found);
        }
        Ok(found)
    }

    /// What one agent was asked, if it was.
    pub(crate) fn of_agent(&self, name: &str) -> Option<&AgentStats> {
        self.agents.get(name)
    }

    /// What one agent's models cost, USD.
    pub(crate) fn cost_of(&self, name: &str) -> Money {
        self.cost_usd_by_agent.get(name).copied().unwrap_or_default()
    }

    /// All agents together.
    pub(crate) fn asked(&self) -> Asked {
        let first = Asked { cost_usd: self.cost_usd, ..Asked::default() };
        self.agents.values().fold(first, |sum, of| Asked {
            consultations: sum.consultations + of.consulted,
            parts: sum.parts.plus(&of.parts()),
            by_rules: sum.by_rules + of.by_rules,
            cost_usd: sum.cost_usd,
        })
    }
}

impl Asked {
    /// All agents of a report together.
    pub(crate) fn of(report: &RunReport) -> Self {
        let first = Self { cost_usd: report.counts.spend_usd, ..Self::default() };
        report.agents.iter().fold(first, |sum, row| Self {
            consultations: sum.consultations + row.consultations,
            parts: sum.parts.plus(&row.parts),
            by_rules: sum.by_rules + row.by_rules,
            cost_usd: sum.cost_usd,
        })
    }
}
