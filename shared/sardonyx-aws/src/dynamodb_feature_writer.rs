use std::collections::HashMap;
use std::time::Duration;

use async_trait::async_trait;
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_dynamodb::operation::get_item::GetItemError;
use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::types::{AttributeValue, PutRequest, WriteRequest};
use futures_util::{StreamExt, TryStreamExt, stream};
use sardonyx_core::manifest::{FeatureView, Layout};
use sardonyx_core::ports::{FeatureWriter, Merged, RowWrite, StoreError};
use sardonyx_core::snapshots::{SnapshotId, ViewSnapshots};
use tokio::time::{Instant, timeout_at};

use crate::backoff::Backoff;
use crate::clients::unavailable;
use crate::dynamodb_online_store::describe_table;
use crate::lazy_client::LazyClient;
use crate::native_layout::{ENTITY_KEY, EVENT_TIME, Item, to_item};
use crate::snapshot_record::{self, REVISION, record_key};

/// What one BatchWriteItem takes.
const ROWS_PER_WRITE: usize = 25;
/// How many calls of one [`FeatureWriter::write`] are on their way at the same time: 400 rows.
const BATCHES_AT_ONCE: usize = 16;
/// How many calls of one [`FeatureWriter::merge`], each with a row, are on their way at the same time. With calls of 10 ms, which is slow for
/// DynamoDB, 3,200 rows are merged in a second.
const ROWS_AT_ONCE: usize = 32;
/// How long one call may go on with what DynamoDB does not take.
const WRITE_TIMEOUT: Duration = Duration::from_secs(30);
/// What DynamoDB says when it takes nothing of a call for now.
const THROTTLED: [&str; 3] = [
    "ProvisionedThroughputExceededException",
    "ThrottlingException",
    "RequestLimitExceeded",
];

/// Writes feature rows of the native layout into a table.
#[derive(Clone, Debug)]
pub struct DynamoDbFeatureWriter {
    client: LazyClient<Client>,
    table: String,
}

impl DynamoDbFeatureWriter {
    /// Writes into `table`.
    pub fn new(client: impl Into<LazyClient<Client>>, table: impl Into<String>) -> Self {
        Self {
            client: client.into(),
            table: table.into(),
        }
    }

    fn describe(&self) -> String {
        describe_table(&self.table)
    }

    async fn write_batch(&self, requests: Vec<WriteRequest>) -> Result<(), StoreError> {
        let deadline = Instant::now() + WRITE_TIMEOUT;
        let mut pending = requests;
        let mut backoff = Backoff::default();
        loop {
            let call = self
                .client
                .batch_write_item()
                .request_items(&self.table, pending.clone())
                .send();
            let answer = timeout_at(deadline, call)
                .await
                .map_err(|_| unavailable(self.describe(), "the write did not end in time"))?;
            match answer {
                Ok(answer) => match answer.unprocessed_items.into_iter().flatten().next() {
                    Some((_, requests)) if !requests.is_empty() => pending = requests,
                    _ => return Ok(()),
                },
                Err(error) if is_throttled(&error) => {}
                Err(error) => return Err(unavailable(self.describe(), error)),
            }
            backoff.wait(deadline, || self.describe()).await?;
        }
    }

    /// Puts the item if the condition holds.
    async fn put_if(&self, item: &Item, condition: &str, value: (&str, AttributeValue)) -> Result<bool, StoreError> {
        let deadline = Instant::now() + WRITE_TIMEOUT;
        let mut backoff = Backoff::default();
        loop {
            let call = self
                .client
                .put_item()
                .table_name(&self.table)
                .set_item(Some(item.clone()))
                .condition_expression(condition)
                .expression_attribute_values(value.0, value.1.clone())
                .send();
            let answer = timeout_at(deadline, call)
                .await
                .map_err(|_| unavailable(self.describe(), "the write did not end in time"))?;
            match answer {
                Ok(_) => return Ok(true),
                Err(error) if is_condition(&error) => return Ok(false),
                Err(error) if is_throttled(&error) => {}
                Err(error) => return Err(unavailable(self.describe(), error)),
            }
            backoff.wait(deadline, || self.describe()).await?;
        }
    }
}

fn is_throttled<E: ProvideErrorMetadata>(error: &SdkError<E>) -> bool {
    error.code().is_some_and(|code| THROTTLED.contains(&code))
}

fn is_condition(error: &SdkError<PutItemError>) -> bool {
    error
        .as_service_error()
        .is_some_and(PutItemError::is_conditional_check_failed_exception)
}

fn is_missing(error: &SdkError<GetItemError>) -> bool {
    error
        .as_service_error()
        .is_some_and(GetItemError::is_resource_not_found_exception)
}

/// The items of the rows.
fn items(view: &FeatureView, snapshot: Option<&SnapshotId>, rows: &[RowWrite]) -> Result<Vec<Item>, StoreError> {
    let malformed = |problem| StoreError::Malformed {
        what: format!("a row of {}", view.name),
        problem,
    };
    check_layout(view)?;
    rows.iter()
        .map(|row| to_item(view, snapshot, row).map_err(malformed))
        .collect()
}

fn check_layout(view: &FeatureView) -> Result<(), StoreError> {
    if view.layout == Layout::Native {
        return Ok(());
    }
    Err(StoreError::Malformed {
        what: format!("a row of {}", view.name),
        problem: "the view has Feast's layout, which only Feast writes".into(),
    })
}

#[async_trait]
impl FeatureWriter for DynamoDbFeatureWriter {
    async fn write(&self, view: &FeatureView, snapshot: &SnapshotId, rows: &[RowWrite]) -> Result<(), StoreError> {
        // BatchWriteItem refuses a key that comes twice; of such rows the last one stands.
        let items: HashMap<_, _> = items(view, Some(snapshot), rows)?
            .into_iter()
            .map(|item| (item[ENTITY_KEY].as_s().cloned().unwrap_or_default(), item))
            .collect();
        let requests = items.into_values().map(|item| {
            let put = PutRequest::builder().set_item(Some(item)).build();
            put.map(|put| WriteRequest::builder().put_request(put).build())
                .map_err(|error| unavailable(self.describe(), error))
        });
        let requests = requests.collect::<Result<Vec<_>, _>>()?;
        let calls: Vec<_> = requests
            .chunks(ROWS_PER_WRITE)
            .map(|batch| self.write_batch(batch.to_vec()))
            .collect();
        stream::iter(calls)
            .buffer_unordered(BATCHES_AT_ONCE)
            .try_collect()
            .await
    }

    async fn merge(
        &self,
        view: &FeatureView,
        snapshot: Option<&SnapshotId>,
        rows: &[RowWrite],
    ) -> Result<Vec<Merged>, StoreError> {
        let condition = format!("attribute_not_exists({ENTITY_KEY}) OR {EVENT_TIME} <= :event_time");
        let puts = items(view, snapshot, rows)?.into_iter().map(|item| {
            let condition = condition.as_str();
            async move {
                let event_time = item[EVENT_TIME].clone();
                let is_written = self.put_if(&item, condition, (":event_time", event_time)).await?;
                Ok(if is_written { Merged::Written } else { Merged::Older })
            }
        });
        stream::iter(puts).buffered(ROWS_AT_ONCE).try_collect().await
    }

    async fn snapshots(&self, view: &FeatureView) -> Result<ViewSnapshots, StoreError> {
        check_layout(view)?;
        let call = self
            .client
            .get_item()
            .table_name(&self.table)
            .key(ENTITY_KEY, AttributeValue::S(record_key(view)))
            .consistent_read(true)
            .send();
        let answer = match call.await {
            Ok(answer) => answer,
            Err(error) if is_missing(&error) => return Err(StoreError::NotFound { what: self.describe() }),
            Err(error) => return Err(unavailable(self.describe(), error)),
        };
        let Some(item) = answer.item else {
            return Ok(ViewSnapshots::default());
        };
        snapshot_record::from_item(&item.into()).map_err(|problem| StoreError::Malformed {
            what: format!("the record of the snapshots of {}", view.name),
            problem,
        })
    }

    async fn replace_snapshots(&self, view: &FeatureView, snapshots: &ViewSnapshots) -> Result<bool, StoreError> {
        check_layout(view)?;
        let condition = match snapshots.revision {
            0 => format!("attribute_not_exists({ENTITY_KEY}) OR {REVISION} = :revision"),
            _ => format!("{REVISION} = :revision"),
        };
        let revision = AttributeValue::N(snapshots.revision.to_string());
        let item = snapshot_record::to_item(view, snapshots);
        self.put_if(&item, &condition, (":revision", revision)).await
    }
}
