//! Hears what happens to orders, asks for what was missed, and compares the account.
//!
//! - O-4: exits are never blocked: news are heard while the account is compared, however long the broker
//!   takes to answer, so that a stop follows a fill at once.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use conclave_domain::alpaca::ours;
use tokio::sync::Notify;
use tokio::sync::mpsc::Receiver;
use tokio::time::{Instant, sleep_until};

use super::statement::Reader;
use crate::adapters::alpaca_stream::OrderNews;

/// How soon the account is compared after something that made no sense, or could not be asked.
const SOON: Duration = Duration::from_secs(5);

/// What is asked of the broker beside its news.
type Asking = Pin<Box<dyn Future<Output = Result<(), String>> + Send>>;

/// Who hears.
#[derive(Debug)]
pub(super) struct Ears {
    pub(super) reader: Reader,
    /// How often the account is compared without a reason.
    pub(super) every: Duration,
    /// Whoever has a reason says so here.
    pub(super) doubt: Arc<Notify>,
}

/// What news is a reason for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reason {
    /// Nothing.
    None,
    /// Something made no sense, or is not known.
    Doubt,
    /// What happened before now was not heard.
    Gap,
}

impl Ears {
    /// Hears until the stream is over for good, and from then on compares the account often.
    pub(super) async fn hear(self, mut heard: Receiver<OrderNews>) {
        let mut due = Instant::now() + self.every;
        let mut asking: Option<Asking> = None;
        let (mut is_deaf, mut has_gap) = (false, false);
        loop {
            tokio::select! {
                news = heard.recv(), if !is_deaf => match news {
                    None => is_deaf = true,
                    Some(news) => match self.take(news).await {
                        Reason::None => {}
                        Reason::Doubt => due = due.min(Instant::now() + SOON),
                        Reason::Gap => (due, has_gap) = (Instant::now(), true),
                    },
                },
                () = self.doubt.notified() => due = due.min(Instant::now() + SOON),
                done = answered(&mut asking) => {
                    asking = None;
                    let every = if is_deaf { SOON.min(self.every) } else { self.every };
                    if let Err(why) = &done {
                        tracing::warn!(why, "the account was not compared");
                    }
                    let pause = if done.is_ok() { every } else { SOON.min(self.every) };
                    // A reason that came meanwhile stands.
                    due = due.min(Instant::now() + pause);
                }
                () = sleep_until(due), if asking.is_none() => {
                    let (reader, missed) = (self.reader.clone(), std::mem::take(&mut has_gap));
                    due = Instant::now() + self.every;
                    asking = Some(Box::pin(async move {
                        if missed && !reader.catch_up().await {
                            tracing::warn!("not all that was missed could be asked for");
                        }
                        reader.reconcile().await
                    }));
                }
            }
        }
    }

    /// Takes news; says what they are a reason for.
    async fn take(&self, news: OrderNews) -> Reason {
        match news {
            OrderNews::Update(update) => {
                if ours::is_doubtful(&update) {
                    tracing::warn!(event = update.event.name(), "the account is not what it was");
                    return Reason::Doubt;
                }
                let reports = ours::heard(&update, self.reader.clock.trading());
                if reports.is_empty() {
                    return Reason::None;
                }
                match self.reader.council.broker.heard(reports).await {
                    Ok(doubts) if doubts.is_empty() => Reason::None,
                    Ok(_) | Err(_) => Reason::Doubt,
                }
            }
            OrderNews::Connected { .. } => Reason::Gap,
            OrderNews::Unreadable { why } | OrderNews::Lost { why } => {
                tracing::warn!(why, "news of orders may be missing");
                Reason::Doubt
            }
        }
    }
}

/// What came of what is asked; never where nothing is.
async fn answered(asking: &mut Option<Asking>) -> Result<(), String> {
    match asking {
        Some(asking) => asking.await,
        None => std::future::pending().await,
    }
}
