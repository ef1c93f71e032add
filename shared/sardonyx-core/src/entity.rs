//! Entities: what feature rows are about.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

/// The type of a join key. Feast's rows are found by a hash over the type as well as the value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum KeyType {
    /// UTF-8 text that is not empty.
    String,
    /// A signed integer of 64 bits.
    Int64,
    /// A signed integer of 32 bits.
    Int32,
    /// Bytes, at least one; in JSON as base64.
    Bytes,
    /// Whole seconds since the Unix epoch.
    UnixTimestamp,
}

impl KeyType {
    /// What a client must send, in words.
    pub fn expectation(self) -> &'static str {
        match self {
            Self::String => "a string that is not empty",
            Self::Int64 => "an integer",
            Self::Int32 => "an integer of 32 bits",
            Self::Bytes => "bytes as base64, not empty",
            Self::UnixTimestamp => "a time in whole seconds since the Unix epoch",
        }
    }

    /// Whether one field of a request can be a key of both types.
    pub(crate) fn agrees_with(self, other: Self) -> bool {
        let is_integer = |key_type| matches!(key_type, Self::Int32 | Self::Int64);
        self == other || is_integer(self) && is_integer(other)
    }
}

/// One component of an entity's key.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum KeyValue {
    /// Of a string.
    String(String),
    /// Of an integer of either width, or of a timestamp, in seconds.
    Int64(i64),
    /// Of bytes.
    Bytes(Vec<u8>),
}

impl KeyValue {
    /// The key as [`Self::from_json`] reads it.
    pub fn to_json(&self) -> Json {
        match self {
            Self::String(text) => text.as_str().into(),
            Self::Int64(number) => (*number).into(),
            Self::Bytes(bytes) => BASE64.encode(bytes).into(),
        }
    }

    /// Reads a join key of a request. `None` when the JSON is of another type, out of the type's range, or empty, which identifies nothing.
    pub fn from_json(json: &Json, key_type: KeyType) -> Option<Self> {
        match key_type {
            KeyType::Int64 | KeyType::UnixTimestamp => json.as_i64().map(Self::Int64),
            KeyType::Int32 => json
                .as_i64()
                .filter(|number| i32::try_from(*number).is_ok())
                .map(Self::Int64),
            KeyType::String => json
                .as_str()
                .filter(|text| !text.is_empty())
                .map(|text| Self::String(text.to_owned())),
            KeyType::Bytes => json
                .as_str()
                .and_then(|text| BASE64.decode(text).ok())
                .filter(|bytes| !bytes.is_empty())
                .map(Self::Bytes),
        }
    }
}

impl fmt::Display for KeyValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::String(text) => f.write_str(text),
            Self::Int64(number) => number.fmt(f),
            Self::Bytes(bytes) => f.write_str(&BASE64.encode(bytes)),
        }
    }
}

/// The values of a view's join keys, in the view's order.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct EntityKey(pub Vec<KeyValue>);

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn json_becomes_a_key_of_exactly_the_declared_type() {
        let read = |json: Json, key_type| KeyValue::from_json(&json, key_type);
        let integer = |number| Some(KeyValue::Int64(number));
        assert_eq!(read(json!(i64::MIN), KeyType::Int64), integer(i64::MIN));
        assert_eq!(read(json!(-7), KeyType::Int32), integer(-7));
        assert_eq!(read(json!(1_i64 << 31), KeyType::Int32), None);
        assert_eq!(read(json!(0), KeyType::UnixTimestamp), integer(0));
        assert_eq!(read(json!(1.0), KeyType::Int64), None);
        assert_eq!(
            read(json!("AP8="), KeyType::Bytes),
            Some(KeyValue::Bytes(vec![0, 0xff]))
        );
        for (json, key_type) in [
            (json!("1"), KeyType::Int64),
            (json!(1), KeyType::String),
            (json!(""), KeyType::String),
            (json!(""), KeyType::Bytes),
            (json!("AP8"), KeyType::Bytes),
        ] {
            assert_eq!(read(json.clone(), key_type), None, "{json} as {key_type:?}");
        }
        assert_eq!(KeyValue::Bytes(vec![0, 0xff]).to_string(), "AP8=");
    }
}
