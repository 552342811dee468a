//! The flag file of a halt, as it is shown: why it was raised, and since when it stands.

use std::fs::File;
use std::io::Read as _;
use std::path::Path;
use std::time::UNIX_EPOCH;

use conclave_domain::brief::trading::TradingState;
use conclave_domain::time::Time;
use serde_json::{Value, json};

use super::views::clip;
use crate::adapters::control_http::HALT_FILE;

/// The most of it that is read, bytes: a reason is a sentence, and anybody may have written the file.
const READ_MAX: u64 = 2_048;

/// A flag that stands.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::run) struct Raised {
    reason: String,
    /// Wall time of the file; `None` where the file system does not say.
    since: Option<Time>,
}

impl Raised {
    /// The state that it has brought about.
    pub(in crate::run) fn told(&self, state: TradingState) -> Value {
        json!({"state": state.name(), "reason": self.reason, "since": self.since,
            "is_market_time": false})
    }
}

/// The flag of a run's directory; `None` where none stands.
pub(in crate::run) async fn read(dir: &Path) -> Option<Raised> {
    let path = dir.join(HALT_FILE);
    tokio::task::spawn_blocking(move || raised(&path)).await.ok()?
}

fn raised(path: &Path) -> Option<Raised> {
    let since = std::fs::metadata(path).ok()?.modified().ok();
    let since = since.and_then(|at| at.duration_since(UNIX_EPOCH).ok());
    let mut bytes = Vec::new();
    // A flag that cannot be read halts all the same.
    let read = File::open(path).and_then(|file| file.take(READ_MAX).read_to_end(&mut bytes));
    let written = if read.is_ok() { clip(&String::from_utf8_lossy(&bytes)) } else { String::new() };
    let reason = match written.trim() {
        "" => format!("the flag file {HALT_FILE} stands in the run's directory"),
        why => format!("{why} (flag file {HALT_FILE})"),
    };
    Some(Raised { reason, since: since.map(|since| Time::EPOCH + since) })
}
