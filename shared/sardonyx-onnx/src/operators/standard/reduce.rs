use std::sync::Arc;

use anyhow::{Context as _, Result, bail, ensure};
use sardonyx_core::tensor::{Datatype, Tensor, TensorData};
use tract_data::internal::ToDim;

use super::{axes, from_start};
use crate::operators::Context;
use crate::operators::operator::{Fact, Kernel, Operator};
use crate::proto::NodeProto;

/// One number of all that lie along some axes, which are an attribute, or an input that is constant.
///
/// No axes mean all of them, or none when `noop_with_empty_axes` is set: then each number is one of its own.
///
/// Sums and products are computed as doubles, in the order of the elements, and rounded to the type of X once.
///
/// # Shapes
/// X of any shape, of floats or doubles; in the output the axes have the size 1, or are gone when `keepdims` is 0.
///
/// <https://onnx.ai/onnx/operators/onnx__ReduceSum.html>, and the like.
#[derive(Debug)]
struct Reduce {
    reduction: Reduction,
    /// As given: negative ones count from the end.
    axes: Vec<i64>,
    /// Whether no axes at all means every axis.
    reduces_all: bool,
    keeps_dimensions: bool,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Reduction {
    /// `sum(|x|)`
    L1,
    /// `sqrt(sum(x²))`
    L2,
    /// `log(sum(exp(x)))`, with the greatest value taken out first, so that nothing overflows. tract's own does overflow.
    LogSumExp,
    /// The greatest of them, of nothing minus infinity. A NaN is only if it is the first one; in ONNX Runtime it depends on its place, too.
    Max,
    /// `sum(x) / count(x)`, of nothing zero.
    Mean,
    /// The least of them, of nothing infinity, and else as [`Reduction::Max`].
    Min,
    /// The product of them, of nothing one.
    Prod,
    /// `sum(x)`
    Sum,
    /// `sum(x²)`
    SumSquare,
}

pub(in crate::operators) fn parse(context: &Context, node: &NodeProto) -> Result<Arc<dyn Operator>> {
    let reduction = match node.op_type.as_str() {
        "ReduceL1" => Reduction::L1,
        "ReduceL2" => Reduction::L2,
        "ReduceLogSumExp" => Reduction::LogSumExp,
        "ReduceMax" => Reduction::Max,
        "ReduceMean" => Reduction::Mean,
        "ReduceMin" => Reduction::Min,
        "ReduceProd" => Reduction::Prod,
        "ReduceSum" => Reduction::Sum,
        "ReduceSumSquare" => Reduction::SumSquare,
        other => bail!("{other} is no reduction"),
    };
    ensure!(
        node.input.len() <= 2,
        "{} takes at most two inputs, not {}",
        node.op_type,
        node.input.len()
    );
    Ok(Arc::new(Reduce {
        reduction,
        axes: axes(context, node)?.unwrap_or_default(),
        reduces_all: node.optional::<i64>("noop_with_empty_axes")?.unwrap_or(0) == 0,
        keeps_dimensions: node.optional::<i64>("keepdims")?.unwrap_or(1) != 0,
    }))
}

impl Reduce {
    /// For each axis of an input, whether it is reduced.
    fn is_reduced(&self, rank: usize) -> Result<Vec<bool>> {
        let mut is_reduced = vec![self.axes.is_empty() && self.reduces_all; rank];
        for &axis in &self.axes {
            match from_start(axis, rank) {
                Some(axis) => is_reduced[axis] = true,
                None => bail!(
                    "Reduce{:?} reduces the axis {axis}, but its input has {rank}",
                    self.reduction
                ),
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

    fn input<'a, T>(&self, inputs: &'a [T]) -> Result<&'a T> {
        match inputs.first() {
            Some(input) => Ok(input),
            None => bail!("Reduce{:?} has no input", self.reduction),
        }
    }
}

impl Operator for Reduce {
    fn outputs(&self, inputs: &[Fact]) -> Result<Vec<Fact>> {
        let input = self.input(inputs)?;
        ensure!(
            matches!(input.datatype, Datatype::Fp32 | Datatype::Fp64),
            "Reduce{:?} does not take {}",
            self.reduction,
            input.datatype
        );
        let shape = self.reduced_shape(&input.shape, &1.to_dim())?;
        Ok(vec![Fact::new(input.datatype, shape)])
    }

    fn kernel(self: Arc<Self>, _inputs: &[Fact]) -> Result<Arc<dyn Kernel>> {
        Ok(self)
    }
}

impl Kernel for Reduce {
    fn run(&self, inputs: &[&Tensor]) -> Result<Vec<Tensor>> {
        let input = self.input(inputs)?;
        let shape = self.reduced_shape(input.shape(), &1)?;
        let targets = Targets::new(input.shape(), &self.is_reduced(input.shape().len())?)?;
        let data = match input.data() {
            TensorData::Fp32(values) => {
                let values = values.iter().map(|value| f64::from(*value));
                let reduced = self.reduction.of(values, &targets, |sum| f64::from(sum as f32));
                TensorData::Fp32(reduced.into_iter().map(|value| value as f32).collect())
            }
            TensorData::Fp64(values) => {
                TensorData::Fp64(self.reduction.of(values.iter().copied(), &targets, |sum| sum))
            }
            other => bail!("Reduce{:?} does not take {}", self.reduction, other.datatype()),
        };
        Ok(vec![Tensor::new(shape, data)?])
    }

    fn operands(&self, _inputs: usize) -> usize {
        1
    }
}

impl Reduction {
    /// One number for each target; `round` brings a sum to the precision of the type.
    pub(super) fn of(
        self,
        values: impl Iterator<Item = f64> + Clone,
        targets: &Targets,
        round: fn(f64) -> f64,
    ) -> Vec<f64> {
        let sums = |term: fn(f64) -> f64| {
            let sums = targets.fold(values.clone(), 0.0, |sum, value| sum + term(value));
            each(sums, round)
        };
        match self {
            Self::L1 => sums(f64::abs),
            Self::L2 => each(sums(|value| value * value), f64::sqrt),
            Self::LogSumExp => {
                let mut shifts = targets.fold(values.clone(), f64::NEG_INFINITY, f64::max);
                // Infinity minus infinity would be NaN.
                shifts
                    .iter_mut()
                    .filter(|shift| !shift.is_finite())
                    .for_each(|shift| *shift = 0.0);
                let mut sums = vec![0.0; shifts.len()];
                targets.visit(values, |target, value| sums[target] += (value - shifts[target]).exp());
                sums.iter()
                    .zip(shifts)
                    .map(|(sum, shift): (&f64, _)| sum.ln() + shift)
                    .collect()
            }
            Self::Max => targets.best(values, f64::NEG_INFINITY, |value, best| value > best),
            Self::Min => targets.best(values, f64::INFINITY, |value, best| value < best),
            Self::Mean => {
                let count = targets.count.max(1) as f64;
                each(sums(|value| value), |sum| sum / count)
            }
            Self::Prod => each(targets.fold(values, 1.0, |product, value| product * value), round),
            Self::Sum => sums(|value| value),
            Self::SumSquare => sums(|value| value * value),
        }
    }
}

fn each(mut values: Vec<f64>, function: impl Fn(f64) -> f64) -> Vec<f64> {
    values.iter_mut().for_each(|value| *value = function(*value));
    values
}

/// As many as the elements of any input.
const MAX_TARGETS: usize = crate::graph::MAX_ELEMENTS as usize;

/// For each element of a tensor, which one it is reduced to.
pub(super) struct Targets {
    /// The size of each axis but those of size one, and how far apart the targets of its positions are: not at all where it is reduced.
    axes: Vec<(usize, usize)>,
    /// How many targets there are.
    len: usize,
    /// How many elements each one has.
    count: usize,
}

impl Targets {
    /// # Errors
    /// When there would be more than any tensor has: there may be many of no elements.
    pub(super) fn new(shape: &[usize], is_reduced: &[bool]) -> Result<Self> {
        let (mut len, mut count) = (1usize, 1usize);
        let mut axes: Vec<(usize, usize)> = Vec::new();
        for (&size, is_reduced) in shape.iter().zip(is_reduced).rev() {
            // Without axes of one position, a tensor with elements has fewer of them than a number has bits.
            if size != 1 {
                axes.push((size, if *is_reduced { 0 } else { len }));
            }
            if *is_reduced {
                count = count.saturating_mul(size);
            } else {
                let product = len.checked_mul(size).filter(|len| *len <= MAX_TARGETS);
                len = product.with_context(|| format!("no tensor of the shape {shape:?} is reduced here"))?;
            }
        }
        axes.reverse();
        if shape.contains(&0) {
            axes.clear();
        }
        Ok(Self { axes, len, count })
    }

    /// Combines the elements of each target, in their order.
    fn fold(&self, values: impl Iterator<Item = f64>, first: f64, combine: impl Fn(f64, f64) -> f64) -> Vec<f64> {
        let mut folded = vec![first; self.len];
        self.visit(values, |target, value| folded[target] = combine(folded[target], value));
        folded
    }

    /// The first element of each target, or a later one that is better; where there is none, another number.
    fn best(&self, values: impl Iterator<Item = f64>, none: f64, is_better: impl Fn(f64, f64) -> bool) -> Vec<f64> {
        let mut best = vec![None; self.len];
        self.visit(values, |target, value| {
            if best[target].is_none_or(|best| is_better(value, best)) {
                best[target] = Some(value);
            }
        });
        best.into_iter().map(|best| best.unwrap_or(none)).collect()
    }

    /// Visits all elements in their order.
    pub(super) fn visit(&self, mut values: impl Iterator<Item = f64>, mut each: impl FnMut(usize, f64)) {
        walk(&self.axes, 0, &mut values, &mut each);
    }
}

fn walk(
    axes: &[(usize, usize)],
    target: usize,
    values: &mut impl Iterator<Item = f64>,
    each: &mut impl FnMut(usize, f64),
) {
    match axes {
        [] => values.take(1).for_each(|value| each(target, value)),
        [(size, apart)] => {
            for (position, value) in values.take(*size).enumerate() {
                each(target + position * apart, value);
            }
        }
        [(size, apart), inner @ ..] => {
            for position in 0..*size {
                walk(inner, target + position * apart, values, each);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Tensor, TensorData};
    use crate::operators::testing::{Node, assert_close, floats, node, run, run_error};

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
    fn what_is_nothing_has_a_sum_and_a_mean_of_zero() {
        for operator in ["ReduceL1", "ReduceL2", "ReduceMean", "ReduceSum", "ReduceSumSquare"] {
            let node = node("", operator).with("axes", vec![1i64]);
            assert_close(&run(&node, vec![floats([2, 0], &[])]), [2, 1], &[0.0, 0.0]);
            assert_close(&run(&node, vec![floats([0, 2], &[])]), [0, 1], &[]);
        }
    }

    #[test]
    fn a_nan_is_an_extreme_only_if_it_is_the_first() {
        let rows = [1.0, f32::NAN, f32::NAN, 1.0, 2.0, -3.0];
        for (operator, expected, none) in [
            ("ReduceMax", [1.0, f32::NAN, 2.0], f32::NEG_INFINITY),
            ("ReduceMin", [1.0, f32::NAN, -3.0], f32::INFINITY),
        ] {
            let node = node("", operator).with("axes", vec![1i64]);
            assert_close(&run(&node, vec![floats([3, 2], &rows)]), [3, 1], &expected);
            assert_close(&run(&node, vec![floats([1, 0], &[])]), [1, 1], &[none]);
        }
    }

    #[test]
    fn each_reduction_is_what_onnx_runtime_answers() {
        let rows = [1.0, -2.0, f32::INFINITY, f32::NEG_INFINITY, 3e38, 3e38];
        let infinity = f32::INFINITY;
        for (operator, expected, of_each) in [
            ("ReduceL1", [3.0, infinity, infinity], [1.0, 2.0]),
            ("ReduceL2", [2.236_068, infinity, infinity], [1.0, 2.0]),
            ("ReduceMean", [-0.5, f32::NAN, infinity], [1.0, -2.0]),
            ("ReduceSum", [-1.0, f32::NAN, infinity], [1.0, -2.0]),
            ("ReduceSumSquare", [5.0, infinity, infinity], [1.0, 4.0]),
        ] {
            let reduce = || node("", operator).with("keepdims", 0i64);
            let output = run(&reduce().with("axes", vec![-1i64]), vec![floats([3, 2], &rows)]);
            assert_close(&output, [3], &expected);
            let output = run(
                &reduce().with("noop_with_empty_axes", 1i64),
                vec![floats([1, 2], &rows[..2])],
            );
            assert_close(&output, [1, 2], &of_each);
        }
    }

    #[test]
    fn what_has_no_elements_takes_neither_memory_nor_time_and_many_axes_no_stack() {
        let all = node("", "ReduceSum").with("keepdims", 0i64);
        assert_close(&run(&all, vec![floats([1 << 40, 1 << 20, 0], &[])]), [], &[0.0]);
        let last = node("", "ReduceSum").with("axes", vec![-1i64]);
        let error = run_error(&last, vec![floats([1 << 40, 0], &[])]);
        assert!(
            error.starts_with("no tensor of the shape [1099511627776, 0]"),
            "{error}"
        );
        let deep = Tensor::new(vec![1; 50_000], TensorData::Fp32(vec![7.0])).expect("fits");
        assert_close(&run(&all, vec![deep]), [], &[7.0]);
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
