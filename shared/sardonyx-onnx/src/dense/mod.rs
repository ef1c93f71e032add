//! Rows times a fixed matrix, in whatever vectors the processor has.
//!
//! There are two ways, and the matrix is laid out for the better one when it is made: [`dots`] goes along the features, which suits few
//! outputs of many features, and [`columns`] along the outputs. In either, several rows are computed together, so that what is loaded
//! is used more than once and no addition waits for the one before it. The order of the additions follows the width of the vectors:
//! results differ between processors by rounding.

mod columns;
mod dots;
mod panels;

use fearless_simd::prelude::*;
use fearless_simd::{Level, dispatch, f32x4};

use columns::Columns;
use dots::Dots;
pub(crate) use panels::{Matrix, Panels};

/// `X W + b` in single precision, perhaps with a ReLU after it.
#[derive(Clone, Debug)]
pub struct Dense {
    features: usize,
    has_relu: bool,
    level: Level,
    layout: Layout,
    outputs: usize,
}

/// A number of a matrix: as it is, or as the little-endian bytes of a file.
pub(crate) trait Weight: Copy {
    fn value(self) -> f32;
}

impl Weight for f32 {
    fn value(self) -> f32 {
        self
    }
}

impl Weight for [u8; 4] {
    fn value(self) -> f32 {
        f32::from_le_bytes(self)
    }
}

/// A matrix as it comes.
#[derive(Clone, Copy)]
enum Weights<'a, W> {
    /// `[outputs, features]`
    ByOutput(&'a [W]),
    /// `[features, outputs]`
    ByFeature(&'a [W]),
}

impl<W: Weight> Weights<'_, W> {
    fn len(self) -> usize {
        match self {
            Self::ByOutput(values) | Self::ByFeature(values) => values.len(),
        }
    }
}

#[derive(Clone, Debug)]
enum Layout {
    Dots(Dots),
    Columns(Columns),
}

impl Dense {
    /// `weights` are `[outputs, features]`; there is one `bias` for each output. `None` when the lengths do not fit, or nothing is there.
    pub(crate) fn new<W: Weight>(weights: &[W], bias: Vec<f32>) -> Option<Self> {
        Self::at(Level::new(), Weights::ByOutput(weights), bias)
    }

    /// [`Dense::new`] of weights that are `[features, outputs]`, as a graph has them.
    pub(crate) fn of_matrix<W: Weight>(matrix: &[W], bias: Vec<f32>) -> Option<Self> {
        Self::at(Level::new(), Weights::ByFeature(matrix), bias)
    }

    /// For the vectors of a level.
    fn at<W: Weight>(level: Level, weights: Weights<'_, W>, bias: Vec<f32>) -> Option<Self> {
        let (outputs, len) = (bias.len(), weights.len());
        if outputs == 0 || len == 0 || !len.is_multiple_of(outputs) {
            return None;
        }
        let features = len / outputs;
        let layout = match dots_lanes(level, features, outputs) {
            Some(lanes) => Layout::Dots(Dots::new(weights, bias, features, lanes)),
            None => Layout::Columns(Columns::new(Panels::new(weights, features, outputs), bias)),
        };
        Some(Self {
            features,
            has_relu: false,
            level,
            layout,
            outputs,
        })
    }

    /// The same of weights that are laid out already. `None` when there is not one `bias` for each output.
    pub(crate) fn of_panels(panels: &Panels, bias: Vec<f32>) -> Option<Self> {
        Self::of_panels_at(Level::new(), panels, bias)
    }

    fn of_panels_at(level: Level, panels: &Panels, bias: Vec<f32>) -> Option<Self> {
        let (features, outputs) = (panels.features(), panels.outputs());
        if bias.len() != outputs {
            return None;
        }
        if dots_lanes(level, features, outputs).is_some() {
            return Self::at(level, Weights::ByOutput(&panels.by_output()), bias);
        }
        Some(Self {
            features,
            has_relu: false,
            level,
            layout: Layout::Columns(Columns::new(panels.clone(), bias)),
            outputs,
        })
    }

    /// The same with more added to each output. `None` when there is a ReLU before, or not one number for each output.
    pub(crate) fn plus(mut self, bias: &[f32]) -> Option<Self> {
        if self.has_relu || bias.len() != self.outputs {
            return None;
        }
        let sums = match &mut self.layout {
            Layout::Dots(dots) => dots.bias_mut(),
            Layout::Columns(columns) => columns.bias_mut(),
        };
        for (sum, more) in sums.iter_mut().zip(bias) {
            *sum += more;
        }
        Some(self)
    }

    /// The same with what is below zero replaced by zero.
    pub(crate) fn with_relu(self) -> Self {
        Self { has_relu: true, ..self }
    }

    pub(crate) fn features(&self) -> usize {
        self.features
    }

    pub(crate) fn outputs(&self) -> usize {
        self.outputs
    }

    /// `[N, outputs]` for `rows` of `[N, features]`.
    pub(crate) fn multiply(&self, rows: &[f32]) -> Vec<f32> {
        self.combine::<Product>(rows)
    }

    /// [`Dense::multiply`] into memory that is there already.
    pub(crate) fn multiply_into(&self, rows: &[f32], out: &mut Vec<f32>) {
        out.resize(rows.len() / self.features * self.outputs, 0.0);
        self.combine_into::<Product>(rows, out);
    }

    /// The squares of the distances between each row and each row of the weights, `[N, outputs]` for `rows` of `[N, features]`.
    pub(crate) fn square_distances(&self, rows: &[f32]) -> Vec<f32> {
        self.combine::<SquareDistance>(rows)
    }

    fn combine<C: Combine>(&self, rows: &[f32]) -> Vec<f32> {
        let mut out = vec![0.0; rows.len() / self.features * self.outputs];
        self.combine_into::<C>(rows, &mut out);
        out
    }

    fn combine_into<C: Combine>(&self, rows: &[f32], out: &mut [f32]) {
        dispatch!(self.level, simd => self.combine_with::<_, C>(simd, rows, out));
    }

    #[inline(always)]
    fn combine_with<S: Simd, C: Combine>(&self, simd: S, rows: &[f32], out: &mut [f32]) {
        match &self.layout {
            Layout::Columns(columns) => return columns.combine::<S, S::f32s, C>(simd, rows, self.has_relu, out),
            Layout::Dots(dots) if dots.lanes() == S::f32s::LEN => dots.combine::<S, S::f32s, C>(simd, rows, out),
            Layout::Dots(dots) => dots.combine::<S, f32x4<S>, C>(simd, rows, out),
        }
        if self.has_relu {
            relu(out);
        }
    }
}

/// The vectors in which dot products are computed, of four when there are fewer features than others have lanes; `None` where the other way is
/// better.
fn dots_lanes(level: Level, features: usize, outputs: usize) -> Option<usize> {
    let lanes = dispatch!(level, simd => lanes(simd));
    let is_better = Columns::cost(features, outputs, lanes) >= Dots::cost(features, outputs, lanes);
    let lanes = if features < lanes { 4 } else { lanes };
    (is_better && features >= lanes).then_some(lanes)
}

/// Whether panels are the better layout on every processor.
pub(crate) fn are_panels_best(features: usize, outputs: usize) -> bool {
    [4, 8, 16]
        .into_iter()
        .all(|lanes| Columns::cost(features, outputs, lanes) < Dots::cost(features, outputs, lanes))
}

#[inline(always)]
fn lanes<S: Simd>(_simd: S) -> usize {
    S::f32s::LEN
}

/// `N` rows of `features` from the `first` on. Where there are fewer, the last of the `count` comes again and again.
#[inline(always)]
fn rows<const N: usize>(values: &[f32], features: usize, first: usize, count: usize) -> [&[f32]; N] {
    let mut rows = [values; N];
    for (index, row) in rows.iter_mut().enumerate() {
        let at = (first + index).min(count - 1) * features;
        *row = &values[at..][..features];
    }
    rows
}

/// Has the processor fetch the line of the cache that a number is in, if there is one at this place.
#[inline(always)]
fn prefetch(values: &[f32], at: usize) {
    #[cfg(target_arch = "x86_64")]
    if let Some(value) = values.get(at) {
        safe_arch::prefetch_t1(value);
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = (values, at);
}

/// Replaces what is below zero by zero. A NaN stays one.
#[inline(always)]
fn relu(values: &mut [f32]) {
    for value in values {
        *value = if *value < 0.0 { 0.0 } else { *value };
    }
}

/// What is summed over the features.
trait Combine {
    fn add<S: Simd, V: SimdFloat<S, Element = f32>>(x: V, w: V, sum: V) -> V;
}

struct Product;

impl Combine for Product {
    #[inline(always)]
    fn add<S: Simd, V: SimdFloat<S, Element = f32>>(x: V, w: V, sum: V) -> V {
        x.mul_add(w, sum)
    }
}

struct SquareDistance;

impl Combine for SquareDistance {
    #[inline(always)]
    fn add<S: Simd, V: SimdFloat<S, Element = f32>>(x: V, w: V, sum: V) -> V {
        let difference = x - w;
        difference.mul_add(difference, sum)
    }
}

#[cfg(test)]
mod tests;
