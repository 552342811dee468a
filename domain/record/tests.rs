//! Tests of records, lines and the chain.

use proptest::prelude::*;

use super::*;
use crate::market::symbol::Symbol;

fn record(nth: i64) -> Record {
    let at = Time::from_ms(1_100_000_000_000 + nth * 86_400_000);
    let decision = DecisionId::new(&Symbol::new("AAPL").unwrap(), at, "entry");
    let body = format!(r#"{{"nth":{nth},"text":"a \"quoted\" word","list":[1,2.5,null]}}"#);
    Record::from_json(Step::RoundClosed, Some(decision), at, body).unwrap()
}

/// A log of `count` lines and its chain.
fn log(count: i64) -> (Vec<String>, Chain) {
    let mut chain = Chain::new(Stream::Decisions);
    let lines = (0..count).map(|nth| {
        let mut line = String::new();
        chain.append(&record(nth), None, &mut line);
        line
    });
    (lines.collect(), chain)
}

fn check(lines: &[String], anchor: Option<Head>) -> Result<Verified, BadRecord> {
    let place =
        |index: usize| Place { segment: "audit-000001.jsonl".into(), line: index as u64 + 1 };
    let lines = lines.iter().enumerate().map(|(index, line)| (place(index), line.as_str()));
    verify(Stream::Decisions, lines, anchor)
}

#[test]
fn a_line_reads_back_as_the_record_that_was_written() {
    let (lines, chain) = log(1);
    let line = Line::read(&lines[0]).unwrap();
    let written = record(0);
    assert_eq!((line.seq, line.of, line.step), (1, None, Step::RoundClosed));
    assert_eq!(line.decision.as_ref(), written.decision());
    assert_eq!((line.at, line.body), (written.at(), written.body()));
    assert_eq!(line.hash, chain.head().hash);
    let as_json: serde_json::Value = serde_json::from_str(&lines[0]).unwrap();
    assert_eq!(as_json["body"]["nth"], 0);
    assert_eq!(as_json["hash"], line.hash.to_string());
}

#[test]
fn every_step_has_one_name_and_the_eight_of_a_bar_come_first() {
    let names: std::collections::BTreeSet<_> = Step::ALL.iter().map(|step| step.name()).collect();
    assert_eq!(names.len(), Step::ALL.len());
    for &step in Step::ALL {
        assert_eq!(step.name().parse::<Step>(), Ok(step));
    }
    assert_eq!(Step::ALL[0].name(), "bar.received");
    assert_eq!(Step::ALL[7].name(), "book.updated");
    assert!("bar".parse::<Step>().is_err());
}

#[test]
fn what_is_no_json_makes_no_record() {
    for body in ["", "{", "{} ", "NaN", "{\"a\":1}\n"] {
        let made = Record::from_json(Step::RunEnded, None, Time::EPOCH, body.to_owned());
        assert!(made.is_err(), "{body:?}");
    }
    let good = Record::from_json(Step::RunEnded, None, Time::EPOCH, "{}".into()).unwrap();
    assert!(good.clone().with_volatile("{".into()).is_err());
    let noted = good.with_volatile(r#"{"wall_ms":3}"#.into()).unwrap();
    assert_eq!(noted.observation().unwrap().body(), r#"{"wall_ms":3}"#);
    let hostile: DecisionId = serde_json::from_str(r#""a\"b""#).unwrap();
    let made = Record::from_json(Step::RunEnded, Some(hostile), Time::EPOCH, "{}".into());
    assert_eq!(made, Err(RecordError::Name));
}

/// A-2: the chain verifies, and its head and record hash are those of the writer.
#[test]
fn an_untouched_log_verifies() {
    let (lines, chain) = log(20);
    let verified = check(&lines, Some(chain.head())).unwrap();
    assert_eq!(verified.head, chain.head());
    assert_eq!(verified.record_hash, chain.record_hash());
    assert_eq!(check(&[], None).unwrap().head.count, 0);
}

/// A-2: every single-byte change anywhere in a log is found, and the named record is the changed one.
#[test]
fn a_flipped_byte_anywhere_is_found_at_its_record() {
    let (lines, _) = log(3);
    for (index, line) in lines.iter().enumerate() {
        for at in 0..line.len() {
            let mut bytes = line.clone().into_bytes();
            bytes[at] ^= 1;
            let Ok(changed) = String::from_utf8(bytes) else { continue };
            let mut damaged = lines.clone();
            damaged[index] = changed;
            let bad = check(&damaged, None).unwrap_err();
            assert_eq!(bad.seq, index as u64 + 1, "byte {at} of line {index}");
            assert_eq!(bad.place.line, index as u64 + 1);
        }
    }
}

/// A-2: a missing, a swapped and a doubled record are found, and so is a cut tail by the anchor.
#[test]
fn gaps_swaps_doubles_and_cuts_are_found() {
    let (lines, chain) = log(10);
    let damaged = |change: fn(&mut Vec<String>)| {
        let mut lines = lines.clone();
        change(&mut lines);
        check(&lines, Some(chain.head())).map_err(|bad| (bad.seq, bad.fault))
    };
    let order = |expected, found| Err((expected, Fault::Order { expected, found }));
    assert_eq!(damaged(|lines| drop(lines.remove(4))), order(5, 6));
    assert_eq!(damaged(|lines| drop(lines.remove(0))), order(1, 2));
    assert_eq!(damaged(|lines| lines.swap(2, 3)), order(3, 4));
    assert_eq!(damaged(|lines| lines.insert(3, lines[3].clone())), order(5, 4));
    let cut = |found| Err((found + 1, Fault::Cut { anchored: 10, found }));
    assert_eq!(damaged(|lines| drop(lines.pop())), cut(9));
    assert_eq!(damaged(Vec::clear), cut(0));
    assert!(check(&lines[..9], None).is_ok(), "without an anchor a clean cut cannot be seen");
}

/// A-2: a log that was written anew with good hashes is still not the anchored one.
#[test]
fn a_rewritten_log_does_not_match_its_anchor() {
    let (_, chain) = log(10);
    let mut forged = Chain::new(Stream::Decisions);
    let lines: Vec<String> = (0..12)
        .map(|nth| {
            let mut line = String::new();
            forged.append(&record(nth + 1), None, &mut line);
            line
        })
        .collect();
    let bad = check(&lines, Some(chain.head())).unwrap_err();
    assert_eq!(bad.fault, Fault::Rewritten { count: 10 });
}

/// D-1: the record hash is that of the decisions' contents; the run's header is not part of it.
#[test]
fn the_record_hash_knows_no_header() {
    let hash = |header: &str, bodies: i64| {
        let mut chain = Chain::new(Stream::Decisions);
        let mut line = String::new();
        let header = Record::from_json(Step::RunStarted, None, Time::EPOCH, header.into()).unwrap();
        chain.append(&header, None, &mut line);
        for nth in 0..bodies {
            chain.append(&record(nth), None, &mut line);
        }
        (chain.record_hash(), chain.head().hash)
    };
    let (one, other) = (hash(r#"{"seed":1}"#, 3), hash(r#"{"seed":2}"#, 3));
    assert_eq!(one.0, other.0);
    assert_ne!(one.1, other.1, "the chain covers the header");
    assert_ne!(one.0, hash(r#"{"seed":1}"#, 4).0);
}

#[test]
fn the_streams_cannot_be_swapped() {
    let (lines, _) = log(1);
    let line = (Place::default(), lines[0].as_str());
    assert!(verify(Stream::Observations, [line], None).is_err());
}

/// The lines as they stand in a file.
fn text(lines: &[String]) -> String {
    lines.iter().flat_map(|line| [line, "\n"]).collect()
}

/// A-2: blocks that are checked by themselves, joined in order, are the chain line by line.
#[test]
fn a_log_checked_in_blocks_is_the_log_checked_line_by_line() {
    let (lines, whole) = log(20);
    for size in [1, 3, 7, 20] {
        let mut chain = Chain::new(Stream::Decisions);
        for part in lines.chunks(size) {
            let text = text(part);
            let fourth = |line: &Line<'_>| line.seq.is_multiple_of(4);
            let block = Block::read(chain.head(), &text, &[whole.head()], fourth).unwrap();
            assert_eq!(Head::claimed(part.last().unwrap()), Some(block.end));
            let wanted: Vec<_> = block.wanted.iter().map(|at| &text[at.clone()]).collect();
            let due = part.iter().filter(|line| fourth(&Line::read(line).unwrap()));
            assert_eq!(wanted, due.map(String::as_str).collect::<Vec<_>>());
            assert!(chain.join(&block));
            assert!(!chain.join(&block), "a block fits into one place only");
        }
        assert_eq!((chain.head(), chain.record_hash()), (whole.head(), whole.record_hash()));
    }
}

/// A-2: a block with a bad line, or with another line than the anchored one, is none.
#[test]
fn a_block_with_a_bad_line_is_no_block() {
    let (lines, whole) = log(6);
    let start = Chain::new(Stream::Decisions).head();
    let read = |text: &str, anchors: &[Head]| Block::read(start, text, anchors, |_| false);
    let good = text(&lines);
    assert!(read(&good, &[]).is_some());
    for at in (0..good.len()).step_by(41) {
        let mut bytes = good.clone().into_bytes();
        bytes[at] ^= 1;
        let Ok(bad) = String::from_utf8(bytes) else { continue };
        assert_eq!(read(&bad, &[]), None, "byte {at}");
    }
    assert_eq!(read(&text(&lines[1..]), &[]), None);
    assert_eq!(read(&good[..good.len() - 1], &[]), None, "the last line is torn");
    let other = Head { count: 3, hash: whole.head().hash };
    assert_eq!(read(&good, &[other]), None);
}

/// A-2: a chain goes on behind lines that are not there any more, with the hash of them all.
#[test]
fn a_chain_goes_on_behind_what_was_pruned() {
    let (lines, whole) = log(30);
    let (_, first) = log(11);
    let kept = serde_json::to_string(&first.state()).unwrap();
    let mut chain = Chain::resume(&serde_json::from_str(&kept).unwrap()).unwrap();
    let mut verifier = Verifier::behind(Stream::Decisions, chain.clone(), vec![whole.head()]);
    for line in &lines[11..] {
        chain.follow(line).unwrap();
        verifier.line(Place::default(), line).unwrap();
    }
    assert_eq!((chain.head(), chain.record_hash()), (whole.head(), whole.record_hash()));
    assert_eq!(verifier.finish().unwrap().0.record_hash, whole.record_hash());
    let other = Head { count: 11, hash: whole.head().hash };
    let verifier = Verifier::behind(Stream::Decisions, first, vec![other]);
    assert_eq!(verifier.finish().unwrap_err().fault, Fault::Rewritten { count: 11 });
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn no_text_makes_the_reader_panic(text in ".{0,200}", cut in 0_usize..400) {
        let _ = Line::read(&text);
        let (lines, _) = log(1);
        let torn: String = lines[0].chars().take(cut).chain(text.chars()).collect();
        let _ = Line::read(&torn);
    }
}
