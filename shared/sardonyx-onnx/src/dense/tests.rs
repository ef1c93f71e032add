use bytes::{Bytes, BytesMut};
use fearless_simd::Level;

use super::{Dense, Matrix, Panels, Weights};

fn numbers(seed: u32, count: usize) -> Vec<f32> {
    let mut state = seed;
    let next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as f32 / (1 << 23) as f32 - 1.0
    };
    std::iter::repeat_with(next).take(count).collect()
}

/// The processor's level, and those that it has as well.
fn levels() -> Vec<Level> {
    #[allow(unused_mut, reason = "on some processors there is one")]
    let mut levels = vec![Level::new()];
    #[cfg(target_arch = "x86_64")]
    {
        levels.extend(Level::new().as_avx2().map(Level::Avx2));
        levels.extend(Level::new().as_sse4_2().map(Level::Sse4_2));
    }
    levels
}

/// What each output of each row is, in double precision.
fn naive(rows: &[f32], weights: &[f32], bias: &[f32], term: impl Fn(f64, f64) -> f64) -> Vec<f64> {
    let features = weights.len() / bias.len();
    let outputs = |row: &[f32]| {
        let outputs = weights.chunks_exact(features).zip(bias).map(|(weights, bias)| {
            let terms = row.iter().zip(weights);
            f64::from(*bias) + terms.map(|(x, w)| term(f64::from(*x), f64::from(*w))).sum::<f64>()
        });
        outputs.collect::<Vec<_>>()
    };
    rows.chunks_exact(features).flat_map(outputs).collect()
}

#[test]
fn products_and_distances_are_those_of_a_naive_evaluation_in_every_shape() {
    for features in [1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 30, 31, 32, 33, 100, 300] {
        for outputs in [1, 2, 3, 4, 5, 8, 10, 16, 17, 40, 130] {
            for rows in [0, 1, 2, 3, 4, 5, 7, 8, 9, 19, 200] {
                if features * outputs * rows > 1_000_000 {
                    continue;
                }
                let weights = numbers(1, features * outputs);
                let bias = numbers(2, outputs);
                let rows = numbers(3, features * rows);
                let dense = Dense::new(&weights, bias.clone()).expect("the lengths fit");
                let check = |got: Vec<f32>, expected: Vec<f64>| {
                    assert_eq!(got.len(), expected.len());
                    for (got, expected) in got.iter().zip(expected) {
                        let error = (f64::from(*got) - expected).abs();
                        assert!(
                            error < 1e-5 * expected.abs().max(1.0),
                            "{features} x {outputs}: {got}, not {expected}"
                        );
                    }
                };
                check(dense.multiply(&rows), naive(&rows, &weights, &bias, |x, w| x * w));
                let positive = naive(&rows, &weights, &bias, |x, w| x * w)
                    .into_iter()
                    .map(|x| x.max(0.0));
                let without_bias = Dense::new(&weights, vec![0.0; outputs]).expect("the lengths fit");
                let fused = without_bias.plus(&bias).expect("one for each output").with_relu();
                check(fused.multiply(&rows), positive.collect());
                check(
                    dense.square_distances(&rows),
                    naive(&rows, &weights, &bias, |x, w| (x - w) * (x - w)),
                );
            }
        }
    }
}

/// The same bytes, so many behind a multiple of 64.
fn placed(bytes: &[u8], behind: usize) -> Bytes {
    let mut place = BytesMut::zeroed(bytes.len() + 128);
    let start = place.as_ptr().align_offset(64) + behind;
    place[start..][..bytes.len()].copy_from_slice(bytes);
    place.freeze().slice(start..start + bytes.len())
}

#[test]
fn panels_of_a_file_are_multiplied_as_those_that_are_made() {
    for features in [1, 2, 5, 16, 33, 300] {
        for outputs in [1, 3, 4, 8, 15, 16, 17, 40, 64] {
            let weights = numbers(1, features * outputs);
            let bias = numbers(2, outputs);
            let rows = numbers(3, features * 9);
            for (level, is_by_output) in levels().into_iter().flat_map(|level| [(level, true), (level, false)]) {
                let made = Dense::at(level, Weights::ByOutput(&weights), bias.clone()).expect("the lengths fit");
                let expected = made.multiply(&rows);
                let close = naive(&rows, &weights, &bias, |x, w| x * w);
                for (got, expected) in expected.iter().zip(close) {
                    assert!(
                        (f64::from(*got) - expected).abs() < 1e-4,
                        "{features} x {outputs}: {got}, not {expected}"
                    );
                }
                let by_feature = || (0..features * outputs).map(|at| weights[at % outputs * features + at / outputs]);
                let elements = if is_by_output {
                    weights.clone()
                } else {
                    by_feature().collect()
                };
                let panels = Panels::of_matrix(&elements, features, outputs, is_by_output).expect("fits");
                let bytes = panels.to_bytes();
                for behind in [0, 4, 1] {
                    let panels = Panels::of_file(placed(&bytes, behind), features, outputs).expect("fits");
                    let dense = Dense::of_panels_at(level, &panels, bias.clone()).expect("fits");
                    assert_eq!(
                        dense.multiply(&rows),
                        expected,
                        "{features} x {outputs}, {behind} behind"
                    );
                    let matrix = Matrix { panels, is_by_output };
                    assert_eq!(matrix.elements(), elements);
                    assert_eq!(matrix.shape().iter().product::<usize>(), elements.len());
                }
                assert!(Panels::of_file(placed(&bytes[4..], 0), features, outputs).is_none());
                assert!(Panels::of_file(placed(&bytes, 0), features, outputs + 16).is_none());
            }
        }
    }
    assert!(Panels::of_file(Bytes::new(), 0, 16).is_none());
    assert!(Panels::of_file(Bytes::new(), usize::MAX, usize::MAX).is_none());
    assert!(Panels::of_matrix(&[1.0; 3], 2, 1, true).is_none());
}

#[test]
fn an_infinity_stays_with_its_row_and_does_not_become_nan() {
    for features in [1, 3, 5, 17, 30, 33] {
        for outputs in [1, 2, 5, 10] {
            let dense = Dense::new(&vec![1.0; features * outputs], vec![0.0; outputs]).expect("the lengths fit");
            for at in 0..features {
                let mut rows = vec![1.0; 5 * features];
                rows[2 * features + at] = f32::INFINITY;
                let mut expected = vec![features as f32; 5 * outputs];
                expected[2 * outputs..3 * outputs].fill(f32::INFINITY);
                assert_eq!(
                    dense.multiply(&rows),
                    expected,
                    "feature {at} of {features}, {outputs} outputs"
                );
            }
        }
    }
}

#[test]
fn a_nan_stays_one_in_its_row() {
    for outputs in [1, 10, 40] {
        let dense = Dense::new(&vec![1.0; 20 * outputs], vec![0.0; outputs]).expect("the lengths fit");
        let mut rows = vec![-1.0; 60];
        rows[30] = f32::NAN;
        let out = dense.with_relu().multiply(&rows);
        for (index, value) in out.iter().enumerate() {
            assert!(
                if index / outputs == 1 {
                    value.is_nan()
                } else {
                    *value == 0.0
                },
                "{out:?}"
            );
        }
    }
}

#[test]
fn a_bias_must_fit_and_come_before_the_relu() {
    let dense = Dense::new(&[1.0; 4], vec![0.0; 2]).expect("the lengths fit");
    assert!(dense.clone().plus(&[1.0]).is_none());
    assert!(dense.with_relu().plus(&[1.0; 2]).is_none());
}

#[test]
fn lengths_that_do_not_fit_are_refused() {
    for (weights, outputs) in [(0, 0), (0, 1), (1, 0), (3, 2), (1, 2)] {
        assert!(Dense::new(&vec![0.0; weights], vec![0.0; outputs]).is_none());
    }
}
