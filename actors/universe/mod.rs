//! The universe actor: every half hour of market time it looks at who may be entered.
//!
//! A member whose trades went badly leaves by rule; a list that ranks higher is put to the vote of the
//! four selection agents, through the same permits, clamps and records as any decision. What is decided
//! takes effect in the present mode of trading: for the shadow book where it is advisory, behind a
//! person's yes where it is supervised, and at once where it is autonomous.
//!
//! The actor keeps nothing: members and bars are in the [`Rolls`], which outlive it. A review that a
//! restart interrupts has changed nothing and is made at the next half hour.

mod review;
mod rolls;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::Arc;

use conclave_domain::role::AgentName;
use conclave_domain::time::Time;
use ractor::{Actor, ActorProcessingErr, ActorRef};
use tokio::sync::oneshot;

pub(crate) use review::{Reviewer, SCOPE};
pub use rolls::{Rolls, StoredRolls, Terms};

use crate::market::Gone;
use crate::runtime::refs::{StableRef, stable};
use crate::runtime::supervision::ChildSpec;
use crate::selection::run::SelectionAgent;

/// What the universe of a council is made of.
#[derive(Clone, Debug)]
pub struct UniverseSetup {
    /// Rules, constraints, and the symbols with their bars so far.
    pub terms: Terms,
    /// The enabled agents of the selection team.
    pub agents: BTreeMap<AgentName, SelectionAgent>,
}

/// What the universe actor takes.
#[derive(Debug)]
pub enum UniverseMsg {
    /// Look at the members.
    Review {
        /// The moment, on the clock of the bars.
        at: Time,
        /// Who waits.
        reply: oneshot::Sender<()>,
    },
}

/// How to reach the universe. Cheap to clone.
#[derive(Clone, Debug)]
pub struct UniverseHandle(StableRef<UniverseMsg>);

impl UniverseHandle {
    /// Looks at the members; returns when what came of it is written down and in force.
    ///
    /// # Errors
    /// When the actor is gone.
    pub async fn review(&self, at: Time) -> Result<(), Gone> {
        let (reply, answer) = oneshot::channel();
        self.0.cast(UniverseMsg::Review { at, reply }).map_err(|_| Gone("universe"))?;
        // A review that a restart has interrupted changed nothing.
        answer.await.unwrap_or_else(|_| tracing::error!("a review of the universe was lost"));
        Ok(())
    }
}

/// Prepares the universe actor.
pub(crate) fn universe(reviewer: Reviewer) -> (ChildSpec, UniverseHandle) {
    let (publisher, actor) = stable();
    let reviewer = Arc::new(reviewer);
    let child = ChildSpec::new("universe", publisher, move || (Universe, Arc::clone(&reviewer)));
    (child, UniverseHandle(actor))
}

/// The actor.
#[derive(Debug)]
pub(crate) struct Universe;

impl Actor for Universe {
    type Msg = UniverseMsg;
    type State = Arc<Reviewer>;
    type Arguments = Arc<Reviewer>;

    async fn pre_start(
        &self,
        _: ActorRef<UniverseMsg>,
        reviewer: Arc<Reviewer>,
    ) -> Result<Arc<Reviewer>, ActorProcessingErr> {
        Ok(reviewer)
    }

    async fn handle(
        &self,
        _: ActorRef<UniverseMsg>,
        message: UniverseMsg,
        reviewer: &mut Arc<Reviewer>,
    ) -> Result<(), ActorProcessingErr> {
        let UniverseMsg::Review { at, reply } = message;
        reviewer.review(at).await;
        let _ = reply.send(());
        Ok(())
    }
}
