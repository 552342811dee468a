//! Supervision: who is restarted, how often, and when to give up.
//!
//! ractor reports that a child has ended; everything else is here: children start in the order of
//! their list and stop in reverse, a child is restarted by itself, over its intensity it is given up
//! and the supervisor is told. Nothing here waits inside a handler: a start runs on the runtime that
//! the child shall live on and comes back as a message, a pause is a timer.
//!
//! A panic, an `Err`, a kill and an unexpected stop are all ends ([`ended`]).

use std::collections::VecDeque;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use conclave_domain::role::AgentName;
use ractor::{Actor, ActorCell, ActorId, SpawnErr, SupervisionEvent};
use tokio::runtime::Handle;
use tokio::time::Instant;

use super::directory::{Directory, Health};
use super::refs::Publisher;

/// How often a child may be restarted, and how fast.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Intensity {
    /// Restarts within `period`; one more and the child is given up.
    pub restarts_max: usize,
    /// The sliding window.
    pub period: Duration,
    /// The pause before the second restart in a window; doubled with each further one.
    pub backoff: Duration,
    /// The longest pause.
    pub backoff_max: Duration,
}

impl Default for Intensity {
    /// Five restarts in a minute; the first at once, then after 50 ms, 100 ms, …, at most 5 s.
    fn default() -> Self {
        Self {
            restarts_max: 5,
            period: Duration::from_mins(1),
            backoff: Duration::from_millis(50),
            backoff_max: Duration::from_secs(5),
        }
    }
}

/// How a child ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    /// Its handler panicked or returned an error.
    Failed(String),
    /// It was killed: ractor reports that as a termination, not as a failure.
    Killed,
    /// It was stopped, or stopped itself.
    Stopped(String),
    /// It did not start.
    StartFailed(String),
}

impl End {
    /// Every word in metrics.
    const REASONS: [&str; 4] = ["failed", "killed", "stopped", "start_failed"];

    /// The word in metrics.
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::Failed(_) => "failed",
            Self::Killed => "killed",
            Self::Stopped(_) => "stopped",
            Self::StartFailed(_) => "start_failed",
        }
    }

    /// The words for people.
    pub fn text(&self) -> &str {
        match self {
            Self::Failed(text) | Self::Stopped(text) | Self::StartFailed(text) => text,
            Self::Killed => "killed",
        }
    }
}

/// What ended, if anything did.
pub fn ended(event: SupervisionEvent) -> Option<(ActorId, End)> {
    match event {
        SupervisionEvent::ActorFailed(cell, cause) => {
            Some((cell.get_id(), End::Failed(cause.to_string())))
        }
        SupervisionEvent::ActorTerminated(cell, _, reason) => {
            let end = match reason {
                Some(reason) if reason == "killed" => End::Killed,
                reason => End::Stopped(reason.unwrap_or_else(|| "stopped".to_owned())),
            };
            Some((cell.get_id(), end))
        }
        SupervisionEvent::ActorStarted(_) | SupervisionEvent::ProcessGroupChanged(_) => None,
    }
}

type Starting = Pin<Box<dyn Future<Output = Result<ActorCell, SpawnErr>> + Send>>;

/// How a child is started, again and again, and how its handle is kept up to date. Cheap to clone.
#[derive(Clone)]
pub struct ChildSpec {
    name: AgentName,
    start: Arc<dyn Fn(ActorCell) -> Starting + Send + Sync>,
    life: Arc<dyn Fn(Health) + Send + Sync>,
}

impl fmt::Debug for ChildSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ChildSpec").field(&self.name).finish()
    }
}

impl ChildSpec {
    /// A child that `make` makes anew for every life, published through `publisher`.
    pub fn new<A: Actor>(
        name: AgentName,
        publisher: Publisher<A::Msg>,
        make: impl Fn() -> (A, A::Arguments) + Send + Sync + 'static,
    ) -> Self {
        let publisher = Arc::new(publisher);
        let life = {
            let publisher = Arc::clone(&publisher);
            move |health: Health| match health {
                Health::GivenUp | Health::Stopped => publisher.gone(),
                Health::Starting | Health::Restarting => publisher.absent(),
                Health::Alive => {}
            }
        };
        let start = move |supervisor: ActorCell| -> Starting {
            let ((actor, arguments), publisher) = (make(), Arc::clone(&publisher));
            Box::pin(async move {
                let (child, _) = Actor::spawn_linked(None, actor, arguments, supervisor).await?;
                let cell = child.get_cell();
                publisher.alive(child);
                Ok(cell)
            })
        };
        Self { name, start: Arc::new(start), life: Arc::new(life) }
    }

    /// The child's name.
    pub const fn name(&self) -> AgentName {
        self.name
    }
}

/// A start that has come to its end; the supervisor's actor hands it to [`Supervisor::started`].
#[derive(Debug)]
pub struct Started {
    index: usize,
    result: Result<ActorCell, String>,
}

/// What the supervisor's actor has to do next.
#[derive(Debug, PartialEq, Eq)]
pub enum Remedy {
    /// Nothing: not one of ours, or on purpose.
    Nothing,
    /// Call [`Supervisor::restart`] with this number after this pause.
    RestartAfter(Duration, usize),
    /// The child ended too often and stays away: tell whoever supervises you.
    GaveUp(AgentName, End),
}

#[derive(Debug)]
struct Child {
    spec: ChildSpec,
    cell: Option<ActorCell>,
    restarts: VecDeque<Instant>,
}

fn count(actor: &'static str, reason: &'static str, restarts: u64) {
    metrics::counter!("conclave_actor_restarts_total", "actor" => actor, "reason" => reason)
        .increment(restarts);
}

/// The children of one actor.
#[derive(Debug)]
pub struct Supervisor {
    me: ActorCell,
    runtime: Handle,
    intensity: Intensity,
    directory: Directory,
    children: Vec<Child>,
    stopping: bool,
}

impl Supervisor {
    /// Starts the children in order, on the runtime on which they shall live. Called in `pre_start`,
    /// the one place where waiting for a start is right.
    ///
    /// # Errors
    /// When one of them does not start; those that did are killed with the supervisor.
    pub async fn start(
        me: ActorCell,
        runtime: Handle,
        intensity: Intensity,
        directory: Directory,
        specs: Vec<ChildSpec>,
    ) -> Result<Self, SpawnErr> {
        let mut children = Vec::with_capacity(specs.len());
        for spec in specs {
            directory.note(spec.name, Health::Starting);
            let start = runtime.spawn((spec.start)(me.clone()));
            let started = start.await.map_err(|error| SpawnErr::StartupFailed(error.into()))?;
            let cell = Some(started?);
            directory.note(spec.name, Health::Alive);
            // Whoever watches the counter grow must have seen it at zero, or misses the first restart.
            for reason in End::REASONS {
                count(spec.name, reason, 0);
            }
            children.push(Child { spec, cell, restarts: VecDeque::new() });
        }
        Ok(Self { me, runtime, intensity, directory, children, stopping: false })
    }

    /// A child's name.
    pub fn name(&self, index: usize) -> Option<AgentName> {
        self.children.get(index).map(|child| child.spec.name)
    }

    /// What to do about an event. Stale events of former lives are nobody's.
    pub fn on_event(&mut self, event: SupervisionEvent) -> Remedy {
        let Some((id, end)) = ended(event) else { return Remedy::Nothing };
        let of = |child: &Child| child.cell.as_ref().is_some_and(|cell| cell.get_id() == id);
        match self.children.iter().position(of) {
            Some(index) if !self.stopping => self.remedy(index, end),
            _ => Remedy::Nothing,
        }
    }

    /// Begins a restart. The result is handed to `done`, on the child's runtime.
    pub fn restart(&self, index: usize, done: impl FnOnce(Started) + Send + 'static) {
        let Some(child) = self.children.get(index) else { return };
        if self.stopping || child.cell.is_some() {
            return;
        }
        let start = (child.spec.start)(self.me.clone());
        self.runtime.spawn(async move {
            let result = start.await.map_err(|error| error.to_string());
            done(Started { index, result });
        });
    }

    /// A restart has succeeded or failed; a failed one is an end like any other.
    pub fn started(&mut self, Started { index, result }: Started) -> Remedy {
        let Some(child) = self.children.get_mut(index) else { return Remedy::Nothing };
        match result {
            Ok(cell) if self.stopping => {
                cell.stop(Some("shutdown".to_owned()));
                Remedy::Nothing
            }
            Ok(cell) => {
                // It may have ended before it was ours: then its event came too early to be known.
                let is_over = cell.get_status() >= ractor::ActorStatus::Stopping;
                child.cell = Some(cell);
                self.directory.note_restart(child.spec.name);
                if is_over {
                    return self.remedy(index, End::StartFailed("ended at once".to_owned()));
                }
                Remedy::Nothing
            }
            Err(error) => self.remedy(index, End::StartFailed(error)),
        }
    }

    fn remedy(&mut self, index: usize, end: End) -> Remedy {
        let Some(child) = self.children.get_mut(index) else { return Remedy::Nothing };
        let name = child.spec.name;
        child.cell = None;
        (child.spec.life)(Health::Restarting);
        self.directory.note_end(name, end.text());
        tracing::warn!(actor = name, reason = end.reason(), end = end.text(), "actor ended");
        let now = Instant::now();
        let period = self.intensity.period;
        child.restarts.retain(|at| now.duration_since(*at) < period);
        if child.restarts.len() >= self.intensity.restarts_max {
            (child.spec.life)(Health::GivenUp);
            self.directory.note(name, Health::GivenUp);
            tracing::error!(actor = name, "actor ended too often and is given up");
            return Remedy::GaveUp(name, end);
        }
        let earlier = u32::try_from(child.restarts.len()).unwrap_or(u32::MAX);
        child.restarts.push_back(now);
        let ends = child.restarts.iter().copied().collect();
        self.directory.note_ends(name, ends, self.intensity.restarts_max, period);
        count(name, end.reason(), 1);
        Remedy::RestartAfter(self.pause(earlier), index)
    }

    fn pause(&self, earlier: u32) -> Duration {
        let Intensity { backoff, backoff_max, .. } = self.intensity;
        match earlier {
            0 => Duration::ZERO,
            nth => backoff.saturating_mul(2_u32.saturating_pow(nth - 1)).min(backoff_max),
        }
    }

    /// Stops the children in reverse order, each given `grace` before it is killed. Called in
    /// `post_stop`: a supervisor that dies otherwise takes its children with it.
    pub async fn stop(&mut self, grace: Duration) {
        self.stopping = true;
        for child in self.children.iter_mut().rev() {
            (child.spec.life)(Health::Stopped);
            self.directory.note(child.spec.name, Health::Stopped);
            let Some(cell) = child.cell.take() else { continue };
            cell.stop(Some("shutdown".to_owned()));
            if cell.wait(Some(grace)).await.is_err() {
                tracing::warn!(actor = child.spec.name, "actor did not stop in time and is killed");
                cell.kill();
            }
        }
    }
}

#[cfg(test)]
mod tests;
