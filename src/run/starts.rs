//! The starts of a run's process: how often it did not end in order lately, and what follows from it.
//!
//! A service manager starts a process again that has crashed, and again. More unclean starts within a
//! while than `supervision.unclean_starts_max` are a crash loop: then the process comes up halted
//! (O-3: only a person lifts that) and says so, instead of trading on in a state that nobody
//! understands. Protective exits go on as in every halt.

use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use conclave_actors::council::Council;
use conclave_actors::pump::PumpError;
use conclave_domain::brief::trading::TradingState;
use conclave_domain::mode::By;
use conclave_domain::time::Time;
use serde::{Deserialize, Serialize};

use crate::adapters::clock::now;
use crate::adapters::control_http::HALT_FILE;
use crate::adapters::heartbeat::Heartbeat;
use crate::cli::error::{CliError, ExitCode};
use crate::config::SupervisionSettings;

/// The file in a run's directory.
const FILE: &str = "starts.json";
/// Starts that are remembered, however long the period is.
const KEPT_MAX: usize = 1_024;

/// What the file holds.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Starts {
    /// Whether a process is at work, or ended without saying so.
    running: bool,
    /// Wall times of the unclean starts, milliseconds since the epoch.
    unclean_ms: Vec<i64>,
}

/// This process's start. Dropped without [`Start::ended`], the next start is an unclean one.
#[derive(Debug)]
pub(super) struct Start {
    path: PathBuf,
    starts: Starts,
    settings: SupervisionSettings,
}

impl Start {
    /// Notes a start; it is on the disk when this returns.
    ///
    /// # Errors
    /// When the file cannot be written. One that cannot be read counts as an unclean start.
    pub(super) fn begin(
        dir: &Path,
        settings: &SupervisionSettings,
        now: Time,
    ) -> Result<Self, CliError> {
        Self::note(dir, settings, now).map_err(|error| {
            let text = format!("the start was not noted in {}", dir.display());
            CliError::new(ExitCode::Failure, text).caused_by(error)
        })
    }

    fn note(dir: &Path, settings: &SupervisionSettings, now: Time) -> io::Result<Self> {
        let path = dir.join(FILE);
        let mut starts = match std::fs::read(&path) {
            Ok(bytes) => serde_json::from_slice(&bytes)
                .unwrap_or_else(|_| Starts { running: true, ..Starts::default() }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Starts::default(),
            Err(error) => return Err(error),
        };
        if starts.running {
            starts.unclean_ms.push(now.ms());
        }
        // A clock that was set back leaves starts of the future behind: they count as of now.
        let period = settings.unclean_starts_period;
        starts.unclean_ms.retain(|at| now.since(Time::from_ms(*at)) < period);
        let too_many = starts.unclean_ms.len().saturating_sub(KEPT_MAX);
        starts.unclean_ms.drain(..too_many);
        starts.running = true;
        let start = Self { path, starts, settings: settings.clone() };
        start.write()?;
        Ok(start)
    }

    /// Why the process must come up halted, if it must.
    pub(super) fn loops(&self) -> Option<String> {
        let count = self.starts.unclean_ms.len();
        let SupervisionSettings { unclean_starts_max, unclean_starts_period, .. } = &self.settings;
        let limit = usize::try_from(*unclean_starts_max).unwrap_or(usize::MAX);
        (count > limit).then(|| {
            let minutes = unclean_starts_period.as_secs_f64() / 60.0;
            format!(
                "crash loop: {count} unclean starts within {minutes:.0} min; find out why, then \
                 `conclave resume`"
            )
        })
    }

    /// The process ends in order: its heart has beaten for the last time.
    pub(super) fn ended(mut self) {
        self.starts.running = false;
        let last = Heartbeat::now(now(), true);
        if let Some(dir) = self.path.parent()
            && let Err(error) = last.write(dir)
        {
            tracing::warn!(%error, "the last heartbeat was not written");
        }
        if let Err(error) = self.write() {
            tracing::warn!(%error, "the end was not noted: the next start counts as unclean");
        }
    }

    fn write(&self) -> io::Result<()> {
        let text = serde_json::to_vec(&self.starts)?;
        let fresh = self.path.with_extension("new");
        let mut file = std::fs::File::create(&fresh)?;
        file.write_all(&text)?;
        file.sync_all()?;
        std::fs::rename(fresh, &self.path)
    }
}

/// A process that comes up in a crash loop is halted before its first bar.
///
/// # Errors
/// When the halt cannot be written down: then it does not come up at all.
pub(super) async fn halt(council: &Council, why: &str) -> Result<(), CliError> {
    tracing::error!(why, "coming up halted");
    let _ = writeln!(std::io::stderr(), "conclave: {why}; coming up halted");
    let by = By::Rule("crash_loop");
    let set = council.safety.set_state(TradingState::Halted, by, why).await;
    set.map(drop).map_err(|code| {
        CliError::new(ExitCode::Failure, format!("{why}; the halt was not stored: {code}"))
    })
}

/// A council that has fallen leaves its run halted: whoever starts it again does not trade on.
///
/// Safety has stored the halt if it was still there; the flag file is on the order path in any case.
pub(super) fn leave_halted(dir: &Path, error: &CliError) {
    let fell = std::iter::successors(std::error::Error::source(error), |error| error.source())
        .find_map(|cause| cause.downcast_ref::<PumpError>());
    let Some(PumpError::Fallen(why)) = fell else { return };
    let flag = dir.join(HALT_FILE);
    let written = std::fs::write(&flag, format!("the council has fallen: {why}\n"))
        .and_then(|()| std::fs::File::open(dir)?.sync_all());
    if let Err(error) = written {
        tracing::error!(%error, flag = %flag.display(), "the flag file was not written");
    }
    let text = format!(
        "the council has fallen and the run in {} is halted: find out why, start it again with \
         --resume, then `conclave resume` lets it trade",
        dir.display()
    );
    let _ = writeln!(std::io::stderr(), "conclave: {text}");
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use conclave_actors::market::Gone;
    use tempfile::TempDir;

    use super::*;
    use crate::config::Config;

    fn settings() -> SupervisionSettings {
        Config::default().supervision
    }

    fn at(minute: i64) -> Time {
        Time::from_ms(minute * 60_000)
    }

    #[test]
    fn more_unclean_starts_than_allowed_within_the_period_are_a_crash_loop() {
        let dir = TempDir::new().unwrap();
        for minute in 0..=5 {
            let start = Start::begin(dir.path(), &settings(), at(minute)).unwrap();
            assert_eq!(start.loops(), None, "start {minute}");
        }
        let seventh = Start::begin(dir.path(), &settings(), at(6)).unwrap();
        assert!(seventh.loops().is_some_and(|why| why.contains("6 unclean starts within 10 min")));
        let later = Start::begin(dir.path(), &settings(), at(60)).unwrap();
        assert_eq!(later.loops(), None, "an hour later only this one counts");
    }

    /// O-3: a council that has fallen leaves a halt behind that only a person lifts.
    #[test]
    fn a_fallen_council_leaves_the_flag_file_and_another_failure_does_not() {
        let dir = TempDir::new().unwrap();
        let failed = || CliError::new(ExitCode::Failure, "the run could not go on");
        leave_halted(dir.path(), &failed());
        leave_halted(dir.path(), &failed().caused_by(PumpError::Gone(Gone("market"))));
        assert!(!dir.path().join(HALT_FILE).exists());
        let fallen = PumpError::Fallen("audit ended too often: killed".to_owned());
        leave_halted(dir.path(), &failed().caused_by(fallen));
        let said = std::fs::read_to_string(dir.path().join(HALT_FILE)).unwrap();
        assert!(said.contains("audit ended too often"), "{said}");
    }

    #[test]
    fn an_end_in_order_is_no_crash() {
        let dir = TempDir::new().unwrap();
        for minute in 0..20 {
            let start = Start::begin(dir.path(), &settings(), at(minute)).unwrap();
            assert!(start.loops().is_none() && start.starts.unclean_ms.is_empty());
            start.ended();
        }
    }

    #[test]
    fn a_file_that_says_nonsense_counts_as_a_crash_and_stops_nobody() {
        let dir = TempDir::new().unwrap();
        for nonsense in ["", "{", "[]", "{\"running\":7}"] {
            std::fs::write(dir.path().join(FILE), nonsense).unwrap();
            let start = Start::begin(dir.path(), &settings(), at(0)).unwrap();
            assert_eq!(start.starts.unclean_ms, [0], "{nonsense}");
        }
        let many = Starts { running: true, unclean_ms: vec![0; 5_000] };
        std::fs::write(dir.path().join(FILE), serde_json::to_vec(&many).unwrap()).unwrap();
        let wide =
            SupervisionSettings { unclean_starts_period: Duration::from_hours(24), ..settings() };
        let start = Start::begin(dir.path(), &wide, at(1)).unwrap();
        assert_eq!(start.starts.unclean_ms.len(), KEPT_MAX);
    }
}
