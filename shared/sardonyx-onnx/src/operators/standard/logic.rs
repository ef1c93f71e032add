use std::sync::Arc;

use anyhow::{Result, bail, ensure};
use sardonyx_core::tensor::{Datatype, Tensor, TensorData};
use tract_data::internal::{TDim, TVec};

use super::broadcast::{broadcast, broadcast_sizes, combine};
use crate::operators::Context;
use crate::operators::operator::{Fact, Kernel, Operator};
use crate::proto::NodeProto;

/// `not a`, `a and b`, `a or b`, either `a` or `b`.
///
/// # Shapes
/// One or two inputs of bools, aligned at their last dimensions, where a size of one is repeated; the output is bool and as large as the
/// larger of each.
///
/// <https://onnx.ai/onnx/operators/onnx__Not.html>, and the like.
#[derive(Clone, Copy, Debug)]
enum Logic {
    And,
    Not,
    Or,
    Xor,
}

pub(super) fn parse(_context: &Context, node: &NodeProto) -> Result<Arc<dyn Operator>> {
    Ok(Arc::new(match node.op_type.as_str() {
        "And" => Logic::And,
        "Not" => Logic::Not,
        "Or" => Logic::Or,
        "Xor" => Logic::Xor,
        other => bail!("{other} is no logic"),
    }))
}

impl Operator for Logic {
    fn outputs(&self, inputs: &[Fact]) -> Result<Vec<Fact>> {
        for input in inputs {
            let datatype = input.datatype;
            ensure!(datatype == Datatype::Bool, "{self:?} does not take {datatype}");
        }
        let shape: TVec<TDim> = match (self, inputs) {
            (Self::Not, [a]) => a.shape.clone(),
            (Self::And | Self::Or | Self::Xor, [a, b]) => broadcast(&a.shape, &b.shape)?,
            _ => bail!("{self:?} does not take {} inputs", inputs.len()),
        };
        Ok(vec![Fact::new(Datatype::Bool, shape)])
    }

    fn kernel(self: Arc<Self>, _inputs: &[Fact]) -> Result<Arc<dyn Kernel>> {
        Ok(self)
    }

    fn is_elementwise(&self) -> bool {
        true
    }
}

impl Kernel for Logic {
    fn run(&self, inputs: &[&Tensor]) -> Result<Vec<Tensor>> {
        let data: Vec<&[bool]> = inputs.iter().map(|input| bools(input)).collect::<Result<_>>()?;
        let (shape, holds) = match (self, &data[..], inputs) {
            (Self::Not, [a], [input]) => (input.shape().into(), a.iter().map(|a| !a).collect()),
            (_, [a, b], [first, second]) => {
                let shape = broadcast_sizes(first.shape(), second.shape())?;
                let sizes = (first.shape(), second.shape(), shape.as_slice());
                let holds = match self {
                    Self::And => combine(a, b, sizes, |a, b| a && b),
                    Self::Or => combine(a, b, sizes, |a, b| a || b),
                    Self::Xor => combine(a, b, sizes, |a, b| a != b),
                    Self::Not => bail!("Not does not take 2 inputs"),
                };
                (shape, holds)
            }
            _ => bail!("{self:?} does not take {} inputs", inputs.len()),
        };
        Ok(vec![Tensor::new(shape.to_vec(), TensorData::Bool(holds))?])
    }
}

fn bools(tensor: &Tensor) -> Result<&[bool]> {
    match tensor.data() {
        TensorData::Bool(bools) => Ok(bools),
        other => bail!("{} is no bool", other.datatype()),
    }
}
