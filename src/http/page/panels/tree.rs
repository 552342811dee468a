//! Who lives: the actors of the process, and under safety the agents with what they brought.

use std::collections::BTreeMap;

use maud::{Markup, html};
use serde_json::Value;

use super::super::told::{percent, rows, text, words};

pub(super) fn draw(found: &Value) -> Markup {
    let mut teams: BTreeMap<String, Vec<&Value>> = BTreeMap::new();
    for agent in rows(found, "/agents") {
        let team = agent["team"].as_str().unwrap_or("training");
        teams.entry(team.to_owned()).or_default().push(agent);
    }
    html! {
        ul.tree {
            @for actor in rows(found, "/actors") {
                li { (words(&text(actor, "/name"))) " " (life(actor))
                    @if actor["name"] == "safety" { (under_safety(&teams)) }
                }
            }
            @if !rows(found, "/actors").iter().any(|actor| actor["name"] == "safety") {
                li { "safety" (under_safety(&teams)) }
            }
        }
    }
}

fn under_safety(teams: &BTreeMap<String, Vec<&Value>>) -> Markup {
    html! {
        ul { @for (team, agents) in teams {
            li { (team) " team"
                ul { @for agent in agents { li { (one(agent)) } } }
            }
        } }
    }
}

fn one(agent: &Value) -> Markup {
    let name = text(agent, "/name");
    let figures = [
        ("consulted", "/consulted"),
        ("answered", "/answered"),
        ("abstained", "/abstained"),
        ("late", "/late"),
        ("failed", "/failed"),
        ("unreadable", "/unreadable"),
        ("denied by a budget", "/denied"),
        ("shed", "/shed"),
        ("clamped", "/clamps"),
        ("vetoes", "/vetoes"),
        ("restarts", "/restarts"),
        ("in its mailbox", "/mailbox"),
    ];
    html! {
        details data-key=(name) {
            summary { (words(&name)) " " (life(agent)) " "
                span.dim { (text(agent, "/answered")) " of " (text(agent, "/consulted")) " answered" }
            }
            table {
                @for (what, place) in figures { tr { td { (what) } td.n { (text(agent, place)) } } }
                tr { td { "right so far" } td.n { (percent(agent, "/hit_rate")) } }
                @if agent["last_end"].is_string() {
                    tr { td { "ended last because" } td { (text(agent, "/last_end")) } }
                }
            }
        }
    }
}

fn life(actor: &Value) -> Markup {
    let state = text(actor, "/state");
    let restarts = actor["restarts"].as_u64().unwrap_or_default();
    let sign = if state == "alive" { "●" } else { "✕" };
    html! {
        span class={ "state " (state) } { (sign) " " (words(&state)) }
        @if restarts > 0 { " · restarted " (restarts) " times" }
    }
}
