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
    /// The list was full at a length beyond which none could be filled, and this is what stood against it there.
    Shortened {
        /// The length that could not be filled.
        beyond: usize,
        /// What stood against it in that one.
        against: Box<PassedOver>,
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
            Self::Shortened { beyond, against } => {
                write!(f, "a list of {beyond} cannot be filled: {against}")
            }
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

impl Diverse {
    /// Whoever the list was too short for is told what stood against him in the `longer` one, which could
    /// not be filled.
    fn tell_what_stopped(&mut self, length: usize, mut longer: Self) {
        for (symbol, why) in &mut self.passed_over {
            if !matches!(why, PassedOver::Full { .. }) {
                continue;
            }
            // Who was on the longer one has nothing against him but its length.
            if let Some(against) = longer.passed_over.remove(symbol) {
                *why = PassedOver::Shortened { beyond: length + 1, against: Box::new(against) };
            }
        }
    }
}

impl Scored {
    /// The longest list of up to `count` symbols, taken by rank.
    pub fn diverse(&self, count: usize) -> Diverse {
        let ranked = self.ranked();
        let mut length = count.min(ranked.len());
        let mut longer: Option<Diverse> = None;
        loop {
            let mut diverse = self.filled(&ranked, length);
            // With room for less there may be fewer still; at zero everything fits.
            if diverse.list.len() == length || length == 0 {
                if let Some(longer) = longer {
                    diverse.tell_what_stopped(length, longer);
                }
                return diverse;
            }
            length -= 1;
            longer = Some(diverse);
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
        if chosen.iter().filter(|one| one.shares_sector(candidate)).count() >= max {
            return Some(PassedOver::Sector { sector: candidate.sector.clone(), max });
        }
        let conflict = chosen.iter().find_map(|one| self.conflict(one, candidate));
        conflict.map(|violation| PassedOver::Conflict { violation })
    }
}
