//! Orders that belong together: brackets, one-cancels-other, one-triggers-other.

use super::{Judged, Refusal, demand};
use crate::alpaca::number::Figure;
use crate::alpaca::order::NewOrder;
use crate::alpaca::word::{OrderClass, OrderType, Side, TimeInForce};
use crate::fixed::Qty;

/// Judges the legs of an order.
pub(super) fn check(order: &NewOrder, position: Qty) -> Judged {
    let class = &order.order_class;
    let (profit, loss) = (order.take_profit.as_ref(), order.stop_loss.as_ref());
    if class.is_simple() {
        return demand(profit.is_none() && loss.is_none(), || {
            Refusal::input("take_profit and stop_loss need an order_class")
        });
    }
    let name = class.name();
    let stays = matches!(order.time_in_force, TimeInForce::Day | TimeInForce::Gtc);
    demand(stays, || Refusal::rule(format!("{name} orders must be DAY or GTC orders")))?;
    demand(!order.extended_hours, || {
        Refusal::rule(format!("{name} orders are not accepted in extended hours"))
    })?;
    let target = profit.map(|it| it.limit_price.ok_or("take_profit.limit_price")).transpose();
    let stop = loss.map(|it| it.stop_price.ok_or("stop_loss.stop_price")).transpose();
    let missing = |name: &str| Refusal::input(format!("{name} is required"));
    let (target, stop) = (target.map_err(missing)?, stop.map_err(missing)?);
    match class {
        OrderClass::Bracket => {
            demand(target.is_some() && stop.is_some(), || {
                Refusal::input("bracket orders require take_profit and stop_loss")
            })?;
            entry(order, position)?;
        }
        OrderClass::Oto => {
            demand(target.is_some() != stop.is_some(), || {
                Refusal::input("oto orders require one of take_profit and stop_loss")
            })?;
            entry(order, position)?;
        }
        OrderClass::Oco => pair(order, target, stop, position)?,
        OrderClass::Simple | OrderClass::MultiLeg | OrderClass::Other(_) => {}
    }
    // Exits of an entry stand on the other side of it; those of a pair are the order itself.
    let exit_sells = (order.side == Side::Buy) != (*class == OrderClass::Oco);
    relations(order, target, stop, exit_sells)
}

/// What legs hang on: an order that opens, and not by a trailing stop.
fn entry(order: &NewOrder, position: Qty) -> Judged {
    let fits = matches!(
        order.kind,
        OrderType::Market | OrderType::Limit | OrderType::Stop | OrderType::StopLimit
    );
    let name = order.order_class.name();
    demand(fits, || Refusal::rule(format!("{name} orders cannot be entered by a trailing stop")))?;
    demand(!leaves(order, position), || {
        Refusal::rule(format!("{name} orders must be entry orders"))
    })
}

/// Whether an order takes from what is held.
fn leaves(order: &NewOrder, position: Qty) -> bool {
    match order.side {
        Side::Sell => position.raw() > 0,
        Side::Buy | Side::Other(_) => position.raw() < 0,
    }
}

/// A pair of exits: both there, a limit order, and something to leave.
fn pair(order: &NewOrder, target: Option<Figure>, stop: Option<Figure>, position: Qty) -> Judged {
    demand(order.kind == OrderType::Limit, || Refusal::rule("oco orders must be limit orders"))?;
    demand(target.is_some() || order.limit_price.is_some(), || {
        Refusal::input("oco orders require take_profit.limit_price")
    })?;
    demand(stop.is_some(), || Refusal::input("oco orders require stop_loss.stop_price"))?;
    demand(leaves(order, position), || Refusal::rule("oco orders must be exit orders"))
}

/// A profit is taken beyond a loss, and the entry's limit lies between them.
fn relations(
    order: &NewOrder,
    target: Option<Figure>,
    stop: Option<Figure>,
    exit_sells: bool,
) -> Judged {
    let is_oco = order.order_class == OrderClass::Oco;
    let target = target.or(order.limit_price.filter(|_| is_oco));
    let beyond = |far: Figure, near: Figure| if exit_sells { far > near } else { far < near };
    let (word, other) = if exit_sells { (">", "<") } else { ("<", ">") };
    if let (Some(target), Some(stop)) = (target, stop) {
        demand(beyond(target, stop), || {
            Refusal::rule(format!("take_profit.limit_price must be {word} stop_loss.stop_price"))
        })?;
    }
    let Some(base) = order.limit_price.filter(|_| !is_oco) else { return Ok(()) };
    demand(target.is_none_or(|target| beyond(target, base)), || {
        Refusal::rule(format!("take_profit.limit_price must be {word} base_price"))
    })?;
    demand(stop.is_none_or(|stop| beyond(base, stop)), || {
        Refusal::rule(format!("stop_loss.stop_price must be {other} base_price"))
    })
}
