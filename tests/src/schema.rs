//! The JSON Schema of the manifest that is published with the project.

use std::collections::HashMap;

use sardonyx_core::manifest::{FeatureView, Layout, Manifest};
use serde_json::Value as Json;

use crate::models::{manifest, models, read_json, repository};

const SCHEMA: &str = "shared/sardonyx-core/schema/manifest.schema.json";

/// Run with `UPDATE_SCHEMA=1` to write the file anew after a change of the types.
#[test]
fn the_published_schema_is_that_of_the_types() {
    let mut schema = serde_json::to_value(schemars::schema_for!(Manifest)).expect("serialises");
    // The order of fields would be that of the types or the alphabet's, by the features of the crates that are built along.
    schema.sort_all_objects();
    if std::env::var_os("UPDATE_SCHEMA").is_some() {
        let text = serde_json::to_string_pretty(&schema).expect("serialises") + "\n";
        std::fs::write(repository(SCHEMA), text).expect("writes");
    }
    assert!(
        read_json(SCHEMA) == schema,
        "{SCHEMA} is not up to date: run this test with UPDATE_SCHEMA=1"
    );
}

#[test]
fn the_schema_accepts_the_models_and_refuses_what_is_not_a_manifest() {
    let validator = jsonschema::validator_for(&read_json(SCHEMA)).expect("is a schema");
    for model in models() {
        let manifest = read_json(&format!("functions/{model}/model/manifest.json"));
        let errors: Vec<_> = validator
            .iter_errors(&manifest)
            .map(|error| error.to_string())
            .collect();
        assert!(errors.is_empty(), "{model}: {errors:?}");
    }
    let valid = read_json("functions/fraud-detection/model/manifest.json");
    for (pointer, value) in [
        ("/name", Json::from(7)),
        ("/inputs/0/datatype", "F32".into()),
        ("/inputs/0/features/0/missing", "ignore".into()),
        ("/feature_views/0/stale", "perhaps".into()),
        ("/card", serde_json::json!({"surprise": 1})),
    ] {
        let mut manifest = valid.clone();
        *manifest.pointer_mut(pointer).expect("is there") = value;
        assert!(!validator.is_valid(&manifest), "{pointer}");
    }
}

/// Native rows are keyed by their view's name: with two schemas under one name, each model would find the rows of the other unreadable.
/// Feast's rows have the name of each feature, and each model may take others.
#[test]
fn a_native_view_has_one_schema_in_all_models() {
    let mut views: HashMap<String, FeatureView> = HashMap::new();
    let all = models().into_iter().flat_map(|model| manifest(&model).feature_views);
    for view in all.filter(|view| view.layout == Layout::Native) {
        let first = views.entry(view.name.clone()).or_insert_with(|| view.clone());
        assert_eq!(
            (&first.join_keys, &first.features),
            (&view.join_keys, &view.features),
            "{}",
            view.name
        );
    }
}
