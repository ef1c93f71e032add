//! The queue front-end: a batch of messages, one feature fetch, one inference, each result recorded once.

use std::collections::HashMap;
use std::sync::Arc;

use sardonyx_core::error::{ErrorKind, InvalidInput, PredictError};
use sardonyx_core::ports::{PredictionRecord, Recorded, ResultStore, StoreError};
use sardonyx_core::predict::{Fields, Instance, Prediction, UseCase};
use serde::{Deserialize, Serialize};

use crate::event::{BatchResponse, SqsMessage};
use crate::service::{EventError, Invocation, Service, now_ms};
use crate::telemetry::{Metric, chain};

/// What DynamoDB allows for the partition key that the id becomes.
const LONGEST_ID_BYTES: usize = 2048;

/// The body of a message.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Message {
    #[serde(default)]
    id: Option<String>,
    instance: Fields,
}

/// Scores a batch. Whatever is not recorded in the end is reported as failed, so that the queue delivers it again.
pub(crate) async fn handle<U: UseCase>(
    service: &Service<U>,
    messages: Vec<SqsMessage<'_>>,
    invocation: &Invocation,
) -> Result<BatchResponse, EventError> {
    let results = service.results.as_ref().ok_or(EventError::NoResultStore)?;
    let mut failures = Failures::default();
    let mut pending = Vec::with_capacity(messages.len());
    let mut instances = Vec::with_capacity(messages.len());
    for message in messages {
        let message_id = message.message_id.ok_or(EventError::NoMessageId)?.0.into_owned();
        match parse(&message_id, message.body.as_deref().unwrap_or_default()) {
            Ok(instance) => {
                pending.push(message_id);
                instances.push(instance);
            }
            Err(error) => failures.add(invocation, message_id, &PredictError::from(error)),
        }
    }

    match service.predict(instances, invocation).await {
        Err(error) => {
            for message_id in pending {
                failures.add(invocation, message_id, &error);
            }
        }
        Ok(predictions) => {
            let mut predicted = Vec::with_capacity(pending.len());
            let record = recorder(service);
            for (message_id, prediction) in pending.into_iter().zip(predictions) {
                let record = prediction.and_then(|prediction| {
                    invocation.metrics.count_prediction(&prediction);
                    record(prediction)
                });
                match record {
                    Ok(record) => predicted.push((message_id, record)),
                    Err(error) => failures.add(invocation, message_id, &error),
                }
            }
            record_all(&**results, predicted, invocation, &mut failures).await;
        }
    }
    Ok(failures.into_response(invocation))
}

fn parse(message_id: &str, body: &str) -> Result<Instance, InvalidInput> {
    let message: Message = serde_json::from_str(body).map_err(|error| InvalidInput::from_json_error("body", &error))?;
    let id = message.id.unwrap_or_else(|| message_id.to_owned());
    if id.is_empty() || id.len() > LONGEST_ID_BYTES {
        return Err(InvalidInput::new(
            "body.id",
            format!("expected 1 to {LONGEST_ID_BYTES} bytes"),
        ));
    }
    Ok(Instance {
        id,
        path: "instance".into(),
        fields: message.instance,
    })
}

/// Makes records of predictions, all as of now.
fn recorder<U: UseCase>(
    service: &Service<U>,
) -> impl Fn(Prediction<U::Output>) -> Result<PredictionRecord, PredictError> {
    let (model_name, model_version) = (Arc::from(service.model_name()), Arc::from(service.model_version()));
    let recorded_at_ms = now_ms();
    let expires_at_seconds = recorded_at_ms / 1000 + i64::from(service.config.result_ttl_seconds);
    move |prediction| {
        Ok(PredictionRecord {
            prediction: to_json(&prediction)?,
            prediction_id: prediction.prediction_id,
            model_name: Arc::clone(&model_name),
            model_version: Arc::clone(&model_version),
            recorded_at_ms,
            expires_at_seconds,
        })
    }
}

fn to_json(value: &impl Serialize) -> Result<String, PredictError> {
    serde_json::to_string(value).map_err(|error| PredictError::Model(Box::new(error)))
}

/// Records each prediction id once. Of messages with the same id in one batch the first one counts, and all share its fate.
async fn record_all(
    results: &dyn ResultStore,
    predicted: Vec<(String, PredictionRecord)>,
    invocation: &Invocation,
    failures: &mut Failures,
) {
    let mut positions: HashMap<&str, usize> = HashMap::with_capacity(predicted.len());
    let mut of_messages = Vec::with_capacity(predicted.len());
    for (_, record) in &predicted {
        let next = positions.len();
        of_messages.push(*positions.entry(&record.prediction_id).or_insert(next));
    }
    let mut records = Vec::with_capacity(positions.len());
    let mut waiting = Vec::with_capacity(predicted.len());
    for ((message_id, record), position) in predicted.into_iter().zip(of_messages) {
        if position == records.len() {
            records.push(record);
        }
        waiting.push((message_id, position));
    }

    let outcomes = results.record(&records, invocation.remaining()).await;
    let duplicates = waiting.len() - records.len()
        + outcomes
            .iter()
            .filter(|outcome| matches!(outcome, Ok(Recorded::AlreadyThere)))
            .count();
    invocation.metrics.add(Metric::DuplicateResults, duplicates as f64);
    for (message_id, position) in waiting {
        if let Err(error) = &outcomes[position] {
            failures.add_unrecorded(invocation, message_id, error);
        }
    }
}

/// The messages that the queue shall deliver again.
#[derive(Default)]
struct Failures(BatchResponse);

impl Failures {
    fn add(&mut self, invocation: &Invocation, message_id: String, error: &PredictError) {
        tracing::warn!(message_id, kind = ?error.kind(), error = chain(error), "the message was not scored");
        invocation.metrics.count_error(error.kind());
        self.0.fail(message_id);
    }

    fn add_unrecorded(&mut self, invocation: &Invocation, message_id: String, error: &StoreError) {
        tracing::error!(message_id, error = chain(error), "the result was not recorded");
        invocation.metrics.count_error(ErrorKind::Unavailable);
        self.0.fail(message_id);
    }

    fn into_response(self, invocation: &Invocation) -> BatchResponse {
        invocation.metrics.add(Metric::FailedRecords, self.0.failures() as f64);
        self.0
    }
}
