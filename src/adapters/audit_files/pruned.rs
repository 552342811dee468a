//! What retention leaves of the segments that it has removed: enough to verify what is left.
//!
//! `pruned.json` holds for each stream the number of the last removed segment, where it ended (count,
//! hash, what goes into the record hash), how much it was, and the few lines that a start needs
//! whatever is old: the first and the last header of a run and the last block of permits. It is on the
//! disk before a segment is removed; each summary names the hash of the former one.
//!
//! - the chain verifies from where the summary ends, and the record hash is that of all records.
//! - G-2: a restart gives nothing back: the last block of permits is never lost to retention.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::Path;
use std::sync::Arc;

use conclave_domain::record::{Chain, ChainState, Digest, Line, Step, Stream};
use conclave_domain::time::Time;
use serde::{Deserialize, Serialize};

use super::checked;
use super::read::{LogError, numbers};
use super::segment::file_name;

/// The summary's file name.
pub const PRUNED_FILE: &str = "pruned.json";
/// The schema that is written, and the only one that is read.
const SCHEMA: &str = "audit-pruned/1";

/// Everything in the file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Pruned {
    schema: String,
    /// Wall time of the last removal.
    pub(super) at: Time,
    /// How often something was removed.
    times: u64,
    /// The hash of the former summary.
    former: Option<Digest>,
    decisions: Option<Gone>,
    observations: Option<Gone>,
}

/// What is gone of a stream.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Gone {
    /// The number of the last removed segment.
    pub(super) segments: u32,
    /// The bytes of all removed segments.
    pub(super) bytes: u64,
    /// Where they ended.
    pub(super) chain: ChainState,
    /// Lines of them that a start needs.
    pub(super) kept: Kept,
}

/// The lines of a stretch of log that outlive it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Kept {
    first_start: Option<Arc<str>>,
    last_start: Option<Arc<str>>,
    block: Option<Arc<str>>,
}

impl Kept {
    /// Whether lines of this step may have to be kept.
    pub(super) const fn keeps(step: Step) -> bool {
        matches!(step, Step::RunStarted | Step::BudgetBlock)
    }

    /// Takes notice of the next line.
    pub(super) fn see(&mut self, step: Step, text: &str) {
        match step {
            Step::RunStarted => {
                self.last_start = Some(text.into());
                if self.first_start.is_none() {
                    self.first_start.clone_from(&self.last_start);
                }
            }
            Step::BudgetBlock => self.block = Some(text.into()),
            _ => {}
        }
    }

    /// Adds what a later stretch keeps.
    fn follow(&mut self, later: Self) {
        self.first_start = self.first_start.take().or(later.first_start);
        self.last_start = later.last_start.or(self.last_start.take());
        self.block = later.block.or(self.block.take());
    }

    /// The lines, in their order in the log, each once.
    pub(super) fn lines(&self) -> Vec<Line<'_>> {
        let texts = [&self.first_start, &self.last_start, &self.block].into_iter().flatten();
        let mut lines: Vec<Line<'_>> = texts.filter_map(|text| Line::read(text).ok()).collect();
        lines.sort_by_key(|line| line.seq);
        lines.dedup_by_key(|line| line.seq);
        lines
    }
}

/// A segment that is full, and what would have to be kept of it.
#[derive(Clone, Debug)]
pub(super) struct Sealed {
    pub(super) number: u32,
    pub(super) bytes: u64,
    /// The chain behind its last line.
    pub(super) end: Chain,
    pub(super) kept: Kept,
}

impl Pruned {
    /// What is gone of a stream, if anything is.
    pub(super) const fn of(&self, stream: Stream) -> Option<&Gone> {
        match stream {
            Stream::Decisions => self.decisions.as_ref(),
            Stream::Observations => self.observations.as_ref(),
        }
    }

    /// One sentence for each stream of which something is gone.
    pub(super) fn notes(&self) -> Vec<String> {
        let note = |stream: Stream| {
            let Gone { segments, bytes, chain, .. } = self.of(stream)?;
            let (name, count) = (stream.name(), chain.head.count);
            Some(format!(
                "{name} 1 to {count} were pruned by retention ({segments} segments, {bytes} bytes, \
                 the last on {}); the chain is verified from there",
                self.at
            ))
        };
        Stream::ALL.into_iter().filter_map(note).collect()
    }
}

/// The summary of a directory and its hash; `None` where nothing was pruned.
pub(super) fn read(dir: &Path) -> Result<Option<(Pruned, Digest)>, LogError> {
    let path = dir.join(PRUNED_FILE);
    let unreadable = |why: String| LogError::Summary { path: path.clone(), why };
    let bytes = match fs::read(&path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(LogError::io(&path, error)),
    };
    let (pruned, check): (Pruned, Digest) = checked::open(&bytes).map_err(unreadable)?;
    if pruned.schema != SCHEMA {
        return Err(unreadable(format!("its schema is {}", pruned.schema)));
    }
    let mut gone = Stream::ALL.into_iter().filter_map(|stream| pruned.of(stream));
    // No number of a segment comes near this.
    let is_sound = |gone: &Gone| gone.segments < 1 << 30 && Chain::resume(&gone.chain).is_some();
    if gone.all(is_sound) {
        Ok(Some((pruned, check)))
    } else {
        Err(unreadable("nothing can go on behind it".to_owned()))
    }
}

/// Removes full segments of both streams, oldest first: writes the summary over the former one, on
/// the disk, and only then removes files. A file that stays is removed by the next [`sweep`].
pub(super) fn prune(dir: &Path, full: [&[Sealed]; 2], at: Time) -> Result<(), LogError> {
    let former = read(dir)?;
    let grown = |stream: Stream, full: &[Sealed]| {
        let gone = former.as_ref().and_then(|(former, _)| former.of(stream)).cloned();
        full.iter().fold(gone, |gone, sealed| {
            let mut kept = gone.as_ref().map(|gone| gone.kept.clone()).unwrap_or_default();
            kept.follow(sealed.kept.clone());
            let bytes = gone.map_or(0, |gone| gone.bytes) + sealed.bytes;
            Some(Gone { segments: sealed.number, bytes, chain: sealed.end.state(), kept })
        })
    };
    let pruned = Pruned {
        schema: SCHEMA.to_owned(),
        at,
        times: former.as_ref().map_or(0, |(former, _)| former.times) + 1,
        decisions: grown(Stream::Decisions, full[0]),
        observations: grown(Stream::Observations, full[1]),
        former: former.map(|(_, check)| check),
    };
    let path = dir.join(PRUNED_FILE);
    write(dir, &path, &pruned).map_err(|source| LogError::io(&path, source))?;
    sweep(dir, &pruned)
}

fn write(dir: &Path, path: &Path, pruned: &Pruned) -> io::Result<()> {
    let fresh = path.with_extension("json.new");
    let mut file = File::create(&fresh)?;
    writeln!(file, "{}", checked::seal(pruned)?)?;
    file.sync_all()?;
    fs::rename(fresh, path)?;
    File::open(dir)?.sync_all()
}

/// Removes the segments that the summary stands for, where they are still there.
pub(super) fn sweep(dir: &Path, pruned: &Pruned) -> Result<(), LogError> {
    for stream in Stream::ALL {
        let last = pruned.of(stream).map_or(0, |gone| gone.segments);
        for number in numbers(dir, stream)?.into_iter().filter(|&number| number <= last) {
            let path = dir.join(file_name(stream, number));
            fs::remove_file(&path).map_err(|source| LogError::io(&path, source))?;
        }
    }
    Ok(())
}
