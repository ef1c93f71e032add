//! Tensors of the file to those of the domain and back.

use anyhow::{Context, Result, anyhow, ensure};
use half::f16;
use sardonyx_core::tensor::{Datatype, Tensor, TensorData};

use super::TensorProto;
use super::tensor_proto::{DataLocation, DataType};

impl TensorProto {
    /// The tensor; of lists and raw data the latter counts.
    ///
    /// # Errors
    /// When its type is unknown, its elements are in another file or not as many as its shape has, or a text is not UTF-8.
    pub(crate) fn to_tensor(&self) -> Result<Tensor> {
        self.with_raw_data(&self.raw_data)
    }

    /// The tensor, with raw data that is not in its message.
    ///
    /// # Errors
    /// As [`to_tensor`](Self::to_tensor).
    pub(crate) fn with_raw_data(&self, raw_data: &[u8]) -> Result<Tensor> {
        let title = || format!("the tensor {:?}", self.name);
        ensure!(
            self.data_location.unwrap_or_default() == DataLocation::Default as i32,
            "{} is in another file",
            title()
        );
        let datatype = datatype(self.data_type).ok_or_else(|| anyhow!("{} has an unknown type", title()))?;
        let shape = self.dims.iter().map(|size| usize::try_from(*size));
        let shape = shape.collect::<Result<_, _>>().with_context(title)?;
        let data = match raw_data.is_empty() {
            true => self.listed(datatype).with_context(title)?,
            false => {
                raw(datatype, raw_data).ok_or_else(|| anyhow!("{} has no raw data that fits its type", title()))?
            }
        };
        Tensor::new(shape, data).with_context(title)
    }

    /// The shape, if these bytes are as many floats as it has.
    pub(crate) fn shape_of_floats(&self, raw_data: &[u8]) -> Option<Vec<usize>> {
        let shape: Vec<usize> = self
            .dims
            .iter()
            .map(|size| usize::try_from(*size).ok())
            .collect::<Option<_>>()?;
        let bytes = shape.iter().try_fold(4usize, |bytes, size| bytes.checked_mul(*size))?;
        let is_here = self.data_location.unwrap_or_default() == DataLocation::Default as i32;
        (is_here && self.data_type == DataType::Float as i32 && bytes == raw_data.len()).then_some(shape)
    }

    /// Whether the message holds elements, of a tensor of floats.
    pub(crate) fn has_floats(&self) -> bool {
        !(self.raw_data.is_empty() && self.float_data.is_empty())
    }

    /// The elements in the list for their type.
    fn listed(&self, datatype: Datatype) -> Result<TensorData> {
        macro_rules! narrowed {
            ($list:expr, $type:ty) => {
                $list.iter().map(|value| *value as $type).collect()
            };
        }
        Ok(match datatype {
            Datatype::Bool => TensorData::Bool(self.int32_data.iter().map(|value| *value != 0).collect()),
            Datatype::Uint8 => TensorData::Uint8(narrowed!(self.int32_data, u8)),
            Datatype::Uint16 => TensorData::Uint16(narrowed!(self.int32_data, u16)),
            Datatype::Uint32 => TensorData::Uint32(narrowed!(self.uint64_data, u32)),
            Datatype::Uint64 => TensorData::Uint64(self.uint64_data.clone()),
            Datatype::Int8 => TensorData::Int8(narrowed!(self.int32_data, i8)),
            Datatype::Int16 => TensorData::Int16(narrowed!(self.int32_data, i16)),
            Datatype::Int32 => TensorData::Int32(self.int32_data.clone()),
            Datatype::Int64 => TensorData::Int64(self.int64_data.clone()),
            Datatype::Fp16 => {
                let bits = self.int32_data.iter();
                TensorData::Fp16(bits.map(|bits| f16::from_bits(*bits as u16)).collect())
            }
            Datatype::Fp32 => TensorData::Fp32(self.float_data.clone()),
            Datatype::Fp64 => TensorData::Fp64(self.double_data.clone()),
            Datatype::Bytes => {
                let texts = self.string_data.iter().cloned().map(String::from_utf8);
                TensorData::Bytes(texts.collect::<Result<_, _>>().context("a text is not UTF-8")?)
            }
        })
    }

    /// Brings the elements into raw bytes, if they are all there.
    pub(crate) fn make_raw(&mut self) {
        if !self.raw_data.is_empty() {
            return;
        }
        let Some(raw) = self.to_tensor().ok().and_then(|tensor| raw_bytes(tensor.data())) else {
            return;
        };
        if raw.is_empty() {
            return;
        }
        self.raw_data = raw;
        self.float_data.clear();
        self.double_data.clear();
        self.int32_data.clear();
        self.int64_data.clear();
        self.uint64_data.clear();
    }
}

/// Elements from little-endian bytes. `None` for texts, and where a part of an element is left over.
fn raw(datatype: Datatype, bytes: &[u8]) -> Option<TensorData> {
    macro_rules! elements {
        ($variant:ident, $type:ty) => {{
            let (chunks, []) = bytes.as_chunks() else { return None };
            TensorData::$variant(chunks.iter().map(|bytes| <$type>::from_le_bytes(*bytes)).collect())
        }};
    }
    Some(match datatype {
        Datatype::Bool => TensorData::Bool(bytes.iter().map(|byte| *byte != 0).collect()),
        Datatype::Uint8 => TensorData::Uint8(bytes.to_vec()),
        Datatype::Uint16 => elements!(Uint16, u16),
        Datatype::Uint32 => elements!(Uint32, u32),
        Datatype::Uint64 => elements!(Uint64, u64),
        Datatype::Int8 => elements!(Int8, i8),
        Datatype::Int16 => elements!(Int16, i16),
        Datatype::Int32 => elements!(Int32, i32),
        Datatype::Int64 => elements!(Int64, i64),
        Datatype::Fp16 => elements!(Fp16, f16),
        Datatype::Fp32 => elements!(Fp32, f32),
        Datatype::Fp64 => elements!(Fp64, f64),
        Datatype::Bytes => return None,
    })
}

/// The little-endian bytes of elements. `None` for texts.
fn raw_bytes(data: &TensorData) -> Option<Vec<u8>> {
    macro_rules! bytes {
        ($values:expr) => {
            $values.iter().flat_map(|value| value.to_le_bytes()).collect()
        };
    }
    Some(match data {
        TensorData::Bool(values) => values.iter().map(|value| u8::from(*value)).collect(),
        TensorData::Uint8(values) => values.clone(),
        TensorData::Uint16(values) => bytes!(values),
        TensorData::Uint32(values) => bytes!(values),
        TensorData::Uint64(values) => bytes!(values),
        TensorData::Int8(values) => bytes!(values),
        TensorData::Int16(values) => bytes!(values),
        TensorData::Int32(values) => bytes!(values),
        TensorData::Int64(values) => bytes!(values),
        TensorData::Fp16(values) => bytes!(values),
        TensorData::Fp32(values) => bytes!(values),
        TensorData::Fp64(values) => bytes!(values),
        TensorData::Bytes(_) => return None,
    })
}

/// The datatype of a [`DataType`]. `None` for what the Open Inference Protocol has no name for.
pub(crate) fn datatype(element_type: i32) -> Option<Datatype> {
    Some(match DataType::try_from(element_type).ok()? {
        DataType::Bool => Datatype::Bool,
        DataType::Uint8 => Datatype::Uint8,
        DataType::Uint16 => Datatype::Uint16,
        DataType::Uint32 => Datatype::Uint32,
        DataType::Uint64 => Datatype::Uint64,
        DataType::Int8 => Datatype::Int8,
        DataType::Int16 => Datatype::Int16,
        DataType::Int32 => Datatype::Int32,
        DataType::Int64 => Datatype::Int64,
        DataType::Float16 => Datatype::Fp16,
        DataType::Float => Datatype::Fp32,
        DataType::Double => Datatype::Fp64,
        DataType::String => Datatype::Bytes,
        _ => return None,
    })
}

/// The bytes of an element; texts have no fixed number of them.
pub(crate) fn width(datatype: Datatype) -> Option<usize> {
    Some(match datatype {
        Datatype::Bool | Datatype::Uint8 | Datatype::Int8 => 1,
        Datatype::Uint16 | Datatype::Int16 | Datatype::Fp16 => 2,
        Datatype::Uint32 | Datatype::Int32 | Datatype::Fp32 => 4,
        Datatype::Uint64 | Datatype::Int64 | Datatype::Fp64 => 8,
        Datatype::Bytes => return None,
    })
}
