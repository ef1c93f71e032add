//! Requests and stored rows to the floats that the model takes.

use std::fmt::Write as _;

use crate::Failure;
use crate::manifest::{Feature, Manifest, MissingPolicy, ValueType};

/// A row begins with the version of its format and the fingerprint of its schema. Then come two bits for each feature, and the values.
const HEADER_BYTES: usize = 9;
/// The two bits of a feature that has a value.
const HAS_VALUE: u8 = 2;

/// A value that is not null. A bool is 0 or 1.
#[derive(Clone, Copy, Debug)]
pub enum Value<'a> {
    /// A whole number.
    Integer(i64),
    /// Any other number.
    Float(f64),
    /// A string.
    Text(&'a str),
}

/// The fields of an instance of a request.
pub trait Instance {
    /// The field with that name; none when it is null.
    fn get(&self, name: &str) -> Option<Value<'_>>;
}

/// How an instance and its rows become a row of the model's input.
#[derive(Debug)]
pub struct Encoder {
    columns: Vec<Column>,
    /// The names of the features that come with the request, and their columns.
    request: Vec<(String, usize)>,
    views: Vec<View>,
}

#[derive(Debug)]
struct Column {
    categories: Option<Vec<String>>,
    missing: f32,
}

#[derive(Debug)]
struct View {
    name: String,
    join_keys: Vec<String>,
    /// The types of the stored features, in order, and the columns of those that the model takes.
    features: Vec<(ValueType, Option<usize>)>,
}

impl Encoder {
    /// The encoder of a model.
    pub fn new(manifest: &Manifest) -> Self {
        let features = manifest.features();
        let position = |name: &str| features.iter().position(|feature| feature.name == name);
        let request = features.iter().enumerate();
        let views = manifest.feature_views.iter().map(|view| View {
            name: view.name.clone(),
            join_keys: view.join_keys.iter().map(|key| key.name.clone()).collect(),
            features: view
                .features
                .iter()
                .map(|stored| (stored.value_type, position(&stored.name)))
                .collect(),
        });
        Self {
            columns: features.iter().map(Column::new).collect(),
            request: request
                .filter(|(_, feature)| feature.source == "request")
                .map(|(column, feature)| (feature.name.clone(), column))
                .collect(),
            views: views.collect(),
        }
    }

    /// How many floats the model takes for an instance.
    pub fn width(&self) -> usize {
        self.columns.len()
    }

    /// How many rows belong to an instance: one of each view.
    pub fn views(&self) -> usize {
        self.views.len()
    }

    /// The key of an instance's row of one view.
    ///
    /// # Errors
    /// Names the join key that the instance lacks.
    pub fn key(&self, view: usize, instance: &impl Instance) -> Result<String, Failure> {
        let view = &self.views[view];
        let mut key = view.name.clone();
        for name in &view.join_keys {
            key.push('#');
            match instance.get(name).ok_or_else(|| format!("{name} is missing"))? {
                Value::Integer(number) => write!(key, "{number}")?,
                Value::Float(_) => return Err(format!("{name} is not a key").into()),
                Value::Text(text) if !text.contains(['#', '%']) => key.push_str(text),
                Value::Text(text) => key.push_str(&text.replace('%', "%25").replace('#', "%23")),
            }
        }
        Ok(key)
    }

    /// Fills a row of the input. `packed` are the stored rows, one for each view, where there is one.
    ///
    /// # Errors
    /// When a stored row ends early.
    pub fn encode<'a>(
        &self,
        instance: &impl Instance,
        packed: impl IntoIterator<Item = Option<&'a [u8]>>,
        row: &mut [f32],
    ) -> Result<(), Failure> {
        for (cell, column) in row.iter_mut().zip(&self.columns) {
            *cell = column.missing;
        }
        for (name, column) in &self.request {
            if let Some(value) = instance.get(name) {
                row[*column] = self.columns[*column].encode(value);
            }
        }
        for (view, packed) in self.views.iter().zip(packed) {
            if let Some(packed) = packed {
                self.unpack(view, packed, row).ok_or("a stored row ends early")?;
            }
        }
        Ok(())
    }

    fn unpack(&self, view: &View, packed: &[u8], row: &mut [f32]) -> Option<()> {
        let (states, mut values) = packed
            .get(HEADER_BYTES..)?
            .split_at_checked(view.features.len().div_ceil(4))?;
        for (index, (value_type, column)) in view.features.iter().enumerate() {
            if (states[index / 4] >> (2 * (index % 4))) & 0b11 != HAS_VALUE {
                continue;
            }
            let value = take(*value_type, &mut values)?;
            if let Some(column) = *column {
                row[column] = self.columns[column].encode(value);
            }
        }
        Some(())
    }
}

impl Column {
    fn new(feature: &Feature) -> Self {
        let mut column = Self {
            categories: feature.categories.clone(),
            missing: f32::NAN,
        };
        if let MissingPolicy::Default(default) = &feature.missing
            && let Some(value) = from_json(default)
        {
            column.missing = column.encode(value);
        }
        column
    }

    /// The value as a float: of a category its place in the list. What is none of them, or NaN, is missing.
    fn encode(&self, value: Value<'_>) -> f32 {
        let number = match value {
            Value::Integer(number) => number as f32,
            Value::Float(number) => number as f32,
            Value::Text(text) => match &self.categories {
                Some(categories) => categories
                    .iter()
                    .position(|category| category == text)
                    .map_or(f32::NAN, |index| index as f32),
                // JSON has no other form for NaN and the infinities.
                None => text.parse().unwrap_or(f32::NAN),
            },
        };
        if number.is_nan() { self.missing } else { number }
    }
}

impl Instance for serde_json::Map<String, serde_json::Value> {
    fn get(&self, name: &str) -> Option<Value<'_>> {
        from_json(serde_json::Map::get(self, name)?)
    }
}

fn from_json(json: &serde_json::Value) -> Option<Value<'_>> {
    match json {
        serde_json::Value::Bool(bool) => Some(Value::Integer(i64::from(*bool))),
        serde_json::Value::Number(number) => number
            .as_i64()
            .map(Value::Integer)
            .or_else(|| number.as_f64().map(Value::Float)),
        serde_json::Value::String(text) => Some(Value::Text(text)),
        _ => None,
    }
}

fn take<'a>(value_type: ValueType, values: &mut &'a [u8]) -> Option<Value<'a>> {
    Some(match value_type {
        ValueType::Bool => Value::Integer(i64::from(u8::from_le_bytes(array(values)?))),
        ValueType::Int64 => Value::Integer(i64::from_le_bytes(array(values)?)),
        ValueType::Float32 => Value::Float(f32::from_le_bytes(array(values)?).into()),
        ValueType::Float64 => Value::Float(f64::from_le_bytes(array(values)?)),
        ValueType::String => {
            let len = usize::try_from(u32::from_le_bytes(array(values)?)).ok()?;
            let (text, rest) = values.split_at_checked(len)?;
            *values = rest;
            Value::Text(std::str::from_utf8(text).ok()?)
        }
    })
}

fn array<const N: usize>(values: &mut &[u8]) -> Option<[u8; N]> {
    let (array, rest) = values.split_first_chunk()?;
    *values = rest;
    Some(*array)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn encoder() -> Encoder {
        let manifest = json!({
            "artifact": {"file": "model.onnx"},
            "feature_views": [{"name": "user", "join_keys": [{"name": "id"}, {"name": "shop"}], "features": [
                {"name": "tier", "type": "string"}, {"name": "unused", "type": "int64"}, {"name": "share", "type": "float32"},
                {"name": "is_new", "type": "bool"}, {"name": "total", "type": "float64"}]}],
            "inputs": [{"name": "features", "features": [
                {"name": "total", "source": "user", "missing": {"default": 7}},
                {"name": "channel", "source": "request", "categories": ["web", "app"], "missing": "nan"},
                {"name": "hour", "source": "request", "missing": "reject"},
                {"name": "tier", "source": "user", "categories": ["none", "gold"], "missing": {"default": "none"}},
                {"name": "share", "source": "user", "missing": "nan"},
                {"name": "is_new", "source": "user", "missing": "nan"}]}],
            "outputs": [{"name": "label", "role": "label"}, {"name": "p", "role": "probabilities"}],
        });
        let manifest = Manifest::from_json(manifest.to_string().as_bytes()).expect("is a manifest");
        assert_eq!(manifest.score_output(), (1, "p"));
        Encoder::new(&manifest)
    }

    fn encode(instance: &serde_json::Value, packed: Option<&[u8]>) -> Vec<f32> {
        let mut row = vec![0.0; encoder().width()];
        let instance = instance.as_object().expect("is an object");
        encoder().encode(instance, [packed], &mut row).expect("is encoded");
        row
    }

    #[test]
    fn keys_do_not_run_together() {
        let instance = json!({"id": 9_007_199_254_741_591_i64, "shop": "a#b%"});
        let key = encoder().key(0, instance.as_object().expect("is an object"));
        assert_eq!(key.expect("has its keys"), "user#9007199254741591#a%23b%25");
        assert!(encoder().key(0, &serde_json::Map::new()).is_err());
    }

    #[test]
    fn values_come_into_their_columns() {
        let mut packed = vec![1, 0, 0, 0, 0, 0, 0, 0, 0, 0b10_10_10_10, 0b10];
        packed.extend(4_u32.to_le_bytes());
        packed.extend(b"gold");
        packed.extend(5_i64.to_le_bytes());
        packed.extend(0.25_f32.to_le_bytes());
        packed.push(1);
        packed.extend(1.5_f64.to_le_bytes());
        let row = encode(&json!({"channel": "app", "hour": 23}), Some(&packed));
        assert_eq!(row, [1.5, 1.0, 23.0, 1.0, 0.25, 1.0]);
        let short = &packed[..packed.len() - 1];
        let instance = serde_json::Map::new();
        assert!(encoder().encode(&instance, [Some(short)], &mut [0.0; 6]).is_err());
    }

    #[test]
    fn what_is_missing_is_the_default_or_nan() {
        // A null, three that are absent, and a NaN where there is a default.
        let mut packed = vec![1, 0, 0, 0, 0, 0, 0, 0, 0, 0b01, 0b10];
        packed.extend(f64::NAN.to_le_bytes());
        for packed in [None, Some(packed.as_slice())] {
            let row = encode(&json!({"channel": "fax", "hour": null}), packed);
            assert_eq!((row[0], row[3]), (7.0, 0.0));
            assert!([1, 2, 4, 5].iter().all(|&column| row[column].is_nan()), "{row:?}");
        }
    }
}
