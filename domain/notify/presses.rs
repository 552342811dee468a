//! Buttons: what a press means is kept here, under a nonce that says nothing and counts once.
//!
//! # Invariants
//!
//! - O-1: a press is answered once: whoever presses again, later than it holds, or in another chat than
//!   the one that it was shown in, brings nothing about.

use std::collections::BTreeMap;

use crate::time::Time;

/// Buttons that may be open at one time; beyond that the one that would expire first is closed.
const OPEN_MAX: usize = 512;

/// What open buttons stand for.
#[derive(Clone, Debug)]
pub struct Presses<T> {
    open: BTreeMap<String, Open<T>>,
}

#[derive(Clone, Debug)]
struct Open<T> {
    item: T,
    chat: i64,
    expires_at: Time,
}

/// Why a press brings nothing about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Void {
    /// It was pressed before, is of another process, or never was.
    #[error("this button was used, or is of an earlier start; it does nothing")]
    Unknown,
    /// It is too old.
    #[error("this button has expired; it does nothing")]
    Expired,
    /// It was shown in another chat.
    #[error("this button is not of this chat; it does nothing")]
    Elsewhere,
}

impl<T> Default for Presses<T> {
    fn default() -> Self {
        Self { open: BTreeMap::new() }
    }
}

impl<T> Presses<T> {
    /// Opens a button in a chat until a time. `nonce` is fresh randomness.
    pub fn open(&mut self, nonce: String, item: T, chat: i64, expires_at: Time) {
        if self.open.len() >= OPEN_MAX {
            let first = self.open.iter().min_by_key(|(_, open)| open.expires_at);
            if let Some(first) = first.map(|(nonce, _)| nonce.clone()) {
                self.open.remove(&first);
            }
        }
        self.open.insert(nonce, Open { item, chat, expires_at });
    }

    /// What a press at `now` in `chat` means; from then on it means nothing.
    ///
    /// # Errors
    /// Why it brings nothing about. A press in another chat leaves the button as it was.
    pub fn take(&mut self, nonce: &str, chat: i64, now: Time) -> Result<T, Void> {
        let open = self.open.get(nonce).ok_or(Void::Unknown)?;
        if open.chat != chat {
            return Err(Void::Elsewhere);
        }
        let open = self.open.remove(nonce).ok_or(Void::Unknown)?;
        if open.expires_at <= now {
            return Err(Void::Expired);
        }
        Ok(open.item)
    }

    /// Closes every button of which `is_over`.
    pub fn close(&mut self, is_over: impl Fn(&T) -> bool) {
        self.open.retain(|_, open| !is_over(&open.item));
    }

    /// How many are open.
    pub fn len(&self) -> usize {
        self.open.len()
    }

    /// Whether none is open.
    pub fn is_empty(&self) -> bool {
        self.open.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const AT: Time = Time::from_ms(100);

    /// O-1: a press is answered once, in time, where it was shown.
    #[test]
    fn a_press_counts_once_in_its_chat_and_in_time() {
        let mut presses = Presses::default();
        presses.open("n".to_owned(), 7, 5, AT);
        assert_eq!(presses.take("x", 5, Time::EPOCH), Err(Void::Unknown));
        assert_eq!(presses.take("n", 6, Time::EPOCH), Err(Void::Elsewhere));
        assert_eq!(presses.take("n", 5, Time::EPOCH), Ok(7));
        assert_eq!(presses.take("n", 5, Time::EPOCH), Err(Void::Unknown), "replayed");
        presses.open("m".to_owned(), 8, 5, AT);
        assert_eq!(presses.take("m", 5, AT), Err(Void::Expired));
        assert_eq!(presses.take("m", 5, Time::EPOCH), Err(Void::Unknown), "not even earlier");
    }

    #[test]
    fn what_is_decided_elsewhere_closes_its_buttons_and_there_are_never_too_many() {
        let mut presses = Presses::default();
        presses.open("a".to_owned(), 1, 5, AT);
        presses.open("b".to_owned(), 2, 5, AT);
        presses.close(|item| *item == 1);
        assert_eq!(presses.take("a", 5, Time::EPOCH), Err(Void::Unknown));
        for nth in 0..600_i64 {
            presses.open(format!("{nth}"), 3, 5, Time::from_ms(1_000 + nth));
        }
        assert_eq!(presses.len(), OPEN_MAX);
        assert_eq!(presses.take("b", 5, Time::EPOCH), Err(Void::Unknown), "it expired first");
        assert_eq!(presses.take("599", 5, Time::EPOCH), Ok(3));
        assert!(!presses.is_empty());
    }
}
