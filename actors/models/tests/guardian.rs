//! The guardian as a model: its hard limits, its lane, its hedge.

use conclave_domain::advice::{Stance, VetoKind};
use conclave_domain::llm::hedge::ONE_IN;
use conclave_domain::ratio::Ratio;
use tokio::time::Instant;

use super::*;

fn entry() -> Entry<TradingBrief> {
    Entry::of::<RiskGuardian>()
}

/// What a model cannot remove: a limit that is breached is a hard veto whatever it says.
#[tokio::test(start_paused = true)]
async fn a_model_that_does_not_object_does_not_lift_a_hard_limit() {
    let world = World::new();
    let brain = world.guardian();
    let mut stances = Vec::new();
    for position in [0.05, 0.9] {
        let Question { mut ask, .. } = world.question(&brain, entry());
        let mut brief = sample::entry();
        brief.projected.position_pct = Ratio::of(position);
        ask.brief = Arc::new(brief.clone());
        let raw = brain.think(ask).await.unwrap().raw;
        assert_eq!(raw["objections"], json!([]), "the model does not object");
        stances.push((entry().read)(&raw, &brief, &world.limits).unwrap().stance);
    }
    assert_eq!(stances[0], Stance::NoObjection);
    assert!(matches!(&stances[1], Stance::Veto(veto) if veto.kind == VetoKind::Hard));
}

/// Asks the guardian this often, each answered within a second or what `slow` takes.
async fn warmed(world: &World, calls: u64) {
    for nth in 0..calls {
        let brain = world.guardian();
        let Question { ask, .. } = world.question(&brain, entry());
        world.one.once(Duration::from_millis(100 + nth), good());
        brain.think(ask).await.unwrap();
    }
}

/// Goal: a guardian's call that is slower than nearly always is asked elsewhere too; the first valid
/// answer counts, the other request is cut off, and both are booked.
#[tokio::test(start_paused = true)]
async fn a_slow_guardian_is_asked_elsewhere_too_and_both_are_booked() {
    let world = World::new();
    warmed(&world, ONE_IN).await;
    assert_eq!(world.arrived(), (20, 0));
    let brain = world.guardian();
    let Question { ask, spent } = world.question(&brain, entry());
    world.one.once(secs(15), good());
    let started_at = Instant::now();
    let thought = brain.think(ask).await.unwrap();
    // The 95th of a hundred of 100 to 119 ms.
    assert_eq!(started_at.elapsed(), Duration::from_millis(118));
    assert_eq!(thought.by.as_deref(), Some(SECOND));
    assert_eq!((world.arrived(), world.one.aborted()), ((21, 1), 1));
    let booked = spent.get().unwrap();
    assert_eq!(thought.cost, booked);
    assert!(booked > world.two.bill() && booked.raw() >= world.one.bill().raw() * 2);
}

/// The first provider wins when it is first, and an unreadable answer of the other is no answer.
#[tokio::test(start_paused = true)]
async fn the_first_valid_answer_counts_whoever_gives_it() {
    let world = World::new();
    world.two.always(Duration::ZERO, Does::Says("prose".to_owned()));
    warmed(&world, ONE_IN).await;
    let brain = world.guardian();
    let Question { ask, .. } = world.question(&brain, entry());
    world.one.once(secs(3), good());
    let started_at = Instant::now();
    let thought = brain.think(ask).await.unwrap();
    assert_eq!((thought.by, started_at.elapsed()), (None, secs(3)));
    assert!(world.two.arrived() >= 1);
}

#[tokio::test(start_paused = true)]
async fn only_the_guardian_is_hedged_and_only_one_call_in_twenty() {
    let world = World::new();
    warmed(&world, ONE_IN).await;
    world.one.always(secs(5), good());
    let (thought, _) = world.size().await;
    assert!(thought.is_ok());
    assert_eq!(world.two.arrived(), 0, "a sizer waits");
    for _ in 0..10 {
        let brain = world.guardian();
        let Question { ask, .. } = world.question(&brain, entry());
        brain.think(ask).await.unwrap();
    }
    assert_eq!(world.two.arrived(), 1, "thirty calls, one hedge");
}
