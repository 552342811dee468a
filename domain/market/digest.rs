//! What is left of the bars that raised nothing: per session a count and a hash.

use blake3::Hasher;
use serde::Serialize;

use super::bar::Bar;
use crate::time::Time;

/// The bars of one session, in the order in which they were played.
#[derive(Clone, Debug, Default)]
pub struct SessionDigest {
    day: Option<i64>,
    count: u64,
    hash: Hasher,
    last: Time,
}

/// A session that is over.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct DigestBody {
    /// Its bars that raised nothing.
    pub bars: u64,
    /// BLAKE3 of them, in hexadecimal.
    pub blake3: String,
    /// When the last of them closed.
    #[serde(skip)]
    pub at: Time,
}

impl SessionDigest {
    /// A bar of the session that `bar` belongs to; the former session's digest if that one is over.
    /// A day is a date in UTC of the bars' opening.
    pub fn begin(&mut self, bar: &Bar) -> Option<DigestBody> {
        let day = bar.open_time.utc_day();
        if self.day.replace(day) == Some(day) { None } else { self.end() }
    }

    /// Takes a bar that raised nothing.
    pub fn take(&mut self, instrument: u16, bar: &Bar) {
        self.count += 1;
        self.last = bar.close_time;
        self.hash.update(&instrument.to_le_bytes());
        self.hash.update(bar.numbers().map(i64::to_le_bytes).as_flattened());
    }

    /// Ends the session; `None` when it had no such bar.
    pub fn end(&mut self) -> Option<DigestBody> {
        if self.count == 0 {
            return None;
        }
        let blake3 = self.hash.finalize().to_hex().to_string();
        let ended = DigestBody { bars: self.count, blake3, at: self.last };
        self.count = 0;
        self.hash.reset();
        Some(ended)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixed::{Price, Volume};

    fn bar(day: i64, close: i64) -> Bar {
        let price = Price::from_units(close).unwrap();
        let open_time = Time::from_ms(day * 86_400_000);
        let close_time = Time::from_ms(open_time.ms() + 1);
        let volume = Volume::ZERO;
        Bar { open_time, close_time, open: price, high: price, low: price, close: price, volume }
    }

    fn digests(bars: &[Bar]) -> Vec<DigestBody> {
        let mut digest = SessionDigest::default();
        let mut ended = Vec::new();
        for bar in bars {
            ended.extend(digest.begin(bar));
            digest.take(0, bar);
        }
        ended.extend(digest.end());
        ended
    }

    #[test]
    fn each_session_has_its_count_and_any_change_shows() {
        let whole = digests(&[bar(1, 10), bar(1, 11), bar(2, 12)]);
        assert_eq!(whole.iter().map(|ended| ended.bars).collect::<Vec<_>>(), [2, 1]);
        let changed = digests(&[bar(1, 10), bar(1, 12), bar(2, 12)]);
        assert_ne!(whole[0].blake3, changed[0].blake3);
        assert_eq!(whole[1].blake3, changed[1].blake3);
        assert_eq!(digests(&[]), []);
    }
}
