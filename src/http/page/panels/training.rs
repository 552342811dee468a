//! A training run as it stands.

use conclave_domain::brief::training::HOLD;
use conclave_domain::ratio::Ratio;
use maud::{Markup, html};
use serde_json::Value;

use super::super::told::{bar, chart, figure, number, words};
use super::is_training;
use crate::report;
use crate::report::training::Point;

/// Interventions that are shown.
const ASKED: usize = 20;

pub(super) fn draw(status: &Value) -> Markup {
    if !is_training(status) {
        return html! { p.empty { "This process does not train. " code { "conclave train --port 8741" }
        " does, and shows itself on a page of its own." } };
    }
    let (steps, all) = (number(&status["steps"]), number(&status["steps_in_all"]));
    let (steps, all) = (steps.unwrap_or_default(), all.unwrap_or_default());
    let points: Vec<Point> = serde_json::from_value(status["history"].clone()).unwrap_or_default();
    let figures = ["reward", "kl", "entropy", "learning_rate"];
    html! {
        (bar(steps, all, &format!("{steps:.0} of {all:.0} steps")))
        table { @for name in figures { tr { td { (words(name)) } td.n { (figure(&status[name])) } } } }
        (curves(&points))
        (actions(&points))
        h3 { "The last validation" }
        (flat(&status["validation"], "None yet."))
        h3 { "What became of the agents' advice" }
        (flat(&status["counts"], "Nothing yet."))
    }
}

/// How the run went so far, with a mark wherever an agent's lever was moved, and what was asked there.
fn curves(points: &[Point]) -> Markup {
    let asked =
        points.iter().rev().flat_map(|point| point.interventions.iter().map(move |it| (point, it)));
    html! {
        @for (title, drawn) in report::training::curves(points) {
            figure { figcaption.dim { (title) ", over steps" }
                (chart(&drawn, "img", &format!("{title}, over steps"))) }
        }
        @if points.iter().any(|point| !point.interventions.is_empty()) {
            p.dim { "The marks are where an agent's lever was moved." }
            div.scroll tabindex="0" role="group" aria-label="What agents asked for" { table {
                thead { tr { th.n { "steps" } th { "agent" } th { "lever" } th { "outcome" } } }
                tbody { @for (point, it) in asked.take(ASKED) {
                    tr { td.n { (point.step) } td { (words(&it.by)) } td { (it.lever) }
                        td { @if let Some(code) = it.refused { code { (code.as_str()) } } @else { "moved" } } }
                } }
            } }
        }
    }
}

/// How often the policy took each action in the last validation, beside the first one that is shown: one
/// that has learnt to do nothing is seen by its bars.
fn actions(points: &[Point]) -> Markup {
    let told = |point: &&Point| !point.action_shares.is_empty();
    let (first, last) = (points.iter().find(told), points.iter().rev().find(told));
    let Some((first, last)) = first.zip(last) else { return html! {} };
    let share = |share: Option<&Ratio>| share.map_or(0.0, |share| share.get());
    let percent = |share: f64| format!("{:.1} %", 100.0 * share);
    html! {
        h3 { "Actions of the policy" }
        p.dim { "Share of all steps in validation " (last.cycle) ", and what it was in validation " (first.cycle)
            ". A policy that says " code { (HOLD) } " nearly always has learnt to do nothing." }
        table {
            thead { tr { th { "action" } th { "share" } th.n { "now" } th.n { "then" } } }
            tbody { @for (name, now) in &last.action_shares {
                @let (now, then) = (now.get(), share(first.action_shares.get(name)));
                tr { td { code { (name) } } td { (bar(now, 1.0, &format!("{name} {}", percent(now)))) }
                    td.n { (percent(now)) } td.n.dim { (percent(then)) } }
            } }
        }
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
                    tr { td { (words(name)) } td.n { (figure(value)) } }
                }
            } },
        }
    }
}

#[cfg(test)]
mod tests {
    use conclave_actors::testkit::trainer::FakeTrainer;

    use super::*;

    /// Goal: a policy that has come to do nothing is seen, and what an older file does not tell is not drawn.
    #[test]
    fn actions_stand_as_shares_of_the_last_validation_beside_the_first() {
        let point = |cycle: u32, hold: f64| {
            let mut point = Point::of(cycle, &FakeTrainer::calm(3).boundary(), &[]);
            let shares = [("BUY_25", 1.0 - hold), (HOLD, hold)];
            let shares = shares.map(|(name, share)| (name.to_owned(), Ratio::of(share)));
            point.action_shares = shares.into_iter().collect();
            point
        };
        let drawn = actions(&[point(4, 0.4), point(5, 0.97)]).into_string();
        assert!(drawn.contains("in validation 5, and what it was in validation 4"), "{drawn}");
        assert!(drawn.contains("aria-label=\"HOLD 97.0 %\""), "{drawn}");
        assert!(
            drawn.contains("<td class=\"n\">3.0 %</td><td class=\"n dim\">60.0 %</td>"),
            "{drawn}"
        );
        let mut unknown = point(6, 0.5);
        unknown.action_shares.clear();
        assert_eq!(actions(&[unknown]).into_string(), "");
    }
}
