//! Puts the files into a directory, each whole or not at all.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
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
    let text = |text: String| move |out: &mut dyn Write| out.write_all(text.as_bytes());
    let (summary, run) = (summary::Summary::of(report), summary::Run::of(report));
    let files: [(&str, Box<Fill<'_>>); 6] = [
        ("summary.json", Box::new(text(json(&summary)?))),
        ("trades.csv", Box::new(|out| csv::trades(report, out))),
        ("equity.csv", Box::new(|out| csv::equity(report, out))),
        ("orders.csv", Box::new(|out| csv::orders(report, out))),
        ("report.html", Box::new(text(html))),
        ("run.json", Box::new(text(json(&run)?))),
    ];
    make(dir)?;
    files.into_iter().map(|(name, fill)| put(dir, name, fill)).collect()
}

/// What fills a file.
type Fill<'a> = dyn FnOnce(&mut dyn Write) -> io::Result<()> + 'a;

fn make(dir: &Path) -> Result<(), ReportError> {
    let made = fs::create_dir_all(dir);
    made.map_err(|source| ReportError::Io { path: dir.to_path_buf(), source })
}

/// Puts files into a directory, which is made if need be, each whole or not at all, in their order.
///
/// # Errors
/// When the directory or a file cannot be written.
pub fn put_all<N: AsRef<str>>(
    dir: &Path,
    files: impl IntoIterator<Item = (N, String)>,
) -> Result<Vec<PathBuf>, ReportError> {
    make(dir)?;
    files
        .into_iter()
        .map(|(name, text)| {
            put(dir, name.as_ref(), |out: &mut dyn Write| out.write_all(text.as_bytes()))
        })
        .collect()
}

/// Writes under a temporary name, syncs, and renames.
fn put(
    dir: &Path,
    name: &str,
    fill: impl FnOnce(&mut dyn Write) -> io::Result<()>,
) -> Result<PathBuf, ReportError> {
    let (path, temporary) = (dir.join(name), dir.join(format!(".{name}.tmp")));
    let filled = || {
        let mut buffered = BufWriter::new(File::create(&temporary)?);
        fill(&mut buffered)?;
        buffered.into_inner()?.sync_all()?;
        fs::rename(&temporary, &path)
    };
    match filled() {
        Ok(()) => Ok(path),
        Err(source) => Err(ReportError::Io { path, source }),
    }
}

fn json<T: Serialize>(document: &T) -> Result<String, serde_json::Error> {
    let mut text = serde_json::to_string_pretty(document)?;
    text.push('\n');
    Ok(text)
}
