//! Randomness of the operating system, for what nobody may guess.

use std::fmt::Write as _;

use ring::rand::{SecureRandom as _, SystemRandom};

/// 128 bits in hexadecimal.
///
/// # Errors
/// When the operating system gives no randomness.
pub fn nonce() -> std::io::Result<String> {
    let mut bytes = [0_u8; 16];
    let none = |_| std::io::Error::other("the system gives no randomness");
    SystemRandom::new().fill(&mut bytes).map_err(none)?;
    let mut text = String::with_capacity(32);
    for byte in bytes {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_nonce_comes_twice() {
        let all: std::collections::BTreeSet<String> = (0..100).map(|_| nonce().unwrap()).collect();
        assert!(all.len() == 100 && all.iter().all(|nonce| nonce.len() == 32));
    }
}
