//! `config init|check|show|schema`: the configuration, with every value's source.

use std::io::Write;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::error::{CliError, ExitCode};
use super::format::{Align, Format, Table, write_json};
use crate::config::{self, ConfigErrors, DEFAULT_TOML, Loaded};

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
    match &args.action {
        ConfigAction::Init { file } => init(file, format, out),
        ConfigAction::Check => check(file, format, out),
        ConfigAction::Show => show(&load(file, &[])?, format, out),
        ConfigAction::Schema => schema(format, out),
    }
}

fn check(file: Option<&Path>, format: Format, out: &mut dyn Write) -> Result<(), CliError> {
    let loaded = read(file, &[]);
    let document = match &loaded {
        Ok(loaded) if format == Format::Text => {
            writeln!(out, "the configuration is valid: {} keys", loaded.layer.len())?;
            return Ok(());
        }
        Ok(loaded) => json!({"schema": "config-check/1", "ok": true, "keys": loaded.layer.len()}),
        Err(ConfigErrors(errors)) => {
            json!({"schema": "config-check/1", "ok": false, "errors": errors})
        }
    };
    if format != Format::Text {
        write_json(&document, format, out)?;
    }
    loaded.map(drop).map_err(|errors| refused(&errors))
}

/// Loads the configuration from file, environment and flags, as every verb does.
///
/// # Errors
/// With exit code 3 when anything is wrong; all errors at once.
pub fn load(file: Option<&Path>, flags: &[(String, String)]) -> Result<Loaded, CliError> {
    read(file, flags).map_err(|errors| refused(&errors))
}

fn read(file: Option<&Path>, flags: &[(String, String)]) -> Result<Loaded, ConfigErrors> {
    let environment = std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
    config::load(file, environment, flags)
}

fn refused(errors: &ConfigErrors) -> CliError {
    CliError::new(ExitCode::Config, errors.to_string())
}

fn init(file: &Path, format: Format, out: &mut dyn Write) -> Result<(), CliError> {
    let mut options = std::fs::OpenOptions::new();
    let opened = options.write(true).create_new(true).open(file);
    let mut opened = opened.map_err(|error| {
        let text = format!("{} was not written: {error}", file.display());
        CliError::new(ExitCode::Failure, text)
    })?;
    opened
        .write_all(DEFAULT_TOML.as_bytes())
        .map_err(|error| CliError::new(ExitCode::Failure, error.to_string()))?;
    if format == Format::Text {
        writeln!(out, "{} written; use it with --config", file.display())?;
        return Ok(());
    }
    write_json(&json!({"schema": "config-init/1", "file": file.display().to_string()}), format, out)
}

fn show(loaded: &Loaded, format: Format, out: &mut dyn Write) -> Result<(), CliError> {
    if format == Format::Text {
        let mut table =
            Table::new([("key", Align::Left), ("value", Align::Left), ("source", Align::Left)]);
        for (key, (value, source)) in &loaded.layer {
            let value = config::shown(key, value).to_string();
            table.row([key.clone(), value, source.to_string()]);
        }
        write!(out, "{table}")?;
        return Ok(());
    }
    write_json(&config::document(&loaded.layer), format, out)
}

fn schema(format: Format, out: &mut dyn Write) -> Result<(), CliError> {
    let keys = config::keys();
    if format == Format::Text {
        let mut table = Table::new([("key", Align::Left), ("accepts", Align::Left)]);
        for key in &keys {
            table.row([key.path.clone(), key.kind.bound()]);
        }
        for (name, kind) in config::TABLES {
            table.row([format!("{name}.NAME"), kind.bound()]);
        }
        write!(out, "{table}")?;
        return Ok(());
    }
    let tables = config::TABLES.map(|(name, kind)| (format!("{name}.NAME"), kind.bound().into()));
    let accepts: serde_json::Map<String, Value> = keys
        .iter()
        .map(|key| (key.path.clone(), Value::from(key.kind.bound())))
        .chain(tables)
        .collect();
    write_json(&json!({"schema": "config-schema/1", "keys": accepts}), format, out)
}
