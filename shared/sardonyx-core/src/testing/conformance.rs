//! What every implementation of a port does. Each suite panics at the first thing that is not so.
//!
//! The suites use names that no other test uses, so that they may run on a store that others use too.

mod catalogue_store;
mod feature_writer;
mod file_store;

use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::Bytes;

use crate::checksummed::Checksummed;
use crate::entity::{EntityKey, KeyType, KeyValue};
use crate::feature_row::{FeatureRow, Stored};
use crate::hashed::Hashed;
use crate::manifest::{FeatureView, JoinKey, Layout, StalePolicy, StoredFeature};
use crate::ports::{
    FeatureWriter, ModelStore, OnlineStore, PredictionRecord, Published, Recorded, ResultStore, RowWrite, StoreError,
    ViewRead,
};
use crate::value::{FeatureValue, ValueType};

pub use catalogue_store::catalogue_store;
pub use feature_writer::feature_writer;
pub use file_store::file_store;

const TIMEOUT: Duration = Duration::from_secs(30);

/// Runs a future that never waits, as those of the in-memory stores.
pub fn block_on<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => output,
        Poll::Pending => panic!("an in-memory store does not wait"),
    }
}

/// The suite of [`ModelStore`].
pub async fn model_store(store: &dyn ModelStore) {
    // Large enough to be hashed while it comes.
    let model = Bytes::from_iter((0..3_000_000_u32).map(|index| (index % 251) as u8));
    let missing = store.fetch("conformance", "1", "model.onnx").await;
    assert!(matches!(missing, Err(StoreError::NotFound { .. })), "{missing:?}");
    let missing = store.fetch_hashed("conformance", "1", "model.onnx").await;
    assert!(matches!(missing, Err(StoreError::NotFound { .. })), "{missing:?}");
    let missing = store.find("conformance", "1", "model.onnx").await;
    assert_eq!(missing.expect("answers"), None);

    let publish = |version, bytes: Bytes| store.publish("conformance", version, "model.onnx", bytes);
    assert_eq!(publish("1", model.clone()).await.expect("publishes"), Published::New);
    assert_eq!(
        publish("1", model.clone()).await.expect("is idempotent"),
        Published::AlreadyThere
    );
    let other = publish("1", Bytes::from_static(b"other")).await;
    assert!(matches!(other, Err(StoreError::Conflict { .. })), "{other:?}");
    assert_eq!(
        publish("2", Bytes::new()).await.expect("an empty file is a file"),
        Published::New
    );
    for (version, expected) in [("1", model), ("2", Bytes::new())] {
        let fetched = store.fetch("conformance", version, "model.onnx").await;
        assert_eq!(fetched.expect("is there"), expected);
        let found = store.find("conformance", version, "model.onnx").await;
        assert_eq!(found.expect("answers"), Some(Checksummed::new(expected.clone())));
        let hashed = store.fetch_hashed("conformance", version, "model.onnx").await;
        let hashed = hashed.expect("is there");
        assert_eq!(hashed.sha256(), Hashed::new(expected.clone()).sha256());
        assert_eq!(hashed.bytes(), &expected);
    }
}

/// The suite of [`OnlineStore`], with rows in `layout`. Views of the layout `feast` have tables of their own names.
pub async fn online_store(store: &dyn OnlineStore, writer: &dyn FeatureWriter, layout: Layout) {
    let suite = OnlineStoreSuite { store, writer, layout };
    suite.four_kinds_of_nothing().await;
    suite.many_rows_of_two_views().await;
    suite.keys_do_not_collide().await;
    suite.every_type_of_key().await;
    suite.a_row_is_replaced_whole().await;
    suite.another_schema_is_refused().await;
}

/// The suite of [`ResultStore`].
pub async fn result_store(store: &dyn ResultStore) {
    let record = |id: &str, model: &str, prediction: &str| PredictionRecord {
        prediction_id: id.into(),
        model_name: model.into(),
        model_version: "1".into(),
        prediction: prediction.into(),
        recorded_at_ms: 1_800_000_000_123,
        expires_at_seconds: 4_000_000_000,
    };
    let first = record("conformance-1", "a", r#"{"score":0.25}"#);
    assert_eq!(store.find("conformance-1", "a").await.expect("answers"), None);
    let answers = store
        .record(
            &[
                first.clone(),
                record("conformance-2", "a", "{}"),
                record("conformance-1", "b", "{}"),
            ],
            TIMEOUT,
        )
        .await;
    assert!(
        answers.iter().all(|answer| matches!(answer, Ok(Recorded::New))),
        "{answers:?}"
    );

    let again = store
        .record(&[record("conformance-1", "a", r#"{"score":0.75}"#)], TIMEOUT)
        .await;
    assert!(matches!(again.as_slice(), [Ok(Recorded::AlreadyThere)]), "{again:?}");
    assert_eq!(store.find("conformance-1", "a").await.expect("answers"), Some(first));

    let twice = store
        .record(
            &[record("conformance-3", "a", "{}"), record("conformance-3", "a", "{}")],
            TIMEOUT,
        )
        .await;
    let new = twice
        .iter()
        .filter(|answer| matches!(answer, Ok(Recorded::New)))
        .count();
    let there = twice
        .iter()
        .filter(|answer| matches!(answer, Ok(Recorded::AlreadyThere)))
        .count();
    assert_eq!((new, there), (1, 1), "{twice:?}");

    let many: Vec<_> = (0..250)
        .map(|index| record(&format!("conformance-many-{index}"), "a", "{}"))
        .collect();
    assert!(
        store
            .record(&many, TIMEOUT)
            .await
            .iter()
            .all(|answer| matches!(answer, Ok(Recorded::New)))
    );
    assert!(store.record(&[], TIMEOUT).await.is_empty());
}

fn text(value: &str) -> KeyValue {
    KeyValue::String(value.into())
}

/// A store, and the layout of the rows that the suite writes.
struct OnlineStoreSuite<'a> {
    store: &'a dyn OnlineStore,
    writer: &'a dyn FeatureWriter,
    layout: Layout,
}

impl OnlineStoreSuite<'_> {
    fn view(&self, name: &str, join_keys: &[(&str, KeyType)], features: &[(&str, ValueType)]) -> FeatureView {
        FeatureView {
            name: name.into(),
            join_keys: join_keys
                .iter()
                .map(|&(name, key_type)| JoinKey {
                    name: name.into(),
                    key_type,
                })
                .collect(),
            layout: self.layout,
            table: (self.layout == Layout::Feast).then(|| name.into()),
            features: features
                .iter()
                .map(|&(name, value_type)| StoredFeature {
                    name: name.into(),
                    value_type,
                    length: None,
                })
                .collect(),
            max_age_seconds: None,
            stale: StalePolicy::Serve,
        }
    }

    /// Feast keeps no time to live with a row.
    fn row(&self, entity: EntityKey, values: Vec<Stored>) -> RowWrite {
        let row = FeatureRow {
            event_time_ms: 1_800_000_000_123,
            expires_at_seconds: (self.layout == Layout::Native).then_some(4_000_000_000),
            values,
        };
        RowWrite { entity, row }
    }

    async fn read_one(&self, view: &FeatureView, entity: &EntityKey) -> Option<Arc<FeatureRow>> {
        let reads = [ViewRead {
            view,
            entities: std::slice::from_ref(entity),
        }];
        self.store
            .fetch(&reads, TIMEOUT)
            .await
            .expect("reads")
            .remove(0)
            .rows
            .remove(0)
            .expect("is readable")
    }

    /// Absent, null, NaN and zero stay what they are, for every type, and so does everything else.
    async fn four_kinds_of_nothing(&self) {
        use ValueType::{Bool, Float32, Float64, Int64, String as Text};
        let view = self.view(
            "conformance_types",
            &[("id", KeyType::String)],
            &[("b", Bool), ("i", Int64), ("f", Float32), ("d", Float64), ("s", Text)],
        );
        let value = Stored::Value;
        let mut rows: Vec<Vec<Stored>> = vec![
            vec![Stored::Null; 5],
            vec![
                value(FeatureValue::Bool(false)),
                value(FeatureValue::Int64(0)),
                value(FeatureValue::Float32(0.0)),
                value(FeatureValue::Float64(0.0)),
                value(FeatureValue::String(String::new())),
            ],
            vec![
                value(FeatureValue::Bool(true)),
                value(FeatureValue::Int64(i64::MIN)),
                value(FeatureValue::Float32(f32::MIN_POSITIVE)),
                value(FeatureValue::Float64(f64::NEG_INFINITY)),
                value(FeatureValue::String("é".repeat(5000))),
            ],
            vec![
                Stored::Null,
                value(FeatureValue::Int64(9_007_199_254_740_993)),
                Stored::Absent,
                value(FeatureValue::Float64(0.1)),
                Stored::Null,
            ],
        ];
        if self.layout == Layout::Native {
            // In Feast's layout such a row says nothing, not even that it is of this view.
            rows.push(vec![Stored::Absent; 5]);
        }
        let entity = |index: usize| EntityKey(vec![text(&format!("row-{index}"))]);
        let writes: Vec<_> = rows
            .iter()
            .enumerate()
            .map(|(index, values)| self.row(entity(index), values.clone()))
            .collect();
        self.writer.merge(&view, None, &writes).await.expect("writes");
        for (index, write) in writes.iter().enumerate() {
            let found = self.read_one(&view, &entity(index)).await.expect("is there");
            assert_eq!(*found, write.row, "row {index}");
        }

        let not_a_number = vec![
            Stored::Absent,
            Stored::Absent,
            value(FeatureValue::Float32(f32::NAN)),
            value(FeatureValue::Float64(f64::NAN)),
            Stored::Absent,
        ];
        self.writer
            .merge(&view, None, &[self.row(entity(9), not_a_number)])
            .await
            .expect("writes");
        let found = self.read_one(&view, &entity(9)).await.expect("is there");
        assert!(
            matches!(found.values[2], Stored::Value(FeatureValue::Float32(value)) if value.is_nan()),
            "{found:?}"
        );
        assert!(
            matches!(found.values[3], Stored::Value(FeatureValue::Float64(value)) if value.is_nan()),
            "{found:?}"
        );

        assert_eq!(self.read_one(&view, &EntityKey(vec![text("nobody")])).await, None);
    }

    /// More rows than one call of any store takes, asked for in any order, repeatedly, with some that are not there.
    async fn many_rows_of_two_views(&self) {
        let cards = self.view(
            "conformance_cards",
            &[("card_id", KeyType::Int64)],
            &[("count", ValueType::Int64)],
        );
        let shops = self.view(
            "conformance_shops",
            &[("shop_id", KeyType::String)],
            &[("rate", ValueType::Float64)],
        );
        let card = |index: i64| EntityKey(vec![KeyValue::Int64(index)]);
        let shop = |index: i64| EntityKey(vec![text(&format!("s/{index}"))]);
        let writes: Vec<_> = (0..230)
            .map(|index| self.row(card(index), vec![Stored::Value(FeatureValue::Int64(index))]))
            .collect();
        self.writer.merge(&cards, None, &writes).await.expect("writes");
        let writes: Vec<_> = (0..30)
            .map(|index| self.row(shop(index), vec![Stored::Value(FeatureValue::Float64(index as f64))]))
            .collect();
        self.writer.merge(&shops, None, &writes).await.expect("writes");

        let card_ids: Vec<i64> = (0..250).rev().chain([3, 3, -3]).collect();
        let shop_ids: Vec<i64> = (0..253).map(|index| index % 31).collect();
        let card_keys: Vec<_> = card_ids.iter().map(|&id| card(id)).collect();
        let shop_keys: Vec<_> = shop_ids.iter().map(|&id| shop(id)).collect();
        let reads = [
            ViewRead {
                view: &cards,
                entities: &card_keys,
            },
            ViewRead {
                view: &shops,
                entities: &shop_keys,
            },
            ViewRead {
                view: &shops,
                entities: &[],
            },
        ];
        let answer = self.store.fetch(&reads, TIMEOUT).await.expect("reads");
        assert_eq!(
            answer.iter().map(|view| view.rows.len()).collect::<Vec<_>>(),
            [253, 253, 0]
        );
        for (id, found) in card_ids.iter().zip(&answer[0].rows) {
            let expected = (0..230).contains(id).then_some(Stored::Value(FeatureValue::Int64(*id)));
            assert_eq!(
                found
                    .as_ref()
                    .expect("is readable")
                    .as_ref()
                    .map(|row| row.values[0].clone()),
                expected,
                "card {id}"
            );
        }
        for (id, found) in shop_ids.iter().zip(&answer[1].rows) {
            let expected = (*id < 30).then_some(Stored::Value(FeatureValue::Float64(*id as f64)));
            assert_eq!(
                found
                    .as_ref()
                    .expect("is readable")
                    .as_ref()
                    .map(|row| row.values[0].clone()),
                expected,
                "shop {id}"
            );
        }
        assert!(self.store.fetch(&[], TIMEOUT).await.expect("reads nothing").is_empty());
    }

    /// Composite keys whose text would run together stay apart, and so do views.
    async fn keys_do_not_collide(&self) {
        let features = [("x", ValueType::Int64)];
        let pair = self.view(
            "conformance_pair",
            &[("a", KeyType::String), ("b", KeyType::String)],
            &features,
        );
        let other = self.view(
            "conformance_pair2",
            &[("a", KeyType::String), ("b", KeyType::String)],
            &features,
        );
        let keys = [
            ["a#b", "c"],
            ["a", "b#c"],
            ["a%23b", "c"],
            ["a%", "23b#c"],
            ["", "a#b#c"],
            [" ", "é"],
        ];
        let entity = |key: &[&str; 2]| EntityKey(key.iter().map(|part| text(part)).collect());
        let writes: Vec<_> = keys
            .iter()
            .zip(0..)
            .map(|(key, index)| self.row(entity(key), vec![Stored::Value(FeatureValue::Int64(index))]))
            .collect();
        self.writer.merge(&pair, None, &writes).await.expect("writes");
        for (key, write) in keys.iter().zip(&writes) {
            assert_eq!(
                self.read_one(&pair, &entity(key)).await.as_deref(),
                Some(&write.row),
                "{key:?}"
            );
            assert_eq!(self.read_one(&other, &entity(key)).await, None, "{key:?}");
        }
    }

    /// The number of an int32, of an int64 and of a timestamp is the same, and the views find their own rows by it.
    async fn every_type_of_key(&self) {
        let number = |number| KeyValue::Int64(number);
        let keys = [
            ("conformance_string", KeyType::String, text("1")),
            ("conformance_int64", KeyType::Int64, number(i64::MIN)),
            ("conformance_int32", KeyType::Int32, number(i64::from(i32::MIN))),
            (
                "conformance_bytes",
                KeyType::Bytes,
                KeyValue::Bytes(vec![0, b'#', 0xff]),
            ),
            ("conformance_time", KeyType::UnixTimestamp, number(i64::from(i32::MIN))),
        ];
        let other = text("other");
        for (name, key_type, key) in keys {
            let view = self.view(
                name,
                &[("b", KeyType::String), ("a", key_type)],
                &[("x", ValueType::Int64)],
            );
            let write = self.row(
                EntityKey(vec![text("é"), key.clone()]),
                vec![Stored::Value(FeatureValue::Int64(1))],
            );
            self.writer
                .merge(&view, None, std::slice::from_ref(&write))
                .await
                .expect("writes");
            assert_eq!(
                self.read_one(&view, &write.entity).await.as_deref(),
                Some(&write.row),
                "{name}"
            );
            let nobody = EntityKey(vec![other.clone(), key]);
            assert_eq!(self.read_one(&view, &nobody).await, None, "{name}");
        }
    }

    async fn a_row_is_replaced_whole(&self) {
        let view = self.view(
            "conformance_replace",
            &[("id", KeyType::String)],
            &[("x", ValueType::Int64)],
        );
        let entity = EntityKey(vec![text("one")]);
        let mut write = self.row(entity.clone(), vec![Stored::Value(FeatureValue::Int64(1))]);
        self.writer.merge(&view, None, &[write.clone()]).await.expect("writes");
        write.row = FeatureRow {
            event_time_ms: write.row.event_time_ms + 1,
            expires_at_seconds: None,
            values: vec![Stored::Null],
        };
        self.writer.merge(&view, None, &[write.clone()]).await.expect("writes");
        assert_eq!(self.read_one(&view, &entity).await.as_deref(), Some(&write.row));
    }

    async fn another_schema_is_refused(&self) {
        let join_keys = [("id", KeyType::String)];
        let written = self.view(
            "conformance_schema",
            &join_keys,
            &[("x", ValueType::Int64), ("y", ValueType::Int64)],
        );
        // Packed values have no names, so that another order is another schema; in Feast's layout only another type is.
        let others = match self.layout {
            Layout::Native => [("y", ValueType::Int64), ("x", ValueType::Int64)],
            Layout::Feast => [("x", ValueType::Int64), ("y", ValueType::Float64)],
        };
        let other = self.view("conformance_schema", &join_keys, &others);
        let entity = EntityKey(vec![text("one")]);
        let values = vec![
            Stored::Value(FeatureValue::Int64(1)),
            Stored::Value(FeatureValue::Int64(2)),
        ];
        self.writer
            .merge(&written, None, &[self.row(entity.clone(), values)])
            .await
            .expect("writes");
        let reads = [ViewRead {
            view: &other,
            entities: &[entity.clone(), EntityKey(vec![text("nobody")])],
        }];
        let answer = self.store.fetch(&reads, TIMEOUT).await.expect("the row fails alone");
        assert!(matches!(answer[0].rows.as_slice(), [Err(_), Ok(None)]), "{answer:?}");

        let wrong_type = self.row(
            entity.clone(),
            vec![Stored::Value(FeatureValue::Bool(true)), Stored::Null],
        );
        let answer = self.writer.merge(&written, None, &[wrong_type]).await;
        assert!(matches!(answer, Err(StoreError::Malformed { .. })), "{answer:?}");
        let too_few = self.row(entity, vec![Stored::Null]);
        let answer = self.writer.merge(&written, None, &[too_few]).await;
        assert!(matches!(answer, Err(StoreError::Malformed { .. })), "{answer:?}");
    }
}
