//! `conclave exchange` as the other side of a run of an open market: minutes of three shares that swing,
//! and a clock that a test moves.

use std::fmt::Write as _;
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::process::{Child, Stdio};
use std::time::Duration;

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan as _};
use serde_json::Value;

use crate::rig::{Running, World, request, text, wait_for};

/// What is traded: names, phases and periods of their swings.
const SHARES: [(&str, f64, f64); 3] = [("AAA", 0.0, 61.0), ("BBB", 1.3, 73.0), ("CCC", 2.6, 83.0)];
/// The first day that is traded; before it are short sessions to warm up on.
pub(crate) const DAY: &str = "2024-02-08";
/// Bars of a day of history.
const SHORT: i64 = 30;
/// Bars of a day that is traded.
const WHOLE: i64 = 390;

/// An exchange that is up. Killed when it is dropped.
pub(crate) struct Venue {
    child: Child,
    pub(crate) url: String,
    pub(crate) keys: [(&'static str, String); 2],
}

impl Venue {
    /// Opens on the morning of [`DAY`]; its clock stands unless `more` says otherwise. Whatever is started
    /// in `world` from now on knows where it is, and has its keys.
    pub(crate) fn open(world: &World, more: &[&str]) -> Self {
        let files = SHARES.map(|(name, phase, period)| {
            let file = format!("{name}-minutes/{name}.csv");
            fs::create_dir_all(world.path(&format!("{name}-minutes"))).expect("a directory");
            fs::write(world.path(&file), minutes(phase, period)).expect("a file");
            file
        });
        Self::of(world, DAY, &files, more)
    }

    /// The same on the morning of a day, with these files of bars.
    pub(crate) fn of(world: &World, day: &str, files: &[String], more: &[&str]) -> Self {
        let mut args = vec!["exchange", "--port", "0", "--rate", "0", "--store", "venue"];
        args.extend(["--from", day, "--data"]);
        args.extend(files.iter().map(String::as_str));
        if !more.contains(&"--speed") {
            args.extend(["--speed", "step"]);
        }
        args.extend(more);
        let log = fs::File::create(world.path("venue.log")).expect("a log");
        let mut command = world.command(&args);
        let mut child =
            command.stdout(Stdio::piped()).stderr(log).spawn().expect("the binary starts");
        let said = BufReader::new(child.stdout.take().expect("its output"));
        let mut lines = said.lines().map(|line| line.expect("a line"));
        let mut after = |mark: &str| {
            let line = lines.find(|line| line.contains(mark)).expect("it says where it is");
            let (_, rest) = line.split_once(mark).expect("such a line");
            rest.split(": ").next().unwrap_or_default().to_owned()
        };
        let url = format!("http{}", after("exchange on http"));
        let keys = ["APCA_API_KEY_ID", "APCA_API_SECRET_KEY"];
        let [key, secret] = keys.map(|name| {
            let value = after(&format!("{name}="));
            world.variable(name, &value);
            value
        });
        let keys = [("APCA-API-KEY-ID", key), ("APCA-API-SECRET-KEY", secret)];
        let venue = Self { child, url, keys };
        venue.tell(world, &venue.url);
        venue
    }

    /// Has whatever is started in `world` from now on find it at `url`, such as behind a proxy.
    pub(crate) fn tell(&self, world: &World, url: &str) {
        let stream = self.url.replace("http:", "ws:");
        for (name, value) in [
            ("TRADING_URL", url.to_owned()),
            ("DATA_URL", self.url.clone()),
            ("STREAM_URL", format!("{stream}/stream")),
            ("DATA_STREAM_URL", stream.clone()),
            ("REQUESTS_PER_MINUTE", "100000".to_owned()),
        ] {
            world.variable(&format!("CONCLAVE__ALPACA__{name}"), &value);
        }
    }

    /// Asks it.
    #[track_caller]
    pub(crate) fn ask(&self, method: &str, path: &str, body: &str) -> Value {
        let answer = request(&self.url, (method, path), &self.keys, body);
        let (status, body) = answer.expect("the exchange answers");
        assert!(status < 300, "{method} {path}: {status} {body}");
        serde_json::from_str(&body).unwrap_or_default()
    }

    /// Moves its clock to `hh:mm:ss` of New York on a day.
    pub(crate) fn until(&self, day: &str, time: &str) {
        let day: Date = day.parse().expect("a day");
        let time = time.parse().expect("a time");
        let zone = TimeZone::get("America/New_York").expect("a zone");
        let at = day.to_datetime(time).to_zoned(zone).expect("a moment").timestamp();
        self.ask("POST", "/sandbox/step", &format!("{{\"until\":\"{at}\"}}"));
    }

    /// Its time.
    pub(crate) fn now(&self) -> String {
        text(&self.ask("GET", "/sandbox", "")["now"])
    }

    /// Plays one minute, and waits for nobody.
    pub(crate) fn tick(&self) {
        self.ask("POST", "/sandbox/step", "{\"seconds\":60}");
    }

    /// Plays one minute, and waits until the run has heard its bars.
    #[track_caller]
    pub(crate) fn minute(&self, running: &mut Running<'_>) {
        self.tick();
        let now = self.now();
        running.wait(&format!("the bar until {now}"), |running| now <= running.market_time());
    }

    /// What goes wrong from now on.
    pub(crate) fn plan(&self, faults: &[&str]) {
        let faults = serde_json::json!({ "faults": faults }).to_string();
        self.ask("POST", "/sandbox/faults", &faults);
    }

    /// Its orders that match a query, oldest first.
    pub(crate) fn orders(&self, status: &str) -> Vec<Value> {
        let all =
            self.ask("GET", &format!("/v2/orders?status={status}&limit=500&direction=asc"), "");
        all.as_array().cloned().unwrap_or_default()
    }

    /// Its positions: symbol and quantity, by symbol.
    pub(crate) fn positions(&self) -> Vec<(String, f64)> {
        let all = self.ask("GET", "/v2/positions", "");
        let all = all.as_array().expect("positions").iter();
        let mut held: Vec<_> =
            all.map(|held| (text(&held["symbol"]), number(&held["qty"]))).collect();
        held.sort_by(|one, two| one.0.cmp(&two.0));
        held
    }

    /// Whether a stop for the whole of it rests behind every position.
    pub(crate) fn is_protected(&self) -> bool {
        let open = self.orders("open");
        let is_behind = |order: &Value, symbol: &str, qty: f64| {
            let closes = if qty < 0.0 { "buy" } else { "sell" };
            let is_stop = text(&order["type"]).starts_with("stop");
            let left = number(&order["qty"]) - number(&order["filled_qty"]);
            is_stop
                && order["symbol"] == symbol
                && order["side"] == closes
                && (left - qty.abs()).abs() < 1e-9
        };
        self.positions()
            .iter()
            .all(|(symbol, qty)| open.iter().any(|order| is_behind(order, symbol, *qty)))
    }

    /// The account's cash.
    pub(crate) fn cash(&self) -> f64 {
        number(&self.ask("GET", "/v2/account", "")["cash"])
    }

    /// Every update of an order that it has sent.
    pub(crate) fn updates(world: &World) -> Vec<Value> {
        let lines = world.file("venue", "exchange.jsonl");
        let lines = lines.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        lines.map(|line| line["update"].clone()).collect()
    }
}

impl Drop for Venue {
    fn drop(&mut self) {
        // It has ended already if this fails.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Asserts that both sides hold the same, to the last share and cent.
#[track_caller]
pub(crate) fn assert_agreed(venue: &Venue, running: &Running<'_>) {
    let (ours, theirs) = (account(running), (venue.positions(), venue.cash()));
    assert_eq!(ours.0, theirs.0, "positions");
    assert!((ours.1 - theirs.1).abs() < 0.005, "cash: {} here, {} there", ours.1, theirs.1);
}

/// Whether they do.
pub(crate) fn is_agreed(venue: &Venue, running: &Running<'_>) -> bool {
    let (ours, theirs) = (account(running), (venue.positions(), venue.cash()));
    ours.0 == theirs.0 && (ours.1 - theirs.1).abs() < 0.005
}

/// What a run holds: symbols with their quantities, by symbol, and its cash.
fn account(running: &Running<'_>) -> (Vec<(String, f64)>, f64) {
    // Whoever has just been asked often may want a moment.
    let tries = (0..1_000).find_map(|_| {
        let view = running.get("positions");
        if view.is_none() {
            wait_for(Duration::from_millis(20));
        }
        view
    });
    let view = tries.expect("positions");
    let all = view["positions"].as_array().expect("a list").iter();
    let ours = all.filter(|held| held["book"] == "real").map(|held| {
        let sign = if held["side"] == "short" { -1.0 } else { 1.0 };
        (text(&held["symbol"]), sign * number(&held["qty"]))
    });
    let mut ours: Vec<_> = ours.collect();
    ours.sort_by(|one, two| one.0.cmp(&two.0));
    (ours, number(&view["account"]["cash"]))
}

/// A number that may be written as a text.
pub(crate) fn number(value: &Value) -> f64 {
    let text = value.as_str().and_then(|text| text.parse().ok());
    text.or_else(|| value.as_f64()).unwrap_or(f64::NAN)
}

/// The arguments of a run of the open market.
pub(crate) fn trading<'a>(store: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    let mut args = vec!["run", "--broker", "alpaca", "--symbols", "AAA,BBB,CCC", "--out", store];
    args.extend(more);
    args
}

/// Minutes of 27 short sessions and two whole ones, the first of them [`DAY`].
fn minutes(phase: f64, period: f64) -> String {
    let mut text = "timestamp,open,high,low,close,volume\n".to_owned();
    let zone = TimeZone::get("America/New_York").expect("a zone");
    let last = DAY.parse::<Date>().expect("a day");
    let mut day: Date = jiff::civil::date(2024, 1, 2);
    let mut nth = 0_u32;
    while day <= last.tomorrow().expect("a day") {
        let is_open =
            day.weekday().to_monday_one_offset() <= 5 && day != jiff::civil::date(2024, 1, 15);
        let bars = if day < last { SHORT } else { WHOLE };
        let open = day.at(9, 30, 0, 0).to_zoned(zone.clone()).expect("a moment").timestamp();
        for minute in (0..bars).filter(|_| is_open) {
            let at: Timestamp = open + minute.minutes();
            let price = |nth: u32| {
                let turn = std::f64::consts::TAU * f64::from(nth) / period;
                100.0 * (1.0 + 0.003 * (turn + phase).sin())
            };
            let (from, to) = (price(nth), price(nth + 1));
            let (high, low) = (from.max(to) * 1.0002, from.min(to) * 0.9998);
            writeln!(text, "{at},{from:.4},{high:.4},{low:.4},{to:.4},100000").expect("a text");
            nth += 1;
        }
        day = day.tomorrow().expect("a day");
    }
    text
}
