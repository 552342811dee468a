//! `data check FILE`: every fault with its line and exit 8, or what is strange and exit 0.

use std::collections::BTreeSet;
use std::io::Write;
use std::path::Path;

use conclave_domain::market::csv::CsvRead;
use conclave_domain::market::door::{Door, Warning};
use conclave_domain::market::series::{Series, series_hash};
use conclave_domain::market::splits::adjust;
use conclave_domain::market::symbol::Symbol;
use conclave_domain::time::Time;
use serde::Serialize;

use super::CheckArgs;
use crate::cli::error::{CliError, ExitCode};
use crate::cli::format::{Format, write_json};
use crate::cli::progress::Progress;
use crate::data::{DataError, read_file, read_splits_file};

/// Warnings that are shown as text; a file of illiquid minutes has thousands.
const SHOWN: usize = 20;

/// What `--format json` prints.
#[derive(Serialize)]
struct Document<'a> {
    schema: &'static str,
    ok: bool,
    file: String,
    symbol: &'a Symbol,
    class: &'static str,
    timeframe: &'static str,
    bars: usize,
    first: Option<Time>,
    last: Option<Time>,
    /// The hash of the series as it would be used: adjusted when splits were given.
    data_hash: String,
    ignored_columns: &'a [String],
    warnings: Vec<Noticed>,
}

#[derive(Serialize)]
struct Noticed {
    /// `None` for what the split table itself brought in.
    line: Option<usize>,
    text: String,
}

/// What `--format json` prints of a file that is not valid.
#[derive(Serialize)]
struct Refused<'a> {
    schema: &'static str,
    ok: bool,
    file: String,
    why: String,
    /// How many faults there are; `bad` holds the first of them.
    faults: usize,
    bad: Vec<Bad<'a>>,
}

#[derive(Serialize)]
struct Bad<'a> {
    line: usize,
    column: Option<&'a str>,
    why: String,
}

/// The same whether the file is valid or not.
const SCHEMA: &str = "data-check/1";

pub(super) fn run(args: &CheckArgs, format: Format, out: &mut dyn Write) -> Result<(), CliError> {
    let symbol = symbol(args)?;
    match checked(args, symbol) {
        Ok((read, series, warnings)) => show(args, &read, &series, warnings, format, out),
        Err(error) => {
            if format != Format::Text {
                write_json(&refused(&args.source.file, &error), format, out)?;
            }
            Err(error.into())
        }
    }
}

/// The file as it was read, its series as it would be used, and what is strange about it.
fn checked(args: &CheckArgs, symbol: Symbol) -> Result<(CsvRead, Series, Vec<Noticed>), DataError> {
    let _waiting = Progress::waiting("reads the bars");
    let read = read_file(&args.source.file, &args.source.options(symbol))?;
    let Some(splits) = &args.splits else {
        let (series, warnings) = (read.series.clone(), raw_warnings(&read));
        return Ok((read, series, warnings));
    };
    let adjusted = adjust(&read.series, &read_splits_file(splits)?)?;
    let warnings = adjusted_warnings(&read, &adjusted);
    Ok((read, adjusted, warnings))
}

fn refused<'a>(path: &Path, error: &'a DataError) -> Refused<'a> {
    let (faults, bad) = match error {
        DataError::Faults { source, .. } => {
            let bad = source.shown.iter().map(|at| Bad {
                line: at.line,
                column: at.fault.column(),
                why: at.fault.to_string(),
            });
            (source.total, bad.collect())
        }
        _ => (1, Vec::new()),
    };
    let (file, why) = (path.display().to_string(), error.to_string());
    Refused { schema: SCHEMA, ok: false, file, why, faults, bad }
}

fn show(
    args: &CheckArgs,
    read: &CsvRead,
    series: &Series,
    warnings: Vec<Noticed>,
    format: Format,
    out: &mut dyn Write,
) -> Result<(), CliError> {
    let path = &args.source.file;
    let document = Document {
        schema: SCHEMA,
        ok: true,
        file: path.display().to_string(),
        symbol: &series.symbol,
        class: series.class.name(),
        timeframe: series.timeframe.name(),
        bars: series.bars.len(),
        first: series.bars.first().map(|bar| bar.open_time),
        last: series.bars.last().map(|bar| bar.close_time),
        data_hash: series_hash(std::slice::from_ref(series)),
        ignored_columns: &read.ignored,
        warnings,
    };
    print(&document, format, out)
}

fn print(document: &Document<'_>, format: Format, out: &mut dyn Write) -> Result<(), CliError> {
    if format != Format::Text {
        return write_json(document, format, out);
    }
    let Document { file, symbol, class, timeframe, bars, warnings, .. } = document;
    writeln!(out, "{file}: {bars} bars of {symbol} ({class}, {timeframe})")?;
    if let (Some(first), Some(last)) = (document.first, document.last) {
        writeln!(out, "from {first} to {last}")?;
    }
    if !document.ignored_columns.is_empty() {
        writeln!(out, "columns not used: {}", printable(&document.ignored_columns.join(", ")))?;
    }
    for warning in warnings.iter().take(SHOWN) {
        match warning.line {
            Some(line) => writeln!(out, "warning: line {line}: {}", warning.text)?,
            None => writeln!(out, "warning: with the splits applied: {}", warning.text)?,
        }
    }
    if warnings.len() > SHOWN {
        writeln!(out, "and {} more warnings; --format json has them all", warnings.len() - SHOWN)?;
    }
    writeln!(out, "valid, {} warnings; data hash {}", warnings.len(), document.data_hash)?;
    Ok(())
}

/// A header's text without what could drive a terminal.
fn printable(text: &str) -> String {
    text.replace(char::is_control, " ")
}

/// The symbol that was given, or the file's name where it is one.
fn symbol(args: &CheckArgs) -> Result<Symbol, CliError> {
    if let Some(symbol) = &args.symbol {
        return Ok(symbol.clone());
    }
    let stem = args.source.file.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
    match Symbol::new(&stem.to_ascii_uppercase()) {
        Ok(symbol) => Ok(symbol),
        Err(_) if args.splits.is_some() => {
            Err(CliError::new(ExitCode::Usage, "--splits needs --symbol: the file's name is none"))
        }
        // Nothing depends on it then.
        Err(error) => {
            Symbol::new("FILE").map_err(|_| CliError::new(ExitCode::Usage, error.to_string()))
        }
    }
}

fn raw_warnings(read: &CsvRead) -> Vec<Noticed> {
    let noticed = |(line, warning): &(usize, Warning)| Noticed {
        line: Some(*line),
        text: warning.to_string(),
    };
    read.warnings.iter().map(noticed).collect()
}

/// The warnings of the file less the jumps that splits explain, and the jumps that splits made.
fn adjusted_warnings(read: &CsvRead, adjusted: &Series) -> Vec<Noticed> {
    let mut door = Door::new(adjusted.class, adjusted.timeframe);
    let mut noticed = Vec::new();
    let mut jumps = BTreeSet::new();
    let mut made = Vec::new();
    let known: BTreeSet<Time> =
        read.warnings.iter().filter_map(|(_, warning)| jump(warning)).collect();
    for bar in &adjusted.bars {
        match door.admit(bar) {
            Ok(strange) => {
                for warning in strange {
                    let Some(at) = jump(&warning) else { continue };
                    jumps.insert(at);
                    if !known.contains(&at) {
                        made.push(Noticed { line: None, text: warning.to_string() });
                    }
                }
            }
            // Only a price that a split rounded to nothing comes here.
            Err(error) => made.push(Noticed { line: None, text: error.to_string() }),
        }
    }
    for (line, warning) in &read.warnings {
        if jump(warning).is_none_or(|at| jumps.contains(&at)) {
            noticed.push(Noticed { line: Some(*line), text: warning.to_string() });
        }
    }
    noticed.extend(made);
    noticed
}

fn jump(warning: &Warning) -> Option<Time> {
    match warning {
        Warning::Jump { at, .. } => Some(*at),
        Warning::Gap { .. } | Warning::OffCalendar { .. } => None,
    }
}

/// What a person calls a file in a message.
pub(super) fn shown(path: &Path) -> String {
    printable(&path.display().to_string())
}
