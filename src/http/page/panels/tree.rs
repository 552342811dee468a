//! Who lives: the actors of the process, and under safety the agents with what they brought.

use std::collections::BTreeMap;

use maud::{Markup, html};
use serde_json::Value;

use super::super::super::talks::Talks;
use super::super::agent::{one as message, took};
use super::super::told::{bar, number, percent, rows, span, text, words};

/// Messages of an agent that stand on the board; its own page has the rest.
const SHOWN: usize = 2;

pub(super) fn draw(found: &Value, status: &Value, talks: &Talks) -> Markup {
    let mut teams: BTreeMap<String, Vec<&Value>> = BTreeMap::new();
    for agent in rows(found, "/agents") {
        let team = agent["team"].as_str().unwrap_or("training");
        teams.entry(team.to_owned()).or_default().push(agent);
    }
    html! {
        ul.tree {
            @for actor in rows(found, "/actors") {
                li { (words(&text(actor, "/name"))) " " (life(actor))
                    @if actor["name"] == "safety" { (under_safety(&teams, status, talks)) }
                }
            }
            @if !rows(found, "/actors").iter().any(|actor| actor["name"] == "safety") {
                li { "safety" (under_safety(&teams, status, talks)) }
            }
        }
    }
}

fn under_safety(teams: &BTreeMap<String, Vec<&Value>>, status: &Value, talks: &Talks) -> Markup {
    html! {
        ul { @for (team, agents) in teams {
            li { (team) " team"
                ul { @for agent in agents { li { (one(agent, status, talks)) } } }
            }
        } }
    }
}

fn one(agent: &Value, status: &Value, talks: &Talks) -> Markup {
    let name = text(agent, "/name");
    let times = talks.times(&name);
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
                span.dim { (text(agent, "/answered")) " of " (text(agent, "/consulted")) " answered"
                    @if let Some(times) = times { " · " (took(times)) }
                    @if let Some(silent) = talks.silent_for(&name) { " · heard " (span(silent.as_secs_f64())) " ago" } }
            }
            @if let Some(said) = talks.of(&name).iter().find_map(|talk| talk.said.clone()) {
                p { "thinks by " b { (text(&said, "/brain")) } }
            }
            @for talk in talks.of(&name).iter().take(SHOWN) { (message(talk, status)) }
            p { a href={ "/agents/" (name) } { "All its last messages" } }
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
        (lately(&actor["restarts_lately"]))
    }
}

/// How much of what its supervisor allows an actor has used up: a storm of restarts is seen as a bar.
fn lately(lately: &Value) -> Markup {
    let figure = |place: &str| number(&lately[place]).filter(|figure| *figure > 0.0);
    let Some((restarts, limit)) = figure("restarts").zip(figure("limit")) else { return html! {} };
    let within = span(number(&lately["within_s"]).unwrap_or_default());
    let label = format!("{restarts:.0} of {limit:.0} restarts within {within}");
    html! { span.dim { " · " (label) } (bar(restarts, limit, &label)) }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_storm_of_restarts_stands_beside_what_is_allowed() {
        let actor = json!({"state": "restarting", "restarts": 9,
            "restarts_lately": {"restarts": 4, "limit": 5, "within_s": 60}});
        let drawn = life(&actor).into_string();
        assert!(drawn.contains("4 of 5 restarts within 1 min"), "{drawn}");
        let calm = json!({"state": "alive", "restarts": 9,
            "restarts_lately": {"restarts": 0, "limit": 5, "within_s": 60}});
        assert!(!life(&calm).into_string().contains("within"), "long ago is over");
    }
}
