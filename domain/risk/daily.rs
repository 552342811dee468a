//! A symbol's daily returns, from bars of any length.

use serde::{Deserialize, Serialize};

use crate::features::Ring;
use crate::fixed::Price;
use crate::time::Time;

/// Up to 250 simple returns from one day's last close to the next, each with its day.
///
/// A day is a date in UTC of the bars' opening: a US session lies within one. The present day's
/// return is to its latest close and moves with every bar. Weekly bars give weekly returns.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DailyReturns {
    returns: Ring<(i64, f64)>,
    day: Option<i64>,
    close: Price,
    former_close: Option<Price>,
}

impl Default for DailyReturns {
    fn default() -> Self {
        let returns = Ring::new(Self::WINDOW);
        Self { returns, day: None, close: Price::ZERO, former_close: None }
    }
}

impl DailyReturns {
    /// The most returns that are kept.
    pub const WINDOW: usize = 250;

    /// Takes the close of the bar that opened at `open_time`. A close that is not above zero, or of
    /// a former day, changes nothing.
    pub fn update(&mut self, open_time: Time, close: Price) {
        let day = open_time.utc_day();
        if close <= Price::ZERO || self.day.is_some_and(|present| day < present) {
            return;
        }
        let is_new = self.day.replace(day) != Some(day);
        if is_new {
            self.former_close = Some(self.close).filter(|close| *close > Price::ZERO);
        }
        self.close = close;
        let Some(former) = self.former_close else { return };
        let entry = (day, close.to_f64() / former.to_f64() - 1.0);
        if is_new {
            self.returns.push(entry);
        } else {
            self.returns.replace_newest(entry);
        }
    }

    /// How many returns there are.
    pub fn len(&self) -> usize {
        self.returns.len()
    }

    /// Whether there is none yet.
    pub fn is_empty(&self) -> bool {
        self.returns.len() == 0
    }

    /// Days (since 1970-01-01) and their simple returns, oldest first.
    pub(super) fn iter(&self) -> impl Iterator<Item = (i64, f64)> {
        self.returns.iter()
    }

    /// The return on a day.
    pub(super) fn on(&self, day: i64) -> Option<f64> {
        self.returns.search(|entry| entry.0.cmp(&day)).map(|entry| entry.1)
    }
}
