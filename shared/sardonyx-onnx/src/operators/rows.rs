//! Rows of numbers, as the operators for classical machine learning take them.

use std::borrow::Cow;

use anyhow::{Result, bail, ensure};
use sardonyx_core::tensor::{Datatype, Tensor, TensorData};
use tract_data::internal::{DimLike, TDim};

use super::operator::{Fact, rows_and_columns, single};

/// An input `[N, C]`, or `[C]` for one row, in single precision.
pub(super) struct Rows<'a> {
    pub(super) values: Cow<'a, [f32]>,
    pub(super) count: usize,
}

impl<'a> Rows<'a> {
    /// Reads the only input, which must have `columns`. Doubles and integers are cast, as ONNX Runtime does.
    pub(super) fn read(operator: &str, inputs: &[&'a Tensor], columns: usize) -> Result<Self> {
        let input: &'a Tensor = single(operator, inputs)?;
        let count = match *input.shape() {
            [found] if found == columns => 1,
            [count, found] if found == columns => count,
            ref shape => bail!("{operator} takes rows of {columns} columns, not the shape {shape:?}"),
        };
        let values = singles(operator, input)?;
        Ok(Self { values, count })
    }
}

/// The elements of a tensor in single precision.
pub(super) fn singles<'a>(operator: &str, input: &'a Tensor) -> Result<Cow<'a, [f32]>> {
    Ok(match input.data() {
        TensorData::Fp32(values) => Cow::Borrowed(values),
        TensorData::Fp64(values) => values.iter().map(|value| *value as f32).collect(),
        TensorData::Int64(values) => values.iter().map(|value| *value as f32).collect(),
        TensorData::Int32(values) => values.iter().map(|value| *value as f32).collect(),
        other => bail!("{operator} does not take {}", other.datatype()),
    })
}

/// Checks that the only input will do for [`Rows::read`], as far as it is known. The answer is the number of rows.
pub(super) fn check_rows(operator: &str, inputs: &[Fact], columns: usize) -> Result<TDim> {
    let input = single(operator, inputs)?;
    check_is_number(operator, input)?;
    let (rows, found) = rows_and_columns(operator, input)?;
    if let Ok(found) = found.to_usize() {
        ensure!(
            found == columns,
            "{operator} takes rows of {columns} columns, but its input has {found}"
        );
    }
    Ok(rows)
}

pub(super) fn check_is_number(operator: &str, input: &Fact) -> Result<()> {
    ensure!(
        matches!(
            input.datatype,
            Datatype::Fp32 | Datatype::Fp64 | Datatype::Int64 | Datatype::Int32
        ),
        "{operator} does not take {}",
        input.datatype
    );
    Ok(())
}
