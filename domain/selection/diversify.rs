//! From a ranking to a list: the best first, each only where it breaks nothing with those before it.
//!
//! How many symbols of a sector, and how many coins, a list may have depends on its length. So the longest
//! length up to the one asked for is looked for that can be filled.

use std::collections::BTreeMap;

use super::Scored;
use super::validate::Violation;
use crate::brief::selection::Candidate;
use crate::market::symbol::{AssetClass, Symbol};

/// Why a symbol with a score is not on the list.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
#[serde(tag = "why", rename_all = "snake_case")]
pub enum PassedOver {
    /// It cannot stand beside one that is better.
    Conflict {
        /// With whom and why.
        violation: Violation,
    },
    /// Its sector has as many as a list of this length may have.
    Sector {
        /// The sector.
        sector: String,
        /// How many that is.
        max: usize,
    },
    /// The list has as many coins as one of this length may have.
    Coins {
        /// How many that is.
        max: usize,
    },
    /// The list was full.
    Full {
        /// Its length.
        length: usize,
    },
    /// It was on the list, and an agent exchanged it.
    Swapped {
        /// For whom.
        into: Symbol,
    },
}

impl std::fmt::Display for PassedOver {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Conflict { violation } => violation.fmt(f),
            Self::Sector { sector, max } => write!(f, "at most {max} of {sector}"),
            Self::Coins { max } => write!(f, "at most {max} coins"),
            Self::Full { length } => write!(f, "the list of {length} was full"),
            Self::Swapped { into } => write!(f, "exchanged for {into}"),
        }
    }
}

/// A list that breaks nothing, and why each other symbol with a score is not on it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Diverse {
    /// The list, best first.
    pub list: Vec<Symbol>,
    /// The others.
    pub passed_over: BTreeMap<Symbol, PassedOver>,
}

impl Scored {
    /// The longest list of up to `count` symbols, taken by rank.
    pub fn diverse(&self, count: usize) -> Diverse {
        let ranked = self.ranked();
        let mut length = count.min(ranked.len());
        loop {
            let diverse = self.filled(&ranked, length);
            // With room for less there may be fewer still; at zero everything fits.
            if diverse.list.len() == length || length == 0 {
                return diverse;
            }
            length -= 1;
        }
    }

    /// Goes down the ranking with the rooms of a list of this length.
    fn filled(&self, ranked: &[&Candidate], length: usize) -> Diverse {
        let mut chosen: Vec<&Candidate> = Vec::with_capacity(length);
        let mut passed_over = BTreeMap::new();
        for candidate in ranked {
            match self.reason_against(candidate, &chosen, length) {
                None => chosen.push(candidate),
                Some(why) => {
                    passed_over.insert(candidate.symbol.clone(), why);
                }
            }
        }
        let list = chosen.iter().map(|candidate| candidate.symbol.clone()).collect();
        Diverse { list, passed_over }
    }

    fn reason_against(
        &self,
        candidate: &Candidate,
        chosen: &[&Candidate],
        length: usize,
    ) -> Option<PassedOver> {
        if chosen.len() >= length {
            return Some(PassedOver::Full { length });
        }
        if candidate.class == AssetClass::Crypto {
            let max = self.constraints().crypto_room(length);
            let coins = chosen.iter().filter(|one| one.class == AssetClass::Crypto).count();
            if coins >= max {
                return Some(PassedOver::Coins { max });
            }
        }
        let max = self.constraints().sector_room(length);
        if chosen.iter().filter(|one| one.sector == candidate.sector).count() >= max {
            return Some(PassedOver::Sector { sector: candidate.sector.clone(), max });
        }
        let conflict = chosen.iter().find_map(|one| self.conflict(one, candidate));
        conflict.map(|violation| PassedOver::Conflict { violation })
    }
}
