//! Exponentials of many numbers at once, in whatever vectors the processor has.

use fearless_simd::prelude::*;
use fearless_simd::{Level, dispatch};

/// `1 / (1 + exp(-x))` of every element, in place.
pub(crate) fn logistic(values: &mut [f32]) {
    dispatch!(Level::new(), simd => simd.vectorize(#[inline(always)] || {
        for value in values {
            let greater = 1.0 / (1.0 + exponential(-value.abs()));
            *value = if *value < 0.0 { 1.0 - greater } else { greater };
        }
    }));
}

/// The hyperbolic tangent of every element, in place.
pub(crate) fn tanh(values: &mut [f32]) {
    // Of the Cephes library. Near zero the fraction below would have no digits left.
    const NEAR: [f32; 5] = [
        -5.704_988_7e-3,
        2.063_909e-2,
        -5.373_971_6e-2,
        1.333_144_2e-1,
        -3.333_328e-1,
    ];
    dispatch!(Level::new(), simd => simd.vectorize(#[inline(always)] || {
        for value in values {
            let x = *value;
            let square = x * x;
            let mut series = 0.0;
            for coefficient in NEAR {
                series = series * square + coefficient;
            }
            let near = x + x * square * series;
            let far = 1.0 - 2.0 / (exponential(2.0 * x.abs()) + 1.0);
            *value = if x.abs() < 0.625 { near } else { far }.copysign(x);
        }
    }));
}

/// `exp(x)` of every element, in place.
pub(crate) fn exp(values: &mut [f32]) {
    dispatch!(Level::new(), simd => simd.vectorize(#[inline(always)] || {
        for value in values {
            *value = exponential(*value);
        }
    }));
}

/// The softmax of each row of `columns`, in place.
pub(crate) fn softmax(values: &mut [f32], columns: usize) {
    for row in values.chunks_exact_mut(columns) {
        let mut greatest = f32::MIN;
        for x in row.iter() {
            greatest = if *x > greatest { *x } else { greatest };
        }
        row.iter_mut().for_each(|x| *x -= greatest);
    }
    exp(values);
    for row in values.chunks_exact_mut(columns) {
        let factor = 1.0 / row.iter().sum::<f32>();
        row.iter_mut().for_each(|x| *x *= factor);
    }
}

/// `exp(x)` without branches, so that loops over it become vector code: within two units in the last place, infinite above 88.4, and the
/// least normal number below -87.3.
///
/// With x = n ln 2 + r it is 2ⁿ exp(r), where |r| is at most half of ln 2, so that a short series suffices.
#[inline(always)]
fn exponential(x: f32) -> f32 {
    // In two parts, the first of which is exact in few bits: n times it is exact too.
    const LN_2_HIGH: f32 = 0.693_359_4;
    const LN_2_LOW: f32 = -2.121_944_4e-4;
    // Adding it leaves the nearest integer in the last bits of the sum.
    const ROUND: f32 = 12_582_912.0;
    // Of xⁿ / n!, from the last to the first.
    const SERIES: [f32; 8] = [
        1.0 / 5040.0,
        1.0 / 720.0,
        1.0 / 120.0,
        1.0 / 24.0,
        1.0 / 6.0,
        0.5,
        1.0,
        1.0,
    ];
    let x = if x > 88.8 { 88.8 } else { x };
    let x = if x < -87.3 { -87.3 } else { x };
    let rounded = x * std::f32::consts::LOG2_E + ROUND;
    let n = rounded - ROUND;
    let r = x - n * LN_2_HIGH - n * LN_2_LOW;
    let mut series = 0.0;
    for coefficient in SERIES {
        series = series * r + coefficient;
    }
    let power = f32::from_bits((rounded.to_bits() << 23).wrapping_add(1.0f32.to_bits()));
    series * power
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exponentials_are_the_standard_librarys_within_two_units_in_the_last_place() {
        let mut x = -87.0f32;
        while x < 88.3 {
            let (got, expected) = (exponential(x), x.exp());
            assert!(
                (got - expected).abs() <= 2.0 * f32::EPSILON * expected,
                "exp({x}) is {expected:e}, not {got:e}"
            );
            x += 0.00137;
        }
    }

    #[test]
    fn tangents_are_the_standard_librarys_within_four_units_in_the_last_place() {
        let points: Vec<f32> = (-20_000..20_000).map(|step| step as f32 * 0.000_713).collect();
        let mut got = points.clone();
        tanh(&mut got);
        for (x, got) in points.iter().zip(got) {
            let expected = x.tanh();
            assert!(
                (got - expected).abs() <= 4.0 * f32::EPSILON * expected.abs(),
                "tanh({x}) is {expected:e}, not {got:e}"
            );
        }
        let mut special = [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, -0.0, 1e-30];
        tanh(&mut special);
        assert!(special[0].is_nan());
        assert_eq!(special[1..], [1.0, -1.0, 0.0, 1e-30]);
        assert!(special[3].is_sign_negative());
    }

    #[test]
    fn exponentials_of_what_is_no_number_stay_so() {
        assert!(exponential(f32::NAN).is_nan());
        assert_eq!(exponential(f32::INFINITY), f32::INFINITY);
        assert!(exponential(f32::NEG_INFINITY) < 2.0 * f32::MIN_POSITIVE);
        assert_eq!(exponential(-0.0), 1.0);
    }
}
