//! The minds of contestants, as the arena's actors want them.

use std::sync::Arc;

use conclave_actors::arena::{Mind, Question, Reply, Seat};
use conclave_domain::arena::rule_contestant::RuleMind;
use conclave_domain::arena::season::{ContestantKind, ContestantSpec};

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

/// A contestant's seat.
///
/// # Errors
/// When it is of a kind that cannot be seated (3).
pub(super) fn seat(spec: &ContestantSpec) -> Result<Seat, CliError> {
    let name = spec.name.clone();
    match &spec.kind {
        ContestantKind::Rule(rule) => {
            let rule = *rule;
            Ok(Seat { name, make: Arc::new(move || Box::new(ByRule(RuleMind::new(rule)))) })
        }
        ContestantKind::Desk(_) => {
            let text = format!("{name}: desks cannot be seated yet");
            Err(CliError::new(ExitCode::Config, text))
        }
    }
}
