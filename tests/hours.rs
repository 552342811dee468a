//! Seasons of the arena that go by the hour: coins through a weekend, shares within their sessions.

use std::fmt::Write as _;
use std::fs;

use serde_json::Value;

use crate::rig::World;

const HOUR_MS: i64 = 3_600_000;

/// A price that swings by a tenth around its base; bars that open at these times, milliseconds since 1970.
fn swings(opens: &[i64], period: f64, base: f64) -> String {
    let mut text = "timestamp,open,high,low,close,volume\n".to_owned();
    for (nth, at) in (0_u32..).zip(opens) {
        let price =
            |nth: u32| base * (1.0 + 0.1 * (std::f64::consts::TAU * f64::from(nth) / period).sin());
        let (open, close) = (price(nth), price(nth + 1));
        let (high, low) = (open.max(close) * 1.001, open.min(close) * 0.999);
        let at = conclave_domain::time::Time::from_ms(*at);
        writeln!(text, "{at},{open:.2},{high:.2},{low:.2},{close:.2},100000").expect("a text");
    }
    text
}

fn ms(text: &str) -> i64 {
    text.parse::<conclave_domain::time::Time>().expect("a time").ms()
}

/// Plays the last ticks of two symbols of a class; the board, and when its ticks were.
fn season(world: &World, class: &str, symbols: [&str; 2], opens: &[i64]) -> (Value, Vec<String>) {
    fs::create_dir_all(world.path("bars")).expect("a directory");
    let mut table = "symbol,class,sector,name\n".to_owned();
    for (symbol, period) in symbols.into_iter().zip([60.0, 90.0]) {
        let file = format!("bars/{}.csv", symbol.replace('/', "_"));
        fs::write(world.path(&file), swings(opens, period, 100.0)).expect("a file");
        writeln!(table, "{symbol},{class},other,{symbol}").expect("a text");
    }
    fs::write(world.path("bars/assets.csv"), table).expect("a file");
    let args = ["arena", "run", "--data", "bars", "--last", "72", "--out", "s"];
    world.verb(&args).succeeds();
    let board = serde_json::from_str(&world.file("s", "board.json")).expect("a board");
    let curve = world.file("s", "equity.csv");
    let at = |line: &str| line.split(',').next().unwrap_or_default().to_owned();
    (board, curve.lines().skip(1).map(at).collect())
}

fn fees(row: &Value) -> f64 {
    row["fees"].as_str().expect("money").parse().expect("a number")
}

/// Goal: coins have a close at every hour of every day, parts of one are bought, and that costs a fee.
#[test]
fn a_season_of_coins_goes_on_through_the_weekend() {
    let world = World::new();
    let from = ms("2024-01-01T00:00:00Z");
    let opens: Vec<i64> = (0..14 * 24).map(|hour| from + hour * HOUR_MS).collect();
    let (board, ticks) = season(&world, "crypto", ["BTC/USD", "ETH/USD"], &opens);
    assert_eq!(board["market"], "crypto");
    let (first, last) = (ms(&ticks[0]), ms("2024-01-15T00:00:00Z"));
    // A Friday, a whole weekend, and the first close of a Monday.
    assert_eq!(first, ms("2024-01-12T01:00:00Z"));
    let hours: Vec<i64> = (0..72).map(|nth| first + nth * HOUR_MS).collect();
    assert_eq!(ticks.iter().map(|at| ms(at)).collect::<Vec<_>>(), hours);
    assert_eq!(hours.last(), Some(&last));
    let held =
        board["rows"].as_array().expect("rows").iter().find(|row| row["name"] == "buy-and-hold");
    let held = held.expect("a contestant");
    assert!(fees(held) > 0.0, "{held}");
    let trades = world.file("s", "trades.csv");
    let parts = trades
        .lines()
        .skip(1)
        .any(|line| line.split(',').nth(8).is_some_and(|it| it.contains('.')));
    assert!(parts, "{trades}");
}

/// Goal: shares close by the hour within their sessions, and nothing is filled in between: what is wished at
/// a session's last close is filled at the next one's opening. A holiday has no tick.
#[test]
fn a_season_of_shares_by_the_hour_keeps_to_their_sessions() {
    let world = World::new();
    let days = ["02-12", "02-13", "02-14", "02-15", "02-16", "02-20", "02-21", "02-22", "02-23"]
        .into_iter()
        .chain(["02-26", "02-27", "02-28", "02-29", "03-01", "03-04", "03-05"]);
    let opens: Vec<i64> = days
        .flat_map(|day| {
            let open = ms(&format!("2024-{day}T14:30:00Z"));
            (0..6).map(move |hour| open + hour * HOUR_MS)
        })
        .collect();
    let (board, ticks) = season(&world, "equity", ["AAA", "BBB"], &opens);
    assert_eq!(board["market"], "us-hourly");
    let closes: Vec<i64> = opens.iter().map(|open| open + HOUR_MS).collect();
    assert_eq!(ticks.iter().map(|at| ms(at)).collect::<Vec<_>>(), closes[closes.len() - 72..]);
    let trades = world.file("s", "trades.csv");
    let filled: Vec<i64> =
        trades.lines().skip(1).filter_map(|line| line.split(',').nth(4)).map(ms).collect();
    assert!(!filled.is_empty() && filled.iter().all(|at| opens.contains(at)), "{trades}");
}
