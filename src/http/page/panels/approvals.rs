//! What waits for a person: what it would do, why, until when.

use maud::{Markup, html};
use serde_json::Value;

use super::super::told::{rows, text, words};

pub(super) fn draw(approvals: &Value) -> Markup {
    let waiting = rows(approvals, "/approvals");
    html! {
        @if waiting.is_empty() {
            p.empty { "Nothing waits for you. In supervised mode (" code { "conclave run --mode supervised" }
                ") every order does." }
        }
        @for (nth, item) in waiting.iter().enumerate() {
            @let id = text(item, "/decision");
            @let note = format!("note-{nth}");
            div.why #{ "item-" (nth) } tabindex="0" data-id=(id) aria-label={ "Waits for you: " (id) } {
                b { (asks(item)) } " · " a href={ "/rounds/" (id) } { (id) }
                div { (text(item, "/reasoning")) }
                div.dim { "asked at " (text(item, "/proposed_at")) ", means no after " (text(item, "/expires_at")) }
                div.acts {
                    label for=(note) { "Note for the record" input id=(note) maxlength="500" autocomplete="off"; }
                    button type="button" data-answer="approve" { "Approve (a)" }
                    button.bad type="button" data-answer="deny" { "Deny (d)" }
                }
            }
        }
    }
}

/// What a yes would do.
fn asks(item: &Value) -> String {
    match item["asks"].as_str() {
        Some("entry") => {
            let appealed = if item["appealed"] == true { ", after an appeal" } else { "" };
            let part = |name: &str| text(item, name);
            format!("{} {} {}{appealed}", part("/side"), part("/qty"), part("/symbol"))
        }
        Some("universe") => {
            let names = |place: &str| {
                let names = rows(item, place)
                    .iter()
                    .map(|it| it.as_str().map_or_else(|| text(it, "/symbol"), ToOwned::to_owned));
                names.collect::<Vec<_>>().join(", ")
            };
            format!("may be entered: {}; no more: {}", names("/admit"), names("/evict"))
        }
        _ => words(&text(item, "/asks")),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_a_yes_would_do_stands_in_front() {
        let entry =
            json!({"asks": "entry", "side": "buy", "qty": "6", "symbol": "IBM", "appealed": true});
        assert_eq!(asks(&entry), "buy 6 IBM, after an appeal");
        let universe = json!({"asks": "universe", "admit": ["A", "B"], "evict": [{"symbol": "C"}]});
        assert_eq!(asks(&universe), "may be entered: A, B; no more: C");
    }
}
