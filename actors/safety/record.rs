//! Safety's events as records of the audit, and in the context for whoever looks.
//!
//! - D-1: a record is handed to the audit inside safety's own handler, before whoever asked for the
//!   change hears of it. So it stands before everything that the change leads to, in every run.

use std::sync::Arc;

use conclave_domain::brief::trading::TradingState;
use conclave_domain::context::Update;
use conclave_domain::record::Step;
use serde::Serialize;

use super::{Events, SafetyEvent};
use crate::audit::{AuditHandle, record};
use crate::context::ContextHandle;
use crate::runtime::ports::Clock;

/// The body of a safety event's record: what a repair of the context applies is in it.
#[derive(Serialize)]
struct Body<'a> {
    #[serde(flatten)]
    event: &'a SafetyEvent,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    updates: Vec<Update>,
}

/// Writes every event down, stamped with the trading clock, and then tells `others`.
pub(crate) fn recorded(
    audit: AuditHandle,
    context: ContextHandle,
    clock: Arc<dyn Clock>,
    others: Events,
) -> Events {
    Arc::new(move |event| {
        let at = clock.trading();
        let (step, updates) = match &event {
            SafetyEvent::AgentEnded { .. } => (Step::AgentRestarted, Vec::new()),
            SafetyEvent::AgentGivenUp { .. } => (Step::FaultSeen, Vec::new()),
            SafetyEvent::StateChanged { from, to, why, .. } => {
                let step = match (from, to) {
                    (_, TradingState::Halted) => Step::HaltRaised,
                    (TradingState::Halted, _) => Step::HaltLifted,
                    _ => Step::StateChanged,
                };
                // Since when and why it is so does not change with an order that changes nothing.
                let told = || Update::StateSet { state: *to, reason: why.clone(), at };
                (step, if from == to { Vec::new() } else { vec![told()] })
            }
            SafetyEvent::ModeChanged(change) => {
                (Step::ModeChanged, vec![Update::ModeSet { job: change.job, mode: change.to }])
            }
        };
        let body = Body { event: &event, updates: updates.clone() };
        let written = record(step, None, at, &body).map_err(Into::into);
        if let Err(error) = written.and_then(|record| audit.tell(vec![record])) {
            tracing::error!(error = &error as &dyn std::error::Error, "event not written");
        }
        if let Err(error) = context.tell_at_once(updates) {
            tracing::error!(error = &error as &dyn std::error::Error, "event not shown");
        }
        others(event);
    })
}
