//! What a log tells of its agents: opinions on entries, vetoes, clamps, what answers cost.

use std::collections::BTreeMap;
use std::path::Path;

use conclave_actors::trading;
use conclave_domain::advice::{Objection, Stance, Vote};
use conclave_domain::bounds::Clamp;
use conclave_domain::fixed::Money;
use conclave_domain::order::DecisionId;
use conclave_domain::ratio::Ratio;
use conclave_domain::record::{Line, Step, Stream};
use conclave_domain::role::AgentName;
use conclave_domain::scorecard::{Forced, Opinion, RunFacts, Veto, Word};
use conclave_domain::time::Time;
use serde::Deserialize;

use crate::adapters::audit_files::lines;
use crate::cli::error::{CliError, ExitCode};

/// How the name of an entry's decision ends; other questions are about open positions.
const ENTRY: &str = "-entry";

#[derive(Deserialize)]
struct Advised {
    agent: String,
    advice: Option<Advice>,
}

#[derive(Deserialize)]
struct Advice {
    stance: Stance,
    confidence: Ratio,
    clamps: Vec<Clamp>,
}

#[derive(Deserialize)]
struct Closed {
    verdict: String,
    seats: Vec<Seat>,
    #[serde(default)]
    by: String,
    objection: Option<Objection>,
}

#[derive(Deserialize)]
struct Seat {
    agent: String,
    outcome: String,
    vote: Option<Vote>,
}

impl Seat {
    /// What a later run may be told of it.
    fn word(self, at: Time, acted: bool) -> Word {
        let answered = ["voted", "no_objection", "vetoed"].contains(&self.outcome.as_str());
        let agreed = match self.vote {
            Some(Vote::For) => acted,
            Some(Vote::Against) => !acted,
            Some(Vote::Abstain) => false,
            None => acted && self.outcome == "no_objection",
        };
        Word { agent: self.agent, at, answered, agreed, ended: None }
    }
}

#[derive(Deserialize)]
struct Observed {
    cost: Money,
}

/// Reads the log in `dir`; accounts and counts are left to whoever has the run's report.
///
/// # Errors
/// With exit code 8 when a record is not what this version writes.
pub(crate) fn read(dir: &Path) -> Result<RunFacts, CliError> {
    let mut facts = RunFacts::default();
    // On appeal an agent is asked once more: its last word counts.
    let mut opinions: BTreeMap<(DecisionId, AgentName), Opinion> = BTreeMap::new();
    let mut answers: BTreeMap<u64, AgentName> = BTreeMap::new();
    for raw in lines(dir, Stream::Decisions)? {
        let raw = raw?;
        let Ok(line) = Line::read(&raw.text) else { continue };
        let Some(decision) = &line.decision else { continue };
        match line.step {
            Step::AdviceClamped => {
                let Advised { agent, advice } = body(&line)?;
                let Some(agent) = known(&agent) else { continue };
                answers.insert(line.seq, agent);
                let Some(Advice { stance, confidence, clamps }) = advice else { continue };
                let forced = |clamp| Forced { agent, decision: decision.clone(), clamp };
                facts.forced.extend(clamps.into_iter().map(forced));
                if let Stance::Vote(vote) = stance
                    && vote != Vote::Abstain
                    && decision.as_str().ends_with(ENTRY)
                {
                    let opinion = Opinion { agent, decision: decision.clone(), vote, confidence };
                    opinions.insert((decision.clone(), agent), opinion);
                }
            }
            Step::RoundClosed => {
                let Closed { verdict, seats, by, objection } = body(&line)?;
                let words = seats.into_iter().map(|seat| seat.word(line.at, verdict == "act"));
                facts.asked.extend(words.map(|word| (decision.clone(), word)));
                if let (Some(agent), Some(Objection { kind, code, .. })) = (known(&by), objection) {
                    facts.vetoes.push(Veto { agent, decision: decision.clone(), kind, code });
                }
            }
            _ => {}
        }
    }
    facts.opinions = opinions.into_values().collect();
    facts.costs = costs(dir, &answers)?;
    Ok(facts)
}

/// What the answers cost, as it was observed beside them.
fn costs(
    dir: &Path,
    answers: &BTreeMap<u64, AgentName>,
) -> Result<BTreeMap<AgentName, Money>, CliError> {
    let mut costs: BTreeMap<AgentName, Money> = BTreeMap::new();
    for raw in lines(dir, Stream::Observations)? {
        let raw = raw?;
        let Ok(line) = Line::read(&raw.text) else { continue };
        let agent = line.of.and_then(|of| answers.get(&of));
        let (Some(agent), Step::AdviceClamped) = (agent, line.step) else { continue };
        let Observed { cost } = body(&line)?;
        let sum = costs.entry(agent).or_default();
        *sum = sum.plus(cost).map_err(|error| unreadable(&line).caused_by(error))?;
    }
    Ok(costs)
}

/// The agent of the trading team with this name.
fn known(name: &str) -> Option<AgentName> {
    trading::TEAM.iter().map(|entry| entry.role.name).find(|known| *known == name)
}

fn body<'a, T: Deserialize<'a>>(line: &Line<'a>) -> Result<T, CliError> {
    serde_json::from_str(line.body).map_err(|error| unreadable(line).caused_by(error))
}

fn unreadable(line: &Line<'_>) -> CliError {
    let text =
        format!("record {}: the body of `{}` is not what this version reads", line.seq, line.step);
    CliError::new(ExitCode::Data, text)
}
