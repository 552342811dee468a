//! A row per refusal and per warning of the door.

use jiff::civil::date;

use super::*;

/// A daily bar of a session; the figures are open, high, low, close and volume.
fn bar(day: Date, figures: [&str; 5]) -> Bar {
    let (open_time, close_time) = Calendar::Xnys.ordinary_hours(day);
    let price = |text: &str| text.parse::<Price>().unwrap();
    Bar {
        open_time,
        close_time,
        open: price(figures[0]),
        high: price(figures[1]),
        low: price(figures[2]),
        close: price(figures[3]),
        volume: figures[4].parse().unwrap(),
    }
}

fn good(day: Date, close: &str) -> Bar {
    bar(day, [close, close, close, close, "1"])
}

fn daily() -> Door {
    Door::new(AssetClass::Equity, Timeframe::Day)
}

#[test]
fn a_bar_that_cannot_be_true_is_refused_with_its_figures() {
    for (figures, expected) in [
        (["0", "2", "1", "2", "1"], "has open 0: a price must be above zero"),
        (["1", "2", "-1", "2", "1"], "has low -1: a price must be above zero"),
        (["1", "2", "1", "3", "1"], "has high 2 below close 3"),
        (["4", "2", "1", "2", "1"], "has high 2 below open 4"),
        (["2", "2", "3", "2", "1"], "has low 3 above open 2"),
        (["2", "3", "2", "1", "1"], "has low 2 above close 1"),
        (["1", "2", "1", "2", "-0.5"], "has volume -0.5: it must be zero or more"),
        (["1", "90000000000", "1", "2", "1"], "has high 90000000000: above the plausible 10000000"),
    ] {
        let error = daily().admit(&bar(date(2013, 3, 1), figures)).unwrap_err();
        assert_eq!(error.to_string(), format!("the bar of 2013-03-01T14:30:00Z {expected}"));
    }
}

#[test]
fn time_only_moves_on_and_a_refused_bar_leaves_no_trace() {
    let mut door = daily();
    let monday = good(date(2013, 3, 4), "10");
    assert_eq!(door.admit(&monday), Ok(vec![]));
    assert!(matches!(door.admit(&monday), Err(BarError::Duplicate { .. })));
    assert!(matches!(door.admit(&good(date(2013, 3, 1), "10")), Err(BarError::GoesBack { .. })));
    let overlapping = Bar { open_time: monday.open_time + Timeframe::Hour.length(), ..monday };
    assert!(matches!(door.admit(&overlapping), Err(BarError::GoesBack { .. })));
    let backwards = Bar { close_time: monday.open_time, ..monday };
    assert!(matches!(daily().admit(&backwards), Err(BarError::NoLength { .. })));
    assert_eq!(door.last(), Some(&monday));
    assert_eq!(door.admit(&good(date(2013, 3, 5), "10")), Ok(vec![]));
}

#[test]
fn a_jump_over_a_quarter_is_flagged_and_admitted() {
    for (close, flagged) in [("75", false), ("74.99", true), ("125", false), ("125.01", true)] {
        let mut door = daily();
        door.admit(&good(date(2013, 3, 4), "100")).unwrap();
        let warnings = door.admit(&good(date(2013, 3, 5), close)).unwrap();
        assert_eq!(!warnings.is_empty(), flagged, "{close}: {warnings:?}");
        assert!(warnings.iter().all(|warning| warning.to_string().starts_with("split? ")));
    }
}

#[test]
fn a_gap_is_counted_in_sessions_and_reported_not_filled() {
    let mut door = daily();
    door.admit(&good(date(2001, 9, 10), "10")).unwrap();
    assert_eq!(door.admit(&good(date(2001, 9, 17), "10")), Ok(vec![]), "closed all week");
    let warnings = door.admit(&good(date(2001, 9, 20), "10")).unwrap();
    assert!(matches!(warnings[..], [Warning::Gap { missing: 2, .. }]), "{warnings:?}");
}

#[test]
fn a_bar_on_a_closed_day_is_reported() {
    let warnings = daily().admit(&good(date(2012, 10, 29), "10")).unwrap();
    assert!(matches!(warnings[..], [Warning::OffCalendar { .. }]), "{warnings:?}");
    let mut coins = Door::new(AssetClass::Crypto, Timeframe::Day);
    assert_eq!(coins.admit(&good(date(2012, 10, 28), "10")), Ok(vec![]));
}

#[test]
fn missing_minutes_are_those_of_the_sessions_only() {
    let minute = |time: &str| {
        let open_time: Time = time.parse().unwrap();
        let close_time = open_time + Timeframe::Minute.length();
        Bar { open_time, close_time, ..good(date(2013, 3, 1), "10") }
    };
    for (first, second, missing) in [
        ("2013-03-01T14:30:00Z", "2013-03-01T14:31:00Z", 0),
        ("2013-03-01T14:30:00Z", "2013-03-01T14:34:00Z", 3),
        ("2013-03-01T20:59:00Z", "2013-03-04T14:30:00Z", 0),
        ("2013-03-01T20:58:00Z", "2013-03-04T14:31:00Z", 2),
        ("2013-03-01T20:59:00Z", "2013-03-05T14:30:00Z", 390),
    ] {
        let mut door = Door::new(AssetClass::Equity, Timeframe::Minute);
        door.admit(&minute(first)).unwrap();
        let warnings = door.admit(&minute(second)).unwrap();
        let found = warnings.iter().find_map(|warning| match warning {
            Warning::Gap { missing, .. } => Some(*missing),
            _ => None,
        });
        assert_eq!(found.unwrap_or(0), missing, "{first} {second}");
    }
}

#[test]
fn weeks_are_gaps_only_when_a_whole_one_is_missing() {
    let mut door = Door::new(AssetClass::Equity, Timeframe::Week);
    let week = |day: Date| {
        let bar = good(day, "10");
        Bar { close_time: bar.open_time + std::time::Duration::from_hours(100), ..bar }
    };
    door.admit(&week(date(2013, 3, 4))).unwrap();
    assert_eq!(door.admit(&week(date(2013, 3, 12))), Ok(vec![]));
    let warnings = door.admit(&week(date(2013, 3, 25))).unwrap();
    assert!(matches!(warnings[..], [Warning::Gap { missing: 1, .. }]), "{warnings:?}");
}
