//! The account as it went, what is held, and the last orders.

use conclave_domain::fixed::{Money, Price};
use conclave_domain::ratio::Ratio;
use conclave_domain::time::Time;
use maud::{Markup, html};
use serde_json::Value;

use super::super::told::{chart, money, number, percent, rows, text};
use crate::report::{self, EquityPoint, Mark, MoneyKind};

/// Orders that are shown.
const SHOWN: usize = 25;

pub(super) fn draw(positions: &Value, orders: &Value, curve: &Value) -> Markup {
    html! {
        (charts(curve))
        h3 { "Positions" }
        @let held = rows(positions, "/positions");
        @if held.is_empty() { p.empty { "Nothing is held." } } @else { (table(held)) }
        h3 { "The last orders" }
        @let sent = rows(orders, "/orders");
        @if sent.is_empty() { p.empty { "No order was sent yet." } }
        @else { (table_of(sent.iter().take(SHOWN), &["at", "symbol", "side", "qty", "filled", "filled_price", "kind", "status", "decision"])) }
        p.dim { "cash " (money(positions, "/account/cash")) " · exposure " (percent(positions, "/account/exposure"))
            " · " (text(positions, "/account/trades")) " trades closed" }
    }
}

fn charts(curve: &Value) -> Markup {
    let points: Vec<EquityPoint> = rows(curve, "/points").iter().filter_map(point).collect();
    let kind = if curve["money"] == "live" { MoneyKind::Live } else { MoneyKind::Paper };
    let Some([equity, falls, exposure]) = report::curves(&points, kind) else {
        return html! { p.empty { "The curve begins with the second bar." } };
    };
    let two = |amount: Option<Money>| amount.map(|amount| format!("{:.2}", amount.to_f64()));
    let own = two(points.last().map(|point| point.equity)).unwrap_or_default();
    let held = two(points.iter().rev().find_map(|point| point.benchmark));
    let beside = held.as_ref().map_or_else(String::new, |held| {
        format!("; all shares, held in equal parts, would be worth {held} now")
    });
    let label = format!("Equity over time, now {own}{beside}");
    html! {
        figure { figcaption.dim { "Equity (blue, thick), now " b { (own) }
                @if let Some(held) = held {
                    "; what all shares held in equal parts would be worth (orange), now " b { (held) } } }
            (chart(&equity, "img", &label)) }
        figure { figcaption.dim { "Below its peak" }
            (chart(&falls, "img", "How far the account was below its peak, over time")) }
        figure { figcaption.dim { "Exposure: all positions, long and short, as a share of equity" }
            (chart(&exposure, "img", "How much of the equity was in positions, over time")) }
        (price(&curve["price"], kind))
    }
}

/// How the share went that was decided on last, with what was bought and sold of it.
fn price(price: &Value, kind: MoneyKind) -> Markup {
    let timed = |row: &Value| row["at"].as_str()?.parse::<Time>().ok();
    let closes: Vec<(Time, Price)> = rows(price, "/closes")
        .iter()
        .filter_map(|row| Some((timed(row)?, row["close"].as_str()?.parse().ok()?)))
        .collect();
    let marks: Vec<Mark> = rows(price, "/marks").iter().filter_map(mark).collect();
    let Some(drawn) = report::prices(&closes, &marks, kind) else { return html! {} };
    let (symbol, decision) = (text(price, "/symbol"), text(price, "/decision"));
    let label = format!("The last closes of {symbol}, and what was bought and sold");
    html! {
        figure { figcaption.dim { b { (symbol) } ", decided on last: " a href={ "/rounds/" (decision) } { (decision) }
                ". ▲ bought, ▼ sold, where they were filled; each leads to its round." }
            (chart(&drawn, "group", &label)) }
    }
}

/// An order that was filled: where it stands, what it says, where it leads.
fn mark(row: &Value) -> Option<Mark> {
    let is_bought = row["side"] == "buy";
    let (decision, price) = (text(row, "/decision"), text(row, "/price"));
    let says = format!(
        "{} {} at {price}: {decision}",
        if is_bought { "bought" } else { "sold" },
        text(row, "/qty")
    );
    let leads_to = format!("/rounds/{decision}");
    Some(Mark {
        at: row["at"].as_str()?.parse().ok()?,
        price: price.parse().ok(),
        is_bought,
        says,
        leads_to,
    })
}

fn point(row: &Value) -> Option<EquityPoint> {
    let at: Time = row["at"].as_str()?.parse().ok()?;
    let amount = |name: &str| row[name].as_str()?.parse().ok();
    Some(EquityPoint {
        time: at,
        equity: amount("equity")?,
        cash: amount("cash")?,
        exposure: Ratio::new(number(&row["exposure"])?).ok()?,
        benchmark: row["benchmark"].as_str().and_then(|text| text.parse().ok()),
    })
}

/// Positions, with whatever columns they have.
fn table(held: &[Value]) -> Markup {
    let columns: Vec<&str> = held
        .first()
        .and_then(Value::as_object)
        .into_iter()
        .flatten()
        .filter(|(_, value)| !value.is_object() && !value.is_array())
        .map(|(name, _)| name.as_str())
        .collect();
    table_of(held.iter(), &columns)
}

fn table_of<'a>(all: impl Iterator<Item = &'a Value>, columns: &[&str]) -> Markup {
    html! {
        div.scroll tabindex="0" role="group" aria-label="Rows" {
            table {
                thead { tr { @for column in columns { th { (column.replace('_', " ")) } } } }
                tbody { @for row in all { tr { @for column in columns { td { (cell(row, column)) } } } } }
            }
        }
    }
}

/// One cell; a decision leads to its records.
fn cell(row: &Value, column: &str) -> Markup {
    let shown = text(row, &format!("/{column}"));
    if column == "decision" {
        html! { a href={ "/rounds/" (shown) } { (shown) } }
    } else {
        html! { (shown) }
    }
}
