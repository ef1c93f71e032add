//! The training library's numbers, through the whole function: features, encoding, model, post-processing.

use sardonyx_core::predict::UseCase;
use serde_json::Value as Json;

use crate::models::{InMemoryFunction, fraud_detection, offer_ranking, purchase_propensity, read_json_lines};

/// Whether a prediction says what the training library says: floats within 1e-5, everything else exactly. Lists have to be as long, and
/// of an object only what is expected is compared.
pub(crate) fn agrees(found: &Json, expected: &Json) -> bool {
    match (found, expected) {
        (Json::Number(found), Json::Number(expected)) if expected.is_f64() => {
            let (found, expected) = (
                found.as_f64().expect("is finite"),
                expected.as_f64().expect("is finite"),
            );
            (found - expected).abs() <= 1e-5
        }
        (Json::Array(found), Json::Array(expected)) => {
            found.len() == expected.len()
                && found
                    .iter()
                    .zip(expected)
                    .all(|(found, expected)| agrees(found, expected))
        }
        (found, Json::Object(expected)) => expected.iter().all(|(name, expected)| agrees(&found[name], expected)),
        (found, expected) => found == expected,
    }
}

#[test]
fn what_differs_is_found_wherever_it_is() {
    use serde_json::json;
    let expected = json!({"offers": [{"id": "a", "score": 0.5}, {"id": "b", "score": 0.25}], "eligible": 2});
    let mut found = json!({"offers": [{"id": "a", "score": 0.500_001}, {"id": "b", "score": 0.25, "more": 1}], "eligible": 2, "more": 1});
    assert!(agrees(&found, &expected));
    for (pointer, value) in [
        ("/offers/0/score", json!(0.500_1)),
        ("/offers/1/id", json!("a")),
        ("/offers/1", json!(null)),
        ("/offers", json!([])),
        ("/eligible", json!(3)),
    ] {
        let right = found.pointer(pointer).expect("is there").clone();
        *found.pointer_mut(pointer).expect("is there") = value;
        assert!(!agrees(&found, &expected), "{pointer}");
        *found.pointer_mut(pointer).expect("is there") = right;
    }
}

async fn check<U: UseCase>(function: InMemoryFunction<U>) {
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
    check(fraud_detection()).await;
}

#[tokio::test]
async fn purchase_propensity_gives_the_numbers_of_scikit_learn() {
    check(purchase_propensity()).await;
}

#[tokio::test]
async fn offer_ranking_gives_the_lists_of_xgboost() {
    check(offer_ranking()).await;
}
