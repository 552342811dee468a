//! Texts without what must not travel: whatever the environment holds as a key, and what looks like one.
//!
//! Secrets are kept out of logs and records where they are used. This is the second line: texts that were
//! written by models, libraries or persons, on their way to whoever reads a page or takes a file away.

use std::sync::LazyLock;

use serde_json::Value;

/// What stands where a secret was.
const CUT: &str = "[key]";
/// The shortest value of a variable that is looked for: a shorter one is found in every text.
const VALUE_MIN: usize = 8;
/// The shortest word that is taken for a key by its looks.
const WORD_MIN: usize = 16;
/// What is in the name of a variable or of a field that holds a secret.
const NAMES: [&str; 6] = ["key", "token", "secret", "password", "authorization", "otlp_headers"];
/// How keys of providers begin.
const PREFIXES: [&str; 6] = ["sk-", "xai-", "gsk_", "ghp_", "xoxb-", "AKIA"];

/// Values that are secrets, the longest first: one may hold another.
#[derive(Debug)]
struct Known(Vec<String>);

/// Those of this process, as they were when somebody first asked.
static KNOWN: LazyLock<Known> = LazyLock::new(|| {
    let text = |text: std::ffi::OsString| text.into_string().ok();
    Known::of(std::env::vars_os().filter_map(|(name, value)| Some((text(name)?, text(value)?))))
});

/// The text without secrets.
pub fn cut(text: &str) -> String {
    by_looks(&KNOWN.cut(text))
}

/// The value with every text in it cut.
pub fn cut_all(value: Value) -> Value {
    match value {
        Value::String(text) => cut(&text).into(),
        Value::Array(rows) => rows.into_iter().map(cut_all).collect(),
        Value::Object(fields) => {
            fields.into_iter().map(|(name, value)| (name, cut_all(value))).collect()
        }
        plain => plain,
    }
}

fn is_secret(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    NAMES.iter().any(|part| name.contains(part))
}

impl Known {
    fn of(variables: impl Iterator<Item = (String, String)>) -> Self {
        let secret = variables.filter(|(name, value)| is_secret(name) && value.len() >= VALUE_MIN);
        let mut values: Vec<String> = secret.map(|(_, value)| value).collect();
        values.sort_by_key(|value| std::cmp::Reverse(value.len()));
        Self(values)
    }

    fn cut(&self, text: &str) -> String {
        let found = self.0.iter().filter(|value| text.contains(&***value));
        found.fold(text.to_owned(), |text, value| text.replace(&**value, CUT))
    }
}

/// Without words that look like keys: behind `Bearer`, with a provider's beginning, before the host of an
/// address.
fn by_looks(text: &str) -> String {
    let is_part = |it: char| it.is_ascii_alphanumeric() || "-_.~+/@:%".contains(it);
    let mut told = String::with_capacity(text.len());
    let (mut rest, mut before) = (text, "");
    while !rest.is_empty() {
        let begins = rest.find(is_part).unwrap_or(rest.len());
        told.push_str(&rest[..begins]);
        let behind = &rest[begins..];
        let ends = behind.find(|it| !is_part(it)).unwrap_or(behind.len());
        let word = &behind[..ends];
        told.push_str(&word_of(before, word));
        (rest, before) = (&behind[ends..], word);
    }
    told
}

/// A word, or what stands for it.
fn word_of(before: &str, word: &str) -> String {
    let is_key = PREFIXES.iter().any(|prefix| word.starts_with(prefix)) && word.len() >= WORD_MIN;
    let is_shown = before.eq_ignore_ascii_case("bearer") && word.len() >= VALUE_MIN;
    if is_key || is_shown {
        return CUT.to_owned();
    }
    let address = word.split_once("://");
    match address.and_then(|(scheme, rest)| Some((scheme, rest.rsplit_once('@')?))) {
        Some((scheme, (_, host))) => format!("{scheme}://{CUT}@{host}"),
        None => word.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn known() -> Known {
        let pairs = [
            ("OPENROUTER_API_KEY", "marked-value-1"),
            ("CONCLAVE_WEBHOOK_SECRET", "marked-value-1-and-more"),
            ("SHORT_TOKEN", "abc"),
            ("EDITOR", "somebody"),
        ];
        Known::of(pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).into_iter())
    }

    #[test]
    fn what_the_environment_holds_as_a_secret_is_cut_wherever_it_stands() {
        let told = known().cut("a marked-value-1-and-more, b marked-value-1! abc somebody");
        assert_eq!(told, "a [key], b [key]! abc somebody");
    }

    #[test]
    fn what_looks_like_a_key_is_cut_and_what_does_not_stays() {
        for (text, wanted) in [
            ("use sk-or-v1-0123456789abcdef now", "use [key] now"),
            ("{\"authorization\":\"Bearer 0123456789\"}", "{\"authorization\":\"Bearer [key]\"}"),
            ("at postgres://ada:pa55@db:5432/x.", "at postgres://[key]@db:5432/x."),
            ("https://desk.example/?q=1", "https://desk.example/?q=1"),
            ("sk-1 bearer of news, ada@example.org", "sk-1 bearer of news, ada@example.org"),
            ("größer ✓ \n", "größer ✓ \n"),
        ] {
            assert_eq!(cut(text), wanted);
        }
    }

    #[test]
    fn every_text_of_a_document_is_cut_and_nothing_else_is_changed() {
        let said = json!({"chats": [{"reasoning": "my key is sk-or-v1-0123456789abcdef", "n": 7}]});
        let wanted = json!({"chats": [{"reasoning": "my key is [key]", "n": 7}]});
        assert_eq!(cut_all(said), wanted);
    }
}
