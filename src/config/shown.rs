//! The configuration as it is shown, to whoever asks and wherever: no key holds a secret, but a person may
//! have put one into an address all the same.

use serde_json::{Map, json};
use toml::Value;

use super::Layer;

/// Every key with its value and where it came from, as `config/1`.
pub fn document(layer: &Layer) -> serde_json::Value {
    let keys = layer.iter().map(|(key, (value, source))| {
        let value = serde_json::to_value(shown(key, value)).unwrap_or_default();
        (key.clone(), json!({"value": value, "source": source.to_string()}))
    });
    json!({"schema": "config/1", "keys": keys.collect::<Map<_, _>>()})
}

/// A key's value, cut where it is an address that may hide a secret: before its host, in its question, or in
/// the path of a hook.
pub fn shown(key: &str, value: &Value) -> Value {
    let text = match value {
        Value::String(text) => text,
        Value::Array(all) => return Value::Array(all.iter().map(|one| shown(key, one)).collect()),
        other => return other.clone(),
    };
    let Some((scheme, rest)) = text.split_once("://") else { return value.clone() };
    if !text.contains(['@', '?']) && key != "notify.webhook_url" {
        return value.clone();
    }
    let host = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let host = host.rsplit('@').next().unwrap_or_default();
    Value::from(format!("{scheme}://{host}/…"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_shown_without_what_it_may_hide() {
        for (key, text, wanted) in [
            ("x", "https://me:s3cr3t@a.example/v1", "https://a.example/…"),
            ("x", "https://a.example/v1?key=s3cr3t", "https://a.example/…"),
            ("x", "https://a.example/v1", "https://a.example/v1"),
            ("notify.webhook_url", "https://a.example/s3cr3t", "https://a.example/…"),
            ("x", "no address @ all?", "no address @ all?"),
        ] {
            assert_eq!(shown(key, &Value::from(text)), Value::from(wanted), "{text}");
        }
        let list = |address: &str| Value::from(vec![address]);
        assert_eq!(shown("x", &list("https://me@a.example")), list("https://a.example/…"));
        assert_eq!(shown("x", &Value::from(7)), Value::from(7));
    }
}
