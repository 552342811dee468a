//! The log of the process: its last lines.

use maud::{Markup, html};
use serde_json::Value;

use super::super::log::lines;

pub(super) fn draw(found: &Value) -> Markup {
    html! {
        (lines(found))
        p { a href="/logs" { "All lines that are kept, by level" } }
    }
}
