//! The bearer token that guards every mutation.

use std::fmt;

/// A secret token of 32 random bytes in hexadecimal. It is never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Token(String);

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(…)")
    }
}

impl Token {
    /// A token read from its file, or given by an operator.
    pub fn new(text: &str) -> Self {
        Self(text.trim().to_owned())
    }

    /// A fresh token.
    ///
    /// # Errors
    /// When the operating system gives no randomness.
    pub fn fresh() -> std::io::Result<Self> {
        use std::io::Read as _;
        let mut bytes = [0_u8; 32];
        std::fs::File::open("/dev/urandom")?.read_exact(&mut bytes)?;
        Ok(Self(blake3::hash(&bytes).to_hex().to_string()))
    }

    /// The text, for the token file and the client's header only.
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// Whether an `Authorization` header carries this token. Takes the same time wherever they differ.
    pub fn admits(&self, header: Option<&str>) -> bool {
        let Some(given) = header.and_then(|header| header.strip_prefix("Bearer ")) else {
            return false;
        };
        // Comparing keyed hashes in constant time leaks neither the length nor a common prefix.
        let hash = |text: &str| blake3::hash(text.trim().as_bytes());
        !self.0.is_empty() && hash(given) == hash(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_whole_token_is_admitted() {
        let token = Token::fresh().unwrap();
        let good = format!("Bearer {}", token.reveal());
        assert!(token.admits(Some(&good)));
        for bad in [None, Some(""), Some("Bearer "), Some(token.reveal()), Some(&good[..20])] {
            assert!(!token.admits(bad), "{bad:?}");
        }
        assert!(!Token::new("").admits(Some("Bearer ")));
        assert_eq!(format!("{token:?}"), "Token(…)");
    }
}
