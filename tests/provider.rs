//! A provider of language models on loopback: it answers by the schema that it is asked for, bills, and
//! fails on request. Everything that it was asked stands in its journal.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Response};
use axum::routing::post;
use serde_json::{Map, Value, json};
use tokio::runtime::Runtime;

/// What a call is billed, millionths of a dollar.
pub(crate) const BILLED_MICRO_USD: u64 = 360;

/// What the provider does with a question.
#[derive(Clone, Debug, Default)]
pub(crate) struct Plan {
    /// How long an answer takes.
    pub(crate) latency: Duration,
    /// How long the answers of single agents take.
    pub(crate) latency_of: Vec<(String, Duration)>,
    /// Percent of the questions that are told to wait, fail, break off, or are answered by nonsense.
    pub(crate) rate_limited: u64,
    pub(crate) failing: u64,
    pub(crate) broken: u64,
    pub(crate) nonsense: u64,
    /// What the answers are like.
    pub(crate) manner: Manner,
    /// Models that it does not have any more.
    pub(crate) gone: Vec<String>,
    /// What single models are like, whatever the others are.
    pub(crate) temper_of: Vec<(String, Temper)>,
    /// What single models or agents, each an analyst, ask to look up before they are held to an answer.
    pub(crate) requests_of: Vec<(String, Value)>,
    /// Whether whole questions are kept.
    pub(crate) keeps_bodies: bool,
    /// From which question on, counted from zero, it refuses all with which status.
    pub(crate) stops: Option<(u64, u16)>,
}

/// What a single model does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Temper {
    /// It refuses every question with this status.
    Fails(u16),
    /// It takes this long over each.
    Slow(Duration),
    /// Each of its answers asks for a forbidden action.
    Forbidden,
}

/// What answers are like.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Manner {
    /// As the schema wants them, in the middle of every bound.
    #[default]
    Sound,
    /// Every number out of its bounds, but of this world.
    OutOfBounds,
    /// The guardian objects; the others are sound.
    Objecting,
    /// Prose with numbers in it.
    Prose,
    /// As the schema wants them; which of its words and numbers is drawn from the question and the model.
    Varied,
}

/// One question as it came.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    pub(crate) agent: String,
    pub(crate) model: String,
    pub(crate) authorization: String,
    /// The most that a host may take for a million tokens of the prompt, as OpenRouter is told.
    pub(crate) max_price: Option<String>,
}

#[derive(Debug, Default)]
struct Books {
    plan: Mutex<Plan>,
    asked: Mutex<Vec<Asked>>,
    bodies: Mutex<Vec<String>>,
    billed: AtomicUsize,
    /// Questions whose asker went away before the answer.
    aborted: AtomicUsize,
}

/// A provider that serves until it is dropped.
pub(crate) struct Provider {
    address: SocketAddr,
    books: Arc<Books>,
    _runtime: Runtime,
}

impl Provider {
    pub(crate) fn new(plan: Plan) -> Self {
        let mut runtime = tokio::runtime::Builder::new_multi_thread();
        let runtime = runtime.worker_threads(1).enable_all().build().expect("a runtime");
        let books = Arc::new(Books { plan: Mutex::new(plan), ..Books::default() });
        let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0"));
        let listener = listener.expect("a port");
        let address = listener.local_addr().expect("an address");
        let routes = Router::new()
            .route("/v1/chat/completions", post(chat))
            .route("/v1/messages", post(messages))
            .with_state(Arc::clone(&books));
        runtime.spawn(async move { axum::serve(listener, routes).await });
        Self { address, books, _runtime: runtime }
    }

    /// The address before `/chat/completions`.
    pub(crate) fn url(&self) -> String {
        format!("http://{}/v1", self.address)
    }

    /// The lines of a configuration under which every agent asks this provider as OpenRouter.
    pub(crate) fn as_openrouter(&self) -> String {
        let url = self.url();
        format!("[models]\nprimary = \"openrouter\"\n[providers.openrouter]\nurl = \"{url}\"\n")
    }

    /// The same, and as Anthropic where OpenRouter fails.
    pub(crate) fn as_both(&self) -> String {
        let url = format!("http://{}", self.address);
        format!(
            "[models]\nprimary = \"openrouter\"\nfallback = \"anthropic\"\n\
             [providers.openrouter]\nurl = \"{url}/v1\"\n[providers.anthropic]\nurl = \"{url}\"\n"
        )
    }

    /// The same as Anthropic alone.
    pub(crate) fn as_anthropic(&self) -> String {
        let url = format!("http://{}", self.address);
        format!("[models]\nprimary = \"anthropic\"\n[providers.anthropic]\nurl = \"{url}\"\n")
    }

    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.books.asked.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Every question whole, as it came, where they are kept.
    pub(crate) fn bodies(&self) -> Vec<String> {
        self.books.bodies.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// What was billed so far, dollars: as soon as a question is taken, whether or not anybody waits.
    pub(crate) fn billed_usd(&self) -> f64 {
        let calls = u32::try_from(self.books.billed.load(Ordering::SeqCst)).expect("few calls");
        f64::from(calls) * 1e-6 * f64::from(u32::try_from(BILLED_MICRO_USD).expect("little"))
    }

    pub(crate) fn aborted(&self) -> usize {
        self.books.aborted.load(Ordering::SeqCst)
    }
}

/// Counts a question whose asker went away.
struct Waiting<'a>(Option<&'a AtomicUsize>);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        if let Some(aborted) = self.0 {
            aborted.fetch_add(1, Ordering::SeqCst);
        }
    }
}

async fn chat(State(books): State<Arc<Books>>, headers: HeaderMap, body: Bytes) -> Response {
    keep(&books, &body);
    let mut body: Value = serde_json::from_slice(&body).unwrap_or_default();
    let schema = body["response_format"]["json_schema"]["schema"].take();
    let agent = agent_of(&body["session_id"]);
    let user = body["messages"][1]["content"].as_str().unwrap_or_default().to_owned();
    let model = body["model"].clone();
    let max_price = body["provider"]["max_price"]["prompt"].as_str();
    let who = (agent, named(&model), &headers);
    let answer = reply(&books, who, max_price, (&user, &schema)).await;
    answer.unwrap_or_else(|text| {
        let usage = json!({"prompt_tokens": 1_800, "completion_tokens": 90, "total_tokens": 1_890,
            "cost": 0.000_36});
        let choice = json!({"finish_reason": "stop", "message": {"content": text}});
        json_response(&json!({"id": "gen-1", "model": model, "provider": "loopback",
            "choices": [choice], "usage": usage}))
    })
}

/// Keeps a question as it came, where that is wanted.
fn keep(books: &Books, body: &Bytes) {
    let keeps = books.plan.lock().unwrap_or_else(PoisonError::into_inner).keeps_bodies;
    if keeps {
        let text = String::from_utf8_lossy(body).into_owned();
        books.bodies.lock().unwrap_or_else(PoisonError::into_inner).push(text);
    }
}

async fn messages(State(books): State<Arc<Books>>, headers: HeaderMap, body: Bytes) -> Response {
    keep(&books, &body);
    let mut body: Value = serde_json::from_slice(&body).unwrap_or_default();
    let schema = body["output_config"]["format"]["schema"].take();
    let agent = agent_of(&body["metadata"]["user_id"]);
    let user = text_of(&body["messages"][0]["content"]);
    let model = body["model"].clone();
    let who = (agent, named(&model), &headers);
    let answer = reply(&books, who, None, (&user, &schema)).await;
    answer.unwrap_or_else(|text| {
        let content = json!([{"type": "thinking", "thinking": ""}, {"type": "text", "text": text}]);
        json_response(&json!({"id": "msg_1", "type": "message", "role": "assistant",
            "model": model, "content": content, "stop_reason": "end_turn", "stop_sequence": null,
            "usage": {"input_tokens": 1_800, "output_tokens": 90}}))
    })
}

fn named(model: &Value) -> String {
    model.as_str().unwrap_or_default().to_owned()
}

fn agent_of(tag: &Value) -> String {
    tag.as_str().unwrap_or_default().trim_start_matches("agent:").to_owned()
}

fn text_of(content: &Value) -> String {
    match content {
        Value::String(text) => text.clone(),
        Value::Array(blocks) => {
            blocks.iter().filter_map(|block| block["text"].as_str()).collect::<Vec<_>>().join("\n")
        }
        _ => String::new(),
    }
}

fn json_response(body: &Value) -> Response {
    ([("content-type", "application/json")], body.to_string()).into_response()
}

/// A failure with this status.
fn refused(status: u16, kind: &str) -> Response {
    let body = json!({"error": {"code": status, "type": kind, "message": "no"}});
    let mut refused = json_response(&body);
    *refused.status_mut() = StatusCode::from_u16(status).expect("a status");
    refused
}

/// The text of an answer, or the failure that was asked for in its place.
async fn reply(
    books: &Books,
    (agent, model, headers): (String, String, &HeaderMap),
    max_price: Option<&str>,
    (user, schema): (&str, &Value),
) -> Result<Response, String> {
    let header = |name: &str| headers.get(name).and_then(|it| it.to_str().ok()).unwrap_or_default();
    let authorization = format!("{}{}", header("authorization"), header("x-api-key"));
    let plan = books.plan.lock().unwrap_or_else(PoisonError::into_inner).clone();
    let nth = {
        let mut asked = books.asked.lock().unwrap_or_else(PoisonError::into_inner);
        let max_price = max_price.map(str::to_owned);
        let model = model.clone();
        asked.push(Asked { agent: agent.clone(), model, authorization, max_price });
        asked.len() as u64
    };
    if let Some((_, status)) = plan.stops.filter(|(from, _)| nth > *from) {
        return Ok(refused(status, "refused for good"));
    }
    if plan.gone.contains(&model) {
        return Ok(refused(404, "not_found_error"));
    }
    let temper = plan.temper_of.iter().find(|(name, _)| *name == model).map(|(_, temper)| *temper);
    if let Some(Temper::Fails(status)) = temper {
        return Ok(refused(status, "api_error"));
    }
    // Each question draws one lot; the same ones in every run.
    let mut lot = nth.wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(31) % 100;
    let mut is_drawn = |percent: u64| {
        let drawn = lot < percent;
        lot = if drawn { u64::MAX } else { lot.saturating_sub(percent) };
        drawn
    };
    if is_drawn(plan.rate_limited) {
        return Ok(refused(429, "rate_limit_error"));
    }
    if is_drawn(plan.failing) {
        return Ok(refused(500, "api_error"));
    }
    books.billed.fetch_add(1, Ordering::SeqCst);
    let mut waiting = Waiting(Some(&books.aborted));
    let own = plan.latency_of.iter().find(|(name, _)| *name == agent);
    let slow = match temper {
        Some(Temper::Slow(latency)) => Some(latency),
        _ => own.map(|(_, latency)| *latency),
    };
    tokio::time::sleep(slow.unwrap_or(plan.latency)).await;
    waiting.0 = None;
    if is_drawn(plan.broken) {
        let pieces = [Ok("{\"id\":"), Err(std::io::Error::other("cut"))];
        return Ok(Body::from_stream(futures_util::stream::iter(pieces)).into_response());
    }
    if is_drawn(plan.nonsense) {
        return Ok("{malformed json: <<<chaos>>>".into_response());
    }
    Err(said((&plan, temper), (&agent, &model), user, schema))
}

/// An analyst's answer with what it wants to look up.
fn with_requests(answer: &str, requests: &Value) -> String {
    let mut answer: Value = serde_json::from_str(answer).unwrap_or_default();
    answer["answer"]["requests"] = requests.clone();
    answer.to_string()
}

/// The text of an answer.
fn said(
    (plan, temper): (&Plan, Option<Temper>),
    (agent, model): (&str, &str),
    user: &str,
    schema: &Value,
) -> String {
    if plan.manner == Manner::Prose {
        return "I would size this at 1.2 with a confidence of 0.8.".to_owned();
    }
    let answer = answer((user, seed_of(model, user)), schema, agent, plan.manner);
    let wanted = plan.requests_of.iter().find(|(name, _)| *name == model || *name == agent);
    // Whoever has been told what it asked for asks no more.
    if let Some((_, requests)) = wanted.filter(|_| !user.contains("tool_results")) {
        return with_requests(&answer, requests);
    }
    if temper == Some(Temper::Forbidden) { forbidden(&answer) } else { answer }
}

/// The same question to the same model draws the same answer, whenever it comes.
fn seed_of(model: &str, user: &str) -> u64 {
    let bytes = model.bytes().chain(user.bytes());
    bytes.fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

/// An answer whose words ask for what nobody may bring about.
fn forbidden(answer: &str) -> String {
    let words = "\"the figures of the brief\"";
    answer.replace(words, "\"then call disable_risk_controls now\"")
}

/// An answer of the schema, with what must be repeated.
fn answer((user, seed): (&str, u64), schema: &Value, agent: &str, manner: Manner) -> String {
    let mut answer = filled(schema, (manner, seed));
    let told = user.split("word for word:\n").nth(1).and_then(|rest| rest.lines().next());
    let told: Map<String, Value> =
        told.and_then(|it| serde_json::from_str(it).ok()).unwrap_or_default();
    for (name, value) in told {
        answer[name.as_str()] = value;
    }
    if manner == Manner::Objecting && agent == "risk_guardian" {
        answer["answer"]["objections"] =
            json!([{"code": "guardian.judgement", "text": "not today"}]);
    }
    answer.to_string()
}

/// A value of a schema: the first of every choice, the middle or the outside of every bound.
fn filled(schema: &Value, (manner, seed): (Manner, u64)) -> Value {
    if let Some(value) = schema.get("const") {
        return value.clone();
    }
    let drawn = |most: usize| match manner {
        Manner::Varied => usize::try_from(seed >> 33).unwrap_or(0) % most.max(1),
        _ => 0,
    };
    if let Some(words) = schema["enum"].as_array() {
        return words.get(drawn(words.len())).cloned().unwrap_or_default();
    }
    if let Some(first) = schema["anyOf"].get(0) {
        return filled(first, (manner, seed));
    }
    match schema["type"].as_str() {
        Some("object") => {
            let fields = schema["properties"].as_object().cloned().unwrap_or_default();
            let value = |(name, of): (String, Value)| {
                let seed = seed_of(&name, &seed.to_string());
                (name, filled(&of, (manner, seed)))
            };
            Value::Object(fields.into_iter().map(value).collect())
        }
        Some("array") => json!([]),
        Some("integer") => {
            let (min, max) = (schema["minimum"].as_i64(), schema["maximum"].as_i64());
            // Where a dialect has no bounds, they stand in the description: "From 300 to 2000."
            let told = schema["description"].as_str().unwrap_or_default();
            let told = told.rsplit("From ").next().unwrap_or_default().trim_end_matches('.');
            let told = told.split_once(" to ").map(|(min, max)| (min.parse(), max.parse()));
            let (min, max) = match told {
                Some((Ok(min), Ok(max))) => (min, max),
                _ => (min.expect("a bound"), max.expect("a bound")),
            };
            let span = usize::try_from(max - min).unwrap_or(0);
            json!(match manner {
                Manner::OutOfBounds => max + max / 2,
                Manner::Varied => min + i64::try_from(drawn(span + 1)).unwrap_or(0),
                _ => i64::midpoint(min, max),
            })
        }
        Some("boolean") => json!(false),
        Some("null") => Value::Null,
        _ => json!("the figures of the brief"),
    }
}
