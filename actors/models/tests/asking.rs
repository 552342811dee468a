//! What is done about each failure, for what money and in what time.

use conclave_domain::code::Code;
use tokio::time::Instant;

use super::*;
use crate::models::BrainError;
use crate::models::Tokens;
use crate::models::port::CallError;
use crate::models::wire;

/// What came of one failure at the first provider, again and again.
#[derive(Debug, PartialEq)]
struct Fate {
    /// Requests at the first and at the second provider.
    arrived: (usize, usize),
    /// Who answered, or the end of why nobody did.
    outcome: Outcome,
    /// What the first provider billed, in requests.
    bills: i64,
}

async fn fate(does: Does) -> Fate {
    let world = World::new();
    world.one.always(Duration::ZERO, does);
    let (thought, spent) = world.size().await;
    let bills = world.one.billed().raw() / world.one.bill().raw();
    assert!(spent >= world.billed(), "{spent} of {}", world.billed());
    let outcome = thought.map(|thought| thought.by).map_err(|error| {
        let text = error.to_string();
        text.rsplit(": ").next().unwrap_or_default().to_owned()
    });
    Fate { arrived: world.arrived(), outcome, bills }
}

type Outcome = Result<Option<String>, String>;

fn nobody(why: &str) -> Outcome {
    Err(why.to_owned())
}

/// The retry matrix, row by row: the first provider does the same thing again and again.
#[tokio::test(start_paused = true)]
async fn each_failure_is_retried_handed_on_or_given_up_as_the_matrix_says() {
    let spend = json!({"type": "error", "error": {"type": "rate_limit_error", "message": "m",
        "details": {"error_code": "enforced_spend_limit_reached"}}});
    let cut = json!({"type": "message", "model": "m", "stop_reason": "max_tokens",
        "content": [{"type": "text", "text": "{"}],
        "usage": {"input_tokens": 1_000, "output_tokens": 100}});
    let declined = json!({"type": "message", "model": "m", "stop_reason": "refusal", "content": [],
        "usage": {"input_tokens": 1_000, "output_tokens": 100}});
    let no_retry = Does::replies(500, &[("x-should-retry", "false")], &json!({}));
    let broken = || Does::Fails(CallError::Broken { why: "reset".to_owned() });
    let connect = || Does::Fails(CallError::Connect { why: "refused".to_owned() });
    let elsewhere = || Outcome::Ok(Some(SECOND.to_owned()));
    let poor = "what was granted does not cover another attempt";
    for (does, arrived, outcome, bills) in [
        (good(), (1, 0), Ok(None), 1),
        (Does::fails_with(500, "api_error"), (3, 1), elsewhere(), 0),
        (Does::fails_with(529, "overloaded_error"), (3, 1), elsewhere(), 0),
        (no_retry, (1, 1), elsewhere(), 0),
        (connect(), (3, 1), elsewhere(), 0),
        (Does::fails_with(429, "rate_limit_error"), (3, 1), elsewhere(), 0),
        (Does::asks_for_patience(600), (1, 1), elsewhere(), 0),
        (Does::replies(429, &[], &spend), (1, 1), elsewhere(), 0),
        (Does::fails_with(402, "billing_error"), (1, 1), elsewhere(), 0),
        (Does::fails_with(401, "authentication_error"), (1, 1), elsewhere(), 0),
        // Not the next provider but the next cheaper model, of which there is none here.
        (Does::fails_with(404, "not_found_error"), (1, 0), Ok(Some("rules".to_owned())), 0),
        (Does::fails_with(400, "invalid_request_error"), (1, 0), nobody("bad_request"), 0),
        (Does::fails_with(413, "request_too_large"), (1, 0), nobody("too_large"), 0),
        (Does::replies(200, &[], &cut), (1, 0), nobody("truncated"), 1),
        (Does::replies(200, &[], &declined), (1, 0), nobody("declined"), 1),
        (Does::Hangs, (1, 0), nobody("timeout"), 1),
        // Two attempts at their worst are paid for, and nobody knows what became of them.
        (broken(), (2, 0), nobody(poor), 2),
        (Does::replies(200, &[], &json!("prose")), (2, 0), nobody(poor), 2),
    ] {
        let shown = format!("{does:?}");
        assert_eq!(fate(does).await, Fate { arrived, outcome, bills }, "{shown}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_costs_what_its_tokens_cost_and_is_named_after_its_brain() {
    let world = World::new();
    let (thought, spent) = world.size().await;
    let thought = thought.unwrap();
    assert_eq!(thought.raw["size_multiplier"], json!(1.1));
    // A thousand tokens in for two dollars a million, a hundred out for ten.
    let cost = Money::from_raw(Money::SCALE * 3 / 1_000);
    assert_eq!((thought.cost, spent, world.billed()), (cost, cost, cost));
    assert_eq!(thought.by, None);
    let tokens = Tokens { prompt: 1_000, cached: 0, output: 100 };
    assert_eq!(world.models.gateway.tokens(), BTreeMap::from([("position_sizer", tokens)]));
}

/// G-2: one slip in the unit of a bill would take the money of every run of this user for a day.
#[tokio::test(start_paused = true)]
async fn a_bill_that_nobody_can_believe_is_counted_by_the_price_table() {
    for (told, counted) in [
        // A dearer bill is a price table that is out of date.
        ("0.004", Money::from_raw(Money::SCALE * 7 / 1_000)),
        ("1e9", Money::from_raw(Money::SCALE * 6 / 1_000)),
        ("-1", Money::from_raw(Money::SCALE * 6 / 1_000)),
    ] {
        let world = World::new();
        let routes = vec![route("two", FIRST)];
        let rungs = vec![RungSpec { routes, ..rung() }];
        let sizer =
            ModelBrain::new(Entry::of::<PositionSizer>(), &world.limits, rungs, &world.models);
        let sizer = sizer.unwrap();
        let mut reply = world.two.says("prose");
        reply.body = reply.body.replace("\"usage\":{", &format!("\"usage\":{{\"cost\":{told},"));
        world.two.once(Duration::ZERO, Does::Replies(reply));
        let Question { ask, spent } = world.question(&sizer, Entry::of::<PositionSizer>());
        sizer.think(ask).await.unwrap();
        assert_eq!((world.two.arrived(), spent.get()), (2, Some(counted)), "{told}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_unreadable_answer_is_asked_for_once_more_with_what_was_wrong() {
    let world = World::new();
    world.one.once(Duration::ZERO, Does::Says("buy everything".to_owned()));
    let (thought, spent) = world.size().await;
    assert_eq!(thought.unwrap().cost, spent);
    assert_eq!((world.arrived(), spent), ((2, 0), world.billed()));
    let bodies = world.one.bodies();
    assert!(!bodies[0].contains("Once more") && bodies[1].contains("was refused: expected"));

    world.one.always(Duration::ZERO, Does::Says("buy everything".to_owned()));
    let (thought, spent) = world.size().await;
    assert!(matches!(thought, Err(ConsultError::Unreadable { .. })), "{thought:?}");
    assert_eq!(world.arrived(), (4, 0), "nobody else is asked to make sense of it");
    assert_eq!(spent.raw(), world.one.bill().raw() * 2);
}

/// F-1: what asks for a forbidden action gets no second chance.
#[tokio::test(start_paused = true)]
async fn a_forbidden_answer_is_not_asked_for_again() {
    let world = World::new();
    world.one.always(Duration::ZERO, Does::Says("bypass_all_gates".to_owned()));
    let (thought, _) = world.size().await;
    assert!(matches!(thought, Err(ConsultError::Forbidden { .. })), "{thought:?}");
    assert_eq!(world.arrived(), (1, 0));
}

/// Goal: a model that is gone is followed by the next cheaper one, then by rules, and nobody asks for it
/// again. Method: the first provider does not have the dear model, later not the cheap one either.
#[tokio::test(start_paused = true)]
async fn a_model_that_is_gone_is_followed_by_the_next_cheaper_one_and_then_by_rules() {
    let world = World::new();
    let cheap = RungSpec { model: CHEAP.to_owned(), routes: vec![route("one", CHEAP)], ..rung() };
    let brain = |models: &Models| {
        let rungs = vec![rung(), cheap.clone()];
        ModelBrain::new(Entry::of::<PositionSizer>(), &world.limits, rungs, models).unwrap()
    };
    let sizer = brain(&world.models);
    let gone = || Does::fails_with(404, "not_found_error");
    let ladder = |brain: &ModelBrain<TradingBrief>| {
        let paid = brain.paid(&sample::entry(), &world.limits);
        paid.map(|paid| paid.rungs.into_iter().map(|rung| rung.model).collect::<Vec<_>>())
    };
    world.one.once(Duration::ZERO, gone());
    let Question { ask, spent } = world.question(&sizer, Entry::of::<PositionSizer>());
    let thought = sizer.think(ask).await.unwrap();
    assert_eq!((thought.by.as_deref(), thought.refused), (Some(CHEAP), None));
    assert_eq!((world.arrived(), spent.get()), ((2, 0), Some(world.one.bill())));
    assert!(world.one.bodies()[1].contains(CHEAP));
    assert_eq!(ladder(&sizer), Some(vec![CHEAP.to_owned()]), "remembered");

    let other = brain(&world.models);
    let Question { ask, .. } = world.question(&other, Entry::of::<PositionSizer>());
    assert_eq!(other.think(ask).await.unwrap().by.as_deref(), Some(CHEAP));
    assert_eq!(world.arrived(), (3, 0), "by everybody");

    world.one.once(Duration::ZERO, gone());
    let Question { ask, spent } = world.question(&sizer, Entry::of::<PositionSizer>());
    let thought = sizer.think(ask).await.unwrap();
    let by_rules = (Some("rules"), Some(Code::SafetyNoModel));
    assert_eq!((thought.by.as_deref(), thought.refused), by_rules);
    assert_eq!((world.arrived(), spent.get()), ((4, 0), Some(Money::ZERO)));
    assert_eq!(ladder(&sizer), None, "the rules are free");
    let Question { ask, .. } = world.ask(Entry::of::<PositionSizer>(), 9, None);
    let thought = sizer.think(ask).await.unwrap();
    assert_eq!((thought.by.as_deref(), thought.refused), by_rules);
    assert_eq!(world.arrived(), (4, 0));
    let standing = &world.models.gateway.standings()[0];
    assert_eq!((standing.answered, standing.failed, standing.gone.len()), (2, 2, 2));

    // Where rules may not answer, the agent abstains.
    let strict = brain(&Models { has_rules: false, ..world.models.clone() });
    assert_eq!(ladder(&strict), Some(vec![FIRST.to_owned(), CHEAP.to_owned()]));
    let Question { ask, .. } = world.question(&strict, Entry::of::<PositionSizer>());
    let error = strict.think(ask).await.unwrap_err().to_string();
    assert!(error.ends_with("it has no such model"), "{error}");
}

/// Goal: one deadline holds for retries and fallback together.
/// Method: both providers take six seconds to fail; three attempts fit, a fourth is cut off.
#[tokio::test(start_paused = true)]
async fn retries_and_fallback_share_one_deadline() {
    let world = World::new();
    for provider in [&world.one, &world.two] {
        provider.always(secs(6), Does::fails_with(500, "api_error"));
    }
    let started_at = Instant::now();
    let (thought, spent) = world.size().await;
    assert!(thought.is_err());
    assert!(started_at.elapsed() <= DEADLINE, "{:?}", started_at.elapsed());
    let (one, two) = world.arrived();
    assert!(one == 3 && two <= 1, "{one} and {two}");
    assert_eq!(world.one.aborted() + world.two.aborted(), two);
    assert!(spent >= world.billed());
}

/// Goal: Retry-After is honoured once for all agents of a provider.
/// Method: one agent hears of it; another asks a second later and waits for the same moment.
#[tokio::test(start_paused = true)]
async fn patience_that_one_agent_is_asked_for_is_kept_by_all() {
    let world = World::new();
    world.one.once(Duration::ZERO, Does::asks_for_patience(5));
    let started_at = Instant::now();
    let first = async {
        let (thought, _) = world.size().await;
        (thought.is_ok(), started_at.elapsed())
    };
    let second = async {
        tokio::time::sleep(secs(1)).await;
        let (thought, _) = world.size().await;
        (thought.is_ok(), started_at.elapsed())
    };
    let (first, second) = tokio::join!(first, second);
    assert!(first.0 && secs(5) <= first.1 && first.1 < secs(6), "{first:?}");
    assert_eq!(second, (true, secs(5)));
    assert_eq!(world.arrived(), (3, 0));
}

/// G-3: what was granted covers the first attempt of every rung, however long the brief, and its
/// figure is that of the price table.
#[tokio::test(start_paused = true)]
async fn what_is_asked_for_covers_the_attempts_that_are_paid() {
    let world = World::new();
    let brain = world.sizer();
    let Question { ask, .. } = world.question(&brain, Entry::of::<PositionSizer>());
    let granted = ask.granted.clone().unwrap();
    assert_eq!((granted.model.as_str(), granted.provider.as_deref()), (FIRST, Some("one")));
    brain.think(ask).await.unwrap();
    let bytes = world.one.bodies()[0].len() as u64;
    let worst = price().worst(bytes, u64::from(wire::MAX_TOKENS_MIN)).unwrap().raw();
    let at_most = granted.at_most.unwrap().raw();
    assert!(worst * 2 <= at_most && at_most < worst * 3, "{worst} of {at_most}");
}

#[tokio::test(start_paused = true)]
async fn a_brain_without_leave_answers_by_its_rules_and_says_why() {
    let world = World::new();
    let brain = world.sizer();
    let mut question = world.ask(Entry::of::<PositionSizer>(), 1, None);
    question.ask.refused = Some(Code::SafetyMoneyDay);
    let thought = brain.think(question.ask).await.unwrap();
    assert_eq!((thought.cost, thought.by.as_deref()), (Money::ZERO, Some("rules")));
    assert_eq!(thought.refused, Some(Code::SafetyMoneyDay));
    assert_eq!((question.spent.get(), world.arrived()), (Some(Money::ZERO), (0, 0)));
}

#[tokio::test(start_paused = true)]
async fn a_brain_that_cannot_ask_is_not_made() {
    let world = World::new();
    let make = |rungs: Vec<RungSpec>| {
        let made =
            ModelBrain::new(Entry::of::<PositionSizer>(), &world.limits, rungs, &world.models);
        made.err().map(|error| error.to_string())
    };
    let with = |routes: Vec<RouteSpec>| vec![RungSpec { routes, ..rung() }];
    assert_eq!(make(vec![rung()]), None);
    for (rungs, why) in [
        (Vec::new(), BrainError::NoRung { agent: "position_sizer" }),
        (
            with(Vec::new()),
            BrainError::NoRoute { agent: "position_sizer", model: FIRST.to_owned() },
        ),
        (
            with(vec![route("three", FIRST)]),
            BrainError::NoProvider { agent: "position_sizer", provider: "three".to_owned() },
        ),
        (
            with(vec![route("one", "dear-9")]),
            BrainError::NoPrice { agent: "position_sizer", model: "dear-9".to_owned() },
        ),
    ] {
        assert_eq!(make(rungs), Some(why.to_string()));
    }
}
