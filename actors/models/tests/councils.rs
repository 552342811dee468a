//! A whole council of model brains: played once live and once from its tape.

use conclave_domain::budget::BudgetConfig;
use conclave_domain::record::{Line, Stream};
use conclave_domain::tally::Settle;

use super::rounds::{Team, chaos, models, recordings, shelf, world};
use super::*;
use crate::runtime::faults::FaultPlan;
use crate::runtime::recorded::{RecordedBrain, Recording};
use crate::testkit::council::{CouncilPlan, TestCouncil};
use crate::trading::TEAM;

/// Plays a year of two shares; the log's decisions.
async fn played(others: Team, usd_per_run: Money, faults: FaultPlan) -> Vec<String> {
    let budgets = BudgetConfig { usd_per_run, ..BudgetConfig::default() };
    let (settle, default) = (Settle::All, CouncilPlan::default());
    let plan = CouncilPlan { others, budgets, faults, settle, watched: 60, ..default };
    let mut council = TestCouncil::with(plan).await;
    council.play().await.unwrap();
    let lines = council.audit.lines(Stream::Decisions);
    council.stop().await;
    lines
}

/// Two providers and their models, with or without rules to fall back on.
fn world_with(has_rules: bool) -> World {
    let mut world = world();
    world.models.has_rules = has_rules;
    world
}

/// A year under chaos, in which agents answer, fail, are late and, when the money is gone, give way to
/// rules or are not asked: the log's decisions.
async fn a_year(world: &World) -> Vec<String> {
    let refused =
        if world.models.has_rules { r#""refused":"safety."# } else { r#""outcome":"denied""# };
    for nth in 0..3_000 {
        world.one.once(Duration::from_millis(300), chaos(nth));
    }
    let money = Money::from_raw(Money::SCALE * 3 / 2);
    let lines = played(models(world), money, FaultPlan::default()).await;
    for what in [
        r#""outcome":"failed""#,
        r#""outcome":"late""#,
        r#""verdict":"act""#,
        r#""brain":"first-1""#,
        refused,
    ] {
        assert!(lines.iter().any(|line| line.contains(what)), "{what} never happened");
    }
    lines
}

fn same(then: &[String], now: &[String]) {
    let differs = then.iter().zip(now).find(|(then, now)| then != now);
    assert_eq!((differs, now.len()), (None, then.len()));
}

/// Goal: D-1: a run from its tape is byte for byte the run that was recorded, whatever its providers
/// did. Method: a year live; then the same year from the tape, without a provider and without money.
#[tokio::test(start_paused = true)]
async fn a_run_from_its_tape_is_byte_for_byte_the_run_that_was_recorded() {
    for has_rules in [true, false] {
        let world = world_with(has_rules);
        let then = a_year(&world).await;
        let asked = world.arrived();
        assert!(asked.0 > 100, "{asked:?}");
        let shelf = shelf(&world);
        let brains = recordings(&world, &shelf);
        let now = played(brains, Money::ZERO, FaultPlan::default()).await;
        assert_eq!(shelf.fault(), None);
        same(&then, &now);
        assert_eq!((world.arrived(), shelf.left()), (asked, 0));
    }
}

/// Goal: D-1: the log alone tells a run of models as well: who thought, who was late, who was refused.
#[tokio::test(start_paused = true)]
async fn a_run_of_models_is_repeated_from_its_log() {
    for has_rules in [true, false] {
        let then = a_year(&world_with(has_rules)).await;
        let mut recording = Recording::default();
        for line in &then {
            recording.take(&Line::read(line).unwrap()).unwrap();
        }
        let (faults, recording) = (recording.faults(), recording.share());
        let brain = |entry: &Entry<TradingBrief>| {
            let brain = RecordedBrain::new(entry.role.name, &recording);
            (entry.role.name, Arc::new(brain) as Arc<dyn Brain<TradingBrief>>)
        };
        let brains = TEAM.iter().map(brain).collect();
        same(&then, &played(brains, Money::ZERO, faults).await);
    }
}
