//! Pairs of keys: who an account's client is.

use std::fmt;
use std::io::Read as _;

/// A key and its secret. Neither is shown by `Debug`.
#[derive(Clone, PartialEq, Eq)]
pub struct KeyPair {
    id: String,
    secret: String,
}

impl fmt::Debug for KeyPair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeyPair(…)")
    }
}

impl KeyPair {
    /// A pair that an operator gives; keys of an exchange that plays begin with `PK`, as those of
    /// paper accounts do, so that a real account's never end up here.
    pub fn given(id: &str, secret: &str) -> Option<Self> {
        let is_paper = id.starts_with("PK") && !secret.is_empty();
        is_paper.then(|| Self { id: id.to_owned(), secret: secret.to_owned() })
    }

    /// A fresh pair.
    ///
    /// # Errors
    /// When the operating system gives no randomness.
    pub fn fresh() -> std::io::Result<Self> {
        let mut bytes = [0_u8; 32];
        std::fs::File::open("/dev/urandom")?.read_exact(&mut bytes)?;
        let hash = blake3::hash(&bytes).to_hex();
        let (id, secret) = hash.split_at(18);
        Ok(Self { id: format!("PK{}", id.to_uppercase()), secret: secret[..40].to_owned() })
    }

    /// The key, for whoever may use the account.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The secret, for whoever may use the account.
    pub fn reveal(&self) -> &str {
        &self.secret
    }

    /// Whether this is the pair. Takes the same time wherever they differ.
    pub fn admits(&self, id: &str, secret: &str) -> bool {
        let hash = |text: &str| blake3::hash(text.as_bytes());
        let (key, secret) = (hash(id) == hash(&self.id), hash(secret) == hash(&self.secret));
        key & secret
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_whole_pair_is_admitted_and_none_is_shown() {
        let pair = KeyPair::fresh().unwrap();
        assert!(pair.id().starts_with("PK") && pair.id().len() == 20);
        assert!(pair.admits(pair.id(), pair.reveal()));
        assert!(!pair.admits(pair.id(), "") && !pair.admits("", pair.reveal()));
        assert_eq!(format!("{pair:?}"), "KeyPair(…)");
        assert!(KeyPair::given("AKREAL", "secret").is_none(), "a live account's key");
    }
}
