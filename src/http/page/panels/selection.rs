//! Who may be entered, where that changes as the run goes on.

use maud::{Markup, html};
use serde_json::Value;

use super::super::told::{percent, rows, text, words};

pub(super) fn draw(universe: &Value) -> Markup {
    if universe["enabled"] != true {
        return html! { p.empty { "All symbols of this run may be entered. " code { "conclave run --universe" }
        " has the selection team choose three to ten; " code { "conclave select" } " advises once." } };
    }
    html! {
        table {
            thead { tr { th { "symbol" } th.n { "trades" } th.n { "won" } th.n { "drawdown" } th { "" } } }
            tbody { @for row in rows(universe, "/members") {
                tr { td { (text(row, "/symbol")) } td.n { (text(row, "/trades")) } td.n { (percent(row, "/win_rate")) }
                    td.n { (percent(row, "/drawdown")) } td { (words(&text(row, "/poor"))) } }
            } }
        }
        p.dim { (text(universe, "/changes")) " changes so far · measured last at " (text(universe, "/measured_at")) }
    }
}
