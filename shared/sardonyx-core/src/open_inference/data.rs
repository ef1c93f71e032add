//! The elements of tensors, in and out of JSON.

use half::f16;
use serde::Serialize;
use serde::ser::{SerializeMap, SerializeSeq, Serializer};
use serde_json::Value as Json;

use crate::error::InvalidInput;
use crate::tensor::{Datatype, Tensor, TensorData};
use crate::value::{float_from_json, float32_from_json, serialize_float};

/// Reads the elements of a tensor, flat or nested.
pub(super) fn read(json: &Json, datatype: Datatype, field: &str) -> Result<TensorData, InvalidInput> {
    let mut elements = Vec::new();
    if !json.is_array() {
        return Err(InvalidInput::unexpected(field, "an array", json));
    }
    flatten(json, &mut elements);
    Ok(match datatype {
        Datatype::Bool => TensorData::Bool(collect(&elements, field, "true or false", Json::as_bool)?),
        Datatype::Uint8 => TensorData::Uint8(collect(&elements, field, "an integer of UINT8", unsigned)?),
        Datatype::Uint16 => TensorData::Uint16(collect(&elements, field, "an integer of UINT16", unsigned)?),
        Datatype::Uint32 => TensorData::Uint32(collect(&elements, field, "an integer of UINT32", unsigned)?),
        Datatype::Uint64 => TensorData::Uint64(collect(&elements, field, "an integer of UINT64", Json::as_u64)?),
        Datatype::Int8 => TensorData::Int8(collect(&elements, field, "an integer of INT8", signed)?),
        Datatype::Int16 => TensorData::Int16(collect(&elements, field, "an integer of INT16", signed)?),
        Datatype::Int32 => TensorData::Int32(collect(&elements, field, "an integer of INT32", signed)?),
        Datatype::Int64 => TensorData::Int64(collect(&elements, field, "an integer of INT64", Json::as_i64)?),
        Datatype::Fp16 => TensorData::Fp16(collect(&elements, field, "a number of FP16", float16)?),
        Datatype::Fp32 => TensorData::Fp32(collect(&elements, field, "a number of FP32", float32_from_json)?),
        Datatype::Fp64 => TensorData::Fp64(collect(&elements, field, "a number of FP64", float_from_json)?),
        Datatype::Bytes => TensorData::Bytes(collect(&elements, field, "a string", |json| {
            json.as_str().map(str::to_owned)
        })?),
    })
}

fn flatten<'a>(json: &'a Json, elements: &mut Vec<&'a Json>) {
    match json {
        Json::Array(values) => values.iter().for_each(|value| flatten(value, elements)),
        element => elements.push(element),
    }
}

fn collect<T>(
    elements: &[&Json],
    field: &str,
    expected: &str,
    read: impl Fn(&Json) -> Option<T>,
) -> Result<Vec<T>, InvalidInput> {
    let values = elements.iter().enumerate().map(|(index, element)| {
        read(element).ok_or_else(|| InvalidInput::unexpected(format!("{field}[{index}]"), expected, element))
    });
    values.collect()
}

fn float16(json: &Json) -> Option<f16> {
    let wide = float_from_json(json)?;
    let narrow = f16::from_f64(wide);
    (narrow.is_finite() || !wide.is_finite()).then_some(narrow)
}

fn unsigned<T: TryFrom<u64>>(json: &Json) -> Option<T> {
    json.as_u64().and_then(|number| T::try_from(number).ok())
}

fn signed<T: TryFrom<i64>>(json: &Json) -> Option<T> {
    json.as_i64().and_then(|number| T::try_from(number).ok())
}

/// Serialises a tensor as the fields `datatype`, `shape` and `data`, the last one flat.
pub(super) fn serialize_tensor<S: Serializer>(tensor: &Tensor, serializer: S) -> Result<S::Ok, S::Error> {
    let mut map = serializer.serialize_map(Some(3))?;
    map.serialize_entry("datatype", &tensor.datatype())?;
    map.serialize_entry("shape", tensor.shape())?;
    map.serialize_entry("data", &Elements(tensor.data()))?;
    map.end()
}

struct Elements<'a>(&'a TensorData);

/// A float of any width, printed with its own digits.
struct Float<T>(T);

impl<T: Into<f64> + Copy + Serialize> Serialize for Float<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serialize_float(self.0, serializer)
    }
}

impl Serialize for Elements<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        fn floats<S: Serializer, T: Into<f64> + Copy + Serialize>(
            values: impl ExactSizeIterator<Item = T>,
            serializer: S,
        ) -> Result<S::Ok, S::Error> {
            let mut sequence = serializer.serialize_seq(Some(values.len()))?;
            for value in values {
                sequence.serialize_element(&Float(value))?;
            }
            sequence.end()
        }
        match self.0 {
            TensorData::Bool(values) => values.serialize(serializer),
            TensorData::Uint8(values) => values.serialize(serializer),
            TensorData::Uint16(values) => values.serialize(serializer),
            TensorData::Uint32(values) => values.serialize(serializer),
            TensorData::Uint64(values) => values.serialize(serializer),
            TensorData::Int8(values) => values.serialize(serializer),
            TensorData::Int16(values) => values.serialize(serializer),
            TensorData::Int32(values) => values.serialize(serializer),
            TensorData::Int64(values) => values.serialize(serializer),
            TensorData::Fp16(values) => floats(values.iter().map(|value| value.to_f32()), serializer),
            TensorData::Fp32(values) => floats(values.iter().copied(), serializer),
            TensorData::Fp64(values) => floats(values.iter().copied(), serializer),
            TensorData::Bytes(values) => values.serialize(serializer),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn integers_are_exact_and_checked() {
        let exact = read(&json!([9_007_199_254_740_993_i64, i64::MIN]), Datatype::Int64, "data").expect("fits");
        assert_eq!(exact, TensorData::Int64(vec![9_007_199_254_740_993, i64::MIN]));
        for (datatype, json) in [
            (Datatype::Int8, json!([128])),
            (Datatype::Uint8, json!([-1])),
            (Datatype::Uint64, json!([-1])),
            (Datatype::Int64, json!([1.5])),
            (Datatype::Fp32, json!([1e39])),
            (Datatype::Fp16, json!([70000])),
            (Datatype::Fp64, json!(["nan"])),
            (Datatype::Bool, json!([1])),
            (Datatype::Bytes, json!([1])),
            (Datatype::Fp32, json!([null])),
        ] {
            assert!(read(&json, datatype, "data").is_err(), "{datatype} {json}");
        }
        assert!(read(&json!(1), Datatype::Int64, "data").is_err());
    }

    #[test]
    fn every_datatype_comes_back_as_it_was() {
        for (datatype, json) in [
            (Datatype::Bool, json!([true, false])),
            (Datatype::Uint8, json!([0, 255])),
            (Datatype::Uint16, json!([65535])),
            (Datatype::Uint32, json!([4_294_967_295_u32])),
            (Datatype::Uint64, json!([u64::MAX])),
            (Datatype::Int8, json!([-128])),
            (Datatype::Int16, json!([-32768])),
            (Datatype::Int32, json!([i32::MIN])),
            (Datatype::Int64, json!([i64::MAX])),
            (Datatype::Fp16, json!([0.5, "NaN", "Infinity"])),
            (Datatype::Fp32, json!([0.5, "-Infinity"])),
            (Datatype::Fp64, json!([0.1, "NaN"])),
            (Datatype::Bytes, json!(["", "é"])),
        ] {
            let data = read(&json, datatype, "data").expect("fits");
            assert_eq!(serde_json::to_value(Elements(&data)).expect("serialises"), json);
        }
    }
}
