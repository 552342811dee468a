//! Counts as floating-point numbers, in one place.

/// A count as an `f32`.
#[expect(clippy::cast_precision_loss, reason = "counts of rows and columns stay below 2^24")]
pub(crate) const fn single(count: usize) -> f32 {
    count as f32
}

/// A count as an `f64`.
#[expect(clippy::cast_precision_loss, reason = "counts stay far below 2^53")]
pub(crate) const fn double(count: u64) -> f64 {
    count as f64
}

/// A length as an `f64`.
pub(crate) const fn length(count: usize) -> f64 {
    double(count as u64)
}

/// The nearest `f32`; beyond its range it is infinite, which the guard then sees.
#[expect(clippy::cast_possible_truncation, reason = "rounding to the nearest is what is asked for")]
pub(crate) const fn narrow(value: f64) -> f32 {
    value as f32
}
