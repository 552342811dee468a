//! The log by what is looked for in it, and the configuration with the source of every key.

use maud::{Markup, html};
use serde_json::Value;

use super::super::desk::Filter;
use super::super::logs::LEVELS;
use super::told::{moment, plain, rows, text};

/// What a body shows of itself in a row; its round has the whole of it.
const BODY_MAX: usize = 400;

/// Asks for records by what they name.
pub(super) fn form(filter: &Filter) -> Markup {
    html! {
        form.acts action="/audit" method="get" {
            @for (name, value) in filter.parts() {
                label { (name) input name=(name) value=(value) maxlength="128" size="14" autocomplete="off"; }
            }
            button { "Find in the whole log" }
        }
    }
}

/// The records that a filter lets through, and a way to take them away.
pub(super) fn records(filter: &Filter, found: &Value, status: &Value) -> Markup {
    let shown = rows(found, "/records");
    html! {
        h2 { "The log" }
        (form(filter))
        p { (text(found, "/matching")) " records, the newest " (shown.len()) " of them here · "
            a href={ "/api/v1/audit/export" (query(filter)) } download="audit.jsonl" { "Take all of them away as JSONL" } }
        @if shown.is_empty() {
            p.empty { "No record names all of that. A name is looked for as a whole: " code { "risk_guardian" }
                ", " code { "guardian.regime" } ", " code { "IBM" } ", " code { "round.closed" } "." }
        } @else {
            div.across tabindex="0" role="group" aria-label="Records" { table {
                thead { tr { th.n { "record" } th { "market time" } th { "step" } th { "decision" } th { "what it holds" } } }
                tbody { @for record in shown { (one(record, status)) } }
            } }
        }
    }
}

fn one(record: &Value, status: &Value) -> Markup {
    let decision = text(record, "/decision");
    let body = record["body"].to_string();
    html! {
        tr { td.n { (text(record, "/seq")) } td { (moment(status, &text(record, "/at"))) } td { (text(record, "/step")) }
            td { @if !decision.is_empty() { a href={ "/rounds/" (decision) } { (decision) } } }
            td { code { (body.chars().take(BODY_MAX).collect::<String>()) @if body.len() > BODY_MAX { "…" } } } }
    }
}

/// The filter as it stands in an address; empty where nothing is asked for.
fn query(filter: &Filter) -> String {
    let parts = filter.parts().into_iter().filter(|(_, value)| !value.is_empty());
    let parts: Vec<String> =
        parts.map(|(name, value)| format!("{name}={}", encoded(value))).collect();
    if parts.is_empty() { String::new() } else { format!("?{}", parts.join("&")) }
}

/// A text as a part of an address: what is no letter, digit, `-`, `_` or `.` as its bytes.
fn encoded(text: &str) -> String {
    let byte = |byte: u8| match byte {
        b'-' | b'_' | b'.' => char::from(byte).to_string(),
        it if it.is_ascii_alphanumeric() => char::from(it).to_string(),
        other => format!("%{other:02X}"),
    };
    text.bytes().map(byte).collect()
}

/// The log of the process from a level on, and the ways to the other levels.
pub(super) fn process(found: &Value) -> Markup {
    html! {
        h2 { "The log of the process" }
        p { "Shown from a level on: " @for (level, _) in LEVELS {
            @if found["level"] == level { b { (level) } } @else { a href={ "/logs?level=" (level) } { (level) } } " "
        } }
        (lines(found))
        p { a href={ "/api/v1/logs?level=" (text(found, "/level")) } download="log.json" { "Take them away as JSON" } }
    }
}

/// Lines of the log, newest first.
pub(super) fn lines(found: &Value) -> Markup {
    let shown = rows(found, "/lines");
    html! {
        @if shown.is_empty() {
            p.empty { "Nothing of it was logged, which is how it should be: the usual level is " code { "warn" } ". "
                code { "log.level = \"info\"" } " in the configuration and a SIGHUP, or " code { "--log info" }
                " at the start, tell more." }
        } @else {
            p.dim { (text(found, "/written")) " lines since the process began, the newest " (shown.len()) " of them here" }
            div.scroll.across tabindex="0" role="group" aria-label="Lines of the log" { table {
                thead { tr { th { "this machine's time" } th { "level" } th { "module" } th { "line" } } }
                tbody { @for line in shown {
                    @let level = text(line, "/level");
                    tr { td { (text(line, "/at")) }
                        td { @if matches!(&*level, "error" | "warn") { b { (level.to_uppercase()) } } @else { (level) } }
                        td { (text(line, "/target")) } td { (text(line, "/text")) } }
                } }
            } }
        }
    }
}

/// Every key of the configuration, with where its value came from.
pub(super) fn keys(found: &Value) -> Markup {
    let keys = found["keys"].as_object();
    html! {
        h2 { "The configuration in force" }
        p.dim { "As the process uses it at this moment. No key holds a secret: keys and tokens come from the "
            "environment alone; an address that may hide one is cut." }
        div.across tabindex="0" role="group" aria-label="Keys" { table {
            thead { tr { th { "key" } th { "value" } th { "source" } } }
            tbody { @for (key, row) in keys.into_iter().flatten() {
                tr { td { code { (key) } } td { (plain(&row["value"])) }
                    td { @if row["source"] == "default" { span.dim { "default" } } @else { (text(row, "/source")) } } }
            } }
        } }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_was_asked_for_stands_in_the_form_and_in_the_way_out() {
        let filter = Filter {
            code: "guardian.regime".to_owned(),
            symbol: "BTC/USD \"&".to_owned(),
            ..Filter::default()
        };
        let wanted = "?code=guardian.regime&symbol=BTC%2FUSD%20%22%26";
        assert_eq!(query(&filter), wanted);
        assert_eq!(query(&Filter::default()), "");
        let found = json!({"matching": 700, "records": [{"seq": 7, "step": "round.closed",
            "decision": "IBM-1", "at": "2013-03-01T21:00:00Z", "body": {"text": "<b>"}}]});
        let drawn = records(&filter, &found, &Value::Null).into_string();
        assert!(drawn.contains("700 records, the newest 1 of them"), "{drawn}");
        assert!(drawn.contains("value=\"guardian.regime\""), "{drawn}");
        assert!(drawn.contains("href=\"/rounds/IBM-1\"") && !drawn.contains("<b>"), "{drawn}");
        let nothing = records(&filter, &json!({"records": []}), &Value::Null).into_string();
        assert!(nothing.contains("No record names all of that"), "{nothing}");
    }

    #[test]
    fn lines_of_the_log_are_text_and_silence_says_what_to_do() {
        let line = json!({"nth": 7, "at": "2026-11-21T23:00:00Z", "level": "warn",
            "target": "conclave::x", "text": "a <b> came"});
        let found = json!({"level": "warn", "written": 9, "lines": [line]});
        let drawn = process(&found).into_string();
        assert!(drawn.contains("a &lt;b&gt; came") && drawn.contains("<b>WARN</b>"), "{drawn}");
        assert!(drawn.contains("9 lines since the process began, the newest 1 of them"), "{drawn}");
        assert!(drawn.contains("href=\"/logs?level=error\"") && drawn.contains("<b>warn</b>"));
        let silent = lines(&json!({"lines": []})).into_string();
        assert!(silent.contains("log.level = &quot;info&quot;"), "{silent}");
    }

    #[test]
    fn every_key_is_shown_with_its_source() {
        let found = json!({"keys": {"http.port": {"value": 8740, "source": "default"},
            "run.cash": {"value": "5", "source": "file c.toml"}}});
        let drawn = keys(&found).into_string();
        assert!(drawn.contains("http.port") && drawn.contains("8740"), "{drawn}");
        assert!(drawn.contains("file c.toml"), "{drawn}");
    }
}
