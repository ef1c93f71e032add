//! What the fraud model's outputs mean: a score, the decision that the thresholds make of it, and the model's own label.

use sardonyx_core::manifest::{Manifest, ManifestError};
use sardonyx_core::outputs::{ClassProbability, IntegerLabel};
use sardonyx_core::ports::Cause;
use sardonyx_core::predict::Postprocess;
use sardonyx_core::tensor::Tensor;
use serde::Serialize;

/// The class of a fraudulent transaction.
const FRAUD: i64 = 1;

/// What is predicted of a transaction.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct FraudPrediction {
    /// The probability that the transaction is fraudulent.
    pub score: f32,
    /// What to do with the transaction.
    pub decision: Decision,
    /// The class that the model finds more likely: 1 is fraud.
    pub label: i64,
}

/// What to do with a transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Decision {
    /// Let it pass: the score is below `review_threshold`.
    Approve,
    /// Have a person look at it: the score is at least `review_threshold`.
    Review,
    /// Refuse it: the score is at least `decline_threshold`.
    Decline,
}

/// Reads the fraud model's outputs.
#[derive(Clone, Debug)]
pub struct FraudDetection {
    fraud: ClassProbability,
    label: IntegerLabel,
    review_threshold: f64,
    decline_threshold: f64,
}

impl FraudDetection {
    /// Takes the thresholds and the places of the outputs from the manifest.
    ///
    /// # Errors
    /// When one is missing, or the thresholds are in the wrong order.
    pub fn new(manifest: &Manifest) -> Result<Self, ManifestError> {
        let review_threshold = manifest.parameter("review_threshold")?;
        let decline_threshold = manifest.parameter("decline_threshold")?;
        if review_threshold > decline_threshold {
            return Err(ManifestError::Invalid {
                path: "parameters.review_threshold".into(),
                problem: "must not be above parameters.decline_threshold".into(),
            });
        }
        Ok(Self {
            fraud: ClassProbability::find(manifest, FRAUD)?,
            label: IntegerLabel::find(manifest)?,
            review_threshold,
            decline_threshold,
        })
    }

    fn decide(&self, score: f32) -> Decision {
        let score = f64::from(score);
        if score >= self.decline_threshold {
            Decision::Decline
        } else if score >= self.review_threshold {
            Decision::Review
        } else {
            Decision::Approve
        }
    }
}

impl Postprocess for FraudDetection {
    type Output = FraudPrediction;

    fn postprocess(&self, outputs: &[Tensor], row: usize) -> Result<FraudPrediction, Cause> {
        let score = self.fraud.read(outputs, row)?;
        Ok(FraudPrediction {
            score,
            decision: self.decide(score),
            label: self.label.read(outputs, row)?,
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

    fn predict(postprocess: &FraudDetection, fraud: f32, label: i64) -> Result<FraudPrediction, Cause> {
        let outputs = [
            Tensor::new(vec![2], TensorData::Int64(vec![0, label])).expect("fits"),
            Tensor::new(vec![2, 2], TensorData::Fp32(vec![1.0, 0.0, 1.0 - fraud, fraud])).expect("fits"),
        ];
        postprocess.postprocess(&outputs, 1)
    }

    #[test]
    fn the_committed_manifest_has_all_that_the_model_needs() {
        FraudDetection::new(&manifest()).expect("is complete");
    }

    #[test]
    fn thresholds_belong_to_the_stricter_decision() {
        let mut manifest = manifest();
        manifest.parameters.insert("review_threshold".into(), 0.25);
        manifest.parameters.insert("decline_threshold".into(), 0.75);
        let postprocess = FraudDetection::new(&manifest).expect("is complete");
        for (score, decision) in [
            (0.0, Decision::Approve),
            (0.249, Decision::Approve),
            (0.25, Decision::Review),
            (0.749, Decision::Review),
            (0.75, Decision::Decline),
            (1.0, Decision::Decline),
        ] {
            let prediction = predict(&postprocess, score, 1).expect("is a probability");
            assert_eq!(
                prediction,
                FraudPrediction {
                    score,
                    decision,
                    label: 1
                }
            );
        }
        assert!(predict(&postprocess, f32::NAN, 1).is_err());
    }

    #[test]
    fn thresholds_must_be_there_and_in_order() {
        let mut manifest = manifest();
        manifest.parameters.insert("review_threshold".into(), 0.9);
        manifest.parameters.insert("decline_threshold".into(), 0.1);
        assert!(FraudDetection::new(&manifest).is_err());
        manifest.parameters.remove("decline_threshold");
        let error = FraudDetection::new(&manifest).expect_err("one is missing");
        assert!(error.to_string().contains("decline_threshold"), "{error}");
    }
}
