//! Our API's description judged by a validator of the specification, and a real process asked by it.
//!
//! Only with `PEERS=1`; without it each test says that it is skipped.

use std::fs;
use std::process::Command;

use super::models::{folder, missing};
use crate::api::{description, standing, way_in};
use crate::rig::World;

/// Runs a program of the peers to its end, with what it said where it fails.
fn peer(world: &World, program: &str, args: &[&str]) -> String {
    // What it leaves where it was started goes with the world.
    let mut command = Command::new(folder().join("venv/bin").join(program));
    let output = command.args(args).current_dir(world.path("")).output();
    let output = output.unwrap_or_else(|error| panic!("{program}: {error}"));
    let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program} {args:?}:\n{said}");
    said.into_owned()
}

/// Goal: a client that others generate from the description fits the process. Method: the validator reads
/// the document; schemathesis asks every read as the description has it and as it does not, and every
/// command with a wrong token, and holds each answer against it. Nothing is changed by that.
#[test]
fn a_stranger_who_goes_by_the_description_is_answered_as_it_says() {
    if let Some(why) = missing("openapi") {
        println!("skipped: {why}");
        return;
    }
    let world = World::new();
    // No proposal waits there, whose end by silence would be a record.
    let running = standing(&world, "autonomous");
    let file = world.path("openapi.json");
    fs::write(&file, description(&running).to_string()).expect("a file");
    let file = file.to_string_lossy().into_owned();
    let said = peer(&world, "openapi-spec-validator", &[&file]);
    assert!(said.contains("OK"), "{said}");
    let before =
        (running.get("status").map(|it| it["trading_state"].clone()), world.audit("r").len());
    let (address, _) = way_in(&world);
    let url = format!("http://{address}");
    // A method that is no read takes the token first, so its answer is 401 and not 405, whichever the path.
    let lenient = ["--exclude-checks", "unsupported_method"];
    let shared = ["run", &file, "--url", &url, "--no-color", "--seed", "1", "-n", "25"];
    let shared = [&shared[..], &lenient].concat();
    // The stream never ends.
    let reads = ["--include-method", "GET", "--exclude-path", "/api/v1/events"];
    println!("{}", peer(&world, "schemathesis", &[&shared[..], &reads].concat()));
    let wrong = ["--include-method", "POST", "-H", "Authorization: Bearer wrong"];
    println!("{}", peer(&world, "schemathesis", &[&shared[..], &wrong].concat()));
    let after =
        (running.get("status").map(|it| it["trading_state"].clone()), world.audit("r").len());
    assert_eq!(before, after);
}
