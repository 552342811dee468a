//! Approvals and commands over a Bot API that was written by somebody else. Only with `PEERS=1`.

use serde_json::{Value, json};

use super::models::{Peer, is_there};
use crate::rig::{Running, World, text};

const TOKEN: &str = "77:peer-marked-token";
const ADA: i64 = 1;

/// What the bot has said and what it was told, oldest first.
fn history(peer: &Peer) -> Vec<Value> {
    let told = peer.post("/getUpdatesHistory", &json!({"token": TOKEN}));
    told["result"].as_array().cloned().unwrap_or_default()
}

/// The bot's messages.
fn said(peer: &Peer) -> Vec<Value> {
    let all = history(peer).into_iter();
    all.filter(|it| it["message"]["chat_id"] == ADA).collect()
}

/// The next message with buttons, and what its yes says.
fn next(running: &mut Running<'_>, peer: &Peer, seen: &mut usize) -> (Value, String) {
    let asks = |it: &Value| it["message"]["reply_markup"]["inline_keyboard"][0].is_array();
    let wanted = || said(peer).into_iter().filter(asks).collect::<Vec<_>>();
    running.wait("buttons", |_| wanted().len() > *seen);
    let all = wanted();
    *seen = all.len();
    let last = all.last().expect("a message");
    let yes = text(&last["message"]["reply_markup"]["inline_keyboard"][0][0]["callback_data"]);
    (last["messageId"].clone(), yes)
}

/// Whether every press was read.
fn is_heard(peer: &Peer) -> bool {
    let unread = |it: &Value| it["callbackQuery"].is_object() && it["isRead"] != true;
    !history(peer).iter().any(unread)
}

fn meta(user: i64) -> Value {
    let now = jiff::Timestamp::now().as_second();
    json!({"botToken": TOKEN, "date": now,
        "from": {"id": user, "first_name": "Ada", "is_bot": false},
        "chat": {"id": ADA, "first_name": "Ada", "type": "private"}})
}

fn press(peer: &Peer, user: i64, message: &Value, data: &str) {
    let mut body = meta(user);
    body["message"] = json!({"message_id": message, "chat": {"id": ADA, "type": "private"}});
    body["data"] = data.into();
    peer.post("/sendCallback", &body);
}

/// O-1: an entry leaves by one press of a person on the list.
#[test]
fn a_persons_press_is_taken_once_by_way_of_another_programs_telegram() {
    if !is_there("telegram") {
        return;
    }
    let peer = Peer::telegram();
    let world = World::new();
    world.variable("TELEGRAM_BOT_TOKEN", TOKEN);
    world.config(&format!(
        "[approvals]\nexpiry = \"1d\"\n[notify]\ntelegram_url = \"{}\"\n\
         telegram = \"approvals,runs\"\ntelegram_users = \"{ADA}\"\ntelegram_chats = \"{ADA}\"\n",
        peer.url
    ));
    let args = ["--out", "r", "--mode", "supervised", "--pace", "800ms", "--config", "c.toml"];
    let mut running = world.start("r", &args);
    let mut seen = 0;
    let answered = |world: &World| {
        let all = world.steps("r", "approval.answered").into_iter();
        all.filter(|it| it["body"]["by"]["way"] == "telegram").collect::<Vec<_>>()
    };
    while answered(&world).is_empty() {
        let (message, yes) = next(&mut running, &peer, &mut seen);
        press(&peer, 99, &message, &yes);
        press(&peer, ADA, &message, &yes);
        press(&peer, ADA, &message, &yes);
        running.wait("the presses", |_| is_heard(&peer));
    }
    let mut halt = meta(ADA);
    halt["text"] = "/halt enough".into();
    peer.post("/sendMessage", &halt);
    running.wait("the halt", |running| {
        running.get("status").unwrap_or_default()["trading_state"]["state"] == "halted"
    });
    assert!(running.terminate().success());
    let answers = answered(&world);
    let decisions: std::collections::BTreeSet<String> =
        answers.iter().map(|it| text(&it["decision"])).collect();
    assert_eq!(decisions.len(), answers.len(), "each was answered once: {answers:?}");
    assert!(answers.iter().all(|it| it["body"]["by"]["name"] == "Ada (telegram 1)"), "{answers:?}");
    assert!(world.steps("r", "stranger.seen").iter().any(|it| it["body"]["user"] == 99));
    assert!(!world.log("r").contains("marked"), "{}", world.log("r"));
    world.verify("r");
}
