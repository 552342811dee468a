//! JSON objects as keys and raw texts, so that numbers are read from their digits and a key that
//! stands there twice is seen.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::shown;
use crate::alpaca::number::numeral_text;
use crate::fixed::{FixedError, Money, Price, Qty, Volume};
use crate::market::door::PRICE_MAX;
use crate::market::symbol::Symbol;

/// The most entries of an object: a symbol's bars.
pub(super) const ENTRIES_MAX: usize = 1_000_000;
/// The longest text in a field that is read, bytes.
const TEXT_MAX: usize = 1_024;

/// An object's entries in the order in which they stand.
#[derive(Debug)]
pub(super) struct Object<'a>(Vec<(String, &'a RawValue)>);

impl<'de: 'a, 'a> Deserialize<'de> for Object<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Entries;

        impl<'de> Visitor<'de> for Entries {
            type Value = Object<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Object<'de>, A::Error> {
                let mut entries: Vec<(String, &RawValue)> = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    if entries.len() == ENTRIES_MAX {
                        return Err(A::Error::custom(format!("more than {ENTRIES_MAX} entries")));
                    }
                    entries.push(entry);
                }
                let mut seen = BTreeSet::new();
                if let Some((key, _)) = entries.iter().find(|(key, _)| !seen.insert(key.as_str())) {
                    let text = format!("`{}` stands there twice", shown(key));
                    return Err(A::Error::custom(text));
                }
                Ok(Object(entries))
            }
        }

        deserializer.deserialize_map(Entries)
    }
}

/// What is wrong with a JSON text, without serde's line, which is of the text and not of the file.
pub(super) fn fault(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let bare = text.split(" at line ").next().unwrap_or(&text);
    format!("{bare} (column {})", error.column())
}

impl<'a> Object<'a> {
    /// Reads a text.
    pub(super) fn read(text: &'a str) -> Result<Self, String> {
        serde_json::from_str(text).map_err(|error| fault(&error))
    }

    /// The object under a key.
    pub(super) fn object(&self, key: &str) -> Result<Object<'a>, String> {
        Object::of(key, self.wanted(key)?)
    }

    /// The object under a key; `None` where there is none, or null.
    pub(super) fn object_if(&self, key: &str) -> Result<Option<Object<'a>>, String> {
        self.given(key).map(|raw| Object::of(key, raw)).transpose()
    }

    /// The entry's value as an object.
    pub(super) fn of(key: &str, raw: &'a RawValue) -> Result<Self, String> {
        Object::read(raw.get()).map_err(|why| format!("`{}`: {why}", shown(key)))
    }

    /// All entries.
    pub(super) fn entries(&self) -> impl Iterator<Item = (&str, &'a RawValue)> {
        self.0.iter().map(|(key, raw)| (key.as_str(), *raw))
    }

    fn get(&self, key: &str) -> Option<&'a RawValue> {
        self.0.iter().find(|(name, _)| name == key).map(|(_, raw)| *raw)
    }

    /// The value under a key that is not null.
    fn given(&self, key: &str) -> Option<&'a RawValue> {
        self.get(key).filter(|raw| raw.get() != "null")
    }

    fn wanted(&self, key: &str) -> Result<&'a RawValue, String> {
        self.given(key).ok_or_else(|| format!("there is no `{key}`"))
    }

    /// A text.
    pub(super) fn text(&self, key: &str) -> Result<String, String> {
        text(key, self.wanted(key)?)
    }

    /// A text; `None` where there is none, or null.
    pub(super) fn text_if(&self, key: &str) -> Result<Option<String>, String> {
        self.given(key).map(|raw| text(key, raw)).transpose()
    }

    /// A whole number.
    pub(super) fn integer(&self, key: &str) -> Result<i64, String> {
        let raw = self.wanted(key)?.get();
        raw.parse().map_err(|_| format!("`{key}`: {} is no whole number", shown(raw)))
    }

    /// A decimal.
    pub(super) fn number<N: Numeric>(&self, key: &str) -> Result<N, String> {
        number(key, self.wanted(key)?)
    }

    /// A decimal; `None` where there is none, or null.
    pub(super) fn number_if<N: Numeric>(&self, key: &str) -> Result<Option<N>, String> {
        self.given(key).map(|raw| number(key, raw)).transpose()
    }

    /// A symbol.
    pub(super) fn symbol(&self, key: &str) -> Result<Symbol, String> {
        symbol(&self.text(key)?)
    }

    /// A price that can be: above zero, and not above [`PRICE_MAX`].
    pub(super) fn price_if(&self, key: &str) -> Result<Option<Price>, String> {
        let price: Option<Price> = self.number_if(key)?;
        match price {
            Some(price) if price <= Price::ZERO || price > PRICE_MAX => {
                Err(format!("`{key}`: a price of {price} cannot be: above 0 and up to {PRICE_MAX}"))
            }
            price => Ok(price),
        }
    }
}

/// What is read from decimal text.
pub(super) trait Numeric: FromStr<Err = FixedError> {
    /// Its steps.
    fn raw(&self) -> i64;
}

macro_rules! numeric {
    ($($name:ident),*) => {$(
        impl Numeric for $name {
            fn raw(&self) -> i64 {
                $name::raw(*self)
            }
        }
    )*};
}

numeric!(Money, Price, Qty, Volume);

/// A decimal, of a JSON number or of a string that holds one, never through a float.
pub(super) fn number<N: Numeric>(key: &str, raw: &RawValue) -> Result<N, String> {
    let named = |why: &str| format!("`{}`: {why}", shown(key));
    let text = numeral_text(raw).map_err(|why| named(&why))?;
    let number: N = text
        .ok_or_else(|| named("there is no number"))?
        .parse()
        .map_err(|error: FixedError| named(&error.to_string()))?;
    // The lowest number has no size: whoever asks for it would overflow.
    if number.raw() == i64::MIN {
        return Err(named("out of range"));
    }
    Ok(number)
}

/// A symbol, or why it is none.
pub(super) fn symbol(text: &str) -> Result<Symbol, String> {
    Symbol::new(text).map_err(|_| format!("`{}` is no symbol", shown(text)))
}

fn text(key: &str, raw: &RawValue) -> Result<String, String> {
    let text: Option<String> =
        (raw.get().len() <= TEXT_MAX).then(|| serde_json::from_str(raw.get()).ok()).flatten();
    text.ok_or_else(|| format!("`{key}`: {} is no short text", shown(raw.get())))
}
