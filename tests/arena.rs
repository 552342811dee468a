//! `arena` through the built binary: the rules, and books from elsewhere with their exit codes.

use std::fs;
use std::path::Path;

use conclave_domain::arena::market::{MarketKind, MarketRules};
use serde_json::{Value, json};

use crate::rig::{Said, World};

/// The invented book of the README and its prices, in a directory of their own.
fn world() -> World {
    let world = World::of(&[], 0);
    for name in ["position.jsonl", "merged.jsonl"] {
        let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/arena").join(name);
        fs::copy(from, world.path(name)).expect("a file");
    }
    world
}

/// Changes the book that stands there.
fn spoil(world: &World, from: &str, to: &str) {
    let path = world.path("position.jsonl");
    let text = fs::read_to_string(&path).expect("a book");
    assert!(text.contains(from), "`{from}` is not in the book");
    fs::write(path, text.replace(from, to)).expect("a book");
}

fn verify(world: &World, more: &[&str]) -> Said {
    let mut args = vec!["arena", "verify", "--positions", "position.jsonl"];
    args.extend(["--prices", "merged.jsonl", "--market", "us"]);
    args.extend(more);
    world.verb(&args)
}

fn document(said: &Said) -> Value {
    serde_json::from_slice(&said.0.stdout).expect("one document")
}

#[test]
fn a_book_that_holds_ends_with_its_cash_value_and_holdings() {
    let world = world();
    let said = verify(&world, &["--format", "json"]);
    let found = document(said.succeeds());
    for (key, expected) in [
        ("schema", json!("arena-verify/1")),
        ("market", json!("us")),
        ("mode", json!("strict")),
        ("lines", json!(5)),
        ("trades", json!(3)),
        ("reconciled", json!(3)),
        ("unreconciled", json!(0)),
        ("orphaned", json!(0)),
        ("refused", json!({})),
        ("start_cash", json!("1000")),
        ("final_cash", json!("549.65")),
        ("final_nav", json!("1008.15")),
        ("holdings", json!({"AAA": "2", "BBB": "10"})),
        ("holds", json!(true)),
        ("first_break", Value::Null),
        ("findings_total", json!(0)),
    ] {
        assert_eq!(found[key], expected, "{key}");
    }
    // The newest bar of BBB has its opening price only.
    assert_eq!(found["marks"]["BBB"], json!({"price": "25.05", "at": "2031-03-07"}));
    let text = verify(&world, &[]);
    let text = String::from_utf8_lossy(&text.succeeds().0.stdout).into_owned();
    assert!(text.contains("1008.15 USD") && text.contains("the book holds"), "{text}");
}

#[test]
fn a_book_that_does_not_follow_ends_with_8_and_its_first_break() {
    let world = world();
    spoil(&world, "446.2000000000001", "446.21");
    for mode in ["--strict", "--lenient"] {
        let said = verify(&world, &[mode, "--format", "json"]);
        let found = document(&said);
        said.refuses(8, "position.jsonl does not hold: 2 do not reconcile");
        assert!(said.stderr().contains("the first break is on line 4"), "{}", said.stderr());
        let first = &found["findings"][0];
        assert_eq!((&first["kind"], &first["line"]), (&json!("unreconciled"), &json!(4)));
        assert_eq!(first["expected"], json!({"CASH": "446.2"}));
        assert_eq!(first["stated"], json!({"CASH": "446.21"}));
    }
}

#[test]
fn a_booked_violation_fails_strictly_and_is_listed_leniently() {
    let world = world();
    // With so little cash at the start the second purchase is on credit.
    let books = [("1000.0", "400"), ("699.7000000000001", "99.7"), ("446.2000000000001", "-153.8")];
    for (from, to) in books.into_iter().chain([("549.6500000000001", "-50.35")]) {
        spoil(&world, from, to);
    }
    let strict = verify(&world, &["--format", "json"]);
    assert_eq!(document(&strict)["refused"], json!({"cash": 1}));
    strict.refuses(8, "1 booked against a rule");
    let lenient = verify(&world, &["--lenient", "--format", "json"]);
    let found = document(lenient.succeeds());
    assert_eq!((&found["refused_booked"], &found["final_cash"]), (&json!(1), &json!("-50.35")));
    assert_eq!(found["findings"][0]["rule"], "cash");
}

#[test]
fn a_fee_that_the_book_charges_is_replayed() {
    let world = world();
    verify(&world, &["--fee-bp", "10"]).refuses(8, "do not reconcile");
    for (from, to) in [
        ("699.7000000000001", "699.3997"),
        ("446.2000000000001", "445.6462"),
        ("549.6500000000001", "548.99275"),
    ] {
        spoil(&world, from, to);
    }
    let said = verify(&world, &["--fee-bp", "10", "--format", "json"]);
    let found = document(said.succeeds());
    assert_eq!((&found["fee_bp"], &found["fees"]), (&json!("10"), &json!("0.65725")));
}

#[test]
fn what_cannot_be_read_is_named_by_file_and_line() {
    let world = world();
    spoil(&world, "\"amount\":10", "\"amount\":NaN");
    let said = verify(&world, &["--format", "json"]);
    let found = document(&said);
    said.refuses(8, "1 unreadable");
    assert_eq!(
        (&found["findings"][0]["kind"], &found["findings"][0]["line"]),
        (&json!("unreadable"), &json!(4))
    );
    // Without its line the purchase is not there, and what follows does not follow.
    verify(&world, &["--lenient"]).refuses(8, "1 do not reconcile");
    fs::write(world.path("position.jsonl"), "{\"date\":").expect("a book");
    verify(&world, &[]).refuses(8, "position.jsonl: there is no line to begin with: line 1: EOF");
    fs::write(world.path("position.jsonl"), [b'{', 0xFF]).expect("a book");
    verify(&world, &[]).refuses(8, "position.jsonl is no text: byte 1 is not UTF-8");
}

#[test]
fn files_that_are_not_there_or_of_another_market_are_refused() {
    let world = world();
    let with = |positions: &str, prices: &str, market: &str| {
        let args = ["arena", "verify", "--positions", positions, "--prices", prices];
        world.verb(&[&args[..], &["--market", market]].concat())
    };
    with("nowhere", "merged.jsonl", "us").refuses(5, "nowhere cannot be read");
    with("position.jsonl", "nowhere", "us").refuses(5, "nowhere cannot be read");
    with("position.jsonl", "position.jsonl", "us").refuses(8, "holds no series of prices: line 1");
    for market in ["cn", "cn-hourly", "crypto"] {
        let said = format!("line 2: AAA is no symbol of the market {market}");
        with("position.jsonl", "merged.jsonl", market).refuses(8, &said);
    }
    with("position.jsonl", "merged.jsonl", "mars").refuses(2, "`mars` is no market");
    verify(&world, &["--strict", "--lenient"]).refuses(2, "cannot be used with");
    verify(&world, &["--fee-bp", "1001"]).refuses(2, "basis points");
}

#[test]
fn the_rules_that_are_shown_are_the_ones_that_judge() {
    let world = World::of(&[], 0);
    let said = world.verb(&["arena", "rules", "--format", "json"]);
    let found = document(said.succeeds());
    let markets = found["markets"].as_array().expect("markets");
    assert_eq!(markets.len(), MarketKind::ALL.len());
    for (shown, kind) in markets.iter().zip(MarketKind::ALL) {
        let rules = MarketRules::of(kind);
        assert_eq!(shown["hash"], rules.hash().to_string());
        let read: MarketRules = serde_json::from_value(shown["rules"].clone()).expect("rules");
        assert_eq!(read, rules);
    }
    let one = world.verb(&["arena", "rules", "--market", "cn"]);
    let text = String::from_utf8_lossy(&one.succeeds().0.stdout).into_owned();
    assert!(text.starts_with("cn: 100000 CNY") && text.contains("T+1"), "{text}");
    assert!(!text.contains("USD"), "{text}");
}

/// Round trips of two models, the second of which states a profit that its prices do not give.
fn trips() -> String {
    let trip = |model: &str, net: &str| {
        format!(
            r#"{{"id":"{model}_a","model_id":"{model}","symbol":"X","side":"short","quantity":-2,"entry_price":10.5,"exit_price":10,"entry_time":1900000000.5,"exit_time":1900003600,"leverage":1,"entry_commission_dollars":0.01,"exit_commission_dollars":0.01,"total_commission_dollars":0.02,"entry_closed_pnl":-0.01,"exit_closed_pnl":{net},"realized_gross_pnl":1.0,"realized_net_pnl":{net}}}"#
        )
    };
    let good =
        trip("M.1", "0.99").replace("\"realized_net_pnl\":0.99", "\"realized_net_pnl\":0.98");
    format!("{{\"trades\":[{good},{}],\"serverTime\":1}}", trip("m2", "7.5"))
}

#[test]
fn round_trips_have_a_verdict_for_each_model_and_one_for_all() {
    let world = world();
    fs::write(world.path("trades.json"), trips()).expect("trades");
    let check = |more: &[&str]| {
        let args = ["arena", "verify", "--trades", "trades.json", "--format", "json"];
        world.verb(&[&args[..], more].concat())
    };
    let both = check(&["--cash", "100"]);
    let found = document(&both);
    both.refuses(8, "trades.json does not hold: 1 do not reconcile");
    assert_eq!(
        (&found["trades"], &found["reconciled"], &found["holds"]),
        (&json!(2), &json!(1), &json!(false))
    );
    assert_eq!((&found["start_cash"], &found["final_cash"]), (&json!("200"), &json!("208.48")));
    assert_eq!(found["books"].as_array().map(Vec::len), Some(2));
    let one = check(&["--model", "M.1"]);
    assert_eq!(document(one.succeeds())["final_cash"], "10000.98");
    check(&["--model", "nobody"]).refuses(5, "trades.json has no model nobody");
    check(&["--fee-bp", "1"]).refuses(2, "cannot be used with");
    fs::write(world.path("trades.json"), "{\"trades\":[{}]}").expect("trades");
    check(&[]).refuses(8, "trades.json: there is no round trip: line 1: there is no");
}

#[test]
fn an_import_writes_what_holds_and_nothing_else_unless_told_to() {
    let world = world();
    let import = |more: &[&str]| {
        let args = ["arena", "import", "--positions", "position.jsonl", "--prices", "merged.jsonl"];
        let more = [&["--market", "us", "--out", "books"], more].concat();
        world.verb(&[&args[..], &more].concat())
    };
    import(&["--name", "gpt-9"]).succeeds();
    let book: Value = serde_json::from_str(&world.file("books", "gpt-9.json")).expect("a book");
    assert_eq!((&book["schema"], &book["name"]), (&json!("arena-book/1"), &json!("gpt-9")));
    assert_eq!(book["verdict"]["holds"], true);
    // Three at 100.9 beside 699.7, 102.1, then 103.2 and ten at 25.1 beside 446.2.
    let values: Vec<&str> = book["equity"]
        .as_array()
        .expect("days")
        .iter()
        .filter_map(|it| it["value"].as_str())
        .collect();
    assert_eq!(values, ["1000", "1002.4", "1006", "1006.8", "1008.15"]);
    assert_eq!(book["sources"].as_array().map(Vec::len), Some(2));
    assert_eq!(book["sources"][0]["file"], "position.jsonl");
    spoil(&world, "446.2000000000001", "446.21");
    import(&["--name", "spoilt"]).refuses(8, "position.jsonl does not hold");
    assert!(!world.path("books/spoilt.json").exists());
    import(&["--lenient"]).succeeds();
    let book: Value = serde_json::from_str(&world.file("books", "position.json")).expect("a book");
    assert_eq!(book["verdict"]["holds"], false);
    import(&["--name", "../x"]).refuses(2, "of a-z, 0-9 and `-` are wanted");
}
