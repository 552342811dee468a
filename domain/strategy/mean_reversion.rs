//! Mean reversion: against the distance from the mean once it is unusual.
//!
//! With z the close's distance from the mean of the last `window` closes in standard deviations: the
//! state turns long at z ≤ −`entry`, short at z ≥ `entry`, and neutral again when |z| ≤ `rearm` or
//! when z is undefined because all closes are equal. It calls when the state turns long or short.
//! The expected move is the way back to the mean. (J. Bollinger, *Bollinger on Bollinger Bands*,
//! 2001, chapter 15, with a distance to re-arm.)

use serde::{Deserialize, Serialize};

use super::{Call, Strategy};
use crate::features::{FeatureEngine, Needs};
use crate::market::bar::Bar;
use crate::ratio::Ratio;
use crate::signal::Direction;

/// The strategy with its state.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MeanReversion {
    window: u16,
    entry: Ratio,
    rearm: Ratio,
    state: Option<Direction>,
}

impl MeanReversion {
    /// Its name.
    pub const NAME: &'static str = "mean-reversion";

    pub(super) fn new(window: u16, entry: Ratio, rearm: Ratio) -> Self {
        Self { window, entry, rearm, state: None }
    }
}

impl Strategy for MeanReversion {
    fn name(&self) -> &'static str {
        Self::NAME
    }

    fn needs(&self) -> Needs {
        Needs { closes: self.window, ..Needs::default() }
    }

    fn on_bar(&mut self, _: &Bar, engine: &FeatureEngine) -> Option<Call> {
        let z = engine.zscore(self.window).unwrap_or(Ratio::ZERO).get();
        let turned = if z <= -self.entry.get() {
            Direction::Long
        } else if z >= self.entry.get() {
            Direction::Short
        } else {
            if z.abs() <= self.rearm.get() {
                self.state = None;
            }
            return None;
        };
        if self.state.replace(turned) == Some(turned) {
            return None;
        }
        let way_back = engine.distance_to_mean(self.window)?.get().abs();
        Some(Call { direction: turned, magnitude: Ratio::or_zero(way_back) })
    }
}
