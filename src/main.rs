//! The `conclave` binary: reads the command line, runs one verb, and ends with its exit code.

use std::io::Write as _;
use std::process::ExitCode;

use clap::Parser as _;
use conclave::cli::app::{self, App};
use mimalloc::MiMalloc;

/// What one thread allocates another frees, all day: the store's writer and its engine, the agents and
/// their shells. Their locks in the C library's allocator cost the context a third of its rate.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() -> ExitCode {
    let app = App::parse();
    let mut out = std::io::stdout();
    match app::answer(app, &mut out) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) if error.is_closed_output() => ExitCode::SUCCESS,
        Err(error) => {
            // Where stderr is gone there is nobody left to tell.
            let _ = writeln!(std::io::stderr(), "conclave: {}", error.chain());
            error.code.into()
        }
    }
}
