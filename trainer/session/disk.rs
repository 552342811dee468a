//! A run on the disk: `last.safetensors` is what a resume goes on from, `best.safetensors` what the best
//! validation was of.
//!
//! A better validation replaces the best before the last is written. A process that is killed between the
//! two goes on from a last that knows the best before, so that one stays as `former.safetensors` until the
//! last is there.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use conclave_domain::bounds::BoundsTable;
use conclave_domain::brief::training::{UpdateStats, Validation};
use conclave_domain::policy::normalisation::Normalisation;
use conclave_domain::policy::observation::{MARKET, columns};
use conclave_domain::policy::reward::PARTS;
use conclave_domain::policy::verdict::Population;
use conclave_domain::ratio::Ratio;
use serde::{Deserialize, Serialize};

use super::{Best, MarketData, PartTally, Session, SessionError, TrainConfig, View};
use crate::checkpoint::{self, About, Checkpoint, CheckpointError, Problem};
use crate::env::trade::LearnedFrom;
use crate::ppo::State;

/// What a resume goes on from.
pub const LAST: &str = "last.safetensors";
/// The parameters of the best validation.
pub const BEST: &str = "best.safetensors";
/// The best that [`LAST`] knows, while [`BEST`] is a better one.
const FORMER: &str = "former.safetensors";
/// The tensors of the normalisation: a column's mean, and 1 over its standard deviation.
pub(crate) const NORM_MEAN: &str = "norm.mean";
pub(crate) const NORM_FACTOR: &str = "norm.factor";

/// What belongs to a run beside the trainer's own state.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Story {
    pub(crate) config: TrainConfig,
    #[serde(default)]
    pub(crate) learned: Option<LearnedFrom>,
    cycle: u32,
    best_fitness: Option<Ratio>,
    /// BLAKE3 in hexadecimal over the parameters of the best; checkpoints of before did not say it.
    #[serde(default)]
    best_fingerprint: Option<String>,
    /// Updates that simulations have taken.
    #[serde(default)]
    tried: u64,
    update: UpdateStats,
    parts: PartTally,
    validations: Vec<Validation>,
    #[serde(default)]
    population: Population,
    changed: [Ratio; PARTS],
    dropped: Vec<usize>,
    halted: bool,
    paused: Option<String>,
    note: serde_json::Value,
}

impl Session {
    /// Writes checkpoints into a folder from now on; it must be there.
    pub fn keep_in(&mut self, folder: PathBuf) {
        self.folder = Some(folder);
    }

    /// Writes the run as it stands, so that it can be gone on from; nothing happens without a folder.
    ///
    /// # Errors
    /// Where the disk refuses; what was there before is still there.
    pub fn write_last(&self) -> Result<(), CheckpointError> {
        self.write(LAST, self.ppo.state())?;
        // From here on nobody goes back to it; where it cannot be removed, its fingerprint says so.
        if let Some(folder) = &self.folder {
            let _ = fs::remove_file(folder.join(FORMER));
        }
        Ok(())
    }

    /// Writes the best; the one that the last checkpoint knows stays beside it.
    pub(super) fn write_best(&self) -> Result<(), CheckpointError> {
        let (Some(folder), Some(best)) = (&self.folder, &self.best) else { return Ok(()) };
        let (now, former) = (folder.join(BEST), folder.join(FORMER));
        if now.exists() && !former.exists() {
            checkpoint::copy(&now, &former)?;
        }
        self.write(BEST, best.state.clone())
    }

    fn write(&self, name: &str, state: State) -> Result<(), CheckpointError> {
        let Some(folder) = &self.folder else { return Ok(()) };
        let mut checkpoint = Checkpoint::of(&self.ppo, self.about());
        checkpoint.state = state;
        checkpoint.write(&folder.join(name))
    }

    /// What the numbers belong to.
    fn about(&self) -> About {
        let normalisation = self.ppo.env().view().normalisation();
        let tensors = BTreeMap::from([
            (NORM_MEAN.to_owned(), normalisation.means().to_vec()),
            (NORM_FACTOR.to_owned(), normalisation.factors().to_vec()),
        ]);
        let story = Story {
            config: self.config.clone(),
            learned: self.data().learned(),
            cycle: self.cycle,
            best_fitness: self.best.as_ref().map(|best| best.fitness),
            best_fingerprint: self.best.as_ref().map(|best| fingerprint(&best.state)),
            tried: self.tried,
            update: self.update,
            parts: self.parts,
            validations: self.validations.clone(),
            population: self.population,
            changed: self.changed,
            dropped: self.dropped.clone(),
            halted: self.halted,
            paused: self.paused.clone(),
            note: self.note.clone(),
        };
        About {
            features: columns().map(str::to_owned).collect(),
            actions: action_names(&self.config),
            data_hash: self.data().hash().to_owned(),
            config_hash: self.config.hash(),
            // Numbers, words and lists alone: nothing in it is beyond JSON.
            extra: serde_json::to_value(story).unwrap_or_default(),
            tensors,
        }
    }

    /// Goes on with the run that a folder holds, bit for bit.
    ///
    /// # Errors
    /// Where there is none, or it was trained on other data, with other columns or actions.
    pub fn resume(
        folder: &Path,
        data: Arc<MarketData>,
        bounds: BoundsTable,
    ) -> Result<Self, SessionError> {
        let last = Checkpoint::read(&folder.join(LAST))?;
        let (story, normalisation) = belongs(&last)?;
        same("data", &last.about.data_hash, data.hash())?;
        same("configurations", &last.about.config_hash, &story.config.hash())?;
        sound(&last, &story)?;
        let view = View::new(data, normalisation);
        let mut session = Self::with_view(story.config.clone(), view, bounds)?;
        session.ppo.restore(&last.state)?;
        if story.best_fitness.is_some() {
            session.best = Some(best_of(folder, &last, &story)?);
        }
        session.cycle = story.cycle;
        session.update = story.update;
        session.parts = story.parts;
        session.validations = story.validations;
        session.population = story.population;
        session.changed = story.changed;
        session.tried = story.tried;
        session.dropped = story.dropped;
        (session.halted, session.paused) = (story.halted, story.paused);
        session.note = story.note;
        session.folder = Some(folder.to_owned());
        Ok(session)
    }
}

/// Whether a story can be one of this run: what it says is not believed before memory is taken for it.
fn sound(last: &Checkpoint, story: &Story) -> Result<(), SessionError> {
    let of_config = (&story.config.ppo.hidden, story.config.actions.count());
    if of_config != (&last.shape.hidden, last.shape.actions) {
        return Err(SessionError::Story("its networks are not those of its settings".to_owned()));
    }
    let mut dropped = story.dropped.clone();
    dropped.sort_unstable();
    dropped.dedup();
    let is_known = dropped.last().is_none_or(|last| *last < MARKET);
    if dropped.len() != story.dropped.len() || !is_known {
        return Err(SessionError::Story("it has dropped columns that there are not".to_owned()));
    }
    Ok(())
}

/// The best validation that the last checkpoint knows, wherever a kill has left it; it is put in its place.
fn best_of(folder: &Path, last: &Checkpoint, story: &Story) -> Result<Best, SessionError> {
    let (now, former) = (folder.join(BEST), folder.join(FORMER));
    let read = |path: &Path| -> Result<Checkpoint, SessionError> {
        let best = Checkpoint::read(path)?;
        same("data", &best.about.data_hash, &last.about.data_hash)?;
        same("configurations", &best.about.config_hash, &last.about.config_hash)?;
        Ok(best)
    };
    let Some(wanted) = &story.best_fingerprint else {
        // A checkpoint of before: what the best says of itself is all there is.
        let best = read(&now)?;
        let fitness = belongs(&best)?.0.best_fitness.unwrap_or_default();
        return Ok(Best { fitness, state: best.state });
    };
    let fitness = story.best_fitness.unwrap_or_default();
    if former.exists() {
        let best = read(&former)?;
        if fingerprint(&best.state) == *wanted {
            checkpoint::copy(&former, &now)?;
            return Ok(Best { fitness, state: best.state });
        }
    }
    let best = read(&now)?;
    same("best validations", &fingerprint(&best.state), wanted)?;
    Ok(Best { fitness, state: best.state })
}

/// BLAKE3 in hexadecimal over the bits of the parameters.
fn fingerprint(state: &State) -> String {
    blake3::Hash::from_bytes(state.fingerprint()).to_hex().to_string()
}

/// The names of a run's actions in the order of their indices.
pub(crate) fn action_names(config: &TrainConfig) -> Vec<String> {
    config.actions.actions().iter().map(|action| action.name().to_owned()).collect()
}

/// What a checkpoint tells beside its numbers, when it is one of a run over these columns.
pub(crate) fn belongs(checkpoint: &Checkpoint) -> Result<(Story, Normalisation), SessionError> {
    let about = &checkpoint.about;
    let wrong = |error: &dyn std::fmt::Display| SessionError::Story(error.to_string());
    let story: Story =
        serde_json::from_value(about.extra.clone()).map_err(|error| wrong(&error))?;
    let features: Vec<String> = columns().map(str::to_owned).collect();
    checkpoint.expect(&features, &action_names(&story.config))?;
    let tensor = |name: &str| {
        let found = about.tensors.get(name).cloned();
        found.ok_or_else(|| SessionError::Story(format!("there is no tensor {name}")))
    };
    let normalisation = Normalisation::new(tensor(NORM_MEAN)?, tensor(NORM_FACTOR)?)
        .map_err(|error| wrong(&error))?;
    Ok((story, normalisation))
}

fn same(what: &'static str, found: &str, wanted: &str) -> Result<(), Problem> {
    if found == wanted {
        return Ok(());
    }
    Err(Problem::Mismatch { what, found: found.to_owned(), wanted: wanted.to_owned() })
}
