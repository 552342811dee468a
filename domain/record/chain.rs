//! The chain of hashes over a stream's lines, and its verification.
//!
//! The hash of line n is BLAKE3 over the hash of line n−1 (32 bytes) and the line without its hash;
//! before the first line stands the hash of the stream's name. Whoever holds a [`Head`] from
//! elsewhere finds every change, gap, swap and cut before it.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::block::Block;
use super::content::{Content, ContentState};
use super::line::{Line, LineError, write_hash, write_payload};
use super::{Record, Step, Stream};

/// A BLAKE3 hash; written as 64 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest([u8; 32]);

/// A text that is no hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a hash has 64 lower-case hexadecimal digits")]
pub struct DigestError;

impl Digest {
    /// The hash of some bytes.
    pub fn of(bytes: &[u8]) -> Self {
        Self(*blake3::hash(bytes).as_bytes())
    }

    /// The hash's bytes.
    pub const fn bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl From<[u8; 32]> for Digest {
    fn from(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&blake3::Hash::from_bytes(self.0).to_hex())
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Digest {
    type Err = DigestError;

    fn from_str(text: &str) -> Result<Self, DigestError> {
        let is_lower = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        if !text.bytes().all(is_lower) {
            return Err(DigestError);
        }
        let hash = blake3::Hash::from_hex(text).map_err(|_| DigestError)?;
        Ok(Self(*hash.as_bytes()))
    }
}

impl Serialize for Digest {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            serializer.collect_str(self)
        } else {
            self.0.serialize(serializer)
        }
    }
}

impl<'de> Deserialize<'de> for Digest {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if deserializer.is_human_readable() {
            let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
            text.parse().map_err(de::Error::custom)
        } else {
            <[u8; 32]>::deserialize(deserializer).map(Self)
        }
    }
}

/// How far a stream has come: enough to find a cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head {
    /// Lines in the stream; the number of the last one.
    pub count: u64,
    /// The hash of the last one.
    pub hash: Digest,
}

/// Both heads and the record hash, kept outside the log: in the store and in `run.json`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Anchor {
    /// The stream of decisions.
    pub decisions: Head,
    /// The stream of observations.
    pub observations: Head,
    /// BLAKE3 over the contents of all decisions but run headers.
    pub record_hash: Digest,
}

impl Anchor {
    /// The anchored head of one stream.
    pub const fn head(&self, stream: Stream) -> Head {
        match stream {
            Stream::Decisions => self.decisions,
            Stream::Observations => self.observations,
        }
    }
}

/// The growing end of a stream.
#[derive(Clone, Debug)]
pub struct Chain {
    head: Head,
    /// Everything that goes into the record hash, one content and one line feed after the other.
    content: Content,
}

/// A [`Chain`] as it is written down where the lines before it are given up.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ChainState {
    /// Where the given up lines end.
    pub head: Head,
    /// What they leave for the record hash.
    pub content: ContentState,
}

impl Chain {
    /// A stream without lines.
    pub fn new(stream: Stream) -> Self {
        let hash = Digest::of(format!("conclave {} v1", stream.name()).as_bytes());
        Self { head: Head { count: 0, hash }, content: Content::default() }
    }

    /// Goes on behind lines that are not there any more; `None` where the state is none of ours.
    pub fn resume(state: &ChainState) -> Option<Self> {
        Some(Self { head: state.head, content: Content::resume(&state.content)? })
    }

    /// What has to be kept to go on from here without the lines so far.
    pub fn state(&self) -> ChainState {
        ChainState { head: self.head, content: self.content.state() }
    }

    /// Where the stream ends.
    pub const fn head(&self) -> Head {
        self.head
    }

    /// BLAKE3 over the contents (step, decision, time, body) of all lines but run headers.
    pub fn record_hash(&self) -> Digest {
        self.content.hash()
    }

    /// Writes a record's line, without a line feed, into `line` (cleared first); returns its number.
    /// `of` is the number of the decision's line that an observation belongs to.
    pub fn append(&mut self, record: &Record, of: Option<u64>, line: &mut String) -> u64 {
        line.clear();
        let seq = self.head.count + 1;
        let content = write_payload(line, seq, of, record);
        let hash = next_hash(self.head.hash, line);
        self.advance(record.step(), &line[content..], Head { count: seq, hash });
        write_hash(line, hash);
        seq
    }

    /// Checks the next line and steps over it.
    ///
    /// # Errors
    /// When it is not the line that comes next; the chain stays where it was.
    pub fn follow<'a>(&mut self, text: &'a str) -> Result<Line<'a>, Fault> {
        let line = next_line(self.head, text)?;
        self.advance(line.step, line.content, Head { count: line.seq, hash: line.hash });
        Ok(line)
    }

    /// Steps over lines that were checked by themselves; false when they do not come next.
    pub fn join(&mut self, block: &Block) -> bool {
        let joins = block.start == self.head;
        if joins {
            self.head = block.end;
            self.content.update(&block.contents);
        }
        joins
    }

    fn advance(&mut self, step: Step, content: &str, head: Head) {
        self.head = head;
        if is_content(step) {
            self.content.update(content.as_bytes());
            self.content.update(b"\n");
        }
    }
}

/// Reads the line that comes behind `head`.
pub(super) fn next_line(head: Head, text: &str) -> Result<Line<'_>, Fault> {
    let line = Line::read(text)?;
    let expected = head.count.saturating_add(1);
    if line.seq != expected {
        return Err(Fault::Order { expected, found: line.seq });
    }
    if line.hash != next_hash(head.hash, line.payload) {
        return Err(Fault::Changed);
    }
    Ok(line)
}

fn next_hash(former: Digest, payload: &str) -> Digest {
    let mut hasher = blake3::Hasher::new();
    hasher.update(former.bytes()).update(payload.as_bytes());
    Digest(*hasher.finalize().as_bytes())
}

/// Whether a line of this step goes into the record hash.
pub(super) fn is_content(step: Step) -> bool {
    step != Step::RunStarted
}

/// What is wrong with a record.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// It cannot be read.
    #[error("unreadable: {0}")]
    Unreadable(#[from] LineError),
    /// It is not the next one: something is missing, swapped or doubled.
    #[error("expected record {expected}, found record {found}: missing, swapped or doubled")]
    Order {
        /// The number that comes next.
        expected: u64,
        /// The number that stands there.
        found: u64,
    },
    /// Its hash does not follow from it and the former record.
    #[error("the hash does not match: this record or the one before it was changed")]
    Changed,
    /// The log ends before the anchored head.
    #[error(
        "the log ends at record {found}, but {anchored} records were anchored: the tail was cut"
    )]
    Cut {
        /// Records that the anchor knows of.
        anchored: u64,
        /// Records that there are.
        found: u64,
    },
    /// A segment is not there although later ones are.
    #[error("the segment is missing")]
    Missing,
    /// The anchored record is another one.
    #[error("record {count} is not the one that was anchored: the log was rewritten")]
    Rewritten {
        /// The anchored record's number.
        count: u64,
    },
}

/// Where a line stands.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Place {
    /// The segment's file name.
    pub segment: String,
    /// The line within it, from 1; 0 is the segment as a whole.
    pub line: u64,
}

/// The first bad record of a log.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{} line {}, {} record {seq}: {fault}", place.segment, place.line, stream.name())]
pub struct BadRecord {
    /// The stream.
    pub stream: Stream,
    /// The file and the line.
    pub place: Place,
    /// The number of the record that should stand there.
    pub seq: u64,
    /// What is wrong.
    pub fault: Fault,
}

/// A stream that was verified whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Verified {
    /// Where it ends.
    pub head: Head,
    /// BLAKE3 over the contents of all lines but run headers.
    pub record_hash: Digest,
}

/// Walks a stream line by line, so that a log larger than the memory can be verified.
#[derive(Debug)]
pub struct Verifier {
    stream: Stream,
    chain: Chain,
    /// Where the walk began: before the first line, or behind what was pruned.
    base: Head,
    anchors: Vec<Head>,
    place: Place,
}

impl Verifier {
    /// Begins at a stream's first line; `anchors` are heads that were kept elsewhere.
    pub fn new(stream: Stream, anchors: Vec<Head>) -> Self {
        Self::behind(stream, Chain::new(stream), anchors)
    }

    /// Begins behind lines that are not there any more.
    pub fn behind(stream: Stream, chain: Chain, anchors: Vec<Head>) -> Self {
        let place = Place { segment: format!("{}-*.jsonl", stream.prefix()), line: 0 };
        Self { stream, base: chain.head(), chain, anchors, place }
    }

    /// How far the walk has come.
    pub const fn chain(&self) -> &Chain {
        &self.chain
    }

    /// Checks the next line, without its line feed.
    ///
    /// # Errors
    /// When it is not the line that comes next.
    pub fn line<'a>(&mut self, place: Place, text: &'a str) -> Result<Line<'a>, BadRecord> {
        self.place = place;
        let seq = self.chain.head().count + 1;
        let line = self.chain.follow(text).map_err(|fault| self.bad(seq, fault))?;
        if is_anchored(&self.anchors, Head { count: seq, hash: line.hash }) {
            Ok(line)
        } else {
            Err(self.bad(seq, Fault::Rewritten { count: seq }))
        }
    }

    /// Steps over lines that were checked by themselves against the same anchors; `place` is the
    /// last of them. False, and nothing done, when they do not come next.
    pub fn block(&mut self, place: Place, block: &Block) -> bool {
        let joins = self.chain.join(block);
        if joins {
            self.place = place;
        }
        joins
    }

    /// Takes back the anchors that name `head`, if it is the very record that comes next: it was
    /// being written when the writer died, and nobody was told that it is on the disk.
    pub fn forgive(&mut self, head: Head) {
        if head.count == self.chain.head().count + 1 {
            self.anchors.retain(|anchor| *anchor != head);
        }
    }

    /// The walk ends before a segment that should be there and is not.
    pub fn missing(self, segment: String) -> BadRecord {
        let place = Place { segment, line: 0 };
        let seq = self.chain.head().count + 1;
        BadRecord { stream: self.stream, place, seq, fault: Fault::Missing }
    }

    /// Ends the walk.
    ///
    /// # Errors
    /// When an anchored record was not reached.
    pub fn finish(self) -> Result<(Verified, Chain), BadRecord> {
        let (head, base) = (self.chain.head(), self.base);
        if !is_anchored(&self.anchors, base) {
            return Err(self.bad(base.count, Fault::Rewritten { count: base.count }));
        }
        let last = self.anchors.iter().map(|anchor| anchor.count).max();
        if let Some(anchored) = last.filter(|&anchored| anchored > head.count) {
            let fault = Fault::Cut { anchored, found: head.count };
            return Err(self.bad(head.count + 1, fault));
        }
        Ok((Verified { head, record_hash: self.chain.record_hash() }, self.chain))
    }

    fn bad(&self, seq: u64, fault: Fault) -> BadRecord {
        BadRecord { stream: self.stream, place: self.place.clone(), seq, fault }
    }
}

/// Whether no anchor says that the line of this number is another one.
pub(super) fn is_anchored(anchors: &[Head], head: Head) -> bool {
    anchors.iter().all(|anchor| anchor.count != head.count || anchor.hash == head.hash)
}

/// Verifies a stream that lies in memory.
///
/// # Errors
/// The first bad record.
pub fn verify<'a>(
    stream: Stream,
    lines: impl IntoIterator<Item = (Place, &'a str)>,
    anchor: Option<Head>,
) -> Result<Verified, BadRecord> {
    let mut verifier = Verifier::new(stream, anchor.into_iter().collect());
    for (place, text) in lines {
        verifier.line(place, text)?;
    }
    verifier.finish().map(|(verified, _)| verified)
}
