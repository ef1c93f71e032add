use std::sync::Arc;

use anyhow::Result;
use sardonyx_core::tensor::Tensor;

use crate::operators::Context;
use crate::operators::operator::{Fact, Kernel, Operator, single};
use crate::proto::NodeProto;

/// The input as it is, of any type and shape.
///
/// <https://onnx.ai/onnx/operators/onnx__Identity.html>
#[derive(Debug)]
struct Identity;

pub(super) fn parse(_context: &Context, _node: &NodeProto) -> Result<Arc<dyn Operator>> {
    Ok(Arc::new(Identity))
}

impl Operator for Identity {
    fn outputs(&self, inputs: &[Fact]) -> Result<Vec<Fact>> {
        let input = single("Identity", inputs)?;
        Ok(vec![Fact::new(input.datatype, input.shape.iter().cloned())])
    }

    fn kernel(self: Arc<Self>, _inputs: &[Fact]) -> Result<Arc<dyn Kernel>> {
        Ok(self)
    }

    fn is_identity(&self, _inputs: &[Fact]) -> bool {
        true
    }
}

impl Kernel for Identity {
    fn run(&self, inputs: &[&Tensor]) -> Result<Vec<Tensor>> {
        let input: &Tensor = single("Identity", inputs)?;
        Ok(vec![input.clone()])
    }
}
