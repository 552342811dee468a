//! The reader: bytes in, a checked series out, or every fault with its line.

use std::collections::BTreeMap;

use super::columns::{Columns, columns, name};
use super::fault::{CsvFaults, Fault};
use super::number;
use super::stamp::{DAY_MS, stamp};
use super::table::{fields, lines};
use crate::market::bar::{Bar, Timeframe};
use crate::market::calendar::{Calendar, SessionCursor};
use crate::market::door::{Door, Warning};
use crate::market::series::Series;
use crate::market::symbol::{AssetClass, Symbol};

/// The longest line that is read, in bytes.
pub const LINE_MAX: usize = 16_384;

/// What a file does not say about itself.
#[derive(Clone, Debug)]
pub struct CsvOptions {
    /// Whose bars they are.
    pub symbol: Symbol,
    /// What kind of thing it is; decides the calendar.
    pub class: AssetClass,
    /// The bars' length; found from their spacing when not stated.
    pub timeframe: Option<Timeframe>,
    /// How many faults are kept.
    pub faults_shown: usize,
}

impl CsvOptions {
    /// Bars of a share, of a length to be found, with the first 20 faults.
    pub const fn new(symbol: Symbol) -> Self {
        Self { symbol, class: AssetClass::Equity, timeframe: None, faults_shown: 20 }
    }
}

/// A series and what was noticed on the way.
#[derive(Clone, Debug, PartialEq)]
pub struct CsvRead {
    /// The bars, as the file has them: not adjusted for splits.
    pub series: Series,
    /// What is strange about bars, each with its line.
    pub warnings: Vec<(usize, Warning)>,
    /// Columns that were not used, such as `adj_close`.
    pub ignored: Vec<String>,
}

/// Reads bars. A daily bar gets the opening and the close of its session as its times; a shorter
/// one opens at its stamp.
///
/// A stamp of midnight UTC on a daily bar names its date; any other is taken at the market's date.
///
/// # Errors
/// Every faulty line, up to the bound of the options; no bar is dropped in silence.
pub fn read_csv(bytes: &[u8], options: &CsvOptions) -> Result<CsvRead, CsvFaults> {
    let mut faults = CsvFaults::up_to(options.faults_shown);
    let mut lines = lines(bytes);
    let Some((number, header)) = lines.next() else {
        faults.push(1, Fault::Empty);
        return Err(faults);
    };
    let found = match header {
        Ok(header) => columns(header, number, &mut faults),
        Err(fault) => {
            faults.push(number, fault);
            None
        }
    };
    let Some(found) = found else { return Err(faults) };

    let mut rows = Rows::default();
    for (number, line) in lines {
        match line.and_then(|line| row(line, &found)) {
            Ok(bar) => {
                rows.bars.push(bar);
                rows.lines.push(number);
            }
            Err(fault) => faults.push(number, fault),
        }
    }
    if rows.bars.is_empty() && faults.is_empty() {
        faults.push(number, Fault::NoRows);
    }
    if rows.bars.is_empty() {
        return Err(faults);
    }
    let timeframe = match options.timeframe.map_or_else(|| rows.timeframe(), Ok) {
        Ok(timeframe) => timeframe,
        Err(fault) => {
            faults.push(number, fault);
            return Err(faults);
        }
    };
    rows.give_times(options.class, timeframe);
    let warnings = rows.check(options.class, timeframe, &mut faults);
    if !faults.is_empty() {
        return Err(faults);
    }
    let series =
        Series { symbol: options.symbol.clone(), class: options.class, timeframe, bars: rows.bars };
    Ok(CsvRead { series, warnings, ignored: found.ignored })
}

/// One line as a bar that opens and closes at its stamp.
fn row(line: &str, columns: &Columns) -> Result<Bar, Fault> {
    let mut six = [""; 6];
    let count = fields(line, |index, field| {
        for (slot, &place) in six.iter_mut().zip(&columns.places) {
            if place == index {
                *slot = field;
            }
        }
    })?;
    if count != columns.count {
        return Err(Fault::FieldCount { found: count, expected: columns.count });
    }
    let time = stamp(name(0), six[0])?;
    Ok(Bar {
        open_time: time,
        close_time: time,
        open: number::price(name(1), six[1])?,
        high: number::price(name(2), six[2])?,
        low: number::price(name(3), six[3])?,
        close: number::price(name(4), six[4])?,
        volume: number::volume(name(5), six[5])?,
    })
}

/// Bars and the lines they stand on.
#[derive(Default)]
struct Rows {
    bars: Vec<Bar>,
    lines: Vec<usize>,
}

impl Rows {
    /// The timeframe whose length is the commonest spacing among the first 10,000 rows.
    fn timeframe(&self) -> Result<Timeframe, Fault> {
        let mut spacings: BTreeMap<i64, usize> = BTreeMap::new();
        for pair in self.bars.windows(2).take(10_000) {
            let spacing_ms = pair[1].open_time.ms() - pair[0].open_time.ms();
            if spacing_ms > 0 {
                *spacings.entry(spacing_ms).or_default() += 1;
            }
        }
        let mut commonest = (0, 0);
        for (spacing_ms, count) in spacings {
            // The shorter one wins a tie: gaps only lengthen.
            if count > commonest.1 {
                commonest = (spacing_ms, count);
            }
        }
        let spacing_ms = commonest.0;
        let all = [
            Timeframe::Minute,
            Timeframe::FiveMinutes,
            Timeframe::QuarterHour,
            Timeframe::HalfHour,
            Timeframe::Hour,
            Timeframe::FourHours,
            Timeframe::Day,
            Timeframe::Week,
        ];
        let exact = |timeframe: &&Timeframe| {
            u128::try_from(spacing_ms) == Ok(timeframe.length().as_millis())
        };
        if let Some(found) = all.iter().find(exact) {
            return Ok(*found);
        }
        // Few days with a weekend between them, or days across a change of the clock.
        let whole_days = self.bars.iter().all(|bar| bar.open_time.ms().rem_euclid(DAY_MS) == 0);
        let is_daily = (whole_days && spacing_ms < 7 * DAY_MS)
            || (DAY_MS - 3_600_000..=DAY_MS + 3_600_000).contains(&spacing_ms);
        if is_daily {
            Ok(Timeframe::Day)
        } else {
            Err(Fault::NoTimeframe { spacing_s: spacing_ms / 1_000 })
        }
    }

    fn give_times(&mut self, class: AssetClass, timeframe: Timeframe) {
        let calendar = Calendar::of(class);
        let mut cursor = SessionCursor::new(calendar);
        for bar in &mut self.bars {
            let stamp = bar.open_time;
            let is_date = stamp.ms().rem_euclid(DAY_MS) == 0;
            if timeframe < Timeframe::Day {
                let close = stamp + timeframe.length();
                // The last bar of a session ends with it.
                let session_close = cursor.open_close(stamp).map(|hours| hours.1);
                let cut = session_close.filter(|&end| stamp < end && end < close);
                bar.close_time = cut.unwrap_or(close);
            } else {
                let day = if is_date {
                    Calendar::Always.session_date(stamp)
                } else {
                    cursor.session_date(stamp)
                };
                (bar.open_time, bar.close_time) = calendar.hours_of_day_bar(timeframe, day);
            }
        }
    }

    /// Sends every bar through the door.
    fn check(
        &self,
        class: AssetClass,
        timeframe: Timeframe,
        faults: &mut CsvFaults,
    ) -> Vec<(usize, Warning)> {
        let mut door = Door::new(class, timeframe);
        let mut warnings = Vec::new();
        for (bar, &line) in self.bars.iter().zip(&self.lines) {
            match door.admit(bar) {
                Ok(strange) => warnings.extend(strange.into_iter().map(|warning| (line, warning))),
                Err(error) => faults.push(line, Fault::Bar(error)),
            }
        }
        warnings
    }
}
