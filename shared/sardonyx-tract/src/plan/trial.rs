//! Inputs to try a plan on: some graphs compile for an open batch, and then fail on every one.

use sardonyx_core::tensor::{Tensor, TensorData};

use sardonyx_onnx::fallback::{BATCH, Dimension, InputDeclaration, elements_of_trial};

/// How many rows a trial run has: one row would hide what only works for one.
pub(super) const ROWS: usize = 2;

/// Zeros in so many rows. `None` when a dimension other than the batch is open, as nobody knows what would fit there, or for inputs
/// that are too large.
pub(super) fn inputs(declarations: &[InputDeclaration], rows: usize) -> Option<Vec<Tensor>> {
    declarations
        .iter()
        .map(|input| {
            let dimensions = input.shape.as_ref()?.iter();
            let shape: Vec<usize> = dimensions
                .map(|dimension| match dimension {
                    Dimension::Fixed(size) => Some(*size),
                    Dimension::Named(name) => (name == BATCH).then_some(rows),
                })
                .collect::<Option<_>>()?;
            let elements = elements_of_trial(&shape)?;
            Tensor::new(shape, TensorData::zeros(input.datatype, elements)).ok()
        })
        .collect()
}
