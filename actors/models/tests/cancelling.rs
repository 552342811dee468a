//! A consultation that is cut off, at any moment.

use super::*;

/// What the first provider does before it goes on well, each taking a second.
fn scripts() -> Vec<Vec<Does>> {
    let broken = || Does::Fails(super::super::port::CallError::Broken { why: "x".to_owned() });
    vec![
        vec![],
        vec![Does::Says("prose".to_owned())],
        vec![Does::fails_with(500, "api_error"), Does::fails_with(529, "overloaded_error")],
        vec![broken(), Does::Says("prose".to_owned())],
        vec![Does::asks_for_patience(2), Does::Says("prose".to_owned())],
        vec![Does::Hangs],
    ]
}

/// Goal: G-3: cut off at any await, a consultation has booked no less than what the providers have
/// billed, and no more than what was granted.
/// Method: every script is cut off at every tenth of a second of its first six.
#[tokio::test(start_paused = true)]
async fn whoever_is_cut_off_has_booked_what_may_be_billed() {
    for (nth, script) in scripts().into_iter().enumerate() {
        for tenths in 0..60 {
            let world = World::new();
            world.one.always(secs(1), good());
            for does in &script {
                world.one.once(secs(1), does.clone());
            }
            let brain = world.sizer();
            let Question { ask, spent } = world.question(&brain, Entry::of::<PositionSizer>());
            let granted = ask.granted.as_ref().and_then(|rung| rung.at_most).unwrap();
            let patience = Duration::from_millis(tenths * 100 + 50);
            let _ = tokio::time::timeout(patience, brain.think(ask)).await;
            let booked = spent.get().unwrap();
            assert!(booked >= world.billed(), "script {nth}, {tenths}: {booked}");
            assert!(booked <= granted, "script {nth}, {tenths}: {booked} of {granted}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_consultation_that_was_never_begun_has_cost_nothing() {
    let world = World::new();
    let brain = world.sizer();
    let Question { ask, spent } = world.question(&brain, Entry::of::<PositionSizer>());
    drop(brain.think(ask));
    assert_eq!((spent.get(), world.arrived()), (Some(Money::ZERO), (0, 0)));
}

/// A request in flight is cut off with the consultation, and stays booked at its worst.
#[tokio::test(start_paused = true)]
async fn the_request_in_flight_is_cut_off_too() {
    let world = World::new();
    world.one.always(secs(10), good());
    let brain = world.sizer();
    let Question { ask, spent } = world.question(&brain, Entry::of::<PositionSizer>());
    let cut = tokio::time::timeout(secs(3), brain.think(ask)).await;
    assert!(cut.is_err());
    assert_eq!((world.one.arrived(), world.one.aborted()), (1, 1));
    assert!(spent.get().unwrap() > world.billed(), "the worst case, not the bill");
}
