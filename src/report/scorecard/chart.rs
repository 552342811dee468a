//! The forest plot of worths, and the reliability diagram of one agent.

use conclave_domain::scorecard::{Calibration, Finding, Worth};
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use super::super::chart::{BLUE, Canvas, Failure, INK, ORANGE, draw};

/// Height of a row of the forest, in the pixels that it is drawn in.
const ROW: u32 = 56;
/// Where the names of the rows end.
const NAMES: u32 = 620;

/// One row of the forest: a name, and what it was worth.
pub(super) type Row<'a> = (String, &'a Worth);

/// Who is worth what, with intervals, on one axis; `None` without a row.
pub(super) fn forest(rows: &[Row<'_>]) -> Result<Option<String>, Failure> {
    let reach = rows.iter().map(|(_, worth)| reach(worth)).fold(0.0, f64::max);
    let Ok(count) = u32::try_from(rows.len()) else { return Ok(None) };
    if rows.is_empty() {
        return Ok(None);
    }
    let reach = if reach > 0.0 { reach * 1.08 } else { 0.01 };
    draw(ROW * count + 110, |canvas| plot_forest(canvas, rows, count, reach)).map(Some)
}

/// How far a row reaches from zero.
fn reach(worth: &Worth) -> f64 {
    let ends = worth.interval.map_or((0.0, 0.0), |it| (it.low.get(), it.high.get()));
    ends.0.abs().max(ends.1.abs()).max(worth.per_run.get().abs())
}

fn plot_forest(
    canvas: &Canvas<'_>,
    rows: &[Row<'_>],
    count: u32,
    reach: f64,
) -> Result<(), Failure> {
    let mut plot = ChartBuilder::on(canvas)
        .margin(16)
        .margin_right(40)
        .x_label_area_size(60)
        .y_label_area_size(NAMES)
        .build_cartesian_2d(-reach..reach, 0.0..f64::from(count))?;
    plot.configure_mesh()
        .disable_y_mesh()
        .light_line_style(TRANSPARENT)
        .bold_line_style(INK.mix(0.12))
        .axis_style(INK.mix(0.4))
        .label_style(("sans-serif", 30).into_font().color(&INK.mix(0.8)))
        .x_labels(7)
        .y_labels(0)
        .x_label_formatter(&|share| percent(*share, reach))
        .draw()?;
    let zero = [(0.0, 0.0), (0.0, f64::from(count))];
    plot.draw_series(LineSeries::new(zero, INK.mix(0.5).stroke_width(2)))?;
    let names = ("sans-serif", 30).into_font().color(&INK.mix(0.9));
    let names = names.pos(Pos::new(HPos::Right, VPos::Center));
    for (nth, (name, worth)) in (0_u32..).zip(rows) {
        let height = f64::from(count - nth) - 0.5;
        let colour = if worth.finding == Finding::Hurts { ORANGE } else { BLUE };
        let colour = match worth.finding {
            Finding::Hurts | Finding::Helps => colour.to_rgba(),
            _ => INK.mix(0.55),
        };
        if let Some(interval) = worth.interval {
            let (low, high) = (interval.low.get(), interval.high.get());
            let bar = [(low, height), (high, height)];
            plot.draw_series(LineSeries::new(bar, colour.stroke_width(5)))?;
            for end in [low, high] {
                let end = [(end, height - 0.16), (end, height + 0.16)];
                plot.draw_series(LineSeries::new(end, colour.stroke_width(4)))?;
            }
        }
        let at = (worth.per_run.get(), height);
        plot.draw_series(std::iter::once(Circle::new(at, 10, colour.filled())))?;
        let (_, y) = plot.backend_coord(&at);
        canvas.draw(&Text::new(name.clone(), (i32::try_from(NAMES)?, y), names.clone()))?;
    }
    Ok(())
}

/// A share with as many digits as the axis asks for.
fn percent(share: f64, reach: f64) -> String {
    // Rounding noise of the axis is zero, without a sign.
    let share = if share.abs() < reach * 1e-9 { 0.0 } else { share * 100.0 };
    match reach * 100.0 {
        wide if wide >= 10.0 => format!("{share:+.0} %"),
        wide if wide >= 1.0 => format!("{share:+.1} %"),
        wide if wide >= 0.1 => format!("{share:+.2} %"),
        _ => format!("{share:+.4} %"),
    }
}

/// What an agent said would win beside what won, with 95 % intervals; the diagonal is honesty.
pub(super) fn reliability(calibration: &Calibration) -> Result<String, Failure> {
    draw(900, |canvas| {
        let mut plot = ChartBuilder::on(canvas)
            .margin(20)
            .margin_right(60)
            .x_label_area_size(60)
            .y_label_area_size(150)
            .build_cartesian_2d(0.0..1.0, 0.0..1.0)?;
        plot.configure_mesh()
            .light_line_style(TRANSPARENT)
            .bold_line_style(INK.mix(0.12))
            .axis_style(INK.mix(0.4))
            .label_style(("sans-serif", 38).into_font().color(&INK.mix(0.8)))
            .x_labels(6)
            .y_labels(6)
            .x_label_formatter(&|share| format!("{:.0} %", share * 100.0))
            .y_label_formatter(&|share| format!("{:.0} %", share * 100.0))
            .draw()?;
        let honest = [(0.0, 0.0), (1.0, 1.0)];
        plot.draw_series(LineSeries::new(honest, INK.mix(0.5).stroke_width(3)))?;
        for bin in &calibration.bins {
            let said = bin.said.get();
            let bar = [(said, bin.low.get()), (said, bin.high.get())];
            plot.draw_series(LineSeries::new(bar, BLUE.mix(0.6).stroke_width(5)))?;
            let share = bin.count * 100 / calibration.forecasts.max(1);
            let size = 8 + i32::try_from(share / 4)?;
            let at = (said, bin.won.get());
            plot.draw_series(std::iter::once(Circle::new(at, size, BLUE.mix(0.9).filled())))?;
        }
        Ok(())
    })
}
