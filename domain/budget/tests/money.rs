//! Money: rungs, caps per hour, agent and model, the guardian's reserve, and no cap ever passed.

use std::collections::BTreeMap;

use super::*;
use crate::role::AgentName;

const GUARDIAN: Asker = Asker { agent: "risk_guardian", team: Team::Trading, is_protected: true };

fn cents(cents: i64) -> Money {
    Money::from_raw(cents * Money::SCALE / 100)
}

fn of(asker: Asker, rungs: &[(&str, i64)]) -> Request {
    let rungs = rungs.iter().map(|(model, most)| Rung::new(model, Some(cents(*most))));
    Request::Consultation { asker, paid: Some(Paid::ladder(rungs)) }
}

fn named(agent: AgentName) -> Asker {
    Asker { agent, ..asker(Team::Trading) }
}

/// Reserved, spent and left of a budget.
fn row(budgets: &Budgets, name: &str, now: Now) -> (f64, f64, f64) {
    let rows = budgets.remaining(now);
    let row = rows.iter().find(|row| row.budget == name).unwrap();
    let tidy = |ratio: Ratio| (ratio.get() * 1e6).round() / 1e6;
    (tidy(row.reserved), tidy(row.spent), tidy(row.left))
}

const LADDER: [(&str, i64); 3] = [("opus", 40), ("sonnet", 20), ("haiku", 1)];

#[test]
fn a_permit_says_which_rung_was_granted_and_cheaper_ones_are_as_the_day_goes_on() {
    let config = BudgetConfig { usd_per_run: cents(300), ..config() };
    let mut budgets = Budgets::new(config).unwrap();
    let request = of(asker(Team::Trading), &LADDER);
    let mut granted: Vec<String> = Vec::new();
    let refused = loop {
        match budgets.permit(&request, at(0)) {
            Ok(permit) => {
                let rung = permit.granted().unwrap();
                assert_eq!(permit.reserved(), rung.at_most.unwrap());
                granted.push(rung.model.clone());
            }
            Err(code) => break code,
        }
    };
    let count = |model: &str| granted.iter().filter(|granted| *granted == model).count();
    assert!(granted.is_sorted_by_key(|model| LADDER.iter().position(|(it, _)| it == model)));
    assert_eq!([count("opus"), count("sonnet"), count("haiku")], [4, 5, 40]);
    assert_eq!(refused, Code::SafetyMoneyRun);
    assert_eq!(row(&budgets, "usd_per_run", at(0)), (3.0, 0.0, 0.0));
    assert_eq!(row(&budgets, "usd_per_day_by_model.sonnet", at(0)), (1.0, 0.0, 9.0));
}

#[test]
fn an_hour_and_an_agent_have_caps_of_their_own() {
    let by_agent = [("position_sizer".to_owned(), cents(60))].into();
    let config =
        BudgetConfig { usd_per_hour: cents(100), usd_per_day_by_agent: by_agent, ..config() };
    let mut budgets = Budgets::new(config).unwrap();
    let sizer = of(named("position_sizer"), &[("haiku", 30)]);
    let timer = of(named("execution_timer"), &[("haiku", 30)]);
    spend(&mut budgets, &sizer, at(0), 2);
    assert_eq!(budgets.permit(&sizer, at(0)), Err(Code::SafetyMoneyAgent));
    spend(&mut budgets, &timer, at(0), 1);
    assert_eq!(budgets.permit(&timer, at(0)), Err(Code::SafetyMoneyHour));
    spend(&mut budgets, &timer, at(3_601), 1);
    assert_eq!(
        budgets.permit(&sizer, at(3_601)),
        Err(Code::SafetyMoneyAgent),
        "a day, not an hour"
    );
    // A call that nobody has settled within the hour is none any more, and stays spent.
    let then = at(3_601);
    assert_eq!(row(&budgets, "usd_per_day_by_agent.execution_timer", then), (0.3, 0.3, 9.4));
    assert_eq!(row(&budgets, "usd_per_run_by_agent.position_sizer", then), (0.0, 0.6, 4.4));
}

/// G-3: the others stop at nine tenths of every cap, the last tenth is there for the guardian.
#[test]
fn the_last_part_of_every_cap_is_for_the_guardian_alone() {
    let caps = || BudgetConfig::default();
    for (config, code) in [
        (BudgetConfig { usd_per_run: cents(200), ..caps() }, Code::SafetyMoneyRun),
        (BudgetConfig { usd_per_day: cents(200), ..caps() }, Code::SafetyMoneyDay),
        (BudgetConfig { usd_per_hour: cents(200), ..caps() }, Code::SafetyMoneyHour),
    ] {
        let mut budgets = Budgets::new(config).unwrap();
        let (other, guardian) =
            (of(asker(Team::Trading), &[("haiku", 10)]), of(GUARDIAN, &[("haiku", 10)]));
        spend(&mut budgets, &other, at(0), 18);
        assert_eq!(budgets.permit(&other, at(0)), Err(code));
        spend(&mut budgets, &guardian, at(0), 2);
        assert_eq!(budgets.permit(&guardian, at(0)), Err(code));
    }
}

/// G-2, G-3: a block of the others that a crash makes spent leaves the guardian what is its own.
#[test]
fn a_crash_does_not_spend_what_is_kept_for_the_guardian() {
    let config = || BudgetConfig { usd_per_run: cents(100), ..BudgetConfig::default() };
    let mut disk = None;
    let mut budgets = Budgets::durable(config(), None, at(0)).unwrap();
    budgets.begin_run("r");
    let other = of(asker(Team::Trading), &[("haiku", 20)]);
    assert!(permit_durably(&mut budgets, &mut disk, &other, at(0)).is_ok());
    let mut crashed = Budgets::durable(config(), disk.as_ref(), at(1)).unwrap();
    assert_eq!(crashed.would_permit(&other, at(1)), Err(Code::SafetyMoneyRun));
    assert_eq!(row(&crashed, "usd_per_run", at(1)), (0.0, 0.9, 0.1));
    assert_eq!(crashed.would_permit(&of(GUARDIAN, &[("haiku", 10)]), at(1)), Ok(()));
}

#[test]
fn what_is_reserved_becomes_what_it_cost_or_stays_spent() {
    let mut budgets = full();
    let request = of(asker(Team::Trading), &[("haiku", 30)]);
    let permit = budgets.permit(&request, at(0)).unwrap();
    let kept = budgets.permit(&request, at(0)).unwrap();
    assert_eq!(row(&budgets, "usd_per_day", at(1)), (0.6, 0.0, 9.4));
    assert!(!budgets.settle(permit, cents(1), at(2)));
    assert_eq!(row(&budgets, "usd_per_day", at(2)), (0.3, 0.01, 9.69));
    let hours = at(2 * 3_600);
    assert_eq!(
        row(&budgets, "usd_per_day", hours),
        (0.0, 0.31, 9.69),
        "nobody settles that any more"
    );
    drop(kept);
    // The store knows the same, and a restart turns what is reserved into what is spent.
    let checkpoint = budgets.checkpoint();
    let stored = Budgets::durable(config(), Some(&checkpoint), at(3)).unwrap();
    assert_eq!(row(&stored, "usd_per_day", at(3)), (0.0, 0.31, 9.69));
    assert_eq!(checkpoint.seen(&config(), at(3).wall).unwrap(), stored.remaining(at(3)));
}

/// G-2: a call that cost more than it could is written down.
#[test]
fn a_call_that_cost_more_than_is_on_the_disk_asks_to_be_written_down() {
    let mut disk = None;
    let mut budgets = Budgets::durable(config(), None, at(0)).unwrap();
    let request = of(asker(Team::Trading), &[("haiku", 10)]);
    let mut permit = || permit_durably(&mut budgets, &mut disk, &request, at(0)).unwrap();
    let (one, two, three) = (permit(), permit(), permit());
    assert!(!budgets.settle(one, cents(20), at(1)), "the rest of the block covers it");
    assert!(budgets.settle(two, cents(100), at(1)));
    assert!(budgets.settle(three, Money::from_raw(i64::MAX), at(1)), "and no sum overflows");
    assert_eq!(budgets.would_permit(&request, at(1)), Err(Code::SafetyMoneyRun));
}

/// G-1: a jump of the clock makes a spend expire; what its call did not cost is not taken off another.
#[test]
fn a_late_settlement_gives_nothing_back_of_a_later_spend() {
    let mut budgets = full();
    let request = of(asker(Team::Trading), &[("haiku", 40)]);
    let early = budgets.permit(&request, at(0)).unwrap();
    spend(&mut budgets, &request, at(90_000), 1);
    budgets.settle(early, Money::ZERO, at(90_001));
    let (_, _, left) = row(&budgets, "usd_per_day", at(90_001));
    assert!((left - 9.6).abs() < 1e-9, "{left}");
}

/// What the outside saw: when each call was permitted, by whom, of which model, and what it has cost
/// or may have.
#[derive(Clone, Debug)]
struct Seen {
    at: i64,
    agent: AgentName,
    model: String,
    cost: i64,
}

fn check_caps(seen: &[Seen], config: &BudgetConfig, now: i64) -> Result<(), TestCaseError> {
    let sum = |window: i64, of: &dyn Fn(&Seen) -> bool| -> i64 {
        seen.iter().filter(|call| now - call.at < window && of(call)).map(|call| call.cost).sum()
    };
    let (day, hour) = (86_400, 3_600);
    prop_assert!(sum(day, &|_| true) <= config.usd_per_day.raw(), "day");
    prop_assert!(sum(hour, &|_| true) <= config.usd_per_hour.raw(), "hour");
    prop_assert!(sum(i64::MAX, &|_| true) <= config.usd_per_run.raw(), "run");
    for (agent, cap) in &config.usd_per_day_by_agent {
        prop_assert!(sum(day, &|call| call.agent == agent) <= cap.raw(), "{agent}");
    }
    for (model, cap) in &config.usd_per_day_by_model {
        prop_assert!(sum(day, &|call| call.model == *model) <= cap.raw(), "{model}");
    }
    let others: i64 = sum(day, &|call| call.agent != GUARDIAN.agent);
    let share = config.usd_per_day.raw() - config.reserve_of(config.usd_per_day.raw());
    prop_assert!(others <= share, "the others spent {others} of {share}");
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// Goal: G-1, G-2, G-3: no cap of money is ever passed by a single step of 1e-8, under any
    /// interleaving of permits, settlements, forgotten calls, crashes and clean stops.
    /// Method: a list of every call, at its worst until it is settled, is the oracle; costs are odd
    /// numbers of steps. Giving out an unwritten block, restoring without it, or letting the others
    /// into the guardian's part, fails here.
    #[test]
    fn no_cap_is_passed_by_a_step_under_any_interleaving(
        steps in prop::collection::vec((0_i64..4_000, 0_u8..16, 1_i64..60_000_001, 0_u8..4), 1..160),
        reserve in 0_u32..500_000,
    ) {
        let config = || BudgetConfig {
            usd_per_day: cents(300),
            usd_per_hour: cents(90),
            usd_per_run: cents(800),
            usd_per_day_by_agent: [("position_sizer".to_owned(), cents(110))].into(),
            usd_per_day_by_model: [("opus".to_owned(), cents(101))].into(),
            guardian_reserve: Bp::hundredths(reserve),
            ..BudgetConfig::default()
        };
        let agents = [named("position_sizer"), named("execution_timer"), GUARDIAN];
        let (mut now, mut disk) = (0, None);
        let mut budgets = Budgets::durable(config(), None, at(0)).unwrap();
        budgets.begin_run("r");
        let mut seen: Vec<Seen> = Vec::new();
        let mut open: BTreeMap<usize, Permit> = BTreeMap::new();
        for (pause, what, price, who) in steps {
            now += pause / 10;
            match what {
                0 => budgets = Budgets::durable(config(), disk.as_ref(), at(now)).unwrap(),
                1 => {
                    disk = Some(budgets.snapshot());
                    budgets = Budgets::durable(config(), disk.as_ref(), at(now)).unwrap();
                }
                2..=6 => if let Some((call, permit)) = open.pop_first() {
                    let cost = seen[call].cost.min(price / 3);
                    budgets.settle(permit, Money::from_raw(cost), at(now));
                    seen[call].cost = cost;
                },
                7 => drop(open.pop_last()),
                _ => {
                    let asker = agents[usize::from(who) % 3];
                    let rung = |model, part| Rung::new(model, Some(Money::from_raw(price / part)));
                    let ladder = [rung("opus", 1), rung("sonnet", 3), rung("haiku", 40)];
                    let request =
                        Request::Consultation { asker, paid: Some(Paid::ladder(ladder)) };
                    if let Ok(permit) = permit_durably(&mut budgets, &mut disk, &request, at(now)) {
                        let Rung { model, .. } = permit.granted().unwrap().clone();
                        let cost = permit.reserved().raw();
                        open.insert(seen.len(), permit);
                        seen.push(Seen { at: now, agent: asker.agent, model, cost });
                    }
                }
            }
            check_caps(&seen, &config(), now)?;
        }
    }
}
