//! Bars that ship with the binary, and bars from files: the only two places they are read from.
//!
//! `data/README.md` says where the embedded ones come from; `data/checksums.txt` says what they are.

use std::io::{self, Read};
use std::path::{Path, PathBuf};

use conclave_domain::arena::gate::RawStatement;
use conclave_domain::market::asset::{Asset, read_assets};
use conclave_domain::market::csv::{CsvFaults, CsvOptions, CsvRead, read_csv};
use conclave_domain::market::dividends::{Dividend, read_dividends};
use conclave_domain::market::series::Series;
use conclave_domain::market::splits::{Split, SplitError, adjust, read_splits};
use conclave_domain::news::door::RawItem;
use serde::de::DeserializeOwned;
use serde_json::error::Category;

use crate::files;

/// The embedded bars: a file per symbol, in symbol order.
const BARS: [(&str, &str); 5] = [
    ("AAPL.csv", include_str!("../data/AAPL.csv")),
    ("FB.csv", include_str!("../data/FB.csv")),
    ("GOOG.csv", include_str!("../data/GOOG.csv")),
    ("IBM.csv", include_str!("../data/IBM.csv")),
    ("MSFT.csv", include_str!("../data/MSFT.csv")),
];
const ASSETS: (&str, &str) = ("assets.csv", include_str!("../data/assets.csv"));
const SPLITS: (&str, &str) = ("splits.csv", include_str!("../data/splits.csv"));

/// What the embedded files were when they were checked: a line per file, hash and name.
const CHECKSUMS: &str = include_str!("../data/checksums.txt");

/// The largest file that is read, in bytes: a hundred years of minute bars have less.
pub const FILE_MAX: u64 = 1 << 30;

/// Why data could not be had.
#[derive(Debug, thiserror::Error)]
pub enum DataError {
    /// The file could not be read.
    #[error("{} cannot be read", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The file is larger than is read.
    #[error("{} is larger than {bytes_max} bytes", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// How much is read.
        bytes_max: u64,
    },
    /// Lines of a file are not what they should be.
    #[error("{} is not a file of {what}: {why}", path.display())]
    Lines {
        /// The file.
        path: PathBuf,
        /// What its lines should be.
        what: &'static str,
        /// The first lines that are wrong, and why.
        why: String,
    },
    /// Lines of the file are wrong.
    #[error("{} is not valid", path.display())]
    Faults {
        /// The file.
        path: PathBuf,
        /// Every fault with its line.
        source: CsvFaults,
    },
    /// The splits do not fit the bars.
    #[error("the split table does not fit the bars")]
    Splits {
        /// Why.
        #[from]
        source: SplitError,
    },
    /// A series has no entry in the table of assets.
    #[error("{symbol} is not in the table of assets")]
    NoAsset {
        /// The symbol.
        symbol: String,
    },
}

/// The embedded bars of AAPL, FB, GOOG, IBM and MSFT, adjusted for splits, in symbol order.
///
/// # Errors
/// Never, while the tests of this module pass.
pub fn embedded() -> Result<Vec<Series>, DataError> {
    let splits = embedded_splits()?;
    let raw = embedded_raw()?;
    raw.iter().map(|series| Ok(adjust(series, &splits)?)).collect()
}

/// The embedded bars as they were printed on their day.
///
/// # Errors
/// As [`embedded`].
pub fn embedded_raw() -> Result<Vec<Series>, DataError> {
    let assets = embedded_assets()?;
    let read = |(file, text): &(&str, &str)| {
        let ticker = file.trim_end_matches(".csv");
        let no_asset = || DataError::NoAsset { symbol: ticker.to_owned() };
        let asset = assets.iter().find(|asset| asset.symbol.as_str() == ticker);
        let asset = asset.ok_or_else(no_asset)?;
        let mut options = CsvOptions::new(asset.symbol.clone());
        options.class = asset.class;
        let read = read_csv(text.as_bytes(), &options).map_err(|source| faults(file, source))?;
        Ok(read.series)
    };
    BARS.iter().map(read).collect()
}

/// What is known of the embedded symbols.
///
/// # Errors
/// As [`embedded`].
pub fn embedded_assets() -> Result<Vec<Asset>, DataError> {
    read_assets(ASSETS.1).map_err(|source| faults(ASSETS.0, source))
}

/// The splits within the embedded bars' time.
///
/// # Errors
/// As [`embedded`].
pub fn embedded_splits() -> Result<Vec<Split>, DataError> {
    read_splits(SPLITS.1).map_err(|source| faults(SPLITS.0, source))
}

/// Compares the embedded files with the hashes that they had when they were checked.
///
/// # Errors
/// The names of the files that are not what they were.
pub fn check_embedded() -> Result<(), Vec<&'static str>> {
    let is_known = |file: &str, text: &str| {
        let line = format!("{}  {file}", blake3::hash(text.as_bytes()).to_hex());
        CHECKSUMS.lines().any(|known| known == line)
    };
    let files = BARS.iter().chain([&ASSETS, &SPLITS]);
    let altered: Vec<_> =
        files.filter(|(file, text)| !is_known(file, text)).map(|(file, _)| *file).collect();
    if altered.is_empty() { Ok(()) } else { Err(altered) }
}

/// Reads bars from a file, raw as they stand there.
///
/// # Errors
/// When the file cannot be read, is too large, or has faulty lines.
pub fn read_file(path: &Path, options: &CsvOptions) -> Result<CsvRead, DataError> {
    read_csv(&bytes(path)?, options)
        .map_err(|source| DataError::Faults { path: path.to_owned(), source })
}

/// Reads a split table from a file.
///
/// # Errors
/// As [`read_file`].
pub fn read_splits_file(path: &Path) -> Result<Vec<Split>, DataError> {
    let text = String::from_utf8_lossy(&bytes(path)?).into_owned();
    read_splits(&text).map_err(|source| DataError::Faults { path: path.to_owned(), source })
}

/// Reads a table of dividends from a file.
///
/// # Errors
/// As [`read_file`].
pub fn read_dividends_file(path: &Path) -> Result<Vec<Dividend>, DataError> {
    let text = String::from_utf8_lossy(&bytes(path)?).into_owned();
    read_dividends(&text).map_err(|source| DataError::Faults { path: path.to_owned(), source })
}

/// Reads a table of assets from a file.
///
/// # Errors
/// As [`read_file`].
pub fn read_assets_file(path: &Path) -> Result<Vec<Asset>, DataError> {
    let text = String::from_utf8_lossy(&bytes(path)?).into_owned();
    read_assets(&text).map_err(|source| DataError::Faults { path: path.to_owned(), source })
}

/// The largest file of news that is read, bytes: half a million items have less.
pub const NEWS_FILE_MAX: u64 = 256 << 20;
/// The longest line of a file of news, bytes.
const NEWS_LINE_MAX: usize = 64 << 10;
/// Wrong lines that are named.
const NEWS_FAULTS_MAX: usize = 5;

/// Reads news from a file, one JSON line per item; empty lines mean nothing. What may be used of them
/// is the door's affair.
///
/// # Errors
/// When the file cannot be read, is larger than [`NEWS_FILE_MAX`], or has lines that are no items; the
/// first of them are named, and nothing of their text is.
pub fn read_news_file(path: &Path) -> Result<Vec<RawItem>, DataError> {
    lines_of(path, "news", "item")
}

/// Reads statements of issuers from a file, one JSON line each; empty lines mean nothing. What may be used
/// of them is the gate's affair.
///
/// # Errors
/// As [`read_news_file`].
pub fn read_statements_file(path: &Path) -> Result<Vec<RawStatement>, DataError> {
    lines_of(path, "statements", "statement")
}

/// The lines of a file, each of which is a JSON value of one form.
fn lines_of<T: DeserializeOwned>(
    path: &Path,
    what: &'static str,
    one: &'static str,
) -> Result<Vec<T>, DataError> {
    let bytes = bytes_up_to(path, NEWS_FILE_MAX)?;
    let wrong = |why: String| DataError::Lines { path: path.to_owned(), what, why };
    let text = std::str::from_utf8(&bytes).map_err(|error| wrong(error.to_string()))?;
    let (mut items, mut faults) = (Vec::new(), Vec::new());
    for (number, line) in (1..).zip(text.trim_start_matches('\u{feff}').lines()) {
        let line = line.trim();
        if line.is_empty() {
            continue;
        }
        match line_of(line, one) {
            Ok(item) => items.push(item),
            Err(why) => faults.push(format!("line {number} {why}")),
        }
    }
    if faults.is_empty() {
        return Ok(items);
    }
    let more = faults.len().saturating_sub(NEWS_FAULTS_MAX);
    faults.truncate(NEWS_FAULTS_MAX);
    let more = if more == 0 { String::new() } else { format!("; and {more} more") };
    Err(wrong(format!("{}{more}", faults.join("; "))))
}

fn line_of<T: DeserializeOwned>(line: &str, one: &str) -> Result<T, String> {
    if line.len() > NEWS_LINE_MAX {
        return Err(format!("is longer than {NEWS_LINE_MAX} bytes"));
    }
    serde_json::from_str(line).map_err(|error| match error.classify() {
        // Its text could quote the line.
        Category::Data => format!("is no {one} at column {}", error.column()),
        _ => format!("is no JSON at column {}", error.column()),
    })
}

fn bytes(path: &Path) -> Result<Vec<u8>, DataError> {
    bytes_up_to(path, FILE_MAX)
}

/// The whole of a regular file that is not larger than `bytes_max`.
pub(crate) fn bytes_up_to(path: &Path, bytes_max: u64) -> Result<Vec<u8>, DataError> {
    let failed = |source| DataError::File { path: path.to_owned(), source };
    let file = files::open(path).map_err(failed)?;
    let mut bytes = Vec::new();
    // One byte more than is allowed tells a full file from one that is too large.
    file.take(bytes_max + 1).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() as u64 > bytes_max {
        return Err(DataError::TooLarge { path: path.to_owned(), bytes_max });
    }
    Ok(bytes)
}

fn faults(file: &str, source: CsvFaults) -> DataError {
    DataError::Faults { path: Path::new("data").join(file), source }
}

#[cfg(test)]
mod tests {
    use std::fmt::Write;

    use conclave_domain::market::csv::write_csv;
    use conclave_domain::market::door::Door;

    use super::*;

    #[test]
    fn the_embedded_files_are_the_ones_that_were_checked() {
        let mut listing = String::new();
        for (file, text) in BARS.iter().chain([&ASSETS, &SPLITS]) {
            writeln!(listing, "{}  {file}", blake3::hash(text.as_bytes()).to_hex()).unwrap();
        }
        assert_eq!(listing, CHECKSUMS);
        assert_eq!(check_embedded(), Ok(()));
    }

    #[test]
    fn adjusted_bars_have_the_published_closes_and_returns() {
        let series = embedded().unwrap();
        for (symbol, bars, first, last, total_return) in [
            ("AAPL", 3_270, "32.5775", "430.47", 1_221.37),
            ("FB", 196, "38.2318", "27.78", -27.34),
            ("GOOG", 2_148, "100.335", "806.19", 703.50),
            ("IBM", 3_270, "100.25", "202.91", 102.40),
            ("MSFT", 3_270, "45.405", "27.95", -38.44),
        ] {
            let one = series.iter().find(|one| one.symbol.as_str() == symbol).unwrap();
            let (open, close) = (one.bars[0].close, one.bars[one.bars.len() - 1].close);
            let found = (close.to_f64() / open.to_f64() - 1.0) * 100.0;
            assert_eq!(one.bars.len(), bars, "{symbol}");
            assert_eq!((open.to_string(), close.to_string()), (first.into(), last.into()));
            assert!((found - total_return).abs() < 0.005, "{symbol}: {found}");
        }
        assert_eq!(embedded_raw().unwrap()[0].bars[0].close.to_string(), "130.31");
    }

    #[test]
    fn every_embedded_session_is_there_and_only_one_jump_is_no_split() {
        for (series, jumps) in embedded().unwrap().iter().zip([1, 0, 0, 0, 0]) {
            let mut door = Door::new(series.class, series.timeframe);
            let strange = series.bars.iter().flat_map(|bar| door.admit(bar).unwrap());
            let strange: Vec<String> = strange.map(|warning| warning.to_string()).collect();
            assert_eq!(strange.len(), jumps, "{strange:?}");
            assert!(strange.iter().all(|text| text.starts_with("split? 2000-09-29")));
        }
    }

    #[test]
    fn raw_bars_are_written_as_they_lie_in_the_repository() {
        for (series, (file, text)) in embedded_raw().unwrap().iter().zip(BARS) {
            let mut written = String::new();
            write_csv(series, &mut written).unwrap();
            assert_eq!(written, text, "{file}");
        }
    }

    #[test]
    fn a_file_of_news_is_read_whole_or_named_with_its_lines() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("news.jsonl");
        let item = r#"{"id":1,"headline":"one","symbol":"AAPL"}"#;
        std::fs::write(&path, format!("\u{feff}{item}\n\n{item}\r\n")).unwrap();
        assert_eq!(read_news_file(&path).unwrap().len(), 2);
        let secret = r#"{"id":1,"headline":"one","order":"buy all"}"#;
        let torn = &item[..20];
        std::fs::write(&path, format!("{item}\n{torn}\n{secret}\n{}\n", "[]\n".repeat(9))).unwrap();
        let error = read_news_file(&path).unwrap_err().to_string();
        assert!(
            error.contains("line 2 is no JSON") && error.contains("line 3 is no item"),
            "{error}"
        );
        assert!(error.contains("and 6 more") && !error.contains("order"), "{error}");
        std::fs::write(&path, [b'{', 0xff, b'}']).unwrap();
        assert!(matches!(read_news_file(&path), Err(DataError::Lines { .. })));
    }

    #[test]
    fn a_file_that_is_not_there_is_an_error_that_names_it() {
        let options = CsvOptions::new("X".parse().unwrap());
        let error = read_file(Path::new("/nowhere/at/all.csv"), &options).unwrap_err();
        assert_eq!(error.to_string(), "/nowhere/at/all.csv cannot be read");
    }
}
