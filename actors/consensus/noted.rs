//! A round whose question, answers and verdict go into the batch of a decision, and to the score.

use conclave_domain::advice::Advice;
use conclave_domain::role::AgentName;
use serde::Serialize;

use super::{Round, RoundRequest, open_round};
use crate::orchestrator::records::Batch;
use crate::safety::SafetyHandle;
use crate::score::Score;

/// What a round counts as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Counts {
    /// A vote on one proposal.
    Vote,
    /// Questions to each alone.
    Singles,
}

/// Opens a round and writes it down; `None` when its watchdog barked.
pub(crate) async fn noted_round<B: Serialize + Send + Sync + 'static>(
    request: RoundRequest<B>,
    brief: &B,
    (batch, safety, score): (&mut Batch, &SafetyHandle, &Score),
    counts: Counts,
) -> Option<(Round, Vec<Advice>)> {
    let nth = request.nth;
    let names: Vec<AgentName> = request.members.iter().map(|it| it.agent.role.name).collect();
    batch.consult(nth, &names, brief);
    let round = match open_round(request, safety).await {
        Ok(round) => round,
        Err(error) => {
            tracing::error!(error = &error as &dyn std::error::Error, "no verdict");
            return None;
        }
    };
    let advice: Vec<Advice> =
        round.answers.iter().filter_map(|answer| answer.outcome.clone().ok()).collect();
    score.count(|stats| match counts {
        Counts::Vote => stats.on_round(&round.report, &advice),
        Counts::Singles => stats.on_singles(&round.report, &advice),
    });
    batch.answers(&round.answers);
    batch.closed(nth, &round.report);
    Some((round, advice))
}
