//! How often each gate passed: the report's table, its flags and its alarms.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::denial;
use crate::brief::trading::GateResult;
use crate::code::Code;
use crate::limits::GateRules;
use crate::ratio::Ratio;

/// One gate's record.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct GateCount {
    /// Candidates that it let through.
    pub passed: u64,
    /// Candidates that it stopped, whatever the other gates said.
    pub stopped: u64,
    /// Candidates whose denial bears its code: it was the first to stop them.
    pub denied: u64,
}

impl GateCount {
    /// Share of the candidates that it let through; `None` before the first.
    pub fn pass_rate(&self) -> Option<Ratio> {
        let all = self.passed.saturating_add(self.stopped);
        #[expect(clippy::cast_precision_loss, reason = "a share for a report")]
        let rate = self.passed as f64 / all as f64;
        if all == 0 { None } else { Ratio::new(rate).ok() }
    }
}

/// What is odd about a gate's pass rate. None of these stops anything; a person should look.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum GateAlarm {
    /// It let nothing through: a limit that cannot be met looks like this.
    NeverPassed,
    /// It stopped nearly everything.
    NearlyAllStopped,
    /// It stopped nothing: it may be out of reach, or simply not needed.
    AlwaysPassed,
}

/// Counts of all gates over a run.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct GateTally {
    counts: BTreeMap<Code, GateCount>,
}

impl GateTally {
    /// Takes the results of one candidate in.
    pub fn record(&mut self, results: &[GateResult]) {
        for result in results {
            let count = self.counts.entry(result.code).or_default();
            let figure = if result.passed { &mut count.passed } else { &mut count.stopped };
            *figure = figure.saturating_add(1);
        }
        if let Some(first) = denial(results) {
            let count = self.counts.entry(first).or_default();
            count.denied = count.denied.saturating_add(1);
        }
    }

    /// Every gate that was evaluated, by code.
    pub fn counts(&self) -> &BTreeMap<Code, GateCount> {
        &self.counts
    }

    /// What is odd about a gate, once there were enough candidates to say so.
    pub fn alarm(&self, code: Code, rules: &GateRules) -> Option<GateAlarm> {
        let count = self.counts.get(&code)?;
        let rate = count.pass_rate()?.get();
        if count.passed.saturating_add(count.stopped) < rules.alarm_candidates {
            None
        } else if count.passed == 0 {
            Some(GateAlarm::NeverPassed)
        } else if count.stopped == 0 {
            Some(GateAlarm::AlwaysPassed)
        } else if 1.0 - rate > rules.alarm_share.get() {
            Some(GateAlarm::NearlyAllStopped)
        } else {
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(passed: u64, stopped: u64, expected: Option<GateAlarm>) {
        let mut tally = GateTally::default();
        for nth in 0..passed + stopped {
            let result = GateResult {
                code: Code::GateVix,
                passed: nth < passed,
                value: Ratio::ZERO,
                threshold: Ratio::ZERO,
            };
            tally.record(&[result]);
        }
        let alarm = tally.alarm(Code::GateVix, &GateRules::default());
        assert_eq!(alarm, expected, "{passed} passed, {stopped} stopped");
        assert_eq!(tally.alarm(Code::GateCash, &GateRules::default()), None);
    }

    #[test]
    fn a_gate_that_stops_all_or_nothing_is_flagged_once_there_is_enough_to_go_by() {
        check(0, 19, None);
        check(0, 20, Some(GateAlarm::NeverPassed));
        check(20, 0, Some(GateAlarm::AlwaysPassed));
        check(1, 20, Some(GateAlarm::NearlyAllStopped));
        check(1, 19, None);
        check(10, 10, None);
    }

    #[test]
    fn a_denial_is_counted_for_the_first_gate_that_failed_only() {
        let failed =
            |code| GateResult { code, passed: false, value: Ratio::ZERO, threshold: Ratio::ZERO };
        let mut tally = GateTally::default();
        tally.record(&[failed(Code::GateVix), failed(Code::GateCash)]);
        let [vix, cash] = [Code::GateVix, Code::GateCash].map(|code| tally.counts()[&code]);
        assert_eq!((vix.stopped, vix.denied), (1, 1));
        assert_eq!((cash.stopped, cash.denied), (1, 0));
        let text = serde_json::to_string(&tally).unwrap();
        assert_eq!(serde_json::from_str::<GateTally>(&text).unwrap(), tally);
    }
}
