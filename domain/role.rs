//! Who an agent is: name, team, authority and default tier.

use std::fmt;

use serde::{Deserialize, Serialize};

/// One of the three teams.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Team {
    /// Guides the training of a policy.
    Training,
    /// Advises on entries and exits.
    Trading,
    /// Advises on what to trade.
    Selection,
}

impl Team {
    /// All teams, in the order of the org chart.
    pub const ALL: [Self; 3] = [Self::Training, Self::Trading, Self::Selection];

    /// The team's name in configuration, records and metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Training => "training",
            Self::Trading => "trading",
            Self::Selection => "selection",
        }
    }
}

impl fmt::Display for Team {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// What an agent's word can do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Authority {
    /// It votes and gives bounded numbers.
    Advise,
    /// It votes like an adviser and may also veto.
    AdviseAndVeto,
    /// It vetoes or does not object, and is never counted.
    Veto,
    /// It synthesises all advice: the orchestrator.
    Decide,
}

impl Authority {
    /// Whether its veto ends a round.
    pub const fn may_veto(self) -> bool {
        matches!(self, Self::Veto | Self::AdviseAndVeto)
    }

    /// Whether its vote is counted.
    pub const fn votes(self) -> bool {
        matches!(self, Self::Advise | Self::AdviseAndVeto)
    }
}

/// How capable, and dear, a model an agent asks by default.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Tier {
    /// Small and cheap.
    Haiku,
    /// The middle.
    Sonnet,
    /// Large and dear.
    Opus,
}

/// An agent's place in the org chart; a constant of its file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Role {
    /// Name in configuration, records, metrics and on the command line: `risk_guardian`.
    pub name: &'static str,
    /// Name for people: `Risk Guardian`.
    pub title: &'static str,
    /// Its team.
    pub team: Team,
    /// What its word can do.
    pub authority: Authority,
    /// The model tier it asks unless configured otherwise.
    pub tier: Tier,
    /// One sentence: what it is consulted for.
    pub purpose: &'static str,
}

/// The name of an agent as it stands in records: one of the roster's names, or `orchestrator`.
pub type AgentName = &'static str;

/// The Risk Guardian's name: the one agent that cannot be switched off.
pub const RISK_GUARDIAN: AgentName = "risk_guardian";
/// The orchestrator's name.
pub const ORCHESTRATOR: AgentName = "orchestrator";
