//! Anthropic Messages.
//!
//! Structured output goes through `output_config.format`: the present models refuse forced tools and
//! sampling parameters. The answer is the text block, wherever it stands; only `end_turn` finishes it.

use conclave_domain::llm::{Trouble, Usage};
use serde_json::{Value, json};

use super::canonical::{object, quoted};
use super::{Effort, Failed, Question, Read, Said, Thinking, convert, name, status};
use crate::models::port::{Dialect, Reply};
use crate::models::schema::Form;

/// How the codes of limits of money end: enforced, of a contract, of a linked organization. No pause
/// helps.
const SPEND_LIMIT: &str = "spend_limit_reached";
/// A code of the same kind that ends otherwise.
const NO_BILLING: &str = "linked_organization_billing_unavailable";
/// The account is closed for now: only an operator can help.
const ON_HOLD: &str = "organization_on_hold";

pub(super) fn body(question: &Question) -> String {
    let most = if question.thinking == Thinking::BetweenTools { Effort::High } else { Effort::Max };
    let effort = question.effort.map(|effort| quoted(effort.min(most).name()));
    let thinking = match question.thinking {
        Thinking::Adaptive | Thinking::BetweenTools => {
            Some(json!({"type": question.thinking}).to_string())
        }
        Thinking::Unset => None,
    };
    let schema = convert::written(&question.wire, Form::Claude);
    let format = object(&[("schema", schema), ("type", "\"json_schema\"")]);
    let mut output: Vec<(&str, &str)> = Vec::new();
    output.extend(effort.as_deref().map(|effort| ("effort", effort)));
    output.push(("format", &format));
    let told = quoted(&question.told());
    let message = object(&[("content", &told), ("role", "\"user\"")]);
    let kept = question.cache.map(|ttl| json!({"type": "ephemeral", "ttl": ttl}).to_string());
    let mut system: Vec<(&str, &str)> = Vec::new();
    system.extend(kept.as_deref().map(|kept| ("cache_control", kept)));
    system.extend([("text", question.system.as_json()), ("type", "\"text\"")]);
    let max_tokens = question.max_tokens(Dialect::Anthropic).to_string();
    let (messages, system) = (format!("[{message}]"), format!("[{}]", object(&system)));
    let (model, output) = (quoted(&question.model), object(&output));
    let agent = json!({"user_id": format!("agent:{}", question.agent)}).to_string();
    let mut fields = vec![
        ("max_tokens", &*max_tokens),
        ("messages", &*messages),
        ("metadata", &*agent),
        ("model", &*model),
        ("output_config", &*output),
        ("stream", "false"),
        ("system", &*system),
    ];
    fields.extend(thinking.as_deref().map(|thinking| ("thinking", thinking)));
    object(&fields)
}

pub(super) fn read(reply: &Reply) -> Read {
    let body: Value = serde_json::from_str(&reply.body).unwrap_or(Value::Null);
    let header = reply.header("request-id").map(|id| json!(id));
    let request_id = name(&header.unwrap_or_else(|| body["request_id"].clone()));
    if !(200..300).contains(&reply.status) || body["type"] == "error" {
        return Err(Box::new(Failed::only(refusal(reply, &body), request_id)));
    }
    let (usage, model) = (usage(&body["usage"]), name(&body["model"]));
    let failed = |trouble| {
        let (model, request_id) = (model.clone(), request_id.clone());
        Err(Box::new(Failed { trouble, usage, cost: None, model, request_id }))
    };
    if body["type"] != "message" {
        return failed(Trouble::Malformed);
    }
    match body["stop_reason"].as_str() {
        Some("end_turn") => {}
        Some("max_tokens" | "model_context_window_exceeded") => return failed(Trouble::Truncated),
        Some("refusal") => return failed(Trouble::Declined),
        _ => return failed(Trouble::Malformed),
    }
    let blocks = body["content"].as_array().map(Vec::as_slice).unwrap_or_default();
    let texts = blocks.iter().filter(|block| block["type"] == "text");
    let text: String = texts.filter_map(|block| block["text"].as_str()).collect();
    if text.is_empty() {
        return failed(Trouble::Malformed);
    }
    Ok(Said { text, model, provider: None, usage, cost: None, request_id })
}

/// Why a question was refused.
fn refusal(reply: &Reply, body: &Value) -> Trouble {
    let kind = body["error"]["type"].as_str();
    match body["error"]["details"]["error_code"].as_str() {
        Some(code) if code.ends_with(SPEND_LIMIT) => return Trouble::SpendLimit,
        Some(NO_BILLING) => return Trouble::SpendLimit,
        Some(ON_HOLD) => return Trouble::Auth,
        _ => {}
    }
    // An error can come under a good status too; then its type is all there is.
    let status = match (reply.status, kind) {
        (200..300, Some("invalid_request_error")) => 400,
        (200..300, Some("authentication_error" | "permission_error")) => 401,
        (200..300, Some("not_found_error")) => 404,
        (200..300, Some("request_too_large")) => 413,
        (200..300, Some("rate_limit_error")) => 429,
        (200..300, Some("timeout_error")) => 504,
        (200..300, Some("overloaded_error")) => 529,
        (200..300, _) => 500,
        (status, _) => status,
    };
    if kind == Some("billing_error") {
        return Trouble::SpendLimit;
    }
    let trouble = status::by_status(status, kind.is_some(), reply);
    status::by_its_own_word(trouble, status, reply)
}

/// The tokens that are billed; `None` where they are not told or cannot be right.
fn usage(told: &Value) -> Option<Usage> {
    // A count that is absent is none; one that is no count makes the whole unknown.
    let count = |value: &Value| if value.is_null() { Some(0) } else { value.as_u64() };
    // Nobody asked for speed, whose price is another one.
    if told["speed"].as_str().is_some_and(|speed| speed != "standard") {
        return None;
    }
    let input = told["input_tokens"].as_u64()?;
    let output = told["output_tokens"].as_u64()?;
    let cache_read = count(&told["cache_read_input_tokens"])?;
    let written = count(&told["cache_creation_input_tokens"])?;
    let briefly = count(&told["cache_creation"]["ephemeral_5m_input_tokens"])?;
    let for_an_hour = count(&told["cache_creation"]["ephemeral_1h_input_tokens"])?;
    let usage = Usage {
        input,
        cache_read,
        cache_write_5m: briefly,
        // What was written without a word for how long counts as the dearer.
        cache_write_1h: for_an_hour.max(written.saturating_sub(briefly)),
        output,
    };
    // There was a prompt; whoever counted none has not counted.
    (usage.prompt() > 0).then_some(usage)
}
