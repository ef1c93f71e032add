//! Writes items as Feast does, for tests.

use aws_sdk_dynamodb::primitives::{Blob, DateTime, DateTimeFormat};
use aws_sdk_dynamodb::types::AttributeValue;
use sardonyx_core::feature_row::Stored;
use sardonyx_core::manifest::FeatureView;
use sardonyx_core::ports::RowWrite;
use sardonyx_core::value::FeatureValue;

use super::{ENTITY_ID, EVENT_TS, EntityIds, VALUES};
use crate::native_layout::Item;

/// The item of a row, or what is wrong with the row.
pub(crate) fn to_item(view: &FeatureView, row: &RowWrite) -> Result<Item, String> {
    if row.row.values.len() != view.features.len() {
        return Err("its values are not those of the view".into());
    }
    let mut values = Item::new();
    for (feature, stored) in view.features.iter().zip(&row.row.values) {
        let bytes = match stored {
            Stored::Absent => continue,
            Stored::Null => vec![],
            Stored::Value(value) if stored.fits(feature) => encode(value),
            Stored::Value(_) | Stored::List(_) => return Err(format!("{} is of another type", feature.name)),
        };
        values.insert(feature.name.clone(), AttributeValue::B(Blob::new(bytes)));
    }
    let seconds = DateTime::from_secs(row.row.event_time_ms.div_euclid(1000))
        .fmt(DateTimeFormat::DateTime)
        .map_err(|error| error.to_string())?;
    // As Python's `str` does it: microseconds, or none.
    let fraction = match row.row.event_time_ms.rem_euclid(1000) {
        0 => String::new(),
        milliseconds => format!(".{milliseconds:03}000"),
    };
    let event_ts = seconds.replace('T', " ").replace('Z', &format!("{fraction}+00:00"));
    Ok(Item::from([
        (
            ENTITY_ID.to_owned(),
            AttributeValue::S(EntityIds::new(view).entity_id(&row.entity)),
        ),
        (EVENT_TS.to_owned(), AttributeValue::S(event_ts)),
        (VALUES.to_owned(), AttributeValue::M(values)),
    ]))
}

fn encode(value: &FeatureValue) -> Vec<u8> {
    let mut bytes = Vec::new();
    match value {
        FeatureValue::Bool(value) => bytes.extend([7 << 3, u8::from(*value)]),
        FeatureValue::Int64(value) => {
            bytes.push(4 << 3);
            push_varint(&mut bytes, value.cast_unsigned());
        }
        FeatureValue::Float32(value) => {
            bytes.push(6 << 3 | 5);
            bytes.extend(value.to_le_bytes());
        }
        FeatureValue::Float64(value) => {
            bytes.push(5 << 3 | 1);
            bytes.extend(value.to_le_bytes());
        }
        FeatureValue::String(text) => {
            bytes.push(2 << 3 | 2);
            push_varint(&mut bytes, text.len() as u64);
            bytes.extend(text.as_bytes());
        }
    }
    bytes
}

fn push_varint(bytes: &mut Vec<u8>, mut number: u64) {
    while number > 0x7f {
        bytes.push(number as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
}
