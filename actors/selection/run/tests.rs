//! Tests of the round: whole deliberations about a made-up market, in paused time.

use std::time::Duration;

use conclave_domain::brief::selection::Constraints;
use conclave_domain::code::Code;
use conclave_domain::context::Context;
use conclave_domain::market::symbol::Symbol;
use conclave_domain::market::synth::{Preset, SynthConfig, generate};
use conclave_domain::ratio::Ratio;
use conclave_domain::selection::advised::{Council, Made, Wish};
use conclave_domain::selection::correlation::{Matrix, row};
use conclave_domain::selection::measure::measure;
use conclave_domain::selection::score::default_weights;
use conclave_domain::selection::{Filtered, Scored};
use serde_json::{Value, json};
use tokio::runtime::Handle;

use super::*;
use crate::runtime::fence::Fence;
use crate::runtime::ports::AuditError;
use crate::runtime::shell::PERMITS;
use crate::testkit::brains::{Act, ScriptedBrain};
use crate::testkit::clock::ManualClock;
use crate::testkit::memory_audit::MemoryAudit;
use crate::testkit::memory_safety::MemorySafety;
use crate::testkit::memory_store::MemoryContext;

const SCORER: &str = "symbol_scorer";
const OPTIMIZER: &str = "weight_optimizer";
const AUDITOR: &str = "compatibility_auditor";
const COHERENCE: &str = "portfolio_coherence";
const COUNT: usize = 4;

/// A ranking of a made-up market.
fn ranking() -> Scored {
    let config = SynthConfig {
        symbols: 24,
        coins: 0,
        bars: 700,
        market_volatility: Ratio::of(0.24),
        news_per_year: Ratio::ZERO,
        ..SynthConfig::of(Preset::Default)
    };
    let market = generate(&config, 5).unwrap();
    let listed: Vec<_> = market.assets.into_iter().zip(market.series).collect();
    let last = listed.iter().filter_map(|(_, series)| series.bars.last());
    let as_of = last.map(|bar| bar.close_time).max().unwrap();
    let rules = Constraints::default();
    let members =
        listed.iter().map(|(asset, series)| measure(asset, series, as_of, &rules)).collect();
    let filtered = Filtered::of(members, as_of, rules, Ratio::of(252.0));
    let (symbols, columns): (Vec<_>, Vec<_>) = filtered.columns().into_iter().unzip();
    let rows = (0..columns.len()).map(|at| row(&columns, at)).collect();
    let matrix = Matrix::from_rows(symbols.into_iter().zip(columns).collect(), rows);
    filtered.score(default_weights(), matrix).unwrap()
}

struct Room {
    run: SelectionRun,
    audit: Arc<MemoryAudit>,
}

/// A council of these brains; whoever is not named thinks by its rules.
async fn room(brains: Vec<(AgentName, Act)>) -> Room {
    room_of(brains.into_iter().map(|(name, act)| (name, vec![act])).collect()).await
}

/// The same with a script for each; at its end a brain goes on with the last line.
async fn room_of(brains: Vec<(AgentName, Vec<Act>)>) -> Room {
    let audit = Arc::<MemoryAudit>::default();
    let agent = |name: AgentName| {
        let script = brains.iter().find(|(of, _)| *of == name).map(|(_, script)| script.as_slice());
        let (last, before) =
            script.and_then(|script| script.split_last()).unwrap_or((&Act::Rules, &[]));
        let brain = Arc::new(ScriptedBrain::new(last.clone()));
        for act in before {
            brain.once(act.clone());
        }
        (name, SelectionAgent { brain, permits: PERMITS })
    };
    let setup = SelectionSetup {
        limits: Arc::new(Limits::default()),
        budgets: BudgetConfig::default(),
        agents: TEAM.iter().map(|entry| agent(entry.role.name)).collect(),
        faults: Arc::default(),
        patience: Patience::Deadline(Duration::from_secs(30)),
    };
    let world = World {
        audit: audit.clone(),
        head: audit.anchor(),
        store: Arc::<MemoryContext>::default(),
        context: Context::default(),
        journal: None,
        safety: Arc::<MemorySafety>::default(),
        ledger: None,
        clock: Arc::<ManualClock>::default(),
        fence: Fence::without_flag(),
        events: Arc::new(|_| {}),
        runtime: Handle::current(),
        witness: None,
        outside: None,
    };
    Room { run: SelectionRun::start(setup, world).await.unwrap(), audit }
}

async fn told(brains: Vec<(AgentName, Act)>) -> (Room, Made, Council) {
    let room = room(brains).await;
    let (made, council) = room.run.deliberate(&ranking(), COUNT).await.unwrap();
    (room, made, council)
}

fn alone() -> Made {
    Made::alone(ranking(), COUNT).unwrap()
}

fn says(agent: AgentName, vote: &str, more: (&str, Value)) -> (AgentName, Act) {
    let mut answer = json!({"reasoning": "by script", "vote": vote, "confidence": 0.9});
    answer[more.0] = more.1;
    (agent, Act::Say(answer))
}

fn no_weights(vote: &str) -> (AgentName, Act) {
    says(OPTIMIZER, vote, ("changes", json!([])))
}

/// a decision is one batch. By rules two are asked to score, two to check, four to vote.
#[tokio::test(start_paused = true)]
async fn two_score_two_check_four_vote_and_every_word_is_in_one_batch() {
    let (room, made, council) = told(Vec::new()).await;
    assert_eq!(council.code, None, "{council:?}");
    let clamped = "advice.clamped";
    let two = ["consult.sent", clamped, clamped, "round.closed"];
    let four = ["consult.sent", clamped, clamped, clamped, clamped, "round.closed"];
    let expected: Vec<&str> =
        two.into_iter().chain(two).chain(four).chain(["selection.closed"]).collect();
    assert_eq!(room.audit.steps(), expected);
    assert_eq!(room.audit.synced().len(), 1, "one flush for the one decision");
    assert!(room.audit.is_sound());
    // The regime moves weights, and with them every score.
    assert!(council.asked.iter().all(|it| it.by == OPTIMIZER && it.refused.is_none()));
    assert_ne!(made.scored.weights(), alone().scored.weights());
    assert!(!council.shifts.is_empty());
    assert_eq!(council.votes.len(), 4);
    let again = told(Vec::new()).await;
    assert_eq!((made, council), (again.1, again.2), "the same every time");
    room.run.stop().await;
}

#[tokio::test(start_paused = true)]
async fn an_exclusion_takes_a_symbol_off_the_list_and_its_reason_is_kept() {
    let first = alone().selected.symbols()[0].clone();
    let asks = json!([{"symbol": first, "reason": "a takeover"}]);
    let brains = vec![says(SCORER, "for", ("exclusions", asks)), no_weights("for")];
    let (room, made, council) = told(brains).await;
    assert_eq!(council.code, None, "{council:?}");
    assert!(!made.selected.symbols().contains(&first));
    let known = made.scored.candidate(&first).unwrap();
    assert_eq!(known.excluded, ["symbol_scorer: a takeover"]);
    let shift = council.shifts.iter().find(|shift| shift.symbol == first).unwrap();
    assert_eq!((shift.was.on_list, shift.now.on_list), (Some(1), None));
    room.run.stop().await;
}

/// T-3: silence is never consent: without a verdict the list of the pipeline stands. U-2: nothing is half done.
#[tokio::test(start_paused = true)]
async fn without_two_thirds_a_voice_or_a_permit_the_list_of_the_pipeline_stands() {
    let first = alone().selected.symbols()[0].clone();
    let asks = || says(SCORER, "for", ("exclusions", json!([{"symbol": first, "reason": "x"}])));
    let against = |agent, field| says(agent, "against", (field, json!([])));
    for (brains, code) in [
        (
            vec![asks(), against(AUDITOR, "findings"), against(COHERENCE, "swaps")],
            Code::RoundRefused,
        ),
        (
            vec![
                asks(),
                (OPTIMIZER, Act::Hang),
                (AUDITOR, Act::Fail("away".to_owned())),
                (COHERENCE, Act::Write("no idea".to_owned())),
            ],
            Code::RoundNoQuorum,
        ),
    ] {
        let (room, made, council) = told(brains).await;
        assert_eq!(council.code, Some(code), "{council:?}");
        assert_eq!(made, alone());
        assert!(council.shifts.is_empty() && !council.asked.is_empty());
        assert_eq!(room.audit.steps().last().map(String::as_str), Some("selection.closed"));
        room.run.stop().await;
    }
    let room = room(vec![asks()]).await;
    room.audit.fail(Some(AuditError::DiskFull));
    let (made, council) = room.run.deliberate(&ranking(), COUNT).await.unwrap();
    assert_eq!((made, council.code), (alone(), Some(Code::SafetyStore)));
    room.run.stop().await;
}

/// U-1: a swap that breaks a constraint is refused by name, and nobody votes on it; another is done.
#[tokio::test(start_paused = true)]
async fn a_swap_that_breaks_a_constraint_changes_nothing() {
    let alone = alone();
    let list = alone.selected.symbols();
    let with = |one: &Symbol| {
        let mut with = list.to_vec();
        with[1] = one.clone();
        alone.scored.selected(with)
    };
    let beside: Vec<Symbol> = alone.scored.ranked().iter().map(|it| it.symbol.clone()).collect();
    let mut beside = beside.iter().filter(|one| !list.contains(one));
    let bad = beside.clone().find(|one| with(one).is_err()).unwrap();
    let swap = |into: &Symbol| {
        let asks = json!([{"out": list[1], "into": into}]);
        let (_, first) = says(COHERENCE, "for", ("swaps", asks));
        let (_, weights) = no_weights("for");
        vec![(COHERENCE, vec![first, Act::Rules]), (OPTIMIZER, vec![weights])]
    };
    let room = room_of(swap(bad)).await;
    let (made, council) = room.run.deliberate(&ranking(), COUNT).await.unwrap();
    let refused = council.asked.iter().find(|it| matches!(it.wish, Wish::Swap { .. })).unwrap();
    assert!(refused.refused.as_ref().unwrap().contains("breaks its constraints"), "{refused:?}");
    assert_eq!((council.code, made.selected.symbols()), (None, list));
    room.run.stop().await;

    let better = beside.find(|one| with(one).is_ok()).unwrap();
    let room = room_of(swap(better)).await;
    let (made, council) = room.run.deliberate(&ranking(), COUNT).await.unwrap();
    assert_eq!(council.code, None, "{council:?}");
    assert!(made.selected.symbols().contains(better), "{council:?}");
    let why = made.diverse.passed_over[&list[1]].to_string();
    assert_eq!(why, format!("exchanged for {better}"));
    room.run.stop().await;
}

#[tokio::test(start_paused = true)]
async fn agents_that_leave_everybody_out_leave_the_list_of_the_pipeline() {
    let ranked =
        alone().scored.ranked().into_iter().map(|it| it.symbol.clone()).collect::<Vec<_>>();
    let asks: Vec<Value> =
        ranked.iter().map(|symbol| json!({"symbol": symbol, "reason": "all of it"})).collect();
    let (room, made, council) = told(vec![says(SCORER, "for", ("exclusions", json!(asks)))]).await;
    assert_eq!((council.code, made), (Some(Code::SelectionNoList), alone()));
    assert!(council.votes.is_empty(), "nobody is asked about nothing");
    room.run.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_halt_asks_nobody_and_the_pipeline_goes_on() {
    let room = room(Vec::new()).await;
    room.run.panel.safety.fence().halt();
    let (made, council) = room.run.deliberate(&ranking(), COUNT).await.unwrap();
    assert_eq!((made, council.code), (alone(), Some(Code::SafetyHalted)));
    assert!(council.votes.iter().all(|(_, vote)| *vote != "for"), "{council:?}");
    room.run.stop().await;
}
