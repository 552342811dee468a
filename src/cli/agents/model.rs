//! `agents ask --brain model`: one question to an agent's model, under the caps of one call.

use std::sync::Arc;

use conclave_actors::runtime::agent::Entry;
use conclave_actors::runtime::brain::{Ask, Spent, Thought};
use conclave_domain::budget::{Budgets, Now, Request};
use conclave_domain::market::symbol::Symbol;
use conclave_domain::order::DecisionId;
use serde::Serialize;

use super::unusable;
use crate::adapters::clock::now;
use crate::brains::{MODEL, Minds};
use crate::cli::error::{CliError, ExitCode};
use crate::config::Config;

/// What an agent's model says of a brief, with what it has cost. The caps of a call, an hour, a day and
/// a run hold for this one question; nobody remembers it.
///
/// # Errors
/// When the model cannot be asked (3, 9), the money does not suffice (6), or its answer is none (1).
pub(super) fn ask<B>(entry: Entry<B>, brief: Arc<B>, config: &Config) -> Result<Thought, CliError>
where
    B: Serialize + std::fmt::Debug + Send + Sync + 'static,
{
    let mut config = config.clone();
    if let Some(agent) = config.agents.get_mut(entry.role.name) {
        MODEL.clone_into(&mut agent.brain);
        agent.enabled = true;
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime
        .map_err(|error| CliError::new(ExitCode::Failure, format!("no runtime: {error}")))?;
    runtime.block_on(asked(entry, brief, &config))
}

async fn asked<B>(entry: Entry<B>, brief: Arc<B>, config: &Config) -> Result<Thought, CliError>
where
    B: Serialize + std::fmt::Debug + Send + Sync + 'static,
{
    let brain = Minds::live(config).await?.brain(entry, config)?;
    let at = now();
    let now = Now { wall: at, trading: at };
    let budgets = Budgets::new(config.budgets.clone());
    let mut budgets = budgets.map_err(|_| CliError::new(ExitCode::Config, "no budgets"))?;
    let paid = brain.paid(&brief, &config.limits);
    let mut granted = None;
    if paid.is_some() {
        let permit = budgets.permit(&Request::consultation(&entry.role, paid), now);
        let permit = permit.map_err(|code| {
            let text = format!("the model cannot be asked: {code}, {}", code.cause());
            CliError::new(ExitCode::Denied, text)
        })?;
        granted = permit.granted().cloned();
        // What it has cost is told; nothing else is asked of these budgets.
        drop(permit);
    }
    let symbol = Symbol::new("ASKED").map_err(|error| unusable(&error.to_string()))?;
    let question = Ask {
        entry,
        brief,
        limits: Arc::new(config.limits.clone()),
        decision: DecisionId::new(&symbol, at, "ask"),
        round: 0,
        granted,
        refused: None,
        spent: Spent::default(),
    };
    brain.think(question).await.map_err(|error| unusable(&error.to_string()))
}
