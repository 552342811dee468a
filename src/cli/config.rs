//! `config init|check|show|schema`: the configuration, with every value's source.

use std::io::Write;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::error::{CliError, ExitCode};
use super::format::{Align, Format, Table};
use crate::config::{self, DEFAULT_TOML, Loaded};

/// Arguments of `config`.
#[derive(Args, Clone, Debug)]
pub struct ConfigArgs {
    /// What to do.
    #[command(subcommand)]
    pub action: ConfigAction,
}

/// What to do with the configuration.
#[derive(Subcommand, Clone, Debug)]
pub enum ConfigAction {
    /// Writes the defaults, with unit, bound and reason of every key, into a new file.
    Init {
        /// The file.
        #[arg(default_value = "conclave.toml")]
        file: PathBuf,
    },
    /// Checks the configuration and names everything that is wrong with it.
    Check,
    /// Prints every key with its value and where it came from.
    Show,
    /// Prints what every key accepts.
    Schema,
}

/// Runs `config`.
///
/// # Errors
/// When the configuration is invalid, or a file cannot be written.
pub fn run(
    args: &ConfigArgs,
    file: Option<&Path>,
    format: Format,
    out: &mut dyn Write,
) -> Result<(), CliError> {
    let text = match &args.action {
        ConfigAction::Init { file } => init(file)?,
        ConfigAction::Check => {
            let loaded = load(file, &[])?;
            let keys = loaded.layer.len();
            match format {
                Format::Text => format!("the configuration is valid: {keys} keys\n"),
                _ => format!("{}\n", json!({"schema": "config-check/1", "keys": keys})),
            }
        }
        ConfigAction::Show => show(&load(file, &[])?, format),
        ConfigAction::Schema => schema(format),
    };
    out.write_all(text.as_bytes())
        .map_err(|error| CliError::new(ExitCode::Failure, format!("cannot write: {error}")))
}

/// Loads the configuration from file, environment and flags, as every verb does.
///
/// # Errors
/// With exit code 3 when anything is wrong; all errors at once.
pub fn load(file: Option<&Path>, flags: &[(String, String)]) -> Result<Loaded, CliError> {
    let environment = std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
    config::load(file, environment, flags)
        .map_err(|errors| CliError::new(ExitCode::Config, errors.to_string()))
}

fn init(file: &Path) -> Result<String, CliError> {
    let mut options = std::fs::OpenOptions::new();
    let opened = options.write(true).create_new(true).open(file);
    let mut opened = opened.map_err(|error| {
        let text = format!("{} was not written: {error}", file.display());
        CliError::new(ExitCode::Failure, text)
    })?;
    opened
        .write_all(DEFAULT_TOML.as_bytes())
        .map_err(|error| CliError::new(ExitCode::Failure, error.to_string()))?;
    Ok(format!("{} written; use it with --config\n", file.display()))
}

fn show(loaded: &Loaded, format: Format) -> String {
    if format == Format::Text {
        let mut table =
            Table::new([("key", Align::Left), ("value", Align::Left), ("source", Align::Left)]);
        for (key, (value, source)) in &loaded.layer {
            table.row([key.clone(), value.to_string(), source.to_string()]);
        }
        return table.to_string();
    }
    let keys: serde_json::Map<String, Value> = loaded
        .layer
        .iter()
        .map(|(key, (value, source))| {
            let value = serde_json::to_value(value).unwrap_or_default();
            (key.clone(), json!({"value": value, "source": source.to_string()}))
        })
        .collect();
    format!("{:#}\n", json!({"schema": "config/1", "keys": keys}))
}

fn schema(format: Format) -> String {
    let keys = config::keys();
    if format == Format::Text {
        let mut table = Table::new([("key", Align::Left), ("accepts", Align::Left)]);
        for key in &keys {
            table.row([key.path.clone(), key.kind.bound()]);
        }
        return table.to_string();
    }
    let accepts: serde_json::Map<String, Value> =
        keys.iter().map(|key| (key.path.clone(), Value::from(key.kind.bound()))).collect();
    format!("{:#}\n", json!({"schema": "config-schema/1", "keys": accepts}))
}
