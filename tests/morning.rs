//! A morning of a run at `conclave exchange` in which something goes wrong, and how each of them ends.

use std::collections::BTreeMap;
use std::io;
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{JoinHandle, spawn};
use std::time::Duration;

use serde_json::Value;

use crate::rig::{Running, World, text, wait_for};
use crate::venue::{DAY, Venue, assert_agreed, is_agreed, number, trading};

/// A run of the morning of [`DAY`], and its exchange.
pub(crate) struct Morning<'a> {
    pub(crate) world: &'a World,
    pub(crate) venue: &'a Venue,
    pub(crate) door: &'a Door,
    pub(crate) running: Running<'a>,
}

/// What is left of a morning: the exchange's updates by order, in order, and the run's records.
pub(crate) struct Left {
    pub(crate) updates: BTreeMap<String, Vec<Value>>,
    pub(crate) records: Vec<Value>,
    /// What the run said on stderr.
    pub(crate) log: String,
}

/// A morning from the opening on, with these settings of the run.
pub(crate) fn morning(settings: &[(&str, &str)], live: impl FnOnce(&mut Morning<'_>)) -> Left {
    seeded("1", settings, live)
}

/// The same, with faults at random by a seed.
pub(crate) fn seeded(
    seed: &str,
    settings: &[(&str, &str)],
    live: impl FnOnce(&mut Morning<'_>),
) -> Left {
    let world = World::of(&[], 0);
    for (name, value) in settings {
        world.variable(&format!("CONCLAVE__{name}"), value);
    }
    let venue = Venue::open(&world, &["--seed", seed]);
    venue.until(DAY, "09:30:00");
    let door = Door::before(&venue, &world);
    let running = world.serve("r", &trading("r", &["--mode", "autonomous"]));
    let mut morning = Morning { world: &world, venue: &venue, door: &door, running };
    live(&mut morning);
    morning.end()
}

/// A whole morning under one plan.
pub(crate) fn planned(settings: &[(&str, &str)], faults: &[&str]) -> Left {
    morning(settings, |it| {
        it.venue.plan(faults);
        it.minutes(80);
        it.settle();
    })
}

impl Morning<'_> {
    pub(crate) fn minutes(&mut self, count: u32) {
        for _ in 0..count {
            self.venue.minute(&mut self.running);
        }
    }

    /// Plays minutes until something is held, with its stop behind it.
    pub(crate) fn until_held(&mut self) {
        for _ in 0..150 {
            self.venue.minute(&mut self.running);
            if !self.venue.positions().is_empty() {
                break;
            }
        }
        assert!(!self.venue.positions().is_empty(), "something is held");
        self.settle();
    }

    /// Waits until both sides hold the same and every position is protected.
    pub(crate) fn settle(&mut self) {
        let venue = self.venue;
        self.running.wait("both sides agree, with a stop behind every position", |running| {
            is_agreed(venue, running) && venue.is_protected()
        });
    }

    /// Waits until the run has asked the broker something with this outcome, such as `unknown`.
    pub(crate) fn asked(&mut self, outcome: &str, times: f64) {
        let label = format!("outcome=\"{outcome}\"");
        self.running.wait(&format!("{times} times {outcome}"), |running| {
            let text = running.metrics();
            let lines = text.lines().filter(|it| it.starts_with("conclave_broker_requests_total"));
            let of = lines.filter(|line| line.contains(&label));
            let count = |line: &str| line.rsplit(' ').next().and_then(|it| it.parse::<f64>().ok());
            times <= of.filter_map(count).sum()
        });
    }

    /// Waits until the trading state is this.
    pub(crate) fn until_state(&mut self, state: &str) {
        self.running.wait(&format!("the state {state}"), |running| {
            let status = running.get("status").unwrap_or_default();
            text(&status["trading_state"]["state"]) == state
        });
    }

    fn end(mut self) -> Left {
        self.settle();
        assert_agreed(self.venue, &self.running);
        assert!(self.running.terminate().success());
        self.world.verify("r");
        let mut updates: BTreeMap<String, Vec<Value>> = BTreeMap::new();
        for update in Venue::updates(self.world) {
            updates.entry(text(&update["order"]["client_order_id"])).or_default().push(update);
        }
        let (records, log) = (self.world.audit("r"), self.world.log("r"));
        let left = Left { updates, records, log };
        let written = left.intents();
        for (id, of) in &left.updates {
            if id.starts_with("cv-") {
                let taken = of.iter().filter(|update| update["event"] == "new").count();
                assert_eq!(taken, 1, "O-2: {id} was taken so often");
                assert!(written.contains(id), "O-2: {id} is not in the log");
            }
        }
        let mut entered: BTreeMap<String, &str> = BTreeMap::new();
        for body in left.happened("submitted") {
            let intent = &body["intent"];
            let id = intent["client_order_id"].as_str().expect("an id");
            if intent["purpose"]["purpose"] == "entry" {
                let first = entered.insert(text(&intent["decision"]), id);
                assert_eq!(first, None, "O-2: a decision has entered twice: {body}");
            }
        }
        assert!(left.updates.len() > 1, "orders arrived");
        left
    }
}

impl Left {
    /// The ids of all intents that were written down, each of them once.
    pub(crate) fn intents(&self) -> Vec<String> {
        let submitted = self.happened("submitted");
        let mut ids: Vec<String> =
            submitted.iter().map(|it| text(&it["intent"]["client_order_id"])).collect();
        let count = ids.len();
        ids.sort();
        ids.dedup();
        assert_eq!(ids.len(), count, "an intent is written down once");
        ids
    }

    /// The bodies of what happened to orders by its name.
    pub(crate) fn happened(&self, what: &str) -> Vec<&Value> {
        let bodies = self.records.iter().map(|record| &record["body"]);
        bodies.filter(|body| body["happened"] == what).collect()
    }

    /// News of orders by its name, such as `rejected`.
    pub(crate) fn news(&self, what: &str) -> Vec<&Value> {
        let events = self.happened("order").into_iter().map(|body| &body["event"]);
        events.filter(|event| event["news"] == what).collect()
    }

    /// What was bought and sold of a symbol, in all.
    pub(crate) fn traded(&self, symbol: &str) -> (f64, f64) {
        let mut of = (0.0, 0.0);
        let all = self.updates.values().flatten().filter(|it| it["order"]["symbol"] == symbol);
        for update in all.filter(|it| text(&it["event"]).ends_with("fill")) {
            let qty = number(&update["qty"]);
            if update["order"]["side"] == "buy" { of.0 += qty } else { of.1 += qty }
        }
        of
    }
}

/// What stands between a run and its exchange, and may be shut: then nobody is reached, and whoever was
/// connected is cut off.
pub(crate) struct Door {
    here: SocketAddr,
    there: SocketAddr,
    listening: Mutex<Option<(Arc<AtomicBool>, JoinHandle<()>)>>,
    open: Arc<Mutex<Vec<TcpStream>>>,
}

impl Door {
    /// A door that is open; whatever is started in `world` from now on goes through it.
    fn before(venue: &Venue, world: &World) -> Self {
        let there = venue.url.trim_start_matches("http://").parse().expect("an address");
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let here = listener.local_addr().expect("an address");
        let door = Self { here, there, listening: Mutex::default(), open: Arc::default() };
        door.listen(listener);
        for (name, value) in [
            ("TRADING_URL", format!("http://{here}")),
            ("DATA_URL", format!("http://{here}")),
            ("STREAM_URL", format!("ws://{here}/stream")),
            ("DATA_STREAM_URL", format!("ws://{here}")),
        ] {
            world.variable(&format!("CONCLAVE__ALPACA__{name}"), &value);
        }
        door
    }

    fn listen(&self, listener: TcpListener) {
        let stop = Arc::new(AtomicBool::new(false));
        let (stopped, open, there) = (Arc::clone(&stop), Arc::clone(&self.open), self.there);
        listener.set_nonblocking(true).expect("a listener");
        let thread = spawn(move || {
            while !stopped.load(Ordering::SeqCst) {
                match listener.accept() {
                    Ok((client, _)) => pass(client, there, &open),
                    Err(_) => wait_for(Duration::from_millis(2)),
                }
            }
        });
        *self.listening.lock().expect("a lock") = Some((stop, thread));
    }

    /// Nobody is reached from now on.
    pub(crate) fn shut(&self) {
        let listening = self.listening.lock().expect("a lock").take();
        if let Some((stop, thread)) = listening {
            stop.store(true, Ordering::SeqCst);
            thread.join().expect("a thread");
        }
        for stream in self.open.lock().expect("a lock").drain(..) {
            // It has ended already if this fails.
            let _ = stream.shutdown(Shutdown::Both);
        }
    }

    /// Everybody is let in again.
    pub(crate) fn reopen(&self) {
        self.listen(TcpListener::bind(self.here).expect("the same port"));
    }
}

impl Drop for Door {
    fn drop(&mut self) {
        self.shut();
    }
}

/// Connects a client through, both ways.
fn pass(client: TcpStream, there: SocketAddr, open: &Mutex<Vec<TcpStream>>) {
    let Ok(server) = TcpStream::connect(there) else { return };
    client.set_nonblocking(false).expect("a stream");
    let mut open = open.lock().expect("a lock");
    for (mut from, mut to) in [
        (client.try_clone().expect("a stream"), server.try_clone().expect("a stream")),
        (server, client),
    ] {
        open.push(from.try_clone().expect("a stream"));
        spawn(move || {
            // Whichever side ends it, the other hears of it.
            let _ = io::copy(&mut from, &mut to);
            let _ = to.shutdown(Shutdown::Write);
        });
    }
}
