//! How a verb prints: the format that was asked for, and plain text tables.

use std::fmt;
use std::io::{self, Write};

use clap::ValueEnum;
use serde::Serialize;

use super::error::{CliError, ExitCode};

/// What `--format` takes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, ValueEnum)]
pub enum Format {
    /// For people.
    #[default]
    Text,
    /// One JSON document; objects carry `"schema":"name/1"`.
    Json,
    /// One JSON object per line.
    Jsonl,
}

/// Writes a document with a line feed after it: indented as `json`, in one line as `jsonl`.
///
/// # Errors
/// When it cannot be written.
pub fn write_json<T: Serialize + ?Sized>(
    document: &T,
    format: Format,
    out: &mut dyn Write,
) -> Result<(), CliError> {
    let text = match format {
        Format::Jsonl => serde_json::to_string(document),
        Format::Text | Format::Json => serde_json::to_string_pretty(document),
    };
    let text = text.map_err(|error| {
        CliError::new(ExitCode::Failure, "the document cannot be written as json").caused_by(error)
    })?;
    writeln!(out, "{text}")?;
    Ok(())
}

/// An output that knows whether anything was written to it.
pub struct Told<'a> {
    out: &'a mut (dyn Write + Send),
    is_told: bool,
}

impl<'a> Told<'a> {
    /// Nothing was written to it yet.
    pub fn new(out: &'a mut (dyn Write + Send)) -> Self {
        Self { out, is_told: false }
    }

    /// Whether anything was.
    pub const fn is_told(&self) -> bool {
        self.is_told
    }
}

impl fmt::Debug for Told<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Told").field("is_told", &self.is_told).finish_non_exhaustive()
    }
}

impl Write for Told<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.is_told |= !bytes.is_empty();
        self.out.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

/// Where a column's text stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Align {
    /// Words.
    Left,
    /// Numbers.
    Right,
}

/// A text table: a header, a rule, rows; columns two spaces apart and as wide as they need.
///
/// Its `Display` ends every line, the last too, with a line feed. Without rows it prints nothing but
/// its header, so a caller says what an empty table means.
#[derive(Clone, Debug, Default)]
pub struct Table {
    columns: Vec<(String, Align)>,
    rows: Vec<Vec<String>>,
    headless: bool,
}

impl Table {
    /// A table with these columns.
    pub fn new<'a>(columns: impl IntoIterator<Item = (&'a str, Align)>) -> Self {
        let columns = columns.into_iter().map(|(name, align)| (name.to_owned(), align)).collect();
        Self { columns, rows: Vec::new(), headless: false }
    }

    /// A table of names and numbers, without a header.
    pub fn pairs() -> Self {
        Self { headless: true, ..Self::new([("", Align::Left), ("", Align::Right)]) }
    }

    /// A table of names and texts, without a header.
    pub fn listing() -> Self {
        Self { headless: true, ..Self::new([("", Align::Left), ("", Align::Left)]) }
    }

    /// Adds a row. Missing cells are empty; cells beyond the last column are dropped. Control
    /// characters become spaces, so that a cell can neither break the table nor drive the terminal.
    pub fn row<T: ToString>(&mut self, cells: impl IntoIterator<Item = T>) -> &mut Self {
        let mut row: Vec<String> = cells
            .into_iter()
            .take(self.columns.len())
            .map(|cell| cell.to_string().replace(char::is_control, " "))
            .collect();
        row.resize(self.columns.len(), String::new());
        self.rows.push(row);
        self
    }

    /// Whether there is no row.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    fn widths(&self) -> Vec<usize> {
        let mut widths: Vec<usize> =
            self.columns.iter().map(|(name, _)| name.chars().count()).collect();
        for row in &self.rows {
            for (width, cell) in widths.iter_mut().zip(row) {
                *width = (*width).max(cell.chars().count());
            }
        }
        widths
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let widths = self.widths();
        let line = |cells: &mut dyn Iterator<Item = &str>| {
            let mut line = String::new();
            for (index, (cell, &width)) in cells.zip(&widths).enumerate() {
                let gap = if index == 0 { "" } else { "  " };
                let right = self.columns.get(index).is_some_and(|(_, at)| *at == Align::Right);
                let text =
                    if right { format!("{cell:>width$}") } else { format!("{cell:<width$}") };
                line.push_str(gap);
                line.push_str(&text);
            }
            line.trim_end().to_owned()
        };
        if !self.headless {
            writeln!(f, "{}", line(&mut self.columns.iter().map(|(name, _)| name.as_str())))?;
            let rules: Vec<String> = widths.iter().map(|&width| "─".repeat(width)).collect();
            writeln!(f, "{}", line(&mut rules.iter().map(String::as_str)))?;
        }
        for row in &self.rows {
            writeln!(f, "{}", line(&mut row.iter().map(String::as_str)))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_stand_left_and_numbers_right() {
        let mut table = Table::new([("symbol", Align::Left), ("pnl", Align::Right)]);
        table.row(["AAPL", "1234.50"]).row(["F", "-2"]);
        let expected = "symbol      pnl\n──────  ───────\nAAPL    1234.50\nF            -2\n";
        assert_eq!(table.to_string(), expected);
    }

    #[test]
    fn a_hostile_cell_cannot_break_a_table() {
        let mut table = Table::pairs();
        table.row(["a\u{1b}[2J\n", "1", "too many"]).row(["b"]);
        assert_eq!(table.to_string(), "a [2J   1\nb\n");
    }
}
