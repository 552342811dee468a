//! Tests of faults as text and as lots.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;
use crate::ratio::Ratio;

#[test]
fn a_fault_is_read_and_printed_back_and_nonsense_is_refused() {
    for text in ["risk_guardian=kill@3", "position_sizer=hang@12", "audit.full@12", "feed.older@1"]
    {
        assert_eq!(text.parse::<Item>().unwrap().to_string(), text);
    }
    for text in [
        "",
        "a=b@1",
        "a=kill",
        "a=kill@0",
        "a=kill@-1",
        "=kill@1",
        "kill@1",
        "a@kill=1",
        "audit=full@1",
        "audit.kill@1",
        "nowhere.full@1",
        "a b=kill@1",
        "audit.full@99999999999999999999",
    ] {
        assert!(text.parse::<Item>().is_err(), "{text}");
    }
}

#[test]
fn a_schedule_is_sorted_and_holds_one_fault_for_each_place_and_number() {
    let text = " risk_guardian=panic@3, audit.full@12,audit.flush@12,,audit.full@2 ";
    let schedule: Schedule = text.parse().unwrap();
    assert_eq!(schedule.to_string(), "risk_guardian=panic@3,audit.full@2,audit.full@12");
    assert_eq!(schedule.to_string().parse::<Schedule>().unwrap(), schedule);
    assert_eq!(schedule.at(&Place::Port(Port::Audit), 12), Some(Fault::Full));
    assert_eq!(schedule.at(&Place::Port(Port::Audit), 3), None);
    assert_eq!(schedule.at(&Place::Agent("risk_guardian".into()), 3), Some(Fault::Panic));
    let endless = "audit.full@1,".repeat(Schedule::ITEMS_MAX + 1);
    assert!(endless.parse::<Schedule>().is_err());
    assert!("".parse::<Schedule>().unwrap().is_empty());
}

#[test]
fn every_fault_has_one_word_and_belongs_somewhere() {
    let names: BTreeSet<&str> = Fault::ALL.iter().map(|fault| fault.name()).collect();
    assert_eq!(names.len(), Fault::ALL.len());
    for &fault in Fault::ALL {
        let of_a_port = Port::ALL.iter().any(|port| port.faults().contains(&fault));
        assert!(of_a_port || Fault::OF_AGENTS.contains(&fault), "{fault}");
    }
}

/// D-1: same seed, same place, same call: the same fault, whatever was asked before.
#[test]
fn a_lot_depends_on_the_seed_the_place_and_the_number_alone() {
    let source = FaultSource::drawn(7, Ratio::of(0.2), BTreeSet::new());
    let audit = Place::Port(Port::Audit);
    let drawn =
        |source: &FaultSource| -> Vec<_> { (1..500).map(|n| source.at(&audit, n)).collect() };
    let first = drawn(&source);
    assert_eq!(first, drawn(&source));
    let hits = first.iter().flatten().count();
    assert!((60..140).contains(&hits), "{hits} of 499 at one in five");
    assert_ne!(first, drawn(&FaultSource::drawn(8, Ratio::of(0.2), BTreeSet::new())));
    let none = FaultSource::drawn(7, Ratio::ZERO, BTreeSet::new());
    assert!(none.is_off() && drawn(&none).iter().all(Option::is_none));
    let person = Place::Port(Port::Person);
    assert!((1..500).all(|n| source.at(&person, n).is_none()), "people are never drawn");
}

#[test]
fn kinds_narrow_what_is_drawn_and_a_list_comes_first() {
    let only = BTreeSet::from([Fault::Flush]);
    let source = FaultSource::drawn(7, Ratio::ONE, only);
    let source = source.with_list("audit.full@3".parse().unwrap());
    let audit = Place::Port(Port::Audit);
    assert_eq!(source.at(&audit, 3), Some(Fault::Full));
    assert_eq!(source.at(&audit, 4), Some(Fault::Flush));
    assert_eq!(source.at(&Place::Agent("a".into()), 1), None);
    assert!(!source.hangs());
    let late = FaultSource::listed("a=late@2".parse().unwrap());
    assert!(late.hangs() && !late.is_off() && !FaultSource::default().hangs());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn no_text_makes_the_reader_panic(text in ".{0,60}") {
        if let Ok(schedule) = text.parse::<Schedule>() {
            prop_assert_eq!(schedule.to_string().parse::<Schedule>().unwrap(), schedule);
        }
    }
}
