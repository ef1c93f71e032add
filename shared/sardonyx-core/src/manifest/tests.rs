use serde_json::{Value as Json, json};

use super::*;
use crate::testing::models::{list_manifest_json, manifest_json};

/// The error of the manifest of the tests with one place changed; a null removes the place.
fn error_with(pointer: &str, value: Json) -> String {
    let mut manifest = manifest_json();
    let (parent, key) = pointer.rsplit_once('/').expect("a pointer begins with a slash");
    let parent = manifest.pointer_mut(parent).expect("the parent is there");
    match parent {
        Json::Object(fields) if value.is_null() => {
            fields.remove(key);
        }
        Json::Object(fields) => {
            fields.insert(key.into(), value);
        }
        Json::Array(values) => values[key.parse::<usize>().expect("an index")] = value,
        other => panic!("{other} has no places"),
    }
    error_of(manifest.to_string().as_bytes())
}

fn error_of(json: &[u8]) -> String {
    match Manifest::from_json(json).expect_err("is invalid") {
        ManifestError::Json { path, source } => format!("{path}: {source}"),
        invalid => invalid.to_string(),
    }
}

#[test]
fn what_is_not_one_whole_json_is_no_manifest() {
    let manifest = manifest_json().to_string();
    let followed = error_of(format!("{manifest} {{}}").as_bytes());
    assert!(followed.starts_with(".: trailing characters at line 1"), "{followed}");
    let cut_off = error_of(&manifest.as_bytes()[..manifest.len() - 1]);
    assert!(cut_off.contains("EOF while parsing an object"), "{cut_off}");
}

#[test]
fn contradictions_are_named_by_their_place() {
    let feature = |index: usize, field: &str| format!("/inputs/0/features/{index}/{field}");
    for (pointer, value, expected) in [
        ("/manifest_version".into(), json!(2), "manifest: manifest_version is 2"),
        ("/name".into(), json!("Fraud"), "manifest: name must be"),
        ("/version".into(), json!("a/b"), "manifest: version must be"),
        (
            "/artifact/file".into(),
            json!("../x"),
            "manifest: artifact.file must be",
        ),
        (
            "/artifact/file".into(),
            json!("bundle-1"),
            "manifest: artifact.file must not be",
        ),
        (
            "/artifact/sha256".into(),
            json!("ABC"),
            "manifest: artifact.sha256 must be 64",
        ),
        (
            "/feature_views/0/name".into(),
            json!("user"),
            "manifest: feature_views names \"user\" twice",
        ),
        (
            "/feature_views/0/join_keys".into(),
            json!([]),
            "manifest: feature_views[0].join_keys must not be empty",
        ),
        (
            "/feature_views/0/join_keys/0/type".into(),
            json!("float64"),
            "feature_views[0].join_keys[0].type (card.card_id): unknown variant `float64`, expected one of `string`, `int64`",
        ),
        (
            "/feature_views/0/table".into(),
            json!("features"),
            "manifest: feature_views[0].table must be left out",
        ),
        (
            "/feature_views/0/layout".into(),
            json!("feast"),
            "manifest: feature_views[0].table is missing",
        ),
        (
            "/feature_views/0/features/0/type".into(),
            json!("map"),
            "feature_views[0].features[0].type (card.card_count): unknown variant `map`, expected one of `bool`",
        ),
        (
            "/feature_views/0/join_keys/0/name".into(),
            json!("user_id"),
            "manifest: feature_views.card.join_keys.user_id has another type",
        ),
        (
            "/feature_views/0/join_keys/0/name".into(),
            json!("amount"),
            "manifest: feature_views.card.join_keys.amount is also",
        ),
        (
            "/feature_views/0/max_age_seconds".into(),
            json!(0),
            "manifest: feature_views[0].max_age_seconds must be",
        ),
        (
            "/inputs/0/shape".into(),
            json!([-1, 5]),
            "manifest: inputs[0].shape is [-1, 5], but must be [-1, 6]",
        ),
        (
            feature(0, "name"),
            json!("hour"),
            "manifest: inputs[].features names \"hour\" twice",
        ),
        (
            feature(0, "type"),
            Json::Null,
            "manifest: inputs[0].features[0].type is missing",
        ),
        (
            feature(0, "source"),
            json!("nowhere"),
            "manifest: inputs[0].features[0].source is \"nowhere\"",
        ),
        (
            feature(0, "range"),
            json!({"min": 2, "max": 1}),
            "manifest: inputs[0].features[0].range must have",
        ),
        (
            feature(1, "categories"),
            Json::Null,
            "manifest: inputs[0].features[1].categories must be given",
        ),
        (
            feature(1, "missing"),
            json!({"default": "fax"}),
            "manifest: inputs[0].features[1].missing.default of channel is \"fax\", but must be one of pos, web",
        ),
        (
            feature(2, "missing"),
            json!({"default": 1.5}),
            "manifest: inputs[0].features[2].missing.default of hour is 1.5, but must be an integer that FP32 holds",
        ),
        (
            feature(3, "name"),
            json!("other"),
            "manifest: inputs[0].features[3].name is \"other\"",
        ),
        (
            feature(3, "type"),
            json!("float64"),
            "manifest: inputs[0].features[3].type contradicts",
        ),
        (
            "/inputs/0/datatype".into(),
            json!("INT64"),
            "manifest: inputs[0].features[3].missing is nan",
        ),
        (
            "/outputs/0/shape".into(),
            json!([1]),
            "manifest: outputs[0].shape must begin with -1",
        ),
        (
            "/outputs/0/role".into(),
            json!("probabilities"),
            "manifest: outputs[0].classes must name",
        ),
        (
            "/golden/rows".into(),
            json!([]),
            "manifest: golden.rows must not be empty",
        ),
        (
            "/golden/tolerance".into(),
            json!(0.5),
            "manifest: golden.tolerance must be",
        ),
        (
            "/golden/rows/0/features/amount".into(),
            Json::Null,
            "manifest: golden.rows[0].features lacks \"amount\"",
        ),
        (
            "/golden/rows/0/outputs/x".into(),
            json!(1),
            "manifest: golden.rows[0].outputs has \"x\"",
        ),
        (
            "/baseline/rows".into(),
            json!(1),
            "manifest: baseline.score.counts and the missing must add up",
        ),
        ("/surprise".into(), json!(1), "surprise: unknown field `surprise`"),
    ] {
        let error = error_with(&pointer, value.clone());
        assert!(error.starts_with(expected), "{pointer} = {value}: {error}");
    }
}

#[test]
fn a_feast_view_has_a_table_and_may_share_an_integer_key_with_a_native_one() {
    let mut manifest = manifest_json();
    let views = manifest["feature_views"].as_array_mut().expect("is a list");
    views[0]["layout"] = json!("feast");
    views[0]["table"] = json!("shop.user");
    views[0]["join_keys"] = json!([{"name": "user_id", "type": "int32"}]);
    Manifest::from_json(manifest.to_string().as_bytes()).expect("is valid");
    for (table, problem) in [
        ("a/b", "feature_views[0].table must be a DynamoDB table's name"),
        ("ab", "feature_views[0].table must be a DynamoDB table's name"),
    ] {
        manifest["feature_views"][0]["table"] = json!(table);
        let error = Manifest::from_json(manifest.to_string().as_bytes()).expect_err("is invalid");
        assert!(error.to_string().contains(problem), "{error}");
    }
}

#[test]
fn a_list_fills_as_many_columns_as_it_has_elements() {
    let check = |manifest: &Json| Manifest::from_json(manifest.to_string().as_bytes());
    let valid = list_manifest_json();
    check(&valid).expect("is valid");
    for (pointer, value, expected) in [
        (
            "/inputs/0/shape",
            json!([-1, 6]),
            "inputs[0].shape is [-1, 6], but must be [-1, 8] for 8 columns",
        ),
        (
            "/feature_views/1/features/1/length",
            json!(0),
            "feature_views[1].features.user_score.length must be from 1 to",
        ),
        (
            "/feature_views/0/features/0/length",
            json!(2),
            "feature_views[0].features.card_count.length must be left out: rows of the layout native",
        ),
        (
            "/feature_views/1/features/1/type",
            json!("string"),
            "feature_views[1].features.user_score.length must be left out: a list of strings",
        ),
        (
            "/inputs/0/features/4/missing",
            json!({"default": [1, 2]}),
            "inputs[0].features[4].missing.default of user_score is [1,2], but must be a number in the range that FP32 holds, \
             or a list of 3 of them",
        ),
        (
            "/inputs/0/features/4/missing",
            json!({"default": [1, 2, 11]}),
            "inputs[0].features[4].missing.default of user_score",
        ),
        (
            "/baseline/features",
            json!({"user_score": {"edges": [0], "counts": [], "missing": 0}}),
            "baseline.features.user_score must be left out",
        ),
    ] {
        let mut manifest = valid.clone();
        *manifest.pointer_mut(pointer).unwrap_or(&mut Json::Null) = value.clone();
        if pointer.starts_with("/feature_views/0") {
            manifest["feature_views"][0]["features"][0]["length"] = value;
        }
        let error = check(&manifest).expect_err(pointer).to_string();
        assert!(
            error.starts_with(&format!("manifest: {expected}")),
            "{pointer}: {error}"
        );
    }
}

#[test]
fn a_range_is_meant_in_the_precision_of_its_feature() {
    let range = Range {
        min: Some(0.1),
        max: Some(0.7),
    };
    assert!(range.contains_single(0.1) && range.contains_single(0.7));
    assert!(!range.contains_single(0.099_999) && !range.contains_single(0.700_001) && !range.contains_single(f32::NAN));
    assert!(range.contains(0.1) && !range.contains(f64::from(0.7_f32) + 1e-6) && !range.contains(f64::NAN));
}
