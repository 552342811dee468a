//! What two benchmarks share: the bare append + `fdatasync` that durable writes are compared with.
#![expect(clippy::disallowed_methods, reason = "a bench measures time")]

use std::error::Error;
use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::Path;
use std::time::{Duration, Instant};

/// How long one slice of a measurement takes.
pub(crate) const SLICE: Duration = Duration::from_millis(500);

/// Appends of so many bytes, each synced, per second.
pub(crate) fn bare_loop(path: &Path, bytes: usize) -> Result<f64, Box<dyn Error>> {
    let bytes = vec![b'x'; bytes];
    let mut file = OpenOptions::new().create(true).append(true).open(path)?;
    let (begun, mut count) = (Instant::now(), 0);
    while begun.elapsed() < SLICE {
        file.write_all(&bytes)?;
        file.sync_data()?;
        count += 1;
    }
    Ok(f64::from(count) / begun.elapsed().as_secs_f64())
}

/// The middle one.
pub(crate) fn median(mut rates: Vec<f64>) -> f64 {
    rates.sort_by(f64::total_cmp);
    rates[rates.len() / 2]
}
