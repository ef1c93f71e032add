//! How fast a file of rows is read, and in how much memory, with or without looking for duplicates.
//!
//! usage: `cargo run --release -p sardonyx-ingest --example throughput -- FILE [--duplicates]`
//!
//! The files are `large.parquet`, `large.csv` and `large.jsonl` of `tests/ingest/make_files.py --large FOLDER`: rows of 20 features.
#![expect(clippy::print_stdout, clippy::expect_used, reason = "a measurement, for a person")]

use std::sync::Arc;
use std::time::Instant;

use sardonyx_core::manifest::Manifest;
use sardonyx_core::testing::models;
use sardonyx_ingest::{Duplicates, FileSource, Format, RowReader, RowTimes, ViewRules};
use serde_json::{Value as Json, json};

/// 1970 and some centuries: any event time has passed.
const FAR_AHEAD_MS: i64 = 20_000_000_000_000;
const ROWS_IN_BATCH: usize = 1000;

fn main() {
    let mut arguments = std::env::args().skip(1);
    let path = arguments.next().expect("give a file");
    let mut duplicates = arguments.next().map(|_| Duplicates::new());
    let manifest = manifest();
    let times = RowTimes {
        now_ms: FAR_AHEAD_MS,
        event_time_ms: None,
        expires_at_seconds: None,
    };
    let rules = ViewRules::new(&manifest, &manifest.feature_views[0], times).expect("has rules");
    let format = Format::of(&path).expect("has a known ending");
    let file = Arc::new(FileSource::open(path.as_ref()).expect("can be opened"));
    let start = Instant::now();
    let mut reader = RowReader::open(file, format, Arc::new(rules), None).expect("fits");
    let (mut rows, mut rejected) = (0, 0);
    loop {
        let batch = reader.next_batch(ROWS_IN_BATCH).expect("can be read");
        if batch.is_empty() {
            break;
        }
        for parsed in batch {
            rows += 1;
            match (&parsed.result, &mut duplicates) {
                (Err(_), _) => rejected += 1,
                (Ok(row), Some(duplicates)) => {
                    rejected += u64::from(duplicates.insert(&row.entity, parsed.number).is_some());
                }
                (Ok(_), None) => {}
            }
        }
    }
    let seconds = start.elapsed().as_secs_f64();
    println!(
        "{path}: {rows} rows, {rejected} rejected, {seconds:.2} s, {:.0} rows/s, {}",
        f64::from(rows) / seconds,
        peak_memory()
    );
}

/// A view of 20 features of all types, as `make_files.py` has it.
fn manifest() -> Manifest {
    let types = ["int64", "float32", "float64", "bool", "string"];
    let name = |index: usize| format!("feature_{index}");
    let features: Vec<Json> = (0..20)
        .map(|index| json!({"name": name(index), "type": types[index % types.len()]}))
        .collect();
    let is_number = |index: &usize| types[index % types.len()] != "string";
    let inputs: Vec<Json> = (0..20)
        .filter(is_number)
        .map(|index| json!({"name": name(index), "source": "large", "missing": "nan"}))
        .collect();
    let golden: serde_json::Map<String, Json> = (0..20)
        .filter(is_number)
        .map(|index| (name(index), Json::Null))
        .collect();
    let mut manifest = models::manifest_json();
    manifest["feature_views"] = json!([
        {"name": "large", "join_keys": [{"name": "user_id", "type": "int64"}], "features": features}
    ]);
    manifest["inputs"] = json!([{"name": "x", "datatype": "FP64", "shape": [-1, inputs.len()], "features": inputs}]);
    manifest["golden"]["rows"][0]["features"] = golden.into();
    Manifest::from_json(manifest.to_string().as_bytes()).expect("is valid")
}

/// The most resident memory so far, as Linux tells it.
fn peak_memory() -> String {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmHWM"));
    line.unwrap_or("VmHWM: unknown")
        .split_whitespace()
        .collect::<Vec<_>>()
        .join(" ")
}
