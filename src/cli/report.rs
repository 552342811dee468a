//! `report`: what a run came to, from the files that it left.

use std::io::Write;

use serde_json::Value;

use super::control::{Where, show};
use super::error::{CliError, ExitCode};
use super::format::Format;
use crate::adapters::control_http::store_dir;

/// Prints a run's summary and where its page lies.
///
/// # Errors
/// When the run has left no report, or its summary is unreadable.
pub fn run(place: &Where, format: Format, out: &mut (dyn Write + Send)) -> Result<(), CliError> {
    let dir = store_dir(place.store.as_deref())?;
    let path = dir.join("summary.json");
    let text = crate::files::read_to_string(&path).map_err(|error| {
        let text = format!("{} has no report: it is written when a run ends", dir.display());
        CliError::new(ExitCode::NotFound, text).caused_by(error)
    })?;
    let summary: Value = serde_json::from_str(&text).map_err(|error| {
        CliError::new(ExitCode::Data, format!("{} is unreadable", path.display())).caused_by(error)
    })?;
    show(&summary, format, out)?;
    if format == Format::Text {
        writeln!(out, "\npage  {}", dir.join("report.html").display())?;
    }
    Ok(())
}
