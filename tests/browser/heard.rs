//! What whoever does not see the page hears of it: once, and when it is so.

use serde_json::json;

use super::driver::{Browser, missing};
use super::{address, order, token};
use crate::rig::{World, wait_for};

/// Keeps in `window.heard` what is written into an element, as a reader of the screen would read it.
fn listen(browser: &Browser, id: &str) {
    browser.run(&format!(
        "window.heard = []; const it = document.getElementById('{id}'); new MutationObserver(() => \
         heard.push(it.textContent)).observe(it, {{childList: true, characterData: true, subtree: true}})"
    ));
}

/// Goal: a process that is gone is said once, however long it stays away, and not with every second that
/// passes; how long it has been is seen all the same.
#[test]
fn a_process_that_is_gone_is_said_once() {
    or_skip!();
    let world = World::new();
    let running = world.start("r", &["--out", "r", "--pace", "40ms", "--stay"]);
    let browser = Browser::start(1280, 720);
    browser.open(&address(&world, "r"));
    let there = "document.getElementById('link').textContent === 'connected'";
    browser.wait("a page that is connected", there);
    listen(&browser, "stale");
    running.signal("STOP");
    browser.wait("that nothing is heard", "!document.getElementById('stale').hidden");
    let since = "document.getElementById('silent').textContent";
    let first = browser.wait("how long it has been", since);
    browser.wait("that the time goes on", &format!("{since} !== {first}"));
    // The browser gives up what it asks for meanwhile, and that is heard of as well, once.
    wait_for(std::time::Duration::from_secs(6));
    let heard = browser.run("return heard");
    assert_eq!(heard, json!([heard[0]]), "what was read out");
    running.signal("CONT");
    browser.wait("the page to go on", "document.getElementById('stale').hidden");
    running.kill();
}

/// Goal: whoever is elsewhere on the page hears that something waits, how many, and what the newest asks;
/// and a halt goes through by the keyboard alone, and not before its word is right.
#[test]
fn what_begins_to_wait_is_said_and_enter_confirms_a_halt() {
    or_skip!();
    let world = World::new();
    world.config("[approvals]\nexpiry = \"1d\"\n");
    let args =
        ["--out", "r", "--mode", "supervised", "--pace", "1s", "--stay", "--config", "c.toml"];
    let running = world.start("r", &args);
    let browser = Browser::start(1280, 720);
    browser.open(&address(&world, "r"));
    let said = browser.wait("a word of it", "document.getElementById('waiting').textContent");
    let said = said.as_str().expect("a text");
    assert!(said.contains(" wait") && said.contains(" for you, the newest: buy "), "{said}");
    let role = browser.run("return document.getElementById('waiting').getAttribute('role')");
    assert_eq!(role, json!("status"), "it is read out when it changes");
    browser.enter("#token", &token(&world, "r"));
    browser.click("button[data-word=halt]");
    browser.enter("#sure-typed", "hal");
    browser.press("\u{e007}");
    let hint = "document.getElementById('sure-said').textContent.includes('the word is halt')";
    browser.wait("what is missing", hint);
    assert_eq!(running.get("status").expect("a status")["trading_state"]["state"], "active");
    browser.enter("#sure-typed", "t");
    browser.press("\u{e007}");
    let halted = "document.querySelector('#now .halted b')?.textContent === 'HALTED'";
    browser.wait("the halt", halted);
    order(&browser, "resume", "");
    browser.wait("the way back", "document.querySelector('#now .active b') !== null");
    running.kill();
}

/// Goal: a key that is held orders once, and the key that opens the dialog of a halt is no part of its word.
#[test]
fn a_held_key_orders_once_and_the_key_of_a_halt_is_not_typed() {
    or_skip!();
    let world = World::new();
    world.config("[approvals]\nexpiry = \"1d\"\n");
    let args = ["--out", "r", "--mode", "supervised", "--pace", "1s", "--config", "c.toml"];
    let running = world.start("r", &args);
    let browser = Browser::start(1280, 720);
    browser.open(&address(&world, "r"));
    browser.enter("#token", &token(&world, "r"));
    browser.run(
        "window.sent = 0; const ask = fetch; \
         window.fetch = (to, how) => { sent += how?.method === 'POST'; return ask(to, how); }",
    );
    let pressed = |repeat: bool| {
        format!(
            "const it = document.querySelector('#approvals [data-id]'); if (!it) return null; it.focus(); sent = 0; \
             for (let nth = 0; nth < 5; nth++) it.dispatchEvent(new KeyboardEvent('keydown', {{key: 'a', \
             bubbles: true, repeat: {repeat}}})); return sent + 1"
        )
    };
    for (repeat, wanted) in [(true, 1), (false, 2)] {
        // The next bar may take a proposal away: then the next one.
        let told = browser.wait("a proposal", &format!("(() => {{ {} }})()", pressed(repeat)));
        assert_eq!(told, json!(wanted), "requests and one; repeated: {repeat}");
    }
    browser.run("document.activeElement.blur()");
    browser.press("h");
    browser.wait("the dialog", "document.getElementById('sure').open");
    assert_eq!(browser.run("return document.getElementById('sure-typed').value"), json!(""));
    running.kill();
}
