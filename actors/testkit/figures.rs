//! Figures for signals that are raised by hand.

use conclave_domain::fixed::Money;
use conclave_domain::ratio::Ratio;
use conclave_domain::signal::{Direction, Features, Regime};
use conclave_domain::watch::Pulse;

/// Figures that no rules brain finds anything wrong with.
pub(super) fn good(direction: Direction) -> Pulse {
    let figure = |value| Some(Ratio::of(value));
    let sign = direction.sign();
    let (bull, bear) = if direction == Direction::Long { (0.55, 0.15) } else { (0.15, 0.55) };
    Pulse {
        features: Features {
            ret_1: figure(0.004 * sign),
            ret_5: figure(0.012 * sign),
            ret_20: figure(0.04 * sign),
            vol_20: figure(0.18),
            vol_z: figure(-0.3),
            atr14_pct: figure(0.015),
            rsi14: figure(50.0 + 8.0 * sign),
            adx14: figure(24.0),
            zscore_20: figure(0.8 * sign),
            spread_bp: figure(2.0),
            gap_pct: figure(0.002),
            dollar_volume_20: Money::from_units(250_000_000).ok(),
        },
        regime: Regime {
            bull: Ratio::of(bull),
            bear: Ratio::of(bear),
            sideways: Ratio::of(0.27),
            crash: Ratio::of(0.03),
            bars_in_regime: 34,
        },
    }
}
