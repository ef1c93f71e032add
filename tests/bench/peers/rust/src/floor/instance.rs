//! The fields of an instance, borrowed from the body.

use std::borrow::Cow;
use std::fmt;

use sardonyx_bench_peers::{Instance, Value};
use serde::de::{Deserialize, Deserializer, Error, MapAccess, Visitor};

/// The fields in the order of the body: of a dozen, a search is as fast as a map, which would have to be filled.
pub(crate) struct Fields<'a>(Vec<(Text<'a>, Field<'a>)>);

#[derive(serde::Deserialize)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

enum Field<'a> {
    Null,
    Integer(i64),
    Float(f64),
    Text(Cow<'a, str>),
}

impl Instance for Fields<'_> {
    fn get(&self, name: &str) -> Option<Value<'_>> {
        let (_, field) = self.0.iter().find(|(field, _)| field.0 == name)?;
        match field {
            Field::Null => None,
            Field::Integer(number) => Some(Value::Integer(*number)),
            Field::Float(number) => Some(Value::Float(*number)),
            Field::Text(text) => Some(Value::Text(text)),
        }
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Fields<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Object;
        impl<'de> Visitor<'de> for Object {
            type Value = Fields<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an instance")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut fields = Vec::with_capacity(32);
                while let Some(field) = map.next_entry()? {
                    fields.push(field);
                }
                Ok(Fields(fields))
            }
        }
        deserializer.deserialize_map(Object)
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Field<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Scalar;
        impl<'de> Visitor<'de> for Scalar {
            type Value = Field<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a number, a string, a bool or null")
            }

            fn visit_unit<E: Error>(self) -> Result<Self::Value, E> {
                Ok(Field::Null)
            }

            fn visit_bool<E: Error>(self, value: bool) -> Result<Self::Value, E> {
                Ok(Field::Integer(value.into()))
            }

            fn visit_i64<E: Error>(self, value: i64) -> Result<Self::Value, E> {
                Ok(Field::Integer(value))
            }

            fn visit_u64<E: Error>(self, value: u64) -> Result<Self::Value, E> {
                Ok(i64::try_from(value).map_or(Field::Float(value as f64), Field::Integer))
            }

            fn visit_f64<E: Error>(self, value: f64) -> Result<Self::Value, E> {
                Ok(Field::Float(value))
            }

            fn visit_borrowed_str<E: Error>(self, value: &'de str) -> Result<Self::Value, E> {
                Ok(Field::Text(Cow::Borrowed(value)))
            }

            fn visit_str<E: Error>(self, value: &str) -> Result<Self::Value, E> {
                Ok(Field::Text(Cow::Owned(value.to_owned())))
            }
        }
        deserializer.deserialize_any(Scalar)
    }
}
