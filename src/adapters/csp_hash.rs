//! The hash by which a browser's policy knows a text that stands in a page.

use ring::digest::{SHA256, digest};

/// What a content security policy calls a text: `'sha256-…'`, over its bytes as they stand in the page.
pub fn source_of(text: &str) -> String {
    format!("'sha256-{}'", base64(digest(&SHA256, text.as_bytes()).as_ref()))
}

/// The usual alphabet, filled up with `=`.
fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let four = |three: &[u8]| {
        let bits = three.iter().fold(0, |bits, byte| bits << 8 | usize::from(*byte));
        let bits = bits << (8 * (3 - three.len()));
        let digit = |nth| DIGITS.get(bits >> (18 - 6 * nth) & 63).map_or('=', |it| char::from(*it));
        [0, 1, 2, 3].map(|nth| if nth <= three.len() { digit(nth) } else { '=' })
    };
    bytes.chunks(3).flat_map(four).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Method: the examples of RFC 4648.
    #[test]
    fn base64_is_written_as_its_standard_says() {
        let pairs =
            [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foobar", "Zm9vYmFy")];
        for (plain, wanted) in pairs {
            assert_eq!(base64(plain.as_bytes()), wanted);
        }
    }

    /// Method: the digest of nothing, as every list of test vectors has it.
    #[test]
    fn the_hash_of_nothing_is_known() {
        let known = "'sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU='";
        assert_eq!(source_of(""), known);
    }
}
