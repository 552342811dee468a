//! `/v2/iex`, `/v2/sip`, `/v2/test` and `/v1beta3/crypto/us`: prices and bars as they come.
//!
//! One connection for each account and endpoint: a second one is refused with 406, and one that reads
//! too slowly is cut off with 407. A client whose first header asks for `MessagePack` gets it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::extract::State;
use axum::extract::ws::{Message, WebSocket, WebSocketUpgrade};
use axum::http::HeaderMap;
use axum::response::Response;
use serde_json::{Value, json};
use tokio::sync::broadcast::error::RecvError;

use super::floor::{Floor, Note};
use super::market::Topic;
use super::pack;
use super::stream::MESSAGE_MAX;

/// How long somebody may take to say who they are.
const PATIENCE: Duration = Duration::from_secs(10);
/// The channels of the data stream.
const CHANNELS: [&str; 8] = [
    "trades",
    "quotes",
    "bars",
    "updatedBars",
    "dailyBars",
    "statuses",
    "corrections",
    "cancelErrors",
];

/// Which endpoints are in use, by account.
pub(super) type InUse = Arc<Mutex<BTreeSet<(u16, &'static str)>>>;

/// A data stream's endpoint.
#[derive(Clone, Debug)]
pub(super) struct Endpoint {
    pub(super) floor: Arc<Floor>,
    pub(super) in_use: InUse,
    /// Its name; coins have one of their own.
    pub(super) name: &'static str,
}

/// The endpoint's name for coins.
pub(super) const CRYPTO: &str = "crypto";

/// `GET` of an endpoint.
pub(super) async fn open(
    State(endpoint): State<Endpoint>,
    headers: HeaderMap,
    socket: WebSocketUpgrade,
) -> Response {
    let kind = headers.get("content-type").and_then(|value| value.to_str().ok());
    let is_packed = kind == Some("application/msgpack");
    let socket = socket.max_message_size(MESSAGE_MAX);
    socket.on_upgrade(move |socket| async move {
        let mut client = Client { socket, is_packed };
        talk(&endpoint, &mut client).await;
        let _ = client.socket.send(Message::Close(None)).await;
    })
}

struct Client {
    socket: WebSocket,
    is_packed: bool,
}

impl Client {
    /// Sends a list of messages.
    async fn say(&mut self, messages: &Value) -> Option<()> {
        let message = if self.is_packed {
            let mut bytes = Vec::with_capacity(256);
            pack::write(messages, &mut bytes);
            Message::Binary(bytes.into())
        } else {
            Message::Text(messages.to_string().into())
        };
        self.socket.send(message).await.ok()
    }

    async fn fail(&mut self, code: u16, text: &str) -> Option<()> {
        self.say(&json!([{"T": "error", "code": code, "msg": text}])).await
    }

    /// What the client asks; `None` once it has gone.
    async fn heard(&mut self) -> Option<Result<Value, ()>> {
        loop {
            return Some(match self.socket.recv().await? {
                Ok(Message::Text(text)) => serde_json::from_str(&text).map_err(drop),
                Ok(Message::Binary(bytes)) if self.is_packed => pack::read(&bytes).ok_or(()),
                Ok(Message::Binary(bytes)) => serde_json::from_slice(&bytes).map_err(drop),
                Ok(Message::Ping(_) | Message::Pong(_)) => continue,
                Ok(Message::Close(_)) | Err(_) => return None,
            });
        }
    }
}

/// An endpoint in use; free again when this is dropped.
struct Seat {
    in_use: InUse,
    of: (u16, &'static str),
}

impl Seat {
    fn take(endpoint: &Endpoint, account: u16) -> Option<Self> {
        let of = (account, endpoint.name);
        let mut in_use = endpoint.in_use.lock().unwrap_or_else(PoisonError::into_inner);
        in_use.insert(of).then(|| Self { in_use: Arc::clone(&endpoint.in_use), of })
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.in_use.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.of);
    }
}

async fn talk(endpoint: &Endpoint, client: &mut Client) -> Option<()> {
    client.say(&json!([{"T": "success", "msg": "connected"}])).await?;
    let account = match tokio::time::timeout(PATIENCE, authorized(endpoint, client)).await {
        Ok(account) => account?,
        Err(_) => return client.fail(404, "auth timeout").await,
    };
    let Some(_seat) = Seat::take(endpoint, account) else {
        return client.fail(406, "connection limit exceeded").await;
    };
    client.say(&json!([{"T": "success", "msg": "authenticated"}])).await?;
    let mut notes = endpoint.floor.listen();
    // After that, so that a gap which begins now is heard of.
    if endpoint.floor.is_shut(1) {
        return None;
    }
    let mut wanted = Wanted::default();
    loop {
        tokio::select! {
            biased;
            asked = client.heard() => answer(client, asked?, &mut wanted).await?,
            note = notes.recv() => match note {
                Ok(Note::Market { topic, message }) => {
                    if (endpoint.name == CRYPTO) == topic.is_coin && wanted.has(&topic) {
                        client.say(&json!([&*message])).await?;
                    }
                }
                Ok(Note::CutMarket) | Err(RecvError::Closed) => return None,
                Err(RecvError::Lagged(_)) => return client.fail(407, "slow client").await,
                Ok(Note::Order { .. } | Note::CutOrders) => {}
            }
        }
    }
}

/// Who it is; `None` when they have said it wrongly, or have gone.
async fn authorized(endpoint: &Endpoint, client: &mut Client) -> Option<u16> {
    loop {
        let Ok(asked) = client.heard().await? else {
            client.fail(400, "invalid syntax").await?;
            continue;
        };
        if asked["action"] != "auth" {
            client.fail(401, "not authenticated").await?;
            continue;
        }
        let field = |name: &str| asked[name].as_str().unwrap_or_default().to_owned();
        let account = endpoint.floor.account_of(&field("key"), &field("secret"));
        if account.is_none() {
            client.fail(402, "auth failed").await?;
        }
        return account;
    }
}

/// What a client wants to hear.
#[derive(Debug, Default)]
struct Wanted(BTreeMap<&'static str, BTreeSet<String>>);

/// Symbols that a client may want in one channel.
const SYMBOLS_MAX: usize = 10_000;

impl Wanted {
    fn has(&self, topic: &Topic) -> bool {
        let symbols = self.0.get(topic.channel);
        symbols.is_some_and(|it| it.contains("*") || it.contains(&topic.symbol))
    }

    /// Adds or takes away; `None` when it is no such request, `Some(false)` when it is too much.
    fn change(&mut self, asked: &Value, adds: bool) -> Option<bool> {
        for channel in CHANNELS {
            let Some(symbols) = asked.get(channel) else { continue };
            let symbols = symbols.as_array()?;
            let of = self.0.entry(channel).or_default();
            for symbol in symbols {
                let symbol = symbol.as_str()?.to_owned();
                if adds {
                    of.insert(symbol);
                } else {
                    of.remove(&symbol);
                }
            }
            if SYMBOLS_MAX < of.len() {
                return Some(false);
            }
        }
        Some(true)
    }

    fn shown(&self) -> Value {
        let mut shown = json!({"T": "subscription"});
        if let Some(fields) = shown.as_object_mut() {
            for channel in CHANNELS {
                let symbols = self.0.get(channel).cloned().unwrap_or_default();
                fields.insert(channel.to_owned(), json!(symbols));
            }
        }
        json!([shown])
    }
}

async fn answer(client: &mut Client, asked: Result<Value, ()>, wanted: &mut Wanted) -> Option<()> {
    let Ok(asked) = asked else { return client.fail(400, "invalid syntax").await };
    let adds = match asked["action"].as_str() {
        Some("subscribe") => true,
        Some("unsubscribe") => false,
        Some("auth") => return client.fail(403, "already authenticated").await,
        _ => return client.fail(400, "invalid syntax").await,
    };
    match wanted.change(&asked, adds) {
        Some(true) => client.say(&wanted.shown()).await,
        Some(false) => client.fail(405, "symbol limit exceeded").await,
        None => client.fail(400, "invalid syntax").await,
    }
}
