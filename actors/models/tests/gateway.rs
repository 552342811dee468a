//! The doors to the providers: room, rate, patience, breakers.

use conclave_domain::llm::Trouble;
use conclave_domain::llm::bucket::Lane;
use tokio::time::Instant;

use super::*;
use crate::models::gateway::{Barred, Door, Passage, family};

fn door(per_minute: Option<u32>, in_flight: usize) -> Arc<Door> {
    let per_minute = per_minute.and_then(std::num::NonZeroU32::new);
    let settings = ProviderSettings { per_minute, in_flight };
    Gateway::new(BTreeMap::from([("one".to_owned(), settings)])).door("one")
}

async fn pass(door: &Arc<Door>, lane: Lane) -> Result<Passage, Barred> {
    door.pass("m-1", lane, Instant::now() + secs(10)).await
}

#[test]
fn a_family_is_the_name_without_vendor_and_version() {
    for (model, expected) in [
        ("claude-sonnet-5-5", "claude-sonnet"),
        ("anthropic/claude-sonnet-5.5", "claude-sonnet"),
        ("claude-sonnet-4-6", "claude-sonnet"),
        ("openai/gpt-6.1-terra", "gpt"),
        ("3-large", "3-large"),
        ("tiny", "tiny"),
        ("", ""),
    ] {
        assert_eq!(family(model), expected, "{model}");
    }
}

/// Goal: whatever the others do, the guardian's request leaves.
/// Method: as many requests as may be on their way hang; the next of the others waits in vain.
#[tokio::test(start_paused = true)]
async fn the_guardian_has_a_lane_of_its_own() {
    let door = door(None, 5);
    let mut held = Vec::new();
    for _ in 0..4 {
        held.push(pass(&door, Lane::Common).await.unwrap());
    }
    let started_at = Instant::now();
    let own = pass(&door, Lane::Guardian).await.unwrap();
    assert_eq!(started_at.elapsed(), Duration::ZERO);
    assert_eq!(pass(&door, Lane::Common).await.unwrap_err(), Barred::NoRoom);
    drop((own, held));
    assert!(pass(&door, Lane::Common).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn requests_leave_as_the_rate_says_or_not_at_all() {
    let door = door(Some(10), 64);
    let started_at = Instant::now();
    pass(&door, Lane::Common).await.unwrap().answered();
    pass(&door, Lane::Common).await.unwrap().answered();
    let waited = started_at.elapsed();
    assert!(secs(7) <= waited && waited <= secs(8), "{waited:?}");
    let soon = Instant::now() + secs(1);
    let barred = door.pass("m-1", Lane::Common, soon).await;
    assert_eq!(barred.unwrap_err(), Barred::NoRoom, "nobody waits for what is too late");
    assert!(pass(&door, Lane::Guardian).await.is_ok());
}

/// Goal: in a replay a provider that rests costs time and no votes.
/// Method: a pause of a minute, then an open breaker whose probe takes three seconds.
#[tokio::test(start_paused = true)]
async fn whoever_is_in_no_hurry_waits_for_a_provider_to_be_well() {
    let settings = BTreeMap::from([("one".to_owned(), ProviderSettings::default())]);
    let door = Gateway::unhurried(settings, secs(300)).door("one");
    let limited = Trouble::RateLimited { retry_after_ms: Some(60_000) };
    pass(&door, Lane::Common).await.unwrap().failed(&limited);
    let started_at = Instant::now();
    door.rested("m-1").await;
    assert_eq!(started_at.elapsed(), secs(60));
    for _ in 0..5 {
        pass(&door, Lane::Common).await.unwrap().failed(&Trouble::Server { status: 500 });
    }
    door.rested("m-1").await;
    let probe = pass(&door, Lane::Common).await.unwrap();
    let answers = async {
        tokio::time::sleep(secs(3)).await;
        probe.answered();
    };
    let (other, ()) = tokio::join!(pass(&door, Lane::Common), answers);
    other.unwrap().answered();
    let started_at = Instant::now();
    let limited = Trouble::RateLimited { retry_after_ms: Some(3_600_000) };
    pass(&door, Lane::Common).await.unwrap().failed(&limited);
    door.rested("m-1").await;
    assert_eq!(started_at.elapsed(), Duration::ZERO, "an hour is too long");
}

#[tokio::test(start_paused = true)]
async fn a_family_that_fails_is_left_alone_and_tried_by_one() {
    let door = door(None, 64);
    for _ in 0..5 {
        pass(&door, Lane::Common).await.unwrap().failed(&Trouble::Server { status: 500 });
    }
    assert_eq!(pass(&door, Lane::Guardian).await.unwrap_err(), Barred::Open);
    // Another family is not its fault.
    assert!(door.pass("other-1", Lane::Common, Instant::now()).await.is_ok());
    tokio::time::advance(secs(10)).await;
    let probe = pass(&door, Lane::Common).await.unwrap();
    assert_eq!(pass(&door, Lane::Common).await.unwrap_err(), Barred::Open);
    drop(probe);
    pass(&door, Lane::Common).await.unwrap().answered();
    assert!(pass(&door, Lane::Common).await.is_ok());
}

/// What says nothing against the provider never opens its breaker.
#[tokio::test(start_paused = true)]
async fn refusals_of_the_question_do_not_open_the_breaker() {
    let door = door(None, 64);
    for trouble in [Trouble::BadRequest, Trouble::TooLarge, Trouble::Truncated, Trouble::Declined] {
        for _ in 0..20 {
            pass(&door, Lane::Common).await.unwrap().failed(&trouble);
        }
    }
    for _ in 0..20 {
        let limited = Trouble::RateLimited { retry_after_ms: None };
        pass(&door, Lane::Common).await.unwrap().failed(&limited);
    }
    assert!(pass(&door, Lane::Common).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn what_only_an_operator_can_help_with_stops_the_provider() {
    for because in [Trouble::Auth, Trouble::SpendLimit] {
        let door = door(None, 64);
        pass(&door, Lane::Common).await.unwrap().failed(&because);
        tokio::time::advance(secs(100_000)).await;
        let barred = door.pass("other-1", Lane::Guardian, Instant::now()).await;
        assert_eq!(barred.unwrap_err(), Barred::Stopped { because });
    }
    let door = door(None, 64);
    pass(&door, Lane::Common).await.unwrap().failed(&Trouble::NoModel);
    assert_eq!(pass(&door, Lane::Common).await.unwrap_err(), Barred::NoModel);
    assert!(door.pass("m-2", Lane::Common, Instant::now()).await.is_ok());
}

/// A provider that asks for a year of patience is asked again after an hour.
#[tokio::test(start_paused = true)]
async fn patience_has_an_end() {
    let door = door(None, 64);
    let limited = Trouble::RateLimited { retry_after_ms: Some(u64::MAX) };
    pass(&door, Lane::Common).await.unwrap().failed(&limited);
    assert_eq!(pass(&door, Lane::Common).await.unwrap_err(), Barred::NoRoom);
    tokio::time::advance(secs(3_600)).await;
    assert!(pass(&door, Lane::Common).await.is_ok());
}
