//! Requests in a broker's words: the rules that its clients share are asked first, then the account.

use super::Exchange;
use super::order::Order;
use super::refusal::Refusal;
use super::ticket::{Amount, Change, Class, Kind, StopLoss, Ticket, Tif, Trail};
use super::venue::Listing;
use crate::alpaca::rules::{self, AssetFlags, Moment, share_tick};
use crate::alpaca::{self, Figure, NewOrder, OrderClass, OrderType, Replacement, TimeInForce};
use crate::fixed::{Bp, FixedError, Price, Qty};
use crate::market::symbol::AssetClass;
use crate::order::Side;

impl Exchange {
    /// Takes a new order as its client wrote it. As [`Exchange::submit`].
    ///
    /// # Errors
    /// When it breaks a rule, or the account may not.
    pub fn place(&mut self, account: u16, asked: &NewOrder) -> Result<Vec<Order>, Refusal> {
        let symbol = &asked.symbol;
        let unknown = || Refusal::unprocessable(format!("asset \"{symbol}\" not found"));
        let place = self.venue().spelt(symbol).ok_or_else(unknown)?;
        let of = self.account(account);
        let of = of.ok_or_else(|| Refusal::not_found("there is no such account"))?;
        let (held, free) = (of.position(place), of.available(place));
        let free = if held.raw() < 0 { free.negated() } else { free };
        let listing = self.venue().listing(place);
        rules::admit(asked, &listing.flags(), Moment::at(self.now()), free)?;
        let ticket = ticket(asked, listing)?;
        self.submit(account, &ticket)
    }

    /// Replaces an order as its client wrote it. As [`Exchange::replace`].
    ///
    /// # Errors
    /// When the change breaks a rule, or the order may not be replaced.
    pub fn amend(
        &mut self,
        account: u16,
        nth: u32,
        asked: &Replacement,
    ) -> Result<Vec<Order>, Refusal> {
        let old = self.account(account).and_then(|of| of.order(nth));
        let old = old.ok_or_else(|| Refusal::not_found("order not found"))?;
        let change = change(asked, old, self.venue().listing(old.place))?;
        self.replace(account, nth, &change)
    }
}

impl From<rules::Refusal> for Refusal {
    fn from(refusal: rules::Refusal) -> Self {
        let code = u32::try_from(refusal.code).unwrap_or_default();
        Self { status: refusal.status, code, message: refusal.message, facts: Vec::new() }
    }
}

impl Listing {
    /// What may be done with it: what it is shown by, and what its orders are judged by.
    pub fn flags(&self) -> AssetFlags {
        let step = Some(Qty::from_raw(1));
        match self.class {
            AssetClass::Equity => AssetFlags::SHARE,
            AssetClass::Crypto => AssetFlags {
                price_step: Some(self.price_step(Price::ZERO)),
                qty_min: step,
                qty_step: step,
                ..AssetFlags::COIN
            },
        }
    }
}

#[expect(clippy::needless_pass_by_value, reason = "the form that `map_err` calls")]
fn out_of_range(error: FixedError) -> Refusal {
    Refusal::bad_input(error.to_string())
}

fn need(figure: Option<Figure>, name: &str) -> Result<Price, Refusal> {
    let figure = figure.ok_or_else(|| Refusal::bad_input(format!("{name} is required")))?;
    figure.price().map_err(out_of_range)
}

/// An order that keeps the rules, as a ticket.
fn ticket(asked: &NewOrder, listing: &Listing) -> Result<Ticket, Refusal> {
    let amount = match (asked.qty, asked.notional) {
        (Some(qty), _) => Amount::Qty(qty.qty().map_err(out_of_range)?),
        (None, Some(money)) => Amount::Notional(money.money().map_err(out_of_range)?),
        (None, None) => return Err(Refusal::bad_input("qty or notional is required")),
    };
    Ok(Ticket {
        symbol: listing.symbol.clone(),
        side: if asked.side == alpaca::Side::Buy { Side::Buy } else { Side::Sell },
        amount,
        kind: kind(asked)?,
        tif: tif(&asked.time_in_force)?,
        class: class(asked)?,
        extended_hours: asked.extended_hours,
        client_order_id: asked.client_order_id.clone().filter(|id| !id.is_empty()),
    })
}

fn tif(asked: &TimeInForce) -> Result<Tif, Refusal> {
    let known = Tif::ALL.into_iter().find(|tif| tif.name() == asked.name());
    known.ok_or_else(|| Refusal::bad_input("invalid time_in_force"))
}

fn kind(asked: &NewOrder) -> Result<Kind, Refusal> {
    let limit = || {
        let of_pair = asked.take_profit.as_ref().and_then(|profit| profit.limit_price);
        let of_pair = of_pair.filter(|_| asked.order_class == OrderClass::Oco);
        need(asked.limit_price.or(of_pair), "limit_price")
    };
    let stop = || need(asked.stop_price, "stop_price");
    match asked.kind {
        OrderType::Market => Ok(Kind::Market),
        OrderType::Limit => Ok(Kind::Limit { limit: limit()? }),
        OrderType::Stop => Ok(Kind::Stop { stop: stop()? }),
        OrderType::StopLimit => Ok(Kind::StopLimit { stop: stop()?, limit: limit()? }),
        OrderType::TrailingStop => {
            let trail = match asked.trail_percent {
                Some(share) => Trail::Percent(percent(share)?),
                None => Trail::Price(need(asked.trail_price, "trail_price")?),
            };
            Ok(Kind::TrailingStop { trail })
        }
        OrderType::Other(_) => Err(Refusal::bad_input("invalid order type")),
    }
}

/// Per cent in hundredths of a basis point.
fn percent(share: Figure) -> Result<Bp, Refusal> {
    let steps = share.price().map_err(out_of_range)?.raw() / (Price::SCALE / 10_000);
    let hundredths = u32::try_from(steps).ok().filter(|it| (1..1_000_000).contains(it));
    let hundredths = hundredths.ok_or_else(|| {
        Refusal::unprocessable("trail_percent must be above zero and below a hundred")
    })?;
    Ok(Bp::hundredths(hundredths))
}

fn class(asked: &NewOrder) -> Result<Class, Refusal> {
    let profit = || {
        let limit = asked.take_profit.as_ref().and_then(|profit| profit.limit_price);
        need(limit, "take_profit.limit_price")
    };
    let loss = || {
        let loss = asked.stop_loss.as_ref();
        let limit = loss.and_then(|loss| loss.limit_price);
        let limit = limit.map(|limit| limit.price().map_err(out_of_range)).transpose()?;
        let stop = need(loss.and_then(|loss| loss.stop_price), "stop_loss.stop_price")?;
        Ok::<_, Refusal>(StopLoss { stop, limit })
    };
    match asked.order_class {
        OrderClass::Bracket => Ok(Class::Bracket { take_profit: profit()?, stop_loss: loss()? }),
        OrderClass::Oco => Ok(Class::Oco { stop_loss: loss()? }),
        OrderClass::Oto if asked.take_profit.is_some() => {
            Ok(Class::OtoProfit { take_profit: profit()? })
        }
        OrderClass::Oto => Ok(Class::OtoLoss { stop_loss: loss()? }),
        OrderClass::Simple | OrderClass::MultiLeg | OrderClass::Other(_) => Ok(Class::Simple),
    }
}

/// A replacement that keeps the rules, as a change.
fn change(asked: &Replacement, old: &Order, listing: &Listing) -> Result<Change, Refusal> {
    let price = |figure: Option<Figure>, name: &str| {
        let Some(figure) = figure else { return Ok(None) };
        let price = figure.price().map_err(out_of_range)?;
        let is_stepped = listing.class == AssetClass::Crypto || share_tick(price, true) == price;
        if price.raw() <= 0 || !is_stepped {
            let text = "sub-penny increment does not fulfill minimum pricing criteria";
            return Err(Refusal::unprocessable(format!("invalid {name} {figure}. {text}")));
        }
        Ok(Some(price))
    };
    let qty = asked.qty.map(|qty| qty.qty().map_err(out_of_range)).transpose()?;
    let trail = match (asked.trail, old.kind) {
        (None, _) => None,
        (Some(share), Kind::TrailingStop { trail: Trail::Percent(_) }) => {
            Some(Trail::Percent(percent(share)?))
        }
        (Some(distance), _) => Some(Trail::Price(need(Some(distance), "trail")?)),
    };
    Ok(Change {
        qty,
        tif: asked.time_in_force.as_ref().map(tif).transpose()?,
        limit: price(asked.limit_price, "limit_price")?,
        stop: price(asked.stop_price, "stop_price")?,
        trail,
        client_order_id: asked.client_order_id.clone().filter(|id| !id.is_empty()),
    })
}
