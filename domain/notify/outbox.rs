//! What waits to be told on one way out: bounded, what matters most first, and nothing told twice.
//!
//! Where there is no room the oldest of the least important is left out and counted. Nobody waits for
//! room: whoever tells something goes on at once.

use std::collections::VecDeque;
use std::sync::Arc;

use super::{Importance, Kind, Matter, Notice};
use crate::time::Time;

/// What waits.
#[derive(Clone, Debug)]
pub struct Outbox {
    waiting: VecDeque<Arc<Notice>>,
    room: usize,
    left_out: u64,
}

/// What is told together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parcel {
    /// The notices, oldest first; one, or several plain ones.
    pub notices: Vec<Arc<Notice>>,
    /// How many less important ones were left out since the parcel before.
    pub left_out: u64,
}

impl Outbox {
    /// An empty one with room for so many; at least one.
    pub fn new(room: usize) -> Self {
        Self { waiting: VecDeque::new(), room: room.max(1), left_out: 0 }
    }

    /// Takes a notice in; whether one was left out for it, be it itself.
    pub fn put(&mut self, notice: Arc<Notice>) -> bool {
        if notice.kind == Kind::Summary {
            // The latest figures say all that the former did.
            self.waiting.retain(|other| other.kind != Kind::Summary);
        }
        if let Matter::Ends { decision: ended, .. } = &notice.matter {
            // Nobody need be asked any more what is decided.
            let is_asked = |other: &Arc<Notice>| matches!(&other.matter, Matter::Asks { decision, .. } if decision == ended);
            self.waiting.retain(|other| !is_asked(other));
        }
        self.waiting.push_back(notice);
        if self.waiting.len() <= self.room {
            return false;
        }
        let least = self.waiting.iter().map(|other| other.importance()).min();
        let oldest = self.waiting.iter().position(|other| Some(other.importance()) == least);
        if let Some(oldest) = oldest {
            self.waiting.remove(oldest);
        }
        self.left_out += 1;
        true
    }

    /// The next parcel: the oldest of the most important, and where it is plain those behind it that are
    /// plain and of the same importance, as long as together they have at most `units` UTF-16 units. What
    /// asks for an answer that would come too late by `now` is left out.
    pub fn take(&mut self, units: usize, now: Time) -> Option<Parcel> {
        let is_late = |notice: &Arc<Notice>| matches!(notice.matter, Matter::Asks { expires_at, .. } if expires_at <= now);
        self.waiting.retain(|notice| !is_late(notice));
        let most: Importance = self.waiting.iter().map(|notice| notice.importance()).max()?;
        let first = self.waiting.iter().position(|notice| notice.importance() == most)?;
        let first = self.waiting.remove(first)?;
        let mut notices = vec![first];
        let mut taken = notices.first().map_or(0, |notice| notice.text.units());
        let mut is_open = notices.first().is_some_and(|notice| notice.is_plain());
        while is_open {
            let next = self.waiting.iter().position(|notice| notice.importance() == most);
            let fits = |notice: &Arc<Notice>| {
                notice.is_plain() && taken + notice.text.units() + 2 <= units
            };
            let next = next.filter(|at| self.waiting.get(*at).is_some_and(fits));
            match next.and_then(|at| self.waiting.remove(at)) {
                Some(notice) => {
                    taken += notice.text.units() + 2;
                    notices.push(notice);
                }
                None => is_open = false,
            }
        }
        Some(Parcel { notices, left_out: std::mem::take(&mut self.left_out) })
    }

    /// Puts back what could not be told yet; it stands before everything of its importance. Where there
    /// is no room any more it is left out.
    pub fn put_back(&mut self, parcel: Parcel) {
        self.left_out += parcel.left_out;
        for notice in parcel.notices.into_iter().rev() {
            if self.waiting.len() < self.room {
                self.waiting.push_front(notice);
            } else {
                self.left_out += 1;
            }
        }
    }

    /// How many wait.
    pub fn len(&self) -> usize {
        self.waiting.len()
    }

    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::notify::rich::Rich;

    fn notice(kind: Kind, text: &str) -> Arc<Notice> {
        Arc::new(Notice::new(kind, Time::EPOCH, Rich::of(text)))
    }

    fn about(matter: Matter) -> Arc<Notice> {
        let plain = Notice::new(Kind::Approvals, Time::EPOCH, Rich::of("it"));
        Arc::new(Notice { matter, ..plain })
    }

    fn asks(name: &str) -> Arc<Notice> {
        about(Matter::Asks { decision: name.to_owned(), expires_at: Time::from_ms(1_000) })
    }

    fn texts(parcel: &Parcel) -> Vec<&str> {
        parcel.notices.iter().map(|notice| notice.text.text()).collect()
    }

    fn all(outbox: &mut Outbox) -> Vec<Vec<String>> {
        let mut told = Vec::new();
        while let Some(parcel) = outbox.take(30, Time::EPOCH) {
            told.push(texts(&parcel).into_iter().map(str::to_owned).collect());
        }
        told
    }

    #[test]
    fn without_room_the_oldest_of_the_least_important_is_left_out_and_counted() {
        let mut outbox = Outbox::new(3);
        assert!(!outbox.put(notice(Kind::Decisions, "d1")));
        assert!(!outbox.put(notice(Kind::Fills, "f1")));
        assert!(!outbox.put(notice(Kind::Decisions, "d2")));
        assert!(outbox.put(notice(Kind::States, "s1")), "d1 gives way");
        assert!(outbox.put(notice(Kind::States, "s2")), "d2 gives way");
        assert!(outbox.put(notice(Kind::Decisions, "d3")), "it gives way itself");
        let parcel = outbox.take(1_000, Time::EPOCH).unwrap();
        assert_eq!((texts(&parcel), parcel.left_out), (vec!["s1", "s2"], 3));
        let parcel = outbox.take(1_000, Time::EPOCH).unwrap();
        assert_eq!((texts(&parcel), parcel.left_out), (vec!["f1"], 0));
        assert!(outbox.take(1_000, Time::EPOCH).is_none() && outbox.is_empty());
    }

    #[test]
    fn plain_ones_are_told_together_and_what_has_buttons_or_a_picture_alone() {
        let mut outbox = Outbox::new(20);
        for text in ["0123456789", "abcdefghij", "klmnopqrst"] {
            outbox.put(notice(Kind::Fills, text));
        }
        outbox.put(asks("X"));
        outbox.put(notice(Kind::States, "halted"));
        let told = all(&mut outbox);
        let expected: [&[&str]; 4] =
            [&["it"], &["halted"], &["0123456789", "abcdefghij"], &["klmnopqrst"]];
        assert_eq!(told, expected);
    }

    #[test]
    fn only_the_latest_summary_waits_and_what_is_decided_is_not_asked() {
        let mut outbox = Outbox::new(20);
        outbox.put(notice(Kind::Summary, "monday"));
        outbox.put(notice(Kind::Summary, "tuesday"));
        outbox.put(asks("X"));
        outbox.put(asks("Y"));
        outbox.put(about(Matter::Ends { decision: "X".to_owned(), by_person: true }));
        assert_eq!(outbox.len(), 3);
        let first = outbox.take(100, Time::EPOCH).unwrap();
        let asked = &first.notices[0].matter;
        assert!(matches!(asked, Matter::Asks { decision, .. } if decision == "Y"), "{asked:?}");
        assert!(outbox.take(100, Time::EPOCH).is_some());
        assert_eq!(texts(&outbox.take(100, Time::EPOCH).unwrap()), ["tuesday"]);
    }

    #[test]
    fn what_would_be_answered_too_late_is_not_asked() {
        let mut outbox = Outbox::new(20);
        outbox.put(asks("X"));
        assert_eq!(outbox.take(100, Time::from_ms(1_000)), None);
    }

    #[test]
    fn what_could_not_be_told_stands_first_again_unless_there_is_no_room() {
        let mut outbox = Outbox::new(2);
        outbox.put(notice(Kind::Fills, "1"));
        outbox.put(notice(Kind::Fills, "2"));
        let parcel = outbox.take(100, Time::EPOCH).unwrap();
        outbox.put(notice(Kind::Fills, "3"));
        outbox.put_back(parcel);
        let parcel = outbox.take(100, Time::EPOCH).unwrap();
        assert_eq!((texts(&parcel), parcel.left_out), (vec!["2", "3"], 1));
    }
}
