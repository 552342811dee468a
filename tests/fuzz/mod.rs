//! Hostile bytes at every door: the corpora of `fuzz/corpus`, mutations of them, noise, and inputs of a
//! size that nobody has a reason to send. `fuzz/` holds the same targets for cargo-fuzz.

mod targets;

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use targets::TARGETS;

/// Mutated inputs per door, where `PROPTEST_CASES` does not ask for another number.
const CASES: u32 = 192;
/// What one input of a few kilobytes may take in a test build on a busy machine.
const PATIENCE: Duration = Duration::from_secs(10);
/// Pieces that break readers.
const NASTY: [&str; 16] = [
    "NaN",
    "inf",
    "-inf",
    "1e999",
    "-0",
    "99999999999999999999",
    "0.0000000000000000001",
    "\u{0}",
    "\u{feff}",
    "\u{202e}",
    "\"",
    "\\u0000",
    "[[[[[[[[",
    "{\"a\":",
    "\r\n",
    "9999-12-31",
];

/// The samples of a door, by name.
fn corpus(door: &str) -> Vec<(String, Vec<u8>)> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(door);
    let entries = fs::read_dir(dir).expect("a corpus").map(|entry| entry.expect("an entry").path());
    let mut all: Vec<(String, Vec<u8>)> = entries
        .map(|path| (path.display().to_string(), fs::read(&path).expect("a sample")))
        .collect();
    all.sort();
    assert!(all.len() >= 5, "{door} has {} samples", all.len());
    all
}

/// One change of an input.
#[derive(Clone, Debug)]
enum Change {
    Flip(usize, u8),
    Insert(usize, Vec<u8>),
    Remove(usize, usize),
    Repeat(usize, usize, usize),
    Nasty(usize, usize),
    Splice(usize, usize),
}

fn change() -> impl Strategy<Value = Change> {
    let at = any::<usize>();
    prop_oneof![
        (at, 1..=255_u8).prop_map(|(at, bits)| Change::Flip(at, bits)),
        (at, vec(any::<u8>(), 1..8)).prop_map(|(at, bytes)| Change::Insert(at, bytes)),
        (at, 1..64_usize).prop_map(|(at, count)| Change::Remove(at, count)),
        (at, 1..64_usize, 1..40_usize).prop_map(|(at, len, times)| Change::Repeat(at, len, times)),
        (at, 0..NASTY.len()).prop_map(|(at, which)| Change::Nasty(at, which)),
        (at, at).prop_map(|(at, other)| Change::Splice(at, other)),
    ]
}

fn apply(bytes: &mut Vec<u8>, change: &Change, samples: &[(String, Vec<u8>)]) {
    let place = |at: usize| if bytes.is_empty() { 0 } else { at % bytes.len() };
    match change {
        Change::Flip(at, bits) => {
            let at = place(*at);
            if let Some(byte) = bytes.get_mut(at) {
                *byte ^= bits;
            }
        }
        Change::Insert(at, inserted) => {
            let at = place(*at);
            bytes.splice(at..at, inserted.iter().copied());
        }
        Change::Remove(at, count) => {
            let at = place(*at);
            let end = (at + count).min(bytes.len());
            bytes.drain(at..end);
        }
        Change::Repeat(at, len, times) => {
            let at = place(*at);
            let part = bytes[at..(at + len).min(bytes.len())].repeat(*times);
            bytes.splice(at..at, part);
        }
        Change::Nasty(at, which) => {
            let at = place(*at);
            bytes.splice(at..at, NASTY[*which].bytes());
        }
        Change::Splice(at, other) => {
            let at = place(*at);
            let tail = &samples[other % samples.len()].1;
            bytes.truncate(at);
            bytes.extend_from_slice(&tail[at.min(tail.len())..]);
        }
    }
}

/// Runs one input and says how long it took.
#[expect(clippy::disallowed_methods, reason = "a hang is measured in wall time")]
fn timed(run: fn(&[u8]), bytes: &[u8]) -> Duration {
    let began = Instant::now();
    run(bytes);
    began.elapsed()
}

#[test]
fn every_sample_of_the_corpora_is_survived() {
    for (door, run) in TARGETS {
        for (name, bytes) in corpus(door) {
            let took = timed(run, &bytes);
            assert!(took < PATIENCE, "{name} took {took:?}");
        }
    }
}

/// Mutates the samples of a door.
fn mutate(door: &str) {
    let (_, run) = TARGETS.into_iter().find(|(name, _)| *name == door).expect("a door");
    let samples = corpus(door);
    let asked = std::env::var("PROPTEST_CASES").ok().and_then(|text| text.parse().ok());
    let cases = asked.unwrap_or(CASES);
    let config = Config { cases, failure_persistence: None, ..Config::default() };
    let inputs = (any::<prop::sample::Index>(), vec(change(), 0..6), vec(any::<u8>(), 0..200));
    let outcome = TestRunner::new(config).run(&inputs, |(which, changes, noise)| {
        let mut bytes = samples[which.index(samples.len())].1.clone();
        for change in &changes {
            apply(&mut bytes, change, &samples);
        }
        let took = timed(run, &bytes);
        prop_assert!(took < PATIENCE, "{took:?}");
        run(&noise);
        Ok(())
    });
    if let Err(error) = outcome {
        panic!("{door}: {error}");
    }
}

#[test]
fn mutated_bars_are_read_or_refused() {
    mutate("csv");
}

/// V-1: every trade of a book from elsewhere has one fate, whatever was done to it.
#[test]
fn mutated_books_are_read_or_refused() {
    mutate("arena");
}

#[test]
fn mutated_configurations_are_read_or_refused() {
    mutate("config");
}

/// B-1: every number that leaves an agent is finite and within its bounds, whatever the answer was.
#[test]
fn mutated_answers_are_read_or_refused() {
    mutate("advice");
}

/// a log that opens verifies, whatever was done to it before.
#[test]
fn mutated_logs_are_read_or_refused() {
    mutate("audit");
}

#[test]
fn mutated_requests_are_answered_or_refused() {
    mutate("http");
}

/// Goal: mutations begin at replies that are answers, or they would only show that noise is none.
#[test]
fn the_good_replies_of_the_corpus_are_answers() {
    let good = corpus("reply").into_iter().filter(|(name, _)| name.contains("good"));
    let answers: Vec<usize> = good.map(|(_, bytes)| targets::came_through(&bytes)).collect();
    assert!(answers.len() >= 3 && answers.iter().all(|count| *count >= 1), "{answers:?}");
}

/// B-1: every number that leaves an agent is finite and within its bounds, whatever a provider sends.
#[test]
fn mutated_replies_are_read_or_refused() {
    mutate("reply");
}

/// Goal: work and memory are bounded by the input's size, and inputs have a largest size.
/// Method: megabytes of the shapes that make readers recurse, copy, or look back.
#[test]
fn inputs_without_measure_are_survived() {
    let repeated = |text: &str, bytes: usize| text.repeat(bytes / text.len()).into_bytes();
    let mebibyte = 1 << 20;
    let bars = "timestamp,open,high,low,close,volume\n";
    let far = format!(
        "{bars}1971-01-04T14:30:00Z,1,1,1,1,1\n1971-01-04T14:31:00Z,1,1,1,1,1\n\
                       9990-01-05T14:30:00Z,1,1,1,1,1\n"
    );
    let cases: [(&str, Vec<u8>); 18] = [
        ("csv", repeated("timestamp,", mebibyte)),
        ("csv", [bars.as_bytes(), &repeated("\"", mebibyte)].concat()),
        ("csv", [bars.as_bytes(), &repeated("2013-01-07,1,1,1,1,x\n", mebibyte)].concat()),
        ("csv", far.into_bytes()),
        ("config", repeated("[a.", mebibyte)),
        ("config", repeated("a = [[[[[[[[", mebibyte)),
        ("config", repeated("a.", mebibyte)),
        ("config", [b"x = ".to_vec(), repeated("{a=", mebibyte)].concat()),
        ("config", repeated("# a comment\n", 8 * mebibyte)),
        ("advice", repeated("[", mebibyte)),
        ("advice", repeated("{\"a\":", mebibyte)),
        ("advice", [b"\"".to_vec(), repeated("u", mebibyte)].concat()),
        ("audit", repeated("{\"seq\":1,\"body\":[", mebibyte)),
        ("audit", vec![0; 5 * mebibyte]),
        (
            "http",
            [
                b"POST /api/v1/halt\nauthorization: Bearer 0123456789abcdef\n\n".to_vec(),
                repeated("[", mebibyte),
            ]
            .concat(),
        ),
        ("http", [b"GET /".to_vec(), repeated("a/", mebibyte)].concat()),
        ("reply", repeated("{\"choices\":[", mebibyte)),
        ("reply", [b"\n\n{\"content\":[".to_vec(), repeated("{},", mebibyte)].concat()),
    ];
    for (nth, (door, bytes)) in cases.iter().enumerate() {
        let (_, run) = TARGETS.into_iter().find(|(name, _)| name == door).expect("a door");
        let took = timed(run, bytes);
        assert!(took < PATIENCE, "case {nth} for {door} took {took:?}");
    }
}
