//! Whether a run may go on: with the same bars, the same strategy and the same seed, and not over its end.

use std::path::Path;

use conclave_domain::record::Step;
use serde_json::Value;

use super::prepare::Prepared;
use crate::adapters::audit_files::replay;
use crate::cli::error::{CliError, ExitCode};

/// Refuses to go on with what would be another run under the same name.
///
/// # Errors
/// With exit code 8 when bars, strategy or seed are not those of the run's start, and with 1 when
/// the run has reached the end of its data.
pub(super) fn check(dir: &Path, prepared: &Prepared) -> Result<(), CliError> {
    let (mut started, mut ended) = (Value::Null, Value::Null);
    let read = replay(dir, 0, |line| match line.step {
        Step::RunStarted if started.is_null() => {
            started = serde_json::from_str(line.body).unwrap_or_default();
        }
        Step::RunEnded => ended = serde_json::from_str(line.body).unwrap_or_default(),
        _ => {}
    });
    read.map_err(|error| CliError::new(ExitCode::Data, error.to_string()).caused_by(error))?;
    if ended.get("end").and_then(Value::as_str) == Some("data") {
        let text = format!("the run in {} has reached the end of its data", dir.display());
        return Err(CliError::new(ExitCode::Failure, text));
    }
    let now = identity(prepared);
    for key in ["data_hash", "strategy", "seed"] {
        let (then, now) = (started.get(key), now.get(key));
        if then.is_some() && then != now {
            let (then, now) = (then.unwrap_or(&Value::Null), now.unwrap_or(&Value::Null));
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

/// What makes a run the same run.
pub(super) fn identity(prepared: &Prepared) -> Value {
    serde_json::json!({
        "data_hash": prepared.data_hash,
        "strategy": prepared.strategy,
        "seed": prepared.config.run.seed,
    })
}
