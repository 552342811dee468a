//! Every estimator against numpy 2.4.6, scipy 1.17.1, statsmodels 0.15.0 and arch 8.0.0.
//!
//! `tests/peers/selection_reference.py` prints these figures. Its series are made of a linear congruential
//! generator that is repeated here, and of the closes of GOOG and IBM that ship with Conclave.

use super::super::garch::{self, Garch};
use super::super::half_life::half_life;
use super::super::whiteness::{Test, arch_lm, autocorrelation, ljung_box};
use super::super::{hurst, regime};

/// Even numbers between 0 and 1.
#[expect(clippy::cast_precision_loss, reason = "53 bits are what a float holds")]
fn uniforms(count: usize, seed: u64) -> Vec<f64> {
    let mut state = seed;
    let mut next = || {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 11) as f64 / 9_007_199_254_740_992.0
    };
    (0..count).map(|_| next()).collect()
}

/// Nearly normal numbers: twelve even ones less six, so that no library's function is needed.
fn normals(count: usize, seed: u64) -> Vec<f64> {
    let uniforms = uniforms(12 * count, seed);
    uniforms.chunks_exact(12).map(|twelve| twelve.iter().sum::<f64>() - 6.0).collect()
}

fn clustered(count: usize, seed: u64, alpha: f64, beta: f64) -> Vec<f64> {
    let mut variance = 1.0_f64;
    let step = |z: f64| {
        let shock = variance.sqrt() * z;
        variance = (1.0 - alpha - beta) + alpha * shock * shock + beta * variance;
        0.01 * shock
    };
    normals(count, seed).into_iter().map(step).collect()
}

fn switching(count: usize, seed: u64, calm: f64, wild: f64) -> Vec<f64> {
    let mut is_calm = true;
    let step = |(z, u): (f64, f64)| {
        let shock = 0.01 * z * if is_calm { 0.6 } else { 1.8 };
        is_calm = is_calm == (u < if is_calm { calm } else { wild });
        shock
    };
    normals(count, seed).into_iter().zip(uniforms(count, seed + 1)).map(step).collect()
}

fn reverting(count: usize, seed: u64, phi: f64) -> Vec<f64> {
    let mut level = 0.0;
    let step = |z: f64| {
        level = phi * level + 0.01 * z;
        level
    };
    normals(count, seed).into_iter().map(step).collect()
}

/// The logarithms of the last closes of a file without splits in them.
fn log_closes(text: &str, count: usize) -> Vec<f64> {
    let close = |line: &str| line.split(',').nth(4).unwrap().parse::<f64>().unwrap().ln();
    let all: Vec<f64> = text.lines().skip(1).map(close).collect();
    all[all.len() - count..].to_vec()
}

fn differences(levels: &[f64]) -> Vec<f64> {
    levels.windows(2).map(|pair| pair[1] - pair[0]).collect()
}

fn goog() -> Vec<f64> {
    log_closes(include_str!("../../../data/GOOG.csv"), 1_001)
}

fn ibm() -> Vec<f64> {
    log_closes(include_str!("../../../data/IBM.csv"), 1_001)
}

#[track_caller]
fn near(found: f64, expected: f64, relative: f64) {
    let error = (found - expected).abs() / expected.abs();
    assert!(error < relative, "{found} instead of {expected}, off by {error:e}");
}

#[track_caller]
fn is_test(found: Test, statistic: f64, p: f64, relative: f64) {
    near(found.statistic, statistic, relative);
    near(found.p, p, relative);
}

#[test]
fn the_expected_rescaled_range_is_that_of_the_gamma_function() {
    for (window, expected) in [
        // Of two returns it is one whatever they are.
        (2, 1.0),
        (10, 3.023_331_086_565_938),
        (11, 3.208_716_676_581_474),
        (50, 7.813_300_746_079_901),
        (125, 12.924_347_249_433_136),
        (500, 26.899_969_373_070_39),
    ] {
        near(hurst::expected_range(window), expected, 1e-12);
    }
}

#[test]
fn hurst_exponents_and_fluctuations_are_those_of_numpy() {
    let series =
        [clustered(1_000, 7, 0.08, 0.9), clustered(1_000, 8, 0.15, 0.7), differences(&goog())];
    let expected = [
        (0.514_958_410_879_082_6, 0.476_261_328_135_161_14, 0.475_407_728_422_356_2),
        (0.584_092_533_515_277_3, 0.562_132_082_293_247_1, 0.536_529_094_389_865_8),
        (0.494_335_330_828_180_7, 0.534_672_764_955_451_5, 0.535_907_095_660_037_1),
    ];
    for (returns, (long, short, fluctuation)) in series.iter().zip(expected) {
        near(hurst::rescaled_range(returns).unwrap(), long, 1e-9);
        near(hurst::rescaled_range(&returns[750..]).unwrap(), short, 1e-9);
        near(hurst::detrended_fluctuation(returns).unwrap(), fluctuation, 1e-9);
    }
}

#[test]
fn half_lives_are_those_of_least_squares_in_statsmodels() {
    for (levels, phi, t, bars) in [
        (
            goog()[501..].to_vec(),
            0.995_229_359_634_585_6,
            -0.749_682_206_843_638_3,
            144.947_518_965_472_26,
        ),
        (
            ibm()[501..].to_vec(),
            0.984_168_694_901_646_6,
            -2.201_136_782_067_782_5,
            43.435_829_915_167_8,
        ),
        (
            reverting(500, 5, 0.95),
            0.944_672_434_479_127_1,
            -3.713_698_662_343_991,
            12.178_201_099_957_97,
        ),
        (
            reverting(500, 6, 0.7),
            0.725_028_710_588_533_1,
            -8.898_179_431_246_847,
            2.155_683_603_514_406_2,
        ),
    ] {
        let found = half_life(&levels).unwrap();
        near(found.phi, phi, 1e-9);
        near(found.dickey_fuller, t, 1e-6);
        near(found.half_life, bars, 1e-6);
    }
}

#[test]
fn tests_of_what_is_left_are_those_of_statsmodels() {
    for (returns, first, lags, squares) in [
        (
            clustered(1_000, 7, 0.08, 0.9),
            0.021_463_785_835_292_855,
            (6.088_399_633_502_101, 0.807_782_386_670_882),
            (31.310_605_347_295_994, 0.000_521_273_704_119_462_9),
        ),
        (
            clustered(1_000, 8, 0.15, 0.7),
            0.117_944_423_195_178_71,
            (24.401_368_430_427_066, 0.006_603_408_529_346_969),
            (76.969_068_220_176_68, 1.966_083_898_754_356_2e-12),
        ),
        (
            differences(&ibm()),
            -0.006_238_907_414_023_756,
            (17.521_253_463_197_272, 0.063_596_745_066_985_14),
            (64.836_428_576_602_13, 4.356_050_320_508_483e-10),
        ),
    ] {
        near(autocorrelation(&returns, 1).unwrap(), first, 1e-9);
        is_test(ljung_box(&returns).unwrap(), lags.0, lags.1, 1e-9);
        is_test(arch_lm(&returns).unwrap(), squares.0, squares.1, 1e-6);
    }
}

/// The exact likelihood maximised by scipy, then what the package arch finds: that takes the first variance
/// for the one before the first return, so its figures are others by less than a hundredth.
#[track_caller]
fn is_garch(found: &Garch, exact: [f64; 4], arch: [f64; 3]) {
    let [omega, alpha, beta, log_likelihood] = exact;
    near(found.log_likelihood, log_likelihood, 1e-11);
    near(found.omega, omega, 1e-4);
    near(found.alpha, alpha, 1e-4);
    near(found.beta, beta, 1e-4);
    for (ours, theirs) in [found.omega, found.alpha, found.beta].into_iter().zip(arch) {
        near(ours, theirs, 1e-2);
    }
}

#[test]
fn garch_is_that_of_scipy_and_of_the_package_arch() {
    let found = garch::fit(&clustered(1_000, 7, 0.08, 0.9)).unwrap();
    is_garch(
        &found,
        [2.609_008_782e-6, 0.072_770_045_129, 0.902_574_608_109, 3_206.479_685_385_378],
        [2.609_013_966e-6, 0.072_767_886_791, 0.902_574_439_180],
    );
    is_test(found.residuals, 5.076_009_714_755, 0.886_042_954_282, 1e-3);
    is_test(found.squares, 5.589_045_535_887, 0.848_528_070_994, 1e-3);
    is_test(found.arch, 5.353_397_900_339, 0.866_355_874_172, 1e-3);
    let found = garch::fit(&clustered(1_000, 8, 0.15, 0.7)).unwrap();
    is_garch(
        &found,
        [1.547_183_986e-5, 0.145_404_155_893, 0.705_417_780_650, 3_197.000_126_825_368],
        [1.547_168_478e-5, 0.145_418_653_081, 0.705_419_713_711],
    );
    let found = garch::fit(&differences(&goog())).unwrap();
    is_garch(
        &found,
        [6.476_693_075e-6, 0.006_871_346_361, 0.968_240_883_031, 2_701.340_335_079_173],
        [6.472_663_206e-6, 0.006_872_803_519, 0.968_266_224_830],
    );
    let found = garch::fit(&differences(&ibm())).unwrap();
    is_garch(
        &found,
        [1.158_571_773e-5, 0.088_216_413_470, 0.834_007_176_728, 3_021.318_073_348_789],
        [1.160_029_803e-5, 0.088_661_868_874, 0.833_799_179_596],
    );
    is_test(found.residuals, 13.433_974_494_476, 0.200_409_379_619, 1e-2);
}

#[test]
fn chains_of_two_states_are_those_of_statsmodels() {
    for (returns, stay, deviation, persistence) in [
        (
            switching(1_000, 9, 0.98, 0.95),
            [0.971_616, 0.940_711],
            [0.006_055_1, 0.017_677_9],
            0.961_406,
        ),
        (differences(&ibm()), [0.959_669, 0.932_255], [0.007_632_4, 0.017_556_6], 0.949_545),
    ] {
        let found = regime::fit(&returns).unwrap();
        for state in 0..2 {
            near(found.stay[state], stay[state], 0.01);
            near(found.deviation[state], deviation[state], 0.01);
        }
        near(found.stays, persistence, 0.005);
    }
}
