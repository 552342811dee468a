//! The trading side: orders and positions.

use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Extension, Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use conclave_domain::alpaca::{NewOrder, Replacement};
use conclave_domain::exchange::Exchange;
use conclave_domain::exchange::account::Account;
use conclave_domain::exchange::faults::Fault;
use conclave_domain::exchange::ids::{Id, Kind};
use conclave_domain::exchange::order::Order;
use conclave_domain::exchange::refusal::Refusal;
use conclave_domain::fixed::Qty;
use conclave_domain::time::Time;
use serde_json::{Value, json};

use super::floor::Floor;
use super::guard::{Caller, Struck, refuse};
use super::query::{Query, flag, list, number, time, word};
use super::{render, ticket};

type Floors = State<Arc<Floor>>;
type Who = Extension<Caller>;

/// Orders that one answer holds at most.
const PAGE_MAX: usize = 500;
/// Orders that an answer holds where nobody says how many.
const PAGE: usize = 50;

fn shown(exchange: &Exchange, account: u16, family: &[Order]) -> Value {
    let of = exchange.account(account);
    of.map_or(Value::Null, |of| render::family(family, of, exchange.venue()))
}

fn no_account() -> Refusal {
    Refusal::not_found("there is no such account")
}

/// `POST /v2/orders`.
pub(super) async fn place(
    State(floor): Floors,
    Extension(Caller(account)): Who,
    Extension(Struck(fault)): Extension<Struck>,
    body: Bytes,
) -> Response {
    let asked: NewOrder = match ticket::read(&body) {
        Ok(asked) => asked,
        Err(refusal) => return refuse(&refusal),
    };
    let answer = floor.with(|exchange| {
        let family = exchange.place(account, &asked)?;
        let answer = shown(exchange, account, &family);
        if let (Some(Fault::Half), Some(first)) = (fault, family.first()) {
            exchange.fill_half_and_drop(account, first.nth);
        }
        Ok(answer)
    });
    answered(answer)
}

fn answered(answer: Result<Value, Refusal>) -> Response {
    match answer {
        Ok(value) => Json(value).into_response(),
        Err(refusal) => refuse(&refusal),
    }
}

/// The number of an order by its name on the wire.
fn numbered(text: &str, of: &Account) -> Result<u32, Refusal> {
    let none = || Refusal::not_found(format!("order not found for {text}"));
    let id: Id = text.parse().map_err(|_| none())?;
    let is_ours = id.kind == Kind::Order && id.account == of.number && id.exchange == of.exchange;
    let nth = u32::try_from(id.nth).ok().filter(|nth| is_ours && of.order(*nth).is_some());
    nth.ok_or_else(none)
}

fn find(exchange: &Exchange, account: u16, id: &str) -> Result<u32, Refusal> {
    numbered(id, exchange.account(account).ok_or_else(no_account)?)
}

/// `GET /v2/orders/{id}`.
pub(super) async fn one(
    State(floor): Floors,
    Extension(Caller(account)): Who,
    Path(id): Path<String>,
) -> Response {
    answered(floor.with(|exchange| {
        let nth = find(exchange, account, &id)?;
        Ok(shown(exchange, account, &exchange.family(account, nth)))
    }))
}

/// `GET /v2/orders:by_client_order_id`.
pub(super) async fn by_name(
    State(floor): Floors,
    Extension(Caller(account)): Who,
    query: Query,
) -> Response {
    let name = word(&query, "client_order_id").unwrap_or_default();
    answered(floor.with(|exchange| {
        let of = exchange.account(account).ok_or_else(no_account)?;
        let none = || Refusal::not_found(format!("order not found for {name}"));
        let nth = of.named(name).ok_or_else(none)?.nth;
        Ok(shown(exchange, account, &exchange.family(account, nth)))
    }))
}

/// Which orders are asked for.
struct Wanted {
    status: String,
    after: Option<Time>,
    until: Option<Time>,
    symbols: Option<Vec<String>>,
    side: Option<String>,
    classes: Option<Vec<String>>,
    limit: usize,
    ascending: bool,
    nested: bool,
    /// Only orders after, and before, these numbers.
    behind: Option<u32>,
    before: Option<u32>,
}

impl Wanted {
    fn read(query: &Query, of: &Account) -> Result<Self, Refusal> {
        let words = |name| list(query, name).map(|it| it.into_iter().map(str::to_owned).collect());
        let order = |name| word(query, name).map(|id| numbered(id, of)).transpose();
        let status = word(query, "status").unwrap_or("open").to_owned();
        if !["open", "closed", "all"].contains(&status.as_str()) {
            return Err(Refusal::bad_input(format!("invalid status: {status}")));
        }
        Ok(Self {
            status,
            after: time(query, "after")?,
            until: time(query, "until")?,
            symbols: words("symbols"),
            side: word(query, "side").map(str::to_owned),
            classes: words("asset_class"),
            limit: number(query, "limit", 1..=PAGE_MAX, PAGE)?,
            ascending: word(query, "direction") == Some("asc"),
            nested: flag(query, "nested"),
            behind: order("after_order_id")?,
            before: order("before_order_id")?,
        })
    }

    fn takes(&self, order: &Order, class: &str) -> bool {
        let is_status = match self.status.as_str() {
            "open" => !order.status.is_over(),
            "closed" => order.status.is_over(),
            _ => true,
        };
        let among = |words: &Option<Vec<String>>, it: &str| {
            words.as_ref().is_none_or(|words| words.iter().any(|word| word == it))
        };
        is_status
            && self.after.is_none_or(|after| after < order.created_at)
            && self.until.is_none_or(|until| order.created_at < until)
            && among(&self.symbols, order.symbol.as_str())
            && among(&self.classes, class)
            && self.side.as_ref().is_none_or(|side| side == order.side.name())
            && self.behind.is_none_or(|nth| nth < order.nth)
            && self.before.is_none_or(|nth| order.nth < nth)
            && !(self.nested && order.parent.is_some())
    }
}

/// `GET /v2/orders`.
pub(super) async fn many(
    State(floor): Floors,
    Extension(Caller(account)): Who,
    query: Query,
) -> Response {
    answered(floor.with(|exchange| {
        let of = exchange.account(account).ok_or_else(no_account)?;
        let wanted = Wanted::read(&query, of)?;
        let venue = exchange.venue();
        let takes = |order: &&Order| {
            wanted.takes(order, render::class_name(venue.listing(order.place).class))
        };
        let orders: Vec<&Order> = if wanted.ascending {
            of.orders().iter().filter(takes).take(wanted.limit).collect()
        } else {
            of.orders().iter().rev().filter(takes).take(wanted.limit).collect()
        };
        let one = |order: &&Order| {
            if wanted.nested {
                render::family(&exchange.family(account, order.nth), of, venue)
            } else {
                render::order(order, of, venue)
            }
        };
        Ok(Value::Array(orders.iter().map(one).collect()))
    }))
}

/// `PATCH /v2/orders/{id}`.
pub(super) async fn amend(
    State(floor): Floors,
    Extension(Caller(account)): Who,
    Path(id): Path<String>,
    body: Bytes,
) -> Response {
    let asked: Replacement = match ticket::read(&body) {
        Ok(asked) => asked,
        Err(refusal) => return refuse(&refusal),
    };
    answered(floor.with(|exchange| {
        let nth = find(exchange, account, &id)?;
        let family = exchange.amend(account, nth, &asked)?;
        Ok(shown(exchange, account, &family))
    }))
}

/// `DELETE /v2/orders/{id}`.
pub(super) async fn cancel(
    State(floor): Floors,
    Extension(Caller(account)): Who,
    Extension(Struck(fault)): Extension<Struck>,
    Path(id): Path<String>,
) -> Response {
    let done = floor.with(|exchange| {
        let nth = find(exchange, account, &id)?;
        match fault {
            Some(Fault::Late) => exchange.cancel_too_late(account, nth),
            _ => exchange.cancel(account, nth),
        }
    });
    match done {
        Ok(()) => StatusCode::NO_CONTENT.into_response(),
        Err(refusal) => refuse(&refusal),
    }
}

/// Cancels every open order of an account; says the name and the status of each.
fn cancel_open(exchange: &mut Exchange, account: u16) -> Vec<Value> {
    let open = exchange.open_orders(account);
    let mut done = Vec::with_capacity(open.len());
    for nth in open {
        // One that another has taken along is canceled as it should be.
        let _ = exchange.cancel(account, nth);
        let of = exchange.account(account);
        let id = of.map(|of| of.id(Kind::Order, u64::from(nth)).to_string());
        done.push(json!({"id": id, "status": 200}));
    }
    done
}

/// `DELETE /v2/orders`.
pub(super) async fn cancel_all(State(floor): Floors, Extension(Caller(account)): Who) -> Response {
    let done = floor.with(|exchange| cancel_open(exchange, account));
    (StatusCode::MULTI_STATUS, Json(done)).into_response()
}

/// `GET /v2/positions`.
pub(super) async fn positions(State(floor): Floors, Extension(Caller(account)): Who) -> Response {
    answered(floor.with(|exchange| {
        let of = exchange.account(account).ok_or_else(no_account)?;
        let positions = of.positions().iter();
        let positions = positions.map(|(place, held)| position(exchange, of, *place, held));
        Ok(Value::Array(positions.collect::<Result<_, _>>()?))
    }))
}

fn position(
    exchange: &Exchange,
    of: &Account,
    place: usize,
    held: &conclave_domain::exchange::account::Position,
) -> Result<Value, Refusal> {
    let shown = render::position(held, place, of, exchange.venue());
    shown.map_err(|error| Refusal { status: 500, ..Refusal::bad_input(error.to_string()) })
}

/// A listing's place by symbol or by the asset's name.
pub(super) fn listed(exchange: &Exchange, text: &str) -> Option<usize> {
    let by_id = text.parse::<Id>().ok().filter(|id| id.kind == Kind::Asset);
    let by_id = by_id.and_then(|id| usize::try_from(id.nth).ok()?.checked_sub(1));
    let by_id = by_id.filter(|place| *place < exchange.venue().listings().len());
    by_id.or_else(|| exchange.venue().spelt(text))
}

/// `GET /v2/positions/{symbol_or_asset_id}`.
pub(super) async fn one_position(
    State(floor): Floors,
    Extension(Caller(account)): Who,
    Path(text): Path<String>,
) -> Response {
    answered(floor.with(|exchange| {
        let none = || Refusal::not_found("position does not exist");
        let place = listed(exchange, &text).ok_or_else(none)?;
        let of = exchange.account(account).ok_or_else(no_account)?;
        let held = of.positions().get(&place).ok_or_else(none)?;
        position(exchange, of, place, held)
    }))
}

/// `DELETE /v2/positions/{symbol_or_asset_id}`.
pub(super) async fn close(
    State(floor): Floors,
    Extension(Caller(account)): Who,
    Path(text): Path<String>,
    query: Query,
) -> Response {
    answered(floor.with(|exchange| {
        let none = || Refusal::not_found("position does not exist");
        let place = listed(exchange, &text).ok_or_else(none)?;
        let held = exchange.account(account).ok_or_else(no_account)?.position(place);
        let qty = part(&query, held)?;
        let symbol = exchange.venue().listing(place).symbol.clone();
        let family = exchange.close_position(account, &symbol, qty)?;
        Ok(shown(exchange, account, &family))
    }))
}

/// How much of a position shall be closed: a quantity, a percentage, or all of it.
fn part(query: &Query, held: Qty) -> Result<Option<Qty>, Refusal> {
    let bad = || Refusal::bad_input("qty or percentage is invalid");
    let positive = |qty: Qty| if qty.raw() > 0 { Ok(Some(qty)) } else { Err(bad()) };
    match (word(query, "qty"), word(query, "percentage")) {
        (Some(_), Some(_)) => Err(Refusal::bad_input("only one of qty or percentage is accepted")),
        (None, None) => Ok(None),
        (Some(qty), None) => positive(qty.parse().map_err(|_| bad())?),
        (None, Some(percent)) => {
            let percent: Qty = percent.parse().map_err(|_| bad())?;
            let hundred = 100 * i128::from(Qty::SCALE);
            if i128::from(percent.raw()) > hundred {
                return Err(bad());
            }
            let raw = i128::from(held.raw().abs()) * i128::from(percent.raw()) / hundred;
            positive(Qty::from_raw(i64::try_from(raw).unwrap_or(0)))
        }
    }
}

/// `DELETE /v2/positions`.
pub(super) async fn close_all(
    State(floor): Floors,
    Extension(Caller(account)): Who,
    query: Query,
) -> Response {
    let done = floor.with(|exchange| {
        if flag(&query, "cancel_orders") {
            cancel_open(exchange, account);
        }
        let Some(of) = exchange.account(account) else { return Vec::new() };
        let places: Vec<usize> = of.positions().keys().copied().collect();
        let mut closed = Vec::with_capacity(places.len());
        for place in places {
            let symbol = exchange.venue().listing(place).symbol.clone();
            closed.push(match exchange.close_position(account, &symbol, None) {
                Ok(family) => {
                    let body = shown(exchange, account, &family);
                    json!({"symbol": symbol, "status": 200, "body": body})
                }
                // The body of one that was not closed is not an order, and so it is left out.
                Err(refusal) => json!({"symbol": symbol, "status": refusal.status}),
            });
        }
        closed
    });
    (StatusCode::MULTI_STATUS, Json(done)).into_response()
}
