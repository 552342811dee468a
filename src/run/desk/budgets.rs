//! Budgets as they are shown, of a process that runs and of one that has ended.
//!
//! - G-2: a restart gives nothing back: what a killed process had reserved is shown as spent, which is
//!   what it will be when the run goes on.

use std::path::Path;

use conclave_domain::budget::Remaining;
use serde_json::{Value, json};

use crate::adapters::clock::now;
use crate::cli::config;
use crate::cli::error::{CliError, ExitCode};
use crate::run::recipe::CONFIG_FILE;
use crate::run::world;

/// One row per budget: what may be spent, what calls under way hold, what is spent, what of that is the
/// rest of a dead process's block, what remains.
pub(crate) fn rows(remaining: &[Remaining]) -> Vec<Value> {
    let row = |row: &Remaining| {
        json!({
            "budget": row.budget, "limit": row.limit, "reserved": row.reserved,
            "spent": row.spent, "of_blocks": row.blocks, "remaining": row.left,
            "refill": row.refill,
        })
    };
    remaining.iter().map(row).collect()
}

/// What a process that has ended left of its budgets in `dir`, as `budgets/1`.
///
/// # Errors
/// When a process holds the directory, or its store or log cannot be read.
pub fn left(dir: &Path) -> Result<Value, CliError> {
    let own = dir.join(CONFIG_FILE);
    let config = config::load(own.exists().then_some(own.as_path()), &[])?.config;
    let none = || {
        let text = format!("{} holds no budgets: nothing was ever spent there", dir.display());
        CliError::new(ExitCode::NotFound, text)
    };
    let snapshot = world::newest_safety(dir, &config)?.ok_or_else(none)?.record.budgets;
    let remaining = snapshot.seen(&config.budgets, now()).map_err(|errors| {
        let first = errors.first().map_or_else(String::new, ToString::to_string);
        CliError::new(ExitCode::Config, first)
    })?;
    let how = if snapshot.is_clean() {
        "no process runs; these are the figures that it left"
    } else {
        "no process runs, and it was not stopped cleanly: what it had reserved counts as spent"
    };
    Ok(json!({"schema": "budgets/1", "state": how, "budgets": rows(&remaining)}))
}
