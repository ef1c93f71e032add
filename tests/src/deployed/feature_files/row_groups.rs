//! Files of Parquet: several row groups, which end elsewhere than the parts in which they are loaded.

use std::sync::Arc;

use parquet::basic::{LogicalType, Repetition, Type as Physical};
use parquet::column::writer::ColumnWriter;
use parquet::data_type::ByteArray;
use parquet::file::properties::WriterProperties;
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::types::Type;
use sardonyx_core::manifest::FeatureView;
use sardonyx_core::value::{FeatureValue, ValueType};
use serde_json::{Value as Json, json};

use super::bucket::Bucket;
use super::rows::{rows, users};

/// The local stage reads some 1,000 rows in an invocation: three batches of 400.
const ROWS_IN_GROUP: usize = 700;

pub(super) async fn a_file_of_several_row_groups_is_served(bucket: &Bucket) {
    let before = bucket.record().await;
    let rows = rows(3001);
    bucket.put("good.parquet", file(&bucket.view, &rows)).await;
    let record = bucket.wait_until_published("good.parquet").await;
    assert_eq!(record.published[0].rows, 3001);
    let expected: Vec<_> = rows.iter().map(|row| Some(as_stored(&bucket.view, row))).collect();
    assert_eq!(bucket.served(&users(&rows)).await, expected);
    let changes = record.revision - before.revision;
    assert!(
        changes > 2 * 3,
        "three parts change the record more often than {changes} times"
    );
}

pub(super) async fn every_rejected_row_of_several_row_groups_is_told(bucket: &Bucket) {
    let (before, files_before) = (bucket.record().await, bucket.reject_files().await);
    let mut rows = rows(3001);
    // The first row and the last one; on both sides of where a row group ends, and a part.
    for bad in [0, 699, 700, 1199, 1200, 2100, 3000] {
        rows[bad]["loyalty_tier"] = "platinum".into();
    }
    rows[1201]["user_id"] = Json::Null;
    rows[1202]["loyalty_tier"] = "".into();
    rows[1202]["user_id"] = Json::Null;
    rows[1400]["user_id"] = rows[1399]["user_id"].clone();
    let platinum = "loyalty_tier: expected one of none, bronze, silver, gold, got \"platinum\"";
    let no_user = "user_id: expected an integer, got null";
    let expected: Vec<_> = [
        (0, vec![platinum]),
        (699, vec![platinum]),
        (700, vec![platinum]),
        (1199, vec![platinum]),
        (1200, vec![platinum]),
        (1201, vec![no_user]),
        (
            1202,
            vec![
                no_user,
                "loyalty_tier: expected one of none, bronze, silver, gold, got \"\"",
            ],
        ),
        (1400, vec!["has the same join keys as row 1400"]),
        (2100, vec![platinum]),
        (3000, vec![platinum]),
    ]
    .into_iter()
    .map(|(row, reasons)| json!({"line": row + 1, "reasons": reasons, "row": as_stored(&bucket.view, &rows[row])}))
    .collect();
    bucket.put("bad.parquet", file(&bucket.view, &rows)).await;
    let (record, mut rejects) = bucket.wait_until_refused(&files_before).await;
    // Of a row that is good in itself, it is told how it would have been stored.
    let event_time = rejects[7]["row"]
        .as_object_mut()
        .and_then(|row| row.remove("event_time"));
    assert!(event_time.is_some_and(|time| time.is_string()));
    for (reject, expected) in rejects.iter().zip(&expected) {
        assert_eq!(reject, expected);
    }
    assert_eq!(rejects.len(), expected.len());
    assert_eq!((record.current, record.published), (before.current, before.published));
}

/// The rows with the view's own types, uncompressed.
fn file(view: &FeatureView, rows: &[Json]) -> Vec<u8> {
    let keys = view.join_keys.iter().map(|key| (key.name.as_str(), ValueType::Int64));
    let features = view
        .features
        .iter()
        .map(|feature| (feature.name.as_str(), feature.value_type));
    let columns: Vec<_> = keys.chain(features).collect();
    let fields = columns.iter().map(|(name, value_type)| {
        let (physical, logical) = match value_type {
            ValueType::Bool => (Physical::BOOLEAN, None),
            ValueType::Int64 => (Physical::INT64, None),
            ValueType::Float32 => (Physical::FLOAT, None),
            ValueType::Float64 => (Physical::DOUBLE, None),
            ValueType::String => (Physical::BYTE_ARRAY, Some(LogicalType::String)),
        };
        let field = Type::primitive_type_builder(name, physical).with_repetition(Repetition::OPTIONAL);
        Arc::new(field.with_logical_type(logical).build().expect("is a type"))
    });
    let schema = Type::group_type_builder("rows").with_fields(fields.collect()).build();
    let properties = Arc::new(WriterProperties::builder().build());
    let mut writer =
        SerializedFileWriter::new(Vec::new(), Arc::new(schema.expect("is one")), properties).expect("begins");
    for group in rows.chunks(ROWS_IN_GROUP) {
        let mut row_group = writer.next_row_group().expect("begins");
        for (name, _) in &columns {
            let values: Vec<_> = group.iter().map(|row| &row[*name]).collect();
            let mut column = row_group.next_column().expect("begins").expect("is of the schema");
            write_column(column.untyped(), &values);
            column.close().expect("is memory");
        }
        row_group.close().expect("is memory");
    }
    writer.into_inner().expect("is memory")
}

fn write_column(column: &mut ColumnWriter<'_>, values: &[&Json]) {
    let levels: Vec<_> = values.iter().map(|value| i16::from(!value.is_null())).collect();
    let values = || values.iter().filter(|value| !value.is_null());
    macro_rules! write {
        ($writer:expr, $value:expr) => {{
            let values: Vec<_> = values().map($value).collect();
            $writer.write_batch(&values, Some(&levels), None).expect("is memory");
        }};
    }
    match column {
        ColumnWriter::BoolColumnWriter(writer) => write!(writer, |value| value.as_bool().expect("is one")),
        ColumnWriter::Int64ColumnWriter(writer) => write!(writer, |value| value.as_i64().expect("is one")),
        ColumnWriter::FloatColumnWriter(writer) => write!(writer, |value| number(value) as f32),
        ColumnWriter::DoubleColumnWriter(writer) => write!(writer, |value| number(value)),
        ColumnWriter::ByteArrayColumnWriter(writer) => {
            write!(writer, |value| ByteArray::from(value.as_str().expect("is a text")))
        }
        _ => panic!("the schema has no such column"),
    }
}

/// What JSON says of a number, of which NaN is a text.
fn number(value: &Json) -> f64 {
    value.as_f64().unwrap_or_else(|| {
        assert_eq!(value, "NaN");
        f64::NAN
    })
}

/// The row as the view's types hold it: numbers of single precision have lost digits.
fn as_stored(view: &FeatureView, row: &Json) -> Json {
    let mut stored = row.clone();
    for feature in &view.features {
        if feature.value_type == ValueType::Float32 && !row[&feature.name].is_null() {
            stored[&feature.name] = FeatureValue::Float32(number(&row[&feature.name]) as f32).to_json();
        }
    }
    stored
}
