use std::sync::Arc;

use anyhow::{Result, bail, ensure};
use sardonyx_core::tensor::{Datatype, Tensor, TensorData};
use tract_data::internal::DimLike;

use super::attributes::floats;
use super::operator::{Fact, Kernel, Operator, rows_and_columns, single};
use crate::operators::Context;
use crate::proto::NodeProto;

/// `(X - offset) * scale`, in double precision for doubles and in single precision for everything else.
///
/// # Shapes
/// X `[N, C]` or `[C]`, of floats, doubles or integers; offset and scale `[C]` or `[1]`; the output is `f32` in the shape of X.
///
/// <https://onnx.ai/onnx/operators/onnx_aionnxml_Scaler.html>
#[derive(Debug)]
struct Scaler {
    offset: Vec<f32>,
    scale: Vec<f32>,
}

pub(super) fn parse(_context: &Context, node: &NodeProto) -> Result<Arc<dyn Operator>> {
    let offset = floats(node, "offset")?;
    let scale = floats(node, "scale")?;
    node.expect("scale", !scale.is_empty(), "at least one number")?;
    node.expect("offset", offset.len() == scale.len(), "as many numbers as in scale")?;
    Ok(Arc::new(Scaler { offset, scale }))
}

impl Operator for Scaler {
    fn outputs(&self, inputs: &[Fact]) -> Result<Vec<Fact>> {
        let input = single("Scaler", inputs)?;
        let (_, columns) = rows_and_columns("Scaler", input)?;
        if let (Ok(columns), true) = (columns.to_usize(), self.scale.len() > 1) {
            self.check_columns(columns)?;
        }
        Ok(vec![Fact::new(Datatype::Fp32, input.shape.iter().cloned())])
    }

    fn kernel(self: Arc<Self>, _inputs: &[Fact]) -> Result<Arc<dyn Kernel>> {
        Ok(self)
    }
}

impl Kernel for Scaler {
    fn run(&self, inputs: &[&Tensor]) -> Result<Vec<Tensor>> {
        let input = inputs[0];
        let columns = input.shape().last().copied().unwrap_or(1);
        self.check_columns(columns)?;
        let scaled = match input.data() {
            TensorData::Fp32(values) => self.scale(columns, values, |value, offset, scale| (value - offset) * scale),
            TensorData::Fp64(values) => self.scale(columns, values, |value, offset, scale| {
                ((value - f64::from(offset)) * f64::from(scale)) as f32
            }),
            TensorData::Int64(values) => {
                self.scale(columns, values, |value, offset, scale| (value as f32 - offset) * scale)
            }
            TensorData::Int32(values) => {
                self.scale(columns, values, |value, offset, scale| (value as f32 - offset) * scale)
            }
            other => bail!("Scaler does not take {}", other.datatype()),
        };
        Ok(vec![Tensor::new(input.shape().to_vec(), TensorData::Fp32(scaled))?])
    }
}

impl Scaler {
    fn scale<T: Copy>(&self, columns: usize, values: &[T], scaled: impl Fn(T, f32, f32) -> f32) -> Vec<f32> {
        if let ([offset], [scale]) = (&self.offset[..], &self.scale[..]) {
            return values.iter().map(|value| scaled(*value, *offset, *scale)).collect();
        }
        let mut out = Vec::with_capacity(values.len());
        for row in values.chunks_exact(columns) {
            let parameters = self.offset.iter().zip(&self.scale);
            out.extend(
                row.iter()
                    .zip(parameters)
                    .map(|(value, (offset, scale))| scaled(*value, *offset, *scale)),
            );
        }
        out
    }

    fn check_columns(&self, columns: usize) -> Result<()> {
        let expected = self.scale.len();
        ensure!(
            expected == 1 || columns == expected,
            "Scaler has {expected} offsets and scales, but its input has {columns} columns"
        );
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Node, assert_close, node, parse_error, run};
    use super::*;

    fn scaler(offset: f32) -> Node {
        node("ai.onnx.ml", "Scaler")
            .with("offset", vec![offset, 1.0])
            .with("scale", vec![2.0f32, 0.5])
    }

    #[test]
    fn doubles_are_scaled_as_doubles_and_integers_as_floats() {
        let row = |data| vec![Tensor::new(vec![1, 2], data).expect("fits")];
        assert_close(
            &run(&scaler(1e10), row(TensorData::Fp64(vec![1e10 + 0.25, 3.0]))),
            [1, 2],
            &[0.5, 1.0],
        );
        // Odd, and too great for a float.
        for data in [
            TensorData::Int64(vec![16_777_217, 3]),
            TensorData::Int32(vec![16_777_217, 3]),
        ] {
            assert_close(&run(&scaler(1.0), row(data)), [1, 2], &[33_554_430.0, 1.0]);
        }
    }

    #[test]
    fn offsets_and_scales_that_differ_are_refused() {
        for scale in [vec![], vec![1.0f32]] {
            let error = parse_error(&scaler(0.0).with("scale", scale));
            assert!(error.contains("scale"), "{error}");
        }
    }
}
