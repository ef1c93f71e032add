//! The native layout of feature rows: one item for each view and entity.
//!
//! | attribute | type | holds |
//! |---|---|---|
//! | `entity_key` | S, the partition key | the view, its snapshot if it has one, and the join keys, as in `card_stats@20260102T030405Z-1f3a#c-17`; `#` and `%` in a string and every byte of a bytes key are percent-encoded |
//! | `values` | B | the values, packed as below |
//! | `event_time` | N | milliseconds since the Unix epoch |
//! | `expires_at` | N, the TTL attribute | seconds since the Unix epoch; optional |
//!
//! The packed values, integers and floats in little-endian order:
//!
//! | bytes | what |
//! |---|---|
//! | 1 | the version of this format: 1 |
//! | 8 | the fingerprint of the view's schema |
//! | 2 bits for each feature, from the lowest bits up, filled to whole bytes | 0 absent, 1 null, 2 a value |
//! | the values that there are, in order | bool: 1 byte; int64, float64: 8; float32: 4; string: a length of 4 bytes, then UTF-8 |

use std::collections::HashMap;
use std::fmt::Write as _;

use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::AttributeValue;
use sardonyx_core::entity::{EntityKey, KeyValue};
use sardonyx_core::feature_row::{FeatureRow, Stored};
use sardonyx_core::manifest::FeatureView;
use sardonyx_core::ports::RowWrite;
use sardonyx_core::snapshots::SnapshotId;
use sardonyx_core::value::{FeatureValue, ValueType};
use sha2::{Digest, Sha256};

use crate::stored_item::StoredItem;

pub(crate) const ENTITY_KEY: &str = "entity_key";
pub(crate) const VALUES: &str = "values";
pub(crate) const EVENT_TIME: &str = "event_time";
pub(crate) const EXPIRES_AT: &str = "expires_at";

/// What DynamoDB allows for a partition key. No longer key can have a row.
pub(crate) const LONGEST_KEY_BYTES: usize = 2048;

/// What DynamoDB allows for an item, less what the key, the times and the names may take.
const LONGEST_VALUES_BYTES: usize = 400 * 1024 - LONGEST_KEY_BYTES - 128;

const FORMAT_VERSION: u8 = 1;
const HEADER_BYTES: usize = 9;

/// An item as it is written.
pub(crate) type Item = HashMap<String, AttributeValue>;

/// The partition key of an entity's row.
pub(crate) fn entity_key(view: &FeatureView, snapshot: Option<&SnapshotId>, entity: &EntityKey) -> String {
    // As long as most keys are.
    let mut key = String::with_capacity(view.name.len() + 64);
    key.push_str(&view.name);
    if let Some(snapshot) = snapshot {
        key.push('@');
        key.push_str(snapshot.as_str());
    }
    for value in &entity.0 {
        key.push('#');
        match value {
            KeyValue::Int64(number) => write!(key, "{number}").expect("writing to a string does not fail"),
            KeyValue::Bytes(bytes) => {
                for byte in bytes {
                    write!(key, "%{byte:02x}").expect("writing to a string does not fail");
                }
            }
            KeyValue::String(text) if !text.contains(['#', '%']) => key.push_str(text),
            KeyValue::String(text) => {
                for character in text.chars() {
                    match character {
                        '#' => key.push_str("%23"),
                        '%' => key.push_str("%25"),
                        other => key.push(other),
                    }
                }
            }
        }
    }
    key
}

/// Identifies a view's stored schema: its name and its features with their types, in order. A row tells by it that it was
/// written for another schema, whose values would otherwise be read as the wrong features.
pub fn schema_fingerprint(view: &FeatureView) -> [u8; 8] {
    let mut hash = Sha256::new();
    hash.update(view.name.as_bytes());
    for feature in &view.features {
        hash.update([0]);
        hash.update(feature.name.as_bytes());
        hash.update([0]);
        hash.update(feature.value_type.name().as_bytes());
    }
    let digest = hash.finalize();
    std::array::from_fn(|index| digest[index])
}

/// The item of a row.
///
/// # Errors
/// Says which value does not fit the view.
pub(crate) fn to_item(view: &FeatureView, snapshot: Option<&SnapshotId>, write: &RowWrite) -> Result<Item, String> {
    let RowWrite { entity, row } = write;
    let key = entity_key(view, snapshot, entity);
    if key.len() > LONGEST_KEY_BYTES {
        return Err(format!("its key is longer than {LONGEST_KEY_BYTES} bytes"));
    }
    let values = pack(view, &row.values)?;
    if values.len() > LONGEST_VALUES_BYTES {
        return Err(format!(
            "its values take {} bytes, and an item of DynamoDB has room for {LONGEST_VALUES_BYTES}",
            values.len()
        ));
    }
    let mut item = HashMap::from([
        (ENTITY_KEY.to_owned(), AttributeValue::S(key)),
        (VALUES.to_owned(), AttributeValue::B(Blob::new(values))),
        (EVENT_TIME.to_owned(), AttributeValue::N(row.event_time_ms.to_string())),
    ]);
    if let Some(seconds) = row.expires_at_seconds {
        item.insert(EXPIRES_AT.to_owned(), AttributeValue::N(seconds.to_string()));
    }
    Ok(item)
}

/// The row of an item.
///
/// # Errors
/// Says what is wrong with the item.
pub(crate) fn from_item(view: &FeatureView, fingerprint: [u8; 8], item: &StoredItem) -> Result<FeatureRow, String> {
    let number = |name: &str| match item.get(name) {
        None => Ok(None),
        Some(AttributeValue::N(digits)) => digits
            .parse::<i64>()
            .map(Some)
            .map_err(|_| format!("{name} is not a whole number")),
        Some(_) => Err(format!("{name} is not a number")),
    };
    let Some(AttributeValue::B(packed)) = item.get(VALUES) else {
        return Err(format!("it has no binary attribute {VALUES}"));
    };
    Ok(FeatureRow {
        event_time_ms: number(EVENT_TIME)?.ok_or_else(|| format!("it has no {EVENT_TIME}"))?,
        expires_at_seconds: number(EXPIRES_AT)?,
        values: unpack(view, fingerprint, packed.as_ref())?,
    })
}

fn state_bytes(features: usize) -> usize {
    features.div_ceil(4)
}

fn pack(view: &FeatureView, values: &[Stored]) -> Result<Vec<u8>, String> {
    if values.len() != view.features.len() {
        return Err(format!(
            "it has {} values for {} features",
            values.len(),
            view.features.len()
        ));
    }
    let mut packed = Vec::with_capacity(HEADER_BYTES + state_bytes(values.len()) + 8 * values.len());
    packed.push(FORMAT_VERSION);
    packed.extend(schema_fingerprint(view));
    packed.resize(HEADER_BYTES + state_bytes(values.len()), 0);
    for (index, (stored, feature)) in values.iter().zip(&view.features).enumerate() {
        let state = match stored {
            Stored::Absent => 0,
            Stored::Null => 1,
            Stored::Value(_) => 2,
            Stored::List(_) => return Err(format!("{} is a list, which this layout does not hold", feature.name)),
        };
        packed[HEADER_BYTES + index / 4] |= state << (2 * (index % 4));
        let Stored::Value(value) = stored else { continue };
        if value.value_type() != feature.value_type {
            return Err(format!(
                "{} is a {}, not a {}",
                feature.name,
                value.value_type().name(),
                feature.value_type.name()
            ));
        }
        match value {
            FeatureValue::Bool(value) => packed.push(u8::from(*value)),
            FeatureValue::Int64(value) => packed.extend(value.to_le_bytes()),
            FeatureValue::Float32(value) => packed.extend(value.to_le_bytes()),
            FeatureValue::Float64(value) => packed.extend(value.to_le_bytes()),
            FeatureValue::String(text) => {
                let len = u32::try_from(text.len()).map_err(|_| format!("{} is too long", feature.name))?;
                packed.extend(len.to_le_bytes());
                packed.extend(text.as_bytes());
            }
        }
    }
    Ok(packed)
}

fn unpack(view: &FeatureView, fingerprint: [u8; 8], packed: &[u8]) -> Result<Vec<Stored>, String> {
    let mut reader = Reader(packed);
    let [version] = reader.array()?;
    if version != FORMAT_VERSION {
        return Err(format!(
            "its format has version {version}, and this program reads {FORMAT_VERSION}"
        ));
    }
    if reader.array::<8>()? != fingerprint {
        return Err("it was written with another schema than the manifest's".into());
    }
    let states = reader.take(state_bytes(view.features.len()))?;
    let mut values = Vec::with_capacity(view.features.len());
    for (index, feature) in view.features.iter().enumerate() {
        values.push(match (states[index / 4] >> (2 * (index % 4))) & 0b11 {
            0 => Stored::Absent,
            1 => Stored::Null,
            2 => Stored::Value(reader.value(feature.value_type)?),
            _ => return Err(format!("the state of {} is none of those there are", feature.name)),
        });
    }
    if reader.0.is_empty() {
        Ok(values)
    } else {
        Err(format!("{} bytes are left over", reader.0.len()))
    }
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, len: usize) -> Result<&'a [u8], String> {
        let (head, tail) = self.0.split_at_checked(len).ok_or("it ends early")?;
        self.0 = tail;
        Ok(head)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], String> {
        let (head, tail) = self.0.split_first_chunk().ok_or("it ends early")?;
        self.0 = tail;
        Ok(*head)
    }

    fn value(&mut self, value_type: ValueType) -> Result<FeatureValue, String> {
        Ok(match value_type {
            ValueType::Bool => match self.array()? {
                [0] => FeatureValue::Bool(false),
                [1] => FeatureValue::Bool(true),
                _ => return Err("a bool is neither 0 nor 1".into()),
            },
            ValueType::Int64 => FeatureValue::Int64(i64::from_le_bytes(self.array()?)),
            ValueType::Float32 => FeatureValue::Float32(f32::from_le_bytes(self.array()?)),
            ValueType::Float64 => FeatureValue::Float64(f64::from_le_bytes(self.array()?)),
            ValueType::String => {
                let len = usize::try_from(u32::from_le_bytes(self.array()?)).map_err(|_| "a string is too long")?;
                let text = std::str::from_utf8(self.take(len)?).map_err(|_| "a string is not UTF-8")?;
                FeatureValue::String(text.to_owned())
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sardonyx_core::testing::models;

    fn user_view() -> FeatureView {
        models::manifest().feature_views[1].clone()
    }

    fn values() -> Vec<Stored> {
        vec![
            Stored::Value(FeatureValue::Int64(-2)),
            Stored::Value(FeatureValue::Float64(0.5)),
        ]
    }

    /// Rows that are in production tables must stay readable: this is the format, byte for byte.
    #[test]
    fn the_format_does_not_change() {
        let packed = pack(&user_view(), &values()).expect("packs");
        let mut expected = vec![1];
        expected.extend(schema_fingerprint(&user_view()));
        expected.extend([0b1010, 0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]);
        expected.extend([0, 0, 0, 0, 0, 0, 0xe0, 0x3f]);
        assert_eq!(packed, expected);
        assert_eq!(schema_fingerprint(&user_view()), FINGERPRINT);
    }

    const FINGERPRINT: [u8; 8] = [70, 233, 182, 177, 187, 44, 36, 249];

    #[test]
    fn damaged_bytes_are_an_error_and_never_another_row() {
        let view = user_view();
        let fingerprint = schema_fingerprint(&view);
        let packed = pack(&view, &values()).expect("packs");
        for len in 0..packed.len() {
            assert!(
                unpack(&view, fingerprint, &packed[..len]).is_err(),
                "cut to {len} bytes"
            );
        }
        let mut longer = packed.clone();
        longer.push(0);
        assert!(unpack(&view, fingerprint, &longer).is_err());
        let mut later = packed.clone();
        later[0] = 2;
        assert!(
            unpack(&view, fingerprint, &later)
                .expect_err("later format")
                .contains("version 2")
        );
        let mut impossible = packed;
        impossible[HEADER_BYTES] = 0b1111;
        assert!(unpack(&view, fingerprint, &impossible).is_err());
    }

    #[test]
    fn a_row_that_no_item_can_hold_is_refused() {
        let mut view = user_view();
        view.features.truncate(1);
        view.features[0].value_type = ValueType::String;
        let write = |len| RowWrite {
            entity: EntityKey(vec![KeyValue::Int64(1)]),
            row: FeatureRow {
                event_time_ms: 1,
                expires_at_seconds: None,
                values: vec![Stored::Value(FeatureValue::String("x".repeat(len)))],
            },
        };
        assert!(to_item(&view, None, &write(400_000)).is_ok());
        let problem = to_item(&view, None, &write(410_000)).expect_err("is too long");
        assert!(problem.starts_with("its values take 410014 bytes"), "{problem}");
    }

    #[test]
    fn keys_are_readable_and_do_not_run_together() {
        let view = user_view();
        let entity = |parts: &[&str]| EntityKey(parts.iter().map(|part| KeyValue::String((*part).into())).collect());
        let key = |parts: &[&str]| entity_key(&view, None, &entity(parts));
        assert_eq!(
            entity_key(&view, None, &EntityKey(vec![KeyValue::Int64(-17)])),
            "user#-17"
        );
        assert_eq!(key(&["a#b", "c%"]), "user#a%23b#c%25");
        assert_ne!(key(&["a#b"]), key(&["a", "b"]));
        let snapshot = SnapshotId::new("s-1").expect("is an id");
        assert_eq!(entity_key(&view, Some(&snapshot), &entity(&["@"])), "user@s-1#@");
    }
}
