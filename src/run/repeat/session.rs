//! One process of a run, played again in a scratch directory.
//!
//! The council, the stores and the log are those of a run; the clock on the wall stands, nothing is
//! served, and what persons did is applied where the log has it.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use conclave_actors::council::Council;
use conclave_actors::driver::{self, Advanced, Played, Stations};
use conclave_actors::pump::{Pump, PumpError};
use conclave_actors::runtime::faults::FaultPlan;
use conclave_actors::runtime::faults::feed::FaultyFeed;
use conclave_actors::runtime::ports::Clock as _;
use conclave_domain::approvals::Pending;
use conclave_domain::market::tape::Chunk;
use conclave_domain::mode::Person;
use conclave_domain::order::DecisionId;
use conclave_domain::policy::caller::Look;
use conclave_domain::time::Time;
use conclave_domain::watch::{Raised, Seen};
use metrics_exporter_prometheus::PrometheusHandle;
use tokio::sync::watch;

use super::acts::Act;
use super::compare::{Comparison, Scratch};
use super::script::{Ending, Expiries};
use crate::adapters::clock::now;
use crate::cli::error::{CliError, ExitCode};
use crate::cli::progress::Progress;
use crate::http::desk::{Command, Desk as _};
use crate::report::RunReport;
use crate::run::checkpoint::Taker;
use crate::run::clock::{Replay, ReplayClock};
use crate::run::desk::bars::Bars;
use crate::run::desk::{DeskParts, RunDesk};
use crate::run::finish::{self, End};
use crate::run::lifting::Lifting;
use crate::run::prepare::{Prepared, Warm};
use crate::run::reload::InForce;
use crate::run::start::{Disks, begin, enter_mode, start};
use crate::run::way::{self, Base, Way};
use crate::run::world::{self, Opened};

/// Wall time between two decisions of a repetition: so that proposals expire in their order.
const BEAT_MS: i64 = 1;

/// What a session is played from.
pub(super) struct Stage<'a> {
    /// The scratch directory.
    pub(super) dir: &'a Path,
    /// The run, with the brains that answer.
    pub(super) prepared: Prepared,
    /// How many slices move at once.
    pub(super) chunk: usize,
    /// After which market time a drawdown halt is lifted.
    pub(super) lift: Option<Duration>,
    /// The log that it is compared with; a what-if has none.
    pub(super) with: Option<Comparison>,
    /// What persons did, for a what-if: applied by the market's clock.
    pub(super) acts: Vec<(Time, Act)>,
    /// Proposals that nobody had answered.
    pub(super) expiries: Expiries,
    /// The numbers of acts that are applied as early as they can be.
    pub(super) early: BTreeSet<u64>,
    /// Whether its bars were cut, so that their end is not the run's.
    pub(super) is_cut: bool,
    /// Whether no bar of progress is shown, because several are played at once.
    pub(super) is_quiet: bool,
    /// The process's metrics.
    pub(super) metrics: PrometheusHandle,
}

/// Plays one session to its end; its report, unless it ended in the middle.
///
/// # Errors
/// When the scratch directory, the store or an actor refuses.
pub(super) fn play(
    stage: &Stage<'_>,
    ending: Ending,
    is_resumed: bool,
) -> Result<Option<RunReport>, CliError> {
    let clock = Arc::new(ReplayClock::default());
    clock.stand(now());
    let config = &stage.prepared.config;
    let with = stage.with.clone();
    let opened = world::open_through(stage.dir, config, is_resumed, clock.clone(), |log| {
        Arc::new(Scratch::new(log, with))
    })?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(perform(stage, ending, &opened, clock))
}

async fn perform(
    stage: &Stage<'_>,
    ending: Ending,
    opened: &Opened,
    clock: Arc<ReplayClock>,
) -> Result<Option<RunReport>, CliError> {
    let mut prepared = stage.prepared.clone();
    // Faults of a port go by the number of its calls, which each process counts for itself.
    prepared.faults = FaultPlan::of(prepared.faults.source().clone());
    let way = way::choose(opened, false);
    let base = Base::new(&way, opened, &prepared)?;
    if base.comparing().is_some() {
        let text = "the scratch run was not stopped in order";
        return Err(CliError::new(ExitCode::Failure, text));
    }
    clock.set(base.until.unwrap_or_else(|| prepared.begins_at()));
    let warm = prepared.warmed_up(base.until, base.digested)?;
    let disks = Disks::open(opened, &base)?;
    let council =
        start(&prepared, (opened, &disks, Arc::clone(&clock)), &base, &warm, None).await?;
    let is_first = way.is_from_the_start(opened);
    if is_first || matches!(way, Way::Again(_)) {
        begin(&prepared, &council, &base).await?;
    }
    if is_first {
        enter_mode(&prepared, &council).await?;
    }
    let (safety, digested) = (Arc::clone(&disks.safety), base.digested);
    let taker = Taker { council: council.clone(), safety, chunk: stage.chunk, digested };
    let mut acting = Acting::new(stage, ending, (&council, &clock), &base, &warm);
    let (instruments, faults) = (&prepared.instruments, prepared.faults.clone());
    let mut feed = FaultyFeed::new(warm.tape, instruments, prepared.timeframe, faults);
    let played = driver::play(&mut feed, stage.chunk, &mut acting).await;
    let played = played.map_err(|error| {
        CliError::new(ExitCode::Failure, "the run could not be repeated").caused_by(error)
    })?;
    let end = match ending {
        _ if acting.hand.is_settled() || stage.is_cut => None,
        Ending::Data => Some(End::Data),
        Ending::Stopped { .. } => Some(End::Stopped),
        Ending::Open => None,
    };
    let mut report = None;
    if let Some(end) = end {
        acting.hand.keep_in_step(true).await;
        finish::settle(&council, end, warm.bars + played).await?;
        taker.take_last(acting.stations.halted_at(), Some(end)).await?;
        acting.hand.keep_in_step(true).await;
        let (accounts, anchor) = finish::close(&council).await?;
        report = Some(finish::report(&prepared, &council, (stage.dir, &accounts), anchor).await?);
    }
    council.stop().await;
    Ok(report)
}

/// Does what persons and clocks did.
struct Hand {
    council: Council,
    desk: RunDesk,
    clock: Arc<ReplayClock>,
    with: Option<Comparison>,
    expiries: Expiries,
    early: BTreeSet<u64>,
    /// A person's orders, for a what-if.
    orders: VecDeque<(Time, Person, Command)>,
    /// A person's answers, for a what-if.
    answers: BTreeMap<DecisionId, (Person, Command)>,
}

impl Hand {
    fn new(stage: &Stage<'_>, council: &Council, clock: &Arc<ReplayClock>) -> Self {
        let parts = DeskParts {
            council: council.clone(),
            dir: stage.dir.to_owned(),
            run_id: "replay".to_owned(),
            version: env!("CARGO_PKG_VERSION"),
            money: "paper",
            metrics: stage.metrics.clone(),
            clock: clock.clone(),
            limits: Arc::new(stage.prepared.config.limits.clone()),
            bars: Bars::of(&stage.prepared),
            speed: None,
            gateway: None,
            config: InForce::of(stage.prepared.layer.clone()),
            started_at: now(),
        };
        let (mut orders, mut answers) = (VecDeque::new(), BTreeMap::new());
        for (at, act) in stage.acts.clone() {
            match act {
                Act::Order(by, command) => orders.push_back((at, by, command)),
                Act::Answer { decision, by, command, .. } => {
                    drop(answers.insert(decision, (by, command)));
                }
                // Nobody had answered, and nobody does now.
                Act::Expiry { .. } => {}
            }
        }
        Self {
            council: council.clone(),
            desk: RunDesk::new(parts),
            clock: Arc::clone(clock),
            with: stage.with.clone(),
            expiries: stage.expiries.clone(),
            early: stage.early.clone(),
            orders,
            answers,
        }
    }

    /// Whether there is no use in going on.
    fn is_settled(&self) -> bool {
        self.with.as_ref().is_some_and(Comparison::is_settled)
    }

    /// Applies what comes next, as long as that is an act. A record tells behind which other one an act
    /// came, not how long behind: between bars, where a paced run waits, all of them are applied, and
    /// within one those that must have come early.
    async fn keep_in_step(&mut self, is_between: bool) {
        let Some(with) = self.with.clone() else { return self.answer().await };
        loop {
            // Behind this everything that was noted so far has been compared. A log that cannot be
            // written shows as records that are missing.
            let _ = self.council.audit.sync().await;
            let Some(due) = with.due() else { return };
            let Some(act) = Act::of(&due) else { return };
            if !is_between && !self.early.contains(&due.seq) {
                return;
            }
            let before = with.same();
            self.apply(act).await;
            let _ = self.council.audit.sync().await;
            if with.same() == before {
                // It came to nothing this time: its record is the one that is missing.
                with.finish();
                return;
            }
        }
    }

    async fn apply(&self, act: Act) {
        match act {
            Act::Order(by, command) => self.order(by, command).await,
            Act::Answer { decision, by, command, expired } => {
                if expired {
                    self.grow_old(&[decision.as_str()], true).await;
                }
                self.order(by, command).await;
            }
            Act::Expiry { seq } => {
                let over = self.expiries.get(&seq).map_or(&[][..], Vec::as_slice);
                let names: Vec<&str> = over.iter().map(DecisionId::as_str).collect();
                self.grow_old(&names, false).await;
                self.council.approvals.expire().await;
            }
        }
    }

    /// A refusal was one then, too: the records tell whether it is the same.
    async fn order(&self, by: Person, command: Command) {
        if let Err(refusal) = self.desk.command(by, command).await {
            tracing::debug!(%refusal, "refused again");
        }
    }

    /// Wall time passes until these proposals are too old; `unless_stale` leaves it where the market
    /// has moved on from them already.
    async fn grow_old(&self, decisions: &[&str], unless_stale: bool) {
        let waiting = self.council.approvals.list().await;
        let is_stale = |item: &Pending| {
            let patience = item.expires_at.since(item.proposed_at);
            self.clock.trading().since(item.proposal.at()) > patience
        };
        let over = waiting
            .iter()
            .filter(|item| decisions.contains(&item.decision.as_str()))
            .filter(|item| !(unless_stale && is_stale(item)))
            .map(|item| item.expires_at)
            .max();
        if let Some(over) = over {
            self.clock.stand(over.max(self.clock.wall()));
        }
    }

    /// What persons ordered, in a what-if: by the market's clock, because the records are others.
    async fn follow_the_clock(&mut self) {
        let now = self.council.broker.view().at;
        while let Some((_, by, command)) = self.orders.pop_front_if(|(at, ..)| *at <= now) {
            self.order(by, command).await;
        }
    }

    /// What persons answered, in a what-if: a proposal that nobody had answered then is answered by
    /// nobody now.
    async fn answer(&self) {
        let waiting = self.council.approvals.list().await;
        for item in &waiting {
            if let Some((by, command)) = self.answers.get(&item.decision) {
                self.order(by.clone(), command.clone()).await;
            }
        }
        if let Some(over) = waiting.iter().map(|item| item.expires_at).max() {
            self.clock.stand(over);
            self.council.approvals.expire().await;
        }
    }

    fn beat(&self) {
        self.clock.stand(Time::from_ms(self.clock.wall().ms().saturating_add(BEAT_MS)));
    }
}

/// Stations that keep in step with the log.
struct Acting {
    stations: Lifting,
    hand: Hand,
    ending: Ending,
    /// Bars that the run has played.
    bars: usize,
}

impl Acting {
    fn new(
        stage: &Stage<'_>,
        ending: Ending,
        (council, clock): (&Council, &Arc<ReplayClock>),
        base: &Base,
        warm: &Warm,
    ) -> Self {
        // Nobody asks a repetition to stop.
        let (_, stop) = watch::channel(false);
        let progress = if stage.is_quiet {
            Progress::hidden()
        } else {
            Progress::bars(stage.prepared.tape.bars() as u64)
        };
        let clock = Arc::clone(clock);
        let hand = Hand::new(stage, council, &clock);
        let rhythm = Replay { clock, progress, pace: Duration::ZERO, again: None };
        let pump = Pump { council: council.clone(), stop, rhythm };
        let stations = Lifting::new(pump, stage.lift, base.halted_at);
        Self { stations, hand, ending, bars: warm.bars }
    }
}

impl Stations for Acting {
    type Event = <Lifting as Stations>::Event;
    type Error = PumpError;

    async fn watch(&mut self, chunk: &Arc<Chunk>) -> Result<Seen, PumpError> {
        self.hand.keep_in_step(true).await;
        self.hand.follow_the_clock().await;
        self.bars += chunk.bars();
        self.stations.watch(chunk).await
    }

    async fn advance(
        &mut self,
        played: &Played,
        slices: Range<usize>,
    ) -> Result<Advanced<Self::Event>, PumpError> {
        self.hand.keep_in_step(false).await;
        self.stations.advance(played, slices).await
    }

    async fn attend(&mut self, event: Self::Event) -> Result<(), PumpError> {
        self.hand.keep_in_step(false).await;
        self.stations.attend(event).await
    }

    async fn decide(&mut self, raised: Raised) -> Result<(), PumpError> {
        self.hand.keep_in_step(false).await;
        self.hand.beat();
        self.stations.decide(raised).await
    }

    async fn consider(&mut self, look: Look) -> Result<(), PumpError> {
        self.hand.keep_in_step(false).await;
        self.stations.consider(look).await
    }

    fn reviews(&mut self, chunk: &Arc<Chunk>) -> Vec<usize> {
        self.stations.reviews(chunk)
    }

    async fn review(&mut self, at: Time) -> Result<(), PumpError> {
        self.hand.keep_in_step(false).await;
        self.stations.review(at).await
    }

    fn rest(&mut self) {
        self.stations.rest();
    }

    fn is_stopped(&self) -> bool {
        let was_stopped = matches!(self.ending, Ending::Stopped { bars } if self.bars >= bars);
        was_stopped || self.hand.is_settled() || self.stations.is_stopped()
    }
}
