//! The selection team at a table: what every question to it goes through, whoever asks.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use conclave_domain::advice::Advice;
use conclave_domain::brief::selection::SelectionBrief;
use conclave_domain::budget::Request;
use conclave_domain::clearance::{Cleared, Decided, Validity};
use conclave_domain::code::Code;
use conclave_domain::fixed::Money;
use conclave_domain::limits::Limits;
use conclave_domain::order::DecisionId;
use conclave_domain::role::AgentName;
use conclave_domain::tally::{Settle, Verdict};
use conclave_domain::time::Time;

use crate::audit::AuditHandle;
use crate::consensus::noted::{Counts, noted_round};
use crate::consensus::{Member, Patience, Round, RoundRequest};
use crate::orchestrator::records::Batch;
use crate::runtime::recall::Recall;
use crate::runtime::shell::AgentHandle;
use crate::safety::SafetyHandle;
use crate::score::Score;

/// How long a verdict on a list holds, on the clock of its bars.
const HOLDS: Duration = Duration::from_hours(1);

/// The enabled agents, and what their rounds need.
#[derive(Debug)]
pub(crate) struct Panel {
    /// What a veto would fence off, and the name of the one permit.
    pub(crate) scope: &'static str,
    pub(crate) audit: AuditHandle,
    pub(crate) safety: SafetyHandle,
    pub(crate) score: Score,
    pub(crate) agents: Vec<AgentHandle<SelectionBrief>>,
    pub(crate) limits: Arc<Limits>,
    pub(crate) patience: Patience,
    pub(crate) settle: Settle,
    /// The number of the last round.
    pub(crate) rounds: Arc<AtomicU64>,
    /// What was answered before the process ended.
    pub(crate) recall: Arc<Recall>,
}

impl Panel {
    /// Asks some of them without a vote; `None` when the watchdog barked or nobody of these is on.
    pub(crate) async fn ask(
        &self,
        (decision, batch): (&DecisionId, &mut Batch),
        brief: &SelectionBrief,
        who: &[AgentName],
    ) -> Option<Vec<Advice>> {
        let is_asked = |name: AgentName| who.contains(&name);
        let asked = self.round((decision, batch), brief, is_asked, Counts::Singles).await;
        asked.map(|(_, advice)| advice)
    }

    /// Has all of them vote; `None` when the watchdog barked or nobody is on.
    pub(crate) async fn vote(
        &self,
        (decision, batch): (&DecisionId, &mut Batch),
        brief: &SelectionBrief,
    ) -> Option<Round> {
        let voted = self.round((decision, batch), brief, |_| true, Counts::Vote).await;
        voted.map(|(round, _)| round)
    }

    async fn round(
        &self,
        (decision, batch): (&DecisionId, &mut Batch),
        brief: &SelectionBrief,
        is_asked: impl Fn(AgentName) -> bool,
        counts: Counts,
    ) -> Option<(Round, Vec<Advice>)> {
        let asked = self.agents.iter().filter(|agent| is_asked(agent.role.name));
        let members: Vec<_> = asked.map(|agent| self.member(agent, brief)).collect();
        if members.is_empty() {
            return None;
        }
        let request = RoundRequest {
            decision: decision.clone(),
            nth: self.rounds.fetch_add(1, Ordering::SeqCst) + 1,
            scope: self.scope.to_owned(),
            members,
            critical: false,
            settle: if counts == Counts::Vote { self.settle } else { Settle::All },
            patience: self.patience,
            rules: Arc::new(self.limits.consensus.clone()),
            recall: Arc::clone(&self.recall),
            interrupted: false,
        };
        noted_round(request, brief, (batch, &self.safety, &self.score), counts).await
    }

    fn member(
        &self,
        agent: &AgentHandle<SelectionBrief>,
        brief: &SelectionBrief,
    ) -> Member<SelectionBrief> {
        let track_record = self.score.track_record_at(agent.role.name, brief.as_of);
        let brief = SelectionBrief { track_record, ..brief.clone() };
        Member { agent: agent.clone(), brief: Arc::new(brief) }
    }

    /// What a vote has said, and whether it may be done: a permit, and the gate at this moment.
    ///
    /// # Errors
    /// The code of what stands in the way.
    pub(crate) async fn cleared<T: Decided>(
        &self,
        round: Round,
        item: T,
        now: Time,
    ) -> Result<Cleared<T>, Code> {
        let acted = match (&round.report.verdict, round.acted) {
            (Verdict::Act, Some(acted)) => acted,
            (Verdict::Hold { code }, _) => return Err(*code),
            (Verdict::Vetoed { objection, .. }, _) => return Err(objection.code),
            (Verdict::Act | Verdict::Open, _) => return Err(Code::RoundNoQuorum),
        };
        let permit = self.safety.permit(Request::action(self.scope)).await?;
        self.safety.settle(permit, Money::ZERO);
        let validity = Validity { epoch: round.epoch, expires_at: now + HOLDS };
        let cleared =
            Cleared::by_verdict(acted, item, validity).map_err(|_| Code::RoundNoQuorum)?;
        cleared.check(self.safety.fence().gate(self.scope, now))?;
        Ok(cleared)
    }
}

/// How each seat of a vote ended, guardians first, in roster order.
pub(crate) fn votes(round: &Round) -> Vec<(AgentName, &'static str)> {
    round.report.seats.iter().map(|seat| (seat.agent, seat.outcome.name())).collect()
}
