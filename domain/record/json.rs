//! Recognises compact JSON: enough to cut a line into its parts without a parser's allocations.

/// How deep values may nest.
const DEPTH_MAX: usize = 64;

/// Whether `text` is exactly one JSON value without white space between its parts.
pub(super) fn is_compact(text: &str) -> bool {
    value_end(text.as_bytes(), 0, 0) == Some(text.len())
}

/// The end of the value that begins at `start`; `None` when there is none.
pub(super) fn value_end(bytes: &[u8], start: usize, depth: usize) -> Option<usize> {
    match bytes.get(start)? {
        _ if depth > DEPTH_MAX => None,
        b'{' => members_end(bytes, start, depth, b'}'),
        b'[' => members_end(bytes, start, depth, b']'),
        b'"' => string_end(bytes, start),
        b't' => word_end(bytes, start, b"true"),
        b'f' => word_end(bytes, start, b"false"),
        b'n' => word_end(bytes, start, b"null"),
        _ => number_end(bytes, start),
    }
}

/// The end of the object or array that opens at `start` and closes with `close`.
fn members_end(bytes: &[u8], start: usize, depth: usize, close: u8) -> Option<usize> {
    let mut at = start + 1;
    if bytes.get(at) == Some(&close) {
        return Some(at + 1);
    }
    loop {
        if close == b'}' {
            at = string_end(bytes, at).filter(|&end| bytes.get(end) == Some(&b':'))? + 1;
        }
        at = value_end(bytes, at, depth + 1)?;
        match bytes.get(at)? {
            b',' => at += 1,
            byte if *byte == close => return Some(at + 1),
            _ => return None,
        }
    }
}

/// The end of the string whose quote stands at `start`.
pub(super) fn string_end(bytes: &[u8], start: usize) -> Option<usize> {
    if bytes.get(start) != Some(&b'"') {
        return None;
    }
    let mut at = start + 1;
    loop {
        match bytes.get(at)? {
            b'"' => return Some(at + 1),
            b'\\' => match bytes.get(at + 1)? {
                b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => at += 2,
                b'u' if bytes.get(at + 2..at + 6)?.iter().all(u8::is_ascii_hexdigit) => at += 6,
                _ => return None,
            },
            0..0x20 => return None,
            _ => at += 1,
        }
    }
}

fn word_end(bytes: &[u8], start: usize, word: &[u8]) -> Option<usize> {
    bytes[start..].starts_with(word).then_some(start + word.len())
}

fn number_end(bytes: &[u8], start: usize) -> Option<usize> {
    let digits_end = |from: usize| {
        let length = bytes[from..].iter().take_while(|byte| byte.is_ascii_digit()).count();
        (length > 0).then_some(from + length)
    };
    let whole = start + usize::from(bytes[start] == b'-');
    let mut end = digits_end(whole)?;
    if bytes[whole] == b'0' && end > whole + 1 {
        return None;
    }
    if bytes.get(end) == Some(&b'.') {
        end = digits_end(end + 1)?;
    }
    if matches!(bytes.get(end), Some(b'e' | b'E')) {
        let signed = usize::from(matches!(bytes.get(end + 1), Some(b'+' | b'-')));
        end = digits_end(end + 1 + signed)?;
    }
    Some(end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn compact_json_is_told_from_everything_else() {
        for good in [
            "{}",
            "[]",
            "null",
            "-0.5e-10",
            r#"{"a":[1,2.5,{"b":"\"\u00e9\\"}],"c":true}"#,
            r#""é""#,
        ] {
            assert!(is_compact(good), "{good}");
        }
        for bad in [
            "",
            " {}",
            "{} ",
            "{\"a\": 1}",
            "{a:1}",
            "[1,]",
            "[1",
            "01",
            "1.",
            ".5",
            "-",
            "+1",
            "\"a",
            "\"\n\"",
            "\"\\x\"",
            "\"\\u12\"",
            "NaN",
            "{}{}",
            "tru",
            "{\"a\"}",
            "1e",
        ] {
            assert!(!is_compact(bad), "{bad}");
        }
        let deep = "[".repeat(100_000);
        assert!(!is_compact(&deep), "hostile nesting must not overflow the stack");
    }
}
