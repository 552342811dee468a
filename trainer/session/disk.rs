//! A run on the disk: `last.safetensors` is what a resume goes on from, `best.safetensors` what the best
//! validation was of.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use conclave_domain::bounds::BoundsTable;
use conclave_domain::brief::training::{UpdateStats, Validation};
use conclave_domain::policy::normalisation::Normalisation;
use conclave_domain::policy::observation::columns;
use conclave_domain::policy::reward::PARTS;
use conclave_domain::policy::verdict::Population;
use conclave_domain::ratio::Ratio;
use serde::{Deserialize, Serialize};

use super::{Best, MarketData, PartTally, Session, SessionError, TrainConfig, View};
use crate::checkpoint::{About, Checkpoint, CheckpointError, Problem};
use crate::ppo::State;

/// What a resume goes on from.
pub const LAST: &str = "last.safetensors";
/// The parameters of the best validation.
pub const BEST: &str = "best.safetensors";
/// The tensors of the normalisation: a column's mean, and 1 over its standard deviation.
pub(crate) const NORM_MEAN: &str = "norm.mean";
pub(crate) const NORM_FACTOR: &str = "norm.factor";

/// What belongs to a run beside the trainer's own state.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Story {
    pub(crate) config: TrainConfig,
    cycle: u32,
    best_fitness: Option<Ratio>,
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
        self.write(LAST, self.ppo.state())
    }

    pub(super) fn write_best(&self) -> Result<(), CheckpointError> {
        match &self.best {
            Some(best) => self.write(BEST, best.state.clone()),
            None => Ok(()),
        }
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
            cycle: self.cycle,
            best_fitness: self.best.as_ref().map(|best| best.fitness),
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
        let view = View::new(data, normalisation);
        let mut session = Self::with_view(story.config.clone(), view, bounds)?;
        session.ppo.restore(&last.state)?;
        let best = folder.join(BEST);
        if story.best_fitness.is_some() {
            let best = Checkpoint::read(&best)?;
            same("data", &best.about.data_hash, &last.about.data_hash)?;
            same("configurations", &best.about.config_hash, &last.about.config_hash)?;
            // By its own word: a process that was killed behind a validation has left a best that the
            // last checkpoint knows nothing of.
            let (of_best, _) = belongs(&best)?;
            let fitness = of_best.best_fitness.unwrap_or_default();
            session.best = Some(Best { fitness, state: best.state });
        }
        session.cycle = story.cycle;
        session.update = story.update;
        session.parts = story.parts;
        session.validations = story.validations;
        session.population = story.population;
        session.changed = story.changed;
        session.dropped = story.dropped;
        (session.halted, session.paused) = (story.halted, story.paused);
        session.note = story.note;
        session.folder = Some(folder.to_owned());
        Ok(session)
    }
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
