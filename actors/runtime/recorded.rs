//! Answers out of an earlier run's audit, and the brains that give them again.
//!
//! - D-1: same seed, same data, same recorded answers: byte-identical records. What an agent failed
//!   with then it fails with now, word for word.
//!
//! An answer is found by its decision, by whether it was asked on appeal, and by its agent; a position
//! on which several things happened in one bar has several answers, given in their order. What befell
//! an agent that gave no answer (it panicked, went away, was late, turned a question away) is planned
//! as a fault of the same round.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

use conclave_domain::brief::trading::TradingBrief;
use conclave_domain::code::Code;
use conclave_domain::forbidden;
use conclave_domain::news::view::NewsView;
use conclave_domain::order::DecisionId;
use conclave_domain::record::{Line, Step};
use conclave_domain::role::{AgentName, RISK_GUARDIAN};
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::Value;

use super::agent::ConsultError;
use super::brain::{Ask, Brain, Thinking, Thought};
use super::faults::{Fault, FaultPlan, PlannedFault};
use super::shell::{PANICKED, WENT_AWAY};
use crate::trading::risk_guardian;

/// What a recorded brain says of a question that nobody had asked.
pub const NOT_RECORDED: &str = "nothing was recorded for this question";

/// What one agent brought to one question.
#[derive(Clone, Debug, PartialEq)]
enum Recorded {
    /// A raw answer, whatever was read out of it, and who gave it.
    Said(Thought),
    /// The text of the reason why there was none.
    Failed(String),
    /// The code of the budget that refused to ask.
    Denied(Code),
    /// Nothing, to a question about a position: of those nobody writes down why.
    Silent,
}

/// The decision, whether it was asked on appeal, the agent.
type Question = (DecisionId, bool, String);

/// The answers of a run. Lines are shown to it in the order of the log.
#[derive(Debug, Default)]
pub struct Recording {
    answers: BTreeMap<Question, VecDeque<Recorded>>,
    brains: BTreeMap<String, String>,
    faults: Vec<PlannedFault>,
    news: BTreeMap<DecisionId, NewsView>,
    /// The round that is being read, and who has answered in it.
    round: Open,
}

#[derive(Debug, Default)]
struct Open {
    on_appeal: bool,
    answered: Vec<String>,
    /// Who was asked about a position.
    position: Option<(DecisionId, Vec<String>)>,
}

/// Why a line cannot be taken.
#[derive(Debug, thiserror::Error)]
#[error("record {seq}: the body of `{step}` is not what this version reads")]
pub struct RecordingError {
    seq: u64,
    step: Step,
    #[source]
    source: serde_json::Error,
}

#[derive(Deserialize)]
struct Consulted {
    brief: Appealed,
    #[serde(default)]
    round: u64,
    #[serde(default)]
    asked: Vec<String>,
}

#[derive(Deserialize)]
struct Appealed {
    #[serde(default)]
    appeal: Option<IgnoredAny>,
    #[serde(default)]
    news: Option<NewsView>,
}

#[derive(Deserialize)]
struct Advised {
    agent: String,
    brain: String,
    #[serde(default)]
    raw: Option<Value>,
    #[serde(default)]
    error: Option<String>,
    #[serde(default)]
    refused: Option<Code>,
}

#[derive(Deserialize)]
struct Closed {
    round: u64,
    seats: Vec<Seated>,
}

#[derive(Deserialize)]
struct Seated {
    agent: String,
    outcome: String,
    #[serde(default)]
    why: Option<String>,
    #[serde(default)]
    code: Option<Code>,
}

impl Recording {
    /// Takes a line of the decisions; most are none of its business.
    ///
    /// # Errors
    /// When a body that it needs is unreadable.
    pub fn take(&mut self, line: &Line<'_>) -> Result<(), RecordingError> {
        let unreadable = |source| RecordingError { seq: line.seq, step: line.step, source };
        match (line.step, &line.decision) {
            (Step::ConsultSent, decision) => {
                let consulted: Consulted = serde_json::from_str(line.body).map_err(unreadable)?;
                self.fall_silent();
                let Consulted { brief, round, asked } = consulted;
                if let (Some(decision), Some(news)) = (decision, brief.news) {
                    self.news.insert(decision.clone(), news);
                }
                let position = decision.clone().filter(|_| round == 0);
                self.round = Open {
                    on_appeal: brief.appeal.is_some(),
                    answered: Vec::new(),
                    position: position.map(|decision| (decision, asked)),
                };
            }
            (Step::AdviceClamped, Some(decision)) => {
                let advised = serde_json::from_str(line.body).map_err(unreadable)?;
                self.answered(decision, advised);
            }
            (Step::RoundClosed, decision) => {
                let closed = serde_json::from_str(line.body).map_err(unreadable)?;
                self.closed(decision.as_ref(), closed);
            }
            _ => {}
        }
        Ok(())
    }

    fn answered(&mut self, decision: &DecisionId, advised: Advised) {
        let Advised { agent, brain, raw, error, refused } = advised;
        self.round.answered.push(agent.clone());
        let recorded = if let Some(raw) = raw {
            self.brains.entry(agent.clone()).or_insert_with(|| brain.clone());
            Recorded::Said(Thought { by: Some(brain), refused, ..Thought::free(raw) })
        } else {
            // Who fails bears the brain's name; an answer may be a cheaper model's, or the rules'.
            self.brains.insert(agent.clone(), brain);
            Recorded::Failed(error.unwrap_or_default())
        };
        self.push(decision.clone(), agent, recorded);
    }

    fn push(&mut self, decision: DecisionId, agent: String, recorded: Recorded) {
        let question = (decision, self.round.on_appeal, agent);
        self.answers.entry(question).or_default().push_back(recorded);
    }

    /// Whoever was asked about a position and is not heard in the log had brought nothing.
    fn fall_silent(&mut self) {
        let Some((decision, asked)) = self.round.position.take() else { return };
        for agent in asked {
            if !self.round.answered.contains(&agent) {
                self.push(decision.clone(), agent, Recorded::Silent);
            }
        }
    }

    fn closed(&mut self, decision: Option<&DecisionId>, closed: Closed) {
        let answered = std::mem::take(&mut self.round.answered);
        let Closed { round, seats } = closed;
        for Seated { agent, outcome, why, code } in seats {
            if let ("denied", Some(decision), Some(code)) = (outcome.as_str(), decision, code) {
                self.push(decision.clone(), agent, Recorded::Denied(code));
                continue;
            }
            let fault = match (outcome.as_str(), why.as_deref()) {
                ("failed", Some(PANICKED)) => Fault::Panic,
                ("failed", Some(WENT_AWAY)) => Fault::Kill,
                ("late", _) => Fault::Hang,
                ("shed", _) if answered.contains(&agent) => Fault::Shed,
                _ => continue,
            };
            self.faults.push(PlannedFault::of_agent(&agent, fault, round));
        }
    }

    /// The brain that an agent had: `rules` or a model's name; `None` when it never answered.
    pub fn brain(&self, agent: &str) -> Option<&str> {
        self.brains.get(agent).map(String::as_str)
    }

    /// What the briefs of decisions were told of the news.
    pub fn news(&self) -> Arc<BTreeMap<DecisionId, NewsView>> {
        Arc::new(self.news.clone())
    }

    /// What befell the agents that gave no answer.
    pub fn faults(&self) -> FaultPlan {
        FaultPlan::new(self.faults.clone())
    }

    /// Lets brains answer out of this.
    pub fn share(mut self) -> Arc<Mutex<Self>> {
        self.fall_silent();
        Arc::new(Mutex::new(self))
    }

    fn next(&mut self, question: &Question) -> Option<Recorded> {
        self.answers.get_mut(question)?.pop_front()
    }
}

/// Gives one agent's recorded answers again.
#[derive(Debug)]
pub struct RecordedBrain {
    agent: AgentName,
    name: String,
    recording: Arc<Mutex<Recording>>,
}

impl RecordedBrain {
    /// The brain of an agent. In records it bears the name of the brain that answered then, so that
    /// they are the same.
    pub fn new(agent: AgentName, recording: &Arc<Mutex<Recording>>) -> Self {
        let lock = recording.lock().unwrap_or_else(PoisonError::into_inner);
        let name = lock.brain(agent).unwrap_or("recorded").to_owned();
        drop(lock);
        Self { agent, name, recording: Arc::clone(recording) }
    }
}

impl Brain<TradingBrief> for RecordedBrain {
    fn name(&self) -> &str {
        &self.name
    }

    fn think(&self, ask: Ask<TradingBrief>) -> Thinking {
        let question = (ask.decision, ask.brief.appeal.is_some(), self.agent.to_owned());
        let mut recording = self.recording.lock().unwrap_or_else(PoisonError::into_inner);
        let thought = match recording.next(&question) {
            Some(Recorded::Said(thought)) => Ok(thought),
            Some(Recorded::Failed(text)) => Err(again(text)),
            Some(Recorded::Denied(code)) => Err(ConsultError::Denied { code }),
            Some(Recorded::Silent) => Err(ConsultError::Late),
            None => Err(ConsultError::Brain { why: NOT_RECORDED.to_owned() }),
        };
        Box::pin(async move { thought })
    }
}

/// The same failure as then; those that are more than a text to whoever hears them are told apart.
pub(crate) fn again(text: String) -> ConsultError {
    if text == ConsultError::Shed.to_string() {
        return ConsultError::Shed;
    }
    match forbidden::find([text.as_str()]) {
        Some(action) if text == (ConsultError::Forbidden { action }).to_string() => {
            ConsultError::Forbidden { action }
        }
        _ => ConsultError::Recorded { text },
    }
}

/// The Risk Guardian without its judgement, for a what-if: it never objects by itself. Its hard rules
/// hold all the same, because they are read off the brief whatever a brain says.
#[derive(Clone, Copy, Debug)]
pub struct MutedGuardian;

impl MutedGuardian {
    /// The agent that this is the brain of; the others are muted by not asking them.
    pub const AGENT: AgentName = RISK_GUARDIAN;
}

impl Brain<TradingBrief> for MutedGuardian {
    fn name(&self) -> &'static str {
        "muted"
    }

    fn think(&self, _: Ask<TradingBrief>) -> Thinking {
        let answer = risk_guardian::Answer {
            reasoning: "muted in a what-if: no objection by judgement".to_owned(),
            objections: Vec::new(),
            confidence: 1.0,
        };
        let unreadable = |error: serde_json::Error| ConsultError::Brain { why: error.to_string() };
        let thought = serde_json::to_value(answer).map_err(unreadable);
        let thought = thought.map(Thought::free);
        Box::pin(async move { thought })
    }
}

#[cfg(test)]
mod tests {
    use conclave_domain::advice::{Stance, VetoKind};
    use conclave_domain::limits::Limits;
    use conclave_domain::market::symbol::Symbol;
    use conclave_domain::ratio::Ratio;
    use conclave_domain::record::{Chain, Record, Stream};
    use conclave_domain::time::Time;
    use serde_json::json;

    use super::*;
    use crate::audit::record;
    use crate::runtime::agent::Entry;
    use crate::runtime::brain::Spent;
    use crate::trading::risk_guardian::RiskGuardian;
    use crate::trading::sample;

    fn decision() -> DecisionId {
        DecisionId::new(&Symbol::new("AAA").unwrap(), Time::EPOCH, "entry")
    }

    fn written(step: Step, body: &Value) -> Record {
        record(step, Some(&decision()), Time::EPOCH, body).unwrap()
    }

    fn read(records: &[Record]) -> Recording {
        let (mut chain, mut recording) = (Chain::new(Stream::Decisions), Recording::default());
        for record in records {
            let mut text = String::new();
            chain.append(record, None, &mut text);
            recording.take(&Line::read(&text).unwrap()).unwrap();
        }
        recording
    }

    fn consulted(appeal: &Value) -> Record {
        written(Step::ConsultSent, &json!({"round": 1, "asked": [], "brief": {"appeal": appeal}}))
    }

    fn advised(agent: &str, raw: &Value, error: &Value) -> Record {
        let body = json!({"agent": agent, "brain": "rules", "raw": raw, "error": error});
        written(Step::AdviceClamped, &body)
    }

    fn asked(recording: &mut Recording, on_appeal: bool) -> Option<Recorded> {
        recording.next(&(decision(), on_appeal, "position_sizer".to_owned()))
    }

    /// D-1: each answer is found by its decision, its agent and whether it was asked on appeal.
    #[test]
    fn an_answer_is_given_once_and_to_the_question_that_it_was_given_to() {
        let against = json!({"code": "guardian.crash"});
        let mut recording = read(&[
            consulted(&Value::Null),
            advised("position_sizer", &json!(1), &Value::Null),
            advised("risk_guardian", &json!(7), &Value::Null),
            consulted(&against),
            advised("position_sizer", &json!(2), &Value::Null),
            advised("position_sizer", &Value::Null, &json!("it broke")),
        ]);
        let said = |raw| {
            let by = Some("rules".to_owned());
            Some(Recorded::Said(Thought { by, ..Thought::free(raw) }))
        };
        assert_eq!(asked(&mut recording, true), said(json!(2)));
        assert_eq!(asked(&mut recording, true), Some(Recorded::Failed("it broke".to_owned())));
        assert_eq!(asked(&mut recording, true), None);
        assert_eq!(asked(&mut recording, false), said(json!(1)));
        assert_eq!(recording.brain("position_sizer"), Some("rules"));
        assert_eq!(recording.brain("signal_analyst"), None);
    }

    /// What no budget allowed then is not asked now, and who said nothing of a position says nothing.
    #[test]
    fn a_refused_permit_and_silence_about_a_position_come_again() {
        let seats = json!([{"agent": "position_sizer", "part": "voter", "outcome": "denied",
            "code": Code::SafetyAllHour}]);
        let body = json!({"round": 0, "asked": ["position_sizer", "exit_strategist"],
            "brief": {}});
        let mut recording = read(&[
            consulted(&Value::Null),
            written(Step::RoundClosed, &json!({"round": 1, "seats": seats})),
            written(Step::ConsultSent, &body),
            advised("exit_strategist", &json!(1), &Value::Null),
        ]);
        recording.fall_silent();
        let denied = Some(Recorded::Denied(Code::SafetyAllHour));
        assert_eq!(asked(&mut recording, false), denied);
        assert_eq!(asked(&mut recording, false), Some(Recorded::Silent));
        assert_eq!(asked(&mut recording, false), None);
        assert!(!recording.faults().hangs());
    }

    #[test]
    fn what_befell_an_agent_is_planned_for_the_same_round() {
        let seat = |agent: &str, outcome: &str, why: Option<&str>| json!({"agent": agent, "part": "voter", "outcome": outcome, "why": why});
        let seats = [
            seat("a", "failed", Some(PANICKED)),
            seat("b", "failed", Some(WENT_AWAY)),
            seat("c", "failed", Some("the brain failed: x")),
            seat("d", "late", None),
            seat("e", "shed", None),
            seat("position_sizer", "shed", None),
            seat("g", "not_awaited", None),
        ];
        let recording = read(&[
            consulted(&Value::Null),
            advised("position_sizer", &Value::Null, &json!(ConsultError::Shed.to_string())),
            written(Step::RoundClosed, &json!({"round": 3, "seats": seats})),
        ]);
        let faults = recording.faults();
        let planned = ["a", "b", "c", "d", "e", "position_sizer", "g"].map(|it| faults.at(it, 3));
        let expected = [
            Some(Fault::Panic),
            Some(Fault::Kill),
            None,
            Some(Fault::Hang),
            None,
            Some(Fault::Shed),
            None,
        ];
        assert_eq!(planned, expected);
        assert_eq!(faults.at("a", 2), None);
    }

    /// F-1: a forbidden action that was asked for then is one that is asked for now.
    #[test]
    fn a_failure_is_the_same_word_for_word() {
        for failure in [
            ConsultError::Shed,
            ConsultError::Forbidden { action: forbidden::ACTIONS[0] },
            ConsultError::Recorded { text: "the answer is out of this world".to_owned() },
            ConsultError::Recorded { text: format!("the brain said {}", forbidden::ACTIONS[1]) },
        ] {
            assert_eq!(again(failure.to_string()), failure);
        }
    }

    /// A muted guardian never objects by judgement, and its hard limits stay.
    #[tokio::test]
    async fn a_muted_guardian_says_nothing_and_a_hard_limit_is_a_veto_all_the_same() {
        let (entry, limits) = (Entry::of::<RiskGuardian>(), Arc::new(Limits::default()));
        let mut worrying = sample::entry();
        worrying.projected.max_correlation = Ratio::of(1.0);
        let mut breached = sample::entry();
        breached.projected.position_pct = Ratio::of(0.9);
        let mut stances = Vec::new();
        for brief in [worrying, breached] {
            let by_rules = (entry.read)(&(entry.rules)(&brief, &limits), &brief, &limits).unwrap();
            assert!(matches!(by_rules.stance, Stance::Veto(_)), "{by_rules:?}");
            let (brief, limits, decision) = (Arc::new(brief), Arc::clone(&limits), decision());
            let ask = Ask {
                entry,
                brief: Arc::clone(&brief),
                limits: Arc::clone(&limits),
                decision,
                round: 1,
                granted: None,
                refused: None,
                spent: Spent::default(),
            };
            let raw = MutedGuardian.think(ask).await.unwrap().raw;
            stances.push((entry.read)(&raw, &brief, &limits).unwrap().stance);
        }
        assert_eq!(stances[0], Stance::NoObjection);
        let is_hard =
            |stance: &Stance| matches!(stance, Stance::Veto(it) if it.kind == VetoKind::Hard);
        assert!(is_hard(&stances[1]), "{stances:?}");
    }

    #[test]
    fn a_body_of_another_shape_is_an_error_that_names_the_record() {
        let mut chain = Chain::new(Stream::Decisions);
        let mut text = String::new();
        chain.append(&written(Step::RoundClosed, &json!({"round": "x"})), None, &mut text);
        let error = Recording::default().take(&Line::read(&text).unwrap()).unwrap_err();
        assert!(error.to_string().starts_with("record 1: the body of `round.closed`"), "{error}");
    }
}
