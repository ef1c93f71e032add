use std::sync::Arc;

use anyhow::{Result, bail};
use sardonyx_core::tensor::{Tensor, TensorData};

use crate::operators::Context;
use crate::operators::operator::{Fact, Kernel, Operator};
use crate::proto::{NodeProto, TensorProto};

/// A tensor that a node has as an attribute.
///
/// <https://onnx.ai/onnx/operators/onnx__Constant.html>
#[derive(Debug)]
struct Constant {
    tensor: Tensor,
}

pub(super) fn parse(_context: &Context, node: &NodeProto) -> Result<Arc<dyn Operator>> {
    let row = |data: TensorData| Tensor::new(vec![data.len()], data);
    let scalar = |data: TensorData| Tensor::new(vec![], data);
    let tensor = if let Some(proto) = node.optional::<&TensorProto>("value")? {
        proto.to_tensor()?
    } else if let Some(value) = node.optional("value_float")? {
        scalar(TensorData::Fp32(vec![value]))?
    } else if let Some(value) = node.optional("value_int")? {
        scalar(TensorData::Int64(vec![value]))?
    } else if let Some(values) = node.optional::<&[f32]>("value_floats")? {
        row(TensorData::Fp32(values.to_vec()))?
    } else if let Some(values) = node.optional::<&[i64]>("value_ints")? {
        row(TensorData::Int64(values.to_vec()))?
    } else {
        bail!("Constant has here a value of numbers")
    };
    Ok(Arc::new(Constant { tensor }))
}

impl Operator for Constant {
    fn outputs(&self, inputs: &[Fact]) -> Result<Vec<Fact>> {
        if !inputs.is_empty() {
            bail!("Constant takes no inputs");
        }
        let shape = self.tensor.shape().iter().map(|size| (*size).into());
        Ok(vec![Fact::new(self.tensor.datatype(), shape)])
    }

    fn kernel(self: Arc<Self>, _inputs: &[Fact]) -> Result<Arc<dyn Kernel>> {
        Ok(self)
    }
}

impl Kernel for Constant {
    fn run(&self, _inputs: &[&Tensor]) -> Result<Vec<Tensor>> {
        Ok(vec![self.tensor.clone()])
    }
}
