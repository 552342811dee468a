//! A world of random tables, in which one thing at a time can be broken.

use std::cell::Cell;

use crate::rng::{Draws, Stream};
use crate::vec_env::{BadState, Steps, VecEnv};

/// What is broken.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Fault {
    /// The observation of one step of environment 1.
    Observation { step: u64, value: f32 },
    /// Every observation from this call on, counted from 0.
    Call { call: u64, value: f32 },
    /// The reward of one step of environment 2.
    Reward { step: u64, value: f32 },
    /// Every reward from this step on.
    Rewards { step: u64, value: f32 },
}

/// Environments whose observations are rows of a table, and whose rewards depend on row and action.
#[derive(Clone, Debug)]
pub(super) struct Table {
    rows: Vec<f32>,
    width: usize,
    actions: usize,
    envs: usize,
    taken: u64,
    calls: Cell<u64>,
    pub(super) fault: Option<Fault>,
}

const ROWS: usize = 512;

impl Table {
    pub(super) fn new(envs: usize, width: usize, actions: usize) -> Self {
        let mut sequence = Draws::new(99).sequence(Stream::Environment, 0);
        let rows = (0..ROWS * width).map(|_| crate::count::narrow(sequence.normal())).collect();
        Self { rows, width, actions, envs, taken: 0, calls: Cell::new(0), fault: None }
    }
}

impl VecEnv for Table {
    /// The step and the environment.
    type Key = (u64, u32);

    fn envs(&self) -> usize {
        self.envs
    }

    fn observation_len(&self) -> usize {
        self.width
    }

    fn actions(&self) -> usize {
        self.actions
    }

    fn keys(&self, out: &mut [(u64, u32)]) {
        for (key, env) in out.iter_mut().zip(0..) {
            *key = (self.taken, env);
        }
    }

    fn observe(&self, keys: &[(u64, u32)], out: &mut [f32]) {
        for ((step, env), row) in keys.iter().zip(out.chunks_exact_mut(self.width)) {
            let at = usize::try_from(step * 31 + u64::from(*env) * 7).unwrap() % ROWS;
            row.copy_from_slice(&self.rows[at * self.width..(at + 1) * self.width]);
            match self.fault {
                Some(Fault::Observation { step: when, value }) if when == *step && *env == 1 => {
                    row[0] = value;
                }
                Some(Fault::Call { call, value }) if self.calls.get() >= call => row[0] = value,
                _ => {}
            }
        }
        self.calls.set(self.calls.get() + 1);
    }

    fn step(&mut self, actions: &[u8], out: &mut Steps<(u64, u32)>) {
        self.taken += 1;
        for (env, action) in actions.iter().enumerate() {
            let key = u32::try_from(env).unwrap();
            out.rewards[env] = f32::from(u8::from(usize::from(*action) == env % self.actions));
            out.truncated[env] = (self.taken + env as u64).is_multiple_of(10);
            out.terminated[env] = (self.taken + env as u64).is_multiple_of(17);
            out.last[env] = (self.taken, key);
            match self.fault {
                Some(Fault::Reward { step, value }) if step + 1 == self.taken && env == 2 => {
                    out.rewards[env] = value;
                }
                Some(Fault::Rewards { step, value }) if step < self.taken => {
                    out.rewards[env] = value;
                }
                _ => {}
            }
        }
    }

    fn save(&self) -> Vec<u8> {
        self.taken.to_le_bytes().to_vec()
    }

    fn restore(&mut self, bytes: &[u8]) -> Result<(), BadState> {
        let bytes = bytes.try_into().map_err(|_| BadState("not eight bytes".to_owned()))?;
        self.taken = u64::from_le_bytes(bytes);
        Ok(())
    }
}
