//! What a season leaves beside its log: projections of it, written anew by whoever goes on.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

use conclave_domain::arena::season::ClosedTick;
use serde::Serialize;

use crate::cli::error::{CliError, ExitCode};
use crate::report::arena::{self, ArenaReport};

/// Every decision with its stages, a line each.
pub(crate) const CHATS_FILE: &str = "chats.jsonl";
/// What all said together, a line for each symbol and tick.
const AGGREGATES_FILE: &str = "aggregates.jsonl";

/// The files that grow with every tick.
#[derive(Debug)]
pub(super) struct Lines {
    chats: BufWriter<File>,
    aggregates: BufWriter<File>,
}

impl Lines {
    pub(super) fn create(dir: &Path) -> Result<Self, CliError> {
        let create = |name: &str| File::create(dir.join(name)).map(BufWriter::new);
        Ok(Self { chats: create(CHATS_FILE)?, aggregates: create(AGGREGATES_FILE)? })
    }

    pub(super) fn add(&mut self, tick: &ClosedTick) -> Result<(), CliError> {
        put(&mut self.chats, &tick.chats)?;
        put(&mut self.aggregates, &tick.aggregates)
    }

    pub(super) fn finish(&mut self) -> Result<(), CliError> {
        self.chats.flush()?;
        Ok(self.aggregates.flush()?)
    }
}

fn put<T: Serialize>(file: &mut BufWriter<File>, all: &[T]) -> Result<(), CliError> {
    for one in all {
        let text = serde_json::to_string(one)
            .map_err(|error| CliError::new(ExitCode::Failure, "a line of json").caused_by(error))?;
        writeln!(file, "{text}")?;
    }
    Ok(())
}

/// Writes the report, the board and the curves.
pub(super) fn write(report: &ArenaReport, dir: &Path) -> Result<(), CliError> {
    arena::write(report, dir).map(drop).map_err(|error| {
        CliError::new(ExitCode::Failure, "the season's report cannot be written").caused_by(error)
    })
}
