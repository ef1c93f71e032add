use sardonyx_core::error::{InvalidInput, PredictError};
use sardonyx_core::open_inference::{InferRequest, InferResponse, ModelMetadata, PLATFORM};
use sardonyx_core::ports::ModelError;
use sardonyx_core::predict::{Stage, UseCase};

use super::predict::too_many;
use super::response::{Answer, ApiError};
use crate::service::{Invocation, Service};
use crate::telemetry::Metric;

pub(super) fn metadata<U: UseCase>(service: &Service<U>) -> ModelMetadata {
    let model = service.use_case.served().model();
    ModelMetadata {
        name: service.model_name().to_owned(),
        versions: vec![service.model_version().to_owned()],
        platform: PLATFORM,
        inputs: model.inputs().iter().map(Into::into).collect(),
        outputs: model.outputs().iter().map(Into::into).collect(),
    }
}

/// Open Inference Protocol V2: tensors to tensors, without features or post-processing.
pub(super) fn infer<U: UseCase>(
    service: &Service<U>,
    body: &[u8],
    invocation: &Invocation,
) -> Result<Answer, ApiError> {
    let model = service.use_case.served().model();
    let request = InferRequest::from_json(body)?;
    let tensors = request.tensors(model.inputs())?;
    request.check_outputs(model.outputs())?;
    let rows = tensors.iter().map(|tensor| tensor.rows()).max().unwrap_or(0);
    if rows > service.config.max_instances {
        return Err(too_many("inputs: rows", rows, service.config.max_instances));
    }
    invocation.metrics.stage_done(Stage::Parse);
    let outputs = service.use_case.served().infer(&tensors).map_err(|error| match error {
        ModelError::Input { input, problem } => InvalidInput::new(format!("inputs.{input}"), problem).into(),
        failed @ ModelError::Failed(_) => ApiError::from(PredictError::from(failed)),
    })?;
    invocation.metrics.stage_done(Stage::Inference);
    invocation.metrics.add(Metric::Predictions, rows as f64);
    Answer::json(&InferResponse {
        model_name: service.model_name().to_owned(),
        model_version: Some(service.model_version().to_owned()),
        outputs: request.select_outputs(model.outputs(), outputs),
        id: request.id,
    })
}
