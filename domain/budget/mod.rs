//! Budgets: how often, how much and how soon again something may be done.
//!
//! # Invariants
//!
//! - G-1: within any window no more permits are given than the budget.
//! - G-2: a restart gives nothing back: what may have been spent when the process died is spent.
//! - G-3: money is reserved before a call; a call whose price is unknown is refused.
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
mod meter;
mod snapshot;

pub use config::{BudgetConfig, BudgetError};
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

/// The model that a paid consultation asks, and the most that the call can cost.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Paid {
    /// The model's name in the price table.
    pub model: String,
    /// The most that the call can cost; `None` when the model's price is not known.
    pub at_most: Option<Money>,
}

/// What is asked permission for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Request {
    /// Asking one agent of a team; `paid` is `None` for rules and recorded brains.
    Consultation {
        /// The agent's team.
        team: Team,
        /// What it costs.
        paid: Option<Paid>,
    },
    /// Doing something.
    Action {
        /// The parameter that is adjusted, if it is an adjustment: the same one rests afterwards.
        parameter: Option<String>,
        /// Whether it is a critical action.
        critical: bool,
        /// Whether it only reduces risk: then it is never refused.
        reduces_risk: bool,
    },
}

impl Request {
    /// An adjustment of one parameter.
    pub fn action(parameter: &str) -> Self {
        let parameter = Some(parameter.to_owned());
        Self::Action { parameter, critical: false, reduces_risk: false }
    }

    /// A critical action, such as an appeal.
    pub fn critical(what: &str) -> Self {
        Self::Action { parameter: Some(what.to_owned()), critical: true, reduces_risk: false }
    }

    /// An entry order.
    pub const fn entry() -> Self {
        Self::Action { parameter: None, critical: false, reduces_risk: false }
    }

    /// An exit, a cancel, a flattening: counted, never refused.
    pub const fn reducing() -> Self {
        Self::Action { parameter: None, critical: false, reduces_risk: true }
    }

    /// Whether it only reduces risk: then it is never refused.
    pub const fn is_reducing(&self) -> bool {
        matches!(self, Self::Action { reduces_risk: true, .. })
    }

    /// What it takes from which line.
    fn takes(&self) -> Vec<(Line, i64)> {
        match self {
            Self::Consultation { paid: None, .. } => Vec::new(),
            Self::Consultation { team, paid: Some(paid) } => {
                let money = paid.at_most.map_or(0, Money::raw);
                let mut takes = vec![(Line::Team(*team), 1), (Line::All, 1)];
                if *team == Team::Training {
                    takes.push((Line::TrainingRun, 1));
                }
                takes.push((Line::MoneyRun, money));
                takes.push((Line::MoneyDay, money));
                takes.push((Line::Model(paid.model.clone()), money));
                takes
            }
            Self::Action { critical, .. } => {
                let mut takes = vec![(Line::Actions, 1)];
                if *critical {
                    takes.push((Line::Critical, 1));
                }
                takes
            }
        }
    }
}

/// Leave to do one thing. What it reserved stays spent unless it is settled.
#[derive(Debug, PartialEq, Eq)]
#[must_use = "an unused permit stays spent"]
pub struct Permit {
    request: Request,
    given_at: Now,
    /// Which run of the process it was given in, counted from zero.
    run_serial: u64,
}

impl Permit {
    /// Whether it is for a critical action.
    pub fn is_critical(&self) -> bool {
        matches!(self.request, Request::Action { critical: true, .. })
    }

    /// What it is for.
    pub const fn request(&self) -> &Request {
        &self.request
    }

    /// The money that it reserved.
    pub fn reserved(&self) -> Money {
        match &self.request {
            Request::Consultation { paid: Some(paid), .. } => paid.at_most.unwrap_or(Money::ZERO),
            _ => Money::ZERO,
        }
    }
}

/// How much of one budget is left.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Remaining {
    /// The budget's name in metrics, configuration and on the command line.
    pub budget: String,
    /// What may be spent within its window: a count, or US dollars.
    pub limit: Ratio,
    /// What is left of it, never negative.
    pub left: Ratio,
}

/// All budgets of one process.
#[derive(Debug)]
pub struct Budgets {
    config: BudgetConfig,
    meters: BTreeMap<Line, Meter>,
    adjusted: BTreeMap<String, Time>,
    /// After a crash nobody knows what was adjusted last: everything was, at the restart.
    adjusted_floor: Option<Time>,
    run: String,
    run_serial: u64,
    free: BTreeMap<Team, u64>,
    durable: bool,
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
            adjusted: BTreeMap::new(),
            adjusted_floor: None,
            run: String::new(),
            run_serial: 0,
            free: BTreeMap::new(),
            durable: false,
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
            for line in [Line::TrainingRun, Line::MoneyRun] {
                let limit = line.limit(&self.config);
                self.meters.insert(line, Meter::new(limit));
            }
        }
    }

    /// Gives a permit and spends what it takes.
    ///
    /// # Errors
    /// The code of the first budget that is spent; [`Code::SafetyStore`] when the budgets are
    /// durable and the spend has not been written down (see [`Budgets::reserve`]). What reduces
    /// risk is never refused.
    pub fn permit(&mut self, request: &Request, now: Now) -> Result<Permit, Code> {
        self.check();
        let takes = request.takes();
        let exempt = request.is_reducing();
        if !exempt {
            self.refusal(request, &takes, now)?;
            if self.durable && !self.covers(&takes) {
                return Err(Code::SafetyStore);
            }
        }
        self.spend(request, &takes, now);
        self.check();
        Ok(Permit { request: request.clone(), given_at: now, run_serial: self.run_serial })
    }

    /// Replaces what a permit reserved by what the call has cost. Nothing else is given back: a
    /// consultation that was permitted counts, whether or not it took place.
    pub fn settle(&mut self, permit: Permit, cost: Money, now: Now) {
        self.check();
        let change = cost.raw().max(0).saturating_sub(permit.reserved().raw());
        let Permit { request, given_at, run_serial } = permit;
        let lines = request.takes().into_iter().map(|(line, _)| line);
        for line in lines.filter(Line::is_money) {
            // A run that has ended meanwhile took its meter with it.
            if line == Line::MoneyRun && run_serial != self.run_serial {
                continue;
            }
            let clock = line.clock();
            if let Some(meter) = self.meters.get_mut(&line) {
                meter.correct(clock.of(given_at), clock.of(now), change, line.window());
            }
        }
        self.check();
    }

    /// Whether a permit for this would be given now; spends nothing.
    ///
    /// # Errors
    /// As [`Budgets::permit`], but for what has not been written down.
    pub fn would_permit(&mut self, request: &Request, now: Now) -> Result<(), Code> {
        if request.is_reducing() { Ok(()) } else { self.refusal(request, &request.takes(), now) }
    }

    /// Consultations of brains that cost nothing, by team, since the start.
    pub fn free_consultations(&self, team: Team) -> u64 {
        self.free.get(&team).copied().unwrap_or(0)
    }

    /// What is left of each budget, in a stable order. Looking changes nothing (D-1): what has expired
    /// is forgotten when something is spent, so that a record does not depend on who looked before.
    pub fn remaining(&self, now: Now) -> Vec<Remaining> {
        let rows = self.meters.iter().map(|(line, meter)| Remaining {
            budget: line.name(),
            limit: line.display(meter.limit()),
            left: line.display(meter.left_at(line.clock().of(now), line.window())),
        });
        rows.collect()
    }

    fn refusal(&mut self, request: &Request, takes: &[(Line, i64)], now: Now) -> Result<(), Code> {
        if let Request::Consultation { paid: Some(paid), .. } = request {
            let at_most = paid.at_most.ok_or(Code::SafetyUnknownPrice)?;
            if at_most < Money::ZERO {
                return Err(Code::SafetyUnknownPrice);
            }
            if at_most > self.config.usd_per_call {
                return Err(Code::SafetyMoneyCall);
            }
        }
        if let Request::Action { parameter: Some(parameter), .. } = request {
            self.rested(parameter, now.trading)?;
        }
        for (line, units) in takes {
            let limit = line.limit(&self.config);
            let meter = self.meters.entry(line.clone()).or_insert_with(|| Meter::new(limit));
            meter.expire(line.clock().of(now), line.window());
            if meter.left() < *units {
                return Err(line.code());
            }
        }
        Ok(())
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
            Request::Consultation { team, paid: None } => {
                *self.free.entry(*team).or_default() += 1;
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

/// One hour.
const HOUR: Duration = Duration::from_hours(1);
/// One day.
const DAY: Duration = Duration::from_hours(24);

#[cfg(test)]
mod tests;
