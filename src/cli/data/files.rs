//! Files that are there whole or not at all.

use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use crate::cli::error::{CliError, ExitCode};

/// Makes a directory that may be there already.
pub(super) fn make_dir(dir: &Path) -> Result<(), CliError> {
    fs::create_dir_all(dir).map_err(|error| failed(dir, "cannot be made").caused_by(error))
}

/// Refuses when one of the files is there and may not be replaced.
pub(super) fn refuse_existing(paths: &[PathBuf], force: bool) -> Result<(), CliError> {
    match paths.iter().find(|path| !force && path.exists()) {
        None => Ok(()),
        Some(path) => {
            let text = format!("{} is there already; --force replaces it", path.display());
            Err(CliError::new(ExitCode::Usage, text))
        }
    }
}

/// Writes a file beside its place, syncs it, and moves it there.
pub(super) fn write_whole(path: &Path, content: &str) -> Result<(), CliError> {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}.tmp", std::process::id()));
    let temporary = path.with_file_name(name);
    let written = write(&temporary, content).and_then(|()| fs::rename(&temporary, path));
    written.map_err(|error| {
        // What is half written is of no use; that it cannot be removed changes nothing.
        let _ = fs::remove_file(&temporary);
        failed(path, "cannot be written").caused_by(error)
    })
}

fn write(path: &Path, content: &str) -> std::io::Result<()> {
    let mut file = BufWriter::new(File::create_new(path)?);
    file.write_all(content.as_bytes())?;
    file.into_inner()?.sync_all()
}

fn failed(path: &Path, what: &str) -> CliError {
    CliError::new(ExitCode::Failure, format!("{} {what}", path.display()))
}
