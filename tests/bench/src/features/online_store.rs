//! Sardonyx's online store, on its own layout and on Feast's.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::{AttributeValue, KeysAndAttributes};
use rustix::time::{ClockId, clock_gettime};
use sardonyx_aws::{DynamoDbFeatureWriter, DynamoDbOnlineStore, RowLayout, StoredItem};
use sardonyx_core::entity::{EntityKey, KeyValue};
use sardonyx_core::feature_row::{FeatureRow, Stored};
use sardonyx_core::manifest::{FeatureView, Layout};
use sardonyx_core::ports::{FeatureWriter, OnlineStore, RowWrite, ViewRead};
use sardonyx_core::snapshots::{SnapshotId, ViewSnapshots};
use sardonyx_core::value::FeatureValue;
use tokio::runtime::Runtime;

use super::{Case, Reader, Spent, Stage};
use crate::BenchError;
use crate::dynamodb::{DynamoDb, create_table, runtime};

const TIMEOUT: Duration = Duration::from_secs(10);
const SNAPSHOT: &str = "20260102T030405Z-1f3a";
const EVENT_TIME_MS: i64 = 1_767_323_045_123;

/// Reads with the online store that a function has.
pub(crate) struct Sardonyx {
    runtime: Runtime,
    client: Client,
    store: DynamoDbOnlineStore,
    view: FeatureView,
    snapshot: Option<SnapshotId>,
    native_table: String,
}

impl Sardonyx {
    /// Reads what Feast has materialised into this table.
    ///
    /// # Errors
    /// When there is no thread to run on.
    pub(crate) fn on_items_of_feast(dynamodb: &DynamoDb, case: &Case, table: &str) -> Result<Self, BenchError> {
        Self::new(dynamodb, case.view(Layout::Feast, Some(table.to_owned())), None)
    }

    /// Writes the rows as a snapshot, publishes it, and reads it.
    ///
    /// # Errors
    /// When DynamoDB does not take them.
    pub(crate) fn on_native_rows(dynamodb: &DynamoDb, case: &Case, rows: &[&[f64]]) -> Result<Self, BenchError> {
        let snapshot = SnapshotId::new(SNAPSHOT)?;
        let new = Self::new(dynamodb, case.view(Layout::Native, None), Some(snapshot.clone()))?;
        let writer = DynamoDbFeatureWriter::new(new.client.clone(), &new.native_table);
        let published = ViewSnapshots {
            current: Some(snapshot.clone()),
            ..ViewSnapshots::default()
        };
        new.runtime.block_on(async {
            create_table(&new.client, &new.native_table, &[new.layout().key_attribute()]).await?;
            writer.write(&new.view, &snapshot, &row_writes(rows)).await?;
            writer.replace_snapshots(&new.view, &published).await?;
            Ok::<_, BenchError>(())
        })?;
        Ok(new)
    }

    fn new(dynamodb: &DynamoDb, view: FeatureView, snapshot: Option<SnapshotId>) -> Result<Self, BenchError> {
        let native_table = format!("sardonyx-{}", view.name);
        let client = dynamodb.client();
        Ok(Self {
            runtime: runtime()?,
            store: DynamoDbOnlineStore::new(client.clone(), &native_table),
            client,
            view,
            snapshot,
            native_table,
        })
    }

    fn layout(&self) -> RowLayout<'_> {
        RowLayout::of(&self.view, self.snapshot.clone())
    }

    /// The rows as a function reads them.
    fn fetch(&self, entities: &[EntityKey]) -> Result<Vec<Arc<FeatureRow>>, BenchError> {
        let reads = [ViewRead {
            view: &self.view,
            entities,
        }];
        let found = self.runtime.block_on(self.store.fetch(&reads, TIMEOUT))?;
        let rows = found.into_iter().flat_map(|found| found.rows);
        rows.map(|row| row?.ok_or_else(|| "a row is not there".into()))
            .collect()
    }

    /// The items of the rows.
    fn items(&self, entities: &[EntityKey]) -> Result<Vec<StoredItem>, BenchError> {
        let layout = self.layout();
        let mut keys = KeysAndAttributes::builder();
        for entity in entities {
            let key = layout.key(entity).ok_or("there is no such key")?;
            keys = keys.keys(HashMap::from([(
                layout.key_attribute().to_owned(),
                AttributeValue::S(key),
            )]));
        }
        let call = self
            .client
            .batch_get_item()
            .request_items(layout.table(&self.native_table), keys.build()?);
        let answer = self.runtime.block_on(call.send())?;
        Ok(answer
            .responses
            .into_iter()
            .flatten()
            .flat_map(|(_, items)| items)
            .map(StoredItem::from)
            .collect())
    }
}

impl Reader for Sardonyx {
    fn values(&mut self, users: &[usize]) -> Result<Vec<Vec<f64>>, BenchError> {
        let rows = self.fetch(&entities(users))?;
        rows.iter()
            .map(|row| row.values.iter().map(float64).collect())
            .collect()
    }

    fn call(&mut self, stage: Stage, users: &[usize]) -> Result<Spent, BenchError> {
        let entities = entities(users);
        match stage {
            Stage::Decode => {
                let (items, layout) = (self.items(&entities)?, self.layout());
                let timed = Timed::begin();
                for item in &items {
                    std::hint::black_box(layout.row(item)?);
                }
                let spent = timed.end();
                if items.len() == entities.len() {
                    Ok(spent)
                } else {
                    Err("an item is not there".into())
                }
            }
            Stage::Read => {
                let timed = Timed::begin();
                std::hint::black_box(self.fetch(&entities)?);
                Ok(timed.end())
            }
        }
    }
}

fn entities(users: &[usize]) -> Vec<EntityKey> {
    let key = |user: &usize| EntityKey(vec![KeyValue::Int64(*user as i64)]);
    users.iter().map(key).collect()
}

fn row_writes(rows: &[&[f64]]) -> Vec<RowWrite> {
    let writes = rows.iter().enumerate().map(|(user, values)| RowWrite {
        entity: EntityKey(vec![KeyValue::Int64(user as i64)]),
        row: FeatureRow {
            event_time_ms: EVENT_TIME_MS,
            expires_at_seconds: None,
            values: values
                .iter()
                .map(|value| Stored::Value(FeatureValue::Float64(*value)))
                .collect(),
        },
    });
    writes.collect()
}

fn float64(stored: &Stored) -> Result<f64, BenchError> {
    match stored {
        Stored::Value(FeatureValue::Float64(value)) => Ok(*value),
        other => Err(format!("{other:?} is not a float64").into()),
    }
}

/// A measurement that is going on. The thread's CPU is all of the caller's: everything runs on the thread that waits.
struct Timed {
    cpu: Duration,
    wall: Instant,
}

impl Timed {
    fn begin() -> Self {
        let cpu = thread_cpu_time();
        Self {
            cpu,
            wall: Instant::now(),
        }
    }

    fn end(self) -> Spent {
        let wall = self.wall.elapsed();
        let cpu = thread_cpu_time() - self.cpu;
        Spent {
            wall_microseconds: wall.as_secs_f64() * 1e6,
            cpu_microseconds: cpu.as_secs_f64() * 1e6,
        }
    }
}

fn thread_cpu_time() -> Duration {
    let now = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(now.tv_sec.unsigned_abs(), now.tv_nsec.unsigned_abs() as u32)
}
