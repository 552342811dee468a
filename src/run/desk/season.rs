//! The latest season of the arena below `runs`, for whoever looks at a run.

use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::Path;

use serde_json::{Value, json};

use crate::run::arena;

/// The largest board that is shown, bytes.
const BOARD_MAX: u64 = 1 << 20;
/// The end of the decisions' file that is read, bytes.
const TAIL: u64 = 256 << 10;
/// Decisions that are shown.
const SHOWN: usize = 30;

/// The board, as its file has it; null where no season was played.
pub(super) fn board() -> Value {
    let read = || {
        let dir = arena::latest().ok()?;
        let mut text = String::new();
        File::open(dir.join("board.json")).ok()?.take(BOARD_MAX).read_to_string(&mut text).ok()?;
        let board: Value = serde_json::from_str(&text).ok()?;
        Some((board, dir.display().to_string()))
    };
    let (board, dir) = read().unzip();
    json!({"schema": "arena/1", "board": board, "dir": dir})
}

/// The last decisions, newest first.
pub(super) fn chats() -> Value {
    let lines = arena::latest().ok().and_then(|dir| tail(&dir.join(arena::CHATS_FILE)).ok());
    let lines = lines.unwrap_or_default();
    // A line that is cut, at either end, is no JSON and passed over.
    let read = lines.lines().rev().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let chats: Vec<Value> = read.filter(Value::is_object).take(SHOWN).collect();
    json!({"schema": "chats/1", "chats": chats})
}

/// The end of a file.
fn tail(path: &Path) -> std::io::Result<String> {
    let mut file = File::open(path)?;
    let size = file.metadata()?.len();
    file.seek(SeekFrom::Start(size.saturating_sub(TAIL)))?;
    let mut bytes = Vec::new();
    file.take(TAIL).read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}
