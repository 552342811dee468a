//! Six worlds so small that the right answer is known: each finds one kind of mistake in a trainer.

use crate::rng::{Draws, Stream};
use crate::vec_env::{BadState, Steps, VecEnv};

/// What is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Question {
    /// One step, one state, reward 1: does the value learn a constant?
    Constant,
    /// One step, two states, the reward is the state: does the value see the observation?
    State,
    /// Two steps, reward 1 at the end: is the value discounted, and does it reach back?
    Late,
    /// One step, reward ±1 by the action: does the policy improve?
    Action,
    /// One step, two states, +1 where the action fits the state: does the policy see the observation?
    Fit,
    /// Reward 1 for ever, cut off every eight steps: is a cut-off episode valued by its future?
    CutOff,
}

/// Environments that ask one question.
#[derive(Clone, Debug)]
pub(crate) struct Probe {
    question: Question,
    draws: Draws,
    /// What is seen now.
    seen: Vec<f32>,
    /// Steps taken in the episode.
    taken: Vec<u32>,
    drawn: u64,
}

impl Probe {
    pub(crate) fn new(question: Question, envs: usize, seed: u64) -> Self {
        let draws = Draws::new(seed);
        let mut probe =
            Self { question, draws, seen: vec![0.0; envs], taken: vec![0; envs], drawn: 0 };
        for env in 0..envs {
            probe.begin(env);
        }
        probe
    }

    fn begin(&mut self, env: usize) {
        self.taken[env] = 0;
        self.seen[env] = 0.0;
        if matches!(self.question, Question::State | Question::Fit) {
            let u = self.draws.uniform(Stream::Environment, self.drawn, 0);
            self.seen[env] = if u < 0.5 { -1.0 } else { 1.0 };
            self.drawn += 1;
        }
    }
}

impl VecEnv for Probe {
    type Key = f32;

    fn envs(&self) -> usize {
        self.seen.len()
    }

    fn observation_len(&self) -> usize {
        1
    }

    fn actions(&self) -> usize {
        2
    }

    fn keys(&self, out: &mut [f32]) {
        out.copy_from_slice(&self.seen);
    }

    fn observe(&self, keys: &[f32], out: &mut [f32]) {
        out.copy_from_slice(keys);
    }

    fn step(&mut self, actions: &[u8], out: &mut Steps<f32>) {
        for (env, action) in actions.iter().enumerate() {
            let seen = self.seen[env];
            let sign = if *action == 1 { 1.0 } else { -1.0 };
            self.taken[env] += 1;
            let taken = self.taken[env];
            out.truncated[env] = self.question == Question::CutOff && taken == 8;
            out.terminated[env] = match self.question {
                Question::CutOff => false,
                Question::Late => taken == 2,
                _ => true,
            };
            out.rewards[env] = match self.question {
                Question::Constant | Question::CutOff => 1.0,
                Question::State => seen,
                Question::Late => f32::from(u8::from(taken == 2)),
                Question::Action => sign,
                Question::Fit => sign * seen,
            };
            if self.question == Question::Late {
                self.seen[env] = 1.0;
            }
            out.last[env] = self.seen[env];
            if out.terminated[env] || out.truncated[env] {
                self.begin(env);
            }
        }
    }

    fn save(&self) -> Vec<u8> {
        let mut bytes = self.drawn.to_le_bytes().to_vec();
        for (seen, taken) in self.seen.iter().zip(&self.taken) {
            bytes.extend_from_slice(&seen.to_bits().to_le_bytes());
            bytes.extend_from_slice(&taken.to_le_bytes());
        }
        bytes
    }

    fn restore(&mut self, bytes: &[u8]) -> Result<(), BadState> {
        let (words, rest) = bytes.as_chunks::<4>();
        if words.len() != 2 + 2 * self.seen.len() || !rest.is_empty() {
            return Err(BadState(format!("{} bytes", bytes.len())));
        }
        let word = |at: usize| u32::from_le_bytes(words[at]);
        self.drawn = u64::from(word(0)) | (u64::from(word(1)) << 32);
        for env in 0..self.seen.len() {
            self.seen[env] = f32::from_bits(word(2 + 2 * env));
            self.taken[env] = word(3 + 2 * env);
        }
        Ok(())
    }
}
