use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;

use crate::entity::EntityKey;
use crate::manifest::FeatureView;
use crate::ports::{
    FeatureRows, MalformedRow, ModelStore, OnlineStore, PredictionRecord, Published, Recorded, ResultStore, RowWrite,
    FeatureWriter, StoreError, ViewRead,
};
use crate::feature_row::FeatureRow;

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
    rows: Shared<(String, EntityKey), Row>,
    failure: Mutex<Option<String>>,
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
}

#[async_trait]
impl OnlineStore for InMemoryOnlineStore {
    async fn fetch(&self, reads: &[ViewRead<'_>], _timeout: Duration) -> Result<Vec<FeatureRows>, StoreError> {
        if let Some(reason) = lock(&self.failure).clone() {
            return Err(StoreError::Unavailable {
                what: "the in-memory store".into(),
                source: reason.into(),
            });
        }
        let rows = lock(&self.rows);
        let fetch_one = |view: &FeatureView, entity: &EntityKey| {
            let Some(row) = rows.get(&(view.name.clone(), entity.clone())) else {
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
            read.entities
                .iter()
                .map(|entity| fetch_one(read.view, entity))
                .collect()
        };
        Ok(reads.iter().map(fetch_view).collect())
    }
}

#[async_trait]
impl FeatureWriter for InMemoryOnlineStore {
    async fn write(&self, view: &FeatureView, rows: &[RowWrite]) -> Result<(), StoreError> {
        for row in rows {
            let types_fit = row.row.values.len() == view.features.len()
                && row
                    .row
                    .values
                    .iter()
                    .zip(&view.features)
                    .all(|(stored, feature)| stored.fits(feature));
            if !types_fit {
                return Err(StoreError::Malformed {
                    what: format!("a row of {}", view.name),
                    problem: "its values are not those of the view".into(),
                });
            }
        }
        let mut stored = lock(&self.rows);
        for row in rows {
            let row = Arc::new(row.row.clone());
            stored.insert(
                (view.name.clone(), row.entity.clone()),
                Row {
                    view: view.clone(),
                    row,
                },
            );
        }
        Ok(())
    }
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
            let key = (record.prediction_id.clone(), record.model_name.clone());
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
            conformance::online_store(&InMemoryOnlineStore::default(), Layout::Native).await;
            conformance::result_store(&InMemoryResultStore::default()).await;
        });
    }
}
