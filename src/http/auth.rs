//! The bearer token that guards every mutation.

use std::fmt;

/// The environment variable with an operator's token.
pub const TOKEN_ENV: &str = "CONCLAVE_HTTP_TOKEN";
/// Characters that a given token has at least, without the blanks around it.
const LENGTH_MIN: usize = 16;

/// A secret token: 32 random bytes in hexadecimal, or what an operator gave. It is never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Token(String);

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(…)")
    }
}

/// Why a text guards nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// So few characters that somebody may guess them.
    #[error(
        "the token in {TOKEN_ENV} has {0} characters without the blanks around it, and takes at least \
         {LENGTH_MIN}: give a longer one, such as `openssl rand -hex 32` makes, or on loopback none to have one made"
    )]
    Short(usize),
    /// A header cannot carry it.
    #[error(
        "the token in {TOKEN_ENV} holds something else than printable ASCII, which no header carries: give \
         another one, such as `openssl rand -hex 32` makes, or on loopback none to have one made"
    )]
    Unprintable,
}

impl Token {
    /// A token that somebody gave, without the blanks around it.
    ///
    /// # Errors
    /// When it has fewer than sixteen characters, or one that no header carries.
    pub fn new(text: &str) -> Result<Self, TokenError> {
        let text = text.trim();
        if !text.bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic()) {
            return Err(TokenError::Unprintable);
        }
        if text.len() < LENGTH_MIN {
            return Err(TokenError::Short(text.len()));
        }
        Ok(Self(text.to_owned()))
    }

    /// The token that the environment gives; `None` where it gives none, or an empty one.
    ///
    /// # Errors
    /// When it is none.
    pub fn given() -> Result<Option<Self>, TokenError> {
        let given = std::env::var_os(TOKEN_ENV).filter(|given| !given.is_empty());
        let text = |given: std::ffi::OsString| given.into_string();
        let text = given.map(text).transpose().map_err(|_| TokenError::Unprintable)?;
        text.as_deref().map(Self::new).transpose()
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
        hash(given) == hash(&self.0)
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
        assert_eq!(format!("{token:?}"), "Token(…)");
    }

    #[test]
    fn a_token_that_somebody_could_guess_is_none() {
        for (bad, left) in [("", 0), (" ", 0), ("x", 1), ("\t fifteen letters \n", 15)] {
            assert_eq!(Token::new(bad).unwrap_err(), TokenError::Short(left), "{bad:?}");
        }
        for bad in ["sixteen letters, and a ü", "sixteen letters\nand a line"] {
            assert_eq!(Token::new(bad).unwrap_err(), TokenError::Unprintable, "{bad:?}");
        }
        let token = Token::new(" sixteen letters.\n").unwrap();
        assert_eq!(token.reveal(), "sixteen letters.");
        assert!(token.admits(Some("Bearer sixteen letters.")));
    }
}
