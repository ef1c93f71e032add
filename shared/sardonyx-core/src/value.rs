//! Feature values and how JSON becomes one.

use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

/// The type of a feature, as a feature view stores it or a request carries it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum ValueType {
    /// `true` or `false`; 1 or 0 in a numeric tensor.
    Bool,
    /// A signed integer of 64 bits.
    Int64,
    /// A single-precision number.
    Float32,
    /// A double-precision number.
    Float64,
    /// UTF-8 text.
    String,
}

impl ValueType {
    /// The name in a manifest.
    pub fn name(self) -> &'static str {
        match self {
            Self::Bool => "bool",
            Self::Int64 => "int64",
            Self::Float32 => "float32",
            Self::Float64 => "float64",
            Self::String => "string",
        }
    }

    /// What a client must send, in words.
    pub fn expectation(self) -> &'static str {
        match self {
            Self::Bool => "true or false",
            Self::Int64 => "an integer",
            Self::Float32 | Self::Float64 => "a number",
            Self::String => "a string",
        }
    }
}

/// One value of a feature. A null is not a value: see [`crate::feature_row::Stored`].
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs, reason = "one variant for each value type")]
pub enum FeatureValue {
    Bool(bool),
    Int64(i64),
    Float32(f32),
    Float64(f64),
    String(String),
}

impl FeatureValue {
    /// The type of this value.
    pub fn value_type(&self) -> ValueType {
        match self {
            Self::Bool(_) => ValueType::Bool,
            Self::Int64(_) => ValueType::Int64,
            Self::Float32(_) => ValueType::Float32,
            Self::Float64(_) => ValueType::Float64,
            Self::String(_) => ValueType::String,
        }
    }

    /// The value as a double; `None` for a string.
    pub fn as_number(&self) -> Option<f64> {
        match *self {
            Self::Bool(value) => Some(f64::from(u8::from(value))),
            Self::Int64(value) => Some(value as f64),
            Self::Float32(value) => Some(f64::from(value)),
            Self::Float64(value) => Some(value),
            Self::String(_) => None,
        }
    }

    /// Reads a JSON value as `value_type`. JSON has no NaN and no infinity: those are the strings `"NaN"`, `"Infinity"` and
    /// `"-Infinity"`, as in [protobuf's JSON mapping](https://protobuf.dev/programming-guides/json/).
    ///
    /// Returns `None` when the value is of another type, or does not fit into this one; a null is of no type.
    pub fn from_json(json: &Json, value_type: ValueType) -> Option<Self> {
        match value_type {
            ValueType::Bool => json.as_bool().map(Self::Bool),
            ValueType::Int64 => json.as_i64().map(Self::Int64),
            ValueType::Float32 => float32_from_json(json).map(Self::Float32),
            ValueType::Float64 => float_from_json(json).map(Self::Float64),
            ValueType::String => json.as_str().map(|text| Self::String(text.to_owned())),
        }
    }

    /// The value as [`Self::from_json`] reads it.
    pub fn to_json(&self) -> Json {
        match self {
            Self::Bool(value) => (*value).into(),
            Self::Int64(value) => (*value).into(),
            Self::Float32(value) => float_to_json(*value),
            Self::Float64(value) => float_to_json(*value),
            Self::String(text) => text.as_str().into(),
        }
    }
}

fn float_to_json(value: impl Into<f64> + Copy + Serialize) -> Json {
    serialize_float(value, serde_json::value::Serializer).unwrap_or_default()
}

/// A list of values of one type, none of them null. Strings have none: no tensor's row is made of several.
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs, reason = "one variant for each value type")]
pub enum ListValue {
    Bool(Vec<bool>),
    Int64(Vec<i64>),
    Float32(Vec<f32>),
    Float64(Vec<f64>),
}

impl ListValue {
    /// The type of the elements.
    pub fn value_type(&self) -> ValueType {
        match self {
            Self::Bool(_) => ValueType::Bool,
            Self::Int64(_) => ValueType::Int64,
            Self::Float32(_) => ValueType::Float32,
            Self::Float64(_) => ValueType::Float64,
        }
    }

    /// How many elements there are.
    pub fn len(&self) -> usize {
        match self {
            Self::Bool(elements) => elements.len(),
            Self::Int64(elements) => elements.len(),
            Self::Float32(elements) => elements.len(),
            Self::Float64(elements) => elements.len(),
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The element at a position.
    pub fn get(&self, index: usize) -> Option<FeatureValue> {
        match self {
            Self::Bool(elements) => elements.get(index).copied().map(FeatureValue::Bool),
            Self::Int64(elements) => elements.get(index).copied().map(FeatureValue::Int64),
            Self::Float32(elements) => elements.get(index).copied().map(FeatureValue::Float32),
            Self::Float64(elements) => elements.get(index).copied().map(FeatureValue::Float64),
        }
    }

    /// Reads a JSON list whose elements all are of `value_type`, as [`FeatureValue::from_json`] reads them.
    pub fn from_json(json: &Json, value_type: ValueType) -> Option<Self> {
        let elements = json.as_array()?.iter();
        match value_type {
            ValueType::Bool => elements.map(Json::as_bool).collect::<Option<_>>().map(Self::Bool),
            ValueType::Int64 => elements.map(Json::as_i64).collect::<Option<_>>().map(Self::Int64),
            ValueType::Float32 => elements
                .map(float32_from_json)
                .collect::<Option<_>>()
                .map(Self::Float32),
            ValueType::Float64 => elements.map(float_from_json).collect::<Option<_>>().map(Self::Float64),
            ValueType::String => None,
        }
    }
}

/// A JSON number, or one of the three strings that stand for numbers that JSON lacks.
pub fn float_from_json(json: &Json) -> Option<f64> {
    match json {
        Json::Number(number) => number.as_f64(),
        Json::String(text) => match text.as_str() {
            "NaN" => Some(f64::NAN),
            "Infinity" => Some(f64::INFINITY),
            "-Infinity" => Some(f64::NEG_INFINITY),
            _ => None,
        },
        _ => None,
    }
}

/// A number as [`float_from_json`] reads it, unless single precision would make an infinity of it.
pub(crate) fn float32_from_json(json: &Json) -> Option<f32> {
    let wide = float_from_json(json)?;
    let narrow = wide as f32;
    (narrow.is_finite() || !wide.is_finite()).then_some(narrow)
}

/// Serialises a float the way [`float_from_json`] reads it.
pub(crate) fn serialize_float<S: serde::Serializer>(
    value: impl Into<f64> + Copy + Serialize,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    let wide: f64 = value.into();
    if wide.is_finite() {
        // The value itself, not the double: a float32 prints with the digits of a float32.
        value.serialize(serializer)
    } else if wide.is_nan() {
        serializer.serialize_str("NaN")
    } else if wide > 0.0 {
        serializer.serialize_str("Infinity")
    } else {
        serializer.serialize_str("-Infinity")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn json_becomes_a_value_of_exactly_the_declared_type() {
        let read = FeatureValue::from_json;
        assert_eq!(read(&json!(true), ValueType::Bool), Some(FeatureValue::Bool(true)));
        assert_eq!(read(&json!(1), ValueType::Bool), None);
        assert_eq!(
            read(&json!(i64::MAX), ValueType::Int64),
            Some(FeatureValue::Int64(i64::MAX))
        );
        assert_eq!(read(&json!(u64::MAX), ValueType::Int64), None);
        assert_eq!(read(&json!(1.5), ValueType::Int64), None);
        assert_eq!(read(&json!(3), ValueType::Float64), Some(FeatureValue::Float64(3.0)));
        assert_eq!(read(&json!(1e39), ValueType::Float32), None);
        assert_eq!(read(&json!("1.5"), ValueType::Float64), None);
        assert_eq!(read(&Json::Null, ValueType::Float64), None);
        assert_eq!(
            read(&json!("-Infinity"), ValueType::Float32),
            Some(FeatureValue::Float32(f32::NEG_INFINITY))
        );
        assert!(matches!(
            read(&json!("NaN"), ValueType::Float64),
            Some(FeatureValue::Float64(value)) if value.is_nan()
        ));
    }

    #[test]
    fn a_value_comes_back_from_its_json() {
        for value in [
            FeatureValue::Bool(false),
            FeatureValue::Int64(i64::MIN),
            FeatureValue::Float32(0.1),
            FeatureValue::Float64(f64::NEG_INFINITY),
            FeatureValue::Float64(-0.0),
            FeatureValue::String("é".into()),
        ] {
            assert_eq!(
                FeatureValue::from_json(&value.to_json(), value.value_type()),
                Some(value)
            );
        }
        assert_eq!(FeatureValue::Float64(f64::NAN).to_json(), "NaN");
    }

    #[test]
    fn a_list_is_of_one_type_and_has_no_nulls() {
        let read = |json: Json, value_type| ListValue::from_json(&json, value_type);
        assert_eq!(
            read(json!([1, -2]), ValueType::Int64),
            Some(ListValue::Int64(vec![1, -2]))
        );
        assert_eq!(read(json!([]), ValueType::Bool), Some(ListValue::Bool(vec![])));
        let floats = read(json!([0.5, "Infinity"]), ValueType::Float32).expect("is a list");
        assert_eq!((floats.len(), floats.value_type()), (2, ValueType::Float32));
        assert_eq!(floats.get(1), Some(FeatureValue::Float32(f32::INFINITY)));
        assert_eq!(floats.get(2), None);
        for (json, value_type) in [
            (json!([1, null]), ValueType::Int64),
            (json!([1, 0.5]), ValueType::Int64),
            (json!(1), ValueType::Int64),
            (json!(["a"]), ValueType::String),
        ] {
            assert_eq!(read(json.clone(), value_type), None, "{json} as {value_type:?}");
        }
    }
}
