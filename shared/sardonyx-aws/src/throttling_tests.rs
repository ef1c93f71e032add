//! What the online store does when DynamoDB does not process every key.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use aws_smithy_http_client::test_util::NeverClient;
use aws_smithy_runtime_api::client::http::{HttpConnector, HttpConnectorFuture, SharedHttpConnector};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_types::body::SdkBody;
use sardonyx_core::entity::{EntityKey, KeyType, KeyValue};
use sardonyx_core::feature_row::{FeatureRow, Stored};
use sardonyx_core::manifest::{FeatureView, Layout};
use sardonyx_core::ports::{
    FeatureWriter, OnlineStore, PredictionRecord, ResultStore, RowWrite, StoreError, ViewRead, ViewRows,
};
use sardonyx_core::testing::{conformance, models};
use sardonyx_core::value::{FeatureValue, ValueType};

use crate::DynamoDbResultStore;
use crate::direct::DirectCalls;
use crate::stub_dynamodb::{Stub, StubStore, client, http_client};

#[tokio::test(start_paused = true)]
async fn both_layouts_conform_while_three_keys_of_ten_are_throttled() {
    for layout in [Layout::Native, Layout::Feast] {
        let (_, store) = Stub::store(0.3);
        conformance::online_store(&store, &store, layout).await;
    }
}

/// Connections on which nothing comes back as it should: this status, and this body.
#[derive(Debug)]
struct Broken(u16, &'static str);

impl HttpConnector for Broken {
    fn call(&self, _: HttpRequest) -> HttpConnectorFuture {
        HttpConnectorFuture::ready(match self.0 {
            0 => Err(ConnectorError::io("the connection was closed".into())),
            status => Ok(HttpResponse::new(
                status.try_into().expect("is a status"),
                SdkBody::from(self.1),
            )),
        })
    }
}

#[tokio::test(start_paused = true)]
async fn where_direct_calls_fail_the_client_of_the_sdk_reads() {
    for status in [0, 200, 400, 503] {
        let (stub, store) = Stub::store(0.3);
        let store = store.with_direct_calls(SharedHttpConnector::new(Broken(status, "<html>")));
        conformance::online_store(&store, &store, Layout::Native).await;
        assert!(stub.reads.load(Ordering::Relaxed) > 0);
    }
}

fn results(stub: &Arc<Stub>, direct: SharedHttpConnector) -> DynamoDbResultStore {
    let client = client(http_client(stub.connector()));
    DynamoDbResultStore::new(client, "results").with_direct_calls(Some(Arc::new(DirectCalls::on(direct))))
}

#[tokio::test(start_paused = true)]
async fn results_are_recorded_once_directly_and_where_direct_calls_fail_while_three_of_ten_are_throttled() {
    let (stub, _) = Stub::store(0.3);
    conformance::result_store(&results(&stub, stub.connector())).await;
    for status in [0, 200, 400, 503] {
        let (stub, _) = Stub::store(0.3);
        conformance::result_store(&results(&stub, SharedHttpConnector::new(Broken(status, "<html>")))).await;
    }
}

#[tokio::test(start_paused = true)]
async fn results_that_stay_throttled_are_unavailable_at_the_deadline() {
    let (stub, _) = Stub::store(1.0);
    let record = PredictionRecord {
        prediction_id: "p-1".into(),
        model_name: "m".into(),
        model_version: "1".into(),
        prediction: "{}".into(),
        recorded_at_ms: 1,
        expires_at_seconds: 2,
    };
    let started = tokio::time::Instant::now();
    let answers = results(&stub, stub.connector())
        .record(&[record], Duration::from_secs(2))
        .await;
    assert!(
        matches!(answers.as_slice(), [Err(StoreError::Unavailable { .. })]),
        "{answers:?}"
    );
    assert!(started.elapsed() <= Duration::from_secs(2));
}

fn view() -> FeatureView {
    models::manifest().feature_views[0].clone()
}

fn entity(index: i64) -> EntityKey {
    EntityKey(vec![KeyValue::String(format!("c-{index}"))])
}

async fn write_rows(store: &StubStore, count: i64) {
    let rows: Vec<_> = (0..count)
        .map(|index| RowWrite {
            entity: entity(index),
            row: FeatureRow {
                event_time_ms: index,
                expires_at_seconds: None,
                values: vec![Stored::Value(FeatureValue::Int64(index))],
            },
        })
        .collect();
    store.merge(&view(), None, &rows).await.expect("writes");
}

#[tokio::test(start_paused = true)]
async fn throttled_keys_are_asked_for_again_and_never_become_missing_rows() {
    let (stub, store) = Stub::store(0.3);
    write_rows(&store, 300).await;
    let entities: Vec<_> = (0..300).map(entity).collect();
    for _ in 0..50 {
        let reads = [ViewRead {
            view: &view(),
            entities: &entities,
        }];
        let answer = store.fetch(&reads, Duration::from_secs(30)).await.expect("reads");
        for (index, row) in (0..).zip(&answer[0].rows) {
            assert_eq!(
                row.as_ref().expect("is readable").as_ref().map(|row| row.event_time_ms),
                Some(index)
            );
        }
    }
    assert_eq!(stub.most_keys.load(Ordering::Relaxed), 100);
}

#[tokio::test(start_paused = true)]
async fn an_answer_about_what_was_not_asked_for_is_an_error_and_no_missing_row() {
    // The record of the snapshots is asked for first.
    for body in [
        r#"{"Responses": {"features": [{"entity_key": {"S": "other@"}}]}}"#,
        r#"{"Responses": {"features": [{"values": {"B": ""}}]}}"#,
        r#"{"Responses": {"others": []}}"#,
        r#"{"Responses": {}, "UnprocessedKeys": {"features": {"Keys": [{"entity_key": {"S": "other@"}}]}}}"#,
        r#"{"Responses": {}, "UnprocessedKeys": {"others": {"Keys": []}}}"#,
    ] {
        let (stub, store) = Stub::store(0.0);
        let store = store.with_direct_calls(SharedHttpConnector::new(Broken(200, body)));
        let reads = [ViewRead {
            view: &view(),
            entities: &[entity(1)],
        }];
        let answer = store.fetch(&reads, Duration::from_secs(2)).await;
        assert!(
            matches!(answer, Err(StoreError::Malformed { .. })),
            "{body}: {answer:?}"
        );
        assert_eq!(stub.reads.load(Ordering::Relaxed), 0, "{body}");
    }
}

#[tokio::test(start_paused = true)]
async fn keys_that_stay_throttled_are_an_error_at_the_deadline() {
    let (stub, store) = Stub::store(1.0);
    let entities = [entity(1)];
    let started = tokio::time::Instant::now();
    let reads = [ViewRead {
        view: &view(),
        entities: &entities,
    }];
    let answer = store.fetch(&reads, Duration::from_secs(2)).await;
    assert!(matches!(answer, Err(StoreError::Unavailable { .. })), "{answer:?}");
    assert!(started.elapsed() <= Duration::from_secs(2));
    assert!(stub.reads.load(Ordering::Relaxed) > 3, "it tries more than once");
}

#[tokio::test(start_paused = true)]
async fn one_call_serves_all_views_and_repeated_entities() {
    let (stub, store) = Stub::store(0.0);
    write_rows(&store, 3).await;
    let manifest = models::manifest();
    let cards: Vec<_> = (0..90).map(|index| entity(index % 3)).collect();
    let users: Vec<_> = (0..97).map(|index| EntityKey(vec![KeyValue::Int64(index)])).collect();
    let reads = [
        ViewRead {
            view: &manifest.feature_views[0],
            entities: &cards,
        },
        ViewRead {
            view: &manifest.feature_views[1],
            entities: &users,
        },
    ];
    look_up_snapshots(&stub, &store, &reads.map(|read| read.view)).await;
    let answer = store.fetch(&reads, Duration::from_secs(1)).await.expect("reads");
    assert_eq!(answer[0].rows.iter().flatten().flatten().count(), 90);
    assert_eq!(answer[1].rows.iter().flatten().flatten().count(), 0);
    assert_eq!(
        stub.reads.load(Ordering::Relaxed),
        1,
        "3 cards and 97 users are 100 keys"
    );
}

/// Lets the store look up the current snapshots of the views, which it asks for once a second with the rows.
async fn look_up_snapshots(stub: &Stub, store: &StubStore, views: &[&FeatureView]) {
    let reads: Vec<_> = views.iter().map(|view| ViewRead { view, entities: &[] }).collect();
    store.fetch(&reads, Duration::from_secs(1)).await.expect("reads");
    stub.reads.store(0, Ordering::Relaxed);
    stub.most_keys.store(0, Ordering::Relaxed);
}

/// The user of the model of the tests as a view of Feast's, with the same feature for many users.
fn feast_view() -> FeatureView {
    let mut view = models::manifest().feature_views[1].clone();
    view.layout = Layout::Feast;
    view.table = Some("shop.user".into());
    view.join_keys[0].key_type = KeyType::Int32;
    view
}

fn user(index: i64) -> EntityKey {
    EntityKey(vec![KeyValue::Int64(index)])
}

async fn write_users(store: &StubStore, count: i64) {
    let rows: Vec<_> = (0..count)
        .map(|index| RowWrite {
            entity: user(index),
            row: FeatureRow {
                event_time_ms: index,
                expires_at_seconds: None,
                values: vec![Stored::Value(FeatureValue::Int64(index)), Stored::Null],
            },
        })
        .collect();
    store.merge(&feast_view(), None, &rows).await.expect("writes");
}

fn event_times(rows: &ViewRows) -> Vec<Option<i64>> {
    rows.rows
        .iter()
        .map(|row| row.as_ref().expect("is readable").as_ref().map(|row| row.event_time_ms))
        .collect()
}

fn values(rows: &ViewRows) -> Vec<Stored> {
    rows.rows
        .iter()
        .map(|row| row.as_ref().expect("is readable").as_ref().expect("is there"))
        .flat_map(|row| row.values.clone())
        .collect()
}

#[tokio::test(start_paused = true)]
async fn one_call_reads_the_tables_of_both_layouts() {
    let (stub, store) = Stub::store(0.0);
    write_rows(&store, 3).await;
    write_users(&store, 60).await;
    let cards: Vec<_> = (0..40).map(entity).collect();
    let users: Vec<_> = (0..60).map(user).collect();
    let (view, feast_view) = (view(), feast_view());
    let reads = [
        ViewRead {
            view: &view,
            entities: &cards,
        },
        ViewRead {
            view: &feast_view,
            entities: &users,
        },
    ];
    look_up_snapshots(&stub, &store, &reads.map(|read| read.view)).await;
    let answer = store.fetch(&reads, Duration::from_secs(1)).await.expect("reads");
    let expected: Vec<_> = (0..40).map(|index| (index < 3).then_some(index)).collect();
    assert_eq!(event_times(&answer[0]), expected);
    assert_eq!(event_times(&answer[1]), (0..60).map(Some).collect::<Vec<_>>());
    assert_eq!(stub.reads.load(Ordering::Relaxed), 1);
    assert_eq!(stub.most_keys.load(Ordering::Relaxed), 100);
}

#[tokio::test(start_paused = true)]
async fn two_views_of_one_table_ask_for_the_features_of_both_at_once() {
    let (stub, store) = Stub::store(0.3);
    write_users(&store, 3).await;
    let (mut ages, mut scores) = (feast_view(), feast_view());
    ages.features.truncate(1);
    scores.features.remove(0);
    let users = [user(1), user(2)];
    let reads = [&ages, &scores, &ages].map(|view| ViewRead { view, entities: &users });
    let answer = store.fetch(&reads, Duration::from_secs(30)).await.expect("reads");
    let expected = [1, 2].map(|age| Stored::Value(FeatureValue::Int64(age)));
    assert_eq!(values(&answer[0]), expected);
    assert_eq!(values(&answer[1]), [Stored::Null, Stored::Null]);
    assert_eq!(answer[2], answer[0]);
    assert_eq!(stub.most_keys.load(Ordering::Relaxed), 2);
}

/// With the time that a function has by default.
#[tokio::test(start_paused = true)]
async fn of_ten_thousand_throttled_requests_nearly_all_are_complete_and_none_is_wrong() {
    let (_, store) = Stub::store(0.3);
    write_rows(&store, 50).await;
    write_users(&store, 50).await;
    let (view, feast_view) = (view(), feast_view());
    let mut failed = 0;
    for request in 0..10_000_i64 {
        let index = request % 50;
        let reads = [
            ViewRead {
                view: &view,
                entities: &[entity(index)],
            },
            ViewRead {
                view: &feast_view,
                entities: &[user(index)],
            },
        ];
        match store.fetch(&reads, Duration::from_secs(1)).await {
            Ok(answer) => {
                assert_eq!(event_times(&answer[0]), [Some(index)]);
                assert_eq!(event_times(&answer[1]), [Some(index)]);
            }
            Err(StoreError::Unavailable { .. }) => failed += 1,
            Err(error) => panic!("{error}"),
        }
    }
    assert!(failed <= 10, "{failed} of 10,000 failed");
}

#[tokio::test(start_paused = true)]
async fn a_damaged_row_harms_no_other() {
    let (_, store) = Stub::store(0.3);
    write_users(&store, 3).await;
    let mut another = feast_view();
    another.features[1].value_type = ValueType::Int64;
    let row = RowWrite {
        entity: user(1),
        row: FeatureRow {
            event_time_ms: 1,
            expires_at_seconds: None,
            values: vec![Stored::Null, Stored::Value(FeatureValue::Int64(1))],
        },
    };
    store.merge(&another, None, &[row]).await.expect("writes");
    let reads = [ViewRead {
        view: &feast_view(),
        entities: &[user(0), user(1), user(2)],
    }];
    let answer = store.fetch(&reads, Duration::from_secs(30)).await.expect("reads");
    let [Ok(Some(_)), Err(malformed), Ok(Some(_))] = answer[0].rows.as_slice() else {
        panic!("{answer:?}");
    };
    assert_eq!(malformed.view, "user");
    assert!(
        malformed
            .problem
            .starts_with("user_score was written by Feast as INT64"),
        "{malformed}"
    );
}

#[tokio::test(start_paused = true)]
async fn feasts_rows_are_not_written() {
    let (_, store) = Stub::store(0.0);
    let answer = store.writer().merge(&feast_view(), None, &[]).await;
    assert!(matches!(answer, Err(StoreError::Malformed { .. })), "{answer:?}");
}

#[tokio::test(start_paused = true)]
async fn a_key_that_no_row_can_have_is_not_asked_for() {
    let (stub, store) = Stub::store(0.0);
    let entities = [EntityKey(vec![KeyValue::String("x".repeat(3000))])];
    let reads = [ViewRead {
        view: &view(),
        entities: &entities,
    }];
    look_up_snapshots(&stub, &store, &reads.map(|read| read.view)).await;
    let answer = store.fetch(&reads, Duration::from_secs(1)).await.expect("reads");
    assert_eq!(answer[0].rows, [Ok(None)]);
    assert_eq!(stub.reads.load(Ordering::Relaxed), 0);
}

#[tokio::test(start_paused = true)]
async fn calls_without_an_answer_are_made_again_until_the_deadline() {
    let http_client = NeverClient::new();
    let store = StubStore::on(http_client.clone());
    let entities = [entity(1)];
    let started = tokio::time::Instant::now();
    let reads = [ViewRead {
        view: &view(),
        entities: &entities,
    }];
    let answer = store.fetch(&reads, Duration::from_secs(3)).await;
    assert!(matches!(answer, Err(StoreError::Unavailable { .. })), "{answer:?}");
    assert!(started.elapsed() <= Duration::from_secs(4));
    assert!(http_client.num_calls() >= 3, "{} calls", http_client.num_calls());
}
