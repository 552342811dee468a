//! The manual: one page for all of it, and one per verb.

use std::io::Write;
use std::path::PathBuf;

use clap::{Args, CommandFactory as _};

use super::app::App;
use super::error::{CliError, ExitCode};

/// Where the manual goes.
#[derive(Args, Debug)]
pub struct ManArgs {
    /// Directory for every page, such as `conclave.1` and `conclave-run.1`; made where it is not there.
    /// Without it the first page goes to stdout, for `conclave man | man -l -`.
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

/// Prints the first page, or writes all of them.
///
/// # Errors
/// When the directory or stdout cannot be written.
pub fn run(args: &ManArgs, out: &mut (dyn Write + Send)) -> Result<(), CliError> {
    let command = App::command().disable_help_subcommand(true);
    let Some(dir) = &args.out else {
        // Into memory first: a pipe may be closed.
        let mut page = Vec::new();
        clap_mangen::Man::new(command).render(&mut page)?;
        return Ok(out.write_all(&page)?);
    };
    let written = std::fs::create_dir_all(dir);
    written.and_then(|()| clap_mangen::generate_to(command, dir)).map_err(|error| {
        let text = format!("the manual cannot be written to `{}`: {error}", dir.display());
        CliError::new(ExitCode::Failure, text)
    })
}
