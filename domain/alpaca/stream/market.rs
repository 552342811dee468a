//! The streams of market data: bars, quotes, trades and news, many messages to a frame.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::{FrameError, Login, fault};
use crate::alpaca::data::{Bar, News, Quote, Trade};
use crate::alpaca::number::or_default;

/// The most messages of one frame that are read.
const MESSAGES_MAX: usize = 100_000;

/// What is subscribed to, by channel; each a list of symbols, or of `*` for all.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Channels {
    /// Trades.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "Vec::is_empty")]
    pub trades: Vec<String>,
    /// Quotes.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "Vec::is_empty")]
    pub quotes: Vec<String>,
    /// Minute bars.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "Vec::is_empty")]
    pub bars: Vec<String>,
    /// Minute bars once more, with trades that came late.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "Vec::is_empty")]
    pub updated_bars: Vec<String>,
    /// Daily bars so far.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "Vec::is_empty")]
    pub daily_bars: Vec<String>,
    /// Halts.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "Vec::is_empty")]
    pub statuses: Vec<String>,
    /// News.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "Vec::is_empty")]
    pub news: Vec<String>,
}

/// What is said to a stream of market data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DataRequest {
    /// The keys.
    Auth(Login),
    /// What shall come from now on, beside what comes already.
    Subscribe(Channels),
    /// What shall come no more.
    Unsubscribe(Channels),
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct DataForm {
    action: String,
    key: String,
    secret: String,
    #[serde(flatten)]
    channels: Channels,
}

impl DataRequest {
    /// Reads a frame.
    ///
    /// # Errors
    /// When it is no request; no text of it is told.
    pub fn read(frame: &[u8]) -> Result<Self, FrameError> {
        let form: DataForm = serde_json::from_slice(frame).map_err(fault("data"))?;
        match form.action.as_str() {
            "auth" => Ok(Self::Auth(Login { key: form.key, secret: form.secret })),
            "subscribe" => Ok(Self::Subscribe(form.channels)),
            "unsubscribe" => Ok(Self::Unsubscribe(form.channels)),
            _ => Err(FrameError { stream: "data", why: "its action is not known".to_owned() }),
        }
    }

    /// Writes a frame.
    ///
    /// # Errors
    /// When it has no text, which no request of this type has.
    pub fn write(&self) -> Result<String, serde_json::Error> {
        #[derive(Serialize)]
        struct Form<'a> {
            action: &'static str,
            #[serde(flatten)]
            channels: &'a Channels,
        }
        match self {
            Self::Auth(Login { key, secret }) => {
                Ok(serde_json::json!({"action": "auth", "key": key, "secret": secret}).to_string())
            }
            Self::Subscribe(channels) => {
                serde_json::to_string(&Form { action: "subscribe", channels })
            }
            Self::Unsubscribe(channels) => {
                serde_json::to_string(&Form { action: "unsubscribe", channels })
            }
        }
    }
}

/// Which bars a message is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum BarKind {
    /// A minute that is over.
    Minute,
    /// A minute once more, with trades that came late.
    Updated,
    /// The day so far.
    Daily,
}

/// What a stream of market data sends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DataMessage {
    /// `connected` and `authenticated`.
    Success {
        /// Which of the two.
        msg: String,
    },
    /// Something is wrong.
    Error {
        /// What: see [`crate::alpaca::trouble::StreamTrouble`].
        code: i64,
        /// The same for people.
        msg: String,
    },
    /// What is subscribed to now, in all.
    Subscription(Channels),
    /// A trade.
    Trade {
        /// Of what.
        symbol: String,
        /// The trade.
        trade: Trade,
    },
    /// The best prices.
    Quote {
        /// Of what.
        symbol: String,
        /// The prices.
        quote: Quote,
    },
    /// A bar.
    Bar {
        /// Of what.
        symbol: String,
        /// Which bars.
        kind: BarKind,
        /// The bar.
        bar: Bar,
    },
    /// A text of strangers.
    News(Box<News>),
    /// A kind that is not known here, by its letter.
    Other(String),
    /// A message that is not what the contract says, by its letter: it is counted, not guessed at.
    Unreadable(String),
}

#[derive(Deserialize)]
struct Tag<'a> {
    #[serde(rename = "T", borrow)]
    tag: std::borrow::Cow<'a, str>,
    #[serde(rename = "S", default)]
    symbol: Option<std::borrow::Cow<'a, str>>,
}

#[derive(Serialize)]
struct Tagged<'a, T: Serialize> {
    #[serde(rename = "T")]
    tag: &'static str,
    #[serde(rename = "S", skip_serializing_if = "Option::is_none")]
    symbol: Option<&'a str>,
    #[serde(flatten)]
    body: &'a T,
}

#[derive(Default, Serialize, Deserialize)]
#[serde(default)]
struct Notice {
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<i64>,
    msg: String,
}

impl DataMessage {
    /// Reads a frame: a list of messages.
    ///
    /// # Errors
    /// When it is no list; no text of it is told.
    pub fn read(frame: &[u8]) -> Result<Vec<Self>, FrameError> {
        let raw: Vec<&RawValue> = serde_json::from_slice(frame).map_err(fault("data"))?;
        if raw.len() > MESSAGES_MAX {
            let why = format!("it has more than {MESSAGES_MAX} messages");
            return Err(FrameError { stream: "data", why });
        }
        Ok(raw.into_iter().map(|raw| Self::read_one(raw.get())).collect())
    }

    fn read_one(text: &str) -> Self {
        let Ok(Tag { tag, symbol }) = serde_json::from_str(text) else {
            return Self::Unreadable("?".to_owned());
        };
        let name = || symbol.as_deref().filter(|it| !it.is_empty()).map(str::to_owned);
        let bar = |kind| {
            let bar = serde_json::from_str(text).ok()?;
            Some(Self::Bar { symbol: name()?, kind, bar })
        };
        let notice = || serde_json::from_str::<Notice>(text).ok();
        let read = match &*tag {
            "success" => notice().map(|it| Self::Success { msg: it.msg }),
            "error" => notice().map(|it| Self::Error { code: it.code.unwrap_or(500), msg: it.msg }),
            "subscription" => serde_json::from_str(text).ok().map(Self::Subscription),
            "t" => serde_json::from_str(text)
                .ok()
                .and_then(|trade| Some(Self::Trade { symbol: name()?, trade })),
            "q" => serde_json::from_str(text)
                .ok()
                .and_then(|quote| Some(Self::Quote { symbol: name()?, quote })),
            "b" => bar(BarKind::Minute),
            "u" => bar(BarKind::Updated),
            "d" => bar(BarKind::Daily),
            "n" => serde_json::from_str(text).ok().map(|it| Self::News(Box::new(it))),
            other => Some(Self::Other(other.chars().take(40).collect())),
        };
        read.unwrap_or_else(|| Self::Unreadable(tag.chars().take(40).collect()))
    }

    /// Writes a frame. What was not understood is not written.
    ///
    /// # Errors
    /// When it has no text, which no message of this type has.
    pub fn write(messages: &[Self]) -> Result<String, serde_json::Error> {
        let texts = messages.iter().filter_map(|it| it.write_one().transpose());
        let texts = texts.collect::<Result<Vec<String>, _>>()?;
        Ok(format!("[{}]", texts.join(",")))
    }

    fn write_one(&self) -> Result<Option<String>, serde_json::Error> {
        fn text<T: Serialize>(
            tag: &'static str,
            symbol: Option<&str>,
            body: &T,
        ) -> Result<Option<String>, serde_json::Error> {
            serde_json::to_string(&Tagged { tag, symbol, body }).map(Some)
        }
        match self {
            Self::Success { msg } => {
                text("success", None, &Notice { code: None, msg: msg.clone() })
            }
            Self::Error { code, msg } => {
                text("error", None, &Notice { code: Some(*code), msg: msg.clone() })
            }
            Self::Subscription(channels) => text("subscription", None, channels),
            Self::Trade { symbol, trade } => text("t", Some(symbol), trade),
            Self::Quote { symbol, quote } => text("q", Some(symbol), quote),
            Self::Bar { symbol, kind, bar } => {
                let tag = match kind {
                    BarKind::Minute => "b",
                    BarKind::Updated => "u",
                    BarKind::Daily => "d",
                };
                text(tag, Some(symbol), bar)
            }
            Self::News(news) => text("n", None, news),
            Self::Other(_) | Self::Unreadable(_) => Ok(None),
        }
    }
}
