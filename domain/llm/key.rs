//! The name of an exchange: what was asked, of whom, in which way.

/// The BLAKE3 hash, in hexadecimal digits, of what makes two exchanges the same: provider, endpoint,
/// dialect and body. Each part counts with its length, so that no two different lists of parts are
/// the same bytes.
pub fn exchange_key(parts: &[&str]) -> String {
    let mut hasher = blake3::Hasher::new();
    for part in parts {
        hasher.update(&(part.len() as u64).to_le_bytes());
        hasher.update(part.as_bytes());
    }
    hasher.finalize().to_hex().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_is_that_of_the_parts_and_of_their_borders() {
        let key = exchange_key(&["anthropic", "https://api", "{}"]);
        assert_eq!(key.len(), 64);
        assert_eq!(key, exchange_key(&["anthropic", "https://api", "{}"]));
        for other in [
            &["anthropi", "chttps://api", "{}"][..],
            &["anthropic", "https://api", "{} "],
            &["anthropic", "https://api{}"],
            &["anthropic", "https://api", "{}", ""],
        ] {
            assert_ne!(key, exchange_key(other), "{other:?}");
        }
    }
}
