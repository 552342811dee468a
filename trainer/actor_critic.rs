//! The two networks together: what acts, and what says how good a state is.

use crate::init;
use crate::layout::Layout;
use crate::net::{Tape, backward, forward};

/// Actor and critic: a layout and the parameters that fill it.
#[derive(Clone, Debug, PartialEq)]
pub struct ActorCritic {
    pub(crate) layout: Layout,
    pub(crate) parameters: Vec<f32>,
}

/// Room for so many rows in both networks; asked many times, it allocates once.
#[derive(Clone, Debug)]
pub struct Room {
    actor: Tape,
    critic: Tape,
}

impl Room {
    /// How many rows fit.
    pub const fn rows(&self) -> usize {
        self.actor.rows()
    }
}

impl ActorCritic {
    /// Fresh networks of a seed.
    pub fn new(layout: Layout, seed: u64) -> Self {
        let parameters = init::parameters(&layout, seed);
        Self { layout, parameters }
    }

    /// Where each tensor lies.
    pub const fn layout(&self) -> &Layout {
        &self.layout
    }

    /// All parameters, as the layout says.
    pub fn parameters(&self) -> &[f32] {
        &self.parameters
    }

    /// BLAKE3 over the bits of the parameters, each as four bytes, the lowest first.
    pub fn fingerprint(&self) -> [u8; 32] {
        fingerprint(&self.parameters)
    }

    /// Room for so many rows.
    pub fn room(&self, rows: usize) -> Room {
        let actor = Tape::new(&self.layout.actor, rows);
        Room { actor, critic: Tape::new(&self.layout.critic, rows) }
    }

    /// Logits of the actions, row by row, for so many rows of normalised observations.
    ///
    /// # Panics
    /// Where the rows do not fit the room, or `observations` is not that many rows.
    pub fn logits<'a>(&self, observations: &[f32], rows: usize, room: &'a mut Room) -> &'a [f32] {
        forward(&self.layout.actor, &self.parameters, observations, rows, &mut room.actor)
    }

    /// The value of each row.
    ///
    /// # Panics
    /// As [`ActorCritic::logits`].
    pub fn values<'a>(&self, observations: &[f32], rows: usize, room: &'a mut Room) -> &'a [f32] {
        forward(&self.layout.critic, &self.parameters, observations, rows, &mut room.critic)
    }

    /// Forward and backward through the actor: `loss` is given the logits and fills what flows back.
    pub(crate) fn learn_actor(
        &self,
        (observations, rows): (&[f32], usize),
        room: &mut Room,
        gradient: &mut [f32],
        loss: impl FnOnce(&[f32], &mut [f32]),
    ) {
        let (layers, tape) = (&self.layout.actor, &mut room.actor);
        learn(layers, &self.parameters, (observations, rows), tape, gradient, loss);
    }

    /// The same through the critic, whose output is the value.
    pub(crate) fn learn_critic(
        &self,
        (observations, rows): (&[f32], usize),
        room: &mut Room,
        gradient: &mut [f32],
        loss: impl FnOnce(&[f32], &mut [f32]),
    ) {
        let (layers, tape) = (&self.layout.critic, &mut room.critic);
        learn(layers, &self.parameters, (observations, rows), tape, gradient, loss);
    }
}

/// BLAKE3 over the bits of parameters, each as four bytes, the lowest first.
pub(crate) fn fingerprint(parameters: &[f32]) -> [u8; 32] {
    let mut hasher = blake3::Hasher::new();
    for parameter in parameters {
        hasher.update(&parameter.to_bits().to_le_bytes());
    }
    *hasher.finalize().as_bytes()
}

fn learn(
    layers: &[crate::layout::Dense],
    parameters: &[f32],
    (observations, rows): (&[f32], usize),
    tape: &mut Tape,
    gradient: &mut [f32],
    loss: impl FnOnce(&[f32], &mut [f32]),
) {
    forward(layers, parameters, observations, rows, tape);
    let (output, flow) = tape.output_and_flow(rows);
    loss(output, flow);
    backward(layers, parameters, observations, rows, tape, gradient);
}
