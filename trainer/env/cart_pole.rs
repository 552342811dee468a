//! CartPole-v1, step for step that of gymnasium (A. Barto, R. Sutton and C. Anderson, IEEE SMC 1983): the
//! world that every implementation of reinforcement learning is measured in.
//!
//! Semi-implicit it is not: positions move by the velocities before the step. An episode ends where the
//! cart is 2.4 from the middle or the pole 12 degrees from upright, and is cut off after 500 steps.

use crate::rng::{Draws, Stream};
use crate::vec_env::{BadState, Steps, VecEnv};

const GRAVITY: f64 = 9.8;
const POLE_MASS: f64 = 0.1;
const TOTAL_MASS: f64 = 1.0 + POLE_MASS;
/// Half of the pole.
const LENGTH: f64 = 0.5;
const POLE_MOMENT: f64 = POLE_MASS * LENGTH;
const FORCE: f64 = 10.0;
/// Seconds in a step.
const TAU: f64 = 0.02;
const FAR: f64 = 2.4;
/// Radians.
const STEEP: f64 = 12.0 * 2.0 * std::f64::consts::PI / 360.0;
/// Steps of an episode.
const LONGEST: u32 = 500;

/// Position, velocity, angle and angular velocity.
pub type State = [f64; 4];

/// Carts side by side.
#[derive(Clone, Debug, PartialEq)]
pub struct CartPole {
    draws: Draws,
    /// A column for each quantity of [`State`].
    columns: [Vec<f64>; 4],
    /// Steps taken in the present episode.
    taken: Vec<u32>,
    /// Episodes begun.
    episodes: Vec<u64>,
}

impl CartPole {
    /// So many carts, each near the middle with its pole near upright.
    pub fn new(envs: usize, seed: u64) -> Self {
        let columns = std::array::from_fn(|_| vec![0.0; envs]);
        let (taken, episodes) = (vec![0; envs], vec![0; envs]);
        let mut carts = Self { draws: Draws::new(seed), columns, taken, episodes };
        for env in 0..envs {
            carts.begin(env);
        }
        carts
    }

    /// Puts every cart into a state, at the beginning of its episode.
    pub fn put(&mut self, state: State) {
        for (column, value) in self.columns.iter_mut().zip(state) {
            column.fill(value);
        }
        self.taken.fill(0);
    }

    fn begin(&mut self, env: usize) {
        let lane = u32::try_from(env).unwrap_or(u32::MAX);
        let position = self.episodes[env];
        let low = self.draws.block(Stream::Environment, position, lane);
        for (column, bits) in self.columns.iter_mut().zip(low) {
            column[env] = f64::from(bits) * (0.1 / 4_294_967_296.0) - 0.05;
        }
        self.episodes[env] += 1;
        self.taken[env] = 0;
    }

    fn state(&self, env: usize) -> State {
        std::array::from_fn(|column| self.columns[column][env])
    }
}

/// The state a step later, in the order of operations of the original.
fn moved([x, speed, angle, turn]: State, action: u8) -> State {
    let force = if action == 1 { FORCE } else { -FORCE };
    let (sine, cosine) = (angle.sin(), angle.cos());
    let push = (force + POLE_MOMENT * (turn * turn) * sine) / TOTAL_MASS;
    let turning = (GRAVITY * sine - cosine * push)
        / (LENGTH * (4.0 / 3.0 - POLE_MASS * (cosine * cosine) / TOTAL_MASS));
    let speeding = push - POLE_MOMENT * turning * cosine / TOTAL_MASS;
    [x + TAU * speed, speed + TAU * speeding, angle + TAU * turn, turn + TAU * turning]
}

/// What the policy sees of a state.
fn seen(state: State) -> [f32; 4] {
    state.map(crate::count::narrow)
}

impl VecEnv for CartPole {
    type Key = State;

    fn envs(&self) -> usize {
        self.taken.len()
    }

    fn observation_len(&self) -> usize {
        4
    }

    fn actions(&self) -> usize {
        2
    }

    fn keys(&self, out: &mut [State]) {
        for (env, key) in out.iter_mut().enumerate() {
            *key = self.state(env);
        }
    }

    fn observe(&self, keys: &[State], out: &mut [f32]) {
        for (key, row) in keys.iter().zip(out.as_chunks_mut::<4>().0) {
            *row = seen(*key);
        }
    }

    fn step(&mut self, actions: &[u8], out: &mut Steps<State>) {
        for (env, action) in actions.iter().enumerate().take(self.envs()) {
            let state = moved(self.state(env), *action);
            self.taken[env] += 1;
            let over = !(state[0].abs() <= FAR && state[2].abs() <= STEEP);
            let cut = self.taken[env] >= LONGEST;
            out.rewards[env] = 1.0;
            out.terminated[env] = over;
            out.truncated[env] = cut;
            out.last[env] = state;
            if over || cut {
                self.begin(env);
            } else {
                for (column, value) in self.columns.iter_mut().zip(state) {
                    column[env] = value;
                }
            }
        }
    }

    fn save(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(8 + self.envs() * BYTES);
        bytes.extend_from_slice(&self.draws.seed().to_le_bytes());
        for env in 0..self.envs() {
            for value in self.state(env) {
                bytes.extend_from_slice(&value.to_bits().to_le_bytes());
            }
            bytes.extend_from_slice(&self.taken[env].to_le_bytes());
            bytes.extend_from_slice(&self.episodes[env].to_le_bytes());
        }
        bytes
    }

    fn restore(&mut self, bytes: &[u8]) -> Result<(), BadState> {
        let (found, wanted) = (bytes.len(), 8 + self.envs() * BYTES);
        let Some((seed, carts)) = bytes.split_first_chunk::<8>().filter(|_| found == wanted) else {
            return Err(BadState(format!("{found} bytes for {wanted}")));
        };
        let (rows, _) = carts.as_chunks::<BYTES>();
        self.draws = Draws::new(u64::from_le_bytes(*seed));
        for (env, row) in rows.iter().enumerate() {
            let word = |at: usize| u64::from(u32::from_le_bytes(row.as_chunks::<4>().0[at]));
            for (nth, column) in self.columns.iter_mut().enumerate() {
                column[env] = f64::from_bits(word(2 * nth) | (word(2 * nth + 1) << 32));
            }
            self.taken[env] = u32::try_from(word(8)).unwrap_or(u32::MAX);
            self.episodes[env] = word(9) | (word(10) << 32);
        }
        Ok(())
    }
}

/// What [`VecEnv::save`] writes of one cart.
const BYTES: usize = 4 * 8 + 4 + 8;

#[cfg(test)]
mod tests {
    use super::*;

    fn bits<'a>(words: &mut impl Iterator<Item = &'a str>) -> u64 {
        u64::from_str_radix(words.next().unwrap(), 16).unwrap()
    }

    /// Plays every episode of the traces; how many steps the longest that fell had, and how many were
    /// cut off.
    fn played(traces: &str) -> (u32, u32) {
        let mut lines = traces.lines();
        let (mut longest, mut cut) = (0, 0);
        while let Some(head) = lines.next() {
            let mut words = head.split(' ').skip(3);
            let steps: u32 = words.next().unwrap().parse().unwrap();
            let mut carts = CartPole::new(2, 1);
            carts.put(std::array::from_fn(|_| f64::from_bits(bits(&mut words))));
            let mut out = Steps::new(2);
            for step in 1..=steps {
                let line = lines.next().unwrap();
                let mut words = line.split(' ');
                let action: u8 = words.next().unwrap().parse().unwrap();
                carts.step(&[action; 2], &mut out);
                let mut shown = [0.0; 8];
                carts.observe(&out.last, &mut shown);
                for (at, value) in shown.iter().take(4).enumerate() {
                    let theirs = bits(&mut words);
                    assert_eq!(u64::from(value.to_bits()), theirs, "{head}, step {step}, {at}");
                }
                assert_eq!(shown[..4], shown[4..], "two carts in the same state");
                let reward: f32 = words.next().unwrap().parse().unwrap();
                assert_eq!(out.rewards, [reward; 2]);
                let end = words.next().unwrap();
                assert_eq!(out.terminated[0], end == "terminated", "{head}, step {step}");
                assert_eq!(out.truncated[0], end == "truncated", "{head}, step {step}");
            }
            cut += u32::from(out.truncated[0]);
            longest = longest.max(if out.terminated[0] { steps } else { 0 });
        }
        (longest, cut)
    }

    #[test]
    fn every_step_is_that_of_gymnasium_to_the_bit() {
        let (longest, cut) = played(include_str!("../testdata/cart_pole.txt"));
        assert!(longest > 200 && cut > 0, "the traces have long falls and cut-off episodes");
    }

    #[test]
    fn an_episode_begins_anew_in_the_step_that_ends_it_near_the_middle() {
        let mut carts = CartPole::new(3, 7);
        let mut out = Steps::new(3);
        let mut ended = 0;
        for _ in 0..200 {
            carts.step(&[0, 1, 1], &mut out);
            for env in 0..3 {
                if out.terminated[env] {
                    ended += 1;
                    assert!(out.last[env][0].abs() > FAR || out.last[env][2].abs() > STEEP);
                    assert!(carts.state(env).iter().all(|value| value.abs() <= 0.05));
                }
            }
        }
        assert!(ended > 30, "{ended}");
    }

    #[test]
    fn a_saved_state_goes_on_alike_and_a_damaged_one_is_refused() {
        let mut carts = CartPole::new(3, 7);
        let mut out = Steps::new(3);
        for _ in 0..30 {
            carts.step(&[0, 1, 0], &mut out);
        }
        let saved = carts.save();
        let mut other = CartPole::new(3, 7);
        other.restore(&saved).unwrap();
        assert_eq!(carts, other);
        for _ in 0..30 {
            carts.step(&[1, 1, 0], &mut out);
            other.step(&[1, 1, 0], &mut out);
        }
        assert_eq!(carts, other);
        assert!(other.restore(&saved[1..]).is_err() && other.restore(&[]).is_err());
        assert_eq!(carts, other, "a refused state changes nothing");
    }
}
