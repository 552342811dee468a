//! Share splits: an explicit table, applied to raw bars.
//!
//! Nothing is guessed from prices: a jump that looks like a split is only flagged (see the door).

use std::collections::BTreeMap;

use jiff::civil::Date;

use super::calendar::Calendar;
use super::csv::{CsvFaults, Fault, table};
use super::series::Series;
use super::symbol::Symbol;
use crate::fixed::{Price, Volume, div_half_even};

/// One split: from the opening of `date` on, `new` shares stand where `old` stood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Split {
    /// Whose shares.
    pub symbol: Symbol,
    /// The first session at the new price.
    pub date: Date,
    /// Shares after.
    pub new: u32,
    /// Shares before.
    pub old: u32,
}

/// A split that took a figure out of the representable range.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the splits of {symbol} take its figures out of range")]
pub struct SplitError {
    symbol: Symbol,
}

/// Reads a split table: `symbol,date,ratio` with dates as `2000-06-21` and ratios as `2:1`.
///
/// # Errors
/// Every faulty line, up to 20.
pub fn read_splits(text: &str) -> Result<Vec<Split>, CsvFaults> {
    table(text, ["symbol", "date", "ratio"], |[symbol, date, ratio]| {
        let wrong = |column, value: &str, expected| Fault::NotA {
            column,
            value: value.chars().take(40).collect(),
            expected,
        };
        let no_ratio = || wrong("ratio", ratio, "a ratio such as 2:1, new shares to old");
        let (new, old) = ratio.split_once(':').ok_or_else(no_ratio)?;
        let part = |text: &str| text.parse().ok().filter(|part| (1..=10_000).contains(part));
        Ok(Split {
            symbol: Symbol::new(symbol).map_err(|_| wrong("symbol", symbol, "a symbol"))?,
            date: date.parse().map_err(|_| wrong("date", date, "a date such as 2000-06-21"))?,
            new: part(new).ok_or_else(no_ratio)?,
            old: part(old).ok_or_else(no_ratio)?,
        })
    })
}

/// A raw series in the shares of its last day: prices before a split are divided by its ratio,
/// volumes multiplied, each once for all splits and rounded half to even.
///
/// Splits of other symbols, and those after the last bar, change nothing.
///
/// # Errors
/// When a figure leaves its range.
pub fn adjust(raw: &Series, splits: &[Split]) -> Result<Series, SplitError> {
    let error = || SplitError { symbol: raw.symbol.clone() };
    let mut adjusted = raw.clone();
    let calendar = Calendar::of(raw.class);
    let last = raw.bars.last().map(|bar| calendar.session_date(bar.open_time));
    // Two entries of one day multiply.
    let mut by_date: BTreeMap<Date, (i128, i128)> = BTreeMap::new();
    for split in splits.iter().filter(|split| split.symbol == raw.symbol) {
        if last.is_some_and(|last| split.date <= last) {
            let (new, old) = by_date.entry(split.date).or_insert((1, 1));
            *new = new.checked_mul(i128::from(split.new)).ok_or_else(error)?;
            *old = old.checked_mul(i128::from(split.old)).ok_or_else(error)?;
        }
    }
    let (mut new, mut old, mut end) = (1_i128, 1_i128, adjusted.bars.len());
    for (date, ratio) in by_date.iter().rev() {
        let bars = &adjusted.bars;
        let start = bars.partition_point(|bar| calendar.session_date(bar.open_time) < *date);
        scale(&mut adjusted.bars[start..end], new, old).ok_or_else(error)?;
        end = start;
        new = new.checked_mul(ratio.0).ok_or_else(error)?;
        old = old.checked_mul(ratio.1).ok_or_else(error)?;
    }
    scale(&mut adjusted.bars[..end], new, old).ok_or_else(error)?;
    Ok(adjusted)
}

/// Divides prices by `new / old` and multiplies volumes by it; `None` on overflow.
fn scale(bars: &mut [super::bar::Bar], new: i128, old: i128) -> Option<()> {
    let times = |raw: i64, by: i128, of: i128| {
        i64::try_from(div_half_even(i128::from(raw).checked_mul(by)?, of)).ok()
    };
    for bar in bars {
        for price in [&mut bar.open, &mut bar.high, &mut bar.low, &mut bar.close] {
            *price = Price::from_raw(times(price.raw(), old, new)?);
        }
        bar.volume = Volume::from_raw(times(bar.volume.raw(), new, old)?);
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;
    use crate::market::csv::{CsvOptions, read_csv};

    fn raw() -> Series {
        let text = "date,open,high,low,close,volume\n\
            2000-06-20,101,103,100,101.25,10\n2000-06-21,50.5,56.9,50.3,55.63,1\n\
            2000-06-22,55,57,53,53.75,7\n";
        read_csv(text.as_bytes(), &CsvOptions::new(Symbol::new("AAPL").unwrap())).unwrap().series
    }

    fn closes(series: &Series) -> Vec<String> {
        series.bars.iter().map(|bar| format!("{}x{}", bar.close, bar.volume)).collect()
    }

    #[test]
    fn bars_before_a_split_are_divided_and_later_ones_left() {
        let splits = read_splits("symbol,date,ratio\nAAPL,2000-06-21,2:1\nMSFT,2000-06-22,2:1\n");
        let adjusted = adjust(&raw(), &splits.unwrap()).unwrap();
        assert_eq!(closes(&adjusted), ["50.625x20", "55.63x1", "53.75x7"]);
    }

    #[test]
    fn splits_multiply_and_one_after_the_last_bar_waits() {
        let text =
            "ratio,symbol,date\n1:4,AAPL,2000-06-22\n2:1,AAPL,2000-06-21\n7:1,AAPL,2000-06-23";
        let splits = read_splits(text).unwrap();
        let adjusted = adjust(&raw(), &splits).unwrap();
        assert_eq!(closes(&adjusted), ["202.5x5", "222.52x0.25", "53.75x7"]);
        assert_eq!(adjust(&raw(), &splits[2..]), Ok(raw()));
    }

    #[test]
    fn a_bad_table_is_refused_with_its_lines() {
        let faults = read_splits(
            "symbol,date,ratio\n../x,2000-06-21,2:1\nAAPL,soon,2:1\nAAPL,2000-06-21,2\nAAPL,2000-06-21,0:1",
        );
        assert_eq!(
            faults.unwrap_err().to_string(),
            "line 2: column `symbol`: `../x` is not a symbol\n\
             line 3: column `date`: `soon` is not a date such as 2000-06-21\n\
             line 4: column `ratio`: `2` is not a ratio such as 2:1, new shares to old\n\
             line 5: column `ratio`: `0:1` is not a ratio such as 2:1, new shares to old"
        );
        assert!(read_splits("symbol,date\n").is_err());
    }

    #[test]
    fn a_chain_of_splits_that_leaves_the_range_is_an_error() {
        let split = Split {
            symbol: Symbol::new("AAPL").unwrap(),
            date: date(2000, 6, 21),
            new: 1,
            old: 10_000,
        };
        assert!(adjust(&raw(), &vec![split.clone(); 3]).is_err());
        assert!(adjust(&raw(), &vec![split; 50]).is_err());
    }
}
