//! Reward Engineer: HOLD bias, reward collapse, and small changes of reward weights.
//!
//! Team training, authority advise. Answers changes of weights (each ±0.05 a call, ±0.15 in a run,
//! no weight below 0.01), and continue, checkpoint or halt.
//!
//! Rules: HOLD > 70 % → slippage −0.02, pnl +0.03; HOLD < 15 % → slippage +0.03; differential Sharpe's
//! effective share above pnl's → differential Sharpe −0.03; direction accuracy < 0.40 → direction
//! +0.03; standard deviation of the reward < 1e-6 → collapse: checkpoint and advise halt. A figure
//! that is undefined moves nothing.
//!
//! Weights move only after two declining validations or a fall of 30 % from the peak. What is asked
//! for is clamped part by part; then all parts give way in proportion to their weights, each within
//! its own interval, until the weights sum to one again: the levers are these balanced changes.
//!
//! Vote: for its own levers, abstain without any. On a proposal: against a critical lever without its
//! declines, or a change of weights when none is due; else for.

use std::collections::BTreeMap;

use conclave_domain::advice::{Advice, Lever};
use conclave_domain::bounds::{Bounds, BoundsError};
use conclave_domain::brief::training::{
    HOLD, PART_DIRECTION, PART_PNL, PART_SHARPE, PART_SLIPPAGE, RewardPart, TrainingBrief,
    TrainingLever,
};
use conclave_domain::limits::Limits;
use conclave_domain::ratio::Ratio;
use conclave_domain::role::{Authority, Role, Team, Tier};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    REWARD_DECLINES, REWARD_FALL, ballot_for, braked, reason_against, reward_may_move, with_remarks,
};
use crate::runtime::agent::{Agent, Cadence, ConsultError};
use crate::runtime::answer::{Ballot, Draft, percent, shown};
use crate::runtime::balance::{Row, balanced};

/// A HOLD share above this is a bias.
const HOLD_HIGH: f64 = 0.70;
/// A HOLD share below this is churn.
const HOLD_LOW: f64 = 0.15;
/// Direction accuracy below this is worse than a coin by far.
const ACCURACY_LOW: f64 = 0.40;
/// A reward that varies less than this teaches nothing.
const COLLAPSED_STD: f64 = 1e-6;
/// The usual step of a weight.
const STEP: f64 = 0.03;
/// The smaller step by which slippage gives way.
const SMALL_STEP: f64 = 0.02;
/// No weight falls below this.
const WEIGHT_FLOOR: f64 = 0.01;
/// Changes smaller than this are none.
const UNTOUCHED: f64 = 1e-9;

/// What to do with the run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Action {
    /// Go on.
    Continue,
    /// Save a checkpoint and go on.
    Checkpoint,
    /// Save a checkpoint and end the run.
    Halt,
}

/// The change of one weight.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Change {
    /// The reward part's name, as in the brief.
    pub part: String,
    /// The change of its weight.
    #[schemars(extend("x-bound" = "reward_weight_delta"))]
    pub delta: f64,
}

/// The raw answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Answer {
    /// One sentence with the figures that decided.
    pub reasoning: String,
    /// Changes of weights; an empty list leaves them.
    pub changes: Vec<Change>,
    /// What to do with the run.
    pub action: Action,
    /// For or against; abstain when there is nothing to do.
    pub vote: Ballot,
    /// How sure you are of this answer.
    #[schemars(extend("x-bound" = "confidence"))]
    pub confidence: f64,
}

/// The agent.
#[derive(Debug)]
pub struct RewardEngineer;

impl Agent for RewardEngineer {
    type Brief = TrainingBrief;
    type Answer = Answer;
    const ROLE: Role = Role {
        name: "reward_engineer",
        title: "Reward Engineer",
        team: Team::Training,
        authority: Authority::Advise,
        tier: Tier::Sonnet,
        purpose: "Finds HOLD bias and reward collapse, and moves reward weights a little.",
    };
    const CADENCE: Cadence = Cadence::EveryCycles(10);

    fn instructions(limits: &Limits) -> String {
        let (call, run) = (&limits.bounds.reward_weight_delta, &limits.bounds.reward_weight_total);
        format!(
            "Look for HOLD bias, churn, a part that dominates by its effective share, and a reward \
             that no longer varies.\n\
             - `changes`: parts by their names in the brief. Each `delta` is clamped to {call_min} \
             .. {call_max} a call and {run_min} .. {run_max} in a run; no weight falls below \
             {floor}; the weights are balanced to sum to one. They move only after {declines} \
             declining validations or a fall of {fall} from the peak.\n\
             - `action`: CONTINUE, CHECKPOINT, or HALT for a collapsed reward.\n\
             - `vote`: for when you ask for something, abstain when not. When `proposal` is not \
             empty, vote on it; your changes are then ignored.\n\
             - A yardstick: HOLD above {hold_high}: slippage −{small}, pnl +{step}; HOLD below \
             {hold_low}: slippage +{step}; differential_sharpe with a larger effective share than \
             pnl: −{step}; direction accuracy below {accuracy}: direction +{step}; a standard \
             deviation of the reward below {collapsed}: HALT.",
            call_min = call.min(),
            call_max = call.max(),
            run_min = run.min(),
            run_max = run.max(),
            floor = WEIGHT_FLOOR,
            declines = REWARD_DECLINES,
            fall = percent(REWARD_FALL),
            hold_high = percent(HOLD_HIGH),
            hold_low = percent(HOLD_LOW),
            small = SMALL_STEP,
            step = STEP,
            accuracy = ACCURACY_LOW,
            collapsed = COLLAPSED_STD,
        )
    }

    fn rules(brief: &TrainingBrief, _limits: &Limits) -> Answer {
        let changes = wanted(brief);
        let has_collapsed =
            brief.update.reward_std.is_some_and(|deviation| deviation.get() < COLLAPSED_STD);
        let asks = has_collapsed || (!changes.is_empty() && reward_may_move(brief));
        let against = reason_against(brief).or_else(|| idle_change(brief));
        let vote = match (brief.is_vote(), &against) {
            (false, _) => ballot_for(asks),
            (true, Some(_)) => Ballot::Against,
            (true, None) => Ballot::For,
        };
        let why = against.map(|why| format!("{why}; ")).unwrap_or_default();
        let last = brief.last();
        Answer {
            reasoning: format!(
                "{why}hold share {}, direction accuracy {}, reward deviation {}, {} changes wanted",
                shown(last.and_then(|last| last.action_shares.get(HOLD).copied())),
                shown(last.and_then(|last| last.direction_accuracy)),
                brief
                    .update
                    .reward_std
                    .map_or("unknown".to_owned(), |std| format!("{:e}", std.get())),
                changes.len()
            ),
            changes,
            action: if has_collapsed { Action::Halt } else { Action::Continue },
            vote,
            confidence: if has_collapsed { 0.95 } else { 0.65 },
        }
    }

    fn admit(
        answer: Answer,
        brief: &TrainingBrief,
        limits: &Limits,
    ) -> Result<Advice, ConsultError> {
        let mut draft = Draft::new(limits);
        let mut remarks = Vec::new();
        let wanted = admit_changes(&answer.changes, brief, limits, &mut draft)?;
        let moves = wanted.values().any(|delta| delta.abs() > UNTOUCHED);
        if brief.is_vote() {
            // A vote moves nothing.
        } else if moves && !reward_may_move(brief) {
            remarks.push("weights stay: too few declining validations".to_owned());
        } else if moves {
            for (part, delta) in balance(&wanted, brief, limits)? {
                let bounds = interval(part, limits)?;
                let delta = bounds.admit(delta, &mut Vec::new())?;
                if delta.get().abs() > UNTOUCHED {
                    draft.ask(Lever::RewardWeight { part: part.name.clone(), delta });
                }
            }
        }
        if answer.action != Action::Continue && !brief.is_vote() {
            draft.ask(Lever::Checkpoint);
            if answer.action == Action::Halt {
                let (lever, remark) = braked(Lever::HaltTraining, brief);
                remarks.extend(remark);
                if lever == Lever::HaltTraining {
                    draft.ask(lever);
                }
            }
        }
        let reasoning = with_remarks(&answer.reasoning, &remarks);
        draft.finish(&Self::ROLE, answer.vote.into(), answer.confidence, &reasoning)
    }
}

/// The changes that the rules call for; several reasons for one part add up.
fn wanted(brief: &TrainingBrief) -> Vec<Change> {
    let part = |name: &str| brief.reward_parts.iter().find(|part| part.name == name);
    let mut sums: BTreeMap<&str, f64> = BTreeMap::new();
    let mut want = |name: &'static str, delta: f64| {
        if part(name).is_some() {
            *sums.entry(name).or_default() += delta;
        }
    };
    let last = brief.last();
    match last.and_then(|last| last.action_shares.get(HOLD)).map(|share| share.get()) {
        Some(hold) if hold > HOLD_HIGH => {
            want(PART_SLIPPAGE, -SMALL_STEP);
            want(PART_PNL, STEP);
        }
        Some(hold) if hold < HOLD_LOW => want(PART_SLIPPAGE, STEP),
        _ => {}
    }
    if let (Some(sharpe), Some(pnl)) = (part(PART_SHARPE), part(PART_PNL))
        && sharpe.effective_share > pnl.effective_share
    {
        want(PART_SHARPE, -STEP);
    }
    let accuracy = last.and_then(|last| last.direction_accuracy);
    if accuracy.is_some_and(|accuracy| accuracy.get() < ACCURACY_LOW) {
        want(PART_DIRECTION, STEP);
    }
    sums.into_iter().map(|(part, delta)| Change { part: part.to_owned(), delta }).collect()
}

/// A change of weights in the proposal at a time when none is due.
fn idle_change(brief: &TrainingBrief) -> Option<String> {
    let moves_weights = |lever: &TrainingLever| matches!(lever, TrainingLever::RewardWeight { .. });
    let has_one = brief.proposal.iter().any(|proposed| moves_weights(&proposed.lever));
    (has_one && !reward_may_move(brief))
        .then(|| format!("a change of weights after {} declines", brief.declines()))
}

/// The interval in which the change of one part must lie: per call, in total, and above the floor.
fn interval(part: &RewardPart, limits: &Limits) -> Result<Bounds, BoundsError> {
    let (call, run) = (&limits.bounds.reward_weight_delta, &limits.bounds.reward_weight_total);
    let so_far = part.cumulative_change.get().max(run.min()).min(run.max());
    // A part that lies below the floor already is not forced up, only never pushed down further.
    let to_floor = (WEIGHT_FLOOR - part.weight.get()).min(0.0);
    let max = (run.max() - so_far).min(call.max());
    let min = (run.min() - so_far).max(call.min()).max(to_floor).min(max);
    call.narrowed(min, max)
}

/// What was asked for, clamped part by part.
fn admit_changes(
    changes: &[Change],
    brief: &TrainingBrief,
    limits: &Limits,
    draft: &mut Draft<'_>,
) -> Result<BTreeMap<String, f64>, ConsultError> {
    let mut wanted = BTreeMap::new();
    for Change { part, delta } in changes {
        let known = brief.reward_parts.iter().find(|known| known.name == *part);
        let unreadable = |what: &str| {
            let name: String = part.chars().take(40).collect();
            ConsultError::Unreadable { why: format!("{what} `{name}`") }
        };
        let known = known.ok_or_else(|| unreadable("there is no reward part"))?;
        let delta = draft.admit(&interval(known, limits)?, *delta)?;
        if wanted.insert(part.clone(), delta.get()).is_some() {
            return Err(unreadable("two changes of the reward part"));
        }
    }
    Ok(wanted)
}

/// The wanted changes with all parts giving way, so that the weights sum to one.
fn balance<'a>(
    wanted: &BTreeMap<String, f64>,
    brief: &'a TrainingBrief,
    limits: &Limits,
) -> Result<Vec<(&'a RewardPart, f64)>, BoundsError> {
    let row = |part: &RewardPart| {
        let want = wanted.get(&part.name).copied().unwrap_or_default();
        Ok(Row { weight: part.weight.get(), want, bounds: interval(part, limits)? })
    };
    let rows = brief.reward_parts.iter().map(row).collect::<Result<Vec<_>, BoundsError>>()?;
    Ok(brief.reward_parts.iter().zip(balanced(&rows)).collect())
}

/// The weights after an advice's changes, by part: what the run would go on with.
pub fn weights_after(brief: &TrainingBrief, advice: &Advice) -> BTreeMap<String, Ratio> {
    let change = |name: &str| {
        advice.levers.iter().find_map(|lever| match lever {
            Lever::RewardWeight { part, delta } if part == name => Some(delta.get()),
            _ => None,
        })
    };
    let after = |part: &RewardPart| part.weight.get() + change(&part.name).unwrap_or_default();
    let parts = brief.reward_parts.iter();
    parts.map(|part| (part.name.clone(), Ratio::or_zero(after(part)))).collect()
}

#[cfg(test)]
mod tests;
