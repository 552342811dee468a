//! What the models of a contestant take, counted where they are asked: so it holds whatever becomes of
//! the answer, a deadline that drops it included.

use std::fmt::Debug;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use conclave_domain::budget::Paid;
use conclave_domain::code::Code;
use conclave_domain::fixed::Money;
use conclave_domain::limits::Limits;
use conclave_domain::order::DecisionId;
use conclave_domain::role::AgentName;

use crate::runtime::agent::ConsultError;
use crate::runtime::brain::{Ask, Brain, Spent, Thinking};

/// What was taken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Took {
    /// Questions that were put.
    pub calls: u32,
    /// What they have cost, or may have where nobody knows, dollars.
    pub cost: Money,
}

/// Counts one contestant's questions and their cost, and lets no more be put at a tick than it may.
#[derive(Debug)]
pub struct Meter {
    per_tick: u32,
    counts: Mutex<Counts>,
}

#[derive(Debug, Default)]
struct Counts {
    since: Took,
    /// Questions at this tick.
    tick: u32,
    /// Questions under way.
    out: u32,
}

impl Meter {
    /// A meter that lets so many questions be put at a tick.
    pub fn new(per_tick: u32) -> Arc<Self> {
        Arc::new(Self { per_tick, counts: Mutex::default() })
    }

    /// The next tick begins.
    pub fn begin_tick(&self) {
        self.lock().tick = 0;
    }

    /// What was taken since this was asked last.
    pub fn take(&self) -> Took {
        std::mem::take(&mut self.lock().since)
    }

    /// Whether no question is under way.
    pub fn is_quiet(&self) -> bool {
        self.lock().out == 0
    }

    fn admits(&self) -> bool {
        let mut counts = self.lock();
        let admits = counts.tick < self.per_tick;
        if admits {
            counts.tick += 1;
            counts.out += 1;
            counts.since.calls = counts.since.calls.saturating_add(1);
        }
        admits
    }

    fn ended(&self, cost: Money) {
        let mut counts = self.lock();
        counts.out = counts.out.saturating_sub(1);
        counts.since.cost = Money::from_raw(counts.since.cost.raw().saturating_add(cost.raw()));
    }

    fn lock(&self) -> MutexGuard<'_, Counts> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A brain whose questions are counted.
#[derive(Debug)]
pub struct Metered<B> {
    brain: Arc<dyn Brain<B>>,
    meter: Arc<Meter>,
}

impl<B> Metered<B> {
    /// The brain behind a meter.
    pub fn new(brain: Arc<dyn Brain<B>>, meter: Arc<Meter>) -> Self {
        Self { brain, meter }
    }
}

/// A question on its way: dropped at whatever moment, what it has cost by then is counted.
struct Counting {
    meter: Arc<Meter>,
    spent: Spent,
}

impl Drop for Counting {
    fn drop(&mut self) {
        self.meter.ended(self.spent.get().unwrap_or(Money::ZERO));
    }
}

impl<B: Debug + Send + Sync + 'static> Brain<B> for Metered<B> {
    fn name(&self) -> &str {
        self.brain.name()
    }

    fn is_free(&self) -> bool {
        self.brain.is_free()
    }

    fn repeats_itself(&self) -> bool {
        self.brain.repeats_itself()
    }

    fn paid(&self, brief: &B, limits: &Limits) -> Option<Paid> {
        self.brain.paid(brief, limits)
    }

    fn passed_over(&self, decision: &DecisionId, round: u64, agent: AgentName, why: Code) {
        self.brain.passed_over(decision, round, agent, why);
    }

    fn think(&self, ask: Ask<B>) -> Thinking {
        if !self.meter.admits() {
            ask.spent.set(Money::ZERO);
            let code = Code::SafetyCallsTick;
            return Box::pin(async move { Err(ConsultError::Denied { code }) });
        }
        let counting = Counting { meter: Arc::clone(&self.meter), spent: ask.spent.clone() };
        let thinking = self.brain.think(ask);
        Box::pin(async move {
            let thought = thinking.await;
            drop(counting);
            thought
        })
    }
}

#[cfg(test)]
mod tests {
    use std::future::pending;
    use std::time::Duration;

    use conclave_domain::brief::trading::TradingBrief;
    use conclave_domain::market::symbol::Symbol;
    use conclave_domain::time::Time;

    use super::*;
    use crate::runtime::agent::Entry;
    use crate::runtime::brain::Thought;
    use crate::trading::position_sizer::PositionSizer;

    fn cents(raw: i64) -> Money {
        Money::from_raw(raw)
    }

    /// Costs seven, or hangs after it has held nine.
    #[derive(Debug)]
    struct Costly {
        hangs: bool,
    }

    impl Brain<TradingBrief> for Costly {
        fn name(&self) -> &'static str {
            "costly"
        }

        fn is_free(&self) -> bool {
            false
        }

        fn think(&self, ask: Ask<TradingBrief>) -> Thinking {
            let hangs = self.hangs;
            Box::pin(async move {
                ask.spent.set(cents(9));
                if hangs {
                    pending::<()>().await;
                }
                ask.spent.set(cents(7));
                Ok(Thought::free(serde_json::Value::Null))
            })
        }
    }

    fn ask() -> Ask<TradingBrief> {
        let brief = include_str!("../../tests/briefs/trading_entry.json");
        Ask {
            entry: Entry::of::<PositionSizer>(),
            brief: Arc::new(serde_json::from_str(brief).unwrap()),
            limits: Arc::default(),
            decision: DecisionId::new(&Symbol::new("AAPL").unwrap(), Time::EPOCH, "desk"),
            round: 1,
            granted: None,
            refused: None,
            spent: Spent::default(),
        }
    }

    /// G-3: a question that is dropped while it is under way counts at what it holds then.
    #[tokio::test(start_paused = true)]
    async fn what_is_asked_is_counted_whatever_becomes_of_it() {
        let meter = Meter::new(10);
        let metered = |hangs| Metered::new(Arc::new(Costly { hangs }), Arc::clone(&meter));
        metered(false).think(ask()).await.unwrap();
        assert_eq!(meter.take(), Took { calls: 1, cost: cents(7) });
        let mut hanging = metered(true).think(ask());
        assert!(tokio::time::timeout(Duration::from_millis(1), &mut hanging).await.is_err());
        assert!(!meter.is_quiet());
        drop(hanging);
        assert!(meter.is_quiet());
        // One that was never looked at has cost nothing that anybody knows of.
        drop(metered(true).think(ask()));
        assert_eq!(meter.take(), Took { calls: 2, cost: cents(9) });
        assert_eq!(meter.take(), Took::default());
    }

    #[tokio::test]
    async fn no_more_is_asked_at_a_tick_than_may_be_and_the_next_one_begins_anew() {
        let meter = Meter::new(2);
        let metered = Metered::new(Arc::new(Costly { hangs: false }), Arc::clone(&meter));
        for _ in 0..2 {
            metered.think(ask()).await.unwrap();
        }
        let refused = ask();
        let spent = refused.spent.clone();
        let denied = metered.think(refused).await;
        assert_eq!(denied, Err(ConsultError::Denied { code: Code::SafetyCallsTick }));
        assert_eq!(spent.get(), Some(Money::ZERO), "its permit gives everything back");
        assert_eq!(meter.take(), Took { calls: 2, cost: cents(14) });
        meter.begin_tick();
        assert!(metered.think(ask()).await.is_ok());
    }
}
