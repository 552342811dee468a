//! A council at one moment between two bars, to be stored and gone on from.
//!
//! - G-2: a restart gives nothing back: the budgets are as they were, not full.
//!
//! The log's end is read first and must still be the end when everything else has been gathered.
//! Whatever happens meanwhile then either stands behind that end, where a replay finds it, or makes
//! the moment none: it is taken again at the next bar.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use conclave_domain::context::BookKind;
use conclave_domain::record::Head;
use conclave_domain::time::Time;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use crate::broker::Account;
use crate::council::Council;
use crate::runtime::ports::AuditError;
use crate::safety::LiveSafety;
use crate::score::StoredScore;
use crate::universe::StoredRolls;

/// Everything of a council that the decisions to come depend on, as of one moment at which every
/// effect is booked. The windows of features and regimes are no part of it: they are what a pass
/// over the same bars gives.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Moment {
    /// The end of the stream of decisions; on the disk.
    pub head: Head,
    /// Every account.
    pub accounts: BTreeMap<BookKind, Account>,
    /// Budgets, modes and the trading state.
    pub safety: LiveSafety,
    /// What was counted.
    pub score: StoredScore,
    /// The number of the last round.
    pub rounds: u64,
    /// Who may be entered, where the run has a universe.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub universe: Option<StoredRolls>,
}

/// Why there is no moment.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoMoment {
    /// Something is under way: a save of safety, an act of a person.
    #[error("something is under way")]
    Busy,
    /// The log could not be brought to the disk.
    #[error("the log is not known to be on the disk")]
    Log(#[from] AuditError),
    /// The broker is gone; the run ends in its next step.
    #[error("the broker is gone")]
    Broker,
}

impl Moment {
    /// Market time up to which everything was played.
    pub fn until(&self) -> Option<Time> {
        self.accounts.values().map(|account| account.custody.now()).max()
    }
}

/// A wish for a checkpoint at the next opportunity, whatever the time: somebody has done something
/// that a second pass over the bars would not bring about. It also knows who is doing it just now.
#[derive(Clone, Debug, Default)]
pub struct Hurry(Arc<Wishes>);

#[derive(Debug, Default)]
struct Wishes {
    is_wished: AtomicBool,
    turns: watch::Sender<Turns>,
}

/// Who is at work: persons' orders, a bar, or neither.
#[derive(Debug, Default)]
struct Turns {
    /// How many persons' orders are being carried out.
    acts: usize,
    /// Whether a bar is in hand.
    is_bar: bool,
}

/// How long bars wait for a person's order to be carried out, and those that can wait for the bar in hand.
const PATIENCE: Duration = Duration::from_secs(1);

/// A person's order that is being carried out.
#[derive(Debug)]
pub struct Act(Arc<Wishes>);

impl Drop for Act {
    fn drop(&mut self) {
        self.0.turns.send_modify(|turns| turns.acts = turns.acts.saturating_sub(1));
    }
}

impl Hurry {
    /// Wishes for one.
    pub fn wish(&self) {
        self.0.is_wished.store(true, Ordering::SeqCst);
    }

    /// Whether somebody has wished for one.
    pub fn is_wished(&self) -> bool {
        self.0.is_wished.load(Ordering::SeqCst)
    }

    /// It is being taken: a wish from now on is for another one.
    pub fn granted(&self) {
        self.0.is_wished.store(false, Ordering::SeqCst);
    }

    /// A person's order begins; it ends when what is returned is dropped.
    pub fn act(&self) -> Act {
        self.0.turns.send_modify(|turns| turns.acts += 1);
        Act(Arc::clone(&self.0))
    }

    /// Waits until no bar is in hand, for a second at most: what a person allows stands in the log between
    /// two bars, where a replay does it again. Whatever takes risk away does not wait here.
    pub async fn between_bars(&self) {
        let mut turns = self.0.turns.subscribe();
        let over = turns.wait_for(|turns| !turns.is_bar);
        if tokio::time::timeout(PATIENCE, over).await.is_err() {
            tracing::debug!("a person's order is carried out while a bar is in hand");
        }
    }

    /// The bar in hand is over.
    pub fn rest(&self) {
        self.0.turns.send_if_modified(|turns| std::mem::take(&mut turns.is_bar));
    }

    /// Waits until no person's order is being carried out, for a second at most: so that everything
    /// that follows from one stands in the log before the next bar does, and a replay finds it there. From
    /// then on a bar is in hand.
    pub async fn quiet(&self) {
        let mut turns = self.0.turns.subscribe();
        let quiet = async {
            while turns.wait_for(|turns| turns.acts == 0).await.is_ok() && !self.take_up(0) {}
        };
        if tokio::time::timeout(PATIENCE, quiet).await.is_err() {
            tracing::warn!("bars go on while a person's order is being carried out");
            self.take_up(usize::MAX);
        }
    }

    /// Takes a bar in hand, where no more than so many orders are being carried out.
    fn take_up(&self, acts: usize) -> bool {
        self.0.turns.send_if_modified(|turns| {
            let is_free = turns.acts <= acts;
            turns.is_bar |= is_free;
            is_free
        })
    }
}

impl Council {
    /// The council as it is now. To be asked between two chunks, when nobody decides.
    ///
    /// # Errors
    /// When something is under way that would make it two moments, or somebody is gone.
    pub async fn moment(&self) -> Result<Moment, NoMoment> {
        let head = self.audit.sync().await?.head.decisions;
        let safety = self.safety.moment().await.ok_or(NoMoment::Busy)?;
        let accounts = self.broker.export().await.map_err(|_| NoMoment::Broker)?;
        let (score, rounds, universe) = (self.score.stored(), self.rounds(), self.rolls.stored());
        let end = self.audit.sync().await?.head.decisions;
        if end != head {
            return Err(NoMoment::Busy);
        }
        Ok(Moment { head, accounts, safety, score, rounds, universe })
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::Instant;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn bars_wait_for_a_persons_order_and_not_for_ever() {
        let hurry = Hurry::default();
        let began = Instant::now();
        hurry.quiet().await;
        assert_eq!(began.elapsed(), Duration::ZERO);
        let (one, two) = (hurry.act(), hurry.act());
        drop(one);
        hurry.quiet().await;
        assert_eq!(began.elapsed(), PATIENCE);
        let waiting = hurry.quiet();
        let ending = async {
            tokio::time::sleep(PATIENCE / 2).await;
            drop(two);
        };
        tokio::join!(waiting, ending);
        assert_eq!(began.elapsed(), PATIENCE + PATIENCE / 2);
    }

    #[tokio::test(start_paused = true)]
    async fn what_a_person_allows_waits_for_the_bar_in_hand_and_not_for_ever() {
        let hurry = Hurry::default();
        let began = Instant::now();
        hurry.between_bars().await;
        assert_eq!(began.elapsed(), Duration::ZERO);
        hurry.quiet().await;
        let _act = hurry.act();
        hurry.between_bars().await;
        assert_eq!(began.elapsed(), PATIENCE, "a bar that takes long");
        let ending = async {
            tokio::time::sleep(PATIENCE / 2).await;
            hurry.rest();
        };
        tokio::join!(hurry.between_bars(), ending);
        assert_eq!(began.elapsed(), PATIENCE + PATIENCE / 2);
    }
}
