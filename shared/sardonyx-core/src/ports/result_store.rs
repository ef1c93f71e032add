use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use super::StoreError;

/// Predictions, each recorded once.
#[async_trait]
pub trait ResultStore: Send + Sync {
    /// Records each prediction unless its id has one from this model already; what is there is never changed.
    ///
    /// There is one result for each record, in order. Records fail one by one: as [`StoreError::Unavailable`] those of which nothing
    /// is known when `timeout` has passed. Recording them again is harmless.
    async fn record(&self, records: &[PredictionRecord], timeout: Duration) -> Vec<Result<Recorded, StoreError>>;

    /// The prediction that is recorded under that id, for tools and tests.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`], [`StoreError::Malformed`].
    async fn find(&self, prediction_id: &str, model_name: &str) -> Result<Option<PredictionRecord>, StoreError>;
}

/// A prediction as it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PredictionRecord {
    /// The caller's id, or the message's.
    pub prediction_id: String,
    /// The model that made it: two models may score the same event.
    pub model_name: Arc<str>,
    /// The version of that model.
    pub model_version: Arc<str>,
    /// The prediction, as JSON.
    pub prediction: String,
    /// When, in milliseconds since the Unix epoch.
    pub recorded_at_ms: i64,
    /// When the store may delete it, in seconds since the Unix epoch.
    pub expires_at_seconds: i64,
}

/// What [`ResultStore::record`] did with a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Recorded {
    /// It is recorded now.
    New,
    /// An earlier one stands.
    AlreadyThere,
}
