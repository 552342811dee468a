//! What each contestant remembers of the season, kept beside its book.

use std::collections::BTreeMap;

use super::Season;
use crate::arena::memory::{Close, Lesson, Situation, TOLD_MAX};
use crate::arena::snapshot::Quote;
use crate::arena::words::{Brought, ContestantName, TickId};
use crate::market::bar::Bar;
use crate::market::symbol::Symbol;
use crate::time::Time;

impl Season {
    /// What a contestant is told at the open tick of its own earlier decisions, by symbol; symbols without
    /// a lesson are left out.
    pub fn lessons(&self, name: &ContestantName) -> BTreeMap<Symbol, Vec<Lesson>> {
        let (Some((tick, _)), Some(asked)) = (self.tick, &self.open) else {
            return BTreeMap::new();
        };
        let Some(memory) = self.memories.get(name) else { return BTreeMap::new() };
        let of = |symbol: &Symbol| {
            let situation = self.situation(symbol)?;
            let lessons = memory.lessons(symbol, tick.at, &situation, TOLD_MAX);
            (!lessons.is_empty()).then(|| (symbol.clone(), lessons))
        };
        asked.iter().filter_map(of).collect()
    }

    /// A contestant's whole memory, where it has decided anything yet.
    #[cfg(test)]
    pub(crate) fn memory(
        &self,
        name: &ContestantName,
    ) -> Option<&crate::arena::memory::DeskMemory> {
        self.memories.get(name)
    }

    /// The closes of a slice that may be believed.
    pub(super) fn follow(&mut self, slice: &[(Symbol, Bar)]) {
        for (symbol, bar) in slice {
            if self.quotes.get(symbol).is_some_and(|quote| !quote.suspect) {
                self.trails.entry(symbol.clone()).or_default().add(bar.close);
            }
        }
    }

    /// The outcomes that this slice makes known, in every memory.
    pub(super) fn resolve(&mut self, at: Time) {
        for (symbol, quote) in &self.quotes {
            if quote.last.close_time != at || quote.suspect {
                continue;
            }
            let Some((_, benchmark)) = self.benchmark.curve.last() else { return };
            let close = Close { at, price: quote.last.close, benchmark: *benchmark };
            for memory in self.memories.values_mut() {
                memory.resolve(symbol, close);
            }
        }
    }

    /// Remembers what a contestant decided; what is no decision is not remembered, and neither is one on a
    /// symbol that has too few bars to be compared with anything.
    pub(super) fn note(
        &mut self,
        name: &ContestantName,
        tick: TickId,
        symbol: &Symbol,
        said: &Brought,
    ) {
        let Some(decision) = said.decision() else { return };
        let Some(situation) = self.situation(symbol) else { return };
        let Some(price) = self.quotes.get(symbol).map(Quote::believed) else { return };
        let Some((_, benchmark)) = self.benchmark.curve.last() else { return };
        let close = Close { at: tick.at, price, benchmark: *benchmark };
        let memory = self.memories.entry(name.clone()).or_default();
        memory.note(symbol, decision, close, situation);
    }

    fn situation(&self, symbol: &Symbol) -> Option<Situation> {
        self.trails.get(symbol)?.situation()
    }
}
