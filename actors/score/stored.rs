//! The score as it is stored in a checkpoint, and how it comes back.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use conclave_domain::code::Code;
use conclave_domain::gates::GateTally;
use conclave_domain::order::DecisionId;
use conclave_domain::role::AgentName;
use conclave_domain::stats::{AgentStats, Stats};
use serde::{Deserialize, Serialize};

use super::{Counted, Refused, Score};
use crate::news::reader::NewsReader;
use crate::runtime::agent::Agent as _;
use crate::runtime::roster;

/// Everything that was counted up to one moment. Agents stand in it by name: one that the roster
/// does not know any more is left out when it is read.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct StoredScore {
    signals: u64,
    rounds: BTreeMap<String, u64>,
    vetoes: BTreeMap<Code, u64>,
    denials: BTreeMap<Code, u64>,
    clamps: BTreeMap<String, u64>,
    gates: GateTally,
    agents: BTreeMap<String, AgentStats>,
    appeals: u64,
    voted_for: BTreeMap<DecisionId, Vec<String>>,
    last_refusal: Option<Refused>,
}

fn known(name: &str) -> Option<AgentName> {
    let reader = NewsReader::ROLE.name;
    roster::seat(name).map(|seat| seat.role.name).or_else(|| (name == reader).then_some(reader))
}

impl Score {
    /// Everything that was counted, to be stored.
    pub fn stored(&self) -> StoredScore {
        let counted = self.lock();
        let Stats { signals, rounds, vetoes, denials, clamps, gates, agents, appeals } =
            counted.stats.clone();
        let names = |voters: &Vec<AgentName>| voters.iter().map(ToString::to_string).collect();
        StoredScore {
            signals,
            rounds,
            vetoes,
            denials,
            clamps,
            gates,
            agents: agents.into_iter().map(|(name, stats)| (name.to_owned(), stats)).collect(),
            appeals,
            voted_for: counted.voted_for.iter().map(|(of, by)| (of.clone(), names(by))).collect(),
            last_refusal: counted.last_refusal.clone(),
        }
    }

    /// A score that goes on from what was stored.
    pub fn from_stored(stored: StoredScore) -> Self {
        let agents = stored.agents.into_iter();
        let voters = |names: Vec<String>| names.iter().filter_map(|name| known(name)).collect();
        let stats = Stats {
            signals: stored.signals,
            rounds: stored.rounds,
            vetoes: stored.vetoes,
            denials: stored.denials,
            clamps: stored.clamps,
            gates: stored.gates,
            agents: agents.filter_map(|(name, stats)| Some((known(&name)?, stats))).collect(),
            appeals: stored.appeals,
        };
        let voted_for = stored.voted_for.into_iter().map(|(of, by)| (of, voters(by))).collect();
        let last_refusal = stored.last_refusal;
        let counted = Counted { stats, voted_for, last_refusal, past: Arc::default() };
        Self(Arc::new(Mutex::new(counted)))
    }
}

#[cfg(test)]
mod tests {
    use conclave_domain::market::symbol::Symbol;
    use conclave_domain::role::RISK_GUARDIAN;
    use conclave_domain::time::Time;

    use super::*;

    #[test]
    fn a_score_goes_on_from_what_was_stored_and_settles_votes_from_before() {
        let score = Score::default();
        let decision = DecisionId::new(&Symbol::new("AAPL").unwrap(), Time::EPOCH, "entry");
        score.denied(&decision, Code::GateOpenOrder, "a test");
        score.count(|stats| stats.signals += 3);
        score.count(|stats| stats.on_reading(NewsReader::ROLE.name, None));
        score.voted_for(&decision, vec![RISK_GUARDIAN]);
        let text = serde_json::to_string(&score.stored()).unwrap();
        let stored: StoredScore = serde_json::from_str(&text).unwrap();
        assert_eq!(stored, score.stored());
        let again = Score::from_stored(stored);
        for score in [&score, &again] {
            score.trade_closed(Some(&decision), true);
        }
        assert_eq!(again.stats(), score.stats());
        assert_eq!(again.last_refusal(), score.last_refusal());
        assert_eq!(again.stats().agents[RISK_GUARDIAN].won, 1);
        assert_eq!(again.stats().agents["news_reader"].answered, 1, "who has no seat is known too");
    }

    #[test]
    fn an_agent_that_nobody_knows_any_more_is_left_out() {
        let agents = BTreeMap::from([("oracle".to_owned(), AgentStats::default())]);
        let stored = StoredScore { agents, ..StoredScore::default() };
        assert!(Score::from_stored(stored).stats().agents.is_empty());
    }
}
