//! Whether something goes wrong now: by the list, or by lot.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::{Fault, Place, Port, Schedule};
use crate::ratio::Ratio;

/// Where faults come from: a list, and beside it a lot for each call.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct FaultSource {
    listed: Schedule,
    seed: u64,
    rate: Ratio,
    /// What may be drawn; everything when empty.
    kinds: BTreeSet<Fault>,
}

impl FaultSource {
    /// These faults and no others.
    pub fn listed(schedule: Schedule) -> Self {
        Self { listed: schedule, ..Self::default() }
    }

    /// A lot for each call: something goes wrong with this probability, 0 to 1. `kinds` narrows what
    /// it may be; empty is everything.
    pub fn drawn(seed: u64, rate: Ratio, kinds: BTreeSet<Fault>) -> Self {
        Self { seed, rate, kinds, ..Self::default() }
    }

    /// The same lots beside this list; where both say something the list wins.
    #[must_use]
    pub fn with_list(self, schedule: Schedule) -> Self {
        Self { listed: schedule, ..self }
    }

    /// What of it befalls one port.
    #[must_use]
    pub fn of_port(&self, port: Port) -> Self {
        let place = Place::Port(port);
        let mine = self.listed.items().iter().filter(|item| item.place == place);
        let listed = Schedule::new(mine.cloned());
        let drawn = place.faults().iter().any(|fault| self.may_draw(*fault));
        let rate = if drawn { self.rate } else { Ratio::ZERO };
        Self { listed, rate, ..self.clone() }
    }

    /// Whether nothing ever goes wrong.
    pub fn is_off(&self) -> bool {
        self.listed.is_empty() && self.rate.get() <= 0.0
    }

    /// The list.
    pub const fn list(&self) -> &Schedule {
        &self.listed
    }

    /// Whether an agent may fail to answer within its round: then a round needs a deadline.
    pub fn hangs(&self) -> bool {
        let listed = || self.listed.items().iter().map(|item| item.fault);
        let drawn = Fault::OF_AGENTS.into_iter().filter(|fault| self.may_draw(*fault));
        listed().chain(drawn).any(Fault::never_answers)
    }

    /// What goes wrong at a place at the nth time. The process and the people are never drawn here:
    /// who crashes or commands is planned.
    pub fn at(&self, place: &Place, nth: u64) -> Option<Fault> {
        if let Some(fault) = self.listed.at(place, nth) {
            return Some(fault);
        }
        if self.rate.get() <= 0.0 || matches!(place, Place::Port(Port::Process | Port::Person)) {
            return None;
        }
        let [lot, which] = self.lots(place, nth);
        #[expect(clippy::cast_precision_loss, reason = "53 bits are exact in a float")]
        let lot = (lot >> 11) as f64 / (1_u64 << 53) as f64;
        if lot >= self.rate.get() {
            return None;
        }
        let may = || place.faults().iter().copied().filter(|fault| self.may_draw(*fault));
        let count = may().count() as u64;
        let index = which.checked_rem(count)?;
        may().nth(usize::try_from(index).ok()?)
    }

    fn may_draw(&self, fault: Fault) -> bool {
        self.rate.get() > 0.0 && (self.kinds.is_empty() || self.kinds.contains(&fault))
    }

    /// Two numbers that only the seed, the place and the number of the call decide.
    fn lots(&self, place: &Place, nth: u64) -> [u64; 2] {
        let mut hasher = blake3::Hasher::new();
        hasher.update(&self.seed.to_le_bytes());
        hasher.update(&nth.to_le_bytes());
        let kind: &[u8] = if matches!(place, Place::Agent(_)) { b"agent " } else { b"port " };
        hasher.update(kind);
        hasher.update(place.to_string().as_bytes());
        let hash = hasher.finalize();
        let number = |from: usize| {
            let mut bytes = [0; 8];
            bytes.copy_from_slice(&hash.as_bytes()[from..from + 8]);
            u64::from_le_bytes(bytes)
        };
        [number(0), number(8)]
    }
}
