//! What a run with model brains is expected to ask and to cost, told before its first bar.
//!
//! - G-3: a run whose agents could never be asked under its budgets, or whose models have no price, does
//!   not start.
//!
//! Every signal that the strategy raises on the bars may become a round; what the gates stop is not
//! asked. At most a second round follows, an appeal, whoever advises on open positions is asked about
//! one at every bar, and every item of news is read. The price is that of an example brief, at its
//! worst and with a few kilobytes to spare: more than an appeal and the news add to a brief. What is
//! asked from outside over HTTP, and what a killed run asks once more, comes on top.

use std::io::Write as _;

use conclave_actors::news::READ_BY_MODEL_MAX;
use conclave_actors::news::reader::{NewsReader, ReaderBrief};
use conclave_actors::runtime::agent::{Agent as _, Cadence};
use conclave_actors::selection::run::SelectionAgent;
use conclave_actors::trading;
use conclave_domain::brief::selection::SelectionBrief;
use conclave_domain::brief::trading::TradingBrief;
use conclave_domain::budget::Paid;
use conclave_domain::feasibility::{AgentPlan, JobPlan, Proof, prove};
use conclave_domain::fixed::Money;
use conclave_domain::role::{AgentName, Team};

use super::prepare::Prepared;
use crate::cli::error::{CliError, ExitCode};
use crate::cli::format::{Align, Table};

/// Briefs of the usual size: the examples of the documentation.
const EXAMPLES: [&str; 2] = [
    include_str!("../../tests/briefs/trading_entry.json"),
    include_str!("../../tests/briefs/trading_position.json"),
];

/// Proves that the agents can be asked, and tells on stderr what that will cost; nothing where no agent
/// asks a model. To be called once every agent has its brain.
///
/// # Errors
/// With exit code 3, naming every agent that could never be asked and the key to change.
pub(super) fn tell(prepared: &mut Prepared) -> Result<(), CliError> {
    let reads = !prepared.news.reader.is_free() && !prepared.news.press.items().is_empty();
    if prepared.is_free() && !reads {
        return Ok(());
    }
    let proof = proof(prepared)?;
    let cap = prepared.config.budgets.usd_per_run;
    let _ = write!(std::io::stderr(), "{}", text(&proof, cap));
    prepared.expected = proof.expected;
    Ok(())
}

fn proof(prepared: &Prepared) -> Result<Proof, CliError> {
    let (config, agents) = (&prepared.config, &prepared.agents);
    let mut briefs: Vec<TradingBrief> = Vec::with_capacity(EXAMPLES.len());
    for example in EXAMPLES {
        let brief = serde_json::from_str(example);
        briefs.push(brief.map_err(|error| CliError::new(ExitCode::Failure, error.to_string()))?);
    }
    let signals = signals(prepared)?.max(1);
    let bars = prepared.tape.bars() as u64;
    let mut plans: Vec<AgentPlan> = trading::TEAM
        .iter()
        .filter_map(|entry| agents.get(entry.role.name).map(|setup| (entry, setup)))
        .map(|(entry, setup)| {
            let on_positions = entry.cadence == Cadence::EntriesAndPositions;
            let positions = if on_positions { bars } else { 0 };
            let interval = config.agents.get(entry.role.name).and_then(|agent| agent.interval);
            let paid = |brief| setup.brain.paid(brief, &config.limits);
            AgentPlan {
                agent: entry.role.name,
                team: entry.role.team,
                every: interval.unwrap_or(1),
                occasions: None,
                more: signals.saturating_add(positions),
                paid: dearest(briefs.iter().filter_map(paid)),
            }
        })
        .collect();
    plans.extend(selectors(prepared)?);
    plans.extend(reader(prepared, signals));
    prove(&JobPlan::Rounds { expected: signals }, &plans, &config.budgets).map_err(|infeasible| {
        let lines: Vec<String> = infeasible.iter().map(ToString::to_string).collect();
        let text = format!("the council could never ask its models:\n  {}", lines.join("\n  "));
        CliError::new(ExitCode::Config, text)
    })
}

/// The selection team, where the run has a universe: a vote at most whenever symbols are measured again.
fn selectors(prepared: &Prepared) -> Result<Vec<AgentPlan>, CliError> {
    let brief = serde_json::from_str(include_str!("../../tests/briefs/selection.json"));
    let brief: SelectionBrief =
        brief.map_err(|error| CliError::new(ExitCode::Failure, error.to_string()))?;
    let longest = prepared.series.iter().map(|series| series.bars.len()).max().unwrap_or(0);
    let votes = (longest / prepared.config.universe.rules.measured_bars.max(1)) as u64;
    let plan = |(name, agent): (&AgentName, &SelectionAgent)| AgentPlan {
        agent: name,
        team: Team::Selection,
        every: 1,
        occasions: Some(votes),
        more: 0,
        paid: agent.brain.paid(&brief, &prepared.config.limits),
    };
    Ok(prepared.selectors().map(plan).collect())
}

/// The reader of news, where it costs something: each item once, a few for a signal.
fn reader(prepared: &Prepared, signals: u64) -> Option<AgentPlan> {
    let (reader, items) = (&prepared.news.reader, prepared.news.press.items());
    let briefs = items.iter().filter_map(ReaderBrief::of);
    let paid = dearest(briefs.filter_map(|brief| reader.paid(&brief, &prepared.config.limits)))?;
    let asked = signals.saturating_mul(READ_BY_MODEL_MAX as u64);
    Some(AgentPlan {
        agent: NewsReader::ROLE.name,
        team: NewsReader::ROLE.team,
        every: 1,
        occasions: Some(asked.min(items.len() as u64)),
        more: 0,
        paid: Some(paid),
    })
}

/// The question that can cost most; one whose price nobody knows before all others.
fn dearest(all: impl Iterator<Item = Paid>) -> Option<Paid> {
    all.max_by_key(|paid| {
        let prices =
            paid.rungs.iter().map(|rung| rung.at_most.unwrap_or(Money::from_raw(i64::MAX)));
        prices.max().unwrap_or(Money::ZERO)
    })
}

/// How many signals the strategy raises on all bars of the run; of a policy, which also looks at the
/// account, one at every bar that it can see is the most.
fn signals(prepared: &Prepared) -> Result<u64, CliError> {
    let mut market = prepared.warmed_up(None, None)?;
    let mut raised = 0;
    while let Some(chunk) = market.tape.next_chunk(prepared.chunk()) {
        let seen = market.watch.on_chunk(&chunk);
        raised += seen.raised.len();
        raised += seen.looks.iter().filter(|look| look.row.is_some()).count();
    }
    Ok(raised as u64)
}

/// A table of the agents that ask models, what comes on top, and what will not last.
fn text(proof: &Proof, cap: Money) -> String {
    let mut table = Table::new([
        ("agent", Align::Left),
        ("model", Align::Left),
        ("calls", Align::Right),
        ("calls at most", Align::Right),
        ("a call at most", Align::Right),
        ("in all at most", Align::Right),
    ]);
    let mut sum = Some(Money::ZERO);
    for row in proof.expected.iter().filter(|row| row.model.is_some()) {
        let (each, at_most) = (format!("${}", row.each), format!("${}", row.at_most));
        let (model, calls) = (row.model.clone().unwrap_or_default(), row.calls.to_string());
        let most = row.calls_at_most.to_string();
        table.row([row.agent.to_owned(), model, calls, most, each, at_most]);
        sum = sum.and_then(|sum| sum.plus(row.at_most).ok());
    }
    let sum = sum.map_or("more than can be counted".to_owned(), |sum| format!("${sum}"));
    let mut text = format!(
        "expected of the models, one call per signal at its worst; at most an appeal to each, a \
         question per bar about an open position, and every item of news:\n{table}\
         together at most {sum}; `budgets.usd_per_run` is ${cap}, and nothing is spent beyond it\n"
    );
    for shortfall in &proof.shortfalls {
        text.push_str("note: ");
        text.push_str(shortfall);
        text.push_str(": cheaper models, then rules or no vote, from there on\n");
    }
    text
}

#[cfg(test)]
mod tests {
    use conclave_actors::testkit::brains::{Act, ScriptedBrain};
    use conclave_domain::budget::Rung;

    use super::*;
    use crate::config::Config;

    fn prepared() -> Prepared {
        let config = Config::default();
        let strategy = super::super::prepare::strategy(&config).unwrap();
        let custody = Prepared::custody_of(&config);
        Prepared::new(config, crate::data::embedded().unwrap(), strategy, custody).unwrap()
    }

    fn scripted(rungs: &[(&str, Option<&str>)]) -> conclave_actors::council::AgentSetup {
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
        assert_eq!(row.calls_at_most, 2 * row.calls, "an appeal at most");
        let text = text(&proof, prepared.config.budgets.usd_per_run);
        for shown in ["position_sizer", "opus", "$0.3", "`budgets.usd_per_run` is $5"] {
            assert!(text.contains(shown), "{shown} in {text}");
        }
        tell(&mut prepared).unwrap();
        assert_eq!(prepared.expected, proof.expected);
    }

    /// Goal: questions about open positions and the reading of news are in what is told as the most.
    #[test]
    fn positions_and_news_are_counted_in_what_is_told_as_the_most() {
        use conclave_domain::news::door::{Press, RawId, RawItem};
        let mut prepared = prepared();
        prepared.agents.insert("exit_strategist", scripted(&[("haiku", Some("0.001"))]));
        let symbol = prepared.instruments[0].symbol.clone();
        let raw = |nth: u64| RawItem {
            id: RawId::Number(nth),
            known_at: Some(prepared.begins_at() + std::time::Duration::from_hours(nth)),
            headline: format!("{symbol} item {nth}"),
            symbol: Some(symbol.to_string()),
            ..RawItem::default()
        };
        let press = Press::of((1..=9).map(raw).collect(), std::slice::from_ref(&symbol));
        assert_eq!(press.items().len(), 9, "{:?}", press.refused);
        prepared.news.press = std::sync::Arc::new(press);
        let rung = Rung::new("haiku", Some("0.0005".parse().unwrap()));
        let reader = ScriptedBrain::on_ladder(Act::Rules, Paid::ladder([rung]));
        prepared.news.reader = std::sync::Arc::new(reader);
        let proof = proof(&prepared).unwrap();
        let row = |name: &str| proof.expected.iter().find(|row| row.agent == name).unwrap();
        let exits = row("exit_strategist");
        assert_eq!(exits.calls_at_most, 2 * exits.calls + prepared.tape.bars() as u64);
        assert_eq!((row("news_reader").calls, row("news_reader").calls_at_most), (9, 9));
        assert_eq!(row("news_reader").at_most.to_string(), "0.0045");
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
