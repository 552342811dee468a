//! One decision on a list: two agents score, two check what comes of it, all four vote on the end.
//!
//! - T-3: silence is never consent: without a verdict, a permit and an open gate the list of the pipeline stands.
//! - U-1: what a swap has changed is looked at again from the list alone, before anybody votes on it.
//! - all rounds and what came of them are one batch, on the disk before the list is handed out.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use conclave_domain::advice::Advice;
use conclave_domain::brief::selection::{SelectionBrief, SelectionStep};
use conclave_domain::budget::Request;
use conclave_domain::clearance::{Cleared, Validity};
use conclave_domain::code::Code;
use conclave_domain::fixed::Money;
use conclave_domain::order::DecisionId;
use conclave_domain::record::Step;
use conclave_domain::role::{AgentName, Team};
use conclave_domain::selection::Scored;
use conclave_domain::selection::advised::{Council, Heeded, ListPlan, Made};
use conclave_domain::selection::diversify::Diverse;
use conclave_domain::selection::validate::Violations;
use conclave_domain::tally::{Settle, Verdict};
use conclave_domain::time::Time;
use serde_json::json;

use super::SelectionRun;
use crate::consensus::noted::{Counts, noted_round};
use crate::consensus::{Member, Round, RoundRequest};
use crate::orchestrator::records::Batch;
use crate::runtime::agent::Agent as _;
use crate::runtime::shell::AgentHandle;
use crate::selection::{
    compatibility_auditor::CompatibilityAuditor, portfolio_coherence::PortfolioCoherence,
    symbol_scorer::SymbolScorer, weight_optimizer::WeightOptimizer,
};

/// What a veto would fence off, and the name of the one permit.
const SCOPE: &str = "selection";
/// How long a verdict on a list holds, milliseconds on the clock of its bars.
const HOLDS_MS: i64 = 3_600_000;
/// Who scores.
const SCORE: [AgentName; 2] = [SymbolScorer::ROLE.name, WeightOptimizer::ROLE.name];
/// Who checks.
const CHECK: [AgentName; 2] = [CompatibilityAuditor::ROLE.name, PortfolioCoherence::ROLE.name];

/// One deliberation under way.
struct Deliberation<'a> {
    run: &'a SelectionRun,
    decision: DecisionId,
    batch: Batch,
    asked: Vec<Heeded>,
    votes: Vec<(AgentName, &'static str)>,
}

impl SelectionRun {
    /// Asks the agents about a ranking, and for lists of up to `count`. Returns the list that stands, and
    /// what the agents had to do with it.
    ///
    /// # Errors
    /// When the pipeline's own list breaks a constraint, which it never should.
    pub async fn deliberate(
        &self,
        scored: &Scored,
        count: usize,
    ) -> Result<(Made, Council), Violations> {
        let alone = Made::alone(scored.clone(), count)?;
        let run = format!("selection-{}", scored.as_of().ms());
        let number = u32::try_from(count).unwrap_or(u32::MAX);
        let decision = DecisionId::of_run(&run, number, "list");
        let batch = Batch::new(decision.clone(), scored.as_of());
        let mut at_work =
            Deliberation { run: self, decision, batch, asked: Vec::new(), votes: Vec::new() };
        let advised = at_work.advised(&alone, count).await;
        Ok(at_work.end(alone, advised).await)
    }
}

impl Deliberation<'_> {
    /// Score, check, vote, permit.
    async fn advised(&mut self, alone: &Made, count: usize) -> Result<Cleared<ListPlan>, Code> {
        let mut scored = alone.scored.clone();
        let brief = |scored: &Scored, step, diverse: &Diverse| {
            scored.brief(step, diverse, &diverse.list, <_>::default())
        };
        let first = brief(&scored, SelectionStep::Score, &alone.diverse);
        let advice = self.round(&first, &SCORE, Settle::All, false).await;
        self.asked.extend(scored.heed(&advice.map(|(_, advice)| advice).unwrap_or_default()));
        let diverse = scored.diverse(count);
        let second = brief(&scored, SelectionStep::Check, &diverse);
        let advice = self.round(&second, &CHECK, Settle::All, false).await;
        let advice = advice.map(|(_, advice)| advice).unwrap_or_default();
        let (list, heeded) = scored.swap(&diverse, &advice);
        self.asked.extend(heeded);
        let selected = scored.selected(list.list.clone()).map_err(|_| Code::SelectionNoList)?;
        if selected.symbols().is_empty() {
            return Err(Code::SelectionNoList);
        }
        // A swap that was looked at again is no error of the scoring: the list is told as it stands now.
        let vote = brief(&scored, SelectionStep::Vote, &list);
        let everybody: Vec<AgentName> = self.run.agents.iter().map(|it| it.role.name).collect();
        let voted = self.round(&vote, &everybody, self.run.settle, true).await;
        let (round, _) = voted.ok_or(Code::RoundNoQuorum)?;
        self.votes = votes(&round);
        let plan = ListPlan {
            decision: self.decision.clone(),
            made: Made { scored, diverse: list, selected },
        };
        self.cleared(round, plan).await
    }

    /// One round; `None` when its watchdog barked or nobody of these is on.
    async fn round(
        &mut self,
        brief: &SelectionBrief,
        who: &[AgentName],
        settle: Settle,
        is_vote: bool,
    ) -> Option<(Round, Vec<Advice>)> {
        let run = self.run;
        let agents: Vec<_> =
            run.agents.iter().filter(|agent| who.contains(&agent.role.name)).collect();
        if agents.is_empty() {
            return None;
        }
        let nth = run.rounds.fetch_add(1, Ordering::SeqCst) + 1;
        let request = RoundRequest {
            decision: self.decision.clone(),
            nth,
            scope: SCOPE.to_owned(),
            members: agents.into_iter().map(|agent| self.member(agent, brief)).collect(),
            critical: false,
            settle,
            patience: run.patience,
            rules: Arc::new(run.limits.consensus.clone()),
            recall: Arc::default(),
            interrupted: false,
        };
        let counts = if is_vote { Counts::Vote } else { Counts::Singles };
        noted_round(request, brief, (&mut self.batch, &run.safety, &run.score), counts).await
    }

    fn member(
        &self,
        agent: &AgentHandle<SelectionBrief>,
        brief: &SelectionBrief,
    ) -> Member<SelectionBrief> {
        let track_record = self.run.score.track_record(agent.role.name);
        let brief = SelectionBrief { track_record, ..brief.clone() };
        Member { agent: agent.clone(), brief: Arc::new(brief) }
    }

    /// What the vote has said, and whether it may be done: a permit, and the gate at this moment.
    async fn cleared(&self, round: Round, plan: ListPlan) -> Result<Cleared<ListPlan>, Code> {
        let acted = match (&round.report.verdict, round.acted) {
            (Verdict::Act, Some(acted)) => acted,
            (Verdict::Hold { code }, _) => return Err(*code),
            (Verdict::Vetoed { objection, .. }, _) => return Err(objection.code),
            (Verdict::Act | Verdict::Open, _) => return Err(Code::RoundNoQuorum),
        };
        let permit = self.run.safety.permit(Request::action(SCOPE)).await?;
        self.run.safety.settle(permit, Money::ZERO);
        let now = plan.made.scored.as_of();
        let expires_at = Time::from_ms(now.ms().saturating_add(HOLDS_MS));
        let validity = Validity { epoch: round.epoch, expires_at };
        let cleared =
            Cleared::by_verdict(acted, plan, validity).map_err(|_| Code::RoundNoQuorum)?;
        cleared.check(self.run.safety.fence().gate(SCOPE, now))?;
        Ok(cleared)
    }

    /// Writes down what came of it; a list that cannot be written down is not the agents'.
    async fn end(
        mut self,
        alone: Made,
        advised: Result<Cleared<ListPlan>, Code>,
    ) -> (Made, Council) {
        let mode = self.run.safety.standing().mode(Team::Selection);
        let council = |of: &mut Self, code: Option<Code>, shifts| Council {
            decision: of.decision.clone(),
            mode,
            code,
            votes: of.votes.clone(),
            asked: of.asked.clone(),
            shifts,
        };
        let (theirs, council) = match advised {
            Ok(cleared) => {
                let theirs = cleared.into_item().made;
                let shifts = theirs.shifts(&alone);
                (Some(theirs), council(&mut self, None, shifts))
            }
            Err(code) => {
                self.run.score.denied(&self.decision, code, code.cause());
                (None, council(&mut self, Some(code), Vec::new()))
            }
        };
        let list = theirs.as_ref().unwrap_or(&alone).selected.symbols();
        let body = json!({"list": list, "alone": alone.selected.symbols(), "council": council});
        self.batch.push(Step::SelectionClosed, &body);
        match self.run.audit.append(self.batch.into_records()).await {
            Ok(_) => (theirs.unwrap_or(alone), council),
            Err(error) => {
                tracing::error!(error = &error as &dyn std::error::Error, "advice given up");
                (alone, Council { code: Some(Code::SafetyStore), shifts: Vec::new(), ..council })
            }
        }
    }
}

/// How each seat ended.
fn votes(round: &Round) -> Vec<(AgentName, &'static str)> {
    round.report.seats.iter().map(|seat| (seat.agent, seat.outcome.name())).collect()
}
