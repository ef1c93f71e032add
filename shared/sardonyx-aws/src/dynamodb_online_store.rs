use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::{KeysAndAttributes, PutRequest, WriteRequest};
use futures_util::future::try_join_all;
use sardonyx_core::manifest::{FeatureView, Layout};
use sardonyx_core::ports::{FeatureRows, FeatureWriter, MalformedRow, OnlineStore, RowWrite, StoreError, ViewRead};
use tokio::time::{Instant, sleep_until, timeout_at};

use crate::clients::unavailable;
use crate::native_layout::{Item, entity_key, to_item};
use crate::row_layout::{RowLayout, TableRead};

/// What one BatchGetItem takes, of all tables together.
const KEYS_PER_READ: usize = 100;
/// What one BatchWriteItem takes.
const ROWS_PER_WRITE: usize = 25;
/// How many calls that get no answer fit into the time for a read.
const ATTEMPTS: u32 = 3;
/// How long one BatchWriteItem may go on with what DynamoDB left unprocessed.
const WRITE_TIMEOUT: Duration = Duration::from_secs(30);

/// Feature rows in DynamoDB: those of the native layout in one table, one item for each feature view and entity; those of Feast in the
/// tables that the views name.
#[derive(Clone, Debug)]
pub struct DynamoDbOnlineStore {
    client: Client,
    table: String,
}

/// Items by table.
type Items = Vec<(String, Vec<Item>)>;

impl DynamoDbOnlineStore {
    /// The store whose native rows are in `table`.
    pub fn new(client: Client, table: impl Into<String>) -> Self {
        Self {
            client,
            table: table.into(),
        }
    }

    fn describe(&self) -> String {
        describe_table(&self.table)
    }

    /// Reads up to 100 different keys. A key without an item is not in the answer; a key that DynamoDB left unprocessed
    /// is asked for again until the deadline, so that throttling never looks like a missing row.
    ///
    /// A call that takes longer than `attempt` is given up and made again: a connection that died while the function was frozen
    /// swallows it, and the next call gets another one.
    async fn read(
        &self,
        mut pending: HashMap<String, KeysAndAttributes>,
        attempt: Duration,
        deadline: Instant,
    ) -> Result<Items, StoreError> {
        let mut items = Items::new();
        let mut backoff = Backoff::default();
        loop {
            let call = self
                .client
                .batch_get_item()
                .set_request_items(Some(pending.clone()))
                .send();
            let answer = match timeout_at(deadline.min(Instant::now() + attempt), call).await {
                Ok(answer) => answer.map_err(|error| unavailable(describe_tables(&pending), error))?,
                Err(_) if Instant::now() < deadline => continue,
                Err(_) => return Err(unavailable(describe_tables(&pending), "the read did not end in time")),
            };
            items.extend(answer.responses.into_iter().flatten());
            pending = answer.unprocessed_keys.unwrap_or_default();
            pending.retain(|_, keys| !keys.keys().is_empty());
            if pending.is_empty() {
                return Ok(items);
            }
            wait(&mut backoff, deadline, || describe_tables(&pending)).await?;
        }
    }

    /// All items of the keys, which are in order and different.
    async fn read_all(
        &self,
        tables: &BTreeMap<&str, TableRead<'_>>,
        keys: &[(&str, &str)],
        timeout: Duration,
    ) -> Result<Items, StoreError> {
        let deadline = Instant::now() + timeout;
        let mut calls = Vec::with_capacity(keys.len().div_ceil(KEYS_PER_READ));
        for batch in keys.chunks(KEYS_PER_READ) {
            let mut request = HashMap::new();
            for of_table in batch.chunk_by(|(left, _), (right, _)| left == right) {
                let table = of_table[0].0;
                let keys = tables[table]
                    .request(of_table.iter().map(|(_, key)| *key))
                    .map_err(|error| unavailable(describe_table(table), error))?;
                request.insert(table.to_owned(), keys);
            }
            calls.push(self.read(request, timeout / ATTEMPTS, deadline));
        }
        Ok(try_join_all(calls).await?.into_iter().flatten().collect())
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
            wait(&mut backoff, deadline, || self.describe()).await?;
        }
    }
}

fn describe_table(table: &str) -> String {
    format!("the table {table}")
}

fn describe_tables(requests: &HashMap<String, KeysAndAttributes>) -> String {
    let mut tables: Vec<_> = requests.keys().map(|table| describe_table(table)).collect();
    tables.sort();
    tables.join(", ")
}

async fn wait(backoff: &mut Backoff, deadline: Instant, what: impl FnOnce() -> String) -> Result<(), StoreError> {
    let until = Instant::now() + backoff.next();
    if until >= deadline {
        return Err(unavailable(what(), "it left requests unprocessed until the deadline"));
    }
    sleep_until(until).await;
    Ok(())
}

#[async_trait]
impl OnlineStore for DynamoDbOnlineStore {
    async fn fetch(&self, reads: &[ViewRead<'_>], timeout: Duration) -> Result<Vec<FeatureRows>, StoreError> {
        let layouts: Vec<_> = reads.iter().map(|read| RowLayout::of(read.view)).collect();
        let keys: Vec<Vec<Option<String>>> = reads
            .iter()
            .zip(&layouts)
            .map(|(read, layout)| read.entities.iter().map(|entity| layout.key(entity)).collect())
            .collect();

        let mut tables = BTreeMap::new();
        let mut wanted = Vec::new();
        for (layout, keys) in layouts.iter().zip(&keys) {
            let table = layout.table(&self.table);
            tables
                .entry(table)
                .or_insert_with(|| TableRead::new(layout))
                .add(layout);
            wanted.extend(keys.iter().flatten().map(|key| (table, key.as_str())));
        }
        wanted.sort_unstable();
        wanted.dedup();
        let answer = self.read_all(&tables, &wanted, timeout).await?;

        let mut items: HashMap<(&str, &str), &Item> = HashMap::with_capacity(wanted.len());
        for (table, item) in answer
            .iter()
            .flat_map(|(table, items)| items.iter().map(move |item| (table.as_str(), item)))
        {
            let key = tables
                .get(table)
                .and_then(|read| item.get(read.key_attribute())?.as_s().ok())
                .map(|key| (table, key.as_str()))
                .filter(|key| wanted.binary_search(key).is_ok());
            let Some(key) = key else {
                return Err(StoreError::Malformed {
                    what: describe_table(table),
                    problem: "it holds an item that was not asked for".into(),
                });
            };
            items.insert(key, item);
        }

        let rows = layouts.iter().zip(&keys).map(|(layout, keys)| {
            let table = layout.table(&self.table);
            let mut rows: HashMap<&str, _> = HashMap::with_capacity(keys.len());
            let row = |key: &str| {
                let row = items.get(&(table, key)).map(|item| layout.row(item).map(Arc::new));
                row.transpose().map_err(|problem| MalformedRow {
                    view: layout.view().name.clone(),
                    problem,
                })
            };
            keys.iter()
                .map(|key| match key {
                    None => Ok(None),
                    // An entity that is asked for often is read once.
                    Some(key) => rows.entry(key.as_str()).or_insert_with(|| row(key)).clone(),
                })
                .collect()
        });
        Ok(rows.collect())
    }
}

#[async_trait]
impl FeatureWriter for DynamoDbOnlineStore {
    async fn write(&self, view: &FeatureView, rows: &[RowWrite]) -> Result<(), StoreError> {
        if view.layout != Layout::Native {
            return Err(StoreError::Malformed {
                what: format!("a row of {}", view.name),
                problem: "the view has Feast's layout, which only Feast writes".into(),
            });
        }
        // BatchWriteItem refuses a key that comes twice; of such rows the last one stands.
        let mut items: HashMap<String, Item> = HashMap::with_capacity(rows.len());
        for row in rows {
            let item = to_item(view, &row.entity, &row.row).map_err(|problem| StoreError::Malformed {
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
