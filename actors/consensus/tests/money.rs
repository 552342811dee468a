//! Rounds whose money runs out: cheaper models, then rules, and the guardian to the last.

use conclave_domain::budget::{BudgetConfig, Rung};
use conclave_domain::fixed::Money;

use super::*;
use crate::runtime::ports::SpendLedger;
use crate::testkit::memory_ledger::MemoryLedger;

fn cents(cents: i64) -> Money {
    Money::from_raw(cents * (Money::SCALE / 100))
}

fn ladder() -> Paid {
    let rung = |model, most| Rung::new(model, Some(cents(most)));
    Paid::ladder([rung("opus", 40), rung("sonnet", 20), rung("haiku", 1)])
}

async fn desk_with(usd_per_run: i64, brains: Vec<(&'static str, Paid)>) -> Desk<TradingBrief> {
    let brain = |(agent, paid)| (agent, ScriptedBrain::on_ladder(Act::Rules, paid));
    let budgets = BudgetConfig { usd_per_run: cents(usd_per_run), ..BudgetConfig::default() };
    let setup = DeskSetup {
        brains: brains.into_iter().map(brain).collect(),
        budgets,
        ..DeskSetup::of(TEAM)
    };
    Desk::start(setup).await.unwrap()
}

fn answer<'a>(round: &'a Round, agent: &str) -> &'a Answer {
    round.answers.iter().find(|answer| answer.agent == agent).unwrap()
}

/// Goal: G-3: as the run's money goes, an agent's model gets cheaper, and at last its rules answer,
/// recorded with what stood in the way; nothing is asked that is not reserved.
/// Method: nine tenths of three dollars, on rungs of 40, 20 and 1 cents.
#[tokio::test(start_paused = true)]
async fn an_agent_steps_down_to_its_rules_as_the_money_goes() {
    let desk = desk_with(300, vec![("position_sizer", ladder().or_rules())]).await;
    let mut thought: Vec<(String, Option<Code>)> = Vec::new();
    for nth in 1..=60 {
        let closed = round(&desk, nth, &calm()).await;
        assert_eq!(closed.report.counts.votes_for, 4, "{nth}: it votes whoever thinks");
        let answer = answer(&closed, "position_sizer");
        thought.push((answer.brain.clone(), answer.refused));
    }
    let count = |by: &str| thought.iter().filter(|(brain, _)| brain == by).count();
    // 270 cents: four at 40 leave 110, three at 20 leave 50, and so on down to the last cent.
    assert_eq!([count("opus"), count("sonnet")], [4, 3]);
    assert_eq!((count("haiku"), count("rules")), (50, 3));
    assert_eq!(thought.last(), Some(&("rules".to_owned(), Some(Code::SafetyMoneyRun))));
    assert_eq!(desk.brain("position_sizer").asked(), 57, "the model was left alone after that");
    let rows = desk.safety.report().await.unwrap().remaining;
    let run = rows.iter().find(|row| row.budget == "usd_per_run").unwrap();
    assert!((run.spent.get() - 2.7).abs() < 1e-9 && run.reserved.get() < 1e-9, "{run:?}");
    desk.stop().await;
}

/// G-1: a count that is spent is answered by rules too; a price that nobody knows never is.
#[tokio::test(start_paused = true)]
async fn rules_answer_for_a_spent_count_and_never_for_an_unknown_price() {
    let unknown = Paid::one("new", None).or_rules();
    let paid = vec![("position_sizer", ladder().or_rules()), ("exit_strategist", unknown)];
    let desk = desk_with(500, paid).await;
    for nth in 1..=100 {
        let role = &TEAM[2].role;
        let free = Paid::one("local", Some(Money::ZERO));
        let permit = desk.safety.permit(Request::consultation(role, Some(free))).await;
        assert!(permit.is_ok(), "{nth}");
    }
    let closed = round(&desk, 1, &calm()).await;
    let sizer = answer(&closed, "position_sizer");
    assert_eq!((sizer.brain.as_str(), sizer.refused), ("rules", Some(Code::SafetyTeamHour)));
    let code = Code::SafetyUnknownPrice;
    assert_eq!(closed.report.outcome("exit_strategist"), Some(&Outcome::Denied { code }));
    assert_eq!(desk.brain("position_sizer").asked(), 0);
    desk.stop().await;
}

/// G-3: when the others' money is gone the guardian still has its own, and without rules to fall back
/// on an agent has no vote.
#[tokio::test(start_paused = true)]
async fn the_guardian_speaks_through_its_model_to_the_end() {
    let ten = || Paid::one("haiku", Some(cents(10)));
    let paid = vec![("position_sizer", ten()), (RISK_GUARDIAN, ten())];
    let desk = desk_with(100, paid).await;
    for nth in 1..=4 {
        let closed = round(&desk, nth, &calm()).await;
        assert_eq!(closed.report.counts.votes_for, 4, "{nth}");
    }
    // 80 cents are spent; the guardian is asked first and takes the tenth that the sizer would need.
    let fifth = round(&desk, 5, &calm()).await;
    let code = Code::SafetyMoneyRun;
    assert_eq!(fifth.report.outcome("position_sizer"), Some(&Outcome::Denied { code }));
    assert_eq!(fifth.report.verdict, Verdict::Act);
    let sixth = round(&desk, 6, &calm()).await;
    assert_eq!(answer(&sixth, RISK_GUARDIAN).brain, "haiku");
    assert_eq!(sixth.report.verdict, Verdict::Act);
    let seventh = round(&desk, 7, &calm()).await;
    assert_eq!(seventh.report.verdict, Verdict::Hold { code: Code::GuardSilent });
    desk.stop().await;
}

/// Desks that share a ledger, each with money of its own in plenty.
async fn desk_at(ledger: &Arc<MemoryLedger>, paid: Paid) -> Desk<TradingBrief> {
    let brains = vec![("position_sizer", ScriptedBrain::on_ladder(Act::Rules, paid))];
    let budgets = BudgetConfig { usd_per_run: cents(500), ..BudgetConfig::default() };
    let ledger = Some(Arc::clone(ledger) as Arc<dyn SpendLedger>);
    Desk::start(DeskSetup { budgets, brains, ledger, ..DeskSetup::of(TEAM) }).await.unwrap()
}

fn ledger_of(usd_per_day: i64) -> Arc<MemoryLedger> {
    let (usd_per_day, usd_per_hour) = (cents(usd_per_day), cents(1_000));
    MemoryLedger::new(BudgetConfig { usd_per_day, usd_per_hour, ..BudgetConfig::default() })
}

/// Goal: G-1, G-3: a paid call needs the word of the ledger beside safety's: two runs together never
/// spend more than one day's money, step down as it goes, and end at their rules with a code.
/// Method: nine tenths of a dollar, on rungs of 40, 20 and 1 cents, round after round on two desks.
#[tokio::test(start_paused = true)]
async fn two_runs_that_share_a_ledger_hold_one_cap_together() {
    let ledger = ledger_of(100);
    let desks =
        [desk_at(&ledger, ladder().or_rules()).await, desk_at(&ledger, ladder().or_rules()).await];
    let mut thought: Vec<(String, Option<Code>)> = Vec::new();
    for nth in 1..=20 {
        for desk in &desks {
            let closed = round(desk, nth, &calm()).await;
            let answer = answer(&closed, "position_sizer");
            thought.push((answer.brain.clone(), answer.refused));
            assert!(ledger.spent() <= cents(90), "{nth}");
        }
    }
    let count = |by: &str| thought.iter().filter(|(brain, _)| brain == by).count();
    assert_eq!([count("opus"), count("haiku"), count("rules")], [2, 10, 28]);
    assert_eq!(thought.last(), Some(&("rules".to_owned(), Some(Code::SafetyMoneyDayAll))));
    assert_eq!((ledger.spent(), ledger.under_way()), (cents(90), 0), "all of it is settled");
    for desk in desks {
        desk.stop().await;
    }
}

/// G-3: what safety refuses leaves nothing in the ledger, and without the ledger nobody is paid.
#[tokio::test(start_paused = true)]
async fn a_call_needs_both_words_and_one_refusal_gives_the_other_back() {
    let ledger = ledger_of(100);
    let paid = || Some(Paid::one("haiku", Some(cents(1))));
    let request = || Request::consultation(&TEAM[2].role, paid());
    let desk = desk_at(&ledger, Paid::one("haiku", Some(cents(1)))).await;
    let permit = desk.safety.permit(request()).await.unwrap();
    assert_eq!((ledger.spent(), ledger.under_way()), (cents(1), 1));
    desk.safety.settle(permit, Money::ZERO);
    assert_eq!((ledger.spent(), ledger.under_way()), (Money::ZERO, 0));

    let dear = Request::consultation(&TEAM[2].role, Some(Paid::one("opus", Some(cents(60)))));
    let both = desk.safety.permits(vec![dear, Request::entry(), request()]).await;
    assert_eq!(both[0].as_ref().err(), Some(&Code::SafetyMoneyCall));
    assert!(both[1].is_ok() && both[2].is_ok(), "{both:?}");
    assert_eq!(ledger.under_way(), 1, "what safety refused was given back");

    // Whoever goes away before safety has answered has made no call.
    desk.store.stall();
    let dear = Request::consultation(&TEAM[2].role, Some(Paid::one("opus", Some(cents(40)))));
    let asked = desk.safety.permit(dear);
    tokio::time::timeout(Duration::from_millis(5), asked).await.unwrap_err();
    assert_eq!(ledger.under_way(), 1);
    desk.store.go_on();

    ledger.lose();
    assert_eq!(desk.safety.permit(request()).await, Err(Code::SafetyLedger));
    assert!(desk.safety.permit(Request::entry()).await.is_ok(), "what costs nothing goes on");
    desk.stop().await;
}
