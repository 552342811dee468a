//! A process that does not move any more: it is noticed, and it is halted without its help.

use crate::rig::{Running, Said, World, is_there, text};

fn said(said: &Said) -> String {
    String::from_utf8_lossy(&said.0.stdout).into_owned()
}

fn paced<'a>(world: &'a World, more: &[&str]) -> Running<'a> {
    // Twenty seconds of bars: the verbs between two of them take their time on a busy machine.
    let args = ["--out", "r", "--pace", "50ms", "--mode", "autonomous"];
    let mut running = world.start("r", &[&args[..], more].concat());
    running.wait("an entry", |_| !world.entries("r").is_empty());
    running
}

fn entries_after(world: &World, time: &str) -> Vec<(String, String)> {
    let mut entries = world.entries("r");
    entries.retain(|(_, at)| at.as_str() > time);
    entries
}

/// O-3: a halt works on a process that is wedged: the flag file is on its order path.
///
/// Goal: `watch` notices, raises the flag and tells a program; `halt` says that it took the flag file;
/// whoever wakes up sends no entry.
/// Method: SIGSTOP, then SIGCONT, on the built binary.
#[test]
fn a_stopped_process_is_noticed_and_sends_no_entry_when_it_wakes_up() {
    let world = World::new();
    let mut running = paced(&world, &[]);
    let well = world.verb(&["watch", "r", "--once"]);
    assert!(said(well.succeeds()).contains("heart beat"), "{}", said(&well));

    running.signal("STOP");
    let stopped_at = world.entries("r").last().expect("an entry").1.clone();
    let alarm = format!("touch {}", world.path("told").display());
    let args = ["watch", "r", "--every", "100ms", "--stale", "1500ms"];
    running.wait("a missed beat", |_| {
        world.verb(&[&args[..], &["--once"]].concat()).code() == Some(7)
    });
    assert!(!is_there(&world.path("r/HALT")), "it only looks until it is told to halt");
    let missed = world.verb(&[&args[..], &["--once", "--halt", "--exec", &alarm]].concat());
    missed.refuses(7, "no heartbeat for");
    assert!(said(&missed).contains("flag file is raised"), "{}", said(&missed));
    assert!(is_there(&world.path("r/HALT")) && is_there(&world.path("told")));

    let halt = running.verb(&["halt", "--reason", "it does not answer"]);
    let way = said(halt.succeeds());
    assert!(way.contains("flag file: process") && way.contains("within 3 s"), "{way}");

    running.signal("CONT");
    let beats = |world: &World| world.verb(&["watch", "r", "--once"]).code() == Some(0);
    running.wait("a heartbeat", |_| beats(&world));
    let status = running.get("status").expect("a status");
    assert_eq!(status["trading_state"]["state"], "halted");
    let woke_at = text(&status["market_time"]);
    running.wait("some bars", |running| running.market_time() > woke_at);
    let running_on = running.market_time();
    // What was on its way when it was stopped may still have left in the same bar.
    let late: Vec<_> =
        entries_after(&world, &stopped_at).into_iter().filter(|(_, at)| *at > woke_at).collect();
    assert_eq!(late, [], "between {woke_at} and {running_on}");
    assert!(running.terminate().success());
    world.verb(&["watch", "r", "--once"]).refuses(4, "ended in order");
    world.verify("r");
}

#[test]
fn without_http_the_heartbeat_file_tells() {
    let world = World::new();
    let mut running = paced(&world, &["--stay"]);
    let station = world.path("r/station.json");
    std::fs::rename(&station, world.path("r/hidden.json")).expect("a station");
    let well = world.verb(&["watch", "r", "--once"]);
    assert!(said(well.succeeds()).contains("(by file)"), "{}", said(&well));
    std::fs::rename(world.path("r/hidden.json"), &station).expect("a station");
    let well = world.verb(&["watch", "r", "--once", "--format", "json"]);
    assert!(said(well.succeeds()).contains("\"health\":\"well\""), "{}", said(&well));
    running.wait("bars", |running| running.get("status").is_some());
    running.kill();
    running_out(&world);
}

/// A process that was killed leaves a heartbeat that grows old.
fn running_out(world: &World) {
    let args = ["watch", "r", "--every", "50ms", "--stale", "300ms", "--once"];
    for _ in 0..400 {
        if world.verb(&args).code() == Some(7) {
            return;
        }
        crate::rig::wait_for(std::time::Duration::from_millis(25));
    }
    panic!("a dead process is not noticed");
}

#[test]
fn a_watch_over_nothing_says_so() {
    let world = World::new();
    world.verb(&["watch", "nowhere", "--once"]).refuses(5, "no directory");
    std::fs::create_dir(world.path("empty")).expect("a directory");
    world.verb(&["watch", "empty", "--once"]).refuses(4, "no heartbeat was ever seen");
    world.verb(&["watch", "empty", "--once", "--every", "0s"]).refuses(2, "longer than nothing");
}
