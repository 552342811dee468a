//! What safety begins with, and what the trading state leaves room for.

use std::sync::PoisonError;

use conclave_domain::brief::trading::TradingState;
use conclave_domain::budget::{BudgetError, Budgets, Now, Request};
use conclave_domain::code::Code;
use ractor::ActorProcessingErr;
use tokio::sync::oneshot;

use super::{SafetySetup, Standing};
use crate::runtime::ports::Done;

/// What safety goes on from: a moment that is played again from, or what the store holds.
pub(super) async fn recalled(
    setup: &SafetySetup,
) -> Result<(Budgets, Standing), ActorProcessingErr> {
    let first =
        |errors: Vec<BudgetError>| errors.first().map_or_else(String::new, ToString::to_string);
    let now = Now { wall: setup.clock.wall(), trading: setup.clock.trading() };
    let live = setup.live.lock().unwrap_or_else(PoisonError::into_inner).take();
    if let Some(live) = live {
        let budgets = Budgets::resumed(setup.budgets.clone(), &live.budgets, now).map_err(first)?;
        return Ok((budgets, live.standing));
    }
    let (answer, loaded) = oneshot::channel();
    setup.store.load(Done::new(move |record| drop(answer.send(record))));
    let record = loaded.await??;
    let stored = record.as_ref().map(|record| &record.budgets);
    let budgets = Budgets::durable(setup.budgets.clone(), stored, now).map_err(first)?;
    let mut standing = Standing::initial();
    if let Some(record) = record {
        standing.trading_state = record.trading_state;
        standing.modes.extend(record.modes);
    }
    Ok((budgets, standing))
}

/// Whether the trading state leaves room for a request at all.
pub(super) fn allows(state: TradingState, request: &Request) -> Result<(), Code> {
    match (state, request) {
        (TradingState::Active, _) | (TradingState::Reducing, Request::Consultation { .. }) => {
            Ok(())
        }
        _ if request.is_reducing() => Ok(()),
        (TradingState::Reducing, _) => Err(Code::GateTradingState),
        (TradingState::Halted, _) => Err(Code::SafetyHalted),
    }
}
