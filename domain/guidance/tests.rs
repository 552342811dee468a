//! Tests of guidance: composing, cadence, grace, staleness, the ledger.

use proptest::prelude::*;

use super::*;
use crate::brief::trading::TrackRecord;
use crate::brief::training::{LedgerOutcome, TrainingBrief, TrainingLever};
use crate::clearance::{Cleared, Gate};
use crate::code::Code;
use crate::limits::ConsensusRules;
use crate::mode::Person;
use crate::tally::{Event, Settle, Tally, TallySpec};

fn brief() -> TrainingBrief {
    serde_json::from_str(include_str!("../../tests/briefs/training.json")).unwrap()
}

fn standing() -> Standing {
    let brief = brief();
    Standing {
        progress: brief.progress,
        steps: brief.steps,
        policy_version: brief.policy_version,
        best_fitness: brief.best_fitness,
        update: brief.update,
        reward_parts: brief.reward_parts,
        columns: brief.columns,
        zero_volume_share: brief.zero_volume_share,
        multipliers: brief.multipliers,
    }
}

fn validation(fitness: f64) -> Validation {
    Validation { fitness: Ratio::of(fitness), ..brief().validations[0].clone() }
}

fn by(agent: &str, lever: TrainingLever) -> Proposed {
    Proposed { by: agent.to_owned(), lever }
}

fn rate(value: f64) -> TrainingLever {
    TrainingLever::LearningRate { value: Ratio::of(value) }
}

fn weight(part: &str, delta: f64) -> TrainingLever {
    TrainingLever::RewardWeight { part: part.to_owned(), delta: Ratio::of(delta) }
}

fn pause() -> TrainingLever {
    TrainingLever::PauseForData { column: "volume".to_owned() }
}

fn drop_column() -> TrainingLever {
    TrainingLever::DropColumn { column: "rsi14".to_owned() }
}

#[test]
fn what_several_agents_ask_for_becomes_one_proposal_without_contradictions() {
    use TrainingLever::{Checkpoint, HaltTraining, Rollback};
    let cases: [(&str, Vec<Proposed>, Vec<TrainingLever>, usize); 8] = [
        ("nothing", vec![], vec![], 0),
        ("one", vec![by("a", rate(0.7))], vec![rate(0.7)], 0),
        ("the milder factor", vec![by("a", rate(0.5)), by("b", rate(1.2))], vec![rate(1.2)], 1),
        (
            "one set of weights",
            vec![by("a", weight("pnl", 0.03)), by("b", weight("slippage", -0.03))],
            vec![weight("pnl", 0.03)],
            1,
        ),
        (
            "a checkpoint before the change",
            vec![by("a", rate(0.7)), by("b", Checkpoint), by("c", Checkpoint)],
            vec![Checkpoint, rate(0.7)],
            1,
        ),
        (
            "a way back stands alone",
            vec![by("a", rate(0.7)), by("b", Checkpoint), by("b", Rollback), by("d", pause())],
            vec![Checkpoint, Rollback],
            2,
        ),
        ("the end of a run", vec![by("b", Rollback), by("c", HaltTraining)], vec![HaltTraining], 1),
        (
            "data to be looked at",
            vec![by("a", rate(0.7)), by("d", pause()), by("d", drop_column())],
            vec![drop_column(), pause()],
            1,
        ),
    ];
    for (what, asked, expected, left_out) in cases {
        let composed = compose(asked);
        let levers: Vec<_> = composed.proposal.iter().map(|it| it.lever.clone()).collect();
        assert_eq!((levers, composed.left_out.len()), (expected, left_out), "{what}");
    }
}

#[test]
fn weights_are_one_group_and_what_protects_is_refused_by_no_budget() {
    let proposal = [
        by("b", TrainingLever::Checkpoint),
        by("a", rate(0.7)),
        by("c", weight("pnl", 0.03)),
        by("c", weight("slippage", -0.03)),
    ];
    let parts = groups(&proposal);
    let shown: Vec<_> =
        parts.iter().map(|it| (it.name.as_str(), it.levers.len(), it.protects())).collect();
    let expected =
        [("checkpoint", 1, true), ("learning_rate", 1, false), ("reward_weights", 2, false)];
    assert_eq!(shown, expected);
    assert!(parts.iter().all(|part| !part.is_critical()));
    assert!(groups(&[by("b", TrainingLever::Rollback)])[0].is_critical());
}

fn any_lever() -> impl Strategy<Value = TrainingLever> {
    prop_oneof![
        (-1.0f64..4.0).prop_map(rate),
        (0.1f64..4.0).prop_map(|it| TrainingLever::Entropy { value: Ratio::of(it) }),
        (-0.05f64..0.05).prop_map(|it| weight("pnl", it)),
        Just(TrainingLever::Checkpoint),
        Just(TrainingLever::Rollback),
        Just(TrainingLever::HaltTraining),
        Just(pause()),
        Just(drop_column()),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// Goal: nothing is lost and nothing contradicts itself, whatever is asked for.
    #[test]
    fn a_proposal_has_each_lever_once_and_a_critical_one_alone(
        asked in proptest::collection::vec((0usize..5, any_lever()), 0..12),
    ) {
        let names = ["a", "b", "c", "d", "e"];
        let asked: Vec<_> =
            asked.into_iter().map(|(who, lever)| by(names[who], lever)).collect();
        let count = asked.len();
        let composed = compose(asked);
        prop_assert_eq!(composed.proposal.len() + composed.left_out.len(), count);
        let mut seen: Vec<String> = composed.proposal.iter().map(|it| it.lever.name()).collect();
        seen.sort();
        seen.dedup();
        prop_assert_eq!(seen.len(), composed.proposal.len());
        let critical = composed.proposal.iter().filter(|it| it.lever.is_critical()).count();
        prop_assert!(critical <= 1);
        if critical == 1 {
            let changes = composed.proposal.iter().filter(|it| it.lever.is_change()).count();
            prop_assert_eq!(changes, 1);
        }
    }

    /// Goal: the steps that were counted beforehand are those in which agents are asked.
    #[test]
    fn an_agent_is_due_as_often_as_its_interval_says(every in 1u32..9, cycles in 0u32..40) {
        let mut guide = Guide::new("run");
        let mut asked = 0;
        for _ in 0..cycles {
            guide.heard(&validation(0.1));
            asked += u32::from(!guide.due(&[("a", every)]).is_empty());
        }
        prop_assert_eq!(asked, cycles / every);
    }
}

#[test]
fn whoever_missed_its_turn_is_asked_at_the_next_one_and_once() {
    let mut guide = Guide::new("run");
    let team = [("a", 2), ("b", 3)];
    let mut due = |owed: &[crate::role::AgentName]| {
        guide.heard(&validation(0.1));
        let due = guide.due(&team);
        guide.owe(owed);
        due
    };
    assert!(due(&[]).is_empty());
    assert_eq!(due(&["a"]), ["a"]);
    assert_eq!(due(&[]), ["a", "b"], "a was owed");
    assert_eq!(due(&[]), ["a"]);
    assert!(due(&[]).is_empty());
}

#[test]
fn a_change_rests_for_a_cycle_and_is_judged_by_the_next_validation() {
    let mut guide = Guide::new("run");
    guide.heard(&validation(0.20));
    assert_eq!(guide.grace_cycles_left(), 0);
    guide.applied(&by("tuner", rate(0.7)), 1);
    guide.applied(&by("analyst", TrainingLever::Checkpoint), 1);
    assert_eq!(guide.grace_cycles_left(), 1);
    let brief = guide.brief(&standing(), &[]);
    assert_eq!((brief.grace_cycles_left, brief.ledger.len()), (1, 2));
    assert_eq!(brief.ledger[0].outcome, LedgerOutcome::Pending);
    assert_eq!(brief.ledger[1].outcome, LedgerOutcome::Verified, "it is done");
    let judged = guide.heard(&validation(0.15));
    assert_eq!(judged.len(), 1);
    assert!(!judged[0].helped && (judged[0].fitness_change.get() + 0.05).abs() < 1e-12);
    assert_eq!(guide.grace_cycles_left(), 0);
    assert!(guide.brief(&standing(), &[]).failed_last_time(&rate(0.9)));
    assert!(guide.heard(&validation(0.3)).is_empty(), "judged once");
    guide.applied(&by("tuner", rate(1.1)), 3);
    assert!(guide.heard(&validation(0.3))[0].helped, "what did not fall has helped");
    let record = guide.with_hits("tuner", TrackRecord::default());
    assert!((record.hit_rate.unwrap().get() - 0.5).abs() < 1e-12, "one of two");
    assert_eq!(guide.with_hits("analyst", TrackRecord::default()).hit_rate, None);
}

#[test]
fn what_was_dropped_is_in_the_ledger_with_its_reason_and_changes_nothing() {
    let mut guide = Guide::new("run");
    guide.heard(&validation(0.2));
    guide.dropped(&by("tuner", rate(0.7)), 1, Code::TrainingStale);
    assert_eq!(guide.grace_cycles_left(), 0);
    assert!(guide.heard(&validation(0.1)).is_empty());
    let [only] = guide.ledger() else { panic!("{:?}", guide.ledger()) };
    assert_eq!(
        (only.entry.outcome, only.refused),
        (LedgerOutcome::Dropped, Some(Code::TrainingStale))
    );
    assert!(!guide.brief(&standing(), &[]).failed_last_time(&rate(0.7)));
}

#[test]
fn a_memory_of_a_long_run_stays_small_and_survives_being_written_down() {
    let mut guide = Guide::new("run");
    for cycle in 1..=5_000 {
        guide.heard(&validation(0.1));
        guide.applied(&by("tuner", rate(0.9)), cycle);
    }
    let brief = guide.brief(&standing(), &[]);
    assert_eq!((brief.validations.len(), brief.ledger.len()), (10, 40));
    assert_eq!(guide.ledger().len(), 4_096);
    let again: Guide = serde_json::from_str(&serde_json::to_string(&guide).unwrap()).unwrap();
    assert_eq!(again, guide);
}

/// Goal: a lever that failed stays forbidden, however much is asked for and dropped afterwards. It was
/// forgotten once forty newer entries stood before it.
#[test]
fn a_failure_is_not_forgotten_behind_what_was_dropped_after_it() {
    let mut guide = Guide::new("run");
    guide.heard(&validation(0.5));
    guide.applied(&by("tuner", rate(0.9)), 1);
    guide.applied(&by("engineer", weight("pnl", 0.01)), 1);
    guide.heard(&validation(0.1));
    guide.applied(&by("engineer", weight("pnl", 0.01)), 2);
    guide.heard(&validation(0.2));
    for cycle in 3..=90 {
        guide.dropped(&by("tuner", rate(0.9)), cycle, Code::TrainingLeverFailed);
        let brief = guide.brief(&standing(), &[]);
        assert!(brief.failed_last_time(&rate(1.1)), "cycle {cycle}");
        assert!(
            !brief.failed_last_time(&weight("pnl", 0.02)),
            "cycle {cycle}: its last use helped"
        );
        assert!(brief.ledger.len() <= 42, "{}", brief.ledger.len());
        assert!(brief.ledger.is_sorted_by_key(|entry| entry.cycle), "oldest first");
    }
}

#[test]
fn what_earlier_runs_have_shown_stands_in_every_brief_and_goes_with_the_memory() {
    let earlier = vec![crate::brief::training::EarlierAdvice {
        agent: "hyperparameter_tuner".to_owned(),
        lever: "learning_rate".to_owned(),
        judged: 7,
        helped: 6,
        mean_fitness_change: Ratio::of(0.02),
    }];
    let guide = Guide::new("run").with_earlier(earlier.clone());
    let again: Guide = serde_json::from_str(&serde_json::to_string(&guide).unwrap()).unwrap();
    let brief = again.brief(&standing(), &[]);
    assert_eq!(brief.earlier, earlier);
    assert!(serde_json::to_string(&brief).unwrap().contains("\"earlier_runs\":[{\"agent\""));
    assert!(!brief.failed_last_time(&rate(0.7)), "it forbids nothing");
    assert_eq!(again.with_hits("hyperparameter_tuner", TrackRecord::default()).hit_rate, None);
}

#[test]
fn a_simulation_does_harm_only_beyond_its_noise() {
    let simulated = |before: f64, after: f64| Simulated {
        iterations: 4,
        before: Ratio::of(before),
        after: Ratio::of(after),
    };
    for (before, after, harmful) in [
        (0.30, 0.30, false),
        (0.30, 0.275, false),
        (0.30, 0.26, true),
        (0.01, 0.001, false),
        (0.0, -0.02, true),
        (-0.5, -0.54, false),
        (-0.5, -0.56, true),
    ] {
        assert_eq!(simulated(before, after).is_harmful(), harmful, "{before} to {after}");
    }
}

fn plan(lever: TrainingLever, asked_in: u32) -> LeverPlan {
    let decision = DecisionId::of_run("run", asked_in, "levers");
    LeverPlan { decision, asked_in, policy_version: 7, proposed: vec![by("a", lever)] }
}

fn gate(cycle: u32, epoch: u64, halted: bool) -> Gate {
    Gate { now: moment(cycle), epoch, halted }
}

/// O-1: nothing is moved without a clearance, and one that is older than a cycle moves nothing.
#[test]
fn a_clearance_of_levers_holds_for_one_more_cycle_in_its_epoch() {
    let rules = ConsensusRules::default();
    let (voters, guardians, settle) = (vec!["a", "b"], Vec::new(), Settle::All);
    let spec = TallySpec { voters, guardians, critical: false, rules: &rules, settle };
    let mut tally = Tally::new(&spec);
    for agent in ["a", "b"] {
        tally.apply(Event::Opinion { agent, vote: crate::advice::Vote::For });
    }
    let decision = DecisionId::of_run("run", 4, "levers");
    let cleared =
        Cleared::by_verdict(tally.acted(decision).unwrap(), plan(rate(0.7), 4), validity(4, 9));
    let cleared = cleared.unwrap();
    assert_eq!(cleared.check(gate(4, 9, false)), Ok(()));
    assert_eq!(cleared.check(gate(5, 9, false)), Ok(()));
    assert_eq!(cleared.check(gate(6, 9, false)), Err(Code::SafetyExpired));
    assert_eq!(cleared.check(gate(4, 10, false)), Err(Code::SafetyFenced));
    assert_eq!(cleared.check(gate(4, 9, true)), Err(Code::SafetyHalted));
    let ada = Person::authenticated("ada", "cli");
    let protects = Cleared::by_person(ada, plan(TrainingLever::Checkpoint, 4), validity(4, 9));
    assert_eq!(protects.check(gate(60, 10, true)), Ok(()));
}

#[test]
fn the_name_of_a_runs_decision_fits_into_a_record() {
    let name = DecisionId::of_run("a \"run\"\\\n/..é", 12, "levers");
    assert_eq!(name.as_str(), "a__run____.._-c00012-levers");
}
