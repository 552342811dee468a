//! The records of a decision: one body per step, gathered into one batch.

use conclave_domain::advice::{Advice, Objection};
use conclave_domain::brief::trading::GateResult;
use conclave_domain::code::Code;
use conclave_domain::deliberation::Conclusion;
use conclave_domain::fixed::Money;
use conclave_domain::market::bar::Bar;
use conclave_domain::market::symbol::Symbol;
use conclave_domain::mode::Mode;
use conclave_domain::order::{DecisionId, OrderIntent};
use conclave_domain::record::{Record, Step};
use conclave_domain::role::AgentName;
use conclave_domain::signal::Signal;
use conclave_domain::sizing::SizingTrace;
use conclave_domain::synthesis::Composed;
use conclave_domain::tally::RoundReport;
use conclave_domain::time::Time;
use serde::Serialize;
use serde_json::{Value, json};

use crate::audit::{record, volatile};
use crate::runtime::agent::ConsultError;
use crate::runtime::shell::Answer;

/// The batch of one decision: its records in the order of their steps. A record that cannot be made
/// is logged and left out.
#[derive(Clone, Debug)]
pub struct Batch {
    decision: DecisionId,
    at: Time,
    records: Vec<Record>,
}

#[derive(Serialize)]
struct BarBody<'a> {
    symbol: &'a Symbol,
    bar: &'a Bar,
}

#[derive(Serialize)]
struct AdviceBody<'a> {
    agent: AgentName,
    brain: &'a str,
    raw: &'a Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    advice: Option<&'a Advice>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
    /// Why no model was asked, where rules answered in its place.
    #[serde(skip_serializing_if = "Option::is_none")]
    refused: Option<Code>,
}

#[derive(Serialize)]
struct AdviceFields {
    cost: Money,
    latency_us: u64,
}

#[derive(Serialize)]
struct RoundBody<'a> {
    round: u64,
    #[serde(flatten)]
    report: &'a RoundReport,
}

#[derive(Serialize)]
struct ConsultBody<'a, B> {
    round: u64,
    asked: &'a [AgentName],
    brief: &'a B,
}

#[derive(Serialize)]
struct ClearedBody<'a> {
    intent: &'a OrderIntent,
    sizing: &'a SizingTrace,
    terms: &'a Composed,
    mode: Mode,
}

impl Batch {
    /// An empty batch. `at` is the market time of all its records.
    pub fn new(decision: DecisionId, at: Time) -> Self {
        Self { decision, at, records: Vec::with_capacity(12) }
    }

    /// What is written.
    pub fn into_records(self) -> Vec<Record> {
        self.records
    }

    /// Adds the record of one step.
    pub(crate) fn push(&mut self, step: Step, body: &impl Serialize) {
        tracing::debug!(step = step.name(), "step done");
        match record(step, Some(&self.decision), self.at, body) {
            Ok(record) => self.records.push(record),
            Err(error) => {
                let error = &error as &dyn std::error::Error;
                tracing::error!(error, step = step.name(), "record left out");
            }
        }
    }

    /// Steps 1 and 2.
    pub(super) fn signal(&mut self, signal: &Signal, bar: &Bar) {
        self.push(Step::BarReceived, &BarBody { symbol: &signal.symbol, bar });
        self.push(Step::SignalRaised, signal);
    }

    /// A candidate that the gates stopped.
    pub(super) fn denied(&mut self, code: Code, gates: &[GateResult]) {
        self.push(Step::CandidateDenied, &json!({"code": code, "gates": gates}));
    }

    /// Step 3.
    pub fn consult<B: Serialize>(&mut self, round: u64, asked: &[AgentName], brief: &B) {
        self.push(Step::ConsultSent, &ConsultBody { round, asked, brief });
    }

    /// Step 4, one record per answer, and one more for each that asked for a forbidden action (F-1).
    pub fn answers(&mut self, answers: &[Answer]) {
        for answer in answers {
            tracing::debug!(step = Step::AdviceClamped.name(), agent = answer.agent, "step done");
            let body = AdviceBody {
                agent: answer.agent,
                brain: &answer.brain,
                raw: &answer.raw,
                advice: answer.outcome.as_ref().ok(),
                error: answer.outcome.as_ref().err().map(ToString::to_string),
                refused: answer.refused,
            };
            let made = record(Step::AdviceClamped, Some(&self.decision), self.at, &body);
            let latency_us = u64::try_from(answer.latency.as_micros()).unwrap_or(u64::MAX);
            let fields = AdviceFields { cost: answer.cost, latency_us };
            match made.and_then(|made| volatile(made, &fields)) {
                Ok(record) => self.records.push(record),
                Err(error) => {
                    let error = &error as &dyn std::error::Error;
                    tracing::error!(error, agent = answer.agent, "advice left out");
                }
            }
            if let Err(ConsultError::Forbidden { action }) = answer.outcome {
                let code = Code::SafetyForbidden;
                let body = json!({"agent": answer.agent, "action": action, "code": code});
                self.push(Step::ForbiddenAsked, &body);
            }
        }
    }

    /// Step 5.
    pub fn closed(&mut self, round: u64, report: &RoundReport) {
        self.push(Step::RoundClosed, &RoundBody { round, report });
    }

    /// An appeal, or why there is none.
    pub(super) fn appeal(&mut self, against: &Objection, opened: Result<(), Code>) {
        let refused = opened.err();
        self.push(Step::AppealOpened, &json!({"against": against, "refused": refused}));
    }

    /// Step 6, when an order may leave.
    pub(super) fn cleared(&mut self, conclusion: &Conclusion, mode: Mode) {
        let Conclusion { order, settled } = conclusion;
        let (intent, sizing, terms) = (&order.intent, &order.trace, settled.terms());
        self.push(Step::OrderCleared, &ClearedBody { intent, sizing, terms, mode });
    }

    /// Step 6, when none may.
    pub(super) fn not_cleared(&mut self, code: Code) {
        self.push(Step::OrderCleared, &json!({"denied": code}));
    }

    /// Step 6 of an advised exit, which needs nobody's leave.
    pub(super) fn exit_advised(&mut self, symbol: &Symbol) {
        self.push(Step::OrderCleared, &json!({"exit": symbol, "reason": "advised"}));
    }
}
