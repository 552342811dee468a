//! The calendar against a reference, its traps, and the zone.

use jiff::civil::{Date, date};

use super::*;

fn days(from: Date, to: Date) -> impl Iterator<Item = Date> {
    std::iter::successors(Some(from), |day| day.tomorrow().ok()).take_while(move |&day| day <= to)
}

/// Goal: the rules give the sessions of a public reference calendar.
/// Method: its three counts; any rule that is off by a day in any year changes one of them.
#[test]
fn sessions_closures_and_early_closes_are_as_many_as_the_reference_has() {
    let (from, to) = (date(2000, 1, 3), date(2027, 11, 19));
    let sessions = days(from, to).filter(|&day| Calendar::Xnys.is_session(day)).count();
    let weekday = |day: &Date| !matches!(day.weekday(), Weekday::Saturday | Weekday::Sunday);
    let closures =
        days(from, to).filter(weekday).filter(|&day| !Calendar::Xnys.is_session(day)).count();
    let early = days(from, to).filter(|&day| Calendar::Xnys.is_early_close(day)).count();
    assert_eq!((sessions, closures, early), (7_013, 262, 60));
    let inner = Calendar::Xnys.sessions_between(from, to);
    assert_eq!(inner, 7_013 - 2, "both ends are left out");
}

#[test]
fn the_traps_of_the_calendar_are_known() {
    for closed in [
        date(2001, 9, 11),
        date(2001, 9, 14),
        date(2004, 6, 11),
        date(2007, 1, 2),
        date(2012, 10, 29),
        date(2012, 10, 30),
        date(2018, 12, 5),
        date(2025, 1, 9),
        date(2000, 4, 21),
        date(2008, 3, 21),
        date(2021, 12, 24),
        date(2022, 6, 20),
        date(2023, 1, 2),
        date(2026, 7, 3),
    ] {
        assert!(!Calendar::Xnys.is_session(closed), "{closed}");
    }
    // New Year's Day 2011 and 2022 fell on Saturdays; Juneteenth began in 2022.
    for open in [date(2010, 12, 31), date(2021, 12, 31), date(2021, 6, 18), date(2001, 9, 17)] {
        assert!(Calendar::Xnys.is_session(open), "{open}");
    }
    for early in [date(2002, 7, 5), date(2003, 12, 26), date(2012, 11, 23), date(2024, 12, 24)] {
        assert!(Calendar::Xnys.is_early_close(early), "{early}");
    }
    for ordinary in [date(2002, 7, 3), date(2004, 7, 2), date(2022, 12, 23)] {
        assert!(!Calendar::Xnys.is_early_close(ordinary), "{ordinary}");
    }
}

#[test]
fn hours_are_new_yorks_in_winter_and_in_summer() {
    #[track_caller]
    fn check(day: Date, open: &str, close: &str) {
        let (opens, closes) = Calendar::Xnys.open_close(day).unwrap();
        assert_eq!((opens.to_string().as_str(), closes.to_string().as_str()), (open, close));
    }
    check(date(2013, 3, 1), "2013-03-01T14:30:00Z", "2013-03-01T21:00:00Z");
    check(date(2013, 3, 11), "2013-03-11T13:30:00Z", "2013-03-11T20:00:00Z");
    // Until 2006 summer time began in April.
    check(date(2006, 3, 13), "2006-03-13T14:30:00Z", "2006-03-13T21:00:00Z");
    check(date(2012, 11, 23), "2012-11-23T14:30:00Z", "2012-11-23T18:00:00Z");
    assert_eq!(Calendar::Xnys.open_close(date(2013, 3, 2)), None);
}

#[test]
fn the_session_follows_the_clock_and_the_close_still_belongs_to_it() {
    for (time, session) in [
        ("2013-03-01T08:59:59Z", Session::Closed),
        ("2013-03-01T09:00:00Z", Session::Pre),
        ("2013-03-01T14:29:59Z", Session::Pre),
        ("2013-03-01T14:30:00Z", Session::Regular),
        ("2013-03-01T21:00:00Z", Session::Regular),
        ("2013-03-01T21:00:00.001Z", Session::After),
        ("2013-03-02T00:59:59Z", Session::After),
        ("2013-03-02T01:00:00Z", Session::Closed),
        ("2013-03-02T15:00:00Z", Session::Closed),
        ("2012-11-23T21:59:00Z", Session::After),
        ("2012-11-23T22:00:00Z", Session::Closed),
    ] {
        let at: Time = time.parse().unwrap();
        assert_eq!(Calendar::Xnys.session(at), session, "{time}");
        assert_eq!(SessionCursor::new(Calendar::Xnys).session(at), session, "{time}");
        assert_eq!(Calendar::Always.session(at), Session::Regular);
    }
}

#[test]
fn the_date_is_the_markets_own() {
    let late: Time = "2013-07-02T03:59:59Z".parse().unwrap();
    assert_eq!(Calendar::Xnys.session_date(late), date(2013, 7, 1));
    assert_eq!(Calendar::Xnys.session_date(late + Duration::from_secs(1)), date(2013, 7, 2));
    assert_eq!(Calendar::Always.session_date(late), date(2013, 7, 2));
}

#[test]
fn the_next_session_skips_weekends_and_holidays() {
    assert_eq!(Calendar::Xnys.next_session(date(2013, 3, 28)), Some(date(2013, 4, 1)));
    assert_eq!(Calendar::Xnys.next_session(date(2001, 9, 10)), Some(date(2001, 9, 17)));
    assert_eq!(Calendar::Always.next_session(date(2013, 3, 28)), Some(date(2013, 3, 29)));
    assert_eq!(Calendar::Xnys.next_session(Date::MAX), None);
    assert_eq!(Calendar::Xnys.sessions_between(date(2013, 3, 28), date(2013, 4, 1)), 0);
    assert_eq!(Calendar::Xnys.sessions_between(date(2013, 4, 1), date(2013, 3, 28)), 0);
}

#[test]
fn no_time_is_too_far_away() {
    for ms in [i64::MIN, -3_000_000_000_000, -1, 0, 1, 9_000_000_000_000, i64::MAX] {
        let time = Time::from_ms(ms);
        let mut cursor = SessionCursor::new(Calendar::Xnys);
        assert_eq!(cursor.session_date(time), Calendar::Xnys.session_date(time), "{ms}");
        let _ = (Calendar::Always.session_date(time), Calendar::Xnys.session(time));
    }
}

proptest::proptest! {
    #[test]
    fn a_cursor_answers_as_the_calendar_and_the_zone_do(
        times in proptest::collection::vec(-1_000_000_000_000_i64..4_000_000_000_000, 1..20),
    ) {
        let mut cursor = SessionCursor::new(Calendar::Xnys);
        for ms in times {
            let time = Time::from_ms(ms);
            let date = NEW_YORK.to_datetime(time.timestamp()).date();
            proptest::prop_assert_eq!(cursor.session_date(time), date);
            proptest::prop_assert_eq!(cursor.session(time), Calendar::Xnys.session(time));
            proptest::prop_assert_eq!(cursor.open_close(time), Calendar::Xnys.open_close(date));
        }
    }
}
