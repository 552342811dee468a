//! What befalls one contestant of models is its own: money, a provider that is not there, budgets that are
//! damaged. And the ways to a provider that contestants have: Anthropic's own, and a fallback.

use std::fs;
use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::Value;

use crate::contest::{HOLD, board, count, row, spec, world};
use crate::provider::{Manner, Plan, Provider, Temper};
use crate::rig::{World, wait_for};

const BUDGET: &str = "usd_per_season = \"20\", usd_per_day = \"20\", calls_per_tick = 100";

/// The season's file and the arguments that play so many ticks of one symbol with all models.
fn season<'a>(world: &World, text: &str, last: &'a str) -> Vec<&'a str> {
    fs::write(world.path("s.toml"), text).expect("a file");
    let args = ["--config", "c.toml", "arena", "run", "--spec", "s.toml", "--models", "all"];
    [&args[..], &["--symbols", "AAPL", "--last", last]].concat()
}

/// Adds lines to the configuration of a world.
fn more(world: &World, lines: &str) {
    let text = fs::read_to_string(world.path("c.toml")).expect("a file");
    world.config(&format!("{text}{lines}"));
}

fn ratings(row: &Value) -> u64 {
    row["ratings"].as_object().expect("ratings").values().filter_map(Value::as_u64).sum()
}

/// G-1: what all runs may spend is shared out, so that nobody spends another's. Method: one contestant that asks
/// at once and much, one that is slow and asks little, under a cap of an hour that the first could spend alone.
#[test]
fn whoever_is_quick_spends_its_own_share_and_nothing_of_the_slow_ones() {
    let slow = Temper::Slow(Duration::from_millis(900));
    let plan = Plan { temper_of: vec![("m/modest".to_owned(), slow)], ..Plan::default() };
    let provider = Provider::new(plan);
    let world = world(&provider, &["greedy", "modest"]);
    // 32 questions of the one cost $0.01152, 7 of the other $0.00252; a guardian's tenth is nobody's.
    more(&world, "[budgets]\nusd_per_hour = \"0.014\"\n");
    let prices = fs::read_to_string(world.path("prices.toml")).expect("a file");
    let prices = prices.replace("in = \"0.1\", out = \"0.5\"", "in = \"0.01\", out = \"0.05\"");
    fs::write(world.path("prices.toml"), prices).expect("a file");
    let desk = |name: &str, rounds: u8| {
        let one = spec(60, &[], &[name], BUDGET);
        let begins = one.find("[[contestant]]").expect("a contestant");
        let config = format!(
            "mind = \"model\"\nconfig = {{ debate_rounds = {rounds}, risk_rounds = {rounds}, max_steps = 60 }}"
        );
        one[begins..].replace("mind = \"model\"", &config)
    };
    let text = [spec(60, &[HOLD], &[], BUDGET), desk("greedy", 5), desk("modest", 0)].concat();
    world.verb(&[&season(&world, &text, "1")[..], &["--out", "s"]].concat()).succeeds();
    let board = board(&world, "s");
    let (greedy, modest) = (row(&board, "greedy"), row(&board, "modest"));
    assert_eq!((ratings(modest), modest["calls"].as_u64()), (1, Some(7)), "{modest}");
    assert_eq!((ratings(greedy), count(greedy, "denied")), (0, 1), "{greedy}");
    let spent: f64 = greedy["model_cost"].as_str().expect("money").parse().expect("a number");
    assert!(0.003 < spent && spent <= 0.014 * 0.9 / 2.0, "{greedy}");
}

/// Goal: a server that is not there is the matter of whoever would be asked there. Method: one contestant at a
/// closed port beside one that is well, then it alone.
#[test]
fn whose_provider_is_not_there_is_excluded_with_the_reason_and_the_others_play() {
    let provider = Provider::new(Plan { manner: Manner::Varied, ..Plan::default() });
    let world = world(&provider, &["near", "far"]);
    let away = |text: &str| {
        let (from, to) =
            ("provider = \"openrouter\"\nbasemodel = \"m/far\"", "basemodel = \"m/far\"");
        let to = format!("provider = \"local\"\nurl = \"http://127.0.0.1:9/v1\"\n{to}");
        text.replace(from, &to)
    };
    let both = away(&spec(60, &[HOLD], &["near", "far"], BUDGET));
    let args = season(&world, &both, "2");
    let said = world.verb(&[&args[..], &["--out", "s"]].concat());
    said.succeeds();
    assert!(said.stderr().contains("127.0.0.1:9"), "{}", said.stderr());
    let board_of = board(&world, "s");
    let (near, far) = (row(&board_of, "near"), row(&board_of, "far"));
    assert_eq!((ratings(near), &near["excluded"]), (2, &Value::Null), "{near}");
    let why = far["excluded"].as_str().expect("a reason");
    assert_eq!(
        why,
        "its provider `local` could not be asked at the start: the model server does not answer"
    );
    assert_eq!(
        (ratings(far), &far["rank"], &far["calls"]),
        (0, &Value::Null, &Value::from(0)),
        "{far}"
    );
    // Played again out of its log it is the same season, whoever is there now.
    world.verb(&[&args[..], &["--resume", "s"]].concat()).succeeds();
    assert_eq!(board(&world, "s"), board_of);

    let alone = away(&spec(60, &[HOLD], &["far"], BUDGET));
    let args = season(&world, &alone, "2");
    world.verb(&[&args[..], &["--out", "t"]].concat()).refuses(9, "127.0.0.1:9");
    world.verb(&args).refuses(9, "127.0.0.1:9");
    assert!(!world.path("t").exists() && !world.path("runs").exists(), "nothing is left behind");
}

/// Goal: damage to what one contestant has of its own costs nobody else the season. Method: a season killed
/// behind its first tick; one contestant's budgets are overwritten, and the season is gone on with.
#[test]
fn whose_budgets_are_damaged_is_excluded_with_the_reason_and_the_others_go_on() {
    let latency = Duration::from_millis(20);
    let provider = Provider::new(Plan { manner: Manner::Varied, latency, ..Plan::default() });
    let world = world(&provider, &["ada", "bert"]);
    let args = season(&world, &spec(300, &[HOLD], &["ada", "bert"], BUDGET), "4");
    killed(&world, &args, "s");
    let damages: [(&str, &[u8]); 3] =
        [("budgets.json", b"{"), ("budgets.json", b"\xff\xfe"), ("budgets.redb", b"no store")];
    // What a season may cost is a part of what it is.
    let before = fs::read_to_string(world.path("c.toml")).expect("a file");
    more(&world, "[budgets]\nusd_per_run = \"4\"\n");
    world.verb(&[&args[..], &["--resume", "s"]].concat()).refuses(8, "other budgets");
    world.config(&before);
    // So are the prices that its budgets are counted by.
    let prices = world.file(".", "prices.toml");
    fs::write(world.path("prices.toml"), prices.replace("0.5", "0.6")).expect("a file");
    world.verb(&[&args[..], &["--resume", "s"]].concat()).refuses(8, "prices");
    fs::write(world.path("prices.toml"), prices).expect("a file");
    for (nth, (file, bytes)) in damages.into_iter().enumerate() {
        let copy = format!("s{nth}");
        let (from, to) = (world.path("s"), world.path(&copy));
        assert!(Command::new("cp").arg("-a").args([from, to]).status().expect("cp").success());
        fs::write(world.path(&format!("{copy}/contestants/ada/{file}")), bytes).expect("a file");
        world.verb(&[&args[..], &["--resume", &copy]].concat()).succeeds();
        let board = board(&world, &copy);
        let (ada, bert) = (row(&board, "ada"), row(&board, "bert"));
        assert!(ada["excluded"].as_str().is_some_and(|why| why.contains("damaged")), "{ada}");
        assert_eq!((ratings(bert), &bert["excluded"]), (4, &Value::Null), "{file}: {bert}");
    }

    // Where it was the only one of models, nothing is gone on with.
    let alone = season(&world, &spec(300, &[HOLD], &["ada"], BUDGET), "2");
    killed(&world, &alone, "t");
    fs::write(world.path("t/contestants/ada/budgets.json"), "{").expect("a file");
    world.verb(&[&alone[..], &["--resume", "t"]].concat()).refuses(8, "budgets.json is damaged");
}

/// A season in `dir` that is killed behind its first tick.
fn killed(world: &World, args: &[&str], dir: &str) {
    let mut child = world.command(&[args, &["--out", dir]].concat());
    let mut child =
        child.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("the binary starts");
    let log = world.path(dir).join("audit-000001.jsonl");
    while !fs::read_to_string(&log).unwrap_or_default().contains("tick.closed") {
        assert!(child.try_wait().expect("a child").is_none(), "it ended before its first tick");
        wait_for(Duration::from_millis(2));
    }
    child.kill().expect("a kill");
    child.wait().expect("an end");
}

/// Goal: the record of a season outlives whoever played it. Method: a season that is over, whose key, server,
/// budgets, prices and configuration are gone or others, is told again: the same board, and nobody was asked.
#[test]
fn a_season_that_is_over_is_told_again_without_anybody_to_ask() {
    let provider = Provider::new(Plan { manner: Manner::Varied, ..Plan::default() });
    let world = world(&provider, &["ada"]);
    let args = season(&world, &spec(60, &[HOLD], &["ada"], BUDGET), "2");
    world.verb(&[&args[..], &["--out", "s"]].concat()).succeeds();
    let files = ["board.json", "chats.jsonl", "equity.csv", "report.html", "metrics.prom"];
    let before = files.map(|file| world.file("s", file));
    let asked = provider.asked().len();
    assert!(asked > 0);
    world.variable("OPENROUTER_API_KEY", "");
    let config = world.file(".", "c.toml").replace(&provider.url(), "http://127.0.0.1:9");
    world.config(&format!("{config}[budgets]\nusd_per_run = \"4\"\n"));
    let prices = world.file(".", "prices.toml");
    fs::write(world.path("prices.toml"), prices.replace("0.5", "0.6")).expect("a file");
    fs::write(world.path("s/contestants/ada/budgets.json"), "{").expect("a file");
    world.verb(&[&args[..], &["--out", "other"]].concat()).refuses(3, "OPENROUTER_API_KEY");
    world.verb(&[&args[..], &["--resume", "s"]].concat()).succeeds();
    assert_eq!(files.map(|file| world.file("s", file)), before);
    assert_eq!(provider.asked().len(), asked);
}

/// The address of a provider as Anthropic is asked, in a world that has a key for it.
fn anthropic(world: &World, provider: &Provider) {
    world.variable("ANTHROPIC_API_KEY", "sk-ant-marked-arena");
    let url = provider.url();
    let base = url.trim_end_matches("/v1");
    more(world, &format!("[providers.anthropic]\nurl = \"{base}\"\n"));
}

/// Goal: a contestant plays with Anthropic's own models, and what they cost is told by the table, because
/// Anthropic tells tokens only.
#[test]
fn a_contestant_asks_anthropic_itself() {
    let provider = Provider::new(Plan { manner: Manner::Varied, ..Plan::default() });
    let world = world(&provider, &["ada"]);
    anthropic(&world, &provider);
    let text = spec(60, &[HOLD], &["ada"], BUDGET).replace("openrouter", "anthropic");
    world.verb(&[&season(&world, &text, "2")[..], &["--out", "s"]].concat()).succeeds();
    let board = board(&world, "s");
    let ada = row(&board, "ada");
    assert_eq!((ratings(ada), ada["calls"].as_u64()), (2, Some(24)), "{ada}");
    // 1,800 tokens at $0.1 and 90 at $0.5 a million.
    assert_eq!(ada["model_cost"], "0.0054", "24 times $0.000225");
    let asked = provider.asked();
    assert_eq!(asked.len(), 24);
    assert!(asked.iter().all(|one| one.authorization.contains("sk-ant-marked-arena")));
}

/// Goal: where the first provider fails the fallback answers, and the record says that it did.
#[test]
fn a_contestants_fallback_answers_where_its_first_provider_fails() {
    let plan = Plan {
        manner: Manner::Varied,
        temper_of: vec![("m/ada".to_owned(), Temper::Fails(500))],
        ..Plan::default()
    };
    let provider = Provider::new(plan);
    let world = world(&provider, &["ada", "spare"]);
    anthropic(&world, &provider);
    let text = spec(60, &[HOLD], &["ada"], BUDGET).replace(
        "basemodel = \"m/ada\"\n",
        "basemodel = \"m/ada\"\nmax_retries = 1\n\
         fallback = { provider = \"anthropic\", basemodel = \"m/spare\" }\n",
    );
    world.verb(&[&season(&world, &text, "2")[..], &["--out", "s"]].concat()).succeeds();
    let board = board(&world, "s");
    let ada = row(&board, "ada");
    assert_eq!((ratings(ada), ada["calls"].as_u64()), (2, Some(24)), "{ada}");
    assert_eq!(ada["model_cost"], "0.0054", "refusals are not billed: {ada}");
    let of = |model: &str| provider.asked().iter().filter(|one| one.model == model).count();
    assert!(of("m/ada") > 0, "the first is asked first");
    assert_eq!(of("m/spare"), 24);
    let said =
        world.verb(&["arena", "chat", "s", "--prompts", "--last", "100", "--format", "jsonl"]);
    let said = String::from_utf8_lossy(&said.succeeds().0.stdout).into_owned();
    let answered = said.lines().map(|line| serde_json::from_str::<Value>(line).expect("a line"));
    let answered: Vec<Value> = answered.filter(|line| line["answered"].is_string()).collect();
    assert_eq!(answered.len(), 24, "{said:.400}");
    for line in answered {
        assert_eq!(line["model"], "m/spare", "{line}");
    }
}
