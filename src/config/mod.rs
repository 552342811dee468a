//! Configuration: raw layers in, one validated [`Config`] out, or all errors at once.
//!
//! Precedence is flag > environment > file > default. Every key is declared once, in [`keys`];
//! a key that is not declared there is refused. `config/default.toml` is the lowest layer and is
//! embedded; a test keeps it equal to [`Config::default`].

mod alpaca;
pub mod arena;
mod keys;
mod layers;
mod models;
mod money;
mod notify;
mod relations;
mod sections;
mod settings;
mod shown;
mod universe;
mod value;

use std::collections::BTreeSet;
use std::fmt;
use std::path::Path;

use serde::Serialize;
use toml::Value;

pub use alpaca::AlpacaSettings;
pub use keys::{Key, keys};
pub use layers::{ENV_PREFIX, Layer, Source};
pub use models::{LEDGER_OF_USER, ModelSettings, PROVIDERS, ProviderSettings};
pub use money::TABLES;
pub use notify::NotifySettings;
pub use settings::*;
pub use shown::{document, shown};
pub use value::{Kind, Setting};

/// The defaults, with unit, bound and reason of every key.
pub const DEFAULT_TOML: &str = include_str!("../../config/default.toml");

/// One thing that is wrong with the configuration.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ConfigError {
    /// The dotted key.
    pub key: String,
    /// What was given.
    pub value: String,
    /// What would be accepted.
    pub bound: String,
    /// Where the value came from.
    pub origin: String,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { key, value, bound, origin } = self;
        write!(f, "`{key}` is {value}, but must be {bound} (from {origin})")
    }
}

/// Everything that is wrong with the configuration, in the order of the keys.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct ConfigErrors(
    /// The errors; never empty.
    pub Vec<ConfigError>,
);

impl fmt::Display for ConfigErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = self.0.len();
        write!(f, "the configuration has {count} error{}", if count == 1 { "" } else { "s" })?;
        self.0.iter().try_for_each(|error| write!(f, "\n  {error}"))
    }
}

/// A validated configuration and the raw layers that it came from.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// The values in force.
    pub config: Config,
    /// Every key with its value and source.
    pub layer: Layer,
}

/// Loads defaults, then a file, then the environment, then flags; reports all errors at once.
///
/// # Errors
/// When a file cannot be read, a key is unknown, a value is out of bounds, or two values do not go
/// together.
pub fn load(
    file: Option<&Path>,
    environment: impl Iterator<Item = (String, String)>,
    flags: &[(String, String)],
) -> Result<Loaded, ConfigErrors> {
    let keys = keys();
    let value_of_text = |key: &str, text: &str| {
        let known = keys.iter().find(|known| known.path == key);
        known.map_or_else(|| Value::String(text.to_owned()), |known| known.kind.value_of_text(text))
    };
    let one = |error| ConfigErrors(vec![error]);
    let mut layer = layers::from_toml(DEFAULT_TOML, &Source::Default).map_err(one)?;
    if let Some(path) = file {
        layer.extend(layers::from_file(path).map_err(one)?);
    }
    layer.extend(layers::from_env(environment, value_of_text));
    for (key, text) in flags {
        layer.insert(key.clone(), (value_of_text(key, text), Source::Flag(key.clone())));
    }
    validate(&keys, layer)
}

/// Reads a duration such as `200ms` or `20d`: the form of every duration on the command line too.
///
/// # Errors
/// When the text is no duration.
pub fn parse_duration(text: &str) -> Result<std::time::Duration, String> {
    humantime::parse_duration(text).map_err(|error| format!("`{text}` is no duration: {error}"))
}

fn validate(keys: &[Key], layer: Layer) -> Result<Loaded, ConfigErrors> {
    let mut config = Config::default();
    let mut errors = Vec::new();
    for (path, (value, source)) in &layer {
        let of_table = money::of_table(path);
        match keys.iter().find(|key| key.path == *path).or(of_table.as_ref()) {
            None => errors.push(ConfigError {
                key: path.clone(),
                value: told(path, value),
                bound: format!("a known key{}", neighbours(keys, path)),
                origin: source.to_string(),
            }),
            Some(key) => match key.kind.read(value) {
                Some(setting) => (key.set)(&mut config, &setting),
                None => errors.push(ConfigError {
                    key: path.clone(),
                    value: told(path, value),
                    bound: key.kind.bound(),
                    origin: source.to_string(),
                }),
            },
        }
    }
    let failed: BTreeSet<String> = errors.iter().map(|error| error.key.clone()).collect();
    errors.extend(relations::broken(&config, &layer, &failed));
    errors.sort_by(|a, b| a.key.cmp(&b.key));
    if errors.is_empty() { Ok(Loaded { config, layer }) } else { Err(ConfigErrors(errors)) }
}

/// A value for a message, of bounded length.
fn told(key: &str, value: &Value) -> String {
    shown(key, value).to_string().chars().take(60).collect()
}

fn neighbours(keys: &[Key], path: &str) -> String {
    let section = path.rsplit_once('.').map_or("", |(section, _)| section);
    let near: Vec<&str> = keys
        .iter()
        .filter(|key| key.path.rsplit_once('.').is_some_and(|(known, _)| known == section))
        .map(|key| key.path.as_str())
        .collect();
    if near.is_empty() { String::new() } else { format!(" such as {}", near.join(", ")) }
}

#[cfg(test)]
mod tests;
