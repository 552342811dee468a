//! Backtest Validator: the out-of-sample verdict on a policy.
//!
//! Team training, authority advise; off by default. Answers APPROVED, REVIEW or DROP with the metric
//! that decided. It moves no lever.
//!
//! Rules, on the last validation: APPROVED when fitness ≥ 0.35, profit factor ≥ 1.4, consistency
//! ≥ 70 % and drawdown ≤ 10 %; REVIEW when ≥ 0.10, ≥ 1.1, ≥ 50 % and ≤ 20 %; else DROP. The metric that
//! decided is the first of the worst. An undefined profit factor passes nothing.
//!
//! Vote while proposing: for when APPROVED, against when DROP, abstain on REVIEW or without a
//! validation. On a proposal: against a critical lever on an approved policy or without its declines;
//! else for.

use conclave_domain::advice::Advice;
use conclave_domain::brief::training::{TrainingBrief, Validation};
use conclave_domain::limits::Limits;
use conclave_domain::policy::verdict::{self, APPROVED, Grade, Graded, REVIEW, Thresholds};
use conclave_domain::role::{Authority, Role, Team, Tier};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::reason_against;
use crate::runtime::agent::{Agent, Cadence, ConsultError};
use crate::runtime::answer::{Ballot, Draft, percent, plain, shown};

/// The verdict on a policy.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Verdict {
    /// Not worth going on with.
    Drop,
    /// A person should look.
    Review,
    /// Good enough.
    Approved,
}

/// The metric that decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Metric {
    /// The run's own measure of success.
    Fitness,
    /// Gross gains over gross losses.
    ProfitFactor,
    /// Share of windows in profit.
    Consistency,
    /// Largest fall from a peak.
    Drawdown,
}

/// The raw answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Answer {
    /// One sentence with the figures that decided.
    pub reasoning: String,
    /// The verdict.
    pub verdict: Verdict,
    /// The metric that decided.
    pub metric: Metric,
    /// For or against.
    pub vote: Ballot,
    /// How sure you are of this answer.
    #[schemars(extend("x-bound" = "confidence"))]
    pub confidence: f64,
}

/// The agent.
#[derive(Debug)]
pub struct BacktestValidator;

impl Agent for BacktestValidator {
    type Brief = TrainingBrief;
    type Answer = Answer;
    const ROLE: Role = Role {
        name: "backtest_validator",
        title: "Backtest Validator",
        team: Team::Training,
        authority: Authority::Advise,
        tier: Tier::Sonnet,
        purpose: "Gives the out-of-sample verdict on a policy.",
    };
    const CADENCE: Cadence = Cadence::EveryCycles(15);
    const ON_BY_DEFAULT: bool = false;

    fn instructions(_limits: &Limits) -> String {
        let bar = |bar: &Thresholds| {
            format!(
                "fitness at least {}, profit factor at least {}, consistency at least {}, drawdown \
                 at most {}",
                bar.fitness,
                bar.profit_factor,
                percent(bar.consistency),
                percent(bar.drawdown)
            )
        };
        format!(
            "Judge the last validation, which is out of sample.\n\
             - `verdict`: APPROVED for {approved}; REVIEW for {review}; else DROP.\n\
             - `metric`: the one that decided.\n\
             - `vote`: for with APPROVED, against with DROP, abstain with REVIEW. When `proposal` \
             is not empty, vote on it instead.\n\
             - An undefined figure passes nothing.",
            approved = bar(&APPROVED),
            review = bar(&REVIEW),
        )
    }

    fn rules(brief: &TrainingBrief, _limits: &Limits) -> Answer {
        let Some(last) = brief.last() else {
            return Answer {
                reasoning: "there is no validation yet".to_owned(),
                verdict: Verdict::Review,
                metric: Metric::Fitness,
                vote: Ballot::Abstain,
                confidence: 0.5,
            };
        };
        let (verdict, metric) = judge(last);
        let against = reason_against(brief).or_else(|| {
            let is_critical = brief.proposal.iter().any(|proposed| proposed.lever.is_critical());
            (is_critical && verdict == Verdict::Approved)
                .then(|| "the policy is approved as it stands".to_owned())
        });
        let vote = match (brief.is_vote(), &against, verdict) {
            (true, Some(_), _) | (false, _, Verdict::Drop) => Ballot::Against,
            (true, None, _) | (false, _, Verdict::Approved) => Ballot::For,
            (false, _, Verdict::Review) => Ballot::Abstain,
        };
        let why = against.map(|why| format!("{why}; ")).unwrap_or_default();
        Answer {
            reasoning: format!(
                "{why}fitness {:.3}, profit factor {}, consistency {:.3}, drawdown {:.3}",
                last.fitness.get(),
                shown(last.profit_factor),
                last.consistency.get(),
                last.drawdown.get()
            ),
            verdict,
            metric,
            vote,
            confidence: if verdict == Verdict::Review { 0.6 } else { 0.8 },
        }
    }

    fn admit(
        answer: Answer,
        _brief: &TrainingBrief,
        limits: &Limits,
    ) -> Result<Advice, ConsultError> {
        let text = plain(&answer.reasoning).map(|text| {
            let verdict = match answer.verdict {
                Verdict::Approved => "APPROVED",
                Verdict::Review => "REVIEW",
                Verdict::Drop => "DROP",
            };
            let metric = match answer.metric {
                Metric::Fitness => "fitness",
                Metric::ProfitFactor => "profit_factor",
                Metric::Consistency => "consistency",
                Metric::Drawdown => "drawdown",
            };
            format!("{verdict} by {metric}: {text}")
        });
        let reasoning = text.unwrap_or_default();
        let draft = Draft::new(limits);
        draft.finish(&Self::ROLE, answer.vote.into(), answer.confidence, &reasoning)
    }
}

/// The verdict and the first of the metrics that are worst, in the words of the answer.
fn judge(last: &Validation) -> (Verdict, Metric) {
    let (grade, metric) = verdict::judge(last);
    let grade = match grade {
        Grade::Drop => Verdict::Drop,
        Grade::Review => Verdict::Review,
        Grade::Approved => Verdict::Approved,
    };
    let metric = match metric {
        Graded::Fitness => Metric::Fitness,
        Graded::ProfitFactor => Metric::ProfitFactor,
        Graded::Consistency => Metric::Consistency,
        Graded::Drawdown => Metric::Drawdown,
    };
    (grade, metric)
}

#[cfg(test)]
mod tests {
    use conclave_domain::advice::{Stance, Vote};
    use conclave_domain::ratio::Ratio;
    use serde_json::{Value, json};

    use super::*;
    use crate::runtime::agent::Entry;
    use crate::runtime::tests::answer_cases::{
        admits_only_bounded_numbers, read, refuses_what_is_no_answer,
    };
    use crate::training::sample;

    fn good() -> Value {
        json!({"reasoning": "too deep a fall", "verdict": "REVIEW", "metric": "drawdown",
               "vote": "abstain", "confidence": 0.7})
    }

    #[test]
    fn a_verdict_stands_in_the_reasoning() {
        let entry = Entry::of::<BacktestValidator>();
        let brief = sample::proposing();
        let advice = read(&entry, &good().to_string(), &brief, &Limits::default()).unwrap();
        assert_eq!(advice.reasoning, "REVIEW by drawdown: too deep a fall");
        assert_eq!(advice.stance, Stance::Vote(Vote::Abstain));
        assert!(advice.levers.is_empty());
    }

    #[test]
    fn what_is_no_answer_is_refused() {
        let entry = Entry::of::<BacktestValidator>();
        refuses_what_is_no_answer(&entry, &good(), &sample::proposing());
        let mut hold = good();
        hold["verdict"] = json!("HOLD");
        let got = read(&entry, &hold.to_string(), &sample::proposing(), &Limits::default());
        assert!(matches!(got, Err(ConsultError::Unreadable { .. })), "{got:?}");
    }

    /// B-1: every number that leaves the agent is finite and within its bounds.
    #[test]
    fn any_float_is_bounded_or_refused() {
        let brief = sample::proposing();
        admits_only_bounded_numbers::<BacktestValidator>(&good(), &brief, |answer, raw| {
            answer.confidence = raw;
        });
    }

    #[test]
    fn the_rules_are_the_table() {
        let rows = [
            ((0.35, Some(1.4), 0.70, 0.10), Verdict::Approved, Metric::Fitness),
            ((0.34, Some(1.4), 0.70, 0.10), Verdict::Review, Metric::Fitness),
            ((0.35, Some(1.3), 0.70, 0.10), Verdict::Review, Metric::ProfitFactor),
            ((0.35, Some(1.4), 0.49, 0.10), Verdict::Drop, Metric::Consistency),
            ((0.34, Some(1.3), 0.60, 0.21), Verdict::Drop, Metric::Drawdown),
            ((0.09, Some(1.0), 0.10, 0.90), Verdict::Drop, Metric::Fitness),
            ((0.35, None, 0.70, 0.10), Verdict::Drop, Metric::ProfitFactor),
        ];
        for ((fitness, factor, consistency, drawdown), verdict, metric) in rows {
            let mut last = sample::proposing().validations.remove(0);
            last.fitness = Ratio::of(fitness);
            last.profit_factor = factor.map(Ratio::of);
            last.consistency = Ratio::of(consistency);
            last.drawdown = Ratio::of(drawdown);
            assert_eq!(judge(&last), (verdict, metric), "{fitness} {factor:?} {drawdown}");
        }
    }

    #[test]
    fn without_a_validation_it_abstains() {
        let mut brief = sample::proposing();
        brief.validations.clear();
        let answer = BacktestValidator::rules(&brief, &Limits::default());
        assert_eq!(answer.vote, Ballot::Abstain);
    }
}
