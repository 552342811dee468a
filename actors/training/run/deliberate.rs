//! One decision on a training run: those who are due propose, everybody votes on what it comes to.
//!
//! - T-3: silence is never consent: without a verdict, a permit or a person's yes nothing is cleared.
//! - O-1: what is cleared is stamped with the cycle and the fence's epoch it was asked in.
//! - both rounds and what became of them are one batch, on the disk before a lever may move.

use std::sync::atomic::Ordering;

use conclave_domain::advice::{Advice, Stance, Vote};
use conclave_domain::brief::training::{Proposed, TrainingBrief, TrainingLever};
use conclave_domain::budget::Request;
use conclave_domain::clearance::Cleared;
use conclave_domain::code::Code;
use conclave_domain::fixed::Money;
use conclave_domain::guidance::{Composed, Group, LeverPlan, Standing, compose, groups, validity};
use conclave_domain::mode::Mode;
use conclave_domain::order::DecisionId;
use conclave_domain::record::Step;
use conclave_domain::role::{AgentName, Team};
use conclave_domain::tally::{Settle, Verdict};
use serde_json::json;

use super::brakes::stands;
use super::guidance::Office;
use crate::consensus::noted::{Counts, noted_round};
use crate::consensus::{Member, Round, RoundRequest};
use crate::orchestrator::records::Batch;
use crate::runtime::shell::AgentHandle;

/// One deliberation under way.
struct Deliberation<'a> {
    office: &'a Office,
    decision: DecisionId,
    cycle: u32,
    batch: Batch,
}

/// What may be moved as far as rules and budgets go, and what may not.
#[derive(Default)]
struct Permitted {
    levers: Vec<Proposed>,
    refused: Vec<(Proposed, Code)>,
}

impl Office {
    /// Asks those who are due, and everybody about what it comes to; what is cleared waits in the
    /// memory for the trainer's thread.
    pub(super) async fn deliberate(&self, standing: &Standing, due: &[AgentName]) {
        if due.is_empty() {
            return;
        }
        let (cycle, brief, decision) = {
            let mut memory = self.memory();
            memory.guide.asked(due);
            let (guide, cycle) = (&memory.guide, memory.guide.cycle());
            let decision = DecisionId::of_run(guide.run(), cycle, "levers");
            (cycle, guide.brief(standing, &[]), decision)
        };
        let batch = Batch::new(decision.clone(), brief.as_of);
        let mut at_work = Deliberation { office: self, decision, cycle, batch };
        at_work.begin(brief, due).await;
    }
}

impl Deliberation<'_> {
    async fn begin(&mut self, brief: TrainingBrief, due: &[AgentName]) {
        let is_due = |agent: &&AgentHandle<TrainingBrief>| due.contains(&agent.role.name);
        let proposed = self.round(&brief, is_due, (false, Settle::All), false).await;
        let wishes = proposed.map(|(_, advice)| wishes(&advice)).unwrap_or_default();
        let composed = compose(wishes);
        self.leave_out(&composed);
        if composed.proposal.is_empty() {
            self.note().await;
            return;
        }
        let critical = composed.is_critical();
        let brief = TrainingBrief { proposal: composed.proposal.clone(), ..brief };
        let settle = (critical, self.office.settle);
        let Some((round, advice)) = self.round(&brief, |_| true, settle, true).await else {
            self.drop_all(&composed.proposal, Code::RoundNoQuorum);
            self.note().await;
            return;
        };
        match &round.report.verdict {
            Verdict::Act => self.act(round, &advice, &brief).await,
            Verdict::Vetoed { objection, .. } => {
                self.drop_all(&composed.proposal, objection.code);
                self.note().await;
            }
            Verdict::Hold { code } => {
                self.drop_all(&composed.proposal, *code);
                self.note().await;
            }
            Verdict::Open => self.note().await,
        }
    }

    /// One round; `None` when its watchdog barked.
    async fn round(
        &mut self,
        brief: &TrainingBrief,
        who: impl Fn(&&AgentHandle<TrainingBrief>) -> bool,
        (critical, settle): (bool, Settle),
        is_vote: bool,
    ) -> Option<(Round, Vec<Advice>)> {
        let office = self.office;
        let nth = office.rounds.fetch_add(1, Ordering::SeqCst) + 1;
        let agents: Vec<_> = office.agents.iter().filter(who).collect();
        let request = RoundRequest {
            decision: self.decision.clone(),
            nth,
            scope: office.scope.clone(),
            members: agents.into_iter().map(|agent| self.member(agent, brief)).collect(),
            critical,
            settle,
            patience: office.patience,
            rules: std::sync::Arc::new(office.limits.consensus.clone()),
            recall: std::sync::Arc::default(),
            interrupted: false,
        };
        let counts = if is_vote { Counts::Vote } else { Counts::Singles };
        noted_round(request, brief, (&mut self.batch, &office.safety, &office.score), counts).await
    }

    fn member(
        &self,
        agent: &AgentHandle<TrainingBrief>,
        brief: &TrainingBrief,
    ) -> Member<TrainingBrief> {
        let name = agent.role.name;
        let record = self.office.score.track_record(name);
        let track_record = self.office.memory().guide.with_hits(name, record);
        let brief = TrainingBrief { track_record, ..brief.clone() };
        Member { agent: agent.clone(), brief: std::sync::Arc::new(brief) }
    }

    /// The round said act: brakes, permits, the mode, the disk.
    async fn act(&mut self, round: Round, advice: &[Advice], brief: &TrainingBrief) {
        let mode = self.office.safety.mode(Team::Training);
        if mode == Mode::Advisory {
            self.cleared(&[], mode, &brief.proposal);
            self.drop_all(&brief.proposal, Code::ModeAdvisory);
            self.note().await;
            return;
        }
        let Permitted { levers, refused } = self.permits(brief).await;
        for (proposed, code) in &refused {
            self.dropped(proposed, *code);
        }
        self.cleared(&refused, mode, &levers);
        if levers.is_empty() {
            self.note().await;
            return;
        }
        let batch =
            std::mem::replace(&mut self.batch, Batch::new(self.decision.clone(), brief.as_of));
        if let Err(error) = self.office.audit.append(batch.into_records()).await {
            tracing::error!(error = &error as &dyn std::error::Error, "levers given up");
            self.drop_all(&levers, Code::SafetyStore);
            return;
        }
        let plan = LeverPlan {
            decision: self.decision.clone(),
            asked_in: self.cycle,
            policy_version: brief.policy_version,
            proposed: levers,
        };
        let valid = validity(self.cycle, round.epoch);
        let cleared = match (mode, round.acted) {
            (Mode::Supervised, _) => self.approved(plan, advice, valid).await,
            (_, Some(acted)) => Cleared::by_verdict(acted, plan, valid).ok(),
            (_, None) => None,
        };
        self.office.memory().ready = cleared;
    }

    /// What a person says to a plan; the run waits for it at its boundary.
    async fn approved(
        &mut self,
        plan: LeverPlan,
        advice: &[Advice],
        valid: conclave_domain::clearance::Validity,
    ) -> Option<Cleared<LeverPlan>> {
        let word = match &self.office.approver {
            Some(approver) => {
                let asked = approver.ask(&plan, &reasoning(advice));
                tokio::time::timeout(self.office.approval_expiry, asked).await.ok().flatten()
            }
            None => None,
        };
        let (step, code) = match &word {
            None => (Step::ApprovalExpired, Some(Code::ApprovalExpired)),
            Some(word) if word.approves => (Step::ApprovalAnswered, None),
            Some(_) => (Step::ApprovalAnswered, Some(Code::ApprovalDenied)),
        };
        let by = word.as_ref().map(|word| word.person.name().to_owned());
        self.batch
            .push(step, &json!({"approved": code.is_none(), "by": by, "levers": plan.proposed}));
        self.note().await;
        if let Some(code) = code {
            self.drop_all(&plan.proposed, code);
            return None;
        }
        word.map(|word| Cleared::by_person(word.person, plan, valid))
    }

    /// Brakes and permits for each part of the proposal.
    async fn permits(&self, brief: &TrainingBrief) -> Permitted {
        let mut permitted = Permitted::default();
        for group in groups(&brief.proposal) {
            let standing = stands(&group.levers, brief, false);
            let outcome = match standing {
                Ok(()) => self.permit(&group).await,
                Err(code) => Err(code),
            };
            match outcome {
                Ok(()) => permitted.levers.extend(group.levers),
                Err(code) => {
                    permitted.refused.extend(group.levers.into_iter().map(|it| (it, code)));
                }
            }
        }
        permitted
    }

    async fn permit(&self, group: &Group) -> Result<(), Code> {
        let request = match () {
            () if group.protects() => Request::reducing(),
            () if group.is_critical() => Request::critical(&group.name),
            () => Request::action(&group.name),
        };
        let permit = self.office.safety.permit(request).await?;
        self.office.safety.settle(permit, Money::ZERO);
        Ok(())
    }

    fn cleared(&mut self, refused: &[(Proposed, Code)], mode: Mode, levers: &[Proposed]) {
        let refused: Vec<_> = refused
            .iter()
            .map(|(proposed, code)| json!({"lever": proposed, "code": code}))
            .collect();
        let body = json!({
            "asked_in": self.cycle, "levers": levers, "refused": refused, "mode": mode,
        });
        self.batch.push(Step::LeversCleared, &body);
    }

    fn leave_out(&mut self, composed: &Composed) {
        if composed.left_out.is_empty() {
            return;
        }
        let left: Vec<_> = composed
            .left_out
            .iter()
            .map(|(proposed, why)| json!({"lever": proposed, "why": why}))
            .collect();
        self.batch.push(Step::LeversCleared, &json!({"asked_in": self.cycle, "left_out": left}));
        for (proposed, _) in &composed.left_out {
            self.dropped(proposed, Code::TrainingComposed);
        }
    }

    fn drop_all(&self, proposed: &[Proposed], code: Code) {
        for proposed in proposed {
            self.dropped(proposed, code);
        }
    }

    fn dropped(&self, proposed: &Proposed, code: Code) {
        self.office.memory().guide.dropped(proposed, self.cycle, code);
        self.office.score.denied(&self.decision, code, code.cause());
    }

    /// Writes what has no effect; it rides in the next durable batch.
    async fn note(&mut self) {
        let batch = std::mem::replace(
            &mut self.batch,
            Batch::new(self.decision.clone(), conclave_domain::time::Time::EPOCH),
        );
        if let Err(error) = self.office.audit.note_all(batch.into_records()).await {
            tracing::error!(error = &error as &dyn std::error::Error, "decision not recorded");
        }
    }
}

/// What those who want something done have asked for, in roster order.
fn wishes(advice: &[Advice]) -> Vec<Proposed> {
    let wants = advice.iter().filter(|advice| advice.stance == Stance::Vote(Vote::For));
    let wishes = wants.flat_map(|advice| {
        let levers = advice.levers.iter().filter_map(TrainingLever::of);
        levers.map(|lever| Proposed { by: advice.agent.to_owned(), lever })
    });
    wishes.collect()
}

/// Why the council wants it: the reasons of those who voted, one line.
fn reasoning(advice: &[Advice]) -> String {
    let reasons = advice.iter().map(|advice| format!("{}: {}", advice.agent, advice.reasoning));
    reasons.collect::<Vec<_>>().join("; ").chars().take(1_000).collect()
}
