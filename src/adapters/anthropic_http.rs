//! Anthropic Messages over HTTP.

use conclave_actors::models::port::{Call, Dialect, Model, Sending};
use reqwest::header::{HeaderName, HeaderValue};

use super::model_http::{Door, Key, ModelError};

/// The address that Anthropic is asked at unless configured otherwise.
pub const ANTHROPIC_URL: &str = "https://api.anthropic.com";
/// The version of the API that the wire is written for.
pub const ANTHROPIC_VERSION: &str = "2026-10-21";

/// Anthropic.
#[derive(Debug)]
pub struct AnthropicHttp {
    door: Door,
}

impl AnthropicHttp {
    /// `base` is the address before `/v1/messages`.
    ///
    /// # Errors
    /// When the address or the version is not taken, or no client could be made.
    pub fn new(base: &str, version: &str, key: Key) -> Result<Self, ModelError> {
        let why = "speaks a version that no header can carry";
        let version = HeaderValue::try_from(version).map_err(|_| ModelError::Address { why })?;
        let headers = vec![
            (HeaderName::from_static("x-api-key"), key.header("")?),
            (HeaderName::from_static("anthropic-version"), version),
        ];
        Ok(Self { door: Door::new(base, "v1/messages", Some(key), headers)? })
    }
}

impl Model for AnthropicHttp {
    fn provider(&self) -> &'static str {
        "anthropic"
    }

    fn dialect(&self) -> Dialect {
        Dialect::Anthropic
    }

    fn endpoint(&self) -> &str {
        self.door.endpoint()
    }

    fn send(&self, call: Call) -> Sending {
        self.door.post(call)
    }
}
