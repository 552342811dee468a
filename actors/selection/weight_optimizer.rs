//! Weight Optimizer: the score weights for the present regime.
//!
//! Team selection, authority advise. Answers changes of weights from their defaults, each ±0.10; the
//! weights are balanced to sum to one and none falls below zero.
//!
//! Rules: by the likeliest regime, with its probability P: bull or bear (a trend) → long Hurst exponent
//! and Sharpe up by 0.10·P; sideways → half-life and short Hurst exponent up; crash → drawdown and
//! GARCH persistence up. The likelier the regime, the further its weights move.
//!
//! Vote: for its own weights while scoring. On a list: against when the weights that the scores were
//! made with do not sum to one, or one is further from its default than allowed; else for.

use std::collections::BTreeMap;

use conclave_domain::advice::{Advice, Lever};
use conclave_domain::bounds::{Bounds, BoundsError};
use conclave_domain::brief::selection::{Metric, SelectionBrief, SelectionStep};
use conclave_domain::limits::Limits;
use conclave_domain::role::{Authority, Role, Team, Tier};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::runtime::agent::{Agent, Cadence, ConsultError};
use crate::runtime::answer::{Ballot, Draft};
use crate::runtime::balance::{Row, balanced};

/// The change of a weight when its regime is certain.
const STEP: f64 = 0.10;
/// Sums of weights may miss one by this much.
const TOLERANCE: f64 = 1e-6;

/// The change of one weight from its default.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Change {
    /// The metric's name, as in the brief.
    pub metric: String,
    /// The change from its default weight.
    #[schemars(extend("x-bound" = "score_weight_delta"))]
    pub delta: f64,
}

/// The raw answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Answer {
    /// One sentence with the figures that decided.
    pub reasoning: String,
    /// Changes from the default weights; an empty list keeps the defaults.
    pub changes: Vec<Change>,
    /// For or against.
    pub vote: Ballot,
    /// How sure you are of this answer.
    #[schemars(extend("x-bound" = "confidence"))]
    pub confidence: f64,
}

/// The agent.
#[derive(Debug)]
pub struct WeightOptimizer;

impl Agent for WeightOptimizer {
    type Brief = SelectionBrief;
    type Answer = Answer;
    const ROLE: Role = Role {
        name: "weight_optimizer",
        title: "Weight Optimizer",
        team: Team::Selection,
        authority: Authority::Advise,
        tier: Tier::Sonnet,
        purpose: "Sets the score weights for the present regime.",
    };
    const CADENCE: Cadence = Cadence::EachSelection;

    fn instructions(limits: &Limits) -> String {
        let bounds = &limits.bounds.score_weight_delta;
        let defaults: Vec<String> = Metric::ALL
            .iter()
            .map(|metric| format!("{} {}", metric.name(), metric.default_weight()))
            .collect();
        format!(
            "Say how the score weights should stand in the present regime. Defaults: {defaults}.\n\
             - `changes`: metrics by those names, each `delta` from its default, clamped to {min} \
             .. {max}; the weights are balanced to sum to one, and none falls below zero.\n\
             - `vote`: for your own weights; on a list, against when its weights do not fit.\n\
             - A yardstick: a trend raises hurst_long and sharpe, a sideways market half_life and \
             hurst_short, a crash drawdown and garch_persistence, each by {step} times the \
             regime's probability.",
            defaults = defaults.join(", "),
            min = bounds.min(),
            max = bounds.max(),
            step = STEP,
        )
    }

    fn rules(brief: &SelectionBrief, limits: &Limits) -> Answer {
        let (name, probability, raised) = likeliest(brief);
        let delta = STEP * probability;
        let changes = raised
            .iter()
            .map(|metric| Change { metric: metric.name().to_owned(), delta })
            .collect();
        let misfit = misfit(brief, limits).filter(|_| brief.step != SelectionStep::Score);
        let vote = if misfit.is_some() { Ballot::Against } else { Ballot::For };
        let reasoning = misfit.unwrap_or_else(|| {
            format!(
                "{name} at {probability:.3} raises {} and {} by {delta:.3}",
                raised[0].name(),
                raised[1].name()
            )
        });
        Answer { reasoning, changes, vote, confidence: probability }
    }

    fn admit(
        answer: Answer,
        brief: &SelectionBrief,
        limits: &Limits,
    ) -> Result<Advice, ConsultError> {
        let mut draft = Draft::new(limits);
        let wanted = admit_changes(&answer.changes, limits, &mut draft)?;
        if brief.step == SelectionStep::Score {
            let row = |metric: &Metric| {
                let want = wanted.get(metric).copied().unwrap_or_default();
                let weight = metric.default_weight().get();
                Ok(Row { weight, want, bounds: interval(*metric, limits)? })
            };
            let rows = Metric::ALL.iter().map(row).collect::<Result<Vec<_>, BoundsError>>()?;
            for ((metric, row), delta) in Metric::ALL.iter().zip(&rows).zip(balanced(&rows)) {
                let delta = row.bounds.admit(delta, &mut Vec::new())?;
                draft.ask(Lever::ScoreWeight { metric: metric.name().to_owned(), delta });
            }
        }
        draft.finish(&Self::ROLE, answer.vote.into(), answer.confidence, &answer.reasoning)
    }
}

/// The interval in which the change of one weight must lie: within its bounds, and not below zero.
fn interval(metric: Metric, limits: &Limits) -> Result<Bounds, BoundsError> {
    let bounds = &limits.bounds.score_weight_delta;
    let min = bounds.min().max(-metric.default_weight().get()).min(bounds.max());
    bounds.narrowed(min, bounds.max())
}

/// What was asked for, clamped metric by metric.
fn admit_changes(
    changes: &[Change],
    limits: &Limits,
    draft: &mut Draft<'_>,
) -> Result<BTreeMap<Metric, f64>, ConsultError> {
    let mut wanted = BTreeMap::new();
    for Change { metric: name, delta } in changes {
        let unreadable = |what: &str| {
            let name: String = name.chars().take(40).collect();
            ConsultError::Unreadable { why: format!("{what} `{name}`") }
        };
        let metric = Metric::ALL.into_iter().find(|metric| metric.name() == name);
        let metric = metric.ok_or_else(|| unreadable("there is no metric"))?;
        let delta = draft.admit(&interval(metric, limits)?, *delta)?;
        if wanted.insert(metric, delta.get()).is_some() {
            return Err(unreadable("two changes of the metric"));
        }
    }
    Ok(wanted)
}

/// The likeliest regime, its probability, and the metrics that it raises.
fn likeliest(brief: &SelectionBrief) -> (&'static str, f64, [Metric; 2]) {
    let regime = &brief.regime;
    let trend = [Metric::HurstLong, Metric::Sharpe];
    let rows = [
        ("crash", regime.crash, [Metric::Drawdown, Metric::GarchPersistence]),
        ("sideways", regime.sideways, [Metric::HalfLife, Metric::HurstShort]),
        ("bear", regime.bear, trend),
        ("bull", regime.bull, trend),
    ];
    // Of equals the more cautious stands first.
    let [first, rest @ ..] = rows;
    let (name, probability, raised) =
        rest.into_iter().fold(first, |best, row| if row.1 > best.1 { row } else { best });
    (name, probability.get(), raised)
}

/// What is wrong with the weights that the scores were made with, if anything.
fn misfit(brief: &SelectionBrief, limits: &Limits) -> Option<String> {
    let sum: f64 = brief.weights.values().map(|weight| weight.get()).sum();
    if (sum - 1.0).abs() > TOLERANCE {
        return Some(format!("the weights sum to {sum:.6}"));
    }
    let bounds = &limits.bounds.score_weight_delta;
    brief.weights.iter().find_map(|(metric, weight)| {
        let delta = weight.get() - metric.default_weight().get();
        let is_within = bounds.min() - TOLERANCE <= delta && delta <= bounds.max() + TOLERANCE;
        (!is_within).then(|| format!("{} is {delta:.4} from its default", metric.name()))
    })
}

#[cfg(test)]
mod tests {
    use conclave_domain::ratio::Ratio;
    use conclave_domain::signal::Regime;
    use serde_json::{Value, json};

    use super::*;
    use crate::runtime::agent::Entry;
    use crate::runtime::tests::answer_cases::{
        admits_only_bounded_numbers, read, refuses_what_is_no_answer,
    };
    use crate::selection::sample;

    fn good() -> Value {
        json!({"reasoning": "a trend", "vote": "for", "confidence": 0.6,
               "changes": [{"metric": "sharpe", "delta": 0.05}]})
    }

    /// The weights after an answer.
    fn weights(changes: &Value) -> BTreeMap<String, f64> {
        let mut answer = good();
        answer["changes"] = changes.clone();
        let entry = Entry::of::<WeightOptimizer>();
        let brief = sample::scoring();
        let advice = read(&entry, &answer.to_string(), &brief, &Limits::default()).unwrap();
        let mut weights = BTreeMap::new();
        for lever in &advice.levers {
            let Lever::ScoreWeight { metric, delta } = lever else { panic!("{lever:?}") };
            let known = Metric::ALL.iter().find(|known| known.name() == metric).unwrap();
            weights.insert(metric.clone(), known.default_weight().get() + delta.get());
        }
        weights
    }

    #[track_caller]
    fn check(changes: &Value, metric: &str, expected: f64) {
        let weights = weights(changes);
        assert!((weights[metric] - expected).abs() < 1e-9, "{weights:?}");
        assert!((weights.values().sum::<f64>() - 1.0).abs() < 1e-9, "{weights:?}");
        assert!(weights.values().all(|weight| *weight >= 0.0), "{weights:?}");
    }

    #[test]
    fn an_answer_is_read_clamped_and_balanced() {
        check(&json!([]), "sharpe", 0.10);
        // 0.10 + 0.05 − λ·0.10 with λ = 0.05
        check(&json!([{"metric": "sharpe", "delta": 0.05}]), "sharpe", 0.145);
        // clamped to 0.10, then λ = 0.10
        check(&json!([{"metric": "sharpe", "delta": 5}]), "sharpe", 0.19);
        // the floor of zero clamps to −0.05; the others take what is left
        check(&json!([{"metric": "drawdown", "delta": -1}]), "drawdown", 0.0025);
    }

    #[test]
    fn what_is_no_answer_is_refused() {
        let entry = Entry::of::<WeightOptimizer>();
        refuses_what_is_no_answer(&entry, &good(), &sample::scoring());
        for bad in [
            json!([{"metric": "luck", "delta": 0.01}]),
            json!([{"metric": "sharpe", "delta": 0.01}, {"metric": "sharpe", "delta": 0.01}]),
        ] {
            let mut answer = good();
            answer["changes"] = bad;
            let got = read(&entry, &answer.to_string(), &sample::scoring(), &Limits::default());
            assert!(matches!(got, Err(ConsultError::Unreadable { .. })), "{got:?}");
        }
    }

    /// B-1: every number that leaves the agent is finite and within its bounds.
    #[test]
    fn any_float_is_bounded_or_refused() {
        let brief = sample::scoring();
        admits_only_bounded_numbers::<WeightOptimizer>(&good(), &brief, |answer, raw| {
            answer.changes[0].delta = raw;
        });
    }

    #[test]
    fn each_regime_raises_its_own_metrics() {
        let quarter = Ratio::of(0.1);
        let even = Regime {
            bull: quarter,
            bear: quarter,
            sideways: quarter,
            crash: quarter,
            bars_in_regime: 1,
        };
        let certain = Ratio::of(0.7);
        for (regime, expected) in [
            (Regime { bull: certain, ..even }, ["hurst_long", "sharpe"]),
            (Regime { bear: certain, ..even }, ["hurst_long", "sharpe"]),
            (Regime { sideways: certain, ..even }, ["half_life", "hurst_short"]),
            (Regime { crash: certain, ..even }, ["drawdown", "garch_persistence"]),
            (even, ["drawdown", "garch_persistence"]),
        ] {
            let brief = SelectionBrief { regime, ..sample::scoring() };
            let answer = WeightOptimizer::rules(&brief, &Limits::default());
            let raised: Vec<&str> =
                answer.changes.iter().map(|change| change.metric.as_str()).collect();
            assert_eq!(raised, expected);
            let probability = likeliest(&brief).1;
            assert!(answer.changes.iter().all(|c| (c.delta - 0.1 * probability).abs() < 1e-12));
        }
    }

    #[test]
    fn it_votes_against_weights_that_do_not_fit() {
        let rules = |brief: &SelectionBrief| WeightOptimizer::rules(brief, &Limits::default()).vote;
        let mut brief = sample::voting();
        assert_eq!(rules(&brief), Ballot::For);
        brief.weights.insert(Metric::Sharpe, Ratio::of(0.15));
        assert_eq!(rules(&brief), Ballot::Against, "the sum is 1.05");
        brief.weights.insert(Metric::Sharpe, Ratio::of(0.21));
        brief.weights.insert(Metric::HurstShort, Ratio::of(0.09));
        assert_eq!(rules(&brief), Ballot::Against, "both are 0.11 from their defaults");
    }
}
