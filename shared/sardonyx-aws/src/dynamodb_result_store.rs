use std::collections::HashMap;
use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::{
    AttributeValue, BatchStatementErrorCodeEnum, BatchStatementRequest, BatchStatementResponse,
};
use futures_util::stream::{self, StreamExt};
use sardonyx_core::ports::{Cause, PredictionRecord, Recorded, ResultStore, StoreError};
use tokio::time::{Instant, timeout_at};

use crate::backoff::Backoff;
use crate::clients::unavailable;
use crate::direct::{DirectCalls, Parameter};
use crate::lazy_client::LazyClient;

const PREDICTION_ID: &str = "prediction_id";
const MODEL_NAME: &str = "model_name";
const MODEL_VERSION: &str = "model_version";
const PREDICTION: &str = "prediction";
const RECORDED_AT: &str = "recorded_at";
const EXPIRES_AT: &str = "expires_at";

/// The name of an attribute, and what it is of a record.
type Attribute = (&'static str, for<'a> fn(&'a PredictionRecord) -> Parameter<'a>);

/// The attributes of an item, in the order of a statement's parameters.
const ATTRIBUTES: [Attribute; 6] = [
    (PREDICTION_ID, |record| Parameter::Text(&record.prediction_id)),
    (MODEL_NAME, |record| Parameter::Text(&record.model_name)),
    (MODEL_VERSION, |record| Parameter::Text(&record.model_version)),
    (PREDICTION, |record| Parameter::Text(&record.prediction)),
    (RECORDED_AT, |record| Parameter::Number(record.recorded_at_ms)),
    (EXPIRES_AT, |record| Parameter::Number(record.expires_at_seconds)),
];

/// What one BatchExecuteStatement takes.
const RECORDS_PER_WRITE: usize = 25;
/// How many writes are under way at once: enough to hide the round trip, few enough not to be throttled for a burst.
const WRITES_IN_FLIGHT: usize = 8;

/// Recorded predictions in a DynamoDB table with the partition key `prediction_id` and the sort key `model_name`.
///
/// They are written by `INSERT`, which leaves an item that is there as it is: of all that DynamoDB takes in batches, only statements have a
/// condition each. They cost the same write units as a PutItem.
#[derive(Clone, Debug)]
pub struct DynamoDbResultStore {
    client: LazyClient<Client>,
    /// What is tried before the client.
    direct: Option<Arc<DirectCalls>>,
    table: String,
    /// The statement that writes a record.
    insert: String,
}

impl DynamoDbResultStore {
    /// The predictions in `table`.
    pub fn new(client: impl Into<LazyClient<Client>>, table: impl Into<String>) -> Self {
        let table = table.into();
        Self {
            client: client.into(),
            direct: None,
            insert: insert_statement(&table),
            table,
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

    /// Records up to 25 predictions with different keys. What DynamoDB puts off is tried again until the deadline.
    async fn record_batch(
        &self,
        records: &[&PredictionRecord],
        deadline: Instant,
    ) -> Vec<Result<Recorded, StoreError>> {
        let mut results: Vec<_> = records.iter().map(|_| None).collect();
        let mut pending: Vec<_> = (0..records.len()).collect();
        let mut backoff = Backoff::default();
        loop {
            let execute = self.execute(
                pending
                    .iter()
                    .map(|&index| ATTRIBUTES.map(|(_, of)| of(records[index]))),
            );
            let outcomes = timeout_at(deadline, execute).await;
            let outcomes = match outcomes.unwrap_or_else(|_| Err("the write did not end in time".into())) {
                Ok(outcomes) => outcomes,
                Err(error) => {
                    let error = Arc::<dyn Error + Send + Sync>::from(error);
                    for index in pending {
                        results[index] = Some(Err(unavailable(self.describe(), Arc::clone(&error))));
                    }
                    break;
                }
            };
            let mut postponed = Vec::new();
            for (index, outcome) in pending.into_iter().zip(outcomes) {
                match self.read_outcome(outcome) {
                    None => postponed.push(index),
                    result => results[index] = result,
                }
            }
            pending = postponed;
            if pending.is_empty() || backoff.wait(deadline, || self.describe()).await.is_err() {
                break;
            }
        }
        let or_postponed = |result: Option<_>| {
            result.unwrap_or_else(|| Err(unavailable(self.describe(), "it put the write off until the deadline")))
        };
        results.into_iter().map(or_postponed).collect()
    }

    /// What became of the statement for each record, of which it gets the parameters.
    async fn execute<'a>(
        &self,
        records: impl ExactSizeIterator<Item = [Parameter<'a>; ATTRIBUTES.len()]> + Clone,
    ) -> Result<Vec<BatchStatementResponse>, Cause> {
        let count = records.len();
        let answer = match &self.direct {
            Some(direct) => direct.batch_execute(&self.insert, records.clone()).await.ok(),
            None => None,
        };
        let answer = match answer {
            Some(answer) => answer,
            // Where the direct call has written all the same, the items are there, as after any repeated call.
            None => {
                let insert = |parameters: [Parameter<'a>; _]| {
                    BatchStatementRequest::builder()
                        .statement(&self.insert)
                        .set_parameters(Some(parameters.map(AttributeValue::from).into()))
                        .build()
                };
                let statements = records.map(insert).collect::<Result<_, _>>()?;
                let call = self.client.batch_execute_statement();
                call.set_statements(Some(statements)).send().await?
            }
        };
        let outcomes = answer.responses.unwrap_or_default();
        if outcomes.len() == count {
            Ok(outcomes)
        } else {
            Err(format!(
                "it says of {} statements what became of them, not of {count}",
                outcomes.len()
            )
            .into())
        }
    }

    /// `None` where the statement is worth another try.
    fn read_outcome(&self, outcome: BatchStatementResponse) -> Option<Result<Recorded, StoreError>> {
        use BatchStatementErrorCodeEnum as Code;
        let Some(error) = outcome.error else {
            return Some(Ok(Recorded::New));
        };
        match &error.code {
            Some(Code::DuplicateItem) => Some(Ok(Recorded::AlreadyThere)),
            Some(
                Code::InternalServerError
                | Code::ProvisionedThroughputExceeded
                | Code::RequestLimitExceeded
                | Code::ThrottlingError
                | Code::TransactionConflict,
            ) => None,
            code => {
                let code = code.as_ref().map_or("an error without a code", Code::as_str);
                let message = error.message.as_deref().unwrap_or_default();
                Some(Err(unavailable(self.describe(), format!("{code}: {message}"))))
            }
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
            model_name: text(MODEL_NAME)?.into(),
            model_version: text(MODEL_VERSION)?.into(),
            prediction: text(PREDICTION)?,
            recorded_at_ms: number(RECORDED_AT)?,
            expires_at_seconds: number(EXPIRES_AT)?,
        })
    }
}

fn insert_statement(table: &str) -> String {
    let attributes = ATTRIBUTES.map(|(name, _)| format!("'{name}': ?")).join(", ");
    format!(r#"INSERT INTO "{table}" VALUE {{{attributes}}}"#)
}

/// The records in batches of which none holds a key twice, which DynamoDB refuses: a record whose key another one has comes in a later round.
fn rounds(records: &[PredictionRecord]) -> Vec<Vec<usize>> {
    let mut rounds: Vec<Vec<usize>> = Vec::new();
    let mut times = HashMap::with_capacity(records.len());
    for (index, record) in records.iter().enumerate() {
        let round: &mut usize = times.entry((&record.prediction_id, &record.model_name)).or_default();
        if *round == rounds.len() {
            rounds.push(Vec::new());
        }
        rounds[*round].push(index);
        *round += 1;
    }
    rounds
}

#[async_trait]
impl ResultStore for DynamoDbResultStore {
    async fn record(&self, records: &[PredictionRecord], timeout: Duration) -> Vec<Result<Recorded, StoreError>> {
        let deadline = Instant::now() + timeout;
        let mut results: Vec<_> = records.iter().map(|_| None).collect();
        for round in rounds(records) {
            let write = |batch: &[usize]| {
                let batch: Vec<_> = batch.iter().map(|&index| &records[index]).collect();
                async move { self.record_batch(&batch, deadline).await }
            };
            let writes: Vec<_> = round.chunks(RECORDS_PER_WRITE).map(write).collect();
            let written: Vec<_> = stream::iter(writes).buffered(WRITES_IN_FLIGHT).collect().await;
            for (index, result) in round.into_iter().zip(written.into_iter().flatten()) {
                results[index] = Some(result);
            }
        }
        results
            .into_iter()
            .map(|result| result.expect("each record is in a round"))
            .collect()
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
