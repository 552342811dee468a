//! The trainer behind its port: one session of the trainer's crate, and where sessions come from.
//!
//! The newest fifth of the bars is kept away from the session altogether. It trains on the earlier part
//! of the rest and validates on the later one, which agents and the best checkpoint are chosen by; what
//! a run has come to is said of bars that neither has seen.

use std::path::Path;
use std::sync::Arc;

use conclave_actors::training::run::port::{LeverRefused, TrainerFault, TrainerPort};
use conclave_domain::bounds::BoundsTable;
use conclave_domain::brief::training::TrainingLever;
use conclave_domain::feasibility::JobPlan;
use conclave_domain::guidance::{Boundary, Guide, Simulated};
use conclave_domain::market::series::Series;
use conclave_domain::ratio::Ratio;
use conclave_domain::sim_broker::SimConfig;
use conclave_domain::time::Time;
use conclave_trainer::env::trade::{Cut, MarketData, Span, Terms as AccountTerms};
use conclave_trainer::ppo::Iteration;
use conclave_trainer::session::{LAST, Session, SessionError, TrainConfig};
use conclave_trainer::validate::{Report, windows};
use serde_json::json;

use crate::cli::error::{CliError, ExitCode};
use crate::config::Config;
use crate::report::training::Rival;
use crate::run::train::trainers::{Beat, Judgement, Resumed, Trainers, Watch};

/// Share of the bars, the newest, that no run sees before it is judged.
const HELD_OUT: Ratio = Ratio::of(0.2);
/// Validations of a run: enough that an agent with the longest interval has its turn.
const VALIDATIONS: u32 = 20;
/// Windows that the measures of a comparison are taken over.
const WINDOWS: usize = 16;

/// Sessions over one set of bars.
#[derive(Debug)]
pub(crate) struct LocalTrainers {
    config: TrainConfig,
    bounds: BoundsTable,
    /// What is trained and validated on.
    learned: Arc<MarketData>,
    /// All bars, for the features of those that are held out.
    all: Arc<MarketData>,
    held_out: Vec<Span>,
    data_hash: String,
}

/// What sessions are made of beside their bars.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Terms<'a> {
    /// The account, its costs, and the bounds of levers.
    pub(crate) config: &'a Config,
    /// The hash of the bars.
    pub(crate) data_hash: &'a str,
    /// Environment steps in all.
    pub(crate) steps: u64,
}

impl LocalTrainers {
    /// Sessions over these bars, judged by the newest fifth of them.
    ///
    /// # Errors
    /// When there are too few bars.
    pub(crate) fn new(bars: &[Series], terms: Terms<'_>) -> Result<Self, CliError> {
        let all = table(bars)?;
        let held_out = all.cut(HELD_OUT).test;
        Self::before(bars, terms, (all, held_out))
    }

    /// Walk-forward: each learns from all bars before its part, and is judged by that part alone.
    ///
    /// # Errors
    /// When there are too few bars for so many parts.
    pub(crate) fn folds(
        bars: &[Series],
        terms: Terms<'_>,
        count: usize,
    ) -> Result<Vec<Self>, CliError> {
        if count == 0 {
            return Ok(Vec::new());
        }
        let all = table(bars)?;
        let folds = all.folds(count);
        if folds.len() < count {
            let text = format!("there are bars for {} folds, not for {count}", folds.len());
            return Err(CliError::new(ExitCode::Data, text));
        }
        let fold = |cut: Cut| Self::before(bars, terms, (Arc::clone(&all), cut.test));
        folds.into_iter().map(fold).collect()
    }

    /// Sessions over what closed before what is held out.
    fn before(
        bars: &[Series],
        terms: Terms<'_>,
        (all, held_out): (Arc<MarketData>, Vec<Span>),
    ) -> Result<Self, CliError> {
        let begins = |span: &Span| all.times().get(span.rows.start).copied();
        let Some(from) = held_out.iter().filter_map(begins).min() else {
            return Err(CliError::new(ExitCode::Data, "there are too few bars to hold any out"));
        };
        let mut earlier = bars.to_vec();
        for one in &mut earlier {
            one.bars.retain(|bar| bar.close_time < from);
        }
        let Terms { config, data_hash, steps } = terms;
        let mut train = TrainConfig::with_steps(steps);
        train.validations = VALIDATIONS;
        train.terms = account(config);
        Ok(Self {
            config: train,
            bounds: config.limits.bounds.clone(),
            learned: table(&earlier)?,
            all,
            held_out,
            data_hash: data_hash.to_owned(),
        })
    }

    /// Environment steps of one update.
    fn per_update(&self) -> u64 {
        let per_update = self.config.envs.saturating_mul(self.config.ppo.rollout_steps);
        u64::try_from(per_update).unwrap_or(u64::MAX).max(1)
    }

    fn updates(&self) -> u64 {
        self.config.ppo.total_steps.div_ceil(self.per_update())
    }

    fn trainer(&self, session: Session, watch: Watch) -> LocalTrainer {
        let at = self.learned.times().iter().copied().max().unwrap_or(Time::EPOCH);
        LocalTrainer { session, watch, at }
    }
}

fn table(series: &[Series]) -> Result<Arc<MarketData>, CliError> {
    MarketData::new(series).map(Arc::new).map_err(|error| {
        CliError::new(ExitCode::Data, "nothing can be learned from these bars").caused_by(error)
    })
}

/// The account and its costs.
fn account(config: &Config) -> AccountTerms {
    let broker = SimConfig {
        fee_per_trade: config.costs.fee_per_trade,
        slippage: config.costs.slippage,
        crypto_slippage: config.costs.slippage_crypto,
        ..AccountTerms::default().broker
    };
    AccountTerms { cash: config.run.cash, broker, may_short: config.run.direction != "long" }
}

impl Trainers for LocalTrainers {
    type Trainer = LocalTrainer;

    fn data_hash(&self) -> String {
        self.data_hash.clone()
    }

    fn job(&self) -> JobPlan {
        // Validations are cut out of the steps evenly, but there is none without an update before it.
        let steps = u64::from(self.config.validations).min(self.updates());
        JobPlan::Training { steps, envs: 1, steps_per_update: 1, updates_per_validation: 1 }
    }

    fn begin(&self, seed: u64, dir: &Path, watch: Watch) -> Result<LocalTrainer, CliError> {
        let config = TrainConfig { seed, ..self.config.clone() };
        let session = Session::new(config, Arc::clone(&self.learned), self.bounds.clone());
        let mut session = session.map_err(refused)?;
        session.keep_in(dir.to_owned());
        Ok(self.trainer(session, watch))
    }

    fn resume(&self, dir: &Path, watch: Watch) -> Result<Resumed<LocalTrainer>, CliError> {
        if !dir.join(LAST).exists() {
            let text = format!(
                "{} has no checkpoint to go on from: its first validation was not reached",
                dir.display()
            );
            return Err(CliError::new(ExitCode::NotFound, text));
        }
        let data = Arc::clone(&self.learned);
        let mut session = Session::resume(dir, data, self.bounds.clone()).map_err(refused)?;
        if session.is_done() {
            let how = if session.is_halted() { "was halted by its council" } else { "is done" };
            let text =
                format!("the run in {} {how}: there is nothing to go on with", dir.display());
            return Err(CliError::new(ExitCode::Failure, text));
        }
        // Whoever resumes a run that was paused has looked.
        session.go_on();
        let guide = session.note.get("guide").cloned().unwrap_or_default();
        let guide = serde_json::from_value::<Option<Guide>>(guide).map_err(|error| {
            CliError::new(ExitCode::Data, "the checkpoint's notes are unreadable").caused_by(error)
        })?;
        let validations = session.cycle();
        Ok(Resumed { trainer: self.trainer(session, watch), guide, validations })
    }

    fn judge(&self, trainer: &mut LocalTrainer) -> Result<Judgement, CliError> {
        let session = &mut trainer.session;
        let mut notes = Vec::new();
        // The best of its validations is what a run is for; without one it is what it is.
        if session.apply(&TrainingLever::Rollback).is_err() {
            notes.push("No validation was reached: the policy is the last one.".to_owned());
        }
        let population = session.population();
        notes.push(format!("By the thresholds of a verdict: {}.", population.in_words()));
        notes.extend(population.warnings());
        let judged = |windows: &[Span]| {
            session.judge(Arc::clone(&self.all), windows).map_err(|error| {
                CliError::new(ExitCode::Failure, "the policy cannot be judged").caused_by(error)
            })
        };
        let (own, _) = judged(&windows(&self.held_out, WINDOWS))?;
        let (whole, others) = judged(&self.held_out)?;
        let part = self.held_out_in_words();
        let mut rivals = vec![rival("the policy", &part, &whole)];
        rivals.extend(others.iter().map(|other| rival(&other.name, &part, &other.report)));
        notes.push(format!(
            "What happened from {part} neither training nor validation has seen; a row is the mean over \
             the symbols, an account each."
        ));
        let measures = vec![
            ("fitness", true, Some(own.fitness)),
            ("return", true, Some(whole.mean_return)),
            ("sharpe", true, whole.sharpe),
            ("drawdown", false, Some(whole.drawdown)),
        ];
        Ok(Judgement { measures, rivals, notes })
    }
}

impl LocalTrainers {
    /// The days that are held out.
    fn held_out_in_words(&self) -> String {
        let times = self.all.times();
        let first = self.held_out.iter().filter_map(|span| times.get(span.rows.start)).min();
        let last = self.held_out.iter().filter_map(|span| times.get(span.rows.end - 1)).max();
        let day = |time: Option<&Time>| {
            time.map_or_else(String::new, |time| time.to_string().chars().take(10).collect())
        };
        format!("{} to {}", day(first), day(last))
    }
}

fn rival(name: &str, part: &str, report: &Report) -> Rival {
    Rival {
        name: name.to_owned(),
        part: part.to_owned(),
        total_return: report.mean_return,
        sharpe: report.sharpe,
        drawdown: report.drawdown,
        trades: report.trades,
    }
}

fn refused(error: SessionError) -> CliError {
    let code = match error {
        SessionError::Config { .. } | SessionError::Run(_) => ExitCode::Usage,
        _ => ExitCode::Data,
    };
    CliError::new(code, "the trainer cannot run").caused_by(error)
}

/// One session at work.
#[derive(Debug)]
pub(crate) struct LocalTrainer {
    session: Session,
    watch: Watch,
    /// What validations are dated by: nothing in them was known later.
    at: Time,
}

impl LocalTrainer {
    fn tell(&self, done: &Iteration, before: u64) {
        (self.watch.heard)(Beat {
            steps: done.steps,
            new_steps: done.steps.saturating_sub(before),
            reward: done.reward_mean,
            kl: done.kl,
            entropy: done.entropy,
            learning_rate: done.learning_rate,
        });
    }
}

impl TrainerPort for LocalTrainer {
    fn advance(&mut self) -> Result<Boundary, TrainerFault> {
        loop {
            if self.watch.is_stopped() {
                return Err(TrainerFault::Stopped);
            }
            let before = self.session.steps();
            let done = self.session.iterate().map_err(fault)?;
            self.tell(&done, before);
            if self.session.is_boundary() {
                break;
            }
        }
        let validation = self.session.validate(self.at).map_err(fault)?;
        let (standing, is_done) = (self.session.standing(), self.session.is_done());
        Ok(Boundary { standing, validation, is_done })
    }

    fn simulate(&mut self, levers: &[TrainingLever]) -> Option<Simulated> {
        self.session.try_out(levers)
    }

    fn apply(&mut self, levers: &[TrainingLever]) -> Result<(), LeverRefused> {
        self.session.apply_all(levers).map_err(|error| {
            let why = CliError::new(ExitCode::Failure, error.to_string()).chain();
            LeverRefused { why }
        })
    }

    fn keep(&mut self, guide: Option<&Guide>) -> Result<(), TrainerFault> {
        self.session.note = json!({ "guide": guide });
        self.session.write_last().map_err(fault)
    }

    fn fingerprint(&self) -> [u8; 32] {
        self.session.fingerprint()
    }
}

fn fault(error: impl Into<SessionError>) -> TrainerFault {
    let error = error.into();
    let is_poisoned = matches!(error, SessionError::Poisoned(_));
    let what = CliError::new(ExitCode::Failure, "the trainer").caused_by(error).chain();
    if is_poisoned { TrainerFault::Poisoned { what } } else { TrainerFault::Failed { what } }
}
