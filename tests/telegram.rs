//! Telegram, Slack and a webhook on loopback: what they were told stands in their books, what persons say
//! is put in by the test, and they fail on request.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Response};
use axum::routing::post;
use serde_json::{Value, json};
use tokio::runtime::Runtime;

/// The bot's token; `marked` stands in no output of ours.
pub(crate) const TOKEN: &str = "4242:marked-token-of-the-bot";
/// Who may command, and where.
pub(crate) const ADA: i64 = 11;
pub(crate) const CHAT: i64 = 11;
pub(crate) const GROUP: i64 = -77;

#[derive(Debug, Default)]
struct Books {
    calls: Mutex<Vec<(String, Value)>>,
    hooks: Mutex<Vec<(HeaderMap, String)>>,
    updates: Mutex<Vec<Value>>,
    next: AtomicI64,
    /// Looks for news that are told somebody else looks.
    conflicts: AtomicUsize,
    /// Messages that are told to wait a second.
    busy: AtomicUsize,
    /// Whether everything fails.
    is_down: Mutex<bool>,
}

impl Books {
    fn is_down(&self) -> bool {
        *self.is_down.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn takes(count: &AtomicUsize) -> bool {
    count.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_ok()
}

/// The server; serves until it is dropped.
pub(crate) struct Telegram {
    address: SocketAddr,
    books: Arc<Books>,
    _runtime: Runtime,
}

impl Telegram {
    pub(crate) fn new() -> Self {
        let mut runtime = tokio::runtime::Builder::new_multi_thread();
        let runtime = runtime.worker_threads(1).enable_all().build().expect("a runtime");
        let books = Arc::<Books>::default();
        let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0"));
        let listener = listener.expect("a port");
        let address = listener.local_addr().expect("an address");
        let routes = Router::new()
            .route("/hook", post(hook))
            .route("/{bot}/{method}", post(method))
            .with_state(Arc::clone(&books));
        runtime.spawn(async move { axum::serve(listener, routes).await });
        Self { address, books, _runtime: runtime }
    }

    /// The section of a configuration that tells us everything of `kinds`, and lets Ada command.
    pub(crate) fn config(&self, kinds: &str) -> String {
        let url = self.url("");
        format!(
            "[notify]\ntelegram_url = \"{url}\"\ntelegram = \"{kinds}\"\ntelegram_users = \"{ADA}\"\n\
             telegram_chats = \"{CHAT},{GROUP}\"\n"
        )
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    pub(crate) fn conflicts(&self, count: usize) {
        self.books.conflicts.store(count, Ordering::SeqCst);
    }

    pub(crate) fn busy(&self, count: usize) {
        self.books.busy.store(count, Ordering::SeqCst);
    }

    pub(crate) fn goes_down(&self, is_down: bool) {
        *self.books.is_down.lock().unwrap_or_else(PoisonError::into_inner) = is_down;
    }

    /// The bodies of the calls of one method so far.
    pub(crate) fn calls(&self, method: &str) -> Vec<Value> {
        let calls = self.books.calls.lock().unwrap_or_else(PoisonError::into_inner);
        calls.iter().filter(|(name, _)| name == method).map(|(_, body)| body.clone()).collect()
    }

    /// The requests that hooks took, with their headers.
    pub(crate) fn hooks(&self) -> Vec<(HeaderMap, String)> {
        self.books.hooks.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The text of the messages in a chat, oldest first.
    pub(crate) fn told(&self, chat: i64) -> Vec<String> {
        let sent = self.calls("sendMessage").into_iter();
        let here = sent.filter(|body| body["chat_id"] == chat);
        here.map(|body| body["text"].as_str().unwrap_or_default().to_owned()).collect()
    }

    fn put(&self, mut update: Value) {
        let id = self.books.next.fetch_add(1, Ordering::SeqCst) + 1;
        update["update_id"] = id.into();
        self.books.updates.lock().unwrap_or_else(PoisonError::into_inner).push(update);
    }

    /// Somebody says something; `age_s` seconds ago.
    pub(crate) fn say(&self, user: i64, chat: i64, text: &str, age_s: i64) {
        let now = jiff::Timestamp::now().as_second();
        let from = json!({"id": user, "first_name": "Ada", "is_bot": false});
        self.put(json!({"message": {"message_id": 1, "from": from, "date": now - age_s,
            "chat": {"id": chat, "type": "private"}, "text": text}}));
    }

    /// Somebody presses the button that carries `data`, under a message of a chat.
    pub(crate) fn press(&self, user: i64, chat: i64, message: i64, data: &str) {
        let from = json!({"id": user, "first_name": "Ada"});
        let id = self.books.next.load(Ordering::SeqCst).to_string();
        self.put(json!({"callback_query": {"id": id, "from": from, "data": data,
            "message": {"message_id": message, "chat": {"id": chat}, "date": 1}}}));
    }

    /// Whether everything that was put in has been acknowledged.
    pub(crate) fn is_heard(&self) -> bool {
        self.books.updates.lock().unwrap_or_else(PoisonError::into_inner).is_empty()
    }
}

async fn hook(State(books): State<Arc<Books>>, headers: HeaderMap, body: String) -> Response {
    if books.is_down() {
        return StatusCode::SERVICE_UNAVAILABLE.into_response();
    }
    books.hooks.lock().unwrap_or_else(PoisonError::into_inner).push((headers, body));
    "ok".into_response()
}

async fn method(
    State(books): State<Arc<Books>>,
    Path((bot, method)): Path<(String, String)>,
    body: Bytes,
) -> Response {
    let refuse = |code: u16, text: &str, more: Value| {
        let body =
            json!({"ok": false, "error_code": code, "description": text, "parameters": more});
        (StatusCode::from_u16(code).expect("a status"), body.to_string()).into_response()
    };
    if bot != format!("bot{TOKEN}") {
        return refuse(401, "Unauthorized", json!({}));
    }
    if books.is_down() {
        return StatusCode::BAD_GATEWAY.into_response();
    }
    let body: Value = serde_json::from_slice(&body).unwrap_or_default();
    let result = match method.as_str() {
        "getMe" => json!({"id": 4242, "is_bot": true, "username": "conclave_bot"}),
        "getUpdates" if takes(&books.conflicts) => return refuse(409, "Conflict", json!({})),
        "getUpdates" => news(&books, body["offset"].as_i64().unwrap_or(0)).await,
        "sendMessage" if takes(&books.busy) => {
            return refuse(429, "Too Many Requests", json!({"retry_after": 1}));
        }
        _ => {
            let mut calls = books.calls.lock().unwrap_or_else(PoisonError::into_inner);
            let mut kept = body.clone();
            if method == "sendMessage" {
                kept["sent_as"] = (calls.len() + 1).into();
            }
            calls.push((method.clone(), kept));
            json!({"message_id": calls.len(), "chat": {"id": body["chat_id"]}, "date": 1})
        }
    };
    json!({"ok": true, "result": result}).to_string().into_response()
}

async fn news(books: &Books, offset: i64) -> Value {
    for _ in 0..20 {
        let waiting = {
            let mut updates = books.updates.lock().unwrap_or_else(PoisonError::into_inner);
            updates.retain(|update| update["update_id"].as_i64() >= Some(offset));
            updates.clone()
        };
        if !waiting.is_empty() {
            return waiting.into();
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    json!([])
}
