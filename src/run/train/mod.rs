//! `train`: a policy is trained by PPO, the council guides it, and the report says what came of it.

mod ab;
mod advice;
mod desk;
mod folds;
mod history;
mod listen;
mod logs;
mod one;
mod person;
mod questions;
mod recipe;
mod shown;
mod team;
pub(crate) mod trainers;

use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use conclave_actors::runtime::agent::Entry;
use conclave_actors::training::TEAM;
use conclave_actors::training::run::Ending;
use conclave_actors::training::run::port::Approver;
use conclave_domain::brief::training::EarlierAdvice;
use conclave_domain::market::series::Series;
use conclave_domain::market::symbol::Symbol;
use conclave_domain::mode::Mode;
use conclave_domain::role::AgentName;
use serde_json::{Value, json};

pub(crate) use recipe::is_of_training;
pub use team::AgentChoice;

use super::fresh_id;
use super::recipe::{CONFIG_FILE, DataSource, SourceFile};
use crate::adapters::trainer::{LocalTrainers, Terms};
use crate::cli::error::{CliError, ExitCode};
use crate::cli::format::Format;
use crate::cli::logging;
use crate::cli::progress::Progress;
use crate::cli::train::{AbArgs, SizeArgs, TrainArgs};
use crate::config::{Config, Loaded};
use crate::report::training::{self as report};
use listen::Listen;
use one::{Ended, Plan, train};
use questions::Questions;
use recipe::{TrainRecipe, Wanted};
use shown::{Told, tell};
use trainers::{Judgement, Trainers};

/// A run that is ready to begin or to go on.
struct Ready {
    loaded: Loaded,
    recipe: TrainRecipe,
    bars: Vec<Series>,
    dir: PathBuf,
    id: String,
    names: Vec<AgentName>,
    /// What the agents are told of earlier runs; nothing where the run goes on, which remembers it.
    earlier: Vec<EarlierAdvice>,
}

impl Ready {
    /// A new run of these sizes.
    fn new(size: &SizeArgs, seed: Option<u64>, config: Option<&Path>) -> Result<Self, CliError> {
        let seed = seed.map(|seed| ("run.seed".to_owned(), seed.to_string()));
        let brains = size.brains.iter().flat_map(|brain| {
            let key = |entry: &Entry<_>| format!("agents.{}.brain", entry.role.name);
            TEAM.iter().map(move |entry| (key(entry), brain.clone()))
        });
        let flags: Vec<_> = seed.into_iter().chain(brains).collect();
        let loaded = crate::cli::config::load(config, &flags)?;
        let (recipe, bars) = recipe_of(size, &loaded)?;
        let id = fresh_id();
        let dir = size.out.clone().unwrap_or_else(|| Path::new("runs").join(format!("train-{id}")));
        let id = name_of(&dir);
        let names = size.agents.names(&loaded.config);
        let is_told = !names.is_empty() && !size.no_earlier;
        let earlier = if is_told { advice::earlier(&dir)? } else { Vec::new() };
        Ok(Self { loaded, recipe, bars, dir, id, names, earlier })
    }

    /// The run that lies in a directory, or has this name.
    fn again(place: &Path) -> Result<Self, CliError> {
        let below = Path::new("runs").join(place);
        let dir = if place.is_dir() { place.to_owned() } else { below };
        let recipe = TrainRecipe::read(&dir)?;
        let loaded = crate::cli::config::load(Some(&dir.join(CONFIG_FILE)), &[])?;
        let choice = AgentChoice::Named(recipe.agents.clone());
        let (names, id) = (choice.names(&loaded.config), name_of(&dir));
        let (bars, earlier) = (recipe.bars()?, Vec::new());
        Ok(Self { loaded, recipe, bars, dir, id, names, earlier })
    }

    fn trainers(&self) -> Result<LocalTrainers, CliError> {
        LocalTrainers::new(&self.bars, self.terms())
    }

    fn terms(&self) -> Terms<'_> {
        let TrainRecipe { data_hash, steps, .. } = &self.recipe;
        Terms { config: &self.loaded.config, data_hash, steps: *steps }
    }

    fn header(&self, verb: &str) -> Value {
        let mut header = json!({
            "verb": verb, "version": env!("CARGO_PKG_VERSION"), "seed": self.recipe.seed,
            "steps": self.recipe.steps, "agents": self.names, "data_hash": self.recipe.data_hash,
            "config_hash": self.recipe.config_blake3,
        });
        if !self.earlier.is_empty() {
            header["earlier_runs"] = json!(self.earlier);
        }
        header
    }

    /// Whose advice it is that a run leaves to those after it.
    fn of(&self) -> advice::Of<'_> {
        let TrainRecipe { data_hash, seed, steps, .. } = &self.recipe;
        let (seed, steps) = (*seed, *steps);
        advice::Of { dir: &self.dir, data_hash, bars: &self.bars, seed, steps }
    }

    /// Makes the directory of a new run and writes down what it is made of.
    fn write(&self) -> Result<(), CliError> {
        std::fs::create_dir_all(&self.dir).map_err(|error| {
            let text = format!("{} cannot be made", self.dir.display());
            CliError::new(ExitCode::Failure, text).caused_by(error)
        })?;
        if TrainRecipe::read(&self.dir).is_ok() {
            let text = format!(
                "{} holds a training run already: choose another --out, or go on with it by --resume",
                self.dir.display()
            );
            return Err(CliError::new(ExitCode::Failure, text));
        }
        self.recipe.write(&self.dir, &self.loaded)
    }
}

fn recipe_of(size: &SizeArgs, loaded: &Loaded) -> Result<(TrainRecipe, Vec<Series>), CliError> {
    let symbol = |name: &String| {
        let refused = |error| CliError::new(ExitCode::Usage, format!("--symbols {name}: {error}"));
        Symbol::new(&name.trim().to_uppercase()).map_err(refused)
    };
    let names = size.agents.names(&loaded.config);
    let wanted = Wanted {
        data: source(size, &loaded.config)?,
        symbols: size.symbols.iter().map(symbol).collect::<Result<_, _>>()?,
        seed: loaded.config.run.seed,
        steps: size.steps.unwrap_or_else(|| size.preset.steps()),
        agents: names.into_iter().map(str::to_owned).collect(),
    };
    TrainRecipe::new(wanted, loaded)
}

fn source(size: &SizeArgs, config: &Config) -> Result<DataSource, CliError> {
    if let Some(preset) = &size.synth {
        return Ok(DataSource::Synth { preset: preset.clone(), seed: config.run.seed });
    }
    if size.data.is_empty() {
        return Ok(DataSource::Embedded);
    }
    let files = size.data.iter().map(|path| SourceFile::of(path)).collect::<Result<_, _>>()?;
    let splits = size.splits.as_deref().map(SourceFile::of).transpose()?;
    Ok(DataSource::Files { files, splits })
}

fn name_of(dir: &Path) -> String {
    let dir = std::path::absolute(dir).unwrap_or_else(|_| dir.to_owned());
    dir.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

/// Runs `train`.
///
/// # Errors
/// When the bars, the agents or the trainer refuse; with 8, 10 or 130 where the run waits for a
/// person, was halted by its council, or was stopped.
pub fn run(
    args: &TrainArgs,
    config: Option<&Path>,
    format: Format,
    out: &mut (dyn Write + Send),
) -> Result<(), CliError> {
    let ready = match &args.resume {
        Some(place) => Ready::again(place)?,
        None => Ready::new(&args.size, args.seed, config)?,
    };
    let _ = logging::configure(&ready.loaded.config.log.level);
    #[cfg(feature = "otlp")]
    let _traces = super::traces::begin(&ready.loaded.config)?;
    is_guided(args, &ready.names)?;
    let trainers = ready.trainers()?;
    let folds = LocalTrainers::folds(&ready.bars, ready.terms(), args.folds)?;
    let approver = person::at_the_terminal(args.mode, args.port.is_some())?;
    let listen = listen(args, &ready, approver.clone())?;
    let bar = Arc::new(Progress::steps(ready.recipe.steps));
    let watch = shown::watch(&bar);
    let watch = listen.as_ref().map_or(watch.clone(), |listen| listen.seen.noting(&watch));
    let _signals = person::stops(&watch)?;
    let plan = Plan {
        config: &ready.loaded.config,
        names: &ready.names,
        seed: ready.recipe.seed,
        dir: &ready.dir,
        id: &ready.id,
        resume: args.resume.is_some(),
        mode: args.mode.or_else(|| args.resume.is_none().then_some(Mode::Autonomous)),
        approver: match &listen {
            Some(listen) => Some(Arc::clone(&listen.questions) as Arc<dyn Approver>),
            None => approver,
        },
        watch,
        header: ready.header("train"),
        listen: listen.as_ref(),
        earlier: &ready.earlier,
    };
    if args.resume.is_none() {
        one::prove(&trainers, &plan)?;
        ready.write()?;
    }
    let mut ended = train(&trainers, &plan)?;
    let mut judgement = trainers.judge(&mut ended.trainer)?;
    if ended.driven.ending == Ending::Done && !folds.is_empty() {
        bar.say("walking forward");
        let walked = folds::walk(&folds, &plan)?;
        judgement.rivals.extend(walked);
        judgement.notes.push(folds::NOTE.to_owned());
    }
    bar.finish();
    let told = leave(&ready, &ended, judgement)?;
    if let (Ending::Done | Ending::Halted, Some(guide)) = (&ended.driven.ending, &ended.guide) {
        advice::remember(ready.of(), guide);
    }
    tell(&told, &ready.dir, format, out)?;
    farewell(&ended.driven.ending, &ready.dir)
}

/// Refuses what a run that nobody guides would pass over.
///
/// # Errors
/// With exit code 2; the text names the flag.
fn is_guided(args: &TrainArgs, names: &[AgentName]) -> Result<(), CliError> {
    let SizeArgs { brains, no_earlier, .. } = &args.size;
    let flags = [
        ("--port", args.port.is_some(), "no lever that could be halted"),
        ("--mode", args.mode.is_some(), "no lever that could be moved"),
        ("--brains", brains.is_some(), "nobody who thinks"),
        ("--no-earlier", *no_earlier, "nobody who is told of earlier runs"),
    ];
    match flags.into_iter().find(|(_, is_given, _)| *is_given && names.is_empty()) {
        None => Ok(()),
        Some((flag, _, lacks)) => {
            let text = format!("{flag} is for a run that agents guide: this one has {lacks}");
            Err(CliError::new(ExitCode::Usage, text))
        }
    }
}

/// The HTTP side, where one is asked for.
///
/// # Errors
/// When the token that was given is none.
fn listen(
    args: &TrainArgs,
    ready: &Ready,
    terminal: Option<Arc<dyn Approver>>,
) -> Result<Option<Listen>, CliError> {
    let Some(port) = args.port else { return Ok(None) };
    Listen::on(port, ready.recipe.steps, Questions::new(terminal)).map(Some)
}

/// Writes what the run leaves.
fn leave<T>(ready: &Ready, ended: &Ended<T>, judgement: Judgement) -> Result<Told, CliError> {
    let told = shown::report(ready, ended, judgement);
    let logs = match ended.guide {
        Some(_) => Some(logs::of(&ready.dir)?),
        None => None,
    };
    report::write(&told.report, logs.as_deref(), &ready.dir).map_err(|error| {
        CliError::new(ExitCode::Failure, "the report was not written").caused_by(error)
    })?;
    Ok(told)
}

/// What the process ends with.
fn farewell(ending: &Ending, dir: &Path) -> Result<(), CliError> {
    let shown = dir.display();
    let (code, text) = match ending {
        Ending::Done => return Ok(()),
        Ending::Halted => {
            return Err(CliError::new(ExitCode::Halted, "the council has halted the run"));
        }
        Ending::Paused { column } => {
            let text = format!("the run is paused: a person should look at the column `{column}`");
            (ExitCode::Data, text)
        }
        Ending::Stopped => (ExitCode::Interrupted, "the run was stopped".to_owned()),
    };
    Err(CliError::new(code, format!("{text}; it goes on with `train --resume {shown}`")))
}

/// Runs `train ab`.
///
/// # Errors
/// When there are fewer than five seeds, a run fails, or the arms cannot be compared.
pub fn compare(
    args: &AbArgs,
    config: Option<&Path>,
    format: Format,
    out: &mut (dyn Write + Send),
) -> Result<(), CliError> {
    ab::refuse_few(&args.seeds.0)?;
    let ready = Ready::new(&args.size, None, config)?;
    let trainers = ready.trainers()?;
    let runs = 2 * args.seeds.0.len() as u64;
    let bar = Arc::new(Progress::things(runs * ready.recipe.steps, "steps of all runs"));
    let watch = shown::watch_all(&bar);
    let _signals = person::stops(&watch)?;
    ready.write()?;
    let outcome = ab::compare(
        &trainers,
        &ab::Experiment {
            config: &ready.loaded.config,
            names: &ready.names,
            seeds: &args.seeds.0,
            dir: &ready.dir,
            watch: watch.clone(),
            header: ready.header("train ab"),
            earlier: &ready.earlier,
            of: ready.of(),
            threads: args.threads.unwrap_or_else(ab::cores),
        },
    );
    bar.finish();
    shown::tell_comparison(&outcome?, &ready.dir, format, out)?;
    if watch.stop.load(Ordering::SeqCst) {
        return Err(CliError::new(ExitCode::Interrupted, "the comparison was stopped"));
    }
    Ok(())
}
