//! Supervised mode on an open market: an order reaches the exchange by one yes of one person, and by
//! nothing else.

use serde_json::{Value, json};

use super::telegram::wanted;
use crate::rig::{Running, World, text};
use crate::telegram::{ADA, CHAT, GROUP, TOKEN, Telegram};
use crate::venue::{DAY, Venue, trading};

/// How many minutes a market may take to bring a proposal about: its slowest swing goes round in 83.
const MINUTES: usize = 180;

/// A supervised run of the open market, as it opens.
fn supervised<'a>(world: &'a World, venue: &Venue) -> Running<'a> {
    venue.until(DAY, "09:30:00");
    world.serve("r", &trading("r", &["--mode", "supervised", "--config", "c.toml"]))
}

fn waiting(running: &Running<'_>) -> Vec<String> {
    let view = running.get("approvals").unwrap_or_default();
    let items = view["approvals"].as_array().cloned().unwrap_or_default();
    items.iter().map(|item| text(&item["decision"])).collect()
}

/// Plays the market until something waits that was not seen yet. Nothing moves while a person thinks.
fn proposal(venue: &Venue, running: &mut Running<'_>, seen: &mut Vec<String>) -> String {
    for _ in 0..MINUTES {
        venue.minute(running);
        if let Some(fresh) = waiting(running).into_iter().find(|id| !seen.contains(id)) {
            seen.push(fresh.clone());
            return fresh;
        }
    }
    panic!("nothing was proposed in {MINUTES} minutes");
}

/// The orders at the exchange that were made for a decision.
fn sent(world: &World, venue: &Venue, decision: &str) -> usize {
    let written = world.steps("r", "order.submitted").into_iter();
    let written = written.filter(|record| record["decision"] == decision);
    let ids: Vec<Value> =
        written.map(|record| record["body"]["intent"]["client_order_id"].clone()).collect();
    venue.orders("all").iter().filter(|order| ids.contains(&order["client_order_id"])).count()
}

fn answers(world: &World, decision: &str) -> Vec<Value> {
    let all = world.steps("r", "approval.answered").into_iter();
    all.filter(|record| record["decision"] == decision).collect()
}

/// One yes was taken, by this way, and one order stands at the exchange.
#[track_caller]
fn assert_sent_once(world: &World, venue: &Venue, decision: &str, way: &str) {
    let answered = answers(world, decision);
    assert_eq!(answered.len(), 1, "{answered:?}");
    assert_eq!(answered[0]["body"]["by"]["way"], way, "{answered:?}");
    assert_eq!(sent(world, venue, decision), 1, "{decision}");
}

/// A stranger presses the button of a proposal, and somebody in another chat; then Ada, three times.
fn press(
    world: &World,
    venue: &Venue,
    telegram: &Telegram,
    running: &mut Running<'_>,
    decision: &str,
) {
    running.wait("buttons", |_| wanted(telegram).iter().any(|it| it.decision == decision));
    let asked = wanted(telegram).into_iter().find(|it| it.decision == decision).expect("buttons");
    telegram.press(666, CHAT, asked.message, &asked.yes);
    telegram.press(ADA, GROUP, asked.message, &asked.yes);
    running.wait("the stranger's press", |_| telegram.is_heard());
    assert_eq!((sent(world, venue, decision), answers(world, decision).len()), (0, 0));
    let strangers = world.steps("r", "stranger.seen");
    assert!(strangers.iter().any(|it| it["body"]["user"] == 666), "{strangers:?}");
    for _ in 0..3 {
        telegram.press(ADA, CHAT, asked.message, &asked.yes);
    }
    running.wait("the presses", |_| telegram.is_heard());
    running.wait("the order", |_| sent(world, venue, decision) == 1);
    let toasts = telegram.calls("answerCallbackQuery");
    let used = toasts.iter().filter(|toast| text(&toast["text"]).contains("used"));
    assert!(used.count() >= 2, "{toasts:?}");
}

/// Goal: O-1: each of the three ways of a person's yes brings one order to the exchange, and a second
/// yes brings none, by whichever way it comes.
/// Method: three proposals of one run; a stranger presses before the person does.
#[test]
fn a_yes_by_the_command_line_by_http_or_by_a_button_is_one_order_at_the_exchange() {
    let telegram = Telegram::new();
    let world = World::of(&[], 0);
    world.variable("TELEGRAM_BOT_TOKEN", TOKEN);
    world.config(&telegram.config("approvals"));
    let venue = Venue::open(&world, &[]);
    let mut running = supervised(&world, &venue);
    let token = world.file("r", "token");
    let mut seen = Vec::new();
    let http = |running: &Running<'_>, decision: &str, token: Option<&str>| {
        let path = format!("/api/v1/approvals/{decision}/approve");
        let body = json!({"reason": "by the wire"}).to_string();
        running.http("POST", &path, token, &body).expect("an answer").0
    };

    let first = proposal(&venue, &mut running, &mut seen);
    assert_eq!(venue.orders("all").len(), 0, "nothing leaves before somebody has said yes");
    running.verb(&["approvals", "approve", &first, "--note", "go"]).succeeds();
    running.wait("the order", |_| sent(&world, &venue, &first) == 1);
    running.verb(&["approvals", "approve", &first]).refuses(5, &first);
    assert_sent_once(&world, &venue, &first, "token");

    let second = proposal(&venue, &mut running, &mut seen);
    assert_eq!(http(&running, &second, None), 401);
    assert_eq!(http(&running, &second, Some("guessed")), 401);
    assert_eq!(sent(&world, &venue, &second), 0, "without its token nobody is anybody");
    assert_eq!(http(&running, &second, Some(&token)), 200);
    running.wait("the order", |_| sent(&world, &venue, &second) == 1);
    assert_eq!(http(&running, &second, Some(&token)), 404);
    assert_sent_once(&world, &venue, &second, "token");

    let third = proposal(&venue, &mut running, &mut seen);
    press(&world, &venue, &telegram, &mut running, &third);
    running.verb(&["approvals", "approve", &third]).refuses(5, &third);
    assert_sent_once(&world, &venue, &third, "telegram");

    // What was approved is an order like any other: it is filled, and protected.
    for _ in 0..3 {
        venue.minute(&mut running);
    }
    running.wait("a stop behind every position", |_| venue.is_protected());
    for decision in [&first, &second, &third] {
        assert_eq!(sent(&world, &venue, decision), 1, "{decision}");
    }
    assert!(running.terminate().success());
    world.verify("r");
}

/// O-1, O-3: at the moment of the yes everything is looked at again, with the market as it is then.
#[test]
fn a_yes_behind_a_halt_or_behind_the_market_sends_nothing_to_the_exchange() {
    let telegram = Telegram::new();
    let world = World::of(&[], 0);
    world.variable("TELEGRAM_BOT_TOKEN", TOKEN);
    // Nobody is hurried by the wall: it is the market that moves on here.
    world.config(&format!("[approvals]\nexpiry = \"30m\"\n{}", telegram.config("approvals")));
    let venue = Venue::open(&world, &[]);
    let mut running = supervised(&world, &venue);
    let mut seen = Vec::new();

    let stopped = proposal(&venue, &mut running, &mut seen);
    running.verb(&["halt", "--reason", "a look at it"]).succeeds();
    running.verb(&["approvals", "approve", &stopped]).refuses(6, "gate.trading_state");
    running.verb(&["resume", "--yes", "--reason", "seen"]).succeeds();
    running.verb(&["approvals", "approve", &stopped]).refuses(5, &stopped);

    let late = proposal(&venue, &mut running, &mut seen);
    running.wait("buttons", |_| wanted(&telegram).iter().any(|it| it.decision == late));
    let asked = wanted(&telegram).into_iter().find(|it| it.decision == late).expect("buttons");
    for _ in 0..=30 {
        venue.minute(&mut running);
    }
    assert!(!waiting(&running).contains(&late), "what can no longer be approved is not shown");
    telegram.press(ADA, CHAT, asked.message, &asked.yes);
    running.wait("the press", |_| telegram.is_heard());
    let said = running.verb(&["approvals", "approve", &late]);
    assert!(matches!(said.code(), Some(5 | 6)), "{}", said.stderr());
    let toasts = telegram.calls("answerCallbackQuery");
    let toast = text(&toasts.last().expect("an answer")["text"]);
    assert!(toast.contains("expired") || toast.contains("used"), "{toast}");
    assert!(running.terminate().success());

    assert_eq!(venue.orders("all").len(), 0, "nothing left: {:?}", venue.orders("all"));
    assert_eq!(world.entries("r"), []);
    let refused = world.steps("r", "order.cleared").into_iter();
    let refused: Vec<Value> = refused
        .filter(|it| it["decision"] == stopped.as_str())
        .map(|it| it["body"].clone())
        .collect();
    assert!(refused.iter().any(|it| it["denied"] == "gate.trading_state"), "{refused:?}");
    let is_yes = |it: &Value| it.to_string().contains("approved");
    assert!(!answers(&world, &late).iter().any(is_yes), "{:?}", answers(&world, &late));
    world.verify("r");
}
