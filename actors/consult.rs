//! Consulting the trading team from outside: a bot that somebody has already asks the council.
//!
//! Pure: an [`OutsideDesk`] holds what the bot says of its portfolio, regime and session, builds the
//! same brief that our own rounds use, and asks an agent's rules brain with the same clamp. Whoever
//! opens a real round (the HTTP side, with safety and audit) takes [`OutsideDesk::brief`].
//!
//! Nothing is made up: what was not said is an error that names it, except the projected portfolio,
//! which is estimated from above when it is missing (see [`OutsideQuestion::projected`]).

use conclave_domain::advice::{Advice, Figure, Objection, Stance, VetoKind};
use conclave_domain::brief::trading::{
    BookView, GateResult, OpenPosition, Projected, Question, Session, TrackRecord, TradingBrief,
    TradingState,
};
use conclave_domain::code::Code;
use conclave_domain::fixed::{FixedError, Money, Price, notional};
use conclave_domain::limits::Limits;
use conclave_domain::market::symbol::{AssetClass, Symbol};
use conclave_domain::ratio::Ratio;
use conclave_domain::role::AgentName;
use conclave_domain::signal::{Direction, Features, Regime};
use conclave_domain::time::Time;
use serde::{Deserialize, Serialize};

use crate::runtime::agent::{Agent, ConsultError, Entry};
use crate::trading::execution_timer::ExecutionTimer;
use crate::trading::exit_strategist::ExitStrategist;
use crate::trading::position_sizer::PositionSizer;
use crate::trading::risk_guardian::RiskGuardian;
use crate::trading::signal_analyst::SignalAnalyst;

/// The 95 % quantile of a normal loss, in standard deviations.
const VAR_Z: f64 = 1.645;
/// The mean normal loss beyond it, in standard deviations.
const CVAR_Z: f64 = 2.063;
/// Sessions a year.
const SESSIONS: f64 = 252.0;
/// Average true ranges that a stop and a gap through it cost.
const STOP_AND_GAP_ATRS: f64 = 3.5;
/// An average true range, in daily standard deviations, where none was said.
const ATR_PER_DAY: f64 = 1.5;
/// Probabilities may miss one by this much.
const TOLERANCE: f64 = 1e-6;

/// What is asked: the last part of `POST /api/v1/consult/…`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OutsideKind {
    /// How far to trust a signal: the Signal Analyst.
    Signal,
    /// Whether the entry may pass: the gates' answers, then the Risk Guardian.
    Gates,
    /// How large: the Position Sizer.
    Size,
    /// How and whether now: the Execution Timer.
    Timing,
    /// Whether to leave an open position: the Exit Strategist.
    Exit,
}

impl OutsideKind {
    /// Every kind.
    pub const ALL: [Self; 5] = [Self::Signal, Self::Gates, Self::Size, Self::Timing, Self::Exit];

    /// The word in the address.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Signal => "signal",
            Self::Gates => "gates",
            Self::Size => "size",
            Self::Timing => "timing",
            Self::Exit => "exit",
        }
    }

    /// The agent that is asked.
    pub const fn agent(self) -> AgentName {
        match self {
            Self::Signal => SignalAnalyst::ROLE.name,
            Self::Gates => RiskGuardian::ROLE.name,
            Self::Size => PositionSizer::ROLE.name,
            Self::Timing => ExecutionTimer::ROLE.name,
            Self::Exit => ExitStrategist::ROLE.name,
        }
    }

    /// What an agent's advice comes to beside the bot's own gates: about an entry a failed one is a
    /// hard veto, whatever the guardian thinks of the rest.
    pub fn settle(self, gates: &[GateResult], mut advice: Advice) -> Advice {
        // A breach of a hard limit tells more than the gate in front of it; a gate outranks the rest.
        let is_hard = matches!(&advice.stance, Stance::Veto(found) if found.kind == VetoKind::Hard);
        if self == Self::Gates
            && !is_hard
            && let Some(objection) = failed_gate(gates)
        {
            advice.reasoning.clone_from(&objection.text);
            advice.stance = Stance::Veto(objection);
        }
        advice
    }

    const fn entry(self) -> Entry<TradingBrief> {
        match self {
            Self::Signal => Entry::of::<SignalAnalyst>(),
            Self::Gates => Entry::of::<RiskGuardian>(),
            Self::Size => Entry::of::<PositionSizer>(),
            Self::Timing => Entry::of::<ExecutionTimer>(),
            Self::Exit => Entry::of::<ExitStrategist>(),
        }
    }
}

/// One question of an outside system. Fractions, not percent. What is `None` was not said; the
/// figures of the book then are those of the portfolio set on the desk.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OutsideQuestion {
    /// The symbol.
    pub symbol: Symbol,
    /// What kind of thing it is; a share unless said otherwise.
    #[serde(default)]
    pub asset_class: AssetClass,
    /// Nothing in the question was known later than this.
    pub as_of: Time,
    /// Long or short.
    pub direction: Direction,
    /// How sure the signal is, 0 to 1.
    #[serde(alias = "signal_strength")]
    pub confidence: Ratio,
    /// The expected move, fraction.
    #[serde(default)]
    pub magnitude: Ratio,
    /// Share of the source's signals on this symbol that were right; where it was not said the
    /// confidence stands for it.
    #[serde(default)]
    pub hit_rate: Option<Ratio>,
    /// The last price.
    pub price: Price,
    /// What the order would be worth; zero when nothing is to be opened.
    #[serde(default)]
    pub order_value: Money,
    /// What is known of the symbol beside its volatility.
    #[serde(default)]
    pub features: Features,
    /// Annual volatility; the same as `features.vol_20`, for those who say nothing else.
    #[serde(default)]
    pub volatility: Option<Ratio>,
    /// The regime, instead of the desk's.
    #[serde(default)]
    pub regime: Option<Regime>,
    /// How the bot's own gates answered; a failed one is a veto.
    #[serde(default)]
    pub gate_results: Vec<GateResult>,
    /// Won trades among closed ones, instead of the desk's.
    #[serde(default)]
    pub win_rate: Option<Ratio>,
    /// Losing trades in a row, instead of the desk's.
    #[serde(default)]
    pub loss_streak: Option<u32>,
    /// Fall from the peak of equity, instead of the desk's.
    #[serde(default)]
    pub drawdown: Option<Ratio>,
    /// Sum of the positions' sizes, instead of the desk's.
    #[serde(default)]
    pub exposure: Option<Ratio>,
    /// Largest correlation with a position that is held; 1 where positions are held and it was not
    /// said.
    #[serde(default)]
    pub max_correlation: Option<Ratio>,
    /// The portfolio after the order. Where it was not said it is estimated from above, as if all
    /// positions moved with this symbol: normal value at risk, and the loss beyond it, of the whole exposure at the symbol's
    /// volatility, and every stop hit at 2.5 ATR with a gap of one.
    #[serde(default)]
    pub projected: Option<Projected>,
    /// The open position, for a question about it.
    #[serde(default)]
    pub open_position: Option<OpenPosition>,
}

/// Why an outside question has no answer.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum OutsideError {
    /// Something that the answer takes was not said.
    #[error("`{what}` was not said")]
    Missing {
        /// What is missing.
        what: &'static str,
    },
    /// A figure that cannot be what it is said to be.
    #[error("`{what}` is out of range: {value}")]
    OutOfRange {
        /// The figure's name.
        what: &'static str,
        /// What was said.
        value: Ratio,
    },
    /// An amount outside of what can be represented.
    #[error("an amount is out of range")]
    Amount(#[from] FixedError),
    /// The agent gave no advice.
    #[error("the agent gave no advice")]
    Agent(#[from] ConsultError),
}

/// What an outside system has told us about itself.
#[derive(Clone, Debug)]
pub struct OutsideDesk {
    limits: Limits,
    portfolio: Option<BookView>,
    regime: Option<Regime>,
    session: Option<Session>,
    trading_state: TradingState,
}

impl OutsideDesk {
    /// A desk that knows nothing but its limits.
    pub const fn new(limits: Limits) -> Self {
        Self {
            limits,
            portfolio: None,
            regime: None,
            session: None,
            trading_state: TradingState::Active,
        }
    }

    /// Says what the account looks like.
    ///
    /// # Errors
    /// When equity is not positive, or the drawdown is not between 0 and 1.
    pub fn set_portfolio(&mut self, portfolio: BookView) -> Result<(), OutsideError> {
        if portfolio.equity.raw() <= 0 {
            let value = Ratio::or_zero(portfolio.equity.to_f64());
            return Err(OutsideError::OutOfRange { what: "equity", value });
        }
        share("drawdown", portfolio.drawdown)?;
        self.portfolio = Some(portfolio);
        Ok(())
    }

    /// Says how the market is.
    ///
    /// # Errors
    /// When the probabilities are not between 0 and 1 or do not sum to one.
    pub fn set_regime(&mut self, regime: Regime) -> Result<(), OutsideError> {
        self.regime = Some(checked(regime)?);
        Ok(())
    }

    /// Says where the market stands in its day.
    pub const fn set_session(&mut self, session: Session) {
        self.session = Some(session);
    }

    /// Says what the council's trading state permits: the Risk Guardian vetoes entries unless active.
    pub const fn set_trading_state(&mut self, trading_state: TradingState) {
        self.trading_state = trading_state;
    }

    /// How far to trust a signal.
    ///
    /// # Errors
    /// When something was not said or is out of range.
    pub fn evaluate_signal(&self, question: &OutsideQuestion) -> Result<Advice, OutsideError> {
        self.consult(OutsideKind::Signal, question)
    }

    /// Whether an entry may pass: a failed gate is a hard veto with the gate's code, else the Risk
    /// Guardian answers.
    ///
    /// # Errors
    /// When something was not said or is out of range.
    pub fn evaluate_gates(&self, question: &OutsideQuestion) -> Result<Advice, OutsideError> {
        self.consult(OutsideKind::Gates, question)
    }

    /// How large the entry should be beside its base size.
    ///
    /// # Errors
    /// When something was not said or is out of range.
    pub fn recommend_position_scale(
        &self,
        question: &OutsideQuestion,
    ) -> Result<Advice, OutsideError> {
        self.consult(OutsideKind::Size, question)
    }

    /// How the order should reach the market, and whether now.
    ///
    /// # Errors
    /// When something was not said or is out of range.
    pub fn recommend_timing(&self, question: &OutsideQuestion) -> Result<Advice, OutsideError> {
        self.consult(OutsideKind::Timing, question)
    }

    /// Whether to leave the open position.
    ///
    /// # Errors
    /// When something was not said or is out of range; a position must be said.
    pub fn recommend_exit(&self, question: &OutsideQuestion) -> Result<Advice, OutsideError> {
        self.consult(OutsideKind::Exit, question)
    }

    /// Asks the agent of a kind, with its rules brain and the one clamp.
    ///
    /// # Errors
    /// When something was not said or is out of range.
    pub fn consult(
        &self,
        kind: OutsideKind,
        question: &OutsideQuestion,
    ) -> Result<Advice, OutsideError> {
        let brief = self.brief(kind, question)?;
        let entry = kind.entry();
        let answer = (entry.rules)(&brief, &self.limits);
        let advice = (entry.read)(&answer, &brief, &self.limits)?;
        Ok(kind.settle(&brief.gates, advice))
    }

    /// The brief that a question becomes, to open a real round with.
    ///
    /// # Errors
    /// When something was not said or is out of range.
    pub fn brief(
        &self,
        kind: OutsideKind,
        question: &OutsideQuestion,
    ) -> Result<TradingBrief, OutsideError> {
        let missing = |what| OutsideError::Missing { what };
        let is_exit = kind == OutsideKind::Exit;
        if is_exit && question.open_position.is_none() {
            return Err(missing("open_position"));
        }
        share("confidence", question.confidence)?;
        let book = self.book(question)?;
        let mut features = question.features;
        features.vol_20 = features.vol_20.or(question.volatility);
        let order_value = if is_exit { Money::ZERO } else { question.order_value };
        let projected = match question.projected {
            Some(projected) => projected,
            None => estimate(question, &book, &features, order_value)?,
        };
        let regime = match question.regime {
            Some(regime) => checked(regime)?,
            None => self.regime.ok_or_else(|| missing("regime"))?,
        };
        Ok(TradingBrief {
            question: if is_exit { Question::Position } else { Question::Entry },
            symbol: question.symbol.clone(),
            asset_class: question.asset_class,
            as_of: question.as_of,
            direction: question.direction,
            confidence: question.confidence,
            magnitude: question.magnitude,
            hit_rate: share("hit_rate", question.hit_rate.unwrap_or(question.confidence))?,
            price: question.price,
            regime,
            features,
            book,
            order_value,
            projected,
            gates: question.gate_results.clone(),
            session: self.session.ok_or_else(|| missing("session"))?,
            trading_state: self.trading_state,
            open_position: question.open_position,
            appeal: None,
            news: None,
            track_record: TrackRecord::default(),
        })
    }

    /// The desk's portfolio with what the question says instead.
    fn book(&self, question: &OutsideQuestion) -> Result<BookView, OutsideError> {
        let known = self.portfolio.clone();
        let mut book = known.ok_or(OutsideError::Missing { what: "portfolio" })?;
        book.win_rate = question.win_rate.or(book.win_rate);
        if let Some(rate) = book.win_rate {
            share("win_rate", rate)?;
        }
        book.loss_streak = question.loss_streak.unwrap_or(book.loss_streak);
        book.drawdown = share("drawdown", question.drawdown.unwrap_or(book.drawdown))?;
        book.exposure = question.exposure.unwrap_or(book.exposure);
        Ok(book)
    }
}

/// A figure between 0 and 1.
fn share(what: &'static str, value: Ratio) -> Result<Ratio, OutsideError> {
    let is_share = (0.0..=1.0).contains(&value.get());
    if is_share { Ok(value) } else { Err(OutsideError::OutOfRange { what, value }) }
}

/// A regime whose probabilities are ones.
fn checked(regime: Regime) -> Result<Regime, OutsideError> {
    let parts = [
        ("bull", regime.bull),
        ("bear", regime.bear),
        ("sideways", regime.sideways),
        ("crash", regime.crash),
    ];
    let mut sum = 0.0;
    for (what, part) in parts {
        sum += share(what, part)?.get();
    }
    if (sum - 1.0).abs() > TOLERANCE {
        return Err(OutsideError::OutOfRange { what: "regime", value: Ratio::or_zero(sum) });
    }
    Ok(regime)
}

/// The first gate that failed, as an objection.
fn failed_gate(gates: &[GateResult]) -> Option<Objection> {
    let failed: Vec<&GateResult> = gates.iter().filter(|gate| !gate.passed).collect();
    let first: Code = failed.first()?.code;
    let figure = |gate: &&GateResult| Figure {
        name: gate.code.to_string(),
        value: gate.value,
        limit: gate.threshold,
    };
    Some(Objection {
        kind: VetoKind::Hard,
        code: first,
        text: format!("{} of {} gates failed, the first is {first}", failed.len(), gates.len()),
        figures: failed.iter().map(figure).collect(),
    })
}

/// The portfolio after the order, estimated from above.
fn estimate(
    question: &OutsideQuestion,
    book: &BookView,
    features: &Features,
    order_value: Money,
) -> Result<Projected, OutsideError> {
    let missing = || OutsideError::Missing { what: "volatility" };
    let equity = book.equity.to_f64();
    let held = match &question.open_position {
        Some(position) => notional(question.price, position.qty)?.abs().to_f64() / equity,
        None => 0.0,
    };
    let order = order_value.to_f64().abs() / equity;
    let exposure = book.exposure.get() + order;
    let daily = features.vol_20.ok_or_else(missing)?.get() / SESSIONS.sqrt();
    let atr = features.atr14_pct.map_or(ATR_PER_DAY * daily, Ratio::get);
    let alone = if book.positions == 0 { Ratio::ZERO } else { Ratio::ONE };
    Ok(Projected {
        position_pct: Ratio::or_zero(held + order),
        exposure_pct: Ratio::or_zero(exposure),
        cash_pct: Ratio::or_zero(book.cash.to_f64() / equity - order),
        var95_pct: Ratio::or_zero(VAR_Z * daily * exposure),
        cvar95_pct: Ratio::or_zero(CVAR_Z * daily * exposure),
        drawdown_if_all_stops_pct: Ratio::or_zero(
            book.drawdown.get() + STOP_AND_GAP_ATRS * atr * exposure,
        ),
        max_correlation: question.max_correlation.unwrap_or(alone),
    })
}

#[cfg(test)]
mod tests;
