use std::sync::Arc;

use anyhow::{Context as _, Result, ensure};
use sardonyx_core::tensor::{Datatype, Tensor, TensorData};

use super::gather::gather;
use super::{axis, elements, from_start, integers};
use crate::operators::Context;
use crate::operators::operator::{Fact, Kernel, Operator, two};
use crate::proto::NodeProto;

/// For each place of the positions, the element of X at this place, but for an axis along which the position says where; it counts from the end
/// when negative.
///
/// # Shapes
/// X of any type but texts; positions `i32` or `i64` of as many dimensions, none larger than that of X but for the axis; the output has their shape.
///
/// <https://onnx.ai/onnx/operators/onnx__GatherElements.html>
#[derive(Debug)]
struct GatherElements {
    axis: i64,
}

pub(super) fn parse(_context: &Context, node: &NodeProto) -> Result<Arc<dyn Operator>> {
    Ok(Arc::new(GatherElements {
        axis: node.optional("axis")?.unwrap_or(0),
    }))
}

impl GatherElements {
    fn axis(&self, x: usize, positions: usize) -> Result<usize> {
        ensure!(
            x == positions,
            "GatherElements takes inputs of as many dimensions, not {x} and {positions}"
        );
        axis("GatherElements", self.axis, x)
    }
}

impl Operator for GatherElements {
    fn outputs(&self, inputs: &[Fact]) -> Result<Vec<Fact>> {
        let [x, positions] = two("GatherElements", inputs)?;
        ensure!(
            matches!(positions.datatype, Datatype::Int32 | Datatype::Int64),
            "GatherElements takes positions of INT32 or INT64, not {}",
            positions.datatype
        );
        // A long text would fill any memory.
        ensure!(
            x.datatype != Datatype::Bytes,
            "GatherElements does not take {} here",
            x.datatype
        );
        self.axis(x.shape.len(), positions.shape.len())?;
        Ok(vec![Fact::new(x.datatype, positions.shape.iter().cloned())])
    }

    fn kernel(self: Arc<Self>, _inputs: &[Fact]) -> Result<Arc<dyn Kernel>> {
        Ok(self)
    }
}

impl Kernel for GatherElements {
    fn run(&self, inputs: &[&Tensor]) -> Result<Vec<Tensor>> {
        let [x, positions] = two("GatherElements", inputs)?;
        let shape = positions.shape();
        let along = self.axis(x.shape().len(), shape.len())?;
        ensure!(
            (0..shape.len()).all(|axis| axis == along || shape[axis] <= x.shape()[axis]),
            "GatherElements takes positions of {shape:?}, but X has {:?}",
            x.shape()
        );
        if positions.data().is_empty() {
            return Ok(vec![Tensor::new(shape.to_vec(), TensorData::zeros(x.datatype(), 0))?]);
        }
        let mut strides = vec![1; shape.len()];
        for axis in (1..shape.len()).rev() {
            strides[axis - 1] = elements(&x.shape()[axis..]);
        }
        let size = x.shape()[along];
        let mut at = vec![0; shape.len()];
        let mut from = Vec::with_capacity(positions.data().len());
        for position in integers("GatherElements", positions)? {
            let position = from_start(position, size)
                .with_context(|| format!("GatherElements takes the element {position}, but there are {size}"))?;
            let others = (0..shape.len()).filter(|axis| *axis != along);
            let others: usize = others.map(|axis| at[axis] * strides[axis]).sum();
            from.push(others + position * strides[along]);
            for axis in (0..shape.len()).rev() {
                at[axis] += 1;
                if at[axis] < shape[axis] {
                    break;
                }
                at[axis] = 0;
            }
        }
        let data = gather(x.data(), x.data().len(), 1, &from);
        Ok(vec![Tensor::new(shape.to_vec(), data)?])
    }
}

#[cfg(test)]
mod tests {
    use super::{Tensor, TensorData};
    use crate::operators::testing::{floats, node, run, run_error};

    fn positions(shape: [usize; 2], values: &[i64]) -> Tensor {
        Tensor::new(shape.to_vec(), TensorData::Int64(values.to_vec())).expect("fits")
    }

    #[test]
    fn a_position_counts_along_the_axis_and_the_place_along_the_others() {
        let x = || floats([3, 2], &[0.0, 1.0, 2.0, 3.0, 4.0, 5.0]);
        let rows = run(
            &node("", "GatherElements"),
            vec![x(), positions([2, 2], &[2, 0, -1, 1])],
        );
        assert_eq!(rows, floats([2, 2], &[4.0, 1.0, 4.0, 3.0]));
        let columns = node("", "GatherElements").with("axis", -1i64);
        let found = run(&columns, vec![x(), positions([2, 3], &[1, 0, 1, 0, 0, -1])]);
        assert_eq!(found, floats([2, 3], &[1.0, 0.0, 1.0, 2.0, 2.0, 3.0]));
    }

    #[test]
    fn what_is_not_there_is_refused() {
        let error = |shape, values: &[i64]| {
            let x = floats([2, 2], &[0.0, 1.0, 2.0, 3.0]);
            run_error(&node("", "GatherElements"), vec![x, positions(shape, values)])
        };
        assert_eq!(
            error([1, 1], &[2]),
            "GatherElements takes the element 2, but there are 2"
        );
        assert_eq!(
            error([1, 1], &[-3]),
            "GatherElements takes the element -3, but there are 2"
        );
        assert_eq!(
            error([1, 3], &[0, 0, 0]),
            "GatherElements takes positions of [1, 3], but X has [2, 2]"
        );
    }
}
