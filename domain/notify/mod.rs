//! What people are told while nobody looks, and what they say back: pure.
//!
//! A [`Notice`] is one thing that somebody may want to hear of: its [`Kind`] says which, and who gets it
//! is configured by kinds. It waits in an [`Outbox`](outbox::Outbox) of each way out, which is bounded.
//! What people answer is read by [`speech`]; a button that they press is a single-use nonce of
//! [`presses`].

pub mod alarm;
pub mod outbox;
pub mod pace;
pub mod presses;
pub mod rich;
pub mod speech;

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::Serialize;

use crate::time::Time;
use rich::Rich;

/// What a notice is about; ways out are configured by these words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Orders that were cleared, and candidates that came to nothing.
    Decisions,
    /// The guardian's objections.
    Vetoes,
    /// What the broker did: fills, closed trades, rejections.
    Fills,
    /// Trading state and mode: halts, reductions, what lifted them.
    States,
    /// Budgets that are nearly or wholly spent.
    Budgets,
    /// What waits for a person, and what became of it.
    Approvals,
    /// Forbidden actions that were asked for, differences to the broker's books.
    Faults,
    /// A session's figures, with a picture of the account.
    Summary,
    /// The process began to watch, or the run has ended.
    Runs,
    /// What the contestants of a season said together, and how it ended.
    Arena,
}

/// How much it matters: what is least of it is left out first where there is no room.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Importance {
    /// Nice to know.
    Low,
    /// Part of the day's story.
    Middle,
    /// Somebody should look.
    High,
}

impl Kind {
    /// Every kind, in the order of the configuration's comment.
    pub const ALL: [Self; 10] = [
        Self::Approvals,
        Self::States,
        Self::Fills,
        Self::Budgets,
        Self::Faults,
        Self::Summary,
        Self::Runs,
        Self::Arena,
        Self::Vetoes,
        Self::Decisions,
    ];

    /// The word in configuration, metrics and webhooks.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Decisions => "decisions",
            Self::Vetoes => "vetoes",
            Self::Fills => "fills",
            Self::States => "states",
            Self::Budgets => "budgets",
            Self::Approvals => "approvals",
            Self::Faults => "faults",
            Self::Summary => "summary",
            Self::Runs => "runs",
            Self::Arena => "arena",
        }
    }

    /// How much it matters.
    pub const fn importance(self) -> Importance {
        match self {
            Self::Decisions | Self::Vetoes => Importance::Low,
            Self::Fills | Self::Summary | Self::Arena => Importance::Middle,
            Self::States | Self::Budgets | Self::Approvals | Self::Faults | Self::Runs => {
                Importance::High
            }
        }
    }
}

/// Which kinds one way out carries.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Kinds(BTreeSet<Kind>);

/// A word that names no kind.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{word}` is no kind of notice")]
pub struct KindError {
    word: String,
}

impl Kinds {
    /// Whether it carries a kind.
    pub fn has(&self, kind: Kind) -> bool {
        self.0.contains(&kind)
    }

    /// Whether it carries nothing.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl FromStr for Kinds {
    type Err = KindError;

    /// Words separated by commas; `all` is all of them, nothing is none.
    fn from_str(text: &str) -> Result<Self, KindError> {
        let words = text.split(',').map(str::trim).filter(|word| !word.is_empty());
        let mut kinds = BTreeSet::new();
        for word in words {
            if word == "all" {
                kinds.extend(Kind::ALL);
                continue;
            }
            let kind = Kind::ALL.into_iter().find(|kind| kind.name() == word);
            let unknown = || KindError { word: word.chars().take(40).collect() };
            kinds.insert(kind.ok_or_else(unknown)?);
        }
        Ok(Self(kinds))
    }
}

impl fmt::Display for Kinds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = self.0.iter().map(|kind| kind.name()).collect();
        f.write_str(&names.join(","))
    }
}

/// What a notice has to do with something that waits for a person.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Matter {
    /// Nothing.
    #[default]
    Plain,
    /// It asks: a way that can show buttons shows them.
    Asks {
        /// What waits.
        decision: String,
        /// When silence becomes no; after that nobody need be asked.
        expires_at: Time,
    },
    /// It is decided: whoever has asked before shows this instead of the buttons.
    Ends {
        /// What waited.
        decision: String,
        /// Whether a person has decided it: silence is no news to whoever was not asked.
        by_person: bool,
    },
}

/// One thing to be told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// What it is about.
    pub kind: Kind,
    /// Market time.
    pub at: Time,
    /// What is said.
    pub text: Rich,
    /// What it has to do with something that waits.
    pub matter: Matter,
    /// The decision that it belongs to.
    pub decision: Option<String>,
    /// The record of the audit that it tells of.
    pub seq: Option<u64>,
    /// A picture in PNG, for ways that can show one.
    pub picture: Option<Arc<[u8]>>,
}

impl Notice {
    /// A plain one.
    pub const fn new(kind: Kind, at: Time, text: Rich) -> Self {
        let matter = Matter::Plain;
        Self { kind, at, text, matter, decision: None, seq: None, picture: None }
    }

    /// How much it matters.
    pub const fn importance(&self) -> Importance {
        self.kind.importance()
    }

    /// Whether it may stand in one message with others.
    pub fn is_plain(&self) -> bool {
        self.matter == Matter::Plain && self.picture.is_none()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_are_read_by_their_words_and_a_strange_word_is_named() {
        let kinds: Kinds = " fills, approvals ,".parse().unwrap();
        assert!(kinds.has(Kind::Fills) && kinds.has(Kind::Approvals));
        assert!(!kinds.has(Kind::Decisions));
        assert!("".parse::<Kinds>().unwrap().is_empty());
        let all: Kinds = "all".parse().unwrap();
        assert!(Kind::ALL.iter().all(|kind| all.has(*kind)));
        assert_eq!(all.to_string().parse::<Kinds>(), Ok(all));
        let error = "fills, gossip".parse::<Kinds>().unwrap_err();
        assert!(error.to_string().contains("gossip"), "{error}");
    }
}
