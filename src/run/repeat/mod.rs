//! A run from its recipe and its log: once more as it was, or as it would have been.
//!
//! - D-1: same seed, same data, same recorded answers: byte-identical records.
//! - L-1: with the bars behind a day cut off, every record up to that day is the same.
//!
//! Neither touches the run's own directory: both play in a scratch directory that is gone afterwards.

mod acts;
mod compare;
mod outcomes;
#[cfg(test)]
mod planted;
mod scored;
mod script;
mod session;

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use conclave_actors::runtime::recorded::{MutedGuardian, RecordedBrain, Recording};
use conclave_domain::fixed::Bp;
use conclave_domain::record::{Anchor, Step};
use conclave_domain::role::AgentName;
use conclave_domain::time::Time;
use metrics_exporter_prometheus::PrometheusHandle;

use compare::Comparison;
pub(crate) use conclave_actors::runtime::compare::Difference;
use conclave_actors::runtime::compare::{Expected, Lines};
pub(crate) use outcomes::{Decided, Outcome};
pub(crate) use scored::Scored;
pub(crate) use script::Barrier;
use script::{Ending, Expiries, Script};
use session::Stage;

use acts::Act;

use super::consulted::{Asked, Consulted};
use super::inside::Room;
use super::prepare::{Prepared, refuse_live};
use super::recipe::{CONFIG_FILE, Recipe};
use crate::brains::{MODEL, RULES};
use crate::cli::audit::log_dir;
use crate::cli::error::{CliError, ExitCode};
use crate::config::{self, Config};
use crate::report::RunReport;

/// How many acts of persons may have come in the middle of a bar: each costs a repetition.
const TRIES: usize = 16;

/// A run that can be repeated.
#[derive(Debug)]
pub(crate) struct Source {
    log: std::path::PathBuf,
    recipe: Recipe,
    prepared: Prepared,
    config_file: std::path::PathBuf,
}

/// What came of repeating a run as it was.
#[derive(Debug)]
pub(crate) struct Repeated {
    /// Records that were the same.
    pub(crate) same: u64,
    /// Where the log ends.
    pub(crate) end: Anchor,
    /// The first record that is not the same.
    pub(crate) difference: Option<Difference>,
    /// Where the exact part ends before the log does.
    pub(crate) barrier: Option<Barrier>,
    /// Whether the log ends in the middle of a run.
    pub(crate) is_open: bool,
    /// Processes of the run.
    pub(crate) sessions: usize,
}

/// What shall be otherwise in a what-if.
#[derive(Clone, Debug, Default)]
pub(crate) struct Changes {
    /// Agents that are not asked; the Risk Guardian is asked, and does not object by itself.
    pub(crate) mute: BTreeSet<AgentName>,
    /// Keys of the configuration with their values, as on a command line.
    pub(crate) set: Vec<(String, String)>,
    /// The fee on the value of each fill.
    pub(crate) fees: Option<Bp>,
}

/// A run as it would have been.
#[derive(Debug)]
pub(crate) struct Told {
    /// Its report.
    pub(crate) report: RunReport,
    /// What became of its decisions, in order.
    pub(crate) decided: Vec<Decided>,
    /// The agents whose recorded answers were given again, whatever they were asked.
    pub(crate) frozen: BTreeSet<AgentName>,
}

/// A run as it was: what a what-if is held against.
#[derive(Debug)]
pub(crate) struct Base {
    /// Its report.
    pub(crate) report: RunReport,
    /// What became of its decisions, in order.
    pub(crate) decided: Vec<Decided>,
    /// What its agents were asked and what that cost then; a repetition asks nobody.
    pub(crate) asked: Asked,
    /// What a reader must know of it.
    pub(crate) note: Option<String>,
}

impl Changes {
    /// Whether nothing shall be otherwise.
    pub(crate) fn is_none(&self) -> bool {
        self.mute.is_empty() && self.set.is_empty() && self.fees.is_none()
    }
}

impl Source {
    /// Opens the run in `dir`: its recipe, its bars, its configuration.
    ///
    /// # Errors
    /// With exit code 5 when there is no recipe, 8 when it, the configuration or the bars are not what
    /// the run was begun with; the text names which.
    pub(crate) fn open(dir: &Path) -> Result<Self, CliError> {
        let recipe = Recipe::read(dir)?;
        if recipe.data.is_open() {
            let text = format!(
                "{} is a run of an open market: what its broker said cannot be said again; `report` \
                 and `audit` read it",
                dir.display()
            );
            return Err(CliError::new(ExitCode::Usage, text));
        }
        let config_file = dir.join(CONFIG_FILE);
        let config = configured(&config_file, &[])?;
        recipe.check_files()?;
        let prepared = Prepared::of(recipe.clone(), config)?;
        for (what, said, found) in [
            ("configuration", &recipe.config_hash, &prepared.config_hash),
            ("bars", &recipe.data_hash, &prepared.data_hash),
        ] {
            if said != found {
                let text = format!(
                    "the {what} of {} cannot be had again: their hash was {said} and is {found} (the \
                     run was begun by version {}, this is {})",
                    dir.display(),
                    recipe.version,
                    env!("CARGO_PKG_VERSION")
                );
                return Err(CliError::new(ExitCode::Data, text));
            }
        }
        Ok(Self { log: log_dir(dir), recipe, prepared, config_file })
    }

    /// Whether any bar opens behind a moment: otherwise nothing is cut off there.
    pub(crate) fn has_bars_behind(&self, until: Time) -> bool {
        let last = self.prepared.series.iter().filter_map(|one| one.bars.last());
        last.map(|bar| bar.open_time).any(|opens| opens > until)
    }

    /// Repeats the run as it was and compares every record. With `until`, the bars that open behind
    /// that moment are cut off, and the records up to the last bar are compared.
    ///
    /// # Errors
    /// With exit code 8 when the log is damaged or not of this recipe.
    pub(crate) fn repeat(
        &self,
        until: Option<Time>,
        metrics: &PrometheusHandle,
    ) -> Result<(Repeated, Option<RunReport>), CliError> {
        let mut early = BTreeSet::new();
        loop {
            let tried = self.try_to_repeat(until, &early, metrics)?;
            let missed = tried.0.difference.as_ref().and_then(|it| it.expected.as_ref());
            let missed = missed.filter(|line| Act::of(line).is_some()).map(|line| line.seq);
            // Something was written where a person's act comes first: the next try applies it sooner.
            match missed {
                Some(seq) if early.len() < TRIES && early.insert(seq) => {}
                _ => return Ok(tried),
            }
        }
    }

    fn try_to_repeat(
        &self,
        until: Option<Time>,
        early: &BTreeSet<u64>,
        metrics: &PrometheusHandle,
    ) -> Result<(Repeated, Option<RunReport>), CliError> {
        let script = Script::read(&self.log, &self.recipe)?;
        let mut prepared = match until {
            None => self.prepared.clone(),
            Some(until) => self.prepared.cut(until)?,
        };
        let (cut, is_open) = (until.map(|_| Cut::of(&prepared)), script.is_open());
        let lines = script::expected(&self.log, script.exact_to())?;
        let lines: Lines = match cut {
            None => lines,
            Some(cut) => Box::new(lines.filter(move |line| !cut.is_witness_behind(line))),
        };
        let with = Comparison::new(lines, script.end, is_open);
        let Script { recording, sessions, end, barrier, expiries, .. } = script;
        answer_again(&mut prepared, recording);
        let room = Room::new()?;
        let (with_log, is_cut) = (Some(with.clone()), cut.is_some());
        let early = early.clone();
        let stage = Stage {
            with: with_log,
            is_cut,
            expiries,
            early,
            ..self.stage(&room, prepared, metrics)
        };
        let count = sessions.len();
        let mut report = None;
        for (nth, ending) in sessions.into_iter().enumerate() {
            if with.is_settled() {
                break;
            }
            report = session::play(&stage, ending, nth > 0)?;
        }
        match cut {
            None if !is_open => with.finish(),
            Some(cut) if with.due().is_some_and(|line| line.at <= cut.last) => with.finish(),
            _ => {}
        }
        let difference = with.difference();
        let same = with.same();
        let sessions = count;
        let repeated = Repeated { same, end, difference, barrier, is_open, sessions };
        Ok((repeated, report))
    }

    /// The run as it was, for a what-if to be held against: its exact repetition where the whole of it
    /// was one process's, else its bars played once more from first to last.
    ///
    /// # Errors
    /// As [`Source::repeat`].
    pub(crate) fn as_it_was(&self, metrics: &PrometheusHandle) -> Result<Base, CliError> {
        let (repeated, report) = self.repeat(None, metrics)?;
        let is_one = repeated.difference.is_none() && repeated.sessions == 1;
        let told = Consulted::read(&self.log)?.map(|consulted| consulted.asked());
        if let Some(report) = report.filter(|_| is_one) {
            let decided = outcomes::read(&self.log)?;
            let asked = told.unwrap_or_else(|| Asked::of(&report));
            return Ok(Base { report, decided, asked, note: None });
        }
        let why = match &repeated.difference {
            Some(difference) => format!("record {} cannot be repeated", difference.seq),
            None => "it was stopped, or went on, in the middle".to_owned(),
        };
        let note = format!("the run as it was is its bars played once more from the first: {why}");
        let Told { report, decided, .. } = self.play_otherwise(&Changes::default(), metrics)?;
        let asked = told.unwrap_or_else(|| Asked::of(&report));
        Ok(Base { report, decided, asked, note: Some(note) })
    }

    /// Plays the run as it would have been: rules think anew, models' answers are those of then.
    ///
    /// # Errors
    /// With exit code 3 when the changed configuration is refused, or asks for a model that was not asked.
    pub(crate) fn play_otherwise(
        &self,
        changes: &Changes,
        metrics: &PrometheusHandle,
    ) -> Result<Told, CliError> {
        let room = Room::new()?;
        let (report, frozen) = self.play_in(&room, changes, metrics, false)?;
        Ok(Told { report, decided: outcomes::read(room.path())?, frozen })
    }

    /// The same in a room that is still there afterwards, and without a bar of progress if it `is_quiet`:
    /// the report, and whose recorded answers were given again.
    fn play_in(
        &self,
        room: &Room,
        changes: &Changes,
        metrics: &PrometheusHandle,
        is_quiet: bool,
    ) -> Result<(RunReport, BTreeSet<AgentName>), CliError> {
        let script = Script::read(&self.log, &self.recipe)?;
        let mut prepared = self.otherwise(changes)?;
        if script.is_open() {
            prepared = prepared.cut_closed(script.last_at)?;
        }
        // Whoever shall think by rules now does so, whoever has thought for it then.
        let thinks =
            |name: &AgentName| prepared.config.agents.get(name).map(|it| it.brain.as_str());
        let modelled = |name: &AgentName| {
            thinks(name) == Some(MODEL)
                && script.recording.brain(name).is_some()
                && !changes.mute.contains(name)
        };
        let frozen: BTreeSet<AgentName> =
            prepared.agents.keys().copied().filter(modelled).collect();
        // Where the dictionary takes the place of a model that read, the news are read anew.
        let read_by = &self.prepared.config.models.news_reader;
        if *read_by == prepared.config.models.news_reader {
            prepared.news.told = script.recording.news();
        }
        let recording = script.recording.share();
        for (name, agent) in &mut prepared.agents {
            if frozen.contains(name) {
                agent.brain = Arc::new(RecordedBrain::new(name, &recording));
            } else if changes.mute.contains(name) {
                agent.brain = Arc::new(MutedGuardian);
            }
        }
        let stage = Stage { acts: script.acts, is_quiet, ..self.stage(room, prepared, metrics) };
        let report = session::play(&stage, Ending::Data, false)?;
        let no_end = || CliError::new(ExitCode::Failure, "the run came to no end");
        Ok((report.ok_or_else(no_end)?, frozen))
    }

    /// The run with what shall be otherwise.
    fn otherwise(&self, changes: &Changes) -> Result<Prepared, CliError> {
        let mut config = configured(&self.config_file, &changes.set)?;
        refuse_live(&config)?;
        for (name, agent) in &mut config.agents {
            // The guardian is asked all the same: its hard limits stay.
            let is_muted = changes.mute.contains(name) && *name != MutedGuardian::AGENT;
            agent.enabled = agent.enabled && !is_muted;
        }
        for (name, agent) in &config.agents {
            let was = self.prepared.config.agents.get(name).map(|it| it.brain.as_str());
            if agent.brain == MODEL && was != Some(MODEL) {
                let text = format!(
                    "`{name}` has thought by rules, and what a model would have said was not \
                     recorded: only rules can take the place of a model"
                );
                return Err(CliError::new(ExitCode::Config, text));
            }
        }
        let (was, is) = (&self.prepared.config.models.news_reader, &config.models.news_reader);
        if is == MODEL && was != MODEL {
            let text = "the news were read by the dictionary, and what a model would have read was not \
                        recorded";
            return Err(CliError::new(ExitCode::Config, text));
        }
        let mut prepared = Prepared::of(self.recipe.clone(), config)?;
        if let Some(fees) = changes.fees {
            prepared.custody.sim.fee = fees;
        }
        Ok(prepared)
    }

    fn stage<'a>(
        &self,
        room: &'a Room,
        prepared: Prepared,
        metrics: &PrometheusHandle,
    ) -> Stage<'a> {
        Stage {
            dir: room.path(),
            prepared,
            chunk: self.recipe.chunk,
            lift: self.recipe.lift_halt_after(),
            with: None,
            acts: Vec::new(),
            expiries: Expiries::new(),
            early: BTreeSet::new(),
            is_cut: false,
            is_quiet: false,
            metrics: metrics.clone(),
        }
    }
}

/// Gives the recorded answers again, and what befell those who gave none.
///
/// A run with faults on request is given its own faults instead: the log holds what they made of an
/// answer, and rules give the answer itself once more.
fn answer_again(prepared: &mut Prepared, recording: Recording) {
    let has_faults = !prepared.faults.is_off();
    if !has_faults {
        prepared.faults = recording.faults();
    }
    let is_rules = |name: &AgentName| recording.brain(name).is_none_or(|brain| brain == RULES);
    let anew: BTreeSet<AgentName> =
        prepared.agents.keys().copied().filter(|name| has_faults && is_rules(name)).collect();
    prepared.news.told = recording.news();
    let recording = recording.share();
    for (name, agent) in prepared.agents.iter_mut().filter(|(name, _)| !anew.contains(*name)) {
        agent.brain = Arc::new(RecordedBrain::new(name, &recording));
    }
}

/// The configuration in a run's directory, with keys set otherwise. The environment has no say: it may
/// be another one than the run's.
fn configured(file: &Path, set: &[(String, String)]) -> Result<Config, CliError> {
    config::load(Some(file), std::iter::empty(), set)
        .map(|loaded| loaded.config)
        .map_err(|errors| CliError::new(ExitCode::Config, errors.to_string()))
}

/// Where bars were cut off.
#[derive(Clone, Copy, Debug)]
struct Cut {
    /// When the last day that is left opened.
    day: Time,
    /// When the last bar that is left closed.
    last: Time,
}

impl Cut {
    fn of(prepared: &Prepared) -> Self {
        let bars = prepared.series.iter().filter_map(|one| one.bars.last());
        let last = bars.clone().map(|bar| bar.close_time).max().unwrap_or(Time::EPOCH);
        let day = bars.map(|bar| bar.open_time).max().unwrap_or(Time::EPOCH);
        Self { day, last }
    }

    /// A session's witness is written when its chunk is looked at, before what is decided in the chunk:
    /// those of the sessions that were cut off are not there, and the last one's comes with the end.
    fn is_witness_behind(&self, line: &Expected) -> bool {
        line.step == Step::SessionDigest && line.at > self.day
    }
}
