//! Budgets: how often, how much and how soon again something may be done.
//!
//! # Invariants
//!
//! - G-1: within any window no more permits are given than the budget.
//! - G-2: a restart gives nothing back: what may have been spent when the process died is spent.
//! - G-3: money is reserved before a call; a call whose price is unknown is refused.
//!
//! A paid consultation names a ladder of models; which rung it is granted follows from what is left
//! ([`ladder`]). A share of each money cap is kept for the Risk Guardian, so that the others cannot
//! spend what its next word costs.
//!
//! Paid consultations and money count on wall time, whatever the market's clock does; actions,
//! critical actions and spacing count on the trading clock. Windows slide: a day is any 24 hours.
//! Consultations of rules brains are counted and not limited. What reduces risk is counted, uses
//! up its budget like everything else, and is never refused.
//!
//! **Durability.** A permit must not cost a flush, and a crash must not give one back. So blocks of
//! [`BLOCK`] are written down as spent *before* they are given out ([`Budgets::reserve`]); after a
//! crash the rest of a block counts as spent at the moment of the restart, after a clean stop it is
//! as if it had never been reserved.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;

use crate::code::Code;
use crate::fixed::Money;
use crate::ratio::Ratio;
use crate::role::Team;
use crate::time::Time;

mod config;
pub mod ladder;
pub mod ledger;
mod meter;
mod request;
mod snapshot;

pub use config::{BudgetConfig, BudgetError, WhenSpent};
pub use ladder::StepDown;
pub use request::{Asker, Paid, Permit, Request, Rung};
pub use snapshot::{BudgetSnapshot, LiveBudgets, Reserve};

use meter::{Line, Meter};

/// How many permits are written down as spent at a time.
pub const BLOCK: i64 = 8;

/// The two clocks that budgets count on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Now {
    /// Wall time: paid consultations and money.
    pub wall: Time,
    /// The trading clock: actions, critical actions, spacing.
    pub trading: Time,
}

/// How one budget stands.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Remaining {
    /// The budget's name in metrics, configuration and on the command line.
    pub budget: String,
    /// What may be spent within its window: a count, or US dollars.
    pub limit: Ratio,
    /// What is reserved by calls that are under way, at their worst; zero for counts.
    pub reserved: Ratio,
    /// What is spent beside that; more than the limit where a call cost more than it could.
    pub spent: Ratio,
    /// What of the spent a process that died had reserved in a block of this line alone, and may not have
    /// paid. Without it the lines of the agents add up to the run's.
    pub blocks: Ratio,
    /// What is left of it, never negative.
    pub left: Ratio,
    /// When what is spent comes back; `None` where nothing is spent, or nothing ever comes back.
    pub refill: Option<Refill>,
}

/// When a window lets go of what is spent, on the clock that the budget counts on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Refill {
    /// When the first of it comes back.
    pub begins_at: Time,
    /// When all of it has come back, if nothing more is spent.
    pub full_at: Time,
    /// Whether these are times of the market, and not of the wall.
    pub is_market_time: bool,
}

/// What a run has cost: calls that nobody settled, and what a crash had reserved, at their worst.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct RunCosts {
    /// In all.
    pub total: Money,
    /// By agent.
    pub by_agent: BTreeMap<String, Money>,
}

/// Money that a call under way holds, for whoever looks.
#[derive(Clone, Debug)]
struct Held {
    at: Time,
    run_serial: u64,
    lines: Vec<Line>,
    money: i64,
}

/// All budgets of one process.
#[derive(Debug)]
pub struct Budgets {
    config: BudgetConfig,
    meters: BTreeMap<Line, Meter>,
    /// Calls under way by the number of their permit. A part of what is spent, never beside it.
    held: BTreeMap<u64, Held>,
    permits: u64,
    adjusted: BTreeMap<String, Time>,
    /// After a crash nobody knows what was adjusted last: everything was, at the restart.
    adjusted_floor: Option<Time>,
    run: String,
    run_serial: u64,
    free: BTreeMap<Team, u64>,
    durable: bool,
    /// Blocks of actions that were ever reserved.
    blocks: u64,
}

impl Budgets {
    /// Full budgets that live as long as the process: tests, and runs on simulated money whose
    /// brains cost nothing.
    ///
    /// # Errors
    /// Everything in the configuration that passes a hard limit.
    pub fn new(config: BudgetConfig) -> Result<Self, Vec<BudgetError>> {
        config.validate()?;
        let mut meters = BTreeMap::new();
        for line in Line::fixed() {
            let limit = line.limit(&config);
            meters.insert(line, Meter::new(limit));
        }
        Ok(Self {
            config,
            meters,
            held: BTreeMap::new(),
            permits: 0,
            adjusted: BTreeMap::new(),
            adjusted_floor: None,
            run: String::new(),
            run_serial: 0,
            free: BTreeMap::new(),
            durable: false,
            blocks: 0,
        })
    }

    /// The configuration in force.
    pub const fn config(&self) -> &BudgetConfig {
        &self.config
    }

    /// A new run gets fresh per-run budgets; the same run, continued after a restart, does not.
    pub fn begin_run(&mut self, id: &str) {
        if self.run != id {
            id.clone_into(&mut self.run);
            self.run_serial += 1;
            self.meters.retain(|line, _| !line.is_of_run());
            for line in Line::fixed().filter(Line::is_of_run) {
                let limit = line.limit(&self.config);
                self.meters.insert(line, Meter::new(limit));
            }
        }
    }

    /// Gives a permit and spends what it takes: for a paid consultation, what the granted rung can
    /// cost at most.
    ///
    /// # Errors
    /// The code of the first budget that is spent; [`Code::SafetyStore`] when the budgets are
    /// durable and the spend has not been written down (see [`Budgets::reserve`]). What reduces
    /// risk is never refused.
    pub fn permit(&mut self, request: &Request, now: Now) -> Result<Permit, Code> {
        self.check();
        let exempt = request.is_reducing();
        let granted = if exempt { None } else { self.granted(request, now)? };
        let takes = request.takes(granted.as_ref());
        if !exempt && self.durable && !self.covers(&takes) {
            return Err(Code::SafetyStore);
        }
        self.spend(request, &takes, now);
        self.permits += 1;
        let (serial, run_serial) = (self.permits, self.run_serial);
        if let Some(rung) = &granted {
            let (lines, money) = (request.money(&rung.model), rung.at_most.map_or(0, Money::raw));
            self.held.insert(serial, Held { at: now.wall, run_serial, lines, money });
            // A call that is an hour old is none any more: nobody will settle it.
            self.held.retain(|_, held| now.wall.since(held.at) < HOUR);
        }
        self.check();
        let request = request.clone();
        Ok(Permit { request, granted, given_at: now, run_serial, serial, booked: None })
    }

    /// Replaces what a permit reserved by what the call has cost. Nothing else is given back: a
    /// consultation that was permitted counts, whether or not it took place. Says whether the call
    /// has cost more than is written down as spent: then that should be written down soon.
    pub fn settle(&mut self, permit: Permit, cost: Money, now: Now) -> bool {
        self.check();
        let cost = cost.raw().clamp(0, COST_MAX);
        let change = cost.saturating_sub(permit.reserved().raw());
        let Permit { request, granted, given_at, run_serial, serial, .. } = permit;
        let is_this = |held: &Held| held.at == given_at.wall && held.run_serial == run_serial;
        if self.held.get(&serial).is_some_and(is_this) {
            self.held.remove(&serial);
        }
        let mut is_ahead_of_disk = false;
        for line in granted.iter().flat_map(|rung| request.money(&rung.model)) {
            // A run that has ended meanwhile took its meter with it.
            if line.is_of_run() && run_serial != self.run_serial {
                continue;
            }
            let clock = line.clock();
            if let Some(meter) = self.meters.get_mut(&line) {
                is_ahead_of_disk |= self.durable && change > meter.ahead;
                meter.correct(clock.of(given_at), clock.of(now), change, line.window());
            }
        }
        self.check();
        is_ahead_of_disk
    }

    /// Whether a permit for this would be given now; spends nothing.
    ///
    /// # Errors
    /// As [`Budgets::permit`], but for what has not been written down.
    pub fn would_permit(&mut self, request: &Request, now: Now) -> Result<(), Code> {
        if request.is_reducing() { Ok(()) } else { self.granted(request, now).map(drop) }
    }

    /// Consultations of brains that cost nothing, by team, since the start.
    pub fn free_consultations(&self, team: Team) -> u64 {
        self.free.get(&team).copied().unwrap_or(0)
    }

    /// How each budget stands, in a stable order. Looking changes nothing (D-1): what has expired
    /// is forgotten when something is spent, so that a record does not depend on who looked before.
    pub fn remaining(&self, now: Now) -> Vec<Remaining> {
        let rows = self.meters.iter().map(|(line, meter)| {
            let all = meter.spent_at(line.clock().of(now), line.window());
            let reserved = self.reserved_of(line, now).min(all);
            Remaining {
                budget: line.name(),
                limit: line.display(meter.limit()),
                reserved: line.display(reserved),
                spent: line.display(all - reserved),
                blocks: line.display(meter.buried_at(line.clock().of(now), line.window())),
                left: line.display(meter.limit().saturating_sub(all).max(0)),
                refill: meter.refill(line.clock(), line.clock().of(now), line.window()),
            }
        });
        rows.collect()
    }

    /// What the present run has cost so far.
    pub fn run_costs(&self) -> RunCosts {
        let mut costs = RunCosts::default();
        for (line, meter) in &self.meters {
            let spent = Money::from_raw(meter.spent());
            match line {
                Line::MoneyRun => costs.total = spent,
                Line::AgentRun(agent) => drop(costs.by_agent.insert(agent.clone(), spent)),
                _ => {}
            }
        }
        costs
    }

    /// What calls under way hold of a line.
    fn reserved_of(&self, line: &Line, now: Now) -> i64 {
        let counts = |held: &&Held| {
            let of_this_run = !line.is_of_run() || held.run_serial == self.run_serial;
            of_this_run && now.wall.since(held.at) < HOUR && held.lines.contains(line)
        };
        self.held.values().filter(counts).map(|held| held.money).sum()
    }

    /// The rung that a request is granted; `None` for what costs nothing.
    fn granted(&mut self, request: &Request, now: Now) -> Result<Option<Rung>, Code> {
        let paid = match request {
            Request::Consultation { paid, .. } => paid.as_ref(),
            Request::Action { .. } => None,
        };
        let priced = |rung: &Rung| rung.at_most.is_some_and(|most| most >= Money::ZERO);
        if paid.is_some_and(|paid| paid.rungs.is_empty() || !paid.rungs.iter().all(priced)) {
            return Err(Code::SafetyUnknownPrice);
        }
        if let Request::Action { parameter: Some(parameter), .. } = request {
            self.rested(parameter, now.trading)?;
        }
        for (line, units) in request.counts() {
            if self.left(&line, now) < units {
                return Err(line.code());
            }
        }
        let Some(paid) = paid else { return Ok(None) };
        let offers: Vec<ladder::Offer> =
            paid.rungs.iter().map(|rung| self.offer(request, rung, now)).collect();
        let nth = ladder::choose(&offers, self.config.usd_per_call, self.config.step_down)?;
        Ok(paid.rungs.get(nth).cloned())
    }

    /// A rung and the caps that it would count under.
    fn offer(&mut self, request: &Request, rung: &Rung, now: Now) -> ladder::Offer {
        let rooms = request.money(&rung.model).into_iter().map(|line| {
            let kept = self.kept_from(request, &line);
            let left = (self.left(&line, now) - kept).max(0);
            let limit = line.limit(&self.config).saturating_sub(kept);
            ladder::Room { left, limit, code: line.code() }
        });
        let rooms = rooms.collect();
        ladder::Offer { at_most: rung.at_most.unwrap_or(Money::ZERO), rooms }
    }

    /// What of a line is not for whoever asks: the guardian's reserve.
    fn kept_from(&self, request: &Request, line: &Line) -> i64 {
        let is_kept = line.is_money() && !request.is_protected();
        if is_kept { self.config.reserve_of(line.limit(&self.config)) } else { 0 }
    }

    /// What is left of a line, which forgets what has expired.
    fn left(&mut self, line: &Line, now: Now) -> i64 {
        match self.meters.get_mut(line) {
            None => line.limit(&self.config),
            Some(meter) => {
                meter.expire(line.clock().of(now), line.window());
                meter.left()
            }
        }
    }

    fn rested(&self, parameter: &str, now: Time) -> Result<(), Code> {
        let last = self.adjusted.get(parameter).copied().max(self.adjusted_floor);
        let rested = last.is_none_or(|last| now.since(last) >= self.config.spacing);
        if rested { Ok(()) } else { Err(Code::SafetySpacing) }
    }

    fn spend(&mut self, request: &Request, takes: &[(Line, i64)], now: Now) {
        for (line, units) in takes {
            let limit = line.limit(&self.config);
            let meter = self.meters.entry(line.clone()).or_insert_with(|| Meter::new(limit));
            meter.spend(line.clock().of(now), *units, line.window());
        }
        match request {
            Request::Consultation { asker, paid: None } => {
                *self.free.entry(asker.team).or_default() += 1;
            }
            Request::Action { parameter: Some(parameter), .. } => {
                self.adjusted.insert(parameter.clone(), now.trading);
                // What has rested long since need not be remembered.
                let spacing = self.config.spacing;
                self.adjusted.retain(|_, at| now.trading.since(*at) < spacing.max(HOUR));
            }
            _ => {}
        }
    }

    fn check(&self) {
        debug_assert!(self.meters.values().all(Meter::is_sound), "a meter does not add up");
    }
}

/// The most that one call is booked at, in raw steps: ten times the hard limit of a day. Nothing is
/// permitted any more after that, and sums stay far from overflowing.
const COST_MAX: i64 = 10 * BudgetConfig::HARD_MONEY_PER_DAY.raw();
/// One hour.
const HOUR: Duration = Duration::from_hours(1);
/// One day.
const DAY: Duration = Duration::from_hours(24);

#[cfg(test)]
mod tests;
