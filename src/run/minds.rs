//! Who thinks in a run: connected before anything is written, recorded once there is a directory.

use std::convert::Infallible;
use std::future::pending;
use std::path::Path;
use std::sync::Arc;

use conclave_actors::models::tape::shelf::Shelf;
use conclave_actors::news::reader::NewsReader;
use conclave_actors::runtime::agent::Entry;
use conclave_actors::trading;
use tokio::sync::watch;

use super::prepare::Prepared;
use super::recipe::Recipe;
use super::{RunArgs, expected};
use crate::brains::{Minds, TAPE_FILE};
use crate::cli::error::{CliError, ExitCode};

/// Connects to who is asked, or opens the tape that is played instead; gives everybody their brain, and
/// tells what that will cost. Inside a runtime.
///
/// # Errors
/// When a provider or the tape cannot be used, or the agents could never be asked.
pub(super) async fn of(prepared: &mut Prepared) -> Result<Minds, CliError> {
    let minds = opened(prepared).await?;
    seat(&minds, prepared)?;
    expected::tell(prepared)?;
    Ok(minds)
}

async fn opened(prepared: &Prepared) -> Result<Minds, CliError> {
    let played = prepared.recipe.as_ref().and_then(|recipe| recipe.tape.as_ref());
    if let Some(tape) = played {
        return Minds::recorded(&tape.path);
    }
    let mut minds = Minds::live(&prepared.config).await?;
    if let Some(tape) = prepared.recipe.as_ref().and_then(Recipe::played_first) {
        minds = minds.behind(tape)?;
    }
    Ok(minds)
}

/// Done before anything is written, so that what cannot be asked leaves nothing behind.
fn seat(minds: &Minds, prepared: &mut Prepared) -> Result<(), CliError> {
    for entry in trading::TEAM {
        if let Some(setup) = prepared.agents.get_mut(entry.role.name) {
            setup.brain = minds.brain(*entry, &prepared.config)?;
        }
    }
    if let Some(universe) = &mut prepared.universe {
        universe.seat(minds, &prepared.config)?;
    }
    prepared.news.reader = minds.brain(Entry::of::<NewsReader>(), &prepared.config)?;
    prepared.shelf = minds.shelf().cloned();
    prepared.gateway = minds.gateway().cloned();
    Ok(())
}

/// Gives those that ask models a tape to write to.
///
/// # Errors
/// When the tape cannot be written.
pub(super) fn record(
    minds: &mut Minds,
    args: &RunArgs,
    prepared: &mut Prepared,
    dir: &Path,
) -> Result<(), CliError> {
    let begun = prepared.recipe.as_ref().and_then(|recipe| recipe.tape_to.clone());
    let tape = args.written_tape()?.or(begun).unwrap_or_else(|| dir.join(TAPE_FILE));
    minds.record(&tape, &prepared.config)?;
    seat(minds, prepared)
}

/// Stops the run as soon as a question differs from its tape; nothing of what follows means anything.
pub(super) async fn stop_at_difference(
    shelf: Option<Arc<Shelf>>,
    stop: watch::Sender<bool>,
) -> Infallible {
    if let Some(shelf) = shelf {
        let mut faulted = shelf.faulted();
        if faulted.wait_for(|faulted| *faulted).await.is_ok() {
            stop.send_replace(true);
        }
    }
    pending().await
}

/// What did not agree with the tape, if anything.
///
/// # Errors
/// With exit code 8, naming the consultation.
pub(super) fn agree(prepared: &Prepared) -> Result<(), CliError> {
    let fault = prepared.shelf.as_ref().and_then(|shelf| shelf.fault());
    fault.map_or(Ok(()), |fault| {
        let text = "the run is not the one that its tape was recorded in: the same bars, \
                    configuration and version are needed";
        Err(CliError::new(ExitCode::Data, text).caused_by(fault))
    })
}

/// What a reader of the run must know of its providers.
pub(super) fn notes(prepared: &Prepared) -> Vec<String> {
    let standings = prepared.gateway.iter().flat_map(|gateway| gateway.standings());
    standings.flat_map(|standing| standing.notes()).collect()
}

/// A run whose models were asked and never answered is none with models.
///
/// # Errors
/// With exit code 9, saying what to do.
pub(super) fn answered(prepared: &Prepared) -> Result<(), CliError> {
    let Some(gateway) = &prepared.gateway else { return Ok(()) };
    let standings = gateway.standings();
    let failed: u64 = standings.iter().map(|standing| standing.failed).sum();
    if failed == 0 || standings.iter().any(|standing| standing.answered > 0) {
        return Ok(());
    }
    let mut text = format!("no model ever answered: {failed} requests failed");
    for note in notes(prepared) {
        text.push_str("\n  ");
        text.push_str(&note);
    }
    Err(CliError::new(ExitCode::Broker, text))
}
