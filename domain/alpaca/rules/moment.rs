//! Where the market of shares stands at a moment, as far as orders care.

use jiff::tz::TimeZone;

use crate::brief::trading::Session;
use crate::market::calendar::Calendar;
use crate::time::Time;

/// The minute of 19:00 in New York, from which orders for the next auctions are taken.
const BOOKS_OPEN_AGAIN: u16 = 19 * 60;
/// The minute of 09:28, from which the book of the opening is closed.
const OPENING_BOOK_CLOSES: u16 = 9 * 60 + 28;
/// How long before the close its book is closed, minutes.
const CLOSING_BOOK_BEFORE: u16 = 10;
/// The hour in which trading over night begins, and the one in which it ends.
const OVERNIGHT: (i8, i8) = (20, 4);

/// A part of the market's day.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SessionKind {
    /// Before the opening.
    Pre,
    /// The regular session.
    Regular,
    /// After the close.
    After,
    /// Between 20:00 and 04:00 before a session.
    Overnight,
    /// No trading.
    Closed,
}

/// A moment of the market of shares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moment {
    /// The part of the day.
    pub session: SessionKind,
    /// Minutes since midnight in New York.
    pub minute: u16,
    /// The minute at which today's session ends; `None` where there is none today.
    pub close_minute: Option<u16>,
}

impl Moment {
    /// Where the market stands at a time.
    pub fn at(time: Time) -> Self {
        let calendar = Calendar::Xnys;
        let day = calendar.session_date(time);
        // The zone is compiled in; without it New York's standard time is near enough.
        let zone = TimeZone::get("America/New_York")
            .unwrap_or_else(|_| TimeZone::fixed(jiff::tz::offset(-5)));
        let minute = |time: Time| {
            let local = zone.to_datetime(time.timestamp());
            u16::try_from(i32::from(local.hour()) * 60 + i32::from(local.minute())).unwrap_or(0)
        };
        let hour = zone.to_datetime(time.timestamp()).hour();
        let session = match calendar.session(time) {
            Session::Pre => SessionKind::Pre,
            Session::Regular => SessionKind::Regular,
            Session::After => SessionKind::After,
            Session::Closed | Session::CryptoOnly => {
                let (evening, morning) = OVERNIGHT;
                let before = if hour >= evening {
                    day.tomorrow().ok()
                } else {
                    (hour < morning).then_some(day)
                };
                if before.is_some_and(|day| calendar.is_session(day)) {
                    SessionKind::Overnight
                } else {
                    SessionKind::Closed
                }
            }
        };
        let close_minute = calendar.open_close(day).map(|(_, close)| minute(close));
        Self { session, minute: minute(time), close_minute }
    }

    /// Whether the book of today's opening is closed, and that of the next not yet open.
    pub const fn is_too_late_for_the_opening(self) -> bool {
        self.close_minute.is_some()
            && OPENING_BOOK_CLOSES <= self.minute
            && self.minute < BOOKS_OPEN_AGAIN
    }

    /// Whether the book of today's close is closed, and that of the next not yet open.
    pub const fn is_too_late_for_the_close(self) -> bool {
        match self.close_minute {
            Some(close) => {
                close.saturating_sub(CLOSING_BOOK_BEFORE) <= self.minute
                    && self.minute < BOOKS_OPEN_AGAIN
            }
            None => false,
        }
    }
}
