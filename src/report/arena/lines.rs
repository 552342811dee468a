//! Equity lines of all contestants against the benchmark, as multiples of what each began with.

use conclave_domain::fixed::Money;
use conclave_domain::time::Time;
use plotters::prelude::*;

use super::super::MoneyKind;
use super::super::chart::{Canvas, Failure, INK, bounds, draw, frame};
use super::super::sample::{POINTS_MAX, thin};
use super::ArenaReport;

/// Lines that have a colour and a dash of their own; the others are in the table.
pub(super) const LINES_MAX: usize = 8;

/// Told apart by people who cannot tell red from green; after Okabe and Ito.
pub(super) const COLOURS: [RGBColor; LINES_MAX] = [
    RGBColor(0, 114, 178),
    RGBColor(213, 94, 0),
    RGBColor(0, 158, 115),
    RGBColor(204, 121, 167),
    RGBColor(86, 180, 233),
    RGBColor(230, 159, 0),
    RGBColor(148, 103, 189),
    RGBColor(140, 86, 75),
];

type Points = Vec<(i64, f64)>;

/// The chart; `None` before the first close.
pub(super) fn draw_lines(report: &ArenaReport) -> Result<Option<String>, Failure> {
    let own: Vec<Points> =
        report.curves.iter().take(LINES_MAX).map(|(_, curve)| multiples(curve)).collect();
    let held = multiples(&report.benchmark);
    let Some((low, high)) = bounds(own.iter().flatten().chain(&held)) else { return Ok(None) };
    draw(680, |canvas| plot(canvas, (&own, &held), (low, high))).map(Some)
}

/// A curve over its first value, thinned for the screen.
fn multiples(curve: &[(Time, Money)]) -> Points {
    let first = curve.first().map_or(1.0, |(_, money)| money.to_f64());
    let points: Points =
        curve.iter().map(|(at, money)| (at.ms(), money.to_f64() / first)).collect();
    thin(&points, POINTS_MAX)
}

fn plot(
    canvas: &Canvas<'_>,
    (own, held): (&[Points], &Points),
    (low, high): (f64, f64),
) -> Result<(), Failure> {
    let ends = || held.iter().chain(own.iter().flatten()).map(|(at, _)| *at);
    let (from, to) = (ends().min().unwrap_or(0), ends().max().unwrap_or(0));
    let label = |value: f64| format!("{:+.1} %", (value - 1.0) * 100.0);
    let mut plot = frame(canvas, (from, to), (low, high), MoneyKind::Paper, &label)?;
    let dashed = DashedLineSeries::new(held.iter().copied(), 12, 10, INK.mix(0.7).stroke_width(3));
    plot.draw_series(dashed)?;
    for (points, colour) in own.iter().zip(COLOURS) {
        plot.draw_series(LineSeries::new(points.iter().copied(), colour.stroke_width(4)))?;
    }
    Ok(())
}
