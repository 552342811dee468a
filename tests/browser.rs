//! The control room in a real browser, in front of a real run. Only with `BROWSER=1`, and a Chromium with
//! its driver on the machine; without them each test says that it is skipped.
//!
//! Pictures of what was seen are left below `target/browser`.

/// A test that says why it does not run.
macro_rules! or_skip {
    () => {
        if let Some(why) = missing() {
            println!("skipped: {why}");
            return;
        }
    };
}

mod driver;
mod heard;
mod load;
mod phone;

use std::time::Duration;

use serde_json::{Value, json};

use crate::rig::{Running, World, wait_for};
use driver::{Browser, free_port, missing};

/// The checks that a page must pass for everybody, as a script.
const LOOKS: &str = include_str!("browser/looks.js");

/// The address that a run serves on.
fn address(world: &World, store: &str) -> String {
    let station: Value = serde_json::from_str(&world.file(store, "station.json")).expect("json");
    station["url"].as_str().expect("a url").to_owned()
}

fn token(world: &World, store: &str) -> String {
    world.file(store, "token").trim().to_owned()
}

/// The text of a panel.
fn panel(browser: &Browser, name: &str) -> String {
    let text = browser.run(&format!("return document.getElementById('{name}').textContent"));
    text.as_str().unwrap_or_default().to_owned()
}

/// Types the token, asks for a command, and types its word.
fn order(browser: &Browser, word: &str, why: &str) {
    browser.click(&format!("button[data-word={word}]"));
    browser.enter("#sure-typed", word);
    browser.enter("#sure-why", why);
    browser.click("button[data-close=do]");
}

/// Has the page keep in `window.missed` after how many milliseconds it warns that nobody is there.
fn watch_for_the_warning(browser: &Browser) {
    browser.run(
        "window.missed = 0; const from = performance.now(); new MutationObserver(() => { \
         window.missed ||= Math.max(1, performance.now() - from) }).observe( \
         document.getElementById('stale'), {attributes: true})",
    );
}

/// The page shows the rounds that the process tells, all of them and in their order.
#[track_caller]
fn shows_the_rounds_of(browser: &Browser, running: &Running<'_>) {
    let rounds = running.get("rounds").expect("rounds");
    let rounds = rounds["rounds"].as_array().expect("rounds");
    let ids: Vec<&str> = rounds.iter().filter_map(|it| it["decision"].as_str()).collect();
    let listed =
        "JSON.stringify([...document.querySelectorAll('.round > a')].map((it) => it.textContent))";
    let wanted = serde_json::to_string(&ids).expect("json");
    browser.wait("the same rounds as the log has", &format!("{listed} === {}", json!(wanted)));
}

/// Goal: a person who looks at a run sees a veto happen: the round with the line where it ended and the
/// votes that nobody waited for, without reloading the page.
#[test]
fn a_veto_is_seen_as_it_happens() {
    or_skip!();
    let world = World::embedded(&["AAPL", "IBM", "MSFT"], "2013-03-01");
    let running = world.start("r", &["--out", "r", "--pace", "8ms", "--stay"]);
    let browser = Browser::start(1280, 720);
    browser.open(&address(&world, "r"));
    let before = browser.run("return document.querySelectorAll('.round').length");
    let cut = "document.querySelector('.round.vetoed .cut')?.textContent ?? ''";
    let said = browser.wait("a veto", cut);
    assert_eq!(said, "cut here by risk guardian");
    let never = "document.querySelectorAll('.round.vetoed .seat.never').length";
    browser.wait("votes that nobody waited for", never);
    let more = format!("document.querySelectorAll('.round').length > {before}");
    browser.wait("rounds that come by themselves", &more);
    browser.wait("why the last trade was refused", "document.querySelector('#now .why') !== null");
    browser.run("document.querySelector('.round.vetoed .cut').scrollIntoView({block: 'center'})");
    browser.picture("veto");
    let first = browser.run("return document.querySelector('.round a').getAttribute('href')");
    browser.open(&format!("{}{}", address(&world, "r"), first.as_str().expect("a link")));
    browser.wait("the record", "document.body.innerText.includes('round.closed')");
    running.kill();
}

/// Goal: a halt takes the token and its word, and is seen; so is the way back. A wrong token changes
/// nothing and says so.
#[test]
fn a_halt_takes_the_token_and_its_word() {
    or_skip!();
    let world = World::new();
    let running = world.start("r", &["--out", "r", "--pace", "200ms", "--stay"]);
    let browser = Browser::start(1280, 720);
    browser.open(&address(&world, "r"));
    order(&browser, "halt", "");
    browser.wait(
        "a word on the token",
        "document.getElementById('said').textContent.includes('token')",
    );
    browser.enter("#token", "wrong");
    order(&browser, "halt", "");
    browser
        .wait("a refusal", "document.getElementById('said').textContent.includes('unauthorized')");
    assert_eq!(running.get("status").expect("a status")["trading_state"]["state"], "active");
    browser.run("document.getElementById('token').value = ''");
    browser.enter("#token", &token(&world, "r"));
    browser.click("button[data-word=halt]");
    browser.enter("#sure-typed", "stop");
    browser.click("button[data-close=do]");
    browser.wait(
        "that the word is another",
        "document.getElementById('said').textContent.includes('Nothing was done')",
    );
    order(&browser, "halt", "seen from the browser");
    let halted = "document.querySelector('#now .halted b')?.textContent === 'HALTED'";
    browser.wait("the halt", halted);
    browser.wait(
        "its reason",
        "document.getElementById('now').innerText.includes('seen from the browser')",
    );
    assert_eq!(running.get("status").expect("a status")["trading_state"]["state"], "halted");
    browser.picture("halted");
    order(&browser, "resume", "all is well");
    browser
        .wait("the way back", "document.querySelector('#now .active b')?.textContent === 'ACTIVE'");
    let stored =
        browser.run("return [localStorage.length, sessionStorage.length, document.cookie]");
    assert_eq!(stored, json!([0, 0, ""]), "the token is kept in the page only");
    running.kill();
}

/// Goal: a browser has six connections to a process, and a halt does not wait for one of them: pages that
/// nobody looks at hold none.
#[test]
fn a_halt_goes_through_however_many_pages_are_open() {
    or_skip!();
    let world = World::new();
    let running = world.start("r", &["--out", "r", "--pace", "200ms", "--stay"]);
    let browser = Browser::start(1280, 720);
    browser.open(&address(&world, "r"));
    for _ in 0..7 {
        browser.tab();
        browser.open(&address(&world, "r"));
        let there = "document.getElementById('link').textContent === 'connected'";
        browser.wait("a page that is connected", there);
    }
    browser.enter("#token", &token(&world, "r"));
    order(&browser, "halt", "from the eighth page");
    let halted = "document.querySelector('#now .halted b')?.textContent === 'HALTED'";
    browser.wait("the halt", halted);
    assert_eq!(running.get("status").expect("a status")["trading_state"]["state"], "halted");
    running.kill();
}

/// Goal: what waits for a person is answered on the page, by a button and by a key, with what it needs to
/// be judged beside it; and the run does what was said: the order of a yes leaves, that of a no does not.
#[test]
fn what_waits_is_approved_by_a_button_and_denied_by_a_key() {
    or_skip!();
    let world = World::new();
    world.config("[approvals]\nexpiry = \"1d\"\n");
    let args = ["--out", "r", "--mode", "supervised", "--pace", "1200ms", "--config", "c.toml"];
    let mut running = world.start("r", &args);
    let browser = Browser::start(1280, 720);
    browser.open(&address(&world, "r"));
    browser.enter("#token", &token(&world, "r"));
    let answered = |how: &str| -> Vec<String> {
        let answers = world.steps("r", "approval.answered");
        let such = answers.iter().filter(|it| it["body"].to_string().contains(how));
        such.map(|it| it["decision"].as_str().expect("a decision").to_owned()).collect()
    };
    let sent = |decision: &str| {
        world.steps("r", "order.submitted").iter().any(|it| it["decision"] == *decision)
    };
    let item = "document.querySelector('#approvals [data-id]')";
    browser
        .wait("how long there is", &format!("{item}?.querySelector('[data-until]').textContent"));
    let said = format!("{item}?.querySelector('details')?.textContent");
    let said = browser.wait("what the agents said of it", &said);
    assert!(said.as_str().is_some_and(|it| it.contains("position sizer")), "{said}");
    // On a busy machine an answer may come too late; then the next one.
    running.wait("an approval whose order left", |_| {
        browser.run(&format!(
            "const it = {item}; if (!it) return 0; it.querySelector('input').value = 'from the page'; \
             it.querySelector('[data-answer=approve]').click(); return 1"
        ));
        answered("approved").iter().any(|decision| sent(decision))
    });
    let noted = world.steps("r", "approval.answered");
    assert!(noted.iter().any(|it| it["body"].to_string().contains("from the page")), "{noted:?}");
    browser.picture("approvals");
    running.wait("a denial", |_| {
        let has_focus = browser.run(&format!("const it = {item}; it?.focus(); return Boolean(it)"));
        if has_focus == json!(true) {
            browser.press("d");
        }
        !answered("denied").is_empty()
    });
    let then = running.market_time();
    running.wait("the run to go on", |running| running.market_time() != then);
    let denied = answered("denied");
    assert!(denied.iter().all(|decision| !sent(decision)), "an order of {denied:?} left");
    running.kill();
}

/// Goal: whoever looks for something in the log finds it in all of it and takes it away as it stands there;
/// and sees what is configured, and by whom.
#[test]
fn the_log_is_searched_and_taken_away_and_the_configuration_is_shown() {
    or_skip!();
    let world = World::new();
    let mut running = world.start("r", &["--out", "r", "--stay"]);
    running.wait("the end of the bars", |_| !world.steps("r", "run.ended").is_empty());
    let browser = Browser::start(1280, 720);
    browser.open(&address(&world, "r"));
    browser.enter("#audit input[name=step]", "round.closed");
    browser.enter("#audit input[name=agent]", "risk_guardian");
    browser.click("#audit form button");
    let found = "location.pathname === '/audit' && document.querySelectorAll('tbody tr').length";
    browser.wait("records", found);
    let steps = "return [...new Set([...document.querySelectorAll('tbody td:nth-child(3)')] \
                 .map((it) => it.textContent))]";
    assert_eq!(browser.run(steps), json!(["round.closed"]));
    assert_eq!(browser.run(LOOKS), json!([]), "the log's page");
    let taken = browser.run(
        "const it = new XMLHttpRequest(); it.open('GET', document.querySelector('a[download]').href, \
         false); it.send(); return it.responseText",
    );
    let log = world.file("r", "audit-000001.jsonl");
    let closed = log.lines().filter(|line| line.contains("\"step\":\"round.closed\""));
    let closed: Vec<&str> = closed.filter(|line| line.contains("\"risk_guardian\"")).collect();
    assert!(!closed.is_empty());
    assert_eq!(taken.as_str().expect("a text").lines().collect::<Vec<_>>(), closed);
    browser.open(&format!("{}/config", address(&world, "r")));
    browser.wait("a key", "document.body.textContent.includes('consensus.threshold')");
    browser.wait("a source", "document.body.textContent.includes('flag --')");
    browser.size(390, 900);
    assert_eq!(browser.run(LOOKS), json!([]), "the configuration's page");
    running.kill();
}

/// Goal: a process that is killed under an open page is missed within five seconds, and the page goes on by
/// itself behind the next start, without a gap in the rounds.
#[test]
fn a_page_says_that_the_process_is_gone_and_goes_on_with_the_next_one() {
    or_skip!();
    let world = World::new();
    let port = free_port().to_string();
    let args = ["--out", "r", "--pace", "40ms", "--stay"];
    let start = |args: &[&str]| -> Running<'_> {
        let mut args = args.to_vec();
        args.extend(["--port", &port]);
        world.serve_at("r", &args)
    };
    let mut running = start(&world.run_args(&args));
    let browser = Browser::start(1280, 720);
    browser.open(&format!("http://127.0.0.1:{port}"));
    browser.wait("rounds", "document.querySelectorAll('.round').length > 3");
    watch_for_the_warning(&browser);
    running.signal("KILL");
    let missed = browser
        .wait("that it is gone", "!document.getElementById('stale').hidden && window.missed");
    assert!(missed.as_f64().is_some_and(|after| after < 5_000.0), "after {missed} ms");
    browser.picture("gone");
    running.ended();
    running = start(&["run", "--resume", "r", "--pace", "40ms", "--stay"]);
    browser.wait("the page to go on", "document.getElementById('stale').hidden");
    running.wait("the end of the bars", |_| !world.steps("r", "run.ended").is_empty());
    shows_the_rounds_of(&browser, &running);
    running.kill();
}

/// Goal: a process that is stopped, so that its sockets stay open and nobody answers, is missed within five
/// seconds too, and the page goes on by itself once it is let go, without a gap in the rounds.
#[test]
fn a_page_says_that_the_process_has_stopped_and_goes_on_when_it_does() {
    or_skip!();
    let world = World::new();
    let mut running = world.start("r", &["--out", "r", "--pace", "40ms", "--stay"]);
    let browser = Browser::start(1280, 720);
    browser.open(&address(&world, "r"));
    browser.wait("rounds", "document.querySelectorAll('.round').length > 3");
    let rounds_then = world.steps("r", "round.closed").len();
    running.signal("STOP");
    watch_for_the_warning(&browser);
    let missed = browser.wait("that nobody answers", "window.missed");
    running.signal("CONT");
    assert!(missed.as_f64().is_some_and(|after| after < 5_000.0), "after {missed} ms");
    browser.wait("the page to go on", "document.getElementById('stale').hidden");
    running.wait("the end of the bars", |_| !world.steps("r", "run.ended").is_empty());
    assert!(world.steps("r", "round.closed").len() > rounds_then, "nothing was left to be seen");
    shows_the_rounds_of(&browser, &running);
    // Nothing happens any more, and the page knows that somebody is there all the same.
    wait_for(Duration::from_secs(6));
    let warns = browser.run("return !document.getElementById('stale').hidden");
    assert_eq!(warns, json!(false), "a process that is idle is no process that is gone");
    running.kill();
}

/// Goal: the page is light, readable in both schemes and at the width of a phone, and can be used without
/// a mouse.
#[test]
fn the_page_is_light_and_readable_for_everybody() {
    or_skip!();
    let world = World::embedded(&["AAPL", "IBM", "MSFT", "GOOG"], "2013-03-01");
    world.verb(&["arena", "run"]).succeeds();
    let mut running = world.start("r", &["--out", "r", "--stay"]);
    running.wait("the end of the bars", |_| !world.steps("r", "run.ended").is_empty());
    let browser = Browser::start(1280, 720);
    browser.open(&address(&world, "r"));
    browser.wait("the stream", "document.getElementById('link').textContent === 'connected'");
    for (scheme, width) in [("light", 1280), ("dark", 1280), ("light", 390), ("dark", 390)] {
        browser.scheme(scheme);
        browser.size(width, 900);
        wait_for(Duration::from_millis(500));
        let said = browser.run(LOOKS);
        assert_eq!(said, json!([]), "{scheme}, {width} wide");
        browser.picture(&format!("page-{scheme}-{width}"));
    }
    let weight = "return performance.getEntries().filter((it) => ['navigation', 'resource'].includes( \
                  it.entryType) && !it.name.includes('/api/') && !it.name.includes('/panels')) \
                  .reduce((sum, it) => sum + it.transferSize, 0)";
    let weight = browser.run(weight).as_f64().expect("bytes");
    assert!(weight > 10_000.0 && weight < 300_000.0, "{weight} bytes");
    println!("the page weighs {weight} bytes");
    browser.scheme("light");
    for (name, width, height) in [("phone", 390, 900), ("control-room", 1280, 2_000)] {
        browser.size(width, height);
        browser.run("scrollTo({top: 0, behavior: 'instant'})");
        wait_for(Duration::from_millis(500));
        browser.picture(name);
    }
    let shown = |selector: &str| {
        format!(
            "[...document.querySelectorAll('{selector}')].filter((it) => it.checkVisibility()).length"
        )
    };
    let curves = browser.run(&format!("return {}", shown("[data-curve]")));
    assert_eq!(curves, json!(5), "four contestants and their benchmark");
    browser.click("input[data-line='1']");
    browser.wait("a line that is left out", &format!("{} === 4", shown("[data-curve]")));
    browser.click("input[data-scale]");
    let of_factors = shown("[data-curve][data-scale=log]");
    browser.wait("the scale of factors", &format!("{of_factors} === 4"));
    browser.enter("#find-chat", "ibm");
    browser.wait("what is looked for", "document.getElementById('found-chat').textContent");
    let others = "[...document.querySelectorAll('.chat')].filter((it) => it.checkVisibility() && \
                  !it.textContent.toLowerCase().includes('ibm')).length";
    assert_eq!(browser.run(&format!("return {others}")), json!(0), "what does not match is hidden");
    let empty: Vec<&str> = ["arena", "chats", "rounds", "portfolio"]
        .into_iter()
        .filter(|name| {
            panel(&browser, name).contains("No season") || panel(&browser, name).len() < 100
        })
        .collect();
    assert!(empty.is_empty(), "{empty:?} show nothing");
    running.kill();
}
