//! The keys of `[universe]`.

use super::keys::{Key, duration, flag, integer, number};

const MINUTE: u64 = 60 * 1_000;
const DAY: u64 = 24 * 60 * MINUTE;

pub(super) fn keys(all: &mut Vec<Key>) {
    all.extend([
        flag("universe.enabled", |c| &mut c.universe.enabled),
        duration("universe.every", 5 * MINUTE..=30 * DAY, |c| &mut c.universe.rules.every),
        integer("universe.symbols_min", 3..=10, "symbols", |c| &mut c.universe.rules.symbols_min),
        integer("universe.symbols_max", 3..=10, "symbols", |c| &mut c.universe.rules.symbols_max),
        number("universe.win_rate_min", 0.40..=0.90, "fraction of trades", |c| {
            &mut c.universe.rules.win_rate_min
        }),
        number("universe.drawdown_max", 0.01..=0.12, "fraction of the peak", |c| {
            &mut c.universe.rules.drawdown_max
        }),
        integer("universe.trades_min", 1..=10, "trades", |c| &mut c.universe.rules.trades_min),
        number("universe.margin", 0.0..=0.50, "of a score", |c| &mut c.universe.rules.margin),
        duration("universe.rest", MINUTE..=366 * DAY, |c| &mut c.universe.rules.rest),
        integer("universe.measured_bars", 1..=500, "bars", |c| &mut c.universe.rules.measured_bars),
    ]);
}
