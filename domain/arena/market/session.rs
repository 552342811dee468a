//! When each market trades, on its own clocks.

use jiff::civil::{DateTime, Weekday, time};

use super::MarketKind;
use crate::market::calendar::Calendar;

/// Whether a market trades at that moment; a market of days only asks for the day. `has_day` says
/// whether the data have a bar of the day: for Shanghai no table of holidays is shipped that could be
/// wrong.
pub(super) fn is_open(kind: MarketKind, at: DateTime, has_day: bool) -> bool {
    match kind {
        MarketKind::Us => Calendar::Xnys.is_session(at.date()),
        MarketKind::UsHourly => {
            let hours = Calendar::Xnys.open_close(at.date()).zip(kind.time_of(at));
            hours.is_some_and(|((open, close), now)| open <= now && now < close)
        }
        MarketKind::Cn => has_day && is_weekday(at),
        MarketKind::CnHourly => {
            let (now, at_hour) = (at.time(), |hour, minute| time(hour, minute, 0, 0));
            let is_morning = at_hour(9, 30) <= now && now <= at_hour(11, 30);
            let is_afternoon = at_hour(13, 0) <= now && now <= at_hour(15, 0);
            has_day && is_weekday(at) && (is_morning || is_afternoon)
        }
        MarketKind::Crypto => true,
    }
}

fn is_weekday(at: DateTime) -> bool {
    !matches!(at.date().weekday(), Weekday::Saturday | Weekday::Sunday)
}

/// The hours in a sentence.
pub(super) const fn text(kind: MarketKind) -> &'static str {
    match kind {
        MarketKind::Us => "On New York's trading days.",
        MarketKind::UsHourly => {
            "On New York's trading days from 09:30 until before 16:00, 13:00 where it closes early."
        }
        MarketKind::Cn => "On weekdays of which the data have a bar.",
        MarketKind::CnHourly => {
            "On weekdays of which the data have a bar, 09:30 to 11:30 and 13:00 to 15:00 in Shanghai."
        }
        MarketKind::Crypto => "At any time; a day is a day in UTC.",
    }
}
