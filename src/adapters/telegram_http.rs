//! The Bot API of Telegram: a handful of methods over one pooled client.
//!
//! The bot's token stands in the path of every address. It lives in a [`Key`], whose debug output shows
//! nothing; no error names an address, and what the other side sends back is searched for the token.
//! Text goes out with its marks beside it and no parse mode, so that no word of it can be a mark.

use std::fmt;
use std::time::Duration;

use conclave_domain::notify::rich::Rich;
use reqwest::header::{CONTENT_TYPE, HeaderValue};
use reqwest::{Client, Method, Request, Url};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::model_http::{Key, ModelError, address, cause, client};

/// Where the token of the bot is found.
pub const TOKEN_ENV: &str = "TELEGRAM_BOT_TOKEN";
/// UTF-16 units of one message.
pub const TEXT_MAX: usize = 4_096;
/// UTF-16 units of a picture's text.
pub const CAPTION_MAX: usize = 1_024;
/// UTF-16 units of the note over a pressed button.
const TOAST_MAX: usize = 190;
/// How long an ordinary call may take.
const PATIENCE: Duration = Duration::from_secs(15);
/// How long one look for news is held open by the other side.
const POLL: Duration = Duration::from_secs(50);
/// How much longer than that we wait.
const POLL_GRACE: Duration = Duration::from_secs(15);
/// News that one look brings at most.
const NEWS_MAX: u32 = 20;
/// The longest reply, bytes.
const REPLY_MAX: usize = 4 << 20;
/// What stands between the parts of a form.
const BOUNDARY: &str = "conclave-7d1f0c5e9b3a4826";

/// Why a call came to nothing. No text holds the token.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BotError {
    /// The other side said no.
    #[error("telegram says {code}: {text}")]
    Told {
        /// Its code: those of HTTP.
        code: u16,
        /// Its words.
        text: String,
        /// How long it wants to be left alone.
        after: Option<Duration>,
    },
    /// It was not reached, or fell silent.
    #[error("telegram was not reached: {why}")]
    Unreached {
        /// What the network said.
        why: String,
    },
    /// It said something that is no answer.
    #[error("telegram's answer cannot be read: {why}")]
    Garbled {
        /// What is wrong with it.
        why: String,
    },
}

/// One bot. Cheap to clone; clones share their connections.
#[derive(Clone)]
pub struct Bot {
    client: Client,
    base: String,
    token: Key,
}

impl fmt::Debug for Bot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Bot({})", self.base)
    }
}

/// Somebody, or a bot.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct User {
    /// The number.
    pub id: i64,
    /// The name that people chose, if any.
    #[serde(default)]
    pub username: Option<String>,
    /// The name that is shown.
    #[serde(default)]
    pub first_name: Option<String>,
}

/// A chat.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct Chat {
    /// The number; groups have negative ones.
    pub id: i64,
}

/// A message.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct Message {
    /// The number within its chat.
    #[serde(default)]
    pub message_id: i64,
    /// Who wrote it; nobody in a channel.
    #[serde(default)]
    pub from: Option<User>,
    /// Where.
    #[serde(default)]
    pub chat: Chat,
    /// When, seconds since 1970.
    #[serde(default)]
    pub date: i64,
    /// What it says.
    #[serde(default)]
    pub text: Option<String>,
}

/// A pressed button.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Pressed {
    /// The number of the press.
    pub id: String,
    /// Who pressed.
    pub from: User,
    /// The message that it stands under.
    #[serde(default)]
    pub message: Option<Message>,
    /// What the button carries.
    #[serde(default)]
    pub data: Option<String>,
}

/// One piece of news. What is neither a message nor a press is kept as its number alone.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Update {
    /// Its number.
    pub id: i64,
    /// A message.
    pub message: Option<Message>,
    /// A press.
    pub pressed: Option<Pressed>,
}

/// A button under a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Button {
    /// What it says.
    pub text: &'static str,
    /// What it carries, at most 64 bytes.
    pub data: String,
}

#[derive(Deserialize)]
struct Reply {
    #[serde(default)]
    ok: bool,
    #[serde(default)]
    result: Value,
    #[serde(default)]
    error_code: Option<u16>,
    #[serde(default)]
    description: Option<String>,
    #[serde(default)]
    parameters: Parameters,
}

#[derive(Default, Deserialize)]
struct Parameters {
    #[serde(default)]
    retry_after: Option<u64>,
}

impl Bot {
    /// The bot of this token, at an address such as `https://api.telegram.org`.
    ///
    /// # Errors
    /// When the address is not taken, the token is none, or no client could be made.
    pub fn new(base: &str, token: Key) -> Result<Self, ModelError> {
        let is_token = |text: &str| {
            text.split_once(':').is_some_and(|(id, secret)| {
                let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
                id.bytes().all(|byte| byte.is_ascii_digit()) && secret.bytes().all(plain)
            })
        };
        if !is_token(token.reveal()) {
            return Err(ModelError::Key { name: TOKEN_ENV.to_owned() });
        }
        let url = address(base, "")?;
        Ok(Self { client: client(&url)?, base: base.trim_end_matches('/').to_owned(), token })
    }

    /// The bot itself.
    ///
    /// # Errors
    /// When the call came to nothing.
    pub async fn me(&self) -> Result<User, BotError> {
        self.call("getMe", &json!({}), PATIENCE).await
    }

    /// Shows persons what they can say, with a word for each.
    ///
    /// # Errors
    /// When the call came to nothing.
    pub async fn list(&self, commands: &[(&str, &str)]) -> Result<(), BotError> {
        let listed: Vec<Value> = commands
            .iter()
            .map(|(word, what)| json!({"command": word, "description": what}))
            .collect();
        let _: Value = self.call("setMyCommands", &json!({"commands": listed}), PATIENCE).await?;
        Ok(())
    }

    /// The news from number `offset` on, as soon as there are any; none after a while. Asking for a
    /// number tells the other side that everything before it was taken.
    ///
    /// # Errors
    /// When the call came to nothing; 409 where somebody else asks with the same token.
    pub async fn updates(&self, offset: i64) -> Result<Vec<Update>, BotError> {
        let body = json!({"offset": offset, "timeout": POLL.as_secs(), "limit": NEWS_MAX,
            "allowed_updates": ["message", "callback_query"]});
        let raw: Vec<Value> = self.call("getUpdates", &body, POLL + POLL_GRACE).await?;
        // One that cannot be read must not hold up those behind it.
        let read = |value: Value| {
            let part = |name: &str| value.get(name).cloned().unwrap_or(Value::Null);
            Some(Update {
                id: value.get("update_id")?.as_i64()?,
                message: serde_json::from_value(part("message")).ok().flatten(),
                pressed: serde_json::from_value(part("callback_query")).ok().flatten(),
            })
        };
        Ok(raw.into_iter().filter_map(read).collect())
    }

    /// Says something in a chat; the number of the message.
    ///
    /// # Errors
    /// When the call came to nothing.
    pub async fn send(&self, chat: i64, text: &Rich, keys: &[Button]) -> Result<i64, BotError> {
        let mut body = text_of(text, TEXT_MAX);
        body["chat_id"] = chat.into();
        body["link_preview_options"] = json!({"is_disabled": true});
        if !keys.is_empty() {
            body["reply_markup"] = keyboard(keys);
        }
        let sent: Message = self.call("sendMessage", &body, PATIENCE).await?;
        Ok(sent.message_id)
    }

    /// Says something else in the place of a message, and takes its buttons away.
    ///
    /// # Errors
    /// When the call came to nothing.
    pub async fn edit(&self, chat: i64, message: i64, text: &Rich) -> Result<(), BotError> {
        let mut body = text_of(text, TEXT_MAX);
        body["chat_id"] = chat.into();
        body["message_id"] = message.into();
        body["reply_markup"] = keyboard(&[]);
        let _: Value = self.call("editMessageText", &body, PATIENCE).await?;
        Ok(())
    }

    /// Answers a press, so that the button stops turning; the text is shown for a moment.
    ///
    /// # Errors
    /// When the call came to nothing.
    pub async fn answer(&self, press: &str, text: &str) -> Result<(), BotError> {
        let text = Rich::of(text).shortened(TOAST_MAX);
        let body = json!({"callback_query_id": press, "text": text.text()});
        let _: Value = self.call("answerCallbackQuery", &body, PATIENCE).await?;
        Ok(())
    }

    /// Shows a picture in PNG with a text.
    ///
    /// # Errors
    /// When the call came to nothing.
    pub async fn photo(&self, chat: i64, png: &[u8], text: &Rich) -> Result<(), BotError> {
        let caption = text.shortened(CAPTION_MAX);
        let entities = json!(caption.spans()).to_string();
        let mut form = Vec::with_capacity(png.len() + 1_024);
        let chat = chat.to_string();
        for (name, value) in [
            ("chat_id", chat.as_str()),
            ("caption", caption.text()),
            ("caption_entities", &entities),
        ] {
            let head = format!(
                "--{BOUNDARY}\r\ncontent-disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n"
            );
            form.extend_from_slice(head.as_bytes());
        }
        let head = format!(
            "--{BOUNDARY}\r\ncontent-disposition: form-data; name=\"photo\"; filename=\"account.png\"\
             \r\ncontent-type: image/png\r\n\r\n"
        );
        form.extend_from_slice(head.as_bytes());
        form.extend_from_slice(png);
        form.extend_from_slice(format!("\r\n--{BOUNDARY}--\r\n").as_bytes());
        let kind = format!("multipart/form-data; boundary={BOUNDARY}");
        let _: Value = self.exchange("sendPhoto", (kind, form), PATIENCE).await?;
        Ok(())
    }

    async fn call<T: DeserializeOwned>(
        &self,
        method: &str,
        body: &Value,
        patience: Duration,
    ) -> Result<T, BotError> {
        let body = ("application/json".to_owned(), body.to_string().into_bytes());
        self.exchange(method, body, patience).await
    }

    async fn exchange<T: DeserializeOwned>(
        &self,
        method: &str,
        (kind, body): (String, Vec<u8>),
        patience: Duration,
    ) -> Result<T, BotError> {
        let garbled = |why: &str| BotError::Garbled { why: why.to_owned() };
        let url = format!("{}/bot{}/{method}", self.base, self.token.reveal());
        let url = Url::parse(&url).map_err(|_| garbled("the address cannot be made"))?;
        let mut request = Request::new(Method::POST, url);
        *request.timeout_mut() = Some(patience);
        let kind = HeaderValue::try_from(kind).map_err(|_| garbled("no such form"))?;
        request.headers_mut().insert(CONTENT_TYPE, kind);
        *request.body_mut() = Some(body.into());
        let unreached = |error: reqwest::Error| BotError::Unreached { why: cause(error) };
        let mut response = self.client.execute(request).await.map_err(unreached)?;
        let status = response.status().as_u16();
        let mut bytes = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(unreached)? {
            if bytes.len() + chunk.len() > REPLY_MAX {
                return Err(garbled("it is too long"));
            }
            bytes.extend_from_slice(&chunk);
        }
        self.read(status, &bytes)
    }

    /// What an answer says. A code that the body tells goes before the one of HTTP.
    fn read<T: DeserializeOwned>(&self, status: u16, bytes: &[u8]) -> Result<T, BotError> {
        let reply = serde_json::from_slice::<Reply>(bytes);
        let Ok(reply) = reply else {
            let told =
                |code| BotError::Told { code, text: "no reason given".to_owned(), after: None };
            let garbled = || BotError::Garbled { why: "it is no JSON of the Bot API".to_owned() };
            return Err(if status >= 400 { told(status) } else { garbled() });
        };
        if !reply.ok {
            let text: String = reply.description.unwrap_or_default().chars().take(300).collect();
            let after = reply.parameters.retry_after.map(Duration::from_secs);
            let code = reply.error_code.unwrap_or(status);
            return Err(BotError::Told { code, text: self.token.scrub(text), after });
        }
        let misread = |error: serde_json::Error| BotError::Garbled {
            why: self.token.scrub(error.to_string().chars().take(160).collect()),
        };
        serde_json::from_value(reply.result).map_err(misread)
    }
}

fn text_of(text: &Rich, most: usize) -> Value {
    let text = text.shortened(most);
    // A message of nothing is refused.
    let shown = if text.is_blank() { "…" } else { text.text() };
    json!({"text": shown, "entities": text.spans()})
}

fn keyboard(keys: &[Button]) -> Value {
    let row: Vec<Value> =
        keys.iter().map(|key| json!({"text": key.text, "callback_data": key.data})).collect();
    let rows = if row.is_empty() { json!([]) } else { json!([row]) };
    json!({"inline_keyboard": rows})
}

#[cfg(test)]
mod tests;
