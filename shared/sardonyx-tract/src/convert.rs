//! Tensors of the domain to tract's and back.

use sardonyx_core::tensor::{Datatype, Tensor, TensorData};
use sardonyx_core::with_elements;
use tract_onnx::prelude::tract_ndarray::{ArrayD, IxDyn};
use tract_onnx::prelude::{DatumType, TractResult, tract_data};
use tract_onnx::tract_hir::internal::{IntoTValue, TDim, TValue, anyhow, bail};

pub(crate) fn to_datum_type(datatype: Datatype) -> DatumType {
    match datatype {
        Datatype::Bool => DatumType::Bool,
        Datatype::Uint8 => DatumType::U8,
        Datatype::Uint16 => DatumType::U16,
        Datatype::Uint32 => DatumType::U32,
        Datatype::Uint64 => DatumType::U64,
        Datatype::Int8 => DatumType::I8,
        Datatype::Int16 => DatumType::I16,
        Datatype::Int32 => DatumType::I32,
        Datatype::Int64 => DatumType::I64,
        Datatype::Fp16 => DatumType::F16,
        Datatype::Fp32 => DatumType::F32,
        Datatype::Fp64 => DatumType::F64,
        Datatype::Bytes => DatumType::String,
    }
}

/// `None` for what the Open Inference Protocol has no name for.
pub(crate) fn to_datatype(datum_type: DatumType) -> Option<Datatype> {
    Some(match datum_type {
        DatumType::Bool => Datatype::Bool,
        DatumType::U8 => Datatype::Uint8,
        DatumType::U16 => Datatype::Uint16,
        DatumType::U32 => Datatype::Uint32,
        DatumType::U64 => Datatype::Uint64,
        DatumType::I8 => Datatype::Int8,
        DatumType::I16 => Datatype::Int16,
        DatumType::I32 => Datatype::Int32,
        // Dimensions are integers in ONNX; tract keeps them apart.
        DatumType::I64 | DatumType::TDim => Datatype::Int64,
        DatumType::F16 => Datatype::Fp16,
        DatumType::F32 => Datatype::Fp32,
        DatumType::F64 => Datatype::Fp64,
        DatumType::String => Datatype::Bytes,
        _ => return None,
    })
}

pub(crate) fn to_tract(tensor: Tensor) -> TractResult<TValue> {
    let shape = IxDyn(tensor.shape());
    let tensor: tract_data::prelude::Tensor = with_elements!(tensor.into_data(), elements => {
        ArrayD::from_shape_vec(shape, elements)?.into()
    });
    Ok(tensor.into_tvalue())
}

pub(crate) fn from_tract(value: &TValue) -> TractResult<Tensor> {
    macro_rules! elements {
        ($type:ty) => {
            value.try_as_plain_ram()?.as_slice::<$type>()?.to_vec()
        };
    }
    let data = match value.datum_type() {
        DatumType::Bool => TensorData::Bool(elements!(bool)),
        DatumType::U8 => TensorData::Uint8(elements!(u8)),
        DatumType::U16 => TensorData::Uint16(elements!(u16)),
        DatumType::U32 => TensorData::Uint32(elements!(u32)),
        DatumType::U64 => TensorData::Uint64(elements!(u64)),
        DatumType::I8 => TensorData::Int8(elements!(i8)),
        DatumType::I16 => TensorData::Int16(elements!(i16)),
        DatumType::I32 => TensorData::Int32(elements!(i32)),
        DatumType::I64 => TensorData::Int64(elements!(i64)),
        DatumType::F16 => TensorData::Fp16(elements!(half::f16)),
        DatumType::F32 => TensorData::Fp32(elements!(f32)),
        DatumType::F64 => TensorData::Fp64(elements!(f64)),
        DatumType::String => TensorData::Bytes(elements!(String)),
        DatumType::TDim => {
            let dimensions = value.try_as_plain_ram()?.as_slice::<TDim>()?;
            TensorData::Int64(dimensions.iter().map(TDim::to_i64).collect::<Result<_, _>>()?)
        }
        other => bail!("an output has elements of type {other:?}"),
    };
    Tensor::new(value.shape().to_vec(), data).map_err(|error| anyhow!(error))
}
