//! `doctor`: looks at everything a run needs, and says what to do about what is not as it should be.

mod checks;
mod live;
mod notices;

use std::io::Write;
use std::path::{Path, PathBuf};

use clap::Args;
use serde::Serialize;

use super::config;
use super::control::Where;
use super::error::{CliError, ExitCode};
use super::format::{Format, write_json};
use super::progress::Progress;
use crate::adapters::clock;
use crate::adapters::control_http::store_dir;
use crate::config::Config;
use crate::http::auth::Token;

/// Arguments of `doctor`.
#[derive(Args, Clone, Debug)]
pub struct DoctorArgs {
    /// Which run is looked at.
    #[command(flatten)]
    pub place: Where,
    /// Also asks Alpaca, with the keys in the environment, whether one could trade: questions only.
    #[arg(long)]
    pub live: bool,
}

/// How a check ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
enum State {
    Ok,
    Warn,
    Fail,
}

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
struct Check {
    name: &'static str,
    state: State,
    /// What was found.
    found: String,
    /// What to do about it; nothing where all is well.
    #[serde(skip_serializing_if = "Option::is_none")]
    remedy: Option<&'static str>,
}

impl Check {
    fn ok(name: &'static str, found: impl Into<String>) -> Self {
        Self { name, state: State::Ok, found: found.into(), remedy: None }
    }

    fn warn(name: &'static str, found: impl Into<String>, remedy: &'static str) -> Self {
        Self { name, state: State::Warn, found: found.into(), remedy: Some(remedy) }
    }

    fn fail(name: &'static str, found: impl Into<String>, remedy: &'static str) -> Self {
        Self { name, state: State::Fail, found: found.into(), remedy: Some(remedy) }
    }
}

/// The document of `--format json`.
#[derive(Debug, Serialize)]
struct Document<'a> {
    schema: &'static str,
    ok: bool,
    checks: &'a [Check],
}

/// Runs `doctor`.
///
/// # Errors
/// With exit code 1 when a check failed; a warning is no failure.
pub fn run(
    args: &DoctorArgs,
    file: Option<&Path>,
    format: Format,
    out: &mut dyn Write,
) -> Result<(), CliError> {
    let waiting = Progress::waiting("looks at this machine and the latest run");
    let checks = look(args, file);
    drop(waiting);
    let failed = checks.iter().filter(|check| check.state == State::Fail).count();
    if format == Format::Text {
        out.write_all(text(&checks).as_bytes())?;
    } else {
        let document = Document { schema: "doctor/1", ok: failed == 0, checks: &checks };
        write_json(&document, format, out)?;
    }
    match failed {
        0 => Ok(()),
        1 => Err(CliError::new(ExitCode::Failure, "1 check failed")),
        _ => Err(CliError::new(ExitCode::Failure, format!("{failed} checks failed"))),
    }
}

/// Every check, in the order in which a run needs what it looks at.
fn look(args: &DoctorArgs, file: Option<&Path>) -> Vec<Check> {
    let wall = clock::now();
    let steady = checks::Steady::start();
    let (config, configuration) = match config::load(file, &[]) {
        Ok(loaded) => {
            let found = format!("{} keys are valid", loaded.layer.len());
            (loaded.config, Check::ok("configuration", found))
        }
        Err(error) => {
            let remedy = "mend each key; `conclave config schema` says what it accepts";
            (Config::default(), Check::fail("configuration", error.chain(), remedy))
        }
    };
    let run: Option<PathBuf> = store_dir(args.place.store.as_deref()).ok();
    let token = Token::given().map(|token| token.is_some());
    let serving = run.as_deref().and_then(checks::serving);
    let mut checks = vec![
        configuration,
        checks::data(),
        checks::room(run.as_deref().unwrap_or(checks::runs_dir())),
        checks::clock(wall, clock::now(), steady.elapsed()),
        checks::open_files(std::fs::read_to_string("/proc/self/limits").ok().as_deref()),
        notices::notices(&config.notify),
        checks::port(&config.http, token, serving.as_ref()),
        checks::station(run.as_deref(), serving.as_ref()),
        checks::log(run.as_deref(), serving.is_some()),
    ];
    if args.live {
        checks.extend(ask_alpaca(&config));
    }
    checks
}

/// What `--live` looks at, on a small runtime of its own.
fn ask_alpaca(config: &Config) -> Vec<Check> {
    match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime.block_on(live::look(config)),
        Err(error) => {
            let remedy = "free memory and open files, and try again";
            vec![Check::fail("alpaca", format!("no runtime: {error}"), remedy)]
        }
    }
}

fn text(checks: &[Check]) -> String {
    let mut text = String::new();
    for check in checks {
        let state = match check.state {
            State::Ok => "ok",
            State::Warn => "warn",
            State::Fail => "FAIL",
        };
        let found: Vec<String> =
            check.found.lines().map(|line| line.replace(char::is_control, " ")).collect();
        let found = found.join(&format!("\n{:21}", ""));
        let line = format!("{state:<4}  {:<13}  {found}\n", check.name);
        text.push_str(&line);
        if let Some(remedy) = check.remedy {
            text.extend([" ".repeat(21).as_str(), "→ ", remedy, "\n"]);
        }
    }
    text
}
