//! What the purchase model's outputs mean: the probability of a purchase, and the band that it falls in.

use sardonyx_core::manifest::{Manifest, ManifestError};
use sardonyx_core::outputs::ClassProbability;
use sardonyx_core::ports::Cause;
use sardonyx_core::predict::Postprocess;
use sardonyx_core::tensor::Tensor;
use serde::Serialize;

/// The class of a session that ends in a purchase.
const PURCHASE: i64 = 1;

/// What is predicted of a user's session.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct PurchasePrediction {
    /// The probability that the user buys.
    pub probability: f32,
    /// How that compares with other users.
    pub band: Band,
}

/// A range of probabilities that campaigns address alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Band {
    /// Below `medium_threshold`.
    Low,
    /// At least `medium_threshold`.
    Medium,
    /// At least `high_threshold`.
    High,
}

/// Reads the purchase model's outputs.
#[derive(Clone, Debug)]
pub struct PurchasePropensity {
    purchase: ClassProbability,
    medium_threshold: f64,
    high_threshold: f64,
}

impl PurchasePropensity {
    /// Takes the thresholds and the place of the output from the manifest.
    ///
    /// # Errors
    /// When one is missing, or the thresholds are in the wrong order.
    pub fn new(manifest: &Manifest) -> Result<Self, ManifestError> {
        let medium_threshold = manifest.parameter("medium_threshold")?;
        let high_threshold = manifest.parameter("high_threshold")?;
        if medium_threshold > high_threshold {
            return Err(ManifestError::Invalid {
                path: "parameters.medium_threshold".into(),
                problem: "must not be above parameters.high_threshold".into(),
            });
        }
        Ok(Self {
            purchase: ClassProbability::find(manifest, PURCHASE)?,
            medium_threshold,
            high_threshold,
        })
    }

    fn band(&self, probability: f32) -> Band {
        match f64::from(probability) {
            probability if probability >= self.high_threshold => Band::High,
            probability if probability >= self.medium_threshold => Band::Medium,
            _ => Band::Low,
        }
    }
}

impl Postprocess for PurchasePropensity {
    type Output = PurchasePrediction;

    fn postprocess(&self, outputs: &[Tensor], row: usize) -> Result<PurchasePrediction, Cause> {
        let probability = self.purchase.read(outputs, row)?;
        Ok(PurchasePrediction {
            probability,
            band: self.band(probability),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sardonyx_core::tensor::TensorData;

    fn manifest() -> Manifest {
        Manifest::from_json(include_bytes!("../model/manifest.json")).expect("is valid")
    }

    #[test]
    fn the_committed_manifest_has_all_that_the_model_needs() {
        PurchasePropensity::new(&manifest()).expect("is complete");
    }

    #[test]
    fn a_threshold_belongs_to_the_band_above() {
        let mut manifest = manifest();
        manifest.parameters.insert("medium_threshold".into(), 0.25);
        manifest.parameters.insert("high_threshold".into(), 0.5);
        let postprocess = PurchasePropensity::new(&manifest).expect("is complete");
        for (probability, band) in [
            (0.0, Band::Low),
            (0.25, Band::Medium),
            (0.499, Band::Medium),
            (0.5, Band::High),
        ] {
            let outputs = [
                Tensor::new(vec![1], TensorData::Int64(vec![0])).expect("fits"),
                Tensor::new(vec![1, 2], TensorData::Fp32(vec![1.0 - probability, probability])).expect("fits"),
            ];
            let prediction = postprocess.postprocess(&outputs, 0).expect("is a probability");
            assert_eq!(prediction, PurchasePrediction { probability, band });
        }
        manifest.parameters.insert("medium_threshold".into(), 0.9);
        assert!(PurchasePropensity::new(&manifest).is_err());
    }
}
