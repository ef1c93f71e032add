//! A small model that ranks offers, for tests of what lies around it.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use serde_json::{Value as Json, json};

use super::conformance::block_on;
use super::{InMemoryCatalogueStore, models};
use crate::manifest::Manifest;
use crate::ports::{CatalogueStore, Cause, Model, ModelError};
use crate::rank::{CatalogueBuilder, CatalogueId, CurrentCatalogue, ScoreOffers};
use crate::tensor::{Tensor, TensorData, TensorSpec};

/// How often [`load`] asks the store again.
pub const REFRESH_INTERVAL: Duration = Duration::from_secs(60);

/// A manifest for [`OfferModel`], with features of the user, the request and the offer among each other.
///
/// The instance has `user_id`, and `hour` defaults to 12; `user_age` becomes NaN. An offer must have a `category` (`food` or `travel`), `discount`
/// (0 to 100) defaults to 1, `price` becomes NaN. Regions are `north` and `south`.
pub fn manifest_json() -> Json {
    let mut manifest = models::manifest_json();
    manifest["name"] = json!("offers");
    manifest["feature_views"] = json!([
        {"name": "user", "join_keys": [{"name": "user_id", "type": "int64"}],
         "features": [{"name": "user_age", "type": "int64"}, {"name": "redeemed_offers", "type": "string"}],
         "max_age_seconds": 100, "stale": "serve"}
    ]);
    manifest["catalogue"] = json!({
        "name": "offers",
        "features": [{"name": "category", "type": "string"}, {"name": "discount", "type": "float64"},
                     {"name": "price", "type": "int64"}, {"name": "colour", "type": "string"}],
        "regions": ["north", "south"], "categories": ["food", "travel"],
        "redeemed": {"view": "user", "feature": "redeemed_offers"},
        "max_age_seconds": 1000, "stale": "serve"
    });
    manifest["inputs"] = json!([{"name": "x", "datatype": "FP32", "shape": [-1, 5], "features": [
        {"name": "user_age", "source": "user", "missing": "nan"},
        {"name": "category", "source": "catalogue", "categories": ["food", "travel"], "missing": "reject"},
        {"name": "discount", "source": "catalogue", "range": {"min": 0, "max": 100}, "missing": {"default": 1}},
        {"name": "hour", "source": "request", "type": "int64", "missing": {"default": 12}},
        {"name": "price", "source": "catalogue", "missing": "nan"}
    ]}]);
    manifest["golden"]["rows"] = json!([{
        "features": {"user_age": 1, "category": "food", "discount": 0, "hour": 0, "price": 0}, "outputs": {"sum": 1}
    }]);
    manifest
}

/// [`manifest_json`], validated.
pub fn manifest() -> Manifest {
    from_json(&manifest_json())
}

/// A changed [`manifest_json`], validated.
pub fn from_json(manifest: &Json) -> Manifest {
    Manifest::from_json(manifest.to_string().as_bytes()).expect("is valid")
}

/// A packed catalogue of these offers. Their times are whole seconds since the Unix epoch, as text.
pub fn pack(manifest: &Manifest, offers: &[Json], created_at_ms: i64) -> Bytes {
    let mut builder = CatalogueBuilder::new(manifest, seconds).expect("has a catalogue");
    for offer in offers {
        builder.add(offer.as_object().expect("is an object")).expect("is valid");
    }
    let (catalogue, schema) = builder.finish(created_at_ms);
    catalogue.to_bytes(&schema).into()
}

/// Reads whole seconds since the Unix epoch as milliseconds.
pub fn seconds(text: &str) -> Option<i64> {
    text.parse::<i64>().ok().map(|seconds| seconds * 1000)
}

/// Publishes these bytes for the model, and makes them current.
pub fn publish(store: &InMemoryCatalogueStore, manifest: &Manifest, packed: Bytes) -> CatalogueId {
    block_on(async {
        let (name, version) = (&manifest.name, &manifest.version);
        let (id, _) = store.publish(name, version, packed).await.expect("publishes");
        store.make_current(name, version, &id).await.expect("is there");
        id
    })
}

/// What is current for the model.
pub fn load(store: Arc<InMemoryCatalogueStore>, manifest: &Manifest, now_ms: i64) -> Arc<CurrentCatalogue> {
    let loaded = CurrentCatalogue::load(store, manifest, REFRESH_INTERVAL, now_ms);
    Arc::new(block_on(loaded).expect("can be used"))
}

/// Adds up the features of each row, a NaN as nothing. Fails on a batch in which any user's age is [`OfferModel::POISON`]; the score is no
/// number where a discount is [`OfferModel::NONSENSE`].
#[derive(Debug)]
pub struct OfferModel {
    inputs: Vec<TensorSpec>,
    outputs: Vec<TensorSpec>,
}

impl OfferModel {
    /// The age on which the model fails.
    pub const POISON: f32 = 666.0;
    /// The discount of which it makes a NaN.
    pub const NONSENSE: f32 = 99.0;
    const WIDTH: usize = 5;
}

impl Default for OfferModel {
    fn default() -> Self {
        Self {
            inputs: vec![models::rows("x", Self::WIDTH)],
            outputs: vec![models::rows("sum", 1)],
        }
    }
}

impl Model for OfferModel {
    fn inputs(&self) -> &[TensorSpec] {
        &self.inputs
    }

    fn outputs(&self) -> &[TensorSpec] {
        &self.outputs
    }

    fn infer(&self, inputs: &[Tensor]) -> Result<Vec<Tensor>, ModelError> {
        let [TensorData::Fp32(values)] = inputs.iter().map(Tensor::data).collect::<Vec<_>>()[..] else {
            panic!("one FP32 input")
        };
        let (rows, _) = values.as_chunks::<{ Self::WIDTH }>();
        if rows.iter().any(|row| row[0] == Self::POISON) {
            return Err(ModelError::Failed("poisoned".into()));
        }
        let score = |row: &[f32; Self::WIDTH]| match row[2] {
            Self::NONSENSE => f32::NAN,
            _ => row.iter().filter(|value| !value.is_nan()).sum(),
        };
        let scores = TensorData::Fp32(rows.iter().map(score).collect());
        Ok(vec![Tensor::new(vec![rows.len(), 1], scores).expect("fits")])
    }
}

/// Gives the sum as the score.
#[derive(Debug)]
pub struct SumScore;

impl ScoreOffers for SumScore {
    fn scores(&self, outputs: &[Tensor]) -> Result<Vec<f32>, Cause> {
        match outputs[0].data() {
            TensorData::Fp32(scores) => Ok(scores.clone()),
            _ => Err("the scores are not FP32".into()),
        }
    }
}
