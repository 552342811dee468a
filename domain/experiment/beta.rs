//! The regularised incomplete beta function: what the tails of Student's distribution are made of.

/// Terms of the continued fraction at most; it converges long before for any degrees of freedom that
/// an experiment has.
const TERMS_MAX: u32 = 10_000;
/// Stands for zero in a denominator.
const TINY: f64 = 1e-300;
/// Relative precision at which the fraction has converged.
const PRECISION: f64 = 1e-15;

/// `I_x(a, b)`: the share of the beta distribution below `x`. NaN stays NaN.
pub(super) fn regularised(x: f64, a: f64, b: f64) -> f64 {
    if x.is_nan() {
        return f64::NAN;
    }
    if x <= 0.0 {
        return 0.0;
    }
    if x >= 1.0 {
        return 1.0;
    }
    let front = a * x.ln() + b * (-x).ln_1p() - ln_beta(a, b);
    // The fraction converges fast on one side of the mean only; the other side is its mirror.
    if x < (a + 1.0) / (a + b + 2.0) {
        front.exp() * fraction(x, a, b) / a
    } else {
        1.0 - front.exp() * fraction(1.0 - x, b, a) / b
    }
}

/// The continued fraction by Lentz's method.
fn fraction(x: f64, a: f64, b: f64) -> f64 {
    let away = |value: f64| if value.abs() < TINY { TINY } else { value };
    let mut upper = 1.0;
    let mut lower = 1.0 / away(1.0 - (a + b) * x / (a + 1.0));
    let mut value = lower;
    for term in 1..=TERMS_MAX {
        let nth = f64::from(term);
        let twice = a + 2.0 * nth;
        let even = nth * (b - nth) * x / ((twice - 1.0) * twice);
        let odd = -(a + nth) * (a + b + nth) * x / (twice * (twice + 1.0));
        lower = 1.0 / away(1.0 + even * lower);
        upper = away(1.0 + even / upper);
        value *= lower * upper;
        lower = 1.0 / away(1.0 + odd * lower);
        upper = away(1.0 + odd / upper);
        let change = lower * upper;
        value *= change;
        if (change - 1.0).abs() < PRECISION {
            break;
        }
    }
    value
}

fn ln_beta(a: f64, b: f64) -> f64 {
    ln_gamma(a) + ln_gamma(b) - ln_gamma(a + b)
}

/// Lanczos' approximation with `g` = 7 and nine coefficients; good to 1e-14 for positive arguments.
fn ln_gamma(x: f64) -> f64 {
    const G: f64 = 7.0;
    const COEFFICIENTS: [f64; 9] = [
        0.999_999_999_999_809_9,
        676.520_368_121_885_1,
        -1_259.139_216_722_402_8,
        771.323_428_777_653_1,
        -176.615_029_162_140_6,
        12.507_343_278_686_905,
        -0.138_571_095_265_720_12,
        9.984_369_578_019_572e-6,
        1.505_632_735_149_311_6e-7,
    ];
    let x = x - 1.0;
    let mut sum = COEFFICIENTS[0];
    for (index, coefficient) in (1_u32..).zip(&COEFFICIENTS[1..]) {
        sum += coefficient / (x + f64::from(index));
    }
    let t = x + G + 0.5;
    0.5 * std::f64::consts::TAU.ln() + (x + 0.5) * t.ln() - t + sum.ln()
}
