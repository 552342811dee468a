//! Momentum: follows a return over some bars once it is large enough, until the opposite one is.
//!
//! The state turns long when the return over `lookback` bars is at or above `threshold`, short when
//! it is at or below −`threshold`, and stays what it was between the two. It calls when the state
//! turns, the first time too. (N. Jegadeesh and S. Titman, *Journal of Finance* 48, 1993, on one
//! symbol instead of ranks: T. Moskowitz, Y. Ooi, L. Pedersen, *JFE* 104, 2012.)

use serde::{Deserialize, Serialize};

use super::{Call, Strategy, move_from_range};
use crate::features::{FeatureEngine, Needs};
use crate::market::bar::Bar;
use crate::ratio::Ratio;
use crate::signal::Direction;

/// The strategy with its state.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Momentum {
    lookback: u16,
    threshold: Ratio,
    state: Option<Direction>,
}

impl Momentum {
    /// Its name.
    pub const NAME: &'static str = "momentum";

    pub(super) fn new(lookback: u16, threshold: Ratio) -> Self {
        Self { lookback, threshold, state: None }
    }
}

impl Strategy for Momentum {
    fn name(&self) -> &'static str {
        Self::NAME
    }

    fn needs(&self) -> Needs {
        Needs { closes: self.lookback.saturating_add(1), atr: true, ..Needs::default() }
    }

    fn on_bar(&mut self, _: &Bar, engine: &FeatureEngine) -> Option<Call> {
        let moved = engine.return_over(self.lookback)?.get();
        let turned = if moved > 0.0 && moved >= self.threshold.get() {
            Direction::Long
        } else if moved < 0.0 && moved <= -self.threshold.get() {
            Direction::Short
        } else {
            return None;
        };
        let former = self.state.replace(turned);
        (former != Some(turned))
            .then(|| Call { direction: turned, magnitude: move_from_range(engine) })
    }
}
