//! A float that is finite: the only kind that crosses a module boundary.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, de};

/// A finite, unitless number: a fraction (0.05 is 5 %), a probability, a multiplier or a z-score.
///
/// Arithmetic happens on [`Ratio::get`]; the result comes back through [`Ratio::new`].
#[derive(Clone, Copy, Default, PartialEq, PartialOrd, Serialize)]
#[serde(transparent)]
pub struct Ratio(f64);

/// A number that is NaN or infinite.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the number is not finite")]
pub struct NotFinite;

impl Ratio {
    /// Zero.
    pub const ZERO: Self = Self(0.0);
    /// One.
    pub const ONE: Self = Self(1.0);

    /// Checks a float.
    ///
    /// # Errors
    /// When it is NaN or infinite.
    pub fn new(value: f64) -> Result<Self, NotFinite> {
        // Adding zero turns -0.0 into 0.0, so that equal numbers are written alike.
        if value.is_finite() { Ok(Self(value + 0.0)) } else { Err(NotFinite) }
    }

    /// A constant; an infinite one does not compile.
    ///
    /// # Panics
    /// Outside of constants, when the number is not finite.
    pub const fn of(value: f64) -> Self {
        assert!(value.is_finite(), "the constant is not finite");
        Self(value)
    }

    /// The float itself, or zero where a statistic was undefined.
    pub fn or_zero(value: f64) -> Self {
        Self::new(value).unwrap_or(Self::ZERO)
    }

    /// The float moved into 0 to 1; NaN counts as 0.
    pub fn within_unit(value: f64) -> Self {
        if value >= 1.0 {
            Self::ONE
        } else if value > 0.0 {
            Self(value)
        } else {
            Self::ZERO
        }
    }

    /// The most of `length` things that are at most this share of them; a share below zero has room for
    /// none.
    pub fn room(self, length: usize) -> usize {
        #[expect(clippy::cast_precision_loss, reason = "lengths of lists stay far below 2^53")]
        // 0.2 of 5 is one, although 0.2 is a little more or less than a fifth.
        let room = (self.0 * length as f64 + 1e-9).floor();
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a cast of a float stays within the range, at zero below it"
        )]
        (room as usize).min(length)
    }

    /// The float.
    pub const fn get(self) -> f64 {
        self.0
    }
}

impl fmt::Display for Ratio {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl fmt::Debug for Ratio {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

impl<'de> Deserialize<'de> for Ratio {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::new(f64::deserialize(deserializer)?).map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_is_moved_into_its_interval() {
        for (value, share) in
            [(-1.0, 0.0), (0.0, 0.0), (0.4, 0.4), (1.0, 1.0), (f64::INFINITY, 1.0), (f64::NAN, 0.0)]
        {
            assert_eq!(Ratio::within_unit(value), Ratio::of(share), "{value}");
        }
    }

    #[test]
    fn a_share_has_room_for_whole_things() {
        for (share, length, room) in [
            (0.2, 5, 1),
            (0.2, 4, 0),
            (0.4, 10, 4),
            (0.4, 0, 0),
            (0.3, 10, 3),
            (1.0, 7, 7),
            (9.0, 7, 7),
            (-1.0, 7, 0),
        ] {
            assert_eq!(Ratio::of(share).room(length), room, "{share} of {length}");
        }
    }

    #[test]
    fn only_finite_numbers_pass() {
        for bad in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            assert_eq!(Ratio::new(bad), Err(NotFinite));
            assert_eq!(Ratio::or_zero(bad), Ratio::ZERO);
        }
        assert_eq!(Ratio::new(-0.0).unwrap().to_string(), "0");
    }
}
