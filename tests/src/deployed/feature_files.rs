//! Files of feature rows that are dropped into their bucket: notification, queue, function, table.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_sqs::types::QueueAttributeName;
use sardonyx_aws::{DynamoDbFeatureWriter, DynamoDbOnlineStore};
use sardonyx_core::entity::{EntityKey, KeyValue};
use sardonyx_core::manifest::FeatureView;
use sardonyx_core::ports::{FeatureWriter, OnlineStore, ViewRead};
use sardonyx_core::snapshots::ViewSnapshots;
use serde_json::{Value as Json, json};

use super::process;
use crate::local_aws::LocalAws;
use crate::models::{manifest, read_json_lines};

/// A view into which no other test writes, since rows that are not in a file are not in its snapshot.
const VIEW: &str = "user_stats";
const MODEL: &str = "purchase-propensity";
/// A message of a function that was killed is hidden for half a minute.
const PATIENCE: Duration = Duration::from_secs(120);
const POLL: Duration = Duration::from_millis(100);

struct Bucket {
    aws: LocalAws,
    view: FeatureView,
    writer: DynamoDbFeatureWriter,
    online: DynamoDbOnlineStore,
}

impl Bucket {
    async fn connect() -> Self {
        let aws = LocalAws::connect().await;
        let table = aws.text("/feature_table").to_owned();
        Self {
            view: manifest(MODEL).feature_view(VIEW).expect("is there").clone(),
            writer: DynamoDbFeatureWriter::new(aws.dynamodb(), &table),
            online: DynamoDbOnlineStore::new(aws.dynamodb(), &table).with_snapshot_max_age(Duration::ZERO),
            aws,
        }
    }

    fn name(&self) -> &str {
        self.aws.text("/feature_files/bucket")
    }

    /// Drops a file; its entity tag.
    async fn put(&self, name: &str, text: &str) -> String {
        let put = self.aws.s3().put_object().bucket(self.name()).key(key(name));
        let answer = put.body(ByteStream::from(text.to_owned().into_bytes())).send().await;
        answer.expect("is put").e_tag.expect("has a tag")
    }

    async fn record(&self) -> ViewSnapshots {
        self.writer.snapshots(&self.view).await.expect("answers")
    }

    /// The record, as soon as it is as it should be.
    async fn wait_for(&self, what: &str, is_so: impl Fn(&ViewSnapshots) -> bool) -> ViewSnapshots {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let record = self.record().await;
            if is_so(&record) {
                return record;
            }
            assert!(Instant::now() < deadline, "{what}: {record:?}");
            tokio::time::sleep(POLL).await;
        }
    }

    async fn wait_until_published(&self, name: &str) -> ViewSnapshots {
        let is_served = |record: &ViewSnapshots| {
            let latest = record.published.first();
            latest
                .is_some_and(|latest| latest.source.contains(&key(name)) && record.current.as_ref() == Some(&latest.id))
        };
        self.wait_for(name, is_served).await
    }

    async fn wait_until_empty(&self, queue: &str) {
        let deadline = Instant::now() + PATIENCE;
        for attribute in [
            QueueAttributeName::ApproximateNumberOfMessages,
            QueueAttributeName::ApproximateNumberOfMessagesDelayed,
            QueueAttributeName::ApproximateNumberOfMessagesNotVisible,
        ] {
            while self.aws.count_messages(self.aws.text(queue), &attribute).await > 0 {
                assert!(Instant::now() < deadline, "{queue}: messages stay");
                tokio::time::sleep(POLL).await;
            }
        }
    }

    /// How many of the users have a row in the snapshot that is served.
    async fn found(&self, users: &[i64]) -> usize {
        let mut found = 0;
        for users in users.chunks(100) {
            let keys = users.iter().map(|user| EntityKey(vec![KeyValue::Int64(*user)]));
            let entities: Vec<_> = keys.collect();
            let read = ViewRead {
                view: &self.view,
                entities: &entities,
            };
            let answer = self.online.fetch(&[read], PATIENCE).await.expect("reads").remove(0);
            found += answer.rows.iter().filter(|row| matches!(row, Ok(Some(_)))).count();
        }
        found
    }

    /// The files of rejected rows that there are.
    async fn reject_files(&self) -> HashSet<String> {
        let s3 = self.aws.s3();
        let list = s3
            .list_objects_v2()
            .bucket(self.name())
            .prefix(format!("rejects/{VIEW}/"));
        let list = list.send().await.expect("lists");
        let keys = list.contents().iter().map(|object| object.key().expect("has a key"));
        keys.map(str::to_owned).collect()
    }

    async fn rejects(&self, files: impl Iterator<Item = &String>) -> Vec<Json> {
        let mut lines = vec![];
        for file in files {
            let body = self
                .aws
                .s3()
                .get_object()
                .bucket(self.name())
                .key(file)
                .send()
                .await
                .expect("is there")
                .body
                .collect()
                .await
                .expect("is read");
            let text = String::from_utf8(body.to_vec()).expect("is text");
            lines.extend(
                text.lines()
                    .map(|line| serde_json::from_str::<Json>(line).expect("is JSON")),
            );
        }
        lines
    }
}

fn key(name: &str) -> String {
    format!("snapshots/{VIEW}/test {}+{name}", std::process::id())
}

/// The sample rows, on which other tests rely, and more: so many in all.
fn rows(count: usize) -> Vec<Json> {
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

fn users(rows: &[Json]) -> Vec<i64> {
    let id = |row: &Json| row["user_id"].as_i64().expect("has one");
    rows.iter().map(id).collect()
}

fn json_lines(rows: &[Json]) -> String {
    rows.iter().map(|row| row.to_string() + "\n").collect()
}

/// With a header, as the rows have all fields.
fn csv(rows: &[Json]) -> String {
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

/// One test, since its files are all of one view, and would wait for each other.
#[tokio::test]
#[ignore = "needs the local AWS of `make test`"]
async fn files_that_are_dropped_become_snapshots() {
    let bucket = Bucket::connect().await;
    a_good_file_is_served_once(&bucket).await;
    a_file_with_bad_rows_is_not_served_and_they_are_told(&bucket).await;
    a_file_may_take_several_invocations(&bucket).await;
    killing_the_function_loses_nothing(&bucket).await;
    bucket.wait_until_empty("/feature_files/queue_url").await;
    bucket.wait_until_empty("/feature_files/dead_letter_queue_url").await;
}

async fn a_good_file_is_served_once(bucket: &Bucket) {
    let rows = rows(301);
    let etag = bucket.put("good.csv", &csv(&rows)).await;
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
    bucket.put("bad.jsonl", &json_lines(&rows)).await;
    // They are written before the load ends, and nothing else in the record tells this load from none.
    let deadline = Instant::now() + PATIENCE;
    let files = loop {
        let files: HashSet<_> = &bucket.reject_files().await - &files_before;
        if !files.is_empty() {
            break files;
        }
        assert!(Instant::now() < deadline, "no row was rejected");
        tokio::time::sleep(POLL).await;
    };
    let record = bucket.wait_for("its end", |record| record.load.is_none()).await;
    assert_eq!((record.current, record.published), (before.current, before.published));
    let rejects = bucket.rejects(files.iter()).await;
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
    bucket.put("many.jsonl", &json_lines(&rows)).await;
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
    bucket.put("killed.jsonl", &json_lines(&rows)).await;
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
