//! What a seed stands for: a market, a council and everything that will disturb it.

use std::collections::BTreeMap;
use std::time::Duration;

use conclave_domain::budget::BudgetConfig;
use conclave_domain::faults::{Fault, Item, Port, Schedule};
use conclave_domain::fixed::Money;
use conclave_domain::limits::Limits;
use conclave_domain::market::series::Series;
use conclave_domain::market::synth::{Preset, SynthConfig, SynthError, generate};
use conclave_domain::mode::Mode;
use conclave_domain::ratio::Ratio;
use conclave_domain::role::AgentName;
use conclave_domain::sim_broker::{FillAt, SimConfig};
use conclave_domain::strategy::StrategyConfig;
use conclave_domain::tally::Settle;

use super::dice::Dice;
use crate::trading::TEAM;

/// Days that the market was watched before the council starts: volatility and returns are known.
pub(super) const WATCHED: usize = 256;

/// How one agent of a world thinks.
#[derive(Clone, Debug)]
pub(super) struct Mind {
    /// Whether its calls cost money.
    pub(super) paid: bool,
    /// The longest that it takes, milliseconds.
    pub(super) latency_ms: u64,
    /// How often it is against, or objects, whatever its rules say: per mille.
    pub(super) contrary: u64,
}

/// A world before anything has happened in it.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    pub(super) seed: u64,
    pub(super) series: Vec<Series>,
    pub(super) strategy: StrategyConfig,
    pub(super) mode: Mode,
    pub(super) sim: SimConfig,
    pub(super) budgets: BudgetConfig,
    pub(super) limits: Limits,
    pub(super) settle: Settle,
    pub(super) patience: Duration,
    pub(super) long_only: bool,
    pub(super) minds: BTreeMap<AgentName, Mind>,
    /// The longest that a disk takes for a call, milliseconds.
    pub(super) disk_ms: u64,
    /// Slices between two times at which the accounts are stored.
    pub(super) keep_every: u64,
    /// The longest that passes between two slices, seconds of wall time.
    pub(super) pace_s: u64,
    /// What goes wrong.
    pub(super) schedule: Schedule,
}

impl Plan {
    /// The world of a seed.
    pub(super) fn of(seed: u64) -> Result<Self, SynthError> {
        let mut dice = Dice::new(seed, "plan");
        let preset = if dice.per_mille(500) { Preset::Calm } else { Preset::Default };
        let played = usize::try_from(dice.between(24, 60)).unwrap_or(24);
        let symbols = usize::try_from(dice.between(2, 4)).unwrap_or(2);
        let market = SynthConfig {
            symbols,
            bars: WATCHED + played,
            news_per_year: Ratio::ZERO,
            ..SynthConfig::of(preset)
        };
        let slow = dice.per_mille(600);
        Ok(Self {
            seed,
            series: generate(&market, seed)?.series,
            strategy: strategy(&mut dice),
            mode: dice.pick(&Mode::ALL).unwrap_or(Mode::Advisory),
            sim: sim(&mut dice, seed),
            budgets: budgets(&mut dice),
            limits: Limits::default(),
            settle: if dice.per_mille(600) { Settle::Early } else { Settle::All },
            patience: Duration::from_millis(dice.between(300, 2_000)),
            long_only: dice.per_mille(200),
            minds: minds(&mut dice, slow),
            disk_ms: if slow { dice.between(0, 20) } else { 0 },
            keep_every: dice.between(1, 9),
            pace_s: dice.pick(&[0, 30, 900, 7_200]).unwrap_or(0),
            schedule: schedule(seed, played as u64),
        })
    }
}

fn strategy(dice: &mut Dice) -> StrategyConfig {
    let bars = |value: u64| u16::try_from(value).unwrap_or(2);
    match dice.below(3) {
        0 => StrategyConfig::SmaCross {
            fast: bars(dice.between(1, 3)),
            slow: bars(dice.between(4, 7)),
        },
        1 => StrategyConfig::Momentum {
            lookback: bars(dice.between(2, 5)),
            threshold: Ratio::of(0.004),
        },
        _ => StrategyConfig::MeanReversion {
            window: bars(dice.between(4, 8)),
            entry: Ratio::of(0.9),
            rearm: Ratio::of(0.4),
        },
    }
}

fn sim(dice: &mut Dice, seed: u64) -> SimConfig {
    SimConfig {
        fill_at: if dice.per_mille(650) { FillAt::NextOpen } else { FillAt::Close },
        delay_bars: u32::try_from(dice.pick(&[0, 0, 0, 1, 2]).unwrap_or(0)).unwrap_or(0),
        volume_share: dice.per_mille(250).then(|| Ratio::of(0.000_05)),
        rejection: if dice.per_mille(200) { Ratio::of(0.2) } else { Ratio::ZERO },
        seed,
        ..SimConfig::default()
    }
}

/// Tight ones often, so that they are met.
fn budgets(dice: &mut Dice) -> BudgetConfig {
    let count = |value: Option<u64>| u32::try_from(value.unwrap_or(50)).unwrap_or(50);
    let cents = |value: Option<i64>| Money::from_raw(value.unwrap_or(500) * (Money::SCALE / 100));
    BudgetConfig {
        team_per_hour: count(dice.pick(&[6, 20, 100, 100])),
        all_per_hour: count(dice.pick(&[9, 30, 200])),
        actions_per_hour: count(dice.pick(&[1, 3, 50])),
        critical_per_day: count(dice.pick(&[1, 2, 10])),
        usd_per_run: cents(dice.pick(&[100, 500, 5_000])),
        usd_per_day: cents(dice.pick(&[60, 1_000])),
        ..BudgetConfig::default()
    }
}

fn minds(dice: &mut Dice, slow: bool) -> BTreeMap<AgentName, Mind> {
    let paying = dice.per_mille(500);
    let contrary = dice.pick(&[0, 30, 200]).unwrap_or(0);
    let mind = |dice: &mut Dice| Mind {
        paid: paying && dice.per_mille(600),
        latency_ms: if slow && dice.per_mille(700) { dice.between(1, 900) } else { 0 },
        contrary,
    };
    TEAM.iter().map(|entry| (entry.role.name, mind(dice))).collect()
}

/// Everything that goes wrong. A place is either left alone in a whole world or visited often, so
/// that the faults of one kind are met without those of all others.
fn schedule(seed: u64, slices: u64) -> Schedule {
    let mut dice = Dice::new(seed, "schedule");
    let mut items = Vec::new();
    for entry in TEAM {
        let share = if dice.per_mille(300) { dice.between(20, 250) } else { 0 };
        for round in 1..=80 {
            if dice.per_mille(share)
                && let Some(fault) = dice.pick(&Fault::OF_AGENTS)
            {
                items.push(Item::of_agent(entry.role.name, fault, round));
            }
        }
    }
    for (port, calls, most) in [
        (Port::Audit, 400, 25),
        (Port::Store, 80, 150),
        (Port::Safety, 60, 150),
        (Port::Clock, 300, 30),
        (Port::Broker, 60, 200),
        (Port::Feed, 2 * slices, 120),
        (Port::Person, slices, 150),
    ] {
        let share = if dice.per_mille(350) { dice.between(1, most) } else { 0 };
        for nth in 1..=calls {
            if dice.per_mille(share)
                && let Some(fault) = dice.pick(port.faults())
                // A log that breaks stays broken for the rest of a life: seldom is often enough.
                && (port != Port::Audit || fault != Fault::Flush || dice.per_mille(150))
            {
                items.push(Item::of_port(port, fault, nth));
            }
        }
    }
    if dice.per_mille(550) {
        let many = dice.between(1, 4);
        let crash =
            |dice: &mut Dice| Item::of_port(Port::Process, Fault::Crash, dice.between(1, 500));
        items.extend((0..many).map(|_| crash(&mut dice)));
    }
    if dice.per_mille(250) {
        items.push(Item::of_port(Port::Process, Fault::Stop, dice.between(1, slices)));
    }
    Schedule::new(items)
}
