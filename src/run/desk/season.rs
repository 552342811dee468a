//! The latest season of the arena below `runs`, for whoever looks at a run.

use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::Path;

use serde_json::{Value, json};

use crate::adapters::secrets;
use crate::run::arena;

/// The largest board that is shown, bytes.
const BOARD_MAX: u64 = 1 << 20;
/// The most of the curves' file that is read, bytes.
const CURVES_MAX: u64 = 4 << 20;
/// Points of a curve that are shown.
const POINTS: usize = 150;
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
    let lines = dir.as_ref().and_then(|dir| lines(&Path::new(dir).join("equity.csv")));
    json!({"schema": "arena/1", "board": board, "dir": dir, "lines": lines})
}

/// How each contestant's money went, thinned, and before them the benchmark; `None` where no file tells.
fn lines(path: &Path) -> Option<Value> {
    let mut text = String::new();
    File::open(path).ok()?.take(CURVES_MAX).read_to_string(&mut text).ok()?;
    let mut rows = text.lines().map(|line| line.split(',').collect::<Vec<_>>());
    let names: Vec<&str> = rows.next()?.into_iter().skip(1).collect();
    // A line that is cut, at the end of what is read, has fewer fields.
    let rows: Vec<Vec<&str>> = rows.filter(|row| row.len() == names.len() + 1).collect();
    let every = rows.len().div_ceil(POINTS).max(1);
    let last = rows.len().checked_sub(1)?;
    let shown = rows.iter().enumerate().filter(|(nth, _)| nth % every == 0 || *nth == last);
    let points: Vec<Value> =
        shown.map(|(_, row)| json!({"at": row.first(), "values": row.get(1..)})).collect();
    Some(json!({"names": names, "points": points}))
}

/// The last decisions, newest first.
pub(super) fn chats() -> Value {
    let lines = arena::latest().ok().and_then(|dir| tail(&dir.join(arena::CHATS_FILE)).ok());
    let lines = lines.unwrap_or_default();
    // A line that is cut, at either end, is no JSON and passed over.
    let read = lines.lines().rev().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let chats: Vec<Value> = read.filter(Value::is_object).take(SHOWN).collect();
    // What models write is taken away by whoever reads the board: a key that one of them repeats is not.
    json!({"schema": "chats/1", "chats": secrets::cut_all(chats.into())})
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn curves_are_thinned_and_end_where_the_season_does() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("equity.csv");
        assert_eq!(lines(&path), None);
        let rows = (0..1_000).map(|nth| format!("2013-03-01T21:00:00Z,100,{nth},7\n"));
        let text = std::iter::once("time,benchmark,a,b\n".to_owned()).chain(rows);
        let text: String = text.collect();
        std::fs::write(&path, text + "2013-03-01T21:0").unwrap();
        let found = lines(&path).unwrap();
        assert_eq!(found["names"], json!(["benchmark", "a", "b"]));
        let points = found["points"].as_array().unwrap();
        assert!(points.len() <= POINTS + 1, "{}", points.len());
        assert_eq!(points[0]["values"], json!(["100", "0", "7"]));
        assert_eq!(points.last().unwrap()["values"], json!(["100", "999", "7"]));
    }
}
