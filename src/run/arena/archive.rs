//! What a season leaves beside its log: projections of it, written anew by whoever goes on.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use conclave_domain::arena::board::board;
use conclave_domain::arena::public::{SCHEMA, SeasonDocument, TickLine, season_id};
use conclave_domain::arena::season::{ClosedTick, Exclusion, Season};
use metrics_exporter_prometheus::PrometheusHandle;
use serde::Serialize;
use tokio::time::Instant;

use super::failed;
use super::prepare::Prepared;
use crate::adapters::arena_store::{AGGREGATES_FILE, CHATS_FILE, SEASON_FILE, TICKS_FILE};
use crate::cli::error::{CliError, ExitCode};
use crate::report::arena::{self, ArenaReport};
use crate::report::put_all;

/// The season's metrics as Prometheus reads them from a file.
const METRICS_FILE: &str = "metrics.prom";
/// How long a board stands before a later tick replaces it; a tick that a model thinks about takes longer.
const BOARD_EVERY: Duration = Duration::from_millis(100);

/// The files that grow with every tick.
#[derive(Debug)]
pub(super) struct Lines {
    dir: PathBuf,
    chats: BufWriter<File>,
    aggregates: BufWriter<File>,
    ticks: BufWriter<File>,
    /// When the board was written last.
    board_at: Option<Instant>,
    /// What the process counts; nothing where a season is only told again, so that the file of those who
    /// played it stays.
    metrics: Option<PrometheusHandle>,
}

impl Lines {
    pub(super) fn create(dir: &Path, metrics: Option<PrometheusHandle>) -> Result<Self, CliError> {
        let create = |name: &str| File::create(dir.join(name)).map(BufWriter::new);
        Ok(Self {
            dir: dir.to_path_buf(),
            chats: create(CHATS_FILE)?,
            aggregates: create(AGGREGATES_FILE)?,
            ticks: create(TICKS_FILE)?,
            board_at: None,
            metrics,
        })
    }

    /// Adds a tick. Its own line comes last: whoever sees it finds all else of the tick.
    pub(super) fn add(&mut self, tick: &ClosedTick, line: TickLine) -> Result<(), CliError> {
        put(&mut self.chats, &tick.chats)?;
        put(&mut self.aggregates, &tick.aggregates)?;
        put(&mut self.ticks, &[line])
    }

    /// The board as it stands after the tick, unless it was written a moment ago.
    pub(super) fn show(&mut self, season: &Season, data: &str) -> Result<(), CliError> {
        let now = Instant::now();
        if self.board_at.is_some_and(|at| now < at + BOARD_EVERY) {
            return Ok(());
        }
        self.board_at = Some(now);
        let board = board(season, data).map_err(|error| failed(&error))?;
        arena::show(&board, &self.dir).map_err(|error| failed(&error))?;
        self.count()
    }

    /// Writes down the metrics: nobody asks a season for them over HTTP.
    pub(super) fn count(&self) -> Result<(), CliError> {
        let Some(metrics) = &self.metrics else { return Ok(()) };
        let text = metrics.render();
        put_all(&self.dir, [(METRICS_FILE, text)]).map(drop).map_err(|error| failed(&error))
    }
}

fn put<T: Serialize>(file: &mut BufWriter<File>, all: &[T]) -> Result<(), CliError> {
    for one in all {
        let text = serde_json::to_string(one)
            .map_err(|error| CliError::new(ExitCode::Failure, "a line of json").caused_by(error))?;
        writeln!(file, "{text}")?;
    }
    Ok(file.flush()?)
}

/// Writes down what the season is, with those who have been taken out of it so far.
pub(super) fn describe(
    prepared: &Prepared,
    exclusions: &[Exclusion],
    dir: &Path,
) -> Result<(), CliError> {
    let Prepared { spec, data, from, ticks, source, .. } = prepared;
    let document = SeasonDocument {
        schema: SCHEMA.to_owned(),
        id: season_id(spec, data, *from, *ticks),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        source: source.clone(),
        data: data.clone(),
        from: *from,
        ticks: *ticks,
        spec: spec.clone(),
        rules: spec.rules().text(),
        exclusions: exclusions.to_vec(),
    };
    let text = serde_json::to_string_pretty(&document).map_err(|error| failed(&error))? + "\n";
    put_all(dir, [(SEASON_FILE, text)]).map(drop).map_err(|error| failed(&error))
}

/// Writes the report, the board and the curves.
pub(super) fn write(report: &ArenaReport, prepared: &Prepared, dir: &Path) -> Result<(), CliError> {
    describe(prepared, &report.exclusions, dir)?;
    arena::write(report, dir).map(drop).map_err(|error| {
        CliError::new(ExitCode::Failure, "the season's report cannot be written").caused_by(error)
    })
}
