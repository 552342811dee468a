//! Whole rounds of model brains: what a veto cuts off, and what a tape gives again.

use conclave_domain::budget::BudgetConfig;
use conclave_domain::code::Code;
use conclave_domain::role::RISK_GUARDIAN;
use conclave_domain::tally::{Outcome, Verdict};

use super::*;
use crate::consensus::{Patience, Round, open_round};
use crate::models::port::{CallError, Reply};
use crate::models::tape::read::Tape;
use crate::models::tape::recorded::RecordedByTape;
use crate::models::tape::shelf::Shelf;
use crate::models::tape::{Header, TapeLine};
use crate::runtime::shell::Answer;
use crate::testkit::desk::{Desk, DeskSetup};
use crate::trading::TEAM;

/// What each of the five says on the wire.
fn said(agent: &str) -> Value {
    let mut answer = json!({"reasoning": "calm", "vote": "for", "confidence": 800});
    let more = match agent {
        "signal_analyst" => json!({"confidence_multiplier": 1_000, "recommendation": "PROCEED"}),
        "position_sizer" => json!({"size_multiplier": 9_999}),
        "execution_timer" => {
            json!({"order_type": "MARKET", "limit_offset_bp": 0, "time_in_force": "day"})
        }
        "exit_strategist" => {
            json!({"stop_distance": 500, "target_distance": 1_000, "action": "HOLD"})
        }
        _ => return unworried(),
    };
    for (name, value) in more.as_object().unwrap() {
        answer[name] = value.clone();
    }
    answer
}

/// One provider for all five, and a second for none.
pub(super) fn world() -> World {
    let world = World::new();
    world.one.always(secs(1), Does::answers(said));
    world
}

pub(super) fn only() -> Vec<RungSpec> {
    vec![RungSpec { routes: vec![route("one", FIRST)], ..rung() }]
}

async fn live(world: &World) -> Desk<TradingBrief> {
    live_with(world, BudgetConfig::default()).await
}

/// A brain of each of the five, of one kind.
pub(super) type Team = Vec<(&'static str, Arc<dyn Brain<TradingBrief>>)>;

pub(super) fn models(world: &World) -> Team {
    let brain = |entry: &Entry<TradingBrief>| {
        let brain = ModelBrain::new(*entry, &world.limits, only(), &world.models).unwrap();
        (entry.role.name, Arc::new(brain) as Arc<dyn Brain<TradingBrief>>)
    };
    TEAM.iter().map(brain).collect()
}

pub(super) fn recordings(world: &World, shelf: &Arc<Shelf>) -> Team {
    let brain = |entry: &Entry<TradingBrief>| {
        let shelf = Arc::clone(shelf);
        let brain = RecordedByTape::new(*entry, &world.limits, only(), shelf).unwrap();
        (entry.role.name, Arc::new(brain) as Arc<dyn Brain<TradingBrief>>)
    };
    TEAM.iter().map(brain).collect()
}

async fn live_with(world: &World, budgets: BudgetConfig) -> Desk<TradingBrief> {
    let others = models(world);
    Desk::start(DeskSetup { budgets, others, ..DeskSetup::of(TEAM) }).await.unwrap()
}

async fn again(world: &World, shelf: &Arc<Shelf>) -> Desk<TradingBrief> {
    let others = recordings(world, shelf);
    Desk::start(DeskSetup { others, ..DeskSetup::of(TEAM) }).await.unwrap()
}

pub(super) fn shelf(world: &World) -> Arc<Shelf> {
    let mut tape = Tape::default();
    tape.take(&serde_json::to_string(&TapeLine::Tape(Header::now())).unwrap()).unwrap();
    world.tape.lines().iter().for_each(|line| tape.take(line).unwrap());
    tape.share()
}

fn decision(nth: u64) -> DecisionId {
    let at = Time::from_ms(i64::try_from(nth).unwrap() * 1_000);
    DecisionId::new(&Symbol::new("AAPL").unwrap(), at, "entry")
}

async fn round(desk: &Desk<TradingBrief>, nth: u64) -> Round {
    let mut request = desk.request(decision(nth), nth, &Arc::new(sample::entry()));
    // In a replay nobody is late.
    request.settle = conclave_domain::tally::Settle::All;
    open_round(request, &desk.safety).await.unwrap()
}

/// What of a round is in the records of decisions.
fn recorded(round: &Round) -> Vec<String> {
    let answers = round.answers.iter().map(|answer| {
        let outcome = answer.outcome.as_ref().map_err(ToString::to_string);
        let Answer { agent, brain, raw, refused, .. } = answer;
        format!("{agent} {brain} {raw:?} {outcome:?} {refused:?}")
    });
    std::iter::once(format!("{:?}", round.report)).chain(answers).collect()
}

/// B-1: a number of a model that is out of bounds is clamped, and counted as such.
#[tokio::test(start_paused = true)]
async fn five_models_decide_and_what_is_out_of_bounds_is_clamped() {
    let world = world();
    let desk = live(&world).await;
    let closed = round(&desk, 1).await;
    assert_eq!(closed.report.verdict, Verdict::Act, "{:?}", closed.report);
    let clamps: usize =
        closed.answers.iter().map(|answer| answer.outcome.as_ref().unwrap().clamps.len()).sum();
    assert_eq!((clamps, world.arrived()), (1, (5, 0)));
    let cost: i64 = closed.answers.iter().map(|answer| answer.cost.raw()).sum();
    assert_eq!(cost, world.billed().raw());
    desk.stop().await;
}

/// Goal: a veto cuts off the requests of the others, and they stay booked for what they may cost.
#[tokio::test(start_paused = true)]
async fn a_veto_cuts_off_the_requests_in_flight_and_books_them() {
    let world = world();
    let objection = json!({"reasoning": "no", "confidence": 900,
        "objections": [{"code": "guardian.judgement", "text": "it smells"}]});
    world.one.always(secs(4), Does::answers(said));
    // The guardian is asked first.
    world.one.once(secs(1), Does::answers(move |_| objection.clone()));
    let desk = live(&world).await;
    let closed = round(&desk, 1).await;
    assert!(matches!(closed.report.verdict, Verdict::Vetoed { by: RISK_GUARDIAN, .. }));
    drop(closed);
    tokio::time::sleep(Duration::from_millis(1)).await;
    assert_eq!((world.one.arrived(), world.one.aborted()), (5, 4));
    let rows = desk.safety.report().await.unwrap().remaining;
    let run = rows.iter().find(|row| row.budget == "usd_per_run").unwrap();
    assert!(run.spent.get() >= world.billed().to_f64(), "{run:?} of {}", world.billed());
    assert!(run.reserved.get() < 1e-9, "nothing is in flight any more: {run:?}");
    desk.stop().await;
}

/// Goal: D-1: rounds given again from a tape are the ones that were recorded, without waiting for anybody.
/// Method: a good round, one in which a voter is late, one in which the guardian is, one with a veto and
/// one of unreadable and failing answers; then the same again from the tape, under a watchdog.
#[tokio::test(start_paused = true)]
async fn recorded_rounds_come_again_as_they_were() {
    let world = world();
    let desk = live(&world).await;
    let ends = |first: Does, others: Does| [(first, 1), (others, 4)];
    let veto = Does::answers(|_| {
        json!({"reasoning": "no", "confidence": 900,
            "objections": [{"code": "guardian.crash", "text": "it smells"}]})
    });
    let prose = Does::Says("no idea".to_owned());
    let bad = Does::fails_with(400, "invalid_request_error");
    let good = || Does::answers(said);
    let scripts = [
        vec![(good(), 5)],
        vec![(good(), 1), (Does::Hangs, 1), (good(), 3)],
        vec![(Does::Hangs, 1), (good(), 4)],
        ends(veto, good()).to_vec(),
        vec![(good(), 1), (prose, 1), (bad, 1), (good(), 2)],
    ];
    let mut then = Vec::new();
    for (nth, script) in scripts.into_iter().enumerate() {
        for (does, times) in script {
            for _ in 0..times {
                world.one.once(secs(1), does.clone());
            }
        }
        then.push(recorded(&round(&desk, nth as u64 + 1).await));
        tokio::time::sleep(secs(30)).await;
    }
    desk.stop().await;

    let shelf = shelf(&world);
    let desk = again(&world, &shelf).await;
    let (started_at, asked) = (tokio::time::Instant::now(), world.one.arrived());
    let mut late = 0;
    for (nth, then) in then.iter().enumerate() {
        let nth = nth as u64 + 1;
        let mut request = desk.request(decision(nth), nth, &Arc::new(sample::entry()));
        request.settle = conclave_domain::tally::Settle::All;
        request.patience = Patience::Watchdog(secs(60));
        let now = open_round(request, &desk.safety).await.unwrap();
        assert_eq!(&recorded(&now), then, "round {nth}");
        late += TEAM
            .iter()
            .filter(|entry| now.report.outcome(entry.role.name) == Some(&Outcome::Late))
            .count();
        if nth == 3 {
            assert_eq!(now.report.verdict, Verdict::Hold { code: Code::GuardSilent });
        }
    }
    assert_eq!((started_at.elapsed(), world.one.arrived()), (Duration::ZERO, asked));
    assert_eq!((late, shelf.fault(), shelf.left()), (2, None, 0));
    desk.stop().await;
}

/// Goal: D-1: what budgets refused comes again without a budget, whether nobody answered or rules did.
/// Method: money for the reservations of some, for agents with and without rules to fall back on.
#[tokio::test(start_paused = true)]
async fn what_budgets_refused_comes_again() {
    for has_rules in [false, true] {
        let mut world = world();
        world.models.has_rules = has_rules;
        let usd_per_run = Money::from_raw(Money::SCALE * 3 / 10);
        let budgets = BudgetConfig { usd_per_run, ..BudgetConfig::default() };
        let desk = live_with(&world, budgets).await;
        let (mut then, mut refused) = (Vec::new(), 0);
        for nth in 1..=4 {
            let closed = round(&desk, nth).await;
            let counts = &closed.report.counts;
            let by_rules = closed.answers.iter().filter(|answer| answer.refused.is_some());
            refused += counts.denied as usize + by_rules.count();
            then.push(recorded(&closed));
        }
        desk.stop().await;
        assert!(refused > 0 && world.arrived().0 > 0, "{refused}");
        let shelf = shelf(&world);
        let desk = again(&world, &shelf).await;
        for (nth, then) in then.iter().enumerate() {
            assert_eq!(&recorded(&round(&desk, nth as u64 + 1).await), then, "{has_rules}");
        }
        assert_eq!((shelf.fault(), shelf.left()), (None, 0));
        desk.stop().await;
    }
}

/// What a provider in trouble does to the nth request: a fifth asks for patience, a tenth fails, a
/// tenth breaks the connection, a tenth is not JSON.
pub(super) fn chaos(nth: u64) -> Does {
    let dice = nth.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32;
    match dice % 10 {
        0 | 1 => Does::asks_for_patience(dice % 3),
        2 => Does::fails_with(500, "api_error"),
        3 => Does::Fails(CallError::Broken { why: "reset".to_owned() }),
        4 => Does::Replies(Reply { status: 200, headers: Vec::new(), body: "<html>".to_owned() }),
        _ => Does::answers(said),
    }
}

/// Goal: G-3, T-3, T-4: under chaos every round ends within its deadline, none acts without the
/// guardian, and what is booked passes no cap and is not less than what was billed.
#[tokio::test(start_paused = true)]
async fn under_chaos_every_round_ends_in_time_and_no_cap_is_passed() {
    let world = world();
    for nth in 0..3_000 {
        world.one.once(Duration::from_millis(300), chaos(nth));
    }
    let cap = Money::from_raw(Money::SCALE * 3 / 2);
    let budgets = BudgetConfig { usd_per_run: cap, ..BudgetConfig::default() };
    let desk = live_with(&world, budgets).await;
    let (mut acted, mut answered) = (0, 0);
    for nth in 1..=60 {
        let started_at = tokio::time::Instant::now();
        let closed = round(&desk, nth).await;
        assert!(started_at.elapsed() <= secs(5), "round {nth}");
        if closed.report.acts() {
            acted += 1;
            assert_eq!(closed.report.outcome(RISK_GUARDIAN), Some(&Outcome::NoObjection));
        }
        answered += closed.answers.iter().filter(|answer| answer.outcome.is_ok()).count();
        tokio::time::sleep(secs(20)).await;
    }
    assert!(acted > 5 && answered > 60, "{acted} rounds and {answered} answers");
    let rows = desk.safety.report().await.unwrap().remaining;
    let run = rows.iter().find(|row| row.budget == "usd_per_run").unwrap();
    assert!(run.spent.get() <= cap.to_f64(), "{run:?}");
    assert!(run.spent.get() >= world.billed().to_f64(), "{run:?} of {}", world.billed());
    desk.stop().await;
}

/// A hundred symbols with five models each take the time of one call.
#[tokio::test(start_paused = true)]
async fn five_hundred_calls_take_the_time_of_one() {
    let world = World::with(ProviderSettings { per_minute: None, in_flight: 640 });
    world.one.always(Duration::from_millis(200), Does::answers(said));
    let brains: Vec<ModelBrain<TradingBrief>> = TEAM
        .iter()
        .map(|entry| ModelBrain::new(*entry, &world.limits, only(), &world.models).unwrap())
        .collect();
    let started_at = tokio::time::Instant::now();
    let mut all = tokio::task::JoinSet::new();
    for nth in 0..100 {
        for (entry, brain) in TEAM.iter().zip(&brains) {
            let mut question = world.question(brain, *entry);
            question.ask.round = nth + 1;
            all.spawn(brain.think(question.ask));
        }
    }
    let thoughts = all.join_all().await;
    assert!(thoughts.iter().all(Result::is_ok));
    assert_eq!((started_at.elapsed().as_millis(), world.one.in_flight_max()), (200, 500));
}
