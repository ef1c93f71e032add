use std::borrow::Cow;
use std::sync::Arc;

use bytes::Bytes;
use sardonyx_core::artifact::LINE_BYTES;
use zerocopy::{FromBytes, IntoBytes};

use super::{Weight, Weights};

/// Outputs in a panel: as many as fill a line of the cache, whatever the vectors of the processor.
pub(super) const WIDTH: usize = LINE_BYTES / size_of::<f32>();

/// The weights of one feature in a panel.
pub(super) type Line = [f32; WIDTH];

/// A matrix as it is multiplied with, `[panels, features, WIDTH]`: the outputs in panels, the last one filled up with zeros. Layers that differ
/// in what is done to their sums share it.
#[derive(Clone, Debug)]
pub(crate) struct Panels {
    features: usize,
    outputs: usize,
    lines: Lines,
}

#[derive(Clone, Debug)]
enum Lines {
    Made(Arc<Vec<Line>>),
    /// In a file that was written for it: little-endian, and at a place for floats.
    OfFile(Bytes),
}

impl Panels {
    /// Lays out `[outputs, features]`, or `[features, outputs]`.
    pub(super) fn new<W: Weight>(weights: Weights<'_, W>, features: usize, outputs: usize) -> Self {
        let mut lines = vec![[0.0; WIDTH]; features * outputs.div_ceil(WIDTH)];
        match weights {
            Weights::ByOutput(weights) => {
                for (output, weights) in weights.chunks_exact(features).enumerate() {
                    let panel = &mut lines[output / WIDTH * features..];
                    for (line, weight) in panel.iter_mut().zip(weights) {
                        line[output % WIDTH] = weight.value();
                    }
                }
            }
            Weights::ByFeature(weights) => {
                for (feature, weights) in weights.chunks_exact(outputs).enumerate() {
                    let lines = lines[feature..].iter_mut().step_by(features);
                    for (line, weights) in lines.zip(weights.chunks(WIDTH)) {
                        for (packed, weight) in line.iter_mut().zip(weights) {
                            *packed = weight.value();
                        }
                    }
                }
            }
        }
        Self {
            features,
            outputs,
            lines: Lines::Made(Arc::new(lines)),
        }
    }

    /// Lays out a matrix of a graph; `None` when it has another shape.
    pub(crate) fn of_matrix<W: Weight>(
        weights: &[W],
        features: usize,
        outputs: usize,
        is_by_output: bool,
    ) -> Option<Self> {
        let fits = features > 0 && outputs > 0 && features.checked_mul(outputs) == Some(weights.len());
        let weights = if is_by_output {
            Weights::ByOutput(weights)
        } else {
            Weights::ByFeature(weights)
        };
        fits.then(|| Self::new(weights, features, outputs))
    }

    /// How many bytes they have in a file. `None` for no elements, and for more than there can be.
    pub(crate) fn bytes(features: usize, outputs: usize) -> Option<usize> {
        let lines = features.checked_mul(outputs.div_ceil(WIDTH))?;
        lines.checked_mul(size_of::<Line>()).filter(|bytes| *bytes > 0)
    }

    /// What [`Panels::to_bytes`] gave, read where it is if it can be. `None` when there are more bytes, or fewer.
    pub(crate) fn of_file(bytes: Bytes, features: usize, outputs: usize) -> Option<Self> {
        if bytes.len() != Self::bytes(features, outputs)? {
            return None;
        }
        let lines = if cfg!(target_endian = "little") && <[Line]>::ref_from_bytes(&bytes).is_ok() {
            Lines::OfFile(bytes)
        } else {
            let lines = bytes.as_chunks::<{ size_of::<Line>() }>().0.iter();
            let lines = lines.map(|line| {
                let mut floats = line.as_chunks().0.iter().map(|bytes| f32::from_le_bytes(*bytes));
                std::array::from_fn(|_| floats.next().unwrap_or_default())
            });
            Lines::Made(Arc::new(lines.collect()))
        };
        Some(Self {
            features,
            outputs,
            lines,
        })
    }

    pub(super) fn lines(&self) -> &[Line] {
        match &self.lines {
            Lines::Made(lines) => lines,
            Lines::OfFile(bytes) => <[Line]>::ref_from_bytes(bytes).unwrap_or_default(),
        }
    }

    pub(crate) fn features(&self) -> usize {
        self.features
    }

    pub(crate) fn outputs(&self) -> usize {
        self.outputs
    }

    /// For a file.
    pub(crate) fn to_bytes(&self) -> Cow<'_, [u8]> {
        if cfg!(target_endian = "little") {
            return self.lines().as_bytes().into();
        }
        let floats = self.lines().iter().flatten();
        floats.flat_map(|weight| weight.to_le_bytes()).collect()
    }

    /// The matrix again, `[outputs, features]`.
    pub(super) fn by_output(&self) -> Vec<f32> {
        let panels = self.lines().chunks_exact(self.features);
        let outputs = panels.flat_map(|panel| (0..WIDTH).map(move |lane| panel.iter().map(move |line| line[lane])));
        outputs.take(self.outputs).flatten().collect()
    }

    /// The matrix again, `[features, outputs]`.
    fn by_feature(&self) -> Vec<f32> {
        let lines = |feature| self.lines()[feature..].iter().step_by(self.features);
        let features = (0..self.features).map(|feature| lines(feature).flatten().take(self.outputs));
        features.flatten().copied().collect()
    }
}

/// A matrix of a graph, in panels.
#[derive(Clone, Debug)]
pub(crate) struct Matrix {
    pub(crate) panels: Panels,
    /// Whether it is `[outputs, features]` in the graph, and not `[features, outputs]`.
    pub(crate) is_by_output: bool,
}

impl Matrix {
    /// Its dimensions in the graph.
    pub(crate) fn shape(&self) -> [usize; 2] {
        let (features, outputs) = (self.panels.features, self.panels.outputs);
        if self.is_by_output {
            [outputs, features]
        } else {
            [features, outputs]
        }
    }

    /// Its elements in the order of the graph.
    pub(crate) fn elements(&self) -> Vec<f32> {
        if self.is_by_output {
            self.panels.by_output()
        } else {
            self.panels.by_feature()
        }
    }
}
