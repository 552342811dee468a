//! Names of what is traded, checked at the door.

use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// A ticker such as `AAPL`, `BRK.B` or `BTC/USD`. Cheap to clone.
///
/// At most 16 characters, upper-case letters and digits with single `.`, `-` or `/` inside, so that
/// it can be shown, logged and used as a key anywhere; it never names a file (see [`Symbol::slug`]).
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Symbol(Arc<str>);

impl PartialOrd for Symbol {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Symbol {
    /// By the text; clones of one symbol are equal without looking at it, which is what a ledger asks
    /// at every bar.
    fn cmp(&self, other: &Self) -> Ordering {
        if Arc::ptr_eq(&self.0, &other.0) { Ordering::Equal } else { self.0.cmp(&other.0) }
    }
}

/// A text that is no symbol.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not a symbol: 1 to 16 of A-Z, 0-9 and single `.`, `-`, `/` between them")]
pub struct SymbolError {
    text: String,
}

impl Symbol {
    /// The longest symbol accepted, in characters.
    pub const MAX_LEN: usize = 16;

    /// Checks a text.
    ///
    /// # Errors
    /// When it is no symbol; lower case is refused rather than guessed.
    pub fn new(text: &str) -> Result<Self, SymbolError> {
        let is_word = |byte: u8| byte.is_ascii_uppercase() || byte.is_ascii_digit();
        let bytes = text.as_bytes();
        let ends_are_words = bytes.first().is_some_and(|&byte| is_word(byte))
            && bytes.last().is_some_and(|&byte| is_word(byte));
        let pairs_are_legal = bytes.windows(2).all(|pair| is_word(pair[0]) || is_word(pair[1]));
        let all_known = bytes.iter().all(|&byte| is_word(byte) || b".-/".contains(&byte));
        if bytes.len() <= Self::MAX_LEN && ends_are_words && pairs_are_legal && all_known {
            Ok(Self(text.into()))
        } else {
            Err(SymbolError { text: text.chars().take(40).collect() })
        }
    }

    /// The ticker.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The ticker in a form that is safe in a file name: `/` becomes `_`.
    pub fn slug(&self) -> String {
        self.0.replace('/', "_")
    }
}

impl FromStr for Symbol {
    type Err = SymbolError;

    fn from_str(text: &str) -> Result<Self, SymbolError> {
        Self::new(text)
    }
}

impl fmt::Display for Symbol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl fmt::Debug for Symbol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl Serialize for Symbol {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Symbol {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        Self::new(&text).map_err(de::Error::custom)
    }
}

/// What kind of thing a symbol is. Stated by a table of assets, never guessed from the name.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum AssetClass {
    /// A listed US share or fund.
    #[default]
    Equity,
    /// A coin pair: round the clock, long only.
    Crypto,
}

impl AssetClass {
    /// The word in tables and files.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Equity => "equity",
            Self::Crypto => "crypto",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_symbol_is_a_ticker_and_never_a_path() {
        for good in ["A", "AAPL", "BRK.B", "BTC/USD", "BF-B", "7203"] {
            assert!(Symbol::new(good).is_ok(), "{good}");
        }
        for bad in
            ["", "../X", "../x", "/ETC", "A/../B", "aapl", "A B", "A.", "A..B", "ABCDEFGHIJKLMNOPQ"]
        {
            assert!(Symbol::new(bad).is_err(), "{bad}");
        }
        assert_eq!(Symbol::new("BTC/USD").unwrap().slug(), "BTC_USD");
    }
}
