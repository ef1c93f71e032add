use std::sync::{Arc, OnceLock};

use async_trait::async_trait;
use aws_sdk_s3::Client;
use aws_sdk_s3::config::http::HttpResponse;
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_s3::primitives::ByteStream;
use bytes::Bytes;
use sardonyx_core::ports::{FileStore, StoreError, StoredFile};

use crate::clients::{AwsClients, unavailable};
use crate::lazy_client::LazyClient;
use crate::s3_blocks::{BlockThread, S3Object};

/// Files of feature rows in S3. They are read by ranges, as they are needed, and always with the entity tag that they were opened with.
#[derive(Debug)]
pub struct S3FileStore {
    client: LazyClient<Client>,
    blocks: OnceLock<Arc<BlockThread>>,
}

impl S3FileStore {
    /// Files of which `client` opens and writes those of this process's account. They are read with another client, from the environment.
    pub fn new(client: impl Into<LazyClient<Client>>) -> Self {
        Self {
            client: client.into(),
            blocks: OnceLock::new(),
        }
    }

    /// The thread that reads blocks, from the first file on.
    async fn blocks(&self) -> Result<Arc<BlockThread>, StoreError> {
        if let Some(thread) = self.blocks.get() {
            return Ok(Arc::clone(thread));
        }
        let client = || async { Ok(Client::clone(&AwsClients::from_env().await?.s3)) };
        let started = Arc::new(BlockThread::start(client).await?);
        Ok(Arc::clone(self.blocks.get_or_init(|| started)))
    }
}

#[async_trait]
impl FileStore for S3FileStore {
    async fn open(&self, bucket: &str, key: &str, etag: Option<&str>) -> Result<StoredFile, StoreError> {
        let what = format!("s3://{bucket}/{key}");
        let head = self
            .client
            .head_object()
            .bucket(bucket)
            .key(key)
            .set_if_match(etag.map(|etag| format!("\"{etag}\"")))
            .send()
            .await
            .map_err(|error| object_error(&what, error))?;
        let found = head.e_tag.unwrap_or_default().trim_matches('"').to_owned();
        if etag.is_some_and(|etag| etag != found) {
            return Err(replaced(&what));
        }
        let size = head.content_length.and_then(|length| u64::try_from(length).ok());
        let size = size.ok_or_else(|| unavailable(&*what, "S3 did not say how long it is"))?;
        let modified = head.last_modified.and_then(|time| time.to_millis().ok());
        let modified_at_ms = modified.ok_or_else(|| unavailable(&*what, "S3 did not say when it was written"))?;
        let thread = self.blocks().await?;
        Ok(StoredFile {
            source: Arc::new(S3Object::new(thread, bucket, key, &found, size)),
            etag: found,
            modified_at_ms,
        })
    }

    async fn put(&self, bucket: &str, key: &str, bytes: Bytes) -> Result<(), StoreError> {
        self.client
            .put_object()
            .bucket(bucket)
            .key(key)
            .body(ByteStream::from(bytes))
            .send()
            .await
            .map_err(|error| unavailable(format!("s3://{bucket}/{key}"), error))?;
        Ok(())
    }
}

/// Why an object cannot be read. A HEAD has no body that could say it.
pub(crate) fn object_error<E>(what: &str, error: SdkError<E, HttpResponse>) -> StoreError
where
    E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
{
    match error.raw_response().map(|response| response.status().as_u16()) {
        Some(404) => StoreError::NotFound { what: what.into() },
        Some(412) => replaced(what),
        _ => unavailable(what, error),
    }
}

/// There is an object, but it is not the one that is meant.
pub(crate) fn replaced(what: &str) -> StoreError {
    StoreError::NotFound {
        what: format!("{what}, as it was before another one took its place,"),
    }
}
