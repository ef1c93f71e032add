//! Dense tensors with the datatypes of the Open Inference Protocol, in row-major order.

use std::fmt;

use half::f16;
use serde::{Deserialize, Serialize};

/// An element type, by the name that the Open Inference Protocol gives it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "UPPERCASE")]
#[allow(missing_docs, reason = "the names say it all")]
pub enum Datatype {
    Bool,
    Uint8,
    Uint16,
    Uint32,
    Uint64,
    Int8,
    Int16,
    Int32,
    Int64,
    Fp16,
    Fp32,
    Fp64,
    /// Strings, UTF-8.
    Bytes,
}

impl Datatype {
    /// Whether the type can hold a NaN.
    pub fn is_float(self) -> bool {
        matches!(self, Self::Fp16 | Self::Fp32 | Self::Fp64)
    }
}

impl fmt::Display for Datatype {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Bool => "BOOL",
            Self::Uint8 => "UINT8",
            Self::Uint16 => "UINT16",
            Self::Uint32 => "UINT32",
            Self::Uint64 => "UINT64",
            Self::Int8 => "INT8",
            Self::Int16 => "INT16",
            Self::Int32 => "INT32",
            Self::Int64 => "INT64",
            Self::Fp16 => "FP16",
            Self::Fp32 => "FP32",
            Self::Fp64 => "FP64",
            Self::Bytes => "BYTES",
        })
    }
}

/// The elements of a tensor in row-major order.
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs, reason = "one variant for each datatype")]
pub enum TensorData {
    Bool(Vec<bool>),
    Uint8(Vec<u8>),
    Uint16(Vec<u16>),
    Uint32(Vec<u32>),
    Uint64(Vec<u64>),
    Int8(Vec<i8>),
    Int16(Vec<i16>),
    Int32(Vec<i32>),
    Int64(Vec<i64>),
    Fp16(Vec<f16>),
    Fp32(Vec<f32>),
    Fp64(Vec<f64>),
    Bytes(Vec<String>),
}

/// Runs the same expression on the vector of whichever variant `$data` is.
#[macro_export]
macro_rules! with_elements {
    ($data:expr, $elements:ident => $body:expr) => {
        match $data {
            $crate::tensor::TensorData::Bool($elements) => $body,
            $crate::tensor::TensorData::Uint8($elements) => $body,
            $crate::tensor::TensorData::Uint16($elements) => $body,
            $crate::tensor::TensorData::Uint32($elements) => $body,
            $crate::tensor::TensorData::Uint64($elements) => $body,
            $crate::tensor::TensorData::Int8($elements) => $body,
            $crate::tensor::TensorData::Int16($elements) => $body,
            $crate::tensor::TensorData::Int32($elements) => $body,
            $crate::tensor::TensorData::Int64($elements) => $body,
            $crate::tensor::TensorData::Fp16($elements) => $body,
            $crate::tensor::TensorData::Fp32($elements) => $body,
            $crate::tensor::TensorData::Fp64($elements) => $body,
            $crate::tensor::TensorData::Bytes($elements) => $body,
        }
    };
}

impl TensorData {
    /// `len` elements of zero, `false` or the empty string.
    pub fn zeros(datatype: Datatype, len: usize) -> Self {
        match datatype {
            Datatype::Bool => Self::Bool(vec![false; len]),
            Datatype::Uint8 => Self::Uint8(vec![0; len]),
            Datatype::Uint16 => Self::Uint16(vec![0; len]),
            Datatype::Uint32 => Self::Uint32(vec![0; len]),
            Datatype::Uint64 => Self::Uint64(vec![0; len]),
            Datatype::Int8 => Self::Int8(vec![0; len]),
            Datatype::Int16 => Self::Int16(vec![0; len]),
            Datatype::Int32 => Self::Int32(vec![0; len]),
            Datatype::Int64 => Self::Int64(vec![0; len]),
            Datatype::Fp16 => Self::Fp16(vec![f16::ZERO; len]),
            Datatype::Fp32 => Self::Fp32(vec![0.0; len]),
            Datatype::Fp64 => Self::Fp64(vec![0.0; len]),
            Datatype::Bytes => Self::Bytes(vec![String::new(); len]),
        }
    }

    /// The datatype of the elements.
    pub fn datatype(&self) -> Datatype {
        match self {
            Self::Bool(_) => Datatype::Bool,
            Self::Uint8(_) => Datatype::Uint8,
            Self::Uint16(_) => Datatype::Uint16,
            Self::Uint32(_) => Datatype::Uint32,
            Self::Uint64(_) => Datatype::Uint64,
            Self::Int8(_) => Datatype::Int8,
            Self::Int16(_) => Datatype::Int16,
            Self::Int32(_) => Datatype::Int32,
            Self::Int64(_) => Datatype::Int64,
            Self::Fp16(_) => Datatype::Fp16,
            Self::Fp32(_) => Datatype::Fp32,
            Self::Fp64(_) => Datatype::Fp64,
            Self::Bytes(_) => Datatype::Bytes,
        }
    }

    fn slice(&self, range: std::ops::Range<usize>) -> Self {
        match self {
            Self::Bool(values) => Self::Bool(values[range].to_vec()),
            Self::Uint8(values) => Self::Uint8(values[range].to_vec()),
            Self::Uint16(values) => Self::Uint16(values[range].to_vec()),
            Self::Uint32(values) => Self::Uint32(values[range].to_vec()),
            Self::Uint64(values) => Self::Uint64(values[range].to_vec()),
            Self::Int8(values) => Self::Int8(values[range].to_vec()),
            Self::Int16(values) => Self::Int16(values[range].to_vec()),
            Self::Int32(values) => Self::Int32(values[range].to_vec()),
            Self::Int64(values) => Self::Int64(values[range].to_vec()),
            Self::Fp16(values) => Self::Fp16(values[range].to_vec()),
            Self::Fp32(values) => Self::Fp32(values[range].to_vec()),
            Self::Fp64(values) => Self::Fp64(values[range].to_vec()),
            Self::Bytes(values) => Self::Bytes(values[range].to_vec()),
        }
    }

    /// The number of elements.
    pub fn len(&self) -> usize {
        with_elements!(self, elements => elements.len())
    }

    /// Whether there are no elements.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The element at `index` as a double; `None` for a string or past the end.
    pub fn number(&self, index: usize) -> Option<f64> {
        Some(match self {
            Self::Bool(values) => f64::from(u8::from(*values.get(index)?)),
            Self::Uint8(values) => f64::from(*values.get(index)?),
            Self::Uint16(values) => f64::from(*values.get(index)?),
            Self::Uint32(values) => f64::from(*values.get(index)?),
            Self::Uint64(values) => *values.get(index)? as f64,
            Self::Int8(values) => f64::from(*values.get(index)?),
            Self::Int16(values) => f64::from(*values.get(index)?),
            Self::Int32(values) => f64::from(*values.get(index)?),
            Self::Int64(values) => *values.get(index)? as f64,
            Self::Fp16(values) => values.get(index)?.to_f64(),
            Self::Fp32(values) => f64::from(*values.get(index)?),
            Self::Fp64(values) => *values.get(index)?,
            Self::Bytes(_) => return None,
        })
    }
}

/// A tensor whose shape and number of elements agree.
#[derive(Clone, Debug, PartialEq)]
pub struct Tensor {
    shape: Vec<usize>,
    data: TensorData,
}

/// The shape does not hold as many elements as the data has.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("shape {shape:?} does not hold {len} elements")]
pub struct ShapeMismatch {
    /// The shape that was asked for.
    pub shape: Vec<usize>,
    /// How many elements there are.
    pub len: usize,
}

impl Tensor {
    /// # Errors
    /// When `shape` does not hold exactly the elements of `data`; also when its product overflows.
    pub fn new(shape: Vec<usize>, data: TensorData) -> Result<Self, ShapeMismatch> {
        let elements = shape
            .iter()
            .try_fold(1usize, |product, &dimension| product.checked_mul(dimension));
        if elements == Some(data.len()) {
            Ok(Self { shape, data })
        } else {
            Err(ShapeMismatch { shape, len: data.len() })
        }
    }

    /// The dimensions, outermost first.
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// The elements.
    pub fn data(&self) -> &TensorData {
        &self.data
    }

    /// The elements, for moving them elsewhere without a copy.
    pub fn into_data(self) -> TensorData {
        self.data
    }

    /// The datatype of the elements.
    pub fn datatype(&self) -> Datatype {
        self.data.datatype()
    }

    /// The size of the outermost dimension: the number of instances in a batch. A scalar is one row.
    pub fn rows(&self) -> usize {
        self.shape.first().copied().unwrap_or(1)
    }

    /// One row as a batch of one.
    ///
    /// # Panics
    /// When there is no such row.
    pub fn slice_row(&self, row: usize) -> Tensor {
        let len = self.row_len();
        let range = row * len..(row + 1) * len;
        let mut shape = self.shape.clone();
        if let Some(batch) = shape.first_mut() {
            *batch = 1;
        }
        Tensor {
            shape,
            data: self.data.slice(range),
        }
    }

    /// How many elements one row has.
    pub fn row_len(&self) -> usize {
        self.shape.iter().skip(1).product()
    }
}

/// Name, datatype and shape of a model's input or output.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TensorSpec {
    /// The name in the graph.
    pub name: String,
    /// The element type.
    pub datatype: Datatype,
    /// The dimensions, outermost first; `None` is a dimension that each call may choose. No shape at all when the rank is unknown.
    pub shape: Option<Vec<Option<usize>>>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shape_must_hold_the_elements_exactly() {
        assert!(Tensor::new(vec![2, 2], TensorData::Fp32(vec![0.0; 4])).is_ok());
        assert!(Tensor::new(vec![0, 7], TensorData::Fp32(vec![])).is_ok());
        assert!(Tensor::new(vec![], TensorData::Int64(vec![3])).is_ok());
        assert!(Tensor::new(vec![2, 2], TensorData::Fp32(vec![0.0; 3])).is_err());
        assert!(Tensor::new(vec![usize::MAX, 2], TensorData::Fp32(vec![])).is_err());
    }

    #[test]
    fn a_datatype_has_one_name_everywhere() {
        for datatype in [Datatype::Fp16, Datatype::Uint64, Datatype::Bytes] {
            let json = serde_json::to_string(&datatype).expect("serialises");
            assert_eq!(json, format!("\"{datatype}\""));
            assert_eq!(TensorData::zeros(datatype, 3).datatype(), datatype);
        }
    }
}
