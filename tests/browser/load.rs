//! A page in front of a thousand events a second.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use conclave::http::auth::Token;
use conclave::http::desk::{Answer, Command, Desk, Refusal, Text, View};
use conclave::http::events::{Event, Hub};
use conclave::http::rate::Rate;
use conclave::http::{Shared, bind, serve};
use conclave_domain::mode::Person;
use serde_json::{Value, json};

use super::driver::{Browser, missing};
use crate::rig::wait_for;

/// Events of one push, and how often one is made: fifteen hundred a second.
const PUSH: u64 = 15;
const EVERY: Duration = Duration::from_millis(10);
/// How long they come.
const FOR: Duration = Duration::from_secs(10);
/// Events that the bus may keep, whatever comes.
const KEPT_MAX: usize = 2_048;

/// A desk that is at work.
#[derive(Debug, Default)]
struct Busy {
    /// Its equity is as much, so that a page tells how far it has come.
    published: AtomicU64,
    /// Another run of other money, and halted.
    is_other: AtomicBool,
    /// What waits for a person, if anything.
    waiting: Mutex<Vec<String>>,
}

impl Desk for Busy {
    fn view(&self, view: View) -> Answer<'_> {
        Box::pin(async move {
            match view {
                View::Status => {
                    let is_other = self.is_other.load(Ordering::SeqCst);
                    let (run, money) = if is_other { ("b", "live") } else { ("a", "paper") };
                    let state = if is_other { "halted" } else { "active" };
                    Ok(json!({"schema": "status/1", "version": "0", "run_id": run, "money": money,
                        "mode": "advisory", "trading_state": {"state": state},
                        "account": {"equity": self.published.load(Ordering::SeqCst).to_string()}}))
                }
                View::Positions => {
                    Ok(json!({"account": {"cash": "100"}, "positions": many(20, |nth| {
                        json!({"symbol": format!("S{nth}"), "qty": "6", "price": "201.13", "stop": null})
                    })}))
                }
                View::Orders => Ok(json!({"orders": many(100, |nth| json!({"at": at(nth),
                    "symbol": "IBM", "side": "buy", "qty": "6", "filled": "6", "kind": "limit",
                    "status": "filled", "decision": format!("IBM-{nth}-entry")}))})),
                View::Curve => Ok(json!({"money": "paper", "points": many(400, |nth| {
                    json!({"at": at(nth), "equity": format!("{}", 1_000 + nth % 7), "cash": "1",
                        "exposure": 0.5, "benchmark": "1000"})
                }), "price": {"symbol": "IBM", "decision": "IBM-1-entry",
                    "closes": many(250, |nth| json!({"at": at(nth), "close": "201.13"})),
                    "marks": many(25, |nth| json!({"at": at(nth), "price": "201.13", "qty": "6",
                        "side": "buy", "decision": format!("IBM-{nth}-entry")}))}})),
                View::Agents => Ok(json!({"actors": [], "agents": many(14, |nth| {
                    json!({"name": format!("agent_{nth}"), "team": "trading", "state": "alive",
                        "restarts": 0, "consulted": 10, "answered": 9})
                })})),
                View::Budgets => Ok(json!({"budgets": many(10, |nth| {
                    json!({"budget": format!("budget_{nth}"), "spent": 1.0, "reserved": 0.0,
                        "limit": 100.0, "remaining": 99.0})
                })})),
                View::Approvals => {
                    let waiting = self.waiting.lock().expect("a lock");
                    let item = |id: &String| json!({"decision": id, "side": "buy", "qty": "1"});
                    Ok(json!({"approvals": waiting.iter().map(item).collect::<Vec<_>>()}))
                }
                _ => Ok(json!({"schema": "test/1"})),
            }
        })
    }

    fn command(&self, _: Person, command: Command) -> Answer<'_> {
        Box::pin(async move {
            let Command::Approval { id, .. } = command else {
                return Err(Refusal::Invalid("nothing else is to be done here".to_owned()));
            };
            self.waiting.lock().expect("a lock").retain(|it| *it != id);
            Ok(json!({"text": "answered"}))
        })
    }

    fn is_ready(&self) -> bool {
        true
    }

    fn metrics(&self) -> Text<'_> {
        Box::pin(async { String::new() })
    }
}

/// Rows of a view.
fn many(count: u64, row: impl Fn(u64) -> Value) -> Vec<Value> {
    (0..count).map(row).collect()
}

/// The close of one of many bars.
fn at(nth: u64) -> String {
    format!("20{:02}-{:02}-{:02}T21:00:00Z", nth / 336, nth / 28 % 12 + 1, nth % 28 + 1)
}

/// A record as a council writes them: a round of five in ten, bars, bookings and answers between.
fn event(id: u64) -> Event {
    let decision = format!("IBM-20130301T{id:06}-entry");
    let (name, body) = match id % 10 {
        0 => (
            "round.closed",
            json!({"round": id, "verdict": "vetoed", "by": "risk_guardian",
            "objection": {"code": "guardian.regime", "text": "long against a regime"}, "seats": [
                {"agent": "signal_analyst", "outcome": "voted", "vote": "for"},
                {"agent": "risk_guardian", "outcome": "vetoed"},
                {"agent": "position_sizer", "outcome": "not_awaited"}]}),
        ),
        1 => ("consult.sent", json!({"asked": ["position_sizer"], "brief": {"question": "entry"}})),
        2 => ("advice.clamped", json!({"agent": "position_sizer", "brain": "rules"})),
        3..=5 => ("bar.received", json!({"symbol": "IBM", "close": "201.13"})),
        _ => ("book.updated", json!({"happened": "filled", "qty": "6"})),
    };
    let hash = "0".repeat(64);
    let data = format!(
        "{{\"seq\":{id},\"step\":\"{name}\",\"decision\":\"{decision}\",\
         \"at\":\"2013-03-01T21:00:00Z\",\"body\":{body},\"hash\":\"{hash}\"}}"
    );
    Event { id, name: name.into(), data: data.into() }
}

/// The token of the desk.
const TOKEN: &str = "a token of more than twenty letters";

/// The served process: its address, its bus, and how many events it has published.
struct Served {
    address: String,
    hub: Arc<Hub>,
    desk: Arc<Busy>,
    /// Events come while it is true.
    is_open: Arc<AtomicBool>,
    _runtime: tokio::runtime::Runtime,
}

fn served() -> Served {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .expect("a runtime");
    let (hub, desk): (Arc<Hub>, Arc<Busy>) = Default::default();
    let guard = (Token::new(TOKEN).expect("long enough"), false);
    let shared = Shared::new(desk.clone(), Arc::clone(&hub), guard, Rate::default());
    let listener = runtime.block_on(bind("127.0.0.1:0".parse().expect("an address"), false));
    let listener = listener.expect("a port");
    let address = format!("http://{}", listener.local_addr().expect("an address"));
    runtime.spawn(serve(listener, shared, std::future::pending()));
    let is_open = Arc::new(AtomicBool::new(false));
    let (bus, counted, open) = (Arc::clone(&hub), Arc::clone(&desk), Arc::clone(&is_open));
    runtime.spawn(async move {
        let mut beats = tokio::time::interval(EVERY);
        loop {
            beats.tick().await;
            if open.load(Ordering::SeqCst) {
                for _ in 0..PUSH {
                    bus.publish(event(counted.published.fetch_add(1, Ordering::SeqCst) + 1));
                }
            }
        }
    });
    Served { address, hub, desk, is_open, _runtime: runtime }
}

/// A browser with the page open, and its stream with it.
fn opened(served: &Served) -> Browser {
    let browser = Browser::start(1280, 720);
    browser.open(&served.address);
    browser.wait("the stream", "document.getElementById('link').textContent === 'connected'");
    browser
}

/// Counts frames, the longest pause between two of them, tasks that hold the page up, and what it asks for.
const WATCH: &str = "
    window.seen = {frames: 0, gap: 0, long: 0, asked: 0, since: performance.now()};
    let last = performance.now();
    const frame = (now) => { seen.frames += 1; seen.gap = Math.max(seen.gap, now - last); last = now; requestAnimationFrame(frame); };
    requestAnimationFrame((now) => { last = now; frame(now); });
    new PerformanceObserver((list) => { for (const it of list.getEntries()) seen.long = Math.max(seen.long, it.duration); })
      .observe({entryTypes: ['longtask']});
    const ask = window.fetch; window.fetch = (...all) => { seen.asked += 1; return ask(...all); };";

/// Goal: a page is not frozen by a busy process: while more than a thousand events a second come for ten
/// seconds it draws its frames, answers a click, asks four times a second at most, and shows in the end
/// what the process shows. Neither its memory nor the process's grows with what has passed.
/// Method: the real router and the real bus; figures are printed, behaviour is held against its bounds.
#[test]
fn a_thousand_events_a_second_do_not_freeze_the_page() {
    if let Some(why) = missing() {
        println!("skipped: {why}");
        return;
    }
    let served = served();
    let browser = opened(&served);
    let elements = || browser.run("return document.querySelectorAll('*').length").as_f64();
    // Full lists to begin with: from here on nothing may grow.
    (1..=600).for_each(|_| {
        served.hub.publish(event(served.desk.published.fetch_add(1, Ordering::SeqCst) + 1));
    });
    browser.wait("the lists to be full", "document.querySelectorAll('.round').length === 50");
    let before = elements().expect("a number");
    browser.run(WATCH);
    let published = served.desk.published.load(Ordering::SeqCst);
    served.is_open.store(true, Ordering::SeqCst);
    let mut answered = 0;
    for word in ["vetoed", "act", "all"].into_iter().cycle().take(9) {
        wait_for(FOR / 9);
        browser.click(&format!("button[data-sift={word}]"));
        let pressed =
            format!("document.querySelector('button[data-sift={word}]').ariaPressed === 'true'");
        browser.wait("a click to be answered", &pressed);
        answered += 1;
    }
    served.is_open.store(false, Ordering::SeqCst);
    let seen = browser.run("seen.ms = performance.now() - seen.since; return seen");
    wait_for(2 * EVERY);
    let newest = served.desk.published.load(Ordering::SeqCst);
    println!("{} events, {answered} clicks, {seen}", newest - published);
    assert!(newest - published >= 10_000, "{} events are too few", newest - published);
    let figure = |name: &str| seen[name].as_f64().expect("a figure");
    assert!(figure("gap") < 1_000.0, "the page was frozen: {seen}");
    // Four times a second, and once more for the one that was under way.
    let most = figure("ms") / 250.0 + 1.0;
    assert!(figure("asked") <= most && figure("asked") > 10.0, "{seen}");
    let equity = format!("document.getElementById('now').innerText.includes('{newest}.00')");
    browser.wait("what the process has", &equity);
    let last: Vec<String> = served.hub.rounds().iter().rev().map(decision).collect();
    let listed =
        "JSON.stringify([...document.querySelectorAll('.round > a')].map((it) => it.textContent))";
    let wanted = serde_json::to_string(&last).expect("json");
    browser.wait("the rounds that the process has", &format!("{listed} === {}", json!(wanted)));
    assert_eq!(served.hub.after(0).len(), KEPT_MAX, "what the bus keeps");
    let after = elements().expect("a number");
    assert!((after - before).abs() < 200.0, "{before} elements became {after}");
}

/// Goal: what a page has heard of it also shows, although one drawing of a panel serves everybody for a
/// quarter of a second and may be older than the event.
/// Method: somebody else has the panel drawn all the time, so that the page mostly gets an old drawing;
/// after each event nothing happens that would make the page ask once more.
#[test]
fn an_event_is_shown_however_often_others_look() {
    if let Some(why) = missing() {
        println!("skipped: {why}");
        return;
    }
    let served = served();
    let browser = opened(&served);
    let others = others(&served);
    for nth in 1..=12 {
        let closed = event(nth * 10);
        let wanted = decision(&closed);
        served.hub.publish(closed);
        let first = format!("document.querySelector('.round > a')?.textContent === '{wanted}'");
        browser.wait("the round that was heard of", &first);
    }
    served.is_open.store(true, Ordering::SeqCst);
    others.join().expect("others");
}

/// Looks at the rounds again and again until the process is open.
fn others(served: &Served) -> std::thread::JoinHandle<()> {
    let address = served.address.trim_start_matches("http://").to_owned();
    let over = Arc::clone(&served.is_open);
    std::thread::spawn(move || {
        while !over.load(Ordering::SeqCst) {
            let mut stream = TcpStream::connect(&address).expect("a connection");
            let asked = format!(
                "GET /panels?names=rounds HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n"
            );
            stream.write_all(asked.as_bytes()).expect("it is asked");
            stream.read_to_end(&mut Vec::new()).expect("it answers");
            wait_for(Duration::from_millis(50));
        }
    })
}

fn decision(event: &Event) -> String {
    let record: Value = serde_json::from_str(&event.data).expect("json");
    record["decision"].as_str().expect("a decision").to_owned()
}

/// Goal: nobody commands live money under the badge of a paper run. Method: the process behind an open page is
/// another one from one moment to the next; badge, frame, title and token follow without a hand.
#[test]
fn a_page_that_hears_of_another_run_loads_itself_anew() {
    if let Some(why) = missing() {
        println!("skipped: {why}");
        return;
    }
    let served = served();
    let browser = opened(&served);
    browser.run("document.getElementById('token').value = 'of the first run'");
    let is = |money: &str, state: &str| {
        format!(
            "document.body.className === '{money}' && document.title === 'Conclave · {state}' \
             && document.querySelector('.money').textContent === '{}'",
            money.to_uppercase()
        )
    };
    browser.wait("a paper run", &is("paper", "active"));
    served.desk.is_other.store(true, Ordering::SeqCst);
    browser.wait("a live run", &is("live", "halted"));
    browser.wait("no token", "document.getElementById('token').value === ''");
}

/// Goal: an answer takes nothing along of what a person does at another proposal. Method: a note is being typed
/// for the third while the first is answered; then the second is answered by its key.
#[test]
fn an_answer_leaves_the_note_of_another_proposal_and_passes_the_focus_to_none() {
    if let Some(why) = missing() {
        println!("skipped: {why}");
        return;
    }
    let served = served();
    *served.desk.waiting.lock().expect("a lock") = ["A", "B", "C"].map(str::to_owned).into();
    let browser = opened(&served);
    browser.enter("#token", TOKEN);
    browser.enter("[data-id=C] input", "because");
    browser.run("document.querySelector('[data-id=A] [data-answer=deny]').click()");
    browser.wait("the first to be gone", "!document.querySelector('[data-id=A]')");
    let typing = "return document.activeElement === document.querySelector('[data-id=C] input') \
                  && document.activeElement.value";
    assert_eq!(browser.run(typing), json!("because"));
    browser.run("document.querySelector('[data-id=B]').focus()");
    browser.press("a");
    browser.wait("the second to be gone", "!document.querySelector('[data-id=B]')");
    // Whatever is drawn anew behind it changes nothing.
    served.hub.publish(Event { name: "approval.asked".into(), ..event(1) });
    wait_for(Duration::from_secs(2));
    assert_eq!(browser.run("return document.activeElement.id"), json!("approvals"));
    let note = browser.run("return document.querySelector('[data-id=C] input').value");
    assert_eq!(note, json!("because"));
}
