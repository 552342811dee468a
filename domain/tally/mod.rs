//! Counts one round of consensus into one verdict. Pure: events in, verdict out.
//!
//! # Invariants
//!
//! - T-1: a closed round never changes its verdict.
//! - T-2: a veto closes an open round, whatever was counted before it.
//! - T-3: silence is never consent: what failed, was shed, denied or late is never a vote for.
//! - T-4: a round never acts before every agent that may veto it has said that it does not.
//!
//! A seat is settled once and by the first thing that is heard of it; duplicates and strangers are
//! ignored. Shares are compared in whole millionths, so that 2 of 3 passes 0.66 and nothing depends
//! on how a float rounds.

use crate::advice::{Objection, Stance, Vote};
use crate::code::Code;
use crate::limits::ConsensusRules;
use crate::order::DecisionId;
use crate::ratio::Ratio;
use crate::role::AgentName;

mod report;

pub use report::{Counts, Miss, Outcome, Part, RoundReport, Seat};

/// When a round that nobody vetoes may close.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Settle {
    /// As soon as it can no longer act: live rounds, where a call that cannot matter is cancelled.
    Early,
    /// When every seat is settled: replays, so that a record does not depend on who was first.
    All,
}

/// What a round is counted by.
#[derive(Clone, Debug)]
pub struct TallySpec<'a> {
    /// Whose votes are counted, in roster order.
    pub voters: Vec<AgentName>,
    /// Who may veto, in roster order. An agent may stand in both lists: its vote then says at the
    /// same time that it does not object.
    pub guardians: Vec<AgentName>,
    /// Whether every voter asked must vote for it.
    pub critical: bool,
    /// Threshold and quorum.
    pub rules: &'a ConsensusRules,
    /// When it may close.
    pub settle: Settle,
}

/// One thing that is heard in a round.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// An agent voted.
    Opinion {
        /// Who.
        agent: AgentName,
        /// How.
        vote: Vote,
    },
    /// A guardian has looked and does not object.
    NoObjection {
        /// Who.
        agent: AgentName,
    },
    /// A guardian objects. From an agent that may not veto it counts as a vote against.
    Veto {
        /// Who.
        agent: AgentName,
        /// Why.
        objection: Objection,
    },
    /// An agent brought no advice: dead, panicking, unreadable.
    Failed {
        /// Who.
        agent: AgentName,
        /// What went wrong; the same text for the same cause, since records keep it.
        why: String,
    },
    /// Safety gave no permit to ask the agent.
    Denied {
        /// Who.
        agent: AgentName,
        /// Why not.
        code: Code,
    },
    /// The agent had as much in flight as it may.
    Shed {
        /// Who.
        agent: AgentName,
    },
    /// Time is up: every seat that is not settled is late.
    Deadline,
    /// A fence fell between the opening and now.
    Fenced,
    /// The trading state was halted.
    Halted,
    /// The round was open when its process ended, and the market has moved on since.
    Interrupted,
}

impl Event {
    /// What an agent's stance is in a round.
    pub fn of(agent: AgentName, stance: &Stance) -> Self {
        match stance {
            Stance::Vote(vote) => Self::Opinion { agent, vote: *vote },
            Stance::NoObjection => Self::NoObjection { agent },
            Stance::Veto(objection) => Self::Veto { agent, objection: objection.clone() },
        }
    }
}

/// What a round says.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
#[serde(rename_all = "snake_case", tag = "verdict")]
pub enum Verdict {
    /// Not yet anything.
    Open,
    /// Do it.
    Act,
    /// Do nothing.
    Hold {
        /// Why.
        code: Code,
    },
    /// Do nothing: somebody objects.
    Vetoed {
        /// Who.
        by: AgentName,
        /// Why.
        objection: Objection,
    },
}

/// Proof that the round of a decision said [`Verdict::Act`]. Made once per round, never copied.
#[derive(Debug, PartialEq, Eq)]
pub struct Acted(DecisionId);

impl Acted {
    /// The decision that the round was about.
    pub fn decision(&self) -> &DecisionId {
        &self.0
    }

    /// Ends the proof: the decision that it was about.
    pub(crate) fn into_decision(self) -> DecisionId {
        self.0
    }
}

/// One round, being counted.
#[derive(Debug)]
pub struct Tally {
    seats: Vec<Place>,
    critical: bool,
    threshold_ppm: u64,
    quorum: u64,
    settle: Settle,
    verdict: Verdict,
}

/// A seat while the round is open.
#[derive(Debug)]
struct Place {
    agent: AgentName,
    part: Part,
    outcome: Option<Outcome>,
}

impl Place {
    /// Whether this guardian will never say that it does not object.
    fn is_silent(&self) -> bool {
        let outcome = self.outcome.as_ref();
        self.part.guards() && outcome.is_some_and(|outcome| !outcome.is_answer())
    }
}

/// How the votes stand.
#[derive(Clone, Copy, Debug)]
struct Standing {
    votes_for: u64,
    votes_against: u64,
    unheard: u64,
    asked: u64,
}

/// A share as whole millionths. A share above one or not above zero cannot be configured; here it
/// errs to the side of holding.
fn millionths(share: Ratio) -> u64 {
    const WHOLE: f64 = 1e6;
    let scaled = (share.get() * WHOLE).round();
    if (0.0..=WHOLE).contains(&scaled) {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 to 1e6")]
        let whole = scaled as u64;
        whole
    } else {
        u64::from(u32::MAX)
    }
}

impl Tally {
    /// Opens a round. A round without voters is closed at once: there is nobody to consent.
    pub fn new(spec: &TallySpec<'_>) -> Self {
        let mut seats: Vec<Place> = Vec::with_capacity(spec.voters.len() + spec.guardians.len());
        for &agent in &spec.guardians {
            let part =
                if spec.voters.contains(&agent) { Part::VoterAndGuardian } else { Part::Guardian };
            if seats.iter().all(|seat| seat.agent != agent) {
                seats.push(Place { agent, part, outcome: None });
            }
        }
        for &agent in &spec.voters {
            if seats.iter().all(|seat| seat.agent != agent) {
                seats.push(Place { agent, part: Part::Voter, outcome: None });
            }
        }
        let asked = seats.iter().filter(|seat| seat.part.votes()).count() as u64;
        let share = (millionths(spec.rules.quorum_share) * asked).div_ceil(1_000_000);
        let mut tally = Self {
            seats,
            critical: spec.critical,
            threshold_ppm: millionths(spec.rules.threshold),
            quorum: share.max(u64::from(spec.rules.quorum_min)).max(1),
            settle: spec.settle,
            verdict: Verdict::Open,
        };
        if asked == 0 {
            tally.verdict = Verdict::Hold { code: Code::RoundNoQuorum };
        }
        tally
    }

    /// How it stands.
    pub fn verdict(&self) -> &Verdict {
        &self.verdict
    }

    /// Who has not been heard yet, in roster order; nobody once the round is closed.
    pub fn awaited(&self) -> impl Iterator<Item = AgentName> {
        let open = self.verdict == Verdict::Open;
        self.seats.iter().filter(move |seat| open && seat.outcome.is_none()).map(|seat| seat.agent)
    }

    /// Takes one event and says how the round stands after it.
    pub fn apply(&mut self, event: Event) -> &Verdict {
        // T-1: nothing that comes after the verdict is looked at.
        if self.verdict == Verdict::Open {
            match event {
                Event::Deadline => self.time_is_up(),
                Event::Fenced => self.hold(Code::SafetyFenced),
                Event::Halted => self.hold(Code::SafetyHalted),
                Event::Interrupted => self.hold(Code::RoundInterrupted),
                Event::Opinion { agent, vote } => self.opinion(agent, vote),
                Event::NoObjection { agent } => self.settle_seat(agent, Outcome::NoObjection),
                Event::Veto { agent, objection } => self.veto(agent, objection),
                Event::Failed { agent, why } => self.settle_seat(agent, Outcome::Failed { why }),
                Event::Denied { agent, code } => self.settle_seat(agent, Outcome::Denied { code }),
                Event::Shed { agent } => self.settle_seat(agent, Outcome::Shed),
            }
            self.conclude();
        }
        &self.verdict
    }

    /// The proof that this round said act, for the one decision that it was about. Ends the tally,
    /// so that a round clears one thing.
    pub fn acted(self, decision: DecisionId) -> Option<Acted> {
        (self.verdict == Verdict::Act).then_some(Acted(decision))
    }

    /// What the record says of the round, in roster order and the same for every order of arrival.
    ///
    /// Where something closed the round before its votes could (a veto, a silent guardian, a fence,
    /// a halt), the voters' seats say `not_awaited` even if some had answered: who was faster than
    /// the veto is no fact about the decision.
    pub fn report(&self) -> RoundReport {
        RoundReport::new(self.verdict.clone(), self.critical, self.seats())
    }

    fn seats(&self) -> Vec<Seat> {
        let cut = match &self.verdict {
            Verdict::Vetoed { .. } => true,
            Verdict::Hold { code } => {
                matches!(
                    code,
                    Code::GuardSilent
                        | Code::SafetyFenced
                        | Code::SafetyHalted
                        | Code::RoundInterrupted
                )
            }
            Verdict::Open | Verdict::Act => false,
        };
        let seat = |place: &Place| {
            let decided = match &self.verdict {
                Verdict::Vetoed { by, .. } => place.agent == *by,
                _ => place.is_silent(),
            };
            let outcome =
                place.outcome.clone().filter(|_| !cut || decided).unwrap_or(Outcome::NotAwaited);
            Seat { agent: place.agent, part: place.part, outcome }
        };
        self.seats.iter().map(seat).collect()
    }

    fn hold(&mut self, code: Code) {
        self.verdict = Verdict::Hold { code };
    }

    fn time_is_up(&mut self) {
        for seat in &mut self.seats {
            seat.outcome.get_or_insert(Outcome::Late);
        }
    }

    fn opinion(&mut self, agent: AgentName, vote: Vote) {
        let votes = self.part(agent).is_some_and(Part::votes);
        let outcome = if votes {
            Outcome::Voted { vote }
        } else {
            // T-3: a guardian that votes has not said that it does not object.
            Outcome::Failed { why: "a guardian vetoes or does not object".to_owned() }
        };
        self.settle_seat(agent, outcome);
    }

    fn veto(&mut self, agent: AgentName, objection: Objection) {
        match self.part(agent) {
            Some(part) if part.guards() => {
                // T-2, and T-1 for the seat: a guardian that has spoken may still change its mind
                // towards caution as long as the round is open.
                if let Some(seat) = self.seats.iter_mut().find(|seat| seat.agent == agent) {
                    seat.outcome = Some(Outcome::Vetoed);
                }
                self.verdict = Verdict::Vetoed { by: agent, objection };
            }
            Some(_) => self.settle_seat(agent, Outcome::Voted { vote: Vote::Against }),
            None => {}
        }
    }

    fn part(&self, agent: AgentName) -> Option<Part> {
        self.seats.iter().find(|seat| seat.agent == agent).map(|seat| seat.part)
    }

    fn settle_seat(&mut self, agent: AgentName, outcome: Outcome) {
        if let Some(seat) = self.seats.iter_mut().find(|seat| seat.agent == agent) {
            seat.outcome.get_or_insert(outcome);
        }
    }

    fn conclude(&mut self) {
        if self.verdict != Verdict::Open {
            return;
        }
        if self.seats.iter().any(Place::is_silent) {
            self.hold(Code::GuardSilent);
            return;
        }
        let standing = self.standing();
        let settled = self.seats.iter().all(|seat| seat.outcome.is_some());
        #[cfg(feature = "mutants")]
        let settled = settled
            || (crate::mutants::is(crate::mutants::Mutant::ActsBeforeTheGuardian)
                && standing.unheard == 0);
        if settled {
            // T-4: every guardian's seat is settled here, and none is silent.
            self.verdict =
                self.refusal(standing).map_or(Verdict::Act, |code| Verdict::Hold { code });
        } else if self.settle == Settle::Early {
            let at_best = Standing {
                votes_for: standing.votes_for + standing.unheard,
                unheard: 0,
                ..standing
            };
            if let Some(code) = self.refusal(at_best) {
                self.hold(code);
            }
        }
    }

    fn standing(&self) -> Standing {
        let voters = || self.seats.iter().filter(|seat| seat.part.votes());
        let of = |vote| {
            let voted = Outcome::Voted { vote };
            voters().filter(|seat| seat.outcome.as_ref() == Some(&voted)).count() as u64
        };
        Standing {
            votes_for: of(Vote::For),
            votes_against: of(Vote::Against),
            unheard: voters().filter(|seat| seat.outcome.is_none()).count() as u64,
            asked: voters().count() as u64,
        }
    }

    /// Why these votes do not carry, if they do not.
    fn refusal(&self, standing: Standing) -> Option<Code> {
        let Standing { votes_for, votes_against, asked, .. } = standing;
        let voted = votes_for + votes_against;
        if self.critical && votes_for < asked {
            Some(Code::RoundNotUnanimous)
        } else if voted < self.quorum {
            Some(Code::RoundNoQuorum)
        } else if votes_for * 1_000_000 < self.threshold_ppm * voted {
            Some(Code::RoundRefused)
        } else {
            None
        }
    }
}

#[cfg(test)]
mod tests;
