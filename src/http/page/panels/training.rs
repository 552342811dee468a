//! A training run as it stands.

use maud::{Markup, html};
use serde_json::Value;

use super::super::told::{bar, number, plain, text, words};
use super::is_training;

pub(super) fn draw(status: &Value) -> Markup {
    if !is_training(status) {
        return html! { p.empty { "This process does not train. " code { "conclave train --port 8741" }
        " does, and shows itself on a page of its own." } };
    }
    let (steps, all) = (number(&status["steps"]), number(&status["steps_in_all"]));
    let (steps, all) = (steps.unwrap_or_default(), all.unwrap_or_default());
    let figures = ["reward", "kl", "entropy", "learning_rate"];
    html! {
        (bar(steps, all, &format!("{steps:.0} of {all:.0} steps")))
        table { @for name in figures { tr { td { (words(name)) } td.n { (text(status, &format!("/{name}"))) } } } }
        h3 { "The last validation" }
        (flat(&status["validation"], "None yet."))
        h3 { "What became of the agents' advice" }
        (flat(&status["counts"], "Nothing yet."))
    }
}

/// The plain fields of an object.
fn flat(value: &Value, none: &str) -> Markup {
    let fields = value.as_object().filter(|fields| !fields.is_empty());
    html! {
        @match fields {
            None => p.empty { (none) },
            Some(fields) => table { @for (name, value) in fields {
                @if !value.is_object() && !value.is_array() {
                    tr { td { (words(name)) } td.n { (plain(value)) } }
                }
            } },
        }
    }
}
