//! What a run counts: rounds, vetoes, denials, clamps, gates, and each agent's part. Pure.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::advice::{Advice, Stance, Vote};
use crate::brief::trading::{GateResult, TrackRecord};
use crate::code::Code;
use crate::gates::GateTally;
use crate::ratio::Ratio;
use crate::role::AgentName;
use crate::tally::{Miss, Outcome, RoundReport, Verdict};

/// One agent's part in a run.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct AgentStats {
    /// Times it was asked.
    pub consulted: u64,
    /// Times it gave an answer that could be used.
    pub answered: u64,
    /// Votes for.
    pub votes_for: u64,
    /// Votes against.
    pub votes_against: u64,
    /// Times it had no opinion.
    pub abstained: u64,
    /// Times nothing came of asking it: its provider failed, or the agent itself did.
    pub failed: u64,
    /// Times its answer could not be read, after it was asked for once more.
    #[serde(default)]
    pub unreadable: u64,
    /// Times its answer was not taken: it asked for what is forbidden, or held a number that is none.
    #[serde(default)]
    pub inadmissible: u64,
    /// Times it was not asked, because no permit was given.
    #[serde(default)]
    pub denied: u64,
    /// Times it was late.
    pub late: u64,
    /// Times it had too much in flight.
    pub shed: u64,
    /// Times the round ended without waiting for it.
    pub not_awaited: u64,
    /// Vetoes.
    pub vetoes: u64,
    /// Numbers that were out of bounds.
    pub clamps: u64,
    /// Answers with such a number that had an opinion all the same.
    #[serde(default)]
    pub clamped: u64,
    /// Times its rules answered in the place of its model.
    #[serde(default)]
    pub by_rules: u64,
    /// Times its vote was that of the verdict.
    pub agreed: u64,
    /// Votes for whose trade is over.
    pub settled: u64,
    /// Those of them that won.
    pub won: u64,
}

impl AgentStats {
    /// Answers with an opinion that were taken as they came.
    pub const fn applied(&self) -> u64 {
        self.answered.saturating_sub(self.abstained).saturating_sub(self.clamped)
    }

    /// Questions and answers that were refused by us: no permit, too much in flight, an answer that
    /// asks for what is forbidden or holds a number that is none.
    pub const fn refused(&self) -> u64 {
        self.denied.saturating_add(self.shed).saturating_add(self.inadmissible)
    }

    /// Share of its words in rounds that were the verdict: its votes, and where it `guards` instead of
    /// voting its vetoes and what it did not object to. `None` where it had no word.
    pub fn agreement(&self, guards: bool) -> Option<Ratio> {
        let votes = self.votes_for.saturating_add(self.votes_against);
        let (same, words) = if guards && votes == 0 {
            let words = self.answered.saturating_sub(self.abstained);
            (self.agreed.saturating_add(self.vetoes), words)
        } else {
            (self.agreed, votes)
        };
        #[expect(clippy::cast_precision_loss, reason = "counts stay far below 2^53")]
        let share = same as f64 / words as f64;
        Ratio::new(share).ok()
    }

    /// What became of its consultations, each of them in one part: the parts add up to them.
    pub const fn parts(&self) -> Parts {
        Parts {
            applied: self.applied(),
            clamped: self.clamped,
            refused: self.refused(),
            abstained: self.abstained.saturating_add(self.unreadable),
            failed: self.failed,
            late: self.late,
            not_awaited: self.not_awaited,
        }
    }

    /// These and those of another run.
    #[must_use]
    pub fn plus(&self, other: &Self) -> Self {
        let Self { consulted, answered, votes_for, votes_against, abstained, failed, .. } = other;
        Self {
            consulted: self.consulted + consulted,
            answered: self.answered + answered,
            votes_for: self.votes_for + votes_for,
            votes_against: self.votes_against + votes_against,
            abstained: self.abstained + abstained,
            failed: self.failed + failed,
            unreadable: self.unreadable + other.unreadable,
            inadmissible: self.inadmissible + other.inadmissible,
            denied: self.denied + other.denied,
            late: self.late + other.late,
            shed: self.shed + other.shed,
            not_awaited: self.not_awaited + other.not_awaited,
            vetoes: self.vetoes + other.vetoes,
            clamps: self.clamps + other.clamps,
            clamped: self.clamped + other.clamped,
            by_rules: self.by_rules + other.by_rules,
            agreed: self.agreed + other.agreed,
            settled: self.settled + other.settled,
            won: self.won + other.won,
        }
    }

    /// The record as the agent's next brief shows it; the hit rate is shrunken to one half as by ten
    /// outcomes, five of them won.
    pub fn track_record(&self) -> TrackRecord {
        #[expect(clippy::cast_precision_loss, reason = "counts stay far below 2^53")]
        let rate = |won: u64, of: u64| (won as f64 + 5.0) / (of as f64 + 10.0);
        TrackRecord {
            consulted: self.consulted,
            answered: self.answered,
            agreed: self.agreed,
            hit_rate: (self.settled > 0).then(|| Ratio::or_zero(rate(self.won, self.settled))),
        }
    }
}

/// What became of consultations. Each is in one part only.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Parts {
    /// Opinions that were taken as they came.
    pub applied: u64,
    /// Opinions that were taken with a number clamped.
    pub clamped: u64,
    /// Refused by us: no permit, too much in flight, something forbidden, a number that is none.
    pub refused: u64,
    /// No opinion, or an answer that could not be read.
    pub abstained: u64,
    /// Nothing came of it: the provider failed, or the agent itself.
    pub failed: u64,
    /// It came after the round's deadline.
    pub late: u64,
    /// The round ended without it: a veto, or enough others.
    pub not_awaited: u64,
}

impl Parts {
    /// Every part with its name, in the order in which tables show them.
    pub const fn named(&self) -> [(&'static str, u64); 7] {
        [
            ("applied", self.applied),
            ("clamped", self.clamped),
            ("refused", self.refused),
            ("abstained", self.abstained),
            ("failed", self.failed),
            ("late", self.late),
            ("not_awaited", self.not_awaited),
        ]
    }

    /// All of them together.
    pub fn total(&self) -> u64 {
        self.named().iter().map(|(_, count)| count).sum()
    }

    /// These and others.
    #[must_use]
    pub const fn plus(&self, other: &Self) -> Self {
        Self {
            applied: self.applied.saturating_add(other.applied),
            clamped: self.clamped.saturating_add(other.clamped),
            refused: self.refused.saturating_add(other.refused),
            abstained: self.abstained.saturating_add(other.abstained),
            failed: self.failed.saturating_add(other.failed),
            late: self.late.saturating_add(other.late),
            not_awaited: self.not_awaited.saturating_add(other.not_awaited),
        }
    }
}

/// What a run has counted so far.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Stats {
    /// Signals that were raised.
    pub signals: u64,
    /// Rounds by how they ended: `act`, `vetoed`, or the code of a hold.
    pub rounds: BTreeMap<String, u64>,
    /// Vetoes by code.
    pub vetoes: BTreeMap<Code, u64>,
    /// What was denied before or after a round, by code.
    pub denials: BTreeMap<Code, u64>,
    /// Clamps by parameter and edge: `size_multiplier/max`.
    pub clamps: BTreeMap<String, u64>,
    /// How often each gate passed.
    pub gates: GateTally,
    /// Each agent's part.
    pub agents: BTreeMap<AgentName, AgentStats>,
    /// Appeals that were opened.
    pub appeals: u64,
}

impl Stats {
    /// A candidate met the gates.
    pub fn on_gates(&mut self, results: &[GateResult]) {
        self.gates.record(results);
    }

    /// Something was denied.
    pub fn on_denied(&mut self, code: Code) {
        *self.denials.entry(code).or_default() += 1;
    }

    /// A round ended. `advice` holds the answers that the report's seats name as answered.
    pub fn on_round(&mut self, report: &RoundReport, advice: &[Advice]) {
        let name = match &report.verdict {
            Verdict::Act => "act",
            Verdict::Hold { code } => {
                self.on_denied(*code);
                code.as_str()
            }
            Verdict::Vetoed { objection, .. } => {
                *self.vetoes.entry(objection.code).or_default() += 1;
                "vetoed"
            }
            Verdict::Open => "open",
        };
        *self.rounds.entry(name.to_owned()).or_default() += 1;
        let acted = report.acts();
        for seat in &report.seats {
            self.on_seat(seat.agent, &seat.outcome, acted);
        }
        for advice in advice {
            self.on_clamps(advice);
        }
    }

    /// One agent was asked outside of a round.
    pub fn on_single(&mut self, advice: &Advice) {
        let stats = self.agents.entry(advice.agent).or_default();
        stats.consulted += 1;
        stats.answered += 1;
        stats.abstained += u64::from(advice.stance == Stance::Vote(Vote::Abstain));
        self.on_clamps(advice);
    }

    /// Agents were asked outside of a round's vote; `advice` holds what those who answered said.
    pub fn on_singles(&mut self, report: &RoundReport, advice: &[Advice]) {
        for advice in advice {
            self.on_single(advice);
        }
        for seat in report.seats.iter().filter(|seat| !seat.outcome.is_answer()) {
            self.on_seat(seat.agent, &seat.outcome, false);
        }
    }

    fn on_clamps(&mut self, advice: &Advice) {
        for clamp in &advice.clamps {
            let name = format!("{}/{}", clamp.parameter, clamp.edge.name());
            *self.clamps.entry(name).or_default() += 1;
            self.agents.entry(advice.agent).or_default().clamps += 1;
        }
        let is_opinion = advice.stance != Stance::Vote(Vote::Abstain);
        if is_opinion && !advice.clamps.is_empty() {
            self.agents.entry(advice.agent).or_default().clamped += 1;
        }
    }

    /// An agent's rules answered in the place of its model, whose permit was refused.
    pub fn on_rules(&mut self, agent: AgentName, refused: Code) {
        self.agents.entry(agent).or_default().by_rules += 1;
        self.on_denied(refused);
    }

    /// The reader of news, who has no seat, was asked; `missed` is what became of it where it did not
    /// read.
    pub fn on_reading(&mut self, reader: AgentName, missed: Option<&Outcome>) {
        if let Some(missed) = missed {
            self.on_seat(reader, missed, false);
        } else {
            let stats = self.agents.entry(reader).or_default();
            stats.consulted += 1;
            stats.answered += 1;
        }
    }

    fn on_seat(&mut self, agent: AgentName, outcome: &Outcome, acted: bool) {
        if let Outcome::Denied { code } = outcome {
            self.on_denied(*code);
        }
        let stats = self.agents.entry(agent).or_default();
        stats.consulted += 1;
        if outcome.is_answer() {
            stats.answered += 1;
        }
        match outcome {
            Outcome::Voted { vote: Vote::For } => {
                stats.votes_for += 1;
                stats.agreed += u64::from(acted);
            }
            Outcome::Voted { vote: Vote::Against } => {
                stats.votes_against += 1;
                stats.agreed += u64::from(!acted);
            }
            Outcome::Voted { vote: Vote::Abstain } => stats.abstained += 1,
            Outcome::NoObjection => stats.agreed += u64::from(acted),
            Outcome::Vetoed => stats.vetoes += 1,
            Outcome::Failed { why } => match Miss::of(why) {
                Miss::Unreadable => stats.unreadable += 1,
                Miss::Inadmissible => stats.inadmissible += 1,
                Miss::Failed => stats.failed += 1,
            },
            Outcome::Denied { .. } => stats.denied += 1,
            Outcome::Late => stats.late += 1,
            Outcome::Shed => stats.shed += 1,
            Outcome::NotAwaited => stats.not_awaited += 1,
        }
    }

    /// A trade is over whose entry these agents had voted for.
    pub fn on_outcome(&mut self, voted_for: &[AgentName], won: bool) {
        for &agent in voted_for {
            let stats = self.agents.entry(agent).or_default();
            stats.settled += 1;
            stats.won += u64::from(won);
        }
    }

    /// Rounds in all.
    pub fn rounds_total(&self) -> u64 {
        self.rounds.values().sum()
    }

    /// Consultations in all.
    pub fn consultations(&self) -> u64 {
        self.agents.values().map(|agent| agent.consulted).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::advice::{Objection, VetoKind};
    use crate::limits::ConsensusRules;
    use crate::tally::{Event, Settle, Tally, TallySpec};

    const VOTERS: [AgentName; 4] =
        ["signal_analyst", "position_sizer", "execution_timer", "exit_strategist"];
    const GUARDIAN: AgentName = "risk_guardian";

    fn vote(nth: usize, vote: Vote) -> Event {
        Event::Opinion { agent: VOTERS[nth], vote }
    }

    fn veto() -> Event {
        let text = "the drawdown is at its limit".to_owned();
        let (kind, code) = (VetoKind::Hard, Code::GuardDrawdown);
        let objection = Objection { kind, code, text, figures: Vec::new() };
        Event::Veto { agent: GUARDIAN, objection }
    }

    fn report(events: Vec<Event>) -> RoundReport {
        let rules = ConsensusRules::default();
        let (voters, guardians) = (VOTERS.to_vec(), vec![GUARDIAN]);
        let spec =
            TallySpec { voters, guardians, critical: false, rules: &rules, settle: Settle::All };
        let mut tally = Tally::new(&spec);
        for event in events {
            tally.apply(event);
        }
        tally.report()
    }

    fn clear() -> Event {
        Event::NoObjection { agent: GUARDIAN }
    }

    #[test]
    fn a_round_is_counted_by_its_verdict_and_each_seat_by_its_outcome() {
        let mut stats = Stats::default();
        let acts = vec![
            clear(),
            vote(0, Vote::For),
            vote(1, Vote::For),
            vote(2, Vote::Abstain),
            Event::Deadline,
        ];
        stats.on_round(&report(acts), &[]);
        let holds = vec![
            clear(),
            vote(0, Vote::Against),
            vote(1, Vote::Against),
            vote(2, Vote::For),
            Event::Failed { agent: VOTERS[3], why: "panicked".to_owned() },
        ];
        stats.on_round(&report(holds), &[]);
        stats.on_round(&report(vec![veto()]), &[]);

        assert_eq!(stats.rounds_total(), 3);
        assert_eq!((stats.rounds["act"], stats.rounds["vetoed"]), (1, 1));
        assert_eq!(stats.vetoes, BTreeMap::from([(Code::GuardDrawdown, 1)]));
        assert_eq!(stats.consultations(), 15);
        for (agent, of) in &stats.agents {
            assert_eq!((of.consulted, of.parts().total()), (3, 3), "{agent}: {of:?}");
        }
        let guardian = &stats.agents[GUARDIAN];
        assert_eq!((guardian.vetoes, guardian.answered, guardian.agreed), (1, 3, 1));
        let analyst = &stats.agents[VOTERS[0]];
        assert_eq!((analyst.votes_for, analyst.votes_against, analyst.agreed), (1, 1, 2));
        let timer = &stats.agents[VOTERS[2]];
        assert_eq!((timer.abstained, timer.votes_for, timer.agreed), (1, 1, 0));
        let exits = &stats.agents[VOTERS[3]];
        assert_eq!((exits.late, exits.failed, exits.not_awaited), (1, 1, 1));
    }

    /// Goal: whatever becomes of consultations, they add up, and each is counted where it belongs.
    #[test]
    fn the_parts_add_up_to_the_consultations_whatever_became_of_them() {
        let failed =
            |nth: usize, why: &str| Event::Failed { agent: VOTERS[nth], why: why.to_owned() };
        let mut stats = Stats::default();
        let all = vec![
            clear(),
            failed(0, "the answer is unreadable: prose"),
            failed(1, "the answer asks for the forbidden action `halt`"),
            failed(2, "the brain failed: haiku at openrouter: rate_limited"),
            Event::Denied { agent: VOTERS[3], code: Code::SafetyMoneyRun },
        ];
        stats.on_round(&report(all), &[]);
        let odd = vec![
            clear(),
            failed(0, "the answer is out of this world"),
            Event::Shed { agent: VOTERS[1] },
            vote(2, Vote::Abstain),
            Event::Deadline,
        ];
        stats.on_round(&report(odd), &[]);
        stats.on_round(&report(vec![veto()]), &[]);
        stats.on_reading("news_reader", None);
        stats.on_reading("news_reader", Some(&Outcome::NotAwaited));
        stats.on_rules(VOTERS[0], Code::SafetyMoneyRun);

        let of = |name: &str| stats.agents[name].parts();
        let sum = |parts: Parts| {
            parts.named().iter().filter(|it| it.1 > 0).map(|it| it.0).collect::<Vec<_>>()
        };
        assert_eq!(sum(of(VOTERS[0])), ["refused", "abstained", "not_awaited"]);
        assert_eq!(of(VOTERS[1]).refused, 2);
        assert_eq!(sum(of(VOTERS[2])), ["abstained", "failed", "not_awaited"]);
        assert_eq!(sum(of(VOTERS[3])), ["refused", "late", "not_awaited"]);
        assert_eq!(sum(of("news_reader")), ["applied", "not_awaited"]);
        let total = stats.agents.values().fold(Parts::default(), |sum, it| sum.plus(&it.parts()));
        assert_eq!((total.total(), stats.consultations()), (17, 17));
        assert_eq!(stats.denials[&Code::SafetyMoneyRun], 2, "permits are denied by their code");
    }

    #[test]
    fn a_trade_settles_the_votes_for_its_entry_alone() {
        let mut stats = Stats::default();
        stats.on_outcome(&[VOTERS[0], VOTERS[1]], true);
        stats.on_outcome(&[VOTERS[0]], false);
        let settled: Vec<_> =
            stats.agents.iter().map(|(name, of)| (*name, of.settled, of.won)).collect();
        assert_eq!(settled, [(VOTERS[1], 1, 1), (VOTERS[0], 2, 1)]);
    }

    #[test]
    fn a_track_record_is_shrunken_to_one_half() {
        let none = AgentStats::default().track_record();
        assert_eq!(none.hit_rate, None);
        let all_won = AgentStats { settled: 10, won: 10, ..AgentStats::default() };
        let rate = all_won.track_record().hit_rate.unwrap().get();
        assert!((rate - 0.75).abs() < 1e-12, "{rate}");
    }
}
