//! What may still be spent.

use maud::{Markup, html};
use serde_json::Value;

use super::super::told::{bar, number, rows, text, words};

pub(super) fn draw(budgets: &Value, status: &Value) -> Markup {
    html! {
        div.scroll tabindex="0" role="group" aria-label="All budgets" {
            table {
                thead { tr { th { "budget" } th { "spent" } th.n { "spent" } th.n { "held" } th.n { "limit" } th.n { "left" } } }
                tbody { @for row in rows(budgets, "/budgets") { (one(row)) } }
            }
        }
        (denials(status))
    }
}

/// What was denied so far, by budgets, gates and persons, the most frequent code first.
fn denials(status: &Value) -> Markup {
    let counted = status["denials"].as_object().into_iter().flatten();
    let mut counted: Vec<(&String, u64)> =
        counted.filter_map(|(code, count)| Some((code, count.as_u64()?))).collect();
    counted.sort_by_key(|(code, count)| (std::cmp::Reverse(*count), *code));
    html! {
        @if !counted.is_empty() {
            p { "Denied so far: " @for (code, count) in counted { span.seat { code { (code) } " " b { (count) } } " " } }
        }
    }
}

fn one(row: &Value) -> Markup {
    let name = text(row, "/budget");
    let figure = |place: &str| number(&row[place]).unwrap_or_default();
    let is_money = name.starts_with("usd");
    let shown = |value: f64| if is_money { format!("${value:.2}") } else { format!("{value:.0}") };
    let (spent, limit) = (figure("spent"), figure("limit"));
    let label = format!("{} of {} spent", shown(spent), shown(limit));
    html! {
        tr { td { (words(&name).replace('.', " · ")) } td { (bar(spent, limit, &label)) }
            td.n { (shown(spent)) } td.n { (shown(figure("reserved"))) } td.n { (shown(limit)) }
            td.n { (shown(figure("remaining"))) } }
    }
}
