//! What the online store does when DynamoDB does not process every key: something that no emulator does.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aws_sdk_dynamodb::config::{BehaviorVersion, Credentials, HttpClient, Region};
use aws_sdk_dynamodb::{Client, Config};
use aws_smithy_http_client::test_util::{NeverClient, infallible_client_fn};
use sardonyx_core::entity::{EntityKey, KeyValue};
use sardonyx_core::manifest::FeatureView;
use sardonyx_core::ports::{OnlineStore, RowWrite, SnapshotWriter, StoreError, ViewRead};
use sardonyx_core::snapshot::{Snapshot, Stored};
use sardonyx_core::testing::models;
use sardonyx_core::value::FeatureValue;
use serde_json::{Value as Json, json};

use crate::DynamoDbOnlineStore;

const TABLE: &str = "features";

/// A DynamoDB that leaves a share of the keys of every call unprocessed.
struct Stub {
    rows: Mutex<BTreeMap<String, Json>>,
    unprocessed_share: f64,
    reads: AtomicUsize,
    most_keys: AtomicUsize,
}

impl Stub {
    fn store(unprocessed_share: f64) -> (Arc<Self>, DynamoDbOnlineStore) {
        let stub = Arc::new(Self {
            rows: Mutex::default(),
            unprocessed_share,
            reads: AtomicUsize::default(),
            most_keys: AtomicUsize::default(),
        });
        let answering = Arc::clone(&stub);
        let http_client = infallible_client_fn(move |request| {
            let target = request
                .headers()
                .get("x-amz-target")
                .expect("has a target")
                .to_str()
                .expect("is text");
            let body: Json = serde_json::from_slice(request.body().bytes().expect("is in memory")).expect("is JSON");
            let answer = match target {
                "DynamoDB_20120810.BatchGetItem" => answering.batch_get(&body),
                "DynamoDB_20120810.BatchWriteItem" => answering.batch_write(&body),
                other => panic!("{other} is not expected"),
            };
            http::Response::new(answer.to_string())
        });
        (stub, store_on(http_client))
    }

    fn is_processed(&self) -> bool {
        fastrand::f64() >= self.unprocessed_share
    }

    fn batch_get(&self, request: &Json) -> Json {
        self.reads.fetch_add(1, Ordering::Relaxed);
        let keys = request["RequestItems"][TABLE]["Keys"].as_array().expect("has keys");
        self.most_keys.fetch_max(keys.len(), Ordering::Relaxed);
        let (processed, unprocessed): (Vec<_>, Vec<_>) = keys.iter().partition(|_| self.is_processed());
        let rows = self.rows.lock().expect("no test panicked");
        let found: Vec<_> = processed
            .iter()
            .filter_map(|key| rows.get(key["entity_key"]["S"].as_str().expect("is text")))
            .collect();
        let mut answer = json!({"Responses": {TABLE: found}, "UnprocessedKeys": {}});
        if !unprocessed.is_empty() {
            answer["UnprocessedKeys"] = json!({TABLE: {"Keys": unprocessed}});
        }
        answer
    }

    fn batch_write(&self, request: &Json) -> Json {
        let writes = request["RequestItems"][TABLE].as_array().expect("has writes");
        assert!(writes.len() <= 25);
        let mut rows = self.rows.lock().expect("no test panicked");
        let (processed, unprocessed): (Vec<_>, Vec<_>) = writes.iter().partition(|_| self.is_processed());
        for write in processed {
            let item = &write["PutRequest"]["Item"];
            let key = item["entity_key"]["S"].as_str().expect("is text").to_owned();
            rows.insert(key, item.clone());
        }
        let mut answer = json!({"UnprocessedItems": {}});
        if !unprocessed.is_empty() {
            answer["UnprocessedItems"] = json!({TABLE: unprocessed});
        }
        answer
    }
}

fn store_on(http_client: impl HttpClient + 'static) -> DynamoDbOnlineStore {
    let config = Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::from_static("eu-west-1"))
        .credentials_provider(Credentials::new("key", "secret", None, None, "test"))
        .http_client(http_client)
        .build();
    DynamoDbOnlineStore::new(Client::from_conf(config), TABLE)
}

fn view() -> FeatureView {
    models::manifest().feature_views[0].clone()
}

fn entity(index: i64) -> EntityKey {
    EntityKey(vec![KeyValue::String(format!("c-{index}"))])
}

async fn write_rows(store: &DynamoDbOnlineStore, count: i64) {
    let rows: Vec<_> = (0..count)
        .map(|index| RowWrite {
            entity: entity(index),
            snapshot: Snapshot {
                event_time_ms: index,
                expires_at_seconds: None,
                values: vec![Stored::Value(FeatureValue::Int64(index))],
            },
        })
        .collect();
    store.write(&view(), &rows).await.expect("writes");
}

#[tokio::test(start_paused = true)]
async fn throttled_keys_are_asked_for_again_and_never_become_missing_rows() {
    let (stub, store) = Stub::store(0.3);
    write_rows(&store, 300).await;
    let entities: Vec<_> = (0..300).map(entity).collect();
    for _ in 0..50 {
        let reads = [ViewRead {
            view: &view(),
            entities: &entities,
        }];
        let answer = store.fetch(&reads, Duration::from_secs(30)).await.expect("reads");
        for (index, row) in (0..).zip(&answer[0]) {
            assert_eq!(
                row.as_ref().expect("is readable").as_ref().map(|row| row.event_time_ms),
                Some(index)
            );
        }
    }
    assert_eq!(stub.most_keys.load(Ordering::Relaxed), 100);
}

#[tokio::test(start_paused = true)]
async fn keys_that_stay_throttled_are_an_error_at_the_deadline() {
    let (stub, store) = Stub::store(1.0);
    let entities = [entity(1)];
    let started = tokio::time::Instant::now();
    let reads = [ViewRead {
        view: &view(),
        entities: &entities,
    }];
    let answer = store.fetch(&reads, Duration::from_secs(2)).await;
    assert!(matches!(answer, Err(StoreError::Unavailable { .. })), "{answer:?}");
    assert!(started.elapsed() <= Duration::from_secs(2));
    assert!(stub.reads.load(Ordering::Relaxed) > 3, "it tries more than once");
}

#[tokio::test(start_paused = true)]
async fn one_call_serves_all_views_and_repeated_entities() {
    let (stub, store) = Stub::store(0.0);
    write_rows(&store, 3).await;
    let manifest = models::manifest();
    let cards: Vec<_> = (0..90).map(|index| entity(index % 3)).collect();
    let users: Vec<_> = (0..97).map(|index| EntityKey(vec![KeyValue::Int64(index)])).collect();
    let reads = [
        ViewRead {
            view: &manifest.feature_views[0],
            entities: &cards,
        },
        ViewRead {
            view: &manifest.feature_views[1],
            entities: &users,
        },
    ];
    let answer = store.fetch(&reads, Duration::from_secs(1)).await.expect("reads");
    assert_eq!(answer[0].iter().flatten().flatten().count(), 90);
    assert_eq!(answer[1].iter().flatten().flatten().count(), 0);
    assert_eq!(
        stub.reads.load(Ordering::Relaxed),
        1,
        "3 cards and 97 users are 100 keys"
    );
}

#[tokio::test(start_paused = true)]
async fn a_key_that_no_row_can_have_is_not_asked_for() {
    let (stub, store) = Stub::store(0.0);
    let entities = [EntityKey(vec![KeyValue::String("x".repeat(3000))])];
    let reads = [ViewRead {
        view: &view(),
        entities: &entities,
    }];
    let answer = store.fetch(&reads, Duration::from_secs(1)).await.expect("reads");
    assert_eq!(answer, [vec![Ok(None)]]);
    assert_eq!(stub.reads.load(Ordering::Relaxed), 0);
}

#[tokio::test(start_paused = true)]
async fn calls_without_an_answer_are_made_again_until_the_deadline() {
    let http_client = NeverClient::new();
    let store = store_on(http_client.clone());
    let entities = [entity(1)];
    let started = tokio::time::Instant::now();
    let reads = [ViewRead {
        view: &view(),
        entities: &entities,
    }];
    let answer = store.fetch(&reads, Duration::from_secs(3)).await;
    assert!(matches!(answer, Err(StoreError::Unavailable { .. })), "{answer:?}");
    assert!(started.elapsed() <= Duration::from_secs(4));
    assert!(http_client.num_calls() >= 3, "{} calls", http_client.num_calls());
}
