//! `arena run` with texts and statements: what is held back, what a season goes on with, and that what comes
//! later changes nothing before it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use serde_json::{Value, json};

use crate::contest;
use crate::provider::{Manner, Plan, Provider};
use crate::rig::World;

/// A synthetic market with every trap, as files.
fn market(world: &World, out: &str) {
    let faults = "undated-news,late-news,hostile-news,unfiled-statements,late-statements";
    let args =
        ["data", "synth", "--symbols", "3", "--bars", "300", "--faults", faults, "--out", out];
    world.verb(&args).succeeds();
}

/// Plays a season on the files in a directory.
fn season(world: &World, data: &str, out: &str) {
    let (news, statements) = (format!("{data}/news.jsonl"), format!("{data}/statements.jsonl"));
    let args = ["arena", "run", "--data", data, "--news", &news, "--statements", &statements];
    world.verb(&[&args[..], &["--from", "2010-12-01", "--out", out]].concat()).succeeds();
}

/// The lines of a season's log that belong to ticks, without the chain of hashes around them.
fn said(world: &World, dir: &str) -> Vec<String> {
    let log = world.file(dir, "audit-000001.jsonl");
    let lines = log.lines().map(|line| serde_json::from_str::<Value>(line).expect("a record"));
    let of_ticks =
        lines.filter(|record| record["body"]["tick"].is_u64() && record["step"] != "run.ended");
    of_ticks.map(|record| format!("{} {}", record["step"], record["body"])).collect()
}

/// Every cell of a season's curves with its time and its name: the columns stand in the order of the ranks.
fn equity(world: &World, dir: &str) -> BTreeSet<String> {
    let text = world.file(dir, "equity.csv");
    let names: Vec<&str> = text.lines().next().expect("names").split(',').collect();
    let cells = text.lines().skip(1).flat_map(|line| {
        let (time, values) = line.split_once(',').expect("a time");
        let columns = names.iter().skip(1).zip(values.split(','));
        columns.map(|(name, value)| format!("{time} {name} {value}")).collect::<Vec<_>>()
    });
    cells.collect()
}

/// Keeps what was known before a moment: RFC 3339 in UTC sorts as text.
fn cut(world: &World, path: &str, key: &str, before: &str) -> usize {
    let text = fs::read_to_string(world.path(path)).expect("a file");
    let is_known = |line: &&str| {
        let item: Value = serde_json::from_str(line).expect("a line");
        item[key].as_str().is_some_and(|at| at < before)
    };
    let kept: Vec<&str> = text.lines().filter(is_known).collect();
    fs::write(world.path(path), kept.join("\n")).expect("a file");
    text.lines().count() - kept.len()
}

/// The market as it was known after the close of 31 January 2011, as files.
fn without_future(world: &World, out: &str) {
    market(world, out);
    let end = "2011-02-01";
    for symbol in ["TEC1", "HLT1", "FIN1"] {
        let path = format!("{out}/{symbol}.csv");
        let text = fs::read_to_string(world.path(&path)).expect("bars");
        let kept: Vec<&str> =
            text.lines().filter(|line| *line < end || line.starts_with('t')).collect();
        assert!(kept.len() < text.lines().count());
        fs::write(world.path(&path), kept.join("\n")).expect("a file");
    }
    assert!(cut(world, &format!("{out}/news.jsonl"), "known_at", end) > 3);
    assert!(cut(world, &format!("{out}/statements.jsonl"), "filed_at", end) > 3);
}

/// Goal: nothing of the future reaches the past. Method: a season on bars, texts and statements beside the
/// same season with everything after a day deleted; up to that day log, chats, aggregates and equity are the
/// same to the byte, the snapshots' hashes among them.
#[test]
fn a_season_without_its_future_is_the_same_until_there() {
    let world = World::new();
    market(&world, "full");
    without_future(&world, "cut");
    season(&world, "full", "whole");
    season(&world, "cut", "short");
    for file in ["chats.jsonl", "aggregates.jsonl"] {
        let (whole, short) = (world.file("whole", file), world.file("short", file));
        assert!(
            !short.is_empty() && whole.len() > short.len() && whole.starts_with(&short),
            "{file}"
        );
    }
    let (whole, short) = (equity(&world, "whole"), equity(&world, "short"));
    assert!(short.len() > 4 * 40 && short.is_subset(&whole), "equity.csv");
    let (whole, short) = (said(&world, "whole"), said(&world, "short"));
    assert!(short.len() > 100 && whole.len() > short.len());
    assert_eq!(whole[..short.len()], short);
}

/// L-1. Goal: nothing of the future is in any prompt of a whole season, a desk's own memory among it. Method: a
/// desk of models, whose analysts ask for what is to come at every tick, plays on beside the same desk with
/// everything after a day deleted; each question up to that day is the same to the byte.
#[test]
fn a_desk_of_models_is_asked_the_same_without_the_future_at_every_tick() {
    let request = |tool: &str| {
        json!({"tool": tool, "symbol": "TEC1", "until": "2011-03-31T20:00:00Z", "count": "many",
            "period_end": "", "undated": false})
    };
    let tools = |names: &[&str]| Value::Array(names.iter().map(|name| request(name)).collect());
    let requests_of = vec![
        ("market_analyst".to_owned(), tools(&["bars", "indicators"])),
        ("news_analyst".to_owned(), tools(&["news"])),
        ("social_analyst".to_owned(), tools(&["social", "memory"])),
        ("fundamentals_analyst".to_owned(), tools(&["fundamentals"])),
    ];
    let played = |data: &str| {
        let plan = Plan { manner: Manner::Varied, keeps_bodies: true, ..Plan::default() };
        let provider = Provider::new(Plan { requests_of: requests_of.clone(), ..plan });
        let world = contest::world(&provider, &["ada"]);
        if data == "full" {
            market(&world, data);
        } else {
            without_future(&world, data);
        }
        let budget = "usd_per_season = \"50\", usd_per_day = \"50\", calls_per_tick = 100";
        fs::write(world.path("s.toml"), contest::spec(300, &[contest::HOLD], &["ada"], budget))
            .expect("a file");
        let text = format!(
            "--config c.toml arena run --spec s.toml --models all --data {data} --news \
             {data}/news.jsonl --statements {data}/statements.jsonl --symbols TEC1,HLT1 --from \
             2011-01-18 --until 2011-02-11 --out s"
        );
        world.verb(&text.split_whitespace().collect::<Vec<_>>()).succeeds();
        let mut bodies = provider.bodies();
        bodies.sort_unstable();
        (bodies, said(&world, "s"))
    };
    let ((whole, log), (short, log_short)) = (played("full"), played("cut"));
    // Ten days, two symbols, twelve roles, and the second questions of four analysts.
    assert_eq!(short.len(), 10 * 2 * (12 + 4));
    assert_eq!(log[..log_short.len()], log_short);
    assert_eq!(whole.len(), short.len() * 19 / 10, "nineteen days");
    let counted = |bodies: &[String]| -> BTreeMap<String, usize> {
        bodies.iter().fold(BTreeMap::new(), |mut all, body| {
            *all.entry(body.clone()).or_default() += 1;
            all
        })
    };
    let whole = counted(&whole);
    for (body, times) in counted(&short) {
        assert!(whole.get(&body).is_some_and(|count| times <= *count), "{body}");
    }
    let leaks = log_short.iter().filter(|line| line.contains("later_than_as_of")).count();
    assert_eq!(leaks, 10, "each tick's tries are counted");
    assert!(short.iter().any(|body| body.contains("against the benchmark")), "no memory");
}

/// Goal: that a share will be listed is nobody's to know. Method: a season that ends before the first bar of a
/// symbol beside one that goes on behind it; up to there they are the same, the benchmark among it.
#[test]
fn a_listing_that_is_to_come_changes_nothing_before_it() {
    let world = World::new();
    let season = |until: &str, out: &str| {
        let args = ["arena", "run", "--from", "2012-04-02", "--until", until, "--out", out];
        world.verb(&args).succeeds();
    };
    season("2012-05-15", "before");
    season("2012-06-15", "behind");
    assert!(world.file("behind", "chats.jsonl").contains("\"ticker\":\"FB\""));
    for file in ["chats.jsonl", "aggregates.jsonl"] {
        let (before, behind) = (world.file("before", file), world.file("behind", file));
        assert!(!before.is_empty() && behind.starts_with(&before), "{file}");
    }
    assert!(equity(&world, "before").is_subset(&equity(&world, "behind")), "equity.csv");
    let (before, behind) = (said(&world, "before"), said(&world, "behind"));
    assert!(before.len() > 30);
    assert_eq!(behind[..before.len()], before);
}

/// Goal: no price is told in parts of a share that nobody could know of yet.
#[test]
fn a_season_over_a_split_is_refused_by_the_name_of_its_share() {
    let world = World::new();
    let season = |more: &[&'static str]| {
        let args = ["arena", "run", "--symbols", "AAPL,IBM", "--from", "2005-02-07", "--until"];
        world.verb(&[&args[..], more].concat())
    };
    season(&["2005-03-10"]).refuses(8, "AAPL is split during the season");
    season(&["2005-02-18"]).succeeds();
}

/// Goal: the same of a share that is listed on the way, and of two splits that cancel each other. Method: bars
/// of two shares in files that are named one by one, with their tables beside them.
#[test]
fn a_split_is_found_wherever_it_lies_in_a_season() {
    let world = World::new();
    fs::create_dir(world.path("d")).expect("a directory");
    let bars = |days: std::ops::Range<u32>| {
        let row = |day: u32| format!("2024-01-{day:02},100,101,99,100,1000\n");
        let weekday = |day: &u32| !matches!(day % 7, 6 | 0) && *day != 1 && *day != 15;
        let rows: String = days.filter(weekday).map(row).collect();
        format!("timestamp,open,high,low,close,volume\n{rows}")
    };
    fs::write(world.path("d/OLD.csv"), bars(2..31)).expect("bars");
    fs::write(world.path("d/NEW.csv"), bars(16..31)).expect("bars");
    let assets = "symbol,class,sector,name\nOLD,equity,unknown,OLD\nNEW,equity,unknown,NEW\n";
    fs::write(world.path("d/assets.csv"), assets).expect("a table");
    let season = |splits: &str| {
        fs::write(world.path("d/splits.csv"), format!("symbol,date,ratio\n{splits}"))
            .expect("a table");
        let args = "arena run --data d/OLD.csv d/NEW.csv --from 2024-01-10 --out";
        world.verb(&[&args.split_whitespace().collect::<Vec<_>>()[..], &["s"]].concat())
    };
    season("NEW,2024-01-23,2:1\n").refuses(8, "NEW is split during the season, on 2024-01-23");
    season("OLD,2024-01-18,2:1\nOLD,2024-01-19,1:2\n").refuses(8, "OLD is split");
    season("OLD,2024-01-10,2:1\nNEW,2024-02-23,2:1\n").succeeds();
    fs::remove_file(world.path("d/assets.csv")).expect("a file");
    season("").refuses(8, "OLD is in no table of assets: assets.csv beside the bars");
}

#[test]
fn traps_are_held_back_and_a_season_goes_on_with_its_own_library_alone() {
    let world = World::new();
    let made = ["arena", "run", "--synthetic", "3", "--bars", "300", "--last", "9"];
    let with = |more: &[&'static str]| [&made[..], more].concat();
    world.verb(&with(&["--traps", "--out", "trapped"])).succeeds();
    let page = world.file("trapped", "report.html");
    for part in ["texts and statements", "held back", "undated", "unfiled"] {
        assert!(page.contains(part), "{part} is not in the page");
    }
    world.verb(&with(&["--resume", "trapped"])).refuses(8, "the texts and statements");
    world.verb(&with(&["--resume", "trapped", "--traps"])).succeeds();
    world.verb(&with(&["--out", "plain"])).succeeds();
    // The same bars, and other things known of them.
    let header = |dir: &str| {
        let log = world.file(dir, "audit-000001.jsonl");
        let first = log.lines().next().expect("a header");
        serde_json::from_str::<Value>(first).expect("a record")["body"].clone()
    };
    let (trapped, plain) = (header("trapped"), header("plain"));
    assert_eq!(trapped["data_hash"], plain["data_hash"]);
    assert_ne!(trapped["library"], plain["library"]);
}

#[test]
fn files_of_texts_that_are_none_are_refused_by_line() {
    let world = World::new();
    let run =
        |more: &[&'static str]| world.verb(&[&["arena", "run", "--last", "2"], more].concat());
    run(&["--statements", "nowhere.jsonl"]).refuses(5, "nowhere.jsonl");
    let good = r#"{"symbol":"AAPL","period_end":"2012-03-31","filed_at":"2012-04-25T20:30:00Z","figures":{"eps":"12.30"}}"#;
    for bad in [
        &good.replace("12.30", "NaN"),
        &good.replace("2012-03-31", "yesterday"),
        &good.replace("figures", "numbers"),
        &good[..40],
    ] {
        fs::write(world.path("bad.jsonl"), format!("{good}\n{bad}\n")).expect("a file");
        run(&["--statements", "bad.jsonl"]).refuses(8, "line 2 is no");
    }
    fs::write(world.path("good.jsonl"), good).expect("a file");
    run(&["--statements", "good.jsonl", "--out", "one"]).succeeds();
    assert!(world.file("one", "report.html").contains("; 1 texts and statements"));
    run(&["--out", "none"]).succeeds();
    assert!(!world.file("none", "report.html").contains("texts and statements"));
    run(&["--traps"]).refuses(2, "--synthetic");
}
