//! What a training run was made of: `train.json` and `config.toml` in its directory, so that `--resume`
//! goes on with the same bars, settings and agents.

use std::path::Path;

use conclave_domain::market::series::{Series, series_hash};
use conclave_domain::market::symbol::Symbol;
use conclave_domain::record::Digest;
use serde::{Deserialize, Serialize};

use super::super::bars::{one_timeframe, series};
use super::super::recipe::{CONFIG_FILE, DataSource, SourceFile, put, read, toml_of};
use crate::cli::error::{CliError, ExitCode};
use crate::config::Loaded;

/// The recipe in a training run's directory.
const FILE: &str = "train.json";
const SCHEMA: &str = "train/1";

/// Whether a training run lies in `dir`.
pub(crate) fn is_of_training(dir: &Path) -> bool {
    dir.join(FILE).exists()
}

/// What a training run was made of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TrainRecipe {
    schema: String,
    /// The version of the program that wrote it.
    pub(super) version: String,
    /// Where the bars came from.
    pub(super) data: DataSource,
    /// The symbols of them that it learns from; all where none is named.
    pub(super) symbols: Vec<Symbol>,
    /// The hash of the bars of those symbols.
    pub(super) data_hash: String,
    /// The hash of the configuration's text.
    pub(super) config_blake3: Digest,
    /// The seed.
    pub(super) seed: u64,
    /// Environment steps in all.
    pub(super) steps: u64,
    /// Who guides it, in roster order.
    pub(super) agents: Vec<String>,
}

/// Bars and sizes of a run, before its hashes are known.
#[derive(Clone, Debug)]
pub(super) struct Wanted {
    /// Where the bars come from.
    pub(super) data: DataSource,
    /// The symbols of them that it learns from.
    pub(super) symbols: Vec<Symbol>,
    /// The seed.
    pub(super) seed: u64,
    /// Environment steps in all.
    pub(super) steps: u64,
    /// Who guides it.
    pub(super) agents: Vec<String>,
}

impl TrainRecipe {
    /// The recipe of a new run, with its bars.
    ///
    /// # Errors
    /// When the bars cannot be had or a symbol is not among them.
    pub(super) fn new(wanted: Wanted, loaded: &Loaded) -> Result<(Self, Vec<Series>), CliError> {
        let Wanted { data, symbols, seed, steps, agents } = wanted;
        let bars = chosen(&data, &symbols)?;
        let text = toml_of(&loaded.layer)?;
        let recipe = Self {
            schema: SCHEMA.to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            data,
            symbols,
            data_hash: series_hash(&bars),
            config_blake3: Digest::of(text.as_bytes()),
            seed,
            steps,
            agents,
        };
        Ok((recipe, bars))
    }

    /// Writes both files, each whole or not at all.
    ///
    /// # Errors
    /// When one cannot be written.
    pub(super) fn write(&self, dir: &Path, loaded: &Loaded) -> Result<(), CliError> {
        let text = serde_json::to_string_pretty(self)
            .map_err(|error| CliError::new(ExitCode::Failure, error.to_string()))?;
        for (name, text) in [(CONFIG_FILE, &toml_of(&loaded.layer)?), (FILE, &text)] {
            put(dir, name, text).map_err(|error| {
                let text = format!("{} could not be written", dir.join(name).display());
                CliError::new(ExitCode::Failure, text).caused_by(error)
            })?;
        }
        Ok(())
    }

    /// Reads the recipe of the run in `dir`.
    ///
    /// # Errors
    /// With exit code 5 when there is none, 8 when it or its configuration is not what it was.
    pub(super) fn read(dir: &Path) -> Result<Self, CliError> {
        let bad = |text: String| CliError::new(ExitCode::Data, text);
        let path = dir.join(FILE);
        let text = read(&path)?;
        let recipe: Self = serde_json::from_str(&text)
            .map_err(|error| bad(format!("{} is unreadable: {error}", path.display())))?;
        if recipe.schema != SCHEMA {
            return Err(bad(format!("{} is {}, not {SCHEMA}", path.display(), recipe.schema)));
        }
        let path = dir.join(CONFIG_FILE);
        if Digest::of(read(&path)?.as_bytes()) != recipe.config_blake3 {
            let text = format!("{} is not the one that the run was begun with", path.display());
            return Err(bad(text));
        }
        Ok(recipe)
    }

    /// Its bars, as they were when it was begun.
    ///
    /// # Errors
    /// With exit code 8 when they are others by now.
    pub(super) fn bars(&self) -> Result<Vec<Series>, CliError> {
        if let DataSource::Files { files, splits } = &self.data {
            files.iter().chain(splits).try_for_each(SourceFile::check)?;
        }
        let bars = chosen(&self.data, &self.symbols)?;
        let found = series_hash(&bars);
        if found == self.data_hash {
            return Ok(bars);
        }
        let text = format!(
            "the run was begun on other bars (hash {}, now {found}): begin another one",
            self.data_hash
        );
        Err(CliError::new(ExitCode::Data, text))
    }
}

/// The bars of a source, of these symbols alone where any are named.
fn chosen(data: &DataSource, symbols: &[Symbol]) -> Result<Vec<Series>, CliError> {
    let all = series(data)?;
    if let Some(stranger) = symbols.iter().find(|name| !all.iter().any(|it| it.symbol == **name)) {
        let known: Vec<&str> = all.iter().map(|one| one.symbol.as_str()).collect();
        let text = format!("--symbols names {stranger}, but there are {}", known.join(", "));
        return Err(CliError::new(ExitCode::Usage, text));
    }
    let is_chosen = |one: &Series| symbols.is_empty() || symbols.contains(&one.symbol);
    let chosen: Vec<Series> = all.into_iter().filter(is_chosen).collect();
    one_timeframe(&chosen)?;
    Ok(chosen)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config;

    fn wanted(symbols: &[&str]) -> Wanted {
        Wanted {
            data: DataSource::Embedded,
            symbols: symbols.iter().map(|name| Symbol::new(name).unwrap()).collect(),
            seed: 3,
            steps: 1_000,
            agents: vec!["risk_analyst".to_owned()],
        }
    }

    #[test]
    fn a_recipe_reads_back_and_one_that_was_touched_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(TrainRecipe::read(dir.path()).unwrap_err().code, ExitCode::NotFound);
        let loaded = config::load(None, std::iter::empty(), &[]).unwrap();
        let (recipe, bars) = TrainRecipe::new(wanted(&["IBM", "AAPL"]), &loaded).unwrap();
        assert_eq!(bars.len(), 2);
        recipe.write(dir.path(), &loaded).unwrap();
        let again = TrainRecipe::read(dir.path()).unwrap();
        assert_eq!(again, recipe);
        assert_eq!(again.bars().unwrap().len(), 2);
        let other = TrainRecipe { data_hash: "other".to_owned(), ..again };
        assert_eq!(other.bars().unwrap_err().code, ExitCode::Data);
        std::fs::write(dir.path().join(CONFIG_FILE), "[run]\nseed = 9\n").unwrap();
        assert_eq!(TrainRecipe::read(dir.path()).unwrap_err().code, ExitCode::Data);
    }

    #[test]
    fn a_symbol_that_there_is_not_is_named_with_those_that_there_are() {
        let loaded = config::load(None, std::iter::empty(), &[]).unwrap();
        let refused = TrainRecipe::new(wanted(&["TSLA"]), &loaded).unwrap_err();
        assert_eq!(refused.code, ExitCode::Usage);
        assert!(refused.chain().contains("TSLA") && refused.chain().contains("MSFT"));
    }
}
