//! Compatibility Auditor: errors of the scoring itself.
//!
//! Team selection, authority advise. Answers findings; each one speaks against the list.
//!
//! Rules: a symbol that went through another class's filters; a filter that let none of N pass; a
//! score that is not the weighted sum of its parts (an undefined part counts as none, so its symbol
//! has no score); an order that changed after the diversity step; two symbols of one issuer.
//!
//! Vote: against with a finding, else for; abstain while there is no list to audit.

use conclave_domain::advice::{Advice, Lever};
use conclave_domain::brief::selection::{Candidate, Metric, SelectionBrief, SelectionStep};
use conclave_domain::limits::Limits;
use conclave_domain::role::{Authority, Role, Team, Tier};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::runtime::agent::{Agent, Cadence, ConsultError};
use crate::runtime::answer::{Ballot, Draft, plain};

/// Scores may miss the weighted sum of their parts by this much.
const TOLERANCE: f64 = 1e-6;

/// The raw answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Answer {
    /// One sentence with the figures that decided.
    pub reasoning: String,
    /// Errors of the scoring, each with the filter or the symbol that shows it.
    pub findings: Vec<String>,
    /// For or against the list.
    pub vote: Ballot,
    /// How sure you are of this answer.
    #[schemars(extend("x-bound" = "confidence"))]
    pub confidence: f64,
}

/// The agent.
#[derive(Debug)]
pub struct CompatibilityAuditor;

impl Agent for CompatibilityAuditor {
    type Brief = SelectionBrief;
    type Answer = Answer;
    const ROLE: Role = Role {
        name: "compatibility_auditor",
        title: "Compatibility Auditor",
        team: Team::Selection,
        authority: Authority::Advise,
        tier: Tier::Haiku,
        purpose: "Looks for errors in the scoring itself.",
    };
    const CADENCE: Cadence = Cadence::EachSelection;

    fn instructions(_limits: &Limits) -> String {
        "Look for errors of the scoring itself, not for bad symbols.\n\
         - `findings`: one sentence each, with the filter or the symbol that shows it: filters of \
         another class than the symbol's; a filter that let none pass; a score that is not the \
         weighted sum of its parts; an order that changed after the diversity step (`diverse` \
         against `shortlist`); two symbols of one issuer.\n\
         - `vote`: against with a finding, for without, abstain while there is no list."
            .to_owned()
    }

    fn rules(brief: &SelectionBrief, _limits: &Limits) -> Answer {
        let findings = findings(brief);
        let has_list = !brief.shortlist.is_empty();
        let vote = match (findings.is_empty(), has_list) {
            (false, _) => Ballot::Against,
            (true, true) => Ballot::For,
            (true, false) => Ballot::Abstain,
        };
        let reasoning = match findings.first() {
            Some(first) => format!("{} findings, such as {first}", findings.len()),
            None => format!(
                "{} symbols and {} filters agree with each other",
                brief.candidates.len(),
                brief.filters.len()
            ),
        };
        // What is recomputed is certain.
        Answer { reasoning, findings, vote, confidence: 0.95 }
    }

    fn admit(
        answer: Answer,
        brief: &SelectionBrief,
        limits: &Limits,
    ) -> Result<Advice, ConsultError> {
        let mut draft = Draft::new(limits);
        for finding in &answer.findings {
            let finding = plain(finding).ok_or_else(|| ConsultError::Unreadable {
                why: "a finding has no text".to_owned(),
            })?;
            if brief.step != SelectionStep::Vote {
                draft.ask(Lever::ScoringError { finding });
            }
        }
        draft.finish(&Self::ROLE, answer.vote.into(), answer.confidence, &answer.reasoning)
    }
}

/// What the rules find, in the order of the brief.
fn findings(brief: &SelectionBrief) -> Vec<String> {
    let mut findings = Vec::new();
    for candidate in &brief.candidates {
        if candidate.filter_family != candidate.class {
            findings.push(format!("{} went through another class's filters", candidate.symbol));
        }
        if let (Some(score), Some(sum)) = (candidate.score, weighted_sum(candidate, brief))
            && (score.get() - sum).abs() > TOLERANCE
        {
            let (symbol, score) = (&candidate.symbol, score.get());
            findings.push(format!("{symbol} scores {score:.6}, its parts sum to {sum:.6}"));
        }
        if candidate.score.is_some() && weighted_sum(candidate, brief).is_none() {
            findings.push(format!("{} has a score with an undefined part", candidate.symbol));
        }
    }
    for report in brief.filters.iter().filter(|report| report.seen > 0 && report.passed == 0) {
        findings.push(format!("0 of {} passed the filter {}", report.seen, report.filter));
    }
    if brief.diverse != brief.shortlist {
        findings.push("the list was changed after the diversity step".to_owned());
    }
    for (index, a) in brief.shortlist.iter().enumerate() {
        for b in &brief.shortlist[index + 1..] {
            if let (Some(one), Some(other)) = (brief.candidate(a), brief.candidate(b))
                && one.is_twin_of(other)
            {
                findings.push(format!("{a} and {b} are of one issuer"));
            }
        }
    }
    findings
}

/// The weighted sum of a symbol's parts; `None` where one is undefined.
fn weighted_sum(candidate: &Candidate, brief: &SelectionBrief) -> Option<f64> {
    let mut sum = 0.0;
    for metric in Metric::ALL {
        let weight = brief.weights.get(&metric)?.get();
        sum += weight * candidate.metrics.get(&metric)?.part?.get();
    }
    Some(sum)
}

#[cfg(test)]
mod tests {
    use conclave_domain::market::symbol::AssetClass;
    use conclave_domain::ratio::Ratio;
    use serde_json::{Value, json};

    use super::*;
    use crate::runtime::agent::Entry;
    use crate::runtime::tests::answer_cases::{
        admits_only_bounded_numbers, read, refuses_what_is_no_answer,
    };
    use crate::selection::sample;

    /// A change of a brief.
    type Change = fn(&mut SelectionBrief);

    fn good() -> Value {
        json!({"reasoning": "twins", "findings": ["ACME and BOLT are of one issuer"],
               "vote": "against", "confidence": 0.9})
    }

    #[test]
    fn findings_become_levers_outside_of_the_vote() {
        let entry = Entry::of::<CompatibilityAuditor>();
        let admitted = |brief: &SelectionBrief| {
            read(&entry, &good().to_string(), brief, &Limits::default()).unwrap().levers.len()
        };
        assert_eq!(admitted(&sample::checking()), 1);
        assert_eq!(admitted(&sample::voting()), 0);
    }

    #[test]
    fn what_is_no_answer_is_refused() {
        let entry = Entry::of::<CompatibilityAuditor>();
        refuses_what_is_no_answer(&entry, &good(), &sample::checking());
    }

    /// B-1: every number that leaves the agent is finite and within its bounds.
    #[test]
    fn any_float_is_bounded_or_refused() {
        let brief = sample::checking();
        admits_only_bounded_numbers::<CompatibilityAuditor>(&good(), &brief, |answer, raw| {
            answer.confidence = raw;
        });
    }

    #[test]
    fn each_error_alone_is_found_and_named() {
        let changes: [(Change, Option<&str>); 8] = [
            (|_| {}, None),
            (
                |brief| brief.candidates[2].filter_family = AssetClass::Crypto,
                Some("CORN went through another class's filters"),
            ),
            (|brief| brief.filters[1].passed = 0, Some("0 of 7 passed the filter price")),
            (
                |brief| brief.candidates[0].score = Some(Ratio::of(0.81)),
                Some("ACME scores 0.810000, its parts sum to 0.800000"),
            ),
            (
                |brief| {
                    brief.candidates[0].metrics.get_mut(&Metric::Sharpe).unwrap().part = None;
                },
                Some("ACME has a score with an undefined part"),
            ),
            (
                |brief| brief.shortlist.swap(0, 1),
                Some("the list was changed after the diversity step"),
            ),
            (
                |brief| brief.candidates[1].issuer = brief.candidates[0].issuer.clone(),
                Some("ACME and BOLT are of one issuer"),
            ),
            // Two names that nobody knows are not the same issuer.
            (
                |brief| {
                    for known in &mut brief.candidates[..2] {
                        known.issuer.clear();
                    }
                },
                None,
            ),
        ];
        for (change, expected) in changes {
            let mut brief = sample::checking();
            change(&mut brief);
            let answer = CompatibilityAuditor::rules(&brief, &Limits::default());
            assert_eq!(answer.findings, expected.into_iter().collect::<Vec<_>>());
            let vote = if expected.is_some() { Ballot::Against } else { Ballot::For };
            assert_eq!(answer.vote, vote);
        }
    }

    #[test]
    fn without_a_list_it_abstains() {
        let mut brief = sample::scoring();
        brief.diverse.clear();
        brief.shortlist.clear();
        let answer = CompatibilityAuditor::rules(&brief, &Limits::default());
        assert_eq!(answer.vote, Ballot::Abstain);
    }
}
