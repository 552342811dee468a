//! Faults on request, on simulated money only: `AGENT=panic|error|kill|hang|shed@ROUND`.
//!
//! A fault is decided when a consultation is taken from the mailbox, by the number of the round, so
//! that a run with faults repeats itself.

use std::fmt;
use std::str::FromStr;

use conclave_domain::role::AgentName;

/// What goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The mailbox's handler panics: the actor dies and is restarted.
    Panic,
    /// The mailbox's handler returns an error: the same.
    Error,
    /// The actor is killed: no handler, no clean-up.
    Kill,
    /// The brain waits and never answers.
    Hang,
    /// The consultation is turned away as if too many were in flight.
    Shed,
}

impl Fault {
    /// All faults.
    pub const ALL: [Self; 5] = [Self::Panic, Self::Error, Self::Kill, Self::Hang, Self::Shed];

    /// The word on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Panic => "panic",
            Self::Error => "error",
            Self::Kill => "kill",
            Self::Hang => "hang",
            Self::Shed => "shed",
        }
    }
}

/// One fault in one round.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlannedFault {
    /// Whose.
    pub agent: String,
    /// What.
    pub fault: Fault,
    /// In which round, counted from 1.
    pub round: u64,
}

/// A text that plans no fault.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not AGENT=panic|error|kill|hang|shed@ROUND with a round from 1")]
pub struct FaultError {
    text: String,
}

impl FromStr for PlannedFault {
    type Err = FaultError;

    fn from_str(text: &str) -> Result<Self, FaultError> {
        let error = || FaultError { text: text.chars().take(80).collect() };
        let (agent, rest) = text.split_once('=').ok_or_else(error)?;
        let (fault, round) = rest.split_once('@').ok_or_else(error)?;
        let fault = Fault::ALL.into_iter().find(|known| known.name() == fault);
        let round = round.parse().ok().filter(|round| *round > 0);
        match (fault, round) {
            (Some(fault), Some(round)) if !agent.is_empty() => {
                Ok(Self { agent: agent.to_owned(), fault, round })
            }
            _ => Err(error()),
        }
    }
}

impl fmt::Display for PlannedFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}={}@{}", self.agent, self.fault.name(), self.round)
    }
}

/// All faults of a run; usually none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FaultPlan(Vec<PlannedFault>);

impl FaultPlan {
    /// These faults and no others.
    pub const fn new(faults: Vec<PlannedFault>) -> Self {
        Self(faults)
    }

    /// The planned faults whose agent is on nobody's list: to be refused at the start.
    pub fn strangers<'a>(&'a self, agents: &'a [AgentName]) -> impl Iterator<Item = &'a str> {
        let known = |agent: &str| agents.contains(&agent);
        self.0.iter().map(|planned| planned.agent.as_str()).filter(move |agent| !known(agent))
    }

    /// What goes wrong for an agent in a round.
    pub fn at(&self, agent: &str, round: u64) -> Option<Fault> {
        let planned = |it: &&PlannedFault| it.agent == agent && it.round == round;
        self.0.iter().find(planned).map(|planned| planned.fault)
    }

    /// Whether any agent hangs at some time: then a round needs a deadline to end.
    pub fn hangs(&self) -> bool {
        self.0.iter().any(|planned| planned.fault == Fault::Hang)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_is_read_and_printed_back_and_nonsense_is_refused() {
        for text in ["risk_guardian=kill@3", "position_sizer=hang@12"] {
            assert_eq!(text.parse::<PlannedFault>().unwrap().to_string(), text);
        }
        for text in
            ["", "a=b@1", "a=kill", "a=kill@0", "a=kill@-1", "=kill@1", "kill@1", "a@kill=1"]
        {
            assert!(text.parse::<PlannedFault>().is_err(), "{text}");
        }
        let plan = FaultPlan::new(vec!["a=hang@2".parse().unwrap()]);
        assert_eq!(plan.at("a", 2), Some(Fault::Hang));
        assert_eq!((plan.at("a", 1), plan.at("b", 2), plan.hangs()), (None, None, true));
        assert_eq!(plan.strangers(&["b"]).collect::<Vec<_>>(), ["a"]);
    }
}
