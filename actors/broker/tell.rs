//! What becomes of what happened to an account: steps 7 and 8 in the audit, figures in the context,
//! counts in the score.

use conclave_domain::clearance::Validity;
use conclave_domain::context::{BookKind, Update};
use conclave_domain::custody::Happening;
use conclave_domain::order::{ClientOrderId, DecisionId, Purpose};
use conclave_domain::order_state::News;
use conclave_domain::ratio::Ratio;
use conclave_domain::record::{Record, Step};
use conclave_domain::time::Time;
use serde::Serialize;

use super::{BrokerState, ByBook};
use crate::audit::record;

/// The body of a record of step 7 or 8.
#[derive(Debug, Serialize)]
struct Happened<'a> {
    book: BookKind,
    #[serde(flatten)]
    what: &'a Happening,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    updates: Vec<Update>,
}

/// What is to be written down and shown of what happened.
struct Told {
    records: Vec<Record>,
    updates: Vec<Update>,
}

impl BrokerState {
    /// Keeps the curve, writes steps 7 and 8, shows the books; what an account asks of a broker outside
    /// is handed over.
    pub(super) async fn tell(&mut self, happened: ByBook) {
        self.tell_and_send(Vec::new(), happened, None).await;
    }

    /// [`BrokerState::tell`], where an entry that was cleared is among what is asked: how long its
    /// clearance holds. `decided` is what goes before, where it is not written down yet.
    pub(super) async fn tell_and_send(
        &mut self,
        decided: Vec<Record>,
        happened: ByBook,
        validity: Option<Validity>,
    ) {
        let mut told = self.told(happened);
        if !decided.is_empty() {
            told.records.splice(..0, decided);
        }
        let mut asked = self.asked();
        while !asked.is_empty() {
            let denied = self.hand_over(told.records, asked, validity).await;
            self.show(told.updates).await;
            told = self.told(denied);
            asked = self.asked();
        }
        self.let_go().await;
        if told.records.is_empty() {
            return;
        }
        if let Err(error) = self.setup.audit.note_all(told.records).await {
            tracing::error!(error = &error as &dyn std::error::Error, "fills not recorded yet");
        }
        self.show(told.updates).await;
    }

    /// What is to be written and shown of what happened.
    fn told(&mut self, happened: ByBook) -> Told {
        let mut records = Vec::new();
        let mut updates = Vec::new();
        for (book, happenings) in happened {
            if let Some(witness) = &self.setup.witness {
                witness.saw(book, &happenings);
            }
            for happening in happenings {
                if let Happening::Marked(point) = happening {
                    if let Some(account) = self.accounts.get_mut(&book) {
                        account.curve.push(point);
                    }
                    continue;
                }
                count(&happening);
                self.score(book, &happening);
                let (record, changes) = self.written(book, &happening);
                records.extend(record);
                updates.extend(changes);
            }
        }
        Told { records, updates }
    }

    /// Brings the context to what the log says.
    async fn show(&self, updates: Vec<Update>) {
        // The records have their place and may not be written yet, so this may be the end before them,
        // or before or behind what others write meanwhile. It marks the books alone, which nobody else
        // changes by a record while the council runs, and is compared with their records alone. Too low
        // it has a repair after a kill apply these fills once more, which the book answers as the first
        // time; too high it cannot be for a record of the books, because theirs come one after the other
        // from here. It stands in no record.
        let seq = self.setup.audit.head().decisions.count;
        if let Err(error) = self.setup.context.apply(updates, Some(seq)).await {
            tracing::error!(error = &error as &dyn std::error::Error, "books not shown");
        }
    }

    /// Counts denials and outcomes, and tells the universe how trades went.
    fn score(&self, book: BookKind, happening: &Happening) {
        let score = &self.setup.score;
        match happening {
            Happening::Order { event } => {
                if let News::Denied { code, text } = &event.news
                    && let Some(decision) = self.decision_of(book, &event.order)
                {
                    score.denied(&decision, *code, text);
                }
            }
            Happening::Refused { decision: Some(decision), code, .. } => {
                score.denied(decision, *code, code.cause());
            }
            Happening::Refused { decision: None, code, .. } => score.disregarded(*code),
            Happening::TradeClosed { trade, outcome } => {
                score.trade_closed(trade.decision.as_ref(), outcome.hit);
                let made = trade.return_on_cost().unwrap_or(Ratio::ZERO);
                self.setup.universe.closed(book, &trade.symbol, made);
            }
            _ => {}
        }
    }

    /// Lets go of what is over: to the journal, where there is one, and out of the score the votes
    /// whose trade has come or cannot come any more.
    pub(super) async fn let_go(&mut self) {
        let Some(pages) = &mut self.pages else { return };
        for (book, account) in &mut self.accounts {
            let closed = account.custody.take_closed();
            let of_trades = closed.trades.iter().filter_map(|trade| trade.decision.as_ref());
            let of_orders = closed.orders.iter().map(|order| &order.intent.decision);
            for decision in of_trades.chain(of_orders) {
                if !account.custody.is_pending(decision) {
                    self.setup.score.forget(decision);
                }
            }
            pages.write(*book, &account.curve, &closed, &mut account.journaled);
            account.curve.clear();
        }
        pages.relieve().await;
    }

    fn now(&self, book: BookKind) -> Time {
        self.accounts.get(&book).map_or(Time::EPOCH, |account| account.custody.now())
    }

    fn decision_of(&self, book: BookKind, order: &ClientOrderId) -> Option<DecisionId> {
        let orders = self.accounts.get(&book)?.custody.orders();
        orders.find(order).map(|order| order.intent.decision.clone())
    }

    fn written(&self, book: BookKind, happening: &Happening) -> (Option<Record>, Vec<Update>) {
        let orders = self.accounts.get(&book).map(|account| account.custody.orders());
        let (step, decision, at, updates) = match happening {
            Happening::Filled { fill } => {
                let order = orders.and_then(|orders| orders.find(&fill.client_order_id));
                let intent = order.map(|order| &order.intent);
                let purpose = intent.map_or(Purpose::Entry, |intent| intent.purpose);
                let decision = intent.map(|intent| intent.decision.clone());
                let update = Update::Filled {
                    book,
                    fill: fill.clone(),
                    purpose,
                    decision: decision.clone(),
                };
                (Step::BookUpdated, decision, fill.at, vec![update])
            }
            Happening::TradeClosed { trade, .. } => {
                (Step::BookUpdated, trade.decision.clone(), trade.exit_time, Vec::new())
            }
            Happening::Submitted { intent } => {
                (Step::OrderSubmitted, Some(intent.decision.clone()), intent.at, Vec::new())
            }
            Happening::Order { event } => {
                let order = orders.and_then(|orders| orders.find(&event.order));
                let decision = order.map(|order| order.intent.decision.clone());
                (Step::OrderSubmitted, decision, event.at, Vec::new())
            }
            Happening::Refused { decision, .. } => {
                (Step::OrderSubmitted, decision.clone(), self.now(book), Vec::new())
            }
            Happening::Adjusted { .. } => {
                let account = self.accounts.get(&book);
                let now = account.map(|account| Box::new(account.custody.book().clone()));
                let update = now.map(|now| Update::BookReplaced { book, now });
                (Step::BookAdjusted, None, self.now(book), update.into_iter().collect())
            }
            Happening::Injected { .. } => (Step::FaultInjected, None, self.now(book), Vec::new()),
            Happening::Duplicate { .. } | Happening::Marked(_) => {
                (Step::OrderSubmitted, None, self.now(book), Vec::new())
            }
        };
        let body = Happened { book, what: happening, updates: updates.clone() };
        tracing::debug!(step = step.name(), book = book.name(), "step done");
        (record(step, decision.as_ref(), at, &body).ok(), updates)
    }
}

fn count(happening: &Happening) {
    let (side, status) = match happening {
        Happening::Submitted { intent } => (intent.side.name(), "submitted"),
        Happening::Filled { fill } => (fill.side.name(), "filled"),
        Happening::Duplicate { .. } => ("none", "duplicate"),
        Happening::Order { .. }
        | Happening::Refused { .. }
        | Happening::TradeClosed { .. }
        | Happening::Adjusted { .. }
        | Happening::Injected { .. }
        | Happening::Marked(_) => return,
    };
    metrics::counter!("conclave_orders_total", "side" => side, "status" => status).increment(1);
}
