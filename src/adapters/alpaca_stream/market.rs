//! The streams of market data: one connection per endpoint and account, one listener.

use conclave_domain::alpaca::stream::{Channels, DataMessage, DataRequest};
use conclave_domain::alpaca::trouble::{StreamRemedy, StreamTrouble};
use tokio::time::{Instant, timeout};

use super::inbox::{Heard, Inbox};
use super::wire::Wire;
use super::{BackOff, Lost, Next, READY_WITHIN, StreamEnd, StreamSettings};

/// Which stream of market data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DataStream {
    /// Shares, by the free feed.
    Iex,
    /// Shares, of all exchanges.
    Sip,
    /// Coins.
    Crypto,
}

impl DataStream {
    /// The stream of shares of a configured feed.
    pub fn of_feed(feed: &str) -> Self {
        if feed == "sip" { Self::Sip } else { Self::Iex }
    }

    /// Its address below that of the streams of market data.
    pub fn address(self, base: &str) -> String {
        let path = match self {
            Self::Iex => "v2/iex",
            Self::Sip => "v2/sip",
            Self::Crypto => "v1beta3/crypto/us",
        };
        format!("{}/{path}", base.trim_end_matches('/'))
    }
}

/// Follows a stream of market data, over as many connections as it takes; each is subscribed to the
/// same.
pub async fn follow_data(settings: StreamSettings, wanted: Channels, inbox: Inbox) -> StreamEnd {
    let mut back_off = BackOff::new(&settings.url);
    let mut connections = 0;
    loop {
        let begun = Instant::now();
        let lost = tokio::select! {
            lost = follow_one(&settings, &wanted, &inbox, &mut connections) => lost,
            () = inbox.closed() => Lost::Unheard,
        };
        tracing::warn!(error = %lost, "the stream of market data is not heard");
        let next = back_off.after(&lost, begun.elapsed());
        inbox.put(Heard::Lost { why: settings.keys.scrub(lost.to_string()) });
        match next {
            Next::End(end) => return end,
            Next::Again(pause) => tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = inbox.closed() => return StreamEnd::NobodyListens,
            },
        }
    }
}

async fn follow_one(
    settings: &StreamSettings,
    wanted: &Channels,
    inbox: &Inbox,
    connections: &mut u64,
) -> Lost {
    let mut wire = match timeout(READY_WITHIN, ready(settings, wanted)).await {
        Ok(Ok(wire)) => wire,
        Ok(Err(lost)) => return lost,
        Err(_) => return Lost::Slow,
    };
    *connections += 1;
    inbox.put(Heard::Connected { nth: *connections });
    loop {
        let messages = match hear(&mut wire).await {
            Ok(messages) => messages,
            Err(lost) => return lost,
        };
        for message in messages {
            match message {
                DataMessage::Error { code, msg } => {
                    if let Some(lost) = trouble(code, &msg) {
                        return lost;
                    }
                }
                DataMessage::Success { .. }
                | DataMessage::Subscription(_)
                | DataMessage::Other(_) => {}
                message => inbox.put(Heard::Message(message)),
            }
        }
    }
}

/// A connection that is let in and subscribed.
async fn ready(settings: &StreamSettings, wanted: &Channels) -> Result<Wire, Lost> {
    let unwritten = |error: serde_json::Error| Lost::Broken(error.to_string());
    let mut wire = Wire::open(&settings.url, settings.idle).await?;
    loop {
        for message in hear(&mut wire).await? {
            match message {
                DataMessage::Success { msg } if msg == "connected" => {
                    let auth = DataRequest::Auth(settings.keys.login());
                    wire.say(auth.write().map_err(unwritten)?).await?;
                }
                DataMessage::Success { msg } if msg == "authenticated" => {
                    let subscribe = DataRequest::Subscribe(wanted.clone());
                    wire.say(subscribe.write().map_err(unwritten)?).await?;
                }
                DataMessage::Subscription(_) => return Ok(wire),
                DataMessage::Error { code, msg } => {
                    if let Some(lost) = trouble(code, &msg) {
                        return Err(lost);
                    }
                }
                _ => {}
            }
        }
    }
}

/// The messages of the next frame. A frame that is no list ends the connection: what else is wrong
/// with it nobody knows.
async fn hear(wire: &mut Wire) -> Result<Vec<DataMessage>, Lost> {
    let frame = wire.hear().await?;
    DataMessage::read(&frame).map_err(|error| Lost::Broken(error.to_string()))
}

/// The end of a connection, where an error means it.
fn trouble(code: i64, msg: &str) -> Option<Lost> {
    let trouble = StreamTrouble::of(code);
    let msg = msg.chars().take(200).map(|it| if it.is_control() { ' ' } else { it }).collect();
    (trouble.remedy() != StreamRemedy::GoOn).then_some(Lost::Refused { trouble, msg })
}
