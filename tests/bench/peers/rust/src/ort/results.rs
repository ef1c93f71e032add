use std::time::{SystemTime, UNIX_EPOCH};

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::types::AttributeValue;
use futures_util::stream::{self, StreamExt as _};
use lambda_runtime::Error;

use crate::Prediction;

const WRITES_IN_FLIGHT: usize = 16;
const KEPT_SECONDS: u64 = 30 * 24 * 3600;

/// The table for the results of messages.
pub(crate) struct ResultTable {
    client: Client,
    table: String,
    model_name: String,
    model_version: String,
}

impl ResultTable {
    pub(crate) fn new(client: Client, table: String, model_name: String, model_version: String) -> Self {
        Self {
            client,
            table,
            model_name,
            model_version,
        }
    }

    /// Records predictions, each under its id, unless one is there already. Gives the messages whose prediction could not be recorded.
    pub(crate) async fn put_all(
        &self,
        predictions: impl Iterator<Item = ((String, String), Prediction)>,
    ) -> Vec<String> {
        let puts = predictions.map(|((message, id), prediction)| async move {
            match self.put(id, prediction).await {
                Ok(()) => None,
                Err(_) => Some(message),
            }
        });
        let puts: Vec<_> = puts.collect();
        let failures = stream::iter(puts).buffer_unordered(WRITES_IN_FLIGHT);
        failures.filter_map(std::future::ready).collect().await
    }

    async fn put(&self, id: String, prediction: Prediction) -> Result<(), Error> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH)?;
        let expires_at = now.as_secs() + KEPT_SECONDS;
        let put = self
            .client
            .put_item()
            .table_name(&self.table)
            .item("prediction_id", AttributeValue::S(id))
            .item("model_name", AttributeValue::S(self.model_name.clone()))
            .item("model_version", AttributeValue::S(self.model_version.clone()))
            .item("prediction", AttributeValue::S(serde_json::to_string(&prediction)?))
            .item("recorded_at", AttributeValue::N(now.as_millis().to_string()))
            .item("expires_at", AttributeValue::N(expires_at.to_string()))
            .condition_expression("attribute_not_exists(prediction_id)");
        match put.send().await {
            Ok(_) => Ok(()),
            Err(error) => match error.as_service_error() {
                Some(PutItemError::ConditionalCheckFailedException(_)) => Ok(()),
                _ => Err(error.into()),
            },
        }
    }
}
