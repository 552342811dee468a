//! Risk Analyst: overfitting, drawdown and stability of a run, and a veto on its levers.
//!
//! Team training, authority advise and veto. Answers continue, review, checkpoint, rollback or halt,
//! and objections to a proposal.
//!
//! Rules: training reward up while fitness falls, three validations in a row → rollback, two →
//! checkpoint; drawdown > 25 % → checkpoint; the last two changes of fitness in opposite directions
//! and each > 10 % → review. Vetoes, in the vote on a proposal and whatever the brain says: a lever
//! whose last use failed its verification, and any change within the grace period. A checkpoint and
//! a pause protect, so they are never vetoed by rule.
//!
//! Vote: for its own levers, abstain without any. On a proposal: against a critical lever without
//! its declines; else for.

use conclave_domain::advice::{Advice, Figure, Lever, Objection, Stance, VetoKind};
use conclave_domain::brief::training::TrainingBrief;
use conclave_domain::code::Code;
use conclave_domain::limits::Limits;
use conclave_domain::ratio::Ratio;
use conclave_domain::role::{Authority, Role, Team, Tier};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    CRITICAL_DECLINES, HALT_FROM_PROGRESS, ballot_for, braked, reason_against, with_remarks,
};
use crate::runtime::agent::{Agent, Cadence, ConsultError};
use crate::runtime::answer::{Ballot, Draft, percent, plain};

/// Overfitting validations in a row after which the best checkpoint is better.
const OVERFITS_ROLLBACK: usize = 3;
/// Overfitting validations in a row after which the present state is worth keeping.
const OVERFITS_CHECKPOINT: usize = 2;
/// Drawdown from which the present state is worth keeping, fraction.
const DRAWDOWN_CHECKPOINT: f64 = 0.25;
/// A change of fitness beyond this, beside the level before it, is a swing.
const SWING: f64 = 0.10;

/// What to do with the run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Action {
    /// Go on.
    Continue,
    /// Go on; a person should look.
    Review,
    /// Save a checkpoint and go on.
    Checkpoint,
    /// Go back to the best checkpoint.
    Rollback,
    /// End the run.
    Halt,
}

/// The raw answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Answer {
    /// One sentence with the figures that decided.
    pub reasoning: String,
    /// What to do with the run.
    pub action: Action,
    /// Objections to the proposal, the gravest first; an empty list does not object.
    pub objections: Vec<String>,
    /// For or against; abstain when there is nothing to do.
    pub vote: Ballot,
    /// How sure you are of this answer.
    #[schemars(extend("x-bound" = "confidence"))]
    pub confidence: f64,
}

/// The agent.
#[derive(Debug)]
pub struct RiskAnalyst;

impl Agent for RiskAnalyst {
    type Brief = TrainingBrief;
    type Answer = Answer;
    const ROLE: Role = Role {
        name: "risk_analyst",
        title: "Risk Analyst",
        team: Team::Training,
        authority: Authority::AdviseAndVeto,
        tier: Tier::Sonnet,
        purpose: "Watches a run for overfitting, drawdown and instability; may veto its levers.",
    };
    const CADENCE: Cadence = Cadence::EveryCycles(3);

    fn instructions(_limits: &Limits) -> String {
        format!(
            "Judge the run's drawdown, stability and overfitting.\n\
             - `action`: CONTINUE, REVIEW (a person should look), CHECKPOINT, ROLLBACK or HALT. A \
             halt before {early} of the run becomes a checkpoint; a halt or a rollback without \
             {declines} declining validations too.\n\
             - `vote`: for when you ask for something, abstain when not. When `proposal` is not \
             empty, vote on it; your action is then ignored.\n\
             - `objections` veto the proposal; leave the list empty when you do not object. A lever \
             whose last use failed, and any change within the grace period, are vetoed by rule.\n\
             - A yardstick: training reward up while fitness falls, {checkpoint} in a row: \
             CHECKPOINT, {rollback}: ROLLBACK; drawdown above {drawdown}: CHECKPOINT; fitness \
             swinging by more than {swing}: REVIEW.",
            early = percent(HALT_FROM_PROGRESS),
            declines = CRITICAL_DECLINES,
            checkpoint = OVERFITS_CHECKPOINT,
            rollback = OVERFITS_ROLLBACK,
            drawdown = percent(DRAWDOWN_CHECKPOINT),
            swing = percent(SWING),
        )
    }

    fn rules(brief: &TrainingBrief, _limits: &Limits) -> Answer {
        let overfits = brief.overfits();
        let drawdown = brief.last().map_or(0.0, |last| last.drawdown.get());
        let action = if overfits >= OVERFITS_ROLLBACK {
            Action::Rollback
        } else if overfits >= OVERFITS_CHECKPOINT || drawdown > DRAWDOWN_CHECKPOINT {
            Action::Checkpoint
        } else if swings(brief) {
            Action::Review
        } else {
            Action::Continue
        };
        let asks = matches!(action, Action::Checkpoint | Action::Rollback | Action::Halt);
        let against = reason_against(brief);
        let vote = match (brief.is_vote(), &against) {
            (false, _) => ballot_for(asks),
            (true, Some(_)) => Ballot::Against,
            (true, None) => Ballot::For,
        };
        let why = against.map(|why| format!("{why}; ")).unwrap_or_default();
        Answer {
            reasoning: format!(
                "{why}{overfits} overfitting validations in a row, drawdown {drawdown:.3}, {} \
                 declines",
                brief.declines()
            ),
            action,
            objections: Vec::new(),
            vote,
            confidence: if overfits > 0 { 0.8 } else { 0.7 },
        }
    }

    fn admit(
        answer: Answer,
        brief: &TrainingBrief,
        limits: &Limits,
    ) -> Result<Advice, ConsultError> {
        let mut draft = Draft::new(limits);
        let mut remarks = Vec::new();
        let wish = match answer.action {
            Action::Continue | Action::Review => None,
            Action::Checkpoint => Some(Lever::Checkpoint),
            Action::Rollback => Some(Lever::Rollback),
            Action::Halt => Some(Lever::HaltTraining),
        };
        if let Some(wish) = wish.filter(|_| !brief.is_vote()) {
            let (lever, remark) = braked(wish, brief);
            draft.ask(lever);
            remarks.extend(remark);
        }
        if answer.action == Action::Review {
            remarks.push("a person should look".to_owned());
        }
        let reasoning = with_remarks(&answer.reasoning, &remarks);
        let mut objections = Vec::new();
        for text in &answer.objections {
            objections.push(plain(text).ok_or_else(|| ConsultError::Unreadable {
                why: "an objection has no text".to_owned(),
            })?);
        }
        let stance = if !brief.is_vote() {
            Stance::from(answer.vote)
        } else if let Some(objection) = objection_by_rule(brief) {
            Stance::Veto(objection)
        } else if let Some(text) = objections.into_iter().next() {
            let code = Code::TrainingJudgement;
            Stance::Veto(Objection { kind: VetoKind::Soft, code, text, figures: Vec::new() })
        } else {
            Stance::from(answer.vote)
        };
        draft.finish(&Self::ROLE, stance, answer.confidence, &reasoning)
    }
}

/// The veto that the ledger or the grace period calls for, whatever the brain says.
fn objection_by_rule(brief: &TrainingBrief) -> Option<Objection> {
    let mut changes = brief.proposal.iter().filter(|proposed| proposed.lever.is_change());
    let first = changes.clone().next()?;
    if let Some(failed) = changes.find(|proposed| brief.failed_last_time(&proposed.lever)) {
        let name = failed.lever.name();
        return Some(Objection {
            kind: VetoKind::Hard,
            code: Code::TrainingLeverFailed,
            text: format!("the last use of {name} failed its verification"),
            figures: Vec::new(),
        });
    }
    let left = brief.grace_cycles_left;
    (left > 0).then(|| Objection {
        kind: VetoKind::Hard,
        code: Code::TrainingGrace,
        text: format!("{} within the grace period, {left} cycles left", first.lever.name()),
        figures: vec![Figure {
            name: "grace_cycles_left".to_owned(),
            value: Ratio::or_zero(f64::from(left)),
            limit: Ratio::ZERO,
        }],
    })
}

/// Whether the last two changes of fitness went in opposite directions and both were large.
fn swings(brief: &TrainingBrief) -> bool {
    let [.., a, b, c] = &brief.validations[..] else { return false };
    let (a, b, c) = (a.fitness.get(), b.fitness.get(), c.fitness.get());
    let is_large = |from: f64, to: f64| (to - from).abs() > SWING * from.abs();
    (b - a) * (c - b) < 0.0 && is_large(a, b) && is_large(b, c)
}

#[cfg(test)]
mod tests {
    use conclave_domain::advice::Vote;
    use conclave_domain::brief::training::{LedgerOutcome, Proposed, TrainingLever};
    use serde_json::{Value, json};

    use super::*;
    use crate::runtime::agent::Entry;
    use crate::runtime::tests::answer_cases::{
        admits_only_bounded_numbers, read, refuses_what_is_no_answer,
    };
    use crate::training::sample;

    fn good() -> Value {
        json!({"reasoning": "it overfits", "action": "CHECKPOINT", "objections": [],
               "vote": "for", "confidence": 0.7})
    }

    fn admitted(changes: &Value, brief: &TrainingBrief) -> Advice {
        let mut answer = good();
        for (name, value) in changes.as_object().unwrap() {
            answer[name] = value.clone();
        }
        let entry = Entry::of::<RiskAnalyst>();
        read(&entry, &answer.to_string(), brief, &Limits::default()).unwrap()
    }

    #[track_caller]
    fn check(action: &str, fitness: &[f64], expected: &[Lever]) {
        let brief = sample::with_fitness(&sample::proposing(), fitness);
        let advice = admitted(&json!({"action": action}), &brief);
        assert_eq!(advice.levers, expected, "{action} {fitness:?}");
    }

    #[test]
    fn an_answer_is_read_and_braked() {
        let falling = [0.4, 0.3, 0.2, 0.1];
        check("CHECKPOINT", &falling, &[Lever::Checkpoint]);
        check("ROLLBACK", &falling, &[Lever::Rollback]);
        check("HALT", &falling, &[Lever::HaltTraining]);
        check("HALT", &falling[..3], &[Lever::Checkpoint]);
        check("REVIEW", &falling, &[]);
        check("CONTINUE", &falling, &[]);
    }

    #[test]
    fn what_is_no_answer_is_refused() {
        let entry = Entry::of::<RiskAnalyst>();
        refuses_what_is_no_answer(&entry, &good(), &sample::proposing());
        let mut blank = good();
        blank["objections"] = json!([" "]);
        let got = read(&entry, &blank.to_string(), &sample::proposing(), &Limits::default());
        assert!(matches!(got, Err(ConsultError::Unreadable { .. })), "{got:?}");
    }

    /// B-1: every number that leaves the agent is finite and within its bounds.
    #[test]
    fn any_float_is_bounded_or_refused() {
        let brief = sample::proposing();
        admits_only_bounded_numbers::<RiskAnalyst>(&good(), &brief, |answer, raw| {
            answer.confidence = raw;
        });
    }

    #[test]
    fn the_rules_are_the_table() {
        let base = sample::proposing();
        let rules = |brief: &TrainingBrief| RiskAnalyst::rules(brief, &Limits::default()).action;
        assert_eq!(rules(&base), Action::Continue);
        // training reward rises in every sample of `with_fitness`
        assert_eq!(rules(&sample::with_fitness(&base, &[0.4, 0.3, 0.2])), Action::Checkpoint);
        let three = sample::with_fitness(&base, &[0.4, 0.3, 0.2, 0.1]);
        assert_eq!(rules(&three), Action::Rollback);
        assert_eq!(rules(&sample::with_fitness(&base, &[0.30, 0.36, 0.30])), Action::Review);
        assert_eq!(rules(&sample::with_fitness(&base, &[0.30, 0.32, 0.30])), Action::Continue);
        let mut deep = base;
        deep.validations.last_mut().unwrap().drawdown = Ratio::of(0.26);
        assert_eq!(rules(&deep), Action::Checkpoint);
    }

    #[test]
    fn it_vetoes_what_failed_and_what_comes_too_soon_whatever_is_said() {
        let code = |brief: &TrainingBrief| match admitted(&json!({}), brief).stance {
            Stance::Veto(objection) => Some((objection.kind, objection.code)),
            Stance::Vote(vote) => {
                assert_eq!(vote, Vote::For);
                None
            }
            Stance::NoObjection => panic!("it votes"),
        };
        let mut brief = sample::voting();
        assert_eq!(code(&brief), None);
        brief.grace_cycles_left = 1;
        assert_eq!(code(&brief), Some((VetoKind::Hard, Code::TrainingGrace)));
        brief.proposal.retain(|proposed| !proposed.lever.is_change());
        assert_eq!(code(&brief), None, "a checkpoint is never vetoed by rule");
        brief.grace_cycles_left = 0;
        brief.ledger[0].outcome = LedgerOutcome::Failed;
        let lever = TrainingLever::LearningRate { value: Ratio::of(0.8) };
        brief.proposal.push(Proposed { by: "hyperparameter_tuner".to_owned(), lever });
        assert_eq!(code(&brief), Some((VetoKind::Hard, Code::TrainingLeverFailed)));
    }

    #[test]
    fn a_model_may_object_to_a_proposal_only() {
        let objects = json!({"objections": ["the window is too short"]});
        let advice = admitted(&objects, &sample::voting());
        assert!(matches!(advice.stance, Stance::Veto(o) if o.code == Code::TrainingJudgement
                && o.kind == VetoKind::Soft));
        let advice = admitted(&objects, &sample::proposing());
        assert_eq!(advice.stance, Stance::Vote(Vote::For));
    }
}
