use std::sync::Arc;

use anyhow::{Result, ensure};
use sardonyx_core::tensor::Tensor;

use super::gather::gather;
use crate::operators::Context;
use crate::operators::operator::{Fact, Kernel, Operator, single};
use crate::proto::NodeProto;

/// The same elements with the axes in another order; without one, in that from the last to the first.
///
/// # Shapes
/// X of any type and shape.
///
/// <https://onnx.ai/onnx/operators/onnx__Transpose.html>
#[derive(Debug)]
struct Transpose {
    order: Option<Vec<i64>>,
}

pub(super) fn parse(_context: &Context, node: &NodeProto) -> Result<Arc<dyn Operator>> {
    Ok(Arc::new(Transpose {
        order: node.optional::<&[i64]>("perm")?.map(<[i64]>::to_vec),
    }))
}

impl Transpose {
    /// For each axis of the output, which one of the input it is.
    fn order(&self, rank: usize) -> Result<Vec<usize>> {
        let Some(given) = &self.order else {
            return Ok((0..rank).rev().collect());
        };
        let order: Vec<usize> = given.iter().filter_map(|axis| usize::try_from(*axis).ok()).collect();
        let mut sorted = order.clone();
        sorted.sort_unstable();
        ensure!(
            order.len() == given.len() && sorted.into_iter().eq(0..rank),
            "Transpose has no order of {rank} axes in {given:?}"
        );
        Ok(order)
    }
}

impl Operator for Transpose {
    fn outputs(&self, inputs: &[Fact]) -> Result<Vec<Fact>> {
        let input = single("Transpose", inputs)?;
        let order = self.order(input.shape.len())?;
        let shape = order.into_iter().map(|axis| input.shape[axis].clone());
        Ok(vec![Fact::new(input.datatype, shape)])
    }

    fn kernel(self: Arc<Self>, _inputs: &[Fact]) -> Result<Arc<dyn Kernel>> {
        Ok(self)
    }

    fn is_identity(&self, inputs: &[Fact]) -> bool {
        let [input] = inputs else { return false };
        let order = self.order(input.shape.len());
        order.is_ok_and(|order| order.is_sorted())
    }
}

impl Kernel for Transpose {
    fn run(&self, inputs: &[&Tensor]) -> Result<Vec<Tensor>> {
        let input: &Tensor = single("Transpose", inputs)?;
        let order = self.order(input.shape().len())?;
        let shape: Vec<usize> = order.iter().map(|axis| input.shape()[*axis]).collect();
        // There may be many positions of nothing.
        if input.data().is_empty() {
            return Ok(vec![Tensor::new(shape, input.data().clone())?]);
        }
        let mut strides = vec![1; order.len()];
        for axis in (1..order.len()).rev() {
            strides[axis - 1] = strides[axis] * input.shape()[axis];
        }
        // Where each element comes from: from the last axis to the first, each repeats what is there for all of its positions.
        let mut at = vec![0];
        for &axis in order.iter().rev() {
            let size = input.shape()[axis];
            let mut all = Vec::with_capacity(size * at.len());
            for position in 0..size {
                all.extend(at.iter().map(|inner| position * strides[axis] + inner));
            }
            at = all;
        }
        Ok(vec![Tensor::new(
            shape,
            gather(input.data(), input.data().len(), 1, &at),
        )?])
    }
}

#[cfg(test)]
mod tests {
    use crate::operators::testing::{floats, node, run, run_error};

    #[test]
    fn axes_are_put_in_another_order() {
        let values: Vec<f32> = (0..6).map(|value| value as f32).collect();
        let input = || vec![floats([1, 2, 3], &values)];
        let turned = [0.0, 3.0, 1.0, 4.0, 2.0, 5.0];
        assert_eq!(run(&node("", "Transpose"), input()), floats([3, 2, 1], &turned));
        let to = |order: Vec<i64>| node("", "Transpose").with("perm", order);
        assert_eq!(run(&to(vec![2, 0, 1]), input()), floats([3, 1, 2], &turned));
        assert_eq!(run(&to(vec![0, 1, 2]), input()), input()[0]);
        let none = run(&to(vec![2, 0, 1]), vec![floats([0, 1 << 40, 3], &[])]);
        assert_eq!(none, floats([3, 0, 1 << 40], &[]));
    }

    #[test]
    fn what_is_no_order_is_refused() {
        for order in [vec![0i64, 0], vec![0], vec![0, 2], vec![-1, 0]] {
            let error = run_error(&node("", "Transpose").with("perm", order), vec![floats([1, 1], &[0.0])]);
            assert!(error.starts_with("Transpose has no order of 2 axes in"), "{error}");
        }
    }
}
