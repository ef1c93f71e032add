//! What a file says for one field of one row, and how it becomes a value of exactly the declared type.

use sardonyx_core::entity::{KeyType, KeyValue};
use sardonyx_core::value::{FeatureValue, ValueType};
use serde_json::Value as Json;

use crate::event_time::{format_event_time, parse_event_time};

/// A whole double below this magnitude is the only integer that it can have been. 2^53 itself may have been 2^53 + 1.
const INTEGERS_END: f64 = 9_007_199_254_740_992.0;

/// What a file says for one field of one row.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Cell<'a> {
    /// Nothing.
    Absent,
    /// That there is no value.
    Null,
    /// In JSON Lines.
    Json(&'a Json),
    /// In CSV.
    Text(&'a str),
    /// In Parquet, as the following.
    Bool(bool),
    Int64(i64),
    /// An unsigned integer that is no `i64`.
    TooLarge(u64),
    Float32(f32),
    Float64(f64),
    /// What should be UTF-8.
    String(&'a [u8]),
    Bytes(&'a [u8]),
    /// In milliseconds since the Unix epoch.
    Time(i64),
}

impl Cell<'_> {
    /// `None` when it is of another type, does not fit into this one, or is no value.
    pub(crate) fn to_value(self, value_type: ValueType) -> Option<FeatureValue> {
        match (self, value_type) {
            (Self::Json(Json::Number(number)), ValueType::Int64) => number
                .as_i64()
                .or_else(|| whole(number.as_f64()?))
                .map(FeatureValue::Int64),
            (Self::Json(json), _) => FeatureValue::from_json(json, value_type),
            (Self::Text(text), _) => text_to_value(text, value_type),
            (Self::Bool(value), ValueType::Bool) => Some(FeatureValue::Bool(value)),
            (Self::Int64(value), ValueType::Int64) => Some(FeatureValue::Int64(value)),
            (Self::Int64(value), ValueType::Float32) => {
                let float = value as f32;
                (float as i128 == i128::from(value)).then_some(FeatureValue::Float32(float))
            }
            (Self::Int64(value), ValueType::Float64) => {
                let float = value as f64;
                (float as i128 == i128::from(value)).then_some(FeatureValue::Float64(float))
            }
            (Self::Float32(value), ValueType::Float32) => Some(FeatureValue::Float32(value)),
            (Self::Float32(value), ValueType::Float64) => Some(FeatureValue::Float64(f64::from(value))),
            (Self::Float64(value), ValueType::Float64) => Some(FeatureValue::Float64(value)),
            (Self::Float64(value), ValueType::Int64) => whole(value).map(FeatureValue::Int64),
            (Self::String(bytes), ValueType::String) => {
                let text = std::str::from_utf8(bytes).ok()?;
                Some(FeatureValue::String(text.to_owned()))
            }
            _ => None,
        }
    }

    /// `None` when it is of another type, out of the type's range, or empty.
    pub(crate) fn to_key(self, key_type: KeyType) -> Option<KeyValue> {
        let from_text = |text: &str| KeyValue::from_json(&Json::from(text), key_type);
        match self {
            Self::Json(json) => KeyValue::from_json(json, key_type),
            Self::Int64(number) => KeyValue::from_json(&Json::from(number), key_type),
            Self::Text(text) => match key_type {
                KeyType::String | KeyType::Bytes => from_text(text),
                KeyType::Int64 | KeyType::Int32 | KeyType::UnixTimestamp => {
                    KeyValue::from_json(&Json::from(text.parse::<i64>().ok()?), key_type)
                }
            },
            Self::String(bytes) => from_text(std::str::from_utf8(bytes).ok()?),
            Self::Bytes(bytes) if key_type == KeyType::Bytes && !bytes.is_empty() => {
                Some(KeyValue::Bytes(bytes.to_vec()))
            }
            _ => None,
        }
    }

    /// Milliseconds since the Unix epoch. `None` when it is no time.
    pub(crate) fn to_event_time(self) -> Option<i64> {
        match self {
            Self::Json(json) => parse_event_time(json.as_str()?),
            Self::Text(text) => parse_event_time(text),
            Self::String(bytes) => parse_event_time(std::str::from_utf8(bytes).ok()?),
            Self::Time(milliseconds) => Some(milliseconds),
            _ => None,
        }
    }

    /// What the file says, to show it.
    pub(crate) fn to_json(self) -> Json {
        match self {
            Self::Absent | Self::Null => Json::Null,
            Self::Json(json) => json.clone(),
            Self::Text(text) => text.into(),
            Self::Bool(value) => value.into(),
            Self::Int64(value) => value.into(),
            Self::TooLarge(value) => value.into(),
            Self::Float32(value) => FeatureValue::Float32(value).to_json(),
            Self::Float64(value) => FeatureValue::Float64(value).to_json(),
            Self::String(bytes) => String::from_utf8_lossy(bytes).into(),
            Self::Bytes(bytes) => KeyValue::Bytes(bytes.to_vec()).to_json(),
            Self::Time(milliseconds) => format_event_time(milliseconds).into(),
        }
    }

    /// Whether the file gives a value.
    pub(crate) fn is_some(self) -> bool {
        !matches!(self, Self::Absent | Self::Null | Self::Json(Json::Null))
    }
}

/// The integer that a whole float stands for, where that is certain.
fn whole(float: f64) -> Option<i64> {
    (float.fract() == 0.0 && float.abs() < INTEGERS_END).then_some(float as i64)
}

fn text_to_value(text: &str, value_type: ValueType) -> Option<FeatureValue> {
    match value_type {
        ValueType::Bool if text == "1" || text.eq_ignore_ascii_case("true") => Some(FeatureValue::Bool(true)),
        ValueType::Bool if text == "0" || text.eq_ignore_ascii_case("false") => Some(FeatureValue::Bool(false)),
        ValueType::Bool => None,
        ValueType::Int64 => text
            .parse()
            .ok()
            .or_else(|| whole(text.parse().ok()?))
            .map(FeatureValue::Int64),
        ValueType::Float32 => {
            let float: f32 = text.parse().ok()?;
            (!float.is_infinite() || says_infinity(text)).then_some(FeatureValue::Float32(float))
        }
        ValueType::Float64 => {
            let float: f64 = text.parse().ok()?;
            (!float.is_infinite() || says_infinity(text)).then_some(FeatureValue::Float64(float))
        }
        ValueType::String => Some(FeatureValue::String(text.to_owned())),
    }
}

/// Whether an infinity is meant, rather than a number that is too large.
fn says_infinity(text: &str) -> bool {
    !text.bytes().any(|byte| byte.is_ascii_digit())
}
