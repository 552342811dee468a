//! Tests of the universe on whole councils, in paused time: who may be entered, who decides on that, and
//! what a refusal leaves.

use std::sync::Arc;

use conclave_domain::approvals::Proposal;
use conclave_domain::brief::selection::Constraints;
use conclave_domain::code::Code;
use conclave_domain::context::BookKind;
use conclave_domain::market::symbol::Symbol;
use conclave_domain::market::synth::{Preset, SynthConfig, generate};
use conclave_domain::mode::Mode;
use conclave_domain::ratio::Ratio;
use conclave_domain::selection::dynamic::{Members, Rules};
use conclave_domain::signal::Direction;
use serde_json::Value;

use super::rolls::Ranking;
use super::*;
use crate::runtime::ports::AuditError;
use crate::runtime::shell::PERMITS;
use crate::selection::TEAM;
use crate::testkit::brains::{Act, ScriptedBrain};
use crate::testkit::council::{CouncilPlan, TestCouncil, person};

/// Days that were watched: enough to be measured.
const WATCHED: usize = 560;
const COHERENCE: &str = "portfolio_coherence";
const SCORER: &str = "symbol_scorer";

/// A council in a mode on twenty-four shares, of which ten may be entered at first; brains that are not
/// named follow the rules.
async fn council(mode: Mode, brains: &[(&str, Act)]) -> TestCouncil {
    let config = SynthConfig { bars: WATCHED + 60, ..SynthConfig::of(Preset::Default) };
    let market = generate(&config, 5).unwrap();
    let played = |series: &conclave_domain::market::series::Series| {
        let mut played = series.clone();
        played.bars.truncate(WATCHED);
        played
    };
    let listed =
        market.assets.iter().cloned().zip(market.series.iter().map(played)).collect::<Vec<_>>();
    let agent = |name: AgentName| {
        let named = brains.iter().find(|(of, _)| *of == name);
        let act = named.map_or(Act::Rules, |(_, act)| act.clone());
        (name, SelectionAgent { brain: Arc::new(ScriptedBrain::new(act)), permits: PERMITS })
    };
    let terms = Terms { rules: Rules::default(), constraints: Constraints::default(), listed };
    let agents = TEAM.iter().map(|entry| agent(entry.role.name)).collect();
    let universe = Some(UniverseSetup { terms, agents });
    let plan = CouncilPlan {
        mode,
        series: market.series,
        watched: WATCHED,
        universe,
        ..CouncilPlan::default()
    };
    TestCouncil::with(plan).await
}

/// A review at the present moment of the market.
async fn review(council: &TestCouncil) {
    let at = council.council.broker.view().at;
    council.council.universe.as_ref().unwrap().review(at).await.unwrap();
}

fn members(council: &TestCouncil, book: BookKind) -> Members {
    council.council.rolls.stored().unwrap().books[&book].clone()
}

fn last(council: &TestCouncil) -> Value {
    council.log().bodies("universe.reviewed").last().copied().cloned().unwrap_or_default()
}

fn symbols(value: &Value) -> Vec<Symbol> {
    value.as_array().into_iter().flatten().map(|it| it.as_str().unwrap().parse().unwrap()).collect()
}

/// A member that the list has no place for, and where it stands among the instruments.
fn leaver(council: &TestCouncil, done: &Value) -> (u16, Symbol) {
    let name: Symbol = done["evict"][0]["symbol"].as_str().unwrap().parse().unwrap();
    let at = council.tape.instruments().iter().position(|it| it.symbol == name).unwrap();
    (u16::try_from(at).unwrap(), name)
}

/// U-3: members are never fewer than three nor more than ten, and who comes in is on a list that was voted
/// on.
#[tokio::test(start_paused = true)]
async fn a_list_that_is_voted_for_takes_the_members_place_and_others_are_not_entered() {
    let council = council(Mode::Autonomous, &[]).await;
    let before = members(&council, BookKind::Real);
    assert_eq!(before.symbols().len(), 10, "the baseline");
    review(&council).await;
    let body = last(&council);
    let after = members(&council, BookKind::Real);
    assert!((3..=10).contains(&after.symbols().len()) && after != before, "{body}");
    assert!(symbols(&body["done"]["admit"]).iter().all(|it| after.holds(it)), "{body}");
    assert_eq!(members(&council, BookKind::Shadow), before, "the other book's are not decided on");
    let steps = council.log().of(body["done"]["decision"].as_str().unwrap());
    let expected = [
        "consult.sent",
        "advice.clamped",
        "advice.clamped",
        "advice.clamped",
        "advice.clamped",
        "round.closed",
        "universe.reviewed",
    ];
    assert_eq!(steps.steps(), expected, "A-1: one batch");
    let (at, _) = leaver(&council, &body["done"]);
    let told = council.decide(council.signal(at, Direction::Long)).await.unwrap();
    assert_eq!(told.bodies("candidate.denied")[0]["code"], "universe.outside");
    assert_eq!(council.denials(Code::UniverseOutside), 1);
    assert!(council.orders(BookKind::Real).is_empty());
    council.stop().await;
}

/// O-4: exits are never blocked by agents.
#[tokio::test(start_paused = true)]
async fn a_position_of_one_that_has_left_is_still_closed_by_its_signal() {
    // Which member the list has no place for is known from another council of the same market.
    let scout = council(Mode::Autonomous, &[]).await;
    review(&scout).await;
    let (at, symbol) = leaver(&scout, &last(&scout)["done"]);
    scout.stop().await;
    let mut council = council(Mode::Autonomous, &[]).await;
    council.decide(council.signal(at, Direction::Long)).await.unwrap();
    council.day().await.unwrap();
    let held = |council: &TestCouncil| {
        council.council.broker.view().positions.iter().any(|it| it.symbol == symbol)
    };
    assert!(held(&council), "entered while it was a member");
    review(&council).await;
    assert!(!members(&council, BookKind::Real).holds(&symbol));
    assert!(held(&council), "nothing is forced on a position");
    council.decide(council.signal(at, Direction::Short)).await.unwrap();
    council.day().await.unwrap();
    assert!(!held(&council), "its exits go on");
    council.stop().await;
}

#[tokio::test(start_paused = true)]
async fn in_advisory_mode_the_shadow_books_members_change() {
    let council = council(Mode::Advisory, &[]).await;
    let before = members(&council, BookKind::Shadow);
    review(&council).await;
    assert_eq!(last(&council)["mode"], "advisory");
    assert_ne!(members(&council, BookKind::Shadow), before);
    assert_eq!(members(&council, BookKind::Real), before);
    council.stop().await;
}

/// T-3: silence is never consent.
#[tokio::test(start_paused = true)]
async fn in_supervised_mode_a_person_says_whether_and_once() {
    for approve in [true, false] {
        let council = council(Mode::Supervised, &[]).await;
        let before = members(&council, BookKind::Real);
        review(&council).await;
        assert_eq!(members(&council, BookKind::Real), before, "it waits");
        let waiting = council.council.approvals.list().await;
        let Proposal::Universe { change } = &waiting[0].proposal else { panic!("a change") };
        assert!(waiting[0].reasoning.contains("in: "), "{}", waiting[0].reasoning);
        review(&council).await;
        assert_eq!(council.council.approvals.list().await.len(), 1, "one at a time");
        let id = waiting[0].decision.to_string();
        let answer =
            |id: String| council.council.approvals.answer(id, approve, person(), String::new());
        answer(id.clone()).await.unwrap();
        let after = members(&council, BookKind::Real);
        assert_eq!(change.admit.iter().all(|it| after.holds(it)), approve);
        assert!(answer(id).await.is_err(), "a second answer changes nothing");
        review(&council).await;
        assert!(council.council.approvals.list().await.is_empty(), "asked once about one ranking");
        council.stop().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_yes_to_a_change_of_other_members_changes_nothing() {
    let council = council(Mode::Supervised, &[]).await;
    review(&council).await;
    let waiting = council.council.approvals.list().await;
    let leaves = members(&council, BookKind::Real).symbols()[0].clone();
    for _ in 0..10 {
        council.council.rolls.closed(BookKind::Real, &leaves, Ratio::of(-0.05));
    }
    let Proposal::Universe { change } = waiting[0].proposal.clone() else { panic!("a change") };
    let gone = conclave_domain::selection::dynamic::Leaver {
        symbol: leaves.clone(),
        reason: conclave_domain::selection::dynamic::Reason::Unlisted { reason: "a test".into() },
    };
    let other = conclave_domain::selection::dynamic::Change { evict: vec![gone], ..change };
    council.council.rolls.evict(BookKind::Real, other);
    let before = members(&council, BookKind::Real);
    let id = waiting[0].decision.to_string();
    let answered = council.council.approvals.answer(id, true, person(), String::new()).await;
    assert!(answered.unwrap_err().to_string().contains("universe.moved"));
    assert_eq!(members(&council, BookKind::Real), before);
    council.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_list_that_is_voted_down_is_not_asked_about_again_and_the_poor_leave_all_the_same() {
    let no = Act::Say(serde_json::json!({
        "reasoning": "no", "swaps": [], "vote": "against", "confidence": 0.9
    }));
    let also_no = Act::Say(serde_json::json!({
        "reasoning": "no", "exclusions": [], "vote": "against", "confidence": 0.9
    }));
    let council = council(Mode::Autonomous, &[(COHERENCE, no), (SCORER, also_no)]).await;
    let before = members(&council, BookKind::Real);
    review(&council).await;
    let body = last(&council);
    assert_eq!(body["done"], Value::Null, "{body}");
    assert!(body["code"].as_str().unwrap().starts_with("round."), "{body}");
    assert!(!symbols(&body["refused"]["admit"]).is_empty());
    assert_eq!(members(&council, BookKind::Real), before);
    let records = council.log().records().len();
    review(&council).await;
    assert_eq!(council.log().records().len(), records, "nobody is asked twice about one ranking");
    let leaves = before.symbols()[0].clone();
    for _ in 0..10 {
        council.council.rolls.closed(BookKind::Real, &leaves, Ratio::of(-0.05));
    }
    review(&council).await;
    assert_eq!(last(&council)["done"]["evict"][0]["why"], "drawdown");
    assert!(!members(&council, BookKind::Real).holds(&leaves));
    council.stop().await;
}

#[tokio::test(start_paused = true)]
async fn while_trading_is_halted_nobody_is_asked_and_the_poor_leave() {
    let council = council(Mode::Autonomous, &[]).await;
    council.halt().await.unwrap();
    let leaves = members(&council, BookKind::Real).symbols()[0].clone();
    for _ in 0..10 {
        council.council.rolls.closed(BookKind::Real, &leaves, Ratio::of(-0.05));
    }
    review(&council).await;
    assert_eq!(symbols(&last(&council)["done"]["admit"]), []);
    assert_eq!(members(&council, BookKind::Real).symbols().len(), 9);
    assert!(council.log().bodies("consult.sent").is_empty());
    council.stop().await;
}

/// Who leaves by rule waits for nobody, not even where a list waits for a person.
#[tokio::test(start_paused = true)]
async fn in_supervised_mode_the_poor_leave_while_a_list_waits() {
    let council = council(Mode::Supervised, &[]).await;
    review(&council).await;
    assert_eq!(council.council.approvals.list().await.len(), 1);
    let leaves = members(&council, BookKind::Real).symbols()[0].clone();
    for _ in 0..10 {
        council.council.rolls.closed(BookKind::Real, &leaves, Ratio::of(-0.05));
    }
    review(&council).await;
    assert!(!members(&council, BookKind::Real).holds(&leaves));
    council.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_list_that_was_begun_under_another_mode_is_not_done() {
    let council = council(Mode::Autonomous, &[(COHERENCE, Act::Hang)]).await;
    let before = members(&council, BookKind::Real);
    let stepping_down = async {
        tokio::time::sleep(std::time::Duration::from_secs(1)).await;
        council.set_mode(Mode::Supervised).await.unwrap();
    };
    tokio::join!(review(&council), stepping_down);
    let body = last(&council);
    assert_eq!(
        (&body["done"], members(&council, BookKind::Real)),
        (&Value::Null, before),
        "{body}"
    );
    assert!(council.council.approvals.list().await.is_empty());
    council.stop().await;
}

/// the log is true: what came between the record and the change is told behind it. O-3: a halt that
/// comes while the record is on its way to the disk lets nobody in.
#[tokio::test(start_paused = true)]
async fn a_halt_between_the_record_and_the_change_is_told_by_a_second_record() {
    let council = council(Mode::Autonomous, &[]).await;
    let before = members(&council, BookKind::Real);
    council.audit.stall();
    let halting = async {
        tokio::time::sleep(std::time::Duration::from_secs(1)).await;
        council.council.safety.fence().halt();
        council.audit.go_on();
    };
    tokio::join!(review(&council), halting);
    let log = council.log();
    let said: Vec<&Value> = log.bodies("universe.reviewed").into_iter().collect();
    let [done, refused] = said.as_slice() else { panic!("{said:?}") };
    assert_eq!(done["done"], refused["refused"]);
    assert!(refused["code"].is_string() && refused["done"].is_null(), "{refused}");
    assert_eq!(members(&council, BookKind::Real), before);
    council.stop().await;
}

/// what cannot be written down does not happen.
#[tokio::test(start_paused = true)]
async fn members_stay_where_the_log_is_full() {
    let council = council(Mode::Autonomous, &[]).await;
    let before = members(&council, BookKind::Real);
    council.audit.fail(Some(AuditError::DiskFull));
    review(&council).await;
    assert_eq!(members(&council, BookKind::Real), before);
    council.audit.fail(None);
    council.stop().await;
}

/// D-1: what a process that goes on measures again is what was measured: bars are kept for as long as a
/// ranking may be made anew, and what has come since is cut off.
#[test]
fn a_ranking_is_made_again_of_the_same_bars() {
    let config = SynthConfig { symbols: 3, bars: 9_000, ..SynthConfig::of(Preset::Calm) };
    let market = generate(&config, 5).unwrap();
    let terms = |until: conclave_domain::time::Time| {
        let cut = |series: &conclave_domain::market::series::Series| {
            let mut series = series.clone();
            series.bars.retain(|bar| bar.close_time <= until);
            series
        };
        let listed = market.assets.iter().cloned().zip(market.series.iter().map(cut)).collect();
        Terms { rules: Rules::default(), constraints: Constraints::default(), listed }
    };
    let mut tape = conclave_domain::market::tape::Tape::new(market.series.clone()).unwrap();
    let rolls = Rolls::new(terms(conclave_domain::time::Time::EPOCH), None);
    let mut nth = 0;
    let mut at = |rolls: &Rolls, count: usize| {
        let mut last = conclave_domain::time::Time::EPOCH;
        while nth < count {
            let chunk = tape.next_chunk(64.min(count - nth)).unwrap();
            nth += chunk.len();
            last = chunk.ticks().last().unwrap().bar.close_time;
            rolls.take(&chunk);
        }
        last
    };
    let measured_at = at(&rolls, 7_000);
    let Ranking::Due(first, ..) = rolls.begin(BookKind::Real, measured_at).unwrap().scored else {
        panic!("due")
    };
    let stored = StoredRolls { measured_at: Some(measured_at), ..rolls.stored().unwrap() };
    // Nineteen more have come when the process goes on; the next measurement is one bar away.
    let later = at(&rolls, 7_019);
    for (name, rolls) in [
        ("lived on", Rolls::new(rolls.terms().unwrap(), Some(stored.clone()))),
        ("begun anew", Rolls::new(terms(later), Some(stored))),
    ] {
        let Ranking::Due(again, ..) = rolls.begin(BookKind::Real, later).unwrap().scored else {
            panic!("made again")
        };
        assert!(again == first, "{name}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_run_reviews_its_universe_as_its_bars_go_by() {
    let mut council = council(Mode::Autonomous, &[]).await;
    council.play().await.unwrap();
    assert!(council.council.rolls.stored().unwrap().changes > 0);
    let reviewed = council.log().bodies("universe.reviewed").len();
    assert!((1..=4).contains(&reviewed), "measured every twenty of sixty days: {reviewed}");
    council.stop().await;
}
