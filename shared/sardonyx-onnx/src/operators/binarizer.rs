use std::sync::Arc;

use anyhow::{Result, bail, ensure};
use sardonyx_core::tensor::{Tensor, TensorData};

use super::operator::{Fact, Kernel, Operator, single};
use super::rows::check_is_number;
use crate::operators::Context;
use crate::proto::NodeProto;

/// One for what is above the threshold, zero for the rest.
///
/// As in ONNX Runtime, a NaN is an error. ONNX Runtime takes nothing but floats; here every number is compared in its own type.
///
/// # Shapes
/// X of any shape, of floats, doubles or integers; the output has the type and the shape of X.
///
/// <https://onnx.ai/onnx/operators/onnx_aionnxml_Binarizer.html>
#[derive(Debug)]
struct Binarizer {
    threshold: f32,
}

pub(super) fn parse(_context: &Context, node: &NodeProto) -> Result<Arc<dyn Operator>> {
    let threshold = node.optional("threshold")?.unwrap_or(0.0);
    Ok(Arc::new(Binarizer { threshold }))
}

impl Operator for Binarizer {
    fn outputs(&self, inputs: &[Fact]) -> Result<Vec<Fact>> {
        let input = single("Binarizer", inputs)?;
        check_is_number("Binarizer", input)?;
        Ok(vec![Fact::new(input.datatype, input.shape.iter().cloned())])
    }

    fn kernel(self: Arc<Self>, _inputs: &[Fact]) -> Result<Arc<dyn Kernel>> {
        Ok(self)
    }
}

impl Kernel for Binarizer {
    fn run(&self, inputs: &[&Tensor]) -> Result<Vec<Tensor>> {
        let input = single("Binarizer", inputs)?;
        let threshold = f64::from(self.threshold);
        let is_nan = match input.data() {
            TensorData::Fp32(values) => values.iter().any(|value| value.is_nan()),
            TensorData::Fp64(values) => values.iter().any(|value| value.is_nan()),
            _ => false,
        };
        ensure!(!is_nan, "Binarizer takes no NaN");
        let data = match input.data() {
            TensorData::Fp32(values) => {
                TensorData::Fp32(values.iter().map(|x| f32::from(*x > self.threshold)).collect())
            }
            TensorData::Fp64(values) => TensorData::Fp64(values.iter().map(|x| f64::from(*x > threshold)).collect()),
            TensorData::Int64(values) => {
                TensorData::Int64(values.iter().map(|x| i64::from(*x as f64 > threshold)).collect())
            }
            TensorData::Int32(values) => {
                TensorData::Int32(values.iter().map(|x| i32::from(f64::from(*x) > threshold)).collect())
            }
            other => bail!("Binarizer does not take {}", other.datatype()),
        };
        Ok(vec![Tensor::new(input.shape().to_vec(), data)?])
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{assert_close, floats, node, run, run_error};
    use super::*;

    #[test]
    fn the_threshold_itself_is_not_above_it() {
        let output = run(
            &node("ai.onnx.ml", "Binarizer"),
            vec![floats([2, 2], &[0.5, 0.0, -0.0, 1.5])],
        );
        assert_close(&output, [2, 2], &[1.0, 0.0, 0.0, 1.0]);
        let integers = Tensor::new(vec![3], TensorData::Int64(vec![0, 1, 2])).expect("fits");
        let output = run(
            &node("ai.onnx.ml", "Binarizer").with("threshold", 1.0f32),
            vec![integers],
        );
        assert_eq!(output.data(), &TensorData::Int64(vec![0, 0, 1]));
    }

    #[test]
    fn a_nan_is_an_error() {
        let error = run_error(&node("ai.onnx.ml", "Binarizer"), vec![floats([1], &[f32::NAN])]);
        assert_eq!(error, "Binarizer takes no NaN");
    }
}
