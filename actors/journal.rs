//! The journal: what an account has behind it and only reports need, kept out of memory.
//!
//! Closed trades and forgotten orders become lines, points of the equity curve become 40 bytes each;
//! both are appended to the run's journal ([`Journal`]), written behind, without a flush of their own.
//! The account counts the bytes ([`Extent`]). It is stored only after what it counts is on the disk
//! (`Pages::sync`); what lies behind that is cut off when a run goes on, and comes again with the
//! bars that are played again. So a run that was killed leaves the same report as one that was not.

use std::collections::BTreeMap;
use std::sync::Arc;

use conclave_domain::book::Trade;
use conclave_domain::context::BookKind;
use conclave_domain::custody::{Closed, EquityPoint};
use conclave_domain::fixed::Money;
use conclave_domain::order_state::Order;
use conclave_domain::ratio::Ratio;
use conclave_domain::time::Time;
use serde::{Deserialize, Serialize};
use tokio::sync::oneshot;

use crate::runtime::ports::{Done, Journal, StoreError};

/// Bytes of one point of the curve.
pub const POINT_BYTES: usize = 40;
/// Bytes that wait before they are handed over: large enough that the writer's thread is woken seldom.
const PIECE_BYTES: usize = 64 << 10;

/// How much of a book's journal belongs to its account, bytes from the beginning of each file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Extent {
    /// Of the equity curve.
    pub curve: u64,
    /// Of the trades and orders.
    pub closed: u64,
}

/// What is appended to a book's journal at once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Piece {
    /// Points of the curve.
    pub curve: Vec<u8>,
    /// Lines of trades and orders.
    pub closed: Vec<u8>,
}

impl Piece {
    /// Whether there is nothing to append.
    pub const fn is_empty(&self) -> bool {
        self.curve.is_empty() && self.closed.is_empty()
    }

    const fn len(&self) -> usize {
        self.curve.len() + self.closed.len()
    }
}

/// One line.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Line {
    /// A closed trade.
    Trade(Trade),
    /// An order that was forgotten.
    Order(Box<Order>),
}

/// [`Line`] as it is written.
#[derive(Serialize)]
#[serde(rename_all = "snake_case")]
enum Written<'a> {
    Trade(&'a Trade),
    Order(&'a Order),
}

impl Line {
    /// Reads a line.
    ///
    /// # Errors
    /// When it is none.
    pub fn read(text: &[u8]) -> Result<Self, serde_json::Error> {
        serde_json::from_slice(text)
    }
}

/// A point's bytes, little-endian: time, equity, cash, exposure, drawdown.
pub fn point_bytes(point: &EquityPoint) -> [u8; POINT_BYTES] {
    let fields = [
        point.at.ms().to_le_bytes(),
        point.equity.raw().to_le_bytes(),
        point.cash.raw().to_le_bytes(),
        point.exposure.get().to_le_bytes(),
        point.drawdown.get().to_le_bytes(),
    ];
    let mut bytes = [0; POINT_BYTES];
    for (place, field) in bytes.chunks_exact_mut(8).zip(fields) {
        place.copy_from_slice(&field);
    }
    bytes
}

/// The point that these bytes are; `None` where a ratio is not finite, which is damage.
pub fn read_point(bytes: &[u8; POINT_BYTES]) -> Option<EquityPoint> {
    let mut fields = bytes.chunks_exact(8).map(|field| {
        let mut eight = [0; 8];
        eight.copy_from_slice(field);
        eight
    });
    let mut next = || fields.next().unwrap_or_default();
    Some(EquityPoint {
        at: Time::from_ms(i64::from_le_bytes(next())),
        equity: Money::from_raw(i64::from_le_bytes(next())),
        cash: Money::from_raw(i64::from_le_bytes(next())),
        exposure: Ratio::new(f64::from_le_bytes(next())).ok()?,
        drawdown: Ratio::new(f64::from_le_bytes(next())).ok()?,
    })
}

/// What the broker's accounts hand over, gathered into pieces of some size.
#[derive(Debug)]
pub(crate) struct Pages {
    journal: Arc<dyn Journal>,
    waiting: BTreeMap<BookKind, Piece>,
    /// The answers to what was handed over last: more is handed over only behind it, so that a slow
    /// disk slows the run instead of filling the memory.
    handed: Vec<oneshot::Receiver<Result<(), StoreError>>>,
}

impl Pages {
    pub(crate) const fn new(journal: Arc<dyn Journal>) -> Self {
        Self { journal, waiting: BTreeMap::new(), handed: Vec::new() }
    }

    /// Writes points and what is closed behind what waits; `extent` grows by their bytes.
    pub(crate) fn write(
        &mut self,
        book: BookKind,
        curve: &[EquityPoint],
        closed: &Closed,
        extent: &mut Extent,
    ) {
        let piece = self.waiting.entry(book).or_default();
        let before = (piece.curve.len(), piece.closed.len());
        for point in curve {
            piece.curve.extend_from_slice(&point_bytes(point));
        }
        let trades = closed.trades.iter().map(Written::Trade);
        for line in trades.chain(closed.orders.iter().map(Written::Order)) {
            let start = piece.closed.len();
            if let Err(error) = serde_json::to_writer(&mut piece.closed, &line) {
                // No trade or order is without a JSON form; a half-written line would be damage.
                piece.closed.truncate(start);
                tracing::error!(%error, "a closed trade or order is missing in the journal");
                continue;
            }
            piece.closed.push(b'\n');
        }
        extent.curve += (piece.curve.len() - before.0) as u64;
        extent.closed += (piece.closed.len() - before.1) as u64;
    }

    /// Hands over what waits once it is much.
    pub(crate) async fn relieve(&mut self) {
        if self.waiting.values().any(|piece| PIECE_BYTES <= piece.len()) {
            self.settle().await;
            self.hand_over();
        }
    }

    /// Returns once everything written so far is on the disk.
    ///
    /// # Errors
    /// When it is not: the accounts must not be stored as if it were.
    pub(crate) async fn sync(&mut self) -> Result<(), StoreError> {
        self.settle().await;
        self.hand_over();
        self.settle().await;
        let (answer, synced) = oneshot::channel();
        self.journal.sync(Done::new(move |result| drop(answer.send(result))));
        synced.await.unwrap_or(Err(StoreError::Closed))
    }

    fn hand_over(&mut self) {
        for (book, piece) in &mut self.waiting {
            if piece.is_empty() {
                continue;
            }
            let (answer, written) = oneshot::channel();
            let done = Done::new(move |result| drop(answer.send(result)));
            self.journal.append(*book, std::mem::take(piece), done);
            self.handed.push(written);
        }
    }

    /// Waits for what was handed over.
    async fn settle(&mut self) {
        for written in self.handed.drain(..) {
            if let Err(error) = written.await.unwrap_or(Err(StoreError::Closed)) {
                tracing::error!(
                    error = &error as &dyn std::error::Error,
                    "the journal waits in memory until it can be written"
                );
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_point_reads_back_to_the_bit_and_damage_is_no_point() {
        let point = EquityPoint {
            at: Time::from_ms(-5),
            equity: Money::from_raw(i64::MAX),
            cash: Money::from_raw(i64::MIN),
            exposure: Ratio::of(0.1),
            drawdown: Ratio::of(1.0 / 3.0),
        };
        let bytes = point_bytes(&point);
        assert_eq!(read_point(&bytes), Some(point));
        let mut damaged = bytes;
        damaged[32..].copy_from_slice(&f64::NAN.to_le_bytes());
        assert_eq!(read_point(&damaged), None);
    }
}
