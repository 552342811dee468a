//! A webhook of one's own: every notice as JSON, signed where a secret is set.
//!
//! With a secret in [`SECRET_ENV`] each request carries `x-conclave-timestamp` (seconds since 1970) and
//! `x-conclave-signature: sha256=HEX`, the HMAC-SHA256 under the secret of the timestamp, a full stop and
//! the body. Whoever takes it compares both, and turns away what is older than a few minutes.

use std::fmt;
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use conclave_actors::notifier::port::{Courier, Delivery, Undelivered};
use conclave_actors::runtime::ports::Clock;
use conclave_domain::notify::outbox::Parcel;
use conclave_domain::notify::{Matter, Notice};
use reqwest::header::{CONTENT_TYPE, HeaderName, HeaderValue, RETRY_AFTER};
use reqwest::{Client, Method, Request, Url};
use ring::hmac;
use serde_json::{Value, json};

use super::model_http::{Key, ModelError, address, cause, client};
use super::slack_http::refusal;

/// Where the secret is found that requests are signed with.
pub const SECRET_ENV: &str = "CONCLAVE_WEBHOOK_SECRET";
/// How long a request may take.
const PATIENCE: Duration = Duration::from_secs(15);
/// Bytes of an answer that are looked at.
const ANSWER_MAX: usize = 200;

/// Somebody who takes JSON.
#[derive(Clone)]
pub struct Webhook {
    client: Client,
    url: Key,
    secret: Option<Key>,
    clock: Arc<dyn Clock>,
}

impl fmt::Debug for Webhook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Webhook(..)")
    }
}

impl Webhook {
    /// A hook at an address.
    ///
    /// # Errors
    /// When the address is not taken, or no client could be made.
    pub fn new(url: Key, secret: Option<Key>, clock: Arc<dyn Clock>) -> Result<Self, ModelError> {
        let client = client(&address(url.reveal(), "")?)?;
        Ok(Self { client, url, secret, clock })
    }
}

impl Courier for Webhook {
    fn name(&self) -> &'static str {
        "webhook"
    }

    fn room(&self) -> usize {
        16_384
    }

    fn deliver(&self, parcel: Parcel) -> Delivery {
        let hook = self.clone();
        Box::pin(async move {
            let body = body(&parcel).to_string();
            let at = hook.clock.wall().ms().div_euclid(1_000).to_string();
            let signature = hook.secret.as_ref().map(|secret| sign(secret, &at, &body));
            let signed = signature.as_ref().map(|signature| {
                [("x-conclave-timestamp", at.as_str()), ("x-conclave-signature", signature)]
            });
            let headers = signed.as_ref().map_or(&[][..], |signed| &signed[..]);
            post(&hook.client, &hook.url, (body, headers), PATIENCE).await
        })
    }
}

fn sign(secret: &Key, at: &str, body: &str) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.reveal().as_bytes());
    let tag = hmac::sign(&key, format!("{at}.{body}").as_bytes());
    let mut text = "sha256=".to_owned();
    for byte in tag.as_ref() {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}

fn body(parcel: &Parcel) -> Value {
    let notices: Vec<Value> = parcel.notices.iter().map(|notice| one(notice)).collect();
    json!({"schema": "notices/1", "notices": notices, "left_out": parcel.left_out})
}

fn one(notice: &Notice) -> Value {
    let expires_at = match &notice.matter {
        Matter::Asks { expires_at, .. } => Some(*expires_at),
        Matter::Plain | Matter::Ends { .. } => None,
    };
    json!({
        "kind": notice.kind, "importance": notice.importance(), "at": notice.at,
        "text": notice.text.text(), "decision": notice.decision, "record": notice.seq,
        "expires_at": expires_at,
    })
}

/// What is said of notices that had no room.
pub(crate) fn left_out(count: u64) -> Option<String> {
    (count > 0).then(|| format!("{count} less important notices were left out; the audit has them"))
}

/// Posts JSON to an address that may be a secret.
pub(super) async fn post(
    client: &Client,
    url: &Key,
    (body, headers): (String, &[(&'static str, &str)]),
    patience: Duration,
) -> Result<(), Undelivered> {
    let never = |why: &str| Undelivered::Never { why: why.to_owned() };
    let parsed = Url::parse(url.reveal()).map_err(|_| never("the address is no url"))?;
    let mut request = Request::new(Method::POST, parsed);
    *request.timeout_mut() = Some(patience);
    let json = HeaderValue::from_static("application/json");
    request.headers_mut().insert(CONTENT_TYPE, json);
    for (name, value) in headers {
        let value = HeaderValue::try_from(*value).map_err(|_| never("no such header"))?;
        request.headers_mut().insert(HeaderName::from_static(name), value);
    }
    *request.body_mut() = Some(body.into());
    let unreached = |error| Undelivered::Later { after: None, why: cause(error) };
    let mut response = client.execute(request).await.map_err(unreached)?;
    let status = response.status();
    if status.is_success() {
        return Ok(());
    }
    let after = response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok());
    let after = after.and_then(|text| text.trim().parse().ok()).map(Duration::from_secs);
    let said = response.chunk().await.ok().flatten().unwrap_or_default();
    let said = String::from_utf8_lossy(said.get(..ANSWER_MAX).unwrap_or(&said)).into_owned();
    let said: String = said.chars().filter(|c| !c.is_control()).collect();
    Err(refusal(status.as_u16(), after, &url.scrub(said)))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The expected figure was computed by another program.
    #[test]
    fn a_signature_covers_the_time_and_the_body() {
        let secret = Key::new("S", "key").unwrap();
        let one = sign(&secret, "1", "{}");
        let known = "sha256=1ba6b8171186efc613e8bcc0cbdab2748f24984d7c5a84faa2637afa0e40d224";
        assert_eq!(one, known);
        for (at, body, key) in [("2", "{}", "key"), ("1", "{ }", "key"), ("1", "{}", "kez")] {
            assert_ne!(sign(&Key::new("S", key).unwrap(), at, body), one);
        }
    }
}
