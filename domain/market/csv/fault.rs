//! What can be wrong with a line, said with the line's number, the column and the value.

use std::fmt;

use crate::fixed::DIGITS_MAX;
use crate::market::door::BarError;

/// What is wrong with one line.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// No byte at all, or only blank lines.
    #[error("the file is empty: the first line must name the columns")]
    Empty,
    /// A header and nothing under it.
    #[error("there is no row under the header")]
    NoRows,
    /// Bytes that are no text.
    #[error("the line is not UTF-8 text: save the file as UTF-8")]
    NotUtf8,
    /// A line that no table of bars has.
    #[error("the line has {bytes} bytes, over the bound of {max}: is this a CSV file?")]
    LineTooLong {
        /// Its length.
        bytes: usize,
        /// The bound.
        max: usize,
    },
    /// A quote without its end.
    #[error("a quote is not closed on the line")]
    OpenQuote,
    /// A column that must be there is not.
    #[error("column `{column}` is missing: the header needs one of {accepted}")]
    MissingColumn {
        /// Its name.
        column: &'static str,
        /// The names accepted for it.
        accepted: String,
    },
    /// Two columns that could both be the one.
    #[error("columns `{first}` and `{second}` could both be `{column}`: keep one")]
    AmbiguousColumn {
        /// The column looked for.
        column: &'static str,
        /// The first candidate.
        first: String,
        /// The second candidate.
        second: String,
    },
    /// A line that is cut short, or has stray commas.
    #[error("the line has {found} fields where the header has {expected}")]
    FieldCount {
        /// Fields on the line.
        found: usize,
        /// Fields in the header.
        expected: usize,
    },
    /// A field without content.
    #[error("column `{column}` is empty: give a value or drop the line")]
    EmptyField {
        /// The column.
        column: &'static str,
    },
    /// A field that is no decimal number; NaN and infinity are none.
    #[error("column `{column}`: `{value}` is not a decimal number such as 130.31")]
    NotANumber {
        /// The column.
        column: &'static str,
        /// The field, cut to 40 characters.
        value: String,
    },
    /// A number that could only be read by rounding it.
    #[error(
        "column `{column}`: `{value}` has {digits} significant digits, over the bound of {DIGITS_MAX}"
    )]
    TooManyDigits {
        /// The column.
        column: &'static str,
        /// The field, cut to 40 characters.
        value: String,
        /// Its digits from the first that is not zero.
        digits: usize,
    },
    /// A number that cannot be stored.
    #[error("column `{column}`: `{value}` is out of range: its size must be below {bound}")]
    OutOfRange {
        /// The column.
        column: &'static str,
        /// The field, cut to 40 characters.
        value: String,
        /// The largest size that can be stored.
        bound: i64,
    },
    /// A field that is no time.
    #[error(
        "column `{column}`: `{value}` is not a time: use 2013-03-01, 2013-03-01T21:00:00Z, \
         2013-03-01 21:00 (UTC) or seconds or milliseconds since 1970, within 1900 to 2200"
    )]
    NotATime {
        /// The column.
        column: &'static str,
        /// The field, cut to 40 characters.
        value: String,
    },
    /// A field of a small table that is not what it must be.
    #[error("column `{column}`: `{value}` is not {expected}")]
    NotA {
        /// The column.
        column: &'static str,
        /// The field, cut to 40 characters.
        value: String,
        /// What it must be.
        expected: &'static str,
    },
    /// The rows' spacing is that of no timeframe.
    #[error("the rows are {spacing_s} seconds apart, which is no timeframe: state one of 1m to 1w")]
    NoTimeframe {
        /// The commonest spacing, in seconds; zero when there is a single row with a time of day.
        spacing_s: i64,
    },
    /// The bar cannot be true.
    #[error("{0}")]
    Bar(BarError),
}

impl Fault {
    /// The column that it is about, where it is about one.
    pub const fn column(&self) -> Option<&'static str> {
        match self {
            Self::MissingColumn { column, .. }
            | Self::AmbiguousColumn { column, .. }
            | Self::EmptyField { column }
            | Self::NotANumber { column, .. }
            | Self::TooManyDigits { column, .. }
            | Self::OutOfRange { column, .. }
            | Self::NotATime { column, .. }
            | Self::NotA { column, .. } => Some(column),
            Self::Empty
            | Self::NoRows
            | Self::NotUtf8
            | Self::LineTooLong { .. }
            | Self::OpenQuote
            | Self::FieldCount { .. }
            | Self::NoTimeframe { .. }
            | Self::Bar(_) => None,
        }
    }

    /// The part of a field that a message shows.
    pub(super) fn cut(value: &str) -> String {
        value.chars().take(40).collect()
    }
}

/// A fault and the line it is on, counted from one with the header.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {fault}")]
pub struct LineFault {
    /// The line.
    pub line: usize,
    /// What is wrong there.
    pub fault: Fault,
}

/// Everything that is wrong with a text, in the order of lines, as far as it is shown.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CsvFaults {
    /// The first faults.
    pub shown: Vec<LineFault>,
    /// How many there are altogether.
    pub total: usize,
    bound: usize,
}

impl CsvFaults {
    /// No faults yet, of which at most `bound` will be kept.
    pub(super) fn up_to(bound: usize) -> Self {
        Self { shown: Vec::new(), total: 0, bound }
    }

    /// Faults may be found in two passes; what is shown is in the order of lines.
    pub(super) fn push(&mut self, line: usize, fault: Fault) {
        self.total += 1;
        let place = self.shown.partition_point(|shown| shown.line <= line);
        self.shown.insert(place, LineFault { line, fault });
        self.shown.truncate(self.bound);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.total == 0
    }
}

impl fmt::Display for CsvFaults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, fault) in self.shown.iter().enumerate() {
            let end = if index == 0 { "" } else { "\n" };
            write!(f, "{end}{fault}")?;
        }
        match self.total - self.shown.len() {
            0 => Ok(()),
            1 => write!(f, "\nand 1 more fault"),
            more => write!(f, "\nand {more} more faults"),
        }
    }
}

impl std::error::Error for CsvFaults {}
