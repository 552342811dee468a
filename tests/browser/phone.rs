//! The control room on a phone: every kind of page is as wide as the screen, and what an operator needs
//! on the way can be used there.

use serde_json::json;

use super::driver::{Browser, missing};
use super::{LOOKS, address, token};
use crate::rig::World;

/// What a small phone shows, CSS pixels.
const SCREEN: (u32, u32) = (360, 740);

/// The page is no wider than the screen, and no panel of it than the page; nor when a model has written a
/// word of three hundred letters wherever it writes.
#[track_caller]
fn fits(browser: &Browser, what: &str) {
    browser.picture(&format!("phone-{what}"));
    assert_eq!(browser.run(LOOKS), json!([]), "the page of {what}");
    let wide = browser.run(&format!(
        "for (const it of document.querySelectorAll('h2, h3, p, pre, .seat, .talk div, .why div:not(.acts)')) \
           if (!it.closest('.scroll, .across')) it.append(' ' + 'w'.repeat(300)); \
         const wide = [...document.querySelectorAll('section')].filter((it) => it.scrollWidth > it.clientWidth + 1); \
         return [document.documentElement.scrollWidth > {}, ...wide.map((it) => it.id || it.textContent.slice(0, 40))]",
        SCREEN.0
    ));
    assert_eq!(wide, json!([false]), "the page of {what} is wider than the screen");
}

/// Goal: no kind of page has to be scrolled sideways on a phone, and what is most urgent is used there: what
/// waits is approved, trading is halted, and the account is seen.
#[test]
fn every_kind_of_page_is_as_wide_as_a_phone() {
    or_skip!();
    let world = World::new();
    world.config("[approvals]\nexpiry = \"1d\"\n");
    let args = ["--out", "r", "--mode", "supervised", "--pace", "1500ms", "--config", "c.toml"];
    let mut running = world.start("r", &args);
    let browser = Browser::start(1280, 720);
    browser.phone(SCREEN.0, SCREEN.1);
    let home = address(&world, "r");
    browser.open(&home);
    browser.enter("#token", &token(&world, "r"));
    let item = "document.querySelector('#approvals [data-id]')";
    browser.wait("something that waits", &format!("{item} && true"));
    fits(&browser, "the control room");
    running.wait("an approval from the phone", |_| {
        let is_there = browser.run(&format!("return Boolean({item})"));
        if is_there == json!(true) {
            browser.run(&format!("{item}?.querySelector('[data-answer=approve]')?.click()"));
        }
        !world.steps("r", "approval.answered").is_empty()
    });
    browser.wait("the account", "document.querySelector('#portfolio svg') !== null");
    let mut pages = vec![
        ("the signal analyst", "/agents/signal_analyst".to_owned()),
        ("the guardian", "/agents/risk_guardian".to_owned()),
        ("the exit strategist", "/agents/exit_strategist".to_owned()),
        ("the log", "/audit?step=advice.clamped".to_owned()),
        ("the configuration", "/config".to_owned()),
        ("the log of the process", "/logs".to_owned()),
        ("nothing", "/rounds/NOBODY-1".to_owned()),
    ];
    let answered = world.steps("r", "approval.answered");
    let decision = answered[0]["decision"].as_str().expect("a decision");
    pages.push(("a round", format!("/rounds/{decision}")));
    for (what, path) in pages {
        browser.open(&format!("{home}{path}"));
        browser.wait("the page", "document.querySelector('section') !== null");
        fits(&browser, what);
    }
    browser.open(&home);
    browser.enter("#token", &token(&world, "r"));
    super::order(&browser, "halt", "from a phone");
    let halted = "document.querySelector('#now .halted b')?.textContent === 'HALTED'";
    browser.wait("the halt", halted);
    running.kill();
}
