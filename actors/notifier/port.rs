//! How the notifier reaches the world.

use std::fmt;
use std::pin::Pin;
use std::time::Duration;

use conclave_domain::notify::outbox::Parcel;

/// The way of a parcel.
pub type Delivery = Pin<Box<dyn Future<Output = Result<(), Undelivered>> + Send>>;

/// Somebody who carries notices to people: a chat, a channel, a hook.
pub trait Courier: fmt::Debug + Send + Sync {
    /// The way's name in logs and metrics.
    fn name(&self) -> &'static str;

    /// UTF-16 units that one message holds: plain notices are gathered up to that.
    fn room(&self) -> usize;

    /// Carries one parcel. What is dropped on the way may or may not have arrived.
    fn deliver(&self, parcel: Parcel) -> Delivery;
}

/// Why a parcel did not arrive. No text holds a secret.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Undelivered {
    /// It may arrive later.
    #[error("not now: {why}")]
    Later {
        /// How long the other side asked to be left alone, if it did.
        after: Option<Duration>,
        /// What happened.
        why: String,
    },
    /// It never will.
    #[error("never: {why}")]
    Never {
        /// What happened.
        why: String,
    },
}
