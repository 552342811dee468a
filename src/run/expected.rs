//! What a run with model brains is expected to ask and to cost, told before its first bar.
//!
//! - G-3: a run whose agents could never be asked under its budgets, or whose models have no price, does
//!   not start.
//!
//! Every signal that the strategy raises on the bars may become a round; what the gates stop is not
//! asked. The price is that of the example brief, at its worst.

use std::io::Write as _;

use conclave_actors::trading;
use conclave_domain::brief::trading::TradingBrief;
use conclave_domain::feasibility::{AgentPlan, JobPlan, Proof, prove};

use super::prepare::Prepared;
use crate::cli::error::{CliError, ExitCode};
use crate::cli::format::{Align, Table};

/// A brief of the usual size: the example of the documentation.
const EXAMPLE: &str = include_str!("../../tests/briefs/trading_entry.json");

/// Proves that the agents can be asked, and tells on stderr what that will cost; nothing where no agent
/// asks a model. To be called once every agent has its brain.
///
/// # Errors
/// With exit code 3, naming every agent that could never be asked and the key to change.
pub(super) fn tell(prepared: &mut Prepared) -> Result<(), CliError> {
    if prepared.agents.values().all(|agent| agent.brain.is_free()) {
        return Ok(());
    }
    let proof = proof(prepared)?;
    let _ = write!(std::io::stderr(), "{}", text(&proof));
    prepared.expected = proof.expected;
    Ok(())
}

fn proof(prepared: &Prepared) -> Result<Proof, CliError> {
    let brief: TradingBrief = serde_json::from_str(EXAMPLE)
        .map_err(|error| CliError::new(ExitCode::Failure, error.to_string()))?;
    let (config, agents) = (&prepared.config, &prepared.agents);
    let plans: Vec<AgentPlan> = trading::TEAM
        .iter()
        .filter_map(|entry| agents.get(entry.role.name).map(|setup| (entry.role, setup)))
        .map(|(role, setup)| AgentPlan {
            agent: role.name,
            team: role.team,
            every: config.agents.get(role.name).and_then(|agent| agent.interval).unwrap_or(1),
            paid: setup.brain.paid(&brief, &config.limits),
        })
        .collect();
    let expected = signals(prepared)?.max(1);
    prove(&JobPlan::Rounds { expected }, &plans, &config.budgets).map_err(|infeasible| {
        let lines: Vec<String> = infeasible.iter().map(ToString::to_string).collect();
        let text = format!("the council could never ask its models:\n  {}", lines.join("\n  "));
        CliError::new(ExitCode::Config, text)
    })
}

/// How many signals the strategy raises on all bars of the run.
fn signals(prepared: &Prepared) -> Result<u64, CliError> {
    let mut market = prepared.warmed_up(None, None)?;
    let mut raised = 0;
    while let Some(chunk) = market.tape.next_chunk(prepared.chunk()) {
        raised += market.watch.on_chunk(&chunk).raised.len();
    }
    Ok(raised as u64)
}

/// A table of the agents that ask models, and what will not last.
fn text(proof: &Proof) -> String {
    let mut table = Table::new([
        ("agent", Align::Left),
        ("model", Align::Left),
        ("calls", Align::Right),
        ("a call at most", Align::Right),
        ("in all at most", Align::Right),
    ]);
    for row in proof.expected.iter().filter(|row| row.model.is_some()) {
        let (each, at_most) = (format!("${}", row.each), format!("${}", row.at_most));
        let model = row.model.clone().unwrap_or_default();
        table.row([row.agent.to_owned(), model, row.calls.to_string(), each, at_most]);
    }
    let mut text = format!("expected of the models, one call per signal at its worst:\n{table}");
    for shortfall in &proof.shortfalls {
        text.push_str("note: ");
        text.push_str(shortfall);
        text.push_str(": cheaper models, then rules or no vote, from there on\n");
    }
    text
}

#[cfg(test)]
mod tests {
    use conclave_domain::budget::{Paid, Rung};
    use conclave_domain::fixed::Money;

    use super::*;
    use crate::config::Config;

    fn prepared() -> Prepared {
        let config = Config::default();
        let strategy = super::super::prepare::strategy(&config).unwrap();
        let custody = Prepared::custody_of(&config);
        Prepared::new(config, crate::data::embedded().unwrap(), strategy, custody).unwrap()
    }

    fn scripted(rungs: &[(&str, Option<&str>)]) -> conclave_actors::council::AgentSetup {
        use conclave_actors::testkit::brains::{Act, ScriptedBrain};
        let money = |text: &str| text.parse::<Money>().unwrap();
        let rungs = rungs.iter().map(|(model, most)| Rung::new(model, most.map(money)));
        let brain = ScriptedBrain::on_ladder(Act::Rules, Paid::ladder(rungs).or_rules());
        let brain = std::sync::Arc::new(brain);
        conclave_actors::council::AgentSetup { brain, ..Default::default() }
    }

    #[test]
    fn a_run_by_rules_expects_nothing_and_one_with_models_a_call_per_signal() {
        let mut prepared = prepared();
        tell(&mut prepared).unwrap();
        assert!(prepared.expected.is_empty());
        let sizer = scripted(&[("opus", Some("0.3")), ("haiku", Some("0.001"))]);
        prepared.agents.insert("position_sizer", sizer);
        let proof = proof(&prepared).unwrap();
        let row = proof.expected.iter().find(|row| row.agent == "position_sizer").unwrap();
        assert!(row.calls > 100, "{row:?}");
        assert_eq!((row.model.as_deref(), row.each), (Some("opus"), "0.3".parse().unwrap()));
        let free = proof.expected.iter().filter(|row| row.at_most.is_zero()).count();
        assert_eq!(free, 4, "the others think by rules");
        let text = text(&proof);
        for shown in ["position_sizer", "opus", "$0.3", "`budgets.usd_per_run` is $5"] {
            assert!(text.contains(shown), "{shown} in {text}");
        }
        tell(&mut prepared).unwrap();
        assert_eq!(prepared.expected, proof.expected);
    }

    /// G-3: what has no price, or never fits, is refused before the first bar, by name and key.
    #[test]
    fn a_model_without_a_price_and_one_that_is_too_dear_are_refused_at_start() {
        let mut prepared = prepared();
        prepared.agents.insert("position_sizer", scripted(&[("newest", None)]));
        prepared.agents.insert("exit_strategist", scripted(&[("dear", Some("0.6"))]));
        let error = tell(&mut prepared).unwrap_err();
        assert_eq!(error.code, ExitCode::Config);
        for shown in ["`newest`", "models.prices", "exit_strategist", "budgets.usd_per_call"] {
            assert!(error.message.contains(shown), "{shown} in {}", error.message);
        }
    }
}
