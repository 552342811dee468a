//! One life of a process: started, watched from the outside, and killed or waited for.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use serde_json::Value;
use tokio::time::{Instant, sleep};

use crate::cli::error::{CliError, ExitCode};

/// How often a process is looked at.
pub(super) const LOOK: Duration = Duration::from_millis(2);
/// A process that neither serves nor ends within this time hangs.
pub(super) const PATIENCE: Duration = Duration::from_mins(5);

/// When a process is killed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Plan {
    /// So long after it was started.
    KillAfterStart(Duration),
    /// So long after it has written the first record of a new bar.
    KillAfterServing(Duration),
    /// Never.
    ToTheEnd,
}

/// How a process ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Ended {
    /// By our hand.
    Killed,
    /// With exit code 0.
    InOrder,
    /// Otherwise; what it said.
    Failed(String),
}

/// What was seen of a life.
#[derive(Debug)]
pub(super) struct Lived {
    pub(super) how: Ended,
    /// From its start to the first record of a new bar.
    pub(super) served_ms: Option<u64>,
    /// Which way it went on, if it did.
    pub(super) way: Option<String>,
    /// The record from which it went on.
    pub(super) from: Option<u64>,
}

/// A process to be.
#[derive(Debug)]
pub(super) struct Life {
    dir: PathBuf,
    room: PathBuf,
    args: Vec<String>,
}

/// All bytes of a stream, its segments in order.
pub(super) fn segments(dir: &Path, stream: &str) -> Vec<u8> {
    let Ok(entries) = fs::read_dir(dir) else { return Vec::new() };
    let is_segment = |path: &PathBuf| {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let is_lines = path.extension().is_some_and(|end| end == "jsonl");
        is_lines && name.starts_with(&format!("{stream}-"))
    };
    let mut paths: Vec<PathBuf> =
        entries.flatten().map(|entry| entry.path()).filter(is_segment).collect();
    paths.sort();
    paths.iter().flat_map(|path| fs::read(path).unwrap_or_default()).collect()
}

/// The observations of one step.
pub(super) fn observed(dir: &Path, step: &str) -> Vec<Value> {
    let bytes = segments(dir, "observations");
    let text = String::from_utf8_lossy(&bytes);
    let named = format!("\"step\":\"{step}\"");
    let lines = text.lines().filter(|line| line.contains(&named));
    lines.filter_map(|line| serde_json::from_str(line).ok()).collect()
}

/// Bytes of a stream's segments.
fn size(dir: &Path, stream: &str) -> u64 {
    let Ok(entries) = fs::read_dir(dir) else { return 0 };
    let ours = entries
        .flatten()
        .filter(|entry| entry.file_name().to_string_lossy().starts_with(&format!("{stream}-")));
    ours.filter_map(|entry| entry.metadata().ok()).map(|file| file.len()).sum()
}

/// Whether a process has caught up, looked at only where something was observed.
struct Seen {
    observed: u64,
    is_open: bool,
}

impl Seen {
    fn is_open(&mut self, dir: &Path, resumed: usize) -> bool {
        let now = size(dir, "observations");
        if !self.is_open && now != self.observed {
            self.observed = now;
            self.is_open = observed(dir, "run.resumed").len() > resumed;
        }
        self.is_open
    }
}

fn binary() -> Result<Command, CliError> {
    let own = std::env::current_exe()?;
    Ok(Command::new(own))
}

/// `audit verify` of a run; what it said where it did not succeed.
pub(super) fn verify(dir: &Path, room: &Path) -> Result<Result<(), String>, CliError> {
    let said = binary()?.current_dir(room).args(["audit", "verify"]).arg(dir).output()?;
    let text = String::from_utf8_lossy(&said.stderr).trim().to_owned();
    Ok(if said.status.success() { Ok(()) } else { Err(text) })
}

impl Life {
    pub(super) fn new(dir: &Path, room: &Path, args: &[String]) -> Self {
        Self { dir: dir.to_owned(), room: room.to_owned(), args: args.to_vec() }
    }

    /// The run's directory.
    pub(super) fn dir(&self) -> &Path {
        &self.dir
    }

    /// How a process came to its end by itself.
    pub(super) fn ended(&self, status: ExitStatus) -> Ended {
        let said = fs::read_to_string(self.dir.with_extension("errors"));
        let text = format!("{status}: {}", said.unwrap_or_default().trim());
        if status.success() { Ended::InOrder } else { Ended::Failed(text) }
    }

    pub(super) fn start(&self) -> Result<Child, CliError> {
        let is_there = size(&self.dir, "audit") > 0;
        if !is_there && self.dir.exists() {
            // It was killed before its first record: there is nothing to go on with.
            fs::remove_dir_all(&self.dir)?;
        }
        let errors = fs::File::create(self.dir.with_extension("errors"))?;
        let mut command = binary()?;
        command.current_dir(&self.room).arg("run").args(&self.args);
        command.arg(if is_there { "--resume" } else { "--out" }).arg(&self.dir);
        command.args(["--port", "0", "--broker-journal"]).arg(self.dir.with_extension("journal"));
        // We are the crash loop that a run protects itself from.
        command.env("CONCLAVE__SUPERVISION__UNCLEAN_STARTS_MAX", "1000");
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(errors);
        Ok(command.spawn()?)
    }

    /// Starts it and sees what becomes of it.
    ///
    /// # Errors
    /// When it cannot be started or watched, or hangs.
    pub(super) async fn live(&self, plan: Plan) -> Result<Lived, CliError> {
        let before = (size(&self.dir, "audit"), observed(&self.dir, "run.resumed").len());
        let is_first = before.0 == 0;
        let began = Instant::now();
        let mut child = self.start()?;
        let mut served_ms = None;
        let mut seen = Seen { observed: 0, is_open: is_first };
        let mut due = match plan {
            Plan::KillAfterStart(after) => Some(began + after),
            Plan::KillAfterServing(_) | Plan::ToTheEnd => None,
        };
        let how = loop {
            if let Some(status) = child.try_wait()? {
                break self.ended(status);
            }
            if due.is_some_and(|due| Instant::now() >= due) {
                child.kill()?;
                child.wait()?;
                break Ended::Killed;
            }
            if served_ms.is_none() {
                // By the time it is open a torn tail was cut, so that whatever is more is new.
                if seen.is_open(&self.dir, before.1) && size(&self.dir, "audit") > before.0 {
                    let ms = began.elapsed().as_millis();
                    served_ms = Some(u64::try_from(ms).unwrap_or(u64::MAX));
                    if let Plan::KillAfterServing(after) = plan {
                        due = Some(Instant::now() + after);
                    }
                }
            }
            if began.elapsed() > PATIENCE {
                child.kill()?;
                return Err(CliError::new(ExitCode::Timeout, "a run hangs"));
            }
            sleep(LOOK).await;
        };
        let resumed = observed(&self.dir, "run.resumed");
        let last = resumed.get(before.1).map(|record| record["body"].clone());
        let way = last.as_ref().and_then(|body| body["way"].as_str().map(str::to_owned));
        let from = last.as_ref().and_then(|body| body["from"].as_u64());
        Ok(Lived { how, served_ms, way, from })
    }
}
