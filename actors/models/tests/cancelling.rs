//! A consultation that is cut off, at any moment.

use proptest::prelude::*;

use super::super::port::CallError;
use super::*;

/// What the first provider does before it goes on well, each taking a second.
fn scripts() -> Vec<Vec<Does>> {
    let broken = || Does::Fails(CallError::Broken { why: "x".to_owned() });
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
/// Method: every script is cut off at every fifth of a second of its first six.
#[tokio::test(start_paused = true)]
async fn whoever_is_cut_off_has_booked_what_may_be_billed() {
    for (nth, script) in scripts().into_iter().enumerate() {
        for fifths in 0..30 {
            let world = World::new();
            world.one.always(secs(1), good());
            for does in &script {
                world.one.once(secs(1), does.clone());
            }
            let brain = world.sizer();
            let Question { ask, spent } = world.question(&brain, Entry::of::<PositionSizer>());
            let granted = ask.granted.as_ref().and_then(|rung| rung.at_most).unwrap();
            let patience = Duration::from_millis(fifths * 200 + 50);
            let _ = tokio::time::timeout(patience, brain.think(ask)).await;
            let booked = spent.get().unwrap();
            assert!(booked >= world.billed(), "script {nth}, {fifths}: {booked}");
            assert!(booked <= granted, "script {nth}, {fifths}: {booked} of {granted}");
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

/// What a provider may do with a request, by number.
fn done_by(nth: u8) -> Does {
    match nth {
        0 => Does::Says("prose".to_owned()),
        1 => Does::fails_with(500, "api_error"),
        2 => Does::Fails(CallError::Broken { why: "x".to_owned() }),
        3 => Does::Fails(CallError::Connect { why: "x".to_owned() }),
        4 => Does::asks_for_patience(1),
        5 => Does::Hangs,
        6 => Does::fails_with(404, "not_found_error"),
        _ => good(),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    /// G-3: whatever two providers do, and whenever it is cut off, a consultation has booked no less
    /// than what was billed and no more than what was granted, and is over by its deadline.
    #[test]
    fn nothing_that_providers_do_is_booked_short(
        scripts in prop::collection::vec((0u8..10, 0u64..8_000, 0u8..10, 0u64..8_000), 0..8),
        is_guardian in any::<bool>(),
        cut_ms in 1u64..30_000,
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .unwrap();
        let (booked, billed, granted, took, thought) = runtime.block_on(async {
            let world = World::new();
            for (one, one_ms, two, two_ms) in scripts {
                world.one.once(Duration::from_millis(one_ms), done_by(one));
                world.two.once(Duration::from_millis(two_ms), done_by(two));
            }
            let (brain, entry) = if is_guardian {
                (world.guardian(), Entry::of::<RiskGuardian>())
            } else {
                (world.sizer(), Entry::of::<PositionSizer>())
            };
            let Question { ask, spent } = world.question(&brain, entry);
            let granted = ask.granted.as_ref().and_then(|rung| rung.at_most).unwrap();
            let began = tokio::time::Instant::now();
            let cut = Duration::from_millis(cut_ms);
            let thought = tokio::time::timeout(cut, brain.think(ask)).await.ok();
            (spent.get().unwrap(), world.billed(), granted, began.elapsed(), thought)
        });
        prop_assert!(billed <= booked && booked <= granted, "{billed} {booked} {granted}");
        prop_assert!(took <= DEADLINE + Duration::from_millis(1), "{took:?}");
        if let Some(Ok(thought)) = thought {
            prop_assert_eq!(thought.cost, booked);
        }
    }
}
