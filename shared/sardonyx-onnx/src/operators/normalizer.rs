use std::str::FromStr;
use std::sync::Arc;

use anyhow::{Result, bail};
use sardonyx_core::tensor::{Datatype, Tensor, TensorData};

use super::attributes::parse_or_default;
use super::operator::{Fact, Kernel, Operator, rows_and_columns, single};
use super::rows::check_is_number;
use crate::operators::Context;
use crate::proto::NodeProto;

/// Divides each row by its norm; a row of norm zero stays as it is.
///
/// As in ONNX Runtime, MAX is the greatest value, not the greatest absolute one; the norms are summed in single precision; and L2 takes
/// the root of squares, so that a value whose square underflows becomes zero. Squares of integers wrap around.
///
/// # Shapes
/// X `[N, C]` or `[C]` of floats, doubles or integers; the output is `f32` in the shape of X.
///
/// <https://onnx.ai/onnx/operators/onnx_aionnxml_Normalizer.html>
#[derive(Debug)]
struct Normalizer {
    norm: Norm,
}

#[derive(Clone, Copy, Debug, Default)]
enum Norm {
    #[default]
    Max,
    L1,
    L2,
}

impl FromStr for Norm {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "MAX" => Ok(Self::Max),
            "L1" => Ok(Self::L1),
            "L2" => Ok(Self::L2),
            _ => Err(format!("{text:?} is not a norm")),
        }
    }
}

pub(super) fn parse(_context: &Context, node: &NodeProto) -> Result<Arc<dyn Operator>> {
    let norm = parse_or_default(node, "norm")?;
    Ok(Arc::new(Normalizer { norm }))
}

impl Operator for Normalizer {
    fn outputs(&self, inputs: &[Fact]) -> Result<Vec<Fact>> {
        let input = single("Normalizer", inputs)?;
        check_is_number("Normalizer", input)?;
        rows_and_columns("Normalizer", input)?;
        Ok(vec![Fact::new(Datatype::Fp32, input.shape.iter().cloned())])
    }

    fn kernel(self: Arc<Self>, _inputs: &[Fact]) -> Result<Arc<dyn Kernel>> {
        Ok(self)
    }
}

impl Kernel for Normalizer {
    fn run(&self, inputs: &[&Tensor]) -> Result<Vec<Tensor>> {
        let input = single("Normalizer", inputs)?;
        let columns = input.shape().last().copied().unwrap_or(1).max(1);
        let normalized = match input.data() {
            TensorData::Fp32(values) => self.rows(values, columns, |x| x, |x| x.abs(), |x| x * x),
            TensorData::Fp64(values) => {
                self.rows(values, columns, |x| x as f32, |x| x.abs() as f32, |x| (x * x) as f32)
            }
            TensorData::Int64(values) => self.rows(
                values,
                columns,
                |x| x as f32,
                |x| x.wrapping_abs() as f32,
                |x| x.wrapping_mul(x) as f32,
            ),
            TensorData::Int32(values) => self.rows(
                values,
                columns,
                |x| x as f32,
                |x| x.wrapping_abs() as f32,
                |x| x.wrapping_mul(x) as f32,
            ),
            other => bail!("Normalizer does not take {}", other.datatype()),
        };
        Ok(vec![Tensor::new(input.shape().to_vec(), TensorData::Fp32(normalized))?])
    }
}

impl Normalizer {
    /// Normalises rows of a type by what casts an element, its absolute value and its square to single precision.
    fn rows<T: Copy>(
        &self,
        values: &[T],
        columns: usize,
        cast: impl Fn(T) -> f32,
        absolute: impl Fn(T) -> f32,
        square: impl Fn(T) -> f32,
    ) -> Vec<f32> {
        let mut out: Vec<f32> = values.iter().map(|value| cast(*value)).collect();
        for (row, values) in out.chunks_exact_mut(columns).zip(values.chunks_exact(columns)) {
            let norm = match self.norm {
                Norm::Max => row.iter().fold(f32::MIN, |max, x| if *x > max { *x } else { max }),
                Norm::L1 => values.iter().map(|value| absolute(*value)).sum(),
                Norm::L2 => values.iter().map(|value| square(*value)).sum(),
            };
            if norm == 0.0 {
                continue;
            }
            match self.norm {
                Norm::Max | Norm::L1 => row.iter_mut().for_each(|x| *x /= norm),
                Norm::L2 => {
                    for (x, value) in row.iter_mut().zip(values) {
                        let root = (square(*value) / norm).sqrt();
                        *x = if *x < 0.0 { -root } else { root };
                    }
                }
            }
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{assert_close, floats, node, parse_error, run};
    use super::*;

    const NAN: f32 = f32::NAN;

    #[test]
    fn norms_are_those_of_onnx_runtime() {
        let rows = [-4.0, 2.0, 1.0, -1.0, -2.0, -3.0, 0.0, 0.0, 0.0, NAN, 2.0, -1.0];
        let cases = [
            ("MAX", [-2.0, 1.0, 0.5, 1.0, 2.0, 3.0, 0.0, 0.0, 0.0, NAN, 1.0, -0.5]),
            (
                "L1",
                [
                    -0.5714286,
                    0.2857143,
                    0.14285715,
                    -0.16666667,
                    -0.33333334,
                    -0.5,
                    0.0,
                    0.0,
                    0.0,
                    NAN,
                    NAN,
                    NAN,
                ],
            ),
            (
                "L2",
                [
                    -0.8728716,
                    0.4364358,
                    0.2182179,
                    -0.26726124,
                    -0.5345225,
                    -0.80178374,
                    0.0,
                    0.0,
                    0.0,
                    NAN,
                    NAN,
                    NAN,
                ],
            ),
        ];
        for (norm, expected) in cases {
            let node = node("ai.onnx.ml", "Normalizer").with("norm", norm);
            assert_close(&run(&node, vec![floats([4, 3], &rows)]), [4, 3], &expected);
        }
    }

    #[test]
    fn squares_of_integers_wrap_around_as_in_onnx_runtime() {
        let row = Tensor::new(vec![1, 3], TensorData::Int64(vec![1 << 33, 3, -4])).expect("fits");
        let node = node("ai.onnx.ml", "Normalizer").with("norm", "L2");
        assert_close(&run(&node, vec![row]), [1, 3], &[0.0, 0.6, -0.8]);
    }

    #[test]
    fn an_unknown_norm_is_refused() {
        let error = parse_error(&node("ai.onnx.ml", "Normalizer").with("norm", "L3"));
        assert!(error.contains("norm") && error.contains("L3"), "{error}");
    }
}
