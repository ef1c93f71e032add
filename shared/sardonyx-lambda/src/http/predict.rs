use http::StatusCode;
use sardonyx_core::error::{InvalidInput, PredictError};
use sardonyx_core::predict::{Instance, Prediction, UseCase};
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use super::response::{Answer, ApiError};
use crate::service::{Invocation, Service};

#[derive(Deserialize)]
struct PredictRequest {
    instances: Vec<Json>,
}

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
    let request: PredictRequest =
        serde_json::from_slice(body).map_err(|error| InvalidInput::from_json_error("body", &error))?;
    if request.instances.is_empty() {
        return Err(InvalidInput::new("instances", "expected at least one").into());
    }
    if request.instances.len() > max_instances {
        return Err(too_many("instances", request.instances.len(), max_instances));
    }
    let instances = request.instances.into_iter().enumerate().map(|(index, instance)| {
        let path = format!("instances[{index}]");
        match instance {
            Json::Object(fields) => Ok(Instance {
                id: format!("{request_id}-{index}"),
                path: path.into(),
                fields: fields.into(),
            }),
            other => Err(InvalidInput::unexpected(path, "an object", &other).into()),
        }
    });
    instances.collect()
}

/// The refusal of a batch over the limit.
pub(super) fn too_many(field: &str, given: usize, most: usize) -> ApiError {
    ApiError::new(
        StatusCode::PAYLOAD_TOO_LARGE,
        format!("{field}: {given} are more than the {most} that one request may have; split them"),
    )
}
