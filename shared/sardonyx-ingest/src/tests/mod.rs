//! Whole files, as they come from elsewhere.

mod damage;
mod formats;
mod positions;
mod rows;

use std::path::Path;
use std::sync::Arc;

use sardonyx_core::manifest::Manifest;
use sardonyx_core::ports::RowWrite;
use sardonyx_core::testing::models;
use serde_json::json;

use crate::{FileError, Format, Parsed, Position, Rejection, RowReader, RowTimes, Source, ViewRules};

/// 2026-01-02T03:04:05.678Z, the event time of all rows in the files.
const TIME_MS: i64 = 1_767_323_045_678;

const TIMES: RowTimes = RowTimes {
    now_ms: TIME_MS,
    event_time_ms: None,
    expires_at_seconds: Some(9_999_999_999),
};

/// The rules of a view with every type, of which a model takes whatever there is.
fn all_types(times: RowTimes) -> Arc<ViewRules> {
    let mut json = models::manifest_json();
    json["feature_views"] = json!([{
        "name": "all", "join_keys": [{"name": "user_id", "type": "int64"}, {"name": "region", "type": "string"}],
        "features": [
            {"name": "flag", "type": "bool"}, {"name": "count", "type": "int64"}, {"name": "single", "type": "float32"},
            {"name": "double", "type": "float64"}, {"name": "note", "type": "string"}
        ]
    }]);
    json["inputs"] = json!([{"name": "x", "datatype": "FP64", "shape": [-1, 4], "features": [
        {"name": "flag", "source": "all", "missing": "nan"}, {"name": "count", "source": "all", "missing": "nan"},
        {"name": "single", "source": "all", "missing": "nan"}, {"name": "double", "source": "all", "missing": "nan"}
    ]}]);
    json["golden"]["rows"][0]["features"] = json!({"flag": true, "count": 0, "single": 0, "double": 0});
    rules_of(&json, 0, times)
}

/// The rules of `user` in [`models::manifest_json`]: `user_age` is required, `user_score` is at most 10.
fn user(times: RowTimes) -> Arc<ViewRules> {
    rules_of(&models::manifest_json(), 1, times)
}

fn rules_of(json: &serde_json::Value, view: usize, times: RowTimes) -> Arc<ViewRules> {
    let manifest = Manifest::from_json(json.to_string().as_bytes()).expect("is valid");
    Arc::new(ViewRules::new(&manifest, &manifest.feature_views[view], times).expect("has rules"))
}

const JSON_LINES: Format = Format::JsonLines { gzip: false };
const CSV: Format = Format::Csv { gzip: false };

/// The bytes of a file that `tests/ingest/make_files.py` made.
fn file(name: &str) -> Arc<Vec<u8>> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../tests/ingest/files")
        .join(name);
    Arc::new(std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display())))
}

fn text(text: &str) -> Arc<Vec<u8>> {
    Arc::new(text.as_bytes().to_vec())
}

fn read(
    source: Arc<dyn Source>,
    format: Format,
    rules: &Arc<ViewRules>,
    position: Option<Position>,
) -> Result<Vec<Parsed>, FileError> {
    let mut reader = RowReader::open(source, format, Arc::clone(rules), position)?;
    let mut rows = Vec::new();
    loop {
        let batch = reader.next_batch(5)?;
        if batch.is_empty() {
            return Ok(rows);
        }
        assert!(batch.len() <= 5);
        rows.extend(batch);
    }
}

/// The rows of a file, none of which is rejected.
fn accepted(rows: Vec<Parsed>) -> Vec<RowWrite> {
    rows.into_iter()
        .map(|row| {
            row.result
                .unwrap_or_else(|rejection| panic!("row {}: {rejection:?}", row.number))
        })
        .collect()
}

/// The rejections of a file, with their numbers.
fn rejected(rows: Vec<Parsed>) -> Vec<(u64, Rejection)> {
    rows.into_iter()
        .filter_map(|row| Some((row.number, row.result.err()?)))
        .collect()
}

/// What a row holds, in a form in which a NaN is equal to itself and -0 is not 0.
fn shown<T: std::fmt::Debug>(rows: &[T]) -> Vec<String> {
    rows.iter().map(|row| format!("{row:?}")).collect()
}
