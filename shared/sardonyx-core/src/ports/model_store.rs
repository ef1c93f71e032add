use async_trait::async_trait;
use bytes::Bytes;

use super::StoreError;
use crate::checksummed::Checksummed;
use crate::hashed::Hashed;

/// Model artifacts by name and version. A published file never changes.
#[async_trait]
pub trait ModelStore: Send + Sync {
    /// The bytes of one file of one version.
    ///
    /// # Errors
    /// [`StoreError::NotFound`], [`StoreError::Unavailable`].
    async fn fetch(&self, name: &str, version: &str, file: &str) -> Result<Bytes, StoreError>;

    /// The bytes of a file that need not be there with their checksum, which a store may compute while they come.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    async fn find(&self, name: &str, version: &str, file: &str) -> Result<Option<Checksummed>, StoreError>;

    /// The bytes of one file of one version with their hash, which a store may compute while they come.
    ///
    /// # Errors
    /// As [`ModelStore::fetch`].
    async fn fetch_hashed(&self, name: &str, version: &str, file: &str) -> Result<Hashed, StoreError> {
        Ok(Hashed::new(self.fetch(name, version, file).await?))
    }

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
