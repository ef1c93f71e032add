use std::sync::Mutex;

use async_trait::async_trait;
use bytes::Bytes;

use super::{InMemoryModelStore, Shared, lock};
use crate::ports::{CatalogueStore, ModelStore, Published, StoreError};
use crate::rank::CatalogueId;

/// Packed catalogues in memory.
#[derive(Debug, Default)]
pub struct InMemoryCatalogueStore {
    /// Files that never change, as a model's are.
    catalogues: InMemoryModelStore,
    current: Shared<(String, String), CatalogueId>,
    failure: Mutex<Option<String>>,
}

impl InMemoryCatalogueStore {
    /// Makes every further call fail as unavailable, for that reason; `None` ends it.
    pub fn set_failure(&self, reason: Option<&str>) {
        *lock(&self.failure) = reason.map(str::to_owned);
    }

    fn check(&self) -> Result<(), StoreError> {
        match lock(&self.failure).clone() {
            None => Ok(()),
            Some(reason) => Err(StoreError::Unavailable {
                what: "the in-memory store".into(),
                source: reason.into(),
            }),
        }
    }
}

#[async_trait]
impl CatalogueStore for InMemoryCatalogueStore {
    async fn current(&self, model: &str, model_version: &str) -> Result<CatalogueId, StoreError> {
        self.check()?;
        let found = lock(&self.current)
            .get(&(model.to_owned(), model_version.to_owned()))
            .cloned();
        found.ok_or_else(|| StoreError::NotFound {
            what: format!("the current catalogue of {model} version {model_version}"),
        })
    }

    async fn fetch(&self, model: &str, model_version: &str, id: &CatalogueId) -> Result<Bytes, StoreError> {
        self.check()?;
        self.catalogues.fetch(model, model_version, id.as_str()).await
    }

    async fn publish(
        &self,
        model: &str,
        model_version: &str,
        bytes: Bytes,
    ) -> Result<(CatalogueId, Published), StoreError> {
        self.check()?;
        let id = CatalogueId::of(&bytes);
        let published = self
            .catalogues
            .publish(model, model_version, id.as_str(), bytes)
            .await?;
        Ok((id, published))
    }

    async fn make_current(&self, model: &str, model_version: &str, id: &CatalogueId) -> Result<(), StoreError> {
        self.fetch(model, model_version, id).await?;
        let key = (model.to_owned(), model_version.to_owned());
        lock(&self.current).insert(key, id.clone());
        Ok(())
    }
}
