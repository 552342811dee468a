//! exp, ln and tanh as straight-line arithmetic, so that a loop over them becomes vector instructions and
//! gives the same bits with vectors of any width. The C library's tanh costs six times as much.
//!
//! Nothing here branches on a value or asks the C library. NaN in is NaN out: the guard has to see it.
#![expect(
    clippy::inline_always,
    reason = "part of the loop that was compiled for wide vectors, or useless"
)]

/// Added and taken away again, it leaves the nearest whole number in the low bits (1.5 × 2^23).
const ROUND: f32 = 12_582_912.0;
/// ln 2 in two parts; the first has so few bits that its products with small whole numbers are exact.
const LN_2_HIGH: f32 = 0.693_359_4;
const LN_2_LOW: f32 = -2.121_944_4e-4;

/// `e^x` for −87 < x < 88, to two units in the last place; beyond, the nearest of the two ends.
///
/// exp 0 is 1 exactly.
#[inline(always)]
pub(crate) fn exp(x: f32) -> f32 {
    // Comparisons that are false for NaN let it through.
    let x = if x > 88.0 { 88.0 } else { x };
    let x = if x < -87.0 { -87.0 } else { x };
    let whole = x * std::f32::consts::LOG2_E + ROUND;
    let power = whole - ROUND;
    let rest = (x - power * LN_2_HIGH) - power * LN_2_LOW;
    // The series of e^rest, |rest| ≤ ln 2 / 2; what is left out is below 6e-9.
    let mut sum = 1.0 / 5_040.0;
    sum = sum * rest + 1.0 / 720.0;
    sum = sum * rest + 1.0 / 120.0;
    sum = sum * rest + 1.0 / 24.0;
    sum = sum * rest + 1.0 / 6.0;
    sum = sum * rest + 0.5;
    sum = sum * rest + 1.0;
    sum = sum * rest + 1.0;
    // 2^power by its exponent bits; `whole` holds the power in its low bits.
    let scale = f32::from_bits((whole.to_bits() << 23).wrapping_add(0x3f80_0000));
    sum * scale
}

/// Hyperbolic tangents of two numbers, to an absolute error below 4e-7.
///
/// Two, because a division costs more than all the rest: both share one.
#[inline(always)]
pub(crate) fn tanh_of_two(a: f32, b: f32) -> (f32, f32) {
    let (a, b) = (squared_exp_and_one(a), squared_exp_and_one(b));
    let inverse = 1.0 / (a * b);
    ((-2.0 * b).mul_add(inverse, 1.0), (-2.0 * a).mul_add(inverse, 1.0))
}

/// `e^2x + 1`, of which tanh x = 1 − 2 / (e^2x + 1) is made.
///
/// Fused multiplications with additions are rounded once on every processor, so that the bits are the
/// same; where there is no such instruction they are slow.
#[inline(always)]
fn squared_exp_and_one(x: f32) -> f32 {
    const TWICE: f32 = 2.0 * std::f32::consts::LOG2_E;
    // tanh 9.1 is 1 in an f32. Comparisons that are false for NaN let it through.
    let x = if x > 9.1 { 9.1 } else { x };
    let x = if x < -9.1 { -9.1 } else { x };
    let whole = x.mul_add(TWICE, ROUND);
    let rest = x.mul_add(TWICE, ROUND - whole);
    // 2^rest between −½ and ½: the polynomial with the smallest largest relative error, 1.1e-7, whose first
    // two terms are the series'; fitted by reweighted least squares.
    let mut sum = 0.001_330_060_5_f32;
    sum = sum.mul_add(rest, 0.009_669_691);
    sum = sum.mul_add(rest, 0.055_505_585);
    sum = sum.mul_add(rest, 0.240_222_83);
    sum = sum.mul_add(rest, std::f32::consts::LN_2);
    sum = sum.mul_add(rest, 1.0);
    let scale = f32::from_bits((whole.to_bits() << 23).wrapping_add(0x3f80_0000));
    sum.mul_add(scale, 1.0)
}

/// The natural logarithm of a normal positive number, to two units in the last place.
///
/// ln 1 is 0 exactly. Of anything else than a normal positive number it is something finite or NaN.
#[inline(always)]
pub(crate) fn ln(x: f32) -> f32 {
    // x = m × 2^e with m between √½ and √2.
    let bits = x.to_bits();
    let lifted = bits.wrapping_sub(0x3f35_04f3);
    #[expect(clippy::cast_possible_wrap, reason = "an arithmetic shift is meant")]
    let exponent = (lifted as i32) >> 23;
    let mantissa = f32::from_bits((lifted & 0x007f_ffff).wrapping_add(0x3f35_04f3));
    // ln m = 2 artanh s, s = (m − 1) / (m + 1), |s| ≤ 0.172; what is left out is below 1e-9.
    let s = (mantissa - 1.0) / (mantissa + 1.0);
    let square = s * s;
    let mut sum = 2.0 / 9.0;
    sum = sum * square + 2.0 / 7.0;
    sum = sum * square + 2.0 / 5.0;
    sum = sum * square + 2.0 / 3.0;
    sum = sum * square + 2.0;
    #[expect(clippy::cast_precision_loss, reason = "an exponent is at most 128")]
    let exponent = exponent as f32;
    let value = exponent * LN_2_HIGH + (exponent * LN_2_LOW + sum * s);
    // The bits of NaN would pass for those of a number.
    if x.is_nan() { x } else { value }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// So many points between two ends.
    fn points(from: f64, to: f64, count: u32) -> impl Iterator<Item = f32> {
        (0..=count).map(move |at| {
            crate::count::narrow(from + (to - from) * f64::from(at) / f64::from(count))
        })
    }

    #[test]
    fn tanh_is_right_to_four_in_ten_million() {
        let mut worst = 0.0_f64;
        for x in points(-12.0, 12.0, 400_000) {
            let (one, other) = tanh_of_two(x, 0.7 - x);
            worst = worst.max((f64::from(one) - f64::from(x).tanh()).abs());
            worst = worst.max((f64::from(other) - f64::from(0.7 - x).tanh()).abs());
        }
        assert!(worst <= 4e-7, "{worst:e}");
        assert!(worst > 0.0, "nothing was compared");
        assert_eq!(tanh_of_two(0.0, 0.0).0.to_bits(), 0.0_f32.to_bits());
        let (plus, minus) = tanh_of_two(f32::INFINITY, f32::NEG_INFINITY);
        assert!((plus - 1.0).abs() < 1e-7 && (minus + 1.0).abs() < 1e-7);
    }

    #[test]
    fn exp_and_ln_are_right_to_three_in_ten_million_of_their_value() {
        for x in points(-86.9, 87.9, 400_000) {
            let right = f64::from(x).exp();
            assert!((f64::from(exp(x)) - right).abs() <= 3e-7 * right, "exp {x}");
        }
        for x in points(-80.0, 80.0, 400_000) {
            let x = crate::count::narrow(f64::from(x).exp());
            let right = f64::from(x).ln();
            let off = (f64::from(ln(x)) - right).abs();
            assert!(off <= 3e-7 * right.abs() + 3e-8, "ln {x}: {off:e}");
        }
        assert_eq!(exp(0.0).to_bits(), 1.0_f32.to_bits());
        assert_eq!(ln(1.0).to_bits(), 0.0_f32.to_bits());
    }

    #[test]
    fn nan_passes_through() {
        let (one, _) = tanh_of_two(f32::NAN, 0.0);
        let (_, other) = tanh_of_two(0.0, f32::NAN);
        assert!(one.is_nan() && other.is_nan());
        assert!(exp(f32::NAN).is_nan() && ln(f32::NAN).is_nan());
    }
}
