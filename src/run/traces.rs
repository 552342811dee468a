//! Where the spans of a process's decisions go, in a binary that can export them. One that cannot refuses
//! the key when it reads the configuration.

use crate::adapters::otlp::Traces;
use crate::cli::error::{CliError, ExitCode};
use crate::config::Config;

/// Exports spans from now on, if that is asked for, until what is returned is dropped: at the end of the
/// process, for what is under way is waited for then.
///
/// # Errors
/// When the address or a variable of the exporter is not taken.
pub(crate) fn begin(config: &Config) -> Result<Traces, CliError> {
    let begun = Traces::begin(&config.telemetry.otlp);
    begun.map_err(|error| CliError::new(ExitCode::Config, error.to_string()))
}
