//! `/stream`: what happens to the orders of an account, as it happens.
//!
//! Frames are binary with JSON inside, as on paper. Nothing is told twice and nothing is kept: whoever
//! was away asks by request what happened meanwhile.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::State;
use axum::extract::ws::{CloseFrame, Message, WebSocket, WebSocketUpgrade};
use axum::response::Response;
use serde_json::{Value, json};
use tokio::sync::broadcast::error::RecvError;

use super::floor::{Floor, Note};

/// How long somebody may take to say who they are.
const PATIENCE: Duration = Duration::from_secs(10);
/// The largest message that a client sends, bytes.
pub(super) const MESSAGE_MAX: usize = 64 << 10;

/// `GET /stream`.
pub(super) async fn open(State(floor): State<Arc<Floor>>, socket: WebSocketUpgrade) -> Response {
    socket.max_message_size(MESSAGE_MAX).on_upgrade(|socket| serve(floor, socket))
}

/// A client's message as JSON; `None` once it has gone.
pub(super) async fn heard(socket: &mut WebSocket) -> Option<Result<Value, ()>> {
    loop {
        let message = match socket.recv().await? {
            Ok(Message::Text(text)) => serde_json::from_str(&text).map_err(drop),
            Ok(Message::Binary(bytes)) => serde_json::from_slice(&bytes).map_err(drop),
            Ok(Message::Ping(_) | Message::Pong(_)) => continue,
            Ok(Message::Close(_)) | Err(_) => return None,
        };
        return Some(message);
    }
}

async fn say(socket: &mut WebSocket, text: &str) -> Option<()> {
    socket.send(Message::Binary(Bytes::copy_from_slice(text.as_bytes()))).await.ok()
}

/// Serves one client until it goes, or is cut off.
async fn serve(floor: Arc<Floor>, mut socket: WebSocket) {
    if talk(&floor, &mut socket).await.is_none() {
        tracing::debug!("a client of the trading stream has gone");
    }
    let frame = CloseFrame { code: 1000, reason: "".into() };
    let _ = socket.send(Message::Close(Some(frame))).await;
}

async fn talk(floor: &Floor, socket: &mut WebSocket) -> Option<()> {
    let account = tokio::time::timeout(PATIENCE, authorized(floor, socket)).await.ok()??;
    // Whoever listens hears what happens from here on, before they have said what they want.
    let mut notes = floor.listen();
    // After that, so that a gap which begins now is heard of.
    if floor.is_shut(0) {
        return None;
    }
    let mut is_listening = false;
    loop {
        tokio::select! {
            biased;
            asked = heard(socket) => {
                let asked = asked?.unwrap_or(Value::Null);
                is_listening = answer(socket, &asked, is_listening).await?;
            }
            note = notes.recv() => match note {
                Ok(Note::Order { account: of, text }) if of == account && is_listening => {
                    say(socket, &text).await?;
                }
                Ok(Note::CutOrders) | Err(RecvError::Closed | RecvError::Lagged(_)) => return None,
                Ok(_) => {}
            }
        }
    }
}

/// Who it is: asked until they have said it rightly once.
async fn authorized(floor: &Floor, socket: &mut WebSocket) -> Option<u16> {
    loop {
        let asked = heard(socket).await?.unwrap_or(Value::Null);
        let action = asked["action"].as_str();
        if !matches!(action, Some("authenticate" | "auth")) {
            let text = json!({"stream": "authorization", "data": {
                "action": "authenticate", "status": "unauthorized"}});
            say(socket, &text.to_string()).await?;
            continue;
        }
        let field = |long: &str, short: &str| {
            let nested = asked["data"][long].as_str();
            nested.or(asked[short].as_str()).unwrap_or_default().to_owned()
        };
        let account = floor.account_of(&field("key_id", "key"), &field("secret_key", "secret"));
        let status = if account.is_some() { "authorized" } else { "unauthorized" };
        let text = json!({"stream": "authorization", "data": {
            "action": "authenticate", "status": status}});
        say(socket, &text.to_string()).await?;
        if account.is_some() {
            return account;
        }
    }
}

/// Answers what a known client asks; says whether it listens now.
async fn answer(socket: &mut WebSocket, asked: &Value, is_listening: bool) -> Option<bool> {
    if asked["action"] != "listen" {
        let text = json!({"stream": "listening", "data": {"error": "unknown action"}});
        say(socket, &text.to_string()).await?;
        return Some(is_listening);
    }
    let streams = asked["data"]["streams"].as_array();
    let wants = streams.is_some_and(|streams| streams.iter().any(|it| it == "trade_updates"));
    let streams = if wants { json!(["trade_updates"]) } else { json!([]) };
    let text = json!({"stream": "listening", "data": {"streams": streams}});
    say(socket, &text.to_string()).await?;
    Some(wants)
}
