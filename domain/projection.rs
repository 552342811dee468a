//! The portfolio as it would be after an order: what the guardian judges.
//!
//! Exposure is the sum of all sizes over equity, long and short alike; cash is what no short and no
//! pending entry binds (see [`crate::account`]). Value at risk is historical, over the days that all
//! positions have in common, at most 250. What cannot be known is taken at its worst: a portfolio
//! with too few common days may lose everything, a symbol with too short a past moves with the book.

use crate::account::{Account, Holding};
use crate::brief::trading::Projected;
use crate::code::Code;
use crate::limits::{Limits, RiskLimits};
use crate::ratio::Ratio;
use crate::risk::{self, TailRisk};
use crate::signal::Direction;

/// Nobody knows what a portfolio may lose: everything.
const UNKNOWN: TailRisk = TailRisk { var95: Ratio::ONE, cvar95: Ratio::ONE };

/// What these positions may lose in a day; everything while they have too few days in common.
pub fn tail_risk<'a>(account: &Account, positions: impl Iterator<Item = &'a Holding>) -> TailRisk {
    let weigh = |holding: &'a Holding| risk::Holding {
        weight: Ratio::or_zero(account.share(holding.signed_value())),
        returns: &holding.returns,
    };
    let weighed: Vec<risk::Holding> = positions.map(weigh).collect();
    risk::tail_risk(&weighed).unwrap_or(UNKNOWN)
}

/// The largest correlation of an entry with a position that stays, −1 to 1, seen from the profits:
/// two shorts that fall together correlate by +1, a long and a short of the same thing by −1.
///
/// Zero when nothing else is held; one when the common past is too short to tell.
pub fn max_correlation(account: &Account, entry: &Holding) -> Ratio {
    let direction = entry.direction();
    let others = account.staying(&entry.symbol, direction);
    let felt = others.filter(|other| other.symbol != entry.symbol).map(|other| {
        let turned = other.direction().sign() * direction.sign();
        risk::correlation(&entry.returns, &other.returns).map_or(1.0, |found| found.get() * turned)
    });
    Ratio::or_zero(felt.reduce(f64::max).unwrap_or(0.0))
}

/// What one position loses when its stop fills with a gap of one ATR, fraction of equity.
fn loss_at_stop(account: &Account, holding: &Holding, limits: &Limits) -> f64 {
    let unknown = limits.sizing.unknown_stop.get();
    let price = holding.price.to_f64();
    let to_stop = match holding.stop {
        Some(stop) if price > 0.0 => match holding.direction() {
            Direction::Long => (price - stop.to_f64()) / price,
            Direction::Short => (stop.to_f64() - price) / price,
        },
        _ => unknown,
    };
    let gap = holding.atr_pct.map_or(unknown, Ratio::get);
    account.share(holding.signed_value().abs()) * (to_stop.max(0.0) + gap.max(0.0))
}

/// The drawdown from the peak if every stop of `positions` fills with a gap of one ATR.
fn drawdown_if_stopped<'a>(
    account: &Account,
    positions: impl Iterator<Item = &'a Holding>,
    limits: &Limits,
) -> Ratio {
    let loss: f64 = positions.map(|holding| loss_at_stop(account, holding, limits)).sum();
    let now = account.drawdown().get();
    Ratio::or_zero((1.0 - (1.0 - now) * (1.0 - loss)).min(1.0))
}

/// The portfolio after `entry` is added to the account: its quantity signed, its stop where it
/// would stand. A position that the entry turns round is gone, pending entries have filled.
pub fn project(account: &Account, entry: &Holding, limits: &Limits) -> Projected {
    let direction = entry.direction();
    let share = account.share(entry.signed_value().abs());
    let usage = account.usage(&entry.symbol, direction).plus(share, entry.class);
    let after = || account.staying(&entry.symbol, direction).chain(std::iter::once(entry));
    let risk = tail_risk(account, after());
    Projected {
        position_pct: usage.symbol,
        exposure_pct: usage.exposure,
        cash_pct: usage.free_cash,
        var95_pct: risk.var95,
        cvar95_pct: risk.cvar95,
        drawdown_if_all_stops_pct: drawdown_if_stopped(account, after(), limits),
        max_correlation: max_correlation(account, entry),
    }
}

/// The first of the guardian's hard limits on the projected portfolio that is breached, if any.
pub fn breach(after: &Projected, risk: &RiskLimits) -> Option<Code> {
    let checks = [
        (after.position_pct > risk.position_max, Code::GuardPosition),
        (after.exposure_pct >= risk.exposure_max, Code::GuardExposure),
        (after.cash_pct < risk.cash_min, Code::GuardCash),
        (after.var95_pct > risk.var_max, Code::GuardVar),
        (after.cvar95_pct > risk.cvar_max, Code::GuardCvar),
        (after.drawdown_if_all_stops_pct >= risk.drawdown_halt, Code::GuardStops),
    ];
    checks.into_iter().find(|(breached, _)| *breached).map(|(_, code)| code)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixed::Money;
    use crate::testing::{account, daily, holding, price, returns};

    #[track_caller]
    fn near(got: Ratio, expected: f64) {
        assert!((got.get() - expected).abs() < 1e-6, "{got}, expected {expected}");
    }

    #[test]
    fn an_entry_into_an_empty_book_is_projected_by_hand() {
        let book = account(100_000);
        let mut entry = holding("AAPL", 200, 100);
        entry.stop = Some(price(95));
        entry.returns = daily(&[-0.05; 250]);
        let after = project(&book, &entry, &Limits::default());
        near(after.position_pct, 0.20);
        near(after.exposure_pct, 0.20);
        near(after.cash_pct, 0.80);
        near(after.var95_pct, 0.01);
        near(after.cvar95_pct, 0.01);
        near(after.drawdown_if_all_stops_pct, 0.20 * (0.05 + 0.02));
        near(after.max_correlation, 0.0);
    }

    #[test]
    fn a_short_entry_binds_cash_and_gains_when_the_price_falls() {
        let book = account(100_000);
        let mut entry = holding("AAPL", -200, 100);
        entry.stop = Some(price(105));
        entry.returns = daily(&[-0.05; 250]);
        let after = project(&book, &entry, &Limits::default());
        near(after.exposure_pct, 0.20);
        near(after.cash_pct, 0.80);
        assert!(after.var95_pct <= Ratio::ZERO, "it wins every day: {:?}", after.var95_pct);
        near(after.drawdown_if_all_stops_pct, 0.20 * (0.05 + 0.02));
    }

    #[test]
    fn pending_entries_count_and_a_reversed_position_does_not() {
        let mut book = account(100_000);
        book.holdings = vec![holding("AAPL", 100, 100)];
        book.cash = Money::from_units(90_000).unwrap();
        book.pending = vec![holding("MSFT", 100, 100)];
        let after = project(&book, &holding("AAPL", -100, 100), &Limits::default());
        near(after.position_pct, 0.10);
        near(after.exposure_pct, 0.20);
        near(after.cash_pct, 0.80);
    }

    #[test]
    fn drawdown_if_stopped_starts_from_the_drawdown_there_is() {
        let mut book = account(90_000);
        book.peak_equity = Money::from_units(100_000).unwrap();
        let mut entry = holding("AAPL", 180, 100);
        entry.stop = Some(price(90));
        let after = project(&book, &entry, &Limits::default());
        near(after.drawdown_if_all_stops_pct, 1.0 - 0.9 * (1.0 - 0.20 * 0.12));
    }

    #[test]
    fn the_same_bet_in_the_other_direction_is_correlated_too() {
        let mut book = account(100_000);
        book.holdings = vec![holding("MSFT", 100, 100)];
        let limits = Limits::default();
        near(project(&book, &holding("AAPL", 100, 100), &limits).max_correlation, 1.0);
        near(project(&book, &holding("AAPL", -100, 100), &limits).max_correlation, -1.0);
        let mirror = Holding { returns: returns(-0.005, 2), ..holding("AAPL", -100, 100) };
        let felt = project(&book, &mirror, &limits).max_correlation;
        assert!(felt > Ratio::of(0.999), "{felt}");
    }

    #[test]
    fn what_is_unknown_is_taken_at_its_worst() {
        let mut book = account(100_000);
        book.holdings = vec![holding("MSFT", 100, 100)];
        let mut entry = holding("AAPL", 100, 100);
        (entry.returns, entry.atr_pct, entry.stop) = (daily(&[0.01; 19]), None, None);
        let limits = Limits::default();
        let after = project(&book, &entry, &limits);
        near(after.var95_pct, 1.0);
        near(after.cvar95_pct, 1.0);
        near(after.max_correlation, 1.0);
        let unknown = limits.sizing.unknown_stop.get();
        near(after.drawdown_if_all_stops_pct, 0.10 * 2.0 * unknown + 0.10 * (unknown + 0.02));
    }

    #[test]
    fn each_hard_limit_is_breached_alone_and_at_its_own_edge() {
        let calm = Projected {
            position_pct: Ratio::of(0.20),
            exposure_pct: Ratio::of(0.79),
            cash_pct: Ratio::of(0.30),
            var95_pct: Ratio::of(0.02),
            cvar95_pct: Ratio::of(0.03),
            drawdown_if_all_stops_pct: Ratio::of(0.149),
            max_correlation: Ratio::ONE,
        };
        let risk = RiskLimits::default();
        assert_eq!(breach(&calm, &risk), None);
        let of = Ratio::of;
        for (after, code) in [
            (Projected { position_pct: of(0.201), ..calm }, Code::GuardPosition),
            (Projected { exposure_pct: of(0.80), ..calm }, Code::GuardExposure),
            (Projected { cash_pct: of(0.299), ..calm }, Code::GuardCash),
            (Projected { var95_pct: of(0.021), ..calm }, Code::GuardVar),
            (Projected { cvar95_pct: of(0.031), ..calm }, Code::GuardCvar),
            (Projected { drawdown_if_all_stops_pct: of(0.15), ..calm }, Code::GuardStops),
        ] {
            assert_eq!(breach(&after, &risk), Some(code));
        }
    }

    #[test]
    fn an_empty_book_has_no_tail_risk_and_a_hedge_lowers_it() {
        let book = account(100_000);
        assert_eq!(tail_risk(&book, std::iter::empty()), TailRisk::default());
        let long = holding("AAPL", 200, 100);
        let short = Holding { returns: returns(0.005, 2), ..holding("MSFT", -200, 100) };
        let alone = tail_risk(&book, [&long].into_iter());
        let hedged = tail_risk(&book, [&long, &short].into_iter());
        near(alone.var95, 0.001);
        assert!(hedged.var95 < alone.var95);
    }
}
