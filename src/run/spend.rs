//! The ledger of what all runs spend, for a run whose models cost something.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::prepare::Prepared;
use crate::adapters::spend_ledger::{self, SpendFile};
use crate::cli::error::{CliError, ExitCode};
use crate::config::{Config, LEDGER_OF_USER};

/// Opens the ledger for a run in `dir`, where the configuration wants one and somebody is paid. Blocks:
/// to be called outside a runtime.
///
/// # Errors
/// With exit code 3 when it cannot be used.
pub(super) fn of(prepared: &mut Prepared, dir: &Path) -> Result<(), CliError> {
    if !(prepared.is_free() && prepared.news.reader.is_free()) {
        // A run is called there as its directory is.
        let dir = std::path::absolute(dir).unwrap_or_else(|_| dir.to_owned());
        let run = dir.file_name().unwrap_or_default().to_string_lossy();
        prepared.ledger = open(&prepared.config, &run)?;
    }
    Ok(())
}

/// Brings what is settled into the ledger. Blocks: to be called outside a runtime.
pub(super) fn end(prepared: &Prepared) {
    if let Some(Err(error)) = prepared.ledger.as_ref().map(|ledger| ledger.finish()) {
        let error = &error as &dyn std::error::Error;
        tracing::error!(error, "what was not settled in the ledger counts in full for a day");
    }
}

/// Opens the ledger, where the configuration wants one. Blocks.
///
/// # Errors
/// As [`of`].
pub(crate) fn open(config: &Config, run: &str) -> Result<Option<Arc<SpendFile>>, CliError> {
    let refused = |what: &str| CliError::new(ExitCode::Config, format!("`models.ledger` {what}"));
    let named = config.models.ledger.as_str();
    let path = match named {
        "" => return Ok(None),
        LEDGER_OF_USER => spend_ledger::of_user().ok_or_else(|| {
            refused("is auto, but neither XDG_STATE_HOME nor HOME names a folder: name a file")
        })?,
        path => PathBuf::from(path),
    };
    let opened = SpendFile::open(&path, run, &config.budgets);
    let failed = |error| {
        let text = format!(
            "is {}, which cannot be used: name another file, or none to have the caps of an hour and \
             a day hold for each run alone",
            path.display()
        );
        refused(&text).caused_by(error)
    };
    opened.map(|ledger| Some(Arc::new(ledger))).map_err(failed)
}
