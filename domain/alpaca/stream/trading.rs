//! The stream of an account's orders. On paper its frames are binary, with the same text inside.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::{FrameError, Login, fault};
use crate::alpaca::number::{Stamp, maybe_text, or_default};
use crate::alpaca::order::Order;
use crate::alpaca::word::UpdateEvent;
use crate::fixed::{Price, Qty};

/// The name of the stream of an account's orders.
pub const TRADE_UPDATES: &str = "trade_updates";

/// What was heard of an order: the data of one `trade_updates` message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TradeUpdate {
    /// What happened.
    pub event: UpdateEvent,
    /// The broker's name of it, unique and sortable in newer versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event_id: Option<String>,
    /// Of a fill: its own name; a duplicate is known by it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub execution_id: Option<String>,
    /// Of a fill: at which price.
    #[serde(with = "maybe_text", default, skip_serializing_if = "Option::is_none")]
    pub price: Option<Price>,
    /// Of a fill: how much.
    #[serde(with = "maybe_text", default, skip_serializing_if = "Option::is_none")]
    pub qty: Option<Qty>,
    /// Of a fill: the whole position afterwards.
    #[serde(with = "maybe_text", default, skip_serializing_if = "Option::is_none")]
    pub position_qty: Option<Qty>,
    /// When it happened.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timestamp: Option<Stamp>,
    /// The order afterwards; its `legs` are never given here.
    pub order: Order,
}

/// What the stream of trade updates sends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TradingMessage {
    /// The answer to the keys.
    Authorization {
        /// Whether they were taken.
        authorized: bool,
    },
    /// What is listened to now.
    Listening {
        /// The streams.
        streams: Vec<String>,
    },
    /// News of an order.
    Update(Box<TradeUpdate>),
    /// Something that is not known here, by its name.
    Other(String),
}

#[derive(Serialize, Deserialize)]
struct Envelope<'a> {
    stream: std::borrow::Cow<'a, str>,
    #[serde(borrow)]
    data: &'a RawValue,
}

#[derive(Serialize, Deserialize)]
struct AuthorizationData {
    #[serde(deserialize_with = "or_default", default)]
    status: String,
    #[serde(deserialize_with = "or_default", default)]
    action: String,
}

#[derive(Serialize, Deserialize)]
struct Streams {
    #[serde(deserialize_with = "or_default", default)]
    streams: Vec<String>,
}

impl TradingMessage {
    /// Reads a frame: one message, in text or in the bytes of it.
    ///
    /// # Errors
    /// When it is no such message; no text of it is told.
    pub fn read(frame: &[u8]) -> Result<Self, FrameError> {
        let fault = fault("trading");
        let envelope: Envelope<'_> = serde_json::from_slice(frame).map_err(&fault)?;
        let data = envelope.data.get();
        match &*envelope.stream {
            "authorization" => {
                let data: AuthorizationData = serde_json::from_str(data).map_err(fault)?;
                Ok(Self::Authorization { authorized: data.status == "authorized" })
            }
            "listening" => {
                let data: Streams = serde_json::from_str(data).map_err(fault)?;
                Ok(Self::Listening { streams: data.streams })
            }
            TRADE_UPDATES => Ok(Self::Update(Box::new(serde_json::from_str(data).map_err(fault)?))),
            other => Ok(Self::Other(other.chars().take(40).collect())),
        }
    }

    /// Writes a frame.
    ///
    /// # Errors
    /// When it has no text, which no message of this type has.
    pub fn write(&self) -> Result<String, serde_json::Error> {
        let (stream, data) = match self {
            Self::Authorization { authorized } => {
                let status = if *authorized { "authorized" } else { "unauthorized" };
                let data = AuthorizationData {
                    status: status.to_owned(),
                    action: "authenticate".to_owned(),
                };
                ("authorization", serde_json::value::to_raw_value(&data)?)
            }
            Self::Listening { streams } => {
                let data = Streams { streams: streams.clone() };
                ("listening", serde_json::value::to_raw_value(&data)?)
            }
            Self::Update(update) => (TRADE_UPDATES, serde_json::value::to_raw_value(update)?),
            Self::Other(name) => (name.as_str(), serde_json::value::to_raw_value(&())?),
        };
        serde_json::to_string(&Envelope { stream: stream.into(), data: &data })
    }
}

/// What is said to the stream of trade updates.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TradingRequest {
    /// The keys.
    Authenticate(Login),
    /// What shall be listened to.
    Listen {
        /// The streams.
        streams: Vec<String>,
    },
}

/// Both forms of a request: keys below `data`, and beside the action.
#[derive(Default, Deserialize)]
#[serde(default)]
struct RequestForm {
    action: String,
    key: Option<String>,
    secret: Option<String>,
    data: RequestData,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct RequestData {
    key_id: Option<String>,
    secret_key: Option<String>,
    streams: Vec<String>,
}

impl TradingRequest {
    /// Reads a frame.
    ///
    /// # Errors
    /// When it is no request; no text of it is told.
    pub fn read(frame: &[u8]) -> Result<Self, FrameError> {
        let form: RequestForm = serde_json::from_slice(frame).map_err(fault("trading"))?;
        match form.action.as_str() {
            "authenticate" | "auth" => Ok(Self::Authenticate(Login {
                key: form.data.key_id.or(form.key).unwrap_or_default(),
                secret: form.data.secret_key.or(form.secret).unwrap_or_default(),
            })),
            "listen" => Ok(Self::Listen { streams: form.data.streams }),
            _ => Err(FrameError { stream: "trading", why: "its action is not known".to_owned() }),
        }
    }

    /// Writes a frame.
    pub fn write(&self) -> String {
        let value = match self {
            Self::Authenticate(Login { key, secret }) => serde_json::json!({
                "action": "authenticate",
                "data": {"key_id": key, "secret_key": secret},
            }),
            Self::Listen { streams } => {
                serde_json::json!({"action": "listen", "data": {"streams": streams}})
            }
        };
        value.to_string()
    }
}
