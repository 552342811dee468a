//! Reads a log from its segments: line by line, verified, or from a record on.

use std::fs::{self, File};
use std::io::{self, BufRead as _, BufReader, Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};

use conclave_actors::runtime::ports::AuditError;
use conclave_domain::record::{
    Anchor, BadRecord, Chain, Head, Line, Place, Record, Step, Stream, Verified, Verifier,
};
use conclave_domain::time::Time;
use serde::Serialize;

use super::CutTail;
use super::segment::file_name;

/// A longer line is no line of ours: a body, a few names and a hash.
const LINE_MAX: u64 = Record::MAX_BYTES as u64 + 4_096;

/// Why a log was not opened or verified.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// A file could not be read or written.
    #[error("`{}` cannot be used", path.display())]
    Io {
        /// The file or directory.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// There is no log.
    #[error("there is no audit log in `{}`", dir.display())]
    Missing {
        /// Where.
        dir: PathBuf,
    },
    /// A record is not what it should be.
    #[error(transparent)]
    Bad(#[from] BadRecord),
    /// The opened log could not be written.
    #[error("the log could not be written")]
    Write(#[source] AuditError),
}

impl LogError {
    pub(super) fn io(path: &Path, source: io::Error) -> Self {
        Self::Io { path: path.to_owned(), source }
    }
}

/// A log that was verified whole.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Report {
    /// The stream of decisions.
    pub decisions: Verified,
    /// The stream of observations.
    pub observations: Verified,
    /// Segment files of both streams.
    pub segments: u32,
    /// Whether the last decision is `run.ended`: nothing was running when it was written.
    pub ended: bool,
    /// Whether a head that was kept elsewhere was compared.
    pub anchored: bool,
}

impl Report {
    /// Both ends and the record hash.
    pub const fn anchor(&self) -> Anchor {
        Anchor {
            decisions: self.decisions.head,
            observations: self.observations.head,
            record_hash: self.decisions.record_hash,
        }
    }
}

/// Whether `dir` holds a log at all.
pub fn has_log(dir: &Path) -> bool {
    Stream::ALL.into_iter().any(|stream| numbers(dir, stream).is_ok_and(|found| !found.is_empty()))
}

/// Verifies both streams of the log in `dir`; a torn tail is an error here.
///
/// # Errors
/// The first bad record, or what could not be read.
pub fn verify(dir: &Path, anchor: Option<&Anchor>) -> Result<Report, LogError> {
    if anchor.is_none() && !has_log(dir) {
        return Err(LogError::Missing { dir: dir.to_owned() });
    }
    let mut ended = false;
    let head = |stream| anchor.map(|anchor| anchor.head(stream));
    let decisions =
        walk(dir, Stream::Decisions, head(Stream::Decisions), Torn::Refuse, |_, line| {
            ended = line.step == Step::RunEnded;
        })?;
    let observations =
        walk(dir, Stream::Observations, head(Stream::Observations), Torn::Refuse, |_, _| ())?;
    Ok(Report {
        decisions: decisions.verified,
        observations: observations.verified,
        segments: decisions.segments + observations.segments,
        ended,
        anchored: anchor.is_some(),
    })
}

/// Hands every decision behind record `applied` to `each`, verifying on the way: what a projection
/// that had applied that many is repaired from.
///
/// # Errors
/// The first bad record, or what could not be read. A torn tail is passed over.
pub fn replay(
    dir: &Path,
    applied: u64,
    mut each: impl FnMut(&Line<'_>),
) -> Result<Verified, LogError> {
    let walked = walk(dir, Stream::Decisions, None, Torn::Cut, |_, line| {
        if line.seq > applied {
            each(line);
        }
    })?;
    Ok(walked.verified)
}

/// What becomes of a last line without a line feed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Torn {
    Cut,
    Refuse,
}

/// A stream that was walked to its end.
#[derive(Debug)]
pub(super) struct Walked {
    pub(super) verified: Verified,
    pub(super) chain: Chain,
    pub(super) segments: u32,
    /// Bytes of the last segment up to the end of its last good line.
    pub(super) good_bytes: u64,
    pub(super) torn: Option<CutTail>,
    pub(super) last_at: Time,
}

/// Verifies a stream and shows each of its lines to `each`.
pub(super) fn walk(
    dir: &Path,
    stream: Stream,
    anchor: Option<Head>,
    torn: Torn,
    mut each: impl FnMut(&Place, &Line<'_>),
) -> Result<Walked, LogError> {
    let mut verifier = Verifier::new(stream, anchor);
    let mut all = lines(dir, stream)?;
    let (mut cut, mut last_at) = (None, Time::EPOCH);
    while let Some(raw) = all.next() {
        let raw = raw?;
        if !raw.terminated && torn == Torn::Cut && all.is_last_segment() {
            let segment = raw.place.segment;
            cut = Some(CutTail { stream, segment, bytes: raw.bytes });
            break;
        }
        // A line without its line feed is torn even where everything else of it is there.
        let text = if raw.terminated { raw.text.as_str() } else { "" };
        let line = verifier.line(raw.place.clone(), text)?;
        last_at = line.at;
        each(&raw.place, &line);
    }
    let good_bytes = all.bytes_in_segment - cut.as_ref().map_or(0, |tail| tail.bytes);
    if let Some(gap) = all.gap() {
        return Err(verifier.missing(gap).into());
    }
    let segments = all.segments();
    let (whole, chain) = verifier.finish()?;
    Ok(Walked { verified: whole, chain, segments, good_bytes, torn: cut, last_at })
}

/// The numbers of a stream's segment files, in order.
fn numbers(dir: &Path, stream: Stream) -> Result<Vec<u32>, LogError> {
    let entries = match fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(LogError::io(dir, error)),
    };
    let mut numbers = Vec::new();
    for entry in entries {
        let name = entry.map_err(|source| LogError::io(dir, source))?.file_name();
        let number = name.to_str().and_then(|name| {
            let digits = name.strip_prefix(stream.prefix())?.strip_prefix('-')?;
            digits.strip_suffix(".jsonl")?.parse().ok()
        });
        // Only a name that we would write ourselves is a segment of ours.
        numbers.extend(number.filter(|&number| name.to_str() == Some(&file_name(stream, number))));
    }
    numbers.sort_unstable();
    Ok(numbers)
}

/// The lines of a stream in `dir`, unchecked.
///
/// # Errors
/// When the directory cannot be read.
pub fn lines(dir: &Path, stream: Stream) -> Result<Lines, LogError> {
    let numbers = numbers(dir, stream)?;
    let contiguous = (1_u32..).zip(&numbers).take_while(|(due, found)| due == *found);
    let count = contiguous.last().map_or(0, |(number, _)| number);
    let gap = numbers.last().filter(|&&last| count < last).map(|_| file_name(stream, count + 1));
    Ok(Lines {
        dir: dir.to_owned(),
        stream,
        count,
        next: 1,
        open: None,
        gap,
        place: Place::default(),
        bytes_in_segment: 0,
    })
}

/// One line as it stands in its file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RawLine {
    /// The file and the line.
    pub place: Place,
    /// The text without its line feed; bytes that are no UTF-8 are replaced.
    pub text: String,
    /// Whether it ends with a line feed.
    pub terminated: bool,
    /// Its length in the file, the line feed included.
    pub bytes: u64,
}

/// Walks a stream's segments up to the first missing one.
#[derive(Debug)]
pub struct Lines {
    dir: PathBuf,
    stream: Stream,
    count: u32,
    next: u32,
    open: Option<BufReader<File>>,
    gap: Option<String>,
    place: Place,
    bytes_in_segment: u64,
}

impl Lines {
    fn is_last_segment(&self) -> bool {
        self.next > self.count && self.gap.is_none()
    }

    /// The segment that is missing although later ones are there.
    fn gap(&self) -> Option<String> {
        self.gap.clone()
    }

    /// Segments up to the first missing one.
    pub fn segments(&self) -> u32 {
        self.count
    }

    fn read(&mut self) -> Result<Option<RawLine>, LogError> {
        loop {
            if let Some(reader) = &mut self.open {
                let path = self.dir.join(&self.place.segment);
                let mut bytes = Vec::new();
                let read = reader.take(LINE_MAX).read_until(b'\n', &mut bytes);
                let read = read.map_err(|source| LogError::io(&path, source))?;
                if read > 0 {
                    self.place.line += 1;
                    self.bytes_in_segment += read as u64;
                    let terminated = bytes.pop_if(|last| *last == b'\n').is_some();
                    let text = String::from_utf8(bytes).unwrap_or_else(|error| {
                        String::from_utf8_lossy(error.as_bytes()).into_owned()
                    });
                    let place = self.place.clone();
                    return Ok(Some(RawLine { place, text, terminated, bytes: read as u64 }));
                }
                self.open = None;
            }
            if self.next > self.count {
                return Ok(None);
            }
            let segment = file_name(self.stream, self.next);
            let path = self.dir.join(&segment);
            let file = File::open(&path).map_err(|source| LogError::io(&path, source))?;
            self.open = Some(BufReader::with_capacity(1 << 16, file));
            self.place = Place { segment, line: 0 };
            self.bytes_in_segment = 0;
            self.next += 1;
        }
    }
}

impl Iterator for Lines {
    type Item = Result<RawLine, LogError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.read().transpose()
    }
}

/// Follows the end of a stream that somebody else writes.
#[derive(Debug)]
pub struct Follower {
    dir: PathBuf,
    stream: Stream,
    segment: u32,
    offset: u64,
}

impl Follower {
    /// Begins at the end of what there is now.
    ///
    /// # Errors
    /// When the directory cannot be read.
    pub fn at_end(dir: &Path, stream: Stream) -> Result<Self, LogError> {
        let segment = numbers(dir, stream)?.last().copied().unwrap_or(1);
        let path = dir.join(file_name(stream, segment));
        let offset = fs::metadata(path).map_or(0, |file| file.len());
        Ok(Self { dir: dir.to_owned(), stream, segment, offset })
    }

    /// Adds the whole lines that came since the last call to `lines`, without their line feeds.
    ///
    /// # Errors
    /// When the log cannot be read.
    pub fn poll(&mut self, lines: &mut Vec<String>) -> Result<(), LogError> {
        loop {
            let path = self.dir.join(file_name(self.stream, self.segment));
            let mut text = Vec::new();
            match File::open(&path) {
                Ok(mut file) => {
                    file.seek(SeekFrom::Start(self.offset))
                        .and_then(|_| file.read_to_end(&mut text))
                        .map_err(|source| LogError::io(&path, source))?;
                }
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(LogError::io(&path, error)),
            }
            let whole = text.iter().rposition(|&byte| byte == b'\n').map_or(0, |at| at + 1);
            let fresh = String::from_utf8_lossy(&text[..whole]);
            lines.extend(fresh.lines().map(str::to_owned));
            self.offset += whole as u64;
            if !self.dir.join(file_name(self.stream, self.segment + 1)).exists() {
                return Ok(());
            }
            (self.segment, self.offset) = (self.segment + 1, 0);
        }
    }
}
