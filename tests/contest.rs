//! Seasons in which models compete, against a provider on loopback: whoever fails, is late or asks for what
//! is forbidden stands on the board as that, a kill changes no figure, and no file holds a key.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use serde_json::Value;

use crate::provider::{BILLED_MICRO_USD, Manner, Plan, Provider, Temper};
use crate::rig::{World, wait_for};
use crate::season::decisions;

/// A key that must stand nowhere but in the provider's own journal.
pub(crate) const KEY: &str = "sk-or-marked-arena-7b21ce";

/// A world whose models ask the provider as OpenRouter.
pub(crate) fn world(provider: &Provider, models: &[&str]) -> World {
    let world = World::new();
    world.variable("OPENROUTER_API_KEY", KEY);
    configured(&world, &provider.url(), "m", models);
    world
}

/// Prices of these models of a vendor, and the place where they are asked.
fn configured(world: &World, url: &str, vendor: &str, models: &[&str]) {
    let mut prices = "date = \"2026-11-21\"\nsource = \"this test\"\n".to_owned();
    for model in models {
        let _ = write!(
            prices,
            "[[model]]\nnames = [\"{vendor}/{model}\"]\ntiers = [{{ in = \"0.1\", out = \"0.5\" }}]\n"
        );
    }
    fs::write(world.path("prices.toml"), prices).expect("a file");
    world.config(&format!(
        "[models]\nprices = \"prices.toml\"\n[providers.openrouter]\nurl = \"{url}\"\n\
         in_flight = 300\nrequests_per_minute = 1000000\n"
    ));
}

/// A season of these models of a vendor beside one rule, as `s.toml` under the configuration `c.toml`.
pub(crate) fn season_of(world: &World, url: &str, vendor: &str, models: &[&str], deadline_s: u32) {
    configured(world, url, vendor, models);
    let budget = "usd_per_season = \"20\", usd_per_day = \"20\", calls_per_tick = 500";
    let text = spec(deadline_s, &[HOLD], models, budget).replace("\"m/", &format!("\"{vendor}/"));
    fs::write(world.path("s.toml"), text).expect("a file");
}

/// A season of these models beside rules.
pub(crate) fn spec(
    deadline_s: u32,
    rules: &[(&str, &str)],
    models: &[&str],
    budget: &str,
) -> String {
    let mut text = format!(
        "[season]\nname = \"contest\"\nslot = 0.2\nshorts = true\ndeadline_s = {deadline_s}\n"
    );
    for (name, how) in rules {
        let _ = write!(
            text,
            "[[contestant]]\nsignature = \"{name}\"\ninitial_cash = \"10000\"\n{how}\n"
        );
    }
    for model in models {
        let _ = write!(
            text,
            "[[contestant]]\nsignature = \"{model}\"\nenabled = false\ninitial_cash = \"10000\"\n\
             [contestant.desk]\nmind = \"model\"\n[contestant.desk.model]\nprovider = \"openrouter\"\n\
             basemodel = \"m/{model}\"\nbase_delay_s = 0.01\nbudget = {{ {budget} }}\n"
        );
    }
    text
}

pub(crate) const HOLD: (&str, &str) = ("hold", "rule = { kind = \"buy-and-hold\" }");

pub(crate) fn board(world: &World, dir: &str) -> Value {
    serde_json::from_str(&world.file(dir, "board.json")).expect("a board")
}

pub(crate) fn row<'a>(board: &'a Value, name: &str) -> &'a Value {
    let rows = board["rows"].as_array().expect("rows");
    rows.iter().find(|row| row["name"] == name).unwrap_or_else(|| panic!("{name} in {board}"))
}

pub(crate) fn count(row: &Value, error: &str) -> u64 {
    row["errors"][error].as_u64().expect("a count")
}

/// Goal: whatever a model does, the others finish, and the board says what it did. Method: five models, one
/// that fails, one that is late, one that asks for forbidden actions in every answer; two symbols, one tick.
#[test]
fn five_models_play_and_the_board_shows_each_as_it_was() {
    const MODELS: [&str; 5] = ["sound", "calm", "failing", "tardy", "forbidding"];
    let plan = Plan {
        manner: Manner::Varied,
        temper_of: vec![
            ("m/failing".to_owned(), Temper::Fails(500)),
            ("m/tardy".to_owned(), Temper::Slow(Duration::from_mins(2))),
            ("m/forbidding".to_owned(), Temper::Forbidden),
        ],
        ..Plan::default()
    };
    let provider = Provider::new(plan);
    let world = world(&provider, &MODELS);
    let budget = "usd_per_season = \"20\", usd_per_day = \"20\", calls_per_tick = 500";
    fs::write(world.path("s.toml"), spec(25, &[HOLD], &MODELS, budget)).expect("a file");
    let args = ["--config", "c.toml", "arena", "run", "--spec", "s.toml", "--models", "all"];
    let args = [&args[..], &["--symbols", "AAPL,MSFT", "--date", "2012-06-29", "--out", "s"]];
    let said = world.verb(&args.concat());
    said.succeeds();
    let board = board(&world, "s");
    assert_eq!(board["rows"].as_array().map(Vec::len), Some(6));
    for name in ["sound", "calm"] {
        let row = row(&board, name);
        let given: u64 =
            row["ratings"].as_object().expect("ratings").values().filter_map(Value::as_u64).sum();
        assert_eq!((given, row["calls"].as_u64()), (2, Some(24)), "{row}");
        let cost: f64 = row["model_cost"].as_str().expect("money").parse().expect("a number");
        let billed = 24.0 * f64::from(u32::try_from(BILLED_MICRO_USD).expect("little")) * 1e-6;
        assert!((cost - billed).abs() < 1e-9, "{row}");
    }
    let failing = row(&board, "failing");
    assert_eq!(failing["ratings"], serde_json::json!({}), "{failing}");
    assert_eq!(count(failing, "failed") + count(failing, "abstained"), 2, "{failing}");
    assert_eq!(failing["model_cost"], "0", "a refusal is not billed: {failing}");
    let tardy = row(&board, "tardy");
    assert_eq!((count(tardy, "late"), &tardy["ratings"]), (2, &serde_json::json!({})), "{tardy}");
    assert_ne!(tardy["model_cost"], "0", "what was cut off may be billed: {tardy}");
    let forbidding = row(&board, "forbidding");
    assert_eq!(count(forbidding, "review"), 2, "{forbidding}");
    for (name, flag) in [("sound", Some("unknown")), ("hold", None)] {
        assert_eq!(row(&board, name)["contamination"].as_str(), flag);
    }
    // Whoever rates everything alike is seen: what desks rated is counted, what rules did is not.
    let metrics = world.file("s", "metrics.prom");
    let rated = |name: &str| -> u64 {
        let begins = format!("conclave_arena_ratings_total{{contestant=\"{name}\",");
        let lines = metrics.lines().filter(|line| line.starts_with(&begins));
        lines.filter_map(|line| line.rsplit(' ').next()?.parse::<u64>().ok()).sum()
    };
    assert_eq!(MODELS.map(rated), [2, 2, 0, 0, 0], "{metrics:.2000}");
    assert_eq!(rated("hold"), 0);
    let text = String::from_utf8_lossy(&said.0.stdout).into_owned();
    for name in MODELS {
        assert!(text.contains(name), "{name} is not in:\n{text}");
    }
    no_key(&world.path("."), &[&said.0.stdout, &said.0.stderr]);
    assert!(provider.asked().iter().any(|asked| asked.authorization.contains(KEY)));
}

/// C12: the key stands in no file below `dir` and in no output.
fn no_key(dir: &Path, outputs: &[&[u8]]) {
    let holds = |bytes: &[u8]| bytes.windows(KEY.len()).any(|part| part == KEY.as_bytes());
    assert!(!outputs.iter().any(|bytes| holds(bytes)), "the key was printed");
    let (mut left, mut files) = (vec![dir.to_owned()], 0);
    while let Some(dir) = left.pop() {
        for entry in fs::read_dir(dir).expect("a directory") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                left.push(path);
            } else {
                files += 1;
                assert!(
                    !holds(&fs::read(&path).expect("a file")),
                    "the key is in {}",
                    path.display()
                );
            }
        }
    }
    assert!(files > 10, "{files} files");
}

const SEVEN: [(&str, &str); 4] = [
    HOLD,
    ("fast", "rule = { kind = \"momentum\", lookback = 5, threshold = 0.01 }"),
    ("back", "rule = { kind = \"mean-reversion\", window = 20, entry = 2.0, rearm = 0.5 }"),
    ("rules-desk", "desk = { mind = \"rules\" }"),
];

/// What each contestant's budgets have spent behind the last tick, by line.
fn spent(world: &World, dir: &str, name: &str) -> BTreeMap<String, i64> {
    let file = world.file(&format!("{dir}/contestants/{name}"), "budgets.json");
    let file: Value = serde_json::from_str(&file).expect("budgets");
    let last = file["ends"].as_array().and_then(|ends| ends.last()).expect("an end");
    let lines = last["live"]["budgets"]["stored"]["lines"].as_array().expect("lines");
    let units = |line: &Value| {
        let spends = line["spends"].as_array().into_iter().flatten();
        spends.filter_map(|spend| spend["units"].as_i64()).sum::<i64>()
    };
    lines.iter().map(|line| (line["line"].to_string(), units(line))).collect()
}

/// Goal: what a kill interrupts is gone on with as if nothing had been: books, budgets, calls and costs.
/// Method: seven books, three of them models', killed at three moments within ticks, the first of them within
/// the first, which is a fifth of a tape, beside the same season undisturbed; the same question is answered
/// the same.
#[test]
fn a_killed_season_of_models_comes_to_the_same_books_budgets_and_calls() {
    const MODELS: [&str; 3] = ["ada", "bert", "carl"];
    let latency = Duration::from_millis(20);
    let provider = Provider::new(Plan { manner: Manner::Varied, latency, ..Plan::default() });
    let world = world(&provider, &MODELS);
    let budget = "usd_per_season = \"50\", usd_per_day = \"50\", calls_per_tick = 100";
    fs::write(world.path("s.toml"), spec(300, &SEVEN, &MODELS, budget)).expect("a file");
    let args = ["--config", "c.toml", "arena", "run", "--spec", "s.toml", "--models", "all"];
    let args = [&args[..], &["--symbols", "AAPL,MSFT", "--last", "5"]].concat();
    let with = |more: &[&'static str]| [&args[..], more].concat();
    world.verb(&with(&["--out", "calm"])).succeeds();
    let calm = decisions(&world, "calm");
    let asked = provider.asked().len();
    assert_eq!(asked, 3 * 5 * 2 * 12, "models, ticks, symbols, roles");
    let tape = || {
        let path = world.path("killed/contestants/bert/tape.jsonl");
        fs::metadata(path).map_or(0, |file| file.len())
    };
    let whole = world.file("calm/contestants/bert", "tape.jsonl").len() as u64;
    let mut kills = 0;
    for part in [20, 3, 2] {
        let args =
            if kills == 0 { with(&["--out", "killed"]) } else { with(&["--resume", "killed"]) };
        let mut command = world.command(&args);
        let mut child =
            command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("starts");
        // Killed when so much of a tape is written: within a tick, with calls under way.
        while child.try_wait().expect("a child").is_none() {
            if tape() > whole / part {
                child.kill().expect("a child");
                break;
            }
            wait_for(Duration::from_millis(2));
        }
        child.wait().expect("an end");
        let log = decisions(&world, "killed");
        assert!(kills > 0 || !log.contains("tick.closed"), "its first tick was over");
        kills += u32::from(log.len() < calm.len());
    }
    assert_eq!(kills, 3, "a kill came after the end");
    let resumed = world.verb(&with(&["--resume", "killed"]));
    resumed.succeeds();
    // What stood on a tape was not asked again: each kill costs at most what was under way.
    let again = provider.asked().len() - 2 * asked;
    assert!(again <= 3 * 3 * 2 * 4, "{again} questions were put twice");
    assert_eq!(decisions(&world, "killed"), calm);
    for file in ["board.json", "chats.jsonl", "aggregates.jsonl", "equity.csv", "trades.csv"] {
        assert_eq!(world.file("killed", file), world.file("calm", file), "{file}");
    }
    let board = board(&world, "calm");
    assert_eq!(board["rows"].as_array().map(Vec::len), Some(7));
    for name in MODELS {
        let row = row(&board, name);
        assert_eq!(row["calls"].as_u64(), Some(5 * 2 * 12), "{row}");
        let spent_calm = spent(&world, "calm", name);
        assert!(spent_calm.values().any(|units| *units > 0), "{spent_calm:?}");
        assert_eq!(spent(&world, "killed", name), spent_calm, "{name}");
    }
    no_key(&world.path("."), &[&resumed.0.stdout, &resumed.0.stderr]);
}

/// G-3: money is reserved before a call, and who has none is refused, shown, and never a HOLD.
#[test]
fn a_contestant_whose_budget_is_spent_is_denied_and_the_others_go_on() {
    const MODELS: [&str; 1] = ["poor"];
    let provider = Provider::new(Plan::default());
    let world = world(&provider, &MODELS);
    let budget = "usd_per_season = \"0.0001\", usd_per_day = \"1\", calls_per_tick = 100";
    fs::write(world.path("s.toml"), spec(60, &[HOLD], &MODELS, budget)).expect("a file");
    let args = ["--config", "c.toml", "arena", "run", "--spec", "s.toml", "--models", "poor"];
    let args = [&args[..], &["--symbols", "AAPL", "--last", "2", "--out", "s"]].concat();
    world.verb(&args).succeeds();
    assert_eq!(provider.asked().len(), 0, "nothing left that could not be paid");
    let board = board(&world, "s");
    let poor = row(&board, "poor");
    assert_eq!((count(poor, "denied"), &poor["ratings"]), (2, &serde_json::json!({})), "{poor}");
    assert_eq!((poor["calls"].as_u64(), &poor["model_cost"]), (Some(0), &Value::from("0")));
}

/// Goal: nothing is begun that cannot be asked. Method: no key, a model without a price, nobody of this name.
#[test]
fn models_that_cannot_be_asked_are_refused_before_anything_is_written() {
    let provider = Provider::new(Plan::default());
    let priced = world(&provider, &["ada"]);
    let budget = "usd_per_season = \"1\", usd_per_day = \"1\", calls_per_tick = 100";
    fs::write(priced.path("s.toml"), spec(60, &[HOLD], &["ada", "free"], budget)).expect("a file");
    let run = |world: &World, models: &str| {
        let args = ["--config", "c.toml", "arena", "run", "--spec", "s.toml", "--models", models];
        world.verb(&args)
    };
    run(&priced, "free").refuses(3, "no row for `m/free`");
    run(&priced, "nobody").refuses(3, "`nobody` is no contestant of models");
    let keyless = World::new();
    keyless
        .verb(&["arena", "run", "--models", "gpt,qwen"])
        .refuses(3, "OPENROUTER_API_KEY is not set");
    assert!(!keyless.path("runs").exists() && !priced.path("runs").exists());
}

/// Goal: a person can check a decision. Method: the prompts, the answers and the snapshot's hash of one.
#[test]
fn the_prompts_behind_a_decision_can_be_read() {
    let provider = Provider::new(Plan { manner: Manner::Varied, ..Plan::default() });
    let world = world(&provider, &["ada"]);
    let budget = "usd_per_season = \"1\", usd_per_day = \"1\", calls_per_tick = 100";
    fs::write(world.path("s.toml"), spec(60, &[HOLD], &["ada"], budget)).expect("a file");
    let args = ["--config", "c.toml", "arena", "run", "--spec", "s.toml", "--models", "ada"];
    let args = [&args[..], &["--symbols", "AAPL", "--date", "2012-06-29", "--out", "s"]].concat();
    world.verb(&args).succeeds();
    let said = world.verb(&["arena", "chat", "s", "--prompts", "--format", "jsonl"]);
    said.succeeds();
    let lines: Vec<Value> = String::from_utf8_lossy(&said.0.stdout)
        .lines()
        .map(|line| serde_json::from_str(line).expect("a question"))
        .collect();
    assert_eq!(lines.len(), 12);
    let snapshot = board(&world, "s")["snapshot"].clone();
    for line in &lines {
        assert_eq!((&line["contestant"], &line["ticker"]), (&"ada".into(), &"AAPL".into()));
        assert_eq!(line["snapshot"], snapshot);
        assert!(line["asked"].as_str().is_some_and(|text| text.contains("AAPL")), "{line}");
        assert!(line["answered"].as_str().is_some_and(|text| text.contains("answer")), "{line}");
        assert_eq!(line["model"], "m/ada");
    }
    let only = ["arena", "chat", "s", "--prompts", "--role", "portfolio_manager"];
    let text = world.verb(&only);
    let text = String::from_utf8_lossy(&text.succeeds().0.stdout).into_owned();
    assert!(text.contains("portfolio_manager") && !text.contains("bull,"), "{text}");
}
