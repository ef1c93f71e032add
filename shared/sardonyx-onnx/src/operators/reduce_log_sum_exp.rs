use std::sync::Arc;

use sardonyx_core::tensor::{Datatype, Tensor, TensorData};
use tract_onnx::model::ParsingContext;
use tract_onnx::pb::{NodeProto, TensorProto};
use tract_onnx::tract_hir::internal::*;

use super::operator::{Fact, Kernel, Operator};

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

pub(super) fn parse(context: &ParsingContext, node: &NodeProto) -> TractResult<Arc<dyn Operator>> {
    let axes = match node.input.get(1).filter(|name| !name.is_empty()) {
        Some(name) => constant(context, name)?,
        None => node.get_attr_opt_slice::<i64>("axes")?.unwrap_or_default().to_vec(),
    };
    Ok(Arc::new(ReduceLogSumExp {
        axes,
        reduces_all: node.get_attr_opt::<i64>("noop_with_empty_axes")?.unwrap_or(0) == 0,
        keeps_dimensions: node.get_attr_opt::<i64>("keepdims")?.unwrap_or(1) != 0,
    }))
}

/// The integers of an initializer, or of a node Constant.
fn constant(context: &ParsingContext, name: &str) -> TractResult<Vec<i64>> {
    let graphs = context
        .parent_graphs
        .iter()
        .copied()
        .chain(context.model.graph.as_ref());
    for graph in graphs {
        let initializer = graph.initializer.iter().find(|tensor| tensor.name == name);
        let node = graph
            .node
            .iter()
            .find(|node| node.op_type == "Constant" && node.output.iter().any(|output| output == name));
        let value = match node {
            Some(node) => node.get_attr_opt::<&TensorProto>("value")?,
            None => None,
        };
        if let Some(proto) = initializer.or(value) {
            let tensor = context.load_tensor(proto)?;
            return Ok(tensor.cast_to::<i64>()?.try_as_plain_ram()?.as_slice::<i64>()?.to_vec());
        }
    }
    bail!("ReduceLogSumExp takes only constant axes, and {name:?} is none")
}

impl ReduceLogSumExp {
    /// For each axis of an input, whether it is reduced.
    fn is_reduced(&self, rank: usize) -> TractResult<Vec<bool>> {
        let mut is_reduced = vec![self.axes.is_empty() && self.reduces_all; rank];
        for &axis in &self.axes {
            let from_start = if axis < 0 {
                axis.checked_add_unsigned(rank as u64)
            } else {
                Some(axis)
            };
            let found = from_start.and_then(|axis| is_reduced.get_mut(usize::try_from(axis).ok()?));
            match found {
                Some(found) => *found = true,
                None => bail!("ReduceLogSumExp reduces the axis {axis}, but its input has {rank}"),
            }
        }
        Ok(is_reduced)
    }

    fn reduced_shape<T: Clone>(&self, shape: &[T], one: &T) -> TractResult<Vec<T>> {
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
    fn outputs(&self, inputs: &[Fact]) -> TractResult<Vec<Fact>> {
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

    fn kernel(self: Arc<Self>, _inputs: &[Fact]) -> TractResult<Arc<dyn Kernel>> {
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
    fn run(&self, inputs: &[&Tensor]) -> TractResult<Vec<Tensor>> {
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
