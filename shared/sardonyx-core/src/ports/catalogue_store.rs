use async_trait::async_trait;
use bytes::Bytes;

use super::{Published, StoreError};
use crate::rank::CatalogueId;

/// Packed catalogues of offers, by the name and the version of the model that they are packed for. A published one never changes; which of
/// them is current does.
#[async_trait]
pub trait CatalogueStore: Send + Sync {
    /// Which catalogue is to be used now.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] when none was made current so far, [`StoreError::Unavailable`], [`StoreError::Malformed`].
    async fn current(&self, model: &str, model_version: &str) -> Result<CatalogueId, StoreError>;

    /// The bytes of one catalogue.
    ///
    /// # Errors
    /// [`StoreError::NotFound`], [`StoreError::Unavailable`].
    async fn fetch(&self, model: &str, model_version: &str, id: &CatalogueId) -> Result<Bytes, StoreError>;

    /// Adds a catalogue under the id of its bytes, which is the answer; it is not current by that.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] when the id has other bytes, [`StoreError::Unavailable`].
    async fn publish(
        &self,
        model: &str,
        model_version: &str,
        bytes: Bytes,
    ) -> Result<(CatalogueId, Published), StoreError>;

    /// Makes a published catalogue the current one.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] when there is no such catalogue, [`StoreError::Unavailable`].
    async fn make_current(&self, model: &str, model_version: &str, id: &CatalogueId) -> Result<(), StoreError>;
}
