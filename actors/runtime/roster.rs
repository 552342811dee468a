//! The roster: every agent there is, team by team, and the orchestrator above them.
//!
//! Safety supervises what stands here, in this order; a fifteenth agent is one file and one line in
//! its team's `TEAM`.

use conclave_domain::limits::Limits;
use conclave_domain::role::{self, AgentName, Authority, RISK_GUARDIAN, Role, Team, Tier};
use schemars::Schema;
use serde_json::Value;

use super::agent::{Cadence, Entry};
use super::answer::percent;
use super::prompt;
use crate::{selection, trading, training};

/// The orchestrator's place in the org chart. It stands above all three teams; the team named here
/// is the one whose rounds it opens in `run`.
pub const ORCHESTRATOR: Role = Role {
    name: role::ORCHESTRATOR,
    title: "Orchestrator",
    team: Team::Trading,
    authority: Authority::Decide,
    tier: Tier::Opus,
    purpose: "Puts all advice together and decides within what the round allowed.",
};

/// What is known of an agent without knowing its brief.
#[derive(Clone, Copy, Debug)]
pub struct Seat {
    /// Its place in the org chart.
    pub role: Role,
    /// When it is consulted unless configured otherwise.
    pub cadence: Cadence,
    /// Whether it is consulted, when its team is, unless configured otherwise.
    pub on_by_default: bool,
    /// The instructions for a model.
    pub instructions: fn(&Limits) -> String,
    /// The JSON schema of its raw answer.
    pub schema: fn() -> Schema,
}

impl Seat {
    const fn of<B>(entry: &Entry<B>) -> Self {
        Self {
            role: entry.role,
            cadence: entry.cadence,
            on_by_default: entry.on_by_default,
            instructions: entry.instructions,
            schema: entry.schema,
        }
    }

    /// The part of its prompt that does not depend on the brief.
    pub fn system(&self, limits: &Limits) -> String {
        let schema = (self.schema)().to_value();
        prompt::system(&self.role, &(self.instructions)(limits), &schema, limits)
    }
}

/// Why an agent cannot be switched off.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SwitchError {
    /// The Risk Guardian and its hard rules stay on.
    #[error("the risk guardian cannot be switched off")]
    Guardian,
    /// No agent of that name.
    #[error("there is no agent `{name}`")]
    Unknown {
        /// The name, cut to 40 characters.
        name: String,
    },
}

/// Every agent, in the order of the org chart: training, trading, selection.
pub fn roster() -> Vec<Seat> {
    let training = training::TEAM.iter().map(Seat::of);
    let trading = trading::TEAM.iter().map(Seat::of);
    let selection = selection::TEAM.iter().map(Seat::of);
    training.chain(trading).chain(selection).collect()
}

/// The agent of a name.
pub fn seat(name: &str) -> Option<Seat> {
    roster().into_iter().find(|seat| seat.role.name == name)
}

/// The names of all agents, in the order of the org chart.
pub fn names() -> Vec<AgentName> {
    roster().iter().map(|seat| seat.role.name).collect()
}

/// Whether a team is consulted in `run` unless configured otherwise: only the trading team is.
/// Training has a job of its own, and there it is on.
pub const fn team_on_by_default_in_run(team: Team) -> bool {
    matches!(team, Team::Trading)
}

/// Whether an agent may be switched off.
///
/// # Errors
/// For the Risk Guardian, which stays on, and for a name that nobody bears.
pub fn check_switch_off(name: &str) -> Result<(), SwitchError> {
    match name {
        RISK_GUARDIAN => Err(SwitchError::Guardian),
        name if seat(name).is_none() => {
            Err(SwitchError::Unknown { name: name.chars().take(40).collect() })
        }
        _ => Ok(()),
    }
}

/// What a model is told when it is asked for the orchestrator's synthesis.
pub fn orchestrator_instructions(limits: &Limits) -> String {
    let (bounds, rules) = (&limits.bounds, &limits.consensus);
    format!(
        "You see the signal, every agent's clamped advice and the verdict of the round. Put them \
         together.\n\
         - The round acts when at least {threshold} of the votes for and against are for, and at \
         least {quorum} agents and {share} of those asked have voted; the Risk Guardian is never \
         counted and its veto stands.\n\
         - The signal's confidence is scaled by the Signal Analyst's factor ({confidence_min} .. \
         {confidence_max}), the size by the Position Sizer's ({size_min} .. {size_max}) and by \
         {reduced} on REDUCE_SIZE. Above {critical} a size takes a unanimous round and a permit.\n\
         - On conflict the more cautious wins: exit over enter, the smaller size, the tighter \
         stop.\n\
         - You can only narrow what the round allowed. A hard veto is final; a soft one may be \
         appealed when all others agree with a mean confidence of at least {appeal} and every hard \
         limit has at least {headroom} of room.",
        threshold = percent(rules.threshold.get()),
        quorum = rules.quorum_min,
        share = percent(rules.quorum_share.get()),
        confidence_min = bounds.confidence_multiplier.min(),
        confidence_max = bounds.confidence_multiplier.max(),
        size_min = bounds.size_multiplier.min(),
        size_max = bounds.size_multiplier.max(),
        reduced = limits.sizing.reduce_factor,
        critical = limits.sizing.critical_factor,
        appeal = rules.appeal_confidence_min,
        headroom = percent(rules.appeal_headroom_min.get()),
    )
}

/// The org chart as the README shows it, drawn from the roster.
pub fn org_chart() -> String {
    let mut chart = format!("{}\n", ORCHESTRATOR.title);
    for (team_index, team) in Team::ALL.into_iter().enumerate() {
        let is_last_team = team_index + 1 == Team::ALL.len();
        let (branch, trunk) = if is_last_team { ("└─ ", "   ") } else { ("├─ ", "│  ") };
        chart.extend([branch, team.name(), "\n"]);
        let seats: Vec<Seat> = roster().into_iter().filter(|seat| seat.role.team == team).collect();
        for (index, seat) in seats.iter().enumerate() {
            let twig = if index + 1 == seats.len() { "└─ " } else { "├─ " };
            let mut notes = Vec::new();
            if seat.role.authority.may_veto() {
                notes.push("veto");
            }
            if !seat.on_by_default {
                notes.push("off by default");
            }
            let note =
                if notes.is_empty() { String::new() } else { format!(" ({})", notes.join(", ")) };
            chart.extend([trunk, twig, seat.role.title, &note, "\n"]);
        }
    }
    chart
}

/// The JSON value of the schema of an answer, for those who do not know schemars.
pub fn schema_json(seat: &Seat) -> Value {
    (seat.schema)().to_value()
}

#[cfg(test)]
mod tests;
