//! What the desk is told to do.

use conclave_actors::approvals::AnswerError;
use conclave_actors::audit::record;
use conclave_actors::safety::ModeRequest;
use conclave_domain::brief::trading::TradingState;
use conclave_domain::budget::Request;
use conclave_domain::code::Code;
use conclave_domain::fixed::Money;
use conclave_domain::mode::{AdvisoryRecord, By, Mode, Person, meaning};
use conclave_domain::order::ExitReason;
use conclave_domain::record::Step;
use conclave_domain::role::Team;
use serde_json::{Value, json};

use super::views::clip;
use super::{DeskParts, Inner};
use crate::adapters::control_http::HALT_FILE;
use crate::adapters::lock::MoneyKind;
use crate::http::desk::{ModeChange, Refusal, Why};

impl Inner {
    /// Changes the trading state; safety's event brings it into the audit.
    pub(super) async fn set_state(
        &self,
        by: Person,
        wanted: TradingState,
        why: Why,
    ) -> Result<Value, Refusal> {
        let DeskParts { council, .. } = &self.parts;
        let was = council.safety.standing().trading_state;
        if wanted == TradingState::Reducing && was == TradingState::Halted {
            // A verb that makes trading more careful never lifts a halt: that is what resume is for.
            return Err(Refusal::denied(Code::SafetyHalted));
        }
        let set = council.safety.set_state(wanted, By::Person(by), &clip(&why.reason)).await;
        if wanted == TradingState::Halted
            && let Err(error) = council.broker.cancel_entries().await
        {
            tracing::error!(error = &error as &dyn std::error::Error, "entries not cancelled");
        }
        match set {
            Ok(_) => {}
            // A stop is in force whether it could be written down or not.
            Err(Code::SafetyStore) if wanted > TradingState::Active => {}
            Err(Code::SafetyAbsent) if wanted == TradingState::Halted => {}
            Err(code) => return Err(Refusal::denied(code)),
        }
        if wanted == TradingState::Active {
            self.lower_flag()?;
            if was == TradingState::Halted {
                council.broker.halt_lifted();
            }
        }
        let now = council.safety.standing().trading_state;
        Ok(json!({
            "schema": "state/1", "state": now.name(), "text": meaning(now), "recorded": set.is_ok(),
        }))
    }

    /// Removes the flag file that halts whatever the actors say.
    fn lower_flag(&self) -> Result<(), Refusal> {
        match std::fs::remove_file(self.parts.dir.join(HALT_FILE)) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                let text = format!("the flag file {HALT_FILE} of the run still stands: {error}");
                Err(Refusal::Denied { code: Code::SafetyHalted, text })
            }
            _ => Ok(()),
        }
    }

    /// Closes every position. The record is on its way first, but nothing waits for it.
    pub(super) async fn flatten(&self, by: Person, why: Why) -> Result<Value, Refusal> {
        let DeskParts { council, clock, .. } = &self.parts;
        let open = council.broker.view().positions.len();
        council.safety.count_reducing();
        let body = json!({"exit": "all", "reason": ExitReason::Person, "by": by,
            "why": clip(&why.reason)});
        let record = record(Step::OrderCleared, None, clock.trading(), &body);
        let (written, flat) = tokio::join!(
            council.audit.append(record.into_iter().collect()),
            council.broker.flatten(None, None, ExitReason::Person),
        );
        flat.map_err(|error| Refusal::Unavailable(error.to_string()))?;
        if let Err(error) = &written {
            tracing::error!(error = error as &dyn std::error::Error, "flatten not recorded");
        }
        let text = "orders that close every position were sent; they fill at the next prices";
        Ok(json!({
            "schema": "flatten/1", "positions": open, "text": text, "recorded": written.is_ok(),
        }))
    }

    /// Changes the trading team's mode; safety's event brings it into the audit.
    pub(super) async fn set_mode(&self, by: Person, change: ModeChange) -> Result<Value, Refusal> {
        let to: Mode = change.mode.parse().map_err(|error: conclave_domain::mode::ModeError| {
            Refusal::Invalid(error.to_string())
        })?;
        if self.parts.money == MoneyKind::Live.name() {
            self.raise_with_real_money(to).await?;
        }
        let request = ModeRequest {
            job: Team::Trading,
            to,
            by: By::Person(by),
            record: AdvisoryRecord::default(),
            override_reason: change.override_reason.as_deref().map(clip),
        };
        let changed = self.parts.council.safety.set_mode(request).await;
        let changed = changed.map_err(Refusal::denied)?;
        Ok(json!({
            "schema": "mode/1", "mode": changed.to.name(), "from": changed.from.name(),
            "override_reason": changed.override_reason,
        }))
    }

    /// With real money a step up is a critical action, goes from mode to mode, and rests before the next
    /// one: nobody comes from advice to acting alone by one word, or two said in haste.
    async fn raise_with_real_money(&self, to: Mode) -> Result<(), Refusal> {
        let safety = &self.parts.council.safety;
        let from = safety.mode(Team::Trading);
        if to <= from {
            return Ok(());
        }
        if from == Mode::Advisory && to == Mode::Autonomous {
            let text = "with real money a mode is raised step by step: supervised comes first";
            return Err(Refusal::Denied { code: Code::ModeUpward, text: text.to_owned() });
        }
        let permit = safety.permit(Request::critical("mode")).await;
        safety.settle(permit.map_err(Refusal::denied)?, Money::ZERO);
        Ok(())
    }

    /// A person's answer; the queue writes it into the audit.
    pub(super) async fn approve(
        &self,
        by: Person,
        (id, approve): (String, bool),
        why: Why,
    ) -> Result<Value, Refusal> {
        let note = clip(&why.reason);
        let approvals = &self.parts.council.approvals;
        let text = approvals.answer(id.clone(), approve, by, note).await?;
        Ok(json!({"schema": "approval/1", "decision": id, "text": text}))
    }
}

impl From<AnswerError> for Refusal {
    fn from(error: AnswerError) -> Self {
        match error {
            AnswerError::NotFound(text) => Self::NotFound(text),
            AnswerError::Denied(code) => Self::denied(code),
            AnswerError::Gone => Self::Unavailable(error.to_string()),
        }
    }
}
