use std::sync::Arc;

use anyhow::{Result, ensure};
use sardonyx_core::tensor::Tensor;
use tract_data::internal::DimLike;

use super::attributes::{integers, texts};
use super::operator::{Fact, Kernel, Operator, rows_and_columns, single};
use crate::operators::Context;
use crate::proto::NodeProto;

/// The scores of classes, one column for each. Which column is whose is known beside the tensor; the dictionary of each row is left out.
///
/// # Shapes
/// X `[N, C]` or `[C]` for C class labels; the output is X.
///
/// <https://onnx.ai/onnx/operators/onnx_aionnxml_ZipMap.html>
#[derive(Debug)]
struct ZipMap {
    classes: usize,
}

pub(super) fn parse(_context: &Context, node: &NodeProto) -> Result<Arc<dyn Operator>> {
    let integers = integers(node, "classlabels_int64s")?;
    let texts = texts(node, "classlabels_strings")?;
    ensure!(
        integers.is_empty() != texts.is_empty(),
        "ZipMap needs one of classlabels_int64s and classlabels_strings"
    );
    Ok(Arc::new(ZipMap {
        classes: integers.len() + texts.len(),
    }))
}

impl ZipMap {
    fn check(&self, columns: usize) -> Result<()> {
        let classes = self.classes;
        ensure!(
            columns == classes,
            "ZipMap has {classes} class labels, but its input has {columns} columns"
        );
        Ok(())
    }
}

impl Operator for ZipMap {
    fn outputs(&self, inputs: &[Fact]) -> Result<Vec<Fact>> {
        let input = single("ZipMap", inputs)?;
        let (_, columns) = rows_and_columns("ZipMap", input)?;
        if let Ok(columns) = columns.to_usize() {
            self.check(columns)?;
        }
        Ok(vec![Fact::new(input.datatype, input.shape.iter().cloned())])
    }

    fn kernel(self: Arc<Self>, _inputs: &[Fact]) -> Result<Arc<dyn Kernel>> {
        Ok(self)
    }

    fn is_identity(&self, inputs: &[Fact]) -> bool {
        let columns = inputs.first().and_then(|input| input.shape.last());
        columns.is_some_and(|columns| columns.to_usize().is_ok())
    }
}

impl Kernel for ZipMap {
    fn run(&self, inputs: &[&Tensor]) -> Result<Vec<Tensor>> {
        let input: &Tensor = single("ZipMap", inputs)?;
        self.check(input.shape().last().copied().unwrap_or(1))?;
        Ok(vec![input.clone()])
    }
}

#[cfg(test)]
mod tests {
    use sardonyx_core::tensor::TensorData;

    use super::super::testing::{node, parse_error, run, run_error};
    use super::*;

    #[test]
    fn as_many_columns_as_classes_pass() {
        let zip_map = node("ai.onnx.ml", "ZipMap").with("classlabels_strings", vec!["a", "b"]);
        let scores =
            |columns: usize| Tensor::new(vec![1, columns], TensorData::Fp32(vec![0.5; columns])).expect("fits");
        assert_eq!(run(&zip_map, vec![scores(2)]), scores(2));
        let error = run_error(&zip_map, vec![scores(3)]);
        assert_eq!(error, "ZipMap has 2 class labels, but its input has 3 columns");
        let error = parse_error(&zip_map.with("classlabels_int64s", vec![0, 1]));
        assert!(
            error.contains("one of classlabels_int64s and classlabels_strings"),
            "{error}"
        );
    }
}
