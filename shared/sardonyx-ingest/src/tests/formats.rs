use sardonyx_core::entity::KeyValue;
use sardonyx_core::feature_row::Stored;
use sardonyx_core::value::FeatureValue;
use serde_json::Value as Json;

use super::*;

fn read_file(name: &str) -> Vec<Parsed> {
    let format = Format::of(name).expect("has an ending");
    read(file(name), format, &all_types(TIMES), None).unwrap_or_else(|error| panic!("{name}: {error:?}"))
}

fn problems_of(name: &str) -> Vec<String> {
    let format = Format::of(name).expect("has an ending");
    match read(file(name), format, &all_types(TIMES), None) {
        Err(FileError::Columns { problems, .. }) => problems,
        other => panic!("{name}: {other:?}"),
    }
}

fn value(value: FeatureValue) -> Stored {
    Stored::Value(value)
}

#[test]
fn json_lines_give_exactly_what_was_written() {
    use FeatureValue::{Bool, Float32, Float64, Int64, String};
    let rows = accepted(read_file("rows.jsonl"));
    assert_eq!(rows.len(), 9);
    assert!(rows.iter().all(|row| row.row.event_time_ms == TIME_MS));
    assert!(rows.iter().all(|row| row.row.expires_at_seconds == Some(9_999_999_999)));
    assert_eq!(
        rows[6].entity.0,
        [KeyValue::Int64(6), KeyValue::String("Ελλάδα".into())]
    );
    assert_eq!(rows[8].entity.0[0], KeyValue::Int64(i64::MAX));
    let string = |text: &str| value(String(text.into()));
    assert_eq!(
        rows[1].row.values,
        [
            value(Bool(false)),
            value(Int64(i64::MAX)),
            value(Float32(0.5)),
            value(Float64(0.1)),
            string("")
        ]
    );
    let null = Stored::Null;
    let minimum = value(Int64(i64::MIN));
    assert_eq!(
        rows[2].row.values,
        [null.clone(), minimum, null.clone(), null.clone(), null.clone()]
    );
    assert_eq!(rows[3].row.values[1], value(Int64((1 << 53) + 1)));
    assert!(matches!(rows[3].row.values[3], Stored::Value(Float64(number)) if number.is_nan()));
    assert_eq!(rows[3].row.values[4], string("NaN"));
    assert_eq!(
        rows[4].row.values[2..4],
        [value(Float32(f32::INFINITY)), value(Float64(f64::NEG_INFINITY))]
    );
    assert!(matches!(rows[5].row.values[3], Stored::Value(Float64(zero)) if zero == 0.0 && zero.is_sign_negative()));
    assert_eq!(rows[6].row.values[4], string("line one\nline two\r\nline three"));
    assert_eq!(
        rows[7].row.values[3..],
        [value(Float64(5e-324)), string("żółw 🐢 \u{0} \u{feff}")]
    );
}

#[test]
fn every_format_gives_the_same_rows() {
    let expected = shown(&accepted(read_file("rows.jsonl")));
    for name in [
        "rows.jsonl.gz",
        "rows.csv",
        "rows.csv.gz",
        "none.parquet",
        "snappy.parquet",
        "gzip.parquet",
        "zstd.parquet",
        "lz4.parquet",
        "one_group.parquet",
        "pages_v2.parquet",
        "checksums.parquet",
        "no_dictionary.parquet",
        "version_1.parquet",
        "delta.parquet",
        "int96.parquet",
        "small_pages.parquet",
        "microseconds.parquet",
        "nanoseconds.parquet",
        "large_strings.parquet",
        "time_as_text.parquet",
    ] {
        assert_eq!(shown(&accepted(read_file(name))), expected, "{name}");
    }
    // A line that ends with a carriage return is not one within quotes.
    let of_excel = shown(&accepted(read_file("excel.csv")));
    assert_eq!(of_excel, expected);
}

/// What pandas and Python's csv make of the values is lost before a file is read, and nothing else is.
#[test]
fn files_of_pandas_are_read_as_pandas_wrote_them() {
    let expected = |change: &dyn Fn(&mut Stored)| {
        let mut rows = accepted(read_file("rows.jsonl"));
        rows.iter_mut().flat_map(|row| &mut row.row.values).for_each(change);
        shown(&rows)
    };
    let number = |stored: &Stored| match stored {
        Stored::Value(value) => value.as_number(),
        _ => None,
    };
    let nan_is_null = |stored: &mut Stored| {
        if number(stored).is_some_and(f64::is_nan) {
            *stored = Stored::Null;
        }
    };
    let empty_is_null = |stored: &mut Stored| {
        if *stored == value(FeatureValue::String(String::new())) {
            *stored = Stored::Null;
        }
    };
    assert_eq!(shown(&accepted(read_file("pandas.parquet"))), expected(&nan_is_null));
    assert_eq!(
        shown(&accepted(read_file("pandas.csv"))),
        expected(&|stored| {
            nan_is_null(stored);
            empty_is_null(stored);
        })
    );
    assert_eq!(shown(&accepted(read_file("python.csv"))), expected(&empty_is_null));
    assert_eq!(
        shown(&accepted(read_file("pandas.jsonl"))),
        expected(&|stored| {
            if number(stored).is_some_and(|number| !number.is_finite()) {
                *stored = Stored::Null;
            }
            match stored {
                Stored::Value(FeatureValue::Float32(float)) if *float == 0.0 => *float = 0.0,
                Stored::Value(FeatureValue::Float64(float)) if *float == 0.0 => *float = 0.0,
                _ => {}
            }
        })
    );
}

#[test]
fn integers_that_pandas_wrote_as_doubles_are_integers() {
    for name in ["plain.parquet", "plain.csv", "plain.jsonl"] {
        let rows = accepted(read_file(name));
        let counts: Vec<_> = rows.iter().map(|row| row.row.values[1].clone()).collect();
        let integer = |number| value(FeatureValue::Int64(number));
        assert_eq!(counts, [integer(5), Stored::Null, integer(-7)], "{name}");
        let flags: Vec<_> = rows.iter().map(|row| row.row.values[0].clone()).collect();
        let flag = |flag| value(FeatureValue::Bool(flag));
        assert_eq!(flags, [flag(true), Stored::Null, flag(false)], "{name}");
        assert!(rows.iter().all(|row| row.row.values[2] == Stored::Absent));
        assert_eq!(rows[2].row.values[3], value(FeatureValue::Float64(3.0)), "{name}");
    }
}

#[test]
fn smaller_types_are_read_exactly() {
    use FeatureValue::{Float32, Float64, Int64};
    let rows = accepted(read_file("small_types.parquet"));
    let column = |index: usize| rows.iter().map(|row| row.row.values[index].clone()).collect::<Vec<_>>();
    assert_eq!(column(0), [Stored::Null, Stored::Null, Stored::Null]);
    assert_eq!(column(1), [value(Int64(0)), value(Int64(255)), Stored::Null]);
    assert_eq!(
        column(2),
        [value(Float32(-3.0)), value(Float32(16_777_216.0)), Stored::Null]
    );
    assert_eq!(column(3)[..2], [value(Float64(0.5)), Stored::Null]);
    assert_eq!(column(4), [Stored::Absent, Stored::Absent, Stored::Absent]);
}

#[test]
fn a_number_that_would_be_rounded_is_rejected() {
    let rows = rejected(read_file("inexact.parquet"));
    let reasons: Vec<_> = rows
        .iter()
        .map(|(number, rejection)| (*number, rejection.reasons.join("; ")))
        .collect();
    let expected = [
        (
            1,
            "count: expected an integer, got 0.5; single: expected a number, got 16777217; \
             double: expected a number, got 9007199254740993",
        ),
        (
            2,
            "count: expected an integer, got 9007199254740992.0; double: expected a number, got 9223372036854777856",
        ),
        (
            3,
            "count: expected an integer, got \"NaN\"; double: expected a number, got 18446744073709551615",
        ),
    ];
    assert_eq!(reasons, expected.map(|(number, reason)| (number, reason.to_owned())));
    assert_eq!(
        serde_json::from_str::<Json>(rows[2].1.row.get()).expect("is JSON"),
        json!({"count": "NaN", "double": 18_446_744_073_709_551_615_u64, "event_time": "2026-01-02T03:04:05.678Z",
            "region": "a", "single": 16_777_218, "user_id": 3})
    );
}

#[test]
fn wrong_columns_are_errors_of_the_file_all_at_once() {
    assert_eq!(
        problems_of("wrong_types.parquet"),
        [
            "extra: is neither a join key nor a feature of all",
            "user_id: is DOUBLE, but has to be INT64; convert it before an id is rounded (pandas: astype(\"int64\"))",
            "region: is BYTE_ARRAY, but has to be STRING; convert it (pandas: astype(\"string\"))",
            "event_time: is INT64, but has to be TIMESTAMP; convert it (pandas: to_datetime(…, utc=True), with unit=\"ms\" where it counts milliseconds)",
            "flag: is INT64, but has to be BOOLEAN; convert it (pandas: astype(\"boolean\"))",
            "count: is BYTE_ARRAY (STRING), but has to be INT64; convert it (pandas: astype(\"Int64\"))",
            "single: is DOUBLE, but has to be FLOAT; convert it (pandas: astype(\"float32\"))",
            "double: is a list or a structure; a column has one value in a row",
            "note: is INT32 (DATE), but has to be STRING; convert it (pandas: astype(\"string\"))",
        ]
    );
    assert_eq!(
        problems_of("pandas_index.parquet"),
        ["__index_level_0__: is neither a join key nor a feature of all (pandas: index=False leaves it out)"]
    );
    assert_eq!(
        problems_of("pandas_index.csv"),
        ["column 1: has no name; leave it out (pandas: index=False)"]
    );
    // An index with a name is a column like any other.
    assert_eq!(accepted(read_file("pandas_named_index.parquet")).len(), 9);
}

#[test]
fn a_column_that_is_not_there_is_absent() {
    let rows = accepted(read_file("no_column.parquet"));
    assert_eq!(rows.len(), 9);
    assert!(
        rows.iter()
            .all(|row| row.row.values[3..] == [Stored::Absent, Stored::Absent])
    );
    assert!(rows.iter().any(|row| row.row.values[1] == Stored::Null));
}

#[test]
fn a_file_may_have_no_rows() {
    assert!(read_file("empty.parquet").is_empty());
    let header = "user_id,region,event_time\n";
    for (format, content) in [
        (JSON_LINES, ""),
        (JSON_LINES, "\n\r\n"),
        (CSV, header),
        (CSV, header.trim()),
        (CSV, "\n\nuser_id,region,event_time\n\n"),
    ] {
        let rows = read(text(content), format, &all_types(TIMES), None);
        assert!(rows.is_ok_and(|rows| rows.is_empty()), "{content:?}");
    }
    let error = read(text(""), CSV, &all_types(TIMES), None).expect_err("has no header");
    assert!(error.to_string().contains("header row"), "{error}");
}

#[test]
fn a_compression_that_is_not_read_is_named() {
    let error = read(file("brotli.parquet"), Format::Parquet, &all_types(TIMES), None).expect_err("is brotli");
    assert!(error.to_string().contains("snappy, zstd, gzip, LZ4"), "{error}");
}
