//! Cooldowns and windows: win rate, loss streak, rejections, daily loss, halt.
//!
//! All of it is state that a restart must not forget: it is stored as it is, and a snapshot that is
//! read back decides as before. A cooldown lasts for the rest of the session it began in and
//! `cooldown_sessions` whole sessions more; then a fresh window starts. Trades that close while a
//! protection rests do not enter its window. None of this ever concerns an exit.
//!
//! # Invariants
//!
//! - O-3: a halt is sticky: no recovery of equity lifts it, only a person does.

use std::collections::{BTreeMap, VecDeque};

use serde::{Deserialize, Serialize};

use crate::account::drawdown;
use crate::code::Code;
use crate::fixed::Money;
use crate::limits::{GateRules, RiskLimits};
use crate::market::calendar::Calendar;
use crate::market::symbol::Symbol;
use crate::ratio::Ratio;
use crate::time::Time;

/// What can make all entries rest for some sessions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Protection {
    /// Too few winning trades.
    WinRate,
    /// Too many losing trades in a row.
    LossStreak,
    /// Too many orders in a row rejected by the broker.
    RejectionStreak,
    /// Too large a loss in one session.
    DailyLoss,
}

/// A cooldown in force.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Rest {
    /// The last session, counted from the first one seen, in which entries rest.
    pub through: u32,
    /// The figure that began it.
    pub figure: Ratio,
}

/// A round trip that has ended.
#[derive(Clone, Debug, PartialEq)]
pub struct ClosedTrade {
    /// Its symbol.
    pub symbol: Symbol,
    /// Profit or loss after fees, fraction of the entry's value.
    pub return_pct: Ratio,
    /// When it ended.
    pub at: Time,
    /// Whether it is a share's that began in the same session: a day trade.
    pub same_session: bool,
}

/// Winning and losing round trips of the account since it began: what the Kelly formula is fed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Outcomes {
    /// Trades that gained.
    pub wins: u32,
    /// Trades that did not.
    pub losses: u32,
    /// Sum of the gains, fractions of the entries' values.
    pub gained: Ratio,
    /// Sum of the losses, positive.
    pub lost: Ratio,
}

impl Outcomes {
    /// Takes one trade in.
    pub fn add(&mut self, return_pct: Ratio) {
        if return_pct > Ratio::ZERO {
            self.wins = self.wins.saturating_add(1);
            self.gained = Ratio::or_zero(self.gained.get() + return_pct.get());
        } else {
            self.losses = self.losses.saturating_add(1);
            self.lost = Ratio::or_zero(self.lost.get() - return_pct.get());
        }
    }

    /// Mean gain over mean loss; `None` while there is no gain or no loss.
    pub fn payoff(&self) -> Option<Ratio> {
        if self.gained <= Ratio::ZERO || self.lost <= Ratio::ZERO {
            return None;
        }
        let mean_gain = self.gained.get() / f64::from(self.wins);
        let mean_loss = self.lost.get() / f64::from(self.losses);
        Ratio::new(mean_gain / mean_loss).ok()
    }
}

/// The state of all protections. Pure: events in, figures out.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Protections {
    session: u32,
    session_opened: Option<Time>,
    wins: u32,
    trades: u32,
    loss_streak: u32,
    rejection_streak: u32,
    rests: BTreeMap<Protection, Rest>,
    last_trades: BTreeMap<Symbol, Time>,
    day_trades: VecDeque<u32>,
    /// Sessions behind the oldest day trade in which coins alone were traded.
    #[serde(default, skip_serializing_if = "VecDeque::is_empty")]
    days_off: VecDeque<u32>,
    outcomes: Outcomes,
}

impl Protections {
    /// A session has begun at `opened`; the same one again, or an earlier one, changes nothing.
    pub fn on_session(&mut self, opened: Time, risk: &RiskLimits, rules: &GateRules) {
        if self.session_opened.is_some_and(|former| opened <= former) {
            return;
        }
        self.session_opened = Some(opened);
        self.session = self.session.saturating_add(1);
        let session = self.session;
        let ended: Vec<Protection> =
            self.rests.iter().filter(|(_, rest)| rest.through < session).map(|(p, _)| *p).collect();
        for protection in ended {
            self.rests.remove(&protection);
            match protection {
                Protection::WinRate => (self.wins, self.trades) = (0, 0),
                Protection::LossStreak => self.loss_streak = 0,
                Protection::RejectionStreak => self.rejection_streak = 0,
                Protection::DailyLoss => {}
            }
        }
        self.last_trades.retain(|_, at| opened.since(*at) < risk.symbol_cooldown);
        self.age_day_trades(opened, rules.day_trade_sessions);
    }

    /// Day trades leave the window by sessions of shares: a weekend on which coins trade is none.
    fn age_day_trades(&mut self, opened: Time, window: u32) {
        let session = self.session;
        if !Calendar::Xnys.is_session(Calendar::Always.session_date(opened)) {
            self.days_off.push_back(session);
        }
        let days_off = &self.days_off;
        self.day_trades.retain(|made| {
            let off = days_off.iter().filter(|off| made < *off).count();
            let off = u32::try_from(off).unwrap_or(u32::MAX);
            session.saturating_sub(*made).saturating_sub(off) < window
        });
        let oldest = self.day_trades.front().copied();
        self.days_off.retain(|off| oldest.is_some_and(|made| made < *off));
    }

    /// A round trip has ended.
    pub fn on_trade_closed(&mut self, trade: &ClosedTrade, risk: &RiskLimits) {
        let won = trade.return_pct > Ratio::ZERO;
        self.outcomes.add(trade.return_pct);
        self.on_trade(&trade.symbol, trade.at);
        if trade.same_session {
            self.day_trades.push_back(self.session);
        }
        if !self.rests(Protection::WinRate) {
            self.trades = self.trades.saturating_add(1);
            self.wins = self.wins.saturating_add(u32::from(won));
            let rate = self.win_rate().unwrap_or(Ratio::ONE);
            if self.trades >= risk.win_rate_trades && rate < risk.win_rate_min {
                self.rest(Protection::WinRate, rate, risk);
            }
        }
        if !self.rests(Protection::LossStreak) {
            self.loss_streak = if won { 0 } else { self.loss_streak.saturating_add(1) };
            if self.loss_streak >= risk.loss_streak_max {
                self.rest(Protection::LossStreak, Ratio::of(0.0), risk);
            }
        }
    }

    /// An order for the symbol has filled, whatever it was for.
    pub fn on_trade(&mut self, symbol: &Symbol, at: Time) {
        let last = self.last_trades.entry(symbol.clone()).or_insert(at);
        *last = at.max(*last);
    }

    /// The broker has rejected an order.
    pub fn on_rejection(&mut self, risk: &RiskLimits) {
        if self.rests(Protection::RejectionStreak) {
            return;
        }
        self.rejection_streak = self.rejection_streak.saturating_add(1);
        if self.rejection_streak >= risk.rejection_streak_max {
            self.rest(Protection::RejectionStreak, Ratio::of(0.0), risk);
        }
    }

    /// The broker has accepted an order.
    pub fn on_acceptance(&mut self) {
        if !self.rests(Protection::RejectionStreak) {
            self.rejection_streak = 0;
        }
    }

    /// The session's profit or loss so far, fraction of its opening equity.
    pub fn on_daily_pnl(&mut self, daily_pnl_pct: Ratio, risk: &RiskLimits) {
        if -daily_pnl_pct.get() >= risk.daily_loss_max.get() && !self.rests(Protection::DailyLoss) {
            self.rest(Protection::DailyLoss, Ratio::or_zero(-daily_pnl_pct.get()), risk);
        }
    }

    /// The guardian's objection stood. One to a streak or a win rate makes entries rest as the gate of
    /// the same figure does: while nothing is traded neither figure can ever change, and an objection
    /// that repeats itself for ever would be a halt that nobody ordered.
    pub fn on_objection(&mut self, code: Code, risk: &RiskLimits) {
        let protection = match code {
            Code::GuardLossStreak => Protection::LossStreak,
            Code::GuardWinRate => Protection::WinRate,
            _ => return,
        };
        if !self.rests(protection) {
            let rate = self.win_rate().unwrap_or(Ratio::ONE);
            self.rest(protection, rate, risk);
        }
    }

    fn rest(&mut self, protection: Protection, figure: Ratio, risk: &RiskLimits) {
        let through = self.session.saturating_add(risk.cooldown_sessions);
        let figure = match protection {
            Protection::WinRate | Protection::DailyLoss => figure,
            Protection::LossStreak => Ratio::or_zero(f64::from(self.loss_streak)),
            Protection::RejectionStreak => Ratio::or_zero(f64::from(self.rejection_streak)),
        };
        self.rests.insert(protection, Rest { through, figure });
    }

    /// Whether entries rest because of this protection.
    pub fn rests(&self, protection: Protection) -> bool {
        self.rests.contains_key(&protection)
    }

    /// The cooldown that this protection has in force.
    pub fn resting(&self, protection: Protection) -> Option<Rest> {
        self.rests.get(&protection).copied()
    }

    /// Won trades among those closed in the present window; `None` before the first.
    pub fn win_rate(&self) -> Option<Ratio> {
        let rate = f64::from(self.wins) / f64::from(self.trades);
        if self.trades == 0 { None } else { Ratio::new(rate).ok() }
    }

    /// Trades closed in the present window.
    pub fn trades(&self) -> u32 {
        self.trades
    }

    /// Losing trades in a row.
    pub fn loss_streak(&self) -> u32 {
        self.loss_streak
    }

    /// Rejected orders in a row.
    pub fn rejection_streak(&self) -> u32 {
        self.rejection_streak
    }

    /// When an order for the symbol last filled, if that was in this session or within its cooldown.
    pub fn last_trade(&self, symbol: &Symbol) -> Option<Time> {
        self.last_trades.get(symbol).copied()
    }

    /// Round trips within one session, over the window of sessions that ends with the present one.
    pub fn day_trades(&self) -> u32 {
        u32::try_from(self.day_trades.len()).unwrap_or(u32::MAX)
    }

    /// All closed trades since the account began.
    pub fn outcomes(&self) -> &Outcomes {
        &self.outcomes
    }
}

/// What an observation of equity did to the halt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HaltChange {
    /// Nothing: trading goes on, or is halted as before.
    None,
    /// The drawdown has reached its limit now: entries stop, exits go on.
    Halted,
}

/// The peak of equity, and the sticky halt when equity has fallen too far from it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct HaltRule {
    peak: Money,
    halted_at: Option<Time>,
}

impl HaltRule {
    /// Starts at an account's opening equity.
    pub const fn new(equity: Money) -> Self {
        Self { peak: equity, halted_at: None }
    }

    /// The equity that drawdown is measured from: the highest since the start or the last lift.
    pub const fn peak(&self) -> Money {
        self.peak
    }

    /// Since when trading is halted by this rule.
    pub const fn halted_at(&self) -> Option<Time> {
        self.halted_at
    }

    /// The account's equity at `now`.
    pub fn observe(&mut self, equity: Money, now: Time, risk: &RiskLimits) -> HaltChange {
        self.peak = self.peak.max(equity);
        if self.halted_at.is_none() && drawdown(equity, self.peak) >= risk.drawdown_halt {
            self.halted_at = Some(now);
            return HaltChange::Halted;
        }
        HaltChange::None
    }

    /// A person lifts the halt. Drawdown is measured from `equity` afterwards: from the old peak
    /// the halt would fall again at once, and a flat account can never climb out of it.
    pub fn lift(&mut self, equity: Money) {
        *self = Self::new(equity);
    }
}

#[cfg(test)]
mod tests;
