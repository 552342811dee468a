//! A whole council on fakes: every actor is the real one; log, stores, clocks and brains are not.
//!
//! Two calm shares have been watched for a year when it starts, so that signals raised by hand meet
//! a market with known volatility and returns. On paused time a wait would show as elapsed time.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use conclave_domain::brief::trading::{TradingBrief, TradingState};
use conclave_domain::code::Code;
use conclave_domain::context::{BookKind, Update};
use conclave_domain::custody::CustodyConfig;
use conclave_domain::exits::ExitRules;
use conclave_domain::fixed::Money;
use conclave_domain::market::bar::Timeframe;
use conclave_domain::market::tape::{Chunk, Instrument, Tape};
use conclave_domain::mode::{AdvisoryRecord, By, Mode, Person};
use conclave_domain::ratio::Ratio;
use conclave_domain::role::{AgentName, RISK_GUARDIAN, Team};
use conclave_domain::signal::{Direction, Signal};
use conclave_domain::time::Time;
use conclave_domain::watch::{MarketSnapshot, MarketWatch, Raised};
use ractor::{ActorCell, ActorStatus};
use serde_json::{Value, json};
use tokio::runtime::Handle;
use tokio::sync::watch;

use super::brains::{Act, ScriptedBrain};
use super::clock::ManualClock;
use super::figures::good;
use super::memory_audit::MemoryAudit;
use super::memory_safety::MemorySafety;
use super::memory_store::MemoryContext;
pub use super::plan::CouncilPlan;
use super::told::Told;
use crate::broker::OrderView;
use crate::consensus::Patience;
use crate::council::{AgentSetup, Council, CouncilSetup, World};
use crate::driver::{self, Played};
use crate::orchestrator::DecideError;
use crate::pump::{Pump, PumpError, Rhythm};
use crate::runtime::brain::Brain;
use crate::runtime::fence::Fence;
use crate::runtime::ports::Clock as _;
use crate::runtime::shell::PERMITS;
use crate::safety::{ModeRequest, SafetyEvent};
use crate::trading::TEAM;

/// A running council, its world in memory, and the market that it looks at.
///
/// Dropping it while an actor lives panics: end a test with [`TestCouncil::stop`].
pub struct TestCouncil {
    /// The council.
    pub council: Council,
    /// Its log.
    pub audit: Arc<MemoryAudit>,
    /// The disk of its context.
    pub store: Arc<MemoryContext>,
    /// The disk of its safety.
    pub disk: Arc<MemorySafety>,
    /// Its clocks.
    pub clock: Arc<ManualClock>,
    /// The fence before every entry.
    pub fence: Arc<Fence>,
    /// The days that were not played yet.
    pub tape: Tape,
    brains: BTreeMap<AgentName, Arc<ScriptedBrain>>,
    events: Arc<Mutex<Vec<SafetyEvent>>>,
    watch: MarketWatch,
    market: Arc<MarketSnapshot>,
    today: Arc<Chunk>,
}

impl fmt::Debug for TestCouncil {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TestCouncil").field("council", &self.council).finish_non_exhaustive()
    }
}

/// One agent of the council, to be told what to do.
#[derive(Debug)]
pub struct TestAgent<'a> {
    name: AgentName,
    council: &'a TestCouncil,
}

#[expect(clippy::expect_used, reason = "a test that cannot be set up has failed")]
impl TestCouncil {
    /// An autonomous council with rules brains.
    ///
    /// # Panics
    /// When it does not start.
    pub async fn start() -> Self {
        Self::with(CouncilPlan::default()).await
    }

    /// A council of one's own making, after one more day than were watched.
    ///
    /// # Panics
    /// When it does not start.
    pub async fn with(plan: CouncilPlan) -> Self {
        // Boxed, because a plan is large and so would be every test that waits for one.
        Box::pin(Self::begin(plan)).await
    }

    async fn begin(mut plan: CouncilPlan) -> Self {
        let mut tape = Tape::new(plan.series.clone()).expect("a tape");
        let instruments = Arc::clone(tape.instruments());
        let mut watch =
            MarketWatch::new(&instruments, Timeframe::Day, &plan.strategy, true).expect("a watch");
        let watched = plan.watched;
        for _ in 0..watched {
            watch.on_chunk(&tape.next_chunk(1).expect("enough days"));
        }
        let (mode, journal, outside) = (plan.mode, plan.journal.take(), plan.outside.take());
        let (context, brains) = (std::mem::take(&mut plan.context), brains(&mut plan.brains));
        let setup = setup(plan, instruments, watch.clone(), &brains);
        let cash = setup.custody.cash;
        let (audit, store) = (Arc::<MemoryAudit>::default(), Arc::<MemoryContext>::default());
        let (disk, clock) = (Arc::<MemorySafety>::default(), Arc::<ManualClock>::default());
        let (fence, events) = (Fence::without_flag(), Arc::new(Mutex::new(Vec::new())));
        let heard = Arc::clone(&events);
        let world = World {
            audit: audit.clone(),
            head: audit.anchor(),
            store: store.clone(),
            journal,
            context,
            safety: disk.clone(),
            clock: clock.clone(),
            fence: Arc::clone(&fence),
            events: Arc::new(move |event| {
                heard.lock().unwrap_or_else(PoisonError::into_inner).push(event);
            }),
            runtime: Handle::current(),
            ledger: None,
            witness: None,
            outside,
        };
        let council = Council::start(setup, world).await.expect("a council");
        let opened = BookKind::ALL.map(|book| Update::BookOpened { book, cash });
        council.context.apply(opened.into(), None).await.expect("both books");
        let (market, today) = (Arc::new(watch.snapshot(clock.trading())), Arc::default());
        let mut council = Self {
            council,
            audit,
            store,
            disk,
            clock,
            fence,
            tape,
            brains,
            events,
            watch,
            market,
            today,
        };
        council.set_mode(mode).await.expect("the mode");
        if watched > 0 {
            council.day().await.expect("a first day");
        }
        council
    }

    /// One agent.
    ///
    /// # Panics
    /// When the team has no such agent.
    pub fn agent(&self, name: &str) -> TestAgent<'_> {
        let name = self.brains.keys().find(|known| **known == name).expect("a team member");
        TestAgent { name, council: self }
    }

    /// The Risk Guardian.
    pub fn guardian(&self) -> TestAgent<'_> {
        self.agent(RISK_GUARDIAN)
    }

    /// The next day of the market passes: fills, protective exits, marks, and what must be attended
    /// to. Signals are raised by hand only.
    ///
    /// # Errors
    /// When the run could not go on.
    ///
    /// # Panics
    /// When there is no next day.
    pub async fn day(&mut self) -> Result<(), DecideError> {
        let chunk = Arc::new(self.tape.next_chunk(1).expect("a next day"));
        let pulses = self.watch.on_chunk(&chunk).pulses.into();
        let at = chunk.ticks()[0].bar.close_time;
        self.market = Arc::new(self.watch.snapshot(at));
        let passed = at.since(self.clock.trading());
        self.clock.advance(passed);
        self.today = Arc::clone(&chunk);
        let advanced = self.council.broker.advance(Played { chunk, pulses }, 0..1).await?;
        for (book, event) in advanced.events {
            self.council.orchestrator.attend(book, event).await?;
        }
        Ok(())
    }

    /// Plays what is left of the market as a run does: bars through the market's actor, its signals
    /// to the orchestrator, a slice at a time. Returns the bars played.
    ///
    /// # Errors
    /// When the run could not go on.
    pub async fn play(&mut self) -> Result<usize, PumpError> {
        let (_going_on, stop) = watch::channel(false);
        let rhythm = Following(Arc::clone(&self.clock));
        let mut pump = Pump { council: self.council.clone(), stop, rhythm };
        driver::play(&mut self.tape, 1, &mut pump).await
    }

    /// A good signal on the first share or another, at the close of the present day.
    pub fn signal(&self, instrument: u16, direction: Direction) -> Raised {
        let (pulse, bar) = (good(direction), self.today.ticks()[usize::from(instrument)].bar);
        let signal = Signal {
            symbol: self.tape.instruments()[usize::from(instrument)].symbol.clone(),
            at: bar.close_time,
            source: "by hand".to_owned(),
            direction,
            confidence: Ratio::of(0.6),
            magnitude: Ratio::of(0.03),
            price: bar.close,
            regime: pulse.regime,
            features: pulse.features,
        };
        let (market, call) = (Arc::clone(&self.market), None);
        Raised { slice: 0, instrument, bar, signal, market, call }
    }

    /// Decides on a signal, and returns what was written meanwhile.
    ///
    /// # Errors
    /// When the run could not go on.
    pub async fn decide(&self, raised: Raised) -> Result<Told, DecideError> {
        let before = self.audit.records().len();
        self.council.orchestrator.decide(raised).await?;
        Ok(Told(self.audit.records().split_off(before)))
    }

    /// Decides on a good long signal on the first share.
    ///
    /// # Panics
    /// When the run could not go on.
    pub async fn decide_long(&self) -> Told {
        self.decide(self.signal(0, Direction::Long)).await.expect("a decision")
    }

    /// Everything that was written, decisions only.
    pub fn log(&self) -> Told {
        Told(self.audit.records())
    }

    /// The orders of a book so far.
    pub fn orders(&self, book: BookKind) -> Vec<OrderView> {
        let view = self.council.broker.view();
        view.orders.iter().filter(|order| order.book == book).cloned().collect()
    }

    /// How often something was denied with a code.
    pub fn denials(&self, code: Code) -> u64 {
        self.council.score.stats().denials.get(&code).copied().unwrap_or(0)
    }

    /// What safety has told so far.
    pub fn events(&self) -> Vec<SafetyEvent> {
        self.events.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Puts the trading team into a mode, on a person's word.
    ///
    /// # Errors
    /// The code of what stands in the way.
    pub async fn set_mode(&self, to: Mode) -> Result<(), Code> {
        let request = ModeRequest {
            job: Team::Trading,
            to,
            by: By::Person(person()),
            record: AdvisoryRecord::default(),
            override_reason: Some("a test".to_owned()),
        };
        self.council.safety.set_mode(request).await.map(drop)
    }

    /// Halts trading, on a person's word.
    ///
    /// # Errors
    /// The code of what stands in the way.
    pub async fn halt(&self) -> Result<(), Code> {
        let by = By::Person(person());
        self.council.safety.set_state(TradingState::Halted, by, "a test").await.map(drop)
    }

    /// Stops everything in order.
    ///
    /// # Panics
    /// When an actor is still alive, or the log is unsound.
    pub async fn stop(self) {
        let cells = living(&self.council.cell());
        self.council.stop().await;
        for cell in cells {
            assert_eq!(cell.get_status(), ActorStatus::Stopped, "{:?}", cell.get_id());
        }
        assert!(self.audit.is_sound(), "the chain verifies");
    }
}

impl Drop for TestCouncil {
    fn drop(&mut self) {
        let lives = !living(&self.council.cell()).is_empty();
        assert!(!lives || std::thread::panicking(), "a council was dropped while its actors live");
    }
}

/// Both clocks follow the bars.
#[derive(Debug)]
struct Following(Arc<ManualClock>);

impl Rhythm for Following {
    async fn before(&mut self, _: &Chunk) {}

    fn at(&mut self, time: Time) {
        self.0.advance(time.since(self.0.trading()));
    }
}

/// Somebody who may command.
pub fn person() -> Person {
    Person::authenticated("ada", "test")
}

/// An actor and everybody below it, as far as they live.
fn living(cell: &ActorCell) -> Vec<ActorCell> {
    let below = cell.get_children();
    let all = below.iter().flat_map(living).chain([cell.clone()]);
    all.filter(|cell| cell.get_status() != ActorStatus::Stopped).collect()
}

fn brains(
    scripted: &mut Vec<(&'static str, ScriptedBrain)>,
) -> BTreeMap<AgentName, Arc<ScriptedBrain>> {
    let brain = |name: AgentName| {
        let index = scripted.iter().position(|(of, _)| *of == name);
        let brain = index.map(|index| scripted.swap_remove(index).1).unwrap_or_default();
        (name, Arc::new(brain))
    };
    TEAM.iter().map(|entry| entry.role.name).map(brain).collect()
}

fn setup(
    plan: CouncilPlan,
    instruments: Arc<[Instrument]>,
    watch: MarketWatch,
    brains: &BTreeMap<AgentName, Arc<ScriptedBrain>>,
) -> CouncilSetup {
    let agent = |(name, brain): (&AgentName, &Arc<ScriptedBrain>)| {
        let other = plan.others.iter().find(|(of, _)| of == name);
        let scripted = Arc::clone(brain) as Arc<dyn Brain<TradingBrief>>;
        let brain = other.map_or(scripted, |(_, other)| Arc::clone(other));
        (*name, AgentSetup { brain, permits: PERMITS })
    };
    let cash = Money::from_raw(100_000 * Money::SCALE);
    CouncilSetup {
        instruments,
        watch,
        custody: CustodyConfig { sim: plan.sim, exits: ExitRules::default(), guarded: true, cash },
        book: if plan.mode == Mode::Advisory { BookKind::Shadow } else { BookKind::Real },
        stored: BTreeMap::new(),
        limits: Arc::new(plan.limits),
        budgets: plan.budgets,
        agents: brains.iter().map(agent).collect(),
        faults: Arc::new(plan.faults),
        approval_expiry: Duration::from_mins(5),
        patience: Patience::Deadline(Duration::from_secs(5)),
        settle: plan.settle,
        long_only: false,
        news: plan.news,
        universe: plan.universe,
        carried: plan.carried,
    }
}

impl<'a> TestAgent<'a> {
    /// Its brain.
    pub fn brain(&self) -> &'a ScriptedBrain {
        &self.council.brains[self.name]
    }

    /// It never answers again.
    pub fn will_hang(&self) {
        self.brain().always(Act::Hang);
    }

    /// From now on it does this.
    pub fn will(&self, act: Act) {
        self.brain().always(act);
    }

    /// From now on it answers this, whatever it is worth.
    pub fn answers(&self, raw: Value) {
        self.brain().always(Act::Say(raw));
    }

    /// From now on it objects by judgement: for the Risk Guardian.
    pub fn will_veto(&self, text: &str) {
        let objections = [json!({"code": "guardian.judgement", "text": text})];
        self.answers(json!({"reasoning": text, "objections": objections, "confidence": 0.8}));
    }

    /// Kills it now; its supervisor brings it back.
    pub fn kill(&self) {
        let agents = &self.council.council.agents;
        let handle = agents.iter().find(|agent| agent.role.name == self.name);
        if let Some(actor) = handle.and_then(|agent| agent.mailbox.stable().get()) {
            actor.kill();
        }
    }

    /// How often it was restarted.
    pub fn restarts(&self) -> u64 {
        let health = self.council.council.safety.directory().get(self.name);
        health.map_or(0, |health| u64::from(health.restarts))
    }
}
