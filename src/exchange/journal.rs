//! The exchange's own book: a JSON line for every event of every order, for others to compare theirs
//! with. It is written before the event is told.

use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::path::Path;

use serde_json::Value;

/// The file's name in its directory.
pub(super) const FILE: &str = "exchange.jsonl";

/// The journal.
#[derive(Debug)]
pub struct Journal {
    file: BufWriter<File>,
    is_broken: bool,
}

impl Journal {
    /// Begins a journal in a directory, which is made where it is not there.
    ///
    /// # Errors
    /// When it cannot be made, or there is a journal already.
    pub fn begin(dir: &Path) -> std::io::Result<Self> {
        std::fs::create_dir_all(dir)?;
        let file = File::create_new(dir.join(FILE))?;
        Ok(Self { file: BufWriter::new(file), is_broken: false })
    }

    /// Appends a line. A disk that does not take it is said once; the exchange goes on.
    pub(super) fn write(&mut self, line: &Value) {
        let written = writeln!(self.file, "{line}").and_then(|()| self.file.flush());
        if let Err(error) = written
            && !std::mem::replace(&mut self.is_broken, true)
        {
            tracing::error!(%error, "the journal of the exchange could not be written");
        }
    }
}
