//! Feature values to the columns of the model's input tensors, by the manifest's order and policies.

mod stored_rules;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value as Json;

use crate::feature_row::Stored;
use crate::manifest::{FeatureSpec, FeatureView, GoldenRow, Manifest, MissingPolicy, Range};
use crate::tensor::{Datatype, Tensor, TensorData};
use crate::value::{FeatureValue, ListValue, ValueType};
use crate::with_elements;

pub use stored_rules::StoredRules;

/// Why a feature has no usable value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum MissingReason {
    /// There is no row, or the row or the request lacks the feature.
    Absent,
    /// It is null.
    Null,
    /// It is a list without elements.
    Empty,
    /// It is NaN, and the model does not take NaN here.
    Nan,
    /// It is a string that is none of the categories.
    UnknownCategory,
    /// It is outside of the allowed range.
    OutOfRange,
}

impl MissingReason {
    /// The reason in words, for an error message.
    pub fn describe(self) -> &'static str {
        match self {
            Self::Absent => "absent",
            Self::Null => "null",
            Self::Empty => "an empty list",
            Self::Nan => "not a number",
            Self::UnknownCategory => "an unknown category",
            Self::OutOfRange => "out of range",
        }
    }
}

/// Where a column's values come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    Request,
    /// Positions of the view in the manifest and of the feature in the view.
    View {
        view: usize,
        feature: usize,
    },
    /// Offers, of which each has a row of its own.
    Catalogue,
}

/// One feature's column of one input tensor, or a list's columns, side by side.
#[derive(Clone, Debug)]
pub(crate) struct Column {
    pub(crate) name: String,
    pub(crate) source: Source,
    pub(crate) value_type: ValueType,
    range: Option<Range>,
    categories: Option<Vec<String>>,
    /// How many elements a list has.
    length: Option<usize>,
    /// A cell for all columns, or one for each. `None` rejects.
    fallback: Option<Vec<Cell>>,
    takes_nan: bool,
    datatype: Datatype,
    input: usize,
    /// The first of the columns.
    position: usize,
}

/// What goes into a tensor for one feature of one row.
#[derive(Clone, Debug, PartialEq)]
enum Cell {
    Number(f64),
    Integer(i64),
    Text(String),
}

/// Turns feature values into tensors. Made once for a model.
#[derive(Clone, Debug)]
pub struct FeatureEncoder {
    columns: Vec<Column>,
    inputs: Vec<InputLayout>,
}

#[derive(Clone, Debug)]
struct InputLayout {
    datatype: Datatype,
    width: usize,
    has_feature_axis: bool,
}

/// Input tensors that are being filled, row by row.
pub(crate) struct Batch {
    inputs: Vec<TensorData>,
}

impl FeatureEncoder {
    /// An encoder for a manifest that has been validated, which [`Manifest::from_json`] does.
    pub fn new(manifest: &Manifest) -> Self {
        let mut columns = Vec::new();
        let mut inputs = Vec::with_capacity(manifest.inputs.len());
        for (input_index, input) in manifest.inputs.iter().enumerate() {
            let mut width = 0;
            for feature in &input.features {
                let column = column(manifest, feature, input.datatype, input_index, width);
                width += column.length.unwrap_or(1);
                columns.push(column);
            }
            inputs.push(InputLayout {
                datatype: input.datatype,
                width,
                has_feature_axis: input.shape.len() > 1,
            });
        }
        Self { columns, inputs }
    }

    /// The columns of all inputs, in order.
    pub(crate) fn columns(&self) -> &[Column] {
        &self.columns
    }

    pub(crate) fn batch(&self, rows: usize) -> Batch {
        Batch {
            inputs: self
                .inputs
                .iter()
                .map(|input| TensorData::zeros(input.datatype, rows * input.width))
                .collect(),
        }
    }

    /// Writes one value, or one list, into the batch. `Ok(Some(reason))` says that the policy filled in for it, `Err(reason)` that the
    /// policy rejects. A list with an unusable element is unusable as a whole.
    pub(crate) fn set(
        &self,
        batch: &mut Batch,
        row: usize,
        column: &Column,
        value: &Stored,
    ) -> Result<Option<MissingReason>, MissingReason> {
        let index = row * self.inputs[column.input].width + column.position;
        let tensor = &mut batch.inputs[column.input];
        match column.encode(value, |element, cell| put(tensor, index + element, cell)) {
            Ok(()) => Ok(None),
            Err(reason) => {
                let fallback = column.fallback.as_ref().ok_or(reason)?;
                for (element, cell) in fallback.iter().cycle().take(column.length.unwrap_or(1)).enumerate() {
                    put(tensor, index + element, cell);
                }
                Ok(Some(reason))
            }
        }
    }

    /// The tensors of the first `rows` rows.
    pub(crate) fn finish(&self, batch: Batch, rows: usize) -> Vec<Tensor> {
        batch
            .inputs
            .into_iter()
            .zip(&self.inputs)
            .map(|(mut data, input)| {
                with_elements!(&mut data, elements => elements.truncate(rows * input.width));
                let shape = if input.has_feature_axis {
                    vec![rows, input.width]
                } else {
                    vec![rows]
                };
                Tensor::new(shape, data).expect("a batch is allocated to its shape")
            })
            .collect()
    }

    /// The input tensors of golden rows.
    ///
    /// # Errors
    /// Names the row and the feature whose value is not of the feature's type, or which the policy rejects.
    pub fn encode_golden(&self, rows: &[GoldenRow]) -> Result<Vec<Tensor>, GoldenRowError> {
        let mut batch = self.batch(rows.len());
        for (row, golden) in rows.iter().enumerate() {
            for column in &self.columns {
                let error = |problem: String| GoldenRowError {
                    row,
                    feature: column.name.clone(),
                    problem,
                };
                let value = column
                    .read(golden.features.get(&column.name))
                    .ok_or_else(|| error(format!("is not {}", column.type_expectation())))?;
                self.set(&mut batch, row, column, &value)
                    .map_err(|reason| error(format!("is rejected: {reason:?}")))?;
            }
        }
        Ok(self.finish(batch, rows.len()))
    }
}

/// A golden row that cannot be encoded.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("golden.rows[{row}].features.{feature} {problem}")]
pub struct GoldenRowError {
    /// The row.
    pub row: usize,
    /// The feature.
    pub feature: String,
    /// What is wrong with it.
    pub problem: String,
}

impl Column {
    /// The first of its columns in its input.
    pub(crate) fn position(&self) -> usize {
        self.position
    }

    /// Reads the JSON of this feature. `None` when it is of another type.
    pub(crate) fn read(&self, json: Option<&Json>) -> Option<Stored> {
        match json {
            None => Some(Stored::Absent),
            Some(Json::Null) => Some(Stored::Null),
            Some(json) => match self.length {
                None => FeatureValue::from_json(json, self.value_type).map(Stored::Value),
                Some(length) => ListValue::from_json(json, self.value_type)
                    .filter(|list| list.len() == length)
                    .map(Stored::List),
            },
        }
    }

    fn type_expectation(&self) -> String {
        match self.length {
            None => self.value_type.expectation().to_owned(),
            Some(length) => format!("a list of {length}, each {}", self.value_type.expectation()),
        }
    }

    /// What a client must send for this feature, in words.
    pub(crate) fn expectation(&self) -> String {
        let mut text = self.value_type.expectation().to_owned();
        if let Some(Range { min, max }) = self.range {
            text += &match (min, max) {
                (Some(min), Some(max)) => format!(" from {min} to {max}"),
                (Some(min), None) => format!(" of at least {min}"),
                (None, Some(max)) => format!(" of at most {max}"),
                (None, None) => String::new(),
            };
        }
        if let (Some(categories), None) = (&self.categories, &self.fallback) {
            text = format!("one of {}", categories.join(", "));
        }
        text
    }

    /// Whether a value that a caller sent may be used or replaced by the policy. A stored value that is out of range or NaN is the
    /// store's fault, and the policy decides; the caller's is an error.
    pub(crate) fn check_request(&self, value: &Stored) -> Result<(), MissingReason> {
        match self.encode(value, |_, _| {}) {
            Ok(()) => Ok(()),
            Err(reason @ (MissingReason::OutOfRange | MissingReason::Nan)) => Err(reason),
            Err(reason) if self.fallback.is_none() => Err(reason),
            Err(_) => Ok(()),
        }
    }

    /// Gives each cell with its place among the columns of this feature; either all cells or none.
    fn encode(&self, value: &Stored, mut put: impl FnMut(usize, &Cell)) -> Result<(), MissingReason> {
        match value {
            Stored::Absent => Err(MissingReason::Absent),
            Stored::Null => Err(MissingReason::Null),
            Stored::Value(value) if self.length.is_none() => {
                put(0, &self.encode_value(value)?);
                Ok(())
            }
            Stored::List(list) if self.length.is_some() && list.is_empty() => Err(MissingReason::Empty),
            Stored::List(list) if Some(list.len()) == self.length => {
                let cells = || {
                    (0..list.len())
                        .filter_map(|index| list.get(index))
                        .map(|value| self.encode_value(&value))
                };
                cells().try_for_each(|cell| cell.map(drop))?;
                for (element, cell) in cells().enumerate() {
                    put(element, &cell?);
                }
                Ok(())
            }
            Stored::Value(_) | Stored::List(_) => {
                debug_assert!(false, "an online store gives only rows that fit their view");
                Err(MissingReason::OutOfRange)
            }
        }
    }

    fn encode_value(&self, value: &FeatureValue) -> Result<Cell, MissingReason> {
        if let FeatureValue::String(text) = value {
            return match &self.categories {
                None => Ok(Cell::Text(text.clone())),
                Some(categories) => categories
                    .iter()
                    .position(|category| category == text)
                    .map(|index| Cell::Number(index as f64))
                    .ok_or(MissingReason::UnknownCategory),
            };
        }
        if let (FeatureValue::Int64(integer), Datatype::Int64, None) = (value, self.datatype, self.range) {
            return Ok(Cell::Integer(*integer));
        }
        let number = value.as_number().unwrap_or(f64::NAN);
        if number.is_nan() {
            return if self.takes_nan {
                Ok(Cell::Number(number))
            } else {
                Err(MissingReason::Nan)
            };
        }
        let is_in_range = self.range.is_none_or(|range| match value {
            FeatureValue::Float32(single) => range.contains_single(*single),
            _ => range.contains(number),
        });
        if !is_in_range || !is_representable(number, self.datatype) {
            return Err(MissingReason::OutOfRange);
        }
        Ok(match value {
            FeatureValue::Int64(integer) => Cell::Integer(*integer),
            _ => Cell::Number(number),
        })
    }
}

fn column(manifest: &Manifest, feature: &FeatureSpec, datatype: Datatype, input: usize, position: usize) -> Column {
    let (source, value_type, length) = match manifest.stored_feature(feature) {
        Some(stored) => (
            stored_source(manifest, feature),
            stored.value_type,
            stored.length.map(|_| stored.columns()),
        ),
        None => (Source::Request, feature.value_type.unwrap_or(ValueType::Float64), None),
    };
    let mut column = Column {
        name: feature.name.clone(),
        source,
        value_type,
        range: feature.range,
        categories: feature.categories.clone(),
        length,
        fallback: None,
        takes_nan: feature.missing == MissingPolicy::Nan,
        datatype,
        input,
        position,
    };
    column.fallback = match &feature.missing {
        MissingPolicy::Reject => None,
        MissingPolicy::Nan => Some(vec![Cell::Number(f64::NAN)]),
        MissingPolicy::Default(json) => {
            let one_or_each = json.as_array().map_or(std::slice::from_ref(json), Vec::as_slice);
            let cell = |json| column.encode_value(&FeatureValue::from_json(json, value_type)?).ok();
            one_or_each.iter().map(cell).collect()
        }
    };
    debug_assert!(
        column.fallback.is_some() || !matches!(feature.missing, MissingPolicy::Default(_)),
        "validation lets only usable defaults pass"
    );
    column
}

/// Where a feature is stored that a view or the catalogue holds.
fn stored_source(manifest: &Manifest, feature: &FeatureSpec) -> Source {
    let source = &feature.source;
    let find = |(view, stored): (usize, &FeatureView)| {
        let feature = stored.features.iter().position(|stored| stored.name == feature.name)?;
        (stored.name == *source).then_some(Source::View { view, feature })
    };
    manifest
        .feature_views
        .iter()
        .enumerate()
        .find_map(find)
        .unwrap_or(Source::Catalogue)
}

/// Whether the number keeps its magnitude in a tensor of that type: an integer is not cut off, a finite float stays finite.
pub(crate) fn is_representable(number: f64, datatype: Datatype) -> bool {
    let within = |min: f64, max: f64| number.fract() == 0.0 && number >= min && number <= max;
    match datatype {
        Datatype::Bool => within(0.0, 1.0),
        Datatype::Uint8 => within(0.0, f64::from(u8::MAX)),
        Datatype::Uint16 => within(0.0, f64::from(u16::MAX)),
        Datatype::Uint32 => within(0.0, f64::from(u32::MAX)),
        // The ends of the 64-bit types are not doubles, and the next ones above are out of range.
        Datatype::Uint64 => within(0.0, 18_446_744_073_709_549_568.0),
        Datatype::Int8 => within(f64::from(i8::MIN), f64::from(i8::MAX)),
        Datatype::Int16 => within(f64::from(i16::MIN), f64::from(i16::MAX)),
        Datatype::Int32 => within(f64::from(i32::MIN), f64::from(i32::MAX)),
        Datatype::Int64 => within(i64::MIN as f64, 9_223_372_036_854_774_784.0),
        Datatype::Fp16 => half::f16::from_f64(number).is_finite() || number.is_infinite(),
        Datatype::Fp32 => (number as f32).is_finite() || number.is_infinite(),
        Datatype::Fp64 | Datatype::Bytes => true,
    }
}

fn put(tensor: &mut TensorData, index: usize, cell: &Cell) {
    let number = match cell {
        Cell::Number(number) => *number,
        Cell::Integer(integer) => {
            if let TensorData::Int64(values) = tensor {
                values[index] = *integer;
                return;
            }
            *integer as f64
        }
        Cell::Text(text) => {
            if let TensorData::Bytes(values) = tensor {
                values[index].clone_from(text);
            }
            return;
        }
    };
    match tensor {
        TensorData::Bool(values) => values[index] = number != 0.0,
        TensorData::Uint8(values) => values[index] = number as u8,
        TensorData::Uint16(values) => values[index] = number as u16,
        TensorData::Uint32(values) => values[index] = number as u32,
        TensorData::Uint64(values) => values[index] = number as u64,
        TensorData::Int8(values) => values[index] = number as i8,
        TensorData::Int16(values) => values[index] = number as i16,
        TensorData::Int32(values) => values[index] = number as i32,
        TensorData::Int64(values) => values[index] = number as i64,
        TensorData::Fp16(values) => values[index] = half::f16::from_f64(number),
        TensorData::Fp32(values) => values[index] = number as f32,
        TensorData::Fp64(values) => values[index] = number,
        TensorData::Bytes(_) => {}
    }
}

/// Features whose values the policy filled in, with the reason.
pub type Defaulted = BTreeMap<String, MissingReason>;
