//! SMA cross: long while the fast average is above the slow one, short while it is below.
//!
//! sₜ = sign(`SMA_fast` − `SMA_slow`) on closes up to and including t, once both exist; 0 keeps the
//! former sign. A cross is a change of sign, so the first sign is none. The averages are compared
//! in integers: a tie is a tie.

use std::cmp::Ordering;

use serde::{Deserialize, Serialize};

use super::{Call, Strategy, move_from_range};
use crate::features::{FeatureEngine, Needs};
use crate::market::bar::Bar;
use crate::signal::Direction;

/// The strategy with its state: the last sign.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SmaCross {
    fast: u16,
    slow: u16,
    sign: Option<Direction>,
}

impl SmaCross {
    /// Its name.
    pub const NAME: &'static str = "sma-cross";

    pub(super) fn new(fast: u16, slow: u16) -> Self {
        Self { fast, slow, sign: None }
    }
}

impl Strategy for SmaCross {
    fn name(&self) -> &'static str {
        Self::NAME
    }

    fn needs(&self) -> Needs {
        Needs { smas: vec![self.fast, self.slow], atr: true, ..Needs::default() }
    }

    fn on_bar(&mut self, _: &Bar, engine: &FeatureEngine) -> Option<Call> {
        let sign = match engine.compare_smas(self.fast, self.slow)? {
            Ordering::Greater => Direction::Long,
            Ordering::Less => Direction::Short,
            Ordering::Equal => return None,
        };
        let former = self.sign.replace(sign)?;
        (former != sign).then(|| Call { direction: sign, magnitude: move_from_range(engine) })
    }
}
