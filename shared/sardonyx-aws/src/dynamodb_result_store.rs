use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::types::AttributeValue;
use futures_util::stream::{self, StreamExt};
use sardonyx_core::ports::{PredictionRecord, Recorded, ResultStore, StoreError};
use tokio::time::{Instant, timeout_at};

use crate::clients::unavailable;
use crate::direct::DirectCalls;
use crate::lazy_client::LazyClient;

const PREDICTION_ID: &str = "prediction_id";
const MODEL_NAME: &str = "model_name";
const MODEL_VERSION: &str = "model_version";
const PREDICTION: &str = "prediction";
const RECORDED_AT: &str = "recorded_at";
const EXPIRES_AT: &str = "expires_at";

const IS_NEW: &str = "attribute_not_exists(prediction_id)";

/// How many writes are under way at once: enough to hide the round trip, few enough not to be throttled for a burst.
const WRITES_IN_FLIGHT: usize = 32;

/// Recorded predictions in a DynamoDB table with the partition key `prediction_id` and the sort key `model_name`.
#[derive(Clone, Debug)]
pub struct DynamoDbResultStore {
    client: LazyClient<Client>,
    /// What is tried before the client.
    direct: Option<Arc<DirectCalls>>,
    table: String,
}

impl DynamoDbResultStore {
    /// The predictions in `table`.
    pub fn new(client: impl Into<LazyClient<Client>>, table: impl Into<String>) -> Self {
        Self {
            client: client.into(),
            direct: None,
            table: table.into(),
        }
    }

    fn describe(&self) -> String {
        format!("the table {}", self.table)
    }

    /// Writes directly, and what fails again with the client.
    #[must_use]
    pub(crate) fn with_direct_calls(self, direct: Option<Arc<DirectCalls>>) -> Self {
        Self { direct, ..self }
    }

    async fn record_one(&self, record: &PredictionRecord) -> Result<Recorded, StoreError> {
        let item = to_item(record);
        if let Some(direct) = &self.direct
            && let Ok(is_new) = direct.put_if(&self.table, &item, IS_NEW).await
        {
            return Ok(if is_new { Recorded::New } else { Recorded::AlreadyThere });
        }
        // Where the direct call has written all the same, the item is there, as after any repeated call.
        let put = self
            .client
            .put_item()
            .table_name(&self.table)
            .set_item(Some(item))
            .condition_expression(IS_NEW);
        match put.send().await {
            Ok(_) => Ok(Recorded::New),
            Err(error) => match error.as_service_error() {
                Some(PutItemError::ConditionalCheckFailedException(_)) => Ok(Recorded::AlreadyThere),
                _ => Err(unavailable(self.describe(), error)),
            },
        }
    }

    fn read_item(&self, item: &HashMap<String, AttributeValue>) -> Result<PredictionRecord, StoreError> {
        let malformed = |name: &str| StoreError::Malformed {
            what: self.describe(),
            problem: format!("an item has no usable {name}"),
        };
        let text = |name: &str| {
            item.get(name)
                .and_then(|value| value.as_s().ok())
                .cloned()
                .ok_or_else(|| malformed(name))
        };
        let number = |name: &str| {
            let digits = item.get(name).and_then(|value| value.as_n().ok());
            digits
                .and_then(|digits| digits.parse().ok())
                .ok_or_else(|| malformed(name))
        };
        Ok(PredictionRecord {
            prediction_id: text(PREDICTION_ID)?,
            model_name: text(MODEL_NAME)?,
            model_version: text(MODEL_VERSION)?,
            prediction: text(PREDICTION)?,
            recorded_at_ms: number(RECORDED_AT)?,
            expires_at_seconds: number(EXPIRES_AT)?,
        })
    }
}

fn to_item(record: &PredictionRecord) -> HashMap<String, AttributeValue> {
    let text = |text: &String| AttributeValue::S(text.clone());
    let number = |number: i64| AttributeValue::N(number.to_string());
    let attributes = [
        (PREDICTION_ID, text(&record.prediction_id)),
        (MODEL_NAME, text(&record.model_name)),
        (MODEL_VERSION, text(&record.model_version)),
        (PREDICTION, text(&record.prediction)),
        (RECORDED_AT, number(record.recorded_at_ms)),
        (EXPIRES_AT, number(record.expires_at_seconds)),
    ];
    attributes.map(|(name, value)| (name.to_owned(), value)).into()
}

#[async_trait]
impl ResultStore for DynamoDbResultStore {
    async fn record(&self, records: &[PredictionRecord], timeout: Duration) -> Vec<Result<Recorded, StoreError>> {
        let deadline = Instant::now() + timeout;
        let record_one = |record| async move {
            timeout_at(deadline, self.record_one(record))
                .await
                .unwrap_or_else(|_| Err(unavailable(self.describe(), "the write did not end in time")))
        };
        let writes: Vec<_> = records.iter().map(record_one).collect();
        stream::iter(writes).buffered(WRITES_IN_FLIGHT).collect().await
    }

    async fn find(&self, prediction_id: &str, model_name: &str) -> Result<Option<PredictionRecord>, StoreError> {
        let answer = self
            .client
            .get_item()
            .table_name(&self.table)
            .key(PREDICTION_ID, AttributeValue::S(prediction_id.to_owned()))
            .key(MODEL_NAME, AttributeValue::S(model_name.to_owned()))
            .consistent_read(true)
            .send()
            .await
            .map_err(|error| unavailable(self.describe(), error))?;
        answer.item.as_ref().map(|item| self.read_item(item)).transpose()
    }
}
