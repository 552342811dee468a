//! What each agent was last asked, what it said, and how long it took: for whoever looks at an agent.
//!
//! Made of the records that the stream shows, so it tells nothing that is not on the disk.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use conclave_domain::record::{Line, Step};
use serde_json::Value;
use tokio::time::Instant;

/// Messages that are kept of an agent.
const TALKS: usize = 50;
/// Answers whose times are kept of an agent: what is shown follows what changes within a few hundred.
const TIMES: usize = 256;
/// Agents that are kept; more than any roster has.
const AGENTS: usize = 64;
/// Fields of a brief that are told in a line.
const FIELDS: usize = 12;

/// One question to an agent, and what came of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Talk {
    /// The decision that it was about.
    pub decision: String,
    /// The round of that decision; an appeal has one of its own.
    pub round: u64,
    /// Market time.
    pub at: String,
    /// The plain fields of the brief, in its order; the record has the whole of it.
    pub asked: Arc<[(String, String)]>,
    /// The body of the record of its answer; `None` until there is one.
    pub said: Option<Arc<Value>>,
    /// How long the answer took.
    pub took: Option<Duration>,
    /// The number of the record of its answer.
    seq: u64,
}

/// How long an agent took over its last answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Times {
    /// Half of them took no longer.
    pub p50: Duration,
    /// Nineteen of twenty took no longer.
    pub p95: Duration,
    /// How many there are.
    pub count: usize,
}

#[derive(Debug, Default)]
struct Kept {
    talks: VecDeque<Talk>,
    times: VecDeque<Duration>,
    /// When it was last asked or answered, on this process's clock.
    heard: Option<Instant>,
}

/// The last messages of every agent. Bounded.
#[derive(Debug, Default)]
pub struct Talks(Mutex<BTreeMap<String, Kept>>);

impl Talks {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Kept>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a record of the decisions by its step; what is neither question nor answer changes nothing.
    pub fn hear(&self, step: &str, record: &str) {
        if step != Step::ConsultSent.name() && step != Step::AdviceClamped.name() {
            return;
        }
        let Ok(line) = Line::read(record) else { return };
        let Some(decision) = line.decision.as_ref().map(ToString::to_string) else { return };
        let Ok(body) = serde_json::from_str::<Value>(line.body) else { return };
        if line.step == Step::ConsultSent {
            self.asked(&decision, &line.at.to_string(), &body);
        } else {
            self.said(&decision, line.seq, body);
        }
    }

    fn asked(&self, decision: &str, at: &str, body: &Value) {
        let fields: Arc<[(String, String)]> = plain_fields(&body["brief"]).into();
        let agents = body["asked"].as_array().into_iter().flatten().filter_map(Value::as_str);
        let mut all = self.lock();
        for agent in agents {
            if all.len() >= AGENTS && !all.contains_key(agent) {
                continue;
            }
            let kept = all.entry(agent.to_owned()).or_default();
            kept.heard = Some(Instant::now());
            if kept.talks.len() == TALKS {
                kept.talks.pop_front();
            }
            kept.talks.push_back(Talk {
                decision: decision.to_owned(),
                round: body["round"].as_u64().unwrap_or_default(),
                at: at.to_owned(),
                asked: Arc::clone(&fields),
                said: None,
                took: None,
                seq: 0,
            });
        }
    }

    fn said(&self, decision: &str, seq: u64, body: Value) {
        let mut all = self.lock();
        let Some(kept) = body["agent"].as_str().and_then(|agent| all.get_mut(agent)) else {
            return;
        };
        kept.heard = Some(Instant::now());
        // An appeal asks again about the same decision: the answer belongs to the last question.
        let talk = kept.talks.iter_mut().rev().find(|talk| talk.decision == decision);
        if let Some(talk) = talk {
            (talk.said, talk.seq) = (Some(Arc::new(body)), seq);
        }
    }

    /// Takes an observation: how long the answer in a record of the decisions took.
    pub fn observe(&self, observation: &str) {
        let Ok(line) = Line::read(observation) else { return };
        let Some(of) = line.of.filter(|_| line.step == Step::AdviceClamped) else { return };
        let body: Value = serde_json::from_str(line.body).unwrap_or_default();
        let Some(took) = body["latency_us"].as_u64().map(Duration::from_micros) else { return };
        for kept in self.lock().values_mut() {
            let Some(talk) = kept.talks.iter_mut().rev().find(|talk| talk.seq == of) else {
                continue;
            };
            talk.took = Some(took);
            if kept.times.len() == TIMES {
                kept.times.pop_front();
            }
            kept.times.push_back(took);
            return;
        }
    }

    /// The last messages of an agent, newest first.
    pub fn of(&self, agent: &str) -> Vec<Talk> {
        let all = self.lock();
        all.get(agent).map(|kept| kept.talks.iter().rev().cloned().collect()).unwrap_or_default()
    }

    /// How sure an agent was in its answer in a round of a decision, and how long that took.
    pub fn about(
        &self,
        agent: &str,
        (decision, round): (&str, u64),
    ) -> Option<(Option<f64>, Option<Duration>)> {
        let all = self.lock();
        let is_it = |talk: &&Talk| talk.round == round && talk.decision == decision;
        let talk = all.get(agent)?.talks.iter().rev().find(is_it)?;
        let sure = talk.said.as_ref()?.pointer("/advice/confidence").and_then(Value::as_f64);
        Some((sure, talk.took))
    }

    /// What every agent was last asked about a decision, and said, by its name.
    pub fn on(&self, decision: &str) -> Vec<(String, Talk)> {
        let all = self.lock();
        let last = |(agent, kept): (&String, &Kept)| {
            let talk = kept.talks.iter().rev().find(|talk| talk.decision == decision)?;
            Some((agent.clone(), talk.clone()))
        };
        all.iter().filter_map(last).collect()
    }

    /// How long ago an agent was last asked or answered; `None` where it never was.
    pub fn silent_for(&self, agent: &str) -> Option<Duration> {
        self.lock().get(agent)?.heard.map(|at| at.elapsed())
    }

    /// How long an agent took over its last answers; `None` where it has given none.
    pub fn times(&self, agent: &str) -> Option<Times> {
        let mut sorted: Vec<Duration> = self.lock().get(agent)?.times.iter().copied().collect();
        sorted.sort_unstable();
        let last = sorted.len().checked_sub(1)?;
        let at = |hundredths: usize| sorted.get((last * hundredths).div_ceil(100)).copied();
        Some(Times { p50: at(50)?, p95: at(95)?, count: sorted.len() })
    }
}

/// The fields of a brief that are neither lists nor objects, as text.
fn plain_fields(brief: &Value) -> Vec<(String, String)> {
    let fields = brief.as_object().into_iter().flatten();
    let told = fields.filter_map(|(name, value)| {
        let text = match value {
            Value::String(text) => text.clone(),
            Value::Number(number) => number.to_string(),
            Value::Bool(is_so) => is_so.to_string(),
            Value::Null | Value::Array(_) | Value::Object(_) => return None,
        };
        Some((name.clone(), text))
    });
    told.take(FIELDS).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn line(seq: u64, of: Option<u64>, step: &str, decision: &str, body: &Value) -> String {
        let hash = "0".repeat(64);
        let of = of.map_or_else(String::new, |of| format!("\"of\":{of},"));
        format!(
            "{{\"seq\":{seq},{of}\"step\":\"{step}\",\"decision\":\"{decision}\",\
             \"at\":\"2013-03-01T21:00:00Z\",\"body\":{body},\"hash\":\"{hash}\"}}"
        )
    }

    fn decision(nth: u64) -> String {
        format!("IBM-20130301T2100{nth:02}-entry")
    }

    /// Two agents are asked, and the first answers within so many microseconds.
    fn exchange(talks: &Talks, nth: u64, took_us: u64) {
        let name = decision(nth % 60);
        let brief = json!({"question": "entry", "symbol": "IBM", "features": {"rsi14": 40.0}});
        let asked =
            json!({"round": nth, "asked": ["position_sizer", "exit_strategist"], "brief": brief});
        talks.hear("consult.sent", &line(nth * 10 + 1, None, "consult.sent", &name, &asked));
        let said = json!({"agent": "position_sizer", "brain": "rules", "raw": {"vote": "for"},
            "advice": {"confidence": 0.75}});
        talks.hear("advice.clamped", &line(nth * 10 + 2, None, "advice.clamped", &name, &said));
        let fields = json!({"cost": "0", "latency_us": took_us});
        talks.observe(&line(nth, Some(nth * 10 + 2), "advice.clamped", &name, &fields));
    }

    #[test]
    fn a_message_is_what_was_asked_what_was_said_and_how_long_it_took() {
        let talks = Talks::default();
        exchange(&talks, 1, 700);
        let said = talks.of("position_sizer").remove(0);
        assert_eq!((said.decision, said.took), (decision(1), Some(Duration::from_micros(700))));
        assert_eq!(said.asked[0], ("question".to_owned(), "entry".to_owned()));
        assert!(said.asked.iter().all(|(name, _)| name != "features"), "only what fits a line");
        assert_eq!(said.said.unwrap()["raw"]["vote"], "for");
        let about = talks.about("position_sizer", (&decision(1), 1));
        assert_eq!(about, Some((Some(0.75), Some(Duration::from_micros(700)))));
        assert_eq!(talks.about("exit_strategist", (&decision(1), 1)), None);
        let silent = talks.of("exit_strategist").remove(0);
        assert_eq!((silent.said, silent.took), (None, None), "nothing came");
        assert_eq!(talks.times("exit_strategist"), None);
        assert_eq!(talks.of("nobody"), []);
        let on = talks.on(&decision(1));
        let who: Vec<&str> = on.iter().map(|(agent, _)| agent.as_str()).collect();
        assert_eq!(who, ["exit_strategist", "position_sizer"]);
        assert!(on[1].1.said.is_some() && on[0].1.said.is_none());
        assert_eq!(talks.on(&decision(2)), []);
        assert!(talks.silent_for("position_sizer").is_some());
        assert_eq!(talks.silent_for("nobody"), None);
    }

    #[test]
    fn an_answer_in_an_appeal_belongs_to_its_own_question() {
        let talks = Talks::default();
        exchange(&talks, 1, 700);
        exchange(&talks, 61, 900);
        let took: Vec<_> = talks.of("position_sizer").into_iter().map(|talk| talk.took).collect();
        assert_eq!(took, [900, 700].map(|us| Some(Duration::from_micros(us))));
    }

    #[test]
    fn half_and_nineteen_of_twenty_took_no_longer_and_what_is_kept_is_bounded() {
        let talks = Talks::default();
        (1..=100).for_each(|nth| exchange(&talks, nth, nth * 10));
        let us = Duration::from_micros;
        let wanted = Times { p50: us(510), p95: us(960), count: 100 };
        assert_eq!(talks.times("position_sizer"), Some(wanted));
        (101..=1_000).for_each(|nth| exchange(&talks, nth, 5));
        assert_eq!(talks.of("position_sizer").len(), TALKS);
        assert_eq!(talks.times("position_sizer").map(|times| times.count), Some(TIMES));
        let strangers: Vec<String> = (0..200).map(|nth| format!("agent_{nth}")).collect();
        let asked = json!({"asked": strangers});
        talks.hear("consult.sent", &line(1, None, "consult.sent", &decision(1), &asked));
        assert_eq!(talks.lock().len(), AGENTS);
    }
}
