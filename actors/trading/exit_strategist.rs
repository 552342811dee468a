//! Exit Strategist: where an entry's stop and target stand, and when an open position should be left.
//!
//! Team trading, authority advise. Answers `stop_distance` and `target_distance` (fractions of the
//! entry price) and hold or exit now.
//!
//! Rules: stop 2.5·ATR; target = stop × (1.5 + adx ÷ 50). An open position is left when the regime
//! turned against it with P > 0.6 (for longs a falling market and a crash together), at 3 R or more
//! with the 5-bar momentum turned or unknown, or after 20 bars below +0.5 R. Break-even and trailing
//! are rules of the engine (`domain/exits`) that hold beside this agent.
//!
//! Vote on an entry: reward:risk ≥ 1.5 and stop ≤ 10 % on the terms that would be used, for; else
//! against. Without an ATR no stop can be set: against, on the tightest terms there are. An unknown
//! ADX counts as no trend, the least target. Vote on a position: for = leave now, against = stay;
//! without a position, or without an ATR to set a stop by, abstain.

use conclave_domain::advice::{Advice, Lever};
use conclave_domain::bounds::Bounds;
use conclave_domain::brief::trading::{OpenPosition, Question, TradingBrief};
use conclave_domain::limits::Limits;
use conclave_domain::role::{Authority, Role, Team, Tier};
use conclave_domain::signal::Direction;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::runtime::agent::{Agent, Cadence, ConsultError};
use crate::runtime::answer::{Ballot, Draft, percent, shown};

/// Average true ranges between entry and stop.
const STOP_ATRS: f64 = 2.5;
/// Reward for risk in a market without trend, and the least that is worth an entry.
const REWARD_TO_RISK_MIN: f64 = 1.5;
/// ADX points that add one unit of reward for risk.
const ADX_PER_REWARD: f64 = 50.0;
/// The widest stop that is worth an entry, fraction of the price.
const STOP_MAX: f64 = 0.10;
/// Probability from which a regime has turned against a position.
const REGIME_TURNED: f64 = 0.60;
/// Units of risk from which a gain is taken when momentum turns.
const GAIN_TAKEN_R: f64 = 3.0;
/// Bars after which a position must have come somewhere.
const PATIENCE_BARS: u32 = 20;
/// Units of risk that a position must have gained by then.
const PATIENCE_R: f64 = 0.5;

/// What to do with an open position.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Action {
    /// Stay, with the stop and target of this answer.
    Hold,
    /// Leave at once.
    ExitNow,
}

/// The raw answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Answer {
    /// One sentence with the figures that decided.
    pub reasoning: String,
    /// Distance of the stop from the entry, fraction of the price.
    #[schemars(extend("x-bound" = "stop_distance"))]
    pub stop_distance: f64,
    /// Distance of the take-profit from the entry, fraction of the price.
    #[schemars(extend("x-bound" = "target_distance"))]
    pub target_distance: f64,
    /// What to do with an open position; HOLD for an entry.
    pub action: Action,
    /// On an entry: for or against it. On a position: for leaves it, against stays.
    pub vote: Ballot,
    /// How sure you are of this answer.
    #[schemars(extend("x-bound" = "confidence"))]
    pub confidence: f64,
}

/// The agent.
#[derive(Debug)]
pub struct ExitStrategist;

impl Agent for ExitStrategist {
    type Brief = TradingBrief;
    type Answer = Answer;
    const ROLE: Role = Role {
        name: "exit_strategist",
        title: "Exit Strategist",
        team: Team::Trading,
        authority: Authority::Advise,
        tier: Tier::Sonnet,
        purpose: "Sets an entry's stop and target, and says when an open position should be left.",
    };
    const CADENCE: Cadence = Cadence::EntriesAndPositions;

    fn instructions(limits: &Limits) -> String {
        let (stop, target) = (&limits.bounds.stop_distance, &limits.bounds.target_distance);
        format!(
            "When the question is an entry, say where its stop and target stand and whether it is \
             worth taking; when it is a position, say whether to stay or to leave.\n\
             - `stop_distance`, fraction of the entry price, is clamped to {stop_min} .. {stop_max}.\n\
             - `target_distance`, fraction of the entry price, is clamped to {target_min} .. \
             {target_max}.\n\
             - `action`: HOLD, or EXIT_NOW for an open position.\n\
             - `vote` on an entry: against when reward to risk is below {reward} or the stop is \
             wider than {widest}. `vote` on a position: for leaves it, against stays.\n\
             - A yardstick: stop {atrs} ATR; target the stop times ({reward} + ADX ÷ {adx}); leave \
             when the regime turned against the position with a probability above {turned}, at \
             {gain} R or more with momentum turning, or after {bars} bars below {patience} R.",
            stop_min = percent(stop.min()),
            stop_max = percent(stop.max()),
            target_min = percent(target.min()),
            target_max = percent(target.max()),
            reward = REWARD_TO_RISK_MIN,
            widest = percent(STOP_MAX),
            atrs = STOP_ATRS,
            adx = ADX_PER_REWARD,
            turned = REGIME_TURNED,
            gain = GAIN_TAKEN_R,
            bars = PATIENCE_BARS,
            patience = PATIENCE_R,
        )
    }

    fn rules(brief: &TradingBrief, limits: &Limits) -> Answer {
        let adx = brief.features.adx14.map_or(0.0, |adx| adx.get().max(0.0));
        let reward = REWARD_TO_RISK_MIN + adx / ADX_PER_REWARD;
        let atr = brief.features.atr14_pct;
        let tightest = limits.bounds.stop_distance.min();
        let stop = atr.map_or(tightest, |atr| STOP_ATRS * atr.get());
        let terms = Answer {
            reasoning: String::new(),
            stop_distance: stop,
            target_distance: stop * reward,
            action: Action::Hold,
            vote: Ballot::Against,
            confidence: 0.5,
        };
        match (brief.question, &brief.open_position) {
            (Question::Entry, _) => rules_for_entry(brief, limits, &terms),
            (Question::Position, Some(position)) => rules_for_position(brief, position, &terms),
            (Question::Position, None) => Answer {
                reasoning: "there is no open position to judge".to_owned(),
                vote: Ballot::Abstain,
                ..terms
            },
        }
    }

    fn admit(
        answer: Answer,
        brief: &TradingBrief,
        limits: &Limits,
    ) -> Result<Advice, ConsultError> {
        let mut draft = Draft::new(limits);
        let stop = draft.admit(&limits.bounds.stop_distance, answer.stop_distance)?;
        let target = draft.admit(&limits.bounds.target_distance, answer.target_distance)?;
        let leaves = answer.action == Action::ExitNow;
        let vote = match brief.question {
            // Who would leave at once does not want to enter.
            Question::Entry if leaves => Ballot::Against,
            // The action is what is done; a vote that contradicts it follows it.
            Question::Position if leaves && brief.open_position.is_some() => Ballot::For,
            Question::Position if answer.vote == Ballot::For => Ballot::Against,
            _ => answer.vote,
        };
        if brief.question == Question::Position && vote == Ballot::For {
            draft.ask(Lever::ExitNow);
        } else {
            draft.ask(Lever::StopDistance { value: stop });
            draft.ask(Lever::TargetDistance { value: target });
        }
        draft.finish(&Self::ROLE, vote.into(), answer.confidence, &answer.reasoning)
    }
}

/// A raw number as the clamp would leave it, to judge the terms that would be used.
fn as_used(bounds: &Bounds, raw: f64) -> f64 {
    raw.max(bounds.min()).min(bounds.max())
}

fn rules_for_entry(brief: &TradingBrief, limits: &Limits, terms: &Answer) -> Answer {
    let Some(atr) = brief.features.atr14_pct else {
        let reasoning = "the average true range is unknown, so no stop can be set".to_owned();
        return Answer { reasoning, ..terms.clone() };
    };
    let stop = as_used(&limits.bounds.stop_distance, terms.stop_distance);
    let target = as_used(&limits.bounds.target_distance, terms.target_distance);
    let reward_to_risk = target / stop;
    let is_narrow = stop <= STOP_MAX;
    // The product of the target is rounded once; a hair below the limit is the limit.
    let is_worth_it = reward_to_risk >= REWARD_TO_RISK_MIN - 1e-9;
    let is_for = is_narrow && is_worth_it;
    Answer {
        reasoning: format!(
            "stop {stop:.4} at {STOP_ATRS} × ATR {:.4}, target {target:.4}, reward to risk \
             {reward_to_risk:.2}, adx {}",
            atr.get(),
            shown(brief.features.adx14)
        ),
        vote: if is_for { Ballot::For } else { Ballot::Against },
        // A clearer trend makes the target likelier; a stop too wide is a fact.
        confidence: if is_for { 0.5 + (reward_to_risk - REWARD_TO_RISK_MIN) / 2.0 } else { 0.9 },
        ..terms.clone()
    }
}

fn rules_for_position(brief: &TradingBrief, position: &OpenPosition, terms: &Answer) -> Answer {
    let against = match position.direction {
        Direction::Long => brief.regime.bear.get() + brief.regime.crash.get(),
        Direction::Short => brief.regime.bull.get(),
    };
    let gained_r = position.r_multiple.get();
    let momentum = brief.features.ret_5.map(|ret| ret.get() * position.direction.sign());
    let has_turned = momentum.is_none_or(|momentum| momentum < 0.0);
    let figures = format!(
        "at {gained_r:.2} R after {} bars, regime against {against:.3}, 5-bar return {}",
        position.bars_held,
        shown(brief.features.ret_5)
    );
    let leave = |why: &str, confidence: f64| Answer {
        reasoning: format!("{why}: {figures}"),
        action: Action::ExitNow,
        vote: Ballot::For,
        confidence,
        ..terms.clone()
    };
    if against > REGIME_TURNED {
        leave("the regime turned", against)
    } else if gained_r >= GAIN_TAKEN_R && has_turned {
        leave("the gain is taken", 0.7)
    } else if position.bars_held >= PATIENCE_BARS && gained_r < PATIENCE_R {
        leave("the position came nowhere", 0.6)
    } else {
        let has_stop = brief.features.atr14_pct.is_some();
        let vote = if has_stop { Ballot::Against } else { Ballot::Abstain };
        let reasoning = format!("nothing speaks for leaving: {figures}");
        Answer { reasoning, vote, confidence: 1.0 - against / 2.0, ..terms.clone() }
    }
}

#[cfg(test)]
mod tests;
