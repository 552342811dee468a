//! The one plain status page: everything at a glance, no script, refreshed by the browser.

use maud::{DOCTYPE, Markup, html};
use serde_json::Value;

const STYLE: &str = "
:root{color-scheme:light dark;--line:#8886;--warn:#b35900;--bad:#b3261e}
@media(prefers-color-scheme:dark){:root{--warn:#ffb35c;--bad:#ff8a80}}
body{font:15px/1.5 system-ui,sans-serif;max-width:62rem;margin:0 auto;padding:1rem}
h1{font-size:1.3rem;margin:.2rem 0}h2{font-size:1.05rem;margin:1.4rem 0 .4rem}
table{border-collapse:collapse;width:100%}th,td{text-align:left;padding:.2rem .6rem .2rem 0;
border-bottom:1px solid var(--line)}td.n,th.n{text-align:right;font-variant-numeric:tabular-nums}
.now{display:flex;flex-wrap:wrap;gap:.4rem 1.6rem;padding:.6rem 0;border-bottom:2px solid var(--line)}
.now b{display:block;font-size:1.1rem}.halted b{color:var(--bad)}.reducing b{color:var(--warn)}
.empty{opacity:.7}";

/// Renders a `status/1` snapshot.
pub(super) fn render(status: &Value) -> String {
    let state = text(status, "/trading_state/state");
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta http-equiv="refresh" content="5";
                title { "Conclave · " (state) }
                style { (maud::PreEscaped(STYLE)) }
            }
            body {
                h1 { "Conclave " (text(status, "/version")) " · " (text(status, "/money")) " money" }
                (now_bar(status, &state))
                (last_refusal(status))
                (counts(status))
                (agents(status))
                (budgets(status))
            }
        }
    }
    .into_string()
}

fn now_bar(status: &Value, state: &str) -> Markup {
    html! {
        div.now {
            div { "mode" b { (text(status, "/mode")) } }
            div class=(state) aria-live="polite" { "trading state" b { (state) }
                (text(status, "/trading_state/reason")) }
            div { "market time" b { (text(status, "/market_time")) } }
            div { "equity" b { (text(status, "/account/equity")) } }
            div { "cash" b { (text(status, "/account/cash")) } }
            div { "exposure" b { (percent(status, "/account/exposure")) } }
            div { "drawdown" b { (percent(status, "/account/drawdown")) } }
            div { "waiting for you" b { (text(status, "/approvals")) } }
        }
    }
}

fn last_refusal(status: &Value) -> Markup {
    html! {
        h2 { "Why the last trade was refused" }
        @if let Some(refusal) = status.pointer("/last_refusal").filter(|value| value.is_object()) {
            p { (text(refusal, "/decision")) ": " b { (text(refusal, "/code")) } " · "
                (text(refusal, "/text")) }
        } @else { p.empty { "No trade was refused so far." } }
    }
}

fn counts(status: &Value) -> Markup {
    let table = |title: &str, pointer: &str| {
        let rows = status.pointer(pointer).and_then(Value::as_object);
        html! {
            h2 { (title) }
            @match rows.filter(|rows| !rows.is_empty()) {
                Some(rows) => table {
                    @for (name, count) in rows { tr { td { (name) } td.n { (plain(count)) } } }
                },
                None => p.empty { "None so far." },
            }
        }
    };
    html! {
        (table("Rounds", "/rounds"))
        (table("Vetoes by code", "/vetoes"))
        (table("Denials by code", "/denials"))
    }
}

fn agents(status: &Value) -> Markup {
    let agents = status.pointer("/agents").and_then(Value::as_array);
    html! {
        h2 { "Agents" }
        table {
            tr { th { "agent" } th { "team" } th { "state" } th.n { "restarts" } th.n { "consulted" }
                th.n { "answered" } th.n { "failed" } th.n { "late" } }
            @for agent in agents.into_iter().flatten() {
                tr {
                    td { (text(agent, "/name")) } td { (text(agent, "/team")) }
                    td { (text(agent, "/state")) }
                    @for field in ["/restarts", "/consulted", "/answered", "/failed", "/late"] {
                        td.n { (text(agent, field)) }
                    }
                }
            }
        }
    }
}

fn budgets(status: &Value) -> Markup {
    let budgets = status.pointer("/budgets").and_then(Value::as_array);
    html! {
        h2 { "Budgets" }
        table {
            tr { th { "budget" } th.n { "limit" } th.n { "spent" } th.n { "remaining" } }
            @for budget in budgets.into_iter().flatten() {
                tr {
                    td { (text(budget, "/budget")) }
                    @for field in ["/limit", "/spent", "/remaining"] { td.n { (text(budget, field)) } }
                }
            }
        }
    }
}

fn text(value: &Value, pointer: &str) -> String {
    value.pointer(pointer).map(plain).unwrap_or_default()
}

fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        other => other.to_string(),
    }
}

fn percent(value: &Value, pointer: &str) -> String {
    let fraction = value.pointer(pointer).and_then(Value::as_f64);
    fraction.map_or_else(String::new, |fraction| format!("{:.1} %", fraction * 100.0))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_comes_from_outside_is_escaped_and_nothing_is_executed() {
        let status = json!({"trading_state": {"state": "halted", "reason": "<script>alert(1)</script>"},
            "last_refusal": {"decision": "d", "code": "gate.cash", "text": "<img src=x>"}});
        let page = render(&status);
        assert!(!page.contains("<script") && !page.contains("<img"), "{page}");
        assert!(page.contains("&lt;script&gt;"));
    }
}
