//! Who is connected: as many as there are seats. Where all of them are taken and somebody else knocks, whoever
//! has asked for nothing for the longest time goes, so that neither half-open nor idle connections keep a
//! health check or a halt out.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use hyper::body::{Body, Frame, SizeHint};
use tokio::sync::Notify;

/// All seats. Cheap to clone; all clones are one.
#[derive(Clone)]
pub(super) struct Seats(Arc<Room>);

struct Room {
    most: usize,
    taken: Mutex<Taken>,
    /// Somebody has left, or has nothing to do any more.
    changed: Notify,
}

#[derive(Default)]
struct Taken {
    /// Counts what happens, so that whoever became idle first is known without a clock.
    turn: u64,
    by: BTreeMap<u64, Sitting>,
}

struct Sitting {
    /// The turn at which it became idle; `None` while a request of its is answered.
    idle: Option<u64>,
    is_asked_to_leave: bool,
    leave: Arc<Notify>,
}

impl Taken {
    fn turn(&mut self) -> u64 {
        self.turn += 1;
        self.turn
    }
}

impl Seats {
    /// So many seats.
    pub(super) fn new(most: usize) -> Self {
        let (taken, changed) = Default::default();
        Self(Arc::new(Room { most, taken, changed }))
    }

    fn taken(&self) -> MutexGuard<'_, Taken> {
        self.0.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A seat for somebody who is at the door, as soon as there is one. For one caller at a time.
    pub(super) async fn take(&self) -> Seat {
        loop {
            if let Some(seat) = self.free() {
                return seat;
            }
            self.make_room();
            self.0.changed.notified().await;
        }
    }

    fn free(&self) -> Option<Seat> {
        let mut taken = self.taken();
        if taken.by.len() == self.0.most {
            return None;
        }
        let (id, leave) = (taken.turn(), Arc::<Notify>::default());
        let sitting = Sitting { idle: Some(id), is_asked_to_leave: false, leave: leave.clone() };
        taken.by.insert(id, sitting);
        Some(Seat { id, leave, seats: self.clone() })
    }

    /// Asks one of those who have nothing to do to leave, unless one is asked already.
    fn make_room(&self) {
        let mut taken = self.taken();
        if taken.by.values().any(|sitting| sitting.is_asked_to_leave) {
            return;
        }
        let idle = taken.by.values_mut().filter(|sitting| sitting.idle.is_some());
        if let Some(longest) = idle.min_by_key(|sitting| sitting.idle) {
            longest.is_asked_to_leave = true;
            longest.leave.notify_one();
        }
    }
}

/// The seat of one connection, free again when this is dropped.
pub(super) struct Seat {
    id: u64,
    leave: Arc<Notify>,
    seats: Seats,
}

impl Seat {
    /// The time in which one request is answered: nobody is asked to leave meanwhile.
    pub(super) fn works(&self) -> Working {
        if let Some(sitting) = self.seats.taken().by.get_mut(&self.id) {
            sitting.idle = None;
        }
        Working { id: self.id, seats: self.seats.clone() }
    }

    /// Resolves when the connection has to go, because another one needs its place more.
    pub(super) async fn is_needed(&self) {
        loop {
            self.leave.notified().await;
            let mut taken = self.seats.taken();
            let Some(sitting) = taken.by.get_mut(&self.id) else { return };
            if sitting.idle.is_some() {
                return;
            }
            // Something was asked for in between: somebody else has to go.
            sitting.is_asked_to_leave = false;
            drop(taken);
            self.seats.0.changed.notify_one();
        }
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.seats.taken().by.remove(&self.id);
        self.seats.0.changed.notify_one();
    }
}

/// A request that is being answered.
pub(super) struct Working {
    id: u64,
    seats: Seats,
}

impl Drop for Working {
    fn drop(&mut self) {
        let mut taken = self.seats.taken();
        let turn = taken.turn();
        if let Some(sitting) = taken.by.get_mut(&self.id) {
            sitting.idle = Some(turn);
        }
        drop(taken);
        self.seats.0.changed.notify_one();
    }
}

/// The body of an answer: its connection works until the last of it is handed over.
pub(super) struct Answering {
    body: axum::body::Body,
    _working: Working,
}

impl Answering {
    pub(super) const fn new(body: axum::body::Body, working: Working) -> Self {
        Self { body, _working: working }
    }
}

impl Body for Answering {
    type Data = axum::body::Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;

    #[tokio::test]
    async fn who_has_nothing_to_do_for_the_longest_time_leaves_for_somebody_else() {
        let seats = Seats::new(3);
        let (first, second, third) = (seats.take().await, seats.take().await, seats.take().await);
        let working = first.works();
        drop(third.works());
        drop(second.works());
        let mut knocks = Box::pin(seats.take());
        assert!((&mut knocks).now_or_never().is_none(), "every seat is taken");
        assert!(first.is_needed().now_or_never().is_none(), "it works");
        assert!(second.is_needed().now_or_never().is_none(), "it became idle later");
        assert!(third.is_needed().now_or_never().is_some());
        drop(third);
        let fourth = knocks.now_or_never().expect("a seat");
        drop(working);
        // Now the second is the one that has been idle for the longest time, and asks for something.
        let mut knocks = Box::pin(seats.take());
        assert!((&mut knocks).now_or_never().is_none());
        let working = second.works();
        assert!(second.is_needed().now_or_never().is_none(), "it asked for something in between");
        assert!((&mut knocks).now_or_never().is_none());
        assert!(
            first.is_needed().now_or_never().is_none(),
            "the newcomer has been idle for longer"
        );
        assert!(fourth.is_needed().now_or_never().is_some());
        drop((fourth, working));
        assert!(knocks.now_or_never().is_some());
    }

    #[tokio::test]
    async fn where_everybody_works_the_first_that_ends_makes_room() {
        let seats = Seats::new(1);
        let only = seats.take().await;
        let working = only.works();
        let mut knocks = Box::pin(seats.take());
        assert!((&mut knocks).now_or_never().is_none());
        assert!(only.is_needed().now_or_never().is_none());
        drop(working);
        assert!((&mut knocks).now_or_never().is_none());
        assert!(only.is_needed().now_or_never().is_some());
        drop(only);
        assert!(knocks.now_or_never().is_some());
    }
}
