//! Brains of a simulated world: the agents' rules, late, contrary and at a price.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use conclave_domain::brief::trading::TradingBrief;
use conclave_domain::budget::{Paid, Rung};
use conclave_domain::fixed::Money;
use conclave_domain::limits::Limits;
use conclave_domain::role::RISK_GUARDIAN;
use serde_json::{Value, json};

use super::dice::Dice;
use super::plan::Mind;
use super::seen::{Journal, Seen};
use crate::runtime::brain::{Ask, Brain, RULES, Thinking, Thought};
use crate::runtime::faults::ports::FaultyClock;

/// The most that a call can cost: 20 cents, and 4 of the cheaper model.
const AT_MOST: [(&str, Money); 2] = [
    ("simulated", Money::from_raw(Money::SCALE / 5)),
    ("cheaper", Money::from_raw(Money::SCALE / 25)),
];

/// One agent's brain in one world. It survives the process, as a model does.
#[derive(Debug)]
pub(super) struct SimBrain {
    pub(super) seed: u64,
    pub(super) agent: &'static str,
    pub(super) mind: Mind,
    pub(super) journal: Arc<Journal>,
    pub(super) clock: Arc<FaultyClock>,
    /// Calls of all paid brains of the world so far.
    pub(super) calls: Arc<AtomicU64>,
    pub(super) asked: AtomicU64,
}

impl SimBrain {
    /// Turns the rules' answer round, now and then.
    fn contradict(&self, raw: &mut Value, lot: u64) {
        if lot % 1_000 >= self.mind.contrary {
            return;
        }
        if self.agent == RISK_GUARDIAN {
            raw["objections"] = json!([{"code": "guardian.judgement", "text": "a feeling"}]);
        } else if raw.get("vote").is_some() {
            raw["vote"] = json!(if lot & 1 == 0 { "against" } else { "abstain" });
        }
    }
}

impl Brain<TradingBrief> for SimBrain {
    fn name(&self) -> &str {
        if self.mind.paid { "simulated" } else { "rules" }
    }

    fn is_free(&self) -> bool {
        !self.mind.paid
    }

    fn paid(&self, _: &TradingBrief, _: &Limits) -> Option<Paid> {
        let ladder = AT_MOST.map(|(model, most)| Rung::new(model, Some(most)));
        let paid = self.mind.paid.then(|| Paid::ladder(ladder))?;
        // In half of all worlds the rules answer where the money is spent.
        Some(if self.seed.is_multiple_of(2) { paid.or_rules() } else { paid })
    }

    fn think(&self, ask: Ask<TradingBrief>) -> Thinking {
        let nth = self.asked.fetch_add(1, Ordering::SeqCst);
        let lot = Dice::lot(self.seed, self.agent, nth);
        let (journal, is_guardian) = (Arc::clone(&self.journal), self.agent == RISK_GUARDIAN);
        let most = ask.granted.as_ref().and_then(|rung| rung.at_most);
        let call = most.map(|_| self.calls.fetch_add(1, Ordering::SeqCst));
        if let (Some(call), Some(most)) = (call, most) {
            let (at_most, wall_ms) = (most.raw(), self.clock.reading().ms());
            journal.note(Seen::Asked { call, team: ask.entry.role.team.name(), at_most, wall_ms });
        }
        let mut raw = (ask.entry.rules)(&ask.brief, &ask.limits);
        self.contradict(&mut raw, lot >> 8);
        let pause_ms = (lot >> 32).checked_rem(self.mind.latency_ms + 1).unwrap_or(0);
        let cost = most.map_or(Money::ZERO, |most| Money::from_raw(most.raw() / 2));
        let (by, refused) = (ask.refused.map(|_| RULES.to_owned()), ask.refused);
        Box::pin(async move {
            if pause_ms > 0 {
                tokio::time::sleep(Duration::from_millis(pause_ms)).await;
            }
            if let Some(call) = call {
                journal.note(Seen::Paid { call, cost: cost.raw() });
            }
            if is_guardian {
                let objects = raw["objections"].as_array().is_some_and(|list| !list.is_empty());
                let decision = ask.decision.to_string();
                journal.note(Seen::Guarded { decision, objects });
            }
            Ok(Thought { cost, by, refused, ..Thought::free(raw) })
        })
    }
}
