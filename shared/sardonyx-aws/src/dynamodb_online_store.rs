use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::{AttributeValue, KeysAndAttributes, PutRequest, WriteRequest};
use futures_util::future::try_join_all;
use sardonyx_core::manifest::FeatureView;
use sardonyx_core::ports::{FeatureRows, MalformedRow, OnlineStore, RowWrite, SnapshotWriter, StoreError, ViewRead};
use sardonyx_core::snapshot::Snapshot;
use tokio::time::{Instant, sleep_until, timeout_at};

use crate::clients::unavailable;
use crate::native_layout::{ENTITY_KEY, Item, LONGEST_KEY_BYTES, entity_key, from_item, schema_fingerprint, to_item};

/// What one BatchGetItem takes.
const KEYS_PER_READ: usize = 100;
/// What one BatchWriteItem takes.
const ROWS_PER_WRITE: usize = 25;
/// How many calls that get no answer fit into the time for a read.
const ATTEMPTS: u32 = 3;
/// How long one BatchWriteItem may go on with what DynamoDB left unprocessed.
const WRITE_TIMEOUT: Duration = Duration::from_secs(30);

/// Feature rows in a DynamoDB table, one item for each feature view and entity.
#[derive(Clone, Debug)]
pub struct DynamoDbOnlineStore {
    client: Client,
    table: String,
}

impl DynamoDbOnlineStore {
    /// The rows in `table`.
    pub fn new(client: Client, table: impl Into<String>) -> Self {
        Self {
            client,
            table: table.into(),
        }
    }

    fn describe(&self) -> String {
        format!("the table {}", self.table)
    }

    /// Reads up to 100 different keys. A key without an item is not in the answer; a key that DynamoDB left unprocessed
    /// is asked for again until the deadline, so that throttling never looks like a missing row.
    ///
    /// A call that takes longer than `attempt` is given up and made again: a connection that died while the function was frozen
    /// swallows it, and the next call gets another one.
    async fn read(&self, keys: &[&str], attempt: Duration, deadline: Instant) -> Result<Vec<Item>, StoreError> {
        let keys = keys
            .iter()
            .map(|key| HashMap::from([(ENTITY_KEY.to_owned(), AttributeValue::S((*key).to_owned()))]));
        let mut pending = KeysAndAttributes::builder()
            .set_keys(Some(keys.collect()))
            .build()
            .map_err(|error| unavailable(self.describe(), error))?;
        let mut items = Vec::new();
        let mut backoff = Backoff::default();
        loop {
            let call = self
                .client
                .batch_get_item()
                .request_items(&self.table, pending.clone())
                .send();
            let answer = match timeout_at(deadline.min(Instant::now() + attempt), call).await {
                Ok(answer) => answer.map_err(|error| unavailable(self.describe(), error))?,
                Err(_) if Instant::now() < deadline => continue,
                Err(_) => return Err(unavailable(self.describe(), "the read did not end in time")),
            };
            items.extend(answer.responses.into_iter().flatten().flat_map(|(_, items)| items));
            let unprocessed = answer.unprocessed_keys.into_iter().flatten().next();
            match unprocessed {
                Some((_, keys)) if !keys.keys().is_empty() => pending = keys,
                _ => return Ok(items),
            }
            self.wait(&mut backoff, deadline).await?;
        }
    }

    async fn write_batch(&self, requests: Vec<WriteRequest>) -> Result<(), StoreError> {
        let deadline = Instant::now() + WRITE_TIMEOUT;
        let mut pending = requests;
        let mut backoff = Backoff::default();
        loop {
            let call = self
                .client
                .batch_write_item()
                .request_items(&self.table, pending)
                .send();
            let answer = timeout_at(deadline, call)
                .await
                .map_err(|_| unavailable(self.describe(), "the write did not end in time"))?
                .map_err(|error| unavailable(self.describe(), error))?;
            let unprocessed = answer.unprocessed_items.into_iter().flatten().next();
            match unprocessed {
                Some((_, requests)) if !requests.is_empty() => pending = requests,
                _ => return Ok(()),
            }
            self.wait(&mut backoff, deadline).await?;
        }
    }

    async fn wait(&self, backoff: &mut Backoff, deadline: Instant) -> Result<(), StoreError> {
        let until = Instant::now() + backoff.next();
        if until >= deadline {
            return Err(unavailable(
                self.describe(),
                "it left requests unprocessed until the deadline",
            ));
        }
        sleep_until(until).await;
        Ok(())
    }
}

#[async_trait]
impl OnlineStore for DynamoDbOnlineStore {
    async fn fetch(&self, reads: &[ViewRead<'_>], timeout: Duration) -> Result<Vec<FeatureRows>, StoreError> {
        let deadline = Instant::now() + timeout;
        let keys: Vec<Vec<String>> = reads
            .iter()
            .map(|read| {
                read.entities
                    .iter()
                    .map(|entity| entity_key(read.view, entity))
                    .collect()
            })
            .collect();

        let mut views: HashMap<&str, &FeatureView> = HashMap::new();
        for (read, keys) in reads.iter().zip(&keys) {
            let possible = keys.iter().filter(|key| key.len() <= LONGEST_KEY_BYTES);
            views.extend(possible.map(|key| (key.as_str(), read.view)));
        }
        let distinct: Vec<_> = views.keys().copied().collect();
        let batches = try_join_all(
            distinct
                .chunks(KEYS_PER_READ)
                .map(|keys| self.read(keys, timeout / ATTEMPTS, deadline)),
        )
        .await?;

        let fingerprints: HashMap<&str, _> = reads
            .iter()
            .map(|read| (read.view.name.as_str(), schema_fingerprint(read.view)))
            .collect();
        let mut rows: HashMap<&str, Result<Option<Arc<Snapshot>>, MalformedRow>> = HashMap::with_capacity(views.len());
        for item in batches.iter().flatten() {
            let key = item.get(ENTITY_KEY).and_then(|value| value.as_s().ok());
            let asked_for = key.and_then(|key| views.get_key_value(key.as_str()));
            let Some((&key, &view)) = asked_for else {
                let problem = "it holds an item that was not asked for".into();
                return Err(StoreError::Malformed {
                    what: self.describe(),
                    problem,
                });
            };
            let row = from_item(view, fingerprints[view.name.as_str()], item).map(Arc::new);
            let malformed = |problem| MalformedRow {
                view: view.name.clone(),
                problem,
            };
            rows.insert(key, row.map(Some).map_err(malformed));
        }
        let row = |key: &String| rows.get(key.as_str()).cloned().unwrap_or(Ok(None));
        Ok(keys.iter().map(|keys| keys.iter().map(row).collect()).collect())
    }
}

#[async_trait]
impl SnapshotWriter for DynamoDbOnlineStore {
    async fn write(&self, view: &FeatureView, rows: &[RowWrite]) -> Result<(), StoreError> {
        // BatchWriteItem refuses a key that comes twice; of such rows the last one stands.
        let mut items: HashMap<String, Item> = HashMap::with_capacity(rows.len());
        for row in rows {
            let item = to_item(view, &row.entity, &row.snapshot).map_err(|problem| StoreError::Malformed {
                what: format!("a row of {}", view.name),
                problem,
            })?;
            items.insert(entity_key(view, &row.entity), item);
        }
        let mut requests = Vec::with_capacity(items.len());
        for item in items.into_values() {
            let put = PutRequest::builder()
                .set_item(Some(item))
                .build()
                .map_err(|error| unavailable(self.describe(), error))?;
            requests.push(WriteRequest::builder().put_request(put).build());
        }
        for batch in requests.chunks(ROWS_PER_WRITE) {
            self.write_batch(batch.to_vec()).await?;
        }
        Ok(())
    }
}

/// Exponential backoff with equal jitter: callers that were throttled together do not come back together.
struct Backoff {
    ceiling: Duration,
}

impl Default for Backoff {
    fn default() -> Self {
        Self {
            ceiling: Duration::from_millis(10),
        }
    }
}

impl Backoff {
    const LONGEST: Duration = Duration::from_millis(500);

    fn next(&mut self) -> Duration {
        let half = self.ceiling / 2;
        self.ceiling = (self.ceiling * 2).min(Self::LONGEST);
        half + half.mul_f64(fastrand::f64())
    }
}
