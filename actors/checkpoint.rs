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

use conclave_domain::context::BookKind;
use conclave_domain::record::Head;
use conclave_domain::time::Time;
use serde::{Deserialize, Serialize};

use crate::broker::Account;
use crate::council::Council;
use crate::runtime::ports::AuditError;
use crate::safety::LiveSafety;
use crate::score::StoredScore;

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
/// that a second pass over the bars would not bring about.
#[derive(Clone, Debug, Default)]
pub struct Hurry(Arc<AtomicBool>);

impl Hurry {
    /// Wishes for one.
    pub fn wish(&self) {
        self.0.store(true, Ordering::SeqCst);
    }

    /// Whether somebody has wished for one.
    pub fn is_wished(&self) -> bool {
        self.0.load(Ordering::SeqCst)
    }

    /// It is being taken: a wish from now on is for another one.
    pub fn granted(&self) {
        self.0.store(false, Ordering::SeqCst);
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
        let (score, rounds) = (self.score.stored(), self.rounds());
        let end = self.audit.sync().await?.head.decisions;
        if end != head {
            return Err(NoMoment::Busy);
        }
        Ok(Moment { head, accounts, safety, score, rounds })
    }
}
