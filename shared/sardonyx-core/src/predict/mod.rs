//! The use cases: instances in, typed predictions out.

mod fields;
mod instance;
mod predictor;
mod served;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use serde::Serialize;

pub use fields::Fields;
pub use instance::Instance;
pub(crate) use instance::ParsedInstance;
pub use predictor::{Postprocess, Predictor};
pub use served::ServedModel;
pub(crate) use served::{Gathered, LiveRows, check_age, results, unless_panicking};

use crate::encode::Defaulted;
use crate::error::PredictError;
use crate::ports::Cause;
use crate::snapshots::SnapshotId;

/// What a function does with instances: predict for each ([`Predictor`]), or rank offers for each ([`Ranker`](crate::rank::Ranker)).
#[async_trait]
pub trait UseCase: Send + Sync + 'static {
    /// What a prediction says, as a JSON object.
    type Output: Serialize + Send + Sync;

    /// The model, for raw inference and for what says which one it is.
    fn served(&self) -> &ServedModel;

    /// Predicts for all instances with one read of features. There is one result for each instance, in order: an instance fails alone.
    ///
    /// # Errors
    /// When no instance can be predicted because the features cannot be read.
    async fn predict(
        &self,
        instances: Vec<Instance>,
        context: PredictContext<'_>,
    ) -> Result<Vec<PredictionResult<Self::Output>>, PredictError>;

    /// Work that is due, to be done beside the requests; none of them waits for it.
    fn background_work(&self, _now_ms: i64) -> Option<BackgroundWork> {
        None
    }

    /// What there is to say of the state of the use case, for the metrics; a count is told once.
    fn gauges(&self, _now_ms: i64) -> Vec<Gauge> {
        vec![]
    }
}

/// Work beside the requests. Its error is for the log.
pub type BackgroundWork = Pin<Box<dyn Future<Output = Result<(), Cause>> + Send>>;

/// A number about the state of a use case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gauge {
    /// How old the catalogue is, in seconds.
    CatalogueAge(u64),
    /// How often it could not be refreshed.
    CatalogueRefreshFailures(u64),
}

/// A prediction for one instance.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Prediction<O> {
    /// The id under which it can be found again.
    pub prediction_id: String,
    /// What the model says.
    #[serde(flatten)]
    pub output: O,
    /// The features for which the model's policy stood in, and why.
    pub defaulted: Defaulted,
    /// The feature views whose rows were older than the model wants, with their age in seconds; a catalogue, too.
    pub stale: BTreeMap<String, u64>,
    /// The snapshots of the feature views from which the rows are; without those views that have none.
    #[serde(skip_serializing_if = "is_empty")]
    pub snapshots: Arc<BTreeMap<String, SnapshotId>>,
}

fn is_empty(snapshots: &BTreeMap<String, SnapshotId>) -> bool {
    snapshots.is_empty()
}

/// What became of one instance.
pub type PredictionResult<O> = Result<Prediction<O>, PredictError>;

/// What a prediction needs to know of its surroundings.
#[derive(Clone, Copy)]
pub struct PredictContext<'a> {
    /// The time, in milliseconds since the Unix epoch.
    pub now_ms: i64,
    /// How long reading the features may take.
    pub fetch_timeout: Duration,
    /// Called at the end of each stage.
    pub stage_done: &'a (dyn Fn(Stage) + Sync),
}

/// The stages of a prediction that are measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// The instances are validated.
    Parse,
    /// The feature rows are there.
    Features,
    /// The model has run.
    Inference,
}
