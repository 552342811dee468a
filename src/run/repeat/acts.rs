//! What persons and clocks did to a run, as its log tells it.
//!
//! Everything else in a log follows from the bars and the answers; these records do not, so they are
//! applied in a repetition where they stand.

use conclave_actors::runtime::compare::Expected;
use conclave_domain::brief::trading::TradingState;
use conclave_domain::mode::{Person, meaning};
use conclave_domain::order::{DecisionId, ExitReason};
use conclave_domain::record::Step;
use serde::Deserialize;

use crate::http::desk::{Command, ModeChange, TELEGRAM, TOKEN, Why};

/// The words before the reason of a halt that the replay itself lifts.
const BY_ITSELF: &str = "--lift-halt-after";
/// Who rules are in records; everybody else who changes a trading state is a person.
const RULES: [&str; 2] = ["drawdown_halt", "restart_storm"];

/// One act.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Act {
    /// A command, as the desk takes it.
    Order(Person, Command),
    /// A person's answer to a proposal; it came too late if it `expired`.
    Answer {
        /// The proposal.
        decision: DecisionId,
        /// Who answered.
        by: Person,
        /// The command.
        command: Command,
        /// Whether it came too late.
        expired: bool,
    },
    /// Nobody had answered a proposal in time.
    Expiry {
        /// The number of its record.
        seq: u64,
    },
}

#[derive(Deserialize)]
struct Changed {
    by: String,
    to: TradingState,
    why: String,
}

/// Who, as a record has it.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Who {
    name: Option<String>,
    way: String,
}

#[derive(Deserialize)]
struct Moded {
    by: String,
    to: String,
    override_reason: Option<String>,
}

#[derive(Deserialize)]
struct Answered {
    #[serde(default)]
    by: Who,
    answer: Outcome,
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case", tag = "outcome")]
enum Outcome {
    Approved { note: String },
    Denied { note: String },
    Expired,
}

#[derive(Deserialize)]
struct Flattened {
    exit: String,
    reason: ExitReason,
    #[serde(default)]
    by: Who,
    why: String,
}

impl Who {
    /// The same person again; a way of asking that there is not any more counts as the API.
    fn person(&self) -> Person {
        let way = if self.way == TELEGRAM { TELEGRAM } else { TOKEN };
        Person::authenticated(self.name.as_deref().unwrap_or("operator"), way)
    }
}

impl Act {
    /// The act that a record tells of, if it tells of one.
    pub(crate) fn of(entry: &Expected) -> Option<Self> {
        match entry.step {
            Step::HaltRaised | Step::HaltLifted | Step::StateChanged => state(entry),
            Step::ModeChanged => {
                let Moded { by, to, override_reason } = read(entry)?;
                let change = ModeChange { mode: to, override_reason };
                Some(Self::Order(named(&by), Command::Mode(change)))
            }
            Step::ApprovalAnswered => answer(entry),
            Step::ApprovalExpired => Some(Self::Expiry { seq: entry.seq }),
            Step::OrderCleared if entry.decision.is_none() => {
                let Flattened { exit, reason, by, why } = read(entry)?;
                let is_flat = exit == "all" && reason == ExitReason::Person;
                let why = Why { reason: why };
                is_flat.then(|| Self::Order(by.person(), Command::Flatten(why)))
            }
            _ => None,
        }
    }
}

/// A person of whom the record has the name alone.
fn named(name: &str) -> Person {
    Person::authenticated(name, TOKEN)
}

fn state(entry: &Expected) -> Option<Act> {
    let Changed { by, to, why } = read(entry)?;
    if RULES.contains(&by.as_str()) || why.starts_with(BY_ITSELF) {
        return None;
    }
    // Safety adds what the state means to the reason that was given.
    let meaning = format!(" ({})", meaning(to));
    let reason = why.strip_suffix(&meaning).unwrap_or(&why).to_owned();
    let why = Why { reason };
    let command = match to {
        TradingState::Halted => Command::Halt(why),
        TradingState::Reducing => Command::Reduce(why),
        TradingState::Active => Command::Resume(why),
    };
    Some(Act::Order(named(&by), command))
}

fn answer(entry: &Expected) -> Option<Act> {
    let decision = entry.decision.clone()?;
    let Answered { by, answer } = read(entry)?;
    let (approve, reason, expired) = match answer {
        Outcome::Approved { note } => (true, note, false),
        Outcome::Denied { note } => (false, note, false),
        // What the person had said is not in the record, and came to nothing.
        Outcome::Expired => (false, String::new(), true),
    };
    let (id, why) = (decision.to_string(), Why { reason });
    let command = Command::Approval { id, approve, why };
    Some(Act::Answer { decision, by: by.person(), command, expired })
}

fn read<'a, T: Deserialize<'a>>(entry: &'a Expected) -> Option<T> {
    serde_json::from_str(&entry.body).ok()
}

#[cfg(test)]
mod tests {
    use conclave_domain::market::symbol::Symbol;
    use conclave_domain::record::Digest;
    use conclave_domain::time::Time;
    use serde_json::{Value, json};

    use super::*;

    fn entry(step: Step, decided: bool, body: &Value) -> Expected {
        let name = || DecisionId::new(&Symbol::new("AAA").unwrap(), Time::EPOCH, "entry");
        let decision = decided.then(name);
        let (hash, body) = (Digest::of(b""), body.to_string().into());
        Expected { seq: 1, step, decision, at: Time::EPOCH, body, hash }
    }

    fn why(reason: &str) -> Why {
        Why { reason: reason.to_owned() }
    }

    #[test]
    fn a_persons_acts_are_read_and_what_rules_did_is_left_to_the_rules() {
        let state = |by: &str, to: TradingState, why: &str| {
            let why = format!("{why} ({})", meaning(to));
            json!({"event": "state_changed", "from": "active", "to": to, "by": by, "why": why})
        };
        let halted = state("ada (telegram 7)", TradingState::Halted, "lunch (long)");
        let halt = Act::of(&entry(Step::HaltRaised, false, &halted));
        let ada = named("ada (telegram 7)");
        assert_eq!(halt, Some(Act::Order(ada, Command::Halt(why("lunch (long)")))));
        for (by, reason) in
            [("drawdown_halt", "x"), ("restart_storm", "x"), ("operator", BY_ITSELF)]
        {
            let body = state(by, TradingState::Active, reason);
            assert_eq!(Act::of(&entry(Step::HaltLifted, false, &body)), None, "{by} {reason}");
        }
        let mode = json!({"job": "trading", "from": "advisory", "to": "supervised",
            "by": "operator", "override_reason": null});
        let change = ModeChange { mode: "supervised".to_owned(), override_reason: None };
        let moded = Act::of(&entry(Step::ModeChanged, false, &mode));
        assert_eq!(moded, Some(Act::Order(named("operator"), Command::Mode(change))));
        let by = json!({"name": "ada", "way": "telegram"});
        let flat = json!({"exit": "all", "reason": "person", "by": by, "why": "home"});
        let flattened = Act::of(&entry(Step::OrderCleared, false, &flat));
        let ada = Person::authenticated("ada", TELEGRAM);
        assert_eq!(flattened, Some(Act::Order(ada, Command::Flatten(why("home")))));
        let advised = json!({"exit": "AAA", "reason": "advised"});
        assert_eq!(Act::of(&entry(Step::OrderCleared, true, &advised)), None);
    }

    #[test]
    fn an_answer_carries_its_note_and_whether_it_came_too_late() {
        for (outcome, approve, note, late) in [
            (json!({"outcome": "approved", "note": "go"}), true, "go", false),
            (json!({"outcome": "denied", "note": "no"}), false, "no", false),
            (json!({"outcome": "expired"}), false, "", true),
        ] {
            let body = json!({"by": {"name": "operator", "way": "token"}, "answer": outcome});
            let entry = entry(Step::ApprovalAnswered, true, &body);
            let Some(Act::Answer { by, command, expired, .. }) = Act::of(&entry) else {
                panic!("an answer: {body}");
            };
            let id = entry.decision.unwrap().to_string();
            assert_eq!(by, Person::authenticated("operator", TOKEN));
            assert_eq!(command, Command::Approval { id, approve, why: why(note) });
            assert_eq!(expired, late);
        }
        let nonsense = entry(Step::ApprovalAnswered, true, &json!({"answer": 7}));
        assert_eq!(Act::of(&nonsense), None);
    }
}
