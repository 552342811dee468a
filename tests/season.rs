//! `arena run`, `leaderboard` and `chat` through the built binary, offline, as a stranger would use them.

use std::fs;
use std::process::Stdio;

use serde_json::Value;

use crate::rig::{World, wait_for};

/// The stream of decisions of a season, byte for byte.
pub(crate) fn decisions(world: &World, dir: &str) -> String {
    let entries = fs::read_dir(world.path(dir)).expect("a season");
    let mut files: Vec<_> = entries.map(|entry| entry.expect("an entry").path()).collect();
    files.retain(|path| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        name.starts_with("audit-") && name.ends_with(".jsonl")
    });
    files.sort();
    assert!(!files.is_empty(), "no segment in {dir}");
    files.iter().map(|path| fs::read_to_string(path).expect("a segment")).collect()
}

/// Goal: a fresh clone has a season without a key, a network or an argument. Method: the verb, then what it
/// left, then the other verbs on the latest season.
#[test]
fn a_season_without_arguments_leaves_a_board_a_page_and_every_word() {
    let world = World::new();
    let printed = world.verb(&["arena", "run"]);
    printed.succeeds();
    let text = String::from_utf8_lossy(&printed.0.stdout).into_owned();
    for part in [
        "buy-and-hold",
        "momentum",
        "mean-reversion",
        "rules-desk",
        "252 ticks",
        "benchmark:",
        "n=251",
    ] {
        assert!(text.contains(part), "{part} is not in:\n{text}");
    }
    let dir = "runs/arena-open-1";
    let page = world.file(dir, "report.html");
    for part in ["<svg", "ModelChat", "Rules of the market", "<details>"] {
        assert!(page.contains(part), "{part} is not in the page");
    }
    assert!(!page.contains("<script") && !page.contains("http://") && !page.contains("https://"));
    let equity = world.file(dir, "equity.csv");
    assert_eq!(equity.lines().count(), 253);
    assert!(equity.starts_with("time,benchmark,"), "{equity:.80}");
    let board = world.verb(&["arena", "leaderboard", "--format", "json"]);
    let board: Value = serde_json::from_slice(&board.0.stdout).expect("one document");
    assert_eq!(board["rows"].as_array().map(Vec::len), Some(4));
    for (row, rank) in board["rows"].as_array().expect("rows").iter().zip(1..) {
        let medal = (rank <= 3).then_some(rank);
        assert_eq!((row["rank"].as_u64(), row["medal"].as_u64()), (Some(rank), medal));
        let money = |key: &str| row[key].as_str().expect("decimal text").to_owned();
        // Exact decimals: no double noise in any of them.
        for text in [money("portfolio_value"), money("cash"), money("net"), money("fees")] {
            let read: conclave_domain::fixed::Money = text.parse().expect("an amount");
            assert_eq!(read.to_string(), text, "{row}");
        }
    }
    let chat = world.verb(&[
        "arena",
        "chat",
        "--contestant",
        "momentum",
        "--tick",
        "0",
        "--format",
        "jsonl",
    ]);
    let chats: Vec<Value> = String::from_utf8_lossy(&chat.succeeds().0.stdout)
        .lines()
        .map(|line| serde_json::from_str(line).expect("a chat"))
        .collect();
    assert_eq!(chats.len(), 4, "FB had no bar yet");
    assert!(chats.iter().all(|chat| chat["snapshot"] == chats[0]["snapshot"]));
    assert_eq!(chats[0]["market_analysis"]["state"], "done");
    assert_eq!(chats[0]["debate"]["state"], "not_part");
    a_desk_tells_its_stages(&world);
    world.verb(&["audit", "verify", dir]).succeeds();
}

fn a_desk_tells_its_stages(world: &World) {
    let desk = world.verb(&["arena", "chat", "--contestant", "rules-desk", "--last", "1"]);
    let desk = String::from_utf8_lossy(&desk.succeeds().0.stdout).into_owned();
    for part in ["market analysis:", "fundamentals:", "debate:", "winner", "trader:", "risk check:"]
    {
        assert!(desk.contains(part), "{part} is not in:\n{desk}");
    }
}

#[test]
fn one_day_of_one_symbol_is_one_tick_and_what_is_no_season_is_refused() {
    let world = World::new();
    let day = ["arena", "run", "--symbols", "AAPL", "--date", "2012-06-29", "--out", "day"];
    let text = world.verb(&day);
    let text = String::from_utf8_lossy(&text.succeeds().0.stdout).into_owned();
    assert!(text.contains("1 ticks up to 2012-06-29T20:00:00Z"), "{text}");
    assert_eq!(world.file("day", "chats.jsonl").lines().count(), 4);
    world.verb(&day).refuses(1, "holds a run already");
    world.verb(&["arena", "run", "--date", "2012-07-01"]).refuses(8, "no bar closes");
    world.verb(&["arena", "run", "--symbols", "NONE"]).refuses(5, "NONE");
    world.verb(&["arena", "run", "--spec", "missing.toml"]).refuses(5, "missing.toml");
    world.verb(&["arena", "leaderboard", "nowhere"]).refuses(5, "board.json");
    let wrong = "[season]\nname = \"x\"\nslot = 2.0\nshorts = false\ndeadline_s = 60\n";
    fs::write(world.path("wrong.toml"), wrong).expect("a file");
    world.verb(&["arena", "run", "--spec", "wrong.toml"]).refuses(3, "slot: 2");
    let resumed = ["arena", "run", "--symbols", "AAPL", "--date", "2012-06-28", "--resume", "day"];
    world.verb(&resumed).refuses(8, "the first tick");
    world.verb(&["arena", "run", "--notify", "end"]).refuses(3, "--notify");
    assert!(!world.path("runs").exists(), "what is refused leaves nothing behind");
}

/// Seven books, one of them a desk's.
fn seven() -> String {
    let head = "[season]\nname = \"seven\"\nslot = 0.2\nshorts = true\ndeadline_s = 60\n";
    let contestants = [
        ("hold", "{ kind = \"buy-and-hold\" }"),
        ("desk", "{ mind = \"rules\" }"),
        ("fast", "{ kind = \"momentum\", lookback = 5, threshold = 0.01 }"),
        ("slow", "{ kind = \"momentum\", lookback = 60, threshold = 0.05 }"),
        ("back", "{ kind = \"mean-reversion\", window = 20, entry = 2.0, rearm = 0.5 }"),
        ("back-fast", "{ kind = \"mean-reversion\", window = 8, entry = 1.5, rearm = 0.5 }"),
        ("back-slow", "{ kind = \"mean-reversion\", window = 60, entry = 2.0, rearm = 0.5 }"),
    ]
    .map(|(name, rule)| {
        let key = if name == "desk" { "desk" } else { "rule" };
        format!(
            "[[contestant]]\nsignature = \"{name}\"\ninitial_cash = \"10000\"\n{key} = {rule}\n"
        )
    });
    head.to_owned() + &contestants.concat()
}

/// Goal: what a kill interrupts is gone on with as if nothing had been, log, books and counts. Method: a
/// season of seven books, killed twice while it writes, beside the same season undisturbed.
#[test]
fn a_killed_season_goes_on_to_the_same_log_and_the_same_books() {
    let world = World::new();
    fs::write(world.path("seven.toml"), seven()).expect("a file");
    let common = ["arena", "run", "--spec", "seven.toml", "--last", "300"];
    let with = |more: &[&'static str]| [&common[..], more].concat();
    world.verb(&with(&["--out", "calm"])).succeeds();
    let calm = decisions(&world, "calm");
    let mut kills = 0;
    for part in [3, 2] {
        let args =
            if kills == 0 { with(&["--out", "killed"]) } else { with(&["--resume", "killed"]) };
        let mut command = world.command(&args);
        let mut child =
            command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("starts");
        // Killed when so much of the log is written, wherever that falls within a tick.
        while child.try_wait().expect("a child").is_none() {
            let is_there = world.path("killed/audit-000001.jsonl").exists();
            if is_there && decisions(&world, "killed").len() > calm.len() / part {
                child.kill().expect("a child");
                break;
            }
            wait_for(std::time::Duration::from_millis(2));
        }
        child.wait().expect("an end");
        let now = decisions(&world, "killed");
        kills += u32::from(now.len() < calm.len());
    }
    assert!(kills > 0, "every kill came after the end");
    world.verb(&with(&["--resume", "killed"])).succeeds();
    assert_eq!(decisions(&world, "killed"), calm);
    for file in
        ["board.json", "chats.jsonl", "aggregates.jsonl", "ticks.jsonl", "equity.csv", "trades.csv"]
    {
        assert_eq!(world.file("killed", file), world.file("calm", file), "{file}");
    }
    let board: Value = serde_json::from_str(&world.file("calm", "board.json")).expect("a board");
    assert_eq!(board["rows"].as_array().map(Vec::len), Some(7));
    // A season that is over is told again, and nothing is written to its log.
    world.verb(&with(&["--resume", "killed"])).succeeds();
    assert_eq!(decisions(&world, "killed"), calm);
}

/// Goal: several runs say how sure their means are, and no run has a tick of another. Method: stretches of
/// the embedded bars, killed and gone on with; too few of them, and more than there are bars for.
#[test]
fn several_runs_share_no_tick_and_their_table_has_intervals_from_five_on() {
    let world = World::new();
    let common = ["arena", "run", "--last", "30", "--symbols", "AAPL,IBM"];
    let with = |more: &[&'static str]| [&common[..], more].concat();
    let said = world.verb(&with(&["--runs", "5", "--out", "many", "--format", "json"]));
    let table: Value = serde_json::from_slice(&said.succeeds().0.stdout).expect("one document");
    assert_eq!((&table["schema"], &table["runs"]), (&"arena-runs/1".into(), &5.into()));
    for row in table["rows"].as_array().expect("rows") {
        let total = &row["total_return"];
        let end = |key: &str| total[key].as_f64().expect("a number");
        assert!(end("low") <= end("mean") && end("mean") <= end("high"), "{row}");
    }
    let mut days = Vec::new();
    for run in ["many/run-001", "many/run-002", "many/run-003", "many/run-004", "many/run-005"] {
        let curve = world.file(run, "equity.csv");
        days.extend(curve.lines().skip(1).map(|line| line[..20].to_owned()));
    }
    assert_eq!(days.len(), 5 * 30);
    assert!(days.is_sorted() && days.windows(2).all(|pair| pair[0] != pair[1]), "a tick twice");
    // What was lost of them is played again, and what was not comes out of its log.
    let before = world.file("many", "runs.json");
    fs::remove_dir_all(world.path("many/run-004")).expect("a run");
    fs::remove_file(world.path("many/runs.json")).expect("a table");
    world.verb(&with(&["--runs", "5", "--resume", "many"])).succeeds();
    assert_eq!(world.file("many", "runs.json"), before);
    let text = world.verb(&["arena", "leaderboard", "many"]);
    let text = String::from_utf8_lossy(&text.succeeds().0.stdout).into_owned();
    assert!(text.contains("5 runs: 30 ticks each") && text.contains("Student's t"), "{text}");

    let few = ["arena", "run", "--synthetic", "2", "--bars", "60", "--last", "20", "--runs", "4"];
    let text = world.verb(&few);
    let text = String::from_utf8_lossy(&text.succeeds().0.stdout).into_owned();
    assert!(text.contains("seeds 1 to 4") && text.contains("no interval: fewer than 5"), "{text}");
    let many = ["arena", "run", "--last", "1000", "--runs", "400", "--out", "no"];
    world.verb(&many).refuses(8, "400 runs of 1000 ticks");
}

/// Goal: a book from elsewhere stands on the board as what it is. Method: the invented book of the README,
/// sound and broken, beside contestants with its cash and with another.
/// Has an imported book end on the day on which a season does.
fn end_with(world: &World, book: &str, season: &str) {
    let board: Value = serde_json::from_str(&world.file(season, "board.json")).expect("a board");
    let end = board["tick"]["at"].as_str().expect("a time")[..10].to_owned();
    let text = fs::read_to_string(world.path(book)).expect("a book");
    let mut read: Value = serde_json::from_str(&text).expect("a book");
    let days = read["equity"].as_array_mut().expect("days");
    days.last_mut().expect("a day")["day"] = Value::from(end);
    fs::write(world.path(book), read.to_string()).expect("a file");
}

#[test]
fn an_imported_book_is_ranked_where_it_holds_and_can_be_compared() {
    let world = World::new();
    let fixtures = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/arena");
    for name in ["position.jsonl", "merged.jsonl"] {
        fs::copy(fixtures.join(name), world.path(name)).expect("a file");
    }
    let import = |name: &str, more: &[&str]| {
        let args = ["arena", "import", "--positions", "position.jsonl", "--prices", "merged.jsonl"];
        let args = [&args[..], &["--market", "us", "--out", ".", "--name", name], more].concat();
        world.verb(&args).succeeds();
    };
    import("sound", &[]);
    let book = fs::read_to_string(world.path("position.jsonl")).expect("a book");
    let broken = book.replace("446.2000000000001", "446.21");
    fs::write(world.path("position.jsonl"), broken).expect("a book");
    import("broken", &["--lenient"]);
    let season = |cash: &str, out: &str| {
        let spec = seven().replace("\"10000\"", &format!("\"{cash}\""));
        fs::write(world.path("c.toml"), spec).expect("a file");
        world.verb(&["arena", "run", "--spec", "c.toml", "--last", "9", "--out", out]).succeeds();
    };
    season("1000", "same");
    season("10000", "other");
    let rows = |dir: &str| {
        let args = format!("arena leaderboard {dir} --format json --with sound.json broken.json");
        let args: Vec<&str> = args.split_whitespace().collect();
        let said = world.verb(&args);
        let board: Value = serde_json::from_slice(&said.succeeds().0.stdout).expect("a board");
        let rows = board["rows"].as_array().expect("rows").clone();
        let of = |name: &str| rows.iter().find(|row| row["name"] == name).expect("a row").clone();
        (of("sound"), of("broken"))
    };
    // A book of other days is shown, and not ranked.
    let (sound, _) = rows("same");
    let why = sound["excluded"].as_str().expect("a reason");
    assert!(sound["rank"].is_null() && why.starts_with("it is about other days"), "{sound}");
    for name in ["sound.json", "broken.json"] {
        end_with(&world, name, "same");
    }
    let (sound, broken) = rows("same");
    assert!(sound["rank"].is_u64(), "{sound}");
    assert_eq!((&sound["kind"], &sound["net"]), (&"imported".into(), &"8.15".into()));
    assert!(
        broken["rank"].is_null() && broken["excluded"] == "its chain does not hold",
        "{broken}"
    );
    let verdict = broken["verdict"].as_str().expect("a verdict");
    assert!(verdict.contains("does not hold") && verdict.contains("do not reconcile"), "{verdict}");
    let (sound, _) = rows("other");
    assert_eq!(
        (&sound["rank"], &sound["excluded"]),
        (&Value::Null, &"it began with another cash, 1000".into())
    );
    let text = world.verb(&["arena", "leaderboard", "same", "--with", "sound.json", "--watch"]);
    let text = String::from_utf8_lossy(&text.succeeds().0.stdout).into_owned();
    assert!(text.contains("sound: imported (strict): the book holds, 3 of 3 trades"), "{text}");
    world.verb(&["arena", "leaderboard", "same", "--with", "c.toml"]).refuses(8, "arena-book/1");
}

/// Goal: the archive is the season, and whatever is none is refused by its place. Method: one season,
/// archived twice and read; then its files damaged one after the other.
#[test]
fn an_archive_has_the_seasons_board_and_a_damaged_season_is_refused_by_its_line() {
    let world = World::new();
    world.verb(&["arena", "run", "--last", "12", "--out", "s"]).succeeds();
    let export = ["arena", "export", "s", "--to", "json", "--out", "a.json"];
    let said = world.verb(&[&export[..], &["--format", "json"]].concat());
    let done: Value = serde_json::from_slice(&said.succeeds().0.stdout).expect("one document");
    assert_eq!((&done["schema"], &done["written"]), (&"arena-export/1".into(), &12.into()));
    let archive = fs::read_to_string(world.path("a.json")).expect("an archive");
    world.verb(&export).succeeds();
    assert_eq!(fs::read_to_string(world.path("a.json")).expect("an archive"), archive);
    let parsed: Value = serde_json::from_str(&archive).expect("one document");
    assert_eq!(parsed["ticks"].as_array().map(Vec::len), Some(12));
    assert_eq!(parsed["ticks"][11]["moved"]["tick"], 11);
    let board = |more: &[&str]| {
        let args = ["arena", "leaderboard", "--format", "json"];
        world.verb(&[&args[..], more].concat()).succeeds().0.stdout.clone()
    };
    assert_eq!(board(&["s"]), board(&["a.json", "--from", "json"]));

    let read = ["arena", "leaderboard", "a.json", "--from", "json"];
    fs::write(world.path("a.json"), archive.replacen("archive/1", "archive/9", 1)).expect("a file");
    world.verb(&read).refuses(8, "is no arena-archive/1");
    fs::write(world.path("a.json"), &archive[..archive.len() / 2]).expect("a file");
    world.verb(&read).refuses(8, "is no arena-archive/1");
    world.verb(&["arena", "leaderboard", "b.json", "--from", "json"]).refuses(5, "b.json");
    world.verb(&["arena", "export", "nowhere", "--to", "json"]).refuses(5, "season.json");
    world.verb(&["arena", "export", "s", "--to", "json", "--as", "x"]).refuses(2, "--as");
    world.verb(&["arena", "export", "s", "--to", "postgres"]).refuses(3, "is not set");
    world.verb(&["arena", "run", "--store", "postgres"]).refuses(3, "is not set");
    let ticks = world.file("s", "ticks.jsonl");
    let spoiled = ticks.replacen("{\"tick\":4,", "{\"tick\":four,", 1);
    fs::write(world.path("s").join("ticks.jsonl"), spoiled).expect("a file");
    world.verb(&export).refuses(8, "ticks.jsonl, line 5: not what a season writes");
}

/// Goal: whoever watches sees the season to its end, and is let go then. Method: the board on a terminal
/// that `script` makes, before, while and after a season is played.
#[test]
fn a_board_on_a_terminal_follows_its_season_to_the_end() {
    if !std::path::Path::new("/usr/bin/script").exists() {
        println!("skipped: there is no `script` here, which makes a terminal");
        return;
    }
    let world = World::new();
    let run = ["arena", "run", "--synthetic", "9", "--bars", "400", "--last", "300", "--out", "s"];
    let mut playing =
        world.command(&run).stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("starts");
    while !world.path("s/board.json").exists() {
        assert!(playing.try_wait().expect("a child").is_none_or(|end| end.success()));
        wait_for(std::time::Duration::from_millis(5));
    }
    let conclave = env!("CARGO_BIN_EXE_conclave");
    let watch = format!("{conclave} arena leaderboard s --watch --every 20ms");
    let shown = std::process::Command::new("script")
        .current_dir(world.path("."))
        .env_remove("NO_COLOR")
        .args(["-qec", &watch, "/dev/null"])
        .stdin(Stdio::null())
        .output()
        .expect("script starts");
    assert!(playing.wait().expect("an end").success());
    let text = String::from_utf8_lossy(&shown.stdout).into_owned();
    assert!(shown.status.success(), "{text}");
    let last = text.rsplit("\u{1b}[2J").next().expect("a screen");
    assert!(last.contains("300 ticks up to") && last.contains('🥇'), "{last}");
}

/// Goal: the order in which contestants stand in a file, and answer, reaches nothing, with desks among them.
/// Method: two desks and two rules, forwards and backwards.
#[test]
fn the_order_of_contestants_does_not_matter_with_desks_among_them() {
    let world = World::new();
    let head = "[season]\nname = \"order\"\nslot = 0.2\nshorts = false\ndeadline_s = 60\n";
    let mut contestants = [
        "signature = \"hold\"\nrule = { kind = \"buy-and-hold\" }",
        "signature = \"desk-b\"\ndesk = { mind = \"rules\" }",
        "signature = \"desk-a\"\ndesk = { mind = \"rules\", config = { debate_rounds = 3 } }",
        "signature = \"back\"\nrule = { kind = \"mean-reversion\", window = 20, entry = 2.0, rearm = 0.5 }",
    ]
    .map(|one| format!("[[contestant]]\ninitial_cash = \"10000\"\n{one}\n"));
    for dir in ["forwards", "backwards"] {
        fs::write(world.path("order.toml"), head.to_owned() + &contestants.concat())
            .expect("a file");
        let args = ["arena", "run", "--spec", "order.toml", "--last", "40", "--out", dir];
        world.verb(&args).succeeds();
        contestants.reverse();
    }
    for file in ["chats.jsonl", "aggregates.jsonl"] {
        assert_eq!(world.file("forwards", file), world.file("backwards", file), "{file}");
    }
    let row = |dir: &str, name: &str| {
        let board: Value = serde_json::from_str(&world.file(dir, "board.json")).expect("a board");
        let rows = board["rows"].as_array().expect("rows").clone();
        rows.into_iter().find(|row| row["name"] == name).expect("a row")
    };
    for name in ["hold", "desk-a", "desk-b", "back"] {
        assert_eq!(row("forwards", name), row("backwards", name));
    }
}

/// B16 of the lessons: no tier is nearly every verdict. A desk whose ratings collapse into one word, by a
/// phrase or by a formula, says nothing.
#[test]
fn the_ratings_of_the_rules_desk_do_not_collapse_into_one_tier() {
    let world = World::new();
    let said =
        world.verb(&["arena", "run", "--synthetic", "8", "--last", "120", "--format", "json"]);
    let board: Value = serde_json::from_slice(&said.succeeds().0.stdout).expect("a board");
    let rows = board["rows"].as_array().expect("rows");
    let desk = rows.iter().find(|row| row["name"] == "rules-desk").expect("the desk");
    let ratings = desk["ratings"].as_object().expect("ratings");
    let counts: Vec<u64> = ratings.values().filter_map(Value::as_u64).collect();
    let all: u64 = counts.iter().sum();
    assert!(all > 900, "{ratings:?}");
    assert!(counts.iter().all(|count| count * 5 < all * 4), "{ratings:?}");
    assert_eq!(ratings.len(), 5, "every tier is right for some figures: {ratings:?}");
}
