use http::StatusCode;
use sardonyx_core::error::{InvalidInput, PredictError};
use sardonyx_core::predict::{Instance, Prediction, UseCase};
use serde::Serialize;
use serde_json::Value as Json;

use super::predict_request::PredictRequest;
use super::response::{Answer, ApiError};
use crate::service::{Invocation, Service};

#[derive(Serialize)]
struct PredictResponse<'a, O> {
    predictions: Vec<Prediction<O>>,
    model_name: &'a str,
    model_version: &'a str,
}

/// KServe V1 predict. A request is answered whole: one bad instance refuses it, by its position.
pub(super) async fn predict<U: UseCase>(
    service: &Service<U>,
    body: &[u8],
    invocation: &Invocation,
) -> Result<Answer, ApiError> {
    let instances = parse(body, service.config.max_instances, &invocation.request_id)?;
    let results = match service.predict(instances, invocation).await {
        Ok(results) => results.into_iter().collect::<Result<Vec<_>, PredictError>>(),
        Err(error) => Err(error),
    };
    let predictions = results?;
    for prediction in &predictions {
        invocation.metrics.count_prediction(prediction);
    }
    Answer::json(&PredictResponse {
        predictions,
        model_name: service.model_name(),
        model_version: service.model_version(),
    })
}

fn parse(body: &[u8], max_instances: usize, request_id: &str) -> Result<Vec<Instance>, ApiError> {
    let mut request = PredictRequest::up_to(max_instances);
    request.read(body).map_err(|error| {
        let read = request.instances.len();
        not_an_object(body, read).unwrap_or_else(|| InvalidInput::from_json_error("body", &error))
    })?;
    if request.given == 0 {
        return Err(InvalidInput::new("instances", "expected at least one").into());
    }
    if request.given > max_instances {
        return Err(too_many("instances", request.given, max_instances));
    }
    let instances = request.instances.into_iter().enumerate();
    Ok(instances
        .map(|(index, fields)| Instance {
            id: format!("{request_id}-{index}"),
            path: path(index).into(),
            fields,
        })
        .collect())
}

fn path(index: usize) -> String {
    format!("instances[{index}]")
}

/// The refusal of the instance at this position, where it is JSON but no object.
fn not_an_object(body: &[u8], index: usize) -> Option<InvalidInput> {
    let body: Json = serde_json::from_slice(body).ok()?;
    let instance = body.get("instances")?.get(index)?;
    (!instance.is_object()).then(|| InvalidInput::unexpected(path(index), "an object", instance))
}

/// The refusal of a batch over the limit.
pub(super) fn too_many(field: &str, given: usize, most: usize) -> ApiError {
    ApiError::new(
        StatusCode::PAYLOAD_TOO_LARGE,
        format!("{field}: {given} are more than the {most} that one request may have; split them"),
    )
}
