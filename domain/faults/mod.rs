//! What is made to go wrong on purpose: where, what, and at the how-manieth time. Pure.
//!
//! - D-1: whether something goes wrong is a function of a list, or of a seed, the place and the
//!   number of the call, and of nothing else: one seed reproduces one run exactly where the calls
//!   themselves come in one order, as they do in simulated time.
//!
//! A fault is written `AGENT=WHAT@ROUND` where it befalls an agent, and `PLACE.WHAT@NTH` where it
//! befalls a port, the market, the process or the people around it. A [`Schedule`] is a list of
//! them, so that what a seed has drawn can be printed, shrunk and given back as text.

mod draw;
mod schedule;

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

pub use draw::FaultSource;
pub use schedule::{Item, Schedule, ScheduleError};

/// A port, or whatever else outside of the agents can fail. The number of a fault counts its calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Port {
    /// The log: batches that it is given.
    Audit,
    /// The store of the shared context: commits.
    Store,
    /// The store of budgets, modes and the trading state: saves and loads.
    Safety,
    /// The wall clock: readings.
    Clock,
    /// The simulated broker: orders that it is sent.
    Broker,
    /// The market's feed: slices.
    Feed,
    /// The process itself: calls of all disks for a crash, slices for a stop. Simulation only.
    Process,
    /// People: slices. Simulation only.
    Person,
}

impl Port {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::Audit,
        Self::Store,
        Self::Safety,
        Self::Clock,
        Self::Broker,
        Self::Feed,
        Self::Process,
        Self::Person,
    ];

    /// The word in schedules.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Audit => "audit",
            Self::Store => "store",
            Self::Safety => "safety",
            Self::Clock => "clock",
            Self::Broker => "broker",
            Self::Feed => "feed",
            Self::Process => "process",
            Self::Person => "person",
        }
    }

    /// What can go wrong there.
    pub const fn faults(self) -> &'static [Fault] {
        use Fault as F;
        match self {
            Self::Audit | Self::Store => &[F::Full, F::Flush],
            Self::Safety => &[F::Full, F::Flush, F::Read],
            Self::Clock => &[F::Forward, F::Back],
            Self::Broker => &[F::Timeout, F::DuplicateFill, F::LateFill, F::Reject],
            Self::Feed => &[F::Stall, F::Repeat, F::Older],
            Self::Process => &[F::Crash, F::Stop],
            Self::Person => &[
                F::Halt,
                F::Reduce,
                F::Resume,
                F::Flatten,
                F::Advisory,
                F::Supervised,
                F::Autonomous,
            ],
        }
    }
}

/// Where something goes wrong.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Place {
    /// One agent, by its name.
    Agent(Arc<str>),
    /// Something else.
    Port(Port),
}

impl Place {
    /// What can go wrong there.
    pub const fn faults(&self) -> &'static [Fault] {
        match self {
            Self::Agent(_) => &Fault::OF_AGENTS,
            Self::Port(port) => port.faults(),
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Agent(name) => name,
            Self::Port(port) => port.name(),
        })
    }
}

macro_rules! faults {
    ($($variant:ident = $text:literal, $what:literal;)*) => {
        /// What goes wrong.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(rename_all = "snake_case")]
        pub enum Fault {
            $(#[doc = $what] $variant,)*
        }

        impl Fault {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The word in schedules.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $text,)*
                }
            }
        }
    };
}

faults! {
    Panic = "panic", "Agent: the mailbox's handler panics: the actor dies and is restarted.";
    Error = "error", "Agent: the mailbox's handler returns an error: the same.";
    Kill = "kill", "Agent: the actor is killed: no handler, no clean-up.";
    Hang = "hang", "Agent: the brain waits and never answers.";
    Shed = "shed", "Agent: the consultation is turned away as if too many were in flight.";
    Slow = "slow", "Agent: the answer takes a while.";
    Drop = "drop", "Agent: the call ends and no answer was ever sent.";
    Twice = "twice", "Agent: the answer comes twice, the second time another one.";
    Late = "late", "Agent: the answer comes when the round is over.";
    Garble = "garble", "Agent: the answer is prose, or half of what it should be.";
    Nan = "nan", "Agent: every number of the answer is NaN.";
    Huge = "huge", "Agent: every number of the answer is as large as a number can be.";
    Forbidden = "forbidden", "Agent: the answer asks for a forbidden action.";
    Full = "full", "Store or log: there is no room; nothing is written.";
    Flush = "flush", "Store or log: it cannot be brought to the disk; whether it is there is not known.";
    Read = "read", "Store: it cannot be read.";
    Forward = "forward", "Clock: it jumps an hour forward.";
    Back = "back", "Clock: it jumps an hour back.";
    Timeout = "timeout", "Broker: it takes the order, and its answer comes a bar too late.";
    DuplicateFill = "duplicate_fill", "Broker: a fill is told twice.";
    LateFill = "late_fill", "Broker: it confirms a cancel and fills all the same.";
    Reject = "reject", "Broker: it rejects this order and the next four.";
    Stall = "stall", "Feed: for a while nothing comes.";
    Repeat = "repeat", "Feed: the last slice comes again.";
    Older = "older", "Feed: it goes back in time by a few slices.";
    Crash = "crash", "Process: it ends at once; what was not synced is lost in part.";
    Stop = "stop", "Process: it is stopped in order and started again.";
    Halt = "halt", "Person: halts trading.";
    Reduce = "reduce", "Person: allows no new risk.";
    Resume = "resume", "Person: lifts a halt or a reduction.";
    Flatten = "flatten", "Person: closes every position.";
    Advisory = "advisory", "Person: lowers or keeps the mode at advisory.";
    Supervised = "supervised", "Person: sets the mode to supervised.";
    Autonomous = "autonomous", "Person: sets the mode to autonomous.";
}

impl Fault {
    /// What can befall an agent.
    pub const OF_AGENTS: [Self; 13] = [
        Self::Panic,
        Self::Error,
        Self::Kill,
        Self::Hang,
        Self::Shed,
        Self::Slow,
        Self::Drop,
        Self::Twice,
        Self::Late,
        Self::Garble,
        Self::Nan,
        Self::Huge,
        Self::Forbidden,
    ];

    /// The fault of this name.
    pub fn by_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|fault| fault.name() == name)
    }

    /// Whether an agent that it befalls never answers within its round: then the round needs a
    /// deadline to end.
    pub const fn never_answers(self) -> bool {
        matches!(self, Self::Hang | Self::Late)
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

#[cfg(test)]
mod tests;
