//! `scorecard`: what each agent was worth, over a run or many.
//!
//! Every run is played as it was and once more without each agent that it consulted, with `--grid` also
//! without each pair of them, on all cores. Agents that hurt are named first.

use std::io::Write;
use std::path::{Path, PathBuf};

use clap::Args;
use conclave_domain::ratio::Ratio;
use conclave_domain::scorecard::{Card, Line, RunFacts, Worth, card};

use super::audit;
use super::error::{CliError, ExitCode};
use super::format::{Align, Format, Table, write_json};
use super::replay::{refuse_a_run, refuse_inside_a_run, run_dir};
use crate::adapters::control_http::LATEST_FILE;
use crate::catalogue;
use crate::report::scorecard::{Counted, ScorecardReport, write};
use crate::run::repeat::{Scored, Source};
use crate::run::scorecard::{Gathered, gather, roster};
use crate::run::track;
use crate::run::train::is_of_training;

/// `scorecard`
#[derive(Args, Clone, Debug)]
pub struct ScorecardArgs {
    /// The runs: their directories, their names below `runs`, or `latest`.
    #[arg(value_name = "RUN", default_value = LATEST_FILE)]
    pub runs: Vec<PathBuf>,
    /// Also mutes each pair of agents, and says what they do together.
    #[arg(long)]
    pub grid: bool,
    /// Seed of the drawn intervals.
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub seed: u64,
    /// Also writes what the agents did into this file, in the place of an earlier one: `run --track FILE`
    /// tells them of it, cut at the moment of each brief.
    #[arg(long, value_name = "FILE")]
    pub track: Option<PathBuf>,
    /// Directory for the report with its charts.
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
}

/// Runs the verb.
///
/// # Errors
/// 5 when there is no such run, 8 when its recipe, its bars or its log are not what they were, 1 when
/// `--out` or `--track` would overwrite what is of a run.
pub fn run(args: &ScorecardArgs, format: Format, out: &mut dyn Write) -> Result<(), CliError> {
    if let Some(dir) = &args.out {
        refuse_a_run(dir)?;
    }
    if let Some(file) = &args.track {
        refuse_inside_a_run(file)?;
        track::refuse_another(file)?;
    }
    let dirs: Vec<PathBuf> = args.runs.iter().map(|run| run_dir(run)).collect::<Result<_, _>>()?;
    let sources: Vec<Source> = dirs.iter().map(|dir| open(dir)).collect::<Result<_, _>>()?;
    let metrics = catalogue::install()
        .map_err(|error| CliError::new(ExitCode::Failure, error.to_string()))?;
    let report = told(&dirs, gather(&sources, args.grid, &metrics)?, args)?;
    if format == Format::Text {
        tell(&report, out)?;
    } else {
        write_json(&report, format, out)?;
    }
    let Some(dir) = &args.out else { return Ok(()) };
    write(&report, dir).map_err(|error| {
        CliError::new(ExitCode::Failure, "the report was not written").caused_by(error)
    })?;
    if format == Format::Text {
        writeln!(out, "\nreport of the scorecard: {}/report.html", dir.display())?;
    }
    Ok(())
}

/// Opens a run whose log is whole: of one that was cut or changed, who was asked cannot be told. Of
/// a training run it says who knows what its agents are worth.
fn open(dir: &Path) -> Result<Source, CliError> {
    let source = Source::open(dir).map_err(|error| {
        if !is_of_training(dir) {
            return error;
        }
        let text = format!(
            "{} is a training run: `train ab` says what its agents are worth, its report.html what \
             became of their advice",
            dir.display()
        );
        CliError::new(ExitCode::Usage, text)
    })?;
    audit::check(dir)?;
    Ok(source)
}

/// The report of the runs; what they tell the next one is written into the file that is asked for.
fn told(
    dirs: &[PathBuf],
    gathered: Vec<Gathered>,
    args: &ScorecardArgs,
) -> Result<ScorecardReport, CliError> {
    let (mut over, mut facts, mut twice) = (Vec::new(), Vec::<RunFacts>::new(), Vec::new());
    for (dir, run) in dirs.iter().zip(gathered) {
        match run {
            Gathered::Run(run) => {
                over.push(counted(dir, &run));
                facts.push(run.facts);
            }
            Gathered::SameAs(first) => {
                let (dir, first) = (dir.display(), dirs[first].display());
                twice.push(format!("{dir} has the same records as {first}: it counts once"));
            }
        }
    }
    if let Some(file) = &args.track {
        track::write(file, facts.iter().flat_map(RunFacts::words).collect())?;
    }
    let card = card(&roster(), &facts, args.seed).map_err(|error| {
        CliError::new(ExitCode::Data, "the runs cannot be added up").caused_by(error)
    })?;
    let mut report = ScorecardReport::new(over, card);
    report.notes.extend(twice);
    Ok(report)
}

fn counted(dir: &Path, run: &Scored) -> Counted {
    Counted {
        run: dir.display().to_string(),
        record_hash: run.record_hash.clone(),
        note: run.note.clone(),
    }
}

fn tell(report: &ScorecardReport, out: &mut dyn Write) -> Result<(), CliError> {
    let runs: Vec<&str> = report.over.iter().map(|run| run.run.as_str()).collect();
    writeln!(out, "scorecard of {}\n", runs.join(", "))?;
    for sentence in &report.words {
        writeln!(out, "{sentence}")?;
    }
    write!(out, "\n{}\n{}\n", table(&report.card), parts(&report.card))?;
    for run in &report.over {
        if let Some(note) = &run.note {
            writeln!(out, "{}: {note}", run.run)?;
        }
    }
    for note in &report.notes {
        writeln!(out, "{note}")?;
    }
    Ok(())
}

/// What each agent was worth.
fn table(card: &Card) -> Table {
    let columns = ["worth", "of equity", "vetoes", "worth", "clamps", "worth", "Brier", "cost"];
    let columns = columns.map(|name| (name, Align::Right));
    let mut table = Table::new([("agent", Align::Left)].into_iter().chain(columns));
    for Line { agent, worth, vetoes, clamps, calibration, cost_usd, .. } in &card.lines {
        let worth_of =
            |tell: fn(&Worth) -> String| worth.as_ref().map_or_else(|| "n/a".to_owned(), tell);
        let sized = (clamps.sized > 0).then(|| format!("{:.2}", clamps.value));
        let brier = calibration.as_ref().map(|it| format!("{:.3}", it.brier.get()));
        table.row([
            (*agent).to_owned(),
            worth_of(|it| format!("{:.2}", it.total_usd)),
            worth_of(|it| format!("{:+.3} %", it.per_run.get() * 100.0)),
            vetoes.vetoes.to_string(),
            format!("{:.2}", vetoes.value),
            clamps.clamps.to_string(),
            sized.unwrap_or_else(|| "n/a".to_owned()),
            brier.unwrap_or_else(|| "n/a".to_owned()),
            format!("{cost_usd:.4}"),
        ]);
    }
    table
}

/// What became of asking each agent.
fn parts(card: &Card) -> Table {
    let columns = ["asked", "answered", "abstained", "clamped", "not awaited", "agreed"];
    let columns = columns.map(|name| (name, Align::Right));
    let mut table = Table::new([("agent", Align::Left)].into_iter().chain(columns));
    for Line { agent, asked, agreement, .. } in &card.lines {
        let agreed = |share: Ratio| format!("{:.1} %", share.get() * 100.0);
        table.row([
            (*agent).to_owned(),
            asked.consulted.to_string(),
            asked.answered.to_string(),
            asked.abstained.to_string(),
            asked.clamped.to_string(),
            asked.not_awaited.to_string(),
            agreement.map_or_else(|| "n/a".to_owned(), agreed),
        ]);
    }
    table
}
