//! Curves over the steps of a run, with a mark wherever an agent's lever was moved.

use plotters::prelude::*;

use super::super::chart::{BLUE, Canvas, Failure, INK, ORANGE, bounds, draw};
use super::Point;

/// One curve: a point where it is defined, and whether a lever was moved there.
pub(super) struct Curve {
    points: Vec<(f64, f64)>,
    marks: Vec<(f64, f64)>,
}

impl Curve {
    /// The curve of one figure.
    pub(super) fn of(points: &[Point], figure: impl Fn(&Point) -> Option<f64>) -> Self {
        #[expect(clippy::cast_precision_loss, reason = "steps stay far below 2^53")]
        let at = |point: &Point| figure(point).map(|value| (point.step as f64, value));
        let marked = points.iter().filter(|point| point.is_marked());
        Self {
            points: points.iter().filter_map(at).collect(),
            marks: marked.filter_map(at).collect(),
        }
    }

    /// Draws it; `None` where it has no point.
    pub(super) fn draw(&self) -> Result<Option<String>, Failure> {
        let Some((low, high)) = bounds(self.points.iter()) else { return Ok(None) };
        let last = self.points.iter().map(|(step, _)| *step).fold(1.0, f64::max);
        draw(360, |canvas| self.plot(canvas, last, (low, high))).map(Some)
    }

    fn plot(&self, canvas: &Canvas<'_>, last: f64, (low, high): (f64, f64)) -> Result<(), Failure> {
        let room = ((high - low) * 0.08).max(high.abs() * 1e-3).max(1e-9);
        let mut plot = ChartBuilder::on(canvas)
            .margin(16)
            .margin_right(40)
            .x_label_area_size(48)
            .y_label_area_size(170)
            .build_cartesian_2d(0.0..last, low - room..high + room)?;
        plot.configure_mesh()
            .disable_x_mesh()
            .light_line_style(TRANSPARENT)
            .bold_line_style(INK.mix(0.12))
            .axis_style(INK.mix(0.4))
            .label_style(("sans-serif", 30).into_font().color(&INK.mix(0.8)))
            .x_labels(8)
            .y_labels(5)
            .x_label_formatter(&|step| steps(*step))
            .y_label_formatter(&|value| figure(*value, high - low))
            .draw()?;
        for &(step, _) in &self.marks {
            let bar = [(step, low - room), (step, high + room)];
            plot.draw_series(LineSeries::new(bar, ORANGE.mix(0.45).stroke_width(2)))?;
        }
        let own = self.points.iter().copied();
        plot.draw_series(LineSeries::new(own, BLUE.stroke_width(4)))?;
        let marks = self.marks.iter();
        plot.draw_series(marks.map(|&at| TriangleMarker::new(at, 13, ORANGE.filled())))?;
        Ok(())
    }
}

/// A number of steps, short.
fn steps(steps: f64) -> String {
    match steps {
        steps if steps >= 1e6 => format!("{:.1} M", steps / 1e6),
        steps if steps >= 1e3 => format!("{:.0} k", steps / 1e3),
        steps => format!("{steps:.0}"),
    }
}

/// A figure with as many digits as its size asks for; rounding noise beside the whole range is zero.
fn figure(value: f64, range: f64) -> String {
    match value.abs() {
        noise if noise <= 1e-9 * range => "0".to_owned(),
        small if small < 1e-3 => format!("{value:.1e}"),
        small if small < 1.0 => format!("{value:.4}"),
        _ => format!("{value:.2}"),
    }
}
