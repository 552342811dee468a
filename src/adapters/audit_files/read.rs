//! Reads a log from its segments: verified, from a record on, or line by line as it stands there.

use std::fs::{self, File};
use std::io::{self, BufRead as _, BufReader, Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};

use conclave_actors::runtime::ports::AuditError;
use conclave_domain::record::{
    Anchor, BadRecord, Head, Line, Place, Record, Step, Stream, Verified,
};
use serde::Serialize;

use super::head;
use super::pruned::{self, Gone};
use super::segment::file_name;
use super::walk::{Cursor, Torn, Walk, Wants};

/// A longer line is no line of ours: a body, a few names and a hash.
pub(super) const LINE_MAX: u64 = Record::MAX_BYTES as u64 + 4_096;

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
    /// What retention has left of removed segments cannot be read.
    #[error("`{}` is unreadable: {why}", path.display())]
    Summary {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// Nothing says where the log ended, so that a tail that was cut cleanly could not be seen.
    #[error("the end of the log in `{}` is not vouched for: {why}", dir.display())]
    Unvouched {
        /// Where.
        dir: PathBuf,
        /// What is missing.
        why: String,
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
    /// Whether no `run.started` stands behind the last `run.ended`: the run was over, whatever people
    /// have ordered afterwards.
    pub ended: bool,
    /// Whether a head that was kept elsewhere was compared.
    pub anchored: bool,
    /// The head file beside the log was compared.
    pub head_file: bool,
    /// What whoever reads this should know.
    pub notes: Vec<String>,
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

/// Verifies both streams of the log in `dir`, against themselves, against the head file beside them
/// and against `anchor`; a torn tail is an error here, and so is an end that none of them vouches for.
///
/// # Errors
/// The first bad record, or what could not be read.
pub fn verify(dir: &Path, anchor: Option<&Anchor>) -> Result<Report, LogError> {
    // Before the log, so that a log that grows meanwhile is not behind it.
    let found = head::read(dir);
    let head_file = found.synced.is_some();
    let anchors = Anchors::of(&found, anchor);
    if anchors.is_empty() && !has_log(dir) {
        return Err(LogError::Missing { dir: dir.to_owned() });
    }
    let pruned = pruned::read(dir)?.map(|(pruned, _)| pruned.notes());
    let is_edge = |line: &Line<'_>| matches!(line.step, Step::RunStarted | Step::RunEnded);
    let mut ended = false;
    let mut walked = |stream| {
        let mut each = |line: &Line<'_>| ended = line.step == Step::RunEnded;
        let walk = anchors.walk(dir, stream, &is_edge, &mut each);
        Walk { torn: Torn::Refuse, ..walk }.run()
    };
    let decisions = walked(Stream::Decisions)?;
    let observations = walked(Stream::Observations)?;
    anchors.vouch(dir, &found, &decisions.verified.head)?;
    Ok(Report {
        decisions: decisions.verified,
        observations: observations.verified,
        segments: decisions.segments + observations.segments,
        ended,
        anchored: !anchors.is_empty(),
        head_file,
        notes: found.trouble.into_iter().chain(pruned.unwrap_or_default()).collect(),
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
    let wants = |line: &Line<'_>| line.seq > applied;
    let walk = Anchors::default();
    let walk = walk.walk(dir, Stream::Decisions, &wants, &mut each);
    Ok(walk.run()?.verified)
}

/// The body of the first decision of a step as it stands there: nothing is verified, and nothing is
/// read behind it. `None` where there is none, or a line before it is unreadable.
///
/// # Errors
/// When the log cannot be read.
pub fn first(dir: &Path, step: Step) -> Result<Option<String>, LogError> {
    let all = lines(dir, Stream::Decisions)?;
    let kept = all.pruned().map(|gone| gone.kept.clone()).unwrap_or_default();
    if let Some(line) = kept.lines().iter().find(|line| line.step == step) {
        return Ok(Some(line.body.to_owned()));
    }
    for raw in all {
        let raw = raw?;
        let Ok(line) = Line::read(&raw.text) else { return Ok(None) };
        if line.step == step {
            return Ok(Some(line.body.to_owned()));
        }
    }
    Ok(None)
}

/// The body of the last decision of a step as it stands there, removed segments included: nothing is
/// verified. A line that was being written when the process ended is none.
///
/// # Errors
/// When the log cannot be read.
pub fn last(dir: &Path, step: Step) -> Result<Option<String>, LogError> {
    let all = lines(dir, Stream::Decisions)?;
    let named = format!("\"step\":\"{step}\"");
    let of_step = |line: &Line<'_>| (line.step == step).then(|| line.body.to_owned());
    let kept = all.pruned().map(|gone| gone.kept.clone()).unwrap_or_default();
    let mut last = kept.lines().iter().filter_map(of_step).next_back();
    for raw in all {
        let raw = raw?;
        // Most lines are of other steps, and need not be parsed.
        if raw.terminated && raw.text.contains(&named) {
            last = Line::read(&raw.text).ok().as_ref().and_then(of_step).or(last);
        }
    }
    Ok(last)
}

/// What a log is compared with.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Anchors {
    /// Whoever asked has this from the store or from `run.json`.
    given: Option<Anchor>,
    synced: Option<Anchor>,
    written: Option<Anchor>,
}

impl Anchors {
    pub(super) fn of(found: &head::Found, given: Option<&Anchor>) -> Self {
        Self { given: given.copied(), synced: found.synced, written: found.written }
    }

    const fn is_empty(&self) -> bool {
        self.given.is_none() && self.synced.is_none()
    }

    /// Whether one of them says that decisions that end with `end` were not cut: the head file, which
    /// is never further behind than the loss of power makes it, or an anchor of just this end.
    ///
    /// # Errors
    /// When none does.
    pub(super) fn vouch(
        &self,
        dir: &Path,
        found: &head::Found,
        end: &Head,
    ) -> Result<(), LogError> {
        let is_reached = self.given.is_some_and(|given| given.decisions == *end);
        if end.count == 0 || self.synced.is_some() || is_reached {
            return Ok(());
        }
        let missing = || format!("{} is missing", head::HEAD_FILE);
        let why = found.trouble.clone().unwrap_or_else(missing);
        let why = format!("{why}, and nothing else names record {} as the last", end.count);
        Err(LogError::Unvouched { dir: dir.to_owned(), why })
    }

    /// A walk over a stream that is compared with these and passes over a torn tail.
    pub(super) fn walk<'a>(
        &self,
        dir: &'a Path,
        stream: Stream,
        wants: Wants<'a>,
        each: &'a mut dyn FnMut(&Line<'_>),
    ) -> Walk<'a> {
        let head = |anchor: Anchor| anchor.head(stream);
        let (synced, written) = (self.synced.map(head), self.written.map(head));
        let anchors = [self.given.map(head), synced, written].into_iter().flatten().collect();
        // Where the disk has as much, no line is torn that nobody was told of.
        let written = written.filter(|&head| synced != Some(head));
        Walk { dir, stream, anchors, written, torn: Torn::Cut, seals: false, wants, each }
    }
}

/// The numbers of a stream's segment files, in order.
pub(super) fn numbers(dir: &Path, stream: Stream) -> Result<Vec<u32>, LogError> {
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
    let pruned = pruned::read(dir)?.and_then(|(pruned, _)| pruned.of(stream).cloned());
    let before = pruned.as_ref().map_or(0, |gone| gone.segments);
    let mut numbers = numbers(dir, stream)?;
    // What retention was about to remove when it was stopped is not looked at any more.
    numbers.retain(|&number| number > before);
    let contiguous = (before + 1..).zip(&numbers).take_while(|(due, found)| due == *found);
    let last = contiguous.last().map_or(before, |(number, _)| number);
    let gap = numbers.last().filter(|&&found| last < found).map(|_| file_name(stream, last + 1));
    let (dir, next, place) = (dir.to_owned(), before + 1, Place::default());
    Ok(Lines { dir, stream, pruned, last, next, open: None, gap, place })
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
    /// What is not there any more.
    pruned: Option<Gone>,
    /// The last segment before one that is missing.
    last: u32,
    next: u32,
    open: Option<BufReader<File>>,
    gap: Option<String>,
    place: Place,
}

impl Lines {
    pub(super) fn is_last_segment(&self) -> bool {
        self.next > self.last && self.gap.is_none()
    }

    /// The segment that is missing although later ones are there.
    pub(super) fn gap(&self) -> Option<String> {
        self.gap.clone()
    }

    /// Segments up to the first missing one.
    pub fn segments(&self) -> u32 {
        (self.last + 1).saturating_sub(self.first_segment())
    }

    /// What retention has left of the segments before these.
    pub(super) const fn pruned(&self) -> Option<&Gone> {
        self.pruned.as_ref()
    }

    pub(super) const fn stream(&self) -> Stream {
        self.stream
    }

    /// The number of the first segment that is there, or would be.
    pub(super) fn first_segment(&self) -> u32 {
        self.pruned.as_ref().map_or(0, |gone| gone.segments) + 1
    }

    /// The number of the last segment; one before the first where there is none.
    pub(super) const fn last_segment(&self) -> u32 {
        self.last
    }

    /// The number of the segment whose line was read last.
    pub(super) const fn current_segment(&self) -> u32 {
        self.next - 1
    }

    /// Goes on behind what was read in another way.
    pub(super) fn skip_to(&mut self, cursor: Cursor) -> Result<(), LogError> {
        if cursor.segment < self.first_segment() {
            return Ok(());
        }
        self.next = cursor.segment;
        let mut file = self.open_next()?;
        let to = SeekFrom::Start(cursor.offset);
        let path = self.dir.join(&self.place.segment);
        file.seek(to).map_err(|source| LogError::io(&path, source))?;
        self.place.line = cursor.line;
        self.open = Some(file);
        Ok(())
    }

    fn open_next(&mut self) -> Result<BufReader<File>, LogError> {
        let segment = file_name(self.stream, self.next);
        let path = self.dir.join(&segment);
        let file = File::open(&path).map_err(|source| LogError::io(&path, source))?;
        self.place = Place { segment, line: 0 };
        self.next += 1;
        Ok(BufReader::with_capacity(1 << 16, file))
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
                    let terminated = bytes.pop_if(|last| *last == b'\n').is_some();
                    let text = String::from_utf8(bytes).unwrap_or_else(|error| {
                        String::from_utf8_lossy(error.as_bytes()).into_owned()
                    });
                    let place = self.place.clone();
                    return Ok(Some(RawLine { place, text, terminated, bytes: read as u64 }));
                }
                self.open = None;
            }
            if self.next > self.last {
                return Ok(None);
            }
            self.open = Some(self.open_next()?);
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
