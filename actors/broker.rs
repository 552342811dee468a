//! The broker actor: the one that keeps the accounts and the only one through which an order leaves.
//!
//! - O-1: it takes `Cleared<OrderIntent>` and nothing else; exits are cleared where they are made.
//! - O-3: the fence is read immediately before an entry is sent.
//! - O-4: exits, cancels and what a person orders pass whatever the fence says.
//! - O-2: one intent, at most one live order: what goes to a broker outside is on the disk before it is
//!   handed over, see `outside`.
//!
//! After a restart it would have forgotten the account since the last stored state; a second life is
//! refused, the run ends, and `--resume` goes on from what is stored.

mod handle;
mod outside;
mod tell;

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use conclave_domain::brief::trading::{TradingBrief, TradingState};
use conclave_domain::clearance::Cleared;
use conclave_domain::code::Code;
use conclave_domain::context::{BookKind, Update};
use conclave_domain::custody::{Custody, CustodyConfig, CustodyError, EquityPoint, Happening};
use conclave_domain::deliberation::{Matter, position_brief};
use conclave_domain::fixed::Money;
use conclave_domain::limits::Limits;
use conclave_domain::market::symbol::Symbol;
use conclave_domain::market::tape::Instrument;
use conclave_domain::order::{ExitReason, OrderIntent};
use conclave_domain::policy::caller::{Look, Word};
use conclave_domain::record::Record;
use conclave_domain::time::Time;
use conclave_domain::watch::Raised;
use ractor::{Actor, ActorProcessingErr, ActorRef};
use serde::{Deserialize, Serialize};
use tokio::sync::{oneshot, watch};

use crate::audit::AuditHandle;
use crate::context::ContextHandle;
use crate::driver::{Advanced, Played};
use crate::inline::Attend;
use crate::journal::{Extent, Pages};
use crate::runtime::fence::Fence;
use crate::runtime::ports::{BrokerWitness, Journal, StoreError};
use crate::runtime::refs::stable;
use crate::runtime::supervision::ChildSpec;
use crate::score::Score;
use crate::universe::Rolls;

pub use handle::{AccountView, BookView, BrokerError, BrokerHandle, OrderView, PositionView};
pub use outside::{Outside, OutsideMsg, Pass, Reconciliation};

/// What the broker actor takes. Sent through [`BrokerHandle`].
#[derive(Debug)]
pub enum BrokerMsg {
    /// Play slices of a chunk.
    Advance {
        /// The chunk and its pulses.
        played: Played,
        /// Which slices.
        slices: Range<usize>,
        /// Who waits.
        reply: oneshot::Sender<Result<Advanced<(BookKind, Attend)>, CustodyError>>,
    },
    /// Gather what a decision looks at.
    Gather {
        /// The book that is decided on.
        book: BookKind,
        /// The signal.
        raised: Box<Raised>,
        /// The trading state.
        state: TradingState,
        /// Who waits.
        reply: oneshot::Sender<Result<Matter, CustodyError>>,
    },
    /// Ask a policy about a bar with the account of a book.
    Consider {
        /// The book that is decided on.
        book: BookKind,
        /// What it is shown.
        look: Box<Look>,
        /// Whether shares may be sold short.
        may_short: bool,
        /// Who waits.
        reply: oneshot::Sender<Result<Word, CustodyError>>,
    },
    /// Look at an order again that a person has approved, at the moment of the approval.
    Recheck {
        /// The order.
        intent: Box<OrderIntent>,
        /// The signal and the market that it was weighed against.
        raised: Box<Raised>,
        /// The trading clock.
        now: Time,
        /// The trading state.
        state: TradingState,
        /// Who waits; the code is of what stands against it.
        reply: oneshot::Sender<Result<Result<(), Code>, CustodyError>>,
    },
    /// Gather what an adviser on exits is told.
    GatherPosition {
        /// The book.
        book: BookKind,
        /// The event.
        event: Box<conclave_domain::custody::PositionEvent>,
        /// The trading state.
        state: TradingState,
        /// Who waits.
        reply: oneshot::Sender<Result<TradingBrief, CustodyError>>,
    },
    /// Send a cleared order.
    Submit {
        /// The book.
        book: BookKind,
        /// The order.
        cleared: Box<Cleared<OrderIntent>>,
        /// What it was decided on, where that is not written down yet.
        decided: Vec<Record>,
        /// Who waits; the code is of what stopped it at the fence.
        reply: oneshot::Sender<Result<Result<(), Code>, CustodyError>>,
    },
    /// Close positions.
    Flatten {
        /// The book; all books when `None`.
        book: Option<BookKind>,
        /// The symbol; all symbols when `None`.
        only: Option<Symbol>,
        /// Why.
        reason: ExitReason,
        /// Who waits.
        reply: oneshot::Sender<Result<(), CustodyError>>,
    },
    /// Cancel every entry that rests.
    CancelEntries {
        /// Who waits.
        reply: oneshot::Sender<Result<(), CustodyError>>,
    },
    /// The guardian's objection stood.
    Objected {
        /// The book.
        book: BookKind,
        /// The objection's code.
        code: Code,
    },
    /// A person has lifted the halt: drawdown is measured anew.
    HaltLifted,
    /// What concerns the account at a broker outside.
    Outside(OutsideMsg),
    /// Hand out the accounts, once what they count in the journal is on the disk: for the report, and
    /// for storing.
    Export {
        /// Who waits.
        reply: oneshot::Sender<Result<BTreeMap<BookKind, Account>, StoreError>>,
    },
}

/// One account and what happened to it. It is stored as it is.
///
/// Closed trades, forgotten orders and the equity curve are in the journal. They are here only where
/// there is none, or where an earlier version stored the account: then they are handed over at start.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Account {
    /// The account.
    pub custody: Custody,
    /// The part of its equity curve that is not in the journal.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub curve: Vec<EquityPoint>,
    /// How much of the journal is its own.
    #[serde(default)]
    pub journaled: Extent,
}

/// What the actor is started with.
#[derive(Clone, Debug)]
pub struct BrokerSetup {
    /// Terms of a fresh account.
    pub config: CustodyConfig,
    /// What can be traded.
    pub instruments: Arc<[Instrument]>,
    /// The limits in force.
    pub limits: Arc<Limits>,
    /// The book that is kept from the first bar on; the other is opened when it is needed.
    pub book: BookKind,
    /// The accounts that were stored; empty at a first start.
    pub stored: BTreeMap<BookKind, Account>,
    /// Where what is over goes; without one it stays in memory, which then grows with the run.
    pub journal: Option<Arc<dyn Journal>>,
    /// What stands before every entry.
    pub fence: Arc<Fence>,
    /// Where steps 7 and 8 are written.
    pub audit: AuditHandle,
    /// Where the books are shown.
    pub context: ContextHandle,
    /// What is counted.
    pub score: Score,
    /// Who is told how trades went.
    pub universe: Rolls,
    /// Who sees what happens to the accounts, if anybody.
    pub witness: Option<Arc<dyn BrokerWitness>>,
    /// Who keeps the real book, if it is not simulated. The shadow book always is.
    pub outside: Option<Outside>,
}

/// Prepares the broker actor.
pub fn broker(setup: BrokerSetup) -> (ChildSpec, BrokerHandle) {
    let (publisher, actor) = stable();
    let (view, seen) = watch::channel(Arc::new(AccountView::default()));
    let view = Arc::new(view);
    let started = Arc::new(AtomicBool::new(false));
    let is_outside = setup.outside.is_some();
    let child = ChildSpec::new("broker", publisher, move || {
        let second = started.swap(true, Ordering::SeqCst);
        (Broker, (!second).then(|| (setup.clone(), Arc::clone(&view))))
    });
    (child, BrokerHandle::new(actor, seen, is_outside))
}

/// The actor.
#[derive(Debug)]
pub struct Broker;

/// What happened, by the book that it happened to.
type ByBook = Vec<(BookKind, Vec<Happening>)>;

/// What the actor keeps.
#[derive(Debug)]
pub struct BrokerState {
    setup: BrokerSetup,
    accounts: BTreeMap<BookKind, Account>,
    pages: Option<Pages>,
    view: Arc<watch::Sender<Arc<AccountView>>>,
}

impl BrokerState {
    /// The account of a book; a fresh one the first time that it is needed.
    fn account(&mut self, book: BookKind) -> Result<&mut Account, CustodyError> {
        if !self.accounts.contains_key(&book) {
            let BrokerSetup { config, instruments, .. } = &self.setup;
            let custody = match &self.setup.outside {
                Some(Outside { terms, .. }) if book == BookKind::Real => {
                    Custody::outside(config, terms.clone(), instruments)?
                }
                _ => Custody::new(config, instruments)?,
            };
            let account = Account { custody, curve: Vec::new(), journaled: Extent::default() };
            self.accounts.insert(book, account);
        }
        self.accounts.get_mut(&book).ok_or(CustodyError::NoAccount)
    }

    fn advance(
        &mut self,
        played: &Played,
        slices: Range<usize>,
    ) -> Result<(Advanced<(BookKind, Attend)>, ByBook), CustodyError> {
        let BrokerSetup { instruments, limits, .. } = &self.setup;
        let mut advanced = Advanced { through: slices.end, events: Vec::new() };
        let mut happened = Vec::new();
        for (book, account) in &mut self.accounts {
            let until = advanced.through;
            let custody = &mut account.custody;
            // A book whose partner stopped at an event stops at the same slice.
            let range = slices.start..until;
            let step =
                custody.advance(instruments, &played.chunk, &played.pulses, range, limits)?;
            if step.through < until {
                advanced.through = step.through;
            }
            let at = custody.now();
            let halt = step.halt_due.map(|drawdown| Attend::Halt { drawdown, at });
            let events = step.events.into_iter().map(|event| Attend::Position(Box::new(event)));
            advanced.events.extend(halt.into_iter().chain(events).map(|event| (*book, event)));
            happened.push((*book, step.happenings));
        }
        Ok((advanced, happened))
    }

    fn publish(&self) {
        let shown = self.accounts.iter().map(|(book, account)| (*book, account));
        self.view.send_replace(Arc::new(AccountView::of(shown)));
    }

    /// Marks and equity for whoever watches; once a chunk, because nobody looks more often.
    async fn show_marks(&self) {
        let mut marks = Vec::new();
        for account in self.accounts.values() {
            for (symbol, position) in account.custody.book().positions() {
                marks.push(Update::Marked { symbol: symbol.clone(), price: position.mark });
            }
        }
        marks.push(Update::Settled);
        if let Err(error) = self.setup.context.tell(marks).await {
            tracing::warn!(error = &error as &dyn std::error::Error, "marks not shown");
        }
        for (book, account) in &self.accounts {
            let custody = &account.custody;
            let equity = custody.book().equity().map_or(0.0, Money::to_f64);
            metrics::gauge!("conclave_equity_usd", "book" => book.name()).set(equity);
            metrics::gauge!("conclave_drawdown_ratio", "book" => book.name())
                .set(custody.book().drawdown().get());
        }
    }
}

impl Actor for Broker {
    type Msg = BrokerMsg;
    type State = BrokerState;
    type Arguments = Option<(BrokerSetup, Arc<watch::Sender<Arc<AccountView>>>)>;

    async fn pre_start(
        &self,
        _: ActorRef<BrokerMsg>,
        arguments: Self::Arguments,
    ) -> Result<BrokerState, ActorProcessingErr> {
        let (setup, view) = arguments.ok_or("the account since the last stored state is lost")?;
        let accounts = setup.stored.clone();
        let (book, is_outside) = (setup.book, setup.outside.is_some());
        let stored = accounts.get(&BookKind::Real).map(|account| account.custody.is_away());
        if stored.is_some_and(|stored| stored != is_outside) {
            return Err("the stored account is not of this broker".into());
        }
        let pages = setup.journal.clone().map(Pages::new);
        let mut state = BrokerState { setup, accounts, pages, view };
        state.account(book)?;
        if is_outside {
            state.account(BookKind::Real)?;
        }
        state.let_go().await;
        state.publish();
        Ok(state)
    }

    async fn handle(
        &self,
        _: ActorRef<BrokerMsg>,
        message: BrokerMsg,
        state: &mut BrokerState,
    ) -> Result<(), ActorProcessingErr> {
        match message {
            BrokerMsg::Advance { played, slices, reply } => {
                let _ = reply.send(state.play(&played, slices).await);
            }
            BrokerMsg::Gather { book, raised, state: trading, reply } => {
                let instruments = Arc::clone(&state.setup.instruments);
                let gathered = state.account(book).and_then(|account| {
                    Matter::of(&account.custody, &instruments, *raised, trading)
                });
                let _ = reply.send(gathered);
            }
            BrokerMsg::Consider { book, look, may_short, reply } => {
                let limits = Arc::clone(&state.setup.limits);
                let said = state
                    .account(book)
                    .and_then(|account| account.custody.consider(*look, may_short, &limits));
                let _ = reply.send(said);
            }
            BrokerMsg::Recheck { intent, raised, now, state: trading, reply } => {
                let _ = reply.send(state.recheck(&intent, *raised, (now, trading)));
            }
            BrokerMsg::GatherPosition { book, event, state: trading, reply } => {
                let instruments = Arc::clone(&state.setup.instruments);
                let limits = Arc::clone(&state.setup.limits);
                let gathered = state.account(book).and_then(|account| {
                    position_brief(&account.custody, &instruments, &event, trading, &limits)
                });
                let _ = reply.send(gathered);
            }
            BrokerMsg::Objected { book, code } => {
                let limits = Arc::clone(&state.setup.limits);
                if let Ok(account) = state.account(book) {
                    account.custody.on_objection(code, &limits);
                }
            }
            BrokerMsg::HaltLifted => {
                state.accounts.values_mut().for_each(|account| account.custody.lift_halt());
            }
            BrokerMsg::Export { reply } => {
                let _ = reply.send(state.export().await);
            }
            BrokerMsg::Outside(message) => state.attend_outside(message).await,
            BrokerMsg::Submit { book, cleared, decided, reply } => {
                let _ = reply.send(state.submit(book, *cleared, decided).await);
            }
            BrokerMsg::Flatten { book, only, reason, reply } => {
                let _ = reply.send(state.flatten(book, only.as_ref(), reason).await);
            }
            BrokerMsg::CancelEntries { reply } => {
                let _ = reply.send(state.cancel_entries().await);
            }
        }
        Ok(())
    }
}

impl BrokerState {
    async fn export(&mut self) -> Result<BTreeMap<BookKind, Account>, StoreError> {
        if let Some(pages) = &mut self.pages {
            pages.sync().await?;
        }
        Ok(self.accounts.clone())
    }

    async fn play(
        &mut self,
        played: &Played,
        slices: Range<usize>,
    ) -> Result<Advanced<(BookKind, Attend)>, CustodyError> {
        let is_last = slices.end == played.chunk.len();
        let (advanced, happened) = self.advance(played, slices)?;
        self.tell(happened).await;
        if is_last {
            self.show_marks().await;
            self.publish();
        }
        Ok(advanced)
    }

    fn recheck(
        &mut self,
        intent: &OrderIntent,
        raised: Raised,
        (now, state): (Time, TradingState),
    ) -> Result<Result<(), Code>, CustodyError> {
        let limits = Arc::clone(&self.setup.limits);
        let instruments = Arc::clone(&self.setup.instruments);
        let custody = &self.account(BookKind::Real)?.custody;
        let newest = custody.last_bar_at(&intent.symbol);
        let matter = Matter::of(custody, &instruments, raised, state)?;
        Ok(matter.recheck(intent, (now, newest), &limits))
    }

    async fn submit(
        &mut self,
        book: BookKind,
        cleared: Cleared<OrderIntent>,
        decided: Vec<Record>,
    ) -> Result<Result<(), Code>, CustodyError> {
        let validity = cleared.validity();
        let taken = self.take_in(book, cleared);
        // Written down whatever became of it; with the order, where there is one.
        let happened = taken.as_ref().ok().and_then(|taken| taken.as_ref().ok()).cloned();
        let happened = happened.map(|happened| (book, happened)).into_iter().collect();
        self.tell_and_send(decided, happened, Some(validity)).await;
        self.publish();
        Ok(taken?.map(drop))
    }

    /// Takes an order into the account, unless something stands in front of it at the fence.
    fn take_in(
        &mut self,
        book: BookKind,
        cleared: Cleared<OrderIntent>,
    ) -> Result<Result<Vec<Happening>, Code>, CustodyError> {
        let (limits, fence) = (Arc::clone(&self.setup.limits), Arc::clone(&self.setup.fence));
        let account = self.account(book)?;
        let gate = fence.gate(cleared.item().symbol.as_str(), account.custody.now());
        match cleared.check(gate) {
            Ok(()) => account.custody.submit(cleared, &limits).map(Ok),
            Err(code) => Ok(Err(code)),
        }
    }

    async fn flatten(
        &mut self,
        book: Option<BookKind>,
        only: Option<&Symbol>,
        reason: ExitReason,
    ) -> Result<(), CustodyError> {
        let limits = Arc::clone(&self.setup.limits);
        let mut happened = Vec::new();
        for (kind, account) in &mut self.accounts {
            // What is held at a broker outside stays there when the bars end.
            let stays = reason == ExitReason::EndOfData && account.custody.is_away();
            if book.is_none_or(|book| book == *kind) && !stays {
                happened.push((*kind, account.custody.flatten(only, reason, &limits)?));
            }
        }
        self.tell(happened).await;
        self.publish();
        Ok(())
    }

    async fn cancel_entries(&mut self) -> Result<(), CustodyError> {
        let limits = Arc::clone(&self.setup.limits);
        let mut happened = Vec::new();
        for (kind, account) in &mut self.accounts {
            happened.push((*kind, account.custody.cancel_all_entries(&limits)?));
        }
        self.tell(happened).await;
        self.publish();
        Ok(())
    }
}
