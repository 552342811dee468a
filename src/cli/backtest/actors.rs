//! `backtest --actors`: the strategy alone through the market actor and one that keeps its account.

use conclave_actors::raw::{self, RawError};
use conclave_domain::engine::{EngineError, EngineResult, RawTerms};
use conclave_domain::market::bar::Timeframe;
use conclave_domain::market::series::Series;
use conclave_domain::market::tape::Tape;
use conclave_domain::strategy::Source;

use super::failed;
use crate::cli::error::{CliError, ExitCode};

/// Slices that travel in one message.
const CHUNK: usize = 256;

/// What the engine gives, from actors.
///
/// # Errors
/// As the engine's, and [`ExitCode::Failure`] when an actor ends.
pub(super) fn run(
    series: &[Series],
    source: &Source,
    terms: &RawTerms,
) -> Result<EngineResult, CliError> {
    let tape = Tape::new(series.to_vec()).map_err(|error| failed(EngineError::from(error)))?;
    // A raw pipeline has no figure that depends on the length of its bars.
    let timeframe = series.iter().map(|one| one.timeframe).min().unwrap_or(Timeframe::Day);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build()?;
    let handle = runtime.handle().clone();
    let played = runtime.block_on(raw::run(tape, timeframe, source, terms, CHUNK, handle));
    played.map_err(|error| match error {
        RawError::Engine(error) => failed(error),
        error => CliError::new(ExitCode::Failure, "the back-test cannot go on").caused_by(error),
    })
}
