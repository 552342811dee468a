//! Statistics of risk against values computed in Python from the definitions, and their edges.

use std::time::Duration;

use super::*;
use crate::fixed::Price;
use crate::signal::Direction::{Long, Short};
use crate::time::Time;

// From Python, over the same formulas `a` and `b`: sorted, interpolated and averaged by hand.
const VAR_A: f64 = 0.020_984_487_086_253_972;
const CVAR_A: f64 = 0.021_705_691_910_617_827;
const VAR_AB: f64 = 0.010_496_781_819_377_932;
const CVAR_AB: f64 = 0.011_283_348_084_022_508;
const VAR_20: f64 = 0.007_523_826_866_936_719;
const CVAR_20: f64 = 0.009_060_985_482_060_472;
const CORRELATION: f64 = 0.719_023_641_033_233_9;

const DAY: Duration = Duration::from_hours(24);

fn noon(day: u32) -> Time {
    Time::EPOCH + Duration::from_hours(12) + DAY * day
}

/// Daily returns from a formula, on consecutive days beginning with `first_day` + 1.
fn returns_of(first_day: u32, count: u32, formula: impl Fn(f64) -> f64) -> DailyReturns {
    let mut close = 10_000.0;
    let mut daily = DailyReturns::default();
    daily.update(noon(first_day), Price::from_f64(close).unwrap());
    for index in 0..count {
        close *= 1.0 + formula(f64::from(index));
        daily.update(noon(first_day + 1 + index), Price::from_f64(close).unwrap());
    }
    daily
}

fn a(i: f64) -> f64 {
    0.02 * (1.3 * i).sin() + 0.001 * (i % 7.0 - 3.0)
}

fn b(i: f64) -> f64 {
    0.01 * (0.7 * i).cos() + 0.5 * a(i)
}

#[track_caller]
fn close_to(got: Ratio, expected: f64) {
    assert!((got.get() - expected).abs() < 1e-9, "{got} is not {expected}");
}

fn holding(weight: f64, returns: &DailyReturns) -> Holding<'_> {
    Holding { weight: Ratio::new(weight).unwrap(), returns }
}

#[test]
fn tail_risk_equals_an_independent_computation() {
    let (left, right) = (returns_of(0, 60, a), returns_of(0, 60, b));
    let one = tail_risk(&[holding(1.0, &left)]).unwrap();
    close_to(one.var95, VAR_A);
    close_to(one.cvar95, CVAR_A);
    let both = tail_risk(&[holding(0.6, &left), holding(-0.4, &right)]).unwrap();
    close_to(both.var95, VAR_AB);
    close_to(both.cvar95, CVAR_AB);
}

#[test]
fn only_common_days_count_and_too_few_are_no_evidence() {
    let long = returns_of(0, 60, a);
    let listed_late = returns_of(40, 20, |i| b(i + 40.0));
    let both = [holding(0.6, &long), holding(-0.4, &listed_late)];
    let risk = tail_risk(&both).unwrap();
    close_to(risk.var95, VAR_20);
    close_to(risk.cvar95, CVAR_20);
    let listed_later = returns_of(41, 19, b);
    assert_eq!(tail_risk(&[holding(0.6, &long), holding(0.1, &listed_later)]), None);
    assert_eq!(correlation(&long, &listed_later), None);
    // What is not held needs no history.
    assert!(tail_risk(&[holding(0.6, &long), holding(0.0, &listed_later)]).is_some());
}

#[test]
fn an_empty_portfolio_and_one_that_only_gains_have_no_risk() {
    assert_eq!(tail_risk(&[]), Some(TailRisk::default()));
    let rising = returns_of(0, 30, |_| 0.01);
    assert_eq!(tail_risk(&[holding(0.5, &rising)]), Some(TailRisk::default()));
    let short = tail_risk(&[holding(-0.5, &rising)]).unwrap();
    close_to(short.var95, 0.005);
    close_to(short.cvar95, 0.005);
}

#[test]
fn risk_grows_in_proportion_to_the_position() {
    let daily = returns_of(0, 60, a);
    let (one, two) = (holding(0.1, &daily), holding(0.2, &daily));
    let (one, two) = (tail_risk(&[one]).unwrap(), tail_risk(&[two]).unwrap());
    close_to(two.var95, 2.0 * one.var95.get());
    close_to(two.cvar95, 2.0 * one.cvar95.get());
    assert!(one.var95 <= one.cvar95);
}

#[test]
fn correlation_equals_an_independent_computation_and_needs_movement() {
    let (left, right) = (returns_of(0, 60, a), returns_of(0, 60, b));
    close_to(correlation(&left, &right).unwrap(), CORRELATION);
    close_to(correlation(&left, &left).unwrap(), 1.0);
    let still = returns_of(0, 60, |_| 0.0);
    assert_eq!(correlation(&left, &still), None);
}

#[test]
fn correlation_with_the_book_is_seen_from_the_profits() {
    let (left, right) = (returns_of(0, 60, a), returns_of(0, 60, b));
    let opposite = returns_of(0, 60, |i| -a(i));
    let with = |direction, other, other_direction| {
        max_correlation((&left, direction), [(other, other_direction)]).unwrap()
    };
    close_to(with(Long, &right, Long), CORRELATION);
    close_to(with(Short, &right, Long), -CORRELATION);
    close_to(with(Short, &right, Short), CORRELATION);
    assert!(with(Long, &opposite, Short).get() > 0.999);
    let book = [(&right, Short), (&opposite, Long), (&right, Long)];
    close_to(max_correlation((&left, Long), book).unwrap(), CORRELATION);
    assert_eq!(max_correlation((&left, Long), []), None);
}

#[test]
fn intraday_bars_make_one_return_a_day_and_the_window_slides() {
    let price = |units| Price::from_units(units).unwrap();
    let mut daily = DailyReturns::default();
    daily.update(noon(0), price(90));
    daily.update(noon(0) + Duration::from_mins(1), price(100));
    assert!(daily.is_empty());
    daily.update(noon(1), price(102));
    daily.update(noon(1) + Duration::from_mins(1), price(110));
    daily.update(noon(0), price(1));
    daily.update(noon(2), Price::ZERO);
    daily.update(noon(2), price(99));
    let got: Vec<_> = daily.iter().collect();
    assert_eq!(got.iter().map(|entry| entry.0).collect::<Vec<_>>(), [1, 2]);
    assert!((got[0].1 - 0.10).abs() < 1e-12 && (got[1].1 + 0.10).abs() < 1e-12, "{got:?}");

    let long = returns_of(0, 400, a);
    assert_eq!(long.len(), DailyReturns::WINDOW);
    assert_eq!(long.on(150), None);
    assert!((151..=400).all(|day| long.on(day).is_some()));
}

#[test]
fn restored_returns_go_on_as_they_were() {
    let daily = returns_of(0, 300, a);
    let text = serde_json::to_string(&daily).unwrap();
    assert_eq!(serde_json::from_str::<DailyReturns>(&text).unwrap(), daily);
}
