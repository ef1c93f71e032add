//! Elements of tensors and stored values, compared and shown to the bit.

use std::fmt;

use sardonyx_core::feature_row::Stored;
use sardonyx_core::tensor::{Datatype, Tensor, TensorData};
use sardonyx_core::value::{FeatureValue, ValueType};

/// One element of a tensor.
#[derive(Clone, Debug)]
pub(super) enum Element {
    Bool(bool),
    /// Of any width.
    Integer(i128),
    /// Also of half precision, every value of which single precision has.
    Single(f32),
    Double(f64),
    Text(String),
}

/// The type of a column of a sample that holds elements of a tensor.
pub(super) fn column_type(datatype: Datatype) -> ValueType {
    match datatype {
        Datatype::Bool => ValueType::Bool,
        Datatype::Fp16 | Datatype::Fp32 => ValueType::Float32,
        Datatype::Fp64 => ValueType::Float64,
        Datatype::Bytes => ValueType::String,
        Datatype::Uint8
        | Datatype::Uint16
        | Datatype::Uint32
        | Datatype::Uint64
        | Datatype::Int8
        | Datatype::Int16
        | Datatype::Int32
        | Datatype::Int64 => ValueType::Int64,
    }
}

impl Element {
    /// What a column of a sample says that holds elements of a tensor of that type.
    ///
    /// # Errors
    /// Says what is wrong with it.
    pub(super) fn trained(stored: &Stored, datatype: Datatype) -> Result<Self, &'static str> {
        match stored {
            Stored::Value(value) => Ok(value.into()),
            // pandas writes a NaN as a null, and no tensor has nulls.
            Stored::Null if datatype == Datatype::Fp64 => Ok(Self::Double(f64::NAN)),
            Stored::Null if datatype.is_float() => Ok(Self::Single(f32::NAN)),
            Stored::Null => Err("is null, which no tensor holds"),
            Stored::Absent | Stored::List(_) => Err("is missing"),
        }
    }

    /// The elements of one row of a tensor, in row-major order.
    pub(super) fn of_row(tensor: &Tensor, row: usize) -> Vec<Self> {
        let len = tensor.row_len();
        let elements = row * len..(row + 1) * len;
        elements.filter_map(|index| Self::at(tensor.data(), index)).collect()
    }

    /// `None` past the end.
    fn at(data: &TensorData, index: usize) -> Option<Self> {
        let integer = |value: Option<i128>| value.map(Self::Integer);
        match data {
            TensorData::Bool(values) => values.get(index).copied().map(Self::Bool),
            TensorData::Uint8(values) => integer(values.get(index).map(|value| (*value).into())),
            TensorData::Uint16(values) => integer(values.get(index).map(|value| (*value).into())),
            TensorData::Uint32(values) => integer(values.get(index).map(|value| (*value).into())),
            TensorData::Uint64(values) => integer(values.get(index).map(|value| (*value).into())),
            TensorData::Int8(values) => integer(values.get(index).map(|value| (*value).into())),
            TensorData::Int16(values) => integer(values.get(index).map(|value| (*value).into())),
            TensorData::Int32(values) => integer(values.get(index).map(|value| (*value).into())),
            TensorData::Int64(values) => integer(values.get(index).map(|value| (*value).into())),
            TensorData::Fp16(values) => values.get(index).map(|value| Self::Single(value.to_f32())),
            TensorData::Fp32(values) => values.get(index).copied().map(Self::Single),
            TensorData::Fp64(values) => values.get(index).copied().map(Self::Double),
            TensorData::Bytes(values) => values.get(index).cloned().map(Self::Text),
        }
    }

    /// Whether both are of one type and have the same bits; a NaN is one whatever its bits.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Bool(a), Self::Bool(b)) => a == b,
            (Self::Integer(a), Self::Integer(b)) => a == b,
            (Self::Single(a), Self::Single(b)) => a.to_bits() == b.to_bits() || a.is_nan() && b.is_nan(),
            (Self::Double(a), Self::Double(b)) => a.to_bits() == b.to_bits() || a.is_nan() && b.is_nan(),
            (Self::Text(a), Self::Text(b)) => a == b,
            _ => false,
        }
    }

    /// The element as a double, if it is a float.
    pub(super) fn float(&self) -> Option<f64> {
        match self {
            Self::Single(value) => Some(f64::from(*value)),
            Self::Double(value) => Some(*value),
            Self::Bool(_) | Self::Integer(_) | Self::Text(_) => None,
        }
    }
}

impl From<&FeatureValue> for Element {
    fn from(value: &FeatureValue) -> Self {
        match value {
            FeatureValue::Bool(value) => Self::Bool(*value),
            FeatureValue::Int64(value) => Self::Integer((*value).into()),
            FeatureValue::Float32(value) => Self::Single(*value),
            FeatureValue::Float64(value) => Self::Double(*value),
            FeatureValue::String(text) => Self::Text(text.clone()),
        }
    }
}

impl fmt::Display for Element {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bool(value) => value.fmt(f),
            Self::Integer(value) => value.fmt(f),
            Self::Single(value) => write!(f, "{value} (0x{:08x})", value.to_bits()),
            Self::Double(value) => write!(f, "{value} (0x{:016x})", value.to_bits()),
            Self::Text(text) => write!(f, "{text:?}"),
        }
    }
}

/// Whether a stored value came back as it was written, to the bit.
pub(super) fn is_same_stored(written: &Stored, read: &Stored) -> bool {
    match (written, read) {
        (Stored::Value(written), Stored::Value(read)) => Element::from(written).is_same(&read.into()),
        (written, read) => written == read,
    }
}

/// A stored value in words.
pub(super) fn describe(stored: &Stored) -> String {
    match stored {
        Stored::Absent => "nothing".into(),
        Stored::Null => "null".into(),
        Stored::Value(value) => Element::from(value).to_string(),
        Stored::List(list) => format!("{list:?}"),
    }
}
