use std::sync::Arc;

use anyhow::{Result, ensure};
use sardonyx_core::tensor::{Datatype, Tensor, TensorData};
use tract_data::internal::ToDim;

use super::attributes::integers;
use super::operator::{Fact, Kernel, Operator};
use super::rows::{check_is_number, singles};
use crate::operators::Context;
use crate::proto::NodeProto;

/// Puts the columns of all inputs side by side.
///
/// As in ONNX Runtime, an input with more columns than its dimension says loses the last ones, and one with fewer is filled up with zeros.
///
/// # Shapes
/// Any number of `[N, C]`, `[N, ..]` with C elements a row, or `[C]` for one row, of floats, doubles or integers; the output is `f32`
/// `[N, sum of inputdimensions]`.
///
/// <https://onnx.ai/onnx/operators/onnx_aionnxml_FeatureVectorizer.html>
#[derive(Debug)]
struct FeatureVectorizer {
    dimensions: Vec<usize>,
    columns: usize,
}

/// More columns than any table has; what comes out is allocated for every row.
const MOST_COLUMNS: usize = 1 << 24;

pub(super) fn parse(_context: &Context, node: &NodeProto) -> Result<Arc<dyn Operator>> {
    let dimensions = integers(node, "inputdimensions")?;
    node.expect("inputdimensions", !dimensions.is_empty(), "one number for each input")?;
    let dimensions: Option<Vec<usize>> = dimensions.iter().map(|size| usize::try_from(*size).ok()).collect();
    let columns = |dimensions: &Vec<usize>| {
        dimensions
            .iter()
            .try_fold(0usize, |sum, size| sum.checked_add(*size))
            .filter(|sum| *sum <= MOST_COLUMNS)
    };
    match dimensions.as_ref().and_then(columns).zip(dimensions) {
        Some((columns, dimensions)) => Ok(Arc::new(FeatureVectorizer { dimensions, columns })),
        None => node.refuse("inputdimensions", "numbers of columns"),
    }
}

impl Operator for FeatureVectorizer {
    fn outputs(&self, inputs: &[Fact]) -> Result<Vec<Fact>> {
        ensure!(
            inputs.len() == self.dimensions.len(),
            "FeatureVectorizer has {} inputdimensions, but {} inputs",
            self.dimensions.len(),
            inputs.len()
        );
        for input in inputs {
            check_is_number("FeatureVectorizer", input)?;
            ensure!(!input.shape.is_empty(), "FeatureVectorizer takes no scalar");
        }
        let rows = match &inputs[0].shape[..] {
            [_] => 1.to_dim(),
            shape => shape[0].clone(),
        };
        Ok(vec![Fact::new(Datatype::Fp32, [rows, self.columns.to_dim()])])
    }

    fn kernel(self: Arc<Self>, _inputs: &[Fact]) -> Result<Arc<dyn Kernel>> {
        Ok(self)
    }
}

impl Kernel for FeatureVectorizer {
    fn run(&self, inputs: &[&Tensor]) -> Result<Vec<Tensor>> {
        let rows = |input: &Tensor| if input.shape().len() == 1 { 1 } else { input.rows() };
        let count = inputs.first().map_or(0, |input| rows(input));
        let mut out = vec![0.0; count * self.columns];
        let mut offset = 0;
        for (input, dimension) in inputs.iter().zip(&self.dimensions) {
            ensure!(
                rows(input) == count,
                "FeatureVectorizer has inputs of {count} and of {} rows",
                rows(input)
            );
            let values = singles("FeatureVectorizer", input)?;
            let width = values.len().checked_div(count).unwrap_or(0);
            let taken = width.min(*dimension);
            if taken > 0 {
                for (out, row) in out.chunks_exact_mut(self.columns).zip(values.chunks_exact(width)) {
                    out[offset..offset + taken].copy_from_slice(&row[..taken]);
                }
            }
            offset += dimension;
        }
        Ok(vec![Tensor::new(vec![count, self.columns], TensorData::Fp32(out))?])
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Node, assert_close, floats, node, parse_error, run, run_error};
    use super::*;

    fn vectorizer(dimensions: Vec<i64>) -> Node {
        node("ai.onnx.ml", "FeatureVectorizer").with("inputdimensions", dimensions)
    }

    #[test]
    fn wide_inputs_are_cut_and_narrow_ones_filled_up() {
        let integers = Tensor::new(vec![2, 1], TensorData::Int64(vec![7, 8])).expect("fits");
        let output = run(
            &vectorizer(vec![1, 2]),
            vec![floats([2, 3], &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]), integers],
        );
        assert_close(&output, [2, 3], &[1.0, 7.0, 0.0, 4.0, 8.0, 0.0]);
    }

    #[test]
    fn dimensions_and_inputs_that_do_not_fit_are_refused() {
        for dimensions in [vec![], vec![-1], vec![i64::MAX, i64::MAX], vec![1 << 40]] {
            let error = parse_error(&vectorizer(dimensions));
            assert!(error.contains("inputdimensions"), "{error}");
        }
        let error = run_error(
            &vectorizer(vec![1]),
            vec![floats([1, 1], &[0.0]), floats([1, 1], &[0.0])],
        );
        assert_eq!(error, "FeatureVectorizer has 1 inputdimensions, but 2 inputs");
        let error = run_error(
            &vectorizer(vec![1, 1]),
            vec![floats([1, 1], &[0.0]), floats([2, 1], &[0.0; 2])],
        );
        assert_eq!(error, "FeatureVectorizer has inputs of 1 and of 2 rows");
    }
}
