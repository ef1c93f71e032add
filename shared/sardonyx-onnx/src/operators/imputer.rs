use std::sync::Arc;

use sardonyx_core::tensor::{Tensor, TensorData};
use tract_onnx::model::ParsingContext;
use tract_onnx::pb::NodeProto;
use tract_onnx::tract_hir::internal::{DimLike, TractResult, bail, ensure};

use super::attributes::{floats, integers};
use super::operator::{Fact, Kernel, Operator, rows_and_columns, single};
use super::rows::check_is_number;

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

pub(super) fn parse(_context: &ParsingContext, node: &NodeProto) -> TractResult<Arc<dyn Operator>> {
    let imputed_floats = floats(node, "imputed_value_floats")?;
    let imputed_integers = integers(node, "imputed_value_int64s")?;
    Ok(Arc::new(
        match (imputed_floats.is_empty(), imputed_integers.is_empty()) {
            (false, true) => Imputer::Floats {
                replaced: node.get_attr_opt("replaced_value_float")?.unwrap_or(0.0),
                imputed: imputed_floats,
            },
            (true, false) => Imputer::Integers {
                replaced: node.get_attr_opt("replaced_value_int64")?.unwrap_or(0),
                imputed: imputed_integers,
            },
            _ => return node.bail("needs exactly one of imputed_value_floats and imputed_value_int64s"),
        },
    ))
}

impl Operator for Imputer {
    fn outputs(&self, inputs: &[Fact]) -> TractResult<Vec<Fact>> {
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

    fn kernel(self: Arc<Self>, _inputs: &[Fact]) -> TractResult<Arc<dyn Kernel>> {
        Ok(self)
    }
}

impl Kernel for Imputer {
    fn run(&self, inputs: &[&Tensor]) -> TractResult<Vec<Tensor>> {
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
    fn check_columns(&self, columns: usize) -> TractResult<()> {
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
