//! The minds of contestants by rules, as the arena's actors want them.

use std::sync::Arc;

use conclave_actors::arena::{Mind, Question, Reply, Seat};
use conclave_domain::arena::rule_contestant::RuleMind;
use conclave_domain::arena::season::ContestantSpec;

/// Answers at once: a rule costs nothing and waits for nobody.
struct ByRule(RuleMind);

impl Mind for ByRule {
    fn think(&mut self, question: Question, reply: Reply) {
        let Question { snapshot, view, book } = question;
        reply.answer(self.0.decide(&snapshot, &view, &book));
    }
}

/// A contestant's seat.
pub(super) fn seat(spec: &ContestantSpec) -> Seat {
    let rule = spec.rule;
    Seat { name: spec.name.clone(), make: Arc::new(move || Box::new(ByRule(RuleMind::new(rule)))) }
}
