//! The fence: what the order path reads immediately before every effect.
//!
//! # Invariants
//!
//! - O-3: after HALTED no entry leaves: the halt is an atomic that is read at the effect, so that no
//!   message can be too late to stop it.
//!
//! An epoch is the sum of two counters that only rise: one for everything, raised by a halt, and one
//! of 64 lanes, raised by a veto. A clearance of an older epoch does not leave. Lanes keep the veto
//! of one symbol from voiding what was cleared for another at the same moment; two symbols that
//! share a lane only make the fence stricter.
//!
//! The fence is closed while no safety actor lives, and while the flag file says so: a halt must
//! work even if the process hangs.

use std::fmt;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};

use conclave_domain::clearance::Gate;
use conclave_domain::time::Time;
use tokio::sync::watch;

const LANES: usize = 64;

/// Whether a person has stopped trading from outside the process: the flag file on the order path.
/// Called before every effect; must be quick and answer `true` when it does not know.
pub type StopFlag = Box<dyn Fn() -> bool + Send + Sync>;

/// Shared by everything that decides and everything that acts. One per process.
pub struct Fence {
    all: AtomicU64,
    lanes: [AtomicU64; LANES],
    halted: AtomicBool,
    hurried: AtomicBool,
    guards: AtomicUsize,
    stop_flag: StopFlag,
    changes: watch::Sender<u64>,
}

impl fmt::Debug for Fence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Fence")
            .field("all", &self.all)
            .field("halted", &self.is_halted())
            .finish_non_exhaustive()
    }
}

/// Kept by the safety actor: the fence is closed when the last one is dropped.
#[derive(Debug)]
pub struct Guard(Arc<Fence>);

impl Drop for Guard {
    fn drop(&mut self) {
        self.0.guards.fetch_sub(1, Ordering::SeqCst);
        self.0.raise();
    }
}

impl Fence {
    /// Closed until a safety actor takes a [`Guard`].
    pub fn new(stop_flag: StopFlag) -> Arc<Self> {
        Arc::new(Self {
            all: AtomicU64::new(0),
            lanes: [const { AtomicU64::new(0) }; LANES],
            halted: AtomicBool::new(false),
            hurried: AtomicBool::new(false),
            guards: AtomicUsize::new(0),
            stop_flag,
            changes: watch::Sender::new(0),
        })
    }

    /// A fence that no flag file can close: for simulated money and tests.
    pub fn without_flag() -> Arc<Self> {
        Self::new(Box::new(|| false))
    }

    /// Opens the fence for as long as the guard lives.
    pub fn guard(self: &Arc<Self>) -> Guard {
        self.guards.fetch_add(1, Ordering::SeqCst);
        Guard(Arc::clone(self))
    }

    /// The present epoch of a scope, such as a symbol.
    pub fn epoch(&self, scope: &str) -> u64 {
        let lane = self.lane(scope).load(Ordering::SeqCst);
        lane.wrapping_add(self.all.load(Ordering::SeqCst))
    }

    /// A veto: what was cleared in this scope before now does not leave.
    pub fn veto(&self, scope: &str) {
        self.lane(scope).fetch_add(1, Ordering::SeqCst);
        self.changes.send_modify(|count| *count = count.wrapping_add(1));
    }

    /// Stops new risk at once.
    pub fn halt(&self) {
        self.halted.store(true, Ordering::SeqCst);
        self.raise();
    }

    /// Ends a halt; what was cleared before it does not leave any more.
    pub fn lift(&self) {
        self.raise();
        self.halted.store(false, Ordering::SeqCst);
    }

    /// Voids whatever was cleared before now, without a halt.
    pub fn void_all(&self) {
        self.raise();
    }

    /// The process is being stopped and has waited for the agents long enough: whoever has not
    /// answered in a moment from now is late, in every round from now on.
    pub fn hurry(&self) {
        self.hurried.store(true, Ordering::SeqCst);
        self.changes.send_modify(|count| *count = count.wrapping_add(1));
    }

    /// Resolves when the agents are hurried.
    pub(crate) async fn hurried(&self) {
        let mut changes = self.changes();
        while !self.hurried.load(Ordering::SeqCst) {
            if changes.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
        }
    }

    /// Whether the trading state is halted, whatever the flag file says and whoever lives.
    pub fn is_state_halted(&self) -> bool {
        self.halted.load(Ordering::SeqCst)
    }

    /// Whether new risk is stopped: by a halt, by the flag file, or because safety is not there.
    pub fn is_halted(&self) -> bool {
        self.halted.load(Ordering::SeqCst)
            || self.guards.load(Ordering::SeqCst) == 0
            || (self.stop_flag)()
    }

    /// What a clearance is checked against, immediately before the effect.
    pub fn gate(&self, scope: &str, now: Time) -> Gate {
        Gate { now, epoch: self.epoch(scope), halted: self.is_halted() }
    }

    /// Wakes whenever the fence was raised or fell.
    pub(crate) fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    fn raise(&self) {
        self.all.fetch_add(1, Ordering::SeqCst);
        self.changes.send_modify(|count| *count = count.wrapping_add(1));
    }

    #[expect(clippy::cast_possible_truncation, reason = "only the lowest bits are wanted")]
    fn lane(&self, scope: &str) -> &AtomicU64 {
        let mut hasher = DefaultHasher::new();
        scope.hash(&mut hasher);
        &self.lanes[hasher.finish() as usize % LANES]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// O-3: after HALTED no entry leaves.
    #[test]
    fn a_halt_closes_the_fence_and_voids_what_was_cleared_before_it() {
        let fence = Fence::without_flag();
        let guard = fence.guard();
        let before = fence.epoch("AAPL");
        assert!(!fence.is_halted());
        fence.halt();
        assert!(fence.gate("AAPL", Time::EPOCH).halted);
        fence.lift();
        assert!(!fence.is_halted());
        assert_ne!(fence.epoch("AAPL"), before);
        drop(guard);
        assert!(fence.is_halted(), "no safety, no new risk");
    }

    #[test]
    fn a_veto_voids_its_own_scope_and_leaves_others_alone() {
        let fence = Fence::without_flag();
        let (aapl, msft) = (fence.epoch("AAPL"), fence.epoch("MSFT"));
        fence.veto("AAPL");
        assert_ne!(fence.epoch("AAPL"), aapl);
        assert_eq!(fence.epoch("MSFT"), msft);
    }

    #[test]
    fn the_flag_file_is_asked_at_every_gate() {
        let stopped = Arc::new(AtomicBool::new(false));
        let flag = Arc::clone(&stopped);
        let fence = Fence::new(Box::new(move || flag.load(Ordering::SeqCst)));
        let _guard = fence.guard();
        assert!(!fence.gate("AAPL", Time::EPOCH).halted);
        stopped.store(true, Ordering::SeqCst);
        assert!(fence.gate("AAPL", Time::EPOCH).halted);
    }
}
