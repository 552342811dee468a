//! Data Monitor: columns of the observations that mislead the policy.
//!
//! Team training, authority advise; off by default. Names columns, each with what is wrong and
//! whether to pause the run or to drop the column.
//!
//! Rules: any value that is not finite → pause; a column that is constant or zero throughout → drop;
//! drift of more than 4 standard deviations from the normalisation → pause (an unknown drift finds
//! nothing); more than 5 % of bars without volume → pause, naming `volume`.
//!
//! Vote: for its own levers, abstain without any. On a proposal: against changes of learning while
//! values are not finite (mend the data first) and a critical lever without its declines; else for.

use conclave_domain::advice::{Advice, Lever};
use conclave_domain::brief::training::TrainingBrief;
use conclave_domain::limits::Limits;
use conclave_domain::role::{Authority, Role, Team, Tier};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{ballot_for, reason_against};
use crate::runtime::agent::{Agent, Cadence, ConsultError};
use crate::runtime::answer::{Ballot, Draft, percent};

/// Drift beyond this many standard deviations misleads the policy.
const DRIFT_Z: f64 = 4.0;
/// A share of bars without volume beyond this is a broken feed.
const ZERO_VOLUME: f64 = 0.05;
/// The column that bars without volume belong to.
const VOLUME: &str = "volume";

/// What to do about a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Remedy {
    /// Pause until a person has looked at the data.
    Pause,
    /// Stop using the column.
    Drop,
}

/// One column that misleads.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Finding {
    /// The column's name, as in the brief, or `volume`.
    pub column: String,
    /// What is wrong with it.
    pub problem: String,
    /// What to do about it.
    pub remedy: Remedy,
}

/// The raw answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Answer {
    /// One sentence with the figures that decided.
    pub reasoning: String,
    /// Columns that mislead; an empty list finds none.
    pub findings: Vec<Finding>,
    /// For or against; abstain when there is nothing to do.
    pub vote: Ballot,
    /// How sure you are of this answer.
    #[schemars(extend("x-bound" = "confidence"))]
    pub confidence: f64,
}

/// The agent.
#[derive(Debug)]
pub struct DataMonitor;

impl Agent for DataMonitor {
    type Brief = TrainingBrief;
    type Answer = Answer;
    const ROLE: Role = Role {
        name: "data_monitor",
        title: "Data Monitor",
        team: Team::Training,
        authority: Authority::Advise,
        tier: Tier::Haiku,
        purpose: "Finds columns of the observations that mislead the policy.",
    };
    const CADENCE: Cadence = Cadence::EveryCycles(20);
    const ON_BY_DEFAULT: bool = false;

    fn instructions(_limits: &Limits) -> String {
        format!(
            "Look for columns that mislead the policy.\n\
             - `findings`: each names a column of the brief (or `volume`), its problem, and \
             PAUSE (a person should look at the data) or DROP (stop using it).\n\
             - `vote`: for when you found something, abstain when not. When `proposal` is not \
             empty, vote on it; your findings are then ignored.\n\
             - A yardstick: values that are not finite: PAUSE; a constant or zero column: DROP; \
             drift above {drift} standard deviations: PAUSE; more than {volume} of bars without \
             volume: PAUSE.",
            drift = DRIFT_Z,
            volume = percent(ZERO_VOLUME),
        )
    }

    fn rules(brief: &TrainingBrief, _limits: &Limits) -> Answer {
        let findings = findings(brief);
        let has_non_finite = brief.columns.iter().any(|column| column.non_finite_count > 0);
        let changes_learning = brief.proposal.iter().any(|proposed| {
            proposed.lever.is_change() && !proposed.lever.name().starts_with("drop_column")
        });
        let against = reason_against(brief).or_else(|| {
            (has_non_finite && changes_learning)
                .then(|| "the data is to be mended before learning changes".to_owned())
        });
        let vote = match (brief.is_vote(), &against) {
            (false, _) => ballot_for(!findings.is_empty()),
            (true, Some(_)) => Ballot::Against,
            (true, None) => Ballot::For,
        };
        let named: Vec<String> = findings
            .iter()
            .map(|finding| format!("{}: {}", finding.column, finding.problem))
            .collect();
        let seen = if named.is_empty() {
            let drifts = brief.columns.iter().filter_map(|column| column.drift_z);
            let widest = drifts.fold(0.0_f64, |widest, z| widest.max(z.get().abs()));
            format!(
                "{} columns are sound, widest drift {widest:.2}, bars without volume {:.4}",
                brief.columns.len(),
                brief.zero_volume_share.get()
            )
        } else {
            named.join("; ")
        };
        let why = against.map(|why| format!("{why}; ")).unwrap_or_default();
        // A count is a fact; a drift is a comparison of estimates.
        let confidence = if has_non_finite { 0.99 } else { 0.8 };
        Answer { reasoning: format!("{why}{seen}"), findings, vote, confidence }
    }

    fn admit(
        answer: Answer,
        brief: &TrainingBrief,
        limits: &Limits,
    ) -> Result<Advice, ConsultError> {
        let mut draft = Draft::new(limits);
        for Finding { column, remedy, .. } in answer.findings {
            let is_known =
                column == VOLUME || brief.columns.iter().any(|known| known.name == column);
            if !is_known {
                let name: String = column.chars().take(40).collect();
                return Err(ConsultError::Unreadable {
                    why: format!("there is no column `{name}`"),
                });
            }
            if !brief.is_vote() {
                draft.ask(match remedy {
                    Remedy::Pause => Lever::PauseForData { column },
                    Remedy::Drop => Lever::DropColumn { column },
                });
            }
        }
        draft.finish(&Self::ROLE, answer.vote.into(), answer.confidence, &answer.reasoning)
    }
}

/// What the rules find, in the order of the columns.
fn findings(brief: &TrainingBrief) -> Vec<Finding> {
    let mut findings = Vec::new();
    for column in &brief.columns {
        let drift = column.drift_z.filter(|z| z.get().abs() > DRIFT_Z);
        let (problem, remedy) = if column.non_finite_count > 0 {
            (format!("{} values are not finite", column.non_finite_count), Remedy::Pause)
        } else if column.is_zero {
            ("zero throughout".to_owned(), Remedy::Drop)
        } else if column.is_constant {
            ("constant throughout".to_owned(), Remedy::Drop)
        } else if let Some(z) = drift {
            (format!("drifted by {:.2} standard deviations", z.get()), Remedy::Pause)
        } else {
            continue;
        };
        findings.push(Finding { column: column.name.clone(), problem, remedy });
    }
    if brief.zero_volume_share.get() > ZERO_VOLUME {
        let problem = format!("{} of bars are without it", percent(brief.zero_volume_share.get()));
        findings.push(Finding { column: VOLUME.to_owned(), problem, remedy: Remedy::Pause });
    }
    findings
}

#[cfg(test)]
mod tests {
    use conclave_domain::brief::training::ColumnStats;
    use conclave_domain::ratio::Ratio;
    use serde_json::{Value, json};

    use super::*;
    use crate::runtime::agent::Entry;
    use crate::runtime::tests::answer_cases::{
        admits_only_bounded_numbers, read, refuses_what_is_no_answer,
    };
    use crate::training::sample;

    /// A change of a column.
    type Change = fn(&mut ColumnStats);

    fn good() -> Value {
        json!({"reasoning": "a dead column", "vote": "for", "confidence": 0.9, "findings": [
            {"column": "rsi14", "problem": "constant", "remedy": "DROP"}]})
    }

    #[track_caller]
    fn check(findings: &Value, expected: Result<&[Lever], &str>) {
        let mut answer = good();
        answer["findings"] = findings.clone();
        let entry = Entry::of::<DataMonitor>();
        let brief = sample::proposing();
        let got = read(&entry, &answer.to_string(), &brief, &Limits::default());
        let got = got.map(|advice| advice.levers).map_err(|error| error.to_string());
        assert_eq!(got, expected.map(<[Lever]>::to_vec).map_err(str::to_owned), "{findings}");
    }

    #[test]
    fn an_answer_names_columns_that_there_are() {
        let finding = |column: &str, remedy: &str| json!([{"column": column, "problem": "x", "remedy": remedy}]);
        let column = "rsi14".to_owned();
        check(&json!([]), Ok(&[]));
        check(&finding("rsi14", "DROP"), Ok(&[Lever::DropColumn { column }]));
        let column = "volume".to_owned();
        check(&finding("volume", "PAUSE"), Ok(&[Lever::PauseForData { column }]));
        check(
            &finding("nonsense", "DROP"),
            Err("the answer is unreadable: there is no column `nonsense`"),
        );
    }

    #[test]
    fn what_is_no_answer_is_refused() {
        refuses_what_is_no_answer(&Entry::of::<DataMonitor>(), &good(), &sample::proposing());
    }

    /// B-1: every number that leaves the agent is finite and within its bounds.
    #[test]
    fn any_float_is_bounded_or_refused() {
        let brief = sample::proposing();
        admits_only_bounded_numbers::<DataMonitor>(&good(), &brief, |answer, raw| {
            answer.confidence = raw;
        });
    }

    #[test]
    fn each_fault_alone_is_found_and_named() {
        let changes: [(Change, Option<Remedy>); 7] = [
            (|column| column.non_finite_count = 1, Some(Remedy::Pause)),
            (|column| column.is_constant = true, Some(Remedy::Drop)),
            (|column| column.is_zero = true, Some(Remedy::Drop)),
            (|column| column.drift_z = Some(Ratio::of(-4.1)), Some(Remedy::Pause)),
            (|column| column.drift_z = Some(Ratio::of(4.0)), None),
            (|column| column.drift_z = None, None),
            (|_| {}, None),
        ];
        for (change, expected) in changes {
            let mut brief = sample::proposing();
            change(&mut brief.columns[1]);
            let answer = DataMonitor::rules(&brief, &Limits::default());
            assert_eq!(answer.findings.first().map(|finding| finding.remedy), expected);
            let proposes = expected.is_some();
            assert_eq!(answer.vote, if proposes { Ballot::For } else { Ballot::Abstain });
            assert_eq!(answer.reasoning.contains("vol_20"), proposes, "{}", answer.reasoning);
        }
        let mut brief = sample::proposing();
        brief.zero_volume_share = Ratio::of(0.051);
        assert_eq!(DataMonitor::rules(&brief, &Limits::default()).findings[0].column, VOLUME);
    }

    #[test]
    fn it_votes_against_learning_from_broken_data() {
        let mut brief = sample::voting();
        assert_eq!(DataMonitor::rules(&brief, &Limits::default()).vote, Ballot::For);
        brief.columns[0].non_finite_count = 3;
        assert_eq!(DataMonitor::rules(&brief, &Limits::default()).vote, Ballot::Against);
        brief.proposal.retain(|proposed| !proposed.lever.is_change());
        assert_eq!(DataMonitor::rules(&brief, &Limits::default()).vote, Ballot::For);
    }
}
