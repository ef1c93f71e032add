//! That the check passes where all is equal, and that it says what is not.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use sardonyx_core::feature_row::{FeatureRow, Stored};
use sardonyx_core::manifest::Manifest;
use sardonyx_core::ports::{Model, ModelError, OnlineStore, StoreError, ViewRead, ViewRows};
use sardonyx_core::tensor::{Tensor, TensorData, TensorSpec};
use sardonyx_core::testing::InMemoryOnlineStore;
use sardonyx_core::testing::models::{self, SumModel};
use sardonyx_core::testing::offers;
use sardonyx_core::value::FeatureValue;
use sardonyx_ingest::Format;
use serde_json::{Value as Json, json};

use super::compare;
use super::replay::Replay;
use super::sample::Sample;

/// A store that changes what it gives, or that gives nothing.
struct Faulty {
    store: Arc<InMemoryOnlineStore>,
    /// Whether the row is given at all.
    change: fn(&mut FeatureRow) -> bool,
}

#[async_trait]
impl OnlineStore for Faulty {
    async fn fetch(&self, reads: &[ViewRead<'_>], timeout: Duration) -> Result<Vec<ViewRows>, StoreError> {
        let mut views = self.store.fetch(reads, timeout).await?;
        for row in views.iter_mut().flat_map(|view| &mut view.rows).flatten() {
            let mut changed = FeatureRow::clone(row.as_ref().expect("is written"));
            *row = (self.change)(&mut changed).then(|| Arc::new(changed));
        }
        Ok(views)
    }
}

/// A model of inputs of any type that says 0.5 of each row.
struct HalfModel;

impl Model for HalfModel {
    fn inputs(&self) -> &[TensorSpec] {
        &[]
    }

    fn outputs(&self) -> &[TensorSpec] {
        &[]
    }

    fn infer(&self, inputs: &[Tensor]) -> Result<Vec<Tensor>, ModelError> {
        let rows = inputs[0].rows();
        Ok(vec![
            Tensor::new(vec![rows, 1], TensorData::Fp32(vec![0.5; rows])).expect("fits"),
        ])
    }
}

fn unchanged(_: &mut FeatureRow) -> bool {
    true
}

/// Checks rows of JSON on a store in memory; the message of the command.
async fn check(
    manifest: &Json,
    model: impl Model + 'static,
    change: fn(&mut FeatureRow) -> bool,
    rows: &[Json],
) -> Result<String, String> {
    let manifest = Manifest::from_json(manifest.to_string().as_bytes()).expect("is valid");
    let lines: Vec<_> = rows.iter().map(Json::to_string).collect();
    let source = Arc::new(lines.join("\n").into_bytes());
    let store = Arc::new(InMemoryOnlineStore::default());
    let faulty = Faulty {
        store: Arc::clone(&store),
        change,
    };
    let result = async {
        let mut replay = Replay::new(&manifest, "run", store, Arc::new(faulty), Arc::new(model))?;
        let mut sample = Sample::open(&manifest, source, Format::JsonLines { gzip: false })?;
        compare(&manifest, &mut sample, &mut replay).await
    };
    result.await.map_err(|error| error.to_string())
}

/// Two rows of the model of the tests: all values; and as little as there can be, so that each policy acts.
fn rows() -> [Json; 2] {
    [
        json!({"amount": 12.5, "channel": "pos", "hour": 3, "card_count": 7, "user_score": 0.25, "user_age": 30,
            "input.x.0": 12.5, "input.x.1": 0, "input.x.2": 3, "input.x.3": 7, "input.x.4": 0.25, "input.x.5": 30,
            "output.sum.0": 52.75}),
        json!({"amount": 1, "hour": null, "card_count": null, "user_score": "NaN", "user_age": 40,
            "input.x.0": 1, "input.x.1": 1, "input.x.2": 12, "input.x.3": "NaN", "input.x.4": 0.5, "input.x.5": 40,
            "output.sum.0": 1054.5}),
    ]
}

/// The difference that there is, without the summary before it.
async fn only_difference(
    manifest: &Json,
    model: impl Model + 'static,
    change: fn(&mut FeatureRow) -> bool,
    rows: &[Json],
) -> String {
    let message = check(manifest, model, change, rows).await.expect_err("differs");
    let (summary, difference) = message.split_once("\n  ").expect("has two lines");
    assert!(summary.starts_with("sum version 7: 1 differences in "), "{message}");
    assert!(!difference.contains('\n'), "{message}");
    difference.to_owned()
}

/// A model of one stored feature, in a tensor and a view of these types.
fn single_feature(datatype: &str, value_type: &str) -> Json {
    let mut manifest = models::manifest_json();
    manifest["feature_views"] = json!([{"name": "user", "join_keys": [{"name": "user_id", "type": "int64"}],
        "features": [{"name": "user_score", "type": value_type}, {"name": "not_used", "type": "string"}]}]);
    manifest["inputs"][0]["datatype"] = json!(datatype);
    manifest["inputs"][0]["shape"] = json!([-1, 1]);
    manifest["inputs"][0]["features"] = json!([{"name": "user_score", "source": "user", "missing": "reject"}]);
    manifest["golden"]["rows"][0]["features"] = json!({"user_score": 1});
    manifest
}

fn single_row(raw: Json, trained: Json) -> [Json; 1] {
    [json!({"user_score": raw, "input.x.0": trained, "output.sum.0": 0.5})]
}

fn change_values(row: &mut FeatureRow, change: impl Fn(&mut FeatureValue)) -> bool {
    for value in &mut row.values {
        if let Stored::Value(value) = value {
            change(value);
        }
    }
    true
}

#[tokio::test]
async fn equal_rows_pass_whatever_the_policies_fill_in() {
    let passed = check(&models::manifest_json(), SumModel::default(), unchanged, &rows()).await;
    let message = "sum version 7: 2 rows of 6 features bit-equal; outputs within 1e-5 (worst 0.0e0)";
    assert_eq!(passed.as_deref(), Ok(message));
}

#[tokio::test]
async fn a_sample_of_many_batches_is_checked_to_its_end() {
    let mut many: Vec<_> = rows().into_iter().cycle().take(300).collect();
    let manifest = models::manifest_json();
    let passed = check(&manifest, SumModel::default(), unchanged, &many).await;
    assert!(passed.is_ok_and(|message| message.contains(": 300 rows of 6 features bit-equal")));

    for row in &mut many {
        row["input.x.5"] = json!(31);
    }
    let message = check(&manifest, SumModel::default(), unchanged, &many)
        .await
        .expect_err("differs");
    let lines: Vec<_> = message.lines().collect();
    assert_eq!(lines[0], "sum version 7: 300 differences in 300 rows");
    assert_eq!(lines.len(), 1 + 20 + 1);
    assert_eq!(lines[21], "  and 280 more");
}

#[tokio::test]
async fn a_default_that_differs_is_the_policys() {
    let mut manifest = models::manifest_json();
    manifest["inputs"][0]["features"][4]["missing"] = json!({"default": 0.75});
    let mut rows = rows();
    rows[1]["output.sum.0"] = json!(1054.75);
    let difference = only_difference(&manifest, SumModel::default(), unchanged, &rows).await;
    let expected = "line 2: user_score (input.x.4): trained on 0.5 (0x3f000000), served 0.75 (0x3f400000): by the missing-value policy: \
         NaN (0x7ff8000000000000) is not a number, for which the manifest gives the default 0.75";
    assert_eq!(difference, expected);
}

#[tokio::test]
async fn a_swapped_order_of_features_is_named() {
    let mut manifest = models::manifest_json();
    let features = manifest["inputs"][0]["features"].as_array_mut().expect("is a list");
    features.swap(2, 5);
    let message = check(&manifest, SumModel::default(), unchanged, &rows())
        .await
        .expect_err("differs");
    let lines: Vec<_> = message.lines().collect();
    assert_eq!(lines[0], "sum version 7: 4 differences in 2 rows");
    assert_eq!(
        lines[1],
        "  user_age (input.x.2) is what training had in input.x.5: the order of the features is another one"
    );
    assert_eq!(
        lines[3],
        "  line 1: user_age (input.x.2): trained on 3 (0x40400000), served 30 (0x41f00000): by the encoding of 30 as FP32"
    );
}

#[tokio::test]
async fn single_precision_where_training_had_double_is_seen() {
    let rows = single_row(json!(0.1), json!(0.1));
    let passed = check(&single_feature("FP64", "float64"), HalfModel, unchanged, &rows).await;
    assert!(passed.is_ok(), "{passed:?}");
    let difference = only_difference(&single_feature("FP64", "float32"), HalfModel, unchanged, &rows).await;
    let expected = "line 1: user_score (input.x.0): trained on 0.1 (0x3fb999999999999a), served 0.10000000149011612 \
         (0x3fb99999a0000000): by the encoding of 0.1 (0x3dcccccd) as FP64";
    assert_eq!(difference, expected);
}

#[tokio::test]
async fn an_integer_beyond_2_to_the_53_must_come_back_exactly() {
    let integer = (1_i64 << 53) + 1;
    let manifest = single_feature("INT64", "int64");
    let rows = single_row(json!(integer), json!(integer));
    let passed = check(&manifest, HalfModel, unchanged, &rows).await;
    assert!(passed.is_ok(), "{passed:?}");

    let through_floats = |row: &mut FeatureRow| {
        change_values(row, |value| {
            if let FeatureValue::Int64(value) = value {
                *value = *value as f64 as i64;
            }
        })
    };
    let difference = only_difference(&manifest, HalfModel, through_floats, &rows).await;
    let expected = "line 1: user_score (input.x.0): trained on 9007199254740993, served 9007199254740992: between write and read: \
         9007199254740993 was written, 9007199254740992 read";
    assert_eq!(difference, expected);
}

#[tokio::test]
async fn a_negative_zero_is_not_zero() {
    let manifest = single_feature("FP32", "float32");
    let rows = single_row(json!(-0.0), json!(-0.0));
    let passed = check(&manifest, HalfModel, unchanged, &rows).await;
    assert!(passed.is_ok(), "{passed:?}");

    let without_signs = |row: &mut FeatureRow| {
        change_values(row, |value| {
            if let FeatureValue::Float32(value) = value {
                *value += 0.0;
            }
        })
    };
    let difference = only_difference(&manifest, HalfModel, without_signs, &rows).await;
    let expected = "line 1: user_score (input.x.0): trained on -0 (0x80000000), served 0 (0x00000000): between write and read: \
         -0 (0x80000000) was written, 0 (0x00000000) read";
    assert_eq!(difference, expected);
    let trained = only_difference(&manifest, HalfModel, unchanged, &single_row(json!(-0.0), json!(0.0))).await;
    assert!(
        trained.ends_with("served -0 (0x80000000): by the encoding of -0 (0x80000000) as FP32"),
        "{trained}"
    );
}

#[tokio::test]
async fn outputs_are_held_to_the_golden_tolerance() {
    let manifest = models::manifest_json();
    let mut rows = rows();
    rows[0]["output.sum.0"] = json!(52.7502);
    let passed = check(&manifest, SumModel::default(), unchanged, &rows).await;
    assert!(passed.is_ok_and(|message| message.ends_with("outputs within 1e-5 (worst 3.8e-6)")));
    rows[0]["output.sum.0"] = json!(52.76);
    let difference = only_difference(&manifest, SumModel::default(), unchanged, &rows).await;
    let expected = "line 1: output.sum.0: the training library gives 52.76 (0x42530a3d), the model 52.75 (0x42530000)";
    assert_eq!(difference, expected);

    let mut label = manifest;
    label["outputs"][0]["role"] = json!("label");
    rows[0]["output.sum.0"] = json!(52.7502);
    let difference = only_difference(&label, SumModel::default(), unchanged, &rows).await;
    assert!(difference.contains("gives 52.7502 "), "{difference}");
}

#[tokio::test]
async fn a_row_that_the_service_refuses_is_a_difference() {
    let manifest = models::manifest_json();
    let mut rows = rows();
    rows[0]["amount"] = json!(5000);
    let difference = only_difference(&manifest, SumModel::default(), unchanged, &rows).await;
    let expected = "line 1: is not predicted: line 1.amount: expected a number from 0 to 1000, got 5000.0";
    assert_eq!(difference, expected);

    rows[0]["amount"] = json!(f64::from(SumModel::POISON));
    let difference = only_difference(&manifest, SumModel::default(), unchanged, &rows).await;
    let expected = "line 1: is not predicted: the prediction failed: the model failed: poisoned";
    assert_eq!(difference, expected);
}

#[tokio::test(start_paused = true)]
async fn a_row_that_does_not_come_back_is_waited_for_and_then_told() {
    let mut manifest = single_feature("FP32", "float32");
    manifest["inputs"][0]["features"][0]["missing"] = json!("nan");
    let rows = single_row(json!(2), json!(2));
    let difference = only_difference(&manifest, HalfModel, |_| false, &rows).await;
    let expected = "line 1: user_score (input.x.0): trained on 2 (0x40000000), served NaN (0x7fc00000): between write and read: \
         2 (0x40000000) was written, no row read";
    assert_eq!(difference, expected);
}

#[tokio::test]
async fn a_sample_that_is_not_whole_is_refused() {
    let manifest = models::manifest_json();
    let refused =
        |rows: Vec<Json>| async move { check(&models::manifest_json(), SumModel::default(), unchanged, &rows).await };
    let none = refused(vec![]).await;
    assert_eq!(
        none,
        Err("sum version 7: the sample has no rows, so that nothing was checked".into())
    );

    let mut row = rows()[0].clone();
    let fields = row.as_object_mut().expect("is an object");
    fields.remove("input.x.5");
    fields.remove("output.sum.0");
    let missing = refused(vec![rows()[0].clone(), row]).await;
    let expected = "line 2 of the sample: input.x.5: is missing; output.sum.0: is missing";
    assert_eq!(missing, Err(expected.into()));

    let mut row = rows()[0].clone();
    row["input.x.6"] = json!(1);
    let unknown = refused(vec![row]).await.expect_err("is unknown");
    assert!(
        unknown.starts_with("line 1 of the sample: input.x.6: is neither"),
        "{unknown}"
    );

    let mut feast = manifest;
    feast["feature_views"][1]["layout"] = json!("feast");
    feast["feature_views"][1]["table"] = json!("shop.user");
    let refused = check(&feast, SumModel::default(), unchanged, &rows())
        .await
        .expect_err("is Feast's");
    assert!(
        refused.starts_with("the view user has Feast's layout, which only Feast writes"),
        "{refused}"
    );
}

#[tokio::test]
async fn an_offer_is_packed_and_ranked() {
    let manifest = offers::manifest_json();
    let good = json!({"user_age": 30, "category": "travel", "discount": null, "hour": 9, "price": 20,
        "input.x.0": 30, "input.x.1": 1, "input.x.2": 1, "input.x.3": 9, "input.x.4": 20, "output.sum.0": 0.5});
    let mut second = good.clone();
    second["user_age"] = Json::Null;
    second["input.x.0"] = json!("NaN");
    let passed = check(&manifest, HalfModel, unchanged, &[good.clone(), second]).await;
    assert_eq!(
        passed,
        Ok("offers version 7: 2 rows of 5 features bit-equal; outputs within 1e-5 (worst 0.0e0)".into())
    );

    let difference = |changes: Json| {
        let (manifest, mut row) = (manifest.clone(), good.clone());
        let changes = changes.as_object().expect("is an object").clone();
        row.as_object_mut().expect("is an object").extend(changes);
        async move {
            let found = check(&manifest, HalfModel, unchanged, &[row])
                .await
                .expect_err("differs");
            let (summary, difference) = found.split_once("\n  ").expect("has two lines");
            assert_eq!(summary, "offers version 7: 1 differences in 1 rows");
            difference.to_owned()
        }
    };
    let of_offer = difference(json!({"price": 21})).await;
    assert!(
        of_offer.starts_with("line 1: price (input.x.4): trained on 20 (0x41a00000), served 21 (0x41a80000)"),
        "{of_offer}"
    );
    let of_request = difference(json!({"hour": 8})).await;
    assert!(
        of_request.starts_with("line 1: hour (input.x.3): trained on 9"),
        "{of_request}"
    );
    let refused = difference(json!({"category": "cars"})).await;
    assert!(
        refused.starts_with("line 1: is not predicted: the offer: category: "),
        "{refused}"
    );
}
