use std::sync::Arc;

use anyhow::{Result, bail, ensure};
use sardonyx_core::tensor::{Datatype, Tensor, TensorData};

use super::broadcast::{broadcast, broadcast_sizes, combine};
use crate::operators::Context;
use crate::operators::operator::{Fact, Kernel, Operator};
use crate::proto::NodeProto;

/// Where: the elements of X where a condition holds, and those of Y where it does not.
///
/// # Shapes
/// The condition of bools, X and Y of one type (floats, doubles, `i32`, `i64`, bools), aligned at their last dimensions, where a size of one
/// is repeated; the output has the type of X and is as large as the largest of each.
///
/// <https://onnx.ai/onnx/operators/onnx__Where.html>
#[derive(Debug)]
struct Where;

pub(super) fn parse(_context: &Context, _node: &NodeProto) -> Result<Arc<dyn Operator>> {
    Ok(Arc::new(Where))
}

impl Operator for Where {
    fn outputs(&self, inputs: &[Fact]) -> Result<Vec<Fact>> {
        let [condition, x, y] = inputs else {
            bail!("Where takes three inputs, not {}", inputs.len())
        };
        ensure!(
            condition.datatype == Datatype::Bool,
            "Where takes a condition of bools, not {}",
            condition.datatype
        );
        ensure!(
            x.datatype == y.datatype,
            "Where takes inputs of one type, not {} and {}",
            x.datatype,
            y.datatype
        );
        ensure!(
            matches!(
                x.datatype,
                Datatype::Fp32 | Datatype::Fp64 | Datatype::Int64 | Datatype::Int32 | Datatype::Bool
            ),
            "Where does not take {}",
            x.datatype
        );
        let shape = broadcast(&broadcast(&condition.shape, &x.shape)?, &y.shape)?;
        Ok(vec![Fact::new(x.datatype, shape)])
    }

    fn kernel(self: Arc<Self>, _inputs: &[Fact]) -> Result<Arc<dyn Kernel>> {
        Ok(self)
    }

    fn is_elementwise(&self) -> bool {
        true
    }
}

impl Kernel for Where {
    fn run(&self, inputs: &[&Tensor]) -> Result<Vec<Tensor>> {
        let [condition, x, y] = inputs else {
            bail!("Where takes three inputs, not {}", inputs.len())
        };
        let TensorData::Bool(holds) = condition.data() else {
            bail!("Where takes a condition of bools, not {}", condition.datatype())
        };
        let picked_shape = broadcast_sizes(condition.shape(), x.shape())?;
        let shape = broadcast_sizes(&picked_shape, y.shape())?;
        macro_rules! pick {
            ($x:expr, $y:expr) => {{
                let sizes = (condition.shape(), x.shape(), picked_shape.as_slice());
                let picked = combine(holds, $x, sizes, |holds, x| holds.then_some(x));
                let sizes = (picked_shape.as_slice(), y.shape(), shape.as_slice());
                combine(&picked, $y, sizes, |picked, y| picked.unwrap_or(y))
            }};
        }
        let data = match (x.data(), y.data()) {
            (TensorData::Fp32(x), TensorData::Fp32(y)) => TensorData::Fp32(pick!(x, y)),
            (TensorData::Fp64(x), TensorData::Fp64(y)) => TensorData::Fp64(pick!(x, y)),
            (TensorData::Int64(x), TensorData::Int64(y)) => TensorData::Int64(pick!(x, y)),
            (TensorData::Int32(x), TensorData::Int32(y)) => TensorData::Int32(pick!(x, y)),
            (TensorData::Bool(x), TensorData::Bool(y)) => TensorData::Bool(pick!(x, y)),
            (x, y) => bail!("Where does not take {} and {}", x.datatype(), y.datatype()),
        };
        Ok(vec![Tensor::new(shape.to_vec(), data)?])
    }
}
