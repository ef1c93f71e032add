use super::{TIMEOUT, text};
use crate::entity::{EntityKey, KeyType};
use crate::feature_row::{FeatureRow, Stored};
use crate::manifest::{FeatureView, JoinKey, Layout, StalePolicy, StoredFeature};
use crate::ports::{FeatureWriter, Merged, OnlineStore, RowWrite, StoreError, ViewRead, ViewRows};
use crate::snapshots::{Load, LoadedRows, SnapshotId, ViewSnapshots, upsert};
use crate::value::{FeatureValue, ValueType};

/// The suite of [`FeatureWriter`]. `store` reads the same rows, and looks up for each read which snapshot is the current one.
pub async fn feature_writer(store: &dyn OnlineStore, writer: &dyn FeatureWriter) {
    let suite = Suite { store, writer };
    suite.a_record_is_replaced_by_one_at_a_time().await;
    suite.rows_become_visible_together_and_go_back_together().await;
    suite.an_older_row_never_replaces_a_newer_one().await;
    suite.upserts_outlive_a_load_of_older_rows().await;
    suite.a_row_that_does_not_fit_is_refused().await;
}

struct Suite<'a> {
    store: &'a dyn OnlineStore,
    writer: &'a dyn FeatureWriter,
}

fn view(name: &str) -> FeatureView {
    FeatureView {
        name: name.into(),
        join_keys: vec![JoinKey {
            name: "id".into(),
            key_type: KeyType::String,
        }],
        layout: Layout::Native,
        table: None,
        features: vec![StoredFeature {
            name: "x".into(),
            value_type: ValueType::Int64,
            length: None,
        }],
        max_age_seconds: None,
        stale: StalePolicy::Serve,
    }
}

fn id(id: &str) -> SnapshotId {
    SnapshotId::new(id).expect("is an id")
}

fn entity(index: i64) -> EntityKey {
    EntityKey(vec![text(&format!("e{index}"))])
}

fn row(index: i64, event_time_ms: i64, value: i64) -> RowWrite {
    RowWrite {
        entity: entity(index),
        row: FeatureRow {
            event_time_ms,
            expires_at_seconds: None,
            values: vec![Stored::Value(FeatureValue::Int64(value))],
        },
    }
}

fn load(name: &str) -> Load {
    Load {
        id: id(name),
        source: name.into(),
        started_at_ms: 1,
        updated_at_ms: 1,
        loaded: LoadedRows::default(),
        position: None,
        expires_at_seconds: None,
        merges: false,
    }
}

fn values(rows: &ViewRows) -> Vec<Option<i64>> {
    let value = |row: &FeatureRow| match row.values[0] {
        Stored::Value(FeatureValue::Int64(value)) => value,
        ref other => panic!("{other:?}"),
    };
    rows.rows
        .iter()
        .map(|row| row.as_ref().expect("is readable").as_deref().map(value))
        .collect()
}

impl Suite<'_> {
    async fn snapshots(&self, view: &FeatureView) -> ViewSnapshots {
        self.writer.snapshots(view).await.expect("answers")
    }

    /// The view's record, changed.
    async fn change(&self, view: &FeatureView, change: impl FnOnce(&mut ViewSnapshots)) {
        let mut snapshots = self.snapshots(view).await;
        change(&mut snapshots);
        assert!(self.writer.replace_snapshots(view, &snapshots).await.expect("replaces"));
    }

    /// A view of which nothing is known, whatever earlier runs left.
    async fn new_view(&self, name: &str) -> FeatureView {
        let view = view(name);
        let forget = |snapshots: &mut ViewSnapshots| {
            *snapshots = ViewSnapshots {
                revision: snapshots.revision,
                ..ViewSnapshots::default()
            };
        };
        self.change(&view, forget).await;
        view
    }

    async fn begin(&self, view: &FeatureView, name: &str) {
        self.change(view, |snapshots| {
            snapshots.begin_load(load(name)).expect("nothing runs");
        })
        .await;
    }

    async fn publish(&self, view: &FeatureView, name: &str) {
        let loaded = LoadedRows {
            rows: 1,
            ..LoadedRows::default()
        };
        self.change(view, |snapshots| {
            snapshots.publish(&id(name), loaded, true, 1).expect("runs");
        })
        .await;
    }

    async fn read(&self, view: &FeatureView, count: i64) -> (Option<SnapshotId>, Vec<Option<i64>>) {
        let entities: Vec<_> = (0..count).map(entity).collect();
        let reads = [ViewRead {
            view,
            entities: &entities,
        }];
        let rows = self.store.fetch(&reads, TIMEOUT).await.expect("reads").remove(0);
        (rows.snapshot.clone(), values(&rows))
    }

    async fn merge(&self, view: &FeatureView, snapshot: Option<&SnapshotId>, rows: &[RowWrite]) -> Vec<Merged> {
        self.writer.merge(view, snapshot, rows).await.expect("writes")
    }

    async fn a_record_is_replaced_by_one_at_a_time(&self) {
        let view = self.new_view("conformance_record").await;
        let before = self.snapshots(&view).await;
        let (mut first, mut second) = (before.clone(), before.clone());
        first.current = Some(id("a"));
        second.current = Some(id("b"));
        assert!(self.writer.replace_snapshots(&view, &first).await.expect("answers"));
        assert!(!self.writer.replace_snapshots(&view, &second).await.expect("answers"));
        let after = self.snapshots(&view).await;
        assert_eq!((after.revision, after.current), (before.revision + 1, Some(id("a"))));
        assert_eq!(after.published, []);
    }

    async fn rows_become_visible_together_and_go_back_together(&self) {
        let view = self.new_view("conformance_flip").await;
        let rows = |value: i64| (0..60).map(|index| row(index, value, value)).collect::<Vec<_>>();
        self.merge(&view, None, &rows(0)).await;
        assert_eq!(self.read(&view, 61).await, {
            let mut expected = vec![Some(0); 60];
            expected.push(None);
            (None, expected)
        });
        for (name, value) in [("a", 1), ("b", 2)] {
            let before = self.read(&view, 60).await;
            self.begin(&view, name).await;
            self.writer.write(&view, &id(name), &rows(value)).await.expect("writes");
            assert_eq!(self.read(&view, 60).await, before, "{name} is not visible yet");
            self.publish(&view, name).await;
            assert_eq!(self.read(&view, 60).await, (Some(id(name)), vec![Some(value); 60]));
        }
        self.change(&view, |snapshots| {
            snapshots.roll_back(None, 1).expect("there is an earlier one");
        })
        .await;
        assert_eq!(self.read(&view, 60).await, (Some(id("a")), vec![Some(1); 60]));
    }

    async fn an_older_row_never_replaces_a_newer_one(&self) {
        let view = self.new_view("conformance_merge").await;
        let snapshot = id("a");
        let one = |event_time_ms: i64| vec![row(0, event_time_ms, event_time_ms)];
        self.writer.write(&view, &snapshot, &one(3)).await.expect("writes");
        // What an earlier run left outside of any snapshot is not newer than these.
        self.merge(&view, None, &one(4)).await;
        for snapshot in [None, Some(&snapshot)] {
            assert_eq!(self.merge(&view, snapshot, &one(2)).await, [Merged::Older]);
            let others = [row(0, 4, 40), row(1, -5, 1)];
            assert_eq!(self.merge(&view, snapshot, &others).await, [Merged::Written; 2]);
        }
        assert_eq!(self.read(&view, 2).await, (None, vec![Some(40), Some(1)]));
        self.change(&view, |snapshots| snapshots.current = Some(snapshot.clone()))
            .await;
        assert_eq!(self.read(&view, 2).await, (Some(snapshot), vec![Some(40), Some(1)]));
    }

    async fn upserts_outlive_a_load_of_older_rows(&self) {
        let view = self.new_view("conformance_upsert").await;
        // The first one of all says that there are some, so that the load merges.
        assert_eq!(
            upsert(self.writer, &view, &[row(0, 1, 1)]).await.expect("writes"),
            [Merged::Written]
        );
        assert_eq!(self.read(&view, 1).await, (None, vec![Some(1)]));
        self.begin(&view, "a").await;
        assert!(self.snapshots(&view).await.load.expect("runs").merges);
        upsert(self.writer, &view, &[row(0, 9, 9)]).await.expect("writes");
        let loaded = [row(0, 5, 5), row(1, 5, 5)];
        assert_eq!(
            self.merge(&view, Some(&id("a")), &loaded).await,
            [Merged::Older, Merged::Written]
        );
        upsert(self.writer, &view, &[row(1, 4, 4)]).await.expect("writes");
        self.publish(&view, "a").await;
        assert_eq!(self.read(&view, 2).await, (Some(id("a")), vec![Some(9), Some(5)]));
        assert_eq!(
            upsert(self.writer, &view, &[row(1, 4, 4)]).await.expect("answers"),
            [Merged::Older]
        );

        let overwritten = self.new_view("conformance_upsert").await;
        self.begin(&overwritten, "b").await;
        let refused = upsert(self.writer, &overwritten, &[row(0, 1, 1)]).await;
        assert!(matches!(refused, Err(StoreError::Unavailable { .. })), "{refused:?}");
    }

    async fn a_row_that_does_not_fit_is_refused(&self) {
        let view = view("conformance_misfit");
        let mut wrong_type = row(0, 1, 1);
        wrong_type.row.values = vec![Stored::Value(FeatureValue::Bool(true))];
        let mut too_few = row(0, 1, 1);
        too_few.row.values.clear();
        for misfit in [wrong_type, too_few] {
            let rows = [row(1, 1, 1), misfit];
            let answer = self.writer.write(&view, &id("a"), &rows).await;
            assert!(matches!(answer, Err(StoreError::Malformed { .. })), "{answer:?}");
            let answer = self.writer.merge(&view, None, &rows).await;
            assert!(matches!(answer, Err(StoreError::Malformed { .. })), "{answer:?}");
        }
    }
}
