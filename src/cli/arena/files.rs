//! The files that a book is checked with.

use std::path::{Path, PathBuf};

use conclave_domain::arena::foreign::merged::Prices;
use conclave_domain::record::Digest;

use crate::cli::error::{CliError, ExitCode};
use crate::data::bytes_up_to;

/// The largest file that is read, bytes; in memory it may take some ten times as much.
const FILE_MAX: u64 = 64 << 20;

/// A whole text file.
///
/// # Errors
/// [`ExitCode::NotFound`] where there is none, [`ExitCode::Data`] where it is too large or no UTF-8.
pub(super) fn text(path: &Path) -> Result<String, CliError> {
    String::from_utf8(bytes_up_to(path, FILE_MAX)?).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        let text = format!("{} is no text: byte {at} is not UTF-8", path.display());
        CliError::new(ExitCode::Data, text)
    })
}

/// The prices of all files, the first before the others; hash and name of each are added to `sources`.
///
/// # Errors
/// As [`text`], and [`ExitCode::Data`] where a file holds no series at all.
pub(super) fn prices(
    paths: &[PathBuf],
    sources: &mut Vec<(Digest, PathBuf)>,
) -> Result<Prices, CliError> {
    let mut prices = Prices::default();
    for path in paths {
        let before = prices.series_count();
        let text = text(path)?;
        sources.push((Digest::of(text.as_bytes()), path.clone()));
        prices.add(&path.display().to_string(), &text);
        if prices.series_count() == before {
            let first = prices.skipped.last().and_then(|(_, skipped)| skipped.listed.first());
            let why = first.map(|place| format!(": {place}")).unwrap_or_default();
            let text = format!("{} holds no series of prices{why}", path.display());
            return Err(CliError::new(ExitCode::Data, text));
        }
    }
    Ok(prices)
}
