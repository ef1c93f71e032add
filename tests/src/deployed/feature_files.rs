//! Files of feature rows that are dropped into their bucket: notification, queue, function, table.

mod bucket;
mod large;
mod row_groups;

mod rows;

use std::collections::HashSet;
use std::time::{Duration, Instant};

use serde_json::json;

use super::process;
use bucket::{Bucket, key};
use rows::{csv, json_lines, rows, users};

/// A view into which no other test writes, since rows that are not in a file are not in its snapshot.
const VIEW: &str = "user_stats";
const MODEL: &str = "purchase-propensity";
/// A message of a function that was killed is hidden for half a minute.
const PATIENCE: Duration = Duration::from_secs(120);
const POLL: Duration = Duration::from_millis(100);

/// One test, since its files are all of one view, and would wait for each other.
#[tokio::test]
#[ignore = "needs the local AWS of `make test`"]
async fn files_that_are_dropped_become_snapshots() {
    let bucket = Bucket::connect().await;
    a_good_file_is_served_once(&bucket).await;
    a_file_with_bad_rows_is_not_served_and_they_are_told(&bucket).await;
    a_file_may_take_several_invocations(&bucket).await;
    row_groups::a_file_of_several_row_groups_is_served(&bucket).await;
    row_groups::every_rejected_row_of_several_row_groups_is_told(&bucket).await;
    killing_the_function_loses_nothing(&bucket).await;
    large::json_lines_are_read_by_ranges(&bucket).await;
    large::csv_is_read_by_ranges(&bucket).await;
    bucket.wait_until_empty("/feature_files/queue_url").await;
    bucket.wait_until_empty("/feature_files/dead_letter_queue_url").await;
}

async fn a_good_file_is_served_once(bucket: &Bucket) {
    let rows = rows(301);
    let etag = bucket.put("good.csv", csv(&rows)).await;
    let record = bucket.wait_until_published("good.csv").await;
    assert_eq!((record.published[0].rows, &record.load), (301, &None));
    assert_eq!(bucket.found(&users(&rows)).await, 301);

    let key = key("good.csv").replace('+', "%2B").replace(' ', "+");
    let object = json!({"key": key, "eTag": etag.trim_matches('"')});
    let message = json!({"Records": [{"s3": {"bucket": {"name": bucket.name()}, "object": object}}]}).to_string();
    for _ in 0..2 {
        let send = bucket
            .aws
            .sqs()
            .send_message()
            .queue_url(bucket.aws.text("/feature_files/queue_url"));
        send.message_body(&message).send().await.expect("is sent");
    }
    bucket.wait_until_empty("/feature_files/queue_url").await;
    assert_eq!(bucket.record().await, record, "the same object twice changes nothing");
}

async fn a_file_with_bad_rows_is_not_served_and_they_are_told(bucket: &Bucket) {
    let (before, files_before) = (bucket.record().await, bucket.reject_files().await);
    let mut rows = rows(400);
    rows[7]["account_age_days"] = "old".into();
    rows[9]["user_id"] = rows[8]["user_id"].clone();
    bucket.put("bad.jsonl", json_lines(&rows)).await;
    let (record, rejects) = bucket.wait_until_refused(&files_before).await;
    assert_eq!((record.current, record.published), (before.current, before.published));
    let numbers: Vec<_> = rejects.iter().map(|reject| reject["line"].as_u64()).collect();
    assert_eq!(numbers, [Some(8), Some(10)]);
    assert_eq!(
        (&rejects[0]["row"], &rejects[1]["row"]["user_id"]),
        (&rows[7], &rows[8]["user_id"])
    );
    assert_eq!(rejects[1]["reasons"], json!(["has the same join keys as line 9"]));
}

async fn a_file_may_take_several_invocations(bucket: &Bucket) {
    let before = bucket.record().await;
    let rows = rows(3001);
    bucket.put("many.jsonl", json_lines(&rows)).await;
    let record = bucket.wait_until_published("many.jsonl").await;
    assert_eq!(record.published[0].rows, 3001);
    assert_eq!(bucket.found(&users(&rows)).await, 3001);
    // The local stage reads about 1,000 rows in an invocation, and each of them says when it begins and how far it came.
    let changes = record.revision - before.revision;
    assert!(changes > 2 * 3, "the record was changed {changes} times");
}

async fn killing_the_function_loses_nothing(bucket: &Bucket) {
    let ministack = bucket.aws.state["ministack_pid"].as_u64().expect("is in the state");
    let function = bucket.aws.text("/feature_files/function");
    let rows = rows(3500);
    let before = bucket.record().await;
    bucket.put("killed.jsonl", json_lines(&rows)).await;
    let mut killed = HashSet::new();
    let deadline = Instant::now() + PATIENCE;
    loop {
        let record = bucket.record().await;
        if record.load.is_some() && killed.is_empty() {
            killed = process::of_function(ministack, function)
                .into_iter()
                .filter(|&id| process::signal(id, "KILL"))
                .collect();
            assert_eq!(
                bucket.record().await.current,
                before.current,
                "the old snapshot is served"
            );
        }
        let latest = &record.published[0];
        if latest.source.contains(&key("killed.jsonl")) {
            break;
        }
        assert!(Instant::now() < deadline, "{record:?}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert!(
        !killed.is_empty(),
        "the function was never caught in the middle of a load"
    );
    assert_eq!(bucket.record().await.published[0].rows, 3500);
    assert_eq!(bucket.found(&users(&rows)).await, 3500);
}
