//! The ledger between processes: what one reserves the other does not have, and nothing is given back.

use std::fs;
use std::io::Write as _;
use std::sync::mpsc;
use std::time::Duration;

use conclave_domain::budget::Rung;
use tempfile::TempDir;

use super::*;

fn caps(usd_per_hour: &str, usd_per_day: &str) -> BudgetConfig {
    let (usd_per_hour, usd_per_day) = (usd_per_hour.parse().unwrap(), usd_per_day.parse().unwrap());
    BudgetConfig { usd_per_hour, usd_per_day, ..BudgetConfig::default() }
}

/// What a run that opens the ledger now is answered: the guardian, so that nothing is kept from it.
fn want(most: &str) -> Want {
    let rungs = vec![Rung::new("m-1", Some(most.parse().unwrap()))];
    Want { agent: "risk_guardian".to_owned(), is_protected: true, rungs }
}

fn reserve_all(ledger: &SpendFile, wants: Vec<Want>) -> Result<Answers, LedgerError> {
    let (answer, answered) = mpsc::channel();
    ledger.reserve(wants, Done::new(move |result| answer.send(result).unwrap()));
    answered.recv().unwrap()
}

fn reserve(ledger: &SpendFile, most: &str) -> Result<u64, Code> {
    let answer = reserve_all(ledger, vec![want(most)]).unwrap().remove(0);
    answer.map(|booked| booked.call)
}

fn place() -> (TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("state/conclave/spend.jsonl");
    (dir, path)
}

fn lines(path: &Path) -> Vec<String> {
    fs::read_to_string(path).unwrap().lines().map(str::to_owned).collect()
}

/// A line of a dead process that was written so long ago.
fn old(ago: Duration, money: &str) -> String {
    let caller = Caller {
        run: "old".into(),
        life: "1-1".into(),
        agent: "position_sizer".into(),
        model: "m-1".into(),
    };
    let money = money.parse().unwrap();
    let line = LedgerLine::new(now() - ago, What::Reserved, caller, 1, money);
    format!("{}\n", serde_json::to_string(&line).unwrap())
}

/// G-1, G-2: two runs hold one cap together, each under its own; what one dies with stays spent.
#[test]
fn runs_beside_each_other_hold_one_cap_together() {
    let (_dir, path) = place();
    let one = SpendFile::open(&path, "one", &caps("1", "1")).unwrap();
    let two = SpendFile::open(&path, "two", &caps("1", "1")).unwrap();
    let strict = SpendFile::open(&path, "three", &caps("1", "0.5")).unwrap();
    let first = reserve(&one, "0.6").unwrap();
    assert_eq!(reserve(&two, "0.6"), Err(Code::SafetyMoneyDayAll));
    assert_eq!(reserve(&strict, "0.1"), Err(Code::SafetyMoneyDayAll), "its own cap");
    reserve(&two, "0.4").unwrap();
    assert_eq!(reserve(&one, "0.1"), Err(Code::SafetyMoneyDayAll));
    one.settle(first, "0.25".parse().unwrap());
    drop(one);
    let dearer = reserve_all(&two, vec![want("0.3"), want("0.1")]).unwrap();
    assert_eq!(
        dearer[1],
        Err(Code::SafetyMoneyDayAll),
        "the first of a turn counts for the second"
    );
    assert!(dearer[0].is_ok());
    // Dropped with two calls under way.
    drop(two);
    let after = SpendFile::open(&path, "four", &caps("1", "1")).unwrap();
    assert_eq!(reserve(&after, "0.06"), Err(Code::SafetyMoneyDayAll));
    reserve(&after, "0.05").unwrap();
    for word in ["\"run\":\"two\"", "\"what\":\"settled\"", "\"micro_usd\":250000", "m-1"] {
        assert!(lines(&path).iter().any(|line| line.contains(word)), "{word}");
    }
}

#[test]
fn a_torn_line_is_closed_and_passed_over_and_so_is_nonsense() {
    let (_dir, path) = place();
    let ledger = SpendFile::open(&path, "one", &caps("1", "1")).unwrap();
    reserve(&ledger, "0.5").unwrap();
    let whole = lines(&path)[0].clone();
    let mut other = fs::OpenOptions::new().append(true).open(&path).unwrap();
    let newer = whole.replace("\"v\":1", "\"v\":2");
    let long = "x".repeat(10_000);
    write!(other, "nonsense\n\u{0}\n{long}\n{newer}\n{}", &whole[..whole.len() / 2]).unwrap();
    assert_eq!(reserve(&ledger, "0.6"), Err(Code::SafetyMoneyDayAll));
    reserve(&ledger, "0.3").unwrap();
    let again = SpendFile::open(&path, "two", &caps("1", "1")).unwrap();
    assert_eq!(reserve(&again, "0.3"), Err(Code::SafetyMoneyDayAll));
    reserve(&again, "0.2").unwrap();
    assert!(lines(&path).last().unwrap().contains("\"run\":\"two\""));
}

/// Goal: lines that count no more are dropped, under the eyes of a process that holds the old file.
/// Method: one process has read a file of two days; another opens it and writes it anew.
#[test]
fn what_counts_no_more_is_dropped_and_whoever_held_the_old_file_follows() {
    let (_dir, path) = place();
    let ledger = SpendFile::open(&path, "one", &caps("1", "1")).unwrap();
    let mut other = fs::OpenOptions::new().append(true).open(&path).unwrap();
    let hours = Duration::from_hours;
    let all = [old(hours(48), "0.9"), old(hours(23), "0.5"), old(hours(2), "0.2")].concat();
    other.write_all(all.as_bytes()).unwrap();
    let two = SpendFile::open(&path, "two", &caps("1", "1")).unwrap();
    assert_eq!(lines(&path).len(), 2, "{:?}", lines(&path));
    assert_eq!(reserve(&ledger, "0.4"), Err(Code::SafetyMoneyDayAll));
    reserve(&two, "0.2").unwrap();
    assert_eq!(reserve(&ledger, "0.2"), Err(Code::SafetyMoneyDayAll));
    reserve(&ledger, "0.1").unwrap();
    assert_eq!(lines(&path).len(), 4, "one file for both");
    // The hour has forgotten what the day has not.
    let hourly = SpendFile::open(&path, "three", &caps("0.3", "5")).unwrap();
    assert_eq!(reserve(&hourly, "0.1"), Err(Code::SafetyMoneyHourAll));
}

#[test]
fn a_ledger_that_is_removed_begins_anew_and_one_that_cannot_be_used_refuses() {
    let (dir, path) = place();
    let ledger = SpendFile::open(&path, "one", &caps("1", "1")).unwrap();
    let first = reserve(&ledger, "0.9").unwrap();
    fs::remove_file(&path).unwrap();
    reserve(&ledger, "0.6").unwrap();
    ledger.settle(first, "0.3".parse().unwrap());
    assert_eq!(reserve(&ledger, "0.2"), Err(Code::SafetyMoneyDayAll), "what it has cost is spent");
    fs::remove_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path.parent().unwrap(), "a file in its way").unwrap();
    let refused = reserve_all(&ledger, vec![want("0.1")]);
    assert!(matches!(refused, Err(LedgerError::Disk { .. })), "{refused:?}");
    assert!(SpendFile::open(&path, "two", &caps("1", "1")).is_err());
    assert!(SpendFile::open(dir.path(), "two", &caps("1", "1")).is_err());
}

#[test]
fn nobody_else_may_read_it() {
    use std::os::unix::fs::PermissionsExt as _;
    let (_dir, path) = place();
    drop(SpendFile::open(&path, "one", &caps("1", "1")).unwrap());
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&path), mode(path.parent().unwrap())), (0o600, 0o700));
}
