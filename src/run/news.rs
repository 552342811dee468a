//! The news of a run: a file of one JSON line per item, let in by the door of `domain/news`.
//!
//! - L-1: nothing with `known_at` after the as-of time reaches a brief: what the door turns away is
//!   named on stderr with its reason, and the run goes on without it.

use std::collections::BTreeMap;
use std::sync::Arc;

use conclave_domain::market::symbol::Symbol;
use conclave_domain::news::door::Press;

use super::recipe::SourceFile;
use crate::cli::error::CliError;
use crate::data;

/// Items that are named one by one when they are turned away; of more only the number is said.
const NAMED_MAX: usize = 10;

/// The items of a file that may come in; none without a file.
///
/// # Errors
/// When the file cannot be read, or a line of it is no item.
pub(super) fn press(
    file: Option<&SourceFile>,
    universe: impl Iterator<Item = Symbol>,
) -> Result<Arc<Press>, CliError> {
    let Some(file) = file else { return Ok(Arc::default()) };
    let universe: Vec<Symbol> = universe.collect();
    let press = Press::of(data::read_news_file(&file.path)?, &universe);
    for refused in press.refused.iter().take(NAMED_MAX) {
        let (item, why) = (refused.id.as_str(), refused.error.to_string());
        tracing::warn!(item, why, "news item turned away");
    }
    if press.refused.len() > NAMED_MAX {
        let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
        for refused in &press.refused {
            *counts.entry(refused.error.name()).or_default() += 1;
        }
        let admitted = press.items().len();
        tracing::warn!(admitted, refused = press.refused.len(), ?counts, "more were turned away");
    }
    Ok(Arc::new(press))
}

/// The hash of a run's data: that of its bars, and of its news where it has any.
pub(super) fn data_hash(bars: String, news: Option<&SourceFile>) -> String {
    match news {
        None => bars,
        Some(file) => {
            let both = format!("{bars}\n{}", file.blake3);
            blake3::hash(both.as_bytes()).to_hex().to_string()
        }
    }
}
