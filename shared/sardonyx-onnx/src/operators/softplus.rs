use std::sync::Arc;

use sardonyx_core::tensor::{Datatype, Tensor, TensorData};
use tract_onnx::pb::NodeProto;
use tract_onnx::tract_hir::internal::*;

use super::operator::{Fact, Kernel, Operator, single};
use crate::operators::Context;

/// `ln(1 + e^x)` of each element, which does not overflow for large ones.
///
/// # Shapes
/// X `[..]` of floats or doubles; the output has its type and shape.
///
/// <https://onnx.ai/onnx/operators/onnx__Softplus.html>
#[derive(Debug)]
struct Softplus;

pub(super) fn parse(_context: &Context, _node: &NodeProto) -> TractResult<Arc<dyn Operator>> {
    Ok(Arc::new(Softplus))
}

impl Operator for Softplus {
    fn outputs(&self, inputs: &[Fact]) -> TractResult<Vec<Fact>> {
        let input = single("Softplus", inputs)?;
        ensure!(
            matches!(input.datatype, Datatype::Fp32 | Datatype::Fp64),
            "Softplus does not take {}",
            input.datatype
        );
        Ok(vec![Fact::new(input.datatype, input.shape.iter().cloned())])
    }

    fn kernel(self: Arc<Self>, _inputs: &[Fact]) -> TractResult<Arc<dyn Kernel>> {
        Ok(self)
    }
}

impl Kernel for Softplus {
    fn run(&self, inputs: &[&Tensor]) -> TractResult<Vec<Tensor>> {
        let input = single("Softplus", inputs)?;
        // Of a large number, the exponential of the negative one is as good as nothing.
        macro_rules! softplus {
            ($values:expr) => {
                $values
                    .iter()
                    .map(|value| {
                        if *value > 0.0 {
                            value + (-value).exp().ln_1p()
                        } else {
                            value.exp().ln_1p()
                        }
                    })
                    .collect()
            };
        }
        let data = match input.data() {
            TensorData::Fp32(values) => TensorData::Fp32(softplus!(values)),
            TensorData::Fp64(values) => TensorData::Fp64(softplus!(values)),
            other => bail!("Softplus does not take {}", other.datatype()),
        };
        Ok(vec![Tensor::new(input.shape().to_vec(), data)?])
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{node, run, run_error};
    use super::*;

    #[test]
    fn large_numbers_stay_themselves() {
        let values = vec![100.0, 1e30, -100.0, 0.0, f32::INFINITY, f32::NEG_INFINITY];
        let input = Tensor::new(vec![6], TensorData::Fp32(values)).expect("fits");
        let expected = vec![100.0, 1e30, 3.8e-44, std::f32::consts::LN_2, f32::INFINITY, 0.0];
        assert_eq!(
            run(&node("", "Softplus"), vec![input]).data(),
            &TensorData::Fp32(expected)
        );
    }

    #[test]
    fn integers_are_refused() {
        let integer = Tensor::new(vec![1], TensorData::Int64(vec![1])).expect("fits");
        assert_eq!(
            run_error(&node("", "Softplus"), vec![integer]),
            "Softplus does not take INT64"
        );
    }
}
