//! The last look at a list, from the list alone: whatever was done to it before, a pair, twins, too much of
//! a sector or too many coins are an error that names the symbols.
//!
//! - U-1: a list that breaks a constraint is never selected; a later re-sort or swap cannot bring a pair
//!   or twins back, since a [`Selected`] is only made here.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::Serialize;

use super::Scored;
use crate::brief::selection::Candidate;
use crate::market::symbol::{AssetClass, Symbol};
use crate::ratio::Ratio;

/// One constraint that a list breaks, and by which symbols.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "what", rename_all = "snake_case")]
pub enum Violation {
    /// A symbol that is not in the universe.
    Unknown {
        /// The symbol.
        symbol: Symbol,
    },
    /// A symbol that is on the list more than once.
    Twice {
        /// The symbol.
        symbol: Symbol,
    },
    /// A symbol that a filter or an agent excluded.
    Excluded {
        /// The symbol.
        symbol: Symbol,
        /// All reasons.
        reasons: Vec<String>,
    },
    /// A symbol without a score: a metric has no value.
    Unscored {
        /// The symbol.
        symbol: Symbol,
    },
    /// Two symbols that move together.
    Pair {
        /// The one that stands first.
        a: Symbol,
        /// The other.
        b: Symbol,
        /// Their correlation; `None` where it was not measured, which counts as too close.
        correlation: Option<Ratio>,
        /// What is allowed.
        max: Ratio,
    },
    /// Two symbols of one issuer.
    Twins {
        /// The one that stands first.
        a: Symbol,
        /// The other.
        b: Symbol,
        /// Who issued both.
        issuer: String,
    },
    /// Too many symbols of a sector.
    Sector {
        /// The sector.
        sector: String,
        /// Its symbols on the list.
        symbols: Vec<Symbol>,
        /// How many may be.
        max: usize,
    },
    /// Too many coins.
    Coins {
        /// The coins on the list.
        symbols: Vec<Symbol>,
        /// How many may be.
        max: usize,
    },
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown { symbol } => write!(f, "{symbol} is not in the universe"),
            Self::Twice { symbol } => write!(f, "{symbol} is on the list twice"),
            Self::Excluded { symbol, reasons } => {
                write!(f, "{symbol} is excluded ({})", reasons.join("; "))
            }
            Self::Unscored { symbol } => write!(f, "{symbol} has no score"),
            Self::Pair { a, b, correlation: Some(found), max } => {
                write!(f, "{a} and {b} correlate by {:.3}, at most {max}", found.get())
            }
            Self::Pair { a, b, correlation: None, .. } => {
                write!(f, "the correlation of {a} and {b} is not known")
            }
            Self::Twins { a, b, issuer } => write!(f, "{a} and {b} are both of {issuer}"),
            Self::Sector { sector, symbols, max } => {
                write!(f, "{} of {sector}, at most {max}: {}", symbols.len(), names(symbols))
            }
            Self::Coins { symbols, max } => {
                write!(f, "{} coins, at most {max}: {}", symbols.len(), names(symbols))
            }
        }
    }
}

fn names(symbols: &[Symbol]) -> String {
    let names: Vec<&str> = symbols.iter().map(Symbol::as_str).collect();
    names.join(", ")
}

/// Everything that is wrong with a list.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Violations(pub Vec<Violation>);

impl fmt::Display for Violations {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let all: Vec<String> = self.0.iter().map(ToString::to_string).collect();
        write!(f, "the list breaks its constraints: {}", all.join("; "))
    }
}

impl std::error::Error for Violations {}

/// A list that satisfies every constraint; there is no other way to make one than
/// [`Scored::selected`].
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(transparent)]
pub struct Selected(Vec<Symbol>);

impl Selected {
    /// The symbols, in the order in which the list was put forward.
    pub fn symbols(&self) -> &[Symbol] {
        &self.0
    }
}

impl Scored {
    /// Looks at a list for the last time.
    ///
    /// # Errors
    /// With everything that is wrong with it.
    pub fn selected(&self, list: Vec<Symbol>) -> Result<Selected, Violations> {
        let mut wrong = Vec::new();
        let mut seen = BTreeSet::new();
        let mut known: Vec<&Candidate> = Vec::new();
        for symbol in &list {
            if !seen.insert(symbol) {
                wrong.push(Violation::Twice { symbol: symbol.clone() });
                continue;
            }
            match self.candidate(symbol) {
                None => wrong.push(Violation::Unknown { symbol: symbol.clone() }),
                Some(candidate) => known.push(candidate),
            }
        }
        for candidate in &known {
            let symbol = candidate.symbol.clone();
            if !candidate.excluded.is_empty() {
                wrong.push(Violation::Excluded { symbol, reasons: candidate.excluded.clone() });
            } else if candidate.score.is_none() {
                wrong.push(Violation::Unscored { symbol });
            }
        }
        for (at, a) in known.iter().enumerate() {
            wrong.extend(known[at + 1..].iter().filter_map(|b| self.conflict(a, b)));
        }
        wrong.extend(self.too_many(&known, list.len()));
        if wrong.is_empty() { Ok(Selected(list)) } else { Err(Violations(wrong)) }
    }

    /// Why two symbols cannot both be on a list, if they cannot.
    pub(super) fn conflict(&self, a: &Candidate, b: &Candidate) -> Option<Violation> {
        let (one, other) = (a.symbol.clone(), b.symbol.clone());
        if a.is_twin_of(b) {
            return Some(Violation::Twins { a: one, b: other, issuer: a.issuer.clone() });
        }
        let correlation = self.matrix().get(&one, &other);
        let max = self.constraints().correlation_max;
        let is_far = correlation.is_some_and(|found| found <= max);
        (!is_far).then_some(Violation::Pair { a: one, b: other, correlation, max })
    }

    /// Sectors and coins of which there are more than a list of this length may have.
    fn too_many(&self, known: &[&Candidate], length: usize) -> Vec<Violation> {
        let mut sectors: BTreeMap<&str, Vec<Symbol>> = BTreeMap::new();
        for candidate in known.iter().filter(|one| one.shares_sector(one)) {
            sectors.entry(&candidate.sector).or_default().push(candidate.symbol.clone());
        }
        let max = self.constraints().sector_room(length);
        let over = sectors.into_iter().filter(|(_, symbols)| symbols.len() > max);
        let mut wrong: Vec<Violation> = over
            .map(|(sector, symbols)| Violation::Sector { sector: sector.to_owned(), symbols, max })
            .collect();
        let is_coin = |candidate: &&&Candidate| candidate.class == AssetClass::Crypto;
        let symbols: Vec<Symbol> =
            known.iter().filter(is_coin).map(|coin| coin.symbol.clone()).collect();
        let max = self.constraints().crypto_room(length);
        if symbols.len() > max {
            wrong.push(Violation::Coins { symbols, max });
        }
        wrong
    }
}
