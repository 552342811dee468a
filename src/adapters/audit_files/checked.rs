//! A small JSON text in an envelope with a hash over it, so that a torn or changed file is none.

use conclave_domain::record::Digest;
use serde::Serialize;
use serde::de::DeserializeOwned;

const CHECK: &str = "{\"check\":\"";
const BODY: &str = "\",\"body\":";

/// The envelope around a value, without a line feed.
pub(super) fn seal(value: &impl Serialize) -> serde_json::Result<String> {
    let body = serde_json::to_string(value)?;
    Ok(format!("{CHECK}{}{BODY}{body}}}", Digest::of(body.as_bytes())))
}

/// The value in an envelope, white space behind it left aside, and its hash.
pub(super) fn open<T: DeserializeOwned>(bytes: &[u8]) -> Result<(T, Digest), String> {
    let text = std::str::from_utf8(bytes).map_err(|error| error.to_string())?;
    let inner = text.trim_end().strip_prefix(CHECK).and_then(|text| text.strip_suffix('}'));
    let (check, body) = inner.and_then(|text| text.split_once(BODY)).ok_or("it is torn")?;
    let found = Digest::of(body.as_bytes());
    if check.parse() != Ok(found) {
        return Err("its check does not match".to_owned());
    }
    let value = serde_json::from_str(body).map_err(|error| error.to_string())?;
    Ok((value, found))
}
