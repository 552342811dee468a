//! A desk at work: twelve role actors under one supervisor, and a mind that asks them.
//!
//! Each role is an [`Agent`](crate::runtime::agent::Agent) behind the one mailbox that all agents have, with
//! its rules or a model as its brain. The mind starts a task for each tick and awaits nothing itself; the
//! task plays one [`Conversation`](conclave_domain::arena::desk::conversation::Conversation) for each
//! symbol, all at once, and ends with the tick, and with it every call that it waits for.
//!
//! - T-3: silence is never consent: a role that panics, is killed or does not answer has said nothing.
//! - L-1: nothing that was known after the tick reaches a brief: everything comes through a gate.

pub mod answer;
mod debaters;
mod evidence;
mod fundamentals_analyst;
mod leave;
mod market_analyst;
mod portfolio_manager;
mod research_manager;
mod risk;
mod roster;
mod table;
#[cfg(test)]
mod tests;
mod text_analysts;
mod trader;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use conclave_domain::arena::desk::brief::{DeskBrief, MarketTold};
use conclave_domain::arena::desk::{DeskConfig, DeskRole};
use conclave_domain::arena::gate::Gate;
use conclave_domain::arena::words::{Answered, ContestantName};
use conclave_domain::limits::Limits;
use conclave_domain::order::DecisionId;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use self::leave::Leave;
pub use self::roster::entry;
use self::table::Table;
use super::{Mind, Question, Reply, Seat};
use crate::runtime::brain::{Brain, RulesBrain};
use crate::runtime::faults::FaultPlan;
use crate::runtime::shell::{AgentHandle, AgentSpec, agent};
use crate::safety::{SafetyHandle, SafetySetup, safety};

/// Symbols that one desk talks about at the same time; the others wait.
pub const SYMBOLS_AT_ONCE: usize = 64;

/// What a desk is set up with.
#[derive(Clone)]
pub struct DeskSetup {
    /// The season; decisions are named by it.
    pub season: String,
    /// The contestant.
    pub name: ContestantName,
    /// How it comes to a decision.
    pub config: DeskConfig,
    /// The market as its roles are told of it.
    pub market: MarketTold,
    /// Where answers come from; a role that is not named thinks by its rules.
    pub brains: BTreeMap<DeskRole, Arc<dyn Brain<DeskBrief>>>,
    /// The limits in force: bounds of numbers, and nothing of money.
    pub limits: Arc<Limits>,
    /// Faults on request.
    pub faults: Arc<FaultPlan>,
    /// Who gives the leave to ask a brain that costs something, and supervises the roles; without it such
    /// a brain is not asked (G-3). Its list of agents is filled here.
    pub safety: Option<SafetySetup>,
    /// Whether prompts are read by somebody who counts tokens; rules read none.
    pub reads_prompts: bool,
}

impl fmt::Debug for DeskSetup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DeskSetup").field("name", &self.name).finish_non_exhaustive()
    }
}

/// A desk by rules: no key, no cost, no leave to ask for.
impl DeskSetup {
    /// The setup of such a desk.
    pub fn by_rules(
        (season, name): (&str, &ContestantName),
        config: DeskConfig,
        market: MarketTold,
    ) -> Self {
        Self {
            season: season.to_owned(),
            name: name.clone(),
            config,
            market,
            brains: BTreeMap::new(),
            limits: Arc::default(),
            faults: Arc::default(),
            safety: None,
            reads_prompts: false,
        }
    }
}

/// Prepares a desk: its seat in the arena, with the roles beside it, and its safety where it has one.
pub fn desk(setup: DeskSetup) -> (Seat, Option<SafetyHandle>) {
    let DeskSetup { season, name, config, market, mut brains, limits, faults, .. } = setup;
    let (mut staff, mut roles) = (Vec::new(), BTreeMap::new());
    for role in DeskRole::ALL {
        let brain = brains.remove(&role).unwrap_or_else(|| Arc::new(RulesBrain));
        let (child, handle) = agent(AgentSpec {
            entry: entry(role),
            brain,
            limits: Arc::clone(&limits),
            faults: Arc::clone(&faults),
            permits: SYMBOLS_AT_ONCE,
        });
        staff.push(child);
        roles.insert(role, handle);
    }
    let safety = setup.safety.map(|safety_setup| {
        let agents = std::mem::take(&mut staff);
        let (child, handle) = safety(SafetySetup { agents, ..safety_setup });
        staff.push(child);
        handle
    });
    let system = |role: DeskRole| (role, entry(role).system(&limits).len());
    let systems =
        if setup.reads_prompts { DeskRole::ALL.map(system).into() } else { BTreeMap::new() };
    let office = Arc::new(Office {
        run: format!("{season}-{name}"),
        config,
        market,
        systems,
        roles,
        safety: safety.clone(),
        symbols: Arc::new(Semaphore::new(SYMBOLS_AT_ONCE)),
    });
    let make = Arc::new(move || -> Box<dyn Mind> {
        Box::new(Desk { office: Arc::clone(&office), work: JoinSet::new() })
    });
    (Seat { name, make, staff }, safety)
}

/// What the table of every symbol shares.
struct Office {
    /// The season and the contestant: decisions are named by it.
    run: String,
    config: DeskConfig,
    market: MarketTold,
    /// Bytes of each role's instructions, where somebody reads them and counts tokens.
    systems: BTreeMap<DeskRole, usize>,
    roles: BTreeMap<DeskRole, AgentHandle<DeskBrief>>,
    safety: Option<SafetyHandle>,
    symbols: Arc<Semaphore>,
}

impl Office {
    /// Decides on every symbol that is asked about.
    async fn decide(self: Arc<Self>, question: Question) -> Answered {
        let Question { snapshot, view, library, book, lessons } = question;
        let lessons = lessons.into_values().flatten().collect();
        let gate = Arc::new(Gate::new(snapshot.tick.at, view, library, book, lessons));
        // Dropped with the tick, and with them the calls in flight.
        let mut tables = JoinSet::new();
        for symbol in snapshot.asked() {
            let decision = DecisionId::of_run(&self.run, snapshot.tick.number, symbol.as_str());
            let (office, gate, symbol) = (Arc::clone(&self), Arc::clone(&gate), symbol.clone());
            tables.spawn(async move {
                // It is never closed.
                let _seat = Arc::clone(&office.symbols).acquire_owned().await;
                let decided = Table::new(office, gate, &symbol, decision).run().await;
                (symbol, decided)
            });
        }
        let mut answered = Answered::default();
        while let Some(joined) = tables.join_next().await {
            // A table that panicked brought nothing: the season calls that failed.
            let Ok((symbol, decided)) = joined else { continue };
            answered.calls = answered.calls.saturating_add(decided.calls);
            // A cost that no figure holds ends in the season, which refuses the book.
            answered.cost = answered.cost.plus(decided.cost).unwrap_or(answered.cost);
            for (leak, times) in decided.leaks {
                let count = answered.leaks.entry(leak.as_str().to_owned()).or_default();
                *count = count.saturating_add(times);
            }
            answered.chats.insert(symbol.clone(), decided.stages);
            answered.brought.insert(symbol, decided.brought);
        }
        answered
    }
}

/// The mind of a desk.
struct Desk {
    office: Arc<Office>,
    work: JoinSet<()>,
}

impl Mind for Desk {
    fn think(&mut self, question: Question, mut reply: Reply) {
        // A former tick is over: whatever still runs for it is nobody's.
        self.work = JoinSet::new();
        let office = Arc::clone(&self.office);
        self.work.spawn(async move {
            let answered = tokio::select! {
                biased;
                answered = office.decide(question) => answered,
                () = reply.closed() => return,
            };
            reply.answer(answered);
        });
    }
}
