//! Hears what happens to orders, and asks for what was missed.

use std::time::Duration;

use conclave_domain::alpaca::ours;
use tokio::sync::mpsc::Receiver;
use tokio::time::{Instant, sleep_until};

use super::statement::Reader;
use crate::adapters::alpaca_stream::OrderNews;

/// How often the account is compared without a reason.
const EVERY: Duration = Duration::from_mins(30);
/// How soon it is compared after something that made no sense, or could not be asked.
const SOON: Duration = Duration::from_secs(5);

/// Hears until the stream is over for good, and from then on compares the account often.
pub(super) async fn hear(mut heard: Receiver<OrderNews>, reader: Reader) {
    let mut due = Instant::now() + EVERY;
    let mut is_deaf = false;
    loop {
        tokio::select! {
            news = heard.recv(), if !is_deaf => match news {
                Some(news) => {
                    if !take(news, &reader).await {
                        due = due.min(Instant::now() + SOON);
                    }
                }
                None => is_deaf = true,
            },
            () = sleep_until(due) => {
                let pause = match reader.reconcile().await {
                    Ok(()) if !is_deaf => EVERY,
                    Ok(()) => SOON,
                    Err(why) => {
                        tracing::warn!(why, "the account was not compared");
                        SOON
                    }
                };
                due = Instant::now() + pause;
            }
        }
    }
}

/// Whether everything made sense and was heard.
async fn take(news: OrderNews, reader: &Reader) -> bool {
    match news {
        OrderNews::Update(update) => {
            let Some(report) = ours::heard(&update, reader.clock.trading()) else { return true };
            let doubts = reader.council.broker.heard(vec![report]).await;
            doubts.is_ok_and(|doubts| doubts.is_empty())
        }
        OrderNews::Connected { .. } => reader.catch_up().await,
        OrderNews::Unreadable { why } | OrderNews::Lost { why } => {
            tracing::warn!(why, "news of orders may be missing");
            false
        }
    }
}
