//! What stands around the panels: head, warnings, the dialog that asks for the word.

use std::sync::Arc;

use conclave_domain::record::Step;
use maud::{DOCTYPE, Markup, PreEscaped, html};
use serde_json::Value;

use super::panels::Panel;
use super::style;
use super::told::{moment, rows, text};

/// The whole page around its panels.
pub(super) fn page(status: &Value, drawn: &[Arc<str>]) -> Markup {
    let money = money(status);
    let body = html! {
        a.skip href="#now" { "To the panels" }
        header {
            h1 { "Conclave " span.dim { (text(status, "/version")) } }
            span.money { (money.to_uppercase()) }
            nav aria-label="Panels" {
                @for panel in Panel::ALL { a href={ "#" (panel.name()) } { (panel.title()) } }
            }
            span #link role="status" { "connecting" }
            span #waiting role="status" {}
            details #keys { summary { "Keys" }
                p.dim { kbd { "Tab" } " to an item that waits, then " kbd { "a" } " approves and "
                    kbd { "d" } " denies it; " kbd { "h" } " asks whether to halt, and " kbd { "Enter" } " behind its word does it; " kbd { "?" } " shows this." }
            }
        }
        // What is read out changes when it means something else; the seconds tick beside it.
        div #stale role="alert" hidden {}
        div #silent hidden {}
        noscript { p.why { "Without its script this page does not move; reload it to see what is new." } }
        main data-steps=(steps()) {
            // What is first, then what can be done about it, then all the rest.
            @let (now, rest) = drawn.split_at(drawn.len().min(1));
            @for panel in now { (PreEscaped(panel)) }
            (controls())
            @for panel in rest { (PreEscaped(panel)) }
        }
        dialog #sure aria-labelledby="sure-title" {
            form method="dialog" {
                h2 #sure-title { "Type " code #sure-word {} " to do it" }
                p #sure-what {}
                div.acts {
                    label { "The word" input #sure-typed autocomplete="off" autofocus; }
                    label { "Why, for the record" input #sure-why autocomplete="off" maxlength="500"; }
                }
                p #sure-said role="status" {}
                div.acts {
                    button.bad type="button" data-close="do" { "Do it" }
                    button type="button" data-close="no" { "Leave it" }
                }
            }
        }
        script type="module" src="/assets/app.js" {}
    };
    document(&title(status), status, &body)
}

/// All records of one decision, in order.
pub(super) fn round(status: &Value, round: &Value) -> Markup {
    let money = money(status);
    let decision = text(round, "/decision");
    let body = html! {
        (head_of(&money))
        main {
            section.wide {
                h2 { "All that is on record of " (decision) }
                div { @for record in rows(round, "/records") {
                    h3 id=[anchor(record)] { (text(record, "/seq")) " · " (text(record, "/step")) " · " (moment(status, &text(record, "/at"))) }
                    pre { code { (format!("{:#}", record["body"])) } }
                } }
            }
        }
    };
    document(&decision, status, &body)
}

/// The name of the place where a round of the decision has closed: an appeal has one of its own.
fn anchor(record: &Value) -> Option<String> {
    let round = record.pointer("/body/round").filter(|_| record["step"] == "round.closed")?;
    Some(format!("round-{round}"))
}

/// A page beside the board, about one thing.
pub(super) fn beside(status: &Value, title: &str, inside: &Markup) -> Markup {
    let money = money(status);
    let body = html! {
        (head_of(&money))
        main { section.wide { (inside) } }
    };
    document(title, status, &body)
}

/// There is no such page.
pub(super) fn nothing(status: &Value, why: &str) -> Markup {
    beside(status, "Conclave", &html! { p { (why) } })
}

/// The head of a page that leads back: which money it is about stands on every page.
fn head_of(money: &str) -> Markup {
    html! {
        header { h1 { "Conclave" } span.money { (money.to_uppercase()) }
            nav { a href="/" { "Back to the control room" } } }
    }
}

/// Every event that the stream may bring: any of them says that the process is there.
fn steps() -> String {
    Step::ALL.iter().map(|step| step.name()).collect::<Vec<_>>().join(" ")
}

/// What the tab is called: it tells a halt from afar.
pub(super) fn title(status: &Value) -> String {
    format!("Conclave · {}", text(status, "/trading_state/state"))
}

/// Which run, with which money, a page is about. One that hears of another loads itself anew: badge, frame
/// and token are those of the process that it was loaded from.
pub(super) fn whose(status: &Value) -> String {
    let of = [text(status, "/run_id"), text(status, "/run_key"), money(status)];
    of.iter().filter(|word| !word.is_empty()).map(String::as_str).collect::<Vec<_>>().join(" ")
}

/// `paper`, unless the process says otherwise.
fn money(status: &Value) -> String {
    let money = text(status, "/money");
    if money.is_empty() { "paper".to_owned() } else { money }
}

fn document(title: &str, status: &Value, body: &Markup) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { (title) }
                link rel="icon" href="data:,";
                (style::sheet())
            }
            body class=(money(status)) data-of=(whose(status)) { (body) }
        }
    }
}

/// The acts of an operator. Each takes the token, and those that stop something its word as well.
fn controls() -> Markup {
    let act = |word: &str, class: &str, what: &str| {
        html! { button type="button" class=(class) data-word=(word) title=(what) { (word.to_uppercase()) } }
    };
    html! {
        section.wide #acts aria-label="What you can do" {
            div.acts {
                label for="token" { "Operator's token (kept in this page only)"
                    input #token type="password" autocomplete="off" size="24"; }
                (act("halt", "bad", "No new risk and no consultations from now on; exits go on."))
                (act("reduce", "bad", "No new risk from now on; agents may still advise exits."))
                (act("flatten", "bad", "Closes every position at the market."))
                (act("resume", "", "Lifts a halt or a reduction: entries are possible again."))
            }
            p #said role="status" {}
        }
    }
}
