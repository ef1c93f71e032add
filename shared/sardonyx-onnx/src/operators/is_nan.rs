use std::sync::Arc;

use anyhow::{Result, bail, ensure};
use sardonyx_core::tensor::{Datatype, Tensor, TensorData};

use super::operator::{Fact, Kernel, Operator, single};
use crate::operators::Context;
use crate::proto::NodeProto;

/// Whether each element is NaN. tract's own does not take doubles.
///
/// # Shapes
/// X of any shape, of half floats, floats or doubles; the output is `bool` in the shape of X.
///
/// <https://onnx.ai/onnx/operators/onnx__IsNaN.html>
#[derive(Debug)]
struct IsNan;

pub(super) fn parse(_context: &Context, _node: &NodeProto) -> Result<Arc<dyn Operator>> {
    Ok(Arc::new(IsNan))
}

impl Operator for IsNan {
    fn outputs(&self, inputs: &[Fact]) -> Result<Vec<Fact>> {
        let input = single("IsNaN", inputs)?;
        ensure!(input.datatype.is_float(), "IsNaN does not take {}", input.datatype);
        Ok(vec![Fact::new(Datatype::Bool, input.shape.iter().cloned())])
    }

    fn kernel(self: Arc<Self>, _inputs: &[Fact]) -> Result<Arc<dyn Kernel>> {
        Ok(self)
    }
}

impl Kernel for IsNan {
    fn run(&self, inputs: &[&Tensor]) -> Result<Vec<Tensor>> {
        let input = single("IsNaN", inputs)?;
        let data = match input.data() {
            TensorData::Fp16(values) => values.iter().map(|value| value.is_nan()).collect(),
            TensorData::Fp32(values) => values.iter().map(|value| value.is_nan()).collect(),
            TensorData::Fp64(values) => values.iter().map(|value| value.is_nan()).collect(),
            other => bail!("IsNaN does not take {}", other.datatype()),
        };
        Ok(vec![Tensor::new(input.shape().to_vec(), TensorData::Bool(data))?])
    }
}
