//! Safety on paused time and a disk in memory.

use conclave_domain::brief::trading::TradingBrief;
use conclave_domain::budget::Paid;
use conclave_domain::mode::Person;

use super::*;
use crate::runtime::directory::Health;
use crate::runtime::ports::StoreError;
use crate::testkit::desk::{Desk, DeskSetup};
use crate::testkit::memory_safety::MemorySafety;
use crate::trading::TEAM;

async fn desk() -> Desk<TradingBrief> {
    desk_on(Arc::default()).await
}

async fn desk_on(store: Arc<MemorySafety>) -> Desk<TradingBrief> {
    let setup = DeskSetup { store, ..DeskSetup::of(TEAM) };
    Desk::start(setup).await.unwrap()
}

fn person() -> By {
    By::Person(Person::authenticated("ada", "cli"))
}

fn rule() -> By {
    By::Rule("drawdown")
}

async fn left(desk: &Desk<TradingBrief>, budget: &str) -> f64 {
    let rows = desk.safety.report().await.unwrap().remaining;
    rows.into_iter().find(|row| row.budget == budget).unwrap().left.get()
}

async fn settle_down() {
    tokio::time::sleep(Duration::from_millis(1)).await;
}

/// G-2: a restart gives nothing back.
#[tokio::test(start_paused = true)]
async fn budgets_are_the_same_after_a_clean_stop_and_at_most_a_block_lower_after_a_kill() {
    let desk = desk().await;
    for _ in 0..11 {
        assert!(desk.safety.permit(Request::entry()).await.is_ok());
    }
    assert_eq!(desk.store.saves(), 2, "a save per block of eight");
    let after_a_kill = desk.store.record();
    let store = Arc::clone(&desk.store);
    desk.stop().await;
    let clean = desk_on(Arc::clone(&store)).await;
    assert!((left(&clean, "actions_per_hour").await - 39.0).abs() < 1e-9);
    clean.stop().await;
    store.put(after_a_kill);
    let killed = desk_on(store).await;
    assert!((left(&killed, "actions_per_hour").await - 34.0).abs() < 1e-9);
    killed.stop().await;
}

/// G-1: within any window no more permits are given than the budget.
#[tokio::test(start_paused = true)]
async fn the_51st_action_waits_for_an_hour_of_the_trading_clock_and_criticals_for_a_day() {
    let desk = desk().await;
    let requests = vec![Request::entry(); 51];
    let answers = desk.safety.permits(requests).await;
    assert!(answers[..50].iter().all(Result::is_ok));
    assert_eq!(answers[50], Err(Code::SafetyActionsHour));
    desk.clock.advance_wall(Duration::from_hours(2));
    assert_eq!(desk.safety.permit(Request::entry()).await, Err(Code::SafetyActionsHour));
    desk.clock.advance_trading(Duration::from_hours(1));
    assert!(desk.safety.permit(Request::action("size")).await.is_ok());
    desk.clock.advance_trading(Duration::from_secs(59));
    assert_eq!(desk.safety.permit(Request::action("size")).await, Err(Code::SafetySpacing));
    for nth in 0..10 {
        desk.clock.advance_trading(Duration::from_mins(1));
        assert!(desk.safety.permit(Request::critical("appeal")).await.is_ok(), "{nth}");
    }
    desk.clock.advance_trading(Duration::from_mins(1));
    let eleventh = desk.safety.permit(Request::critical("appeal")).await;
    assert_eq!(eleventh, Err(Code::SafetyCriticalDay));
    desk.stop().await;
}

/// O-4: exits are never blocked.
#[tokio::test(start_paused = true)]
async fn what_reduces_risk_passes_with_budgets_spent_the_disk_dead_and_the_state_halted() {
    let desk = desk().await;
    let _ = desk.safety.permits(vec![Request::entry(); 50]).await;
    desk.store.fail_with(Some(StoreError::DiskFull));
    let halted = desk.safety.set_state(TradingState::Halted, rule(), "the drawdown").await;
    assert_eq!(halted, Err(Code::SafetyStore));
    assert!(desk.safety.fence().is_halted(), "in force although it could not be written");
    assert!(desk.safety.permit(Request::reducing()).await.is_ok());
    assert_eq!(desk.safety.permit(Request::entry()).await, Err(Code::SafetyHalted));
    desk.kill_safety();
    desk.safety.count_reducing();
    desk.store.fail_with(None);
    settle_down().await;
    assert!(desk.safety.permit(Request::reducing()).await.is_ok());
    assert!(desk.safety.fence().is_halted(), "a halt outlives the safety actor");
    desk.stop().await;
}

/// O-3: a halt is sticky across a restart, and only a person lifts it.
#[tokio::test(start_paused = true)]
async fn a_halt_is_sticky_across_a_restart_and_only_a_person_resumes() {
    let desk = desk().await;
    let epoch = desk.safety.fence().epoch("AAPL");
    let halted = desk.safety.set_state(TradingState::Halted, rule(), "the drawdown").await;
    assert_eq!(halted, Ok(TradingState::Halted));
    assert_ne!(desk.safety.fence().epoch("AAPL"), epoch);
    let paid = Paid::one("m", Some(Money::ZERO));
    let consultation = Request::consultation(&TEAM[2].role, Some(paid));
    assert_eq!(desk.safety.permit(consultation).await, Err(Code::SafetyHalted));
    let store = Arc::clone(&desk.store);
    desk.stop().await;

    let desk = desk_on(store).await;
    assert!(desk.safety.fence().is_halted());
    assert_eq!(desk.safety.standing().trading_state, TradingState::Halted);
    for by in [rule(), By::Agent("risk_guardian")] {
        let lifted = desk.safety.set_state(TradingState::Active, by, "please").await;
        assert_eq!(lifted, Err(Code::SafetyHalted));
    }
    let lifted = desk.safety.set_state(TradingState::Active, person(), "looked at it").await;
    assert_eq!(lifted, Ok(TradingState::Active));
    assert!(!desk.safety.fence().is_halted());
    assert!(desk.safety.permit(Request::entry()).await.is_ok());
    let said = format!("{:?}", desk.events());
    assert!(said.contains("StateChanged") && said.contains("ada"), "{said}");
    desk.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_halt_that_comes_while_a_resume_is_being_written_wins() {
    let desk = desk().await;
    let safety = desk.safety.clone();
    safety.set_state(TradingState::Halted, rule(), "first").await.unwrap();
    desk.store.stall();
    let resume = safety.set_state(TradingState::Active, person(), "too early");
    let halt = safety.set_state(TradingState::Halted, rule(), "second");
    let go_on = async {
        settle_down().await;
        desk.store.go_on();
    };
    let (resumed, halted, ()) = tokio::join!(resume, halt, go_on);
    assert_eq!((resumed, halted), (Err(Code::SafetyHalted), Ok(TradingState::Halted)));
    assert!(safety.fence().is_halted());
    assert_eq!(desk.store.record().unwrap().trading_state, TradingState::Halted);
    desk.stop().await;
}

#[tokio::test(start_paused = true)]
async fn no_permit_is_given_before_its_block_is_on_the_disk_and_others_wait_in_order() {
    let desk = desk().await;
    desk.store.stall();
    let safety = desk.safety.clone();
    let first = safety.permit(Request::entry());
    let second = safety.permit(Request::entry());
    tokio::pin!(first, second);
    tokio::select! {
        biased;
        _ = &mut first => panic!("given before it was written"),
        _ = &mut second => panic!("given before it was written"),
        () = settle_down() => {}
    }
    assert!(desk.safety.permit(Request::reducing()).await.is_ok());
    desk.store.go_on();
    assert!(first.await.is_ok() && second.await.is_ok());

    desk.store.fail_with(Some(StoreError::DiskFull));
    let answers = desk.safety.permits(vec![Request::entry(); 8]).await;
    assert_eq!(answers.iter().filter(|answer| answer.is_ok()).count(), 6);
    assert_eq!(answers[7], Err(Code::SafetyStore));
    desk.store.fail_with(None);
    assert!(desk.safety.permit(Request::entry()).await.is_ok());
    desk.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_mode_is_raised_by_a_person_only_and_outlives_the_process() {
    let desk = desk().await;
    let wish = |to, by, reason: Option<&str>| ModeRequest {
        job: Team::Trading,
        to,
        by,
        record: AdvisoryRecord::default(),
        override_reason: reason.map(str::to_owned),
    };
    let refused = desk.safety.set_mode(wish(Mode::Supervised, rule(), None)).await;
    assert_eq!(refused, Err(Code::ModeUpward));
    let refused = desk.safety.set_mode(wish(Mode::Autonomous, person(), None)).await;
    assert_eq!(refused, Err(Code::ModeUpward));
    let change = desk.safety.set_mode(wish(Mode::Autonomous, person(), Some("paper"))).await;
    assert_eq!(change.unwrap().override_reason.as_deref(), Some("paper"));
    let store = Arc::clone(&desk.store);
    desk.stop().await;
    let desk = desk_on(store).await;
    assert_eq!(desk.safety.mode(Team::Trading), Mode::Autonomous);
    assert_eq!(desk.safety.mode(Team::Selection), Mode::Advisory);
    desk.safety.set_mode(wish(Mode::Advisory, rule(), None)).await.unwrap();
    assert_eq!(desk.store.record().unwrap().modes[&Team::Trading], Mode::Advisory);
    desk.stop().await;
}

#[tokio::test(start_paused = true)]
async fn without_safety_the_fence_is_closed_and_with_its_return_the_agents_are_back() {
    let desk = desk().await;
    assert!(!desk.safety.fence().is_halted());
    desk.store.fail_with(Some(StoreError::DiskFull));
    desk.kill_safety();
    assert_eq!(desk.safety.permit(Request::entry()).await, Err(Code::SafetyAbsent));
    desk.store.fail_with(None);
    settle_down().await;
    assert!(!desk.safety.fence().is_halted());
    assert!(desk.safety.permit(Request::entry()).await.is_ok());
    let alive = desk.safety.directory().all();
    assert!(alive.iter().all(|(_, entry)| entry.health == Health::Alive), "{alive:?}");
    desk.stop().await;
}

/// An agent that ends too often stays away, and new risk stops; exits go on.
#[tokio::test(start_paused = true)]
async fn a_restart_storm_gives_the_agent_up_and_stops_new_risk() {
    let desk = desk().await;
    let sizer = &desk.agents[2];
    assert_eq!(sizer.role.name, "position_sizer");
    for nth in 0..6 {
        let actor = sizer.mailbox.stable().clone().another_life(None).await.unwrap();
        actor.kill();
        tokio::time::sleep(Duration::from_secs(2)).await;
        let health = desk.safety.directory().get("position_sizer").unwrap().health;
        let expected = if nth < 5 { Health::Alive } else { Health::GivenUp };
        assert_eq!(health, expected, "{nth}");
    }
    assert_eq!(desk.safety.standing().trading_state, TradingState::Reducing);
    assert_eq!(desk.safety.permit(Request::entry()).await, Err(Code::GateTradingState));
    assert!(desk.safety.permit(Request::reducing()).await.is_ok());
    assert!(
        desk.events().iter().any(|event| matches!(
            event,
            SafetyEvent::AgentGivenUp { agent: "position_sizer", .. }
        ))
    );
    desk.stop().await;
}

/// G-2, G-3: calls that were under way when the process was killed are spent, in every cap, of their
/// agent and of their model; what was settled cheaper since the last save counts as it was reserved.
#[tokio::test(start_paused = true)]
async fn money_of_calls_under_way_is_spent_after_a_kill() {
    let desk = desk().await;
    let paid = || Some(Paid::one("haiku", Some("0.10".parse().unwrap())));
    let consultation = || Request::consultation(&TEAM[2].role, paid());
    let first = desk.safety.permit(consultation()).await.unwrap();
    let _under_way = desk.safety.permit(consultation()).await.unwrap();
    desk.safety.settle(first, "0.01".parse().unwrap());
    let rows = desk.safety.report().await.unwrap();
    let run = rows.remaining.iter().find(|row| row.budget == "usd_per_run").unwrap();
    let shown = (run.reserved.get(), run.spent.get(), run.left.get());
    assert!((shown.0 - 0.1).abs() + (shown.1 - 0.01).abs() + (shown.2 - 4.89).abs() < 1e-9);
    assert_eq!(rows.costs.by_agent["position_sizer"].to_string(), "0.11");
    let (after_a_kill, store) = (desk.store.record(), Arc::clone(&desk.store));
    desk.stop().await;
    store.put(after_a_kill);
    let killed = desk_on(store).await;
    for name in [
        "usd_per_run",
        "usd_per_hour",
        "usd_per_day",
        "usd_per_day_by_agent.position_sizer",
        "usd_per_day_by_model.haiku",
    ] {
        let rows = killed.safety.report().await.unwrap().remaining;
        let row = rows.iter().find(|row| row.budget == name).unwrap();
        let spent = row.spent.get();
        assert!((0.2..0.8 + 1e-9).contains(&spent), "{name}: {spent}, a block of eight at most");
        assert!(row.reserved.get() < 1e-9, "{row:?}");
    }
    // Without the blocks the agent's line is the run's.
    let rows = killed.safety.report().await.unwrap().remaining;
    let known = |name: &str| {
        let row = rows.iter().find(|row| row.budget == name).unwrap();
        assert!(row.blocks.get() > 0.0 && row.blocks.get() <= row.spent.get(), "{row:?}");
        row.spent.get() - row.blocks.get()
    };
    let of_agent = known("usd_per_run_by_agent.position_sizer");
    assert!((known("usd_per_run") - of_agent).abs() < 1e-9);
    killed.stop().await;
}

/// G-3: a call that cost more than it could is written down before the next one.
#[tokio::test(start_paused = true)]
async fn a_call_that_cost_more_than_was_reserved_survives_a_kill() {
    let desk = desk().await;
    let paid = Some(Paid::one("haiku", Some("0.10".parse().unwrap())));
    let permit = desk.safety.permit(Request::consultation(&TEAM[2].role, paid)).await.unwrap();
    desk.safety.settle(permit, "3".parse().unwrap());
    assert!((left(&desk, "usd_per_run").await - 2.0).abs() < 1e-9);
    let (after_a_kill, store) = (desk.store.record(), Arc::clone(&desk.store));
    desk.stop().await;
    store.put(after_a_kill);
    let killed = desk_on(store).await;
    assert!(left(&killed, "usd_per_run").await <= 2.0 + 1e-9);
    killed.stop().await;
}

/// A permit whose asker has gone before it came is given back: no call was made.
#[tokio::test(start_paused = true)]
async fn a_permit_that_nobody_waits_for_any_more_costs_nothing() {
    let desk = desk().await;
    desk.store.stall();
    let paid = Some(Paid::one("haiku", Some("0.10".parse().unwrap())));
    let asked = desk.safety.permit(Request::consultation(&TEAM[2].role, paid));
    tokio::time::timeout(Duration::from_millis(5), asked).await.unwrap_err();
    desk.store.go_on();
    settle_down().await;
    assert!((left(&desk, "usd_per_run").await - 5.0).abs() < 1e-9);
    assert!((left(&desk, "all_per_hour").await - 199.0).abs() < 1e-9, "the count stays");
    desk.stop().await;
}
