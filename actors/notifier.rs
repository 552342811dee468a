//! The notifier: what people should hear of leaves by every way that is set up for it, each with a queue
//! and a supervised actor of its own.
//!
//! - O-4: nothing waits for it: whoever tells something puts it into bounded queues and goes on, and
//!   where there is no room the least important is left out and counted.
//!
//! An outage of one way holds up no other. An actor here that ends is started anew, at most every five
//! seconds, for as long as the process lives; nothing of trading hears of it. What waits is in the
//! queues, which survive their actors. After a restart of the process it has forgotten what waited: what
//! happened is in the audit.

pub mod port;
pub mod telling;
#[cfg(test)]
mod tests;

use std::fmt;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use conclave_domain::notify::outbox::{Outbox, Parcel};
use conclave_domain::notify::{Kind, Kinds, Notice};
use conclave_domain::role::AgentName;
use ractor::{Actor, ActorProcessingErr, ActorRef, SpawnErr};
use tokio::runtime::Handle;
use tokio::sync::Notify;
use tokio::task::JoinSet;

use crate::runtime::ports::Clock;
use crate::runtime::refs::stable;
use crate::runtime::supervision::{ChildSpec, Intensity};
use crate::tree::Tree;
use port::{Courier, Undelivered};

/// Notices that wait on one way; beyond that the least important are left out.
const ROOM: usize = 128;
/// The pause after a first failure; doubled with every further one in a row.
const BACKOFF: Duration = Duration::from_secs(1);
/// The longest pause that we make of ourselves.
const BACKOFF_MAX: Duration = Duration::from_mins(1);
/// The longest pause that another side may ask for.
const ASKED_MAX: Duration = Duration::from_hours(1);

/// One way out: who carries what.
#[derive(Clone, Debug)]
pub struct Route {
    /// Who carries it.
    pub courier: Arc<dyn Courier>,
    /// What.
    pub kinds: Kinds,
}

/// A way with its queue.
#[derive(Debug)]
struct Lane {
    route: Route,
    clock: Arc<dyn Clock>,
    state: Mutex<State>,
    bell: Notify,
}

#[derive(Debug)]
struct State {
    outbox: Outbox,
    /// Whether a parcel is on its way.
    is_away: bool,
}

/// Where notices are told. Cheap to clone; never waits.
#[derive(Clone, Debug)]
pub struct NotifierHandle(Arc<[Arc<Lane>]>);

/// Prepares the notifier: an actor for each way, and the handle that tells them all.
pub fn notifier(routes: Vec<Route>, clock: &Arc<dyn Clock>) -> (Vec<ChildSpec>, NotifierHandle) {
    let lanes: Vec<Arc<Lane>> = routes
        .into_iter()
        .map(|route| {
            // Whoever watches the counters grow must have seen them at zero, or misses the first loss.
            for lost in ["left_out", "failed"] {
                count(route.courier.name(), lost, 0);
            }
            let state = State { outbox: Outbox::new(ROOM), is_away: false };
            let (state, clock) = (Mutex::new(state), Arc::clone(clock));
            Arc::new(Lane { route, clock, state, bell: Notify::new() })
        })
        .collect();
    let children = lanes.iter().map(|lane| {
        let lane = Arc::clone(lane);
        looping(lane.route.courier.name(), move || {
            let lane = Arc::clone(&lane);
            Box::pin(async move { lane.carry().await })
        })
    });
    (children.collect(), NotifierHandle(lanes.into()))
}

impl NotifierHandle {
    /// Tells every way that carries such things; at once.
    pub fn tell(&self, notice: Notice) {
        let notice = Arc::new(notice);
        for lane in self.0.iter().filter(|lane| lane.route.kinds.has(notice.kind)) {
            if lane.lock().outbox.put(Arc::clone(&notice)) {
                count(lane.route.courier.name(), "left_out", 1);
            }
            lane.bell.notify_one();
        }
    }

    /// Whether any way carries such things.
    pub fn wants(&self, kind: Kind) -> bool {
        self.0.iter().any(|lane| lane.route.kinds.has(kind))
    }

    /// Whether everything that was told is out.
    pub fn is_idle(&self) -> bool {
        self.0.iter().all(|lane| {
            let state = lane.lock();
            state.outbox.is_empty() && !state.is_away
        })
    }

    /// Notices that wait, on all ways.
    pub fn waiting(&self) -> usize {
        self.0.iter().map(|lane| lane.lock().outbox.len()).sum()
    }
}

fn count(route: &'static str, outcome: &'static str, notices: u64) {
    metrics::counter!("conclave_notices_total", "route" => route, "outcome" => outcome)
        .increment(notices);
}

impl Lane {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The next parcel, once there is one.
    async fn next(&self) -> Parcel {
        loop {
            {
                let mut state = self.lock();
                let (room, now) = (self.route.courier.room(), self.clock.wall());
                if let Some(parcel) = state.outbox.take(room, now) {
                    state.is_away = true;
                    return parcel;
                }
                state.is_away = false;
            }
            self.bell.notified().await;
        }
    }

    fn take_back(&self, parcel: Parcel) {
        let mut state = self.lock();
        state.outbox.put_back(parcel);
        state.is_away = false;
    }

    /// Carries parcels, one after the other, for ever.
    async fn carry(&self) {
        let name = self.route.courier.name();
        // What an earlier life of this actor had on its way is lost with it.
        self.lock().is_away = false;
        let mut failures = 0_u32;
        loop {
            let parcel = self.next().await;
            let notices = parcel.notices.len() as u64;
            match self.route.courier.deliver(parcel.clone()).await {
                Ok(()) => {
                    failures = 0;
                    count(name, "sent", notices);
                }
                Err(Undelivered::Never { why }) => {
                    count(name, "failed", notices);
                    tracing::warn!(
                        route = name,
                        why,
                        "a notice cannot be delivered; it is left out"
                    );
                }
                Err(Undelivered::Later { after, why }) => {
                    failures = failures.saturating_add(1);
                    if failures == 1 {
                        tracing::warn!(route = name, why, "notices wait; they are tried again");
                    }
                    self.take_back(parcel);
                    tokio::time::sleep(pause(failures, after)).await;
                }
            }
        }
    }
}

/// How long a way rests after so many failures in a row, at least as long as it was asked to.
fn pause(failures: u32, asked: Option<Duration>) -> Duration {
    let doubled = 2_u32.saturating_pow(failures.saturating_sub(1).min(16));
    let ours = BACKOFF.saturating_mul(doubled).min(BACKOFF_MAX);
    ours.max(asked.unwrap_or_default().min(ASKED_MAX))
}

/// Work that never ends by itself.
pub type Work = Pin<Box<dyn Future<Output = ()> + Send>>;

type Make = Arc<dyn Fn() -> Work + Send + Sync>;

/// An actor that does one thing for as long as it lives: where the work ends or panics the actor fails,
/// and its supervisor starts it anew.
pub fn looping(name: AgentName, make: impl Fn() -> Work + Send + Sync + 'static) -> ChildSpec {
    let make: Make = Arc::new(make);
    ChildSpec::new(name, stable().0, move || (Looping, Arc::clone(&make)))
}

/// The actor of [`looping`].
struct Looping;

/// Its work has ended.
#[derive(Debug)]
struct Ended;

/// Says so however the work ends, a panic included.
struct Guard(ActorRef<Ended>);

impl Drop for Guard {
    fn drop(&mut self) {
        // An actor that is gone was stopped on purpose.
        let _ = self.0.cast(Ended);
    }
}

impl Actor for Looping {
    type Msg = Ended;
    /// Owns the work: it ends with the actor.
    type State = JoinSet<()>;
    type Arguments = Make;

    async fn pre_start(
        &self,
        me: ActorRef<Ended>,
        make: Make,
    ) -> Result<JoinSet<()>, ActorProcessingErr> {
        let mut works = JoinSet::new();
        let (work, guard) = (make(), Guard(me));
        works.spawn(async move {
            let _guard = guard;
            work.await;
        });
        Ok(works)
    }

    async fn handle(
        &self,
        _: ActorRef<Ended>,
        _: Ended,
        _: &mut JoinSet<()>,
    ) -> Result<(), ActorProcessingErr> {
        Err("its work has ended".into())
    }
}

/// Actors beside the council, supervised for themselves.
#[derive(Clone)]
pub struct Annex(Tree);

impl fmt::Debug for Annex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Annex")
    }
}

impl Annex {
    /// Starts them on a runtime of their own. Whatever becomes of them, no fence closes.
    ///
    /// # Errors
    /// When one does not start.
    pub async fn start(children: Vec<ChildSpec>, runtime: Handle) -> Result<Self, SpawnErr> {
        // With pauses of up to five seconds there are never sixty restarts in a minute.
        let intensity = Intensity { restarts_max: 60, ..Intensity::default() };
        Ok(Self(Tree::beside(children, runtime, intensity).await?))
    }

    /// Stops them.
    pub async fn stop(&self) {
        self.0.stop().await;
    }
}
