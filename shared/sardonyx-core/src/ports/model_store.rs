use async_trait::async_trait;
use bytes::Bytes;

use super::StoreError;

/// Model artifacts by name and version. A published file never changes.
#[async_trait]
pub trait ModelStore: Send + Sync {
    /// The bytes of one file of one version.
    ///
    /// # Errors
    /// [`StoreError::NotFound`], [`StoreError::Unavailable`].
    async fn fetch(&self, name: &str, version: &str, file: &str) -> Result<Bytes, StoreError>;

    /// Adds a file. The same bytes once more are fine.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] when the file exists with other bytes, [`StoreError::Unavailable`].
    async fn publish(&self, name: &str, version: &str, file: &str, bytes: Bytes) -> Result<Published, StoreError>;
}

/// What [`ModelStore::publish`] did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Published {
    /// The file is new.
    New,
    /// The same file was there.
    AlreadyThere,
}
