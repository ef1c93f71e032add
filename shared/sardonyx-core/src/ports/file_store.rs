use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;

use super::{Source, StoreError};

/// Files of feature rows, as they are dropped into a bucket, and what is written down about them beside them.
#[async_trait]
pub trait FileStore: Send + Sync {
    /// Opens a file; with an entity tag, which stands for its bytes, only if it is the one with those.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] when the file is gone, or is another one now; [`StoreError::Unavailable`].
    async fn open(&self, bucket: &str, key: &str, etag: Option<&str>) -> Result<StoredFile, StoreError>;

    /// Writes a file, over one that is there.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    async fn put(&self, bucket: &str, key: &str, bytes: Bytes) -> Result<(), StoreError>;
}

/// A file in a [`FileStore`].
#[derive(Clone)]
pub struct StoredFile {
    /// Its bytes. Reading them fails with [`StoreError::NotFound`] from when on they are others.
    pub source: Arc<dyn Source>,
    /// Its entity tag, without quotes.
    pub etag: String,
    /// When it was written, in milliseconds since the Unix epoch.
    pub modified_at_ms: i64,
}
