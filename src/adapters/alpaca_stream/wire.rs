//! One connection: frames in, texts out, pings when it is quiet.

use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{Bytes, Error, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async_with_config};

use super::Lost;

/// The largest message that is read, bytes: a minute of every share has less.
const MESSAGE_MAX: usize = 8 << 20;
/// What is read at once, bytes. The library writes zeros over all of it before every read, which on the
/// way of a bar costs more than the bar where it is the library's own 128 KiB.
const READ_AT_ONCE: usize = 16 << 10;
/// The longest reason that is told, characters.
const WHY_MAX: usize = 160;

/// A connection.
pub(super) struct Wire {
    socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
    idle: Duration,
}

impl Wire {
    pub(super) async fn open(url: &str, idle: Duration) -> Result<Self, Lost> {
        // Several libraries bring a TLS provider; a second install is refused, which is fine.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let config = WebSocketConfig::default()
            .read_buffer_size(READ_AT_ONCE)
            .max_message_size(Some(MESSAGE_MAX))
            .max_frame_size(Some(MESSAGE_MAX));
        let opened = connect_async_with_config(url, Some(config), true).await;
        let (socket, _) = opened.map_err(broken)?;
        Ok(Self { socket, idle })
    }

    pub(super) async fn say(&mut self, text: String) -> Result<(), Lost> {
        self.socket.send(Message::text(text)).await.map_err(broken)
    }

    /// The next message, in text or in bytes. Where nothing comes for half of the patience a ping is
    /// sent, and whatever answers is a sign of life.
    pub(super) async fn hear(&mut self) -> Result<Bytes, Lost> {
        let mut is_pinged = false;
        loop {
            let heard = match timeout(self.idle / 2, self.socket.next()).await {
                Ok(heard) => heard,
                Err(_) if is_pinged => return Err(Lost::Silent),
                Err(_) => {
                    is_pinged = true;
                    let ping = self.socket.send(Message::Ping(Bytes::new()));
                    match timeout(self.idle / 2, ping).await {
                        Ok(sent) => sent.map_err(broken)?,
                        Err(_) => return Err(Lost::Silent),
                    }
                    continue;
                }
            };
            match heard {
                None | Some(Ok(Message::Close(_))) => return Err(Lost::Closed),
                Some(Err(error)) => return Err(broken(error)),
                Some(Ok(Message::Text(text))) => return Ok(text.into()),
                Some(Ok(Message::Binary(bytes))) => return Ok(bytes),
                // The library answers pings by itself.
                Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_))) => {
                    is_pinged = false;
                }
            }
        }
    }
}

/// Why it broke. No text of the library holds what was sent.
#[expect(clippy::needless_pass_by_value, reason = "what `map_err` gives")]
fn broken(error: Error) -> Lost {
    match &error {
        Error::ConnectionClosed | Error::AlreadyClosed => Lost::Closed,
        Error::Http(response) => {
            Lost::Broken(format!("the server answered with {}", response.status().as_u16()))
        }
        _ => Lost::Broken(error.to_string().chars().take(WHY_MAX).collect()),
    }
}
