//! Tests of the comparison of two arms, against published figures and scipy 1.17.

use super::*;

fn ratios(values: &[f64]) -> Vec<Ratio> {
    values.iter().copied().map(Ratio::of).collect()
}

#[track_caller]
fn near(found: f64, expected: f64, relative: f64) {
    let error = (found - expected).abs() / expected.abs().max(1e-300);
    assert!(error < relative, "{found} instead of {expected}, off by {error:e}");
}

/// The hours of sleep that two drugs gave ten patients (Student, 1908): R's documentation of `t.test`
/// prints t = −1.8608, df = 17.776, p = 0.07939.
#[test]
fn the_sleep_data_of_student_give_the_published_figures() {
    let one = ratios(&[0.7, -1.6, -0.2, -1.2, -0.1, 3.4, 3.7, 0.8, 0.0, 2.0]);
    let two = ratios(&[1.9, 0.8, 1.1, 0.1, -0.1, 4.4, 5.5, 1.6, 4.6, 3.4]);
    let test = welch(&two, &one).unwrap();
    near(test.t.get(), -1.860_813_467_486_852_6, 1e-13);
    near(test.degrees.get(), 17.776_473_516_178_488, 1e-13);
    near(test.p.get(), 0.079_394_140_187_358_3, 1e-12);
    near(test.difference.get(), -1.58, 1e-12);
}

#[test]
fn the_tails_of_student_are_those_of_the_tables() {
    for (t, degrees, p) in [
        // Two-sided 5 % and 1 % points of the printed tables.
        (2.228_138_851_964_938_5, 10.0, 0.05),
        (12.706_204_736_432_095, 1.0, 0.05),
        (2.749_995_653_567_2, 30.0, 0.01),
        // scipy.stats.t.sf
        (0.5, 3.7, 0.645_335_633_319_931_8),
        (40.0, 4.0, 2.334_016_322_601_267_8e-6),
        (1e-3, 100.0, 0.999_204_107_760_103_5),
        (1.959_963_984_540_054, 1e6, 0.050_000_277_295_221_7),
    ] {
        near(two_sided(t, degrees), p, 1e-9);
        near(two_sided(-t, degrees), p, 1e-9);
    }
    near(two_sided(0.0, 7.0), 1.0, 1e-15);
}

#[test]
fn small_unequal_and_very_unequal_arms_agree_with_scipy() {
    let (base, own) = ([0.31, 0.28, 0.35, 0.30, 0.33], [0.36, 0.41, 0.38, 0.44, 0.35]);
    let test = welch(&ratios(&base), &ratios(&own)).unwrap();
    near(test.t.get(), 3.610_830_269_909_574, 1e-12);
    near(test.degrees.get(), 7.320_109_552_659_969, 1e-12);
    near(test.p.get(), 0.007_984_124_702_732_753, 1e-11);
    let still = ratios(&[1e-9, 2e-9, 1.5e-9, 3e-9, 2.2e-9]);
    let test = welch(&still, &ratios(&[5.0, 5.1, 4.9, 5.05, 4.95, 5.2])).unwrap();
    near(test.t.get(), 114.145_270_804_791_65, 1e-11);
    near(test.p.get(), 9.787_171_077_729_075e-10, 1e-9);
}

#[test]
fn where_there_is_nothing_to_test_by_there_is_no_test() {
    let same = ratios(&[0.2; 5]);
    assert_eq!(welch(&same, &same), Err(NoTest::NoVariance));
    assert_eq!(welch(&same, &ratios(&[0.3; 5])), Err(NoTest::NoVariance));
    assert_eq!(welch(&same[..1], &same), Err(NoTest::TooFew));
    assert_eq!(welch(&[], &[]), Err(NoTest::TooFew));
    let huge = ratios(&[f64::MAX, -f64::MAX, f64::MAX]);
    assert_eq!(welch(&huge, &huge), Err(NoTest::OutOfRange));
}

fn measure(name: &'static str, more_is_better: bool, base: &[f64], own: &[f64]) -> Measure {
    Measure { name, more_is_better, baseline: ratios(base), treated: ratios(own) }
}

const LOW: [f64; 5] = [0.10, 0.11, 0.09, 0.10, 0.12];
const HIGH: [f64; 5] = [0.30, 0.29, 0.31, 0.33, 0.30];
const LIKE_LOW: [f64; 5] = [0.11, 0.10, 0.12, 0.09, 0.10];

#[test]
fn a_verdict_needs_a_treatment_and_a_clear_measure() {
    let fitness = |own: &[f64; 5]| measure("fitness", true, &LOW, own);
    let drawdown = |own: &[f64; 5]| measure("drawdown", false, &LOW, own);
    for (measures, applied, expected) in [
        (vec![fitness(&HIGH)], 0, Verdict::NoTreatment),
        (vec![fitness(&HIGH)], 1, Verdict::Helped),
        (vec![fitness(&LIKE_LOW)], 9, Verdict::Unclear),
        (vec![fitness(&HIGH), drawdown(&HIGH)], 9, Verdict::Mixed),
        (vec![fitness(&LIKE_LOW), drawdown(&HIGH)], 9, Verdict::Harmed),
        (vec![], 9, Verdict::Unclear),
    ] {
        assert_eq!(verdict(&tested(measures), applied), expected);
    }
}

/// Goal: a difference that is clear alone is not clear as one of many.
#[test]
fn looking_at_more_measures_makes_each_less_clear() {
    let own = [0.125, 0.115, 0.13, 0.12, 0.11];
    let one = measure("fitness", true, &LOW, &own);
    let alone = tested(vec![one.clone()]);
    assert_eq!(alone[0].finding, Finding::Better, "{alone:?}");
    let mut many = vec![one];
    many.extend((0..9).map(|_| measure("other", true, &LOW, &LIKE_LOW)));
    assert_eq!(tested(many)[0].finding, Finding::Unclear);
    assert_eq!(bonferroni(Ratio::of(0.4), 5), Ratio::ONE);
}
