//! The people of a simulated world: they command at any moment, and answer when they feel like it.

use std::sync::Arc;
use std::time::Duration;

use conclave_domain::brief::trading::TradingState;
use conclave_domain::code::Code;
use conclave_domain::faults::Fault;
use conclave_domain::mode::{AdvisoryRecord, By, Mode, Person};
use conclave_domain::order::ExitReason;
use conclave_domain::role::Team;

use super::dice::Dice;
use super::seen::{Journal, Seen};
use crate::council::Council;
use crate::safety::{ModeRequest, SafetyHandle};

/// Somebody who may command.
fn ada() -> Person {
    Person::authenticated("ada", "simulation")
}

/// Sets the mode of trading.
pub(super) async fn set_mode(safety: &SafetyHandle, to: Mode) -> Result<(), Code> {
    let request = ModeRequest {
        job: Team::Trading,
        to,
        by: By::Person(ada()),
        record: AdvisoryRecord::default(),
        override_reason: Some("a simulation".to_owned()),
    };
    safety.set_mode(request).await.map(drop)
}

/// Does one thing after a while, and notes when it began and how it ended.
pub(super) async fn act(act: Fault, after_ms: u64, council: Council, journal: Arc<Journal>) {
    tokio::time::sleep(Duration::from_millis(after_ms)).await;
    let name = act.name();
    journal.note(Seen::Begun { act: name });
    let state = async |to: TradingState| {
        let by = By::Person(ada());
        council.safety.set_state(to, by, "a simulation").await.is_ok()
    };
    let (good, mode) = match act {
        Fault::Halt => {
            let halted = state(TradingState::Halted).await;
            let _ = council.broker.cancel_entries().await;
            (halted, None)
        }
        Fault::Reduce => (state(TradingState::Reducing).await, None),
        Fault::Resume => {
            let lifted = state(TradingState::Active).await;
            if lifted {
                council.broker.halt_lifted();
            }
            (lifted, None)
        }
        Fault::Flatten => {
            let flattened = council.broker.flatten(None, None, ExitReason::Person).await;
            (flattened.is_ok(), None)
        }
        Fault::Advisory | Fault::Supervised | Fault::Autonomous => {
            let to = match act {
                Fault::Advisory => Mode::Advisory,
                Fault::Supervised => Mode::Supervised,
                _ => Mode::Autonomous,
            };
            (set_mode(&council.safety, to).await.is_ok(), Some(to.name()))
        }
        _ => (true, None),
    };
    journal.note(Seen::Done { act: name, good, mode });
}

/// Looks through what waits: says yes, says no, or lets it lie. Sometimes clicks twice.
pub(super) async fn answer(council: &Council, seed: u64, slice: u64) {
    for (nth, item) in council.approvals.list().await.into_iter().enumerate() {
        let lot = Dice::lot(seed, "approval", slice * 64 + nth as u64);
        let decision = item.decision.to_string();
        let say = |yes: bool| {
            let (approvals, decision) = (council.approvals.clone(), decision.clone());
            async move { approvals.answer(decision, yes, ada(), String::new()).await }
        };
        match lot % 10 {
            0..5 => drop(say(true).await),
            5..7 => drop(tokio::join!(say(true), say(true))),
            7 => drop(say(false).await),
            _ => {}
        }
    }
}
