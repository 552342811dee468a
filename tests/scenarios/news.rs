//! News through the built binary: what a run knows of them, and what they cannot do.

use std::fmt::Write as _;
use std::fs;

use serde_json::{Value, json};

use crate::rig::{World, text};

/// The shares of [`World::new`].
const SHARES: [&str; 3] = ["AAA", "BBB", "CCC"];

/// The texts of the corpus: headline and body.
fn corpus() -> Vec<(String, String)> {
    let text_of = include_str!("../golden/hostile_headlines.jsonl");
    let read = |line: &str| {
        let line: Value = serde_json::from_str(line).expect("json");
        (text(&line["headline"]), text(&line["body"]))
    };
    text_of.lines().map(read).collect()
}

/// Writes a file of news in which each share has an item at 18:00 New York time or so on every day of
/// the world's market, the texts one after the other.
fn write_news(world: &World, name: &str, texts: &[(String, String)]) -> usize {
    let mut lines = String::new();
    let mut day = jiff::civil::date(2013, 1, 7);
    let mut id = 0;
    while day < jiff::civil::date(2014, 9, 1) {
        for share in SHARES {
            let (headline, body) = &texts[id % texts.len()];
            id += 1;
            // The same text is news only once: each has a number of its own.
            let line = json!({"id": id, "known_at": format!("{day}T23:00:00Z"), "symbol": share,
                              "headline": headline, "body": format!("{body} No. {id}.")});
            writeln!(lines, "{line}").expect("a text");
        }
        day = day.tomorrow().expect("a day");
    }
    fs::write(world.path(name), lines).expect("a file");
    id
}

/// L-1: nothing with `known_at` after the as-of time reaches a brief.
///
/// Method: every day at 23:00 each share has an item, so a brief of a session's close, 20:00 or 21:00,
/// has seen the four of the days before and not its own day's.
#[test]
fn a_brief_knows_the_news_of_its_time_and_none_later() {
    let world = World::new();
    let texts = [("Invented: shares rise".to_owned(), "Nothing of it happened.".to_owned())];
    write_news(&world, "news.jsonl", &texts);
    world.run(&["--out", "with", "--news", "news.jsonl"]).succeeds();
    world.run(&["--out", "without"]).succeeds();
    let told = world.steps("with", "consult.sent");
    assert!(told.len() > 20, "{}", told.len());
    for record in &told {
        let (brief, at) = (&record["body"]["brief"], text(&record["at"]));
        let begun = at.as_str() > "2013-01-12";
        assert!(!begun || brief["news"]["items"] == 4, "{at}: {}", brief["news"]);
        assert!(!begun || brief["news"]["newest_age_hours"].as_u64() > Some(20), "{at}");
        assert_eq!(
            (&brief["news"]["sentiment"], &brief["news"]["suspected"]),
            (&1.into(), &0.into())
        );
    }
    let without = world.steps("without", "consult.sent");
    assert!(without.iter().all(|record| record["body"]["brief"].get("news").is_none()));
    world.verb(&["replay", "with"]).succeeds();
}

/// F-1: a flood of hostile headlines moves no bound, no gate, no mode, and none of it is written down.
#[test]
fn a_flood_of_hostile_headlines_moves_nothing_but_caution() {
    let world = World::new();
    let corpus = corpus();
    write_news(&world, "hostile.jsonl", &corpus);
    world.run(&["--out", "flood", "--news", "hostile.jsonl"]).succeeds();
    world.run(&["--out", "calm"]).succeeds();
    world.verify("flood");
    let (flood, calm) = (world.summary("flood"), world.summary("calm"));
    assert_eq!(flood["mode"], calm["mode"]);
    assert_eq!(flood["config_hash"], calm["config_hash"]);
    for step in ["mode.changed", "state.changed", "order.submitted"] {
        assert!(step == "order.submitted" || world.steps("flood", step).is_empty(), "{step}");
    }
    let told = world.steps("flood", "consult.sent");
    assert!(told.iter().filter(|it| it["body"]["brief"]["news"]["suspected"] == 4).count() > 20);
    // The first entry is the last that both runs meet with the same account.
    let first = |store: &str| {
        let cleared = world.steps(store, "order.cleared").into_iter();
        let mut quantities = cleared.filter_map(|it| {
            let qty = it.pointer("/body/intent/qty").or_else(|| it.pointer("/body/qty"))?;
            Some((text(&it["decision"]), qty.as_str()?.parse::<f64>().ok()?))
        });
        quantities.next().expect("an entry")
    };
    let (flooded, calm) = (first("flood"), first("calm"));
    assert!(flooded.0 == calm.0 && flooded.1 <= calm.1, "{flooded:?} {calm:?}");
    for entry in fs::read_dir(world.path("flood")).expect("a run") {
        let path = entry.expect("an entry").path();
        let Ok(bytes) = fs::read(&path) else { continue };
        let written = String::from_utf8_lossy(&bytes);
        for (headline, body) in &corpus {
            for part in [headline, body].into_iter().filter(|part| part.len() > 24) {
                assert!(!written.contains(part.as_str()), "{}: {part}", path.display());
            }
        }
    }
}

#[test]
fn what_cannot_be_dated_is_turned_away_and_what_is_no_news_is_refused() {
    let world = World::new();
    let item = |id: u32, known_at: Value, event_at: Value| {
        json!({"id": id, "known_at": known_at, "event_at": event_at, "symbol": "AAA",
               "headline": format!("Invented item {id}")})
        .to_string()
    };
    let day = |day: u32| Value::from(format!("2013-02-{day:02}T12:00:00Z"));
    let lines = [
        item(1, day(4), day(4)),
        item(2, Value::Null, day(4)),
        item(3, day(20), day(4)),
        item(4, day(4), day(5)),
    ];
    fs::write(world.path("n.jsonl"), lines.join("\n")).expect("a file");
    let said = world.run(&["--out", "r", "--news", "n.jsonl"]);
    let told = said.succeeds().stderr();
    for why in
        ["does not say when it was known", "more than two days after", "before what it tells"]
    {
        assert!(told.contains(why), "{why}: {told}");
    }
    fs::write(world.path("n.jsonl"), "not json\n").expect("a file");
    world.run(&["--out", "x", "--news", "n.jsonl"]).refuses(8, "line 1 is no JSON");
    world.run(&["--out", "x", "--news", "nowhere.jsonl"]).refuses(8, "nowhere.jsonl");
    // A run that goes on, or is repeated, wants the file that it was begun with.
    world.verb(&["replay", "r"]).refuses(8, "n.jsonl is not the file");
}
