//! What a policy says becomes an exit, a call like a strategy's, or nothing. Pure.
//!
//! A strategy calls from bars alone. A policy also looks at the account that is traded, so it is asked
//! where that account is kept, once everything of the bar is booked: a [`Look`] travels from the market
//! to the account, and what it comes to is a [`Word`].
//!
//! A call's confidence is the probability of its action, its magnitude the move that strategies expect
//! of the same bar's range, its bucket the share that sizing multiplies with. A call in the held
//! direction keeps what is held; CLOSE, and a call that only closes, are exits and meet no gate.
//!
//! # Invariants
//!
//! - F-2: a look holds the columns of its bar, and the account columns come from the ledger that is
//!   traded, so that they are the same bits in training, back-test and live.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::action::{Action, Intent, intent};
use super::network::{Opinion, Policy};
use super::observation::{AccountView, MARKET};
use crate::book::{Book, BookError};
use crate::market::bar::Bar;
use crate::market::symbol::Symbol;
use crate::ratio::Ratio;
use crate::record::Digest;
use crate::signal::{Direction, Features, Regime, Signal};
use crate::strategy::{HitRate, SourceHealth, SourceRecord};
use crate::watch::{MarketSnapshot, Raised};

/// The name of policies in signals and on the command line.
pub const NAME: &str = "policy";

/// A policy in reports: by the beginning of its hash.
pub fn in_words(hash: Digest) -> String {
    let beginning: String = hash.to_string().chars().take(12).collect();
    format!("{NAME} {beginning}")
}

/// What a policy is shown of one bar, before the account is looked at.
#[derive(Clone, Debug, PartialEq)]
pub struct Look {
    /// The slice in its chunk.
    pub slice: usize,
    /// The tape's index of its symbol.
    pub instrument: u16,
    /// The symbol.
    pub symbol: Symbol,
    /// The bar.
    pub bar: Bar,
    /// Who is asked.
    pub policy: Arc<Policy>,
    /// The market columns; `None` while a window is not full.
    pub row: Option<Box<[f32; MARKET]>>,
    /// The move to expect within the horizon of calls, fraction of the price.
    pub magnitude: Ratio,
    /// The regime then.
    pub regime: Regime,
    /// The features then.
    pub features: Features,
    /// The market at the end of the slice.
    pub market: Arc<MarketSnapshot>,
}

/// What a policy's call brings with it that a strategy's has not.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PolicyCall {
    /// The share that its action asks for: 0.25, 0.5 or 0.75.
    pub bucket: Ratio,
    /// How many actions it chose among.
    pub actions: u32,
    /// Share of its calls on the symbol that were right so far, shrunken to one half.
    pub hit_rate: Ratio,
    /// How well it has called lately, over all symbols.
    pub record: SourceRecord,
}

/// What a look comes to.
#[derive(Clone, Debug, PartialEq)]
pub enum Word {
    /// Nothing is done.
    Keep,
    /// What is held in the symbol is closed, by rule and without a gate.
    Close,
    /// An entry is asked for; what stands against it is a reversal, as with strategies.
    Call(Box<Raised>),
    /// Its numbers are not finite: it has no opinion, which counts as holding.
    Mute,
}

/// What a policy wants with an account; `None` while a window is not full, or without an opinion.
///
/// # Errors
/// On overflow of the equity.
pub fn opinion(
    policy: &Policy,
    row: &[f32; MARKET],
    (book, symbol): (&Book, &Symbol),
) -> Result<Option<Opinion>, BookError> {
    Ok(policy.opinion(row, &AccountView::of(book, symbol)?).ok())
}

/// What a policy has said with one account, and how it turned out. It is stored with the account.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Caller {
    health: SourceHealth,
    hits: BTreeMap<Symbol, HitRate>,
}

impl Caller {
    /// One that has said nothing; `calls` is the number that its health is judged by.
    pub fn new(calls: u32) -> Self {
        Self { health: SourceHealth::new(calls), hits: BTreeMap::new() }
    }

    /// Asks the policy about a bar that the ledger has played. To be told of every bar, so that calls
    /// are judged at their horizon whether or not they were traded.
    ///
    /// # Errors
    /// On overflow of the equity.
    pub fn consider(
        &mut self,
        look: Look,
        book: &Book,
        may_short: bool,
    ) -> Result<Word, BookError> {
        let close = look.bar.close;
        let hits = self.hits.entry(look.symbol.clone()).or_default();
        if let Some(right) = hits.on_bar(close) {
            self.health.on_resolved(right);
        }
        let Some(row) = &look.row else { return Ok(Word::Keep) };
        let Some(said) = opinion(&look.policy, row, (book, &look.symbol))? else {
            self.health.on_action(true);
            return Ok(Word::Mute);
        };
        self.health.on_action(said.action == Action::Hold);
        let (hit_rate, record) = (hits.rate(), self.health.record());
        if let Some(direction) = said.action.direction() {
            hits.on_call(direction, close);
        }
        let held = book.position(&look.symbol).map(|held| held.direction);
        Ok(match intent(said.action, held, may_short) {
            Intent::Keep => Word::Keep,
            Intent::Close => Word::Close,
            Intent::Enter { direction, percent } => {
                let bucket = Ratio::or_zero(f64::from(percent) / 100.0);
                let actions = u32::try_from(said.probabilities.len()).unwrap_or(u32::MAX);
                let call = PolicyCall { bucket, actions, hit_rate, record };
                Word::Call(Box::new(look.raise(direction, said.probability, call)))
            }
        })
    }

    /// How well the policy has called lately.
    pub fn record(&self) -> SourceRecord {
        self.health.record()
    }
}

impl Look {
    fn raise(self, direction: Direction, confidence: Ratio, call: PolicyCall) -> Raised {
        let Self { slice, instrument, symbol, bar, magnitude, regime, features, market, .. } = self;
        let signal = Signal {
            symbol,
            at: bar.close_time,
            source: NAME.to_owned(),
            direction,
            confidence,
            magnitude,
            price: bar.close,
            regime,
            features,
        };
        Raised { slice, instrument, bar, signal, market, call: Some(call) }
    }
}

#[cfg(test)]
mod tests;
