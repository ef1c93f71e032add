use fearless_simd::prelude::*;

use super::panels::{Line, Panels, WIDTH};
use super::{Combine, rows};

/// Rows that stay in the cache while the weights of all outputs pass by.
const ROWS_IN_BLOCK: usize = 192;

/// A vector of outputs at a time: each feature of a row is multiplied with the weights of them all.
#[derive(Clone, Debug)]
pub(super) struct Columns {
    panels: Panels,
    /// One for each lane of the panels.
    bias: Vec<f32>,
}

impl Columns {
    pub(super) fn new(panels: Panels, mut bias: Vec<f32>) -> Self {
        bias.resize(panels.outputs().next_multiple_of(WIDTH), 0.0);
        Self { panels, bias }
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
        let count = values.len() / self.panels.features();
        let vectors = self.panels.outputs().div_ceil(V::LEN);
        for first in (0..count).step_by(ROWS_IN_BLOCK) {
            let block = Block {
                values,
                first,
                end: count.min(first + ROWS_IN_BLOCK),
                has_relu,
            };
            let is_small = block.end - first < 3;
            let mut vector = 0;
            while vector < vectors {
                vector += match vectors - vector {
                    4.. if is_small => self.strip::<S, V, C, 1, 1, 4>(simd, &block, vector, out),
                    2.. if is_small => self.strip::<S, V, C, 1, 1, 2>(simd, &block, vector, out),
                    _ if is_small => self.strip::<S, V, C, 1, 1, 1>(simd, &block, vector, out),
                    2.. => self.strip::<S, V, C, 6, 4, 2>(simd, &block, vector, out),
                    _ => self.strip::<S, V, C, 8, 8, 1>(simd, &block, vector, out),
                };
            }
        }
    }

    /// So many vectors of outputs of all rows of a block, which come `ROWS` or `FEWER` at a time, as they are best used up. Gives how many vectors.
    #[inline(always)]
    fn strip<
        S: Simd,
        V: SimdFloat<S, Element = f32>,
        C: Combine,
        const ROWS: usize,
        const FEWER: usize,
        const VECTORS: usize,
    >(
        &self,
        simd: S,
        block: &Block<'_>,
        vector: usize,
        out: &mut [f32],
    ) -> usize {
        let mut first = block.first;
        let features = self.panels.features();
        let lines = self.panels.lines();
        while first < block.end {
            let left = block.end - first;
            if left <= FEWER || left > ROWS && left <= 2 * FEWER {
                let rows = rows::<FEWER>(block.values, features, first, block.end);
                let sums = self.tile::<S, V, C, FEWER, VECTORS>(simd, lines, rows, vector);
                self.store(simd, block, first, vector, sums, out);
                first += FEWER;
            } else {
                let rows = rows::<ROWS>(block.values, features, first, block.end);
                let sums = self.tile::<S, V, C, ROWS, VECTORS>(simd, lines, rows, vector);
                self.store(simd, block, first, vector, sums, out);
                first += ROWS;
            }
        }
        VECTORS
    }

    #[inline(always)]
    fn store<S: Simd, V: SimdFloat<S, Element = f32>, const ROWS: usize, const VECTORS: usize>(
        &self,
        simd: S,
        block: &Block<'_>,
        first: usize,
        vector: usize,
        mut sums: [[V; VECTORS]; ROWS],
        out: &mut [f32],
    ) {
        if block.has_relu {
            let zeros = V::splat(simd, 0.0);
            for sum in sums.iter_mut().flatten() {
                // A NaN stays one.
                *sum = sum.simd_lt(zeros).select(zeros, *sum);
            }
        }
        let outputs = self.panels.outputs();
        for (row, sums) in (first..block.end).zip(&sums) {
            for (index, sums) in sums.iter().enumerate() {
                let output = (vector + index) * V::LEN;
                let at = row * outputs + output;
                let wanted = (outputs - output).min(V::LEN);
                // What is too much of a single vector belongs to the next row, which is written after this one.
                let is_whole = wanted == V::LEN || outputs < V::LEN;
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
    fn tile<S: Simd, V: SimdFloat<S, Element = f32>, C: Combine, const ROWS: usize, const VECTORS: usize>(
        &self,
        simd: S,
        lines: &[Line],
        rows: [&[f32]; ROWS],
        vector: usize,
    ) -> [[V; VECTORS]; ROWS] {
        let features = self.panels.features();
        let mut w = [V::splat(simd, 0.0); VECTORS];
        let mut panels = [(lines, 0); VECTORS];
        for (index, (bias, panel)) in w.iter_mut().zip(&mut panels).enumerate() {
            let output = (vector + index) * V::LEN;
            *bias = V::from_slice(simd, &self.bias[output..][..V::LEN]);
            *panel = (&lines[output / WIDTH * features..][..features], output % WIDTH);
        }
        let mut sums = [w; ROWS];
        for feature in 0..features {
            for (w, (panel, lane)) in w.iter_mut().zip(panels) {
                *w = V::from_slice(simd, &panel[feature][lane..][..V::LEN]);
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
