//! Cash dividends: an explicit table, paid on what is held when the first session without them begins.

use jiff::civil::Date;

use super::csv::{CsvFaults, Fault, table};
use super::symbol::Symbol;
use crate::fixed::Price;

/// Cash that a company pays its holders.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dividend {
    /// Whose shares.
    pub symbol: Symbol,
    /// The first session without it.
    pub date: Date,
    /// How much a share.
    pub per_share: Price,
}

/// Reads a table of dividends: `symbol,date,per_share` with dates as `2012-08-09` and dollars above
/// zero.
///
/// # Errors
/// Every faulty line, up to 20.
pub fn read_dividends(text: &str) -> Result<Vec<Dividend>, CsvFaults> {
    table(text, ["symbol", "date", "per_share"], |[symbol, date, amount]| {
        let wrong = |column, value: &str, expected| Fault::NotA {
            column,
            value: value.chars().take(40).collect(),
            expected,
        };
        let per_share = amount.parse().ok().filter(|it| *it > Price::ZERO);
        Ok(Dividend {
            symbol: Symbol::new(symbol).map_err(|_| wrong("symbol", symbol, "a symbol"))?,
            date: date.parse().map_err(|_| wrong("date", date, "a date such as 2012-08-09"))?,
            per_share: per_share.ok_or_else(|| wrong("per_share", amount, "dollars above zero"))?,
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_of_dividends_is_read_or_refused_with_its_lines() {
        let read = read_dividends("symbol,date,per_share\nAAPL,2012-08-09,2.65\n").unwrap();
        assert_eq!(
            (read[0].date, read[0].per_share.to_string()),
            (jiff::civil::date(2012, 8, 9), "2.65".into())
        );
        let faults = read_dividends("symbol,date,per_share\nAAPL,soon,1\nAAPL,2012-08-09,0\n");
        assert_eq!(
            faults.unwrap_err().to_string(),
            "line 2: column `date`: `soon` is not a date such as 2012-08-09\n\
             line 3: column `per_share`: `0` is not dollars above zero"
        );
    }
}
