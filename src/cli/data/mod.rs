//! `data list|check|import|synth`: what bars there are, whether a file's are sound, and more of them.

use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand, ValueEnum};
use conclave_domain::market::bar::Timeframe;
use conclave_domain::market::csv::CsvOptions;
use conclave_domain::market::symbol::{AssetClass, Symbol};

use super::app::block_on;
use super::error::{CliError, ExitCode};
use super::format::Format;
use crate::data::DataError;

mod check;
mod fetch;
mod files;
mod import;
mod list;
mod synth;

#[cfg(test)]
mod tests;

pub use fetch::FetchArgs;
pub use synth::SynthArgs;

/// Arguments of `data`.
#[derive(Args, Clone, Debug)]
pub struct DataArgs {
    /// What to do.
    #[command(subcommand)]
    pub action: DataAction,
}

/// What to do with data.
#[derive(Subcommand, Clone, Debug)]
pub enum DataAction {
    /// The bars that ship with the binary.
    List,
    /// Reads a CSV file and names everything that is wrong or strange about it.
    Check(CheckArgs),
    /// Writes a CSV file's bars in our own form, under a symbol.
    Import(ImportArgs),
    /// Fetches history from Alpaca, with the keys in the environment, and writes it in our own form.
    Fetch(FetchArgs),
    /// Writes a synthetic market, made from a seed.
    Synth(SynthArgs),
}

/// What a CSV file does not say about itself.
#[derive(Args, Clone, Debug)]
pub struct SourceArgs {
    /// CSV with the columns timestamp, open, high, low, close and volume, oldest row first.
    pub file: PathBuf,
    /// Decides the calendar.
    #[arg(long, value_enum, default_value_t)]
    pub class: Class,
    /// The bars' length: 1m, 5m, 15m, 30m, 1h, 4h, 1d or 1w; found from their spacing when not given.
    #[arg(long, value_name = "LENGTH", value_parser = timeframe)]
    pub timeframe: Option<Timeframe>,
}

/// Arguments of `data check`.
#[derive(Args, Clone, Debug)]
pub struct CheckArgs {
    /// The file.
    #[command(flatten)]
    pub source: SourceArgs,
    /// The symbol; the file's name without its ending when that is one.
    #[arg(long)]
    pub symbol: Option<Symbol>,
    /// A table of splits (symbol,date,ratio): jumps that it explains are not reported.
    #[arg(long, value_name = "FILE")]
    pub splits: Option<PathBuf>,
}

/// Arguments of `data import`.
#[derive(Args, Clone, Debug)]
pub struct ImportArgs {
    /// The file.
    #[command(flatten)]
    pub source: SourceArgs,
    /// The symbol; names the new file.
    #[arg(long)]
    pub symbol: Symbol,
    /// The directory to write to; made when it is not there.
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
    /// Replace a file that is there.
    #[arg(long)]
    pub force: bool,
}

/// An asset class on the command line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Class {
    /// A US share or fund: New York's sessions.
    #[default]
    Equity,
    /// A coin: round the clock.
    Crypto,
}

impl From<Class> for AssetClass {
    fn from(class: Class) -> Self {
        match class {
            Class::Equity => Self::Equity,
            Class::Crypto => Self::Crypto,
        }
    }
}

impl SourceArgs {
    fn options(&self, symbol: Symbol) -> CsvOptions {
        let mut options = CsvOptions::new(symbol);
        options.class = self.class.into();
        options.timeframe = self.timeframe;
        options
    }
}

/// Our word or Alpaca's for a bar's length.
fn timeframe(text: &str) -> Result<Timeframe, String> {
    match text {
        "1m" | "1Min" => Ok(Timeframe::Minute),
        "5m" | "5Min" => Ok(Timeframe::FiveMinutes),
        "15m" | "15Min" => Ok(Timeframe::QuarterHour),
        "30m" | "30Min" => Ok(Timeframe::HalfHour),
        "1h" | "1Hour" => Ok(Timeframe::Hour),
        "4h" | "4Hour" => Ok(Timeframe::FourHours),
        "1d" | "1Day" => Ok(Timeframe::Day),
        "1w" | "1Week" => Ok(Timeframe::Week),
        _ => Err("one of 1m, 5m, 15m, 30m, 1h, 4h, 1d and 1w is wanted".to_owned()),
    }
}

/// Runs `data`.
///
/// # Errors
/// [`ExitCode::Data`] when a file's content is not valid (every fault with its line),
/// [`ExitCode::NotFound`] when there is no such file, [`ExitCode::Usage`] when the arguments do not
/// fit together, [`ExitCode::Failure`] when something cannot be read or written.
pub fn run(
    args: &DataArgs,
    file: Option<&Path>,
    format: Format,
    out: &mut dyn Write,
) -> Result<(), CliError> {
    match &args.action {
        DataAction::List => list::run(format, out),
        DataAction::Check(args) => check::run(args, format, out),
        DataAction::Import(args) => import::run(args, format, out),
        DataAction::Fetch(args) => block_on(fetch::run(args, file, format, out)),
        DataAction::Synth(args) => synth::run(args, format, out),
    }
}

/// What a failure to get data means to the shell.
impl From<DataError> for CliError {
    fn from(error: DataError) -> Self {
        let code = match &error {
            DataError::File { source, .. } if source.kind() == ErrorKind::NotFound => {
                ExitCode::NotFound
            }
            DataError::File { .. } => ExitCode::Failure,
            DataError::TooLarge { .. }
            | DataError::Faults { .. }
            | DataError::Splits { .. }
            | DataError::NoAsset { .. }
            | DataError::Lines { .. } => ExitCode::Data,
        };
        let message = error.to_string();
        match error {
            DataError::File { source, .. } => Self::new(code, message).caused_by(source),
            // The faults are what the user must read: they belong to the message, a line each.
            DataError::Faults { source, .. } => Self::new(code, format!("{message}\n{source}")),
            DataError::Splits { source } => Self::new(code, message).caused_by(source),
            DataError::TooLarge { .. } | DataError::NoAsset { .. } | DataError::Lines { .. } => {
                Self::new(code, message)
            }
        }
    }
}
