//! Chat completions: OpenRouter, and any other server that speaks them.
//!
//! OpenRouter says what a call has cost, who served it, and may hide an error behind a good status.
//! Another server is asked for what it was found to do.

use std::borrow::Cow;

use conclave_domain::fixed::Money;
use conclave_domain::llm::{Trouble, Usage, billed};
use serde_json::{Value, json};

use super::canonical::{object, quoted};
use super::{CacheTtl, Failed, Question, Quoted, Read, Said, convert, name, status};
use crate::models::envelope;
use crate::models::port::{Capabilities, Dialect, Reply};
use crate::models::schema::Form;

/// What the names of Anthropic's models begin with at OpenRouter.
const ANTHROPIC: &str = "anthropic/";

/// Whose reply it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Server {
    /// OpenRouter: it tells costs, and asks others.
    Router,
    /// A server of one's own.
    Local,
}

/// The body for OpenRouter.
pub(super) fn router_body(question: &Question) -> String {
    let is_claude = question.model.starts_with(ANTHROPIC);
    // Strict structured outputs take the neutral schema as it is: closed objects, every field
    // demanded, bounds of numbers as keywords.
    let form = if is_claude { Form::Claude } else { Form::Neutral };
    let schema = convert::written(&question.wire, form);
    let system = match question.cache {
        // Other models cache by themselves.
        Some(ttl) if is_claude => Cow::Owned(cached(&question.system, ttl)),
        _ => Cow::Borrowed(question.system.as_json()),
    };
    let reasoning = question.effort.map(|effort| json!({"effort": effort.name()}).to_string());
    let max_tokens = question.max_tokens(Dialect::OpenRouter).to_string();
    let (messages, model) = (messages(&system, question), quoted(&question.model));
    let (provider, format) = (provider(question), format(schema));
    let session = quoted(&format!("agent:{}", question.agent));
    let mut fields = vec![
        ("max_completion_tokens", &*max_tokens),
        ("messages", &*messages),
        ("model", &*model),
        ("provider", &*provider),
    ];
    fields.extend(reasoning.as_deref().map(|effort| ("reasoning", effort)));
    fields.extend([("response_format", &*format), ("session_id", &*session)]);
    object(&fields)
}

/// Whom the router may ask.
fn provider(question: &Question) -> String {
    let mut provider = json!({"require_parameters": true, "data_collection": "deny",
        "allow_fallbacks": true});
    if !question.routing.only.is_empty() {
        provider["only"] = json!(question.routing.only);
    }
    if let Some(price) = question.routing.max_price {
        provider["max_price"] = json!({"prompt": price.prompt, "completion": price.completion});
    }
    provider.to_string()
}

/// The body for a server of one's own.
pub(super) fn local_body(question: &Question, capabilities: Capabilities) -> String {
    let max_tokens = question.max_tokens.to_string();
    let messages = messages(question.system.as_json(), question);
    let model = quoted(&question.model);
    let format = capabilities.json_schema.then(|| {
        // The echo is a part of the grammar, so it is another one for every question.
        let schema = envelope::schema(&question.wire, Some(&question.echo));
        format(&convert::to_grammar(schema).to_string())
    });
    let mut fields =
        vec![("max_tokens", &*max_tokens), ("messages", &*messages), ("model", &*model)];
    fields.extend(format.as_deref().map(|format| ("response_format", format)));
    fields.push(("stream", "false"));
    object(&fields)
}

fn cached(text: &Quoted, ttl: CacheTtl) -> String {
    let kept = json!({"type": "ephemeral", "ttl": ttl}).to_string();
    let part = object(&[("cache_control", &kept), ("text", text.as_json()), ("type", "\"text\"")]);
    format!("[{part}]")
}

fn messages(system: &str, question: &Question) -> String {
    let told = quoted(&question.told());
    let system = object(&[("content", system), ("role", "\"system\"")]);
    let user = object(&[("content", &told), ("role", "\"user\"")]);
    format!("[{system},{user}]")
}

/// The form of the answer, under a schema that is JSON.
fn format(schema: &str) -> String {
    let answer = object(&[("name", "\"answer\""), ("schema", schema), ("strict", "true")]);
    object(&[("json_schema", &answer), ("type", "\"json_schema\"")])
}

pub(super) fn read(reply: &Reply, server: Server) -> Read {
    let body: Value = serde_json::from_str(&reply.body).unwrap_or(Value::Null);
    let id = name(&body["id"]);
    let request_id = id.or_else(|| name(&json!(reply.header("x-request-id"))));
    let error = &body["error"];
    let is_good = (200..300).contains(&reply.status);
    let cost = if server == Server::Router { cost(&body["usage"]) } else { None };
    let (usage, model) = (usage(&body["usage"]), name(&body["model"]));
    let failed = |trouble| {
        let (model, request_id) = (model.clone(), request_id.clone());
        Err(Box::new(Failed { trouble, usage, cost, model, request_id }))
    };
    if !is_good || !error.is_null() {
        return failed(refusal(reply, error, server));
    }
    let choice = &body["choices"][0];
    let message = &choice["message"];
    if !choice["error"].is_null() || choice["finish_reason"] == "error" {
        return failed(broken_off(reply, &choice["error"], usage.is_some() || cost.is_some()));
    }
    if message["refusal"].as_str().is_some_and(|refusal| !refusal.is_empty()) {
        return failed(Trouble::Declined);
    }
    match choice["finish_reason"].as_str() {
        Some("stop") => {}
        Some("length") => return failed(Trouble::Truncated),
        Some("content_filter") => return failed(Trouble::Declined),
        _ => return failed(Trouble::Malformed),
    }
    match message["content"].as_str() {
        Some(text) if !text.is_empty() => {
            let provider = name(&body["provider"]);
            Ok(Said { text: text.to_owned(), model, provider, usage, cost, request_id })
        }
        _ => failed(Trouble::Malformed),
    }
}

/// An answer that the model's host broke off. It has used tokens; where nobody says how many, nobody
/// knows what it cost.
fn broken_off(reply: &Reply, error: &Value, is_counted: bool) -> Trouble {
    match status_of(error) {
        Some(429) => status::rate_limited(reply),
        _ if !is_counted => Trouble::Unknown,
        status => Trouble::Server { status: status.unwrap_or(502) },
    }
}

/// The status that an error names, as a number or as its text.
fn status_of(error: &Value) -> Option<u16> {
    let code = &error["code"];
    let number = code.as_u64().or_else(|| code.as_str()?.parse().ok())?;
    u16::try_from(number).ok().filter(|status| (400..600).contains(status))
}

/// Why a question was refused.
fn refusal(reply: &Reply, error: &Value, server: Server) -> Trouble {
    let is_good = (200..300).contains(&reply.status);
    // Behind a good status the error's own code is all there is.
    let status = if is_good { status_of(error).unwrap_or(502) } else { reply.status };
    let word = |value: &Value, words: &[&str]| value.as_str().is_some_and(|it| words.contains(&it));
    if word(&error["code"], &["insufficient_quota", "billing_hard_limit_reached"]) {
        return Trouble::SpendLimit;
    }
    if word(&error["code"], &["context_length_exceeded"])
        || word(&error["type"], &["exceed_context_size_error"])
    {
        return Trouble::TooLarge;
    }
    let trouble = match (server, status) {
        (Server::Router, 402) => in_the_red(reply, error),
        // Moderation, or a guardrail of the account's owner.
        (Server::Router, 403) => Trouble::Declined,
        // The host behind the router may have answered, and billed, after all.
        (Server::Router, 408 | 504 | 524) => Trouble::Unknown,
        _ => status::by_status(status, error.is_object(), reply),
    };
    match trouble {
        // Nobody's word makes money.
        Trouble::SpendLimit => Trouble::SpendLimit,
        trouble => status::by_its_own_word(trouble, status, reply),
    }
}

/// No credit: for good, but where too much is in flight just now and the router says until when, or where
/// what is left would pay for a smaller question: that is a matter of this one, and of nobody else's.
fn in_the_red(reply: &Reply, error: &Value) -> Trouble {
    if error["message"].as_str().is_some_and(|told| told.contains("fewer max_tokens")) {
        return Trouble::TooLarge;
    }
    let source = error["metadata"]["limit_source"].as_str();
    let is_passing = matches!(source, None | Some("openrouter_in_flight_budget"));
    if is_passing && status::retry_after_ms(reply).is_some() {
        status::rate_limited(reply)
    } else {
        Trouble::SpendLimit
    }
}

/// The tokens that are billed; `None` where they are not told or cannot be right.
fn usage(told: &Value) -> Option<Usage> {
    let count = |value: &Value| if value.is_null() { Some(0) } else { value.as_u64() };
    let prompt = told["prompt_tokens"].as_u64()?;
    let output = told["completion_tokens"].as_u64()?;
    let details = &told["prompt_tokens_details"];
    let cache_read = count(&details["cached_tokens"])?;
    // Nobody says for how long it was written: the dearer.
    let cache_write_1h = count(&details["cache_write_tokens"])?;
    let input = prompt.saturating_sub(cache_read).saturating_sub(cache_write_1h);
    let usage = Usage { input, cache_read, cache_write_1h, output, ..Usage::default() };
    // There was a prompt; whoever counted none has not counted.
    (usage.prompt() > 0).then_some(usage)
}

/// What a call has cost by OpenRouter's word. With a key of one's own at the host, what the host bills
/// comes on top.
fn cost(told: &Value) -> Option<Money> {
    let amount = |value: &Value| match value {
        // The shortest text of the float is what was written, up to seventeen digits.
        Value::Number(number) => billed(&number.to_string()),
        Value::String(text) => billed(text),
        _ => None,
    };
    let cost = amount(&told["cost"])?;
    if told["is_byok"] == true {
        let upstream = amount(&told["cost_details"]["upstream_inference_cost"])?;
        return cost.plus(upstream).ok();
    }
    Some(cost)
}
