//! `MessagePack`, as far as the data stream needs it: its clients may ask for it instead of JSON.

use conclave_domain::time::Time;
use serde_json::{Map, Number, Value};

/// How deep a message may be nested.
const DEPTH_MAX: u8 = 8;

/// Writes a message. Texts under the names of times are written as times.
pub(super) fn write(value: &Value, out: &mut Vec<u8>) {
    match value {
        Value::Null => out.push(0xc0),
        Value::Bool(flag) => out.push(if *flag { 0xc3 } else { 0xc2 }),
        Value::Number(number) => write_number(number, out),
        Value::String(text) => write_text(text, out),
        Value::Array(items) => {
            write_length(items.len(), 0x90, 0xdc, out);
            for item in items {
                write(item, out);
            }
        }
        Value::Object(fields) => {
            write_length(fields.len(), 0x80, 0xde, out);
            for (name, value) in fields {
                write_text(name, out);
                let time = match (name.as_str(), value) {
                    ("t" | "created_at" | "updated_at", Value::String(text)) => text.parse().ok(),
                    _ => None,
                };
                match time {
                    Some(time) => write_time(time, out),
                    None => write(value, out),
                }
            }
        }
    }
}

/// The length of a list or a map: up to 15 in the first byte, more in two or four behind it.
fn write_length(length: usize, short: u8, long: u8, out: &mut Vec<u8>) {
    match (u8::try_from(length), u16::try_from(length)) {
        (Ok(length), _) if length < 16 => out.push(short | length),
        (_, Ok(length)) => {
            out.push(long);
            out.extend(length.to_be_bytes());
        }
        _ => {
            out.push(long + 1);
            out.extend(u32::try_from(length).unwrap_or(u32::MAX).to_be_bytes());
        }
    }
}

fn write_text(text: &str, out: &mut Vec<u8>) {
    match (u8::try_from(text.len()), u16::try_from(text.len())) {
        (Ok(length), _) if length < 32 => out.push(0xa0 | length),
        (Ok(length), _) => out.extend([0xd9, length]),
        (_, Ok(length)) => {
            out.push(0xda);
            out.extend(length.to_be_bytes());
        }
        _ => {
            out.push(0xdb);
            out.extend(u32::try_from(text.len()).unwrap_or(u32::MAX).to_be_bytes());
        }
    }
    out.extend(text.as_bytes());
}

fn write_number(number: &Number, out: &mut Vec<u8>) {
    if let Some(whole) = number.as_i64() {
        match i8::try_from(whole) {
            Ok(small) if small >= 0 => out.extend(small.to_be_bytes()),
            _ => {
                out.push(0xd3);
                out.extend(whole.to_be_bytes());
            }
        }
    } else {
        out.push(0xcb);
        out.extend(number.as_f64().unwrap_or(0.0).to_be_bytes());
    }
}

/// A time as the extension for times: nanoseconds and seconds in twelve bytes.
fn write_time(time: Time, out: &mut Vec<u8>) {
    let seconds = time.ms().div_euclid(1_000);
    let nanoseconds = u32::try_from(time.ms().rem_euclid(1_000) * 1_000_000).unwrap_or(0);
    out.extend([0xc7, 12, 0xff]);
    out.extend(nanoseconds.to_be_bytes());
    out.extend(seconds.to_be_bytes());
}

/// Reads a message: what a client asks for. `None` when it is none, or holds what no request does.
pub(super) fn read(mut bytes: &[u8]) -> Option<Value> {
    let value = item(&mut bytes, 0)?;
    bytes.is_empty().then_some(value)
}

fn take<'a>(bytes: &mut &'a [u8], length: usize) -> Option<&'a [u8]> {
    let (taken, rest) = bytes.split_at_checked(length)?;
    *bytes = rest;
    Some(taken)
}

fn length(bytes: &mut &[u8], size: usize) -> Option<usize> {
    let digits = take(bytes, size)?;
    Some(digits.iter().fold(0, |sum, digit| sum << 8 | usize::from(*digit)))
}

fn item(bytes: &mut &[u8], depth: u8) -> Option<Value> {
    if depth > DEPTH_MAX {
        return None;
    }
    let first = *take(bytes, 1)?.first()?;
    let small = usize::from(first & 0x0f);
    match first {
        0xc0 => Some(Value::Null),
        0xc2 | 0xc3 => Some(Value::Bool(first == 0xc3)),
        0x00..=0x7f => Some(Value::from(first)),
        0xa0..=0xbf => text(bytes, usize::from(first & 0x1f)),
        0xd9 => length(bytes, 1).and_then(|length| text(bytes, length)),
        0xda => length(bytes, 2).and_then(|length| text(bytes, length)),
        0x90..=0x9f => items(bytes, small, depth),
        0xdc => length(bytes, 2).and_then(|length| items(bytes, length, depth)),
        0x80..=0x8f => fields(bytes, small, depth),
        0xde => length(bytes, 2).and_then(|length| fields(bytes, length, depth)),
        _ => None,
    }
}

fn text(bytes: &mut &[u8], length: usize) -> Option<Value> {
    let text = std::str::from_utf8(take(bytes, length)?).ok()?;
    Some(Value::String(text.to_owned()))
}

fn items(bytes: &mut &[u8], count: usize, depth: u8) -> Option<Value> {
    (0..count).map(|_| item(bytes, depth + 1)).collect::<Option<Vec<_>>>().map(Value::Array)
}

fn fields(bytes: &mut &[u8], count: usize, depth: u8) -> Option<Value> {
    let mut fields = Map::new();
    for _ in 0..count {
        let Value::String(name) = item(bytes, depth + 1)? else { return None };
        fields.insert(name, item(bytes, depth + 1)?);
    }
    Some(Value::Object(fields))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn written(value: &Value) -> Vec<u8> {
        let mut out = Vec::new();
        write(value, &mut out);
        out
    }

    #[test]
    fn what_a_client_asks_is_read_as_it_was_written() {
        let names: Vec<String> = (0..40).map(|nth| format!("SYMBOL{nth}")).collect();
        for value in [
            json!({"action": "auth", "key": "k".repeat(200), "secret": "s".repeat(300)}),
            json!({"action": "subscribe", "bars": names, "trades": [], "flag": true, "no": null}),
            json!([]),
        ] {
            assert_eq!(read(&written(&value)), Some(value));
        }
    }

    #[test]
    fn what_is_torn_deep_or_no_message_is_none() {
        let whole = written(&json!({"action": "auth", "key": ["a", "b"]}));
        for cut in 0..whole.len() {
            assert_eq!(read(&whole[..cut]), None, "{cut}");
        }
        assert_eq!(read(&[0x91; 40]), None);
        assert_eq!(read(&[0xdc, 0xff, 0xff]), None);
        assert_eq!(read(&[0xc1]), None);
        assert_eq!(read(&[0xa2, 0xff, 0xfe]), None, "no text");
        assert_eq!(read(&[0xc0, 0xc0]), None, "one message and no more");
    }

    #[test]
    fn times_and_numbers_are_written_as_the_format_has_them() {
        assert_eq!(written(&json!(7)), [7]);
        assert_eq!(written(&json!(300)), [0xd3, 0, 0, 0, 0, 0, 0, 1, 0x2c]);
        assert_eq!(written(&json!(1.5)), [0xcb, 0x3f, 0xf8, 0, 0, 0, 0, 0, 0]);
        let time = written(&json!({"t": "1970-01-01T00:00:02.5Z"}));
        let head = [0x81, 0xa1, b't', 0xc7, 12, 0xff];
        assert_eq!(time[..6], head);
        assert_eq!(time[6..10], 500_000_000_u32.to_be_bytes());
        assert_eq!(time[10..], 2_i64.to_be_bytes());
    }
}
