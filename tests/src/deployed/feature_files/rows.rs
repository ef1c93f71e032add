//! Rows of the view, and files of them.

use serde_json::Value as Json;

use super::{MODEL, VIEW};
use crate::models::read_json_lines;

/// The sample rows, on which other tests rely, and more: so many in all.
pub(super) fn rows(count: usize) -> Vec<Json> {
    let samples = read_json_lines(&format!("functions/{MODEL}/samples/{VIEW}.jsonl"));
    let row = |index: usize| {
        let mut row = samples[index % samples.len()].clone();
        if index >= samples.len() {
            row["user_id"] = (1_000_000 + index).into();
        }
        row
    };
    (0..count).map(row).collect()
}

pub(super) fn users(rows: &[Json]) -> Vec<i64> {
    let id = |row: &Json| row["user_id"].as_i64().expect("has one");
    rows.iter().map(id).collect()
}

pub(super) fn json_lines(rows: &[Json]) -> String {
    rows.iter().map(|row| row.to_string() + "\n").collect()
}

/// With a header, as the rows have all fields.
pub(super) fn csv(rows: &[Json]) -> String {
    let fields: Vec<_> = rows[0].as_object().expect("is one").keys().cloned().collect();
    let cell = |value: &Json| match value {
        Json::Null => String::new(),
        Json::String(text) => text.clone(),
        other => other.to_string(),
    };
    let line = |row: &Json| {
        fields
            .iter()
            .map(|field| cell(&row[field]))
            .collect::<Vec<_>>()
            .join(",")
            + "\n"
    };
    fields.join(",") + "\n" + &rows.iter().map(line).collect::<String>()
}
