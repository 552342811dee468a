//! `budgets`: what may be spent, what is reserved, spent and left: of the process, or of what it left.

use std::io::Write;

use super::audit::log_dir;
use super::control::{Where, show};
use super::error::{CliError, ExitCode};
use super::format::Format;
use crate::adapters::audit_files::has_log;
use crate::adapters::control_http::{Control, store_dir};
use crate::run::desk::budgets;

/// Shows the budgets.
///
/// # Errors
/// When there is neither a process nor a store.
pub async fn run(
    place: &Where,
    format: Format,
    out: &mut (dyn Write + Send),
) -> Result<(), CliError> {
    let dir = store_dir(place.store.as_deref())?;
    let asked = match Control::find(&dir) {
        Ok(control) => control.get("budgets").await,
        Err(error) => Err(error),
    };
    let value = match asked {
        Err(error) if error.code == ExitCode::NotRunning && has_log(&log_dir(&dir)) => {
            budgets::left(&dir)?
        }
        other => other?,
    };
    show(&value, format, out)
}
