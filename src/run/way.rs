//! Which way a run goes on, and what it goes on from.
//!
//! - G-2: a restart gives nothing back: exact budgets are taken only where everything that was spent
//!   since then is spent again.
//!
//! After a kill the bars since the last checkpoint are played again and each decision is compared with
//! the log, so that nothing is written twice. Where that cannot be, or something differs, the run
//! goes on as after a crash of any kind: from the checkpoint's accounts, with every block of permits
//! counted as spent, under a header of its own.

use std::collections::BTreeMap;
use std::sync::Arc;

use conclave_actors::broker::Account;
use conclave_actors::council::Carried;
use conclave_actors::runtime::compare::{Comparing, Expected};
use conclave_actors::runtime::recall::Recall;
use conclave_actors::safety::{LiveSafety, Standing};
use conclave_actors::score::Score;
use conclave_domain::book::Book;
use conclave_domain::budget::Now;
use conclave_domain::context::{BookKind, Context, Update};
use conclave_domain::fixed::Money;
use conclave_domain::order::OrderIntent;
use conclave_domain::record::{Anchor, Chain, Head, Line, Step, Stream};
use conclave_domain::time::Time;
use serde::Deserialize;

use super::checkpoint::{self, Checkpoint, Found};
use super::finish::End;
use super::prepare::Prepared;
use super::world::{Opened, Tail};
use crate::adapters::audit_files::{LogError, lines};
use crate::adapters::safety_store::{Block, Replayed};
use crate::cli::error::{CliError, ExitCode};

/// How a process goes on with a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// There was none.
    Fresh,
    /// It was stopped in order: nothing has to be played again.
    Clean,
    /// What was played since the checkpoint is played again and compared.
    Exact,
    /// The old way, and why.
    Again(String),
}

impl Way {
    /// The word in records and messages.
    pub(super) const fn name(&self) -> &'static str {
        match self {
            Self::Fresh => "fresh",
            Self::Clean => "clean",
            Self::Exact => "exact",
            Self::Again(_) => "again",
        }
    }

    /// Whether it begins at the first bar, with the header of the run still to be written or compared.
    pub(super) fn is_from_the_start(&self, opened: &Opened) -> bool {
        *self == Self::Fresh || (*self == Self::Exact && matches!(opened.found, Found::Nothing))
    }
}

/// The way for what was found. What an open market has said cannot be played again.
pub(super) fn choose(opened: &Opened, is_live: bool) -> Way {
    let again = |why: &str| Way::Again(why.to_owned());
    if !opened.is_resumed {
        return Way::Fresh;
    }
    if is_live {
        return again("an open market: its account is the broker's, its bars are not played again");
    }
    let tail = match (&opened.tail, &opened.found) {
        (_, Found::Accounts(_)) => return again("its accounts were stored by an older version"),
        (Tail::TooLong, _) => return again("too much was written since its checkpoint"),
        (Tail::Whole(tail), _) => tail,
    };
    let is_approval = |line: &Expected| {
        matches!(line.step, Step::ApprovalAsked | Step::ApprovalAnswered | Step::ApprovalExpired)
    };
    if tail.iter().any(is_approval) {
        return again("a person was asked since its checkpoint");
    }
    let newest = opened.newest.as_ref();
    let begun = match &opened.found {
        Found::Checkpoint(checkpoint) => {
            let is_later = |newest: &Block| newest.save >= checkpoint.save;
            let is_stopped = |newest: &Block| newest.record.budgets.is_clean() && is_later(newest);
            if tail.is_empty() && newest.is_some_and(is_stopped) {
                return Way::Clean;
            }
            checkpoint.moment.safety.standing.clone()
        }
        _ => Standing::initial(),
    };
    // A halt that reached the store and not the log must not be lost.
    let stored = newest.map_or_else(Standing::initial, |newest| {
        let mut standing = Standing::initial();
        standing.trading_state = newest.record.trading_state;
        standing.modes.extend(newest.record.modes.clone());
        standing
    });
    match behind(begun, tail) {
        Some(standing) if standing == stored => Way::Exact,
        _ => again("a change of mode or state was stored that the log does not hold"),
    }
}

/// The orders that were written down for a broker outside behind the checkpoint, in their order: the
/// stored account does not know of them yet.
pub(super) fn sent_since(opened: &Opened) -> Vec<OrderIntent> {
    #[derive(Deserialize)]
    struct Body {
        book: BookKind,
        intent: Option<OrderIntent>,
    }
    let Tail::Whole(tail) = &opened.tail else { return Vec::new() };
    let sent = tail.iter().filter(|line| line.step == Step::OrderSubmitted);
    let bodies = sent.filter_map(|line| serde_json::from_str::<Body>(&line.body).ok());
    bodies.filter(|body| body.book == BookKind::Real).filter_map(|body| body.intent).collect()
}

/// Mode and state behind the tail, from its records; `None` where one cannot be read.
fn behind(mut standing: Standing, tail: &[Expected]) -> Option<Standing> {
    #[derive(Deserialize)]
    struct Body {
        #[serde(default)]
        updates: Vec<Update>,
    }
    let is_change = |step| {
        matches!(step, Step::ModeChanged | Step::StateChanged | Step::HaltRaised | Step::HaltLifted)
    };
    for line in tail.iter().filter(|line| is_change(line.step)) {
        let body: Body = serde_json::from_str(&line.body).ok()?;
        for update in body.updates {
            match update {
                Update::StateSet { state, .. } => standing.trading_state = state,
                Update::ModeSet { job, mode } => drop(standing.modes.insert(job, mode)),
                _ => {}
            }
        }
    }
    Some(standing)
}

/// What a try to go on begins with.
#[derive(Debug)]
pub(super) struct Base {
    pub(super) accounts: BTreeMap<BookKind, Account>,
    /// Market time up to which everything was played.
    pub(super) until: Option<Time>,
    /// Bars up to here are in session digests that a stop has closed.
    pub(super) digested: Option<Time>,
    pub(super) halted_at: Option<Time>,
    /// How the run had ended, if it had.
    pub(super) ended: Option<End>,
    /// Slices that were played as one chunk.
    pub(super) chunk: Option<usize>,
    pub(super) carried: Carried,
    pub(super) context: Context,
    /// The log's end as the council is told it.
    pub(super) head: Anchor,
    pub(super) replayed: Option<Replayed>,
}

impl Base {
    /// What `way` begins with.
    ///
    /// # Errors
    /// When the configuration refuses, or stored figures do not add up.
    pub(super) fn new(way: &Way, opened: &Opened, prepared: &Prepared) -> Result<Self, CliError> {
        let mut base = match &opened.found {
            Found::Checkpoint(checkpoint) => Self::at(checkpoint, opened),
            Found::Accounts(accounts) => {
                let until = accounts.values().map(|account| account.custody.now()).max();
                Self { accounts: accounts.clone(), until, digested: until, ..Self::zero(opened) }
            }
            Found::Nothing => Self::zero(opened),
        };
        base.recall(opened, prepared)?;
        match way {
            Way::Fresh | Way::Again(_) => base.ended = None,
            Way::Clean => base.digested = base.until,
            Way::Exact => base.compare(opened, prepared)?,
        }
        Ok(base)
    }

    fn zero(opened: &Opened) -> Self {
        Self {
            accounts: BTreeMap::new(),
            until: None,
            digested: None,
            halted_at: None,
            ended: None,
            chunk: None,
            carried: Carried::default(),
            context: opened.context.clone(),
            head: opened.head,
            replayed: None,
        }
    }

    fn at(checkpoint: &Checkpoint, opened: &Opened) -> Self {
        let moment = &checkpoint.moment;
        let score = Score::from_stored(moment.score.clone());
        Self {
            accounts: moment.accounts.clone(),
            until: moment.until().filter(|until| *until > Time::EPOCH),
            digested: checkpoint.digested,
            halted_at: checkpoint.halted_at,
            ended: checkpoint.ended,
            chunk: Some(checkpoint.chunk),
            carried: Carried {
                score,
                rounds: moment.rounds,
                universe: moment.universe.clone(),
                ..Carried::default()
            },
            ..Self::zero(opened)
        }
    }

    /// What agents that are not free have answered since the checkpoint.
    fn recall(&mut self, opened: &Opened, prepared: &Prepared) -> Result<(), CliError> {
        if prepared.repeats_itself() {
            return Ok(());
        }
        let begins = match &opened.found {
            Found::Checkpoint(checkpoint) => checkpoint.moment.head.count,
            Found::Nothing | Found::Accounts(_) => 0,
        };
        let mut recall = Recall::default();
        let unreadable = |error: LogError| {
            CliError::new(ExitCode::Data, "the observations are unreadable").caused_by(error)
        };
        let observed = lines(&opened.dir, Stream::Observations).map_err(unreadable)?;
        for raw in observed {
            let raw = raw.map_err(unreadable)?;
            let Ok(line) = Line::read(&raw.text) else { continue };
            let taken = checkpoint::seq(line.body).filter(|_| line.step == Step::CheckpointTaken);
            if taken.is_some_and(|seq| seq <= begins) {
                // Up to there everything is in the checkpoint.
                recall.forget();
            }
            recall.hear(&line);
        }
        self.carried.recall = Arc::new(recall);
        Ok(())
    }

    /// Makes it the beginning of a comparison: everything as it was at the checkpoint.
    fn compare(&mut self, opened: &Opened, prepared: &Prepared) -> Result<(), CliError> {
        let Tail::Whole(tail) = &opened.tail else { return Ok(()) };
        let (safety, from, head) = if let Found::Checkpoint(checkpoint) = &opened.found {
            let mut safety = checkpoint.moment.safety.clone();
            // G-2: what was paid since the checkpoint is not paid again, and is spent all the same.
            if let Some(newest) = &opened.newest {
                safety.budgets = safety.budgets.with_wall_time_of(&newest.record.budgets);
            }
            let from = Block { save: checkpoint.save, record: safety.record() };
            (safety, Some(from), checkpoint.moment.head)
        } else {
            let now = Now { wall: Time::EPOCH, trading: Time::EPOCH };
            let mut safety = LiveSafety::initial(&prepared.config.budgets, now);
            if let (Ok(safety), Some(newest)) = (&mut safety, &opened.newest) {
                safety.budgets = safety.budgets.with_wall_time_of(&newest.record.budgets);
            }
            self.context = Context::default();
            let start = Chain::new(Stream::Decisions).head();
            (safety.map_err(|_| unsound("budgets"))?, None, start)
        };
        self.books(prepared.config.run.cash)?;
        self.carried.safety = Some(safety);
        self.head.decisions = head;
        let lines = Lines { tail: Arc::clone(tail), next: 0 };
        let until = Comparing::new(Box::new(lines), opened.head, Some(opened.audit.clone()));
        self.replayed = Some(Replayed { from, until: Arc::new(until) });
        Ok(())
    }

    /// Puts the accounts' ledgers where the context shows them.
    fn books(&mut self, cash: Money) -> Result<(), CliError> {
        for book in BookKind::ALL {
            if self.context.book(book).is_none() {
                continue;
            }
            let now = match self.accounts.get(&book) {
                Some(account) => account.custody.book().clone(),
                None => Book::new(cash).map_err(|_| unsound("books"))?,
            };
            let update = Update::BookReplaced { book, now: Box::new(now) };
            self.context.apply(update, None).map_err(|_| unsound("books"))?;
        }
        Ok(())
    }

    /// The log that is compared, if one is.
    pub(super) fn comparing(&self) -> Option<Arc<Comparing>> {
        self.replayed.as_ref().map(|replayed| Arc::clone(&replayed.until))
    }

    /// Where it begins in the log.
    pub(super) const fn begins(&self) -> Head {
        self.head.decisions
    }
}

fn unsound(what: &str) -> CliError {
    CliError::new(ExitCode::Data, format!("the {what} of the checkpoint do not add up"))
}

/// The tail's lines, one after the other.
struct Lines {
    tail: Arc<[Expected]>,
    next: usize,
}

impl Iterator for Lines {
    type Item = Expected;

    fn next(&mut self) -> Option<Expected> {
        let line = self.tail.get(self.next).cloned();
        self.next += 1;
        line
    }
}
