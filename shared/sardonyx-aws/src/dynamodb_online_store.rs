use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::error::BuildError;
use futures_util::future::try_join_all;
use sardonyx_core::feature_row::FeatureRow;
use sardonyx_core::manifest::{FeatureView, Layout};
use sardonyx_core::ports::{Cause, MalformedRow, OnlineStore, StoreError, ViewRead, ViewRows};
use sardonyx_core::snapshots::ViewSnapshots;
use tokio::time::{Instant, timeout_at};

use crate::backoff::Backoff;
use crate::batch_read::{Answer, TableKeys, TableRead, calls};
use crate::clients::unavailable;
use crate::direct::DirectCalls;
use crate::lazy_client::LazyClient;
use crate::native_layout::ENTITY_KEY;
use crate::row_layout::RowLayout;
use crate::snapshot_record::{self, CurrentSnapshots, record_key};
use crate::stored_item::StoredItem;

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
    async fn read<'a>(
        &self,
        mut pending: Vec<TableKeys<'a>>,
        deadline: Deadline,
    ) -> Result<Vec<Found<'a>>, StoreError> {
        let mut found = Vec::with_capacity(pending.iter().map(|keys| keys.keys.len()).sum());
        let mut backoff = Backoff::default();
        let mut direct = self.direct.as_deref();
        loop {
            let call = self.batch_get(direct.take(), &pending);
            let answer = match timeout_at(deadline.at.min(Instant::now() + deadline.attempt), call).await {
                Ok(answer) => answer.map_err(|error| unavailable(describe_tables(&pending), error))?,
                Err(_) if Instant::now() < deadline.at => continue,
                Err(_) => return Err(unavailable(describe_tables(&pending), "the read did not end in time")),
            };
            for (table, items) in answer.items {
                let asked = asked(&pending, &table)?;
                for item in items {
                    let place = place(asked, &item)?;
                    found.push(Found {
                        table: asked.table,
                        place,
                        item,
                    });
                }
            }
            let mut unprocessed = Vec::new();
            for (table, keys) in answer.unprocessed {
                let asked = asked(&pending, &table)?;
                let key = |key| Ok(asked.read.keys()[place(asked, &key)?]);
                let keys = keys.into_iter().map(key).collect::<Result<Vec<_>, StoreError>>()?;
                if !keys.is_empty() {
                    unprocessed.push(TableKeys { keys, ..*asked });
                }
            }
            if unprocessed.is_empty() {
                return Ok(found);
            }
            pending = unprocessed;
            backoff.wait(deadline.at, || describe_tables(&pending)).await?;
        }
    }

    async fn batch_get(&self, direct: Option<&DirectCalls>, tables: &[TableKeys<'_>]) -> Result<Answer, Cause> {
        if let Some(direct) = direct
            && let Ok(answer) = direct.batch_get(tables).await
        {
            return Ok(answer);
        }
        let request = tables
            .iter()
            .map(|keys| Ok((keys.table.to_owned(), keys.to_sdk()?)))
            .collect::<Result<_, BuildError>>()?;
        let call = self.client.batch_get_item().set_request_items(Some(request));
        Ok(call.send().await?.into())
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
        let keys: Vec<Vec<Option<String>>> = reads
            .iter()
            .zip(layouts)
            .map(|(read, layout)| read.entities.iter().map(|entity| layout.key(entity)).collect())
            .collect();
        let records: Vec<String> = due.iter().map(|view| record_key(view)).collect();

        let mut tables = BTreeMap::new();
        let mut places = Vec::with_capacity(layouts.len());
        for (layout, keys) in layouts.iter().zip(&keys) {
            let table = tables
                .entry(layout.table(&self.table))
                .or_insert_with(|| TableRead::new(layout.key_attribute()));
            places.push(table.add(layout, keys));
        }
        let of_record = |key| {
            let native = tables.entry(&*self.table);
            native.or_insert_with(|| TableRead::new(ENTITY_KEY)).add_key(key)
        };
        let places_of_records: Vec<_> = records.iter().map(String::as_str).map(of_record).collect();
        let items = self.read_all(&tables, deadline).await?;

        for (view, place) in due.iter().zip(places_of_records) {
            let record = match &items[&*self.table][place] {
                None => ViewSnapshots::default(),
                Some(item) => snapshot_record::from_item(item).map_err(|problem| StoreError::Malformed {
                    what: format!("the record of the snapshots of {}", view.name),
                    problem,
                })?,
            };
            self.current.keep(view, &record);
        }

        let rows = layouts.iter().zip(&places).map(|(layout, places)| ViewRows {
            rows: rows(layout, &items[layout.table(&self.table)], places),
            snapshot: layout.snapshot().cloned(),
        });
        Ok(rows.collect())
    }

    /// The items of all keys of each table, in their order.
    async fn read_all<'a>(
        &self,
        tables: &'a BTreeMap<&'a str, TableRead<'a>>,
        deadline: Deadline,
    ) -> Result<HashMap<&'a str, Vec<Option<StoredItem>>>, StoreError> {
        let reads = calls(tables).into_iter().map(|call| self.read(call, deadline));
        let answers = try_join_all(reads).await?;

        let none = |read: &TableRead<'_>| read.keys().iter().map(|_| None).collect::<Vec<_>>();
        let mut items: HashMap<_, _> = tables.iter().map(|(table, read)| (*table, none(read))).collect();
        for Found { table, place, item } in answers.into_iter().flatten() {
            items.get_mut(table).expect("it was asked for")[place] = Some(item);
        }
        Ok(items)
    }
}

/// An item that was asked for.
struct Found<'a> {
    table: &'a str,
    /// Of its key.
    place: usize,
    item: StoredItem,
}

/// What was asked of a table that is in an answer.
fn asked<'a, 'b>(tables: &'b [TableKeys<'a>], table: &str) -> Result<&'b TableKeys<'a>, StoreError> {
    let asked = tables.iter().find(|asked| asked.table == table);
    asked.ok_or_else(|| not_asked_for(table))
}

/// The place of the key of an item that is in an answer.
fn place(asked: &TableKeys<'_>, item: &StoredItem) -> Result<usize, StoreError> {
    asked.read.place(item).ok_or_else(|| not_asked_for(asked.table))
}

fn not_asked_for(table: &str) -> StoreError {
    StoreError::Malformed {
        what: describe_table(table),
        problem: "its answer has a key that was not asked for".into(),
    }
}

/// The rows at these places, of which one that is wanted often is decoded once.
fn rows(
    layout: &RowLayout<'_>,
    items: &[Option<StoredItem>],
    places: &[Option<usize>],
) -> Vec<Result<Option<Arc<FeatureRow>>, MalformedRow>> {
    let row = |item: &StoredItem| {
        layout.row(item).map(Arc::new).map_err(|problem| MalformedRow {
            view: layout.view().name.clone(),
            problem,
        })
    };
    // Where other views are in the table, they have its other places.
    let wanted = || places.iter().flatten().copied();
    let first = wanted().min().unwrap_or(0);
    let mut decoded = vec![None; wanted().max().map_or(0, |last| last + 1 - first)];
    let mut at = |place: usize| {
        let decoded = decoded[place - first].get_or_insert_with(|| items[place].as_ref().map(row).transpose());
        decoded.clone()
    };
    places.iter().map(|place| place.map_or(Ok(None), &mut at)).collect()
}

pub(crate) fn describe_table(table: &str) -> String {
    format!("the table {table}")
}

fn describe_tables(tables: &[TableKeys<'_>]) -> String {
    let mut tables: Vec<_> = tables.iter().map(|keys| describe_table(keys.table)).collect();
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
