//! Tests of who may be entered, and when that changes.

use std::collections::BTreeSet;
use std::time::Duration;

use proptest::prelude::*;

use super::lists::{Sketch, names, sketched};
use super::symbol;
use crate::brief::selection::Constraints;
use crate::market::asset::Asset;
use crate::market::symbol::{AssetClass, Symbol};
use crate::order::DecisionId;
use crate::ratio::Ratio;
use crate::selection::Scored;
use crate::selection::dynamic::{
    Change, Form, Listed, Members, Reason, Relisted, Rules, poor, relist,
};
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

/// An asset of a sector and an issuer of its own.
fn asset(name: &str) -> Asset {
    Asset {
        symbol: symbol(name),
        class: AssetClass::Equity,
        sector: format!("sector of {name}"),
        name: format!("{name} Works"),
    }
}

fn baseline(assets: &[Asset], rules: &Rules) -> Members {
    Members::baseline(&assets.iter().collect::<Vec<_>>(), rules, &Constraints::default())
}

fn members(of: &[&str], rules: &Rules) -> Members {
    baseline(&of.iter().map(|name| asset(name)).collect::<Vec<_>>(), rules)
}

fn decision() -> DecisionId {
    DecisionId::of_run("a", 1, "universe")
}

fn relisted(members: &Members, scored: &Scored, rules: &Rules, at: Time) -> Relisted {
    relist(members, scored, (rules, &decision(), at))
}

#[track_caller]
fn list(members: &Members, scored: &Scored, rules: &Rules, at: Time) -> Listed {
    match relisted(members, scored, rules, at) {
        Relisted::List(listed) => *listed,
        other => panic!("{other:?}"),
    }
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
    let leaves = poor(&five, (&rules, &decision(), NOON));
    assert_eq!(leavers(&leaves), ["D", "B"]);
    five.apply(&leaves, &rules);
    assert_eq!(names(&five.symbols()), ["A", "C", "E"]);
    assert!(poor(&five, (&rules, &decision(), NOON)).is_none(), "three have to stay");
    assert!(five.resting()[&symbol("D")] > NOON);
}

#[test]
fn a_newcomer_takes_a_place_by_a_margin_only() {
    let rules = Rules { symbols_max: 3, ..Rules::default() };
    let held = members(&["S0", "S1", "S2"], &rules);
    for (score, enters) in [(0.70, false), (0.79, false), (0.81, true)] {
        let scored = strangers(&[0.9, 0.8, 0.7, score]);
        let found = relisted(&held, &scored, &rules, NOON);
        assert_eq!(found != Relisted::Same, enters, "{score}");
        let Relisted::List(listed) = found else { continue };
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
    let Relisted::Short { fit, against } = relisted(&held, &scored, &rules, NOON) else {
        panic!("too few")
    };
    assert_eq!(names(&fit), ["S0"]);
    assert!(against[&symbol("S1")].contains("at most 1 of sector 1"), "{against:?}");
}

#[test]
fn who_has_left_comes_back_when_it_has_rested() {
    let rules = Rules { symbols_max: 4, ..Rules::default() };
    let mut held = members(&["S0", "S1", "S2", "S3"], &rules);
    for _ in 0..10 {
        held.closed(&symbol("S0"), Ratio::of(-0.02));
    }
    let scored = strangers(&[0.9, 0.8, 0.7, 0.6, 0.5]);
    let listed = list(&held, &scored, &rules, NOON);
    assert!(matches!(listed.change.evict[0].reason, Reason::Drawdown { .. }));
    held.apply(&listed.change, &rules);
    assert_eq!(names(&held.symbols()), ["S1", "S2", "S3", "S4"]);
    let before = NOON + rules.rest.saturating_sub(Duration::from_secs(1));
    assert_eq!(relisted(&held, &scored, &rules, before), Relisted::Same, "it rests");
    let after = list(&held, &scored, &rules, NOON + rules.rest);
    assert_eq!(names(&after.change.admit), ["S0"]);
    held.apply(&after.change, &rules);
    let unlisted = leavers(&after.change)[0].to_owned();
    assert!(
        !held.resting().contains_key(&symbol(&unlisted)),
        "who was only outranked does not rest"
    );
    held.apply(&listed.change, &rules);
    let begun_anew = Form::default();
    assert!(held.seats().all(|(_, form)| *form == begun_anew), "nobody has traded since");
}

#[test]
fn a_change_is_about_the_members_that_it_was_made_for() {
    let rules = Rules::default();
    let held = members(&["S0", "S1", "S2"], &rules);
    let scored = strangers(&[0.9, 0.8, 0.7, 0.6]);
    let change = list(&held, &scored, &rules, NOON).change;
    assert!(change.fits(&held));
    assert!(!change.fits(&members(&["S0", "S1", "S3"], &rules)));
}

#[test]
fn a_baseline_is_taken_by_name_without_twins_and_without_too_much_of_one_kind() {
    let rules = Rules::default();
    let mut all: Vec<Asset> = (0..14).map(|at| asset(&format!("S{at:02}"))).collect();
    all[1].name = all[0].name.clone();
    for asset in &mut all[2..8] {
        asset.sector = "energy".to_owned();
    }
    for asset in &mut all[8..12] {
        asset.class = AssetClass::Crypto;
    }
    let found = baseline(&all, &rules);
    let expected = ["S00", "S02", "S03", "S04", "S05", "S08", "S09", "S12", "S13"];
    assert_eq!(names(&found.symbols()), expected, "no twin, four of energy, two coins");
    let coins: Vec<Asset> = all[8..12].to_vec();
    assert_eq!(names(&baseline(&coins, &rules).symbols()), ["S08", "S09", "S10"], "three at least");
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
        let all: Vec<Asset> = (0..12).map(|at| asset(&format!("S{at}"))).collect();
        let mut held = baseline(&all, &rules);
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
            let leaves = poor(&held, (&rules, &decision(), at));
            prop_assert!(leaves.admit.is_empty() && leaves.fits(&held));
            held.apply(&leaves, &rules);
            if let Relisted::List(listed) = relisted(&held, &scored, &rules, at) {
                let resting: BTreeSet<Symbol> = held.resting().iter()
                    .filter(|(_, until)| **until > at)
                    .map(|(symbol, _)| symbol.clone())
                    .collect();
                prop_assert!(scored.selected(listed.selected.symbols().to_vec()).is_ok());
                prop_assert!(listed.change.admit.iter().all(|one| !resting.contains(one)));
                prop_assert!(listed.change.fits(&held) && !listed.change.admit.is_empty());
                held.apply(&listed.change, &rules);
                let list: BTreeSet<Symbol> = listed.selected.symbols().iter().cloned().collect();
                prop_assert_eq!(list.into_iter().collect::<Vec<_>>(), held.symbols());
            }
            let count = held.symbols().len();
            prop_assert!((rules.symbols_min..=rules.symbols_max).contains(&count), "{}", count);
        }
    }
}
