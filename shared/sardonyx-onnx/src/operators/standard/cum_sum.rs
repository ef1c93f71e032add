use std::sync::Arc;

use anyhow::{Result, bail, ensure};
use sardonyx_core::tensor::{Datatype, Tensor, TensorData};

use super::{axis, constant_integers, lanes};
use crate::operators::Context;
use crate::operators::operator::{Fact, Kernel, Operator, first};
use crate::proto::NodeProto;

/// The sum of all elements along an axis up to each one, or before it when `exclusive` is set; from the end when `reverse` is.
///
/// # Shapes
/// X of floats, doubles, `i32` or `i64`, the axis a constant; the output has the type and shape of X.
///
/// <https://onnx.ai/onnx/operators/onnx__CumSum.html>
#[derive(Debug)]
struct CumSum {
    axis: i64,
    is_exclusive: bool,
    is_reversed: bool,
}

pub(super) fn parse(context: &Context, node: &NodeProto) -> Result<Arc<dyn Operator>> {
    let [_, axis] = &node.input[..] else {
        bail!("CumSum takes two inputs, not {}", node.input.len())
    };
    let axes = constant_integers(context, "CumSum", axis)?;
    let [axis] = axes[..] else {
        bail!("CumSum takes one axis, not {}", axes.len())
    };
    let is_set = |name| node.optional::<i64>(name).map(|value| value.unwrap_or(0) != 0);
    Ok(Arc::new(CumSum {
        axis,
        is_exclusive: is_set("exclusive")?,
        is_reversed: is_set("reverse")?,
    }))
}

impl CumSum {
    fn sums<T: Copy + Default>(&self, values: &[T], shape: &[usize], axis: usize, add: fn(T, T) -> T) -> Vec<T> {
        let mut sums = values.to_vec();
        if sums.is_empty() {
            return sums;
        }
        let (size, inner) = (shape[axis], shape[axis + 1..].iter().product::<usize>());
        for start in lanes(shape, axis) {
            let mut sum = T::default();
            for step in 0..size {
                let position = if self.is_reversed { size - 1 - step } else { step };
                let element = &mut sums[start + position * inner];
                let before = sum;
                sum = add(sum, *element);
                *element = if self.is_exclusive { before } else { sum };
            }
        }
        sums
    }
}

impl Operator for CumSum {
    fn outputs(&self, inputs: &[Fact]) -> Result<Vec<Fact>> {
        let input = first("CumSum", inputs)?;
        ensure!(
            matches!(
                input.datatype,
                Datatype::Fp32 | Datatype::Fp64 | Datatype::Int32 | Datatype::Int64
            ),
            "CumSum does not take {}",
            input.datatype
        );
        axis("CumSum", self.axis, input.shape.len())?;
        Ok(vec![Fact::new(input.datatype, input.shape.iter().cloned())])
    }

    fn kernel(self: Arc<Self>, _inputs: &[Fact]) -> Result<Arc<dyn Kernel>> {
        Ok(self)
    }
}

impl Kernel for CumSum {
    fn run(&self, inputs: &[&Tensor]) -> Result<Vec<Tensor>> {
        let input: &Tensor = first("CumSum", inputs)?;
        let shape = input.shape();
        let axis = axis("CumSum", self.axis, shape.len())?;
        let data = match input.data() {
            TensorData::Fp32(values) => TensorData::Fp32(self.sums(values, shape, axis, |a, b| a + b)),
            TensorData::Fp64(values) => TensorData::Fp64(self.sums(values, shape, axis, |a, b| a + b)),
            TensorData::Int32(values) => TensorData::Int32(self.sums(values, shape, axis, i32::wrapping_add)),
            TensorData::Int64(values) => TensorData::Int64(self.sums(values, shape, axis, i64::wrapping_add)),
            other => bail!("CumSum does not take {}", other.datatype()),
        };
        Ok(vec![Tensor::new(shape.to_vec(), data)?])
    }

    fn operands(&self, _inputs: usize) -> usize {
        1
    }
}

#[cfg(test)]
mod tests {
    use super::CumSum;

    #[test]
    fn sums_go_along_the_axis_from_either_end_with_or_without_the_element() {
        let values = [1, 2, 3, 4, 5, 6];
        let sums = |axis, is_exclusive, is_reversed| {
            let sum = CumSum {
                axis: 0,
                is_exclusive,
                is_reversed,
            };
            sum.sums(&values, &[2, 3], axis, i32::wrapping_add)
        };
        assert_eq!(sums(1, false, false), [1, 3, 6, 4, 9, 15]);
        assert_eq!(sums(1, true, false), [0, 1, 3, 0, 4, 9]);
        assert_eq!(sums(1, false, true), [6, 5, 3, 15, 11, 6]);
        assert_eq!(sums(0, true, true), [4, 5, 6, 0, 0, 0]);
        let sum = CumSum {
            axis: 0,
            is_exclusive: false,
            is_reversed: false,
        };
        assert_eq!(sum.sums(&[], &[1 << 40, 0], 1, i32::wrapping_add), [0; 0]);
        assert_eq!(
            sum.sums(&[i32::MAX, 1], &[2], 0, i32::wrapping_add),
            [i32::MAX, i32::MIN]
        );
    }
}
