//! The gates: what the state before an order must look like.
//!
//! Every gate is evaluated for every candidate, in a fixed order, so that a report can say
//! how often each one passed; the first that fails gives the denial its code. The order goes from
//! what stops everything (state, session, data) over what rests (protections) to what the book and
//! the signal look like. Exposure, cash and position block at zero headroom only; sizing caps the
//! rest. Gates are about entries: no exit ever meets one.
//!
//! What a figure means while it is unknown (a window that is not full):
//!
//! | figure | meaning | why |
//! |---|---|---|
//! | volatility z-score | a wild market: the higher confidence is asked for | the stricter one |
//! | volatility level | at its critical limit: blocked | nobody knows how wild it is |
//! | value at risk of a held portfolio | everything may be lost: blocked | the stricter one |
//! | value at risk of an empty book | zero | nothing is held |
//! | win rate, loss streak, rejections | passes | there is nothing to hold against anybody |
//! | model health | passes | it can only be learned by letting calls through |
//!
//! The local day-trade rule: an account below `day_trade_equity` that has made `day_trades_max`
//! round trips in shares within single sessions, over the last `day_trade_sessions` sessions, opens
//! nothing more in shares, because it could not leave again today without another one. The broker
//! no longer has such a rule; ours stays, and it never holds back an exit.

mod tally;
#[cfg(test)]
mod tests;

use crate::account::{Candidate, Usage, View};
use crate::brief::trading::{GateResult, Session, TradingState};
use crate::code::Code;
use crate::limits::{GateRules, Limits};
use crate::market::symbol::AssetClass;
use crate::projection::tail_risk;
use crate::protections::Protection;
use crate::ratio::Ratio;
use crate::risk::TailRisk;
use crate::signal::Direction;

pub use tally::{GateAlarm, GateCount, GateTally};

/// All that a gate may look at; computed once a candidate.
struct Inputs<'a> {
    candidate: &'a Candidate<'a>,
    view: View<'a>,
    limits: &'a Limits,
    usage: Usage,
    risk: TailRisk,
}

/// What a gate measured, against what, and whether that passes.
struct Reading {
    value: Ratio,
    threshold: Ratio,
    passed: bool,
}

impl Reading {
    fn below(value: Ratio, threshold: Ratio) -> Self {
        Self { value, threshold, passed: value < threshold }
    }

    fn at_most(value: Ratio, threshold: Ratio) -> Self {
        Self { value, threshold, passed: value <= threshold }
    }

    fn above(value: Ratio, threshold: Ratio) -> Self {
        Self { value, threshold, passed: value > threshold }
    }

    fn at_least(value: Ratio, threshold: Ratio) -> Self {
        Self { value, threshold, passed: value >= threshold }
    }

    /// 1 where `present`, which does not pass.
    fn absent(present: bool) -> Self {
        Self::below(Ratio::of(f64::from(u8::from(present))), Ratio::ONE)
    }
}

/// One gate: its code and what it reads.
struct Gate {
    code: Code,
    read: fn(&Inputs) -> Reading,
}

/// All gates, in the order in which they are evaluated and reported.
const GATES: &[Gate] = &[
    Gate { code: Code::GateTradingState, read: trading_state },
    Gate { code: Code::GateSession, read: session },
    Gate { code: Code::GateStaleData, read: stale_data },
    Gate { code: Code::GateCryptoShort, read: crypto_short },
    Gate { code: Code::GateOpenOrder, read: open_order },
    Gate { code: Code::GateCooldown, read: cooldown },
    Gate { code: Code::GateDayTrade, read: day_trade },
    Gate { code: Code::GateDrawdown, read: drawdown },
    Gate { code: Code::GateDailyLoss, read: daily_loss },
    Gate { code: Code::GateWinRate, read: win_rate },
    Gate { code: Code::GateLossStreak, read: loss_streak },
    Gate { code: Code::GateRejectionStreak, read: rejection_streak },
    Gate { code: Code::GateModelHealth, read: model_health },
    Gate { code: Code::GateVix, read: vix },
    Gate { code: Code::GateVar, read: var },
    Gate { code: Code::GateCvar, read: cvar },
    Gate { code: Code::GateExposure, read: exposure },
    Gate { code: Code::GateCash, read: cash },
    Gate { code: Code::GatePosition, read: position },
    Gate { code: Code::GateConfidence, read: confidence },
];

/// The codes of all gates, in the order of evaluation.
pub fn codes() -> impl Iterator<Item = Code> {
    GATES.iter().map(|gate| gate.code)
}

/// Evaluates every gate, in a fixed order.
pub fn evaluate(candidate: &Candidate, view: View, limits: &Limits) -> Vec<GateResult> {
    let (symbol, direction) = (&candidate.signal.symbol, candidate.signal.direction);
    let inputs = Inputs {
        candidate,
        view,
        limits,
        usage: view.account.usage(symbol, direction),
        risk: tail_risk(view.account, view.account.staying(symbol, direction)),
    };
    let result = |gate: &Gate| {
        let Reading { value, threshold, passed } = (gate.read)(&inputs);
        GateResult { code: gate.code, passed, value, threshold }
    };
    GATES.iter().map(result).collect()
}

/// The code of the first gate that did not pass.
pub fn denial(results: &[GateResult]) -> Option<Code> {
    results.iter().find(|result| !result.passed).map(|result| result.code)
}

/// The confidence that an entry takes: between calm and wild by the volatility's z-score, and for
/// a policy of another size as far above a blind guess as for the one the rules are stated for.
///
/// A softmax over few actions reaches high values easily and one over many hardly ever; a fixed
/// threshold would let everything or nothing through.
pub fn confidence_threshold(
    vol_z: Option<Ratio>,
    actions: Option<u32>,
    rules: &GateRules,
) -> Ratio {
    let (calm, wild) = (rules.confidence_calm.get(), rules.confidence_wild.get());
    let width = rules.vol_z_wild.get() - rules.vol_z_calm.get();
    let wildness = match vol_z {
        Some(z) if width > 0.0 => {
            Ratio::within_unit((z.get() - rules.vol_z_calm.get()) / width).get()
        }
        _ => 1.0,
    };
    let stated = calm + (wild - calm) * wildness;
    let Some(actions) = actions else { return Ratio::or_zero(stated) };
    let guess = |actions: u32| 1.0 / f64::from(actions.max(2));
    let stated_guess = guess(rules.confidence_actions);
    let above = (stated - stated_guess) / (1.0 - stated_guess);
    Ratio::or_zero(guess(actions) + above * (1.0 - guess(actions)))
}

fn trading_state(inputs: &Inputs) -> Reading {
    Reading::absent(inputs.view.market.trading_state != TradingState::Active)
}

fn session(inputs: &Inputs) -> Reading {
    let open = match inputs.view.market.session {
        Session::Regular => true,
        Session::Pre | Session::After => inputs.limits.gates.extended_hours,
        Session::Closed | Session::CryptoOnly => false,
    };
    Reading::absent(inputs.candidate.class == AssetClass::Equity && !open)
}

fn stale_data(inputs: &Inputs) -> Reading {
    let age = Ratio::or_zero(inputs.view.market.last_bar_age.as_secs_f64());
    Reading::at_most(age, Ratio::or_zero(inputs.limits.gates.data_age_max.as_secs_f64()))
}

fn crypto_short(inputs: &Inputs) -> Reading {
    let short = inputs.candidate.signal.direction == Direction::Short;
    Reading::absent(inputs.candidate.class == AssetClass::Crypto && short)
}

/// The exit half of a reversal may wait at the broker; any other order stops the entry.
fn open_order(inputs: &Inputs) -> Reading {
    let signal = inputs.candidate.signal;
    let account = inputs.view.account;
    let turns = account.is_reversal(&signal.symbol, signal.direction);
    let mut orders = account.open_orders.iter().filter(|order| order.symbol == signal.symbol);
    let order = orders.any(|order| !(turns && order.is_exit));
    let entry = account.pending.iter().any(|entry| entry.symbol == signal.symbol);
    Reading::absent(order || entry)
}

fn cooldown(inputs: &Inputs) -> Reading {
    let needed = Ratio::or_zero(inputs.limits.risk.symbol_cooldown.as_secs_f64());
    let last = inputs.view.protections.last_trade(&inputs.candidate.signal.symbol);
    let rested = last.map(|at| inputs.view.market.now.since(at).as_secs_f64());
    Reading::at_least(rested.map_or(needed, Ratio::or_zero), needed)
}

fn day_trade(inputs: &Inputs) -> Reading {
    let rules = &inputs.limits.gates;
    let concerned = inputs.candidate.class == AssetClass::Equity
        && inputs.view.account.equity < rules.day_trade_equity;
    let made = if concerned { inputs.view.protections.day_trades() } else { 0 };
    let limit = Ratio::or_zero(f64::from(rules.day_trades_max));
    Reading::below(Ratio::or_zero(f64::from(made)), limit)
}

fn drawdown(inputs: &Inputs) -> Reading {
    Reading::below(inputs.view.account.drawdown(), inputs.limits.risk.drawdown_halt)
}

fn daily_loss(inputs: &Inputs) -> Reading {
    let now = -inputs.view.account.daily_pnl_pct.get();
    let rest = inputs.view.protections.resting(Protection::DailyLoss);
    let loss = rest.map_or(now, |rest| now.max(rest.figure.get()));
    let limit = inputs.limits.risk.daily_loss_max;
    let reading = Reading::below(Ratio::or_zero(loss), limit);
    Reading { passed: reading.passed && rest.is_none(), ..reading }
}

fn win_rate(inputs: &Inputs) -> Reading {
    let state = inputs.view.protections;
    let rest = state.resting(Protection::WinRate);
    let rate = rest.map(|rest| rest.figure).or(state.win_rate()).unwrap_or(Ratio::ONE);
    let threshold = inputs.limits.risk.win_rate_min;
    Reading { value: rate, threshold, passed: rest.is_none() }
}

fn loss_streak(inputs: &Inputs) -> Reading {
    let state = inputs.view.protections;
    let value = Ratio::or_zero(f64::from(state.loss_streak()));
    let threshold = Ratio::or_zero(f64::from(inputs.limits.risk.loss_streak_max));
    Reading { value, threshold, passed: !state.rests(Protection::LossStreak) }
}

fn rejection_streak(inputs: &Inputs) -> Reading {
    let state = inputs.view.protections;
    let value = Ratio::or_zero(f64::from(state.rejection_streak()));
    let threshold = Ratio::or_zero(f64::from(inputs.limits.risk.rejection_streak_max));
    Reading { value, threshold, passed: !state.rests(Protection::RejectionStreak) }
}

/// Reports the accuracy, or the hold share where that is what is wrong.
fn model_health(inputs: &Inputs) -> Reading {
    let rules = &inputs.limits.gates;
    let record = inputs.candidate.record;
    let held = record.hold_share.unwrap_or(Ratio::ZERO);
    if held > rules.hold_share_max {
        return Reading::at_most(held, rules.hold_share_max);
    }
    let accuracy = record.accuracy.unwrap_or(Ratio::ONE);
    Reading::at_least(accuracy, rules.accuracy_min)
}

fn vix(inputs: &Inputs) -> Reading {
    let critical = inputs.limits.risk.vix_critical;
    Reading::below(inputs.view.market.vix_level.unwrap_or(critical), critical)
}

fn var(inputs: &Inputs) -> Reading {
    Reading::at_most(inputs.risk.var95, inputs.limits.risk.var_max)
}

fn cvar(inputs: &Inputs) -> Reading {
    Reading::at_most(inputs.risk.cvar95, inputs.limits.risk.cvar_max)
}

fn exposure(inputs: &Inputs) -> Reading {
    Reading::below(inputs.usage.exposure, inputs.limits.risk.exposure_max)
}

fn cash(inputs: &Inputs) -> Reading {
    Reading::above(inputs.usage.free_cash, inputs.limits.risk.cash_min)
}

fn position(inputs: &Inputs) -> Reading {
    Reading::below(inputs.usage.symbol, inputs.limits.risk.position_max)
}

fn confidence(inputs: &Inputs) -> Reading {
    let signal = inputs.candidate.signal;
    let rules = &inputs.limits.gates;
    let threshold = confidence_threshold(signal.features.vol_z, inputs.candidate.actions, rules);
    Reading::at_least(signal.confidence, threshold)
}
