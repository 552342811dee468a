//! Rounds of the trading team on paused time: a wait would show as elapsed time.

use conclave_domain::advice::Vote;
use conclave_domain::brief::trading::TradingBrief;
use conclave_domain::market::symbol::Symbol;
use conclave_domain::ratio::Ratio;
use conclave_domain::role::RISK_GUARDIAN;
use conclave_domain::tally::Outcome;
use conclave_domain::time::Time;
use serde_json::json;

use super::*;
use crate::runtime::shell::PANICKED;
use crate::testkit::brains::{Act, ScriptedBrain};
use crate::testkit::desk::{Desk, DeskSetup};
use crate::trading::{TEAM, sample};

const ADVISERS: [&str; 4] =
    ["signal_analyst", "position_sizer", "execution_timer", "exit_strategist"];

async fn desk() -> Desk<TradingBrief> {
    Desk::start(DeskSetup::of(TEAM)).await.unwrap()
}

fn decision(nth: u64) -> DecisionId {
    let at = Time::from_ms(i64::try_from(nth).unwrap() * 1_000);
    DecisionId::new(&Symbol::new("AAPL").unwrap(), at, "entry")
}

/// The calm entry that nobody objects to.
fn calm() -> Arc<TradingBrief> {
    Arc::new(sample::entry())
}

/// The same entry with value at risk far over its limit: a hard veto.
fn breach() -> Arc<TradingBrief> {
    let mut brief = sample::entry();
    brief.projected.var95_pct = Ratio::of(0.5);
    Arc::new(brief)
}

async fn round(desk: &Desk<TradingBrief>, nth: u64, brief: &Arc<TradingBrief>) -> Round {
    open_round(desk.request(decision(nth), nth, brief), &desk.safety).await.unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_calm_entry_is_acted_on_in_no_time_and_gives_one_proof() {
    let desk = desk().await;
    let started_at = Instant::now();
    let round = round(&desk, 1, &calm()).await;
    assert_eq!(round.report.verdict, Verdict::Act, "{:?}", round.report);
    assert_eq!(started_at.elapsed(), Duration::ZERO);
    assert_eq!(round.answers.len(), 5);
    let asked: Vec<_> = round.answers.iter().map(|answer| answer.agent).collect();
    assert_eq!(asked, TEAM.iter().map(|entry| entry.role.name).collect::<Vec<_>>());
    assert_eq!(round.acted.map(|acted| acted.decision().clone()), Some(decision(1)));
    desk.stop().await;
}

/// Goal: T-2: a veto waits for nobody, cancels the calls in flight, raises the fence, and the next
/// round is not delayed.
/// Method: the four others hang; on paused time any wait would show.
#[tokio::test(start_paused = true)]
async fn a_veto_with_four_hanging_takes_no_time_and_neither_does_the_next_round() {
    let desk = desk().await;
    for agent in ADVISERS {
        desk.brain(agent).once(Act::Hang);
    }
    let started_at = Instant::now();
    let vetoed = round(&desk, 1, &breach()).await;
    assert!(matches!(&vetoed.report.verdict, Verdict::Vetoed { by: RISK_GUARDIAN, objection }
        if objection.code == Code::GuardVar));
    assert!(vetoed.acted.is_none());
    assert_ne!(desk.safety.fence().epoch("AAPL"), vetoed.epoch);

    // Whoever had taken the question once more answers the next one at once.
    for agent in ADVISERS {
        desk.brain(agent).always(Act::Rules);
    }
    let next = round(&desk, 2, &calm()).await;
    assert_eq!(next.report.verdict, Verdict::Act);
    assert_eq!(started_at.elapsed(), Duration::ZERO);
    desk.stop().await;
}

/// T-3: a process that is being stopped waits for nobody for long: silence is a late answer, in a
/// round that is open and in those that follow, and whoever answers is heard.
#[tokio::test(start_paused = true)]
async fn a_hurried_round_closes_without_those_who_are_silent() {
    let desk = desk().await;
    desk.brain("position_sizer").always(Act::Hang);
    let started_at = Instant::now();
    let brief = calm();
    let hurry = async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        desk.safety.fence().hurry();
    };
    let request = RoundRequest {
        patience: Patience::Watchdog(Duration::from_mins(1)),
        ..desk.request(decision(1), 1, &brief)
    };
    let (first, ()) = tokio::join!(open_round(request, &desk.safety), hurry);
    let first = first.expect("a deadline is no error");
    assert_eq!(first.report.outcome("position_sizer"), Some(&Outcome::Late));
    assert_eq!(first.report.verdict, Verdict::Act, "the others have answered");
    assert_eq!(started_at.elapsed(), Duration::from_secs(1) + HURRIED_PATIENCE);
    let second = round(&desk, 2, &brief).await;
    assert_eq!(second.report.outcome("position_sizer"), Some(&Outcome::Late));
    assert_eq!(started_at.elapsed(), Duration::from_secs(1) + 2 * HURRIED_PATIENCE);
    desk.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_late_veto_cancels_every_call_that_is_still_in_flight() {
    let desk = desk().await;
    for agent in ADVISERS {
        desk.brain(agent).always(Act::Hang);
    }
    desk.brain(RISK_GUARDIAN).always(Act::After(Duration::from_millis(30)));
    let started_at = Instant::now();
    let vetoed = round(&desk, 1, &breach()).await;
    assert!(matches!(vetoed.report.verdict, Verdict::Vetoed { .. }));
    assert_eq!(started_at.elapsed(), Duration::from_millis(30));
    assert_eq!(vetoed.answers.len(), 1);
    tokio::task::yield_now().await;
    tokio::time::sleep(Duration::from_millis(1)).await;
    for agent in ADVISERS {
        assert_eq!((desk.brain(agent).asked(), desk.brain(agent).cancelled()), (1, 1), "{agent}");
    }
    assert!(desk.agents.iter().all(|agent| agent.depth() == 0));
    desk.stop().await;
}

/// T-3: silence is never consent.
#[tokio::test(start_paused = true)]
async fn a_hung_agent_costs_its_vote_after_its_deadline_and_a_hung_guardian_the_round() {
    let desk = desk().await;
    desk.brain("position_sizer").once(Act::Hang);
    let started_at = Instant::now();
    let first = round(&desk, 1, &calm()).await;
    assert_eq!(first.report.verdict, Verdict::Act);
    assert_eq!(first.report.outcome("position_sizer"), Some(&Outcome::Late));
    assert_eq!(started_at.elapsed(), Duration::from_secs(5));

    let started_at = Instant::now();
    let second = round(&desk, 2, &calm()).await;
    assert_eq!(second.report.counts.votes_for, 4);
    assert_eq!(started_at.elapsed(), Duration::ZERO);

    desk.brain(RISK_GUARDIAN).once(Act::Hang);
    let third = round(&desk, 3, &calm()).await;
    assert_eq!(third.report.verdict, Verdict::Hold { code: Code::GuardSilent });
    assert_ne!(desk.safety.fence().epoch("AAPL"), third.epoch);
    desk.stop().await;
}

#[tokio::test(start_paused = true)]
async fn every_way_of_bringing_no_advice_is_told_apart() {
    let desk = desk().await;
    desk.brain("signal_analyst").once(Act::Panic);
    desk.brain("position_sizer").once(Act::Write("Do not buy here. BUY!".to_owned()));
    desk.brain("execution_timer").once(Act::Fail("the connection broke".to_owned()));
    let mut request = desk.request(decision(1), 1, &calm());
    request.settle = Settle::All;
    let report = open_round(request, &desk.safety).await.unwrap().report;
    let why = |agent: &str| match report.outcome(agent) {
        Some(Outcome::Failed { why }) => why.clone(),
        other => panic!("{agent}: {other:?}"),
    };
    assert_eq!(why("signal_analyst"), PANICKED);
    assert!(why("position_sizer").starts_with("the answer is unreadable"));
    assert_eq!(why("execution_timer"), "the brain failed: the connection broke");
    assert_eq!(report.outcome("exit_strategist"), Some(&Outcome::Voted { vote: Vote::For }));
    assert_eq!(report.verdict, Verdict::Hold { code: Code::RoundNoQuorum });
    // A panic in a consultation costs that consultation, not the agent.
    assert_eq!(desk.safety.directory().get("signal_analyst").unwrap().restarts, 0);
    desk.stop().await;
}

/// F-1: forbidden actions do not happen. B-1: what leaves an agent is finite.
#[tokio::test(start_paused = true)]
async fn an_answer_that_asks_for_a_forbidden_action_is_refused_whole() {
    let desk = desk().await;
    let limits = &desk.limits;
    let mut raw = (TEAM[0].rules)(&calm(), limits);
    raw["reasoning"] = json!("fine; please call disable_risk_controls first");
    desk.brain("signal_analyst").once(Act::Say(raw));
    let closed = round(&desk, 1, &calm()).await;
    let answer = &closed.answers[0];
    let action = "disable_risk_controls";
    assert_eq!(answer.outcome, Err(ConsultError::Forbidden { action }));
    assert!(answer.raw.is_some(), "the record keeps what was asked");
    assert_eq!(closed.report.counts.failed, 1);
    desk.stop().await;
}

/// T-1: what an agent says a second time in one round changes neither the tally nor the record.
#[tokio::test(start_paused = true)]
async fn a_second_answer_of_an_agent_changes_nothing() {
    let mut setup = DeskSetup::of(TEAM);
    let planned = "position_sizer=twice@2".parse().unwrap();
    setup.faults = crate::runtime::faults::FaultPlan::new(vec![planned]);
    let desk = Desk::start(setup).await.unwrap();
    let mut rounds = Vec::new();
    for nth in 1..=2 {
        let mut request = desk.request(decision(nth), nth, &calm());
        request.settle = Settle::All;
        rounds.push(open_round(request, &desk.safety).await.unwrap());
    }
    let sizer = |round: &Round| {
        let answer = round.answers.iter().find(|answer| answer.agent == "position_sizer").unwrap();
        (answer.raw.clone(), answer.outcome.clone())
    };
    assert!(sizer(&rounds[0]).1.is_ok());
    assert_eq!(sizer(&rounds[1]), sizer(&rounds[0]));
    assert_eq!(rounds[1].report, rounds[0].report);
    desk.stop().await;
}

/// Goal: an agent that is killed, panics, errs or sheds costs its vote and nothing else: the round
/// goes on, the others keep mailbox and state, the agent is back in the next round, and the record
/// is the same every time.
/// Method: one planned fault per round, on rounds that wait for every seat as replays do.
#[tokio::test(start_paused = true)]
async fn an_agent_killed_in_a_round_is_replaced_and_costs_only_its_vote() {
    for (fault, outcome, restarts) in [
        ("kill", Outcome::Failed { why: WENT_AWAY.to_owned() }, 1),
        ("panic", Outcome::Failed { why: PANICKED.to_owned() }, 1),
        ("error", Outcome::Failed { why: WENT_AWAY.to_owned() }, 1),
        ("shed", Outcome::Shed, 0),
    ] {
        let mut setup = DeskSetup::of(TEAM);
        let planned = format!("position_sizer={fault}@2").parse().unwrap();
        setup.faults = crate::runtime::faults::FaultPlan::new(vec![planned]);
        let desk = Desk::start(setup).await.unwrap();
        for nth in 1..=4 {
            let mut request = desk.request(decision(nth), nth, &calm());
            request.settle = Settle::All;
            request.patience = Patience::Watchdog(Duration::from_mins(1));
            let closed = open_round(request, &desk.safety).await.unwrap();
            assert_eq!(closed.report.verdict, Verdict::Act, "{fault} {nth}");
            let seat = closed.report.outcome("position_sizer").unwrap();
            if nth == 2 {
                assert_eq!(seat, &outcome, "{fault}");
            } else {
                assert_eq!(seat.name(), "for", "{fault} {nth}");
            }
        }
        let health = |name: &str| desk.safety.directory().get(name).unwrap().restarts;
        assert_eq!(health("position_sizer"), restarts, "{fault}");
        assert!(["signal_analyst", RISK_GUARDIAN].iter().all(|name| health(name) == 0));
        desk.stop().await;
    }
}

#[tokio::test(start_paused = true)]
async fn the_guardian_killed_in_a_round_holds_it_and_guards_the_next() {
    let mut setup = DeskSetup::of(TEAM);
    let planned = "risk_guardian=kill@1".parse().unwrap();
    setup.faults = crate::runtime::faults::FaultPlan::new(vec![planned]);
    let desk = Desk::start(setup).await.unwrap();
    let held = round(&desk, 1, &calm()).await;
    assert_eq!(held.report.verdict, Verdict::Hold { code: Code::GuardSilent });
    assert_eq!(round(&desk, 2, &calm()).await.report.verdict, Verdict::Act);
    assert!(matches!(round(&desk, 3, &breach()).await.report.verdict, Verdict::Vetoed { .. }));
    desk.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_replay_has_no_deadline_but_a_watchdog_that_names_who_is_silent() {
    let desk = desk().await;
    desk.brain("exit_strategist").always(Act::Hang);
    let mut request = desk.request(decision(1), 1, &calm());
    request.settle = Settle::All;
    request.patience = Patience::Watchdog(Duration::from_mins(1));
    let error = open_round(request, &desk.safety).await.unwrap_err();
    assert!(error.to_string().contains("exit_strategist"), "{error}");
    desk.stop().await;
}

#[tokio::test(start_paused = true)]
async fn too_much_in_flight_is_shed_at_once_and_comes_back_when_the_round_is_over() {
    let mut setup = DeskSetup::of(TEAM);
    setup.permits = 1;
    let desk = Desk::start(setup).await.unwrap();
    desk.brain("exit_strategist").once(Act::Hang);
    let request = |nth| {
        let mut request = desk.request(decision(nth), nth, &calm());
        request.settle = Settle::All;
        request
    };
    let safety = desk.safety.clone();
    let first = open_round(request(1), &safety);
    tokio::pin!(first);
    tokio::select! {
        biased;
        _ = &mut first => panic!("the first round hangs"),
        () = tokio::time::sleep(Duration::from_millis(1)) => {}
    }
    let second = open_round(request(2), &desk.safety).await.unwrap();
    assert_eq!(second.report.outcome("exit_strategist"), Some(&Outcome::Shed));
    assert_eq!(second.report.verdict, Verdict::Act);
    assert_eq!(first.await.unwrap().report.counts.late, 1);
    // The cancelled call gives its permit back as soon as its task is looked at.
    tokio::time::sleep(Duration::from_millis(1)).await;
    let third = open_round(request(3), &desk.safety).await.unwrap();
    assert_eq!(third.report.counts.votes_for, 4);
    desk.stop().await;
}

/// G-1, G-3: the 101st paid consultation of a team in an hour is refused; money is reserved before
/// the call and settled after it.
#[tokio::test(start_paused = true)]
async fn the_101st_paid_consultation_is_denied_with_its_code_and_costs_only_that_vote() {
    let cent: conclave_domain::fixed::Money = "0.01".parse().unwrap();
    let mut setup = DeskSetup::of(TEAM);
    let tenth = "0.001".parse().unwrap();
    let paid = ScriptedBrain::paid(Act::Rules, Some(cent), tenth);
    setup.brains.push(("position_sizer", paid));
    let desk = Desk::start(setup).await.unwrap();
    desk.safety.begin_run("r1");
    for nth in 1..=100 {
        let closed = round(&desk, nth, &calm()).await;
        assert_eq!(closed.report.counts.votes_for, 4, "{nth}");
    }
    let denied = round(&desk, 101, &calm()).await;
    let code = Code::SafetyTeamHour;
    assert_eq!(denied.report.outcome("position_sizer"), Some(&Outcome::Denied { code }));
    assert_eq!(denied.report.verdict, Verdict::Act);
    assert_eq!(desk.brain("position_sizer").asked(), 100);
    let rows = desk.safety.report().await.unwrap().remaining;
    let left = |budget: &str| rows.iter().find(|row| row.budget == budget).unwrap().left.get();
    assert!((left("usd_per_run") - 4.9).abs() < 1e-9, "{}", left("usd_per_run"));
    desk.clock.advance_wall(Duration::from_hours(1));
    assert_eq!(round(&desk, 102, &calm()).await.report.counts.votes_for, 4);
    desk.stop().await;
}

/// G-3: nobody knows what a cancelled call has cost, so all that was reserved stays spent.
#[tokio::test(start_paused = true)]
async fn a_cancelled_paid_call_stays_spent_and_an_unknown_price_is_never_asked() {
    let mut setup = DeskSetup::of(TEAM);
    let reserved = "0.25".parse().unwrap();
    let hanging = ScriptedBrain::paid(Act::Hang, Some(reserved), reserved);
    let unknown = ScriptedBrain::paid(Act::Rules, None, reserved);
    setup.brains = vec![("position_sizer", hanging), ("exit_strategist", unknown)];
    let desk = Desk::start(setup).await.unwrap();
    let closed = round(&desk, 1, &calm()).await;
    let code = Code::SafetyUnknownPrice;
    assert_eq!(closed.report.outcome("exit_strategist"), Some(&Outcome::Denied { code }));
    assert_eq!(closed.report.outcome("position_sizer"), Some(&Outcome::Late));
    tokio::time::sleep(Duration::from_millis(1)).await;
    assert_eq!(desk.brain("position_sizer").cancelled(), 1);
    assert_eq!(desk.brain("exit_strategist").asked(), 0);
    let rows = desk.safety.report().await.unwrap().remaining;
    let run = rows.iter().find(|row| row.budget == "usd_per_run").unwrap();
    assert!((run.left.get() - 4.75).abs() < 1e-9);
    desk.stop().await;
}

/// O-3: a halt during a round closes it.
#[tokio::test(start_paused = true)]
async fn a_halt_closes_an_open_round_at_once_and_none_opens_after_it() {
    let desk = desk().await;
    desk.brain("position_sizer").always(Act::Hang);
    let safety = desk.safety.clone();
    let open = open_round(desk.request(decision(1), 1, &calm()), &safety);
    tokio::pin!(open);
    tokio::select! {
        biased;
        _ = &mut open => panic!("the round hangs"),
        () = tokio::time::sleep(Duration::from_millis(1)) => {}
    }
    let started_at = Instant::now();
    desk.safety.fence().halt();
    let closed = open.await.unwrap();
    assert_eq!(closed.report.verdict, Verdict::Hold { code: Code::SafetyHalted });
    assert_eq!(started_at.elapsed(), Duration::ZERO);
    let asked = desk.brain("signal_analyst").asked();
    let after = round(&desk, 2, &calm()).await;
    assert_eq!(after.report.verdict, Verdict::Hold { code: Code::SafetyHalted });
    assert_eq!(desk.brain("signal_analyst").asked(), asked);
    desk.stop().await;
}

/// Goal: a mailbox that awaits its brain would serialise the book: 20 s instead of 0.2 s.
#[tokio::test(start_paused = true)]
async fn a_hundred_symbols_with_slow_brains_take_the_time_of_one_call() {
    let desk = desk().await;
    for brain in &desk.brains {
        brain.always(Act::After(Duration::from_millis(200)));
    }
    let started_at = Instant::now();
    let mut rounds = tokio::task::JoinSet::new();
    for nth in 0..100 {
        let (request, safety) = (desk.request(decision(nth), nth, &calm()), desk.safety.clone());
        rounds.spawn(async move { open_round(request, &safety).await.unwrap().report });
    }
    let reports = rounds.join_all().await;
    assert!(reports.iter().all(RoundReport::acts));
    assert_eq!(started_at.elapsed(), Duration::from_millis(200));
    desk.stop().await;
}

mod money;
