//! Bodies against golden files.

use std::path::Path;

use conclave_domain::bounds::BoundsTable;
use serde_json::{Value, json};

use super::*;
use crate::models::port::Capabilities;

mod errors;
mod replies;

const LOCAL: Dialect = Dialect::OpenAi(Capabilities { json_schema: true, usage: true });
const BARE: Dialect = Dialect::OpenAi(Capabilities { json_schema: false, usage: false });

/// An agent's answer in little: a number, a choice, a list, a text.
fn wire() -> Wire {
    let schema = json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Answer",
        "type": "object",
        "properties": {
            "reasoning": {"type": "string", "description": "One sentence."},
            "size_multiplier": {"type": "number", "format": "double", "default": 1.0,
                "description": "Factor on the size.", "x-bound": "size_multiplier"},
            "vote": {"$ref": "#/$defs/Ballot", "description": "For or against."},
            "findings": {"type": "array", "items": {"type": "string"}},
        },
        "$defs": {"Ballot": {"oneOf": [
            {"type": "string", "const": "for", "description": "Do it."},
            {"type": "string", "const": "against", "description": "Do not."},
        ]}},
    });
    Wire::new(&schema, &BoundsTable::default()).unwrap()
}

fn question(model: &str) -> Question {
    Question {
        model: model.to_owned(),
        agent: "position_sizer",
        system: "Size the order.\n".into(),
        user: "# Brief\n\nA calm market.\n".to_owned(),
        wire: Arc::new(wire()),
        echo: Echo {
            round: "AAPL-20100104T210000-entry".to_owned(),
            symbol: "AAPL".to_owned(),
            as_of: "2010-01-04T21:00:00Z".to_owned(),
        },
        max_tokens: 2_000,
        effort: Some(Effort::Low),
        thinking: Thinking::Adaptive,
        cache: Some(CacheTtl::Hour),
        routing: Routing::default(),
        correction: None,
    }
}

/// Compares a body with its golden file, which is written with `UPDATE=1`.
#[track_caller]
fn golden(name: &str, body: &str) -> Value {
    let path = format!("{}/../tests/golden/llm/{name}.json", env!("CARGO_MANIFEST_DIR"));
    let value: Value = serde_json::from_str(body).unwrap();
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(Path::new(&path), format!("{value:#}\n")).unwrap();
    }
    let text = std::fs::read_to_string(&path).unwrap();
    let expected: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(value, expected, "{name}.json is stale; UPDATE=1 cargo test golden");
    assert_eq!(body, value.to_string(), "a body is canonical: keys sorted, no spaces");
    value
}

#[test]
fn a_question_to_anthropic_is_the_golden_body() {
    let mut asked = question("claude-sonnet-5-5");
    let body = golden("anthropic", &body(Dialect::Anthropic, &asked));
    assert_eq!(body["max_tokens"], MAX_TOKENS_MIN, "thinking needs room");
    let text = body["output_config"]["format"]["schema"].to_string();
    for word in ["minimum", "maximum", "maxLength", "$schema", "$defs", "double", "x-bound"] {
        assert!(!text.contains(&format!("\"{word}\"")), "{word} is refused: {text}");
    }
    assert!(text.contains("From 300 to 2000."), "{text}");
    asked.thinking = Thinking::BetweenTools;
    asked.effort = Some(Effort::Max);
    let brief: Value = serde_json::from_str(&super::body(Dialect::Anthropic, &asked)).unwrap();
    assert_eq!(brief["thinking"], json!({"type": "between_tools"}));
    assert_eq!(brief["output_config"]["effort"], "high", "more is refused without thinking");
    asked.thinking = Thinking::Unset;
    asked.cache = None;
    asked.effort = None;
    let bare: Value = serde_json::from_str(&super::body(Dialect::Anthropic, &asked)).unwrap();
    assert!(bare.get("thinking").is_none() && bare["output_config"].get("effort").is_none());
    assert!(bare["system"][0].get("cache_control").is_none());
}

#[test]
fn a_question_to_openrouter_is_the_golden_body() {
    let mut asked = question("openai/gpt-6.1-terra");
    asked.routing.only = vec!["openai".to_owned()];
    asked.routing.max_price =
        Some(MaxPrice { prompt: "1".parse().unwrap(), completion: "5.5".parse().unwrap() });
    let body = golden("openrouter", &body(Dialect::OpenRouter, &asked));
    assert_eq!(body["provider"]["require_parameters"], true, "or the schema may be ignored");
    assert_eq!(body["provider"]["max_price"]["completion"], "5.5", "a text, not a number");
}

#[test]
fn a_question_to_claude_behind_openrouter_is_the_golden_body() {
    let body = body(Dialect::OpenRouter, &question("anthropic/claude-sonnet-5.5"));
    let body = golden("openrouter_claude", &body);
    let schema = body["response_format"]["json_schema"]["schema"].to_string();
    assert!(!schema.contains("minimum"), "{schema}");
}

#[test]
fn a_question_to_a_local_server_is_the_golden_body() {
    let body = golden("local", &body(LOCAL, &question("tiny-random")));
    let schema = &body["response_format"]["json_schema"]["schema"];
    assert_eq!(schema["properties"]["symbol"], json!({"type": "string", "const": "AAPL"}));
    let answer = &schema["properties"]["answer"]["properties"];
    assert_eq!(answer["size_multiplier"]["maximum"], 2_000);
    assert!(answer["reasoning"]["maxLength"].is_u64() && answer["findings"]["maxItems"].is_u64());
    assert!(answer["vote"].get("maxLength").is_none(), "words need no end");
}

#[test]
fn a_local_server_without_schemas_is_asked_without_one() {
    let body = golden("local_bare", &body(BARE, &question("tiny-random")));
    assert!(body.get("response_format").is_none());
    assert_eq!(body["max_tokens"], 2_000);
}

/// D-1: the same question has the same body, and sampling parameters and forced tools never stand in it.
#[test]
fn a_body_is_a_function_of_its_question() {
    for dialect in [Dialect::Anthropic, Dialect::OpenRouter, LOCAL, BARE] {
        let asked = question("some/model");
        assert_eq!(body(dialect, &asked), body(dialect, &asked.clone()));
        let text = body(dialect, &asked);
        for word in ["temperature", "top_p", "top_k", "tools", "tool_choice", "seed"] {
            assert!(!text.contains(&format!("\"{word}\":")), "{word} in {text}");
        }
        assert!(text.contains("AAPL-20100104T210000-entry"), "what to repeat is told: {text}");
    }
}

#[test]
fn a_question_is_asked_once_more_with_what_was_wrong() {
    let asked = question("claude-sonnet-5-5");
    let again = asked.again(&format!("missing\nfield `vote`\u{202e} {}", "x".repeat(5_000)));
    let text = body(Dialect::Anthropic, &again);
    assert!(text.contains("refused: missing field `vote`"), "{text}");
    assert!(text.len() < body(Dialect::Anthropic, &asked).len() + 600, "the reason is cut");
    assert_ne!(text, body(Dialect::Anthropic, &asked));
    let value: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(value["messages"].as_array().unwrap().len(), 1, "it ends on a user's turn");
}

fn reply(status: u16, headers: &[(&str, &str)], body: &Value) -> Reply {
    let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    Reply { status, headers: headers.collect(), body: body.to_string() }
}

#[track_caller]
fn check(dialect: Dialect, reply: &Reply, expected: &Trouble) {
    let failed = read(dialect, reply).unwrap_err();
    assert_eq!(failed.trouble, *expected, "{reply:?}");
}
