use std::sync::Arc;

use anyhow::{Result, bail, ensure};
use sardonyx_core::tensor::{Datatype, Tensor, TensorData};
use tract_data::internal::ToDim;

use super::operator::{Fact, Kernel, Operator};
use super::standard::from_start;
use crate::operators::Context;
use crate::proto::NodeProto;

/// `log(sum(exp(x)))` over some axes, with the greatest value taken out first, so that nothing overflows. tract's own does overflow.
///
/// The axes are an attribute, or since operator set 18 an input, which must be constant.
///
/// No axes mean all of them, or none when `noop_with_empty_axes` is set.
///
/// # Shapes
/// X of any shape, of floats or doubles; in the output the axes have the size 1, or are gone when `keepdims` is 0.
///
/// <https://onnx.ai/onnx/operators/onnx__ReduceLogSumExp.html>
#[derive(Debug)]
struct ReduceLogSumExp {
    /// As given: negative ones count from the end.
    axes: Vec<i64>,
    /// Whether no axes at all means every axis.
    reduces_all: bool,
    keeps_dimensions: bool,
}

pub(super) fn parse(context: &Context, node: &NodeProto) -> Result<Arc<dyn Operator>> {
    let axes = match node.input.get(1).filter(|name| !name.is_empty()) {
        Some(name) => constant(context, name)?,
        None => node.optional::<&[i64]>("axes")?.unwrap_or_default().to_vec(),
    };
    Ok(Arc::new(ReduceLogSumExp {
        axes,
        reduces_all: node.optional::<i64>("noop_with_empty_axes")?.unwrap_or(0) == 0,
        keeps_dimensions: node.optional::<i64>("keepdims")?.unwrap_or(1) != 0,
    }))
}

/// The integers of a constant.
fn constant(context: &Context, name: &str) -> Result<Vec<i64>> {
    match (context.constant)(name)?.map(Tensor::into_data) {
        Some(TensorData::Int64(axes)) => Ok(axes),
        Some(other) => bail!("ReduceLogSumExp takes axes of INT64, not {}", other.datatype()),
        None => bail!("ReduceLogSumExp takes only constant axes, and {name:?} is none"),
    }
}

impl ReduceLogSumExp {
    /// For each axis of an input, whether it is reduced.
    fn is_reduced(&self, rank: usize) -> Result<Vec<bool>> {
        let mut is_reduced = vec![self.axes.is_empty() && self.reduces_all; rank];
        for &axis in &self.axes {
            match from_start(axis, rank) {
                Some(axis) => is_reduced[axis] = true,
                None => bail!("ReduceLogSumExp reduces the axis {axis}, but its input has {rank}"),
            }
        }
        Ok(is_reduced)
    }

    fn reduced_shape<T: Clone>(&self, shape: &[T], one: &T) -> Result<Vec<T>> {
        let axes = shape.iter().zip(self.is_reduced(shape.len())?);
        let kept = axes.filter_map(|(size, is_reduced)| match (is_reduced, self.keeps_dimensions) {
            (false, _) => Some(size.clone()),
            (true, true) => Some(one.clone()),
            (true, false) => None,
        });
        Ok(kept.collect())
    }
}

impl Operator for ReduceLogSumExp {
    fn outputs(&self, inputs: &[Fact]) -> Result<Vec<Fact>> {
        let Some(input) = inputs.first() else {
            bail!("ReduceLogSumExp has no input")
        };
        ensure!(
            matches!(input.datatype, Datatype::Fp32 | Datatype::Fp64),
            "ReduceLogSumExp does not take {}",
            input.datatype
        );
        let shape = self.reduced_shape(&input.shape, &1.to_dim())?;
        Ok(vec![Fact::new(input.datatype, shape)])
    }

    fn kernel(self: Arc<Self>, _inputs: &[Fact]) -> Result<Arc<dyn Kernel>> {
        Ok(self)
    }
}

macro_rules! log_sum_exp {
    ($type:ty, $values:expr, $targets:expr, $len:expr) => {{
        let mut greatest = vec![<$type>::NEG_INFINITY; $len];
        for (value, &target) in $values.iter().zip(&$targets) {
            greatest[target] = greatest[target].max(*value);
        }
        // Infinity minus infinity would be NaN.
        let shifts: Vec<$type> = greatest
            .iter()
            .map(|value| if value.is_finite() { *value } else { 0.0 })
            .collect();
        let mut sums = vec![0.0; $len];
        for (value, &target) in $values.iter().zip(&$targets) {
            sums[target] += (value - shifts[target]).exp();
        }
        sums.iter()
            .zip(shifts)
            .map(|(sum, shift): (&$type, $type)| sum.ln() + shift)
            .collect::<Vec<$type>>()
    }};
}

impl Kernel for ReduceLogSumExp {
    fn run(&self, inputs: &[&Tensor]) -> Result<Vec<Tensor>> {
        let Some(input) = inputs.first() else {
            bail!("ReduceLogSumExp has no input")
        };
        let targets = targets(input.shape(), &self.is_reduced(input.shape().len())?);
        let shape = self.reduced_shape(input.shape(), &1)?;
        let len = shape.iter().product();
        let data = match input.data() {
            TensorData::Fp32(values) => TensorData::Fp32(log_sum_exp!(f32, values, targets, len)),
            TensorData::Fp64(values) => TensorData::Fp64(log_sum_exp!(f64, values, targets, len)),
            other => bail!("ReduceLogSumExp does not take {}", other.datatype()),
        };
        Ok(vec![Tensor::new(shape, data)?])
    }
}

/// For each element, where it is reduced to.
fn targets(shape: &[usize], is_reduced: &[bool]) -> Vec<usize> {
    let mut targets = vec![0];
    let mut kept = 1;
    // From the last axis to the first, each repeats what is there for all of its positions.
    for (&size, is_reduced) in shape.iter().zip(is_reduced).rev() {
        let step = if *is_reduced { 0 } else { kept };
        targets = (0..size)
            .flat_map(|position| targets.iter().map(move |target| target + position * step))
            .collect();
        if !is_reduced {
            kept *= size;
        }
    }
    targets
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Node, assert_close, floats, node, run, run_error};

    fn reduce() -> Node {
        node("", "ReduceLogSumExp")
    }

    #[test]
    fn great_values_do_not_overflow_and_infinities_stay() {
        let infinity = f32::INFINITY;
        let rows = [
            1000.0,
            1000.0,
            -1000.0,
            -1000.0,
            -infinity,
            -infinity,
            infinity,
            0.0,
            0.0,
            f32::NAN,
        ];
        let ln_2 = std::f32::consts::LN_2;
        let output = run(&reduce().with("axes", vec![-1i64]), vec![floats([5, 2], &rows)]);
        let expected = [1000.0 + ln_2, -1000.0 + ln_2, -infinity, infinity, f32::NAN];
        assert_close(&output, [5, 1], &expected);
    }

    #[test]
    fn any_axes_are_reduced_and_kept_or_not() {
        let values: Vec<f32> = (0..24).map(|value| value as f32 / 8.0).collect();
        let log_sum = |indices: &[usize]| indices.iter().map(|index| values[*index].exp()).sum::<f32>().ln();
        let input = || vec![floats([2, 3, 4], &values)];
        let expected: Vec<f32> = (0..3)
            .map(|middle| log_sum(&[0, 1, 2, 3, 12, 13, 14, 15].map(|index| index + 4 * middle)))
            .collect();
        assert_close(
            &run(&reduce().with("axes", vec![0i64, 2]), input()),
            [1, 3, 1],
            &expected,
        );
        let node = reduce().with("axes", vec![-1i64, 0]).with("keepdims", 0i64);
        assert_close(&run(&node, input()), [3], &expected);
        let all: Vec<usize> = (0..24).collect();
        assert_close(&run(&reduce().with("keepdims", 0i64), input()), [], &[log_sum(&all)]);
        let node = reduce().with("noop_with_empty_axes", 1i64);
        assert_close(&run(&node, input()), [2, 3, 4], &values);
    }

    #[test]
    fn an_axis_that_is_not_there_is_refused() {
        for axis in [2, -3, i64::MIN, i64::MAX] {
            let error = run_error(&reduce().with("axes", vec![axis]), vec![floats([1, 1], &[0.0])]);
            assert_eq!(
                error,
                format!("ReduceLogSumExp reduces the axis {axis}, but its input has 2")
            );
        }
    }
}
