//! Tests of the Bot API's client against a server on loopback that says what it is told to say.

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use axum::routing::post;

use super::*;

const TOKEN: &str = "123456:AAsecretAAsecretAA";

/// A method and the body that it was asked with.
type Asked = (String, Vec<u8>);

/// What is answered next, and what was asked.
#[derive(Clone, Default)]
struct Server {
    answer: Arc<Mutex<(u16, String)>>,
    asked: Arc<Mutex<Vec<Asked>>>,
}

async fn serve(
    State(server): State<Server>,
    Path((bot, method)): Path<(String, String)>,
    body: Bytes,
) -> Response {
    assert_eq!(bot, format!("bot{TOKEN}"));
    server.asked.lock().unwrap().push((method, body.to_vec()));
    let (status, text) = server.answer.lock().unwrap().clone();
    (StatusCode::from_u16(status).unwrap(), text).into_response()
}

impl Server {
    /// A bot whose server answers so.
    #[expect(clippy::disallowed_methods, reason = "a test is its own supervisor")]
    async fn start(&self) -> Bot {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}/", listener.local_addr().unwrap());
        let routes = Router::new().route("/{bot}/{method}", post(serve)).with_state(self.clone());
        tokio::spawn(async move { axum::serve(listener, routes).await });
        Bot::new(&base, Key::new(TOKEN_ENV, TOKEN).unwrap()).unwrap()
    }

    fn says(&self, status: u16, text: &str) {
        *self.answer.lock().unwrap() = (status, text.to_owned());
    }

    fn last(&self) -> (String, Value) {
        let (method, body) = self.asked.lock().unwrap().last().cloned().unwrap();
        (method, serde_json::from_slice(&body).unwrap_or_default())
    }
}

#[tokio::test]
async fn text_leaves_with_its_marks_beside_it_and_no_parse_mode() {
    let server = Server::default();
    let bot = server.start().await;
    server.says(200, r#"{"ok":true,"result":{"message_id":5,"chat":{"id":7}}}"#);
    let text = Rich::of("*a* _b_ 🚀 ").bold("<b>0.72</b>");
    let keys = [Button { text: "Approve", data: "a:0".to_owned() }];
    assert_eq!(bot.send(-7, &text, &keys).await, Ok(5));
    let (method, body) = server.last();
    assert_eq!((method.as_str(), body["chat_id"].as_i64()), ("sendMessage", Some(-7)));
    assert_eq!(body["text"], "*a* _b_ 🚀 <b>0.72</b>");
    assert_eq!(body["entities"], json!([{"type": "bold", "offset": 11, "length": 11}]));
    assert!(body.get("parse_mode").is_none());
    assert_eq!(body["reply_markup"]["inline_keyboard"][0][0]["callback_data"], "a:0");

    bot.send(7, &Rich::of(&"é🚀".repeat(4_000)), &[]).await.unwrap();
    let said = server.last().1["text"].as_str().unwrap().to_owned();
    assert!(conclave_domain::notify::rich::units(&said) <= TEXT_MAX, "{}", said.len());
    server.says(200, r#"{"ok":true,"result":true}"#);
    bot.edit(7, 5, &Rich::of("done")).await.unwrap();
    assert_eq!(server.last().1["reply_markup"], json!({"inline_keyboard": []}));
    bot.answer("1", &"x".repeat(500)).await.unwrap();
    assert!(server.last().1["text"].as_str().unwrap().chars().count() <= 200);
    bot.photo(7, b"\x89PNG", &Rich::of("the account")).await.unwrap();
    let (method, form) = server.asked.lock().unwrap().last().cloned().unwrap();
    let form = String::from_utf8_lossy(&form).into_owned();
    assert!(method == "sendPhoto" && form.ends_with(&format!("--{BOUNDARY}--\r\n")), "{form}");
    assert!(form.contains("name=\"chat_id\"\r\n\r\n7\r\n") && form.contains("the account"));
}

#[tokio::test]
async fn a_refusal_is_told_with_its_code_and_how_long_to_wait_and_never_with_the_token() {
    let server = Server::default();
    let bot = server.start().await;
    let busy = format!(
        r#"{{"ok":false,"error_code":429,"description":"Too Many Requests {TOKEN}",
            "parameters":{{"retry_after":7}}}}"#
    );
    server.says(429, &busy);
    let error = bot.me().await.unwrap_err();
    let expected = Some(Duration::from_secs(7));
    assert!(matches!(&error, BotError::Told { code: 429, after, .. } if *after == expected));
    let shown = format!("{error} {error:?} {bot:?}");
    assert!(!shown.contains("secret"), "{shown}");
    server.says(409, r#"{"ok":false,"error_code":409,"description":"Conflict"}"#);
    assert!(matches!(bot.updates(0).await, Err(BotError::Told { code: 409, .. })));
    for (status, text) in [(502, "<html>"), (500, "")] {
        server.says(status, text);
        let error = bot.me().await.unwrap_err();
        assert!(matches!(error, BotError::Told { code, .. } if code == status), "{error:?}");
    }
    for text in ["", "[]", "{\"ok\":true,\"result\":\"x\"}", "nonsense"] {
        server.says(200, text);
        let error = bot.me().await.unwrap_err();
        assert!(!error.to_string().contains("secret"), "{error}");
    }
    server.says(200, &" ".repeat(REPLY_MAX + 1));
    assert!(matches!(bot.me().await, Err(BotError::Garbled { .. })));
    let gone = Bot::new("http://127.0.0.1:9", Key::new(TOKEN_ENV, TOKEN).unwrap()).unwrap();
    let error = gone.me().await.unwrap_err();
    assert!(matches!(error, BotError::Unreached { .. }) && !error.to_string().contains("secret"));
}

#[tokio::test]
async fn one_strange_update_does_not_hold_up_the_others() {
    let server = Server::default();
    let bot = server.start().await;
    let updates = json!({"ok": true, "result": [
        {"update_id": 1, "message": {"message_id": "no number"}},
        {"update_id": 2, "poll": {}},
        {"no_id": 3},
        {"update_id": 4, "message": {"message_id": 9, "from": {"id": 1, "first_name": "Ada"},
            "chat": {"id": 5, "type": "private"}, "date": 1_700_000_000, "text": "/halt"}},
        {"update_id": 6, "callback_query": {"id": "77", "from": {"id": 1}, "data": "a:0",
            "message": {"message_id": 3, "chat": {"id": 5}}}},
    ]});
    server.says(200, &updates.to_string());
    let news = bot.updates(-3).await.unwrap();
    assert_eq!(news.iter().map(|update| update.id).collect::<Vec<_>>(), [1, 2, 4, 6]);
    assert!(news[0].message.is_none() && news[1].message.is_none());
    assert_eq!(news[2].message.as_ref().unwrap().text.as_deref(), Some("/halt"));
    assert_eq!(news[3].pressed.as_ref().unwrap().data.as_deref(), Some("a:0"));
    assert_eq!(server.last().1["allowed_updates"], json!(["message", "callback_query"]));
}

#[test]
fn a_token_that_is_none_and_an_address_that_others_could_read_are_refused() {
    for bad in ["", "x", "abc:def", "12:a/b", "12:a?b", "1 2:ab"] {
        let key = Key::new(TOKEN_ENV, bad);
        assert!(key.and_then(|key| Bot::new("https://example.com", key)).is_err(), "{bad}");
    }
    let key = || Key::new(TOKEN_ENV, TOKEN).unwrap();
    for bad in ["http://example.com", "ftp://127.0.0.1", "https://u:p@example.com", "x"] {
        let error = Bot::new(bad, key()).unwrap_err().to_string();
        assert!(!error.contains("secret"), "{error}");
    }
    assert!(Bot::new("https://example.com", key()).is_ok());
}
