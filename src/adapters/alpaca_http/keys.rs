//! Keys and addresses that belong together: a key of one kind of money is shown to no address of
//! another.

use std::fmt;

use conclave_domain::alpaca::stream::Login;
use reqwest::Url;
use reqwest::header::{HeaderMap, HeaderName};

use super::AlpacaError;
use crate::adapters::model_http::{self, Key};

/// The variable of the environment that holds the id of the key.
pub const KEY_ID: &str = "APCA_API_KEY_ID";
/// The variable of the environment that holds the secret.
pub const SECRET_KEY: &str = "APCA_API_SECRET_KEY";

/// What a key or an address is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Venue {
    /// Simulated money at Alpaca.
    Paper,
    /// Real money.
    Live,
    /// Market data, with keys of either kind.
    Data,
    /// A server on this machine.
    Here,
    /// Anything else.
    Elsewhere,
}

impl Venue {
    /// The word for people.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Paper => "paper",
            Self::Live => "live",
            Self::Data => "data",
            Self::Here => "this machine",
            Self::Elsewhere => "an unknown address",
        }
    }

    /// What an address is for.
    pub(super) fn of(url: &Url) -> Self {
        match url.host_str() {
            Some("paper-api.alpaca.markets") => Self::Paper,
            Some("api.alpaca.markets") => Self::Live,
            Some("data.alpaca.markets" | "stream.data.alpaca.markets") => Self::Data,
            _ if model_http::is_loopback(url.as_str()) => Self::Here,
            _ => Self::Elsewhere,
        }
    }
}

/// What a key opens, by how its id begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// `PK…`
    Paper,
    /// `AK…`
    Live,
    /// Any other, such as those of a local exchange.
    Unknown,
}

/// A pair of keys. Its debug output shows nothing of it.
#[derive(Clone, PartialEq, Eq)]
pub struct Keys {
    id: Key,
    secret: Key,
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Keys(..)")
    }
}

impl Keys {
    /// A pair of keys as it was found, without the white space around it.
    ///
    /// # Errors
    /// When one is empty or no header can carry it.
    pub fn new(id: &str, secret: &str) -> Result<Self, AlpacaError> {
        Ok(Self { id: Key::new(KEY_ID, id)?, secret: Key::new(SECRET_KEY, secret)? })
    }

    /// The pair in the environment; `None` where neither is set.
    ///
    /// # Errors
    /// When only one is set, or one cannot be used.
    pub fn from_env() -> Result<Option<Self>, AlpacaError> {
        match (Key::from_env(KEY_ID)?, Key::from_env(SECRET_KEY)?) {
            (Some(id), Some(secret)) => Ok(Some(Self { id, secret })),
            (None, None) => Ok(None),
            (Some(_), None) => Err(AlpacaError::HalfAKey { missing: SECRET_KEY }),
            (None, Some(_)) => Err(AlpacaError::HalfAKey { missing: KEY_ID }),
        }
    }

    fn kind(&self) -> Kind {
        match self.id.reveal().get(..2) {
            Some("PK") => Kind::Paper,
            Some("AK") => Kind::Live,
            _ => Kind::Unknown,
        }
    }

    /// Whether these keys may be shown to an address. A live key goes to live trading and to market
    /// data, and to nothing else; real money takes a live key.
    ///
    /// # Errors
    /// When they may not.
    pub(in crate::adapters) fn may_open(&self, venue: Venue) -> Result<(), AlpacaError> {
        let keys = match self.kind() {
            Kind::Live if matches!(venue, Venue::Live | Venue::Data) => return Ok(()),
            Kind::Paper | Kind::Unknown if venue != Venue::Live => return Ok(()),
            Kind::Live => "live",
            Kind::Paper => "paper",
            Kind::Unknown => "an unknown",
        };
        Err(AlpacaError::WrongKeys { keys, address: venue.name() })
    }

    /// Whether these keys may be shown to a stream: over `wss`, or `ws` on this machine.
    ///
    /// # Errors
    /// When they may not, or the address is none.
    pub(in crate::adapters) fn may_open_stream(
        &self,
        name: &'static str,
        url: &str,
    ) -> Result<(), AlpacaError> {
        let refuse = |why| Err(AlpacaError::Address { key: name, why });
        let Some(rest) = url.strip_prefix("ws").filter(|rest| rest.starts_with(['s', ':'])) else {
            return refuse("is neither wss nor ws");
        };
        // The same rules as over HTTP, of which a stream is one.
        match model_http::address(&format!("http{rest}"), "") {
            Ok(url) => self.may_open(Venue::of(&url)),
            Err(model_http::ModelError::Address { why }) => refuse(why),
            Err(other) => Err(other.into()),
        }
    }

    /// The headers that carry them, marked so that no log of a library shows them.
    pub(super) fn headers(&self) -> Result<HeaderMap, AlpacaError> {
        let id = self.id.header("")?;
        let secret = self.secret.header("")?;
        let names = ["apca-api-key-id", "apca-api-secret-key"].map(HeaderName::from_static);
        Ok(names.into_iter().zip([id, secret]).collect())
    }

    /// As they are shown to a stream.
    pub(in crate::adapters) fn login(&self) -> Login {
        Login { key: self.id.reveal().to_owned(), secret: self.secret.reveal().to_owned() }
    }

    /// A text without them.
    pub(in crate::adapters) fn scrub(&self, text: String) -> String {
        self.secret.scrub(self.id.scrub(text))
    }
}
