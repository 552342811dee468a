//! Verifies a stream from its first line to its last, on every core.
//!
//! The log is cut into blocks of whole lines; workers check them by themselves, each against what the
//! line before it claims, and one hand joins them in order. Whatever is no good block (damage, a torn
//! tail, a line without an end) is walked line by line from there, which names the first bad record.
//!
//! - the chain verifies: every byte of every segment is read and hashed, whatever is done at once.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;
use std::sync::Mutex;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;

use conclave_domain::record::{Block, Chain, Head, Line, Place, Step, Stream, Verified, Verifier};
use conclave_domain::time::Time;

use super::CutTail;
use super::pruned::{Kept, PRUNED_FILE, Sealed};
use super::read::{LINE_MAX, Lines, LogError, lines, numbers};
use super::segment::file_name;

/// Bytes of a block, at least; it ends with the last whole line of them.
const BLOCK: usize = 1 << 20;
/// More hands than this wait for the one that joins.
const WORKERS_MAX: usize = 8;
/// Blocks in the memory for each worker.
const BLOCKS_EACH: usize = 3;

/// What becomes of a last line without a line feed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Torn {
    Cut,
    Refuse,
}

/// Which lines are shown to whoever reads along; called by many hands.
pub(super) type Wants<'a> = &'a (dyn Fn(&Line<'_>) -> bool + Sync);

/// A walk over one stream.
pub(super) struct Walk<'a> {
    pub(super) dir: &'a Path,
    pub(super) stream: Stream,
    /// Heads that were kept elsewhere.
    pub(super) anchors: Vec<Head>,
    /// One of them that a torn last line may fall short of by itself.
    pub(super) written: Option<Head>,
    pub(super) torn: Torn,
    /// Whether retention will want to know where each segment ends.
    pub(super) seals: bool,
    pub(super) wants: Wants<'a>,
    /// Gets the lines that are wanted, in order, each behind its verification.
    pub(super) each: &'a mut dyn FnMut(&Line<'_>),
}

/// A stream that was walked to its end.
#[derive(Debug)]
pub(super) struct Walked {
    pub(super) verified: Verified,
    pub(super) chain: Chain,
    /// The number of the last segment; 0 where there is none.
    pub(super) last_segment: u32,
    /// Segment files.
    pub(super) segments: u32,
    /// Bytes of the last segment up to the end of its last good line.
    pub(super) good_bytes: u64,
    pub(super) torn: Option<CutTail>,
    /// Time and step of the last line.
    pub(super) last: Option<(Time, Step)>,
    /// The segments before the last one, and what is kept of that, where that was asked for.
    pub(super) sealed: Vec<Sealed>,
    pub(super) kept: Kept,
}

/// How far a walk has come: everything before is good.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Cursor {
    pub(super) segment: u32,
    pub(super) offset: u64,
    pub(super) line: u64,
}

/// What a walk has verified so far.
struct Progress {
    verifier: Verifier,
    cursor: Cursor,
    last: Option<(Time, Step)>,
    seals: bool,
    sealed: Vec<Sealed>,
    kept: Kept,
}

impl Walk<'_> {
    /// Verifies the stream.
    pub(super) fn run(self) -> Result<Walked, LogError> {
        let is_short = self.is_short()?;
        let cores = thread::available_parallelism().map_or(1, std::num::NonZero::get);
        self.run_with(if is_short { 0 } else { cores.min(WORKERS_MAX) }, BLOCK)
    }

    /// Whether many hands would be more work than one.
    fn is_short(&self) -> Result<bool, LogError> {
        let mut bytes = 0;
        for number in numbers(self.dir, self.stream)? {
            let path = self.dir.join(file_name(self.stream, number));
            bytes += std::fs::metadata(&path).map_or(0, |file| file.len());
            if bytes >= 2 * BLOCK as u64 {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Verifies the stream with so many workers and blocks of that size; line by line with none.
    pub(super) fn run_with(mut self, workers: usize, block: usize) -> Result<Walked, LogError> {
        let mut all = lines(self.dir, self.stream)?;
        let verifier = self.verifier(&all)?;
        let whole = Blocks::new(self.dir, &all, block, verifier.chain().head());
        let mut so_far = Progress::new(verifier, self.seals);
        if workers > 0 {
            self.in_blocks(whole, workers, &mut so_far)?;
        }
        all.skip_to(so_far.cursor)?;
        let torn = self.line_by_line(&mut all, &mut so_far)?;
        if let Some(written) = self.written.filter(|_| torn.is_some()) {
            so_far.verifier.forgive(written);
        }
        if let Some(gap) = all.gap() {
            return Err(so_far.verifier.missing(gap).into());
        }
        for segment in all.first_segment()..=all.last_segment() {
            so_far.enter(segment);
        }
        let Progress { verifier, cursor, last, sealed, kept, .. } = so_far;
        let (whole, chain) = verifier.finish()?;
        Ok(Walked {
            verified: whole,
            chain,
            last_segment: all.last_segment(),
            segments: all.segments(),
            good_bytes: cursor.offset,
            torn,
            last,
            sealed,
            kept,
        })
    }

    /// Begins at the first line, or behind what was pruned, of which the kept lines are shown.
    fn verifier(&mut self, all: &Lines) -> Result<Verifier, LogError> {
        let anchors = self.anchors.clone();
        let Some(gone) = all.pruned() else { return Ok(Verifier::new(self.stream, anchors)) };
        let chain = Chain::resume(&gone.chain).ok_or_else(|| LogError::Summary {
            path: self.dir.join(PRUNED_FILE),
            why: "nothing can go on behind it".to_owned(),
        })?;
        for line in gone.kept.lines() {
            if (self.wants)(&line) {
                (self.each)(&line);
            }
        }
        Ok(Verifier::behind(self.stream, chain, anchors))
    }

    fn in_blocks(
        &mut self,
        mut whole: Blocks<'_>,
        workers: usize,
        so_far: &mut Progress,
    ) -> Result<(), LogError> {
        let Self { stream, anchors, wants, each, seals, .. } = self;
        let (wants, seals) = (*wants, *seals);
        let shows = move |line: &Line<'_>| wants(line) || seals && Kept::keeps(line.step);
        let (give, jobs) = channel::<Job>();
        let (jobs, (answer, done)) = (Mutex::new(jobs), channel());
        thread::scope(|scope| {
            // Moved in, so that the workers end with this scope's body.
            let give = give;
            for _ in 0..workers {
                let (jobs, answer, anchors) = (&jobs, answer.clone(), &*anchors);
                scope.spawn(move || work(jobs, &answer, anchors, &shows));
            }
            drop(answer);
            let (mut sent, mut joined) = (0, 0);
            let mut early = BTreeMap::new();
            loop {
                while sent - joined < workers * BLOCKS_EACH
                    && let Some(job) = whole.next(sent)?
                {
                    sent += 1;
                    if give.send(job).is_err() {
                        return Ok(());
                    }
                }
                if sent == joined {
                    return Ok(());
                }
                // A worker that is gone leaves the rest to be walked line by line.
                let Ok((job, block)) = done.recv() else { return Ok(()) };
                early.insert(job.index, (job, block));
                while let Some((job, block)) = early.remove(&joined) {
                    joined += 1;
                    let text = std::str::from_utf8(&job.bytes).unwrap_or_default();
                    let joins = |block: &Block| so_far.join(*stream, job.segment, text, block);
                    let Some(block) = block.filter(joins) else { return Ok(()) };
                    for at in block.wanted {
                        so_far.show(&text[at], wants, each);
                    }
                }
            }
        })
    }

    fn line_by_line(
        &mut self,
        all: &mut Lines,
        so_far: &mut Progress,
    ) -> Result<Option<CutTail>, LogError> {
        while let Some(raw) = all.next() {
            let raw = raw?;
            // More than a line can hold is no line that was being written.
            let is_tail = !raw.terminated && raw.bytes < LINE_MAX && all.is_last_segment();
            if is_tail && self.torn == Torn::Cut {
                let (stream, segment) = (self.stream, raw.place.segment);
                return Ok(Some(CutTail { stream, segment, bytes: raw.bytes }));
            }
            // A line without its line feed is torn even where everything else of it is there.
            let text = if raw.terminated { raw.text.as_str() } else { "" };
            so_far.enter(all.current_segment());
            let line = so_far.verifier.line(raw.place.clone(), text)?;
            so_far.cursor.line = raw.place.line;
            so_far.cursor.offset += raw.bytes;
            so_far.last = Some((line.at, line.step));
            if self.seals && Kept::keeps(line.step) || (self.wants)(&line) {
                so_far.show(text, self.wants, self.each);
            }
        }
        Ok(None)
    }
}

impl Progress {
    fn new(verifier: Verifier, seals: bool) -> Self {
        let (cursor, kept) = (Cursor::default(), Kept::default());
        Self { verifier, cursor, last: None, seals, sealed: Vec::new(), kept }
    }

    /// Steps into the segment that comes next, if it is not in it already.
    fn enter(&mut self, segment: u32) {
        let Cursor { segment: number, offset: bytes, .. } = self.cursor;
        if number >= segment {
            return;
        }
        if self.seals && number > 0 {
            let (end, kept) = (self.verifier.chain().clone(), std::mem::take(&mut self.kept));
            self.sealed.push(Sealed { number, bytes, end, kept });
        }
        self.cursor = Cursor { segment, offset: 0, line: 0 };
    }

    /// Joins the next block to what was verified; false when it does not come next.
    fn join(&mut self, stream: Stream, segment: u32, text: &str, block: &Block) -> bool {
        self.enter(segment);
        let lines = self.cursor.line + (block.end.count - block.start.count);
        let place = Place { segment: file_name(stream, segment), line: lines };
        if !self.verifier.block(place, block) {
            return false;
        }
        self.cursor.line = lines;
        self.cursor.offset += text.len() as u64;
        if let Ok(line) = Line::read(last_line(text)) {
            self.last = Some((line.at, line.step));
        }
        true
    }

    /// Shows a verified line to whoever wants it.
    fn show(&mut self, text: &str, wants: Wants<'_>, each: &mut dyn FnMut(&Line<'_>)) {
        let Ok(line) = Line::read(text) else { return };
        if self.seals {
            self.kept.see(line.step, text);
        }
        if wants(&line) {
            each(&line);
        }
    }
}

/// The last line of a text that ends with a line feed.
fn last_line(text: &str) -> &str {
    let text = text.strip_suffix('\n').unwrap_or(text);
    text.rfind('\n').map_or(text, |at| &text[at + 1..])
}

/// A block on its way to a worker and back.
#[derive(Debug)]
struct Job {
    index: usize,
    segment: u32,
    start: Head,
    /// Whole lines.
    bytes: Vec<u8>,
}

fn work(
    jobs: &Mutex<Receiver<Job>>,
    answer: &Sender<(Job, Option<Block>)>,
    anchors: &[Head],
    wants: Wants<'_>,
) {
    loop {
        let next = jobs.lock().ok().and_then(|jobs| jobs.recv().ok());
        let Some(job) = next else { return };
        let text = std::str::from_utf8(&job.bytes).ok();
        let block = text.and_then(|text| Block::read(job.start, text, anchors, wants));
        // Nobody listens any more once a block was bad.
        if answer.send((job, block)).is_err() {
            return;
        }
    }
}

/// Reads a stream's segments in blocks of whole lines; ends at the first thing that is none.
struct Blocks<'a> {
    dir: &'a Path,
    stream: Stream,
    block: usize,
    segments: std::ops::Range<u32>,
    open: Option<(u32, File)>,
    /// The beginning of a line whose end was not read yet.
    rest: Vec<u8>,
    /// What the last line so far claims to be.
    head: Head,
}

impl<'a> Blocks<'a> {
    fn new(dir: &'a Path, all: &Lines, block: usize, head: Head) -> Self {
        let segments = all.first_segment()..all.last_segment() + 1;
        Self { dir, stream: all.stream(), block, segments, open: None, rest: Vec::new(), head }
    }

    fn next(&mut self, index: usize) -> Result<Option<Job>, LogError> {
        loop {
            let Some((segment, file)) = &mut self.open else {
                let Some(segment) = self.segments.next() else { return Ok(None) };
                let path = self.dir.join(file_name(self.stream, segment));
                let file = File::open(&path).map_err(|source| LogError::io(&path, source))?;
                self.open = Some((segment, file));
                continue;
            };
            let (segment, before) = (*segment, self.rest.len());
            let read = fill(file, &mut self.rest, self.block).map_err(|source| {
                LogError::io(&self.dir.join(file_name(self.stream, segment)), source)
            })?;
            let whole = self.rest[before..].iter().rposition(|&byte| byte == b'\n');
            let Some(end) = whole.map(|at| before + at + 1) else {
                if read == 0 && before == 0 {
                    self.open = None;
                    continue;
                }
                // A torn line, or more than a line can hold.
                if read == 0 || self.rest.len() as u64 > LINE_MAX {
                    return Ok(self.stop());
                }
                continue;
            };
            let rest = self.rest.split_off(end);
            let bytes = std::mem::replace(&mut self.rest, rest);
            let start = self.head;
            let text = std::str::from_utf8(last_line_bytes(&bytes)).ok();
            let Some(head) = text.and_then(Head::claimed) else { return Ok(self.stop()) };
            self.head = head;
            return Ok(Some(Job { index, segment, start, bytes }));
        }
    }

    /// Gives up the rest: it is walked line by line.
    fn stop(&mut self) -> Option<Job> {
        self.open = None;
        self.segments = 0..0;
        None
    }
}

/// The last line, without its line feed, of bytes that end with one.
fn last_line_bytes(bytes: &[u8]) -> &[u8] {
    let bytes = bytes.strip_suffix(b"\n").unwrap_or(bytes);
    bytes.iter().rposition(|&byte| byte == b'\n').map_or(bytes, |at| &bytes[at + 1..])
}

/// Reads up to `more` bytes behind what is there; says how many there were.
fn fill(file: &mut File, bytes: &mut Vec<u8>, more: usize) -> io::Result<usize> {
    bytes.reserve(more);
    file.take(more as u64).read_to_end(bytes)
}

#[cfg(test)]
mod tests {
    use std::sync::LazyLock;

    use conclave_domain::record::{Anchor, BadRecord};
    use proptest::prelude::*;
    use tempfile::TempDir;

    use super::super::tests::written;
    use super::*;

    /// A walk with as many workers: its end and its lines, or the first bad record.
    fn walk(
        dir: &Path,
        torn: Torn,
        workers: usize,
    ) -> Result<(Verified, u64, Option<CutTail>, Vec<u64>), BadRecord> {
        let mut seen = Vec::new();
        let walk = Walk {
            dir,
            stream: Stream::Decisions,
            anchors: Vec::new(),
            written: None,
            torn,
            seals: true,
            wants: &|line| line.seq.is_multiple_of(3),
            each: &mut |line| seen.push(line.seq),
        };
        match walk.run_with(workers, 300) {
            Ok(walked) => Ok((walked.verified, walked.good_bytes, walked.torn, seen)),
            Err(LogError::Bad(bad)) => Err(bad),
            Err(other) => panic!("{other}"),
        }
    }

    fn check(dir: &TempDir) {
        for torn in [Torn::Cut, Torn::Refuse] {
            let alone = walk(dir.path(), torn, 0);
            for workers in [1, 2, 5] {
                assert_eq!(walk(dir.path(), torn, workers), alone);
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(40))]

        /// many hands find what one finds, down to the line, wherever the damage is.
        #[test]
        fn many_hands_find_what_one_finds(
            segment in 1_u32..6,
            at in any::<prop::sample::Index>(),
            kind in 0..6_u8,
        ) {
            static LOG: LazyLock<(TempDir, Anchor)> = LazyLock::new(|| written(30));
            let dir = TempDir::new().unwrap();
            for entry in std::fs::read_dir(LOG.0.path()).unwrap().map(Result::unwrap) {
                std::fs::copy(entry.path(), dir.path().join(entry.file_name())).unwrap();
            }
            let path = dir.path().join(file_name(Stream::Decisions, segment));
            let mut bytes = std::fs::read(&path).unwrap();
            let at = at.index(bytes.len());
            match kind {
                0 => bytes[at] ^= 1,
                1 => bytes.truncate(at),
                2 => drop(bytes.drain(at..(at + 7).min(bytes.len()))),
                3 => bytes.insert(at, b'\n'),
                4 => bytes[at..].fill(0),
                _ => {}
            }
            std::fs::write(&path, bytes).unwrap();
            check(&dir);
        }
    }

    #[test]
    fn a_stream_without_lines_and_one_with_a_gap_are_walked_alike() {
        let empty = TempDir::new().unwrap();
        check(&empty);
        let (dir, _) = written(30);
        assert!(walk(dir.path(), Torn::Refuse, 2).unwrap().3.len() == 10);
        let second = dir.path().join(file_name(Stream::Decisions, 2));
        std::fs::write(&second, "").unwrap();
        check(&dir);
        std::fs::remove_file(second).unwrap();
        check(&dir);
    }
}
