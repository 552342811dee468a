//! `arena`: seasons of contestants, the rules of its markets, and books from elsewhere checked line by line.

mod board;
mod chat;
mod export;
mod fetch;
mod files;
mod import;
mod prompts;
mod rules;
mod run;
mod runs;
mod show;
mod verify;

use std::io::Write;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};

use super::error::CliError;
use super::format::Format;
use crate::run::arena::latest;

pub use run::Notify;

/// `arena`
#[derive(Args, Clone, Debug)]
pub struct ArenaArgs {
    /// What to do.
    #[command(subcommand)]
    pub action: ArenaAction,
}

/// What can be done in the arena.
#[derive(Subcommand, Clone, Debug)]
pub enum ArenaAction {
    /// Plays a season: everybody is asked at every close, and filled at the next opening.
    Run(Box<run::RunArgs>),
    /// Fetches bars, news and statements from vendors into files, for a season to be played on.
    Fetch(Box<fetch::FetchArgs>),
    /// The board of a season.
    Leaderboard(board::BoardArgs),
    /// What contestants said, stage by stage.
    Chat(chat::ChatArgs),
    /// A season's public record, into one JSON file or into Postgres.
    Export(export::ExportArgs),
    /// The rules of the markets: lots, sessions, settlement, limits, costs, and their hash.
    Rules(rules::RulesArgs),
    /// Replays another arena's book and compares cash and holdings after every line.
    Verify(verify::VerifyArgs),
    /// Checks another arena's book and writes it down as a contestant's.
    Import(import::ImportArgs),
}

/// Runs `arena`; `file` is the configuration's.
///
/// # Errors
/// [`super::error::ExitCode::Data`] when a book does not hold, a file is none or bars make no season,
/// [`super::error::ExitCode::NotFound`] when there is no such file.
pub fn run(
    args: &ArenaArgs,
    file: Option<&Path>,
    format: Format,
    out: &mut dyn Write,
) -> Result<(), CliError> {
    match &args.action {
        ArenaAction::Run(args) => run::run(args, file, format, out),
        ArenaAction::Fetch(args) => block_on(fetch::run(args, file, out))?,
        ArenaAction::Leaderboard(args) => board::run(args, format, out),
        ArenaAction::Chat(args) => chat::run(args, format, out),
        ArenaAction::Export(args) => export::run(args, format, out),
        ArenaAction::Rules(args) => rules::run(args, format, out),
        ArenaAction::Verify(args) => verify::run(args, format, out),
        ArenaAction::Import(args) => import::run(args, format, out),
    }
}

/// Drives what waits for somebody else.
fn block_on<T>(work: impl Future<Output = T>) -> Result<T, CliError> {
    Ok(crate::run::runtime()?.block_on(work))
}

/// The directory that was named, or that of the latest season.
fn place(dir: Option<&Path>) -> Result<PathBuf, CliError> {
    dir.map_or_else(latest, |dir| Ok(dir.to_path_buf()))
}
