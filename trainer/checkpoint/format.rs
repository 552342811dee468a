//! safetensors, as Python reads it: eight bytes with the length of a JSON header, the header, and raw
//! numbers, the lowest byte first. Only 32-bit floats and bytes are written and read.
//!
//! A file may come from anywhere: no length in it is believed before it was compared with the bytes that
//! are there, and the bytes are hashed.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::error::Problem;

/// The longest header that is read.
const LONGEST_HEADER: u64 = 1 << 22;
/// The key of our own text in `__metadata__`.
const TEXT: &str = "conclave";
/// The key of the hash in `__metadata__`.
const HASH: &str = "blake3";
const METADATA: &str = "__metadata__";

/// Numbers of one tensor.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Numbers {
    /// 32-bit floats, to the bit.
    Floats(Vec<f32>),
    /// Bytes.
    Bytes(Vec<u8>),
}

/// One tensor.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Stored {
    pub(super) shape: Vec<usize>,
    pub(super) numbers: Numbers,
}

impl Stored {
    pub(super) fn flat(numbers: Vec<f32>) -> Self {
        Self { shape: vec![numbers.len()], numbers: Numbers::Floats(numbers) }
    }

    pub(super) fn bytes(bytes: Vec<u8>) -> Self {
        Self { shape: vec![bytes.len()], numbers: Numbers::Bytes(bytes) }
    }
}

/// A file: tensors by name, and one text.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct File {
    pub(super) text: String,
    pub(super) tensors: BTreeMap<String, Stored>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Entry {
    dtype: String,
    shape: Vec<usize>,
    data_offsets: [usize; 2],
}

#[derive(Debug, Serialize, Deserialize)]
struct Header {
    #[serde(rename = "__metadata__")]
    metadata: BTreeMap<String, String>,
    #[serde(flatten)]
    tensors: BTreeMap<String, Entry>,
}

/// The file as bytes; the same file is always the same bytes.
pub(super) fn encode(file: &File) -> Result<Vec<u8>, Problem> {
    let (mut data, mut tensors) = (Vec::new(), BTreeMap::new());
    // Floats first: then each begins at a multiple of four bytes.
    for floats in [true, false] {
        for (name, stored) in &file.tensors {
            let from = data.len();
            match &stored.numbers {
                Numbers::Floats(numbers) if floats => {
                    data.extend(numbers.iter().flat_map(|number| number.to_bits().to_le_bytes()));
                }
                Numbers::Bytes(bytes) if !floats => data.extend_from_slice(bytes),
                _ => continue,
            }
            let dtype = if floats { "F32" } else { "U8" }.to_owned();
            let (shape, data_offsets) = (stored.shape.clone(), [from, data.len()]);
            tensors.insert(name.clone(), Entry { dtype, shape, data_offsets });
        }
    }
    let hash = hash(&file.text, &tensors, &data);
    let metadata = [(TEXT, file.text.clone()), (HASH, hash)];
    let metadata = metadata.map(|(key, value)| (key.to_owned(), value)).into();
    let header = serde_json::to_vec(&Header { metadata, tensors });
    let mut header = header.map_err(|error| Problem::Header(error.to_string()))?;
    while !header.len().is_multiple_of(8) {
        header.push(b' ');
    }
    let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
    bytes.extend_from_slice(&header);
    bytes.extend_from_slice(&data);
    Ok(bytes)
}

/// The file that these bytes are.
pub(super) fn decode(bytes: &[u8]) -> Result<File, Problem> {
    let found = bytes.len();
    let cut_off = |wanted| Problem::CutOff { found, wanted };
    let (length, rest) = bytes.split_first_chunk::<8>().ok_or(cut_off(8))?;
    let length = u64::from_le_bytes(*length);
    if length > LONGEST_HEADER {
        return Err(Problem::Header(format!("it would have {length} bytes")));
    }
    let header = usize::try_from(length).ok().and_then(|length| rest.split_at_checked(length));
    let (header, data) = header.ok_or(cut_off(8 + length))?;
    let header: Header =
        serde_json::from_slice(header).map_err(|error| Problem::Header(error.to_string()))?;
    let missing = |key: &str| Problem::Header(format!("{METADATA} has no {key}"));
    let text = header.metadata.get(TEXT).ok_or_else(|| missing(TEXT))?;
    let claimed = header.metadata.get(HASH).ok_or_else(|| missing(HASH))?;
    tiles(&header.tensors, data.len())?;
    let mut tensors = BTreeMap::new();
    for (name, entry) in &header.tensors {
        tensors.insert(name.clone(), stored(name, entry, data)?);
    }
    if *claimed != hash(text, &header.tensors, data) {
        return Err(Problem::Hash);
    }
    Ok(File { text: text.clone(), tensors })
}

/// Whether the tensors lie side by side and fill the file.
fn tiles(tensors: &BTreeMap<String, Entry>, length: usize) -> Result<(), Problem> {
    let mut spans: Vec<_> =
        tensors.iter().map(|(name, entry)| (entry.data_offsets, name)).collect();
    spans.sort_unstable();
    let mut end = 0;
    for ([from, to], name) in spans {
        if from != end || to < from {
            let why = format!("it lies from {from} to {to} where the one before ends at {end}");
            return Err(Problem::tensor(name, why));
        }
        end = to;
    }
    if end == length { Ok(()) } else { Err(Problem::Length { found: length, wanted: end }) }
}

fn stored(name: &str, entry: &Entry, data: &[u8]) -> Result<Stored, Problem> {
    let [from, to] = entry.data_offsets;
    let bytes = data.get(from..to).ok_or_else(|| Problem::tensor(name, "it is not in the file"))?;
    let size = match &*entry.dtype {
        "F32" => 4_usize,
        "U8" => 1,
        other => return Err(Problem::tensor(name, format!("numbers of type {other:?}"))),
    };
    let count = entry.shape.iter().try_fold(size, |count, length| count.checked_mul(*length));
    if count != Some(bytes.len()) {
        let why = format!("shape {:?} does not fill {} bytes", entry.shape, bytes.len());
        return Err(Problem::tensor(name, why));
    }
    let numbers = if size == 4 {
        let numbers = bytes.as_chunks::<4>().0.iter();
        Numbers::Floats(numbers.map(|bits| f32::from_bits(u32::from_le_bytes(*bits))).collect())
    } else {
        Numbers::Bytes(bytes.to_vec())
    };
    Ok(Stored { shape: entry.shape.clone(), numbers })
}

/// BLAKE3 over the text, the table of tensors and their numbers, in hexadecimal.
fn hash(text: &str, tensors: &BTreeMap<String, Entry>, data: &[u8]) -> String {
    let mut hasher = blake3::Hasher::new();
    let mut part = |bytes: &[u8]| {
        hasher.update(&(bytes.len() as u64).to_le_bytes());
        hasher.update(bytes);
    };
    part(text.as_bytes());
    for (name, entry) in tensors {
        let Entry { dtype, shape, data_offsets } = entry;
        part(format!("{name} {dtype} {shape:?} {data_offsets:?}").as_bytes());
    }
    part(data);
    hasher.finalize().to_hex().to_string()
}
