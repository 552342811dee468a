//! A run of whole lines that is checked by itself, so that a long log can be checked by many hands.
//!
//! A line's hash covers the former line's hash as it stands in the log. So each line can be checked
//! against what the one before it claims, in any order and by anybody; once every line of a block
//! holds, and the block begins where the former one ended, the chain holds.

use std::ops::Range;

use super::Line;
use super::chain::{Head, is_anchored, is_content, next_line};

/// Lines that follow from one another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Block {
    /// What stands before the first line.
    pub start: Head,
    /// The last line.
    pub end: Head,
    /// What goes into the record hash.
    pub(super) contents: Vec<u8>,
    /// Where in the text the lines stand that were asked for, without their line feeds.
    pub wanted: Vec<Range<usize>>,
}

impl Block {
    /// Checks the lines of `text`, each with its line feed, which come behind `start`. `None` when
    /// one of them is not what comes next, or not what an anchor says: which one, and why, is for a
    /// walk line by line to say.
    pub fn read(
        start: Head,
        text: &str,
        anchors: &[Head],
        wants: impl Fn(&Line<'_>) -> bool,
    ) -> Option<Self> {
        let mut block = Self {
            start,
            end: start,
            contents: Vec::with_capacity(text.len()),
            wanted: Vec::new(),
        };
        let mut at = 0;
        while at < text.len() {
            let length = text[at..].find('\n')?;
            let line = next_line(block.end, &text[at..at + length]).ok()?;
            block.end = Head { count: line.seq, hash: line.hash };
            if !is_anchored(anchors, block.end) {
                return None;
            }
            if is_content(line.step) {
                block.contents.extend_from_slice(line.content.as_bytes());
                block.contents.push(b'\n');
            }
            if wants(&line) {
                block.wanted.push(at..at + length);
            }
            at += length + 1;
        }
        Some(block)
    }
}

impl Head {
    /// What a line claims to be, without looking at the rest of it; `None` when it is no line.
    pub fn claimed(line: &str) -> Option<Self> {
        let cut = line.len().checked_sub(64 + 2)?;
        let hash = line.get(cut..)?.strip_suffix("\"}")?.parse().ok()?;
        let digits = line.strip_prefix("{\"seq\":")?;
        let end = digits.bytes().position(|byte| !byte.is_ascii_digit())?;
        Some(Self { count: digits[..end].parse().ok()?, hash })
    }
}
