//! What the log of a season says, when somebody goes on with it.
//!
//! The log is written before a book moves, and holds everything that contestants brought: whoever goes on
//! plays the ticks in it again without asking anybody, and comes to the same books.

use std::collections::BTreeMap;
use std::path::Path;

use conclave_domain::arena::book::Entry;
use conclave_domain::arena::words::{Answered, ContestantName};
use conclave_domain::record::{Anchor, Digest, Step};
use serde::{Deserialize, Serialize};

use super::prepare::Prepared;
use crate::adapters::audit_files;
use crate::cli::error::{CliError, ExitCode};

/// The header of a season's log.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Header {
    pub(super) verb: String,
    pub(super) version: String,
    pub(super) season: String,
    pub(super) spec: Digest,
    pub(super) data_hash: String,
    /// The hash of its texts and statements, where it has any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) library: Option<Digest>,
    pub(super) from: conclave_domain::time::Time,
    pub(super) ticks: usize,
    /// How models are asked, where any take part.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) thinking: Option<Digest>,
}

impl Header {
    /// The header of a season that begins.
    pub(super) fn of(prepared: &Prepared) -> Self {
        Self {
            verb: "arena".to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            season: prepared.spec.season.clone(),
            spec: prepared.spec.hash(),
            data_hash: prepared.data.clone(),
            library: prepared.library.hash(),
            from: prepared.from,
            ticks: prepared.ticks,
            thinking: prepared.thinking,
        }
    }

    /// What of it is another in `other`, which goes on with the same season otherwise.
    fn differs(&self, other: &Self) -> Vec<&'static str> {
        let pairs = [
            ("the verb", self.verb != other.verb),
            ("the season or its contestants", self.spec != other.spec),
            ("the bars", self.data_hash != other.data_hash),
            ("the texts and statements", self.library != other.library),
            ("the first tick", self.from != other.from),
            ("the number of ticks", self.ticks != other.ticks),
        ];
        pairs.into_iter().filter(|(_, is)| *is).map(|(what, _)| what).collect()
    }
}

/// A contestant at a tick: the body of `desk.decided`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Desk {
    pub(super) tick: u32,
    pub(super) snapshot: Digest,
    pub(super) contestant: ContestantName,
    pub(super) entries: Vec<Entry>,
    pub(super) answered: Answered,
}

/// The body of `tick.closed`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct TickEnd {
    pub(super) tick: u32,
    pub(super) snapshot: Digest,
}

/// The body of `contestant.excluded`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Out {
    pub(super) tick: u32,
    pub(super) contestant: ContestantName,
    pub(super) why: String,
}

/// What a log says of one tick.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct PlayedTick {
    /// By contestant; some may be missing where the tick was not closed.
    pub(super) desks: BTreeMap<ContestantName, Desk>,
    /// Who was given up at it.
    pub(super) excluded: BTreeMap<ContestantName, String>,
    /// Its end.
    pub(super) end: Option<TickEnd>,
}

/// A season as far as its log goes.
#[derive(Debug, Default)]
pub(super) struct Played {
    /// Whether the header is written.
    pub(super) has_begun: bool,
    /// Whether the end is written.
    pub(super) is_over: bool,
    /// How models were asked.
    thinking: Option<Digest>,
    /// The number of its last record.
    last: u64,
    /// By the tick's number.
    pub(super) ticks: BTreeMap<u32, PlayedTick>,
}

impl Played {
    /// The last tick that the log has of a contestant.
    pub(super) fn last_of(&self, name: &ContestantName) -> Option<u32> {
        let knows = |(_, tick): &(&u32, &PlayedTick)| tick.desks.contains_key(name);
        self.ticks.iter().rev().find(knows).map(|(number, _)| *number)
    }

    /// Reads the log in `dir`.
    ///
    /// # Errors
    /// When it cannot be read or is damaged, or is another season's (8).
    pub(super) fn read(dir: &Path, prepared: &Prepared) -> Result<Self, CliError> {
        let mut played = Self::default();
        let mut wrong: Option<String> = None;
        audit_files::replay(dir, 0, |line| {
            played.last = line.seq;
            if let Err(why) = played.hear(line.step, line.body, prepared) {
                wrong.get_or_insert_with(|| format!("record {}: {why}", line.seq));
            }
        })?;
        match wrong {
            None => Ok(played),
            Some(why) => {
                let text = format!("{} cannot be gone on with: {why}", dir.display());
                Err(CliError::new(ExitCode::Data, text))
            }
        }
    }

    /// Looks whether models are asked now as they were before: a season that is over asks none, so it may be
    /// told again by whoever would ask otherwise.
    ///
    /// # Errors
    /// When they are not (8).
    pub(super) fn goes_on_as(&self, dir: &Path, prepared: &Prepared) -> Result<(), CliError> {
        if !self.has_begun || self.thinking == prepared.thinking {
            return Ok(());
        }
        let text = format!(
            "{} cannot be gone on with: its models were asked under other budgets, limits, prices, effort or \
             by another version",
            dir.display()
        );
        Err(CliError::new(ExitCode::Data, text))
    }

    /// Looks whether the log still ends where it was read, now that nobody else can write to it.
    ///
    /// # Errors
    /// When somebody went on with the season in between (8).
    pub(super) fn is_whole(&self, dir: &Path, head: Anchor) -> Result<(), CliError> {
        if self.last == head.decisions.count {
            return Ok(());
        }
        let text = format!(
            "{} was gone on with by another process a moment ago: look at it, and begin again",
            dir.display()
        );
        Err(CliError::new(ExitCode::Data, text))
    }

    fn hear(&mut self, step: Step, body: &str, prepared: &Prepared) -> Result<(), String> {
        let wrong = |error: serde_json::Error| error.to_string();
        match step {
            Step::RunStarted => {
                let header: Header = serde_json::from_str(body).map_err(wrong)?;
                let others = header.differs(&Header::of(prepared));
                if !others.is_empty() {
                    return Err(format!("it was played with another: {}", others.join(", ")));
                }
                (self.has_begun, self.thinking) = (true, header.thinking);
            }
            Step::DeskDecided => {
                let desk: Desk = serde_json::from_str(body).map_err(wrong)?;
                let tick = self.ticks.entry(desk.tick).or_default();
                tick.desks.insert(desk.contestant.clone(), desk);
            }
            Step::ContestantExcluded => {
                let out: Out = serde_json::from_str(body).map_err(wrong)?;
                self.ticks.entry(out.tick).or_default().excluded.insert(out.contestant, out.why);
            }
            Step::TickClosed => {
                let end: TickEnd = serde_json::from_str(body).map_err(wrong)?;
                self.ticks.entry(end.tick).or_default().end = Some(end);
            }
            Step::RunEnded => self.is_over = true,
            _ => {}
        }
        Ok(())
    }
}
