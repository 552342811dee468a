//! What a council has written, read back by a test.

use serde_json::Value;

/// What a decision wrote: its records, in order.
#[derive(Clone, Debug, PartialEq)]
pub struct Told(pub(super) Vec<Value>);

impl Told {
    /// The names of the steps, in order.
    pub fn steps(&self) -> Vec<&str> {
        self.0.iter().filter_map(|record| record["step"].as_str()).collect()
    }

    /// The bodies of a step's records.
    pub fn bodies(&self, step: &str) -> Vec<&Value> {
        self.0.iter().filter(|record| record["step"] == step).map(|it| &it["body"]).collect()
    }

    /// The records themselves.
    pub fn records(&self) -> &[Value] {
        &self.0
    }

    /// The records of one decision.
    #[must_use]
    pub fn of(&self, decision: &str) -> Self {
        Self(self.0.iter().filter(|record| record["decision"] == decision).cloned().collect())
    }

    /// The records up to and including the one with this number.
    #[must_use]
    pub fn until(self, seq: u64) -> Self {
        let early = |record: &Value| record["seq"].as_u64().is_some_and(|number| number <= seq);
        Self(self.0.into_iter().filter(early).collect())
    }

    /// What the rounds said, in order: `act`, `hold` or `vetoed`.
    pub fn verdicts(&self) -> Vec<&str> {
        let rounds = self.bodies("round.closed");
        rounds.into_iter().filter_map(|body| body["verdict"].as_str()).collect()
    }

    /// How a seat of the last round ended: the whole outcome.
    pub fn seat(&self, agent: &str) -> Option<&Value> {
        let rounds = self.bodies("round.closed");
        let seats = rounds.last()?["seats"].as_array()?;
        seats.iter().find(|seat| seat["agent"] == agent)
    }
}
