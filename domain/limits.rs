//! The numbers that risk decisions are made with, in one place for gates, guardian, sizing and prompts.
//!
//! Configuration may make a limit stricter, never laxer than its hard value here.

use std::time::Duration;

use serde::Serialize;

use crate::bounds::BoundsTable;
use crate::fixed::Money;
use crate::ratio::Ratio;

/// What the book may look like. Fractions of equity unless stated.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RiskLimits {
    /// Largest position in one symbol.
    pub position_max: Ratio,
    /// Exposure must stay below this.
    pub exposure_max: Ratio,
    /// Cash that is always kept.
    pub cash_min: Ratio,
    /// Largest one-day value at risk at 95 %.
    pub var_max: Ratio,
    /// Largest one-day conditional value at risk at 95 %.
    pub cvar_max: Ratio,
    /// Drawdown from which sizes are halved.
    pub drawdown_half: Ratio,
    /// Drawdown at which trading halts.
    pub drawdown_halt: Ratio,
    /// Loss of one session at which entries rest.
    pub daily_loss_max: Ratio,
    /// Win rate below which entries rest.
    pub win_rate_min: Ratio,
    /// Closed trades before the win rate counts.
    pub win_rate_trades: u32,
    /// Losing trades in a row at which entries rest.
    pub loss_streak_max: u32,
    /// Rejected orders in a row at which entries rest.
    pub rejection_streak_max: u32,
    /// Sessions that a cooldown lasts.
    pub cooldown_sessions: u32,
    /// Volatility level (annualised, percent) from which sizes shrink.
    pub vix_warn: Ratio,
    /// Volatility level at which entries rest.
    pub vix_critical: Ratio,
    /// Time after a trade in which its symbol rests.
    pub symbol_cooldown: Duration,
    /// Largest share of equity in coins.
    pub crypto_max: Ratio,
}

impl Default for RiskLimits {
    fn default() -> Self {
        Self {
            position_max: Ratio::of(0.20),
            exposure_max: Ratio::of(0.80),
            cash_min: Ratio::of(0.30),
            var_max: Ratio::of(0.02),
            cvar_max: Ratio::of(0.03),
            drawdown_half: Ratio::of(0.10),
            drawdown_halt: Ratio::of(0.15),
            daily_loss_max: Ratio::of(0.03),
            win_rate_min: Ratio::of(0.40),
            win_rate_trades: 10,
            loss_streak_max: 5,
            rejection_streak_max: 5,
            cooldown_sessions: 5,
            vix_warn: Ratio::of(30.0),
            vix_critical: Ratio::of(40.0),
            symbol_cooldown: Duration::from_mins(1),
            crypto_max: Ratio::of(0.20),
        }
    }
}

/// When the Risk Guardian objects by judgement: its soft rules.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SoftLimits {
    /// Largest correlation with a position that is held.
    pub correlation_max: Ratio,
    /// Largest probability of a crash for longs.
    pub crash_max: Ratio,
    /// Probability from which a regime is clear.
    pub regime_clear: Ratio,
    /// Losing trades in a row.
    pub loss_streak_max: u32,
    /// Win rate below which a drawdown counts.
    pub win_rate_min: Ratio,
    /// Closed trades before the win rate counts.
    pub win_rate_trades: u32,
    /// Drawdown that counts beside a low win rate.
    pub drawdown_max: Ratio,
}

impl Default for SoftLimits {
    fn default() -> Self {
        Self {
            correlation_max: Ratio::of(0.80),
            crash_max: Ratio::of(0.50),
            regime_clear: Ratio::of(0.70),
            loss_streak_max: 4,
            win_rate_min: Ratio::of(0.45),
            win_rate_trades: 20,
            drawdown_max: Ratio::of(0.08),
        }
    }
}

/// How a round is counted.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ConsensusRules {
    /// Votes for, as a share of votes for and against, that it takes to act.
    pub threshold: Ratio,
    /// Votes for or against that a quorum takes, whatever the number asked.
    pub quorum_min: u32,
    /// Share of the voters asked that a quorum takes.
    pub quorum_share: Ratio,
    /// How long an agent may take to answer.
    pub patience: Duration,
    /// Mean adjusted confidence that an appeal takes.
    pub appeal_confidence_min: Ratio,
    /// Room that must be left on each hard limit for an appeal, fraction of the limit.
    pub appeal_headroom_min: Ratio,
}

impl Default for ConsensusRules {
    fn default() -> Self {
        Self {
            threshold: Ratio::of(0.66),
            quorum_min: 2,
            quorum_share: Ratio::of(0.5),
            patience: Duration::from_secs(5),
            appeal_confidence_min: Ratio::of(0.90),
            appeal_headroom_min: Ratio::of(0.20),
        }
    }
}

/// When the gates stop a candidate, beyond the limits on the book.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct GateRules {
    /// Confidence that an entry takes in a calm market.
    pub confidence_calm: Ratio,
    /// Confidence that an entry takes in a wild market, and while the volatility is unknown.
    pub confidence_wild: Ratio,
    /// Volatility z-score at and below which a market is calm.
    pub vol_z_calm: Ratio,
    /// Volatility z-score at and above which a market is wild.
    pub vol_z_wild: Ratio,
    /// How many actions the policy has that the two confidences are stated for.
    pub confidence_actions: u32,
    /// Age of the last bar at which data are stale.
    pub data_age_max: Duration,
    /// Whether shares may be entered before the opening and after the close.
    pub extended_hours: bool,
    /// Calls of a source that its health is judged by.
    pub health_calls: u32,
    /// Largest share of calls that only hold.
    pub hold_share_max: Ratio,
    /// Smallest share of resolved calls whose direction was right.
    pub accuracy_min: Ratio,
    /// Round trips within one session that a small account may make in the window.
    pub day_trades_max: u32,
    /// Sessions of that window, the present one included.
    pub day_trade_sessions: u32,
    /// Equity from which an account is not small.
    pub day_trade_equity: Money,
    /// Share of candidates stopped by one gate from which the report raises an alarm.
    pub alarm_share: Ratio,
    /// Candidates before a gate's share says anything.
    pub alarm_candidates: u64,
}

impl Default for GateRules {
    fn default() -> Self {
        Self {
            confidence_calm: Ratio::of(0.38),
            confidence_wild: Ratio::of(0.45),
            vol_z_calm: Ratio::of(-1.0),
            vol_z_wild: Ratio::of(1.0),
            confidence_actions: 8,
            data_age_max: Duration::from_mins(10),
            extended_hours: false,
            health_calls: 100,
            hold_share_max: Ratio::of(0.95),
            accuracy_min: Ratio::of(0.40),
            day_trades_max: 3,
            day_trade_sessions: 5,
            day_trade_equity: Money::from_raw(25_000 * Money::SCALE),
            alarm_share: Ratio::of(0.95),
            alarm_candidates: 20,
        }
    }
}

/// How a candidate becomes a size. Fractions of equity, never amounts.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SizingRules {
    /// Smallest half-Kelly fraction, and the fraction before there are enough outcomes.
    pub kelly_min: Ratio,
    /// Largest half-Kelly fraction.
    pub kelly_max: Ratio,
    /// Closed trades before the Kelly formula is trusted.
    pub kelly_outcomes: u32,
    /// Annual volatility above which a size shrinks in proportion.
    pub vol_target: Ratio,
    /// Smallest volatility factor, also while the volatility is unknown.
    pub vol_factor_min: Ratio,
    /// Correlation with a position above which a size shrinks.
    pub correlation_free: Ratio,
    /// Correlation factor at a correlation of one, also while the correlation is unknown.
    pub correlation_factor_min: Ratio,
    /// Volatility-level factor at the critical level, also while the level is unknown.
    pub vix_factor_min: Ratio,
    /// Factor from the drawdown on at which sizes are halved.
    pub drawdown_factor: Ratio,
    /// Factor when an agent asks for a reduced size.
    pub reduce_factor: Ratio,
    /// Size factor above which an entry is a critical action.
    pub critical_factor: Ratio,
    /// Distance of the stop from the entry while nobody advises another, average true ranges.
    pub stop_atr: Ratio,
    /// Distance of the take-profit while nobody advises another, stop distances.
    pub target_stops: Ratio,
    /// Distance of a stop that is unknown, and the gap when the range is unknown, fraction of price.
    pub unknown_stop: Ratio,
    /// Whether long positions in shares may be fractions.
    pub fractional_shares: bool,
}

impl Default for SizingRules {
    fn default() -> Self {
        Self {
            kelly_min: Ratio::of(0.05),
            kelly_max: Ratio::of(0.25),
            kelly_outcomes: 10,
            vol_target: Ratio::of(0.30),
            vol_factor_min: Ratio::of(0.25),
            correlation_free: Ratio::of(0.50),
            correlation_factor_min: Ratio::of(0.50),
            vix_factor_min: Ratio::of(0.50),
            drawdown_factor: Ratio::of(0.50),
            reduce_factor: Ratio::of(0.50),
            critical_factor: Ratio::of(1.5),
            stop_atr: Ratio::of(2.5),
            target_stops: Ratio::of(2.0),
            unknown_stop: Ratio::of(0.15),
            fractional_shares: false,
        }
    }
}

/// Everything that an agent's rules, prompt and clamp depend on.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Limits {
    /// The bounds of every number that an agent gives.
    pub bounds: BoundsTable,
    /// What the book may look like.
    pub risk: RiskLimits,
    /// When the guardian objects by judgement.
    pub soft: SoftLimits,
    /// How a round is counted.
    pub consensus: ConsensusRules,
    /// When the gates stop a candidate.
    pub gates: GateRules,
    /// How a candidate becomes a size.
    pub sizing: SizingRules,
}
