//! Reading a tape: line by line, each held against its own key.

use std::collections::{BTreeMap, VecDeque};

use super::{Consulted, End, Exchange, Header, Ordinals, Outcome, SCHEMA, TapeLine, Unheard, key};
use crate::models::port::Dialect;

/// Why a line cannot be taken.
#[derive(Debug, thiserror::Error)]
pub enum TapeError {
    /// The line is no line of a tape.
    #[error("line {line} of the tape is unreadable")]
    Unreadable {
        /// Its number, from 1.
        line: u64,
        /// What the reader stumbled over.
        #[source]
        source: serde_json::Error,
    },
    /// It does not begin as a tape does.
    #[error("this is no tape: its first line does not say so")]
    NoHeader,
    /// Another version wrote it.
    #[error("the tape has the schema `{found}`; this version reads `{SCHEMA}`")]
    Schema {
        /// What it says, cut to 40 characters.
        found: String,
    },
    /// The exchange is not the one that its key says.
    #[error("line {line} of the tape was changed: its key is not that of its question")]
    Key {
        /// Its number, from 1.
        line: u64,
    },
    /// Two exchanges bear one name.
    #[error("line {line} of the tape stands there twice")]
    Twice {
        /// Its number, from 1.
        line: u64,
    },
}

/// What is kept of an exchange.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Kept {
    pub(super) provider: String,
    pub(super) endpoint: String,
    pub(super) dialect: Dialect,
    pub(super) model: String,
    pub(super) outcome: Outcome,
}

/// Decision, round and agent.
pub(super) type Place = (String, u64, String);

/// A tape that was read.
#[derive(Debug, Default)]
pub struct Tape {
    lines: u64,
    /// Processes that have written it.
    lives: u32,
    exchanges: BTreeMap<(String, u32), Kept>,
    consults: BTreeMap<Place, Vec<(u32, Consulted)>>,
}

impl Tape {
    /// Takes the next line.
    ///
    /// # Errors
    /// When it is no line of a tape of this version, or was changed.
    pub fn take(&mut self, line: &str) -> Result<(), TapeError> {
        self.lines += 1;
        let number = self.lines;
        let read: Result<TapeLine, _> = serde_json::from_str(line);
        let read = match read {
            Ok(read) => read,
            Err(_) if self.lives == 0 => return Err(TapeError::NoHeader),
            Err(source) => return Err(TapeError::Unreadable { line: number, source }),
        };
        match read {
            TapeLine::Tape(Header { schema, .. }) if schema == SCHEMA => self.lives += 1,
            TapeLine::Tape(Header { schema, .. }) => {
                return Err(TapeError::Schema { found: schema.chars().take(40).collect() });
            }
            _ if self.lives == 0 => return Err(TapeError::NoHeader),
            TapeLine::Exchange(exchange) => self.exchange(*exchange, number)?,
            TapeLine::Consult(consult) => {
                let place =
                    (consult.decision.as_str().to_owned(), consult.round, consult.agent.clone());
                self.consults.entry(place).or_default().push((self.lives, consult));
            }
            TapeLine::Unheard(Unheard { decision, round, agent, cost }) => {
                let place = (decision.as_str().to_owned(), round, agent);
                let last = self.consults.get_mut(&place).and_then(|all| all.last_mut());
                // Without the line that it is about there is nothing to take back.
                if let Some((_, consult)) = last {
                    consult.end = End::Cancelled { cost };
                }
            }
        }
        Ok(())
    }

    fn exchange(&mut self, exchange: Exchange, line: u64) -> Result<(), TapeError> {
        let Exchange { provider, endpoint, dialect, model, body, outcome, .. } = exchange;
        if exchange.key != key(&provider, &endpoint, dialect, &body) {
            return Err(TapeError::Key { line });
        }
        let kept = Kept { provider, endpoint, dialect, model, outcome };
        let name = (exchange.key, exchange.ordinal);
        match self.exchanges.insert(name, kept) {
            None => Ok(()),
            Some(_) => Err(TapeError::Twice { line }),
        }
    }

    /// How many exchanges with each key it holds: where a recording of the same tape goes on.
    pub fn ordinals(&self) -> Ordinals {
        let mut ordinals = Ordinals::new();
        for (key, ordinal) in self.exchanges.keys() {
            let next = ordinals.entry(key.clone()).or_insert(0);
            *next = ordinal.saturating_add(1).max(*next);
        }
        ordinals
    }

    /// Lines that were taken.
    pub const fn lines(&self) -> u64 {
        self.lines
    }

    /// Consultations that it holds.
    pub fn consults(&self) -> usize {
        self.consults.values().map(Vec::len).sum()
    }

    pub(super) fn kept(&self, key: &str, ordinal: u32) -> Option<&Kept> {
        self.exchanges.get(&(key.to_owned(), ordinal))
    }

    /// The consultations as they are given again: each question of a round once, as its last process
    /// heard it; those about positions in their order, without the ones that a process which was
    /// killed had cut off and a later one has asked again.
    pub(super) fn arranged(&mut self) -> BTreeMap<Place, VecDeque<Consulted>> {
        let consults = std::mem::take(&mut self.consults);
        let arranged = consults.into_iter().map(|(place, mut all)| {
            let last = all.last().map_or(0, |(life, _)| *life);
            if place.1 > 0 {
                all.drain(..all.len().saturating_sub(1));
            } else {
                all.retain(|(life, consult)| *life == last || !consult.end.is_cancelled());
            }
            (place, all.into_iter().map(|(_, consult)| consult).collect())
        });
        arranged.collect()
    }
}
