use async_trait::async_trait;
use aws_sdk_s3::Client;
use bytes::Bytes;
use sardonyx_core::checksummed::Checksummed;
use sardonyx_core::hashed::Hashed;
use sardonyx_core::ports::{ModelStore, Published, StoreError};

use crate::lazy_client::LazyClient;
use crate::s3_objects::S3Objects;

/// Model artifacts in an S3 bucket, under `models/{name}/{version}/{file}`.
#[derive(Clone, Debug)]
pub struct S3ModelStore {
    objects: S3Objects,
}

impl S3ModelStore {
    /// The artifacts in `bucket`.
    pub fn new(client: impl Into<LazyClient<Client>>, bucket: impl Into<String>) -> Self {
        Self::of(S3Objects::new(client, bucket))
    }

    pub(crate) fn of(objects: S3Objects) -> Self {
        Self { objects }
    }
}

fn object_key(name: &str, version: &str, file: &str) -> String {
    format!("models/{name}/{version}/{file}")
}

#[async_trait]
impl ModelStore for S3ModelStore {
    async fn fetch(&self, name: &str, version: &str, file: &str) -> Result<Bytes, StoreError> {
        self.objects.get(&object_key(name, version, file)).await
    }

    async fn find(&self, name: &str, version: &str, file: &str) -> Result<Option<Checksummed>, StoreError> {
        self.objects.find(&object_key(name, version, file)).await
    }

    async fn fetch_hashed(&self, name: &str, version: &str, file: &str) -> Result<Hashed, StoreError> {
        self.objects.get_hashed(&object_key(name, version, file)).await
    }

    async fn publish(&self, name: &str, version: &str, file: &str, bytes: Bytes) -> Result<Published, StoreError> {
        self.objects.publish(&object_key(name, version, file), bytes).await
    }
}
