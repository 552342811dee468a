//! Puts the files into a directory, each whole or not at all.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::{RunReport, csv, page, summary};

/// Why a report could not be written.
#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    /// A file or the directory could not be written.
    #[error("{} could not be written", path.display())]
    Io {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A chart could not be drawn.
    #[error("a chart could not be drawn")]
    Chart(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// A document could not be made into JSON.
    #[error("a document could not be written as json")]
    Json(#[from] serde_json::Error),
}

/// Writes all files of a run into `dir`, which is made if need be, and returns their paths.
///
/// Files of an earlier run in the same directory are replaced one by one; `run.json` comes last, so a
/// directory that has a new one is complete.
///
/// # Errors
/// When the directory or a file cannot be written, or a chart not drawn.
pub fn write(report: &RunReport, dir: &Path) -> Result<Vec<PathBuf>, ReportError> {
    let html = page::html(report).map_err(ReportError::Chart)?;
    let files = [
        ("summary.json", json(&summary::Summary::of(report))?),
        ("trades.csv", csv::trades(report)),
        ("equity.csv", csv::equity(report)),
        ("orders.csv", csv::orders(report)),
        ("report.html", html),
        ("run.json", json(&summary::Run::of(report))?),
    ];
    put_all(dir, files)
}

/// Puts files into a directory, which is made if need be, each whole or not at all, in their order.
///
/// # Errors
/// When the directory or a file cannot be written.
pub fn put_all(
    dir: &Path,
    files: impl IntoIterator<Item = (&'static str, String)>,
) -> Result<Vec<PathBuf>, ReportError> {
    fs::create_dir_all(dir)
        .map_err(|source| ReportError::Io { path: dir.to_path_buf(), source })?;
    files
        .into_iter()
        .map(|(name, text)| {
            let path = dir.join(name);
            let put = put(&path, &dir.join(format!(".{name}.tmp")), text.as_bytes());
            put.map(|()| path.clone()).map_err(|source| ReportError::Io { path, source })
        })
        .collect()
}

/// Writes under a temporary name, syncs, and renames.
fn put(path: &Path, temporary: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = File::create(temporary)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(temporary, path)
}

fn json<T: Serialize>(document: &T) -> Result<String, serde_json::Error> {
    let mut text = serde_json::to_string_pretty(document)?;
    text.push('\n');
    Ok(text)
}
