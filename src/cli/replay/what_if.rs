//! A what-if: the run as it would have been, beside the run as it was.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write};
use std::path::Path;

use conclave_domain::book::Trade;
use conclave_domain::metrics::{Kind, Metric};
use conclave_domain::ratio::Ratio;
use conclave_domain::signal::Direction;
use conclave_domain::time::Time;
use metrics_exporter_prometheus::PrometheusHandle;
use serde_json::{Value, json};

use crate::adapters::audit_files::has_log;
use crate::cli::audit::log_dir;
use crate::cli::error::{CliError, ExitCode};
use crate::cli::format::{Align, Format, Table, write_json};
use crate::report::{self, RunReport};
use crate::run::consulted::Asked;
use crate::run::recipe::RECIPE_FILE;
use crate::run::repeat::{Base, Changes, Decided, Outcome, Source, Told};

/// Trades that the text names; the document has them all.
const TRADES_SHOWN: usize = 8;
/// The figures of an account that are set side by side.
const FIGURES: [&str; 5] = ["end_equity", "total_return", "sharpe", "max_drawdown", "fees_paid"];
/// What models have cost, USD.
const COST: &str = "cost of models";

/// What was asked for.
pub(super) struct Wanted<'a> {
    /// The run's directory.
    pub(super) dir: &'a Path,
    /// What shall be otherwise.
    pub(super) changes: &'a Changes,
    /// Where the what-if's own report goes.
    pub(super) out: Option<&'a Path>,
}

/// Plays the run as it was and as it would have been, and tells the differences.
///
/// # Errors
/// When the change is refused, or the report cannot be written.
pub(super) fn run(
    source: &Source,
    asked: &Wanted<'_>,
    metrics: &PrometheusHandle,
    format: Format,
    out: &mut dyn Write,
) -> Result<(), CliError> {
    if let Some(dir) = asked.out {
        refuse_a_run(dir)?;
    }
    let base = source.as_it_was(metrics)?;
    let mut told = source.play_otherwise(asked.changes, metrics)?;
    let mut notes = vec![format!("what-if of {}: {}", asked.dir.display(), words(asked.changes))];
    notes.extend(base.note.clone());
    if !told.frozen.is_empty() {
        let names: Vec<&str> = told.frozen.iter().copied().collect();
        notes.push(format!(
            "approximate: the recorded answers of {} are frozen, whatever they would have said to \
             other briefs",
            names.join(", ")
        ));
    }
    let compared = Compared::of(&base, &told);
    if format == Format::Text {
        compared.tell(&notes, out)?;
    } else {
        write_json(&compared.document(asked, &notes), format, out)?;
    }
    let Some(dir) = asked.out else { return Ok(()) };
    "what-if".clone_into(&mut told.report.header.verb);
    told.report.notes.splice(0..0, notes);
    report::write(&told.report, dir).map_err(|error| {
        CliError::new(ExitCode::Failure, "the report was not written").caused_by(error)
    })?;
    if format == Format::Text {
        writeln!(out, "\nreport of the what-if: {}/report.html", dir.display())?;
    }
    Ok(())
}

/// A what-if's report never lies where a run's does.
pub(in crate::cli) fn refuse_a_run(dir: &Path) -> Result<(), CliError> {
    if is_a_run(dir) {
        let text = format!("{} holds a run already: choose another --out", dir.display());
        return Err(CliError::new(ExitCode::Failure, text));
    }
    Ok(())
}

/// Refuses a file anywhere in the directory of a run.
pub(in crate::cli) fn refuse_inside_a_run(file: &Path) -> Result<(), CliError> {
    let parent = file.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."));
    // A directory that is not there is no run's either.
    let Ok(parent) = parent.canonicalize() else { return Ok(()) };
    let Some(run) = parent.ancestors().find(|dir| is_a_run(dir)) else { return Ok(()) };
    let (file, run) = (file.display(), run.display());
    let text = format!("{file} is in {run}, which holds a run: choose another file");
    Err(CliError::new(ExitCode::Failure, text))
}

/// Whether a directory has anything of a run, whatever was begun in it.
fn is_a_run(dir: &Path) -> bool {
    has_log(&log_dir(dir)) || ["run.json", RECIPE_FILE].iter().any(|file| dir.join(file).exists())
}

fn words(changes: &Changes) -> String {
    let mute = changes.mute.iter().map(|agent| match *agent {
        "risk_guardian" => "risk_guardian muted (its judgement; its hard limits stay)".to_owned(),
        agent => format!("{agent} not asked"),
    });
    let set = changes.set.iter().map(|(key, value)| format!("{key} = {value}"));
    let fees = changes.fees.map(|fees| {
        let hundredths = fees.as_hundredths();
        format!("fees {}.{:02} bp", hundredths / 100, hundredths % 100)
    });
    mute.chain(set).chain(fees).collect::<Vec<_>>().join("; ")
}

/// One figure of both.
struct Row {
    name: String,
    kind: Kind,
    was: Metric,
    would: Metric,
}

/// A decision that came to another end.
struct Turn<'a> {
    decided: &'a Decided,
    was: Option<&'a Outcome>,
    would: Option<&'a Outcome>,
}

struct Compared<'a> {
    asked: (Asked, Asked),
    rows: Vec<Row>,
    turns: Vec<Turn<'a>>,
    only_was: Vec<&'a Trade>,
    only_would: Vec<&'a Trade>,
}

impl<'a> Compared<'a> {
    fn of(was: &'a Base, would: &'a Told) -> Self {
        let (one, two) = (&was.report, &would.report);
        let asked = (was.asked, Asked::of(two));
        Self {
            asked,
            rows: rows((one, &asked.0), (two, &asked.1)),
            turns: turns(&was.decided, &would.decided),
            only_was: missing(&one.trades, &two.trades),
            only_would: missing(&two.trades, &one.trades),
        }
    }

    fn tell(&self, notes: &[String], out: &mut dyn Write) -> io::Result<()> {
        for note in notes {
            writeln!(out, "{note}")?;
        }
        let numbers = ["as it was", "what-if", "difference"].map(|name| (name, Align::Right));
        let mut table = Table::new([("", Align::Left)].into_iter().chain(numbers));
        for row in &self.rows {
            let shown = |metric: &Metric| metric.map_or("n/a".to_owned(), |it| row.text(it));
            table.row([row.name.clone(), shown(&row.was), shown(&row.would), row.difference()]);
        }
        write!(out, "\n{table}")?;
        tell_trades("as it was", &self.only_was, out)?;
        tell_trades("in the what-if", &self.only_would, out)?;
        writeln!(out, "\ndecisions that differ: {}", self.turns.len())?;
        let Some(Turn { decided, was, would }) = self.turns.first() else { return Ok(()) };
        let told = |outcome: Option<&Outcome>| {
            outcome.map_or_else(|| "no such decision".to_owned(), ToString::to_string)
        };
        writeln!(out, "the first: {} at {}", decided.decision, decided.at)?;
        writeln!(out, "  as it was  {}\n  what-if    {}", told(*was), told(*would))
    }

    fn document(&self, asked: &Wanted<'_>, notes: &[String]) -> Value {
        let Changes { mute, set, fees } = asked.changes;
        let set: BTreeMap<&String, &String> = set.iter().map(|(key, value)| (key, value)).collect();
        let rows = self.rows.iter().map(|row| {
            let (was, would) = (row.number(&row.was), row.number(&row.would));
            json!({"figure": row.name, "was": was, "what_if": would})
        });
        let first = self.turns.first().map(|turn| {
            json!({
                "decision": turn.decided.decision, "at": turn.decided.at,
                "was": turn.was, "what_if": turn.would,
            })
        });
        json!({
            "schema": "what-if/1",
            "changes": {
                "mute": mute, "set": set,
                "fees_bp": fees.map(|fees| f64::from(fees.as_hundredths()) / 100.0),
            },
            "notes": notes,
            "figures": rows.collect::<Vec<_>>(),
            "asked": {"was": self.asked.0, "what_if": self.asked.1},
            "trades_only_as_it_was": self.only_was,
            "trades_only_in_what_if": self.only_would,
            "decisions_that_differ": self.turns.len(),
            "first_decision_that_differs": first,
        })
    }
}

impl Row {
    /// A value as people read it; what models cost is often less than a cent.
    fn text(&self, value: Ratio) -> String {
        if self.name == COST { format!("{:.4}", value.get()) } else { self.kind.text(value) }
    }

    /// A figure as a JSON number: counts are whole.
    fn number(&self, metric: &Metric) -> Value {
        match metric {
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "a count came out of an unsigned number"
            )]
            Ok(count) if self.kind == Kind::Count => json!(count.get() as u64),
            Ok(number) => json!(number),
            Err(_) => Value::Null,
        }
    }

    fn difference(&self) -> String {
        let (Ok(was), Ok(would)) = (self.was, self.would) else { return String::new() };
        let Ok(change) = Ratio::new(would.get() - was.get()) else {
            return String::new();
        };
        let text = self.text(change);
        match change.get() {
            change if change > 0.0 => format!("+{text}"),
            change if change < 0.0 => text,
            _ => "=".to_owned(),
        }
    }
}

/// A report, and what its agents were asked.
type Side<'a> = (&'a RunReport, &'a Asked);

fn rows((was, asked_then): Side<'_>, (would, asked_now): Side<'_>) -> Vec<Row> {
    let mut rows = Vec::new();
    let mut count = |name: String, was: u64, would: u64| {
        if was > 0 || would > 0 {
            let of = |count: u64| {
                #[expect(clippy::cast_precision_loss, reason = "counts stay far below 2^53")]
                let count = count as f64;
                Ok(Ratio::or_zero(count))
            };
            rows.push(Row { name, kind: Kind::Count, was: of(was), would: of(would) });
        }
    };
    let (one, two) = (&was.counts, &would.counts);
    count("rounds".to_owned(), one.rounds, two.rounds);
    for (word, one, two) in [
        ("rounds", &one.verdicts, &two.verdicts),
        ("vetoes", &one.vetoes, &two.vetoes),
        ("denials", &one.denials, &two.denials),
    ] {
        let names: BTreeSet<&String> = one.keys().chain(two.keys()).collect();
        for name in names {
            let of = |map: &BTreeMap<String, u64>| map.get(name).copied().unwrap_or(0);
            count(format!("{word}: {name}"), of(one), of(two));
        }
    }
    count("consultations".to_owned(), asked_then.consultations, asked_now.consultations);
    for ((part, one), (_, two)) in asked_then.parts.named().into_iter().zip(asked_now.parts.named())
    {
        count(format!("consultations: {}", part.replace('_', " ")), one, two);
    }
    count("by rules in a model's place".to_owned(), asked_then.by_rules, asked_now.by_rules);
    count("orders".to_owned(), was.orders.len() as u64, would.orders.len() as u64);
    count("trades".to_owned(), was.trades.len() as u64, would.trades.len() as u64);
    let cost = |asked: &Asked| Ok(Ratio::or_zero(asked.cost_usd.to_f64()));
    let (one, two) = (cost(asked_then), cost(asked_now));
    rows.push(Row { name: COST.to_owned(), kind: Kind::Money, was: one, would: two });
    for key in FIGURES {
        if let (Some(one), Some(two)) = (was.metrics.find(key), would.metrics.find(key)) {
            let name = one.title.to_lowercase();
            rows.push(Row { name, kind: one.kind, was: one.metric, would: two.metric });
        }
    }
    rows
}

fn tell_trades(side: &str, trades: &[&Trade], out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "\ntrades only {side}: {}", trades.len())?;
    let mut table = Table::listing();
    for trade in trades.iter().take(TRADES_SHOWN) {
        table.row([line(trade), trade.pnl.to_string()]);
    }
    write!(out, "{table}")?;
    match trades.len().saturating_sub(TRADES_SHOWN) {
        0 => Ok(()),
        more => writeln!(out, "… and {more} more"),
    }
}

/// What makes a trade the same in both.
fn key(trade: &Trade) -> (&str, &str, Time, Time) {
    (trade.symbol.as_str(), side(trade), trade.entry_time, trade.exit_time)
}

const fn side(trade: &Trade) -> &'static str {
    match trade.direction {
        Direction::Long => "long",
        Direction::Short => "short",
    }
}

/// The trades of one that the other has not.
fn missing<'a>(of: &'a [Trade], in_other: &[Trade]) -> Vec<&'a Trade> {
    let others: BTreeSet<_> = in_other.iter().map(key).collect();
    of.iter().filter(|trade| !others.contains(&key(trade))).collect()
}

/// `AAPL long 2001-01-02 → 2001-02-05 (stop)`
fn line(trade: &Trade) -> String {
    let day = |time: Time| time.to_string().chars().take(10).collect::<String>();
    let (from, to, why) = (day(trade.entry_time), day(trade.exit_time), trade.exit_reason.name());
    format!("{} {} {from} → {to} ({why})", trade.symbol, side(trade))
}

/// The decisions that came to another end, in order of time.
fn turns<'a>(was: &'a [Decided], would: &'a [Decided]) -> Vec<Turn<'a>> {
    let name = |decided: &'a Decided| (decided.at, decided.decision.as_str());
    let one: BTreeMap<_, _> = was.iter().map(|decided| (name(decided), decided)).collect();
    let two: BTreeMap<_, _> = would.iter().map(|decided| (name(decided), decided)).collect();
    let names: BTreeSet<_> = one.keys().chain(two.keys()).copied().collect();
    let turn = |name| {
        let (was, would) = (one.get(&name).copied(), two.get(&name).copied());
        let decided = was.or(would)?;
        let (was, would) = (was.map(|it| &it.outcome), would.map(|it| &it.outcome));
        (was != would).then_some(Turn { decided, was, would })
    };
    names.into_iter().filter_map(turn).collect()
}
