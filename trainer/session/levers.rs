//! What may be changed about a run while it runs, and by how much in all.

use conclave_domain::bounds::{Bounds, within_total};
use conclave_domain::brief::training::TrainingLever;
use conclave_domain::policy::observation::{MARKET, MARKET_COLUMNS};
use conclave_domain::policy::reward::part;
use conclave_domain::ratio::Ratio;

use super::Session;
use crate::checkpoint::CheckpointError;

/// What two ways of computing the same bound may differ by.
const ROUNDING: f64 = 1e-9;
/// What agents call the volume of the bars themselves.
const VOLUME: &str = "volume";
/// Columns that a run keeps, whatever is dropped.
const COLUMNS_MIN: usize = MARKET / 2;

/// Why a lever was not moved. Nothing has changed.
#[derive(Debug, thiserror::Error)]
pub enum LeverError {
    /// The change alone, or with all earlier ones, is beyond its bounds.
    #[error("{name} by {value} is beyond {min} to {max}, which is what is left to change")]
    Bounds {
        /// What was to be changed.
        name: String,
        /// By how much.
        value: Ratio,
        /// The least that is allowed now.
        min: f64,
        /// The most that is allowed now.
        max: f64,
    },
    /// There is no such part of the reward, or no such column in use.
    #[error("there is no {what} `{name}`")]
    Unknown {
        /// What kind of thing.
        what: &'static str,
        /// What was asked for.
        name: String,
    },
    /// A policy that sees too little cannot be trained.
    #[error("half of the columns are dropped already")]
    TooFewColumns,
    /// A lever that cannot be taken back was to be moved among others.
    #[error("a lever that cannot be taken back is moved alone")]
    Alone,
    /// Nothing to go back to.
    #[error("there is no validated checkpoint to go back to")]
    NoBest,
    /// The weights cannot be changed like this.
    #[error("the reward cannot be weighed like this")]
    Weights(#[from] conclave_domain::policy::reward::WeightsError),
    /// A checkpoint could not be written.
    #[error("the checkpoint was not written")]
    Checkpoint(#[from] CheckpointError),
    /// The best parameters do not fit.
    #[error("the best parameters cannot be taken")]
    Restore(#[from] crate::ppo::BadRestore),
}

impl Session {
    /// Moves a lever from the next update on. Bounds hold for each change and for all of them together,
    /// whatever was checked before (B-2).
    ///
    /// # Errors
    /// See [`LeverError`]; nothing has changed then.
    pub fn apply(&mut self, lever: &TrainingLever) -> Result<(), LeverError> {
        let now = self.ppo.levers;
        match lever {
            TrainingLever::LearningRate { value } => {
                let bounds = &self.bounds.lr_multiplier;
                self.ppo.levers.learning_rate = product(lever, bounds, now.learning_rate, *value)?;
            }
            TrainingLever::Entropy { value } => {
                let bounds = &self.bounds.entropy_multiplier;
                self.ppo.levers.entropy = product(lever, bounds, now.entropy, *value)?;
            }
            TrainingLever::BatchSize { value } => {
                let bounds = &self.bounds.batch_multiplier;
                self.ppo.levers.batch = product(lever, bounds, now.batch, *value)?;
            }
            TrainingLever::RewardWeight { part, delta } => self.weigh(lever, part, *delta)?,
            TrainingLever::Checkpoint => self.write_last()?,
            TrainingLever::Rollback => {
                let best = self.best.as_ref().ok_or(LeverError::NoBest)?;
                self.ppo.roll_back(&best.state)?;
            }
            TrainingLever::HaltTraining => self.halted = true,
            TrainingLever::DropColumn { column } => self.drop_column(column)?,
            TrainingLever::PauseForData { column } => {
                // Bars without volume are a fault of the data, whatever columns are made of it.
                if column != VOLUME {
                    place(column)?;
                }
                self.paused = Some(column.clone());
            }
        }
        Ok(())
    }

    /// Moves several levers, all of them or none: one that is refused takes back those before it.
    /// Levers that end, roll back or drop a column stand alone; a checkpoint that was written stays.
    ///
    /// # Errors
    /// See [`LeverError`]; nothing has changed then.
    pub fn apply_all(&mut self, levers: &[TrainingLever]) -> Result<(), LeverError> {
        let is_final = |lever: &TrainingLever| {
            lever.is_critical() || matches!(lever, TrainingLever::DropColumn { .. })
        };
        if levers.len() > 1 && levers.iter().any(is_final) {
            return Err(LeverError::Alone);
        }
        let before = (self.ppo.levers, self.changed, self.ppo.env().weights());
        let paused = self.paused.clone();
        let applied = levers.iter().try_for_each(|lever| self.apply(lever));
        if applied.is_err() {
            let (levers, changed, weights) = before;
            (self.ppo.levers, self.changed, self.paused) = (levers, changed, paused);
            self.ppo.env_mut().pay_by(weights);
        }
        applied
    }

    fn weigh(&mut self, lever: &TrainingLever, name: &str, delta: Ratio) -> Result<(), LeverError> {
        let at = part(name)?;
        let (call, run) = (&self.bounds.reward_weight_delta, &self.bounds.reward_weight_total);
        let so_far = self.changed[at].get();
        let (min, max) = (call.min().max(run.min() - so_far), call.max().min(run.max() - so_far));
        let value = delta.get();
        if value < min - ROUNDING || value > max + ROUNDING {
            return Err(LeverError::Bounds { name: lever.name(), value: delta, min, max });
        }
        let weights = self.ppo.env().weights().changed(name, delta)?;
        self.ppo.env_mut().pay_by(weights);
        self.changed[at] = Ratio::or_zero((so_far + value).max(run.min()).min(run.max()));
        Ok(())
    }

    fn drop_column(&mut self, column: &str) -> Result<(), LeverError> {
        let at = place(column)?;
        let view = self.ppo.env().view();
        if self.dropped.contains(&at) || !view.normalisation().uses(at) {
            return Err(LeverError::Unknown { what: "column in use", name: column.to_owned() });
        }
        if MARKET - self.dropped.len() <= COLUMNS_MIN {
            return Err(LeverError::TooFewColumns);
        }
        let view = view.without(at);
        self.ppo.env_mut().show(view);
        self.dropped.push(at);
        Ok(())
    }
}

/// The product of all factors with one more, within its bounds.
fn product(
    lever: &TrainingLever,
    bounds: &Bounds,
    now: Ratio,
    factor: Ratio,
) -> Result<Ratio, LeverError> {
    let refused = |min, max| LeverError::Bounds { name: lever.name(), value: factor, min, max };
    let allowed = within_total(bounds, now).map_err(|_| refused(bounds.min(), bounds.max()))?;
    let (min, max) = (allowed.min(), allowed.max());
    if factor.get() < min - ROUNDING || factor.get() > max + ROUNDING {
        return Err(refused(min, max));
    }
    let product = (now.get() * factor.get()).max(bounds.min()).min(bounds.max());
    Ok(Ratio::or_zero(product))
}

/// The place of a market column.
fn place(column: &str) -> Result<usize, LeverError> {
    let name = column.chars().take(40).collect();
    let unknown = LeverError::Unknown { what: "column", name };
    MARKET_COLUMNS.iter().position(|name| *name == column).ok_or(unknown)
}
