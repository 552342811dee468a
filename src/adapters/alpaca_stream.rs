//! Alpaca's streams: what becomes of orders, and market data as it happens.
//!
//! Neither stream repeats what was missed. So each connection that is ready says `Connected` to its
//! listener before anything else, and the listener fills what lies before it by questions over HTTP;
//! whatever did not fit a slow listener's queue is named as a gap, never dropped in silence.
//!
//! The functions here run until nobody listens any more, or until only a person can help; whoever
//! calls them owns the task that they run in.

mod inbox;
mod market;
mod orders;
mod wire;

use std::time::Duration;

use conclave_domain::alpaca::trouble::{StreamRemedy, StreamTrouble};
use conclave_domain::llm::backoff::Jitter;

pub use inbox::{Heard, Inbox, Listener};
pub use market::{DataStream, follow_data};
pub use orders::{OrderNews, follow_orders};

use crate::adapters::alpaca_http::{AlpacaError, Keys};

/// How long a connection may take until it is ready.
const READY_WITHIN: Duration = Duration::from_secs(10);
/// How long somebody else is given to let go of the only connection.
const OTHER_LETS_GO: Duration = Duration::from_secs(30);
/// A connection that lived so long counts as a good one: the next failure is the first again.
const GOOD_AFTER: Duration = Duration::from_mins(1);

/// A stream, and how it is listened to.
#[derive(Clone, Debug)]
pub struct StreamSettings {
    /// The whole address: `wss`, or `ws` on this machine.
    url: String,
    keys: Keys,
    /// How long it may be silent, pings included, before it counts as dead.
    idle: Duration,
}

impl StreamSettings {
    /// `name` is the address's key in the configuration.
    ///
    /// # Errors
    /// When the address is not taken, or the keys do not belong to it.
    pub fn new(
        name: &'static str,
        url: &str,
        keys: &Keys,
        idle: Duration,
    ) -> Result<Self, AlpacaError> {
        keys.may_open_stream(name, url)?;
        Ok(Self { url: url.to_owned(), keys: keys.clone(), idle })
    }
}

/// Why a stream is not followed any more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StreamEnd {
    /// Nobody listens.
    NobodyListens,
    /// Nobody but a person can help: keys, a subscription, too many symbols.
    Operator {
        /// Why.
        why: String,
    },
}

/// Why a connection is no more.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
enum Lost {
    /// The other side closed it.
    #[error("the stream was closed")]
    Closed,
    /// Nothing came, not even an answer to a ping.
    #[error("the stream is silent")]
    Silent,
    /// It was not ready in time.
    #[error("the stream was not ready in time")]
    Slow,
    /// It broke, or could not be made.
    #[error("the stream broke: {0}")]
    Broken(String),
    /// The other side said what is wrong.
    #[error("the stream refused ({}): {msg}", trouble.name())]
    Refused {
        /// What is wrong.
        trouble: StreamTrouble,
        /// The same for people.
        msg: String,
    },
    /// Nobody listens.
    #[error("nobody listens")]
    Unheard,
}

/// What is done after a loss.
enum Next {
    /// A new connection, after this pause.
    Again(Duration),
    /// Nothing.
    End(StreamEnd),
}

/// Pauses between connections: longer with each failure, short again after a good one.
struct BackOff {
    jitter: Jitter,
    failures: u32,
}

impl BackOff {
    fn new(url: &str) -> Self {
        Self { jitter: Jitter::of(&[url]), failures: 0 }
    }

    fn after(&mut self, lost: &Lost, lived: Duration) -> Next {
        let remedy = match lost {
            Lost::Unheard => return Next::End(StreamEnd::NobodyListens),
            Lost::Refused { trouble, .. } => trouble.remedy(),
            _ => StreamRemedy::Reconnect,
        };
        if GOOD_AFTER <= lived {
            self.failures = 0;
        }
        let pause = self.jitter.pause(self.failures);
        self.failures = self.failures.saturating_add(1);
        match remedy {
            StreamRemedy::Operator => Next::End(StreamEnd::Operator { why: lost.to_string() }),
            StreamRemedy::WaitForOther => Next::Again(OTHER_LETS_GO + pause),
            StreamRemedy::GoOn | StreamRemedy::Reconnect => Next::Again(pause),
        }
    }
}

#[cfg(test)]
mod tests;
