//! Price limits of A-shares: how far from the former close a day's prices may go.

use crate::fixed::Price;
use crate::market::symbol::Symbol;

/// A limit is a multiple of this: 0.01 yuan.
const TICK: i128 = 1_000_000;

/// The limit in whole percent: 20 on STAR (688, 689) and the growth board of Shenzhen (300, 301), 30 in
/// Beijing, 5 for shares under special treatment on the main boards, 10 for the rest.
fn percent(symbol: &Symbol, name: Option<&str>) -> i128 {
    let text = symbol.as_str();
    let is_beijing = text.strip_suffix(".BJ").is_some();
    let is_growth = ["688", "689", "300", "301"].iter().any(|board| text.starts_with(board));
    // The letters before it say why, not how far.
    let is_special = name.is_some_and(|name| {
        ["ST", "*ST", "SST", "S*ST"].iter().any(|mark| name.trim_start().starts_with(mark))
    });
    if is_growth {
        20
    } else if is_beijing {
        30
    } else if is_special {
        5
    } else {
        10
    }
}

/// The lowest and the highest price of a day behind this close, each rounded to the tick, halves up.
pub(super) fn bounds(symbol: &Symbol, name: Option<&str>, previous: Price) -> (Price, Price) {
    let percent = percent(symbol, name);
    let at = |share: i128| {
        let wide = i128::from(previous.raw()) * share;
        let ticks = (2 * wide + 100 * TICK).div_euclid(200 * TICK);
        // Where the product leaves the range of prices every price is within the limit.
        Price::from_raw(i64::try_from(ticks * TICK).unwrap_or(i64::MAX))
    };
    (at(100 - percent), at(100 + percent))
}

/// The limits in a sentence.
pub(super) fn text() -> String {
    "Price limits around the former close, rounded to 0.01: 10 %, 20 % for 688, 689, 300 and 301, 30 % \
     in Beijing, 5 % for names that begin with ST or *ST. Nothing trades beyond them, nothing is bought \
     at the upper one and nothing sold at the lower."
        .to_owned()
}
