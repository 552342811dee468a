//! How the contestants of the latest season came to their last decisions.

use maud::{Markup, html};
use serde_json::Value;

use super::super::told::{percent, plain, rows, text, words};

/// The stages before the decision, in their order.
const STAGES: [(&str, &str); 5] = [
    ("market_analysis", "Market"),
    ("fundamentals", "Fundamentals"),
    ("news_sentiment", "News and sentiment"),
    ("trader", "Trader"),
    ("risk_check", "Risk"),
];

pub(super) fn draw(found: &Value) -> Markup {
    let chats = rows(found, "/chats");
    html! {
        @if chats.is_empty() {
            p.empty { "Nobody has decided anything yet; " code { "conclave arena chat" } " shows every decision of a season." }
        }
        @if !chats.is_empty() {
            div.acts {
                label { "Find in these " (chats.len()) " decisions" input #find-chat type="search" autocomplete="off" size="24"; }
                a href="/api/v1/chats" download="chats.json" { "Take them away as JSON" }
                span.dim #found-chat role="status" {}
            }
        }
        div.scroll tabindex="0" role="group" aria-label="The last decisions" { @for chat in chats { (one(chat)) } }
    }
}

fn one(chat: &Value) -> Markup {
    let part = |place: &str| text(chat, place);
    let key = format!("{}-{}-{}", part("/contestant"), part("/ticker"), part("/tick"));
    let rating = part("/final_decision/rating");
    let outcome = if rating.is_empty() { part("/final_decision/outcome") } else { rating };
    html! {
        details.chat data-key=(key) {
            summary { b { (part("/contestant")) } " · " (part("/ticker")) " · " b { (outcome) } " "
                span.dim { (percent(chat, "/final_decision/confidence")) " sure · " (part("/timestamp")) } }
            @for (name, title) in STAGES { (stage(&chat[name], title)) }
            (debate(&chat["debate"]))
            p { b { "Decision: " } (part("/final_decision/reasoning")) }
            p.dim { "was shown " code { (part("/snapshot").chars().take(12).collect::<String>()) } }
        }
    }
}

fn stage(stage: &Value, title: &str) -> Markup {
    if stage["state"] != "done" {
        return html! {};
    }
    let metrics = stage["metrics"].as_object();
    html! {
        p { b { (title) ": " } (text(stage, "/reasoning")) }
        @if metrics.is_some_and(|metrics| !metrics.is_empty()) {
            p.dim { @for (name, value) in metrics.into_iter().flatten() { (words(name)) " " b { (plain(value)) } " · " } }
        }
        @for insight in rows(stage, "/key_insights") { p.dim { "– " (plain(insight)) } }
    }
}

fn debate(debate: &Value) -> Markup {
    if debate["state"] != "done" {
        return html! {};
    }
    html! {
        p { b { "Bull: " } (text(debate, "/bull")) }
        p { b { "Bear: " } (text(debate, "/bear")) }
        p { b { "Winner: " } (text(debate, "/winner")) " · " (text(debate, "/reasoning")) }
    }
}
