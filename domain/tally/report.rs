//! What a closed round leaves behind: every seat with its outcome, and the counts.

use serde::Serialize;

use super::Verdict;
use crate::advice::Vote;
use crate::code::Code;
use crate::role::AgentName;

/// What a seat can do in a round.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Part {
    /// It is counted.
    Voter,
    /// It vetoes or does not object, and is never counted.
    Guardian,
    /// It is counted and may veto.
    VoterAndGuardian,
}

impl Part {
    /// Whether its vote is counted.
    pub const fn votes(self) -> bool {
        matches!(self, Self::Voter | Self::VoterAndGuardian)
    }

    /// Whether the round waits for its word before it acts.
    pub const fn guards(self) -> bool {
        matches!(self, Self::Guardian | Self::VoterAndGuardian)
    }
}

/// Why a seat brought no advice, told by the words that its record keeps: a run that is given again has
/// nothing else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Miss {
    /// Its answer could not be read.
    Unreadable,
    /// Its answer was refused: something forbidden, or a number that is none.
    Inadmissible,
    /// There was no answer.
    Failed,
}

impl Miss {
    /// How the words of an unreadable answer begin.
    pub const UNREADABLE: &str = "the answer is unreadable: ";
    /// The words of a number that is none.
    pub const OUT_OF_THIS_WORLD: &str = "the answer is out of this world";
    /// How the words of a forbidden action begin.
    pub const FORBIDDEN: &str = "the answer asks for the forbidden action ";

    /// What the words of a failure mean.
    pub fn of(why: &str) -> Self {
        if why.starts_with(Self::UNREADABLE) {
            Self::Unreadable
        } else if why == Self::OUT_OF_THIS_WORLD || why.starts_with(Self::FORBIDDEN) {
            Self::Inadmissible
        } else {
            Self::Failed
        }
    }
}

/// How one seat was settled. Eight different things, and none stands for another.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case", tag = "outcome")]
pub enum Outcome {
    /// It voted; an abstention is a vote too, counted neither way.
    Voted {
        /// How.
        vote: Vote,
    },
    /// A guardian does not object.
    NoObjection,
    /// A guardian objects.
    Vetoed,
    /// It brought no advice.
    Failed {
        /// What went wrong.
        why: String,
    },
    /// It was not asked, because safety gave no permit.
    Denied {
        /// Why not.
        code: Code,
    },
    /// It had as much in flight as it may.
    Shed,
    /// It did not answer in time.
    Late,
    /// The round closed without it.
    NotAwaited,
}

impl Outcome {
    /// Whether the agent itself spoke.
    pub const fn is_answer(&self) -> bool {
        matches!(self, Self::Voted { .. } | Self::NoObjection | Self::Vetoed)
    }

    /// The word in metrics and records.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Voted { vote: Vote::For } => "for",
            Self::Voted { vote: Vote::Against } => "against",
            Self::Voted { vote: Vote::Abstain } => "abstained",
            Self::NoObjection => "no_objection",
            Self::Vetoed => "vetoed",
            Self::Failed { .. } => "failed",
            Self::Denied { .. } => "denied",
            Self::Shed => "shed",
            Self::Late => "late",
            Self::NotAwaited => "not_awaited",
        }
    }
}

/// One agent's place in a closed round.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Seat {
    /// Who.
    pub agent: AgentName,
    /// What it could do.
    pub part: Part,
    /// What became of it.
    #[serde(flatten)]
    pub outcome: Outcome,
}

/// How many seats ended how. Guardians are counted under `failed`, `denied`, `shed`, `late` and
/// `not_awaited` like everybody else, never under the votes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// Voters asked.
    pub asked: u32,
    /// Votes for.
    pub votes_for: u32,
    /// Votes against.
    pub votes_against: u32,
    /// Abstentions.
    pub abstained: u32,
    /// Seats that brought no advice.
    pub failed: u32,
    /// Seats that safety gave no permit for.
    pub denied: u32,
    /// Seats that had too much in flight.
    pub shed: u32,
    /// Seats that were too late.
    pub late: u32,
    /// Seats that the round closed without.
    pub not_awaited: u32,
}

impl Counts {
    fn of(seats: &[Seat]) -> Self {
        let mut counts = Self::default();
        for seat in seats {
            counts.asked += u32::from(seat.part.votes());
            match &seat.outcome {
                Outcome::Voted { vote: Vote::For } => counts.votes_for += 1,
                Outcome::Voted { vote: Vote::Against } => counts.votes_against += 1,
                // A voter that only says that it does not object has not voted for anything.
                Outcome::Voted { vote: Vote::Abstain } => counts.abstained += 1,
                Outcome::NoObjection => counts.abstained += u32::from(seat.part.votes()),
                Outcome::Vetoed => {}
                Outcome::Failed { .. } => counts.failed += 1,
                Outcome::Denied { .. } => counts.denied += 1,
                Outcome::Shed => counts.shed += 1,
                Outcome::Late => counts.late += 1,
                Outcome::NotAwaited => counts.not_awaited += 1,
            }
        }
        counts
    }
}

/// The deterministic part of a closed round's record.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RoundReport {
    /// What it said.
    #[serde(flatten)]
    pub verdict: Verdict,
    /// Whether it took every voter.
    pub critical: bool,
    /// How many seats ended how.
    pub counts: Counts,
    /// Every seat: guardians first, then voters, each in roster order.
    pub seats: Vec<Seat>,
}

impl RoundReport {
    pub(super) fn new(verdict: Verdict, critical: bool, seats: Vec<Seat>) -> Self {
        Self { verdict, critical, counts: Counts::of(&seats), seats }
    }

    /// Whether the round acts.
    pub fn acts(&self) -> bool {
        self.verdict == Verdict::Act
    }

    /// Whether every voter that was asked voted for.
    pub fn is_unanimous(&self) -> bool {
        let mut voters = self.seats.iter().filter(|seat| seat.part.votes()).peekable();
        voters.peek().is_some()
            && voters.all(|seat| seat.outcome == Outcome::Voted { vote: Vote::For })
    }

    /// Who voted for, in roster order.
    pub fn voters_for(&self) -> Vec<AgentName> {
        let is_for = |seat: &&Seat| seat.outcome == Outcome::Voted { vote: Vote::For };
        self.seats.iter().filter(is_for).map(|seat| seat.agent).collect()
    }

    /// How an agent's seat was settled, if it had one.
    pub fn outcome(&self, agent: &str) -> Option<&Outcome> {
        self.seats.iter().find(|seat| seat.agent == agent).map(|seat| &seat.outcome)
    }
}
