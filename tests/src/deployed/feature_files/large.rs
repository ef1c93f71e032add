//! Files that are far larger than what the function has in its memory, and take six invocations.

use serde_json::Value as Json;

use super::bucket::Bucket;
use super::rows::{csv, rows, users};

/// Parts of some 1,000 rows: six.
const ROWS: usize = 6001;
/// How many bytes a row is made to have, at least.
const ROW_BYTES: usize = 47_000;
const MIB: u64 = 1 << 20;
/// The most that the function may have in its memory, in MiB. Of these 64 are for the blocks of the file that it keeps.
const MOST_MEMORY: u64 = 128;

/// Rows with much white space between their fields.
pub(super) async fn json_lines_are_read_by_ranges(bucket: &Bucket) {
    let space = ",".to_owned() + &" ".repeat(ROW_BYTES / 2) + "\"";
    let widen = |row: &Json| row.to_string().replacen(",\"", &space, 2) + "\n";
    let rows = rows(ROWS);
    let text: String = rows.iter().map(widen).collect();
    load(bucket, "large.jsonl", text, &rows).await;
}

/// Rows with a number of many digits.
pub(super) async fn csv_is_read_by_ranges(bucket: &Bucket) {
    let mut rows = rows(ROWS);
    for row in &mut rows {
        row["average_order_value_90d"] = ("12.5".to_owned() + &"0".repeat(ROW_BYTES)).into();
    }
    load(bucket, "large.csv", csv(&rows), &rows).await;
}

async fn load(bucket: &Bucket, name: &str, text: String, rows: &[Json]) {
    let bytes = text.len() as u64;
    let before = bucket.record().await;
    bucket.put(name, text).await;
    let (record, peak) = tokio::join!(
        bucket.wait_until_published(name),
        bucket.peak_memory_until_published(name)
    );
    assert_eq!(record.published[0].rows, rows.len() as u64, "{name}");
    assert_eq!(bucket.found(&users(rows)).await, rows.len(), "{name}");
    assert!((1..MOST_MEMORY).contains(&peak), "{name}: {peak} MiB");
    assert!(bytes > 2 * MOST_MEMORY * MIB, "{name}: {bytes} bytes are not far more");
    // Each part says when it begins and how far it came.
    let changes = record.revision - before.revision;
    assert!(
        changes > 2 * 6,
        "{name}: six parts change the record more often than {changes} times"
    );
}
