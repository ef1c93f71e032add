//! The training library's numbers, through the whole function: features, encoding, model, post-processing.

use sardonyx_core::predict::Postprocess;
use serde_json::Value as Json;

use crate::models::{InMemoryFunction, fraud_detection, purchase_propensity, read_json_lines};

/// Whether a prediction says what the training library says: floats within 1e-5, everything else exactly.
pub(crate) fn agrees(prediction: &Json, expected: &Json) -> bool {
    expected
        .as_object()
        .expect("is an object")
        .iter()
        .all(|(name, expected)| match (&prediction[name], expected) {
            (Json::Number(found), Json::Number(expected)) if expected.is_f64() => {
                let (found, expected) = (
                    found.as_f64().expect("is finite"),
                    expected.as_f64().expect("is finite"),
                );
                (found - expected).abs() <= 1e-5
            }
            (found, expected) => found == expected,
        })
}

async fn check<P: Postprocess>(function: InMemoryFunction<P>) {
    let samples = read_json_lines(&format!("functions/{}/samples/requests.jsonl", function.manifest.name));
    assert!(samples.len() >= 50);
    let instances: Vec<_> = samples.iter().map(|sample| sample["instance"].clone()).collect();
    let (status, batch) = function.predict(&instances).await;
    assert_eq!(status, 200, "{batch}");
    for (index, sample) in samples.iter().enumerate() {
        let (status, alone) = function.predict(&[sample["instance"].clone()]).await;
        assert_eq!(status, 200, "{alone}");
        for prediction in [&batch["predictions"][index], &alone["predictions"][0]] {
            assert!(
                agrees(prediction, &sample["expected"]),
                "sample {index}: {prediction} for {sample}"
            );
        }
    }
}

#[tokio::test]
async fn fraud_detection_gives_the_numbers_of_xgboost() {
    check(fraud_detection().await).await;
}

#[tokio::test]
async fn purchase_propensity_gives_the_numbers_of_scikit_learn() {
    check(purchase_propensity().await).await;
}
