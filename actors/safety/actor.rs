//! Safety's actor: a mover around the budgets, the standing and the supervisor.
//!
//! The handler never waits for the store: a save in flight comes back as a message, and whatever
//! depends on it waits in [`State`]. At most one save is in flight, so that they are in order.

use std::collections::VecDeque;
use std::time::Duration;

use conclave_domain::brief::trading::TradingState;
use conclave_domain::budget::{BudgetSnapshot, Budgets, Now, Permit, Request, Reserve};
use conclave_domain::code::Code;
use conclave_domain::fixed::Money;
use conclave_domain::mode::{By, ModeChange, change_mode, change_state, meaning};
use conclave_domain::role::Team;
use ractor::{Actor, ActorProcessingErr, ActorRef, SupervisionEvent};
use tokio::sync::oneshot;

use super::begin::{allows, recalled};
use super::{
    BudgetReport, LiveSafety, ModeRequest, SafetyArgs, SafetyEvent, SafetyMsg, SafetyRecord,
    Standing,
};
use crate::runtime::fence::Guard;
use crate::runtime::ports::{Done, StoreError};
use crate::runtime::supervision::{Remedy, Supervisor};

/// How long an agent may take to stop before it is killed.
const GRACE: Duration = Duration::from_secs(2);

/// The safety actor.
#[derive(Debug, Default)]
pub struct Safety;

/// Who waits for a save.
#[derive(Debug)]
enum Waiter {
    /// Permits that need a block.
    Block(Reserve),
    /// Nobody: a call has cost more than stands on the disk (G-2).
    Dearer,
    /// A change of state that is in force already.
    Stopped { to: TradingState, reply: oneshot::Sender<Result<TradingState, Code>> },
    /// A change of state that comes into force with the save.
    Lift {
        to: TradingState,
        by: By,
        why: String,
        /// The number of stops when it was asked for: a later stop wins.
        stops: u64,
        reply: oneshot::Sender<Result<TradingState, Code>>,
    },
    /// A change of mode that comes into force with the save.
    Mode { change: ModeChange, reply: oneshot::Sender<Result<ModeChange, Code>> },
}

/// Permits that somebody waits for.
#[derive(Debug)]
struct Job {
    requests: VecDeque<Request>,
    answers: Vec<Result<Permit, Code>>,
    reply: oneshot::Sender<Vec<Result<Permit, Code>>>,
}

/// What the safety actor keeps.
#[derive(Debug)]
pub struct State {
    args: SafetyArgs,
    me: ActorRef<SafetyMsg>,
    _guard: Guard,
    supervisor: Supervisor,
    budgets: Budgets,
    standing: Standing,
    stops: u64,
    jobs: VecDeque<Job>,
    waiting: Vec<Waiter>,
    in_flight: Option<Vec<Waiter>>,
}

impl Actor for Safety {
    type Msg = SafetyMsg;
    type State = State;
    type Arguments = SafetyArgs;

    async fn pre_start(
        &self,
        me: ActorRef<SafetyMsg>,
        args: SafetyArgs,
    ) -> Result<State, ActorProcessingErr> {
        let setup = &args.setup;
        let (budgets, mut standing) = recalled(setup).await?;
        let guard = setup.fence.guard();
        // A halt that did not reach the disk before a crash of this actor is still in the fence.
        if standing.trading_state == TradingState::Halted {
            setup.fence.halt();
        } else if setup.fence.is_state_halted() {
            standing.trading_state = TradingState::Halted;
        }
        publish(&args, &standing);
        let supervisor = Supervisor::start(
            me.get_cell(),
            setup.runtime.clone(),
            setup.intensity,
            setup.directory.clone(),
            setup.agents.clone(),
        )
        .await?;
        Ok(State {
            args,
            me,
            _guard: guard,
            supervisor,
            budgets,
            standing,
            stops: 0,
            jobs: VecDeque::new(),
            waiting: Vec::new(),
            in_flight: None,
        })
    }

    async fn handle(
        &self,
        _: ActorRef<SafetyMsg>,
        message: SafetyMsg,
        state: &mut State,
    ) -> Result<(), ActorProcessingErr> {
        match message {
            SafetyMsg::Permit { requests, reply } => state.permit(requests, reply),
            SafetyMsg::Settle { permit, cost } => state.settle(permit, cost),
            SafetyMsg::SetState { wanted, by, why, reply } => {
                state.set_state(wanted, by, why, reply);
            }
            SafetyMsg::SetMode { request, reply } => state.set_mode(request, reply),
            SafetyMsg::BeginRun { id } => state.budgets.begin_run(&id),
            SafetyMsg::Report { reply } => drop(reply.send(state.report())),
            SafetyMsg::Moment { reply } => drop(reply.send(state.moment())),
            SafetyMsg::Saved(result) => state.saved(&result),
            SafetyMsg::Restart(index) => state.restart(index),
            SafetyMsg::Started(started) => {
                let remedy = state.supervisor.started(started);
                state.follow(remedy);
            }
        }
        Ok(())
    }

    async fn handle_supervisor_evt(
        &self,
        _: ActorRef<SafetyMsg>,
        event: SupervisionEvent,
        state: &mut State,
    ) -> Result<(), ActorProcessingErr> {
        let remedy = state.supervisor.on_event(event);
        state.follow(remedy);
        Ok(())
    }

    /// Stops the agents in reverse order and writes the exact figures.
    async fn post_stop(
        &self,
        _: ActorRef<SafetyMsg>,
        state: &mut State,
    ) -> Result<(), ActorProcessingErr> {
        state.supervisor.stop(GRACE).await;
        let record = state.record(state.budgets.snapshot());
        let (answer, saved) = oneshot::channel();
        state.args.setup.store.save(record, Done::new(move |result| drop(answer.send(result))));
        saved.await??;
        Ok(())
    }
}

impl State {
    fn now(&self) -> Now {
        let clock = &self.args.setup.clock;
        Now { wall: clock.wall(), trading: clock.trading() }
    }

    fn permit(
        &mut self,
        requests: Vec<Request>,
        reply: oneshot::Sender<Vec<Result<Permit, Code>>>,
    ) {
        let answers = Vec::with_capacity(requests.len());
        let job = Job { requests: requests.into(), answers, reply };
        // O-4: what reduces risk waits neither for a save nor for those who do.
        let now = self.now();
        if job.requests.iter().all(Request::is_reducing) {
            let budgets = &mut self.budgets;
            let answers = job.requests.iter().map(|request| budgets.permit(request, now));
            drop(job.reply.send(answers.collect()));
            return;
        }
        self.jobs.push_back(job);
        self.serve();
    }

    /// Serves the jobs in order until one must wait for a block to be written down.
    fn serve(&mut self) {
        if self.is_reserving() {
            return;
        }
        let now = self.now();
        while let Some(mut job) = self.jobs.pop_front() {
            while let Some(request) = job.requests.front() {
                let allowed = allows(self.standing.trading_state, request);
                if allowed.is_ok()
                    && let Some(reserve) = self.budgets.reserve(request, now)
                {
                    self.jobs.push_front(job);
                    self.waiting.push(Waiter::Block(reserve));
                    self.save();
                    return;
                }
                let answer = allowed.and_then(|()| self.budgets.permit(request, now));
                if let Err(code) = &answer {
                    denied(*code);
                }
                job.answers.push(answer);
                job.requests.pop_front();
            }
            // Whoever had asked is gone, and no call was made.
            if let Err(answers) = job.reply.send(job.answers) {
                for permit in answers.into_iter().flatten() {
                    self.settle(permit, Money::ZERO);
                }
            }
        }
    }

    fn settle(&mut self, permit: Permit, cost: Money) {
        let now = self.now();
        if self.budgets.settle(permit, cost, now) {
            self.waiting.push(Waiter::Dearer);
            self.save();
        }
    }

    fn is_reserving(&self) -> bool {
        let is_block = |waiter: &Waiter| matches!(waiter, Waiter::Block(_));
        self.waiting.iter().chain(self.in_flight.iter().flatten()).any(is_block)
    }

    fn set_state(
        &mut self,
        wanted: TradingState,
        by: By,
        why: String,
        reply: oneshot::Sender<Result<TradingState, Code>>,
    ) {
        let now = self.standing.trading_state;
        match change_state(now, wanted, &by) {
            Err(code) => drop(reply.send(Err(code))),
            Ok(to) if to >= now => {
                self.stop(to, &by, &why);
                self.waiting.push(Waiter::Stopped { to, reply });
                self.save();
            }
            Ok(to) => {
                self.waiting.push(Waiter::Lift { to, by, why, stops: self.stops, reply });
                self.save();
            }
        }
    }

    /// More careful from this moment on, whatever becomes of the save.
    fn stop(&mut self, to: TradingState, by: &By, why: &str) {
        self.stops += 1;
        match to {
            TradingState::Halted => self.args.setup.fence.halt(),
            TradingState::Reducing => self.args.setup.fence.void_all(),
            TradingState::Active => {}
        }
        self.change(to, by, why);
    }

    fn change(&mut self, to: TradingState, by: &By, why: &str) {
        let from = std::mem::replace(&mut self.standing.trading_state, to);
        publish(&self.args, &self.standing);
        // What a person orders is written down with its reason even where it changes nothing; a rule
        // that finds its condition true again has nothing to add.
        if from != to || matches!(by, By::Person(_)) {
            let (by, why) = (by.name().to_owned(), format!("{why} ({})", meaning(to)));
            tracing::warn!(from = from.name(), to = to.name(), by, why, "trading state ordered");
            (self.args.setup.events)(SafetyEvent::StateChanged { from, to, by, why });
        }
    }

    fn set_mode(&mut self, request: ModeRequest, reply: oneshot::Sender<Result<ModeChange, Code>>) {
        let ModeRequest { job, to, by, record, override_reason } = request;
        let from = self.standing.mode(job);
        match change_mode(job, (from, to), &by, record, override_reason.as_deref()) {
            Err(code) => drop(reply.send(Err(code))),
            Ok(change) => {
                // Downward is in force at once, upward only once it is on the disk. What was
                // decided under the freer mode and has not left does not leave any more.
                if to < from {
                    self.args.setup.fence.void_all();
                    self.standing.modes.insert(job, to);
                    publish(&self.args, &self.standing);
                }
                self.waiting.push(Waiter::Mode { change, reply });
                self.save();
            }
        }
    }

    /// Begins a save for whoever waits, unless one is in flight: then it follows that one.
    fn save(&mut self) {
        if self.in_flight.is_some() || self.waiting.is_empty() {
            return;
        }
        let record = self.record(self.budgets.checkpoint());
        let waiters = std::mem::take(&mut self.waiting);
        let record = waiters.iter().fold(record, |mut record, waiter| {
            match waiter {
                Waiter::Lift { to, stops, .. } if *stops == self.stops => {
                    record.trading_state = *to;
                }
                Waiter::Mode { change, .. } => {
                    record.modes.insert(change.job, change.to);
                }
                _ => {}
            }
            record
        });
        self.in_flight = Some(waiters);
        let me = self.me.clone();
        let done = Done::new(move |result| {
            // A safety actor that is gone reads the store when it comes back.
            let _ = me.cast(SafetyMsg::Saved(result));
        });
        self.args.setup.store.save(record, done);
    }

    fn saved(&mut self, result: &Result<(), StoreError>) {
        let waiters = self.in_flight.take().unwrap_or_default();
        if let Err(error) = result {
            tracing::error!(error = error as &dyn std::error::Error, "safety could not be saved");
        }
        let written = result.is_ok();
        let verdict = |is: bool| if is { Ok(()) } else { Err(Code::SafetyStore) };
        for waiter in waiters {
            match waiter {
                Waiter::Dearer => {}
                Waiter::Block(reserve) if written => self.budgets.reserved(reserve),
                Waiter::Block(reserve) => {
                    self.budgets.not_reserved(reserve);
                    self.refuse_first();
                }
                Waiter::Stopped { to, reply } => {
                    let _ = reply.send(verdict(written).map(|()| to));
                }
                Waiter::Lift { to, by, why, stops, reply } => {
                    let outcome = match () {
                        () if !written => Err(Code::SafetyStore),
                        () if stops != self.stops => Err(Code::SafetyHalted),
                        () => Ok(to),
                    };
                    if outcome.is_ok() {
                        self.lift(to, &by, &why);
                    }
                    let _ = reply.send(outcome);
                }
                Waiter::Mode { change, reply } => {
                    if written {
                        self.standing.modes.insert(change.job, change.to);
                        publish(&self.args, &self.standing);
                        (self.args.setup.events)(SafetyEvent::ModeChanged(change.clone()));
                    }
                    let _ = reply.send(verdict(written).map(|()| change));
                }
            }
        }
        self.save();
        self.serve();
    }

    fn lift(&mut self, to: TradingState, by: &By, why: &str) {
        if to < TradingState::Halted {
            self.args.setup.fence.lift();
        }
        self.change(to, by, why);
    }

    /// The block that the first job waits for could not be written: its request is refused.
    fn refuse_first(&mut self) {
        if let Some(job) = self.jobs.front_mut() {
            job.requests.pop_front();
            job.answers.push(Err(Code::SafetyStore));
            denied(Code::SafetyStore);
        }
    }

    fn record(&self, budgets: BudgetSnapshot) -> SafetyRecord {
        let Standing { mut trading_state, modes } = self.standing.clone();
        // The root halts the fence when the council falls, and asks nobody.
        if self.args.setup.fence.is_state_halted() {
            trading_state = TradingState::Halted;
        }
        SafetyRecord { budgets, trading_state, modes }
    }

    /// Everything as it is, unless a change is on its way to the disk.
    fn moment(&self) -> Option<LiveSafety> {
        if self.in_flight.is_some() || !self.waiting.is_empty() || !self.jobs.is_empty() {
            return None;
        }
        let budgets = self.budgets.live()?;
        Some(LiveSafety { standing: self.standing.clone(), budgets })
    }

    fn report(&mut self) -> BudgetReport {
        let now = self.now();
        let remaining = self.budgets.remaining(now);
        for row in &remaining {
            let budget = row.budget.clone();
            metrics::gauge!("conclave_budget_remaining", "budget" => budget).set(row.left.get());
        }
        let free = Team::ALL.map(|team| (team, self.budgets.free_consultations(team)));
        BudgetReport { remaining, free: free.into(), costs: self.budgets.run_costs() }
    }

    fn follow(&mut self, remedy: Remedy) {
        match remedy {
            Remedy::Nothing => {}
            Remedy::RestartAfter(pause, index) => {
                if let Some(agent) = self.supervisor.name(index) {
                    (self.args.setup.events)(SafetyEvent::AgentEnded { agent });
                }
                if pause.is_zero() {
                    self.restart(index);
                } else {
                    self.me.send_after(pause, move || SafetyMsg::Restart(index));
                }
            }
            Remedy::GaveUp(agent, end) => {
                let why = end.text().to_owned();
                (self.args.setup.events)(SafetyEvent::AgentGivenUp { agent, why });
                let (by, (reply, _)) = (By::Rule("restart_storm"), oneshot::channel());
                let to = TradingState::Reducing.max(self.standing.trading_state);
                self.set_state(to, by, format!("{agent} ended too often"), reply);
            }
        }
    }

    fn restart(&self, index: usize) {
        let me = self.me.clone();
        self.supervisor.restart(index, move |started| {
            let _ = me.cast(SafetyMsg::Started(started));
        });
    }
}

fn denied(code: Code) {
    metrics::counter!("conclave_denials_total", "code" => code.as_str()).increment(1);
}

fn publish(args: &SafetyArgs, standing: &Standing) {
    for state in [TradingState::Active, TradingState::Reducing, TradingState::Halted] {
        let value = if state == standing.trading_state { 1.0 } else { 0.0 };
        metrics::gauge!("conclave_trading_state", "state" => state.name()).set(value);
    }
    args.standing.send_replace(standing.clone());
}
