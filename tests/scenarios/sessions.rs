//! Coins and shares together, where their hours part: over a weekend, and over both switches of daylight
//! saving.

use std::fmt::Write as _;
use std::fs;
use std::time::Duration;

use conclave_domain::market::calendar::Calendar;
use conclave_domain::time::Time;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde_json::Value;

use crate::rig::{Running, World, text};
use crate::venue::{Venue, assert_agreed};

const COIN: &str = "BTC/USD";
/// Names, phases and periods of the swings, in minutes.
const MARKET: [(&str, f64, f64); 3] = [("AAA", 0.0, 61.0), ("BBB", 1.3, 73.0), (COIN, 2.6, 67.0)];
/// Days of history before the first day.
const HISTORY: i64 = 38;
/// Minutes of a day of history.
const SHORT: u64 = 30;

/// A stretch of a day in New York in which there are bars.
#[derive(Clone, Copy)]
struct Stretch {
    day: &'static str,
    from: &'static str,
    minutes: u64,
    /// Whether shares have bars in it too.
    shares: bool,
}

impl Stretch {
    const fn new(day: &'static str, from: &'static str, minutes: u64, shares: bool) -> Self {
        Self { day, from, minutes, shares }
    }

    fn begins(self) -> Time {
        at(self.day, self.from)
    }
}

/// A time of New York.
fn at(day: &str, time: &str) -> Time {
    let (day, time): (Date, jiff::civil::Time) =
        (day.parse().expect("a day"), time.parse().expect("a time"));
    let zone = TimeZone::get("America/New_York").expect("a zone");
    day.to_datetime(time).to_zoned(zone).expect("a moment").timestamp().into()
}

/// Bars of a thing that swings: half an hour a day before `first`, and these stretches.
fn bars((name, phase, period): (&str, f64, f64), first: &str, stretches: &[Stretch]) -> String {
    let calendar = if name == COIN { Calendar::Always } else { Calendar::Xnys };
    let first: Date = first.parse().expect("a day");
    let days = (1..=HISTORY).rev().map(|back| first - jiff::Span::new().days(back));
    let opens = days.filter(|day| calendar.is_session(*day)).map(|day| {
        // Coins begin their days in the night of New York, and are traded at its noon here.
        let (open, _) = calendar.open_close(day).expect("a session");
        if name == COIN { open + Duration::from_hours(17) } else { open }
    });
    let mut spans: Vec<(Time, u64)> = opens.map(|open| (open, SHORT)).collect();
    let ours = stretches.iter().filter(|it| it.shares || name == COIN);
    spans.extend(ours.map(|it| (it.begins(), it.minutes)));
    let mut text = "timestamp,open,high,low,close,volume\n".to_owned();
    let mut nth = 0_u32;
    for (from, minutes) in spans {
        for minute in 0..minutes {
            let price = |nth: u32| {
                let turn = std::f64::consts::TAU * f64::from(nth) / period;
                100.0 * (1.0 + 0.003 * (turn + phase).sin())
            };
            let (open, close) = (price(nth), price(nth + 1));
            let (high, low) = (open.max(close) * 1.0002, open.min(close) * 0.9998);
            let at = from + Duration::from_mins(minute);
            writeln!(text, "{at},{open:.4},{high:.4},{low:.4},{close:.4},100000").expect("a text");
            nth += 1;
        }
    }
    text
}

/// An exchange of the market on the morning of the first stretch's day.
fn open(world: &World, stretches: &[Stretch]) -> Venue {
    let day = stretches[0].day;
    fs::create_dir_all(world.path("bars")).expect("a directory");
    let files = MARKET.map(|of| {
        let file = format!("bars/{}.csv", of.0.replace('/', "_"));
        fs::write(world.path(&file), bars(of, day, stretches)).expect("a file");
        file
    });
    let table = format!("symbol,class,sector,name\n{COIN},crypto,coins,Bitcoin\n");
    fs::write(world.path("assets.csv"), table).expect("a file");
    Venue::of(world, day, &files, &["--assets", "assets.csv"])
}

/// Goes to a stretch and plays it minute by minute, but for its last `without` ones.
#[track_caller]
fn play(venue: &Venue, running: &mut Running<'_>, stretch: Stretch, without: u64) {
    venue.until(stretch.day, stretch.from);
    for _ in 0..stretch.minutes - without {
        venue.minute(running);
    }
    running.wait("a stop behind every position", |_| venue.is_protected());
}

fn trading<'a>(more: &[&'a str]) -> Vec<&'a str> {
    let mut args = vec!["run", "--broker", "alpaca", "--symbols", "AAA,BBB,BTC/USD", "--out", "r"];
    args.extend(["--mode", "autonomous"]);
    args.extend(more);
    args
}

fn is_share(order: &Value) -> bool {
    order["symbol"] != COIN
}

/// Orders that the exchange took between two moments, the first included.
fn taken(venue: &Venue, from: Time, until: Time) -> Vec<Value> {
    let made = |order: &Value| text(&order["created_at"]).parse::<Time>().expect("a time");
    let orders = venue.orders("all").into_iter();
    orders.filter(|order| from <= made(order) && made(order) < until).collect()
}

fn is_until_canceled(order: &Value) -> bool {
    order["time_in_force"] == "gtc"
}

/// What is held of shares.
fn shares(venue: &Venue) -> Vec<(String, f64)> {
    venue.positions().into_iter().filter(|(symbol, _)| !symbol.starts_with("BTC")).collect()
}

fn is_entry(order: &Value) -> bool {
    text(&order["position_intent"]).ends_with("_to_open")
}

/// Candidates that a gate has stopped with this code between two moments.
fn denied(world: &World, code: &str, from: Time, until: Time) -> Vec<String> {
    let within = |record: &Value| {
        let at = text(&record["at"]).parse::<Time>();
        at.is_ok_and(|at| from <= at && at < until) && record["body"]["code"] == code
    };
    let records = world.steps("r", "candidate.denied").into_iter().filter(within);
    records.map(|record| text(&record["decision"])).collect()
}

#[test]
fn coins_are_traded_over_a_weekend_and_shares_rest_behind_their_stops() {
    let world = World::of(&[], 0);
    let friday = Stretch::new("2024-02-09", "13:00:00", 180, true);
    // Over midnight in New York, and over that of UTC.
    let saturday = Stretch::new("2024-02-10", "18:00:00", 390, false);
    let sunday = Stretch::new("2024-02-11", "20:00:00", 120, false);
    let monday = Stretch::new("2024-02-12", "09:30:00", 120, true);
    let venue = open(&world, &[friday, saturday, sunday, monday]);
    venue.until(friday.day, friday.from);
    let mut running = world.serve("r", &trading(&[]));
    play(&venue, &mut running, friday, 0);
    let held = shares(&venue);
    assert!(!held.is_empty(), "a share is held over the weekend");
    let (close, opening) = (at(friday.day, "16:00:00"), monday.begins());
    for day in [saturday, sunday] {
        play(&venue, &mut running, day, 0);
        // What is older than the coins' last bar is old because its market is closed.
        running.wait("new risk is taken", |running| {
            let status = running.get("status").unwrap_or_default();
            status["trading_state"]["state"] == "active"
        });
        assert_agreed(&venue, &running);
        // An entry for the day has ended with it; what rests is behind a position.
        let mut resting = venue.orders("open").into_iter().filter(is_share);
        assert!(resting.all(|order| !is_entry(&order)), "{:#?}", venue.orders("open"));
        assert_eq!(shares(&venue), held);
        for (symbol, _) in &held {
            // Behind the stop of Friday, which has not ended with its day.
            let is_theirs = |order: &Value| {
                order["symbol"] == symbol[..] && order["type"] == "stop" && is_until_canceled(order)
            };
            assert!(venue.orders("open").iter().any(is_theirs), "{:#?}", venue.orders("open"));
        }
    }
    let weekend = taken(&venue, close, opening);
    assert!(!weekend.iter().any(|order| is_share(order) && is_entry(order)), "{weekend:#?}");
    let all = venue.orders("all");
    let filled = |order: &&Value| {
        let at = text(&order["filled_at"]).parse::<Time>();
        !is_share(order) && at.is_ok_and(|at| close <= at && at < opening)
    };
    let (entries, exits): (Vec<_>, Vec<_>) = all.iter().filter(filled).partition(|it| is_entry(it));
    assert!(!entries.is_empty() && !exits.is_empty(), "coins were bought and sold: {all:#?}");
    play(&venue, &mut running, monday, 0);
    let entries = taken(&venue, opening, at(monday.day, "16:00:00"));
    assert!(entries.iter().any(|order| is_share(order) && is_entry(order)), "{entries:#?}");
    assert_agreed(&venue, &running);
    assert!(running.terminate().success());
    world.verify("r");
}

/// A run from the Saturday before a switch, through it, to the close of Monday, with bars of shares from
/// an hour before the opening on. `hours` are Monday's, UTC.
#[track_caller]
fn switch([saturday, sunday, monday]: [&'static str; 3], hours: (&str, &str)) {
    let world = World::of(&[], 0);
    // The clocks change at two; coins have a minute in each of them.
    let night = Stretch::new(saturday, "23:30:00", 270, false);
    let noon = Stretch::new(sunday, "12:00:00", 120, false);
    let morning = Stretch::new(monday, "08:30:00", 120, true);
    // An hour before the close, which was the close a week ago where the clocks went back.
    let afternoon = Stretch::new(monday, "14:55:00", 10, true);
    let evening = Stretch::new(monday, "15:50:00", 10, true);
    let venue = open(&world, &[night, noon, morning, afternoon, evening]);
    venue.until(night.day, night.from);
    let mut running = world.serve("r", &trading(&["--until-close"]));
    for stretch in [night, noon, morning, afternoon] {
        play(&venue, &mut running, stretch, 0);
        assert_agreed(&venue, &running);
    }
    // It lives up to the last minute, and ends with it.
    play(&venue, &mut running, evening, 1);
    venue.ask("POST", "/sandbox/step", "{\"seconds\":60}");
    assert!(running.ended().success(), "{}", world.log("r"));
    world.verify("r");

    let (open, close) = (format!("{monday}T{}Z", hours.0), format!("{monday}T{}Z", hours.1));
    let (open, close): (Time, Time) =
        (open.parse().expect("a time"), close.parse().expect("a time"));
    let of_shares = |from, until| {
        let orders = taken(&venue, from, until);
        orders.iter().filter(|order| is_share(order) && is_entry(order)).count()
    };
    assert_eq!(of_shares(Time::EPOCH, open), 0, "before the opening");
    assert!(of_shares(open, open + Duration::from_hours(1)) > 0, "in the first hour");
    assert_eq!(of_shares(close, close + Duration::from_hours(48)), 0, "behind the close");
    let early = denied(&world, "gate.session", Time::EPOCH, open);
    assert!(!early.is_empty() && !early.iter().any(|it| it.contains("BTC")), "{early:?}");
    assert_eq!(denied(&world, "gate.session", open, close), Vec::<String>::new());
    let coins = taken(&venue, Time::EPOCH, open).into_iter().filter(|order| !is_share(order));
    assert!(coins.count() > 1, "coins from Saturday on");
}

#[test]
fn the_session_of_monday_is_an_hour_earlier_behind_the_switch_of_march() {
    switch(["2024-03-09", "2024-03-10", "2024-03-11"], ("13:30:00", "20:00:00"));
}

#[test]
fn the_session_of_monday_is_an_hour_later_behind_the_switch_of_november() {
    switch(["2024-11-02", "2024-11-03", "2024-11-04"], ("14:30:00", "21:00:00"));
}
