//! What agents are told of themselves from earlier runs: a file that `scorecard --track` writes and
//! `run --track` reads.
//!
//! - L-1: the file holds moments; what a brief shows of it was known before the brief.

use std::io::Read as _;
use std::path::Path;
use std::sync::Arc;

use conclave_domain::scorecard::{Past, Word};
use serde::{Deserialize, Serialize};

use super::recipe::{SourceFile, put};
use crate::cli::error::{CliError, ExitCode};
use crate::files;

const SCHEMA: &str = "track/1";
/// Half a million consultations; more is none of ours.
const BYTES_MAX: u64 = 64 << 20;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    schema: String,
    words: Vec<Word>,
}

/// Refuses to write in the place of a file that is none of ours.
///
/// # Errors
/// When there is one.
pub(crate) fn refuse_another(path: &Path) -> Result<(), CliError> {
    if path.symlink_metadata().is_err() || read(path).is_ok() {
        return Ok(());
    }
    let text =
        format!("{} is there already and is no file of --track: choose another", path.display());
    Err(CliError::new(ExitCode::Failure, text))
}

/// Writes a file of these words, whole or not at all.
///
/// # Errors
/// When it cannot be written.
pub(crate) fn write(path: &Path, words: Vec<Word>) -> Result<(), CliError> {
    let text = text(words)?;
    let name = path.file_name().and_then(|name| name.to_str());
    let parent = path.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let none = || std::io::Error::new(std::io::ErrorKind::InvalidInput, "it has no name");
    name.ok_or_else(none).and_then(|name| put(parent, name, &text)).map_err(|error| {
        let text = format!("{} could not be written", path.display());
        CliError::new(ExitCode::Failure, text).caused_by(error)
    })
}

/// The text of a file of these words.
///
/// # Errors
/// When it cannot be written as JSON.
fn text(words: Vec<Word>) -> Result<String, CliError> {
    let document = Document { schema: SCHEMA.to_owned(), words };
    let text = serde_json::to_string(&document);
    text.map(|text| text + "\n")
        .map_err(|error| CliError::new(ExitCode::Failure, error.to_string()))
}

/// What a file tells of earlier runs; nothing without a file.
///
/// # Errors
/// With exit code 8 when the file cannot be read or is none of ours.
pub(super) fn past(file: Option<&SourceFile>) -> Result<Arc<Past>, CliError> {
    file.map_or_else(|| Ok(Arc::default()), |file| read(&file.path).map(Arc::new))
}

fn read(path: &Path) -> Result<Past, CliError> {
    let bad = |why: String| {
        CliError::new(ExitCode::Data, format!("{} is no file of --track: {why}", path.display()))
    };
    let mut text = String::new();
    let opened = files::open(path).and_then(|file| file.take(BYTES_MAX).read_to_string(&mut text));
    opened.map_err(|error| bad(error.to_string()))?;
    let document: Document = serde_json::from_str(&text).map_err(|error| bad(error.to_string()))?;
    if document.schema != SCHEMA {
        return Err(bad(format!("it is {}, not {SCHEMA}", document.schema)));
    }
    Ok(Past::of(document.words))
}
