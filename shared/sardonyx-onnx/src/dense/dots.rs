use fearless_simd::prelude::*;

use super::{Combine, Weight, Weights, prefetch, rows};

/// Rows that are computed together.
const ROWS: usize = 4;

/// The vectors of AVX-512, of which there are thirty-two registers.
const MANY_LANES: usize = 16;

/// Outputs that are computed together in so many registers: twenty sums, five vectors of weights and one of a row. Each vector that is loaded
/// serves more than two products.
const MANY_OUTPUTS: usize = 5;

/// Rows that are fetched while [`MANY_OUTPUTS`] are computed, so that those that come next are there after two of them: alone, the processor
/// fetches only what the first outputs read, and has nothing to do for the memory during the others.
const AHEAD: usize = 2;

/// Outputs that are computed together in sixteen registers, or when fewer are left.
const FEW_OUTPUTS: usize = 2;

/// Each output as a dot product along the features.
#[derive(Clone, Debug)]
pub(super) struct Dots {
    features: usize,
    /// `[outputs, vectors * lanes]`. The last vector holds the last features; those that the one before it holds are zero.
    weights: Vec<f32>,
    /// One for each lane of the last vector that holds a feature which no vector before it does.
    is_new: Vec<f32>,
    bias: Vec<f32>,
}

impl Dots {
    /// At least as many features as lanes.
    pub(super) fn new<W: Weight>(weights: Weights<'_, W>, bias: Vec<f32>, features: usize, lanes: usize) -> Self {
        let (rest, outputs) = (features % lanes, bias.len());
        let mut packed = Vec::with_capacity(outputs * features.next_multiple_of(lanes));
        match weights {
            Weights::ByOutput(weights) => {
                for weights in weights.chunks_exact(features) {
                    pack(weights.iter().copied(), rest, lanes, &mut packed);
                }
            }
            Weights::ByFeature(weights) => {
                for output in 0..outputs {
                    let weights = weights.iter().skip(output).step_by(outputs);
                    pack(weights.copied(), rest, lanes, &mut packed);
                }
            }
        }
        Self {
            features,
            weights: packed,
            is_new: (0..lanes)
                .map(|lane| f32::from(u8::from(lane + rest >= lanes)))
                .collect(),
            bias,
        }
    }

    pub(super) fn lanes(&self) -> usize {
        self.is_new.len()
    }

    pub(super) fn bias_mut(&mut self) -> &mut [f32] {
        &mut self.bias
    }

    /// How long a row takes, in the unit of the other layout: rows are read again for the next outputs, which takes longer when those that are
    /// computed together are few, and the sum over the lanes at the end costs as much as some vectors.
    pub(super) fn cost(features: usize, outputs: usize, lanes: usize) -> usize {
        let vectors = features.div_ceil(lanes);
        let row = if lanes == MANY_LANES {
            vectors * 9 / 8 + 8
        } else {
            vectors * 3 / 2 + 10
        };
        outputs * row
    }

    #[inline(always)]
    pub(super) fn combine<S: Simd, V: SimdFloat<S, Element = f32>, C: Combine>(
        &self,
        simd: S,
        values: &[f32],
        out: &mut [f32],
    ) {
        // Apart, so that the one does not take registers from the other.
        if V::LEN == MANY_LANES && self.bias.len() >= MANY_OUTPUTS {
            self.combine_most::<S, V, C, MANY_OUTPUTS>(simd, values, out);
        } else {
            self.combine_most::<S, V, C, FEW_OUTPUTS>(simd, values, out);
        }
    }

    /// At most `MOST` outputs at a time.
    #[inline(always)]
    fn combine_most<S: Simd, V: SimdFloat<S, Element = f32>, C: Combine, const MOST: usize>(
        &self,
        simd: S,
        values: &[f32],
        out: &mut [f32],
    ) {
        let count = values.len() / self.features;
        let stride = self.features.next_multiple_of(V::LEN);
        for first in (0..count).step_by(ROWS) {
            let rows = rows::<ROWS>(values, self.features, first, count);
            let mut ahead = &values[values.len().min((first + ROWS) * self.features)..];
            let mut output = 0;
            while output < self.bias.len() {
                let weights = &self.weights[output * stride..];
                output += match self.bias.len() - output {
                    left if left >= MOST => {
                        let sums = self.tile::<S, V, C, MOST>(simd, rows, weights, ahead);
                        ahead = &ahead[ahead.len().min(AHEAD * self.features)..];
                        self.store(&sums, first, output, count, out)
                    }
                    FEW_OUTPUTS.. => {
                        let sums = self.tile::<S, V, C, FEW_OUTPUTS>(simd, rows, weights, &[]);
                        self.store(&sums, first, output, count, out)
                    }
                    _ => {
                        let sums = self.tile::<S, V, C, 1>(simd, rows, weights, &[]);
                        self.store(&sums, first, output, count, out)
                    }
                };
            }
        }
    }

    /// Gives how many outputs.
    #[inline(always)]
    fn store<const O: usize>(
        &self,
        sums: &[[f32; O]; ROWS],
        first: usize,
        output: usize,
        count: usize,
        out: &mut [f32],
    ) -> usize {
        let bias = &self.bias[output..output + O];
        for (row, sums) in (first..count).zip(sums) {
            let at = row * self.bias.len() + output;
            for (out, (sum, bias)) in out[at..at + O].iter_mut().zip(sums.iter().zip(bias)) {
                *out = sum + bias;
            }
        }
        O
    }

    /// The sums of these rows, while those `ahead` are fetched.
    // There are no closures in here: they would not be compiled for the vectors of S.
    #[inline(always)]
    fn tile<S: Simd, V: SimdFloat<S, Element = f32>, C: Combine, const O: usize>(
        &self,
        simd: S,
        rows: [&[f32]; ROWS],
        weights: &[f32],
        ahead: &[f32],
    ) -> [[f32; O]; ROWS] {
        let weights = super::rows::<O>(weights, self.features.next_multiple_of(V::LEN), 0, O);
        let zeros = V::splat(simd, 0.0);
        let mut sums = [[zeros; O]; ROWS];
        let whole = self.features / V::LEN * V::LEN;
        let mut at = 0;
        while at < whole {
            let mut w = [zeros; O];
            for (w, weights) in w.iter_mut().zip(weights) {
                *w = V::from_slice(simd, &weights[at..at + V::LEN]);
            }
            for (sums, row) in sums.iter_mut().zip(rows) {
                let x = V::from_slice(simd, &row[at..at + V::LEN]);
                for (sum, w) in sums.iter_mut().zip(w) {
                    *sum = C::add(x, w, *sum);
                }
            }
            if O == MANY_OUTPUTS {
                // A vector is a line of the cache.
                for line in 0..AHEAD {
                    prefetch(ahead, AHEAD * at + line * V::LEN);
                }
            }
            at += V::LEN;
        }
        if whole < self.features {
            let is_new = V::from_slice(simd, &self.is_new).simd_gt(zeros);
            for (sums, row) in sums.iter_mut().zip(rows) {
                // An infinity that was there already must not come again, as infinity times zero.
                let x = is_new.select(V::from_slice(simd, &row[self.features - V::LEN..]), zeros);
                for (sum, weights) in sums.iter_mut().zip(weights) {
                    *sum = C::add(x, V::from_slice(simd, &weights[whole..]), *sum);
                }
            }
        }
        let mut out = [[0.0; O]; ROWS];
        for (out, sums) in out.iter_mut().zip(sums) {
            for (out, sum) in out.iter_mut().zip(sums) {
                *out = sum.reduce_sum();
            }
        }
        out
    }
}

/// Appends the weights of an output, of which `rest` fill no vector.
fn pack<W: Weight>(weights: impl ExactSizeIterator<Item = W>, rest: usize, lanes: usize, packed: &mut Vec<f32>) {
    let whole = weights.len() - rest;
    let mut weights = weights.map(Weight::value);
    packed.extend(weights.by_ref().take(whole));
    if rest > 0 {
        packed.resize(packed.len() + lanes - rest, 0.0);
        packed.extend(weights);
    }
}
