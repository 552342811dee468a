//! Tests of who may be entered, and when that changes.

use std::collections::BTreeSet;
use std::time::Duration;

use proptest::prelude::*;

use super::lists::{Sketch, names, sketched};
use super::symbol;
use crate::market::symbol::Symbol;
use crate::order::DecisionId;
use crate::ratio::Ratio;
use crate::selection::Scored;
use crate::selection::dynamic::{Change, Form, Members, Reason, Review, Rules, review};
use crate::time::Time;

const NOON: Time = Time::from_ms(1_600_000_000_000);

fn form(returns: &[f64]) -> Form {
    let mut form = Form::default();
    for one in returns {
        form.add(Ratio::of(*one));
    }
    form
}

/// Shares of these scores, each of a sector and an issuer of its own, that do not move together.
fn strangers(scores: &[f64]) -> Scored {
    let all: Vec<Sketch> = (0..).zip(scores).map(|(at, score)| (*score, at, at, false)).collect();
    sketched(&all, &vec![Some(0.1); scores.len() * (scores.len() - 1) / 2])
}

fn members(of: &[&str], rules: &Rules) -> Members {
    Members::baseline(of.iter().map(|name| symbol(name)), rules)
}

fn reviewed(members: &Members, scored: Option<&Scored>, rules: &Rules, at: Time) -> Option<Review> {
    review(members, scored, (rules, &DecisionId::of_run("a", 1, "universe"), at))
}

fn leavers(change: &Change) -> Vec<&str> {
    change.evict.iter().map(|leaver| leaver.symbol.as_str()).collect()
}

#[test]
fn a_member_is_judged_by_ten_trades_and_the_worse_reason_is_named() {
    let rules = Rules::default();
    let (win, loss) = (0.01, -0.01);
    let four_of_ten = [win, win, win, win, loss, loss, loss, loss, loss, loss];
    let three_of_ten = [win, win, win, loss, loss, loss, loss, loss, loss, loss];
    assert_eq!(form(&[-0.5; 9]).judge(&rules), None, "nine trades say nothing");
    assert_eq!(form(&four_of_ten).judge(&rules), None);
    let low = form(&three_of_ten).judge(&rules);
    assert_eq!(low, Some(Reason::WinRate { win_rate: Ratio::of(0.3), trades: 10 }));
    let mut deep = [win; 10];
    deep[9] = -0.125;
    let deep = form(&deep);
    assert!((deep.drawdown().get() - 0.125).abs() < 1e-12);
    assert!(matches!(deep.judge(&rules), Some(Reason::Drawdown { trades: 10, .. })));
    let ruined = form(&[-3.0; 10]);
    assert_eq!(ruined.drawdown(), Ratio::of(1.0), "a loss of more than everything is everything");
    assert!(matches!(ruined.judge(&rules), Some(Reason::Drawdown { .. })));
}

/// U-3: members are never fewer than three.
#[test]
fn the_worst_leave_first_and_three_stay() {
    let rules = Rules::default();
    let mut five = members(&["A", "B", "C", "D", "E"], &rules);
    for (name, lost) in [("A", -0.01), ("B", -0.03), ("C", -0.02), ("D", -0.04)] {
        for _ in 0..10 {
            five.closed(&symbol(name), Ratio::of(lost));
        }
    }
    let found = reviewed(&five, None, &rules, NOON).unwrap();
    assert_eq!((leavers(&found.poor), found.listed), (vec!["D", "B"], None));
    five.apply(&found.poor, &rules);
    assert_eq!(names(&five.symbols()), ["A", "C", "E"]);
    assert_eq!(reviewed(&five, None, &rules, NOON), None, "three have to stay");
    assert!(five.resting()[&symbol("D")] > NOON);
}

#[test]
fn a_newcomer_takes_a_place_by_a_margin_only() {
    let rules = Rules { symbols_max: 3, ..Rules::default() };
    let held = members(&["S0", "S1", "S2"], &rules);
    for (score, enters) in [(0.70, false), (0.79, false), (0.81, true)] {
        let scored = strangers(&[0.9, 0.8, 0.7, score]);
        let found = reviewed(&held, Some(&scored), &rules, NOON);
        assert_eq!(found.is_some(), enters, "{score}");
        let Some(listed) = found.and_then(|found| found.listed) else { continue };
        assert_eq!(
            (leavers(&listed.change), names(&listed.change.admit)),
            (vec!["S2"], vec!["S3"])
        );
        let said = listed.change.evict[0].reason.to_string();
        assert_eq!(said, "the list of 3 was full");
        assert_eq!(names(listed.selected.symbols()), ["S0", "S1", "S3"]);
    }
}

#[test]
fn a_list_of_fewer_than_three_changes_nothing() {
    let rules = Rules::default();
    let held = members(&["S0", "S1", "S2"], &rules);
    // Three of one sector: only two of them may be on a list.
    let scored = sketched(
        &[(0.9, 1, 0, false), (0.8, 1, 1, false), (0.7, 1, 2, false)],
        &[Some(0.1), Some(0.1), Some(0.1)],
    );
    assert_eq!(reviewed(&held, Some(&scored), &rules, NOON), None);
}

#[test]
fn who_has_left_comes_back_when_it_has_rested() {
    let rules = Rules { symbols_max: 4, ..Rules::default() };
    let mut held = members(&["S0", "S1", "S2", "S3"], &rules);
    for _ in 0..10 {
        held.closed(&symbol("S0"), Ratio::of(-0.02));
    }
    let scored = strangers(&[0.9, 0.8, 0.7, 0.6, 0.5]);
    let found = reviewed(&held, Some(&scored), &rules, NOON).unwrap();
    let listed = found.listed.unwrap();
    assert!(matches!(listed.change.evict[0].reason, Reason::Drawdown { .. }));
    held.apply(&listed.change, &rules);
    assert_eq!(names(&held.symbols()), ["S1", "S2", "S3", "S4"]);
    let before = NOON + rules.rest.saturating_sub(Duration::from_secs(1));
    assert_eq!(reviewed(&held, Some(&scored), &rules, before), None, "it rests");
    let after = reviewed(&held, Some(&scored), &rules, NOON + rules.rest).unwrap();
    assert_eq!(names(&after.listed.unwrap().change.admit), ["S0"]);
    let begun_anew = Form::default();
    assert!(held.seats().all(|(_, form)| *form == begun_anew), "S4 has traded nothing yet");
}

#[test]
fn a_change_is_about_the_members_that_it_was_made_for() {
    let rules = Rules::default();
    let held = members(&["S0", "S1", "S2"], &rules);
    let scored = strangers(&[0.9, 0.8, 0.7, 0.6]);
    let change = reviewed(&held, Some(&scored), &rules, NOON).unwrap().listed.unwrap().change;
    assert!(change.fits(&held));
    assert!(!change.fits(&members(&["S0", "S1", "S3"], &rules)));
}

#[test]
fn reviews_are_due_on_a_grid_of_half_hours() {
    let rules = Rules::default();
    let at = |minutes: i64| rules.place(Time::from_ms(minutes * 60_000));
    assert_eq!((at(0), at(29), at(30), at(61), at(-1)), (0, 0, 1, 2, -1));
}

/// A step of a universe's life: a trade of a symbol, or a review with these scores.
#[derive(Clone, Debug)]
enum Event {
    Trade(u8, f64),
    Review(Vec<f64>),
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        8 => (0..12_u8, -0.3..0.2).prop_map(|(of, made)| Event::Trade(of, made)),
        1 => prop::collection::vec(0.0..1.0, 12).prop_map(Event::Review),
    ]
}

proptest! {
    /// U-3: members are never fewer than three nor more than ten, and a list that comes in has had its last
    /// look; nobody comes in that rests.
    #[test]
    fn a_universe_keeps_its_bounds_whatever_happens(
        events in prop::collection::vec(event(), 1..200),
        cells in prop::collection::vec(prop::option::weighted(0.95, 0.0..0.9), 66),
    ) {
        let rules = Rules { rest: Duration::from_hours(2), ..Rules::default() };
        let mut held = Members::baseline((0..12).map(|at| symbol(&format!("S{at}"))), &rules);
        let mut at = NOON;
        for event in events {
            at = at + Duration::from_mins(30);
            let scores = match event {
                Event::Trade(of, made) => {
                    held.closed(&symbol(&format!("S{of}")), Ratio::of(made));
                    continue;
                }
                Event::Review(scores) => scores,
            };
            let all: Vec<Sketch> =
                (0..).zip(&scores).map(|(at, score)| (*score, at % 6, at, false)).collect();
            let scored = sketched(&all, &cells);
            let Some(found) = reviewed(&held, Some(&scored), &rules, at) else { continue };
            let resting: BTreeSet<Symbol> = held.resting().iter()
                .filter(|(_, until)| **until > at)
                .map(|(symbol, _)| symbol.clone())
                .collect();
            let change = match &found.listed {
                Some(listed) => {
                    prop_assert!(scored.selected(listed.selected.symbols().to_vec()).is_ok());
                    prop_assert!(listed.change.admit.iter().all(|one| !resting.contains(one)));
                    &listed.change
                }
                None => &found.poor,
            };
            prop_assert!(change.fits(&held) && !change.is_none());
            held.apply(change, &rules);
            if let Some(listed) = &found.listed {
                let list: BTreeSet<Symbol> = listed.selected.symbols().iter().cloned().collect();
                prop_assert_eq!(list.into_iter().collect::<Vec<_>>(), held.symbols());
            }
            let count = held.symbols().len();
            prop_assert!((rules.symbols_min..=rules.symbols_max).contains(&count), "{}", count);
        }
    }
}
