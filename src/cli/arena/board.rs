//! `arena leaderboard`, and the board as every verb of the arena prints it.

use std::fmt::Write as _;
use std::io::{IsTerminal as _, Write};
use std::path::PathBuf;

use clap::Args;
use conclave_domain::arena::board::{Board, Figure, SCHEMA};

use super::place;
use crate::cli::error::{CliError, ExitCode};
use crate::cli::format::{Align, Format, Table, write_json};
use crate::files;
use crate::report::arena::{self, BOARD_FILE};

/// `arena leaderboard`
#[derive(Args, Clone, Debug)]
pub struct BoardArgs {
    /// The season's directory; the latest when not given.
    pub dir: Option<PathBuf>,
}

/// Prints the board of a season.
///
/// # Errors
/// [`ExitCode::NotFound`] when there is no season, [`ExitCode::Data`] when its board is none.
pub(super) fn run(args: &BoardArgs, format: Format, out: &mut dyn Write) -> Result<(), CliError> {
    let path = place(args.dir.as_deref())?.join(BOARD_FILE);
    let text = files::read_to_string(&path).map_err(|error| {
        let text = format!("{} cannot be read", path.display());
        CliError::new(ExitCode::NotFound, text).caused_by(error)
    })?;
    let strange = || CliError::new(ExitCode::Data, format!("{} is no board", path.display()));
    let board: Board = serde_json::from_str(&text).map_err(|error| strange().caused_by(error))?;
    if board.schema != SCHEMA {
        return Err(strange());
    }
    if format != Format::Text {
        return write_json(&board, format, out);
    }
    Ok(write!(out, "{}", self::text(&board, wants_medals()))?)
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
