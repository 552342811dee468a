//! Scenarios of the whole council on paused time: a wait would show as elapsed time.

mod orders;
mod outside;
mod policy;
mod rounds;
mod runs;

use conclave_domain::code::Code;
use conclave_domain::mode::Mode;
use conclave_domain::signal::Direction;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::*;
use crate::testkit::brains::{Act, ScriptedBrain};
use crate::testkit::council::{CouncilPlan, TestCouncil, person};
use crate::testkit::told::Told;

const ADVISERS: [&str; 4] =
    ["signal_analyst", "position_sizer", "execution_timer", "exit_strategist"];

/// What an adviser answers an entry with: its own answer with this vote and this confidence.
fn answer(agent: &str, vote: &str, confidence: f64) -> Value {
    let own = match agent {
        "signal_analyst" => json!({"confidence_multiplier": 1.0, "recommendation":
            if vote == "against" { "SKIP" } else { "PROCEED" }}),
        "position_sizer" => json!({"size_multiplier": 1.0}),
        "execution_timer" => {
            json!({"order_type": "MARKET", "limit_offset_bp": 0.0, "time_in_force": "day"})
        }
        "exit_strategist" => {
            json!({"stop_distance": 0.03, "target_distance": 0.06, "action": "HOLD"})
        }
        stranger => panic!("{stranger} is no adviser"),
    };
    let mut answer = json!({"reasoning": "as scripted", "vote": vote, "confidence": confidence});
    let fields = own.as_object().unwrap().clone();
    answer.as_object_mut().unwrap().extend(fields);
    answer
}

/// All advisers vote for what they are asked, this sure of it.
fn all_for(council: &TestCouncil, confidence: f64) {
    for agent in ADVISERS {
        council.agent(agent).answers(answer(agent, "for", confidence));
    }
}

fn waits_for_all() -> CouncilPlan {
    CouncilPlan { settle: Settle::All, ..CouncilPlan::default() }
}

/// How a seat of the last round ended: its word.
#[track_caller]
fn outcome(told: &Told, agent: &str) -> String {
    told.seat(agent).unwrap_or_else(|| panic!("{agent}: {told:#?}"))["outcome"].to_string()
}

/// Exits among the orders of the real book.
async fn exits(council: &TestCouncil) -> usize {
    let account = council.council.broker.export().await.unwrap().remove(&BookKind::Real).unwrap();
    let orders = account.custody.orders().iter();
    orders.filter(|order| order.intent.exits.is_none()).count()
}

#[tokio::test(start_paused = true)]
async fn a_good_signal_becomes_an_order_in_no_time() {
    let council = TestCouncil::start().await;
    let started_at = Instant::now();
    let told = council.decide_long().await;
    assert_eq!(told.verdicts(), ["act"], "{told:#?}");
    assert_eq!(started_at.elapsed(), Duration::ZERO);
    assert_eq!(council.orders(BookKind::Real).len(), 1, "{told:#?}");
    assert_eq!(council.orders(BookKind::Shadow).len(), 0);
    council.stop().await;
}

#[tokio::test(start_paused = true)]
#[should_panic(expected = "dropped while its actors live")]
async fn a_council_that_is_not_stopped_fails_its_test() {
    drop(TestCouncil::start().await);
}
