//! What people see of a training run: the bar while it goes on, and what is printed at its end.

use std::io::Write;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use conclave_actors::training::TEAM;
use conclave_actors::training::run::Ending;
use conclave_domain::ratio::Ratio;
use conclave_trainer::session::BEST;
use serde_json::json;

use super::Ready;
use super::ab::Outcome;
use super::one::{Ended, hex};
use super::trainers::{Beat, Judgement, Watch};
use crate::brains::RULES;
use crate::cli::error::CliError;
use crate::cli::format::{Align, Format, Table, write_json};
use crate::cli::progress::Progress;
use crate::report::training::{AgentLine, Point, Rival, TrainingReport};

/// Shows a run on a bar: steps a second, what is left, and how the policy does.
pub(super) fn watch(bar: &Arc<Progress>) -> Watch {
    let validated = Arc::new(Mutex::new(String::new()));
    let (shown, at_update) = (Arc::clone(&validated), Arc::clone(bar));
    let heard = move |beat: Beat| {
        at_update.reach(beat.steps);
        let Beat { reward, kl, entropy, learning_rate, .. } = beat;
        let last = shown.lock().unwrap_or_else(PoisonError::into_inner);
        at_update.say(format!(
            "reward {reward:+.4}  kl {kl:.4}  entropy {entropy:.2}  lr {learning_rate:.1e}{last}"
        ));
    };
    let told = move |point: &Point| {
        let moved = point.interventions.iter().filter(|it| it.refused.is_none()).count();
        let mut text = validated.lock().unwrap_or_else(PoisonError::into_inner);
        *text = format!(
            "  |  validation {}: fitness {:+.3}  trades {:.3}  moved {moved}",
            point.cycle,
            point.fitness.get(),
            point.trade_rate.get()
        );
    };
    Watch { heard: Arc::new(heard), validated: Arc::new(told), ..Watch::default() }
}

/// Shows all runs of a comparison on one bar.
pub(super) fn watch_all(bar: &Arc<Progress>) -> Watch {
    let (bar, validations) = (Arc::clone(bar), Arc::new(AtomicU64::new(0)));
    let (at_update, count) = (Arc::clone(&bar), Arc::clone(&validations));
    let told = move |_: &Point| {
        let so_far = count.fetch_add(1, Ordering::Relaxed) + 1;
        at_update.say(format!("{so_far} validations"));
    };
    let heard = move |beat: Beat| bar.advance(beat.new_steps);
    Watch { heard: Arc::new(heard), validated: Arc::new(told), ..Watch::default() }
}

/// A run's report, and how it ended.
#[derive(Debug)]
pub(super) struct Told {
    /// The report.
    pub(super) report: TrainingReport,
}

/// Puts the report of a run together.
pub(super) fn report<T>(ready: &Ready, ended: &Ended<T>, judgement: Judgement) -> Told {
    let recipe = &ready.recipe;
    let mut symbols: Vec<&str> = ready.bars.iter().map(|one| one.symbol.as_str()).collect();
    symbols.sort_unstable();
    let bars: usize = ready.bars.iter().map(|one| one.bars.len()).sum();
    let pair = |name: &str, value: String| (name.to_owned(), value);
    let header = vec![
        pair("version", recipe.version.clone()),
        pair("seed", recipe.seed.to_string()),
        pair("steps", recipe.steps.to_string()),
        pair("symbols", symbols.join(", ")),
        pair("bars", bars.to_string()),
        pair("hash of the bars", recipe.data_hash.clone()),
        pair("hash of the configuration", recipe.config_blake3.to_string()),
    ];
    Told {
        report: TrainingReport {
            run: ready.id.clone(),
            ending: in_words(&ended.driven.ending),
            header,
            points: ended.points.clone(),
            agents: agents(ready, ended),
            rivals: judgement.rivals,
            notes: notes(ended, judgement.notes),
            fingerprint: hex(&ended.driven.fingerprint),
        },
    }
}

fn in_words(ending: &Ending) -> String {
    match ending {
        Ending::Done => "done".to_owned(),
        Ending::Halted => "halted by its council".to_owned(),
        Ending::Paused { column } => format!("paused: a person should look at `{column}`"),
        Ending::Stopped => "stopped".to_owned(),
    }
}

fn agents<T>(ready: &Ready, ended: &Ended<T>) -> Vec<AgentLine> {
    let Some(guide) = &ended.guide else { return Vec::new() };
    let config = &ready.loaded.config;
    let line = |name: &&str| {
        let settings = config.agents.get(*name);
        let mut line = AgentLine {
            agent: (*name).to_owned(),
            brain: settings.map_or_else(|| RULES.to_owned(), |agent| agent.brain.clone()),
            every: settings.and_then(|agent| agent.interval).unwrap_or(1),
            asked: guide.counts().asked.get(*name).copied().unwrap_or_default(),
            ..AgentLine::default()
        };
        guide.ledger().iter().filter(|it| it.entry.agent == **name).for_each(|it| line.count(it));
        line
    };
    let names: Vec<&str> = TEAM.iter().map(|entry| entry.role.name).collect();
    names.iter().filter(|name| ready.names.contains(*name)).map(line).collect()
}

fn notes<T>(ended: &Ended<T>, mut notes: Vec<String>) -> Vec<String> {
    if let Some(guide) = &ended.guide {
        let counts = guide.counts();
        let asked: u64 = counts.asked.values().sum();
        let dropped: u64 = counts.dropped.values().sum();
        let protected = counts.protected;
        let uses: u64 = guide.earlier().iter().map(|row| row.judged).sum();
        if uses > 0 {
            notes.push(format!(
                "The agents were told what changes of earlier runs had come to, {uses} in all; their rules do not \
                 look at it, models may."
            ));
        }
        notes.push(match counts.applied {
            0 => format!(
                "The agents were asked {asked} times and changed nothing, {protected} checkpoints and \
                 pauses apart: the policy is bit for bit the one that this seed gives without them."
            ),
            changes => format!(
                "The agents were asked {asked} times, made {changes} changes and kept {protected} \
                 checkpoints; {dropped} levers they asked for were not moved. Fitness did not fall after \
                 {} of those changes that could be judged, and fell after {}. Whether that helps is a \
                 question for `train ab`: one run says nothing.",
                counts.helped, counts.harmed
            ),
        });
    }
    notes
}

fn share(value: Ratio) -> String {
    format!("{:.1} %", value.get() * 100.0)
}

/// Prints what a run came to.
///
/// # Errors
/// When it cannot be written.
pub(super) fn tell(
    told: &Told,
    dir: &Path,
    format: Format,
    out: &mut (dyn Write + Send),
) -> Result<(), CliError> {
    let report = &told.report;
    if format != Format::Text {
        let document = json!({
            "schema": "train/1", "run": report.run, "ending": report.ending,
            "last": report.points.last(), "validations": report.points.len(),
            "agents": report.agents, "out_of_sample": report.rivals, "notes": report.notes,
            "fingerprint": report.fingerprint,
        });
        return write_json(&document, format, out);
    }
    writeln!(out, "{}: {}", report.run, report.ending)?;
    if let Some(last) = report.points.last() {
        let mut table = Table::pairs();
        table.row(["validations", &report.points.len().to_string()]);
        table.row(["fitness", &format!("{:+.4}", last.fitness.get())]);
        table.row(["drawdown", &share(last.drawdown)]);
        table.row(["trades a step", &format!("{:.4}", last.trade_rate.get())]);
        write!(out, "\nthe last validation\n{table}")?;
    }
    rivals(&report.rivals, out)?;
    agents_table(&report.agents, out)?;
    for note in &report.notes {
        writeln!(out, "note: {note}")?;
    }
    let (best, shown) = (dir.join(BEST), dir.display());
    if best.exists() {
        writeln!(out, "\nthe policy is {shown}/{BEST}, of the best validation; it trades by")?;
        writeln!(out, "  conclave backtest --unseen --policy {shown}/{BEST}")?;
    }
    writeln!(out, "\nreport: {shown}/report.html")?;
    Ok(())
}

fn rivals(rivals: &[Rival], out: &mut (dyn Write + Send)) -> Result<(), CliError> {
    if rivals.is_empty() {
        return Ok(());
    }
    let mut table = Table::new([
        ("out of sample", Align::Left),
        ("part", Align::Left),
        ("return", Align::Right),
        ("sharpe", Align::Right),
        ("drawdown", Align::Right),
        ("trades", Align::Right),
    ]);
    for rival in rivals {
        let sharpe = rival.sharpe.map_or("n/a".to_owned(), |it| format!("{:.2}", it.get()));
        let (gain, fall) = (share(rival.total_return), share(rival.drawdown));
        let trades = rival.trades.to_string();
        table.row([rival.name.clone(), rival.part.clone(), gain, sharpe, fall, trades]);
    }
    write!(out, "\n{table}")?;
    Ok(())
}

fn agents_table(agents: &[AgentLine], out: &mut (dyn Write + Send)) -> Result<(), CliError> {
    if agents.is_empty() {
        writeln!(out, "\nnobody guided this run")?;
        return Ok(());
    }
    let mut table = Table::new([
        ("agent", Align::Left),
        ("asked", Align::Right),
        ("moved", Align::Right),
        ("not moved", Align::Right),
    ]);
    for line in agents {
        let refused: u64 = line.refused.values().sum();
        let counts = [line.asked, line.applied, refused].map(|count| count.to_string());
        table.row(std::iter::once(line.agent.clone()).chain(counts));
    }
    write!(out, "\n{table}")?;
    Ok(())
}

/// Prints what a comparison says, and leaves it as `ab.json`.
///
/// # Errors
/// When it cannot be written.
pub(super) fn tell_comparison(
    outcome: &Outcome,
    dir: &Path,
    format: Format,
    out: &mut (dyn Write + Send),
) -> Result<(), CliError> {
    let document = json!({
        "schema": "train_ab/1", "verdict": outcome.verdict, "words": outcome.words,
        "measures": outcome.measures, "runs": outcome.runs,
    });
    let mut json = Vec::new();
    write_json(&document, Format::Json, &mut json)?;
    let json = String::from_utf8_lossy(&json).into_owned();
    crate::report::put_all(dir, [("ab.json", json)]).map_err(|error| {
        let failure = crate::cli::error::ExitCode::Failure;
        CliError::new(failure, "the comparison was not written").caused_by(error)
    })?;
    if format != Format::Text {
        return write_json(&document, format, out);
    }
    let mut table = Table::new([
        ("measure", Align::Left),
        ("baseline", Align::Right),
        ("agents", Align::Right),
        ("t", Align::Right),
        ("p corrected", Align::Right),
    ]);
    for measured in &outcome.measures {
        let row = match (measured.test, measured.corrected_p) {
            (Ok(test), Some(p)) => [test.baseline_mean, test.treated_mean, test.t, p]
                .map(|it| format!("{:.4}", it.get())),
            (Err(why), _) => [why.to_string(), String::new(), String::new(), String::new()],
            (Ok(_), None) => Default::default(),
        };
        table.row(std::iter::once(measured.measure.name.to_owned()).chain(row));
    }
    if !outcome.measures.is_empty() {
        writeln!(out, "{table}")?;
    }
    writeln!(out, "{}", outcome.words)?;
    writeln!(out, "\nevery run and every test: {}/ab.json", dir.display())?;
    Ok(())
}
