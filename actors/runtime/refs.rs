//! Handles that survive a restart, and mailboxes that say when they are full.
//!
//! ractor's mailboxes are unbounded and its refs die with their actor. A [`StableRef`] follows its
//! actor from one incarnation to the next; [`Permits`] bound what is in flight, since a permit
//! travels in every message and comes back when the work is done, whatever becomes of the actor.

use std::fmt;
use std::sync::Arc;

use ractor::{ActorId, ActorRef, Message, MessagingErr};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};

/// Where an actor is in its lives.
#[derive(Debug)]
enum Life<M> {
    /// Not yet there, or between two lives.
    Absent,
    /// Alive, as far as is known.
    Alive(ActorRef<M>),
    /// Its supervisor has given it up.
    Gone,
}

/// The actor will not come back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the actor is gone and will not come back")]
pub struct GivenUp;

/// A handle that follows its actor from one life to the next. Cheap to clone.
pub struct StableRef<M>(watch::Receiver<Life<M>>);

impl<M> Clone for StableRef<M> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<M> fmt::Debug for StableRef<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "StableRef({})", self.0.borrow().state())
    }
}

impl<M> Life<M> {
    fn state(&self) -> String {
        match self {
            Self::Absent => "absent".to_owned(),
            Self::Alive(actor) => format!("alive as {}", actor.get_id()),
            Self::Gone => "gone".to_owned(),
        }
    }
}

/// The supervisor's end of a [`StableRef`].
#[derive(Debug)]
pub struct Publisher<M>(watch::Sender<Life<M>>);

/// A handle and the supervisor's end of it.
pub fn stable<M>() -> (Publisher<M>, StableRef<M>) {
    let (sender, receiver) = watch::channel(Life::Absent);
    (Publisher(sender), StableRef(receiver))
}

impl<M> Publisher<M> {
    /// A new life has begun.
    pub fn alive(&self, actor: ActorRef<M>) {
        self.0.send_replace(Life::Alive(actor));
    }

    /// A life has ended; another will begin.
    pub fn absent(&self) {
        self.0.send_replace(Life::Absent);
    }

    /// No other life will begin.
    pub fn gone(&self) {
        self.0.send_replace(Life::Gone);
    }
}

impl<M: Message> StableRef<M> {
    /// The actor as it is now, if it is there.
    pub fn get(&self) -> Option<ActorRef<M>> {
        match &*self.0.borrow() {
            Life::Alive(actor) => Some(actor.clone()),
            Life::Absent | Life::Gone => None,
        }
    }

    /// The actor, once it is in another life than `former`.
    ///
    /// # Errors
    /// When it will not come back.
    pub async fn another_life(mut self, former: Option<ActorId>) -> Result<ActorRef<M>, GivenUp> {
        loop {
            match &*self.0.borrow_and_update() {
                Life::Alive(actor) if Some(actor.get_id()) != former => return Ok(actor.clone()),
                Life::Gone => return Err(GivenUp),
                Life::Alive(_) | Life::Absent => {}
            }
            self.0.changed().await.map_err(|_| GivenUp)?;
        }
    }

    /// Sends a message to the actor as it is now. A message that the actor takes and then loses with
    /// its mailbox is dropped there: what must be known to have arrived carries a reply.
    ///
    /// # Errors
    /// The message, when nobody is there to take it.
    pub fn cast(&self, message: M) -> Result<(), M> {
        match self.get() {
            Some(actor) => cast(&actor, message),
            None => Err(message),
        }
    }
}

/// Sends a message to one life of an actor.
///
/// # Errors
/// The message, when that life is over.
pub fn cast<M: Message>(actor: &ActorRef<M>, message: M) -> Result<(), M> {
    match actor.cast(message) {
        Err(MessagingErr::SendErr(message)) => Err(message),
        // The other errors are those of remote and untyped refs, which there are none of.
        Ok(()) | Err(_) => Ok(()),
    }
}

/// How much an actor may have in its mailbox and in work, and a gauge of it.
#[derive(Clone, Debug)]
pub struct Permits {
    semaphore: Arc<Semaphore>,
    capacity: usize,
    gauge: Arc<str>,
}

/// The actor has as much in flight as it may.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("as much is in flight as may be")]
pub struct Busy;

/// One permit, travelling with one message; it comes back when this is dropped.
#[derive(Debug)]
pub struct Slot {
    _permit: OwnedSemaphorePermit,
    gauge: Arc<str>,
}

impl Permits {
    /// `capacity` messages in flight, shown as `conclave_mailbox_depth{actor}`.
    pub fn new(actor: &str, capacity: usize) -> Self {
        let semaphore = Arc::new(Semaphore::new(capacity.min(Semaphore::MAX_PERMITS)));
        depth(actor).set(0.0);
        Self { semaphore, capacity, gauge: actor.into() }
    }

    /// A permit, at once or not at all.
    ///
    /// # Errors
    /// When all are out.
    pub fn take(&self) -> Result<Slot, Busy> {
        let permit = Arc::clone(&self.semaphore).try_acquire_owned().map_err(|_| Busy)?;
        depth(&self.gauge).increment(1.0);
        Ok(Slot { _permit: permit, gauge: Arc::clone(&self.gauge) })
    }

    /// How many are out.
    pub fn depth(&self) -> usize {
        self.capacity.saturating_sub(self.semaphore.available_permits())
    }

    /// How many there are.
    pub const fn capacity(&self) -> usize {
        self.capacity
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        depth(&self.gauge).decrement(1.0);
    }
}

fn depth(actor: &str) -> metrics::Gauge {
    metrics::gauge!("conclave_mailbox_depth", "actor" => actor.to_owned())
}

/// A bounded mailbox: a stable handle and its permits. Cheap to clone.
#[derive(Debug)]
pub struct BoundedRef<M> {
    actor: StableRef<Mail<M>>,
    permits: Permits,
}

impl<M> Clone for BoundedRef<M> {
    fn clone(&self) -> Self {
        Self { actor: self.actor.clone(), permits: self.permits.clone() }
    }
}

/// A message with its permit.
#[derive(Debug)]
pub struct Mail<M> {
    /// What is said.
    pub message: M,
    /// Keeps its place in flight until it is dropped.
    pub slot: Slot,
}

impl<M: Send + 'static> BoundedRef<M> {
    /// A handle over permits.
    pub const fn new(actor: StableRef<Mail<M>>, permits: Permits) -> Self {
        Self { actor, permits }
    }

    /// The handle underneath.
    pub const fn stable(&self) -> &StableRef<Mail<M>> {
        &self.actor
    }

    /// What is in flight.
    pub const fn permits(&self) -> &Permits {
        &self.permits
    }

    /// Sends to the actor as it is now, at once or not at all.
    ///
    /// # Errors
    /// The message with the reason: [`Refused::Busy`] before anything else.
    pub fn try_send(&self, message: M) -> Result<ActorId, Refused<M>> {
        let Ok(slot) = self.permits.take() else { return Err(Refused::Busy(message)) };
        let Some(actor) = self.actor.get() else { return Err(Refused::Absent(message, None)) };
        let life = actor.get_id();
        match cast(&actor, Mail { message, slot }) {
            Ok(()) => Ok(life),
            Err(mail) => Err(Refused::Absent(mail.message, Some(life))),
        }
    }
}

/// A message that was not taken.
#[derive(Debug)]
pub enum Refused<M> {
    /// The actor has as much in flight as it may.
    Busy(M),
    /// The actor is not there at present; the life that was asked, if there was one.
    Absent(M, Option<ActorId>),
}
