//! Correlations as a map: the deeper a cell, the closer its pair; the figure stands in it as well.

use conclave_domain::market::symbol::Symbol;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use super::super::chart::{BLUE, Canvas, Failure, INK, ORANGE, draw};
use super::SelectionReport;

/// Room for names at the left and at the top, pixels.
const MARGIN: i32 = 210;
/// The height of a cell at most.
const CELL_MAX: i32 = 110;

/// Symbols in the map at most: of more the figures could not be read. The JSON has all pairs.
pub(super) const SYMBOLS_MAX: usize = 30;

/// Draws it, of the first [`SYMBOLS_MAX`]; `None` where fewer than two symbols are shown.
pub(super) fn map(report: &SelectionReport) -> Result<Option<String>, Failure> {
    let mut shown = report.shown();
    shown.truncate(SYMBOLS_MAX);
    if shown.len() < 2 {
        return Ok(None);
    }
    let count = i32::try_from(shown.len())?;
    let width = (i32::try_from(super::super::chart::WIDTH)? - MARGIN - 20) / count;
    let cell = width.min(CELL_MAX);
    let height = u32::try_from(MARGIN / 3 + cell * count + 20)?;
    draw(height, |canvas| plot(canvas, report, &shown, (width, cell))).map(Some)
}

fn plot(
    canvas: &Canvas<'_>,
    report: &SelectionReport,
    shown: &[&Symbol],
    (width, height): (i32, i32),
) -> Result<(), Failure> {
    let on_list = report.selected.symbols();
    let top = MARGIN / 3;
    let word = |size: i32| ("sans-serif", size).into_font();
    for ((row, a), left) in (0..).zip(shown).zip(std::iter::repeat(MARGIN)) {
        let y = top + row * height;
        let ink = if on_list.contains(a) { INK.mix(1.0) } else { INK.mix(0.55) };
        let end = word(28).color(&ink).pos(Pos::new(HPos::Right, VPos::Center));
        canvas.draw(&Text::new(a.to_string(), (left - 14, y + height / 2), end))?;
        let above = word(24).color(&ink).pos(Pos::new(HPos::Center, VPos::Bottom));
        let middle = left + row * width + width / 2;
        canvas.draw(&Text::new(a.to_string(), (middle, top - 8), above))?;
        for (column, b) in (0..row).zip(shown) {
            let corner = (left + column * width, y);
            let opposite = (corner.0 + width - 3, corner.1 + height - 3);
            let found = report.correlation(a, b);
            let depth = found.map_or(0.0, |found| found.get().abs());
            let colour = if found.is_some_and(|found| found.get() < 0.0) { BLUE } else { ORANGE };
            let fill = colour.mix(0.08 + 0.8 * depth).filled();
            canvas.draw(&Rectangle::new([corner, opposite], fill))?;
            let text = found.map_or_else(|| "?".to_owned(), |found| format!("{:.2}", found.get()));
            let centre = (corner.0.midpoint(opposite.0), corner.1.midpoint(opposite.1));
            let style = word(26).color(&INK).pos(Pos::new(HPos::Center, VPos::Center));
            canvas.draw(&Text::new(text, centre, style))?;
        }
    }
    Ok(())
}
