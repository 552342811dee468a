//! The same series through empyrical and quantstats: their numbers are our table.
//!
//! Provenance: empyrical-reloaded 0.7.1, quantstats 0.0.86, numpy 2.4.6, pandas 3.1.1. Where both
//! libraries have a metric, they agree to 1e-9 on these series. The prices are closes of the
//! embedded data set, forty sessions each; the generated series is stated at [`generated`].

#![expect(clippy::unreadable_literal, reason = "numbers as the libraries print them")]

use super::measure;
use crate::metrics::Metrics;

/// From 2000-09-01, with the fall of 2000-09-29, which is real.
const AAPL: [f64; 40] = [
    63.44, 62.44, 58.44, 62.0, 58.88, 58.44, 57.75, 58.0, 56.86, 55.23, 60.66, 59.94, 61.05, 56.69,
    52.19, 53.5, 51.44, 48.94, 53.5, 25.75, 24.25, 22.31, 23.62, 22.06, 22.19, 21.75, 20.87, 19.62,
    20.0, 22.06, 21.5, 20.12, 20.12, 18.94, 19.5, 20.37, 18.87, 18.5, 18.5, 18.56,
];
/// The same sessions.
const IBM: [f64; 40] = [
    133.63, 131.19, 131.44, 133.38, 129.5, 124.5, 125.0, 127.69, 126.87, 125.0, 123.25, 124.94,
    124.75, 121.5, 123.87, 123.0, 119.12, 118.0, 115.25, 112.62, 117.81, 110.56, 114.37, 113.19,
    116.0, 117.94, 114.87, 112.0, 103.12, 109.06, 111.12, 113.0, 95.44, 96.44, 94.75, 92.87, 91.44,
    87.56, 92.75, 93.69,
];
/// From 2004-08-19.
const GOOG: [f64; 40] = [
    100.335, 108.31, 109.4, 104.87, 106.0, 107.91, 106.15, 102.01, 102.37, 100.25, 101.51, 100.01,
    101.58, 102.3, 102.31, 105.33, 107.5, 111.49, 112.0, 113.97, 117.49, 119.36, 117.84, 118.38,
    120.82, 119.83, 118.26, 126.86, 131.08, 129.6, 132.58, 135.06, 138.37, 137.08, 138.85, 137.73,
    135.26, 137.4, 140.9, 142.0,
];

/// `steps` steps from 100: `x' = (1103515245·x + 12345) mod 2³¹`, return `(x/2³¹ − 0.5)·0.04 + drift`.
fn generated(seed: u64, steps: usize, drift: f64) -> Vec<f64> {
    let mut state = seed;
    let mut price = 100.0;
    let mut prices = vec![price];
    for _ in 0..steps {
        state = (state * 1_103_515_245 + 12_345) % 2_147_483_648;
        #[expect(clippy::cast_precision_loss, reason = "below 2^31")]
        let share = state as f64 / 2_147_483_648.0;
        price *= 1.0 + ((share - 0.5) * 0.04 + drift);
        prices.push(price);
    }
    prices
}

/// Equal to 1e-12, or to 1e-9 of the expected number.
#[track_caller]
fn agrees(metrics: &Metrics, expected: &[(&str, f64)]) {
    for &(key, wanted) in expected {
        let found = metrics.find(key).unwrap().metric.unwrap().get();
        let off = (found - wanted).abs();
        assert!(off <= 1e-12 || off <= 1e-9 * wanted.abs(), "{key}: {found} instead of {wanted}");
    }
}

#[test]
fn a_crash_against_a_benchmark_is_measured_as_the_libraries_do() {
    let metrics = measure(&AAPL, Some(&IBM), (252.0, 0.0));
    agrees(
        &metrics,
        &[
            ("total_return", -0.7074401008827237),
            ("cagr", -0.9996444289580954),
            ("annual_volatility", 1.5079587730938404),
            ("sharpe", -4.145248601927528),
            ("sortino", -4.303588101438391),
            ("max_drawdown", -0.7083858764186631),
            ("calmar", -1.4111580456853936),
            ("omega", 0.3686054743924754),
            ("ulcer_index", 0.5051887468558264),
            ("value_at_risk_95", -0.07944117128241315),
            ("cvar_95", -0.2993457943925234),
            ("skew", -3.677871568271972),
            ("kurtosis", 19.602957883944313),
            ("tail_ratio", 1.1793557016362537),
            ("beta", 0.28054985361390505),
            ("alpha", -0.9967424502544302),
            ("information_ratio", -0.16768812708789865),
            ("benchmark_return", -0.2988849809174583),
        ],
    );
}

#[test]
fn a_riskless_rate_is_taken_off_as_the_libraries_do() {
    let metrics = measure(&GOOG, None, (252.0, 0.03));
    agrees(
        &metrics,
        &[
            ("total_return", 0.4152588827428123),
            ("cagr", 8.43261047941365),
            ("annual_volatility", 0.38893927563430314),
            ("sharpe", 5.906036995889991),
            ("sortino", 12.53033266406486),
            ("max_drawdown", -0.08583180987202926),
            ("calmar", 98.24574935546893),
            ("omega", 2.6917002844162408),
            ("ulcer_index", 0.03591457443619985),
            ("value_at_risk_95", -0.02253841424099071),
            ("cvar_95", -0.040204545669824954),
            ("skew", 0.575661793789052),
            ("kurtosis", 1.6410627481941835),
            ("tail_ratio", 1.8047748622773594),
        ],
    );
}

#[test]
fn a_long_series_of_365_days_a_year_is_measured_as_the_libraries_do() {
    let metrics =
        measure(&generated(7, 1_500, 0.000_3), Some(&generated(11, 1_500, 0.000_2)), (365.0, 0.02));
    agrees(
        &metrics,
        &[
            ("total_return", 0.8148934287331473),
            ("cagr", 0.15607792321068237),
            ("annual_volatility", 0.21975733199655723),
            ("sharpe", 0.6797481831147622),
            ("sortino", 0.9938337082739299),
            ("max_drawdown", -0.2638295794581105),
            ("calmar", 0.5915861425821043),
            ("omega", 1.0984797159874395),
            ("ulcer_index", 0.09876587517335556),
            ("value_at_risk_95", -0.01763845783174035),
            ("cvar_95", -0.018733402612308662),
            ("skew", 0.0036827646127059457),
            ("kurtosis", -1.1617237399740175),
            ("tail_ratio", 1.031589526300769),
            ("beta", -0.014860370027848593),
            ("alpha", 0.15854774303692065),
            ("information_ratio", 0.04916568015155777),
            ("benchmark_return", -0.4644458773386202),
        ],
    );
}

#[test]
fn a_loss_in_the_first_period_counts_from_the_first_value() {
    let metrics = measure(&[100.0, 90.0, 99.0, 108.9], None, (252.0, 0.0));
    agrees(
        &metrics,
        &[
            ("total_return", 0.08900000000000019),
            ("cagr", 1288.2641288883815),
            ("annual_volatility", 1.8330302779823366),
            ("sharpe", 4.582575694955848),
            ("sortino", 9.165151389911703),
            ("max_drawdown", -0.1),
            ("calmar", 12882.641288883815),
            ("omega", 2.000000000000002),
            ("ulcer_index", 0.07106335201775946),
            ("value_at_risk_95", -0.07999999999999997),
            ("cvar_95", -0.09999999999999998),
            ("skew", -1.7320508075688783),
            ("tail_ratio", 1.2500000000000016),
        ],
    );
}

/// The closes of an embedded file, each divided by what `divisor` says for its date.
fn embedded(csv: &str, divisor: impl Fn(&str) -> f64) -> Vec<f64> {
    let rows = csv.lines().skip(1).filter(|line| !line.is_empty());
    rows.map(|line| {
        let fields: Vec<&str> = line.split(',').collect();
        fields[4].parse::<f64>().unwrap() / divisor(fields[0])
    })
    .collect()
}

#[test]
fn thirteen_years_of_aapl_and_ibm_are_measured_as_the_libraries_do() {
    let aapl = embedded(include_str!("../../../data/AAPL.csv"), |date| match date {
        date if date < "2000-06-21" => 4.0,
        date if date < "2005-02-28" => 2.0,
        _ => 1.0,
    });
    let ibm = embedded(include_str!("../../../data/IBM.csv"), |_| 1.0);
    let metrics = measure(&aapl, Some(&ibm), (252.0, 0.0));
    agrees(
        &metrics,
        &[
            ("total_return", 12.213721126544431),
            ("cagr", 0.22016160623283976),
            ("annual_volatility", 0.4596481212838051),
            ("sharpe", 0.6759425093085839),
            ("sortino", 0.9513953264907675),
            ("max_drawdown", -0.8180178930577712),
            ("calmar", 0.2691403306715825),
            ("omega", 1.1320549202530277),
            ("ulcer_index", 0.4291584285798275),
            ("value_at_risk_95", -0.04169070861332231),
            ("cvar_95", -0.0624080251298598),
            ("skew", -1.7203354043248282),
            ("kurtosis", 34.19379179115151),
            ("tail_ratio", 1.0974502784599247),
            ("beta", 0.7002074634619123),
            ("alpha", 0.27776791557637726),
            ("information_ratio", 0.03225983614245554),
            ("benchmark_return", 1.024039900249384),
        ],
    );
}

#[test]
fn all_of_goog_is_measured_as_the_libraries_do() {
    let goog = embedded(include_str!("../../../data/GOOG.csv"), |_| 1.0);
    let metrics = measure(&goog, None, (252.0, 0.0));
    agrees(
        &metrics,
        &[
            ("total_return", 7.034982807594593),
            ("cagr", 0.27708813487579587),
            ("annual_volatility", 0.3440340556310436),
            ("sharpe", 0.8815744596078819),
            ("sortino", 1.3541588680824446),
            ("max_drawdown", -0.6529475997249894),
            ("calmar", 0.4243650409198238),
            ("omega", 1.1797261206947895),
            ("ulcer_index", 0.25124682439635665),
            ("value_at_risk_95", -0.030780025087434947),
            ("cvar_95", -0.04808917896331292),
            ("skew", 0.7503800246400891),
            ("kurtosis", 8.978297231532196),
            ("tail_ratio", 1.0392406481625276),
        ],
    );
}
