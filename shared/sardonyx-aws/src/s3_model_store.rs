use async_trait::async_trait;
use aws_sdk_s3::Client;
use aws_sdk_s3::error::ProvideErrorMetadata;
use aws_sdk_s3::primitives::ByteStream;
use bytes::Bytes;
use sardonyx_core::ports::{ModelStore, Published, StoreError};

use crate::clients::unavailable;

/// Model artifacts in an S3 bucket, under `models/{name}/{version}/{file}`.
#[derive(Clone, Debug)]
pub struct S3ModelStore {
    client: Client,
    bucket: String,
}

impl S3ModelStore {
    /// The artifacts in `bucket`.
    pub fn new(client: Client, bucket: impl Into<String>) -> Self {
        Self {
            client,
            bucket: bucket.into(),
        }
    }

    fn describe(&self, key: &str) -> String {
        format!("s3://{}/{key}", self.bucket)
    }
}

fn object_key(name: &str, version: &str, file: &str) -> String {
    format!("models/{name}/{version}/{file}")
}

#[async_trait]
impl ModelStore for S3ModelStore {
    async fn fetch(&self, name: &str, version: &str, file: &str) -> Result<Bytes, StoreError> {
        let key = object_key(name, version, file);
        let object = self
            .client
            .get_object()
            .bucket(&self.bucket)
            .key(&key)
            .send()
            .await
            .map_err(|error| match error.code() {
                Some("NoSuchKey" | "NoSuchBucket") => StoreError::NotFound {
                    what: self.describe(&key),
                },
                _ => unavailable(self.describe(&key), error),
            })?;
        let body = object
            .body
            .collect()
            .await
            .map_err(|error| unavailable(self.describe(&key), error))?;
        Ok(body.into_bytes())
    }

    async fn publish(&self, name: &str, version: &str, file: &str, bytes: Bytes) -> Result<Published, StoreError> {
        let key = object_key(name, version, file);
        let put = self
            .client
            .put_object()
            .bucket(&self.bucket)
            .key(&key)
            .if_none_match("*")
            .body(ByteStream::from(bytes.clone()))
            .send()
            .await;
        match put {
            Ok(_) => Ok(Published::New),
            Err(error) if error.code() == Some("PreconditionFailed") => {
                if self.fetch(name, version, file).await? == bytes {
                    Ok(Published::AlreadyThere)
                } else {
                    Err(StoreError::Conflict {
                        what: self.describe(&key),
                    })
                }
            }
            Err(error) if error.code() == Some("NoSuchBucket") => Err(StoreError::NotFound {
                what: self.describe(&key),
            }),
            Err(error) => Err(unavailable(self.describe(&key), error)),
        }
    }
}
