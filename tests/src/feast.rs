//! Rows that a real Feast materialised into the local AWS, as Feast reads them and as the online store does.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use sardonyx_aws::DynamoDbOnlineStore;
use sardonyx_core::entity::{EntityKey, KeyValue};
use sardonyx_core::feature_row::Stored;
use sardonyx_core::manifest::{FeatureView, StoredFeature};
use sardonyx_core::ports::{OnlineStore, ViewRead, ViewRows};
use sardonyx_core::value::{FeatureValue, ListValue};
use serde_json::Value as Json;

use crate::local_aws::LocalAws;
use crate::models::{now_ms, repository};

/// What `tests/feast/materialise.py` put in, and what Feast gives for it.
struct Answers {
    folder: PathBuf,
    by_view: Json,
}

impl Answers {
    /// Lets Feast apply, materialise and answer.
    fn from_feast() -> Self {
        let folder = repository("target/feast");
        let python = repository(".tools/feast/bin/python");
        assert!(python.exists(), "Feast is not installed: `make test` does that");
        let script = repository("tests/feast/materialise.py");
        output(Command::new(python).arg(script).arg(&folder));
        let answers = std::fs::read(folder.join("answers.json")).expect("is written");
        let by_view = serde_json::from_slice(&answers).expect("is JSON");
        Self { folder, by_view }
    }

    fn of(&self, view: &FeatureView) -> &Vec<Json> {
        self.by_view[&view.name].as_array().expect("is a list")
    }

    fn entities(&self, view: &FeatureView) -> Vec<EntityKey> {
        let entity = |answer: &Json| {
            let key = view
                .join_keys
                .iter()
                .map(|key| KeyValue::from_json(&answer["keys"][&key.name], key.key_type).expect("is a key"));
            EntityKey(key.collect())
        };
        self.of(view).iter().map(entity).collect()
    }
}

fn output(command: &mut Command) -> Vec<u8> {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {errors}");
    output.stdout
}

/// The views of a feature service, as `sardonyx features import-feast` gives them.
fn import(folder: &Path, feature_service: &str, list_length: u32) -> Vec<FeatureView> {
    let mut command = Command::new(repository("target/release/sardonyx"));
    command.args(["features", "import-feast", "--feature-service", feature_service]);
    for list in LISTS {
        command.arg("--length").arg(format!("lists.{list}={list_length}"));
    }
    let views = output(command.arg(folder.join("feature_store.yaml")));
    serde_json::from_slice(&views).expect("is JSON")
}

async fn fetch(aws: &LocalAws, answers: &Answers, views: &[FeatureView]) -> Vec<ViewRows> {
    let store = DynamoDbOnlineStore::new(aws.dynamodb(), aws.text("/feature_table"));
    let entities: Vec<_> = views.iter().map(|view| answers.entities(view)).collect();
    let reads: Vec<_> = views
        .iter()
        .zip(&entities)
        .map(|(view, entities)| ViewRead { view, entities })
        .collect();
    store.fetch(&reads, Duration::from_secs(10)).await.expect("reads")
}

/// The lists of the view `lists`.
const LISTS: [&str; 6] = ["floats", "doubles", "ints", "longs", "flags", "times"];

/// What a value of the script's JSON is in the store; what the JSON does not have is absent.
fn stored(json: Option<&Json>, feature: &StoredFeature) -> Stored {
    match json {
        None => Stored::Absent,
        Some(Json::Null) => Stored::Null,
        Some(json) => {
            let stored = match feature.length {
                None => FeatureValue::from_json(json, feature.value_type).map(Stored::Value),
                Some(_) => ListValue::from_json(json, feature.value_type).map(Stored::List),
            };
            stored.unwrap_or_else(|| panic!("{json} is not of the type of {}", feature.name))
        }
    }
}

/// Whether they are the same to the bit, where a NaN is a NaN.
fn same(left: &Stored, right: &Stored) -> bool {
    format!("{left:?}") == format!("{right:?}")
}

/// What Feast loses when it materialises, so that no reader can have it: on the way it goes through pandas, for which a NaN is a null, and
/// integers beside a null are doubles. By view, entity and feature.
const LOST_BY_FEAST: [(&str, i64, &str); 3] = [("by_int64", 5, "f32"), ("by_int64", 5, "f64"), ("by_int64", 6, "i64")];

#[tokio::test]
#[ignore = "needs the local AWS of `make test`, and Feast"]
async fn every_value_is_what_feast_reads_and_what_was_put_in() {
    let aws = LocalAws::connect().await;
    let answers = Answers::from_feast();
    let views = import(&answers.folder, "all", 3);
    let rows = fetch(&aws, &answers, &views).await;
    let (mut compared, mut lost) = (0, Vec::new());
    for (view, rows) in views.iter().zip(&rows) {
        for (answer, row) in answers.of(view).iter().zip(&rows.rows) {
            let row = row.as_ref().unwrap_or_else(|error| panic!("{error}"));
            let Some(row) = row else {
                assert!(answer["put_in"].is_null(), "{}: {answer}", view.name);
                continue;
            };
            assert_eq!(
                Some(row.event_time_ms),
                answer["event_time_ms"].as_i64(),
                "{}",
                view.name
            );
            for (feature, found) in view.features.iter().zip(&row.values) {
                let place = format!("{} {} {}", view.name, answer["keys"], feature.name);
                let put_in = stored(answer["put_in"].get(&feature.name), feature);
                // Feast's None is a null as well as nothing at all.
                let feast = match stored(answer["feast"].get(&feature.name), feature) {
                    Stored::Null if put_in == Stored::Absent => Stored::Absent,
                    other => other,
                };
                assert!(same(found, &feast), "{place}: {found:?}, and Feast reads {feast:?}");
                if !same(found, &put_in) {
                    lost.push((
                        view.name.clone(),
                        answer["keys"]["user_id"].as_i64(),
                        feature.name.clone(),
                    ));
                }
                compared += 1;
            }
        }
    }
    let expected = LOST_BY_FEAST.map(|(view, user, feature)| (view.to_owned(), Some(user), feature.to_owned()));
    assert_eq!(lost, expected);
    assert_eq!(compared, 151);

    feasts_frames_lose_what_the_rows_hold(&answers, &views, &rows);
    a_row_past_its_views_time_to_live_is_stale(&answers, &views, &rows);
}

/// Where Feast is wrong, by entity and feature: its data frames make a NaN of a null, and round integers beside a null.
const WRONG_IN_FEASTS_FRAMES: [(i64, &str); 4] = [(50, "i64"), (51, "i64"), (51, "f32"), (51, "f64")];

fn feasts_frames_lose_what_the_rows_hold(answers: &Answers, views: &[FeatureView], rows: &[ViewRows]) {
    let (view, rows) = of_view("by_int64", views, rows);
    let mut wrong = Vec::new();
    for (answer, row) in answers.of(view).iter().zip(&rows.rows) {
        let Some(frame) = answer["frame"].as_object() else {
            continue;
        };
        let row = row.as_ref().expect("is readable").as_ref().expect("is there");
        for (feature, found) in view.features.iter().zip(&row.values) {
            let Some(in_frame) = frame.get(&feature.name) else {
                continue;
            };
            let put_in = stored(answer["put_in"].get(&feature.name), feature);
            assert!(same(found, &put_in), "{}: {found:?} is not {put_in:?}", feature.name);
            let in_frame = FeatureValue::from_json(in_frame, feature.value_type).map(Stored::Value);
            if !in_frame.is_some_and(|in_frame| same(found, &in_frame)) {
                wrong.push((
                    answer["keys"]["user_id"].as_i64().expect("is a number"),
                    feature.name.as_str(),
                ));
            }
        }
    }
    assert_eq!(wrong, WRONG_IN_FEASTS_FRAMES);
}

/// Where Feast is wrong: it serves a row however old it is.
fn a_row_past_its_views_time_to_live_is_stale(answers: &Answers, views: &[FeatureView], rows: &[ViewRows]) {
    let (view, rows) = of_view("by_int64", views, rows);
    let is_old = |answer: &Json| answer["keys"]["user_id"] == 7;
    let old = answers.of(view).iter().position(is_old).expect("is there");
    assert_eq!(answers.of(view)[old]["feast"]["i64"], 12, "Feast serves it");
    let row = rows.rows[old]
        .as_ref()
        .expect("is readable")
        .as_ref()
        .expect("is there");
    assert_eq!(view.max_age_seconds, Some(24 * 3600));
    assert!(
        view.max_age_seconds
            .is_some_and(|limit| row.age_seconds(now_ms()) > limit)
    );
    let for_ever = views
        .iter()
        .find(|view| view.name == "by_int32")
        .expect("is in the feature service");
    assert_eq!(for_ever.max_age_seconds, None, "0 is Feast's \"for ever\"");
}

fn of_view<'a>(name: &str, views: &'a [FeatureView], rows: &'a [ViewRows]) -> (&'a FeatureView, &'a ViewRows) {
    let mut all = views.iter().zip(rows);
    all.find(|(view, _)| view.name == name)
        .expect("is in the feature service")
}
