//! A whole council of model brains: played once live and once from its tape.

use conclave_domain::budget::BudgetConfig;
use conclave_domain::record::Stream;
use conclave_domain::tally::Settle;

use super::rounds::{chaos, models, recordings, shelf, world};
use super::*;
use crate::testkit::council::{CouncilPlan, TestCouncil};

/// Plays a year of two shares; the log's decisions.
async fn played(
    others: Vec<(&'static str, Arc<dyn Brain<TradingBrief>>)>,
    usd_per_run: Money,
) -> Vec<String> {
    let budgets = BudgetConfig { usd_per_run, ..BudgetConfig::default() };
    let (settle, default) = (Settle::All, CouncilPlan::default());
    let plan = CouncilPlan { others, budgets, settle, watched: 60, ..default };
    let mut council = TestCouncil::with(plan).await;
    council.play().await.unwrap();
    let lines = council.audit.lines(Stream::Decisions);
    council.stop().await;
    lines
}

/// Goal: D-1: a run from its tape is byte for byte the run that was recorded, whatever its providers
/// did. Method: a year under chaos, in which agents answer, fail, are late and, when the money is gone,
/// give way to rules; then the same year from the tape, without a provider and without money.
#[tokio::test(start_paused = true)]
async fn a_run_from_its_tape_is_byte_for_byte_the_run_that_was_recorded() {
    let world = world();
    for nth in 0..3_000 {
        world.one.once(Duration::from_millis(300), chaos(nth));
    }
    let then = played(models(&world), Money::from_raw(Money::SCALE * 3 / 2)).await;
    let asked = world.arrived();
    assert!(asked.0 > 100, "{asked:?}");
    let shelf = shelf(&world);
    let now = played(recordings(&world, &shelf), Money::ZERO).await;
    assert_eq!(shelf.fault(), None);
    let differs = then.iter().zip(&now).find(|(then, now)| then != now);
    assert_eq!(differs, None);
    assert_eq!((now.len(), world.arrived(), shelf.left()), (then.len(), asked, 0));
    for what in [
        r#""outcome":"failed""#,
        r#""outcome":"late""#,
        r#""verdict":"act""#,
        r#""brain":"first-1""#,
        r#""refused":"safety."#,
    ] {
        assert!(then.iter().any(|line| line.contains(what)), "{what} never happened");
    }
}
