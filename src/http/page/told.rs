//! Small helpers for writing JSON of our own into a page.

use std::fmt::Write as _;

use conclave_domain::time::Time;
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

/// A time as it is. That of a training run whose brains cost nothing is its own: it begins at zero and
/// counts validations.
pub(super) fn moment(status: &Value, at: &str) -> String {
    on_own_clock(status, at).unwrap_or_else(|| at.to_owned())
}

/// A time of a training run's own clock, for people; `None` for any other one.
pub(super) fn on_own_clock(status: &Value, at: &str) -> Option<String> {
    let is_own = status["job"] == "training" && at.starts_with("1970-");
    let time = at.parse::<Time>().ok().filter(|_| is_own)?;
    Some(format!("{} min on the run's own clock", time.since(Time::EPOCH).as_secs() / 60))
}

/// A number as people read it, with four digits that count at most; any other value as it is.
pub(super) fn figure(value: &Value) -> String {
    match value.as_f64() {
        Some(number) if value.is_f64() && number != 0.0 && number.abs() < 1e-3 => {
            format!("{number:.2e}")
        }
        Some(number) if value.is_f64() => {
            let text = format!("{number:.4}");
            text.trim_end_matches('0').trim_end_matches('.').to_owned()
        }
        _ => plain(value),
    }
}

/// A drawing with the words that stand for it where nobody sees it. `role` is `img`, or `group` where links
/// are in it.
pub(super) fn chart(drawn: &str, role: &str, label: &str) -> Markup {
    let mut words = String::new();
    // Writing into a text does not fail.
    let _ = Escaper::new(&mut words).write_str(label);
    let named =
        drawn.replacen("<svg ", &format!("<svg role=\"{role}\" aria-label=\"{words}\" "), 1);
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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_training_runs_own_clock_is_not_taken_for_1970() {
        let training = json!({"job": "training"});
        let own = moment(&training, "1970-01-01T01:05:00Z");
        assert_eq!(own, "65 min on the run's own clock");
        let others = ["1970-01-05T21:00:00Z", "2026-11-21T23:00:00Z"];
        assert_eq!(moment(&json!({}), others[0]), others[0], "a market of then");
        assert_eq!(moment(&training, others[1]), others[1]);
    }

    #[test]
    fn figures_are_rounded_and_small_ones_do_not_become_nothing() {
        let shown = [json!(0.123_456_789), json!(2.5e-5), json!(-3.0), json!(0.0), json!(7)];
        let shown = shown.map(|value| figure(&value));
        assert_eq!(shown, ["0.1235", "2.50e-5", "-3", "0", "7"]);
        assert_eq!(figure(&json!("best")), "best");
    }

    #[test]
    fn a_drawing_says_what_it_shows_and_its_words_are_no_markup() {
        let drawn = chart("<svg viewBox=\"0 0 1 1\"></svg>", "img", "A \"<b>").into_string();
        let wanted = "<svg role=\"img\" aria-label=\"A &quot;&lt;b&gt;\" viewBox";
        assert!(drawn.contains(wanted), "{drawn}");
    }
}
