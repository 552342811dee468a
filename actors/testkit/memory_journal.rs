//! A journal in memory, which reads back what was written. The disk can be made to fail.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use conclave_domain::context::BookKind;
use conclave_domain::custody::{Closed, EquityPoint};

use crate::journal::{Line, POINT_BYTES, Piece, read_point};
use crate::runtime::ports::{Done, Journal, StoreError};

/// Keeps every piece; writes on the caller's thread, so that paused time stays exact.
#[derive(Debug, Default)]
pub struct MemoryJournal(Mutex<Kept>);

#[derive(Debug, Default)]
struct Kept {
    books: BTreeMap<BookKind, Piece>,
    failure: Option<StoreError>,
}

impl MemoryJournal {
    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// From now on the disk answers a sync with `failure`; `None` mends it.
    pub fn fail(&self, failure: Option<StoreError>) {
        self.kept().failure = failure;
    }

    /// What was written for a book.
    ///
    /// # Panics
    /// When it does not read back.
    #[expect(clippy::expect_used, reason = "a test whose journal is damaged has failed")]
    pub fn read(&self, book: BookKind) -> (Vec<EquityPoint>, Closed) {
        let kept = self.kept();
        let piece = kept.books.get(&book).cloned().unwrap_or_default();
        let (points, rest) = piece.curve.as_chunks::<POINT_BYTES>();
        assert!(rest.is_empty(), "a torn point");
        let points = points.iter().map(|point| read_point(point).expect("a point")).collect();
        let mut closed = Closed::default();
        for line in piece.closed.split_inclusive(|byte| *byte == b'\n') {
            match Line::read(line).expect("a line") {
                Line::Trade(trade) => closed.trades.push(trade),
                Line::Order(order) => closed.orders.push(*order),
            }
        }
        (points, closed)
    }
}

impl Journal for MemoryJournal {
    fn append(&self, book: BookKind, piece: Piece, done: Done<(), StoreError>) {
        let mut kept = self.kept();
        let all = kept.books.entry(book).or_default();
        all.curve.extend(piece.curve);
        all.closed.extend(piece.closed);
        drop(kept);
        done.answer(Ok(()));
    }

    fn sync(&self, done: Done<(), StoreError>) {
        let failure = self.kept().failure.clone();
        done.answer(failure.map_or(Ok(()), Err));
    }
}
