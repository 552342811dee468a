//! The stream of what becomes of orders. Nothing of it may be lost, so a slow listener slows the
//! stream, and a message that cannot be read is told: the listener asks for what it missed.

use conclave_domain::alpaca::stream::{TRADE_UPDATES, TradeUpdate, TradingMessage, TradingRequest};
use conclave_domain::alpaca::trouble::StreamTrouble;
use tokio::sync::mpsc::Sender;
use tokio::time::{Instant, timeout};

use super::wire::Wire;
use super::{BackOff, Lost, Next, READY_WITHIN, StreamEnd, StreamSettings};

/// What is heard of orders.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OrderNews {
    /// The stream is listened to from now on: what happened before must be asked for.
    Connected {
        /// The how manieth connection it is, from 1.
        nth: u64,
    },
    /// What happened to an order.
    Update(Box<TradeUpdate>),
    /// A message that cannot be read: what it told must be asked for.
    Unreadable {
        /// Where it is wrong; nothing of its text.
        why: String,
    },
    /// The stream is not listened to until the next `Connected`.
    Lost {
        /// Why.
        why: String,
    },
}

/// Follows an account's orders, over as many connections as it takes.
pub async fn follow_orders(settings: StreamSettings, out: Sender<OrderNews>) -> StreamEnd {
    let mut back_off = BackOff::new(&settings.url);
    let mut connections = 0;
    loop {
        let begun = Instant::now();
        let followed = tokio::select! {
            followed = follow_one(&settings, &out, &mut connections) => followed,
            () = out.closed() => Lost::Unheard,
        };
        tracing::warn!(error = %followed, "the stream of orders is not heard");
        let next = back_off.after(&followed, begun.elapsed());
        let why = settings.keys.scrub(followed.to_string());
        if !matches!(followed, Lost::Unheard) && out.send(OrderNews::Lost { why }).await.is_err() {
            return StreamEnd::NobodyListens;
        }
        match next {
            Next::End(end) => return end,
            Next::Again(pause) => tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = out.closed() => return StreamEnd::NobodyListens,
            },
        }
    }
}

/// One connection until it is lost.
async fn follow_one(
    settings: &StreamSettings,
    out: &Sender<OrderNews>,
    connections: &mut u64,
) -> Lost {
    let mut wire = match timeout(READY_WITHIN, ready(settings)).await {
        Ok(Ok(wire)) => wire,
        Ok(Err(lost)) => return lost,
        Err(_) => return Lost::Slow,
    };
    *connections += 1;
    if out.send(OrderNews::Connected { nth: *connections }).await.is_err() {
        return Lost::Unheard;
    }
    loop {
        let frame = match wire.hear().await {
            Ok(frame) => frame,
            Err(lost) => return lost,
        };
        let news = match TradingMessage::read(&frame) {
            Ok(TradingMessage::Update(update)) => OrderNews::Update(update),
            Ok(TradingMessage::Authorization { authorized: false }) => return refused(),
            Ok(_) => continue,
            Err(error) => OrderNews::Unreadable { why: error.to_string() },
        };
        if out.send(news).await.is_err() {
            return Lost::Unheard;
        }
    }
}

/// A connection that is let in and listens.
async fn ready(settings: &StreamSettings) -> Result<Wire, Lost> {
    let mut wire = Wire::open(&settings.url, settings.idle).await?;
    wire.say(TradingRequest::Authenticate(settings.keys.login()).write()).await?;
    loop {
        match TradingMessage::read(&wire.hear().await?) {
            Ok(TradingMessage::Authorization { authorized: true }) => {
                let streams = vec![TRADE_UPDATES.to_owned()];
                wire.say(TradingRequest::Listen { streams }.write()).await?;
            }
            Ok(TradingMessage::Authorization { authorized: false }) => return Err(refused()),
            Ok(TradingMessage::Listening { streams })
                if streams.iter().any(|stream| stream == TRADE_UPDATES) =>
            {
                return Ok(wire);
            }
            // Whatever else is said now belongs to nobody yet; the questions after it will find it.
            Ok(_) | Err(_) => {}
        }
    }
}

fn refused() -> Lost {
    Lost::Refused { trouble: StreamTrouble::Auth, msg: "the keys were not taken".to_owned() }
}
