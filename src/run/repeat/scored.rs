//! A run and its repetitions as facts for the scorecard.

use std::collections::{BTreeMap, BTreeSet};

use conclave_actors::trading;
use conclave_domain::fixed::FixedError;
use conclave_domain::role::AgentName;
use conclave_domain::scorecard::{Curve, RunFacts, Without, outcomes};
use metrics_exporter_prometheus::PrometheusHandle;

use super::{Changes, Source};
use crate::cli::error::{CliError, ExitCode};
use crate::report::RunReport;
use crate::run::Room;
use crate::run::consulted::Consulted;
use crate::run::scorecard::facts;

/// A run as the scorecard sees it.
#[derive(Clone, Debug)]
pub(crate) struct Scored {
    /// What it was, without any repetition yet.
    pub(crate) facts: RunFacts,
    /// The hash of its records.
    pub(crate) record_hash: Option<String>,
    /// What a reader must know of it.
    pub(crate) note: Option<String>,
}

impl Source {
    /// The run as it was: its own log where that can be repeated to its end in one piece, else its bars
    /// played once more from the first.
    ///
    /// # Errors
    /// As [`Source::repeat`].
    pub(crate) fn scored(&self, metrics: &PrometheusHandle) -> Result<Scored, CliError> {
        let (repeated, report) = self.repeat(None, metrics)?;
        let is_one = repeated.difference.is_none() && repeated.sessions == 1;
        let counted = Consulted::read(&self.log)?;
        // A log that does not say who was asked says it of nobody: that is not known, and never none.
        if let (Some(counted), Some(report)) = (&counted, report.filter(|_| is_one)) {
            let facts = facts::read(&self.log)?;
            return scored(facts, counted, Some(counted), report, None);
        }
        let note = "it was stopped or cannot be repeated to its end: it counts as its bars played once \
                    more from the first";
        let room = Room::new()?;
        let (report, _) = self.play_in(&room, &Changes::default(), metrics, true)?;
        let mut facts = facts::read(room.path())?;
        // A repetition pays nobody: what was paid stands in the run's own log.
        facts.costs = facts::read(&self.log)?.costs;
        let untold =
            || CliError::new(ExitCode::Failure, "the repetition does not say who was asked");
        let played = Consulted::read(room.path())?.ok_or_else(untold)?;
        scored(facts, &played, counted.as_ref(), report, Some(note.to_owned()))
    }

    /// The run as it would have been without these agents.
    ///
    /// # Errors
    /// As [`Source::play_otherwise`].
    pub(crate) fn without(
        &self,
        muted: &BTreeSet<AgentName>,
        metrics: &PrometheusHandle,
    ) -> Result<Without, CliError> {
        let changes = Changes { mute: muted.clone(), ..Changes::default() };
        let room = Room::new()?;
        let (report, frozen) = self.play_in(&room, &changes, metrics, true)?;
        let outcomes = outcomes(&report.trades).map_err(|error| too_large(&error))?;
        Ok(Without { muted: muted.clone(), curve: curve(&report), outcomes, frozen })
    }
}

/// `counted` is what was asked, `paid` what it cost: a repetition pays nobody.
pub(super) fn scored(
    mut facts: RunFacts,
    counted: &Consulted,
    paid: Option<&Consulted>,
    report: RunReport,
    note: Option<String>,
) -> Result<Scored, CliError> {
    let names = || trading::TEAM.iter().map(|entry| entry.role.name);
    let asked = |name| counted.of_agent(name).cloned().map(|it| (name, it));
    facts.agents = names().filter_map(asked).collect();
    if let Some(paid) = paid {
        facts.costs = names().map(|name| (name, paid.cost_of(name))).collect::<BTreeMap<_, _>>();
    }
    facts.outcomes = outcomes(&report.trades).map_err(|error| too_large(&error))?;
    facts.curve = curve(&report);
    Ok(Scored { facts, record_hash: report.header.record_hash, note })
}

pub(super) fn curve(report: &RunReport) -> Curve {
    Curve::of(report.equity.iter().map(|point| (point.time, point.equity)))
}

fn too_large(error: &FixedError) -> CliError {
    CliError::new(ExitCode::Data, format!("the trades cannot be added up: {error}"))
}
