use std::sync::Arc;

use anyhow::{Result, bail, ensure};
use sardonyx_core::tensor::{Datatype, Tensor, TensorData};

use super::axis;
use super::reduce::{Reduction, Targets};
use crate::operators::Context;
use crate::operators::operator::{Fact, Kernel, Operator, single};
use crate::proto::NodeProto;

/// Each element by the norm of those along an axis with it, the sum of the absolute values or the square root of that of the squares;
/// nothing but zeros stays zeros.
///
/// # Shapes
/// X of floats or doubles; the output has the type and shape of X.
///
/// <https://onnx.ai/onnx/operators/onnx__LpNormalization.html>
#[derive(Debug)]
struct LpNormalization {
    norm: Reduction,
    axis: i64,
}

pub(super) fn parse(_context: &Context, node: &NodeProto) -> Result<Arc<dyn Operator>> {
    Ok(Arc::new(LpNormalization {
        norm: match node.optional::<i64>("p")?.unwrap_or(2) {
            1 => Reduction::L1,
            2 => Reduction::L2,
            other => return node.refuse("p", format!("must be 1 or 2, not {other}")),
        },
        axis: node.optional("axis")?.unwrap_or(-1),
    }))
}

impl Operator for LpNormalization {
    fn outputs(&self, inputs: &[Fact]) -> Result<Vec<Fact>> {
        let input = single("LpNormalization", inputs)?;
        axis("LpNormalization", self.axis, input.shape.len())?;
        ensure!(
            matches!(input.datatype, Datatype::Fp32 | Datatype::Fp64),
            "LpNormalization does not take {}",
            input.datatype
        );
        Ok(vec![Fact::new(input.datatype, input.shape.iter().cloned())])
    }

    fn kernel(self: Arc<Self>, _inputs: &[Fact]) -> Result<Arc<dyn Kernel>> {
        Ok(self)
    }
}

impl Kernel for LpNormalization {
    fn run(&self, inputs: &[&Tensor]) -> Result<Vec<Tensor>> {
        let input = single("LpNormalization", inputs)?;
        let axis = axis("LpNormalization", self.axis, input.shape().len())?;
        let is_reduced: Vec<bool> = (0..input.shape().len()).map(|other| other == axis).collect();
        if input.data().is_empty() {
            return Ok(vec![(*input).clone()]);
        }
        let targets = Targets::new(input.shape(), &is_reduced)?;
        macro_rules! normalized {
            ($values:expr, $type:ty) => {{
                let values = $values.iter().map(|value| f64::from(*value));
                let norms = self
                    .norm
                    .of(values.clone(), &targets, |sum| f64::from(sum as $type));
                let mut normalized = Vec::with_capacity($values.len());
                targets.visit(values, |target, value| {
                    let norm = norms[target] as $type;
                    normalized.push(if norm == 0.0 { 0.0 } else { value as $type / norm });
                });
                normalized
            }};
        }
        let data = match input.data() {
            TensorData::Fp32(values) => TensorData::Fp32(normalized!(values, f32)),
            TensorData::Fp64(values) => TensorData::Fp64(normalized!(values, f64)),
            other => bail!("LpNormalization does not take {}", other.datatype()),
        };
        Ok(vec![Tensor::new(input.shape().to_vec(), data)?])
    }
}

#[cfg(test)]
mod tests {
    use crate::operators::testing::{assert_close, floats, node, run};

    #[test]
    fn rows_and_columns_are_brought_to_a_norm_of_one() {
        let (nan, infinity) = (f32::NAN, f32::INFINITY);
        let rows = || vec![floats([4, 2], &[1.0, -3.0, 0.0, 0.0, infinity, 1.0, 3e38, 3e38])];
        let norm = |p: i64| node("", "LpNormalization").with("p", p);
        let expected = [0.25, -0.75, 0.0, 0.0, nan, 0.0, 0.0, 0.0];
        assert_close(&run(&norm(1), rows()), [4, 2], &expected);
        let columns = || vec![floats([2, 2], &[1.0, -3.0, 0.0, 4.0])];
        assert_close(
            &run(&norm(2).with("axis", 0i64), columns()),
            [2, 2],
            &[1.0, -0.6, 0.0, 0.8],
        );
    }
}
