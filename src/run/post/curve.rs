//! The account as this process has seen it go, for a picture.

use std::sync::{Arc, Mutex, PoisonError};

use conclave_domain::time::Time;

use crate::report::picture;

/// Points that are kept; beyond that every second one is dropped.
const POINTS_MAX: usize = 1_000;
/// The least market time between two points, milliseconds.
const SPACING_MS: i64 = 60_000;

/// Points of the curve, oldest first.
#[derive(Debug, Default)]
pub(super) struct Curve(Mutex<Vec<(Time, f64)>>);

impl Curve {
    /// The account at a moment of market time. A market that went back begins anew.
    pub(super) fn add(&self, at: Time, equity: f64) {
        let mut points = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if points.last().is_some_and(|(last, _)| at < *last) {
            points.clear();
        }
        // The last point moves on until the one before it is far enough away.
        let before = points.len().checked_sub(2).and_then(|nth| points.get(nth));
        if before.is_some_and(|(before, _)| at.ms() - before.ms() < SPACING_MS) {
            points.pop();
        }
        points.push((at, equity));
        if points.len() > POINTS_MAX {
            let mut nth = 0_usize;
            points.retain(|_| {
                nth += 1;
                nth % 2 == 1
            });
        }
    }

    /// The picture, drawn on a thread that may take its time.
    pub(super) async fn picture(&self) -> Option<Arc<[u8]>> {
        let points = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let drawn = tokio::task::spawn_blocking(move || picture::equity(&points)).await;
        drawn.ok().flatten().map(Arc::from)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_curve_is_bounded_and_its_points_are_apart() {
        let curve = Curve::default();
        for nth in 0..100_000_i64 {
            curve.add(Time::from_ms(nth * 30_000), 1.0);
        }
        let points = curve.0.lock().unwrap().clone();
        assert!(points.len() <= POINTS_MAX && points.len() > POINTS_MAX / 4, "{}", points.len());
        assert!(points.windows(3).all(|some| some[2].0.ms() - some[0].0.ms() >= SPACING_MS));
        curve.add(Time::EPOCH, 2.0);
        assert_eq!(curve.0.lock().unwrap().len(), 1, "another try of the run");
    }
}
