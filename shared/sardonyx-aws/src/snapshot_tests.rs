//! What readers see while snapshots are published and rolled back.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use sardonyx_core::entity::{EntityKey, KeyValue};
use sardonyx_core::feature_row::{FeatureRow, Stored};
use sardonyx_core::manifest::FeatureView;
use sardonyx_core::ports::{FeatureWriter, OnlineStore, RowWrite, ViewRead, ViewRows};
use sardonyx_core::snapshots::SnapshotId;
use sardonyx_core::testing::{conformance, models};
use sardonyx_core::value::FeatureValue;

use crate::stub_dynamodb::{Stub, StubStore};

const TIMEOUT: Duration = Duration::from_secs(30);
/// More than one BatchGetItem takes.
const ENTITIES: i64 = 101;

#[tokio::test(start_paused = true)]
async fn the_writer_conforms_while_three_keys_of_ten_are_throttled() {
    let (_, store) = Stub::store(0.3);
    conformance::feature_writer(&store.reader_without_memory(), &store).await;
}

fn view() -> FeatureView {
    models::manifest().feature_views[0].clone()
}

fn id(number: i64) -> SnapshotId {
    SnapshotId::new(format!("s{number}")).expect("is an id")
}

fn entities() -> Vec<EntityKey> {
    let entity = |index: i64| EntityKey(vec![KeyValue::String(format!("c-{index}"))]);
    (0..ENTITIES).map(entity).collect()
}

/// Writes the snapshot of that number, whose rows all hold the number.
async fn write(store: &StubStore, number: i64) {
    let row = |entity| RowWrite {
        entity,
        row: FeatureRow {
            event_time_ms: 1,
            expires_at_seconds: None,
            values: vec![Stored::Value(FeatureValue::Int64(number))],
        },
    };
    let rows: Vec<_> = entities().into_iter().map(row).collect();
    store.write(&view(), &id(number), &rows).await.expect("writes");
}

async fn flip(store: &StubStore, number: i64) {
    let mut snapshots = store.snapshots(&view()).await.expect("answers");
    snapshots.current = Some(id(number));
    assert!(
        store
            .replace_snapshots(&view(), &snapshots)
            .await
            .expect("nobody else does it")
    );
}

async fn read(store: &dyn OnlineStore) -> ViewRows {
    let view = view();
    let reads = [ViewRead {
        view: &view,
        entities: &entities(),
    }];
    store.fetch(&reads, TIMEOUT).await.expect("reads").remove(0)
}

/// The number of the snapshot of which all rows are.
fn number_of(rows: &ViewRows) -> i64 {
    let numbers: Vec<_> = rows
        .rows
        .iter()
        .map(|row| match row.as_ref().expect("is readable").as_ref() {
            Some(row) => row.values[0].clone(),
            None => panic!("a row is missing"),
        })
        .collect();
    let Stored::Value(FeatureValue::Int64(number)) = numbers[0] else {
        panic!("{:?}", numbers[0]);
    };
    assert!(numbers.iter().all(|other| *other == numbers[0]), "mixed: {numbers:?}");
    assert_eq!(rows.snapshot, Some(id(number)), "it says of which snapshot they are");
    number
}

/// Readers that keep what they know for a while, and some that do not, while a thousand snapshots take turns and keys are throttled.
#[tokio::test(start_paused = true)]
async fn a_thousand_flips_under_load_never_mix_or_lose_a_row() {
    let (_, store) = Stub::store(0.3);
    let store = Arc::new(store);
    for number in 0..4 {
        write(&store, number).await;
    }
    flip(&store, 0).await;
    let is_over = Arc::new(AtomicBool::new(false));
    let readers: Vec<_> = (0..3_u64)
        .map(|index| {
            let (store, is_over) = (Arc::clone(&store), Arc::clone(&is_over));
            let reader = store
                .reader_without_memory()
                .with_snapshot_max_age(Duration::from_millis(50 * index));
            tokio::spawn(async move {
                let (mut reads, mut changes, mut last) = (0, 0, -1);
                while !is_over.load(Ordering::Relaxed) {
                    let number = number_of(&read(&reader).await);
                    reads += 1;
                    changes += i32::from(number != last);
                    last = number;
                    tokio::time::sleep(Duration::from_millis(25)).await;
                }
                (reads, changes)
            })
        })
        .collect();
    for flips in 1..=1000_i64 {
        flip(&store, flips * 7 % 4).await;
        tokio::time::sleep(Duration::from_millis(fastrand::u64(0..40))).await;
    }
    is_over.store(true, Ordering::Relaxed);
    for reader in readers {
        let (reads, changes) = reader.await.expect("saw nothing wrong");
        assert!(reads > 20 && changes > 20, "{reads} reads saw {changes} changes");
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_current_is_asked_with_the_rows_once_a_second() {
    let (stub, store) = Stub::store(0.0);
    write(&store, 0).await;
    write(&store, 1).await;
    flip(&store, 0).await;
    let calls = || stub.reads.swap(0, Ordering::Relaxed);
    calls();
    assert_eq!(number_of(&read(&store).await), 0);
    assert_eq!(calls(), 3, "at first the record comes before the rows");
    assert_eq!(number_of(&read(&store).await), 0);
    assert_eq!(calls(), 2);

    flip(&store, 1).await;
    assert_eq!(number_of(&read(&store).await), 0, "for a second what is known is used");
    calls();
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(number_of(&read(&store).await), 1);
    assert_eq!(calls(), 4, "the old rows with the record, and then the new ones");
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(number_of(&read(&store).await), 1);
    assert_eq!(calls(), 2, "the record comes with the rows");
}
