use std::sync::Arc;

use anyhow::{Context as _, Result, bail, ensure};
use sardonyx_core::tensor::{Datatype, Tensor, TensorData};
use tract_data::internal::TDim;

use super::{axis, elements};
use crate::operators::Context;
use crate::operators::operator::{Fact, Kernel, Operator};
use crate::proto::NodeProto;

/// What lies along the axes from `axis` on, with its mean taken away and divided by its standard deviation, then scaled and shifted.
///
/// Mean and variance are computed as doubles.
///
/// # Shapes
/// X of floats or doubles; scale and bias, which may be left out, in the shape of the axes and of the type of X; the output has the type and
/// shape of X. There is one output here.
///
/// <https://onnx.ai/onnx/operators/onnx__LayerNormalization.html>
#[derive(Debug)]
struct LayerNormalization {
    axis: i64,
    epsilon: f64,
}

pub(super) fn parse(_context: &Context, node: &NodeProto) -> Result<Arc<dyn Operator>> {
    ensure!(
        node.output.iter().skip(1).all(String::is_empty),
        "LayerNormalization gives here no mean and no deviation"
    );
    Ok(Arc::new(LayerNormalization {
        axis: node.optional("axis")?.unwrap_or(-1),
        epsilon: f64::from(node.optional::<f32>("epsilon")?.unwrap_or(1e-5)),
    }))
}

impl Operator for LayerNormalization {
    fn outputs(&self, inputs: &[Fact]) -> Result<Vec<Fact>> {
        let ([x, _] | [x, _, _]) = inputs else {
            bail!("LayerNormalization takes two or three inputs, not {}", inputs.len())
        };
        ensure!(
            matches!(x.datatype, Datatype::Fp32 | Datatype::Fp64),
            "LayerNormalization does not take {}",
            x.datatype
        );
        let axis = axis("LayerNormalization", self.axis, x.shape.len())?;
        let normalized: &[TDim] = &x.shape[axis..];
        for other in &inputs[1..] {
            ensure!(
                other.datatype == x.datatype && other.shape[..] == *normalized,
                "LayerNormalization takes here a scale and a bias of {} {normalized:?}, not {} {:?}",
                x.datatype,
                other.datatype,
                other.shape
            );
        }
        Ok(vec![Fact::new(x.datatype, x.shape.iter().cloned())])
    }

    fn kernel(self: Arc<Self>, _inputs: &[Fact]) -> Result<Arc<dyn Kernel>> {
        Ok(self)
    }
}

impl Kernel for LayerNormalization {
    fn run(&self, inputs: &[&Tensor]) -> Result<Vec<Tensor>> {
        let x = inputs.first().context("LayerNormalization has no input")?;
        let axis = axis("LayerNormalization", self.axis, x.shape().len())?;
        let width = elements(&x.shape()[axis..]);
        macro_rules! normalized {
            ($variant:ident, $type:ty) => {{
                let of_width = |input: usize| match inputs.get(input).map(|tensor| tensor.data()) {
                    Some(TensorData::$variant(elements)) if elements.len() == width => Some(elements),
                    _ => None,
                };
                let scale = of_width(1).context("LayerNormalization has no scale of its width")?;
                let bias = of_width(2);
                ensure!(
                    bias.is_some() || inputs.len() < 3,
                    "LayerNormalization has no bias of its width"
                );
                let TensorData::$variant(values) = x.data() else {
                    bail!("LayerNormalization takes inputs of one type")
                };
                let mut out = Vec::with_capacity(values.len());
                for row in values.chunks_exact(width.max(1)) {
                    let mean = row.iter().map(|value| *value as f64).sum::<f64>() / width as f64;
                    let squares = row.iter().map(|value| (*value as f64 - mean).powi(2));
                    let deviation = (squares.sum::<f64>() / width as f64 + self.epsilon).sqrt();
                    out.extend(row.iter().enumerate().map(|(column, value)| {
                        let normal = ((*value as f64 - mean) / deviation) as $type;
                        normal * scale[column] + bias.map_or(0.0, |bias| bias[column])
                    }));
                }
                TensorData::$variant(out)
            }};
        }
        let data = match x.datatype() {
            Datatype::Fp64 => normalized!(Fp64, f64),
            _ => normalized!(Fp32, f32),
        };
        Ok(vec![Tensor::new(x.shape().to_vec(), data)?])
    }
}

#[cfg(test)]
mod tests {
    use super::{Tensor, TensorData};
    use crate::operators::testing::{assert_close, floats, node, run, run_error};

    #[test]
    fn rows_are_normalized_scaled_and_shifted() {
        let x = floats([2, 2, 2], &[1.0, 3.0, 1e4, 1e4, 0.0, -2.0, f32::NAN, 1.0]);
        let scale_and_bias = || [floats([2], &[2.0, 10.0]), floats([2], &[0.5, 0.0])];
        let layer = || node("", "LayerNormalization").with("epsilon", 0.0f32);
        let [scale, bias] = scale_and_bias();
        let nan = f32::NAN;
        let expected = [-1.5, 10.0, nan, nan, 2.5, -10.0, nan, nan];
        assert_close(
            &run(&layer(), vec![x.clone(), scale.clone(), bias]),
            [2, 2, 2],
            &expected,
        );
        let found = run(
            &node("", "LayerNormalization"),
            vec![floats([1, 2], &[4.0, 4.0]), scale.clone()],
        );
        assert_close(&found, [1, 2], &[0.0, 0.0]);
        let whole = run(
            &layer().with("axis", 1i64),
            vec![floats([1, 1, 2], &[1.0, 3.0]), floats([1, 2], &[1.0, 1.0])],
        );
        assert_close(&whole, [1, 1, 2], &[-1.0, 1.0]);
    }

    #[test]
    fn a_scale_of_another_width_or_type_is_refused() {
        let x = || floats([1, 2], &[1.0, 3.0]);
        let error = run_error(&node("", "LayerNormalization"), vec![x(), floats([1], &[1.0])]);
        assert!(error.contains("a scale and a bias of FP32 [Val(2)]"), "{error}");
        let double = Tensor::new(vec![2], TensorData::Fp64(vec![1.0, 1.0])).expect("fits");
        assert!(run_error(&node("", "LayerNormalization"), vec![x(), double]).contains("not FP64"));
    }
}
