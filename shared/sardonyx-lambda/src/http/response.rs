use std::borrow::Cow;

use http::StatusCode;
use sardonyx_core::error::{ErrorKind, InvalidInput, PredictError};
use serde::Serialize;
use serde_json::json;

use crate::event::HttpResponse;
use crate::telemetry::chain;

/// How soon a client may try again when a dependency did not answer.
const RETRY_SECONDS: &str = "1";
/// How soon fresher features may be there.
const STALE_RETRY_SECONDS: &str = "60";

/// A body with its status.
#[derive(Debug)]
pub(super) struct Answer {
    status: StatusCode,
    header: Option<(&'static str, &'static str)>,
    body: String,
}

impl Answer {
    /// A 200 with a JSON body.
    pub(super) fn json(body: &impl Serialize) -> Result<Self, ApiError> {
        let body = serde_json::to_string(body).map_err(|error| PredictError::Model(Box::new(error)))?;
        Ok(Self {
            status: StatusCode::OK,
            header: None,
            body,
        })
    }

    pub(super) fn into_response(self, request_id: &str, model: &str, version: &str) -> HttpResponse {
        let mut headers = Vec::with_capacity(5);
        headers.push(("content-type", "application/json".into()));
        for (name, value) in [
            ("x-request-id", request_id),
            ("x-model-name", model),
            ("x-model-version", version),
        ] {
            headers.push((name, Cow::Owned(value.to_owned())));
        }
        headers.extend(self.header.map(|(name, value)| (name, value.into())));
        HttpResponse {
            status_code: self.status.as_u16(),
            headers,
            body: self.body,
            is_base64_encoded: false,
        }
    }
}

/// Why a request is not answered as it wishes: a status and a message for the caller, and the cause for the log.
#[derive(Debug)]
pub(super) struct ApiError {
    status: StatusCode,
    message: String,
    header: Option<(&'static str, &'static str)>,
    cause: Option<Box<PredictError>>,
}

impl ApiError {
    pub(super) fn new(status: StatusCode, message: String) -> Self {
        Self {
            status,
            message,
            header: None,
            cause: None,
        }
    }

    pub(super) fn bad_request(message: String) -> Self {
        Self::new(StatusCode::BAD_REQUEST, message)
    }

    pub(super) fn not_found(message: String) -> Self {
        Self::new(StatusCode::NOT_FOUND, message)
    }

    pub(super) fn method_not_allowed(allowed: &'static str) -> Self {
        let mut error = Self::new(StatusCode::METHOD_NOT_ALLOWED, format!("use {allowed} here"));
        error.header = Some(("allow", allowed));
        error
    }

    #[cfg(test)]
    pub(super) fn status(&self) -> StatusCode {
        self.status
    }

    pub(super) fn kind(&self) -> ErrorKind {
        match &self.cause {
            Some(cause) => cause.kind(),
            None if self.status == StatusCode::NOT_FOUND => ErrorKind::NotFound,
            None => ErrorKind::InvalidInput,
        }
    }

    /// Logs the causes, without what the caller sent.
    pub(super) fn log(&self) {
        let status = self.status.as_u16();
        match &self.cause {
            Some(cause) if self.status.is_server_error() => {
                tracing::error!(status, error = chain(&**cause), "the request failed");
            }
            Some(cause) => tracing::info!(status, error = chain(&**cause), "the request was refused"),
            None => tracing::info!(status, "the request was refused"),
        }
    }
}

/// The one place where errors of the domain get their status.
impl From<PredictError> for ApiError {
    fn from(error: PredictError) -> Self {
        let (status, retry_after) = match error.kind() {
            ErrorKind::InvalidInput => (StatusCode::BAD_REQUEST, None),
            ErrorKind::NotFound => (StatusCode::NOT_FOUND, None),
            ErrorKind::StaleFeatures => (StatusCode::SERVICE_UNAVAILABLE, Some(STALE_RETRY_SECONDS)),
            ErrorKind::Unavailable => (StatusCode::SERVICE_UNAVAILABLE, Some(RETRY_SECONDS)),
            ErrorKind::Model => (StatusCode::INTERNAL_SERVER_ERROR, None),
        };
        Self {
            status,
            message: error.public_message(),
            header: retry_after.map(|seconds| ("retry-after", seconds)),
            cause: Some(Box::new(error)),
        }
    }
}

impl From<InvalidInput> for ApiError {
    fn from(error: InvalidInput) -> Self {
        PredictError::from(error).into()
    }
}

impl From<ApiError> for Answer {
    fn from(error: ApiError) -> Self {
        Self {
            status: error.status,
            header: error.header,
            body: json!({"error": error.message}).to_string(),
        }
    }
}
