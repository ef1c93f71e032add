//! Which columns of a Parquet file are which fields, and whether their types are the view's.

use parquet::basic::{ConvertedType, LogicalType, TimeUnit, Type};
use parquet::file::metadata::ParquetMetaData;
use parquet::schema::types::ColumnDescriptor;
use sardonyx_core::entity::KeyType;
use sardonyx_core::value::ValueType;

use crate::error::FileError;
use crate::view_rules::{FieldUse, ViewRules};

/// A column that is a field of the view.
pub(super) struct Column {
    pub(super) name: String,
    /// The position of the field in the rules.
    pub(super) field: usize,
    /// The position of the column in the file.
    pub(super) leaf: usize,
    pub(super) kind: Kind,
}

/// What the values of a column mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// There are none. So is a data frame's column written that has nothing but nulls.
    Nulls,
    Bool,
    Signed,
    Unsigned,
    Float,
    Double,
    Text,
    Bytes,
    /// Since the Unix epoch, so many for a millisecond.
    Time {
        per_millisecond: i64,
    },
    Int96Time,
}

/// The columns of the view's fields, each once.
///
/// # Errors
/// Everything that is wrong with the names and the types.
pub(super) fn columns_of(metadata: &ParquetMetaData, rules: &ViewRules) -> Result<Vec<Column>, FileError> {
    let schema = metadata.file_metadata().schema_descr();
    let roots = schema.root_schema().get_fields();
    let mut problems = rules.problems_of_columns(roots.iter().map(|root| root.name()));
    let mut columns = Vec::new();
    let mut last_nested = None;
    for (leaf, descriptor) in schema.columns().iter().enumerate() {
        let parts = descriptor.path().parts();
        let name = parts.first().map(String::as_str).unwrap_or_default();
        let Some(field) = rules.place(name) else {
            continue;
        };
        if parts.len() > 1 || descriptor.max_rep_level() > 0 {
            if last_nested.replace(name) != Some(name) {
                problems.push(format!(
                    "{name}: is a list or a structure; a column has one value in a row"
                ));
            }
            continue;
        }
        let kind = kind_of(descriptor);
        let misfit = |used: FieldUse<'_>| {
            if kind.is_some_and(|kind| fits(kind, used)) {
                return None;
            }
            let (wanted, fix) = wanted(used);
            Some(format!(
                "{name}: is {}, but has to be {wanted}; {fix}",
                type_name(descriptor)
            ))
        };
        problems.extend(rules.uses(field).filter_map(misfit));
        if let Some(kind) = kind {
            columns.push(Column {
                name: name.to_owned(),
                field,
                leaf,
                kind,
            });
        }
    }
    if problems.is_empty() {
        return Ok(columns);
    }
    Err(FileError::Columns {
        view: rules.view().to_owned(),
        problems,
    })
}

/// `None` for what is no value of any view. Files from before logical types have only the older annotation, which newer ones have as well.
fn kind_of(descriptor: &ColumnDescriptor) -> Option<Kind> {
    use ConvertedType as Old;
    let logical = descriptor.logical_type_ref();
    if logical == Some(&LogicalType::Unknown) {
        return Some(Kind::Nulls);
    }
    let time = |per_millisecond| Some(Kind::Time { per_millisecond });
    match (descriptor.physical_type(), logical, descriptor.converted_type()) {
        (Type::BOOLEAN, None, Old::NONE) => Some(Kind::Bool),
        (Type::INT32 | Type::INT64, Some(LogicalType::Integer(integer)), _) => Some(if integer.is_signed {
            Kind::Signed
        } else {
            Kind::Unsigned
        }),
        (Type::INT64, Some(LogicalType::Timestamp(timestamp)), _) => match timestamp.unit {
            TimeUnit::MILLIS => time(1),
            TimeUnit::MICROS => time(1_000),
            TimeUnit::NANOS => time(1_000_000),
        },
        (Type::INT64, None, Old::TIMESTAMP_MILLIS) => time(1),
        (Type::INT64, None, Old::TIMESTAMP_MICROS) => time(1_000),
        (Type::INT32 | Type::INT64, None, Old::NONE | Old::INT_8 | Old::INT_16 | Old::INT_32 | Old::INT_64) => {
            Some(Kind::Signed)
        }
        (Type::INT32 | Type::INT64, None, Old::UINT_8 | Old::UINT_16 | Old::UINT_32 | Old::UINT_64) => {
            Some(Kind::Unsigned)
        }
        (Type::INT96, None, Old::NONE) => Some(Kind::Int96Time),
        (Type::FLOAT, None, Old::NONE) => Some(Kind::Float),
        (Type::DOUBLE, None, Old::NONE) => Some(Kind::Double),
        (Type::BYTE_ARRAY, Some(LogicalType::String | LogicalType::Enum | LogicalType::Json), _)
        | (Type::BYTE_ARRAY, None, Old::UTF8 | Old::ENUM | Old::JSON) => Some(Kind::Text),
        (Type::BYTE_ARRAY, None, Old::NONE) => Some(Kind::Bytes),
        _ => None,
    }
}

/// Whether each value of that kind can be the field's, or a value that cannot be is seen for itself.
fn fits(kind: Kind, used: FieldUse<'_>) -> bool {
    use Kind::{Bool, Bytes, Double, Float, Int96Time, Nulls, Signed, Text, Time, Unsigned};
    match used {
        FieldUse::Feature(feature) => match feature.value_type {
            ValueType::Bool => matches!(kind, Nulls | Bool),
            ValueType::Int64 => matches!(kind, Nulls | Signed | Unsigned | Double),
            // A double would have to be rounded.
            ValueType::Float32 => matches!(kind, Nulls | Signed | Unsigned | Float),
            ValueType::Float64 => matches!(kind, Nulls | Signed | Unsigned | Float | Double),
            ValueType::String => matches!(kind, Nulls | Text),
        },
        // An id that has been a float may be another one.
        FieldUse::Key(key) => match key.key_type {
            KeyType::Int64 | KeyType::Int32 | KeyType::UnixTimestamp => matches!(kind, Signed | Unsigned),
            KeyType::String => matches!(kind, Text),
            KeyType::Bytes => matches!(kind, Bytes | Text),
        },
        FieldUse::EventTime => matches!(kind, Nulls | Time { .. } | Int96Time | Text),
    }
}

/// The type that a column should have, and how it gets it.
fn wanted(used: FieldUse<'_>) -> (&'static str, &'static str) {
    match used {
        FieldUse::Feature(feature) => match feature.value_type {
            ValueType::Bool => ("BOOLEAN", "convert it (pandas: astype(\"boolean\"))"),
            ValueType::Int64 => ("INT64", "convert it (pandas: astype(\"Int64\"))"),
            ValueType::Float32 => ("FLOAT", "convert it (pandas: astype(\"float32\"))"),
            ValueType::Float64 => ("DOUBLE", "convert it (pandas: astype(\"float64\"))"),
            ValueType::String => ("STRING", "convert it (pandas: astype(\"string\"))"),
        },
        FieldUse::Key(key) => match key.key_type {
            KeyType::Int64 => (
                "INT64",
                "convert it before an id is rounded (pandas: astype(\"int64\"))",
            ),
            KeyType::Int32 => (
                "INT32",
                "convert it before an id is rounded (pandas: astype(\"int32\"))",
            ),
            KeyType::UnixTimestamp => ("INT64, in seconds since 1970", "convert it"),
            KeyType::String => ("STRING", "convert it (pandas: astype(\"string\"))"),
            KeyType::Bytes => ("BYTE_ARRAY, or base64 in a STRING", "convert it"),
        },
        FieldUse::EventTime => (
            "TIMESTAMP",
            "convert it (pandas: to_datetime(…, utc=True), with unit=\"ms\" where it counts milliseconds)",
        ),
    }
}

/// The type of a column as Parquet's documentation writes it, such as `INT32 (DATE)`.
fn type_name(descriptor: &ColumnDescriptor) -> String {
    let physical = descriptor.physical_type();
    let annotation = match descriptor.logical_type_ref() {
        Some(LogicalType::Timestamp(_)) => "TIMESTAMP".into(),
        Some(LogicalType::Time(_)) => "TIME".into(),
        Some(LogicalType::Decimal(_)) => "DECIMAL".into(),
        Some(LogicalType::Float16) => "FLOAT16".into(),
        Some(LogicalType::Uuid) => "UUID".into(),
        _ => match descriptor.converted_type() {
            ConvertedType::NONE => return physical.to_string(),
            ConvertedType::UTF8 => "STRING".into(),
            converted => converted.to_string(),
        },
    };
    format!("{physical} ({annotation})")
}
