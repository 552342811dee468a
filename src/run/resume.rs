//! Whether a run may go on: with the strategy or the policy, and the seed, that it was started with. Its bars are
//! compared where its directory is opened.

use std::path::Path;

use conclave_domain::record::Step;
use serde_json::Value;

use super::prepare::Prepared;
use crate::adapters::audit_files::first;
use crate::cli::error::{CliError, ExitCode};

/// Refuses to go on with what would be another run under the same name.
///
/// # Errors
/// With exit code 8 when strategy or seed are not those of the run's start.
pub(super) fn check(dir: &Path, prepared: &Prepared) -> Result<(), CliError> {
    let header = first(dir, Step::RunStarted);
    let header = header
        .map_err(|error| CliError::new(ExitCode::Data, error.to_string()).caused_by(error))?;
    let started: Value =
        header.and_then(|body| serde_json::from_str(&body).ok()).unwrap_or_default();
    let now = serde_json::json!({
        "strategy": prepared.source.config(),
        "seed": prepared.config.run.seed,
    });
    for key in ["strategy", "seed"] {
        let (Some(then), Some(now)) = (started.get(key), now.get(key)) else { continue };
        if then != now {
            let text = format!(
                "the run in {} was started with {key} {then}, not {now}: give it what it was \
                 started with, or start another run",
                dir.display()
            );
            return Err(CliError::new(ExitCode::Data, text));
        }
    }
    Ok(())
}
