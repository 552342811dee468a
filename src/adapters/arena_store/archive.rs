//! A season's whole public record in one JSON file, a tick a line: `arena-archive/1`.

use std::fs::{self, File};
use std::io::{self, BufReader, BufWriter, Write as _};
use std::path::{Path, PathBuf};

use conclave_domain::arena::board::Board;
use conclave_domain::arena::public::SeasonDocument;
use serde::Deserialize;
use serde::de::IgnoredAny;

use super::files::{FilesError, SeasonFiles, Told};
use crate::files;

/// The form of an archive.
const SCHEMA: &str = "arena-archive/1";

/// Why there is no archive.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    /// The season's own files cannot be read.
    #[error(transparent)]
    Files(#[from] FilesError),
    /// The archive cannot be written or read.
    #[error("{} cannot be written or read", path.display())]
    Io {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The file is no archive, or one of another version.
    #[error("{} is no {SCHEMA}", path.display())]
    Strange {
        /// Which.
        path: PathBuf,
        /// Why, where it is no JSON of this form.
        source: Option<serde_json::Error>,
    },
}

/// Writes the archive of a season under a temporary name, syncs it, and renames it: it is there whole or
/// not at all, and the same season gives the same bytes. Tells its ticks.
///
/// # Errors
/// When the season cannot be read, or the file not be written.
pub fn write_archive(season: &mut SeasonFiles, path: &Path) -> Result<u32, ArchiveError> {
    let io = |source| ArchiveError::Io { path: path.to_path_buf(), source };
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let temporary = path.with_file_name(format!(".{name}.tmp"));
    let mut out = BufWriter::new(File::create(&temporary).map_err(io)?);
    let document = text_of(&season.document, path)?;
    write!(out, "{{\"schema\":\"{SCHEMA}\",\"season\":{document},\"ticks\":[").map_err(io)?;
    let mut count = 0;
    while let Some(told) = season.next_tick()? {
        let comma = if count > 0 { "," } else { "" };
        writeln!(out, "{comma}").and_then(|()| tick(&told, &mut out)).map_err(io)?;
        count += 1;
    }
    let board = match season.board()? {
        Some(text) => {
            let board: Board = serde_json::from_str(&text).map_err(|source| {
                ArchiveError::Strange { path: path.to_path_buf(), source: Some(source) }
            })?;
            text_of(&board, path)?
        }
        None => "null".to_owned(),
    };
    write!(out, "\n],\"board\":{board}}}\n").map_err(io)?;
    let file = out.into_inner().map_err(io::IntoInnerError::into_error).map_err(io)?;
    file.sync_all().and_then(|()| fs::rename(&temporary, path)).map_err(io)?;
    Ok(count)
}

fn text_of<T: serde::Serialize>(value: &T, path: &Path) -> Result<String, ArchiveError> {
    serde_json::to_string(value)
        .map_err(|source| ArchiveError::Strange { path: path.to_path_buf(), source: Some(source) })
}

fn tick(told: &Told, out: &mut impl io::Write) -> io::Result<()> {
    let Told { text, chats, aggregates, .. } = told;
    let (chats, aggregates) = (chats.join(","), aggregates.join(","));
    let digest = told.digest();
    write!(
        out,
        "{{\"moved\":{text},\"chats\":[{chats}],\"aggregates\":[{aggregates}],\"digest\":\"{digest}\"}}"
    )
}

/// What a reader of the board wants of an archive.
#[derive(Deserialize)]
struct Archive {
    schema: String,
    #[serde(rename = "season")]
    _season: SeasonDocument,
    #[serde(rename = "ticks")]
    _ticks: Vec<IgnoredAny>,
    board: Option<Board>,
}

/// The board of an archive; `None` for one that was made before its season's first board.
///
/// # Errors
/// When the file cannot be read or is no archive.
pub fn read_board(path: &Path) -> Result<Option<Board>, ArchiveError> {
    let file = files::open(path)
        .map_err(|source| ArchiveError::Io { path: path.to_path_buf(), source })?;
    let strange = |source| ArchiveError::Strange { path: path.to_path_buf(), source };
    let archive: Archive =
        serde_json::from_reader(BufReader::new(file)).map_err(|source| strange(Some(source)))?;
    if archive.schema != SCHEMA {
        return Err(strange(None));
    }
    Ok(archive.board)
}
