//! The bars that a run is about: embedded, of files, or synthetic.

use std::path::Path;

use conclave_domain::market::bar::Timeframe;
use conclave_domain::market::csv::CsvOptions;
use conclave_domain::market::series::Series;
use conclave_domain::market::splits::adjust;
use conclave_domain::market::symbol::Symbol;
use conclave_domain::market::synth::{Preset, SynthConfig, SynthMarket, generate};

use super::recipe::DataSource;
use crate::cli::error::{CliError, ExitCode};
use crate::data;

/// The bars of a source, as far as there are any yet; adjusted for splits.
///
/// # Errors
/// When a file or a preset cannot be read.
pub(super) fn series(source: &DataSource) -> Result<Vec<Series>, CliError> {
    let (files, splits) = match source {
        DataSource::Alpaca { .. } => return Ok(Vec::new()),
        DataSource::Embedded => return Ok(data::embedded()?),
        DataSource::Synth { preset, seed } => return Ok(synthetic(preset, *seed)?.series),
        DataSource::Files { files, splits } => (files, splits),
    };
    let splits = match splits {
        Some(file) => data::read_splits_file(&file.path)?,
        None => Vec::new(),
    };
    let mut all = Vec::new();
    for file in files {
        let read = data::read_file(&file.path, &CsvOptions::new(symbol_of(&file.path)?))?;
        let adjusted = adjust(&read.series, &splits)
            .map_err(|error| CliError::new(ExitCode::Data, error.to_string()))?;
        if all.iter().any(|other: &Series| other.symbol == adjusted.symbol) {
            let text =
                format!("--data names {} twice: a file's stem is its symbol", adjusted.symbol);
            return Err(CliError::new(ExitCode::Usage, text));
        }
        all.push(adjusted);
    }
    Ok(all)
}

/// The synthetic market of a preset.
///
/// # Errors
/// When there is no such preset.
pub(super) fn synthetic(preset: &str, seed: u64) -> Result<SynthMarket, CliError> {
    let preset = match preset {
        "calm" => Preset::Calm,
        "default" => Preset::Default,
        "minutes" => Preset::Minutes,
        other => {
            let text = format!("--synth `{other}` is none of calm, default, minutes");
            return Err(CliError::new(ExitCode::Usage, text));
        }
    };
    generate(&SynthConfig::of(preset), seed)
        .map_err(|error| CliError::new(ExitCode::Data, error.to_string()))
}

fn symbol_of(path: &Path) -> Result<Symbol, CliError> {
    let stem = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
    let upper = stem.to_uppercase();
    // Any file can be run: one whose name is no symbol is called FILE, as `data check` does.
    Symbol::new(&upper)
        .or_else(|_| Symbol::new("FILE"))
        .map_err(|error| CliError::new(ExitCode::Usage, format!("{}: {error}", path.display())))
}

/// The timeframe that all series have.
///
/// # Errors
/// When there are none, or they differ.
pub(super) fn one_timeframe(series: &[Series]) -> Result<Timeframe, CliError> {
    let none = || CliError::new(ExitCode::Data, "there are no bars to run");
    let first = series.first().ok_or_else(none)?.timeframe;
    match series.iter().find(|other| other.timeframe != first) {
        None => Ok(first),
        Some(other) => {
            let (one, two) = (first.name(), other.timeframe.name());
            let text =
                format!("{} has {two} bars and others {one}: one run, one timeframe", other.symbol);
            Err(CliError::new(ExitCode::Data, text))
        }
    }
}
