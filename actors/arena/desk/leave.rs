//! The leave to put questions that cost something.
//!
//! - G-3: money is reserved before a call: a brain that costs something is asked under a permit of the
//!   desk's own safety, or not at all.

use std::sync::Arc;

use conclave_domain::arena::desk::brief::DeskBrief;
use conclave_domain::arena::desk::conversation::Turn;
use conclave_domain::budget::{Paid, Request};
use conclave_domain::code::Code;
use conclave_domain::order::DecisionId;

use super::Office;
use crate::runtime::brain::Spent;
use crate::runtime::shell::{AgentHandle, Lease};

/// What a question is put with.
#[derive(Default)]
pub(super) struct Leave {
    /// Its permit, where it costs something.
    pub(super) lease: Option<Arc<Lease>>,
    /// Why its brain must do without a model, where it must.
    pub(super) refused: Option<Code>,
    /// What it has cost so far.
    pub(super) spent: Spent,
}

/// A question that costs something, by its place among those of its wave.
struct Dear<'a> {
    place: usize,
    turn: Turn,
    role: &'a AgentHandle<DeskBrief>,
    paid: Option<Paid>,
}

impl Office {
    /// The leave of each question of one wave, asked for together; or the code of what refuses it.
    pub(super) async fn leaves(
        &self,
        decision: &DecisionId,
        wave: &[(Turn, Arc<DeskBrief>)],
    ) -> Vec<Result<Leave, Code>> {
        let mut leaves = Vec::new();
        let mut dear = Vec::new();
        for (place, (turn, brief)) in wave.iter().enumerate() {
            leaves.push(match self.roles.get(&turn.role) {
                None => Err(Code::SafetyAbsent),
                Some(role) if role.brain.is_free() => Ok(Leave::default()),
                Some(role) => {
                    dear.push(Dear { place, turn: *turn, role, paid: role.paid(brief) });
                    Err(Code::SafetyAbsent)
                }
            });
        }
        let Some(safety) = self.safety.as_ref().filter(|_| !dear.is_empty()) else { return leaves };
        let request = |it: &Dear<'_>| Request::consultation(&it.role.role, it.paid.clone());
        let permits = safety.permits(dear.iter().map(request).collect()).await;
        for (Dear { place, turn, role, paid }, permit) in dear.into_iter().zip(permits) {
            let Some(word) = leaves.get_mut(place) else { continue };
            *word = match permit {
                Ok(permit) => {
                    let spent = Spent::default();
                    let lease = Lease::new(permit, safety.clone(), spent.clone());
                    Ok(Leave { lease: Some(Arc::new(lease)), refused: None, spent })
                }
                Err(code) if paid.is_some_and(|paid| paid.falls_to_rules(code)) => {
                    Ok(Leave { refused: Some(code), ..Leave::default() })
                }
                Err(code) => {
                    let name = role.role.name;
                    role.brain.passed_over(decision, turn.number(), name, code);
                    Err(code)
                }
            };
        }
        leaves
    }
}
