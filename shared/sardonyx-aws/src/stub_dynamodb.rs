//! A DynamoDB in memory that does what no emulator does: it leaves a share of the keys of every call unprocessed.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use aws_sdk_dynamodb::config::{BehaviorVersion, Credentials, HttpClient, Region};
use aws_sdk_dynamodb::{Client, Config};
use aws_smithy_runtime_api::client::http::{
    HttpConnector, HttpConnectorFuture, SharedHttpClient, SharedHttpConnector, http_client_fn,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use sardonyx_core::manifest::{FeatureView, Layout};
use sardonyx_core::ports::{FeatureWriter, Merged, OnlineStore, RowWrite, StoreError, ViewRead, ViewRows};
use sardonyx_core::snapshots::{SnapshotId, ViewSnapshots};
use serde_json::{Map, Value as Json, json};

use crate::direct::DirectCalls;
use crate::feast_layout::writer::to_item;
use crate::{DynamoDbFeatureWriter, DynamoDbOnlineStore};

/// The table of the native rows.
pub(crate) const TABLE: &str = "features";

/// A client whose requests all go over these connections.
pub(crate) fn http_client(connector: SharedHttpConnector) -> SharedHttpClient {
    http_client_fn(move |_, _| connector.clone())
}

/// The stub, as seen from its side.
#[derive(Debug)]
pub(crate) struct Stub {
    /// By table and key.
    items: Mutex<BTreeMap<(String, String), Json>>,
    unprocessed_share: f64,
    pub(crate) reads: AtomicUsize,
    pub(crate) most_keys: AtomicUsize,
}

impl Stub {
    /// The adapters on a stub, which read as a function does: directly.
    pub(crate) fn store(unprocessed_share: f64) -> (Arc<Self>, StubStore) {
        let stub = Arc::new(Self {
            items: Mutex::default(),
            unprocessed_share,
            reads: AtomicUsize::default(),
            most_keys: AtomicUsize::default(),
        });
        let connector = stub.connector();
        let store = StubStore::on(http_client(connector.clone())).with_direct_calls(connector);
        (stub, store)
    }

    /// Connections to it.
    pub(crate) fn connector(self: &Arc<Self>) -> SharedHttpConnector {
        SharedHttpConnector::new(StubConnector(Arc::clone(self)))
    }

    /// An operation's answer, or the error that its condition does not hold.
    fn answer(&self, target: &str, body: &Json) -> Result<Json, &'static str> {
        Ok(match target {
            "DynamoDB_20120810.BatchGetItem" => self.batch_get(body),
            "DynamoDB_20120810.BatchWriteItem" => self.batch_write(body),
            "DynamoDB_20120810.BatchExecuteStatement" => self.batch_execute(body),
            "DynamoDB_20120810.GetItem" => self.get(body),
            "DynamoDB_20120810.PutItem" if self.condition_holds(body) => {
                self.put(text(&body["TableName"]), &body["Item"])
            }
            "DynamoDB_20120810.PutItem" => {
                return Err(r#"{"__type":"com.amazonaws.dynamodb.v20120810#ConditionalCheckFailedException"}"#);
            }
            other => panic!("{other} is not expected"),
        })
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
            assert_eq!(
                read["ProjectionExpression"].is_string(),
                table != TABLE,
                "of Feast's rows only the features are read, of the others everything"
            );
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

    /// Executes `INSERT INTO "table" VALUE {'attribute': ?, …}`.
    fn batch_execute(&self, request: &Json) -> Json {
        let statements = request["Statements"].as_array().expect("has statements");
        assert!((1..=25).contains(&statements.len()));
        let mut keys = BTreeSet::new();
        let execute = |request: &Json| {
            let statement = text(&request["Statement"]);
            let parts: Vec<_> = statement.split(['"', '\'']).collect();
            assert_eq!(parts[0], "INSERT INTO ");
            let names = parts.iter().skip(3).step_by(2);
            let values = request["Parameters"].as_array().expect("has parameters");
            let item: Map<String, Json> = names.map(|name| (*name).into()).zip(values.iter().cloned()).collect();
            let item = Json::Object(item);
            assert!(keys.insert(key_of(&item)), "DynamoDB refuses a key that comes twice");
            let problem = |code: &str| json!({"Error": {"Code": code, "Message": "the stub's"}});
            if !self.is_processed() {
                return problem("ThrottlingError");
            }
            if self
                .items
                .lock()
                .expect("no test panicked")
                .contains_key(&(parts[1].into(), key_of(&item)))
            {
                return problem("DuplicateItem");
            }
            self.put(parts[1], &item);
            json!({"TableName": parts[1]})
        };
        json!({"Responses": statements.iter().map(execute).collect::<Vec<_>>()})
    }

    fn get(&self, request: &Json) -> Json {
        let items = self.items.lock().expect("no test panicked");
        match items.get(&(text(&request["TableName"]).into(), key_of(&request["Key"]))) {
            Some(item) => json!({"Item": item}),
            None => json!({}),
        }
    }

    /// Reads `attribute_not_exists(a)`, `a = :v` and `a <= :v` for numbers, and these with `OR` between them.
    fn condition_holds(&self, request: &Json) -> bool {
        let Some(condition) = request.get("ConditionExpression") else {
            return true;
        };
        let items = self.items.lock().expect("no test panicked");
        let item = items.get(&(text(&request["TableName"]).into(), key_of(&request["Item"])));
        let number = |value: &Json| text(&value["N"]).parse::<i64>().expect("is a number");
        let compare = |attribute: &str, value: &str, holds: fn(&i64, &i64) -> bool| {
            let there = item.and_then(|item| item.get(attribute)).map(number);
            there.is_some_and(|there| holds(&there, &number(&request["ExpressionAttributeValues"][value])))
        };
        text(condition).split(" OR ").any(|part| {
            let words: Vec<_> = part.split([' ', '(', ')']).filter(|word| !word.is_empty()).collect();
            match words[..] {
                ["attribute_not_exists", attribute] => item.is_none_or(|item| item.get(attribute).is_none()),
                [attribute, "=", value] => compare(attribute, value, i64::eq),
                [attribute, "<=", value] => compare(attribute, value, i64::le),
                _ => panic!("{part} is not expected"),
            }
        })
    }

    fn put(&self, table: &str, item: &Json) -> Json {
        let mut items = self.items.lock().expect("no test panicked");
        items.insert((table.into(), key_of(item)), item.clone());
        json!({})
    }
}

/// A connection to the stub.
#[derive(Debug)]
struct StubConnector(Arc<Stub>);

impl HttpConnector for StubConnector {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let target = request.headers().get("x-amz-target").expect("has a target");
        let body = serde_json::from_slice(request.body().bytes().expect("is in memory")).expect("is JSON");
        let (status, answer) = match self.0.answer(target, &body) {
            Ok(answer) => (200, answer.to_string()),
            Err(problem) => (400, problem.to_owned()),
        };
        let status = status.try_into().expect("is a status");
        HttpConnectorFuture::ready(Ok(HttpResponse::new(status, answer.into())))
    }
}

fn object(json: &Json) -> &Map<String, Json> {
    json.as_object().expect("is an object")
}

fn text(json: &Json) -> &str {
    json.as_str().expect("is text")
}

/// The partition key and, where there is one, the sort key.
fn key_of(item: &Json) -> String {
    let attributes = ["entity_key", "entity_id", "prediction_id", "model_name"].iter();
    let keys: Vec<_> = attributes
        .filter_map(|name| item.get(*name))
        .map(|key| text(&key["S"]))
        .collect();
    assert!(!keys.is_empty(), "has a key");
    keys.join("/")
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

/// The adapters on the stub; the writer also writes rows as Feast does.
pub(crate) struct StubStore {
    client: Client,
    store: DynamoDbOnlineStore,
    writer: DynamoDbFeatureWriter,
}

impl StubStore {
    /// The writer that is tested, without what the stub adds.
    pub(crate) fn writer(&self) -> &DynamoDbFeatureWriter {
        &self.writer
    }

    /// Another reader of the same tables, which looks up the current snapshot for every read.
    pub(crate) fn reader_without_memory(&self) -> DynamoDbOnlineStore {
        DynamoDbOnlineStore::new(self.client.clone(), TABLE).with_snapshot_max_age(Duration::ZERO)
    }

    /// Reads directly over these connections, first.
    pub(crate) fn with_direct_calls(self, connector: SharedHttpConnector) -> Self {
        let direct = Arc::new(DirectCalls::on(connector));
        Self {
            store: self.store.with_direct_calls(Some(direct)),
            ..self
        }
    }

    pub(crate) fn on(http_client: impl HttpClient + 'static) -> Self {
        let client = client(http_client);
        Self {
            store: DynamoDbOnlineStore::new(client.clone(), TABLE),
            writer: DynamoDbFeatureWriter::new(client.clone(), TABLE),
            client,
        }
    }
}

/// A client whose calls go there.
pub(crate) fn client(http_client: impl HttpClient + 'static) -> Client {
    let config = Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::from_static("eu-west-1"))
        .credentials_provider(Credentials::new("key", "secret", None, None, "test"))
        .http_client(http_client)
        .build();
    Client::from_conf(config)
}

#[async_trait]
impl OnlineStore for StubStore {
    async fn fetch(&self, reads: &[ViewRead<'_>], timeout: Duration) -> Result<Vec<ViewRows>, StoreError> {
        self.store.fetch(reads, timeout).await
    }
}

#[async_trait]
impl FeatureWriter for StubStore {
    async fn write(&self, view: &FeatureView, snapshot: &SnapshotId, rows: &[RowWrite]) -> Result<(), StoreError> {
        self.writer.write(view, snapshot, rows).await
    }

    async fn merge(
        &self,
        view: &FeatureView,
        snapshot: Option<&SnapshotId>,
        rows: &[RowWrite],
    ) -> Result<Vec<Merged>, StoreError> {
        if view.layout == Layout::Native {
            return self.writer.merge(view, snapshot, rows).await;
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
        Ok(vec![Merged::Written; rows.len()])
    }

    async fn snapshots(&self, view: &FeatureView) -> Result<ViewSnapshots, StoreError> {
        self.writer.snapshots(view).await
    }

    async fn replace_snapshots(&self, view: &FeatureView, snapshots: &ViewSnapshots) -> Result<bool, StoreError> {
        self.writer.replace_snapshots(view, snapshots).await
    }
}
