use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::error::SdkError;
use aws_sdk_dynamodb::operation::batch_get_item::{BatchGetItemError, BatchGetItemOutput};
use aws_sdk_dynamodb::types::KeysAndAttributes;
use futures_util::future::try_join_all;
use sardonyx_core::manifest::{FeatureView, Layout};
use sardonyx_core::ports::{MalformedRow, OnlineStore, StoreError, ViewRead, ViewRows};
use sardonyx_core::snapshots::ViewSnapshots;
use tokio::time::{Instant, timeout_at};

use crate::backoff::Backoff;
use crate::clients::unavailable;
use crate::direct::DirectCalls;
use crate::lazy_client::LazyClient;
use crate::native_layout::{ENTITY_KEY, Item};
use crate::row_layout::{RowLayout, TableRead};
use crate::snapshot_record::{self, CurrentSnapshots, record_key};

/// What one BatchGetItem takes, of all tables together.
const KEYS_PER_READ: usize = 100;
/// How long what a view's record says is used. Reading it costs half a read unit, and no time: it goes with the rows.
const SNAPSHOT_MAX_AGE: Duration = Duration::from_secs(1);
/// How many calls that get no answer fit into the time for a read.
const ATTEMPTS: u32 = 3;

/// Feature rows in DynamoDB: those of the native layout in one table, one item for each feature view and entity; those of Feast in the
/// tables that the views name.
#[derive(Clone, Debug)]
pub struct DynamoDbOnlineStore {
    client: LazyClient<Client>,
    /// What is tried before the client.
    direct: Option<Arc<DirectCalls>>,
    table: String,
    current: Arc<CurrentSnapshots>,
}

/// Items by table.
type Items = Vec<(String, Vec<Item>)>;

/// Until when a read has to end, and how long one call of it may take.
#[derive(Clone, Copy)]
struct Deadline {
    at: Instant,
    attempt: Duration,
}

impl Deadline {
    fn after(timeout: Duration) -> Self {
        Self {
            at: Instant::now() + timeout,
            attempt: timeout / ATTEMPTS,
        }
    }
}

impl DynamoDbOnlineStore {
    /// The store whose native rows are in `table`.
    pub fn new(client: impl Into<LazyClient<Client>>, table: impl Into<String>) -> Self {
        Self {
            client: client.into(),
            direct: None,
            table: table.into(),
            current: Arc::new(CurrentSnapshots::new(SNAPSHOT_MAX_AGE)),
        }
    }

    /// Makes its calls directly, and those that fail again with the client.
    #[must_use]
    pub(crate) fn with_direct_calls(self, direct: Option<Arc<DirectCalls>>) -> Self {
        Self { direct, ..self }
    }

    /// Uses what it has read of a view's snapshots for this long instead of a second.
    #[must_use]
    pub fn with_snapshot_max_age(self, max_age: Duration) -> Self {
        Self {
            current: Arc::new(CurrentSnapshots::new(max_age)),
            ..self
        }
    }

    /// Reads up to 100 different keys. A key without an item is not in the answer; a key that DynamoDB left unprocessed
    /// is asked for again until the deadline, so that throttling never looks like a missing row.
    ///
    /// A call that takes longer than an attempt is given up and made again: a connection that died while the function was frozen
    /// swallows it, and the next call gets another one.
    async fn read(
        &self,
        mut pending: HashMap<String, KeysAndAttributes>,
        deadline: Deadline,
    ) -> Result<Items, StoreError> {
        let mut items = Items::new();
        let mut backoff = Backoff::default();
        let mut direct = self.direct.as_deref();
        loop {
            let call = self.batch_get(direct.take(), &pending);
            let answer = match timeout_at(deadline.at.min(Instant::now() + deadline.attempt), call).await {
                Ok(answer) => answer.map_err(|error| unavailable(describe_tables(&pending), error))?,
                Err(_) if Instant::now() < deadline.at => continue,
                Err(_) => return Err(unavailable(describe_tables(&pending), "the read did not end in time")),
            };
            items.extend(answer.responses.into_iter().flatten());
            pending = answer.unprocessed_keys.unwrap_or_default();
            pending.retain(|_, keys| !keys.keys().is_empty());
            if pending.is_empty() {
                return Ok(items);
            }
            backoff.wait(deadline.at, || describe_tables(&pending)).await?;
        }
    }

    async fn batch_get(
        &self,
        direct: Option<&DirectCalls>,
        request: &HashMap<String, KeysAndAttributes>,
    ) -> Result<BatchGetItemOutput, SdkError<BatchGetItemError>> {
        if let Some(direct) = direct
            && let Ok(answer) = direct.batch_get(request).await
        {
            return Ok(answer);
        }
        self.client
            .batch_get_item()
            .set_request_items(Some(request.clone()))
            .send()
            .await
    }

    /// Looks up the current snapshots of the views of which none is known yet.
    async fn find_snapshots(&self, reads: &[ViewRead<'_>], deadline: Deadline) -> Result<(), StoreError> {
        let unknown: Vec<_> = views(reads).filter(|view| self.current.get(view).is_none()).collect();
        if unknown.is_empty() {
            return Ok(());
        }
        self.rows(&[], &[], &unknown, deadline).await.map(drop)
    }

    /// Reads the rows as `layouts` has them, and in the same calls the records of the snapshots that are `due`, which are kept.
    async fn rows(
        &self,
        reads: &[ViewRead<'_>],
        layouts: &[RowLayout<'_>],
        due: &[&FeatureView],
        deadline: Deadline,
    ) -> Result<Vec<ViewRows>, StoreError> {
        let of_entities: Vec<Vec<Option<String>>> = reads
            .iter()
            .zip(layouts)
            .map(|(read, layout)| read.entities.iter().map(|entity| layout.key(entity)).collect())
            .collect();
        let keys: Vec<Distinct<'_>> = of_entities.iter().map(|keys| Distinct::new(keys)).collect();
        let records: Vec<String> = due.iter().map(|view| record_key(view)).collect();

        let mut tables = BTreeMap::new();
        let mut wanted = Vec::new();
        for (layout, keys) in layouts.iter().zip(&keys) {
            let table = layout.table(&self.table);
            tables
                .entry(table)
                .or_insert_with(|| TableRead::new(layout.key_attribute()))
                .add(layout);
            wanted.extend(keys.distinct.iter().map(|key| (table, *key)));
        }
        if !records.is_empty() {
            tables.entry(&self.table).or_insert_with(|| TableRead::new(ENTITY_KEY));
            wanted.extend(records.iter().map(|key| (self.table.as_str(), key.as_str())));
        }
        wanted.sort_unstable();
        wanted.dedup();
        let answer = self.read_all(&tables, &wanted, deadline).await?;
        let items = by_key(&answer, &tables, &wanted)?;

        for (view, key) in due.iter().zip(&records) {
            let record = match items.get(&(self.table.as_str(), key.as_str())) {
                None => ViewSnapshots::default(),
                Some(item) => snapshot_record::from_item(item).map_err(|problem| StoreError::Malformed {
                    what: format!("the record of the snapshots of {}", view.name),
                    problem,
                })?,
            };
            self.current.keep(view, &record);
        }

        let rows = layouts.iter().zip(&keys).map(|(layout, keys)| {
            let table = layout.table(&self.table);
            let row = |key: &&str| {
                let row = items.get(&(table, *key)).map(|item| layout.row(item).map(Arc::new));
                row.transpose().map_err(|problem| MalformedRow {
                    view: layout.view().name.clone(),
                    problem,
                })
            };
            let rows: Vec<_> = keys.distinct.iter().map(row).collect();
            let of_entity = |place: &Option<usize>| place.map_or(Ok(None), |place| rows[place].clone());
            ViewRows {
                rows: keys.places.iter().map(of_entity).collect(),
                snapshot: layout.snapshot().cloned(),
            }
        });
        Ok(rows.collect())
    }

    /// All items of the keys, which are in order and different.
    async fn read_all(
        &self,
        tables: &BTreeMap<&str, TableRead<'_>>,
        keys: &[(&str, &str)],
        deadline: Deadline,
    ) -> Result<Items, StoreError> {
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
            calls.push(self.read(request, deadline));
        }
        Ok(try_join_all(calls).await?.into_iter().flatten().collect())
    }
}

/// The keys of a view's entities, of which one that is asked for often is read once.
struct Distinct<'a> {
    /// Each once.
    distinct: Vec<&'a str>,
    /// Of each entity, among these; `None` where there is no key.
    places: Vec<Option<usize>>,
}

impl<'a> Distinct<'a> {
    fn new(keys: &'a [Option<String>]) -> Self {
        let mut distinct = Vec::with_capacity(keys.len());
        let mut known = HashMap::with_capacity(keys.len());
        let place = |key: &'a Option<String>| {
            let key = key.as_deref()?;
            Some(*known.entry(key).or_insert_with(|| {
                distinct.push(key);
                distinct.len() - 1
            }))
        };
        let places = keys.iter().map(place).collect();
        Self { distinct, places }
    }
}

pub(crate) fn describe_table(table: &str) -> String {
    format!("the table {table}")
}

/// The items that were asked for.
fn by_key<'a>(
    answer: &'a Items,
    tables: &BTreeMap<&str, TableRead<'_>>,
    wanted: &[(&str, &str)],
) -> Result<HashMap<(&'a str, &'a str), &'a Item>, StoreError> {
    let mut found = HashMap::with_capacity(wanted.len());
    for (table, items) in answer {
        for item in items {
            let key = tables
                .get(table.as_str())
                .and_then(|read| item.get(read.key_attribute())?.as_s().ok())
                .map(|key| (table.as_str(), key.as_str()))
                .filter(|key| wanted.binary_search(key).is_ok());
            let Some(key) = key else {
                return Err(StoreError::Malformed {
                    what: describe_table(table),
                    problem: "it holds an item that was not asked for".into(),
                });
            };
            found.insert(key, item);
        }
    }
    Ok(found)
}

fn describe_tables(requests: &HashMap<String, KeysAndAttributes>) -> String {
    let mut tables: Vec<_> = requests.keys().map(|table| describe_table(table)).collect();
    tables.sort();
    tables.join(", ")
}

#[async_trait]
impl OnlineStore for DynamoDbOnlineStore {
    async fn fetch(&self, reads: &[ViewRead<'_>], timeout: Duration) -> Result<Vec<ViewRows>, StoreError> {
        let deadline = Deadline::after(timeout);
        self.find_snapshots(reads, deadline).await?;
        let mut due: Vec<_> = views(reads).filter(|view| self.current.is_due(view)).collect();
        loop {
            let layouts: Vec<_> = reads
                .iter()
                .map(|read| RowLayout::of(read.view, self.current.get(read.view).flatten()))
                .collect();
            let rows = self.rows(reads, &layouts, &due, deadline).await?;
            let is_current = |layout: &RowLayout<'_>| {
                layout.view().layout != Layout::Native
                    || self.current.get(layout.view()).flatten().as_ref() == layout.snapshot()
            };
            // What another snapshot became current for while it was read is read again, and from that one alone.
            if due.is_empty() || layouts.iter().all(is_current) {
                return Ok(rows);
            }
            due.clear();
        }
    }
}

/// The native views that are read.
fn views<'a>(reads: &'a [ViewRead<'_>]) -> impl Iterator<Item = &'a FeatureView> {
    reads
        .iter()
        .map(|read| read.view)
        .filter(|view| view.layout == Layout::Native)
}
