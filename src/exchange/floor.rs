//! The floor: one exchange that all requests share, and everybody who listens to it.
//!
//! One lock guards it. It is held for as long as one request takes, never across an await, and what
//! happened is told before it is let go, so that everybody hears everything in one order.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use conclave_domain::alpaca::News;
use conclave_domain::exchange::faults::{Fault, Place, Plan, Planned};
use conclave_domain::exchange::order::Update;
use conclave_domain::exchange::{Exchange, Happening};
use conclave_domain::time::Time;
use serde_json::{Value, json};
use tokio::sync::broadcast;
use tokio::time::Instant;

use super::journal::Journal;
use super::keys::KeyPair;
use super::market::{Topic, messages};
use super::render;

/// Messages that a listener may be behind before it is cut off as too slow.
const BEHIND_MAX: usize = 65_536;

/// What a stream hears.
#[derive(Clone, Debug)]
pub(super) enum Note {
    /// Something happened to an order of an account: the message's text.
    Order {
        /// The account's number.
        account: u16,
        /// The message.
        text: Arc<str>,
    },
    /// The market moved: a message of the data stream without its envelope.
    Market {
        /// What it is about.
        topic: Topic,
        /// The message.
        message: Arc<Value>,
    },
    /// Connections to the trading stream are cut.
    CutOrders,
    /// Connections to the data stream are cut.
    CutMarket,
}

/// What is changed under the lock.
#[derive(Debug)]
pub(super) struct Inner {
    pub(super) exchange: Exchange,
    pub(super) faults: Plan,
    /// Occasions at each place so far.
    counts: [u64; Place::ALL.len()],
    journal: Option<Journal>,
    /// Nothing is sent on the trading and on the data stream until then.
    quiet: [Option<Instant>; 2],
}

/// The floor.
#[derive(Debug)]
pub struct Floor {
    inner: Mutex<Inner>,
    notes: broadcast::Sender<Note>,
    keys: Vec<KeyPair>,
    /// By the time at which they were known.
    news: Vec<News>,
}

impl Floor {
    /// A floor around an exchange with an account for each pair of keys.
    pub fn new(
        mut exchange: Exchange,
        keys: Vec<KeyPair>,
        faults: Plan,
        journal: Option<Journal>,
    ) -> Self {
        while exchange.accounts().len() < keys.len() {
            exchange.open_account();
        }
        let inner =
            Inner { exchange, faults, counts: [0; Place::ALL.len()], journal, quiet: [None, None] };
        Self {
            inner: Mutex::new(inner),
            notes: broadcast::Sender::new(BEHIND_MAX),
            keys,
            news: Vec::new(),
        }
    }

    /// The same floor with news to tell, oldest first.
    #[must_use]
    pub(crate) fn telling(self, news: Vec<News>) -> Self {
        Self { news, ..self }
    }

    /// All news, also those that are not known yet.
    pub(super) fn news(&self) -> &[News] {
        &self.news
    }

    /// The pairs of keys, by account.
    pub fn keys(&self) -> &[KeyPair] {
        &self.keys
    }

    /// The account that a pair of keys opens.
    pub(super) fn account_of(&self, id: &str, secret: &str) -> Option<u16> {
        // Every pair is looked at, so that time tells nothing.
        let mut found = None;
        for (number, pair) in (0..).zip(&self.keys) {
            if pair.admits(id, secret) {
                found = Some(number);
            }
        }
        found
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Does something at the exchange and tells what happened.
    pub(crate) fn with<T>(&self, act: impl FnOnce(&mut Exchange) -> T) -> T {
        let mut inner = self.lock();
        let done = act(&mut inner.exchange);
        self.publish(&mut inner);
        done
    }

    /// Lets time pass at the exchange.
    pub fn advance(&self, until: Time) {
        self.with(|exchange| exchange.advance(until));
    }

    /// The time at the exchange.
    pub fn now(&self) -> Time {
        self.lock().exchange.now()
    }

    /// When the next price trades.
    pub fn next_price_at(&self) -> Option<Time> {
        self.lock().exchange.next_price_at()
    }

    /// Whoever listens from now on.
    pub(super) fn listen(&self) -> broadcast::Receiver<Note> {
        self.notes.subscribe()
    }

    /// One more occasion at a place: whether something goes wrong there.
    pub(super) fn occasion(&self, place: Place) -> Option<Fault> {
        self.lock().occasion(place)
    }

    /// By how many milliseconds the clock that clients see is wrong.
    pub(super) fn skew_ms(&self) -> i64 {
        self.lock().faults.skew_ms()
    }

    /// Whether nobody is let in to the trading stream (0) or the data stream (1) at the moment: a
    /// connection that is there and says nothing would hide what it leaves out.
    pub(super) fn is_shut(&self, stream: usize) -> bool {
        self.lock().is_quiet(stream)
    }

    /// Plans more faults, counted from now.
    pub(crate) fn plan(&self, faults: Vec<Planned>) {
        let mut inner = self.lock();
        let counts = inner.counts;
        for fault in faults {
            inner.faults.add(fault, |place| counts[index(place)]);
        }
    }

    /// Nothing goes wrong any more.
    pub(crate) fn heal(&self) {
        self.lock().faults.clear();
    }

    /// Tells what happened since it was last told.
    fn publish(&self, inner: &mut Inner) {
        for happening in inner.exchange.happenings() {
            match happening {
                Happening::Order { account, update } => self.tell_order(inner, account, &update),
                Happening::Price { .. } | Happening::Bar { .. } => {
                    self.tell_market(inner, &happening);
                }
            }
        }
    }

    fn tell_order(&self, inner: &mut Inner, account: u16, update: &Update) {
        let times = self.times(inner, Place::Stream, 0);
        let is_heard = times > 0 && self.notes.receiver_count() > 0;
        if inner.journal.is_none() && !is_heard {
            return;
        }
        let message = {
            let Some(of) = inner.exchange.account(account) else { return };
            render::update(update, of, inner.exchange.venue())
        };
        if let Some(journal) = &mut inner.journal {
            journal.write(&json!({"account": account, "update": &message}));
        }
        let message = json!({"stream": "trade_updates", "data": message});
        let text: Arc<str> = message.to_string().into();
        for _ in 0..times {
            // Nobody listening is no failure.
            let _ = self.notes.send(Note::Order { account, text: Arc::clone(&text) });
        }
    }

    /// How often a message of a stream is sent: once, unless something goes wrong with it.
    fn times(&self, inner: &mut Inner, place: Place, stream: usize) -> usize {
        match inner.occasion(place) {
            Some(Fault::Twice) => 2,
            Some(Fault::Gap(lasts)) => {
                inner.quiet[stream] = Some(Instant::now() + lasts);
                let cut = if stream == 0 { Note::CutOrders } else { Note::CutMarket };
                let _ = self.notes.send(cut);
                0
            }
            _ => usize::from(!inner.is_quiet(stream)),
        }
    }

    fn tell_market(&self, inner: &mut Inner, happening: &Happening) {
        if self.notes.receiver_count() == 0 {
            return;
        }
        for (topic, message) in messages(happening, inner.exchange.venue()) {
            let times = self.times(inner, Place::Feed, 1);
            let message = Arc::new(message);
            for _ in 0..times {
                let note = Note::Market { topic: topic.clone(), message: Arc::clone(&message) };
                let _ = self.notes.send(note);
            }
        }
    }
}

impl Inner {
    fn occasion(&mut self, place: Place) -> Option<Fault> {
        let count = &mut self.counts[index(place)];
        *count = count.saturating_add(1);
        self.faults.strikes(place, *count)
    }

    fn is_quiet(&self, stream: usize) -> bool {
        self.quiet[stream].is_some_and(|until| Instant::now() < until)
    }
}

fn index(place: Place) -> usize {
    Place::ALL.iter().position(|it| *it == place).unwrap_or(0)
}

/// How long a fault lets somebody wait.
pub(super) const fn lasts(fault: Option<Fault>) -> Option<Duration> {
    match fault {
        Some(Fault::TimeOut(lasts) | Fault::Stall(lasts)) => Some(lasts),
        _ => None,
    }
}
