//! `agents ask --brain model`: one question to an agent's model, under the caps of one call.

use std::sync::Arc;

use conclave_actors::runtime::agent::Entry;
use conclave_actors::runtime::brain::{Ask, Brain, Spent, Thought};
use conclave_actors::runtime::ports::{Booked, Done, SpendLedger as _};
use conclave_domain::budget::ledger::Want;
use conclave_domain::budget::{Asker, Budgets, Now, Paid, Request, Rung};
use conclave_domain::code::Code;
use conclave_domain::fixed::Money;
use conclave_domain::market::symbol::Symbol;
use conclave_domain::order::DecisionId;
use conclave_domain::role::Role;
use serde::Serialize;

use super::unusable;
use crate::adapters::clock::now;
use crate::adapters::spend_ledger::SpendFile;
use crate::brains::{MODEL, Minds};
use crate::cli::error::{CliError, ExitCode};
use crate::cli::progress::Progress;
use crate::config::Config;
use crate::run::spend;

/// What an agent's model says of a brief, with what it has cost. The caps of a call and a run hold for
/// this one question, those of an hour and a day together with all runs.
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
    let brain = runtime.block_on(Minds::live(&config))?.brain(entry, &config)?;
    let paid = brain.paid(&brief, &config.limits);
    let Some(paid) = paid else {
        return runtime.block_on(asked(entry, brief, (brain, None), &config)).0;
    };
    let (granted, booked) = leave(&entry.role, paid, &config)?;
    let (thought, spent) = runtime.block_on(asked(entry, brief, (brain, Some(granted)), &config));
    if let Some((ledger, call, reserved)) = booked {
        // Written at the latest when it is dropped.
        ledger.settle(call, spent.get().unwrap_or(reserved));
    }
    thought
}

/// A reservation in the ledger: its number, and how much at most.
type InLedger = (Arc<SpendFile>, u64, Money);

/// The model that may be asked, and the reservation in the ledger. Blocks.
fn leave(
    role: &Role,
    mut paid: Paid,
    config: &Config,
) -> Result<(Rung, Option<InLedger>), CliError> {
    let refused = |code: Code| {
        let text = format!("the model cannot be asked: {code}, {}", code.cause());
        CliError::new(ExitCode::Denied, text)
    };
    let mut booked = None;
    if let Some(ledger) = spend::open(config, "agents-ask")? {
        let (agent, is_protected) = (role.name.to_owned(), Asker::of(role).is_protected);
        let want = Want { agent, is_protected, rungs: paid.rungs.clone() };
        let (answer, answered) = std::sync::mpsc::channel();
        ledger.reserve(vec![want], Done::new(move |result| drop(answer.send(result))));
        let answers = answered.recv().ok().and_then(Result::ok).unwrap_or_default();
        let first = answers.into_iter().next().unwrap_or(Err(Code::SafetyLedger));
        let Booked { call, rung } = first.map_err(refused)?;
        let dearer = rung.min(paid.rungs.len());
        paid.rungs.drain(..dearer);
        let reserved = paid.rungs.first().and_then(|rung| rung.at_most).unwrap_or(Money::ZERO);
        booked = Some((ledger, call, reserved));
    }
    let (at, request) = (now(), Request::consultation(role, Some(paid)));
    let budgets = Budgets::new(config.budgets.clone());
    let mut budgets = budgets.map_err(|_| CliError::new(ExitCode::Config, "no budgets"))?;
    let permit = budgets.permit(&request, Now { wall: at, trading: at });
    // What it has cost is told; nothing else is asked of these budgets.
    let granted = permit.map(|permit| permit.granted().cloned());
    match granted.and_then(|granted| granted.ok_or(Code::SafetyUnknownPrice)) {
        Ok(granted) => Ok((granted, booked)),
        Err(code) => {
            if let Some((ledger, call, _)) = booked {
                ledger.settle(call, Money::ZERO);
            }
            Err(refused(code))
        }
    }
}

/// What the model says, and what that has cost as far as is known.
async fn asked<B>(
    entry: Entry<B>,
    brief: Arc<B>,
    (brain, granted): (Arc<dyn Brain<B>>, Option<Rung>),
    config: &Config,
) -> (Result<Thought, CliError>, Spent)
where
    B: Serialize + std::fmt::Debug + Send + Sync + 'static,
{
    let spent = Spent::default();
    let at = now();
    let symbol = match Symbol::new("ASKED") {
        Ok(symbol) => symbol,
        Err(error) => return (Err(unusable(&error.to_string())), spent),
    };
    let question = Ask {
        entry,
        brief,
        limits: Arc::new(config.limits.clone()),
        decision: DecisionId::new(&symbol, at, "ask"),
        round: 0,
        granted,
        refused: None,
        spent: spent.clone(),
    };
    let waiting = Progress::waiting("asks the model");
    let thought = brain.think(question).await;
    drop(waiting);
    (thought.map_err(|error| unusable(&error.to_string())), spent)
}
