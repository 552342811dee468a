//! Protections: when entries rest and when they may go on.

use std::time::Duration;

use super::*;
use crate::testing::symbol;

const DAY: Duration = Duration::from_hours(24);

struct Desk {
    state: Protections,
    risk: RiskLimits,
    rules: GateRules,
    today: Time,
}

impl Desk {
    fn new() -> Self {
        let today = "2010-03-01T14:30:00Z".parse().unwrap();
        let (risk, rules) = (RiskLimits::default(), GateRules::default());
        let mut desk = Self { state: Protections::default(), risk, rules, today };
        desk.open();
        desk
    }

    fn open(&mut self) {
        self.state.on_session(self.today, &self.risk, &self.rules);
    }

    fn sessions(&mut self, count: u32) {
        for _ in 0..count {
            self.today = self.today + DAY;
            self.open();
        }
    }

    fn trade(&mut self, return_pct: f64) {
        self.round_trip(return_pct, false);
    }

    fn round_trip(&mut self, return_pct: f64, same_session: bool) {
        let return_pct = Ratio::new(return_pct).unwrap();
        let trade =
            ClosedTrade { symbol: symbol("AAPL"), return_pct, at: self.today, same_session };
        self.state.on_trade_closed(&trade, &self.risk);
    }

    /// Rests now and for five whole sessions more, then no longer.
    #[track_caller]
    fn check_rest(&mut self, protection: Protection) {
        for session in 0..=5 {
            assert!(self.state.rests(protection), "session {session}");
            self.sessions(1);
        }
        assert!(!self.state.rests(protection), "a fresh window after five sessions");
    }
}

#[test]
fn five_losses_in_a_row_rest_for_five_sessions_and_then_count_afresh() {
    let mut desk = Desk::new();
    for _ in 0..4 {
        desk.trade(-0.01);
    }
    assert!(!desk.state.rests(Protection::LossStreak));
    desk.trade(-0.01);
    assert_eq!(desk.state.resting(Protection::LossStreak).unwrap().figure, Ratio::of(5.0));
    desk.trade(0.01); // It closes during the rest: no way out of it.
    desk.check_rest(Protection::LossStreak);
    assert_eq!(desk.state.loss_streak(), 0);
}

#[test]
fn a_gain_ends_a_loss_streak() {
    let mut desk = Desk::new();
    for return_pct in [-0.01, -0.01, -0.01, -0.01, 0.01, -0.01] {
        desk.trade(return_pct);
    }
    assert_eq!(desk.state.loss_streak(), 1);
    assert!(!desk.state.rests(Protection::LossStreak));
}

#[test]
fn a_low_win_rate_counts_from_ten_trades_on_and_its_window_starts_afresh() {
    let mut desk = Desk::new();
    let three_of_ten = [0.01, -0.01, -0.01, 0.01, -0.01, -0.01, 0.01, -0.01, -0.01];
    for return_pct in three_of_ten {
        desk.trade(return_pct);
        assert!(!desk.state.rests(Protection::WinRate), "too few trades");
    }
    desk.trade(-0.01);
    assert_eq!(desk.state.resting(Protection::WinRate).unwrap().figure, Ratio::of(0.3));
    desk.check_rest(Protection::WinRate);
    assert_eq!((desk.state.trades(), desk.state.win_rate()), (0, None));
    assert_eq!(desk.state.outcomes().losses, 7, "the Kelly record forgets nothing");
}

#[test]
fn four_of_ten_is_enough() {
    let mut desk = Desk::new();
    for return_pct in [0.01, -0.01, -0.01, 0.01, -0.01, -0.01, 0.01, -0.01, -0.01, 0.01] {
        desk.trade(return_pct);
    }
    assert!(!desk.state.rests(Protection::WinRate));
}

#[test]
fn five_rejections_in_a_row_rest_and_an_acceptance_ends_the_streak() {
    let mut desk = Desk::new();
    for _ in 0..4 {
        desk.state.on_rejection(&desk.risk);
    }
    desk.state.on_acceptance();
    assert_eq!(desk.state.rejection_streak(), 0);
    for _ in 0..5 {
        desk.state.on_rejection(&desk.risk);
    }
    desk.state.on_acceptance();
    desk.check_rest(Protection::RejectionStreak);
    assert_eq!(desk.state.rejection_streak(), 0);
}

#[test]
fn a_daily_loss_rests_even_when_the_session_recovers() {
    let mut desk = Desk::new();
    desk.state.on_daily_pnl(Ratio::of(-0.029), &desk.risk);
    assert!(!desk.state.rests(Protection::DailyLoss));
    desk.state.on_daily_pnl(Ratio::of(-0.03), &desk.risk);
    desk.state.on_daily_pnl(Ratio::of(0.05), &desk.risk);
    desk.check_rest(Protection::DailyLoss);
}

#[test]
fn day_trades_leave_the_window_after_five_sessions_of_shares() {
    let mut desk = Desk::new();
    desk.round_trip(0.01, true);
    desk.round_trip(0.01, false);
    assert_eq!(desk.state.day_trades(), 1);
    // Monday's trade is still there on Friday, and over a weekend on which coins are traded.
    for day in ["Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"] {
        desk.sessions(1);
        assert_eq!(desk.state.day_trades(), 1, "{day}");
    }
    let text = serde_json::to_string(&desk.state).unwrap();
    assert_eq!(serde_json::from_str::<Protections>(&text).unwrap(), desk.state);
    desk.sessions(1);
    assert_eq!(desk.state.day_trades(), 0, "Monday");
    // One of Tuesday's leaves on the Tuesday after, past the holiday of Good Friday.
    desk.sessions(22);
    desk.round_trip(0.01, true);
    desk.sessions(7);
    assert_eq!(desk.state.day_trades(), 1, "{}", desk.today);
    desk.sessions(1);
    assert_eq!(desk.state.day_trades(), 0, "{}", desk.today);
}

#[test]
fn a_session_told_twice_or_late_is_one_session() {
    let mut desk = Desk::new();
    desk.state.on_daily_pnl(Ratio::of(-0.03), &desk.risk);
    for _ in 0..10 {
        desk.open();
    }
    let earlier = desk.today - DAY;
    desk.state.on_session(earlier, &desk.risk, &desk.rules);
    assert!(desk.state.rests(Protection::DailyLoss));
}

#[test]
fn a_snapshot_read_back_decides_as_before() {
    let mut desk = Desk::new();
    for _ in 0..5 {
        desk.round_trip(-0.01, true);
    }
    let text = serde_json::to_string(&desk.state).unwrap();
    assert_eq!(serde_json::from_str::<Protections>(&text).unwrap(), desk.state);
}

#[test]
fn the_payoff_is_mean_gain_over_mean_loss() {
    let mut outcomes = Outcomes::default();
    assert_eq!(outcomes.payoff(), None);
    for return_pct in [0.04, 0.02, -0.01, -0.02] {
        outcomes.add(Ratio::of(return_pct));
    }
    assert!((outcomes.payoff().unwrap().get() - 2.0).abs() < 1e-12);
}

/// O-3: a halt is sticky: no recovery of equity lifts it, only a person does.
#[test]
fn a_halt_falls_at_fifteen_percent_and_stays_through_a_recovery() {
    let risk = RiskLimits::default();
    let money = |units: i64| Money::from_units(units).unwrap();
    let mut halt = HaltRule::new(money(100_000));
    let now = Time::from_ms(1);
    for equity in [100_000, 120_000, 108_000, 102_001] {
        assert_eq!(halt.observe(money(equity), now, &risk), HaltChange::None, "{equity}");
    }
    assert_eq!(halt.observe(money(102_000), now, &risk), HaltChange::Halted);
    for equity in [114_000, 130_000, 100_000] {
        let later = Time::from_ms(2);
        assert_eq!(halt.observe(money(equity), later, &risk), HaltChange::None, "{equity}");
        assert_eq!(halt.halted_at(), Some(now), "{equity}");
    }
    halt.lift(money(100_000));
    assert_eq!((halt.halted_at(), halt.peak()), (None, money(100_000)));
    assert_eq!(halt.observe(money(99_000), now, &risk), HaltChange::None);
    assert_eq!(halt.observe(money(85_000), now, &risk), HaltChange::Halted);
}
