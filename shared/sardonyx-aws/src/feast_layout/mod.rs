//! [Feast](https://feast.dev)'s layout of feature rows, as its release 0.67 materialises them: a table for each view, an item for each
//! entity. It is read, and never written.
//!
//! | attribute | type | holds |
//! |---|---|---|
//! | `entity_id` | S, the partition key | the MurmurHash3 of the entity's key, as below, in hexadecimal |
//! | `event_ts` | S | when the values were true, as in `2026-01-02 03:04:05.123456+00:00` |
//! | `values` | M | for each feature by its name B, a `feast.types.Value` |
//!
//! The key's bytes, with `entity_key_serialization_version: 3`, integers in little-endian order:
//!
//! | bytes | what |
//! |---|---|
//! | 4 | how many join keys there are |
//! | for each join key, by name: 4, 4, … | 2 (a string), the length of its name, the name |
//! | for each join key, by name: 4, 4, … | the type of its value, the length of the value, the value |

mod murmur3;
mod value;
#[cfg(test)]
pub(crate) mod writer;

use aws_sdk_dynamodb::primitives::{DateTime, DateTimeFormat};
use aws_sdk_dynamodb::types::AttributeValue;
use sardonyx_core::entity::{EntityKey, KeyType, KeyValue};
use sardonyx_core::feature_row::{FeatureRow, Stored};
use sardonyx_core::hashed::hex;
use sardonyx_core::manifest::FeatureView;

use crate::stored_item::StoredItem;
use murmur3::murmur3_x64_128;

pub(crate) const ENTITY_ID: &str = "entity_id";
pub(crate) const EVENT_TS: &str = "event_ts";
pub(crate) const VALUES: &str = "values";

// `feast.types.ValueType.Enum`.
const BYTES: u32 = 1;
const STRING: u32 = 2;
const INT32: u32 = 3;
const INT64: u32 = 4;
const UNIX_TIMESTAMP: u32 = 8;

/// Makes the partition keys of a view's rows.
pub(crate) struct EntityIds {
    /// The bytes that all keys of the view begin with.
    beginning: Vec<u8>,
    /// The positions of the join keys in the view's order, by name, and their types.
    by_name: Vec<(usize, KeyType)>,
}

impl EntityIds {
    pub(crate) fn new(view: &FeatureView) -> Self {
        let mut keys: Vec<_> = view.join_keys.iter().enumerate().collect();
        keys.sort_by_key(|(_, key)| key.name.as_str());
        let mut beginning = Vec::with_capacity(64);
        push_u32(&mut beginning, keys.len());
        for (_, key) in &keys {
            push_tagged(&mut beginning, STRING, key.name.as_bytes());
        }
        let by_name = keys.into_iter().map(|(index, key)| (index, key.key_type)).collect();
        Self { beginning, by_name }
    }

    /// The partition key of an entity's row.
    pub(crate) fn entity_id(&self, entity: &EntityKey) -> String {
        let mut bytes = self.beginning.clone();
        for &(index, key_type) in &self.by_name {
            match (&entity.0[index], key_type) {
                (KeyValue::String(text), _) => push_tagged(&mut bytes, STRING, text.as_bytes()),
                (KeyValue::Bytes(value), _) => push_tagged(&mut bytes, BYTES, value),
                (KeyValue::Int64(seconds), KeyType::UnixTimestamp) => {
                    push_tagged(&mut bytes, UNIX_TIMESTAMP, &seconds.to_le_bytes());
                }
                (KeyValue::Int64(number), KeyType::Int32) if i32::try_from(*number).is_ok() => {
                    push_tagged(&mut bytes, INT32, &(*number as i32).to_le_bytes());
                }
                (KeyValue::Int64(number), _) => push_tagged(&mut bytes, INT64, &number.to_le_bytes()),
            }
        }
        hex(&murmur3_x64_128(&bytes))
    }
}

fn push_tagged(bytes: &mut Vec<u8>, value_type: u32, value: &[u8]) {
    bytes.extend(value_type.to_le_bytes());
    push_u32(bytes, value.len());
    bytes.extend(value);
}

/// DynamoDB's and API Gateway's limits keep every length far below 4 GB.
fn push_u32(bytes: &mut Vec<u8>, len: usize) {
    bytes.extend((len as u32).to_le_bytes());
}

/// The row of an item.
///
/// A row in which none of the view's features is found is malformed: it was written for another view, or all of the features are newer
/// than the row.
///
/// # Errors
/// Says what is wrong with the item.
pub(crate) fn from_item(view: &FeatureView, item: &StoredItem) -> Result<FeatureRow, String> {
    let Some(AttributeValue::S(event_ts)) = item.get(EVENT_TS) else {
        return Err(format!("it has no {EVENT_TS} that is a string"));
    };
    let stored = match item.get(VALUES) {
        Some(AttributeValue::M(stored)) => stored,
        Some(_) => return Err(format!("{VALUES} is not a map")),
        None => return Err(nothing_found()),
    };
    let mut values = Vec::with_capacity(view.features.len());
    for feature in &view.features {
        values.push(match stored.get(&feature.name) {
            None => Stored::Absent,
            Some(AttributeValue::B(bytes)) => {
                value::decode(bytes.as_ref(), feature).map_err(|problem| format!("{} {problem}", feature.name))?
            }
            Some(_) => return Err(format!("{} is not binary", feature.name)),
        });
    }
    if values.iter().all(|value| *value == Stored::Absent) {
        return Err(nothing_found());
    }
    Ok(FeatureRow {
        event_time_ms: event_time_ms(event_ts).ok_or_else(|| format!("{EVENT_TS} is not a time as Feast writes it"))?,
        expires_at_seconds: None,
        values,
    })
}

fn nothing_found() -> String {
    "it has none of the view's features; check the view's table, or let Feast materialise the view again".into()
}

/// Python's `str` of a time with an offset: RFC 3339 with a space. `None` for anything else.
fn event_time_ms(text: &str) -> Option<i64> {
    let (date, time) = text.split_at_checked(10)?;
    let rfc3339 = format!("{date}T{}", time.strip_prefix(' ')?);
    let time = DateTime::from_str(&rfc3339, DateTimeFormat::DateTimeWithOffset).ok()?;
    time.to_millis().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashMap;

    use aws_sdk_dynamodb::primitives::Blob;
    use sardonyx_core::manifest::{JoinKey, Layout, StalePolicy, StoredFeature};
    use sardonyx_core::value::{FeatureValue, ValueType};

    fn view(join_keys: &[(&str, KeyType)]) -> FeatureView {
        FeatureView {
            name: "view".into(),
            join_keys: join_keys
                .iter()
                .map(|&(name, key_type)| JoinKey {
                    name: name.into(),
                    key_type,
                })
                .collect(),
            layout: Layout::Feast,
            table: Some("project.view".into()),
            features: [("x", ValueType::Int64), ("y", ValueType::Float64)]
                .map(|(name, value_type)| StoredFeature {
                    name: name.into(),
                    value_type,
                    length: None,
                })
                .to_vec(),
            max_age_seconds: None,
            stale: StalePolicy::Reject,
        }
    }

    /// By Feast 0.67.0's `compute_entity_id`.
    #[test]
    fn entities_have_the_ids_that_feast_gives_them() {
        let text = |text: &str| KeyValue::String(text.into());
        for (join_keys, entity, expected) in [
            (
                vec![("user_id", KeyType::Int64)],
                vec![KeyValue::Int64(1)],
                "0a5dfd4ec53153be0fc6d9044d4b5407",
            ),
            (
                vec![("user_id", KeyType::Int32)],
                vec![KeyValue::Int64(1)],
                "3d9687c8286a59a6a886dbf8835de00b",
            ),
            (
                vec![("user_id", KeyType::UnixTimestamp)],
                vec![KeyValue::Int64(1)],
                "fb9ab5715b5f24de80fb7dc6f05457bc",
            ),
            (
                vec![("user_id", KeyType::String)],
                vec![text("é")],
                "380abfabdb019e84fa4c635fd42d531d",
            ),
            (
                vec![("user_id", KeyType::Bytes)],
                vec![KeyValue::Bytes(vec![0, 0xff])],
                "22bf116cd9bbf5ed0fdb9a7de2252f35",
            ),
            (
                vec![("shop", KeyType::String), ("card", KeyType::Int64)],
                vec![text("s-1"), KeyValue::Int64(-2)],
                "89112dbaae3b6ddeb8d9343be6b73641",
            ),
        ] {
            let ids = EntityIds::new(&view(&join_keys));
            assert_eq!(ids.entity_id(&EntityKey(entity)), expected, "{join_keys:?}");
        }
    }

    #[test]
    fn a_time_is_read_to_the_millisecond_whatever_its_offset() {
        for (text, expected) in [
            ("1970-01-01 00:00:00+00:00", Some(0)),
            ("2026-01-02 03:04:05.123456+00:00", Some(1_767_323_045_123)),
            ("2026-01-02 05:34:05.123456+02:30", Some(1_767_323_045_123)),
            ("1969-12-31 23:59:59.999000+00:00", Some(-1)),
            ("2026-01-02T03:04:05+00:00", None),
            ("2026-01-02 03:04:05", None),
            ("2026-01-02 03:04:05+00:00 ", None),
            ("2026-13-02 03:04:05+00:00", None),
            ("2026-01-02", None),
            ("", None),
            ("ééééé 03:04:05+00:00", None),
        ] {
            assert_eq!(event_time_ms(text), expected, "{text:?}");
        }
    }

    fn map(attributes: &[(&str, AttributeValue)]) -> HashMap<String, AttributeValue> {
        attributes
            .iter()
            .map(|(name, value)| ((*name).to_owned(), value.clone()))
            .collect()
    }

    fn values(stored: &[(&str, AttributeValue)]) -> (&'static str, AttributeValue) {
        (VALUES, AttributeValue::M(map(stored)))
    }

    #[test]
    fn a_feature_that_is_not_there_is_absent_and_what_is_not_a_row_is_named() {
        let event_ts = (EVENT_TS, AttributeValue::S("1970-01-01 00:00:01+00:00".into()));
        let five = AttributeValue::B(Blob::new([0x20, 5]));
        let text = AttributeValue::S("5".into());
        let view = view(&[("id", KeyType::String)]);
        let row = from_item(
            &view,
            &map(&[event_ts.clone(), values(&[("x", five.clone()), ("z", text.clone())])]).into(),
        );
        let expected = FeatureRow {
            event_time_ms: 1000,
            expires_at_seconds: None,
            values: vec![Stored::Value(FeatureValue::Int64(5)), Stored::Absent],
        };
        assert_eq!(row, Ok(expected));

        for (attributes, problem) in [
            (vec![values(&[("x", five.clone())])], "it has no event_ts"),
            (vec![event_ts.clone()], "it has none of the view's features"),
            (
                vec![event_ts.clone(), values(&[])],
                "it has none of the view's features",
            ),
            (vec![event_ts.clone(), (VALUES, text.clone())], "values is not a map"),
            (
                vec![event_ts.clone(), values(&[("x", text.clone())])],
                "x is not binary",
            ),
            (
                vec![event_ts.clone(), values(&[("y", five.clone())])],
                "y was written by Feast as INT64",
            ),
            (vec![(EVENT_TS, text), values(&[("x", five)])], "event_ts is not a time"),
        ] {
            let found = from_item(&view, &map(&attributes).into()).expect_err("is no row");
            assert!(found.starts_with(problem), "{found}");
        }
        assert!(from_item(&view, &StoredItem::new()).is_err());
    }
}
