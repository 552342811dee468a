//! A run that tells Telegram, Slack and a webhook, and hears what persons say back.

use serde_json::Value;

use crate::rig::{Running, World, text};
use crate::telegram::{ADA, CHAT, GROUP, TOKEN, Telegram};

/// A message with buttons.
#[derive(Clone)]
pub(super) struct Wanted {
    pub(super) message: i64,
    pub(super) decision: String,
    pub(super) yes: String,
    pub(super) no: String,
}

/// The messages in Ada's chat that show buttons, oldest first.
pub(super) fn wanted(telegram: &Telegram) -> Vec<Wanted> {
    let sent = telegram.calls("sendMessage").into_iter();
    let here = sent.filter(|body| body["chat_id"] == CHAT);
    let of = |body: Value| {
        let keys = body["reply_markup"]["inline_keyboard"][0].as_array()?.clone();
        let said = text(&body["text"]);
        let decision = said.lines().find(|line| line.ends_with("-entry")).unwrap_or_default();
        Some(Wanted {
            message: body["sent_as"].as_i64()?,
            decision: decision.to_owned(),
            yes: text(&keys[0]["callback_data"]),
            no: text(&keys[1]["callback_data"]),
        })
    };
    here.filter_map(of).collect()
}

fn world(telegram: &Telegram, kinds: &str, more: &str) -> World {
    let world = World::new();
    world.variable("TELEGRAM_BOT_TOKEN", TOKEN);
    world.config(&format!("{}{more}", telegram.config(kinds)));
    world
}

/// Waits for buttons that were not seen yet.
fn next(running: &mut Running<'_>, telegram: &Telegram, seen: &mut usize) -> Wanted {
    running.wait("buttons", |_| wanted(telegram).len() > *seen);
    let all = wanted(telegram);
    *seen = all.len();
    all.into_iter().next_back().expect("there are some")
}

fn answers(world: &World, decision: &str) -> Vec<Value> {
    let all = world.steps("r", "approval.answered").into_iter();
    all.filter(|record| record["decision"] == decision).collect()
}

/// Goal: O-1: an entry leaves by one press of one person on the list, and by nothing else.
/// Method: before Ada presses, a stranger does, and somebody in another chat; afterwards she presses
/// again, and presses the other button.
#[test]
fn an_entry_leaves_by_one_press_of_a_person_on_the_list() {
    let telegram = Telegram::new();
    let world = world(&telegram, "approvals", "[approvals]\nexpiry = \"1d\"\n");
    let args = ["--out", "r", "--mode", "supervised", "--pace", "400ms", "--config", "c.toml"];
    let mut running = world.start("r", &args);
    let mut seen = 0;
    // On a busy machine a press may come too late, which is an answer too; then the next one.
    let approved = loop {
        let it = next(&mut running, &telegram, &mut seen);
        telegram.press(666, CHAT, it.message, &it.yes);
        telegram.press(ADA, GROUP, it.message, &it.yes);
        telegram.press(ADA, CHAT, it.message, &it.yes);
        running.wait("the answer", |_| telegram.is_heard());
        if answers(&world, &it.decision).iter().any(|it| it.to_string().contains("approved")) {
            break it;
        }
    };
    telegram.press(ADA, CHAT, approved.message, &approved.yes);
    telegram.press(ADA, CHAT, approved.message, &approved.no);
    running.wait("the presses", |_| telegram.is_heard());
    let toasts = telegram.calls("answerCallbackQuery");
    assert!(toasts.iter().filter(|toast| text(&toast["text"]).contains("used")).count() >= 2);
    running.wait("the frozen message", |_| {
        telegram.calls("editMessageText").iter().any(|edit| edit["message_id"] == approved.message)
    });
    assert!(running.terminate().success());

    let answered = answers(&world, &approved.decision);
    assert_eq!(answered.len(), 1, "{answered:?}");
    assert_eq!(answered[0]["body"]["by"]["way"], "telegram");
    assert_eq!(answered[0]["body"]["by"]["name"], format!("Ada (telegram {ADA})"));
    let strangers = world.steps("r", "stranger.seen");
    assert!(strangers.iter().any(|it| it["body"]["user"] == 666), "{strangers:?}");
    let edits = telegram.calls("editMessageText");
    assert!(
        edits.iter().all(|edit| edit["reply_markup"]["inline_keyboard"] == serde_json::json!([]))
    );
    let refused = world.steps("r", "order.cleared").into_iter();
    let refused = refused.filter(|it| {
        it["decision"] == approved.decision.as_str() && it["body"]["denied"].is_string()
    });
    let sent = world.entries("r").iter().filter(|(of, _)| *of == approved.decision).count();
    assert_eq!(sent + refused.count(), 1, "it was sent, or a gate has refused it by name");
    world.verify("r");
}

/// T-3: silence is never consent, and a press that comes too late is silence.
#[test]
fn a_press_that_comes_too_late_sends_nothing() {
    let telegram = Telegram::new();
    let world = world(&telegram, "approvals", "[approvals]\nexpiry = \"1s\"\n");
    let args = ["--out", "r", "--mode", "supervised", "--pace", "400ms", "--config", "c.toml"];
    let mut running = world.start("r", &args);
    let late = next(&mut running, &telegram, &mut 0);
    let asked_at = running.market_time();
    running.wait("the next bars", |running| running.market_time() > asked_at);
    telegram.press(ADA, CHAT, late.message, &late.yes);
    running.wait("the press", |_| telegram.is_heard());
    assert!(running.terminate().success());
    let toasts = telegram.calls("answerCallbackQuery");
    let said = text(&toasts.last().expect("an answer")["text"]);
    assert!(said.contains("expired") || said.contains("used"), "{said}");
    assert_eq!(world.entries("r"), []);
    let is_yes = |it: &Value| it.to_string().contains("approved");
    assert!(!answers(&world, &late.decision).iter().any(is_yes));
    world.verify("r");
}

#[test]
fn persons_command_from_a_chat_and_strangers_do_not() {
    let telegram = Telegram::new();
    let world = world(&telegram, "states,runs", "");
    let mut running = world.start("r", &["--out", "r", "--pace", "200ms", "--config", "c.toml"]);
    running.wait("the greeting", |_| telegram.told(GROUP).concat().contains("Conclave"));
    let state = |running: &Running<'_>| {
        text(&running.get("status").unwrap_or_default()["trading_state"]["state"])
    };
    telegram.say(666, 666, "/halt", 0);
    telegram.say(666, GROUP, "/halt", 0);
    telegram.say(ADA, 666, "/halt", 0);
    running.wait("the strangers", |_| telegram.is_heard());
    assert_eq!(state(&running), "active");
    assert!(telegram.told(666).is_empty(), "nobody speaks with strangers");

    telegram.say(ADA, CHAT, "/halt the data looks odd", 0);
    running.wait("the halt", |running| state(running) == "halted");
    running.wait("the message", |_| telegram.told(GROUP).concat().contains("the data looks odd"));
    assert!(telegram.told(GROUP).concat().contains("go on"), "a stop says what goes on");
    // What is old lifts nothing, whoever has said it.
    telegram.say(ADA, CHAT, "/resume yes", 3_600);
    running.wait("the refusal", |_| telegram.told(CHAT).concat().contains("say it again"));
    assert_eq!(state(&running), "halted");
    telegram.say(ADA, CHAT, "/resume", 0);
    let asked = next(&mut running, &telegram, &mut 0);
    assert_eq!(state(&running), "halted", "it asks back first");
    telegram.press(666, CHAT, asked.message, &asked.yes);
    telegram.press(ADA, CHAT, asked.message, &asked.yes);
    running.wait("the end of the halt", |running| state(running) == "active");
    for word in ["/status", "/positions", "/agents", "/rounds", "/budgets", "/help", "/pnl"] {
        let before = telegram.told(CHAT).len() + telegram.calls("sendPhoto").len();
        telegram.say(ADA, CHAT, word, 0);
        running
            .wait(word, |_| telegram.told(CHAT).len() + telegram.calls("sendPhoto").len() > before);
    }
    assert!(running.terminate().success());
    let halts = world.steps("r", "halt.raised");
    assert_eq!(halts[0]["body"]["by"], format!("Ada (telegram {ADA})"), "{halts:?}");
    let users: Vec<Value> =
        world.steps("r", "stranger.seen").iter().map(|it| it["body"]["user"].clone()).collect();
    assert!(users.len() >= 4 && users.contains(&666.into()) && users.contains(&ADA.into()));
    world.verify("r");
}

/// Goal: O-4, D-1: whatever becomes of the ways out, a run decides what it decides without them, and the
/// secrets stand in nothing that it leaves behind.
#[test]
fn an_outage_changes_nothing_and_no_secret_is_told() {
    let telegram = Telegram::new();
    let quiet = World::new();
    quiet.run(&["--out", "q"]).succeeds();
    let world = world(&telegram, "all", &format!("webhook_url = \"{}\"\n", telegram.url("/hook")));
    world.variable("SLACK_WEBHOOK_URL", &telegram.url("/hook?marked-url=1"));
    world.variable("CONCLAVE_WEBHOOK_SECRET", "marked-secret");
    telegram.goes_down(true);
    let said = world.run(&["--out", "r", "--config", "c.toml"]);
    assert_ne!(said.code(), Some(0), "an address with a query is refused: {}", said.stderr());
    assert!(!said.stderr().contains("marked"), "{}", said.stderr());

    world.variable("SLACK_WEBHOOK_URL", &telegram.url("/hook"));
    let said = world.run(&["--out", "r", "--config", "c.toml"]);
    said.succeeds();
    let hash = |world: &World, store: &str| {
        let run: Value = serde_json::from_str(&world.file(store, "run.json")).expect("json");
        text(&run["record_hash"])
    };
    assert_eq!(hash(&world, "r"), hash(&quiet, "q"));
    let mut left = said.stderr();
    for entry in std::fs::read_dir(world.path("r")).expect("a run") {
        let path = entry.expect("an entry").path();
        left.push_str(&String::from_utf8_lossy(&std::fs::read(&path).unwrap_or_default()));
    }
    assert!(!left.contains("marked"), "a secret stands in what the run left");

    telegram.goes_down(false);
    telegram.conflicts(1);
    telegram.busy(1);
    let said = world.run(&["--out", "s", "--config", "c.toml"]);
    said.succeeds();
    assert!(said.stderr().contains("another process listens"), "{}", said.stderr());
    assert_eq!(hash(&world, "s"), hash(&quiet, "q"));
    let told = telegram.hooks();
    let signed = |(headers, body): &&(axum::http::HeaderMap, String)| {
        headers.contains_key("x-conclave-signature") && body.contains("notices/1")
    };
    assert!(told.iter().any(|it| signed(&it)), "the webhook was told");
    assert!(told.iter().any(|(_, body)| body.contains("\"blocks\"")), "Slack was told");
    let chat = telegram.told(CHAT).concat();
    assert!(chat.contains("The run has ended"), "{chat}");
}
