//! What is told of models: before a run, at its end, later, and beside what rules would have done.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::time::Duration;

use conclave_domain::tally::Miss;
use serde_json::{Value, json};

use super::models::{KEY, ROOM, decided, nobody_acts_without_the_guardian};
use crate::provider::{Plan, Provider};
use crate::rig::{Said, World, text};

/// The columns of a report that add up to the consultations.
const PARTS: [&str; 7] =
    ["applied", "clamped", "refused", "abstained", "failed", "late", "not_awaited"];

type Counted = BTreeMap<String, BTreeMap<&'static str, u64>>;

/// What became of every consultation of the trading team, out of the records alone.
fn recounted(world: &World, store: &str) -> Counted {
    let mut counted = Counted::new();
    let mut count = |agent: &Value, part: &'static str| {
        *counted.entry(text(agent)).or_default().entry(part).or_default() += 1;
    };
    let mut position: Option<Vec<Value>> = None;
    let mut answers: BTreeMap<String, Value> = BTreeMap::new();
    let mut records: Vec<Value> = world.audit(store);
    records.retain(|record| record["of"].is_null());
    for record in records {
        let body = &record["body"];
        match text(&record["step"]).as_str() {
            "consult.sent" => {
                for silent in position.take().into_iter().flatten() {
                    count(&silent, "late");
                }
                let asked = body["asked"].as_array().expect("the asked").clone();
                position = (body["round"] == 0).then_some(asked);
                answers.clear();
            }
            "advice.clamped" => {
                if let Some(asked) = &mut position {
                    asked.retain(|agent| *agent != body["agent"]);
                    count(&body["agent"], of_answer(body));
                }
                answers.insert(text(&body["agent"]), body.clone());
            }
            "round.closed" => {
                for seat in body["seats"].as_array().expect("seats") {
                    let part = match text(&seat["outcome"]).as_str() {
                        "denied" | "shed" => "refused",
                        "late" => "late",
                        "not_awaited" => "not_awaited",
                        _ => of_answer(&answers[&text(&seat["agent"])]),
                    };
                    count(&seat["agent"], part);
                }
            }
            _ => {}
        }
    }
    for silent in position.into_iter().flatten() {
        count(&silent, "late");
    }
    counted
}

/// The part of a consultation that was answered, or failed with words.
fn of_answer(body: &Value) -> &'static str {
    if let Some(error) = body["error"].as_str() {
        return match Miss::of(error) {
            Miss::Unreadable => "abstained",
            Miss::Inadmissible => "refused",
            Miss::Failed => "failed",
        };
    }
    let advice = &body["advice"];
    let clamps = advice["clamps"].as_array().map_or(0, Vec::len);
    match (advice["stance"]["vote"] == "abstain", clamps) {
        (true, _) => "abstained",
        (false, 0) => "applied",
        (false, _) => "clamped",
    }
}

fn number(row: &Value, key: &str) -> u64 {
    row[key].as_u64().unwrap_or_else(|| panic!("{key} in {row:#}"))
}

/// The columns of every agent add up to its consultations, and all agents to the run's; each figure is
/// what the records say; the costs add up to what was spent.
#[track_caller]
fn adds_up(world: &World, store: &str) -> Value {
    let summary = world.summary(store);
    let rows = summary["agents"].as_array().expect("agents").clone();
    let recounted = recounted(world, store);
    let (mut asked, mut cost) = (0, 0.0);
    for row in &rows {
        let name = text(&row["name"]);
        let sum: u64 = PARTS.iter().map(|part| number(row, part)).sum();
        assert_eq!(sum, number(row, "consultations"), "{row:#}");
        if name != "news_reader" {
            let of = recounted.get(&name).cloned().unwrap_or_default();
            for part in PARTS {
                let said = of.get(part).copied().unwrap_or_default();
                assert_eq!(number(row, part), said, "{part} of {name}: {row:#} {of:#?}");
            }
        }
        asked += sum;
        cost += row["cost_usd"].as_f64().expect("a cost");
    }
    assert_eq!(asked, number(&summary, "consultations"));
    let outcomes = summary["outcomes"].as_object().expect("outcomes").values();
    assert_eq!(outcomes.filter_map(Value::as_u64).sum::<u64>(), asked);
    assert!((cost - world.spent(store)).abs() < 1e-6, "{cost} of {}", world.spent(store));
    // Whoever asks later is told the same.
    let later = world.verb(&["report", "--store", store, "--format", "json"]);
    let later: Value = serde_json::from_slice(&later.succeeds().0.stdout).expect("json");
    assert_eq!(
        (&later["agents"], &later["spend_usd"]),
        (&summary["agents"], &summary["spend_usd"])
    );
    summary
}

fn row<'a>(summary: &'a Value, name: &str) -> &'a Value {
    let rows = summary["agents"].as_array().expect("agents");
    rows.iter().find(|row| row["name"] == name).unwrap_or_else(|| panic!("{name} has no row"))
}

fn stdout(said: &Said) -> String {
    String::from_utf8_lossy(&said.succeeds().0.stdout).into_owned()
}

/// News about two of the embedded shares, one item every fourth day.
fn write_news(world: &World) {
    let mut lines = String::new();
    let mut day = jiff::civil::date(2000, 3, 6);
    for id in 0..60 {
        let symbol = ["IBM", "MSFT"][id % 2];
        let line = json!({"id": id, "known_at": format!("{day}T12:00:00Z"), "symbol": symbol,
                          "headline": format!("{symbol} raises its made-up outlook, no. {id}"),
                          "body": "An invented item."});
        writeln!(lines, "{line}").expect("a text");
        day = day.checked_add(jiff::Span::new().days(4)).expect("a day");
    }
    fs::write(world.path("n.jsonl"), lines).expect("a file");
}

/// Goal: the A/B of a back-test with rules, with a model and with its recorded answers: each arm's
/// report adds up and is what its records say, no bill passes what was told before, and `replay
/// --brains rules` tells what the model has changed.
/// Method: a window of the embedded bars with news; one command line for each arm.
#[test]
fn three_arms_tell_what_was_asked_what_it_cost_and_what_it_changed() {
    let provider = Provider::new(Plan::default());
    let world = World::embedded(&["IBM", "MSFT"], "2000-12-29");
    world.variable("OPENROUTER_API_KEY", KEY);
    world.config(&format!("{}{ROOM}", provider.as_openrouter()));
    write_news(&world);
    let arm = |brains: &[&str], store: &str| {
        let same = ["--config", "c.toml", "--news", "n.jsonl", "--out", store, "--brains"];
        world.run(&[&same[..], brains].concat())
    };
    let rules = stdout(&arm(&["rules"], "rules"));
    assert!(!rules.contains("model of"), "{rules}");
    let by_rules = adds_up(&world, "rules");
    assert!(world.spent("rules").abs() < 1e-12 && provider.asked().is_empty());

    let said = arm(&["model"], "model");
    let (told, shown) = (said.stderr(), stdout(&said));
    let by_model = adds_up(&world, "model");
    assert!(told.contains("together at most $"), "{told}");
    let names = ["signal_analyst", "risk_guardian", "position_sizer", "execution_timer"];
    for name in names.iter().chain(&["exit_strategist", "news_reader"]) {
        assert!(shown.contains(&format!("\n{name} ")), "{name} in {shown}");
        let of = row(&by_model, name);
        let (asked, most) = (number(of, "consultations"), &of["expected"]);
        assert!(asked > 0 && asked <= number(most, "consultations_at_most"), "{of:#}");
        let cost = of["cost_usd"].as_f64().expect("a cost");
        assert!(cost > 0.0 && most["cost_usd"].as_f64() >= Some(cost), "{of:#}");
        assert!(text(&of["model"]).contains("claude"), "{of:#}");
    }
    let readings = provider.asked().iter().filter(|asked| asked.agent == "news_reader").count();
    assert_eq!(number(row(&by_model, "news_reader"), "consultations"), readings as u64);
    assert!(world.spent("model") + 1e-9 >= provider.billed_usd(), "no bill is larger");

    let asked = provider.asked().len();
    let recorded = stdout(&arm(&["recorded", "--tape", "model/tape.jsonl"], "recorded"));
    let by_tape = adds_up(&world, "recorded");
    assert_eq!(provider.asked().len(), asked, "nobody was asked");
    assert!(recorded.contains("model of") && world.spent("recorded").abs() < 1e-12, "{recorded}");
    for name in names.iter().chain(&["exit_strategist", "news_reader"]) {
        for key in PARTS.iter().chain(&["consultations", "clamps", "vetoes", "model"]) {
            let (then, now) = (&row(&by_model, name)[*key], &row(&by_tape, name)[*key]);
            assert_eq!(then, now, "{key} of {name}");
        }
    }

    for store in ["model", "recorded"] {
        tells_what_models_changed(&world, store, (&by_rules, &by_model));
    }
    tells_what_its_agents_were_worth(&world, &by_model);
    assert_eq!(provider.asked().len(), asked, "nobody was asked");
}

/// `replay --brains rules` tells of both arms what was asked and paid, and what came of it.
fn tells_what_models_changed(world: &World, store: &str, (by_rules, by_model): (&Value, &Value)) {
    let args = ["replay", store, "--brains", "rules"];
    let shown = stdout(&world.verb(&args));
    for line in ["consultations: applied", "cost of models", "rounds: act", "max drawdown"] {
        assert!(shown.contains(&format!("\n{line} ")), "{line} in {shown}");
    }
    assert!(shown.contains("decisions that differ: "), "{shown}");
    let told = stdout(&world.verb(&[&args[..], &["--format", "json"]].concat()));
    let told: Value = serde_json::from_str(&told).expect("json");
    let (was, is) = (&told["asked"]["was"], &told["asked"]["what_if"]);
    assert_eq!(was["consultations"], by_model["consultations"], "{told:#}");
    let cost: f64 = text(&was["cost_usd"]).parse().expect("an amount");
    assert!((cost - world.spent(store)).abs() < 1e-9, "{cost}");
    // What rules would have done is what they did.
    assert_eq!(is["consultations"], by_rules["consultations"], "{told:#}");
    let figures = told["figures"].as_array().expect("figures");
    let end = figures.iter().find(|it| it["figure"] == "end equity").expect("a figure");
    assert_eq!(end["what_if"], by_rules["end_equity"]);
    assert_eq!(end["was"], by_model["end_equity"]);
}

/// A scorecard of models is an approximation and says so; it asks and pays nobody, and what each agent
/// cost is what the run paid for it.
fn tells_what_its_agents_were_worth(world: &World, by_model: &Value) {
    let shown = stdout(&world.verb(&["scorecard", "model", "--format", "json"]));
    let card: Value = serde_json::from_str(&shown).expect("json");
    let note = text(&card["notes"][0]);
    assert!(note.starts_with("approximate: "), "{note}");
    let lines = card["lines"].as_array().expect("lines");
    assert_eq!(lines.len(), 5);
    for line in lines {
        let (name, frozen) = (text(&line["agent"]), &line["worth"]["frozen"]);
        assert!(note.contains(&name), "{note}");
        assert_eq!(frozen.as_array().map(Vec::len), Some(4), "the others are frozen: {line:#}");
        let cost: f64 = text(&line["cost_usd"]).parse().expect("an amount");
        let paid = row(by_model, &name)["cost_usd"].as_f64().expect("a cost");
        assert!(cost > 0.0 && (cost - paid).abs() < 1e-9, "{name}: {cost} {paid}");
    }
    let words = card["words"].as_array().expect("words");
    assert!(
        words
            .iter()
            .all(|it| text(it).contains("its model cost") || text(it).contains("changed nothing")),
        "{words:?}"
    );
}

/// How long one consultation may take in all, under chaos; no limit of the rounds is shorter.
const DEADLINE: Duration = Duration::from_secs(4);

/// Chaos at a provider that takes its time, under a cap that binds: every round ends within its
/// deadline, none acts without its guardian, rules take over where the money is spent and the records
/// say so, and not a cent more than the cap is spent.
#[test]
fn chaos_under_a_cap_that_binds_leaves_rounds_to_the_rules_and_spends_no_cent_more() {
    let provider = Provider::new(Plan {
        latency: Duration::from_millis(300),
        rate_limited: 20,
        failing: 10,
        broken: 10,
        nonsense: 10,
        ..Plan::default()
    });
    let shares = [("AAA", 0.0, 31.0), ("BBB", 1.3, 37.0), ("CCC", 2.6, 43.0)];
    let world = World::of(&shares, 400);
    world.variable("OPENROUTER_API_KEY", KEY);
    world.variable("ANTHROPIC_API_KEY", KEY);
    for tier in ["HAIKU", "SONNET"] {
        let name = format!("CONCLAVE__MODELS__{tier}_DEADLINE");
        world.variable(&name, &format!("{}s", DEADLINE.as_secs()));
    }
    // Room for half of what the rounds would ask, at what failures are booked with.
    let cap = 0.05;
    world.config(&format!(
        "{}[budgets]\nteam_per_hour = 20000\nall_per_hour = 20000\nusd_per_call = \"{cap}\"\n\
         usd_per_run = \"{cap}\"\n",
        provider.as_both()
    ));
    world.run(&["--config", "c.toml", "--brains", "model", "--out", "r"]).succeeds();
    assert!(nobody_acts_without_the_guardian(&world, "r") > 2);
    let summary = adds_up(&world, "r");
    world.verify("r");

    let (spent, billed) = (world.spent("r"), provider.billed_usd());
    assert!(spent <= cap + 1e-9 && spent + 1e-9 >= billed, "{spent} of {cap}, {billed} billed");

    let advised = decided(&world, "r", "advice.clamped");
    let refused = advised.iter().filter(|it| !it["body"]["refused"].is_null());
    let by_rules: Vec<&Value> = refused.collect();
    assert!(!by_rules.is_empty(), "the cap did not bind: {spent} spent");
    for record in &by_rules {
        assert_eq!(record["body"]["brain"], "rules", "{record}");
        assert!(text(&record["body"]["refused"]).starts_with("safety.money"), "{record}");
    }
    let by_models = advised.iter().filter(|it| text(&it["body"]["brain"]).contains("claude"));
    assert!(by_models.count() > 0, "models answered while there was money");
    let denials = summary["denials"].as_object().expect("denials").iter();
    let money = denials.filter(|(code, _)| code.starts_with("safety.money"));
    let denied: u64 = money.filter_map(|(_, count)| count.as_u64()).sum();
    assert!(denied >= by_rules.len() as u64, "{denied} of {}", by_rules.len());

    let took = world.steps("r", "advice.clamped").into_iter().filter(|it| !it["of"].is_null());
    let took: Vec<u64> = took.filter_map(|it| it["body"]["latency_us"].as_u64()).collect();
    assert_eq!(took.len(), advised.len());
    // A loaded machine wakes who waits a little late.
    let longest = Duration::from_micros(took.into_iter().max().unwrap_or_default());
    assert!(longest < DEADLINE + Duration::from_secs(2), "{longest:?}");
}
