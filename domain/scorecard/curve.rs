//! Accounts day by day, and the daily difference of two of them.

use std::collections::BTreeMap;

use crate::fixed::{FixedError, Money};
use crate::time::Time;

/// An account's equity at the end of each day of UTC.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Curve(BTreeMap<i64, Money>);

impl Curve {
    /// The last equity of each day; the points are in order of time.
    pub fn of(points: impl IntoIterator<Item = (Time, Money)>) -> Self {
        Self(points.into_iter().map(|(at, equity)| (at.utc_day(), equity)).collect())
    }

    /// Equity at the end of the last day.
    pub fn end(&self) -> Option<Money> {
        self.0.values().next_back().copied()
    }

    /// Equity at the end of the first day.
    pub fn begin(&self) -> Option<Money> {
        self.0.values().next().copied()
    }
}

/// What an account has gained or lost against another, day by day, as fractions of the equity of its
/// first day.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Differences {
    by_day: BTreeMap<i64, f64>,
    /// The whole of it, USD.
    pub total: Money,
}

impl Differences {
    /// How much better each day was with than without. A day that only one of them has leaves the other
    /// where it stood.
    ///
    /// # Errors
    /// When a difference is beyond what money holds.
    pub fn between(with: &Curve, without: &Curve) -> Result<Self, FixedError> {
        let (Some(begin), Some(other)) = (with.begin(), without.begin()) else {
            return Ok(Self::default());
        };
        let scale = begin.to_f64();
        let days: std::collections::BTreeSet<i64> =
            with.0.keys().chain(without.0.keys()).copied().collect();
        let (mut one, mut two, mut ahead) = (begin, other, Money::ZERO);
        let mut by_day = BTreeMap::new();
        for day in days {
            one = with.0.get(&day).copied().unwrap_or(one);
            two = without.0.get(&day).copied().unwrap_or(two);
            let now = one.minus(two)?;
            let gained = now.minus(ahead)?.to_f64();
            ahead = now;
            by_day.insert(day, if scale > 0.0 { gained / scale } else { 0.0 });
        }
        Ok(Self { by_day, total: ahead })
    }

    /// These less others: what of two agents together is not what each does alone.
    ///
    /// # Errors
    /// When a difference is beyond what money holds.
    pub fn less(&self, other: &Self) -> Result<Self, FixedError> {
        let mut by_day = self.by_day.clone();
        for (day, gained) in &other.by_day {
            *by_day.entry(*day).or_default() -= gained;
        }
        Ok(Self { by_day, total: self.total.minus(other.total)? })
    }

    /// The fractions, in order of days.
    pub fn days(&self) -> Vec<f64> {
        self.by_day.values().copied().collect()
    }

    /// Whether the two accounts never differed.
    pub fn is_none(&self) -> bool {
        self.total.is_zero() && self.by_day.values().all(|gained| *gained == 0.0)
    }
}

/// Several runs together: days are added where they are the same, because what befell a market on a day
/// befell all of them. So the same run twice is no further evidence (K-3).
///
/// # Errors
/// When a sum is beyond what money holds.
pub fn pooled(all: &[Differences]) -> Result<Differences, FixedError> {
    let mut sum = Differences::default();
    for one in all {
        for (day, gained) in &one.by_day {
            *sum.by_day.entry(*day).or_default() += gained;
        }
        sum.total = sum.total.plus(one.total)?;
    }
    Ok(sum)
}
