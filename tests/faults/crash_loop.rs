//! A process that crashes again and again comes up halted and says so, until a person lifts it.

use crate::rig::{Running, World, text};

const SLOW: [&str; 2] = ["--pace", "100ms"];

fn state(running: &Running<'_>) -> String {
    text(&running.get("status").expect("a status")["trading_state"]["state"])
}

/// O-3: a crash loop ends in a halt that only a person lifts, never in a spin.
#[test]
fn after_too_many_unclean_starts_a_process_comes_up_halted_until_a_person_resumes_it() {
    let world = World::new();
    world.crashes_max(2);
    world.start("r", &[&["--out", "r"][..], &SLOW].concat()).kill();
    for _ in 0..2 {
        let running = world.start("r", &[&["--resume", "r"][..], &SLOW].concat());
        assert_eq!(state(&running), "active", "not yet");
        running.kill();
    }
    let running = world.start("r", &[&["--resume", "r"][..], &SLOW].concat());
    assert_eq!(state(&running), "halted");
    let said = world.log("r");
    assert!(said.contains("3 unclean starts within 10 min") && said.contains("resume"), "{said}");
    let halts = world.steps("r", "halt.raised");
    assert_eq!(halts.last().expect("a halt")["body"]["by"], "crash_loop");
    assert!(running.terminate().success());

    // An end in order is no crash, but it lifts nothing either.
    let running = world.start("r", &[&["--resume", "r"][..], &SLOW].concat());
    assert_eq!(state(&running), "halted");
    running.verb(&["resume", "--yes", "--reason", "mended"]).succeeds();
    assert_eq!(state(&running), "active");
    assert!(running.terminate().success());
    world.verify("r");
}
