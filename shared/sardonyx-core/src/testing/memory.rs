mod catalogues;
mod files;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;

use crate::checksummed::Checksummed;
use crate::entity::EntityKey;
use crate::feature_row::FeatureRow;
use crate::manifest::FeatureView;
use crate::ports::{
    FeatureWriter, MalformedRow, Merged, ModelStore, OnlineStore, PredictionRecord, Published, Recorded, ResultStore,
    RowWrite, StoreError, ViewRead, ViewRows,
};
use crate::snapshots::{SnapshotId, ViewSnapshots};

pub use catalogues::InMemoryCatalogueStore;
pub use files::{InMemoryFileStore, InMemoryMessageQueue};

type Shared<K, V> = Mutex<HashMap<K, V>>;

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Artifacts in memory.
#[derive(Debug, Default)]
pub struct InMemoryModelStore {
    files: Shared<(String, String, String), Bytes>,
}

#[async_trait]
impl ModelStore for InMemoryModelStore {
    async fn fetch(&self, name: &str, version: &str, file: &str) -> Result<Bytes, StoreError> {
        let key = (name.to_owned(), version.to_owned(), file.to_owned());
        lock(&self.files)
            .get(&key)
            .cloned()
            .ok_or_else(|| StoreError::NotFound {
                what: format!("{name}/{version}/{file}"),
            })
    }

    async fn find(&self, name: &str, version: &str, file: &str) -> Result<Option<Checksummed>, StoreError> {
        Ok(self.fetch(name, version, file).await.ok().map(Checksummed::new))
    }

    async fn publish(&self, name: &str, version: &str, file: &str, bytes: Bytes) -> Result<Published, StoreError> {
        let key = (name.to_owned(), version.to_owned(), file.to_owned());
        let mut files = lock(&self.files);
        match files.get(&key) {
            None => {
                files.insert(key, bytes);
                Ok(Published::New)
            }
            Some(there) if *there == bytes => Ok(Published::AlreadyThere),
            Some(_) => Err(StoreError::Conflict {
                what: format!("{name}/{version}/{file}"),
            }),
        }
    }
}

/// Feature rows in memory.
#[derive(Debug, Default)]
pub struct InMemoryOnlineStore {
    views: Shared<String, View>,
    failure: Mutex<Option<String>>,
}

#[derive(Debug, Default)]
struct View {
    snapshots: ViewSnapshots,
    rows: HashMap<(Option<SnapshotId>, EntityKey), Row>,
}

#[derive(Clone, Debug)]
struct Row {
    view: FeatureView,
    row: Arc<FeatureRow>,
}

impl InMemoryOnlineStore {
    /// Makes every further read fail as unavailable, for that reason; `None` ends it.
    pub fn set_failure(&self, reason: Option<&str>) {
        *lock(&self.failure) = reason.map(str::to_owned);
    }

    /// Writes a row outside of any snapshot, or over the one there, whatever their times.
    ///
    /// # Panics
    /// When the row does not fit the view.
    pub fn put(&self, view: &FeatureView, write: RowWrite) {
        check(view, std::slice::from_ref(&write)).expect("fits the view");
        insert(
            lock(&self.views).entry(view.name.clone()).or_default(),
            view,
            None,
            &write,
        );
    }
}

#[async_trait]
impl OnlineStore for InMemoryOnlineStore {
    async fn fetch(&self, reads: &[ViewRead<'_>], _timeout: Duration) -> Result<Vec<ViewRows>, StoreError> {
        if let Some(reason) = lock(&self.failure).clone() {
            return Err(StoreError::Unavailable {
                what: "the in-memory store".into(),
                source: reason.into(),
            });
        }
        let views = lock(&self.views);
        let nothing = View::default();
        let fetch_one = |stored: &View, view: &FeatureView, entity: &EntityKey| {
            let key = (stored.snapshots.current.clone(), entity.clone());
            let Some(row) = stored.rows.get(&key) else {
                return Ok(None);
            };
            if row.view.features != view.features {
                return Err(MalformedRow {
                    view: view.name.clone(),
                    problem: "it was written with another schema".into(),
                });
            }
            Ok(Some(Arc::clone(&row.row)))
        };
        let fetch_view = |read: &ViewRead<'_>| {
            let stored = views.get(&read.view.name).unwrap_or(&nothing);
            let rows = read.entities.iter().map(|entity| fetch_one(stored, read.view, entity));
            ViewRows {
                snapshot: stored.snapshots.current.clone(),
                rows: rows.collect(),
            }
        };
        Ok(reads.iter().map(fetch_view).collect())
    }
}

#[async_trait]
impl FeatureWriter for InMemoryOnlineStore {
    async fn write(&self, view: &FeatureView, snapshot: &SnapshotId, rows: &[RowWrite]) -> Result<(), StoreError> {
        check(view, rows)?;
        let mut views = lock(&self.views);
        let stored = views.entry(view.name.clone()).or_default();
        for write in rows {
            insert(stored, view, Some(snapshot), write);
        }
        Ok(())
    }

    async fn merge(
        &self,
        view: &FeatureView,
        snapshot: Option<&SnapshotId>,
        rows: &[RowWrite],
    ) -> Result<Vec<Merged>, StoreError> {
        check(view, rows)?;
        let mut views = lock(&self.views);
        let stored = views.entry(view.name.clone()).or_default();
        let merge = |write: &RowWrite| {
            let there = stored.rows.get(&(snapshot.cloned(), write.entity.clone()));
            if there.is_some_and(|there| there.row.event_time_ms > write.row.event_time_ms) {
                return Merged::Older;
            }
            insert(stored, view, snapshot, write);
            Merged::Written
        };
        Ok(rows.iter().map(merge).collect())
    }

    async fn snapshots(&self, view: &FeatureView) -> Result<ViewSnapshots, StoreError> {
        let views = lock(&self.views);
        Ok(views
            .get(&view.name)
            .map(|stored| stored.snapshots.clone())
            .unwrap_or_default())
    }

    async fn replace_snapshots(&self, view: &FeatureView, snapshots: &ViewSnapshots) -> Result<bool, StoreError> {
        let mut views = lock(&self.views);
        let stored = &mut views.entry(view.name.clone()).or_default().snapshots;
        if stored.revision != snapshots.revision {
            return Ok(false);
        }
        *stored = snapshots.clone();
        stored.revision += 1;
        Ok(true)
    }
}

fn check(view: &FeatureView, rows: &[RowWrite]) -> Result<(), StoreError> {
    let fits = |write: &RowWrite| {
        let values = &write.row.values;
        values.len() == view.features.len()
            && values
                .iter()
                .zip(&view.features)
                .all(|(stored, feature)| stored.fits(feature))
    };
    if rows.iter().all(fits) {
        return Ok(());
    }
    Err(StoreError::Malformed {
        what: format!("a row of {}", view.name),
        problem: "its values are not those of the view".into(),
    })
}

fn insert(stored: &mut View, view: &FeatureView, snapshot: Option<&SnapshotId>, write: &RowWrite) {
    let row = Row {
        view: view.clone(),
        row: Arc::new(write.row.clone()),
    };
    stored.rows.insert((snapshot.cloned(), write.entity.clone()), row);
}

/// Recorded predictions in memory.
#[derive(Debug, Default)]
pub struct InMemoryResultStore {
    records: Shared<(String, String), PredictionRecord>,
    failing_id: Mutex<Option<String>>,
}

impl InMemoryResultStore {
    /// Makes recording under that id fail as unavailable; `None` ends it.
    pub fn set_failing_id(&self, prediction_id: Option<&str>) {
        *lock(&self.failing_id) = prediction_id.map(str::to_owned);
    }

    /// How many predictions are recorded.
    pub fn len(&self) -> usize {
        lock(&self.records).len()
    }

    /// Whether none is recorded.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

#[async_trait]
impl ResultStore for InMemoryResultStore {
    async fn record(&self, records: &[PredictionRecord], _timeout: Duration) -> Vec<Result<Recorded, StoreError>> {
        let failing_id = lock(&self.failing_id).clone();
        let mut stored = lock(&self.records);
        let record_one = |record: &PredictionRecord| {
            if failing_id.as_ref() == Some(&record.prediction_id) {
                return Err(StoreError::Unavailable {
                    what: "the in-memory store".into(),
                    source: "told to fail".into(),
                });
            }
            let key = (record.prediction_id.clone(), record.model_name.to_string());
            if stored.contains_key(&key) {
                return Ok(Recorded::AlreadyThere);
            }
            stored.insert(key, record.clone());
            Ok(Recorded::New)
        };
        records.iter().map(record_one).collect()
    }

    async fn find(&self, prediction_id: &str, model_name: &str) -> Result<Option<PredictionRecord>, StoreError> {
        Ok(lock(&self.records)
            .get(&(prediction_id.to_owned(), model_name.to_owned()))
            .cloned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::manifest::Layout;
    use crate::testing::conformance;

    #[test]
    fn the_in_memory_stores_conform() {
        conformance::block_on(async {
            conformance::model_store(&InMemoryModelStore::default()).await;
            let store = InMemoryOnlineStore::default();
            conformance::online_store(&store, &store, Layout::Native).await;
            conformance::feature_writer(&store, &store).await;
            conformance::result_store(&InMemoryResultStore::default()).await;
            conformance::catalogue_store(&InMemoryCatalogueStore::default()).await;
            conformance::file_store(&InMemoryFileStore::default(), "bucket").await;
        });
    }
}
