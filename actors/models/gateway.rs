//! The gateway to the providers: one for all agents of a process.
//!
//! It knows of each provider how many requests may be on their way and how many may leave in a minute,
//! whether it has asked for patience, whether an operator is needed, and of each family of its models
//! whether they fail. So a provider that is in trouble is left alone by all agents at once, and asks
//! for patience once for all.
//!
//! The guardian has a lane of its own: a fifth of the requests on their way and of the rate.
//!
//! Its state is pure and lies behind locks that are never held over an await.

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use conclave_domain::llm::breaker::{Breaker, Pass, Shut, State as BreakerState};
use conclave_domain::llm::bucket::{Bucket, Lane};
use conclave_domain::llm::hedge::Hedging;
use conclave_domain::llm::{Trouble, Usage};
use conclave_domain::role::AgentName;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, sleep_until, timeout_at};

use super::standing::{ProviderStanding, Tokens};

/// Requests that may be on their way to one provider, unless configured otherwise.
pub const IN_FLIGHT: usize = 64;
/// The share of them that is kept for the guardian: one in so many.
const RESERVED: usize = 5;
/// The longest patience that a provider can ask for: whoever asks for more is asked again then.
const PATIENCE_MAX: Duration = Duration::from_hours(1);

/// What one provider can take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProviderSettings {
    /// Requests that may leave in a minute; `None` for as many as there are.
    pub per_minute: Option<NonZeroU32>,
    /// Requests that may be on their way at once, at least 2: one is the guardian's.
    pub in_flight: usize,
}

impl Default for ProviderSettings {
    fn default() -> Self {
        Self { per_minute: None, in_flight: IN_FLIGHT }
    }
}

/// Why a request is not let out.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Barred {
    /// Only an operator can help: the key or the money at the provider.
    #[error("stopped until an operator has looked: {}", because.name())]
    Stopped {
        /// What it said.
        because: Trouble,
    },
    /// The provider has no such model any more.
    #[error("it has no such model")]
    NoModel,
    /// The models of this family fail.
    #[error("its models fail and are left alone for a while")]
    Open,
    /// There is no room for it before its time is up.
    #[error("no room for the request in time")]
    NoRoom,
}

/// How often a question that waits for a probe looks what became of it.
const PROBE_LOOK: Duration = Duration::from_millis(50);

/// The doors to all providers.
#[derive(Debug)]
pub struct Gateway {
    began: Instant,
    settings: BTreeMap<String, ProviderSettings>,
    /// How long a question may wait for a provider to be well before its own time begins to run.
    rest_max: Duration,
    doors: Mutex<BTreeMap<String, Arc<Door>>>,
}

impl Gateway {
    /// A gateway; providers that are not named have the default settings. Reads tokio's clock.
    pub fn new(settings: BTreeMap<String, ProviderSettings>) -> Arc<Self> {
        Self::unhurried(settings, Duration::ZERO)
    }

    /// A gateway for a replay, in which nothing is missed while a provider rests: a question waits up to
    /// `rest_max` for the end of a pause or of an open breaker before its own time begins to run.
    pub fn unhurried(
        settings: BTreeMap<String, ProviderSettings>,
        rest_max: Duration,
    ) -> Arc<Self> {
        Arc::new(Self { began: Instant::now(), settings, rest_max, doors: Mutex::default() })
    }

    /// How every provider that has a door has fared so far, by its name.
    pub fn standings(&self) -> Vec<ProviderStanding> {
        let doors = self.doors.lock().unwrap_or_else(PoisonError::into_inner);
        doors.values().map(|door| door.lock().standing.clone()).collect()
    }

    /// The tokens of each agent's questions so far, at all providers.
    pub fn tokens(&self) -> BTreeMap<AgentName, Tokens> {
        let doors = self.doors.lock().unwrap_or_else(PoisonError::into_inner);
        let mut all = BTreeMap::<AgentName, Tokens>::new();
        for door in doors.values() {
            for (agent, tokens) in &door.lock().tokens {
                all.entry(agent).or_default().plus(tokens);
            }
        }
        all
    }

    /// The door to a provider.
    pub(crate) fn door(&self, provider: &str) -> Arc<Door> {
        let mut doors = self.doors.lock().unwrap_or_else(PoisonError::into_inner);
        let make = || {
            let settings = self.settings.get(provider).copied().unwrap_or_default();
            Arc::new(Door::new(provider, settings, self.began, self.rest_max))
        };
        Arc::clone(doors.entry(provider.to_owned()).or_insert_with(make))
    }
}

/// The family of a model: its name without vendor, version and date. Rates and failures are those of
/// a family.
pub(crate) fn family(model: &str) -> &str {
    let name = model.rsplit('/').next().unwrap_or(model);
    let is_version = |part: &str| part.starts_with(|c: char| c.is_ascii_digit());
    let mut end = 0;
    for part in name.split('-') {
        if end > 0 && is_version(part) {
            break;
        }
        end += part.len() + usize::from(end > 0);
    }
    &name[..end]
}

/// The door to one provider.
#[derive(Debug)]
pub(crate) struct Door {
    provider: String,
    began: Instant,
    rest_max: Duration,
    common: Arc<Semaphore>,
    reserved: Arc<Semaphore>,
    state: Mutex<State>,
}

/// What is known of a provider. Times are since the gateway began.
#[derive(Debug)]
struct State {
    /// What stops it for good, what it does not have, and how often it has answered.
    standing: ProviderStanding,
    /// What each agent's questions have taken.
    tokens: BTreeMap<AgentName, Tokens>,
    /// Nobody asks before this.
    patient_until: Duration,
    bucket: Option<Bucket>,
    families: BTreeMap<String, Breaker>,
    hedging: Hedging,
}

/// What a request does next.
enum Step {
    Leave(Pass),
    Wait(Duration),
}

impl Door {
    fn new(provider: &str, settings: ProviderSettings, began: Instant, rest_max: Duration) -> Self {
        let in_flight = settings.in_flight.clamp(2, Semaphore::MAX_PERMITS);
        let reserved = (in_flight / RESERVED).max(1);
        Self {
            provider: provider.to_owned(),
            began,
            rest_max,
            common: Arc::new(Semaphore::new(in_flight - reserved)),
            reserved: Arc::new(Semaphore::new(reserved)),
            state: Mutex::new(State {
                standing: ProviderStanding { provider: provider.to_owned(), ..Default::default() },
                tokens: BTreeMap::new(),
                patient_until: Duration::ZERO,
                bucket: settings.per_minute.map(Bucket::new),
                families: BTreeMap::new(),
                hedging: Hedging::default(),
            }),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn since(&self, at: Instant) -> Duration {
        at.saturating_duration_since(self.began)
    }

    /// Waits until the provider is well, where nobody is in a hurry; not longer than it may.
    pub(crate) async fn rested(&self, model: &str) {
        let end = self.since(Instant::now()) + self.rest_max;
        while let Some(wake) = self.rest(model, self.since(Instant::now())).filter(|at| *at <= end)
        {
            sleep_until(self.began + wake).await;
        }
    }

    /// When to look again, where the provider is left alone at the moment.
    fn rest(&self, model: &str, now: Duration) -> Option<Duration> {
        let state = self.lock();
        let breaker = state.families.get(family(model)).map(Breaker::state);
        match breaker {
            _ if now < state.patient_until => Some(state.patient_until),
            Some(BreakerState::Open(rested)) if now < rested => Some(rested),
            Some(BreakerState::Probing) => Some(now + PROBE_LOOK),
            _ => None,
        }
    }

    /// Waits until a request may leave, not longer than `until`.
    ///
    /// # Errors
    /// When it may not, or not in time.
    pub(crate) async fn pass(
        self: &Arc<Self>,
        model: &str,
        lane: Lane,
        until: Instant,
    ) -> Result<Passage, Barred> {
        // Before it waits for anything: a provider that is left alone is no reason to wait, but for
        // somebody else's probe where nobody is in a hurry.
        while let Err(barred) = self.look(model, self.since(Instant::now())) {
            self.probed(barred, until).await?;
        }
        let room = timeout_at(until, self.room(lane)).await.map_err(|_| Barred::NoRoom)?;
        let room = room.ok_or(Barred::NoRoom)?;
        let mut ticket = None;
        let pass = loop {
            let now = self.since(Instant::now());
            match self.step(model, lane, (now, self.since(until)), &mut ticket) {
                Ok(Step::Leave(pass)) => break pass,
                Ok(Step::Wait(wake)) => sleep_until(self.began + wake).await,
                Err(barred) => self.probed(barred, until).await?,
            }
        };
        Ok(Passage {
            door: Arc::clone(self),
            family: family(model).to_owned(),
            model: model.to_owned(),
            pass,
            left_at: Instant::now(),
            is_told: false,
            _room: room,
        })
    }

    /// Waits a little for a probe that is on its way, where nobody is in a hurry.
    async fn probed(&self, barred: Barred, until: Instant) -> Result<(), Barred> {
        let again = Instant::now() + PROBE_LOOK;
        if barred != Barred::Open || self.rest_max.is_zero() || again > until {
            return Err(barred);
        }
        sleep_until(again).await;
        Ok(())
    }

    /// Whether anything but patience, rate and room stands in the way.
    fn look(&self, model: &str, now: Duration) -> Result<(), Barred> {
        let state = self.lock();
        if let Some(because) = &state.standing.stopped {
            return Err(Barred::Stopped { because: because.clone() });
        }
        if state.standing.gone.contains(model) {
            return Err(Barred::NoModel);
        }
        match state.families.get(family(model)).map(Breaker::state) {
            Some(BreakerState::Open(rested)) if now < rested => Err(Barred::Open),
            Some(BreakerState::Probing) => Err(Barred::Open),
            _ => Ok(()),
        }
    }

    async fn room(&self, lane: Lane) -> Option<OwnedSemaphorePermit> {
        let common = Arc::clone(&self.common).acquire_owned();
        if lane == Lane::Common {
            return common.await.ok();
        }
        tokio::select! {
            biased;
            room = common => room.ok(),
            room = Arc::clone(&self.reserved).acquire_owned() => room.ok(),
        }
    }

    /// One step of a request towards its leaving. A ticket is taken once.
    fn step(
        &self,
        model: &str,
        lane: Lane,
        (now, until): (Duration, Duration),
        ticket: &mut Option<Duration>,
    ) -> Result<Step, Barred> {
        self.look(model, now)?;
        let mut state = self.lock();
        let patient_until = state.patient_until;
        if now < patient_until {
            let in_time = patient_until < until;
            return if in_time { Ok(Step::Wait(patient_until)) } else { Err(Barred::NoRoom) };
        }
        if let (None, Some(bucket)) = (*ticket, &mut state.bucket) {
            *ticket = Some(bucket.take(lane, now, until).map_err(|_| Barred::NoRoom)?);
        }
        if let Some(leaves) = ticket.filter(|leaves| now < *leaves) {
            return Ok(Step::Wait(leaves));
        }
        let breaker = state.families.entry(family(model).to_owned()).or_default();
        let pass = breaker.admit(now).map_err(|_: Shut| Barred::Open)?;
        self.show(family(model), breaker);
        Ok(Step::Leave(pass))
    }

    /// Whether the provider has said that it does not have this model any more.
    pub(crate) fn is_gone(&self, model: &str) -> bool {
        self.lock().standing.gone.contains(model)
    }

    /// Counts a bill that is not that of the price table; whether it is the first for its model.
    pub(crate) fn drifted(&self, model: &str) -> bool {
        let mut state = self.lock();
        let bills = state.standing.drifted.entry(model.to_owned()).or_default();
        *bills += 1;
        *bills == 1
    }

    /// The guardian's call leaves: how long it may take before another provider is asked too.
    pub(crate) fn hedge_after(&self) -> Option<Duration> {
        self.lock().hedging.called()
    }

    /// Asks leave to hedge.
    pub(crate) fn may_hedge(&self) -> bool {
        self.lock().hedging.hedge()
    }

    fn show(&self, family: &str, breaker: &Breaker) {
        let state = match breaker.state() {
            BreakerState::Closed => 0.0,
            BreakerState::Probing => 1.0,
            BreakerState::Open(_) => 2.0,
        };
        let labels = [("provider", self.provider.clone()), ("family", family.to_owned())];
        metrics::gauge!("conclave_llm_breaker_state", &labels).set(state);
    }

    fn report(&self, passage: &Passage, said: Option<&Trouble>) {
        let now = self.since(Instant::now());
        let mut state = self.lock();
        let State { standing, patient_until, families, .. } = &mut *state;
        standing.failed += u64::from(said.is_some());
        let breaker = families.entry(passage.family.clone()).or_default();
        match said {
            None => breaker.forgotten(passage.pass, now),
            Some(Trouble::RateLimited { retry_after_ms }) => {
                let patience = Duration::from_millis(retry_after_ms.unwrap_or(0));
                let until = now.saturating_add(patience.min(PATIENCE_MAX));
                *patient_until = until.max(*patient_until);
                breaker.forgotten(passage.pass, now);
            }
            Some(because @ (Trouble::SpendLimit | Trouble::Auth)) => {
                if standing.stopped.is_none() {
                    tracing::error!(
                        provider = %self.provider, because = because.name(), "provider stopped"
                    );
                    standing.stopped = Some(because.clone());
                }
                breaker.forgotten(passage.pass, now);
            }
            Some(trouble) if is_its_failure(trouble) => breaker.failed(passage.pass, now),
            Some(trouble) => {
                if *trouble == Trouble::NoModel && standing.gone.insert(passage.model.clone()) {
                    tracing::warn!(
                        provider = %self.provider,
                        model = %passage.model,
                        "no such model: cheaper ones are asked for the rest of the run"
                    );
                }
                breaker.succeeded(passage.pass);
            }
        }
        self.show(&passage.family, breaker);
    }
}

/// Whether a trouble says that the provider is not well; the others are an answer of a provider that
/// is.
const fn is_its_failure(trouble: &Trouble) -> bool {
    match trouble {
        Trouble::Server { .. }
        | Trouble::Refused { .. }
        | Trouble::Unknown
        | Trouble::Timeout
        | Trouble::Malformed => true,
        Trouble::RateLimited { .. }
        | Trouble::SpendLimit
        | Trouble::Auth
        | Trouble::NoModel
        | Trouble::BadRequest
        | Trouble::TooLarge
        | Trouble::Truncated
        | Trouble::Declined => false,
    }
}

/// A request on its way. Dropped without a word it counts as cancelled, which says nothing about the
/// provider.
#[derive(Debug)]
pub(crate) struct Passage {
    door: Arc<Door>,
    family: String,
    model: String,
    pass: Pass,
    left_at: Instant,
    is_told: bool,
    _room: OwnedSemaphorePermit,
}

impl Passage {
    /// Counts what the call of an agent has used.
    pub(crate) fn used(&self, agent: AgentName, usage: Usage) {
        self.door.lock().tokens.entry(agent).or_default().add(usage);
    }

    /// When it left.
    pub(crate) const fn left_at(&self) -> Instant {
        self.left_at
    }

    /// It was answered.
    pub(crate) fn answered(mut self) {
        self.is_told = true;
        let latency = self.left_at.elapsed();
        let mut state = self.door.lock();
        state.standing.answered += 1;
        state.hedging.answered(latency);
        let breaker = state.families.entry(self.family.clone()).or_default();
        breaker.succeeded(self.pass);
        self.door.show(&self.family, breaker);
    }

    /// It brought no answer. Whether the door has told of it, once for all who ask.
    pub(crate) fn failed(mut self, trouble: &Trouble) -> bool {
        self.is_told = true;
        self.door.report(&self, Some(trouble));
        matches!(trouble, Trouble::SpendLimit | Trouble::Auth | Trouble::NoModel)
    }
}

impl Drop for Passage {
    fn drop(&mut self) {
        if !self.is_told {
            self.door.report(self, None);
        }
    }
}
