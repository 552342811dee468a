//! The account as it went, for a picture.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use conclave_domain::context::BookKind;
use conclave_domain::time::Time;

use crate::adapters::journal_files::JournalFiles;
use crate::report::picture;

/// Points that are kept; beyond that every second one is dropped.
const POINTS_MAX: usize = 1_000;
/// The least market time between two points, milliseconds.
const SPACING_MS: i64 = 60_000;

/// The curve of a run: what stands in its journal, and what this process has seen since.
#[derive(Debug)]
pub(super) struct Curve {
    /// The run's directory.
    dir: PathBuf,
    seen: Mutex<Seen>,
}

/// Points of a book that may not be in its journal yet, oldest first.
#[derive(Clone, Debug, Default)]
struct Seen {
    book: Option<BookKind>,
    points: Vec<Point>,
}

/// A moment of market time, and the equity then.
type Point = (Time, f64);

impl Curve {
    pub(super) fn new(dir: PathBuf) -> Self {
        Self { dir, seen: Mutex::default() }
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A book at a moment of market time. Another book, or a market that went back, begins anew.
    pub(super) fn add(&self, book: BookKind, (at, equity): Point) {
        let mut seen = self.seen();
        let is_other = seen.book.replace(book).is_some_and(|former| former != book);
        let points = &mut seen.points;
        if is_other || points.last().is_some_and(|(last, _)| at < *last) {
            points.clear();
        }
        // The last point moves on until the one before it is far enough away.
        let before = points.len().checked_sub(2).and_then(|nth| points.get(nth));
        let is_near = before.is_some_and(|(before, _)| at.ms() - before.ms() < SPACING_MS);
        if is_near || points.last().is_some_and(|(last, _)| at == *last) {
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

    /// The picture of a book, drawn on a thread that may take its time.
    pub(super) async fn picture(&self, book: BookKind) -> Option<Arc<[u8]>> {
        let (dir, seen) = (self.dir.clone(), self.seen().clone());
        let drawn = tokio::task::spawn_blocking(move || {
            let most = POINTS_MAX as u64;
            let kept = JournalFiles::outline(&dir, book, most).unwrap_or_default();
            let mut points: Vec<Point> =
                kept.iter().map(|point| (point.at, point.equity.to_f64())).collect();
            let last = points.last().map_or(Time::from_ms(i64::MIN), |(at, _)| *at);
            if seen.book == Some(book) {
                points.extend(seen.points.into_iter().filter(|(at, _)| *at > last));
            }
            picture::equity(&points)
        });
        drawn.await.ok().flatten().map(Arc::from)
    }
}

#[cfg(test)]
mod tests {
    use conclave_actors::journal::point_bytes;
    use conclave_domain::custody::EquityPoint;
    use conclave_domain::fixed::Money;
    use conclave_domain::ratio::Ratio;

    use super::*;

    #[test]
    fn a_curve_is_bounded_and_its_points_are_apart() {
        let curve = Curve::new(PathBuf::new());
        for nth in 0..100_000_i64 {
            curve.add(BookKind::Shadow, (Time::from_ms(nth * 30_000), 1.0));
        }
        let points = curve.seen().points.clone();
        assert!(points.len() <= POINTS_MAX && points.len() > POINTS_MAX / 4, "{}", points.len());
        assert!(points.windows(3).all(|some| some[2].0.ms() - some[0].0.ms() >= SPACING_MS));
        curve.add(BookKind::Shadow, (Time::EPOCH, 2.0));
        curve.add(BookKind::Shadow, (Time::EPOCH, 3.0));
        assert_eq!(curve.seen().points, [(Time::EPOCH, 3.0)], "another try of the run");
        curve.add(BookKind::Real, (Time::from_ms(1), 4.0));
        assert_eq!(curve.seen().points, [(Time::from_ms(1), 4.0)], "another book");
    }

    #[tokio::test]
    async fn a_picture_begins_with_the_run_and_not_with_the_process() {
        let dir = tempfile::tempdir().unwrap();
        let curve = Curve::new(dir.path().to_owned());
        curve.add(BookKind::Real, (Time::from_ms(90_000), 5.0));
        assert_eq!(curve.picture(BookKind::Real).await, None, "one point is no curve");
        let point = |nth: i64| EquityPoint {
            at: Time::from_ms(nth * 10),
            equity: Money::from_units(100 + nth).unwrap(),
            cash: Money::ZERO,
            exposure: Ratio::ZERO,
            drawdown: Ratio::ZERO,
        };
        let mut bytes: Vec<u8> = (0..5_000).flat_map(|nth| point_bytes(&point(nth))).collect();
        // What is being written at this moment is passed over.
        bytes.extend([1, 2, 3]);
        std::fs::create_dir(dir.path().join("journal")).unwrap();
        std::fs::write(dir.path().join("journal/real.curve"), bytes).unwrap();
        let kept = JournalFiles::outline(dir.path(), BookKind::Real, 1_000).unwrap();
        assert_eq!((kept.len(), kept.last()), (1_000, Some(&point(4_999))));
        assert!(kept.is_sorted_by_key(|point| point.at));
        assert!(curve.picture(BookKind::Real).await.is_some());
        assert_eq!(curve.picture(BookKind::Shadow).await, None);
    }
}
