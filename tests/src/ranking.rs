//! The catalogue of a function that ranks offers, through its life.

use std::sync::Arc;

use sardonyx_core::testing::{InMemoryCatalogueStore, offers};
use serde_json::{Value as Json, json};

use crate::models::{in_memory_function, manifest, now_ms, publish_sample_offers, ranker};

fn instance() -> Json {
    json!({"user_id": 5000, "k": 1, "hour_of_day": 12})
}

/// No request waits for a refresh; it goes on while others are answered, as on Lambda, where nothing runs in between.
#[tokio::test]
async fn a_newer_catalogue_is_taken_beside_the_requests() {
    let manifest = manifest("offer-ranking");
    let catalogues = Arc::new(InMemoryCatalogueStore::default());
    publish_sample_offers(&catalogues, &manifest, now_ms() - 3_600_000);
    let function = in_memory_function(manifest.clone(), &[], ranker(Arc::clone(&catalogues)));
    let newer = offers::publish(&catalogues, &manifest, offers::pack(&manifest, &[], now_ms()));

    let (status, first) = function.predict(&[instance()]).await;
    assert_eq!(status, 200, "{first}");
    assert_eq!(first["predictions"][0]["offers"].as_array().map(Vec::len), Some(1));
    let age = |metrics: &Json| metrics["CatalogueAge"].as_f64().expect("is reported");
    assert!((3_600.0..3_700.0).contains(&age(&function.last_metrics())));

    tokio::task::yield_now().await;
    let (_, second) = function.predict(&[instance()]).await;
    assert_eq!(second["predictions"][0]["catalogue"], newer.as_str());
    assert_eq!(second["predictions"][0]["offers"], json!([]));
    assert!(age(&function.last_metrics()) < 100.0);
}

#[tokio::test]
async fn a_refresh_that_fails_is_counted_and_harms_no_request() {
    let manifest = manifest("offer-ranking");
    let catalogues = Arc::new(InMemoryCatalogueStore::default());
    publish_sample_offers(&catalogues, &manifest, now_ms());
    let function = in_memory_function(manifest, &[], ranker(Arc::clone(&catalogues)));
    catalogues.set_failure(Some("throttled"));
    let mut failures = vec![];
    for _ in 0..3 {
        let (status, answer) = function.predict(&[instance()]).await;
        assert_eq!(status, 200, "{answer}");
        assert_eq!(answer["predictions"][0]["offers"].as_array().map(Vec::len), Some(1));
        failures.push(function.last_metrics()["CatalogueRefreshFailures"].as_f64());
        tokio::task::yield_now().await;
    }
    // The first request began the only refresh that was due; the second one tells of it.
    assert_eq!(failures, [Some(0.0), Some(1.0), Some(0.0)]);
}
