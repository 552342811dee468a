//! The recipe of a run: everything that a repetition needs, in the run's directory before its header.
//!
//! `config.toml` is the effective configuration as text; `recipe.json` names where the bars came from,
//! with their hashes, and what the command line added. No key of the configuration is a secret, so
//! none can be in it.
//!
//! - D-1: a run is prepared from its recipe, so that a repetition is prepared by the same code.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use conclave_domain::market::bar::Timeframe;
use conclave_domain::market::symbol::Symbol;
use conclave_domain::record::Digest;
use serde::{Deserialize, Serialize};
use toml::Value;

use super::args::RunArgs;
use crate::cli::error::{CliError, ExitCode};
use crate::config::{Config, Layer, Loaded};
use crate::files;

/// The effective configuration in a run's directory.
pub const CONFIG_FILE: &str = "config.toml";
/// The recipe in a run's directory.
pub const RECIPE_FILE: &str = "recipe.json";
const SCHEMA: &str = "recipe/1";
/// A recipe or a configuration is a few kilobytes; more is none of ours.
const BYTES_MAX: u64 = 4 << 20;

/// Where the bars came from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind", deny_unknown_fields)]
pub enum DataSource {
    /// The bars in the binary.
    Embedded,
    /// CSV files, one per symbol.
    Files {
        /// The files, in the order of the command line.
        files: Vec<SourceFile>,
        /// The table of splits, if there is one.
        splits: Option<SourceFile>,
    },
    /// The synthetic market.
    Synth {
        /// Its preset.
        preset: String,
        /// Its seed.
        seed: u64,
    },
    /// An open market: bars come as they close, and their past from the market's own history.
    Alpaca {
        /// The symbols, in their order.
        symbols: Vec<Symbol>,
        /// Minutes that one bar lasts.
        timeframe: Timeframe,
    },
}

impl DataSource {
    /// Whether bars are still to come.
    pub const fn is_open(&self) -> bool {
        matches!(self, Self::Alpaca { .. })
    }
}

/// One file as it was when the run began.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SourceFile {
    /// Where it lay.
    pub path: PathBuf,
    /// BLAKE3 of its bytes.
    pub blake3: Digest,
}

/// What a run was made of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Recipe {
    schema: String,
    /// The version of the program that wrote it.
    pub version: String,
    /// BLAKE3 of the text in `config.toml`.
    pub config_blake3: Digest,
    /// The hash of the configuration, as the run's header says it.
    pub config_hash: String,
    /// The hash of the bars, as the run's header says it.
    pub data_hash: String,
    /// Where the bars came from.
    pub data: DataSource,
    /// The news, if there are any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub news: Option<SourceFile>,
    /// The checkpoint of the policy that calls, if one does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy: Option<SourceFile>,
    /// What the agents are told of earlier runs, if they are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub track: Option<SourceFile>,
    /// Whether that policy may trade bars of another length than it was trained on.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub other_bars: bool,
    /// Faults on request: `AGENT=KIND@ROUND`.
    pub faults: Vec<String>,
    /// Market time after which a drawdown halt was lifted, milliseconds.
    pub lift_halt_after_ms: Option<u64>,
    /// The tape whose answers were given again, if one was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tape: Option<SourceFile>,
    /// Where its exchanges with models are written, where that is not its own directory.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tape_to: Option<PathBuf>,
    /// Whether what that tape has is taken from it before anybody is asked.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub replay_first: bool,
    /// Slices of bars that moved at once: the order of session digests depends on it.
    pub chunk: usize,
    /// The configuration as text; it lies in a file of its own.
    #[serde(skip)]
    pub config_text: String,
}

impl Recipe {
    /// The recipe of a command line, but for the hashes that only its bars and its validated
    /// configuration have.
    ///
    /// # Errors
    /// When a data file cannot be read, or the configuration not be written as text.
    pub(super) fn of(args: &RunArgs, loaded: &Loaded) -> Result<Self, CliError> {
        let config_text = toml_of(&loaded.layer)?;
        Ok(Self {
            schema: SCHEMA.to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            config_blake3: Digest::of(config_text.as_bytes()),
            config_hash: String::new(),
            data_hash: String::new(),
            data: source(args, &loaded.config)?,
            news: args.news.as_deref().map(SourceFile::of).transpose()?,
            policy: args.policy.as_deref().map(SourceFile::named).transpose()?,
            track: args.track.as_deref().map(SourceFile::named).transpose()?,
            other_bars: args.terms.other_bars,
            faults: args.fault.clone(),
            lift_halt_after_ms: args.lift_halt_after.map(millis),
            tape: args.played_tape().map(SourceFile::of).transpose()?,
            tape_to: args.written_tape()?,
            replay_first: args.replay_first,
            chunk: if args.pace.is_some() { 1 } else { loaded.config.run.chunk },
            config_text,
        })
    }

    /// The tape whose answers are taken before anybody is asked, if one is.
    pub(super) fn played_first(&self) -> Option<&Path> {
        self.tape_to.as_deref().filter(|_| self.replay_first)
    }

    /// How long after a drawdown halt it was lifted.
    pub fn lift_halt_after(&self) -> Option<Duration> {
        self.lift_halt_after_ms.map(Duration::from_millis)
    }

    /// What was said now, and what the run was begun with where nothing was said.
    ///
    /// # Errors
    /// With exit code 8 when a file of its bars is gone or is not what it was.
    pub(super) fn going_on(mut self, begun: &Self, names_data: bool) -> Result<Self, CliError> {
        if !names_data {
            self.data = begun.data.clone();
        }
        if self.news.is_none() {
            self.news.clone_from(&begun.news);
        }
        if self.policy.is_none() {
            self.policy.clone_from(&begun.policy);
            self.other_bars = begun.other_bars;
        }
        // What its agents were told they are told on.
        self.track.clone_from(&begun.track);
        self.check_files()?;
        if self.faults.is_empty() {
            self.faults.clone_from(&begun.faults);
        }
        if self.tape.is_none()
            && let Some(tape) = &begun.tape
        {
            tape.check()?;
            self.tape = Some(tape.clone());
        }
        if self.tape_to.is_none() {
            self.tape_to.clone_from(&begun.tape_to);
            self.replay_first = begun.replay_first;
        }
        self.lift_halt_after_ms = self.lift_halt_after_ms.or(begun.lift_halt_after_ms);
        // The order of session digests depends on the chunks that it was begun in.
        self.chunk = begun.chunk;
        Ok(self)
    }

    /// Refuses files that are gone or are not what they were.
    ///
    /// # Errors
    /// With exit code 8; the text names the file.
    pub(super) fn check_files(&self) -> Result<(), CliError> {
        if let DataSource::Files { files, splits } = &self.data {
            files.iter().chain(splits).try_for_each(SourceFile::check)?;
        }
        self.news.iter().chain(&self.policy).chain(&self.track).try_for_each(SourceFile::check)
    }

    /// Writes both files, each whole or not at all, the recipe last; both are on the disk when this
    /// returns.
    ///
    /// # Errors
    /// When a file cannot be written.
    pub(super) fn write(&self, dir: &Path) -> Result<(), CliError> {
        let recipe = serde_json::to_string_pretty(self)
            .map_err(|error| CliError::new(ExitCode::Failure, error.to_string()))?;
        for (name, text) in [(CONFIG_FILE, &self.config_text), (RECIPE_FILE, &recipe)] {
            put(dir, name, text).map_err(|error| {
                let text = format!("{} could not be written", dir.join(name).display());
                CliError::new(ExitCode::Failure, text).caused_by(error)
            })?;
        }
        Ok(())
    }

    /// Reads the recipe of the run in `dir`, with its configuration's text.
    ///
    /// # Errors
    /// With exit code 5 when there is none, 8 when it is damaged or of a newer schema.
    pub fn read(dir: &Path) -> Result<Self, CliError> {
        let bad = |text: String| CliError::new(ExitCode::Data, text);
        let path = dir.join(RECIPE_FILE);
        let text = read(&path)?;
        let document: serde_json::Value = serde_json::from_str(&text)
            .map_err(|error| bad(format!("{} is unreadable: {error}", path.display())))?;
        let schema = document.get("schema").and_then(serde_json::Value::as_str);
        if schema != Some(SCHEMA) {
            let found = schema.unwrap_or("no schema");
            return Err(bad(format!("{} is {found}, not {SCHEMA}", path.display())));
        }
        let mut recipe: Self = serde_json::from_value(document)
            .map_err(|error| bad(format!("{} is unreadable: {error}", path.display())))?;
        let path = dir.join(CONFIG_FILE);
        recipe.config_text = read(&path)?;
        if Digest::of(recipe.config_text.as_bytes()) != recipe.config_blake3 {
            let text = format!("{} is not the one that the run was begun with", path.display());
            return Err(bad(text));
        }
        Ok(recipe)
    }
}

fn source(args: &RunArgs, config: &Config) -> Result<DataSource, CliError> {
    if args.open.broker.is_some() {
        return open_market(&args.open.symbols);
    }
    if let Some(preset) = &args.synth {
        return Ok(DataSource::Synth { preset: preset.clone(), seed: config.run.seed });
    }
    if args.data.is_empty() {
        return Ok(DataSource::Embedded);
    }
    let files = args.data.iter().map(|path| SourceFile::of(path)).collect::<Result<_, _>>()?;
    let splits = args.splits.as_deref().map(SourceFile::of).transpose()?;
    Ok(DataSource::Files { files, splits })
}

/// The symbols of an open market, sorted, each once.
fn open_market(named: &[String]) -> Result<DataSource, CliError> {
    let read = |name: &String| {
        let upper = name.trim().to_uppercase();
        let refused = |error| CliError::new(ExitCode::Usage, format!("--symbols {name}: {error}"));
        Symbol::new(&upper).map_err(refused)
    };
    let symbols: BTreeSet<Symbol> = named.iter().map(read).collect::<Result<_, _>>()?;
    Ok(DataSource::Alpaca { symbols: symbols.into_iter().collect(), timeframe: Timeframe::Minute })
}

impl SourceFile {
    /// A file as it is now. Its path is made absolute, so that a repetition may begin anywhere.
    pub(super) fn of(path: &Path) -> Result<Self, CliError> {
        let blake3 = hash(path).map_err(|error| unreadable(path, error))?;
        let path = std::path::absolute(path).map_err(|error| unreadable(path, error))?;
        Ok(Self { path, blake3 })
    }

    /// [`SourceFile::of`] a file that somebody has named just now.
    ///
    /// # Errors
    /// With exit code 5 when it is not there, 8 when it cannot be read.
    fn named(path: &Path) -> Result<Self, CliError> {
        Self::of(path).map_err(|error| {
            if path.exists() {
                return error;
            }
            CliError::new(ExitCode::NotFound, format!("{} is not there", path.display()))
        })
    }

    /// Refuses a file that is gone or is not what it was.
    ///
    /// # Errors
    /// With exit code 8; the text names the file.
    pub(super) fn check(&self) -> Result<(), CliError> {
        let found = hash(&self.path).map_err(|error| unreadable(&self.path, error))?;
        if found == self.blake3 {
            return Ok(());
        }
        let text = format!(
            "{} is not the file that the run was begun with: its hash was {} and is {found}",
            self.path.display(),
            self.blake3
        );
        Err(CliError::new(ExitCode::Data, text))
    }
}

fn unreadable(path: &Path, error: io::Error) -> CliError {
    CliError::new(ExitCode::Data, format!("{} cannot be read", path.display())).caused_by(error)
}

fn hash(path: &Path) -> io::Result<Digest> {
    let mut hasher = blake3::Hasher::new();
    io::copy(&mut files::open(path)?, &mut hasher)?;
    hasher.finalize().to_hex().parse().map_err(io::Error::other)
}

pub(super) fn read(path: &Path) -> Result<String, CliError> {
    use io::Read as _;
    let mut text = String::new();
    let read = files::open(path).and_then(|file| file.take(BYTES_MAX).read_to_string(&mut text));
    match read {
        Ok(_) => Ok(text),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let is_selection = path.with_file_name("selection.json").exists();
            let why = if is_selection {
                "this is the directory of a selection, which has no run in it"
            } else {
                "the run was begun by an older version, or this is no run's directory"
            };
            let text = format!("{} is not there: {why}", path.display());
            Err(CliError::new(ExitCode::NotFound, text))
        }
        Err(error) => Err(unreadable(path, error)),
    }
}

/// Writes under a temporary name, syncs, renames, and syncs the directory.
pub(super) fn put(dir: &Path, name: &str, text: &str) -> io::Result<()> {
    let temporary = dir.join(format!(".{name}.tmp"));
    let mut file = File::create(&temporary)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    fs::rename(&temporary, dir.join(name))?;
    File::open(dir)?.sync_all()
}

/// Milliseconds; what no `u64` holds is longer than any market.
fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// Every key with its value in force, as a file that `--config` takes.
pub(super) fn toml_of(layer: &Layer) -> Result<String, CliError> {
    let mut root = toml::Table::new();
    for (key, (value, _)) in layer {
        let mut parts: Vec<&str> = key.split('.').collect();
        let Some(name) = parts.pop() else { continue };
        let mut table = &mut root;
        for part in parts {
            let inner = table.entry(part).or_insert_with(|| Value::Table(toml::Table::new()));
            let Value::Table(inner) = inner else {
                let text = format!("`{key}` is a value and a table");
                return Err(CliError::new(ExitCode::Config, text));
            };
            table = inner;
        }
        table.insert(name.to_owned(), value.clone());
    }
    toml::to_string(&root).map_err(|error| {
        CliError::new(ExitCode::Failure, "the configuration cannot be written").caused_by(error)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config;

    fn recipe(args: &RunArgs) -> Recipe {
        let loaded = config::load(None, std::iter::empty(), &args.flags()).unwrap();
        Recipe::of(args, &loaded).unwrap()
    }

    #[test]
    fn the_text_of_a_configuration_reads_back_as_the_configuration() {
        let dir = tempfile::tempdir().unwrap();
        let args = RunArgs { seed: Some(7), mode: Some("supervised".into()), ..RunArgs::default() };
        let loaded = config::load(None, std::iter::empty(), &args.flags()).unwrap();
        let written = recipe(&args);
        written.write(dir.path()).unwrap();
        let path = dir.path().join(CONFIG_FILE);
        let again = config::load(Some(&path), std::iter::empty(), &[]).unwrap();
        assert_eq!(again.config, loaded.config);
        assert_eq!(Recipe::read(dir.path()).unwrap(), written);
    }

    #[test]
    fn no_key_that_could_hold_a_secret_exists() {
        for key in config::keys() {
            let name = key.path.rsplit('.').next().unwrap_or_default();
            let is_secret = ["secret", "token", "password", "api_key", "credential"]
                .into_iter()
                .any(|word| name.contains(word));
            assert!(!is_secret, "{} would stand in every run's config.toml", key.path);
        }
    }

    #[test]
    fn a_recipe_that_was_touched_is_refused_and_a_missing_one_is_not_found() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(Recipe::read(dir.path()).unwrap_err().code, ExitCode::NotFound);
        recipe(&RunArgs::default()).write(dir.path()).unwrap();
        let path = dir.path().join(RECIPE_FILE);
        let text = fs::read_to_string(&path).unwrap();
        for (from, to, said) in [
            ("recipe/1", "recipe/2", "is recipe/2, not recipe/1"),
            ("\"chunk\"", "\"junk\"", "unreadable"),
            ("{", "", "unreadable"),
        ] {
            fs::write(&path, text.replacen(from, to, 1)).unwrap();
            let refused = Recipe::read(dir.path()).unwrap_err();
            assert_eq!(refused.code, ExitCode::Data, "{said}");
            assert!(refused.chain().contains(said), "{}", refused.chain());
        }
        fs::write(&path, &text).unwrap();
        fs::write(dir.path().join(CONFIG_FILE), "[run]\nseed = 2\n").unwrap();
        let refused = Recipe::read(dir.path()).unwrap_err();
        assert!(refused.chain().contains("config.toml is not the one"), "{}", refused.chain());
    }

    #[test]
    fn a_changed_or_missing_data_file_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("AAA.csv");
        fs::write(&path, "one").unwrap();
        let file = SourceFile::of(&path).unwrap();
        file.check().unwrap();
        fs::write(&path, "two").unwrap();
        let changed = file.check().unwrap_err();
        assert_eq!(changed.code, ExitCode::Data);
        assert!(changed.chain().contains("AAA.csv is not the file"), "{}", changed.chain());
        fs::remove_file(&path).unwrap();
        let gone = file.check().unwrap_err();
        assert_eq!(gone.code, ExitCode::Data);
        assert!(gone.chain().contains("AAA.csv cannot be read"), "{}", gone.chain());
    }
}
