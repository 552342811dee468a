//! Everything that was loaded for a season and says when it was known, whatever its date.
//!
//! Nobody is handed a library without a [`Gate`](super::Gate) in front of it. What does not say when it was
//! known is not even kept: it is counted, and cannot be told by mistake.

use std::collections::BTreeMap;

use serde::Serialize;

use super::statement::{RawStatement, Statement, StatementError};
use crate::market::symbol::Symbol;
use crate::news::door::{Item, Press, RawItem, Refused};
use crate::record::Digest;
use crate::time::Time;

/// The most statements of a library.
pub const STATEMENTS_MAX: usize = 200_000;

/// Texts and statements by symbol, each known from a moment on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Library {
    press: Press,
    /// By symbol, in the order in which they were filed.
    statements: BTreeMap<Symbol, Vec<Statement>>,
    /// How many of what was loaded are held back, by reason.
    withheld: BTreeMap<&'static str, u32>,
    /// When each thing was known, and a hash over it and all that was known before it.
    chain: Vec<(Time, Digest)>,
}

/// Too much for one season.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0} statements: {STATEMENTS_MAX} at most are held")]
pub struct TooMany(usize);

impl Library {
    /// A library about these symbols. Texts come in by the door of the news.
    ///
    /// # Errors
    /// When there are more statements than are held.
    pub fn of(
        texts: Vec<RawItem>,
        statements: Vec<RawStatement>,
        universe: &[Symbol],
    ) -> Result<Self, TooMany> {
        if statements.len() > STATEMENTS_MAX {
            return Err(TooMany(statements.len()));
        }
        let mut library = Self { press: Press::of(texts, universe), ..Self::default() };
        for Refused { error, .. } in &library.press.refused {
            *library.withheld.entry(error.name()).or_default() += 1;
        }
        library.press.refused = Vec::new();
        for raw in statements {
            match raw.admit(universe) {
                Ok(statement) => {
                    let of = library.statements.entry(statement.symbol.clone()).or_default();
                    of.push(statement);
                }
                Err(error) => *library.withheld.entry(error.name()).or_default() += 1,
            }
        }
        for of in library.statements.values_mut() {
            // Of two of one moment the order of the file decides: the sort is stable.
            of.sort_by_key(|it| (it.filed_at, it.period_end));
            let before = of.len();
            of.dedup_by_key(|it| (it.filed_at, it.period_end));
            let same = u32::try_from(before - of.len()).unwrap_or(u32::MAX);
            if same > 0 {
                *library.withheld.entry(StatementError::Same.name()).or_default() += same;
            }
        }
        library.chain = chain(&library.press, &library.statements);
        Ok(library)
    }

    /// Whether there is nothing to be known at any time.
    pub fn is_empty(&self) -> bool {
        self.chain.is_empty()
    }

    /// Texts and statements.
    pub fn len(&self) -> usize {
        self.chain.len()
    }

    /// How many of what was loaded are held back for good, by reason: `undated` and `unfiled` among them.
    pub const fn withheld(&self) -> &BTreeMap<&'static str, u32> {
        &self.withheld
    }

    /// A hash over all of it; `None` over nothing.
    pub fn hash(&self) -> Option<Digest> {
        self.chain.last().map(|(_, digest)| *digest)
    }

    /// A hash over what was known at a moment and nothing else; `None` where nothing was.
    pub fn known_hash(&self, as_of: Time) -> Option<Digest> {
        let end = self.chain.partition_point(|(known_at, _)| *known_at <= as_of);
        end.checked_sub(1).and_then(|last| self.chain.get(last)).map(|(_, digest)| *digest)
    }

    /// The texts about a symbol that were known at a moment, the newest last.
    pub(super) fn texts(
        &self,
        symbol: &Symbol,
        as_of: Time,
    ) -> impl DoubleEndedIterator<Item = &Item> + '_ {
        self.press.known(symbol, as_of)
    }

    /// What a symbol had filed at a moment, the newest filing last.
    pub(super) fn statements(&self, symbol: &Symbol, as_of: Time) -> &[Statement] {
        let of = self.statements.get(symbol).map(Vec::as_slice).unwrap_or_default();
        let end = of.partition_point(|it| it.filed_at <= as_of);
        of.get(..end).unwrap_or_default()
    }
}

/// What is hashed of a text: all that may be told of it.
#[derive(Serialize)]
struct Hashed<'a> {
    id: &'a str,
    kind: &'static str,
    symbols: &'a [Symbol],
    known_at: Time,
    event_at: Option<Time>,
    headline: &'a str,
    body: &'a str,
}

fn chain(press: &Press, statements: &BTreeMap<Symbol, Vec<Statement>>) -> Vec<(Time, Digest)> {
    let text = |item: &Item| {
        let hashed = Hashed {
            id: item.id(),
            kind: item.source().name(),
            symbols: item.symbols(),
            known_at: item.known_at(),
            event_at: item.event_at(),
            headline: item.headline(),
            body: item.body(),
        };
        (item.known_at(), digest(&hashed))
    };
    let mut all: Vec<(Time, Digest)> = press.items().iter().map(text).collect();
    all.extend(statements.values().flatten().map(|it| (it.filed_at, digest(it))));
    all.sort_unstable();
    let mut former = [0; 32];
    for (_, digest) in &mut all {
        *digest = Digest::of([former, *digest.bytes()].as_flattened());
        former = *digest.bytes();
    }
    all
}

fn digest(of: &impl Serialize) -> Digest {
    // Words and numbers only: there is no way to fail.
    Digest::of(&serde_json::to_vec(of).unwrap_or_default())
}
