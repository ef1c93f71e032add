//! The use case: instances in, typed predictions out.

mod instance;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;

pub use instance::Instance;
use instance::ParsedInstance;

use crate::encode::{Batch, Defaulted, FeatureEncoder, Source};
use crate::entity::EntityKey;
use crate::error::PredictError;
use crate::feature_row::{FeatureRow, Stored};
use crate::manifest::{Manifest, StalePolicy};
use crate::ports::{Cause, Model, ModelError, OnlineStore, ViewRead, ViewRows};
use crate::snapshots::SnapshotId;
use crate::tensor::Tensor;

/// A model's own code behind its tensors: pure, and typed.
pub trait Postprocess: Send + Sync + 'static {
    /// What a prediction says, as a JSON object.
    type Output: Serialize + Send + Sync;

    /// Reads one row of the outputs, which are in the order of the manifest.
    ///
    /// # Errors
    /// When the outputs make no sense, such as a probability that is not a number.
    fn postprocess(&self, outputs: &[Tensor], row: usize) -> Result<Self::Output, Cause>;
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
    /// The feature views whose rows were older than the model wants, with their age in seconds.
    pub stale: BTreeMap<String, u64>,
    /// The snapshots of the feature views from which the rows are; without those views that have none.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub snapshots: BTreeMap<String, SnapshotId>,
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

/// Everything that one model's predictions take. Made once, used concurrently.
pub struct Predictor<P> {
    manifest: Arc<Manifest>,
    encoder: FeatureEncoder,
    store: Arc<dyn OnlineStore>,
    model: Arc<dyn Model>,
    postprocess: P,
}

/// An instance whose features are in the batch, on the way to its prediction.
struct Assembled {
    slot: usize,
    prediction_id: String,
    defaulted: Defaulted,
    stale: BTreeMap<String, u64>,
}

impl<P: Postprocess> Predictor<P> {
    /// Puts the parts together. The model has been loaded with the same manifest.
    pub fn new(manifest: Arc<Manifest>, store: Arc<dyn OnlineStore>, model: Arc<dyn Model>, postprocess: P) -> Self {
        let encoder = FeatureEncoder::new(&manifest);
        Self {
            manifest,
            encoder,
            store,
            model,
            postprocess,
        }
    }

    /// The manifest of the model.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// The bare model, for raw inference.
    pub fn model(&self) -> &dyn Model {
        &*self.model
    }

    /// Runs the bare model. A panic inside of it is an error like any other: it ends neither the process nor a whole batch.
    ///
    /// # Errors
    /// Every [`ModelError`].
    pub fn infer(&self, inputs: Vec<Tensor>) -> Result<Vec<Tensor>, ModelError> {
        unless_panicking(|| self.model.infer(inputs)).unwrap_or_else(|panic| Err(ModelError::Failed(panic)))
    }

    fn read_outputs(&self, outputs: &[Tensor], row: usize) -> Result<P::Output, PredictError> {
        unless_panicking(|| self.postprocess.postprocess(outputs, row))
            .flatten()
            .map_err(PredictError::Model)
    }

    /// Predicts for all instances with one read of features and one inference. There is one result for each instance, in order: an
    /// instance fails alone.
    ///
    /// # Errors
    /// When no instance can be predicted because the features cannot be read.
    pub async fn predict(
        &self,
        instances: Vec<Instance>,
        context: PredictContext<'_>,
    ) -> Result<Vec<PredictionResult<P::Output>>, PredictError> {
        let mut slots: Vec<_> = std::iter::repeat_with(|| None).take(instances.len()).collect();
        let mut parsed = Vec::with_capacity(instances.len());
        for (slot, instance) in instances.into_iter().enumerate() {
            match ParsedInstance::parse(instance, &self.manifest, self.encoder.columns()) {
                Ok(instance) => parsed.push((slot, instance)),
                Err(error) => slots[slot] = Some(Err(error.into())),
            }
        }
        (context.stage_done)(Stage::Parse);

        let views = self.fetch(&parsed, context.fetch_timeout).await?;
        (context.stage_done)(Stage::Features);

        let snapshots = self.snapshots(&views);
        let mut batch = self.encoder.batch(parsed.len());
        let mut assembled = Vec::with_capacity(parsed.len());
        for (index, (slot, instance)) in parsed.into_iter().enumerate() {
            let rows = views
                .iter()
                .map(|view| view.rows[index].as_ref().map(Option::as_deref))
                .collect::<Result<Vec<_>, _>>();
            // A rejected instance's row is written over by the next one.
            let result = rows
                .map_err(|malformed| PredictError::Model(Box::new(malformed.clone())))
                .and_then(|rows| self.assemble(&mut batch, assembled.len(), slot, instance, &rows, context.now_ms));
            match result {
                Ok(instance) => assembled.push(instance),
                Err(error) => slots[slot] = Some(Err(error)),
            }
        }
        let inputs = self.encoder.finish(batch, assembled.len());
        for (slot, result) in self.predict_rows(inputs, assembled, &snapshots) {
            slots[slot] = Some(result);
        }
        (context.stage_done)(Stage::Inference);
        Ok(slots
            .into_iter()
            .map(|slot| slot.expect("every instance was parsed, assembled or failed"))
            .collect())
    }

    /// The rows of each view of the manifest, one for each instance.
    async fn fetch(
        &self,
        instances: &[(usize, ParsedInstance)],
        timeout: Duration,
    ) -> Result<Vec<ViewRows>, PredictError> {
        let entities: Vec<Vec<EntityKey>> = (0..self.manifest.feature_views.len())
            .map(|view| {
                instances
                    .iter()
                    .map(|(_, instance)| instance.entities[view].clone())
                    .collect()
            })
            .collect();
        let reads: Vec<_> = self
            .manifest
            .feature_views
            .iter()
            .zip(&entities)
            .map(|(view, entities)| ViewRead { view, entities })
            .collect();
        if reads.is_empty() || instances.is_empty() {
            return Ok(vec![]);
        }
        Ok(self.store.fetch(&reads, timeout).await?)
    }

    fn snapshots(&self, views: &[ViewRows]) -> BTreeMap<String, SnapshotId> {
        let views = self.manifest.feature_views.iter().zip(views);
        views
            .filter_map(|(view, rows)| Some((view.name.clone(), rows.snapshot.clone()?)))
            .collect()
    }

    /// Applies the freshness of the views and the missing-value policies of the features, and fills one row of the batch.
    fn assemble(
        &self,
        batch: &mut Batch,
        row: usize,
        slot: usize,
        instance: ParsedInstance,
        stored_rows: &[Option<&FeatureRow>],
        now_ms: i64,
    ) -> Result<Assembled, PredictError> {
        let live: Vec<_> = stored_rows
            .iter()
            .map(|stored_row| stored_row.filter(|stored_row| !stored_row.is_expired(now_ms)))
            .collect();
        let stale = self.stale_views(&live, now_ms)?;
        let mut defaulted = Defaulted::new();
        let mut request_values = instance.values.iter();
        for column in self.encoder.columns() {
            let value = match column.source {
                Source::Request => request_values.next(),
                Source::View { view, feature } => live[view].and_then(|stored_row| stored_row.values.get(feature)),
            };
            match self.encoder.set(batch, row, column, value.unwrap_or(&Stored::Absent)) {
                Ok(None) => {}
                Ok(Some(reason)) => {
                    defaulted.insert(column.name.clone(), reason);
                }
                Err(reason) => return Err(instance.rejected(column, &self.manifest, reason)),
            }
        }
        Ok(Assembled {
            slot,
            prediction_id: instance.id,
            defaulted,
            stale,
        })
    }

    fn stale_views(
        &self,
        stored_rows: &[Option<&FeatureRow>],
        now_ms: i64,
    ) -> Result<BTreeMap<String, u64>, PredictError> {
        let mut stale = BTreeMap::new();
        for (view, stored_row) in self.manifest.feature_views.iter().zip(stored_rows) {
            let (Some(stored_row), Some(max_age_seconds)) = (stored_row, view.max_age_seconds) else {
                continue;
            };
            let age_seconds = stored_row.age_seconds(now_ms);
            if age_seconds > max_age_seconds {
                if view.stale == StalePolicy::Reject {
                    return Err(PredictError::StaleFeatures {
                        view: view.name.clone(),
                        age_seconds,
                        max_age_seconds,
                    });
                }
                stale.insert(view.name.clone(), age_seconds);
            }
        }
        Ok(stale)
    }

    /// Runs the batch at once; if the model fails on it, row by row, so that one bad row does not take the others with it.
    fn predict_rows(
        &self,
        inputs: Vec<Tensor>,
        assembled: Vec<Assembled>,
        snapshots: &BTreeMap<String, SnapshotId>,
    ) -> Vec<(usize, PredictionResult<P::Output>)> {
        if assembled.is_empty() {
            return vec![];
        }
        let single_rows = |row| inputs.iter().map(|input| input.slice_row(row)).collect();
        let whole = self.infer(inputs.clone());
        let rows = assembled.into_iter().enumerate().map(|(row, instance)| {
            let output = match &whole {
                Ok(outputs) => self.read_outputs(outputs, row),
                Err(_) => self
                    .infer(single_rows(row))
                    .map_err(PredictError::from)
                    .and_then(|outputs| self.read_outputs(&outputs, 0)),
            };
            let Assembled {
                slot,
                prediction_id,
                defaulted,
                stale,
            } = instance;
            (
                slot,
                output.map(|output| Prediction {
                    prediction_id,
                    output,
                    defaulted,
                    stale,
                    snapshots: snapshots.clone(),
                }),
            )
        });
        rows.collect()
    }
}

/// What the model's own code gives, or an error where it panics.
fn unless_panicking<T>(code: impl FnOnce() -> T) -> Result<T, Cause> {
    catch_unwind(AssertUnwindSafe(code)).map_err(|_| "the model's code panicked".into())
}
