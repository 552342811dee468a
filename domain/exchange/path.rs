//! The prices that a bar is played as: its open, its two extremes, its close.
//!
//! Nobody knows a bar's path. It is taken to be the shorter one: up over the low where the bar rose,
//! down over the high where it fell. Between two of these prices the market moves through every price
//! in between; from one bar to the next it jumps.

use std::time::Duration;

use crate::fixed::Price;
use crate::market::bar::Bar;
use crate::time::Time;

/// How many prices a bar has.
pub const PRICES: u8 = 4;

/// One price of a bar.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Point {
    /// When it trades.
    pub at: Time,
    /// At which price.
    pub price: Price,
    /// Whether the market jumps there instead of moving through every price on the way.
    pub jumps: bool,
}

/// The `phase`-th price of a bar, 0 to 3.
pub fn point(bar: &Bar, phase: u8) -> Point {
    let length = bar.close_time.since(bar.open_time);
    let (first, second) =
        if bar.open <= bar.close { (bar.low, bar.high) } else { (bar.high, bar.low) };
    let third = |thirds: u32| {
        let ms = length.as_millis() * u128::from(thirds) / 3;
        bar.open_time + Duration::from_millis(u64::try_from(ms).unwrap_or(u64::MAX))
    };
    match phase {
        0 => Point { at: bar.open_time, price: bar.open, jumps: true },
        1 => Point { at: third(1), price: first, jumps: false },
        2 => Point { at: third(2), price: second, jumps: false },
        _ => Point { at: bar.close_time, price: bar.close, jumps: false },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixed::Volume;

    fn bar(prices: [i64; 4]) -> Bar {
        let [open, high, low, close] = prices.map(|price| Price::from_units(price).unwrap());
        let (open_time, close_time) = (Time::from_ms(0), Time::from_ms(60_000));
        Bar { open_time, close_time, open, high, low, close, volume: Volume::ZERO }
    }

    #[test]
    fn a_bar_that_rose_goes_over_its_low_and_one_that_fell_over_its_high() {
        let played = |prices| {
            let bar = bar(prices);
            let points = (0..PRICES).map(|phase| point(&bar, phase));
            points.map(|point| (point.at.ms(), point.price.to_string())).collect::<Vec<_>>()
        };
        let at = [0, 20_000, 40_000, 60_000];
        let with = |prices: [&str; 4]| at.into_iter().zip(prices.map(str::to_owned)).collect();
        let rose: Vec<_> = with(["10", "8", "15", "12"]);
        let fell: Vec<_> = with(["12", "15", "8", "10"]);
        assert_eq!(played([10, 15, 8, 12]), rose);
        assert_eq!(played([12, 15, 8, 10]), fell);
        assert!(point(&bar([10, 15, 8, 12]), 0).jumps && !point(&bar([10, 15, 8, 12]), 1).jumps);
    }
}
