//! What an order may look like: class × session × fractional × side × type. Pure.

use crate::brief::trading::Session;
use crate::code::Code;
use crate::fixed::{Price, Qty};
use crate::market::symbol::AssetClass;
use crate::order::{OrderIntent, OrderKind, Purpose, Side, TimeInForce};

/// What an order is judged against.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Terms {
    /// What kind of thing the symbol is: from the asset table, never from its name.
    pub class: AssetClass,
    /// Where the market stands in its day.
    pub session: Session,
    /// The present position, negative for a short.
    pub position: Qty,
}

/// Why an order was denied by us.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text}")]
pub struct Denial {
    /// The stable code.
    pub code: Code,
    /// One sentence for people.
    pub text: &'static str,
}

/// Judges an order before it leaves.
///
/// # Errors
/// With the first rule that it breaks.
pub fn validate(intent: &OrderIntent, terms: Terms) -> Result<(), Denial> {
    let deny = |code, text| Err(Denial { code, text });
    if intent.qty.raw() <= 0 {
        return deny(Code::OrderInvalid, "the quantity is not positive");
    }
    if prices(intent.kind).iter().flatten().any(|price| price.raw() <= 0) {
        return deny(Code::OrderInvalid, "a price of the order is not positive");
    }
    let Some(after) = position_after(intent, terms.position) else {
        return deny(Code::OrderInvalid, "the position afterwards is out of range");
    };
    if matches!(intent.purpose, Purpose::Exit { .. }) && grows(terms.position, after) {
        return deny(Code::OrderInvalid, "an exit may only shrink the position");
    }
    let sells_short = intent.side == Side::Sell && after < 0;
    if sells_short && terms.class == AssetClass::Crypto {
        return deny(Code::GateCryptoShort, "a coin cannot be sold short");
    }
    if sells_short && after % Qty::SCALE != 0 {
        return deny(Code::OrderFractionalShort, "a fraction of a share cannot be sold short");
    }
    let plain =
        matches!(intent.kind, OrderKind::Limit { .. }) && intent.time_in_force == TimeInForce::Day;
    if intent.extended_hours && !plain {
        return deny(Code::OrderExtendedHours, "extended hours take limit orders for the day only");
    }
    let outside = matches!(terms.session, Session::Pre | Session::After | Session::Closed);
    let at_once =
        intent.time_in_force == TimeInForce::Ioc && matches!(intent.purpose, Purpose::Entry);
    if terms.class == AssetClass::Equity && outside && at_once {
        let text = "an entry that fills at once or never needs the regular session";
        return deny(Code::OrderExtendedHours, text);
    }
    Ok(())
}

/// The prices that an order carries.
const fn prices(kind: OrderKind) -> [Option<Price>; 2] {
    match kind {
        OrderKind::Market => [None, None],
        OrderKind::Limit { limit } => [Some(limit), None],
        OrderKind::Stop { stop } => [Some(stop), None],
        OrderKind::StopLimit { stop, limit } => [Some(stop), Some(limit)],
        OrderKind::TrailingStop { trail } => [Some(trail), None],
    }
}

/// The position after the whole order, raw; `None` on overflow.
fn position_after(intent: &OrderIntent, position: Qty) -> Option<i64> {
    match intent.side {
        Side::Buy => position.raw().checked_add(intent.qty.raw()),
        Side::Sell => position.raw().checked_sub(intent.qty.raw()),
    }
}

/// Whether a position is larger afterwards, or on the other side of nothing.
const fn grows(before: Qty, after: i64) -> bool {
    let before = before.raw();
    let crosses = (before > 0 && after < 0) || (before < 0 && after > 0);
    crosses || before.unsigned_abs() < after.unsigned_abs()
}
