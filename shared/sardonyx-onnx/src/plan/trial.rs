//! Inputs to try a plan on: some graphs compile for an open batch, and then fail on every one.

use sardonyx_core::tensor::{Tensor, TensorData};

use crate::graph::{BATCH, Dimension, InputDeclaration};

/// How many rows a trial run has: one row would hide what only works for one.
pub(super) const ROWS: usize = 2;

/// Zeros in so many rows. `None` when a dimension other than the batch is open: nobody knows what would fit there.
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
            let elements = shape.iter().product();
            Tensor::new(shape, TensorData::zeros(input.datatype, elements)).ok()
        })
        .collect()
}
