//! What may still be spent.

use maud::{Markup, html};
use serde_json::Value;

use super::super::told::{minute, number, on_own_clock, rows, text, words};
use super::is_training;

pub(super) fn draw(budgets: &Value, status: &Value) -> Markup {
    html! {
        div.scroll tabindex="0" role="group" aria-label="All budgets" {
            table {
                thead { tr { th { "budget" } th { "spent" } th.n { "spent" } th.n { "held" } th.n { "limit" } th.n { "left" } th { "fills again" } } }
                tbody { @for row in rows(budgets, "/budgets") { (one(row, status)) } }
            }
        }
        (tokens(&budgets["tokens"]))
        (denials(status))
    }
}

/// What each agent's models have taken, the most first.
fn tokens(tokens: &Value) -> Markup {
    let all = tokens.as_object().into_iter().flatten();
    let mut all: Vec<(&String, [u64; 3])> = all
        .map(|(agent, it)| {
            let figure = |name: &str| it[name].as_u64().unwrap_or_default();
            (agent, ["prompt", "cached", "output"].map(figure))
        })
        .collect();
    all.sort_by_key(|(agent, [prompt, _, output])| (std::cmp::Reverse(prompt + output), *agent));
    html! {
        @if !all.is_empty() {
            h3 { "Tokens by agent, since this process began" }
            table {
                thead { tr { th { "agent" } th.n { "prompts" } th.n { "of that cached" } th.n { "answers" } } }
                tbody { @for (agent, figures) in all {
                    tr { td { (words(agent)) } @for figure in figures { td.n { (figure) } } }
                } }
            }
        }
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

fn one(row: &Value, status: &Value) -> Markup {
    let name = text(row, "/budget");
    let figure = |place: &str| number(&row[place]).unwrap_or_default();
    let is_money = name.starts_with("usd");
    let shown = |value: f64| if is_money { format!("${value:.2}") } else { format!("{value:.0}") };
    let (spent, limit) = (figure("spent"), figure("limit"));
    let held = figure("reserved");
    html! {
        tr { td { (words(&name).replace('.', " · ")) } td { (used((spent, held, limit), shown)) }
            td.n { (shown(spent)) } td.n { (shown(held)) } td.n { (shown(limit)) }
            td.n { (shown(figure("remaining"))) } td.dim { (refill(&row["refill"], status)) } }
    }
}

/// What is spent of a limit, and behind it what calls under way hold at their worst.
fn used((spent, held, limit): (f64, f64, f64), shown: impl Fn(f64) -> String) -> Markup {
    let share = |part: f64| if limit > 0.0 { (100.0 * part / limit).min(100.0) } else { 0.0 };
    let label = format!("{} of {} spent, {} held", shown(spent), shown(limit), shown(held));
    let (is, both) = (share(spent), share(spent + held));
    let class = if is >= 100.0 { "out" } else { "is" };
    html! {
        svg.bar viewBox="0 0 100 4" preserveAspectRatio="none" role="img" aria-label=(label) {
            rect.of width="100" height="4" {}
            rect.held width=(format!("{both:.1}")) height="4" {}
            rect class=(class) width=(format!("{is:.1}")) height="4" {}
        }
    }
}

/// From when on what is spent comes back, and when all of it has.
fn refill(refill: &Value, status: &Value) -> String {
    if !refill.is_object() {
        return String::new();
    }
    let time = |place: &str| {
        let at = text(refill, place);
        on_own_clock(status, &at).unwrap_or_else(|| minute(&at))
    };
    let (begins, full) = (time("/begins_at"), time("/full_at"));
    let is_markets = refill["is_market_time"] == true && !is_training(status);
    let whose = if is_markets { ", market time" } else { "" };
    if begins == full {
        format!("at {begins}{whose}")
    } else {
        format!("from {begins}, all at {full}{whose}")
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn tokens_stand_by_agent_with_the_most_first() {
        let told = json!({"a_b": {"prompt": 10, "cached": 4, "output": 1},
            "c": {"prompt": 900, "cached": 0, "output": 77}});
        let drawn = tokens(&told).into_string();
        assert!(drawn.find("<td>c</td>") < drawn.find("<td>a b</td>"), "{drawn}");
        assert!(drawn.contains("<td class=\"n\">900</td><td class=\"n\">0</td>"), "{drawn}");
        assert_eq!(tokens(&json!({})).into_string(), "", "nobody thinks by a model");
    }

    #[test]
    fn a_budget_shows_what_is_held_beside_what_is_spent_and_when_it_fills_again() {
        let row = json!({"budget": "usd_per_day", "spent": 2.0, "reserved": 1.0, "limit": 10.0,
            "remaining": 7.0, "refill": {"begins_at": "2026-01-02T08:00:00Z",
            "full_at": "2026-01-02T09:30:00Z", "is_market_time": false}});
        let drawn = one(&row, &Value::Null).into_string();
        assert!(drawn.contains("from 2026-01-02 08:00, all at 2026-01-02 09:30"), "{drawn}");
        assert!(drawn.contains("$2.00 of $10.00 spent, $1.00 held"), "{drawn}");
        assert!(drawn.contains("class=\"held\" width=\"30.0\""), "{drawn}");
        assert_eq!(refill(&Value::Null, &Value::Null), "");
        let market = json!({"begins_at": "2013-03-01T22:00:00Z", "full_at": "2013-03-01T22:00:00Z",
            "is_market_time": true});
        assert_eq!(refill(&market, &Value::Null), "at 2013-03-01 22:00, market time");
    }
}
