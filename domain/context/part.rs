//! The context in parts: what is stored as one value each.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{
    AgentState, BookKind, BookState, BookStateV1, Context, Control, MarketView, Prediction,
};
use crate::order::DecisionId;

/// The name of a part; its text is its key in a store.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PartKey {
    /// An account.
    Book(BookKind),
    /// The market as a whole.
    Market,
    /// Modes and trading state.
    Control,
    /// The agents.
    Agents,
    /// Open predictions.
    Predictions,
    /// Somebody's own document.
    Document(Arc<str>),
}

const DOCUMENT: &str = "document/";

impl fmt::Display for PartKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Book(book) => write!(f, "book/{}", book.name()),
            Self::Market => f.write_str("market"),
            Self::Control => f.write_str("control"),
            Self::Agents => f.write_str("agents"),
            Self::Predictions => f.write_str("predictions"),
            Self::Document(name) => write!(f, "{DOCUMENT}{name}"),
        }
    }
}

/// A text that names no part.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no part of the context")]
pub struct PartKeyError(String);

impl FromStr for PartKey {
    type Err = PartKeyError;

    fn from_str(text: &str) -> Result<Self, PartKeyError> {
        if let Some(name) = text.strip_prefix(DOCUMENT) {
            return Ok(Self::Document(name.into()));
        }
        let fixed = BookKind::ALL.map(Self::Book).into_iter().chain([
            Self::Market,
            Self::Control,
            Self::Agents,
            Self::Predictions,
        ]);
        let found = fixed.into_iter().find(|key| key.to_string() == text);
        found.ok_or_else(|| PartKeyError(text.chars().take(60).collect()))
    }
}

/// What a part holds. Variants are only ever appended: their position is written to disk.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum PartValue {
    /// An account.
    Book(Arc<BookState>),
    /// The market as a whole.
    Market(Arc<MarketView>),
    /// Modes and trading state.
    Control(Arc<Control>),
    /// The agents.
    Agents(Arc<BTreeMap<String, AgentState>>),
    /// Open predictions.
    Predictions(Arc<BTreeMap<DecisionId, Prediction>>),
    /// Somebody's own document, as JSON text.
    Document(Arc<str>),
    /// A part that was removed.
    Removed,
}

/// What a part held in schema 1 of the store.
#[derive(Debug, Deserialize)]
#[expect(missing_docs, reason = "the variants are those of `PartValue`")]
pub enum PartValueV1 {
    Book(BookStateV1),
    Market(Arc<MarketView>),
    Control(Arc<Control>),
    Agents(Arc<BTreeMap<String, AgentState>>),
    Predictions(Arc<BTreeMap<DecisionId, Prediction>>),
    Document(Arc<str>),
    Removed,
}

impl From<PartValueV1> for PartValue {
    fn from(former: PartValueV1) -> Self {
        match former {
            PartValueV1::Book(book) => Self::Book(Arc::new(book.into())),
            PartValueV1::Market(market) => Self::Market(market),
            PartValueV1::Control(control) => Self::Control(control),
            PartValueV1::Agents(agents) => Self::Agents(agents),
            PartValueV1::Predictions(open) => Self::Predictions(open),
            PartValueV1::Document(json) => Self::Document(json),
            PartValueV1::Removed => Self::Removed,
        }
    }
}

/// One part with what was applied to it.
#[derive(Clone, Debug, PartialEq)]
pub struct Part {
    /// Its name.
    pub key: PartKey,
    /// The last audit record that was applied to it.
    pub applied: u64,
    /// What it holds.
    pub value: PartValue,
}

impl Context {
    /// The books that were opened.
    pub fn opened_books(&self) -> impl Iterator<Item = BookKind> {
        BookKind::ALL.into_iter().filter(|&book| self.books[book as usize].is_some())
    }

    /// The names of all parts that hold something or once did.
    pub fn keys(&self) -> impl Iterator<Item = PartKey> {
        let fixed = [PartKey::Market, PartKey::Control, PartKey::Agents, PartKey::Predictions];
        let mut keys: BTreeSet<PartKey> = fixed.into_iter().collect();
        keys.extend(self.opened_books().map(PartKey::Book));
        keys.extend(self.documents.keys().cloned().map(PartKey::Document));
        keys.extend(self.applied.keys().cloned());
        keys.into_iter()
    }

    /// One part as it is now.
    pub fn part(&self, key: &PartKey) -> Part {
        let value = match key {
            PartKey::Book(book) => self.books[*book as usize].clone().map(PartValue::Book),
            PartKey::Market => Some(PartValue::Market(Arc::clone(&self.market))),
            PartKey::Control => Some(PartValue::Control(Arc::clone(&self.control))),
            PartKey::Agents => Some(PartValue::Agents(Arc::clone(&self.agents))),
            PartKey::Predictions => Some(PartValue::Predictions(Arc::clone(&self.predictions))),
            PartKey::Document(name) => {
                self.documents.get(&**name).cloned().map(PartValue::Document)
            }
        };
        let value = value.unwrap_or(PartValue::Removed);
        Part { key: key.clone(), applied: self.applied(key), value }
    }

    /// The context that these parts make; a part of the wrong kind under a name is passed over.
    pub fn restore(parts: impl IntoIterator<Item = Part>) -> Self {
        let mut context = Self::default();
        for Part { key, applied, value } in parts {
            match (&key, value) {
                (PartKey::Book(book), PartValue::Book(account)) => {
                    context.books[*book as usize] = Some(account);
                }
                (PartKey::Market, PartValue::Market(market)) => context.market = market,
                (PartKey::Control, PartValue::Control(control)) => context.control = control,
                (PartKey::Agents, PartValue::Agents(agents)) => context.agents = agents,
                (PartKey::Predictions, PartValue::Predictions(open)) => context.predictions = open,
                (PartKey::Document(name), PartValue::Document(json)) => {
                    Arc::make_mut(&mut context.documents).insert(name.clone(), json);
                }
                (_, PartValue::Removed) => {}
                _ => continue,
            }
            Arc::make_mut(&mut context.applied).insert(key, applied);
        }
        context
    }
}
