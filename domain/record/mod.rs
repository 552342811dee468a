//! One line of the audit: what was decided at which step, and what was merely observed beside it.
//!
//! A record has a deterministic body (canonical JSON text, written once by whoever decides) and may
//! have volatile fields: wall times, latencies, cost, process. The writer splits the two: bodies go
//! to the stream of decisions, volatile fields to the stream of observations, so that two runs with
//! the same seed and data write the same decisions byte for byte.
//!
//! # Invariants
//!
//! - the chain verifies: every line carries the hash of the former line and itself ([`Chain`]).
//! - D-1: same seed, same data, same recorded answers give byte-identical records: no wall time, no
//!   order of arrival and no process id is in a body.

mod block;
mod chain;
mod content;
mod json;
mod line;

pub use block::Block;
pub use chain::{
    Anchor, BadRecord, Chain, ChainState, Digest, Fault, Head, Place, Verified, Verifier, verify,
};
pub use content::ContentState;
pub use line::{Line, LineError};

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::order::DecisionId;
use crate::time::Time;

/// Which of the two chained streams a line belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stream {
    /// What was decided: deterministic, hashed into the record hash.
    Decisions,
    /// What happened beside it: latencies, restarts, faults, cost.
    Observations,
}

impl Stream {
    /// Both streams.
    pub const ALL: [Self; 2] = [Self::Decisions, Self::Observations];

    /// The word that begins the stream's segment files.
    pub const fn prefix(self) -> &'static str {
        match self {
            Self::Decisions => "audit",
            Self::Observations => "observations",
        }
    }

    /// The stream's name for people.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Decisions => "decisions",
            Self::Observations => "observations",
        }
    }
}

macro_rules! steps {
    ($($variant:ident = $text:literal, $stream:ident, $what:literal;)*) => {
        /// What a record is about: the eight steps of a bar, and what happens around them.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Step {
            $(#[doc = $what] $variant,)*
        }

        impl Step {
            /// Every step, the eight of a bar first.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The step's name in records, spans and metrics.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $text,)*
                }
            }

            /// The stream that its body goes to.
            pub const fn stream(self) -> Stream {
                match self {
                    $(Self::$variant => Stream::$stream,)*
                }
            }
        }
    };
}

steps! {
    BarReceived = "bar.received", Decisions, "Step 1: a closed bar that raises a candidate came through the door.";
    SignalRaised = "signal.raised", Decisions, "Step 2: a strategy or a policy raised a signal.";
    ConsultSent = "consult.sent", Decisions, "Step 3: the gates were passed and the agents are asked; holds the brief.";
    AdviceClamped = "advice.clamped", Decisions, "Step 4: one agent's answer, raw and clamped, or why there is none.";
    RoundClosed = "round.closed", Decisions, "Step 5: the verdict and the votes that made it.";
    OrderCleared = "order.cleared", Decisions, "Step 6: the order that may leave, or why none may.";
    OrderSubmitted = "order.submitted", Decisions, "Step 7: what the broker did with the order.";
    BookUpdated = "book.updated", Decisions, "Step 8: a fill was booked, or a prediction's outcome is known.";
    RunStarted = "run.started", Decisions, "The header of a run: seed, hashes, version. Not part of the record hash.";
    RunEnded = "run.ended", Decisions, "The run ended in order.";
    SessionDigest = "session.digest", Decisions, "Count and hash of a session's bars that raised nothing.";
    CandidateDenied = "candidate.denied", Decisions, "A candidate that the gates stopped before any agent was asked.";
    ModeChanged = "mode.changed", Decisions, "A job's mode was changed.";
    StateChanged = "state.changed", Decisions, "The trading state was changed.";
    HaltRaised = "halt.raised", Decisions, "A halt, by rule or by a person.";
    HaltLifted = "halt.lifted", Decisions, "A person lifted a halt.";
    ApprovalAsked = "approval.asked", Decisions, "An action waits for a person.";
    ApprovalAnswered = "approval.answered", Decisions, "A person said yes or no.";
    ApprovalExpired = "approval.expired", Decisions, "Nobody answered in time; that means no.";
    BudgetBlock = "budget.block", Decisions, "A durable block of a budget was reserved ahead of use.";
    BudgetDenied = "budget.denied", Decisions, "A permit was refused.";
    ForbiddenAsked = "forbidden.asked", Decisions, "An answer asked for a forbidden action and was refused.";
    BookAdjusted = "book.adjusted", Decisions, "Reconciliation booked a difference to the broker.";
    AppealOpened = "appeal.opened", Decisions, "A soft veto is appealed, or why it could not be.";
    ValidationEnded = "validation.ended", Decisions, "A training run was validated: its figures, and what they say of earlier advice.";
    LeversCleared = "levers.cleared", Decisions, "Levers of a training run that may be moved, or why none may.";
    LeversMoved = "levers.moved", Decisions, "What the trainer did with cleared levers, each for itself.";
    SelectionClosed = "selection.closed", Decisions, "A selection ended: its list, what the agents asked for, and what that changed.";
    UniverseReviewed = "universe.reviewed", Decisions, "A run's universe was looked at and something would change: who leaves, who comes in, and why not.";
    DeskDecided = "desk.decided", Decisions, "What became of a contestant's wishes at a tick's opening, and what it brought to the tick.";
    TickClosed = "tick.closed", Decisions, "All contestants' answers to a tick are written down; holds the hash of what was shown.";
    ContestantExcluded = "contestant.excluded", Decisions, "A contestant takes no part any more, and why.";
    AgentRestarted = "agent.restarted", Observations, "A supervisor started an agent anew.";
    FaultInjected = "fault.injected", Observations, "A fault was injected on purpose.";
    FaultSeen = "fault.seen", Observations, "A part of the process failed.";
    RunResumed = "run.resumed", Observations, "A process went on with a run: from where, and which way.";
    CheckpointTaken = "checkpoint.taken", Observations, "A checkpoint is on the disk: what a kill goes back to at most.";
    AnswerHeard = "answer.heard", Observations, "A brain that is not free has answered; noted before its round closes.";
    RunCounted = "run.counted", Observations, "What the agents of a run were asked up to its end, what became of it and what it cost.";
    LogCut = "log.cut", Observations, "A torn tail was found at the start and cut.";
    ConfigReloaded = "config.reloaded", Observations, "The configuration was read anew on request, or why it was not.";
    StallSeen = "stall.seen", Observations, "A runtime's timers were late.";
    StrangerSeen = "stranger.seen", Observations, "Somebody who may not command spoke to us; nothing was done.";
}

/// A text that is no step.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not a step")]
pub struct StepError {
    text: String,
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Step {
    type Err = StepError;

    fn from_str(text: &str) -> Result<Self, StepError> {
        let found = Self::ALL.iter().copied().find(|step| step.name() == text);
        found.ok_or_else(|| StepError { text: text.chars().take(40).collect() })
    }
}

impl Serialize for Step {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

impl<'de> Deserialize<'de> for Step {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(de::Error::custom)
    }
}

/// What somebody decided or saw, before the writer gives it a number and a hash.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    step: Step,
    decision: Option<DecisionId>,
    at: Time,
    body: Box<str>,
    volatile: Option<Box<str>>,
}

/// Why a record could not be made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RecordError {
    /// The body or the volatile part is not one JSON value in its compact form.
    #[error("the {part} of a `{step}` record is not compact JSON")]
    NotJson {
        /// The step.
        step: Step,
        /// `body` or `volatile part`.
        part: &'static str,
    },
    /// A value that JSON cannot hold.
    #[error("the {part} of a `{step}` record cannot be written: {why}")]
    Unwritable {
        /// The step.
        step: Step,
        /// `body` or `volatile part`.
        part: &'static str,
        /// What the serializer said.
        why: String,
    },
    /// The name of the decision has characters that no name has.
    #[error("the decision's name has a quote, a backslash or a control character")]
    Name,
}

impl Record {
    /// The longest body or volatile part, in bytes.
    pub const MAX_BYTES: usize = 4 << 20;

    /// Checks and keeps a record; `body` is one JSON value without white space between its parts.
    ///
    /// # Errors
    /// When the body is no compact JSON of at most [`Record::MAX_BYTES`], or the decision's name
    /// would need escaping.
    pub fn from_json(
        step: Step,
        decision: Option<DecisionId>,
        at: Time,
        body: String,
    ) -> Result<Self, RecordError> {
        let is_plain = |byte: u8| byte >= 0x20 && byte != b'"' && byte != b'\\';
        if decision.as_ref().is_some_and(|name| !name.as_str().bytes().all(is_plain)) {
            return Err(RecordError::Name);
        }
        if body.len() > Self::MAX_BYTES || !json::is_compact(&body) {
            return Err(RecordError::NotJson { step, part: "body" });
        }
        Ok(Self { step, decision, at, body: body.into(), volatile: None })
    }

    /// The same record with volatile fields: they go to the stream of observations.
    ///
    /// # Errors
    /// When they are no compact JSON of at most [`Record::MAX_BYTES`].
    pub fn with_volatile(mut self, volatile: String) -> Result<Self, RecordError> {
        if volatile.len() > Self::MAX_BYTES || !json::is_compact(&volatile) {
            return Err(RecordError::NotJson { step: self.step, part: "volatile part" });
        }
        self.volatile = Some(volatile.into());
        Ok(self)
    }

    /// What it is about.
    pub const fn step(&self) -> Step {
        self.step
    }

    /// The decision that it belongs to.
    pub const fn decision(&self) -> Option<&DecisionId> {
        self.decision.as_ref()
    }

    /// Market time.
    pub const fn at(&self) -> Time {
        self.at
    }

    /// The deterministic body as JSON text.
    pub fn body(&self) -> &str {
        &self.body
    }

    /// The volatile fields as JSON text.
    pub fn volatile(&self) -> Option<&str> {
        self.volatile.as_deref()
    }

    /// The volatile fields as a record of their own for the stream of observations.
    pub fn observation(&self) -> Option<Self> {
        let body = self.volatile.clone()?;
        Some(Self { decision: self.decision.clone(), body, volatile: None, ..*self })
    }
}

#[cfg(test)]
mod tests;
