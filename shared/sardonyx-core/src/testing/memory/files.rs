use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;

use super::lock;
use crate::ports::{FileStore, MessageQueue, Source, StoreError, StoredFile};

/// Files in memory. Their time is what they are told.
#[derive(Clone, Debug, Default)]
pub struct InMemoryFileStore {
    files: Arc<Mutex<HashMap<(String, String), File>>>,
    now_ms: Arc<Mutex<i64>>,
}

#[derive(Clone, Debug)]
struct File {
    bytes: Bytes,
    version: usize,
    modified_at_ms: i64,
}

impl File {
    fn etag(&self) -> String {
        format!("{:032x}", self.version)
    }
}

/// One of the files, as long as it stays the same.
struct OpenFile {
    store: InMemoryFileStore,
    place: (String, String),
    file: File,
}

impl InMemoryFileStore {
    /// Sets the time of files that are written from now on, in milliseconds since the Unix epoch.
    pub fn set_now_ms(&self, now_ms: i64) {
        *lock(&self.now_ms) = now_ms;
    }

    /// All files whose keys begin in that way, by key.
    pub fn list(&self, bucket: &str, prefix: &str) -> Vec<(String, Bytes)> {
        let files = lock(&self.files);
        let is_meant = |(of, key): &&(String, String)| of == bucket && key.starts_with(prefix);
        let mut found: Vec<_> = files
            .keys()
            .filter(is_meant)
            .map(|place| (place.1.clone(), files[place].bytes.clone()))
            .collect();
        found.sort();
        found
    }

    fn find(&self, place: &(String, String), etag: Option<&str>) -> Result<File, StoreError> {
        let file = lock(&self.files).get(place).cloned();
        file.filter(|file| etag.is_none_or(|etag| etag == file.etag()))
            .ok_or_else(|| StoreError::NotFound {
                what: format!("{}/{}", place.0, place.1),
            })
    }
}

#[async_trait]
impl FileStore for InMemoryFileStore {
    async fn open(&self, bucket: &str, key: &str, etag: Option<&str>) -> Result<StoredFile, StoreError> {
        let place = (bucket.to_owned(), key.to_owned());
        let file = self.find(&place, etag)?;
        Ok(StoredFile {
            etag: file.etag(),
            modified_at_ms: file.modified_at_ms,
            source: Arc::new(OpenFile {
                store: self.clone(),
                place,
                file,
            }),
        })
    }

    async fn put(&self, bucket: &str, key: &str, bytes: Bytes) -> Result<(), StoreError> {
        let modified_at_ms = *lock(&self.now_ms);
        let place = (bucket.to_owned(), key.to_owned());
        let mut files = lock(&self.files);
        let version = files.get(&place).map_or(1, |file| file.version + 1);
        files.insert(
            place,
            File {
                bytes,
                version,
                modified_at_ms,
            },
        );
        Ok(())
    }
}

impl Source for OpenFile {
    fn size(&self) -> Result<u64, StoreError> {
        Ok(self.file.bytes.len() as u64)
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<usize, StoreError> {
        let file = self.store.find(&self.place, Some(&self.file.etag()))?;
        file.bytes.to_vec().read_at(offset, buffer)
    }
}

/// A queue in memory, which keeps what is sent.
#[derive(Debug, Default)]
pub struct InMemoryMessageQueue {
    messages: Mutex<Vec<(String, Duration)>>,
    failure: Mutex<Option<String>>,
}

impl InMemoryMessageQueue {
    /// Takes all messages, each with its delay.
    pub fn take(&self) -> Vec<(String, Duration)> {
        std::mem::take(&mut lock(&self.messages))
    }

    /// Makes every further message fail as unavailable, for that reason; `None` ends it.
    pub fn set_failure(&self, reason: Option<&str>) {
        *lock(&self.failure) = reason.map(str::to_owned);
    }
}

#[async_trait]
impl MessageQueue for InMemoryMessageQueue {
    async fn send(&self, body: &str, delay: Duration) -> Result<(), StoreError> {
        if let Some(reason) = lock(&self.failure).clone() {
            return Err(StoreError::Unavailable {
                what: "the in-memory queue".into(),
                source: reason.into(),
            });
        }
        lock(&self.messages).push((body.to_owned(), delay));
        Ok(())
    }
}
