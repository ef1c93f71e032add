use std::sync::Arc;

use anyhow::{Result, bail, ensure};
use sardonyx_core::tensor::{Datatype, Tensor, TensorData};

use super::broadcast::{broadcast, broadcast_sizes, combine};
use crate::operators::Context;
use crate::operators::operator::{Fact, Kernel, Operator};
use crate::proto::NodeProto;

/// `a == b`, `a > b`, `a >= b`, `a < b`, `a <= b`. None of them holds of a NaN.
///
/// # Shapes
/// Two inputs of one type (floats, doubles, `i32`, `i64`), aligned at their last dimensions, where a size of one is repeated; the output is
/// bool and as large as the larger of each.
///
/// <https://onnx.ai/onnx/operators/onnx__Equal.html>, and the like.
#[derive(Clone, Copy, Debug)]
enum Comparison {
    Equal,
    Greater,
    GreaterOrEqual,
    Less,
    LessOrEqual,
}

pub(super) fn parse(_context: &Context, node: &NodeProto) -> Result<Arc<dyn Operator>> {
    Ok(Arc::new(match node.op_type.as_str() {
        "Equal" => Comparison::Equal,
        "Greater" => Comparison::Greater,
        "GreaterOrEqual" => Comparison::GreaterOrEqual,
        "Less" => Comparison::Less,
        "LessOrEqual" => Comparison::LessOrEqual,
        other => bail!("{other} is no comparison"),
    }))
}

impl Operator for Comparison {
    fn outputs(&self, inputs: &[Fact]) -> Result<Vec<Fact>> {
        let [a, b] = inputs else {
            bail!("{self:?} takes two inputs, not {}", inputs.len())
        };
        ensure!(
            a.datatype == b.datatype,
            "{self:?} takes inputs of one type, not {} and {}",
            a.datatype,
            b.datatype
        );
        ensure!(
            matches!(
                a.datatype,
                Datatype::Fp32 | Datatype::Fp64 | Datatype::Int64 | Datatype::Int32
            ),
            "{self:?} does not take {}",
            a.datatype
        );
        Ok(vec![Fact::new(Datatype::Bool, broadcast(&a.shape, &b.shape)?)])
    }

    fn kernel(self: Arc<Self>, _inputs: &[Fact]) -> Result<Arc<dyn Kernel>> {
        Ok(self)
    }

    fn is_elementwise(&self) -> bool {
        true
    }
}

impl Comparison {
    fn holds<T: PartialOrd + Copy>(self, a: &[T], b: &[T], sizes: (&[usize], &[usize], &[usize])) -> Vec<bool> {
        let (a_shape, b_shape, shape) = sizes;
        match self {
            Self::Equal => combine(a, b, sizes, |a, b| a == b),
            Self::Less => combine(a, b, sizes, |a, b| a < b),
            Self::LessOrEqual => combine(a, b, sizes, |a, b| a <= b),
            Self::Greater => Self::Less.holds(b, a, (b_shape, a_shape, shape)),
            Self::GreaterOrEqual => Self::LessOrEqual.holds(b, a, (b_shape, a_shape, shape)),
        }
    }
}

impl Kernel for Comparison {
    fn run(&self, inputs: &[&Tensor]) -> Result<Vec<Tensor>> {
        let [a, b] = inputs else {
            bail!("{self:?} takes two inputs, not {}", inputs.len())
        };
        let shape = broadcast_sizes(a.shape(), b.shape())?;
        let sizes = (a.shape(), b.shape(), shape.as_slice());
        let holds = match (a.data(), b.data()) {
            (TensorData::Fp32(a), TensorData::Fp32(b)) => self.holds(a, b, sizes),
            (TensorData::Fp64(a), TensorData::Fp64(b)) => self.holds(a, b, sizes),
            (TensorData::Int64(a), TensorData::Int64(b)) => self.holds(a, b, sizes),
            (TensorData::Int32(a), TensorData::Int32(b)) => self.holds(a, b, sizes),
            (a, b) => bail!("{self:?} does not take {} and {}", a.datatype(), b.datatype()),
        };
        Ok(vec![Tensor::new(shape.to_vec(), TensorData::Bool(holds))?])
    }
}
