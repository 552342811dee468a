//! What reduces risk passes in the worst of all worlds: every budget spent, every approval expired,
//! the guardian dead, the state HALTED.

use std::time::Duration;

use conclave_actors::runtime::directory::Health;
use conclave_actors::runtime::faults::FaultPlan;
use conclave_actors::safety::SafetyEvent;
use conclave_actors::testkit::council::{CouncilPlan, TestCouncil};
use conclave_domain::brief::trading::TradingState;
use conclave_domain::budget::{BudgetConfig, Request};
use conclave_domain::code::Code;
use conclave_domain::context::BookKind;
use conclave_domain::market::synth::{Preset, SynthConfig, generate};
use conclave_domain::mode::Mode;
use conclave_domain::order::ExitReason;
use conclave_domain::signal::Direction;

/// A council that holds one share, and then loses everything that an entry would need.
async fn worst() -> TestCouncil {
    let kills =
        (3..40).map(|round| format!("risk_guardian=kill@{round}").parse().expect("a fault"));
    // Long enough for a stop, a trail or a target to be touched even in a calm market.
    let calm = SynthConfig { symbols: 2, bars: 900, ..SynthConfig::of(Preset::Calm) };
    let plan = CouncilPlan {
        series: generate(&calm, 1).expect("a market").series,
        budgets: BudgetConfig { actions_per_hour: 1, critical_per_day: 0, ..Default::default() },
        faults: FaultPlan::new(kills.collect()),
        ..CouncilPlan::default()
    };
    let mut council = TestCouncil::with(plan).await;
    assert_eq!(council.decide_long().await.verdicts(), ["act"]);
    council.day().await.expect("a day");
    assert_eq!(council.council.broker.view().positions.len(), 1);

    let permit = council.council.safety.permit(Request::critical("reversal")).await;
    assert_eq!(permit.err(), Some(Code::SafetyCriticalDay), "there never was one");
    expire_an_approval(&council).await;
    let permit = council.council.safety.permit(Request::entry()).await;
    assert_eq!(permit.err(), Some(Code::SafetyActionsHour), "the hour's action is spent");
    bury_the_guardian(&council).await;
    council.halt().await.expect("a halt");
    assert_eq!(council.council.safety.standing().trading_state, TradingState::Halted);
    council
}

/// A proposal waits for a person who does not come.
async fn expire_an_approval(council: &TestCouncil) {
    council.set_mode(Mode::Supervised).await.expect("a mode");
    let told = council.decide(council.signal(1, Direction::Long)).await.expect("a decision");
    assert_eq!(told.verdicts(), ["act"], "{told:#?}");
    assert_eq!(council.council.approvals.list().await.len(), 1);
    council.clock.advance(Duration::from_mins(6));
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(council.council.approvals.list().await, []);
    assert_eq!(council.denials(Code::ApprovalExpired), 1);
    assert_eq!(council.orders(BookKind::Real).len(), 1, "silence means no");
}

/// Kills the guardian in every round until it is given up.
async fn bury_the_guardian(council: &TestCouncil) {
    let is_given_up = |event: &SafetyEvent| matches!(event, SafetyEvent::AgentGivenUp { .. });
    for _ in 0..30 {
        if council.events().iter().any(is_given_up) {
            break;
        }
        council.decide(council.signal(1, Direction::Long)).await.expect("a decision");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let guardian = council.council.safety.directory().get("risk_guardian").expect("a guardian");
    assert_eq!(guardian.health, Health::GivenUp, "{:?}", council.events());
    assert_eq!(council.orders(BookKind::Real).len(), 1, "nothing left without it");
}

/// No position is left, and nothing but exits has left since.
async fn is_out(mut council: TestCouncil, way: &str) {
    for _ in 0..600 {
        if council.council.broker.view().positions.is_empty() {
            break;
        }
        council.day().await.expect("a day");
    }
    assert!(council.council.broker.view().positions.is_empty(), "{way}: it is still held");
    let account = council.council.broker.export().await.expect("a broker");
    let orders = account[&BookKind::Real].custody.orders().iter();
    assert_eq!(orders.filter(|order| order.intent.exits.is_some()).count(), 1, "{way}: entries");
    council.stop().await;
}

/// O-4: a turned signal, a person and a protective price each close the position.
#[tokio::test(start_paused = true)]
async fn what_reduces_risk_passes_when_nothing_else_does() {
    let council = worst().await;
    council.decide(council.signal(0, Direction::Short)).await.expect("a decision");
    is_out(council, "a turned signal").await;

    let council = worst().await;
    let flat = council.council.broker.flatten(None, None, ExitReason::Person).await;
    flat.expect("a broker");
    is_out(council, "a person").await;

    is_out(worst().await, "a protective price").await;
}

/// O-3: and nothing that adds risk passes, on any word but a person's who lifts the halt.
#[tokio::test(start_paused = true)]
async fn what_adds_risk_does_not() {
    let council = worst().await;
    let told = council.decide(council.signal(1, Direction::Long)).await.expect("a decision");
    assert!(told.bodies("order.submitted").is_empty(), "{told:#?}");
    let permit = council.council.safety.permit(Request::entry()).await;
    assert_eq!(permit.err(), Some(Code::SafetyHalted));
    council.stop().await;
}
