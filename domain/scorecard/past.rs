//! What agents did in earlier runs, as later briefs may tell them of it: cut at the brief's own moment.
//!
//! - L-1: nothing counts that was said, or came to an end, at the moment of a brief or later; so a run over
//!   bars that an earlier one has seen is told of the time before only.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::stats::AgentStats;
use crate::time::Time;

/// One consultation of an agent in an earlier run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Word {
    /// Who.
    pub agent: String,
    /// Market time of the question.
    pub at: Time,
    /// Whether it answered.
    pub answered: bool,
    /// Whether its vote was the verdict.
    pub agreed: bool,
    /// How the trade ended that it had voted for; `None` where it had not, or there was none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended: Option<End>,
}

/// How a trade ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct End {
    /// Market time.
    pub at: Time,
    /// Whether it won.
    pub won: bool,
}

/// Everything that is known of earlier runs, by agent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Past(BTreeMap<String, Known>);

/// Running counts in order of time: so many up to and with the moment they stand at.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Known {
    /// Moments of questions, with answers and agreements so far.
    asked: Vec<(Time, u64, u64)>,
    /// Moments at which trades ended, with those that had won so far.
    ended: Vec<(Time, u64)>,
}

impl Past {
    /// The past of these words, in whatever order.
    pub fn of(mut words: Vec<Word>) -> Self {
        let mut past = Self::default();
        words.sort_by_key(|word| word.at);
        for word in &words {
            let known = past.0.entry(word.agent.clone()).or_default();
            let (answered, agreed) = known.asked.last().map_or((0, 0), |it| (it.1, it.2));
            let counts = (answered + u64::from(word.answered), agreed + u64::from(word.agreed));
            known.asked.push((word.at, counts.0, counts.1));
        }
        words.sort_by_key(|word| word.ended.map(|end| end.at));
        for word in &words {
            let Some(end) = word.ended else { continue };
            let known = past.0.entry(word.agent.clone()).or_default();
            let won = known.ended.last().map_or(0, |it| it.1);
            known.ended.push((end.at, won + u64::from(end.won)));
        }
        past
    }

    /// What was known of an agent before a moment.
    pub fn before(&self, agent: &str, moment: Time) -> AgentStats {
        let Some(known) = self.0.get(agent) else { return AgentStats::default() };
        let asked = known.asked.partition_point(|(at, ..)| *at < moment);
        let ended = known.ended.partition_point(|(at, _)| *at < moment);
        let last = asked.checked_sub(1).and_then(|last| known.asked.get(last));
        let (answered, agreed) = last.map_or((0, 0), |it| (it.1, it.2));
        let won = ended.checked_sub(1).and_then(|last| known.ended.get(last)).map_or(0, |it| it.1);
        AgentStats {
            consulted: asked as u64,
            answered,
            agreed,
            settled: ended as u64,
            won,
            ..AgentStats::default()
        }
    }
}
