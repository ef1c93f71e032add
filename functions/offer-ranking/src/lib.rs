//! What the offer-ranking model's outputs mean: an offer's score is the probability that the user redeems it.

use sardonyx_core::manifest::{Manifest, ManifestError};
use sardonyx_core::outputs::ClassProbability;
use sardonyx_core::ports::Cause;
use sardonyx_core::rank::ScoreOffers;
use sardonyx_core::tensor::Tensor;

/// The class of an impression that ends in a redemption.
const REDEMPTION: i64 = 1;

/// Reads the offer-ranking model's outputs.
#[derive(Clone, Debug)]
pub struct OfferRanking {
    redemption: ClassProbability,
}

impl OfferRanking {
    /// Takes the place of the output from the manifest.
    ///
    /// # Errors
    /// When the manifest has no probability of a redemption.
    pub fn new(manifest: &Manifest) -> Result<Self, ManifestError> {
        Ok(Self {
            redemption: ClassProbability::find(manifest, REDEMPTION)?,
        })
    }
}

impl ScoreOffers for OfferRanking {
    fn scores(&self, outputs: &[Tensor]) -> Result<Vec<f32>, Cause> {
        self.redemption.read_all(outputs)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sardonyx_core::rank::CatalogueSchema;
    use sardonyx_core::tensor::TensorData;

    fn manifest() -> Manifest {
        Manifest::from_json(include_bytes!("../model/manifest.json")).expect("is valid")
    }

    #[test]
    fn the_committed_manifest_has_all_that_the_model_needs() {
        OfferRanking::new(&manifest()).expect("is complete");
        CatalogueSchema::new(&manifest()).expect("has a catalogue");
    }

    #[test]
    fn the_score_is_the_probability_of_a_redemption() {
        let score = OfferRanking::new(&manifest()).expect("is complete");
        let outputs =
            |probabilities: Vec<f32>| [Tensor::new(vec![2, 2], TensorData::Fp32(probabilities)).expect("fits")];
        assert_eq!(
            score
                .scores(&outputs(vec![0.75, 0.25, 1.0, 0.0]))
                .expect("are probabilities"),
            [0.25, 0.0]
        );
        assert!(score.scores(&outputs(vec![0.75, 0.25, f32::NAN, f32::NAN])).is_err());
    }
}
