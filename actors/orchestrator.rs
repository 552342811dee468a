//! The orchestrator: takes a signal, asks the council, and turns what the round allowed into an order.
//!
//! - every verdict has its complete record chain: steps 1 to 6 are one batch, on the disk before
//!   an order leaves.
//! - O-1: an order leaves with the proof of its round, or with a person's.
//! - O-4: the exit half of a reversal and advised exits ask nobody's leave.
//!
//! The handler never waits: each decision is a task that the actor owns, one at a time per symbol.
//! After a restart it forgets the decisions in flight; none of them has sent an order, because a
//! decision's last act is to send it.

mod decision;
pub mod records;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use conclave_domain::brief::trading::TradingBrief;
use conclave_domain::context::BookKind;
use conclave_domain::limits::Limits;
use conclave_domain::market::symbol::Symbol;
use conclave_domain::policy::caller::Look;
use conclave_domain::role::Team;
use conclave_domain::tally::Settle;
use conclave_domain::watch::Raised;
use ractor::{Actor, ActorProcessingErr, ActorRef};
use tokio::sync::oneshot;
use tokio::task::JoinSet;
use tracing::{Instrument as _, Span};

use crate::approvals::ApprovalsHandle;
use crate::audit::AuditHandle;
use crate::broker::{BrokerError, BrokerHandle};
use crate::consensus::{Patience, RoundError};
use crate::inline::Attend;
use crate::market::Gone;
use crate::news::Newsroom;
use crate::runtime::ports::Clock;
use crate::runtime::recall::Recall;
use crate::runtime::refs::{StableRef, stable};
use crate::runtime::shell::AgentHandle;
use crate::runtime::supervision::ChildSpec;
use crate::safety::SafetyHandle;
use crate::score::Score;
use crate::spans;
use crate::universe::Rolls;

/// What the orchestrator takes.
#[derive(Debug)]
pub enum OrchestratorMsg {
    /// Decide on a signal.
    Decide {
        /// The signal.
        raised: Box<Raised>,
        /// The decision, within whatever asked for it.
        span: Span,
        /// Who waits.
        reply: oneshot::Sender<Result<(), DecideError>>,
    },
    /// Ask a policy about a bar, and do what it says.
    Consider {
        /// What it is shown.
        look: Box<Look>,
        /// The decision, within whatever asked for it.
        span: Span,
        /// Who waits.
        reply: oneshot::Sender<Result<(), DecideError>>,
    },
    /// Attend to an event of an account.
    Attend {
        /// Whose.
        book: BookKind,
        /// The event.
        event: Attend,
        /// The decision, within whatever asked for it.
        span: Span,
        /// Who waits.
        reply: oneshot::Sender<Result<(), DecideError>>,
    },
    /// A decision on this symbol has ended.
    Ended(Symbol),
}

/// Why a run cannot go on. What a council or a gate refuses is no error.
#[derive(Debug, thiserror::Error)]
pub enum DecideError {
    /// The broker is gone or its account broke.
    #[error("the broker failed")]
    Broker(#[from] BrokerError),
    /// A round of a replay did not close.
    #[error("a round did not close")]
    Round(#[from] RoundError),
    /// The orchestrator is gone.
    #[error("the orchestrator is gone")]
    Gone(#[from] Gone),
}

/// What every decision works with.
#[derive(Clone, Debug)]
pub struct Office {
    /// Permits, standing, the fence.
    pub safety: SafetyHandle,
    /// The enabled agents of the trading team, in roster order.
    pub agents: Vec<AgentHandle<TradingBrief>>,
    /// The accounts.
    pub broker: BrokerHandle,
    /// The log.
    pub audit: AuditHandle,
    /// The queue of supervised mode.
    pub approvals: ApprovalsHandle,
    /// What is counted.
    pub score: Score,
    /// The news.
    pub news: Newsroom,
    /// Who may be entered.
    pub universe: Rolls,
    /// The limits in force.
    pub limits: Arc<Limits>,
    /// How long a round waits.
    pub patience: Patience,
    /// When a round may close.
    pub settle: Settle,
    /// Whether short signals only close.
    pub long_only: bool,
    /// The number of the last round.
    pub rounds: Arc<AtomicU64>,
    /// What was answered before the process ended.
    pub recall: Arc<Recall>,
    /// Both clocks.
    pub clock: Arc<dyn Clock>,
}

impl Office {
    /// The book that the present mode decides on: advice of advisory mode fills the shadow book.
    pub fn book(&self) -> BookKind {
        BookKind::decided_on(self.safety.mode(Team::Trading))
    }
}

/// How to reach the orchestrator.
#[derive(Clone, Debug)]
pub struct OrchestratorHandle(StableRef<OrchestratorMsg>);

impl OrchestratorHandle {
    /// Steps 3 to 8 of a signal; returns when every effect of it is booked.
    ///
    /// # Errors
    /// When the run cannot go on.
    pub async fn decide(&self, raised: Raised) -> Result<(), DecideError> {
        let span = spans::decision(&raised.signal.symbol, raised.signal.at, "entry");
        let raised = Box::new(raised);
        self.ask(|reply| OrchestratorMsg::Decide { raised, span, reply }).await
    }

    /// Asks a policy about a bar; returns when every effect of what it says is booked.
    ///
    /// # Errors
    /// When the run cannot go on.
    pub async fn consider(&self, look: Look) -> Result<(), DecideError> {
        let span = spans::decision(&look.symbol, look.bar.close_time, "entry");
        let look = Box::new(look);
        self.ask(|reply| OrchestratorMsg::Consider { look, span, reply }).await
    }

    /// Attends to an event; returns when every effect of it is booked.
    ///
    /// # Errors
    /// When the run cannot go on.
    pub async fn attend(&self, book: BookKind, event: Attend) -> Result<(), DecideError> {
        let span = match &event {
            Attend::Position(event) => spans::decision(&event.symbol, event.at, "position"),
            Attend::Halt { .. } => Span::current(),
        };
        self.ask(|reply| OrchestratorMsg::Attend { book, event, span, reply }).await
    }

    async fn ask(
        &self,
        message: impl FnOnce(oneshot::Sender<Result<(), DecideError>>) -> OrchestratorMsg,
    ) -> Result<(), DecideError> {
        let (reply, answer) = oneshot::channel();
        self.0.cast(message(reply)).map_err(|_| Gone("orchestrator"))?;
        answer.await.map_err(|_| Gone("orchestrator"))?
    }
}

/// Prepares the orchestrator.
pub fn orchestrator(office: Office) -> (ChildSpec, OrchestratorHandle) {
    let (publisher, actor) = stable();
    let office = Arc::new(office);
    let child =
        ChildSpec::new("orchestrator", publisher, move || (Orchestrator, Arc::clone(&office)));
    (child, OrchestratorHandle(actor))
}

/// The actor.
#[derive(Debug)]
pub struct Orchestrator;

/// What the actor keeps.
#[derive(Debug)]
pub struct OrchestratorState {
    office: Arc<Office>,
    /// Symbols that a decision is made on at this moment.
    deciding: BTreeSet<Symbol>,
    work: JoinSet<()>,
}

impl Actor for Orchestrator {
    type Msg = OrchestratorMsg;
    type State = OrchestratorState;
    type Arguments = Arc<Office>;

    async fn pre_start(
        &self,
        _: ActorRef<OrchestratorMsg>,
        office: Arc<Office>,
    ) -> Result<OrchestratorState, ActorProcessingErr> {
        Ok(OrchestratorState { office, deciding: BTreeSet::new(), work: JoinSet::new() })
    }

    async fn handle(
        &self,
        me: ActorRef<OrchestratorMsg>,
        message: OrchestratorMsg,
        state: &mut OrchestratorState,
    ) -> Result<(), ActorProcessingErr> {
        while state.work.try_join_next().is_some() {}
        let office = Arc::clone(&state.office);
        match message {
            OrchestratorMsg::Ended(symbol) => {
                state.deciding.remove(&symbol);
            }
            OrchestratorMsg::Attend { book, event, span, reply } => {
                let attending = async move {
                    let _ = reply.send(office.attend(book, event).await);
                };
                state.work.spawn(attending.instrument(span));
            }
            OrchestratorMsg::Consider { look, span, reply } => {
                let symbol = look.symbol.clone();
                let is_first = state.deciding.insert(symbol.clone());
                let considering = async move {
                    // One word at a time: a policy that is being decided on is not asked again.
                    let done = if is_first { office.consider(*look).await } else { Ok(()) };
                    if is_first {
                        let _ = me.cast(OrchestratorMsg::Ended(symbol));
                    }
                    let _ = reply.send(done);
                };
                state.work.spawn(considering.instrument(span));
            }
            OrchestratorMsg::Decide { raised, span, reply } => {
                let symbol = raised.signal.symbol.clone();
                let is_first = state.deciding.insert(symbol.clone());
                let deciding = async move {
                    let decided = if is_first {
                        office.decide(*raised).await
                    } else {
                        office.refuse_second(&raised).await;
                        Ok(())
                    };
                    if is_first {
                        // Before the reply: whoever waited may send the next signal at once.
                        let _ = me.cast(OrchestratorMsg::Ended(symbol));
                    }
                    let _ = reply.send(decided);
                };
                state.work.spawn(deciding.instrument(span));
            }
        }
        Ok(())
    }
}
