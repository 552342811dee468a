//! What a run has written down, read line by line without the code that wrote it.
//!
//! - every verdict has its complete record chain, and stands in the log once.
//! - G-2: a restart gives nothing back: what a block of permits names as spent is still spent in the
//!   next one, as long as its window lasts.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::journal::{Findings, Journal};

/// How long a spend counts, in milliseconds, by the budget's name.
const WINDOWS_MS: [(&str, i64); 2] = [("Actions", 3_600_000), ("Critical", 86_400_000)];

/// What is known of one decision.
#[derive(Debug, Default)]
struct Decision {
    /// Rounds that were opened, and who was asked.
    asked: BTreeMap<u64, BTreeSet<String>>,
    /// Who has answered in the round that is open.
    answered: BTreeSet<String>,
    /// Rounds that were closed, and how.
    closed: BTreeMap<u64, String>,
}

/// A log as far as it was read.
#[derive(Debug, Default)]
pub(super) struct Record {
    decisions: BTreeMap<String, Decision>,
    /// Spends of the last block: budget, beginning, end, units.
    spends: Vec<(String, String, String, i64)>,
    saves: u64,
    seq: u64,
    /// Everything that was read, to be found unchanged.
    read: Vec<u8>,
    /// Headers of runs.
    pub(super) headers: u64,
    /// Rounds that were closed.
    pub(super) rounds: u64,
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

/// Milliseconds since the epoch of a time in a record.
fn ms(time: &str) -> i64 {
    time.parse::<conclave_domain::time::Time>().map_or(i64::MIN, conclave_domain::time::Time::ms)
}

impl Record {
    /// Reads the whole lines of the log's present bytes; what was read before must stand there
    /// unchanged.
    pub(super) fn follow(&mut self, bytes: &[u8], journal: &Journal, found: &mut Findings) {
        let whole = bytes.iter().rposition(|&byte| byte == b'\n').map_or(0, |at| at + 1);
        let is_kept = bytes[..whole].starts_with(&self.read);
        found.check("A-2", is_kept, || "what stood in the log was changed or cut".to_owned());
        if !is_kept {
            return;
        }
        let fresh = String::from_utf8_lossy(&bytes[self.read.len()..whole]).into_owned();
        for line in fresh.lines() {
            match serde_json::from_str::<Value>(line) {
                Ok(record) => self.take(&record, journal, found),
                Err(error) => found.check("A-1", false, || format!("unreadable record: {error}")),
            }
        }
        self.read.extend_from_slice(&bytes[self.read.len()..whole]);
    }

    fn take(&mut self, record: &Value, journal: &Journal, found: &mut Findings) {
        let seq = record["seq"].as_u64().unwrap_or(0);
        found.check("A-2", seq == self.seq + 1, || format!("record {seq} follows {}", self.seq));
        self.seq = seq;
        let (step, body) = (text(&record["step"]), &record["body"]);
        let name = text(&record["decision"]);
        match step.as_str() {
            "run.started" => self.headers += 1,
            "consult.sent" => self.consult(&name, body, found),
            "advice.clamped" => {
                let decision = self.decisions.entry(name).or_default();
                decision.answered.insert(text(&body["agent"]));
            }
            "round.closed" => self.closed(&name, body, found),
            "order.cleared" if body.get("intent").is_some() => {
                let acted = self.decisions.get(&name).is_some_and(|decision| {
                    decision.closed.values().next_back().is_some_and(|verdict| verdict == "act")
                });
                found.check("A-1", acted, || format!("{name} was cleared without a round"));
            }
            "book.updated" if body["happened"] == "filled" => {
                let is_seen = journal.knows(&text(&body["book"]), &body["fill"]);
                found.check("P-1", is_seen, || format!("a fill of {name} that no broker made"));
            }
            "budget.block" => self.block(record, found),
            _ => {}
        }
    }

    fn consult(&mut self, name: &str, body: &Value, found: &mut Findings) {
        let round = body["round"].as_u64().unwrap_or(0);
        let asked = body["asked"].as_array().into_iter().flatten().map(text).collect();
        let decision = self.decisions.entry(name.to_owned()).or_default();
        decision.answered.clear();
        let is_first = decision.asked.insert(round, asked).is_none() || round == 0;
        found.check("A-1", is_first, || format!("round {round} of {name} was opened twice"));
    }

    fn closed(&mut self, name: &str, body: &Value, found: &mut Findings) {
        self.rounds += 1;
        let round = body["round"].as_u64().unwrap_or(0);
        let decision = self.decisions.entry(name.to_owned()).or_default();
        let asked = decision.asked.get(&round).cloned();
        found.check("A-1", asked.is_some(), || format!("round {round} of {name} asked nobody"));
        for seat in body["seats"].as_array().into_iter().flatten() {
            let agent = text(&seat["agent"]);
            let outcome = text(&seat["outcome"]);
            let is_asked = asked.as_ref().is_some_and(|asked| asked.contains(&agent));
            let answers = ["voted", "no_objection", "vetoed"].contains(&outcome.as_str());
            let is_there = !answers || decision.answered.contains(&agent);
            found.check("A-1", is_asked && is_there, || {
                format!("{agent} is {outcome} in round {round} of {name} and did not answer")
            });
        }
        let is_first = decision.closed.insert(round, text(&body["verdict"])).is_none();
        found.check("A-1", is_first, || format!("round {round} of {name} was closed twice"));
    }

    fn block(&mut self, record: &Value, found: &mut Findings) {
        let (now, body) = (ms(&text(&record["at"])), &record["body"]);
        let save = body["save"].as_u64().unwrap_or(0);
        found.check("G-2", save > self.saves, || format!("save {save} follows {}", self.saves));
        self.saves = save;
        let lines = body.pointer("/record/budgets/lines").and_then(Value::as_array);
        let mut spends = Vec::new();
        for line in lines.into_iter().flatten() {
            for spend in line["spends"].as_array().into_iter().flatten() {
                let units = spend["units"].as_i64().unwrap_or(0);
                spends.push((
                    text(&line["line"]),
                    text(&spend["from"]),
                    text(&spend["until"]),
                    units,
                ));
            }
        }
        for (budget, from, until, units) in &self.spends {
            let window = WINDOWS_MS.iter().find(|(name, _)| name == budget);
            let Some((_, window)) = window.filter(|(_, window)| now - ms(until) < *window) else {
                continue;
            };
            let kept = spends.iter().find(|spend| spend.0 == *budget && spend.1 == *from);
            found.check("G-2", kept.is_some_and(|spend| spend.3 >= *units), || {
                format!("{units} of {budget} at {from} came back within {window} ms")
            });
        }
        self.spends = spends;
    }

    /// The run is over: no round may be open.
    pub(super) fn ended(&self, found: &mut Findings) {
        for (name, decision) in &self.decisions {
            for round in decision.asked.keys().filter(|round| **round > 0) {
                let is_closed = decision.closed.contains_key(round);
                found.check("A-1", is_closed, || format!("round {round} of {name} never closed"));
            }
        }
        let headers = self.headers;
        found.check("A-1", headers == 1, || format!("{headers} headers in one run"));
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn log(records: &[Value]) -> Vec<u8> {
        let numbered = records.iter().zip(1..).map(|(record, seq)| {
            let mut record = record.clone();
            record["seq"] = json!(seq);
            format!("{record}\n")
        });
        numbered.collect::<String>().into_bytes()
    }

    fn wrong(records: &[Value]) -> Vec<String> {
        let (mut read, mut found) = (Record::default(), Findings::default());
        read.follow(&log(records), &Journal::default(), &mut found);
        read.ended(&mut found);
        found.wrong
    }

    fn round() -> Vec<Value> {
        vec![
            json!({"step": "run.started", "body": {}}),
            json!({"step": "consult.sent", "decision": "d", "body": {"round": 1, "asked": ["a"]}}),
            json!({"step": "advice.clamped", "decision": "d", "body": {"agent": "a"}}),
            json!({"step": "round.closed", "decision": "d", "body": {"round": 1, "verdict": "act",
                "seats": [{"agent": "a", "outcome": "voted"}]}}),
            json!({"step": "order.cleared", "decision": "d", "body": {"intent": {}}}),
        ]
    }

    /// any record that a verdict needs is missed, and one that stands twice is found.
    #[test]
    fn a_chain_with_a_record_less_or_twice_is_found() {
        assert!(wrong(&round()).is_empty(), "{:?}", wrong(&round()));
        for missing in 0..4 {
            let mut records = round();
            records.remove(missing);
            assert!(!wrong(&records).is_empty(), "without {missing}");
        }
        let twice = [round(), round()].concat();
        assert!(wrong(&twice).iter().any(|what| what.contains("twice")));
    }

    /// G-2: a spend that is gone within its window came back; one that is older may go.
    #[test]
    fn a_spend_that_comes_back_is_found() {
        let block = |at: &str, save: u64, spends: Value| {
            let lines = json!([{"line": "Actions", "spends": spends}]);
            json!({"step": "budget.block", "at": at,
                "body": {"save": save, "record": {"budgets": {"lines": lines}}}})
        };
        let spend = |units: i64| {
            json!([{"from": "2020-01-01T10:00:00Z",
            "until": "2020-01-01T10:00:00Z", "units": units}])
        };
        let header = json!({"step": "run.started", "body": {}});
        let found = |second: Value| {
            wrong(&[header.clone(), block("2020-01-01T10:00:00Z", 1, spend(3)), second])
        };
        assert!(found(block("2020-01-01T10:30:00Z", 2, spend(4))).is_empty());
        assert!(found(block("2020-01-01T11:30:00Z", 2, json!([]))).is_empty());
        assert!(found(block("2020-01-01T10:30:00Z", 2, json!([])))[0].contains("came back"));
        assert!(found(block("2020-01-01T10:30:00Z", 2, spend(2)))[0].contains("came back"));
        assert!(found(block("2020-01-01T10:30:00Z", 1, spend(4)))[0].contains("follows"));
    }

    /// what stood in the log stands there still.
    #[test]
    fn a_log_that_was_changed_or_cut_is_found() {
        let whole = log(&round());
        let (mut read, mut found) = (Record::default(), Findings::default());
        read.follow(&whole, &Journal::default(), &mut found);
        assert!(found.wrong.is_empty());
        read.follow(&whole[..whole.len() / 2], &Journal::default(), &mut found);
        assert_eq!(found.wrong.len(), 1);
    }
}
