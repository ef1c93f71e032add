//! The bucket of feature files, and what its function makes of them.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_sqs::types::QueueAttributeName;
use sardonyx_aws::{DynamoDbFeatureWriter, DynamoDbOnlineStore};
use sardonyx_core::entity::{EntityKey, KeyValue};
use sardonyx_core::feature_row::Stored;
use sardonyx_core::manifest::FeatureView;
use sardonyx_core::ports::{FeatureWriter, OnlineStore, ViewRead};
use sardonyx_core::snapshots::ViewSnapshots;
use serde_json::{Map, Value as Json};

use super::{MODEL, PATIENCE, POLL, VIEW};
use crate::deployed::process;
use crate::local_aws::LocalAws;
use crate::models::manifest;

/// The bucket, and what becomes of the files in it.
pub(super) struct Bucket {
    pub(super) aws: LocalAws,
    pub(super) view: FeatureView,
    writer: DynamoDbFeatureWriter,
    online: DynamoDbOnlineStore,
}

impl Bucket {
    pub(super) async fn connect() -> Self {
        let aws = LocalAws::connect().await;
        let table = aws.text("/feature_table").to_owned();
        Self {
            view: manifest(MODEL).feature_view(VIEW).expect("is there").clone(),
            writer: DynamoDbFeatureWriter::new(aws.dynamodb(), &table),
            online: DynamoDbOnlineStore::new(aws.dynamodb(), &table).with_snapshot_max_age(Duration::ZERO),
            aws,
        }
    }

    pub(super) fn name(&self) -> &str {
        self.aws.text("/feature_files/bucket")
    }

    /// Drops a file; its entity tag.
    pub(super) async fn put(&self, name: &str, bytes: impl Into<Vec<u8>>) -> String {
        let put = self.aws.s3().put_object().bucket(self.name()).key(key(name));
        let answer = put.body(ByteStream::from(bytes.into())).send().await;
        answer.expect("is put").e_tag.expect("has a tag")
    }

    pub(super) async fn record(&self) -> ViewSnapshots {
        self.writer.snapshots(&self.view).await.expect("answers")
    }

    /// The record, as soon as it is as it should be.
    pub(super) async fn wait_for(&self, what: &str, is_so: impl Fn(&ViewSnapshots) -> bool) -> ViewSnapshots {
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

    fn is_published(&self, name: &str, record: &ViewSnapshots) -> bool {
        let latest = record.published.first();
        latest.is_some_and(|latest| latest.source.contains(&key(name)) && record.current.as_ref() == Some(&latest.id))
    }

    pub(super) async fn wait_until_published(&self, name: &str) -> ViewSnapshots {
        self.wait_for(name, |record| self.is_published(name, record)).await
    }

    /// Waits for the end of a load with rejected rows, whose files are not among those of `before`; the rows, in the order of the file.
    pub(super) async fn wait_until_refused(&self, before: &HashSet<String>) -> (ViewSnapshots, Vec<Json>) {
        // They are written before the load ends, and nothing else in the record tells this load from none.
        let deadline = Instant::now() + PATIENCE;
        while self.reject_files().await == *before {
            assert!(Instant::now() < deadline, "no row was rejected");
            tokio::time::sleep(POLL).await;
        }
        let record = self.wait_for("its end", |record| record.load.is_none()).await;
        let files = &self.reject_files().await - before;
        let mut rejects = self.rejects(files.iter()).await;
        rejects.sort_by_key(|reject| reject["line"].as_u64());
        (record, rejects)
    }

    pub(super) async fn wait_until_empty(&self, queue: &str) {
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
    pub(super) async fn found(&self, users: &[i64]) -> usize {
        self.served(users).await.iter().flatten().count()
    }

    /// The users' rows in the snapshot that is served, as a file has them.
    pub(super) async fn served(&self, users: &[i64]) -> Vec<Option<Json>> {
        let mut served = vec![];
        for users in users.chunks(100) {
            let keys = users.iter().map(|user| EntityKey(vec![KeyValue::Int64(*user)]));
            let entities: Vec<_> = keys.collect();
            let read = ViewRead {
                view: &self.view,
                entities: &entities,
            };
            let answer = self.online.fetch(&[read], PATIENCE).await.expect("reads").remove(0);
            for (row, user) in answer.rows.into_iter().zip(users) {
                let row = row.expect("is readable");
                served.push(row.map(|row| self.to_json(*user, &row.values)));
            }
        }
        served
    }

    fn to_json(&self, user: i64, values: &[Stored]) -> Json {
        let value = |stored: &Stored| match stored {
            Stored::Value(value) => value.to_json(),
            Stored::Null => Json::Null,
            other => panic!("no file says {other:?}"),
        };
        let features = self.view.features.iter().zip(values);
        let mut row: Map<_, _> = features
            .map(|(feature, stored)| (feature.name.clone(), value(stored)))
            .collect();
        row.insert("user_id".into(), user.into());
        row.into()
    }

    /// The most memory that a process of the function has had, in MiB, from now until the file is served.
    pub(super) async fn peak_memory_until_published(&self, name: &str) -> u64 {
        let ministack = self.aws.state["ministack_pid"].as_u64().expect("is in the state");
        let function = self.aws.text("/feature_files/function");
        let mut peak = 0;
        while !self.is_published(name, &self.record().await) {
            let processes = process::of_function(ministack, function).into_iter();
            peak = processes.filter_map(process::peak_memory).fold(peak, u64::max);
            tokio::time::sleep(POLL).await;
        }
        peak
    }

    /// The files of rejected rows that there are.
    pub(super) async fn reject_files(&self) -> HashSet<String> {
        let s3 = self.aws.s3();
        let list = s3
            .list_objects_v2()
            .bucket(self.name())
            .prefix(format!("rejects/{VIEW}/"));
        let list = list.send().await.expect("lists");
        let keys = list.contents().iter().map(|object| object.key().expect("has a key"));
        keys.map(str::to_owned).collect()
    }

    pub(super) async fn rejects(&self, files: impl Iterator<Item = &String>) -> Vec<Json> {
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

pub(super) fn key(name: &str) -> String {
    format!("snapshots/{VIEW}/test {}+{name}", std::process::id())
}
