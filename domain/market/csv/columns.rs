//! Which field is which: a header's names, in any case, under the names data files use.

use super::fault::{CsvFaults, Fault};
use super::table::fields;

/// The six columns of a bar and the names each goes by.
const NAMES: [(&str, &[&str]); 6] = [
    ("timestamp", &["timestamp", "date", "datetime", "t", "time"]),
    ("open", &["open", "o"]),
    ("high", &["high", "h"]),
    ("low", &["low", "l"]),
    ("close", &["close", "c"]),
    ("volume", &["volume", "vol", "v"]),
];

/// Where the six columns stand, and what else the header has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Columns {
    /// Places of timestamp, open, high, low, close and volume.
    pub(super) places: [usize; 6],
    /// Fields that every line must have.
    pub(super) count: usize,
    /// Names of columns that are not used.
    pub(super) ignored: Vec<String>,
}

/// The canonical name of the nth of the six columns.
pub(super) const fn name(index: usize) -> &'static str {
    NAMES[index].0
}

/// Reads a header; faults go to `faults` under the line's number.
pub(super) fn columns(line: &str, number: usize, faults: &mut CsvFaults) -> Option<Columns> {
    let mut header: Vec<String> = Vec::new();
    let count = match fields(line, |_, field| header.push(field.to_ascii_lowercase())) {
        Ok(count) => count,
        Err(fault) => {
            faults.push(number, fault);
            return None;
        }
    };
    let mut places = [0; 6];
    let mut complete = true;
    for (place, (column, accepted)) in places.iter_mut().zip(NAMES) {
        let mut found =
            header.iter().enumerate().filter(|(_, name)| accepted.contains(&name.as_str()));
        match (found.next(), found.next()) {
            (Some((index, _)), None) => *place = index,
            (Some((_, first)), Some((_, second))) => {
                let (first, second) = (Fault::cut(first), Fault::cut(second));
                faults.push(number, Fault::AmbiguousColumn { column, first, second });
                complete = false;
            }
            (None, _) => {
                let accepted: Vec<String> =
                    accepted.iter().map(|name| format!("`{name}`")).collect();
                let accepted = accepted.join(", ");
                faults.push(number, Fault::MissingColumn { column, accepted });
                complete = false;
            }
        }
    }
    let unused = header.iter().enumerate().filter(|(index, _)| !places.contains(index));
    let ignored = unused.map(|(_, name)| Fault::cut(name)).collect();
    complete.then_some(Columns { places, count, ignored })
}
