//! How the context's parts become bytes: an envelope of magic and schema around bincode.
//!
//! bincode is not self-describing: a field that was added or removed reads as garbage or as silence.
//! So every value carries its schema; an older one is migrated in one `match`, a newer one refused,
//! and what is left over behind a value is damage.

use bincode::config::{Configuration, Limit, LittleEndian, Varint};
use conclave_actors::runtime::ports::StoreError;
use conclave_domain::context::{Part, PartKey, PartValue, PartValueV1};
use conclave_domain::record::Anchor;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// What a value of ours begins with.
const MAGIC: [u8; 4] = *b"CVLV";
/// The schema that is written, and the newest that is read. Books of schema 1 held every trade.
const SCHEMA: u16 = 2;
/// No value is larger than this, so that a damaged length cannot exhaust the memory.
const LIMIT: usize = 256 << 20;

const CONFIG: Configuration<LittleEndian, Varint, Limit<LIMIT>> =
    bincode::config::standard().with_limit::<LIMIT>();

fn encode<T: Serialize>(what: &'static str, value: &T) -> Result<Vec<u8>, StoreError> {
    let mut bytes = MAGIC.to_vec();
    bytes.extend_from_slice(&SCHEMA.to_le_bytes());
    bincode::serde::encode_into_std_write(value, &mut bytes, CONFIG)
        .map_err(|error| StoreError::Unwritable { what, why: error.to_string() })?;
    Ok(bytes)
}

/// The schema of an envelope and what is in it.
fn open<'a>(what: &'static str, bytes: &'a [u8]) -> Result<(u16, &'a [u8]), StoreError> {
    let damaged = || StoreError::Damaged { what: format!("a `{what}` without its envelope") };
    let rest = bytes.strip_prefix(&MAGIC).ok_or_else(damaged)?;
    let (schema, value) = rest.split_first_chunk::<2>().ok_or_else(damaged)?;
    Ok((u16::from_le_bytes(*schema), value))
}

fn read<T: DeserializeOwned>(what: &'static str, bytes: &[u8]) -> Result<T, StoreError> {
    let damaged = |why: String| StoreError::Damaged { what: format!("a `{what}`: {why}") };
    let (value, read) = bincode::serde::decode_from_slice(bytes, CONFIG)
        .map_err(|error| damaged(error.to_string()))?;
    if read == bytes.len() { Ok(value) } else { Err(damaged("bytes are left over".to_owned())) }
}

const fn newer(what: &'static str, found: u16) -> StoreError {
    StoreError::Newer { what, found, known: SCHEMA }
}

/// A part's bytes.
///
/// # Errors
/// When it cannot be written.
pub fn encode_part(part: &Part) -> Result<Vec<u8>, StoreError> {
    encode("part", &(part.applied, &part.value))
}

/// The part that was stored under `key`.
///
/// # Errors
/// When the bytes are damaged, or a newer version wrote them.
pub fn decode_part(key: PartKey, bytes: &[u8]) -> Result<Part, StoreError> {
    const WHAT: &str = "part";
    let (applied, value): (u64, PartValue) = match open(WHAT, bytes)? {
        (2, value) => read(WHAT, value)?,
        (1, value) => {
            let (applied, former): (u64, PartValueV1) = read(WHAT, value)?;
            (applied, former.into())
        }
        (found, _) => return Err(newer(WHAT, found)),
    };
    if let PartValue::Book(state) = &value {
        let check = state.book.check();
        check.map_err(|error| StoreError::Damaged { what: format!("`{key}`: {error}") })?;
    }
    Ok(Part { key, applied, value })
}

/// An anchor's bytes.
///
/// # Errors
/// When it cannot be written.
pub fn encode_anchor(anchor: &Anchor) -> Result<Vec<u8>, StoreError> {
    encode("anchor", anchor)
}

/// The anchor that was stored.
///
/// # Errors
/// When the bytes are damaged, or a newer version wrote them.
pub fn decode_anchor(bytes: &[u8]) -> Result<Anchor, StoreError> {
    const WHAT: &str = "anchor";
    match open(WHAT, bytes)? {
        (1 | 2, value) => read(WHAT, value),
        (found, _) => Err(newer(WHAT, found)),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use conclave_domain::context::Window;

    use super::*;

    fn part() -> Part {
        let value = PartValue::Document(Arc::from(r#"{"a":1}"#));
        Part { key: PartKey::Document("d".into()), applied: 300, value }
    }

    /// These bytes lie on disks: a change of them needs a new schema and a migration.
    #[test]
    fn the_bytes_of_both_schemas_are_what_they_were() {
        let golden = [
            b"CVLV\x02\x00".as_slice(),
            &[251, 44, 1], // 300 as a varint
            &[5],          // the sixth kind of value
            &[7],
            br#"{"a":1}"#,
        ]
        .concat();
        assert_eq!(encode_part(&part()).unwrap(), golden);
        assert_eq!(decode_part(part().key, &golden).unwrap(), part());
        let mut former = golden;
        former[4] = 1;
        assert_eq!(decode_part(part().key, &former).unwrap(), part());
    }

    /// A book as schema 1 wrote it, with its trades and the ids of all its fills: three trades won, then
    /// three lost. What counts of it is kept, and it is written anew as schema 2.
    #[test]
    fn a_book_of_schema_one_is_read_and_its_trades_are_counted() {
        let stored = include_bytes!("../../../tests/fixtures/context/book-1.bin");
        let key: PartKey = "book/shadow".parse().unwrap();
        let part = decode_part(key.clone(), stored).unwrap();
        let PartValue::Book(state) = &part.value else { panic!("{part:?}") };
        let Window { trades, won, loss_streak } = state.window;
        assert_eq!((trades, won, loss_streak, state.book.closed()), (6, 3, 3, 6));
        assert_eq!(state.book.trades(), []);
        state.book.check().unwrap();
        let anew = encode_part(&part).unwrap();
        assert_eq!(anew[4], 2);
        assert_eq!(decode_part(key, &anew).unwrap(), part);
    }

    #[test]
    fn a_newer_a_torn_and_a_stretched_value_are_refused() {
        let good = encode_part(&part()).unwrap();
        let decode = |bytes: &[u8]| decode_part(part().key, bytes).unwrap_err();
        let mut newer = good.clone();
        newer[4] = 3;
        let refused = StoreError::Newer { what: "part", found: 3, known: 2 };
        assert_eq!(decode(&newer), refused);
        for length in 0..good.len() {
            assert!(matches!(decode(&good[..length]), StoreError::Damaged { .. }), "{length}");
        }
        let stretched = [good.as_slice(), &[0]].concat();
        assert!(matches!(decode(&stretched), StoreError::Damaged { .. }));
        let huge = [&good[..8], &[4, 253, 255, 255, 255, 255, 255, 255, 255, 127]].concat();
        assert!(matches!(decode(&huge), StoreError::Damaged { .. }), "a length beyond the limit");
    }
}
