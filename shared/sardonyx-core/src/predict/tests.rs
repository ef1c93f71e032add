use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use serde_json::{Value as Json, json};

use super::*;
use crate::encode::MissingReason;
use crate::entity::{EntityKey, KeyValue};
use crate::error::ErrorKind;
use crate::feature_row::{FeatureRow, Stored};
use crate::ports::{FeatureWriter, RowWrite};
use crate::testing::InMemoryOnlineStore;
use crate::testing::conformance::block_on;
use crate::testing::models::{self, Sum, SumModel, SumPostprocess, manifest};
use crate::value::FeatureValue;

const NOW_MS: i64 = 1_800_000_000_000;

struct Fixture {
    store: Arc<InMemoryOnlineStore>,
    predictor: Predictor<SumPostprocess>,
}

impl Fixture {
    /// Card `c` has a count of 3; user 1 has an age of 30 and a score of 2.
    fn new() -> Self {
        let store = Arc::new(InMemoryOnlineStore::default());
        let predictor = Predictor::new(
            Arc::new(manifest()),
            Arc::clone(&store) as _,
            Arc::new(SumModel::default()),
            SumPostprocess,
        );
        let fixture = Self { store, predictor };
        fixture.write_card(row(1, vec![Stored::Value(FeatureValue::Int64(3))]));
        fixture.write_user(row(1, user_values(FeatureValue::Float64(2.0))));
        fixture
    }

    fn write_card(&self, row: FeatureRow) {
        self.write(0, KeyValue::String("c".into()), row);
    }

    fn write_user(&self, row: FeatureRow) {
        self.write(1, KeyValue::Int64(1), row);
    }

    fn write(&self, view: usize, key: KeyValue, row: FeatureRow) {
        let entity = EntityKey(vec![key]);
        let view = &self.predictor.served().manifest().feature_views[view];
        self.store.put(view, RowWrite { entity, row });
    }

    fn predict_all(&self, instances: &[Json]) -> Result<Vec<PredictionResult<Sum>>, PredictError> {
        block_on(
            self.predictor
                .predict(models::instances(instances), models::context(NOW_MS)),
        )
    }

    fn predict(&self, instance: Json) -> PredictionResult<Sum> {
        self.predict_all(&[instance]).and_then(|mut results| results.remove(0))
    }

    fn message(&self, changes: Json) -> String {
        self.predict(instance(changes))
            .expect_err("is refused")
            .public_message()
    }
}

fn row(age_seconds: i64, values: Vec<Stored>) -> FeatureRow {
    FeatureRow {
        event_time_ms: NOW_MS - age_seconds * 1000,
        expires_at_seconds: None,
        values,
    }
}

fn user_values(score: FeatureValue) -> Vec<Stored> {
    vec![Stored::Value(FeatureValue::Int64(30)), Stored::Value(score)]
}

fn instance(changes: Json) -> Json {
    let mut instance = json!({"card_id": "c", "user_id": 1, "amount": 100, "channel": "pos", "hour": 9});
    let fields = instance.as_object_mut().expect("is an object");
    for (name, value) in changes.as_object().expect("is an object") {
        if value == "remove" {
            fields.remove(name);
        } else {
            fields.insert(name.clone(), value.clone());
        }
    }
    instance
}

#[test]
fn request_and_stored_features_meet_in_the_order_of_the_manifest() {
    let prediction = Fixture::new().predict(instance(json!({}))).expect("is predicted");
    assert_eq!(prediction.prediction_id, "id-0");
    assert_eq!(prediction.output.sum, 100.0 + 0.0 + 9.0 + 3.0 + 2.0 + 30.0);
    assert_eq!(
        (prediction.defaulted, prediction.stale),
        (Defaulted::new(), BTreeMap::new())
    );
}

#[test]
fn what_is_missing_follows_its_policy_and_is_reported() {
    let fixture = Fixture::new();
    let prediction = fixture
        .predict(instance(json!({"channel": "remove", "hour": null})))
        .expect("is predicted");
    assert_eq!(prediction.output.sum, 100.0 + 1.0 + 12.0 + 3.0 + 2.0 + 30.0);
    let expected = [("channel", MissingReason::Absent), ("hour", MissingReason::Null)];
    assert_eq!(
        prediction.defaulted,
        expected.map(|(name, reason)| (name.to_owned(), reason)).into()
    );

    let prediction = fixture
        .predict(instance(json!({"channel": "fax", "card_id": "nobody"})))
        .expect("is predicted");
    assert_eq!(prediction.output.sum, 100.0 + 1.0 + 9.0 + 1000.0 + 2.0 + 30.0);
    let expected = [
        ("channel", MissingReason::UnknownCategory),
        ("card_count", MissingReason::Absent),
    ];
    assert_eq!(
        prediction.defaulted,
        expected.map(|(name, reason)| (name.to_owned(), reason)).into()
    );
}

#[test]
fn a_stored_null_a_stored_nan_and_a_stored_zero_are_three_things() {
    let fixture = Fixture::new();
    let score_reason = |stored: Stored| {
        fixture.write_user(row(1, vec![Stored::Value(FeatureValue::Int64(30)), stored]));
        let prediction = fixture.predict(instance(json!({}))).expect("is predicted");
        (
            prediction.output.sum - 142.0,
            prediction.defaulted.get("user_score").copied(),
        )
    };
    assert_eq!(score_reason(Stored::Null), (0.5, Some(MissingReason::Null)));
    assert_eq!(score_reason(Stored::Absent), (0.5, Some(MissingReason::Absent)));
    assert_eq!(
        score_reason(Stored::Value(FeatureValue::Float64(f64::NAN))),
        (0.5, Some(MissingReason::Nan))
    );
    assert_eq!(score_reason(Stored::Value(FeatureValue::Float64(0.0))), (0.0, None));
    assert_eq!(
        score_reason(Stored::Value(FeatureValue::Float64(11.0))),
        (0.5, Some(MissingReason::OutOfRange))
    );
}

#[test]
fn stale_rows_are_served_or_refused_as_the_view_says() {
    let fixture = Fixture::new();
    let count = || vec![Stored::Value(FeatureValue::Int64(3))];
    fixture.write_card(row(100, count()));
    assert!(
        fixture
            .predict(instance(json!({})))
            .expect("is predicted")
            .stale
            .is_empty()
    );
    fixture.write_card(row(101, count()));
    let prediction = fixture.predict(instance(json!({}))).expect("is predicted");
    assert_eq!(prediction.stale, BTreeMap::from([("card".to_owned(), 101)]));
    assert_eq!(prediction.output.sum, 144.0, "the stale value is served");

    fixture.write_user(row(101, user_values(FeatureValue::Float64(2.0))));
    let error = fixture.predict(instance(json!({}))).expect_err("is refused");
    assert_eq!(error.kind(), ErrorKind::StaleFeatures);
    assert_eq!(
        error.public_message(),
        "the features of user are 101 s old, and the model accepts 100 s"
    );
}

#[test]
fn a_row_past_its_time_to_live_is_not_there() {
    let fixture = Fixture::new();
    let mut expired = row(1, vec![Stored::Value(FeatureValue::Int64(3))]);
    expired.expires_at_seconds = Some(NOW_MS / 1000);
    fixture.write_card(expired);
    let prediction = fixture.predict(instance(json!({}))).expect("is predicted");
    assert_eq!(prediction.defaulted.get("card_count"), Some(&MissingReason::Absent));
}

#[test]
fn a_required_feature_without_a_value_is_not_found() {
    let fixture = Fixture::new();
    let error = fixture
        .predict(instance(json!({"user_id": 2})))
        .expect_err("is refused");
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert_eq!(
        error.public_message(),
        "instances[0].user_id: user_age of user has no usable value for this entity (absent), and the model needs one"
    );
}

#[test]
fn what_the_caller_must_change_is_named() {
    let fixture = Fixture::new();
    for (changes, message) in [
        (
            json!({"amount": "x"}),
            r#"instances[0].amount: expected a number from 0 to 1000, got "x""#,
        ),
        (
            json!({"amount": -1}),
            "instances[0].amount: expected a number from 0 to 1000, got -1",
        ),
        (
            json!({"amount": "NaN"}),
            r#"instances[0].amount: expected a number from 0 to 1000, got "NaN""#,
        ),
        (
            json!({"amount": null}),
            "instances[0].amount: expected a number from 0 to 1000, got null",
        ),
        (
            json!({"amount": "remove"}),
            "instances[0].amount: is missing; give a number from 0 to 1000",
        ),
        (
            json!({"amount": 1e300}),
            "instances[0].amount: expected a number from 0 to 1000, got 1e+300",
        ),
        (json!({"hour": 1.5}), "instances[0].hour: expected an integer, got 1.5"),
        (json!({"channel": 7}), "instances[0].channel: expected a string, got 7"),
        (
            json!({"card_id": 7}),
            "instances[0].card_id: expected a string that is not empty, got 7",
        ),
        (
            json!({"card_id": ""}),
            r#"instances[0].card_id: expected a string that is not empty, got """#,
        ),
        (
            json!({"user_id": "remove"}),
            "instances[0].user_id: is missing; give an integer",
        ),
        (
            json!({"amuont": 1}),
            r#"instances[0]: has a field that this model does not take; it takes amount, card_id, channel, hour, user_id, got "amuont""#,
        ),
        (
            json!({"user_age": 1}),
            r#"instances[0]: has a field that this model does not take; it takes amount, card_id, channel, hour, user_id, got "user_age""#,
        ),
    ] {
        assert_eq!(fixture.message(changes), message);
    }
}

#[test]
fn an_instance_fails_alone() {
    let fixture = Fixture::new();
    let (poison, panic) = (json!({"amount": SumModel::POISON}), json!({"amount": SumModel::PANIC}));
    let instances: Vec<_> = [
        json!({}),
        json!({"amount": "x"}),
        poison,
        panic,
        json!({"amount": SumModel::PANIC_SUM - 44.0}),
        json!({"user_id": 2}),
        json!({"amount": 1}),
    ]
    .into_iter()
    .map(instance)
    .collect();
    let results = fixture.predict_all(&instances).expect("the batch is predicted");
    let kinds: Vec<_> = results
        .iter()
        .map(|result| result.as_ref().map(|it| it.output.sum).map_err(PredictError::kind))
        .collect();
    assert_eq!(
        kinds,
        [
            Ok(144.0),
            Err(ErrorKind::InvalidInput),
            Err(ErrorKind::Model),
            Err(ErrorKind::Model),
            Err(ErrorKind::Model),
            Err(ErrorKind::NotFound),
            Ok(45.0)
        ]
    );
    let ids: Vec<_> = results
        .iter()
        .flatten()
        .map(|prediction| prediction.prediction_id.as_str())
        .collect();
    assert_eq!(ids, ["id-0", "id-6"]);
}

#[test]
fn a_row_that_cannot_be_read_fails_its_instance_alone() {
    let fixture = Fixture::new();
    let mut view = fixture.predictor.served().manifest().feature_views[0].clone();
    view.features[0].name = "another_schema".into();
    let row = row(1, vec![Stored::Value(FeatureValue::Int64(3))]);
    let write = RowWrite {
        entity: EntityKey(vec![KeyValue::String("old".into())]),
        row,
    };
    fixture.store.put(&view, write);
    let results = fixture
        .predict_all(&[instance(json!({"card_id": "old"})), instance(json!({}))])
        .expect("is predicted");
    assert_eq!(
        results[0].as_ref().map_err(PredictError::kind).err(),
        Some(ErrorKind::Model)
    );
    assert_eq!(
        results[1].as_ref().map(|prediction| prediction.output.sum).ok(),
        Some(144.0)
    );
}

#[test]
fn features_that_cannot_be_read_are_never_taken_for_missing() {
    let fixture = Fixture::new();
    fixture.store.set_failure(Some("throttled"));
    let error = fixture.predict(instance(json!({}))).expect_err("is refused");
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert!(!error.public_message().contains("throttled"));
}

#[test]
fn the_stages_are_observed_in_order() {
    let fixture = Fixture::new();
    let stages = Mutex::new(vec![]);
    let stage_done = |stage| stages.lock().expect("no panic").push(stage);
    let context = PredictContext {
        stage_done: &stage_done,
        ..models::context(NOW_MS)
    };
    assert!(
        block_on(fixture.predictor.predict(vec![], context))
            .expect("is empty")
            .is_empty()
    );
    assert_eq!(
        *stages.lock().expect("no panic"),
        [Stage::Parse, Stage::Features, Stage::Inference]
    );
}

#[test]
fn a_prediction_says_which_snapshots_it_used() {
    let fixture = Fixture::new();
    let prediction = fixture.predict(instance(json!({}))).expect("is predicted");
    assert_eq!(*prediction.snapshots, BTreeMap::new());
    let json = serde_json::to_value(&prediction).expect("is JSON");
    assert_eq!(json.get("snapshots"), None);

    let view = &fixture.predictor.served().manifest().feature_views[0];
    let id = SnapshotId::new("s-1").expect("is an id");
    let write = RowWrite {
        entity: EntityKey(vec![KeyValue::String("c".into())]),
        row: row(1, vec![Stored::Value(FeatureValue::Int64(4))]),
    };
    block_on(async {
        fixture.store.write(view, &id, &[write]).await.expect("writes");
        let mut snapshots = fixture.store.snapshots(view).await.expect("answers");
        snapshots.current = Some(id);
        assert!(
            fixture
                .store
                .replace_snapshots(view, &snapshots)
                .await
                .expect("answers")
        );
    });
    let prediction = fixture.predict(instance(json!({}))).expect("is predicted");
    assert_eq!(prediction.output.sum, 100.0 + 0.0 + 9.0 + 4.0 + 2.0 + 30.0);
    let json = serde_json::to_value(&prediction).expect("is JSON");
    assert_eq!(json["snapshots"], json!({"card": "s-1"}));
}
