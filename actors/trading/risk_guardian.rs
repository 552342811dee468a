//! Risk Guardian: no objection, or a veto.
//!
//! Team trading, authority veto: it is never counted, and its veto ends the round at once. The gates
//! test the state before the order; the guardian tests the projected state after it.
//!
//! Hard rules hold whatever the brain says, because [`Agent::admit`] evaluates them on the brief: a
//! model can add objections, never remove one. Hard: projected position, exposure, cash, value at risk
//! or conditional value at risk over the limit, drawdown or drawdown if every stop fills at the limit, the session's loss at the
//! limit, trading state not active. Soft (judgement): correlation with the book, a likely crash for
//! longs, an entry against a clear regime, a loss streak, a low win rate in a drawdown.
//!
//! A question about an open position is a question about less risk: nothing here ever stops that.

use conclave_domain::advice::{Advice, Figure, Objection, Stance, VetoKind};
use conclave_domain::brief::trading::{Question, TradingBrief, TradingState};
use conclave_domain::code::Code;
use conclave_domain::limits::Limits;
use conclave_domain::ratio::Ratio;
use conclave_domain::role::{Authority, RISK_GUARDIAN, Role, Team, Tier};
use conclave_domain::signal::Direction;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::runtime::agent::{Agent, Cadence, ConsultError};
use crate::runtime::answer::{Draft, percent, plain};

/// How far over a soft threshold a figure may lie for the objection to be withdrawn on appeal,
/// fraction of the threshold; a losing streak may be one trade longer.
const APPEAL_SLACK: f64 = 0.10;

/// The reason of an objection by judgement. A model may name any of the guardian's reasons; its
/// objection stays soft.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Concern {
    /// The position would be too large.
    #[serde(rename = "guardian.position")]
    Position,
    /// The exposure would be too large.
    #[serde(rename = "guardian.exposure")]
    Exposure,
    /// Too little cash would be left.
    #[serde(rename = "guardian.cash")]
    Cash,
    /// The value at risk would be too large.
    #[serde(rename = "guardian.var")]
    Var,
    /// The conditional value at risk would be too large.
    #[serde(rename = "guardian.cvar")]
    Cvar,
    /// The drawdown is too deep.
    #[serde(rename = "guardian.drawdown")]
    Drawdown,
    /// The drawdown would be too deep if every stop filled.
    #[serde(rename = "guardian.stops")]
    Stops,
    /// The session's loss is too large.
    #[serde(rename = "guardian.daily_loss")]
    DailyLoss,
    /// The symbol moves with what is held already.
    #[serde(rename = "guardian.correlation")]
    Correlation,
    /// A crash is likely.
    #[serde(rename = "guardian.crash")]
    Crash,
    /// The entry goes against a clear regime.
    #[serde(rename = "guardian.regime")]
    Regime,
    /// Several losing trades in a row.
    #[serde(rename = "guardian.loss_streak")]
    LossStreak,
    /// A low win rate together with a drawdown.
    #[serde(rename = "guardian.win_rate")]
    WinRate,
    /// Anything else.
    #[serde(rename = "guardian.judgement")]
    Judgement,
}

impl From<Concern> for Code {
    fn from(concern: Concern) -> Self {
        match concern {
            Concern::Position => Self::GuardPosition,
            Concern::Exposure => Self::GuardExposure,
            Concern::Cash => Self::GuardCash,
            Concern::Var => Self::GuardVar,
            Concern::Cvar => Self::GuardCvar,
            Concern::Drawdown => Self::GuardDrawdown,
            Concern::Stops => Self::GuardStops,
            Concern::DailyLoss => Self::GuardDailyLoss,
            Concern::Correlation => Self::GuardCorrelation,
            Concern::Crash => Self::GuardCrash,
            Concern::Regime => Self::GuardRegime,
            Concern::LossStreak => Self::GuardLossStreak,
            Concern::WinRate => Self::GuardWinRate,
            Concern::Judgement => Self::GuardJudgement,
        }
    }
}

/// One objection by judgement.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Worry {
    /// The reason's code.
    pub code: Concern,
    /// One sentence with the figures that decided.
    pub text: String,
}

/// The raw answer: objections by judgement; none means no objection.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Answer {
    /// One sentence with the figures that decided.
    pub reasoning: String,
    /// Objections, the gravest first; an empty list does not object.
    pub objections: Vec<Worry>,
    /// How sure you are of this answer.
    #[schemars(extend("x-bound" = "confidence"))]
    pub confidence: f64,
}

/// The agent.
#[derive(Debug)]
pub struct RiskGuardian;

impl Agent for RiskGuardian {
    type Brief = TradingBrief;
    type Answer = Answer;
    const ROLE: Role = Role {
        name: RISK_GUARDIAN,
        title: "Risk Guardian",
        team: Team::Trading,
        authority: Authority::Veto,
        tier: Tier::Sonnet,
        purpose: "Objects to an entry that would hurt the book; its hard limits are rules.",
    };
    const CADENCE: Cadence = Cadence::EachEntry;

    fn instructions(limits: &Limits) -> String {
        let (risk, soft) = (&limits.risk, &limits.soft);
        format!(
            "Judge the book as it would be after the order (`projected`). These limits are rules \
             that hold whatever you say, so look for what they miss: position at most {position} \
             of equity, exposure below {exposure}, cash at least {cash}, daily VaR at most {var}, \
             CVaR at most {cvar}, drawdown (also if every stop fills) below {drawdown}, the \
             session's loss below {loss}.\n\
             - `objections`: the gravest first, each with a code and one sentence; empty when you \
             do not object. You can add objections, never remove one.\n\
             - Objections by judgement: correlation with a held position above {correlation}; a \
             crash probability above {crash} for longs; an entry against a regime of more than \
             {regime}; {streak} or more losing trades in a row; a win rate below {win_rate} after \
             {trades} trades in a drawdown above {soft_drawdown}.\n\
             - Use `guardian.judgement` for a reason that has no code.\n\
             - When you are in doubt whether the book can bear it, object.",
            position = percent(risk.position_max.get()),
            exposure = percent(risk.exposure_max.get()),
            cash = percent(risk.cash_min.get()),
            var = percent(risk.var_max.get()),
            cvar = percent(risk.cvar_max.get()),
            drawdown = percent(risk.drawdown_halt.get()),
            loss = percent(risk.daily_loss_max.get()),
            correlation = soft.correlation_max,
            crash = soft.crash_max,
            regime = soft.regime_clear,
            streak = soft.loss_streak_max,
            win_rate = soft.win_rate_min,
            trades = soft.win_rate_trades,
            soft_drawdown = percent(soft.drawdown_max.get()),
        )
    }

    fn rules(brief: &TradingBrief, limits: &Limits) -> Answer {
        let objections = soft_worries(brief, limits);
        let reasoning = match objections.first() {
            Some(worry) => worry.text.clone(),
            None => format!(
                "nothing to object: position {:.3}, exposure {:.3}, cash {:.3}, var {:.4}, cvar \
                 {:.4}, drawdown if all stops {:.3}",
                brief.projected.position_pct.get(),
                brief.projected.exposure_pct.get(),
                brief.projected.cash_pct.get(),
                brief.projected.var95_pct.get(),
                brief.projected.cvar95_pct.get(),
                brief.projected.drawdown_if_all_stops_pct.get()
            ),
        };
        // Judgements are thresholds on estimates: several of them together are surer than one.
        let confidence = match objections.len() {
            0 => 0.9,
            1 => 0.7,
            _ => 0.8,
        };
        Answer { reasoning, objections, confidence }
    }

    fn admit(
        answer: Answer,
        brief: &TradingBrief,
        limits: &Limits,
    ) -> Result<Advice, ConsultError> {
        let draft = Draft::new(limits);
        if brief.question == Question::Entry
            && let Some(objection) = hard_objection(brief, limits)
        {
            // What is checked against a limit is certain, whatever the brain thought of it.
            let certain = limits.bounds.confidence.max();
            let text = objection.text.clone();
            return draft.finish(&Self::ROLE, Stance::Veto(objection), certain, &text);
        }
        let soft = answer.objections.iter().map(admit_worry).collect::<Result<Vec<_>, _>>()?;
        let stance = match brief.question {
            Question::Entry => soft.into_iter().next().map_or(Stance::NoObjection, Stance::Veto),
            Question::Position => Stance::NoObjection,
        };
        draft.finish(&Self::ROLE, stance, answer.confidence, &answer.reasoning)
    }
}

/// An objection by judgement as the round sees it: soft, whatever code it names.
fn admit_worry(worry: &Worry) -> Result<Objection, ConsultError> {
    let text = plain(&worry.text)
        .ok_or_else(|| ConsultError::Unreadable { why: "an objection has no text".to_owned() })?;
    Ok(Objection { kind: VetoKind::Soft, code: worry.code.into(), text, figures: Vec::new() })
}

/// The hard veto that the brief calls for, if any: the first breach names the code, the figures list
/// every breach. Pure rules; no brain is asked.
pub fn hard_objection(brief: &TradingBrief, limits: &Limits) -> Option<Objection> {
    let breaches = breaches(brief, limits);
    let inactive = brief.trading_state != TradingState::Active;
    let code = match breaches.first() {
        Some((code, _)) => *code,
        None if inactive => Code::GuardTradingState,
        None => return None,
    };
    let figures: Vec<Figure> = breaches.into_iter().map(|(_, figure)| figure).collect();
    let mut reasons: Vec<String> = figures
        .iter()
        .map(|Figure { name, value, limit }| {
            format!("{name} {:.4} against a limit of {:.4}", value.get(), limit.get())
        })
        .collect();
    if inactive {
        reasons.push(format!(
            "the trading state is {}; exits and cancels go on",
            brief.trading_state.name()
        ));
    }
    Some(Objection { kind: VetoKind::Hard, code, text: reasons.join("; "), figures })
}

/// Every hard limit that the order would breach, in the order of the catalogue.
fn breaches(brief: &TradingBrief, limits: &Limits) -> Vec<(Code, Figure)> {
    let (after, book, risk) = (&brief.projected, &brief.book, &limits.risk);
    let size = Ratio::or_zero(after.position_pct.get().abs());
    let loss = Ratio::or_zero(-book.daily_pnl_pct.get());
    let (exposure, cash) = (after.exposure_pct, after.cash_pct);
    let (var, cvar) = (after.var95_pct, after.cvar95_pct);
    let (fall, stops) = (book.drawdown, after.drawdown_if_all_stops_pct);
    let (fall_max, loss_max) = (risk.drawdown_halt, risk.daily_loss_max);
    let rows = [
        (Code::GuardPosition, "position_pct", size, risk.position_max, size > risk.position_max),
        (
            Code::GuardExposure,
            "exposure_pct",
            exposure,
            risk.exposure_max,
            exposure >= risk.exposure_max,
        ),
        (Code::GuardCash, "cash_pct", cash, risk.cash_min, cash < risk.cash_min),
        (Code::GuardVar, "var95_pct", var, risk.var_max, var > risk.var_max),
        (Code::GuardCvar, "cvar95_pct", cvar, risk.cvar_max, cvar > risk.cvar_max),
        (Code::GuardDrawdown, "drawdown_pct", fall, fall_max, fall >= fall_max),
        (Code::GuardStops, "drawdown_if_all_stops_pct", stops, fall_max, stops >= fall_max),
        (Code::GuardDailyLoss, "daily_loss_pct", loss, loss_max, loss >= loss_max),
    ];
    rows.into_iter()
        .filter(|row| row.4)
        .map(|(code, name, value, limit, _)| (code, Figure { name: name.to_owned(), value, limit }))
        .collect()
}

/// The rules brain's objections by judgement.
fn soft_worries(brief: &TradingBrief, limits: &Limits) -> Vec<Worry> {
    let (soft, regime, book) = (&limits.soft, &brief.regime, &brief.book);
    let is_long = brief.direction == Direction::Long;
    let against = if is_long { regime.bear } else { regime.bull };
    let correlation = brief.projected.max_correlation;
    // On appeal a near miss is let go and a clear case stands.
    let slack = if brief.appeal.is_some() { 1.0 + APPEAL_SLACK } else { 1.0 };
    let streak_max = soft.loss_streak_max + u32::from(brief.appeal.is_some());
    let mut worries = Vec::new();
    let mut worry = |holds: bool, code: Concern, text: String| {
        if holds {
            worries.push(Worry { code, text });
        }
    };
    worry(
        correlation.get() > soft.correlation_max.get() * slack,
        Concern::Correlation,
        format!("correlation {:.3} with a held position", correlation.get()),
    );
    worry(
        is_long && regime.crash.get() > soft.crash_max.get() * slack,
        Concern::Crash,
        format!("crash probability {:.3}", regime.crash.get()),
    );
    worry(
        against.get() > soft.regime_clear.get() * slack,
        Concern::Regime,
        format!("{} against a regime of probability {:.3}", brief.direction, against.get()),
    );
    worry(
        book.loss_streak >= streak_max,
        Concern::LossStreak,
        format!("{} losing trades in a row", book.loss_streak),
    );
    let is_low = book.win_rate.is_some_and(|rate| rate.get() * slack < soft.win_rate_min.get())
        && book.trades >= soft.win_rate_trades
        && book.drawdown.get() > soft.drawdown_max.get() * slack;
    let win_rate = book.win_rate.map_or(0.0, Ratio::get);
    worry(
        is_low,
        Concern::WinRate,
        format!("win rate {win_rate:.3} in a drawdown of {:.3}", book.drawdown.get()),
    );
    worries
}

#[cfg(test)]
mod tests;
