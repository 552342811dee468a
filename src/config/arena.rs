//! A season as it stands in a file: `config/arena.toml`, or one of the same form.
//!
//! Read strictly: a key that means nothing is an error that names it.

use std::str::FromStr;
use std::time::Duration;

use clap::ValueEnum;
use conclave_domain::arena::desk::{DeskMind, DeskSpec};
use conclave_domain::arena::season::{ContestantKind, ContestantSpec, Rule};
use conclave_domain::arena::words::{ContestantName, NameError};
use conclave_domain::fixed::Money;
use conclave_domain::ratio::Ratio;
use serde::Deserialize;

/// The season that ships with the binary.
pub const SHIPPED: &str = include_str!("../../config/arena.toml");

/// The longest time that a tick may take, seconds.
const DEADLINE_MAX_S: u64 = 3_600;

/// A season's file.
#[derive(Clone, Debug, PartialEq)]
pub struct ArenaFile {
    /// The season's name.
    pub name: String,
    /// The share of equity of a full position.
    pub slot: Ratio,
    /// Whether more may be sold than is held.
    pub shorts: bool,
    /// When a tick closes at the latest.
    pub deadline: Duration,
    /// Who is asked for its data before it begins.
    pub vendors: Vendors,
    /// The enabled contestants, in the order of the file.
    pub contestants: Vec<ContestantSpec>,
}

/// The vendors of each kind of data: the next of a list is asked where one has nothing. What a season is
/// played on is in files by then, so no decision hangs on who was asked.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Vendors {
    /// Of daily bars.
    pub bars: Vec<VendorName>,
    /// Of news.
    pub news: Vec<VendorName>,
    /// Of statements.
    pub statements: Vec<VendorName>,
}

/// A vendor of data.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum VendorName {
    /// Bars and news.
    Alpaca,
    /// Bars of shares, news, statements.
    AlphaVantage,
    /// Bars.
    Yahoo,
}

impl VendorName {
    /// As it is written.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Alpaca => "alpaca",
            Self::AlphaVantage => "alpha-vantage",
            Self::Yahoo => "yahoo",
        }
    }
}

/// Which contestants of models take part.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum ModelChoice {
    /// Those that the file enables.
    #[default]
    AsInFile,
    /// All that the file has.
    All,
    /// These and no others.
    Named(Vec<ContestantName>),
}

impl FromStr for ModelChoice {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        if text == "all" {
            return Ok(Self::All);
        }
        text.split(',').map(|name| name.trim().parse()).collect::<Result<_, _>>().map(Self::Named)
    }
}

impl ModelChoice {
    /// Whether a contestant takes part.
    fn takes(&self, one: &RawContestant) -> bool {
        let thinks_by_models = one.desk.as_ref().is_some_and(|desk| desk.mind == DeskMind::Model);
        match self {
            Self::All if thinks_by_models => true,
            Self::Named(names) if thinks_by_models => names.contains(&one.signature),
            _ => one.enabled,
        }
    }

    /// Everybody who is named is there and thinks by models.
    fn check(&self, all: &[RawContestant]) -> Result<(), ArenaFileError> {
        let models = all
            .iter()
            .filter(|one| one.desk.as_ref().is_some_and(|desk| desk.mind == DeskMind::Model));
        let known: Vec<&ContestantName> = models.map(|one| &one.signature).collect();
        let Self::Named(names) = self else { return Ok(()) };
        match names.iter().find(|name| !known.contains(name)) {
            None => Ok(()),
            Some(name) => {
                let known: Vec<&str> = known.iter().map(|name| name.as_str()).collect();
                Err(ArenaFileError::NoModel { name: name.clone(), known: known.join(", ") })
            }
        }
    }
}

/// A file that is no season.
#[derive(Debug, thiserror::Error)]
pub enum ArenaFileError {
    /// It is no TOML of this form.
    #[error("it is no season")]
    Toml(#[from] toml::de::Error),
    /// The deadline is out of its bounds.
    #[error("season.deadline_s is {0}: 1 to {DEADLINE_MAX_S} is wanted")]
    Deadline(u64),
    /// A contestant goes by nothing, or by two things.
    #[error("{0}: a contestant has either a `rule` or a `desk`")]
    Kind(ContestantName),
    /// Somebody was asked for who is not there, or thinks by no model.
    #[error("`{name}` is no contestant of models; there are: {known}")]
    NoModel {
        /// Who.
        name: ContestantName,
        /// Who is there.
        known: String,
    },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Raw {
    season: RawSeason,
    #[serde(default)]
    contestant: Vec<RawContestant>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawSeason {
    name: String,
    slot: Ratio,
    shorts: bool,
    deadline_s: u64,
    #[serde(default)]
    vendors: Vendors,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawContestant {
    signature: ContestantName,
    #[serde(default = "yes")]
    enabled: bool,
    initial_cash: Money,
    rule: Option<Rule>,
    desk: Option<DeskSpec>,
}

impl RawContestant {
    fn spec(self) -> Result<ContestantSpec, ArenaFileError> {
        let kind = match (self.rule, self.desk) {
            (Some(rule), None) => ContestantKind::Rule(rule),
            (None, Some(desk)) => ContestantKind::Desk(desk),
            _ => return Err(ArenaFileError::Kind(self.signature)),
        };
        Ok(ContestantSpec { name: self.signature, kind, cash: self.initial_cash })
    }
}

const fn yes() -> bool {
    true
}

impl ArenaFile {
    /// Reads a file's text, with the contestants of models that are wanted.
    ///
    /// # Errors
    /// When it is not of this form, or has not who is wanted; the bounds of a season are
    /// [`conclave_domain`]'s to check.
    pub fn read(text: &str, models: &ModelChoice) -> Result<Self, ArenaFileError> {
        let Raw { season, contestant } = toml::from_str(text)?;
        if !(1..=DEADLINE_MAX_S).contains(&season.deadline_s) {
            return Err(ArenaFileError::Deadline(season.deadline_s));
        }
        models.check(&contestant)?;
        let enabled = contestant.into_iter().filter(|one| models.takes(one));
        let contestants: Result<_, _> = enabled.map(RawContestant::spec).collect();
        Ok(Self {
            name: season.name,
            slot: season.slot,
            shorts: season.shorts,
            deadline: Duration::from_secs(season.deadline_s),
            vendors: season.vendors,
            contestants: contestants?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<ArenaFile, ArenaFileError> {
        ArenaFile::read(text, &ModelChoice::AsInFile)
    }

    #[test]
    fn the_season_that_ships_is_read_and_a_contestant_may_rest() {
        let file = read(SHIPPED).unwrap();
        let names: Vec<&str> = file.contestants.iter().map(|one| one.name.as_str()).collect();
        assert_eq!(names, ["buy-and-hold", "momentum", "mean-reversion", "rules-desk"]);
        assert!(file.contestants.iter().all(|one| one.cash == Money::from_units(10_000).unwrap()));
        let resting = SHIPPED.replacen("initial_cash", "enabled = false\ninitial_cash", 1);
        assert_eq!(read(&resting).unwrap().contestants.len(), 3);
    }

    #[test]
    fn what_means_nothing_is_refused_by_name() {
        for (from, to, said) in [
            ("slot = 0.20", "slot = 0.20\nslots = 3", "slots"),
            ("signature = \"momentum\"", "signature = \"Momentum\"", "signature"),
            ("lookback = 20", "look = 20", "look"),
            ("deadline_s = 600", "deadline_s = 0", "deadline_s"),
            ("\"10000\"", "\"1e4O\"", "1e4O"),
            ("\"yahoo\"", "\"bloomberg\"", "bloomberg"),
            ("rule = { kind = \"buy-and-hold\" }", "", "buy-and-hold: a contestant has either"),
            ("rule = { kind = \"buy-and-hold\" }", "desk = { mind = \"crystal\" }", "crystal"),
        ] {
            let error = read(&SHIPPED.replacen(from, to, 1)).unwrap_err();
            let source = std::error::Error::source(&error).map(ToString::to_string);
            let text = format!("{error} {}", source.unwrap_or_default());
            assert!(text.contains(said), "{said}: {text}");
        }
    }

    /// Goal: nobody pays by chance. Method: the file that ships has five contestants of models, all at
    /// rest; those that are named take part, beside the rules.
    #[test]
    fn models_that_ship_rest_until_they_are_named() {
        let by_models = |choice: &str| -> Vec<String> {
            let file = ArenaFile::read(SHIPPED, &choice.parse().unwrap()).unwrap();
            let models = file.contestants.iter().filter(|one| one.kind.models().is_some());
            models.map(|one| one.name.to_string()).collect()
        };
        assert!(read(SHIPPED).unwrap().contestants.iter().all(|one| one.kind.models().is_none()));
        assert_eq!(by_models("all"), ["claude", "gpt", "gemini", "deepseek", "qwen"]);
        assert_eq!(by_models("qwen, gpt"), ["gpt", "qwen"]);
        for (choice, said) in [("gpt,nobody", "`nobody` is no"), ("momentum", "`momentum` is no")] {
            let error = ArenaFile::read(SHIPPED, &choice.parse().unwrap()).unwrap_err().to_string();
            assert!(error.contains(said) && error.contains("claude, gpt, gemini"), "{error}");
        }
        assert!("gpt,,qwen".parse::<ModelChoice>().is_err());
    }
}
