//! One decision on a list: two agents score, two check what comes of it, all four vote on the end.
//!
//! - T-3: silence is never consent: without a verdict, a permit and an open gate the list of the pipeline stands.
//! - U-1: what a swap has changed is looked at again from the list alone, before anybody votes on it.
//! - all rounds and what came of them are one batch, on the disk before the list is handed out.

use conclave_domain::advice::Advice;
use conclave_domain::brief::selection::{SelectionBrief, SelectionStep};
use conclave_domain::clearance::Cleared;
use conclave_domain::code::Code;
use conclave_domain::order::DecisionId;
use conclave_domain::record::Step;
use conclave_domain::role::{AgentName, Team};
use conclave_domain::selection::Scored;
use conclave_domain::selection::advised::{Council, Heeded, ListPlan, Made};
use conclave_domain::selection::diversify::Diverse;
use conclave_domain::selection::validate::Violations;
use serde_json::json;

use super::SelectionRun;
use crate::orchestrator::records::Batch;
use crate::runtime::agent::Agent as _;
use crate::selection::run::panel::votes;
use crate::selection::{
    compatibility_auditor::CompatibilityAuditor, portfolio_coherence::PortfolioCoherence,
    symbol_scorer::SymbolScorer, weight_optimizer::WeightOptimizer,
};

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
        let scored_at = scored.as_of();
        let brief = |scored: &Scored, step, diverse: &Diverse| {
            scored.brief(step, diverse, &diverse.list, <_>::default())
        };
        let first = brief(&scored, SelectionStep::Score, &alone.diverse);
        let advice = self.ask(&first, &SCORE).await;
        self.asked.extend(scored.heed(&advice));
        let diverse = scored.diverse(count);
        let second = brief(&scored, SelectionStep::Check, &diverse);
        let advice = self.ask(&second, &CHECK).await;
        let (list, heeded) = scored.swap(&diverse, &advice);
        self.asked.extend(heeded);
        let selected = scored.selected(list.list.clone()).map_err(|_| Code::SelectionNoList)?;
        if selected.symbols().is_empty() {
            return Err(Code::SelectionNoList);
        }
        // A swap that was looked at again is no error of the scoring: the list is told as it stands now.
        let vote = brief(&scored, SelectionStep::Vote, &list);
        let panel = &self.run.panel;
        let voted = panel.vote((&self.decision, &mut self.batch), &vote).await;
        let round = voted.ok_or(Code::RoundNoQuorum)?;
        self.votes = votes(&round);
        let plan = ListPlan {
            decision: self.decision.clone(),
            made: Made { scored, diverse: list, selected },
        };
        panel.cleared(round, plan, scored_at).await
    }

    async fn ask(&mut self, brief: &SelectionBrief, who: &[AgentName]) -> Vec<Advice> {
        let asked = self.run.panel.ask((&self.decision, &mut self.batch), brief, who).await;
        asked.unwrap_or_default()
    }

    /// Writes down what came of it; a list that cannot be written down is not the agents'.
    async fn end(
        mut self,
        alone: Made,
        advised: Result<Cleared<ListPlan>, Code>,
    ) -> (Made, Council) {
        let mode = self.run.panel.safety.mode(Team::Selection);
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
                self.run.panel.score.denied(&self.decision, code, code.cause());
                (None, council(&mut self, Some(code), Vec::new()))
            }
        };
        let list = theirs.as_ref().unwrap_or(&alone).selected.symbols();
        let body = json!({"list": list, "alone": alone.selected.symbols(), "council": council});
        self.batch.push(Step::SelectionClosed, &body);
        match self.run.panel.audit.append(self.batch.into_records()).await {
            Ok(_) => (theirs.unwrap_or(alone), council),
            Err(error) => {
                tracing::error!(error = &error as &dyn std::error::Error, "advice given up");
                (alone, Council { code: Some(Code::SafetyStore), shifts: Vec::new(), ..council })
            }
        }
    }
}
