//! The rounds, newest first: who said what in which order, and a veto as the line where the round ended.

use std::collections::BTreeSet;

use maud::{Markup, html};
use serde_json::{Value, json};

use super::super::super::Shared;
use super::super::super::desk::{Refusal, View};
use super::super::super::talks::Talks;
use super::super::agent::milliseconds;
use super::super::told::{number, rows, text, words};
use crate::run::rounds;

/// Rounds that are shown.
const SHOWN: usize = 50;

/// The last rounds: those that this process has closed, and before them what its log held when it was
/// read. The log is read once; whatever is closed later comes by itself.
pub(super) async fn of(shared: &Shared) -> Result<Value, Refusal> {
    let closed = shared.hub.rounds();
    let mut found: Vec<Value> =
        closed.iter().rev().filter_map(|event| rounds::row_of(&event.data)).collect();
    if found.len() < SHOWN {
        let before = shared.earlier.get_or_try_init(|| shared.desk.view(View::Rounds)).await?;
        let known: BTreeSet<String> = found.iter().map(name).collect();
        let before = rows(before, "/rounds").iter().filter(|row| !known.contains(&name(row)));
        found.extend(before.cloned());
    }
    found.truncate(SHOWN);
    Ok(json!({"rounds": found}))
}

/// What makes a round itself: an appeal has a second one on the same decision.
fn name(row: &Value) -> String {
    format!("{} {}", text(row, "/decision"), text(row, "/round"))
}

pub(super) fn draw(found: &Value, rules: &Value, talks: &Talks) -> Markup {
    let found = rows(found, "/rounds");
    let sifts = [("all", "all"), ("act", "acted"), ("vetoed", "vetoed"), ("hold", "held")];
    html! {
        @if found.is_empty() {
            p.empty { "No round was closed yet: one is opened when a strategy raises a signal that passes the gates." }
        } @else {
            div.dim { "Show "
                @for (verdict, word) in sifts {
                    button.quiet type="button" data-sift=(verdict) aria-pressed=(verdict == "all") { (word) } " "
                }
                " A vote is a sign, how sure it was from 0 to 1, and how long it took. The bar is the share of votes for; a round acts from its line on"
                @if let Some(share) = number(&rules["quorum_share"]) {
                    ", if " (format!("{:.0} %", share * 100.0)) " of those asked have voted, and at least " (text(rules, "/quorum_min")) }
                "."
            }
        }
        div.scroll tabindex="0" role="group" aria-label="The last rounds" { @for round in found { (row(round, rules, talks)) } }
    }
}

fn row(round: &Value, rules: &Value, talks: &Talks) -> Markup {
    let decision = text(round, "/decision");
    let verdict = text(round, "/verdict");
    let (before, after): (Vec<&Value>, Vec<&Value>) =
        rows(round, "/seats").iter().partition(|seat| seat["outcome"] != "not_awaited");
    let code = text(round, "/code");
    html! {
        div class={ "round " (verdict) } {
            span.verdict { (sign(&verdict)) " " (verdict.to_uppercase()) } " "
            a href={ "/rounds/" (decision) "#round-" (text(round, "/round")) } { (decision) }
            @if !code.is_empty() { " " code { (code) } }
            @if round["critical"] == true { " · critical: all must agree" }
            (counts(round, rules))
            div.seats {
                @for seat in before { span.seat { (agent(seat)) " " b { (said(seat)) } (how(seat, round, talks)) } }
                @if verdict == "vetoed" {
                    span.cut { "cut here by " (words(&text(round, "/by"))) }
                }
                @for seat in after { span.seat.never { (agent(seat)) " never awaited" } }
            }
            @let why = text(round, "/text");
            @if !why.is_empty() { div.dim { (why) } }
        }
    }
}

/// Votes for and against, of those asked, and their share beside the line that it takes to act.
fn counts(round: &Value, rules: &Value) -> Markup {
    let Some(asked) = round.pointer("/counts/asked").and_then(Value::as_u64) else {
        return html! {};
    };
    let votes = |which: &str| text(round, &format!("/counts/votes_{which}"));
    html! {
        span.dim { " · " (votes("for")) " for, " (votes("against")) " against, of " (asked) " asked" }
        (line(round, rules))
    }
}

/// The share of votes for, as a bar with a line where a round begins to act.
fn line(round: &Value, rules: &Value) -> Markup {
    let votes = |which: &str| round.pointer(which).and_then(number).unwrap_or_default();
    let (carried, against) = (votes("/counts/votes_for"), votes("/counts/votes_against"));
    let takes = if round["critical"] == true { Some(1.0) } else { number(&rules["threshold"]) };
    let Some(takes) = takes.filter(|_| carried + against > 0.0) else { return html! {} };
    let share = carried / (carried + against);
    let label =
        format!("{:.0} % of the votes for, {:.0} % are needed", share * 100.0, takes * 100.0);
    html! {
        svg.quorum viewBox="0 0 100 12" role="img" aria-label=(label) {
            rect width=(format!("{:.0}", share * 100.0)) height="12" {}
            path d=(format!("M{:.0} 0v12", (takes * 100.0).min(99.0))) {}
        }
    }
}

fn agent(seat: &Value) -> String {
    words(&text(seat, "/agent"))
}

/// How sure a seat was and how long it took, as far as this process has heard it.
fn how(seat: &Value, round: &Value, talks: &Talks) -> Markup {
    let (decision, nth) = (text(round, "/decision"), round["round"].as_u64().unwrap_or_default());
    let heard = talks.about(&text(seat, "/agent"), (&decision, nth));
    let (sure, took) = heard.unwrap_or_default();
    html! {
        @if let Some(sure) = sure { " " (format!("{sure:.2}")) }
        @if let Some(took) = took { span.dim { " " (milliseconds(took)) } }
    }
}

/// What a seat brought, with a sign, so that no colour is needed to tell them apart.
fn said(seat: &Value) -> String {
    let word = seat["vote"].as_str().or_else(|| seat["outcome"].as_str()).unwrap_or_default();
    let sign = match word {
        "for" => "▲",
        "against" => "▼",
        "vetoed" => "✕",
        "no_objection" => "✓",
        _ => "·",
    };
    format!("{sign} {}", words(word))
}

fn sign(verdict: &str) -> &'static str {
    match verdict {
        "act" => "▲",
        "vetoed" => "✕",
        _ => "■",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Goal: a veto is seen as what it is: the end of the round, with the votes that nobody waited for
    /// behind it.
    #[test]
    fn a_veto_stands_between_what_was_said_and_what_was_never_awaited() {
        let round = json!({"decision": "IBM-1", "verdict": "vetoed", "by": "risk_guardian",
            "code": "guardian.regime", "seats": [
                {"agent": "signal_analyst", "outcome": "voted", "vote": "for"},
                {"agent": "risk_guardian", "outcome": "vetoed"},
                {"agent": "position_sizer", "outcome": "not_awaited"}]});
        let drawn = row(&round, &Value::Null, &Talks::default()).into_string();
        let at =
            |what: &str| drawn.find(what).unwrap_or_else(|| panic!("{what} is not in {drawn}"));
        assert!(at("▲ for") < at("cut here by risk guardian"));
        assert!(at("cut here") < at("position sizer never awaited"));
        assert!(drawn.contains("guardian.regime"));
        let held = json!({"decision": "IBM-2", "verdict": "hold",
            "counts": {"asked": 4, "votes_for": 2, "votes_against": 1}});
        let rules = json!({"threshold": 0.7, "quorum_min": 2, "quorum_share": 0.5});
        let drawn = row(&held, &rules, &Talks::default()).into_string();
        assert!(drawn.contains("2 for, 1 against, of 4 asked"), "{drawn}");
        assert!(drawn.contains("67 % of the votes for, 70 % are needed"), "{drawn}");
        assert!(drawn.contains("M70 0v12"), "the line stands at the configured share: {drawn}");
        let mut critical = held;
        critical["critical"] = json!(true);
        let drawn = row(&critical, &rules, &Talks::default()).into_string();
        assert!(drawn.contains("100 % are needed"), "{drawn}");
    }
}
