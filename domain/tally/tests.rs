//! A round against an oracle, in every order of arrival.

use super::*;
use crate::advice::VetoKind;
use crate::market::symbol::Symbol;
use crate::time::Time;

const VOTERS: [AgentName; 4] =
    ["signal_analyst", "position_sizer", "execution_timer", "exit_strategist"];
const GUARDIAN: AgentName = "risk_guardian";

fn round(critical: bool, settle: Settle) -> Tally {
    let rules = ConsensusRules::default();
    let (voters, guardians) = (VOTERS.to_vec(), vec![GUARDIAN]);
    Tally::new(&TallySpec { voters, guardians, critical, rules: &rules, settle })
}

fn objection(kind: VetoKind) -> Objection {
    let text = "the drawdown is at its limit".to_owned();
    Objection { kind, code: Code::GuardDrawdown, text, figures: Vec::new() }
}

fn veto() -> Event {
    Event::Veto { agent: GUARDIAN, objection: objection(VetoKind::Hard) }
}

fn clear() -> Event {
    Event::NoObjection { agent: GUARDIAN }
}

fn vote(agent: AgentName, vote: Vote) -> Event {
    Event::Opinion { agent, vote }
}

fn failed(agent: AgentName) -> Event {
    Event::Failed { agent, why: "panicked".to_owned() }
}

/// Every order of `0..n`.
fn orders(n: usize) -> Vec<Vec<usize>> {
    if n == 0 {
        return vec![Vec::new()];
    }
    let mut all = Vec::new();
    for shorter in orders(n - 1) {
        for place in 0..n {
            let mut longer = shorter.clone();
            longer.insert(place, n - 1);
            all.push(longer);
        }
    }
    all
}

/// What an agent may bring, as (for, against) and the event.
fn voices(agent: AgentName) -> [(u32, u32, Event); 5] {
    [
        (1, 0, vote(agent, Vote::For)),
        (0, 1, vote(agent, Vote::Against)),
        (0, 0, vote(agent, Vote::Abstain)),
        (0, 0, failed(agent)),
        (0, 0, Event::Shed { agent }),
    ]
}

/// The rules of SPEC §2 written once more, by hand, for four voters.
fn oracle(votes_for: u32, votes_against: u32, critical: bool) -> Verdict {
    let voted = votes_for + votes_against;
    let carried = f64::from(votes_for) / f64::from(voted.max(1)) >= 0.66;
    match () {
        () if critical && votes_for < 4 => Verdict::Hold { code: Code::RoundNotUnanimous },
        () if voted < 2 => Verdict::Hold { code: Code::RoundNoQuorum },
        () if !carried => Verdict::Hold { code: Code::RoundRefused },
        () => Verdict::Act,
    }
}

/// Goal: T-1, T-2, T-3 and T-4 hold in every order of arrival, and the order changes no verdict.
/// Method: all 5^4 ways in which four voters answer × three ways of the guardian × 120 orders ×
/// both ways of settling, against the oracle. Letting `conclude` skip silent guardians, counting a
/// failure as a vote or acting on the first quorum each fails here.
#[test]
fn no_order_of_arrival_changes_a_verdict_or_acts_before_the_guardian_has_spoken() {
    let orders = orders(5);
    for code in 0..625_usize {
        let heard: Vec<(u32, u32, Event)> = VOTERS
            .iter()
            .zip([1, 5, 25, 125])
            .map(|(&agent, place)| voices(agent)[code / place % 5].clone())
            .collect();
        let votes_for = heard.iter().map(|voice| voice.0).sum();
        let votes_against = heard.iter().map(|voice| voice.1).sum();
        for (critical, settle) in [
            (false, Settle::All),
            (false, Settle::Early),
            (true, Settle::All),
            (true, Settle::Early),
        ] {
            let carried = oracle(votes_for, votes_against, critical);
            for (guardian, expected) in [
                (clear(), carried.clone()),
                (veto(), Verdict::Vetoed { by: GUARDIAN, objection: objection(VetoKind::Hard) }),
                (failed(GUARDIAN), Verdict::Hold { code: Code::GuardSilent }),
            ] {
                let mut events: Vec<&Event> = heard.iter().map(|voice| &voice.2).collect();
                events.push(&guardian);
                walk(&events, &orders, &expected, round_of(critical, settle));
            }
        }
    }
}

fn round_of(critical: bool, settle: Settle) -> impl Fn() -> (Tally, Settle) {
    move || (round(critical, settle), settle)
}

fn walk(
    events: &[&Event],
    orders: &[Vec<usize>],
    expected: &Verdict,
    open: impl Fn() -> (Tally, Settle),
) {
    let mut first_report: Option<RoundReport> = None;
    for order in orders {
        let (mut tally, settle) = open();
        let mut closed: Option<Verdict> = None;
        let mut guardian_spoke = false;
        for &index in order {
            guardian_spoke |= index == 4;
            let now = tally.apply(events[index].clone()).clone();
            assert!(guardian_spoke || now != Verdict::Act, "T-4 in {order:?} of {events:?}");
            if let Some(closed) = &closed {
                assert_eq!(&now, closed, "T-1 in {order:?} of {events:?}");
            } else if now != Verdict::Open {
                closed = Some(now);
            }
        }
        let early_hold = settle == Settle::Early && matches!(closed, Some(Verdict::Hold { .. }));
        if early_hold {
            // Before the last word another reason may close it, but never towards acting.
            assert_ne!(expected, &Verdict::Act, "{order:?} of {events:?}");
        } else {
            assert_eq!(closed.as_ref(), Some(expected), "{order:?} of {events:?}");
            let report = tally.report();
            assert_eq!(first_report.get_or_insert(report.clone()), &report, "{order:?}");
        }
    }
}

/// T-2: a veto closes an open round, whatever was counted before it.
#[test]
fn a_guardian_may_object_after_it_did_not_as_long_as_the_round_is_open() {
    let mut tally = round(false, Settle::All);
    tally.apply(clear());
    for agent in &VOTERS[..3] {
        tally.apply(vote(agent, Vote::For));
    }
    assert!(matches!(tally.apply(veto()), Verdict::Vetoed { by: GUARDIAN, .. }));
    assert!(matches!(tally.apply(vote(VOTERS[3], Vote::For)), Verdict::Vetoed { .. }));
}

/// T-3: silence is never consent.
#[test]
fn a_round_that_runs_out_of_time_counts_who_spoke_and_holds_without_the_guardian() {
    let mut tally = round(false, Settle::Early);
    tally.apply(clear());
    tally.apply(vote(VOTERS[0], Vote::For));
    tally.apply(vote(VOTERS[1], Vote::For));
    assert_eq!(tally.apply(Event::Deadline), &Verdict::Act);
    assert_eq!(tally.report().outcome(VOTERS[3]), Some(&Outcome::Late));

    let mut tally = round(false, Settle::Early);
    for agent in VOTERS {
        tally.apply(vote(agent, Vote::For));
    }
    assert_eq!(tally.apply(Event::Deadline), &Verdict::Hold { code: Code::GuardSilent });
    assert_eq!(tally.report().outcome(GUARDIAN), Some(&Outcome::Late));

    let mut tally = round(false, Settle::All);
    assert_eq!(tally.apply(Event::Deadline), &Verdict::Hold { code: Code::GuardSilent });
}

#[test]
fn one_lost_vote_leaves_two_of_three_which_pass() {
    let mut tally = round(false, Settle::Early);
    tally.apply(clear());
    tally.apply(vote(VOTERS[0], Vote::For));
    tally.apply(vote(VOTERS[1], Vote::For));
    tally.apply(failed(VOTERS[2]));
    assert_eq!(tally.apply(vote(VOTERS[3], Vote::Against)), &Verdict::Act);
}

#[test]
fn a_live_round_closes_when_it_can_no_longer_pass_and_a_replay_waits_for_every_seat() {
    let against = [vote(VOTERS[0], Vote::Against), vote(VOTERS[1], Vote::Against)];
    let mut live = round(false, Settle::Early);
    live.apply(against[0].clone());
    assert_eq!(live.apply(against[1].clone()), &Verdict::Hold { code: Code::RoundRefused });
    assert_eq!(live.report().counts.not_awaited, 3);

    let mut replay = round(false, Settle::All);
    replay.apply(against[0].clone());
    assert_eq!(replay.apply(against[1].clone()), &Verdict::Open);
}

#[test]
fn the_ways_of_not_voting_are_kept_apart_and_duplicates_and_strangers_change_nothing() {
    let mut tally = round(false, Settle::All);
    tally.apply(vote(VOTERS[0], Vote::Abstain));
    tally.apply(vote(VOTERS[0], Vote::For));
    tally.apply(vote("a_stranger", Vote::For));
    tally.apply(failed(VOTERS[1]));
    tally.apply(Event::Shed { agent: VOTERS[2] });
    tally.apply(clear());
    tally.apply(clear());
    tally.apply(Event::Deadline);
    let report = tally.report();
    let counts = report.counts;
    assert_eq!((counts.abstained, counts.failed, counts.shed, counts.late), (1, 1, 1, 1));
    assert_eq!(report.verdict, Verdict::Hold { code: Code::RoundNoQuorum });
    assert_eq!(report.seats.len(), 5);
}

#[test]
fn a_veto_without_the_authority_is_a_vote_against_and_a_guardians_vote_is_no_consent() {
    let mut tally = round(true, Settle::Early);
    tally.apply(Event::Veto { agent: VOTERS[0], objection: objection(VetoKind::Soft) });
    assert_eq!(tally.verdict(), &Verdict::Hold { code: Code::RoundNotUnanimous });
    let mut tally = round(false, Settle::All);
    let silent = Verdict::Hold { code: Code::GuardSilent };
    assert_eq!(tally.apply(vote(GUARDIAN, Vote::For)), &silent);
}

#[test]
fn an_agent_that_votes_and_may_veto_does_both_with_one_word() {
    let rules = ConsensusRules::default();
    let open = || {
        let (voters, guardians) = (vec!["tuner", "risk", "reward"], vec!["risk"]);
        let settle = Settle::All;
        Tally::new(&TallySpec { voters, guardians, critical: false, rules: &rules, settle })
    };
    let mut tally = open();
    tally.apply(vote("tuner", Vote::For));
    tally.apply(vote("reward", Vote::For));
    assert_eq!(tally.verdict(), &Verdict::Open);
    assert_eq!(tally.apply(vote("risk", Vote::Against)), &Verdict::Act);
    let mut tally = open();
    let objection = objection(VetoKind::Soft);
    assert!(matches!(
        tally.apply(Event::Veto { agent: "risk", objection }),
        Verdict::Vetoed { by: "risk", .. }
    ));
}

#[test]
fn nobody_to_ask_is_no_quorum_and_a_fence_or_a_halt_closes_at_once() {
    let rules = ConsensusRules { threshold: Ratio::of(f64::MAX), ..ConsensusRules::default() };
    let (voters, guardians) = (Vec::new(), vec![GUARDIAN]);
    let settle = Settle::All;
    let empty =
        Tally::new(&TallySpec { voters, guardians, critical: false, rules: &rules, settle });
    assert_eq!(empty.verdict(), &Verdict::Hold { code: Code::RoundNoQuorum });
    assert_eq!(empty.awaited().count(), 0);

    for (event, code) in [
        (Event::Fenced, Code::SafetyFenced),
        (Event::Halted, Code::SafetyHalted),
        (Event::Interrupted, Code::RoundInterrupted),
    ] {
        let mut tally = round(false, Settle::All);
        tally.apply(vote(VOTERS[0], Vote::For));
        assert_eq!(tally.apply(event), &Verdict::Hold { code });
        assert_eq!(tally.report().counts.not_awaited, 5, "{code}");
    }
    // A threshold above one can never be met.
    let mut tally = Tally::new(&TallySpec {
        voters: VOTERS.to_vec(),
        guardians: Vec::new(),
        critical: false,
        rules: &rules,
        settle,
    });
    for agent in VOTERS {
        tally.apply(vote(agent, Vote::For));
    }
    assert_eq!(tally.verdict(), &Verdict::Hold { code: Code::RoundRefused });
}

/// O-1: no order without `Cleared`: only a round that said act gives the proof.
#[test]
fn only_a_round_that_acts_gives_the_proof() {
    let decision = || DecisionId::new(&Symbol::new("AAPL").unwrap(), Time::EPOCH, "entry");
    let mut tally = round(true, Settle::All);
    tally.apply(clear());
    for agent in VOTERS {
        assert!(!tally.report().acts());
        tally.apply(vote(agent, Vote::For));
    }
    assert_eq!(tally.acted(decision()).map(|acted| acted.decision().clone()), Some(decision()));
    assert_eq!(round(false, Settle::All).acted(decision()), None);
}

#[test]
fn a_vetoed_round_reads_the_same_whoever_was_faster_than_the_veto() {
    let mut slow = round(false, Settle::All);
    slow.apply(vote(VOTERS[0], Vote::For));
    slow.apply(failed(VOTERS[1]));
    slow.apply(veto());
    let mut fast = round(false, Settle::All);
    fast.apply(veto());
    assert_eq!(slow.report(), fast.report());
    let json = serde_json::to_value(fast.report()).unwrap();
    assert_eq!(json["verdict"], "vetoed");
    assert_eq!(json["seats"][1]["outcome"], "not_awaited");
}
