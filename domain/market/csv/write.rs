//! The writer: a series in the form that the reader takes and users know.

use std::fmt::{self, Write};

use crate::market::bar::Timeframe;
use crate::market::calendar::Calendar;
use crate::market::series::Series;

/// Writes `timestamp,open,high,low,close,volume` and one line per bar, ended by `\n`.
///
/// Daily and weekly bars are stamped with their date at the market, shorter ones with their opening
/// time (RFC 3339, UTC). What was written reads back as the same series.
///
/// # Errors
/// When the sink does.
pub fn write_csv(series: &Series, out: &mut impl Write) -> fmt::Result {
    let calendar = Calendar::of(series.class);
    out.write_str("timestamp,open,high,low,close,volume\n")?;
    for bar in &series.bars {
        if series.timeframe < Timeframe::Day {
            write!(out, "{}", bar.open_time)?;
        } else {
            write!(out, "{}", calendar.session_date(bar.open_time))?;
        }
        writeln!(out, ",{},{},{},{},{}", bar.open, bar.high, bar.low, bar.close, bar.volume)?;
    }
    Ok(())
}
