//! The curve of a run as it grows: a line of JSON per validation, in the run's directory.
//!
//! A process that goes on drops what stands behind its checkpoint: those validations come again.

use std::fs::{self, File, OpenOptions};
use std::io::{BufRead as _, BufReader, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::Path;

use crate::cli::error::{CliError, ExitCode};
use crate::report::training::Point;

/// The file in a run's directory.
const FILE: &str = "curve.jsonl";

/// The points so far, in memory and in the file.
#[derive(Debug)]
pub(super) struct History {
    points: Vec<Point>,
    file: File,
}

impl History {
    /// The history of a run that has had `validations` at its checkpoint; that of a new one is empty.
    ///
    /// # Errors
    /// When the file cannot be read or written.
    pub(super) fn open(dir: &Path, validations: u32) -> Result<Self, CliError> {
        let path = dir.join(FILE);
        let failed = |error: std::io::Error| {
            let text = format!("{} cannot be used", path.display());
            CliError::new(ExitCode::Failure, text).caused_by(error)
        };
        let mut points = Vec::new();
        if validations > 0 && path.exists() {
            for line in BufReader::new(File::open(&path).map_err(failed)?).lines() {
                // The last line may have been cut by a kill; its validation comes again.
                let Ok(point) = serde_json::from_str::<Point>(&line.map_err(failed)?) else {
                    break;
                };
                if point.cycle <= validations {
                    points.push(point);
                }
            }
        }
        let temporary = dir.join(format!(".{FILE}.tmp"));
        let mut file = File::create(&temporary).map_err(failed)?;
        for point in &points {
            write(&mut file, point).map_err(failed)?;
        }
        fs::rename(&temporary, &path).map_err(failed)?;
        let file = OpenOptions::new().append(true).open(&path).map_err(failed)?;
        Ok(Self { points, file })
    }

    /// Adds a point. A disk that is full costs the file its line, not the run.
    pub(super) fn push(&mut self, point: Point) {
        if let Err(error) = write(&mut self.file, &point) {
            tracing::error!(
                error = &error as &dyn std::error::Error,
                "a point of the curve is lost"
            );
        }
        self.points.push(point);
    }

    /// The number of the next validation.
    pub(super) fn next_cycle(&self) -> u32 {
        self.points.last().map_or(0, |point| point.cycle).saturating_add(1)
    }

    /// All points.
    pub(super) fn points(&self) -> &[Point] {
        &self.points
    }
}

/// Validations that are shown.
const SHOWN: usize = 200;
/// The end of the file that is read for it, bytes.
const TAIL: u64 = 512 << 10;

/// The last validations of the run in `dir`, oldest first, as its file has them; none where there is no file.
pub(super) fn tail(dir: &Path) -> Vec<Point> {
    let read = || -> std::io::Result<String> {
        let mut file = File::open(dir.join(FILE))?;
        let size = file.metadata()?.len();
        file.seek(SeekFrom::Start(size.saturating_sub(TAIL)))?;
        let mut bytes = Vec::new();
        file.take(TAIL).read_to_end(&mut bytes)?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    };
    let text = read().unwrap_or_default();
    // A line that is cut, at either end, is no point and passed over.
    let points = text.lines().filter_map(|line| serde_json::from_str(line).ok());
    let mut points: Vec<Point> = points.collect();
    points.split_off(points.len().saturating_sub(SHOWN))
}

fn write(file: &mut File, point: &Point) -> std::io::Result<()> {
    let mut line = serde_json::to_string(point)?;
    line.push('\n');
    file.write_all(line.as_bytes())
}

#[cfg(test)]
mod tests {
    use conclave_actors::testkit::trainer::FakeTrainer;

    use super::*;

    #[test]
    fn a_run_that_goes_on_keeps_what_its_checkpoint_knows_and_nothing_else() {
        let dir = tempfile::tempdir().unwrap();
        let fake = FakeTrainer::calm(9);
        let mut history = History::open(dir.path(), 0).unwrap();
        for cycle in 1..=4 {
            assert_eq!(history.next_cycle(), cycle);
            history.push(Point::of(cycle, &fake.boundary(), &[]));
        }
        drop(history);
        let path = dir.path().join(FILE);
        let whole = fs::read_to_string(&path).unwrap();
        fs::write(&path, &whole[..whole.len() - 9]).unwrap();
        let again = History::open(dir.path(), 2).unwrap();
        assert_eq!((again.points().len(), again.next_cycle()), (2, 3));
        assert_eq!(fs::read_to_string(&path).unwrap().lines().count(), 2);
        assert_eq!(History::open(dir.path(), 0).unwrap().points().len(), 0, "a new run");
    }
}
