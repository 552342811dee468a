//! Faults on request, on simulated money only.
//!
//! [`FaultPlan`] says what goes wrong now, and remembers what did. The agents' faults are taken by
//! their shell, by the number of the round; those of ports by decorators around them ([`ports`]),
//! those of the market by one around the tape ([`feed`]), both by the number of the call; those of
//! the broker belong to the simulated broker itself. So a run with faults repeats itself as far as its
//! calls do: in simulated time all of them, in a run not those of the log, the stores and the clock.

pub mod feed;
pub mod ports;
pub mod spoil;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use conclave_domain::faults::{FaultSource, Place, Port, Schedule};
use conclave_domain::role::AgentName;

pub use conclave_domain::faults::{Fault, Item as PlannedFault, ScheduleError as FaultError};

/// All faults of a run; usually none. Clones share what was counted.
#[derive(Clone, Debug, Default)]
pub struct FaultPlan(Arc<Desk>);

#[derive(Debug, Default)]
struct Desk {
    source: FaultSource,
    counted: Mutex<Counted>,
}

#[derive(Debug, Default)]
struct Counted {
    calls: BTreeMap<Port, u64>,
    injected: Vec<PlannedFault>,
    /// How many of them somebody was told of.
    told: usize,
}

impl FaultPlan {
    /// These faults and no others.
    pub fn new(faults: Vec<PlannedFault>) -> Self {
        Self::of(FaultSource::listed(Schedule::new(faults)))
    }

    /// Faults from a source.
    pub fn of(source: FaultSource) -> Self {
        Self(Arc::new(Desk { source, counted: Mutex::default() }))
    }

    /// Where the faults come from.
    pub fn source(&self) -> &FaultSource {
        &self.0.source
    }

    /// Whether nothing ever goes wrong.
    pub fn is_off(&self) -> bool {
        self.0.source.is_off()
    }

    /// The planned faults whose agent is on nobody's list: to be refused at the start.
    pub fn strangers<'a>(&'a self, agents: &'a [AgentName]) -> impl Iterator<Item = &'a str> {
        let name = |planned: &'a PlannedFault| match &planned.place {
            Place::Agent(name) => Some(&**name),
            Place::Port(_) => None,
        };
        let known = |agent: &str| agents.contains(&agent);
        self.0.source.list().items().iter().filter_map(name).filter(move |agent| !known(agent))
    }

    /// What goes wrong for an agent in a round; noted as injected. Rounds on positions have the
    /// number 0 and no faults.
    pub fn at(&self, agent: &str, round: u64) -> Option<Fault> {
        if self.is_off() || round == 0 {
            return None;
        }
        let place = Place::Agent(agent.into());
        let fault = self.0.source.at(&place, round)?;
        self.counted().injected.push(PlannedFault { place, nth: round, fault });
        Some(fault)
    }

    /// Counts a call of a port, and says what goes wrong with it; noted as injected.
    pub fn call(&self, port: Port) -> Option<Fault> {
        if self.is_off() {
            return None;
        }
        let mut counted = self.counted();
        let nth = counted.calls.entry(port).or_default();
        *nth += 1;
        let nth = *nth;
        let fault = self.0.source.at(&Place::Port(port), nth)?;
        counted.injected.push(PlannedFault::of_port(port, fault, nth));
        Some(fault)
    }

    /// One of these faults of a place that counts by itself, if the list says so for this number;
    /// noted as injected.
    pub fn planned(&self, port: Port, nth: u64, wanted: &[Fault]) -> Option<Fault> {
        let fault = self.0.source.list().at(&Place::Port(port), nth)?;
        if !wanted.contains(&fault) {
            return None;
        }
        self.counted().injected.push(PlannedFault::of_port(port, fault, nth));
        Some(fault)
    }

    /// Whether any agent may fail to answer in its round: then a round needs a deadline to end.
    pub fn hangs(&self) -> bool {
        self.0.source.hangs()
    }

    /// Everything that was injected so far, as a schedule that does the same again.
    pub fn injected(&self) -> Schedule {
        Schedule::new(self.counted().injected.iter().cloned())
    }

    /// The faults of agents that were listed and have not happened. Those of ports are noted where they
    /// belong, the broker's not here.
    pub fn never_happened(&self) -> Vec<PlannedFault> {
        let counted = self.counted();
        let is_agents = |listed: &&PlannedFault| matches!(listed.place, Place::Agent(_));
        let listed = self.0.source.list().items().iter().filter(is_agents);
        listed.filter(|listed| !counted.injected.contains(listed)).cloned().collect()
    }

    /// What was injected since this was last asked: for whoever writes it down.
    pub fn untold(&self) -> Vec<PlannedFault> {
        if self.is_off() {
            return Vec::new();
        }
        let mut counted = self.counted();
        let untold = counted.injected.split_at(counted.told).1.to_vec();
        counted.told += untold.len();
        untold
    }

    fn counted(&self) -> MutexGuard<'_, Counted> {
        self.0.counted.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plan_knows_what_it_did_and_tells_it_once() {
        let plan = FaultPlan::of(FaultSource::listed("a=hang@2,audit.full@2".parse().unwrap()));
        assert_eq!(plan.at("a", 2), Some(Fault::Hang));
        assert_eq!((plan.at("a", 1), plan.at("b", 2), plan.hangs()), (None, None, true));
        assert_eq!((plan.call(Port::Audit), plan.call(Port::Store)), (None, None));
        assert_eq!((plan.call(Port::Audit), plan.call(Port::Audit)), (Some(Fault::Full), None));
        assert_eq!(plan.injected().to_string(), "a=hang@2,audit.full@2");
        assert_eq!((plan.untold().len(), plan.clone().untold().len()), (2, 0));
        assert!(plan.never_happened().is_empty());
        let late = FaultPlan::of(FaultSource::listed("a=kill@9,audit.full@9".parse().unwrap()));
        assert_eq!(late.at("a", 8), None);
        assert_eq!(late.never_happened().len(), 1);
        assert_eq!(plan.strangers(&["b"]).collect::<Vec<_>>(), ["a"]);
        assert_eq!(plan.strangers(&["a"]).count(), 0);
    }

    #[test]
    fn a_plan_without_faults_counts_nothing() {
        let plan = FaultPlan::default();
        assert_eq!((plan.at("a", 1), plan.call(Port::Feed)), (None, None));
        assert!(plan.is_off() && plan.injected().is_empty() && plan.untold().is_empty());
    }
}
