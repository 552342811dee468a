//! What all runs of one user spend on models together: the caps of an hour and of a day, over lines that
//! every run appends to one ledger. Pure: lines in, figures out.
//!
//! - G-1: within any hour and any day no more is reserved than the caps, whoever reserves it.
//! - G-2: a restart gives nothing back: a reservation that nobody settled counts in full.
//! - G-3: money is reserved before a call: a call leaves behind its line.
//!
//! Figures are whole millionths of a dollar, rounded up. Each run holds its own caps against the sum of
//! all of them; a share of each is kept for the Risk Guardian, as in the budgets of a run.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::meter::Meter;
use super::{BudgetConfig, COST_MAX, DAY, HOUR, Rung};
use crate::code::Code;
use crate::fixed::Money;
use crate::time::Time;

/// The form of a line.
const VERSION: u8 = 1;
/// Raw steps of [`Money`] in a millionth of a dollar.
const MICRO: i64 = Money::SCALE / 1_000_000;
/// Reservations of more calls than this are looked through for those that nobody can settle any more.
const OPEN_MAX: usize = 65_536;

/// What a line tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum What {
    /// A call is about to leave and may cost this much.
    Reserved,
    /// The call is over and has cost this much.
    Settled,
}

/// One line of the ledger.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LedgerLine {
    v: u8,
    /// When it was written, wall time.
    pub at: Time,
    /// What it tells.
    pub what: What,
    /// The run.
    pub run: String,
    /// The process: another word in every process, so that a call of a dead one is nobody else's.
    pub life: String,
    /// The call's number in its process.
    pub call: u64,
    /// Who asks.
    pub agent: String,
    /// The model that may be asked; where a cheaper one was, the line says the dearer.
    pub model: String,
    /// Millionths of a dollar, rounded up.
    pub micro_usd: u64,
}

/// Who asks what of whom, for a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// The run.
    pub run: String,
    /// The process.
    pub life: String,
    /// Who asks.
    pub agent: String,
    /// The model.
    pub model: String,
}

impl LedgerLine {
    /// A line of a call.
    pub fn new(at: Time, what: What, caller: Caller, call: u64, money: Money) -> Self {
        let Caller { run, life, agent, model } = caller;
        let micro_usd = u64::try_from(micro(money)).unwrap_or(0);
        Self { v: VERSION, at, what, run, life, call, agent, model, micro_usd }
    }

    /// Whether this version can read it.
    pub const fn is_known(&self) -> bool {
        self.v == VERSION
    }

    /// Whether it counts no more at this moment.
    pub fn is_over(&self, now: Time) -> bool {
        now.since(self.at) >= DAY
    }

    fn units(&self) -> i64 {
        i64::try_from(self.micro_usd).unwrap_or(i64::MAX).min(COST_MAX / MICRO)
    }
}

/// Millionths of a dollar, rounded up, within what one call can be booked at.
fn micro(money: Money) -> i64 {
    let raw = money.raw().clamp(0, COST_MAX);
    raw / MICRO + i64::from(raw % MICRO != 0)
}

/// A call that somebody wants to make, on the best of these models that there is money for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Want {
    /// Who asks.
    pub agent: String,
    /// Whether it may spend the protected part of each cap: the Risk Guardian alone.
    pub is_protected: bool,
    /// The models, the best and dearest first, each with a price.
    pub rungs: Vec<Rung>,
}

/// A reservation that nobody has settled.
#[derive(Clone, Copy, Debug)]
struct Open {
    at: Time,
    units: i64,
}

/// The sums of a ledger's lines.
#[derive(Clone, Debug)]
pub struct Ledger {
    hour: Meter,
    day: Meter,
    /// By process and number of the call.
    open: BTreeMap<(String, u64), Open>,
}

impl Default for Ledger {
    fn default() -> Self {
        // What may be spent is each run's own word; here is only what was.
        Self { hour: Meter::new(0), day: Meter::new(0), open: BTreeMap::new() }
    }
}

impl Ledger {
    /// Takes a line. One that settles a call whose reservation is not known any more spends what the
    /// call has cost.
    pub fn take(&mut self, line: &LedgerLine) {
        let (at, units) = (line.at, line.units());
        let call = (line.life.clone(), line.call);
        match line.what {
            What::Reserved => {
                self.spend(at, units);
                self.open.insert(call, Open { at, units });
                if self.open.len() > OPEN_MAX {
                    self.open.retain(|_, open| at.since(open.at) < DAY);
                }
            }
            What::Settled => match self.open.remove(&call) {
                None => self.spend(at, units),
                Some(open) => {
                    let change = units.saturating_sub(open.units);
                    self.hour.correct(open.at, at, change, Some(HOUR));
                    self.day.correct(open.at, at, change, Some(DAY));
                }
            },
        }
    }

    fn spend(&mut self, at: Time, units: i64) {
        self.hour.spend(at, units, Some(HOUR));
        self.day.spend(at, units, Some(DAY));
    }

    /// What all runs have spent or reserved within the last hour and the last day.
    pub fn spent(&self, now: Time) -> (Money, Money) {
        let money = |units: i64| Money::from_raw(units.saturating_mul(MICRO));
        let hour = self.hour.spent_at(now, Some(HOUR));
        (money(hour), money(self.day.spent_at(now, Some(DAY))))
    }

    /// The first rung that fits under both caps, counted from zero.
    ///
    /// # Errors
    /// The code of the cap that the last rung does not fit under; [`Code::SafetyUnknownPrice`] where
    /// there is none at all, or one has no price.
    pub fn choose(&self, want: &Want, caps: &BudgetConfig, now: Time) -> Result<usize, Code> {
        let left = |limit: Money, spent: i64| {
            let kept = if want.is_protected { 0 } else { caps.reserve_of(limit.raw()) };
            (limit.raw() - kept) / MICRO - spent
        };
        let day = left(caps.usd_per_day, self.day.spent_at(now, Some(DAY)));
        let hour = left(caps.usd_per_hour, self.hour.spent_at(now, Some(HOUR)));
        let mut why = Code::SafetyUnknownPrice;
        for (nth, rung) in want.rungs.iter().enumerate() {
            let most = micro(rung.at_most.ok_or(Code::SafetyUnknownPrice)?);
            // What costs nothing fits under everything.
            match () {
                () if most == 0 || most <= day.min(hour) => return Ok(nth),
                () if day < most => why = Code::SafetyMoneyDayAll,
                () => why = Code::SafetyMoneyHourAll,
            }
        }
        Err(why)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn line(at: i64, what: What, (life, call): (&str, u64), money: &str) -> LedgerLine {
        let caller = Caller {
            run: "r".into(),
            life: life.into(),
            agent: "position_sizer".into(),
            model: "m".into(),
        };
        LedgerLine::new(Time::from_ms(at * 1_000), what, caller, call, money.parse().unwrap())
    }

    fn spent(ledger: &Ledger, at: i64) -> (String, String) {
        let (hour, day) = ledger.spent(Time::from_ms(at * 1_000));
        (hour.to_string(), day.to_string())
    }

    fn want(is_protected: bool, most: &[&str]) -> Want {
        let rungs = most.iter().map(|most| Rung::new("m", Some(most.parse().unwrap())));
        Want { agent: "a".into(), is_protected, rungs: rungs.collect() }
    }

    #[track_caller]
    fn shows(ledger: &Ledger, at: i64, hour: &str, day: &str) {
        let money = |text: &str| text.parse::<Money>().unwrap().to_string();
        assert_eq!(spent(ledger, at), (money(hour), money(day)), "after {at} seconds");
    }

    /// G-2: what is settled counts as it has cost, what is not in full, until its window has passed.
    #[test]
    fn a_reservation_counts_in_full_until_it_is_settled_and_as_long_as_its_window() {
        let mut ledger = Ledger::default();
        ledger.take(&line(0, What::Reserved, ("one", 1), "0.5"));
        ledger.take(&line(0, What::Reserved, ("two", 1), "0.25"));
        shows(&ledger, 1, "0.75", "0.75");
        ledger.take(&line(5, What::Settled, ("one", 1), "0.0000012"));
        // Rounded up to a millionth.
        shows(&ledger, 6, "0.250002", "0.250002");
        shows(&ledger, 3_600, "0", "0.250002");
        shows(&ledger, 86_399, "0", "0.250002");
        shows(&ledger, 86_400, "0", "0");
    }

    #[test]
    fn a_call_that_cost_more_or_that_nobody_knows_is_spent_when_it_is_settled() {
        let mut ledger = Ledger::default();
        ledger.take(&line(0, What::Reserved, ("one", 1), "0.1"));
        ledger.take(&line(10, What::Settled, ("one", 1), "0.3"));
        shows(&ledger, 10, "0.3", "0.3");
        ledger.take(&line(20, What::Settled, ("one", 1), "0.1"));
        ledger.take(&line(20, What::Settled, ("gone", 7), "0.2"));
        shows(&ledger, 20, "0.6", "0.6");
    }

    /// G-1: the first rung that fits under both caps, without what is the guardian's.
    #[test]
    fn the_best_rung_that_fits_under_both_caps_is_chosen() {
        let mut caps = BudgetConfig::default();
        (caps.usd_per_day, caps.usd_per_hour) = ("1".parse().unwrap(), "0.5".parse().unwrap());
        let mut ledger = Ledger::default();
        let check = |ledger: &Ledger, want: &Want, at: i64| {
            ledger.choose(want, &caps, Time::from_ms(at * 1_000))
        };
        let both = want(false, &["0.46", "0.1"]);
        assert_eq!(check(&ledger, &both, 0), Ok(1), "a tenth is the guardian's");
        assert_eq!(check(&ledger, &want(true, &["0.46", "0.1"]), 0), Ok(0));
        ledger.take(&line(0, What::Reserved, ("one", 1), "0.36"));
        assert_eq!(check(&ledger, &both, 0), Err(Code::SafetyMoneyHourAll));
        assert_eq!(check(&ledger, &both, 3_600), Ok(1));
        ledger.take(&line(3_600, What::Reserved, ("one", 2), "0.45"));
        assert_eq!(check(&ledger, &both, 7_200), Err(Code::SafetyMoneyDayAll));
        assert_eq!(check(&ledger, &want(true, &["0.1"]), 7_200), Ok(0));
        assert_eq!(check(&ledger, &want(false, &["0"]), 7_200), Ok(0), "free is free");
        assert_eq!(check(&ledger, &want(true, &[]), 0), Err(Code::SafetyUnknownPrice));
    }

    /// A ledger may hold anything: no line makes the sums overflow or fall below nothing.
    #[test]
    fn lines_of_a_stranger_do_not_break_the_sums() {
        let mut ledger = Ledger::default();
        for at in [i64::MIN / 1_000, 0, i64::MAX / 1_000] {
            let mut huge = line(at, What::Reserved, ("x", 1), "1");
            huge.micro_usd = u64::MAX;
            ledger.take(&huge);
            ledger.take(&line(at, What::Settled, ("x", 1), "0"));
            ledger.take(&line(at, What::Settled, ("x", 1), "0"));
        }
        let (hour, day) = ledger.spent(Time::EPOCH);
        assert!(hour >= Money::ZERO && day >= Money::ZERO);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        /// G-1: however calls come and end, what is spent by them within a day never passes the cap.
        #[test]
        fn no_order_of_calls_passes_the_cap(
            calls in prop::collection::vec((0_usize..4, 1_i64..40, 0_i64..120, 0_i64..1_000), 1..80)
        ) {
            let mut caps = BudgetConfig::default();
            (caps.usd_per_day, caps.usd_per_hour) = ("1".parse().unwrap(), "1".parse().unwrap());
            let (mut ledger, mut clock, mut costs) = (Ledger::default(), 0, Vec::new());
            for (call, (life, most, cost, pause)) in calls.into_iter().enumerate() {
                clock += pause;
                let cents = |cents: i64| Money::from_raw(cents * (Money::SCALE / 100)).to_string();
                let (most, cost) = (cents(most), cents(cost.min(most)));
                let asked = want(true, &[most.as_str()]);
                if ledger.choose(&asked, &caps, Time::from_ms(clock * 1_000)).is_ok() {
                    let id = (["a", "b", "c", "d"][life], call as u64);
                    ledger.take(&line(clock, What::Reserved, id, &most));
                    // The first process dies with every call.
                    if life > 0 {
                        ledger.take(&line(clock, What::Settled, id, &cost));
                    }
                    costs.push((clock, cost.parse::<Money>().unwrap().raw()));
                }
                let recent = costs.iter().filter(|(at, _)| clock - at < 86_400);
                prop_assert!(recent.map(|(_, cost)| cost).sum::<i64>() <= Money::SCALE);
            }
        }
    }
}
