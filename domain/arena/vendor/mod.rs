//! What vendors of data say, read: bars, news and statements. Pure: text in, data or a reason out.
//!
//! Every datum is stamped with when it was known by what the vendor says of it. Where it says nothing, the
//! datum says nothing either and is held back on history; the time of fetching is not when it was known.

pub mod alpha_vantage;
pub mod yahoo;

use rust_decimal::Decimal;

use crate::fixed::Price;
use crate::market::bar::Bar;
use crate::market::splits::Split;

/// The longest reason of a vendor that is told, characters.
const WHY_MAX: usize = 160;

/// Daily bars and the splits they do not yet know of: prices as they were paid on their day, oldest first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct History {
    /// The bars. Whether one can be true is for the door to say.
    pub bars: Vec<Bar>,
    /// Splits of the same share, by day.
    pub splits: Vec<Split>,
}

/// Why an answer is none.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum VendorError {
    /// The vendor gives nothing now: too many questions, or none without a contract.
    #[error("the vendor gives nothing now: {why}")]
    Held {
        /// What it says, cut.
        why: String,
    },
    /// The vendor knows no such thing.
    #[error("the vendor refuses: {why}")]
    Refused {
        /// What it says, cut.
        why: String,
    },
    /// The answer is not of the form that is known.
    #[error("the answer cannot be read: {why}")]
    Unreadable {
        /// Where.
        why: String,
    },
}

impl VendorError {
    fn unreadable(error: &serde_json::Error) -> Self {
        // Its own text could quote the answer.
        let (line, column) = (error.line(), error.column());
        let why = match error.classify() {
            serde_json::error::Category::Eof => "it ends too early".to_owned(),
            serde_json::error::Category::Data => {
                format!("line {line}, column {column} is of another form")
            }
            _ => format!("line {line}, column {column} is no json"),
        };
        Self::Unreadable { why }
    }
}

/// A vendor's own words in one short line.
fn cut(text: &str) -> String {
    crate::news::clean::clean(text, WHY_MAX).text
}

/// A price of a vendor that computes in floats: four places are what is traded.
fn price(decimal: Decimal) -> Option<Price> {
    Price::from_decimal(decimal.round_dp(4)).ok()
}

#[cfg(test)]
mod tests;
