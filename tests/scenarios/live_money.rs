//! Real money: what it takes, what it refuses before anybody is asked, and the paper day before it.

use serde_json::Value;

use crate::rig::{Running, World, text};
use crate::venue::{DAY, Venue, trading};

/// The words of the environment.
const PERMITS: (&str, &str) = ("CONCLAVE_LIVE_MONEY", "yes-i-mean-it");
/// The day behind [`DAY`].
const NEXT_DAY: &str = "2024-02-09";

/// A world with keys of an account, whose orders go to `url`.
fn keyed(id: &str, url: &str) -> World {
    let world = World::of(&[], 0);
    world.variable("APCA_API_KEY_ID", id);
    world.variable("APCA_API_SECRET_KEY", "hush-marked-secret");
    world.variable("CONCLAVE__ALPACA__TRADING_URL", url);
    world
}

/// What a start of a run says, and that it has left nothing behind.
#[track_caller]
fn refuses(world: &World, more: &[&str], code: i32, parts: &[&str]) {
    let mut args = vec!["run", "--broker", "alpaca", "--symbols", "AAA"];
    args.extend(more);
    let said = world.verb(&args);
    for part in parts {
        said.refuses(code, part);
    }
    assert!(!said.stderr().contains("marked"), "{}", said.stderr());
    assert!(!world.path("runs").exists(), "a run that was refused leaves nothing");
}

/// Goal: real money takes configuration, environment and flag, and an address and keys of its own; what
/// is missing is named.
/// Method: none of these addresses is ever asked: the refusal names the address, not a failure to reach it.
#[test]
fn real_money_that_is_half_said_is_refused_before_anybody_is_asked() {
    let paper = "https://paper-api.alpaca.markets";
    let real = "https://api.alpaca.markets";
    let world = keyed("PK-marked", paper);
    refuses(&world, &["--live"], 3, &["missing are", "run.money", PERMITS.0]);
    world.variable("CONCLAVE__RUN__MONEY", "live");
    refuses(&world, &[], 3, &["missing are", PERMITS.0, "--live"]);
    world.variable(PERMITS.0, "yes");
    refuses(&world, &["--live"], 3, &["missing are", PERMITS.0]);
    world.variable(PERMITS.0, PERMITS.1);
    world.verb(&["run", "--live", "--no-http"]).refuses(3, "--broker alpaca");
    let wrong = ["alpaca.trading_url", paper, "nothing was asked"];
    refuses(&world, &["--live"], 3, &wrong);
    refuses(&world, &["--live", "--mode", "supervised"], 3, &["no paper day", paper]);
    refuses(&world, &["--live", "--mode", "autonomous"], 6, &["paper day", "--override"]);
    let reasoned = ["--live", "--mode", "autonomous", "--override", "moved here"];
    refuses(&world, &reasoned, 3, &wrong);
    refuses(&world, &["--live", "--paper-day"], 2, &["--paper-day"]);

    // Keys and addresses that are not of one money, either way, said so that one can mend it.
    let world = keyed("AK-marked", paper);
    refuses(&world, &[], 3, &["live keys", "address is paper", "PK"]);
    let world = keyed("PK-marked", real);
    refuses(&world, &[], 3, &["paper keys", "address is live", "AK"]);
    let world = keyed("AK-marked", real);
    refuses(&world, &[], 3, &["where real money is", "--live"]);
    world.variable("CONCLAVE__RUN__MONEY", "live");
    world.variable(PERMITS.0, PERMITS.1);
    // The stream is still the paper account's.
    refuses(&world, &["--live"], 3, &["live keys", "address is paper", "alpaca.stream_url"]);
}

#[test]
fn a_directory_of_one_money_is_gone_on_with_in_no_other() {
    let world = World::of(&[], 0);
    let venue = Venue::open(&world, &[]);
    venue.until(DAY, "09:30:00");
    let mut running = world.serve("r", &trading("r", &[]));
    venue.minute(&mut running);
    assert_eq!(text(&running.get("status").expect("a status")["money"]), "paper");
    assert!(running.terminate().success());
    world.variable("CONCLAVE__RUN__MONEY", "live");
    world.variable(PERMITS.0, PERMITS.1);
    let again = ["run", "--resume", "r", "--live", "--no-http"];
    world.verb(&again).refuses(1, "made for paper money");

    let world = World::new();
    std::fs::create_dir(world.path("real")).expect("a directory");
    std::fs::write(world.path("real/money"), "live").expect("a marker");
    world.run(&["--out", "real"]).refuses(1, "made for live money");
}

/// Plays the market to a time in steps of half an hour at most.
fn play(venue: &Venue, running: &mut Running<'_>, day: &str, times: &[&str]) {
    for time in times {
        venue.until(day, time);
        let now = venue.now();
        running.wait(&format!("the bars until {now}"), |running| now <= running.market_time());
    }
}

fn on_record(world: &World) -> Vec<Value> {
    let path = world.path("state/conclave/paper-days.jsonl");
    let text = std::fs::read_to_string(path).unwrap_or_default();
    text.lines().map(|line| serde_json::from_str(line).expect("a day")).collect()
}

/// Goal: a session goes on record once it was traded from about its opening to its close, and only then.
/// Method: the first run begins after noon, the second with the next day.
#[test]
fn a_whole_session_in_paper_money_goes_on_record_and_half_a_one_does_not() {
    let world = World::of(&[], 0);
    let venue = Venue::open(&world, &[]);
    venue.until(DAY, "15:00:00");
    let args = ["--mode", "autonomous", "--paper-day"];
    let mut running = world.serve("half", &trading("half", &args));
    play(&venue, &mut running, DAY, &["15:30:00"]);
    venue.until(DAY, "16:00:00");
    assert!(!running.ended().success(), "it says that the day does not count");
    assert!(world.log("half").contains("the paper day is not on record"), "{}", world.log("half"));
    assert_eq!(on_record(&world), Vec::<Value>::new());

    venue.until(NEXT_DAY, "09:30:00");
    let mut running = world.serve("whole", &trading("whole", &args));
    let times = [
        "10:00:00", "10:30:00", "11:00:00", "11:30:00", "12:00:00", "12:30:00", "13:00:00",
        "13:30:00", "14:00:00", "14:30:00", "15:00:00", "15:30:00",
    ];
    play(&venue, &mut running, NEXT_DAY, &times);
    venue.until(NEXT_DAY, "16:00:00");
    assert!(running.ended().success(), "{}", world.log("whole"));
    world.verify("whole");
    let days = on_record(&world);
    assert_eq!(days.len(), 1, "{days:?}");
    let of = |key: &str| text(&days[0][key]);
    assert_eq!(
        (of("day"), of("run"), of("mode")),
        (NEXT_DAY.into(), "whole".into(), "autonomous".into())
    );
    assert_eq!(of("venue"), "this machine", "a rehearsal, which no real money goes by");
    let orders = world.file("whole", "orders.csv");
    let sent = orders.lines().skip(1).filter(|line| !line.contains(",denied,")).count();
    assert!(sent > 0);
    assert_eq!(days[0]["orders"], sent, "what was denied here never left");
    let looked = world.verb(&["doctor", "--live", "--format", "json"]);
    let looked: Value = serde_json::from_slice(&looked.0.stdout).expect("json");
    let checks = looked["checks"].as_array().expect("checks").iter();
    let day: Vec<&Value> = checks.filter(|check| check["name"] == "paper day").collect();
    assert_eq!((day.len(), &day[0]["state"]), (1, &"warn".into()), "{day:?}");
}
