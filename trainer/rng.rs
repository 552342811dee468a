//! Random numbers by counter: each draw is a function of seed, stream, position and lane, so that nothing
//! has to be remembered but how far a run is, and a draw of one environment never moves another's.
//!
//! The function is Philox 4×32 with ten rounds (J. Salmon, M. Moraes, R. Dror and D. Shaw, "Parallel random
//! numbers: as easy as 1, 2, 3", SC 2011), checked against the values published with it.

/// What random numbers are drawn for; streams never share a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stream {
    /// Initial weights; the position counts tensors.
    Init,
    /// The policy's actions; position is the step, lane the environment.
    Action,
    /// The order of samples; the position counts epochs.
    Shuffle,
    /// Whatever an environment draws; position and lane are its own.
    Environment,
    /// Policies of a validation that act at random.
    Validation,
}

/// Every random number of one seed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Draws {
    key: [u32; 2],
}

impl Draws {
    /// The numbers of a seed.
    pub const fn new(seed: u64) -> Self {
        Self { key: halves(seed) }
    }

    /// The seed.
    pub const fn seed(self) -> u64 {
        (self.key[0] as u64) | ((self.key[1] as u64) << 32)
    }

    /// Four independent 32-bit numbers.
    #[inline]
    pub fn block(self, stream: Stream, position: u64, lane: u32) -> [u32; 4] {
        let [low, high] = halves(position);
        philox([low, high, lane, stream as u32], self.key)
    }

    /// A number between 0 and 1, neither of them: an odd multiple of 2^-24.
    #[inline]
    pub fn uniform(self, stream: Stream, position: u64, lane: u32) -> f32 {
        unit(self.block(stream, position, lane)[0])
    }

    /// Numbers one after another, for uses without a natural lane; `position` tells sequences apart.
    pub fn sequence(self, stream: Stream, position: u64) -> Sequence {
        Sequence { draws: self, stream, position, block: 0, used: 4, numbers: [0; 4] }
    }
}

/// A sequence of random numbers.
#[derive(Clone, Debug)]
pub struct Sequence {
    draws: Draws,
    stream: Stream,
    position: u64,
    block: u32,
    used: usize,
    numbers: [u32; 4],
}

impl Sequence {
    /// The next 32 bits.
    #[inline]
    pub fn bits(&mut self) -> u32 {
        if self.used == 4 {
            self.numbers = self.draws.block(self.stream, self.position, self.block);
            self.block = self.block.wrapping_add(1);
            self.used = 0;
        }
        let number = self.numbers[self.used];
        self.used += 1;
        number
    }

    /// A number between 0 and 1, neither of them: an odd multiple of 2^-24.
    #[inline]
    pub fn uniform(&mut self) -> f32 {
        unit(self.bits())
    }

    /// A number in [0, 1), a multiple of 2^-53.
    pub fn uniform_double(&mut self) -> f64 {
        let bits = (u64::from(self.bits()) << 32) | u64::from(self.bits());
        crate::count::double(bits >> 11) * (1.0 / 9_007_199_254_740_992.0)
    }

    /// A whole number below a bound; more likely than another by at most the bound / 2^32.
    #[inline]
    pub fn below(&mut self, bound: u32) -> u32 {
        // The upper half of the product is uniform below the bound.
        halves(u64::from(self.bits()) * u64::from(bound))[1]
    }

    /// A number of the normal distribution.
    pub fn normal(&mut self) -> f64 {
        // G. Box and M. Muller, 1958; 1 − u is never zero.
        let radius = (-2.0 * (1.0 - self.uniform_double()).ln()).sqrt();
        radius * (std::f64::consts::TAU * self.uniform_double()).cos()
    }

    /// Puts a slice into a random order.
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            let Ok(bound) = u32::try_from(last + 1) else { return };
            items.swap(last, self.below(bound) as usize);
        }
    }
}

#[expect(clippy::cast_possible_truncation, reason = "the halves are what is wanted")]
const fn halves(value: u64) -> [u32; 2] {
    [value as u32, (value >> 32) as u32]
}

#[expect(clippy::cast_precision_loss, reason = "24 bits are exact in a float")]
const fn unit(bits: u32) -> f32 {
    ((bits >> 9) * 2 + 1) as f32 * (1.0 / 16_777_216.0)
}

#[inline]
fn philox(mut counter: [u32; 4], mut key: [u32; 2]) -> [u32; 4] {
    for _ in 0..10 {
        let [low_0, high_0] = halves(u64::from(counter[0]) * 0xd251_1f53);
        let [low_1, high_1] = halves(u64::from(counter[2]) * 0xcd9e_8d57);
        counter = [high_1 ^ counter[1] ^ key[0], low_1, high_0 ^ counter[3] ^ key[1], low_0];
        key = [key[0].wrapping_add(0x9e37_79b9), key[1].wrapping_add(0xbb67_ae85)];
    }
    counter
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_numbers_are_those_that_were_published_with_the_function() {
        let zero = philox([0; 4], [0; 2]);
        assert_eq!(zero, [0x6627_e8d5, 0xe169_c58d, 0xbc57_ac4c, 0x9b00_dbd8]);
        let full = philox([u32::MAX; 4], [u32::MAX; 2]);
        assert_eq!(full, [0x408f_276d, 0x41c8_3b0e, 0xa20b_c7c6, 0x6d54_51fd]);
        let pi = [0x243f_6a88, 0x85a3_08d3, 0x1319_8a2e, 0x0370_7344];
        let pi = philox(pi, [0xa409_3822, 0x299f_31d0]);
        assert_eq!(pi, [0xd16c_fe09, 0x94fd_cceb, 0x5001_e420, 0x2412_6ea1]);
    }

    #[test]
    fn streams_positions_and_lanes_share_no_number() {
        let draws = Draws::new(7);
        let mut seen = std::collections::BTreeSet::new();
        for stream in [Stream::Init, Stream::Action, Stream::Shuffle, Stream::Environment] {
            for position in [0, 1, 1 << 33] {
                for lane in 0..4 {
                    seen.insert(draws.block(stream, position, lane));
                }
            }
        }
        assert_eq!(seen.len(), 48);
        assert_ne!(Draws::new(8).block(Stream::Init, 0, 0), draws.block(Stream::Init, 0, 0));
    }

    #[test]
    fn uniform_and_normal_numbers_have_the_moments_of_their_distribution() {
        let mut sequence = Draws::new(3).sequence(Stream::Environment, 0);
        let count = 100_000;
        let (mut sum, mut squares, mut normal, mut normal_squares) = (0.0, 0.0, 0.0, 0.0);
        for _ in 0..count {
            let u = f64::from(sequence.uniform());
            assert!(u > 0.0 && u < 1.0);
            let n = sequence.normal();
            sum += u;
            squares += u * u;
            normal += n;
            normal_squares += n * n;
        }
        let count = f64::from(count);
        assert!((sum / count - 0.5).abs() < 0.005, "{}", sum / count);
        assert!((squares / count - 1.0 / 3.0).abs() < 0.005);
        assert!((normal / count).abs() < 0.02 && (normal_squares / count - 1.0).abs() < 0.02);
    }

    #[test]
    fn a_shuffle_keeps_every_item_and_puts_each_everywhere() {
        let mut places = [[0_u32; 5]; 5];
        for position in 0..5_000 {
            let mut items = [0, 1, 2, 3, 4];
            Draws::new(1).sequence(Stream::Shuffle, position).shuffle(&mut items);
            for (place, item) in items.into_iter().enumerate() {
                places[item][place] += 1;
            }
        }
        assert!(places.iter().flatten().all(|count| (800..1_200).contains(count)), "{places:?}");
    }
}
