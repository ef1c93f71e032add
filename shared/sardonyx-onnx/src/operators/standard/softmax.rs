use std::sync::Arc;

use anyhow::{Result, bail, ensure};
use sardonyx_core::tensor::{Datatype, Tensor, TensorData};

use super::axis;
use crate::operators::operator::{Fact, Kernel, Operator, single};
use crate::operators::{Context, DEFAULT_DOMAIN};
use crate::proto::NodeProto;

/// `exp(x) / sum(exp(x))` over the last axis.
///
/// # Shapes
/// X `[.., C]` of floats or doubles; the output has the type and shape of X. Other axes are left to a fallback.
///
/// <https://onnx.ai/onnx/operators/onnx__Softmax.html>
#[derive(Debug)]
struct Softmax {
    axis: i64,
    /// Before operator set 13 everything from the axis on was one row.
    flattens: bool,
}

pub(super) fn parse(context: &Context, node: &NodeProto) -> Result<Arc<dyn Operator>> {
    let flattens = context.version(DEFAULT_DOMAIN) < 13;
    Ok(Arc::new(Softmax {
        axis: node.optional("axis")?.unwrap_or(if flattens { 1 } else { -1 }),
        flattens,
    }))
}

impl Operator for Softmax {
    fn outputs(&self, inputs: &[Fact]) -> Result<Vec<Fact>> {
        let input = single("Softmax", inputs)?;
        let rank = input.shape.len();
        let axis = axis("Softmax", self.axis, rank)?;
        ensure!(
            axis + 1 == rank,
            "Softmax works here on the last axis, not on {axis} of {rank}{}",
            if self.flattens { " flattened" } else { "" }
        );
        ensure!(
            matches!(input.datatype, Datatype::Fp32 | Datatype::Fp64),
            "Softmax does not take {}",
            input.datatype
        );
        Ok(vec![Fact::new(input.datatype, input.shape.iter().cloned())])
    }

    fn kernel(self: Arc<Self>, _inputs: &[Fact]) -> Result<Arc<dyn Kernel>> {
        Ok(self)
    }
}

impl Kernel for Softmax {
    fn run(&self, inputs: &[&Tensor]) -> Result<Vec<Tensor>> {
        let input = single("Softmax", inputs)?;
        let columns = input.shape().last().copied().unwrap_or(1).max(1);
        macro_rules! softmax {
            ($values:expr, $type:ty) => {{
                let mut out = $values.clone();
                for row in out.chunks_exact_mut(columns) {
                    let greatest = row.iter().copied().fold(<$type>::NEG_INFINITY, <$type>::max);
                    let mut sum = 0.0;
                    for value in &mut *row {
                        *value = (*value - greatest).exp();
                        sum += *value;
                    }
                    for value in row {
                        *value /= sum;
                    }
                }
                out
            }};
        }
        let data = match input.data() {
            TensorData::Fp32(values) => TensorData::Fp32(softmax!(values, f32)),
            TensorData::Fp64(values) => TensorData::Fp64(softmax!(values, f64)),
            other => bail!("Softmax does not take {}", other.datatype()),
        };
        Ok(vec![Tensor::new(input.shape().to_vec(), data)?])
    }
}
