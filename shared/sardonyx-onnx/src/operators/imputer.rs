use std::sync::Arc;

use anyhow::{Result, bail, ensure};
use sardonyx_core::tensor::{Tensor, TensorData};
use tract_data::internal::DimLike;

use super::attributes::{floats, integers};
use super::operator::{Fact, Kernel, Operator, rows_and_columns, single};
use super::rows::check_is_number;
use crate::operators::Context;
use crate::proto::NodeProto;

/// Puts other values where one value is; a NaN is a value here.
///
/// ONNX Runtime takes the first value for all columns when there are neither one nor as many values as columns; here that is an error.
/// ONNX Runtime takes nothing but floats and `i64`; here doubles and `i32` are compared and replaced alike.
///
/// # Shapes
/// X `[N, C]` or `[C]`, of floats and doubles with `imputed_value_floats`, of integers with `imputed_value_int64s`, of which there are C or
/// one; the output has the type and the shape of X.
///
/// <https://onnx.ai/onnx/operators/onnx_aionnxml_Imputer.html>
#[derive(Debug)]
enum Imputer {
    Floats { replaced: f32, imputed: Vec<f32> },
    Integers { replaced: i64, imputed: Vec<i64> },
}

pub(super) fn parse(_context: &Context, node: &NodeProto) -> Result<Arc<dyn Operator>> {
    let imputed_floats = floats(node, "imputed_value_floats")?;
    let imputed_integers = integers(node, "imputed_value_int64s")?;
    Ok(Arc::new(
        match (imputed_floats.is_empty(), imputed_integers.is_empty()) {
            (false, true) => Imputer::Floats {
                replaced: node.optional("replaced_value_float")?.unwrap_or(0.0),
                imputed: imputed_floats,
            },
            (true, false) => Imputer::Integers {
                replaced: node.optional("replaced_value_int64")?.unwrap_or(0),
                imputed: imputed_integers,
            },
            _ => return node.fail("needs exactly one of imputed_value_floats and imputed_value_int64s"),
        },
    ))
}

impl Operator for Imputer {
    fn outputs(&self, inputs: &[Fact]) -> Result<Vec<Fact>> {
        let input = single("Imputer", inputs)?;
        check_is_number("Imputer", input)?;
        ensure!(
            input.datatype.is_float() == matches!(self, Self::Floats { .. }),
            "Imputer does not take {}: its values are {}",
            input.datatype,
            if input.datatype.is_float() {
                "integers"
            } else {
                "floats"
            }
        );
        let (_, columns) = rows_and_columns("Imputer", input)?;
        if let Ok(columns) = columns.to_usize() {
            self.check_columns(columns)?;
        }
        Ok(vec![Fact::new(input.datatype, input.shape.iter().cloned())])
    }

    fn kernel(self: Arc<Self>, _inputs: &[Fact]) -> Result<Arc<dyn Kernel>> {
        Ok(self)
    }
}

impl Kernel for Imputer {
    fn run(&self, inputs: &[&Tensor]) -> Result<Vec<Tensor>> {
        let input = single("Imputer", inputs)?;
        let columns = input.shape().last().copied().unwrap_or(1);
        self.check_columns(columns)?;
        let data = match (self, input.data()) {
            (Self::Floats { replaced, imputed }, TensorData::Fp32(values)) => {
                let is_replaced = |x: f32| x == *replaced || x.is_nan() && replaced.is_nan();
                TensorData::Fp32(impute(values, columns, is_replaced, imputed))
            }
            (Self::Floats { replaced, imputed }, TensorData::Fp64(values)) => {
                let is_replaced = |x: f64| x == f64::from(*replaced) || x.is_nan() && replaced.is_nan();
                let imputed: Vec<f64> = imputed.iter().copied().map(f64::from).collect();
                TensorData::Fp64(impute(values, columns, is_replaced, &imputed))
            }
            (Self::Integers { replaced, imputed }, TensorData::Int64(values)) => {
                TensorData::Int64(impute(values, columns, |x| x == *replaced, imputed))
            }
            (Self::Integers { replaced, imputed }, TensorData::Int32(values)) => {
                let imputed = imputed
                    .iter()
                    .map(|value| i32::try_from(*value))
                    .collect::<Result<Vec<_>, _>>()?;
                TensorData::Int32(impute(values, columns, |x| i64::from(x) == *replaced, &imputed))
            }
            (_, other) => bail!("Imputer does not take {}", other.datatype()),
        };
        Ok(vec![Tensor::new(input.shape().to_vec(), data)?])
    }
}

impl Imputer {
    fn check_columns(&self, columns: usize) -> Result<()> {
        let imputed = match self {
            Self::Floats { imputed, .. } => imputed.len(),
            Self::Integers { imputed, .. } => imputed.len(),
        };
        ensure!(
            imputed == 1 || imputed == columns,
            "Imputer has {imputed} imputed values, but its input has {columns} columns"
        );
        Ok(())
    }
}

fn impute<T: Copy>(values: &[T], columns: usize, is_replaced: impl Fn(T) -> bool, imputed: &[T]) -> Vec<T> {
    let replace = |value: T, imputed: T| if is_replaced(value) { imputed } else { value };
    if let [imputed] = imputed {
        return values.iter().map(|value| replace(*value, *imputed)).collect();
    }
    let rows = values.chunks_exact(columns.max(1));
    rows.flat_map(|row| {
        row.iter()
            .zip(imputed)
            .map(|(value, imputed)| replace(*value, *imputed))
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Node, assert_close, floats, node, parse_error, run, run_error};
    use super::*;

    fn of_nan(imputed: Vec<f32>) -> Node {
        node("ai.onnx.ml", "Imputer")
            .with("imputed_value_floats", imputed)
            .with("replaced_value_float", f32::NAN)
    }

    #[test]
    fn a_nan_is_replaced_by_the_value_of_its_column() {
        let output = run(
            &of_nan(vec![5.0, 6.0]),
            vec![floats([2, 2], &[f32::NAN, 1.0, 2.0, f32::NAN])],
        );
        assert_close(&output, [2, 2], &[5.0, 1.0, 2.0, 6.0]);
        let doubles = Tensor::new(vec![2], TensorData::Fp64(vec![f64::NAN, 0.0])).expect("fits");
        assert_eq!(
            run(&of_nan(vec![5.0]), vec![doubles]).data(),
            &TensorData::Fp64(vec![5.0, 0.0])
        );
    }

    #[test]
    fn integers_are_replaced_where_zero_is_missing() {
        let node = node("ai.onnx.ml", "Imputer").with("imputed_value_int64s", vec![9i64]);
        let integers = Tensor::new(vec![2, 2], TensorData::Int64(vec![0, 1, 2, 0])).expect("fits");
        assert_eq!(run(&node, vec![integers]).data(), &TensorData::Int64(vec![9, 1, 2, 9]));
    }

    #[test]
    fn values_that_do_not_fit_are_refused() {
        let error = parse_error(&of_nan(vec![1.0]).with("imputed_value_int64s", vec![1i64]));
        assert!(error.contains("exactly one of"), "{error}");
        let error = run_error(&of_nan(vec![1.0, 2.0]), vec![floats([1, 3], &[0.0; 3])]);
        assert_eq!(error, "Imputer has 2 imputed values, but its input has 3 columns");
        let integers = Tensor::new(vec![1, 1], TensorData::Int64(vec![0])).expect("fits");
        let error = run_error(&of_nan(vec![1.0]), vec![integers]);
        assert!(error.contains("INT64"), "{error}");
    }
}
