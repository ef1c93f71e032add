use std::sync::Mutex;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use async_trait::async_trait;
use sardonyx_core::entity::{EntityKey, KeyValue};
use sardonyx_core::feature_row::{FeatureRow, Stored};
use sardonyx_core::ports::{Merged, OnlineStore, RowWrite, ViewRead};
use sardonyx_core::snapshots::{ViewSnapshots, upsert};
use sardonyx_core::testing::{InMemoryOnlineStore, models};
use sardonyx_core::value::FeatureValue;
use serde_json::{Value as Json, json};

use super::*;
use crate::rejects::RejectWriter;

const NOW_MS: i64 = 1_800_000_000_000;

/// The in-memory store, which counts and dies when it is told to.
struct Store {
    rows: InMemoryOnlineStore,
    /// How many rows were written by `write`.
    written: AtomicU64,
    /// How many more may be.
    life: Mutex<u64>,
}

impl Store {
    fn new() -> Self {
        Self {
            rows: InMemoryOnlineStore::default(),
            written: AtomicU64::default(),
            life: Mutex::new(u64::MAX),
        }
    }

    fn dies_after(&self, rows: u64) {
        *self.life.lock().expect("no test panicked") = rows;
    }

    fn take(&self, rows: usize) -> Result<(), StoreError> {
        let mut life = self.life.lock().expect("no test panicked");
        let Some(left) = life.checked_sub(rows as u64) else {
            return Err(StoreError::Unavailable {
                what: "the store".into(),
                source: "it died".into(),
            });
        };
        *life = left;
        self.written.fetch_add(rows as u64, Ordering::Relaxed);
        Ok(())
    }
}

#[async_trait]
impl FeatureWriter for Store {
    async fn write(&self, view: &FeatureView, snapshot: &SnapshotId, rows: &[RowWrite]) -> Result<(), StoreError> {
        self.take(rows.len())?;
        self.rows.write(view, snapshot, rows).await
    }

    async fn merge(
        &self,
        view: &FeatureView,
        snapshot: Option<&SnapshotId>,
        rows: &[RowWrite],
    ) -> Result<Vec<Merged>, StoreError> {
        self.rows.merge(view, snapshot, rows).await
    }

    async fn snapshots(&self, view: &FeatureView) -> Result<ViewSnapshots, StoreError> {
        self.rows.snapshots(view).await
    }

    async fn replace_snapshots(&self, view: &FeatureView, snapshots: &ViewSnapshots) -> Result<bool, StoreError> {
        self.rows.replace_snapshots(view, snapshots).await
    }
}

struct Fixture {
    store: Store,
    manifest: Manifest,
    now_ms: AtomicI64,
    options: LoadOptions,
    rejects: Mutex<Vec<u8>>,
}

impl Fixture {
    fn new() -> Self {
        Self {
            store: Store::new(),
            manifest: models::manifest(),
            now_ms: AtomicI64::new(NOW_MS),
            options: LoadOptions {
                event_time: EventTime::OfLoad,
                ttl_seconds: None,
                rows_per_second: 1000,
                max_rejected: 0,
                allow_older: false,
                settling: SETTLING,
            },
            rejects: Mutex::default(),
        }
    }

    fn view(&self) -> &FeatureView {
        &self.manifest.feature_views[1]
    }

    async fn load(&self, text: &str) -> Result<LoadReport, LoadError> {
        let file = FeatureFile {
            source: Arc::new(text.as_bytes().to_vec()),
            format: Format::JsonLines { gzip: false },
            identity: text.into(),
        };
        // Each clock that is read is a second later.
        let now_ms = || self.now_ms.fetch_add(1000, Ordering::Relaxed);
        let loader = Loader {
            writer: &self.store,
            manifest: &self.manifest,
            other_manifests: &[],
            view: self.view(),
            now_ms: &now_ms,
        };
        let mut rejected = Vec::new();
        let result = loader
            .load(
                &file,
                &self.options,
                &mut RejectWriter::new(&mut rejected),
                &mut |_, done, total| {
                    assert!(done <= total);
                },
            )
            .await;
        *self.rejects.lock().expect("no test panicked") = rejected;
        result
    }

    fn rejects(&self) -> Vec<Json> {
        let rejects = self.rejects.lock().expect("no test panicked");
        let lines = std::str::from_utf8(&rejects).expect("is text").lines();
        lines.map(|line| serde_json::from_str(line).expect("is JSON")).collect()
    }

    /// The ages of the first users, and of which snapshot they are.
    async fn ages(&self, users: i64) -> (Option<SnapshotId>, Vec<Option<i64>>) {
        let entities: Vec<_> = (0..users).map(|user| EntityKey(vec![KeyValue::Int64(user)])).collect();
        let reads = [ViewRead {
            view: self.view(),
            entities: &entities,
        }];
        let answer = self.store.rows.fetch(&reads, SETTLING).await.expect("reads").remove(0);
        let age = |row: &FeatureRow| match row.values[0] {
            Stored::Value(FeatureValue::Int64(age)) => age,
            ref other => panic!("{other:?}"),
        };
        let rows = answer.rows.iter();
        let ages = rows.map(|row| row.as_ref().expect("is readable").as_deref().map(age));
        (answer.snapshot, ages.collect())
    }

    async fn snapshots(&self) -> ViewSnapshots {
        self.store.snapshots(self.view()).await.expect("answers")
    }
}

fn users(count: i64, age: i64) -> String {
    let line = |user| json!({"user_id": user, "user_age": age, "user_score": 0.5}).to_string() + "\n";
    (0..count).map(line).collect()
}

#[tokio::test(start_paused = true)]
async fn a_file_becomes_the_current_snapshot() {
    let fixture = Fixture::new();
    let started = tokio::time::Instant::now();
    let report = fixture.load(&users(3000, 30)).await.expect("loads");
    assert!(
        (4..6).contains(&started.elapsed().as_secs()),
        "3,000 rows take 3 s, and settle for 2 s: {:?}",
        started.elapsed()
    );
    assert_eq!((report.rows, report.resumed_after, report.rejected), (3000, 0, 0));
    let first = Some(report.snapshot);
    assert_eq!(
        fixture.ages(3001).await,
        (first.clone(), {
            let mut ages = vec![Some(30); 3000];
            ages.push(None);
            ages
        })
    );
    let second = Some(fixture.load(&users(10, 31)).await.expect("loads").snapshot);
    assert_ne!(first, second);
    assert_eq!(fixture.ages(11).await.1[8..], [Some(31), Some(31), None]);
    let snapshots = fixture.snapshots().await;
    assert_eq!(snapshots.published.len(), 2);
    assert_eq!(snapshots.published[0].rows, 10);
    assert_eq!(snapshots.load, None);
}

#[tokio::test(start_paused = true)]
async fn a_bad_file_writes_nothing_and_every_bad_row_is_told() {
    let mut fixture = Fixture::new();
    fixture.options.event_time = EventTime::At(NOW_MS);
    let text =
        users(2, 30) + "{\"user_id\":1,\"user_age\":2}\n{\"user_id\":5,\"user_age\":\"old\",\"user_score\":{}}\n";
    let error = fixture.load(&text).await.expect_err("has bad rows");
    assert_eq!(
        error.to_string(),
        "2 of 4 rows are rejected, and 0 may be; nothing was written"
    );
    let rejects = fixture.rejects();
    assert_eq!(
        rejects[0],
        json!({"line": 3, "reasons": ["has the same join keys as line 2"],
               "row": {"user_id": 1, "user_age": 2, "event_time": "2027-01-15T08:00:00.000Z"}})
    );
    assert_eq!(
        (&rejects[1]["line"], &rejects[1]["row"]["user_age"]),
        (&json!(4), &json!("old"))
    );
    assert_eq!(rejects[1]["reasons"].as_array().map(Vec::len), Some(2));
    assert_eq!(fixture.store.written.load(Ordering::Relaxed), 0);
    assert_eq!(fixture.snapshots().await, ViewSnapshots::default());

    fixture.options.max_rejected = 2;
    let report = fixture.load(&text).await.expect("two may be");
    assert_eq!((report.rows, report.rejected), (2, 2));
    assert_eq!(fixture.ages(3).await.1, [Some(30), Some(30), None]);
    assert_eq!(fixture.rejects(), rejects);

    let error = fixture.load("\n").await.expect_err("has no row");
    assert!(matches!(error, LoadError::Empty { rejected: 0 }), "{error}");
}

/// Wherever the loader dies, readers see what they saw, and the next run goes on from its last checkpoint.
#[tokio::test(start_paused = true)]
async fn a_load_that_died_is_taken_up_where_it_was() {
    for life in [0, 1, 999, 2000, 2600, 4950, 4999] {
        let fixture = Fixture::new();
        let old = fixture.load(&users(5000, 30)).await.expect("loads").snapshot;
        fixture.store.written.store(0, Ordering::Relaxed);
        fixture.store.dies_after(life);
        let error = fixture.load(&users(5000, 31)).await.expect_err("dies");
        assert!(matches!(error, LoadError::Store(_)), "{error}");
        assert_eq!(fixture.ages(5000).await, (Some(old), vec![Some(30); 5000]));
        let interrupted = fixture.snapshots().await.load.expect("is known");

        let other = fixture.load(&users(1, 1)).await.expect_err("is in the way");
        assert!(
            matches!(other, LoadError::Snapshot(SnapshotError::LoadRunning { .. })),
            "{other}"
        );

        fixture.store.dies_after(u64::MAX);
        let written = fixture.store.written.swap(0, Ordering::Relaxed);
        let report = fixture.load(&users(5000, 31)).await.expect("goes on");
        assert_eq!(report.snapshot, interrupted.id);
        assert_eq!(report.resumed_after, interrupted.loaded.rows);
        assert!(
            written - report.resumed_after <= 2100,
            "{written} rows were written, and {} are known of",
            report.resumed_after
        );
        assert_eq!(
            fixture.store.written.load(Ordering::Relaxed),
            5000 - report.resumed_after
        );
        assert_eq!(fixture.ages(5000).await, (Some(report.snapshot), vec![Some(31); 5000]));
    }
}

#[tokio::test(start_paused = true)]
async fn another_file_takes_the_place_of_a_load_that_died_long_ago() {
    let fixture = Fixture::new();
    fixture.store.dies_after(10);
    fixture.load(&users(5000, 31)).await.expect_err("dies");
    fixture.store.dies_after(u64::MAX);
    fixture.now_ms.fetch_add(61_000, Ordering::Relaxed);
    let report = fixture.load(&users(2, 32)).await.expect("the other is dead");
    assert_eq!(
        fixture.ages(3).await,
        (Some(report.snapshot), vec![Some(32), Some(32), None])
    );
}

#[tokio::test(start_paused = true)]
async fn later_rows_are_not_replaced_by_a_load_of_earlier_ones() {
    let mut fixture = Fixture::new();
    let old = fixture.load(&users(2, 30)).await.expect("loads").snapshot;
    fixture.options.event_time = EventTime::At(NOW_MS - 1);
    let error = fixture.load(&users(2, 31)).await.expect_err("is older");
    assert!(
        matches!(error, LoadError::Snapshot(SnapshotError::OlderThanCurrent { .. })),
        "{error}"
    );
    assert_eq!(fixture.ages(1).await, (Some(old), vec![Some(30)]));
    fixture.options.allow_older = true;
    fixture.load(&users(2, 31)).await.expect("is allowed");
    assert_eq!(fixture.ages(1).await.1, [Some(31)]);
}

#[tokio::test(start_paused = true)]
async fn rows_that_are_upserted_while_a_load_runs_stay() {
    let fixture = Fixture::new();
    let age = |user, event_time_ms, age| RowWrite {
        entity: EntityKey(vec![KeyValue::Int64(user)]),
        row: FeatureRow {
            event_time_ms,
            expires_at_seconds: None,
            values: vec![Stored::Value(FeatureValue::Int64(age)), Stored::Null],
        },
    };
    upsert(&fixture.store, fixture.view(), &[age(0, 1, 1)])
        .await
        .expect("writes");
    let loading = async { fixture.load(&users(3000, 30)).await.expect("loads") };
    let upserting = async {
        tokio::time::sleep(std::time::Duration::from_secs(1)).await;
        // One that the load has passed already, and one that is to come; and one that is older than what is loaded.
        let rows = [
            age(1, NOW_MS + 60_000, 99),
            age(2999, NOW_MS + 60_000, 99),
            age(2, 5, 5),
        ];
        upsert(&fixture.store, fixture.view(), &rows).await.expect("writes");
    };
    let (report, ()) = tokio::join!(loading, upserting);
    assert_eq!(report.older, 1);
    let (snapshot, ages) = fixture.ages(3000).await;
    assert_eq!(snapshot, Some(report.snapshot));
    assert_eq!(
        (ages[0], ages[1], ages[2], ages[2999]),
        (Some(30), Some(99), Some(30), Some(99))
    );
}
