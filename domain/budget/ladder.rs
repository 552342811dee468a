//! Which rung of its ladder a paid consultation is granted: the best model while there is money, a
//! cheaper one when a cap nears. Pure.
//!
//! - G-3: a rung is granted only where its worst case fits under every cap that applies to it.
//!
//! The tightest cap decides, by the share that is left of it. Never is a dearer rung granted because a
//! cheaper one does not fit: when the last one does not, nothing is.

use serde::Serialize;

use crate::code::Code;
use crate::fixed::{Bp, Money};

/// Below which share of the tightest cap the cheaper rungs are taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct StepDown {
    /// With less left than this the second rung.
    pub second_below: Bp,
    /// With less left than this the third.
    pub third_below: Bp,
}

impl Default for StepDown {
    /// One half and one fifth.
    fn default() -> Self {
        Self { second_below: Bp::whole(5_000), third_below: Bp::whole(2_000) }
    }
}

impl StepDown {
    /// The share that must be left for a rung, counted from zero, that is not the last.
    const fn least(self, rung: usize) -> Bp {
        if rung == 0 { self.second_below } else { self.third_below }
    }
}

/// One money cap as it stands for whoever asks: without the part that is protected from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Room {
    /// What may still be spent, in raw steps of [`Money`], never negative.
    pub left: i64,
    /// What may be spent in all, in raw steps of [`Money`].
    pub limit: i64,
    /// Why a call is refused that does not fit.
    pub code: Code,
}

impl Room {
    fn has_less_than(self, share: Bp) -> bool {
        let left = i128::from(self.left) * i128::from(Bp::whole(10_000).as_hundredths());
        left < i128::from(self.limit) * i128::from(share.as_hundredths())
    }
}

/// A rung and every cap that applies to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Offer {
    /// The most that the call can cost.
    pub at_most: Money,
    /// The caps, in the order in which they are named.
    pub rooms: Vec<Room>,
}

impl Offer {
    fn fits(&self, usd_per_call: Money) -> Result<(), Code> {
        if self.at_most > usd_per_call {
            return Err(Code::SafetyMoneyCall);
        }
        let full = self.rooms.iter().find(|room| room.left < self.at_most.raw());
        full.map_or(Ok(()), |room| Err(room.code))
    }
}

/// The rung that is granted, counted from zero.
///
/// # Errors
/// The code of what stands in the way of the last rung; [`Code::SafetyUnknownPrice`] where there is
/// none at all.
pub fn choose(offers: &[Offer], usd_per_call: Money, step_down: StepDown) -> Result<usize, Code> {
    let mut why = Code::SafetyUnknownPrice;
    for (rung, offer) in offers.iter().enumerate() {
        let is_last = rung + 1 == offers.len();
        let least = step_down.least(rung);
        let is_near = || offer.rooms.iter().any(|room| room.has_less_than(least));
        // What costs nothing brings no cap nearer.
        if !is_last && !offer.at_most.is_zero() && is_near() {
            continue;
        }
        match offer.fits(usd_per_call) {
            Ok(()) => return Ok(rung),
            Err(code) => why = code,
        }
    }
    Err(why)
}

#[cfg(test)]
mod tests {
    use super::*;

    const CENT: i64 = Money::SCALE / 100;

    fn cents(cents: i64) -> Money {
        Money::from_raw(cents * CENT)
    }

    fn room(left: i64, code: Code) -> Room {
        Room { left: left * CENT, limit: 100 * CENT, code }
    }

    /// Rungs of 30, 10 and 2 cents under a day of a dollar.
    fn ladder(left: i64) -> Vec<Offer> {
        let offer = |at_most| {
            let rooms = vec![room(100, Code::SafetyMoneyRun), room(left, Code::SafetyMoneyDay)];
            Offer { at_most: cents(at_most), rooms }
        };
        [30, 10, 2].map(offer).into()
    }

    #[track_caller]
    fn check(offers: &[Offer], expected: Result<usize, Code>) {
        assert_eq!(choose(offers, cents(50), StepDown::default()), expected, "{offers:?}");
    }

    /// G-3: the dearer the rung, the more must be left; the last one as long as it fits.
    #[test]
    fn the_rung_steps_down_as_the_tightest_cap_nears() {
        for (left, expected) in [
            (100, Ok(0)),
            (50, Ok(0)),
            (49, Ok(1)),
            (20, Ok(1)),
            (19, Ok(2)),
            (2, Ok(2)),
            (1, Err(Code::SafetyMoneyDay)),
            (0, Err(Code::SafetyMoneyDay)),
        ] {
            check(&ladder(left), expected);
        }
    }

    #[test]
    fn the_last_rung_is_the_second_or_the_first_where_there_are_no_more() {
        for (rungs, left, expected) in [
            (2, 60, Ok(0)),
            (2, 10, Ok(1)),
            (2, 9, Err(Code::SafetyMoneyDay)),
            (1, 30, Ok(0)),
            (1, 29, Err(Code::SafetyMoneyDay)),
            (0, 100, Err(Code::SafetyUnknownPrice)),
        ] {
            check(&ladder(left)[..rungs], expected);
        }
    }

    #[test]
    fn a_rung_that_is_too_dear_for_one_call_or_one_cap_is_passed_over() {
        let mut offers = ladder(100);
        offers[0].at_most = cents(51);
        check(&offers, Ok(1));
        offers[1].rooms.push(room(9, Code::SafetyMoneyModel));
        check(&offers, Ok(2));
        offers[2].rooms.push(room(0, Code::SafetyMoneyAgent));
        check(&offers, Err(Code::SafetyMoneyAgent));
        offers[2].at_most = cents(60);
        check(&offers, Err(Code::SafetyMoneyCall));
    }

    #[test]
    fn what_costs_nothing_is_never_refused_for_money() {
        let mut offers = ladder(0);
        check(&offers, Err(Code::SafetyMoneyDay));
        offers[0].at_most = Money::ZERO;
        check(&offers, Ok(0));
        offers[0].rooms[1].limit = 0;
        check(&offers, Ok(0));
    }
}
