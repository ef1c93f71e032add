//! Whole objects of a bucket, some of which never change.

use std::sync::Arc;

use aws_sdk_s3::Client;
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_s3::operation::get_object::GetObjectError;
use aws_sdk_s3::primitives::ByteStream;
use bytes::Bytes;
use sardonyx_core::checksummed::Checksummed;
use sardonyx_core::hashed::Hashed;
use sardonyx_core::ports::{Cause, Published, StoreError};

use crate::body::Body;
use crate::clients::unavailable;
use crate::direct::{DirectCalls, Refused};
use crate::lazy_client::LazyClient;

/// What S3 says when there is no such object; to a HEAD request it says the last.
const NOT_THERE: [&str; 3] = ["NoSuchKey", "NoSuchBucket", "NotFound"];
/// What it says then to who may not list the bucket.
const ACCESS_DENIED: &str = "AccessDenied";

/// The objects of a bucket.
#[derive(Clone, Debug)]
pub(crate) struct S3Objects {
    client: LazyClient<Client>,
    /// What is tried before the client, for whole objects.
    direct: Option<Arc<DirectCalls>>,
    bucket: String,
}

impl S3Objects {
    pub(crate) fn new(client: impl Into<LazyClient<Client>>, bucket: impl Into<String>) -> Self {
        Self {
            client: client.into(),
            direct: None,
            bucket: bucket.into(),
        }
    }

    pub(crate) fn with_direct_calls(self, direct: Option<Arc<DirectCalls>>) -> Self {
        Self { direct, ..self }
    }

    /// The bytes of an object.
    pub(crate) async fn get(&self, key: &str) -> Result<Bytes, StoreError> {
        self.get_with(key, Body::collect).await
    }

    /// The bytes of an object, and their hash.
    pub(crate) async fn get_hashed(&self, key: &str) -> Result<Hashed, StoreError> {
        self.get_with(key, Body::collect_hashed).await
    }

    /// The bytes of an object that may be large, and need not be there, with their checksum. What may not be read counts as not there.
    pub(crate) async fn find(&self, key: &str) -> Result<Option<Checksummed>, StoreError> {
        if let Some(direct) = &self.direct {
            match direct.get_large_object(&self.bucket, key).await {
                Ok(found) => return Ok(Some(found)),
                // The client would be told the same, and is slow to make.
                Err(error) if matches!(Refused::status_of(&error), Some(403 | 404)) => return Ok(None),
                Err(_) => {}
            }
        }
        match self.send_get(key).await {
            Ok(body) => self.collected(key, body.collect_checksummed().await).map(Some),
            Err(error) if is_not_there(&error) || error.code() == Some(ACCESS_DENIED) => Ok(None),
            Err(error) => Err(self.error(key, error)),
        }
    }

    async fn get_with<T>(
        &self,
        key: &str,
        collect: impl AsyncFn(Body) -> Result<T, Cause> + Copy,
    ) -> Result<T, StoreError> {
        if let Some(direct) = &self.direct
            && let Ok(body) = direct.get_object(&self.bucket, key).await
            && let Ok(collected) = collect(body).await
        {
            return Ok(collected);
        }
        let body = self.send_get(key).await.map_err(|error| self.error(key, error))?;
        self.collected(key, collect(body).await)
    }

    /// Asks the client for an object.
    async fn send_get(&self, key: &str) -> Result<Body, SdkError<GetObjectError>> {
        let object = self.client.get_object().bucket(&self.bucket).key(key).send().await?;
        Ok(Body {
            length: object.content_length.and_then(|length| usize::try_from(length).ok()),
            pieces: object.body,
        })
    }

    fn collected<T>(&self, key: &str, collected: Result<T, Cause>) -> Result<T, StoreError> {
        collected.map_err(|error| unavailable(self.describe(key), error))
    }

    /// That there is such an object.
    pub(crate) async fn require(&self, key: &str) -> Result<(), StoreError> {
        let head = self.client.head_object().bucket(&self.bucket).key(key).send().await;
        head.map(drop).map_err(|error| self.error(key, error))
    }

    /// Writes an object over what is there.
    pub(crate) async fn put(&self, key: &str, bytes: Bytes) -> Result<(), StoreError> {
        let put = self
            .client
            .put_object()
            .bucket(&self.bucket)
            .key(key)
            .body(ByteStream::from(bytes));
        put.send().await.map(drop).map_err(|error| self.error(key, error))
    }

    /// Writes an object that never changes. The same bytes once more are fine, others are a conflict.
    pub(crate) async fn publish(&self, key: &str, bytes: Bytes) -> Result<Published, StoreError> {
        let put = self
            .client
            .put_object()
            .bucket(&self.bucket)
            .key(key)
            .if_none_match("*")
            .body(ByteStream::from(bytes.clone()))
            .send()
            .await;
        match put {
            Ok(_) => Ok(Published::New),
            Err(error) if error.code() == Some("PreconditionFailed") => {
                if self.get(key).await? == bytes {
                    Ok(Published::AlreadyThere)
                } else {
                    Err(StoreError::Conflict {
                        what: self.describe(key),
                    })
                }
            }
            Err(error) => Err(self.error(key, error)),
        }
    }

    pub(crate) fn describe(&self, key: &str) -> String {
        format!("s3://{}/{key}", self.bucket)
    }

    fn error<E>(&self, key: &str, error: E) -> StoreError
    where
        E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
    {
        if is_not_there(&error) {
            return StoreError::NotFound {
                what: self.describe(key),
            };
        }
        unavailable(self.describe(key), error)
    }
}

fn is_not_there(error: &impl ProvideErrorMetadata) -> bool {
    error.code().is_some_and(|code| NOT_THERE.contains(&code))
}

#[cfg(test)]
mod tests {
    use aws_sdk_s3::config::{BehaviorVersion, Config, Credentials, Region};
    use aws_smithy_runtime_api::client::http::{
        HttpConnector, HttpConnectorFuture, SharedHttpConnector, http_client_fn,
    };
    use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
    use aws_smithy_types::body::SdkBody;

    use super::*;

    /// Answers everything with one status and body.
    #[derive(Debug, Clone)]
    struct Answering(u16, &'static str);

    impl HttpConnector for Answering {
        fn call(&self, _: HttpRequest) -> HttpConnectorFuture {
            let status = self.0.try_into().expect("is a status");
            HttpConnectorFuture::ready(Ok(HttpResponse::new(status, SdkBody::from(self.1))))
        }
    }

    fn client(answering: Answering) -> Client {
        let connector = SharedHttpConnector::new(answering);
        let config = Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new("eu-west-1"))
            .credentials_provider(Credentials::for_tests())
            .http_client(http_client_fn(move |_, _| connector.clone()));
        Client::from_conf(config.build())
    }

    const DENIED: &str = "<Error><Code>AccessDenied</Code></Error>";
    const NO_SUCH_KEY: &str = "<Error><Code>NoSuchKey</Code></Error>";

    #[tokio::test]
    async fn an_object_that_need_not_be_there_may_be_hidden_too() {
        for (answering, expected) in [
            (Answering(200, "bytes"), Some("bytes")),
            (Answering(404, NO_SUCH_KEY), None),
            (Answering(403, DENIED), None),
        ] {
            let found = S3Objects::new(client(answering.clone()), "b").find("k").await;
            assert_eq!(found.expect("answers"), expected.map(Checksummed::new));
            // The client is not made for it.
            let none = LazyClient::new(|| -> Client { panic!("the direct call is enough") });
            let direct = Arc::new(DirectCalls::on(SharedHttpConnector::new(answering)));
            let found = S3Objects::new(none, "b")
                .with_direct_calls(Some(direct))
                .find("k")
                .await;
            assert_eq!(found.expect("answers"), expected.map(Checksummed::new));
        }
        // Of one that has to be there, neither is the last word, and both are errors in the end.
        let denied = S3Objects::new(client(Answering(403, DENIED)), "b").get("k").await;
        assert!(matches!(denied, Err(StoreError::Unavailable { .. })), "{denied:?}");
        let direct = Arc::new(DirectCalls::on(SharedHttpConnector::new(Answering(403, DENIED))));
        let objects = S3Objects::new(client(Answering(200, "bytes")), "b").with_direct_calls(Some(direct));
        assert_eq!(objects.get("k").await.expect("is there"), "bytes");
    }
}
