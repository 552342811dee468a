//! Weights that must sum to one after some of them were moved, each within its own interval.

use conclave_domain::bounds::Bounds;

/// One weight and what is wanted of it.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    /// The weight now.
    pub weight: f64,
    /// The change that is wanted.
    pub want: f64,
    /// The interval in which its change must lie.
    pub bounds: Bounds,
}

/// A weight gives way by at least this share, so that one of zero can still move.
const SHARE_MIN: f64 = 0.01;

/// The changes with which the weights sum to one: every weight gives way in proportion to its size,
/// within its interval. It is the one number λ for which `clamp(want − λ·weight)` sums to what is
/// missing, found by bisection, because that sum never rises with λ. Where the intervals leave no
/// solution the nearest one comes out, still within every interval.
pub fn balanced(rows: &[Row]) -> Vec<f64> {
    let missing = 1.0 - rows.iter().map(|row| row.weight).sum::<f64>();
    let at = |lambda: f64, row: &Row| {
        let wanted = row.want - lambda * row.weight.max(SHARE_MIN);
        wanted.max(row.bounds.min()).min(row.bounds.max())
    };
    let (mut low, mut high) = (-100.0_f64, 100.0_f64);
    for _ in 0..80 {
        let middle = f64::midpoint(low, high);
        let sum: f64 = rows.iter().map(|row| at(middle, row)).sum();
        if sum > missing {
            low = middle;
        } else {
            high = middle;
        }
    }
    let lambda = f64::midpoint(low, high);
    rows.iter().map(|row| at(lambda, row)).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const BOUNDS: Bounds = Bounds::new("weight", -0.1, 0.1);

    #[test]
    fn others_give_way_in_proportion() {
        let row = |weight: f64, want: f64| Row { weight, want, bounds: BOUNDS };
        let changes = balanced(&[row(0.5, 0.08), row(0.3, 0.0), row(0.2, 0.0)]);
        for (change, expected) in changes.iter().zip([0.04, -0.024, -0.016]) {
            assert!((change - expected).abs() < 1e-9, "{changes:?}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn the_sum_is_one_and_each_change_within_its_interval(
            wants in proptest::collection::vec(-0.1f64..0.1, 8),
        ) {
            let rows: Vec<Row> = wants
                .iter()
                .map(|&want| Row { weight: 0.125, want, bounds: BOUNDS })
                .collect();
            let changes = balanced(&rows);
            prop_assert!(changes.iter().sum::<f64>().abs() < 1e-9);
            prop_assert!(changes.iter().all(|change| change.abs() <= 0.1));
        }
    }
}
