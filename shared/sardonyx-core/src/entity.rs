//! Entities: what feature rows are about.

use std::fmt;

use crate::value::ValueType;

/// One component of an entity's key.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[allow(missing_docs, reason = "one variant for each type of a join key")]
pub enum KeyValue {
    String(String),
    Int64(i64),
}

impl KeyValue {
    /// Reads a join key of a request. `None` when the JSON is of another type, or an empty string, which identifies nothing.
    pub fn from_json(json: &serde_json::Value, value_type: ValueType) -> Option<Self> {
        match value_type {
            ValueType::Int64 => json.as_i64().map(Self::Int64),
            _ => json
                .as_str()
                .filter(|text| !text.is_empty())
                .map(|text| Self::String(text.to_owned())),
        }
    }
}

impl fmt::Display for KeyValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::String(text) => f.write_str(text),
            Self::Int64(number) => number.fmt(f),
        }
    }
}

/// The values of a view's join keys, in the view's order.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct EntityKey(pub Vec<KeyValue>);
