//! The minds of contestants, as the arena's actors want them.

use std::sync::Arc;

use conclave_actors::arena::desk::{DeskSetup, desk};
use conclave_actors::arena::{Mind, Question, Reply, Seat};
use conclave_domain::arena::desk::brief::MarketTold;
use conclave_domain::arena::desk::{DeskMind, DeskSpec};
use conclave_domain::arena::rule_contestant::RuleMind;
use conclave_domain::arena::season::{ContestantKind, ContestantSpec, SeasonSpec};

use super::purses::Purses;
use crate::cli::error::{CliError, ExitCode};

/// Answers at once: a rule costs nothing and waits for nobody.
struct ByRule(RuleMind);

impl Mind for ByRule {
    fn think(&mut self, question: Question, reply: Reply) {
        // A rule learns nothing: its lessons are left where they are.
        let Question { snapshot, view, book, .. } = question;
        reply.answer(self.0.decide(&snapshot, &view, &book));
    }
}

/// A contestant's seat in a season; its models and budgets are in its purse.
///
/// # Errors
/// When its roles cannot be put to its models (3).
pub(super) fn seat(
    spec: &ContestantSpec,
    season: &SeasonSpec,
    purses: &mut Purses,
) -> Result<Seat, CliError> {
    let name = spec.name.clone();
    match &spec.kind {
        ContestantKind::Rule(rule) => {
            let rule = *rule;
            let make = Arc::new(move || -> Box<dyn Mind> { Box::new(ByRule(RuleMind::new(rule))) });
            Ok(Seat { name, make, staff: Vec::new() })
        }
        ContestantKind::Desk(DeskSpec { mind, config, .. }) => {
            let market = MarketTold::of(&season.rules(), season.slot);
            let of = (season.season.as_str(), &name);
            let by_rules = DeskSetup::by_rules(of, config.clone(), market);
            let purse = match mind {
                DeskMind::Rules => return Ok(desk(by_rules).0),
                DeskMind::Model => purses.of(&name),
            };
            let purse = purse.ok_or_else(|| {
                CliError::new(ExitCode::Config, format!("{name}: its desk has no models"))
            })?;
            let (brains, safety) = (purse.brains()?, Some(purse.safety()));
            let (seat, safety) =
                desk(DeskSetup { brains, safety, reads_prompts: true, ..by_rules });
            purse.seated(safety);
            Ok(seat)
        }
    }
}
