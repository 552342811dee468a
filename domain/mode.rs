//! Modes and trading states, and who may change them.
//!
//! # Invariants
//!
//! - O-3: after HALTED no entry leaves; a halt is sticky: only a person lifts it.
//!
//! Anything may make the system more careful, at once; making it less careful takes a [`Person`].

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::brief::trading::TradingState;
use crate::code::Code;
use crate::role::Team;

/// What becomes of an action that a round has cleared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// Recommended only; a shadow book fills it.
    Advisory,
    /// It waits for a person.
    Supervised,
    /// It is executed.
    Autonomous,
}

/// A text that is no mode.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not a mode: advisory, supervised or autonomous")]
pub struct ModeError {
    text: String,
}

impl Mode {
    /// All modes, from the most careful to the least.
    pub const ALL: [Self; 3] = [Self::Advisory, Self::Supervised, Self::Autonomous];

    /// The mode that a job starts in: training is autonomous within its bounds, since nothing of it
    /// leaves the process; the others advise.
    pub const fn default_for(job: Team) -> Self {
        match job {
            Team::Training => Self::Autonomous,
            Team::Trading | Team::Selection => Self::Advisory,
        }
    }

    /// The word in configuration, records and on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Advisory => "advisory",
            Self::Supervised => "supervised",
            Self::Autonomous => "autonomous",
        }
    }
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Mode {
    type Err = ModeError;

    fn from_str(text: &str) -> Result<Self, ModeError> {
        let found = Self::ALL.into_iter().find(|mode| mode.name() == text);
        found.ok_or_else(|| ModeError { text: text.chars().take(40).collect() })
    }
}

/// Proof that a person stands behind a command.
///
/// Only the code that has checked who is asking may make one: the command line of the account that
/// owns the store, and the HTTP surface after the bearer token was compared. No agent and no rule
/// can.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Person {
    name: String,
    way: &'static str,
}

impl Person {
    /// A person whose right to command was checked just now. `way` is how: `cli`, `http`, `telegram`.
    pub fn authenticated(name: &str, way: &'static str) -> Self {
        Self { name: name.chars().filter(|c| !c.is_control()).take(80).collect(), way }
    }

    /// Who, at most 80 characters.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// How the command came in.
    pub const fn way(&self) -> &'static str {
        self.way
    }
}

/// Who wants something changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum By {
    /// A person.
    Person(Person),
    /// An agent, by its name.
    Agent(&'static str),
    /// A rule: the drawdown, the supervisor, the broker's reconciliation.
    Rule(&'static str),
}

impl By {
    /// The name in records.
    pub fn name(&self) -> &str {
        match self {
            Self::Person(person) => person.name(),
            Self::Agent(name) | Self::Rule(name) => name,
        }
    }
}

/// What a job has shown in advisory mode.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AdvisoryRecord {
    /// How long it has advised.
    pub advised: Duration,
    /// Whether a scorecard of it exists.
    pub has_scorecard: bool,
}

impl AdvisoryRecord {
    /// How long a job must have advised before it may act alone.
    pub const REQUIRED: Duration = Duration::from_hours(14 * 24);

    fn suffices(self) -> bool {
        self.has_scorecard && self.advised >= Self::REQUIRED
    }
}

/// A change of mode that is permitted; what the audit records.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ModeChange {
    /// The job.
    pub job: Team,
    /// The mode before.
    pub from: Mode,
    /// The mode after.
    pub to: Mode,
    /// Who changed it.
    pub by: String,
    /// Why the advisory record was not asked for, if it was overridden.
    pub override_reason: Option<String>,
}

/// Decides a change of mode. Downward is open to everybody; upward takes a person, and autonomous
/// trading or selection also a sufficient advisory record or a stated reason to do without.
///
/// # Errors
/// [`Code::ModeUpward`] when the mode may not be raised.
pub fn change_mode(
    job: Team,
    (from, to): (Mode, Mode),
    by: &By,
    record: AdvisoryRecord,
    override_reason: Option<&str>,
) -> Result<ModeChange, Code> {
    let reason = override_reason.map(str::trim).filter(|reason| !reason.is_empty());
    let mut overridden = None;
    if to > from {
        if !matches!(by, By::Person(_)) {
            return Err(Code::ModeUpward);
        }
        let leaves_the_process = job != Team::Training;
        if to == Mode::Autonomous && leaves_the_process && !record.suffices() {
            overridden = Some(reason.ok_or(Code::ModeUpward)?.to_owned());
        }
    }
    Ok(ModeChange { job, from, to, by: by.name().to_owned(), override_reason: overridden })
}

/// Decides a change of the trading state. More careful is open to everybody; less careful takes a
/// person. Asking for the present state changes nothing and is no error.
///
/// # Errors
/// The present state's code when somebody else than a person wants to lift it.
pub fn change_state(
    now: TradingState,
    wanted: TradingState,
    by: &By,
) -> Result<TradingState, Code> {
    let lifts = wanted < now;
    match (lifts, by, now) {
        (false, ..) | (true, By::Person(_), _) => Ok(wanted),
        (true, _, TradingState::Halted) => Err(Code::SafetyHalted),
        (true, ..) => Err(Code::GateTradingState),
    }
}

/// What a trading state stops, and what goes on all the same: every message about a stop says both.
pub const fn meaning(state: TradingState) -> &'static str {
    match state {
        TradingState::Active => "active: everything that the mode permits",
        TradingState::Reducing => {
            "reducing: no new entries; exits, cancels, consultations about open positions and what \
             a person orders go on"
        }
        TradingState::Halted => {
            "halted: no new entries and no consultations; protective exits, cancels and what a \
             person orders go on"
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn person() -> By {
        By::Person(Person::authenticated("ada", "cli"))
    }

    #[test]
    fn a_mode_is_lowered_by_anybody_and_raised_by_a_person_only() {
        use Mode::{Advisory, Autonomous, Supervised};
        let none = AdvisoryRecord::default();
        let enough = AdvisoryRecord { advised: AdvisoryRecord::REQUIRED, has_scorecard: true };
        let unscored = AdvisoryRecord { has_scorecard: false, ..enough };
        let short = AdvisoryRecord { advised: Duration::from_hours(13 * 24), has_scorecard: true };
        let rule = || By::Rule("supervisor");
        let agent = || By::Agent("risk_guardian");
        for (from, to, by, record, reason, allowed) in [
            (Autonomous, Advisory, rule(), none, None, true),
            (Supervised, Advisory, agent(), none, None, true),
            (Advisory, Supervised, person(), none, None, true),
            (Advisory, Supervised, agent(), enough, Some("i am good"), false),
            (Advisory, Autonomous, rule(), enough, None, false),
            (Advisory, Autonomous, person(), none, None, false),
            (Advisory, Autonomous, person(), short, None, false),
            (Advisory, Autonomous, person(), unscored, None, false),
            (Supervised, Autonomous, person(), none, Some("   "), false),
            (Supervised, Autonomous, person(), none, Some("paper money"), true),
            (Advisory, Autonomous, person(), enough, None, true),
        ] {
            let changed = change_mode(Team::Trading, (from, to), &by, record, reason);
            assert_eq!(changed.is_ok(), allowed, "{from} -> {to} by {by:?}");
        }
        let training = change_mode(Team::Training, (Advisory, Autonomous), &person(), none, None);
        assert_eq!(training.map(|change| change.override_reason), Ok(None));
    }

    /// O-3: a halt is sticky: only a person lifts it.
    #[test]
    fn anybody_halts_and_only_a_person_resumes() {
        use TradingState::{Active, Halted, Reducing};
        for by in [By::Rule("drawdown"), By::Agent("risk_guardian"), person()] {
            assert_eq!(change_state(Active, Halted, &by), Ok(Halted));
            assert_eq!(change_state(Reducing, Halted, &by), Ok(Halted));
            assert_eq!(change_state(Halted, Halted, &by), Ok(Halted));
        }
        for by in [By::Rule("drawdown"), By::Agent("orchestrator")] {
            assert_eq!(change_state(Halted, Active, &by), Err(Code::SafetyHalted));
            assert_eq!(change_state(Halted, Reducing, &by), Err(Code::SafetyHalted));
            assert_eq!(change_state(Reducing, Active, &by), Err(Code::GateTradingState));
        }
        assert_eq!(change_state(Halted, Active, &person()), Ok(Active));
    }

    #[test]
    fn a_message_about_a_stop_says_what_goes_on() {
        for state in [TradingState::Reducing, TradingState::Halted] {
            assert!(meaning(state).contains("no new entries"));
            assert!(meaning(state).contains("exits") && meaning(state).contains("go on"));
        }
    }

    #[test]
    fn a_persons_name_cannot_break_a_log_line() {
        let person = Person::authenticated(&format!("a\nb\u{1b}[31m{}", "x".repeat(200)), "http");
        assert_eq!(person.name().len(), 80);
        assert!(!person.name().contains(['\n', '\u{1b}']));
        assert_eq!("paper".parse::<Mode>().unwrap_err().to_string().split(':').count(), 2);
    }
}
