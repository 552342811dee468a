//! One decision from its signal to its order.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use conclave_domain::advice::{Advice, Lever, Objection, VetoKind};
use conclave_domain::appeal;
use conclave_domain::approvals::Proposal;
use conclave_domain::brief::trading::{TradingBrief, TradingState};
use conclave_domain::budget::Request;
use conclave_domain::clearance::{Cleared, Validity, is_interrupted};
use conclave_domain::code::Code;
use conclave_domain::context::BookKind;
use conclave_domain::custody::PositionEvent;
use conclave_domain::decide::{Asked, Prepared};
use conclave_domain::deliberation::{Conclusion, Matter, case, voices};
use conclave_domain::fixed::Money;
use conclave_domain::mode::{By, Mode};
use conclave_domain::order::{DecisionId, ExitReason};
use conclave_domain::policy::caller::{Look, Word};
use conclave_domain::record::Record;
use conclave_domain::role::{AgentName, Team};
use conclave_domain::signal::Direction;
use conclave_domain::tally::Verdict;
use conclave_domain::time::Time;
use conclave_domain::watch::Raised;

use super::records::Batch;
use super::{DecideError, Office};
use crate::consensus::{Member, Round, RoundRequest, hurried, open_round};
use crate::inline::{Attend, critical};
use crate::runtime::agent::{Cadence, ConsultError};
use crate::runtime::shell::Answer;
use crate::trading;

/// How long after its signal an order may still leave, on the trading clock.
const CLEARANCE_MS: i64 = 5 * 60 * 1_000;

/// What a decision came to after its rounds.
struct Deliberated {
    round: Round,
    advice: Vec<Advice>,
    appealed: bool,
    asked: Asked,
}

impl Office {
    /// Steps 3 to 8 of a signal.
    pub(super) async fn decide(&self, raised: Raised) -> Result<(), DecideError> {
        self.score.count(|stats| stats.signals += 1);
        let (book, state) = (self.book(), self.safety.standing().trading_state);
        let bar = raised.bar;
        let mut matter = self.broker.gather(book, raised, state).await?;
        let signal = &matter.raised.signal;
        let decision = DecisionId::new(&signal.symbol, signal.at, "entry");
        // A round that had begun before the process ended is ended as interrupted, not denied unasked.
        if !self.recall.is_in_flight(&decision) {
            matter.age(self.clock.market());
        }
        let signal = &matter.raised.signal;
        let may_enter = !(self.long_only && signal.direction == Direction::Short);
        // Prepared before the exit half, so that a reversal is known as one.
        let prepared = may_enter.then(|| matter.prepare(&self.limits));
        if matter.is_reversal() {
            self.safety.count_reducing();
            let only = Some(signal.symbol.clone());
            self.broker.flatten(Some(book), only, ExitReason::SignalFlip).await?;
        }
        let Some(prepared) = prepared else { return Ok(()) };
        let mut batch = Batch::new(decision.clone(), signal.at);
        batch.signal(signal, &bar);
        if !self.universe.admits(book, &signal.symbol) {
            let code = Code::UniverseOutside;
            batch.denied(code, &[]);
            self.score.denied(&decision, code, code.cause());
            self.note(batch).await;
            return Ok(());
        }
        match prepared {
            Prepared::Denied { code, gates } => {
                batch.denied(code, &gates);
                self.score.count(|stats| stats.on_gates(&gates));
                self.score.denied(&decision, code, code.cause());
                self.note(batch).await;
                Ok(())
            }
            Prepared::Ask(asked) => {
                self.score.count(|stats| stats.on_gates(&asked.brief.gates));
                self.enter(book, &matter, *asked, batch).await
            }
        }
    }

    /// Asks a policy with the account that is decided on. What it closes is an exit: it asks nobody's
    /// leave, whatever the trading state.
    pub(super) async fn consider(&self, look: Look) -> Result<(), DecideError> {
        let (book, symbol) = (self.book(), look.symbol.clone());
        match self.broker.consider(book, look, !self.long_only).await? {
            Word::Keep => Ok(()),
            Word::Mute => {
                tracing::warn!(%symbol, "the policy's numbers are not finite: it has no opinion");
                Ok(())
            }
            Word::Close => {
                self.safety.count_reducing();
                self.broker.flatten(Some(book), Some(symbol), ExitReason::SignalFlip).await?;
                Ok(())
            }
            Word::Call(raised) => self.decide(*raised).await,
        }
    }

    /// A second signal on a symbol that is being decided on.
    pub(super) async fn refuse_second(&self, raised: &Raised) {
        let signal = &raised.signal;
        let decision = DecisionId::new(&signal.symbol, signal.at, "entry");
        let mut batch = Batch::new(decision.clone(), signal.at);
        batch.signal(signal, &raised.bar);
        batch.denied(Code::GateOpenOrder, &[]);
        self.score.denied(&decision, Code::GateOpenOrder, Code::GateOpenOrder.cause());
        self.note(batch).await;
    }

    async fn enter(
        &self,
        book: BookKind,
        matter: &Matter,
        mut asked: Asked,
        mut batch: Batch,
    ) -> Result<(), DecideError> {
        let decision = asked.base.decision.clone();
        asked.brief.news = tokio::select! {
            biased;
            news = self.news.tell(&decision, &asked.base.symbol, asked.brief.as_of) => news,
            // A model that reads may take its time; a process that is being stopped has none.
            () = hurried(&self.safety) => None,
        };
        let deliberated = self.deliberate(book, asked, &mut batch).await?;
        let Some(deliberated) = deliberated else {
            self.note(batch).await;
            return Ok(());
        };
        if let Verdict::Vetoed { objection, .. } = &deliberated.round.report.verdict {
            self.broker.objected(book, objection.code);
        }
        if !deliberated.round.report.acts() {
            self.tell_hold(&decision, &deliberated.round);
            self.note(batch).await;
            return Ok(());
        }
        match self.conclude(matter, &deliberated).await {
            Ok(conclusion) => {
                self.act((book, &matter.raised), deliberated, conclusion, batch).await
            }
            Err(code) => {
                if let Some(objection) = &deliberated.asked.brief.appeal {
                    self.broker.objected(book, objection.code);
                }
                batch.not_cleared(code);
                self.score.denied(&decision, code, code.cause());
                self.note(batch).await;
                Ok(())
            }
        }
    }

    /// The round, and the appeal of its soft veto if there may be one. `None` when an appeal was
    /// refused: then the veto stands.
    async fn deliberate(
        &self,
        book: BookKind,
        mut asked: Asked,
        batch: &mut Batch,
    ) -> Result<Option<Deliberated>, DecideError> {
        let critical = asked.base.is_reversal;
        let (round, advice) = self.round(&asked, critical, batch).await?;
        let Verdict::Vetoed { objection, .. } = &round.report.verdict else {
            return Ok(Some(Deliberated { round, advice, appealed: false, asked }));
        };
        if objection.kind != VetoKind::Soft {
            return Ok(Some(Deliberated { round, advice, appealed: false, asked }));
        }
        let objection = objection.clone();
        let opened = self.open_appeal(&asked.brief, &objection).await;
        batch.appeal(&objection, opened);
        if let Err(code) = opened {
            self.score.denied(&asked.base.decision, code, &objection.text);
            self.broker.objected(book, objection.code);
            return Ok(None);
        }
        self.score.count(|stats| stats.appeals += 1);
        asked.brief.appeal = Some(objection);
        let (round, advice) = self.round(&asked, true, batch).await?;
        Ok(Some(Deliberated { round, advice, appealed: true, asked }))
    }

    async fn open_appeal(&self, brief: &TradingBrief, objection: &Objection) -> Result<(), Code> {
        let case = case(brief, objection, &self.limits);
        appeal::merits(&case)?;
        let permit = self.safety.permit(critical("appeal", &brief.symbol)).await;
        let permit = permit.map_err(|_| Code::AppealPermit)?;
        let opened = appeal::may_open(&case, Some(&permit));
        self.safety.settle(permit, Money::ZERO);
        opened
    }

    async fn round(
        &self,
        asked: &Asked,
        critical: bool,
        batch: &mut Batch,
    ) -> Result<(Round, Vec<Advice>), DecideError> {
        let nth = self.rounds.fetch_add(1, Ordering::SeqCst) + 1;
        let names: Vec<AgentName> = self.agents.iter().map(|agent| agent.role.name).collect();
        batch.consult(nth, &names, &asked.brief);
        let request = RoundRequest {
            decision: asked.base.decision.clone(),
            nth,
            scope: asked.base.symbol.as_str().to_owned(),
            members: self.members(&asked.brief, |_| true),
            critical,
            settle: self.settle,
            patience: self.patience,
            rules: Arc::new(self.limits.consensus.clone()),
            recall: Arc::clone(&self.recall),
            interrupted: self.is_interrupted(&asked.base.decision, nth, asked.brief.as_of),
        };
        let round = open_round(request, &self.safety).await?;
        let advice: Vec<Advice> =
            round.answers.iter().filter_map(|answer| answer.outcome.clone().ok()).collect();
        self.score.count(|stats| stats.on_round(&round.report, &advice));
        self.count_odd(&round.answers);
        batch.answers(&round.answers);
        batch.closed(nth, &round.report);
        Ok((round, advice))
    }

    /// Whether a round that some had answered before the process ended is too old to be finished.
    fn is_interrupted(&self, decision: &DecisionId, nth: u64, raised_at: Time) -> bool {
        let lasting = Duration::from_millis(CLEARANCE_MS.unsigned_abs());
        let now = self.clock.trading();
        self.recall.knows(decision, nth) && is_interrupted(raised_at, now, lasting)
    }

    /// Counts who asked for what is forbidden, and whose rules stood in for a model.
    fn count_odd(&self, answers: &[Answer]) {
        for answer in answers {
            if let Some(refused) = answer.refused {
                self.score.count(|stats| stats.on_rules(answer.agent, refused));
            }
        }
        let asked =
            |answer: &&Answer| matches!(answer.outcome, Err(ConsultError::Forbidden { .. }));
        for _ in answers.iter().filter(asked) {
            self.score.count(|stats| stats.on_denied(Code::SafetyForbidden));
        }
    }

    fn members(
        &self,
        brief: &TradingBrief,
        which: impl Fn(AgentName) -> bool,
    ) -> Vec<Member<TradingBrief>> {
        let agents = self.agents.iter().filter(|agent| which(agent.role.name));
        agents
            .map(|agent| {
                let track_record = self.score.track_record_at(agent.role.name, brief.as_of);
                let brief = TradingBrief { track_record, ..brief.clone() };
                Member { agent: agent.clone(), brief: Arc::new(brief) }
            })
            .collect()
    }

    /// Permits, synthesis, sizing, caps.
    async fn conclude(&self, matter: &Matter, of: &Deliberated) -> Result<Conclusion, Code> {
        let Deliberated { round, advice, appealed, asked } = of;
        let composed = Matter::compose(&asked.base, advice, &self.limits)?;
        let unanimous = round.report.is_unanimous();
        let mut permitted = *appealed;
        if *appealed {
            appeal::carries(&voices(advice), &self.limits.consensus)?;
        } else if asked.base.is_reversal {
            self.spend(critical("reversal", &asked.base.symbol)).await?;
            permitted = true;
        } else if composed.critical && unanimous {
            permitted = self.spend(critical("size", &asked.base.symbol)).await.is_ok();
        }
        let conclusion =
            matter.conclude(&asked.base, composed, permitted && unanimous, &self.limits)?;
        self.spend(Request::entry()).await?;
        Ok(conclusion)
    }

    async fn spend(&self, request: Request) -> Result<(), Code> {
        let permit = self.safety.permit(request).await?;
        self.safety.settle(permit, Money::ZERO);
        Ok(())
    }

    /// Steps 6 to 8: the batch goes to the disk, then the order leaves, or waits for a person.
    async fn act(
        &self,
        (book, raised): (BookKind, &Raised),
        of: Deliberated,
        conclusion: Conclusion,
        batch: Batch,
    ) -> Result<(), DecideError> {
        let decision = of.asked.base.decision.clone();
        let mode = self.safety.mode(Team::Trading);
        if BookKind::decided_on(mode) != book {
            // A person has changed the mode meanwhile: this was sized for the other account.
            self.give_up(&decision, batch, Code::SafetyFenced).await;
            return Ok(());
        }
        let decided = match self.clear((book, mode), batch, &conclusion).await {
            Ok(decided) => decided,
            Err(refused) => {
                // none of the batch is in the log. The verdict goes there as soon as there is room,
                // with the end that it has come to.
                self.give_up(&decision, refused, Code::SafetyStore).await;
                return Ok(());
            }
        };
        let (voters, reasoning) = (of.round.report.voters_for(), reasoning(&of.advice));
        let intent = conclusion.order.intent;
        if mode == Mode::Supervised {
            self.score.voted_for(&decision, voters);
            let appealed = of.asked.brief.appeal.as_ref().map(|objection| objection.code);
            let proposal = Proposal::Entry { intent, appealed };
            if !self.approvals.propose(proposal, reasoning, Some(raised.clone())).await {
                self.score.denied(&decision, Code::ApprovalDenied, "it could not be queued");
                self.score.forget(&decision);
            }
            return Ok(());
        }
        let epoch = of.round.epoch;
        let expires_at = Time::from_ms(intent.at.ms().saturating_add(CLEARANCE_MS));
        let validity = Validity { epoch, expires_at };
        let cleared =
            of.round.acted.and_then(|acted| Cleared::by_verdict(acted, intent, validity).ok());
        let Some(cleared) = cleared else {
            self.score.denied(&decision, Code::RoundRefused, Code::RoundRefused.cause());
            self.note_all(decided).await;
            return Ok(());
        };
        self.score.voted_for(&decision, voters);
        if let Err(code) = self.broker.submit(book, cleared, decided).await? {
            self.score.denied(&decision, code, code.cause());
            self.score.forget(&decision);
        }
        Ok(())
    }

    /// Ends a decision whose order does not leave.
    async fn give_up(&self, decision: &DecisionId, mut batch: Batch, code: Code) {
        batch.not_cleared(code);
        self.score.denied(decision, code, code.cause());
        self.note(batch).await;
    }

    /// Clears the order: brings the batch to the disk, or returns its records where the broker does so
    /// together with the order, before that leaves: one flush a decision. What cannot be written comes
    /// back as it was.
    async fn clear(
        &self,
        (book, mode): (BookKind, Mode),
        mut batch: Batch,
        conclusion: &Conclusion,
    ) -> Result<Vec<Record>, Batch> {
        if mode != Mode::Supervised && self.broker.syncs_before_sending(book) {
            batch.cleared(conclusion, mode);
            return Ok(batch.into_records());
        }
        let refused = batch.clone();
        batch.cleared(conclusion, mode);
        match self.audit.append(batch.into_records()).await {
            Ok(_) => Ok(Vec::new()),
            Err(error) => {
                tracing::error!(error = &error as &dyn std::error::Error, "entry given up");
                Err(refused)
            }
        }
    }

    fn tell_hold(&self, decision: &DecisionId, round: &Round) {
        match &round.report.verdict {
            Verdict::Vetoed { objection, .. } => {
                self.score.refused(decision, objection.code, &objection.text);
            }
            Verdict::Hold { code } => {
                let label = code.as_str();
                metrics::counter!("conclave_denials_total", "code" => label).increment(1);
                self.score.refused(decision, *code, code.cause());
            }
            Verdict::Act | Verdict::Open => {}
        }
    }

    /// Attends to an event of an account.
    pub(super) async fn attend(&self, book: BookKind, event: Attend) -> Result<(), DecideError> {
        match event {
            Attend::Halt { drawdown, .. } => {
                let why =
                    format!("drawdown {:.1} % of {} book", drawdown.get() * 100.0, book.name());
                let halted = TradingState::Halted;
                // The fence has fallen whatever this returns; safety tells the audit.
                if let Err(code) =
                    self.safety.set_state(halted, By::Rule("drawdown_halt"), &why).await
                {
                    tracing::error!(code = code.as_str(), "halt in force but not stored");
                }
                self.broker.cancel_entries().await?;
                Ok(())
            }
            Attend::Position(event) => self.advise_on_exit(book, *event).await,
        }
    }

    async fn advise_on_exit(
        &self,
        book: BookKind,
        event: PositionEvent,
    ) -> Result<(), DecideError> {
        let state = self.safety.standing().trading_state;
        if state == TradingState::Halted {
            return Ok(());
        }
        let (symbol, at) = (event.symbol.clone(), event.at);
        let brief = self.broker.gather_position(book, event, state).await?;
        let advises = |name: AgentName| {
            trading::TEAM.iter().any(|entry| {
                entry.role.name == name && entry.cadence == Cadence::EntriesAndPositions
            })
        };
        let members = self.members(&brief, advises);
        if members.is_empty() {
            return Ok(());
        }
        let decision = DecisionId::new(&symbol, at, "position");
        let mut batch = Batch::new(decision.clone(), at);
        let names: Vec<AgentName> = members.iter().map(|member| member.agent.role.name).collect();
        batch.consult(0, &names, &brief);
        let round = open_round(
            RoundRequest {
                decision,
                nth: 0,
                scope: format!("position {symbol}"),
                members,
                critical: false,
                settle: conclave_domain::tally::Settle::All,
                patience: self.patience,
                rules: Arc::new(self.limits.consensus.clone()),
                recall: Arc::clone(&self.recall),
                interrupted: false,
            },
            &self.safety,
        )
        .await?;
        self.count_odd(&round.answers);
        batch.answers(&round.answers);
        let advice: Vec<Advice> =
            round.answers.iter().filter_map(|answer| answer.outcome.clone().ok()).collect();
        self.score.count(|stats| stats.on_singles(&round.report, &advice));
        let leave = advice.iter().any(|advice| advice.levers.contains(&Lever::ExitNow));
        if leave {
            batch.exit_advised(&symbol);
        }
        self.note(batch).await;
        if leave {
            self.safety.count_reducing();
            self.broker.flatten(Some(book), Some(symbol), ExitReason::Advised).await?;
        }
        Ok(())
    }

    /// Writes what has no effect outside; it rides in the next durable batch.
    async fn note(&self, batch: Batch) {
        self.note_all(batch.into_records()).await;
    }

    async fn note_all(&self, records: Vec<Record>) {
        if let Err(error) = self.audit.note_all(records).await {
            tracing::error!(error = &error as &dyn std::error::Error, "decision not recorded");
        }
    }
}

/// Why the council wants it: the reasons of those who voted, one line.
fn reasoning(advice: &[Advice]) -> String {
    let reasons = advice.iter().map(|advice| format!("{}: {}", advice.agent, advice.reasoning));
    reasons.collect::<Vec<_>>().join("; ").chars().take(1_000).collect()
}
