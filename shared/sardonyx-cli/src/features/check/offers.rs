//! A training row of a model that ranks offers: its offer is packed into a catalogue of its own, read back, and ranked as a function does it.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use sardonyx_core::encode::Defaulted;
use sardonyx_core::error::{InvalidInput, PredictError};
use sardonyx_core::manifest::Manifest;
use sardonyx_core::ports::{CatalogueStore, Cause, Model, OnlineStore, Published, StoreError};
use sardonyx_core::predict::{Instance, Postprocess, PredictContext, UseCase};
use sardonyx_core::rank::{CatalogueBuilder, CatalogueId, CurrentCatalogue, Ranker, ScoreOffers};
use sardonyx_core::tensor::Tensor;
use sardonyx_ingest::parse_event_time;
use serde_json::{Map, Value as Json};

use super::observers::{ServedRow, ServedTensors};
use crate::CommandError;

/// A catalogue is asked for once, and ranked from once.
const NEVER: Duration = Duration::from_secs(u32::MAX as u64);

/// What ranks one offer at a time.
pub(super) struct OfferRanking {
    pub(super) manifest: Arc<Manifest>,
    pub(super) store: Arc<dyn OnlineStore>,
    /// Gives its inputs behind its outputs.
    pub(super) model: Arc<dyn Model>,
}

impl OfferRanking {
    /// Packs the offer, and ranks it alone.
    ///
    /// # Errors
    /// When the features of the user cannot be read. What is wrong with the offer or the instance is the inner result.
    pub(super) async fn rank(
        &self,
        offer: &Map<String, Json>,
        instance: Instance,
        context: PredictContext<'_>,
    ) -> Result<Result<(Defaulted, ServedRow), PredictError>, CommandError> {
        let mut builder = CatalogueBuilder::new(&self.manifest, parse_event_time)?;
        if let Err(problem) = builder.add(offer) {
            return Ok(Err(InvalidInput::new("the offer", problem).into()));
        }
        let (catalogue, schema) = builder.finish(context.now_ms);
        let packed = Arc::new(OneCatalogue(catalogue.to_bytes(&schema).into()));
        let catalogue = CurrentCatalogue::load(packed, &self.manifest, NEVER, context.now_ms).await?;
        let kept = Arc::new(Mutex::new(None));
        let score = KeptTensors {
            tensors: ServedTensors {
                outputs: self.manifest.outputs.len(),
            },
            row: Arc::clone(&kept),
        };
        let (manifest, store) = (Arc::clone(&self.manifest), Arc::clone(&self.store));
        let ranker = Ranker::new(manifest, store, Arc::clone(&self.model), Arc::new(catalogue), score)?;
        let ranked = ranker.predict(vec![instance], context).await?.remove(0);
        let row = kept.lock().unwrap_or_else(PoisonError::into_inner).take();
        Ok(ranked.and_then(|prediction| {
            let row = row.ok_or_else(|| PredictError::Model("the offer was not scored".into()))?;
            Ok((prediction.defaulted, row))
        }))
    }
}

/// Keeps the tensors of the offer that is scored; its score is of no interest.
struct KeptTensors {
    tensors: ServedTensors,
    row: Arc<Mutex<Option<ServedRow>>>,
}

impl ScoreOffers for KeptTensors {
    fn scores(&self, outputs: &[Tensor]) -> Result<Vec<f32>, Cause> {
        let row = self.tensors.postprocess(outputs, 0)?;
        *self.row.lock().unwrap_or_else(PoisonError::into_inner) = Some(row);
        Ok(vec![0.0; outputs.first().map_or(0, Tensor::rows)])
    }
}

/// The bytes of one packed catalogue.
struct OneCatalogue(Bytes);

#[async_trait]
impl CatalogueStore for OneCatalogue {
    async fn current(&self, _: &str, _: &str) -> Result<CatalogueId, StoreError> {
        Ok(CatalogueId::of(&self.0))
    }

    async fn fetch(&self, _: &str, _: &str, _: &CatalogueId) -> Result<Bytes, StoreError> {
        Ok(self.0.clone())
    }

    async fn publish(&self, _: &str, _: &str, _: Bytes) -> Result<(CatalogueId, Published), StoreError> {
        Err(read_only())
    }

    async fn make_current(&self, _: &str, _: &str, _: &CatalogueId) -> Result<(), StoreError> {
        Err(read_only())
    }
}

fn read_only() -> StoreError {
    StoreError::Unavailable {
        what: "the catalogue of the check".into(),
        source: "it is only read".into(),
    }
}
