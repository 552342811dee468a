//! Pauses between two attempts: full jitter that draws on nothing but what is asked.
//!
//! The same question draws the same pauses in every run, and two agents that fail together draw
//! different ones.

use std::time::Duration;

use super::key::exchange_key;

/// The longest pause before the first repetition unless configured otherwise; each further one may be
/// twice as long.
pub const FIRST_MAX: Duration = Duration::from_millis(500);
/// The longest pause of all.
pub const PAUSE_MAX: Duration = Duration::from_secs(8);

/// What jitter is drawn from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Jitter(u64);

impl Jitter {
    /// The jitter of a question: the same for the same words.
    pub fn of(words: &[&str]) -> Self {
        let key = exchange_key(words);
        // Sixteen hexadecimal digits are 64 bits.
        let first = key.get(..16).and_then(|digits| u64::from_str_radix(digits, 16).ok());
        Self(first.unwrap_or(0))
    }

    /// The pause before the `nth` repetition, from 0: anything from nothing to the longest pause,
    /// which doubles with each.
    pub fn pause(self, nth: u32) -> Duration {
        self.pause_from(FIRST_MAX, nth)
    }

    /// The same where the longest pause before the first repetition is `first`.
    pub fn pause_from(self, first: Duration, nth: u32) -> Duration {
        let factor = 1_u32.checked_shl(nth).unwrap_or(u32::MAX);
        let longest = first.saturating_mul(factor).min(PAUSE_MAX.max(first));
        let longest = u64::try_from(longest.as_micros()).unwrap_or(u64::MAX);
        // The remainder's bias is a millionth of a pause.
        Duration::from_micros(mixed(self.0.wrapping_add(u64::from(nth))) % (longest + 1))
    }
}

/// The finaliser of splitmix64.
const fn mixed(seed: u64) -> u64 {
    let mut it = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    it = (it ^ (it >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    it = (it ^ (it >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    it ^ (it >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// D-1: the same question draws the same pauses.
    #[test]
    fn the_same_question_draws_the_same_pauses_and_another_draws_others() {
        let jitter = Jitter::of(&["AAPL-20130301T210005-entry", "3", "position_sizer"]);
        let again = Jitter::of(&["AAPL-20130301T210005-entry", "3", "position_sizer"]);
        let other = Jitter::of(&["AAPL-20130301T210005-entry", "3", "signal_analyst"]);
        assert_eq!(jitter, again);
        assert_ne!(jitter.pause(0), other.pause(0));
        assert_ne!(Jitter::of(&["ab", "c"]), Jitter::of(&["a", "bc"]));
    }

    #[test]
    fn pauses_grow_and_stay_below_the_longest() {
        let all = |nth: u32| -> Vec<Duration> {
            (0..200).map(|seed| Jitter(mixed(seed)).pause(nth)).collect()
        };
        for (nth, longest) in [(0, FIRST_MAX), (1, FIRST_MAX * 2), (9, PAUSE_MAX), (99, PAUSE_MAX)]
        {
            let pauses = all(nth);
            let (least, most) = (pauses.iter().min().unwrap(), pauses.iter().max().unwrap());
            assert!(*most <= longest && longest * 9 / 10 < *most, "{nth}: {most:?}");
            assert!(*least < longest / 10, "{nth}: {least:?}");
        }
    }

    #[test]
    fn a_longer_first_pause_is_kept_even_beyond_the_longest() {
        let drawn = |first: u64, nth| {
            let all = (0..200)
                .map(|seed| Jitter(mixed(seed)).pause_from(Duration::from_secs(first), nth));
            all.max().unwrap()
        };
        assert!((Duration::from_millis(1_900)..=Duration::from_secs(2)).contains(&drawn(1, 1)));
        assert!((Duration::from_secs(18)..=Duration::from_secs(20)).contains(&drawn(20, 3)));
        assert_eq!(drawn(0, 3), Duration::ZERO);
    }
}
