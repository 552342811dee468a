//! Small helpers for writing JSON of our own into a page.

use std::fmt::Write as _;

use maud::{Escaper, Markup, PreEscaped, html};
use serde_json::Value;

/// The text at a place; empty where there is none.
pub(super) fn text(value: &Value, pointer: &str) -> String {
    value.pointer(pointer).map(plain).unwrap_or_default()
}

/// A value without quotes; nothing for null.
pub(super) fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        other => other.to_string(),
    }
}

/// A fraction as per cent.
pub(super) fn percent(value: &Value, pointer: &str) -> String {
    let number = value.pointer(pointer).and_then(number);
    number.map_or_else(|| "–".to_owned(), |fraction| format!("{:.1} %", fraction * 100.0))
}

/// An amount with two digits.
pub(super) fn money(value: &Value, pointer: &str) -> String {
    let number = value.pointer(pointer).and_then(number);
    number.map_or_else(|| "–".to_owned(), |amount| format!("{amount:.2}"))
}

/// A number, or a text that is one.
pub(super) fn number(value: &Value) -> Option<f64> {
    let read = value.as_f64().or_else(|| value.as_str()?.parse().ok());
    read.filter(|number| number.is_finite())
}

/// The rows at a place.
pub(super) fn rows<'a>(value: &'a Value, pointer: &str) -> &'a [Value] {
    value.pointer(pointer).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

/// A name as it stands in records, for people: `signal_analyst` as "signal analyst".
pub(super) fn words(name: &str) -> String {
    name.replace('_', " ")
}

/// How long something takes or is ago, to one unit.
pub(super) fn span(seconds: f64) -> String {
    match seconds {
        s if s < 60.0 => format!("{:.0} s", s.max(0.0)),
        s if s < 3_600.0 => format!("{:.0} min", (s / 60.0).floor()),
        s if s < 86_400.0 => format!("{:.0} h", (s / 3_600.0).floor()),
        s => format!("{:.0} d", (s / 86_400.0).floor()),
    }
}

/// `2013-03-01 21:00` for `2013-03-01T21:00:00Z`.
pub(super) fn minute(at: &str) -> String {
    at.get(..16).map_or_else(|| at.to_owned(), |at| at.replace('T', " "))
}

/// A drawing with the words that stand for it where nobody sees it. `role` is `img`, or `group` where links
/// are in it.
pub(super) fn chart(drawn: &str, role: &str, label: &str) -> Markup {
    let mut words = String::new();
    // Writing into a text does not fail.
    let _ = Escaper::new(&mut words).write_str(label);
    let named = drawn.replacen("<svg ", &format!("<svg role=\"{role}\" aria-label=\"{words}\" "), 1);
    html! { div.chart { (PreEscaped(named)) } }
}

/// A share of a whole as a bar; `label` says it in words for those who do not see it.
pub(super) fn bar(part: f64, whole: f64, label: &str) -> Markup {
    let share = if whole > 0.0 { (part / whole).min(1.0) } else { 0.0 };
    let width = format!("{:.1}", share * 100.0);
    let class = if share >= 1.0 { "out" } else { "is" };
    html! {
        svg.bar viewBox="0 0 100 4" preserveAspectRatio="none" role="img" aria-label=(label) {
            rect.of width="100" height="4" {}
            rect class=(class) width=(width) height="4" {}
        }
    }
}
