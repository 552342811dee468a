//! One review: measured, proposed, voted on, written down, carried out.
//!
//! - T-3: silence is never consent: without a verdict, a permit and an open gate nobody comes in.
//! - U-3: who comes in is on a list that has had its last look, and takes a clearance; who leaves because
//!   of its trades takes none.
//! - the rounds and what came of them are one batch, on the disk before the members change.

use conclave_domain::approvals::Proposal;
use conclave_domain::brief::selection::SelectionStep;
use conclave_domain::clearance::Cleared;
use conclave_domain::code::Code;
use conclave_domain::context::BookKind;
use conclave_domain::mode::Mode;
use conclave_domain::order::DecisionId;
use conclave_domain::record::Step;
use conclave_domain::role::{AgentName, Team};
use conclave_domain::selection::Scored;
use conclave_domain::selection::diversify::Diverse;
use conclave_domain::selection::dynamic::{Change, Listed, Review, review};
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

/// The body of the record of a review that would change something.
#[derive(Serialize)]
struct Body<'a> {
    book: BookKind,
    mode: Mode,
    /// What is done, or put to a person.
    #[serde(skip_serializing_if = "Option::is_none")]
    done: Option<&'a Change>,
    /// What was put to the vote and is not done.
    #[serde(skip_serializing_if = "Option::is_none")]
    refused: Option<&'a Change>,
    /// Why.
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<Code>,
    votes: &'a [(AgentName, &'static str)],
}

/// What a review has come to.
enum Outcome {
    /// The list takes the members' place.
    List(Cleared<Change>),
    /// Those leave whose trades went badly, if there are any; the code is of what stopped the list.
    Poor(Change, Option<(Code, Change)>),
}

impl Reviewer {
    /// Looks at the members of the book that the present mode decides on.
    pub(super) async fn review(&self, at: Time) {
        let mode = self.panel.safety.standing().mode(Team::Trading);
        let book = BookKind::decided_on(mode);
        let Some(sheet) = self.rolls.begin(book, at) else { return };
        let scored = self.ranked(sheet.scored).await;
        if mode == Mode::Supervised && self.is_waiting().await {
            return;
        }
        let decision = DecisionId::of_run(&format!("universe-{}", at.ms()), 1, "members");
        let found = review(&sheet.members, scored.as_ref(), (&sheet.rules, &decision, at));
        let Some(Review { poor, listed }) = found else { return };
        let mut batch = Batch::new(decision, at);
        let mut voted = Vec::new();
        let outcome = match listed {
            Some(listed) => self.decided(poor, listed, (&mut batch, &mut voted)).await,
            None => Outcome::Poor(poor, None),
        };
        let body = outcome.body((book, mode), &voted);
        batch.push(Step::UniverseReviewed, &body);
        if let Err(error) = self.panel.audit.append(batch.into_records()).await {
            tracing::error!(error = &error as &dyn std::error::Error, "members stay as they are");
            return;
        }
        if let Err(code) = self.carry_out((book, mode), outcome, at).await {
            self.panel.score.disregarded(code);
            tracing::warn!(code = code.as_str(), "members stay as they are");
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

    /// Puts a list to the vote.
    async fn decided(
        &self,
        poor: Change,
        listed: Listed,
        (batch, voted): (&mut Batch, &mut Vec<(AgentName, &'static str)>),
    ) -> Outcome {
        let Listed { scored, selected, change } = listed;
        let list = selected.symbols().to_vec();
        let diverse = Diverse { list: list.clone(), ..Diverse::default() };
        let brief = scored.brief(SelectionStep::Vote, &diverse, &list, <_>::default());
        let decision = change.decision.clone();
        self.rolls.asked(scored.as_of());
        let refused = |code| Outcome::Poor(poor, Some((code, change.clone())));
        let Some(round) = self.panel.vote((&decision, batch), &brief).await else {
            return refused(Code::RoundNoQuorum);
        };
        *voted = votes(&round);
        match self.panel.cleared(round, change.clone(), change.at).await {
            Ok(cleared) => Outcome::List(cleared),
            Err(code) => {
                self.panel.score.denied(&decision, code, code.cause());
                refused(code)
            }
        }
    }

    /// Has it done: at once, or once a person says so. Who leaves by rule waits for nobody.
    async fn carry_out(
        &self,
        (book, mode): (BookKind, Mode),
        outcome: Outcome,
        at: Time,
    ) -> Result<(), Code> {
        let cleared = match outcome {
            Outcome::Poor(change, _) => {
                self.rolls.evict(book, change);
                return Ok(());
            }
            Outcome::List(cleared) => cleared,
        };
        if mode != Mode::Supervised {
            return self.rolls.admit(book, cleared, self.panel.safety.fence().gate(SCOPE, at));
        }
        let change = cleared.into_item();
        let reasoning = change.to_string();
        let proposal = Proposal::Universe { change };
        let waits = self.approvals.propose(proposal, reasoning, None).await;
        if waits { Ok(()) } else { Err(Code::ApprovalDenied) }
    }
}

impl Outcome {
    fn body<'a>(
        &'a self,
        (book, mode): (BookKind, Mode),
        votes: &'a [(AgentName, &'static str)],
    ) -> Body<'a> {
        let (done, refused) = match self {
            Self::List(cleared) => (cleared.item(), None),
            Self::Poor(change, refused) => (change, refused.as_ref()),
        };
        Body {
            book,
            mode,
            done: Some(done).filter(|change| !change.is_none()),
            refused: refused.map(|(_, change)| change),
            code: refused.map(|(code, _)| *code),
            votes,
        }
    }
}
