//! Reads a season's files, tick by tick, while it goes on as well.
//!
//! A tick's chats and aggregates are in their files before its line is in `ticks.jsonl`: what has a line
//! there is complete, and a line without its end is not there yet.

use std::fs::File;
use std::io::{BufRead as _, BufReader, Read as _};
use std::path::{Path, PathBuf};

use conclave_domain::arena::public::{SCHEMA, SeasonDocument, TickLine};
use conclave_domain::record::Digest;
use serde::Deserialize;

use crate::files;
use crate::report::arena::BOARD_FILE;

/// What the season is.
pub const SEASON_FILE: &str = "season.json";
/// What moved at every tick.
pub const TICKS_FILE: &str = "ticks.jsonl";
/// Every decision with its stages, a line each.
pub const CHATS_FILE: &str = "chats.jsonl";
/// What all said together, a line for each symbol and tick.
pub const AGGREGATES_FILE: &str = "aggregates.jsonl";

/// The longest line that is read, bytes.
const LINE_MAX: u64 = 64 << 20;

/// Why a season's files cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum FilesError {
    /// A file is not there or cannot be read.
    #[error("{} cannot be read", path.display())]
    Io {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A file is not what its name says.
    #[error("{}, line {line}: not what a season writes", path.display())]
    Strange {
        /// Which.
        path: PathBuf,
        /// The line, from 1.
        line: u64,
        /// Why.
        source: serde_json::Error,
    },
    /// A file is of another version.
    #[error("{}: `{schema}` is not {SCHEMA}", path.display())]
    Schema {
        /// Which.
        path: PathBuf,
        /// What it says.
        schema: String,
    },
    /// A line is longer than any season writes.
    #[error("{}, line {line}: longer than 64 MiB", path.display())]
    Long {
        /// Which.
        path: PathBuf,
        /// The line, from 1.
        line: u64,
    },
}

/// Everything that a season tells of one tick; texts are the lines as they stand in the files.
#[derive(Clone, Debug)]
pub struct Told {
    /// What moved.
    pub line: TickLine,
    /// The same as it was written.
    pub text: String,
    /// Every decision.
    pub chats: Vec<String>,
    /// What all said together.
    pub aggregates: Vec<String>,
}

impl Told {
    /// BLAKE3 of all of its lines: two stores that have it have the same tick.
    pub fn digest(&self) -> Digest {
        let mut bytes = Vec::new();
        let lines = std::iter::once(&self.text).chain(&self.chats).chain(&self.aggregates);
        for line in lines {
            bytes.extend(line.as_bytes());
            bytes.push(b'\n');
        }
        Digest::of(&bytes)
    }
}

/// The lines of a file that grows.
#[derive(Debug)]
struct Lines {
    path: PathBuf,
    file: BufReader<File>,
    /// What was read of the line that is next.
    text: String,
    /// Whether all of it is there.
    is_whole: bool,
    /// Its number, from 1.
    number: u64,
}

impl Lines {
    fn open(dir: &Path, name: &str) -> Result<Self, FilesError> {
        let path = dir.join(name);
        match files::open(&path) {
            Ok(file) => {
                let file = BufReader::new(file);
                Ok(Self { path, file, text: String::new(), is_whole: false, number: 1 })
            }
            Err(source) => Err(FilesError::Io { path, source }),
        }
    }

    /// The next line, if all of it is there.
    fn peek(&mut self) -> Result<Option<&str>, FilesError> {
        if !self.is_whole {
            let mut text = std::mem::take(&mut self.text).into_bytes();
            let read = (&mut self.file).take(LINE_MAX).read_until(b'\n', &mut text);
            let text = read.and_then(|_| String::from_utf8(text).map_err(std::io::Error::other));
            self.text = match text {
                Ok(text) => text,
                Err(source) => return Err(FilesError::Io { path: self.path.clone(), source }),
            };
            self.is_whole = self.text.ends_with('\n');
            let longest = usize::try_from(LINE_MAX).unwrap_or(usize::MAX);
            if !self.is_whole && self.text.len() >= longest {
                return Err(FilesError::Long { path: self.path.clone(), line: self.number });
            }
        }
        Ok(self.is_whole.then(|| self.text.trim_end_matches('\n')))
    }

    /// Takes the line that [`Lines::peek`] has shown.
    fn take(&mut self) -> String {
        self.is_whole = false;
        self.number += 1;
        let mut text = std::mem::take(&mut self.text);
        text.truncate(text.trim_end_matches('\n').len());
        text
    }

    /// All lines of a tick.
    fn of_tick(&mut self, tick: u32) -> Result<Vec<String>, FilesError> {
        #[derive(Deserialize)]
        struct Head {
            tick: u32,
        }
        let mut lines = Vec::new();
        loop {
            let Some(text) = self.peek()? else { return Ok(lines) };
            let head: Result<Head, _> = serde_json::from_str(text);
            match head {
                Ok(head) if head.tick == tick => lines.push(self.take()),
                Ok(_) => return Ok(lines),
                Err(source) => return Err(self.strange(source)),
            }
        }
    }

    fn strange(&self, source: serde_json::Error) -> FilesError {
        FilesError::Strange { path: self.path.clone(), line: self.number, source }
    }
}

/// A season's files.
#[derive(Debug)]
pub struct SeasonFiles {
    /// What the season is.
    pub document: SeasonDocument,
    dir: PathBuf,
    ticks: Lines,
    chats: Lines,
    aggregates: Lines,
}

impl SeasonFiles {
    /// Opens the files in a season's directory.
    ///
    /// # Errors
    /// When there is no season, or one of another version.
    pub fn open(dir: &Path) -> Result<Self, FilesError> {
        let path = dir.join(SEASON_FILE);
        let text = match files::read_to_string(&path) {
            Ok(text) => text,
            Err(source) => return Err(FilesError::Io { path, source }),
        };
        let document: SeasonDocument = match serde_json::from_str(&text) {
            Ok(document) => document,
            Err(source) => {
                let line = u64::try_from(source.line()).unwrap_or(0);
                return Err(FilesError::Strange { path, line, source });
            }
        };
        if document.schema != SCHEMA {
            return Err(FilesError::Schema { path, schema: document.schema });
        }
        let (ticks, chats) = (Lines::open(dir, TICKS_FILE)?, Lines::open(dir, CHATS_FILE)?);
        let aggregates = Lines::open(dir, AGGREGATES_FILE)?;
        Ok(Self { document, dir: dir.to_path_buf(), ticks, chats, aggregates })
    }

    /// The next tick; `None` where there is no other yet.
    ///
    /// # Errors
    /// When a line is none.
    pub fn next_tick(&mut self) -> Result<Option<Told>, FilesError> {
        let Some(text) = self.ticks.peek()? else { return Ok(None) };
        let line: TickLine = match serde_json::from_str(text) {
            Ok(line) => line,
            Err(source) => return Err(self.ticks.strange(source)),
        };
        let text = self.ticks.take();
        let chats = self.chats.of_tick(line.tick)?;
        let aggregates = self.aggregates.of_tick(line.tick)?;
        Ok(Some(Told { line, text, chats, aggregates }))
    }

    /// The board as it stands now, where there is one.
    ///
    /// # Errors
    /// When it is there and cannot be read.
    pub fn board(&self) -> Result<Option<String>, FilesError> {
        let path = self.dir.join(BOARD_FILE);
        match files::read_to_string(&path) {
            Ok(text) => Ok(Some(text)),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(source) => Err(FilesError::Io { path, source }),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    #[test]
    fn a_line_without_its_end_is_not_there_yet_and_comes_whole_once_it_is() {
        let dir = tempfile::tempdir().unwrap();
        let mut file = File::create(dir.path().join("x")).unwrap();
        let mut lines = Lines::open(dir.path(), "x").unwrap();
        assert_eq!(lines.peek().unwrap(), None);
        write!(file, "{{\"tick\":3").unwrap();
        assert_eq!(lines.peek().unwrap(), None);
        writeln!(file, "}}\n{{\"tick\":3,\"more\":1}}\n{{\"tick\":4}}").unwrap();
        assert_eq!(lines.of_tick(3).unwrap(), ["{\"tick\":3}", "{\"tick\":3,\"more\":1}"]);
        assert_eq!(lines.of_tick(3).unwrap(), Vec::<String>::new());
        assert_eq!(lines.of_tick(4).unwrap(), ["{\"tick\":4}"]);
        writeln!(file, "nonsense").unwrap();
        assert!(matches!(lines.of_tick(5), Err(FilesError::Strange { line: 4, .. })));
    }
}
