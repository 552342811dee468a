//! A tape: what was recorded is given again word for word, and what differs is named.

use conclave_domain::code::Code;
use conclave_domain::ratio::Ratio;
use conclave_domain::role::RISK_GUARDIAN;

use super::*;
use crate::models::tape::read::{Tape, TapeError};
use crate::models::tape::recorded::{RecordedByTape, ReplayThenLive};
use crate::models::tape::shelf::{Shelf, TapeMiss};
use crate::models::tape::{End, TapeLine};

fn entry() -> Entry<TradingBrief> {
    Entry::of::<PositionSizer>()
}

fn read(lines: &[String]) -> Tape {
    let mut tape = Tape::default();
    for line in lines {
        tape.take(line).unwrap();
    }
    tape
}

fn headed(world: &World) -> Vec<String> {
    let header = TapeLine::Tape(crate::models::tape::Header::now());
    let mut lines = vec![serde_json::to_string(&header).unwrap()];
    lines.extend(world.tape.lines());
    lines
}

fn shelf(world: &World) -> Arc<Shelf> {
    read(&headed(world)).share()
}

fn recorded(world: &World, shelf: &Arc<Shelf>) -> RecordedByTape<TradingBrief> {
    RecordedByTape::new(entry(), &world.limits, vec![rung()], Arc::clone(shelf)).unwrap()
}

/// Asks a live sizer in round after round, each round with its own trouble at the first provider.
async fn live(world: &World) -> Vec<Result<Thought, ConsultError>> {
    let brain = world.sizer();
    let prose = || Does::Says("buy everything".to_owned());
    let cut = json!({"type": "message", "stop_reason": "max_tokens", "content": [],
        "usage": {"input_tokens": 9, "output_tokens": 9}});
    let scripts: Vec<Vec<Does>> = vec![
        vec![],
        vec![prose()],
        vec![prose(), prose()],
        vec![Does::fails_with(500, "api_error"), Does::fails_with(500, "api_error")],
        vec![Does::fails_with(400, "invalid_request_error")],
        vec![Does::Says("please disable_risk_controls".to_owned())],
        vec![Does::replies(200, &[("x-secret", "k"), ("request-id", "r")], &cut)],
        vec![Does::answers(|_| sized(9_000))],
        vec![Does::fails_with(529, "overloaded_error"); 3],
    ];
    let mut thoughts = Vec::new();
    for (nth, script) in scripts.into_iter().enumerate() {
        for does in script {
            world.one.once(Duration::ZERO, does);
        }
        let mut question = world.question(&brain, entry());
        question.ask.round = nth as u64 + 1;
        thoughts.push(brain.think(question.ask).await);
    }
    thoughts
}

/// Goal: D-1: a recorded run thinks and fails word for word as the run that was recorded, at once and
/// for nothing. Method: every kind of end is recorded and given again.
#[tokio::test(start_paused = true)]
async fn what_was_recorded_is_given_again_word_for_word() {
    let world = World::new();
    let then = live(&world).await;
    let asked = world.arrived();
    let shelf = shelf(&world);
    let brain = recorded(&world, &shelf);
    let started_at = tokio::time::Instant::now();
    for (nth, then) in then.into_iter().enumerate() {
        let Question { ask, .. } = world.ask(entry(), nth as u64 + 1, None);
        let now = brain.think(ask).await;
        match (then, now) {
            (Ok(then), Ok(now)) => {
                assert_eq!((now.raw, now.by, now.cost), (then.raw, then.by, Money::ZERO), "{nth}");
            }
            (Err(then), Err(now)) => assert_eq!(now.to_string(), then.to_string(), "{nth}"),
            (then, now) => panic!("{nth}: {then:?} and {now:?}"),
        }
    }
    assert_eq!(started_at.elapsed(), Duration::ZERO);
    assert_eq!((shelf.fault(), shelf.left()), (None, 0));
    assert_eq!(world.arrived(), asked, "nobody was asked");
    assert!(brain.is_free() && brain.paid(&sample::entry(), &world.limits).is_none());
    assert_eq!(Brain::name(&brain), world.sizer().name());
}

/// What never was a question to a model is on the tape too.
#[tokio::test(start_paused = true)]
async fn a_refused_permit_rules_and_a_call_that_was_cut_off_come_again() {
    let world = World::new();
    let brain = world.sizer();
    let decision = world.ask(entry(), 1, None).ask.decision;
    brain.passed_over(&decision, 1, "position_sizer", Code::SafetyAllHour);
    let mut without = world.ask(entry(), 2, None).ask;
    without.refused = Some(Code::SafetyMoneyDay);
    let by_rules = brain.think(without).await.unwrap();
    world.one.always(secs(10), good());
    let mut cut = world.question(&brain, entry()).ask;
    cut.round = 3;
    assert!(tokio::time::timeout(secs(1), brain.think(cut)).await.is_err());

    let shelf = shelf(&world);
    let again = recorded(&world, &shelf);
    let mut given = Vec::new();
    for round in 1..=3 {
        given.push(again.think(world.ask(entry(), round, None).ask).await);
    }
    assert_eq!(given[0], Err(ConsultError::Denied { code: Code::SafetyAllHour }));
    assert_eq!(given[1], Ok(by_rules));
    assert_eq!(given[2], Err(ConsultError::Late));
    assert_eq!(shelf.fault(), None);
}

/// Goal: another question is another run, and is named. Method: one limit in the prompt moves.
#[tokio::test(start_paused = true)]
async fn a_changed_prompt_is_found_and_named() {
    let world = World::new();
    live(&world).await;
    let shelf = shelf(&world);
    let mut limits = Limits::default();
    limits.risk.position_max = Ratio::of(0.11);
    let brain = RecordedByTape::new(entry(), &limits, vec![rung()], Arc::clone(&shelf)).unwrap();
    let mut ask = world.ask(entry(), 1, None).ask;
    let mut brief = sample::entry();
    brief.confidence = Ratio::of(0.123);
    ask.brief = Arc::new(brief);
    let faulted = shelf.faulted();
    assert!(!*faulted.borrow());
    assert!(matches!(brain.think(ask).await, Err(ConsultError::Brain { .. })));
    assert!(*faulted.borrow());
    let fault = shelf.fault().unwrap();
    assert_eq!(
        fault.to_string(),
        "AAPL-19700101T000000-entry, round 1, position_sizer: the question to `first-1` at `one` \
         differs from the one on the tape"
    );
}

#[tokio::test(start_paused = true)]
async fn a_question_that_nobody_had_asked_is_a_miss_and_the_first_miss_is_kept() {
    let world = World::new();
    live(&world).await;
    let shelf = shelf(&world);
    let brain = recorded(&world, &shelf);
    for round in [77, 78] {
        let thought = brain.think(world.ask(entry(), round, None).ask).await;
        let why = format!("round {round}, position_sizer: the tape has no answer to this question");
        assert!(thought.unwrap_err().to_string().contains(&why));
    }
    let fault = shelf.fault().unwrap();
    assert_eq!((fault.round, fault.agent.as_str()), (77, "position_sizer"));
    assert_eq!(fault.why, TapeMiss::NotAsked);
    // A consultation is given once.
    assert!(brain.think(world.ask(entry(), 1, None).ask).await.is_ok());
    assert!(brain.think(world.ask(entry(), 1, None).ask).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn another_ladder_is_another_run() {
    let world = World::new();
    live(&world).await;
    for (rungs, expected) in [
        (vec![RungSpec { max_tokens: 9_999, ..rung() }], "differs"),
        (vec![RungSpec { routes: vec![route("two", SECOND)], ..rung() }], "not configured"),
        (vec![RungSpec { model: "other".to_owned(), ..rung() }], "not configured"),
    ] {
        let shelf = shelf(&world);
        let brain = RecordedByTape::new(entry(), &world.limits, rungs, Arc::clone(&shelf)).unwrap();
        assert!(brain.think(world.ask(entry(), 1, None).ask).await.is_err());
        assert!(shelf.fault().unwrap().to_string().contains(expected));
    }
}

#[tokio::test(start_paused = true)]
async fn what_the_tape_does_not_have_is_asked_live() {
    let world = World::new();
    live(&world).await;
    let asked = world.one.arrived();
    let brain = ReplayThenLive::new(recorded(&world, &shelf(&world)), world.sizer());
    assert!(!Brain::<TradingBrief>::is_free(&brain));
    let paid = brain.paid(&sample::entry(), &world.limits).unwrap();
    let Question { ask, spent } = world.ask(entry(), 1, Some(paid.rungs[0].clone()));
    assert!(brain.think(ask).await.is_ok());
    assert_eq!((spent.get(), world.one.arrived()), (Some(Money::ZERO), asked));
    let Question { ask, spent } = world.ask(entry(), 99, Some(paid.rungs[0].clone()));
    assert!(brain.think(ask).await.is_ok());
    assert_eq!((spent.get(), world.one.arrived()), (Some(world.one.bill()), asked + 1));
}

/// G-3: where budgets go on from before what the tape holds, they come to what they came to then, and
/// nobody is asked or paid twice.
#[tokio::test(start_paused = true)]
async fn what_is_given_again_may_be_booked_again_at_what_it_cost() {
    let world = World::new();
    live(&world).await;
    let asked = world.one.arrived();
    let brain = ReplayThenLive::booking_again(recorded(&world, &shelf(&world)), world.sizer());
    let paid = brain.paid(&sample::entry(), &world.limits).unwrap();
    let Question { ask, spent } = world.ask(entry(), 1, Some(paid.rungs[0].clone()));
    let thought = brain.think(ask).await.unwrap();
    assert_eq!((thought.cost, spent.get()), (world.one.bill(), Some(world.one.bill())));
    assert_eq!(world.one.arrived(), asked);
}

/// Nothing but the headers that are listed is kept, and every exchange stands there with its cost.
#[tokio::test(start_paused = true)]
async fn a_tape_holds_every_exchange_and_no_other_header() {
    let world = World::new();
    live(&world).await;
    let lines = world.tape.lines();
    let (one, two) = world.arrived();
    let exchanges: Vec<_> = lines
        .iter()
        .filter_map(|line| match serde_json::from_str(line).unwrap() {
            TapeLine::Exchange(exchange) => Some(exchange),
            _ => None,
        })
        .collect();
    assert_eq!(exchanges.len(), one + two);
    let all = lines.concat();
    assert!(all.contains("request-id") && !all.contains("x-secret"), "{all}");
    let cost: i64 = exchanges.iter().map(|exchange| exchange.cost.raw()).sum();
    assert!(cost >= world.billed().raw() - world.one.bill().raw());
    assert!(exchanges.iter().any(|exchange| exchange.served_model.as_deref() == Some("served")));
}

/// Goal: an answer that came while its round was closing is one that nobody heard, then and now.
#[tokio::test(start_paused = true)]
async fn who_is_cut_off_while_its_line_is_written_was_late() {
    let world = World::new();
    let brain = world.sizer();
    world.tape.hangs();
    let thought = tokio::time::timeout(secs(1), brain.think(world.question(&brain, entry()).ask));
    assert!(thought.await.is_err());
    let last = world.tape.lines().pop().unwrap();
    assert!(matches!(serde_json::from_str(&last).unwrap(), TapeLine::Unheard(_)), "{last}");
    let shelf = shelf(&world);
    let given = recorded(&world, &shelf).think(world.ask(entry(), 1, None).ask).await;
    assert_eq!((given, shelf.fault()), (Err(ConsultError::Late), None));
}

/// A process that went on has asked again what the killed one had not finished: its word counts.
#[tokio::test(start_paused = true)]
async fn the_last_process_that_asked_counts() {
    let world = World::new();
    let brain = world.sizer();
    for size in [800, 1_200] {
        world.one.once(Duration::ZERO, Does::answers(move |_| sized(size)));
        brain.think(world.question(&brain, entry()).ask).await.unwrap();
    }
    let tape = read(&headed(&world));
    assert_eq!((tape.consults(), tape.lines()), (2, 5));
    assert_eq!(tape.ordinals().values().collect::<Vec<_>>(), [&2], "the same question twice");
    let shelf = tape.share();
    let thought = recorded(&world, &shelf).think(world.ask(entry(), 1, None).ask).await;
    assert_eq!(thought.unwrap().raw["size_multiplier"], json!(1.2));
}

#[test]
fn a_line_that_is_no_line_of_a_tape_is_refused_by_its_number() {
    let header = r#"{"line":"tape","schema":"tape/1","version":"x"}"#;
    let newer = r#"{"line":"tape","schema":"tape/9","version":"x"}"#;
    let exchange = r#"{"line":"exchange","key":"k","ordinal":0,"agent":"a","provider":"p",
        "endpoint":"e","dialect":"anthropic","model":"m","body":"{}","outcome":"dropped",
        "cost":"0","took_ms":1}"#;
    let take = |lines: &[&str]| {
        let mut tape = Tape::default();
        lines.iter().try_for_each(|line| tape.take(line)).unwrap_err()
    };
    assert!(matches!(take(&["{}"]), TapeError::NoHeader));
    assert!(matches!(take(&[exchange]), TapeError::NoHeader));
    assert!(matches!(take(&[newer]), TapeError::Schema { .. }));
    assert!(matches!(take(&[header, "{\"line\":"]), TapeError::Unreadable { line: 2, .. }));
    assert!(matches!(take(&[header, exchange]), TapeError::Key { line: 2 }));
}

#[tokio::test(start_paused = true)]
async fn a_tape_has_a_line_for_the_guardian_who_was_cut_off() {
    let world = World::new();
    world.one.always(secs(60), good());
    let brain = world.guardian();
    let Question { ask, spent } = world.question(&brain, Entry::of::<RiskGuardian>());
    let thought = tokio::time::timeout(secs(2), brain.think(ask)).await;
    assert!(thought.is_err());
    let last = world.tape.lines().pop().unwrap();
    let TapeLine::Consult(consult) = serde_json::from_str(&last).unwrap() else { panic!("{last}") };
    assert_eq!((consult.agent.as_str(), consult.steps.len()), (RISK_GUARDIAN, 1));
    assert_eq!(consult.end, End::Cancelled { cost: spent.get().unwrap() });
}
