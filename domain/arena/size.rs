//! From a rating to a wish, and from a wish to a fill. No model names a quantity or a price.
//!
//! A full position is a slot: a share of the equity at the tick's close. What is wished for at a close is
//! done at the next opening, with slippage against the trader and a fee, and only as the market's rules
//! admit it.

use jiff::civil::DateTime;
use serde::{Deserialize, Serialize};

use super::market::{Lot, MarketRules, Refusal, Standing, Wanted};
use super::words::{Rating, TickId};
use crate::fixed::{Money, Price, Qty, notional};
use crate::market::symbol::Symbol;
use crate::order::Side;
use crate::ratio::Ratio;

/// What a contestant wishes to trade at the next opening.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wanting {
    /// The tick that it was wished at.
    pub tick: TickId,
    /// Buy or sell.
    pub side: Side,
    /// How much.
    pub qty: Qty,
    /// Slices of the market that have gone by without a bar of the symbol.
    pub waited: u32,
}

/// What `money` buys at `price`, towards zero and before any lot.
fn units(money: Money, price: Price) -> Qty {
    if price.raw() <= 0 || money.raw() <= 0 {
        return Qty::ZERO;
    }
    let raw = i128::from(money.raw()) * i128::from(Qty::SCALE) / i128::from(price.raw());
    Qty::from_raw(i64::try_from(raw).unwrap_or(i64::MAX))
}

/// What a rating wishes for, `held` being negative for a short and `slot` the share of equity that a full
/// position has; `None` where it wishes for nothing, or for less than a lot.
pub fn wanted(
    rating: Rating,
    held: Qty,
    (equity, price): (Money, Price),
    rules: &MarketRules,
    slot: Ratio,
) -> Option<(Side, Qty)> {
    let share = |part: f64| {
        let money = equity.scaled(Ratio::or_zero(slot.get() * part)).unwrap_or(Money::ZERO);
        rules.lot.cut(units(money, price)).raw()
    };
    let held_raw = held.raw();
    let (side, raw) = match rating {
        Rating::Buy => (Side::Buy, share(1.0).saturating_sub(held_raw)),
        Rating::Overweight => (Side::Buy, share(0.5).saturating_sub(held_raw)),
        Rating::Hold => return None,
        Rating::Underweight => (Side::Sell, held_raw.max(0) / 2),
        Rating::Sell if rules.shorts => (Side::Sell, held_raw.saturating_add(share(0.5))),
        Rating::Sell => (Side::Sell, held_raw.max(0)),
    };
    let all = Qty::from_raw(raw.max(0));
    // An odd rest may be sold whole; everything else goes by lots.
    let sells_all = side == Side::Sell && raw == held_raw;
    let qty = if sells_all { all } else { rules.lot.cut(all) };
    (qty.raw() > 0).then_some((side, qty))
}

/// The account that a wish meets at the opening.
#[derive(Clone, Copy, Debug)]
pub struct Account {
    /// Cash on the account.
    pub cash: Money,
    /// Cash that no short binds.
    pub free: Money,
    /// What is held of the symbol, negative for a short.
    pub held: Qty,
    /// What was bought of it today.
    pub bought_today: Qty,
}

/// The opening that a wish meets.
#[derive(Clone, Copy, Debug)]
pub struct Opening {
    /// The first price of the bar.
    pub price: Price,
    /// When, in the market's local time.
    pub at: DateTime,
    /// The last close before it.
    pub previous_close: Option<Price>,
}

/// A wish that was done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Executed {
    /// How much: the wish, or what cash pays for.
    pub qty: Qty,
    /// The opening, moved by slippage against the trader.
    pub price: Price,
    /// The fee.
    pub fee: Money,
}

/// How often a quantity that cash does not pay for is made smaller before it is refused.
const TRIES: u32 = 64;

/// Does a wish at an opening. What cash does not pay for whole is done in part.
///
/// # Errors
/// The first rule of the market that refuses it.
pub fn execute(
    symbol: &Symbol,
    wanting: &Wanting,
    opening: &Opening,
    rules: &MarketRules,
    account: &Account,
) -> Result<Executed, Refusal> {
    let side = wanting.side;
    let price = rules.slippage.move_price(opening.price, side == Side::Buy);
    let price = price.map_err(|_| Refusal::Price)?;
    let cash = if account.held.raw() < 0 { account.cash } else { account.free };
    let standing = Standing {
        cash,
        held: account.held,
        bought_today: account.bought_today,
        is_open: true,
        previous_close: opening.previous_close,
    };
    let mut qty = match side {
        Side::Buy => wanting.qty,
        Side::Sell => within_free(wanting.qty, price, rules.lot, account),
    };
    for _ in 0..TRIES {
        if qty.raw() <= 0 {
            return Err(Refusal::Cash);
        }
        let wanted = Wanted {
            symbol,
            side,
            qty,
            price: Some(price),
            stated: None,
            at: opening.at,
            name: None,
        };
        match rules.admit(&wanted, &standing) {
            Ok(fee) => return Ok(Executed { qty, price, fee }),
            Err(Refusal::Cash) if side == Side::Buy => qty = smaller(qty, price, rules.lot, cash),
            Err(refusal) => return Err(refusal),
        }
    }
    Err(Refusal::Cash)
}

/// The next quantity to try: what cash pays for at the bare price, or a thousandth less, a lot at least.
fn smaller(qty: Qty, price: Price, lot: Lot, cash: Money) -> Qty {
    let paid = lot.cut(units(cash, price));
    if paid < qty {
        return paid;
    }
    let less = (qty.raw() / 1_000).max(lot.step().raw());
    lot.cut(Qty::from_raw(qty.raw().saturating_sub(less)))
}

/// A sale that opens a short needs as much free cash as a purchase of that size would.
fn within_free(qty: Qty, price: Price, lot: Lot, account: &Account) -> Qty {
    let closes = account.held.raw().max(0).min(qty.raw());
    let opens = Qty::from_raw(qty.raw() - closes);
    // What the closed part brings in pays for the short as well.
    let proceeds = notional(price, Qty::from_raw(closes)).unwrap_or(Money::ZERO);
    let free = account.free.plus(proceeds).unwrap_or(account.free);
    let room = units(free, price);
    if opens <= room {
        return qty;
    }
    Qty::from_raw(closes.saturating_add(lot.cut(room).raw()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::arena::market::{Fees, MarketKind};
    use crate::fixed::Bp;

    fn rules(shorts: bool) -> MarketRules {
        MarketRules { shorts, ..MarketRules::of(MarketKind::Us) }
    }

    fn qty(units: i64) -> Qty {
        Qty::from_units(units).unwrap()
    }

    #[test]
    fn a_rating_moves_a_position_towards_its_slot_and_names_no_quantity() {
        let equity = (Money::from_units(10_000).unwrap(), Price::from_units(30).unwrap());
        for (rating, shorts, held, wish) in [
            // A slot of 2,000 is 66 shares of 30.
            (Rating::Buy, false, 0, Some((Side::Buy, 66))),
            (Rating::Buy, false, 60, Some((Side::Buy, 6))),
            (Rating::Buy, false, 66, None),
            (Rating::Buy, false, 90, None),
            (Rating::Buy, true, -10, Some((Side::Buy, 76))),
            (Rating::Overweight, false, 0, Some((Side::Buy, 33))),
            (Rating::Overweight, false, 40, None),
            (Rating::Hold, false, 40, None),
            (Rating::Underweight, false, 41, Some((Side::Sell, 20))),
            (Rating::Underweight, false, 1, None),
            (Rating::Underweight, true, -5, None),
            (Rating::Sell, false, 41, Some((Side::Sell, 41))),
            (Rating::Sell, false, 0, None),
            (Rating::Sell, true, 41, Some((Side::Sell, 74))),
            (Rating::Sell, true, -33, None),
        ] {
            let found = wanted(rating, qty(held), equity, &rules(shorts), Ratio::of(0.2));
            let wish = wish.map(|(side, units)| (side, qty(units)));
            assert_eq!(found, wish, "{rating:?} holding {held}");
        }
    }

    fn at_100(
        wanting: i64,
        side: Side,
        cash: i64,
        held: i64,
        rules: &MarketRules,
    ) -> Result<Executed, Refusal> {
        let at = jiff::civil::date(2013, 1, 2).at(9, 30, 0, 0);
        let price = Price::from_units(100).unwrap();
        let opening = Opening { price, at, previous_close: Some(price) };
        let cash = Money::from_units(cash).unwrap();
        let account = Account { cash, free: cash, held: qty(held), bought_today: Qty::ZERO };
        let tick = TickId { number: 0, at: crate::time::Time::EPOCH };
        let wanting = Wanting { tick, side, qty: qty(wanting), waited: 0 };
        execute(&Symbol::new("AAPL").unwrap(), &wanting, &opening, rules, &account)
    }

    #[test]
    fn a_purchase_is_cut_to_what_cash_pays_for_with_its_fee() {
        let fees = Fees { buy: Bp::whole(100), ..Fees::NONE };
        let rules = MarketRules { fees, slippage: Bp::ZERO, ..rules(false) };
        // 1,000 pays for nine shares of 100 with a fee of one per cent, not for ten.
        assert_eq!(at_100(50, Side::Buy, 1_000, 0, &rules).map(|it| it.qty), Ok(qty(9)));
        assert_eq!(at_100(3, Side::Buy, 1_000, 0, &rules).map(|it| it.qty), Ok(qty(3)));
        assert_eq!(at_100(3, Side::Buy, 100, 0, &rules), Err(Refusal::Cash));
    }

    #[test]
    fn slippage_is_against_the_trader_and_nothing_is_sold_that_is_not_held() {
        let slipping = MarketRules { slippage: Bp::whole(100), ..rules(false) };
        let price = |side| at_100(5, side, 1_000, 5, &slipping).map(|it| it.price.to_string());
        assert_eq!(price(Side::Buy), Ok("101".to_owned()));
        assert_eq!(price(Side::Sell), Ok("99".to_owned()));
        assert_eq!(at_100(6, Side::Sell, 1_000, 5, &slipping), Err(Refusal::Position));
    }

    #[test]
    fn a_short_is_no_larger_than_a_purchase_could_be() {
        let rules = MarketRules { slippage: Bp::ZERO, ..rules(true) };
        // Five are closed, whose 500 and the cash of 1,000 carry fifteen more.
        assert_eq!(at_100(30, Side::Sell, 1_000, 5, &rules).map(|it| it.qty), Ok(qty(20)));
    }
}
