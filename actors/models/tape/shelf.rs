//! A tape that brains answer out of, and the first thing that it could not answer.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

use conclave_domain::order::DecisionId;
use tokio::sync::watch;

use super::Consulted;
use super::read::{Kept, Place, Tape};

/// Why a recorded run cannot be the run that was recorded.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{decision}, round {round}, {agent}: {why}")]
pub struct TapeFault {
    /// The decision.
    pub decision: DecisionId,
    /// The number of the round in the run; 0 for a question about a position.
    pub round: u64,
    /// The agent.
    pub agent: String,
    /// What is missing or different.
    pub why: TapeMiss,
}

/// What is missing or different.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TapeMiss {
    /// Nobody had asked this.
    #[error("the tape has no answer to this question")]
    NotAsked,
    /// The exchange that the consultation names is not there.
    #[error("the tape has lost an exchange")]
    NoExchange,
    /// The model or the provider that was asked is not configured.
    #[error("the tape has an answer of `{model}` at `{provider}`, which is not configured")]
    NoModel {
        /// The model.
        model: String,
        /// The provider.
        provider: String,
    },
    /// Something else is asked now.
    #[error("the question to `{model}` at `{provider}` differs from the one on the tape")]
    Differs {
        /// The model.
        model: String,
        /// The provider.
        provider: String,
    },
    /// What was read out of an answer then is not read out of it now.
    #[error("the answer on the tape is read otherwise now: {why}")]
    ReadOtherwise {
        /// What is said of it now.
        why: String,
    },
}

/// A tape that is given again. Each consultation is given once.
#[derive(Debug)]
pub struct Shelf {
    tape: Tape,
    consults: Mutex<BTreeMap<Place, VecDeque<Consulted>>>,
    fault: Mutex<Option<TapeFault>>,
    faulted: watch::Sender<bool>,
}

impl Tape {
    /// Lets brains answer out of it.
    pub fn share(mut self) -> Arc<Shelf> {
        let consults = Mutex::new(self.arranged());
        let faulted = watch::Sender::new(false);
        Arc::new(Shelf { tape: self, consults, fault: Mutex::default(), faulted })
    }
}

impl Shelf {
    /// The first question that the tape could not answer: the run is not the one that was recorded.
    pub fn fault(&self) -> Option<TapeFault> {
        self.fault.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Turns true with the first fault.
    pub fn faulted(&self) -> watch::Receiver<bool> {
        self.faulted.subscribe()
    }

    /// Whether an agent was consulted in the run that was recorded, by a model or instead of one.
    pub fn knows(&self, agent: &str) -> bool {
        let consults = self.consults.lock().unwrap_or_else(PoisonError::into_inner);
        consults.keys().any(|(_, _, of)| of == agent)
    }

    /// Consultations that nobody has asked for again.
    pub fn left(&self) -> usize {
        let consults = self.consults.lock().unwrap_or_else(PoisonError::into_inner);
        consults.values().map(VecDeque::len).sum()
    }

    pub(super) fn next(&self, place: &Place) -> Option<Consulted> {
        let mut consults = self.consults.lock().unwrap_or_else(PoisonError::into_inner);
        consults.get_mut(place)?.pop_front()
    }

    pub(super) fn kept(&self, key: &str, ordinal: u32) -> Option<&Kept> {
        self.tape.kept(key, ordinal)
    }

    pub(super) fn fail(&self, fault: &TapeFault) {
        let mut first = self.fault.lock().unwrap_or_else(PoisonError::into_inner);
        if first.is_none() {
            tracing::error!(error = fault as &dyn std::error::Error, "not the run of the tape");
            *first = Some(fault.clone());
            drop(first);
            self.faulted.send_replace(true);
        }
    }
}
