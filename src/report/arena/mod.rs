//! What a season of the arena leaves: `report.html`, `board.json`, `equity.csv`, `trades.csv`; beside
//! them `season.json` and the growing files of its ticks.

mod lines;
mod page;
#[cfg(test)]
mod tests;

use std::fs;
use std::path::{Path, PathBuf};

use conclave_domain::arena::aggregate::Aggregate;
use conclave_domain::arena::board::{Board, Figure, Row};
use conclave_domain::arena::book::{Entry, Errors};
use conclave_domain::arena::chat::ChatEntry;
use conclave_domain::arena::model::Contamination;
use conclave_domain::arena::season::{Exclusion, Season, SeasonSpec};
use conclave_domain::arena::words::ContestantName;
use conclave_domain::fixed::Money;
use conclave_domain::time::Time;
use serde::Serialize;

use super::{ReportError, put_all};

/// The board as JSON.
pub const BOARD_FILE: &str = "board.json";
/// The page; it is written when the season is over.
pub const PAGE_FILE: &str = "report.html";
/// Decisions that the page shows; all are in `chats.jsonl`.
pub const CHATS_MAX: usize = 200;

/// Everything that the report of a season tells.
#[derive(Clone, Debug)]
pub struct ArenaReport {
    /// The board at the end.
    pub board: Board,
    /// By what it was played.
    pub spec: SeasonSpec,
    /// The market's rules in sentences.
    pub rules: Vec<String>,
    /// Where the bars come from, in words.
    pub source: String,
    /// Equity at every close, in the order of the board.
    pub curves: Vec<(ContestantName, Vec<(Time, Money)>)>,
    /// The benchmark at every close.
    pub benchmark: Vec<(Time, Money)>,
    /// Everything that was tried, in the order of the board.
    pub trades: Vec<(ContestantName, Vec<Entry>)>,
    /// What all said at the last tick.
    pub aggregates: Vec<Aggregate>,
    /// The last decisions that were not HOLD, oldest first.
    pub chats: Vec<ChatEntry>,
    /// Who was taken out.
    pub exclusions: Vec<Exclusion>,
}

impl ArenaReport {
    /// The report of a season with its board.
    pub fn of(
        season: &Season,
        board: Board,
        (aggregates, chats): (Vec<Aggregate>, Vec<ChatEntry>),
        source: &str,
    ) -> Self {
        let books = || {
            let book = |row: &Row| Some((row.name.clone(), season.books().get(&row.name)?));
            board.rows.iter().filter_map(book)
        };
        Self {
            curves: books().map(|(name, book)| (name, book.curve().to_vec())).collect(),
            trades: books().map(|(name, book)| (name, book.history().to_vec())).collect(),
            spec: season.spec().clone(),
            rules: season.rules().text(),
            source: source.to_owned(),
            benchmark: season.benchmark().to_vec(),
            aggregates,
            chats,
            exclusions: season.exclusions().to_vec(),
            board,
        }
    }
}

/// Writes the files into `dir`, which is made if need be; `board.json` comes last.
///
/// # Errors
/// When a chart cannot be drawn or a file not be written.
pub fn write(report: &ArenaReport, dir: &Path) -> Result<Vec<PathBuf>, ReportError> {
    let html = page::html(report).map_err(ReportError::Chart)?;
    let files = [
        (PAGE_FILE, html),
        ("equity.csv", equity(report)),
        ("trades.csv", trades(report)),
        (BOARD_FILE, json(&report.board)?),
    ];
    put_all(dir, files)
}

/// Replaces the board in a season's directory, at once for whoever reads it. It is not synced: the season
/// itself is in the log.
///
/// # Errors
/// When it cannot be written.
pub fn show(board: &Board, dir: &Path) -> Result<(), ReportError> {
    let (path, temporary) = (dir.join(BOARD_FILE), dir.join(format!(".{BOARD_FILE}.tmp")));
    let text = json(board)?;
    let written = fs::write(&temporary, text).and_then(|()| fs::rename(&temporary, &path));
    written.map_err(|source| ReportError::Io { path, source })
}

fn json<T: Serialize>(document: &T) -> Result<String, serde_json::Error> {
    Ok(serde_json::to_string_pretty(document)? + "\n")
}

/// A row per close: the benchmark, then everybody in the order of the board.
fn equity(report: &ArenaReport) -> String {
    let names = report.curves.iter().map(|(name, _)| name.as_str());
    let head: Vec<&str> = ["time", "benchmark"].into_iter().chain(names).collect();
    let mut text = head.join(",") + "\n";
    for (at, (time, value)) in report.benchmark.iter().enumerate() {
        let of = |(_, curve): &(ContestantName, Vec<(Time, Money)>)| {
            curve.get(at).map_or_else(String::new, |(_, money)| money.to_string())
        };
        let fields = [time.to_string(), value.to_string()];
        let fields: Vec<String> = fields.into_iter().chain(report.curves.iter().map(of)).collect();
        text.push_str(&fields.join(","));
        text.push('\n');
    }
    text
}

/// A row per wish, refused ones too.
fn trades(report: &ArenaReport) -> String {
    let mut text = String::from(
        "contestant,intent,tick,wished_at,at,symbol,side,wanted,filled,price,fee,success,reason\n",
    );
    for (name, entries) in &report.trades {
        for entry in entries {
            let fields = [
                name.to_string(),
                entry.intent.to_string(),
                entry.tick.number.to_string(),
                entry.tick.at.to_string(),
                entry.at.to_string(),
                entry.symbol.to_string(),
                entry.side.to_string(),
                entry.wanted.to_string(),
                entry.filled.to_string(),
                entry.price.map_or_else(String::new, |price| price.to_string()),
                entry.fee.to_string(),
                entry.success.to_string(),
                entry.reason.map_or_else(String::new, |reason| reason.to_string()),
            ];
            text.push_str(&fields.join(","));
            text.push('\n');
        }
    }
    text
}

/// The columns of the board for people, with what each row has there.
pub fn columns() -> [&'static str; 18] {
    [
        "",
        "contestant",
        "kind",
        "value",
        "net",
        "model cost",
        "net of it",
        "gross",
        "fees",
        "return",
        "sharpe",
        "drawdown",
        "trades",
        "won",
        "turnover",
        "calls",
        "leaks",
        "errors",
    ]
}

/// The cells of a row, without its place.
pub fn cells(row: &Row) -> Vec<String> {
    let share = |figure: &Figure| {
        let percent =
            |value: conclave_domain::ratio::Ratio| format!("{:.2} %", value.get() * 100.0);
        figure.value.map_or_else(|| "n/a".to_owned(), percent)
    };
    let number = |figure: &Figure| {
        figure.value.map_or_else(|| "n/a".to_owned(), |value| format!("{:.2}", value.get()))
    };
    // A rule thinks for nothing and asks nobody: there is no figure, which is not zero.
    let money = |it: Option<Money>| it.map_or_else(|| "–".to_owned(), |it| format!("{it:.2}"));
    // An answer costs a fraction of a cent.
    let cost = |it: Option<Money>| it.map_or_else(|| "–".to_owned(), |it| format!("{it:.4}"));
    let Errors { late, failed, review, denied, .. } = row.errors;
    let errors: u64 = [late, failed, review, denied].into_iter().map(u64::from).sum();
    let leaks = row.calls.map(|_| row.leaks.values().sum::<u64>().to_string());
    let dash = || "–".to_owned();
    vec![
        row.name.to_string(),
        row.kind.clone(),
        format!("{:.2}", row.portfolio_value),
        format!("{:.2}", row.net),
        cost(row.model_cost),
        money(row.net_of_model_cost),
        format!("{:.2}", row.gross),
        format!("{:.2}", row.fees),
        share(&row.total_return),
        number(&row.sharpe),
        share(&row.max_drawdown),
        row.trades.to_string(),
        share(&row.win_rate),
        number(&row.turnover),
        row.calls.map_or_else(dash, |calls| calls.to_string()),
        leaks.unwrap_or_else(dash),
        errors.to_string(),
    ]
}

/// A row's place: a medal where they are wanted and earned, else the rank, else a dash.
pub fn place(row: &Row, medals: bool) -> String {
    match (row.medal, row.rank) {
        (Some(1), _) if medals => "🥇".to_owned(),
        (Some(2), _) if medals => "🥈".to_owned(),
        (Some(3), _) if medals => "🥉".to_owned(),
        (_, Some(rank)) => rank.to_string(),
        (_, None) => "–".to_owned(),
    }
}

/// What a reader of a row must know of its models: whether they may have seen these prices in training.
pub fn caveat(row: &Row) -> Option<String> {
    let until = row.knowledge_cutoff.map(|day| day.to_string()).unwrap_or_default();
    match row.contamination? {
        Contamination::Clean => None,
        Contamination::Contaminated => Some(format!(
            "its models know the world until {until}: they may have seen these prices in training"
        )),
        Contamination::Unknown => Some(
            "nobody has said until when its models were trained: they may have seen these prices"
                .to_owned(),
        ),
    }
}

/// Why a row has no rank, where it has none.
pub fn why_unranked(row: &Row) -> Option<String> {
    let suspect = "a price of what it holds is not believed";
    row.excluded.clone().or_else(|| row.suspect.then(|| suspect.to_owned()))
}
