//! A run under a service manager: what it is told, and what SIGHUP changes.

use std::os::unix::net::UnixDatagram;
use std::time::Duration;

use crate::rig::{World, text};

/// A service manager that only listens.
struct Manager(UnixDatagram);

impl Manager {
    /// Listens where `world`'s processes will look.
    fn of(world: &World) -> Self {
        let path = world.path("notify");
        let socket = UnixDatagram::bind(&path).expect("a socket");
        socket.set_read_timeout(Some(Duration::from_mins(1))).expect("a time-out");
        world.variable("NOTIFY_SOCKET", &path.to_string_lossy());
        Self(socket)
    }

    /// The next message.
    fn hear(&self) -> String {
        let mut bytes = [0; 512];
        let count = self.0.recv(&mut bytes).expect("a message");
        String::from_utf8_lossy(&bytes[..count]).into_owned()
    }

    /// Waits for a message that holds `part`; those before it are skipped.
    fn wait(&self, part: &str) -> String {
        loop {
            let heard = self.hear();
            if heard.contains(part) {
                return heard;
            }
        }
    }
}

#[test]
fn a_service_manager_hears_when_it_is_ready_that_it_lives_and_that_it_stops() {
    let world = World::new();
    let manager = Manager::of(&world);
    world.variable("WATCHDOG_USEC", "400000");
    let running = world.start("r", &["--out", "r", "--pace", "50ms", "--stay"]);
    assert_eq!(manager.wait("READY"), "READY=1");
    assert_eq!(manager.wait("WATCHDOG"), "WATCHDOG=1");
    let status = manager.wait("market time 2013-");
    assert!(status.starts_with("STATUS=advisory, active, "), "{status}");
    assert_eq!(manager.wait("WATCHDOG"), "WATCHDOG=1");
    assert!(running.terminate().success());
    assert!(manager.wait("STOPPING").contains("STOPPING=1"));
}

#[test]
fn sighup_changes_what_may_change_and_names_the_rest_key_by_key() {
    let world = World::new();
    world.config("[approvals]\nexpiry = \"5m\"\n");
    let args = ["--out", "r", "--pace", "50ms", "--config", "c.toml", "--stay"];
    let mut running = world.start("r", &args);

    world.config(
        "[approvals]\nexpiry = \"7m\"\n[log]\nlevel = \"info\"\n[risk]\nposition_max = 0.1\n",
    );
    running.signal("HUP");
    running.wait("the reload", |_| world.steps("r", "config.reloaded").len() == 1);
    let said = world.log("r");
    assert!(said.contains("approvals.expiry is \"7m\" now"), "{said}");
    assert!(said.contains("log.level is \"info\" now"), "{said}");
    assert!(said.contains("risk.position_max stays 0.2") && said.contains("restart"), "{said}");

    world.config("[approvals]\nexpiry = \"0s\"\n[risk]\nposition_max = 0.9\nwings = 2\n");
    running.signal("HUP");
    running.wait("the refusal", |_| world.steps("r", "config.reloaded").len() == 2);
    let said = world.log("r");
    assert!(said.contains("nothing was changed"), "{said}");
    for key in ["`approvals.expiry`", "`risk.position_max`", "`risk.wings`"] {
        assert!(said.contains(key), "{key} is not in {said}");
    }
    assert!(running.terminate().success());

    let reloads = world.steps("r", "config.reloaded");
    let applied = reloads[0]["body"]["applied"].as_array().expect("a list").clone();
    let keys: Vec<String> = applied.iter().map(|change| text(&change["key"])).collect();
    assert_eq!(keys, ["approvals.expiry", "log.level"]);
    assert_eq!(reloads[1]["body"]["errors"].as_array().map(Vec::len), Some(3));
    world.verify("r");
}

#[test]
fn the_unit_starts_what_there_is_and_waits_longer_than_a_stop_takes() {
    use clap::Parser as _;
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("ops/conclave.service");
    let unit = std::fs::read_to_string(path).expect("the unit");
    let value = |key: &str| -> &str {
        let line = unit.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('='));
        line.unwrap_or_else(|| panic!("the unit has no {key}"))
    };
    let started = value("ExecStart").split(' ');
    let app = conclave::cli::app::App::try_parse_from(started).expect("a command line of ours");
    assert!(matches!(app.verb, Some(conclave::cli::app::Verb::Run(args)) if args.stay));
    assert_eq!((value("Type"), value("KillSignal")), ("notify", "SIGTERM"));
    assert_eq!(value("ExecReload"), "/bin/kill -HUP $MAINPID");
    let seconds = |key: &str| -> u64 {
        value(key).strip_suffix('s').and_then(|text| text.parse().ok()).expect("seconds")
    };
    assert!(seconds("TimeoutStopSec") > 10, "a stop takes ten seconds at most");
    assert!(seconds("WatchdogSec") >= 10, "a council has 2 s to answer, twice a period");
    for hardened in ["NoNewPrivileges", "PrivateTmp", "ProtectHome", "MemoryDenyWriteExecute"] {
        assert_eq!(value(hardened), "yes");
    }
    assert_eq!(value("ProtectSystem"), "strict");
    assert_eq!(value("CapabilityBoundingSet"), "");
}

/// Goal: whoever watches the configured port watches this run. Method: the port is taken; a run by hand says that
/// it takes another one, and one below a service manager does not start.
#[test]
fn a_port_that_is_taken_is_told_and_below_a_service_manager_refused() {
    let world = World::new();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = taken.local_addr().expect("an address").port();
    world.config(&format!("[http]\nport = {port}\n"));
    let by_hand = ["run", "--data", "AAA.csv", "--out", "a", "--config", "c.toml"];
    let said = world.verb(&by_hand);
    said.succeeds();
    assert!(said.stderr().contains("the port is taken"), "{}", said.stderr());
    let _manager = Manager::of(&world);
    let below = ["run", "--data", "AAA.csv", "--out", "b", "--config", "c.toml"];
    world.verb(&below).refuses(1, &port.to_string());
    assert!(!crate::rig::is_there(&world.path("b")), "nothing is left behind");
}
