//! One review: who leaves by rule, then a list that is measured, voted on, written down and carried out.
//!
//! - T-3: silence is never consent: without a verdict, a permit and an open gate nobody comes in.
//! - U-3: who comes in is on a list that has had its last look, and takes a clearance; who leaves because
//!   of its trades takes none.
//! - the rounds and what came of them are one batch, on the disk before the members change.

use std::collections::BTreeMap;

use conclave_domain::approvals::Proposal;
use conclave_domain::brief::selection::SelectionStep;
use conclave_domain::brief::trading::TradingState;
use conclave_domain::clearance::Cleared;
use conclave_domain::code::Code;
use conclave_domain::context::BookKind;
use conclave_domain::market::symbol::Symbol;
use conclave_domain::mode::Mode;
use conclave_domain::order::DecisionId;
use conclave_domain::record::Step;
use conclave_domain::role::{AgentName, Team};
use conclave_domain::selection::Scored;
use conclave_domain::selection::diversify::Diverse;
use conclave_domain::selection::dynamic::{Change, Listed, Relisted, Rules, poor, relist};
use conclave_domain::selection::score::default_weights;
use conclave_domain::time::Time;
use serde::Serialize;

use super::rolls::{Ranking, Rolls};
use crate::approvals::ApprovalsHandle;
use crate::orchestrator::records::Batch;
use crate::selection::run::panel::{Panel, votes};

/// What a veto would fence off, and the name of the one permit.
pub(crate) const SCOPE: &str = "universe";

/// What every review works with.
#[derive(Debug)]
pub(crate) struct Reviewer {
    pub(crate) rolls: Rolls,
    pub(crate) panel: Panel,
    pub(crate) approvals: ApprovalsHandle,
}

/// The moment of a review, and what is decided for.
#[derive(Clone, Copy, Debug)]
struct Now {
    at: Time,
    mode: Mode,
    book: BookKind,
}

/// The body of the record of a review that has something to say.
#[derive(Default, Serialize)]
struct Body<'a> {
    book: Option<BookKind>,
    mode: Option<Mode>,
    /// What is done, or put to a person.
    #[serde(skip_serializing_if = "Option::is_none")]
    done: Option<&'a Change>,
    /// What was put to the vote and is not done.
    #[serde(skip_serializing_if = "Option::is_none")]
    refused: Option<&'a Change>,
    /// Why.
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<Code>,
    /// Of a list that is too short: who is on it.
    #[serde(skip_serializing_if = "<[Symbol]>::is_empty")]
    fit: &'a [Symbol],
    /// And what speaks against each other symbol.
    #[serde(skip_serializing_if = "Option::is_none")]
    against: Option<&'a BTreeMap<Symbol, String>>,
    votes: &'a [(AgentName, &'static str)],
}

impl Reviewer {
    /// Looks at the members of the book that the present mode decides on.
    pub(super) async fn review(&self, at: Time) {
        let mode = self.panel.safety.mode(Team::Trading);
        let now = Now { at, mode, book: BookKind::decided_on(mode) };
        let Some(sheet) = self.rolls.begin(now.book, at) else { return };
        self.let_go(now, &sheet.rules).await;
        // Nobody comes in while no new risk is taken; a list is held against the members when it is again.
        let standing = self.panel.safety.standing();
        if standing.trading_state != TradingState::Active
            || (mode == Mode::Supervised && self.is_waiting().await)
        {
            return;
        }
        if let Some(scored) = self.ranked(sheet.scored).await {
            self.hold_against(now, &scored, &sheet.rules).await;
        }
    }

    /// Has those leave whose trades went badly: in every mode, whoever waits for what.
    async fn let_go(&self, now: Now, rules: &Rules) {
        let decision = decision(now.at, "poor");
        let change = poor(&self.rolls.members(now.book), (rules, &decision, now.at));
        if change.is_none() {
            return;
        }
        let mut batch = Batch::new(decision, now.at);
        let said = Body { done: Some(&change), ..now.body() };
        batch.push(Step::UniverseReviewed, &said);
        if self.is_written(batch).await {
            self.rolls.evict(now.book, change);
        }
    }

    /// The ranking, made now where one is due: beside the runtime, because it takes a while.
    async fn ranked(&self, ranking: Ranking) -> Option<Scored> {
        let (listed, constraints, as_of) = match ranking {
            Ranking::None => return None,
            Ranking::Known(scored) => return Some(*scored),
            Ranking::Due(listed, constraints, as_of) => (listed, constraints, as_of),
        };
        let measured = tokio::task::spawn_blocking(move || {
            Scored::of(&listed, as_of, &constraints, default_weights())
        });
        let scored = measured.await.ok().and_then(Result::ok);
        if let Some(scored) = &scored {
            self.rolls.measured(scored);
        } else {
            tracing::error!("the symbols could not be measured");
        }
        scored
    }

    /// Whether a change waits for a person: one at a time.
    async fn is_waiting(&self) -> bool {
        let waiting = self.approvals.list().await;
        waiting.iter().any(|item| matches!(item.proposal, Proposal::Universe { .. }))
    }

    /// Holds the members against a ranking, once.
    async fn hold_against(&self, now: Now, scored: &Scored, rules: &Rules) {
        let decision = decision(now.at, "members");
        let members = self.rolls.members(now.book);
        let found = relist(&members, scored, (rules, &decision, now.at));
        self.rolls.asked(now.book, scored.as_of());
        let mut batch = Batch::new(decision, now.at);
        match found {
            Relisted::Same => {}
            Relisted::Short { fit, against } => {
                let code = Some(Code::UniverseShort);
                let said = Body { code, fit: &fit, against: Some(&against), ..now.body() };
                batch.push(Step::UniverseReviewed, &said);
                self.is_written(batch).await;
            }
            Relisted::List(listed) => self.put_to_the_vote(now, *listed, batch).await,
        }
    }

    async fn put_to_the_vote(&self, now: Now, listed: Listed, mut batch: Batch) {
        let Listed { scored, selected, change } = listed;
        let mut seats = Vec::new();
        let cleared =
            self.voted(now, (&scored, selected.symbols()), &change, &mut batch, &mut seats);
        let cleared = cleared.await;
        let votes = seats.as_slice();
        let said = match &cleared {
            Ok(cleared) => Body { done: Some(cleared.item()), votes, ..now.body() },
            Err(code) => Body { refused: Some(&change), code: Some(*code), votes, ..now.body() },
        };
        batch.push(Step::UniverseReviewed, &said);
        let is_written = self.is_written(batch).await;
        let done = match cleared {
            Ok(cleared) if is_written => {
                let done = self.carry_out(now, cleared).await;
                if let Err(code) = done {
                    self.take_back(now, &change, code).await;
                }
                done
            }
            Ok(_) => Err(Code::SafetyStore),
            Err(code) => Err(code),
        };
        if let Err(code) = done {
            self.panel.score.denied(&change.decision, code, code.cause());
        }
    }

    /// Says of a change that the log calls done that it is not: something came between the two.
    async fn take_back(&self, now: Now, change: &Change, code: Code) {
        let mut batch = Batch::new(change.decision.clone(), now.at);
        let said = Body { refused: Some(change), code: Some(code), ..now.body() };
        batch.push(Step::UniverseReviewed, &said);
        self.is_written(batch).await;
    }

    /// What the four agents say, a permit, and the gate; under another mode than the one that it was begun
    /// in nothing is cleared.
    async fn voted(
        &self,
        now: Now,
        (scored, list): (&Scored, &[Symbol]),
        change: &Change,
        batch: &mut Batch,
        voted: &mut Vec<(AgentName, &'static str)>,
    ) -> Result<Cleared<Change>, Code> {
        let diverse = Diverse { list: list.to_vec(), ..Diverse::default() };
        let brief = scored.brief(SelectionStep::Vote, &diverse, list, <_>::default());
        let round = self.panel.vote((&change.decision, batch), &brief).await;
        let round = round.ok_or(Code::RoundNoQuorum)?;
        *voted = votes(&round);
        let cleared = self.panel.cleared(round, change.clone(), now.at).await?;
        let mode = self.panel.safety.mode(Team::Trading);
        if mode == now.mode { Ok(cleared) } else { Err(Code::SafetyFenced) }
    }

    /// Has it done: at once, or once a person says so.
    async fn carry_out(&self, now: Now, cleared: Cleared<Change>) -> Result<(), Code> {
        if now.mode != Mode::Supervised {
            let gate = self.panel.safety.fence().gate(SCOPE, now.at);
            return self.rolls.admit(now.book, cleared, gate);
        }
        let change = cleared.into_item();
        let reasoning = change.to_string();
        let waits = self.approvals.propose(Proposal::Universe { change }, reasoning, None).await;
        if waits { Ok(()) } else { Err(Code::ApprovalDenied) }
    }

    /// Writes down what will be done; what cannot be written down does not happen.
    async fn is_written(&self, batch: Batch) -> bool {
        let written = self.panel.audit.append(batch.into_records()).await;
        if let Err(error) = &written {
            tracing::error!(error = error as &dyn std::error::Error, "members stay as they are");
        }
        written.is_ok()
    }
}

impl Now {
    fn body(self) -> Body<'static> {
        Body { book: Some(self.book), mode: Some(self.mode), ..Body::default() }
    }
}

fn decision(at: Time, what: &str) -> DecisionId {
    DecisionId::of_run(&format!("universe-{}", at.ms()), 1, what)
}
