//! `data import FILE --symbol SYM --out DIR`: a checked file in our own form.

use std::io::Write;

use conclave_domain::market::csv::write_csv;
use serde_json::json;

use super::ImportArgs;
use super::check::shown;
use super::files::{make_dir, refuse_existing, write_whole};
use crate::cli::error::{CliError, ExitCode};
use crate::cli::format::{Format, write_json};
use crate::cli::progress::Progress;
use crate::data::read_file;

pub(super) fn run(args: &ImportArgs, format: Format, out: &mut dyn Write) -> Result<(), CliError> {
    let target = args.out.join(format!("{}.csv", args.symbol.slug()));
    refuse_existing(std::slice::from_ref(&target), args.force)?;
    let waiting = Progress::waiting("reads the bars");
    let read = read_file(&args.source.file, &args.source.options(args.symbol.clone()))?;
    let mut text = String::new();
    write_csv(&read.series, &mut text).map_err(|error| {
        CliError::new(ExitCode::Failure, "the bars have no text").caused_by(error)
    })?;
    make_dir(&args.out)?;
    write_whole(&target, &text)?;
    drop(waiting);
    let (bars, warnings) = (read.series.bars.len(), read.warnings.len());
    if format != Format::Text {
        let document = json!({
            "schema": "data-import/1",
            "file": target.display().to_string(),
            "symbol": args.symbol,
            "class": read.series.class.name(),
            "timeframe": read.series.timeframe.name(),
            "bars": bars,
            "warnings": warnings,
        });
        return write_json(&document, format, out);
    }
    writeln!(out, "{}: {bars} raw bars of {}, {warnings} warnings", shown(&target), args.symbol)?;
    if warnings > 0 {
        writeln!(out, "`conclave data check {}` names them", shown(&target))?;
    }
    Ok(())
}
