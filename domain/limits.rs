//! The numbers that risk decisions are made with, in one place for gates, guardian, sizing and prompts.
//!
//! Configuration may make a limit stricter, never laxer than its hard value here.

use std::time::Duration;

use serde::Serialize;

use crate::bounds::BoundsTable;
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
}
