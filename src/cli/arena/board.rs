//! `arena leaderboard`, and the board as every verb of the arena prints it.

use std::fmt::Write as _;
use std::io::{IsTerminal as _, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{Args, ValueEnum};
use conclave_domain::arena::board::{Board, Figure, SCHEMA};
use conclave_domain::arena::imported::{self, ImportError, ImportedBook};

use super::export::{ARCHIVE_FILE, kept_name, of_archive, of_store};
use super::{place, runs};
use crate::adapters::arena_store::postgres::{Database, StoreError};
use crate::adapters::arena_store::read_board;
use crate::cli::error::{CliError, ExitCode};
use crate::cli::format::{Align, Format, Table, write_json};
use crate::cli::status::CLEAR;
use crate::config::parse_duration;
use crate::files;
use crate::report::arena::{self, BOARD_FILE, PAGE_FILE};

/// `arena leaderboard`
#[derive(Args, Clone, Debug)]
pub struct BoardArgs {
    /// The season's directory, or with --from json the archive; the latest season when not given.
    pub dir: Option<PathBuf>,
    /// Where the board is read: the season's own directory, its archive, or Postgres.
    #[arg(long, value_enum, default_value = "directory")]
    pub from: From,
    /// The season in Postgres; the one whose board came last when not given.
    #[arg(long, value_name = "NAME", value_parser = kept_name)]
    pub season: Option<String>,
    /// Books that `arena import` has written, each a row of its own, marked and with its verdict; ranked
    /// where they can be compared.
    #[arg(long, value_name = "BOOK", num_args = 1..)]
    pub with: Vec<PathBuf>,
    /// Draws it anew after every tick until the season is over; printed once where there is no terminal.
    #[arg(long)]
    pub watch: bool,
    /// How often to look.
    #[arg(long, value_name = "DURATION", default_value = "1s", value_parser = parse_duration)]
    #[arg(requires = "watch")]
    pub every: Duration,
}

/// Where a board is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum From {
    /// The season's directory.
    Directory,
    /// The file of `arena export --to json`.
    Json,
    /// The tables of `arena export --to postgres`.
    Postgres,
}

/// Prints the board of a season.
///
/// # Errors
/// [`ExitCode::NotFound`] when there is no season, [`ExitCode::Data`] when its board is none; from
/// Postgres as `arena export` says.
pub(super) fn run(args: &BoardArgs, format: Format, out: &mut dyn Write) -> Result<(), CliError> {
    if args.season.is_some() && args.from != From::Postgres {
        return Err(CliError::new(ExitCode::Usage, "--season is for --from postgres"));
    }
    if args.watch && format == Format::Text && std::io::stdout().is_terminal() {
        return watch(args, out);
    }
    if args.from == From::Directory
        && let Some(board) = runs::read(&place(args.dir.as_deref())?)?
    {
        return runs::print(&board, format, out);
    }
    let board = read(args)?;
    if format != Format::Text {
        return write_json(&board, format, out);
    }
    Ok(write!(out, "{}", self::text(&board, wants_medals()))?)
}

/// The board from wherever it was asked of, with the books that were named.
fn read(args: &BoardArgs) -> Result<Board, CliError> {
    let board = read_alone(args)?;
    let mut books = Vec::with_capacity(args.with.len());
    for path in &args.with {
        let text = super::files::text(path)?;
        let read = ImportedBook::read(&text);
        books.push(read.map_err(|error| of_book(&path.display().to_string(), error))?);
    }
    imported::add(board, &books).map_err(|error| of_book("--with", error))
}

fn of_book(place: &str, error: ImportError) -> CliError {
    let code = match error {
        ImportError::Taken(_) => ExitCode::Usage,
        ImportError::Strange(_) | ImportError::Range(_) => ExitCode::Data,
    };
    CliError::new(code, format!("{place}: {error}")).caused_by(error)
}

fn read_alone(args: &BoardArgs) -> Result<Board, CliError> {
    match args.from {
        From::Directory => {
            let path = place(args.dir.as_deref())?.join(BOARD_FILE);
            let text = files::read_to_string(&path).map_err(|error| {
                let text = format!("{} cannot be read", path.display());
                CliError::new(ExitCode::NotFound, text).caused_by(error)
            })?;
            parsed(&text, &path.display().to_string())
        }
        From::Json => {
            let path = match &args.dir {
                Some(path) if !path.is_dir() => path.clone(),
                dir => place(dir.as_deref())?.join(ARCHIVE_FILE),
            };
            let none = || {
                let text = format!("{} was made before its season's first board", path.display());
                CliError::new(ExitCode::NotFound, text)
            };
            let board = read_board(&path).map_err(of_archive)?.ok_or_else(none)?;
            known(board, &path.display().to_string())
        }
        From::Postgres => {
            let season = args.season.as_deref();
            let text = super::block_on(from_postgres(season))?.map_err(of_store)?;
            parsed(&text, "postgres")
        }
    }
}

async fn from_postgres(season: Option<&str>) -> Result<String, StoreError> {
    let database = Database::open().await?;
    database.expect_tables().await?;
    database.board(season).await
}

fn parsed(text: &str, place: &str) -> Result<Board, CliError> {
    let board = serde_json::from_str(text).map_err(|error| {
        CliError::new(ExitCode::Data, format!("{place}: no board")).caused_by(error)
    })?;
    known(board, place)
}

fn known(board: Board, place: &str) -> Result<Board, CliError> {
    if board.schema == SCHEMA {
        return Ok(board);
    }
    let text = format!("{place}: a board of the form {:?}, not {SCHEMA}", board.schema);
    Err(CliError::new(ExitCode::Data, text))
}

/// Draws the board anew whenever it has changed, until its season is over.
fn watch(args: &BoardArgs, out: &mut dyn Write) -> Result<(), CliError> {
    if args.every.is_zero() {
        return Err(CliError::new(ExitCode::Usage, "--every must be longer than nothing"));
    }
    let dir = match args.from {
        From::Directory => Some(place(args.dir.as_deref())?),
        From::Json | From::Postgres => None,
    };
    let mut shown: Option<Board> = None;
    let mut was_over = false;
    loop {
        let is_over = dir.as_deref().is_some_and(is_over);
        match read(args) {
            Ok(board) if shown.as_ref() == Some(&board) => {}
            Ok(board) => {
                write!(out, "{CLEAR}{}", text(&board, wants_medals()))?;
                shown = Some(board);
            }
            // A season before its first tick has no board yet.
            Err(error) if error.code == ExitCode::NotFound && shown.is_none() && !is_over => {
                writeln!(out, "{CLEAR}{}", error.chain())?;
            }
            Err(error) => return Err(error),
        }
        out.flush()?;
        // The last board comes behind the page: it is looked at once more.
        if was_over {
            return Ok(());
        }
        was_over = is_over;
        // Made on the runtime: a timer belongs to one.
        super::block_on(async { tokio::time::sleep(args.every).await })?;
    }
}

/// Whether a season has come to its end: its page is written then, and the last board behind it.
fn is_over(dir: &Path) -> bool {
    dir.join(PAGE_FILE).exists()
}
/// Whether whoever reads this sees pictures: a terminal without `NO_COLOR`.
pub(super) fn wants_medals() -> bool {
    std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none()
}

/// The board for people.
pub(super) fn text(board: &Board, medals: bool) -> String {
    let mut text = format!("season {} on {}", board.season, board.market);
    if let Some(tick) = board.tick {
        let _ = write!(text, ", {} ticks up to {}", tick.number + 1, tick.at);
    }
    text.push('\n');
    let words = ["contestant", "kind"];
    let align = |name: &str| if words.contains(&name) { Align::Left } else { Align::Right };
    let mut table = Table::new(arena::columns().map(|name| (name, align(name))));
    for row in &board.rows {
        let mut place = arena::place(row, medals);
        if medals && row.medal.is_some() {
            // A medal is as wide as two letters; the selector, which has no width, is the second.
            place.push('\u{fe0f}');
        }
        table.row(std::iter::once(place).chain(arena::cells(row)));
    }
    let _ = write!(text, "{table}");
    for row in &board.rows {
        if let Some(why) = arena::why_unranked(row) {
            let _ = writeln!(text, "{} has no rank: {why}", row.name);
        }
    }
    for row in &board.rows {
        if let Some(caveat) = arena::caveat(row) {
            let _ = writeln!(text, "{}: {caveat}", row.name);
        }
    }
    for verdict in board.rows.iter().filter_map(|row| Some((&row.name, row.verdict.as_ref()?))) {
        let _ = writeln!(text, "{}: {}", verdict.0, verdict.1);
    }
    let share = |figure: &Figure| {
        figure.value.map_or_else(|| "n/a".to_owned(), |it| format!("{:.2} %", it.get() * 100.0))
    };
    let held = &board.benchmark;
    let (total, fall) = (share(&held.total_return), share(&held.max_drawdown));
    let _ = writeln!(text, "benchmark: {}, {total}, drawdown {fall}", held.name);
    if let Some(basis) = &board.basis {
        let _ = writeln!(text, "sharpe: {basis}");
    }
    text
}
