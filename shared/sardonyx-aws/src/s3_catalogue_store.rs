use async_trait::async_trait;
use aws_sdk_s3::Client;
use bytes::Bytes;
use sardonyx_core::ports::{CatalogueStore, Published, StoreError};
use sardonyx_core::rank::CatalogueId;

use crate::lazy_client::LazyClient;
use crate::s3_objects::S3Objects;

/// Packed catalogues in an S3 bucket: `catalogues/{model}/{model version}/{id}` never changes, and `…/current` holds the id of the current one.
#[derive(Clone, Debug)]
pub struct S3CatalogueStore {
    objects: S3Objects,
}

impl S3CatalogueStore {
    /// The catalogues in `bucket`.
    pub fn new(client: impl Into<LazyClient<Client>>, bucket: impl Into<String>) -> Self {
        Self::of(S3Objects::new(client, bucket))
    }

    pub(crate) fn of(objects: S3Objects) -> Self {
        Self { objects }
    }
}

fn object_key(model: &str, model_version: &str, name: &str) -> String {
    format!("catalogues/{model}/{model_version}/{name}")
}

fn current_key(model: &str, model_version: &str) -> String {
    object_key(model, model_version, "current")
}

#[async_trait]
impl CatalogueStore for S3CatalogueStore {
    async fn current(&self, model: &str, model_version: &str) -> Result<CatalogueId, StoreError> {
        let key = current_key(model, model_version);
        let bytes = self.objects.get(&key).await?;
        let id = std::str::from_utf8(&bytes).ok().and_then(CatalogueId::parse);
        id.ok_or_else(|| StoreError::Malformed {
            what: self.objects.describe(&key),
            problem: "it is not the id of a catalogue".into(),
        })
    }

    async fn fetch(&self, model: &str, model_version: &str, id: &CatalogueId) -> Result<Bytes, StoreError> {
        self.objects.get(&object_key(model, model_version, id.as_str())).await
    }

    async fn publish(
        &self,
        model: &str,
        model_version: &str,
        bytes: Bytes,
    ) -> Result<(CatalogueId, Published), StoreError> {
        let id = CatalogueId::of(&bytes);
        let key = object_key(model, model_version, id.as_str());
        let published = self.objects.publish(&key, bytes).await?;
        Ok((id, published))
    }

    async fn make_current(&self, model: &str, model_version: &str, id: &CatalogueId) -> Result<(), StoreError> {
        self.objects
            .require(&object_key(model, model_version, id.as_str()))
            .await?;
        let current = Bytes::copy_from_slice(id.as_str().as_bytes());
        self.objects.put(&current_key(model, model_version), current).await
    }
}
