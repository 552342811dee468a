//! Hyperparameter Tuner: factors on the learning rate, the entropy bonus and the batch size.
//!
//! Team training, authority advise. Answers three unitless factors; 1 leaves a lever where it is.
//! They compose with the schedule and with all earlier factors, and the product is bounded too.
//!
//! Rules: KL > 2 × target → learning rate × 0.7; KL < 0.3 × target with fitness flat over three
//! validations → × 1.3; policy entropy < 0.1·ln(actions) → entropy × 1.2; after half the run, entropy above
//! 0.9·ln(actions) → × 0.8 (a policy that is still undecided); explained variance < 0 → batch × 2.
//! A figure that is undefined moves nothing.
//!
//! Vote: for its own levers, abstain without any. On a proposal: against a factor that points the
//! other way than these rules, or a critical lever without its declines; else for.

use conclave_domain::advice::{Advice, Lever};
use conclave_domain::bounds::{Bounded, Bounds};
use conclave_domain::brief::training::{TrainingBrief, TrainingLever};
use conclave_domain::limits::Limits;
use conclave_domain::ratio::Ratio;
use conclave_domain::role::{Authority, Role, Team, Tier};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{ballot_for, reason_against, within_total};
use crate::runtime::agent::{Agent, Cadence, ConsultError};
use crate::runtime::answer::{Ballot, Draft, shown};

/// KL above this many targets is too fast.
const KL_FAST: f64 = 2.0;
/// KL below this many targets is slow.
const KL_SLOW: f64 = 0.3;
/// The factor that slows learning.
const LR_DOWN: f64 = 0.7;
/// The factor that speeds learning.
const LR_UP: f64 = 1.3;
/// Fitness that moved by no more than this over [`FLAT_OVER`] validations is flat.
const FLAT_RANGE: f64 = 0.01;
/// Validations over which flatness is judged.
const FLAT_OVER: usize = 3;
/// Below this share of the largest possible entropy a policy has collapsed.
const ENTROPY_LOW: f64 = 0.1;
/// Above this share of it a policy is undecided.
const ENTROPY_HIGH: f64 = 0.9;
/// The factor that widens exploration.
const ENTROPY_UP: f64 = 1.2;
/// The factor that narrows it.
const ENTROPY_DOWN: f64 = 0.8;
/// The share of a run before which exploration is never narrowed.
const ENTROPY_DOWN_FROM: f64 = 0.5;
/// The factor on the batch when the value function is worse than none.
const BATCH_UP: f64 = 2.0;
/// Factors nearer to one than this leave the lever alone.
const UNTOUCHED: f64 = 1e-9;

/// The raw answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Answer {
    /// One sentence with the figures that decided.
    pub reasoning: String,
    /// Factor on the scheduled learning rate; one leaves it.
    #[schemars(extend("x-bound" = "lr_multiplier"))]
    pub lr_multiplier: f64,
    /// Factor on the entropy bonus; one leaves it.
    #[schemars(extend("x-bound" = "entropy_multiplier"))]
    pub entropy_multiplier: f64,
    /// Factor on the batch size; one leaves it.
    #[schemars(extend("x-bound" = "batch_multiplier"))]
    pub batch_multiplier: f64,
    /// For or against; abstain when there is nothing to change.
    pub vote: Ballot,
    /// How sure you are of this answer.
    #[schemars(extend("x-bound" = "confidence"))]
    pub confidence: f64,
}

/// The agent.
#[derive(Debug)]
pub struct HyperparameterTuner;

impl Agent for HyperparameterTuner {
    type Brief = TrainingBrief;
    type Answer = Answer;
    const ROLE: Role = Role {
        name: "hyperparameter_tuner",
        title: "Hyperparameter Tuner",
        team: Team::Training,
        authority: Authority::Advise,
        tier: Tier::Sonnet,
        purpose: "Scales the learning rate, the entropy bonus and the batch size of a run.",
    };
    const CADENCE: Cadence = Cadence::EveryCycles(5);

    fn instructions(limits: &Limits) -> String {
        let bounds = &limits.bounds;
        format!(
            "Say what should be scaled before the next validation. Factors multiply what is \
             scheduled and what was applied before (`multipliers`); the product stays within the \
             same bounds.\n\
             - `lr_multiplier` is clamped to {lr_min} .. {lr_max}, `entropy_multiplier` to {e_min} \
             .. {e_max}, `batch_multiplier` to {b_min} .. {b_max}; one leaves a lever alone.\n\
             - Entropy is never lowered before {half} of the run.\n\
             - `vote`: for when you change something, abstain when not. When `proposal` is not \
             empty, vote on it: against what would do harm; your factors are then ignored.\n\
             - A yardstick: learning rate × {down} at a KL above {fast} targets, × {up} below \
             {slow} targets when fitness is flat over {over} validations; entropy × {e_up} below \
             {low} of its maximum; batch × {b_up} when explained variance is negative.",
            lr_min = bounds.lr_multiplier.min(),
            lr_max = bounds.lr_multiplier.max(),
            e_min = bounds.entropy_multiplier.min(),
            e_max = bounds.entropy_multiplier.max(),
            b_min = bounds.batch_multiplier.min(),
            b_max = bounds.batch_multiplier.max(),
            half = ENTROPY_DOWN_FROM,
            down = LR_DOWN,
            fast = KL_FAST,
            up = LR_UP,
            slow = KL_SLOW,
            over = FLAT_OVER,
            e_up = ENTROPY_UP,
            low = ENTROPY_LOW,
            b_up = BATCH_UP,
        )
    }

    fn rules(brief: &TrainingBrief, _limits: &Limits) -> Answer {
        let (lr, entropy, batch) = factors(brief);
        let update = &brief.update;
        let figures = format!(
            "kl {} of target {:.3}, entropy {}, explained variance {}",
            shown(update.kl),
            update.kl_target.get(),
            shown(update.entropy),
            shown(update.explained_variance)
        );
        let changes = [lr, entropy, batch].iter().filter(|factor| differs(**factor)).count();
        let (vote, why) = if !brief.is_vote() {
            (ballot_for(changes > 0), format!("{changes} of three levers move"))
        } else if let Some(why) = reason_against(brief).or_else(|| contradiction(brief)) {
            (Ballot::Against, why)
        } else {
            (Ballot::For, "nothing speaks against the proposal".to_owned())
        };
        Answer {
            reasoning: format!("{why}: {figures}"),
            lr_multiplier: lr,
            entropy_multiplier: entropy,
            batch_multiplier: batch,
            vote,
            // An update that leaves several figures beyond their marks is a clearer case.
            confidence: if changes > 1 { 0.8 } else { 0.65 },
        }
    }

    fn admit(
        answer: Answer,
        brief: &TrainingBrief,
        limits: &Limits,
    ) -> Result<Advice, ConsultError> {
        let mut draft = Draft::new(limits);
        let bounds = &limits.bounds;
        let now = &brief.multipliers;
        let mut entropy_bounds = within_total(&bounds.entropy_multiplier, now.entropy)?;
        if brief.progress.get() < ENTROPY_DOWN_FROM && entropy_bounds.max() >= 1.0 {
            entropy_bounds = entropy_bounds.narrowed(1.0, entropy_bounds.max())?;
        }
        let lr_bounds = within_total(&bounds.lr_multiplier, now.learning_rate)?;
        let batch_bounds = within_total(&bounds.batch_multiplier, now.batch)?;
        let mut ask = |bounds: &Bounds, raw: f64, lever: fn(Bounded) -> Lever| {
            let value = draft.admit(bounds, raw)?;
            if !brief.is_vote() && differs(value.get()) {
                draft.ask(lever(value));
            }
            Ok::<(), ConsultError>(())
        };
        ask(&lr_bounds, answer.lr_multiplier, |value| Lever::LearningRate { value })?;
        ask(&entropy_bounds, answer.entropy_multiplier, |value| Lever::Entropy { value })?;
        ask(&batch_bounds, answer.batch_multiplier, |value| Lever::BatchSize { value })?;
        draft.finish(&Self::ROLE, answer.vote.into(), answer.confidence, &answer.reasoning)
    }
}

fn differs(factor: f64) -> bool {
    (factor - 1.0).abs() > UNTOUCHED
}

/// The factors by the rules: learning rate, entropy, batch.
fn factors(brief: &TrainingBrief) -> (f64, f64, f64) {
    let update = &brief.update;
    let target = update.kl_target.get();
    let learning_rate = match update.kl {
        Some(kl) if kl.get() > KL_FAST * target => LR_DOWN,
        Some(kl) if kl.get() < KL_SLOW * target && is_flat(brief) => LR_UP,
        _ => 1.0,
    };
    let widest = f64::from(update.actions).ln();
    let share = update.entropy.filter(|_| update.actions > 1).map(|entropy| entropy.get() / widest);
    let entropy = match share {
        Some(share) if share < ENTROPY_LOW => ENTROPY_UP,
        Some(share) if share > ENTROPY_HIGH && brief.progress.get() >= ENTROPY_DOWN_FROM => {
            ENTROPY_DOWN
        }
        _ => 1.0,
    };
    let is_worse = update.explained_variance.is_some_and(|explained| explained < Ratio::ZERO);
    (learning_rate, entropy, if is_worse { BATCH_UP } else { 1.0 })
}

fn is_flat(brief: &TrainingBrief) -> bool {
    let Some(start) = brief.validations.len().checked_sub(FLAT_OVER) else { return false };
    let fitness = brief.validations[start..].iter().map(|validation| validation.fitness.get());
    let (low, high) =
        fitness.fold((f64::MAX, f64::MIN), |(low, high), value| (low.min(value), high.max(value)));
    high - low <= FLAT_RANGE
}

/// A factor of the proposal that points the other way than the rules, if any.
fn contradiction(brief: &TrainingBrief) -> Option<String> {
    let (lr, entropy, batch) = factors(brief);
    brief.proposal.iter().find_map(|proposed| {
        let (ours, theirs) = match &proposed.lever {
            TrainingLever::LearningRate { value } => (lr, value.get()),
            TrainingLever::Entropy { value } => (entropy, value.get()),
            TrainingLever::BatchSize { value } => (batch, value.get()),
            _ => return None,
        };
        let opposed = (ours - 1.0) * (theirs - 1.0) < 0.0;
        opposed.then(|| format!("{} × {theirs} where × {ours} is due", proposed.lever.name()))
    })
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::runtime::agent::Entry;
    use crate::runtime::tests::answer_cases::{
        admits_only_bounded_numbers, read, refuses_what_is_no_answer,
    };
    use crate::training::sample;

    /// A run, its KL, entropy and explained variance, and the factors that are due.
    type Case<'a> = (&'a TrainingBrief, Option<f64>, Option<f64>, Option<f64>, [f64; 3]);

    fn good() -> Value {
        json!({"reasoning": "kl is high", "lr_multiplier": 0.8, "entropy_multiplier": 1.1,
               "batch_multiplier": 1.0, "vote": "for", "confidence": 0.7})
    }

    /// The levers of an advice as text.
    fn levers(answer: &Value, brief: &TrainingBrief) -> Vec<String> {
        let entry = Entry::of::<HyperparameterTuner>();
        let advice = read(&entry, &answer.to_string(), brief, &Limits::default()).unwrap();
        let short = |lever: &Lever| match lever {
            Lever::LearningRate { value } => format!("lr {:.3}", value.get()),
            Lever::Entropy { value } => format!("entropy {:.3}", value.get()),
            Lever::BatchSize { value } => format!("batch {:.3}", value.get()),
            other => panic!("{other:?}"),
        };
        advice.levers.iter().map(short).collect()
    }

    #[track_caller]
    fn check(changes: &Value, expected: &[&str]) {
        let mut answer = good();
        for (name, value) in changes.as_object().unwrap() {
            answer[name] = value.clone();
        }
        // The example's multipliers stand at 0.7, 1.2 and 1.
        assert_eq!(levers(&answer, &sample::proposing()), expected, "{answer}");
    }

    #[test]
    fn an_answer_is_read_and_clamped_in_step_and_in_total() {
        check(&json!({}), &["lr 0.800", "entropy 1.100"]);
        check(&json!({"lr_multiplier": 9}), &["lr 2.000", "entropy 1.100"]);
        check(&json!({"lr_multiplier": 0.001}), &["lr 0.143", "entropy 1.100"]);
        check(&json!({"entropy_multiplier": 50}), &["lr 0.800", "entropy 4.167"]);
        check(&json!({"entropy_multiplier": 0.5}), &["lr 0.800"]); // not before half the run
        check(
            &json!({"batch_multiplier": 2.5, "lr_multiplier": 1}),
            &["entropy 1.100", "batch 2.000"],
        );
        assert!(levers(&good(), &sample::voting()).is_empty(), "a vote moves nothing");
    }

    #[test]
    fn what_is_no_answer_is_refused() {
        let entry = Entry::of::<HyperparameterTuner>();
        refuses_what_is_no_answer(&entry, &good(), &sample::proposing());
    }

    /// B-1: every number that leaves the agent is finite and within its bounds.
    #[test]
    fn any_float_is_bounded_or_refused() {
        let brief = sample::proposing();
        let puts: [fn(&mut Answer, f64); 3] = [
            |answer, raw| answer.lr_multiplier = raw,
            |answer, raw| answer.entropy_multiplier = raw,
            |answer, raw| answer.batch_multiplier = raw,
        ];
        for put in puts {
            admits_only_bounded_numbers::<HyperparameterTuner>(&good(), &brief, put);
        }
    }

    #[test]
    fn the_rules_are_the_formula() {
        let base = sample::proposing(); // target 0.015, 8 actions: ln 8 = 2.079
        let flat = sample::with_fitness(&base, &[0.1, 0.300, 0.305, 0.302]);
        let cases: [Case; 7] = [
            (&base, Some(0.015), Some(1.0), Some(0.4), [1.0, 1.0, 1.0]),
            (&base, Some(0.031), Some(1.0), Some(0.4), [0.7, 1.0, 1.0]),
            (&base, Some(0.004), Some(1.0), Some(0.4), [1.0, 1.0, 1.0]), // fitness rises
            (&flat, Some(0.004), Some(1.0), Some(0.4), [1.3, 1.0, 1.0]),
            (&base, Some(0.015), Some(0.20), Some(0.4), [1.0, 1.2, 1.0]),
            (&base, Some(0.015), Some(2.0), Some(-0.01), [1.0, 1.0, 2.0]), // before half the run
            (&base, None, None, None, [1.0, 1.0, 1.0]),
        ];
        for (brief, kl, entropy, explained, expected) in cases {
            let mut brief = brief.clone();
            brief.update.kl = kl.map(Ratio::of);
            brief.update.entropy = entropy.map(Ratio::of);
            brief.update.explained_variance = explained.map(Ratio::of);
            let (lr, entropy, batch) = factors(&brief);
            for (got, expected) in [lr, entropy, batch].into_iter().zip(expected) {
                assert!((got - expected).abs() < 1e-12, "{:?}", brief.update);
            }
        }
        let mut late = base;
        late.progress = Ratio::of(0.5);
        late.update.entropy = Some(Ratio::of(2.0));
        assert!((factors(&late).1 - 0.8).abs() < 1e-12);
    }

    #[test]
    fn it_votes_against_what_its_rules_contradict() {
        let mut brief = sample::voting(); // entropy × 1.2 and a checkpoint
        let rules = |brief: &TrainingBrief| HyperparameterTuner::rules(brief, &Limits::default());
        assert_eq!(rules(&brief).vote, Ballot::For);
        brief.progress = Ratio::of(0.8);
        brief.update.entropy = Some(Ratio::of(2.0));
        assert_eq!(rules(&brief).vote, Ballot::Against);
    }
}
