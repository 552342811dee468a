//! Tests of the journal's files: what counts is read back, what does not is cut, damage is named.

use conclave_actors::journal::point_bytes;
use conclave_domain::fixed::Money;
use conclave_domain::ratio::Ratio;
use conclave_domain::time::Time;
use tempfile::TempDir;

use super::*;

const BOOK: BookKind = BookKind::Shadow;

fn point(nth: i64) -> EquityPoint {
    EquityPoint {
        at: Time::from_ms(nth),
        equity: Money::from_raw(7 * nth),
        cash: Money::from_raw(5 * nth),
        exposure: Ratio::of(0.25),
        drawdown: Ratio::ZERO,
    }
}

fn piece(nths: std::ops::Range<i64>) -> Piece {
    let curve = nths.flat_map(|nth| point_bytes(&point(nth)));
    Piece { curve: curve.collect(), closed: Vec::new() }
}

fn extent(points: u64) -> Extent {
    Extent { curve: points * POINT_BYTES as u64, closed: 0 }
}

fn open(dir: &TempDir, points: u64) -> Result<JournalFiles, StoreError> {
    JournalFiles::open(dir.path(), &[(BOOK, extent(points))].into())
}

/// Asks and waits for the answer.
fn answered(ask: impl FnOnce(Answer)) -> Result<(), StoreError> {
    let (tell, heard) = channel();
    ask(Done::new(move |result| tell.send(result).unwrap()));
    heard.recv().unwrap()
}

fn append(journal: &JournalFiles, piece: Piece) -> Result<(), StoreError> {
    answered(|done| journal.append(BOOK, piece, done))
}

fn times(dir: &TempDir, points: u64) -> Vec<i64> {
    let left = JournalFiles::read(dir.path(), BOOK, extent(points)).unwrap();
    left.curve.iter().map(|point| point.at.ms()).collect()
}

/// What was written after the account was stored comes again with the bars that are played again.
#[test]
fn a_journal_is_cut_back_to_what_the_stored_account_counts() {
    let dir = TempDir::new().unwrap();
    let journal = open(&dir, 0).unwrap();
    append(&journal, piece(0..3)).unwrap();
    answered(|done| journal.sync(done)).unwrap();
    append(&journal, piece(3..9)).unwrap();
    drop(journal);
    let journal = open(&dir, 3).unwrap();
    assert_eq!(times(&dir, 3), [0, 1, 2]);
    append(&journal, piece(100..102)).unwrap();
    assert_eq!(times(&dir, 5), [0, 1, 2, 100, 101]);
    assert_eq!(times(&dir, 4), [0, 1, 2, 100], "no more than was asked for");
    drop(journal);
    drop(JournalFiles::open(dir.path(), &BTreeMap::new()).unwrap());
    assert!(times(&dir, 0).is_empty());
    assert_eq!(fs::metadata(dir.path().join("journal/shadow.curve")).unwrap().len(), 0);
}

#[test]
fn a_journal_that_is_shorter_than_its_account_or_damaged_is_refused_by_name() {
    let dir = TempDir::new().unwrap();
    let journal = open(&dir, 0).unwrap();
    append(&journal, piece(0..2)).unwrap();
    drop(journal);
    let error = open(&dir, 3).unwrap_err().to_string();
    assert!(error.contains("shadow.curve") && error.contains("80 bytes"), "{error}");
    let refuses = |closed: &[u8], part: &str| {
        fs::write(dir.path().join("journal/shadow.closed"), closed).unwrap();
        let extent = Extent { curve: 0, closed: closed.len() as u64 };
        let error = JournalFiles::read(dir.path(), BOOK, extent).unwrap_err().to_string();
        assert!(error.contains("shadow.closed") && error.contains(part), "{error}");
    };
    refuses(b"{}\n", "line 1");
    refuses(b"\xff\n", "line 1");
    refuses(b"{\"trade\"", "it has no end");
    refuses(&vec![b'{'; 3 << 20], "it has no end");
}

/// A disk that refuses for a while loses nothing and doubles nothing.
#[test]
fn what_could_not_be_written_is_written_before_what_comes_next() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("f");
    fs::write(&path, b"").unwrap();
    let mut tail = Tail::open(dir.path(), "f", 0).unwrap();
    let writable = std::mem::replace(&mut tail.file, File::open(&path).unwrap());
    assert!(tail.append(b"one ").is_err(), "it is open for reading only");
    assert!(tail.append(b"two ").is_err());
    assert!(tail.sync().is_err(), "what is owed is not on the disk");
    tail.file = writable;
    tail.append(b"three").unwrap();
    tail.sync().unwrap();
    assert_eq!(fs::read(&path).unwrap(), b"one two three");
}
