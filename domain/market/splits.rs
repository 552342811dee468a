//! Share splits: an explicit table, applied to raw bars.
//!
//! Nothing is guessed from prices: a jump that looks like a split is only flagged (see the door).

use std::collections::BTreeMap;

use jiff::civil::Date;
use rust_decimal::Decimal;

use super::bar::Bar;
use super::calendar::Calendar;
use super::csv::{CsvFaults, Fault, table};
use super::series::Series;
use super::symbol::Symbol;
use crate::fixed::{Price, Volume, div_half_even};

/// How far the simplest ratio may be from rates that are told in whole, a part of it: no cent of a price hangs
/// on a millionth.
pub const RATES_SLACK: Decimal = Decimal::from_parts(1, 0, 0, false, 6);
/// The most shares on either side of a ratio.
const PART_MAX: u32 = 10_000;

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

impl Split {
    /// A split as vendors tell it, in decimals: `new` shares for `old`, such as 4 for 1, 1.5 for 1 or
    /// 10027455 for 10000000. The simplest ratio of whole shares that is away from theirs by no more than
    /// `slack`, a part of it. `None` where no ratio of up to 10,000 shares is so near.
    pub fn told(
        symbol: &Symbol,
        date: Date,
        (new, old): (Decimal, Decimal),
        slack: Decimal,
    ) -> Option<Self> {
        if new <= Decimal::ZERO || old <= Decimal::ZERO {
            return None;
        }
        let ratio = new.checked_div(old)?;
        let room = ratio.checked_mul(slack)?;
        (1..=PART_MAX).find_map(|old| {
            let shares = Decimal::from(old);
            let new: u32 = ratio.checked_mul(shares)?.round().try_into().ok()?;
            let away = Decimal::from(new).checked_div(shares)?.checked_sub(ratio)?.abs();
            let is_near = (1..=PART_MAX).contains(&new) && away <= room;
            is_near.then(|| Self { symbol: symbol.clone(), date, new, old })
        })
    }
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
        let part = |text: &str| text.parse().ok().filter(|part| (1..=PART_MAX).contains(part));
        Ok(Split {
            symbol: Symbol::new(symbol).map_err(|_| wrong("symbol", symbol, "a symbol"))?,
            date: date.parse().map_err(|_| wrong("date", date, "a date such as 2000-06-21"))?,
            new: part(new).ok_or_else(no_ratio)?,
            old: part(old).ok_or_else(no_ratio)?,
        })
    })
}

/// A split table in the form that [`read_splits`] reads.
pub fn write_splits(splits: &[Split]) -> String {
    let line = |it: &Split| format!("{},{},{}:{}\n", it.symbol, it.date, it.new, it.old);
    std::iter::once("symbol,date,ratio\n".to_owned()).chain(splits.iter().map(line)).collect()
}

/// A raw series in the shares of its last day: prices before a split are divided by its ratio,
/// volumes multiplied, each once for all splits and rounded half to even.
///
/// Splits of other symbols, and those after the last bar, change nothing.
///
/// # Errors
/// When a figure leaves its range.
pub fn adjust(raw: &Series, splits: &[Split]) -> Result<Series, SplitError> {
    let mut adjusted = raw.clone();
    let calendar = Calendar::of(raw.class);
    let last = raw.bars.last().map(|bar| calendar.session_date(bar.open_time));
    let own = splits.iter().filter(|it| it.symbol == raw.symbol);
    let own = own.filter(|it| last.is_some_and(|last| it.date <= last));
    let parts = own.map(|it| (it.date, (i128::from(it.new), i128::from(it.old))));
    rescale(&mut adjusted.bars, calendar, parts)
        .ok_or_else(|| SplitError { symbol: raw.symbol.clone() })?;
    Ok(adjusted)
}

/// The way back: a series in the shares of today as it was paid on its day, given every split until today,
/// those after its last bar too. What was rescaled is rounded to what prices are paid in, a cent or below a
/// dollar a hundredth of one, because a vendor that adjusts prices rounds them as well.
///
/// # Errors
/// When a figure leaves its range.
pub fn as_paid(adjusted: &Series, splits: &[Split]) -> Result<Series, SplitError> {
    let mut raw = adjusted.clone();
    let own = splits.iter().filter(|it| it.symbol == raw.symbol);
    let parts = own.map(|it| (it.date, (i128::from(it.old), i128::from(it.new))));
    rescale(&mut raw.bars, Calendar::of(raw.class), parts)
        .ok_or_else(|| SplitError { symbol: raw.symbol.clone() })?;
    for (bar, before) in raw.bars.iter_mut().zip(&adjusted.bars) {
        if bar != before {
            for price in [&mut bar.open, &mut bar.high, &mut bar.low, &mut bar.close] {
                *price = paid(*price);
            }
        }
    }
    Ok(raw)
}

/// A price in the steps that shares are paid in.
fn paid(price: Price) -> Price {
    let step = if price.raw() < Price::SCALE { Price::SCALE / 10_000 } else { Price::SCALE / 100 };
    let steps = div_half_even(i128::from(price.raw()), i128::from(step));
    // Rounding what fits takes it out of range by a step at most.
    i64::try_from(steps * i128::from(step)).map_or(price, Price::from_raw)
}

/// Bars before each date with prices divided by the product of the ratios from there on, and volumes
/// multiplied; two ratios of one day multiply. `None` on overflow.
fn rescale(
    bars: &mut [Bar],
    calendar: Calendar,
    ratios: impl Iterator<Item = (Date, (i128, i128))>,
) -> Option<()> {
    let mut by_date: BTreeMap<Date, (i128, i128)> = BTreeMap::new();
    for (date, ratio) in ratios {
        let (new, old) = by_date.entry(date).or_insert((1, 1));
        *new = new.checked_mul(ratio.0)?;
        *old = old.checked_mul(ratio.1)?;
    }
    let (mut new, mut old, mut end) = (1_i128, 1_i128, bars.len());
    for (date, ratio) in by_date.iter().rev() {
        let start = bars.partition_point(|bar| calendar.session_date(bar.open_time) < *date);
        scale(&mut bars[start..end], new, old)?;
        end = start;
        new = new.checked_mul(ratio.0)?;
        old = old.checked_mul(ratio.1)?;
    }
    scale(&mut bars[..end], new, old)
}

/// Divides prices by `new / old` and multiplies volumes by it; `None` on overflow.
fn scale(bars: &mut [Bar], new: i128, old: i128) -> Option<()> {
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

    #[test]
    fn vendors_tell_ratios_in_decimals_and_the_simplest_one_is_meant() {
        let told = |new: &str, old: &str, slack: &str| {
            let parse = |text: &str| text.parse::<Decimal>().unwrap();
            let symbol = Symbol::new("AAPL").unwrap();
            Split::told(&symbol, date(2020, 8, 31), (parse(new), parse(old)), parse(slack))
                .map(|split| format!("{}:{}", split.new, split.old))
        };
        for (new, old, slack, ratio) in [
            ("4", "1", "0.000001", Some("4:1")),
            ("3.0", "2.0", "0.000001", Some("3:2")),
            ("2002", "1000", "0.000001", Some("1001:500")),
            ("10027455", "10000000", "0.000001", Some("1096:1093")),
            ("0.0667", "1", "0.00075", Some("1:15")),
            ("1.3333", "1", "0.00004", Some("4:3")),
            ("1", "10000", "0.000001", Some("1:10000")),
            ("1", "20000", "0.000001", None),
            ("0", "1", "0.000001", None),
            ("-2", "-1", "0.000001", None),
            ("79228162514264337593543950335", "0.0000000001", "0.1", None),
        ] {
            assert_eq!(told(new, old, slack).as_deref(), ratio, "{new} for {old}");
        }
    }

    #[test]
    fn what_a_vendor_adjusted_goes_back_to_what_was_paid() {
        // A vendor's prices after two later splits, rounded to six places: 28.75 / 8 and 0.5 / 8.
        let text = "date,open,high,low,close,volume\n2000-06-20,0.0625,3.59375,0.0625,3.593750,800\n\
            2000-06-21,7.1875,7.187503,7.1875,7.1875,4\n";
        let symbol = Symbol::new("AAPL").unwrap();
        let adjusted = read_csv(text.as_bytes(), &CsvOptions::new(symbol)).unwrap().series;
        let splits = "symbol,date,ratio\nAAPL,2000-06-21,2:1\nAAPL,2020-08-31,4:1\n";
        let splits = read_splits(splits).unwrap();
        let raw = as_paid(&adjusted, &splits).unwrap();
        assert_eq!(closes(&raw), ["28.75x100", "28.75x1"]);
        assert_eq!(raw.bars[1].high.to_string(), "28.75");
        assert_eq!(raw.bars[0].open.to_string(), "0.5");
        // Seen from its last day, the later split is not known.
        assert_eq!(closes(&adjust(&raw, &splits).unwrap()), ["14.375x200", "28.75x1"]);
        assert_eq!(as_paid(&adjusted, &[]), Ok(adjusted.clone()));
        assert_eq!(read_splits(&write_splits(&splits)).unwrap(), splits);
    }

    #[test]
    fn a_chain_of_splits_that_cannot_be_taken_back_is_an_error() {
        let split = Split {
            symbol: Symbol::new("AAPL").unwrap(),
            date: date(2000, 6, 22),
            new: 10_000,
            old: 1,
        };
        assert!(as_paid(&raw(), &vec![split.clone(); 3]).is_err());
        assert!(as_paid(&raw(), &vec![split; 50]).is_err());
    }
}
