//! A provider of models that does as it is told, in memory: replies by script, latency, failures; it
//! counts what it was asked, what was cut off and what it has billed.

use std::collections::VecDeque;
use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use conclave_domain::fixed::Money;
use conclave_domain::llm::Usage;
use conclave_domain::llm::price::Price;
use serde_json::{Value, json};

use crate::models::port::{Call, CallError, Dialect, Model, Reply, Sending};
use crate::models::tape::{TapeLine, TapeSink};
use crate::runtime::ports::{Done, StoreError};

/// What makes an agent's answer on the wire: its numbers whole, without the envelope around it.
type Answering = Arc<dyn Fn(&str) -> Value + Send + Sync>;

/// What a provider does with one request.
#[derive(Clone)]
pub enum Does {
    /// Answers as the agent that asks would be answered: the function is given the agent's name, and
    /// what it returns is put into an envelope with the right echo.
    Answers(Answering),
    /// Says this text, as a finished answer.
    Says(String),
    /// Replies this, byte for byte; it is billed for where its status is good.
    Replies(Reply),
    /// Fails; only a connection that nobody took is not billed for.
    Fails(CallError),
    /// Never replies, and bills for it.
    Hangs,
}

impl fmt::Debug for Does {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Answers(_) => f.write_str("Answers"),
            Self::Says(text) => write!(f, "Says({text})"),
            Self::Replies(reply) => write!(f, "Replies({})", reply.status),
            Self::Fails(error) => write!(f, "Fails({error})"),
            Self::Hangs => f.write_str("Hangs"),
        }
    }
}

impl Does {
    /// Answers with what `answer` says for each agent.
    pub fn answers(answer: impl Fn(&str) -> Value + Send + Sync + 'static) -> Self {
        Self::Answers(Arc::new(answer))
    }

    /// Replies with a status and a body, and with these headers.
    pub fn replies(status: u16, headers: &[(&str, &str)], body: &Value) -> Self {
        let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        let headers = headers.iter().map(owned).collect();
        Self::Replies(Reply { status, headers, body: body.to_string() })
    }

    /// Whether it is billed for.
    fn is_billed(&self) -> bool {
        match self {
            Self::Answers(_) | Self::Says(_) | Self::Hangs => true,
            Self::Replies(reply) => (200..300).contains(&reply.status),
            Self::Fails(error) => !matches!(error, CallError::Connect { .. }),
        }
    }

    /// Asks for patience, seconds.
    pub fn asks_for_patience(seconds: u64) -> Self {
        let body = json!({"type": "error", "error": {"type": "rate_limit_error", "message": "m"}});
        Self::replies(429, &[("retry-after", &seconds.to_string())], &body)
    }

    /// Fails with a status, as Anthropic does.
    pub fn fails_with(status: u16, kind: &str) -> Self {
        let body = json!({"type": "error", "error": {"type": kind, "message": "m"}});
        Self::replies(status, &[], &body)
    }
}

/// A provider with a script; at its end it goes on with the last line.
#[derive(Debug)]
pub struct FakeProvider {
    name: String,
    dialect: Dialect,
    usage: Usage,
    price: Price,
    script: Mutex<Script>,
    bodies: Mutex<Vec<String>>,
    ledger: Arc<Ledger>,
}

/// What it does, each after so long: once in turn, and then always.
#[derive(Debug)]
struct Script {
    once: VecDeque<(Duration, Does)>,
    always: (Duration, Does),
}

/// What came of the requests.
#[derive(Debug, Default)]
struct Ledger {
    arrived: AtomicUsize,
    aborted: AtomicUsize,
    in_flight: AtomicUsize,
    in_flight_max: AtomicUsize,
    billed: Mutex<Money>,
}

impl FakeProvider {
    /// A provider that always does this at once, and bills each request for a thousand tokens in and a
    /// hundred out at this price.
    pub fn new(name: &str, dialect: Dialect, price: Price, does: Does) -> Arc<Self> {
        let usage = Usage { input: 1_000, output: 100, ..Usage::default() };
        Arc::new(Self {
            name: name.to_owned(),
            dialect,
            usage,
            price,
            script: Mutex::new(Script { once: VecDeque::new(), always: (Duration::ZERO, does) }),
            bodies: Mutex::default(),
            ledger: Arc::default(),
        })
    }

    /// From now on it does this after so long.
    pub fn always(&self, after: Duration, does: Does) {
        let mut script = self.script.lock().unwrap_or_else(PoisonError::into_inner);
        *script = Script { once: VecDeque::new(), always: (after, does) };
    }

    /// Once this after so long, before it goes on as it did.
    pub fn once(&self, after: Duration, does: Does) {
        let mut script = self.script.lock().unwrap_or_else(PoisonError::into_inner);
        script.once.push_back((after, does));
    }

    /// Requests that have arrived.
    pub fn arrived(&self) -> usize {
        self.ledger.arrived.load(Ordering::SeqCst)
    }

    /// Requests that were cut off before it had replied.
    pub fn aborted(&self) -> usize {
        self.ledger.aborted.load(Ordering::SeqCst)
    }

    /// The most requests that were in its hands at once.
    pub fn in_flight_max(&self) -> usize {
        self.ledger.in_flight_max.load(Ordering::SeqCst)
    }

    /// What it has billed, whether anybody heard its answers or not.
    pub fn billed(&self) -> Money {
        *self.ledger.billed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What one request costs that it bills.
    pub fn bill(&self) -> Money {
        self.price.cost(&self.usage).unwrap_or(Money::ZERO)
    }

    /// The bodies that were asked, in their order.
    pub fn bodies(&self) -> Vec<String> {
        self.bodies.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// A finished answer as its dialect writes one.
    pub fn says(&self, text: &str) -> Reply {
        let Usage { input, output, .. } = self.usage;
        let body = match self.dialect {
            Dialect::Anthropic => json!({
                "id": "msg_1", "type": "message", "role": "assistant", "model": "served",
                "content": [{"type": "thinking", "thinking": "hm"}, {"type": "text", "text": text}],
                "stop_reason": "end_turn",
                "usage": {"input_tokens": input, "output_tokens": output},
            }),
            Dialect::OpenRouter | Dialect::OpenAi(_) => json!({
                "id": "gen-1", "model": "served", "provider": "host",
                "choices": [{"finish_reason": "stop", "message": {"content": text}}],
                "usage": {"prompt_tokens": input, "completion_tokens": output},
            }),
        };
        Reply { status: 200, headers: Vec::new(), body: body.to_string() }
    }
}

/// The part of a question that must be repeated, as the body of a request tells it.
pub fn echo_in(body: &str) -> Option<Value> {
    let read: Value = serde_json::from_str(body).ok()?;
    let messages = read["messages"].as_array()?;
    let told = messages.iter().rev().find_map(|message| message["content"].as_str())?;
    let found = told.lines().rev().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    found.into_iter().find(|value| value["as_of"].is_string() && value["round"].is_string())
}

/// The agent that asks.
pub fn agent_in(body: &str) -> Option<String> {
    let read: Value = serde_json::from_str(body).ok()?;
    let named = read["metadata"]["user_id"].as_str().or(read["session_id"].as_str())?;
    named.strip_prefix("agent:").map(str::to_owned)
}

/// An answer in its envelope.
pub fn enveloped(body: &str, answer: &Value) -> String {
    let mut whole = echo_in(body).unwrap_or_else(|| json!({}));
    whole["answer"] = answer.clone();
    whole.to_string()
}

/// A request in its hands: dropped before the reply, it was cut off.
struct InHand {
    ledger: Arc<Ledger>,
    is_replied: bool,
}

impl InHand {
    fn take(ledger: &Arc<Ledger>) -> Self {
        let now = ledger.in_flight.fetch_add(1, Ordering::SeqCst) + 1;
        ledger.in_flight_max.fetch_max(now, Ordering::SeqCst);
        Self { ledger: Arc::clone(ledger), is_replied: false }
    }

    fn replied(mut self) {
        self.is_replied = true;
    }
}

impl Drop for InHand {
    fn drop(&mut self) {
        self.ledger.in_flight.fetch_sub(1, Ordering::SeqCst);
        if !self.is_replied {
            self.ledger.aborted.fetch_add(1, Ordering::SeqCst);
        }
    }
}

impl Model for FakeProvider {
    fn provider(&self) -> &str {
        &self.name
    }

    fn dialect(&self) -> Dialect {
        self.dialect
    }

    fn endpoint(&self) -> &'static str {
        "memory:"
    }

    fn send(&self, call: Call) -> Sending {
        let mut script = self.script.lock().unwrap_or_else(PoisonError::into_inner);
        let (after, does) = script.once.pop_front().unwrap_or_else(|| script.always.clone());
        drop(script);
        self.bodies.lock().unwrap_or_else(PoisonError::into_inner).push(call.body.clone());
        self.ledger.arrived.fetch_add(1, Ordering::SeqCst);
        if does.is_billed() {
            let mut billed = self.ledger.billed.lock().unwrap_or_else(PoisonError::into_inner);
            *billed = billed.plus(self.bill()).unwrap_or(*billed);
        }
        let reply = match does {
            Does::Answers(answer) => {
                let agent = agent_in(&call.body).unwrap_or_default();
                Some(Ok(self.says(&enveloped(&call.body, &answer(&agent)))))
            }
            Does::Says(text) => Some(Ok(self.says(&text))),
            Does::Replies(reply) => Some(Ok(reply)),
            Does::Fails(error) => Some(Err(error)),
            Does::Hangs => None,
        };
        let in_hand = InHand::take(&self.ledger);
        Box::pin(async move {
            tokio::time::sleep(after).await;
            let Some(reply) = reply else { return std::future::pending().await };
            in_hand.replied();
            reply
        })
    }
}

/// A tape in memory.
#[derive(Debug, Default)]
pub struct MemoryTape {
    lines: Mutex<Vec<String>>,
    /// Who waits for a disk that hangs.
    waiting: Mutex<Option<Vec<Done<(), StoreError>>>>,
}

impl MemoryTape {
    /// Its lines.
    pub fn lines(&self) -> Vec<String> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// From now on lines are taken and never answered.
    pub fn hangs(&self) {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.get_or_insert_default();
    }
}

impl TapeSink for MemoryTape {
    fn write(&self, line: TapeLine, done: Done<(), StoreError>) {
        let text = serde_json::to_string(&line).unwrap_or_default();
        self.lines.lock().unwrap_or_else(PoisonError::into_inner).push(text);
        match &mut *self.waiting.lock().unwrap_or_else(PoisonError::into_inner) {
            Some(waiting) => waiting.push(done),
            None => done.answer(Ok(())),
        }
    }
}
