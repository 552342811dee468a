//! Everything at a glance: what may be done, what there is, and why the last trade was refused.

use maud::{Markup, html};
use serde_json::Value;

use super::super::shell::{title, whose};
use super::super::told::{minute, money, number, percent, rows, span, text, words};
use super::is_training;

pub(in crate::http::page) fn draw(status: &Value) -> Markup {
    let state = text(status, "/trading_state/state");
    html! {
        div.now data-of=(whose(status)) data-title=(title(status)) {
            div { "mode" b { (text(status, "/mode").to_uppercase()) } }
            div class=(state) aria-live="polite" { "trading state" b { (state.to_uppercase()) }
                (text(status, "/trading_state/reason"))
                (since(&status["trading_state"]))
            }
            @if is_training(status) { (of_training(status)) } @else { (of_trading(status)) }
            div { "spent by models today" b { (spend(status)) } }
            div { "waiting for you" b { (text(status, "/approvals")) } }
            div { "up for" b { (uptime(status)) } }
        }
        (refusal(status))
    }
}

/// Since when the state is what it is, and by which clock: in a replay the two are years apart.
fn since(state: &Value) -> String {
    let Some(since) = state["since"].as_str() else { return String::new() };
    let clock =
        if state["is_market_time"] == false { "this machine's clock" } else { "market time" };
    format!(" since {}, {clock}", minute(since))
}

fn of_trading(status: &Value) -> Markup {
    html! {
        div { "market time" b { (minute(&text(status, "/market_time"))) } (clock(status)) }
        div { "equity" b { (money(status, "/account/equity")) } }
        div { "today" b { (percent(status, "/account/daily_pnl")) } }
        div { "exposure" b { (percent(status, "/account/exposure")) } }
        div { "open risk" b { (percent(status, "/account/open_risk")) } "lost if every stop is hit" }
        div { "drawdown" b { (percent(status, "/account/drawdown")) } }
    }
}

/// How the market's clock goes, and how old its last bar is where one is due.
fn clock(status: &Value) -> String {
    let feed = text(status, "/feed");
    if feed == "open market" {
        let owed = number(&status["feed_age_s"]).filter(|owed| *owed >= 1.0);
        let age =
            owed.map_or_else(|| "up to date".to_owned(), |owed| format!("owed for {}", span(owed)));
        return format!("real time · feed {age}");
    }
    match number(&status["speed"]) {
        Some(times) => format!("{feed} ×{times:.0}"),
        None => format!("{feed}, as fast as it can"),
    }
}

fn of_training(status: &Value) -> Markup {
    let share = number(&status["steps"]).zip(number(&status["steps_in_all"]));
    let share = share.map_or(0.0, |(done, all)| 100.0 * done / all.max(1.0));
    html! { div { "steps of the training run" b { (text(status, "/steps")) } (format!("{share:.0} %")) } }
}

/// What the models have cost, beside what they may.
fn spend(status: &Value) -> String {
    let day = rows(status, "/budgets").iter().find(|row| row["budget"] == "usd_per_day");
    let figures = day.and_then(|day| Some((number(&day["spent"])?, number(&day["limit"])?)));
    figures.map_or_else(|| "–".to_owned(), |(spent, limit)| format!("${spent:.2} of ${limit:.2}"))
}

/// To the minute, so that an idle page is not drawn anew for nothing.
fn uptime(status: &Value) -> String {
    let minutes = status["uptime_s"].as_u64().unwrap_or_default() / 60;
    let (days, hours, minutes) = (minutes / 1_440, minutes / 60 % 24, minutes % 60);
    match (days, hours) {
        (0, 0) => format!("{minutes} min"),
        (0, _) => format!("{hours} h {minutes} min"),
        _ => format!("{days} d {hours} h"),
    }
}

/// Why the last trade was refused, in the words of its code.
fn refusal(status: &Value) -> Markup {
    let refusal = status.pointer("/last_refusal").filter(|value| value.is_object());
    html! {
        @match refusal {
            Some(refusal) => p.why {
                "The last trade that was refused, "
                a href={ "/rounds/" (text(refusal, "/decision")) } { (text(refusal, "/decision")) } ": "
                b { (text(refusal, "/code")) } " · " (text(refusal, "/text"))
            },
            None if is_training(status) => {},
            None => p.empty { "No trade was refused so far." },
        }
        @let down = rows(status, "/actors").iter().filter(|actor| actor["state"] != "alive");
        @for actor in down {
            p.why { (words(&text(actor, "/name"))) " is " b { (text(actor, "/state")) }
                ": no new risk is taken until it is back; exits go on." }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_state_says_since_when_and_by_which_clock() {
        let mut state = json!({"state": "halted", "since": "2013-03-01T21:00:00Z",
            "is_market_time": true});
        assert_eq!(since(&state), " since 2013-03-01 21:00, market time");
        state["is_market_time"] = json!(false);
        assert_eq!(since(&state), " since 2013-03-01 21:00, this machine's clock");
        assert_eq!(since(&json!({"state": "active", "since": null})), "");
    }

    #[test]
    fn the_clock_says_how_it_goes_and_what_is_owed() {
        let says = |feed: &str, speed: Value, owed: Value| {
            clock(&json!({"feed": feed, "speed": speed, "feed_age_s": owed}))
        };
        assert_eq!(says("replay", Value::Null, Value::Null), "replay, as fast as it can");
        assert_eq!(says("replay", json!(300.0), Value::Null), "replay ×300");
        assert_eq!(says("open market", json!(1.0), json!(0.2)), "real time · feed up to date");
        assert_eq!(
            says("open market", json!(1.0), json!(200.0)),
            "real time · feed owed for 3 min"
        );
    }
}
