//! `arena export`: a season's public record into one JSON file or into Postgres.

use std::io::Write;
use std::path::PathBuf;

use clap::{Args, ValueEnum};
use serde_json::json;

use super::place;
use crate::adapters::arena_store::postgres::{Database, Exported, StoreError};
use crate::adapters::arena_store::{ArchiveError, FilesError, SeasonFiles, write_archive};
use crate::cli::error::{CliError, ExitCode};
use crate::cli::format::{Format, write_json};
use crate::cli::progress::Progress;

/// The archive's name where none is given.
pub(super) const ARCHIVE_FILE: &str = "archive.json";
/// The longest name that a season is kept as.
const NAME_MAX: usize = 64;

/// `arena export`
#[derive(Args, Clone, Debug)]
#[command(
    after_help = "Postgres is named by CONCLAVE_ARENA_POSTGRES_URL, and further certificates by \
    CONCLAVE_ARENA_POSTGRES_CA, a PEM file; beyond this machine TLS is asked for. The first export makes the \
    tables (schema `conclave`); ops/postgres/roles.sql has the roles for everything after it. An export goes on \
    behind the last tick that is there, and twice is once; a season that goes on is exported as far as it is. \
    Exit codes: 0 it is there, 3 no address, 5 no season, 8 another season or another version is there, 9 Postgres \
    does not answer, does not let us in or does not let us write."
)]
pub struct ExportArgs {
    /// The season's directory; the latest when not given.
    pub dir: Option<PathBuf>,
    /// Where to.
    #[arg(long, value_enum)]
    pub to: Target,
    /// The archive's file; archive.json in the season's directory when not given.
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
    /// The name that it is kept as in Postgres; made of what decides the season when not given.
    #[arg(long = "as", value_name = "NAME", value_parser = kept_name)]
    pub name: Option<String>,
}

/// Where a season goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Target {
    /// One file.
    Json,
    /// Tables.
    Postgres,
}

/// A name that a season may be kept as.
pub(super) fn kept_name(text: &str) -> Result<String, String> {
    let is_plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    let is_name = (1..=NAME_MAX).contains(&text.len()) && text.bytes().all(is_plain);
    let wanted = || format!("1 to {NAME_MAX} of a-z, 0-9 and `-` are wanted");
    is_name.then(|| text.to_owned()).ok_or_else(wanted)
}

/// Exports a season and says what was written.
///
/// # Errors
/// As the help of the verb says.
pub(super) fn run(args: &ExportArgs, format: Format, out: &mut dyn Write) -> Result<(), CliError> {
    if args.to == Target::Json && args.name.is_some() {
        return Err(CliError::new(ExitCode::Usage, "--as is for --to postgres"));
    }
    if args.to == Target::Postgres && args.out.is_some() {
        return Err(CliError::new(ExitCode::Usage, "--out is for --to json"));
    }
    let dir = place(args.dir.as_deref())?;
    let mut files = SeasonFiles::open(&dir).map_err(of_files)?;
    let waiting = Progress::waiting("writes the season");
    let (id, to, exported) = match args.to {
        Target::Json => {
            let path = args.out.clone().unwrap_or_else(|| dir.join(ARCHIVE_FILE));
            let written = write_archive(&mut files, &path).map_err(of_archive)?;
            let exported = Exported { written, there: 0 };
            (files.document.id, path.display().to_string(), exported)
        }
        Target::Postgres => {
            let id = args.name.clone().unwrap_or_else(|| files.document.id.clone());
            let exported = super::block_on(into_postgres(files, &id))?.map_err(of_store)?;
            (id, "postgres".to_owned(), exported)
        }
    };
    drop(waiting);
    let Exported { written, there } = exported;
    if format != Format::Text {
        let done = json!({"schema": "arena-export/1", "season": id, "to": to, "written": written,
            "there": there});
        return write_json(&done, format, out);
    }
    Ok(writeln!(out, "season {id} → {to}: {written} ticks written, {there} were there")?)
}

async fn into_postgres(files: SeasonFiles, id: &str) -> Result<Exported, StoreError> {
    let database = Database::open().await?;
    database.migrate().await?;
    Ok(database.export(files, id).await?.1)
}

/// What a store's failure ends with.
pub(super) fn of_store(error: StoreError) -> CliError {
    named(error_code(&error), error)
}

fn error_code(error: &StoreError) -> ExitCode {
    match error {
        StoreError::NoUrl | StoreError::Url | StoreError::Ca { .. } => ExitCode::Config,
        StoreError::NoSeason(_) | StoreError::Files(FilesError::Io { .. }) => ExitCode::NotFound,
        StoreError::Unreachable(_)
        | StoreError::Login(_)
        | StoreError::Denied(_)
        | StoreError::Slow(_)
        | StoreError::Refused(_)
        | StoreError::Stopped => ExitCode::Broker,
        StoreError::Newer { .. }
        | StoreError::Altered(_)
        | StoreError::Older { .. }
        | StoreError::Another(_)
        | StoreError::Other { .. }
        | StoreError::Files(_)
        | StoreError::Json(_) => ExitCode::Data,
    }
}

fn of_files(error: FilesError) -> CliError {
    let code = match &error {
        FilesError::Io { .. } => ExitCode::NotFound,
        _ => ExitCode::Data,
    };
    named(code, error)
}

/// What an archive's failure ends with.
pub(super) fn of_archive(error: ArchiveError) -> CliError {
    match error {
        ArchiveError::Files(error) => of_files(error),
        ArchiveError::Io { .. } => named(ExitCode::NotFound, error),
        ArchiveError::Strange { .. } => named(ExitCode::Data, error),
    }
}

fn named(code: ExitCode, error: impl std::error::Error + Send + Sync + 'static) -> CliError {
    CliError::new(code, error.to_string()).caused_by(error)
}
