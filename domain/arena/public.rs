//! What a season makes public beside chats, aggregates and board: itself, and what moved at every tick.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::book::Entry;
use super::season::{Exclusion, OpenedTick, Season, SeasonSpec};
use super::words::ContestantName;
use crate::fixed::Money;
use crate::record::Digest;
use crate::time::Time;

/// The form of [`SeasonDocument`] as JSON.
pub const SCHEMA: &str = "arena-season/1";

/// Digits of a hash in a season's id.
const ID_DIGITS: usize = 12;

/// What a season is: `season.json`, written before its first tick and again at its end.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SeasonDocument {
    /// `arena-season/1`.
    pub schema: String,
    /// The season's name and what decides it, in short: the same for every season of the same
    /// specification, bars and ticks.
    pub id: String,
    /// The version that played it.
    pub version: String,
    /// Where its bars come from, in words.
    pub source: String,
    /// The hash of its bars.
    pub data: String,
    /// The close of its first tick.
    pub from: Time,
    /// Its ticks.
    pub ticks: usize,
    /// By what it is played.
    pub spec: SeasonSpec,
    /// The market's rules in sentences.
    pub rules: Vec<String>,
    /// Who was taken out.
    pub exclusions: Vec<Exclusion>,
}

/// The id of a season: its name, and the beginning of a hash over all that decides it.
pub fn season_id(spec: &SeasonSpec, data: &str, from: Time, ticks: usize) -> String {
    let text = format!("{} {data} {from} {ticks}", spec.hash());
    let digits: String = Digest::of(text.as_bytes()).to_string().chars().take(ID_DIGITS).collect();
    format!("{}-{digits}", spec.season)
}

/// What moved at a tick: a line of `ticks.jsonl`, written behind the tick's chats and aggregates.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TickLine {
    /// The tick's number.
    pub tick: u32,
    /// The close that made it.
    pub timestamp: Time,
    /// The hash of what everybody was shown.
    pub snapshot: Digest,
    /// The benchmark's value at it.
    pub benchmark: Money,
    /// Every book's value at it.
    pub equity: BTreeMap<ContestantName, Money>,
    /// What was done or refused at its opening.
    pub entries: BTreeMap<ContestantName, Vec<Entry>>,
    /// Who was taken out at it, and why.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub excluded: BTreeMap<ContestantName, String>,
}

impl TickLine {
    /// The line of the tick that was opened last.
    pub fn of(
        season: &Season,
        opened: &OpenedTick,
        excluded: &BTreeMap<ContestantName, String>,
    ) -> Self {
        let last = |curve: &[(Time, Money)]| curve.last().map_or(Money::ZERO, |(_, value)| *value);
        let books = season.books().iter();
        Self {
            tick: opened.snapshot.tick.number,
            timestamp: opened.snapshot.tick.at,
            snapshot: opened.hash,
            benchmark: last(season.benchmark()),
            equity: books.map(|(name, book)| (name.clone(), last(book.curve()))).collect(),
            entries: opened.entries.clone(),
            excluded: excluded.clone(),
        }
    }
}
