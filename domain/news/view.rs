//! What a brief is told of the news: whole numbers and words of ours, never a text.
//!
//! # Invariants
//!
//! - L-1: nothing with `known_at` after the as-of time reaches a brief.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::reading::{EventKind, Reading, Sentiment};
use crate::time::Time;

/// How far back a brief looks: over a long weekend.
pub const WINDOW: Duration = Duration::from_hours(96);
/// The newest items of a window that are looked at: a flood drowns nothing but itself.
pub const ITEMS_MAX: usize = 40;

/// The news about one symbol, as the agents see them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, try_from = "RawView")]
pub struct NewsView {
    /// Items of the last four days that were read.
    pub items: u32,
    /// Items that could not be read: what they say is unknown.
    pub unread: u32,
    /// Mean by relevance of what they mean for the price, −2 to 2, rounded down. Good news that are
    /// suspected count for nothing, bad ones count.
    pub sentiment: i8,
    /// The largest relevance of an item, 0 to 3.
    pub relevance: u8,
    /// What the newest item tells of; `None` when it could not be read.
    pub newest: Option<EventKind>,
    /// Age of the newest item, whole hours.
    pub newest_age_hours: u32,
    /// Items that seem to talk to their reader.
    pub suspected: u32,
}

/// A view before its ranges were looked at.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawView {
    items: u32,
    unread: u32,
    sentiment: i8,
    relevance: u8,
    newest: Option<EventKind>,
    newest_age_hours: u32,
    suspected: u32,
}

/// A view whose figures cannot be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the news have sentiment {sentiment} and relevance {relevance}: -2 to 2 and 0 to 3 there are"
)]
pub struct ViewError {
    sentiment: i8,
    relevance: u8,
}

impl TryFrom<RawView> for NewsView {
    type Error = ViewError;

    fn try_from(raw: RawView) -> Result<Self, ViewError> {
        let RawView { items, unread, sentiment, relevance, newest, newest_age_hours, suspected } =
            raw;
        if !(-2..=2).contains(&sentiment) || relevance > 3 {
            return Err(ViewError { sentiment, relevance });
        }
        Ok(Self { items, unread, sentiment, relevance, newest, newest_age_hours, suspected })
    }
}

/// One item as a view takes it: when it was known, and what was read, if it could be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seen {
    /// When it was known.
    pub known_at: Time,
    /// What was read.
    pub reading: Option<Reading>,
}

/// Whether an item known then is looked at by a brief of that time.
pub fn is_in_window(known_at: Time, as_of: Time) -> bool {
    known_at <= as_of && as_of.since(known_at) <= WINDOW
}

impl NewsView {
    /// What the items come to at a time; `None` without an item in the window.
    pub fn of(seen: impl IntoIterator<Item = Seen>, as_of: Time) -> Option<Self> {
        let mut window: Vec<Seen> =
            seen.into_iter().filter(|item| is_in_window(item.known_at, as_of)).collect();
        window.sort_by_key(|item| item.known_at);
        let window = &window[window.len().saturating_sub(ITEMS_MAX)..];
        let newest = window.last()?;
        let read = || window.iter().filter_map(|item| item.reading);
        let count = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
        let age_hours = as_of.since(newest.known_at).as_secs() / 3_600;
        Some(Self {
            items: count(read().count()),
            unread: count(window.iter().filter(|item| item.reading.is_none()).count()),
            sentiment: mean(read()).number(),
            relevance: read().map(|reading| reading.relevance.number()).max().unwrap_or(0),
            newest: newest.reading.map(|reading| reading.event),
            newest_age_hours: u32::try_from(age_hours).unwrap_or(u32::MAX),
            suspected: count(read().filter(|reading| reading.injection_suspected).count()),
        })
    }
}

/// The mean by relevance, rounded to the nearest whole number and down from halves.
///
/// A suspected item without blame counts for nothing. It thins out the praise of the others but not
/// their blame, so that suspecting an item, or adding such a one, never raises the mean.
fn mean(read: impl Iterator<Item = Reading>) -> Sentiment {
    let (mut sum, mut weight, mut silenced) = (0_i64, 0_i64, 0_i64);
    for reading in read {
        let relevance = i64::from(reading.relevance.number());
        if reading.injection_suspected && reading.sentiment >= Sentiment::Neutral {
            silenced += relevance;
        } else {
            sum += relevance * i64::from(reading.sentiment.number());
            weight += relevance;
        }
    }
    let weight = if sum > 0 { weight + silenced } else { weight };
    if weight == 0 {
        return Sentiment::Neutral;
    }
    // The smallest whole number that is not below the mean less one half.
    Sentiment::of(-(weight - 2 * sum).div_euclid(2 * weight))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::reading::Relevance;
    use super::*;

    const HOUR: Duration = Duration::from_hours(1);

    fn reading(sentiment: i64, relevance: i64, injection_suspected: bool) -> Reading {
        Reading {
            sentiment: Sentiment::of(sentiment),
            relevance: Relevance::of(relevance),
            event: EventKind::Other,
            injection_suspected,
        }
    }

    fn seen(hours_ago: u32, reading: Reading) -> Seen {
        Seen { known_at: now() - HOUR * hours_ago, reading: Some(reading) }
    }

    fn now() -> Time {
        crate::testing::now()
    }

    /// L-1: an item known a moment after the as-of time is not in the view.
    #[test]
    fn a_view_knows_nothing_later_than_its_as_of_time_and_nothing_old() {
        let at = |ms: i64| Seen {
            known_at: Time::from_ms(now().ms() + ms),
            reading: Some(reading(2, 3, false)),
        };
        let window_ms = i64::try_from(WINDOW.as_millis()).unwrap();
        for (ms, is_seen) in [(1, false), (0, true), (-window_ms, true), (-window_ms - 1, false)] {
            assert_eq!(NewsView::of([at(ms)], now()).is_some(), is_seen, "{ms}");
        }
        assert_eq!(NewsView::of([], now()), None);
    }

    #[test]
    fn the_mean_goes_by_relevance_and_is_rounded_down() {
        for (items, expected) in [
            (vec![(2, 3), (-1, 1)], 1),  // 5 ÷ 4
            (vec![(1, 1), (0, 1)], 0),   // one half
            (vec![(-1, 1), (0, 1)], -1), // minus one half
            (vec![(2, 1), (1, 1)], 1),   // three halves
            (vec![(-2, 3), (-2, 3)], -2),
            (vec![(2, 0)], 0), // nothing that matters
        ] {
            let items = items.iter().map(|&(mood, weight)| seen(1, reading(mood, weight, false)));
            assert_eq!(NewsView::of(items, now()).unwrap().sentiment, expected);
        }
    }

    #[test]
    fn a_flood_pushes_out_old_items_only_and_the_newest_is_named() {
        let bad = seen(50, Reading { event: EventKind::Legal, ..reading(-2, 3, false) });
        let flood = (0..200).map(|_| seen(2, reading(2, 3, false)));
        let view = NewsView::of(flood.chain([bad]), now()).unwrap();
        assert_eq!((view.items, view.sentiment), (u32::try_from(ITEMS_MAX).unwrap(), 2));
        assert_eq!((view.newest, view.newest_age_hours), (Some(EventKind::Other), 2));
        let unread = Seen { known_at: now(), reading: None };
        let view = NewsView::of([bad, unread], now()).unwrap();
        assert_eq!((view.items, view.unread, view.newest), (1, 1, None));
    }

    #[test]
    fn a_view_from_outside_has_its_ranges_checked() {
        let view = NewsView::of([seen(1, reading(1, 2, true))], now()).unwrap();
        let text = serde_json::to_string(&view).unwrap();
        assert_eq!(serde_json::from_str::<NewsView>(&text).unwrap(), view);
        for (from, to) in [
            ("\"sentiment\":0", "\"sentiment\":3"),
            ("\"relevance\":2", "\"relevance\":4"),
            ("{", "{\"headline\":\"x\","),
        ] {
            assert!(text.contains(from), "{text}");
            assert!(serde_json::from_str::<NewsView>(&text.replacen(from, to, 1)).is_err(), "{to}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(256))]

        /// Suspicion lowers and never raises, whatever else is in the window.
        #[test]
        fn suspecting_or_adding_a_suspected_item_never_raises_the_sentiment(
            items in proptest::collection::vec((-2_i64..=2, 0_i64..=3, any::<bool>()), 1..30),
            which in any::<proptest::sample::Index>(),
        ) {
            let view = |items: &[(i64, i64, bool)]| {
                let seen = items.iter().map(|&(mood, weight, is)| seen(1, reading(mood, weight, is)));
                NewsView::of(seen, now()).map_or(0, |view| view.sentiment)
            };
            let which = which.index(items.len());
            let mut suspected = items.clone();
            suspected[which].2 = true;
            let mut absent = items.clone();
            absent.remove(which);
            let after = view(&suspected);
            prop_assert!(after <= view(&items), "suspected: {items:?}");
            let is_blame = items[which].0 < 0;
            prop_assert!(is_blame || after <= view(&absent), "added: {items:?}");
            prop_assert!((-2..=2).contains(&after));
        }
    }
}
