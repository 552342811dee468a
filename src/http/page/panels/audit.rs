//! The log: whether it is written, how its chain ends, and what came last.

use maud::{Markup, html};
use serde_json::Value;

use super::super::super::desk::Filter;
use super::super::super::events::Hub;
use super::super::log;
use super::super::told::text;

/// Records that are shown.
const SHOWN: usize = 40;

pub(super) fn draw(status: &Value, hub: &Hub) -> Markup {
    let state = text(status, "/audit/state");
    let class = if state == "well" { "alive" } else { "dead" };
    html! {
        p { span class={ "state " (class) } { (state) } " · " (text(status, "/audit/on_disk")) " records on the disk"
            @let head = text(status, "/audit/head");
            @if !head.is_empty() { " · the chain ends with " code { (head.chars().take(16).collect::<String>()) } } }
        @let trouble = text(status, "/audit/trouble");
        @if !trouble.is_empty() { p.why { (trouble) } }
        div.scroll tabindex="0" role="group" aria-label="The last records" {
            table {
                thead { tr { th.n { "record" } th { "step" } th { "decision" } th { "what it holds" } } }
                tbody { @for event in hub.newest_first(SHOWN) { (one(&event.data)) } }
            }
        }
        (log::form(&Filter::default()))
        p { a href="/config" { "The configuration in force, with the source of every key" } }
        p.dim { code { "conclave audit verify" } " proves the chain; " code { "conclave audit export" } " takes it away." }
    }
}

fn one(record: &str) -> Markup {
    let record: Value = serde_json::from_str(record).unwrap_or_default();
    let decision = text(&record, "/decision");
    let body = record["body"].to_string();
    html! {
        tr { td.n { (text(&record, "/seq")) } td { (text(&record, "/step")) }
            td { @if !decision.is_empty() { a href={ "/rounds/" (decision) } { (decision) } } }
            td { code { (body.chars().take(160).collect::<String>()) } } }
    }
}
