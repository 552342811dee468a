//! `audit tail|verify|export`: looks at a log that lies on the disk; nothing needs to be running.

use std::collections::VecDeque;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{Args, Subcommand, ValueEnum};
use conclave_domain::record::{Anchor, Digest, Line, Stream};
use serde::Deserialize;

use super::error::{CliError, ExitCode};
use super::format::{Format, Table};
use super::progress::Progress;
use crate::adapters::audit_files::{Follower, HEAD_FILE, LogError, Report, has_log, lines, verify};
use crate::files;
use crate::run::stored_anchor;

/// Looks at the audit.
#[derive(Args, Debug)]
pub struct AuditArgs {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Shows the last records.
    Tail {
        /// The run's directory.
        #[arg(default_value = ".")]
        dir: PathBuf,
        /// How many.
        #[arg(short = 'n', long, default_value_t = 20)]
        lines: usize,
        /// Which stream.
        #[arg(long, value_enum, default_value_t = Which::Decisions)]
        stream: Which,
        /// Goes on with what is written from now on, until interrupted.
        #[arg(short, long)]
        follow: bool,
    },
    /// Finds any change, gap, swap or cut; exits with 8 and names the first bad record.
    Verify {
        /// The run's directory.
        dir: PathBuf,
    },
    /// Prints all records: one per line, or with `--format json` as one document.
    Export {
        /// The run's directory.
        dir: PathBuf,
        /// Writes to a file instead of stdout.
        #[arg(short, long)]
        out: Option<PathBuf>,
    },
}

/// A stream, as `--stream` takes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Which {
    Decisions,
    Observations,
}

impl From<Which> for Stream {
    fn from(which: Which) -> Self {
        match which {
            Which::Decisions => Self::Decisions,
            Which::Observations => Self::Observations,
        }
    }
}

/// What `run.json` says of the log beside it.
#[derive(Debug, Default, Deserialize)]
struct RunFile {
    audit: Option<Anchor>,
    record_hash: Option<Digest>,
}

/// The run's own summary of itself, with the log's end.
const RUN_FILE: &str = "run.json";
/// How often a followed log is looked at.
const POLL: Duration = Duration::from_millis(200);

/// Runs the verb.
///
/// # Errors
/// 8 when the log is not what was written, 5 when there is none.
pub fn run(args: &AuditArgs, format: Format, out: &mut dyn Write) -> Result<(), CliError> {
    match &args.verb {
        Verb::Verify { dir } => verify_log(dir, format, out),
        Verb::Tail { follow: true, .. } if format == Format::Json => {
            let text = "a document has an end and --follow has none: use --format jsonl";
            Err(CliError::new(ExitCode::Usage, text))
        }
        Verb::Tail { dir, lines, stream, follow } => {
            tail(&log_dir(dir), Stream::from(*stream), *lines, format, out)?;
            if *follow { go_on(&log_dir(dir), Stream::from(*stream), format, out) } else { Ok(()) }
        }
        Verb::Export { dir, out: Some(path) } => {
            let failed = |error| {
                let text = format!("`{}` cannot be written", path.display());
                CliError::new(ExitCode::Failure, text).caused_by(error)
            };
            let mut file = io::BufWriter::new(std::fs::File::create(path).map_err(failed)?);
            export(&log_dir(dir), format, &mut file)?;
            file.flush().map_err(failed)
        }
        Verb::Export { dir, out: None } => export(&log_dir(dir), format, out),
    }
}

/// The log lies in the run's directory, or in `audit` within it.
pub(crate) fn log_dir(dir: &Path) -> PathBuf {
    let inner = dir.join("audit");
    if !has_log(dir) && has_log(&inner) { inner } else { dir.to_owned() }
}

fn verify_log(dir: &Path, format: Format, out: &mut dyn Write) -> Result<(), CliError> {
    let report = check(dir);
    match (&report, format) {
        (Ok(report), Format::Text) => {
            print_report(report, run_file(dir)?.audit.is_some(), out)?;
        }
        (Ok(report), Format::Json | Format::Jsonl) => {
            let verified = serde_json::json!({
                "schema": "audit-verify/1", "ok": true, "report": report,
            });
            writeln!(out, "{verified}")?;
        }
        (Err(error), Format::Json | Format::Jsonl) => {
            let refused = serde_json::json!({
                "schema": "audit-verify/1", "ok": false, "error": error.chain(),
            });
            writeln!(out, "{refused}")?;
        }
        (Err(_), Format::Text) => {}
    }
    report.map(drop)
}

/// Verifies the log of a run's directory against itself and against what `run.json` says of it; where
/// neither that nor the head file vouches for its end, against what the store says.
pub(super) fn check(dir: &Path) -> Result<Report, CliError> {
    let (run, log) = (run_file(dir)?, log_dir(dir));
    let _waiting = Progress::waiting("verifies the log");
    let verified = verify(&log, run.audit.as_ref());
    let report = match verified {
        Err(unvouched @ LogError::Unvouched { .. }) => {
            let Some(anchor) = stored_anchor(dir) else { return Err(unvouched.into()) };
            let mut report = verify(&log, Some(&anchor))?;
            report.notes.push("the store's anchor names its last record".to_owned());
            report
        }
        verified => verified?,
    };
    compare(&run, &report)?;
    Ok(report)
}

/// What `run.json` in `dir` holds; nothing where there is none.
fn run_file(dir: &Path) -> Result<RunFile, CliError> {
    let path = dir.join(RUN_FILE);
    let bad = |error: Box<dyn std::error::Error + Send + Sync>| {
        CliError::new(ExitCode::Data, format!("`{}` is unreadable", path.display()))
            .caused_by(error)
    };
    match files::read_to_string(&path) {
        Ok(text) => serde_json::from_str(&text).map_err(|error| bad(error.into())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(RunFile::default()),
        Err(error) => Err(bad(error.into())),
    }
}

/// The record hash must be the log's, unless the log has gone on since it was written down.
fn compare(run: &RunFile, report: &Report) -> Result<(), CliError> {
    let end = report.anchor();
    let has_gone_on = run.audit.is_some_and(|anchor| anchor.decisions != end.decisions);
    let claimed = [run.record_hash, run.audit.map(|anchor| anchor.record_hash)];
    match claimed.into_iter().flatten().find(|&hash| hash != end.record_hash) {
        Some(hash) if !has_gone_on => {
            let text = format!(
                "run.json says that the record hash is {hash}, but the log's is {}",
                end.record_hash
            );
            Err(CliError::new(ExitCode::Data, text))
        }
        _ => Ok(()),
    }
}

/// What the log was compared with.
fn anchors(report: &Report, in_run_json: bool) -> String {
    let compared = [(report.head_file, HEAD_FILE), (in_run_json, RUN_FILE)];
    let names: Vec<&str> = compared.iter().filter(|(is, _)| *is).map(|(_, name)| *name).collect();
    if names.is_empty() { "none".to_owned() } else { names.join(", ") }
}

fn print_report(report: &Report, in_run_json: bool, out: &mut dyn Write) -> io::Result<()> {
    let mut table = Table::pairs();
    table.row(["decisions", &report.decisions.head.count.to_string()]);
    table.row(["observations", &report.observations.head.count.to_string()]);
    table.row(["segments", &report.segments.to_string()]);
    table.row(["head", &report.decisions.head.hash.to_string()]);
    table.row(["record hash", &report.decisions.record_hash.to_string()]);
    table.row(["anchors", &anchors(report, in_run_json)]);
    write!(out, "{table}")?;
    for note in &report.notes {
        writeln!(out, "note: {note}")?;
    }
    if !report.ended {
        writeln!(out, "no `run.ended` stands at its end: the run goes on, or was interrupted")?;
    }
    writeln!(out, "ok: every record is as it was written")
}

fn tail(
    dir: &Path,
    stream: Stream,
    count: usize,
    format: Format,
    out: &mut dyn Write,
) -> Result<(), CliError> {
    if !has_log(dir) {
        return Err(LogError::Missing { dir: dir.to_owned() }.into());
    }
    let mut last = VecDeque::new();
    for line in lines(dir, stream)? {
        last.push_back(line?.text);
        if last.len() > count {
            last.pop_front();
        }
    }
    if format == Format::Json {
        let records: Vec<&str> = last.iter().map(String::as_str).collect();
        let (stream, records) = (stream.name(), records.join(",\n"));
        let head = format!("\"schema\":\"audit-tail/1\",\"stream\":\"{stream}\"");
        writeln!(out, "{{{head},\"records\":[{records}]}}")?;
        return Ok(());
    }
    for text in &last {
        show(text, format, out)?;
    }
    Ok(())
}

fn go_on(dir: &Path, stream: Stream, format: Format, out: &mut dyn Write) -> Result<(), CliError> {
    let mut follower = Follower::at_end(dir, stream)?;
    let mut fresh = Vec::new();
    loop {
        follower.poll(&mut fresh)?;
        for text in fresh.drain(..) {
            show(&text, format, out)?;
        }
        out.flush()?;
        std::thread::park_timeout(POLL);
    }
}

/// The longest body shown to people, in characters.
const BODY_SHOWN: usize = 160;

fn show(text: &str, format: Format, out: &mut dyn Write) -> io::Result<()> {
    if format != Format::Text {
        return writeln!(out, "{text}");
    }
    let Ok(line) = Line::read(text) else {
        return writeln!(out, "{:>8}  unreadable", "?");
    };
    let body: String = line.body.chars().take(BODY_SHOWN).collect();
    let cut = if body.len() < line.body.len() { "…" } else { "" };
    let decision = line.decision.as_ref().map_or("", |decision| decision.as_str());
    let shown = format!("{:>8}  {}  {:<17}  {decision}  {body}{cut}", line.seq, line.at, line.step);
    writeln!(out, "{}", shown.replace(char::is_control, " "))
}

fn export(dir: &Path, format: Format, out: &mut dyn Write) -> Result<(), CliError> {
    if !has_log(dir) {
        return Err(LogError::Missing { dir: dir.to_owned() }.into());
    }
    let is_document = format == Format::Json;
    if is_document {
        write!(out, "{{\"schema\":\"audit/1\"")?;
    }
    for stream in Stream::ALL {
        if is_document {
            write!(out, ",\"{}\":[", stream.name())?;
        }
        for (index, line) in lines(dir, stream)?.enumerate() {
            let line = line?;
            let unreadable = |error| {
                let place = line.place.clone();
                let text = format!("{} line {} is unreadable", place.segment, place.line);
                CliError::new(ExitCode::Data, text).caused_by(error)
            };
            Line::read(&line.text).map_err(unreadable)?;
            if is_document {
                write!(out, "{}\n{}", if index == 0 { "" } else { "," }, line.text)?;
            } else {
                writeln!(out, "{{\"stream\":\"{}\",{}", stream.name(), &line.text[1..])?;
            }
        }
        if is_document {
            write!(out, "]")?;
        }
    }
    if is_document {
        writeln!(out, "}}")?;
    }
    Ok(())
}

impl From<LogError> for CliError {
    fn from(error: LogError) -> Self {
        let code = match &error {
            LogError::Bad(_) | LogError::Summary { .. } | LogError::Unvouched { .. } => {
                ExitCode::Data
            }
            LogError::Missing { .. } => ExitCode::NotFound,
            LogError::Io { .. } | LogError::Write(_) => ExitCode::Failure,
        };
        Self::new(code, error.to_string()).caused_by(error)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::sync::Arc;

    use clap::Parser;
    use conclave_actors::audit;
    use conclave_actors::runtime::ports::{AuditSink as _, Batch, Done, Safety};
    use conclave_domain::record::Step;
    use conclave_domain::time::Time;
    use tempfile::TempDir;

    use super::*;
    use crate::adapters::audit_files::{AuditFiles, LogOptions};

    #[derive(Parser)]
    struct Cli {
        #[command(flatten)]
        args: AuditArgs,
    }

    /// What a command line prints, or its exit code and message.
    fn told(dir: &TempDir, line: &[&str], format: Format) -> Result<String, (ExitCode, String)> {
        let path = dir.path().to_str().unwrap();
        let words = ["audit", line[0], path].into_iter().chain(line[1..].iter().copied());
        let cli = Cli::try_parse_from(words).unwrap();
        let mut out = Vec::new();
        match run(&cli.args, format, &mut out) {
            Ok(()) => Ok(String::from_utf8(out).unwrap()),
            Err(error) => Err((error.code, error.chain())),
        }
    }

    /// A closed log of a run, with its `run.json`.
    fn log() -> TempDir {
        let dir = TempDir::new().unwrap();
        let opened = AuditFiles::open(dir.path(), None, LogOptions::default()).unwrap();
        let files = Arc::new(opened.files);
        let steps = [Step::RunStarted, Step::SessionDigest, Step::RunEnded];
        let record = |step| audit::record(step, None, Time::EPOCH, &"text").unwrap();
        let records = steps.map(record).to_vec();
        let (answer, waiting) = std::sync::mpsc::channel();
        let done = Done::new(move |result| drop(answer.send(result)));
        files.submit(Batch { records, safety: Safety::AllSynced, done });
        let head = waiting.recv().unwrap().unwrap().head;
        let run = serde_json::json!({ "record_hash": head.record_hash, "audit": head, "seed": 1 });
        fs::write(dir.path().join("run.json"), run.to_string()).unwrap();
        dir
    }

    fn change(dir: &TempDir, name: &str, change: impl FnOnce(String) -> String) {
        let path = dir.path().join(name);
        fs::write(&path, change(fs::read_to_string(&path).unwrap())).unwrap();
    }

    /// the chain verifies.
    #[test]
    fn a_sound_log_is_ok_in_words_and_in_json() {
        let dir = log();
        let text = told(&dir, &["verify"], Format::Text).unwrap();
        assert!(text.ends_with("ok: every record is as it was written\n"), "{text}");
        let json = told(&dir, &["verify"], Format::Json).unwrap();
        let json: serde_json::Value = serde_json::from_str(&json).unwrap();
        assert_eq!(json["report"]["decisions"]["head"]["count"], 3);
        assert_eq!(json["report"]["ended"], true);
    }

    /// damage is exit 8 and named; without any anchor a cut is not seen, and that is said.
    #[test]
    fn damage_is_exit_eight_and_named() {
        const LOG: &str = "audit-000001.jsonl";
        let dir = log();
        change(&dir, LOG, |text| text.replacen("text", "tExt", 1));
        let (code, said) = told(&dir, &["verify"], Format::Text).unwrap_err();
        assert_eq!(code, ExitCode::Data);
        assert!(said.starts_with("audit-000001.jsonl line 1, decisions record 1: "), "{said}");

        let dir = log();
        let without_last =
            |text: String| text.lines().take(2).flat_map(|line| [line, "\n"]).collect();
        change(&dir, LOG, without_last);
        let (code, said) = told(&dir, &["verify"], Format::Text).unwrap_err();
        assert!(code == ExitCode::Data && said.contains("the tail was cut"), "{said}");
        fs::remove_file(dir.path().join("run.json")).unwrap();
        let (code, said) = told(&dir, &["verify"], Format::Text).unwrap_err();
        assert!(code == ExitCode::Data && said.contains("decisions record 3: "), "{said}");
        fs::remove_file(dir.path().join(HEAD_FILE)).unwrap();
        let (code, said) = told(&dir, &["verify"], Format::Text).unwrap_err();
        assert!(code == ExitCode::Data && said.contains("is not vouched for"), "{said}");

        let dir = log();
        change(&dir, "run.json", |text| text.replace("\"record_hash\":\"", "\"record_hash\":\"0"));
        assert_eq!(told(&dir, &["verify"], Format::Text).unwrap_err().0, ExitCode::Data);
        let empty = TempDir::new().unwrap();
        assert_eq!(told(&empty, &["verify"], Format::Text).unwrap_err().0, ExitCode::NotFound);
    }

    #[test]
    fn tail_shows_the_last_records_and_export_all_of_them() {
        let dir = log();
        let text = told(&dir, &["tail", "-n", "1"], Format::Text).unwrap();
        assert!(text.contains("run.ended") && text.lines().count() == 1, "{text}");
        let stored = fs::read_to_string(dir.path().join("audit-000001.jsonl")).unwrap();
        assert_eq!(told(&dir, &["tail"], Format::Jsonl).unwrap(), stored, "records as they are");
        let json = told(&dir, &["tail", "-n", "2"], Format::Json).unwrap();
        let json: serde_json::Value = serde_json::from_str(&json).unwrap();
        assert_eq!(json["schema"], "audit-tail/1");
        assert_eq!(json["records"][1]["step"], "run.ended");
        let refused = told(&dir, &["tail", "--follow"], Format::Json).unwrap_err();
        assert_eq!(refused.0, ExitCode::Usage);
        let jsonl = told(&dir, &["export"], Format::Jsonl).unwrap();
        assert_eq!(jsonl.lines().count(), 3);
        for line in jsonl.lines() {
            let line: serde_json::Value = serde_json::from_str(line).unwrap();
            assert_eq!(line["stream"], "decisions");
        }
        let json = told(&dir, &["export"], Format::Json).unwrap();
        let json: serde_json::Value = serde_json::from_str(&json).unwrap();
        assert_eq!(json["decisions"][2]["step"], "run.ended");
        assert_eq!(json["observations"], serde_json::json!([]));
    }

    #[test]
    fn a_followed_log_gives_only_whole_new_lines() {
        let dir = log();
        let mut follower = Follower::at_end(dir.path(), Stream::Decisions).unwrap();
        let mut lines = Vec::new();
        change(&dir, "audit-000001.jsonl", |text| text + "one\ntw");
        follower.poll(&mut lines).unwrap();
        change(&dir, "audit-000001.jsonl", |text| text + "o\n");
        fs::write(dir.path().join("audit-000002.jsonl"), "three\n").unwrap();
        follower.poll(&mut lines).unwrap();
        assert_eq!(lines, ["one", "two", "three"]);
    }
}
