//! The hash over a stream's contents, as a value that can be written down and gone on with.
//!
//! It is plain BLAKE3 over all contents, each followed by a line feed. The library's own hasher
//! cannot be stored; this one keeps what the hash's tree needs, a few dozen numbers, so that a log
//! whose first segments were pruned still has the hash of the whole.

use std::fmt::Write as _;

use blake3::hazmat::{HasherExt as _, Mode, merge_subtrees_non_root, merge_subtrees_root};
use serde::{Deserialize, Serialize};

use super::chain::Digest;

/// Bytes of a leaf of BLAKE3's tree.
const CHUNK: usize = blake3::CHUNK_LEN;
/// Leaves that are hashed at once at most, so that the processor's wide registers are used.
const AT_ONCE: usize = 256;

/// A hash in the making.
///
/// The whole leaves so far are the binary number of `chunks`: each digit that is set is a complete
/// subtree, the largest first. A leaf is taken in only once more is known to follow, because the
/// last one is hashed in another way.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Content {
    chunks: u64,
    subtrees: Vec<[u8; 32]>,
    /// At most one leaf; empty only before the first byte.
    tail: Vec<u8>,
}

impl Content {
    /// Adds bytes.
    pub(super) fn update(&mut self, mut bytes: &[u8]) {
        while self.tail.len() + bytes.len() > CHUNK {
            if self.tail.is_empty() {
                // At least one byte is left for later.
                let whole = (bytes.len() - 1) / CHUNK;
                let take = 1 << whole.min(room_at(self.chunks)).ilog2();
                let (subtree, rest) = bytes.split_at(take * CHUNK);
                self.push(subtree, take as u64);
                bytes = rest;
            } else {
                let (fill, rest) = bytes.split_at(CHUNK - self.tail.len());
                self.tail.extend_from_slice(fill);
                bytes = rest;
                let chunk = std::mem::take(&mut self.tail);
                self.push(&chunk, 1);
                self.tail = chunk;
                self.tail.clear();
            }
        }
        self.tail.extend_from_slice(bytes);
    }

    /// Takes in a subtree of `chunks` leaves, behind which more follows.
    fn push(&mut self, bytes: &[u8], chunks: u64) {
        self.subtrees.push(self.value(bytes));
        self.chunks += chunks;
        while self.subtrees.len() > self.chunks.count_ones() as usize {
            let (Some(right), Some(left)) = (self.subtrees.pop(), self.subtrees.pop()) else {
                return;
            };
            self.subtrees.push(merge_subtrees_non_root(&left, &right, Mode::Hash));
        }
    }

    /// The chaining value of the subtree that stands behind all leaves so far.
    fn value(&self, bytes: &[u8]) -> [u8; 32] {
        let mut hasher = blake3::Hasher::new();
        hasher.set_input_offset(self.chunks * CHUNK as u64);
        hasher.update(bytes);
        hasher.finalize_non_root()
    }

    /// The hash of everything so far.
    pub(super) fn hash(&self) -> Digest {
        let Some((first, others)) = self.subtrees.split_first() else {
            return Digest::of(&self.tail);
        };
        let mut right = self.value(&self.tail);
        for left in others.iter().rev() {
            right = merge_subtrees_non_root(left, &right, Mode::Hash);
        }
        Digest::from(*merge_subtrees_root(first, &right, Mode::Hash).as_bytes())
    }

    /// What has to be kept to go on from here.
    pub(super) fn state(&self) -> ContentState {
        let mut tail = String::with_capacity(2 * self.tail.len());
        for byte in &self.tail {
            // Writing to a string cannot fail.
            let _ = write!(tail, "{byte:02x}");
        }
        let subtrees = self.subtrees.iter().copied().map(Digest::from).collect();
        ContentState { chunks: self.chunks, subtrees, tail }
    }

    /// Goes on from what was kept; `None` where it is none of ours.
    pub(super) fn resume(state: &ContentState) -> Option<Self> {
        let digits = state.tail.as_bytes();
        let is_hex = digits.iter().all(u8::is_ascii_hexdigit) && digits.len().is_multiple_of(2);
        let fits = digits.len() <= 2 * CHUNK && (state.chunks == 0 || !digits.is_empty());
        if !is_hex || !fits || state.subtrees.len() != state.chunks.count_ones() as usize {
            return None;
        }
        let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
        let tail = digits.chunks(2).map(byte).collect::<Option<Vec<u8>>>()?;
        let subtrees = state.subtrees.iter().map(|subtree| *subtree.bytes()).collect();
        // Beyond this the offset in bytes would be no number any more.
        (state.chunks < u64::MAX >> 12).then_some(Self { chunks: state.chunks, subtrees, tail })
    }
}

/// How many leaves may stand behind `chunks` others as one subtree: the value of their lowest digit.
const fn room_at(chunks: u64) -> usize {
    if chunks.is_multiple_of(AT_ONCE as u64) { AT_ONCE } else { 1 << chunks.trailing_zeros() }
}

/// A `Content` as it is written down.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ContentState {
    /// Leaves of 1,024 bytes that were taken in.
    chunks: u64,
    /// The subtrees that they make, the largest first.
    subtrees: Vec<Digest>,
    /// The bytes behind them, hexadecimal.
    tail: String,
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn bytes(length: usize) -> Vec<u8> {
        (0..length).map(|at| u8::try_from(at * 7 % 251).unwrap()).collect()
    }

    #[test]
    fn every_length_around_a_boundary_gives_the_plain_hash() {
        for chunks in [0, 1, 2, 3, 4, 7, 8, 255, 256, 257, 511, 513, 1_027] {
            for more in [0, 1, 2, 1_023] {
                let bytes = bytes(chunks * CHUNK + more);
                let mut content = Content::default();
                content.update(&bytes);
                assert_eq!(content.hash(), Digest::of(&bytes), "{chunks} and {more}");
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(60))]

        /// in any pieces, and written down and gone on with between any two, it is one hash.
        #[test]
        fn pieces_and_pauses_change_nothing(pieces in prop::collection::vec(0_usize..9_000, 0..40)) {
            let bytes = bytes(pieces.iter().sum());
            let (mut content, mut at) = (Content::default(), 0);
            for piece in pieces {
                content.update(&bytes[at..at + piece]);
                at += piece;
                let kept = serde_json::to_string(&content.state()).unwrap();
                let again = Content::resume(&serde_json::from_str(&kept).unwrap());
                prop_assert_eq!(again.as_ref(), Some(&content));
                prop_assert_eq!(content.hash(), Digest::of(&bytes[..at]));
            }
        }
    }

    #[test]
    fn what_is_no_state_of_ours_is_refused() {
        let good = {
            let mut content = Content::default();
            content.update(&bytes(5_000));
            content.state()
        };
        assert!(Content::resume(&good).is_some());
        let with = |change: fn(&mut ContentState)| {
            let mut bad = good.clone();
            change(&mut bad);
            Content::resume(&bad)
        };
        assert_eq!(with(|bad| bad.tail.push('0')), None, "half a byte");
        assert_eq!(with(|bad| bad.tail = "zz".to_owned()), None);
        assert_eq!(with(|bad| bad.tail = "é".to_owned()), None);
        assert_eq!(with(|bad| bad.tail.clear()), None, "the last leaf is never taken in");
        assert_eq!(with(|bad| bad.tail = "00".repeat(1_025)), None);
        assert_eq!(with(|bad| bad.subtrees.truncate(0)), None);
        assert_eq!(with(|bad| bad.chunks = u64::MAX), None);
    }
}
