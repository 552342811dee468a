//! What is told of a decision as spans: `bar`, `decision`, `round`, `consultation`, `call`, `order`.
//!
//! The parent of a span is whatever was entered where it is made. A decision and a consultation are
//! worked on by tasks of other actors, so their spans are made by whoever asks and go with the message:
//! the wait in a mailbox is a part of them.
//!
//! A span says words of ours, names and numbers: no text of a model, of a person or of the news. Where
//! nobody listens one costs the comparison of a level, and none of its fields is made.

use conclave_domain::advice::Stance;
use conclave_domain::market::symbol::Symbol;
use conclave_domain::market::tape::Chunk;
use conclave_domain::order::{DecisionId, OrderIntent};
use conclave_domain::role::AgentName;
use conclave_domain::tally::{Outcome, Verdict};
use conclave_domain::time::Time;
use tracing::Span;
use tracing::field::{Empty, display};

use crate::consensus::{Round, RoundError, RoundRequest};
use crate::runtime::agent::ConsultError;
use crate::runtime::shell::Answer;

/// What is done behind a slice: when it closed, and how many bars it holds.
pub(crate) fn bar(chunk: &Chunk, slice: usize) -> Span {
    let ticks = chunk.slice(slice);
    let at = ticks.first().map(|tick| display(tick.bar.close_time));
    tracing::debug_span!("bar", at, bars = ticks.len())
}

/// One decision, or one look at an open position. At the level of the log's lines about decisions.
pub(crate) fn decision(symbol: &Symbol, at: Time, what: &'static str) -> Span {
    tracing::info_span!("decision", id = %DecisionId::new(symbol, at, what), %symbol)
}

/// A question to a team.
pub(crate) fn round<B>(request: &RoundRequest<B>) -> Span {
    tracing::debug_span!(
        "round",
        decision = %request.decision,
        nth = request.nth,
        critical = request.critical,
        members = request.members.len(),
        verdict = Empty,
        by = Empty,
        code = Empty,
    )
}

/// What a round has come to.
pub(crate) fn closed(span: &Span, round: &Result<Round, RoundError>) {
    if span.is_disabled() {
        return;
    }
    let verdict = match round {
        Err(RoundError::Watchdog { .. }) => "not_closed",
        Ok(round) => match &round.report.verdict {
            Verdict::Open => "open",
            Verdict::Act => "act",
            Verdict::Hold { code } => {
                span.record("code", code.as_str());
                "hold"
            }
            Verdict::Vetoed { by, objection } => {
                span.record("by", by);
                span.record("code", objection.code.as_str());
                "vetoed"
            }
        },
    };
    span.record("verdict", verdict);
}

/// A question to one agent, from its mailbox to its answer.
pub(crate) fn consultation(agent: AgentName) -> Span {
    tracing::debug_span!(
        "consultation",
        agent,
        brain = Empty,
        outcome = Empty,
        confidence = Empty,
        code = Empty,
    )
}

/// What an agent has brought.
pub(crate) fn answered(span: &Span, answer: &Answer) {
    if span.is_disabled() {
        return;
    }
    span.record("brain", answer.brain.as_str());
    if let Ok(advice) = &answer.outcome {
        span.record("confidence", advice.confidence.get());
        if let Stance::Veto(objection) = &advice.stance {
            span.record("code", objection.code.as_str());
        }
    }
    span.record("outcome", word(answer));
}

/// A consultation whose round is over.
pub(crate) fn not_awaited(span: &Span) {
    span.record("outcome", Outcome::NotAwaited.name());
}

/// The word that a round's record has for an answer.
fn word(answer: &Answer) -> &'static str {
    match &answer.outcome {
        Ok(advice) => match &advice.stance {
            Stance::Vote(vote) => Outcome::Voted { vote: *vote }.name(),
            Stance::NoObjection => Outcome::NoObjection.name(),
            Stance::Veto(_) => Outcome::Vetoed.name(),
        },
        Err(ConsultError::Shed) => Outcome::Shed.name(),
        Err(ConsultError::Late) => Outcome::Late.name(),
        Err(ConsultError::Denied { code }) => Outcome::Denied { code: *code }.name(),
        Err(_) => Outcome::Failed { why: String::new() }.name(),
    }
}

/// One request to a model, from its leaving to its answer; without an outcome where it was cut off.
pub(crate) fn call(provider: &str, model: &str) -> Span {
    tracing::debug_span!("call", provider, model, outcome = Empty)
}

/// An order on its way through the fence to its broker.
pub(crate) fn order(intent: &OrderIntent) -> Span {
    tracing::debug_span!(
        "order",
        id = %intent.client_order_id,
        decision = %intent.decision,
        symbol = %intent.symbol,
        side = intent.side.name(),
        kind = intent.kind.name(),
        code = Empty,
    )
}
