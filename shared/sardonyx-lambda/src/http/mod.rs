//! The HTTP front-end: KServe V1 predict and the Open Inference Protocol V2, from API Gateway HTTP APIs and function URLs.

mod infer;
mod predict;
mod predict_request;
mod response;
mod route;

use std::borrow::Cow;

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use http::StatusCode;
use sardonyx_core::predict::UseCase;
use serde_json::json;

use crate::event::{HttpRequest, HttpResponse};
use crate::service::{Invocation, Service};
use response::{Answer, ApiError};
use route::{ModelRef, Route};

/// Answers one request. Every failure is an answer, too.
pub(crate) async fn handle<U: UseCase>(
    service: &Service<U>,
    request: HttpRequest<'_>,
    invocation: &Invocation,
) -> HttpResponse {
    let answer = match answer(service, &request, invocation).await {
        Ok(answer) => answer,
        Err(error) => {
            invocation.metrics.count_error(error.kind());
            error.log();
            error.into()
        }
    };
    answer.into_response(&invocation.request_id, service.model_name(), service.model_version())
}

async fn answer<U: UseCase>(
    service: &Service<U>,
    request: &HttpRequest<'_>,
    invocation: &Invocation,
) -> Result<Answer, ApiError> {
    let path = request.path.as_deref().unwrap_or("/");
    let route = Route::find(&request.method, path_in_stage(path, request.stage.as_deref()))?;
    if let Some(model) = route.model() {
        check_model(service, model)?;
    }
    match route {
        Route::Live => Answer::json(&json!({"live": true})),
        Route::Ready => Answer::json(&json!({"ready": true})),
        Route::ServerMetadata => {
            Answer::json(&json!({"name": "sardonyx", "version": env!("CARGO_PKG_VERSION"), "extensions": []}))
        }
        Route::ModelReady(_) => Answer::json(&json!({"name": service.model_name(), "ready": true})),
        Route::ModelMetadata(_) => Answer::json(&infer::metadata(service)),
        Route::Predict(_) => {
            predict::predict(service, &body(request, service.config.max_body_bytes)?, invocation).await
        }
        Route::Infer(_) => infer::infer(service, &body(request, service.config.max_body_bytes)?, invocation),
    }
}

/// A stage other than `$default` is the first segment of the path, and says nothing to this function.
fn path_in_stage<'a>(path: &'a str, stage: Option<&str>) -> &'a str {
    let stage = stage.filter(|stage| !stage.starts_with('$'));
    stage
        .and_then(|stage| path.strip_prefix('/')?.strip_prefix(stage))
        .filter(|rest| rest.is_empty() || rest.starts_with('/'))
        .unwrap_or(path)
}

fn check_model<U: UseCase>(service: &Service<U>, model: &ModelRef) -> Result<(), ApiError> {
    if model.name != service.model_name() {
        return Err(ApiError::not_found(format!("there is no model {:?} here", model.name)));
    }
    match &model.version {
        Some(version) if version != service.model_version() => Err(ApiError::not_found(format!(
            "the model {} has no version {version:?} here; it serves version {}",
            model.name,
            service.model_version()
        ))),
        _ => Ok(()),
    }
}

/// The bytes of the body, which API Gateway gives in Base64 when it takes them for binary.
fn body<'a>(request: &'a HttpRequest<'_>, max_bytes: usize) -> Result<Cow<'a, [u8]>, ApiError> {
    let text = request.body.as_deref().unwrap_or_default();
    let too_large = || {
        ApiError::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            format!("the body is longer than the {max_bytes} bytes that one request may have; split it"),
        )
    };
    let bytes = if request.is_base64_encoded {
        if text.len() / 4 * 3 > max_bytes.saturating_add(2) {
            return Err(too_large());
        }
        let decoded = BASE64.decode(text);
        Cow::Owned(decoded.map_err(|_| ApiError::bad_request("the body is not valid Base64".into()))?)
    } else {
        Cow::Borrowed(text.as_bytes())
    };
    if bytes.len() > max_bytes {
        return Err(too_large());
    }
    if bytes.is_empty() {
        return Err(ApiError::bad_request("the body is empty; send a JSON object".into()));
    }
    Ok(bytes)
}
