//! Curves for charts: few points that keep every peak and every trough.

use super::EquityPoint;

/// The most points of a curve in a chart, however long the run was.
pub(super) const POINTS_MAX: usize = 2_000;

/// At most `most` points (at least 4): the first, the last, and of each stretch between them the
/// lowest and the highest, in their order. Values that are not finite are left out.
pub(super) fn thin(points: &[(i64, f64)], most: usize) -> Vec<(i64, f64)> {
    let finite: Vec<(i64, f64)> =
        points.iter().copied().filter(|(_, value)| value.is_finite()).collect();
    let (Some(&first), Some(&last)) = (finite.first(), finite.last()) else { return finite };
    if finite.len() <= most.max(4) {
        return finite;
    }
    let inner = &finite[1..finite.len() - 1];
    let stretches = (most.max(4) - 2) / 2;
    let mut kept = vec![first];
    for stretch in inner.chunks(inner.len().div_ceil(stretches)) {
        let low = stretch.iter().enumerate().min_by(|a, b| a.1.1.total_cmp(&b.1.1));
        let high = stretch.iter().enumerate().max_by(|a, b| a.1.1.total_cmp(&b.1.1));
        if let (Some((low_at, &low)), Some((high_at, &high))) = (low, high) {
            match low_at.cmp(&high_at) {
                std::cmp::Ordering::Less => kept.extend([low, high]),
                std::cmp::Ordering::Equal => kept.push(low),
                std::cmp::Ordering::Greater => kept.extend([high, low]),
            }
        }
    }
    kept.push(last);
    kept
}

/// The fall of each point from the highest equity up to it, a fraction from −1 to 0 (a loss of more
/// than everything is −1).
pub(super) fn drawdowns(equity: &[EquityPoint]) -> Vec<f64> {
    let mut peak = f64::NEG_INFINITY;
    equity
        .iter()
        .map(|point| {
            let value = point.equity.to_f64();
            peak = peak.max(value);
            if peak > 0.0 { (value / peak - 1.0).max(-1.0) } else { 0.0 }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_curve_keeps_its_ends_its_peak_and_its_trough() {
        let mut points: Vec<(i64, f64)> = (0..500_000).map(|n| (n, 100.0)).collect();
        points[123_456].1 = 900.0;
        points[400_001].1 = 1.0;
        let thinned = thin(&points, POINTS_MAX);
        assert!(thinned.len() <= POINTS_MAX, "{}", thinned.len());
        for kept in [(0, 100.0), (123_456, 900.0), (400_001, 1.0), (499_999, 100.0)] {
            assert!(thinned.contains(&kept), "{kept:?}");
        }
        assert!(thinned.windows(2).all(|pair| pair[0].0 < pair[1].0));
    }

    #[test]
    fn a_short_curve_stays_as_it_is() {
        let points = [(1, 2.0), (2, f64::NAN), (3, 1.0)];
        assert_eq!(thin(&points, 2_000), [(1, 2.0), (3, 1.0)]);
        assert!(thin(&[], 2_000).is_empty());
    }
}
