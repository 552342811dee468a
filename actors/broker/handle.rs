//! How to reach the broker actor, and what it shows of the accounts.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use conclave_domain::away::{Doubt, Report};
use conclave_domain::book::Position;
use conclave_domain::brief::trading::{TradingBrief, TradingState};
use conclave_domain::clearance::Cleared;
use conclave_domain::code::Code;
use conclave_domain::context::BookKind;
use conclave_domain::custody::{CustodyError, PositionEvent};
use conclave_domain::deliberation::Matter;
use conclave_domain::fixed::{Money, Price, Qty};
use conclave_domain::market::symbol::Symbol;
use conclave_domain::order::{ClientOrderId, DecisionId, ExitReason, OrderIntent};
use conclave_domain::policy::caller::{Look, Word};
use conclave_domain::ratio::Ratio;
use conclave_domain::reconcile::{InFlight, Statement, StatementError};
use conclave_domain::record::Record;
use conclave_domain::signal::Direction;
use conclave_domain::time::Time;
use conclave_domain::watch::Raised;
use serde::Serialize;
use tokio::sync::{oneshot, watch};
use tracing::Instrument as _;

use super::{Account, BrokerMsg, OutsideMsg, Reconciliation};
use crate::driver::{Advanced, Played};
use crate::inline::Attend;
use crate::market::Gone;
use crate::runtime::ports::StoreError;
use crate::runtime::refs::StableRef;
use crate::spans;

/// Orders that a view shows; the audit has them all.
const ORDERS_SHOWN: usize = 100;

/// One open position as it is shown.
#[derive(Clone, Debug, Serialize)]
pub struct PositionView {
    /// Its book.
    pub book: BookKind,
    /// Its symbol.
    pub symbol: Symbol,
    /// Long or short.
    pub side: Direction,
    /// How much.
    pub qty: Qty,
    /// Mean entry price.
    pub entry_price: Option<Price>,
    /// The last price.
    pub price: Price,
    /// What it is worth.
    pub value: Money,
    /// Profit at the last price.
    pub unrealised: Option<Money>,
    /// Where its stop stands.
    pub stop: Option<Price>,
    /// Since when.
    pub opened_at: Time,
}

/// One order as it is shown.
#[derive(Clone, Debug, Serialize)]
pub struct OrderView {
    /// Its book.
    pub book: BookKind,
    /// Its id.
    pub client_order_id: ClientOrderId,
    /// The decision that it belongs to.
    pub decision: DecisionId,
    /// Its symbol.
    pub symbol: Symbol,
    /// Buy or sell.
    pub side: &'static str,
    /// How much.
    pub qty: Qty,
    /// Market, limit, …
    pub kind: &'static str,
    /// Where it stands.
    pub status: &'static str,
    /// How much was filled.
    pub filled: Qty,
    /// When it was made.
    pub at: Time,
    /// When the last of it was filled.
    pub filled_at: Option<Time>,
    /// At which mean price.
    pub filled_price: Option<Price>,
}

/// One book as it is shown.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BookView {
    /// Which one.
    pub book: BookKind,
    /// Its equity.
    pub equity: Money,
    /// Its cash.
    pub cash: Money,
    /// Its exposure, fraction of equity.
    pub exposure: Ratio,
    /// Its fall from the peak, fraction.
    pub drawdown: Ratio,
    /// What it would lose from here if every stop filled at its price, fraction of equity.
    pub open_risk: Ratio,
    /// Profit or loss of the present session, fraction.
    pub daily_pnl_pct: Ratio,
    /// Trades that are over.
    pub trades: usize,
    /// Open positions.
    pub positions: usize,
}

/// The accounts as they are shown; published after every change and every chunk.
#[derive(Clone, Debug, Default)]
pub struct AccountView {
    /// Market time.
    pub at: Time,
    /// The books that were ever decided on.
    pub books: Vec<BookView>,
    /// Open positions of all books.
    pub positions: Vec<PositionView>,
    /// The last orders of all books, newest last.
    pub orders: Vec<OrderView>,
}

impl AccountView {
    /// A book; where it was never decided on, the one that was. `None` before the account is opened.
    pub fn book(&self, book: BookKind) -> Option<&BookView> {
        self.books.iter().find(|shown| shown.book == book).or(self.books.first())
    }

    pub(super) fn of<'a>(accounts: impl Iterator<Item = (BookKind, &'a Account)>) -> Self {
        let mut view = Self::default();
        for (book, account) in accounts {
            let custody = &account.custody;
            view.at = view.at.max(custody.now());
            view.books.push(BookView::of(book, account));
            view.positions.extend(custody.book().positions().iter().map(|(symbol, position)| {
                PositionView {
                    book,
                    symbol: symbol.clone(),
                    side: position.direction,
                    qty: position.qty,
                    entry_price: position.entry_price().ok(),
                    price: position.mark,
                    value: position.value,
                    unrealised: position.unrealised().ok(),
                    stop: custody.stop(symbol),
                    opened_at: position.opened_at,
                }
            }));
            view.orders.extend(custody.orders().latest(ORDERS_SHOWN).map(|order| OrderView {
                book,
                client_order_id: order.intent.client_order_id.clone(),
                decision: order.intent.decision.clone(),
                symbol: order.intent.symbol.clone(),
                side: order.intent.side.name(),
                qty: order.intent.qty,
                kind: order.intent.kind.name(),
                status: order.status().name(),
                filled: order.filled(),
                at: order.intent.at,
                filled_at: order.fills().last().map(|fill| fill.at),
                filled_price: order.mean_price().ok().flatten(),
            }));
        }
        view
    }
}

impl BookView {
    fn of(book: BookKind, account: &Account) -> Self {
        let (custody, ledger) = (&account.custody, account.custody.book());
        let equity = ledger.equity().unwrap_or_default();
        Self {
            book,
            equity,
            cash: ledger.cash(),
            exposure: ledger.exposure().unwrap_or_default(),
            drawdown: ledger.drawdown(),
            open_risk: open_risk(account, equity),
            daily_pnl_pct: custody.daily_pnl_pct(),
            trades: ledger.closed(),
            positions: ledger.positions().len(),
        }
    }
}

/// What an account would lose if every stop filled at its price; a position without a stop all that it
/// is worth.
fn open_risk(account: &Account, equity: Money) -> Ratio {
    let custody = &account.custody;
    let lost = |(symbol, position): (&Symbol, &Position)| {
        let value = position.value.to_f64().abs();
        let (Some(stop), price) = (custody.stop(symbol), position.mark.to_f64()) else {
            return value;
        };
        let fall = position.direction.sign() * (price - stop.to_f64()) / price;
        value * fall.max(0.0)
    };
    let lost: f64 = custody.book().positions().iter().map(lost).sum();
    Ratio::or_zero(lost / equity.to_f64())
}

/// How to reach the broker actor. Cheap to clone.
#[derive(Clone, Debug)]
pub struct BrokerHandle {
    actor: StableRef<BrokerMsg>,
    view: watch::Receiver<Arc<AccountView>>,
    is_outside: bool,
}

/// Why the broker brought no answer.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum BrokerError {
    /// It is gone.
    #[error("the broker is gone")]
    Gone(#[from] Gone),
    /// The account broke.
    #[error("the account broke")]
    Custody(#[from] CustodyError),
    /// The statement of the broker outside was not taken; nothing was changed.
    #[error("the broker's statement was not taken")]
    Statement(#[from] StatementError),
    /// What belongs to the accounts is not on the disk.
    #[error("the journal could not be written")]
    Journal(#[from] StoreError),
}

impl BrokerHandle {
    pub(super) const fn new(
        actor: StableRef<BrokerMsg>,
        view: watch::Receiver<Arc<AccountView>>,
        is_outside: bool,
    ) -> Self {
        Self { actor, view, is_outside }
    }

    /// Whether orders of a book go to a broker outside: then everything in the log is brought to the disk
    /// before one leaves, or it does not leave.
    pub fn syncs_before_sending(&self, book: BookKind) -> bool {
        self.is_outside && book == BookKind::Real
    }

    /// The accounts as they were last shown; never waits.
    pub fn view(&self) -> Arc<AccountView> {
        Arc::clone(&self.view.borrow())
    }

    async fn ask<T>(
        &self,
        message: impl FnOnce(oneshot::Sender<T>) -> BrokerMsg,
    ) -> Result<T, Gone> {
        let (reply, answer) = oneshot::channel();
        self.actor.cast(message(reply)).map_err(|_| Gone("broker"))?;
        answer.await.map_err(|_| Gone("broker"))
    }

    /// Plays slices.
    ///
    /// # Errors
    /// When the actor is gone or an account broke.
    pub async fn advance(
        &self,
        played: Played,
        slices: Range<usize>,
    ) -> Result<Advanced<(BookKind, Attend)>, BrokerError> {
        Ok(self.ask(|reply| BrokerMsg::Advance { played, slices, reply }).await??)
    }

    /// Gathers what a decision looks at.
    ///
    /// # Errors
    /// When the actor is gone or an account broke.
    pub async fn gather(
        &self,
        book: BookKind,
        raised: Raised,
        state: TradingState,
    ) -> Result<Matter, BrokerError> {
        let raised = Box::new(raised);
        Ok(self.ask(|reply| BrokerMsg::Gather { book, raised, state, reply }).await??)
    }

    /// What a policy says of a bar with the account of a book; `may_short` is whether shares may be sold
    /// short.
    ///
    /// # Errors
    /// When the actor is gone or the account broke.
    pub async fn consider(
        &self,
        book: BookKind,
        look: Look,
        may_short: bool,
    ) -> Result<Word, BrokerError> {
        let look = Box::new(look);
        Ok(self.ask(|reply| BrokerMsg::Consider { book, look, may_short, reply }).await??)
    }

    /// What stands against an order that a person approves at this moment of the trading clock.
    ///
    /// # Errors
    /// When the actor is gone or the account broke.
    pub async fn recheck(
        &self,
        intent: OrderIntent,
        raised: Raised,
        (now, state): (Time, TradingState),
    ) -> Result<Result<(), Code>, BrokerError> {
        let (intent, raised) = (Box::new(intent), Box::new(raised));
        let ask = self.ask(|reply| BrokerMsg::Recheck { intent, raised, now, state, reply });
        Ok(ask.await??)
    }

    /// Gathers what an adviser on exits is told.
    ///
    /// # Errors
    /// When the actor is gone or an account broke.
    pub async fn gather_position(
        &self,
        book: BookKind,
        event: PositionEvent,
        state: TradingState,
    ) -> Result<TradingBrief, BrokerError> {
        let event = Box::new(event);
        Ok(self.ask(|reply| BrokerMsg::GatherPosition { book, event, state, reply }).await??)
    }

    /// Sends a cleared order; the inner error is the code of what stopped it at the fence. `decided` are
    /// the records of what it was decided on, where they are not in the log yet: they go there with its
    /// own.
    ///
    /// # Errors
    /// When the actor is gone or an account broke.
    pub async fn submit(
        &self,
        book: BookKind,
        cleared: Cleared<OrderIntent>,
        decided: Vec<Record>,
    ) -> Result<Result<(), Code>, BrokerError> {
        let span = spans::order(cleared.item());
        let cleared = Box::new(cleared);
        let asking = self.ask(|reply| BrokerMsg::Submit { book, cleared, decided, reply });
        let sent = asking.instrument(span.clone()).await??;
        if let Err(code) = sent {
            span.record("code", code.as_str());
        }
        Ok(sent)
    }

    /// Closes positions: one symbol's or all, of one book or all.
    ///
    /// # Errors
    /// When the actor is gone or an account broke.
    pub async fn flatten(
        &self,
        book: Option<BookKind>,
        only: Option<Symbol>,
        reason: ExitReason,
    ) -> Result<(), BrokerError> {
        Ok(self.ask(|reply| BrokerMsg::Flatten { book, only, reason, reply }).await??)
    }

    /// Cancels every entry that rests.
    ///
    /// # Errors
    /// When the actor is gone or an account broke.
    pub async fn cancel_entries(&self) -> Result<(), BrokerError> {
        Ok(self.ask(|reply| BrokerMsg::CancelEntries { reply }).await??)
    }

    /// Tells the account that the guardian's objection stood.
    pub fn objected(&self, book: BookKind, code: Code) {
        // Without a broker there is no account that could rest.
        let _ = self.actor.cast(BrokerMsg::Objected { book, code });
    }

    /// Tells the accounts that a person has lifted the halt.
    pub fn halt_lifted(&self) {
        let _ = self.actor.cast(BrokerMsg::HaltLifted);
    }

    /// Takes what the broker outside says of orders, in any order and as often as it likes. Returns what
    /// made no sense: the account is then to be compared with a statement soon.
    ///
    /// # Errors
    /// When the actor is gone, the account broke, or there is no broker outside.
    pub async fn heard(&self, reports: Vec<Report>) -> Result<Vec<Doubt>, BrokerError> {
        Ok(self.ask(|reply| BrokerMsg::Outside(OutsideMsg::Heard { reports, reply })).await??)
    }

    /// Brings the real book to the statement of the broker outside. Call it through
    /// [`crate::council::Council::reconcile`], which also stops new risk where more than fees differs.
    ///
    /// # Errors
    /// When the actor is gone, the account broke, or the statement was not taken.
    pub async fn reconcile(&self, statement: Statement) -> Result<Reconciliation, BrokerError> {
        let statement = Box::new(statement);
        Ok(self
            .ask(|reply| BrokerMsg::Outside(OutsideMsg::Reconcile { statement, reply }))
            .await???)
    }

    /// The orders that the broker outside may still say something of: to be asked before a statement is
    /// read, and where its stream has had a gap.
    ///
    /// # Errors
    /// When the actor is gone.
    pub async fn in_flight(&self) -> Result<InFlight, BrokerError> {
        Ok(self.ask(|reply| BrokerMsg::Outside(OutsideMsg::InFlight { reply })).await?)
    }

    /// Takes up orders that a former process had written down behind the account that it stored; returns
    /// how many were new. Before the first news.
    ///
    /// # Errors
    /// When the actor is gone, or an order is another one than what has its id.
    pub async fn recall(&self, intents: Vec<OrderIntent>) -> Result<usize, BrokerError> {
        Ok(self.ask(|reply| BrokerMsg::Outside(OutsideMsg::Recall { intents, reply })).await??)
    }

    /// The accounts; what they count in the journal is on the disk.
    ///
    /// # Errors
    /// When the actor is gone or the journal could not be written.
    pub async fn export(&self) -> Result<BTreeMap<BookKind, Account>, BrokerError> {
        Ok(self.ask(|reply| BrokerMsg::Export { reply }).await??)
    }
}
