//! `watch`: a small process beside a run that tells when its heart has stopped, and can stop its
//! trading without its help.
//!
//! The heart is felt over HTTP (`/metrics`) and, where nobody answers in time, by the heartbeat file in
//! the run's directory; the younger of the two counts. An HTTP side that answers while the council does
//! not is no sign of life.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use clap::Args;
use conclave_domain::time::Time;
use serde_json::json;

use super::control::raise_flag;
use super::error::{CliError, ExitCode};
use super::format::{Format, write_json};
use crate::adapters::clock::now;
use crate::adapters::control_http::{Control, store_dir};
use crate::adapters::heartbeat::Heartbeat;
use crate::config::parse_duration;

/// The gauge that carries the heartbeat.
const GAUGE: &str = "conclave_heartbeat_timestamp_seconds";
/// How long HTTP may take before the file is asked, whatever `--every` says.
const HTTP_PATIENCE: Duration = Duration::from_secs(2);
/// How long a command may take before it is killed.
const COMMAND_PATIENCE: Duration = Duration::from_secs(30);
/// How often a command that runs is looked at.
const COMMAND_POLL: Duration = Duration::from_millis(50);
/// What a command's environment keeps of ours: no token and no key is among them.
const KEPT_VARIABLES: [&str; 5] = ["PATH", "HOME", "LANG", "TZ", "USER"];

/// Arguments of `watch`.
#[derive(Args, Clone, Debug)]
pub struct WatchArgs {
    /// The run's directory; the latest run below `runs` when not given.
    #[arg(value_name = "DIR", env = "CONCLAVE_STORE")]
    pub dir: Option<PathBuf>,
    /// How often to look.
    #[arg(long, value_name = "DURATION", default_value = "5s", value_parser = parse_duration)]
    pub every: Duration,
    /// A heartbeat older than this is a missed one.
    #[arg(long, value_name = "DURATION", default_value = "30s", value_parser = parse_duration)]
    pub stale: Duration,
    /// A program to start when the heart stops, with its arguments: split at spaces, no shell, none of
    /// our secrets in its environment. May be given several times.
    #[arg(long, value_name = "COMMAND")]
    pub exec: Vec<String>,
    /// Looks once and exits: 0 well, 4 nothing is running, 7 a missed heartbeat.
    #[arg(long)]
    pub once: bool,
    /// Raises the flag file on the order path when the heart stops: no entry leaves any more, even if
    /// the process wakes up again.
    #[arg(long)]
    pub halt: bool,
}

/// How a run is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Health {
    /// Its heart beats.
    Well,
    /// Its process has ended in order.
    Ended,
    /// Its heart has not beaten for too long.
    Missed,
    /// There was never a heartbeat.
    Absent,
}

impl Health {
    const fn name(self) -> &'static str {
        match self {
            Self::Well => "well",
            Self::Ended => "ended",
            Self::Missed => "missed",
            Self::Absent => "absent",
        }
    }

    /// What a script hears of it.
    const fn code(self) -> ExitCode {
        match self {
            Self::Well => ExitCode::Ok,
            Self::Ended | Self::Absent => ExitCode::NotRunning,
            Self::Missed => ExitCode::Timeout,
        }
    }
}

/// One look.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Look {
    health: Health,
    /// Age of the youngest heartbeat, where there was one.
    age: Option<Duration>,
    /// How it was felt: `http` or `file`.
    way: &'static str,
}

/// Runs `watch`.
///
/// # Errors
/// With `--once` when the heart does not beat; else when no directory can be found or written to.
pub async fn run(
    args: &WatchArgs,
    format: Format,
    out: &mut (dyn Write + Send),
) -> Result<(), CliError> {
    let dir = store_dir(args.dir.as_deref())?;
    if !dir.is_dir() {
        let text = format!("there is no directory {}", dir.display());
        return Err(CliError::new(ExitCode::NotFound, text));
    }
    if args.every.is_zero() || args.stale.is_zero() {
        let text = "--every and --stale must be longer than nothing";
        return Err(CliError::new(ExitCode::Usage, text));
    }
    let mut last = None;
    loop {
        let look = look(&dir, args).await;
        if last != Some(look.health) {
            tell(&dir, look, format, out)?;
            if look.health == Health::Missed {
                alarm(&dir, look, args, out).await?;
            }
            last = Some(look.health);
        }
        if args.once {
            return match look.health {
                Health::Well => Ok(()),
                health => Err(CliError::new(health.code(), sentence(&dir, look))),
            };
        }
        tokio::time::sleep(args.every).await;
    }
}

/// Feels the heart.
async fn look(dir: &Path, args: &WatchArgs) -> Look {
    let patience = HTTP_PATIENCE.min(args.every).min(args.stale);
    let by_http = heard(dir, patience).await;
    let by_file = Heartbeat::read(dir).ok().flatten();
    judge(by_http, by_file, now(), args.stale)
}

/// The heartbeat as `/metrics` tells it.
async fn heard(dir: &Path, patience: Duration) -> Option<Time> {
    let control = Control::find_within(dir, patience).ok()?;
    gauge(&control.metrics().await.ok()?)
}

/// The heartbeat's time out of the text of `/metrics`.
fn gauge(text: &str) -> Option<Time> {
    let line = text.lines().find_map(|line| line.strip_prefix(GAUGE))?;
    let seconds: f64 = line.trim().parse().ok()?;
    #[expect(clippy::cast_possible_truncation, reason = "checked to lie within the bounds")]
    (0.0..1.0e11).contains(&seconds).then(|| Time::from_ms((seconds * 1_000.0) as i64))
}

/// What the two signs of life come to.
fn judge(http: Option<Time>, file: Option<Heartbeat>, now: Time, stale: Duration) -> Look {
    let by_http = http.map(|at| (now.since(at), "http"));
    if by_http.is_none() && file.as_ref().is_some_and(|beat| beat.ended) {
        return Look { health: Health::Ended, age: None, way: "file" };
    }
    let by_file = file.map(|beat| (beat.age(now), "file"));
    match by_http.into_iter().chain(by_file).min_by_key(|(age, _)| *age) {
        None => Look { health: Health::Absent, age: None, way: "file" },
        Some((age, way)) => {
            let health = if age <= stale { Health::Well } else { Health::Missed };
            Look { health, age: Some(age), way }
        }
    }
}

fn sentence(dir: &Path, Look { health, age, way }: Look) -> String {
    let shown = dir.display();
    let age = age.unwrap_or_default().as_secs_f64();
    match health {
        Health::Well => format!("{shown}: the council's heart beat {age:.1} s ago (by {way})"),
        Health::Ended => format!("{shown}: the process has ended in order"),
        Health::Absent => format!("{shown}: no heartbeat was ever seen"),
        Health::Missed => format!("{shown}: no heartbeat for {age:.1} s (by {way})"),
    }
}

fn tell(
    dir: &Path,
    look: Look,
    format: Format,
    out: &mut (dyn Write + Send),
) -> Result<(), CliError> {
    if format == Format::Text {
        writeln!(out, "{} {}", now(), sentence(dir, look))?;
        return Ok(out.flush()?);
    }
    let value = json!({
        "schema": "watch/1", "at": now(), "dir": dir, "health": look.health.name(),
        "age_s": look.age.map(|age| age.as_secs_f64()), "way": look.way,
    });
    write_json(&value, Format::Jsonl, out)?;
    Ok(out.flush()?)
}

/// The heart has stopped: trading first, then whoever wants to know.
async fn alarm(
    dir: &Path,
    look: Look,
    args: &WatchArgs,
    out: &mut (dyn Write + Send),
) -> Result<(), CliError> {
    if args.halt {
        raise_flag(dir, &format!("watch: {}", sentence(dir, look)))?;
        let text = "the flag file is raised: no entry leaves; protective exits and cancels go on";
        writeln!(out, "{} {}: {text}", now(), dir.display())?;
        out.flush()?;
    }
    for command in &args.exec {
        if let Err(error) = carry_out(command, dir, look).await {
            let _ = writeln!(std::io::stderr(), "conclave: `{command}`: {error}");
        }
    }
    Ok(())
}

/// Starts one program and waits for it for a while.
async fn carry_out(command: &str, dir: &Path, look: Look) -> Result<(), String> {
    let mut words = command.split_whitespace();
    let program = words.next().ok_or("it names no program")?;
    let kept = KEPT_VARIABLES.iter().filter_map(|name| Some((*name, std::env::var_os(name)?)));
    let age = look.age.unwrap_or_default().as_secs().to_string();
    let mut child = Command::new(program)
        .args(words)
        .env_clear()
        .envs(kept)
        .env("CONCLAVE_WATCH_EVENT", look.health.name())
        .env("CONCLAVE_WATCH_DIR", dir)
        .env("CONCLAVE_WATCH_AGE_S", age)
        .stdin(Stdio::null())
        .spawn()
        .map_err(|error| format!("it did not start: {error}"))?;
    let polls = COMMAND_PATIENCE.as_millis() / COMMAND_POLL.as_millis();
    for _ in 0..polls {
        match child.try_wait() {
            Ok(Some(status)) if status.success() => return Ok(()),
            Ok(Some(status)) => return Err(format!("it ended with {status}")),
            Ok(None) => tokio::time::sleep(COMMAND_POLL).await,
            Err(error) => return Err(error.to_string()),
        }
    }
    let _ = child.kill();
    let _ = child.wait();
    Err(format!("it was killed after {COMMAND_PATIENCE:?}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Time = Time::from_ms(1_000_000);
    const STALE: Duration = Duration::from_secs(30);

    fn ago(seconds: i64) -> Time {
        Time::from_ms(NOW.ms() - seconds * 1_000)
    }

    fn beat(seconds: i64, ended: bool) -> Heartbeat {
        Heartbeat::now(ago(seconds), ended)
    }

    #[test]
    fn the_younger_sign_of_life_counts_and_an_end_in_order_is_no_alarm() {
        let health = |http, file| judge(http, file, NOW, STALE).health;
        assert_eq!(health(Some(ago(1)), None), Health::Well);
        assert_eq!(health(Some(ago(31)), None), Health::Missed);
        assert_eq!(health(Some(ago(31)), Some(beat(2, false))), Health::Well);
        assert_eq!(health(None, Some(beat(30, false))), Health::Well);
        assert_eq!(health(None, Some(beat(31, false))), Health::Missed);
        assert_eq!(health(None, Some(beat(500, true))), Health::Ended);
        assert_eq!(health(Some(ago(1)), Some(beat(500, true))), Health::Well, "it runs again");
        assert_eq!(health(None, None), Health::Absent);
        assert_eq!(health(Some(ago(-90)), None), Health::Well, "a clock that was set back");
    }

    #[test]
    fn the_gauge_is_read_out_of_the_metrics_and_nonsense_is_not() {
        let text =
            "# HELP x\nconclave_uptime_seconds 5\nconclave_heartbeat_timestamp_seconds 12.5\n";
        assert_eq!(gauge(text), Some(Time::from_ms(12_500)));
        for bad in ["", "NaN", "inf", "-1", "1e300", "soon"] {
            assert_eq!(gauge(&format!("{GAUGE} {bad}\n")), None, "{bad}");
        }
    }

    #[tokio::test]
    async fn a_command_gets_words_and_no_shell_and_none_of_our_secrets() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("said");
        let look = judge(None, Some(beat(99, false)), NOW, STALE);
        let copy = format!("cp /proc/self/environ {}", file.display());
        carry_out(&copy, dir.path(), look).await.unwrap();
        let said = std::fs::read_to_string(&file).unwrap();
        assert!(said.contains("CONCLAVE_WATCH_EVENT=missed"), "{said}");
        assert!(said.contains("CONCLAVE_WATCH_AGE_S=99"), "{said}");
        assert!(!said.contains("CARGO"), "{said}");
        let hostile = "echo $(touch pwned); touch pwned";
        carry_out(hostile, dir.path(), look).await.unwrap();
        assert!(!dir.path().join("pwned").exists() && !Path::new("pwned").exists());
        assert!(carry_out("false", dir.path(), look).await.is_err());
        assert!(carry_out("no-such-program-at-all", dir.path(), look).await.is_err());
        assert!(carry_out("   ", dir.path(), look).await.is_err());
    }
}
