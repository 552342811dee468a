//! The messages of both streams: trade updates of an account, and market data.
//!
//! A frame of market data holds many messages. One that cannot be read is named and takes no other
//! with it; a kind that is not known passes.

mod market;
mod trading;

use std::fmt;

pub use market::{BarKind, Channels, DataMessage, DataRequest};
pub use trading::{TRADE_UPDATES, TradeUpdate, TradingMessage, TradingRequest};

/// A pair of keys as it is shown to a stream. Its debug output shows nothing of it.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Login {
    /// The id of the key.
    pub key: String,
    /// The secret.
    pub secret: String,
}

impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Login(..)")
    }
}

/// A frame that is not what the contract says.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a frame of the {stream} stream cannot be read: {why}")]
pub struct FrameError {
    stream: &'static str,
    why: String,
}

/// The place of a fault, and never the text: a frame may hold keys.
fn fault(stream: &'static str) -> impl Fn(serde_json::Error) -> FrameError {
    move |error| FrameError {
        stream,
        why: format!("{:?} at line {} column {}", error.classify(), error.line(), error.column()),
    }
}
