//! The heartbeat file of a run: what tells that a process lives where its HTTP side does not answer.
//!
//! It is replaced as a whole and never synced: after the loss of power no process lives.

use std::io;
use std::path::Path;
use std::time::Duration;

use conclave_domain::time::Time;
use serde::{Deserialize, Serialize};

/// The file's name in a run's directory.
pub const HEARTBEAT_FILE: &str = "heartbeat.json";
/// The largest file that is believed, bytes.
const SIZE_MAX: u64 = 4_096;

/// One beat of the council's heart.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Heartbeat {
    /// `heartbeat/1`.
    pub schema: String,
    /// The process.
    pub pid: u32,
    /// Wall time of the beat, milliseconds since the epoch.
    pub at_ms: i64,
    /// Whether this was the last one: the process ended in order.
    pub ended: bool,
}

impl Heartbeat {
    /// A beat of this process.
    pub fn now(at: Time, ended: bool) -> Self {
        Self { schema: "heartbeat/1".to_owned(), pid: std::process::id(), at_ms: at.ms(), ended }
    }

    /// How long ago it was; zero for one from the future, because somebody set the clock.
    pub fn age(&self, now: Time) -> Duration {
        now.since(Time::from_ms(self.at_ms))
    }

    /// Replaces the file in `dir`.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write(&self, dir: &Path) -> io::Result<()> {
        let text = serde_json::to_string(self)?;
        let fresh = dir.join(format!("{HEARTBEAT_FILE}.new"));
        std::fs::write(&fresh, text)?;
        std::fs::rename(fresh, dir.join(HEARTBEAT_FILE))
    }

    /// The beat that the file in `dir` tells of; none where there is no such file.
    ///
    /// # Errors
    /// When it cannot be read, or is none of ours.
    pub fn read(dir: &Path) -> io::Result<Option<Self>> {
        use std::io::Read as _;
        let file = match std::fs::File::open(dir.join(HEARTBEAT_FILE)) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let mut text = String::new();
        file.take(SIZE_MAX).read_to_string(&mut text)?;
        Ok(Some(serde_json::from_str(&text)?))
    }
}

#[cfg(test)]
mod tests {
    use tempfile::TempDir;

    use super::*;

    #[test]
    fn a_beat_is_written_whole_and_read_back() {
        let dir = TempDir::new().unwrap();
        assert_eq!(Heartbeat::read(dir.path()).unwrap(), None);
        let beat = Heartbeat::now(Time::from_ms(5_000), false);
        beat.write(dir.path()).unwrap();
        assert_eq!(Heartbeat::read(dir.path()).unwrap(), Some(beat.clone()));
        assert_eq!(beat.age(Time::from_ms(8_000)), Duration::from_secs(3));
        assert_eq!(beat.age(Time::from_ms(1_000)), Duration::ZERO);
        for bad in ["", "{", "[1]", "{\"pid\":-1}", &"9".repeat(9_000)] {
            std::fs::write(dir.path().join(HEARTBEAT_FILE), bad).unwrap();
            assert!(Heartbeat::read(dir.path()).is_err(), "{bad:.20}");
        }
    }
}
