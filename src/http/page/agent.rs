//! The last messages of one agent: what it was asked, what it said, what was clamped, how long it took.

use std::time::Duration;

use maud::{Markup, html};
use serde_json::Value;

use super::super::talks::{Talk, Times};
use super::told::{moment, plain, rows, text, words};

/// All messages of an agent, newest first.
pub(super) fn draw(
    (agent, status): (&str, &Value),
    talks: &[Talk],
    times: Option<Times>,
) -> Markup {
    html! {
        h2 { "The last messages of the " (words(agent)) }
        p.dim {
            @match times {
                Some(times) => { "Its last " (times.count) " answers: " (took(times)) ". " },
                None => { "It has answered nothing yet. " },
            }
            "Newest first; the record of a decision has the whole brief and the whole answer."
        }
        @if talks.is_empty() {
            p.empty { "It was asked nothing since this process has begun: agents are asked when a strategy "
                "raises a signal that passes the gates, and about open positions." }
        }
        @for talk in talks { (one(talk, status)) }
    }
}

/// One message.
pub(super) fn one(talk: &Talk, status: &Value) -> Markup {
    html! {
        div.talk {
            a href={ "/rounds/" (talk.decision) } { (talk.decision) } " " span.dim { (moment(status, &talk.at)) }
            div { b { "asked " } @for (name, value) in talk.asked.iter() {
                span.seat { (words(name)) " " b { (short(value)) } } " " } }
            div { b { "said " } (said(talk)) }
        }
    }
}

/// What it said: vote, confidence, numbers, reasoning, and what was clamped.
pub(super) fn said(talk: &Talk) -> Markup {
    let Some(body) = &talk.said else {
        return html! { span.dim { "nothing that is on record: it was not awaited, late, or is still at it" } };
    };
    let advice = &body["advice"];
    let error = text(body, "/error");
    html! {
        @if !error.is_empty() { span.bad { "unreadable: " (error) } " " }
        @if let Some(stance) = advice["stance"].as_object() {
            @for value in stance.values() { span.seat { b { (words(&short(&plain(value)))) } } " " }
        }
        @if let Some(sure) = advice["confidence"].as_f64() { span.seat { "confidence " b { (format!("{sure:.2}")) } } " " }
        @for lever in rows(advice, "/levers") {
            span.seat { (words(&text(lever, "/lever"))) " " b { (short(&text(lever, "/value"))) } } " "
        }
        @for clamp in rows(advice, "/clamps") { span.seat.clamped { "clamped: " (flat(clamp)) } " " }
        span.dim { (text(body, "/brain")) @if let Some(time) = talk.took { " · " (milliseconds(time)) } }
        div.dim { (text(advice, "/reasoning")) }
    }
}

/// The fields of a small object in a line.
fn flat(value: &Value) -> String {
    let fields = value.as_object().into_iter().flatten();
    let told = fields.map(|(name, value)| format!("{} {}", words(name), short(&plain(value))));
    told.collect::<Vec<_>>().join(", ")
}

/// A number with four digits behind the point at most; any other text as it is, within bounds.
pub(super) fn short(value: &str) -> String {
    match value.parse::<f64>() {
        Ok(number) if value.contains('.') => {
            let text = format!("{number:.4}");
            text.trim_end_matches('0').trim_end_matches('.').to_owned()
        }
        _ => value.chars().take(120).collect(),
    }
}

/// Half of the answers and nineteen of twenty of them.
pub(super) fn took(times: Times) -> String {
    format!("p50 {}, p95 {}", milliseconds(times.p50), milliseconds(times.p95))
}

pub(super) fn milliseconds(time: Duration) -> String {
    let ms = time.as_secs_f64() * 1_000.0;
    if ms < 10.0 { format!("{ms:.2} ms") } else { format!("{ms:.0} ms") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_and_numbers_are_written_for_people() {
        assert_eq!(milliseconds(Duration::from_micros(588)), "0.59 ms");
        assert_eq!(milliseconds(Duration::from_millis(1_250)), "1250 ms");
        assert_eq!(short("0.14719675056557474"), "0.1472");
        assert_eq!((short("100000"), short("entry")), ("100000".to_owned(), "entry".to_owned()));
    }
}
