//! What waits for a person: what it would do, why, until when.

use conclave_domain::brief::training::Proposed;
use maud::{Markup, html};
use serde_json::Value;

use super::super::super::talks::{Talk, Talks};
use super::super::agent::{said as heard, short};
use super::super::told::{minute, number, percent, plain, rows, text, words};
use crate::report::training::in_words;

pub(super) fn draw(approvals: &Value, talks: &Talks) -> Markup {
    let waiting = rows(approvals, "/approvals");
    html! {
        @if waiting.is_empty() {
            p.empty { "Nothing waits for you. In supervised mode (" code { "conclave run --mode supervised" }
                ") every order does." }
        }
        @for item in waiting {
            @let id = text(item, "/decision");
            @let note = format!("note-{id}");
            div.why tabindex="0" data-id=(id) aria-label={ "Waits for you: " (id) } {
                b { (asks(item)) } " · " a href={ "/rounds/" (id) } { (id) }
                @let terms = terms(item);
                @if !terms.is_empty() { div { (terms) } }
                div { (text(item, "/reasoning")) }
                div.dim { (until(item)) }
                (evidence(&id, talks))
                div.acts {
                    label for=(note) { "Note for the record" input id=(note) maxlength="500" autocomplete="off"; }
                    button type="button" data-answer="approve" { "Approve (a)" }
                    button.bad type="button" data-answer="deny" { "Deny (d)" }
                }
            }
        }
    }
}

/// Until when there is to answer it. The market's clock ends a proposal of a replay, mostly long before that
/// of the wall does.
fn until(item: &Value) -> Markup {
    let (asked, ends) = (text(item, "/proposed_at"), text(item, "/expires_at"));
    let stale = text(item, "/stale_after");
    html! {
        @if ends.is_empty() { "Without an answer nothing is moved." }
        @else {
            "asked at " (minute(&asked)) "; silence means no "
            @if item["ends_with_next_bar"] == true { b { "from the replay's next bar on" } ", and " }
            @else if !stale.is_empty() {
                "from the replay's first bar behind " b { (minute(&stale)) } " market time on, and "
            }
            "at " (minute(&ends)) @if !stale.is_empty() { " at the latest" } " "
            b.left data-until=(ends) {}
        }
    }
}

/// How the order seeks its price, and where the position's exits would stand.
fn terms(item: &Value) -> String {
    let mut told = Vec::new();
    if let Some(kind) = item.pointer("/order/type").and_then(Value::as_str) {
        let prices = item["order"].as_object().into_iter().flatten();
        let prices = prices.filter(|(name, _)| *name != "type").map(|(name, price)| {
            if name == kind { plain(price) } else { format!("{name} {}", plain(price)) }
        });
        let parts: Vec<String> = std::iter::once(words(kind)).chain(prices).collect();
        told.push(parts.join(" "));
    }
    if item["reference"].is_string() {
        told.push(format!("last price {}", text(item, "/reference")));
    }
    for (place, name) in [("/exits/stop_distance", "stop"), ("/exits/target_distance", "target")] {
        if item.pointer(place).and_then(number).is_some() {
            told.push(format!("{name} {} off", percent(item, place)));
        }
    }
    told.join(" · ")
}

/// What each agent said of it, and each number that a bound has changed: before and after.
fn evidence(id: &str, talks: &Talks) -> Markup {
    let said = talks.on(id);
    let clamped = said.iter().flat_map(|(agent, talk)| clamps(talk).map(move |it| (agent, it)));
    let clamped: Vec<_> = clamped.collect();
    html! {
        @if !clamped.is_empty() {
            div { "Changed by a bound: " @for (agent, clamp) in &clamped {
                span.seat.clamped { (words(agent)) ", " (clamp) } " " } }
        }
        @if said.is_empty() {
            div.dim { "What the agents said of it stands in its record." }
        } @else {
            details data-key={ "evidence-" (id) } {
                summary { "What " (said.len()) " agents said of it" }
                @for (agent, talk) in &said {
                    p { b { (words(agent)) } " " (heard(talk)) }
                }
            }
        }
    }
}

/// `size multiplier 1.9 → 1.3 (max)`, for each clamp of an answer.
fn clamps(talk: &Talk) -> impl Iterator<Item = String> {
    let said = talk.said.as_deref().map(|said| rows(said, "/advice/clamps").to_vec());
    said.into_iter().flatten().map(|clamp| {
        let part = |place: &str| short(&text(&clamp, place));
        let name = words(&text(&clamp, "/parameter"));
        format!("{name} {} → {} ({})", part("/raw"), part("/clamped"), part("/edge"))
    })
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
        Some("levers") => {
            let levers = rows(item, "/levers").iter().map(|it| {
                let lever = serde_json::from_value::<Proposed>(it.clone());
                lever.map_or_else(
                    |_| words(&text(it, "/lever")),
                    |it| format!("{}, asked for by {}", in_words(&it.lever), words(&it.by)),
                )
            });
            levers.collect::<Vec<_>>().join("; ")
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
        let limit = json!({"order": {"type": "limit", "limit": "110.89"}, "reference": "110.94",
            "exits": {"stop_distance": 0.095, "target_distance": 0.17}});
        let wanted = "limit 110.89 · last price 110.94 · stop 9.5 % off · target 17.0 % off";
        assert_eq!(terms(&limit), wanted);
        let universe = json!({"asks": "universe", "admit": ["A", "B"], "evict": [{"symbol": "C"}]});
        assert_eq!(asks(&universe), "may be entered: A, B; no more: C");
    }

    /// Goal: nobody counts on minutes that a replay does not give him.
    #[test]
    fn a_proposal_of_a_replay_ends_with_a_bar_and_says_so() {
        let mut item = json!({"proposed_at": "2026-01-01T00:00:00Z",
            "expires_at": "2026-01-01T00:05:00Z"});
        let open = until(&item).into_string();
        assert!(open.contains("silence means no at 2026-01-01 00:05"), "{open}");
        item["stale_after"] = json!("2013-03-01T21:05:00Z");
        item["ends_with_next_bar"] = json!(true);
        let next = until(&item).into_string();
        assert!(next.contains("<b>from the replay's next bar on</b>"), "{next}");
        assert!(next.contains("2026-01-01 00:05 at the latest"), "{next}");
        item["ends_with_next_bar"] = json!(false);
        let later = until(&item).into_string();
        assert!(later.contains("first bar behind <b>2013-03-01 21:05</b> market time"), "{later}");
        assert_eq!(until(&json!({})).into_string(), "Without an answer nothing is moved.");
    }

    #[test]
    fn levers_say_what_would_be_moved_and_who_asked_for_it() {
        let lever = json!({"by": "hyperparameter_tuner",
            "lever": {"lever": "learning_rate", "value": 0.7}});
        let item = json!({"asks": "levers", "levers": [lever]});
        assert_eq!(asks(&item), "learning rate × 0.700, asked for by hyperparameter tuner");
    }

    /// Goal: whoever is asked sees what was said for it, and what a bound made of a number.
    #[test]
    fn evidence_stands_beside_what_waits_with_clamps_before_and_after() {
        let talks = Talks::default();
        let id = "IBM-20130301T210000-entry";
        let line = |seq: u64, step: &str, body: &Value| {
            let hash = "0".repeat(64);
            format!(
                "{{\"seq\":{seq},\"step\":\"{step}\",\"decision\":\"{id}\",\
                 \"at\":\"2013-03-01T21:00:00Z\",\"body\":{body},\"hash\":\"{hash}\"}}"
            )
        };
        let asked = json!({"round": 1, "asked": ["position_sizer"], "brief": {}});
        let said = json!({"agent": "position_sizer", "brain": "rules", "advice": {"confidence": 0.8,
            "reasoning": "<b>small</b>", "clamps": [{"parameter": "size_multiplier", "raw": 1.9,
            "clamped": 1.3, "edge": "max"}]}});
        for (seq, step, body) in [(1, "consult.sent", asked), (2, "advice.clamped", said)] {
            talks.hear(step, &line(seq, step, &body));
        }
        let waiting = json!({"approvals": [{"decision": id, "asks": "entry", "side": "buy",
            "qty": "6", "symbol": "IBM", "expires_at": "2026-01-01T00:00:00Z"}]});
        let drawn = draw(&waiting, &talks).into_string();
        assert!(drawn.contains("position sizer, size multiplier 1.9 → 1.3 (max)"), "{drawn}");
        assert!(drawn.contains("What 1 agents said"), "{drawn}");
        assert!(drawn.contains("&lt;b&gt;small&lt;/b&gt;"), "what was said is text: {drawn}");
        assert!(drawn.contains("data-until=\"2026-01-01T00:00:00Z\""), "{drawn}");
        let unheard = draw(&waiting, &Talks::default()).into_string();
        assert!(unheard.contains("stands in its record"), "{unheard}");
    }
}
