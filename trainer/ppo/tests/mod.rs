//! PPO as a whole: its gradient against an independent one, what it learns, what it never learns from,
//! and that it goes on where it stopped.

mod gradient;
mod learning;
mod poison;
mod resume;
mod world;
