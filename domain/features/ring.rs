//! The last values of a series in a buffer that is allocated once, and their mean and spread.

use std::cmp::Ordering;

use serde::{Deserialize, Serialize};

/// The last `capacity` values, oldest first.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Layout<T>", bound(deserialize = "T: Deserialize<'de>"))]
pub(crate) struct Ring<T> {
    values: Vec<T>,
    head: usize,
    capacity: usize,
}

/// A ring as it lies in a snapshot, before it is believed.
#[derive(Deserialize)]
struct Layout<T> {
    values: Vec<T>,
    head: usize,
    capacity: usize,
}

/// A snapshot whose ring cannot be one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a stored window has an impossible layout")]
struct LayoutError;

impl<T> TryFrom<Layout<T>> for Ring<T> {
    type Error = LayoutError;

    fn try_from(layout: Layout<T>) -> Result<Self, LayoutError> {
        let Layout { values, head, capacity } = layout;
        let full = values.len() == capacity;
        let sound = capacity > 0
            && values.len() <= capacity
            && if full { head < capacity } else { head == 0 };
        if sound { Ok(Self { values, head, capacity }) } else { Err(LayoutError) }
    }
}

impl<T: Copy> Ring<T> {
    /// An empty ring of at least one place.
    pub(crate) fn new(capacity: usize) -> Self {
        let capacity = capacity.max(1);
        Self { values: Vec::with_capacity(capacity), head: 0, capacity }
    }

    /// Adds the newest value; the oldest comes back once the ring is full.
    pub(crate) fn push(&mut self, value: T) -> Option<T> {
        if self.values.len() < self.capacity {
            self.values.push(value);
            return None;
        }
        let oldest = std::mem::replace(&mut self.values[self.head], value);
        self.head += 1;
        if self.head == self.capacity {
            self.head = 0;
        }
        Some(oldest)
    }

    /// Whether every place is taken.
    pub(crate) fn is_full(&self) -> bool {
        self.values.len() == self.capacity
    }

    /// How many values there are.
    pub(crate) fn len(&self) -> usize {
        self.values.len()
    }

    /// How many values there is room for.
    pub(crate) fn capacity(&self) -> usize {
        self.capacity
    }

    /// The values, oldest first.
    pub(crate) fn iter(&self) -> impl DoubleEndedIterator<Item = T> + Clone {
        let (newer, older) = self.values.split_at(self.head);
        older.iter().chain(newer).copied()
    }

    /// The newest `count` values, oldest of them first; `None` while there are fewer.
    pub(crate) fn last(&self, count: usize) -> Option<impl Iterator<Item = T> + Clone> {
        let skipped = self.len().checked_sub(count)?;
        let (newer, older) = self.values.split_at(self.head);
        // Slices rather than `skip`, which would walk over what it leaves out.
        let older_skipped = skipped.min(older.len());
        let newer = &newer[skipped - older_skipped..];
        Some(older[older_skipped..].iter().chain(newer).copied())
    }

    /// The value `steps` before the newest; 0 is the newest itself.
    pub(crate) fn back(&self, steps: usize) -> Option<T> {
        self.last(steps.checked_add(1)?)?.next()
    }

    /// The value for which `order` says equal; the values must be sorted by it.
    pub(crate) fn search(&self, mut by: impl FnMut(&T) -> Ordering) -> Option<T> {
        let (newer, older) = self.values.split_at(self.head);
        let found = |part: &[T], by: &mut dyn FnMut(&T) -> Ordering| {
            part.binary_search_by(by).ok().map(|index| part[index])
        };
        found(older, &mut by).or_else(|| found(newer, &mut by))
    }

    /// Replaces the newest value, if there is one.
    pub(crate) fn replace_newest(&mut self, value: T) {
        let newest = if self.head == 0 { self.values.len() } else { self.head };
        if let Some(slot) = newest.checked_sub(1).and_then(|index| self.values.get_mut(index)) {
            *slot = value;
        }
    }
}

/// A count as a float.
pub(crate) fn as_float(count: usize) -> f64 {
    u32::try_from(count).map_or(f64::from(u32::MAX), f64::from)
}

/// Mean and spread of some values, in two passes, so that nothing drifts and nothing cancels.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Moments {
    /// The arithmetic mean.
    pub(crate) mean: f64,
    squares: f64,
    count: usize,
}

impl Moments {
    /// Of at least one value.
    pub(crate) fn of(values: impl Iterator<Item = f64> + Clone) -> Option<Self> {
        let mut rest = values.clone();
        // Around the first value, so that equal values have a spread of exactly zero.
        let origin = rest.next()?;
        let (sum, count) = rest.fold((0.0, 1), |(sum, n), value| (sum + (value - origin), n + 1));
        let mean = origin + sum / as_float(count);
        let squares = values.map(|value| (value - mean) * (value - mean)).sum();
        Some(Self { mean, squares, count })
    }

    /// Standard deviation with n − 1 in the denominator; `None` below two values.
    pub(crate) fn sample_sd(self) -> Option<f64> {
        (self.count > 1).then(|| (self.squares / as_float(self.count - 1)).sqrt())
    }

    /// Standard deviation with n in the denominator.
    pub(crate) fn population_sd(self) -> f64 {
        (self.squares / as_float(self.count)).sqrt()
    }
}

/// Newest of `values` against their mean in population standard deviations.
///
/// `None` when all are equal: a distance without a yardstick is no number.
pub(crate) fn z_score(newest: f64, values: impl Iterator<Item = f64> + Clone) -> Option<f64> {
    let moments = Moments::of(values)?;
    let sd = moments.population_sd();
    (sd > 0.0).then(|| (newest - moments.mean) / sd)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ring_keeps_the_newest_values_in_order() {
        let mut ring = Ring::new(3);
        assert_eq!(
            [1, 2, 3, 4, 5].map(|value| ring.push(value)),
            [None, None, None, Some(1), Some(2)]
        );
        assert_eq!(ring.iter().collect::<Vec<_>>(), [3, 4, 5]);
        assert_eq!(ring.last(2).unwrap().collect::<Vec<_>>(), [4, 5]);
        assert!(ring.last(4).is_none());
        assert_eq!((ring.back(0), ring.back(2), ring.back(3)), (Some(5), Some(3), None));
        ring.replace_newest(9);
        assert_eq!(ring.iter().collect::<Vec<_>>(), [3, 4, 9]);
    }

    #[test]
    fn a_snapshot_with_an_impossible_layout_is_refused() {
        for text in [
            r#"{"values":[],"head":0,"capacity":0}"#,
            r#"{"values":[1,2],"head":0,"capacity":1}"#,
            r#"{"values":[1,2],"head":2,"capacity":2}"#,
            r#"{"values":[1],"head":1,"capacity":2}"#,
        ] {
            assert!(serde_json::from_str::<Ring<i64>>(text).is_err(), "{text}");
        }
        assert!(
            serde_json::from_str::<Ring<i64>>(r#"{"values":[1],"head":0,"capacity":2}"#).is_ok()
        );
    }

    #[test]
    fn equal_values_have_no_spread_and_no_z_score() {
        let flat = [0.1_f64; 7];
        let moments = Moments::of(flat.iter().copied()).unwrap();
        assert_eq!(moments.population_sd().to_bits(), 0.0_f64.to_bits());
        assert_eq!(z_score(0.1, flat.iter().copied()), None);
        assert_eq!(Moments::of([1.0].into_iter()).unwrap().sample_sd(), None);
    }
}
