//! Prices on the steps that a broker takes.

use crate::fixed::Price;
use crate::market::symbol::AssetClass;
use crate::order::{OrderKind, Side};

/// A cent.
const CENT: i64 = Price::SCALE / 100;

/// The kind with its prices on whole steps. `step` is the broker's, where it states one.
pub(super) fn fitted(
    kind: OrderKind,
    side: Side,
    class: AssetClass,
    step: Option<Price>,
) -> OrderKind {
    // Paying less, or getting more, than was asked for is never wrong; a stop is rather too tight.
    let limit = |price| on_step(price, side == Side::Sell, class, step);
    // The limit behind a stop lies on the other side of it, and is there to be filled.
    let worst = |price| on_step(price, side == Side::Buy, class, step);
    let trigger = |price| on_step(price, side == Side::Sell, class, step);
    match kind {
        OrderKind::Market => OrderKind::Market,
        OrderKind::Limit { limit: price } => OrderKind::Limit { limit: limit(price) },
        OrderKind::Stop { stop: price } => OrderKind::Stop { stop: trigger(price) },
        OrderKind::StopLimit { stop: price, limit: behind } => {
            OrderKind::StopLimit { stop: trigger(price), limit: worst(behind) }
        }
        OrderKind::TrailingStop { trail } => {
            OrderKind::TrailingStop { trail: on_step(trail, false, class, step) }
        }
    }
}

/// A price on a whole step, never zero: a price that is nearly nothing is the smallest there is.
fn on_step(price: Price, up: bool, class: AssetClass, step: Option<Price>) -> Price {
    if price.raw() <= 0 {
        // Refused by whoever validates orders; nothing is made of it here.
        return price;
    }
    let stated = step.map(Price::raw).filter(|raw| *raw > 0);
    let step = stated.unwrap_or_else(|| usual(price, class));
    let below = price.raw() / step * step;
    let on_it = below == price.raw();
    let raw = if up && !on_it { below.saturating_add(step) } else { below };
    Price::from_raw(raw.max(step))
}

/// The step where none is stated: shares have cents, and hundredths of them below a dollar; coins get
/// six digits, because their steps differ from pair to pair.
fn usual(price: Price, class: AssetClass) -> i64 {
    match class {
        AssetClass::Equity if price.raw() < Price::SCALE => CENT / 100,
        AssetClass::Equity => CENT,
        AssetClass::Crypto => {
            let digits = price.raw().checked_ilog10().unwrap_or(0);
            10_i64.pow(digits.saturating_sub(5))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(kind: OrderKind, side: Side, class: AssetClass, step: &str, expected: &str) {
        let step = (!step.is_empty()).then(|| step.parse().unwrap());
        let shown = match fitted(kind, side, class, step) {
            OrderKind::Market => "market".to_owned(),
            OrderKind::Limit { limit } => limit.to_string(),
            OrderKind::Stop { stop } => stop.to_string(),
            OrderKind::StopLimit { stop, limit } => format!("{stop} {limit}"),
            OrderKind::TrailingStop { trail } => trail.to_string(),
        };
        assert_eq!(shown, expected, "{kind:?} {side} {class:?} {step:?}");
    }

    #[test]
    fn prices_stand_on_steps_to_the_careful_side() {
        let price = |text: &str| text.parse::<Price>().unwrap();
        let limit = |text| OrderKind::Limit { limit: price(text) };
        let stop = |text| OrderKind::Stop { stop: price(text) };
        let pair = |a, b| OrderKind::StopLimit { stop: price(a), limit: price(b) };
        let (buy, sell) = (Side::Buy, Side::Sell);
        let (share, coin) = (AssetClass::Equity, AssetClass::Crypto);
        check(OrderKind::Market, buy, share, "", "market");
        check(limit("100.129"), buy, share, "", "100.12");
        check(limit("100.121"), sell, share, "", "100.13");
        check(limit("100.12"), sell, share, "", "100.12");
        check(limit("0.123456"), buy, share, "", "0.1234");
        check(stop("91.994"), sell, share, "", "92");
        check(stop("108.006"), buy, share, "", "108");
        check(pair("60123.456", "58920.98688"), sell, coin, "", "60123.5 58920.9");
        check(pair("60123.456", "58920.98688"), sell, coin, "1", "60124 58920");
        check(stop("0.00000001"), sell, share, "", "0.0001");
        check(stop("0"), sell, share, "", "0");
        check(limit("7"), buy, share, "0", "7");
        let huge = OrderKind::Limit { limit: Price::from_raw(i64::MAX) };
        assert!(
            matches!(fitted(huge, sell, share, None), OrderKind::Limit { limit } if limit.raw() > 0)
        );
    }
}
