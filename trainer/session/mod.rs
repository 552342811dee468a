//! A training run: the trainer over the trading environment, its validations, its levers, its best.
//!
//! Nothing here knows of agents. Whoever drives the run calls [`Session::iterate`] until
//! [`Session::is_boundary`], validates, moves levers, and goes on; with or without levers moved, a run
//! is the same bits for the same configuration, data and seed.
//!
//! # Invariants
//!
//! - B-2: cumulative changes by levers stay within their bounds, whoever asks for them and how often.

mod config;
mod disk;
mod judge;
mod levers;
mod standing;
#[cfg(test)]
mod tests;
mod trial;

use std::path::PathBuf;
use std::sync::Arc;

use conclave_domain::bounds::BoundsTable;
use conclave_domain::brief::training::{UpdateStats, Validation};
use conclave_domain::fixed::FixedError;
use conclave_domain::policy::network::{Policy, PolicyError};
use conclave_domain::policy::reward::PARTS;
use conclave_domain::policy::verdict::Population;
use conclave_domain::ratio::Ratio;
use conclave_domain::time::Time;

pub use config::TrainConfig;
pub(crate) use disk::belongs;
pub use disk::{BEST, LAST};
pub use levers::LeverError;

use crate::checkpoint::{CheckpointError, Problem};
use crate::count::double;
use crate::env::trade::{MarketData, PartTally, Span, TradeConfig, TradeEnv, TradeError, View};
use crate::export;
use crate::ppo::{BadRestore, BadRun, Iteration, Poisoned, Ppo, State};
use crate::validate::{Benchmark, Greedy, Report, Trial, benchmarks, windows};

/// Validations that are remembered for briefs.
const REMEMBERED: usize = 10;

/// Why a run cannot begin or go on.
#[derive(Debug, thiserror::Error)]
pub enum SessionError {
    /// A setting of the run makes no sense.
    #[error("`{name}` must be {bound}")]
    Config {
        /// Which.
        name: &'static str,
        /// What it must be.
        bound: &'static str,
    },
    /// There is nothing to trade in.
    #[error(transparent)]
    Trade(#[from] TradeError),
    /// The trainer cannot run like this.
    #[error(transparent)]
    Run(#[from] BadRun),
    /// Something was not finite; no parameter has moved.
    #[error(transparent)]
    Poisoned(#[from] Poisoned),
    /// A checkpoint could not be written or read.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// A checkpoint is not of this run.
    #[error("the checkpoint is of another run: {0}")]
    Mismatch(#[from] Problem),
    /// A checkpoint's numbers do not fit the run.
    #[error("the checkpoint cannot be gone on from")]
    Restore(#[from] BadRestore),
    /// A checkpoint lacks what a run needs beside its numbers.
    #[error("the checkpoint does not say how the run stood: {0}")]
    Story(String),
    /// A validation's figures left the range of fixed point.
    #[error("the validation cannot be computed")]
    Figures(#[from] FixedError),
    /// All steps are taken, or the run was halted.
    #[error("the run is over")]
    Over,
    /// A lever has paused the run.
    #[error("the run is paused until somebody has looked at `{column}`")]
    Paused {
        /// The column that is at fault.
        column: String,
    },
}

/// The best validation so far, with the parameters that it was of.
#[derive(Clone, Debug)]
struct Best {
    fitness: Ratio,
    state: State,
}

/// A training run.
#[derive(Debug)]
pub struct Session {
    config: TrainConfig,
    bounds: BoundsTable,
    ppo: Ppo<TradeEnv>,
    /// The windows of validations.
    test: Vec<Span>,
    /// The windows of simulations: of the rows that are trained on.
    seen: Vec<Span>,
    cycle: u32,
    best: Option<Best>,
    update: UpdateStats,
    /// The reward's parts up to the last validation.
    parts: PartTally,
    validations: Vec<Validation>,
    population: Population,
    /// Sum of the changes of each weight.
    changed: [Ratio; PARTS],
    /// Columns that a lever has dropped.
    dropped: Vec<usize>,
    /// Updates that simulations have taken.
    tried: u64,
    halted: bool,
    paused: Option<String>,
    folder: Option<PathBuf>,
    /// Whatever whoever drives the run wants to find again after a resume; it goes with checkpoints.
    pub note: serde_json::Value,
}

impl Session {
    /// A run that has taken no step. The last `test_share` of the rows are validated on.
    ///
    /// # Errors
    /// See [`SessionError`].
    pub fn new(
        config: TrainConfig,
        data: Arc<MarketData>,
        bounds: BoundsTable,
    ) -> Result<Self, SessionError> {
        let train = data.cut(config.test_share).train;
        let view = View::fitted(data, &train).map_err(TradeError::from)?;
        Self::with_view(config, view, bounds)
    }

    /// A run over rows that are normalised already.
    fn with_view(
        config: TrainConfig,
        view: View,
        bounds: BoundsTable,
    ) -> Result<Self, SessionError> {
        config.check()?;
        let cut = view.data.cut(config.test_share);
        let (test, seen) =
            (windows(&cut.test, config.windows), windows(&cut.train, config.windows));
        if test.is_empty() {
            return Err(TradeError::NoBars.into());
        }
        let trade = TradeConfig {
            envs: config.envs,
            actions: config.actions,
            terms: config.terms.clone(),
            weights: config.weights,
            seed: config.seed,
        };
        let env = TradeEnv::new(view, cut.train, &trade)?;
        let ppo = Ppo::new(config.ppo.clone(), env, config.seed)?;
        Ok(Self {
            bounds,
            ppo,
            test,
            seen,
            cycle: 0,
            best: None,
            update: UpdateStats::default(),
            parts: PartTally::default(),
            validations: Vec::new(),
            population: Population::default(),
            changed: [Ratio::ZERO; PARTS],
            dropped: Vec::new(),
            tried: 0,
            halted: false,
            paused: None,
            folder: None,
            note: serde_json::Value::Null,
            config,
        })
    }

    /// One rollout and its update.
    ///
    /// # Errors
    /// [`SessionError::Poisoned`] where something was not finite: the policy is that of before, and
    /// another call goes on with other samples. [`SessionError::Over`] and [`SessionError::Paused`].
    pub fn iterate(&mut self) -> Result<Iteration, SessionError> {
        if let Some(column) = &self.paused {
            return Err(SessionError::Paused { column: column.clone() });
        }
        if self.is_done() {
            return Err(SessionError::Over);
        }
        let done = self.ppo.iterate()?;
        let actions = u32::try_from(self.config.actions.count()).unwrap_or(u32::MAX);
        self.update = done.update_stats(self.ppo.config(), actions);
        Ok(done)
    }

    /// Whether a validation is due: after each of so many equal parts of the run's steps, and at its
    /// end.
    pub fn is_boundary(&self) -> bool {
        let due = u128::from(self.config.ppo.total_steps) * (u128::from(self.cycle) + 1);
        let due = due / u128::from(self.config.validations.max(1));
        self.is_done() || u128::from(self.steps()) >= due
    }

    /// Whether all steps are taken, or a lever has ended the run.
    pub fn is_done(&self) -> bool {
        self.halted || self.steps() >= self.config.ppo.total_steps
    }

    /// Whether a lever has ended the run before its last step.
    pub fn is_halted(&self) -> bool {
        self.halted
    }

    /// The column that a person has to look at before the run goes on.
    pub fn paused_for(&self) -> Option<&str> {
        self.paused.as_deref()
    }

    /// Goes on after a pause; a person's decision.
    pub fn go_on(&mut self) {
        self.paused = None;
    }

    /// Share of the run's steps that are done, 0 to 1.
    pub fn progress(&self) -> Ratio {
        let total = double(self.config.ppo.total_steps.max(1));
        Ratio::within_unit(double(self.steps()) / total)
    }

    /// Environment steps so far.
    pub fn steps(&self) -> u64 {
        self.ppo.taken()
    }

    /// Validations so far.
    pub fn cycle(&self) -> u32 {
        self.cycle
    }

    /// The configuration.
    pub fn config(&self) -> &TrainConfig {
        &self.config
    }

    /// The data.
    pub fn data(&self) -> &MarketData {
        &self.ppo.env().view().data
    }

    /// The last validations, at most ten, oldest first.
    pub fn validations(&self) -> &[Validation] {
        &self.validations
    }

    /// How the validations so far fared by the thresholds of a verdict.
    pub fn population(&self) -> &Population {
        &self.population
    }

    /// BLAKE3 over the bits of the parameters.
    pub fn fingerprint(&self) -> [u8; 32] {
        self.ppo.fingerprint()
    }

    /// What trades: the present weights.
    ///
    /// # Errors
    /// Where a weight is not finite, which the guard does not let happen.
    pub fn policy(&self) -> Result<Policy, PolicyError> {
        let normalisation = self.ppo.env().view().normalisation();
        export::policy(self.ppo.actor_critic(), self.config.actions, normalisation)
    }

    /// Plays the policy on windows that it was not trained on, at `at` by the caller's clock. The best
    /// policy so far is kept, and written where the run has a folder.
    ///
    /// # Errors
    /// Where figures leave their range, or the best cannot be written.
    pub fn validate(&mut self, at: Time) -> Result<Validation, SessionError> {
        let report = self.report()?;
        self.parts = self.ppo.env_mut().take_tally();
        self.cycle = self.cycle.saturating_add(1);
        let validation = report.validation(at, self.cycle, self.steps(), self.parts.reward_mean());
        if self.validations.len() == REMEMBERED {
            self.validations.remove(0);
        }
        self.validations.push(validation.clone());
        self.population.take(&validation);
        if self.best.as_ref().is_none_or(|best| best.fitness < report.fitness) {
            self.best = Some(Best { fitness: report.fitness, state: self.ppo.state() });
            self.write_best()?;
        }
        Ok(validation)
    }

    /// How the present policy does on the windows of a validation.
    ///
    /// # Errors
    /// Where figures leave their range.
    pub fn report(&self) -> Result<Report, FixedError> {
        self.play(&self.test)
    }

    fn play(&self, windows: &[Span]) -> Result<Report, FixedError> {
        let mut greedy = Greedy::new(self.ppo.actor_critic(), self.config.actions);
        self.trial(windows).run(&mut greedy)
    }

    fn trial<'a>(&'a self, windows: &'a [Span]) -> Trial<'a> {
        Trial { view: self.ppo.env().view(), windows, terms: &self.config.terms }
    }

    /// How everybody else does on the windows of a validation.
    ///
    /// # Errors
    /// Where figures leave their range.
    pub fn benchmarks(&self) -> Result<Vec<Benchmark>, FixedError> {
        benchmarks(&self.trial(&self.test), self.config.seed)
    }
}
