use std::sync::Arc;

use sardonyx_core::tensor::{Datatype, Tensor, TensorData};
use tract_onnx::model::ParsingContext;
use tract_onnx::pb::NodeProto;
use tract_onnx::tract_hir::internal::{TDim, TractResult, bail, ensure};

use super::axis;
use crate::operators::operator::{Fact, Kernel, Operator, single};

/// The position of the greatest element along an axis; of equal ones the first, or the last if so asked.
///
/// A NaN is never the greatest, but for one in the first place, which no element is greater than: so it is in ONNX Runtime.
///
/// # Shapes
/// X of floats, doubles or integers; the output is `i64` with `axis` of size one, or without it.
///
/// <https://onnx.ai/onnx/operators/onnx__ArgMax.html>
#[derive(Debug)]
struct ArgMax {
    axis: i64,
    keeps_dimension: bool,
    selects_last: bool,
}

pub(super) fn parse(_context: &ParsingContext, node: &NodeProto) -> TractResult<Arc<dyn Operator>> {
    Ok(Arc::new(ArgMax {
        axis: node.get_attr_opt("axis")?.unwrap_or(0),
        keeps_dimension: node.get_attr_opt("keepdims")?.unwrap_or(true),
        selects_last: node.get_attr_opt("select_last_index")?.unwrap_or(false),
    }))
}

impl Operator for ArgMax {
    fn outputs(&self, inputs: &[Fact]) -> TractResult<Vec<Fact>> {
        let input = single("ArgMax", inputs)?;
        let axis = axis("ArgMax", self.axis, input.shape.len())?;
        ensure!(
            matches!(
                input.datatype,
                Datatype::Fp32 | Datatype::Fp64 | Datatype::Int64 | Datatype::Int32
            ),
            "ArgMax does not take {}",
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

    fn kernel(self: Arc<Self>, _inputs: &[Fact]) -> TractResult<Arc<dyn Kernel>> {
        Ok(self)
    }
}

impl Kernel for ArgMax {
    fn run(&self, inputs: &[&Tensor]) -> TractResult<Vec<Tensor>> {
        let input = single("ArgMax", inputs)?;
        let axis = axis("ArgMax", self.axis, input.shape().len())?;
        let len = input.shape()[axis];
        let inner: usize = input.shape()[axis + 1..].iter().product();
        ensure!(len > 0, "ArgMax takes no axis without elements");
        let positions = match input.data() {
            TensorData::Fp32(values) => self.positions(values, len, inner),
            TensorData::Fp64(values) => self.positions(values, len, inner),
            TensorData::Int64(values) => self.positions(values, len, inner),
            TensorData::Int32(values) => self.positions(values, len, inner),
            other => bail!("ArgMax does not take {}", other.datatype()),
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

impl ArgMax {
    fn positions<T: PartialOrd + Copy>(&self, values: &[T], len: usize, inner: usize) -> Vec<i64> {
        let mut positions = Vec::with_capacity(values.len() / len);
        for block in values.chunks_exact((len * inner).max(1)) {
            for offset in 0..inner {
                let mut greatest = (0, block[offset]);
                for position in 1..len {
                    let value = block[position * inner + offset];
                    if value > greatest.1 || self.selects_last && value == greatest.1 {
                        greatest = (position, value);
                    }
                }
                positions.push(greatest.0 as i64);
            }
        }
        positions
    }
}
