use std::sync::Arc;

use fearless_simd::prelude::*;

use super::{Combine, Weight, Weights, rows};

/// Rows that stay in the cache while the weights of all outputs pass by.
const ROWS_IN_BLOCK: usize = 192;

/// A vector of outputs at a time: each feature of a row is multiplied with the weights of them all.
#[derive(Clone, Debug)]
pub(super) struct Columns {
    features: usize,
    /// `[panels, features, lanes]`: the outputs in panels of as many as there are lanes, the last filled up with zeros. Shared by layers
    /// that differ in what is done to their sums.
    weights: Arc<Vec<f32>>,
    /// `[panels, lanes]`
    bias: Vec<f32>,
    outputs: usize,
}

impl Columns {
    pub(super) fn new<W: Weight>(weights: Weights<'_, W>, mut bias: Vec<f32>, features: usize, lanes: usize) -> Self {
        let outputs = bias.len();
        bias.resize(outputs.next_multiple_of(lanes), 0.0);
        let mut packed = vec![0.0; outputs.div_ceil(lanes) * features * lanes];
        match weights {
            Weights::ByOutput(weights) => {
                for (output, weights) in weights.chunks_exact(features).enumerate() {
                    let panel = &mut packed[output / lanes * features * lanes..];
                    for (packed, weight) in panel.chunks_exact_mut(lanes).zip(weights) {
                        packed[output % lanes] = weight.value();
                    }
                }
            }
            Weights::ByFeature(weights) => {
                for (feature, weights) in weights.chunks_exact(outputs).enumerate() {
                    for (panel, weights) in weights.chunks(lanes).enumerate() {
                        let at = (panel * features + feature) * lanes;
                        for (packed, weight) in packed[at..].iter_mut().zip(weights) {
                            *packed = weight.value();
                        }
                    }
                }
            }
        }
        Self {
            features,
            weights: Arc::new(packed),
            bias,
            outputs,
        }
    }

    pub(super) fn bias_mut(&mut self) -> &mut [f32] {
        &mut self.bias
    }

    /// How long a row takes, in vectors that are multiplied.
    pub(super) fn cost(features: usize, outputs: usize, lanes: usize) -> usize {
        outputs.div_ceil(lanes) * features
    }

    #[inline(always)]
    pub(super) fn combine<S: Simd, V: SimdFloat<S, Element = f32>, C: Combine>(
        &self,
        simd: S,
        values: &[f32],
        has_relu: bool,
        out: &mut [f32],
    ) {
        let count = values.len() / self.features;
        let panels = self.bias.len() / V::LEN;
        for first in (0..count).step_by(ROWS_IN_BLOCK) {
            let block = Block {
                values,
                first,
                end: count.min(first + ROWS_IN_BLOCK),
                has_relu,
            };
            let is_small = block.end - first < 3;
            let mut panel = 0;
            while panel < panels {
                panel += match panels - panel {
                    4.. if is_small => self.strip::<S, V, C, 1, 1, 4>(simd, &block, panel, out),
                    2.. if is_small => self.strip::<S, V, C, 1, 1, 2>(simd, &block, panel, out),
                    _ if is_small => self.strip::<S, V, C, 1, 1, 1>(simd, &block, panel, out),
                    2.. => self.strip::<S, V, C, 6, 4, 2>(simd, &block, panel, out),
                    _ => self.strip::<S, V, C, 8, 8, 1>(simd, &block, panel, out),
                };
            }
        }
    }

    /// So many panels of all rows of a block, which come `ROWS` or `FEWER` at a time, as they are best used up. Gives how many panels.
    #[inline(always)]
    fn strip<
        S: Simd,
        V: SimdFloat<S, Element = f32>,
        C: Combine,
        const ROWS: usize,
        const FEWER: usize,
        const PANELS: usize,
    >(
        &self,
        simd: S,
        block: &Block<'_>,
        panel: usize,
        out: &mut [f32],
    ) -> usize {
        let mut first = block.first;
        while first < block.end {
            let left = block.end - first;
            if left <= FEWER || left > ROWS && left <= 2 * FEWER {
                let rows = rows::<FEWER>(block.values, self.features, first, block.end);
                let sums = self.tile::<S, V, C, FEWER, PANELS>(simd, rows, panel);
                self.store(simd, block, first, panel, sums, out);
                first += FEWER;
            } else {
                let rows = rows::<ROWS>(block.values, self.features, first, block.end);
                let sums = self.tile::<S, V, C, ROWS, PANELS>(simd, rows, panel);
                self.store(simd, block, first, panel, sums, out);
                first += ROWS;
            }
        }
        PANELS
    }

    #[inline(always)]
    fn store<S: Simd, V: SimdFloat<S, Element = f32>, const ROWS: usize, const PANELS: usize>(
        &self,
        simd: S,
        block: &Block<'_>,
        first: usize,
        panel: usize,
        mut sums: [[V; PANELS]; ROWS],
        out: &mut [f32],
    ) {
        if block.has_relu {
            let zeros = V::splat(simd, 0.0);
            for sum in sums.iter_mut().flatten() {
                // A NaN stays one.
                *sum = sum.simd_lt(zeros).select(zeros, *sum);
            }
        }
        for (row, sums) in (first..block.end).zip(&sums) {
            for (index, sums) in sums.iter().enumerate() {
                let output = (panel + index) * V::LEN;
                let at = row * self.outputs + output;
                let wanted = (self.outputs - output).min(V::LEN);
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

    // There are no closures in here: they would not be compiled for the vectors of S.
    #[inline(always)]
    fn tile<S: Simd, V: SimdFloat<S, Element = f32>, C: Combine, const ROWS: usize, const PANELS: usize>(
        &self,
        simd: S,
        rows: [&[f32]; ROWS],
        panel: usize,
    ) -> [[V; PANELS]; ROWS] {
        let panels = super::rows::<PANELS>(&self.weights, self.features * V::LEN, panel, self.bias.len() / V::LEN);
        let mut w = [V::splat(simd, 0.0); PANELS];
        for (index, bias) in w.iter_mut().enumerate() {
            *bias = V::from_slice(simd, &self.bias[(panel + index) * V::LEN..][..V::LEN]);
        }
        let mut sums = [w; ROWS];
        for feature in 0..self.features {
            for (w, panel) in w.iter_mut().zip(panels) {
                *w = V::from_slice(simd, &panel[feature * V::LEN..][..V::LEN]);
            }
            for (sums, row) in sums.iter_mut().zip(rows) {
                let x = V::splat(simd, row[feature]);
                for (sum, w) in sums.iter_mut().zip(w) {
                    *sum = C::add(x, w, *sum);
                }
            }
        }
        sums
    }
}

/// Rows of a batch that are computed one after the other.
struct Block<'a> {
    values: &'a [f32],
    first: usize,
    end: usize,
    has_relu: bool,
}
