//! A DynamoDB in memory that does what no emulator does: it leaves a share of the keys of every call unprocessed.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use aws_sdk_dynamodb::config::{BehaviorVersion, Credentials, HttpClient, Region};
use aws_sdk_dynamodb::{Client, Config};
use aws_smithy_http_client::test_util::infallible_client_fn;
use sardonyx_core::manifest::{FeatureView, Layout};
use sardonyx_core::ports::{FeatureRows, FeatureWriter, OnlineStore, RowWrite, StoreError, ViewRead};
use serde_json::{Map, Value as Json, json};

use crate::DynamoDbOnlineStore;
use crate::feast_layout::writer::to_item;

/// The table of the native rows.
pub(crate) const TABLE: &str = "features";

/// The stub, as seen from its side.
pub(crate) struct Stub {
    /// By table and key.
    items: Mutex<BTreeMap<(String, String), Json>>,
    unprocessed_share: f64,
    pub(crate) reads: AtomicUsize,
    pub(crate) most_keys: AtomicUsize,
}

impl Stub {
    pub(crate) fn store(unprocessed_share: f64) -> (Arc<Self>, StubStore) {
        let stub = Arc::new(Self {
            items: Mutex::default(),
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
                "DynamoDB_20120810.PutItem" => answering.put(text(&body["TableName"]), &body["Item"]),
                other => panic!("{other} is not expected"),
            };
            http::Response::new(answer.to_string())
        });
        (stub, StubStore::on(http_client))
    }

    fn is_processed(&self) -> bool {
        fastrand::f64() >= self.unprocessed_share
    }

    fn batch_get(&self, request: &Json) -> Json {
        self.reads.fetch_add(1, Ordering::Relaxed);
        let (mut responses, mut unprocessed_keys) = (json!({}), json!({}));
        let mut count = 0;
        for (table, read) in object(&request["RequestItems"]) {
            let keys = read["Keys"].as_array().expect("has keys");
            count += keys.len();
            let distinct: BTreeSet<_> = keys.iter().map(Json::to_string).collect();
            assert_eq!(distinct.len(), keys.len(), "DynamoDB refuses a key that comes twice");
            let (processed, unprocessed): (Vec<_>, Vec<_>) = keys.iter().partition(|_| self.is_processed());
            let items = self.items.lock().expect("no test panicked");
            let found = processed
                .iter()
                .filter_map(|key| items.get(&(table.clone(), key_of(key))))
                .map(|item| project(item, read))
                .collect();
            responses[table] = Json::Array(found);
            if !unprocessed.is_empty() {
                let mut read = read.clone();
                read["Keys"] = json!(unprocessed);
                unprocessed_keys[table] = read;
            }
        }
        self.most_keys.fetch_max(count, Ordering::Relaxed);
        json!({"Responses": responses, "UnprocessedKeys": unprocessed_keys})
    }

    fn batch_write(&self, request: &Json) -> Json {
        let writes = request["RequestItems"][TABLE].as_array().expect("has writes");
        assert!(writes.len() <= 25);
        let (processed, unprocessed): (Vec<_>, Vec<_>) = writes.iter().partition(|_| self.is_processed());
        for write in processed {
            self.put(TABLE, &write["PutRequest"]["Item"]);
        }
        let mut answer = json!({"UnprocessedItems": {}});
        if !unprocessed.is_empty() {
            answer["UnprocessedItems"] = json!({TABLE: unprocessed});
        }
        answer
    }

    fn put(&self, table: &str, item: &Json) -> Json {
        let mut items = self.items.lock().expect("no test panicked");
        items.insert((table.into(), key_of(item)), item.clone());
        json!({})
    }
}

fn object(json: &Json) -> &Map<String, Json> {
    json.as_object().expect("is an object")
}

fn text(json: &Json) -> &str {
    json.as_str().expect("is text")
}

fn key_of(item: &Json) -> String {
    let key = item.get("entity_key").or(item.get("entity_id")).expect("has a key");
    text(&key["S"]).to_owned()
}

/// What a projection leaves of an item: attributes, and entries of the map that `#v` stands for, which goes with its last entry.
fn project(item: &Json, read: &Json) -> Json {
    let Some(expression) = read.get("ProjectionExpression") else {
        return item.clone();
    };
    let name = |placeholder: &str| text(&read["ExpressionAttributeNames"][placeholder]);
    let mut left = json!({});
    for path in text(expression).split(',') {
        match path.split_once('.') {
            None => left[name(path)] = item[name(path)].clone(),
            Some((map, entry)) => {
                let (map, entry) = (name(map), name(entry));
                if let Some(value) = item[map]["M"].get(entry) {
                    left[map]["M"][entry] = value.clone();
                }
            }
        }
    }
    left
}

/// The online store on the stub, which also writes rows as Feast does.
pub(crate) struct StubStore {
    client: Client,
    store: DynamoDbOnlineStore,
}

impl StubStore {
    /// The store that is tested, without what the stub adds.
    pub(crate) fn store(&self) -> &DynamoDbOnlineStore {
        &self.store
    }

    pub(crate) fn on(http_client: impl HttpClient + 'static) -> Self {
        let config = Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::from_static("eu-west-1"))
            .credentials_provider(Credentials::new("key", "secret", None, None, "test"))
            .http_client(http_client)
            .build();
        let client = Client::from_conf(config);
        let store = DynamoDbOnlineStore::new(client.clone(), TABLE);
        Self { client, store }
    }
}

#[async_trait]
impl OnlineStore for StubStore {
    async fn fetch(&self, reads: &[ViewRead<'_>], timeout: Duration) -> Result<Vec<FeatureRows>, StoreError> {
        self.store.fetch(reads, timeout).await
    }
}

#[async_trait]
impl FeatureWriter for StubStore {
    async fn write(&self, view: &FeatureView, rows: &[RowWrite]) -> Result<(), StoreError> {
        if view.layout == Layout::Native {
            return self.store.write(view, rows).await;
        }
        for row in rows {
            let item = to_item(view, row).map_err(|problem| StoreError::Malformed {
                what: view.name.clone(),
                problem,
            })?;
            let table = view.table.clone();
            let put = self.client.put_item().set_table_name(table).set_item(Some(item));
            put.send().await.expect("the stub takes everything");
        }
        Ok(())
    }
}
