//! The minds of contestants, as the arena's actors want them.

use std::sync::Arc;

use conclave_actors::arena::desk::{DeskSetup, desk};
use conclave_actors::arena::{Mind, Question, Reply, Seat};
use conclave_domain::arena::desk::brief::MarketTold;
use conclave_domain::arena::desk::{DeskMind, DeskSpec};
use conclave_domain::arena::rule_contestant::RuleMind;
use conclave_domain::arena::season::{ContestantKind, ContestantSpec, SeasonSpec};

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

/// A contestant's seat in a season.
///
/// # Errors
/// When it is of a kind that cannot be seated (3).
pub(super) fn seat(spec: &ContestantSpec, season: &SeasonSpec) -> Result<Seat, CliError> {
    let name = spec.name.clone();
    match &spec.kind {
        ContestantKind::Rule(rule) => {
            let rule = *rule;
            let make = Arc::new(move || -> Box<dyn Mind> { Box::new(ByRule(RuleMind::new(rule))) });
            Ok(Seat { name, make, staff: Vec::new() })
        }
        ContestantKind::Desk(DeskSpec { mind: DeskMind::Rules, config, .. }) => {
            let market = MarketTold::of(&season.rules(), season.slot);
            let of = (season.season.as_str(), &name);
            Ok(desk(DeskSetup::by_rules(of, config.clone(), market)).0)
        }
        ContestantKind::Desk(DeskSpec { mind: DeskMind::Model, .. }) => {
            let text = format!("{name}: desks of models cannot be seated yet");
            Err(CliError::new(ExitCode::Config, text))
        }
    }
}
