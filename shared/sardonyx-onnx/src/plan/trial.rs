//! Inputs to try a plan on: some graphs compile for an open batch, and then fail on every one.

use sardonyx_core::tensor::{Tensor, TensorData};

use crate::graph::{BATCH, Dimension, InputDeclaration};

/// How many rows a trial run has: one row would hide what only works for one.
pub(super) const ROWS: usize = 2;

/// How many elements an input of a trial may have: a file can declare any size, and loading it must not take long for that.
const MAX_ELEMENTS_OF_TRIAL: usize = 1 << 20;

/// How many elements a tensor of this shape has, where it is not too large to try a model on.
pub(crate) fn elements(shape: &[usize]) -> Option<usize> {
    let product = shape
        .iter()
        .try_fold(1usize, |product, size| product.checked_mul(*size));
    product.filter(|elements| *elements <= MAX_ELEMENTS_OF_TRIAL)
}

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
            let elements = elements(&shape)?;
            Tensor::new(shape, TensorData::zeros(input.datatype, elements)).ok()
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_too_large_is_not_tried() {
        assert_eq!(elements(&[2, 3]), Some(6));
        assert_eq!(elements(&[]), Some(1));
        assert_eq!(elements(&[usize::MAX, 2]), None);
        assert_eq!(elements(&[1 << 20, 1 << 20]), None);
    }
}
