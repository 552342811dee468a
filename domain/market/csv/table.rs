//! Lines into fields: the part that bars and the small tables share.

use super::fault::{CsvFaults, Fault};
use super::read::LINE_MAX;

/// The lines of a text with their numbers from one, without line ends, blank lines left out.
/// A byte-order mark at the start is skipped.
pub(super) fn lines(bytes: &[u8]) -> impl Iterator<Item = (usize, Result<&str, Fault>)> {
    let bytes = bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(bytes);
    let numbered = bytes.split(|&byte| byte == b'\n').enumerate();
    numbered.filter_map(|(index, line)| {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if line.iter().all(u8::is_ascii_whitespace) {
            return None;
        }
        let text = if line.len() > LINE_MAX {
            Err(Fault::LineTooLong { bytes: line.len(), max: LINE_MAX })
        } else {
            std::str::from_utf8(line).map_err(|_| Fault::NotUtf8)
        };
        Some((index + 1, text))
    })
}

/// Calls `each` with every field of a line, trimmed, without its quotes; gives their number.
///
/// A doubled quote inside quotes stays doubled: no figure has one.
///
/// # Errors
/// When a quote is not closed, or text follows a closed one.
pub(super) fn fields<'a>(
    line: &'a str,
    mut each: impl FnMut(usize, &'a str),
) -> Result<usize, Fault> {
    let mut rest = line;
    let mut count = 0;
    loop {
        let trimmed = rest.trim_start();
        let (field, after) = match trimmed.strip_prefix('"') {
            Some(inner) => {
                let end = closing_quote(inner).ok_or(Fault::OpenQuote)?;
                let after = inner[end + 1..].trim_start();
                if !after.is_empty() && !after.starts_with(',') {
                    return Err(Fault::OpenQuote);
                }
                (&inner[..end], after.strip_prefix(','))
            }
            None => match rest.as_bytes().iter().position(|&byte| byte == b',') {
                Some(comma) => (rest[..comma].trim(), Some(&rest[comma + 1..])),
                None => (rest.trim(), None),
            },
        };
        each(count, field);
        count += 1;
        match after {
            Some(after) => rest = after,
            None => return Ok(count),
        }
    }
}

/// Where the quote ends that was opened just before `text`; doubled quotes are content.
fn closing_quote(text: &str) -> Option<usize> {
    let bytes = text.as_bytes();
    let mut at = 0;
    while at < bytes.len() {
        match (bytes[at], bytes.get(at + 1)) {
            (b'"', Some(b'"')) => at += 2,
            (b'"', _) => return Some(at),
            _ => at += 1,
        }
    }
    None
}

/// A small table with named columns, such as splits and assets: for each row its line number and
/// the fields in the order of `columns`. Faults of `read` are collected with their lines.
///
/// # Errors
/// Every faulty line, up to 20.
pub(crate) fn table<const N: usize, T>(
    text: &str,
    columns: [&'static str; N],
    read: impl Fn([&str; N]) -> Result<T, Fault>,
) -> Result<Vec<T>, CsvFaults> {
    let mut faults = CsvFaults::up_to(20);
    let mut rows = Vec::new();
    let mut places: Option<([usize; N], usize)> = None;
    for (number, line) in lines(text.as_bytes()) {
        let result = line.and_then(|line| {
            let mut all = Vec::new();
            let count = fields(line, |_, field| all.push(field))?;
            let Some((places, expected)) = places else {
                places = Some((locate(&all, columns)?, count));
                return Ok(None);
            };
            if count != expected {
                return Err(Fault::FieldCount { found: count, expected });
            }
            read(places.map(|place| all[place])).map(Some)
        });
        match result {
            Ok(row) => rows.extend(row),
            Err(fault) => {
                faults.push(number, fault);
                if places.is_none() {
                    return Err(faults);
                }
            }
        }
    }
    if places.is_none() {
        faults.push(1, Fault::Empty);
    }
    if faults.is_empty() { Ok(rows) } else { Err(faults) }
}

fn locate<const N: usize>(
    header: &[&str],
    columns: [&'static str; N],
) -> Result<[usize; N], Fault> {
    let mut places = [0; N];
    for (place, column) in places.iter_mut().zip(columns) {
        let found = header.iter().position(|name| name.eq_ignore_ascii_case(column));
        *place = found
            .ok_or_else(|| Fault::MissingColumn { column, accepted: format!("`{column}`") })?;
    }
    Ok(places)
}
