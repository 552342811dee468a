//! `arena run --runs N`: the same season several times, and one table over all of them.

use std::fmt::Write as _;
use std::io::Write;
use std::path::Path;

use conclave_domain::arena::runs::{Interval, RunsBoard, SCHEMA, summary};
use conclave_domain::ratio::Ratio;

use super::run::{RunArgs, counted};
use crate::adapters::audit_files::has_log;
use crate::cli::config;
use crate::cli::error::{CliError, ExitCode};
use crate::cli::format::{Align, Format, Table, write_json};
use crate::files;
use crate::report::put_all;
use crate::run::arena::{Place, Prepared, play, ready};

/// The table over all runs, in their common directory.
pub(super) const RUNS_FILE: &str = "runs.json";

/// Plays every run in a directory of its own and prints the table. A run that is over is played again out
/// of its log, without asking anybody.
///
/// # Errors
/// As a single run says, or when there are too few bars for so many.
pub(super) fn run(
    args: &RunArgs,
    runs: u16,
    file: Option<&Path>,
    (format, out): (Format, &mut dyn Write),
) -> Result<(), CliError> {
    let record = args.record()?;
    let loaded = config::load(file, &[])?;
    let (many, varies) = prepared(args, runs)?;
    let metrics = counted()?;
    let run_dir = |dir: &Path, number: usize| dir.join(format!("run-{number:03}"));
    let begin = |number: usize, one: &Prepared| {
        let resume = args.resume.as_deref().map(|dir| run_dir(dir, number));
        ready(one, &loaded.config, args.notify, resume.as_deref())
    };
    let mut first = many.first().map(|first| begin(1, first)).transpose()?;
    let season = many.first().map(|first| first.spec.season.clone()).unwrap_or_default();
    let (dir, resume) = args.place(&season)?;
    let mut boards = Vec::with_capacity(many.len());
    for (number, prepared) in (1..).zip(&many) {
        let dir = run_dir(&dir, number);
        let resume = resume && has_log(&dir);
        let (record, metrics) = (record.clone(), metrics.clone());
        let place = Place { dir, resume, record, notify: args.notify, metrics };
        let ready = match first.take() {
            Some(ready) => ready,
            None => begin(number, prepared)?,
        };
        boards.push(play(&loaded.config, &place, ready)?.board);
    }
    let board = summary(&season, &boards, &varies);
    let text = serde_json::to_string_pretty(&board).map_err(|error| {
        CliError::new(ExitCode::Failure, "the runs cannot be written as json").caused_by(error)
    })?;
    put_all(&dir, [(RUNS_FILE, text + "\n")]).map_err(|error| {
        CliError::new(ExitCode::Failure, "the table of all runs cannot be written").caused_by(error)
    })?;
    print(&board, format, out)
}

/// The seasons, and how one differs from another: other markets where they are made up, else other ticks.
fn prepared(args: &RunArgs, runs: u16) -> Result<(Vec<Prepared>, String), CliError> {
    if args.synthetic.is_some() {
        let seeds = (0..u64::from(runs)).map(|nth| args.seed.wrapping_add(nth));
        let many: Result<Vec<Prepared>, CliError> = seeds
            .map(|seed| {
                let one = RunArgs { seed, ..args.clone() };
                one.prepared()
            })
            .collect();
        let last = args.seed.wrapping_add(u64::from(runs) - 1);
        return Ok((many?, format!("synthetic markets, seeds {} to {last}", args.seed)));
    }
    let whole = args.prepared()?;
    let words = format!("{} ticks each, none of them in two runs", whole.ticks);
    let mut many = Vec::with_capacity(usize::from(runs));
    for ticks in whole.stretches(usize::from(runs))? {
        // Read up to its own last day: no later split shows in its prices.
        let until = ticks.last().map(|close| whole.day_of(*close));
        let one = RunArgs { until, ..args.clone() };
        many.extend(one.prepared()?.of_ticks(&ticks));
    }
    Ok((many, words))
}

/// The table of a directory of runs, where it is one.
///
/// # Errors
/// [`ExitCode::Data`] when the file is there and is no such table.
pub(super) fn read(dir: &Path) -> Result<Option<RunsBoard>, CliError> {
    let path = dir.join(RUNS_FILE);
    let Ok(text) = files::read_to_string(&path) else { return Ok(None) };
    let strange = || CliError::new(ExitCode::Data, format!("{} is no {SCHEMA}", path.display()));
    let board: RunsBoard =
        serde_json::from_str(&text).map_err(|error| strange().caused_by(error))?;
    if board.schema == SCHEMA { Ok(Some(board)) } else { Err(strange()) }
}

/// Prints the table.
///
/// # Errors
/// When it cannot be written.
pub(super) fn print(
    board: &RunsBoard,
    format: Format,
    out: &mut dyn Write,
) -> Result<(), CliError> {
    if format != Format::Text {
        return write_json(board, format, out);
    }
    let words = ["contestant", "kind"];
    let align = |name: &str| if words.contains(&name) { Align::Left } else { Align::Right };
    let columns = [
        "contestant",
        "kind",
        "first",
        "return",
        "95 %",
        "excess",
        "95 %",
        "sharpe",
        "95 %",
        "drawdown",
    ];
    let mut table = Table::new(columns.map(|name| (name, align(name))));
    for row in &board.rows {
        let (total, excess) = (&row.total_return, &row.excess);
        table.row([
            row.name.to_string(),
            row.kind.clone(),
            row.first.to_string(),
            middle(total, 100.0, " %"),
            ends(total, 100.0),
            middle(excess, 100.0, " %"),
            ends(excess, 100.0),
            middle(&row.sharpe, 1.0, ""),
            ends(&row.sharpe, 1.0),
            middle(&row.max_drawdown, 100.0, " %"),
        ]);
    }
    let mut text =
        format!("season {}, {} runs: {}\n{table}", board.season, board.runs, board.varies);
    let _ = writeln!(text, "95 %: {}", board.method);
    if let Some(reason) = board.rows.iter().find_map(|row| row.total_return.reason.as_ref()) {
        let _ = writeln!(text, "no interval: {reason}");
    }
    Ok(write!(out, "{text}")?)
}

fn middle(of: &Interval, scale: f64, unit: &str) -> String {
    let shown = |mean: Ratio| format!("{:.2}{unit}", mean.get() * scale);
    of.mean.map_or_else(|| "n/a".to_owned(), shown)
}

fn ends(of: &Interval, scale: f64) -> String {
    let shown = |(low, high): (Ratio, Ratio)| {
        format!("{:.2} … {:.2}", low.get() * scale, high.get() * scale)
    };
    of.low.zip(of.high).map_or_else(|| "n/a".to_owned(), shown)
}
