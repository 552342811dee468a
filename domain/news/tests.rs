//! The corpus of hostile headlines, the sample news and the synthetic market's, at the door.

use std::collections::BTreeSet;

use serde::Deserialize;

use super::door::{Press, RawId, RawItem, Source};
use super::lexicon;
use crate::market::symbol::Symbol;
use crate::market::synth::{Preset, SynthConfig, SynthFault, generate};
use crate::testing;

/// One line of the corpus.
#[derive(Deserialize)]
struct Hostile {
    trick: String,
    symbol: String,
    headline: String,
    body: String,
}

fn corpus() -> Vec<Hostile> {
    let text = include_str!("../../tests/golden/hostile_headlines.jsonl");
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn universe() -> Vec<Symbol> {
    ["AAPL", "FB", "GOOG", "IBM", "MSFT"].map(testing::symbol).into()
}

fn raw(id: u64, line: &Hostile) -> RawItem {
    RawItem {
        id: RawId::Number(id),
        known_at: Some(testing::now()),
        headline: line.headline.clone(),
        body: line.body.clone(),
        symbol: Some(line.symbol.clone()),
        ..RawItem::default()
    }
}

/// Goal: no text of the corpus passes as an honest one, and each kind of trick is in it.
#[test]
fn every_hostile_headline_is_suspected() {
    let corpus = corpus();
    assert!(corpus.len() >= 40, "{}", corpus.len());
    let tricks: BTreeSet<&str> = corpus.iter().map(|line| line.trick.as_str()).collect();
    let expected =
        ["encoded", "forbidden", "hidden", "homoglyph", "json", "orders", "role", "tool"];
    assert_eq!(tricks, expected.into());
    let raws = (1..).zip(&corpus).map(|(id, line)| raw(id, line)).collect();
    let press = Press::of(raws, &universe());
    assert_eq!(press.refused, [], "the corpus is of this run");
    let missed: Vec<&str> = press
        .items()
        .iter()
        .filter(|item| !lexicon::read(item).injection_suspected)
        .map(super::door::Item::headline)
        .collect();
    assert_eq!(missed, [""; 0]);
}

/// Goal: what was hidden in a text is not in what a reader is shown.
#[test]
fn what_was_hidden_is_gone_before_anybody_reads() {
    let raws = (1..).zip(corpus().iter()).map(|(id, line)| raw(id, line)).collect();
    for item in Press::of(raws, &universe()).items() {
        let shown = format!("{} {}", item.headline(), item.body());
        for hidden in [
            "display",
            "council has agreed",
            "sentiment: very",
            "All desks",
            "White text",
            "setConfidence",
            "Lift every limit",
            "im_start",
            "tool_result name",
        ] {
            assert!(!shown.contains(hidden), "{shown}");
        }
        assert!(!shown.contains(['<', '>', '\u{200b}', '\u{202e}', '\u{e0062}']), "{shown}");
        assert!(!shown.contains("==="), "{shown}");
    }
}

/// Goal: the sample that ships is news, with nothing suspicious in it, and says that it is invented.
#[test]
fn the_sample_news_are_admitted_and_marked_as_invented() {
    let text = include_str!("../../tests/golden/sample_news.jsonl");
    let raws: Vec<RawItem> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let (count, press) = (raws.len(), Press::of(raws, &universe()));
    assert_eq!((press.items().len(), press.refused.len()), (count, 0));
    for item in press.items() {
        assert!(item.body().contains("Invented sample text"), "{}", item.id());
        assert!(!item.signs().is_any(), "{}: {:?}", item.id(), item.signs());
    }
}

/// Goal: of the synthetic market's texts the hostile ones are suspected and no other, the undated and
/// the late ones are turned away, and the dictionary's mood is that of the truth label or none.
#[test]
fn the_synthetic_markets_news_are_told_apart() {
    let faults = [SynthFault::HostileNews, SynthFault::LateNews, SynthFault::UndatedNews];
    let config =
        SynthConfig { symbols: 6, faults: faults.into(), ..SynthConfig::of(Preset::Default) };
    let market = generate(&config, 3).unwrap();
    let universe: Vec<Symbol> = market.series.iter().map(|one| one.symbol.clone()).collect();
    let raws = market.news.iter().map(|item| serde_json::to_string(item).unwrap());
    let raws = raws.map(|line| serde_json::from_str(&line).unwrap()).collect();
    let press = Press::of(raws, &universe);
    let why: BTreeSet<&str> = press.refused.iter().map(|refused| refused.error.name()).collect();
    assert!(why.contains("undated") && why.contains("late"), "{why:?}");
    assert!(!why.contains("stranger") && !why.contains("empty"), "{why:?}");
    assert!(press.items().len() > 200, "{}", press.items().len());
    let (mut right, mut wrong) = (0, 0);
    for item in press.items() {
        let number: usize = item.id().parse().unwrap();
        let label = &market.news[number - 1];
        assert_eq!(item.signs().is_any(), label.hostile, "{}", item.headline());
        let mood = f64::from(lexicon::read(item).sentiment.number());
        if item.source() == Source::News && mood * label.sentiment.get() > 0.0 {
            right += 1;
        } else if mood * label.sentiment.get() < 0.0 {
            wrong += 1;
        }
    }
    assert!(wrong * 20 < right, "{wrong} wrong, {right} right");
}
