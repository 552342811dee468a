//! The score: what the run has counted, for whoever shows it and for the agents' track records.
//!
//! Counted by those who act, under a lock that is never held across an await.

mod stored;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use conclave_domain::brief::trading::TrackRecord;
use conclave_domain::code::Code;
use conclave_domain::order::DecisionId;
use conclave_domain::role::AgentName;
use conclave_domain::scorecard::Past;
use conclave_domain::stats::{AgentStats, Stats};
use conclave_domain::time::Time;

pub use stored::StoredScore;

/// Shared counters of one run. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Score(Arc<Mutex<Counted>>);

#[derive(Debug, Default)]
struct Counted {
    stats: Stats,
    voted_for: BTreeMap<DecisionId, Vec<AgentName>>,
    last_refusal: Option<Refused>,
    past: Arc<Past>,
}

/// The last decision that came to nothing, and why.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Refused {
    /// The decision.
    pub decision: DecisionId,
    /// The code.
    pub code: Code,
    /// One sentence for people.
    pub text: String,
}

impl Score {
    fn lock(&self) -> MutexGuard<'_, Counted> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts something.
    pub fn count(&self, count: impl FnOnce(&mut Stats)) {
        count(&mut self.lock().stats);
    }

    /// A decision was denied: nothing more comes of it, unless its order is known to the broker.
    pub fn denied(&self, decision: &DecisionId, code: Code, text: &str) {
        self.disregarded(code);
        self.refused(decision, code, text);
    }

    /// Something that belongs to no decision was denied.
    pub fn disregarded(&self, code: Code) {
        metrics::counter!("conclave_denials_total", "code" => code.as_str()).increment(1);
        self.lock().stats.on_denied(code);
    }

    /// A decision came to nothing without being denied: a veto, a hold.
    pub fn refused(&self, decision: &DecisionId, code: Code, text: &str) {
        self.lock().last_refusal =
            Some(Refused { decision: decision.clone(), code, text: text.to_owned() });
    }

    /// These agents voted for an order that left.
    pub fn voted_for(&self, decision: &DecisionId, agents: Vec<AgentName>) {
        self.lock().voted_for.insert(decision.clone(), agents);
    }

    /// No trade of this decision can come any more: its votes are forgotten.
    pub fn forget(&self, decision: &DecisionId) {
        self.lock().voted_for.remove(decision);
    }

    /// A trade is over.
    pub fn trade_closed(&self, decision: Option<&DecisionId>, won: bool) {
        let mut counted = self.lock();
        let Counted { stats, voted_for, .. } = &mut *counted;
        if let Some(agents) = decision.and_then(|decision| voted_for.get(decision)) {
            stats.on_outcome(agents, won);
        }
    }

    /// An agent's record so far.
    pub fn track_record(&self, agent: &str) -> TrackRecord {
        let counted = self.lock();
        counted.stats.agents.get(agent).map(AgentStats::track_record).unwrap_or_default()
    }

    /// What earlier runs tell of the agents; it is asked for with the moment of a brief.
    pub fn remember(&self, past: Arc<Past>) {
        self.lock().past = past;
    }

    /// An agent's record as a brief of this moment may show it: this run's so far, and what was known of
    /// earlier runs before then.
    pub fn track_record_at(&self, agent: &str, moment: Time) -> TrackRecord {
        let counted = self.lock();
        let earlier = counted.past.before(agent, moment);
        let own = counted.stats.agents.get(agent);
        own.map_or_else(|| earlier.track_record(), |own| own.plus(&earlier).track_record())
    }

    /// Decisions whose votes wait for a trade.
    #[cfg(test)]
    pub(crate) fn waiting(&self) -> usize {
        self.lock().voted_for.len()
    }

    /// Everything that was counted.
    pub fn stats(&self) -> Stats {
        self.lock().stats.clone()
    }

    /// The last decision that came to nothing.
    pub fn last_refusal(&self) -> Option<Refused> {
        self.lock().last_refusal.clone()
    }
}
