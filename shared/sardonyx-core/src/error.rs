//! Why there is no prediction, in terms of what the caller can do about it.

use crate::ports::{Cause, ModelError, StoreError};

/// Why an instance, or a whole request, got no prediction.
///
/// `Display` never holds a value that the caller sent or that a store returned, so that it can be logged;
/// [`PredictError::public_message`] is for the caller alone.
#[derive(Debug, thiserror::Error)]
pub enum PredictError {
    /// The caller must change the request.
    #[error(transparent)]
    InvalidInput(#[from] InvalidInput),
    /// There is nothing to predict from.
    #[error("{field}: {problem}")]
    NotFound {
        /// The field that identifies what is not there.
        field: String,
        /// What is not there.
        problem: String,
    },
    /// The features are too old, and the model does not accept that. Later they may be newer.
    #[error("the features of {view} are {age_seconds} s old, and the model accepts {max_age_seconds} s")]
    StaleFeatures {
        /// The feature view.
        view: String,
        /// How old they are.
        age_seconds: u64,
        /// How old they may be.
        max_age_seconds: u64,
    },
    /// A dependency did not answer in time. The same request may succeed later.
    #[error("the features could not be read")]
    Unavailable(#[source] Cause),
    /// The model or its data are at fault; the caller can do nothing.
    #[error("the prediction failed")]
    Model(#[source] Cause),
}

/// The kinds of [`PredictError`], for metrics and for the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "they are the variants of PredictError")]
pub enum ErrorKind {
    InvalidInput,
    NotFound,
    StaleFeatures,
    Unavailable,
    Model,
}

/// A field that the caller must change.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {problem}")]
pub struct InvalidInput {
    /// Where, as in `instances[3].amount`.
    pub field: String,
    /// What is expected there.
    pub problem: String,
    /// What follows for the caller alone: what came instead, shortened.
    detail: Option<String>,
}

impl InvalidInput {
    /// A field that is wrong as a whole, or is not there.
    pub fn new(field: impl Into<String>, problem: impl Into<String>) -> Self {
        Self {
            field: field.into(),
            problem: problem.into(),
            detail: None,
        }
    }

    /// A field with another value than expected.
    pub fn unexpected(field: impl Into<String>, expected: &str, got: &serde_json::Value) -> Self {
        Self {
            field: field.into(),
            problem: format!("expected {expected}"),
            detail: Some(format!(", got {}", shorten(&got.to_string()))),
        }
    }

    /// A field with a name that is not known.
    pub fn unknown_name(field: impl Into<String>, problem: impl Into<String>, name: &str) -> Self {
        let detail = Some(format!(", got {:?}", shorten(name)));
        Self {
            field: field.into(),
            problem: problem.into(),
            detail,
        }
    }

    /// JSON that cannot be read. serde's message may quote it, so that it is for the caller alone.
    pub fn from_json_error(field: impl Into<String>, error: &serde_json::Error) -> Self {
        let (line, column) = (error.line(), error.column());
        match error.classify() {
            serde_json::error::Category::Data => Self {
                field: field.into(),
                problem: "does not have the expected form".into(),
                detail: Some(format!(": {}", shorten(&error.to_string()))),
            },
            _ => Self::new(field, format!("is not valid JSON (line {line}, column {column})")),
        }
    }

    /// The message for the caller, with what the caller sent.
    pub fn public_message(&self) -> String {
        format!("{self}{}", self.detail.as_deref().unwrap_or_default())
    }
}

impl PredictError {
    /// What kind of error it is.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::InvalidInput(_) => ErrorKind::InvalidInput,
            Self::NotFound { .. } => ErrorKind::NotFound,
            Self::StaleFeatures { .. } => ErrorKind::StaleFeatures,
            Self::Unavailable(_) => ErrorKind::Unavailable,
            Self::Model(_) => ErrorKind::Model,
        }
    }

    /// The message for the caller: what to change or whether to try again, and nothing of the inside.
    pub fn public_message(&self) -> String {
        match self {
            Self::InvalidInput(invalid) => invalid.public_message(),
            Self::NotFound { .. } | Self::StaleFeatures { .. } => self.to_string(),
            Self::Unavailable(_) => "the features cannot be read at the moment; try again".into(),
            Self::Model(_) => "the prediction failed; the error is logged under this request id".into(),
        }
    }
}

impl From<StoreError> for PredictError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Unavailable { .. } => Self::Unavailable(Box::new(error)),
            StoreError::NotFound { .. } | StoreError::Conflict { .. } | StoreError::Malformed { .. } => {
                Self::Model(Box::new(error))
            }
        }
    }
}

impl From<ModelError> for PredictError {
    fn from(error: ModelError) -> Self {
        Self::Model(Box::new(error))
    }
}

fn shorten(text: &str) -> String {
    const LONGEST: usize = 120;
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn only_the_caller_sees_what_the_caller_sent() {
        let error = InvalidInput::unexpected("instances[3].amount", "a number", &json!("x"));
        assert_eq!(
            error.public_message(),
            r#"instances[3].amount: expected a number, got "x""#
        );
        assert_eq!(error.to_string(), "instances[3].amount: expected a number");
        let long = InvalidInput::unexpected("a", "a number", &json!("é".repeat(1000)));
        assert!(long.public_message().chars().count() < 160);
    }

    #[test]
    fn what_the_json_held_stays_out_of_the_log() {
        let error = serde_json::from_str::<Vec<u8>>(r#""c-17""#).expect_err("is no list");
        let error = InvalidInput::from_json_error("body", &error);
        assert_eq!(error.to_string(), "body: does not have the expected form");
        assert!(error.public_message().contains("c-17"));
    }

    #[test]
    fn internals_stay_inside() {
        let error = PredictError::from(StoreError::Unavailable {
            what: "table arn:secret".into(),
            source: "connection refused".into(),
        });
        assert_eq!(error.kind(), ErrorKind::Unavailable);
        assert!(!error.public_message().contains("secret"));
    }
}
