//! Charts as SVG that stands inside HTML: text is text, nothing is fetched, no font is needed.
//!
//! Axes and words take the page's text colour, so one drawing serves dark and light. Curves are blue
//! and orange, gains and losses differ in shape as well: nothing depends on telling red from green.

use conclave_domain::book::Trade;
use conclave_domain::fixed::Price;
use conclave_domain::signal::Direction;
use conclave_domain::time::Time;
use maud::html;
use plotters::coord::Shift;
use plotters::coord::types::RangedCoordf64;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use super::axis::TimeAxis;
use super::sample::{POINTS_MAX, drawdowns, thin};
use super::{EquityPoint, Mark, MoneyKind, PriceCurve};

/// Drawn at twice the size that it is shown at, because the backend rounds to whole pixels.
pub(super) const WIDTH: u32 = 1_920;
/// Stands for the page's text colour.
pub(super) const INK: RGBColor = RGBColor(1, 2, 3);
/// What the run did.
pub(super) const BLUE: RGBColor = RGBColor(47, 129, 210);
/// What it is compared with, and what lost.
pub(super) const ORANGE: RGBColor = RGBColor(217, 119, 6);

/// The most trades that are marked on a price chart: those with the largest results.
pub(super) const MARKS_MAX: usize = 250;

/// A chart that could not be drawn.
pub(super) type Failure = Box<dyn std::error::Error + Send + Sync>;
pub(super) type Canvas<'a> = DrawingArea<SVGBackend<'a>, Shift>;
pub(super) type Plot<'a, 'b> =
    ChartContext<'a, SVGBackend<'b>, Cartesian2d<TimeAxis, RangedCoordf64>>;

/// The account against its benchmark. The page's legend names the colours.
pub(super) fn equity(points: &[EquityPoint], money: MoneyKind) -> Result<Option<String>, Failure> {
    let own: Vec<(i64, f64)> =
        points.iter().map(|point| (point.time.ms(), point.equity.to_f64())).collect();
    let other: Vec<(i64, f64)> = points
        .iter()
        .filter_map(|point| Some((point.time.ms(), point.benchmark?.to_f64())))
        .collect();
    let (own, other) = (thin(&own, POINTS_MAX), thin(&other, POINTS_MAX));
    let Some((low, high)) = bounds(own.iter().chain(&other)) else { return Ok(None) };
    let drawn = draw(680, |canvas| {
        let mut plot = frame(canvas, span(&own), (low, high), money, &amount(high))?;
        line(&mut plot, &other, ORANGE.mix(0.9), 3)?;
        line(&mut plot, &own, BLUE.to_rgba(), 4)
    })?;
    Ok(Some(drawn))
}

/// How far the account was below its peak.
pub(super) fn underwater(
    points: &[EquityPoint],
    money: MoneyKind,
) -> Result<Option<String>, Failure> {
    let falls: Vec<(i64, f64)> =
        points.iter().map(|point| point.time.ms()).zip(drawdowns(points)).collect();
    let falls = thin(&falls, POINTS_MAX);
    let Some((low, _)) = bounds(falls.iter()) else { return Ok(None) };
    shares(&falls, (low.min(-0.01), 0.0), (380, ORANGE), money).map(Some)
}

/// How much of the account was in positions.
pub(super) fn exposure(
    points: &[EquityPoint],
    money: MoneyKind,
) -> Result<Option<String>, Failure> {
    let held: Vec<(i64, f64)> =
        points.iter().map(|point| (point.time.ms(), point.exposure.get())).collect();
    let held = thin(&held, POINTS_MAX);
    let Some((_, high)) = bounds(held.iter()) else { return Ok(None) };
    shares(&held, (0.0, high.max(0.01)), (300, BLUE), money).map(Some)
}

/// Shares over time, as an area from zero on.
fn shares(
    points: &[(i64, f64)],
    range: (f64, f64),
    (height, colour): (u32, RGBColor),
    money: MoneyKind,
) -> Result<String, Failure> {
    draw(height, |canvas| {
        let percent = |share: f64| format!("{:.0} %", share * 100.0);
        let mut plot = frame(canvas, span(points), range, money, &percent)?;
        let area = AreaSeries::new(points.iter().copied(), 0.0, colour.mix(0.25));
        plot.draw_series(area.border_style(colour.stroke_width(3)))?;
        Ok(())
    })
}

/// A symbol's closes with its trades: an entry is a filled triangle that points up for a long and
/// down for a short, an exit a circle (gained) or a cross (lost). Beside it, how many are marked.
pub(super) fn trades(
    prices: &PriceCurve,
    trades: &[&Trade],
    money: MoneyKind,
) -> Result<Option<(String, usize)>, Failure> {
    let closes: Vec<(i64, f64)> =
        prices.closes.iter().map(|(time, price)| (time.ms(), price.to_f64())).collect();
    let closes = thin(&closes, POINTS_MAX);
    let mut marked = trades.to_vec();
    marked.sort_by_key(|trade| std::cmp::Reverse(trade.pnl.abs()));
    marked.truncate(MARKS_MAX);
    let marks: Vec<(i64, f64)> = marked
        .iter()
        .flat_map(|trade| {
            let entry = (trade.entry_time.ms(), trade.entry_price.to_f64());
            [entry, (trade.exit_time.ms(), trade.exit_price.to_f64())]
        })
        .collect();
    let Some(range) = bounds(closes.iter().chain(&marks)) else { return Ok(None) };
    let drawn = draw(520, |canvas| {
        let mut plot = frame(canvas, span(&closes), range, money, &amount(range.1))?;
        line(&mut plot, &closes, INK.mix(0.55), 2)?;
        for trade in &marked {
            mark(&mut plot, trade)?;
        }
        Ok(())
    })?;
    Ok(Some((drawn, marked.len())))
}

/// A symbol's closes; a triangle that points up where it was bought, down where it was sold, and leads to
/// why.
pub(super) fn prices(
    closes: &[(Time, Price)],
    marks: &[Mark],
    money: MoneyKind,
) -> Result<Option<String>, Failure> {
    let line_of: Vec<(i64, f64)> =
        closes.iter().map(|(time, price)| (time.ms(), price.to_f64())).collect();
    let filled = marks.iter().filter_map(|mark| Some((mark.at.ms(), mark.price?.to_f64())));
    let filled: Vec<(i64, f64)> = filled.collect();
    let Some(range) = bounds(line_of.iter().chain(&filled)) else { return Ok(None) };
    let close_at = |time: Time| {
        let behind = closes.partition_point(|(at, _)| *at <= time);
        closes.get(behind.saturating_sub(1)).map(|(_, price)| price.to_f64())
    };
    let mut links = String::new();
    let drawn = draw(520, |canvas| {
        let mut plot = frame(canvas, span(&line_of), range, money, &amount(range.1))?;
        line(&mut plot, &line_of, INK.mix(0.55), 3)?;
        for mark in marks {
            let price = mark.price.map(Price::to_f64).or_else(|| close_at(mark.at));
            let Some(price) = price else { continue };
            links.push_str(&link(mark, plot.backend_coord(&(mark.at.ms(), price))));
        }
        Ok(())
    })?;
    // The drawing knows no links, so they are put into it.
    let end = drawn.rfind("</svg>").unwrap_or(drawn.len());
    let (inside, end) = drawn.split_at(end);
    Ok(Some(format!("{inside}{links}{end}")))
}

/// A mark at a place of the drawing, as a link.
fn link(mark: &Mark, (x, y): (i32, i32)) -> String {
    let (up, RGBColor(red, green, blue)) = if mark.is_bought { (-12, BLUE) } else { (12, ORANGE) };
    let corners = format!("{x},{} {},{} {},{}", y + up, x - 12, y - up, x + 12, y - up);
    let colour = format!("#{red:02x}{green:02x}{blue:02x}");
    let drawn = html! {
        a href=(mark.leads_to) { title { (mark.says) } polygon points=(corners) fill=(colour) {} }
    };
    drawn.into_string()
}

fn mark(plot: &mut Plot<'_, '_>, trade: &Trade) -> Result<(), Failure> {
    let up = if trade.direction == Direction::Long { -1 } else { 1 };
    let entry = (trade.entry_time.ms(), trade.entry_price.to_f64());
    let exit = (trade.exit_time.ms(), trade.exit_price.to_f64());
    let triangle = vec![(0, up * 9), (-9, -up * 9), (9, -up * 9)];
    plot.draw_series(std::iter::once(
        EmptyElement::at(entry) + Polygon::new(triangle, BLUE.mix(0.85)),
    ))?;
    if trade.pnl.raw() > 0 {
        plot.draw_series(std::iter::once(Circle::new(exit, 8, BLUE.stroke_width(3))))?;
    } else {
        plot.draw_series(std::iter::once(Cross::new(exit, 8, ORANGE.stroke_width(4))))?;
    }
    Ok(())
}

/// Draws on a fresh canvas and makes the result fit into HTML.
pub(super) fn draw(
    height: u32,
    content: impl FnOnce(&Canvas<'_>) -> Result<(), Failure>,
) -> Result<String, Failure> {
    let mut svg = String::new();
    {
        let canvas = SVGBackend::with_string(&mut svg, (WIDTH, height)).into_drawing_area();
        content(&canvas)?;
        canvas.present()?;
    }
    // Inside HTML an SVG needs no namespace, and a size of its own would stop it from shrinking.
    let size = format!("width=\"{WIDTH}\" height=\"{height}\" ");
    Ok(svg
        .replace(" xmlns=\"http://www.w3.org/2000/svg\"", "")
        .replacen(&size, "", 1)
        .replace("#010203", "currentColor")
        .replace("font-family=\"sans-serif\"", "font-family=\"inherit\""))
}

/// Axes, a light grid and, on paper money, a watermark, because screenshots travel.
pub(super) fn frame<'a, 'b>(
    canvas: &'a Canvas<'b>,
    (from, to): (i64, i64),
    (low, high): (f64, f64),
    money: MoneyKind,
    label: &dyn Fn(f64) -> String,
) -> Result<Plot<'a, 'b>, Failure> {
    if money == MoneyKind::Paper {
        let (width, height) = canvas.dim_in_pixel();
        let centre = (i32::try_from(width)? / 2, i32::try_from(height)? / 2);
        let style = ("sans-serif", 150).into_font().color(&INK.mix(0.07));
        canvas.draw(&Text::new(
            "PAPER",
            centre,
            style.pos(Pos::new(HPos::Center, VPos::Center)),
        ))?;
    }
    let room = ((high - low) * 0.05).max(high.abs() * 1e-6).max(1e-9);
    let top = if high.abs() > 0.0 { high + room } else { 0.0 };
    let mut plot = ChartBuilder::on(canvas)
        .margin(16)
        .margin_right(40)
        .x_label_area_size(48)
        .y_label_area_size(150)
        .build_cartesian_2d(TimeAxis::new(from, to), low - room..top)?;
    plot.configure_mesh()
        .disable_x_mesh()
        .light_line_style(TRANSPARENT)
        .bold_line_style(INK.mix(0.12))
        .axis_style(INK.mix(0.4))
        .label_style(("sans-serif", 30).into_font().color(&INK.mix(0.8)))
        .x_labels(20)
        .y_labels(6)
        .y_label_formatter(&|value: &f64| label(*value))
        .draw()?;
    Ok(plot)
}

fn line(
    plot: &mut Plot<'_, '_>,
    points: &[(i64, f64)],
    colour: RGBAColor,
    width: u32,
) -> Result<(), Failure> {
    plot.draw_series(LineSeries::new(points.iter().copied(), colour.stroke_width(width)))?;
    Ok(())
}

/// The lowest and the highest value; `None` when there is no point.
pub(super) fn bounds<'a, X: 'a>(points: impl Iterator<Item = &'a (X, f64)>) -> Option<(f64, f64)> {
    points.fold(None, |bounds, (_, value)| {
        let (low, high) = bounds.unwrap_or((*value, *value));
        Some((f64::min(low, *value), f64::max(high, *value)))
    })
}

/// The first and the last time.
fn span(points: &[(i64, f64)]) -> (i64, i64) {
    let at = |point: Option<&(i64, f64)>| point.map_or(0, |(time, _)| *time);
    (at(points.first()), at(points.last()))
}

/// How the marks of an axis of prices or money are written: all in the unit of the highest.
fn amount(high: f64) -> impl Fn(f64) -> String {
    let (size, unit, places) = match high.abs() {
        high if high >= 1e9 => (1e9, " B", 2),
        high if high >= 1e6 => (1e6, " M", 2),
        high if high >= 2e4 => (1e3, " k", 1),
        high if high >= 100.0 => (1.0, "", 0),
        high if high >= 2.0 => (1.0, "", 2),
        _ => (1.0, "", 5),
    };
    move |value| format!("{:.places$}{unit}", value / size)
}
