//! What a record of the audit is to people: a notice, or nothing.
//!
//! The record is read as it stands in the log, so a part that is missing or strange leaves a hole in a
//! sentence and never stops anything. What goes on all the same is said with every stop.

use std::str::FromStr as _;
use std::time::Duration;

use conclave_domain::fixed::{Money, Price};
use conclave_domain::notify::rich::Rich;
use conclave_domain::notify::{Kind, Matter, Notice};
use conclave_domain::record::{Line, Step};
use conclave_domain::time::Time;
use serde_json::Value;

/// The kinds of notices that a step may bring about; none for what nobody is told.
pub const fn kind_of(step: Step) -> Option<Kind> {
    Some(match step {
        Step::OrderCleared | Step::AppealOpened => Kind::Decisions,
        // Vetoes among them are of their own kind.
        Step::RoundClosed => Kind::Vetoes,
        Step::OrderSubmitted | Step::BookUpdated => Kind::Fills,
        Step::ModeChanged | Step::StateChanged | Step::HaltRaised | Step::HaltLifted => {
            Kind::States
        }
        Step::ApprovalAsked | Step::ApprovalAnswered | Step::ApprovalExpired => Kind::Approvals,
        Step::BudgetDenied => Kind::Budgets,
        Step::ForbiddenAsked | Step::BookAdjusted => Kind::Faults,
        Step::RunEnded => Kind::Runs,
        _ => return None,
    })
}

/// What a line of the log is to people. `now` is wall time, from which on a question's patience counts.
pub fn tell(line: &Line<'_>, now: Time) -> Option<Notice> {
    let kind = kind_of(line.step)?;
    let body: Value = serde_json::from_str(line.body).ok()?;
    let name = line.decision.as_ref().map(ToString::to_string);
    let (kind, text, matter) = match line.step {
        Step::OrderCleared => (kind, cleared(&body)?, Matter::Plain),
        Step::AppealOpened => (kind, appeal(&body), Matter::Plain),
        Step::RoundClosed => (kind, veto(&body, name.as_deref())?, Matter::Plain),
        Step::OrderSubmitted => (kind, order(&body)?, Matter::Plain),
        Step::BookUpdated => (kind, booked(&body)?, Matter::Plain),
        Step::ModeChanged => (kind, mode(&body), Matter::Plain),
        Step::StateChanged | Step::HaltRaised | Step::HaltLifted => {
            (kind, state(line.step, &body), Matter::Plain)
        }
        Step::ApprovalAsked => {
            let decision = name.clone()?;
            let patience = Duration::from_secs(body["expires_in_s"].as_u64().unwrap_or_default());
            let text = asked(&body, &decision, patience);
            (kind, text, Matter::Asks { decision, expires_at: now + patience })
        }
        Step::ApprovalAnswered | Step::ApprovalExpired => {
            let decision = name.clone()?;
            let text = answered(line.step, &body, &decision);
            let outcome = body["answer"]["outcome"].as_str();
            let by_person = matches!(outcome, Some("approved" | "denied"));
            (kind, text, Matter::Ends { decision, by_person })
        }
        Step::BudgetDenied => {
            (kind, Rich::of("A permit was refused: ").plain(&said(&body["code"])), Matter::Plain)
        }
        Step::ForbiddenAsked => (kind, forbidden(&body), Matter::Plain),
        Step::BookAdjusted => (kind, adjusted(&body), Matter::Plain),
        Step::RunEnded => (kind, ended(&body), Matter::Plain),
        _ => return None,
    };
    Some(Notice { matter, decision: name, seq: Some(line.seq), ..Notice::new(kind, line.at, text) })
}

/// A value as people read it: a text without its quotes, `?` for nothing.
fn said(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => "?".to_owned(),
        other => other.to_string(),
    }
}

/// An amount in dollars and cents, with its sign.
fn dollars(value: &Value) -> String {
    value.as_str().and_then(|text| Money::from_str(text).ok()).map_or_else(
        || said(value),
        |money| {
            let sign = if money < Money::ZERO { "-" } else { "" };
            format!("{sign}${:.2}", money.abs())
        },
    )
}

fn price(value: &Value) -> String {
    let price = value.as_str().and_then(|text| Price::from_str(text).ok());
    price.map_or_else(|| said(value), |price| format!("{price:.4}"))
}

/// `BUY 10 AAPL`, of an intent or a fill.
fn what(order: &Value) -> String {
    let side = said(&order["side"]).to_uppercase();
    format!("{side} {} {}", said(&order["qty"]), said(&order["symbol"]))
}

fn terms(intent: &Value) -> String {
    let kind = &intent["kind"];
    let at = ["limit", "stop", "trail"].into_iter().find(|part| kind[part].is_string());
    let at = at.map_or_else(String::new, |part| format!(" {}", price(&kind[part])));
    format!("{}{at}, last price {}", said(&kind["type"]), price(&intent["reference"]))
}

fn cleared(body: &Value) -> Option<Rich> {
    let intent = &body["intent"];
    if intent.is_object() {
        let mode = said(&body["mode"]);
        let next = match mode.as_str() {
            "advisory" => "advice only: the shadow book fills it",
            "supervised" => "it waits for a person",
            _ => "it is sent",
        };
        let text = Rich::of("Cleared: ").bold(&what(intent)).plain(&format!(" ({next})"));
        return Some(text.line().plain(&terms(intent)));
    }
    if let Some(exit) = body["exit"].as_str() {
        let of = if exit == "all" { "every position" } else { exit };
        let by = body["by"]["name"].as_str();
        let by = by.map_or_else(|| said(&body["reason"]), |name| format!("ordered by {name}"));
        return Some(Rich::of("Exit: ").bold(of).plain(&format!(" ({by})")));
    }
    body["denied"].as_str().map(|code| Rich::of("Not cleared: ").code(code))
}

fn appeal(body: &Value) -> Rich {
    let against = said(&body["against"]["code"]);
    match body["refused"].as_str() {
        Some(code) => Rich::of(&format!("No appeal against {against}: ")).code(code),
        None => Rich::of("The council appeals against ").code(&against),
    }
}

fn veto(body: &Value, decision: Option<&str>) -> Option<Rich> {
    if body["verdict"] != "vetoed" {
        return None;
    }
    let objection = &body["objection"];
    let text = Rich::of("Veto by ").bold(&said(&body["by"])).plain(": ");
    let text = text.code(&said(&objection["code"])).line().plain(&said(&objection["text"]));
    Some(decision.map_or(text.clone(), |decision| text.line().code(decision)))
}

/// Of an order people hear what ended it otherwise than by a fill.
fn order(body: &Value) -> Option<Rich> {
    match body["happened"].as_str()? {
        "order" => {
            let event = &body["event"];
            let news = event["news"].as_str()?;
            let is_told = ["rejected", "denied", "canceled", "expired"].contains(&news);
            let why =
                event["code"].as_str().map(|code| format!(" {code}: {}", said(&event["text"])));
            is_told.then(|| {
                let text = Rich::of("Order ").bold(news).plain(&why.unwrap_or_default());
                text.line().code(&said(&event["order"]))
            })
        }
        "refused" => Some(Rich::of("An order was refused: ").code(&said(&body["code"]))),
        _ => None,
    }
}

fn booked(body: &Value) -> Option<Rich> {
    let shadow = if body["book"] == "shadow" { " (shadow book)" } else { "" };
    match body["happened"].as_str()? {
        "filled" => {
            let fill = &body["fill"];
            let at =
                format!(" at {}, fee {}{shadow}", price(&fill["price"]), dollars(&fill["fee"]));
            Some(Rich::of("Filled: ").bold(&what(fill)).plain(&at))
        }
        "trade_closed" => {
            let trade = &body["trade"];
            let of = format!("{} {}", said(&trade["direction"]), said(&trade["symbol"]));
            let (from, to) = (price(&trade["entry_price"]), price(&trade["exit_price"]));
            let why = said(&trade["exit_reason"]).replace('_', " ");
            let text = Rich::of("Closed: ").bold(&of).plain(&format!(" {from} → {to}, {why}: "));
            Some(text.bold(&dollars(&trade["pnl"])).plain(shadow))
        }
        _ => None,
    }
}

fn mode(body: &Value) -> Rich {
    let text = Rich::of(&format!("Mode of {}: ", said(&body["job"])));
    let text = text.bold(&format!("{} → {}", said(&body["from"]), said(&body["to"])));
    let text = text.plain(&format!(" by {}", said(&body["by"])));
    let reason = body["override_reason"].as_str();
    reason.map_or(text.clone(), |reason| text.line().plain(&format!("override: {reason}")))
}

/// The reason that safety wrote says what goes on all the same.
fn state(step: Step, body: &Value) -> Rich {
    let head = match step {
        Step::HaltRaised => "HALTED",
        Step::HaltLifted => "Halt lifted",
        _ => "Trading state",
    };
    let change = format!(": {} → {}", said(&body["from"]), said(&body["to"]));
    let text = Rich::default().bold(head).plain(&change);
    text.plain(&format!(" by {}", said(&body["by"]))).line().plain(&said(&body["why"]))
}

fn asked(body: &Value, decision: &str, patience: Duration) -> Rich {
    let intent = &body["intent"];
    let text = Rich::default().bold("Approval wanted").plain(": ").bold(&what(intent));
    let text = text.line().plain(&terms(intent));
    let text = match body["appealed"].as_str() {
        Some(code) => text.line().plain("over the objection ").code(code),
        None => text,
    };
    let left = patience.as_secs();
    let left = if left >= 120 { format!("{} min", left / 60) } else { format!("{left} s") };
    text.line().code(decision).line().plain(&format!("silence means no, after {left}"))
}

fn answered(step: Step, body: &Value, decision: &str) -> Rich {
    let answer = &body["answer"];
    let outcome = answer["outcome"].as_str().unwrap_or("expired");
    let text = if step == Step::ApprovalExpired || outcome == "expired" {
        Rich::default().bold("Expired").plain(": nobody answered in time; nothing was sent")
    } else {
        let word = if outcome == "approved" { "Approved" } else { "Denied" };
        let by = format!(" by {} ({})", said(&body["by"]["name"]), said(&body["by"]["way"]));
        Rich::default().bold(word).plain(&by)
    };
    let note = answer["note"].as_str().filter(|note| !note.is_empty());
    let text = note.map_or(text.clone(), |note| text.line().plain(note));
    text.line().code(decision)
}

fn forbidden(body: &Value) -> Rich {
    let text = Rich::default().bold(&said(&body["agent"])).plain(" asked for ");
    text.code(&said(&body["action"])).plain(", which is forbidden; nothing was done")
}

fn adjusted(body: &Value) -> Rich {
    // The differences, without the whole book behind them.
    let differences = body.get("adjustments").unwrap_or(body);
    let shown: String = differences.to_string().chars().take(600).collect();
    let text =
        Rich::default().bold("The books differed from the broker's").plain("; the broker wins");
    text.line().code(&shown)
}

fn ended(body: &Value) -> Rich {
    let how = match body["end"].as_str() {
        Some("data") => "its bars are at their end",
        _ => "it was stopped",
    };
    let text = Rich::default().bold("The run has ended");
    text.plain(&format!(": {how}, after {} bars", said(&body["bars"])))
}
