//! Edge cases, trades, sampling and properties of the metrics.

use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::fixed::Money;
use crate::time::Time;

mod libraries;

/// Measures values alone on `(periods per year, riskless rate)`.
fn measure(values: &[f64], benchmark: Option<&[f64]>, (periods, rf): (f64, f64)) -> Metrics {
    let terms = Terms {
        periods_per_year: Ratio::new(periods).unwrap(),
        rf: Ratio::new(rf).unwrap(),
        sampling: Sampling::Rows,
    };
    Metrics::of(&Input { values, times: None, benchmark, activity: None, terms }).unwrap()
}

/// Measures values on 252 periods a year and no riskless rate.
fn plain(values: &[f64]) -> Metrics {
    measure(values, None, (252.0, 0.0))
}

fn daily() -> Terms {
    Terms::usual(Timeframe::Day, AssetClass::Equity)
}

/// `count` times, `hours` apart.
fn times(count: usize, hours: u64) -> Vec<Time> {
    let step = Duration::from_hours(hours);
    (0..u32::try_from(count).unwrap()).map(|n| Time::EPOCH + step * n).collect()
}

fn money(text: &str) -> Money {
    text.parse().unwrap()
}

/// A trade of 1,000 that was held for an hour.
fn trade(pnl: &str) -> TradeStat {
    TradeStat {
        pnl: money(pnl),
        entry_value: money("1000"),
        entry_time: Time::EPOCH,
        exit_time: Time::EPOCH + Duration::from_hours(1),
    }
}

fn of_trades(pnl: &[&str]) -> Metrics {
    let trades: Vec<TradeStat> = pnl.iter().map(|pnl| trade(pnl)).collect();
    let activity = Activity {
        trades: &trades,
        traded_notional: money("5000"),
        fees: money("3"),
        bars: 4,
        bars_exposed: 1,
    };
    let curve = Curve { times: &times(3, 24), equity: &[100.0, 90.0, 110.0], benchmark: None };
    Metrics::of_account(&curve, |time| time.ms() / 86_400_000, &activity, daily()).unwrap()
}

#[track_caller]
fn close(found: Metric, wanted: f64) {
    let found = found.unwrap().get();
    assert!((found - wanted).abs() <= 1e-12 * wanted.abs().max(1.0), "{found}, not {wanted}");
}

#[test]
fn what_is_undefined_is_absent_with_its_reason() {
    let one = plain(&[100.0]);
    assert_eq!(one.total_return, Err(Reason::TooFewObservations));
    close(one.end_equity, 100.0);
    let two = plain(&[100.0, 101.0]);
    close(two.total_return, 0.01);
    assert_eq!(two.cagr, Err(Reason::TooFewObservations));
    assert_eq!(two.sharpe, Err(Reason::TooFewObservations));

    let growth: Vec<f64> = (0..30).map(|n| 100.0 * 1.01_f64.powi(n)).collect();
    let steady = plain(&growth);
    for metric in [steady.sharpe, steady.skew, steady.kurtosis] {
        assert_eq!(metric, Err(Reason::ZeroVariance));
    }
    assert_eq!(steady.sortino, Err(Reason::NoDownside));
    assert_eq!(steady.omega, Err(Reason::NoDownside));
    assert_eq!(steady.calmar, Err(Reason::NoDrawdown));
    assert_eq!(steady.avg_drawdown, Err(Reason::NoDrawdown));
    assert_eq!(steady.max_drawdown, Ok(Ratio::ZERO));
    assert_eq!(steady.max_drawdown_duration_s, Err(Reason::NoTimes));
    assert_eq!(steady.beta, Err(Reason::NoBenchmark));
    assert_eq!(steady.trades, Err(Reason::NoTradeRecord));

    let flat = plain(&[5.0; 10]);
    assert_eq!(flat.sharpe, Err(Reason::ZeroVariance));
    assert_eq!(flat.sortino, Err(Reason::NoDownside));
    assert_eq!(flat.tail_ratio, Err(Reason::NoDownside));

    let series = [100.0, 101.0, 99.0, 104.0];
    let itself = measure(&series, Some(&series), (252.0, 0.0));
    close(itself.beta, 1.0);
    close(itself.alpha, 0.0);
    assert_eq!(itself.information_ratio, Err(Reason::ZeroVariance));
    let against_cash = measure(&series, Some(&[1.0; 4]), (252.0, 0.0));
    assert_eq!(against_cash.beta, Err(Reason::ZeroVariance));
    assert_eq!(against_cash.alpha, Err(Reason::ZeroVariance));
}

#[test]
fn a_ruin_is_minus_one_hundred_percent_and_ends_the_series() {
    for end in [0.0, -25.0] {
        let ruined = plain(&[100.0, 110.0, end, 500.0, 400.0]);
        assert!(ruined.ruined);
        close(ruined.total_return, -1.0);
        close(ruined.cagr, -1.0);
        close(ruined.max_drawdown, -1.0);
        close(ruined.end_equity, end);
        assert_eq!(ruined.basis.observations, 2);
    }
}

#[test]
fn what_is_no_series_is_refused_by_name() {
    let of = |values: &[f64], times: Option<&[Time]>, benchmark: Option<&[f64]>| {
        Metrics::of(&Input { values, times, benchmark, activity: None, terms: daily() })
    };
    let (series, benchmark) = ("series", "benchmark");
    assert_eq!(of(&[], None, None), Err(MetricsError::Empty));
    let nan = Err(MetricsError::NotFinite { which: series, index: 1 });
    assert_eq!(of(&[1.0, f64::NAN], None, None), nan);
    assert_eq!(of(&[1.0, f64::INFINITY], None, None), nan);
    assert_eq!(of(&[1e-300, 1e300], None, None), nan);
    let zero = Err(MetricsError::NotPositive { which: series, index: 0 });
    assert_eq!(of(&[0.0, 1.0], None, None), zero);
    assert_eq!(of(&[-1.0, 1.0], None, None), zero);
    let gap = Err(MetricsError::NotPositive { which: benchmark, index: 1 });
    assert_eq!(of(&[1.0, 2.0], None, Some(&[1.0, 0.0])), gap);
    let short = Err(MetricsError::Length { which: benchmark, found: 1, wanted: 2 });
    assert_eq!(of(&[1.0, 2.0], None, Some(&[1.0])), short);
    let back = [Time::from_ms(5), Time::from_ms(5)];
    assert_eq!(of(&[1.0, 2.0], Some(&back), None), Err(MetricsError::Order { index: 1 }));
    let terms = Terms { periods_per_year: Ratio::ZERO, ..daily() };
    let input = Input { values: &[1.0], times: None, benchmark: None, activity: None, terms };
    assert_eq!(Metrics::of(&input), Err(MetricsError::Terms));
}

#[test]
fn drawdowns_are_told_apart_and_timed_from_peak_to_recovery() {
    let values = [100.0, 90.0, 100.0, 120.0, 60.0, 90.0, 119.0];
    let times = times(values.len(), 24);
    let input = Input {
        values: &values,
        times: Some(&times),
        benchmark: None,
        activity: None,
        terms: daily(),
    };
    let metrics = Metrics::of(&input).unwrap();
    close(metrics.max_drawdown, -0.5);
    close(metrics.avg_drawdown, -0.3);
    close(metrics.max_drawdown_duration_s, 3.0 * 86_400.0);
}

#[test]
fn trades_are_measured_in_currency_and_in_order() {
    let metrics = of_trades(&["30", "10", "0", "-10", "-5", "-5", "20"]);
    close(metrics.trades, 7.0);
    close(metrics.win_rate, 3.0 / 7.0);
    close(metrics.profit_factor, 3.0);
    close(metrics.payoff_ratio, 3.0);
    close(metrics.kelly, 3.0 / 7.0 - (4.0 / 7.0) / 3.0);
    close(metrics.expectancy, 40.0 / 7.0);
    close(metrics.best_trade, 0.03);
    close(metrics.worst_trade, -0.01);
    close(metrics.avg_trade, 0.04 / 7.0);
    close(metrics.avg_trade_duration_s, 3_600.0);
    close(metrics.max_consecutive_wins, 2.0);
    close(metrics.max_consecutive_losses, 3.0);
    close(metrics.exposure_time, 0.25);
    close(metrics.fees_paid, 3.0);
    close(metrics.turnover, 5_000.0 / 100.0 / (2.0 / 252.0));
    // By hand: mean 40/7, squares of the distances add up to 1,550 − 7·(40/7)².
    let sd = ((1_550.0 - 1_600.0 / 7.0) / 6.0_f64).sqrt();
    close(metrics.sqn, 7.0_f64.sqrt() * (40.0 / 7.0) / sd);
}

#[test]
fn ratios_of_trades_that_do_not_exist_are_absent() {
    let none = of_trades(&[]);
    close(none.trades, 0.0);
    for metric in [none.win_rate, none.profit_factor, none.kelly, none.sqn, none.best_trade] {
        assert_eq!(metric, Err(Reason::NoTrades));
    }
    let won = of_trades(&["1", "2"]);
    for metric in [won.profit_factor, won.payoff_ratio, won.kelly] {
        assert_eq!(metric, Err(Reason::NoLosingTrade));
    }
    let lost = of_trades(&["-1", "-1"]);
    close(lost.profit_factor, 0.0);
    assert_eq!(lost.payoff_ratio, Err(Reason::NoWinningTrade));
    assert_eq!(lost.sqn, Err(Reason::ZeroVariance));
    assert_eq!(of_trades(&["1"]).sqn, Err(Reason::TooFewObservations));
}

/// Goal: the Sharpe ratio of an account does not depend on the size of its bars.
/// Method: the same account seen every day, and seen every hour with noise inside the day.
#[test]
fn an_intraday_curve_has_the_ratios_of_its_session_closes() {
    let day = |time: Time| time.ms() / 86_400_000;
    let closes = [100.0, 103.0, 101.0, 106.0, 104.0];
    let mut hourly = vec![100.0];
    for close in closes.iter().skip(1) {
        hourly.extend((0..23).map(|hour| close + f64::from(hour % 3 - 1) * 4.0));
        hourly.push(*close);
    }
    let mut hours = vec![Time::EPOCH];
    hours.extend((24..24 * 5).map(|hour| Time::EPOCH + Duration::from_hours(hour)));
    let of = |times: &[Time], equity: &[f64]| {
        let curve = Curve { times, equity, benchmark: Some(equity) };
        Metrics::of_account(&curve, day, &Activity::default(), daily()).unwrap()
    };
    let (fine, coarse) = (of(&hours, &hourly), of(&times(5, 24), &closes));
    assert_eq!(fine.sharpe, coarse.sharpe);
    assert_eq!(fine.cagr, coarse.cagr);
    assert_eq!(fine.beta, coarse.beta);
    assert_eq!(fine.basis.to_string(), "daily, rf 0, 252/yr, n=4");
    assert!(fine.max_drawdown.unwrap() < coarse.max_drawdown.unwrap());
}

#[test]
fn the_first_point_and_the_last_of_each_day_are_kept() {
    let day = |time: Time| time.ms() / 86_400_000;
    assert_eq!(session_closes(&times(5, 24), day), [0, 1, 2, 3, 4]);
    assert_eq!(session_closes(&times(9, 6), day), [0, 3, 7, 8]);
    assert_eq!(session_closes(&times(1, 6), day), [0]);
    assert!(session_closes(&[], day).is_empty());
}

#[test]
fn the_json_has_every_key_and_a_reason_for_every_null() {
    let json = serde_json::to_value(of_trades(&["5", "7"])).unwrap();
    let object = json.as_object().unwrap();
    assert_eq!(object.len(), Metrics::KEYS.len() + 3);
    for key in Metrics::KEYS {
        assert_eq!(object[*key].is_null(), json["reasons"].get(key).is_some(), "{key}");
    }
    assert_eq!(json["trades"].to_string(), "2");
    assert_eq!(json["reasons"]["profit_factor"], "no_losing_trade");
    assert_eq!(json["basis"]["observations"], 2);
    let flat = serde_json::to_string(&plain(&[5.0; 9])).unwrap();
    assert!(flat.contains(r#""sharpe":null"#) && flat.contains(r#""sharpe":"zero_variance""#));
}

#[test]
fn the_basis_stands_beside_a_ratio_and_not_beside_an_absent_one() {
    let metrics = plain(&[100.0, 110.0, 100.0, 120.0]);
    let text = |metrics: &Metrics, key| metrics.text_on_basis(&metrics.find(key).unwrap());
    assert!(text(&metrics, "sharpe").ends_with(" (per row, rf 0, 252/yr, n=3)"));
    assert_eq!(text(&metrics, "total_return"), "20.00 %");
    assert_eq!(text(&plain(&[1.0; 4]), "sharpe"), "n/a (zero_variance)");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn no_scale_changes_a_ratio(
        values in prop::collection::vec(1.0..1e6_f64, 3..60), power in -8..8_i32,
    ) {
        // A power of two changes no digit, so the ratios are equal to the bit.
        let scaled: Vec<f64> = values.iter().map(|value| value * 2.0_f64.powi(power)).collect();
        let (own, other) = (plain(&values), plain(&scaled));
        for (own, other) in own.shown().into_iter().zip(other.shown()) {
            if own.kind != Kind::Money {
                prop_assert_eq!(own, other);
            }
        }
    }

    #[test]
    fn whatever_is_measured_is_finite_and_no_fall_is_deeper_than_all(
        values in prop::collection::vec(prop_oneof![0.01..1e6_f64, -10.0..1e-200_f64], 1..40),
    ) {
        let terms = daily();
        let input =
            Input { values: &values, times: None, benchmark: None, activity: None, terms };
        if let Ok(metrics) = Metrics::of(&input) {
            let json = serde_json::to_value(&metrics).unwrap();
            for shown in metrics.shown() {
                // serde_json writes a number that is not finite as null.
                prop_assert_eq!(json[shown.key].is_number(), shown.metric.is_ok());
                let text = shown.text();
                prop_assert!(!text.contains("NaN") && !text.contains("inf"), "{}", text);
            }
            if let Ok(deepest) = metrics.max_drawdown {
                prop_assert!((-1.0..=0.0).contains(&deepest.get()));
            }
            prop_assert_eq!(Metrics::of(&input), Ok(metrics));
        }
    }
}
