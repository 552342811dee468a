//! Checks of what was spent: G-1, G-2 and G-3, from what the outside saw being spent.

use std::collections::BTreeMap;

use conclave_domain::budget::BudgetConfig;

use super::Findings;

const HOUR_MS: i64 = 3_600_000;
/// A permit is given a little before its call is seen: windows are shorter here by a minute.
const SLACK_MS: i64 = 60_000;
const CENT: f64 = 1e-6;

/// One call of a paid brain.
#[derive(Clone, Copy, Debug)]
struct Call {
    at_ms: i64,
    /// What it has cost, or may have: in steps of 1e-8 dollars.
    cost: i64,
}

/// What was seen being spent. Nothing of it is ever given back.
#[derive(Debug)]
pub(super) struct Budgets {
    all_per_hour: usize,
    usd_per_call: i64,
    usd_per_day: i64,
    usd_per_hour: i64,
    usd_per_run: i64,
    /// Whether the wall clock never jumps in this world.
    clock_is_true: bool,
    calls: BTreeMap<u64, Call>,
    wall_ms: i64,
}

impl Budgets {
    pub(super) fn new(config: &BudgetConfig, clock_is_true: bool) -> Self {
        // Every agent of these worlds is of one team, so the smaller of both limits counts.
        let calls = config.all_per_hour.min(config.team_per_hour);
        Self {
            all_per_hour: usize::try_from(calls).unwrap_or(usize::MAX),
            usd_per_call: config.usd_per_call.raw(),
            usd_per_day: config.usd_per_day.raw(),
            usd_per_hour: config.usd_per_hour.raw(),
            usd_per_run: config.usd_per_run.raw(),
            clock_is_true,
            calls: BTreeMap::new(),
            wall_ms: i64::MIN,
        }
    }

    /// G-1 and G-3: a paid brain is asked, and was allowed to be.
    pub(super) fn asked(
        &mut self,
        (call, _team, at_most): (u64, &str, i64),
        wall_ms: i64,
        findings: &mut Findings,
    ) {
        self.wall_ms = self.wall_ms.max(wall_ms);
        self.calls.insert(call, Call { at_ms: self.wall_ms, cost: at_most });
        let total: i64 = self.calls.values().map(|call| call.cost).sum();
        let (day, hour) = (self.spent_within(24 * HOUR_MS), self.calls_within(HOUR_MS));
        let affordable = at_most <= self.usd_per_call && total <= self.usd_per_run;
        findings.check("G-3", affordable, || format!("{total} steps were spent in all"));
        if self.clock_is_true {
            let limit = self.all_per_hour;
            findings.check("G-1", hour <= limit, || format!("{hour} calls of {limit} in an hour"));
            let limit = self.usd_per_day;
            findings.check("G-1", day <= limit, || format!("{day} steps of {limit} in a day"));
            let (hour, limit) = (self.spent_within(HOUR_MS), self.usd_per_hour);
            findings.check("G-1", hour <= limit, || format!("{hour} steps of {limit} in an hour"));
        }
    }

    pub(super) fn paid(&mut self, call: u64, cost: i64) {
        if let Some(call) = self.calls.get_mut(&call) {
            call.cost = cost;
        }
    }

    fn calls_within(&self, window_ms: i64) -> usize {
        let since = self.wall_ms - (window_ms - SLACK_MS);
        self.calls.values().filter(|call| call.at_ms > since).count()
    }

    fn spent_within(&self, window_ms: i64) -> i64 {
        let since = self.wall_ms - (window_ms - SLACK_MS);
        self.calls.values().filter(|call| call.at_ms > since).map(|call| call.cost).sum()
    }

    /// What is said to be left is no more than what can be left. `entries` is how many have left in
    /// the hour of market time behind it, where market time has not gone back. `fresh` is what a new process says first: that is where a
    /// restart would give something back.
    pub(super) fn report(
        &mut self,
        rows: &[(String, f64, f64)],
        wall_ms: i64,
        entries: Option<usize>,
        fresh: bool,
        findings: &mut Findings,
    ) {
        self.wall_ms = self.wall_ms.max(wall_ms);
        let total: i64 = self.calls.values().map(|call| call.cost).sum();
        #[expect(clippy::cast_precision_loss, reason = "counts and cents are small")]
        let dollars = |steps: i64| steps as f64 / 1e8;
        #[expect(clippy::cast_precision_loss, reason = "counts and cents are small")]
        let count = |count: usize| count as f64;
        let calls = count(self.calls_within(HOUR_MS));
        let day = dollars(self.spent_within(24 * HOUR_MS));
        let id = if fresh { "G-2" } else { "G-1" };
        for (name, limit, left) in rows {
            let spent = match name.as_str() {
                "actions_per_hour" => match entries {
                    Some(entries) => count(entries),
                    None => continue,
                },
                "usd_per_run" => dollars(total),
                "usd_per_day" if self.clock_is_true => day,
                "all_per_hour" if self.clock_is_true => calls,
                _ => continue,
            };
            findings.check(id, *left <= (limit - spent).max(0.0) + CENT, || {
                format!("{name} has {left} of {limit} left, and {spent} was seen being spent")
            });
        }
    }
}
