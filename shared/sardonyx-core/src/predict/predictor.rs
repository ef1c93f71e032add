use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use serde::Serialize;

use super::instance::ParsedInstance;
use super::served::{Gathered, LiveRows, results, unless_panicking};
use super::{Instance, PredictContext, Prediction, PredictionResult, ServedModel, Stage, UseCase};
use crate::encode::{Batch, Defaulted};
use crate::error::PredictError;
use crate::manifest::Manifest;
use crate::ports::{Cause, Model, OnlineStore};
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

/// Predicts for each instance. Made once, used concurrently.
pub struct Predictor<P> {
    served: ServedModel,
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
        Self {
            served: ServedModel::new(manifest, store, model),
            postprocess,
        }
    }

    fn read_outputs(&self, outputs: &[Tensor], row: usize) -> Result<P::Output, PredictError> {
        unless_panicking(|| self.postprocess.postprocess(outputs, row))
            .flatten()
            .map_err(PredictError::Model)
    }

    /// Fills one row of the batch.
    fn assemble(
        &self,
        batch: &mut Batch,
        row: usize,
        slot: usize,
        instance: ParsedInstance,
        live: LiveRows<'_>,
    ) -> Result<Assembled, PredictError> {
        let columns = self.served.encoder().columns().iter();
        let defaulted = self.served.encode_row(batch, row, columns, &instance, &live.rows)?;
        Ok(Assembled {
            slot,
            prediction_id: instance.id,
            defaulted,
            stale: live.stale,
        })
    }

    /// Runs the batch at once; if the model fails on it, row by row, so that one bad row does not take the others with it.
    fn predict_rows(
        &self,
        inputs: &[Tensor],
        assembled: Vec<Assembled>,
        snapshots: &Arc<BTreeMap<String, SnapshotId>>,
    ) -> Vec<(usize, PredictionResult<P::Output>)> {
        if assembled.is_empty() {
            return vec![];
        }
        let single_rows = |row| inputs.iter().map(|input| input.slice_row(row)).collect::<Vec<_>>();
        let whole = self.served.infer(inputs);
        let rows = assembled.into_iter().enumerate().map(|(row, instance)| {
            let output = match &whole {
                Ok(outputs) => self.read_outputs(outputs, row),
                Err(_) => self
                    .served
                    .infer(&single_rows(row))
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
                    snapshots: Arc::clone(snapshots),
                }),
            )
        });
        rows.collect()
    }
}

#[async_trait]
impl<P: Postprocess> UseCase for Predictor<P> {
    type Output = P::Output;

    fn served(&self) -> &ServedModel {
        &self.served
    }

    /// Predicts for all instances with one read of features and one inference.
    async fn predict(
        &self,
        instances: Vec<Instance>,
        context: PredictContext<'_>,
    ) -> Result<Vec<PredictionResult<P::Output>>, PredictError> {
        let encoder = self.served.encoder();
        let parse = |instance| self.served.parse(instance, &[]);
        let Gathered {
            mut slots,
            instances,
            views,
            snapshots,
        } = self.served.gather(instances, context, parse).await?;

        let mut batch = encoder.batch(instances.len());
        let mut assembled = Vec::with_capacity(instances.len());
        for (index, (slot, instance)) in instances.into_iter().enumerate() {
            // A rejected instance's row is written over by the next one.
            let live = self.served.live_rows(&views, index, context.now_ms);
            match live.and_then(|live| self.assemble(&mut batch, assembled.len(), slot, instance, live)) {
                Ok(instance) => assembled.push(instance),
                Err(error) => slots[slot] = Some(Err(error)),
            }
        }
        let inputs = encoder.finish(batch, assembled.len());
        for (slot, result) in self.predict_rows(&inputs, assembled, &snapshots) {
            slots[slot] = Some(result);
        }
        (context.stage_done)(Stage::Inference);
        Ok(results(slots))
    }
}
