use fearless_simd::prelude::*;

use super::{Combine, rows};

/// Rows that are computed together.
const ROWS: usize = 8;

/// A vector of outputs at a time: each feature of a row is multiplied with the weights of them all.
#[derive(Clone, Debug)]
pub(super) struct Columns {
    features: usize,
    /// `[panels, features, lanes]`: the outputs in panels of as many as there are lanes, the last filled up with zeros.
    weights: Vec<f32>,
    /// `[panels, lanes]`
    bias: Vec<f32>,
    outputs: usize,
}

impl Columns {
    pub(super) fn new(weights: &[f32], mut bias: Vec<f32>, features: usize, lanes: usize) -> Self {
        let outputs = bias.len();
        bias.resize(outputs.next_multiple_of(lanes), 0.0);
        let mut packed = vec![0.0; outputs.div_ceil(lanes) * features * lanes];
        for (output, weights) in weights.chunks_exact(features).enumerate() {
            let panel = &mut packed[output / lanes * features * lanes..];
            for (packed, weight) in panel.chunks_exact_mut(lanes).zip(weights) {
                packed[output % lanes] = *weight;
            }
        }
        Self {
            features,
            weights: packed,
            bias,
            outputs,
        }
    }

    /// How long a row takes, in the unit of the other layout.
    pub(super) fn cost(features: usize, outputs: usize, lanes: usize) -> usize {
        outputs.div_ceil(lanes) * features
    }

    // There are no closures in here: they would not be compiled for the vectors of S.
    #[inline(always)]
    pub(super) fn combine<S: Simd, V: SimdFloat<S, Element = f32>, C: Combine>(
        &self,
        simd: S,
        values: &[f32],
        out: &mut [f32],
    ) {
        let count = values.len() / self.features;
        for first in (0..count).step_by(ROWS) {
            let rows = rows::<ROWS>(values, self.features, first, count);
            for (panel, bias) in self.bias.chunks_exact(V::LEN).enumerate() {
                let weights = &self.weights[panel * self.features * V::LEN..][..self.features * V::LEN];
                let mut sums = [V::from_slice(simd, bias); ROWS];
                for feature in 0..self.features {
                    let w = V::from_slice(simd, &weights[feature * V::LEN..][..V::LEN]);
                    for (sum, row) in sums.iter_mut().zip(rows) {
                        *sum = C::add(V::splat(simd, row[feature]), w, *sum);
                    }
                }
                let wanted = (self.outputs - panel * V::LEN).min(V::LEN);
                for (row, sums) in (first..count).zip(&sums) {
                    let at = row * self.outputs + panel * V::LEN;
                    // What is too much of a single panel belongs to the next row, which is written after this one.
                    let is_whole = wanted == V::LEN || self.outputs < V::LEN;
                    if is_whole && let Some(out) = out.get_mut(at..at + V::LEN) {
                        sums.store_slice(out);
                    } else {
                        out[at..at + wanted].copy_from_slice(&sums.as_slice()[..wanted]);
                    }
                }
            }
        }
    }
}
