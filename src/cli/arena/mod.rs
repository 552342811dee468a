//! `arena`: the rules of its markets, and books from elsewhere checked line by line.

mod files;
mod import;
mod rules;
mod show;
mod verify;

use std::io::Write;

use clap::{Args, Subcommand};

use super::error::CliError;
use super::format::Format;

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
    /// The rules of the markets: lots, sessions, settlement, limits, costs, and their hash.
    Rules(rules::RulesArgs),
    /// Replays another arena's book and compares cash and holdings after every line.
    Verify(verify::VerifyArgs),
    /// Checks another arena's book and writes it down as a contestant's.
    Import(import::ImportArgs),
}

/// Runs `arena`.
///
/// # Errors
/// [`super::error::ExitCode::Data`] when a book does not hold or a file is none,
/// [`super::error::ExitCode::NotFound`] when there is no such file.
pub fn run(args: &ArenaArgs, format: Format, out: &mut dyn Write) -> Result<(), CliError> {
    match &args.action {
        ArenaAction::Rules(args) => rules::run(args, format, out),
        ArenaAction::Verify(args) => verify::run(args, format, out),
        ArenaAction::Import(args) => import::run(args, format, out),
    }
}
