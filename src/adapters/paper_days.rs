//! The record of paper days: sessions that were traded in paper money, one JSON line each, beside the
//! ledger of its user.
//!
//! It is read before real money is begun with, by whatever run comes; a line that cannot be read is
//! passed over, because what it could say only permits.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use conclave_domain::mode::Mode;
use conclave_domain::time::Time;
use serde::{Deserialize, Serialize};

use super::spend_ledger;
use crate::files;

/// The record's name, beside the ledger.
const FILE: &str = "paper-days.jsonl";
const SCHEMA: &str = "paper-day/1";
/// Bytes at the end of the record that are read: years of days.
const READ_MAX: u64 = 1 << 20;

/// Where the record of this user lies; `None` where the environment names no folder for it.
pub fn of_user() -> Option<PathBuf> {
    spend_ledger::of_user().map(|ledger| ledger.with_file_name(FILE))
}

/// One session that was traded in paper money, from about its opening to its close.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PaperDay {
    schema: String,
    /// The day of the session, such as `2026-11-20`.
    pub day: String,
    /// The run's id: the name of its directory.
    pub run: String,
    /// The version of this program.
    pub version: String,
    /// The word for where it was: `paper`, or `this machine` for a local exchange.
    pub venue: String,
    /// The mode that it was begun in.
    pub mode: Mode,
    /// How many orders it has sent.
    pub orders: usize,
    /// When it ended, by this machine's clock.
    pub ended_at: Time,
}

impl PaperDay {
    /// How long a paper day speaks for the day on which real money is begun with.
    pub const COUNTS_FOR: Duration = Duration::from_hours(30 * 24);
    /// The word for Alpaca's paper account: a session there counts, a local exchange's does not.
    pub const VENUE: &str = "paper";

    /// A session that ends now.
    pub fn new(day: String, run: String, venue: &str, mode: Mode, ended_at: Time) -> Self {
        let (schema, version) = (SCHEMA.to_owned(), env!("CARGO_PKG_VERSION").to_owned());
        Self { schema, day, run, version, venue: venue.to_owned(), mode, orders: 0, ended_at }
    }

    /// Whether it speaks for real money now.
    pub fn counts(&self, now: Time) -> bool {
        self.venue == Self::VENUE
            && self.ended_at <= now
            && now.since(self.ended_at) <= Self::COUNTS_FOR
    }

    /// Whether it has sent orders: advice sends none, and neither does a day on which all was denied.
    pub fn has_acted(&self) -> bool {
        self.mode != Mode::Advisory && self.orders > 0
    }
}

/// Appends a day; it is on the disk when this returns.
///
/// # Errors
/// When the record cannot be made or written.
pub fn append(path: &Path, day: &PaperDay) -> io::Result<()> {
    if let Some(folder) = path.parent() {
        DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    }
    let mut options = OpenOptions::new();
    let mut file = options.create(true).read(true).append(true).mode(0o600).open(path)?;
    let mut last = [b'\n'];
    if file.metadata()?.len() > 0 {
        file.seek(SeekFrom::End(-1))?;
        file.read_exact(&mut last)?;
    }
    // A line that a crash has torn is closed first.
    let torn = if last == [b'\n'] { "" } else { "\n" };
    let line = serde_json::to_string(day).map_err(io::Error::other)?;
    file.write_all(format!("{torn}{line}\n").as_bytes())?;
    file.sync_all()?;
    path.parent().map_or(Ok(()), |folder| File::open(folder)?.sync_all())
}

/// The days on record, oldest first; none where there is no record.
///
/// # Errors
/// When there is one that cannot be read.
pub fn read(path: &Path) -> io::Result<Vec<PaperDay>> {
    let mut file = match files::open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        opened => opened?,
    };
    let begins = file.metadata()?.len().saturating_sub(READ_MAX);
    file.seek(SeekFrom::Start(begins))?;
    let mut bytes = Vec::new();
    file.take(READ_MAX).read_to_end(&mut bytes)?;
    let text = String::from_utf8_lossy(&bytes);
    let days = text.lines().filter_map(|line| serde_json::from_str::<PaperDay>(line).ok());
    Ok(days.filter(|day| day.schema == SCHEMA).collect())
}

/// The newest day that speaks for real money now; one that has acted before one that has only advised.
pub fn newest(days: &[PaperDay], now: Time) -> Option<&PaperDay> {
    let count = days.iter().filter(|day| day.counts(now));
    count.max_by_key(|day| (day.has_acted(), day.ended_at))
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_hours(1);

    fn day(name: &str, venue: &str, mode: Mode, ended_at: Time) -> PaperDay {
        PaperDay::new(name.to_owned(), "r".to_owned(), venue, mode, ended_at)
    }

    #[test]
    fn what_is_appended_is_read_and_what_is_torn_is_passed_over() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("state/conclave").join(FILE);
        assert_eq!(read(&path).unwrap(), []);
        let one = day("2026-11-19", "paper", Mode::Supervised, Time::from_ms(1_000));
        let two = day("2026-11-20", "this machine", Mode::Advisory, Time::from_ms(2_000));
        append(&path, &one).unwrap();
        let mut file = OpenOptions::new().append(true).open(&path).unwrap();
        file.write_all(b"{\"schema\":\"paper-day/1\",\"day\":\"2026").unwrap();
        append(&path, &two).unwrap();
        file.write_all(b"{\"schema\":\"paper-day/9\"}\n\xff\xfe\n").unwrap();
        assert_eq!(read(&path).unwrap(), [one, two]);
        assert!(read(dir.path()).is_err(), "a folder is no record");
    }

    /// Only a session at the broker itself, lately and not in the future, speaks for real money.
    #[test]
    fn a_paper_day_counts_for_a_month_and_only_where_it_was_at_the_broker() {
        let now = Time::from_ms(0) + PaperDay::COUNTS_FOR + PaperDay::COUNTS_FOR;
        let oldest = now - PaperDay::COUNTS_FOR;
        for (venue, ended_at, counts) in [
            ("paper", now, true),
            ("paper", oldest, true),
            ("paper", oldest - Duration::from_millis(1), false),
            ("paper", now + HOUR, false),
            ("this machine", now, false),
            ("live", now, false),
        ] {
            let it = day("d", venue, Mode::Autonomous, ended_at);
            assert_eq!(it.counts(now), counts, "{venue} {ended_at}");
            assert_eq!(newest(std::slice::from_ref(&it), now).is_some(), counts);
        }
        let acted = PaperDay { orders: 3, ..day("a", "paper", Mode::Supervised, now - HOUR) };
        let advised = day("b", "paper", Mode::Advisory, now);
        let denied = day("c", "paper", Mode::Autonomous, now);
        assert_eq!([&acted, &advised, &denied].map(PaperDay::has_acted), [true, false, false]);
        let days = [acted.clone(), advised, denied];
        assert_eq!(newest(&days, now), Some(&acted), "one that has sent orders says more");
    }
}
