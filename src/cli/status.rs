//! `status [--watch]`: one complete snapshot of the running process, once or again and again.

use std::io::{IsTerminal as _, Write};
use std::time::Duration;

use clap::Args;

use super::control::{Plain, Where, plain};
use super::error::{CliError, ExitCode};
use super::format::Format;
use crate::config::parse_duration;

/// Clears a terminal and goes to its first line.
pub(super) const CLEAR: &str = "\u{1b}[2J\u{1b}[H";

/// Arguments of `status`.
#[derive(Args, Clone, Debug)]
pub struct StatusArgs {
    /// Which process.
    #[command(flatten)]
    pub place: Where,
    /// Goes on until Ctrl-C, or until the process has ended: drawn anew on a terminal, else a block each
    /// time, and with `--format jsonl` a line each time.
    #[arg(long)]
    pub watch: bool,
    /// How often to look.
    #[arg(long, value_name = "DURATION", default_value = "2s", value_parser = parse_duration)]
    #[arg(requires = "watch")]
    pub every: Duration,
}

/// Prints the status, once or until nobody answers any more.
///
/// # Errors
/// When nobody answers, or writing fails; [`ExitCode::Usage`] when `--every` is nothing.
pub async fn run(
    args: &StatusArgs,
    format: Format,
    out: &mut (dyn Write + Send),
) -> Result<(), CliError> {
    if args.every.is_zero() {
        return Err(CliError::new(ExitCode::Usage, "--every must be longer than nothing"));
    }
    let is_text = format == Format::Text;
    let redraws = args.watch && is_text && std::io::stdout().is_terminal();
    loop {
        // Into memory first, so that a screen is not cleared for an answer that does not come.
        let mut shown = Vec::new();
        plain(Plain::Status, &args.place, format, &mut shown).await?;
        if redraws {
            write!(out, "{CLEAR}")?;
        }
        out.write_all(&shown)?;
        if !args.watch {
            return Ok(());
        }
        if is_text && !redraws {
            writeln!(out)?;
        }
        out.flush()?;
        tokio::time::sleep(args.every).await;
    }
}
