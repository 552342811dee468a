//! What a training run needs of a trainer, whatever it is: how one is begun, gone on with and judged.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use conclave_actors::training::run::port::TrainerPort;
use conclave_domain::feasibility::JobPlan;
use conclave_domain::guidance::Guide;
use conclave_domain::ratio::Ratio;

use crate::cli::error::CliError;
use crate::report::training::{Point, Rival};

/// What an update of the policy looked like, for whoever watches.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Beat {
    /// Environment steps so far.
    pub(crate) steps: u64,
    /// Those of this update alone.
    pub(crate) new_steps: u64,
    /// Mean reward of a step.
    pub(crate) reward: f64,
    /// KL divergence of the update, nats.
    pub(crate) kl: f64,
    /// Entropy of the policy, nats.
    pub(crate) entropy: f64,
    /// Learning rate in force.
    pub(crate) learning_rate: f64,
}

/// Hears of every update, on the trainer's thread: must be quick.
pub(crate) type Watcher = Arc<dyn Fn(Beat) + Send + Sync>;

/// What a trainer is given beside its work: who watches, and whether it is to stop.
#[derive(Clone)]
pub(crate) struct Watch {
    /// Hears of every update.
    pub(crate) heard: Watcher,
    /// Hears of every validation, on the trainer's thread.
    pub(crate) validated: Arc<dyn Fn(&Point) + Send + Sync>,
    /// Set where somebody wants the run to end.
    pub(crate) stop: Arc<AtomicBool>,
}

impl std::fmt::Debug for Watch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Watch").field("stop", &self.stop).finish_non_exhaustive()
    }
}

impl Default for Watch {
    fn default() -> Self {
        Self { heard: Arc::new(|_| {}), validated: Arc::new(|_| {}), stop: Arc::default() }
    }
}

impl Watch {
    /// Whether somebody wants the run to end.
    pub(crate) fn is_stopped(&self) -> bool {
        self.stop.load(Ordering::SeqCst)
    }
}

/// A trainer that goes on with a run.
#[derive(Debug)]
pub(crate) struct Resumed<T> {
    /// The trainer, as it was at its last checkpoint.
    pub(crate) trainer: T,
    /// What guidance remembered then; `None` of a run that nobody guided.
    pub(crate) guide: Option<Guide>,
    /// Validations that it had had.
    pub(crate) validations: u32,
}

/// What a trained policy has come to, on bars that neither an update nor a validation has seen.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Judgement {
    /// The measures that two arms are compared by: name, whether more is better, value.
    pub(crate) measures: Vec<(&'static str, bool, Option<Ratio>)>,
    /// The policy beside what anybody could have done.
    pub(crate) rivals: Vec<Rival>,
    /// What a reader must know of it.
    pub(crate) notes: Vec<String>,
}

/// Where trainers come from: one set of bars and settings, any seed.
pub(crate) trait Trainers: Sync {
    /// One trainer.
    type Trainer: TrainerPort + 'static;

    /// The hash of the bars.
    fn data_hash(&self) -> String;

    /// Steps of a whole run, and how often it validates.
    fn job(&self) -> JobPlan;

    /// A trainer at its first step, whose checkpoints go to `dir`.
    ///
    /// # Errors
    /// When the settings or the bars do not do.
    fn begin(&self, seed: u64, dir: &Path, watch: Watch) -> Result<Self::Trainer, CliError>;

    /// The trainer whose checkpoints lie in `dir`.
    ///
    /// # Errors
    /// When there is none, it is damaged, or it is one of other bars or settings.
    fn resume(&self, dir: &Path, watch: Watch) -> Result<Resumed<Self::Trainer>, CliError>;

    /// What the best policy of a run has come to.
    ///
    /// # Errors
    /// When it cannot be looked at.
    fn judge(&self, trainer: &mut Self::Trainer) -> Result<Judgement, CliError>;
}
