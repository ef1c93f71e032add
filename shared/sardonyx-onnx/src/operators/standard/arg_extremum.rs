use std::sync::Arc;

use anyhow::{Result, bail, ensure};
use sardonyx_core::tensor::{Datatype, Tensor, TensorData};
use tract_data::internal::TDim;

use super::axis;
use crate::operators::Context;
use crate::operators::operator::{Fact, Kernel, Operator, single};
use crate::proto::NodeProto;

/// The position of the greatest element along an axis, or of the least; of equal ones the first, or the last if so asked.
///
/// A NaN is neither, but for one in the first place, which no element is greater or less than: so it is in ONNX Runtime.
///
/// # Shapes
/// X of floats, doubles or integers; the output is `i64` with `axis` of size one, or without it.
///
/// <https://onnx.ai/onnx/operators/onnx__ArgMax.html>, <https://onnx.ai/onnx/operators/onnx__ArgMin.html>
#[derive(Debug)]
struct ArgExtremum {
    extremum: Extremum,
    axis: i64,
    keeps_dimension: bool,
    selects_last: bool,
}

#[derive(Clone, Copy, Debug)]
enum Extremum {
    Greatest,
    Least,
}

pub(super) fn parse(_context: &Context, node: &NodeProto) -> Result<Arc<dyn Operator>> {
    let extremum = match node.op_type.as_str() {
        "ArgMax" => Extremum::Greatest,
        "ArgMin" => Extremum::Least,
        other => bail!("{other} finds no extremum"),
    };
    Ok(Arc::new(ArgExtremum {
        extremum,
        axis: node.optional("axis")?.unwrap_or(0),
        keeps_dimension: node.optional("keepdims")?.unwrap_or(true),
        selects_last: node.optional("select_last_index")?.unwrap_or(false),
    }))
}

impl Operator for ArgExtremum {
    fn outputs(&self, inputs: &[Fact]) -> Result<Vec<Fact>> {
        let input = single(self.name(), inputs)?;
        let axis = axis(self.name(), self.axis, input.shape.len())?;
        ensure!(
            matches!(
                input.datatype,
                Datatype::Fp32 | Datatype::Fp64 | Datatype::Int64 | Datatype::Int32
            ),
            "{} does not take {}",
            self.name(),
            input.datatype
        );
        let mut shape = input.shape.clone();
        if self.keeps_dimension {
            shape[axis] = TDim::from(1);
        } else {
            shape.remove(axis);
        }
        Ok(vec![Fact::new(Datatype::Int64, shape)])
    }

    fn kernel(self: Arc<Self>, _inputs: &[Fact]) -> Result<Arc<dyn Kernel>> {
        Ok(self)
    }
}

impl Kernel for ArgExtremum {
    fn run(&self, inputs: &[&Tensor]) -> Result<Vec<Tensor>> {
        let input = single(self.name(), inputs)?;
        let axis = axis(self.name(), self.axis, input.shape().len())?;
        let len = input.shape()[axis];
        let inner: usize = input.shape()[axis + 1..].iter().product();
        ensure!(len > 0, "{} takes no axis without elements", self.name());
        let positions = match input.data() {
            TensorData::Fp32(values) => self.positions(values, len, inner),
            TensorData::Fp64(values) => self.positions(values, len, inner),
            TensorData::Int64(values) => self.positions(values, len, inner),
            TensorData::Int32(values) => self.positions(values, len, inner),
            other => bail!("{} does not take {}", self.name(), other.datatype()),
        };
        let mut shape = input.shape().to_vec();
        if self.keeps_dimension {
            shape[axis] = 1;
        } else {
            shape.remove(axis);
        }
        Ok(vec![Tensor::new(shape, TensorData::Int64(positions))?])
    }
}

impl ArgExtremum {
    fn name(&self) -> &'static str {
        match self.extremum {
            Extremum::Greatest => "ArgMax",
            Extremum::Least => "ArgMin",
        }
    }

    fn positions<T: PartialOrd + Copy>(&self, values: &[T], len: usize, inner: usize) -> Vec<i64> {
        let is_better = match self.extremum {
            Extremum::Greatest => |value: T, best: T| value > best,
            Extremum::Least => |value: T, best: T| value < best,
        };
        let mut positions = Vec::with_capacity(values.len() / len);
        for block in values.chunks_exact((len * inner).max(1)) {
            for offset in 0..inner {
                let mut best = (0, block[offset]);
                for position in 1..len {
                    let value = block[position * inner + offset];
                    if is_better(value, best.1) || self.selects_last && value == best.1 {
                        best = (position, value);
                    }
                }
                positions.push(best.0 as i64);
            }
        }
        positions
    }
}
